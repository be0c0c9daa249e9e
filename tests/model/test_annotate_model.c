/* The method on the real model: exact pruning, the same bytes for threads and budgets, stop and resume, the
 * filter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "annotate/run_store.h"
#include "base/file.h"
#include "toolformer/annotate.h"

static tfc_model *model;
static char folder[] = "/tmp/tfc-annotate-XXXXXX";
static char corpus_path[64];

/* Ten texts: sums that can be found, sums that cannot, dates, none of it, brackets and look-alikes. */
static const char *const texts[] = {
    "The hall seats 347 people and the balcony 286, so when the house is full there are 633 people in it.",
    "A crate holds 24 bottles. The cellar took 17 crates, which makes 408 bottles for the summer.",
    "Dear diary, today is Monday, January 30, and the year is 2023. Nothing else happened.",
    "He walked to the river, sat down and watched the boats for a long time.",
    "The bill came to 90 euros. We were 4, so each of us paid 22.50 euros and went home.",
    "See [1] and [Calculator(1 + 1) -> 2], or \"-> 3]\": 12 apples and 30 pears are 42 pieces of fruit.",
    "Of 1,284 tickets 397 were left over, so 887 were sold. The answer is 887.",
    "It was 5 degrees at 7 and 11 at noon: 6 more. The wind came from the west.",
    "The notice on the door says that the shop is closed today, Sunday, March 3, 2019.",
    "Caf\xC3\xA9 cr\xC3\xA8me 3 \xE2\x82\xAC, tarte 5 \xE2\x82\xAC: together 8 \xE2\x82\xAC.",
};
static const char *const dates[] = {0, 0, "2023-01-30", 0, 0, 0, 0, 0, "2019-03-03", 0};

static int make_corpus(void **state)
{
    (void)state;
    tfc_buffer lines;
    tfc_buffer_init(&lines, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tfc_buffer_printf(&lines, "{\"id\":\"t%zu\",\"text\":", i);
        tfc_buffer_json(&lines, texts[i], strlen(texts[i]));
        if (dates[i]) tfc_buffer_printf(&lines, ",\"date\":\"%s\"", dates[i]);
        tfc_buffer_puts(&lines, "}\n");
    }
    assert_non_null(mkdtemp(folder));
    snprintf(corpus_path, sizeof corpus_path, "%s/corpus.jsonl", folder);
    tfc_error err;
    assert_int_equal(tfc_file_write_whole(corpus_path, lines.data, lines.n, &err), TFC_OK);
    tfc_buffer_release(&lines);
    return 0;
}

static int remove_all(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static tfc_annotate_params params_for(const char *name, const char *recipe, char *run, size_t n_run)
{
    static const char *files[1];
    files[0] = corpus_path;
    snprintf(run, n_run, "%s/%s", folder, name);
    tfc_annotate_params params = tfc_annotate_params_default();
    params.corpus = files;
    params.n_corpus = 1;
    params.tools = "Calculator,Calendar";
    params.recipe = recipe;
    params.run = run;
    params.seed = 7;
    return params;
}

static void annotate(const tfc_annotate_params *params, tfc_annotate_result *result)
{
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_annotate(model, params, NULL, result, &err) != TFC_OK) fail_msg("%s", err.message);
}

/* The kept calls as text, one a line. */
static char *kept_set(const char *run)
{
    tfc_run_store store;
    sqlite3_stmt *read;
    tfc_buffer lines;
    tfc_buffer_init(&lines, 0);
    assert_int_equal(tfc_run_store_open(&store, run, false, NULL), TFC_OK);
    assert_int_equal(
        tfc_run_store_query(&store,
                            "SELECT snippet, tool, token, args, result, loss_empty, loss_call, loss_result, "
                            "likelihood FROM candidates WHERE kept ORDER BY 1, 2, 3, 4",
                            &read, NULL),
        TFC_OK);
    while (sqlite3_step(read) == SQLITE_ROW)
        tfc_buffer_printf(&lines, "%d %s %d %s -> %s %a %a %a %a\n", sqlite3_column_int(read, 0),
                          sqlite3_column_text(read, 1), sqlite3_column_int(read, 2),
                          sqlite3_column_text(read, 3), sqlite3_column_text(read, 4),
                          sqlite3_column_double(read, 5), sqlite3_column_double(read, 6),
                          sqlite3_column_double(read, 7), sqlite3_column_double(read, 8));
    sqlite3_finalize(read);
    tfc_run_store_close(&store);
    return tfc_buffer_take(&lines, NULL);
}

static char *dataset(const char *run)
{
    tfc_filter_params filter = tfc_filter_params_default();
    filter.run = run;
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_filter(&filter, NULL, &err) != TFC_OK) fail_msg("%s", err.message);
    char path[128], *text;
    size_t n;
    snprintf(path, sizeof path, "%s/dataset.jsonl", run);
    assert_int_equal(tfc_file_read(path, 1 << 24, &text, &n, &err), TFC_OK);
    return text;
}

/* DESIGN, "Exact pruning": the kept set is the same, and there is something to prune. */
static void pruning_changes_nothing(const char *recipe, int64_t k, int64_t m, double tau_f,
                                    const char *choose, double min_likelihood)
{
    char runs[2][128];
    tfc_annotate_result results[2];
    for (int off = 0; off < 2; off++) {
        char name[64];
        snprintf(name, sizeof name, "%s-%s-pruning-%d", recipe,
                 isnan(min_likelihood) ? choose ? choose : "gain" : "least", !off);
        tfc_annotate_params params = params_for(name, recipe, runs[off], sizeof runs[off]);
        params.k = k;
        params.m = m;
        params.tau_f = tau_f;
        params.heuristics = 0;
        params.choose = choose;
        if (choose) params.max_operands = 3, params.number_words = 1;
        params.min_likelihood = min_likelihood;
        params.no_pruning = off;
        annotate(&params, &results[off]);
    }
    char *with = kept_set(runs[0]), *without = kept_set(runs[1]);
    assert_string_equal(with, without);
    assert_true(results[0].scored < results[1].scored || results[0].pruned_loss_call > 0 ||
                results[0].pruned_positions > 0);
    assert_int_equal(results[1].pruned_positions, 0);
    assert_int_equal(results[1].pruned_loss_call, 0);
    print_message(
        "%s: %lld kept of %lld, places pruned %lld, L(e(c,empty)) left out %lld, scans left out %lld\n",
        recipe, (long long)results[0].kept, (long long)results[0].candidates,
        (long long)results[0].pruned_positions, (long long)results[0].pruned_loss_call,
        (long long)results[0].pruned_scans);
    tfc_free(with);
    tfc_free(without);
}

static void test_pruning_demonstrated(void **state)
{
    (void)state;
    pruning_changes_nothing("small", -1, -1, 0.5, NULL, NAN);
}

/* Three operands, and what the model thinks of each expression. */
static void test_pruning_likelihood(void **state)
{
    (void)state;
    pruning_changes_nothing("small", -1, -1, 0.5, "likelihood", NAN);
}

/* A least likelihood leaves calls unscored, and the same ones stay. */
static void test_pruning_least_likelihood(void **state)
{
    (void)state;
    pruning_changes_nothing("small", -1, -1, 0.5, "likelihood", -16);
}

static void test_pruning_prefix(void **state)
{
    (void)state;
    pruning_changes_nothing("paper", 3, 2, 0.05, NULL, NAN);
}

static int64_t count(const char *run, const char *sql)
{
    tfc_run_store store;
    int64_t n;
    assert_int_equal(tfc_run_store_open(&store, run, false, NULL), TFC_OK);
    assert_int_equal(tfc_run_store_count(&store, sql, &n, NULL), TFC_OK);
    tfc_run_store_close(&store);
    return n;
}

/* Samples stand beside enumerated calls, also without a head, where nothing precedes the text. */
static void test_both_proposers(void **state)
{
    (void)state;
    char run[128];
    tfc_annotate_params params = params_for("both", "small", run, sizeof run);
    params.tools = "Calculator";
    params.proposer = "both";
    params.head = "none";
    params.match_numbers = 1;
    params.m = 2;
    params.limit = 3;
    tfc_annotate_result result;
    annotate(&params, &result);
    assert_true(count(run, "SELECT count(*) FROM candidates WHERE proposer = 'enumerate'") > 0);
    assert_true(count(run, "SELECT count(*) FROM candidates WHERE proposer = 'sample'") > 0);
    assert_int_equal(count(run, "SELECT count(*) FROM candidates WHERE at = 0"), 0);
    assert_true(count(run,
                      "SELECT count(*) FROM candidates WHERE proposer = 'sample' AND loss_result IS NULL "
                      "AND error LIKE '%not the number%'") > 0);
    tfc_free(dataset(run));
}

/* Every proposed call with a result stays, at places that the filter would not have looked at too. */
static void test_no_filter(void **state)
{
    (void)state;
    char run[128];
    tfc_annotate_params params = params_for("unfiltered", "small", run, sizeof run);
    params.filter = "none";
    params.choose = "random";
    tfc_annotate_result result;
    annotate(&params, &result);
    assert_int_equal(result.kept, result.executed);
    assert_int_equal(result.scored, 0);
    assert_int_equal(result.pruned_positions, 0);
    tfc_filter_params filter = tfc_filter_params_default();
    filter.run = run;
    tfc_filter_result filtered;
    assert_int_equal(tfc_filter(&filter, &filtered, NULL), TFC_OK);
    assert_true(filtered.calls > 10);
    assert_int_equal(count(run, "SELECT count(DISTINCT snippet * 1000 + at) FROM candidates WHERE result IS "
                                "NOT NULL"),
                     filtered.calls);
}

/* Threads, batch budgets and cache sizes change no byte of C*. */
static void same_bytes(const char *choose, int64_t max_operands)
{
    const struct {
        int threads;
        int64_t batch_tokens;
        size_t kv_bytes;
    } budgets[] = {{1, 1024, (size_t)1 << 30},
                   {2, 1024, (size_t)1 << 30},
                   {2, 100, (size_t)1 << 30},
                   {2, 333, (size_t)96 << 20}};
    char *first = NULL;
    for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
        char run[128], name[64];
        snprintf(name, sizeof name, "bytes-%s-%zu", choose, b);
        tfc_annotate_params params = params_for(name, "small", run, sizeof run);
        params.choose = choose;
        params.max_operands = max_operands;
        params.n_threads = budgets[b].threads;
        params.batch_tokens = budgets[b].batch_tokens;
        params.kv_bytes = budgets[b].kv_bytes;
        tfc_annotate_result result;
        annotate(&params, &result);
        char *rows = dataset(run);
        if (!first)
            first = rows, assert_true(strlen(rows) > 100);
        else
            assert_string_equal(rows, first), tfc_free(rows);
    }
    tfc_free(first);
}

static void test_same_bytes(void **state)
{
    (void)state;
    same_bytes("gain", 2);
}

static void test_same_bytes_likelihood(void **state)
{
    (void)state;
    same_bytes("likelihood", 3);
}

static bool stop_after(void *context)
{
    int *left = context;
    return --*left < 0;
}

/* Stopped three times on the way, the run ends with the same bytes. */
static void test_resume(void **state)
{
    (void)state;
    char whole[128], parts[128];
    tfc_annotate_result result;
    tfc_annotate_params params = params_for("whole", "small", whole, sizeof whole);
    annotate(&params, &result);
    params = params_for("parts", "small", parts, sizeof parts);
    for (int stops = 1; stops <= 3; stops++) {
        int left = stops;
        tfc_monitor monitor = {.stop = stop_after, .context = &left};
        tfc_error err;
        assert_int_equal(tfc_annotate(model, &params, &monitor, NULL, &err), TFC_EINTERRUPTED);
    }
    annotate(&params, &result);
    char *a = dataset(whole), *b = dataset(parts);
    assert_string_equal(a, b);
    tfc_free(a);
    tfc_free(b);
    /* Another seed is another run. */
    params.seed = 8;
    tfc_error err;
    assert_int_equal(tfc_annotate(model, &params, NULL, NULL, &err), TFC_ECONFLICT);
    assert_non_null(strstr(err.message, "seed"));
}

/* The filter moves thresholds without the model, and refuses what pruning left out. */
static void test_filter_thresholds(void **state)
{
    (void)state;
    char run[128];
    tfc_annotate_params params = params_for("thresholds", "small", run, sizeof run);
    tfc_annotate_result result;
    annotate(&params, &result);
    int64_t last = INT64_MAX;
    for (double tau = 0.5; tau < 5; tau += 1.0) {
        tfc_filter_params filter = tfc_filter_params_default();
        filter.run = run;
        filter.tau_f = tau;
        tfc_filter_result filtered;
        tfc_error err;
        assert_int_equal(tfc_filter(&filter, &filtered, &err), TFC_OK);
        assert_true(filtered.calls <= last);
        last = filtered.calls;
    }
    tfc_filter_params filter = tfc_filter_params_default();
    filter.run = run;
    filter.tau_f = 0.01;
    tfc_error err;
    assert_int_equal(tfc_filter(&filter, NULL, &err), TFC_EINVAL);
    assert_non_null(strstr(err.message, "--tau-f 0.01"));
}

int main(void)
{
    char *path;
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_model_locate(NULL, &path, &err) != TFC_OK) {
        printf("skipped: %s\n", err.message);
        return 77;
    }
    model = tfc_model_open(path, NULL, &err);
    tfc_text_free(path);
    if (!model) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pruning_demonstrated),
        cmocka_unit_test(test_pruning_prefix),
        cmocka_unit_test(test_pruning_likelihood),
        cmocka_unit_test(test_pruning_least_likelihood),
        cmocka_unit_test(test_both_proposers),
        cmocka_unit_test(test_no_filter),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_same_bytes_likelihood),
        cmocka_unit_test(test_filter_thresholds),
    };
    int failed = cmocka_run_group_tests_name("annotate", tests, make_corpus, remove_all);
    tfc_model_free(model);
    return failed;
}
