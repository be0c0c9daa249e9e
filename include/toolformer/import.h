/* toolformer/import.h: the tools of an MCP server as manifests.
 *
 * A server lists its tools with JSON Schemas of their arguments. For each one a manifest is written that is
 * valid as it stands: name, description, schema, instruction, the server as its backend, and demonstrations
 * made from the schema. Those are a skeleton: replace them by texts like the ones to come, for they are what
 * the model learns the tool from.
 *
 *     tfc_import_params params = {.command = "mcp-server-time", .out = "tools"};
 *     if (tfc_tools_import(&params, NULL, NULL, &err) == TFC_OK) …   // tools/get_current_time.json, …
 */
#ifndef TOOLFORMER_IMPORT_H
#define TOOLFORMER_IMPORT_H

#include "toolformer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_import_params {
    /* One of the two. */
    const char *command; /* a program and its arguments; blanks separate, quotes and \ hold together as in a
                            shell, and no shell sees it. What begins with ./ or ../ is made absolute */
    const char *url;     /* http or https */
    const char *const *names; /* [n_names] tools that are wanted, by the server's names; 0: all */
    size_t n_names;
    const char *out; /* the folder, made when it is missing; NULL: the working folder */
    bool force;      /* over files that are there */
    const char *const
        *environment; /* [n_environment] variables that the server gets, or that `headers` name */
    size_t n_environment;
    const char *const *headers; /* [n_headers] "Name: value" with ${ENV:NAME}; for a url */
    size_t n_headers;
    const char *const *read, *const *write; /* paths that a program may read; read and change. Absolute paths
                                               among its arguments may be read anyway */
    size_t n_read, n_write;
    bool network;        /* a program may use it */
    const char *sandbox; /* "best", "strict", "none"; NULL: best */
    int64_t deadline_ms; /* for the server's answers; 0: 60 s */
} tfc_import_params;

/* One tool of the server: path is its manifest; NULL when there is none, and why. */
typedef void tfc_import_told(void *context, const char *tool, const char *path, const char *why);

/* Starts or asks the server, writes the manifests. told may be NULL. TFC_OK: at least one was written.
 * TFC_ENOTFOUND: a wanted tool is not there (the message lists those that are), or the server is not.
 * TFC_ECONFLICT: a file is there already. TFC_EUNSUPPORTED: no tool has arguments that a text can hold. */
tfc_status tfc_tools_import(const tfc_import_params *params, tfc_import_told *told, void *context,
                            tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
