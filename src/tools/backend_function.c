/* The backend "function": a function of the program that uses the library. Its manifest can be read anywhere;
 * calls can be made where the program has registered the function. */
#include "tools/answer.h"
#include "tools/args_json.h"
#include "tools/backend.h"
#include "tools/runner_inside.h"

typedef struct function_state {
    tfc_tool_function *function; /* NULL until it is registered */
    void *context;
} function_state;

static tfc_status function_open(tfc_tool *tool, tfc_json *json, const char *folder, tfc_arena *arena,
                                tfc_error *err)
{
    static const char *const keys[] = {"type", NULL};
    (void)folder;
    tool->state = tfc_arena_alloc(arena, 1, sizeof(function_state));
    if (!tool->state) return tfc_fail_memory(err, "function");
    return json_object_is_type(json, json_type_object) ? tfc_json_only_keys(json, keys, err) : TFC_OK;
}

tfc_status tfc_backend_function_set(tfc_tool *tool, tfc_tool_function *function, void *context,
                                    tfc_error *err)
{
    if (tool->backend != &tfc_backend_function)
        return tfc_fail(err, TFC_EINVAL, "%s: the backend is '%s', not 'function'", tool->name,
                        tool->backend->name);
    function_state *self = tool->state;
    self->function = function;
    self->context = context;
    return TFC_OK;
}

static tfc_status function_prepare(const tfc_tool *tool, tfc_error *err)
{
    const function_state *self = tool->state;
    if (self->function) return TFC_OK;
    return tfc_fail(
        err, TFC_ENOTFOUND,
        "%s is a C function: only the program that registers it (tfc_tools_add_function) can call it",
        tool->name);
}

/* What the function said instead of a result. */
static tfc_status fail_with(const tfc_tool *tool, tfc_status status, const char *reason, tfc_error *err)
{
    if (status > 0) status = TFC_EIO; /* no status of ours */
    return tfc_fail(err, status, "%s", reason ? reason : status == TFC_ENORESULT ? "no result" : tool->name);
}

static tfc_status function_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                                int64_t deadline_ns, char **result, tfc_error *err)
{
    const function_state *self = tool->state;
    tfc_json *object = NULL;
    tfc_status status = function_prepare(tool, err);
    if (status == TFC_OK && tool->schema) status = tfc_args_to_json(tool, args, &object, err);
    if (status != TFC_OK) return status;
    const tfc_tool_request request = {
        .args = args,
        .args_json = object ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN) : NULL,
        .date = context ? context->date : NULL,
        .deadline_ns = deadline_ns};
    char *text = NULL;
    status = self->function(self->context, &request, &text);
    if (status == TFC_OK && !text)
        status = tfc_fail(err, TFC_EIO, "%s gave neither a result nor a reason", tool->name);
    else if (status != TFC_OK)
        status = fail_with(tool, status, text, err);
    else if (deadline_ns && tfc_monotonic_ns() > deadline_ns)
        status = tfc_fail(err, TFC_ETIMEOUT, "%s came back after its deadline", tool->name);
    if (status == TFC_OK) *result = tfc_text_repair(text, strlen(text));
    if (status == TFC_OK && !*result) status = tfc_fail_memory(err, tool->name);
    tfc_text_free(text);
    json_object_put(object);
    return status;
}

/* What a function does is not known; its manifest's "version" speaks for it. */
static tfc_status function_version(const tfc_tool *tool, char *out, size_t n, tfc_error *err)
{
    if (n > 0) *out = '\0';
    return tool->version ? TFC_OK
                         : tfc_fail(err, TFC_EUNSUPPORTED, "%s: the manifest has no version", tool->name);
}

const tfc_backend_type tfc_backend_function = {.name = "function",
                                               .open = function_open,
                                               .prepare = function_prepare,
                                               .call = function_call,
                                               .version = function_version};
