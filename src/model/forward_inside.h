/* model/forward_inside.h: the state of a forward pass, shared by its parts.
 *
 *   forward.c        creation, plan of a pass, embedding, copies, attention
 *   forward_few.c    the steps around attention when there are few rows: products are cut by panels, so that
 *                    all threads work on the same rows
 *   forward_many.c   the same with many rows: each thread takes blocks of rows through all steps, and what is
 *                    between them stays in its cache
 *
 * Sizes: M rows, C width, NH query heads, NKV key heads of HD, Q = NH HD, I inner size, QKV = (NH + 2 NKV)
 * HD, UP = I or 2 I columns before the activation. */
#ifndef TFC_MODEL_FORWARD_INSIDE_H
#define TFC_MODEL_FORWARD_INSIDE_H

#include "model/forward.h"
#include "model/layout.h"

/* From how many rows a thread on forward_many.c is used; columns of the MLP that are activated at a time. */
enum { TFC_ENOUGH_ROWS = 72, TFC_INNER_COLUMNS = 256 };

/* What one attention task computes for a key head: rows of one run, or of several short ones (next to each
 * other) whose sequences share their first blocks. */
typedef struct tfc_piece {
    const tfc_run *runs;
    int64_t n_runs;
    int64_t skip, n_rows;  /* n_runs 1: rows skip … skip+n_rows-1 of the run; else all of them */
    int64_t shared_blocks; /* n_runs > 1 */
} tfc_piece;

/* Queries of several runs that go through shared blocks together. */
enum { TFC_GROUP_QUERIES = 24 };

/* Per-thread memory. */
typedef struct tfc_forward_scratch {
    float *attention;
    const float **k_blocks, **v_blocks; /* [2 max_blocks] */
    int64_t positions[TFC_GROUP_QUERIES];
    tfc_attention_span spans[TFC_GROUP_QUERIES + 1];
    /* of one block of rows (R = block_rows) */
    float *normed; /* [R, C] */
    float *inner;  /* [R, 2 (TFC_INNER_COLUMNS + panel_n)] */
    float *active; /* [R, I] */
    void *packed;  /* R packed rows of the widest */
} tfc_forward_scratch;

struct tfc_forward {
    const tfc_model *model;
    const tfc_kernels *kernels;
    const tfc_hparams *hp;
    tfc_kv_tree *tree;
    tfc_pool *pool;
    int n_threads;
    int64_t max_rows, max_blocks, max_positions;
    int64_t few_rows;   /* the most rows that forward_few.c gets */
    int64_t block_rows; /* of forward_many.c: the kernels' many_rows in whole tiles */
    int64_t Q, QKV, UP;
    tfc_batch batch;
    void *memory;
    float *x, *x_wanted;  /* [max_rows, C] */
    float *qkv;           /* [max_rows, QKV] */
    float *attended;      /* [max_rows, Q] */
    float *q_wanted;      /* [max_rows, Q] */
    float *normed;        /* [few_rows, C] */
    float *up;            /* [few_rows, UP] */
    float *active;        /* [few_rows, I] */
    void *packed;         /* few_rows packed rows of the widest */
    tfc_run *wanted_runs; /* of the gathered rows */
    int64_t n_wanted_runs;
    tfc_piece *pieces, *wanted_pieces;
    int64_t n_pieces, n_wanted_pieces;
    float *rope; /* [max_positions][n_rot], the first n_rope filled */
    double *rope_frequencies;
    int64_t n_rope;
    tfc_forward_scratch *scratch; /* [n_threads] */
    float scale;                  /* 1/sqrt(HD) */
    double flops;

    /* the rows at work: all, or the wanted ones in the last layer */
    int64_t layer, M;
    float *rows; /* x or x_wanted */
    const float *q;
    int64_t ld_q;
    const tfc_piece *work; /* [n_work] */
    int64_t n_work;

    /* forward_few.c */
    int64_t chunk; /* rows of an element-wise task, a multiple of tile_m */
    const float *norm, *norm_bias;
};

static inline int64_t tfc_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rotates q and k of rows from … to-1, then stores k and v. */
void tfc_forward_place(tfc_forward *forward, int64_t layer, int64_t from, int64_t to);

/* a + bias for rows from … to-1 of rows[M,C]; bias may be NULL. */
void tfc_forward_add_bias(tfc_forward *forward, const float *bias, int64_t from, int64_t to);

/* From x to q, with keys and values stored (layer); from attended to the end of the layer. */
void tfc_forward_few_before(tfc_forward *forward, int64_t layer);
void tfc_forward_few_after(tfc_forward *forward, int64_t layer);
/* The same; `after` goes on with what comes before attention in the next layer unless this one is the last.
 */
void tfc_forward_many_before(tfc_forward *forward, int64_t layer);
void tfc_forward_many_after(tfc_forward *forward, int64_t layer, bool last);

#endif
