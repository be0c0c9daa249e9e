/* The walk over rows, panels and steps: which tile is run when. */
#include "kernels/gemm_blocks.h"

/* One call of gemm. */
typedef struct product {
    const tfc_tiling *tiling;
    int64_t all_steps;
    float *y;
    int64_t ld_y;
    const char *x;
    int64_t M;
    const tfc_panels *w;
    const float *bias;
    bool accumulate;
} product;

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Runs the tile whose first row is m and first panel p over steps s … s+n_steps-1. */
static void run_tile(const product *g, tfc_tile_fn run, int64_t m, int64_t p, int64_t s, int64_t n_steps)
{
    int64_t n = p * g->tiling->panel_n, rows = min_i64(g->tiling->tile_m, g->M - m);
    int64_t lane_bytes = g->tiling->lane_bytes, x_step = rows * lane_bytes;
    tfc_tile_args args = {
        .y = g->y + m * g->ld_y + n,
        .ld_y = g->ld_y,
        .x = g->x + m * g->all_steps * lane_bytes + s * x_step,
        .x_step = x_step,
        .panel = (const char *)g->w->data + p * (int64_t)g->w->panel_bytes + s * g->tiling->step_bytes,
        .panel_bytes = (int64_t)g->w->panel_bytes,
        .n_steps = n_steps,
        .depth = g->tiling->depth,
        .packed_rows = rows,
        .cols = g->w->N - n,
        .bias = g->bias ? g->bias + n : NULL,
        .from = s > 0 || g->accumulate ? TFC_FROM_OLD
                : g->bias              ? TFC_FROM_BIAS
                                       : TFC_FROM_ZERO,
    };
    run(&args);
}

/* Rows m_from … m_to-1 by panels p_from … p_to-1 for one block of steps. Full tiles go down a panel while it
 * lies near; the rest of less than a tile takes several panels at once. */
static void run_block(const product *g, int64_t m_from, int64_t m_to, int64_t p_from, int64_t p_to, int64_t s,
                      int64_t n_steps)
{
    const tfc_tiling *t = g->tiling;
    int64_t rest = (m_to - m_from) % t->tile_m, m_rest = m_to - rest;
    for (int64_t p = p_from; p < p_to; p++)
        for (int64_t m = m_from; m < m_rest; m += t->tile_m)
            run_tile(g, t->narrow[t->tile_m], m, p, s, n_steps);
    if (rest == 0) return;
    int64_t width = t->wide_panels[rest], p = p_from;
    for (; p + width <= p_to; p += width) run_tile(g, t->wide[rest], m_rest, p, s, n_steps);
    for (; p < p_to; p++) run_tile(g, t->narrow[rest], m_rest, p, s, n_steps);
}

/* n things in as few blocks of at most `most` as can be, about equally large: a multiple of `unit`, at least
 * one. */
static int64_t even_block(int64_t n, int64_t most, int64_t unit)
{
    int64_t n_blocks = (n + most - 1) / most, units = (n + unit - 1) / unit;
    return n_blocks > 1 ? (units + n_blocks - 1) / n_blocks * unit : most;
}

void tfc_gemm_blocks(const tfc_tiling *tiling, int64_t all_steps, float *restrict y, int64_t ld_y,
                     const void *restrict x_packed, int64_t M, int64_t m_from, int64_t m_to,
                     const tfc_panels *w, int64_t p_from, int64_t p_to, const float *restrict bias,
                     bool accumulate)
{
    product g = {tiling, all_steps, y, ld_y, x_packed, M, w, bias, accumulate};
    const int64_t block_rows = even_block(m_to - m_from, tiling->block_rows, tiling->tile_m);
    for (int64_t m = m_from; m < m_to; m += block_rows) {
        int64_t m_end = min_i64(m + block_rows, m_to), s = 0;
        /* Up to a tile of rows reads each weight once: there is nothing to be kept in a cache. */
        bool once = m_end - m <= tiling->tile_m;
        int64_t block_steps = once ? all_steps : even_block(all_steps, tiling->block_steps, 1);
        do {
            int64_t n_steps = min_i64(block_steps, all_steps - s);
            for (int64_t p = p_from; p < p_to; p += TFC_GROUP_PANELS)
                run_block(&g, m, m_end, p, min_i64(p + TFC_GROUP_PANELS, p_to), s, n_steps);
            s += n_steps;
        } while (s < all_steps);
    }
}
