/* A model as GGUF. What a GGUF base says of itself is carried over unchanged; for a Hugging Face base the
 * keys that readers need are made from its sizes and its tokenizer. */
#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"
#include "train/export.h"

enum { MAX_JSON = 64 << 20 };

/* llama.cpp's numbers for "mostly this type". */
static uint32_t file_type(tfc_dtype type)
{
    switch (type) {
    case TFC_F32:
        return 0;
    case TFC_F16:
        return 1;
    case TFC_Q8_0:
        return 7;
    default:
        return 32; /* BF16 */
    }
}

static bool key_is(const tfc_gguf_kv *kv, const char *key)
{
    return kv->n_key == strlen(key) && memcmp(kv->key, key, kv->n_key) == 0;
}

static tfc_status carry_metadata(const tfc_gguf *gguf, tfc_gguf_writer *writer, uint32_t type, tfc_error *err)
{
    tfc_status status = TFC_OK;
    bool typed = false;
    for (int64_t i = 0; status == TFC_OK && i < tfc_gguf_n_kv(gguf); i++) {
        tfc_gguf_kv kv = tfc_gguf_kv_at(gguf, i);
        if (key_is(&kv, "general.file_type")) {
            typed = true;
            status = tfc_gguf_writer_int(writer, "general.file_type", type, err);
        } else {
            status = tfc_gguf_writer_raw(writer, &kv, err);
        }
    }
    if (status == TFC_OK && !typed) status = tfc_gguf_writer_int(writer, "general.file_type", type, err);
    return status;
}

/* ---- metadata of a Hugging Face base ---- */

typedef struct int_key {
    const char *name;
    int64_t value;
} int_key;

static tfc_status write_sizes(const tfc_hparams *h, const char *arch, tfc_gguf_writer *writer, tfc_error *err)
{
    const int_key common[] = {
        {"block_count", h->L},         {"context_length", h->context},  {"embedding_length", h->C},
        {"feed_forward_length", h->I}, {"attention.head_count", h->NH}, {"attention.head_count_kv", h->NKV},
    };
    const int_key rotary[] = {
        {"rope.dimension_count", h->n_rot},
        {"attention.key_length", h->HD},
        {"attention.value_length", h->HD},
        {"vocab_size", h->V},
    };
    tfc_status status = TFC_OK;
    char key[128];
    for (size_t i = 0; status == TFC_OK && i < sizeof common / sizeof *common; i++) {
        snprintf(key, sizeof key, "%s.%s", arch, common[i].name);
        status = tfc_gguf_writer_int(writer, key, (uint32_t)common[i].value, err);
    }
    for (size_t i = 0; status == TFC_OK && h->rope && i < sizeof rotary / sizeof *rotary; i++) {
        snprintf(key, sizeof key, "%s.%s", arch, rotary[i].name);
        status = tfc_gguf_writer_int(writer, key, (uint32_t)rotary[i].value, err);
    }
    snprintf(key, sizeof key, "%s.%s", arch,
             h->layernorm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon");
    if (status == TFC_OK) status = tfc_gguf_writer_float(writer, key, h->epsilon, err);
    snprintf(key, sizeof key, "%s.rope.freq_base", arch);
    if (status == TFC_OK && h->rope) status = tfc_gguf_writer_float(writer, key, (float)h->rope_base, err);
    return status;
}

/* tokenizer_config.json holds one template or several by name; newer folders a file of its own. */
static tfc_status write_template(const tfc_model *model, tfc_gguf_writer *writer, tfc_error *err)
{
    char *path = tfc_path_join(model->folder, "chat_template.jinja"), *text = NULL;
    size_t n = 0;
    if (!path) return tfc_fail_memory(err, "export");
    tfc_status status = TFC_OK;
    if (tfc_file_exists(path)) {
        status = tfc_file_read(path, MAX_JSON, &text, &n, err);
        if (status == TFC_OK) status = tfc_gguf_writer_text(writer, "tokenizer.chat_template", text, n, err);
        tfc_free(text);
        tfc_free(path);
        return status;
    }
    tfc_free(path);
    path = tfc_path_join(model->folder, "tokenizer_config.json");
    if (!path) return tfc_fail_memory(err, "export");
    tfc_json *config = tfc_file_exists(path) ? tfc_json_parse_file(path, MAX_JSON, NULL) : NULL;
    tfc_json *template = NULL;
    if (json_object_is_type(config, json_type_object))
        json_object_object_get_ex(config, "chat_template", &template);
    if (json_object_is_type(template, json_type_array)) { /* the first is the default one */
        template = json_object_array_get_idx(template, 0);
        if (json_object_is_type(template, json_type_object))
            json_object_object_get_ex(template, "template", &template);
    }
    if (json_object_is_type(template, json_type_string))
        status = tfc_gguf_writer_text(writer, "tokenizer.chat_template", json_object_get_string(template),
                                      (size_t)json_object_get_string_len(template), err);
    if (config) json_object_put(config);
    tfc_free(path);
    return status;
}

static tfc_status make_metadata(const tfc_model *model, tfc_gguf_writer *writer, uint32_t type,
                                tfc_error *err)
{
    const char *arch = model->hparams.arch == TFC_ARCH_LLAMA ? "llama" : "gpt2";
    tfc_status status = tfc_gguf_writer_text(writer, "general.architecture", arch, strlen(arch), err);
    if (status == TFC_OK) status = tfc_gguf_writer_text(writer, "general.type", "model", 5, err);
    if (status == TFC_OK && model->name && model->name[0])
        status = tfc_gguf_writer_text(writer, "general.name", model->name, strlen(model->name), err);
    if (status == TFC_OK) status = write_sizes(&model->hparams, arch, writer, err);
    if (status == TFC_OK) status = tfc_gguf_writer_int(writer, "general.file_type", type, err);
    if (status == TFC_OK) status = tfc_gguf_writer_int(writer, "general.quantization_version", 2, err);
    if (status == TFC_OK) status = tfc_tokenizer_write_gguf(model->tokenizer, model->hparams.V, writer, err);
    if (status == TFC_OK) status = write_template(model, writer, err);
    return status;
}

/* ---- tensors ---- */

static tfc_status describe(void *context, const tfc_export_tensor *tensor, tfc_error *err)
{
    return tfc_gguf_writer_tensor(context, tensor->name, tensor->dtype, tensor->n_dims, tensor->dims, err);
}

static tfc_status write_values(void *context, const float *values, int64_t n, tfc_error *err)
{
    return tfc_gguf_writer_values(context, values, n, err);
}

typedef struct values_context {
    const tfc_export *export;
    tfc_gguf_writer *writer;
} values_context;

static tfc_status write_tensor(void *context, const tfc_export_tensor *tensor, tfc_error *err)
{
    const values_context *c = context;
    return tfc_export_values(c->export, tensor, write_values, c->writer, err);
}

/* Llama 3's scaling lies in GGUF files as a divisor for each rotary frequency. NULL: no scaling. */
static tfc_status rope_factors(const tfc_hparams *h, float **factors, tfc_error *err)
{
    *factors = NULL;
    if (!h->rope || (!h->rope_freq_factors && h->rope_factor == 1)) return TFC_OK;
    tfc_hparams plain = *h;
    plain.rope_factor = 1;
    plain.rope_freq_factors = NULL;
    *factors = tfc_alloc((size_t)h->n_rot / 2, sizeof **factors);
    if (!*factors) return tfc_fail_memory(err, "export");
    for (int64_t i = 0; i < h->n_rot / 2; i++)
        (*factors)[i] = h->rope_freq_factors
                            ? h->rope_freq_factors[i]
                            : (float)(tfc_rope_frequency(&plain, i) / tfc_rope_frequency(h, i));
    return TFC_OK;
}

tfc_status tfc_export_gguf(const tfc_export *export, const char *path, tfc_error *err)
{
    const tfc_model *model = export->model;
    uint32_t type = file_type(export->type);
    float *factors = NULL;
    int64_t n_factors = model->hparams.n_rot / 2;
    tfc_gguf_writer *writer = tfc_gguf_writer_create(path, err);
    if (!writer) return err ? err->status : TFC_EIO;
    tfc_status status = model->gguf ? carry_metadata(model->gguf, writer, type, err)
                                    : make_metadata(model, writer, type, err);
    if (status == TFC_OK) status = rope_factors(&model->hparams, &factors, err);
    if (status == TFC_OK && factors)
        status = tfc_gguf_writer_tensor(writer, "rope_freqs.weight", TFC_F32, 1, &n_factors, err);
    if (status == TFC_OK) status = tfc_export_each(export, describe, writer, err);
    if (status == TFC_OK && factors) status = tfc_gguf_writer_values(writer, factors, n_factors, err);
    values_context context = {export, writer};
    if (status == TFC_OK) status = tfc_export_each(export, write_tensor, &context, err);
    if (status == TFC_OK) status = tfc_gguf_writer_commit(writer, err);
    tfc_gguf_writer_free(writer);
    tfc_free(factors);
    return status;
}
