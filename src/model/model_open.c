/* Opening: the file or folder, its sizes, its tensors, its tokenizer; and where models lie by name. */
#include <dirent.h>
#include <stdlib.h>

#include "base/file.h"
#include "model/hparams.h"
#include "text/tokenizer.h"

enum { CONFIG_MAX = 16 << 20 };
static const char default_name[] = "SmolLM2-135M-Instruct.Q4_1.gguf";

tfc_model_params tfc_model_params_default(void)
{
    return (tfc_model_params){0};
}

void tfc_model_free(tfc_model *model)
{
    if (!model) return;
    tfc_free(model->packed.memory);
    tfc_free(model->weights.layers);
    tfc_tokenizer_free(model->tokenizer);
    tfc_gguf_close(model->gguf);
    tfc_safetensors_close(model->safetensors);
    tfc_free(model->folder);
    tfc_free(model->name);
    tfc_free(model->path);
    tfc_free(model);
}

static tfc_status choose_kernels(tfc_model *model, const tfc_model_params *params, tfc_error *err)
{
    char message[256] = "";
    model->kernels =
        params->cpu ? tfc_kernels_find(params->cpu) : tfc_kernels_default(message, sizeof message);
    if (!model->kernels && params->cpu)
        return tfc_fail(err, TFC_EUNSUPPORTED,
                        "cpu path '%s' is unknown or not to be had on this machine; use ref, "
                        "avx2, avx512 or amx",
                        params->cpu);
    if (!model->kernels) return tfc_fail(err, TFC_EUNSUPPORTED, "%s", message);
    model->operand = model->kernels->default_operand;
    if (params->operand && !tfc_operand_find(params->operand, &model->operand))
        return tfc_fail(err, TFC_EINVAL, "unknown operand '%s' (f32, bf16, int8)", params->operand);
    model->stored = params->weights && strcmp(params->weights, "stored") == 0;
    if (params->weights && !model->stored && strcmp(params->weights, "packed") != 0)
        return tfc_fail(err, TFC_EINVAL, "unknown form of weights '%s' (packed, stored)", params->weights);
    if (model->stored && model->operand == TFC_OPERAND_INT8)
        return tfc_fail(err, TFC_EINVAL,
                        "stored weights are widened to f32 or bf16; they do not go with int8 operands");
    model->n_threads = params->n_threads;
    return TFC_OK;
}

/* ---- GGUF ---- */

static tfc_status open_gguf(tfc_model *model, tfc_error *err)
{
    model->gguf = tfc_gguf_open(model->path, err);
    if (!model->gguf) return err->status;
    const char *name = "";
    size_t n = 0;
    bool found;
    tfc_status status = tfc_gguf_get_text(model->gguf, "general.name", &name, &n, &found, err);
    if (status == TFC_OK) status = tfc_hparams_from_gguf(&model->hparams, model->gguf, err);
    if (status == TFC_OK) status = tfc_weights_find(model, err);
    if (status == TFC_OK) status = tfc_weights_check_finite(model, err);
    if (status == TFC_OK) {
        model->tokenizer = tfc_tokenizer_from_gguf(model->gguf, err);
        if (!model->tokenizer) status = err->status;
    }
    if (status != TFC_OK) {
        tfc_error_prefix(err, "%s", model->path);
        return status;
    }
    model->name = tfc_memdup_text(name, n);
    return model->name ? TFC_OK : tfc_fail_memory(err, model->path);
}

/* ---- Hugging Face folders ---- */

/* bos_token_id and its like: a number, null, or a list whose first counts. -1: none. */
static tfc_status config_token(tfc_json *config, const char *key, int64_t V, int32_t *id, tfc_error *err)
{
    tfc_json *value;
    *id = -1;
    if (!json_object_object_get_ex(config, key, &value) || !value) return TFC_OK;
    if (json_object_is_type(value, json_type_array)) value = json_object_array_get_idx(value, 0);
    if (!value) return TFC_OK;
    if (!json_object_is_type(value, json_type_int))
        return tfc_fail(err, TFC_EFORMAT, "%s: token id or list of token ids expected", key);
    int64_t number = json_object_get_int64(value);
    if (number < 0 || number >= V)
        return tfc_fail(err, TFC_EFORMAT, "%s %lld is outside the vocabulary of %lld", key, (long long)number,
                        (long long)V);
    *id = (int32_t)number;
    return TFC_OK;
}

static tfc_status read_config(tfc_model *model, int32_t *bos, int32_t *eos, tfc_error *err)
{
    char *path = tfc_path_join(model->folder, "config.json");
    if (!path) return tfc_fail_memory(err, model->folder);
    tfc_status status = TFC_OK;
    tfc_json *config = tfc_json_parse_file(path, CONFIG_MAX, err);
    if (!config) {
        status = err->status;
        goto cleanup;
    }
    status = tfc_hparams_from_config(&model->hparams, config, err);
    if (status == TFC_OK) status = config_token(config, "bos_token_id", model->hparams.V, bos, err);
    if (status == TFC_OK) status = config_token(config, "eos_token_id", model->hparams.V, eos, err);
    const char *name = "";
    size_t n = 0;
    bool found;
    if (status == TFC_OK) status = tfc_json_get_text(config, "_name_or_path", &name, &n, &found, err);
    if (status != TFC_OK) {
        tfc_error_prefix(err, "%s", path);
        goto cleanup;
    }
    model->name = tfc_memdup_text(name, n);
    if (!model->name) status = tfc_fail_memory(err, path);
cleanup:
    if (config) json_object_put(config);
    tfc_free(path);
    return status;
}

static tfc_status read_tokenizer(tfc_model *model, int32_t bos, int32_t eos, tfc_error *err)
{
    char *path = tfc_path_join(model->folder, "tokenizer.json");
    if (!path) return tfc_fail_memory(err, model->folder);
    tfc_status status = TFC_OK;
    model->tokenizer = tfc_tokenizer_from_json(path, bos, eos, err);
    if (!model->tokenizer)
        status = err->status;
    else if (tfc_tokenizer_n_tokens(model->tokenizer) > model->hparams.V)
        status = tfc_fail(err, TFC_EFORMAT, "%s: %d tokens, but the embedding table has %lld rows", path,
                          (int)tfc_tokenizer_n_tokens(model->tokenizer), (long long)model->hparams.V);
    tfc_free(path);
    return status;
}

static tfc_status open_folder(tfc_model *model, tfc_error *err)
{
    int32_t bos = -1, eos = -1;
    tfc_status status = read_config(model, &bos, &eos, err);
    if (status != TFC_OK) return status;
    model->safetensors = tfc_safetensors_open_folder(model->folder, true, err);
    if (!model->safetensors) return err->status;
    status = tfc_weights_find(model, err);
    if (status == TFC_OK) status = tfc_weights_check_finite(model, err);
    if (status != TFC_OK) {
        tfc_error_prefix(err, "%s", model->folder);
        return status;
    }
    return read_tokenizer(model, bos, eos, err);
}

/* ---- both ---- */

/* The only .gguf file of a folder, as a path (tfc_free). */
static tfc_status find_gguf(const char *folder, char **path, tfc_error *err)
{
    DIR *directory = opendir(folder);
    if (!directory) return tfc_fail_errno(err, "cannot open '%s'", folder);
    tfc_status status = TFC_OK;
    struct dirent *entry;
    while (status == TFC_OK && (entry = readdir(directory))) {
        size_t n = strlen(entry->d_name);
        if (n < 5 || strcmp(entry->d_name + n - 5, ".gguf") != 0) continue;
        if (*path)
            status = tfc_fail(err, TFC_EINVAL, "'%s' holds several .gguf files; name one of them", folder);
        else if (!(*path = tfc_path_join(folder, entry->d_name)))
            status = tfc_fail_memory(err, folder);
    }
    closedir(directory);
    if (status == TFC_OK && !*path)
        status =
            tfc_fail(err, TFC_ENOTFOUND, "'%s' holds no model: neither config.json nor a .gguf file", folder);
    return status;
}

/* Sets path, and folder when it is a Hugging Face folder. */
static tfc_status find_files(tfc_model *model, const char *path, tfc_error *err)
{
    if (!tfc_folder_exists(path)) {
        model->path = tfc_strdup(path);
        return model->path ? TFC_OK : tfc_fail_memory(err, path);
    }
    char *config = tfc_path_join(path, "config.json");
    if (!config) return tfc_fail_memory(err, path);
    bool hugging_face = tfc_file_exists(config);
    tfc_free(config);
    if (!hugging_face) return find_gguf(path, &model->path, err);
    model->path = tfc_strdup(path);
    model->folder = tfc_strdup(path);
    return model->path && model->folder ? TFC_OK : tfc_fail_memory(err, path);
}

tfc_model *tfc_model_open(const char *path, const tfc_model_params *params, tfc_error *err)
{
    tfc_error own; /* the status is read back from it */
    if (!err) err = &own;
    tfc_model_params defaults = tfc_model_params_default();
    tfc_model *model = tfc_alloc_zero(1, sizeof *model);
    if (!model) {
        tfc_fail_memory(err, path);
        return NULL;
    }
    tfc_status status = choose_kernels(model, params ? params : &defaults, err);
    if (status == TFC_OK) status = find_files(model, path, err);
    if (status == TFC_OK) status = model->folder ? open_folder(model, err) : open_gguf(model, err);
    if (status == TFC_OK) return model;
    tfc_model_free(model);
    return NULL;
}

const tfc_tokenizer *tfc_model_tokenizer(const tfc_model *model)
{
    return model->tokenizer;
}

/* Parameters, and the type that holds most of them. */
static void count_weights(const tfc_model *model, tfc_model_info *info)
{
    int64_t by_type[TFC_N_DTYPES] = {0};
    for (int64_t layer = -1; layer < model->hparams.L; layer++)
        for (int part = 0; part < TFC_N_PARTS; part++) {
            const tfc_weight *weight = tfc_weights_part(&model->weights, (tfc_part)part, layer);
            if (!weight->tensor || (part == TFC_PART_HEAD && model->hparams.tied)) continue;
            by_type[weight->tensor->dtype] += weight->n_out * weight->n_in;
        }
    int most = 0;
    for (int type = 0; type < TFC_N_DTYPES; type++) {
        info->n_parameters += by_type[type];
        if (by_type[type] > by_type[most]) most = type;
    }
    info->storage = tfc_dtype_name((tfc_dtype)most);
}

tfc_model_info tfc_model_get_info(const tfc_model *model)
{
    const tfc_hparams *hp = &model->hparams;
    tfc_model_info info = {
        .path = model->path,
        .format = model->gguf ? "gguf" : "safetensors",
        .architecture = tfc_arch_spec_of(hp->arch)->name,
        .name = model->name,
        .cpu_path = model->kernels->name,
        .operand = tfc_operand_name(model->operand),
        .file_bytes =
            (int64_t)(model->gguf ? tfc_gguf_bytes(model->gguf) : tfc_safetensors_bytes(model->safetensors)),
        .n_layers = hp->L,
        .width = hp->C,
        .n_heads = hp->NH,
        .n_kv_heads = hp->NKV,
        .head_dim = hp->HD,
        .inner = hp->I,
        .n_vocab = hp->V,
        .context = hp->context,
        .tied = hp->tied,
    };
    count_weights(model, &info);
    return info;
}

/* $TOOLFORMER_HOME/models, or ~/.local/share/toolformer/models. */
static char *models_folder(void)
{
    const char *home = getenv("TOOLFORMER_HOME"), *user = getenv("HOME");
    if (home && *home) return tfc_path_join(home, "models");
    return tfc_path_join(user && *user ? user : ".", ".local/share/toolformer/models");
}

tfc_status tfc_model_locate(const char *name, char **path, tfc_error *err)
{
    const char *wanted = name ? name : default_name;
    char *found = NULL, *folder = NULL, *with_suffix = NULL;
    tfc_buffer suffixed;
    tfc_buffer_init(&suffixed, 1 << 16);
    tfc_status status = TFC_OK;
    if (name && (tfc_file_exists(name) || tfc_folder_exists(name))) {
        found = tfc_strdup(name);
        if (!found) status = tfc_fail_memory(err, name);
        goto cleanup;
    }
    tfc_buffer_printf(&suffixed, "%s.gguf", wanted);
    folder = models_folder();
    if (folder && !suffixed.failed) {
        found = tfc_path_join(folder, wanted);
        with_suffix = tfc_path_join(folder, suffixed.data);
    }
    if (!found || !with_suffix) {
        status = tfc_fail_memory(err, wanted);
    } else if (!tfc_file_exists(found) && !tfc_folder_exists(found)) {
        tfc_free(found);
        found = with_suffix;
        with_suffix = NULL;
        if (!tfc_file_exists(found))
            status =
                tfc_fail(err, TFC_ENOTFOUND,
                         "no model '%s' here or in %s; `toolformer model fetch` brings the default model",
                         wanted, folder);
    }
cleanup:
    if (status == TFC_OK)
        *path = found;
    else
        tfc_free(found);
    tfc_free(with_suffix);
    tfc_free(folder);
    tfc_buffer_release(&suffixed);
    return status;
}
