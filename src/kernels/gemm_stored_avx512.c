/* Stored blocks with AVX-512: 32 columns, widened 16 lanes at a time.
 *
 * A vector of a step holds pairs (k, k+1) of eight columns side by side, as vdpbf16ps takes them: rounding
 * two such vectors to bf16 gives the lanes of 16 columns. 4 bits: for t = 0, 1 and each column two words of
 * 32 bits, the even and the odd bytes of bytes 8t … 8t+7 of its block; low halves are k < 16, high halves k
 * >=
 * 16. 8 bits: [16][32][2]. */
#include "kernels/gemm_stored.h"
#include "kernels/lanes_avx512.h"

enum { PANEL_N = 32, WORDS_T = 8 * PANEL_N, LANES = 64 };

static void place(char *quants, int64_t column, const char *q, tfc_dtype dtype)
{
    if (dtype == TFC_Q8_0) {
        for (int k = 0; k < TFC_STORED_K; k += 2) memcpy(quants + k * PANEL_N + 2 * column, q + k, 2);
        return;
    }
    const __m128i apart = _mm_set_epi8(15, 13, 11, 9, 14, 12, 10, 8, 7, 5, 3, 1, 6, 4, 2, 0);
    __m128i bytes = _mm_shuffle_epi8(_mm_loadu_si128((const void *)q), apart);
    _mm_storel_epi64((void *)(quants + 8 * column), bytes);
    _mm_storeh_pd((void *)(quants + WORDS_T + 8 * column), _mm_castsi128_pd(bytes));
}

static void pack(tfc_panels *panels, int64_t panel, const void *rows)
{
    tfc_stored_pack(panels, panel, rows, PANEL_N, place);
}

/* Scales or minima of eight columns, each in two lanes. */
ALWAYS_INLINE __m512 twice(const char *halves)
{
    const __m512i lanes = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    __m256 eight = _mm256_cvtph_ps(_mm_loadu_si128((const void *)halves));
    return _mm512_permutexvar_ps(lanes, _mm512_castps256_ps512(eight));
}

/* Columns 8v … 8v+7 at k = 2s, 2s+1 of a block. */
ALWAYS_INLINE __m512 values(const char *block, const int v, const int s, __m512 d, __m512 m,
                            const tfc_dtype dtype)
{
    if (dtype == TFC_Q8_0) {
        __m128i q = _mm_load_si128((const void *)(block + s * 2 * PANEL_N + 16 * v));
        return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)), d);
    }
    const __m512 levels = dtype == TFC_Q4_1
                              ? _mm512_set_ps(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
                              : _mm512_set_ps(7, 6, 5, 4, 3, 2, 1, 0, -1, -2, -3, -4, -5, -6, -7, -8);
    const unsigned shift = 8 * ((unsigned)s % 4) + 4 * ((unsigned)s / 8);
    __m512i words = _mm512_load_si512(block + s / 4 % 2 * WORDS_T + v * LANES);
    return _mm512_fmadd_ps(_mm512_permutexvar_ps(_mm512_srli_epi32(words, shift), levels), d, m);
}

/* Scales and minima of a block's 32 columns, each in two lanes; without minima what is added is -0, which is
 * exact. */
typedef struct block_scales {
    __m512 d[4], m[4];
} block_scales;

ALWAYS_INLINE block_scales scales_of(const char *block, const tfc_dtype dtype)
{
    block_scales s;
    const char *at = block + PANEL_N * tfc_stored_quants(dtype);
    UNROLL for (int v = 0; v < 4; v++)
    {
        s.d[v] = twice(at + 16 * v);
        s.m[v] = dtype == TFC_Q4_1 ? twice(at + TFC_STORED_SCALE * PANEL_N + 16 * v) : _mm512_set1_ps(-0.0F);
    }
    return s;
}

/* Columns 16h … 16h+15 at k = 2s, 2s+1: w[0] both as bf16, or w[0] and w[1] as f32. */
ALWAYS_INLINE void operands(__m512i w[2], const char *block, const int h, const int s,
                            const block_scales *scales, const tfc_dtype dtype, const bool bf16)
{
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    __m512 low = values(block, 2 * h, s, scales->d[2 * h], scales->m[2 * h], dtype);
    __m512 high = values(block, 2 * h + 1, s, scales->d[2 * h + 1], scales->m[2 * h + 1], dtype);
    if (bf16) {
        w[0] = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    } else {
        w[0] = _mm512_castps_si512(_mm512_permutex2var_ps(low, even, high));
        w[1] = _mm512_castps_si512(_mm512_permutex2var_ps(low, odd, high));
    }
}

ALWAYS_INLINE void widen(char *restrict out, const char *restrict panel, int64_t n_blocks, int64_t ahead,
                         const tfc_dtype dtype, const bool bf16)
{
    const int64_t step = tfc_stored_step(PANEL_N, dtype);
    const int n_vectors = bf16 ? 1 : 2;
    for (; n_blocks > 0; n_blocks--, panel += step) {
        for (int64_t i = 0; i < step; i += LANES) _mm_prefetch(panel + ahead + i, _MM_HINT_T0);
        const block_scales scales = scales_of(panel, dtype);
        UNROLL for (int s = 0; s < TFC_STORED_K / 2; s++)
        {
            UNROLL for (int h = 0; h < 2; h++)
            {
                __m512i w[2];
                operands(w, panel, h, s, &scales, dtype, bf16);
                UNROLL for (int i = 0; i < n_vectors; i++)
                    _mm512_store_si512(out + ((s * n_vectors + i) * 2 + h) * LANES, w[i]);
            }
        }
        out += n_vectors * TFC_STORED_K * LANES;
    }
}

/* One row by one panel, widened in registers. */
ALWAYS_INLINE void one_row(const tfc_tile_args *a, const tfc_dtype dtype, const bool bf16)
{
    enum { AHEAD = 2048 };
    const int64_t step = tfc_stored_step(PANEL_N, dtype), x_step = a->x_step;
    __m512 acc[2];
    __mmask16 masks[2];
    UNROLL for (int h = 0; h < 2; h++)
    {
        masks[h] = mask_of(a->cols - 16 * h);
        acc[h] = _mm512_setzero_ps();
        if (a->from == TFC_FROM_OLD) acc[h] = _mm512_maskz_loadu_ps(masks[h], a->y + 16 * h);
        if (a->from == TFC_FROM_BIAS) acc[h] = _mm512_maskz_loadu_ps(masks[h], a->bias + 16 * h);
    }
    const char *x = a->x, *panel = a->panel;
    const int64_t n_blocks = a->n_steps / (bf16 ? TFC_STORED_K / 2 : TFC_STORED_K);
    for (int64_t b = 0; b < n_blocks; b++, panel += step) {
        for (int64_t i = 0; i < step; i += LANES) _mm_prefetch(panel + AHEAD + i, _MM_HINT_T0);
        const block_scales scales = scales_of(panel, dtype);
        UNROLL for (int s = 0; s < TFC_STORED_K / 2; s++)
        {
            UNROLL for (int h = 0; h < 2; h++)
            {
                __m512i w[2];
                operands(w, panel, h, s, &scales, dtype, bf16);
                if (bf16) {
                    acc[h] = _mm512_dpbf16_ps(acc[h], (__m512bh)w[0], (__m512bh)broadcast(x));
                } else {
                    acc[h] =
                        _mm512_fmadd_ps(_mm512_castsi512_ps(w[0]), _mm512_castsi512_ps(broadcast(x)), acc[h]);
                    acc[h] = _mm512_fmadd_ps(_mm512_castsi512_ps(w[1]),
                                             _mm512_castsi512_ps(broadcast(x + x_step)), acc[h]);
                }
            }
            x += bf16 ? x_step : 2 * x_step;
        }
    }
    UNROLL for (int h = 0; h < 2; h++) _mm512_mask_storeu_ps(a->y + 16 * h, masks[h], acc[h]);
}

TFC_STORED_WIDEN(Q8_0)
TFC_STORED_WIDEN(Q4_0)
TFC_STORED_WIDEN(Q4_1)
TFC_STORED_ROW(Q8_0)
TFC_STORED_ROW(Q4_0)
TFC_STORED_ROW(Q4_1)

const tfc_stored_path tfc_stored_avx512 = {
    .pack = pack,
    .widen = {TFC_STORED_WIDENED(Q8_0), TFC_STORED_WIDENED(Q4_0), TFC_STORED_WIDENED(Q4_1)},
    .one_row = {TFC_STORED_ROWS(Q8_0), TFC_STORED_ROWS(Q4_0), TFC_STORED_ROWS(Q4_1)},
};
