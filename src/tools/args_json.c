/* A call's text → the arguments that its tool's schema describes, and back. */
#include "tools/args_json.h"

#include <stdio.h>
#include <strings.h>

#include "base/utf8.h"

/* A stretch of the call's text. */
typedef struct piece {
    const char *text;
    size_t n;
} piece;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static piece trimmed(piece p)
{
    while (p.n > 0 && is_blank(*p.text)) p.text++, p.n--;
    while (p.n > 0 && is_blank(p.text[p.n - 1])) p.n--;
    return p;
}

static bool is_quoted(piece p)
{
    return p.n >= 2 && *p.text == '"' && memchr(p.text + 1, '"', p.n - 1) == p.text + p.n - 1;
}

static piece unquoted(piece p)
{
    return is_quoted(p) ? (piece){p.text + 1, p.n - 2} : p;
}

/* The digits at *text, commas between groups of three left out, into the buffer; how many. */
static size_t copy_digits(tfc_buffer *out, const char **text, const char *end)
{
    size_t n = 0, lead = 0;
    const char *at = *text;
    while (at + lead < end && is_digit(at[lead])) lead++;
    bool groups = lead >= 1 && lead <= 3;
    while (at < end) {
        bool comma = groups && *at == ',' && end - at >= 4 && is_digit(at[1]) && is_digit(at[2]) &&
                     is_digit(at[3]) && (end - at == 4 || !is_digit(at[4]));
        if (comma)
            at++;
        else if (!is_digit(*at))
            break;
        size_t stretch = 0;
        for (; at < end && is_digit(*at) && (!comma || stretch < 3); at++, stretch++, n++)
            tfc_buffer_putc(out, *at);
    }
    *text = at;
    return n;
}

/* A number as people write it → as JSON writes it. False when it is none. */
static bool canonical_number(piece p, bool whole, tfc_buffer *out)
{
    const char *at = p.text, *end = p.text + p.n;
    tfc_buffer digits;
    tfc_buffer_init(&digits, 0);
    if (at < end && (*at == '+' || *at == '-'))
        if (*at++ == '-') tfc_buffer_putc(out, '-');
    size_t n = copy_digits(&digits, &at, end), n_fraction = 0, zeros = 0;
    while (zeros + 1 < digits.n && digits.data[zeros] == '0') zeros++;
    if (n == 0)
        tfc_buffer_putc(out, '0');
    else
        tfc_buffer_append(out, digits.data + zeros, digits.n - zeros);
    tfc_buffer_release(&digits);
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        bool zero = true;
        for (; at < end && is_digit(*at); at++) zero = zero && *at == '0';
        n_fraction = (size_t)(at - fraction);
        if (n_fraction > 0 && !(zero && whole)) {
            tfc_buffer_putc(out, '.');
            tfc_buffer_append(out, fraction, n_fraction);
        }
    }
    if (n + n_fraction == 0) return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *exponent = at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        if (at == end || !is_digit(*at)) return false;
        while (at < end && is_digit(*at)) at++;
        tfc_buffer_append(out, exponent, (size_t)(at - exponent));
    }
    return at == end;
}

/* Whole numbers have at most 18 digits: what does not fit 64 bits would be cut in silence. */
static tfc_json *read_number(piece p, bool whole)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 1024);
    tfc_json *value = NULL;
    if (canonical_number(p, whole, &buffer) && !buffer.failed && !(whole && buffer.n > 18))
        value = tfc_json_parse(buffer.data, buffer.n, "number", NULL);
    tfc_buffer_release(&buffer);
    return value;
}

static tfc_json *read_boolean(piece p)
{
    bool yes = p.n == 4 && strncasecmp(p.text, "true", 4) == 0;
    return yes || (p.n == 5 && strncasecmp(p.text, "false", 5) == 0) ? json_object_new_boolean(yes) : NULL;
}

/* The argument's name and what the trouble is with a value. */
static tfc_status refuse(const tfc_arg *arg, const char *what, piece p, tfc_error *err)
{
    int n = (int)(p.n < 60 ? p.n : 60);
    while (n > 0 && !tfc_utf8_boundary(p.text, p.n, (size_t)n)) n--;
    return tfc_fail(err, TFC_ENORESULT, "argument %s: %s, not '%.*s'", arg->name, what, n, p.text);
}

static tfc_status check_choice(const tfc_arg *arg, tfc_json *value, piece p, tfc_error *err)
{
    if (arg->n_choices == 0) return TFC_OK;
    char known[200] = "";
    bool is_text = json_object_is_type(value, json_type_string);
    for (size_t i = 0; i < arg->n_choices; i++) {
        tfc_json *choice = tfc_json_parse(arg->choices[i], strlen(arg->choices[i]), "enum", err);
        if (!choice) return TFC_ENOMEM;
        bool equal = is_text ? json_object_equal(choice, value)
                             : json_object_get_double(choice) >= json_object_get_double(value) &&
                                   json_object_get_double(choice) <= json_object_get_double(value);
        json_object_put(choice);
        if (equal) return TFC_OK;
        if (i) strncat(known, ", ", sizeof known - strlen(known) - 1);
        strncat(known, arg->choices[i], sizeof known - strlen(known) - 1);
    }
    char what[240];
    snprintf(what, sizeof what, "one of %s expected", known);
    return refuse(arg, what, p, err);
}

static size_t count_characters(const char *text, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

static tfc_status check_bounds(const tfc_arg *arg, tfc_json *value, piece p, tfc_error *err)
{
    char what[120];
    bool text = arg->type == TFC_ARG_STRING;
    if (arg->type == TFC_ARG_BOOLEAN) return TFC_OK;
    double size = text ? (double)count_characters(p.text, p.n) : json_object_get_double(value);
    if (size < arg->low || (arg->low_excluded && size <= arg->low)) {
        snprintf(what, sizeof what, "%s%g%s expected", arg->low_excluded ? "more than " : "at least ",
                 arg->low, text ? " characters" : "");
        return refuse(arg, what, p, err);
    }
    if (size > arg->high || (arg->high_excluded && size >= arg->high)) {
        snprintf(what, sizeof what, "%s%g%s expected", arg->high_excluded ? "less than " : "at most ",
                 arg->high, text ? " characters" : "");
        return refuse(arg, what, p, err);
    }
    return TFC_OK;
}

static tfc_status read_value(const tfc_arg *arg, piece p, tfc_json *object, tfc_error *err)
{
    static const char *const expected[] = {"text expected", "number expected", "integer expected",
                                           "true or false expected"};
    tfc_json *value = arg->type == TFC_ARG_STRING    ? json_object_new_string_len(p.text, (int)p.n)
                      : arg->type == TFC_ARG_BOOLEAN ? read_boolean(p)
                                                     : read_number(p, arg->type == TFC_ARG_INTEGER);
    if (arg->type == TFC_ARG_INTEGER && value && !json_object_is_type(value, json_type_int)) {
        json_object_put(value);
        value = NULL;
    }
    if (!value && arg->type == TFC_ARG_STRING) return tfc_fail_memory(err, arg->name);
    if (!value) return refuse(arg, expected[arg->type], p, err);
    tfc_status status = check_choice(arg, value, p, err);
    if (status == TFC_OK) status = check_bounds(arg, value, p, err);
    if (status == TFC_OK && json_object_object_add(object, arg->name, value) == 0) return TFC_OK;
    json_object_put(value);
    return status == TFC_OK ? tfc_fail_memory(err, arg->name) : status;
}

/* The value that begins at *text: up to the next comma outside of quotes. */
static piece next_value(const char **text, const char *end)
{
    const char *begin = *text, *at = begin;
    bool quoted = false;
    for (; at < end && (quoted || *at != ','); at++)
        if (*at == '"') quoted = !quoted;
    *text = at < end ? at + 1 : NULL;
    return trimmed((piece){begin, (size_t)(at - begin)});
}

/* `name=value` or `name: value` of one of the arguments: its number, and *p is the value alone. */
static size_t named_arg(const tfc_args_schema *schema, piece *p)
{
    for (size_t i = 0; i < schema->n; i++) {
        size_t n = strlen(schema->args[i].name), at = n;
        if (p->n <= n || memcmp(p->text, schema->args[i].name, n) != 0) continue;
        while (at < p->n && is_blank(p->text[at])) at++;
        if (at == p->n || (p->text[at] != '=' && p->text[at] != ':')) continue;
        *p = trimmed((piece){p->text + at + 1, p->n - at - 1});
        return i;
    }
    return schema->n;
}

static tfc_status read_many(const tfc_args_schema *schema, piece whole, tfc_json *object, tfc_error *err)
{
    const char *next = whole.n ? whole.text : NULL, *end = whole.text + whole.n;
    size_t place = 0;
    while (next) {
        piece p = next_value(&next, end);
        size_t i = is_quoted(p) ? schema->n : named_arg(schema, &p);
        bool named = i < schema->n;
        if (!named) i = place++;
        if (i >= schema->n)
            return tfc_fail(err, TFC_ENORESULT,
                            "more than the %zu arguments: a value that holds a comma "
                            "has to stand in double quotes",
                            schema->n);
        const tfc_arg *arg = &schema->args[i];
        if (p.n == 0 && !named) continue;
        if (json_object_object_get_ex(object, arg->name, NULL))
            return tfc_fail(err, TFC_ENORESULT, "argument %s is given twice", arg->name);
        tfc_status status = read_value(arg, unquoted(p), object, err);
        if (status != TFC_OK) return status;
    }
    return TFC_OK;
}

static tfc_status fill_defaults(const tfc_args_schema *schema, tfc_json *object, tfc_error *err)
{
    for (size_t i = 0; i < schema->n; i++) {
        const tfc_arg *arg = &schema->args[i];
        if (json_object_object_get_ex(object, arg->name, NULL)) continue;
        if (arg->fallback) {
            tfc_json *value = tfc_json_parse(arg->fallback, strlen(arg->fallback), "default", err);
            if (!value || json_object_object_add(object, arg->name, value) != 0) {
                json_object_put(value);
                return tfc_fail_memory(err, "default");
            }
        } else if (arg->required) {
            return tfc_fail(err, TFC_ENORESULT, "argument %s is missing", arg->name);
        }
    }
    return TFC_OK;
}

tfc_status tfc_args_to_json(const tfc_tool *tool, const char *args, tfc_json **out, tfc_error *err)
{
    const tfc_args_schema *schema = tool->schema;
    piece whole = trimmed((piece){args ? args : "", args ? strlen(args) : 0});
    *out = NULL;
    if (whole.n > INT32_MAX) return tfc_fail(err, TFC_ELIMIT, "arguments larger than 2 GiB");
    tfc_json *value =
        schema ? json_object_new_object() : json_object_new_string_len(whole.text, (int)whole.n);
    if (!value) return tfc_fail_memory(err, "arguments");
    tfc_status status = TFC_OK;
    if (schema && schema->n == 0 && whole.n > 0)
        status = tfc_fail(err, TFC_ENORESULT, "no arguments expected, not '%.60s'", whole.text);
    else if (schema && schema->n == 1 && whole.n > 0)
        status = read_value(&schema->args[0], unquoted(whole), value, err);
    else if (schema && schema->n > 1)
        status = read_many(schema, whole, value, err);
    if (status == TFC_OK && schema) status = fill_defaults(schema, value, err);
    if (status == TFC_OK)
        *out = value;
    else
        json_object_put(value);
    return status;
}

/* The value as it stands in a call; quoted where it would be read as something else. */
static void print_value(const tfc_args_schema *schema, tfc_json *value, tfc_buffer *out)
{
    const char *text = json_object_get_string(value); /* as JSON writes it, strings bare */
    if (!text) text = "";
    piece p = {text, strlen(text)}, rest = p;
    bool quote = json_object_is_type(value, json_type_string) &&
                 (p.n == 0 || trimmed(p).n != p.n || is_quoted(p) || !tfc_call_args_valid(text, p.n) ||
                  (schema->n > 1 && (memchr(text, ',', p.n) || named_arg(schema, &rest) < schema->n)));
    if (quote) tfc_buffer_putc(out, '"');
    tfc_buffer_puts(out, text);
    if (quote) tfc_buffer_putc(out, '"');
}

static void print_args(const tfc_args_schema *schema, tfc_json *object, tfc_buffer *out)
{
    bool gap = false, first = true;
    for (size_t i = 0; i < schema->n; i++) {
        tfc_json *value;
        if (!json_object_object_get_ex(object, schema->args[i].name, &value) || !value) {
            gap = true;
            continue;
        }
        if (!first) tfc_buffer_puts(out, ", ");
        if (gap && schema->n > 1) tfc_buffer_printf(out, "%s=", schema->args[i].name);
        print_value(schema, value, out);
        first = false;
    }
}

/* What reads back as the same object has a text form; defaults may have come to it. */
static tfc_status check_back(const tfc_tool *tool, const char *text, tfc_json *object, tfc_error *err)
{
    tfc_json *back;
    tfc_status status = tfc_args_to_json(tool, text, &back, err);
    if (status == TFC_ENORESULT) {
        status = TFC_EFORMAT; /* it was an object that did not keep to the schema */
        if (err) err->status = status;
    }
    if (status != TFC_OK) return status;
    bool same = tfc_call_args_valid(text, strlen(text));
    json_object_object_foreach(object, name, value)
    {
        tfc_json *other;
        bool there = json_object_object_get_ex(back, name, &other);
        if (value) same = same && there && json_object_equal(value, other);
    }
    json_object_put(back);
    return same ? TFC_OK
                : tfc_fail(err, TFC_EFORMAT, "the arguments %.100s have no text form",
                           json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                                      JSON_C_TO_STRING_NOSLASHESCAPE));
}

tfc_status tfc_args_from_json(const tfc_tool *tool, tfc_json *object, char **args, tfc_error *err)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 1 << 20);
    *args = NULL;
    bool text = !tool->schema && json_object_is_type(object, json_type_string);
    if (!text && (!tool->schema || !json_object_is_type(object, json_type_object)))
        return tfc_fail(err, TFC_EFORMAT, "arguments: %s expected", tool->schema ? "object" : "string");
    tfc_buffer_puts(&buffer, text ? json_object_get_string(object) : "");
    if (!text) print_args(tool->schema, object, &buffer);
    tfc_status status = tfc_buffer_ok(&buffer, "arguments", err);
    if (status == TFC_OK && !text) status = check_back(tool, buffer.data, object, err);
    if (status == TFC_OK && text && !tfc_call_args_valid(buffer.data, buffer.n))
        status = tfc_fail(err, TFC_EFORMAT, "the arguments '%.100s' have no text form", buffer.data);
    if (status == TFC_OK) *args = tfc_buffer_take(&buffer, NULL);
    tfc_buffer_release(&buffer);
    return status;
}
