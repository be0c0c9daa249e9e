/* tools/number.h: reading numbers and words in running text. */
#ifndef TFC_TOOLS_NUMBER_H
#define TFC_TOOLS_NUMBER_H

#include "tools/tool.h"

/* Bytes of the blank (space, tab, no-break space) or of the currency sign ($ € £) at text[at]; 0 when there
 * is none. */
size_t tfc_blank_length(const char *text, size_t n, size_t at);
size_t tfc_currency_length(const char *text, size_t n, size_t at);
/* Where the character before text[at] begins; at > 0. */
size_t tfc_previous(const char *text, size_t at);
/* No letter, digit or underscore at text[at] (right before it). */
bool tfc_word_ends(const char *text, size_t n, size_t at);
bool tfc_word_begins(const char *text, size_t n, size_t at);
/* The number that begins exactly at text[at]; false when there is none, or when `at` is inside of one. */
bool tfc_number_at(const char *text, size_t n, size_t at, tfc_number *number);

/* number_words.c */
/* The number in words, or the word that multiplies or divides (`scales`), that begins exactly at text[at]. */
bool tfc_number_word_at(const char *text, size_t n, size_t at, tfc_number *number);
/* tfc_number_scan with words: the first number of either kind at or after `from`. `80 percent` is a percent.
 */
bool tfc_number_scan_words(const char *text, size_t n, size_t from, tfc_number *number);

#endif
