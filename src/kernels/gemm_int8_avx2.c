/* int8 products with AVX2: 6 x 16 register tiles of vpmaddwd.
 *
 * vpmaddubsw would saturate: a pair of products reaches 2 * 127 * 127 with both sides signed, and takes as
 * many instructions once the signs are put right. So the weights are widened to 16 bits on the way, the
 * activations lie there as 16 bits, and sums are exact.
 *
 * A step is one block of int8_block.h. A panel holds the weights [block/2][16][2] and the scales [16] of a
 * step; a row tile the values [block/2][rows][2] and the scales [rows]. A full tile holds 12 accumulators,
 * two vectors of weights, one of x and a product: 16 of 16 registers; outputs rest in y between blocks. */
#include <immintrin.h>

#include "kernels/gemm_blocks.h"
#include "kernels/gemm_int8.h"
#include "kernels/int8_block.h"

enum {
    TILE_M = 6,
    PANEL_N = 16,
    PAIR_BYTES = PANEL_N * 2, /* of a panel: two k */
    BLOCK_VALUES = 3072,      /* a panel block is 50 KB: it stays in L2 */
    BLOCK_ROWS = 16 * TILE_M, /* the rows that reuse it before the next */
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t step_bytes(int64_t K)
{
    return (tfc_int8_block(K) + TFC_LANE_BYTES) * PANEL_N;
}

/* Of a row and step. */
static int64_t lane_bytes(int64_t K)
{
    return tfc_int8_block(K) * (int64_t)sizeof(int16_t) + TFC_LANE_BYTES;
}

static size_t panel_bytes(int64_t K)
{
    return (size_t)(tfc_int8_n_blocks(K) * step_bytes(K));
}

static size_t rows_bytes(int64_t M, int64_t K)
{
    return (size_t)M * tfc_int8_row_bytes(K, sizeof(int16_t), TFC_LANE_BYTES);
}

/* ---- multiplication ---- */

ALWAYS_INLINE float load_float(const char *at)
{
    float f;
    memcpy(&f, at, sizeof f);
    return f;
}

/* The first n of 8 floats; zeros after them. */
ALWAYS_INLINE __m256 load_part(const float *at, int64_t n)
{
    if (n >= 8) return _mm256_loadu_ps(at);
    float part[8] = {0};
    for (int64_t i = 0; i < n; i++) part[i] = at[i];
    return _mm256_loadu_ps(part);
}

ALWAYS_INLINE void store_part(float *at, __m256 v, int64_t n)
{
    if (n >= 8) {
        _mm256_storeu_ps(at, v);
        return;
    }
    float part[8];
    _mm256_storeu_ps(part, v);
    for (int64_t i = 0; i < n; i++) at[i] = part[i];
}

/* y = start + (float)sum * (x_scale * w_scale) for MR rows by NP panels. */
ALWAYS_INLINE void add_to_outputs(const tfc_tile_args *a, __m256i acc[TILE_M][2 * TFC_GROUP_PANELS],
                                  const char *scales, const char *w_scales, tfc_tile_start from, const int MR,
                                  const int NP)
{
    UNROLL for (int m = 0; m < MR; m++)
    {
        __m256 x_scale = _mm256_set1_ps(load_float(scales + TFC_LANE_BYTES * m));
        UNROLL for (int v = 0; v < 2 * NP; v++)
        {
            float *y = a->y + m * a->ld_y + 8 * v;
            int64_t cols = a->cols - 8 * v;
            __m256 old = _mm256_setzero_ps();
            if (from == TFC_FROM_OLD) old = load_part(y, cols);
            if (from == TFC_FROM_BIAS) old = load_part(a->bias + 8 * v, cols);
            __m256 w_scale = _mm256_load_ps((const void *)(w_scales + v / 2 * a->panel_bytes + v % 2 * 32));
            __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[m][v]), _mm256_mul_ps(x_scale, w_scale));
            store_part(y, _mm256_add_ps(old, product), cols);
        }
    }
}

/* MR rows by NP panels. What comes later is fetched as in gemm_avx2.c. */
ALWAYS_INLINE void tile(const tfc_tile_args *a, const int MR, const int NP)
{
    enum { AHEAD = 16 * PAIR_BYTES };
    const int NV = 2 * NP;
    const int64_t n_pairs = a->depth / 2, x_pair = a->packed_rows * TFC_LANE_BYTES;
    const char *x = a->x, *panel = a->panel;
    tfc_tile_start from = a->from;
    for (int64_t s = a->n_steps; s > 0; s--, from = TFC_FROM_OLD) {
        __m256i acc[TILE_M][2 * TFC_GROUP_PANELS];
        UNROLL for (int m = 0; m < MR; m++)
        {
            UNROLL for (int v = 0; v < NV; v++) acc[m][v] = _mm256_setzero_si256();
        }
        for (int64_t q = n_pairs; q > 0; q--) {
            __m256i w[2 * TFC_GROUP_PANELS];
            UNROLL for (int p = 0; p < NP; p++)
            {
                const char *at = panel + p * a->panel_bytes;
                w[2 * p] = _mm256_cvtepi8_epi16(_mm_load_si128((const void *)at));
                w[2 * p + 1] = _mm256_cvtepi8_epi16(_mm_load_si128((const void *)(at + 16)));
                _mm_prefetch(at + AHEAD, _MM_HINT_T0);
                _mm_prefetch(at + NP * a->panel_bytes, _MM_HINT_T1);
            }
            UNROLL for (int m = 0; m < MR; m++)
            {
                int32_t lane;
                memcpy(&lane, x + TFC_LANE_BYTES * m, sizeof lane);
                __m256i xm = _mm256_set1_epi32(lane);
                UNROLL for (int v = 0; v < NV; v++) acc[m][v] =
                    _mm256_add_epi32(acc[m][v], _mm256_madd_epi16(w[v], xm));
            }
            x += x_pair;
            panel += PAIR_BYTES;
        }
        add_to_outputs(a, acc, x, panel, from, MR, NP);
        x += x_pair;
        panel += PANEL_N * TFC_LANE_BYTES;
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
TILES(2, 2)
TILES(3, 1)
TILES(4, 1)
TILES(5, 1)
TILES(6, 1)

#define LIST(prefix)                                                                                         \
    {                                                                                                        \
        NULL, prefix##1, prefix##2, prefix##3, prefix##4, prefix##5, prefix##6                               \
    }
static const tfc_tile_fn narrow_tiles[TILE_M + 1] = LIST(tile_);
static const tfc_tile_fn wide_tiles[TILE_M + 1] = LIST(wide_);
static const uint8_t wide_panels[TILE_M + 1] = {1, 4, 2, 1, 1, 1, 1}; /* as in TILES */

static void gemm(float *restrict y, int64_t ld_y, const void *restrict x_packed, int64_t M, int64_t m_from,
                 int64_t m_to, const tfc_panels *w, int64_t p_from, int64_t p_to, const float *restrict bias,
                 bool accumulate)
{
    const int64_t block = tfc_int8_block(w->K);
    const tfc_tiling tiling = {
        .tile_m = TILE_M,
        .panel_n = PANEL_N,
        .step_bytes = step_bytes(w->K),
        .lane_bytes = lane_bytes(w->K),
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

static void pack_panels(tfc_panels *panels, int64_t from, int64_t to, const float *restrict w,
                        int64_t stride_n, int64_t stride_k)
{
    const int64_t K = panels->K, block = tfc_int8_block(K);
    for (int64_t p = from; p < to; p++) {
        char *out = (char *)panels->data + (size_t)p * panels->panel_bytes;
        const int64_t cols = min_i64(PANEL_N, panels->N - p * PANEL_N);
        for (int64_t k = 0; k < K; k += block, out += step_bytes(K)) {
            memset(out, 0, (size_t)step_bytes(K));
            for (int64_t i = 0; i < cols; i++) {
                int8_t q[TFC_INT8_MAX_BLOCK];
                float scale = tfc_int8_quantize(q, w + (p * PANEL_N + i) * stride_n + k * stride_k, stride_k,
                                                min_i64(block, K - k), block);
                for (int64_t j = 0; j < block; j += 2) memcpy(out + j * PANEL_N + 2 * i, q + j, 2);
                memcpy(out + block * PANEL_N + i * TFC_LANE_BYTES, &scale, sizeof scale);
            }
        }
    }
}

static void pack_rows(void *restrict packed, int64_t M, int64_t K, int64_t from, int64_t to,
                      const float *restrict x, int64_t stride_m, int64_t stride_k)
{
    const int64_t block = tfc_int8_block(K);
    for (int64_t m = from; m < to; m += TILE_M) {
        const int64_t rows = min_i64(TILE_M, M - m), step = rows * lane_bytes(K);
        char *out = (char *)packed + m * tfc_int8_n_blocks(K) * lane_bytes(K);
        for (int64_t k = 0; k < K; k += block, out += step) {
            for (int64_t i = 0; i < rows; i++) {
                int8_t q[TFC_INT8_MAX_BLOCK];
                float scale = tfc_int8_quantize(q, x + (m + i) * stride_m + k * stride_k, stride_k,
                                                min_i64(block, K - k), block);
                for (int64_t j = 0; j < block; j += 2) {
                    int16_t pair[2] = {q[j], q[j + 1]};
                    memcpy(out + (j / 2 * rows + i) * TFC_LANE_BYTES, pair, sizeof pair);
                }
                memcpy(out + step - (rows - i) * TFC_LANE_BYTES, &scale, sizeof scale);
            }
        }
    }
}

/* 12 chains of a product and a sum, as in a full tile. */
static double peak(int64_t rounds, float *sink)
{
    enum { CHAINS = 12 };
    __m256i acc[CHAINS], a = _mm256_set1_epi16(1), b = a, product;
    UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = _mm256_set1_epi32(i);
    for (int64_t r = 0; r < rounds; r++) {
        UNROLL for (int i = 0; i < CHAINS; i++)
        {
            /* as it stands: the compiler would take one product for all */
            __asm__ volatile("vpmaddwd %2, %3, %1\n\tvpaddd %1, %0, %0"
                             : "+x"(acc[i]), "=&x"(product)
                             : "x"(a), "x"(b));
        }
    }
    int32_t lanes[8];
    UNROLL for (int i = 0; i < CHAINS; i++)
    {
        _mm256_storeu_si256((void *)lanes, acc[i]);
        *sink += (float)(lanes[0] + lanes[7]);
    }
    return 2.0 * 16 * CHAINS * (double)rounds;
}

const tfc_int8_path tfc_int8_avx2 = {panel_bytes, rows_bytes, pack_panels, pack_rows, gemm, peak};
