/* zlib reads plain files too, so there is one way for both. */
#include "base/lines.h"

#include <errno.h>
#include <zlib.h>

enum { CHUNK = 1 << 16 };

struct tfc_lines {
    const char *name;
    gzFile stream;
    int n, at; /* of the chunk */
    bool begun, end;
    char chunk[CHUNK];
};

tfc_lines *tfc_lines_open(const char *name, tfc_error *err)
{
    tfc_lines *lines = tfc_alloc(1, sizeof *lines);
    if (!lines) return tfc_fail_memory(err, name), NULL;
    lines->name = name;
    lines->n = lines->at = 0;
    lines->begun = lines->end = false;
    errno = 0;
    lines->stream = gzopen(name, "rb");
    if (!lines->stream) {
        if (errno)
            tfc_fail_errno(err, "cannot open '%s'", name);
        else
            tfc_fail_memory(err, name);
        tfc_free(lines);
        return NULL;
    }
    gzbuffer(lines->stream, 1 << 17);
    return lines;
}

void tfc_lines_close(tfc_lines *lines)
{
    if (!lines) return;
    gzclose(lines->stream);
    tfc_free(lines);
}

/* The next chunk; at the end `end` is set. */
static tfc_status fill(tfc_lines *lines, tfc_error *err)
{
    errno = 0;
    int n = gzread(lines->stream, lines->chunk, CHUNK), code;
    lines->at = 0;
    lines->n = n > 0 ? n : 0;
    lines->end = n <= 0;
    const char *reason = gzerror(lines->stream, &code);
    if (n >= 0 && (code == Z_OK || code == Z_STREAM_END)) return TFC_OK;
    if (code == Z_ERRNO || (code == Z_OK && errno))
        return tfc_fail_errno(err, "cannot read '%s'", lines->name);
    return tfc_fail(err, TFC_EFORMAT, "%s: %s", lines->name,
                    code == Z_BUF_ERROR ? "the compressed file ends in the middle; fetch it again" : reason);
}

tfc_status tfc_lines_next(tfc_lines *lines, tfc_buffer *line, bool *any, bool *cut, tfc_error *err)
{
    tfc_buffer_clear(line);
    *any = *cut = false;
    for (;;) {
        if (lines->at == lines->n) {
            tfc_status status = lines->end ? TFC_OK : fill(lines, err);
            if (status != TFC_OK || lines->end) return status;
            if (!lines->begun && lines->n >= 3 && memcmp(lines->chunk, "\xEF\xBB\xBF", 3) == 0) lines->at = 3;
            lines->begun = true;
        }
        *any = true;
        const char *begin = lines->chunk + lines->at;
        const char *newline = memchr(begin, '\n', (size_t)(lines->n - lines->at));
        size_t n = newline ? (size_t)(newline - begin) : (size_t)(lines->n - lines->at);
        if (!*cut && !tfc_buffer_append(line, begin, n)) {
            if (!line->too_large) return tfc_fail_memory(err, lines->name);
            *cut = true;
        }
        lines->at += (int)n + (newline != NULL);
        if (newline) return TFC_OK;
    }
}

tfc_status tfc_lines_rest(tfc_lines *lines, tfc_buffer *text, tfc_error *err)
{
    tfc_status status = TFC_OK;
    while (status == TFC_OK && !lines->end) {
        tfc_buffer_append(text, lines->chunk + lines->at, (size_t)(lines->n - lines->at));
        status = tfc_buffer_ok(text, lines->name, err);
        if (status == TFC_OK) status = fill(lines, err);
    }
    return status;
}

int64_t tfc_lines_offset(const tfc_lines *lines)
{
    return (int64_t)gzoffset(lines->stream);
}

bool tfc_line_is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') return false;
    return true;
}

bool tfc_name_ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), n_ending = strlen(ending);
    return n >= n_ending && strcmp(name + n - n_ending, ending) == 0;
}
