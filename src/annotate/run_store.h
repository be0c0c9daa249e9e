/* annotate/run_store.h: RUN/run.db. One row a snippet, a place, a candidate; SQL is the way to look at a run.
 */
#ifndef TFC_ANNOTATE_RUN_STORE_H
#define TFC_ANNOTATE_RUN_STORE_H

#include <sqlite3.h>

#include "base/memory.h"
#include "toolformer/tools.h"

typedef struct tfc_run_store {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *put_snippet, *put_place, *put_candidate, *put_link;
    sqlite3_stmt *clear[3];
} tfc_run_store;

/* A place where a call was tried. */
typedef struct tfc_place {
    int64_t snippet;
    const char *tool;
    int64_t token;      /* i */
    size_t at;          /* byte in the snippet */
    double p;           /* p(<API>) there */
    double loss_empty;  /* L_i(empty) */
    const char *reason; /* why nothing was tried there, or NULL */
} tfc_place;

/* The call that goes before another one in a chain, at one place: e(link) e(candidate). The candidates of the
 * place share it. Losses NAN: not computed. */
typedef struct tfc_link {
    const tfc_tool *of; /* the tool of the call */
    const char *tool, *args, *result;
    double loss_call, loss_result; /* L_i of this call alone, without and with its result */
    const int32_t *ids;            /* [n_ids] its tokens, result and bracket included */
    int64_t n_head, n_ids;         /* n_head: up to the arrow */
    bool chosen;                   /* a scratch mark of the scoring */
} tfc_link;

/* A call that was proposed there. Losses: NAN = not computed. */
typedef struct tfc_candidate {
    int64_t snippet;
    const char *tool;
    int64_t token, n; /* n-th of its place */
    size_t at;
    const char *args;
    const char *proposer; /* "sample", "enumerate" */
    int64_t times;        /* how often it was proposed there */
    const char *result;   /* NULL: none */
    const char *error;    /* why there is none */
    bool failed;          /* … because the tool failed: nothing is decided */
    double loss_empty, loss_call, loss_result;
    tfc_link
        *link; /* what goes before it in a chain; then the losses are those of the whole chain; or NULL */
    double likelihood;   /* log p(call | what the model sees there, x_<i); NAN where nothing asks for it */
    double tau_f;        /* judged with */
    bool kept, unlikely; /* unlikely: below the recipe's least likelihood */
    const char *reason;
} tfc_candidate;

/* Per-snippet figures that cannot be counted from places and candidates. */
typedef struct tfc_snippet_counts {
    int64_t wanted, pruned_scans, pruned_duplicates;
    int64_t failed; /* calls that the tool failed at; the snippet is to be done again */
} tfc_snippet_counts;

/* Opens or makes the database and its tables. */
tfc_status tfc_run_store_open(tfc_run_store *store, const char *run, bool create, tfc_error *err);
void tfc_run_store_close(tfc_run_store *store);

tfc_status tfc_run_store_exec(tfc_run_store *store, const char *sql, tfc_error *err);
/* Prepares a query; *statement is the caller's (sqlite3_finalize). */
tfc_status tfc_run_store_query(tfc_run_store *store, const char *sql, sqlite3_stmt **statement,
                               tfc_error *err);
/* One integer; 0 for NULL. */
tfc_status tfc_run_store_count(tfc_run_store *store, const char *sql, int64_t *out, tfc_error *err);
/* Fails with SQLite's message. */
tfc_status tfc_run_store_fail(const tfc_run_store *store, tfc_error *err);

/* Key-value facts of the run. *value is the caller's, NULL when absent. */
tfc_status tfc_run_store_get(tfc_run_store *store, const char *key, char **value, tfc_error *err);
tfc_status tfc_run_store_put(tfc_run_store *store, const char *key, const char *value, tfc_error *err);

tfc_status tfc_run_store_put_snippet(tfc_run_store *store, int64_t i, const char *id, int64_t document,
                                     const char *text, size_t n_text, const char *date, int64_t n_tokens,
                                     const tfc_snippet_counts *counts, tfc_error *err);
/* Removes the places and candidates of a snippet that is done again. */
tfc_status tfc_run_store_clear(tfc_run_store *store, int64_t snippet, tfc_error *err);
tfc_status tfc_run_store_put_place(tfc_run_store *store, const tfc_place *place, tfc_error *err);
tfc_status tfc_run_store_put_candidate(tfc_run_store *store, const tfc_candidate *candidate, tfc_error *err);

#endif
