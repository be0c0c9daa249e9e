/* toolformer/tools.h: tools as the method sees them: a name, text in, one text out (paper section 2).
 *
 * A tool is a manifest (JSON: name, description, demonstrations, thresholds, candidate heuristic, argument
 * form) and a backend. Built in: Calculator, Calendar, DateCalc. A tool that gives no result says why; that
 * is data, no error of the program.
 *
 *     tfc_tools *tools = tfc_tools_create("Calculator,Calendar", &err);
 *     tfc_tool_context context = {.date = "2023-01-30"};
 *     char *result;
 *     if (tfc_tool_call(tfc_tools_find(tools, "Calculator"), "400 / 1400", &context, &result, &err) ==
 * TFC_OK) puts(result), tfc_text_free(result); tfc_tools_free(tools);
 */
#ifndef TOOLFORMER_TOOLS_H
#define TOOLFORMER_TOOLS_H

#include "toolformer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_tool tfc_tool;   /* immutable once made */
typedef struct tfc_tools tfc_tools; /* a registry: immutable, shared by threads */

/* What a call may know of where it stands. */
typedef struct tfc_tool_context {
    const char *date; /* "YYYY-MM-DD": the document's, or the day to answer with; NULL: today */
} tfc_tool_context;

/* names: comma-separated built-ins, or paths of manifest files (*.json); "all": all built-ins; NULL: those
 * of them that are available here (tfc_tool_available); "none": an empty registry. An unknown name is
 * TFC_ENOTFOUND and lists the known ones. */
tfc_tools *tfc_tools_create(const char *names, tfc_error *err);
void tfc_tools_free(tfc_tools *tools);
size_t tfc_tools_count(const tfc_tools *tools);
const tfc_tool *tfc_tools_at(const tfc_tools *tools, size_t i);
const tfc_tool *tfc_tools_find(const tfc_tools *tools, const char *name); /* NULL when absent; exact name */

const char *tfc_tool_name(const tfc_tool *tool);
const char *tfc_tool_description(const tfc_tool *tool);
/* The manifest as JSON text; borrowed. */
const char *tfc_tool_manifest(const tfc_tool *tool);

/* TFC_OK: all that the tool needs is on this machine (an index, a model, programs), as far as can be told
 * without running it; else err says what is missing and which command brings it. Thread-safe. */
tfc_status tfc_tool_available(const tfc_tool *tool, tfc_error *err);

/* Runs a call. TFC_OK: *result is NUL-terminated and the caller's (tfc_text_free). TFC_ENORESULT: the
 * arguments have no result (syntax, division by zero, no date); err says why. Other statuses: the tool itself
 * failed. Thread-safe. */
tfc_status tfc_tool_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                         char **result, tfc_error *err);

/* The layers of the sandbox that commands run in, as far as this machine has them (docs/TOOLS.md). */
typedef struct tfc_sandbox_info {
    int landlock_abi; /* 0: no Landlock */
    bool namespaces;  /* users and processes of their own, without privileges */
    bool seccomp;
    bool bubblewrap; /* installed; it takes Landlock's place where there are namespaces */
} tfc_sandbox_info;
tfc_sandbox_info tfc_sandbox_get_info(void);

/* ---- tools that are functions of the program ---- */

/* What a call asks for. All texts are borrowed until the function returns. */
typedef struct tfc_tool_request {
    const char *args;      /* as they stand in the text */
    const char *args_json; /* the same as a checked JSON object, where the manifest has a schema; else NULL */
    const char *date;      /* "YYYY-MM-DD", or NULL */
    int64_t deadline_ns;   /* on CLOCK_MONOTONIC; 0: none. What comes later counts as TFC_ETIMEOUT */
} tfc_tool_request;

/* Answers one call. TFC_OK: *text is the result. TFC_ENORESULT: these arguments have none, and *text may say
 * why. TFC_EIO: the tool failed for now (the call is tried again as the manifest allows); other statuses: it
 * failed. *text is NUL-terminated and allocated by malloc (strdup, asprintf); the library frees it. Several
 * threads may be in the function at once, at most "concurrency" of the manifest through a tfc_runner; it may
 * not call the registry's or runner's _free. */
typedef tfc_status tfc_tool_function(void *context, const tfc_tool_request *request, char **text);

/* Adds a tool to the registry; examples/own_tool_in_c.c shows one. manifest: JSON text whose "backend" is
 * "function"; copied. `context` is handed to the function as it is and must outlive the registry. Results are
 * cached across runs only where the manifest has a "version". Not thread-safe: add before others use the
 * registry. TFC_EFORMAT or TFC_EINVAL: what is wrong with the manifest; TFC_ECONFLICT: a tool has that name;
 * the registry is then as it was. */
tfc_status tfc_tools_add_function(tfc_tools *tools, const char *manifest, tfc_tool_function *function,
                                  void *context, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
