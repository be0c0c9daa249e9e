/* tools/answer_spans.h: a grammar whose texts are the spans of a text that begin and end with a word. */
#ifndef TFC_TOOLS_ANSWER_SPANS_H
#define TFC_TOOLS_ANSWER_SPANS_H

#include "base/memory.h"
#include "calls/grammar.h"

typedef struct tfc_answer_spans tfc_answer_spans;

/* A legal text is a blank, a span of text[n], and a line break, which ends it. Time and
 * memory grow with n alone. */
tfc_answer_spans *tfc_answer_spans_create(const char *text, size_t n, tfc_error *err);
void tfc_answer_spans_free(tfc_answer_spans *spans);
const tfc_grammar *tfc_answer_spans_grammar(const tfc_answer_spans *spans);

#endif
