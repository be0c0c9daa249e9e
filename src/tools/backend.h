/* tools/backend.h: what stands behind a tool's name. A manifest's "backend" is an object {"type": NAME, …};
 * a bare string is {"type": NAME}. Each type reads its own fields. */
#ifndef TFC_TOOLS_BACKEND_H
#define TFC_TOOLS_BACKEND_H

#include "base/json.h"
#include "base/memory.h"
#include "tools/tool.h"

struct tfc_backend_type {
    const char *name; /* "builtin:calculator", "command", … */
    /* Reads the fields of `json` (an object; unknown keys are refused by the type) into tool->state. Nothing
     * is started and no file is opened here: a manifest can be read on a machine where the tool is not.
     * `folder`: what relative paths are seen from; NULL: the working folder. What stays lives in the arena;
     * what does not is freed by `close`. NULL: there are no fields but "type". */
    tfc_status (*open)(tfc_tool *tool, tfc_json *json, const char *folder, tfc_arena *arena, tfc_error *err);
    /* Says what is missing (a program, an index, a server) before work begins, and starts what persists.
     * NULL: nothing can be missing. May be called again; thread-safe. */
    tfc_status (*prepare)(const tfc_tool *tool, tfc_error *err);
    /* Says what is missing, quickly and without starting anything: tells whether the tool belongs to those
     * that are used when none is named. The message names the command that brings it. NULL: nothing can be
     * missing.
     */
    tfc_status (*available)(const tfc_tool *tool, tfc_error *err);
    /* One call: blocking, thread-safe, back by deadline_ns on the monotonic clock (0: none). TFC_OK: *result
     * is NUL-terminated UTF-8 on the heap. TFC_ENORESULT: these arguments have none. TFC_ETIMEOUT: the
     * deadline passed. Other statuses: the tool failed. err says why in each case. */
    tfc_status (*call)(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                       int64_t deadline_ns, char **result, tfc_error *err);
    /* Ends processes, closes connections, frees what the arena does not hold. NULL: there is nothing. */
    void (*close)(tfc_tool *tool);
    /* Cheap, and decided by arguments and context alone: run by whoever asks, at once; never cached. */
    bool pure;
    /* The context makes no difference to a result. */
    bool ignores_context;
    /* What decides results beside the manifest, a program's or an index's hash: text of less than n bytes, a
     * part of the cache's key. NULL: the manifest alone decides. A failure keeps results out of the cache. */
    tfc_status (*version)(const tfc_tool *tool, char *out, size_t n, tfc_error *err);
    /* The enumerating proposer, or NULL; see tool.h. */
    bool (*enumerate)(const char *text, size_t n, size_t at, const char *earlier,
                      const tfc_enumerate_params *params, tfc_proposals *out, tfc_error *err);
};

/* NULL when no type has that name; `known` gets the names, for a message. */
const tfc_backend_type *tfc_backend_find(const char *name, char *known, size_t n_known);

extern const tfc_backend_type tfc_backend_calculator, tfc_backend_calendar, tfc_backend_datecalc,
    tfc_backend_command, tfc_backend_function, tfc_backend_http, tfc_backend_mcp, tfc_backend_mt,
    tfc_backend_wikisearch, tfc_backend_qa;

/* backend_function.c: what is behind a tool of that type; TFC_EINVAL when it is of another one. */
tfc_status tfc_backend_function_set(tfc_tool *tool, tfc_tool_function *function, void *context,
                                    tfc_error *err);

#endif
