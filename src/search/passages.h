/* search/passages.h: a document → passages of about a hundred words, each with the section it stands in. */
#ifndef TFC_SEARCH_PASSAGES_H
#define TFC_SEARCH_PASSAGES_H

#include "base/memory.h"

enum { TFC_PASSAGE_WORDS = 100, TFC_SECTION_BYTES = 120 };

/* Called for each passage in order; section "" when none is known. What it returns ends the cutting. */
typedef tfc_status tfc_passage_take(void *context, const char *section, const char *text, size_t n,
                                    tfc_error *err);

/* text[n] is valid UTF-8. Headings: `# Heading`, `== Heading ==`, `Section::::A:B.` (KILT), and a short line
 * `Heading.` between paragraphs. Paragraphs of a section are put together while they fit; longer ones are cut
 * at the ends of sentences. Lines of tables are left out. */
tfc_status tfc_passages_cut(const char *title, const char *text, size_t n, tfc_passage_take *take,
                            void *context, tfc_error *err);

/* Bytes up to the end of the first sentence of text[n], blanks behind it included. */
size_t tfc_sentence_length(const char *text, size_t n);

#endif
