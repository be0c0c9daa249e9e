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

/* The same table for any array of structs whose first member is the NUL-terminated name. Building gives
 * TFC_EFORMAT when a name stands twice (*duplicate: the index of the second). Table: tfc_free. */
tfc_status tfc_name_table_build(int64_t **table, int64_t *table_size, const void *items, int64_t n,
                                size_t stride, int64_t *duplicate, tfc_error *err);
int64_t tfc_name_table_find(const int64_t *table, int64_t table_size, const void *items, size_t stride,
                            const char *name); /* -1 when absent */

/* Two tensors may not share bytes and each must lie in the data section. */
typedef struct tfc_byte_range {
    uint64_t begin, end; /* [begin, end) within the data section */
    const char *name;
} tfc_byte_range;
void tfc_byte_ranges_sort(tfc_byte_range *ranges, int64_t n);

/* The product of the dimensions; false when it overflows int64_t or one is negative. */
bool tfc_dims_product(const int64_t *dims, int n_dims, int64_t *product);
/* "[3, 4]", for messages. */
enum { TFC_SHAPE_TEXT = 200 };
const char *tfc_shape_text(char text[TFC_SHAPE_TEXT], const int64_t *dims, int n_dims);

/* A name from a file, safe to print: cut, control bytes and bad UTF-8 replaced by '?'. Returns text. */
enum { TFC_NAME_TEXT = 132 };
const char *tfc_name_text(char text[TFC_NAME_TEXT], const char *name, size_t n);

#endif
