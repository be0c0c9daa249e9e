/* cli/input.h: stdin and files, with limits. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CLI_MAX_TEXT = 256 << 20, CLI_MAX_LINE = 64 << 20 };

/* The whole of stdin (path NULL) or of a file, at most CLI_MAX_TEXT bytes; NUL-terminated, free(). NULL after
 * a message. Must be valid UTF-8 unless `bytes`. */
char *cli_read_text(const char *path, size_t *n, bool bytes);

/* Lines of stdin. `ready` says whether a whole line, or the end, is there without waiting. */
typedef struct cli_lines {
    char *data;
    size_t begin, end, capacity; /* unread bytes: data[begin, end) */
    bool eof, failed;
} cli_lines;
/* The next line without its end; false at the end, on failure (`failed`, said) and on an interruption. The
 * text is valid until the next call. */
bool cli_lines_next(cli_lines *lines, char **line, size_t *n);
bool cli_lines_ready(cli_lines *lines);
void cli_lines_release(cli_lines *lines);

#endif
