/* Templates are cut into parts once, when a manifest is read; a call only joins them. */
#include "tools/http_template.h"

#include <stdlib.h>

enum { TEMPLATE_BYTES_MAX = 1 << 20, DEPTH_MAX = 32 };

/* Parts while they are gathered: an array in a buffer. */
typedef struct gather {
    tfc_arena *arena;
    tfc_buffer parts;
} gather;

static bool add_part(gather *g, tfc_template_kind kind, tfc_template_escape escape, const char *text,
                     size_t n)
{
    if (kind == TFC_PART_TEXT && n == 0) return true;
    char *copy = tfc_arena_strndup(g->arena, text, n);
    tfc_template_part part = {.kind = kind, .escape = escape, .text = copy, .n = n};
    return copy && tfc_buffer_append(&g->parts, &part, sizeof part);
}

static tfc_status gather_end(gather *g, bool ok, tfc_template *out, tfc_error *err)
{
    size_t n = g->parts.n / sizeof(tfc_template_part);
    tfc_template_part *parts = ok ? tfc_arena_alloc(g->arena, n, sizeof *parts) : NULL;
    if (parts && n > 0) memcpy(parts, g->parts.data, g->parts.n);
    tfc_buffer_release(&g->parts);
    if (!parts) return tfc_fail_memory(err, "template");
    *out = (tfc_template){.parts = parts, .n = n};
    return TFC_OK;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t name_length(const char *text, size_t n)
{
    size_t i = 0;
    while (i < n && (is_letter(text[i]) ||
                     (i > 0 && ((text[i] >= '0' && text[i] <= '9') || text[i] == '-' || text[i] == '.'))))
        i++;
    return i;
}

/* The place that begins at text[0]: its bytes, 0 when there is none. */
static size_t place_at(const char *text, size_t n, tfc_template_kind *kind, const char **name, size_t *n_name)
{
    size_t begin = 0;
    if (n > 6 && memcmp(text, "${ENV:", 6) == 0)
        begin = 6;
    else if (text[0] == '{')
        begin = 1;
    if (begin == 0) return 0;
    size_t length = name_length(text + begin, n - begin);
    if (length == 0 || begin + length >= n || text[begin + length] != '}') return 0;
    *name = text + begin;
    *n_name = length;
    *kind = begin == 6                                            ? TFC_PART_VARIABLE
            : length == 4 && memcmp(text + begin, "args", 4) == 0 ? TFC_PART_ARGS
            : length == 4 && memcmp(text + begin, "date", 4) == 0 ? TFC_PART_DATE
                                                                  : TFC_PART_ARGUMENT;
    return begin + length + 1;
}

static bool gather_text(gather *g, const char *text, size_t n, tfc_template_escape escape)
{
    size_t done = 0;
    for (size_t i = 0; i < n;) {
        tfc_template_kind kind = TFC_PART_TEXT;
        const char *name = NULL;
        size_t n_name = 0, length = place_at(text + i, n - i, &kind, &name, &n_name);
        if (length == 0) {
            i++;
            continue;
        }
        if (!add_part(g, TFC_PART_TEXT, escape, text + done, i - done) ||
            !add_part(g, kind, escape, name, n_name))
            return false;
        done = i += length;
    }
    return add_part(g, TFC_PART_TEXT, escape, text + done, n - done);
}

tfc_status tfc_template_read(const char *text, size_t n, tfc_template_escape escape, tfc_arena *arena,
                             tfc_template *out, tfc_error *err)
{
    gather g = {.arena = arena};
    tfc_buffer_init(&g.parts, TEMPLATE_BYTES_MAX);
    bool ok = gather_text(&g, text, n, escape);
    return gather_end(&g, ok, out, err);
}

static bool gather_quoted(gather *g, const char *text, size_t n, bool places)
{
    tfc_buffer quoted;
    tfc_buffer_init(&quoted, 0);
    bool ok = tfc_buffer_json(&quoted, text, n);
    ok = ok && (places ? gather_text(g, quoted.data, quoted.n, TFC_ESCAPE_JSON)
                       : add_part(g, TFC_PART_TEXT, TFC_ESCAPE_NONE, quoted.data, quoted.n));
    tfc_buffer_release(&quoted);
    return ok;
}

static bool gather_string(gather *g, const char *text, size_t n)
{
    tfc_template_kind kind;
    const char *name;
    size_t n_name;
    if (n > 0 && place_at(text, n, &kind, &name, &n_name) == n && kind == TFC_PART_ARGUMENT)
        return add_part(g, kind, TFC_ESCAPE_VALUE, name, n_name);
    return gather_quoted(g, text, n, true);
}

static bool gather_value(gather *g, tfc_json *value, int depth)
{
    bool ok = depth < DEPTH_MAX, first = true;
    switch (json_object_get_type(value)) {
    case json_type_string:
        return gather_string(g, json_object_get_string(value), (size_t)json_object_get_string_len(value));
    case json_type_object:
        ok = ok && add_part(g, TFC_PART_TEXT, TFC_ESCAPE_NONE, "{", 1);
        json_object_object_foreach(value, key, member)
        {
            ok = ok && (first || add_part(g, TFC_PART_TEXT, TFC_ESCAPE_NONE, ",", 1));
            ok = ok && gather_quoted(g, key, strlen(key), false);
            ok = ok && add_part(g, TFC_PART_TEXT, TFC_ESCAPE_NONE, ":", 1) &&
                 gather_value(g, member, depth + 1);
            first = false;
        }
        return ok && add_part(g, TFC_PART_TEXT, TFC_ESCAPE_NONE, "}", 1);
    case json_type_array:
        ok = ok && add_part(g, TFC_PART_TEXT, TFC_ESCAPE_NONE, "[", 1);
        for (size_t i = 0; i < json_object_array_length(value) && ok; i++)
            ok = (i == 0 || add_part(g, TFC_PART_TEXT, TFC_ESCAPE_NONE, ",", 1)) &&
                 gather_value(g, json_object_array_get_idx(value, i), depth + 1);
        return ok && add_part(g, TFC_PART_TEXT, TFC_ESCAPE_NONE, "]", 1);
    default: {
        const char *text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
        return ok && text && add_part(g, TFC_PART_TEXT, TFC_ESCAPE_NONE, text, strlen(text));
    }
    }
}

tfc_status tfc_template_read_json(tfc_json *value, tfc_arena *arena, tfc_template *out, tfc_error *err)
{
    gather g = {.arena = arena};
    tfc_buffer_init(&g.parts, TEMPLATE_BYTES_MAX);
    bool ok = gather_value(&g, value, 0);
    return gather_end(&g, ok, out, err);
}

static void append_url(tfc_buffer *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain =
            (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("-._~", c));
        if (plain)
            tfc_buffer_putc(out, (char)c);
        else
            tfc_buffer_printf(out, "%%%02X", c);
    }
}

/* The inside of a JSON string: what tfc_buffer_json writes, without its quotes. */
static void append_json_inside(tfc_buffer *out, const char *text, size_t n)
{
    tfc_buffer quoted;
    tfc_buffer_init(&quoted, out->cap);
    if (tfc_buffer_json(&quoted, text, n) && quoted.n >= 2)
        tfc_buffer_append(out, quoted.data + 1, quoted.n - 2);
    else
        out->failed = true;
    tfc_buffer_release(&quoted);
}

static tfc_status append_filled(tfc_buffer *out, const tfc_template_part *part, const char *text,
                                tfc_error *err)
{
    size_t n = strlen(text);
    switch (part->escape) {
    case TFC_ESCAPE_URL:
        /* As a path's segment these lead elsewhere, whoever encodes them. */
        if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
            return tfc_fail(err, TFC_ENORESULT, "the argument '%s' cannot stand in a URL", text);
        append_url(out, text, n);
        break;
    case TFC_ESCAPE_JSON:
        append_json_inside(out, text, n);
        break;
    case TFC_ESCAPE_VALUE:
        tfc_buffer_json(out, text, n);
        break;
    case TFC_ESCAPE_NONE:
        tfc_buffer_append(out, text, n);
        break;
    }
    return TFC_OK;
}

/* An argument: strings as they are, other values as JSON writes them; one that is missing is empty. */
static tfc_status append_argument(tfc_buffer *out, const tfc_template_part *part, tfc_json *arguments,
                                  tfc_error *err)
{
    tfc_json *value = NULL;
    if (arguments) json_object_object_get_ex(arguments, part->text, &value);
    if (json_object_is_type(value, json_type_string))
        return append_filled(out, part, json_object_get_string(value), err);
    const char *text = value ? json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN) : NULL;
    if (part->escape != TFC_ESCAPE_VALUE) return append_filled(out, part, text ? text : "", err);
    tfc_buffer_puts(out, text ? text : "null");
    return TFC_OK;
}

tfc_status tfc_template_fill(const tfc_template *template, const tfc_template_values *values, tfc_buffer *out,
                             tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < template->n && status == TFC_OK; i++) {
        const tfc_template_part *part = &template->parts[i];
        const char *variable;
        switch (part->kind) {
        case TFC_PART_TEXT:
            tfc_buffer_append(out, part->text, part->n);
            break;
        case TFC_PART_ARGS:
            status = append_filled(out, part, values->args, err);
            break;
        case TFC_PART_DATE:
            status = append_filled(out, part, values->date, err);
            break;
        case TFC_PART_ARGUMENT:
            status = append_argument(out, part, values->arguments, err);
            break;
        case TFC_PART_VARIABLE:
            variable = getenv(part->text);
            status = variable
                         ? append_filled(out, part, variable, err)
                         : tfc_fail(err, TFC_ENOTFOUND, "the environment has no variable %s", part->text);
            break;
        }
    }
    return status == TFC_OK ? tfc_buffer_ok(out, "template", err) : status;
}
