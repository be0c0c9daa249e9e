/* Secrets stand in the environment alone: manifests name them, messages and results never hold them. */
#include "tools/http_headers.h"

#include <stdlib.h>
#include <strings.h>

#include "tools/http_client.h"

enum { LINE_BYTES_MAX = 1 << 16, SECRET_BYTES_MIN = 4 };

static tfc_status read_environment(tfc_json *json, tfc_arena *arena, tfc_http_headers *out, tfc_error *err)
{
    tfc_json *array;
    bool found;
    tfc_status status = tfc_json_get_array(json, "environment", &array, &found, err);
    if (status != TFC_OK || !found) return status;
    size_t n = json_object_array_length(array);
    const char **names = tfc_arena_alloc(arena, n + 1, sizeof *names);
    if (!names) return tfc_fail_memory(err, "environment");
    for (size_t i = 0; i < n; i++) {
        tfc_json *entry = json_object_array_get_idx(array, i);
        const char *name = json_object_is_type(entry, json_type_string) ? json_object_get_string(entry) : "";
        if (!*name || strchr(name, '=') || strlen(name) != (size_t)json_object_get_string_len(entry))
            return tfc_fail(err, TFC_EFORMAT, "environment[%zu]: the name of a variable expected", i);
        names[i] = tfc_arena_strndup(arena, name, strlen(name));
        if (!names[i]) return tfc_fail_memory(err, "environment");
    }
    out->environment = names;
    out->n_environment = n;
    return TFC_OK;
}

tfc_status tfc_http_variables_allowed(const tfc_http_headers *headers, const tfc_template *template,
                                      const char *field, tfc_error *err)
{
    for (size_t i = 0; i < template->n; i++) {
        if (template->parts[i].kind != TFC_PART_VARIABLE) continue;
        size_t k = 0;
        while (k < headers->n_environment && strcmp(headers->environment[k], template->parts[i].text) != 0)
            k++;
        if (k == headers->n_environment)
            return tfc_fail(err, TFC_EFORMAT, "%.80s: ${ENV:%.80s} is not named in \"environment\"", field,
                            template->parts[i].text);
    }
    return TFC_OK;
}

tfc_status tfc_http_headers_add(tfc_http_headers *headers, const char *name, const char *value, size_t n,
                                tfc_arena *arena, tfc_error *err)
{
    if (headers->n == TFC_HTTP_HEADERS_MAX)
        return tfc_fail(err, TFC_ELIMIT, "headers: more than %d", TFC_HTTP_HEADERS_MAX);
    if (!tfc_http_token_valid(name))
        return tfc_fail(err, TFC_EFORMAT, "headers: '%.80s' is no name of a header", name);
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
            return tfc_fail(err, TFC_EFORMAT, "headers.%.80s: a control character at byte %zu", name, i);
    tfc_template *line = &headers->lines[headers->n];
    tfc_buffer text;
    tfc_buffer_init(&text, LINE_BYTES_MAX);
    tfc_buffer_puts(&text, name);
    tfc_buffer_puts(&text, n ? ": " : ";"); /* libcurl takes "Name;" for a header without value */
    tfc_buffer_append(&text, value, n);
    tfc_status status = tfc_buffer_ok(&text, "header", err);
    if (status == TFC_OK) status = tfc_template_read(text.data, text.n, TFC_ESCAPE_NONE, arena, line, err);
    tfc_buffer_release(&text);
    if (status == TFC_OK) status = tfc_http_variables_allowed(headers, line, name, err);
    for (size_t i = 0; status == TFC_OK && i < line->n; i++)
        if (line->parts[i].kind != TFC_PART_TEXT && line->parts[i].kind != TFC_PART_VARIABLE)
            return tfc_fail(err, TFC_EFORMAT, "headers.%.80s: only ${ENV:NAME} is filled in there", name);
    if (status == TFC_OK) headers->n++;
    return status;
}

tfc_status tfc_http_headers_read(tfc_json *json, tfc_arena *arena, tfc_http_headers *out, tfc_error *err)
{
    tfc_json *headers;
    bool found;
    tfc_status status = read_environment(json, arena, out, err);
    if (status == TFC_OK) status = tfc_json_get_object(json, "headers", &headers, &found, err);
    if (status != TFC_OK || !found) return status;
    json_object_object_foreach(headers, name, value)
    {
        if (!json_object_is_type(value, json_type_string))
            return tfc_fail(err, TFC_EFORMAT, "headers.%.80s: string expected", name);
        const char *text = json_object_get_string(value);
        size_t n = (size_t)json_object_get_string_len(value);
        status = tfc_http_headers_add(out, name, text, n, arena, err);
        if (status != TFC_OK) return status;
        if (strcasecmp(name, "Content-Type") != 0) continue;
        out->content_type = tfc_arena_strndup(arena, text, n);
        if (!out->content_type) return tfc_fail_memory(err, "headers");
    }
    return TFC_OK;
}

tfc_status tfc_http_variables_set(const tfc_http_headers *headers, tfc_error *err)
{
    for (size_t i = 0; i < headers->n_environment; i++)
        if (!getenv(headers->environment[i]))
            return tfc_fail(err, TFC_ENOTFOUND, "the environment has no variable %s",
                            headers->environment[i]);
    return TFC_OK;
}

tfc_status tfc_http_headers_fill(const tfc_http_headers *headers, tfc_arena *arena, const char *const **lines,
                                 tfc_error *err)
{
    const tfc_template_values none = {.args = "", .date = ""};
    const char **list = tfc_arena_alloc(arena, headers->n + 1, sizeof *list);
    tfc_status status = list ? TFC_OK : tfc_fail_memory(err, "headers");
    tfc_buffer line;
    tfc_buffer_init(&line, LINE_BYTES_MAX);
    for (size_t i = 0; i < headers->n && status == TFC_OK; i++) {
        tfc_buffer_clear(&line);
        status = tfc_template_fill(&headers->lines[i], &none, &line, err);
        if (status == TFC_OK && strpbrk(line.data, "\r\n"))
            status = tfc_fail(err, TFC_EINVAL, "a variable of \"environment\" holds a line break");
        if (status == TFC_OK && !(list[i] = tfc_arena_strndup(arena, line.data, line.n)))
            status = tfc_fail_memory(err, "headers");
    }
    tfc_buffer_release(&line);
    *lines = list;
    return status;
}

void tfc_http_hide_secrets(const tfc_http_headers *headers, char *text)
{
    for (size_t i = 0; i < headers->n_environment; i++) {
        const char *secret = getenv(headers->environment[i]);
        size_t n = secret ? strlen(secret) : 0;
        if (n < SECRET_BYTES_MIN) continue; /* it hides nothing, and would star out half the text */
        for (char *at = text; (at = strstr(at, secret)); at += n) memset(at, '*', n);
    }
}
