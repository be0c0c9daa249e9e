/* DateCalc: cases of tests/unit/cases/datecalc.txt, and the arithmetic against stepping through the days one
 * by one. */
#include "cases.h"

#include "tools/datecalc.h"

static void run_case(const test_case *c)
{
    char *result = NULL;
    tfc_error err;
    tfc_error_init(&err);
    tfc_status status = tfc_datecalc_eval(c->input, c->n_input, &result, &err);
    if (c->expected[0] == '!') {
        if (status != TFC_ENORESULT || !strstr(err.message, c->expected + 1))
            fail_msg("line %d: '%s' gives '%s', '%s'", c->line, c->input, result ? result : "none",
                     err.message);
    } else if (status != TFC_OK || strcmp(result, c->expected) != 0) {
        fail_msg("line %d: '%s' gives '%s' (%s)", c->line, c->input, result ? result : "none", err.message);
    }
    tfc_text_free(result);
}

static void test_cases(void **state)
{
    (void)state;
    cases_run("datecalc.txt", run_case);
}

/* `earlier|before|after`; a proposal must stand in the grammar and give a result that says what follows. */
static void run_enumeration(const test_case *c)
{
    char *before = strchr(c->input, '|'), found[600] = "target", text[400];
    char *after = before ? strchr(before + 1, '|') : NULL;
    assert_non_null(after);
    *before++ = *after++ = '\0';
    int n = snprintf(text, sizeof text, "%s%s", before, after);
    const tfc_enumerate_params params = {.max_numbers = 12, .max_args = 24};
    tfc_proposals proposals;
    tfc_error err;
    if (tfc_datecalc_enumerate(text, (size_t)n, strlen(before), c->input[0] ? c->input : NULL, &params,
                               &proposals, &err))
        strcpy(found, proposals.n_args ? "" : "none");
    for (size_t i = 0; i < proposals.n_args; i++) {
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", i ? "; " : "",
                 proposals.args[i]);
        char *result, word[32];
        assert_int_equal(tfc_datecalc_eval(proposals.args[i], strlen(proposals.args[i]), &result, &err),
                         TFC_OK);
        sscanf(after, " %31[A-Za-z0-9]", word);
        if (strstr(word, "th")) word[strlen(word) - 2] = '\0';
        if (!strstr(result, word)) fail_msg("line %d: '%s' does not say '%s'", c->line, result, word);
        tfc_text_free(result);
    }
    if (strcmp(found, c->expected) != 0) fail_msg("line %d: '%s' gives '%s'", c->line, text, found);
    tfc_proposals_release(&proposals);
}

static void test_enumerate(void **state)
{
    (void)state;
    cases_run("datecalc_enumerate.txt", run_enumeration);
    const char *text = "In 3 days, on May 4, 2018, 2 days later";
    const tfc_enumerate_params params = {.max_numbers = 2, .max_args = 1};
    tfc_proposals proposals;
    tfc_error err;
    for (int at = 1, found = 0; !found; at++) {
        tfc_memory_fail_at(at);
        found = tfc_datecalc_enumerate("On May 4, 2018. Two days later, on Sunday", 41, 34, NULL, &params,
                                       &proposals, &err);
        tfc_memory_fail_at(0);
        if (found) assert_true(at > 2 && proposals.n_args == 1);
        if (!found) assert_int_equal(err.status, TFC_ENOMEM);
        tfc_proposals_release(&proposals);
    }
    /* Places at the ends, and inside of words. */
    for (size_t at = 0; at <= strlen(text); at++) {
        tfc_datecalc_enumerate(text, strlen(text), at, NULL, &params, &proposals, &err);
        tfc_proposals_release(&proposals);
    }
}

/* The lengths of months as a table for each kind of year, said independently of base/dates.c. */
static int length_of(int year, int month)
{
    static const char common[] = "\x1F\x1C\x1F\x1E\x1F\x1E\x1F\x1F\x1E\x1F\x1E\x1F";
    if (month != 2) return common[month - 1];
    if (year % 400 == 0) return 29;
    return year % 100 != 0 && year % 4 == 0 ? 29 : 28;
}

/* All days from 1 to 9999, counted from Monday, January 1 of the year 1. */
static void test_every_day(void **state)
{
    (void)state;
    int32_t first = tfc_date_days((tfc_date){1, 1, 1}), n = 0;
    for (int year = 1; year <= 9999; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= length_of(year, month); day++, n++) {
                tfc_date date = {year, month, day}, back = tfc_date_of_days(first + n);
                if (tfc_date_days(date) != first + n || tfc_date_weekday(date) != (n + 1) % 7 ||
                    back.year != year || back.month != month || back.day != day)
                    fail_msg("%04d-%02d-%02d", year, month, day);
            }
    assert_int_equal(n, 3652059);
    assert_false(tfc_date_exists(2023, 2, 29));
    assert_false(tfc_date_exists(1900, 2, 29));
    assert_true(tfc_date_exists(2000, 2, 29));
}

/* Distances in months and years: the largest count whose addition is not past the later date. */
static void test_distances(void **state)
{
    (void)state;
    int32_t first = tfc_date_days((tfc_date){2019, 11, 1});
    for (int32_t a = first; a < first + 520; a += 3)
        for (int32_t b = a; b < a + 900; b += 7)
            for (int unit = 0; unit < TFC_N_DATE_UNITS; unit++) {
                tfc_date from = tfc_date_of_days(a), to = tfc_date_of_days(b), reached;
                int64_t count = tfc_date_distance(from, to, (tfc_date_unit)unit);
                assert_int_equal(count, tfc_date_distance(to, from, (tfc_date_unit)unit));
                assert_true(tfc_date_add(from, count, (tfc_date_unit)unit, &reached));
                assert_true(tfc_date_days(reached) <= b);
                assert_true(tfc_date_add(from, count + 1, (tfc_date_unit)unit, &reached));
                assert_true(tfc_date_days(reached) > b);
            }
}

/* The federal rules, by walking through the month. */
static void test_holidays(void **state)
{
    (void)state;
    static const struct {
        int month, weekday, nth; /* weekday -1: the nth day; nth 0: the last one */
    } rules[TFC_N_HOLIDAYS] = {{1, -1, 1}, {1, 1, 3},  {2, 1, 3},    {5, 1, 0},  {6, -1, 19}, {7, -1, 4},
                               {9, 1, 1},  {10, 1, 2}, {11, -1, 11}, {11, 4, 4}, {12, -1, 25}};
    for (int year = 1850; year < 2250; year++)
        for (int h = 0; h < TFC_N_HOLIDAYS; h++) {
            int seen = 0, expected = 0;
            for (int day = 1; day <= length_of(year, rules[h].month); day++) {
                tfc_date date = {year, rules[h].month, day};
                if (rules[h].weekday >= 0 && tfc_date_weekday(date) != rules[h].weekday) continue;
                if (++seen == rules[h].nth || rules[h].nth == 0) expected = day;
            }
            tfc_date date;
            assert_true(tfc_holiday_date(h, year, &date));
            if (date.year != year || date.month != rules[h].month || date.day != expected)
                fail_msg("%s %d is %d-%d", tfc_holiday_name(h), year, date.month, date.day);
            int number = -1;
            const char *name = tfc_holiday_name(h);
            assert_int_equal(tfc_holiday_at(name, strlen(name), &number, NULL), strlen(name));
            assert_int_equal(number, h);
        }
    tfc_date date;
    assert_false(tfc_holiday_date(0, 0, &date));
    assert_false(tfc_holiday_date(0, 10000, &date));
}

static void test_call(void **state)
{
    (void)state;
    tfc_error err;
    tfc_tools *tools = tfc_tools_create("DateCalc", &err);
    assert_non_null(tools);
    const tfc_tool *tool = tfc_tools_find(tools, "DateCalc");
    char *result, longer[300];
    assert_int_equal(tfc_tool_call(tool, "Labor Day 2023", NULL, &result, &err), TFC_OK);
    assert_string_equal(result, "Monday, September 4, 2023");
    tfc_text_free(result);
    memset(longer, ' ', sizeof longer);
    memcpy(longer, "March 5, 2023", 13);
    assert_int_equal(tfc_datecalc_eval(longer, 200, &result, &err), TFC_OK);
    tfc_text_free(result);
    assert_int_equal(tfc_datecalc_eval(longer, 201, &result, &err), TFC_ENORESULT);
    tfc_memory_fail_at(1);
    assert_int_equal(tfc_datecalc_eval(longer, 13, &result, &err), TFC_ENOMEM);
    tfc_memory_fail_at(0);
    tfc_tools_free(tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),     cmocka_unit_test(test_enumerate), cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_distances), cmocka_unit_test(test_holidays),  cmocka_unit_test(test_call),
    };
    return cmocka_run_group_tests_name("datecalc", tests, NULL, NULL);
}
