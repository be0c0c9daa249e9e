/* kernels/vector_avx2.h: the few vector operations that elements_body.h and attention_body.h are written in,
 * 8 lanes. vf: f32 lanes; vm: a choice of lanes; vd: f64 sums, one accumulator a lane. vector_avx512.h has
 * the same names with 16 lanes. */
#ifndef TFC_KERNELS_VECTOR_AVX2_H
#define TFC_KERNELS_VECTOR_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#include "kernels/scalar_math.h"

#define VECTOR_PATH(name) tfc_##name##_avx2_install
enum { VW = 8 };
typedef __m256 vf;
typedef __m256i vm;
typedef struct vd {
    __m256d low, high;
} vd;

static inline vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void vf_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x);
}
static inline vf vf_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}
static inline vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
} /* b where either is NaN */
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
} /* ab + c */
static inline vf vf_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
} /* c - ab */

/* The lanes from <= lane < to; the first n lanes. */
static inline vm vm_range(int64_t from, int64_t to)
{
    vm lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    int32_t low = from < 0    ? 0
                  : from > VW ? VW
                              : (int32_t)from,
            high = to < 0    ? 0
                   : to > VW ? VW
                             : (int32_t)to;
    return _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(low), lane),
                               _mm256_cmpgt_epi32(_mm256_set1_epi32(high), lane));
}
static inline vm vm_first(int64_t n)
{
    return vm_range(0, n);
}
static inline vf vf_load_masked(const float *p, vm m)
{
    return _mm256_maskload_ps(p, m);
}
static inline void vf_store_masked(float *p, vm m, vf x)
{
    _mm256_maskstore_ps(p, m, x);
}
static inline vf vf_select(vm m, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m));
}

static inline float vf_max_of(vf x)
{
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)));
}
static inline float vf_sum_of(vf x)
{
    __m128 a = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}

static inline vf vector_power_of_2(__m256i n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
static inline float vf_first(vf x)
{
    return _mm256_cvtss_f32(x);
}
/* The polynomial of scalar_math.h. vf_exp_low takes no heed of overflow: for x <= 88. */
static inline vf vf_exp_low(vf x)
{
    vf n = _mm256_round_ps(vf_mul(x, vf_set(TFC_LOG2_E)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    vf r = vf_fma(n, vf_set(TFC_LN2_LOW), vf_fnma(n, vf_set(TFC_LN2), x));
    vf p = vf_fma(r, vf_set(TFC_EXP_P4), vf_set(TFC_EXP_P3));
    p = vf_fma(r, p, vf_set(TFC_EXP_P2));
    p = vf_fma(r, p, vf_set(TFC_EXP_P1));
    p = vf_fma(r, p, vf_set(TFC_EXP_P0));
    vf y = vf_add(vf_set(1), vf_fma(vf_mul(r, r), p, r));
    /* n lies in -126 … 128: two factors, since 2^128 is none */
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    y = vf_mul(vf_mul(y, vector_power_of_2(half)), vector_power_of_2(_mm256_sub_epi32(whole, half)));
    return _mm256_andnot_ps(_mm256_cmp_ps(x, vf_set(TFC_EXP_LOW), _CMP_LT_OQ), y);
}
static inline vf vf_exp(vf x)
{
    return _mm256_blendv_ps(vf_exp_low(x), vf_set(INFINITY),
                            _mm256_cmp_ps(x, vf_set(TFC_EXP_HIGH), _CMP_GT_OQ));
}

static inline __m256d vector_low(vf x)
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(x));
}
static inline __m256d vector_high(vf x)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
}
static inline vd vd_zero(void)
{
    return (vd){_mm256_setzero_pd(), _mm256_setzero_pd()};
}
static inline vd vd_add(vd sum, vf x)
{
    return (vd){_mm256_add_pd(sum.low, vector_low(x)), _mm256_add_pd(sum.high, vector_high(x))};
}
static inline vd vd_fma(vd sum, vf a, vf b)
{
    return (vd){_mm256_fmadd_pd(vector_low(a), vector_low(b), sum.low),
                _mm256_fmadd_pd(vector_high(a), vector_high(b), sum.high)};
}
static inline double vd_sum_of(vd sum)
{
    __m256d all = _mm256_add_pd(sum.low, sum.high);
    __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(all), _mm256_extractf128_pd(all, 1));
    return _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
}

#endif
