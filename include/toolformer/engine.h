/* toolformer/engine.h: scoring and sampling in batches.
 *
 * A session belongs to one thread and holds a key-value cache over one model. Requests are whole token
 * sequences; what they share at their beginnings, with each other and with earlier requests, is computed once
 * and kept while the memory budget lasts. That is invisible: a result has the same bits whatever was cached,
 * whoever shares the batch, and however many threads work (promise 3 of the design).
 *
 * Scoring reads probabilities at places of given sequences:
 *
 *     tfc_want want = {.kind = TFC_WANT_TOKEN, .position = 5, .token = ids[5]};
 *     tfc_score_request request = {.ids = ids, .n_ids = 6, .wants = &want, .n_wants = 1};
 *     tfc_score(session, &request, 1, &err);            // want.lp = log p(ids[5] | ids[0..4])
 *
 * Sampling continues sequences, each under its own sampler, optional grammar and stop rule. */
#ifndef TOOLFORMER_ENGINE_H
#define TOOLFORMER_ENGINE_H

#include "toolformer/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_session tfc_session;

typedef struct tfc_session_params {
    int n_threads;        /* 0: all cores */
    int64_t batch_tokens; /* rows of one forward pass at most; default 1024. Results do not depend on it */
    size_t kv_bytes;      /* memory for keys and values; default 160 MiB, so that a session with everything it
                             needs stays under the packed weights + 256 MiB. Too small for one sequence:
                             TFC_ELIMIT, which says what is needed. Results do not depend on it */
} tfc_session_params;
tfc_session_params tfc_session_params_default(void);

/* The model must outlive the session. params NULL: the default. Packs the model's weights when that is still
 * to do. */
tfc_session *tfc_session_create(tfc_model *model, const tfc_session_params *params, tfc_error *err);
void tfc_session_free(tfc_session *session);
const tfc_model *tfc_session_model(const tfc_session *session);
/* Positions whose keys and values are held at once, at most: what kv_bytes has room for. */
int64_t tfc_session_positions(const tfc_session *session);

typedef struct tfc_sampler {
    double temperature;    /* 0: the most probable (lowest id on ties) */
    int32_t top_k;         /* 0: all */
    double top_p;          /* 1: all */
    uint64_t seed, stream; /* the draw depends on (seed, stream, step) alone */
} tfc_sampler;

/* One token drawn from a distribution. */
typedef struct tfc_draw {
    tfc_sampler sampler;
    uint64_t step;         /* of the draw in its stream */
    const int32_t *banned; /* ids that never come, may be NULL */
    int64_t n_banned;
} tfc_draw;

typedef enum tfc_want_kind {
    TFC_WANT_TOKEN, /* lp = log p(token) */
    TFC_WANT_SET,   /* lp = log of the total probability of set[n_set] (distinct ids); -inf when n_set = 0 */
    TFC_WANT_TOP,   /* top[k] filled: the k most probable, by falling probability, ties by id */
    TFC_WANT_DRAW   /* token = drawn by *draw, lp = log p(token) under the model's own distribution; token -1
                       and lp 0 when no token may come */
} tfc_want_kind;

typedef struct tfc_top {
    int32_t id;
    double lp;
} tfc_top;

/* What is wanted of the distribution at `position`: that of the token standing there, given all before it. 1
 * ≤ position ≤ n_ids (n_ids: of what would come next). Results are written here; lp in nats, computed in f64
 * from f32 logits. */
typedef struct tfc_want {
    tfc_want_kind kind;
    int64_t position;
    int32_t token;
    const int32_t *set;
    int64_t n_set;
    tfc_top *top;
    int32_t k;
    const tfc_draw *draw;
    double lp;
} tfc_want;

typedef struct tfc_score_request {
    const int32_t
        *ids; /* the whole sequence, its beginning-of-text token included where the model wants one */
    int64_t n_ids;
    tfc_want *wants; /* any order; tokens after the last wanted position are not computed */
    int64_t n_wants;
} tfc_score_request;

/* TFC_EINVAL: an id or position out of range; TFC_ELIMIT: longer than the model's context or than the KV
 * memory. On failure some wants may be filled; none is wrong. */
tfc_status tfc_score(tfc_session *session, tfc_score_request *requests, int64_t n_requests, tfc_error *err);

struct tfc_grammar;

typedef struct tfc_sample_request {
    const int32_t *ids;
    int64_t n_ids;   /* ≥ 1 */
    int64_t max_new; /* ≥ 1 */
    tfc_sampler sampler;
    const struct tfc_grammar *grammar; /* library-internal (calls/grammar.h); NULL: free */
    const int32_t *banned;             /* ids that never come, may be NULL */
    int64_t n_banned;
    bool ignore_eos; /* else a token that ends text finishes the request and is not returned */
    /* Called after each new token with all new ones; true ends the request (that token stays). May be NULL.
     */
    bool (*stop)(void *context, const int32_t *ids, int64_t n);
    void *context;
    /* results; new_ids and lps have room for max_new */
    int32_t *new_ids;
    double *lps; /* log p(new id) under the model's own distribution (no temperature, no mask); may be NULL */
    int64_t n_new;
    enum {
        TFC_FINISH_LENGTH,
        TFC_FINISH_STOP,
        TFC_FINISH_EOS,
        TFC_FINISH_GRAMMAR,
        TFC_FINISH_CONTEXT
    } finish;
} tfc_sample_request;

tfc_status tfc_sample(tfc_session *session, tfc_sample_request *requests, int64_t n_requests, tfc_error *err);

/* The raw logits after ids: logits[n_vocab]. For tests and for callers with rules of their own. */
tfc_status tfc_logits(tfc_session *session, const int32_t *ids, int64_t n_ids, float *logits, tfc_error *err);

/* What the session did since it was made. */
typedef struct tfc_session_counters {
    int64_t rows;        /* token positions computed */
    int64_t rows_shared; /* positions of requests that were found in the cache or in the same batch */
    int64_t head_rows;   /* rows that went through the vocabulary */
    int64_t passes;      /* forward passes */
    double seconds;      /* inside the engine */
    double flops;        /* multiply-adds × 2 of what was computed */
} tfc_session_counters;
tfc_session_counters tfc_session_get_counters(const tfc_session *session);

#ifdef __cplusplus
}
#endif
#endif
