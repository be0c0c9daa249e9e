/* kernels/lanes_avx2.h: 8 lanes of 32 bits, for the files that pack and multiply matrices. */
#ifndef TFC_KERNELS_LANES_AVX2_H
#define TFC_KERNELS_LANES_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

ALWAYS_INLINE int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The first n of 8 lanes. */
ALWAYS_INLINE __m256i mask_of(int64_t n)
{
    const __m256i lanes = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n < 0 ? 0 : n > 8 ? 8 : n)), lanes);
}

ALWAYS_INLINE __m256 load_part(const float *at, int64_t n)
{
    return n >= 8 ? _mm256_loadu_ps(at) : n <= 0 ? _mm256_setzero_ps() : _mm256_maskload_ps(at, mask_of(n));
}

ALWAYS_INLINE void store_part(float *at, __m256 v, int64_t n)
{
    if (n >= 8)
        _mm256_storeu_ps(at, v);
    else if (n > 0)
        _mm256_maskstore_ps(at, mask_of(n), v);
}

#endif
