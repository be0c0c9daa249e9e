/* tools/runner_inside.h: what the runner's files share. Everything but `attempt` is done under the mutex. */
#ifndef TFC_TOOLS_RUNNER_INSIDE_H
#define TFC_TOOLS_RUNNER_INSIDE_H

#include <pthread.h>

#include "base/clock.h"
#include "toolformer/runner.h"
#include "tools/backend.h"
#include "tools/recording.h"
#include "tools/result_cache.h"

/* One distinct call. It lives as long as a batch or a thread has it. */
typedef struct tfc_entry {
    struct tfc_entry *next_same_hash, *next_queued;
    struct tfc_tool_state *of;
    char *args, *context;      /* context: the date that was given, or "" */
    const char *cache_context; /* that, or the day of the call */
    char today[11];
    int n_batches;
    bool shared; /* equal calls find it in the table */
    bool running, queued, done;
    bool answered; /* by the recording or the cache: nothing was run */
    bool recorded; /* nothing is to be written about it any more */
    int64_t not_before_ns;
    tfc_status status;
    char *text;
    int attempts;
    double ms;
} tfc_entry;

typedef struct tfc_tool_state {
    struct tfc_tool_state *next;
    const tfc_tool *tool;
    char manifest[17], version[160]; /* version "": its results are not cached across runs */
    tfc_entry *first, **last;        /* the queue */
    int n_queued, n_running;
    int64_t next_start_ns; /* by the rate limit */
    uint64_t outcomes;     /* of the last calls, the latest in bit 0; 1: failed */
    int n_outcomes;        /* in `outcomes` */
    bool dead;
    char death[600]; /* why */
    tfc_tool_stats stats;
} tfc_tool_state;

enum { TFC_RUNNER_BUCKETS = 4096, TFC_RUNNER_THREADS = 256 };

struct tfc_runner {
    tfc_runner_params params;
    pthread_mutex_t mutex;
    pthread_cond_t work, done; /* a queue has something; a call came to its end */
    tfc_recording *recording;  /* of this run; in memory when nothing is recorded */
    tfc_recording *replayed;   /* or NULL */
    tfc_result_cache *cache;   /* or NULL */
    tfc_tool_state *states;
    tfc_entry *buckets[TFC_RUNNER_BUCKETS];
    pthread_t threads[TFC_RUNNER_THREADS];
    int n_threads;
    bool quit;
    char *record_path, *replay_path;
};

/* runner_threads.c */
/* Queues the entry and sees to it that there are threads enough. */
tfc_status tfc_runner_enqueue(tfc_runner *runner, tfc_entry *entry, tfc_error *err);
void tfc_runner_unqueue(tfc_entry *entry);
void tfc_runner_join(tfc_runner *runner);
/* Counts an outcome; the tool is dead when that was one failure too many. */
void tfc_state_note(tfc_tool_state *state, const tfc_entry *entry);
/* Frees an entry that nobody has any more. */
void tfc_entry_drop(tfc_runner *runner, tfc_entry *entry);

/* tool_call.c */
/* One attempt, with the manifest's deadline. */
tfc_status tfc_tool_attempt(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                            char **result, tfc_error *err);
/* After that status another attempt may follow. */
bool tfc_tool_may_retry(const tfc_tool *tool, tfc_status status, int attempts);
/* The pause before the attempt that follows so many. */
int64_t tfc_tool_backoff_ns(const tfc_tool *tool, int attempts);

#endif
