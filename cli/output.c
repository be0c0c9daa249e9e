/* stdout, stderr and JSON lines. */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "utf8_text.h"

static int out_error; /* errno of the first failed write; 0: none */

static void out_check(bool ok)
{
    if (!ok && out_error == 0) out_error = errno ? errno : EIO;
}

void cli_write(const char *text, size_t n)
{
    if (out_error || n == 0) return;
    errno = 0;
    out_check(fwrite(text, 1, n, stdout) == n);
}

void cli_puts(const char *text)
{
    cli_write(text, strlen(text));
}

int cli_printf(const char *format, ...)
{
    if (out_error) return 0;
    va_list args;
    va_start(args, format);
    errno = 0;
    int n = vprintf(format, args);
    va_end(args);
    out_check(n >= 0);
    return n < 0 ? 0 : n;
}

void cli_flush(void)
{
    if (out_error) return;
    errno = 0;
    out_check(fflush(stdout) == 0);
}

bool cli_out_failed(void)
{
    return out_error != 0;
}

int cli_finish(int exit_code)
{
    cli_flush();
    if (out_error == EPIPE) return exit_code;
    if (out_error) return cli_fail("cannot write to stdout: %s", strerror(out_error));
    return exit_code;
}

int cli_fail(const char *format, ...)
{
    cli_progress_end();
    fputs("toolformer: ", stderr);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return CLI_FAILURE;
}

int cli_fail_error(const tfc_error *err)
{
    /* A closed or full stdout stops long work by the same way; cli_finish says what there is to say. */
    if (err->status == TFC_EINTERRUPTED && cli_out_failed()) return CLI_OK;
    cli_fail("%s", err->message[0] ? err->message : tfc_status_text(err->status));
    return err->status == TFC_EINTERRUPTED ? CLI_INTERRUPTED : CLI_FAILURE;
}

void cli_note(const char *format, ...)
{
    cli_progress_end();
    fputs("toolformer: ", stderr);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

bool cli_json_init(cli_json *json)
{
    *json = (cli_json){0};
    json->stream = open_memstream(&json->text, &json->n);
    if (!json->stream) cli_fail("out of memory");
    return json->stream != NULL;
}

static void json_escape(FILE *stream, const char *text, size_t n)
{
    fputc('"', stream);
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        size_t length = utf8_length(text + i, n - i);
        if (length == 0)
            fputs("\xEF\xBF\xBD", stream);
        else if (c == '"' || c == '\\')
            fprintf(stream, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", stream);
        else if (c < 0x20 || c == 0x7F)
            fprintf(stream, "\\u%04x", c);
        else
            fwrite(text + i, 1, length, stream);
        i += length ? length : 1;
    }
    fputc('"', stream);
}

static void json_key(cli_json *json, const char *key)
{
    if (json->comma) fputc(',', json->stream);
    json->comma = true;
    if (!key) return;
    json_escape(json->stream, key, strlen(key));
    fputc(':', json->stream);
}

void cli_json_begin(cli_json *json, const char *key, char bracket)
{
    json_key(json, key);
    fputc(bracket, json->stream);
    json->comma = false;
}

void cli_json_end(cli_json *json, char bracket)
{
    fputc(bracket, json->stream);
    json->comma = true;
}

void cli_json_bytes(cli_json *json, const char *key, const char *text, size_t n)
{
    json_key(json, key);
    json_escape(json->stream, text, n);
}

void cli_json_null(cli_json *json, const char *key)
{
    json_key(json, key);
    fputs("null", json->stream);
}

void cli_json_text(cli_json *json, const char *key, const char *text)
{
    if (text)
        cli_json_bytes(json, key, text, strlen(text));
    else
        cli_json_null(json, key);
}

void cli_json_int(cli_json *json, const char *key, int64_t value)
{
    json_key(json, key);
    fprintf(json->stream, "%" PRId64, value);
}

/* The shortest of three lengths that reads back as the same number. */
void cli_json_number(cli_json *json, const char *key, double value)
{
    if (!isfinite(value)) {
        cli_json_null(json, key);
        return;
    }
    json_key(json, key);
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    fputs(text, json->stream);
}

void cli_json_bool(cli_json *json, const char *key, bool value)
{
    json_key(json, key);
    fputs(value ? "true" : "false", json->stream);
}

/* Ends the text; false when memory was lost on the way. */
static bool json_close(cli_json *json)
{
    bool failed = ferror(json->stream) != 0;
    failed = fclose(json->stream) != 0 || failed;
    json->stream = NULL;
    if (failed) cli_fail("out of memory");
    return !failed;
}

bool cli_json_print(cli_json *json)
{
    fputc('\n', json->stream);
    bool ok = json_close(json);
    if (ok) cli_write(json->text, json->n);
    cli_json_drop(json);
    return ok;
}

bool cli_json_save(cli_json *json, const char *path)
{
    char *partial = NULL;
    fputc('\n', json->stream);
    bool ok = json_close(json) && asprintf(&partial, "%s.partial", path) >= 0;
    FILE *file = ok ? fopen(partial, "we") : NULL;
    if (ok) {
        bool written = file && fwrite(json->text, 1, json->n, file) == json->n && fflush(file) == 0 &&
                       fsync(fileno(file)) == 0;
        if (file) written = fclose(file) == 0 && written;
        ok = written && rename(partial, path) == 0;
        if (!ok) cli_fail("cannot write '%s': %s", path, strerror(errno));
        if (!ok && file) unlink(partial);
    }
    free(partial);
    cli_json_drop(json);
    return ok;
}

char *cli_json_take(cli_json *json)
{
    char *text = json_close(json) ? json->text : NULL;
    if (text) json->text = NULL;
    cli_json_drop(json);
    return text;
}

void cli_json_drop(cli_json *json)
{
    if (json->stream) fclose(json->stream);
    free(json->text);
    *json = (cli_json){0};
}

static volatile sig_atomic_t interrupts;

static void on_signal(int number)
{
    (void)number;
    if (interrupts) _exit(CLI_INTERRUPTED);
    interrupts = 1;
}

void cli_signals_install(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: a waiting read returns */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
}

bool cli_interrupted(void)
{
    return interrupts != 0;
}
