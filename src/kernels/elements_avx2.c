/* Rows and elements with AVX2 and FMA. */
#include "kernels/vector_avx2.h"

#include "kernels/elements_body.h"
