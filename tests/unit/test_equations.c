/* Hiding equations: the cases of cases/hide_equations.txt, and texts of any length. */
#include "unit/cases.h"

#include <time.h>

#include "base/utf8.h"
#include "corpus/equations.h"

static void check(const test_case *c)
{
    char *text = tfc_strdup(c->input);
    size_t n = tfc_equations_hide(text, strlen(text));
    if (n != strlen(c->expected) || memcmp(text, c->expected, n) != 0)
        fail_msg("line %d: '%s' became '%.*s', not '%s'", c->line, c->input, (int)n, text, c->expected);
    tfc_free(text);
}

static void test_cases(void **state)
{
    (void)state;
    cases_run("hide_equations.txt", check);
}

/* Long nonsense made of the scanner's own letters takes linear time and stays whole UTF-8. */
static void test_long(void **state)
{
    (void)state;
    static const char *const parts[] = {"1+", "((((((((", "1=", "×2", "))))", "$", "x",
                                        "= ", "<<1=",     "5",  " ",  "−",    "–3"};
    enum { N_PARTS = sizeof parts / sizeof *parts, N = 1 << 20 };
    char *text = test_malloc(N + 16);
    for (int round = 0; round < N_PARTS; round++) {
        size_t n = 0;
        for (unsigned i = 0; n < N; i++) {
            const char *part = parts[round == 0 ? i * i % 7 % N_PARTS : (unsigned)round - (i & 1)];
            memcpy(text + n, part, strlen(part));
            n += strlen(part);
        }
        clock_t begin = clock();
        size_t kept = tfc_equations_hide(text, n), at;
        assert_true(clock() - begin < 30 * CLOCKS_PER_SEC);
        assert_true(kept <= n);
        assert_true(tfc_utf8_valid(text, kept, &at));
    }
    test_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
