/* The Calculator against GMP: random expressions are made as trees, valued exactly as fractions, and printed
 * in one of the many ways in which people write them; the Calculator sees the text alone. */
#include "cases.h"

#include <gmp.h>

#include "base/random.h"
#include "tools/tool.h"

enum { TEXT_BYTES = 1000 };

typedef struct maker {
    tfc_random random;
    char text[TEXT_BYTES + 64];
    size_t n;
    bool zero; /* something was divided by 0 */
    int max_digits, max_decimals;
} maker;

static uint64_t below(maker *m, uint64_t n)
{
    return tfc_random_below(&m->random, n);
}

static void put(maker *m, const char *text)
{
    size_t n = strlen(text);
    if (m->n + n < sizeof m->text) memcpy(m->text + m->n, text, n + 1);
    m->n += n;
}

static void put_blank(maker *m)
{
    if (below(m, 2)) put(m, below(m, 8) ? " " : "\t ");
}

/* 1400  1,400  3.5  .5  29%, with its value. */
static void make_number(maker *m, mpq_t value)
{
    char digits[64] = "", shown[96] = "", all[128];
    size_t n = 1 + below(m, (uint64_t)m->max_digits), n_shown = 0;
    for (size_t i = 0; i < n; i++) digits[i] = (char)('0' + below(m, 10));
    if (n > 1 && digits[0] == '0') digits[0] = '1';
    bool commas = n > 3 && below(m, 2), percent = below(m, 10) == 0, point = below(m, 3) == 0;
    for (size_t i = 0; i < n; i++) {
        if (commas && i > 0 && (n - i) % 3 == 0) shown[n_shown++] = ',';
        shown[n_shown++] = digits[i];
    }
    int decimals = point ? 1 + (int)below(m, (uint64_t)m->max_decimals) : 0;
    snprintf(all, sizeof all, "%s", digits);
    if (point) {
        char fraction[32] = "";
        for (int i = 0; i < decimals; i++) fraction[i] = (char)('0' + below(m, 10));
        if (strcmp(digits, "0") == 0 && below(m, 2)) n_shown = 0;
        n_shown += (size_t)snprintf(shown + n_shown, sizeof shown - n_shown, ".%s", fraction);
        strcat(all, fraction);
    }
    if (percent) shown[n_shown++] = '%';
    put(m, shown);
    mpz_set_str(mpq_numref(value), all, 10);
    mpz_ui_pow_ui(mpq_denref(value), 10, (unsigned long)(decimals + (percent ? 2 : 0)));
    mpq_canonicalize(value);
}

static void make_sum(maker *m, int leaves, mpq_t value);

/* A number, or something larger in parentheses; signs before it. */
static void make_factor(maker *m, int leaves, mpq_t value)
{
    bool negative = false;
    for (; below(m, 8) == 0; put_blank(m)) {
        bool minus = below(m, 4) != 0;
        put(m, minus ? (below(m, 6) ? "-" : "\xE2\x88\x92") : "+");
        negative ^= minus;
    }
    if (leaves == 1 && below(m, 12)) {
        make_number(m, value);
    } else {
        bool percent = below(m, 20) == 0;
        put(m, "(");
        put_blank(m);
        make_sum(m, leaves, value);
        put_blank(m);
        put(m, percent ? ")%" : ")");
        if (percent) {
            mpq_t hundred;
            mpq_init(hundred);
            mpq_set_ui(hundred, 100, 1);
            mpq_div(value, value, hundred);
            mpq_clear(hundred);
        }
    }
    if (negative) mpq_neg(value, value);
}

static void make_product(maker *m, int leaves, mpq_t value)
{
    static const char *const times[] = {"*", "x", "X", "\xC3\x97"}, *const over[] = {"/", "\xC3\xB7"};
    int first = 1 + (int)below(m, (uint64_t)leaves);
    make_factor(m, first, value);
    for (int left = leaves - first; left > 0;) {
        int part = 1 + (int)below(m, (uint64_t)left);
        mpq_t right;
        mpq_init(right);
        bool multiply = below(m, 2);
        put_blank(m);
        put(m, multiply ? times[below(m, 4)] : over[below(m, 2)]);
        put_blank(m);
        make_factor(m, part, right);
        if (multiply)
            mpq_mul(value, value, right);
        else if (mpq_sgn(right) == 0)
            m->zero = true;
        else
            mpq_div(value, value, right);
        mpq_clear(right);
        left -= part;
    }
}

static void make_sum(maker *m, int leaves, mpq_t value)
{
    int first = 1 + (int)below(m, (uint64_t)leaves);
    make_product(m, first, value);
    for (int left = leaves - first; left > 0;) {
        int part = 1 + (int)below(m, (uint64_t)left);
        mpq_t right;
        mpq_init(right);
        bool add = below(m, 2);
        put_blank(m);
        put(m, add ? "+" : below(m, 6) ? "-" : "\xE2\x88\x92");
        put_blank(m);
        make_product(m, part, right);
        if (add)
            mpq_add(value, value, right);
        else
            mpq_sub(value, value, right);
        mpq_clear(right);
        left -= part;
    }
}

/* Integers bare, else two decimals: floor(|v| * 100 + 1/2) hundredths. */
static char *expected_of(const mpq_t value)
{
    char *out;
    if (mpz_cmp_ui(mpq_denref(value), 1) == 0) {
        assert_true(gmp_asprintf(&out, "%Zd", mpq_numref(value)) > 0);
        return out;
    }
    mpz_t hundredths, cents, twice;
    mpz_inits(hundredths, cents, twice, NULL);
    mpz_abs(hundredths, mpq_numref(value));
    mpz_mul_ui(hundredths, hundredths, 200);
    mpz_add(hundredths, hundredths, mpq_denref(value));
    mpz_mul_ui(twice, mpq_denref(value), 2);
    mpz_fdiv_q(hundredths, hundredths, twice);
    bool negative = mpq_sgn(value) < 0 && mpz_sgn(hundredths) != 0;
    unsigned long rest = mpz_fdiv_qr_ui(hundredths, cents, hundredths, 100);
    assert_true(gmp_asprintf(&out, "%s%Zd.%02lu", negative ? "-" : "", hundredths, rest) > 0);
    mpz_clears(hundredths, cents, twice, NULL);
    return out;
}

/* How many of n expressions of up to `leaves` numbers have a result that the Calculator does not give for
 * want of room; any other difference fails. */
static int count_too_large(uint64_t seed, int n, int leaves, int digits, int decimals, int *n_results)
{
    int too_large = 0;
    *n_results = 0;
    for (int i = 0; i < n; i++) {
        maker m = {.random = tfc_random_stream(seed, (uint64_t)i, 0, 0),
                   .max_digits = digits,
                   .max_decimals = decimals};
        mpq_t value;
        mpq_init(value);
        make_sum(&m, 1 + (int)below(&m, (uint64_t)leaves), value);
        char *result = NULL, *expected = expected_of(value);
        tfc_error err;
        tfc_error_init(&err);
        if (m.n <= TEXT_BYTES) {
            tfc_status status = tfc_calculator_eval(m.text, m.n, &result, &err);
            bool large = status == TFC_ENORESULT && strstr(err.message, "too large");
            too_large += large;
            if (m.zero && (status != TFC_ENORESULT || !(large || strstr(err.message, "division by zero"))))
                fail_msg("'%s' divides by zero and gives %s", m.text, result);
            if (!m.zero && !large && status != TFC_OK) fail_msg("%s", err.message);
            if (!m.zero && !large && strcmp(result, expected) != 0)
                fail_msg("'%s' gives %s, not %s", m.text, result, expected);
            *n_results += status == TFC_OK;
        }
        void (*release)(void *, size_t);
        mp_get_memory_functions(NULL, NULL, &release);
        release(expected, strlen(expected) + 1);
        tfc_text_free(result);
        mpq_clear(value);
    }
    return too_large;
}

/* What people write: up to twelve numbers of up to seven digits and four decimals. */
static void test_everyday(void **state)
{
    (void)state;
    int n_results, too_large = count_too_large(1, 10000, 12, 7, 4, &n_results);
    print_message("10000 expressions: %d results, %d too large\n", n_results, too_large);
    assert_true(n_results > 9000);
    assert_int_equal(too_large, 0);
}

/* Up to forty numbers of up to twelve digits: some results are too large, none is wrong. */
static void test_large(void **state)
{
    (void)state;
    int n_results, too_large = count_too_large(2, 3000, 40, 12, 8, &n_results);
    print_message("3000 long expressions: %d results, %d too large\n", n_results, too_large);
    assert_true(n_results > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everyday),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests_name("calculator_exact", tests, NULL, NULL);
}
