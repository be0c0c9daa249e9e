/* Paired tests over rows and seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "experiment/experiment_figures.h"

static char *ids[] = {"a", "b", "c", "d", "e", "f"}, *other_ids[] = {"a", "b", "c", "d", "e", "g"};

static void test_one_seed(void **state)
{
    (void)state;
    int8_t taught[] = {1, 1, 1, 1, 1, 0}, base[] = {0, 0, 0, 0, 1, 0};
    tfc_exp_figure a = {.n = 6, .n_seeds = 1, .sums = taught, .ids = ids};
    tfc_exp_figure b = {.n = 6, .n_seeds = 1, .sums = base, .ids = ids};
    tfc_exp_test test;
    assert_true(tfc_exp_test_make(&test, &a, &b));
    assert_int_equal(test.better, 4);
    assert_int_equal(test.worse, 0);
    assert_true(fabs(test.p - 0.125) < 1e-12); /* 2 / 2^4 */
    assert_true(tfc_exp_test_make(&test, &b, &a));
    assert_int_equal(test.worse, 4);
    b.ids = other_ids; /* other rows */
    assert_false(tfc_exp_test_make(&test, &a, &b));
    b.ids = ids;
    b.n = 5;
    assert_false(tfc_exp_test_make(&test, &a, &b));
}

/* Seeds are compared by their share of right answers, whatever their number. */
static void test_seeds(void **state)
{
    (void)state;
    int8_t taught[] = {3, 2, 1, 0, 3, 0}, base[] = {1, 0, 1, 0, 0, 0};
    tfc_exp_figure a = {.n = 6, .n_seeds = 3, .sums = taught, .ids = ids};
    tfc_exp_figure b = {.n = 6, .n_seeds = 1, .sums = base, .ids = ids};
    tfc_exp_test test;
    assert_true(tfc_exp_test_make(&test, &a, &b));
    assert_int_equal(test.better, 2); /* b: 2/3 against 0, e: 1 against 0 */
    assert_int_equal(test.worse, 1);  /* c: 1/3 against 1 */
    assert_true(fabs(test.p - 1) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_seed), cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
