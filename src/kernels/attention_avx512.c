/* Attention with AVX-512. */
#include "kernels/vector_avx512.h"

#include "kernels/attention_body.h"
