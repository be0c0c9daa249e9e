/* toolformer/eval.h: the paper's tasks and their scorers (paper section 4).
 *
 * A task turns rows of a data file into prompts with known answers. The prompts are continued with tools; the
 * call text is taken out before anything is scored. Each example keeps what its calls did, so that a wrong
 * answer has a kind: no call, a call without result, a wrong expression, a right result that was not copied,
 * an answer that the scorer does not see.
 *
 *   prompts  {"id","prompt" or "question","answer"} with optional "date" (the day of that prompt) and "tool"
 *            (the one that is expected). A gold that is a number is compared with the first number of the
 *            output, or with the one behind its `=` when that number stands in an equation; any other must
 *            occur within the first five words, in lower case without the punctuation at their edges.
 *   asdiv, svamp, mawps
 *            `context question The answer is`; the first number, or the first one after an `=` (paper,
 * footnote 7). A strict reading is reported beside it: src/eval/scorers.h states both, and when two numbers
 *            are equal.
 *   dateset  the paper's questions about dates (Appendix D), made here from a seed; the gold within five
 * words. calls-not-needed
 *            {"prompt"}: no answer is looked for, only whether a tool is called.
 *
 * Results do not depend on batches or threads. With `out`, each example is a line of that file as soon as it
 * is finished; the same call again goes on behind the last whole line.
 *
 *     tfc_eval_data_params which = {.task = "svamp", .path = "svamp.jsonl", .limit = -1, .share = 1};
 *     tfc_eval_data *data = tfc_eval_data_open(&which, &err);
 *     tfc_eval_params params = {.generate = tfc_generate_params_default()};
 *     params.generate.tools = tools;
 *     tfc_eval_result result;
 *     if (data && tfc_eval_prompts(session, data, &params, NULL, &result, &err) == TFC_OK) …
 *     tfc_eval_data_free(data);
 */
#ifndef TOOLFORMER_EVAL_H
#define TOOLFORMER_EVAL_H

#include "toolformer/decode.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Names of the tasks of prompts, "prompts, asdiv, …"; whether a name is one; the most new tokens that a task
 * asks for (generation's default where it asks for none). */
const char *tfc_eval_task_names(void);
bool tfc_eval_task_known(const char *name);
int64_t tfc_eval_task_max_tokens(const char *name);

typedef struct tfc_eval_data tfc_eval_data; /* checked rows; immutable */

typedef struct tfc_eval_data_params {
    const char *task;
    const char *path; /* NULL with dateset: its own 9,400 questions */
    int64_t limit;    /* the first rows (of the share); -1: all */
    double share;     /* 0 < share ≤ 1: a drawn part of the rows, in their order; 1: all */
    uint64_t seed;    /* of the share, and of dateset's questions */
} tfc_eval_data_params;

/* Errors name the file and the row: TFC_EFORMAT for another format, a row without an answer, an empty file.
 */
tfc_eval_data *tfc_eval_data_open(const tfc_eval_data_params *params, tfc_error *err);
void tfc_eval_data_free(tfc_eval_data *data);
int64_t tfc_eval_data_count(const tfc_eval_data *data);
/* {"id","question","date","answer",…} a line: dateset's questions, for use elsewhere and as --data. */
tfc_status tfc_eval_data_write(const tfc_eval_data *data, const char *path, tfc_error *err);

/* Why an answer is wrong; the first that holds. */
#define TFC_EVAL_FAILURES(X)                                                                                 \
    X(NONE, "none")                                                                                          \
    X(NO_CALL, "no_call")           /* nothing was called */                                                 \
    X(NO_RESULT, "no_result")       /* no call gave a result */                                              \
    X(WRONG_RESULT, "wrong_result") /* no result is the gold: the expression is wrong */                     \
    X(NOT_COPIED, "not_copied")     /* the gold stands in a result and nowhere else */                       \
    X(SCORING, "scoring")           /* the gold stands in the answer too, where the rule does not look */
typedef enum tfc_eval_failure {
#define TFC_X(name, text) TFC_EVAL_##name,
    TFC_EVAL_FAILURES(TFC_X)
#undef TFC_X
        TFC_EVAL_N_FAILURES
} tfc_eval_failure;
const char *tfc_eval_failure_text(tfc_eval_failure failure);

/* One example; texts are borrowed during the callback. */
typedef struct tfc_eval_example {
    const char *id, *prompt, *output, *prediction, *gold; /* gold: "" where none is looked for */
    const char *tool, *date;                              /* as the row names them, or NULL */
    const char *json;                                     /* all of it and its calls, one line */
    bool correct, strict_correct; /* strict: by the strict reading; the same where there is one rule */
    bool called;
    bool called_right; /* the expected tool (any where none is named) was called and gave a result */
    bool call_ran;     /* a call gave a result */
    bool result_right; /* … which is the gold */
    bool copied;       /* the prediction is a call's result */
    tfc_eval_failure failure;
} tfc_eval_example;

typedef struct tfc_eval_params {
    tfc_generate_params generate; /* its date is replaced by each prompt's own */
    const char *out;              /* file of results, gone on with when it is there; NULL: none */
    const tfc_monitor *monitor;
    void (*each)(void *context, const tfc_eval_example *example); /* those of an earlier start too; NULL */
    void *context;
} tfc_eval_params;

typedef struct tfc_eval_interval {
    double low, high; /* 95 %, percentiles of 10,000 resamples */
} tfc_eval_interval;

typedef struct tfc_eval_result {
    const char *task;
    int64_t n, n_resumed; /* n_resumed: those that `out` held already */
    int64_t correct, strict_correct, called, correct_called, called_right, call_ran, result_right, copied;
    int64_t correct_through; /* right answers after a call of the expected tool */
    int64_t failures[TFC_EVAL_N_FAILURES];
    tfc_eval_interval accuracy_interval, strict_interval;
    double seconds;                      /* of this start */
    bool scored;                         /* false: no answers are looked for, only calls */
    tfc_tool_stats tools[TFC_STATS_MAX]; /* [n_tools] of this start */
    size_t n_tools;
} tfc_eval_result;

/* Runs what is not done. TFC_ECONFLICT: `out` holds results of other settings, model or rows; the message
 * names the difference. TFC_EINTERRUPTED, and TFC_EIO where a tool fails more often than its
 * manifest allows: what is finished is in `out`. */
tfc_status tfc_eval_prompts(tfc_session *session, const tfc_eval_data *data, const tfc_eval_params *params,
                            tfc_eval_result *result, tfc_error *err);
/* The summary as one JSON line, the caller's (tfc_text_free); NULL without memory. */
char *tfc_eval_summary(const tfc_eval_result *result);

/* Two systems on the same rows, paired. `difference` is B's share minus A's. */
typedef struct tfc_eval_pairs {
    int64_t a, b;           /* examples that hold for A; for B */
    int64_t only_a, only_b; /* for one of both alone */
    double difference, p;   /* p: McNemar's exact test, two-sided */
    tfc_eval_interval interval;
} tfc_eval_pairs;
typedef struct tfc_eval_comparison {
    int64_t n;
    tfc_eval_pairs correct, strict_correct, called;
} tfc_eval_comparison;
/* Files of results, or the program's output with --json. TFC_ECONFLICT names the first row in which they
 * differ (id, prompt or gold); the seed is that of the resamples. */
tfc_status tfc_eval_compare(const char *a, const char *b, uint64_t seed, tfc_eval_comparison *comparison,
                            tfc_error *err);

/* Perplexity with calls disabled, over windows of a text that share nothing: each begins anew, with the
 * beginning-of-text token, where the model's tokenizer adds one, in the place of its first token. */
typedef struct tfc_perplexity_params {
    const char *path;    /* plain text; or JSON lines with "text", joined by blank lines; gzip too; NULL: the
                            library's own text, short pieces on many subjects that no corpus holds */
    int64_t window;      /* tokens; 512 */
    int64_t max_windows; /* 0: all */
    const tfc_tools *tools; /* whose calls are disabled for `banned`; NULL: any tool's */
    const tfc_monitor *monitor;
} tfc_perplexity_params;
tfc_perplexity_params tfc_perplexity_params_default(void);

typedef struct tfc_perplexity {
    int64_t n_windows, window, n, n_second; /* positions counted; those of the windows' second halves */
    double all, second;                     /* perplexities: every position; the second halves alone */
    double banned;    /* `all` with p(<API>) = 0 and the rest scaled to 1; positions where the text itself has
                         such a token are left out */
    int64_t n_banned; /* positions that were not left out */
    double seconds;
} tfc_perplexity;
tfc_status tfc_eval_perplexity(tfc_session *session, const tfc_perplexity_params *params,
                               tfc_perplexity *result, tfc_error *err);

/* The number that counts as predicted by the rule of `prompts`, as it is written ("1,938"); false when there
 * is none. begin/end: bytes. */
bool tfc_predicted_number(const char *output, size_t n, size_t *begin, size_t *end);
/* The rule of `prompts`. *prediction (may be NULL) gets what was compared, the caller's. */
bool tfc_answer_correct(const char *output, const char *gold, char **prediction);

#ifdef __cplusplus
}
#endif
#endif
