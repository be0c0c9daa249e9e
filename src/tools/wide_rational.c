/* Exact fractions of 500-bit parts, in 512 bits on the stack. */
#include "tools/wide_rational.h"

#include <stdio.h>
#include <string.h>

enum { LIMBS = TFC_WIDE_LIMBS, LIMB_BITS = 64 };
__extension__ typedef unsigned __int128 double_limb;

bool tfc_wide_is_zero(const tfc_wide *a)
{
    uint64_t any = 0;
    for (int i = 0; i < LIMBS; i++) any |= a->limb[i];
    return any == 0;
}

/* Below 2^500: four bits are left for a decimal digit more, and for a sum. */
static bool has_room(const tfc_wide *a)
{
    return a->limb[LIMBS - 1] >> 52 == 0;
}

static int compare(const tfc_wide *a, const tfc_wide *b)
{
    for (int i = LIMBS; i-- > 0;)
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

static bool is_equal(const tfc_wide *a, const tfc_wide *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* *out = a + b, which fits where both have room. */
static void add(const tfc_wide *a, const tfc_wide *b, tfc_wide *out)
{
    double_limb carry = 0;
    for (int i = 0; i < LIMBS; i++) {
        carry += (double_limb)a->limb[i] + b->limb[i];
        out->limb[i] = (uint64_t)carry;
        carry >>= LIMB_BITS;
    }
}

/* *out = a - b, a >= b. */
static void subtract(const tfc_wide *a, const tfc_wide *b, tfc_wide *out)
{
    uint64_t borrow = 0;
    for (int i = 0; i < LIMBS; i++) {
        double_limb rest = (double_limb)a->limb[i] - b->limb[i] - borrow;
        out->limb[i] = (uint64_t)rest;
        borrow = (uint64_t)(rest >> LIMB_BITS) & 1;
    }
}

bool tfc_wide_multiply_small(tfc_wide *a, uint64_t factor, uint64_t more)
{
    double_limb carry = more;
    for (int i = 0; i < LIMBS; i++) {
        carry += (double_limb)a->limb[i] * factor;
        a->limb[i] = (uint64_t)carry;
        carry >>= LIMB_BITS;
    }
    return carry == 0 && has_room(a);
}

static int used_limbs(const tfc_wide *a)
{
    int n = LIMBS;
    while (n > 0 && a->limb[n - 1] == 0) n--;
    return n;
}

static bool multiply(const tfc_wide *a, const tfc_wide *b, tfc_wide *out)
{
    int n_a = used_limbs(a), n_b = used_limbs(b);
    tfc_wide product = {{0}};
    if (n_a + n_b > LIMBS + 1) return false;
    for (int i = 0; i < n_a; i++) {
        double_limb carry = 0;
        for (int j = 0; j < n_b; j++) {
            carry += (double_limb)a->limb[i] * b->limb[j];
            if (i + j >= LIMBS) {
                if (carry) return false;
                continue;
            }
            carry += product.limb[i + j];
            product.limb[i + j] = (uint64_t)carry;
            carry >>= LIMB_BITS;
        }
        if (i + n_b < LIMBS)
            product.limb[i + n_b] = (uint64_t)carry;
        else if (carry)
            return false;
    }
    *out = product;
    return true;
}

static void shift_right(tfc_wide *a, int bits)
{
    for (; bits >= LIMB_BITS; bits -= LIMB_BITS) {
        memmove(a->limb, a->limb + 1, (LIMBS - 1) * sizeof *a->limb);
        a->limb[LIMBS - 1] = 0;
    }
    if (bits == 0) return;
    for (int i = 0; i < LIMBS; i++) {
        uint64_t above = i + 1 < LIMBS ? a->limb[i + 1] << (LIMB_BITS - bits) : 0;
        a->limb[i] = a->limb[i] >> bits | above;
    }
}

/* *a becomes twice itself and `bit`. */
static void shift_in(tfc_wide *a, uint64_t bit)
{
    for (int i = 0; i < LIMBS; i++) {
        uint64_t out = a->limb[i] >> (LIMB_BITS - 1);
        a->limb[i] = a->limb[i] << 1 | bit;
        bit = out;
    }
}

static int trailing_zeros(const tfc_wide *a)
{
    int i = 0;
    while (i < LIMBS - 1 && a->limb[i] == 0) i++;
    return i * LIMB_BITS + (a->limb[i] ? __builtin_ctzll(a->limb[i]) : 0);
}

/* *quotient and *rest of a / b, b > 0, bit by bit; both have room. */
static void divide(const tfc_wide *a, const tfc_wide *b, tfc_wide *quotient, tfc_wide *rest)
{
    tfc_wide q = {{0}}, r = {{0}};
    for (int i = used_limbs(a) * LIMB_BITS; i-- > 0;) {
        shift_in(&r, a->limb[i / LIMB_BITS] >> (i % LIMB_BITS) & 1);
        bool fits = compare(&r, b) >= 0;
        if (fits) subtract(&r, b, &r);
        shift_in(&q, fits);
    }
    *quotient = q;
    *rest = r;
}

/* Stein's algorithm; a and b > 0. */
static tfc_wide common_factor(tfc_wide a, tfc_wide b)
{
    int twos_a = trailing_zeros(&a), twos_b = trailing_zeros(&b), twos = twos_a < twos_b ? twos_a : twos_b;
    shift_right(&a, twos_a);
    shift_right(&b, twos_b);
    for (int order; (order = compare(&a, &b)) != 0;) {
        tfc_wide *larger = order > 0 ? &a : &b;
        subtract(larger, order > 0 ? &b : &a, larger);
        shift_right(larger, trailing_zeros(larger));
    }
    while (twos-- > 0) shift_in(&a, 0);
    return a;
}

static void reduce(tfc_wide_rational *a)
{
    tfc_wide rest;
    if (tfc_wide_is_zero(&a->num)) {
        a->den = tfc_wide_of(1);
        return;
    }
    tfc_wide factor = common_factor(a->num, a->den);
    if (factor.limb[0] == 1 && used_limbs(&factor) == 1) return;
    divide(&a->num, &factor, &a->num, &rest);
    divide(&a->den, &factor, &a->den, &rest);
}

static bool multiply_rational(const tfc_wide_rational *a, const tfc_wide_rational *b, tfc_wide_rational *out)
{
    out->negative = a->negative != b->negative;
    return multiply(&a->num, &b->num, &out->num) && multiply(&a->den, &b->den, &out->den);
}

static bool add_rational(const tfc_wide_rational *a, const tfc_wide_rational *b, tfc_wide_rational *out)
{
    tfc_wide left = a->num, right = b->num;
    bool same = is_equal(&a->den, &b->den);
    out->den = a->den;
    if (!same && !(multiply(&a->num, &b->den, &left) && multiply(&b->num, &a->den, &right) &&
                   multiply(&a->den, &b->den, &out->den)))
        return false;
    out->negative = a->negative;
    if (!has_room(&left) || !has_room(&right)) return false;
    if (a->negative == b->negative) {
        add(&left, &right, &out->num);
        return true;
    }
    bool larger = compare(&left, &right) >= 0;
    subtract(larger ? &left : &right, larger ? &right : &left, &out->num);
    if (!larger) out->negative = b->negative;
    return true;
}

static bool apply(const tfc_wide_rational *a, char op, const tfc_wide_rational *b, tfc_wide_rational *out)
{
    bool fits = op == '*' ? multiply_rational(a, b, out) : add_rational(a, b, out);
    return fits && has_room(&out->num) && has_room(&out->den);
}

bool tfc_wide_rational_apply(tfc_wide_rational *a, char op, const tfc_wide_rational *b, int *reductions)
{
    tfc_wide_rational left = *a, right = *b;
    if (op == '/' && tfc_wide_is_zero(&b->num)) return false;
    if (op == '-') right.negative = !right.negative;
    if (op == '/') right = (tfc_wide_rational){b->den, b->num, b->negative};
    op = op == '*' || op == '/' ? '*' : '+';
    if (apply(&left, op, &right, a)) return true;
    if (*reductions == 0) return false;
    --*reductions;
    reduce(&left);
    reduce(&right);
    if (op == '*') { /* 3/7 * 7/5: factors that meet only in the product */
        tfc_wide den = left.den;
        left.den = right.den;
        right.den = den;
        reduce(&left);
        reduce(&right);
    }
    return apply(&left, op, &right, a);
}

/* The digits of a, the most significant first; false when there are more than TFC_WIDE_DIGITS_MAX. */
static bool print_whole(tfc_wide a, char out[TFC_WIDE_DIGITS_MAX + 1])
{
    char reversed[TFC_WIDE_DIGITS_MAX];
    int n = 0;
    do {
        uint64_t rest = 0;
        for (int i = LIMBS; i-- > 0;) {
            double_limb part = (double_limb)rest << LIMB_BITS | a.limb[i];
            a.limb[i] = (uint64_t)(part / 10);
            rest = (uint64_t)(part % 10);
        }
        if (n == TFC_WIDE_DIGITS_MAX) return false;
        reversed[n++] = (char)('0' + rest);
    } while (!tfc_wide_is_zero(&a));
    for (int i = 0; i < n; i++) out[i] = reversed[n - 1 - i];
    out[n] = '\0';
    return true;
}

bool tfc_wide_rational_print(const tfc_wide_rational *a, char out[TFC_WIDE_PRINT_BYTES])
{
    tfc_wide whole, rest, quotient;
    char digits[TFC_WIDE_DIGITS_MAX + 1];
    int cents[2];
    divide(&a->num, &a->den, &whole, &rest);
    bool integer = tfc_wide_is_zero(&rest);
    for (int i = 0; i < 2; i++) {
        tfc_wide_multiply_small(&rest, 10, 0);
        divide(&rest, &a->den, &quotient, &rest);
        cents[i] = (int)quotient.limb[0];
    }
    tfc_wide twice = rest;
    shift_in(&twice, 0);
    int hundredths = cents[0] * 10 + cents[1] + (compare(&twice, &a->den) >= 0);
    if (hundredths == 100) {
        tfc_wide one = tfc_wide_of(1);
        hundredths = 0;
        add(&whole, &one, &whole);
    }
    if (!print_whole(whole, digits)) return false;
    bool negative = a->negative && !(tfc_wide_is_zero(&whole) && (integer || hundredths == 0));
    if (integer)
        snprintf(out, TFC_WIDE_PRINT_BYTES, "%s%s", negative ? "-" : "", digits);
    else
        snprintf(out, TFC_WIDE_PRINT_BYTES, "%s%s.%02d", negative ? "-" : "", digits, hundredths);
    return true;
}
