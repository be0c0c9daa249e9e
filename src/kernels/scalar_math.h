/* kernels/scalar_math.h: exp in f32, written out in arithmetic that every machine rounds alike.
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
#define TFC_LN2 0.693147182f
#define TFC_LN2_LOW 1.90465421e-9f  /* ln 2 = TFC_LN2 - TFC_LN2_LOW, where a product is fused with its sum */
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

#endif
