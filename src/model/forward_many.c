/* Many rows: one task takes a block of rows from attention to attention. The block's rows, its inner columns
 * and a panel fit in L2 together; the weights pass by from L3, once for each block. */
#include "model/forward_inside.h"

/* Rows of block i: whole tiles, shared out evenly, so that the last block is no straggler. */
static int64_t n_blocks(const tfc_forward *f)
{
    int64_t n = (f->M + f->block_rows - 1) / f->block_rows;
    return (n + f->n_threads - 1) / f->n_threads * f->n_threads;
}

typedef struct row_block {
    int64_t from, n;
} row_block;

static row_block block_at(const tfc_forward *f, int64_t i)
{
    int64_t tile_m = f->kernels->tile_m, n_tiles = (f->M + tile_m - 1) / tile_m, n = n_blocks(f);
    int64_t from = i * n_tiles / n * tile_m, to = (i + 1) * n_tiles / n * tile_m;
    return (row_block){from, tfc_smaller(to, f->M) - from};
}

static void pack(const tfc_forward *f, tfc_forward_scratch *s, const float *x, int64_t n, int64_t K)
{
    f->kernels->pack_rows(s->packed, n, K, f->model->operand, 0, n, x, K, 1);
}

static void multiply(const tfc_forward *f, const tfc_forward_scratch *s, float *y, int64_t ld_y, int64_t n,
                     const tfc_panels *w, const float *bias, bool accumulate)
{
    f->kernels->gemm(y, ld_y, s->packed, n, 0, n, w, 0, w->n_panels, bias, accumulate);
}

static void norm_and_pack(const tfc_forward *f, tfc_forward_scratch *s, row_block block, const float *weight,
                          const float *bias)
{
    int64_t C = f->hp->C;
    for (int64_t r = 0; r < block.n; r++)
        tfc_model_norm(f->model, s->normed + r * C, f->rows + (block.from + r) * C, weight, bias);
    pack(f, s, s->normed, block.n, C);
}

static void before_attention(tfc_forward *f, tfc_forward_scratch *s, row_block block, int64_t layer)
{
    const tfc_packed_layer *w = &f->model->packed.layers[layer];
    norm_and_pack(f, s, block, w->norm1, w->norm1_bias);
    multiply(f, s, f->qkv + block.from * f->QKV, f->QKV, block.n, &w->qkv, w->qkv_bias, false);
    tfc_forward_place(f, layer, block.from, block.from + block.n);
}

/* Columns from … from+n-1 of the product with w to y, whose first column is that of the panel that holds
 * `from`; returns where `from` lies in y. */
static const float *inner_columns(const tfc_forward *f, const tfc_forward_scratch *s, float *y, int64_t ld_y,
                                  int64_t rows, const tfc_panels *w, const float *bias, int64_t from,
                                  int64_t n)
{
    int64_t panel_n = f->kernels->panel_n, p_from = from / panel_n, p_to = (from + n + panel_n - 1) / panel_n;
    /* The panels as a matrix of their own: y begins at their first column. */
    tfc_panels part = *w;
    part.N = tfc_smaller(p_to * panel_n, w->N) - p_from * panel_n;
    part.n_panels = p_to - p_from;
    part.data = (char *)w->data + (size_t)p_from * w->panel_bytes;
    multiply(f, s, y, ld_y, rows, &part, bias ? bias + p_from * panel_n : NULL, false);
    return y + (from - p_from * panel_n);
}

/* active[n, I] = swiglu or gelu of the packed rows times the MLP's first matrix, some columns at a time. */
static void activate(const tfc_forward *f, tfc_forward_scratch *s, int64_t rows, const tfc_packed_layer *w)
{
    int64_t I = f->hp->I, half = TFC_INNER_COLUMNS + f->kernels->panel_n, ld = 2 * half;
    for (int64_t from = 0; from < I; from += TFC_INNER_COLUMNS) {
        int64_t n = tfc_smaller(TFC_INNER_COLUMNS, I - from);
        const float *gate = inner_columns(f, s, s->inner, ld, rows, &w->up, w->w_up_bias, from, n),
                    *up = NULL;
        if (f->hp->gated)
            up = inner_columns(f, s, s->inner + half, ld, rows, &w->up, w->w_up_bias, I + from, n);
        for (int64_t r = 0; r < rows; r++) {
            float *active = s->active + r * I + from;
            if (up)
                f->kernels->swiglu(active, gate + r * ld, up + r * ld, n);
            else
                f->kernels->gelu(active, gate + r * ld, n);
        }
    }
}

static void after_attention(tfc_forward *f, tfc_forward_scratch *s, row_block block, int64_t layer)
{
    const tfc_packed_layer *w = &f->model->packed.layers[layer];
    int64_t C = f->hp->C, to = block.from + block.n;
    float *rows = f->rows + block.from * C;
    tfc_forward_add_bias(f, w->wo_bias, block.from, to);
    pack(f, s, f->attended + block.from * f->Q, block.n, f->Q);
    multiply(f, s, rows, C, block.n, &w->wo, NULL, true);
    norm_and_pack(f, s, block, w->norm2, w->norm2_bias);
    activate(f, s, block.n, w);
    tfc_forward_add_bias(f, w->w_down_bias, block.from, to);
    pack(f, s, s->active, block.n, f->hp->I);
    multiply(f, s, rows, C, block.n, &w->down, NULL, true);
}

static void before_task(void *context, int64_t i, int worker)
{
    tfc_forward *f = context;
    row_block block = block_at(f, i);
    before_attention(f, &f->scratch[worker], block, f->layer);
}

static void after_task(void *context, int64_t i, int worker)
{
    tfc_forward *f = context;
    after_attention(f, &f->scratch[worker], block_at(f, i), f->layer);
}

static void after_and_before_task(void *context, int64_t i, int worker)
{
    tfc_forward *f = context;
    row_block block = block_at(f, i);
    after_attention(f, &f->scratch[worker], block, f->layer);
    before_attention(f, &f->scratch[worker], block, f->layer + 1);
}

void tfc_forward_many_before(tfc_forward *f, int64_t layer)
{
    f->layer = layer;
    tfc_pool_run(f->pool, n_blocks(f), before_task, f);
}

void tfc_forward_many_after(tfc_forward *f, int64_t layer, bool last)
{
    f->layer = layer;
    tfc_pool_run(f->pool, n_blocks(f), last ? after_task : after_and_before_task, f);
}
