/* The backend "http": a call becomes a request, its answer a result.
 *
 *     {"type": "http", "url": "https://…?q={args}", "method", "headers", "body", "answer", "error",
 * "ca_file", "max_body_bytes", "environment"}
 *
 * Secrets come as ${ENV:NAME} and are named in no message: those name the template's address without its
 * query, and what a server echoes is searched for them. */
#include <stdio.h>

#include "tools/args_json.h"
#include "tools/backend.h"
#include "tools/calendar.h"
#include "tools/http_client.h"
#include "tools/http_headers.h"
#include "tools/result_text.h"

enum { BODY_BYTES_DEFAULT = 1 << 20, BODY_BYTES_MAX = 1 << 26, REQUEST_BYTES_MAX = 1 << 22 };

typedef struct http_backend {
    const char *method, *what; /* what: the address without its query, for messages */
    tfc_template url, body;
    tfc_http_headers headers;
    bool has_body;
    const char *answer, *error; /* JSON pointers, or NULL */
    const char *ca_file;
    int64_t max_body_bytes;
    tfc_http_client *client;
} http_backend;

/* Places to fill stand behind scheme and host alone: no argument chooses whom a request goes to. */
static tfc_status check_url(const tfc_template *url, tfc_error *err)
{
    const char *head = url->n > 0 && url->parts[0].kind == TFC_PART_TEXT ? url->parts[0].text : "";
    const char *slashes = strstr(head, "://");
    if (!tfc_http_url_valid(head) && !(url->n > 1 && slashes && slashes[3] == '\0'))
        return tfc_fail(err, TFC_EFORMAT,
                        "url: an address that begins with http:// or https:// and a host expected");
    if (url->n > 1 && (!slashes || !strpbrk(slashes + 3, "/?")))
        return tfc_fail(err, TFC_EFORMAT, "url: {…} may stand behind the host and a / or ? only");
    if (strchr(head, '@') && slashes && strcspn(slashes + 3, "@") < strcspn(slashes + 3, "/?"))
        return tfc_fail(err, TFC_EFORMAT, "url: no user name; a header with ${ENV:NAME} carries a password");
    return TFC_OK;
}

static tfc_status read_url(http_backend *b, tfc_json *json, tfc_arena *arena, tfc_error *err)
{
    const char *url;
    size_t n;
    tfc_status status = tfc_json_get_text(json, "url", &url, &n, NULL, err);
    if (status != TFC_OK) return status;
    if (strlen(url) != n) return tfc_fail(err, TFC_EFORMAT, "url holds a NUL character");
    status = tfc_template_read(url, n, TFC_ESCAPE_URL, arena, &b->url, err);
    if (status == TFC_OK) status = check_url(&b->url, err);
    if (status != TFC_OK) return status;
    b->what = tfc_arena_strndup(arena, url, strcspn(url, "?#"));
    return b->what ? TFC_OK : tfc_fail_memory(err, "url");
}

/* A body is JSON, a form or text; its Content-Type says how arguments are written into it. */
static tfc_status read_body(http_backend *b, tfc_json *json, tfc_arena *arena, tfc_error *err)
{
    tfc_json *body = json_object_object_get(json, "body");
    if (!body) return TFC_OK;
    b->has_body = true;
    const char *type = b->headers.content_type;
    bool text = json_object_is_type(body, json_type_string);
    const char *own = text ? "text/plain; charset=utf-8" : "application/json";
    tfc_status status =
        type ? TFC_OK : tfc_http_headers_add(&b->headers, "Content-Type", own, strlen(own), arena, err);
    if (status != TFC_OK) return status;
    if (!text) return tfc_template_read_json(body, arena, &b->body, err);
    tfc_template_escape escape = type && strcasestr(type, "json")                    ? TFC_ESCAPE_JSON
                                 : type && strcasestr(type, "x-www-form-urlencoded") ? TFC_ESCAPE_URL
                                                                                     : TFC_ESCAPE_NONE;
    return tfc_template_read(json_object_get_string(body), (size_t)json_object_get_string_len(body), escape,
                             arena, &b->body, err);
}

static tfc_status read_copy(tfc_json *json, const char *key, const char **out, tfc_arena *arena,
                            tfc_error *err)
{
    const char *text;
    size_t n;
    bool found;
    tfc_status status = tfc_json_get_text(json, key, &text, &n, &found, err);
    if (status != TFC_OK || !found) return status;
    if (strlen(text) != n) return tfc_fail(err, TFC_EFORMAT, "%s holds a NUL character", key);
    *out = tfc_arena_strndup(arena, text, n);
    return *out ? TFC_OK : tfc_fail_memory(err, key);
}

static tfc_status read_pointer(tfc_json *json, const char *key, const char **out, tfc_arena *arena,
                               tfc_error *err)
{
    tfc_status status = read_copy(json, key, out, arena, err);
    if (status == TFC_OK && *out && !tfc_json_pointer_valid(*out))
        return tfc_fail(err, TFC_EFORMAT, "%s: '%.80s' is no JSON pointer (such as /results/0/text)", key,
                        *out);
    return status;
}

static tfc_status read_ca_file(http_backend *b, tfc_json *json, const char *folder, tfc_arena *arena,
                               tfc_error *err)
{
    tfc_status status = read_copy(json, "ca_file", &b->ca_file, arena, err);
    if (status != TFC_OK || !b->ca_file || !folder || *b->ca_file == '/') return status;
    size_t n_folder = strlen(folder), n = strlen(b->ca_file);
    char *path = tfc_arena_alloc(arena, n_folder + n + 2, 1);
    if (!path) return tfc_fail_memory(err, "ca_file");
    snprintf(path, n_folder + n + 2, "%s%s%s", folder, n_folder && folder[n_folder - 1] == '/' ? "" : "/",
             b->ca_file);
    b->ca_file = path;
    return TFC_OK;
}

/* {NAME} must be an argument of the tool's schema. */
static tfc_status check_places(const tfc_template *template, const tfc_tool *tool, const char *field,
                               tfc_error *err)
{
    for (size_t i = 0; i < template->n; i++) {
        if (template->parts[i].kind != TFC_PART_ARGUMENT) continue;
        size_t k = 0, n = tool->schema ? tool->schema->n : 0;
        while (k < n && strcmp(tool->schema->args[k].name, template->parts[i].text) != 0) k++;
        if (k == n)
            return tfc_fail(err, TFC_EFORMAT,
                            "%s: {%.80s} is no argument of the tool; there are {args} and {date}%s", field,
                            template->parts[i].text, n ? " and those of the schema" : "");
    }
    return TFC_OK;
}

static void http_close(tfc_tool *tool)
{
    http_backend *b = tool->state;
    if (b) tfc_http_client_free(b->client);
    tool->state = NULL;
}

static tfc_status http_open(tfc_tool *tool, tfc_json *json, const char *folder, tfc_arena *arena,
                            tfc_error *err)
{
    static const char *const keys[] = {"type",           "method",      "url",   "headers",
                                       "body",           "answer",      "error", "ca_file",
                                       "max_body_bytes", "environment", NULL};
    bool found;
    http_backend *b = tfc_arena_alloc(arena, 1, sizeof *b);
    if (!b) return tfc_fail_memory(err, "http");
    b->max_body_bytes = BODY_BYTES_DEFAULT;
    tfc_status status = json_object_is_type(json, json_type_object)
                            ? tfc_json_only_keys(json, keys, err)
                            : tfc_fail(err, TFC_EFORMAT, "an object with \"url\" expected");
    if (status == TFC_OK) status = read_url(b, json, arena, err);
    if (status == TFC_OK) status = tfc_http_headers_read(json, arena, &b->headers, err);
    if (status == TFC_OK) status = read_body(b, json, arena, err);
    if (status == TFC_OK) status = read_copy(json, "method", &b->method, arena, err);
    if (status == TFC_OK && !b->method) b->method = b->has_body ? "POST" : "GET";
    if (status == TFC_OK && (!tfc_http_token_valid(b->method) || strcmp(b->method, "CONNECT") == 0))
        status = tfc_fail(err, TFC_EFORMAT, "method: '%.40s' is no method of HTTP", b->method);
    if (status == TFC_OK) status = read_pointer(json, "answer", &b->answer, arena, err);
    if (status == TFC_OK) status = read_pointer(json, "error", &b->error, arena, err);
    if (status == TFC_OK) status = read_ca_file(b, json, folder, arena, err);
    if (status == TFC_OK)
        status = tfc_json_get_int(json, "max_body_bytes", 1, BODY_BYTES_MAX, &b->max_body_bytes, &found, err);
    if (status == TFC_OK) status = check_places(&b->url, tool, "url", err);
    if (status == TFC_OK) status = check_places(&b->body, tool, "body", err);
    if (status == TFC_OK) status = tfc_http_variables_allowed(&b->headers, &b->url, "url", err);
    if (status == TFC_OK) status = tfc_http_variables_allowed(&b->headers, &b->body, "body", err);
    if (status != TFC_OK) return status;
    b->client = tfc_http_client_create(b->ca_file, err);
    tool->state = b;
    return b->client ? TFC_OK : TFC_ENOMEM;
}

static tfc_status http_prepare(const tfc_tool *tool, tfc_error *err)
{
    const http_backend *b = tool->state;
    return tfc_http_variables_set(&b->headers, err);
}

/* What a code without a result means. 4xx: these arguments have none, but where the server refuses us,
 * whatever they are. */
static tfc_status judge_code(const http_backend *b, const tfc_http_response *r, tfc_error *err)
{
    char excerpt[200];
    tfc_result_excerpt(r->body.data ? r->body.data : "", r->body.n, excerpt);
    const char *colon = excerpt[0] ? ": " : "";
    if (r->code >= 200 && r->code < 300) return TFC_OK;
    switch (r->code) {
    case 404:
    case 410:
        return tfc_fail(err, TFC_ENORESULT, "not found (%ld)", r->code);
    case 401:
    case 403:
    case 405:
    case 407:
        return tfc_fail(err, TFC_EUNSUPPORTED, "%s: the server refuses (%ld)%s%s", b->what, r->code, colon,
                        excerpt);
    case 408:
    case 425:
    case 429:
        return tfc_fail(err, TFC_EIO, "%s: the server cannot now (%ld)%s%s", b->what, r->code, colon,
                        excerpt);
    default:
        break;
    }
    if (r->code >= 400 && r->code < 500)
        return tfc_fail(err, TFC_ENORESULT, "not accepted (%ld)%s%s", r->code, colon, excerpt);
    if (r->code >= 500)
        return tfc_fail(err, TFC_EIO, "%s: the server failed (%ld)%s%s", b->what, r->code, colon, excerpt);
    return tfc_fail(err, TFC_EFORMAT, "%s: no answer but the code %ld", b->what, r->code);
}

static tfc_status read_answer(const http_backend *b, const tfc_http_response *r, char **result,
                              tfc_error *err)
{
    tfc_status status = judge_code(b, r, err);
    if (status != TFC_OK) return status;
    if (r->body.n == 0) return tfc_fail(err, TFC_ENORESULT, "the answer is empty (%ld)", r->code);
    if (!b->answer && !b->error) return tfc_result_text(r->body.data, r->body.n, result, err);
    tfc_json *json = tfc_json_parse(r->body.data, r->body.n, b->what, err);
    if (!json) return TFC_EFORMAT;
    tfc_json *error = b->error ? tfc_json_at(json, b->error) : NULL;
    tfc_json *answer = tfc_json_at(json, b->answer ? b->answer : "");
    char *reason = NULL;
    if (error && tfc_result_json(error, &reason, NULL) == TFC_OK) {
        status = tfc_fail(err, TFC_ENORESULT, "%.400s", reason);
        tfc_free(reason);
    } else if (!answer) {
        status = tfc_fail(err, TFC_ENORESULT, "the answer holds nothing at %s", b->answer);
    } else {
        status = tfc_result_json(answer, result, err);
    }
    json_object_put(json);
    return status;
}

/* Fills the templates and sends the request. */
static tfc_status send_filled(const http_backend *b, const tfc_template_values *values, int64_t deadline_ns,
                              tfc_http_response *response, tfc_error *err)
{
    tfc_arena arena = {0};
    tfc_buffer url, body;
    const char *const *headers = NULL;
    tfc_buffer_init(&url, REQUEST_BYTES_MAX);
    tfc_buffer_init(&body, REQUEST_BYTES_MAX);
    tfc_status status = tfc_template_fill(&b->url, values, &url, err);
    if (status == TFC_OK) status = tfc_template_fill(&b->body, values, &body, err);
    if (status == TFC_OK) status = tfc_http_headers_fill(&b->headers, &arena, &headers, err);
    if (status == TFC_OK) {
        const tfc_http_request request = {.method = b->method,
                                          .url = url.data,
                                          .what = b->what,
                                          .headers = headers,
                                          .n_headers = b->headers.n,
                                          .body = !b->has_body ? NULL
                                                  : body.data  ? body.data
                                                               : "",
                                          .n_body = body.n,
                                          .deadline_ns = deadline_ns,
                                          .max_bytes = (size_t)b->max_body_bytes};
        status = tfc_http_send(b->client, &request, response, err);
    }
    tfc_buffer_release(&url);
    tfc_buffer_release(&body);
    tfc_arena_release(&arena);
    return status;
}

static tfc_status http_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                            int64_t deadline_ns, char **result, tfc_error *err)
{
    const http_backend *b = tool->state;
    char today[11] = "";
    tfc_template_values values = {.args = args, .date = context ? context->date : NULL};
    if (!values.date) {
        tfc_calendar_today(today);
        values.date = today;
    }
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    tfc_status status = tool->schema ? tfc_args_to_json(tool, args, &values.arguments, err) : TFC_OK;
    if (status != TFC_OK) return status;
    tfc_http_response response = {0};
    status = send_filled(b, &values, deadline_ns, &response, err);
    if (status == TFC_OK) status = read_answer(b, &response, result, err);
    tfc_http_response_release(&response);
    json_object_put(values.arguments);
    tfc_http_hide_secrets(&b->headers, status == TFC_OK ? *result : err->message);
    return status;
}

const tfc_backend_type tfc_backend_http = {
    .name = "http", .open = http_open, .prepare = http_prepare, .call = http_call, .close = http_close};
