/* Token ids that other implementations gave: ten small tokenizers, and GPT-2's own where its files are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer_core.h"

static const char *const models[] = {"llama", "llama3",   "gpt2",         "gptj",    "gemma3",
                                     "qwen2", "gpt_neox", "gpt_neox_seq", "mistral", "qwen3"};

static int32_t config_id(tfc_json *config, const char *key)
{
    int64_t id = -1;
    bool found;
    tfc_error err;
    assert_int_equal(tfc_json_get_int(config, key, 0, INT32_MAX, &id, &found, &err), TFC_OK);
    return (int32_t)id;
}

static tfc_json *load(const char *folder, const char *name)
{
    tfc_error err;
    char *path = tfc_path_join(folder, name);
    tfc_json *value = tfc_json_parse_file(path, 64 << 20, &err);
    if (!value) fail_msg("%s", err.message);
    tfc_free(path);
    return value;
}

static tfc_tokenizer *load_tokenizer(const char *folder)
{
    tfc_error err;
    tfc_json *config = load(folder, "config.json");
    char *path = tfc_path_join(folder, "tokenizer.json");
    tfc_tokenizer *tokenizer = tfc_tokenizer_from_json(path, config_id(config, "bos_token_id"),
                                                       config_id(config, "eos_token_id"), &err);
    if (!tokenizer) fail_msg("%s", err.message);
    tfc_free(path);
    json_object_put(config);
    return tokenizer;
}

static void check_ids(const tfc_tokenizer *tokenizer, const char *text, size_t n, unsigned flags,
                      tfc_json *expected)
{
    tfc_error err;
    int32_t *ids;
    int64_t n_ids;
    if (tfc_tokenize(tokenizer, text, n, flags, &ids, &n_ids, &err) != TFC_OK) fail_msg("%s", err.message);
    bool same = n_ids == (int64_t)json_object_array_length(expected);
    for (int64_t i = 0; same && i < n_ids; i++)
        same = ids[i] == json_object_get_int(json_object_array_get_idx(expected, (size_t)i));
    if (!same) {
        for (int64_t i = 0; i < n_ids; i++) printf("%d ", ids[i]);
        fail_msg("'%s' under flags %u: expected %s", text, flags, json_object_get_string(expected));
    }
    tfc_ids_free(ids);
}

/* Composed text comes back composed; nothing else is lost by these vocabularies. */
static void check_text(const tfc_tokenizer *tokenizer, const char *text, size_t n)
{
    tfc_error err;
    int32_t *ids;
    int64_t n_ids;
    char *back;
    size_t n_back;
    assert_int_equal(tfc_tokenize(tokenizer, text, n, TFC_TOKENIZE_SPECIAL, &ids, &n_ids, &err), TFC_OK);
    assert_int_equal(tfc_detokenize(tokenizer, ids, n_ids, true, &back, &n_back, &err), TFC_OK);
    if (!tokenizer->nfc) {
        assert_int_equal(n_back, n);
        assert_memory_equal(back, text, n);
    }
    tfc_text_free(back);
    tfc_ids_free(ids);
}

static void test_models(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        char folder[300];
        snprintf(folder, sizeof folder, "%s/tests/fixtures/models/%s", TFC_SOURCE_DIR, models[m]);
        tfc_tokenizer *tokenizer = load_tokenizer(folder);
        tfc_json *golden = load(folder, "golden.json"), *part, *cases;
        tfc_error err;
        int64_t n_tokens;
        assert_int_equal(tfc_json_get_object(golden, "tokenizer", &part, NULL, &err), TFC_OK);
        assert_int_equal(tfc_json_get_int(part, "n_tokens", 1, 1000, &n_tokens, NULL, &err), TFC_OK);
        assert_int_equal(tfc_tokenizer_n_tokens(tokenizer), n_tokens);
        assert_int_equal(tfc_json_get_array(part, "cases", &cases, NULL, &err), TFC_OK);
        assert_int_equal(json_object_array_length(cases), 10);
        for (size_t i = 0; i < 10; i++) {
            tfc_json *item = json_object_array_get_idx(cases, i), *plain, *with;
            const char *text;
            size_t n;
            assert_int_equal(tfc_json_get_text(item, "text", &text, &n, NULL, &err), TFC_OK);
            assert_int_equal(tfc_json_get_array(item, "ids", &plain, NULL, &err), TFC_OK);
            assert_int_equal(tfc_json_get_array(item, "ids_with_special", &with, NULL, &err), TFC_OK);
            check_ids(tokenizer, text, n, TFC_TOKENIZE_SPECIAL, plain);
            check_ids(tokenizer, text, n, TFC_TOKENIZE_SPECIAL | TFC_TOKENIZE_ADD_BOS, with);
            check_text(tokenizer, text, n);
        }
        assert_true(tfc_token_ends_text(tokenizer, tfc_tokenizer_eos(tokenizer)));
        json_object_put(golden);
        tfc_tokenizer_free(tokenizer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
