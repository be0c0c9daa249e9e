/* kernels/vector_avx512.h: the few vector operations that elements_body.h and attention_body.h are written
 * in, 16 lanes. vf: f32 lanes; vm: a choice of lanes; vd: f64 sums, one accumulator a lane. vector_avx2.h has
 * the same names with 8 lanes. */
#ifndef TFC_KERNELS_VECTOR_AVX512_H
#define TFC_KERNELS_VECTOR_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#include "kernels/scalar_math.h"

#define VECTOR_PATH(name) tfc_##name##_avx512_install
enum { VW = 16 };
typedef __m512 vf;
typedef __mmask16 vm;
typedef struct vd {
    __m512d low, high;
} vd;

static inline vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}
static inline vf vf_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}
static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
} /* b where either is NaN */
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
} /* ab + c */
static inline vf vf_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
} /* c - ab */

/* The first n lanes (all for n >= 16); the lanes from <= lane < to. */
static inline vm vm_first(int64_t n)
{
    return (vm)(n >= VW ? 0xFFFF : (1u << n) - 1);
}
static inline vm vm_range(int64_t from, int64_t to)
{
    vm upper = to <= 0 ? 0 : vm_first(to), lower = from <= 0 ? 0 : vm_first(from);
    return (vm)(upper & ~lower);
}
static inline vf vf_load_masked(const float *p, vm m)
{
    return _mm512_maskz_loadu_ps(m, p);
}
static inline void vf_store_masked(float *p, vm m, vf x)
{
    _mm512_mask_storeu_ps(p, m, x);
}
static inline vf vf_select(vm m, vf yes, vf no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}

/* Written out: the order of the intrinsics named reduce is the compiler's. */
static inline float vf_max_of(vf x)
{
    __m256 half = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)));
}
static inline float vf_sum_of(vf x)
{
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 a = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}

static inline float vf_first(vf x)
{
    return _mm512_cvtss_f32(x);
}
/* The polynomial of scalar_math.h. vf_exp_low takes no heed of overflow: for x <= 88. */
static inline vf vf_exp_low(vf x)
{
    vf n = _mm512_roundscale_ps(vf_mul(x, vf_set(TFC_LOG2_E)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    vf r = vf_fma(n, vf_set(TFC_LN2_LOW), vf_fnma(n, vf_set(TFC_LN2), x));
    vf p = vf_fma(r, vf_set(TFC_EXP_P4), vf_set(TFC_EXP_P3));
    p = vf_fma(r, p, vf_set(TFC_EXP_P2));
    p = vf_fma(r, p, vf_set(TFC_EXP_P1));
    p = vf_fma(r, p, vf_set(TFC_EXP_P0));
    vf y = vf_add(vf_set(1), vf_fma(vf_mul(r, r), p, r));
    return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, vf_set(TFC_EXP_LOW), _CMP_NLT_UQ), y, n);
}
static inline vf vf_exp(vf x)
{
    return vf_select(_mm512_cmp_ps_mask(x, vf_set(TFC_EXP_HIGH), _CMP_GT_OQ), vf_set(INFINITY),
                     vf_exp_low(x));
}

static inline __m512d vector_low(vf x)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(x));
}
static inline __m512d vector_high(vf x)
{
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
}
static inline vd vd_zero(void)
{
    return (vd){_mm512_setzero_pd(), _mm512_setzero_pd()};
}
static inline vd vd_add(vd sum, vf x)
{
    return (vd){_mm512_add_pd(sum.low, vector_low(x)), _mm512_add_pd(sum.high, vector_high(x))};
}
static inline vd vd_fma(vd sum, vf a, vf b)
{
    return (vd){_mm512_fmadd_pd(vector_low(a), vector_low(b), sum.low),
                _mm512_fmadd_pd(vector_high(a), vector_high(b), sum.high)};
}
static inline double vd_sum_of(vd sum)
{
    __m512d all = _mm512_add_pd(sum.low, sum.high);
    __m256d half = _mm256_add_pd(_mm512_castpd512_pd256(all), _mm512_extractf64x4_pd(all, 1));
    __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
    return _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
}

#endif
