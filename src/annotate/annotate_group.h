/* annotate/annotate_group.h: a few snippets on their way through the method together, so that batches are
 * full. */
#ifndef TFC_ANNOTATE_ANNOTATE_GROUP_H
#define TFC_ANNOTATE_ANNOTATE_GROUP_H

#include "annotate/losses.h"
#include "annotate/run_store.h"

enum { TFC_GROUP_SNIPPETS = 8 };

/* One (snippet, tool) pair. */
typedef struct tfc_work {
    int64_t snippet; /* in the group */
    const tfc_tool_plan *plan;
    const tfc_tokens *x;
    double *loss_empty;       /* [x->n]; NAN where it is not known (i = 0 without a context) */
    double *p;                /* [x->n] p(<API>); -1 where no call may stand */
    bool *allowed;            /* [x->n] */
    tfc_proposals *proposals; /* [x->n], enumerating tools only */
    int32_t *scan_ids;        /* what stands before x for p and samples: prefix P(x); demonstrated H */
    int64_t n_scan;
    bool scanned;
    tfc_link *leaders; /* [n_leaders] calls without arguments that a chain may begin with: the same at every
                          place */
    int64_t n_leaders;
    tfc_proposals *chained; /* [n_leaders][x->n] arguments that use their results; enumerating tools only */
    bool open_leaders;      /* other calls may begin a chain too */
} tfc_work;

typedef struct tfc_group {
    const tfc_settings *settings;
    const tfc_tokenizer *tokenizer;
    tfc_session *session;
    tfc_runner *runner;
    const tfc_monitor *monitor;
    tfc_arena arena;
    const tfc_snippet *snippets[TFC_GROUP_SNIPPETS];
    int64_t index[TFC_GROUP_SNIPPETS]; /* in the corpus */
    int64_t n_snippets;
    tfc_tokens tokens[TFC_GROUP_SNIPPETS][2]; /* by context; n -1: not made */
    tfc_snippet_counts counts[TFC_GROUP_SNIPPETS];
    tfc_work *works;
    int64_t n_works;
    tfc_place *places;
    int64_t *place_work; /* the work of each place */
    int64_t n_places, places_capacity;
    tfc_candidate *candidates;
    int64_t *candidate_work;
    int64_t n_candidates, candidates_capacity;
    tfc_batch *batch;   /* calls under way, or NULL */
    tfc_tool_job *jobs; /* [n_jobs] of the batch */
    int64_t *job_candidate;
    int64_t n_jobs;
    bool chained; /* the chains' calls are among the candidates */
} tfc_group;

/* scan.c: which snippets each tool wants; L_i(empty) and p_i; the places. */
tfc_status tfc_group_scan(tfc_group *group, tfc_error *err);
/* propose.c: arguments for each place, merged when equal. */
tfc_status tfc_group_propose(tfc_group *group, tfc_error *err);
/* chains.c: calls that use the result of one that goes before them; after the first ones were run. */
tfc_status tfc_group_chain(tfc_group *group, tfc_error *err);
/* execute.c: begins the calls that were not run yet; they are made while the engine does other work. */
tfc_status tfc_group_submit(tfc_group *group, tfc_error *err);
/* Waits for them, and puts their results into the candidates, in the order of these. */
tfc_status tfc_group_collect(tfc_group *group, tfc_error *err);
/* judge.c: scores the calls, decides. */
tfc_status tfc_group_judge(tfc_group *group, tfc_error *err);

/* chains.c, for the scan: makes work->leaders; then *found: a chain may be enumerated before token i. */
tfc_status tfc_chain_leaders(tfc_group *group, tfc_work *work, tfc_error *err);
tfc_status tfc_chain_enumerate(tfc_group *group, tfc_work *work, int64_t i, bool *found, tfc_error *err);
/* How the recipe enumerates. */
tfc_enumerate_params tfc_group_enumerating(const tfc_group *group);

/* propose.c: requests for the place's samples, behind the link where there is one; *n grows by their number,
 * at most plan->m. */
tfc_status tfc_group_request_samples(tfc_group *group, int64_t place, const tfc_link *link,
                                     tfc_sample_request *requests, int64_t *n, tfc_error *err);
/* What was sampled as arguments, in the arena; *error: why it is no call, or NULL. */
tfc_status tfc_group_sampled_args(tfc_group *group, const tfc_sample_request *request, const tfc_tool *tool,
                                  const char **args, size_t *n_args, const char **error, tfc_error *err);

/* Appends; NULL on want of memory. */
tfc_place *tfc_group_add_place(tfc_group *group, int64_t work, tfc_error *err);
tfc_candidate *tfc_group_add_candidate(tfc_group *group, int64_t work, tfc_error *err);

#endif
