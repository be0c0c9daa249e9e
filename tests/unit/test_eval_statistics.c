/* Intervals and tests against values worked out otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/memory.h"
#include "eval/statistics.h"

static void check_p(int64_t b, int64_t c, double expected)
{
    double p = tfc_mcnemar(b, c);
    if (fabs(p - expected) > 1e-9 * expected || p != tfc_mcnemar(c, b))
        fail_msg("%d against %d: p %.12g, not %.12g", (int)b, (int)c, p, expected);
}

/* Twice the tail, counted with whole numbers: sum of C(n, i) / 2^n. */
static double exact(int b, int c)
{
    int n = b + c, k = b < c ? b : c;
    double sum = 0, term = 1;
    for (int i = 0; i <= k; i++) {
        sum += term;
        term = term * (n - i) / (i + 1);
    }
    double p = 2 * ldexp(sum, -n);
    return p < 1 ? p : 1;
}

static void test_mcnemar(void **state)
{
    (void)state;
    check_p(0, 0, 1);
    check_p(5, 5, 1);
    check_p(0, 1, 1);
    check_p(0, 5, 0.0625);
    check_p(1, 9, 22.0 / 1024);
    check_p(3, 4, 1);
    for (int b = 0; b < 60; b += 3)
        for (int c = 0; c < 60; c += 7) check_p(b, c, exact(b, c));
    /* Many pairs: the normal approximation with its correction, within a few per cent; nothing underflows. */
    double z = (260 - 1) / sqrt(4740.0);
    assert_true(fabs(tfc_mcnemar(2240, 2500) / erfc(z / sqrt(2)) - 1) < 0.02);
    double tiny = tfc_mcnemar(10, 3000);
    assert_true(tiny >= 0 && tiny < 1e-200);
}

static void test_bootstrap(void **state)
{
    (void)state;
    enum { N = 400 };
    int8_t values[N];
    for (int i = 0; i < N; i++) values[i] = i < 120;
    tfc_eval_interval interval, again;
    assert_int_equal(tfc_bootstrap(values, N, 1, &interval, NULL), TFC_OK);
    double half = 1.96 * sqrt(0.3 * 0.7 / N);
    assert_true(fabs(interval.low - (0.3 - half)) < 0.006);
    assert_true(fabs(interval.high - (0.3 + half)) < 0.006);
    assert_int_equal(tfc_bootstrap(values, N, 1, &again, NULL), TFC_OK);
    assert_true(again.low == interval.low && again.high == interval.high);
    for (int i = 0; i < N; i++) values[i] = 1;
    assert_int_equal(tfc_bootstrap(values, N, 1, &interval, NULL), TFC_OK);
    assert_true(interval.low == 1 && interval.high == 1);
    for (int i = 0; i < N; i++) values[i] = (int8_t)(i < 60 ? -1 : i < 120 ? 1 : 0);
    assert_int_equal(tfc_bootstrap(values, N, 2, &interval, NULL), TFC_OK);
    half = 1.96 * sqrt(0.3 / N);
    assert_true(fabs(interval.low + half) < 0.006 && fabs(interval.high - half) < 0.006);
    assert_int_equal(tfc_bootstrap(values, 0, 2, &interval, NULL), TFC_OK);
    tfc_memory_fail_at(1);
    assert_int_equal(tfc_bootstrap(values, N, 2, &interval, NULL), TFC_ENOMEM);
    tfc_memory_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mcnemar), cmocka_unit_test(test_bootstrap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
