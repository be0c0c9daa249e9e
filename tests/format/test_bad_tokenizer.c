/* Broken tokenizer.json files: each is refused with the error that it deserves, and the sound one loads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "text/tokenizer_core.h"

static const struct {
    const char *name, *message;
} bad_files[] = {
    {"truncated", "invalid JSON"},
    {"invalid_utf8", "invalid UTF-8"},
    {"lone_surrogate", "lone surrogate"},
    {"merge_one_part", "merge 0: two parts expected"},
    {"merge_one_part_text", "merge 0: two parts expected"},
    {"merge_unknown", "merge 0: unknown token 'q'"},
    {"merge_result_unknown", "merge 0: unknown token 'ba'"},
    {"model_unknown", "unsupported tokenizer model 'Trie'"},
    {"id_huge", "token id 4294967295 outside the vocabulary"},
    {"id_negative", "token id: unsigned integer expected"},
    {"id_duplicate", "two tokens have id 4"},
    {"pre_tokenizer_unknown", "unsupported pre_tokenizer 'Magic'"},
    {"regex_broken", "pre_tokenizer: unsupported pattern '('"},
    {"normalizer_unknown", "unsupported normalizer 'Magic'"},
};

static void test_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/tests/fixtures/bad/hf/tokenizer/%s.json", TFC_SOURCE_DIR,
                 bad_files[i].name);
        tfc_error err;
        tfc_error_init(&err);
        tfc_tokenizer *tokenizer = tfc_tokenizer_from_json(path, -1, -1, &err);
        if (tokenizer) fail_msg("%s was accepted", bad_files[i].name);
        if (!strstr(err.message, bad_files[i].message) || !strstr(err.message, path))
            fail_msg("%s: '%s' lacks '%s'", bad_files[i].name, err.message, bad_files[i].message);
        assert_int_not_equal(err.status, TFC_OK);
        assert_null(tfc_tokenizer_from_json(path, -1, -1, NULL));
    }
}

static void test_good(void **state)
{
    (void)state;
    tfc_error err;
    tfc_tokenizer *tokenizer =
        tfc_tokenizer_from_json(TFC_SOURCE_DIR "/tests/fixtures/bad/hf/good/tokenizer.json", 1, 2, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    assert_int_equal(tfc_tokenizer_n_tokens(tokenizer), 9);
    assert_int_equal(tfc_tokenizer_bos(tokenizer), 1);
    assert_int_equal(tfc_tokenizer_eos(tokenizer), 2);
    tfc_tokenizer_free(tokenizer);
    assert_null(
        tfc_tokenizer_from_json(TFC_SOURCE_DIR "/tests/fixtures/bad/hf/good/tokenizer.json", 1, 9, &err));
    assert_non_null(strstr(err.message, "eos_token_id 9 outside the vocabulary"));
    assert_null(tfc_tokenizer_from_json("/nowhere/tokenizer.json", -1, -1, &err));
    assert_non_null(strstr(err.message, "/nowhere/tokenizer.json"));
}

/* A sound file but for one part: model options, then the other parts, then the vocabulary's end. */
#define FILE_WITH(model, parts, vocab, merges)                                                               \
    "{\"model\":{\"type\":\"BPE\"," model "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2" vocab                        \
    "},\"merges\":[" merges "]}," parts                                                                      \
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}}"
#define PRE(text)                                                                                            \
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":" text "}"
#define SPLIT(text) PRE("{\"type\":\"Sequence\",\"pretokenizers\":[" text ",{\"type\":\"ByteLevel\"}]}")
#define TEMPLATE(single)                                                                                     \
    FILE_WITH("", "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[" single "]},", "", "")

static const struct {
    const char *text, *message;
} bad_texts[] = {
    {"[]", "object expected"},
    {"{}", "missing model"},
    {"{\"model\":{\"type\":\"BPE\"}}", "missing vocab"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", "no tokens"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", "missing merges"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":{}}}", "merges: array expected"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0.5},\"merges\":[]}}", "unsigned integer expected"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\":0},\"merges\":[]}}", "token 0 has 0 bytes"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}", "ByteLevel expected"},
    {FILE_WITH("", "", "", "\"a b c\""), "merge 0: two parts expected"},
    {FILE_WITH("", "", "", "\"a b\",\" b\""), "merge 1: two parts expected"},
    {FILE_WITH("", "", "", "[\"a\",1]"), "merge 0: two parts expected"},
    {FILE_WITH("\"unk_token\":\"a\",", "", "", ""), "unk_token"},
    {FILE_WITH("\"byte_fallback\":true,", "", "", ""), "byte_fallback"},
    {FILE_WITH("\"dropout\":0.1,", "", "", ""), "dropout"},
    {FILE_WITH("\"end_of_word_suffix\":\"</w>\",", "", "", ""), "end_of_word_suffix"},
    {FILE_WITH("\"ignore_merges\":1,", "", "", ""), "ignore_merges: true or false expected"},
    {FILE_WITH("", "\"added_tokens\":[1],", "", ""), "added_tokens: object expected"},
    {FILE_WITH("", "\"added_tokens\":[{\"id\":9}],", "", ""), "added_tokens[0]: missing content"},
    {FILE_WITH("", "\"added_tokens\":[{\"content\":\"x\"}],", "", ""), "added_tokens[0]: token id"},
    {FILE_WITH("", "\"added_tokens\":[{\"id\":0,\"content\":\"x\"}],", "", ""), "two tokens have id 0"},
    {FILE_WITH("", "\"added_tokens\":[{\"id\":7,\"content\":\"a\"}],", "", ""), "duplicate token 'a'"},
    {FILE_WITH("", "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"}]},", "", ""),
     "unsupported normalizer 'NFKC'"},
    {FILE_WITH("", "\"normalizer\":3,", "", ""), "normalizer: object expected"},
    {FILE_WITH("", "\"post_processor\":{\"type\":\"BertProcessing\"},", "", ""),
     "post_processor 'BertProcessing'"},
    {TEMPLATE("{\"SpecialToken\":{\"id\":\"zz\"}}"), "unknown token 'zz'"},
    {TEMPLATE("{\"Sequence\":{}},{\"SpecialToken\":{\"id\":\"a\"}}"), "after the text"},
    {TEMPLATE("{\"SpecialToken\":{\"id\":\"a\"}},{\"SpecialToken\":{\"id\":\"b\"}}"), "one token in front"},
    {SPLIT("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"MergedWithNext\"}"),
     "MergedWithNext"},
    {SPLIT("{\"type\":\"Split\",\"pattern\":{},\"behavior\":\"Isolated\"}"), "missing String"},
    {SPLIT("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\"},\"behavior\":\"Isolated\"}"),
     "unsupported pattern"},
    {SPLIT("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\C\"},\"behavior\":\"Isolated\"}"),
     "unsupported pattern"},
    {SPLIT("{\"type\":\"ByteLevel\"}"), "'ByteLevel' after ByteLevel"},
    {SPLIT("{\"type\":\"Metaspace\"}"), "unsupported pre_tokenizer 'Metaspace'"},
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_texts / sizeof *bad_texts; i++) {
        tfc_error err;
        tfc_error_init(&err);
        const char *text = bad_texts[i].text;
        tfc_tokenizer *tokenizer = tfc_tokenizer_from_json_text(text, strlen(text), "t.json", -1, -1, &err);
        if (tokenizer) fail_msg("accepted: %s", text);
        if (!strstr(err.message, bad_texts[i].message) || strncmp(err.message, "t.json: ", 8) != 0)
            fail_msg("'%s' lacks '%s'", err.message, bad_texts[i].message);
    }
}

static const struct {
    const char *name, *message;
} bad_gguf[] = {
    {"merges_unknown_token", "merge 0: unknown token 'q'"},
    {"merges_one_part", "merge 0: two parts expected"},
    {"eos_out_of_range", "tokenizer.ggml.eos_token_id 4000 outside the vocabulary of"},
    {"tokens_duplicate", "duplicate token 'a'"},
    {"token_types_short", "tokenizer.ggml.token_type and tokenizer.ggml.tokens differ in length: 5 and"},
};

/* These files are sound as far as the format goes; the tokenizer in them is not. */
static void test_gguf(void **state)
{
    (void)state;
    tfc_error err;
    tfc_gguf *gguf = tfc_gguf_open(TFC_SOURCE_DIR "/tests/fixtures/bad/gguf/good.gguf", &err);
    assert_non_null(gguf);
    tfc_tokenizer *tokenizer = tfc_tokenizer_from_gguf(gguf, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    tfc_tokenizer_free(tokenizer);
    tfc_gguf_close(gguf);
    for (size_t i = 0; i < sizeof bad_gguf / sizeof *bad_gguf; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/tests/fixtures/bad/gguf/%s.gguf", TFC_SOURCE_DIR, bad_gguf[i].name);
        gguf = tfc_gguf_open(path, &err);
        if (!gguf) fail_msg("%s", err.message);
        if (tfc_tokenizer_from_gguf(gguf, &err)) fail_msg("%s was accepted", bad_gguf[i].name);
        if (!strstr(err.message, bad_gguf[i].message))
            fail_msg("%s: '%s' lacks '%s'", bad_gguf[i].name, err.message, bad_gguf[i].message);
        tfc_gguf_close(gguf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_gguf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
