/* GGUF, written. Descriptions are collected first; the first values (or the commit) write the header, and
 * from then on the tensors' rows stream through one converted block at a time. */
#include "base/file.h"
#include "formats/gguf.h"

enum { KV_U32 = 4, KV_I32 = 5, KV_F32 = 6, KV_BOOL = 7, KV_TEXT = 8, KV_ARRAY = 9 };
enum { ALIGNMENT = 32 };

static const uint32_t type_numbers[TFC_N_DTYPES] = {
    [TFC_F32] = 0, [TFC_F16] = 1, [TFC_BF16] = 30, [TFC_Q8_0] = 8, [TFC_Q4_0] = 2, [TFC_Q4_1] = 3};

typedef struct out_tensor {
    char *name;
    tfc_dtype dtype;
    int n_dims;
    int64_t dims[TFC_TENSOR_DIMS];
    int64_t row, n_values;
    uint64_t offset, n_bytes;
} out_tensor;

struct tfc_gguf_writer {
    tfc_file_writer file;
    tfc_buffer metadata;
    char **keys;
    int64_t n_keys;
    out_tensor *tensors;
    int64_t n_tensors, capacity;
    uint64_t n_data; /* bytes of the data section as described so far */
    bool header_done;
    int64_t at, done;   /* the tensor whose turn it is, and how many of its values are written */
    unsigned char *row; /* one converted row */
    size_t row_bytes;
};

tfc_gguf_writer *tfc_gguf_writer_create(const char *path, tfc_error *err)
{
    tfc_gguf_writer *writer = tfc_alloc_zero(1, sizeof *writer);
    if (!writer) {
        tfc_fail_memory(err, path);
        return NULL;
    }
    tfc_buffer_init(&writer->metadata, 0);
    if (tfc_file_writer_open(&writer->file, path, err) == TFC_OK) return writer;
    tfc_gguf_writer_free(writer);
    return NULL;
}

void tfc_gguf_writer_free(tfc_gguf_writer *writer)
{
    if (!writer) return;
    tfc_file_writer_abort(&writer->file);
    tfc_buffer_release(&writer->metadata);
    for (int64_t i = 0; i < writer->n_keys; i++) tfc_free(writer->keys[i]);
    tfc_free(writer->keys);
    for (int64_t i = 0; i < writer->n_tensors; i++) tfc_free(writer->tensors[i].name);
    tfc_free(writer->tensors);
    tfc_free(writer->row);
    tfc_free(writer);
}

/* ---- metadata ---- */

static void put_u32(tfc_buffer *out, uint32_t value)
{
    tfc_buffer_append(out, &value, sizeof value);
}

static void put_u64(tfc_buffer *out, uint64_t value)
{
    tfc_buffer_append(out, &value, sizeof value);
}

static void put_text(tfc_buffer *out, const char *text, size_t n)
{
    put_u64(out, n);
    tfc_buffer_append(out, text, n);
}

/* The key and the type of a value; refuses a key that is there already. */
static tfc_status begin_kv(tfc_gguf_writer *writer, const char *key, size_t n_key, uint32_t type,
                           tfc_error *err)
{
    if (writer->header_done)
        return tfc_fail(err, TFC_EINVAL, "%s: metadata must come before the tensors' values", key);
    for (int64_t i = 0; i < writer->n_keys; i++)
        if (strlen(writer->keys[i]) == n_key && memcmp(writer->keys[i], key, n_key) == 0)
            return tfc_fail(err, TFC_EINVAL, "metadata key %s is written twice", writer->keys[i]);
    char **keys = tfc_realloc(writer->keys, (size_t)writer->n_keys + 1, sizeof *keys);
    if (!keys) return tfc_fail_memory(err, "metadata");
    writer->keys = keys;
    keys[writer->n_keys] = tfc_memdup_text(key, n_key);
    if (!keys[writer->n_keys]) return tfc_fail_memory(err, "metadata");
    writer->n_keys++;
    put_text(&writer->metadata, key, n_key);
    put_u32(&writer->metadata, type);
    return TFC_OK;
}

static tfc_status put_kv(tfc_gguf_writer *writer, const char *key, size_t n_key, uint32_t type,
                         const void *value, size_t n, tfc_error *err)
{
    tfc_status status = begin_kv(writer, key, n_key, type, err);
    if (status != TFC_OK) return status;
    tfc_buffer_append(&writer->metadata, value, n);
    return tfc_buffer_ok(&writer->metadata, "metadata", err);
}

/* The alignment is our own: a carried-over general.alignment is left out. */
tfc_status tfc_gguf_writer_raw(tfc_gguf_writer *writer, const tfc_gguf_kv *kv, tfc_error *err)
{
    static const char alignment[] = "general.alignment";
    if (kv->n_key == sizeof alignment - 1 && memcmp(kv->key, alignment, kv->n_key) == 0) return TFC_OK;
    return put_kv(writer, kv->key, kv->n_key, kv->type, kv->value, kv->n_value, err);
}

tfc_status tfc_gguf_writer_int(tfc_gguf_writer *writer, const char *key, uint32_t value, tfc_error *err)
{
    return put_kv(writer, key, strlen(key), KV_U32, &value, sizeof value, err);
}

tfc_status tfc_gguf_writer_float(tfc_gguf_writer *writer, const char *key, float value, tfc_error *err)
{
    return put_kv(writer, key, strlen(key), KV_F32, &value, sizeof value, err);
}

tfc_status tfc_gguf_writer_bool(tfc_gguf_writer *writer, const char *key, bool value, tfc_error *err)
{
    unsigned char byte = value;
    return put_kv(writer, key, strlen(key), KV_BOOL, &byte, sizeof byte, err);
}

tfc_status tfc_gguf_writer_text(tfc_gguf_writer *writer, const char *key, const char *text, size_t n,
                                tfc_error *err)
{
    tfc_status status = begin_kv(writer, key, strlen(key), KV_TEXT, err);
    if (status != TFC_OK) return status;
    put_text(&writer->metadata, text, n);
    return tfc_buffer_ok(&writer->metadata, "metadata", err);
}

tfc_status tfc_gguf_writer_text_array(tfc_gguf_writer *writer, const char *key, const char *const *texts,
                                      const size_t *lengths, int64_t n, tfc_error *err)
{
    tfc_status status = begin_kv(writer, key, strlen(key), KV_ARRAY, err);
    if (status != TFC_OK) return status;
    put_u32(&writer->metadata, KV_TEXT);
    put_u64(&writer->metadata, (uint64_t)n);
    for (int64_t i = 0; i < n; i++) put_text(&writer->metadata, texts[i], lengths[i]);
    return tfc_buffer_ok(&writer->metadata, "metadata", err);
}

tfc_status tfc_gguf_writer_int_array(tfc_gguf_writer *writer, const char *key, const int32_t *items,
                                     int64_t n, tfc_error *err)
{
    tfc_status status = begin_kv(writer, key, strlen(key), KV_ARRAY, err);
    if (status != TFC_OK) return status;
    put_u32(&writer->metadata, KV_I32);
    put_u64(&writer->metadata, (uint64_t)n);
    tfc_buffer_append(&writer->metadata, items, (size_t)n * sizeof *items);
    return tfc_buffer_ok(&writer->metadata, "metadata", err);
}

/* ---- tensors ---- */

/* Fills what follows from shape and type; the tensor takes the next aligned place. */
static tfc_status describe(tfc_gguf_writer *writer, out_tensor *tensor, tfc_dtype dtype, int n_dims,
                           const int64_t *dims, tfc_error *err)
{
    tensor->dtype = dtype;
    tensor->n_dims = n_dims;
    memcpy(tensor->dims, dims, (size_t)n_dims * sizeof *dims);
    tensor->row = n_dims ? dims[n_dims - 1] : 1;
    if (!tfc_dims_product(dims, n_dims, &tensor->n_values) || tensor->n_values < 1)
        return tfc_fail(err, TFC_EINVAL, "%s: a tensor must hold values", tensor->name);
    int64_t block = tfc_dtype_block_values(dtype);
    if (tensor->row % block != 0)
        return tfc_fail(err, TFC_EINVAL, "%s: row length %lld is no multiple of the block of %s, %lld",
                        tensor->name, (long long)tensor->row, tfc_dtype_name(dtype), (long long)block);
    if (dtype == TFC_Q4_0 || dtype == TFC_Q4_1)
        return tfc_fail(err, TFC_EUNSUPPORTED, "%s: %s can be read but not written", tensor->name,
                        tfc_dtype_name(dtype));
    size_t bytes;
    if (!tfc_size_mul((size_t)(tensor->n_values / block), tfc_dtype_block_bytes(dtype), &bytes) ||
        bytes > (size_t)1 << 60 || writer->n_data > (uint64_t)1 << 60)
        return tfc_fail(err, TFC_EINVAL, "%s: tensor size overflows", tensor->name);
    tensor->offset = writer->n_data;
    tensor->n_bytes = bytes;
    writer->n_data += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return TFC_OK;
}

tfc_status tfc_gguf_writer_tensor(tfc_gguf_writer *writer, const char *name, tfc_dtype dtype, int n_dims,
                                  const int64_t *dims, tfc_error *err)
{
    if (writer->header_done || n_dims < 0 || n_dims > TFC_TENSOR_DIMS)
        return tfc_fail(err, TFC_EINVAL, "%s: cannot be described (%d dimensions)", name, n_dims);
    for (int64_t i = 0; i < writer->n_tensors; i++)
        if (strcmp(writer->tensors[i].name, name) == 0)
            return tfc_fail(err, TFC_EINVAL, "tensor %s is written twice", name);
    if (writer->n_tensors == writer->capacity) {
        int64_t capacity = writer->capacity ? writer->capacity * 2 : 64;
        out_tensor *tensors = tfc_realloc(writer->tensors, (size_t)capacity, sizeof *tensors);
        if (!tensors) return tfc_fail_memory(err, name);
        writer->tensors = tensors;
        writer->capacity = capacity;
    }
    out_tensor *tensor = &writer->tensors[writer->n_tensors];
    memset(tensor, 0, sizeof *tensor);
    tensor->name = tfc_strdup(name);
    if (!tensor->name) return tfc_fail_memory(err, name);
    tfc_status status = describe(writer, tensor, dtype, n_dims, dims, err);
    if (status != TFC_OK)
        tfc_free(tensor->name);
    else
        writer->n_tensors++;
    return status;
}

static tfc_status put_padding(tfc_gguf_writer *writer, uint64_t written, tfc_error *err)
{
    static const unsigned char zeros[ALIGNMENT];
    return tfc_file_writer_write(&writer->file, zeros, (size_t)(-written % ALIGNMENT), err);
}

static tfc_status put_header(tfc_gguf_writer *writer, tfc_error *err)
{
    tfc_buffer head, table;
    tfc_buffer_init(&head, 0);
    tfc_buffer_init(&table, 0);
    tfc_buffer_append(&head, "GGUF", 4);
    put_u32(&head, 3);
    put_u64(&head, (uint64_t)writer->n_tensors);
    put_u64(&head, (uint64_t)writer->n_keys);
    for (int64_t i = 0; i < writer->n_tensors; i++) {
        const out_tensor *tensor = &writer->tensors[i];
        put_text(&table, tensor->name, strlen(tensor->name));
        put_u32(&table, (uint32_t)tensor->n_dims);
        for (int d = tensor->n_dims - 1; d >= 0; d--) put_u64(&table, (uint64_t)tensor->dims[d]);
        put_u32(&table, type_numbers[tensor->dtype]);
        put_u64(&table, tensor->offset);
    }
    tfc_status status = tfc_buffer_ok(&writer->metadata, "metadata", err);
    if (status == TFC_OK) status = tfc_buffer_ok(&head, "header", err);
    if (status == TFC_OK) status = tfc_buffer_ok(&table, "tensor table", err);
    if (status == TFC_OK) status = tfc_file_writer_write(&writer->file, head.data, head.n, err);
    if (status == TFC_OK)
        status = tfc_file_writer_write(&writer->file, writer->metadata.data, writer->metadata.n, err);
    if (status == TFC_OK) status = tfc_file_writer_write(&writer->file, table.data, table.n, err);
    if (status == TFC_OK) status = put_padding(writer, head.n + writer->metadata.n + table.n, err);
    writer->header_done = status == TFC_OK;
    tfc_buffer_release(&head);
    tfc_buffer_release(&table);
    return status;
}

/* Room for one row of the tensor whose turn it is. */
static tfc_status row_reserve(tfc_gguf_writer *writer, size_t bytes, tfc_error *err)
{
    if (bytes <= writer->row_bytes) return TFC_OK;
    unsigned char *row = tfc_realloc(writer->row, bytes, 1);
    if (!row) return tfc_fail_memory(err, "row of a tensor");
    writer->row = row;
    writer->row_bytes = bytes;
    return TFC_OK;
}

tfc_status tfc_gguf_writer_values(tfc_gguf_writer *writer, const float *values, int64_t n, tfc_error *err)
{
    tfc_status status = writer->header_done ? TFC_OK : put_header(writer, err);
    if (status != TFC_OK) return status;
    if (writer->at >= writer->n_tensors)
        return tfc_fail(err, TFC_EINVAL, "more values than the described tensors hold");
    const out_tensor *tensor = &writer->tensors[writer->at];
    if (n < 0 || n % tensor->row != 0 || n > tensor->n_values - writer->done)
        return tfc_fail(err, TFC_EINVAL, "%s: %lld values, but rows have %lld and %lld values are left",
                        tensor->name, (long long)n, (long long)tensor->row,
                        (long long)(tensor->n_values - writer->done));
    size_t bytes = tfc_dtype_row_bytes(tensor->dtype, tensor->row);
    status = row_reserve(writer, bytes, err);
    for (int64_t i = 0; status == TFC_OK && i < n; i += tensor->row) {
        tfc_quantize_row(writer->row, values + i, tensor->row, tensor->dtype);
        status = tfc_file_writer_write(&writer->file, writer->row, bytes, err);
    }
    writer->done += n;
    if (status == TFC_OK && writer->done == tensor->n_values) {
        status = put_padding(writer, tensor->n_bytes, err);
        writer->at++;
        writer->done = 0;
    }
    return status;
}

tfc_status tfc_gguf_writer_commit(tfc_gguf_writer *writer, tfc_error *err)
{
    tfc_status status = writer->header_done ? TFC_OK : put_header(writer, err);
    if (status == TFC_OK && writer->at < writer->n_tensors)
        status = tfc_fail(err, TFC_EINVAL, "%s: %lld of %lld values were written",
                          writer->tensors[writer->at].name, (long long)writer->done,
                          (long long)writer->tensors[writer->at].n_values);
    return status == TFC_OK ? tfc_file_writer_commit(&writer->file, err) : status;
}
