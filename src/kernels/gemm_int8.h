/* kernels/gemm_int8.h: int8 products of each path, called by its gemm_*.c for TFC_OPERAND_INT8. The functions
 * are those of tfc_kernels; int8_block.h says what they compute. */
#ifndef TFC_KERNELS_GEMM_INT8_H
#define TFC_KERNELS_GEMM_INT8_H

#include "kernels/kernels.h"

typedef struct tfc_int8_path {
    size_t (*panel_bytes)(int64_t K);
    size_t (*rows_bytes)(int64_t M, int64_t K);
    void (*pack_panels)(tfc_panels *panels, int64_t from, int64_t to, const float *restrict w,
                        int64_t stride_n, int64_t stride_k);
    void (*pack_rows)(void *restrict packed, int64_t M, int64_t K, int64_t from, int64_t to,
                      const float *restrict x, int64_t stride_m, int64_t stride_k);
    void (*gemm)(float *restrict y, int64_t ld_y, const void *restrict x_packed, int64_t M, int64_t m_from,
                 int64_t m_to, const tfc_panels *w, int64_t p_from, int64_t p_to, const float *restrict bias,
                 bool accumulate);
    double (*peak)(int64_t rounds, float *sink); /* as tfc_peak_loop */
} tfc_int8_path;

extern const tfc_int8_path tfc_int8_ref, tfc_int8_avx2, tfc_int8_avx512;

#endif
