/* tools/line_pool.h: persistent processes of one program that speak JSON lines, and a thread that serves
 * them.
 *
 *     to the program     {"id": 7, "args": {"value": 3, "unit": "mile"}, "date": "2023-01-30"}
 *     from the program   {"id": 7, "result": "4.83 km"}
 *
 * A call that makes its process die, hang or talk nonsense fails; the process is killed and started again
 * with the next call. Other calls that wait for the same process do not suffer: they are sent once more, each
 * alone to a process, so that of two deaths the second is the caller's own. */
#ifndef TFC_TOOLS_LINE_POOL_H
#define TFC_TOOLS_LINE_POOL_H

#include "tools/process.h"

typedef struct tfc_line_pool tfc_line_pool;

typedef struct tfc_line_pool_params {
    int processes;   /* at most so many at the same time */
    int in_flight;   /* requests that a process may hold unanswered */
    size_t line_max; /* bytes of an answer */
} tfc_line_pool_params;

/* Starts no process yet. The launcher must outlive the pool. */
tfc_status tfc_line_pool_create(const tfc_launcher *launcher, char *const *argv,
                                const tfc_line_pool_params *params, tfc_line_pool **pool, tfc_error *err);
/* Kills the processes. No call may be running. */
void tfc_line_pool_free(tfc_line_pool *pool);

/* body: the request's members behind "id", `"args":…,"date":…`. Thread-safe; back by deadline_ns (monotonic).
 * As backend.h says of `call`. */
tfc_status tfc_line_pool_call(tfc_line_pool *pool, const char *body, int64_t deadline_ns, char **result,
                              tfc_error *err);

#endif
