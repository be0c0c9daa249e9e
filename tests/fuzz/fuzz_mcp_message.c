/* JSON-RPC messages as servers send them, their results, errors and tool schemas. */
#include <stdlib.h>

#include "tools/import_schema.h"
#include "tools/mcp_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tfc_mcp_message message;
    tfc_error err;
    if (tfc_mcp_message_read((const char *)data, n, &message, &err) != TFC_OK) return 0;
    tfc_buffer reply;
    tfc_buffer_init(&reply, 0);
    if (message.kind == TFC_MCP_REQUEST && tfc_mcp_reply_write(&message, &reply, &err) != TFC_OK) abort();
    tfc_buffer_release(&reply);
    if (message.error_code && tfc_mcp_message_error(&message, "server", &err) == TFC_OK) abort();
    for (int i = 0; message.result && i < 2; i++) {
        char *text = NULL;
        if (tfc_mcp_result_text(message.result, i ? "/a/0" : NULL, &text, &err) == TFC_OK && !text) abort();
        tfc_text_free(text);
    }
    tfc_json *schema, *headers, *sample;
    if (message.result &&
        tfc_import_schema(message.result, true, &schema, &headers, &sample, &err) == TFC_OK) {
        json_object_put(schema);
        json_object_put(headers);
        json_object_put(sample);
    }
    tfc_mcp_message_release(&message);
    return 0;
}
