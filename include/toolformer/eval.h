/* toolformer/eval.h: prompts with known answers (paper section 4).
 *
 * The call text is stripped before anything is scored. A gold answer that is a number is compared with the
 * first number of the output, or with the one behind its `=` when that number stands in an equation, "5 + 3 =
 * 8" (paper, footnote 7); any other must occur within the first five words (LAMA's rule), words being
 * compared in lower case without the punctuation at their edges.
 *
 * Data: JSON lines {"id","prompt" or "question","answer"} with optional "date" (the day of that prompt) and
 * "tool" (the one that is expected to be called). */
#ifndef TOOLFORMER_EVAL_H
#define TOOLFORMER_EVAL_H

#include "toolformer/decode.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_eval_params {
    const char *task; /* "prompts" (NULL), "asdiv", "svamp", "mawps" */
    const char *data;
    int64_t limit;                /* -1: all */
    tfc_generate_params generate; /* its date is replaced by each prompt's own */
} tfc_eval_params;

/* One example; texts are borrowed during the callback. */
typedef struct tfc_eval_example {
    const char *id, *prompt, *output, *prediction, *gold, *tool; /* tool: as expected, or NULL */
    const tfc_generate_result *generated;
    bool correct, called, called_right; /* called_right: the expected tool was called and gave a result */
    bool strict_correct;                /* by the strict reading of the output */
    bool call_ran;                      /* a call gave a result */
    bool result_right;                  /* … which equals the gold */
    bool copied;                        /* the prediction is a call's result */
} tfc_eval_example;

typedef struct tfc_eval_result {
    int64_t n, correct, called, correct_called, called_right;
    int64_t correct_through; /* right answers after a call of the expected tool */
    int64_t strict_correct, result_right, copied;
    double seconds;
} tfc_eval_result;

/* True for a task's name; *max_tokens (may be NULL) gets the task's own where it has one. */
bool tfc_eval_task_known(const char *name, int64_t *max_tokens);

tfc_status tfc_eval_prompts(tfc_session *session, const tfc_eval_params *params,
                            void (*each)(void *context, const tfc_eval_example *example), void *context,
                            const tfc_monitor *monitor, tfc_eval_result *result, tfc_error *err);

/* The number that counts as predicted, as it is written ("1,938"); false when there is none. begin/end:
 * bytes. */
bool tfc_predicted_number(const char *output, size_t n, size_t *begin, size_t *end);
/* The rule above. *prediction (may be NULL) gets what was compared, the caller's. */
bool tfc_answer_correct(const char *output, const char *gold, char **prediction);

#ifdef __cplusplus
}
#endif
#endif
