/* kernels/dtype.h: how numbers are stored, and the way from and to float32.
 *
 * Block formats are ggml's (GGUF v3): Q8_0 = {f16 d; int8 q[32]}, Q4_0 = {f16 d; 4-bit q[32]} (q-8)*d, Q4_1 =
 * {f16 d, m; 4-bit q[32]} q*d+m. Results are the same
 * bits on every machine, with whatever instructions. */
#ifndef TFC_KERNELS_DTYPE_H
#define TFC_KERNELS_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tfc_dtype { TFC_F32, TFC_F16, TFC_BF16, TFC_Q8_0, TFC_Q4_0, TFC_Q4_1, TFC_N_DTYPES } tfc_dtype;

const char *tfc_dtype_name(tfc_dtype dtype);     /* "F32", "Q4_1", … */
int64_t tfc_dtype_block_values(tfc_dtype dtype); /* values of a block: 1 or 32 */
size_t tfc_dtype_block_bytes(tfc_dtype dtype);   /* bytes of a block */
/* Bytes of a row of n values; n must be a multiple of the block (else 0). */
size_t tfc_dtype_row_bytes(tfc_dtype dtype, int64_t n);

/* values[n] = the n values stored at `row` (any alignment). n is a multiple of the block. */
void tfc_dequantize_row(float *restrict values, const void *restrict row, int64_t n, tfc_dtype dtype);
/* The specification of it, which every machine has. */
void tfc_dequantize_row_ref(float *restrict values, const void *restrict row, int64_t n, tfc_dtype dtype);
/* The other way, for F32, F16, BF16, Q8_0 (as ggml does: d = max|x| / 127, round half away from zero). */
void tfc_quantize_row(void *restrict row, const float *restrict values, int64_t n, tfc_dtype dtype);

/* Round to nearest, ties to even, subnormals kept; NaN stays NaN. */
float tfc_f16_to_f32(uint16_t h);
uint16_t tfc_f32_to_f16(float f);
static inline float tfc_bf16_to_f32(uint16_t h)
{
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)h << 16};
    return v.f;
}
uint16_t tfc_f32_to_bf16(float f);

#endif
