/* toolformer/forget.h: what a tuned model forgot.
 *
 * The perplexity of a text that no training saw, with calls disabled: at each place the tokens that begin a
 * call are banned and the others' probabilities grow accordingly (paper, Table 8). A text's token that is
 * itself one of those is not scored. The library carries a text of its own: short pieces on many subjects.
 *
 * What is measured of a tuned model is compared with the base model's, token for token the same text. */
#ifndef TOOLFORMER_FORGET_H
#define TOOLFORMER_FORGET_H

#include "toolformer/engine.h"
#include "toolformer/tools.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_forget_result {
    int64_t n_texts, n_tokens; /* scored tokens */
    double loss, perplexity;   /* nats a token; its exponential */
} tfc_forget_result;

/* data: JSON lines or plain text (as tfc_corpus_params), NULL: the library's own text. tools: names whose
 * calls are disabled, as tfc_tools_create has them. */
tfc_status tfc_forget_measure(tfc_session *session, const char *data, const char *tools,
                              const tfc_monitor *monitor, tfc_forget_result *result, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
