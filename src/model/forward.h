/* model/forward.h: one pass of many token positions (rows) through the blocks of the model.
 *
 * Rows of any sequences at any positions stand one after another; each writes its keys and values into the
 * KV tree (or finds them there) and attends over its own sequence's blocks. A row's result depends on its
 * token, its position and what stands before it in its sequence, and on nothing else: not on the other rows,
 * not on what was cached, not on the number of threads. Everything is allocated at creation for max_rows. */
#ifndef TFC_MODEL_FORWARD_H
#define TFC_MODEL_FORWARD_H

#include "model/kv_tree.h"
#include "model/model.h"

/* Consecutive positions of one sequence. */
typedef struct tfc_run {
    int64_t row, n_rows, position; /* its first row and that row's position */
    int64_t first_block;           /* batch->blocks[first_block + i] holds positions 32i … 32i+31 */
} tfc_run;

/* What a pass computes. All arrays but blocks have room for max_rows items. */
typedef struct tfc_batch {
    int64_t n_rows;
    int32_t *ids, *positions; /* [n_rows] */
    int32_t *store;           /* [n_rows] block that gets the row's keys and values; -1: it has them */
    int64_t n_runs;           /* together they cover all rows in order */
    tfc_run *runs;
    int64_t n_copies;
    tfc_kv_copy *copies; /* in this order */
    int64_t n_wanted;    /* rows whose last hidden state is wanted, rising */
    int32_t *wanted;
    int64_t n_blocks, block_capacity;
    int32_t *blocks; /* [block_capacity], enough for one sequence of any length */
} tfc_batch;

typedef struct tfc_forward tfc_forward;

/* The packed model, the tree and the pool must outlive it; pool may be NULL. max_positions: no row stands at
 * or after it. */
tfc_forward *tfc_forward_create(const tfc_model *model, tfc_kv_tree *tree, tfc_pool *pool, int64_t max_rows,
                                int64_t max_positions, tfc_error *err);
void tfc_forward_free(tfc_forward *forward);

/* The batch of the next pass, to be filled. */
tfc_batch *tfc_forward_batch(tfc_forward *forward);
void tfc_batch_clear(tfc_batch *batch);

/* Runs the pass; returns hidden[n_wanted, C] before the last norm, valid until the next pass. */
const float *tfc_forward_run(tfc_forward *forward);

/* Multiply-adds × 2 of all passes so far. */
double tfc_forward_flops(const tfc_forward *forward);

/* The model's norm of one row; bias is NULL for rmsnorm. */
void tfc_model_norm(const tfc_model *model, float *y, const float *x, const float *weight, const float *bias);

/* y[M,N] (+)= X[M,K] W^T (+ bias) over the pool; X is packed by the kernels' pack_rows. */
void tfc_product(const tfc_model *model, tfc_pool *pool, float *y, int64_t ld_y, const void *packed,
                 int64_t M, const tfc_panels *w, const float *bias, bool accumulate);

#endif
