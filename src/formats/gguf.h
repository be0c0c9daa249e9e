/* formats/gguf.h: GGUF v3, read through a mapping and checked whole before anything is handed out; and
 * written. */
#ifndef TFC_FORMATS_GGUF_H
#define TFC_FORMATS_GGUF_H

#include "formats/tensor.h"

typedef struct tfc_gguf tfc_gguf;

/* Everything that the format itself promises is checked here: lengths, types, duplicates, alignment, offsets,
 * overlap, sizes. Weight types that we do not compute with are an error that names the tensor. */
tfc_gguf *tfc_gguf_open(const char *path, tfc_error *err);
/* The same over bytes that the caller keeps; `what` names them in messages. */
tfc_gguf *tfc_gguf_open_memory(const void *bytes, size_t n, const char *what, tfc_error *err);
void tfc_gguf_close(tfc_gguf *gguf);
void tfc_gguf_drop_pages(const tfc_gguf *gguf); /* see tfc_file_map_drop_pages */
size_t tfc_gguf_bytes(const tfc_gguf *gguf);    /* of the whole file */
const tfc_tensor_set *tfc_gguf_tensors(const tfc_gguf *gguf);

/* Metadata. found = NULL: a missing key is an error that names it; else *found tells. A value of another kind
 * is always an error. Integers of every width are one kind; floats of both widths too. Text borrows (not
 * NUL-terminated). */
tfc_status tfc_gguf_get_int(const tfc_gguf *gguf, const char *key, int64_t *out, bool *found, tfc_error *err);
tfc_status tfc_gguf_get_float(const tfc_gguf *gguf, const char *key, double *out, bool *found,
                              tfc_error *err);
tfc_status tfc_gguf_get_bool(const tfc_gguf *gguf, const char *key, bool *out, bool *found, tfc_error *err);
tfc_status tfc_gguf_get_text(const tfc_gguf *gguf, const char *key, const char **out, size_t *n, bool *found,
                             tfc_error *err);
/* Arrays: their length, then items. */
tfc_status tfc_gguf_get_text_array(const tfc_gguf *gguf, const char *key, int64_t *n, bool *found,
                                   tfc_error *err);
tfc_status tfc_gguf_text_item(const tfc_gguf *gguf, const char *key, int64_t i, const char **out,
                              size_t *n_bytes);
tfc_status tfc_gguf_get_int_array(const tfc_gguf *gguf, const char *key, const int32_t **items, int64_t *n,
                                  bool *found, tfc_error *err); /* widened copy owned by gguf */
tfc_status tfc_gguf_get_float_array(const tfc_gguf *gguf, const char *key, const float **items, int64_t *n,
                                    bool *found, tfc_error *err);

/* All metadata in file order, as raw bytes, so that an export can carry it over unchanged. */
typedef struct tfc_gguf_kv {
    const char *key;
    size_t n_key;
    uint32_t type;     /* GGUF's value type */
    const void *value; /* encoded as in the file */
    size_t n_value;
} tfc_gguf_kv;
int64_t tfc_gguf_n_kv(const tfc_gguf *gguf);
tfc_gguf_kv tfc_gguf_kv_at(const tfc_gguf *gguf, int64_t i);

/* Writing: metadata first, then every tensor's description, then the tensors' rows in that order. The file
 * appears under its name at commit. */
typedef struct tfc_gguf_writer tfc_gguf_writer;
tfc_gguf_writer *tfc_gguf_writer_create(const char *path, tfc_error *err);
void tfc_gguf_writer_free(tfc_gguf_writer *writer); /* before commit: nothing is left behind */
tfc_status tfc_gguf_writer_raw(tfc_gguf_writer *writer, const tfc_gguf_kv *kv, tfc_error *err);
tfc_status tfc_gguf_writer_int(tfc_gguf_writer *writer, const char *key, uint32_t value, tfc_error *err);
tfc_status tfc_gguf_writer_float(tfc_gguf_writer *writer, const char *key, float value, tfc_error *err);
tfc_status tfc_gguf_writer_bool(tfc_gguf_writer *writer, const char *key, bool value, tfc_error *err);
tfc_status tfc_gguf_writer_text(tfc_gguf_writer *writer, const char *key, const char *text, size_t n,
                                tfc_error *err);
tfc_status tfc_gguf_writer_text_array(tfc_gguf_writer *writer, const char *key, const char *const *texts,
                                      const size_t *lengths, int64_t n, tfc_error *err);
tfc_status tfc_gguf_writer_int_array(tfc_gguf_writer *writer, const char *key, const int32_t *items,
                                     int64_t n, tfc_error *err);
tfc_status tfc_gguf_writer_tensor(tfc_gguf_writer *writer, const char *name, tfc_dtype dtype, int n_dims,
                                  const int64_t *dims, tfc_error *err);
/* The next rows of the tensor whose turn it is, as f32 values; converted to its type. n is a multiple of its
 * row. */
tfc_status tfc_gguf_writer_values(tfc_gguf_writer *writer, const float *values, int64_t n, tfc_error *err);
tfc_status tfc_gguf_writer_commit(tfc_gguf_writer *writer, tfc_error *err);

#endif
