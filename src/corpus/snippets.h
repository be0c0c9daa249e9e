/* corpus/snippets.h: cutting a text into snippets that a model reads whole. */
#ifndef TFC_CORPUS_SNIPPETS_H
#define TFC_CORPUS_SNIPPETS_H

#include "base/memory.h"
#include "toolformer/tokenizer.h"

/* Where snippets end; the first begins at 0, each other one where the one before ends. */
typedef struct tfc_cuts {
    size_t *ends;
    size_t n, capacity;
} tfc_cuts;
void tfc_cuts_release(tfc_cuts *cuts);

/* text[n], valid UTF-8 → cuts (used before or zero-initialised). No snippet has more than max_tokens tokens
 * (≥ 1) unless it is a single character; max_tokens 0: one snippet. An empty text has none. */
tfc_status tfc_snippets_cut(const tfc_tokenizer *tokenizer, const char *text, size_t n, int64_t max_tokens,
                            tfc_cuts *cuts, tfc_error *err);

#endif
