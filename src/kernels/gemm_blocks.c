/* The walk over rows, panels and steps: which tile is run when. */
#include "kernels/gemm_stored.h"

/* Half of L1: four panels of 32 steps. */
enum { WIDENED_BYTES = 16 << 10 };

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

/* Steps s … s+n_steps-1 of panels that lie n_bytes apart. */
typedef struct panel_part {
    const char *data;
    int64_t n_bytes, s, n_steps;
} panel_part;

/* Runs the tile of n_rows rows whose first row is m and first panel p, which is the first one of the part. */
static void run_tile(const product *g, tfc_tile_fn run, int64_t n_rows, int64_t m, int64_t p, panel_part part)
{
    int64_t n = p * g->tiling->panel_n, rows = min_i64(g->tiling->tile_m, g->M - m);
    int64_t lane_bytes = g->tiling->lane_bytes, x_step = rows * lane_bytes;
    tfc_tile_args args = {
        .y = g->y + m * g->ld_y + n,
        .ld_y = g->ld_y,
        .x = g->x + m * g->all_steps * lane_bytes + part.s * x_step,
        .x_step = x_step,
        .panel = part.data,
        .panel_bytes = part.n_bytes,
        .n_steps = part.n_steps,
        .depth = g->tiling->depth,
        .rows = n_rows,
        .packed_rows = rows,
        .cols = g->w->N - n,
        .bias = g->bias ? g->bias + n : NULL,
        .from = part.s > 0 || g->accumulate ? TFC_FROM_OLD
                : g->bias                   ? TFC_FROM_BIAS
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
    const int64_t n_bytes = (int64_t)g->w->panel_bytes;
    const char *data = (const char *)g->w->data + s * t->step_bytes;
    int64_t rest = (m_to - m_from) % t->tile_m, m_rest = m_to - rest;
    for (int64_t p = p_from; p < p_to; p++)
        for (int64_t m = m_from; m < m_rest; m += t->tile_m)
            run_tile(g, t->narrow[t->tile_m], t->tile_m, m, p,
                     (panel_part){data + p * n_bytes, n_bytes, s, n_steps});
    if (rest == 0) return;
    int64_t width = t->wide_panels[rest], p = p_from;
    for (; p + width <= p_to; p += width)
        run_tile(g, t->wide[rest], rest, m_rest, p, (panel_part){data + p * n_bytes, n_bytes, s, n_steps});
    for (; p < p_to; p++)
        run_tile(g, t->narrow[rest], rest, m_rest, p, (panel_part){data + p * n_bytes, n_bytes, s, n_steps});
}

/* Widens n_steps steps of n_panels panels to `room`. */
static panel_part widen(const product *g, int64_t p, int64_t n_panels, int64_t s, int64_t n_steps, char *room)
{
    const tfc_tiling *t = g->tiling;
    const int64_t stored_bytes = (int64_t)g->w->panel_bytes, n_bytes = n_steps * t->step_bytes;
    const char *stored = (const char *)g->w->data + p * stored_bytes +
                         s / t->widen_steps * tfc_stored_step(t->panel_n, g->w->stored);
    for (int64_t i = 0; i < n_panels; i++)
        t->widen(room + i * n_bytes, stored + i * stored_bytes, n_steps / t->widen_steps,
                 n_panels * stored_bytes);
    return (panel_part){room, n_bytes, s, n_steps};
}

static void run_one_row(const product *g, int64_t m, int64_t p_from, int64_t p_to)
{
    const int64_t n_bytes = (int64_t)g->w->panel_bytes;
    for (int64_t p = p_from; p < p_to; p++)
        run_tile(g, g->tiling->one_row, 1, m, p,
                 (panel_part){(const char *)g->w->data + p * n_bytes, n_bytes, 0, g->all_steps});
}

/* The same for stored blocks, all steps: what is widened is used while it lies in L1. */
static void run_stored(const product *g, int64_t m_from, int64_t m_to, int64_t p_from, int64_t p_to)
{
    const tfc_tiling *t = g->tiling;
    _Alignas(64) char room[WIDENED_BYTES];
    const int64_t rest = (m_to - m_from) % t->tile_m, m_rest = m_to - rest;
    const int64_t most = m_rest > m_from ? 1 : t->wide_panels[rest];
    for (int64_t p = p_from, width; p < p_to; p += width) {
        width = p + most <= p_to ? most : 1;
        const int64_t room_steps = WIDENED_BYTES / (width * t->step_bytes) / t->widen_steps * t->widen_steps;
        for (int64_t s = 0; s < g->all_steps; s += room_steps) {
            panel_part part = widen(g, p, width, s, min_i64(room_steps, g->all_steps - s), room);
            for (int64_t m = m_from; m < m_rest; m += t->tile_m)
                run_tile(g, t->narrow[t->tile_m], t->tile_m, m, p, part);
            if (rest) run_tile(g, (width > 1 ? t->wide : t->narrow)[rest], rest, m_rest, p, part);
        }
    }
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
        if (tiling->widen) {
            if (m_end - m == 1 && tiling->one_row)
                run_one_row(&g, m, p_from, p_to);
            else
                run_stored(&g, m, m_end, p_from, p_to);
            continue;
        }
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
