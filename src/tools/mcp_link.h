/* tools/mcp_link.h: a way to a server: its standard streams, or HTTP. Thread-safe, any number of requests at
 * a time. A link that broke stays broken; its owner makes a new one. */
#ifndef TFC_TOOLS_MCP_LINK_H
#define TFC_TOOLS_MCP_LINK_H

#include "tools/http_headers.h"
#include "tools/mcp_protocol.h"
#include "tools/process.h"

enum { TFC_MCP_MESSAGE_BYTES_MAX = 8 << 20 };

typedef struct tfc_mcp_link tfc_mcp_link;
typedef struct tfc_mcp_link_type {
    /* Sends a request and waits for its answer. TFC_OK: *answer is a response, result or error; the caller
     * releases it. http_code: of HTTP, 0 else; set after failures too, when an answer came at all. */
    tfc_status (*exchange)(tfc_mcp_link *link, const tfc_mcp_request *request, int64_t deadline_ns,
                           tfc_mcp_message *answer, long *http_code, tfc_error *err);
    tfc_status (*notify)(tfc_mcp_link *link, const tfc_mcp_request *request, int64_t deadline_ns,
                         tfc_error *err);
    /* No further request can succeed. */
    bool (*broken)(tfc_mcp_link *link);
    void (*free)(tfc_mcp_link *link);
} tfc_mcp_link_type;
struct tfc_mcp_link {
    const tfc_mcp_link_type *type; /* the first member of each kind of link */
};

/* Starts the program. It is told to end by the end of its standard input, and killed half a second later.
 * `what` names the server in messages; what is passed must outlive the link. */
tfc_mcp_link *tfc_mcp_stdio_create(const char *what, const tfc_launcher *launcher, char *const *argv,
                                   tfc_error *err);
/* Connects with the first request. A session that the server names is kept, and ended by DELETE. */
tfc_mcp_link *tfc_mcp_http_create(const char *what, const char *url, const char *ca_file,
                                  const tfc_http_headers *headers, tfc_error *err);

#endif
