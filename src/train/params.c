/* The trainable tensors in flat arrays: counted first, allocated once, then every tensor is a range of them.
 * Optimizer, checkpoint and norm see the flat arrays; the layers see tensors by part and layer. */
#include "train/trainer_inside.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>

/* The order in the flat arrays. Those that form one matrix together follow each other. */
static const tfc_part outer_parts[] = {TFC_PART_TOKEN_EMBEDDING, TFC_PART_POSITION_EMBEDDING, TFC_PART_NORM,
                                       TFC_PART_NORM_BIAS, TFC_PART_HEAD};
static const tfc_part layer_parts[] = {
    TFC_PART_NORM1,     TFC_PART_NORM1_BIAS, TFC_PART_WQ,        TFC_PART_WK,     TFC_PART_WV,
    TFC_PART_WQKV_BIAS, TFC_PART_WO,         TFC_PART_WO_BIAS,   TFC_PART_NORM2,  TFC_PART_NORM2_BIAS,
    TFC_PART_W_GATE,    TFC_PART_W_UP,       TFC_PART_W_UP_BIAS, TFC_PART_W_DOWN, TFC_PART_W_DOWN_BIAS};

enum { ALIGN_VALUES = 16 }; /* 64 bytes */

static bool part_continues(tfc_part part)
{
    return part == TFC_PART_WK || part == TFC_PART_WV || part == TFC_PART_W_UP;
}

bool tfc_part_is_matrix(tfc_part part)
{
    switch (part) {
    case TFC_PART_TOKEN_EMBEDDING:
    case TFC_PART_POSITION_EMBEDDING:
    case TFC_PART_HEAD:
    case TFC_PART_WQ:
    case TFC_PART_WK:
    case TFC_PART_WV:
    case TFC_PART_WO:
    case TFC_PART_W_GATE:
    case TFC_PART_W_UP:
    case TFC_PART_W_DOWN:
        return true;
    default:
        return false;
    }
}

static bool part_add(tfc_param_set *params, const tfc_weights *weights, bool tied, tfc_part part,
                     int64_t layer)
{
    const tfc_weight *weight = tfc_weights_part(weights, part, layer);
    if (!weight || !weight->tensor || (part == TFC_PART_HEAD && tied)) return true;
    size_t n, end;
    if (!tfc_size_mul((size_t)weight->n_out, (size_t)weight->n_in, &n)) return false;
    int64_t offset = params->n_values;
    if (!part_continues(part)) offset = (offset + ALIGN_VALUES - 1) / ALIGN_VALUES * ALIGN_VALUES;
    if (!tfc_size_add((size_t)offset, n, &end) || end > PTRDIFF_MAX / sizeof(float) / 8) return false;
    params->index[(layer + 1) * TFC_N_PARTS + part] = params->n_tensors;
    params->tensors[params->n_tensors++] =
        (tfc_param){part, layer, offset, weight->n_out, weight->n_in, tfc_part_is_matrix(part)};
    params->n_values = (int64_t)end;
    params->n_weights += (int64_t)n;
    return true;
}

static tfc_status params_lay(tfc_param_set *params, const tfc_model *model, tfc_error *err)
{
    const tfc_hparams *h = &model->hparams;
    size_t n_index = (size_t)(h->L + 1) * TFC_N_PARTS;
    params->tensors = tfc_alloc_zero(n_index, sizeof *params->tensors);
    params->index = tfc_alloc(n_index, sizeof *params->index);
    if (!params->tensors || !params->index) return tfc_fail_memory(err, "table of weights");
    for (size_t i = 0; i < n_index; i++) params->index[i] = -1;
    bool fits = true;
    for (size_t i = 0; i < sizeof outer_parts / sizeof *outer_parts; i++)
        fits = fits && part_add(params, &model->weights, h->tied, outer_parts[i], -1);
    for (int64_t l = 0; l < h->L; l++)
        for (size_t i = 0; i < sizeof layer_parts / sizeof *layer_parts; i++)
            fits = fits && part_add(params, &model->weights, h->tied, layer_parts[i], l);
    if (!fits) return tfc_fail(err, TFC_ELIMIT, "'%s' has too many weights to train here", model->path);
    params->n_values = (params->n_values + ALIGN_VALUES - 1) / ALIGN_VALUES * ALIGN_VALUES;
    return TFC_OK;
}

/* Loading: a task is a block of rows of one tensor. */
typedef struct load_job {
    const tfc_weight *weight;
    float *out;
    int64_t rows;
    bool *bad; /* [tasks] */
} load_job;

static void load_task(void *context, int64_t i, int worker)
{
    (void)worker;
    load_job *job = context;
    const tfc_weight *weight = job->weight;
    int64_t from = i * job->rows, n = tfc_min_int(job->rows, weight->n_out - from);
    float *out = job->out + from * weight->n_in;
    tfc_weight_rows(weight, from, n, out);
    bool bad = false;
    for (int64_t j = 0; j < n * weight->n_in; j++) bad |= !isfinite(out[j]);
    job->bad[i] = bad;
}

static tfc_status params_load(tfc_param_set *params, const tfc_model *model, tfc_pool *pool, tfc_error *err)
{
    for (int64_t i = 0; i < params->n_tensors; i++) {
        const tfc_param *param = &params->tensors[i];
        load_job job = {.weight = tfc_weights_part(&model->weights, param->part, param->layer),
                        .out = params->w + param->offset};
        job.rows = param->n_in > TFC_TRAIN_VALUES ? 1 : TFC_TRAIN_VALUES / param->n_in;
        int64_t n_tasks = tfc_ceil_div(param->n_out, job.rows);
        job.bad = tfc_alloc_zero((size_t)n_tasks, sizeof *job.bad);
        if (!job.bad) return tfc_fail_memory(err, "loading weights");
        tfc_pool_run(pool, n_tasks, load_task, &job);
        bool bad = false;
        for (int64_t j = 0; j < n_tasks; j++) bad |= job.bad[j];
        tfc_free(job.bad);
        if (bad)
            return tfc_fail(err, TFC_EFORMAT, "'%s': tensor '%s' holds a value that is not finite",
                            model->path, job.weight->tensor->name);
    }
    return TFC_OK;
}

tfc_status tfc_param_set_init(tfc_param_set *params, const tfc_model *model, tfc_pool *pool, tfc_error *err)
{
    memset(params, 0, sizeof *params);
    tfc_status status = params_lay(params, model, err);
    if (status == TFC_OK) {
        size_t n = (size_t)params->n_values;
        params->w = tfc_alloc_aligned(4 * n, sizeof(float));
        if (params->w) {
            memset(params->w, 0, 4 * n * sizeof(float));
            params->grad = params->w + n;
            params->m = params->grad + n;
            params->v = params->m + n;
            status = params_load(params, model, pool, err);
        } else {
            status = tfc_fail(err, TFC_ENOMEM, "out of memory: training %lld weights takes %.1f GB",
                              (long long)params->n_weights, (double)(4 * n * sizeof(float)) * 1e-9);
        }
    }
    if (status != TFC_OK) tfc_param_set_release(params);
    return status;
}

void tfc_param_set_release(tfc_param_set *params)
{
    tfc_free(params->tensors);
    tfc_free(params->index);
    tfc_free(params->w);
    memset(params, 0, sizeof *params);
}

const tfc_param *tfc_param_find(const tfc_param_set *params, tfc_part part, int64_t layer)
{
    int64_t i = params->index[(layer + 1) * TFC_N_PARTS + part];
    return i < 0 ? NULL : &params->tensors[i];
}

typedef struct hash_job {
    const float *values;
    int64_t n;
    uint64_t *hashes;
} hash_job;

static void hash_task(void *context, int64_t i, int worker)
{
    (void)worker;
    hash_job *job = context;
    int64_t from = i * TFC_TRAIN_VALUES, n = tfc_min_int(TFC_TRAIN_VALUES, job->n - from);
    job->hashes[i] = tfc_hash_bytes(job->values + from, (size_t)n * sizeof(float), (uint64_t)i);
}

bool tfc_param_set_hash(const tfc_param_set *params, const float *values, tfc_pool *pool, uint64_t *hash)
{
    int64_t n_tasks = tfc_ceil_div(params->n_values, TFC_TRAIN_VALUES);
    hash_job job = {values, params->n_values, tfc_alloc((size_t)n_tasks, sizeof(uint64_t))};
    if (!job.hashes) return false;
    tfc_pool_run(pool, n_tasks, hash_task, &job);
    *hash = tfc_hash_bytes(job.hashes, (size_t)n_tasks * sizeof *job.hashes, 0);
    tfc_free(job.hashes);
    return true;
}
