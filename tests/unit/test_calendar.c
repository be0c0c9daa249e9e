/* The Calendar: cases of tests/unit/cases/calendar.txt and urls.txt, and every day of four centuries against
 * counting. */
#include "cases.h"

#include "tools/calendar.h"

static void run_date(const test_case *c)
{
    char *text = tfc_calendar_text(c->input);
    if (c->expected[0] == '!') {
        if (text) fail_msg("line %d: '%s' gives '%s'", c->line, c->input, text);
        assert_false(tfc_calendar_valid(c->input));
    } else if (!text || strcmp(text, c->expected) != 0) {
        fail_msg("line %d: '%s' gives '%s'", c->line, c->input, text ? text : "none");
    }
    tfc_text_free(text);
}

static void run_url(const test_case *c)
{
    char date[11] = "none";
    bool found = tfc_calendar_date_in_url(c->input, date);
    if (strcmp(date, c->expected) != 0) fail_msg("line %d: '%s' gives '%s'", c->line, c->input, date);
    assert_int_equal(found, strcmp(date, "none") != 0);
}

static void test_cases(void **state)
{
    (void)state;
    cases_run("calendar.txt", run_date);
    cases_run("urls.txt", run_url);
    assert_false(tfc_calendar_valid(NULL));
    assert_null(tfc_calendar_text(NULL));
}

/* Counted from Monday, January 1, 1900. */
static void test_every_day(void **state)
{
    (void)state;
    static const char *days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                 "Friday", "Saturday", "Sunday"};
    int weekday = 0, n_days = 0;
    for (int year = 1900; year < 2300; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= 31; day++) {
                char date[40], begin[40];
                snprintf(date, sizeof date, "%04d-%02d-%02d", year, month, day);
                char *text = tfc_calendar_text(date);
                if (!text) continue;
                int n = snprintf(begin, sizeof begin, "Today is %s, ", days[weekday]);
                if (strncmp(text, begin, (size_t)n) != 0) fail_msg("%s: %s", date, text);
                tfc_text_free(text);
                weekday = (weekday + 1) % 7;
                n_days++;
            }
    assert_int_equal(n_days, 146097);
}

static void test_call(void **state)
{
    (void)state;
    tfc_error err;
    tfc_tools *tools = tfc_tools_create("Calendar", &err);
    assert_non_null(tools);
    const tfc_tool *calendar = tfc_tools_find(tools, "Calendar");
    tfc_tool_context context = {.date = "2017-03-09"};
    char *result, today[11];
    assert_int_equal(tfc_tool_call(calendar, "", &context, &result, &err), TFC_OK);
    assert_string_equal(result, "Today is Thursday, March 9, 2017.");
    tfc_text_free(result);
    assert_int_equal(tfc_tool_call(calendar, " ", &context, &result, &err), TFC_OK);
    tfc_text_free(result);
    assert_int_equal(tfc_tool_call(calendar, "tomorrow", &context, &result, &err), TFC_ENORESULT);
    assert_non_null(strstr(err.message, "takes no arguments"));
    context.date = "yesterday";
    assert_int_equal(tfc_tool_call(calendar, "", &context, &result, &err), TFC_ENORESULT);
    /* Without a date: today's. Twice, in case that midnight passes between. */
    for (int i = 0, same = 0; !same; i++) {
        assert_true(i < 2);
        tfc_calendar_today(today);
        char *expected = tfc_calendar_text(today);
        assert_int_equal(tfc_tool_call(calendar, NULL, NULL, &result, &err), TFC_OK);
        same = strcmp(result, expected) == 0;
        tfc_text_free(expected);
        tfc_text_free(result);
    }
    tfc_tools_free(tools);
}

/* Which day it answers with: the text's, today's, one that the manifest names. */
static void test_own_date(void **state)
{
    (void)state;
    static const struct {
        const char *backend, *result; /* NULL: today's; "!": refused */
    } cases[] = {
        {"\"builtin:calendar\"", "Today is Thursday, March 9, 2017."},
        {"{\"type\":\"builtin:calendar\"}", "Today is Thursday, March 9, 2017."},
        {"{\"type\":\"builtin:calendar\",\"date\":\"document\"}", "Today is Thursday, March 9, 2017."},
        {"{\"type\":\"builtin:calendar\",\"date\":\"2023-01-30\"}", "Today is Monday, January 30, 2023."},
        {"{\"type\":\"builtin:calendar\",\"date\":\"today\"}", NULL},
        {"{\"type\":\"builtin:calendar\",\"date\":\"2023-02-30\"}", "!"},
        {"{\"type\":\"builtin:calendar\",\"date\":7}", "!"},
        {"{\"type\":\"builtin:calendar\",\"day\":\"today\"}", "!"},
    };
    const tfc_tool_context context = {.date = "2017-03-09"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tfc_arena arena = {0};
        tfc_error err;
        tfc_error_init(&err);
        char *result = NULL, today[11];
        tfc_tool tool = {.name = "Calendar"};
        tfc_json *json = tfc_json_parse(cases[i].backend, strlen(cases[i].backend), "backend", &err);
        tfc_status status = tfc_calendar_open(&tool, json, NULL, &arena, &err);
        if (cases[i].result && cases[i].result[0] == '!') {
            assert_int_equal(status, TFC_EFORMAT);
        } else {
            assert_int_equal(status, TFC_OK);
            tfc_calendar_today(today);
            char *expected = cases[i].result ? tfc_strdup(cases[i].result) : tfc_calendar_text(today);
            assert_int_equal(tfc_calendar_call(&tool, "", &context, &result, &err), TFC_OK);
            assert_string_equal(result, expected);
            tfc_text_free(expected);
            tfc_text_free(result);
        }
        json_object_put(json);
        tfc_arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_own_date),
    };
    return cmocka_run_group_tests_name("calendar", tests, NULL, NULL);
}
