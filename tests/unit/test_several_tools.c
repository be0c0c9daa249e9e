/* Calls of several tools in one text: merged by position into one row; of those at one place the one that
 * gains most stays, whichever tool's it is. Losses are put into a run by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "annotate/run_store.h"
#include "base/file.h"
#include "base/json.h"
#include "toolformer/annotate.h"

static char run[] = "/tmp/tfc-several-XXXXXX";
static tfc_run_store store;

static const char text[] = "It is Monday; 6 bags of 7 make 42, that is 3 kg or 6.61 pounds.";
enum { DAY = 5, SUM = 30, WEIGHT = 50 };

static int open_run(void **state)
{
    (void)state;
    strcpy(run, "/tmp/tfc-several-XXXXXX");
    assert_non_null(mkdtemp(run));
    assert_int_equal(tfc_run_store_open(&store, run, true, NULL), TFC_OK);
    tfc_snippet_counts counts = {0};
    assert_memory_equal(text + DAY, " Monday", 7);
    assert_memory_equal(text + SUM, " 42", 3);
    assert_memory_equal(text + WEIGHT, " 6.61", 5);
    return tfc_run_store_put_snippet(&store, 0, "t", 0, text, strlen(text), NULL, 3, &counts, NULL);
}

static int close_run(void **state)
{
    (void)state;
    char command[64];
    tfc_run_store_close(&store);
    snprintf(command, sizeof command, "rm -rf '%s'", run);
    return system(command);
}

static void put(const char *tool, int64_t n, size_t at, const char *args, const char *result, double gain)
{
    tfc_candidate c = {.tool = tool,
                       .token = (int64_t)at,
                       .n = n,
                       .at = at,
                       .args = args,
                       .proposer = "sample",
                       .times = 1,
                       .result = result,
                       .loss_empty = 6,
                       .loss_call = 5,
                       .loss_result = 5 - gain,
                       .tau_f = 0.5,
                       .reason = ""};
    assert_int_equal(tfc_run_store_put_candidate(&store, &c, NULL), TFC_OK);
}

/* The one row of the data set: its text, and its calls' tools in order. */
static void check_row(const char *expected, const char *tools, int64_t n_calls)
{
    tfc_filter_params params = tfc_filter_params_default();
    params.run = run;
    tfc_filter_result result;
    tfc_error err;
    char path[80], *row, all[200] = "";
    size_t n;
    if (tfc_filter(&params, &result, &err) != TFC_OK) fail_msg("%s", err.message);
    assert_int_equal(result.calls, n_calls);
    snprintf(path, sizeof path, "%s/dataset.jsonl", run);
    assert_int_equal(tfc_file_read(path, 1 << 20, &row, &n, &err), TFC_OK);
    tfc_json *json = tfc_json_parse(row, n, "row", &err), *calls; /* two rows would not parse */
    if (!json) fail_msg("%s", err.message);
    assert_string_equal(json_object_get_string(json_object_object_get(json, "text")), expected);
    assert_string_equal(json_object_get_string(json_object_object_get(json, "source")), text);
    assert_true(json_object_object_get_ex(json, "calls", &calls));
    int64_t last = -1;
    for (size_t i = 0; i < json_object_array_length(calls); i++) {
        tfc_json *call = json_object_array_get_idx(calls, i);
        int64_t at = json_object_get_int64(json_object_object_get(call, "at"));
        assert_true(at > last);
        last = at;
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? "," : "",
                 json_object_get_string(json_object_object_get(call, "tool")));
    }
    assert_string_equal(all, tools);
    json_object_put(json);
    tfc_free(row);
}

static const char *reason_of(const char *tool, char reason[120])
{
    char sql[200];
    sqlite3_stmt *query;
    snprintf(sql, sizeof sql, "SELECT reason FROM candidates WHERE tool = '%s' AND n = 0", tool);
    assert_int_equal(tfc_run_store_query(&store, sql, &query, NULL), TFC_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    snprintf(reason, 120, "%s", (const char *)sqlite3_column_text(query, 0));
    sqlite3_finalize(query);
    return reason;
}

static void test_merged_by_position(void **state)
{
    (void)state;
    put("Convert", 0, WEIGHT, "3 kg, pounds", "6.61", 2);
    put("Calculator", 0, SUM, "6 * 7", "42", 1);
    put("Calendar", 0, DAY, "", "Today is Monday, May 1, 2023.", 3);
    put("QA", 0, SUM - 5, "What?", "bags", 0.4); /* does not pass */
    check_row("It is [Calendar() -> Today is Monday, May 1, 2023.] Monday; 6 bags of 7 make "
              "[Calculator(6 * 7) -> 42] 42, that is 3 kg or [Convert(3 kg, pounds) -> 6.61] 6.61 pounds.",
              "Calendar,Calculator,Convert", 3);
}

static void test_largest_gain_of_all_tools(void **state)
{
    (void)state;
    char reason[120];
    put("Calculator", 0, SUM, "6 * 7", "42", 1);
    put("Calculator", 1, WEIGHT, "3 * 2", "6", 0.6);
    put("QA", 0, SUM, "How many?", "42", 1.5);
    put("WikiSearch", 0, SUM, "42", "42 > a number", 1.2);
    put("Convert", 0, WEIGHT, "3 kg, pounds", "6.61", 2);
    check_row("It is Monday; 6 bags of 7 make [QA(How many?) -> 42] 42, that is 3 kg or "
              "[Convert(3 kg, pounds) -> 6.61] 6.61 pounds.",
              "QA,Convert", 2);
    assert_string_equal(reason_of("Calculator", reason), "another call at this place gains more");
    assert_string_equal(reason_of("WikiSearch", reason), "another call at this place gains more");
    check_row("It is Monday; 6 bags of 7 make [QA(How many?) -> 42] 42, that is 3 kg or "
              "[Convert(3 kg, pounds) -> 6.61] 6.61 pounds.",
              "QA,Convert", 2); /* once more, the same */
}

/* Equal gains: one of them, and the same one in whatever order they came. */
static void test_ties(void **state)
{
    (void)state;
    put("QA", 0, SUM, "How many?", "42", 1);
    put("Calculator", 0, SUM, "6 * 7", "42", 1);
    put("Calculator", 1, SUM, "40 + 2", "42", 1);
    check_row("It is Monday; 6 bags of 7 make [Calculator(6 * 7) -> 42] 42, that is 3 kg or 6.61 pounds.",
              "Calculator", 1);
}

static void test_ties_other_order(void **state)
{
    (void)state;
    put("Calculator", 1, SUM, "40 + 2", "42", 1);
    put("Calculator", 0, SUM, "6 * 7", "42", 1);
    put("QA", 0, SUM, "How many?", "42", 1);
    check_row("It is Monday; 6 bags of 7 make [Calculator(6 * 7) -> 42] 42, that is 3 kg or 6.61 pounds.",
              "Calculator", 1);
}

int main(void)
{
#define ON_A_RUN(test) cmocka_unit_test_setup_teardown(test, open_run, close_run)
    const struct CMUnitTest tests[] = {
        ON_A_RUN(test_merged_by_position),
        ON_A_RUN(test_largest_gain_of_all_tools),
        ON_A_RUN(test_ties),
        ON_A_RUN(test_ties_other_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
