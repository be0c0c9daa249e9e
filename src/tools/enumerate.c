/* The Calculator's enumerating proposer: every `a op b` over the numbers before a place whose result is the
 * number that stands there (PAPER 2.4, heuristic (i), used as a proposer; section 9 says why). */
#include <stdio.h>

#include "base/memory.h"
#include "tools/number.h"
#include "tools/rational.h"

/* An operand as it may be written: a number with a percent sign is taken both ways. */
typedef struct operand {
    tfc_rational value;
    bool percent;
    char text[32];
} operand;

typedef struct enumeration {
    const tfc_number *target;
    tfc_rational value;   /* the target as it is written */
    tfc_rational percent; /* /100, when a % follows */
    size_t max_args;
    tfc_proposals *out;
    bool rounding; /* the second pass */
    bool failed;
} enumeration;

static bool power_of_ten(int exponent, int64_t *out)
{
    *out = 1;
    for (int i = 0; i < exponent; i++)
        if (__builtin_mul_overflow(*out, 10, out)) return false;
    return true;
}

static bool number_value(const tfc_number *number, bool percent, tfc_rational *out)
{
    int64_t power;
    if (!power_of_ten(number->scale, &power) || !tfc_rational_make(number->mantissa, power, out))
        return false;
    return !percent || tfc_rational_divide(*out, tfc_rational_of(100), out);
}

/* 1,400 → 1400, 007 → 7, .5 → 0.5: as the grammar of expressions writes numbers. */
static bool operand_make(const char *text, const tfc_number *number, bool percent, operand *out)
{
    size_t n = 0;
    for (size_t i = number->begin; i < number->end && n + 3 < sizeof out->text; i++) {
        if (text[i] == ',') continue;
        if (text[i] == '.' && n == 0) out->text[n++] = '0';
        if (n == 1 && out->text[0] == '0' && text[i] != '.') n = 0;
        out->text[n++] = text[i];
    }
    if (percent) out->text[n++] = '%';
    out->percent = percent;
    out->text[n] = '\0';
    return number_value(number, percent, &out->value);
}

static size_t operands_make(const char *text, const tfc_number *number, operand out[2])
{
    size_t n = 0;
    if (operand_make(text, number, false, &out[n])) n++;
    if (number->percent && operand_make(text, number, true, &out[n])) n++;
    return n;
}

/* Equal as it is (the first pass), or when it is rounded to the decimals that are written (the second). */
static bool same(const enumeration *e, tfc_rational result, tfc_rational written, int decimals)
{
    tfc_rational rounded;
    if (!e->rounding || tfc_rational_equal(result, written))
        return !e->rounding && tfc_rational_equal(result, written);
    return tfc_rational_round(result, decimals, &rounded) && tfc_rational_equal(rounded, written);
}

static bool is_target(const enumeration *e, tfc_rational result)
{
    int decimals = e->target->scale;
    return same(e, result, e->value, decimals) ||
           (e->target->percent && same(e, result, e->percent, decimals + 2));
}

static bool is_proposed(const tfc_proposals *proposals, const char *text)
{
    for (size_t i = 0; i < proposals->n_args; i++)
        if (strcmp(proposals->args[i], text) == 0) return true;
    return false;
}

/* 24 * 6 says no more than 6 * 24: of + and * the first order that comes up stays. */
static void propose(enumeration *e, const operand *a, char op, const operand *b)
{
    char text[80], reverse[80];
    int n = snprintf(text, sizeof text, "%s %c %s", a->text, op, b->text);
    snprintf(reverse, sizeof reverse, "%s %c %s", b->text, op, a->text);
    if (is_proposed(e->out, text) || ((op == '+' || op == '*') && is_proposed(e->out, reverse))) return;
    char *copy = tfc_memdup_text(text, (size_t)n);
    if (copy)
        e->out->args[e->out->n_args++] = copy;
    else
        e->failed = true;
}

/* a op b, unless it says nothing: x * 1, x + 0, 6 - 3 for 3. */
static void try_operation(enumeration *e, const operand *a, char op, const operand *b)
{
    tfc_rational r;
    if (e->failed || e->out->n_args == e->max_args) return;
    bool fits = op == '+'   ? tfc_rational_add(a->value, b->value, &r)
                : op == '-' ? tfc_rational_subtract(a->value, b->value, &r)
                : op == '*' ? tfc_rational_multiply(a->value, b->value, &r)
                            : tfc_rational_divide(a->value, b->value, &r);
    if (!fits || tfc_rational_equal(r, a->value) || tfc_rational_equal(r, b->value)) return;
    if (is_target(e, r)) propose(e, a, op, b);
}

/* Both orders where they differ; + and * keep the order of the text. 220 + 5% is 220.05 here, which nobody
 * means. */
static void try_pair(enumeration *e, const operand *first, const operand *second)
{
    if (first->percent == second->percent) {
        try_operation(e, first, '+', second);
        try_operation(e, first, '-', second);
        try_operation(e, second, '-', first);
    }
    try_operation(e, first, '*', second);
    try_operation(e, first, '/', second);
    try_operation(e, second, '/', first);
}

/* The last `max` numbers that end before `at`, the nearest first. */
static size_t numbers_before(const char *text, size_t n, size_t at, size_t max, tfc_number *numbers)
{
    size_t count = 0;
    tfc_number number;
    for (size_t from = 0; tfc_number_scan(text, n, from, &number) && number.end <= at; from = number.end) {
        size_t keep = count < max ? count : max - 1;
        memmove(numbers + 1, numbers, keep * sizeof *numbers);
        numbers[0] = number;
        count = keep + 1;
    }
    return count;
}

/* All pairs of mentions, by the farther one, then by the nearer one. */
static void try_pairs(enumeration *e, const char *text, const tfc_number *numbers, size_t count)
{
    for (size_t far = 1; far < count; far++)
        for (size_t near = 0; near < far && !e->failed; near++) {
            operand first[2], second[2];
            size_t n_first = operands_make(text, &numbers[far], first);
            size_t n_second = operands_make(text, &numbers[near], second);
            for (size_t i = 0; i < n_first; i++)
                for (size_t j = 0; j < n_second; j++) try_pair(e, &first[i], &second[j]);
        }
}

bool tfc_calculator_enumerate(const char *text, size_t n, size_t at, size_t max_numbers, size_t max_args,
                              tfc_proposals *out, tfc_error *err)
{
    *out = (tfc_proposals){0};
    tfc_number target, *numbers = NULL;
    size_t start = at;
    for (size_t blank; (blank = tfc_blank_length(text, n, start)) > 0;) start += blank;
    start += tfc_currency_length(text, n, start);
    if (!tfc_number_at(text, n, start, &target)) return false;
    if (max_numbers == 0 || max_args == 0) return true;
    enumeration e = {.target = &target, .max_args = max_args, .out = out};
    if (!number_value(&target, false, &e.value) || !number_value(&target, true, &e.percent)) return true;
    numbers = tfc_alloc(max_numbers, sizeof *numbers);
    out->args = tfc_alloc(max_args, sizeof *out->args);
    e.failed = !numbers || !out->args;
    if (!e.failed) {
        size_t count = numbers_before(text, n, at, max_numbers, numbers);
        try_pairs(&e, text, numbers, count);
        e.rounding = true;
        try_pairs(&e, text, numbers, count);
    }
    tfc_free(numbers);
    if (e.failed) {
        tfc_proposals_release(out);
        tfc_fail_memory(err, "proposals");
        return false;
    }
    return true;
}

void tfc_proposals_release(tfc_proposals *proposals)
{
    for (size_t i = 0; proposals->args && i < proposals->n_args; i++) tfc_free(proposals->args[i]);
    tfc_free(proposals->args);
    *proposals = (tfc_proposals){0};
}
