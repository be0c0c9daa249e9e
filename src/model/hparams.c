/* Reading of sizes: which architecture it is, and what the readers of all of them need. */
#include "model/hparams.h"

#include <math.h>
#include <stdio.h>

enum { HEAD_MAX = 1 << 20 };
static const int64_t SIZE_MAX_ALLOWED = (int64_t)1 << 32;

const tfc_arch_spec *tfc_arch_spec_of(tfc_arch arch)
{
    return arch == TFC_ARCH_LLAMA ? &tfc_arch_llama_spec : &tfc_arch_gpt2_spec;
}

/* Compares lengths too: a name from a file may hold NUL bytes. */
static const tfc_arch_spec *arch_find(const char *name, size_t n)
{
    static const tfc_arch_spec *const specs[] = {&tfc_arch_llama_spec, &tfc_arch_gpt2_spec};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        if (strlen(specs[i]->name) == n && memcmp(specs[i]->name, name, n) == 0) return specs[i];
    return NULL;
}

tfc_status tfc_hparams_heads(tfc_hparams *hp, const tfc_head_keys *keys, tfc_error *err)
{
    if (hp->NH % hp->NKV != 0)
        return tfc_fail(err, TFC_EFORMAT, "%s %lld is no multiple of %s %lld", keys->heads, (long long)hp->NH,
                        keys->kv_heads, (long long)hp->NKV);
    if (hp->HD == 0) {
        if (hp->C % hp->NH != 0)
            return tfc_fail(err, TFC_EFORMAT, "%s %lld does not divide %s %lld", keys->heads,
                            (long long)hp->NH, keys->width, (long long)hp->C);
        hp->HD = hp->C / hp->NH;
    }
    if (hp->HD > HEAD_MAX)
        return tfc_fail(err, TFC_EFORMAT, "%s must be at most %d, not %lld", keys->head_size, HEAD_MAX,
                        (long long)hp->HD);
    return TFC_OK;
}

/* What later arithmetic rests on, whatever the file said: token ids fit int32_t, angles stay finite. */
static tfc_status check_ranges(const tfc_hparams *hp, tfc_error *err)
{
    if (hp->V > INT32_MAX) return tfc_fail(err, TFC_EFORMAT, "vocabulary too large: %lld", (long long)hp->V);
    if (!isfinite(hp->epsilon) || hp->epsilon <= 0)
        return tfc_fail(err, TFC_EFORMAT, "the norm's epsilon is outside the range of float");
    if (hp->rope &&
        (hp->rope_base < 1 || hp->rope_base > 1e30 || hp->rope_factor < 1e-6 || hp->rope_factor > 1e6))
        return tfc_fail(err, TFC_EFORMAT, "rotary base %g or scaling factor %g is out of range",
                        hp->rope_base, hp->rope_factor);
    for (int64_t i = 0; hp->rope_freq_factors && i < hp->n_rot / 2; i++)
        if (!(hp->rope_freq_factors[i] >= 1e-6f && hp->rope_freq_factors[i] <= 1e6f))
            return tfc_fail(err, TFC_EFORMAT, "rope_freqs.weight: factor %lld is out of range: %g",
                            (long long)i, (double)hp->rope_freq_factors[i]);
    return TFC_OK;
}

/* ---- GGUF ---- */

enum { KEY_BYTES = 128 };

static const char *full_key(char key[KEY_BYTES], const char *arch, const char *name)
{
    snprintf(key, KEY_BYTES, "%s.%s", arch, name);
    return key;
}

tfc_status tfc_hparam_int(const tfc_gguf *gguf, const char *arch, const char *name, int64_t *out, bool *found,
                          tfc_error *err)
{
    char key[KEY_BYTES];
    int64_t value = 1;
    tfc_status status = tfc_gguf_get_int(gguf, full_key(key, arch, name), &value, found, err);
    if (status != TFC_OK || (found && !*found)) return status;
    if (value < 1) return tfc_fail(err, TFC_EFORMAT, "%s must be positive, not %lld", key, (long long)value);
    if (value > SIZE_MAX_ALLOWED)
        return tfc_fail(err, TFC_EFORMAT, "%s is too large: %lld", key, (long long)value);
    *out = value;
    return TFC_OK;
}

tfc_status tfc_hparam_float(const tfc_gguf *gguf, const char *arch, const char *name, double *out,
                            bool *found, tfc_error *err)
{
    char key[KEY_BYTES];
    double value = 1;
    tfc_status status = tfc_gguf_get_float(gguf, full_key(key, arch, name), &value, found, err);
    if (status != TFC_OK || (found && !*found)) return status;
    if (!isfinite(value) || value <= 0)
        return tfc_fail(err, TFC_EFORMAT, "%s must be finite and positive, not %g", key, value);
    *out = value;
    return TFC_OK;
}

tfc_status tfc_hparam_only(const tfc_gguf *gguf, const char *arch, const char *name, double only,
                           tfc_error *err)
{
    char key[KEY_BYTES];
    int64_t integer;
    double value = only;
    bool found;
    tfc_status status = tfc_gguf_get_float(gguf, full_key(key, arch, name), &value, &found, NULL);
    if (status != TFC_OK) { /* no float, but there */
        status = tfc_gguf_get_int(gguf, key, &integer, &found, err);
        if (status != TFC_OK) return status;
        value = (double)integer;
    }
    if (found && value != only) return tfc_fail(err, TFC_EUNSUPPORTED, "unsupported %s: %g", key, value);
    return TFC_OK;
}

/* Rows of the embedding table, the head, and that the token list agrees. */
static tfc_status gguf_vocabulary(tfc_hparams *hp, const tfc_gguf *gguf, const char *arch, tfc_error *err)
{
    const tfc_tensor_set *tensors = tfc_gguf_tensors(gguf);
    const tfc_tensor_view *table = tfc_tensor_find(tensors, "token_embd.weight");
    if (!table) return tfc_fail(err, TFC_EFORMAT, "missing tensor token_embd.weight");
    hp->V = table->dims[0];
    hp->tied = tfc_tensor_find(tensors, "output.weight") == NULL;
    int64_t n_tokens, n_vocab;
    bool found;
    tfc_status status = tfc_hparam_int(gguf, arch, "vocab_size", &n_vocab, &found, err);
    if (status != TFC_OK) return status;
    if (found && n_vocab != hp->V)
        return tfc_fail(err, TFC_EFORMAT, "%s.vocab_size is %lld, but token_embd.weight has %lld rows", arch,
                        (long long)n_vocab, (long long)hp->V);
    status = tfc_gguf_get_text_array(gguf, "tokenizer.ggml.tokens", &n_tokens, NULL, err);
    if (status != TFC_OK) return status;
    if (n_tokens != hp->V)
        return tfc_fail(err, TFC_EFORMAT,
                        "tokenizer.ggml.tokens has %lld tokens, but token_embd.weight has %lld rows",
                        (long long)n_tokens, (long long)hp->V);
    return TFC_OK;
}

tfc_status tfc_hparams_from_gguf(tfc_hparams *hp, const tfc_gguf *gguf, tfc_error *err)
{
    memset(hp, 0, sizeof *hp);
    const char *name;
    size_t n;
    tfc_status status = tfc_gguf_get_text(gguf, "general.architecture", &name, &n, NULL, err);
    if (status != TFC_OK) return status;
    const tfc_arch_spec *spec = arch_find(name, n);
    char printed[TFC_NAME_TEXT];
    if (!spec)
        return tfc_fail(err, TFC_EUNSUPPORTED, "unsupported architecture '%s'; llama and gpt2 are supported",
                        tfc_name_text(printed, name, n));
    hp->arch = spec->arch;
    hp->rope_factor = 1;
    status = tfc_hparam_only(gguf, "split", "count", 1, err); /* a part of a model that was split */
    if (status == TFC_OK) status = spec->from_gguf(hp, gguf, err);
    if (status == TFC_OK) status = gguf_vocabulary(hp, gguf, spec->name, err);
    return status == TFC_OK ? check_ranges(hp, err) : status;
}

/* ---- config.json ---- */

tfc_status tfc_config_int(tfc_json *config, const char *key, int64_t *out, bool *found, tfc_error *err)
{
    return tfc_json_get_int(config, key, 1, SIZE_MAX_ALLOWED, out, found, err);
}

tfc_status tfc_config_float(tfc_json *config, const char *key, double *out, bool *found, tfc_error *err)
{
    double value = 1;
    tfc_status status = tfc_json_get_double(config, key, &value, found, err);
    if (status != TFC_OK || (found && !*found)) return status;
    if (value <= 0) return tfc_fail(err, TFC_EFORMAT, "%s must be finite and positive, not %g", key, value);
    *out = value;
    return TFC_OK;
}

tfc_status tfc_config_only(tfc_json *config, const char *key, bool only, tfc_error *err)
{
    bool value, found;
    tfc_status status = tfc_json_get_bool(config, key, &value, &found, err);
    if (status == TFC_OK && found && value != only)
        return tfc_fail(err, TFC_EUNSUPPORTED, "unsupported %s %s", key, value ? "true" : "false");
    return status;
}

tfc_status tfc_config_one_of(tfc_json *config, const char *key, const char *const *allowed, tfc_error *err)
{
    const char *text;
    size_t n;
    bool found;
    tfc_status status = tfc_json_get_text(config, key, &text, &n, &found, err);
    if (status != TFC_OK || !found) return status;
    for (; *allowed; allowed++)
        if (strlen(*allowed) == n && memcmp(*allowed, text, n) == 0) return TFC_OK;
    char printed[TFC_NAME_TEXT];
    return tfc_fail(err, TFC_EUNSUPPORTED, "unsupported %s '%s'", key, tfc_name_text(printed, text, n));
}

tfc_status tfc_hparams_from_config(tfc_hparams *hp, tfc_json *config, tfc_error *err)
{
    memset(hp, 0, sizeof *hp);
    if (!json_object_is_type(config, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    const char *name;
    size_t n;
    tfc_status status = tfc_json_get_text(config, "model_type", &name, &n, NULL, err);
    if (status != TFC_OK) return status;
    const tfc_arch_spec *spec = arch_find(name, n);
    char printed[TFC_NAME_TEXT];
    if (!spec)
        return tfc_fail(err, TFC_EUNSUPPORTED, "unsupported model_type '%s'; llama and gpt2 are supported",
                        tfc_name_text(printed, name, n));
    tfc_json *quantization;
    bool found;
    status = tfc_json_get_object(config, "quantization_config", &quantization, &found, err);
    if (status == TFC_OK && found)
        status = tfc_fail(err, TFC_EUNSUPPORTED,
                          "unsupported quantization_config: F32, F16 and BF16 weights expected");
    if (status != TFC_OK) return status;
    hp->arch = spec->arch;
    hp->rope_factor = 1;
    status = spec->from_config(hp, config, err);
    return status == TFC_OK ? check_ranges(hp, err) : status;
}
