/* Token ids that other implementations gave: ten small tokenizers, and GPT-2's own where its files are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "fixtures.h"
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
        snprintf(folder, sizeof folder, "%s/models/%s", fixtures_folder(), models[m]);
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

/* GGUF files and tokenizer.json of the same model agree, and each survives being written as the other. */
static void check_same(const tfc_tokenizer *a, const tfc_tokenizer *b)
{
    assert_int_equal(tfc_tokenizer_bos(a), tfc_tokenizer_bos(b));
    assert_int_equal(tfc_tokenizer_eos(a), tfc_tokenizer_eos(b));
    assert_int_equal(tfc_tokenizer_adds_bos(a), tfc_tokenizer_adds_bos(b));
    assert_int_equal(a->nfc, b->nfc);
    assert_int_equal(a->ignore_merges, b->ignore_merges);
    assert_int_equal(a->bpe.n_merges, b->bpe.n_merges);
    for (int32_t i = 0; i < a->bpe.n_merges; i++) {
        assert_int_equal(a->bpe.merges[i].left, b->bpe.merges[i].left);
        assert_int_equal(a->bpe.merges[i].right, b->bpe.merges[i].right);
    }
    assert_true(tfc_tokenizer_n_tokens(b) >= tfc_tokenizer_n_tokens(a)); /* GGUF may hold unused rows */
    for (int32_t id = 0; id < tfc_tokenizer_n_tokens(b); id++) {
        size_t n_a = 0, n_b;
        const char *text_a = tfc_token_text(a, id, &n_a), *text_b = tfc_token_text(b, id, &n_b);
        assert_int_equal(n_a, n_b);
        if (text_a) assert_memory_equal(text_a, text_b, n_a);
        assert_int_equal(tfc_token_is_special(a, id), tfc_token_is_special(b, id));
        assert_int_equal(tfc_token_ends_text(a, id), tfc_token_ends_text(b, id));
    }
    assert_string_equal(tfc_pretokenizer_name(&a->pre), tfc_pretokenizer_name(&b->pre));
}

static tfc_tokenizer *from_gguf(const char *path)
{
    tfc_error err;
    tfc_gguf *gguf = tfc_gguf_open(path, &err);
    if (!gguf) fail_msg("%s", err.message);
    tfc_tokenizer *tokenizer = tfc_tokenizer_from_gguf(gguf, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    tfc_gguf_close(gguf);
    return tokenizer;
}

static void test_gguf_files(void **state)
{
    (void)state;
    static const char *const names[] = {"llama", "gpt2"};
    for (size_t m = 0; m < 2; m++) {
        char folder[300], path[300];
        snprintf(folder, sizeof folder, "%s/models/%s", fixtures_folder(), names[m]);
        snprintf(path, sizeof path, "%s/gguf/%s.F32.gguf", fixtures_folder(), names[m]);
        tfc_tokenizer *json = load_tokenizer(folder), *gguf = from_gguf(path);
        check_same(json, gguf);
        tfc_tokenizer_free(json);
        tfc_tokenizer_free(gguf);
    }
}

static void test_round_trips(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        char folder[300], path[] = "/tmp/tfc-tokenizer-XXXXXX", *text;
        snprintf(folder, sizeof folder, "%s/models/%s", fixtures_folder(), models[m]);
        tfc_tokenizer *first = load_tokenizer(folder);
        tfc_error err;
        size_t n;
        close(mkstemp(path));
        tfc_gguf_writer *writer = tfc_gguf_writer_create(path, &err);
        assert_non_null(writer);
        assert_int_equal(tfc_tokenizer_write_gguf(first, 300, writer, &err), TFC_OK);
        assert_int_equal(tfc_gguf_writer_commit(writer, &err), TFC_OK);
        tfc_gguf_writer_free(writer);
        tfc_tokenizer *second = from_gguf(path);
        assert_int_equal(tfc_tokenizer_n_tokens(second), 300);
        check_same(first, second);
        unlink(path);
        assert_int_equal(tfc_tokenizer_write_json(second, &text, &n, &err), TFC_OK);
        tfc_tokenizer *third = tfc_tokenizer_from_json_text(text, n, "third", tfc_tokenizer_bos(second),
                                                            tfc_tokenizer_eos(second), &err);
        if (!third) fail_msg("%s\n%s", err.message, text);
        check_same(first, third);
        tfc_text_free(text);
        tfc_tokenizer_free(first);
        tfc_tokenizer_free(second);
        tfc_tokenizer_free(third);
    }
}

/* vocab.json and merges.txt as one tokenizer.json. */
static tfc_tokenizer *gpt2_tokenizer(const char *folder)
{
    tfc_error err;
    tfc_buffer json;
    tfc_json *vocab = load(folder, "vocab.json");
    char *path = tfc_path_join(folder, "merges.txt"), *merges;
    size_t n;
    assert_int_equal(tfc_file_read(path, 1 << 24, &merges, &n, &err), TFC_OK);
    tfc_buffer_init(&json, 0);
    tfc_buffer_puts(
        &json,
        "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"model\":{\"vocab\":");
    tfc_buffer_puts(&json, json_object_to_json_string(vocab));
    tfc_buffer_puts(&json, ",\"merges\":[");
    bool first = true;
    for (char *line = merges, *end; (end = strchr(line, '\n')); line = end + 1) {
        if (line == merges && line[0] == '#') continue;
        if (!first) tfc_buffer_putc(&json, ',');
        first = false;
        tfc_buffer_json(&json, line, (size_t)(end - line));
    }
    tfc_buffer_puts(&json, "]}}");
    tfc_tokenizer *tokenizer = tfc_tokenizer_from_json_text(json.data, json.n, "gpt2", 50256, 50256, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    tfc_buffer_release(&json);
    tfc_free(merges);
    tfc_free(path);
    json_object_put(vocab);
    return tokenizer;
}

/* Texts are separated by a marker line; each has a line of ids. */
static void test_gpt2(void **state)
{
    (void)state;
    const char *data = getenv("TOOLFORMER_TEST_DATA");
    char folder[600], *inputs, *outputs;
    snprintf(folder, sizeof folder, "%s/tokenizers/gpt2", data ? data : TFC_SOURCE_DIR "/../shared/data");
    if (!tfc_folder_exists(folder)) {
        printf("skipped: no folder %s (TOOLFORMER_TEST_DATA names the data folder)\n", folder);
        skip();
    }
    tfc_tokenizer *tokenizer = gpt2_tokenizer(folder);
    tfc_error err;
    size_t n;
    strcpy(strrchr(folder, '/'), "/vectors/gpt-2.inp");
    assert_int_equal(tfc_file_read(folder, 1 << 20, &inputs, &n, &err), TFC_OK);
    strcpy(strrchr(folder, '.'), ".out");
    assert_int_equal(tfc_file_read(folder, 1 << 20, &outputs, &n, &err), TFC_OK);
    static const char marker[] = "\n__ggml_vocab_test__\n";
    int n_texts = 0;
    for (char *text = inputs, *line = outputs, *next; (next = strstr(text, marker)); n_texts++) {
        char *line_end = strchr(line, '\n');
        *next = '\0';
        assert_non_null(line_end);
        tfc_json *expected = json_object_new_array();
        for (char *at = line; at < line_end;) {
            char *stop;
            long id = strtol(at, &stop, 10);
            if (stop == at || stop > line_end) break;
            json_object_array_add(expected, json_object_new_int64(id));
            at = stop;
        }
        check_ids(tokenizer, text, strlen(text), TFC_TOKENIZE_SPECIAL, expected);
        json_object_put(expected);
        line = line_end + 1;
        text = next + sizeof marker - 1;
    }
    assert_int_equal(n_texts, 46);
    tfc_free(inputs);
    tfc_free(outputs);
    tfc_tokenizer_free(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_gguf_files),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_gpt2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
