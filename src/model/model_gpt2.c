/* GPT-2: layernorm, learned positions, all projections with a bias, tanh-GELU. Hugging Face stores the
 * matrices of its Conv1D as [in, out]; q, k and v are one matrix. */
#include "model/hparams.h"

static const tfc_part_spec parts[] = {
    {TFC_PART_TOKEN_EMBEDDING, "token_embd.weight", "wte.weight", TFC_EXTENT_V, TFC_EXTENT_C, false},
    {TFC_PART_POSITION_EMBEDDING, "position_embd.weight", "wpe.weight", TFC_EXTENT_CONTEXT, TFC_EXTENT_C,
     false},
    {TFC_PART_NORM, "output_norm.weight", "ln_f.weight", TFC_EXTENT_ONE, TFC_EXTENT_C, false},
    {TFC_PART_NORM_BIAS, "output_norm.bias", "ln_f.bias", TFC_EXTENT_ONE, TFC_EXTENT_C, false},
    {TFC_PART_HEAD, "output.weight", "lm_head.weight", TFC_EXTENT_V, TFC_EXTENT_C, false},
    {TFC_PART_NORM1, "blk.*.attn_norm.weight", "h.*.ln_1.weight", TFC_EXTENT_ONE, TFC_EXTENT_C, false},
    {TFC_PART_NORM1_BIAS, "blk.*.attn_norm.bias", "h.*.ln_1.bias", TFC_EXTENT_ONE, TFC_EXTENT_C, false},
    {TFC_PART_WQ, "blk.*.attn_qkv.weight", "h.*.attn.c_attn.weight", TFC_EXTENT_QKV, TFC_EXTENT_C, true},
    {TFC_PART_WQKV_BIAS, "blk.*.attn_qkv.bias", "h.*.attn.c_attn.bias", TFC_EXTENT_ONE, TFC_EXTENT_QKV,
     false},
    {TFC_PART_WO, "blk.*.attn_output.weight", "h.*.attn.c_proj.weight", TFC_EXTENT_C, TFC_EXTENT_Q, true},
    {TFC_PART_WO_BIAS, "blk.*.attn_output.bias", "h.*.attn.c_proj.bias", TFC_EXTENT_ONE, TFC_EXTENT_C, false},
    {TFC_PART_NORM2, "blk.*.ffn_norm.weight", "h.*.ln_2.weight", TFC_EXTENT_ONE, TFC_EXTENT_C, false},
    {TFC_PART_NORM2_BIAS, "blk.*.ffn_norm.bias", "h.*.ln_2.bias", TFC_EXTENT_ONE, TFC_EXTENT_C, false},
    {TFC_PART_W_UP, "blk.*.ffn_up.weight", "h.*.mlp.c_fc.weight", TFC_EXTENT_I, TFC_EXTENT_C, true},
    {TFC_PART_W_UP_BIAS, "blk.*.ffn_up.bias", "h.*.mlp.c_fc.bias", TFC_EXTENT_ONE, TFC_EXTENT_I, false},
    {TFC_PART_W_DOWN, "blk.*.ffn_down.weight", "h.*.mlp.c_proj.weight", TFC_EXTENT_C, TFC_EXTENT_I, true},
    {TFC_PART_W_DOWN_BIAS, "blk.*.ffn_down.bias", "h.*.mlp.c_proj.bias", TFC_EXTENT_ONE, TFC_EXTENT_C, false},
};
/* Masks that were saved as if they were weights. */
static const char *const strays[] = {".attn.bias", ".attn.masked_bias", NULL};

static void features(tfc_hparams *hp)
{
    hp->layernorm = true;
    hp->gated = false;
    hp->bias = true;
    hp->rope = false;
}

static tfc_status from_gguf(tfc_hparams *hp, const tfc_gguf *gguf, tfc_error *err)
{
    static const tfc_head_keys keys = {"gpt2.attention.head_count", "gpt2.attention.head_count_kv",
                                       "gpt2.embedding_length", "gpt2.attention.key_length"};
    features(hp);
    double epsilon = 0;
    bool found;
    tfc_status status = tfc_hparam_int(gguf, "gpt2", "block_count", &hp->L, NULL, err);
    if (status == TFC_OK) status = tfc_hparam_int(gguf, "gpt2", "context_length", &hp->context, NULL, err);
    if (status == TFC_OK) status = tfc_hparam_int(gguf, "gpt2", "embedding_length", &hp->C, NULL, err);
    if (status == TFC_OK) status = tfc_hparam_int(gguf, "gpt2", "feed_forward_length", &hp->I, NULL, err);
    if (status == TFC_OK) status = tfc_hparam_int(gguf, "gpt2", "attention.head_count", &hp->NH, NULL, err);
    hp->NKV = hp->NH;
    if (status == TFC_OK)
        status = tfc_hparam_int(gguf, "gpt2", "attention.head_count_kv", &hp->NKV, &found, err);
    if (status == TFC_OK) status = tfc_hparams_heads(hp, &keys, err);
    if (status == TFC_OK)
        status = tfc_hparam_float(gguf, "gpt2", "attention.layer_norm_epsilon", &epsilon, NULL, err);
    hp->epsilon = (float)epsilon;
    return status;
}

static tfc_status from_config(tfc_hparams *hp, tfc_json *config, tfc_error *err)
{
    static const tfc_head_keys keys = {"n_head", "n_head", "n_embd", "n_embd / n_head"};
    static const char *const activations[] = {"gelu_new", "gelu_pytorch_tanh", NULL};
    features(hp);
    double epsilon = 1e-5;
    bool found;
    tfc_status status = tfc_config_int(config, "n_embd", &hp->C, NULL, err);
    if (status == TFC_OK) status = tfc_config_int(config, "n_layer", &hp->L, NULL, err);
    if (status == TFC_OK) status = tfc_config_int(config, "n_head", &hp->NH, NULL, err);
    if (status == TFC_OK) status = tfc_config_int(config, "n_positions", &hp->context, NULL, err);
    if (status == TFC_OK) status = tfc_config_int(config, "vocab_size", &hp->V, NULL, err);
    hp->I = 4 * hp->C;
    if (status == TFC_OK) status = tfc_config_int(config, "n_inner", &hp->I, &found, err);
    hp->NKV = hp->NH;
    if (status == TFC_OK) status = tfc_hparams_heads(hp, &keys, err);
    if (status == TFC_OK) status = tfc_config_float(config, "layer_norm_epsilon", &epsilon, &found, err);
    hp->epsilon = (float)epsilon;
    hp->tied = true;
    if (status == TFC_OK) status = tfc_json_get_bool(config, "tie_word_embeddings", &hp->tied, &found, err);
    if (status == TFC_OK) status = tfc_config_one_of(config, "activation_function", activations, err);
    if (status == TFC_OK) status = tfc_config_only(config, "scale_attn_weights", true, err);
    if (status == TFC_OK) status = tfc_config_only(config, "scale_attn_by_inverse_layer_idx", false, err);
    if (status == TFC_OK) status = tfc_config_only(config, "add_cross_attention", false, err);
    return status;
}

const tfc_arch_spec tfc_arch_gpt2_spec = {
    TFC_ARCH_GPT2,  "gpt2", parts,     sizeof parts / sizeof *parts,
    "transformer.", strays, from_gguf, from_config,
};
