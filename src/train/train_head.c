/* The last norm, the head and the cross entropy with a token or with the reference's distribution, forward
 * and backward in one go: only rows with a target are computed, and only head_rows rows of logits exist at a
 * time. The gradient of the logits takes their place, and is used and forgotten one part of the vocabulary
 * after the other. */
#include "base/math64.h"
#include "train/trainer_inside.h"

typedef struct head_job {
    tfc_trainer *trainer;
    int64_t from, R; /* this chunk of the rows with a target */
    int64_t v, n_v;  /* this part of the vocabulary */
    float scale;
    bool match_reference;
} head_job;

enum { LANES = 8 };

/* sum of p[v] x[v] in f64, in one fixed order. */
static double expectation(const float *p, const float *x, int64_t n)
{
    double sums[LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int64_t j = 0; j < LANES; j++) sums[j] += (double)p[i + j] * (double)x[i + j];
    for (; i < n; i++) sums[0] += (double)p[i] * (double)x[i];
    for (int64_t j = 0; j < LANES; j++) sum += sums[j];
    return sum;
}

/* The reference's logits of a row become its probabilities. */
static void reference_softmax(tfc_trainer *t, float *logits)
{
    int64_t V = t->hparams->V;
    float max = t->kernels->max(logits, V);
    double sum = t->kernels->sum_exp(logits, max, V);
    t->kernels->exp_shift(logits, logits, max, (float)(1 / sum), V);
}

/* loss = log sum exp(logits) - logits[target], or less the mean logit under the reference */
static void softmax_task(void *context, int64_t i, int worker)
{
    (void)worker;
    const head_job *job = context;
    tfc_trainer *t = job->trainer;
    const float *logits = t->logits + i * t->ld_logits;
    int64_t V = t->hparams->V, row = job->from + i;
    float max = t->kernels->max(logits, V);
    double sum = t->kernels->sum_exp(logits, max, V);
    double wanted;
    if (job->match_reference) {
        float *p = t->reference_p + i * t->ld_logits;
        reference_softmax(t, p);
        wanted = expectation(p, logits, V);
    } else {
        wanted = (double)logits[t->row_targets[row]];
    }
    double weight = (double)t->row_weights[row];
    t->row_nll[row] = weight * ((double)max + tfc_log64(sum) - wanted);
    t->row_shift[row] = max;
    t->row_factor[row] = (float)((double)job->scale * weight / sum);
}

/* d_logits = (softmax - onehot(target) or the reference's) * scale, in place */
static void gradient_task(void *context, int64_t i, int worker)
{
    (void)worker;
    const head_job *job = context;
    tfc_trainer *t = job->trainer;
    int64_t row = job->from + i, target = t->row_targets[row] - job->v;
    float scale = job->scale * t->row_weights[row];
    float *logits = t->logits + i * t->ld_logits + job->v;
    t->kernels->exp_shift(logits, logits, t->row_shift[row], t->row_factor[row], job->n_v);
    if (job->match_reference) {
        const float *p = t->reference_p + i * t->ld_logits + job->v;
        for (int64_t v = 0; v < job->n_v; v++) logits[v] -= scale * p[v];
        return;
    }
    if (target >= 0 && target < job->n_v) logits[target] -= scale;
}

static void chunk_backward(tfc_trainer *t, head_job *job, const float *x, float *d_x)
{
    const tfc_hparams *h = t->hparams;
    int64_t C = h->C, R = job->R;
    float *d_head = tfc_trainer_grad(t, h->tied ? TFC_PART_TOKEN_EMBEDDING : TFC_PART_HEAD, -1);
    tfc_panels x_t;
    if (!t->freeze_embeddings) tfc_train_pack_x(t, &x_t, x, R, C);
    for (int64_t part = 0; part < t->n_head_parts; part++) {
        job->v = part * t->head_part;
        job->n_v = tfc_min_int(t->head_part, h->V - job->v);
        tfc_pool_run(t->pool, R, gradient_task, job);
        const float *d_logits = t->logits + job->v;
        tfc_train_pack_rows(t, d_logits, t->ld_logits, 1, R, job->n_v);
        tfc_train_multiply(t, d_x, C, &t->head_t[part], NULL, R, part > 0);
        if (!t->freeze_embeddings)
            tfc_train_multiply_w(t, d_head + job->v * C, d_logits, t->ld_logits, &x_t, R, job->n_v);
    }
}

static int64_t rows_with_target(tfc_trainer *t, const tfc_train_pack *pack)
{
    int64_t n = 0;
    for (int64_t i = 0; i < pack->T; i++) {
        if (pack->targets[i] < 0) continue;
        t->rows[n] = (int32_t)i;
        t->row_weights[n] = pack->weights ? pack->weights[i] : 1;
        t->row_targets[n++] = pack->targets[i];
    }
    return n;
}

void tfc_train_reference(tfc_trainer *t, const tfc_train_pack *pack)
{
    const tfc_hparams *h = t->hparams;
    const tfc_packed *packed = &t->reference->packed;
    tfc_train_embed_reference(t, t->acts[0].x, pack->ids, pack->T);
    for (int64_t l = 0; l < h->L; l++) tfc_train_layer_forward(t, packed->layers, l, pack->T);
    int64_t n = rows_with_target(t, pack);
    tfc_train_norm(t, t->reference_x, t->stats, t->acts[h->L].x, t->rows, packed->norm, packed->norm_bias, n);
}

/* The reference's logits of the chunk's rows, to reference_p. */
static void reference_logits(tfc_trainer *t, const head_job *job)
{
    int64_t C = t->hparams->C;
    tfc_train_pack_rows(t, t->reference_x + job->from * C, C, 1, job->R, C);
    tfc_train_multiply(t, t->reference_p, t->ld_logits, &t->reference->packed.head, NULL, job->R, false);
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
        head_job job = {.trainer = t,
                        .from = from,
                        .R = tfc_min_int(chunk, n - from),
                        .scale = scale,
                        .match_reference = pack->match_reference};
        if (job.match_reference) reference_logits(t, &job);
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
