/* The trainer: memory, passes over a pack, the optimizer. Memory is planned first, then allocated once. */
#include "train/trainer.h"

#include <math.h>

#include "model/layout.h"
#include "train/trainer_inside.h"

enum {
    LOGITS_BYTES = 64 << 20, /* logits held at once; the head's gradient is read and written once for each */
    HEAD_PART = 2048,        /* rows of the vocabulary; their packed form stays in the second-level cache */
};

static float *take_floats(tfc_layout *lay, int64_t rows, int64_t columns)
{
    return tfc_layout_take(lay, (size_t)rows, (size_t)columns * sizeof(float));
}

static void take_panels(tfc_trainer *t, tfc_layout *lay, tfc_panels *panels, int64_t N, int64_t K)
{
    *panels = (tfc_panels){.operand = t->operand,
                           .N = N,
                           .K = K,
                           .n_panels = tfc_ceil_div(N, t->kernels->panel_n),
                           .panel_bytes = t->kernels->panel_bytes(K, t->operand)};
    panels->data = tfc_layout_take(lay, (size_t)panels->n_panels, panels->panel_bytes);
}

static void lay_panels(tfc_trainer *t, tfc_layout *lay)
{
    const tfc_hparams *h = t->hparams;
    int64_t C = h->C, A = h->NH * h->HD, Q = tfc_qkv_width(h), U = tfc_up_width(h);
    for (int64_t l = 0; l < h->L; l++) {
        tfc_packed_layer *w = &t->layers[l];
        tfc_layer_transposed *w_t = &t->transposed[l];
        take_panels(t, lay, &w->qkv, Q, C);
        take_panels(t, lay, &w->wo, C, A);
        take_panels(t, lay, &w->up, U, C);
        take_panels(t, lay, &w->down, C, h->I);
        take_panels(t, lay, &w_t->qkv, C, Q);
        take_panels(t, lay, &w_t->wo, A, C);
        take_panels(t, lay, &w_t->up, C, U);
        take_panels(t, lay, &w_t->down, h->I, C);
    }
    take_panels(t, lay, &t->head, h->V, C);
    for (int64_t i = 0; i < t->n_head_parts; i++)
        take_panels(t, lay, &t->head_t[i], C, tfc_min_int(t->head_part, h->V - i * t->head_part));
}

static void lay_acts(tfc_trainer *t, tfc_layout *lay)
{
    const tfc_hparams *h = t->hparams;
    int64_t T = t->max_tokens;
    for (int64_t l = 0; l <= h->L; l++) {
        tfc_layer_acts *acts = &t->acts[l];
        acts->x = take_floats(lay, T, h->C);
        if (l == h->L) break;
        acts->stats1 = take_floats(lay, T, 2);
        acts->stats2 = take_floats(lay, T, 2);
        acts->qkv = take_floats(lay, T, tfc_qkv_width(h));
        acts->att = take_floats(lay, T, h->NH * h->HD);
        acts->lse = take_floats(lay, T, h->NH);
        acts->x_mid = take_floats(lay, T, h->C);
        acts->up = take_floats(lay, T, tfc_up_width(h));
    }
}

/* The two buffers of packed operands: room for the largest product. */
static void lay_packed(tfc_trainer *t, tfc_layout *lay)
{
    const tfc_hparams *h = t->hparams;
    const tfc_kernels *k = t->kernels;
    int64_t T = t->max_tokens, C = h->C, A = h->NH * h->HD, Q = tfc_qkv_width(h), U = tfc_up_width(h);
    const int64_t widths[] = {C, A, Q, U, h->I};
    int64_t part = tfc_min_int(t->head_part, h->V);
    size_t rows = k->rows_bytes(part, t->head_rows, t->operand), panels = 0;
    size_t bytes = k->rows_bytes(t->head_rows, part, t->operand);
    rows = bytes > rows ? bytes : rows;
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        bytes = k->rows_bytes(T, widths[i], t->operand);
        rows = bytes > rows ? bytes : rows;
        bytes = k->rows_bytes(widths[i], T, t->operand);
        rows = bytes > rows ? bytes : rows;
        bytes = (size_t)tfc_ceil_div(widths[i], k->panel_n) * k->panel_bytes(T, t->operand);
        panels = bytes > panels ? bytes : panels;
    }
    t->rows_packed = tfc_layout_take(lay, 1, rows);
    t->panels_packed = tfc_layout_take(lay, 1, panels);
}

static void lay_scratch(tfc_trainer *t, tfc_layout *lay)
{
    const tfc_hparams *h = t->hparams;
    int64_t T = t->max_tokens, C = h->C;
    t->a = take_floats(lay, T, C);
    t->s = take_floats(lay, T, h->I);
    t->d_x = take_floats(lay, T, C);
    t->d_a = take_floats(lay, T, C);
    t->d_s = take_floats(lay, T, h->I);
    t->d_up = take_floats(lay, T, tfc_up_width(h));
    t->d_att = take_floats(lay, T, h->NH * h->HD);
    t->d_qkv = take_floats(lay, T, tfc_qkv_width(h));
    t->logits = take_floats(lay, t->head_rows, t->ld_logits);
    t->reference_x = take_floats(lay, t->reference ? T : 0, C);
    t->reference_p = take_floats(lay, t->reference ? t->head_rows : 0, t->ld_logits);
    t->stats = take_floats(lay, T, 2);
    t->row_shift = take_floats(lay, T, 1);
    t->row_factor = take_floats(lay, T, 1);
    t->row_nll = tfc_layout_take(lay, (size_t)T, sizeof(double));
    t->rows = tfc_layout_take(lay, (size_t)T, sizeof(int32_t));
    t->row_targets = tfc_layout_take(lay, (size_t)T, sizeof(int32_t));
    t->row_weights = take_floats(lay, T, 1);
    t->positions = tfc_layout_take(lay, (size_t)T, sizeof(int32_t));
    t->rope = take_floats(lay, h->rope ? T : 0, h->rope ? h->n_rot : 1);
    t->partial = take_floats(lay, tfc_ceil_div(T, TFC_TRAIN_ROWS), 2 * C);
    int64_t n_blocks = tfc_ceil_div(t->params.n_values, TFC_TRAIN_VALUES);
    t->norm_partial = tfc_layout_take(lay, (size_t)n_blocks, sizeof(double));
    t->attention_scratch_floats = (t->kernels->attention_train_scratch(T, h->HD) + 15) / 16 * 16;
    t->attention_scratch = tfc_layout_take(lay, (size_t)tfc_pool_n_threads(t->pool),
                                           t->attention_scratch_floats * sizeof(float));
}

static void lay_all(tfc_trainer *t, tfc_layout *lay)
{
    lay_panels(t, lay);
    lay_acts(t, lay);
    lay_packed(t, lay);
    lay_scratch(t, lay);
}

/* Norms and biases are used where they are trained. */
static void point_at_vectors(tfc_trainer *t, int64_t l)
{
    tfc_packed_layer *w = &t->layers[l];
    w->norm1 = tfc_trainer_w(t, TFC_PART_NORM1, l);
    w->norm1_bias = tfc_trainer_w(t, TFC_PART_NORM1_BIAS, l);
    w->norm2 = tfc_trainer_w(t, TFC_PART_NORM2, l);
    w->norm2_bias = tfc_trainer_w(t, TFC_PART_NORM2_BIAS, l);
    w->qkv_bias = tfc_trainer_w(t, TFC_PART_WQKV_BIAS, l);
    w->wo_bias = tfc_trainer_w(t, TFC_PART_WO_BIAS, l);
    w->w_up_bias = tfc_trainer_w(t, TFC_PART_W_UP_BIAS, l);
    w->w_down_bias = tfc_trainer_w(t, TFC_PART_W_DOWN_BIAS, l);
}

static tfc_status trainer_allocate(tfc_trainer *t, size_t logits_bytes, tfc_error *err)
{
    const tfc_hparams *h = t->hparams;
    t->ld_logits = tfc_ceil_div(h->V, 16) * 16;
    int64_t rows = (int64_t)(logits_bytes / ((size_t)t->ld_logits * sizeof(float)));
    rows = rows / TFC_TRAIN_ROWS * TFC_TRAIN_ROWS;
    t->head_rows = tfc_min_int(rows < TFC_TRAIN_ROWS ? TFC_TRAIN_ROWS : rows, t->max_tokens);
    t->n_head_parts = tfc_ceil_div(h->V, t->head_part);
    t->layers = tfc_alloc_zero((size_t)h->L, sizeof *t->layers);
    t->transposed = tfc_alloc_zero((size_t)h->L, sizeof *t->transposed);
    t->head_t = tfc_alloc_zero((size_t)t->n_head_parts, sizeof *t->head_t);
    t->acts = tfc_alloc_zero((size_t)h->L + 1, sizeof *t->acts);
    if (!t->layers || !t->transposed || !t->head_t || !t->acts) return tfc_fail_memory(err, "training");
    tfc_layout lay = {0};
    lay_all(t, &lay);
    if (!lay.overflow) t->memory = tfc_alloc_aligned(lay.n_bytes, 1);
    if (!t->memory)
        return tfc_fail(err, TFC_ENOMEM,
                        "out of memory: training packs of %lld tokens takes %.1f GB more; lower max_tokens",
                        (long long)t->max_tokens, (double)lay.n_bytes * 1e-9);
    t->memory_bytes = lay.n_bytes;
    tfc_layout again = {.base = t->memory};
    lay_all(t, &again);
    for (int64_t l = 0; l < h->L; l++) point_at_vectors(t, l);
    return TFC_OK;
}

/* W[N,K] for the forward pass and its transpose for dX. */
static void pack_both(tfc_trainer *t, tfc_panels *forward, tfc_panels *backward, const float *w)
{
    tfc_train_pack_panels(t, forward, w, forward->K, 1);
    tfc_train_pack_panels(t, backward, w, 1, forward->K);
}

static void pack_layers(tfc_trainer *t)
{
    const tfc_hparams *h = t->hparams;
    for (int64_t l = 0; l < h->L; l++) {
        tfc_packed_layer *w = &t->layers[l];
        tfc_layer_transposed *w_t = &t->transposed[l];
        pack_both(t, &w->qkv, &w_t->qkv, tfc_trainer_w(t, TFC_PART_WQ, l));
        pack_both(t, &w->wo, &w_t->wo, tfc_trainer_w(t, TFC_PART_WO, l));
        pack_both(t, &w->up, &w_t->up, tfc_trainer_w(t, h->gated ? TFC_PART_W_GATE : TFC_PART_W_UP, l));
        pack_both(t, &w->down, &w_t->down, tfc_trainer_w(t, TFC_PART_W_DOWN, l));
    }
}

static void pack_head(tfc_trainer *t)
{
    const tfc_hparams *h = t->hparams;
    const float *head = tfc_trainer_w(t, h->tied ? TFC_PART_TOKEN_EMBEDDING : TFC_PART_HEAD, -1);
    tfc_train_pack_panels(t, &t->head, head, h->C, 1);
    for (int64_t i = 0; i < t->n_head_parts; i++)
        tfc_train_pack_panels(t, &t->head_t[i], head + i * t->head_part * h->C, 1, h->C);
}

tfc_status tfc_trainer_init(tfc_trainer *t, const tfc_model *model, tfc_pool *pool,
                            const tfc_trainer_options *options, tfc_error *err)
{
    memset(t, 0, sizeof *t);
    const tfc_hparams *h = &model->hparams;
    int64_t max_tokens = options->max_tokens;
    t->hparams = h;
    t->kernels = model->kernels;
    t->operand = options->operand;
    t->head_part = options->head_part ? options->head_part : HEAD_PART;
    t->pool = pool;
    t->max_tokens = max_tokens;
    t->freeze_embeddings = options->freeze_embeddings;
    t->reference = options->reference;
    if (max_tokens < 2 || max_tokens > h->context)
        return tfc_fail(err, TFC_EINVAL, "max_tokens must be 2 to %lld (the model's context), not %lld",
                        (long long)h->context, (long long)max_tokens);
    if (t->operand == TFC_OPERAND_INT8)
        return tfc_fail(err, TFC_EINVAL, "int8 operands are for scoring; training takes bf16 or f32");
    if (t->reference && (t->reference->operand != t->operand || t->reference->kernels != t->kernels))
        return tfc_fail(err, TFC_EINVAL, "the reference model is not opened for the training's operand");
    tfc_status status = tfc_param_set_init(&t->params, model, pool, err);
    if (status == TFC_OK)
        status = trainer_allocate(t, options->logits_bytes ? options->logits_bytes : LOGITS_BYTES, err);
    if (status != TFC_OK) {
        tfc_trainer_release(t);
        return status;
    }
    if (h->rope)
        for (int64_t i = 0; i < max_tokens; i++) tfc_rope_table(h, i, t->rope + i * h->n_rot);
    tfc_trainer_pack_weights(t);
    return TFC_OK;
}

void tfc_trainer_release(tfc_trainer *t)
{
    tfc_param_set_release(&t->params);
    tfc_free(t->layers);
    tfc_free(t->transposed);
    tfc_free(t->head_t);
    tfc_free(t->acts);
    tfc_free(t->memory);
    memset(t, 0, sizeof *t);
}

void tfc_trainer_pack_weights(tfc_trainer *t)
{
    pack_layers(t);
    pack_head(t);
}

void tfc_trainer_zero_grad(tfc_trainer *t)
{
    tfc_train_zero(t, t->params.grad, t->params.n_values);
}

double tfc_trainer_run(tfc_trainer *t, const tfc_train_pack *pack, float scale, bool backward)
{
    const tfc_hparams *h = t->hparams;
    int64_t T = pack->T, row = 0;
    t->lengths = pack->lengths;
    t->n_sequences = pack->n_sequences;
    for (int64_t s = 0; s < pack->n_sequences; s++)
        for (int64_t i = 0; i < pack->lengths[s]; i++) t->positions[row++] = (int32_t)i;
    if (pack->match_reference) tfc_train_reference(t, pack);
    tfc_train_embed(t, t->acts[0].x, pack->ids, T);
    for (int64_t l = 0; l < h->L; l++) tfc_train_layer_forward(t, t->layers, l, T);
    double loss = tfc_train_head(t, pack, scale, backward);
    if (!backward) return loss;
    for (int64_t l = h->L - 1; l >= 0; l--) tfc_train_layer_backward(t, l, T);
    if (!t->freeze_embeddings) tfc_train_embed_backward(t, t->d_x, pack->ids, T);
    return loss;
}

static void squares_task(void *context, int64_t i, int worker)
{
    (void)worker;
    tfc_trainer *t = context;
    int64_t from = i * TFC_TRAIN_VALUES, n = tfc_min_int(TFC_TRAIN_VALUES, t->params.n_values - from);
    t->norm_partial[i] = t->kernels->sum_squares(t->params.grad + from, n);
}

double tfc_trainer_grad_norm(tfc_trainer *t)
{
    int64_t n_tasks = tfc_ceil_div(t->params.n_values, TFC_TRAIN_VALUES);
    tfc_pool_run(t->pool, n_tasks, squares_task, t);
    double sum = 0;
    for (int64_t i = 0; i < n_tasks; i++) sum += t->norm_partial[i];
    return sqrt(sum);
}

typedef struct update_job {
    tfc_trainer *trainer;
    const tfc_param *param;
    const tfc_adamw *adamw;
    float grad_scale, correction1, correction2;
} update_job;

static void update_task(void *context, int64_t i, int worker)
{
    (void)worker;
    const update_job *job = context;
    const tfc_param_set *p = &job->trainer->params;
    const tfc_adamw *a = job->adamw;
    int64_t n_values = job->param->n_out * job->param->n_in, from = i * TFC_TRAIN_VALUES;
    int64_t at = job->param->offset + from, n = tfc_min_int(TFC_TRAIN_VALUES, n_values - from);
    float decay = job->param->is_matrix ? (float)a->weight_decay : 0;
    job->trainer->kernels->adamw(p->w + at, p->m + at, p->v + at, p->grad + at, n, job->grad_scale,
                                 (float)a->lr, (float)a->beta1, (float)a->beta2, (float)a->epsilon, decay,
                                 job->correction1, job->correction2);
}

/* base^n by squaring: no libm, whose bits differ. */
static double power(double base, int64_t n)
{
    double result = 1;
    for (; n > 0; n >>= 1, base *= base)
        if (n & 1) result *= base;
    return result;
}

static bool is_embedding(tfc_part part)
{
    return part == TFC_PART_TOKEN_EMBEDDING || part == TFC_PART_POSITION_EMBEDDING || part == TFC_PART_HEAD;
}

void tfc_trainer_update(tfc_trainer *t, const tfc_adamw *adamw, int64_t step, double grad_norm)
{
    update_job job = {.trainer = t, .adamw = adamw, .grad_scale = 1};
    if (adamw->clip > 0 && adamw->clip < grad_norm + 1e-6)
        job.grad_scale = (float)(adamw->clip / (grad_norm + 1e-6));
    job.correction1 = (float)(1 - power(adamw->beta1, step));
    job.correction2 = (float)(1 - power(adamw->beta2, step));
    for (int64_t i = 0; i < t->params.n_tensors; i++) {
        job.param = &t->params.tensors[i];
        if (t->freeze_embeddings && is_embedding(job.param->part)) continue;
        tfc_pool_run(t->pool, tfc_ceil_div(job.param->n_out * job.param->n_in, TFC_TRAIN_VALUES), update_task,
                     &job);
    }
    pack_layers(t);
    if (!t->freeze_embeddings) pack_head(t);
}

double tfc_trainer_flops(const tfc_trainer *t, const int64_t *lengths, int64_t n_sequences, int64_t n_targets)
{
    const tfc_hparams *h = t->hparams;
    double A = (double)(h->NH * h->HD), C = (double)h->C, T = 0, pairs = 0;
    for (int64_t s = 0; s < n_sequences; s++) {
        double n = (double)lengths[s];
        T += n;
        pairs += n * (n + 1) / 2;
    }
    double layer =
        T * (C * (double)tfc_qkv_width(h) + A * C + C * (double)tfc_up_width(h) + (double)h->I * C);
    double attention = 2 * pairs * A;
    /* 2 operations a multiply-add; backward is twice forward, once for tables that are frozen */
    double head = (t->freeze_embeddings ? 4 : 6) * (double)n_targets * C * (double)h->V;
    return 6 * (double)h->L * (layer + attention) + head;
}
