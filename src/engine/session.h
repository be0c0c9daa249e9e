/* engine/session.h: the inside of a session: passes over lists of sequences, and the vocabulary.
 *
 * Scoring and sampling are the same work: sequences, and in each the rows whose hidden state is wanted. A
 * list of such items is taken in order; as many rows as a batch holds make one pass. What the tree has is not
 * computed again, except a wanted row. An item that does not fit goes on in the next pass, where it finds its
 * first part in the tree. */
#ifndef TFC_ENGINE_SESSION_H
#define TFC_ENGINE_SESSION_H

#include "model/forward.h"
#include "toolformer/engine.h"

/* A sequence and the rows of it that are wanted: row r knows tokens 0 … r, and predicts position r + 1. */
typedef struct tfc_item {
    const int32_t *ids;
    int64_t n;            /* last wanted row + 1 */
    const int32_t *rows;  /* rising */
    int64_t n_rows, done; /* done: how many were in a pass already */
    bool seen;            /* some of it was in a pass */
} tfc_item;

typedef struct tfc_head tfc_head;
typedef struct tfc_masks tfc_masks;
typedef struct tfc_sampler_scratch tfc_sampler_scratch;

struct tfc_session {
    tfc_model *model;
    tfc_pool *pool;
    tfc_kv_tree *tree;
    tfc_forward *forward;
    tfc_head *head;
    tfc_masks *masks;
    int64_t max_rows, max_positions;
    int32_t *path; /* [blocks of max_positions] */
    tfc_session_counters counters;
    /* Grown when a call is planned, kept for the next: so a call like an earlier one allocates nothing. */
    void *plan_memory;
    size_t plan_bytes;
};

/* Computes the next pass from items[*cursor] on; *cursor moves to the first item that is not done. hidden
 * points at [*n_wanted, C]: the wanted rows in order. */
tfc_status tfc_session_pass(tfc_session *session, tfc_item *items, int64_t n_items, int64_t *cursor,
                            const float **hidden, int64_t *n_wanted, tfc_error *err);

/* TFC_EINVAL for an id outside the vocabulary or no ids; TFC_ELIMIT when the n_computed positions that are to
 * be computed go beyond the context or the KV memory. `i` is the number of the request, for the message. */
tfc_status tfc_session_check_ids(const tfc_session *session, const int32_t *ids, int64_t n,
                                 int64_t n_computed, int64_t i, tfc_error *err);

/* order[n] = 0 … n-1 sorted by sequence, so that those with a common beginning are neighbours; scratch[n]. */
typedef struct tfc_sequence {
    const int32_t *ids;
    int64_t n;
} tfc_sequence;
void tfc_sequences_order(const tfc_sequence *sequences, int64_t n, int64_t *order, int64_t *scratch);

/* Sorts numbers; equal ones stay in their order. scratch[n]; no memory is allocated. */
typedef bool tfc_before(const void *context, int64_t a, int64_t b); /* a has to come before b */
void tfc_order_sort(int64_t *order, int64_t n, int64_t *scratch, tfc_before *before, const void *context);

/* At least n_bytes for the plan of a call, 64-byte aligned; what an earlier call had is lost. NULL: out of
 * memory. */
void *tfc_session_plan_memory(tfc_session *session, size_t n_bytes);

double tfc_seconds_now(void);

/* ---- head.c: hidden states to probabilities ---- */

tfc_head *tfc_head_create(const tfc_model *model, tfc_pool *pool, tfc_error *err);
void tfc_head_free(tfc_head *head);

/* Makes room for whatever tfc_head_score is to do with parts of these rows. */
tfc_status tfc_head_plan(tfc_head *head, const int64_t *first, int64_t n_rows, tfc_want *const *wants,
                         tfc_error *err);
/* wants[first[i] … first[i+1]-1] are those of hidden row i, of rows that were planned; their results are
 * filled. `any` is the mask of all tokens, for draws. */
tfc_status tfc_head_score(tfc_head *head, const float *hidden, int64_t n_rows, const int64_t *first,
                          tfc_want *const *wants, const uint64_t *any, tfc_error *err);
/* logits[n_rows, V] */
void tfc_head_logits(tfc_head *head, const float *hidden, int64_t n_rows, float *logits);
/* Room for n rows of logits, and each thread's memory for draws; NULL: out of memory. Kept by the head. */
float *tfc_head_rows(tfc_head *head, int64_t n);
const tfc_sampler_scratch *tfc_head_scratch(const tfc_head *head);
/* The log-sum-exp of a row of logits[V], with the bits that tfc_head_score has. */
double tfc_head_log_sum(const tfc_head *head, const float *logits);
double tfc_head_flops(const tfc_head *head);

tfc_status tfc_fail_not_finite(const tfc_model *model, tfc_error *err);

/* ---- top.c: the k best of many ---- */

typedef struct tfc_candidate {
    float value;
    int32_t id;
} tfc_candidate;

/* A heap of at most k candidates whose root is the worst: lower value, on ties higher id. */
typedef struct tfc_top_heap {
    tfc_candidate *items;
    int64_t n, k;
} tfc_top_heap;
void tfc_top_heap_offer(tfc_top_heap *heap, const float *values, int64_t n, int32_t first_id);
void tfc_top_heap_push(tfc_top_heap *heap, tfc_candidate candidate);
void tfc_top_heap_sort(tfc_top_heap *heap); /* best first; no longer a heap */

#endif
