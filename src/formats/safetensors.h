/* formats/safetensors.h: a safetensors file, or the shards that an index names, mapped and checked; and
 * written. */
#ifndef TFC_FORMATS_SAFETENSORS_H
#define TFC_FORMATS_SAFETENSORS_H

#include "formats/tensor.h"

typedef struct tfc_safetensors tfc_safetensors;

/* One file. Integer and boolean tensors are allowed in a file that is read for its weights only when
 * `skip_others` is set (GPT-2's stray masks); they are then left out of the set. I32 tensors are readable
 * with tfc_safetensors_raw in any case (golden values). */
tfc_safetensors *tfc_safetensors_open(const char *path, bool skip_others, tfc_error *err);
/* The same over bytes that the caller keeps; `what` names them in messages. */
tfc_safetensors *tfc_safetensors_open_memory(const void *bytes, size_t n, const char *what, bool skip_others,
                                             tfc_error *err);
/* A folder with model.safetensors, or model.safetensors.index.json and its shards. */
tfc_safetensors *tfc_safetensors_open_folder(const char *folder, bool skip_others, tfc_error *err);
void tfc_safetensors_close(tfc_safetensors *file);
void tfc_safetensors_drop_pages(const tfc_safetensors *file); /* see tfc_file_map_drop_pages */
const tfc_tensor_set *tfc_safetensors_tensors(const tfc_safetensors *file);
size_t tfc_safetensors_bytes(const tfc_safetensors *file); /* of all files together */

/* Any tensor by name whatever its dtype ("I32", "U8", "F32", …), for tools and tests; NULL when absent. */
typedef struct tfc_safetensors_raw_view {
    const char *dtype;
    int n_dims;
    int64_t dims[8];
    const void *data;
    size_t n_bytes;
} tfc_safetensors_raw_view;
const tfc_safetensors_raw_view *tfc_safetensors_raw(const tfc_safetensors *file, const char *name);

/* Writing F32, F16 or BF16; all tensors are described first, then their values follow in that order. */
typedef struct tfc_safetensors_writer tfc_safetensors_writer;
tfc_safetensors_writer *tfc_safetensors_writer_create(const char *path, tfc_error *err);
void tfc_safetensors_writer_free(tfc_safetensors_writer *writer);
tfc_status tfc_safetensors_writer_tensor(tfc_safetensors_writer *writer, const char *name, tfc_dtype dtype,
                                         int n_dims, const int64_t *dims, tfc_error *err);
tfc_status tfc_safetensors_writer_values(tfc_safetensors_writer *writer, const float *values, int64_t n,
                                         tfc_error *err);
tfc_status tfc_safetensors_writer_commit(tfc_safetensors_writer *writer, tfc_error *err);

#endif
