/* Matrix products with AVX2: 6 x 16 register tiles of f32 FMA.
 *
 * A step is one k. bf16 is storage of the weights: a step of a panel is 8 words of 32 bits, the low half of
 * word j holds column j, the high half column j + 8, so that a shift and a mask widen them. A full tile holds
 * 12 accumulators, two vectors of weights and one of x: 15 of 16 registers. */
#include "kernels/gemm_int8.h"
#include "kernels/gemm_stored.h"
#include "kernels/lanes_avx2.h"
#include "kernels/paths.h"

enum {
    TILE_M = 6,
    PANEL_N = 16,
    BLOCK_STEPS = 768,        /* a panel block of f32 is 48 KB: it stays in L2 */
    BLOCK_ROWS = 16 * TILE_M, /* the rows that reuse it before the next */
};

static int64_t step_bytes(tfc_operand operand)
{
    return PANEL_N * (operand == TFC_OPERAND_BF16 ? (int64_t)sizeof(uint16_t) : (int64_t)sizeof(float));
}

static size_t panel_bytes(int64_t K, tfc_operand operand)
{
    if (operand == TFC_OPERAND_INT8) return tfc_int8_avx2.panel_bytes(K);
    return ((size_t)K * (size_t)step_bytes(operand) + 63) / 64 * 64;
}

static size_t rows_bytes(int64_t M, int64_t K, tfc_operand operand)
{
    if (operand == TFC_OPERAND_INT8) return tfc_int8_avx2.rows_bytes(M, K);
    return (size_t)M * (size_t)K * sizeof(float);
}

/* ---- multiplication ---- */

/* MR rows by NP panels. The next steps are fetched into L1, and these steps of the panels that come next into
 * L2; fetching past the end of the matrix does no harm. */
ALWAYS_INLINE void tile(const tfc_tile_args *a, const int MR, const int NP, const bool bf16)
{
    enum { STEPS_AHEAD = 16 };
    const int NV = 2 * NP, bytes = bf16 ? 32 : 64;
    __m256 acc[TILE_M][2 * TFC_GROUP_PANELS];
    UNROLL for (int m = 0; m < MR; m++)
    {
        UNROLL for (int v = 0; v < NV; v++)
        {
            acc[m][v] = _mm256_setzero_ps();
            if (a->from == TFC_FROM_OLD) acc[m][v] = load_part(a->y + m * a->ld_y + 8 * v, a->cols - 8 * v);
            if (a->from == TFC_FROM_BIAS) acc[m][v] = load_part(a->bias + 8 * v, a->cols - 8 * v);
        }
    }
    const float *x = (const void *)a->x;
    const char *panel = a->panel;
    const int64_t x_step = a->x_step / TFC_LANE_BYTES, next_panel = a->panel_bytes;
    for (int64_t s = a->n_steps; s > 0; s--) {
        __m256 w[2 * TFC_GROUP_PANELS];
        UNROLL for (int p = 0; p < NP; p++)
        {
            const char *at = panel + p * next_panel;
            if (bf16) {
                __m256i both = _mm256_load_si256((const __m256i *)at);
                w[2 * p] = _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
                w[2 * p + 1] =
                    _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32((int)0xFFFF0000)));
            } else {
                w[2 * p] = _mm256_load_ps((const void *)at);
                w[2 * p + 1] = _mm256_load_ps((const void *)(at + 32));
            }
            _mm_prefetch(at + STEPS_AHEAD * bytes, _MM_HINT_T0);
            _mm_prefetch(at + NP * next_panel, _MM_HINT_T1);
        }
        UNROLL for (int m = 0; m < MR; m++)
        {
            __m256 xm = _mm256_broadcast_ss(x + m);
            UNROLL for (int v = 0; v < NV; v++) acc[m][v] = _mm256_fmadd_ps(w[v], xm, acc[m][v]);
        }
        x += x_step;
        panel += bytes;
    }
    UNROLL for (int m = 0; m < MR; m++)
    {
        UNROLL for (int v = 0; v < NV; v++)
            store_part(a->y + m * a->ld_y + 8 * v, acc[m][v], a->cols - 8 * v);
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
TILES(2, 2)
TILES(3, 2)
TILES(4, 1)
TILES(5, 1)
TILES(6, 1)

#define LIST(prefix)                                                                                         \
    {                                                                                                        \
        NULL, prefix##1, prefix##2, prefix##3, prefix##4, prefix##5, prefix##6                               \
    }
static const tfc_tile_fn narrow_tiles[TFC_OPERAND_INT8][TILE_M + 1] = {LIST(tile_f32_), LIST(tile_bf16_)};
static const tfc_tile_fn wide_tiles[TFC_OPERAND_INT8][TILE_M + 1] = {LIST(wide_f32_), LIST(wide_bf16_)};
static const uint8_t wide_panels[TILE_M + 1] = {1, 4, 2, 2, 1, 1, 1}; /* as in TILES */

static void gemm(float *restrict y, int64_t ld_y, const void *restrict x_packed, int64_t M, int64_t m_from,
                 int64_t m_to, const tfc_panels *w, int64_t p_from, int64_t p_to, const float *restrict bias,
                 bool accumulate)
{
    if (w->operand == TFC_OPERAND_INT8) {
        tfc_int8_avx2.gemm(y, ld_y, x_packed, M, m_from, m_to, w, p_from, p_to, bias, accumulate);
        return;
    }
    tfc_widen_fn widen = tfc_stored_avx2.widen[w->stored][w->operand];
    const tfc_operand form = widen ? TFC_OPERAND_F32 : w->operand; /* the tiles' */
    const tfc_tiling tiling = {
        .tile_m = TILE_M,
        .panel_n = PANEL_N,
        .step_bytes = step_bytes(form),
        .lane_bytes = TFC_LANE_BYTES,
        .block_steps = BLOCK_STEPS,
        .block_rows = BLOCK_ROWS,
        .narrow = narrow_tiles[form],
        .wide = wide_tiles[form],
        .wide_panels = wide_panels,
        .widen = widen,
        .widen_steps = TFC_STORED_K,
        .one_row = tfc_stored_avx2.one_row[w->stored][w->operand],
    };
    tfc_gemm_blocks(&tiling, w->K, y, ld_y, x_packed, M, m_from, m_to, w, p_from, p_to, bias, accumulate);
}

/* ---- packing ---- */

/* v[i] lane j becomes v[j] lane i. */
ALWAYS_INLINE void transpose(__m256 v[8])
{
    __m256 t[8], u[8];
    UNROLL for (int i = 0; i < 8; i += 2)
    {
        t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    UNROLL for (int i = 0; i < 8; i += 4)
    {
        UNROLL for (int j = 0; j < 2; j++)
        {
            u[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
            u[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0xEE);
        }
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        v[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
        v[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
    }
}

/* v[i] gets, at k + i, the values of 8 rows from `at` on (row 0 at k); zeros after n_rows and after n_k. */
ALWAYS_INLINE void load_square(__m256 v[8], const float *at, int64_t stride_row, int64_t stride_k,
                               int64_t n_rows, int64_t n_k)
{
    if (stride_k == 1) {
        UNROLL for (int i = 0; i < 8; i++) v[i] =
            i < n_rows ? load_part(at + i * stride_row, n_k) : _mm256_setzero_ps();
        transpose(v);
    } else {
        UNROLL for (int i = 0; i < 8; i++) v[i] =
            i < n_k ? load_part(at + i * stride_k, n_rows) : _mm256_setzero_ps();
    }
}

/* To nearest even in the high half of each lane, whose low half is zero; NaN stays NaN. */
ALWAYS_INLINE __m256i round_bf16(__m256 v)
{
    const __m256i bits = _mm256_castps_si256(v), high = _mm256_set1_epi32((int)0xFFFF0000);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    return _mm256_and_si256(_mm256_blendv_epi8(rounded, quiet, is_nan), high);
}

/* How many k are packed at a time. Where the rows lie side by side, a stretch of k is taken through all
 * tiles, so that what is read of the source fits into L2 and its pages into the translation buffer. */
static int64_t pack_block(int64_t K, int64_t stride_k)
{
    return stride_k == 1 ? K : 64;
}

/* k from … to-1 of one panel; source points at its column 0, k = 0. */
static void pack_panel(char *out, const float *source, int64_t stride_n, int64_t stride_k, int64_t cols,
                       int64_t from, int64_t to, tfc_operand operand)
{
    out += from * step_bytes(operand);
    for (int64_t k = from; k < to; k += 8) {
        __m256 low[8], high[8];
        const int64_t n_k = min_i64(8, to - k);
        load_square(low, source + k * stride_k, stride_n, stride_k, cols, n_k);
        load_square(high, source + 8 * stride_n + k * stride_k, stride_n, stride_k, cols - 8, n_k);
        for (int64_t i = 0; i < n_k; i++) {
            if (operand == TFC_OPERAND_BF16) {
                __m256i both =
                    _mm256_or_si256(_mm256_srli_epi32(round_bf16(low[i]), 16), round_bf16(high[i]));
                _mm256_storeu_si256((void *)out, both);
                out += 32;
            } else {
                _mm256_storeu_ps((void *)out, low[i]);
                _mm256_storeu_ps((void *)(out + 32), high[i]);
                out += 64;
            }
        }
    }
}

static void pack_panels(tfc_panels *panels, int64_t from, int64_t to, const float *restrict w,
                        int64_t stride_n, int64_t stride_k)
{
    if (panels->operand == TFC_OPERAND_INT8) {
        tfc_int8_avx2.pack_panels(panels, from, to, w, stride_n, stride_k);
        return;
    }
    const int64_t K = panels->K, block = pack_block(K, stride_k);
    for (int64_t k = 0; k < K; k += block)
        for (int64_t p = from; p < to; p++)
            pack_panel((char *)panels->data + p * (int64_t)panels->panel_bytes, w + p * PANEL_N * stride_n,
                       stride_n, stride_k, panels->N - p * PANEL_N, k, min_i64(k + block, K),
                       panels->operand);
}

/* k from … to-1 of one row tile; source points at its row 0, k = 0. */
static void pack_tile(float *out, const float *source, int64_t stride_m, int64_t stride_k, int64_t rows,
                      int64_t from, int64_t to)
{
    out += from * rows;
    if (rows == 1 && stride_k == 1) {
        for (int64_t k = from; k < to; k++) *out++ = source[k];
        return;
    }
    for (int64_t k = from; k < to; k += 8) {
        __m256 v[8];
        const int64_t n_k = min_i64(8, to - k);
        load_square(v, source + k * stride_k, stride_m, stride_k, rows, n_k);
        for (int64_t i = 0; i < n_k; i++, out += rows) {
            if (rows == TILE_M) { /* a masked store is slow on some machines */
                _mm_storeu_ps(out, _mm256_castps256_ps128(v[i]));
                _mm_storel_pi((__m64 *)(out + 4), _mm256_extractf128_ps(v[i], 1));
            } else {
                store_part(out, v[i], rows);
            }
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
        tfc_int8_avx2.pack_rows(packed, M, K, from, to, x, stride_m, stride_k);
        return;
    }
    const int64_t block = pack_block(K, stride_k);
    for (int64_t k = 0; k < K; k += block)
        for (int64_t m = from; m < to; m += TILE_M)
            pack_tile((float *)packed + m * K, x + m * stride_m, stride_m, stride_k, min_i64(TILE_M, M - m),
                      k, min_i64(k + block, K));
}

void tfc_gemm_avx2_install(tfc_kernels *kernels)
{
    kernels->panel_n = PANEL_N;
    kernels->tile_m = TILE_M;
    kernels->many_rows = TFC_MANY_ROWS;
    kernels->default_operand = TFC_OPERAND_BF16;
    kernels->panel_bytes = panel_bytes;
    kernels->rows_bytes = rows_bytes;
    kernels->pack_panels = pack_panels;
    kernels->stored_bytes = stored_bytes;
    kernels->pack_stored = tfc_stored_avx2.pack;
    kernels->pack_rows = pack_rows;
    kernels->gemm = gemm;
}

/* 12 chains, as in a full tile. */
double tfc_gemm_avx2_peak(tfc_operand operand, int64_t rounds, float *sink)
{
    enum { CHAINS = 12 };
    if (operand == TFC_OPERAND_INT8) return tfc_int8_avx2.peak(rounds, sink);
    __m256 acc[CHAINS], a = _mm256_set1_ps(1.0F), b = a;
    UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = _mm256_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++) {
        __asm__ volatile("" : "+x"(a), "+x"(b)); /* a round may not be folded into the next */
        UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = _mm256_fmadd_ps(a, b, acc[i]);
    }
    float lanes[8];
    UNROLL for (int i = 0; i < CHAINS; i++)
    {
        _mm256_storeu_ps(lanes, acc[i]);
        *sink += lanes[0] + lanes[7];
    }
    return 2.0 * 8 * CHAINS * (double)rounds;
}
