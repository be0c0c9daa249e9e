/* Mistakes that other implementations of the method make, each by name; and the property that rows give their
 * source back. No model is needed: losses are put into a run by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "annotate/losses.h"
#include "annotate/run_store.h"
#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "base/utf8.h"
#include "toolformer/annotate.h"
#include "toolformer/calls.h"
#include "toolformer/eval.h"

static char run[] = "/tmp/tfc-mistakes-XXXXXX";
static tfc_run_store store;

static int open_run(void **state)
{
    (void)state;
    tfc_error err;
    strcpy(run, "/tmp/tfc-mistakes-XXXXXX");
    assert_non_null(mkdtemp(run));
    assert_int_equal(tfc_run_store_open(&store, run, true, &err), TFC_OK);
    return 0;
}

static int close_run(void **state)
{
    (void)state;
    tfc_run_store_close(&store);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", run);
    return system(command);
}

static void put_text(int64_t i, const char *text, size_t n)
{
    char id[32];
    snprintf(id, sizeof id, "t%lld", (long long)i);
    tfc_snippet_counts counts = {0};
    assert_int_equal(tfc_run_store_put_snippet(&store, i, id, i, text, n, NULL, 1, &counts, NULL), TFC_OK);
}

static void put_call(int64_t text, int64_t n, const char *tool, size_t at, const char *args,
                     const char *result, double empty, double call, double with)
{
    tfc_candidate c = {.snippet = text,
                       .tool = tool,
                       .token = (int64_t)at,
                       .n = n,
                       .at = at,
                       .args = args,
                       .proposer = "enumerate",
                       .times = 1,
                       .result = result,
                       .loss_empty = empty,
                       .loss_call = call,
                       .loss_result = with,
                       .tau_f = 0.5,
                       .reason = ""};
    assert_int_equal(tfc_run_store_put_candidate(&store, &c, NULL), TFC_OK);
}

static tfc_filter_result filter(double tau_f)
{
    tfc_filter_params params = tfc_filter_params_default();
    params.run = run;
    params.tau_f = tau_f;
    tfc_filter_result result;
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_filter(&params, &result, &err) != TFC_OK) fail_msg("%s", err.message);
    return result;
}

static char *read_dataset(void)
{
    char path[64], *text;
    size_t n;
    tfc_error err;
    snprintf(path, sizeof path, "%s/dataset.jsonl", run);
    assert_int_equal(tfc_file_read(path, (size_t)1 << 28, &text, &n, &err), TFC_OK);
    return text;
}

static void test_weights_are_normalised(void **state)
{
    (void)state;
    tfc_want wants[TFC_N_WEIGHTS];
    for (int t = 0; t < TFC_N_WEIGHTS; t++) wants[t].lp = -1;
    assert_true(fabs(tfc_weighted_loss(wants, TFC_N_WEIGHTS) - 1) < 1e-12);
    /* Near the end the normaliser stays that of five: two tokens weigh 1/3 + 4/15. */
    assert_true(fabs(tfc_weighted_loss(wants, 2) - 9.0 / 15) < 1e-12);
}

static void test_baseline_is_the_better_of_two(void **state)
{
    (void)state;
    put_text(0, "The answer is 42.", 17);
    put_call(0, 0, "Calculator", 13, "6 * 7", "42", 5.0, 1.0,
             0.8); /* the call alone explains nearly everything */
    assert_int_equal(filter(0.5).calls, 0);
    int64_t n;
    assert_int_equal(
        tfc_run_store_count(&store, "SELECT count(*) FROM candidates WHERE abs(gain - 0.2) < 1e-9", &n, NULL),
        TFC_OK);
    assert_int_equal(n, 1);
    assert_int_equal(filter(0.1).calls, 1);
}

static void test_largest_gain_wins_a_place(void **state)
{
    (void)state;
    put_text(0, "The answer is 42.", 17);
    put_call(0, 0, "Calculator", 13, "40 + 2", "42", 5.0, 5.0, 1.0);
    put_call(0, 1, "Calculator", 13, "6 * 7", "42", 5.0, 5.0, 0.5);
    put_call(0, 0, "Calendar", 13, "", "Today", 5.0, 5.0, 2.0);
    tfc_filter_result result = filter(0.5);
    assert_int_equal(result.calls, 1);
    char *rows = read_dataset();
    assert_non_null(strstr(rows, "6 * 7"));
    tfc_free(rows);
    /* Judged again, the same comes out: the settling left the losses alone. */
    assert_int_equal(filter(0.5).calls, 1);
}

static void test_training_text_holds_results(void **state)
{
    (void)state;
    put_text(0, "Out of 1400, 400 or 29% passed.", 31);
    put_call(0, 0, "Calculator", 19, "400 / 1400", "0.29", 3, 3, 1);
    filter(0.5);
    char *rows = read_dataset();
    assert_non_null(strstr(rows, "400 or [Calculator(400 / 1400) -> 0.29] 29% passed."));
    tfc_free(rows);
}

static void test_text_without_kept_calls_is_no_row(void **state)
{
    (void)state;
    put_text(0, "one 1", 5);
    put_text(1, "two 2", 5);
    put_call(1, 0, "Calculator", 3, "1 + 1", "2", 3, 3, 1);
    tfc_filter_result result = filter(0.5);
    assert_int_equal(result.snippets, 2);
    assert_int_equal(result.texts, 1);
}

static void test_own_result_is_not_the_answer(void **state)
{
    (void)state;
    const char *names[] = {"Calculator"};
    char *stripped;
    size_t n;
    const char *output = " [Calculator(5 + 3) -> 8] about 9 apples";
    assert_int_equal(tfc_calls_strip(output, strlen(output), names, 1, &stripped, &n, NULL), TFC_OK);
    assert_false(tfc_answer_correct(stripped, "8", NULL));
    assert_true(tfc_answer_correct(stripped, "9", NULL));
    tfc_text_free(stripped);
}

static void test_answers(void **state)
{
    (void)state;
    assert_true(tfc_answer_correct(" 1,938 tonnes", "1938", NULL));
    assert_true(tfc_answer_correct(" 5 + 3 = 8.", "8", NULL));
    assert_true(tfc_answer_correct(" 42. Later 2 * 3 = 6", "42", NULL));
    assert_true(tfc_answer_correct(" 139.50 dollars", "139.5", NULL));
    assert_false(tfc_answer_correct(" 16 apples", "61", NULL));
    assert_false(tfc_answer_correct(" none", "61", NULL));
    assert_true(tfc_answer_correct(" a fine Tuesday, I think", "tuesday", NULL));
    assert_false(tfc_answer_correct(" a very fine and long Tuesday", "Tuesday", NULL));
}

/* A text of brackets, arrows, quotes, look-alikes and characters of one to four bytes. */
static size_t random_text(tfc_random *random, char *out, size_t room)
{
    static const char *const pieces[] = {" [",
                                         "]",
                                         "->",
                                         " -> ",
                                         "[Calculator(",
                                         "Calculator",
                                         ")",
                                         "(",
                                         "\"",
                                         "'",
                                         " ",
                                         "12",
                                         " [Calculator(1 + 1) -> 2]",
                                         " [Calendar()]",
                                         "\\",
                                         "\n",
                                         "\xC3\xA9",
                                         "\xE2\x86\x92",
                                         "\xF0\x9F\x98\x80",
                                         "a",
                                         "word",
                                         ".",
                                         "]]",
                                         "[[",
                                         "\t",
                                         "</API>",
                                         "\x01"};
    size_t n = 0;
    for (uint64_t left = 1 + tfc_random_below(random, 30); left > 0; left--) {
        const char *piece = pieces[tfc_random_below(random, sizeof pieces / sizeof *pieces)];
        if (n + strlen(piece) >= room) break;
        memcpy(out + n, piece, strlen(piece));
        n += strlen(piece);
    }
    out[n] = '\0';
    return n;
}

static void random_calls(tfc_random *random, int64_t text, const char *source, size_t n)
{
    static const char *const results[] = {"2",  "a ] b",       "x -> y",        "[Calculator(1) -> 1]",
                                          "\"", "line\nbreak", "\xE2\x82\xAC 5"};
    for (size_t at = 0; at <= n; at++) {
        if (!tfc_utf8_boundary(source, n, at) || tfc_random_below(random, 6)) continue;
        put_call(text, 0, tfc_random_below(random, 2) ? "Calculator" : "Calendar", at,
                 tfc_random_below(random, 2) ? "1 + 1" : "",
                 results[tfc_random_below(random, sizeof results / sizeof *results)], 5, 5, 1);
    }
}

/* Takes the calls of a row out again: by their places and their texts, as any reader of the row can. */
static void check_row(tfc_json *row)
{
    const char *text, *source;
    size_t n_text, n_source, n_back;
    tfc_json *calls;
    assert_int_equal(tfc_json_get_text(row, "text", &text, &n_text, NULL, NULL), TFC_OK);
    assert_int_equal(tfc_json_get_text(row, "source", &source, &n_source, NULL, NULL), TFC_OK);
    assert_int_equal(tfc_json_get_array(row, "calls", &calls, NULL, NULL), TFC_OK);
    size_t n = json_object_array_length(calls);
    tfc_call_insert *inserts = calloc(n, sizeof *inserts);
    for (size_t i = 0; i < n; i++) {
        tfc_json *call = json_object_array_get_idx(calls, i);
        const char *tool, *args, *result;
        int64_t at;
        assert_int_equal(tfc_json_get_text(call, "tool", &tool, NULL, NULL, NULL), TFC_OK);
        assert_int_equal(tfc_json_get_text(call, "args", &args, NULL, NULL, NULL), TFC_OK);
        assert_int_equal(tfc_json_get_text(call, "result", &result, NULL, NULL, NULL), TFC_OK);
        assert_int_equal(tfc_json_get_int(call, "at", 0, INT32_MAX, &at, NULL, NULL), TFC_OK);
        char *head = tfc_call_print_head(tool, args), *tail = tfc_call_print_tail(result, 1 << 20),
             *whole = NULL;
        assert_true(asprintf(&whole, "%s%s", head, tail) > 0);
        inserts[i] = (tfc_call_insert){(size_t)at, whole};
        tfc_text_free(head);
        tfc_text_free(tail);
    }
    char *back;
    assert_int_equal(tfc_calls_remove(text, n_text, inserts, n, &back, &n_back, NULL), TFC_OK);
    assert_int_equal(n_back, n_source);
    assert_memory_equal(back, source, n_source);
    tfc_text_free(back);
    for (size_t i = 0; i < n; i++) free((char *)(uintptr_t)inserts[i].text);
    free(inserts);
}

static void test_every_row_gives_its_source_back(void **state)
{
    (void)state;
    enum { TEXTS = 1000 };
    static char sources[TEXTS][1024];
    tfc_random random = tfc_random_stream(3, 1, 4, 1);
    assert_int_equal(tfc_run_store_exec(&store, "BEGIN", NULL), TFC_OK);
    for (int64_t i = 0; i < TEXTS; i++) {
        size_t n = random_text(&random, sources[i], sizeof sources[i]);
        put_text(i, sources[i], n);
        random_calls(&random, i, sources[i], n);
    }
    assert_int_equal(tfc_run_store_exec(&store, "COMMIT", NULL), TFC_OK);
    tfc_filter_result result = filter(0.5);
    assert_true(result.calls > TEXTS);
    char *rows = read_dataset();
    int64_t n_rows = 0;
    for (char *line = strtok(rows, "\n"); line; line = strtok(NULL, "\n"), n_rows++) {
        tfc_json *row = tfc_json_parse(line, strlen(line), "row", NULL);
        assert_non_null(row);
        const char *id, *source;
        size_t n;
        assert_int_equal(tfc_json_get_text(row, "id", &id, NULL, NULL, NULL), TFC_OK);
        assert_int_equal(tfc_json_get_text(row, "source", &source, &n, NULL, NULL), TFC_OK);
        assert_string_equal(source, sources[atoi(id + 1)]);
        check_row(row);
        json_object_put(row);
    }
    assert_int_equal(n_rows, result.texts);
    tfc_free(rows);
}

int main(void)
{
#define ON_A_RUN(test) cmocka_unit_test_setup_teardown(test, open_run, close_run)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_are_normalised),
        ON_A_RUN(test_baseline_is_the_better_of_two),
        ON_A_RUN(test_largest_gain_wins_a_place),
        ON_A_RUN(test_training_text_holds_results),
        ON_A_RUN(test_text_without_kept_calls_is_no_row),
        cmocka_unit_test(test_own_result_is_not_the_answer),
        cmocka_unit_test(test_answers),
        ON_A_RUN(test_every_row_gives_its_source_back),
    };
    return cmocka_run_group_tests_name("mistakes of others: method", tests, NULL, NULL);
}
