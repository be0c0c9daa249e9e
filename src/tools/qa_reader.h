/* tools/qa_reader.h: what reads an answer out of passages. */
#ifndef TFC_TOOLS_QA_READER_H
#define TFC_TOOLS_QA_READER_H

#include "base/json.h"
#include "base/memory.h"

enum { TFC_ANSWER_TOKENS = 12, TFC_ANSWER_BYTES = 100 };

typedef struct tfc_qa_reader tfc_qa_reader;

/* From the fields "model" (a local one, by name or path; absent: the default model; "none": the best span
 * alone), "spans" (false: the model writes freely), "least_p" (of an answer: the geometric mean of its
 * tokens' probabilities), or "url", "model", "key" (an OpenAI-compatible endpoint). Nothing is opened yet. */
tfc_qa_reader *tfc_qa_reader_create(tfc_json *backend, tfc_error *err);
void tfc_qa_reader_free(tfc_qa_reader *reader);
/* Says what is missing, without opening a model. */
tfc_status tfc_qa_reader_available(const tfc_qa_reader *reader, tfc_error *err);
/* Who reads, for the cache's key. */
const char *tfc_qa_reader_name(const tfc_qa_reader *reader);

/* passages: `Title > text`, [n_passages], a blank line between. TFC_ENORESULT: they hold no answer. The
 * caller's (tfc_free). Thread-safe: a local model reads one question at a time. */
tfc_status tfc_qa_read(tfc_qa_reader *reader, const char *passages, const char *question, int64_t deadline_ns,
                       char **answer, tfc_error *err);

/* The first line without quotes and the point at its end; "" where it says that there is no answer. In place.
 */
void tfc_answer_clean(char *answer);

#endif
