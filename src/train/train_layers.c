/* One block of the model, forward and backward (model.h has the formulas). Gradients are named d_ and the
 * name of what they belong to. d_x runs through the residual stream and is added to in place. */
#include "train/trainer_inside.h"

#include <math.h>

/* Attention: a task is one key head of one sequence, with the query heads that share it. */
typedef struct attention_job {
    tfc_trainer *trainer;
    const tfc_layer_acts *acts;
    const float *d_att; /* NULL: forward */
    float *d_qkv;
} attention_job;

static void attention_task(void *context, int64_t i, int worker)
{
    attention_job *job = context;
    const tfc_trainer *t = job->trainer;
    const tfc_hparams *h = t->hparams;
    int64_t sequence = i / h->NKV, head = i % h->NKV, from = 0, group = h->NH / h->NKV;
    for (int64_t s = 0; s < sequence; s++) from += t->lengths[s];
    int64_t Q = tfc_qkv_width(h), A = h->NH * h->HD;
    int64_t q_at = from * Q + head * group * h->HD;
    int64_t k_at = from * Q + (h->NH + head) * h->HD, v_at = k_at + h->NKV * h->HD;
    int64_t out_at = from * A + head * group * h->HD;
    tfc_attention_train_args args = {.T = t->lengths[sequence], .group = group, .head_dim = h->HD};
    args.scale = 1.0f / sqrtf((float)h->HD);
    args.q = job->acts->qkv + q_at;
    args.k = job->acts->qkv + k_at;
    args.v = job->acts->qkv + v_at;
    args.ld_q = args.ld_kv = Q;
    args.out = job->acts->att + out_at;
    args.ld_out = A;
    args.lse = job->acts->lse + from * h->NH + head * group * args.T;
    args.scratch = t->attention_scratch + (size_t)worker * t->attention_scratch_floats;
    if (!job->d_att) {
        t->kernels->attention_train(&args);
        return;
    }
    args.d_out = job->d_att + out_at;
    args.d_q = job->d_qkv + q_at;
    args.d_k = job->d_qkv + k_at;
    args.d_v = job->d_qkv + v_at;
    t->kernels->attention_train_backward(&args);
}

void tfc_train_layer_forward(tfc_trainer *trainer, const tfc_packed_layer *layers, int64_t l, int64_t T)
{
    const tfc_hparams *h = trainer->hparams;
    const tfc_layer_acts *acts = &trainer->acts[l];
    const tfc_packed_layer *w = &layers[l];

    /* x_mid = x + attention(norm1(x)) */
    tfc_train_norm(trainer, trainer->a, acts->stats1, acts->x, NULL, w->norm1, w->norm1_bias, T);
    tfc_train_forward(trainer, acts->qkv, trainer->a, &w->qkv, w->qkv_bias, T, false);
    if (h->rope) tfc_train_rope(trainer, acts->qkv, T, false);
    attention_job job = {.trainer = trainer, .acts = acts};
    tfc_pool_run(trainer->pool, trainer->n_sequences * h->NKV, attention_task, &job);
    tfc_train_copy(trainer, acts->x_mid, acts->x, w->wo_bias, T, h->C);
    tfc_train_forward(trainer, acts->x_mid, acts->att, &w->wo, NULL, T, true);

    /* the next layer's x = x_mid + mlp(norm2(x_mid)) */
    float *out = trainer->acts[l + 1].x;
    tfc_train_norm(trainer, trainer->a, acts->stats2, acts->x_mid, NULL, w->norm2, w->norm2_bias, T);
    tfc_train_forward(trainer, acts->up, trainer->a, &w->up, w->w_up_bias, T, false);
    tfc_train_activation(trainer, trainer->s, acts->up, T);
    tfc_train_copy(trainer, out, acts->x_mid, w->w_down_bias, T, h->C);
    tfc_train_forward(trainer, out, trainer->s, &w->down, NULL, T, true);
}

/* The MLP: from d_x (of its output) to d_x (of x_mid). */
static void mlp_backward(tfc_trainer *t, const tfc_layer_acts *acts, const tfc_layer_transposed *transposed,
                         int64_t l, int64_t T)
{
    const tfc_hparams *h = t->hparams;
    int64_t C = h->C, I = h->I, U = tfc_up_width(h);
    const float *norm2 = tfc_trainer_w(t, TFC_PART_NORM2, l),
                *bias2 = tfc_trainer_w(t, TFC_PART_NORM2_BIAS, l);
    tfc_train_activation(t, t->s, acts->up, T);
    tfc_train_backward_w(t, tfc_trainer_grad(t, TFC_PART_W_DOWN, l),
                         tfc_trainer_grad(t, TFC_PART_W_DOWN_BIAS, l), t->d_x, C, t->s, T, C, I);
    tfc_train_forward(t, t->d_s, t->d_x, &transposed->down, NULL, T, false);
    tfc_train_activation_backward(t, t->d_up, t->d_s, acts->up, T);
    tfc_train_norm(t, t->a, acts->stats2, acts->x_mid, NULL, norm2, bias2, T);
    tfc_part up = h->gated ? TFC_PART_W_GATE : TFC_PART_W_UP; /* the first of the matrix [U, C] */
    tfc_train_backward_w(t, tfc_trainer_grad(t, up, l), tfc_trainer_grad(t, TFC_PART_W_UP_BIAS, l), t->d_up,
                         U, t->a, T, U, C);
    tfc_train_forward(t, t->d_a, t->d_up, &transposed->up, NULL, T, false);
    tfc_train_norm_backward(t, t->d_x, tfc_trainer_grad(t, TFC_PART_NORM2, l),
                            tfc_trainer_grad(t, TFC_PART_NORM2_BIAS, l), t->d_a, acts->x_mid, NULL, norm2,
                            acts->stats2, T);
}

void tfc_train_layer_backward(tfc_trainer *t, int64_t l, int64_t T)
{
    const tfc_hparams *h = t->hparams;
    const tfc_layer_acts *acts = &t->acts[l];
    const tfc_layer_transposed *transposed = &t->transposed[l];
    int64_t C = h->C, A = h->NH * h->HD, Q = tfc_qkv_width(h);
    mlp_backward(t, acts, transposed, l, T);

    tfc_train_backward_w(t, tfc_trainer_grad(t, TFC_PART_WO, l), tfc_trainer_grad(t, TFC_PART_WO_BIAS, l),
                         t->d_x, C, acts->att, T, C, A);
    tfc_train_forward(t, t->d_att, t->d_x, &transposed->wo, NULL, T, false);
    attention_job job = {.trainer = t, .acts = acts, .d_att = t->d_att, .d_qkv = t->d_qkv};
    tfc_pool_run(t->pool, t->n_sequences * h->NKV, attention_task, &job);
    if (h->rope) tfc_train_rope(t, t->d_qkv, T, true);
    const float *norm1 = tfc_trainer_w(t, TFC_PART_NORM1, l),
                *bias1 = tfc_trainer_w(t, TFC_PART_NORM1_BIAS, l);
    tfc_train_norm(t, t->a, acts->stats1, acts->x, NULL, norm1, bias1, T);
    tfc_train_backward_w(t, tfc_trainer_grad(t, TFC_PART_WQ, l), tfc_trainer_grad(t, TFC_PART_WQKV_BIAS, l),
                         t->d_qkv, Q, t->a, T, Q, C);
    tfc_train_forward(t, t->d_a, t->d_qkv, &transposed->qkv, NULL, T, false);
    tfc_train_norm_backward(t, t->d_x, tfc_trainer_grad(t, TFC_PART_NORM1, l),
                            tfc_trainer_grad(t, TFC_PART_NORM1_BIAS, l), t->d_a, acts->x, NULL, norm1,
                            acts->stats1, T);
}
