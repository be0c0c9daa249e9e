/* Few rows: every step is a loop of its own over all threads, products are cut by panels. */
#include "model/forward_inside.h"

enum { MAX_CHUNK_TILES = 2 };
/* Of a product: rows that are multiplied together; how many tasks a thread should get; multiply-adds that are
 * worth a task. */
enum { ROW_BLOCK = 128, MIN_TASKS_PER_THREAD = 5, MAX_TASKS_PER_THREAD = 24, TASK_PRODUCTS = 2 << 20 };

typedef struct product_job {
    const tfc_kernels *kernels;
    float *y;
    int64_t ld_y;
    const void *packed;
    int64_t M;
    const tfc_panels *w;
    const float *bias;
    bool accumulate;
    int64_t block_rows, group_panels, n_groups;
} product_job;

static void product_task(void *context, int64_t i, int worker)
{
    (void)worker;
    const product_job *job = context;
    int64_t m_from = i / job->n_groups * job->block_rows, p_from = i % job->n_groups * job->group_panels;
    int64_t m_to = m_from + job->block_rows < job->M ? m_from + job->block_rows : job->M;
    int64_t p_to = p_from + job->group_panels;
    if (p_to > job->w->n_panels) p_to = job->w->n_panels;
    job->kernels->gemm(job->y, job->ld_y, job->packed, job->M, m_from, m_to, job->w, p_from, p_to, job->bias,
                       job->accumulate);
}

/* Cuts the product into tasks: blocks of rows whose packed form stays in L2, then groups of panels; small
 * ones, so that the threads end together, but of some 20 microseconds where there is work for that. */
static int64_t cut_product(product_job *job, int64_t n_threads)
{
    const tfc_kernels *kernels = job->kernels;
    int64_t n_tiles = (job->M + kernels->tile_m - 1) / kernels->tile_m;
    int64_t n_blocks = (job->M + ROW_BLOCK - 1) / ROW_BLOCK, n_panels = job->w->n_panels;
    job->block_rows = (n_tiles + n_blocks - 1) / n_blocks * kernels->tile_m;
    n_blocks = (job->M + job->block_rows - 1) / job->block_rows;
    int64_t most_groups = (n_threads * MAX_TASKS_PER_THREAD + n_blocks - 1) / n_blocks;
    int64_t least_groups = (n_threads * MIN_TASKS_PER_THREAD + n_blocks - 1) / n_blocks;
    int64_t smallest = (n_panels + most_groups - 1) / most_groups;
    int64_t largest = (n_panels + least_groups - 1) / least_groups;
    int64_t enough = TASK_PRODUCTS / (job->block_rows * kernels->panel_n * job->w->K) + 1;
    int64_t group = enough < smallest ? smallest : enough > largest ? largest : enough;
    /* With few rows the kernels take several panels together. */
    if (job->M < kernels->tile_m) group = (group + 3) / 4 * 4;
    job->group_panels = group;
    job->n_groups = (n_panels + group - 1) / group;
    return n_blocks * job->n_groups;
}

void tfc_product(const tfc_model *model, tfc_pool *pool, float *y, int64_t ld_y, const void *packed,
                 int64_t M, const tfc_panels *w, const float *bias, bool accumulate)
{
    if (M == 0) return;
    product_job job = {model->kernels, y, ld_y, packed, M, w, bias, accumulate, 0, 0, 0};
    tfc_pool_run(pool, cut_product(&job, tfc_pool_n_threads(pool)), product_task, &job);
}

/* f->packed times w. */
static void product(tfc_forward *f, float *y, int64_t ld_y, const tfc_panels *w, const float *bias,
                    bool accumulate)
{
    tfc_product(f->model, f->pool, y, ld_y, f->packed, f->M, w, bias, accumulate);
}

typedef struct row_range {
    int64_t from, to;
} row_range;

static row_range chunk_range(const tfc_forward *f, int64_t i)
{
    int64_t from = i * f->chunk;
    return (row_range){from, tfc_smaller(from + f->chunk, f->M)};
}

static void run_chunks(tfc_forward *f, tfc_task *task)
{
    int64_t tile_m = f->kernels->tile_m, n_tiles = (f->M + tile_m - 1) / tile_m;
    int64_t per_chunk = n_tiles / (4 * f->n_threads);
    f->chunk = tile_m * (per_chunk < 1 ? 1 : tfc_smaller(per_chunk, MAX_CHUNK_TILES));
    tfc_pool_run(f->pool, (f->M + f->chunk - 1) / f->chunk, task, f);
}

static void pack(tfc_forward *f, row_range range, const float *x, int64_t K)
{
    f->kernels->pack_rows(f->packed, f->M, K, f->model->operand, range.from, range.to, x, K, 1);
}

static void norm_task(void *context, int64_t i, int worker)
{
    (void)worker;
    tfc_forward *f = context;
    row_range range = chunk_range(f, i);
    int64_t C = f->hp->C;
    for (int64_t r = range.from; r < range.to; r++)
        tfc_model_norm(f->model, f->normed + r * C, f->rows + r * C, f->norm, f->norm_bias);
    pack(f, range, f->normed, C);
}

static void norm_and_pack(tfc_forward *f, const float *weight, const float *bias)
{
    f->norm = weight;
    f->norm_bias = bias;
    run_chunks(f, norm_task);
}

static void place_task(void *context, int64_t i, int worker)
{
    (void)worker;
    tfc_forward *f = context;
    row_range range = chunk_range(f, i);
    tfc_forward_place(f, f->layer, range.from, range.to);
}

void tfc_forward_few_before(tfc_forward *f, int64_t layer)
{
    const tfc_packed_layer *w = &f->model->packed.layers[layer];
    f->layer = layer;
    norm_and_pack(f, w->norm1, w->norm1_bias);
    product(f, f->qkv, f->QKV, &w->qkv, w->qkv_bias, false);
    run_chunks(f, place_task);
}

/* Packs the heads' outputs. The product that follows is added to x, so its bias goes to x here. */
static void attended_task(void *context, int64_t i, int worker)
{
    (void)worker;
    tfc_forward *f = context;
    row_range range = chunk_range(f, i);
    tfc_forward_add_bias(f, f->model->packed.layers[f->layer].wo_bias, range.from, range.to);
    pack(f, range, f->attended, f->Q);
}

static void activate_task(void *context, int64_t i, int worker)
{
    (void)worker;
    tfc_forward *f = context;
    row_range range = chunk_range(f, i);
    int64_t I = f->hp->I;
    for (int64_t r = range.from; r < range.to; r++) {
        const float *up = f->up + r * f->UP;
        if (f->hp->gated)
            f->kernels->swiglu(f->active + r * I, up, up + I, I);
        else
            f->kernels->gelu(f->active + r * I, up, I);
    }
    tfc_forward_add_bias(f, f->model->packed.layers[f->layer].w_down_bias, range.from, range.to);
    pack(f, range, f->active, I);
}

void tfc_forward_few_after(tfc_forward *f, int64_t layer)
{
    const tfc_packed_layer *w = &f->model->packed.layers[layer];
    f->layer = layer;
    run_chunks(f, attended_task);
    product(f, f->rows, f->hp->C, &w->wo, NULL, true);
    norm_and_pack(f, w->norm2, w->norm2_bias);
    product(f, f->up, f->UP, &w->up, w->w_up_bias, false);
    run_chunks(f, activate_task);
    product(f, f->rows, f->hp->C, &w->down, NULL, true);
}
