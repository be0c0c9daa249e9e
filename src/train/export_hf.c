/* A model as a Hugging Face folder. A base that came as such a folder gives its config and tokenizer files;
 * for a GGUF base they are made from its sizes and metadata. */
#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"
#include "train/export.h"

enum { MAX_FILE = 256 << 20 };

/* ---- weights ---- */

static tfc_status describe(void *context, const tfc_export_tensor *tensor, tfc_error *err)
{
    return tfc_safetensors_writer_tensor(context, tensor->name, tensor->dtype, tensor->n_dims, tensor->dims,
                                         err);
}

static tfc_status write_values(void *context, const float *values, int64_t n, tfc_error *err)
{
    return tfc_safetensors_writer_values(context, values, n, err);
}

typedef struct values_context {
    const tfc_export *export;
    tfc_safetensors_writer *writer;
} values_context;

static tfc_status write_tensor(void *context, const tfc_export_tensor *tensor, tfc_error *err)
{
    const values_context *c = context;
    return tfc_export_values(c->export, tensor, write_values, c->writer, err);
}

static tfc_status write_weights(const tfc_export *export, const char *folder, tfc_error *err)
{
    char *path = tfc_path_join(folder, "model.safetensors");
    if (!path) return tfc_fail_memory(err, "export");
    tfc_safetensors_writer *writer = tfc_safetensors_writer_create(path, err);
    tfc_free(path);
    if (!writer) return err ? err->status : TFC_EIO;
    tfc_status status = tfc_export_each(export, describe, writer, err);
    values_context context = {export, writer};
    if (status == TFC_OK) status = tfc_export_each(export, write_tensor, &context, err);
    if (status == TFC_OK) status = tfc_safetensors_writer_commit(writer, err);
    tfc_safetensors_writer_free(writer);
    return status;
}

/* ---- files beside the weights ---- */

static tfc_status write_file(const char *folder, const char *name, const char *text, size_t n, tfc_error *err)
{
    char *path = tfc_path_join(folder, name);
    if (!path) return tfc_fail_memory(err, "export");
    tfc_status status = tfc_file_write_whole(path, text, n, err);
    tfc_free(path);
    return status;
}

static tfc_status copy_file(const char *from, const char *to, const char *name, tfc_error *err)
{
    char *path = tfc_path_join(from, name), *text = NULL;
    size_t n = 0;
    if (!path) return tfc_fail_memory(err, "export");
    tfc_status status = TFC_OK;
    if (tfc_file_exists(path)) {
        status = tfc_file_read(path, MAX_FILE, &text, &n, err);
        if (status == TFC_OK) status = write_file(to, name, text, n, err);
    }
    tfc_free(text);
    tfc_free(path);
    return status;
}

static tfc_status write_json(const char *folder, const char *name, tfc_json *value, tfc_error *err)
{
    const char *text =
        json_object_to_json_string_ext(value, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
    return text ? write_file(folder, name, text, strlen(text), err) : tfc_fail_memory(err, name);
}

static const char *torch_type(tfc_dtype type)
{
    return type == TFC_F32 ? "float32" : type == TFC_F16 ? "float16" : "bfloat16";
}

/* The base's own config with the type of the new weights. */
static tfc_status carry_files(const tfc_export *export, const char *folder, tfc_error *err)
{
    static const char *const names[] = {"tokenizer.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "vocab.json",
                                        "merges.txt",
                                        "generation_config.json",
                                        "chat_template.jinja"};
    const char *base = export->model->folder;
    char *path = tfc_path_join(base, "config.json");
    if (!path) return tfc_fail_memory(err, "export");
    tfc_json *config = tfc_json_parse_file(path, MAX_FILE, err);
    tfc_free(path);
    if (!config) return err ? err->status : TFC_EFORMAT;
    const char *key = json_object_object_get_ex(config, "dtype", NULL) ? "dtype" : "torch_dtype";
    json_object_object_add(config, key, json_object_new_string(torch_type(export->type)));
    tfc_status status = write_json(folder, "config.json", config, err);
    json_object_put(config);
    for (size_t i = 0; status == TFC_OK && i < sizeof names / sizeof *names; i++)
        status = copy_file(base, folder, names[i], err);
    return status;
}

static void add_int(tfc_json *object, const char *key, int64_t value)
{
    json_object_object_add(object, key, json_object_new_int64(value));
}

static void add_text(tfc_json *object, const char *key, const char *text)
{
    json_object_object_add(object, key, json_object_new_string(text));
}

static void add_list(tfc_json *object, const char *key, const char *item)
{
    tfc_json *list = json_object_new_array();
    json_object_array_add(list, json_object_new_string(item));
    json_object_object_add(object, key, list);
}

static void add_llama(tfc_json *config, const tfc_hparams *h)
{
    add_list(config, "architectures", "LlamaForCausalLM");
    add_text(config, "model_type", "llama");
    json_object_object_add(config, "attention_bias", json_object_new_boolean(false));
    add_int(config, "head_dim", h->HD);
    add_text(config, "hidden_act", "silu");
    add_int(config, "hidden_size", h->C);
    add_int(config, "intermediate_size", h->I);
    add_int(config, "max_position_embeddings", h->context);
    json_object_object_add(config, "mlp_bias", json_object_new_boolean(false));
    add_int(config, "num_attention_heads", h->NH);
    add_int(config, "num_hidden_layers", h->L);
    add_int(config, "num_key_value_heads", h->NKV);
    json_object_object_add(config, "rms_norm_eps", json_object_new_double((double)h->epsilon));
    json_object_object_add(config, "rope_theta", json_object_new_double(h->rope_base));
}

static void add_gpt2(tfc_json *config, const tfc_hparams *h)
{
    add_list(config, "architectures", "GPT2LMHeadModel");
    add_text(config, "model_type", "gpt2");
    add_text(config, "activation_function", "gelu_new");
    json_object_object_add(config, "layer_norm_epsilon", json_object_new_double((double)h->epsilon));
    add_int(config, "n_embd", h->C);
    add_int(config, "n_head", h->NH);
    add_int(config, "n_inner", h->I);
    add_int(config, "n_layer", h->L);
    add_int(config, "n_positions", h->context);
}

static void add_special_ids(tfc_json *object, const tfc_tokenizer *tokenizer)
{
    if (tfc_tokenizer_bos(tokenizer) >= 0) add_int(object, "bos_token_id", tfc_tokenizer_bos(tokenizer));
    if (tfc_tokenizer_eos(tokenizer) >= 0) add_int(object, "eos_token_id", tfc_tokenizer_eos(tokenizer));
}

static tfc_status make_config(const tfc_export *export, const char *folder, tfc_error *err)
{
    const tfc_hparams *h = &export->model->hparams;
    tfc_json *config = json_object_new_object();
    if (!config) return tfc_fail_memory(err, "config.json");
    if (h->arch == TFC_ARCH_LLAMA)
        add_llama(config, h);
    else
        add_gpt2(config, h);
    add_special_ids(config, export->model->tokenizer);
    json_object_object_add(config, "tie_word_embeddings", json_object_new_boolean(h->tied));
    add_text(config, "torch_dtype", torch_type(export->type));
    json_object_object_add(config, "use_cache", json_object_new_boolean(true));
    add_int(config, "vocab_size", h->V);
    tfc_status status = write_json(folder, "config.json", config, err);
    json_object_put(config);
    return status;
}

static void add_token(tfc_json *object, const char *key, const tfc_tokenizer *tokenizer, int32_t id)
{
    size_t n;
    const char *text = id >= 0 ? tfc_token_text(tokenizer, id, &n) : NULL;
    if (text) json_object_object_add(object, key, json_object_new_string_len(text, (int)n));
}

static tfc_status make_tokenizer_config(const tfc_model *model, const char *folder, tfc_error *err)
{
    const tfc_tokenizer *tokenizer = model->tokenizer;
    const char *template;
    size_t n;
    bool found = false;
    tfc_status status = tfc_gguf_get_text(model->gguf, "tokenizer.chat_template", &template, &n, &found, err);
    if (status != TFC_OK) return status;
    tfc_json *config = json_object_new_object();
    if (!config) return tfc_fail_memory(err, "tokenizer_config.json");
    json_object_object_add(config, "add_bos_token",
                           json_object_new_boolean(tfc_tokenizer_adds_bos(tokenizer)));
    add_token(config, "bos_token", tokenizer, tfc_tokenizer_bos(tokenizer));
    add_token(config, "eos_token", tokenizer, tfc_tokenizer_eos(tokenizer));
    if (found) json_object_object_add(config, "chat_template", json_object_new_string_len(template, (int)n));
    json_object_object_add(config, "clean_up_tokenization_spaces", json_object_new_boolean(false));
    add_int(config, "model_max_length", model->hparams.context);
    add_text(config, "tokenizer_class", "PreTrainedTokenizerFast");
    status = write_json(folder, "tokenizer_config.json", config, err);
    json_object_put(config);
    return status;
}

static tfc_status make_files(const tfc_export *export, const char *folder, tfc_error *err)
{
    const tfc_model *model = export->model;
    const tfc_hparams *h = &model->hparams;
    if (h->rope_freq_factors || (h->rope && h->n_rot != h->HD))
        return tfc_fail(
            err, TFC_EUNSUPPORTED,
            "'%s' scales or limits its rotary positions in a way that a GGUF file does not spell out for "
            "config.json; export it as gguf",
            model->path);
    char *tokenizer = NULL;
    size_t n = 0;
    tfc_status status = make_config(export, folder, err);
    if (status == TFC_OK) status = tfc_tokenizer_write_json(model->tokenizer, &tokenizer, &n, err);
    if (status == TFC_OK) status = write_file(folder, "tokenizer.json", tokenizer, n, err);
    tfc_text_free(tokenizer);
    if (status == TFC_OK) status = make_tokenizer_config(model, folder, err);
    tfc_json *generation = json_object_new_object();
    if (!generation) return tfc_fail_memory(err, "generation_config.json");
    add_special_ids(generation, model->tokenizer);
    if (status == TFC_OK) status = write_json(folder, "generation_config.json", generation, err);
    json_object_put(generation);
    return status;
}

tfc_status tfc_export_hf(const tfc_export *export, const char *folder, tfc_error *err)
{
    tfc_status status =
        export->model->folder ? carry_files(export, folder, err) : make_files(export, folder, err);
    return status == TFC_OK ? write_weights(export, folder, err) : status;
}
