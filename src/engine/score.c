/* Scoring: wants are sorted by sequence and position; each pass answers the next of them. */
#include "engine/masks.h"
#include "engine/sampler.h"
#include "model/layout.h"

/* What a call works on. Rows, wants and firsts are in the order of the items. */
typedef struct score_plan {
    int64_t n_requests, n_given; /* requests, wants of all */
    tfc_sequence *sequences;
    int64_t *order, *scratch; /* [the larger of n_requests and the most wants of one request] */
    tfc_item *items;
    int64_t n_items;
    tfc_want **wants;
    int32_t *rows;  /* distinct rows, item after item */
    int64_t *first; /* [n_rows + 1] the first want of each row */
    int64_t n_rows;
} score_plan;

static void take_arrays(score_plan *plan, tfc_layout *layout)
{
    size_t n = (size_t)plan->n_requests, n_wants = (size_t)plan->n_given, most = n > n_wants ? n : n_wants;
    plan->sequences = tfc_layout_take(layout, n, sizeof *plan->sequences);
    plan->items = tfc_layout_take(layout, n, sizeof *plan->items);
    plan->order = tfc_layout_take(layout, most, sizeof *plan->order);
    plan->scratch = tfc_layout_take(layout, most, sizeof *plan->scratch);
    plan->wants = tfc_layout_take(layout, n_wants, sizeof *plan->wants);
    plan->rows = tfc_layout_take(layout, n_wants, sizeof *plan->rows);
    plan->first = tfc_layout_take(layout, n_wants + 1, sizeof *plan->first);
}

static tfc_status check_want(const tfc_session *session, const tfc_score_request *request, int64_t i,
                             const tfc_want *want, tfc_error *err)
{
    int64_t V = session->model->hparams.V;
    if (want->position < 1 || want->position > request->n_ids)
        return tfc_fail(err, TFC_EINVAL, "request %lld: position %lld is not 1 to %lld", (long long)i,
                        (long long)want->position, (long long)request->n_ids);
    switch (want->kind) {
    case TFC_WANT_TOKEN:
        if (want->token >= 0 && want->token < V) return TFC_OK;
        return tfc_fail(err, TFC_EINVAL, "request %lld: wanted token id %d is not 0 to %lld", (long long)i,
                        want->token, (long long)V - 1);
    case TFC_WANT_SET:
        if (want->n_set < 0 || want->n_set > V || (want->n_set && !want->set))
            return tfc_fail(err, TFC_EINVAL, "request %lld: a set of %lld ids", (long long)i,
                            (long long)want->n_set);
        for (int64_t j = 0; j < want->n_set; j++)
            if (want->set[j] < 0 || want->set[j] >= V)
                return tfc_fail(err, TFC_EINVAL, "request %lld: token id %d of a set is not 0 to %lld",
                                (long long)i, want->set[j], (long long)V - 1);
        return TFC_OK;
    case TFC_WANT_DRAW:
        if (!want->draw) return tfc_fail(err, TFC_EINVAL, "request %lld: a draw of nothing", (long long)i);
        return tfc_sampler_check(&want->draw->sampler, i, err);
    case TFC_WANT_TOP:
        if (want->k >= 1 && want->k <= V && want->top) return TFC_OK;
        return tfc_fail(err, TFC_EINVAL, "request %lld: the top %d are not 1 to %lld", (long long)i, want->k,
                        (long long)V);
    }
    return tfc_fail(err, TFC_EINVAL, "request %lld: a want of unknown kind %d", (long long)i,
                    (int)want->kind);
}

/* Checks everything; sequences get how far each has to be computed. */
static tfc_status check_requests(const tfc_session *session, const tfc_score_request *requests, int64_t n,
                                 tfc_sequence *sequences, tfc_error *err)
{
    for (int64_t i = 0; i < n; i++) {
        const tfc_score_request *request = &requests[i];
        int64_t last = 0;
        for (int64_t j = 0; j < request->n_wants; j++) {
            tfc_status status = check_want(session, request, i, &request->wants[j], err);
            if (status != TFC_OK) return status;
            if (request->wants[j].position > last) last = request->wants[j].position;
        }
        tfc_status status = tfc_session_check_ids(session, request->ids, request->n_ids, last, i, err);
        if (status != TFC_OK) return status;
        sequences[i] = (tfc_sequence){request->ids, last};
    }
    return TFC_OK;
}

static bool want_before(const void *context, int64_t a, int64_t b)
{
    const tfc_want *wants = context;
    return wants[a].position < wants[b].position;
}

/* The wants of a request by position, then as they stand in it; order and scratch are free to use. */
static void order_wants(tfc_want **wants, tfc_want *given, int64_t n, int64_t *order, int64_t *scratch)
{
    for (int64_t j = 0; j < n; j++) order[j] = j;
    tfc_order_sort(order, n, scratch, want_before, given);
    for (int64_t j = 0; j < n; j++) wants[j] = &given[order[j]];
}

static void plan_items(score_plan *plan, tfc_score_request *requests)
{
    int64_t n_wants = 0;
    tfc_sequences_order(plan->sequences, plan->n_requests, plan->order, plan->scratch);
    /* The order of the requests moves to the items, so that the arrays are free for each request's wants. */
    for (int64_t k = 0; k < plan->n_requests; k++) plan->items[k].n = plan->order[k];
    for (int64_t k = 0; k < plan->n_requests; k++) {
        tfc_score_request *request = &requests[plan->items[k].n];
        if (request->n_wants <= 0) continue;
        tfc_want **wants = plan->wants + n_wants;
        order_wants(wants, request->wants, request->n_wants, plan->order, plan->scratch);
        tfc_item *item = &plan->items[plan->n_items++];
        *item = (tfc_item){.ids = request->ids, .rows = plan->rows + plan->n_rows};
        for (int64_t j = 0; j < request->n_wants; j++) {
            int64_t row = wants[j]->position - 1;
            if (j == 0 || row != wants[j - 1]->position - 1) {
                plan->first[plan->n_rows] = n_wants + j;
                plan->rows[plan->n_rows++] = (int32_t)row;
                item->n_rows++;
            }
            item->n = row + 1;
        }
        n_wants += request->n_wants;
    }
    plan->first[plan->n_rows] = n_wants;
}

static tfc_status run_plan(tfc_session *session, score_plan *plan, tfc_error *err)
{
    int64_t cursor = 0, row = 0;
    tfc_masks_begin(session->masks);
    const uint64_t *any = tfc_masks_get(session->masks, NULL, 0);
    while (cursor < plan->n_items) {
        const float *hidden;
        int64_t n;
        tfc_status status = tfc_session_pass(session, plan->items, plan->n_items, &cursor, &hidden, &n, err);
        if (status == TFC_OK)
            status = tfc_head_score(session->head, hidden, n, plan->first + row, plan->wants, any, err);
        if (status != TFC_OK) return status;
        row += n;
    }
    return TFC_OK;
}

/* All memory of a call, before anything is computed. */
static tfc_status plan_memory(tfc_session *session, score_plan *plan, tfc_error *err)
{
    tfc_layout layout = {0};
    take_arrays(plan, &layout);
    layout.base = layout.overflow ? NULL : tfc_session_plan_memory(session, layout.n_bytes);
    if (!layout.base) return tfc_fail_memory(err, "requests");
    layout.n_bytes = 0;
    take_arrays(plan, &layout);
    return TFC_OK;
}

tfc_status tfc_score(tfc_session *session, tfc_score_request *requests, int64_t n_requests, tfc_error *err)
{
    if (n_requests <= 0) return TFC_OK;
    double start = tfc_seconds_now();
    score_plan plan = {.n_requests = n_requests};
    for (int64_t i = 0; i < n_requests; i++)
        if (requests[i].n_wants > 0) plan.n_given += requests[i].n_wants;
    tfc_status status = plan_memory(session, &plan, err);
    if (status == TFC_OK) status = check_requests(session, requests, n_requests, plan.sequences, err);
    if (status == TFC_OK) plan_items(&plan, requests);
    if (status == TFC_OK) status = tfc_head_plan(session->head, plan.first, plan.n_rows, plan.wants, err);
    if (status == TFC_OK) status = run_plan(session, &plan, err);
    session->counters.seconds += tfc_seconds_now() - start;
    return status;
}

tfc_status tfc_logits(tfc_session *session, const int32_t *ids, int64_t n_ids, float *logits, tfc_error *err)
{
    tfc_status status = tfc_session_check_ids(session, ids, n_ids, n_ids, 0, err);
    if (status != TFC_OK) return status;
    double start = tfc_seconds_now();
    int32_t row = (int32_t)n_ids - 1;
    tfc_item item = {.ids = ids, .n = n_ids, .rows = &row, .n_rows = 1};
    int64_t cursor = 0, n_wanted = 0;
    const float *hidden = NULL;
    while (cursor == 0 && status == TFC_OK)
        status = tfc_session_pass(session, &item, 1, &cursor, &hidden, &n_wanted, err);
    if (status == TFC_OK) tfc_head_logits(session->head, hidden, n_wanted, logits);
    session->counters.seconds += tfc_seconds_now() - start;
    return status;
}
