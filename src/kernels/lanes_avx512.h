/* kernels/lanes_avx512.h: 16 lanes of 32 bits, for the files that pack and multiply matrices. */
#ifndef TFC_KERNELS_LANES_AVX512_H
#define TFC_KERNELS_LANES_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

ALWAYS_INLINE int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The first `cols` lanes, none when that is negative. */
ALWAYS_INLINE __mmask16 mask_of(int64_t cols)
{
    return (__mmask16)(cols >= 16 ? 0xFFFFU : cols <= 0 ? 0U : (1U << cols) - 1U);
}

ALWAYS_INLINE __m512i broadcast(const char *at)
{
    int32_t lane;
    __builtin_memcpy(&lane, at, sizeof lane);
    return _mm512_set1_epi32(lane);
}

/* 16 pairs of bf16 of one row whose k lie side by side, from k on; zeros past K. */
ALWAYS_INLINE __m512i row_pairs(const float *row, int64_t k, int64_t K)
{
    __m512 low = _mm512_maskz_loadu_ps(mask_of(K - k), row + k), high = _mm512_setzero_ps();
    if (K - k > 16) high = _mm512_maskz_loadu_ps(mask_of(K - k - 16), row + k + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* The pair of bf16 (low, high) of each lane. */
ALWAYS_INLINE __m512i pairs_of(__m512 low, __m512 high)
{
    const __m512i pairs = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
                                           7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(pairs, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/* v[i] lane j becomes v[j] lane i. */
ALWAYS_INLINE void transpose(__m512i v[16])
{
    __m512i t[16];
    UNROLL for (int i = 0; i < 16; i += 2)
    {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4)
    {
        UNROLL for (int j = 0; j < 2; j++)
        {
            v[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
            v[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
        }
    }
    /* v[4r + c] holds, in its four 128-bit parts q, column 4q + c of rows 4r … 4r+3. */
    UNROLL for (int c = 0; c < 4; c++)
    {
        __m512i a = _mm512_shuffle_i32x4(v[c], v[4 + c], 0x44),
                b = _mm512_shuffle_i32x4(v[8 + c], v[12 + c], 0x44);
        __m512i d = _mm512_shuffle_i32x4(v[c], v[4 + c], 0xEE),
                e = _mm512_shuffle_i32x4(v[8 + c], v[12 + c], 0xEE);
        t[c] = _mm512_shuffle_i32x4(a, b, 0x88);
        t[4 + c] = _mm512_shuffle_i32x4(a, b, 0xDD);
        t[8 + c] = _mm512_shuffle_i32x4(d, e, 0x88);
        t[12 + c] = _mm512_shuffle_i32x4(d, e, 0xDD);
    }
    UNROLL for (int i = 0; i < 16; i++) v[i] = t[i];
}

#endif
