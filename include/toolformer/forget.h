/* toolformer/forget.h: what a tuned model forgot.
 *
 * The perplexity of a text that no training saw, with calls disabled (tfc_eval_perplexity's `banned`), of the
 * tuned model and of the one that it comes from. */
#ifndef TOOLFORMER_FORGET_H
#define TOOLFORMER_FORGET_H

#include "toolformer/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_forget_result {
    int64_t n_tokens;
    double perplexity;
} tfc_forget_result;

/* data: as tfc_perplexity_params' path; NULL: the library's own text. tools: names whose calls are disabled,
 * as tfc_tools_create has them. */
tfc_status tfc_forget_measure(tfc_session *session, const char *data, const char *tools,
                              const tfc_monitor *monitor, tfc_forget_result *result, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
