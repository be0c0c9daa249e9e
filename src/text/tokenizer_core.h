/* text/tokenizer_core.h: what a tokenizer is inside, for the files that read and write it. */
#ifndef TFC_TEXT_TOKENIZER_CORE_H
#define TFC_TEXT_TOKENIZER_CORE_H

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"

struct tfc_tokenizer {
    tfc_vocab vocab;
    tfc_bpe bpe;
    tfc_pretokenizer pre;
    tfc_added added, added_normalized; /* found before and after normalisation */
    bool nfc;                          /* text is composed first */
    bool ignore_merges;                /* a piece that is a token is taken whole */
    bool adds_bos;
    int32_t bos, eos; /* -1: none */
};

/* An empty one, for the readers. */
tfc_tokenizer *tfc_tokenizer_create(tfc_error *err);
/* When all is set: indexes, checks bos and eos, marks the tokens that end a text. */
tfc_status tfc_tokenizer_finish(tfc_tokenizer *tokenizer, tfc_error *err);

/* tokenizer.json from memory; `what` names it in messages. */
tfc_tokenizer *tfc_tokenizer_from_json_text(const char *text, size_t n, const char *what, int32_t bos_id,
                                            int32_t eos_id, tfc_error *err);

#endif
