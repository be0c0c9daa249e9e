/* Chains on the real model, over examples/dates.jsonl: found and kept, the same with and without pruning and
 * for every number of threads and stop, the source back once the calls are out; and a follower that samples.
 */
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
#include "base/json.h"
#include "toolformer/annotate.h"
#include "toolformer/calls.h"

static tfc_model *model;
static char folder[] = "/tmp/tfc-chains-XXXXXX";
static const char *const corpus[] = {TFC_SOURCE_DIR "/examples/dates.jsonl"};

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    return 0;
}

static int remove_all(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static tfc_annotate_params params_for(const char *name, char run[128])
{
    snprintf(run, 128, "%s/%s", folder, name);
    tfc_annotate_params params = tfc_annotate_params_default();
    params.corpus = corpus;
    params.n_corpus = 1;
    params.tools = "Calendar,DateCalc";
    params.recipe = "small";
    params.run = run;
    params.seed = 3;
    return params;
}

static void annotate(const tfc_annotate_params *params)
{
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_annotate(model, params, NULL, NULL, &err) != TFC_OK) fail_msg("%s", err.message);
}

static char *dataset(const char *run, tfc_filter_result *result)
{
    tfc_filter_params filter = tfc_filter_params_default();
    filter.run = run;
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_filter(&filter, result, &err) != TFC_OK) fail_msg("%s", err.message);
    char path[160], *text;
    size_t n;
    snprintf(path, sizeof path, "%s/dataset.jsonl", run);
    assert_int_equal(tfc_file_read(path, 1 << 24, &text, &n, &err), TFC_OK);
    return text;
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

static double number(tfc_json *call, const char *key)
{
    double value = NAN;
    assert_int_equal(tfc_json_get_double(call, key, &value, NULL, NULL), TFC_OK);
    return value;
}

/* A row's calls: two at one place in order, the rule of chains from the printed losses, the source without
 * them. */
static void check_row(tfc_json *row, int *chains)
{
    tfc_json *calls;
    const char *text, *source, *names[] = {"Calendar", "DateCalc"};
    size_t n_text, n_source, n_plain;
    char *plain;
    assert_int_equal(tfc_json_get_array(row, "calls", &calls, NULL, NULL), TFC_OK);
    assert_int_equal(tfc_json_get_text(row, "text", &text, &n_text, NULL, NULL), TFC_OK);
    assert_int_equal(tfc_json_get_text(row, "source", &source, &n_source, NULL, NULL), TFC_OK);
    assert_int_equal(tfc_calls_strip(text, n_text, names, 2, &plain, &n_plain, NULL), TFC_OK);
    assert_string_equal(plain, source);
    tfc_text_free(plain);
    for (size_t i = 0; i < json_object_array_length(calls); i++) {
        tfc_json *call = json_object_array_get_idx(calls, i);
        const char *tool = json_object_get_string(json_object_object_get(call, "tool"));
        const char *args = json_object_get_string(json_object_object_get(call, "args"));
        if (!json_object_object_get(call, "loss_before")) continue;
        assert_true(i > 0);
        tfc_json *first = json_object_array_get_idx(calls, i - 1);
        assert_string_equal(tool, "DateCalc");
        assert_string_equal(json_object_get_string(json_object_object_get(first, "tool")), "Calendar");
        assert_true(number(call, "at") == number(first, "at"));
        assert_true(number(call, "loss_before") == number(first, "loss_result"));
        assert_true(number(call, "loss_empty") == number(first, "loss_empty"));
        assert_true(number(first, "loss_call") > 0);
        double least =
            fmin(fmin(number(call, "loss_empty"), number(call, "loss_call")), number(call, "loss_before"));
        assert_true(fabs(least - number(call, "loss_result") - number(call, "gain")) < 1e-6);
        assert_true(number(call, "gain") >= 0.5);
        /* The second call uses what the first one said: its year at least. */
        const char *result = json_object_get_string(json_object_object_get(first, "result"));
        char year[5] = "none";
        if (strlen(result) > 5) memcpy(year, result + strlen(result) - 5, 4);
        assert_non_null(strstr(args, year));
        ++*chains;
    }
}

static void test_found(void **state)
{
    (void)state;
    char run[128];
    tfc_annotate_params params = params_for("found", run);
    annotate(&params);
    tfc_filter_result result;
    char *rows = dataset(run, &result);
    int chains = 0;
    for (char *line = rows, *end; (end = strchr(line, '\n')); line = end + 1) {
        tfc_json *row = tfc_json_parse(line, (size_t)(end - line), "row", NULL);
        assert_non_null(row);
        check_row(row, &chains);
        json_object_put(row);
    }
    print_message("%d chains in 20 texts\n", chains);
    assert_true(chains >= 10);
    assert_non_null(
        strstr(rows, "[Calendar() -> Today is Monday, January 30, 2023.] [DateCalc(January 30, 2023 + 10 "
                     "days) -> Thursday, February 9, 2023] Thursday."));
    /* Nothing of a chain is kept without its second member's losses. */
    assert_int_equal(
        count(run, "SELECT count(*) FROM candidates JOIN links USING(snippet, tool, token, n) WHERE kept "
                   "AND (links.loss_result IS NULL OR candidates.loss_call IS NULL)"),
        0);
    /* A higher threshold without the model; no place keeps more than one call or chain. */
    tfc_filter_params filter = tfc_filter_params_default();
    filter.run = run;
    filter.tau_f = 1.5;
    tfc_filter_result fewer;
    assert_int_equal(tfc_filter(&filter, &fewer, NULL), TFC_OK);
    assert_true(fewer.calls < result.calls && fewer.calls > 0);
    assert_int_equal(count(run, "SELECT count(*) FROM (SELECT 1 FROM candidates WHERE kept GROUP BY snippet, "
                                "at HAVING count(*) > 1)"),
                     0);
    tfc_free(rows);
}

/* Off, no call uses another one's result. */
static void test_off(void **state)
{
    (void)state;
    char run[128];
    tfc_annotate_params params = params_for("off", run);
    params.chains = 0;
    annotate(&params);
    assert_int_equal(count(run, "SELECT count(*) FROM links"), 0);
}

static void test_pruning(void **state)
{
    (void)state;
    char run[2][128], *rows[2];
    for (int off = 0; off < 2; off++) {
        tfc_annotate_params params = params_for(off ? "unpruned" : "pruned", run[off]);
        params.no_pruning = off;
        annotate(&params);
        rows[off] = dataset(run[off], NULL);
    }
    assert_string_equal(rows[0], rows[1]);
    assert_true(count(run[0], "SELECT count(*) FROM links WHERE loss_result IS NULL OR loss_call IS NULL") >
                0);
    assert_int_equal(
        count(run[1], "SELECT count(*) FROM links WHERE loss_result IS NULL OR loss_call IS NULL"), 0);
    tfc_free(rows[0]);
    tfc_free(rows[1]);
}

static bool stop_after(void *context)
{
    int *left = context;
    return --*left < 0;
}

static void test_same_bytes(void **state)
{
    (void)state;
    char run[3][128], *rows[3];
    for (int i = 0; i < 3; i++) {
        tfc_annotate_params params = params_for((const char *[]){"one", "two", "stopped"}[i], run[i]);
        params.n_threads = i == 1 ? 2 : 1;
        params.batch_tokens = i == 1 ? 333 : 1024;
        for (int stops = 1; i == 2 && stops <= 2; stops++) {
            int left = stops;
            tfc_monitor monitor = {.stop = stop_after, .context = &left};
            assert_int_equal(tfc_annotate(model, &params, &monitor, NULL, NULL), TFC_EINTERRUPTED);
        }
        annotate(&params);
        rows[i] = dataset(run[i], NULL);
    }
    assert_string_equal(rows[0], rows[1]);
    assert_string_equal(rows[0], rows[2]);
    for (int i = 0; i < 3; i++) tfc_free(rows[i]);
}

/* Any tool may follow any other: a manifest of one's own, whose calls go after the Calculator's and are
 * sampled. */
static void test_other_tools(void **state)
{
    (void)state;
    char run[128], manifest[160], text_path[160], tools[200];
    static const char json[] =
        "{\"name\":\"Again\",\"description\":\"sums\",\"instruction\":\"Add calls.\",\"demonstrations\":["
        "{\"input\":\"One and 2 are 3.\",\"output\":\"One and 2 are [Again(1 + 2)] 3.\"},"
        "{\"input\":\"Of 3 bags of 4 apples 2 are bad, so 10 are good.\",\"output\":\"Of 3 bags of 4 apples "
        "2 are bad, so "
        "[Calculator(3 * 4)] [Again(12 - 2)] 10 are good.\"}],\"args\":{\"form\":\"expression\"},\"tau_s\":0,"
        "\"places\":\"numbers\",\"after\":[\"Calculator\"],\"backend\":\"builtin:calculator\"}";
    static const char text[] = "{\"id\":\"a\",\"text\":\"A crate holds 24 bottles. The cellar took 17 "
                               "crates, which makes 408 bottles.\"}\n";
    snprintf(manifest, sizeof manifest, "%s/Again.json", folder);
    snprintf(text_path, sizeof text_path, "%s/crates.jsonl", folder);
    snprintf(tools, sizeof tools, "Calculator,%s", manifest);
    assert_int_equal(tfc_file_write_whole(manifest, json, strlen(json), NULL), TFC_OK);
    assert_int_equal(tfc_file_write_whole(text_path, text, strlen(text), NULL), TFC_OK);
    tfc_annotate_params params = params_for("again", run);
    const char *files[] = {text_path};
    params.corpus = files;
    params.tools = tools;
    params.m = 3;
    params.no_pruning = true;
    annotate(&params);
    int64_t chained =
        count(run, "SELECT count(*) FROM candidates JOIN links USING(snippet, tool, token, n) WHERE tool = "
                   "'Again' AND link_tool = 'Calculator' AND links.args = '24 * 17' AND links.result = "
                   "'408' AND proposer = 'sample' AND candidates.loss_result > 0 AND links.loss_result > 0");
    assert_true(chained > 0);
    /* Sampled without the other tool there is no chain, and the head has no demonstration of one. */
    params = params_for("alone", run);
    params.corpus = files;
    params.tools = manifest;
    params.m = 1;
    annotate(&params);
    assert_int_equal(count(run, "SELECT count(*) FROM links"), 0);
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
        cmocka_unit_test(test_found),      cmocka_unit_test(test_off),         cmocka_unit_test(test_pruning),
        cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_other_tools),
    };
    int failed = cmocka_run_group_tests_name("chains", tests, make_folder, remove_all);
    tfc_model_free(model);
    return failed;
}
