/* Matrix products with AVX-512: 14 x 32 register tiles of f32 FMA or of vdpbf16ps.
 *
 * Both operands share one form: a step is one k (f32) or two (bf16, the pair side by side), and a panel holds
 * 32 lanes of 4 bytes a step. A full tile holds 28 accumulators, two vectors of weights and one of x: 31 of
 * 32 registers.
 *
 * bf16 operands are rounded to nearest even. Subnormals become zero, there and in vdpbf16ps; sums are f32. */
#include "kernels/gemm_int8.h"
#include "kernels/gemm_stored.h"
#include "kernels/lanes_avx512.h"
#include "kernels/paths.h"

enum {
    TILE_M = 14,
    PANEL_N = 32,
    STEP_BYTES = PANEL_N * TFC_LANE_BYTES,
    BLOCK_STEPS = 768,        /* a panel block is 96 KB: it stays in L2, and the sums rest in y rarely */
    BLOCK_ROWS = 16 * TILE_M, /* the rows that reuse it before the next */
};

static int64_t steps_of(int64_t K, tfc_operand operand)
{
    return operand == TFC_OPERAND_BF16 ? (K + 1) / 2 : K;
}

static size_t panel_bytes(int64_t K, tfc_operand operand)
{
    if (operand == TFC_OPERAND_INT8) return tfc_int8_avx512.panel_bytes(K);
    return (size_t)steps_of(K, operand) * STEP_BYTES;
}

static size_t rows_bytes(int64_t M, int64_t K, tfc_operand operand)
{
    if (operand == TFC_OPERAND_INT8) return tfc_int8_avx512.rows_bytes(M, K);
    return (size_t)M * (size_t)steps_of(K, operand) * TFC_LANE_BYTES;
}

/* ---- multiplication ---- */

ALWAYS_INLINE __m512 multiply_add(__m512 acc, __m512i w, __m512i x, bool bf16)
{
    return bf16 ? _mm512_dpbf16_ps(acc, (__m512bh)w, (__m512bh)x)
                : _mm512_fmadd_ps(_mm512_castsi512_ps(w), _mm512_castsi512_ps(x), acc);
}

/* MR rows by NP panels. The next steps are fetched into L1, and these steps of the panels that come next into
 * L2: with few rows the weights come from memory, and a panel is too short a stream for the hardware to run
 * ahead. Fetching past the end of the matrix does no harm. */
ALWAYS_INLINE void tile(const tfc_tile_args *a, const int MR, const int NP, const bool bf16)
{
    enum { AHEAD = 16 * STEP_BYTES };
    const int NV = 2 * NP;
    __m512 acc[TILE_M][2 * TFC_GROUP_PANELS];
    __mmask16 masks[2 * TFC_GROUP_PANELS];
    UNROLL for (int v = 0; v < NV; v++) masks[v] = mask_of(a->cols - 16 * v);
    UNROLL for (int m = 0; m < MR; m++)
    {
        UNROLL for (int v = 0; v < NV; v++)
        {
            acc[m][v] = _mm512_setzero_ps();
            if (a->from == TFC_FROM_OLD)
                acc[m][v] = _mm512_maskz_loadu_ps(masks[v], a->y + m * a->ld_y + 16 * v);
            if (a->from == TFC_FROM_BIAS) acc[m][v] = _mm512_maskz_loadu_ps(masks[v], a->bias + 16 * v);
        }
    }
    const char *x = a->x, *panel = a->panel;
    const int64_t x_step = a->x_step, next_panel = a->panel_bytes;
    for (int64_t s = a->n_steps; s > 0; s--) {
        __m512i w[2 * TFC_GROUP_PANELS];
        UNROLL for (int v = 0; v < NV; v++)
        {
            const char *at = panel + v / 2 * next_panel + v % 2 * 64;
            w[v] = _mm512_load_si512(at);
            _mm_prefetch(at + AHEAD, _MM_HINT_T0);
            _mm_prefetch(at + NP * next_panel, _MM_HINT_T1);
        }
        UNROLL for (int m = 0; m < MR; m++)
        {
            __m512i xm = broadcast(x + TFC_LANE_BYTES * m);
            UNROLL for (int v = 0; v < NV; v++) acc[m][v] = multiply_add(acc[m][v], w[v], xm, bf16);
        }
        x += x_step;
        panel += STEP_BYTES;
    }
    UNROLL for (int m = 0; m < MR; m++)
    {
        UNROLL for (int v = 0; v < NV; v++)
        {
            _mm512_mask_storeu_ps(a->y + m * a->ld_y + 16 * v, masks[v], acc[m][v]);
        }
    }
}

/* For each number of rows: a tile of one panel, and one of as many as the registers hold. */
#define TILES(MR, NP)                                                                                        \
    static void tile_f32_##MR(const tfc_tile_args *a)                                                        \
    {                                                                                                        \
        tile(a, MR, 1, false);                                                                               \
    }                                                                                                        \
    static void tile_bf16_##MR(const tfc_tile_args *a)                                                       \
    {                                                                                                        \
        tile(a, MR, 1, true);                                                                                \
    }                                                                                                        \
    static void wide_f32_##MR(const tfc_tile_args *a)                                                        \
    {                                                                                                        \
        tile(a, MR, NP, false);                                                                              \
    }                                                                                                        \
    static void wide_bf16_##MR(const tfc_tile_args *a)                                                       \
    {                                                                                                        \
        tile(a, MR, NP, true);                                                                               \
    }
TILES(1, 4)
TILES(2, 4)
TILES(3, 2)
TILES(4, 2)
TILES(5, 2)
TILES(6, 2)
TILES(7, 1)
TILES(8, 1)
TILES(9, 1)
TILES(10, 1)
TILES(11, 1)
TILES(12, 1)
TILES(13, 1)
TILES(14, 1)

#define LIST(prefix)                                                                                         \
    {                                                                                                        \
        NULL, prefix##1, prefix##2, prefix##3, prefix##4, prefix##5, prefix##6, prefix##7, prefix##8,        \
            prefix##9, prefix##10, prefix##11, prefix##12, prefix##13, prefix##14                            \
    }
static const tfc_tile_fn narrow_tiles[TFC_OPERAND_INT8][TILE_M + 1] = {LIST(tile_f32_), LIST(tile_bf16_)};
static const tfc_tile_fn wide_tiles[TFC_OPERAND_INT8][TILE_M + 1] = {LIST(wide_f32_), LIST(wide_bf16_)};
static const uint8_t wide_panels[TILE_M + 1] = {1, 4, 4, 2, 2, 2, 2, 1,
                                                1, 1, 1, 1, 1, 1, 1}; /* as in TILES */

static void gemm(float *restrict y, int64_t ld_y, const void *restrict x_packed, int64_t M, int64_t m_from,
                 int64_t m_to, const tfc_panels *w, int64_t p_from, int64_t p_to, const float *restrict bias,
                 bool accumulate)
{
    if (w->operand == TFC_OPERAND_INT8) {
        tfc_int8_avx512.gemm(y, ld_y, x_packed, M, m_from, m_to, w, p_from, p_to, bias, accumulate);
        return;
    }
    const tfc_tiling tiling = {
        .tile_m = TILE_M,
        .panel_n = PANEL_N,
        .step_bytes = STEP_BYTES,
        .lane_bytes = TFC_LANE_BYTES,
        .block_steps = BLOCK_STEPS,
        .block_rows = BLOCK_ROWS,
        .narrow = narrow_tiles[w->operand],
        .wide = wide_tiles[w->operand],
        .wide_panels = wide_panels,
        .widen = tfc_stored_avx512.widen[w->stored][w->operand],
        .widen_steps = steps_of(TFC_STORED_K, w->operand),
        .one_row = tfc_stored_avx512.one_row[w->stored][w->operand],
    };
    tfc_gemm_blocks(&tiling, steps_of(w->K, w->operand), y, ld_y, x_packed, M, m_from, m_to, w, p_from, p_to,
                    bias, accumulate);
}

/* ---- packing ---- */

/* Up to 16 rows of a source matrix, and where their lanes go: lane i of step s at out + s*out_step + 4*i. */
typedef struct strip {
    const float *source; /* row 0, k = 0 */
    int64_t stride_row, stride_k, K;
    char *out;
    int64_t out_step;
    int64_t rows;    /* 0 … 16 that exist; the lanes after them are zero */
    __mmask16 lanes; /* that are stored */
} strip;

/* 16 steps of one row whose k lie side by side, from k0 on; zeros past K. */
ALWAYS_INLINE __m512i load_steps(const float *row, int64_t k0, int64_t K, bool bf16)
{
    if (bf16) return row_pairs(row, k0, K);
    return _mm512_castps_si512(_mm512_maskz_loadu_ps(mask_of(K - k0), row + k0));
}

ALWAYS_INLINE void pack_strip_rows(const strip *a, const bool bf16)
{
    const int64_t per_step = bf16 ? 2 : 1, n_steps = (a->K + per_step - 1) / per_step;
    for (int64_t s = 0; s < n_steps; s += 16) {
        __m512i v[16];
        for (int i = 0; i < 16; i++)
            v[i] = i < a->rows ? load_steps(a->source + i * a->stride_row, s * per_step, a->K, bf16)
                               : _mm512_setzero_si512();
        transpose(v);
        for (int i = 0; i < 16; i++)
            if (s + i < n_steps) _mm512_mask_storeu_epi32(a->out + (s + i) * a->out_step, a->lanes, v[i]);
    }
}

/* The rows lie side by side: one vector of lanes at each k. */
ALWAYS_INLINE void pack_strip_columns(const strip *a, const bool bf16)
{
    const __mmask16 rows = mask_of(a->rows);
    char *out = a->out;
    for (int64_t k = 0; k < a->K; k += bf16 ? 2 : 1, out += a->out_step) {
        const float *at = a->source + k * a->stride_k;
        __m512 low = _mm512_maskz_loadu_ps(rows, at), high = _mm512_setzero_ps();
        __m512i lanes = _mm512_castps_si512(low);
        if (bf16) {
            if (k + 1 < a->K) high = _mm512_maskz_loadu_ps(rows, at + a->stride_k);
            lanes = pairs_of(low, high);
        }
        _mm512_mask_storeu_epi32(out, a->lanes, lanes);
    }
}

/* A tile of one row whose k lie side by side is a copy. */
ALWAYS_INLINE void pack_one_row(const strip *a, const bool bf16)
{
    const int64_t per_step = bf16 ? 2 : 1, n_steps = (a->K + per_step - 1) / per_step;
    for (int64_t s = 0; s < n_steps; s += 16)
        _mm512_mask_storeu_epi32(a->out + s * TFC_LANE_BYTES, mask_of(n_steps - s),
                                 load_steps(a->source, s * per_step, a->K, bf16));
}

static void pack_strip(const strip *a, tfc_operand operand)
{
    if (a->stride_k == 1 && a->out_step == TFC_LANE_BYTES) {
        if (operand == TFC_OPERAND_BF16)
            pack_one_row(a, true);
        else
            pack_one_row(a, false);
    } else if (a->stride_k == 1) {
        if (operand == TFC_OPERAND_BF16)
            pack_strip_rows(a, true);
        else
            pack_strip_rows(a, false);
    } else {
        if (operand == TFC_OPERAND_BF16)
            pack_strip_columns(a, true);
        else
            pack_strip_columns(a, false);
    }
}

/* How many k are packed at a time. Where the rows lie side by side, a stretch of k is taken through all
 * strips, so that what is read of the source fits into L2 and its pages into the translation buffer. */
static int64_t pack_block(int64_t K, int64_t stride_k)
{
    return stride_k == 1 ? K : 64;
}

static void pack_panels(tfc_panels *panels, int64_t from, int64_t to, const float *restrict w,
                        int64_t stride_n, int64_t stride_k)
{
    if (panels->operand == TFC_OPERAND_INT8) {
        tfc_int8_avx512.pack_panels(panels, from, to, w, stride_n, stride_k);
        return;
    }
    const int64_t K = panels->K, block = pack_block(K, stride_k);
    for (int64_t k = 0; k < K; k += block) {
        for (int64_t half = 2 * from; half < 2 * to; half++) {
            int64_t n = half * 16, rows = panels->N - n;
            char *panel = (char *)panels->data + half / 2 * (int64_t)panels->panel_bytes + half % 2 * 64;
            strip a = {
                .source = w + n * stride_n + k * stride_k,
                .stride_row = stride_n,
                .stride_k = stride_k,
                .K = min_i64(block, K - k),
                .out = panel + steps_of(k, panels->operand) * STEP_BYTES,
                .out_step = STEP_BYTES,
                .rows = rows < 0 ? 0 : min_i64(16, rows),
                .lanes = 0xFFFF,
            };
            pack_strip(&a, panels->operand);
        }
    }
}

static size_t stored_bytes(int64_t K, tfc_dtype dtype)
{
    return tfc_stored_panel(K, PANEL_N, dtype);
}

static void pack_rows(void *restrict packed, int64_t M, int64_t K, tfc_operand operand, int64_t from,
                      int64_t to, const float *restrict x, int64_t stride_m, int64_t stride_k)
{
    if (operand == TFC_OPERAND_INT8) {
        tfc_int8_avx512.pack_rows(packed, M, K, from, to, x, stride_m, stride_k);
        return;
    }
    const int64_t block = pack_block(K, stride_k), n_steps = steps_of(K, operand);
    for (int64_t k = 0; k < K; k += block) {
        for (int64_t m = from; m < to; m += TILE_M) {
            int64_t rows = min_i64(TILE_M, M - m);
            strip a = {
                .source = x + m * stride_m + k * stride_k,
                .stride_row = stride_m,
                .stride_k = stride_k,
                .K = min_i64(block, K - k),
                .out = (char *)packed + (m * n_steps + rows * steps_of(k, operand)) * TFC_LANE_BYTES,
                .out_step = rows * TFC_LANE_BYTES,
                .rows = rows,
                .lanes = mask_of(rows),
            };
            pack_strip(&a, operand);
        }
    }
}

void tfc_gemm_avx512_install(tfc_kernels *kernels)
{
    kernels->panel_n = PANEL_N;
    kernels->tile_m = TILE_M;
    kernels->many_rows = TFC_MANY_ROWS;
    kernels->default_operand = TFC_OPERAND_BF16;
    kernels->panel_bytes = panel_bytes;
    kernels->rows_bytes = rows_bytes;
    kernels->pack_panels = pack_panels;
    kernels->stored_bytes = stored_bytes;
    kernels->pack_stored = tfc_stored_avx512.pack;
    kernels->pack_rows = pack_rows;
    kernels->gemm = gemm;
}

/* 16 chains hide the latency of either multiplication. */
double tfc_gemm_avx512_peak(tfc_operand operand, int64_t rounds, float *sink)
{
    enum { CHAINS = 16 };
    if (operand == TFC_OPERAND_INT8) return tfc_int8_avx512.peak(rounds, sink);
    const bool bf16 = operand == TFC_OPERAND_BF16;
    __m512 acc[CHAINS];
    __m512i a = bf16 ? _mm512_set1_epi16(0x3F80) : _mm512_castps_si512(_mm512_set1_ps(1.0F)), b = a;
    UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++) {
        __asm__ volatile("" : "+v"(a), "+v"(b)); /* a round may not be folded into the next */
        if (bf16) {
            UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = multiply_add(acc[i], a, b, true);
        } else {
            UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = multiply_add(acc[i], a, b, false);
        }
    }
    UNROLL for (int i = 0; i < CHAINS; i++) *sink += _mm512_reduce_add_ps(acc[i]);
    return (bf16 ? 4.0 : 2.0) * 16 * CHAINS * (double)rounds;
}
