/* Sampling: up to MAX_LIVE requests go on together, one token a step; whoever ends makes room for the next. A
 * step is a pass over whole sequences, of which the KV tree has all but the last token: a request whose keys
 * and values were given up meanwhile is computed again, and nothing else is different. */
#include "engine/masks.h"
#include "engine/sampler.h"
#include "model/layout.h"

enum { MAX_LIVE = 64 };

typedef struct live_request {
    tfc_sample_request *request;
    int64_t number; /* of the request, for messages */
    int32_t *ids;   /* [n_ids + max_new] prompt, then new ids */
    int64_t n_ids;
    int32_t row; /* the wanted one: n_ids - 1 */
    uint32_t state;
    const uint64_t *mask;
    int32_t drawn; /* this step's token; -1: nothing is allowed */
    double lp;
    bool finished;
} live_request;

typedef struct sampling {
    tfc_session *session;
    int64_t V;
    float *logits;                /* [MAX_LIVE, V] */
    tfc_sampler_scratch *scratch; /* [n_threads] */
    live_request live[MAX_LIVE];
    tfc_item items[MAX_LIVE];
    int64_t n_live;
    int64_t first; /* live[first] belongs to row 0 of the logits */
} sampling;

static void take_arrays(sampling *s, tfc_layout *layout)
{
    size_t n_threads = (size_t)tfc_pool_n_threads(s->session->pool), V = (size_t)s->V;
    s->logits = tfc_layout_take(layout, MAX_LIVE * V, sizeof(float));
    s->scratch = tfc_layout_take(layout, n_threads, sizeof *s->scratch);
    for (size_t i = 0; i < n_threads; i++) {
        float *weights = tfc_layout_take(layout, V, sizeof *weights);
        tfc_candidate *candidates = tfc_layout_take(layout, V, sizeof *candidates);
        if (s->scratch) s->scratch[i] = (tfc_sampler_scratch){weights, candidates};
    }
}

static tfc_status plan_memory(sampling *s, tfc_error *err)
{
    tfc_layout layout = {0};
    take_arrays(s, &layout);
    if (!s->session->sample_memory && !layout.overflow)
        s->session->sample_memory = tfc_alloc_aligned(layout.n_bytes, 1);
    if (!s->session->sample_memory) return tfc_fail_memory(err, "logits");
    layout = (tfc_layout){.base = s->session->sample_memory};
    take_arrays(s, &layout);
    return TFC_OK;
}

static tfc_status check_request(const tfc_session *session, const tfc_sample_request *request, int64_t i,
                                tfc_error *err)
{
    tfc_status status = tfc_session_check_ids(session, request->ids, request->n_ids, request->n_ids, i, err);
    if (status == TFC_OK) status = tfc_sampler_check(&request->sampler, i, err);
    if (status != TFC_OK) return status;
    if (request->max_new < 1 || !request->new_ids)
        return tfc_fail(err, TFC_EINVAL, "request %lld asks for %lld new tokens", (long long)i,
                        (long long)request->max_new);
    return TFC_OK;
}

static bool start_request(live_request *live, tfc_sample_request *request, int64_t number)
{
    size_t n = (size_t)request->n_ids + (size_t)request->max_new;
    *live = (live_request){.request = request, .number = number, .n_ids = request->n_ids};
    live->ids = tfc_alloc(n, sizeof *live->ids);
    if (!live->ids) return false;
    memcpy(live->ids, request->ids, (size_t)request->n_ids * sizeof *live->ids);
    live->state = request->grammar ? request->grammar->start : 0;
    request->n_new = 0;
    return true;
}

static void draw_task(void *context, int64_t i, int worker)
{
    sampling *s = context;
    live_request *live = &s->live[s->first + i];
    const tfc_sample_request *request = live->request;
    const float *logits = s->logits + i * s->V;
    live->drawn =
        tfc_sampler_draw(&request->sampler, s->session->model->kernels, logits, s->V, live->mask,
                         request->banned, request->n_banned, (uint64_t)request->n_new, &s->scratch[worker]);
    double log_sum = tfc_head_log_sum(s->session->head, logits);
    live->lp = live->drawn < 0 ? log_sum : (double)logits[live->drawn] - log_sum;
}

static uint32_t feed_token(const sampling *s, const tfc_grammar *grammar, uint32_t state, int32_t id)
{
    size_t n;
    const char *text = tfc_token_text(s->session->model->tokenizer, id, &n);
    for (size_t i = 0; text && i < n; i++)
        state = grammar->step(grammar->context, state, (unsigned char)text[i]);
    return state;
}

/* Takes the drawn token in; sets `finished` and the reason when it was the last. */
static void accept_token(const sampling *s, live_request *live)
{
    tfc_sample_request *request = live->request;
    const tfc_grammar *grammar = request->grammar;
    const tfc_tokenizer *tokenizer = s->session->model->tokenizer;
    live->finished = true;
    if (live->drawn < 0) { /* no token of the vocabulary goes on */
        request->finish = TFC_FINISH_GRAMMAR;
        return;
    }
    if (!request->ignore_eos && tokenizer && tfc_token_ends_text(tokenizer, live->drawn)) {
        request->finish = TFC_FINISH_EOS;
        return;
    }
    request->new_ids[request->n_new] = live->drawn;
    if (request->lps) request->lps[request->n_new] = live->lp;
    request->n_new++;
    live->ids[live->n_ids++] = live->drawn;
    if (grammar) live->state = feed_token(s, grammar, live->state, live->drawn);
    if (request->stop && request->stop(request->context, request->new_ids, request->n_new))
        request->finish = TFC_FINISH_STOP;
    else if (grammar && grammar->accepts(grammar->context, live->state))
        request->finish = TFC_FINISH_GRAMMAR;
    else if (request->n_new == request->max_new)
        request->finish = TFC_FINISH_LENGTH;
    else if (live->n_ids > s->session->model->hparams.context)
        request->finish = TFC_FINISH_CONTEXT;
    else
        live->finished = false;
}

/* Draws for the requests of one pass, whose hidden rows are there. */
static tfc_status draw_pass(sampling *s, const float *hidden, int64_t n, tfc_error *err)
{
    tfc_session *session = s->session;
    for (int64_t i = 0; i < n; i++) {
        live_request *live = &s->live[s->first + i];
        live->mask = tfc_masks_get(session->masks, live->request->grammar, live->state);
        if (!live->mask) return tfc_fail_memory(err, "token masks");
    }
    tfc_head_logits(session->head, hidden, n, s->logits);
    tfc_pool_run(session->pool, n, draw_task, s);
    for (int64_t i = 0; i < n; i++) {
        live_request *live = &s->live[s->first + i];
        if (!(live->lp - live->lp == 0)) return tfc_fail_not_finite(session->model, err);
        accept_token(s, live);
    }
    return TFC_OK;
}

/* One token for every live request, in as many passes as it takes. */
static tfc_status step(sampling *s, tfc_error *err)
{
    tfc_session *session = s->session;
    for (int64_t i = 0; i < s->n_live; i++) {
        live_request *live = &s->live[i];
        /* A request that outgrew the KV memory while it was sampled. */
        tfc_status status =
            tfc_session_check_ids(session, live->ids, live->n_ids, live->n_ids, live->number, err);
        if (status != TFC_OK) return status;
        live->row = (int32_t)live->n_ids - 1;
        s->items[i] = (tfc_item){.ids = live->ids, .n = live->n_ids, .rows = &live->row, .n_rows = 1};
    }
    int64_t cursor = 0;
    s->first = 0;
    while (cursor < s->n_live) {
        const float *hidden;
        int64_t n;
        tfc_status status = tfc_session_pass(session, s->items, s->n_live, &cursor, &hidden, &n, err);
        if (status == TFC_OK) status = draw_pass(s, hidden, n, err);
        if (status != TFC_OK) return status;
        s->first += n;
    }
    return TFC_OK;
}

static void drop_finished(sampling *s)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->n_live; i++) {
        if (s->live[i].finished)
            tfc_free(s->live[i].ids);
        else
            s->live[n++] = s->live[i];
    }
    s->n_live = n;
}

static tfc_status run(sampling *s, tfc_sample_request *requests, const int64_t *order, int64_t n,
                      tfc_error *err)
{
    int64_t next = 0;
    while (next < n || s->n_live > 0) {
        for (; s->n_live < MAX_LIVE && next < n; next++)
            if (!start_request(&s->live[s->n_live++], &requests[order[next]], order[next]))
                return tfc_fail_memory(err, "requests");
        tfc_status status = step(s, err);
        if (status != TFC_OK) return status;
        drop_finished(s);
    }
    return TFC_OK;
}

tfc_status tfc_sample(tfc_session *session, tfc_sample_request *requests, int64_t n_requests, tfc_error *err)
{
    if (n_requests <= 0) return TFC_OK;
    double start = tfc_seconds_now();
    size_t n = (size_t)n_requests;
    tfc_status status = TFC_OK;
    tfc_sequence *sequences = tfc_alloc(n, sizeof *sequences);
    int64_t *order = tfc_alloc(n, sizeof *order);
    sampling *s = tfc_alloc_zero(1, sizeof *s);
    if (!sequences || !order || !s) {
        status = tfc_fail_memory(err, "requests");
        goto cleanup;
    }
    for (int64_t i = 0; i < n_requests && status == TFC_OK; i++) {
        status = check_request(session, &requests[i], i, err);
        sequences[i] = (tfc_sequence){requests[i].ids, requests[i].n_ids};
    }
    if (status != TFC_OK) goto cleanup;
    tfc_sequences_order(sequences, n_requests, order);
    s->session = session;
    s->V = session->model->hparams.V;
    status = plan_memory(s, err);
    if (status == TFC_OK) status = run(s, requests, order, n_requests, err);
    for (int64_t i = 0; i < s->n_live; i++) tfc_free(s->live[i].ids);
    tfc_masks_trim(session->masks);

cleanup:
    tfc_free(sequences);
    tfc_free(order);
    tfc_free(s);
    session->counters.seconds += tfc_seconds_now() - start;
    return status;
}
