/* The backend "mcp": a call becomes tools/call of an MCP server.
 *
 *     {"type": "mcp", "argv": ["mcp-server-time"], …program.h…  or  "url": "https://…/mcp", "headers", …,
 *      "tool": "get_current_time", "arguments": {fixed ones}, "answer": "/pointer",
 *      "param_headers": {"Region": "region"}}
 *
 * param_headers are the tool's x-mcp-header annotations: arguments that HTTP repeats in Mcp-Param-… headers.
 */
#include <stdatomic.h>

#include "tools/args_json.h"
#include "tools/backend.h"
#include "tools/http_client.h"
#include "tools/mcp_server.h"
#include "tools/result_text.h"

enum { PREPARE_MS = 30000 };

typedef struct mcp_backend {
    tfc_mcp_server *server;
    const char *tool;    /* the server's name for it */
    const char *fixed;   /* arguments as JSON text, or NULL */
    const char *answer;  /* JSON pointer, or NULL */
    const char **header; /* [n_headers] names, and the arguments that they repeat */
    const char **header_argument;
    size_t n_headers;
    atomic_bool known; /* the server has the tool: it is asked once */
} mcp_backend;

static const char *copy(tfc_arena *arena, const char *text)
{
    return tfc_arena_strndup(arena, text, strlen(text));
}

static tfc_status read_param_headers(mcp_backend *b, tfc_json *json, tfc_arena *arena, tfc_error *err)
{
    tfc_json *headers;
    bool found;
    tfc_status status = tfc_json_get_object(json, "param_headers", &headers, &found, err);
    if (status != TFC_OK || !found) return status;
    size_t n = (size_t)json_object_object_length(headers);
    b->header = tfc_arena_alloc(arena, n, sizeof *b->header);
    b->header_argument = tfc_arena_alloc(arena, n, sizeof *b->header_argument);
    if (!b->header || !b->header_argument) return tfc_fail_memory(err, "param_headers");
    json_object_object_foreach(headers, name, value)
    {
        if (!tfc_http_token_valid(name) || !json_object_is_type(value, json_type_string))
            return tfc_fail(err, TFC_EFORMAT, "param_headers: '%.80s': the name of an argument expected",
                            name);
        b->header[b->n_headers] = copy(arena, name);
        b->header_argument[b->n_headers] = copy(arena, json_object_get_string(value));
        if (!b->header[b->n_headers] || !b->header_argument[b->n_headers])
            return tfc_fail_memory(err, "param_headers");
        b->n_headers++;
    }
    return TFC_OK;
}

static tfc_status read_fields(mcp_backend *b, tfc_json *json, tfc_arena *arena, tfc_error *err)
{
    tfc_json *fixed;
    const char *text;
    bool found;
    tfc_status status = tfc_json_get_text(json, "tool", &text, NULL, NULL, err);
    if (status == TFC_OK && !(b->tool = copy(arena, text))) status = tfc_fail_memory(err, "tool");
    if (status == TFC_OK) status = tfc_json_get_text(json, "answer", &text, NULL, &found, err);
    if (status == TFC_OK && found) {
        if (!tfc_json_pointer_valid(text))
            return tfc_fail(err, TFC_EFORMAT, "answer: '%.80s' is no JSON pointer (such as /datetime)", text);
        if (!(b->answer = copy(arena, text))) return tfc_fail_memory(err, "answer");
    }
    if (status == TFC_OK) status = tfc_json_get_object(json, "arguments", &fixed, &found, err);
    if (status != TFC_OK || !found) return status;
    text = json_object_to_json_string_ext(fixed, JSON_C_TO_STRING_PLAIN);
    b->fixed = text ? copy(arena, text) : NULL;
    return b->fixed ? TFC_OK : tfc_fail_memory(err, "arguments");
}

static tfc_status mcp_open(tfc_tool *tool, tfc_json *json, const char *folder, tfc_arena *arena,
                           tfc_error *err)
{
    static const char *const own[] = {"type", "tool", "arguments", "answer", "param_headers"};
    const char *keys[32];
    size_t n = 0;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) keys[n++] = own[i];
    for (size_t i = 0; tfc_mcp_server_keys[i]; i++) keys[n++] = tfc_mcp_server_keys[i];
    keys[n] = NULL;
    mcp_backend *b = tfc_arena_alloc(arena, 1, sizeof *b);
    if (!b) return tfc_fail_memory(err, "mcp");
    tfc_status status = json_object_is_type(json, json_type_object)
                            ? tfc_json_only_keys(json, keys, err)
                            : tfc_fail(err, TFC_EFORMAT, "an object with \"argv\" or \"url\" expected");
    if (status == TFC_OK) status = read_fields(b, json, arena, err);
    if (status == TFC_OK) status = read_param_headers(b, json, arena, err);
    if (status == TFC_OK) status = tfc_mcp_server_open(json, folder, &b->server, err);
    if (status == TFC_OK) tool->state = b;
    return status;
}

static void mcp_close(tfc_tool *tool)
{
    mcp_backend *b = tool->state;
    if (b) tfc_mcp_server_close(b->server);
    tool->state = NULL;
}

/* The server starts and has the tool. A server that was ended since is started by the call. */
static tfc_status mcp_prepare(const tfc_tool *tool, tfc_error *err)
{
    mcp_backend *b = tool->state;
    if (atomic_load(&b->known)) return TFC_OK;
    int64_t ms = tool->limits.deadline_ms > 0 ? tool->limits.deadline_ms : PREPARE_MS;
    tfc_json *tools;
    tfc_status status = tfc_mcp_server_tools(b->server, tfc_clock_ns() + ms * 1000000, &tools, err);
    if (status != TFC_OK) return status;
    bool found = false;
    for (size_t i = 0; i < json_object_array_length(tools) && !found; i++) {
        const char *name = "";
        bool has;
        tfc_json *entry = json_object_array_get_idx(tools, i);
        found = json_object_is_type(entry, json_type_object) &&
                tfc_json_get_text(entry, "name", &name, NULL, &has, NULL) == TFC_OK && has &&
                strcmp(name, b->tool) == 0;
    }
    json_object_put(tools);
    if (found) atomic_store(&b->known, true);
    return found ? TFC_OK
                 : tfc_fail(err, TFC_ENOTFOUND, "%s has no tool '%.80s'; `toolformer tool import` lists them",
                            tfc_mcp_server_name(b->server), b->tool);
}

/* The call's arguments and the fixed ones, which win. A tool without a schema takes fixed ones alone. */
static tfc_status make_arguments(const tfc_tool *tool, const char *args, tfc_json **out, tfc_error *err)
{
    const mcp_backend *b = tool->state;
    *out = NULL;
    tfc_status status = tool->schema ? tfc_args_to_json(tool, args, out, err) : TFC_OK;
    if (status != TFC_OK) return status;
    if (!*out) *out = json_object_new_object();
    tfc_json *fixed = b->fixed ? tfc_json_parse(b->fixed, strlen(b->fixed), "arguments", err) : NULL;
    if (!*out || (b->fixed && !fixed)) {
        json_object_put(*out);
        json_object_put(fixed);
        return tfc_fail_memory(err, "arguments");
    }
    if (fixed) {
        json_object_object_foreach(fixed, key, value)
            json_object_object_add(*out, key, json_object_get(value));
    }
    json_object_put(fixed);
    return TFC_OK;
}

/* Mcp-Param-… lines for the arguments that are there. */
static tfc_status make_headers(const mcp_backend *b, tfc_json *arguments, tfc_arena *arena,
                               const char ***lines, size_t *n, tfc_error *err)
{
    *n = 0;
    *lines = tfc_arena_alloc(arena, b->n_headers + 1, sizeof **lines);
    if (!*lines) return tfc_fail_memory(err, "headers");
    for (size_t i = 0; i < b->n_headers; i++) {
        tfc_json *value = NULL;
        json_object_object_get_ex(arguments, b->header_argument[i], &value);
        if (!value) continue;
        tfc_buffer line;
        tfc_buffer_init(&line, 1 << 20);
        tfc_buffer_printf(&line, "Mcp-Param-%s: ", b->header[i]);
        tfc_mcp_header_value(json_object_get_string(value), &line);
        if (!line.failed) (*lines)[*n] = tfc_arena_strndup(arena, line.data, line.n);
        tfc_buffer_release(&line);
        if (!(*lines)[(*n)++]) return tfc_fail_memory(err, "headers");
    }
    return TFC_OK;
}

static tfc_status send_call(const mcp_backend *b, tfc_json *arguments, int64_t deadline_ns,
                            tfc_mcp_message *answer, tfc_error *err)
{
    tfc_arena arena = {0};
    const char **lines = NULL;
    size_t n_lines = 0;
    tfc_json *params = json_object_new_object();
    bool ok = params && json_object_object_add(params, "name", json_object_new_string(b->tool)) == 0 &&
              json_object_object_add(params, "arguments", json_object_get(arguments)) == 0;
    tfc_status status =
        ok ? make_headers(b, arguments, &arena, &lines, &n_lines, err) : tfc_fail_memory(err, "call");
    if (status == TFC_OK) {
        const tfc_mcp_request request = {.method = "tools/call",
                                         .params = params,
                                         .name = b->tool,
                                         .headers = lines,
                                         .n_headers = n_lines};
        status = tfc_mcp_server_request(b->server, &request, deadline_ns, answer, err);
    }
    json_object_put(params);
    tfc_arena_release(&arena);
    return status;
}

static tfc_status mcp_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                           int64_t deadline_ns, char **result, tfc_error *err)
{
    const mcp_backend *b = tool->state;
    (void)context;
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    tfc_json *arguments;
    tfc_status status = make_arguments(tool, args, &arguments, err);
    if (status != TFC_OK) return status;
    tfc_mcp_message answer = {0};
    status = send_call(b, arguments, deadline_ns, &answer, err);
    json_object_put(arguments);
    if (status != TFC_OK) return status;
    status = answer.error_code ? tfc_mcp_message_error(&answer, tfc_mcp_server_name(b->server), err)
                               : tfc_mcp_result_text(answer.result, b->answer, result, err);
    tfc_mcp_message_release(&answer);
    tfc_mcp_server_hide(b->server, status == TFC_OK ? *result : err->message);
    return status;
}

const tfc_backend_type tfc_backend_mcp = {.name = "mcp",
                                          .open = mcp_open,
                                          .prepare = mcp_prepare,
                                          .call = mcp_call,
                                          .close = mcp_close,
                                          .ignores_context = true};
