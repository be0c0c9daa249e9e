/* tools/rational.h: exact fractions of 128-bit parts. Every operation says whether its result fits; none
 * rounds. */
#ifndef TFC_TOOLS_RATIONAL_H
#define TFC_TOOLS_RATIONAL_H

#include <stdbool.h>
#include <stdint.h>

__extension__ typedef __int128 tfc_int128;
__extension__ typedef unsigned __int128 tfc_uint128;

/* num / den in lowest terms, den > 0; both below 2^118, so that a few more digits can be divided out. */
typedef struct tfc_rational {
    tfc_int128 num, den;
} tfc_rational;

static inline tfc_rational tfc_rational_of(int64_t value)
{
    return (tfc_rational){value, 1};
}

/* num / den in lowest terms; false when den is 0 or a part is too large. */
bool tfc_rational_make(tfc_int128 num, tfc_int128 den, tfc_rational *out);
/* False when the result does not fit, or for a division by zero. */
bool tfc_rational_add(tfc_rational a, tfc_rational b, tfc_rational *out);
bool tfc_rational_subtract(tfc_rational a, tfc_rational b, tfc_rational *out);
bool tfc_rational_multiply(tfc_rational a, tfc_rational b, tfc_rational *out);
bool tfc_rational_divide(tfc_rational a, tfc_rational b, tfc_rational *out);
/* a rounded to `decimals` digits (0 … 18) after the point, half away from zero. */
bool tfc_rational_round(tfc_rational a, int decimals, tfc_rational *out);
static inline bool tfc_rational_equal(tfc_rational a, tfc_rational b)
{
    return a.num == b.num && a.den == b.den;
}

#endif
