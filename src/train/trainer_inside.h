/* train/trainer_inside.h: what the parts of the trainer share. */
#ifndef TFC_TRAIN_TRAINER_INSIDE_H
#define TFC_TRAIN_TRAINER_INSIDE_H

#include "train/trainer.h"

enum {
    TFC_TRAIN_ROWS = 32,        /* rows of one task, and of one partial sum */
    TFC_TRAIN_COLUMNS = 64,     /* columns of one task of a reduction over rows */
    TFC_TRAIN_VALUES = 1 << 16, /* values of one task over the flat arrays */
};

static inline int64_t tfc_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}
static inline int64_t tfc_min_int(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t tfc_qkv_width(const tfc_hparams *h)
{
    return h->NH * h->HD + 2 * h->NKV * h->HD;
}
static inline int64_t tfc_up_width(const tfc_hparams *h)
{
    return h->gated ? 2 * h->I : h->I;
}

/* The weights or the gradient of a part; NULL when the model has none. */
static inline float *tfc_trainer_w(const tfc_trainer *trainer, tfc_part part, int64_t layer)
{
    const tfc_param *param = tfc_param_find(&trainer->params, part, layer);
    return param ? trainer->params.w + param->offset : NULL;
}
static inline float *tfc_trainer_grad(const tfc_trainer *trainer, tfc_part part, int64_t layer)
{
    const tfc_param *param = tfc_param_find(&trainer->params, part, layer);
    return param ? trainer->params.grad + param->offset : NULL;
}

/* ---- train_products.c ---- */

/* y[M,N] (+)= x[M,K] @ W[N,K]^T + bias[N]; y and x are dense; bias may be NULL and is not accumulated. */
void tfc_train_forward(tfc_trainer *trainer, float *y, const float *x, const tfc_panels *w, const float *bias,
                       int64_t M, bool accumulate);
/* d_w[N,K] += d_y[M,N]^T @ x[M,K]; d_bias[N] += column sums of d_y (NULL: none). ld_y: row stride of d_y. */
void tfc_train_backward_w(tfc_trainer *trainer, float *d_w, float *d_bias, const float *d_y, int64_t ld_y,
                          const float *x, int64_t M, int64_t N, int64_t K);
/* The two halves of the above, for a caller that uses x again: pack x[M,K] as panels of x^T, then multiply.
 */
void tfc_train_pack_x(tfc_trainer *trainer, tfc_panels *x_t, const float *x, int64_t M, int64_t K);
void tfc_train_multiply_w(tfc_trainer *trainer, float *d_w, const float *d_y, int64_t ld_y,
                          const tfc_panels *x_t, int64_t M, int64_t N);
/* Packs x[M,K] (row stride ld_x) into trainer->rows_packed, then y (+)= x W^T. */
void tfc_train_pack_rows(tfc_trainer *trainer, const float *x, int64_t stride_m, int64_t stride_k, int64_t M,
                         int64_t K);
void tfc_train_multiply(tfc_trainer *trainer, float *y, int64_t ld_y, const tfc_panels *w, const float *bias,
                        int64_t M, bool accumulate);
/* All panels of W[N,K] from w (element (n,k) at n*stride_n + k*stride_k). */
void tfc_train_pack_panels(tfc_trainer *trainer, tfc_panels *panels, const float *w, int64_t stride_n,
                           int64_t stride_k);

/* ---- train_rows.c: loops over rows ---- */

/* y[M,C] = norm(x[M,C]); stats[M,2] is kept for backward. rows: the M rows of x that are meant, NULL: all. */
void tfc_train_norm(tfc_trainer *trainer, float *y, float *stats, const float *x, const int32_t *rows,
                    const float *weight, const float *bias, int64_t M);
/* d_x[row] += …; d_weight, d_bias += … */
void tfc_train_norm_backward(tfc_trainer *trainer, float *d_x, float *d_weight, float *d_bias,
                             const float *d_y, const float *x, const int32_t *rows, const float *weight,
                             const float *stats, int64_t M);
/* s[T,I] = swiglu or gelu of up[T,U]; and its gradient d_up[T,U] from d_s. */
void tfc_train_activation(tfc_trainer *trainer, float *s, const float *up, int64_t T);
void tfc_train_activation_backward(tfc_trainer *trainer, float *d_up, const float *d_s, const float *up,
                                   int64_t T);
/* Rotates q and k of qkv[T,Q] by their positions, or back. */
void tfc_train_rope(tfc_trainer *trainer, float *qkv, int64_t T, bool inverse);
/* y[T,C] = x[T,C] + bias[C] (bias may be NULL) */
void tfc_train_copy(tfc_trainer *trainer, float *y, const float *x, const float *bias, int64_t T, int64_t C);
/* d_bias[N] += sum over the M rows of d_y, in their order */
void tfc_train_column_sums(tfc_trainer *trainer, float *d_bias, const float *d_y, int64_t ld_y, int64_t M,
                           int64_t N);
/* x[t] = token_embedding[ids[t]] (+ position_embedding[positions[t]]); d_table rows += d_x rows. */
void tfc_train_embed(tfc_trainer *trainer, float *x, const int32_t *ids, int64_t T);
/* The same of the reference's tables. */
void tfc_train_embed_reference(tfc_trainer *trainer, float *x, const int32_t *ids, int64_t T);
void tfc_train_embed_backward(tfc_trainer *trainer, const float *d_x, const int32_t *ids, int64_t T);
void tfc_train_zero(tfc_trainer *trainer, float *values, int64_t n);

/* ---- train_layers.c ---- */
/* With the weights of `layers`: those in training, or the reference's. */
void tfc_train_layer_forward(tfc_trainer *trainer, const tfc_packed_layer *layers, int64_t layer, int64_t T);
/* d_x: gradient at the layer's output, becomes that at its input. */
void tfc_train_layer_backward(tfc_trainer *trainer, int64_t layer, int64_t T);

/* ---- train_head.c ---- */
/* The reference's forward pass over the pack, to reference_x; uses the arrays of the activations. */
void tfc_train_reference(tfc_trainer *trainer, const tfc_train_pack *pack);
/* Norm, head, cross entropy over the pack's rows with a target; backward sets d_x[T,C]. */
double tfc_train_head(tfc_trainer *trainer, const tfc_train_pack *pack, float scale, bool backward);

#endif
