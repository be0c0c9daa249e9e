/* tools/pattern.h: regular expressions of a manifest, over texts that nobody vouches for. PCRE2's syntax;
 * letters, digits and word boundaries are Unicode's. Every match has a limit on its steps and memory that
 * depends on nothing but pattern and text, so a hostile pair costs milliseconds and counts as no match,
 * everywhere alike. */
#ifndef TFC_TOOLS_PATTERN_H
#define TFC_TOOLS_PATTERN_H

#include "base/memory.h"

typedef struct tfc_pattern tfc_pattern; /* immutable, shared by threads */

enum { TFC_PATTERN_GROUPS = 10, TFC_PATTERN_BYTES_MAX = 10000 };

/* Group 0 is the whole match; groups that took no part have begin = end = 0. */
typedef struct tfc_match {
    size_t begin[TFC_PATTERN_GROUPS], end[TFC_PATTERN_GROUPS];
} tfc_match;

/* NULL: err says what is wrong with it and where. tfc_pattern_free(NULL) is fine. */
tfc_pattern *tfc_pattern_compile(const char *text, tfc_error *err);
void tfc_pattern_free(tfc_pattern *pattern);
int tfc_pattern_groups(const tfc_pattern *pattern); /* capturing groups, without the whole match */

/* It matches somewhere in the text. */
bool tfc_pattern_found(const tfc_pattern *pattern, const char *text, size_t n);
/* It matches from text[at] on; what stands before can be looked behind at. */
bool tfc_pattern_at(const tfc_pattern *pattern, const char *text, size_t n, size_t at);
/* The last `max` matches of the text, the last one first; how many. */
size_t tfc_pattern_last(const tfc_pattern *pattern, const char *text, size_t n, tfc_match *matches,
                        size_t max);

#endif
