/* search/terms.h: text → the terms that are indexed and searched. Passages and questions go through the same
 * code, so that SQLite sees nothing but terms: [a-z0-9] and bytes from 0x80, no syntax of a query. */
#ifndef TFC_SEARCH_TERMS_H
#define TFC_SEARCH_TERMS_H

#include "base/memory.h"

enum { TFC_TERM_MAX = 40 }; /* bytes; longer words are cut */

typedef struct tfc_term {
    char text[TFC_TERM_MAX + 1]; /* lower case, marks of letters taken off, endings cut */
    size_t n;
    size_t begin, end; /* the word's bytes in the text */
    bool stop;         /* a word like `the` and `which`: not indexed */
} tfc_term;

/* The next word of text[n] at or after *at (which moves behind it); false when there is none. Any bytes may
 * come. plain: the endings stay. */
bool tfc_terms_next(const char *text, size_t n, size_t *at, bool plain, tfc_term *term);

/* A title as one term: all its words, endings and stop words included, without what stands in parentheses at
 * its end, behind a mark that begins no word. Nothing is written when it has no word. */
void tfc_terms_title(const char *title, size_t n, tfc_buffer *out);
/* The mark, and the most bytes that follow it. */
#define TFC_TITLE_MARK "\xC2\xA7"
enum { TFC_TITLE_MAX = 80 };

/* Appends the terms of text[n] to `out`, each with a blank behind it, without stop words; returns how many
 * words there were, stop words included. */
size_t tfc_terms_append(const char *text, size_t n, tfc_buffer *out);

#endif
