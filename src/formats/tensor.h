/* formats/tensor.h: a checked view of one stored tensor, the same for every file format. */
#ifndef TFC_FORMATS_TENSOR_H
#define TFC_FORMATS_TENSOR_H

#include "base/status.h"
#include "kernels/dtype.h"

enum { TFC_TENSOR_DIMS = 4 };

typedef struct tfc_tensor_view {
    const char *name; /* of the file that it lies in */
    tfc_dtype dtype;
    int n_dims;                    /* 0 (a scalar) to 4 */
    int64_t dims[TFC_TENSOR_DIMS]; /* row-major: dims[n_dims-1] is contiguous. GGUF's order is turned round.
                                      Unused: 1 */
    const void *data;              /* into the mapping; any alignment */
    size_t n_bytes;
} tfc_tensor_view;

/* Tensors of a model file or folder, found by name through a hash table. Opaque owners hand this out. */
typedef struct tfc_tensor_set {
    tfc_tensor_view *tensors;
    int64_t n_tensors;
    int64_t *table; /* open addressing; private */
    int64_t table_size;
} tfc_tensor_set;

const tfc_tensor_view *tfc_tensor_find(const tfc_tensor_set *set, const char *name); /* NULL when absent */

#endif
