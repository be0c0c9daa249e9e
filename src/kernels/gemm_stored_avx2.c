/* Stored blocks with AVX2: 16 columns, widened 8 lanes at a time to f32, which for bf16 operands is rounded
 * to what bf16 can hold. */
#include "kernels/gemm_stored.h"
#include "kernels/lanes_avx2.h"

enum { PANEL_N = 16 };

static void pack(tfc_panels *panels, int64_t panel, const void *rows)
{
    tfc_stored_pack(panels, panel, rows, PANEL_N, tfc_stored_place_16);
}

ALWAYS_INLINE __m256 widen_halves(const char *halves)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)halves));
}

/* To nearest even; the values of a model are finite. */
ALWAYS_INLINE __m256 round_bf16(__m256 v)
{
    const __m256i bits = _mm256_castps_si256(v);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
    return _mm256_castsi256_ps(_mm256_and_si256(rounded, _mm256_set1_epi32((int)0xFFFF0000)));
}

/* Columns 8v … 8v+7 at k of a block. */
ALWAYS_INLINE __m256i quants(const char *block, const int v, const int k, const tfc_dtype dtype)
{
    if (dtype == TFC_Q8_0)
        return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(block + k * PANEL_N + 8 * v)));
    __m256i words = _mm256_load_si256((const void *)(block + k / 4 % 4 * 4 * PANEL_N + 32 * v));
    words = _mm256_and_si256(_mm256_srli_epi32(words, 8 * (k % 4) + 4 * (k / 16)), _mm256_set1_epi32(15));
    return dtype == TFC_Q4_0 ? _mm256_sub_epi32(words, _mm256_set1_epi32(8)) : words;
}

/* Scales and minima of a block's 16 columns; without minima what is added is -0, which is exact. */
typedef struct block_scales {
    __m256 d[2], m[2];
} block_scales;

ALWAYS_INLINE block_scales scales_of(const char *block, const tfc_dtype dtype)
{
    block_scales s;
    const char *at = block + PANEL_N * tfc_stored_quants(dtype);
    UNROLL for (int v = 0; v < 2; v++)
    {
        s.d[v] = widen_halves(at + 16 * v);
        s.m[v] = dtype == TFC_Q4_1 ? widen_halves(at + TFC_STORED_SCALE * PANEL_N + 16 * v)
                                   : _mm256_set1_ps(-0.0F);
    }
    return s;
}

/* Columns 8v … 8v+7 at k of a block, as the operand has them. */
ALWAYS_INLINE __m256 values(const char *block, const int v, const int k, const block_scales *s,
                            const tfc_dtype dtype, const bool bf16)
{
    __m256 w = _mm256_fmadd_ps(_mm256_cvtepi32_ps(quants(block, v, k, dtype)), s->d[v], s->m[v]);
    return bf16 ? round_bf16(w) : w;
}

ALWAYS_INLINE void widen(char *restrict out, const char *restrict panel, int64_t n_blocks, int64_t ahead,
                         const tfc_dtype dtype, const bool bf16)
{
    const int64_t step = tfc_stored_step(PANEL_N, dtype);
    for (; n_blocks > 0; n_blocks--, panel += step) {
        for (int64_t i = 0; i < step; i += 64) _mm_prefetch(panel + ahead + i, _MM_HINT_T0);
        const block_scales scales = scales_of(panel, dtype);
        for (int k4 = 0; k4 < TFC_STORED_K; k4 += 16) {
            UNROLL for (int i = 0; i < 16; i++)
            {
                UNROLL for (int v = 0; v < 2; v++)
                {
                    _mm256_store_ps((void *)out, values(panel, v, k4 + i, &scales, dtype, bf16));
                    out += 32;
                }
            }
        }
    }
}

/* One row by one panel, widened in registers. */
ALWAYS_INLINE void one_row(const tfc_tile_args *a, const tfc_dtype dtype, const bool bf16)
{
    enum { AHEAD = 1024 };
    const int64_t step = tfc_stored_step(PANEL_N, dtype);
    __m256 acc[2];
    UNROLL for (int v = 0; v < 2; v++)
    {
        acc[v] = _mm256_setzero_ps();
        if (a->from == TFC_FROM_OLD) acc[v] = load_part(a->y + 8 * v, a->cols - 8 * v);
        if (a->from == TFC_FROM_BIAS) acc[v] = load_part(a->bias + 8 * v, a->cols - 8 * v);
    }
    const char *x = a->x, *panel = a->panel;
    for (int64_t b = a->n_steps / TFC_STORED_K; b > 0; b--, panel += step) {
        for (int64_t i = 0; i < step; i += 64) _mm_prefetch(panel + AHEAD + i, _MM_HINT_T0);
        const block_scales scales = scales_of(panel, dtype);
        UNROLL for (int k = 0; k < TFC_STORED_K; k++)
        {
            __m256 xk = _mm256_broadcast_ss((const void *)x);
            UNROLL for (int v = 0; v < 2; v++) acc[v] =
                _mm256_fmadd_ps(values(panel, v, k, &scales, dtype, bf16), xk, acc[v]);
            x += a->x_step;
        }
    }
    UNROLL for (int v = 0; v < 2; v++) store_part(a->y + 8 * v, acc[v], a->cols - 8 * v);
}

TFC_STORED_WIDEN(Q8_0)
TFC_STORED_WIDEN(Q4_0)
TFC_STORED_WIDEN(Q4_1)
TFC_STORED_ROW(Q8_0)
TFC_STORED_ROW(Q4_0)
TFC_STORED_ROW(Q4_1)

const tfc_stored_path tfc_stored_avx2 = {
    .pack = pack,
    .widen = {TFC_STORED_WIDENED(Q8_0), TFC_STORED_WIDENED(Q4_0), TFC_STORED_WIDENED(Q4_1)},
    .one_row = {TFC_STORED_ROWS(Q8_0), TFC_STORED_ROWS(Q4_0), TFC_STORED_ROWS(Q4_1)},
};
