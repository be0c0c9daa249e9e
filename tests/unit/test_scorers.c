/* Scorers of the evaluation tasks: which number an output says, and when it is the answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "eval/scorers.h"

typedef struct reading_case {
    const char *output, *gold;
    bool literal, strict;
} reading_case;

static const reading_case readings[] = {
    {" 16.", "16", true, true},
    {" 16 apples and 3 pears", "16", true, true},
    {" about 9, not 16", "16", false, false},
    {"", "16", false, false},
    {" none", "16", false, false},
    {" 5+3=8.", "8", true, true},
    {" 5 + 3 = 8", "5", false, false},
    {" 5 apples + 3 apples = 8 apples", "8", true, true},
    {" = 8", "8", true, true},
    {" 2 * 3 + 1 = 6 + 1 = 7", "6", true, false},
    {" 2 * 3 + 1 = 6 + 1 = 7", "7", false, true},
    {" 8. Then 2 + 2 = 4", "4", true, false}, /* the paper's rule reads any equation */
    {" 8. Then 2 + 2 = 4", "8", false, true},
    {" 8\nx = 4", "8", false, true},
    {" 8 =", "8", true, true},
    {"\n\n 8", "8", true, true},
    {" -16", "16", true, false},
    {" -16", "-16", true, true},
    {" 16", "-16", true, false},
    {" \xE2\x88\x92"
     "16",
     "-16", true, true},
    {" $-16", "-16", true, true},
    {" -$16", "-16", true, true},
    {" 20-16 = -16", "-16", true, true},
    {" a total - 16", "16", true, true},
    {" x-16", "16", true, true},
    {" $1,938.00", "1938", true, true},
    {" 1938", "1,938", true, true},
    {" 19,38", "1938", false, false},
    {" $16", "16", true, true},
    {" 16%", "16", true, false},
    {" 16 percent", "16", true, false},
    {" 16th", "16", true, false},
    {" 16:30", "16", true, false},
    {" 16-20", "16", true, false},
    {" 16-year-old", "16", true, true},
    {" 16/3", "16", true, false},
    {" 16/3", "5.33", false, true},
    {" 2 1/2", "2", true, false},
    {" 16 million", "16", true, false},
    {" 16 dozens", "16", true, false},
    {" 16 months", "16", true, true},
    {" 16.5", "16", false, false},
    {" B16 12", "12", true, true},
    {" 7/9", "7/9", true, true},
    {" 0.78", "7/9", true, true},
    {" 7", "7/9", false, false},
    {" 14/18", "7/9", true, true},
};

static void test_readings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        const reading_case *c = &readings[i];
        tfc_value gold;
        tfc_reading reading;
        assert_true(tfc_value_read(c->gold, &gold));
        bool literal = tfc_read_literal(c->output, &reading);
        if (literal && gold.denominator > 1) tfc_reading_fraction(c->output, strlen(c->output), &reading);
        literal = literal && tfc_value_equal(&reading.value, &gold, true);
        bool strict = tfc_read_strict(c->output, &reading) && tfc_value_equal(&reading.value, &gold, false);
        if (literal != c->literal || strict != c->strict)
            fail_msg("'%s' for %s: literal %d, strict %d", c->output, c->gold, literal, strict);
    }
}

static void check_equal(const char *a, const char *b, bool equal)
{
    tfc_value x, y;
    if (!tfc_value_read(a, &x)) fail_msg("'%s' is not read", a);
    if (!tfc_value_read(b, &y)) fail_msg("'%s' is not read", b);
    if (tfc_value_equal(&x, &y, false) != equal || tfc_value_equal(&y, &x, false) != equal)
        fail_msg("%s and %s are %sequal", a, b, equal ? "not " : "");
}

static void test_equality(void **state)
{
    (void)state;
    check_equal("0.83", "0.8333333333333334", true);
    check_equal("0.84", "0.8333333333333334", false);
    check_equal("0.8", "0.8333333333333334", false);
    check_equal("0.833", "0.8333333333333334", true);
    check_equal("0.67", "0.6666666666666666", true);
    check_equal("0.66", "0.6666666666666666", false);
    check_equal("0.13", "0.125", true);
    check_equal("0.12", "0.125", true);
    check_equal("0.11", "0.125", false);
    check_equal("3.3333", "3.333 (minutes)", true);
    check_equal("25.004", "25", false);
    check_equal("25.00", "25", true);
    check_equal("0.504", "0.5", false);
    check_equal("-3", "3", false);
    check_equal("999999999999999999", "999999999999999998", false);
    check_equal("999999999999999999", ".999999999999999999", false);
    check_equal("0.78", "7/9", true);
    check_equal("0.8", "7/9", false);
    check_equal("25/3", "8.33", true);
    check_equal("4/2", "2", true);
    check_equal("1/3", "2/6", true);
}

static void test_values(void **state)
{
    (void)state;
    static const char *const not_one[] = {"",
                                          "Purple",
                                          "5:45",
                                          "4:5",
                                          "8; 40",
                                          "11; 12; 13",
                                          "16th",
                                          "1/0",
                                          "1/",
                                          "9:03:36 a.m.",
                                          "7 apples",
                                          "--3",
                                          "3.5 (dollars); 1.8 (dollars)",
                                          "1.2.3",
                                          "(3)",
                                          "3 (a"};
    tfc_value value;
    for (size_t i = 0; i < sizeof not_one / sizeof *not_one; i++)
        if (tfc_value_read(not_one[i], &value)) fail_msg("'%s' is read as a number", not_one[i]);
    check_equal("18 (cups)", "18", true);
    check_equal("$1,000.50", "1000.5", true);
    check_equal("-5", "-5.0", true);
    check_equal("13.", "13", true);
    check_equal("50%", "50", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readings),
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
