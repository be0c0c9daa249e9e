/* annotate/losses.h: L_i of PAPER section 1.4 as scoring requests.
 *
 * Where the call stands decides the sequence (ids of each part are tokenised alone):
 *   prefix        L(empty) = x            L(z) = z + x           (bos first where the model has one)
 *   demonstrated  L(empty) = H + x        L(z) = H + x_<i + z + x_i…x_{i+4}
 *
 * z is a call, or a chain of two. */
#ifndef TFC_ANNOTATE_LOSSES_H
#define TFC_ANNOTATE_LOSSES_H

#include "annotate/settings.h"
#include "base/memory.h"

/* A snippet's tokens and where each starts. In the prefix context x gets a leading space when it has none. */
typedef struct tfc_tokens {
    int32_t *ids;   /* [n] */
    size_t *start;  /* [n+1] byte of the snippet where token i starts */
    bool *boundary; /* [n] a character starts there: a call may stand before it */
    int64_t n;
} tfc_tokens;

/* Memory from the arena. */
tfc_status tfc_tokens_make(tfc_tokens *tokens, const char *text, size_t n_text, tfc_context context,
                           const tfc_tokenizer *tokenizer, tfc_arena *arena, tfc_error *err);

/* How many tokens carry weight at i: 5, fewer at the end. */
static inline int64_t tfc_loss_span(const tfc_tokens *x, int64_t i)
{
    return x->n - i < TFC_N_WEIGHTS ? x->n - i : TFC_N_WEIGHTS;
}

/* -sum w_t lp_t over span tokens; the normaliser stays that of five (PAPER 1.4). */
double tfc_weighted_loss(const tfc_want *wants, int64_t span);

/* A request for L_i(z), z = head + tail (z NULL parts: n 0). The wants are the span's tokens; memory from the
 * arena. */
typedef struct tfc_loss_request {
    const tfc_tool_plan *plan;
    const tfc_tokens *x;
    int64_t i;
    const int32_t *link_ids; /* a finished call that goes before, or NULL */
    int64_t n_link;
    const int32_t *call_ids; /* ` [Name(args) ->` */
    int64_t n_call;
    const int32_t *tail_ids; /* ` result]` or ` ]` */
    int64_t n_tail;
} tfc_loss_request;
tfc_status tfc_loss_request_make(const tfc_loss_request *in, const tfc_tokenizer *tokenizer,
                                 tfc_score_request *request, tfc_arena *arena, tfc_error *err);

/* Tokens of a text alone, in the arena. */
tfc_status tfc_ids_in_arena(const tfc_tokenizer *tokenizer, const char *text, int32_t **ids, int64_t *n,
                            tfc_arena *arena, tfc_error *err);

/* The tokens of a call with a result (NULL: without): head ` [Name(args) ->` and tail ` result]`. With the
 * bare form of the empty call, head is ` [Name(args)]` and there is no tail. */
typedef struct tfc_call_ids {
    int32_t *head, *tail;
    int64_t n_head, n_tail;
} tfc_call_ids;
tfc_status tfc_call_ids_make(tfc_call_ids *ids, const tfc_tool *tool, const char *args, const char *result,
                             tfc_empty_call empty_call, const tfc_tokenizer *tokenizer, tfc_arena *arena,
                             tfc_error *err);

#endif
