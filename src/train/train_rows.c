/* Loops over rows and columns of training, split over the pool. Where rows are reduced, the order is that of
 * the rows: either a task owns columns and goes through all rows, or it owns a fixed block of rows and the
 * blocks' sums are added in order afterwards. */
#include <string.h>

#include "train/trainer_inside.h"

typedef struct row_range {
    int64_t from, to;
} row_range;

static row_range block_rows(int64_t i, int64_t M)
{
    return (row_range){i * TFC_TRAIN_ROWS, tfc_min_int(M, (i + 1) * TFC_TRAIN_ROWS)};
}

typedef struct norm_job {
    const tfc_trainer *trainer;
    float *y, *stats, *d_x, *partial;
    const float *x, *weight, *bias, *d_y, *kept; /* kept: the stats, in the backward pass */
    const int32_t *rows;
    int64_t M;
} norm_job;

static void norm_task(void *context, int64_t i, int worker)
{
    (void)worker;
    norm_job *job = context;
    const tfc_kernels *kernels = job->trainer->kernels;
    const tfc_hparams *h = job->trainer->hparams;
    row_range r = block_rows(i, job->M);
    for (int64_t m = r.from; m < r.to; m++) {
        const float *x = job->x + (job->rows ? job->rows[m] : m) * h->C;
        float *y = job->y + m * h->C, *stats = job->stats + 2 * m;
        if (h->layernorm)
            kernels->layernorm(y, x, job->weight, job->bias, h->C, h->epsilon, stats);
        else
            stats[0] = kernels->rmsnorm(y, x, job->weight, h->C, h->epsilon);
    }
}

void tfc_train_norm(tfc_trainer *trainer, float *y, float *stats, const float *x, const int32_t *rows,
                    const float *weight, const float *bias, int64_t M)
{
    norm_job job = {.trainer = trainer,
                    .y = y,
                    .stats = stats,
                    .x = x,
                    .weight = weight,
                    .bias = bias,
                    .rows = rows,
                    .M = M};
    tfc_pool_run(trainer->pool, tfc_ceil_div(M, TFC_TRAIN_ROWS), norm_task, &job);
}

static void norm_backward_task(void *context, int64_t i, int worker)
{
    (void)worker;
    norm_job *job = context;
    const tfc_kernels *kernels = job->trainer->kernels;
    int64_t C = job->trainer->hparams->C;
    row_range r = block_rows(i, job->M);
    float *d_weight = job->partial + i * 2 * C, *d_bias = d_weight + C;
    memset(d_weight, 0, 2 * (size_t)C * sizeof(float));
    for (int64_t m = r.from; m < r.to; m++) {
        int64_t at = (job->rows ? job->rows[m] : m) * C;
        const float *d_y = job->d_y + m * C, *stats = job->kept + 2 * m;
        if (job->trainer->hparams->layernorm)
            kernels->layernorm_backward(job->d_x + at, d_weight, d_bias, d_y, job->x + at, job->weight, stats,
                                        C);
        else
            kernels->rmsnorm_backward(job->d_x + at, d_weight, d_y, job->x + at, job->weight, stats[0], C);
    }
}

typedef struct sum_job {
    const tfc_kernels *kernels;
    float *out;
    const float *rows;
    int64_t ld, M, N;
} sum_job;

static void sum_task(void *context, int64_t i, int worker)
{
    (void)worker;
    sum_job *job = context;
    int64_t from = i * TFC_TRAIN_COLUMNS, n = tfc_min_int(TFC_TRAIN_COLUMNS, job->N - from);
    for (int64_t m = 0; m < job->M; m++)
        job->kernels->add(job->out + from, job->rows + m * job->ld + from, n);
}

void tfc_train_column_sums(tfc_trainer *trainer, float *d_bias, const float *d_y, int64_t ld_y, int64_t M,
                           int64_t N)
{
    sum_job job = {trainer->kernels, d_bias, d_y, ld_y, M, N};
    tfc_pool_run(trainer->pool, tfc_ceil_div(N, TFC_TRAIN_COLUMNS), sum_task, &job);
}

void tfc_train_norm_backward(tfc_trainer *trainer, float *d_x, float *d_weight, float *d_bias,
                             const float *d_y, const float *x, const int32_t *rows, const float *weight,
                             const float *stats, int64_t M)
{
    int64_t n_blocks = tfc_ceil_div(M, TFC_TRAIN_ROWS), C = trainer->hparams->C;
    norm_job job = {
        .trainer = trainer, .d_x = d_x, .d_y = d_y, .x = x, .rows = rows, .weight = weight, .M = M};
    job.kept = stats;
    job.partial = trainer->partial;
    tfc_pool_run(trainer->pool, n_blocks, norm_backward_task, &job);
    tfc_train_column_sums(trainer, d_weight, trainer->partial, 2 * C, n_blocks, C);
    if (d_bias) tfc_train_column_sums(trainer, d_bias, trainer->partial + C, 2 * C, n_blocks, C);
}

typedef struct activation_job {
    const tfc_trainer *trainer;
    float *s, *d_up;
    const float *up, *d_s;
    int64_t T;
} activation_job;

static void activation_task(void *context, int64_t i, int worker)
{
    (void)worker;
    activation_job *job = context;
    const tfc_kernels *kernels = job->trainer->kernels;
    const tfc_hparams *h = job->trainer->hparams;
    int64_t I = h->I, U = tfc_up_width(h);
    row_range r = block_rows(i, job->T);
    for (int64_t t = r.from; t < r.to; t++) {
        const float *up = job->up + t * U;
        if (!job->d_up && h->gated)
            kernels->swiglu(job->s + t * I, up, up + I, I);
        else if (!job->d_up)
            kernels->gelu(job->s + t * I, up, I);
        else if (h->gated)
            kernels->swiglu_backward(job->d_up + t * U, job->d_up + t * U + I, job->d_s + t * I, up, up + I,
                                     I);
        else
            kernels->gelu_backward(job->d_up + t * U, job->d_s + t * I, up, I);
    }
}

void tfc_train_activation(tfc_trainer *trainer, float *s, const float *up, int64_t T)
{
    activation_job job = {.trainer = trainer, .s = s, .up = up, .T = T};
    tfc_pool_run(trainer->pool, tfc_ceil_div(T, TFC_TRAIN_ROWS), activation_task, &job);
}

void tfc_train_activation_backward(tfc_trainer *trainer, float *d_up, const float *d_s, const float *up,
                                   int64_t T)
{
    activation_job job = {.trainer = trainer, .d_up = d_up, .d_s = d_s, .up = up, .T = T};
    tfc_pool_run(trainer->pool, tfc_ceil_div(T, TFC_TRAIN_ROWS), activation_task, &job);
}

typedef struct rope_job {
    const tfc_trainer *trainer;
    float *qkv;
    int64_t T;
    bool inverse;
} rope_job;

static void rope_task(void *context, int64_t i, int worker)
{
    (void)worker;
    rope_job *job = context;
    const tfc_trainer *trainer = job->trainer;
    const tfc_hparams *h = trainer->hparams;
    row_range r = block_rows(i, job->T);
    for (int64_t t = r.from; t < r.to; t++) {
        const float *table = trainer->rope + trainer->positions[t] * h->n_rot;
        float *row = job->qkv + t * tfc_qkv_width(h);
        for (int64_t head = 0; head < h->NH + h->NKV; head++) /* queries, then keys */
            trainer->kernels->rope(row + head * h->HD, table, h->n_rot, h->rope_interleaved, job->inverse);
    }
}

void tfc_train_rope(tfc_trainer *trainer, float *qkv, int64_t T, bool inverse)
{
    rope_job job = {trainer, qkv, T, inverse};
    tfc_pool_run(trainer->pool, tfc_ceil_div(T, TFC_TRAIN_ROWS), rope_task, &job);
}

typedef struct copy_job {
    const tfc_kernels *kernels;
    float *y;
    const float *x, *bias;
    int64_t T, C;
} copy_job;

static void copy_task(void *context, int64_t i, int worker)
{
    (void)worker;
    copy_job *job = context;
    row_range r = block_rows(i, job->T);
    memcpy(job->y + r.from * job->C, job->x + r.from * job->C,
           (size_t)((r.to - r.from) * job->C) * sizeof(float));
    if (job->bias)
        for (int64_t t = r.from; t < r.to; t++) job->kernels->add(job->y + t * job->C, job->bias, job->C);
}

void tfc_train_copy(tfc_trainer *trainer, float *y, const float *x, const float *bias, int64_t T, int64_t C)
{
    copy_job job = {trainer->kernels, y, x, bias, T, C};
    tfc_pool_run(trainer->pool, tfc_ceil_div(T, TFC_TRAIN_ROWS), copy_task, &job);
}

typedef struct embed_job {
    const tfc_trainer *trainer;
    float *x, *tokens, *positions; /* backward: gradients of the two tables */
    const tfc_model *reference;
    const float *d_x;
    const int32_t *ids;
    int64_t T;
} embed_job;

static void embed_task(void *context, int64_t i, int worker)
{
    (void)worker;
    embed_job *job = context;
    int64_t C = job->trainer->hparams->C;
    row_range r = block_rows(i, job->T);
    for (int64_t t = r.from; t < r.to; t++) {
        memcpy(job->x + t * C, job->tokens + job->ids[t] * C, (size_t)C * sizeof(float));
        if (job->positions)
            job->trainer->kernels->add(job->x + t * C, job->positions + job->trainer->positions[t] * C, C);
    }
}

static void embed_reference_task(void *context, int64_t i, int worker)
{
    (void)worker;
    embed_job *job = context;
    int64_t C = job->trainer->hparams->C;
    const float *positions = job->reference->packed.position_embedding;
    row_range r = block_rows(i, job->T);
    for (int64_t t = r.from; t < r.to; t++) {
        tfc_weight_rows(&job->reference->weights.token_embedding, job->ids[t], 1, job->x + t * C);
        if (positions)
            job->trainer->kernels->add(job->x + t * C, positions + job->trainer->positions[t] * C, C);
    }
}

void tfc_train_embed_reference(tfc_trainer *trainer, float *x, const int32_t *ids, int64_t T)
{
    embed_job job = {.trainer = trainer, .reference = trainer->reference, .x = x, .ids = ids, .T = T};
    tfc_pool_run(trainer->pool, tfc_ceil_div(T, TFC_TRAIN_ROWS), embed_reference_task, &job);
}

void tfc_train_embed(tfc_trainer *trainer, float *x, const int32_t *ids, int64_t T)
{
    embed_job job = {.trainer = trainer, .x = x, .ids = ids, .T = T};
    job.tokens = tfc_trainer_w(trainer, TFC_PART_TOKEN_EMBEDDING, -1);
    job.positions = tfc_trainer_w(trainer, TFC_PART_POSITION_EMBEDDING, -1);
    tfc_pool_run(trainer->pool, tfc_ceil_div(T, TFC_TRAIN_ROWS), embed_task, &job);
}

static void embed_backward_task(void *context, int64_t i, int worker)
{
    (void)worker;
    embed_job *job = context;
    const tfc_trainer *trainer = job->trainer;
    int64_t C = trainer->hparams->C, from = i * TFC_TRAIN_COLUMNS,
            n = tfc_min_int(TFC_TRAIN_COLUMNS, C - from);
    for (int64_t t = 0; t < job->T; t++) {
        const float *d_x = job->d_x + t * C + from;
        trainer->kernels->add(job->tokens + job->ids[t] * C + from, d_x, n);
        if (job->positions) trainer->kernels->add(job->positions + trainer->positions[t] * C + from, d_x, n);
    }
}

void tfc_train_embed_backward(tfc_trainer *trainer, const float *d_x, const int32_t *ids, int64_t T)
{
    embed_job job = {.trainer = trainer, .d_x = d_x, .ids = ids, .T = T};
    job.tokens = tfc_trainer_grad(trainer, TFC_PART_TOKEN_EMBEDDING, -1);
    job.positions = tfc_trainer_grad(trainer, TFC_PART_POSITION_EMBEDDING, -1);
    tfc_pool_run(trainer->pool, tfc_ceil_div(trainer->hparams->C, TFC_TRAIN_COLUMNS), embed_backward_task,
                 &job);
}

typedef struct zero_job {
    float *values;
    int64_t n;
} zero_job;

static void zero_task(void *context, int64_t i, int worker)
{
    (void)worker;
    zero_job *job = context;
    int64_t from = i * TFC_TRAIN_VALUES, n = tfc_min_int(TFC_TRAIN_VALUES, job->n - from);
    memset(job->values + from, 0, (size_t)n * sizeof(float));
}

void tfc_train_zero(tfc_trainer *trainer, float *values, int64_t n)
{
    zero_job job = {values, n};
    tfc_pool_run(trainer->pool, tfc_ceil_div(n, TFC_TRAIN_VALUES), zero_task, &job);
}
