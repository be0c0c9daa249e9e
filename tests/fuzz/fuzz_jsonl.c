/* Corpus lines: what is accepted must be whole UTF-8 in snippets of at most so many tokens, equations hidden
 * or not. */
#include <stdlib.h>

#include "base/utf8.h"
#include "corpus/corpus_reader.h"
#include "corpus/equations.h"
#include "text/tokenizer_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char tokens[] = "{\"model\":{\"vocab\":{\"1\":0,\"2\":1,\"+\":2,\"=\":3,\"Ġ\":4,\".\":5,\"Ċ\":6,"
                             "\"a\":7,\"x\":8,\"/\":9,\"12\":10,"
                             "\"Ġ1\":11},\"merges\":[\"1 2\",\"Ġ "
                             "1\"]},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}}";

static void read_lines(const uint8_t *data, size_t n, bool hide, const tfc_tokenizer *tokenizer)
{
    tfc_corpus_params params = {
        .limit = -1, .max_tokens = 16, .hide_equations = hide, .skip_bad_lines = true};
    tfc_corpus_reader reader = {tfc_corpus_create(NULL), &params, tokenizer, NULL};
    int64_t line = 0;
    for (size_t at = 0; at < n; at++) {
        const uint8_t *end = memchr(data + at, '\n', n - at);
        size_t length = end ? (size_t)(end - data) - at : n - at;
        tfc_corpus_read_line(&reader, "input", ++line, (const char *)data + at, length, NULL);
        at += length;
    }
    for (int64_t i = 0; i < tfc_corpus_n_snippets(reader.corpus); i++) {
        const tfc_snippet *s = tfc_corpus_snippet(reader.corpus, i);
        int32_t *ids;
        int64_t n_ids;
        if (s->n_bytes == 0 || strlen(s->text) != s->n_bytes || !tfc_utf8_valid(s->text, s->n_bytes, NULL))
            abort();
        if (tfc_tokenize(tokenizer, s->text, s->n_bytes, 0, &ids, &n_ids, NULL) != TFC_OK || n_ids > 16)
            abort();
        tfc_ids_free(ids);
    }
    tfc_corpus_free(reader.corpus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static tfc_tokenizer *tokenizer;
    if (!tokenizer)
        tokenizer = tfc_tokenizer_from_json_text(tokens, sizeof tokens - 1, "tokens", -1, -1, NULL);
    for (int hide = 0; hide < 2; hide++) read_lines(data, n, hide, tokenizer);
    char *text = tfc_memdup_text((const char *)data, n);
    if (tfc_utf8_valid(text, n, NULL)) {
        size_t kept = tfc_equations_hide(text, n);
        if (kept > n || !tfc_utf8_valid(text, kept, NULL)) abort();
    }
    tfc_free(text);
    return 0;
}
