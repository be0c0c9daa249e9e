/* The text form of calls: parse, scan, print, insert, remove, strip.
 *
 * The one rule that keeps this simple and linear: a call holds no bracket but its own two. So a failed
 * attempt ends at the next bracket or line break at the latest, attempts never overlap, and whoever waits for
 * the text `]` waits for the end of the call, whatever tokens it is cut into (`)]` is one token in many
 * vocabularies). */
#include "toolformer/calls.h"

#include "base/memory.h"
#include "base/utf8.h"

enum { NAME_BYTES_MAX = 64 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What no call may hold: its own ends, line breaks, NUL. */
static bool is_break(char c)
{
    return c == '[' || c == ']' || c == '\n' || c == '\r' || c == '\0';
}

static bool is_name_start(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_name_char(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

bool tfc_call_name_valid(const char *name)
{
    if (!is_name_start(*name)) return false;
    size_t n = 1;
    while (n <= NAME_BYTES_MAX && is_name_char(name[n])) n++;
    return n <= NAME_BYTES_MAX && name[n] == '\0';
}

static bool name_known(const char *name, size_t n, const char *const *names, size_t n_names)
{
    if (!names) return true;
    for (size_t i = 0; i < n_names; i++)
        if (strncmp(names[i], name, n) == 0 && names[i][n] == '\0') return true;
    return false;
}

/* From just behind the opening parenthesis to the one that closes it; n when there is none. Parentheses nest,
 * except between double quotes. */
static size_t args_close(const char *text, size_t n, size_t at)
{
    size_t depth = 0;
    bool quoted = false;
    for (; at < n && !is_break(text[at]); at++) {
        if (text[at] == '"') {
            quoted = !quoted;
        } else if (quoted) {
            continue;
        } else if (text[at] == '(') {
            depth++;
        } else if (text[at] == ')') {
            if (depth == 0) return at;
            depth--;
        }
    }
    return n;
}

bool tfc_call_args_valid(const char *args, size_t n)
{
    if (n > 0 && (is_blank(args[0]) || is_blank(args[n - 1]))) return false;
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (is_break(args[i])) return false;
        if (args[i] == '"') quoted = !quoted;
        if (quoted) continue;
        if (args[i] == '(') depth++;
        if (args[i] == ')' && depth-- == 0) return false;
    }
    return depth == 0 && !quoted;
}

/* [begin, end) without the blanks at its ends. */
static void trim(const char *text, size_t *begin, size_t *end)
{
    while (*begin < *end && is_blank(text[*begin])) ++*begin;
    while (*end > *begin && is_blank(text[*end - 1])) --*end;
}

/* The call whose bracket is at text[at], read up to its `]`, or up to the end of the text when that comes
 * first and `open` allows it. */
static bool call_parse(const char *text, size_t n, size_t at, const char *const *names, size_t n_names,
                       bool open, tfc_call_span *span)
{
    tfc_call_span s = {.begin = at};
    if (at < n && text[at] == ' ') at++;
    if (at >= n || text[at] != '[') return false;
    s.name = ++at;
    if (at >= n || !is_name_start(text[at])) return false;
    while (at < n && is_name_char(text[at])) at++;
    s.name_end = at;
    if (at >= n || text[at] != '(' || !name_known(text + s.name, at - s.name, names, n_names)) return false;
    s.args = at + 1;
    s.args_end = args_close(text, n, s.args);
    if (s.args_end >= n) return false;
    at = s.args_end + 1;
    trim(text, &s.args, &s.args_end);
    while (at < n && is_blank(text[at])) at++;
    s.has_arrow = n - at >= 2 && text[at] == '-' && text[at + 1] == '>';
    if (s.has_arrow) at += 2;
    s.result = at;
    if (s.has_arrow)
        while (at < n && !is_break(text[at])) at++;
    s.result_end = at;
    trim(text, &s.result, &s.result_end);
    if (open ? at < n || s.result < s.result_end : at >= n || text[at] != ']') return false;
    s.closed = !open;
    s.end = open ? n : at + 1;
    *span = s;
    return true;
}

bool tfc_call_parse(const char *text, size_t n, size_t at, const char *const *names, size_t n_names,
                    tfc_call_span *span)
{
    return call_parse(text, n, at, names, n_names, false, span);
}

bool tfc_call_parse_open(const char *text, size_t n, size_t at, const char *const *names, size_t n_names,
                         tfc_call_span *span)
{
    return call_parse(text, n, at, names, n_names, true, span);
}

bool tfc_calls_scan(const char *text, size_t n, size_t from, const char *const *names, size_t n_names,
                    tfc_call_span *span)
{
    for (size_t at = from; at < n;) {
        const char *bracket = memchr(text + at, '[', n - at);
        if (!bracket) return false;
        size_t begin = (size_t)(bracket - text);
        at = begin + 1;
        if (begin > from && text[begin - 1] == ' ') begin--;
        if (call_parse(text, n, begin, names, n_names, false, span)) return true;
    }
    return false;
}

static char *take_text(tfc_buffer *buffer)
{
    if (buffer->failed) {
        tfc_buffer_release(buffer);
        return NULL;
    }
    return tfc_buffer_take(buffer, NULL);
}

static char *print_parts(const char *name, const char *args, const char *end)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    tfc_buffer_puts(&buffer, " [");
    tfc_buffer_puts(&buffer, name);
    tfc_buffer_putc(&buffer, '(');
    tfc_buffer_puts(&buffer, args ? args : "");
    tfc_buffer_puts(&buffer, end);
    return take_text(&buffer);
}

char *tfc_call_print_head(const char *name, const char *args)
{
    return print_parts(name, args, ") ->");
}

char *tfc_call_print_bare(const char *name, const char *args)
{
    return print_parts(name, args, ")]");
}

/* The character of a result as it is printed: never a bracket, a control character or a line break. */
static uint32_t harmless(uint32_t code)
{
    if (code == '[') return '(';
    if (code == ']') return ')';
    bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
    return control || code == 0x2028 || code == 0x2029 ? ' ' : code;
}

/* Appends the harmless form. Reads no further than it prints. */
static void append_clean(tfc_buffer *buffer, const char *result, size_t max_bytes)
{
    size_t begin = buffer->n;
    while (*result) {
        size_t length = tfc_utf8_length(result, strnlen(result, 4));
        uint32_t code = length ? harmless(tfc_utf8_decode(result, length, &length)) : 0xFFFD;
        char character[4];
        size_t n = tfc_utf8_encode(code, character);
        result += length ? length : 1;
        if (code == ' ' && buffer->n == begin) continue;
        if (buffer->n - begin + n > max_bytes) break;
        if (!tfc_buffer_append(buffer, character, n)) return;
    }
    while (buffer->n > begin && buffer->data[buffer->n - 1] == ' ') buffer->data[--buffer->n] = '\0';
}

char *tfc_call_print_tail(const char *result, size_t max_result_bytes)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    tfc_buffer_putc(&buffer, ' ');
    append_clean(&buffer, result ? result : "", max_result_bytes);
    tfc_buffer_putc(&buffer, ']');
    return take_text(&buffer);
}

char *tfc_call_clean_result(const char *result, size_t max_result_bytes)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    append_clean(&buffer, result ? result : "", max_result_bytes);
    return take_text(&buffer);
}

/* Hands a filled buffer out as text and its length. */
static tfc_status buffer_out(tfc_buffer *buffer, const char *what, char **out, size_t *n_out, tfc_error *err)
{
    tfc_status status = tfc_buffer_ok(buffer, what, err);
    char *data = status == TFC_OK ? tfc_buffer_take(buffer, n_out) : NULL;
    tfc_buffer_release(buffer);
    if (status == TFC_OK && !data) status = tfc_fail_memory(err, what);
    if (status == TFC_OK) *out = data;
    return status;
}

tfc_status tfc_calls_insert(const char *source, size_t n, const tfc_call_insert *inserts, size_t n_inserts,
                            char **text, size_t *n_text, tfc_error *err)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    size_t done = 0;
    for (size_t i = 0; i < n_inserts; i++) {
        size_t at = inserts[i].at;
        if (at < done || at > n || !tfc_utf8_boundary(source, n, at)) {
            tfc_buffer_release(&buffer);
            return tfc_fail(
                err, TFC_EINVAL,
                "call %zu: byte %zu is no place to insert (%zu bytes of text; places ascend and stand "
                "between characters)",
                i, at, n);
        }
        tfc_buffer_append(&buffer, source + done, at - done);
        tfc_buffer_puts(&buffer, inserts[i].text);
        done = at;
    }
    tfc_buffer_append(&buffer, source + done, n - done);
    return buffer_out(&buffer, "text with calls", text, n_text, err);
}

tfc_status tfc_calls_remove(const char *text, size_t n, const tfc_call_insert *inserts, size_t n_inserts,
                            char **source, size_t *n_source, tfc_error *err)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    size_t done = 0; /* in text; the source so far is in the buffer */
    for (size_t i = 0; i < n_inserts && !buffer.failed; i++) {
        size_t length = strlen(inserts[i].text), between = inserts[i].at - buffer.n;
        if (inserts[i].at < buffer.n || between > n - done || length > n - done - between ||
            memcmp(text + done + between, inserts[i].text, length) != 0) {
            tfc_buffer_release(&buffer);
            return tfc_fail(err, TFC_ECONFLICT, "the text does not hold call %zu at byte %zu of its source",
                            i, inserts[i].at);
        }
        tfc_buffer_append(&buffer, text + done, between);
        done += between + length;
    }
    tfc_buffer_append(&buffer, text + done, n - done);
    return buffer_out(&buffer, "text without calls", source, n_source, err);
}

tfc_status tfc_calls_strip(const char *text, size_t n, const char *const *names, size_t n_names, char **out,
                           size_t *n_out, tfc_error *err)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    tfc_call_span span;
    size_t done = 0;
    while (tfc_calls_scan(text, n, done, names, n_names, &span)) {
        tfc_buffer_append(&buffer, text + done, span.begin - done);
        done = span.end;
    }
    tfc_buffer_append(&buffer, text + done, n - done);
    return buffer_out(&buffer, "text without calls", out, n_out, err);
}
