/* kernels/scalar_math.h: exp and log written out in arithmetic that every machine rounds alike.
 *
 * libm's bits differ between C libraries and versions, and a loss that is compared with a threshold may not
 * depend on them. The polynomials are near-minimax fits; the vector paths use the same ones. */
#ifndef TFC_KERNELS_SCALAR_MATH_H
#define TFC_KERNELS_SCALAR_MATH_H

#include <math.h> /* INFINITY alone */
#include <stdint.h>
#include <string.h>

/* exp(x) = 2^n exp(r), r = x - n ln 2, |r| <= ln(2)/2; exp(r) = 1 + r + r² P(r). Below EXP_LOW the result
 * would be subnormal and is 0; above EXP_HIGH it is infinite. */
#define TFC_EXP_LOW (-87.33654f)
#define TFC_EXP_HIGH 88.722839f
#define TFC_LOG2_E 1.44269504f
#define TFC_ROUND_MAGIC 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer */
#define TFC_EXP_P0 0.5f
#define TFC_EXP_P1 0.166665763f
#define TFC_EXP_P2 0.0416665561f
#define TFC_EXP_P3 0.00836321246f
#define TFC_EXP_P4 0.00139262248f

/* 2 sqrt(2/pi) and 2 sqrt(2/pi) 0.044715: gelu's inner polynomial, doubled. */
#define TFC_GELU_A 1.59576912f
#define TFC_GELU_B 0.0713548163f

static inline float tfc_f32_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Within 1.2 units in the last place; exp(0) is 1, exp(-inf) is 0, NaN stays NaN. */
static inline float tfc_exp(float x)
{
    if (x != x) return x;
    if (x < TFC_EXP_LOW) return 0;
    if (x > TFC_EXP_HIGH) return INFINITY;
    float n = (x * TFC_LOG2_E + TFC_ROUND_MAGIC) - TFC_ROUND_MAGIC;
    float r = (x - n * 0.693359375f) + n * 0.000212194442f; /* ln 2 = 355/512 - 2.12e-4 */
    float p = TFC_EXP_P0 + r * (TFC_EXP_P1 + r * (TFC_EXP_P2 + r * (TFC_EXP_P3 + r * TFC_EXP_P4)));
    float y = 1 + (r + r * r * p);
    /* n lies in -126 … 128: two factors, since 2^128 is none */
    int32_t half = (int32_t)n / 2, rest = (int32_t)n - half;
    return y * tfc_f32_from_bits((uint32_t)(half + 127) << 23) *
           tfc_f32_from_bits((uint32_t)(rest + 127) << 23);
}

/* 1/(1+exp(-x)) */
static inline float tfc_sigmoid(float x)
{
    return 1 / (1 + tfc_exp(-x));
}

/* Natural logarithm in f64, within a few units in the last place. log(0) = -inf; below 0 it is NaN. */
static inline double tfc_log(double x)
{
    if (x != x || x == (double)INFINITY) return x;
    if (x <= 0) return x < 0 ? (double)NAN : -(double)INFINITY;
    int64_t exponent = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        exponent = -54;
    }
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    exponent += (int64_t)(bits >> 52) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL;
    memcpy(&x, &bits, sizeof x);
    if (x > 1.4142135623730951) {
        x *= 0.5;
        exponent++;
    }
    /* log x = 2 atanh(s), s = (x-1)/(x+1), |s| < 0.1716: s^2k/(2k+1) until below 2^-53 */
    double f = x - 1, s = f / (x + 1), z = s * s, sum = 0;
    for (int k = 10; k >= 1; k--) sum = (sum + 1.0 / (2 * k + 1)) * z;
    double n = (double)exponent;
    /* 2 s (1 + sum) = f - s (f - 2 sum): x+1 rounds, f does not */
    return n * 6.93147180369123816490e-01 + (n * 1.90821492927058770002e-10 + (f - s * (f - 2 * sum)));
}

#endif
