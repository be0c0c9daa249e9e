/* toolformer/forget.h: what a tuned model forgot.
 *
 * The perplexity of a text that no training saw, with calls disabled (tfc_eval_perplexity's `banned`), of the
 * tuned model and of the one that it comes from. A model that forgot more than a few per cent should not be
 * passed on: `run` measures, `export` refuses. */
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

/* data: as tfc_perplexity_params' path; NULL: the library's own text. */
tfc_status tfc_forget_measure(tfc_session *session, const char *data, const tfc_monitor *monitor,
                              tfc_forget_result *result, tfc_error *err);

typedef struct tfc_forget_params {
    const char *run;           /* folder with the tuned model in `model` */
    const char *base;          /* the model that it comes from: file or folder */
    const char *data;          /* as above */
    const char *cpu, *operand; /* as tfc_model_params */
    int n_threads;
} tfc_forget_params;

typedef struct tfc_forget_report {
    int64_t n_tokens;
    double base_perplexity, perplexity;
    double change; /* 0.05: five per cent more */
    bool stored;   /* an earlier call had measured it */
} tfc_forget_report;

/* Reads RUN/forgetting.json when it is about these two models and this text; else measures and writes it. */
tfc_status tfc_forget_check(const tfc_forget_params *params, const tfc_monitor *monitor,
                            tfc_forget_report *report, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
