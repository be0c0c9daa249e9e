/* tokenizer.json: whatever loads must tokenise any text to ids of its vocabulary, detokenise them, and be
 * written so that it loads again. */
#include <stdlib.h>

#include "base/utf8.h"
#include "text/tokenizer_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The file itself is the text: it is of the same letters as the vocabulary. */
static void use(const tfc_tokenizer *tokenizer, const char *text, size_t n, unsigned flags)
{
    int32_t *ids;
    int64_t n_ids;
    char *back;
    size_t n_back;
    if (tfc_tokenize(tokenizer, text, n, flags, &ids, &n_ids, NULL) != TFC_OK) return;
    for (int64_t i = 0; i < n_ids; i++)
        if (ids[i] < 0 || ids[i] >= tfc_tokenizer_n_tokens(tokenizer)) abort();
    if (tfc_detokenize(tokenizer, ids, n_ids, flags & 1, &back, &n_back, NULL) == TFC_OK) tfc_text_free(back);
    tfc_ids_free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tfc_tokenizer *tokenizer = tfc_tokenizer_from_json_text((const char *)data, n, "input", -1, -1, NULL);
    if (!tokenizer) return 0;
    if (n > 4096) n = 4096;
    while (!tfc_utf8_valid((const char *)data, n, NULL)) n--;
    for (unsigned flags = 0; flags < 4; flags++) use(tokenizer, (const char *)data, n, flags);
    char *text;
    size_t n_text;
    if (tfc_tokenizer_write_json(tokenizer, &text, &n_text, NULL) != TFC_OK) abort();
    tfc_tokenizer *again = tfc_tokenizer_from_json_text(text, n_text, "written", -1, -1, NULL);
    if (!again || tfc_tokenizer_n_tokens(again) > tfc_tokenizer_n_tokens(tokenizer)) abort();
    tfc_tokenizer_free(again);
    tfc_text_free(text);
    tfc_tokenizer_free(tokenizer);
    return 0;
}
