/* train/trainer.h: one optimizer step, apart from data, files and progress.
 *
 * A step is: gradients to zero; forward and backward over its packs, in order; the norm of the gradient;
 * AdamW; packing of the new weights for the kernels. A pack is a run of whole sequences of at most
 * max_tokens tokens together: no padding, each sequence sees itself alone, positions start at 0.
 *
 * Every sum has one fixed order, whatever the number of threads: a task owns its outputs, and where rows are
 * reduced, fixed blocks of rows are summed first and the blocks in order after that.
 *
 * Sizes: T tokens of a pack, C width, L layers, NH and NKV heads, HD head size, I inner size, V vocabulary,
 * A = NH*HD, Q = NH*HD + 2*NKV*HD, U = 2I (gated) or I. */
#ifndef TFC_TRAIN_TRAINER_H
#define TFC_TRAIN_TRAINER_H

#include "model/model.h"

/* ---- the trainable tensors (params.c) ---- */

/* One tensor as rows W[n_out, n_in]; a vector has n_out 1. Matrices decay, vectors do not. */
typedef struct tfc_param {
    tfc_part part;
    int64_t layer; /* -1: outside the layers */
    int64_t offset, n_out, n_in;
    bool is_matrix;
} tfc_param;

/* All values in flat arrays of one layout. q, k, v of a layer lie behind each other, so that they are one
 * matrix [Q, C]; so do gate and up: [2I, C]. */
typedef struct tfc_param_set {
    int64_t n_tensors, n_values, n_weights; /* values: with the gaps that align tensors; weights: without */
    tfc_param *tensors;
    int64_t *index; /* [(L+1) * TFC_N_PARTS]: place in tensors or -1; row 0: outside the layers */
    float *w, *grad, *m, *v;
} tfc_param_set;

/* Lays out the tensors of a model and loads its weights; grad, m and v are zero. TFC_EFORMAT when a weight is
 * not finite. */
tfc_status tfc_param_set_init(tfc_param_set *params, const tfc_model *model, tfc_pool *pool, tfc_error *err);
void tfc_param_set_release(tfc_param_set *params);
bool tfc_part_is_matrix(tfc_part part);
/* NULL when the model has no such part. */
const tfc_param *tfc_param_find(const tfc_param_set *params, tfc_part part, int64_t layer);
/* Hash of one of the flat arrays, the same for any number of threads; false on want of memory. */
bool tfc_param_set_hash(const tfc_param_set *params, const float *values, tfc_pool *pool, uint64_t *hash);

/* ---- a step ---- */

typedef struct tfc_train_pack {
    int64_t T;              /* tokens, 1 … max_tokens */
    const int32_t *ids;     /* [T] */
    const int32_t *targets; /* [T] the token that row t should predict; -1: no loss there */
    const float *weights;   /* [T] how much that row's loss counts; NULL: 1 */
    int64_t n_sequences;
    const int64_t *lengths; /* [n_sequences], each ≥ 1, together T */
    bool match_reference;   /* rows with a target predict what the reference predicts, not that token */
} tfc_train_pack;

/* What the backward pass needs of a layer's forward pass; norms and the MLP's activation are computed
 * again. */
typedef struct tfc_layer_acts {
    float *x;               /* [T, C] into the layer */
    float *stats1, *stats2; /* [T, 2] rstd, or mean and rstd */
    float *qkv;             /* [T, Q] after the rotation */
    float *att;             /* [T, A] */
    float *lse;             /* [NH * T]: sequence by sequence, head by head */
    float *x_mid;           /* [T, C] after attention */
    float *up;              /* [T, U] before the activation */
} tfc_layer_acts;

/* Wᵀ, for dX */
typedef struct tfc_layer_transposed {
    tfc_panels qkv, wo, up, down;
} tfc_layer_transposed;

typedef struct tfc_trainer {
    const tfc_hparams *hparams;
    const tfc_kernels *kernels;
    tfc_operand operand;
    tfc_pool *pool;
    int64_t max_tokens;
    bool freeze_embeddings;
    const tfc_model *reference; /* packed; NULL: none */
    tfc_param_set params;

    tfc_packed_layer *layers;         /* [L] the weights in training; norms and biases point into params */
    tfc_layer_transposed *transposed; /* [L] */
    tfc_panels head;                  /* [V, C] */
    tfc_panels *head_t;               /* [n_head_parts]: Wᵀ of head_part vocabulary rows each */
    int64_t n_head_parts, head_part;
    int64_t head_rows; /* most rows whose logits are held at once */
    int64_t ld_logits; /* V, rounded up to whole cache lines */

    tfc_layer_acts *acts;          /* [L + 1]; the last has x alone */
    float *a;                      /* [T, C] a norm's output */
    float *s;                      /* [T, I] the activation's output */
    float *d_x, *d_a;              /* [T, C] */
    float *d_s;                    /* [T, I] */
    float *d_up;                   /* [T, U] */
    float *d_att;                  /* [T, A] */
    float *d_qkv;                  /* [T, Q] */
    float *logits;                 /* [head_rows, ld_logits] */
    float *reference_x;            /* [T, C] the reference's last norm's output, rows with a target */
    float *reference_p;            /* [head_rows, ld_logits] its logits, then its probabilities */
    float *stats;                  /* [T, 2] of the last norm */
    float *row_shift, *row_factor; /* [T] softmax of a row: exp(x - shift) * factor */
    double *row_nll;               /* [T] */
    int32_t *rows, *row_targets;   /* [T] rows with a target, and it */
    float *row_weights;            /* [T] */
    int32_t *positions;            /* [T] */
    float *rope;                   /* [max_tokens, n_rot] */
    float *partial;                /* [blocks of rows, 2C] sums for norm weights and biases */
    double *norm_partial;          /* [blocks of values] */
    void *rows_packed, *panels_packed;
    float *attention_scratch; /* [threads][…] */
    size_t attention_scratch_floats;
    const int64_t *lengths; /* of the pack in work */
    int64_t n_sequences;

    void *memory; /* panels and everything after them */
    size_t memory_bytes;
} tfc_trainer;

typedef struct tfc_trainer_options {
    tfc_operand operand;
    int64_t max_tokens; /* longest pack, at most the model's context */
    /* For tests; 0: what is fast on real models. The head's gradient is computed in parts of this many rows
     * of the vocabulary, over chunks of this many bytes of logits (at least 32 rows). */
    int64_t head_part;
    size_t logits_bytes;
    /* The token table, the position table and the head keep their values and get no gradient. */
    bool freeze_embeddings;
    /* Gives packs the distribution to match (match_reference); of the same sizes as the model, packed
     * (tfc_model_pack) with the same operand. NULL: no pack does. */
    const tfc_model *reference;
} tfc_trainer_options;
/* model, reference and pool outlive the trainer. */
tfc_status tfc_trainer_init(tfc_trainer *trainer, const tfc_model *model, tfc_pool *pool,
                            const tfc_trainer_options *options, tfc_error *err);
void tfc_trainer_release(tfc_trainer *trainer);
/* Packs the weights for the kernels, after they changed. */
void tfc_trainer_pack_weights(tfc_trainer *trainer);

void tfc_trainer_zero_grad(tfc_trainer *trainer);
/* The weighted sum of the cross entropy over the pack's rows with a target: -ln p(target), or with
 * match_reference -sum over v of q(v) ln p(v), q the reference's distribution in that place (learning without
 * forgetting, Li & Hoiem 2016, eq. 2 at temperature 1). backward: adds the gradient of scale * sum. */
double tfc_trainer_run(tfc_trainer *trainer, const tfc_train_pack *pack, float scale, bool backward);

/* sqrt of the sum of squares of the whole gradient. */
double tfc_trainer_grad_norm(tfc_trainer *trainer);
typedef struct tfc_adamw {
    double lr, beta1, beta2, epsilon, weight_decay;
    double clip; /* 0: none */
} tfc_adamw;
/* Step `step` (1, 2, …): clips by grad_norm, changes the weights, packs them. */
void tfc_trainer_update(tfc_trainer *trainer, const tfc_adamw *adamw, int64_t step, double grad_norm);

/* Floating-point operations of one forward and backward pass over sequences of these lengths: products and
 * causal attention, without what is computed again and without a reference's pass. */
double tfc_trainer_flops(const tfc_trainer *trainer, const int64_t *lengths, int64_t n_sequences,
                         int64_t n_targets);

#endif
