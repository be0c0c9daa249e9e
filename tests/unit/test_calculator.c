/* The Calculator: cases of tests/unit/cases/calculator.txt, limits, and a comparison with 64-bit arithmetic.
 */
#include "cases.h"

#include "base/random.h"
#include "tools/tool.h"

static void run_case(const test_case *c)
{
    tfc_error err;
    tfc_error_init(&err);
    char *result = NULL;
    tfc_status status = tfc_calculator_eval(c->input, c->n_input, &result, &err);
    if (c->expected[0] == '!') {
        const char *reason = c->expected + 1 + (c->expected[1] == ' ');
        if (status != TFC_ENORESULT) fail_msg("line %d: '%s' has the result %s", c->line, c->input, result);
        if (!strstr(err.message, reason)) fail_msg("line %d: '%s' says '%s'", c->line, c->input, err.message);
    } else if (status != TFC_OK) {
        fail_msg("line %d: %s", c->line, err.message);
    } else if (strcmp(result, c->expected) != 0) {
        fail_msg("line %d: '%s' gives %s, not %s", c->line, c->input, result, c->expected);
    }
    tfc_text_free(result);
}

static void test_cases(void **state)
{
    (void)state;
    cases_run("calculator.txt", run_case);
}

static tfc_status eval(const char *text, size_t n, char **result)
{
    tfc_error err;
    *result = NULL;
    return tfc_calculator_eval(text, n, result, &err);
}

/* Deep nesting, 1,000 bytes, long runs of signs. */
static void test_limits(void **state)
{
    (void)state;
    char text[4096], *result;
    for (int depth = 60; depth < 70; depth++) {
        memset(text, '(', (size_t)depth);
        text[depth] = '1';
        memset(text + depth + 1, ')', (size_t)depth);
        assert_int_equal(eval(text, (size_t)depth * 2 + 1, &result), depth <= 64 ? TFC_OK : TFC_ENORESULT);
        tfc_text_free(result);
    }
    /* What is closed does not count: 100 pairs side by side. */
    size_t n = 0;
    for (int i = 0; i < 100; i++) n += (size_t)sprintf(text + n, "%s(%d)", i ? "+" : "", i);
    assert_int_equal(eval(text, n, &result), TFC_OK);
    assert_string_equal(result, "4950");
    tfc_text_free(result);
    memset(text, '-', 1001);
    text[999] = '7';
    assert_int_equal(eval(text, 1000, &result), TFC_OK);
    assert_string_equal(result, "-7");
    tfc_text_free(result);
    text[1000] = ' ';
    assert_int_equal(eval(text, 1001, &result), TFC_ENORESULT);
    memset(text, '(', 1000);
    assert_int_equal(eval(text, 1000, &result), TFC_ENORESULT);
    assert_int_equal(eval("1\0+2", 4, &result), TFC_ENORESULT);
    assert_int_equal(tfc_calculator_eval("1", 1, &result, NULL), TFC_OK);
    tfc_text_free(result);
    assert_int_equal(tfc_calculator_eval("/", 1, &result, NULL), TFC_ENORESULT);
}

/* a op b against integer arithmetic, with cents rounded half away from zero. */
static void test_two_operands(void **state)
{
    (void)state;
    tfc_random random = tfc_random_stream(7, 1, 0, 0);
    for (int i = 0; i < 20000; i++) {
        int64_t a = (int64_t)tfc_random_below(&random, 20001) - 10000,
                b = (int64_t)tfc_random_below(&random, 2000) - 1000;
        char op = "+-*/"[tfc_random_below(&random, 4)], text[64], expected[64], *result;
        int64_t exact = op == '+' ? a + b : op == '-' ? a - b : a * b;
        size_t n = (size_t)snprintf(text, sizeof text, "%lld %c %lld", (long long)a, op, (long long)b);
        if (op == '/' && b == 0) continue;
        if (op == '/' && a % b != 0) {
            int64_t x = llabs(a), y = llabs(b), cents = (200 * x + y) / (2 * y);
            const char *sign = (a < 0) != (b < 0) && cents ? "-" : "";
            snprintf(expected, sizeof expected, "%s%lld.%02lld", sign, (long long)(cents / 100),
                     (long long)(cents % 100));
        } else {
            snprintf(expected, sizeof expected, "%lld", (long long)(op == '/' ? a / b : exact));
        }
        assert_int_equal(eval(text, n, &result), TFC_OK);
        if (strcmp(result, expected) != 0) fail_msg("%s = %s, not %s", text, result, expected);
        tfc_text_free(result);
    }
}

/* Any bytes: a result of at most 40 characters or none, never a crash. */
static void test_random_bytes(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789+-*/()., %xX\xC3\x97\xB7\xE2\x88\x92$ae=";
    tfc_random random = tfc_random_stream(7, 2, 0, 0);
    int n_results = 0;
    for (int i = 0; i < 50000; i++) {
        char text[40], *result;
        size_t n = (size_t)tfc_random_below(&random, i % 2 ? sizeof text : 6);
        for (size_t j = 0; j < n; j++) text[j] = alphabet[tfc_random_below(&random, sizeof alphabet - 1)];
        if (eval(text, n, &result) != TFC_OK) continue;
        n_results++;
        assert_true(strlen(result) <= 40);
        assert_int_equal(strspn(result, "-0123456789."), strlen(result));
        tfc_text_free(result);
    }
    assert_true(n_results > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_two_operands),
        cmocka_unit_test(test_random_bytes),
    };
    return cmocka_run_group_tests_name("calculator", tests, NULL, NULL);
}
