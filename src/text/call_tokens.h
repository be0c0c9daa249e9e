/* text/call_tokens.h: which tokens are <API> (PAPER section 7). */
#ifndef TFC_TEXT_CALL_TOKENS_H
#define TFC_TEXT_CALL_TOKENS_H

#include "toolformer/tokenizer.h"

/* Ids of the tokens whose text can begin ` [Name(` for one of the names: " [", " [Cal", … (n_names 0: of any
 * name). Where the vocabulary has no token that starts with " [", those that start with "[" count. Ascending,
 * the caller's (tfc_ids_free); *n may be 0. */
tfc_status tfc_call_begin_tokens(const tfc_tokenizer *tokenizer, const char *const *names, size_t n_names,
                                 int32_t **ids, int64_t *n, tfc_error *err);

#endif
