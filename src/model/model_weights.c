/* From sizes to tensors: every weight by its name and shape, and a look at the values for what is not finite.
 */
#include <stddef.h>
#include <stdio.h>

#include "model/hparams.h"

enum { NAME_BYTES = 160 };

/* ---- parts ---- */

/* Where a part lies: in tfc_weights, or in tfc_layer_weights. */
#define OUTSIDE(field)                                                                                       \
    {                                                                                                        \
        false, offsetof(tfc_weights, field)                                                                  \
    }
#define INSIDE(field)                                                                                        \
    {                                                                                                        \
        true, offsetof(tfc_layer_weights, field)                                                             \
    }
static const struct {
    bool in_layer;
    size_t offset;
} places[TFC_N_PARTS] = {
    [TFC_PART_TOKEN_EMBEDDING] = OUTSIDE(token_embedding),
    [TFC_PART_POSITION_EMBEDDING] = OUTSIDE(position_embedding),
    [TFC_PART_NORM] = OUTSIDE(norm),
    [TFC_PART_NORM_BIAS] = OUTSIDE(norm_bias),
    [TFC_PART_HEAD] = OUTSIDE(head),
    [TFC_PART_NORM1] = INSIDE(norm1),
    [TFC_PART_NORM1_BIAS] = INSIDE(norm1_bias),
    [TFC_PART_WQ] = INSIDE(wq),
    [TFC_PART_WK] = INSIDE(wk),
    [TFC_PART_WV] = INSIDE(wv),
    [TFC_PART_WQKV_BIAS] = INSIDE(wqkv_bias),
    [TFC_PART_WO] = INSIDE(wo),
    [TFC_PART_WO_BIAS] = INSIDE(wo_bias),
    [TFC_PART_NORM2] = INSIDE(norm2),
    [TFC_PART_NORM2_BIAS] = INSIDE(norm2_bias),
    [TFC_PART_W_GATE] = INSIDE(w_gate),
    [TFC_PART_W_UP] = INSIDE(w_up),
    [TFC_PART_W_UP_BIAS] = INSIDE(w_up_bias),
    [TFC_PART_W_DOWN] = INSIDE(w_down),
    [TFC_PART_W_DOWN_BIAS] = INSIDE(w_down_bias),
};

const tfc_weight *tfc_weights_part(const tfc_weights *weights, tfc_part part, int64_t layer)
{
    static const tfc_weight none = {0};
    if (places[part].in_layer != (layer >= 0)) return &none;
    const char *base = layer >= 0 ? (const char *)&weights->layers[layer] : (const char *)weights;
    return (const tfc_weight *)(base + places[part].offset);
}

/* `*` becomes the layer's number. */
static void expand(const char *pattern, int64_t layer, char *name, size_t n)
{
    const char *star = strchr(pattern, '*');
    if (star)
        snprintf(name, n, "%.*s%lld%s", (int)(star - pattern), pattern, (long long)layer, star + 1);
    else
        snprintf(name, n, "%s", pattern);
}

bool tfc_part_name(tfc_arch arch, bool gguf, tfc_part part, int64_t layer, char *name, size_t n)
{
    const tfc_arch_spec *spec = tfc_arch_spec_of(arch);
    if (places[part].in_layer != (layer >= 0)) return false;
    for (int i = 0; i < spec->n_parts; i++) {
        if (spec->parts[i].part != part) continue;
        expand(gguf ? spec->parts[i].gguf : spec->parts[i].hf, layer, name, n);
        return true;
    }
    return false;
}

/* ---- finding ---- */

const tfc_tensor_set *tfc_model_tensors(const tfc_model *model)
{
    return model->gguf ? tfc_gguf_tensors(model->gguf) : tfc_safetensors_tensors(model->safetensors);
}

static int64_t extent_of(const tfc_hparams *hp, tfc_extent extent)
{
    switch (extent) {
    case TFC_EXTENT_C:
        return hp->C;
    case TFC_EXTENT_Q:
        return hp->NH * hp->HD;
    case TFC_EXTENT_KV:
        return hp->NKV * hp->HD;
    case TFC_EXTENT_QKV:
        return hp->NH * hp->HD + 2 * hp->NKV * hp->HD;
    case TFC_EXTENT_I:
        return hp->I;
    case TFC_EXTENT_V:
        return hp->V;
    case TFC_EXTENT_CONTEXT:
        return hp->context;
    case TFC_EXTENT_ONE:
        break;
    }
    return 1;
}

/* The tensor by its name or, in a Hugging Face folder, with the prefix before it. */
static tfc_status find_tensor(const tfc_model *model, const tfc_arch_spec *arch, const char *name,
                              const tfc_tensor_view **view, tfc_error *err)
{
    const tfc_tensor_set *set = tfc_model_tensors(model);
    char prefixed[NAME_BYTES + 32];
    snprintf(prefixed, sizeof prefixed, "%s%s", arch->hf_prefix && !model->gguf ? arch->hf_prefix : "", name);
    *view = tfc_tensor_find(set, name);
    if (!*view) *view = tfc_tensor_find(set, prefixed);
    if (*view) return TFC_OK;
    const tfc_safetensors_raw_view *raw = NULL;
    if (!model->gguf) raw = tfc_safetensors_raw(model->safetensors, name);
    if (!model->gguf && !raw) raw = tfc_safetensors_raw(model->safetensors, prefixed);
    if (raw)
        return tfc_fail(err, TFC_EUNSUPPORTED,
                        "%s: dtype %s (%d dimensions) cannot be a weight; F32, F16 and BF16 can", name,
                        raw->dtype, raw->n_dims);
    return tfc_fail(err, TFC_EFORMAT, "missing tensor %s", name);
}

static tfc_status find_part(const tfc_model *model, const tfc_arch_spec *arch, const tfc_part_spec *part,
                            int64_t layer, tfc_weight *weight, tfc_error *err)
{
    char name[NAME_BYTES], found[TFC_SHAPE_TEXT], expected[TFC_SHAPE_TEXT];
    expand(model->gguf ? part->gguf : part->hf, layer, name, sizeof name);
    const tfc_tensor_view *view;
    tfc_status status = find_tensor(model, arch, name, &view, err);
    if (status != TFC_OK) return status;
    *weight = (tfc_weight){view, extent_of(&model->hparams, part->n_out),
                           extent_of(&model->hparams, part->n_in), part->transposed && !model->gguf};
    int64_t dims[2] = {weight->transposed ? weight->n_in : weight->n_out,
                       weight->transposed ? weight->n_out : weight->n_in};
    int first = part->n_out == TFC_EXTENT_ONE; /* a vector has one dimension */
    if (view->n_dims != 2 - first ||
        memcmp(view->dims, dims + first, sizeof *dims * (size_t)(2 - first)) != 0)
        return tfc_fail(err, TFC_EFORMAT, "%s: shape %s in the file, %s by the hyperparameters", name,
                        tfc_shape_text(found, view->dims, view->n_dims),
                        tfc_shape_text(expected, dims + first, 2 - first));
    return TFC_OK;
}

/* All parts of a layer, or with layer -1 those outside. */
static tfc_status find_parts(const tfc_model *model, tfc_weights *weights, tfc_layer_weights *in_layer,
                             int64_t layer, tfc_error *err)
{
    const tfc_arch_spec *arch = tfc_arch_spec_of(model->hparams.arch);
    for (int i = 0; i < arch->n_parts; i++) {
        const tfc_part_spec *part = &arch->parts[i];
        if (places[part->part].in_layer != (layer >= 0)) continue;
        if (part->part == TFC_PART_HEAD && model->hparams.tied) continue;
        char *base = layer >= 0 ? (char *)in_layer : (char *)weights;
        tfc_weight *weight = (tfc_weight *)(base + places[part->part].offset);
        tfc_status status = find_part(model, arch, part, layer, weight, err);
        if (status != TFC_OK) return status;
    }
    if (layer < 0 && model->hparams.tied) weights->head = weights->token_embedding;
    return TFC_OK;
}

static bool is_stray(const tfc_model *model, const char *name)
{
    size_t n = strlen(name);
    if (model->hparams.tied && strcmp(name, "lm_head.weight") == 0) return true;
    for (const char *const *stray = tfc_arch_spec_of(model->hparams.arch)->strays; *stray; stray++) {
        size_t n_stray = strlen(*stray);
        if (n >= n_stray && strcmp(name + n - n_stray, *stray) == 0) return true;
    }
    return false;
}

/* A tensor that nobody asked for means a model that computes something else, a bias for example. */
static tfc_status check_left_over(const tfc_model *model, tfc_error *err)
{
    const tfc_tensor_set *set = tfc_model_tensors(model);
    bool *used = tfc_alloc_zero((size_t)set->n_tensors, sizeof *used);
    if (!used) return tfc_fail_memory(err, "list of tensors");
    for (int64_t layer = -1; layer < model->hparams.L; layer++)
        for (int part = 0; part < TFC_N_PARTS; part++) {
            const tfc_tensor_view *view = tfc_weights_part(&model->weights, (tfc_part)part, layer)->tensor;
            if (view) used[view - set->tensors] = true;
        }
    tfc_status status = TFC_OK;
    for (int64_t i = 0; status == TFC_OK && i < set->n_tensors; i++) {
        const char *name = set->tensors[i].name;
        char printed[TFC_NAME_TEXT];
        if (!used[i] && !is_stray(model, name))
            status = tfc_fail(err, TFC_EUNSUPPORTED,
                              "%s: the file has this tensor, but %s models of %lld layers do not",
                              tfc_name_text(printed, name, strlen(name)),
                              tfc_arch_spec_of(model->hparams.arch)->name, (long long)model->hparams.L);
    }
    tfc_free(used);
    return status;
}

tfc_status tfc_weights_find(tfc_model *model, tfc_error *err)
{
    tfc_status status = find_parts(model, &model->weights, NULL, -1, err);
    /* The number of layers is only a claim until their tensors are there: look first, then allocate. */
    tfc_layer_weights scratch;
    for (int64_t layer = 0; status == TFC_OK && layer < model->hparams.L; layer++)
        status = find_parts(model, NULL, &scratch, layer, err);
    if (status != TFC_OK) return status;
    model->weights.layers = tfc_alloc_zero((size_t)model->hparams.L, sizeof *model->weights.layers);
    if (!model->weights.layers) return tfc_fail_memory(err, "layers");
    for (int64_t layer = 0; status == TFC_OK && layer < model->hparams.L; layer++)
        status = find_parts(model, NULL, &model->weights.layers[layer], layer, err);
    return status == TFC_OK ? check_left_over(model, err) : status;
}

/* ---- values ---- */

/* Looks at the 16-bit words at bytes[offset + i*stride]: true when one has all bits of `exponent` set. */
static bool any_full_16(const unsigned char *bytes, size_t n, size_t stride, uint16_t exponent)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        uint16_t word;
        memcpy(&word, bytes + i * stride, sizeof word);
        found |= (word & exponent) == exponent;
    }
    return found;
}

static bool any_full_32(const unsigned char *bytes, size_t n)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, bytes + i * sizeof word, sizeof word);
        found |= (word & 0x7F800000u) == 0x7F800000u;
    }
    return found;
}

static bool any_not_finite(const tfc_tensor_view *view)
{
    const unsigned char *bytes = view->data;
    size_t block = tfc_dtype_block_bytes(view->dtype), n = view->n_bytes / block;
    switch (view->dtype) {
    case TFC_F32:
        return any_full_32(bytes, n);
    case TFC_BF16:
        return any_full_16(bytes, n, block, 0x7F80);
    case TFC_Q4_1: /* scale and minimum */
        return any_full_16(bytes, n, block, 0x7C00) || any_full_16(bytes + 2, n, block, 0x7C00);
    default:
        return any_full_16(bytes, n, block, 0x7C00); /* F16 itself, or the block's scale */
    }
}

tfc_status tfc_weights_check_finite(const tfc_model *model, tfc_error *err)
{
    for (int64_t layer = -1; layer < model->hparams.L; layer++)
        for (int part = 0; part < TFC_N_PARTS; part++) {
            const tfc_tensor_view *view = tfc_weights_part(&model->weights, (tfc_part)part, layer)->tensor;
            if (!view || (part == TFC_PART_HEAD && model->hparams.tied)) continue;
            char name[TFC_NAME_TEXT];
            if (any_not_finite(view))
                return tfc_fail(err, TFC_EFORMAT, "non-finite weight in %s: the file is damaged",
                                tfc_name_text(name, view->name, strlen(view->name)));
        }
    return TFC_OK;
}
