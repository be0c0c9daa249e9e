/* kernels/elements.h: fills a table's rows, elements and attention entries, per path. */
#ifndef TFC_KERNELS_ELEMENTS_H
#define TFC_KERNELS_ELEMENTS_H

#include "kernels/kernels.h"

/* 2 sqrt(2/π) and 2 sqrt(2/π) 0.044715: gelu's inner polynomial, doubled */
#define TFC_GELU_A 1.59576912f
#define TFC_GELU_B 0.0713548163f

void tfc_elements_ref_install(tfc_kernels *k);
void tfc_attention_ref_install(tfc_kernels *k);
#if defined(__x86_64__)
void tfc_elements_avx2_install(tfc_kernels *k);
void tfc_elements_avx512_install(tfc_kernels *k);
void tfc_attention_avx2_install(tfc_kernels *k);
void tfc_attention_avx512_install(tfc_kernels *k);
#endif

#endif
