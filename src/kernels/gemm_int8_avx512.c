/* int8 products with AVX-512 VNNI: 14 x 32 register tiles of vpdpbusd.
 *
 * vpdpbusd adds four products of an unsigned and a signed byte to each 32-bit lane, without saturation. The
 * weights are the unsigned side, q + 128; each row of activations brings -128 times its block's sum, which
 * takes the offset out again: sums start from it, and are exact.
 *
 * A step is one block of int8_block.h. A panel holds the weights [block/4][32][4] and the scales [32] of a
 * step; a row tile the values [block/4][rows][4], the scales [rows] and the corrections [rows]. A full tile
 * holds 28 accumulators; outputs rest in y between blocks. */
#include "kernels/gemm_blocks.h"
#include "kernels/gemm_int8.h"
#include "kernels/int8_block.h"
#include "kernels/lanes_avx512.h"

enum {
    TILE_M = 14,
    PANEL_N = 32,
    QUAD_BYTES = PANEL_N * TFC_LANE_BYTES, /* of a panel: four k */
    ROW_EXTRA = 2 * TFC_LANE_BYTES,        /* of a row and block: scale, correction */
    BLOCK_VALUES = 3072,                   /* a panel block is 100 KB: it stays in L2 */
    BLOCK_ROWS = 16 * TILE_M,              /* the rows that reuse it before the next */
};

static int64_t step_bytes(int64_t K)
{
    return (tfc_int8_block(K) + TFC_LANE_BYTES) * PANEL_N;
}

static size_t panel_bytes(int64_t K)
{
    return (size_t)(tfc_int8_n_blocks(K) * step_bytes(K));
}

static size_t rows_bytes(int64_t M, int64_t K)
{
    return (size_t)M * tfc_int8_row_bytes(K, 1, ROW_EXTRA);
}

/* ---- multiplication ---- */

/* As _mm512_dpbusd_epi32, for which gcc 12 copies registers. */
ALWAYS_INLINE __m512i multiply_add(__m512i acc, __m512i w, __m512i x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(w), "v"(x));
    return acc;
}

/* y = start + (float)sum * (x_scale * w_scale) for MR rows by NP panels. */
ALWAYS_INLINE void add_to_outputs(const tfc_tile_args *a, __m512i acc[TILE_M][2 * TFC_GROUP_PANELS],
                                  const char *scales, const char *w_scales, tfc_tile_start from, const int MR,
                                  const int NP)
{
    const int NV = 2 * NP;
    UNROLL for (int v = 0; v < NV; v++)
    {
        __mmask16 mask = mask_of(a->cols - 16 * v);
        __m512 w_scale = _mm512_load_ps(w_scales + v / 2 * a->panel_bytes + v % 2 * 64);
        UNROLL for (int m = 0; m < MR; m++)
        {
            float *y = a->y + m * a->ld_y + 16 * v;
            __m512 old = _mm512_setzero_ps();
            if (from == TFC_FROM_OLD) old = _mm512_maskz_loadu_ps(mask, y);
            if (from == TFC_FROM_BIAS) old = _mm512_maskz_loadu_ps(mask, a->bias + 16 * v);
            __m512 scale =
                _mm512_mul_ps(_mm512_castsi512_ps(broadcast(scales + TFC_LANE_BYTES * m)), w_scale);
            __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[m][v]), scale);
            _mm512_mask_storeu_ps(y, mask, _mm512_add_ps(old, product));
        }
    }
}

/* MR rows by NP panels. What comes later is fetched as in gemm_avx512.c. */
ALWAYS_INLINE void tile(const tfc_tile_args *a, const int MR, const int NP)
{
    enum { AHEAD = 16 * QUAD_BYTES };
    const int NV = 2 * NP;
    const int64_t n_quads = a->depth / 4, x_quad = a->packed_rows * TFC_LANE_BYTES;
    const int64_t next_panel = a->panel_bytes;
    const char *x = a->x, *panel = a->panel;
    tfc_tile_start from = a->from;
    for (int64_t s = a->n_steps; s > 0; s--, from = TFC_FROM_OLD) {
        const char *scales = x + n_quads * x_quad, *corrections = scales + x_quad;
        __m512i acc[TILE_M][2 * TFC_GROUP_PANELS];
        UNROLL for (int m = 0; m < MR; m++)
        {
            UNROLL for (int v = 0; v < NV; v++) acc[m][v] = broadcast(corrections + TFC_LANE_BYTES * m);
        }
        for (int64_t q = n_quads; q > 0; q--) {
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
                UNROLL for (int v = 0; v < NV; v++) acc[m][v] = multiply_add(acc[m][v], w[v], xm);
            }
            x += x_quad;
            panel += QUAD_BYTES;
        }
        add_to_outputs(a, acc, scales, panel, from, MR, NP);
        x += 2 * x_quad;
        panel += QUAD_BYTES;
    }
}

/* For each number of rows: a tile of one panel, and one of as many as the registers hold. */
#define TILES(MR, NP)                                                                                        \
    static void tile_##MR(const tfc_tile_args *a)                                                            \
    {                                                                                                        \
        tile(a, MR, 1);                                                                                      \
    }                                                                                                        \
    static void wide_##MR(const tfc_tile_args *a)                                                            \
    {                                                                                                        \
        tile(a, MR, NP);                                                                                     \
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
static const tfc_tile_fn narrow_tiles[TILE_M + 1] = LIST(tile_);
static const tfc_tile_fn wide_tiles[TILE_M + 1] = LIST(wide_);
static const uint8_t wide_panels[TILE_M + 1] = {1, 4, 4, 2, 2, 2, 2, 1,
                                                1, 1, 1, 1, 1, 1, 1}; /* as in TILES */

static void gemm(float *restrict y, int64_t ld_y, const void *restrict x_packed, int64_t M, int64_t m_from,
                 int64_t m_to, const tfc_panels *w, int64_t p_from, int64_t p_to, const float *restrict bias,
                 bool accumulate)
{
    const int64_t block = tfc_int8_block(w->K);
    const tfc_tiling tiling = {
        .tile_m = TILE_M,
        .panel_n = PANEL_N,
        .step_bytes = step_bytes(w->K),
        .lane_bytes = block + ROW_EXTRA,
        .depth = block,
        .block_steps = BLOCK_VALUES / block,
        .block_rows = BLOCK_ROWS,
        .narrow = narrow_tiles,
        .wide = wide_tiles,
        .wide_panels = wide_panels,
    };
    tfc_gemm_blocks(&tiling, tfc_int8_n_blocks(w->K), y, ld_y, x_packed, M, m_from, m_to, w, p_from, p_to,
                    bias, accumulate);
}

/* ---- packing ---- */

/* A column of a panel: four values and the offset of 128 in each lane; lanes lie QUAD_BYTES apart. */
static float pack_column(char *out, const float *w, int64_t stride, int64_t n, int64_t block)
{
    int8_t q[TFC_INT8_MAX_BLOCK];
    float scale = tfc_int8_quantize(q, w, stride, n, block);
    for (int64_t i = 0; i < block; i += 4, out += QUAD_BYTES) {
        uint32_t lane;
        memcpy(&lane, q + i, sizeof lane);
        lane ^= 0x80808080U; /* adding 128 to a byte is turning its highest bit over */
        memcpy(out, &lane, sizeof lane);
    }
    return scale;
}

static void pack_panels(tfc_panels *panels, int64_t from, int64_t to, const float *restrict w,
                        int64_t stride_n, int64_t stride_k)
{
    const int64_t K = panels->K, block = tfc_int8_block(K);
    for (int64_t p = from; p < to; p++) {
        char *out = (char *)panels->data + (size_t)p * panels->panel_bytes;
        const int64_t cols = min_i64(PANEL_N, panels->N - p * PANEL_N);
        for (int64_t k = 0; k < K; k += block, out += step_bytes(K)) {
            memset(out, 0, (size_t)step_bytes(K)); /* columns past N: any weights, scale 0 */
            for (int64_t i = 0; i < cols; i++) {
                const float *at = w + (p * PANEL_N + i) * stride_n + k * stride_k;
                float scale =
                    pack_column(out + i * TFC_LANE_BYTES, at, stride_k, min_i64(block, K - k), block);
                memcpy(out + block * PANEL_N + i * TFC_LANE_BYTES, &scale, sizeof scale);
            }
        }
    }
}

/* One block of a tile of `rows` rows. */
typedef struct row_block {
    char *out;
    const float *x; /* row 0, the block's first k */
    int64_t stride_m, stride_k, rows, n, block;
} row_block;

/* tfc_int8_scale in each lane. */
ALWAYS_INLINE __m512 scales_of(__m512i max_bits, __m512 *inverse)
{
    const __m512 max = _mm512_castsi512_ps(max_bits);
    const __mmask16 finite = _mm512_cmplt_epu32_mask(max_bits, _mm512_set1_epi32(0x7F800000));
    const __mmask16 used = _mm512_mask_cmp_ps_mask(finite, max, _mm512_set1_ps(TFC_INT8_TINY), _CMP_GE_OQ);
    *inverse = _mm512_maskz_div_ps(used, _mm512_set1_ps(TFC_INT8_LEVELS), max);
    __m512 scale = _mm512_maskz_div_ps(used, max, _mm512_set1_ps(TFC_INT8_LEVELS * TFC_INT8_ROTATION));
    return _mm512_mask_mov_ps(_mm512_castsi512_ps(_mm512_set1_epi32(0x7FC00000)), finite, scale);
}

ALWAYS_INLINE __m512i absolute_bits(__m512 v)
{
    return _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7FFFFFFF));
}

/* v[4] holds the 64 values of a group in order. */
ALWAYS_INLINE void rotate_row(__m512 v[4])
{
    /* partners 8, 4, 2 and 1 apart: the lanes that stand second in their pair */
    static const uint16_t second[4] = {0xFF00, 0xF0F0, 0xCCCC, 0xAAAA};
    for (int away = 2; away > 0; away--) {
        for (int i = 0; i < 4; i++) {
            if (i & away) continue;
            __m512 a = v[i], b = v[i + away];
            v[i] = _mm512_add_ps(a, b);
            v[i + away] = _mm512_sub_ps(a, b);
        }
    }
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < 4; i++) {
            const __m512 x = v[i];
            const __m512 partner = stage == 0   ? _mm512_shuffle_f32x4(x, x, 0x4E)
                                   : stage == 1 ? _mm512_shuffle_f32x4(x, x, 0xB1)
                                   : stage == 2 ? _mm512_permute_ps(x, 0x4E)
                                                : _mm512_permute_ps(x, 0xB1);
            v[i] = _mm512_mask_sub_ps(_mm512_add_ps(x, partner), second[stage], partner, x);
        }
    }
}

/* A row alone whose k lie side by side. */
static void pack_one_row(const row_block *b)
{
    __m512 v[TFC_INT8_MAX_BLOCK / 16], inverse;
    const int n_vectors = (int)(b->block / 16);
    __m512i max = _mm512_setzero_si512(), sum = max;
    for (int i = 0; i < n_vectors; i++) v[i] = _mm512_maskz_loadu_ps(mask_of(b->n - 16 * i), b->x + 16 * i);
    for (int i = 0; i < n_vectors; i += 4) rotate_row(v + i);
    for (int i = 0; i < n_vectors; i++) max = _mm512_max_epu32(max, absolute_bits(v[i]));
    max = _mm512_set1_epi32((int32_t)_mm512_reduce_max_epu32(max));
    const __m512 scale = scales_of(max, &inverse);
    const __mmask16 used = _mm512_cmp_ps_mask(inverse, _mm512_setzero_ps(), _CMP_GT_OQ);
    for (int i = 0; i < n_vectors; i++) {
        __m512i q = _mm512_maskz_cvtps_epi32(used, _mm512_mul_ps(v[i], inverse));
        _mm_storeu_si128((void *)(b->out + 16 * i), _mm512_cvtepi32_epi8(q));
        sum = _mm512_add_epi32(sum, q);
    }
    const float row_scale = _mm512_cvtss_f32(scale);
    const int32_t correction = -128 * _mm512_reduce_add_epi32(sum);
    memcpy(b->out + b->block, &row_scale, sizeof row_scale);
    memcpy(b->out + b->block + TFC_LANE_BYTES, &correction, sizeof correction);
}

/* v[k] = the block's values k of all rows, a row a lane; zeros past n. */
ALWAYS_INLINE void load_columns(const row_block *b, __m512 v[TFC_INT8_MAX_BLOCK])
{
    if (b->stride_k != 1) {
        for (int64_t k = 0; k < b->block; k++)
            v[k] = k < b->n ? _mm512_maskz_loadu_ps(mask_of(b->rows), b->x + k * b->stride_k)
                            : _mm512_setzero_ps();
        return;
    }
    for (int64_t k = 0; k < b->block; k += 16) {
        __m512i part[16];
        for (int i = 0; i < 16; i++)
            part[i] = i < b->rows ? _mm512_castps_si512(
                                        _mm512_maskz_loadu_ps(mask_of(b->n - k), b->x + i * b->stride_m + k))
                                  : _mm512_setzero_si512();
        transpose(part);
        for (int i = 0; i < 16; i++) v[k + i] = _mm512_castsi512_ps(part[i]);
    }
}

ALWAYS_INLINE void butterflies(__m512 t[8], const int away)
{
    UNROLL for (int i = 0; i < 8; i++)
    {
        if (i & away) continue;
        __m512 a = t[i], b = t[i + away];
        t[i] = _mm512_add_ps(a, b);
        t[i + away] = _mm512_sub_ps(a, b);
    }
}

/* Rotates the eight values that stand `apart` one from the next. */
ALWAYS_INLINE void rotate_eight(__m512 *v, const int apart)
{
    __m512 t[8];
    UNROLL for (int i = 0; i < 8; i++) t[i] = v[i * apart];
    butterflies(t, 4);
    butterflies(t, 2);
    butterflies(t, 1);
    UNROLL for (int i = 0; i < 8; i++) v[i * apart] = t[i];
}

/* As tfc_int8_rotate of every row. */
static void rotate(__m512 v[TFC_INT8_GROUP])
{
    for (int i = 0; i < 8; i++) rotate_eight(v + i, 8);
    for (int i = 0; i < TFC_INT8_GROUP; i += 8) rotate_eight(v + i, 1);
}

/* Up to 16 rows together, each a lane. */
static void pack_together(const row_block *b)
{
    __m512 v[TFC_INT8_MAX_BLOCK], inverse;
    __m512i max = _mm512_setzero_si512(), sum = max;
    const __mmask16 rows = mask_of(b->rows);
    load_columns(b, v);
    for (int64_t k = 0; k < b->block; k += TFC_INT8_GROUP) rotate(v + k);
    for (int64_t k = 0; k < b->block; k++) max = _mm512_max_epu32(max, absolute_bits(v[k]));
    const __m512 scale = scales_of(max, &inverse);
    const __mmask16 used = _mm512_cmp_ps_mask(inverse, _mm512_setzero_ps(), _CMP_GT_OQ);
    char *out = b->out;
    for (int64_t k = 0; k < b->block; k += 4, out += TFC_LANE_BYTES * b->rows) {
        __m512i lanes = _mm512_setzero_si512();
        UNROLL for (int i = 3; i >= 0; i--)
        {
            __m512i q = _mm512_maskz_cvtps_epi32(used, _mm512_mul_ps(v[k + i], inverse));
            q = _mm512_and_si512(q, _mm512_set1_epi32(0xFF));
            lanes = _mm512_or_si512(_mm512_slli_epi32(lanes, 8), q);
        }
        sum = multiply_add(sum, _mm512_set1_epi8(1), lanes);
        _mm512_mask_storeu_epi32(out, rows, lanes);
    }
    _mm512_mask_storeu_ps(out, rows, scale);
    sum = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sum, 7));
    _mm512_mask_storeu_epi32(out + TFC_LANE_BYTES * b->rows, rows, sum);
}

static void pack_rows(void *restrict packed, int64_t M, int64_t K, int64_t from, int64_t to,
                      const float *restrict x, int64_t stride_m, int64_t stride_k)
{
    const int64_t block = tfc_int8_block(K), lane_bytes = block + ROW_EXTRA;
    for (int64_t m = from; m < to; m += TILE_M) {
        const int64_t rows = min_i64(TILE_M, M - m);
        row_block b = {.out = (char *)packed + m * tfc_int8_n_blocks(K) * lane_bytes,
                       .x = x + m * stride_m,
                       .stride_m = stride_m,
                       .stride_k = stride_k,
                       .rows = rows,
                       .block = block};
        for (int64_t k = 0; k < K; k += block) {
            b.n = min_i64(block, K - k);
            if (rows == 1 && stride_k == 1)
                pack_one_row(&b);
            else
                pack_together(&b);
            b.out += rows * lane_bytes;
            b.x += block * stride_k;
        }
    }
}

/* 16 chains, as in gemm_avx512.c. */
static double peak(int64_t rounds, float *sink)
{
    enum { CHAINS = 16 };
    __m512i acc[CHAINS], a = _mm512_set1_epi8(1), b = a;
    UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_set1_epi32(i);
    for (int64_t r = 0; r < rounds; r++) {
        __asm__ volatile("" : "+v"(a), "+v"(b)); /* a round may not be folded into the next */
        UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = multiply_add(acc[i], a, b);
    }
    UNROLL for (int i = 0; i < CHAINS; i++) *sink += (float)_mm512_reduce_add_epi32(acc[i]);
    return 8.0 * 16 * CHAINS * (double)rounds;
}

const tfc_int8_path tfc_int8_avx512 = {panel_bytes, rows_bytes, pack_panels, pack_rows, gemm, peak};
