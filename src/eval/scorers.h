/* eval/scorers.h: when an output holds the answer.
 *
 * Numbers (ASDiv, SVAMP, MAWPS). Two readings of the same output, whose call text is already taken out:
 *   literal  the paper's: the first number; if the output holds an equation, the first number after `=`. A
 * sign is not read, neither here nor in the answer. strict   the first number of the first line, as a person
 * would read it: with its sign, and none where it is only a part of something else: a per cent, a mixed
 * number (2 1/2), a date, a clock time or ratio (16:30), an ordinal (16th), a range (16-20), a multiple (16
 * million). A fraction is its value. In an equation it is the last side of that same equation: 2 * 3 + 1 = 6
 * + 1 = 7 says 7. Equality. Two numbers are equal when their values are (1,938 = 1938.00), or when both are
 * written with at least two decimals and differ by at most half a unit of the last decimal that both have:
 * 0.83 is 0.8333333, 0.8 is not. Tools that round to two decimals are right by that rule, and nothing coarser
 * is.
 *
 * Lists of numbers: the first numbers of the output are the list's, in its order.
 *
 * Words (everything else): the gold's words stand in a row within the first five words of the output; in
 * lower case, without the punctuation at their edges. */
#ifndef TFC_EVAL_SCORERS_H
#define TFC_EVAL_SCORERS_H

#include "tools/tool.h"

/* An exact value: numerator / (10^scale · denominator). */
typedef struct tfc_value {
    int64_t numerator, denominator; /* denominator ≥ 1; greater where the text is a fraction, "7/9" */
    int scale;                      /* decimals written */
} tfc_value;

/* True when the text is one number: a sign, a currency sign, digits, `%`, and a unit in parentheses may come
 * with it ("18 (cups)"), or a fraction of whole numbers. "4:5", "8; 40", "5:45" and "Leon" are none. */
bool tfc_value_read(const char *text, tfc_value *value);
/* Equality as above. magnitude: signs are not compared. */
bool tfc_value_equal(const tfc_value *a, const tfc_value *b, bool magnitude);

typedef struct tfc_reading {
    size_t begin, end; /* bytes of the output that were read, sign and currency included; equal: nothing */
    tfc_value value;
} tfc_reading;
bool tfc_read_literal(const char *output, tfc_reading *reading);
bool tfc_read_strict(const char *output, tfc_reading *reading);
/* Where a whole number was read and `/` with another one follows, the fraction is what was read. */
void tfc_reading_fraction(const char *output, size_t n, tfc_reading *reading);

/* Several values, "8; 40" or "17 (years old); 12 (years old)": the number of values, each read as above; 0
 * when the text is no such list. An answer gives them when its first numbers are these, in this order; *end
 * is then behind the last one. */
int tfc_list_length(const char *text);
bool tfc_list_given(const char *output, const char *list, size_t *begin, size_t *end);

/* The first max_words words (0: all) in the form that is compared, each between blanks: " a b ". numerals:
 * 15th becomes 15, and 1,461 becomes 1461. The caller's; NULL without memory. */
char *tfc_normal_words(const char *text, int max_words, bool numerals);
enum { TFC_ANSWER_WORDS = 5 };

#endif
