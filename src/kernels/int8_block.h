/* kernels/int8_block.h: how numbers become int8, the same on every path.
 *
 * A row of K values is cut into groups of 64, each is rotated by the Hadamard matrix of that size, and blocks
 * of one to three groups share a scale: value = q * scale, q in -127 … 127 (symmetric, no offset). Weights
 * are quantised so along K when they are packed, activations for each product. A rotation of both leaves
 * their product alone, and spreads what is large in one place, as it is in the activations of language
 * models, over its group: the error of a token's loss is a quarter of what one scale for a plain row gives.
 *
 * Additions and products are rounded one by one in a fixed order, the sums of q are exact, and a block enters
 * an output as  y = y + (float)sum * (x_scale * w_scale): all paths give the same bits.
 *
 * A block that holds NaN or infinity has the scale NaN, so that damage reaches the output. */
#ifndef TFC_KERNELS_INT8_BLOCK_H
#define TFC_KERNELS_INT8_BLOCK_H

#include <stdint.h>
#include <string.h>

#include "kernels/scalar_math.h"

enum { TFC_INT8_GROUP = 64, TFC_INT8_MAX_BLOCK = 3 * TFC_INT8_GROUP };

/* The rotation is by 8 times an orthogonal matrix: its scale lies in the largest value's 127 * 8. */
#define TFC_INT8_LEVELS 127.0F
#define TFC_INT8_ROTATION 8.0F
/* Below it, all values of a block are zero; 127 / max stays finite. */
#define TFC_INT8_TINY 1e-30F

/* Values of a block of a row of K: two groups, or three where that leaves none half empty. */
static inline int64_t tfc_int8_block(int64_t K)
{
    int64_t groups = (K + TFC_INT8_GROUP - 1) / TFC_INT8_GROUP;
    return TFC_INT8_GROUP * (groups == 1 ? 1 : groups % 2 == 0 ? 2 : groups % 3 == 0 ? 3 : 2);
}

static inline int64_t tfc_int8_n_blocks(int64_t K)
{
    int64_t block = tfc_int8_block(K);
    return (K + block - 1) / block;
}

/* What a row holds beside its blocks' values, and rows of K values, never fewer bytes for a larger K:
 * value_bytes for each value, block_bytes for each block. */
static inline size_t tfc_int8_row_bytes(int64_t K, size_t value_bytes, size_t block_bytes)
{
    size_t pairs = (size_t)((K + 2 * TFC_INT8_GROUP - 1) / (2 * TFC_INT8_GROUP));
    return pairs * (2 * TFC_INT8_GROUP * value_bytes + block_bytes);
}

/* Scale and 127 / max from the bits of the largest absolute value. */
static inline float tfc_int8_scale(uint32_t max_bits, float *inverse)
{
    float max = tfc_f32_from_bits(max_bits);
    *inverse = 0;
    if (max_bits >= 0x7F800000U) return tfc_f32_from_bits(0x7FC00000U);
    if (max < TFC_INT8_TINY) return 0;
    *inverse = TFC_INT8_LEVELS / max;
    return max / (TFC_INT8_LEVELS * TFC_INT8_ROTATION);
}

/* Sums and differences of rows 4, 2 and 1 apart of v[8][8]. */
static inline void tfc_int8_butterflies(float v[TFC_INT8_GROUP])
{
    for (int apart = 32; apart >= 8; apart /= 2)
        for (int i = 0; i < TFC_INT8_GROUP; i += 2 * apart)
            for (int j = i; j < i + apart; j++) {
                float a = v[j], b = v[j + apart];
                v[j] = a + b;
                v[j + apart] = a - b;
            }
}

/* v[64] = H v, partners 32, 16, 8, 4, 2, 1 apart in this order. */
static inline void tfc_int8_rotate(float v[TFC_INT8_GROUP])
{
    float turned[TFC_INT8_GROUP]; /* rows and columns of v[8][8] exchanged: the last three partners stand
                                     apart */
    tfc_int8_butterflies(v);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) turned[j * 8 + i] = v[i * 8 + j];
    tfc_int8_butterflies(turned);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) v[i * 8 + j] = turned[j * 8 + i];
}

/* q[block] = n <= block values that lie `stride` apart, rotated and quantised; zeros follow them. Returns the
 * scale. */
static inline float tfc_int8_quantize(int8_t *q, const float *x, int64_t stride, int64_t n, int64_t block)
{
    float v[TFC_INT8_MAX_BLOCK], inverse;
    uint32_t max = 0;
    if (stride == 1)
        memcpy(v, x, (size_t)n * sizeof *v);
    else
        for (int64_t i = 0; i < n; i++) v[i] = x[i * stride];
    for (int64_t i = n; i < block; i++) v[i] = 0;
    for (int64_t i = 0; i < block; i += TFC_INT8_GROUP) tfc_int8_rotate(v + i);
    for (int64_t i = 0; i < block; i++) {
        uint32_t bits;
        memcpy(&bits, v + i, sizeof bits);
        bits &= 0x7FFFFFFFU;
        max = bits > max ? bits : max;
    }
    float scale = tfc_int8_scale(max, &inverse);
    for (int64_t i = 0; i < block; i++) {
        float rounded = v[i] * inverse;
        uint32_t bits;
        rounded += TFC_ROUND_MAGIC; /* the integer stands in the lowest bits, to nearest even */
        memcpy(&bits, &rounded, sizeof bits);
        q[i] = inverse > 0 ? (int8_t)(bits & 0xFF) : 0;
    }
    return scale;
}

#endif
