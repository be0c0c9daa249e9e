/* The tokenizer's parts: the byte alphabet, merging against a naive reference, added tokens, splits, limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/random.h"
#include "base/thread_pool.h"
#include "text/tokenizer_core.h"

static tfc_tokenizer *make(const char *json)
{
    tfc_error err;
    tfc_tokenizer *tokenizer = tfc_tokenizer_from_json_text(json, strlen(json), "t", -1, -1, &err);
    if (!tokenizer) fail_msg("%s", err.message);
    return tokenizer;
}

/* Ids as "1 2 3". */
static const char *ids_of(const tfc_tokenizer *tokenizer, const char *text, unsigned flags)
{
    static char out[4096];
    tfc_error err;
    int32_t *ids;
    int64_t n;
    size_t at = 0;
    if (tfc_tokenize(tokenizer, text, strlen(text), flags, &ids, &n, &err) != TFC_OK)
        fail_msg("%s", err.message);
    out[0] = '\0';
    for (int64_t i = 0; i < n && at + 16 < sizeof out; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, i ? " %d" : "%d", ids[i]);
    tfc_ids_free(ids);
    return out;
}

#define BYTES(use_regex, prefix)                                                                             \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":" prefix ",\"use_regex\":" use_regex "}"
#define MODEL(vocab, merges) "{\"model\":{\"vocab\":{" vocab "},\"merges\":[" merges "]}"
#define PLAIN(vocab, merges) MODEL(vocab, merges) ",\"pre_tokenizer\":" BYTES("true", "false") "}"
#define LETTERS "\"a\":0,\"b\":1,\"c\":2,\"Ġ\":3,\"1\":4,\"2\":5"

static void test_byte_alphabet(void **state)
{
    (void)state;
    tfc_buffer json;
    tfc_buffer_init(&json, 0);
    tfc_buffer_puts(&json,
                    "{\"pre_tokenizer\":" BYTES("false", "false") ",\"model\":{\"merges\":[],\"vocab\":{");
    for (unsigned byte = 0; byte < 256; byte++) {
        char letter[4], one = (char)byte;
        size_t n = tfc_byte_spell((unsigned char)byte, letter);
        tfc_buffer_json(&json, letter, n);
        tfc_buffer_printf(&json, ":%u%s", byte, byte < 255 ? "," : "}}}");
        tfc_buffer spelled;
        tfc_buffer_init(&spelled, 0);
        tfc_bytes_spell(&spelled, &one, 1);
        assert_int_equal(spelled.n, n);
        tfc_buffer_release(&spelled);
    }
    assert_non_null(strstr(json.data, "\"Ġ\":32,"));
    assert_non_null(strstr(json.data, "\"Ċ\":10,"));
    assert_non_null(strstr(json.data, "\"Ń\":173,"));
    tfc_tokenizer *tokenizer = make(json.data);
    for (unsigned byte = 0; byte < 256; byte++) {
        size_t n;
        const char *text = tfc_token_text(tokenizer, (int32_t)byte, &n);
        assert_int_equal(n, 1);
        assert_int_equal((unsigned char)text[0], byte);
    }
    assert_string_equal(ids_of(tokenizer, "a \xC3\xA9", 0), "97 32 195 169");
    tfc_buffer_release(&json);
    tfc_tokenizer_free(tokenizer);
}

/* What merging means, without any cleverness: scan for the lowest rank, merge its leftmost pair, again. */
static int64_t merge_naive(const tfc_bpe *bpe, int32_t *ids, int64_t n)
{
    for (;;) {
        int32_t best = INT32_MAX;
        int64_t at = 0;
        for (int64_t i = 0; i + 1 < n; i++)
            for (int32_t rank = 0; rank < bpe->n_merges && rank < best; rank++)
                if (bpe->merges[rank].left == ids[i] && bpe->merges[rank].right == ids[i + 1])
                    best = rank, at = i;
        if (best == INT32_MAX) return n;
        ids[at] = bpe->merges[best].result;
        n--;
        for (int64_t i = at + 1; i < n; i++) ids[i] = ids[i + 1];
    }
}

/* A random vocabulary over a and b: each merge joins two tokens that are there already. */
static tfc_tokenizer *random_tokenizer(tfc_random *random)
{
    enum { N = 60 };
    char *texts[N] = {"a", "b"};
    tfc_buffer vocab, merges;
    tfc_buffer_init(&vocab, 0);
    tfc_buffer_init(&merges, 0);
    tfc_buffer_puts(&vocab, "\"a\":0,\"b\":1");
    int n = 2;
    while (n < N) {
        const char *left = texts[tfc_random_below(random, (uint64_t)n)];
        const char *right = texts[tfc_random_below(random, (uint64_t)n)];
        char *joined = test_malloc(strlen(left) + strlen(right) + 1);
        sprintf(joined, "%s%s", left, right);
        int i = 0;
        while (i < n && strcmp(texts[i], joined) != 0) i++;
        if (i < n || strlen(joined) > 12) {
            test_free(joined);
            continue;
        }
        tfc_buffer_printf(&vocab, ",\"%s\":%d", joined, n);
        tfc_buffer_printf(&merges, "%s\"%s %s\"", n > 2 ? "," : "", left, right);
        texts[n++] = joined;
    }
    tfc_buffer json;
    tfc_buffer_init(&json, 0);
    tfc_buffer_printf(&json, MODEL("%s", "%s") ",\"pre_tokenizer\":" BYTES("false", "false") "}", vocab.data,
                      merges.data);
    tfc_tokenizer *tokenizer = make(json.data);
    for (int i = 2; i < N; i++) test_free(texts[i]);
    tfc_buffer_release(&vocab);
    tfc_buffer_release(&merges);
    tfc_buffer_release(&json);
    return tokenizer;
}

static void test_merges_by_rank(void **state)
{
    (void)state;
    tfc_random random = tfc_random_stream(7, 0, 0, 0);
    for (int round = 0; round < 40; round++) {
        tfc_tokenizer *tokenizer = random_tokenizer(&random);
        for (int i = 0; i < 40; i++) {
            char text[200];
            int32_t expected[200], *ids;
            int64_t n = (int64_t)tfc_random_below(&random, i < 20 ? 41 : 200), n_ids;
            for (int64_t j = 0; j < n; j++) {
                expected[j] = (int32_t)tfc_random_below(&random, 2);
                text[j] = (char)('a' + expected[j]);
            }
            assert_int_equal(tfc_tokenize(tokenizer, text, (size_t)n, 0, &ids, &n_ids, NULL), TFC_OK);
            assert_int_equal(n_ids, merge_naive(&tokenizer->bpe, expected, n));
            assert_memory_equal(ids, expected, (size_t)n_ids * sizeof *ids);
            tfc_ids_free(ids);
        }
        tfc_tokenizer_free(tokenizer);
    }
}

static void test_bytes_without_token(void **state)
{
    (void)state;
    tfc_tokenizer *tokenizer = make(PLAIN(LETTERS ",\"ab\":6", "\"a b\""));
    assert_string_equal(ids_of(tokenizer, "ab", 0), "6");
    assert_string_equal(ids_of(tokenizer, "axb", 0), "6"); /* x vanishes, a and b then merge */
    assert_string_equal(ids_of(tokenizer, "xyz", 0), "");
    char longer[200];
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "a", 1);
    memcpy(longer + 198, "b", 2);
    assert_string_equal(ids_of(tokenizer, longer, 0), "6");
    tfc_tokenizer_free(tokenizer);
}

static void test_long_piece(void **state)
{
    (void)state;
    tfc_tokenizer *tokenizer =
        make(PLAIN(LETTERS ",\"aa\":6,\"aaaa\":7,\"aaaaaaaa\":8", "\"a a\",\"aa aa\",\"aaaa aaaa\""));
    enum { N = 1000003 };
    char *text = test_malloc(N);
    memset(text, 'a', N);
    int32_t *ids;
    int64_t n_ids;
    clock_t begin = clock();
    assert_int_equal(tfc_tokenize(tokenizer, text, N, 0, &ids, &n_ids, NULL), TFC_OK);
    assert_true(clock() - begin < 20 * CLOCKS_PER_SEC);
    assert_int_equal(n_ids, N / 8 + 2);
    for (int64_t i = 0; i < N / 8; i++) assert_int_equal(ids[i], 8);
    assert_int_equal(ids[N / 8], 6);
    assert_int_equal(ids[N / 8 + 1], 0);
    tfc_ids_free(ids);
    test_free(text);
    tfc_tokenizer_free(tokenizer);
}

#define ADDED(id, text, special, flags)                                                                      \
    "{\"id\":" #id ",\"content\":\"" text "\",\"special\":" special ",\"normalized\":false" flags "}"

static void test_added_tokens(void **state)
{
    (void)state;
    tfc_tokenizer *tokenizer =
        make(MODEL(LETTERS, "") ",\"pre_tokenizer\":" BYTES("true", "false") ",\"added_tokens\":[" ADDED(
            10, "<a>", "true",
            "") "," ADDED(11, "<a><b>", "true",
                          "") "," ADDED(12, "ab", "false",
                                        ",\"single_word\":true") "," ADDED(13, "[m]", "true",
                                                                           ",\"lstrip\":true,"
                                                                           "\"rstrip\":true") "]}");
    assert_string_equal(ids_of(tokenizer, "<a>b<a><a><b>", 1), "10 1 10 11"); /* the longest */
    assert_string_equal(ids_of(tokenizer, "<a>b", 0), "0 1"); /* as text; < and > have no token */
    assert_string_equal(ids_of(tokenizer, "ab cab", 0),
                        "12 3 2 0 1"); /* not special: found without the flag */
    assert_string_equal(ids_of(tokenizer, "c ab.", 0), "2 3 12");
    assert_string_equal(ids_of(tokenizer, "a  [m]\xC2\xA0\n b", 1), "0 13 1");
    assert_string_equal(ids_of(tokenizer, "[m] [m]", 1), "13 13");
    assert_int_equal(tfc_tokenizer_n_tokens(tokenizer), 14);
    size_t n = 9;
    assert_string_equal(tfc_token_text(tokenizer, 8, &n), ""); /* a hole among the ids */
    assert_int_equal(n, 0);
    assert_null(tfc_token_text(tokenizer, 14, &n));
    assert_null(tfc_token_text(tokenizer, -1, &n));
    const int32_t ids[] = {10, 0, 12, 8, 13}, bad[] = {14};
    char *text;
    assert_int_equal(tfc_detokenize(tokenizer, ids, 5, true, &text, &n, NULL), TFC_OK);
    assert_string_equal(text, "<a>aab[m]");
    tfc_text_free(text);
    assert_int_equal(tfc_detokenize(tokenizer, ids, 5, false, &text, &n, NULL), TFC_OK);
    assert_string_equal(text, "aab");
    assert_int_equal(n, 3);
    tfc_text_free(text);
    assert_int_equal(tfc_detokenize(tokenizer, bad, 1, false, &text, &n, NULL), TFC_EINVAL);
    tfc_tokenizer_free(tokenizer);
}

/* é as e and a combining accent: composed first, and an added token that is looked for after that. */
static void test_composition(void **state)
{
    (void)state;
    tfc_tokenizer *tokenizer =
        make(MODEL(LETTERS ",\"Ã\":6,\"©\":7,\"e\":8",
                   "") ",\"normalizer\":{\"type\":\"NFC\"},\"pre_"
                       "tokenizer\":" BYTES("true", "false") ",\"added_tokens\":[{\"id\":9,"
                                                             "\"content\":\"\xC3\xA9\xC3\xA9\","
                                                             "\"normalized\":true}]}");
    assert_string_equal(ids_of(tokenizer, "ae\xCC\x81", 0), "0 6 7");
    assert_string_equal(ids_of(tokenizer, "a\xC3\xA9", 0), "0 6 7");
    assert_string_equal(ids_of(tokenizer, "e\xCC\x81\xC3\xA9", 0), "9");
    tfc_tokenizer_free(tokenizer);
}

#define SPLIT(pattern, behavior, invert)                                                                     \
    "{\"type\":\"Split\",\"pattern\":{" pattern "},\"behavior\":\"" behavior "\",\"invert\":" invert "}"
#define STEPS(steps)                                                                                         \
    MODEL(LETTERS ",\"aa\":6,\"ab\":7,\"12\":8,\"ba\":9", "\"a a\",\"a b\",\"1 2\",\"b a\"")                 \
    ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[" steps "]}}"
#define BARE BYTES("false", "false")

static void test_splits(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text, *ids;
    } cases[] = {
        {STEPS(BARE), "aab12", "6 1 8"},
        {STEPS(SPLIT("\"Regex\":\"a\"", "Isolated", "false") "," BARE), "aab12", "0 0 1 8"},
        {STEPS(SPLIT("\"Regex\":\"a\"", "Isolated", "true") "," BARE), "aab12", "0 0 1 8"},
        {STEPS(SPLIT("\"Regex\":\"b\"", "Removed", "false") "," BARE), "abab12b", "0 0 8"},
        {STEPS(SPLIT("\"Regex\":\"a\"", "Removed", "true") "," BARE), "abab12b", "0 0"},
        {STEPS(SPLIT("\"Regex\":\"a\"", "Contiguous", "false") "," BARE), "baab", "1 6 1"},
        {STEPS(SPLIT("\"String\":\".\"", "Isolated", "false") "," BARE), "aa.ab", "6 7"},
        {STEPS(SPLIT("\"Regex\":\"x*\"", "Isolated", "false") "," BARE), "a\xC3\xA9xxab", "0 7"},
        {STEPS("{\"type\":\"Digits\",\"individual_digits\":true}," BARE), "ab12", "7 4 5"},
        {STEPS("{\"type\":\"Digits\",\"individual_digits\":false}," BARE), "ab12", "7 8"},
        {STEPS("{\"type\":\"Digits\"}," BYTES("true", "true")), "ab12", "3 7 3 8"},
        {STEPS(BYTES("true", "true")), " ab", "3 7"},
        {STEPS(BYTES("true", "true")), "", ""},
        /* NEL is white space, the Mongolian vowel separator is not. */
        {STEPS(SPLIT("\"Regex\":\"\\\\s\"", "Removed", "false") "," BARE),
         "a\xC2\x85"
         "a",
         "0 0"},
        {STEPS(SPLIT("\"Regex\":\"\\\\s\"", "Removed", "false") "," BARE),
         "a\xE1\xA0\x8E"
         "a",
         "6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tfc_tokenizer *tokenizer = make(cases[i].json);
        const char *ids = ids_of(tokenizer, cases[i].text, 0);
        if (strcmp(ids, cases[i].ids) != 0)
            fail_msg("case %zu, '%s': %s, not %s", i, cases[i].text, ids, cases[i].ids);
        char *text;
        size_t n;
        assert_int_equal(tfc_tokenizer_write_json(tokenizer, &text, &n, NULL), TFC_OK);
        tfc_tokenizer *again = make(text);
        assert_string_equal(ids_of(again, cases[i].text, 0), cases[i].ids);
        tfc_tokenizer_free(again);
        tfc_text_free(text);
        tfc_tokenizer_free(tokenizer);
    }
}

static void test_ignore_merges(void **state)
{
    (void)state;
    tfc_tokenizer *tokenizer =
        make("{\"model\":{\"ignore_merges\":true,\"vocab\":{" LETTERS
             ",\"Ġabc\":6},\"merges\":[]},\"pre_tokenizer\":" BYTES("true", "false") "}");
    assert_string_equal(ids_of(tokenizer, "abc abc", 0), "0 1 2 6");
    tfc_tokenizer_free(tokenizer);
}

static void test_errors(void **state)
{
    (void)state;
    tfc_tokenizer *tokenizer = make(PLAIN(LETTERS, ""));
    tfc_error err;
    int32_t *ids;
    int64_t n;
    assert_int_equal(tfc_tokenize(tokenizer, "ab\xFF", 3, 0, &ids, &n, &err), TFC_EFORMAT);
    assert_string_equal(err.message, "text: invalid UTF-8 at byte 2");
    assert_int_equal(tfc_tokenize(tokenizer, "", 0, TFC_TOKENIZE_ADD_BOS, &ids, &n, &err), TFC_OK);
    assert_int_equal(n, 0);
    assert_non_null(ids);
    tfc_ids_free(ids);
    assert_int_equal(tfc_tokenizer_bos(tokenizer), -1);
    assert_int_equal(tfc_tokenizer_eos(tokenizer), -1);
    assert_false(tfc_token_ends_text(tokenizer, -1));
    assert_false(tfc_token_is_special(tokenizer, 99));
    tfc_tokenizer_free(tokenizer);
    /* A pattern that backtracks without end is stopped. */
    tokenizer = make(STEPS(SPLIT("\"Regex\":\"(a|aa)+$\"", "Isolated", "false") "," BARE));
    char text[101];
    memset(text, 'a', 100);
    text[100] = 'b';
    assert_int_equal(tfc_tokenize(tokenizer, text, 101, 0, &ids, &n, &err), TFC_ELIMIT);
    assert_non_null(strstr(err.message, "match limit"));
    tfc_tokenizer_free(tokenizer);
}

/* Each allocation fails in turn: an error, and nothing leaks (under the address sanitizer). */
static void test_memory(void **state)
{
    (void)state;
    static const char json[] =
        STEPS(SPLIT("\"Regex\":\"a\"", "Contiguous", "false") "," BYTES("true", "true"));
    static const char text[] =
        "abc aab 12 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (int64_t fail = 1;; fail++) {
        tfc_memory_fail_at(fail);
        tfc_tokenizer *tokenizer = tfc_tokenizer_from_json_text(json, sizeof json - 1, "t", -1, -1, NULL);
        int32_t *ids = NULL;
        int64_t n;
        char *back = NULL, *written = NULL;
        size_t n_back;
        bool all = tokenizer && tfc_tokenize(tokenizer, text, sizeof text - 1, 0, &ids, &n, NULL) == TFC_OK &&
                   tfc_detokenize(tokenizer, ids, n, true, &back, &n_back, NULL) == TFC_OK &&
                   tfc_tokenizer_write_json(tokenizer, &written, &n_back, NULL) == TFC_OK;
        tfc_memory_fail_at(0);
        tfc_text_free(back);
        tfc_text_free(written);
        tfc_ids_free(ids);
        tfc_tokenizer_free(tokenizer);
        if (all) {
            assert_true(fail > 10);
            break;
        }
    }
}

static void tokenize_task(void *context, int64_t i, int worker)
{
    (void)worker;
    const tfc_tokenizer *tokenizer = context;
    char text[64];
    int32_t *ids;
    int64_t n;
    for (int round = 0; round < 200; round++) {
        snprintf(text, sizeof text, "aab %d ab%s12", (int)i % 3, i % 2 ? "" : " ");
        assert_int_equal(tfc_tokenize(tokenizer, text, strlen(text), 0, &ids, &n, NULL), TFC_OK);
        assert_int_equal(n, i % 3 == 0 ? (i % 2 ? 6 : 7) : (i % 2 ? 7 : 8));
        tfc_ids_free(ids);
    }
}

static void test_threads(void **state)
{
    (void)state;
    tfc_tokenizer *tokenizer = make(STEPS("{\"type\":\"Digits\"}," BARE));
    tfc_pool *pool = tfc_pool_create(4, NULL);
    assert_non_null(pool);
    tfc_pool_run(pool, 16, tokenize_task, tokenizer);
    tfc_pool_free(pool);
    tfc_tokenizer_free(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_alphabet), cmocka_unit_test(test_merges_by_rank),
        cmocka_unit_test(test_long_piece),    cmocka_unit_test(test_bytes_without_token),
        cmocka_unit_test(test_added_tokens),  cmocka_unit_test(test_composition),
        cmocka_unit_test(test_splits),        cmocka_unit_test(test_ignore_merges),
        cmocka_unit_test(test_errors),        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
