/* Broken config.json files, one defect each; and single keys of the sound one, changed. */
#include "format/bad_files.h"

#include "base/json.h"

static const bad_file table[] = {
    {"hidden_size_missing.json", "config.json: missing hidden_size", NULL},
    {"layers_negative.json", "num_hidden_layers must be positive", "-1"},
    {"layers_1e9.json", "missing tensor model.layers.1.", NULL},
    {"layers_string.json", "num_hidden_layers: number expected", NULL},
    {"hidden_fraction.json", "hidden_size: integer expected", "8.5"},
    {"heads_0.json", "num_attention_heads must be positive", NULL},
    {"heads_not_dividing.json", "num_attention_heads 3 does not divide hidden_size 4", NULL},
    {"model_type_unknown.json", "unsupported model_type 'llame'", NULL},
    {"act_unknown.json", "unsupported hidden_act 'sine'", NULL},
    {"rope_scaling_unknown.json", "unsupported rope_scaling 'spiral'", NULL},
    {"vocab_too_large.json", "embed_tokens.weight: shape [9, 4]", "[10, 4]"},
    {"not_object.json", "config.json: object expected", NULL},
    {"truncated.json", "config.json: invalid JSON", NULL},
};
enum { N = sizeof table / sizeof *table };

static void test_refused(void **state)
{
    (void)state;
    expect_complete(fixture("bad/hf/config", ""), table, N);
    for (int i = 0; i < N; i++) {
        hf_good();
        hf_put("config.json", fixture("bad/hf/config", table[i].name));
        expect_refused(hf_folder, &table[i]);
    }
}

/* A key of the sound config with another value; words NULL: it opens. */
static const struct {
    const char *key, *value, *words;
} changes[] = {
    {"attention_bias", "true", "unsupported attention_bias true"},
    {"attention_bias", "false", NULL},
    {"attention_bias", "1", "attention_bias: true or false expected"},
    {"mlp_bias", "true", "unsupported mlp_bias true"},
    {"hidden_act", "\"swish\"", NULL},
    {"hidden_act", "\"silu\\u0000\"", "unsupported hidden_act"},
    {"partial_rotary_factor", "0.5", "unsupported partial_rotary_factor 0.5"},
    {"quantization_config", "{\"bits\": 4}", "unsupported quantization_config"},
    {"quantization_config", "null", NULL},
    {"head_dim", "3", "head_dim must be even"},
    {"head_dim", "4", "q_proj.weight: shape [4, 4] in the file, [8, 4]"},
    {"head_dim", "4294967296", "head_dim must be at most"},
    {"head_dim", "1e3", "head_dim: integer expected"},
    {"num_key_value_heads", "0", "num_key_value_heads must be positive"},
    {"num_key_value_heads", "3", "num_attention_heads 2 is no multiple of num_key_value_heads 3"},
    {"num_key_value_heads", "null", "k_proj.weight: shape [2, 4] in the file, [4, 4]"},
    {"intermediate_size", "9223372036854775807", "intermediate_size must be between"},
    {"vocab_size", "4294967296", "vocabulary too large"},
    {"rms_norm_eps", "0", "rms_norm_eps must be finite and positive"},
    {"rms_norm_eps", "1e-60", "epsilon"},
    {"rms_norm_eps", "1e400", "rms_norm_eps must be finite"},
    {"rope_theta", "-1", "rope_theta must be finite and positive"},
    {"rope_theta", "1e300", "out of range"},
    {"rope_scaling", "null", NULL},
    {"rope_scaling", "{\"rope_type\": \"default\"}", NULL},
    {"rope_scaling", "{\"type\": \"default\"}", NULL},
    {"rope_scaling", "{}", "rope_scaling: missing type"},
    {"rope_scaling", "{\"rope_type\": \"llama3\"}", "rope_scaling: missing factor"},
    {"rope_scaling",
     "{\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1, \"high_freq_factor\": 4, "
     "\"original_max_position_embeddings\": 16}",
     NULL},
    {"rope_scaling",
     "{\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4, \"high_freq_factor\": 4, "
     "\"original_max_position_embeddings\": 16}",
     "low_freq_factor 4 must be below high_freq_factor 4"},
    {"rope_parameters", "{\"rope_type\": \"yarn\"}", "rope_parameters: unsupported rope_scaling 'yarn'"},
    {"rope_parameters", "{\"rope_type\": \"default\", \"rope_theta\": 500000}", NULL},
    {"tie_word_embeddings", "false", "missing tensor lm_head.weight"},
    {"tie_word_embeddings", "0", "tie_word_embeddings: true or false expected"},
    {"eos_token_id", "[2, 1]", NULL},
    {"eos_token_id", "null", NULL},
    {"eos_token_id", "9", "eos_token_id 9 is outside the vocabulary of 9"},
    {"eos_token_id", "-1", "eos_token_id -1 is outside"},
    {"bos_token_id", "\"x\"", "bos_token_id: token id"},
    {"model_type", "null", "missing model_type"},
    {"model_type", "\"gpt2\"", "missing n_embd"},
    {"num_hidden_layers", "0", "num_hidden_layers must be positive"},
};
enum { N_CHANGES = sizeof changes / sizeof *changes };

/* hf_folder's config.json becomes the sound one with that change. */
static void put_changed(const char *key, const char *value)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_json *config = tfc_json_parse_file(fixture("bad/hf/good", "config.json"), 0, &err);
    assert_non_null(config);
    tfc_json *parsed = strcmp(value, "null") == 0 ? NULL : json_tokener_parse(value);
    assert_int_equal(json_object_object_add(config, key, parsed), 0);
    const char *text = json_object_to_json_string_ext(config, JSON_C_TO_STRING_PLAIN);
    char path[128];
    snprintf(path, sizeof path, "%s/config.json", hf_folder);
    unlink(path);
    FILE *stream = fopen(path, "w"); /* not synced to disk: quick */
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
    json_object_put(config);
}

static void test_changes(void **state)
{
    (void)state;
    hf_good();
    for (int i = 0; i < N_CHANGES; i++) {
        put_changed(changes[i].key, changes[i].value);
        char name[256];
        snprintf(name, sizeof name, "%s = %s", changes[i].key, changes[i].value);
        const bad_file bad = {name, changes[i].words, NULL};
        if (changes[i].words)
            expect_refused(hf_folder, &bad);
        else
            expect_opens(hf_folder);
    }
}

static void test_no_model(void **state)
{
    (void)state;
    hf_clear();
    static const bad_file empty = {"an empty folder", "holds no model", NULL};
    expect_refused(hf_folder, &empty);
    hf_put("one.gguf", fixture("bad/gguf", "good.gguf"));
    expect_opens(hf_folder);
    hf_put("two.gguf", fixture("bad/gguf", "good.gguf"));
    static const bad_file several = {"two files", "holds several .gguf files", NULL};
    expect_refused(hf_folder, &several);
    hf_put("config.json", fixture("bad/hf/good", "config.json"));
    static const bad_file no_weights = {"no weights", "neither model.safetensors nor", NULL};
    expect_refused(hf_folder, &no_weights);
    static const bad_file absent = {"no such file", "cannot open", "No such file"};
    expect_refused("/tmp/tfc-no-such-model.gguf", &absent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_no_model),
    };
    return cmocka_run_group_tests(tests, hf_make, hf_remove);
}
