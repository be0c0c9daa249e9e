/* Which of several calls at one place stays: by gain, likelihood, number of operands, coverage of the
 * question; places with too many of them. Losses are put into a run by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "annotate/choose.h"
#include "annotate/run_store.h"
#include "base/file.h"
#include "toolformer/annotate.h"

static char run[] = "/tmp/tfc-choose-XXXXXX";
static tfc_run_store store;

static const char text[] = "She had 5 bags of 6 and 12 more. How many? The answer is 42. Of 9 none.";
enum { AT = 56 };

static void put_call(int64_t n, size_t at, const char *args, double with, double likelihood)
{
    tfc_candidate c = {.tool = "Calculator",
                       .token = (int64_t)at,
                       .n = n,
                       .at = at,
                       .args = args,
                       .proposer = "enumerate",
                       .times = 1,
                       .result = "42",
                       .loss_empty = 5,
                       .loss_call = 5,
                       .loss_result = with,
                       .likelihood = likelihood,
                       .tau_f = 0.5,
                       .reason = ""};
    assert_int_equal(tfc_run_store_put_candidate(&store, &c, NULL), TFC_OK);
}

static int open_run(void **state)
{
    (void)state;
    strcpy(run, "/tmp/tfc-choose-XXXXXX");
    assert_non_null(mkdtemp(run));
    assert_int_equal(tfc_run_store_open(&store, run, true, NULL), TFC_OK);
    tfc_snippet_counts counts = {0};
    assert_memory_equal(text + AT, " 42", 3);
    assert_int_equal(tfc_run_store_put_snippet(&store, 0, "t", 0, text, strlen(text), NULL, 1, &counts, NULL),
                     TFC_OK);
    put_call(0, AT, "6 * 7", 1.0, -9);
    put_call(1, AT, "30 + 12", 0.5, -8);
    put_call(2, AT, "5 * 6 + 12", 2.0, -11);
    put_call(3, AT, "50 - 6 - 2", 4.8, -1); /* does not pass */
    put_call(4, AT, "3 * 2 * 7", 0.6, -7);
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

static char *read_dataset(void)
{
    char path[64], *rows;
    size_t n;
    tfc_error err;
    snprintf(path, sizeof path, "%s/dataset.jsonl", run);
    assert_int_equal(tfc_file_read(path, (size_t)1 << 20, &rows, &n, &err), TFC_OK);
    return rows;
}

static void chosen_is(const char *choose, const char *args)
{
    tfc_filter_params params = tfc_filter_params_default();
    params.run = run;
    params.choose = choose;
    tfc_filter_result result;
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_filter(&params, &result, &err) != TFC_OK) fail_msg("%s", err.message);
    assert_int_equal(result.calls, 1);
    char *rows = read_dataset(), call[64];
    snprintf(call, sizeof call, "[Calculator(%s) -> 42]", args);
    if (!strstr(rows, call)) fail_msg("%s: %s", choose ? choose : "as annotated", rows);
    assert_non_null(strstr(rows, "\"likelihood\":-"));
    tfc_free(rows);
}

static void test_choices(void **state)
{
    (void)state;
    chosen_is(NULL, "30 + 12");
    chosen_is("gain", "30 + 12");
    chosen_is("likelihood", "3 * 2 * 7");
    chosen_is("fewest", "30 + 12");
    chosen_is("coverage", "5 * 6 + 12");
    tfc_run_store_put(&store, "settings", "{\"choose\":\"coverage\",\"max_ambiguous\":null}", NULL);
    chosen_is(NULL, "5 * 6 + 12");
    chosen_is("gain", "30 + 12");
}

static void test_refusals(void **state)
{
    (void)state;
    tfc_error err;
    tfc_filter_params params = tfc_filter_params_default();
    params.run = run;
    params.choose = "best";
    assert_int_equal(tfc_filter(&params, NULL, &err), TFC_EINVAL);
    assert_non_null(strstr(err.message, "coverage"));
    put_call(5, AT, "21 * 2", 1, NAN);
    params.choose = "fewest";
    assert_int_equal(tfc_filter(&params, NULL, &err), TFC_EINVAL);
    assert_non_null(strstr(err.message, "annotate again with --choose fewest"));
    params.choose = "gain";
    assert_int_equal(tfc_filter(&params, NULL, &err), TFC_OK);
}

static void test_ambiguous_places(void **state)
{
    (void)state;
    put_call(0, 63, "4 + 5", 1.0, -1);
    tfc_filter_params params = tfc_filter_params_default();
    params.run = run;
    params.max_ambiguous = 4;
    tfc_filter_result result;
    assert_int_equal(tfc_filter(&params, &result, NULL), TFC_OK);
    assert_int_equal(result.calls, 1);
    assert_int_equal(result.ambiguous, 4);
    params.max_ambiguous = 5;
    assert_int_equal(tfc_filter(&params, &result, NULL), TFC_OK);
    assert_int_equal(result.calls, 2);
    assert_int_equal(result.ambiguous, 0);
    tfc_run_store_put(&store, "settings", "{\"choose\":\"gain\",\"max_ambiguous\":4}", NULL);
    params.max_ambiguous = 0;
    assert_int_equal(tfc_filter(&params, &result, NULL), TFC_OK);
    assert_int_equal(result.ambiguous, 4);
    params.max_ambiguous = -1;
    assert_int_equal(tfc_filter(&params, &result, NULL), TFC_OK);
    assert_int_equal(result.ambiguous, 0);
}

static tfc_filter_result filter_by(const tfc_filter_params *params)
{
    tfc_filter_result result;
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_filter(params, &result, &err) != TFC_OK) fail_msg("%s", err.message);
    return result;
}

/* Without a filter every call with a result may stay: what the draw says does, and no loss is asked. */
static void test_no_filter(void **state)
{
    (void)state;
    tfc_error err;
    tfc_filter_params params = tfc_filter_params_default();
    params.run = run;
    params.filter = "none";
    assert_int_equal(tfc_filter(&params, NULL, &err), TFC_EINVAL);
    assert_non_null(strstr(err.message, "--choose random"));
    params.choose = "random";
    bool seen[5] = {0};
    static const char *const calls[] = {"6 * 7", "30 + 12", "5 * 6 + 12", "50 - 6 - 2", "3 * 2 * 7"};
    for (int seed = 0; seed < 40; seed++) {
        char settings[64];
        snprintf(settings, sizeof settings, "{\"seed\":%d}", seed);
        tfc_run_store_put(&store, "settings", settings, NULL);
        assert_int_equal(filter_by(&params).calls, 1);
        char *rows = read_dataset();
        assert_int_equal(filter_by(&params).calls, 1);
        char *again = read_dataset();
        assert_string_equal(rows, again);
        for (int i = 0; i < 5; i++) seen[i] |= strstr(rows, calls[i]) != NULL;
        tfc_free(rows);
        tfc_free(again);
    }
    for (int i = 0; i < 5; i++) assert_true(seen[i]);
    /* A place that pruning left out is filtered. */
    tfc_place place = {.tool = "Calculator", .token = 63, .at = 63, .reason = "pruned"};
    assert_int_equal(tfc_run_store_put_place(&store, &place, NULL), TFC_OK);
    assert_int_equal(tfc_filter(&params, NULL, &err), TFC_EINVAL);
    assert_non_null(strstr(err.message, "--no-pruning"));
}

static void test_run_without_losses(void **state)
{
    (void)state;
    put_call(0, 63, "4 + 5", NAN, NAN);
    tfc_error err;
    tfc_filter_params params = tfc_filter_params_default();
    params.run = run;
    assert_int_equal(tfc_filter(&params, NULL, &err), TFC_EINVAL);
    assert_non_null(strstr(err.message, "annotated without a filter"));
    tfc_run_store_put(&store, "settings", "{\"filter\":\"none\",\"choose\":\"random\"}", NULL);
    assert_int_equal(filter_by(&params).calls, 2);
}

static void test_least_likelihood(void **state)
{
    (void)state;
    tfc_error err;
    tfc_filter_params params = tfc_filter_params_default();
    params.run = run;
    params.min_likelihood = -8.5;
    assert_int_equal(filter_by(&params).tools[0].passed, 2);
    params.min_likelihood = -2; /* what is likely enough gains too little */
    assert_int_equal(filter_by(&params).calls, 0);
    params.min_likelihood = -1000;
    assert_int_equal(filter_by(&params).tools[0].passed, 4);
    /* An annotation that asked for one left the losses of others out. */
    tfc_run_store_put(&store, "settings", "{\"min_likelihood\":-10}", NULL);
    put_call(2, AT, "5 * 6 + 12", NAN, -11);
    params.min_likelihood = NAN;
    assert_int_equal(filter_by(&params).tools[0].passed, 3);
    params.min_likelihood = -10.5;
    assert_int_equal(filter_by(&params).tools[0].passed, 3);
    params.min_likelihood = -12;
    assert_int_equal(tfc_filter(&params, NULL, &err), TFC_EINVAL);
    assert_non_null(strstr(err.message, "below the -10 of the annotation"));
    put_call(1, AT, "30 + 12", 0.5, NAN);
    params.min_likelihood = -9;
    assert_int_equal(tfc_filter(&params, NULL, &err), TFC_EINVAL);
    assert_non_null(strstr(err.message, "without a likelihood"));
}

static void test_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) put_call(0, (size_t)i, "4 + 5", 1.0, -1);
    tfc_filter_params params = tfc_filter_params_default();
    params.run = run;
    params.max_calls = 8;
    assert_int_equal(filter_by(&params).calls, 8);
    char *rows = read_dataset();
    assert_int_equal(filter_by(&params).calls, 8);
    char *again = read_dataset();
    assert_string_equal(rows, again);
    tfc_run_store_put(&store, "settings", "{\"seed\":9,\"max_calls\":8}", NULL);
    params.max_calls = 0;
    assert_int_equal(filter_by(&params).calls, 8);
    tfc_free(again);
    again = read_dataset();
    assert_string_not_equal(rows, again);
    params.max_calls = -1;
    assert_int_equal(filter_by(&params).calls, 21);
    tfc_free(rows);
    tfc_free(again);
}

/* Every call holds the result of another one, and the text is still its own. */
static void test_shuffled_results(void **state)
{
    (void)state;
    tfc_error err;
    tfc_filter_params params = tfc_filter_params_default();
    params.run = run;
    params.results = "shuffled";
    assert_int_equal(tfc_filter(&params, NULL, &err), TFC_EINVAL);
    assert_non_null(strstr(err.message, "all calls of Calculator give '42'"));
    assert_int_equal(tfc_run_store_exec(&store, "UPDATE candidates SET result = '41' WHERE n = 0", NULL),
                     TFC_OK);
    put_call(1, 10, "40 + 2", 1.0, -1);
    put_call(0, 20, "40 + 1", 1.0, -1);
    assert_int_equal(tfc_run_store_exec(&store, "UPDATE candidates SET result = '41' WHERE at = 20", NULL),
                     TFC_OK);
    assert_int_equal(filter_by(&params).calls, 3);
    char *rows = read_dataset();
    assert_non_null(strstr(rows, "[Calculator(40 + 1) -> 42]"));
    assert_non_null(strstr(rows, "[Calculator(40 + 2) -> 41]"));
    assert_non_null(strstr(rows, "[Calculator(30 + 12) -> 41]"));
    tfc_free(rows);
    params.results = NULL;
    assert_int_equal(filter_by(&params).calls, 3);
    rows = read_dataset();
    assert_non_null(strstr(rows, "[Calculator(40 + 1) -> 41]"));
    tfc_free(rows);
}

static void test_preference(void **state)
{
    (void)state;
    const struct {
        tfc_choose choose;
        const char *text; /* | at the place */
        const char *args;
        int64_t expected;
    } cases[] = {
        {TFC_CHOOSE_GAIN, "3 and 4? The answer is| 7.", "3 + 4", 0},
        {TFC_CHOOSE_LIKELIHOOD, "3 and 4? The answer is| 7.", "3 + 4", 0},
        {TFC_CHOOSE_FEWEST, "3 and 4 are| 7.", "3 + 4", -2},
        {TFC_CHOOSE_FEWEST, "3 and 4 are| 7.", "(3.5 + 4) * 20%", -3},
        {TFC_CHOOSE_COVERAGE, "3 and 4 are| 7.", "3 + 4", 0},
        {TFC_CHOOSE_COVERAGE, "3 and 4? The answer is| 7.", "3 + 4", 0},
        {TFC_CHOOSE_COVERAGE, "3 and 4? The answer is| 7.", "3 * 2", -1},
        {TFC_CHOOSE_COVERAGE, "3 and 4 of 4.0? 5 are.\n#### |7", "5 + 2", -2},
        {TFC_CHOOSE_COVERAGE, "3 and 4 of 4.0? 5 are.\nAnswer:| $7", "2 + 5", -2},
        {TFC_CHOOSE_COVERAGE, "3 and 4. ANSWER IS:| $7", "4.00 + 3", 0},
        {TFC_CHOOSE_COVERAGE, "|7", "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char plain[128];
        size_t at = strcspn(cases[i].text, "|");
        snprintf(plain, sizeof plain, "%.*s%s", (int)at, cases[i].text, cases[i].text + at + 1);
        int64_t got = tfc_choose_preference(cases[i].choose, plain, strlen(plain), at, cases[i].args);
        if (got != cases[i].expected) fail_msg("case %zu: %lld", i, (long long)got);
    }
}

static tfc_status load_recipe(const char *fields, tfc_recipe *recipe, tfc_error *err)
{
    char path[64], json[512];
    snprintf(path, sizeof path, "%s/recipe.json", run);
    snprintf(json, sizeof json, "{\"name\":\"mine\",\"context\":\"demonstrated\",\"proposer\":\"both\"%s}",
             fields);
    assert_int_equal(tfc_file_write_whole(path, json, strlen(json), NULL), TFC_OK);
    return tfc_recipe_load(path, recipe, err);
}

static void test_recipe_fields(void **state)
{
    (void)state;
    tfc_recipe recipe;
    tfc_error err;
    tfc_error_init(&err);
    assert_int_equal(load_recipe("", &recipe, &err), TFC_OK);
    assert_int_equal(recipe.proposer, TFC_PROPOSER_BOTH);
    assert_int_equal(recipe.choose, TFC_CHOOSE_GAIN);
    assert_int_equal(recipe.head, TFC_HEAD_DEMONSTRATIONS);
    assert_int_equal(recipe.max_operands, 2);
    assert_int_equal(recipe.max_calls, -1);
    assert_int_equal(recipe.max_ambiguous, -1);
    assert_true(recipe.repeat_operands && !recipe.number_words && isnan(recipe.min_likelihood));
    assert_int_equal(
        load_recipe(",\"max_operands\":3,\"number_words\":true,\"match_numbers\":true,\"repeat_operands\":"
                    "false,\"choose\":"
                    "\"coverage\",\"min_likelihood\":-17.5,\"max_ambiguous\":3,\"head\":\"none\","
                    "\"filter\":\"none\",\"results\":\"shuffled\",\"max_calls\":400",
                    &recipe, &err),
        TFC_OK);
    assert_true(recipe.max_operands == 3 && recipe.number_words && recipe.match_numbers &&
                !recipe.repeat_operands);
    assert_true(recipe.choose == TFC_CHOOSE_COVERAGE && recipe.head == TFC_HEAD_NONE);
    assert_true(recipe.filter == TFC_FILTER_NONE && recipe.results == TFC_RESULTS_SHUFFLED);
    assert_true(recipe.max_ambiguous == 3 && recipe.max_calls == 400 && recipe.min_likelihood == -17.5);
    static const char *const wrong[] = {
        ",\"max_operands\":4",   ",\"choose\":\"best\"", ",\"min_likelihood\":1",
        ",\"max_ambiguous\":0",  ",\"head\":true",       ",\"filter\":\"tau\"",
        ",\"results\":\"none\"", ",\"max_calls\":0",     ",\"number_words\":1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tfc_error_init(&err);
        assert_int_not_equal(load_recipe(wrong[i], &recipe, &err), TFC_OK);
        char key[32];
        snprintf(key, sizeof key, "%.*s", (int)strcspn(wrong[i] + 2, "\""), wrong[i] + 2);
        if (!strstr(err.message, key)) fail_msg("%s: %s", key, err.message);
    }
}

#define ON_A_RUN(test) cmocka_unit_test_setup_teardown(test, open_run, close_run)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_RUN(test_recipe_fields),      ON_A_RUN(test_choices),   ON_A_RUN(test_refusals),
        ON_A_RUN(test_ambiguous_places),   ON_A_RUN(test_no_filter), ON_A_RUN(test_run_without_losses),
        ON_A_RUN(test_least_likelihood),   ON_A_RUN(test_limit),     ON_A_RUN(test_shuffled_results),
        cmocka_unit_test(test_preference),
    };
    return cmocka_run_group_tests_name("choose", tests, NULL, NULL);
}
