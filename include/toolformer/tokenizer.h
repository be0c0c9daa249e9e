/* toolformer/tokenizer.h: text to token ids and back.
 *
 * Byte-level BPE as GGUF files and tokenizer.json describe it. Every text that is valid UTF-8 has ids, and
 * detokenising gives its bytes back, but for bytes that the vocabulary does not hold (some models lack a few
 * control bytes: those vanish). A tokenizer is immutable: any number of threads may use it at once.
 *
 *     int32_t *ids; int64_t n;
 *     tfc_tokenize(tokenizer, "Hello", 5, TFC_TOKENIZE_SPECIAL, &ids, &n, &err);
 *     … tfc_ids_free(ids);
 */
#ifndef TOOLFORMER_TOKENIZER_H
#define TOOLFORMER_TOKENIZER_H

#include "toolformer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_tokenizer tfc_tokenizer;

/* TFC_TOKENIZE_SPECIAL: special tokens written out in the text (<|im_end|>) become their ids; else they are
 * text. TFC_TOKENIZE_ADD_BOS: what the model's tokenizer puts before every text (nothing for most). */
enum { TFC_TOKENIZE_SPECIAL = 1, TFC_TOKENIZE_ADD_BOS = 2 };

/* text[n_bytes] → *ids[*n_ids], the caller's (tfc_ids_free). TFC_EFORMAT when text is no valid UTF-8. */
tfc_status tfc_tokenize(const tfc_tokenizer *tokenizer, const char *text, size_t n_bytes, unsigned flags,
                        int32_t **ids, int64_t *n_ids, tfc_error *err);
void tfc_ids_free(int32_t *ids);

/* The bytes that an id stands for, borrowed; special tokens give their written form; *n gets the number of
 * bytes. NULL for an id outside the vocabulary. */
const char *tfc_token_text(const tfc_tokenizer *tokenizer, int32_t id, size_t *n);

/* ids → bytes, NUL-terminated, the caller's (tfc_text_free). Special tokens are written out when `special`,
 * else left out. The bytes need not be valid UTF-8: a cut sequence may end inside a character. */
tfc_status tfc_detokenize(const tfc_tokenizer *tokenizer, const int32_t *ids, int64_t n_ids, bool special,
                          char **text, size_t *n_bytes, tfc_error *err);

int32_t tfc_tokenizer_n_tokens(const tfc_tokenizer *tokenizer);
bool tfc_token_is_special(const tfc_tokenizer *tokenizer, int32_t id);
int32_t tfc_tokenizer_bos(const tfc_tokenizer *tokenizer); /* -1: none */
int32_t tfc_tokenizer_eos(const tfc_tokenizer *tokenizer); /* -1: none */
bool tfc_tokenizer_adds_bos(const tfc_tokenizer *tokenizer);

/* True for ids that end a text: eos, and end-of-turn / end-of-text tokens that the vocabulary marks as such.
 */
bool tfc_token_ends_text(const tfc_tokenizer *tokenizer, int32_t id);

#ifdef __cplusplus
}
#endif
#endif
