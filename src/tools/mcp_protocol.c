/* Everything here works on bytes and JSON trees; a fuzz target reads messages and results as they come. */
#include "tools/mcp_protocol.h"

#include "tools/result_text.h"

tfc_status tfc_mcp_message_take(tfc_json *root, tfc_mcp_message *message, tfc_error *err)
{
    *message = (tfc_mcp_message){.root = root, .id = -1};
    tfc_json *version = NULL, *id = NULL, *error = NULL, *method = NULL;
    tfc_status status = TFC_OK;
    if (!json_object_is_type(root, json_type_object) ||
        !json_object_object_get_ex(root, "jsonrpc", &version) ||
        !json_object_is_type(version, json_type_string) ||
        strcmp(json_object_get_string(version), "2.0") != 0)
        status = tfc_fail(err, TFC_EFORMAT, "no JSON-RPC 2.0 message");
    if (status != TFC_OK) goto cleanup;
    json_object_object_get_ex(root, "id", &id);
    if (json_object_is_type(id, json_type_int) && json_object_get_int64(id) >= 0)
        message->id = json_object_get_int64(id);
    if (json_object_object_get_ex(root, "method", &method)) {
        if (!json_object_is_type(method, json_type_string))
            status = tfc_fail(err, TFC_EFORMAT, "a JSON-RPC message whose method is no string");
        else
            message->method = json_object_get_string(method);
        message->kind = id ? TFC_MCP_REQUEST : TFC_MCP_NOTIFICATION;
    } else if (json_object_object_get_ex(root, "error", &error) && error) {
        tfc_json *text = NULL;
        bool found;
        int64_t code = 0;
        status = json_object_is_type(error, json_type_object)
                     ? tfc_json_get_int(error, "code", INT64_MIN, INT64_MAX, &code, &found, err)
                     : tfc_fail(err, TFC_EFORMAT, "a JSON-RPC error that is no object");
        message->error_code = code ? code : -1;
        if (status == TFC_OK) json_object_object_get_ex(error, "message", &text);
        message->error_message =
            json_object_is_type(text, json_type_string) ? json_object_get_string(text) : "";
        if (status == TFC_OK) json_object_object_get_ex(error, "data", &message->error_data);
    } else if (!json_object_object_get_ex(root, "result", &message->result) ||
               !json_object_is_type(message->result, json_type_object)) {
        status =
            tfc_fail(err, TFC_EFORMAT, "a JSON-RPC message without method, error or an object as result");
    }
cleanup:
    if (status != TFC_OK) tfc_mcp_message_release(message);
    return status;
}

tfc_status tfc_mcp_message_read(const char *text, size_t n, tfc_mcp_message *message, tfc_error *err)
{
    *message = (tfc_mcp_message){.id = -1};
    tfc_json *root = tfc_json_parse(text, n, "message", err);
    return root ? tfc_mcp_message_take(root, message, err) : TFC_EFORMAT;
}

void tfc_mcp_message_release(tfc_mcp_message *message)
{
    json_object_put(message->root);
    *message = (tfc_mcp_message){.id = -1};
}

static bool add_text(tfc_json *object, const char *key, const char *text)
{
    tfc_json *value = json_object_new_string(text);
    if (value && json_object_object_add(object, key, value) == 0) return true;
    json_object_put(value);
    return false;
}

static bool add_value(tfc_json *object, const char *key, tfc_json *value)
{
    if (value && json_object_object_add(object, key, value) == 0) return true;
    json_object_put(value);
    return false;
}

/* "_meta" of the modern revision. */
static tfc_json *make_meta(const char *version)
{
    tfc_json *meta = json_object_new_object(), *info = json_object_new_object();
    bool ok =
        meta && info && add_text(info, "name", "toolformer") && add_text(info, "version", tfc_version());
    ok = ok && add_text(meta, "io.modelcontextprotocol/protocolVersion", version ? version : TFC_MCP_MODERN);
    if (!ok || !add_value(meta, "io.modelcontextprotocol/clientInfo", json_object_get(info)) ||
        !add_value(meta, "io.modelcontextprotocol/clientCapabilities", json_object_new_object())) {
        json_object_put(meta);
        meta = NULL;
    }
    json_object_put(info);
    return meta;
}

static tfc_status write_json(tfc_json *root, bool ok, tfc_buffer *out, tfc_error *err)
{
    const char *text =
        ok ? json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
           : NULL;
    if (text) tfc_buffer_puts(out, text);
    json_object_put(root);
    return text ? tfc_buffer_ok(out, "request", err) : tfc_fail_memory(err, "request");
}

tfc_status tfc_mcp_request_write(const tfc_mcp_request *request, int64_t id, tfc_buffer *out, tfc_error *err)
{
    tfc_json *root = json_object_new_object();
    tfc_json *params = request->params ? json_object_get(request->params) : json_object_new_object();
    bool ok = root && params && add_text(root, "jsonrpc", "2.0");
    ok = ok && (id < 0 || add_value(root, "id", json_object_new_int64(id)));
    ok = ok && add_text(root, "method", request->method);
    if (ok && request->modern) ok = add_value(params, "_meta", make_meta(request->version));
    if (ok && (request->params || request->modern)) ok = add_value(root, "params", json_object_get(params));
    tfc_status status = write_json(root, ok, out, err);
    json_object_put(params);
    return status;
}

tfc_status tfc_mcp_reply_write(const tfc_mcp_message *message, tfc_buffer *out, tfc_error *err)
{
    tfc_json *root = json_object_new_object(), *id = NULL, *error = NULL;
    json_object_object_get_ex(message->root, "id", &id);
    bool ok = root && add_text(root, "jsonrpc", "2.0") && add_value(root, "id", json_object_get(id));
    if (ok && strcmp(message->method, "ping") == 0) {
        ok = add_value(root, "result", json_object_new_object());
    } else if (ok) {
        error = json_object_new_object();
        ok = error && add_value(error, "code", json_object_new_int(TFC_MCP_METHOD_NOT_FOUND)) &&
             add_text(error, "message", "this client offers nothing to servers");
        ok = ok && add_value(root, "error", json_object_get(error));
        json_object_put(error);
    }
    return write_json(root, ok, out, err);
}

tfc_status tfc_mcp_message_error(const tfc_mcp_message *message, const char *what, tfc_error *err)
{
    char text[200];
    tfc_result_excerpt(message->error_message, strlen(message->error_message), text);
    if (message->error_code == TFC_MCP_INVALID_PARAMS)
        return tfc_fail(err, TFC_ENORESULT, "not accepted: %s", text);
    return tfc_fail(err, message->error_code == TFC_MCP_METHOD_NOT_FOUND ? TFC_EUNSUPPORTED : TFC_EIO,
                    "%s: the server answers with error %lld: %s", what, (long long)message->error_code, text);
}

/* The text of one block of content, or NULL: images, sounds and links have none. */
static tfc_json *block_text(tfc_json *block)
{
    tfc_json *type = NULL, *text = NULL, *resource = NULL;
    if (!json_object_is_type(block, json_type_object)) return NULL;
    json_object_object_get_ex(block, "type", &type);
    const char *name = json_object_is_type(type, json_type_string) ? json_object_get_string(type) : "";
    if (strcmp(name, "text") == 0) {
        json_object_object_get_ex(block, "text", &text);
    } else if (strcmp(name, "resource") == 0) {
        json_object_object_get_ex(block, "resource", &resource);
        if (json_object_is_type(resource, json_type_object))
            json_object_object_get_ex(resource, "text", &text);
    }
    return json_object_is_type(text, json_type_string) ? text : NULL;
}

static void join_texts(tfc_json *result, tfc_buffer *out)
{
    tfc_json *content = NULL;
    json_object_object_get_ex(result, "content", &content);
    if (!json_object_is_type(content, json_type_array)) return;
    for (size_t i = 0; i < json_object_array_length(content); i++) {
        tfc_json *text = block_text(json_object_array_get_idx(content, i));
        if (!text) continue;
        if (out->n > 0) tfc_buffer_putc(out, '\n');
        tfc_buffer_append(out, json_object_get_string(text), (size_t)json_object_get_string_len(text));
    }
}

/* The value at the pointer, in structuredContent or in a text that is JSON. */
static tfc_status pointed(tfc_json *structured, const tfc_buffer *joined, const char *pointer, char **text,
                          tfc_error *err)
{
    tfc_json *parsed = NULL;
    if (!structured && joined->n > 0)
        structured = parsed = tfc_json_parse(joined->data, joined->n, "result", NULL);
    tfc_json *value = tfc_json_at(structured, pointer);
    tfc_status status = value ? tfc_result_json(value, text, err)
                              : tfc_fail(err, TFC_ENORESULT, "the result holds nothing at %s", pointer);
    json_object_put(parsed);
    return status;
}

tfc_status tfc_mcp_result_text(tfc_json *result, const char *pointer, char **text, tfc_error *err)
{
    tfc_json *type = NULL, *structured = NULL, *is_error = NULL;
    json_object_object_get_ex(result, "resultType", &type);
    const char *kind =
        json_object_is_type(type, json_type_string) ? json_object_get_string(type) : "complete";
    if (strcmp(kind, "input_required") == 0)
        return tfc_fail(err, TFC_ENORESULT, "the tool asks back, and nobody is there to answer");
    if (strcmp(kind, "complete") != 0)
        return tfc_fail(err, TFC_EFORMAT, "the result is of the unknown type '%.40s'", kind);
    json_object_object_get_ex(result, "structuredContent", &structured);
    json_object_object_get_ex(result, "isError", &is_error);
    tfc_buffer joined;
    tfc_buffer_init(&joined, 0);
    join_texts(result, &joined);
    tfc_status status = tfc_buffer_ok(&joined, "result", err);
    if (status != TFC_OK) {
        tfc_buffer_release(&joined);
        return status;
    }
    if (json_object_is_type(is_error, json_type_boolean) && json_object_get_boolean(is_error)) {
        char reason[200];
        tfc_result_excerpt(joined.n ? joined.data : "", joined.n, reason);
        status = tfc_fail(err, TFC_ENORESULT, "%s", reason[0] ? reason : "the tool failed without a reason");
    } else if (pointer) {
        status = pointed(structured, &joined, pointer, text, err);
    } else if (joined.n > 0) {
        status = tfc_result_text(joined.data, joined.n, text, err);
    } else if (structured) {
        status = tfc_result_json(structured, text, err);
    } else {
        status = tfc_fail(err, TFC_ENORESULT, "the result has no text");
    }
    tfc_buffer_release(&joined);
    return status;
}

static void append_base64(tfc_buffer *out, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t block = (uint32_t)bytes[i] << 16;
        if (left > 1) block |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2) block |= bytes[i + 2];
        tfc_buffer_putc(out, digits[block >> 18]);
        tfc_buffer_putc(out, digits[block >> 12 & 63]);
        tfc_buffer_putc(out, left > 1 ? digits[block >> 6 & 63] : '=');
        tfc_buffer_putc(out, left > 2 ? digits[block & 63] : '=');
    }
}

bool tfc_mcp_header_value(const char *value, tfc_buffer *out)
{
    size_t n = strlen(value);
    bool plain = n == 0 || (value[0] > ' ' && value[n - 1] > ' ');
    for (size_t i = 0; i < n && plain; i++) plain = (value[i] >= ' ' && value[i] < 0x7f) || value[i] == '\t';
    if (plain && n >= 11 && memcmp(value, "=?base64?", 9) == 0 && memcmp(value + n - 2, "?=", 2) == 0)
        plain = false;
    if (plain) return tfc_buffer_append(out, value, n);
    tfc_buffer_puts(out, "=?base64?");
    append_base64(out, (const unsigned char *)value, n);
    return tfc_buffer_puts(out, "?=");
}
