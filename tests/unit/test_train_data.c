/* Training texts: pieces of rows with calls, targets, cuts, the order of examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "text/tokenizer.h"
#include "train/train_data.h"

static char path[] = "/tmp/tfc-train-data-XXXXXX";
static tfc_tokenizer *plain_tokenizer, *bos_tokenizer;

static tfc_tokenizer *open_tokenizer(const char *model, int32_t bos, int32_t eos)
{
    char file[4096];
    const char *root = getenv("TFC_FIXTURES");
    snprintf(file, sizeof file, "%s%s/models/%s/tokenizer.json", root ? root : TFC_SOURCE_DIR,
             root ? "" : "/tests/fixtures", model);
    return tfc_tokenizer_from_json(file, bos, eos, NULL);
}

static const tfc_train_text_options all = {
    .max_tokens = 1000, .n_vocab = 1000, .add_eos = true, .text_weight = 1};

static tfc_status load(tfc_train_texts *texts, const char *lines, const tfc_tokenizer *tokenizer,
                       const tfc_train_text_options *options, tfc_error *err)
{
    assert_int_equal(tfc_file_write_whole(path, lines, strlen(lines), NULL), TFC_OK);
    tfc_error_init(err);
    return tfc_train_texts_load(texts, path, tokenizer, options, err);
}

/* The ids of pieces tokenised one by one. */
static int64_t pieces(int32_t *out, const char *const *texts)
{
    int64_t n = 0;
    for (; *texts; texts++) {
        int32_t *ids;
        int64_t n_ids;
        assert_int_equal(tfc_tokenize(plain_tokenizer, *texts, strlen(*texts), 0, &ids, &n_ids, NULL),
                         TFC_OK);
        memcpy(out + n, ids, (size_t)n_ids * sizeof *ids);
        n += n_ids;
        tfc_ids_free(ids);
    }
    return n;
}

static const char row[] =
    "{\"id\":\"1\",\"text\":\"So 2+3 [Calc(2+3) -> 5] is 5 [Calc(5) -> 5] [Date() -> Monday]!\","
    "\"source\":\"So 2+3 is "
    "5!\",\"calls\":[{\"tool\":\"Calc\",\"args\":\"2+3\",\"result\":\"5\",\"at\":6,\"gain\":1.5},"
    "{\"tool\":\"Calc\",\"args\":\"5\",\"result\":\"5\",\"at\":11},"
    "{\"tool\":\"Date\",\"args\":\"\",\"result\":\"Monday\",\"at\":11}]}\n";

static void test_pieces(void **state)
{
    (void)state;
    static const char *const parts[] = {"So 2+3", " [Calc(2+3) ->", " 5]",      " is 5", " [Calc(5) ->",
                                        " 5]",    " [Date() ->",    " Monday]", "!",     NULL};
    int32_t want[200];
    int64_t n = pieces(want, parts);
    want[n++] = tfc_tokenizer_eos(plain_tokenizer);
    tfc_train_texts texts;
    tfc_error err;
    if (load(&texts, row, plain_tokenizer, &all, &err) != TFC_OK) fail_msg("%s", err.message);
    assert_int_equal(texts.n, 1);
    assert_int_equal(texts.starts[1], n);
    assert_memory_equal(texts.ids, want, (size_t)n * sizeof *want);
    for (int64_t i = 0; i < n; i++) assert_int_equal(texts.targets[i], i + 1 < n ? want[i + 1] : -1);
    tfc_train_texts_release(&texts);
}

/* Tokens between the arrow and the end of the call are not predicted; what follows them is. */
static void test_mask(void **state)
{
    (void)state;
    static const char *const parts[] = {"So 2+3", " [Calc(2+3) ->", " 5]", NULL};
    int32_t scratch[200];
    int64_t end = pieces(scratch, parts);
    int64_t begin = pieces(scratch, (const char *const[]){parts[0], parts[1], NULL});
    tfc_train_text_options options = all;
    options.mask_results = true;
    tfc_train_texts texts;
    tfc_error err;
    assert_int_equal(load(&texts, row, plain_tokenizer, &options, &err), TFC_OK);
    for (int64_t i = 0; i < end; i++)
        assert_int_equal(texts.targets[i], i + 1 >= begin && i + 1 < end ? -1 : texts.ids[i + 1]);
    tfc_train_texts_release(&texts);
}

/* Outside calls a target has the text's weight, inside 1; a text without calls, and the control without them,
 * weigh 1 throughout. */
static void test_text_weight(void **state)
{
    (void)state;
    static const char *const parts[] = {"So 2+3", " [Calc(2+3) ->", " 5]", NULL};
    int32_t scratch[200];
    int64_t end = pieces(scratch, parts), begin = pieces(scratch, (const char *const[]){parts[0], NULL});
    tfc_train_text_options options = all;
    options.text_weight = 0.25;
    tfc_train_texts texts;
    tfc_error err;
    assert_int_equal(load(&texts, row, plain_tokenizer, &options, &err), TFC_OK);
    for (int64_t i = 0; i < end; i++)
        assert_true(texts.weights[i] == (i + 1 >= begin && i + 1 < end ? 1 : 0.25F));
    assert_true(texts.weights[texts.starts[1] - 2] == 0.25F && texts.weights[texts.starts[1] - 1] == 0);
    tfc_train_texts_release(&texts);
    options.text_weight = 0;
    assert_int_equal(load(&texts, row, plain_tokenizer, &options, &err), TFC_OK);
    for (int64_t i = 0; i < end; i++) assert_true((texts.targets[i] >= 0) == (i + 1 >= begin && i + 1 < end));
    tfc_train_texts_release(&texts);
    options.without_calls = true;
    assert_int_equal(load(&texts, row, plain_tokenizer, &options, &err), TFC_OK);
    for (int64_t i = 0; i + 1 < texts.starts[1]; i++) assert_true(texts.weights[i] == 1);
    tfc_train_texts_release(&texts);
    options = all;
    options.text_weight = 0.25;
    assert_int_equal(load(&texts, "{\"text\":\"qxzjkvwqx\"}\n", plain_tokenizer, &options, &err), TFC_OK);
    for (int64_t i = 0; i + 1 < texts.starts[1]; i++) assert_true(texts.weights[i] == 1);
    tfc_train_texts_release(&texts);
}

/* Every token after the first is a target exactly once, wherever a text is cut. */
static void test_cuts(void **state)
{
    (void)state;
    for (int64_t max_tokens = 2; max_tokens < 30; max_tokens++)
        for (int bos = 0; bos < 2; bos++) {
            const tfc_tokenizer *tokenizer = bos ? bos_tokenizer : plain_tokenizer;
            tfc_train_text_options options = all;
            options.max_tokens = max_tokens;
            tfc_train_texts texts, whole;
            tfc_error err;
            const char *lines =
                "{\"text\":\"qxzjkvw qxzjkvw\"}\n\n  \r\n{\"text\":\"\",\"other\":[]}\n{\"text\":\"ab\"}";
            assert_int_equal(load(&whole, lines, tokenizer, &all, &err), TFC_OK);
            assert_int_equal(load(&texts, lines, tokenizer, &options, &err), TFC_OK);
            int64_t at = 0;
            for (int64_t s = 0; s < texts.n; s++) {
                int64_t from = texts.starts[s], to = texts.starts[s + 1];
                assert_in_range(to - from, 2, max_tokens);
                if (bos) assert_int_equal(texts.ids[from], tfc_tokenizer_bos(tokenizer));
                assert_int_equal(texts.targets[to - 1], -1);
                for (int64_t i = from; i + 1 < to; i++) {
                    while (whole.targets[at] < 0) at++;
                    assert_int_equal(texts.targets[i], whole.targets[at++]);
                    assert_int_equal(texts.targets[i], texts.ids[i + 1]);
                }
            }
            assert_int_equal(at, whole.starts[whole.n] - 1);
            /* the empty text is an end-of-text behind nothing: a text only where there is a bos */
            assert_int_equal(whole.n, bos ? 3 : 2);
            tfc_train_texts_release(&texts);
            tfc_train_texts_release(&whole);
        }
}

static void refused(const char *lines, const char *words)
{
    tfc_train_texts texts;
    tfc_error err;
    tfc_status status = load(&texts, lines, plain_tokenizer, &all, &err);
    if (status != TFC_EFORMAT && status != TFC_EINVAL) fail_msg("%d for %s", status, lines);
    if (!strstr(err.message, words) || !strstr(err.message, path))
        fail_msg("'%s' lacks '%s'", err.message, words);
}

static void test_refused(void **state)
{
    (void)state;
    refused("", "holds no text");
    refused("\n\n", "holds no text");
    refused("{\"text\":\"ab\"}\n{\"text\":3}\n", "line 2");
    refused("{\"text\":\"ab\"}\n{}\n", "line 2");
    refused("{\"text\":\"ab\"}\n[]\n", "line 2");
    refused("{\"text\":\"ab\"}\n{\"text\":\"ab\"\n", "line 2");
    refused("{\"text\":\"\xFF\"}\n", "line 1");
    refused("{\"text\":\"ab\",\"calls\":{}}\n", "calls");
    refused("{\"text\":\"ab\",\"source\":\"ab\",\"calls\":[1]}\n", "objects");
    refused("{\"text\":\"ab\",\"calls\":[{}]}\n", "source");
    refused("{\"text\":\"ab\",\"source\":\"ab\",\"calls\":[{}]}\n", "tool");
#define ROW(text, at)                                                                                        \
    "{\"text\":\"" text                                                                                      \
    "\",\"source\":\"a\xC3\xA9z\",\"calls\":[{\"tool\":\"T\",\"args\":\"x\",\"result\":\"r\",\"at\":" at     \
    "}]}\n"
    refused(ROW("a [T(x) -> q]\xC3\xA9z", "1"), "byte 11 of the text");
    refused(ROW("a\xC3\xA9z", "1"), "is not \"source\"");
    refused(ROW("a\xC3\xA9z [T(x) -> r]", "2"), "no place");
    refused(ROW("a\xC3\xA9z [T(x) -> r]", "9"), "no place");
    refused(ROW("a\xC3\xA9z [T(x) -> r]", "-1"), "at");
    refused(ROW("a\xC3\xA9z [T(x) -> r]", "4.5"), "at");
}

static void test_split(void **state)
{
    (void)state;
    char lines[4000] = "";
    for (int i = 0; i < 40; i++) strcat(lines, "{\"text\":\"qxzjkvwqx\"}\n");
    tfc_train_text_options options = all;
    options.max_tokens = 4;
    tfc_train_texts texts;
    tfc_error err;
    assert_int_equal(load(&texts, lines, plain_tokenizer, &options, &err), TFC_OK);
    int64_t *train, *held, *train2, *held2, n_train, n_held, n_train2, n_held2;
    assert_int_equal(tfc_train_texts_split(&texts, 0.1, 5, &train, &n_train, &held, &n_held, &err), TFC_OK);
    assert_int_equal(n_train + n_held, texts.n);
    assert_int_equal(n_held, texts.n / 10); /* 4 texts of 40, all of the same length */
    for (int64_t i = 0; i < n_held; i++)    /* a text is held out whole */
        for (int64_t j = 0; j < n_train; j++) assert_int_not_equal(texts.text[held[i]], texts.text[train[j]]);
    assert_int_equal(tfc_train_texts_split(&texts, 0.1, 6, &train2, &n_train2, &held2, &n_held2, &err),
                     TFC_OK);
    assert_memory_not_equal(held, held2, (size_t)n_held * sizeof *held);
    tfc_free(train);
    tfc_free(held);
    tfc_free(train2);
    tfc_free(held2);
    assert_int_equal(tfc_train_texts_split(&texts, 0, 5, &train, &n_train, &held, &n_held, &err), TFC_OK);
    assert_int_equal(n_train, texts.n);
    assert_int_equal(n_held, 0);
    tfc_free(train);
    tfc_free(held);
    tfc_train_texts_release(&texts);
}

static void test_order(void **state)
{
    (void)state;
    enum { DATA = 30, PLAIN = 7, EPOCHS = 3 };
    tfc_train_order order;
    assert_int_equal(tfc_train_order_init(&order, DATA, PLAIN, 0.25, 11, NULL), TFC_OK);
    int64_t seen[2][EPOCHS * DATA], n[2] = {0, 0};
    while (n[0] < EPOCHS * DATA) {
        bool plain;
        int64_t at = tfc_train_order_at(&order, n[0] + n[1], &plain);
        seen[plain][n[plain]++] = at;
    }
    assert_int_equal(n[1], EPOCHS * DATA / 3 - (EPOCHS * DATA % 3 == 0));
    int counts[DATA] = {0};
    for (int64_t i = 0; i < EPOCHS * DATA; i++)
        assert_int_equal(counts[seen[0][i]]++, i / DATA); /* each once an epoch */
    memset(counts, 0, sizeof counts);
    for (int64_t i = 0; i < n[1]; i++) assert_int_equal(counts[seen[1][i]]++, i / PLAIN);
    assert_memory_not_equal(seen[0], seen[0] + DATA, DATA * sizeof(int64_t)); /* epochs differ */
    bool plain;
    int64_t tenth = tfc_train_order_at(&order, 10, &plain); /* any place, in any order */
    assert_int_equal(tenth, seen[plain][plain ? 2 : 8]);
    tfc_train_order_release(&order);
}

static int prepare(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0) return -1;
    close(fd);
    plain_tokenizer = open_tokenizer("llama", 1, 2);
    bos_tokenizer = open_tokenizer("llama3", 265, 266);
    return plain_tokenizer && bos_tokenizer && tfc_tokenizer_adds_bos(bos_tokenizer) ? 0 : -1;
}

static int tidy(void **state)
{
    (void)state;
    tfc_tokenizer_free(plain_tokenizer);
    tfc_tokenizer_free(bos_tokenizer);
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces), cmocka_unit_test(test_mask),    cmocka_unit_test(test_text_weight),
        cmocka_unit_test(test_cuts),   cmocka_unit_test(test_refused), cmocka_unit_test(test_split),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, prepare, tidy);
}
