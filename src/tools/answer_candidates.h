/* tools/answer_candidates.h: the spans of passages that may answer a question: names, dates, numbers. */
#ifndef TFC_TOOLS_ANSWER_CANDIDATES_H
#define TFC_TOOLS_ANSWER_CANDIDATES_H

#include "base/memory.h"

enum { TFC_ANSWER_CANDIDATES = 256 };

typedef struct tfc_answer_candidate {
    size_t begin, end; /* bytes of the passages' text */
    double score;      /* what it is beside what the question asks for, and the question's words around it */
} tfc_answer_candidate;

/* passages: a line each, `Title > text`, the best first. Distinct texts by falling score, the earlier first;
 * *n of them. No span's words all stand in the question. */
tfc_status tfc_answer_candidates(const char *passages, const char *question,
                                 tfc_answer_candidate out[TFC_ANSWER_CANDIDATES], size_t *n, tfc_error *err);

#endif
