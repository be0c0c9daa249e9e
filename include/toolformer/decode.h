/* toolformer/decode.h: writing with tools (paper section 2, inference; section 4.2, decoding).
 *
 * The model writes greedily. When a token that can begin a call is among the top k (k = 10 in the paper), a
 * call is begun under the grammar of the registered tools; when its arguments are closed, decoding stops, the
 * tool runs, ` -> result]` is appended and decoding goes on. Up to max_calls calls are made; one may directly
 * follow another and use its result, but the call that was made last is not made once more. Text before the
 * call, the call up to its arrow, and the result with its bracket are tokenised as separate segments, as in
 * training. */
#ifndef TOOLFORMER_DECODE_H
#define TOOLFORMER_DECODE_H

#include "toolformer/engine.h"
#include "toolformer/runner.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_generate_params {
    const tfc_tools *tools; /* NULL or empty: calls are disabled, the tokens that begin one are banned */
    tfc_runner *runner; /* makes the calls, those of several prompts at the same time; NULL: one of its own
                           with default parameters */
    bool allow_call_tokens; /* with tools empty: do not ban them (plain generation) */
    int64_t max_tokens;     /* new tokens, those of calls included; default 128 */
    double temperature;     /* 0: greedy */
    int32_t sample_top_k;   /* with temperature > 0; 0: all */
    double top_p;
    int32_t call_top_k; /* a call begins when one of its tokens is among the k most probable; default 10; 0:
                           never */
    double call_p;      /* … or when their total probability is at least this; default 0: not used */
    int64_t max_calls;  /* default 1 (the paper) */
    int64_t max_args_tokens; /* default 48 */
    bool ignore_eos;
    bool special;             /* special tokens written in the prompt are taken as such; default true */
    const char *date;         /* for the tools; NULL: today */
    const char *const *dates; /* one a prompt, each NULL or instead of `date`; NULL: none has its own */
    uint64_t seed;
    const tfc_monitor *monitor;
    void (*on_text)(void *context, const char *text, size_t n); /* text as it becomes final; may be NULL */
    void *on_text_context;
} tfc_generate_params;
tfc_generate_params tfc_generate_params_default(void);

typedef struct tfc_made_call {
    char *tool, *args;
    char *result; /* NULL: none */
    char *error;  /* why, or NULL */
    double ms;
    size_t at; /* byte offset in text where the call begins */
} tfc_made_call;

typedef enum tfc_generate_finish {
    TFC_GENERATE_LENGTH,
    TFC_GENERATE_EOS,
    TFC_GENERATE_CONTEXT,
    TFC_GENERATE_INTERRUPTED
} tfc_generate_finish;

typedef struct tfc_generate_result {
    char *text; /* what was written, calls included */
    char *text_without_calls;
    tfc_made_call *calls;
    size_t n_calls;
    int32_t *ids;     /* generated tokens (inserted results included) */
    double *logprobs; /* of each under the model; inserted tokens too */
    int64_t n_tokens;
    tfc_generate_finish finish;
} tfc_generate_result;

/* Continues n prompts together (n = 1 for one). results[n] are filled; release each with
 * tfc_generate_release. A failed tool is data: the call's result is empty (` ]`), its error is kept, decoding
 * goes on. */
tfc_status tfc_generate(tfc_session *session, const char *const *prompts, int64_t n,
                        const tfc_generate_params *params, tfc_generate_result *results, tfc_error *err);
void tfc_generate_release(tfc_generate_result *result);
const char *
tfc_generate_finish_text(tfc_generate_finish finish); /* "length", "eos", "context", "interrupted" */

#ifdef __cplusplus
}
#endif
#endif
