/* The Calculator's enumerating proposer: every `a op b` over the numbers before a place whose result is the
 * number that stands there (PAPER 2.4, heuristic (i), used as a proposer; section 9 says why), and every
 * expression of three operands when that is asked for.
 *
 * An expression has one form: the operands of + and * stand in the order of the text, what is subtracted or
 * divided by follows what it is taken from, parentheses stand only where the value needs them. */
#include <stdio.h>

#include "base/memory.h"
#include "tools/number.h"
#include "tools/rational.h"

/* An operand as it may be written: a number with a percent sign is taken both ways. */
typedef struct operand {
    tfc_rational value;
    bool percent, scales;
    char text[32];
} operand;

enum { KEY_BYTES = 112 }; /* three operands, their operations */

typedef struct enumeration {
    const tfc_enumerate_params *params;
    const char *text;
    const tfc_number *target;
    tfc_rational value;   /* the target as it is written */
    tfc_rational percent; /* /100, when a % follows */
    tfc_number *numbers;  /* [n_numbers] before the place, the nearest first */
    size_t n_numbers;
    tfc_proposals *out;
    char (*keys)[KEY_BYTES]; /* [max_args] what an expression of three says, whatever its order; else empty */
    bool rounding;           /* the second pass */
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
    size_t n =
        number->word ? (size_t)snprintf(out->text, sizeof out->text, "%lld", (long long)number->mantissa) : 0;
    for (size_t i = number->begin; !number->word && i < number->end && n + 3 < sizeof out->text; i++) {
        if (text[i] == ',') continue;
        if (text[i] == '.' && n == 0) out->text[n++] = '0';
        if (n == 1 && out->text[0] == '0' && text[i] != '.') n = 0;
        out->text[n++] = text[i];
    }
    if (percent) out->text[n++] = '%';
    out->percent = percent;
    out->scales = number->scales;
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

static bool is_full(const enumeration *e)
{
    return e->failed || e->out->n_args == e->params->max_args;
}

static bool is_proposed(const tfc_proposals *proposals, const char *text)
{
    for (size_t i = 0; i < proposals->n_args; i++)
        if (strcmp(proposals->args[i], text) == 0) return true;
    return false;
}

static void add_text(enumeration *e, const char *text, const char *key)
{
    char *copy = tfc_memdup_text(text, strlen(text));
    if (copy) {
        snprintf(e->keys[e->out->n_args], KEY_BYTES, "%s", key);
        e->out->args[e->out->n_args++] = copy;
    } else {
        e->failed = true;
    }
}

static bool apply(tfc_rational a, char op, tfc_rational b, tfc_rational *out)
{
    return op == '+'   ? tfc_rational_add(a, b, out)
           : op == '-' ? tfc_rational_subtract(a, b, out)
           : op == '*' ? tfc_rational_multiply(a, b, out)
                       : tfc_rational_divide(a, b, out);
}

/* a op b, unless it says nothing: x * 1, x + 0, 6 - 3 for 3. 24 * 6 says no more than 6 * 24: of + and * the
 * first order that comes up stays. */
static void try_operation(enumeration *e, const operand *a, char op, const operand *b)
{
    tfc_rational r;
    if (is_full(e) || !apply(a->value, op, b->value, &r)) return;
    if (tfc_rational_equal(r, a->value) || tfc_rational_equal(r, b->value) || !is_target(e, r)) return;
    char text[80], reverse[80];
    snprintf(text, sizeof text, "%s %c %s", a->text, op, b->text);
    snprintf(reverse, sizeof reverse, "%s %c %s", b->text, op, a->text);
    if (is_proposed(e->out, text) || ((op == '+' || op == '*') && is_proposed(e->out, reverse))) return;
    add_text(e, text, "");
}

/* Both orders where they differ; + and * keep the order of the text. 220 + 5% is 220.05 here, which nobody
 * means. */
static void try_pair(enumeration *e, const operand *first, const operand *second)
{
    if (first->scales && second->scales) return;
    if (first->percent == second->percent && !first->scales && !second->scales) {
        try_operation(e, first, '+', second);
        try_operation(e, first, '-', second);
        try_operation(e, second, '-', first);
    }
    try_operation(e, first, '*', second);
    if (!first->scales) try_operation(e, first, '/', second);
    if (!second->scales) try_operation(e, second, '/', first);
}

/* The last `max` numbers that end before `at`, the nearest first. */
static size_t numbers_before(const char *text, size_t n, size_t at, const tfc_enumerate_params *params,
                             tfc_number *numbers)
{
    size_t count = 0, max = params->max_numbers;
    bool (*scan)(const char *, size_t, size_t, tfc_number *) =
        params->words ? tfc_number_scan_words : tfc_number_scan;
    tfc_number number;
    for (size_t from = 0; scan(text, n, from, &number) && number.end <= at; from = number.end) {
        size_t keep = count < max ? count : max - 1;
        memmove(numbers + 1, numbers, keep * sizeof *numbers);
        numbers[0] = number;
        count = keep + 1;
    }
    return count;
}

static bool may_meet(const enumeration *e, const operand *a, const operand *b)
{
    return e->params->repeat || !tfc_rational_equal(a->value, b->value);
}

/* All pairs of mentions, by the farther one, then by the nearer one. */
static void try_pairs(enumeration *e)
{
    for (size_t far = 1; far < e->n_numbers; far++)
        for (size_t near = 0; near < far && !e->failed; near++) {
            operand first[2], second[2];
            size_t n_first = operands_make(e->text, &e->numbers[far], first);
            size_t n_second = operands_make(e->text, &e->numbers[near], second);
            for (size_t i = 0; i < n_first; i++)
                for (size_t j = 0; j < n_second; j++)
                    if (may_meet(e, &first[i], &second[j])) try_pair(e, &first[i], &second[j]);
        }
}

/* Three operands that give the number, unless it is one of them or they say no more than two would. */
static bool is_found(const enumeration *e, const operand *const x[3], tfc_rational value)
{
    for (int i = 0; i < 3; i++)
        if (tfc_rational_equal(value, x[i]->value)) return false;
    return is_target(e, value);
}

static void add_triple(enumeration *e, const char *text, const char *key)
{
    for (size_t i = 0; i < e->out->n_args; i++)
        if (strcmp(e->keys[i], key) == 0) return;
    add_text(e, text, key);
}

static void swap_into_order(const char **a, const char **b)
{
    if (strcmp(*a, *b) <= 0) return;
    const char *first = *b;
    *b = *a;
    *a = first;
}

/* x + y - z and its like; plus and minus are + and -, or * and /. turned[i]: x[i] is subtracted (divided by).
 * It keeps the order of the text where that begins with a term that is added and stays above zero; else what
 * is added comes first. */
static void try_chain_of(enumeration *e, const operand *const x[3], char plus, char minus,
                         const bool turned[3])
{
    int order[3] = {0, 1, 2}, n = 0;
    tfc_rational value, half;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            if (turned[i] && !turned[j] && tfc_rational_equal(x[i]->value, x[j]->value)) return;
    bool ordered =
        !turned[0] && apply(x[0]->value, turned[1] ? minus : plus, x[1]->value, &half) && half.num >= 0;
    for (int pass = 0; pass < 2 && !ordered; pass++)
        for (int i = 0; i < 3; i++)
            if (turned[i] == (pass == 1)) order[n++] = i;
    char ops[2] = {turned[order[1]] ? minus : plus, turned[order[2]] ? minus : plus};
    if (!apply(x[order[0]]->value, ops[0], x[order[1]]->value, &half)) return;
    if (!apply(half, ops[1], x[order[2]]->value, &value) || !is_found(e, x, value)) return;
    char text[128], key[KEY_BYTES];
    snprintf(text, sizeof text, "%s %c %s %c %s", x[order[0]]->text, ops[0], x[order[1]]->text, ops[1],
             x[order[2]]->text);
    const char *sorted[3] = {0};
    int n_turned = turned[0] + turned[1] + turned[2];
    n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < 3; i++)
            if (turned[i] == (pass == 1)) sorted[n++] = x[i]->text;
    if (n_turned < 2) swap_into_order(&sorted[0], &sorted[1]);
    if (n_turned != 1) swap_into_order(&sorted[1], &sorted[2]);
    if (n_turned == 0) swap_into_order(&sorted[0], &sorted[1]);
    snprintf(key, sizeof key, "%c%d %s %s %s", plus, n_turned, sorted[0], sorted[1], sorted[2]);
    add_triple(e, text, key);
}

/* x / twice / half, or a sum with one of them: nobody means it. */
static bool scales_alone(const operand *const x[3], const bool turned[3])
{
    for (int i = 0; i < 3; i++)
        if (!turned[i] && !x[i]->scales) return false;
    return true;
}

/* Sums (plus '+') or products (plus '*') of three; 220 + 5% is 220.05 here, which nobody means. */
static void try_chains(enumeration *e, const operand *const x[3], char plus, char minus)
{
    tfc_rational idle = tfc_rational_of(plus == '*');
    for (int i = 0; i < 3; i++)
        if (tfc_rational_equal(x[i]->value, idle)) return;
    if (plus == '+' && (x[0]->percent != x[1]->percent || x[0]->percent != x[2]->percent)) return;
    if (plus == '+' && (x[0]->scales || x[1]->scales || x[2]->scales)) return;
    for (unsigned mask = 0; mask < 7; mask++) {
        const bool turned[3] = {mask & 1, mask & 2, mask & 4};
        if (!is_full(e) && !scales_alone(x, turned)) try_chain_of(e, x, plus, minus, turned);
    }
}

/* (a inner b) outer x[k] or, when `last`, x[k] outer (a inner b): one of the two is + or -, the other * or /.
 * The pair's own first operand stands at `pair_at` of the text's three. */
static void try_nested_of(enumeration *e, const operand *const x[3], int k, int pair_at, const operand *a,
                          char inner, const operand *b, char outer, bool last)
{
    bool sum = inner == '+' || inner == '-';
    tfc_rational half, value, zero = tfc_rational_of(0), one = tfc_rational_of(1);
    if (!apply(a->value, inner, b->value, &half) || tfc_rational_equal(half, zero)) return;
    if (tfc_rational_equal(half, a->value) || tfc_rational_equal(half, b->value)) return;
    if (tfc_rational_equal(half, one) && (!sum || inner == '-')) return;
    if (tfc_rational_equal(x[k]->value, sum ? one : zero)) return;
    if (!apply(last ? x[k]->value : half, outer, last ? half : x[k]->value, &value) || !is_found(e, x, value))
        return;
    if (outer == '+' || outer == '*') last = k < pair_at;
    char pair[80], text[128], key[KEY_BYTES];
    snprintf(pair, sizeof pair, sum ? "(%s %c %s)" : "%s %c %s", a->text, inner, b->text);
    snprintf(text, sizeof text, "%s %c %s", last ? x[k]->text : pair, outer, last ? pair : x[k]->text);
    const char *sorted[2] = {a->text, b->text};
    if (inner == '+' || inner == '*') swap_into_order(&sorted[0], &sorted[1]);
    bool reverse = last && (outer == '-' || outer == '/');
    snprintf(key, sizeof key, "%c%d%c %s %s %s", outer, reverse, inner, sorted[0], sorted[1], x[k]->text);
    add_triple(e, text, key);
}

/* A sum of two in a product, or a product of two in a sum. */
static void try_nested(enumeration *e, const operand *const x[3], char inner, bool swapped, int k)
{
    int i = k == 0 ? 1 : 0, j = k == 2 ? 1 : 2;
    const operand *a = x[swapped ? j : i], *b = x[swapped ? i : j];
    bool sum = inner == '+' || inner == '-';
    if (sum && (a->percent != b->percent || a->scales || b->scales)) return;
    if (!sum && (x[k]->percent || x[k]->scales || (a->scales && (inner == '/' || b->scales)))) return;
    const char plus = sum ? '*' : '+', minus = sum ? '/' : '-';
    if (!is_full(e)) try_nested_of(e, x, k, i, a, inner, b, plus, false);
    if (!is_full(e)) try_nested_of(e, x, k, i, a, inner, b, minus, false);
    if (!is_full(e) && !x[k]->scales) try_nested_of(e, x, k, i, a, inner, b, minus, true);
}

static void try_triple(enumeration *e, const operand *const x[3])
{
    if (!may_meet(e, x[0], x[1]) || !may_meet(e, x[0], x[2]) || !may_meet(e, x[1], x[2])) return;
    try_chains(e, x, '+', '-');
    try_chains(e, x, '*', '/');
    for (int k = 2; k >= 0; k--) {
        try_nested(e, x, '*', false, k);
        try_nested(e, x, '/', false, k);
        try_nested(e, x, '/', true, k);
        try_nested(e, x, '+', false, k);
        try_nested(e, x, '-', false, k);
        try_nested(e, x, '-', true, k);
    }
}

/* All triples of mentions, by the farthest one, then by the next. */
static void try_triples(enumeration *e)
{
    for (size_t far = 2; far < e->n_numbers; far++)
        for (size_t mid = 1; mid < far; mid++)
            for (size_t near = 0; near < mid && !is_full(e); near++) {
                operand first[2], second[2], third[2];
                size_t n_first = operands_make(e->text, &e->numbers[far], first);
                size_t n_second = operands_make(e->text, &e->numbers[mid], second);
                size_t n_third = operands_make(e->text, &e->numbers[near], third);
                for (size_t i = 0; i < n_first * n_second * n_third; i++)
                    try_triple(e,
                               (const operand *const[3]){&first[i % n_first], &second[i / n_first % n_second],
                                                         &third[i / n_first / n_second]});
            }
}

/* Two operands before three; a division of three that has to be rounded is proposed only where decimals are
 * written. */
static void try_all(enumeration *e)
{
    try_pairs(e);
    e->rounding = true;
    try_pairs(e);
    if (e->params->max_operands < 3) return;
    e->rounding = false;
    try_triples(e);
    e->rounding = true;
    if (e->target->scale > 0 || e->target->percent) try_triples(e);
}

static bool target_at(const char *text, size_t n, size_t at, tfc_number *target)
{
    for (size_t blank; (blank = tfc_blank_length(text, n, at)) > 0;) at += blank;
    return tfc_number_at(text, n, at + tfc_currency_length(text, n, at), target);
}

bool tfc_calculator_enumerate(const char *text, size_t n, size_t at, const tfc_enumerate_params *params,
                              tfc_proposals *out, tfc_error *err)
{
    *out = (tfc_proposals){0};
    tfc_number target;
    if (!target_at(text, n, at, &target)) return false;
    if (params->max_numbers == 0 || params->max_args == 0) return true;
    enumeration e = {.params = params, .text = text, .target = &target, .out = out};
    if (!number_value(&target, false, &e.value) || !number_value(&target, true, &e.percent)) return true;
    e.numbers = tfc_alloc(params->max_numbers, sizeof *e.numbers);
    e.keys = tfc_alloc(params->max_args, sizeof *e.keys);
    out->args = tfc_alloc(params->max_args, sizeof *out->args);
    e.failed = !e.numbers || !e.keys || !out->args;
    if (!e.failed) {
        e.n_numbers = numbers_before(text, n, at, params, e.numbers);
        try_all(&e);
    }
    tfc_free(e.numbers);
    tfc_free(e.keys);
    if (e.failed) {
        tfc_proposals_release(out);
        tfc_fail_memory(err, "proposals");
        return false;
    }
    return true;
}

/* Two roundings of one value: to the decimals of the text, to the two that the Calculator prints. */
static bool same_rounded(tfc_rational written, int decimals, tfc_rational printed)
{
    tfc_rational rounded;
    return (tfc_rational_round(printed, decimals, &rounded) && tfc_rational_equal(rounded, written)) ||
           (tfc_rational_round(written, 2, &rounded) && tfc_rational_equal(rounded, printed));
}

bool tfc_number_matches(const char *text, size_t n, size_t at, const char *result)
{
    tfc_number target, number;
    tfc_rational value, percent, printed;
    size_t n_result = strlen(result);
    if (!target_at(text, n, at, &target) || !tfc_number_at(result, n_result, 0, &number)) return false;
    if (number.end != n_result || !number_value(&number, false, &printed)) return false;
    if (!number_value(&target, false, &value) || !number_value(&target, true, &percent)) return false;
    return same_rounded(value, target.scale, printed) ||
           (target.percent && same_rounded(percent, target.scale + 2, printed));
}

void tfc_proposals_release(tfc_proposals *proposals)
{
    for (size_t i = 0; proposals->args && i < proposals->n_args; i++) tfc_free(proposals->args[i]);
    tfc_free(proposals->args);
    *proposals = (tfc_proposals){0};
}
