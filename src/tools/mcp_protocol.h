/* tools/mcp_protocol.h: what MCP says, apart from how it travels: JSON-RPC 2.0 messages, tool lists, results.
 *
 * Two generations. Modern (2026-07-28 on): no handshake; each request carries the version and who asks in
 * "_meta". Legacy (2024-11-05 … 2025-11-25): `initialize` first. */
#ifndef TFC_TOOLS_MCP_PROTOCOL_H
#define TFC_TOOLS_MCP_PROTOCOL_H

#include "base/json.h"
#include "base/memory.h"

#define TFC_MCP_MODERN "2026-07-28"
#define TFC_MCP_LEGACY "2025-11-25" /* what `initialize` asks for */

/* Error codes that this page gives a meaning. */
enum {
    TFC_MCP_METHOD_NOT_FOUND = -32601,
    TFC_MCP_INVALID_PARAMS = -32602,
    TFC_MCP_HEADER_MISMATCH = -32020,
    TFC_MCP_MISSING_CAPABILITY = -32021,
    TFC_MCP_UNSUPPORTED_VERSION = -32022
};

typedef enum tfc_mcp_kind { TFC_MCP_RESPONSE, TFC_MCP_REQUEST, TFC_MCP_NOTIFICATION } tfc_mcp_kind;

/* A message that came. All but root borrows from it. */
typedef struct tfc_mcp_message {
    tfc_mcp_kind kind;
    tfc_json *root;
    int64_t id; /* of a response: the request's; -1: none of ours */
    tfc_json *result;
    int64_t error_code; /* 0: no error */
    const char *error_message;
    tfc_json *error_data;
    const char *method; /* of a request or notification */
} tfc_mcp_message;

/* TFC_EFORMAT: no JSON-RPC 2.0 message. */
tfc_status tfc_mcp_message_read(const char *text, size_t n, tfc_mcp_message *message, tfc_error *err);
/* The same of a value that is already parsed; takes the reference, also on failure. */
tfc_status tfc_mcp_message_take(tfc_json *root, tfc_mcp_message *message, tfc_error *err);
void tfc_mcp_message_release(tfc_mcp_message *message);

/* A message to send. */
typedef struct tfc_mcp_request {
    const char *method;
    tfc_json *params;           /* an object, or NULL; borrowed, and not shared with another thread */
    const char *name;           /* params.name: HTTP repeats it in a header; NULL: none */
    const char *version;        /* the protocol's; NULL: not known yet (probing, initialize) */
    bool modern;                /* "_meta" is written, and HTTP's headers */
    bool probing;               /* silence says nothing about the server */
    const char *const *headers; /* [n_headers] further ones of HTTP, "Name: value" */
    size_t n_headers;
} tfc_mcp_request;

/* One line without its end. id -1: a notification. */
tfc_status tfc_mcp_request_write(const tfc_mcp_request *request, int64_t id, tfc_buffer *out, tfc_error *err);
/* The answer to a server's request: ping is answered, all else is refused. */
tfc_status tfc_mcp_reply_write(const tfc_mcp_message *message, tfc_buffer *out, tfc_error *err);

/* The error of a response as ours. -32602: TFC_ENORESULT (these arguments are not accepted); an unknown
 * method is TFC_EUNSUPPORTED; anything else TFC_EIO. */
tfc_status tfc_mcp_message_error(const tfc_mcp_message *message, const char *what, tfc_error *err);

/* The result of tools/call → text: the texts of its content, one a line; without one, structuredContent as
 * JSON. pointer (NULL: none): the value there in structuredContent, or in the text read as JSON. isError: no
 * result, the text is the reason. */
tfc_status tfc_mcp_result_text(tfc_json *result, const char *pointer, char **text, tfc_error *err);

/* A header's value: as it is, or in the form =?base64?…?= where it is no plain ASCII. */
bool tfc_mcp_header_value(const char *value, tfc_buffer *out);

#endif
