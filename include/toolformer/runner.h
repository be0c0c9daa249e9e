/* toolformer/runner.h: calls of tools, many at a time.
 *
 * A runner executes batches of calls over threads of its own and keeps to what each tool's manifest allows: a
 * deadline for every attempt, so many calls at once, so many in a second, attempts again with growing pauses
 * where the tool (not the arguments) failed. Equal calls are made once: within a run always, across runs
 * through a cache in a file, unless the manifest says otherwise ("cache"). Tools that are pure arithmetic are
 * run at once by the caller.
 *
 *     tfc_runner_params params = tfc_runner_params_default();
 *     tfc_runner *runner = tfc_runner_create(&params, &err);
 *     tfc_tool_job jobs[2] = {{.tool = weather, .args = "Oslo"}, {.tool = weather, .args = "Bergen"}};
 *     tfc_batch *batch = tfc_runner_submit(runner, jobs, 2, &err);     // comes back at once
 *     …                                                                // other work
 *     if (tfc_batch_wait(batch, NULL, &err) == TFC_OK) puts(jobs[0].text);
 *     tfc_batch_free(batch);
 *     tfc_runner_free(runner);
 *
 * A call has one of three outcomes: a result; no result (TFC_ENORESULT), which is an answer; or the tool
 * failed. A tool that fails beyond its max_failure_rate stops the batch, when the runner was asked for that.
 *
 * A run records its calls. `replay` answers every call from such a recording; no tool is touched then. */
#ifndef TOOLFORMER_RUNNER_H
#define TOOLFORMER_RUNNER_H

#include "toolformer/tools.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_runner tfc_runner; /* shared by threads */
typedef struct tfc_batch tfc_batch;   /* of one thread */

typedef struct tfc_runner_params {
    const char *cache;  /* file; NULL: $TOOLFORMER_HOME/cache/tools.db (else under ~/.local/share/toolformer),
                           "none": no cache. It is opened when it is first needed */
    const char *record; /* folder of a run whose run.db gets every call; NULL: none */
    const char *replay; /* folder of a run whose recording answers instead of the tools; NULL: none */
    bool stops; /* a tool that fails too often ends batches with TFC_EIO; else each of its calls fails */
} tfc_runner_params;
tfc_runner_params tfc_runner_params_default(void);

/* params NULL: the default. Nothing is started before the first call that needs it. TFC_ENOTFOUND: there is
 * nothing to replay. The tools of its calls must outlive the runner. */
tfc_runner *tfc_runner_create(const tfc_runner_params *params, tfc_error *err);
/* Waits for calls that are in progress (their deadlines bound that); others are dropped. */
void tfc_runner_free(tfc_runner *runner);

/* One call: what is asked, then what came of it. */
typedef struct tfc_tool_job {
    const tfc_tool *tool;
    const char *args;         /* NULL: "" */
    tfc_tool_context context; /* its texts as well as args must live as long as the batch */
    tfc_status status;        /* TFC_OK, TFC_ENORESULT, else the tool failed */
    const char *text;         /* the result, or why there is none; lives as long as the batch */
    double ms;                /* in the tool; 0 when the answer was there already */
    int attempts;             /* 0: the answer was there already */
} tfc_tool_job;

/* Begins n calls; jobs stays where it is until the batch is freed. NULL: out of memory, or (TFC_ENOTFOUND) a
 * call that the replayed recording does not have, which the message names. */
tfc_batch *tfc_runner_submit(tfc_runner *runner, tfc_tool_job *jobs, size_t n, tfc_error *err);
/* True when tfc_batch_wait would not wait. */
bool tfc_batch_ready(tfc_batch *batch);
/* Until all calls have come to their ends; fills the jobs. A failed call is no error here. TFC_EINTERRUPTED:
 * the monitor asked to stop. TFC_EIO: a tool fails too often, or the recording cannot be written. TFC_ENOMEM.
 */
tfc_status tfc_batch_wait(tfc_batch *batch, const tfc_monitor *monitor, tfc_error *err);
/* Calls that have not begun are dropped, unless another batch asks for them too. NULL is fine. */
void tfc_batch_free(tfc_batch *batch);

/* One call, as tfc_tool_call. */
tfc_status tfc_runner_call(tfc_runner *runner, const tfc_tool *tool, const char *args,
                           const tfc_tool_context *context, char **result, tfc_error *err);

/* Says what a tool lacks before work begins (a program, a server, an index) and starts what persists, but for
 * a runner that replays. Records the tools' manifests. */
tfc_status tfc_runner_prepare(tfc_runner *runner, const tfc_tools *tools, tfc_error *err);

/* What became of a tool's calls. */
typedef struct tfc_tool_stats {
    char tool[64];
    int64_t calls;             /* asked for */
    int64_t cached;            /* of these, answered by an equal call before: of the run, or in the cache */
    int64_t no_result;         /* of those made */
    int64_t failed, timed_out; /* of those made; timed_out is a part of failed */
    int64_t retried;           /* further attempts */
    double ms;                 /* in the tool */
    double cost;               /* by the manifest's cost of a call */
} tfc_tool_stats;
enum { TFC_STATS_MAX = 32 };
/* Of the tools in the order of their first calls; returns how many, at most `max`. */
size_t tfc_runner_stats(tfc_runner *runner, tfc_tool_stats *stats, size_t max);

/* The tools of a recorded run by its manifests; none of them is touched, and their calls are only to be
 * replayed. names: as tfc_tools_create, of those that were recorded; NULL: all, in their order. */
tfc_tools *tfc_tools_create_recorded(const char *names, const char *run, tfc_error *err);

/* The recorded tools as a list for tfc_tools_create: names of built-in ones, paths of manifests; the caller's
 * (tfc_text_free). */
char *tfc_recording_tools(const char *run, tfc_error *err);

/* Runs the recorded calls of a run with the tools as they are now. `changed` is told of every call whose
 * outcome differs: then and now are results, or reasons where the status is not TFC_OK. */
typedef struct tfc_call_change {
    const char *tool, *args, *date; /* date NULL: none */
    tfc_status then_status, now_status;
    const char *then, *now;
} tfc_call_change;
typedef struct tfc_diff_result {
    int64_t calls, changed;
    int64_t skipped;         /* of tools that are not among `tools`, or that failed when recorded */
    int64_t other_manifests; /* tools whose manifest is another one now */
} tfc_diff_result;
tfc_status tfc_recording_diff(const char *run, const tfc_tools *tools,
                              void (*changed)(void *context, const tfc_call_change *change), void *context,
                              const tfc_monitor *monitor, tfc_diff_result *result, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
