/* text/added_tokens.h: tokens that are found in text as they are written, before anything else is done to it.
 */
#ifndef TFC_TEXT_ADDED_TOKENS_H
#define TFC_TEXT_ADDED_TOKENS_H

#include "text/vocab.h"

/* Ids in the order of their spellings. */
typedef struct tfc_added {
    int32_t *ids;
    int32_t n_ids;
    bool starts[256]; /* some token begins with this byte */
} tfc_added;

/* Of the vocabulary's added and special tokens, those with (or without) TFC_TOKEN_NORMALIZED. */
tfc_status tfc_added_init(tfc_added *added, const tfc_vocab *vocab, bool normalized, tfc_error *err);
void tfc_added_release(tfc_added *added);

/* The first token in text[n] at or after `from`, the longest of those that begin there; the blanks that it
 * takes along are within [begin, end), but never before `from`. Special tokens only when `special`. Returns
 * its id, -1: none. */
int32_t tfc_added_find(const tfc_added *added, const tfc_vocab *vocab, const char *text, size_t n,
                       size_t from, bool special, size_t *begin, size_t *end);

#endif
