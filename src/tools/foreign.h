/* tools/foreign.h: where in a text other languages than English stand. */
#ifndef TFC_TOOLS_FOREIGN_H
#define TFC_TOOLS_FOREIGN_H

#include "lang/lang.h"
#include "tools/tool.h"

/* PAPER 2.4: of the text's chunks of ten tokens, one is in another language than English (confidence > 0.8)
 * and stands between ones that are English (the likeliest guess, however sure). Chunks without letters are
 * neither. */
bool tfc_foreign_between_english(const tfc_lang *lang, const char *text, size_t n);

enum { TFC_FOREIGN_RUNS_MAX = 64, TFC_FOREIGN_BYTES_MAX = 300 };
typedef struct tfc_foreign_run {
    size_t begin, end; /* bytes, without blanks and punctuation at either end */
} tfc_foreign_run;
/* Maximal runs of words that are not English, in order; a quoted phrase is a run of its own. Runs of a single
 * word are told only in another script or in quotes. */
size_t tfc_foreign_runs(const tfc_lang *lang, const char *text, size_t n,
                        tfc_foreign_run runs[TFC_FOREIGN_RUNS_MAX]);

/* True when a run ended before text[at], not far, and text[at] is in none. */
bool tfc_foreign_before(const tfc_lang *lang, const char *text, size_t n, size_t at);
/* MT's enumerating proposer: the runs that end before text[at], the nearest first. */
bool tfc_foreign_enumerate(const char *text, size_t n, size_t at, const char *earlier,
                           const tfc_enumerate_params *params, tfc_proposals *out, tfc_error *err);
/* The paper's look-ahead: the arguments stand in the text from `at` on and not before it. */
bool tfc_foreign_looks_ahead(const char *text, size_t n, size_t at, const char *args, size_t n_args);

#endif
