/* tools/wide_rational.h: exact fractions of 500-bit parts, for what people calculate: products and averages
 * of many decimals. No heap; every operation says whether its result fits, none rounds. tools/rational.h has
 * the small, fast ones. */
#ifndef TFC_TOOLS_WIDE_RATIONAL_H
#define TFC_TOOLS_WIDE_RATIONAL_H

#include <stdbool.h>
#include <stdint.h>

enum { TFC_WIDE_LIMBS = 8 }; /* no part reaches 2^500, so that a digit more always fits */

typedef struct tfc_wide {
    uint64_t limb[TFC_WIDE_LIMBS]; /* the least significant first */
} tfc_wide;

/* ±num / den, den > 0; common factors are divided out only when room is wanted. */
typedef struct tfc_wide_rational {
    tfc_wide num, den;
    bool negative;
} tfc_wide_rational;

static inline tfc_wide tfc_wide_of(uint64_t value)
{
    return (tfc_wide){{value}};
}
bool tfc_wide_is_zero(const tfc_wide *a);
/* a = a * factor + more; false when that is not below 2^500. */
bool tfc_wide_multiply_small(tfc_wide *a, uint64_t factor, uint64_t more);

/* a = a op b. False: it does not fit (a is then undefined), or a division by zero. *reductions is how many
 * times common factors may still be sought: it bounds the time that a chain of operations takes. */
bool tfc_wide_rational_apply(tfc_wide_rational *a, char op, const tfc_wide_rational *b, int *reductions);

/* Integers bare, anything else with two decimals, rounded half away from zero; never "-0". NUL-terminated.
 * False when it has more than TFC_WIDE_DIGITS_MAX digits before the point. */
enum { TFC_WIDE_DIGITS_MAX = 36, TFC_WIDE_PRINT_BYTES = 48 };
bool tfc_wide_rational_print(const tfc_wide_rational *a, char out[TFC_WIDE_PRINT_BYTES]);

#endif
