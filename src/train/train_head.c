/* The last norm, the head and the cross entropy, forward and backward in one go: only rows with a target are
 * computed, and only head_rows rows of logits exist at a time. The gradient of the logits takes their place,
 * and is used and forgotten one part of the vocabulary after the other. */
#include "base/math64.h"
#include "train/trainer_inside.h"

typedef struct head_job {
    tfc_trainer *trainer;
    int64_t from, R; /* this chunk of the rows with a target */
    int64_t v, n_v;  /* this part of the vocabulary */
    float scale;
} head_job;

/* loss = log sum exp(logits) - logits[target] */
static void softmax_task(void *context, int64_t i, int worker)
{
    (void)worker;
    const head_job *job = context;
    tfc_trainer *t = job->trainer;
    const float *logits = t->logits + i * t->ld_logits;
    int64_t V = t->hparams->V, row = job->from + i;
    float max = t->kernels->max(logits, V);
    double sum = t->kernels->sum_exp(logits, max, V);
    t->row_nll[row] = (double)max + tfc_log64(sum) - (double)logits[t->row_targets[row]];
    t->row_shift[row] = max;
    t->row_factor[row] = (float)((double)job->scale / sum);
}

/* d_logits = (softmax - onehot(target)) * scale, in place */
static void gradient_task(void *context, int64_t i, int worker)
{
    (void)worker;
    const head_job *job = context;
    tfc_trainer *t = job->trainer;
    int64_t row = job->from + i, target = t->row_targets[row] - job->v;
    float *logits = t->logits + i * t->ld_logits + job->v;
    t->kernels->exp_shift(logits, logits, t->row_shift[row], t->row_factor[row], job->n_v);
    if (target >= 0 && target < job->n_v) logits[target] -= job->scale;
}

static void chunk_backward(tfc_trainer *t, head_job *job, const float *x, float *d_x)
{
    const tfc_hparams *h = t->hparams;
    int64_t C = h->C, R = job->R;
    float *d_head = tfc_trainer_grad(t, h->tied ? TFC_PART_TOKEN_EMBEDDING : TFC_PART_HEAD, -1);
    tfc_panels x_t;
    tfc_train_pack_x(t, &x_t, x, R, C);
    for (int64_t part = 0; part < t->n_head_parts; part++) {
        job->v = part * t->head_part;
        job->n_v = tfc_min_int(t->head_part, h->V - job->v);
        tfc_pool_run(t->pool, R, gradient_task, job);
        const float *d_logits = t->logits + job->v;
        tfc_train_pack_rows(t, d_logits, t->ld_logits, 1, R, job->n_v);
        tfc_train_multiply(t, d_x, C, &t->head_t[part], NULL, R, part > 0);
        tfc_train_multiply_w(t, d_head + job->v * C, d_logits, t->ld_logits, &x_t, R, job->n_v);
    }
}

static int64_t rows_with_target(tfc_trainer *t, const tfc_train_pack *pack)
{
    int64_t n = 0;
    for (int64_t i = 0; i < pack->T; i++) {
        if (pack->targets[i] < 0) continue;
        t->rows[n] = (int32_t)i;
        t->row_targets[n++] = pack->targets[i];
    }
    return n;
}

double tfc_train_head(tfc_trainer *t, const tfc_train_pack *pack, float scale, bool backward)
{
    const tfc_hparams *h = t->hparams;
    int64_t C = h->C, n = rows_with_target(t, pack);
    if (backward) tfc_train_zero(t, t->d_x, pack->T * C);
    if (n == 0) return 0;
    const float *x = t->acts[h->L].x, *weight = tfc_trainer_w(t, TFC_PART_NORM, -1);
    tfc_train_norm(t, t->a, t->stats, x, t->rows, weight, tfc_trainer_w(t, TFC_PART_NORM_BIAS, -1), n);

    int64_t n_chunks = tfc_ceil_div(n, t->head_rows), chunk = tfc_ceil_div(n, n_chunks);
    for (int64_t from = 0; from < n; from += chunk) {
        head_job job = {.trainer = t, .from = from, .R = tfc_min_int(chunk, n - from), .scale = scale};
        tfc_train_pack_rows(t, t->a + from * C, C, 1, job.R, C);
        tfc_train_multiply(t, t->logits, t->ld_logits, &t->head, NULL, job.R, false);
        tfc_pool_run(t->pool, job.R, softmax_task, &job);
        if (backward) chunk_backward(t, &job, t->a + from * C, t->d_a + from * C);
    }
    double nll = 0;
    for (int64_t i = 0; i < n; i++) nll += t->row_nll[i];
    if (backward)
        tfc_train_norm_backward(t, t->d_x, tfc_trainer_grad(t, TFC_PART_NORM, -1),
                                tfc_trainer_grad(t, TFC_PART_NORM_BIAS, -1), t->d_a, x, t->rows, weight,
                                t->stats, n);
    return nll;
}
