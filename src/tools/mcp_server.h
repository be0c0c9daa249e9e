/* tools/mcp_server.h: one MCP server, however many tools of it are used: started or connected with the first
 * request, spoken to in the generation of the protocol that it knows, started again after it broke. */
#ifndef TFC_TOOLS_MCP_SERVER_H
#define TFC_TOOLS_MCP_SERVER_H

#include "tools/mcp_link.h"

typedef struct tfc_mcp_server tfc_mcp_server; /* thread-safe */

/* The keys of a backend's object that say which server it is; NULL-terminated. */
extern const char *const tfc_mcp_server_keys[];

/* Either "argv" with what else a program may have (program.h), or "url" with "headers", "environment" and
 * "ca_file". Nothing is started or looked at on disk. Tools with the same fields share a server. */
tfc_status tfc_mcp_server_open(tfc_json *json, const char *folder, tfc_mcp_server **server, tfc_error *err);
/* The last one ends it. */
void tfc_mcp_server_close(tfc_mcp_server *server);

/* "MCP server 'mcp-server-time'", for messages. */
const char *tfc_mcp_server_name(const tfc_mcp_server *server);
bool tfc_mcp_server_remote(const tfc_mcp_server *server); /* HTTP */

/* Starts it, if it is not running. Variables that it needs and that are not set: TFC_ENOTFOUND. */
tfc_status tfc_mcp_server_start(tfc_mcp_server *server, int64_t deadline_ns, tfc_error *err);
/* Sends a request in the server's version (request's own fields for it are not looked at) and waits. TFC_OK:
 * *answer is a response, the caller's. A message of the error holds no secret. */
tfc_status tfc_mcp_server_request(tfc_mcp_server *server, const tfc_mcp_request *request, int64_t deadline_ns,
                                  tfc_mcp_message *answer, tfc_error *err);
/* tools/list, all pages: an array, the caller's. */
tfc_status tfc_mcp_server_tools(tfc_mcp_server *server, int64_t deadline_ns, tfc_json **tools,
                                tfc_error *err);
/* The version that was agreed on, "" before that. */
void tfc_mcp_server_version(tfc_mcp_server *server, char out[32]);
/* Takes secrets out of a text that the server sent. */
void tfc_mcp_server_hide(const tfc_mcp_server *server, char *text);

#endif
