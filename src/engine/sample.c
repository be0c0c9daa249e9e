/* Sampling: up to MAX_LIVE requests go on together, one token a step; whoever ends makes room for the next. A
 * step is a pass over whole sequences, of which the KV tree has all but the last token: a request whose keys
 * and values were given up meanwhile is computed again, and nothing else is different. */
#include "engine/masks.h"
#include "engine/sampler.h"
#include "model/layout.h"

enum { MAX_LIVE = TFC_MASKS_AT_ONCE };
_Static_assert(MAX_LIVE <= 64, "a bit for each");

typedef struct live_request {
    tfc_sample_request *request;
    int64_t number; /* of the request, for messages */
    int32_t *ids;   /* [session's capacity] prompt, then new ids */
    int64_t buffer; /* which of the buffers of ids it has */
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
    int64_t V, n_requests;
    int64_t most_live, most_ids; /* requests at once; ids of one, its new ones included */
    tfc_sequence *sequences;     /* [n_requests] */
    int64_t *order, *scratch;    /* [n_requests] */
    int32_t *ids;                /* [most_live][most_ids] */
    float *logits;               /* [most_live, V] */
    uint64_t taken;              /* bit i: buffer i of ids is in use */
    live_request live[MAX_LIVE];
    tfc_item items[MAX_LIVE];
    int64_t n_live;
    int64_t first; /* live[first] belongs to row 0 of the logits */
} sampling;

static void take_arrays(sampling *s, tfc_layout *layout)
{
    size_t n = (size_t)s->n_requests;
    s->sequences = tfc_layout_take(layout, n, sizeof *s->sequences);
    s->order = tfc_layout_take(layout, n, sizeof *s->order);
    s->scratch = tfc_layout_take(layout, n, sizeof *s->scratch);
    s->ids = tfc_layout_take(layout, (size_t)s->most_live * (size_t)s->most_ids, sizeof *s->ids);
}

/* All memory of a call, before anything is computed. No request grows beyond the context and its next id. */
static tfc_status plan_memory(sampling *s, const tfc_sample_request *requests, tfc_error *err)
{
    int64_t longest = s->session->model->hparams.context + 1;
    s->most_live = s->n_requests < MAX_LIVE ? s->n_requests : MAX_LIVE;
    for (int64_t i = 0; i < s->n_requests; i++) {
        int64_t room = longest - requests[i].n_ids;
        int64_t n = requests[i].max_new < room ? requests[i].n_ids + requests[i].max_new : longest;
        if (n > s->most_ids) s->most_ids = n;
    }
    tfc_layout layout = {0};
    take_arrays(s, &layout);
    layout.base = layout.overflow ? NULL : tfc_session_plan_memory(s->session, layout.n_bytes);
    if (!layout.base) return tfc_fail_memory(err, "requests");
    layout.n_bytes = 0;
    take_arrays(s, &layout);
    s->logits = tfc_head_rows(s->session->head, s->most_live);
    return s->logits ? TFC_OK : tfc_fail_memory(err, "logits");
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

static void start_request(sampling *s, tfc_sample_request *request, int64_t number)
{
    int64_t buffer = 0;
    while (s->taken >> buffer & 1) buffer++;
    s->taken |= UINT64_C(1) << buffer;
    live_request *live = &s->live[s->n_live++];
    *live = (live_request){.request = request, .number = number, .n_ids = request->n_ids, .buffer = buffer};
    live->ids = s->ids + buffer * s->most_ids;
    memcpy(live->ids, request->ids, (size_t)request->n_ids * sizeof *live->ids);
    live->state = request->grammar ? request->grammar->start : 0;
    request->n_new = 0;
}

static void draw_task(void *context, int64_t i, int worker)
{
    sampling *s = context;
    live_request *live = &s->live[s->first + i];
    const tfc_sample_request *request = live->request;
    const float *logits = s->logits + i * s->V;
    live->drawn = tfc_sampler_draw(&request->sampler, s->session->model->kernels, logits, s->V, live->mask,
                                   request->banned, request->n_banned, (uint64_t)request->n_new,
                                   &tfc_head_scratch(s->session->head)[worker]);
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
    tfc_masks_begin(session->masks);
    for (int64_t i = 0; i < n; i++) {
        live_request *live = &s->live[s->first + i];
        live->mask = tfc_masks_get(session->masks, live->request->grammar, live->state);
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
            s->taken &= ~(UINT64_C(1) << s->live[i].buffer);
        else
            s->live[n++] = s->live[i];
    }
    s->n_live = n;
}

static tfc_status run(sampling *s, tfc_sample_request *requests, tfc_error *err)
{
    int64_t next = 0;
    while (next < s->n_requests || s->n_live > 0) {
        for (; s->n_live < s->most_live && next < s->n_requests; next++)
            start_request(s, &requests[s->order[next]], s->order[next]);
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
    tfc_status status = TFC_OK;
    sampling s = {.session = session, .V = session->model->hparams.V, .n_requests = n_requests};
    for (int64_t i = 0; i < n_requests && status == TFC_OK; i++)
        status = check_request(session, &requests[i], i, err);
    if (status == TFC_OK) status = plan_memory(&s, requests, err);
    if (status == TFC_OK) {
        for (int64_t i = 0; i < n_requests; i++)
            s.sequences[i] = (tfc_sequence){requests[i].ids, requests[i].n_ids};
        tfc_sequences_order(s.sequences, n_requests, s.order, s.scratch);
        status = run(&s, requests, err);
        tfc_masks_trim(session->masks);
    }
    session->counters.seconds += tfc_seconds_now() - start;
    return status;
}
