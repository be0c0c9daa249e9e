/* SmolLM2's tokenizer, as its GGUF file carries it: 400 texts with the ids that its own implementation gives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "fixtures.h"
#include "text/tokenizer_core.h"

static tfc_tokenizer *tokenizer;

static void check_line(const tfc_tokenizer *t, const char *line, size_t n_line, int number)
{
    tfc_error err;
    char what[40];
    snprintf(what, sizeof what, "line %d", number);
    tfc_json *value = tfc_json_parse(line, n_line, what, &err), *expected;
    if (!value) fail_msg("%s", err.message);
    const char *text;
    size_t n, n_back;
    char *back;
    int32_t *ids;
    int64_t n_ids;
    assert_int_equal(tfc_json_get_text(value, "text", &text, &n, NULL, &err), TFC_OK);
    assert_int_equal(tfc_json_get_array(value, "ids", &expected, NULL, &err), TFC_OK);
    assert_int_equal(
        tfc_tokenize(t, text, n, TFC_TOKENIZE_SPECIAL | TFC_TOKENIZE_ADD_BOS, &ids, &n_ids, &err), TFC_OK);
    if (n_ids != (int64_t)json_object_array_length(expected))
        fail_msg("line %d: %d ids, not %zu", number, (int)n_ids, json_object_array_length(expected));
    for (int64_t i = 0; i < n_ids; i++)
        if (ids[i] != json_object_get_int(json_object_array_get_idx(expected, (size_t)i)))
            fail_msg("line %d: id %d differs", number, (int)i);
    assert_int_equal(tfc_detokenize(t, ids, n_ids, true, &back, &n_back, &err), TFC_OK);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (t->vocab.byte_ids[(unsigned char)text[i]] < 0) continue;
        if (kept >= n_back || back[kept++] != text[i]) fail_msg("line %d: byte %zu differs", number, i);
    }
    assert_int_equal(kept, n_back);
    tfc_text_free(back);
    tfc_ids_free(ids);
    json_object_put(value);
}

static int check_all(const tfc_tokenizer *t)
{
    tfc_error err;
    char *text;
    size_t n;
    int number = 0;
    char path[600];
    snprintf(path, sizeof path, "%s/tokenizers/smollm2.jsonl", fixtures_folder());
    if (tfc_file_read(path, 1 << 20, &text, &n, &err) != TFC_OK) fail_msg("%s", err.message);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
        check_line(t, line, (size_t)(end - line), ++number);
    tfc_free(text);
    return number;
}

static void test_texts(void **state)
{
    (void)state;
    assert_int_equal(check_all(tokenizer), 400);
    int missing = 0;
    for (int i = 0; i < 256; i++) missing += tokenizer->vocab.byte_ids[i] < 0;
    assert_int_equal(missing, 21);
    assert_int_equal(tfc_tokenizer_n_tokens(tokenizer), 49152);
}

/* The same through tokenizer.json. */
static void test_json(void **state)
{
    (void)state;
    tfc_error err;
    char *text;
    size_t n;
    assert_int_equal(tfc_tokenizer_write_json(tokenizer, &text, &n, &err), TFC_OK);
    tfc_tokenizer *again = tfc_tokenizer_from_json_text(
        text, n, "tokenizer.json", tfc_tokenizer_bos(tokenizer), tfc_tokenizer_eos(tokenizer), &err);
    if (!again) fail_msg("%s", err.message);
    assert_int_equal(check_all(again), 400);
    assert_int_equal(tfc_tokenizer_n_tokens(again), tfc_tokenizer_n_tokens(tokenizer));
    for (int32_t id = 0; id < tfc_tokenizer_n_tokens(again); id++) {
        assert_int_equal(tfc_token_is_special(again, id), tfc_token_is_special(tokenizer, id));
        assert_int_equal(tfc_token_ends_text(again, id), tfc_token_ends_text(tokenizer, id));
    }
    tfc_tokenizer_free(again);
    tfc_text_free(text);
}

int main(void)
{
    const char *home = getenv("TOOLFORMER_HOME"), *user = getenv("HOME");
    char path[1024];
    snprintf(path, sizeof path, "%s%s/models/SmolLM2-135M-Instruct.Q4_1.gguf",
             home   ? home
             : user ? user
                    : "",
             home ? "" : "/.local/share/toolformer");
    if (!tfc_file_exists(path)) {
        printf("skipped: no model at %s\n", path);
        return 77;
    }
    tfc_error err;
    tfc_gguf *gguf = tfc_gguf_open(path, &err);
    if (gguf) tokenizer = tfc_tokenizer_from_gguf(gguf, &err);
    if (!tokenizer) {
        printf("%s\n", err.message);
        return 1;
    }
    tfc_gguf_close(gguf);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_json),
    };
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    tfc_tokenizer_free(tokenizer);
    return status;
}
