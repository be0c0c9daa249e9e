/* Stored blocks to float32 with AVX2 and F16C. Every value has the reference's bits: products of a block's
 * scale with a small integer are exact, and Q4_1's sum rounds once, as there. */
#include <immintrin.h>

#include "kernels/paths.h"

enum { BLOCK = 32, Q8_0_BYTES = 2 + 32, Q4_0_BYTES = 2 + 16, Q4_1_BYTES = 4 + 16 };

static inline __m256 broadcast_f16(const unsigned char *bytes)
{
    return _mm256_cvtph_ps(_mm_set1_epi16((short)(bytes[0] | bytes[1] << 8)));
}

/* values[16] = the 16 bytes of q, as numbers without sign, + offset, times d, plus m. */
static inline void scale_16(float *values, __m128i q, int offset, __m256 d, __m256 m)
{
    __m256i low = _mm256_cvtepu8_epi32(q), high = _mm256_cvtepu8_epi32(_mm_srli_si128(q, 8));
    low = _mm256_add_epi32(low, _mm256_set1_epi32(offset));
    high = _mm256_add_epi32(high, _mm256_set1_epi32(offset));
    _mm256_storeu_ps(values, _mm256_fmadd_ps(_mm256_cvtepi32_ps(low), d, m));
    _mm256_storeu_ps(values + 8, _mm256_fmadd_ps(_mm256_cvtepi32_ps(high), d, m));
}

/* Byte i of a 4-bit block holds value i in its low half and value i + 16 in its high half. */
static inline void four_bits(float *values, const unsigned char *bytes, int offset, __m256 d, __m256 m)
{
    const __m128i mask = _mm_set1_epi8(15);
    __m128i q = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    scale_16(values, _mm_and_si128(q, mask), offset, d, m);
    scale_16(values + BLOCK / 2, _mm_and_si128(_mm_srli_epi16(q, 4), mask), offset, d, m);
}

static void dequantize_q8_0(float *values, const unsigned char *block)
{
    __m256 d = broadcast_f16(block);
    for (int i = 0; i < BLOCK; i += 8) {
        __m128i q = _mm_loadl_epi64((const __m128i *)(const void *)(block + 2 + i));
        _mm256_storeu_ps(values + i, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)), d));
    }
}

static void widen_f16(float *values, const unsigned char *bytes, int64_t n)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(values + i,
                         _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(bytes + 2 * i))));
    if (i < n) tfc_dequantize_row_ref(values + i, bytes + 2 * i, n - i, TFC_F16);
}

void tfc_dequantize_row_avx2(float *restrict values, const void *restrict row, int64_t n, tfc_dtype dtype)
{
    const unsigned char *bytes = row;
    switch (dtype) {
    case TFC_F16:
        widen_f16(values, bytes, n);
        break;
    case TFC_Q8_0:
        for (int64_t i = 0; i < n; i += BLOCK, bytes += Q8_0_BYTES) dequantize_q8_0(values + i, bytes);
        break;
    case TFC_Q4_0: /* minus zero is exact: adding it changes nothing, not even the sign of a zero */
        for (int64_t i = 0; i < n; i += BLOCK, bytes += Q4_0_BYTES)
            four_bits(values + i, bytes + 2, -8, broadcast_f16(bytes), _mm256_set1_ps(-0.0F));
        break;
    case TFC_Q4_1:
        for (int64_t i = 0; i < n; i += BLOCK, bytes += Q4_1_BYTES)
            four_bits(values + i, bytes + 4, 0, broadcast_f16(bytes), broadcast_f16(bytes + 2));
        break;
    default:
        tfc_dequantize_row_ref(values, row, n, dtype);
    }
}
