/* kernels/paths.h: what the files of one instruction set give to the dispatcher.
 *
 * Each install function writes its functions into a table. The reference is installed first and the rest over
 * it, so that a table is full even where a path has no version of its own of some function. The functions of
 * avx2, avx512 and amx, the install functions among them, are entered only where the machine has the
 * instructions.
 */
#ifndef TFC_KERNELS_PATHS_H
#define TFC_KERNELS_PATHS_H

#include "kernels/kernels.h"

enum { TFC_MANY_ROWS = 56 }; /* many_rows where a product takes longer than reading its weights */

void tfc_gemm_ref_install(tfc_kernels *kernels);
void tfc_gemm_avx2_install(tfc_kernels *kernels);
void tfc_gemm_avx512_install(tfc_kernels *kernels);
void tfc_gemm_amx_install(tfc_kernels *kernels); /* over AVX-512's */
void tfc_elements_ref_install(tfc_kernels *kernels);
void tfc_elements_avx2_install(tfc_kernels *kernels);
void tfc_elements_avx512_install(tfc_kernels *kernels);
void tfc_attention_ref_install(tfc_kernels *kernels);
void tfc_attention_avx2_install(tfc_kernels *kernels);
void tfc_attention_avx512_install(tfc_kernels *kernels);

void tfc_dequantize_row_avx2(float *restrict values, const void *restrict row, int64_t n, tfc_dtype dtype);

/* Asks the system for the tile registers; entered only where the processor has them. */
bool tfc_amx_permitted(void);

/* `rounds` rounds of a register-only loop of the path's multiply-add for the operand; returns the number of
 * floating-point operations done (a multiply-add is two). *sink takes a value that depends on all of them. */
typedef double (*tfc_peak_loop)(tfc_operand operand, int64_t rounds, float *sink);
double tfc_gemm_ref_peak(tfc_operand operand, int64_t rounds, float *sink);
double tfc_gemm_avx2_peak(tfc_operand operand, int64_t rounds, float *sink);
double tfc_gemm_avx512_peak(tfc_operand operand, int64_t rounds, float *sink);
double tfc_gemm_amx_peak(tfc_operand operand, int64_t rounds, float *sink);

#endif
