/* Exact fractions. Common factors are divided out before anything is multiplied, so a result that fits is
 * found. */
#include "tools/rational.h"

#include <string.h>

static const tfc_int128 limit = (tfc_int128)1 << 118;

static tfc_int128 magnitude(tfc_int128 a)
{
    return a < 0 ? -a : a;
}

static tfc_int128 common_factor(tfc_int128 a, tfc_int128 b)
{
    a = magnitude(a);
    b = magnitude(b);
    while (b) {
        tfc_int128 rest = a % b;
        a = b;
        b = rest;
    }
    return a ? a : 1;
}

static bool checked(tfc_int128 num, tfc_int128 den, tfc_rational *out)
{
    if (magnitude(num) >= limit || den >= limit) return false;
    *out = (tfc_rational){num, den};
    return true;
}

bool tfc_rational_make(tfc_int128 num, tfc_int128 den, tfc_rational *out)
{
    if (den == 0 || magnitude(num) >= limit || magnitude(den) >= limit) return false;
    tfc_int128 factor = common_factor(num, den);
    if (den < 0) factor = -factor;
    *out = (tfc_rational){num / factor, den / factor};
    return true;
}

bool tfc_rational_add(tfc_rational a, tfc_rational b, tfc_rational *out)
{
    tfc_int128 factor = common_factor(a.den, b.den), left, right, num, den;
    if (__builtin_mul_overflow(a.num, b.den / factor, &left)) return false;
    if (__builtin_mul_overflow(b.num, a.den / factor, &right)) return false;
    if (__builtin_add_overflow(left, right, &num)) return false;
    /* num and a.den * (b.den / factor) share only divisors of `factor`. */
    tfc_int128 again = common_factor(num, factor);
    if (__builtin_mul_overflow(a.den / again, b.den / factor, &den)) return false;
    return checked(num / again, den, out);
}

bool tfc_rational_subtract(tfc_rational a, tfc_rational b, tfc_rational *out)
{
    b.num = -b.num;
    return tfc_rational_add(a, b, out);
}

bool tfc_rational_multiply(tfc_rational a, tfc_rational b, tfc_rational *out)
{
    tfc_int128 one = common_factor(a.num, b.den), two = common_factor(b.num, a.den), num, den;
    if (__builtin_mul_overflow(a.num / one, b.num / two, &num)) return false;
    if (__builtin_mul_overflow(a.den / two, b.den / one, &den)) return false;
    return checked(num, den, out);
}

bool tfc_rational_divide(tfc_rational a, tfc_rational b, tfc_rational *out)
{
    if (b.num == 0) return false;
    tfc_rational inverse = b.num < 0 ? (tfc_rational){-b.den, -b.num} : (tfc_rational){b.den, b.num};
    return tfc_rational_multiply(a, inverse, out);
}

enum { MAX_DECIMALS = 18 }; /* 10^18 is the last power of ten that 64 bits hold */

/* |a| as whole part and `decimals` digits (at most MAX_DECIMALS), rounded half up: digits = round(|a| *
 * 10^decimals) - whole * 10^decimals. The remainder stays below 2^118, so ten times it fits. */
static void split(tfc_rational a, int decimals, tfc_int128 *whole, int64_t *digits, int64_t *power)
{
    tfc_int128 num = magnitude(a.num), rest = num % a.den;
    *whole = num / a.den;
    *digits = 0;
    *power = 1;
    for (int i = 0; i < decimals; i++) {
        rest *= 10;
        *digits = *digits * 10 + (int64_t)(rest / a.den);
        *power *= 10;
        rest %= a.den;
    }
    if (rest * 2 >= a.den) ++*digits;
    if (*digits == *power) {
        *digits = 0;
        ++*whole;
    }
}

bool tfc_rational_round(tfc_rational a, int decimals, tfc_rational *out)
{
    tfc_int128 whole, num;
    int64_t digits, power;
    if (decimals < 0 || decimals > MAX_DECIMALS) return false;
    split(a, decimals, &whole, &digits, &power);
    if (__builtin_mul_overflow(whole, power, &num) || __builtin_add_overflow(num, digits, &num)) return false;
    return tfc_rational_make(a.num < 0 ? -num : num, power, out);
}
