/* Reading stdin: whole texts, and lines that are handed on as soon as they are there. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "utf8_text.h"

/* Room for one more read of at least 64 KiB and a NUL. */
static bool grow(char **data, size_t *capacity, size_t used)
{
    if (*capacity - used > (64 << 10)) return true;
    size_t wanted = *capacity ? *capacity * 2 : 256 << 10;
    char *bigger = realloc(*data, wanted);
    if (!bigger) return false;
    *data = bigger;
    *capacity = wanted;
    return true;
}

/* Up to CLI_MAX_TEXT bytes of an open file. */
static char *read_all(int file, const char *name, size_t *n)
{
    char *data = NULL;
    size_t capacity = 0;
    *n = 0;
    for (;;) {
        if (!grow(&data, &capacity, *n)) {
            cli_fail("out of memory");
            break;
        }
        ssize_t got = read(file, data + *n, capacity - *n - 1);
        if (got < 0 && errno == EINTR && !cli_interrupted()) continue;
        if (got < 0) {
            if (!cli_interrupted()) cli_fail("cannot read %s: %s", name, strerror(errno));
            break;
        }
        if (got == 0) {
            data[*n] = '\0';
            return data;
        }
        *n += (size_t)got;
        if (*n > CLI_MAX_TEXT) {
            cli_fail("%s is longer than %d MB", name, CLI_MAX_TEXT >> 20);
            break;
        }
    }
    free(data);
    return NULL;
}

char *cli_read_text(const char *path, size_t *n, bool bytes)
{
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (file < 0) {
        cli_fail("cannot open '%s': %s", path, strerror(errno));
        return NULL;
    }
    const char *name = path ? path : "stdin";
    char *text = read_all(file, name, n);
    if (path) close(file);
    size_t at;
    if (text && !bytes && !utf8_valid(text, *n, &at)) {
        cli_fail("%s: invalid UTF-8 at byte %zu (0x%02X)", name, at, (unsigned char)text[at]);
        free(text);
        return NULL;
    }
    return text;
}

/* One read; false at the end and on failure. */
static bool fill(cli_lines *lines)
{
    if (lines->begin > 0) {
        memmove(lines->data, lines->data + lines->begin, lines->end - lines->begin);
        lines->end -= lines->begin;
        lines->begin = 0;
    }
    if (!grow(&lines->data, &lines->capacity, lines->end)) {
        cli_fail("out of memory");
        lines->failed = true;
        return false;
    }
    ssize_t got;
    do {
        got = read(STDIN_FILENO, lines->data + lines->end, lines->capacity - lines->end - 1);
    } while (got < 0 && errno == EINTR && !cli_interrupted());
    if (got < 0 && !cli_interrupted()) cli_fail("cannot read stdin: %s", strerror(errno));
    if (got < 0) lines->failed = true;
    if (got <= 0) lines->eof = true;
    if (got > 0) lines->end += (size_t)got;
    return got > 0;
}

static char *line_end(const cli_lines *lines)
{
    if (lines->end == lines->begin) return NULL;
    return memchr(lines->data + lines->begin, '\n', lines->end - lines->begin);
}

bool cli_lines_ready(cli_lines *lines)
{
    while (!lines->eof && !line_end(lines)) {
        struct pollfd wait = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&wait, 1, 0) <= 0) return false;
        fill(lines);
    }
    return true;
}

bool cli_lines_next(cli_lines *lines, char **line, size_t *n)
{
    char *end;
    while (!(end = line_end(lines)) && !lines->eof) {
        if (lines->end - lines->begin > CLI_MAX_LINE) {
            cli_fail("stdin: a line is longer than %d MB", CLI_MAX_LINE >> 20);
            lines->failed = true;
            return false;
        }
        fill(lines);
    }
    if (lines->failed || lines->begin == lines->end) return false;
    *line = lines->data + lines->begin;
    *n = end ? (size_t)(end - *line) : lines->end - lines->begin;
    lines->begin += *n + (end != NULL);
    (*line)[*n] = '\0';
    return true;
}

void cli_lines_release(cli_lines *lines)
{
    free(lines->data);
    *lines = (cli_lines){0};
}
