/* The tensors of a model in the shape that a file wants: which there are, their names and types, and their
 * rows in the file's order. */
#include "train/export.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "model/hparams.h"
#include "toolformer/train.h"
#include "train/trainer_inside.h"

tfc_status tfc_export_init(tfc_export *export, const tfc_model *model, const tfc_param_set *params,
                           const char *format, const char *type, tfc_error *err)
{
    static const tfc_dtype types[] = {TFC_F32, TFC_F16, TFC_BF16, TFC_Q8_0};
    *export = (tfc_export){.model = model, .params = params, .type = TFC_N_DTYPES};
    if (!format) format = "gguf";
    if (!type) type = "BF16";
    export->gguf = strcmp(format, "gguf") == 0;
    if (!export->gguf && strcmp(format, "safetensors") != 0)
        return tfc_fail(err, TFC_EINVAL, "unknown format '%s'; known: gguf, safetensors", format);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(type, tfc_dtype_name(types[i])) == 0) export->type = types[i];
    if (export->type == TFC_N_DTYPES)
        return tfc_fail(err, TFC_EINVAL, "unknown type '%s'; known: F32, F16, BF16, Q8_0", type);
    if (!export->gguf && export->type == TFC_Q8_0)
        return tfc_fail(err, TFC_EINVAL, "safetensors files hold F32, F16 or BF16, not Q8_0");
    return TFC_OK;
}

static bool part_transposed(tfc_arch arch, tfc_part part)
{
    const tfc_arch_spec *spec = tfc_arch_spec_of(arch);
    for (int i = 0; i < spec->n_parts; i++)
        if (spec->parts[i].part == part) return spec->parts[i].transposed;
    return false;
}

/* Rotary pairs stand side by side in llama's GGUF files and half a head apart in Hugging Face's. */
static bool part_permuted(const tfc_export *export, tfc_part part)
{
    const tfc_hparams *h = &export->model->hparams;
    return h->rope && h->arch == TFC_ARCH_LLAMA && (part == TFC_PART_WQ || part == TFC_PART_WK) &&
           h->rope_interleaved != export->gguf;
}

static bool part_describe(const tfc_export *export, tfc_part part, int64_t layer, tfc_export_tensor *tensor)
{
    const tfc_hparams *h = &export->model->hparams;
    const tfc_weight *weight = tfc_weights_part(&export->model->weights, part, layer);
    if (!weight || !weight->tensor || (part == TFC_PART_HEAD && h->tied)) return false;
    *tensor =
        (tfc_export_tensor){.part = part, .layer = layer, .weight = weight, .dtype = TFC_F32, .n_dims = 1};
    if (!tfc_part_name(h->arch, export->gguf, part, layer, tensor->name, sizeof tensor->name)) return false;
    tensor->transposed = !export->gguf && part_transposed(h->arch, part);
    tensor->permuted = part_permuted(export, part);
    int64_t rows = tensor->transposed ? weight->n_in : weight->n_out;
    int64_t columns = tensor->transposed ? weight->n_out : weight->n_in;
    tensor->dims[0] = columns;
    if (!tfc_part_is_matrix(part)) return true;
    tensor->n_dims = 2;
    tensor->dims[0] = rows;
    tensor->dims[1] = columns;
    tensor->dtype = export->type;
    if (columns % tfc_dtype_block_values(export->type) != 0) tensor->dtype = TFC_F16;
    return true;
}

tfc_status tfc_export_each(const tfc_export *export, tfc_export_visit *visit, void *context, tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (int64_t layer = -1; layer < export->model->hparams.L; layer++)
        for (int part = 0; status == TFC_OK && part < TFC_N_PARTS; part++) {
            tfc_export_tensor tensor;
            bool outer = part <= TFC_PART_HEAD;
            if (outer == (layer < 0) && part_describe(export, (tfc_part)part, layer, &tensor))
                status = visit(context, &tensor, err);
        }
    return status;
}

/* The two orders of a head's rotary rows: where `row` of the one stands in the other; interleaved: from pairs
 * (i, j) to halves (j, i), else back. */
static int64_t reordered_row(const tfc_hparams *h, int64_t row, bool interleaved)
{
    int64_t head = row / h->HD * h->HD, i = row % h->HD, half = h->n_rot / 2;
    if (i >= h->n_rot) return row;
    return head + (interleaved ? i % 2 * half + i / 2 : i % half * 2 + i / half);
}

/* The row that stands at `row` of the file. */
static int64_t permuted_row(const tfc_export *export, int64_t row)
{
    return reordered_row(&export->model->hparams, row, export->gguf);
}

/* rows = (1 - base_share) rows + base_share of the base model's; base_row: room for one. */
static void blend_rows(const tfc_export *export, const tfc_export_tensor *tensor, int64_t from, int64_t n,
                       float *rows, float *base_row)
{
    const tfc_weight *base = tfc_weights_part(&export->base->weights, tensor->part, tensor->layer);
    const tfc_hparams *h = &export->model->hparams;
    const float share = (float)export->base_share;
    const bool rotary = h->rope && (tensor->part == TFC_PART_WQ || tensor->part == TFC_PART_WK);
    const bool reordered = rotary && h->rope_interleaved != export->base->hparams.rope_interleaved;
    for (int64_t r = 0; r < n; r++, rows += base->n_in) {
        int64_t row = reordered ? reordered_row(h, from + r, h->rope_interleaved) : from + r;
        tfc_weight_rows(base, row, 1, base_row);
        for (int64_t k = 0; k < base->n_in; k++) rows[k] += share * (base_row[k] - rows[k]);
    }
}

/* Rows from … from+n-1 of the logical matrix; base_row: room for one more. */
static void source_rows(const tfc_export *export, const tfc_export_tensor *tensor, int64_t from, int64_t n,
                        float *out, float *base_row)
{
    if (export->params) {
        const tfc_param *param = tfc_param_find(export->params, tensor->part, tensor->layer);
        memcpy(out, export->params->w + param->offset + from * param->n_in,
               (size_t)(n * param->n_in) * sizeof(float));
    } else {
        tfc_weight_rows(tensor->weight, from, n, out);
    }
    if (export->base && export->base_share > 0) blend_rows(export, tensor, from, n, out, base_row);
}

/* f16 ends at 65504; a value that would become infinite is an error, not a broken model. */
static tfc_status check_range(const tfc_export_tensor *tensor, const float *values, int64_t n, tfc_error *err)
{
    float limit = tensor->dtype == TFC_F16 ? 65504.0F : tensor->dtype == TFC_Q8_0 ? 65504.0F * 127 : INFINITY;
    bool fits = true;
    for (int64_t i = 0; i < n; i++) fits &= fabsf(values[i]) <= limit;
    if (fits) return TFC_OK;
    return tfc_fail(err, TFC_EUNSUPPORTED, "tensor '%s' holds values that %s cannot; export as BF16 or F32",
                    tensor->name, tfc_dtype_name(tensor->dtype));
}

static tfc_status transposed_values(const tfc_export *export, const tfc_export_tensor *tensor, float *matrix,
                                    float *row, float *base_row, tfc_export_sink *sink, void *context,
                                    tfc_error *err)
{
    const tfc_weight *weight = tensor->weight;
    source_rows(export, tensor, 0, weight->n_out, matrix, base_row);
    tfc_status status = check_range(tensor, matrix, weight->n_out * weight->n_in, err);
    for (int64_t k = 0; status == TFC_OK && k < weight->n_in; k++) {
        for (int64_t n = 0; n < weight->n_out; n++) row[n] = matrix[n * weight->n_in + k];
        status = sink(context, row, weight->n_out, err);
    }
    return status;
}

static tfc_status plain_values(const tfc_export *export, const tfc_export_tensor *tensor, float *rows,
                               int64_t n_rows, float *base_row, tfc_export_sink *sink, void *context,
                               tfc_error *err)
{
    const tfc_weight *weight = tensor->weight;
    tfc_status status = TFC_OK;
    for (int64_t from = 0; status == TFC_OK && from < weight->n_out; from += n_rows) {
        int64_t n = tfc_min_int(n_rows, weight->n_out - from);
        for (int64_t i = 0; tensor->permuted && i < n; i++)
            source_rows(export, tensor, permuted_row(export, from + i), 1, rows + i * weight->n_in, base_row);
        if (!tensor->permuted) source_rows(export, tensor, from, n, rows, base_row);
        status = check_range(tensor, rows, n * weight->n_in, err);
        if (status == TFC_OK) status = sink(context, rows, n * weight->n_in, err);
    }
    return status;
}

tfc_status tfc_export_values(const tfc_export *export, const tfc_export_tensor *tensor, tfc_export_sink *sink,
                             void *context, tfc_error *err)
{
    const tfc_weight *weight = tensor->weight;
    int64_t n_rows = weight->n_in > TFC_TRAIN_VALUES ? 1 : TFC_TRAIN_VALUES / weight->n_in;
    int64_t n = tensor->transposed ? weight->n_out : n_rows; /* a transposed matrix is held whole */
    float *buffer = tfc_alloc_aligned((size_t)((n + 1) * weight->n_in + weight->n_out), sizeof *buffer);
    if (!buffer) return tfc_fail_memory(err, "export");
    float *base_row = buffer + n * weight->n_in, *row = base_row + weight->n_in;
    tfc_status status = tensor->transposed
                            ? transposed_values(export, tensor, buffer, row, base_row, sink, context, err)
                            : plain_values(export, tensor, buffer, n_rows, base_row, sink, context, err);
    tfc_free(buffer);
    return status;
}

/* ---- folders ---- */

/* Removes a folder of plain files; nothing there is fine. */
static tfc_status folder_remove(const char *folder, tfc_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir && errno == ENOENT) return TFC_OK;
    if (!dir) return tfc_fail_errno(err, "cannot read folder '%s'", folder);
    tfc_status status = TFC_OK;
    for (struct dirent *entry; status == TFC_OK && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) != 0)
            status = tfc_fail_errno(err, "cannot remove '%s/%s'", folder, entry->d_name);
    }
    closedir(dir);
    if (status == TFC_OK && rmdir(folder) != 0) status = tfc_fail_errno(err, "cannot remove '%s'", folder);
    return status;
}

static char *with_ending(const char *path, const char *ending)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 1 << 16);
    tfc_buffer_append(&buffer, path, n);
    tfc_buffer_puts(&buffer, ending);
    char *text = buffer.failed ? NULL : tfc_buffer_take(&buffer, NULL);
    tfc_buffer_release(&buffer);
    return text;
}

/* The old folder steps aside before the new one takes its name, and goes last. */
static tfc_status folder_replace(const char *partial, const char *folder, const char *old, tfc_error *err)
{
    tfc_status status = folder_remove(old, err);
    if (status == TFC_OK && rename(folder, old) != 0 && errno != ENOENT)
        status = tfc_fail_errno(err, "cannot rename '%s'", folder);
    if (status == TFC_OK && rename(partial, folder) != 0)
        status = tfc_fail_errno(err, "cannot rename '%s'", partial);
    if (status == TFC_OK) status = folder_remove(old, err);
    return status;
}

static tfc_status folder_write(const tfc_export *export, const char *folder, const char *partial,
                               const char *old, tfc_error *err)
{
    tfc_status status = folder_remove(partial, err);
    if (status == TFC_OK) status = tfc_folder_make(partial, err);
    if (status != TFC_OK) return status;
    char *file = tfc_path_join(partial, "model.gguf");
    if (!file)
        status = tfc_fail_memory(err, "export");
    else
        status = export->gguf ? tfc_export_gguf(export, file, err) : tfc_export_hf(export, partial, err);
    tfc_free(file);
    if (status == TFC_OK) status = folder_replace(partial, folder, old, err);
    if (status != TFC_OK) folder_remove(partial, NULL);
    return status;
}

tfc_status tfc_export_folder(const tfc_export *export, const char *folder, tfc_error *err)
{
    char *plain = with_ending(folder, ""), *partial = with_ending(folder, ".partial");
    char *old = with_ending(folder, ".old");
    tfc_status status = plain && partial && old ? folder_write(export, plain, partial, old, err)
                                                : tfc_fail_memory(err, "export");
    tfc_free(plain);
    tfc_free(partial);
    tfc_free(old);
    return status;
}

tfc_status tfc_model_export(const tfc_model *model, const char *path, const char *format, const char *type,
                            tfc_error *err)
{
    tfc_export export;
    tfc_status status = tfc_export_init(&export, model, NULL, format, type, err);
    if (status != TFC_OK) return status;
    return export.gguf ? tfc_export_gguf(&export, path, err) : tfc_export_folder(&export, path, err);
}

tfc_status tfc_model_blend(const tfc_model *tuned, const tfc_model *base, double base_share,
                           const char *folder, tfc_error *err)
{
    const tfc_hparams *a = &tuned->hparams, *b = &base->hparams;
    if (!(base_share >= 0 && base_share <= 1))
        return tfc_fail(err, TFC_EINVAL, "base_share must be from 0 to 1, not %g", base_share);
    if (a->arch != b->arch || a->L != b->L || a->C != b->C || a->I != b->I || a->V != b->V ||
        a->NH != b->NH || a->NKV != b->NKV || a->tied != b->tied)
        return tfc_fail(err, TFC_EINVAL, "the models are of different shapes");
    tfc_export export;
    tfc_status status = tfc_export_init(&export, tuned, NULL, NULL, NULL, err);
    export.base = base;
    export.base_share = base_share;
    return status == TFC_OK ? tfc_export_folder(&export, folder, err) : status;
}
