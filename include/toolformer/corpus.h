/* toolformer/corpus.h: texts as they lie on disk.
 *
 * Files are JSON lines (.jsonl, .jsonl.gz; one document a line) or plain text (anything else: one document a
 * file). Each document is cut into snippets of at most max_tokens tokens at paragraph, line or sentence ends;
 * the snippets of a document put together are its text, byte for byte. Everything is checked: a broken line
 * is an error that names file and line, or is counted and left out when `skip_bad_lines` is set.
 *
 * JSON fields: "text" (needed), "id" (a text or an integer; else FILE:LINE), "url" or metadata.url (or an id
 * that is one), "date", "created" or metadata.date (ISO 8601; the first ten characters count; a "date" that
 * is none is an error). A document without a date takes the one that its URL holds, else `default_date`. An
 * id that stands twice is a broken line too: what a run keeps is known by it. */
#ifndef TOOLFORMER_CORPUS_H
#define TOOLFORMER_CORPUS_H

#include "toolformer/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_corpus tfc_corpus; /* immutable once opened */

typedef struct tfc_corpus_params {
    const char *const *files;
    size_t n_files;
    int64_t limit;       /* most documents; -1: all */
    int64_t max_tokens;  /* of a snippet; default 256; 0: whole documents */
    bool hide_equations; /* `48/2 = 24` becomes `24`; `6 bags * 4 pens = 24 pens` becomes `24 pens` */
    bool skip_bad_lines;
    const char *default_date; /* "YYYY-MM-DD" or NULL */
} tfc_corpus_params;
tfc_corpus_params tfc_corpus_params_default(void);

typedef struct tfc_snippet {
    const char *id; /* the document's, with #0, #1, … when it has several snippets; unique in the corpus */
    const char *text; /* NUL-terminated; holds no NUL */
    size_t n_bytes;
    const char *date; /* "YYYY-MM-DD" or NULL */
    const char *url;  /* or NULL */
    int64_t document; /* index of its document */
} tfc_snippet;

/* Texts borrowed from the corpus. tokenizer may be NULL when max_tokens is 0. */
tfc_corpus *tfc_corpus_open(const tfc_corpus_params *params, const tfc_tokenizer *tokenizer,
                            const tfc_monitor *monitor, tfc_error *err);
void tfc_corpus_free(tfc_corpus *corpus);
int64_t tfc_corpus_n_documents(const tfc_corpus *corpus);
int64_t tfc_corpus_n_snippets(const tfc_corpus *corpus);
int64_t tfc_corpus_n_bad_lines(const tfc_corpus *corpus);
const tfc_snippet *tfc_corpus_snippet(const tfc_corpus *corpus, int64_t i);
uint64_t tfc_corpus_hash(const tfc_corpus *corpus); /* of all snippets' ids, dates and texts, in order */

#ifdef __cplusplus
}
#endif
#endif
