/* Storage types: sizes, and conversion from and to float32.
 *
 * Everything is integer work or a float operation that rounds once, so that a stored weight has the same bits
 * on every machine. Block layouts are those of GGUF v3, little endian, without padding, read byte by byte:
 * rows may lie at any address of a mapped file. */
#include "kernels/dtype.h"

#include <string.h>

enum { BLOCK = 32, Q8_0_BYTES = 2 + 32, Q4_0_BYTES = 2 + 16, Q4_1_BYTES = 4 + 16 };

static const struct {
    const char *name;
    int64_t block_values;
    size_t block_bytes;
} types[TFC_N_DTYPES] = {
    [TFC_F32] = {"F32", 1, 4},
    [TFC_F16] = {"F16", 1, 2},
    [TFC_BF16] = {"BF16", 1, 2},
    [TFC_Q8_0] = {"Q8_0", BLOCK, Q8_0_BYTES},
    [TFC_Q4_0] = {"Q4_0", BLOCK, Q4_0_BYTES},
    [TFC_Q4_1] = {"Q4_1", BLOCK, Q4_1_BYTES},
};

const char *tfc_dtype_name(tfc_dtype dtype)
{
    return types[dtype].name;
}

int64_t tfc_dtype_block_values(tfc_dtype dtype)
{
    return types[dtype].block_values;
}

size_t tfc_dtype_block_bytes(tfc_dtype dtype)
{
    return types[dtype].block_bytes;
}

size_t tfc_dtype_row_bytes(tfc_dtype dtype, int64_t n)
{
    if (n < 0 || n % types[dtype].block_values != 0) return 0;
    uint64_t blocks = (uint64_t)(n / types[dtype].block_values);
    if (blocks > SIZE_MAX / types[dtype].block_bytes) return 0;
    return (size_t)blocks * types[dtype].block_bytes;
}

static inline uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* f16: 5 bits of exponent with bias 15, 10 of fraction; f32: 8 with bias 127, 23. */
static inline float widen_f16(uint16_t h)
{
    const uint32_t rebias = (127U - 15U) << 23;
    uint32_t sign = (uint32_t)(h & 0x8000U) << 16, rest = h & 0x7FFFU;
    uint32_t wide = (rest << 13) + rebias;
    if (rest >= 0x7C00U) wide += rebias;                        /* infinity, NaN */
    if (rest < 0x0400U) wide = bits_of((float)rest * 0x1p-24F); /* subnormal: exact */
    return float_of(sign | wide);
}

static inline uint16_t narrow_f16(float f)
{
    uint32_t u = bits_of(f), sign = u >> 16 & 0x8000U, rest = u & 0x7FFFFFFFU, h;
    if (rest > 0x7F800000U) {
        h = 0x7E00U; /* NaN */
    } else if (rest >= 0x477FF000U) {
        h = 0x7C00U; /* from 65520 on the nearest is infinity */
    } else if (rest < 0x38800000U) {
        /* Below 2^-14. The last bit of a float in [0.5, 1) is 2^-24, the step of subnormal halves: adding 0.5
         * rounds. */
        h = bits_of(float_of(rest) + 0.5F) - bits_of(0.5F);
    } else {
        h = (rest + 0xFFFU + (rest >> 13 & 1U) - ((127U - 15U) << 23)) >> 13;
    }
    return (uint16_t)(sign | h);
}

static inline uint16_t narrow_bf16(float f)
{
    uint32_t u = bits_of(f);
    if ((u & 0x7FFFFFFFU) > 0x7F800000U) return (uint16_t)(u >> 16 | 0x40U); /* stays NaN when cut */
    return (uint16_t)((u + 0x7FFFU + (u >> 16 & 1U)) >> 16);
}

float tfc_f16_to_f32(uint16_t h)
{
    return widen_f16(h);
}

uint16_t tfc_f32_to_f16(float f)
{
    return narrow_f16(f);
}

uint16_t tfc_f32_to_bf16(float f)
{
    return narrow_bf16(f);
}

static inline uint16_t read_u16(const unsigned char *bytes)
{
    return (uint16_t)(bytes[0] | (unsigned)bytes[1] << 8);
}

static inline void write_u16(unsigned char *bytes, uint16_t h)
{
    bytes[0] = (unsigned char)(h & 0xFFU);
    bytes[1] = (unsigned char)(h >> 8);
}

static inline uint32_t read_u32(const unsigned char *bytes)
{
    return read_u16(bytes) | (uint32_t)read_u16(bytes + 2) << 16;
}

/* One block of 32 values. The products are exact (11 bits by at most 8); the sum of Q4_1 rounds once. */
static void dequantize_q8_0(float *restrict values, const unsigned char *restrict block)
{
    float d = widen_f16(read_u16(block));
    for (int i = 0; i < BLOCK; i++) {
        int q = block[2 + i];
        values[i] = (float)(q >= 128 ? q - 256 : q) * d;
    }
}

/* Byte i of a 4-bit block holds value i in its low half and value i + 16 in its high half. */
static void dequantize_q4_0(float *restrict values, const unsigned char *restrict block)
{
    float d = widen_f16(read_u16(block));
    for (int i = 0; i < BLOCK / 2; i++) {
        values[i] = (float)((block[2 + i] & 15) - 8) * d;
        values[i + BLOCK / 2] = (float)((block[2 + i] >> 4) - 8) * d;
    }
}

static void dequantize_q4_1(float *restrict values, const unsigned char *restrict block)
{
    float d = widen_f16(read_u16(block)), m = widen_f16(read_u16(block + 2));
    for (int i = 0; i < BLOCK / 2; i++) {
        values[i] = (float)(block[4 + i] & 15) * d + m;
        values[i + BLOCK / 2] = (float)(block[4 + i] >> 4) * d + m;
    }
}

void tfc_dequantize_row_ref(float *restrict values, const void *restrict row, int64_t n, tfc_dtype dtype)
{
    const unsigned char *bytes = row;
    switch (dtype) {
    case TFC_F32:
        for (int64_t i = 0; i < n; i++) values[i] = float_of(read_u32(bytes + 4 * i));
        break;
    case TFC_F16:
        for (int64_t i = 0; i < n; i++) values[i] = widen_f16(read_u16(bytes + 2 * i));
        break;
    case TFC_BF16:
        for (int64_t i = 0; i < n; i++) values[i] = tfc_bf16_to_f32(read_u16(bytes + 2 * i));
        break;
    case TFC_Q8_0:
        for (int64_t i = 0; i < n; i += BLOCK, bytes += Q8_0_BYTES) dequantize_q8_0(values + i, bytes);
        break;
    case TFC_Q4_0:
        for (int64_t i = 0; i < n; i += BLOCK, bytes += Q4_0_BYTES) dequantize_q4_0(values + i, bytes);
        break;
    case TFC_Q4_1:
        for (int64_t i = 0; i < n; i += BLOCK, bytes += Q4_1_BYTES) dequantize_q4_1(values + i, bytes);
        break;
    case TFC_N_DTYPES:
        break;
    }
}

/* The nearest integer, half away from zero, held within ±127; 0 for NaN. */
static int round_q8(float v)
{
    if (!(v > -127.0F)) return v <= -127.0F ? -127 : 0;
    if (v >= 127.0F) return 127;
    int whole = (int)v;
    float rest = v - (float)whole; /* exact */
    return whole + (rest >= 0.5F) - (rest <= -0.5F);
}

static void quantize_q8_0(unsigned char *restrict block, const float *restrict values)
{
    float largest = 0;
    for (int i = 0; i < BLOCK; i++) {
        float size = values[i] < 0 ? -values[i] : values[i];
        if (size > largest) largest = size;
    }
    float d = largest / 127.0F, inverse = d > 0 ? 1.0F / d : 0.0F;
    write_u16(block, narrow_f16(d));
    for (int i = 0; i < BLOCK; i++) block[2 + i] = (unsigned char)(round_q8(values[i] * inverse) & 0xFF);
}

void tfc_quantize_row(void *restrict row, const float *restrict values, int64_t n, tfc_dtype dtype)
{
    unsigned char *bytes = row;
    switch (dtype) {
    case TFC_F32:
        for (int64_t i = 0; i < n; i++) {
            uint32_t u = bits_of(values[i]);
            write_u16(bytes + 4 * i, (uint16_t)(u & 0xFFFFU));
            write_u16(bytes + 4 * i + 2, (uint16_t)(u >> 16));
        }
        break;
    case TFC_F16:
        for (int64_t i = 0; i < n; i++) write_u16(bytes + 2 * i, narrow_f16(values[i]));
        break;
    case TFC_BF16:
        for (int64_t i = 0; i < n; i++) write_u16(bytes + 2 * i, narrow_bf16(values[i]));
        break;
    case TFC_Q8_0:
        for (int64_t i = 0; i < n; i += BLOCK, bytes += Q8_0_BYTES) quantize_q8_0(bytes, values + i);
        break;
    case TFC_Q4_0:
    case TFC_Q4_1:
    case TFC_N_DTYPES:
        break; /* read only */
    }
}
