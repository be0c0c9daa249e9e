/* cli/output.h: stdout that notices its errors, JSON lines, messages, progress. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "toolformer/base.h"

/* stdout. After the first failed write nothing more is written and cli_out_failed() is true. cli_printf
 * returns the bytes that it printed. */
void cli_write(const char *text, size_t n);
void cli_puts(const char *text);
int cli_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_flush(void);
bool cli_out_failed(void);
/* Flushes stdout at the end of the program: exit_code, or 1 with a message when output was lost (a reader who
 * closed the pipe has what they wanted: no message, no failure). */
int cli_finish(int exit_code);

/* "toolformer: MESSAGE" on stderr; returns the exit code 1. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for an error of the library; 130 when it was an interruption. */
int cli_fail_error(const tfc_error *err);
/* A warning or hint on stderr. */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One JSON value, built in memory. Keys are NULL inside arrays. Numbers that are no numbers become null;
 * broken UTF-8 becomes U+FFFD. */
typedef struct cli_json {
    FILE *stream;
    char *text;
    size_t n;
    bool comma;
} cli_json;
bool cli_json_init(cli_json *json);
void cli_json_begin(cli_json *json, const char *key, char bracket);    /* '{' or '[' */
void cli_json_end(cli_json *json, char bracket);                       /* '}' or ']' */
void cli_json_text(cli_json *json, const char *key, const char *text); /* NULL: null */
void cli_json_bytes(cli_json *json, const char *key, const char *text, size_t n);
void cli_json_int(cli_json *json, const char *key, int64_t value);
void cli_json_number(cli_json *json, const char *key, double value);
void cli_json_bool(cli_json *json, const char *key, bool value);
void cli_json_null(cli_json *json, const char *key);
/* Prints the line on stdout and releases. False when memory was lost; that is said. */
bool cli_json_print(cli_json *json);
/* Writes the line to a file, which is the old one or the whole new one; releases. False after a message. */
bool cli_json_save(cli_json *json, const char *path);
/* The text without a line break, free(); releases. NULL after a message. */
char *cli_json_take(cli_json *json);
/* Releases without printing. */
void cli_json_drop(cli_json *json);

/* Progress and interruption as the library wants them. On a terminal one line is redrawn; else a line every
 * ten seconds and one at the end of each stage. */
tfc_monitor cli_monitor(bool quiet);
/* Ends the redrawn line, if one stands there. Messages do so by themselves. */
void cli_progress_end(void);

/* SIGINT and SIGTERM: the first asks to stop, the second ends the program. SIGPIPE is an error of a write. */
void cli_signals_install(void);
bool cli_interrupted(void);

#endif
