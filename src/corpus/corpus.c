/* Reading files into a corpus: gzip or not, lines or whole texts. */
#include <errno.h>
#include <stdio.h>
#include <zlib.h>

#include "corpus/corpus_reader.h"
#include "tools/tool.h"

enum { CHUNK = 1 << 16, TEXT_FILE_MAX = 1 << 30 };

tfc_corpus_params tfc_corpus_params_default(void)
{
    return (tfc_corpus_params){.limit = -1, .max_tokens = 256};
}

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), n_ending = strlen(ending);
    return n >= n_ending && strcmp(name + n - n_ending, ending) == 0;
}

typedef struct source {
    const char *name; /* in the corpus's arena: ids and messages keep it */
    gzFile stream;    /* reads plain files too */
    char chunk[CHUNK];
    int n, at; /* of the chunk */
    bool end;
} source;

static tfc_status source_open(source *s, const char *name, tfc_error *err)
{
    s->name = name;
    s->n = s->at = 0;
    s->end = false;
    errno = 0;
    s->stream = gzopen(name, "rb");
    if (!s->stream) return errno ? tfc_fail_errno(err, "cannot open '%s'", name) : tfc_fail_memory(err, name);
    gzbuffer(s->stream, 1 << 17);
    return TFC_OK;
}

/* The next chunk; at the end `end` is set. */
static tfc_status source_fill(source *s, tfc_error *err)
{
    errno = 0;
    int n = gzread(s->stream, s->chunk, CHUNK), code;
    s->at = 0;
    s->n = n > 0 ? n : 0;
    s->end = n <= 0;
    const char *reason = gzerror(s->stream, &code);
    if (n >= 0 && (code == Z_OK || code == Z_STREAM_END)) return TFC_OK;
    if (code == Z_ERRNO || (code == Z_OK && errno)) return tfc_fail_errno(err, "cannot read '%s'", s->name);
    return tfc_fail(err, TFC_EFORMAT, "%s: %s", s->name,
                    code == Z_BUF_ERROR ? "the compressed file ends in the middle; fetch it again" : reason);
}

/* The next line, without its end. any: false at the end of the file. cut: what went past the cap was dropped.
 */
static tfc_status source_line(source *s, tfc_buffer *line, bool *any, bool *cut, tfc_error *err)
{
    tfc_buffer_clear(line);
    *any = *cut = false;
    for (;;) {
        if (s->at == s->n) {
            if (s->end) return TFC_OK;
            tfc_status status = source_fill(s, err);
            if (status != TFC_OK) return status;
            if (s->end) return TFC_OK;
        }
        *any = true;
        const char *begin = s->chunk + s->at, *newline = memchr(begin, '\n', (size_t)(s->n - s->at));
        size_t n = newline ? (size_t)(newline - begin) : (size_t)(s->n - s->at);
        if (!*cut && !tfc_buffer_append(line, begin, n)) {
            if (tfc_buffer_ok(line, s->name, NULL) == TFC_ENOMEM) return tfc_fail_memory(err, s->name);
            *cut = true;
        }
        s->at += (int)n + (newline != NULL);
        if (newline) return TFC_OK;
    }
}

static void say_progress(const tfc_corpus_reader *reader, const source *s, int64_t line)
{
    if (!reader->monitor || !reader->monitor->progress) return;
    char detail[160];
    snprintf(detail, sizeof detail, "%.100s, line %lld", s->name, (long long)line);
    reader->monitor->progress(reader->monitor->context, &(tfc_progress){.stage = "read",
                                                                        .done = reader->corpus->n_documents,
                                                                        .unit = "documents",
                                                                        .detail = detail});
}

static bool is_blank_line(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", text[i]) || text[i] == '\0') return false;
    return true;
}

static tfc_status read_lines(tfc_corpus_reader *reader, source *s, tfc_error *err)
{
    tfc_buffer line;
    tfc_buffer_init(&line, TFC_LINE_MAX);
    tfc_status status = TFC_OK;
    for (int64_t number = 1; status == TFC_OK && !tfc_corpus_is_full(reader); number++) {
        bool any, cut;
        status = source_line(s, &line, &any, &cut, err);
        if (status != TFC_OK || !any) break;
        const char *text = line.data ? line.data : "";
        size_t skip = number == 1 && line.n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        if (cut) {
            tfc_error bad;
            tfc_fail(&bad, TFC_EFORMAT, "%.400s:%lld: line longer than 16 MiB", s->name, (long long)number);
            status = tfc_corpus_bad_line(reader, &bad, err);
        } else if (!is_blank_line(text, line.n)) {
            status = tfc_corpus_read_line(reader, s->name, number, text + skip, line.n - skip, err);
        }
        if (number % 1024 == 0) {
            say_progress(reader, s, number);
            if (status == TFC_OK && tfc_should_stop(reader->monitor))
                status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
        }
    }
    tfc_buffer_release(&line);
    return status;
}

static tfc_status read_whole(tfc_corpus_reader *reader, source *s, tfc_error *err)
{
    tfc_buffer text;
    tfc_buffer_init(&text, TEXT_FILE_MAX);
    tfc_status status = TFC_OK;
    while (status == TFC_OK && !s->end) {
        status = source_fill(s, err);
        if (status == TFC_OK) tfc_buffer_append(&text, s->chunk, (size_t)s->n);
        if (status == TFC_OK) status = tfc_buffer_ok(&text, s->name, err);
    }
    if (status == TFC_OK) {
        char *data = text.data ? text.data : s->chunk;
        size_t skip = text.n >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        status = tfc_corpus_read_text(reader, s->name, data + skip, text.n - skip, err);
    }
    tfc_buffer_release(&text);
    return status;
}

static tfc_status read_file(tfc_corpus_reader *reader, const char *path, tfc_error *err)
{
    source *s = tfc_alloc(1, sizeof *s);
    const char *name = tfc_arena_strndup(&reader->corpus->arena, path, strlen(path));
    tfc_status status = s && name ? source_open(s, name, err) : tfc_fail_memory(err, "corpus");
    if (status == TFC_OK) {
        bool lines = ends_with(path, ".jsonl") || ends_with(path, ".jsonl.gz");
        status = lines ? read_lines(reader, s, err) : read_whole(reader, s, err);
        gzclose(s->stream);
    }
    tfc_free(s);
    return status;
}

static tfc_status check_params(const tfc_corpus_params *params, const tfc_tokenizer *tokenizer,
                               tfc_error *err)
{
    if (params->n_files == 0) return tfc_fail(err, TFC_EINVAL, "no corpus file was given");
    if (params->max_tokens < 0) return tfc_fail(err, TFC_EINVAL, "max_tokens must not be negative");
    if (params->max_tokens > 0 && !tokenizer) return tfc_fail(err, TFC_EINVAL, "snippets need a tokenizer");
    if (params->default_date && !tfc_calendar_valid(params->default_date))
        return tfc_fail(err, TFC_EINVAL, "date '%.40s' is none; YYYY-MM-DD expected", params->default_date);
    return TFC_OK;
}

tfc_corpus *tfc_corpus_open(const tfc_corpus_params *params, const tfc_tokenizer *tokenizer,
                            const tfc_monitor *monitor, tfc_error *err)
{
    if (check_params(params, tokenizer, err) != TFC_OK) return NULL;
    tfc_corpus *corpus = tfc_corpus_create(err);
    if (!corpus) return NULL;
    tfc_corpus_reader reader = {
        .corpus = corpus, .params = params, .tokenizer = tokenizer, .monitor = monitor};
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < params->n_files && status == TFC_OK && !tfc_corpus_is_full(&reader); i++)
        status = read_file(&reader, params->files[i], err);
    if (status == TFC_OK && corpus->n_bad_lines > 0)
        tfc_monitor_note(monitor, "%lld bad lines were left out", (long long)corpus->n_bad_lines);
    if (status != TFC_OK) {
        tfc_corpus_free(corpus);
        return NULL;
    }
    return corpus;
}

int64_t tfc_corpus_n_documents(const tfc_corpus *corpus)
{
    return corpus->n_documents;
}

int64_t tfc_corpus_n_snippets(const tfc_corpus *corpus)
{
    return corpus->n_snippets;
}

int64_t tfc_corpus_n_bad_lines(const tfc_corpus *corpus)
{
    return corpus->n_bad_lines;
}

const tfc_snippet *tfc_corpus_snippet(const tfc_corpus *corpus, int64_t i)
{
    return i >= 0 && i < corpus->n_snippets ? &corpus->snippets[i] : NULL;
}

uint64_t tfc_corpus_hash(const tfc_corpus *corpus)
{
    return corpus->hash;
}
