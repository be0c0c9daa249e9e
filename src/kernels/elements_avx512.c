/* Rows and elements with AVX-512. */
#include "kernels/vector_avx512.h"

#include "kernels/elements_body.h"
