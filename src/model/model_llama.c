/* Llama: rmsnorm, rotary positions, grouped heads, gated MLP, no biases. */
#include "model/hparams.h"

static const tfc_part_spec parts[] = {
    {TFC_PART_TOKEN_EMBEDDING, "token_embd.weight", "model.embed_tokens.weight", TFC_EXTENT_V, TFC_EXTENT_C,
     false},
    {TFC_PART_NORM, "output_norm.weight", "model.norm.weight", TFC_EXTENT_ONE, TFC_EXTENT_C, false},
    {TFC_PART_HEAD, "output.weight", "lm_head.weight", TFC_EXTENT_V, TFC_EXTENT_C, false},
    {TFC_PART_NORM1, "blk.*.attn_norm.weight", "model.layers.*.input_layernorm.weight", TFC_EXTENT_ONE,
     TFC_EXTENT_C, false},
    {TFC_PART_WQ, "blk.*.attn_q.weight", "model.layers.*.self_attn.q_proj.weight", TFC_EXTENT_Q, TFC_EXTENT_C,
     false},
    {TFC_PART_WK, "blk.*.attn_k.weight", "model.layers.*.self_attn.k_proj.weight", TFC_EXTENT_KV,
     TFC_EXTENT_C, false},
    {TFC_PART_WV, "blk.*.attn_v.weight", "model.layers.*.self_attn.v_proj.weight", TFC_EXTENT_KV,
     TFC_EXTENT_C, false},
    {TFC_PART_WO, "blk.*.attn_output.weight", "model.layers.*.self_attn.o_proj.weight", TFC_EXTENT_C,
     TFC_EXTENT_Q, false},
    {TFC_PART_NORM2, "blk.*.ffn_norm.weight", "model.layers.*.post_attention_layernorm.weight",
     TFC_EXTENT_ONE, TFC_EXTENT_C, false},
    {TFC_PART_W_GATE, "blk.*.ffn_gate.weight", "model.layers.*.mlp.gate_proj.weight", TFC_EXTENT_I,
     TFC_EXTENT_C, false},
    {TFC_PART_W_UP, "blk.*.ffn_up.weight", "model.layers.*.mlp.up_proj.weight", TFC_EXTENT_I, TFC_EXTENT_C,
     false},
    {TFC_PART_W_DOWN, "blk.*.ffn_down.weight", "model.layers.*.mlp.down_proj.weight", TFC_EXTENT_C,
     TFC_EXTENT_I, false},
};
static const char *const strays[] = {"rope_freqs.weight", ".rotary_emb.inv_freq", NULL};

static void features(tfc_hparams *hp)
{
    hp->layernorm = false;
    hp->gated = true;
    hp->bias = false;
    hp->rope = true;
}

/* ---- GGUF ---- */

/* Heads, and the rotated part of each. */
static tfc_status gguf_heads(tfc_hparams *hp, const tfc_gguf *gguf, tfc_error *err)
{
    static const tfc_head_keys keys = {"llama.attention.head_count", "llama.attention.head_count_kv",
                                       "llama.embedding_length", "llama.attention.key_length"};
    bool found;
    tfc_status status = tfc_hparam_int(gguf, "llama", "attention.head_count", &hp->NH, NULL, err);
    hp->NKV = hp->NH;
    if (status == TFC_OK)
        status = tfc_hparam_int(gguf, "llama", "attention.head_count_kv", &hp->NKV, &found, err);
    if (status == TFC_OK)
        status = tfc_hparam_int(gguf, "llama", "attention.key_length", &hp->HD, &found, err);
    if (status == TFC_OK) status = tfc_hparams_heads(hp, &keys, err);
    if (status != TFC_OK) return status;
    int64_t value_size = hp->HD;
    status = tfc_hparam_int(gguf, "llama", "attention.value_length", &value_size, &found, err);
    if (status != TFC_OK) return status;
    if (value_size != hp->HD)
        return tfc_fail(err, TFC_EUNSUPPORTED,
                        "llama.attention.value_length %lld differs from the size of keys, %lld",
                        (long long)value_size, (long long)hp->HD);
    hp->n_rot = hp->HD;
    status = tfc_hparam_int(gguf, "llama", "rope.dimension_count", &hp->n_rot, &found, err);
    if (status != TFC_OK) return status;
    if (hp->n_rot % 2 != 0 || hp->n_rot > hp->HD)
        return tfc_fail(err, TFC_EFORMAT,
                        "llama.rope.dimension_count must be even and at most the head size %lld, not %lld",
                        (long long)hp->HD, (long long)hp->n_rot);
    return TFC_OK;
}

/* Llama 3's scaling lies in the file as a divisor for each frequency. */
static tfc_status gguf_rope_factors(tfc_hparams *hp, const tfc_gguf *gguf, tfc_error *err)
{
    const tfc_tensor_view *factors = tfc_tensor_find(tfc_gguf_tensors(gguf), "rope_freqs.weight");
    if (!factors) return TFC_OK;
    char shape[TFC_SHAPE_TEXT];
    if (factors->n_dims != 1 || factors->dims[0] != hp->n_rot / 2)
        return tfc_fail(err, TFC_EFORMAT,
                        "rope_freqs.weight: shape %s in the file, [%lld] by the hyperparameters",
                        tfc_shape_text(shape, factors->dims, factors->n_dims), (long long)(hp->n_rot / 2));
    if (factors->dtype != TFC_F32 || (uintptr_t)factors->data % sizeof(float) != 0)
        return tfc_fail(err, TFC_EUNSUPPORTED, "rope_freqs.weight: aligned F32 values expected, not %s",
                        tfc_dtype_name(factors->dtype));
    hp->rope_freq_factors = factors->data;
    return TFC_OK;
}

static tfc_status gguf_rope(tfc_hparams *hp, const tfc_gguf *gguf, tfc_error *err)
{
    bool found;
    const char *type;
    size_t n;
    char printed[TFC_NAME_TEXT];
    hp->rope_base = 10000;
    tfc_status status = tfc_hparam_float(gguf, "llama", "rope.freq_base", &hp->rope_base, &found, err);
    if (status == TFC_OK) status = tfc_gguf_get_text(gguf, "llama.rope.scaling.type", &type, &n, &found, err);
    if (status == TFC_OK && found && !(n == 4 && memcmp(type, "none", 4) == 0))
        status = tfc_fail(err, TFC_EUNSUPPORTED, "unsupported llama.rope.scaling.type '%s'",
                          tfc_name_text(printed, type, n));
    if (status == TFC_OK) status = tfc_hparam_only(gguf, "llama", "rope.scale_linear", 1, err);
    /* Converters permute the rows of q and k so that pairs stand side by side. */
    hp->rope_interleaved = true;
    return status == TFC_OK ? gguf_rope_factors(hp, gguf, err) : status;
}

static tfc_status from_gguf(tfc_hparams *hp, const tfc_gguf *gguf, tfc_error *err)
{
    features(hp);
    double epsilon = 0;
    tfc_status status = tfc_hparam_int(gguf, "llama", "block_count", &hp->L, NULL, err);
    if (status == TFC_OK) status = tfc_hparam_int(gguf, "llama", "context_length", &hp->context, NULL, err);
    if (status == TFC_OK) status = tfc_hparam_int(gguf, "llama", "embedding_length", &hp->C, NULL, err);
    if (status == TFC_OK) status = tfc_hparam_int(gguf, "llama", "feed_forward_length", &hp->I, NULL, err);
    if (status == TFC_OK) status = gguf_heads(hp, gguf, err);
    if (status == TFC_OK)
        status = tfc_hparam_float(gguf, "llama", "attention.layer_norm_rms_epsilon", &epsilon, NULL, err);
    hp->epsilon = (float)epsilon;
    if (status == TFC_OK) status = gguf_rope(hp, gguf, err);
    if (status == TFC_OK) status = tfc_hparam_only(gguf, "llama", "expert_count", 0, err);
    if (status == TFC_OK) status = tfc_hparam_only(gguf, "llama", "attention.sliding_window", 0, err);
    return status;
}

/* ---- config.json ---- */

static tfc_status config_heads(tfc_hparams *hp, tfc_json *config, tfc_error *err)
{
    static const tfc_head_keys keys = {"num_attention_heads", "num_key_value_heads", "hidden_size",
                                       "head_dim"};
    bool found;
    tfc_status status = tfc_config_int(config, "num_attention_heads", &hp->NH, NULL, err);
    hp->NKV = hp->NH;
    if (status == TFC_OK) status = tfc_config_int(config, "num_key_value_heads", &hp->NKV, &found, err);
    if (status == TFC_OK) status = tfc_config_int(config, "head_dim", &hp->HD, &found, err);
    if (status == TFC_OK) status = tfc_hparams_heads(hp, &keys, err);
    if (status != TFC_OK) return status;
    if (hp->HD % 2 != 0)
        return tfc_fail(err, TFC_EFORMAT, "head_dim must be even for rotary positions, not %lld",
                        (long long)hp->HD);
    hp->n_rot = hp->HD;
    return TFC_OK;
}

/* {"rope_type": "llama3", "factor": …, "low_freq_factor": …, "high_freq_factor": …,
 *  "original_max_position_embeddings": …}; older files say "type" for "rope_type". */
static tfc_status config_scaling(tfc_hparams *hp, tfc_json *scaling, tfc_error *err)
{
    const char *type;
    size_t n;
    bool found;
    char printed[TFC_NAME_TEXT];
    tfc_status status = tfc_json_get_text(scaling, "rope_type", &type, &n, &found, err);
    if (status == TFC_OK && !found) status = tfc_json_get_text(scaling, "type", &type, &n, NULL, err);
    if (status != TFC_OK || (n == 7 && memcmp(type, "default", 7) == 0)) return status;
    if (n != 6 || memcmp(type, "llama3", 6) != 0)
        return tfc_fail(err, TFC_EUNSUPPORTED, "unsupported rope_scaling '%s'; llama3 is supported",
                        tfc_name_text(printed, type, n));
    status = tfc_config_float(scaling, "factor", &hp->rope_factor, NULL, err);
    if (status == TFC_OK)
        status = tfc_config_float(scaling, "low_freq_factor", &hp->rope_low_freq_factor, NULL, err);
    if (status == TFC_OK)
        status = tfc_config_float(scaling, "high_freq_factor", &hp->rope_high_freq_factor, NULL, err);
    if (status == TFC_OK)
        status = tfc_config_int(scaling, "original_max_position_embeddings", &hp->rope_original_context, NULL,
                                err);
    if (status == TFC_OK && hp->rope_low_freq_factor >= hp->rope_high_freq_factor)
        status = tfc_fail(err, TFC_EFORMAT, "low_freq_factor %g must be below high_freq_factor %g",
                          hp->rope_low_freq_factor, hp->rope_high_freq_factor);
    return status;
}

/* The base and the scaling stand in the config itself, or both in an object `rope_parameters`. */
static tfc_status config_rope(tfc_hparams *hp, tfc_json *config, tfc_error *err)
{
    tfc_json *scaling;
    bool found;
    hp->rope_interleaved = false;
    hp->rope_base = 10000;
    tfc_status status = tfc_config_float(config, "rope_theta", &hp->rope_base, &found, err);
    static const char *const places[] = {"rope_scaling", "rope_parameters"};
    for (int i = 0; status == TFC_OK && i < 2; i++) {
        status = tfc_json_get_object(config, places[i], &scaling, &found, err);
        if (status != TFC_OK || !found) continue;
        status = tfc_config_float(scaling, "rope_theta", &hp->rope_base, &found, err);
        if (status == TFC_OK) status = config_scaling(hp, scaling, err);
        if (status != TFC_OK) tfc_error_prefix(err, "%s", places[i]);
    }
    double part = 1;
    if (status == TFC_OK) status = tfc_config_float(config, "partial_rotary_factor", &part, &found, err);
    if (status == TFC_OK && part != 1)
        status = tfc_fail(err, TFC_EUNSUPPORTED, "unsupported partial_rotary_factor %g", part);
    return status;
}

static tfc_status from_config(tfc_hparams *hp, tfc_json *config, tfc_error *err)
{
    static const char *const activations[] = {"silu", "swish", NULL};
    features(hp);
    double epsilon = 1e-6;
    bool found;
    hp->context = 2048;
    tfc_status status = tfc_config_int(config, "hidden_size", &hp->C, NULL, err);
    if (status == TFC_OK) status = tfc_config_int(config, "num_hidden_layers", &hp->L, NULL, err);
    if (status == TFC_OK) status = tfc_config_int(config, "intermediate_size", &hp->I, NULL, err);
    if (status == TFC_OK) status = tfc_config_int(config, "vocab_size", &hp->V, NULL, err);
    if (status == TFC_OK) status = config_heads(hp, config, err);
    if (status == TFC_OK)
        status = tfc_config_int(config, "max_position_embeddings", &hp->context, &found, err);
    if (status == TFC_OK) status = tfc_config_float(config, "rms_norm_eps", &epsilon, &found, err);
    hp->epsilon = (float)epsilon;
    if (status == TFC_OK) status = tfc_json_get_bool(config, "tie_word_embeddings", &hp->tied, &found, err);
    if (status == TFC_OK) status = tfc_config_one_of(config, "hidden_act", activations, err);
    if (status == TFC_OK) status = tfc_config_only(config, "attention_bias", false, err);
    if (status == TFC_OK) status = tfc_config_only(config, "mlp_bias", false, err);
    return status == TFC_OK ? config_rope(hp, config, err) : status;
}

const tfc_arch_spec tfc_arch_llama_spec = {
    TFC_ARCH_LLAMA, "llama", parts, sizeof parts / sizeof *parts, NULL, strays, from_gguf, from_config,
};
