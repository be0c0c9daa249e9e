/* Attention with AVX2 and FMA. */
#include "kernels/vector_avx2.h"

#include "kernels/attention_body.h"
