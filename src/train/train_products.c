/* Matrix products of training, split over the pool. An output element's sum has an order that depends on its
 * own length alone (kernels.h), so the split may follow the number of threads. */
#include "train/trainer_inside.h"

enum {
    TASK_PANEL_BYTES = 192 << 10, /* panels of one task stay in the second-level cache */
    PACK_TILES = 4,               /* row tiles of one packing task */
};

typedef struct rows_job {
    tfc_trainer *trainer;
    const float *x;
    int64_t stride_m, stride_k, M, K, rows;
} rows_job;

static void rows_task(void *context, int64_t i, int worker)
{
    (void)worker;
    rows_job *job = context;
    tfc_trainer *t = job->trainer;
    int64_t from = i * job->rows, to = tfc_min_int(job->M, from + job->rows);
    t->kernels->pack_rows(t->rows_packed, job->M, job->K, t->operand, from, to, job->x, job->stride_m,
                          job->stride_k);
}

void tfc_train_pack_rows(tfc_trainer *trainer, const float *x, int64_t stride_m, int64_t stride_k, int64_t M,
                         int64_t K)
{
    rows_job job = {trainer, x, stride_m, stride_k, M, K, PACK_TILES * trainer->kernels->tile_m};
    tfc_pool_run(trainer->pool, tfc_ceil_div(M, job.rows), rows_task, &job);
}

typedef struct panels_job {
    const tfc_kernels *kernels;
    tfc_panels *panels;
    const float *w;
    int64_t stride_n, stride_k, n;
} panels_job;

static void panels_task(void *context, int64_t i, int worker)
{
    (void)worker;
    panels_job *job = context;
    int64_t from = i * job->n, to = tfc_min_int(job->panels->n_panels, from + job->n);
    job->kernels->pack_panels(job->panels, from, to, job->w, job->stride_n, job->stride_k);
}

void tfc_train_pack_panels(tfc_trainer *trainer, tfc_panels *panels, const float *w, int64_t stride_n,
                           int64_t stride_k)
{
    panels_job job = {trainer->kernels, panels, w, stride_n, stride_k, 1};
    job.n = panels->panel_bytes < TASK_PANEL_BYTES ? TASK_PANEL_BYTES / (int64_t)panels->panel_bytes : 1;
    tfc_pool_run(trainer->pool, tfc_ceil_div(panels->n_panels, job.n), panels_task, &job);
}

/* The product: tasks are rectangles of row tiles × panels. */
typedef struct product_job {
    const tfc_kernels *kernels;
    float *y;
    int64_t ld_y;
    const void *x;
    const tfc_panels *w;
    const float *bias;
    int64_t M, rows, n_panels, n_row_tasks;
    bool accumulate;
} product_job;

static void product_task(void *context, int64_t i, int worker)
{
    (void)worker;
    product_job *job = context;
    int64_t m = i % job->n_row_tasks * job->rows, p = i / job->n_row_tasks * job->n_panels;
    job->kernels->gemm(job->y, job->ld_y, job->x, job->M, m, tfc_min_int(job->M, m + job->rows), job->w, p,
                       tfc_min_int(job->w->n_panels, p + job->n_panels), job->bias, job->accumulate);
}

void tfc_train_multiply(tfc_trainer *trainer, float *y, int64_t ld_y, const tfc_panels *w, const float *bias,
                        int64_t M, bool accumulate)
{
    const tfc_kernels *kernels = trainer->kernels;
    product_job job = {.kernels = kernels,
                       .y = y,
                       .ld_y = ld_y,
                       .x = trainer->rows_packed,
                       .w = w,
                       .bias = bias,
                       .M = M,
                       .accumulate = accumulate};
    int64_t wanted = 4 * tfc_pool_n_threads(trainer->pool);
    job.n_panels = w->panel_bytes < TASK_PANEL_BYTES ? TASK_PANEL_BYTES / (int64_t)w->panel_bytes : 1;
    int64_t n_panel_tasks = tfc_ceil_div(w->n_panels, job.n_panels);
    int64_t n_tiles = tfc_ceil_div(M, kernels->tile_m);
    int64_t tiles = n_panel_tasks >= wanted ? n_tiles : tfc_ceil_div(n_tiles * n_panel_tasks, wanted);
    job.rows = tiles * kernels->tile_m;
    job.n_row_tasks = tfc_ceil_div(M, job.rows);
    tfc_pool_run(trainer->pool, n_panel_tasks * job.n_row_tasks, product_task, &job);
}

void tfc_train_forward(tfc_trainer *trainer, float *y, const float *x, const tfc_panels *w, const float *bias,
                       int64_t M, bool accumulate)
{
    tfc_train_pack_rows(trainer, x, w->K, 1, M, w->K);
    tfc_train_multiply(trainer, y, w->N, w, bias, M, accumulate);
}

void tfc_train_pack_x(tfc_trainer *trainer, tfc_panels *x_t, const float *x, int64_t M, int64_t K)
{
    const tfc_kernels *kernels = trainer->kernels;
    *x_t = (tfc_panels){.operand = trainer->operand,
                        .N = K,
                        .K = M,
                        .n_panels = tfc_ceil_div(K, kernels->panel_n),
                        .panel_bytes = kernels->panel_bytes(M, trainer->operand),
                        .data = trainer->panels_packed};
    tfc_train_pack_panels(trainer, x_t, x, 1, K);
}

void tfc_train_multiply_w(tfc_trainer *trainer, float *d_w, const float *d_y, int64_t ld_y,
                          const tfc_panels *x_t, int64_t M, int64_t N)
{
    tfc_train_pack_rows(trainer, d_y, 1, ld_y, N, M);
    tfc_train_multiply(trainer, d_w, x_t->N, x_t, NULL, N, true);
}

void tfc_train_backward_w(tfc_trainer *trainer, float *d_w, float *d_bias, const float *d_y, int64_t ld_y,
                          const float *x, int64_t M, int64_t N, int64_t K)
{
    tfc_panels x_t;
    tfc_train_pack_x(trainer, &x_t, x, M, K);
    tfc_train_multiply_w(trainer, d_w, d_y, ld_y, &x_t, M, N);
    if (d_bias) tfc_train_column_sums(trainer, d_bias, d_y, ld_y, M, N);
}
