/* safetensors, written: descriptions first; the first values (or the commit) write the header. */
#include "base/file.h"
#include "formats/safetensors.h"

enum { HEADER_ALIGNMENT = 8, CHUNK = 4096 };

typedef struct out_tensor {
    char *name;
    tfc_dtype dtype;
    int n_dims;
    int64_t dims[TFC_TENSOR_DIMS];
    int64_t n_values;
    uint64_t n_bytes;
} out_tensor;

struct tfc_safetensors_writer {
    tfc_file_writer file;
    out_tensor *tensors;
    int64_t n_tensors, capacity;
    bool header_done;
    int64_t at, done; /* the tensor whose turn it is, and how many of its values are written */
};

tfc_safetensors_writer *tfc_safetensors_writer_create(const char *path, tfc_error *err)
{
    tfc_safetensors_writer *writer = tfc_alloc_zero(1, sizeof *writer);
    if (!writer) {
        tfc_fail_memory(err, path);
        return NULL;
    }
    if (tfc_file_writer_open(&writer->file, path, err) == TFC_OK) return writer;
    tfc_safetensors_writer_free(writer);
    return NULL;
}

void tfc_safetensors_writer_free(tfc_safetensors_writer *writer)
{
    if (!writer) return;
    tfc_file_writer_abort(&writer->file);
    for (int64_t i = 0; i < writer->n_tensors; i++) tfc_free(writer->tensors[i].name);
    tfc_free(writer->tensors);
    tfc_free(writer);
}

tfc_status tfc_safetensors_writer_tensor(tfc_safetensors_writer *writer, const char *name, tfc_dtype dtype,
                                         int n_dims, const int64_t *dims, tfc_error *err)
{
    if (writer->header_done || n_dims < 0 || n_dims > TFC_TENSOR_DIMS)
        return tfc_fail(err, TFC_EINVAL, "%s: cannot be described (%d dimensions)", name, n_dims);
    if (dtype != TFC_F32 && dtype != TFC_F16 && dtype != TFC_BF16)
        return tfc_fail(err, TFC_EUNSUPPORTED, "%s: safetensors cannot hold %s", name, tfc_dtype_name(dtype));
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
    *tensor = (out_tensor){.dtype = dtype, .n_dims = n_dims};
    memcpy(tensor->dims, dims, (size_t)n_dims * sizeof *dims);
    if (!tfc_dims_product(dims, n_dims, &tensor->n_values) || tensor->n_values < 1 ||
        tensor->n_values > (int64_t)1 << 58)
        return tfc_fail(err, TFC_EINVAL, "%s: a tensor must hold values, and not too many", name);
    tensor->n_bytes = (uint64_t)tensor->n_values * tfc_dtype_block_bytes(dtype);
    tensor->name = tfc_strdup(name);
    if (!tensor->name) return tfc_fail_memory(err, name);
    writer->n_tensors++;
    return TFC_OK;
}

/* {"__metadata__":{"format":"pt"},"NAME":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]},…} and blanks.
 */
static tfc_status put_header(tfc_safetensors_writer *writer, tfc_error *err)
{
    tfc_buffer header;
    tfc_buffer_init(&header, 100000000);
    tfc_buffer_puts(&header, "{\"__metadata__\":{\"format\":\"pt\"}");
    uint64_t offset = 0;
    for (int64_t i = 0; i < writer->n_tensors; i++) {
        const out_tensor *tensor = &writer->tensors[i];
        tfc_buffer_putc(&header, ',');
        tfc_buffer_json(&header, tensor->name, strlen(tensor->name));
        tfc_buffer_printf(&header, ":{\"dtype\":\"%s\",\"shape\":[", tfc_dtype_name(tensor->dtype));
        for (int d = 0; d < tensor->n_dims; d++)
            tfc_buffer_printf(&header, "%s%lld", d ? "," : "", (long long)tensor->dims[d]);
        tfc_buffer_printf(&header, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)offset,
                          (unsigned long long)(offset + tensor->n_bytes));
        offset += tensor->n_bytes;
    }
    tfc_buffer_putc(&header, '}');
    while (!header.failed && header.n % HEADER_ALIGNMENT != 0) tfc_buffer_putc(&header, ' ');
    uint64_t n = header.n;
    tfc_status status = tfc_buffer_ok(&header, "header", err);
    if (status == TFC_OK) status = tfc_file_writer_write(&writer->file, &n, sizeof n, err);
    if (status == TFC_OK) status = tfc_file_writer_write(&writer->file, header.data, header.n, err);
    writer->header_done = status == TFC_OK;
    tfc_buffer_release(&header);
    return status;
}

tfc_status tfc_safetensors_writer_values(tfc_safetensors_writer *writer, const float *values, int64_t n,
                                         tfc_error *err)
{
    tfc_status status = writer->header_done ? TFC_OK : put_header(writer, err);
    if (status != TFC_OK) return status;
    if (writer->at >= writer->n_tensors)
        return tfc_fail(err, TFC_EINVAL, "more values than the described tensors hold");
    const out_tensor *tensor = &writer->tensors[writer->at];
    if (n < 0 || n > tensor->n_values - writer->done)
        return tfc_fail(err, TFC_EINVAL, "%s: %lld values, but %lld are left", tensor->name, (long long)n,
                        (long long)(tensor->n_values - writer->done));
    float chunk[CHUNK]; /* as large as the widest type */
    for (int64_t i = 0; status == TFC_OK && i < n; i += CHUNK) {
        int64_t count = n - i < CHUNK ? n - i : CHUNK;
        tfc_quantize_row(chunk, values + i, count, tensor->dtype);
        status = tfc_file_writer_write(&writer->file, chunk, tfc_dtype_row_bytes(tensor->dtype, count), err);
    }
    writer->done += n;
    if (writer->done == tensor->n_values) writer->at++, writer->done = 0;
    return status;
}

tfc_status tfc_safetensors_writer_commit(tfc_safetensors_writer *writer, tfc_error *err)
{
    tfc_status status = writer->header_done ? TFC_OK : put_header(writer, err);
    if (status == TFC_OK && writer->at < writer->n_tensors)
        status = tfc_fail(err, TFC_EINVAL, "%s: %lld of %lld values were written",
                          writer->tensors[writer->at].name, (long long)writer->done,
                          (long long)writer->tensors[writer->at].n_values);
    return status == TFC_OK ? tfc_file_writer_commit(&writer->file, err) : status;
}
