/* Filtering: PAPER section 1.4. L(e(c,r)) first; L(e(c,empty)) only where it can still
 * matter. */
#include <math.h>

#include "annotate/annotate_group.h"
#include "annotate/choose.h"

/* Scores the candidates for which `wanted` holds, with or without their results, into one of the loss fields.
 */
static tfc_status score(tfc_group *group, bool with_result,
                        bool (*wanted)(const tfc_group *, const tfc_candidate *), tfc_error *err)
{
    tfc_score_request *requests =
        tfc_arena_alloc(&group->arena, (size_t)group->n_candidates, sizeof *requests);
    int64_t *owner = tfc_arena_alloc(&group->arena, (size_t)group->n_candidates, sizeof *owner);
    if (!requests || !owner) return tfc_fail_memory(err, "scoring");
    int64_t n = 0;
    tfc_status status = TFC_OK;
    for (int64_t c = 0; c < group->n_candidates && status == TFC_OK; c++) {
        const tfc_candidate *candidate = &group->candidates[c];
        const tfc_work *work = &group->works[group->candidate_work[c]];
        if (!wanted(group, candidate)) continue;
        tfc_call_ids ids;
        status =
            tfc_call_ids_make(&ids, work->plan->tool, candidate->args, with_result ? candidate->result : NULL,
                              group->settings->recipe.empty_call, group->tokenizer, &group->arena, err);
        tfc_loss_request in = {.plan = work->plan,
                               .x = work->x,
                               .i = candidate->token,
                               .link_ids = candidate->link ? candidate->link->ids : NULL,
                               .n_link = candidate->link ? candidate->link->n_ids : 0,
                               .call_ids = ids.head,
                               .n_call = ids.n_head,
                               .tail_ids = ids.tail,
                               .n_tail = ids.n_tail};
        if (status == TFC_OK)
            status = tfc_loss_request_make(&in, group->tokenizer, &requests[n], &group->arena, err);
        owner[n++] = c;
    }
    if (status == TFC_OK) status = tfc_score(group->session, requests, n, err);
    for (int64_t r = 0; r < n && status == TFC_OK; r++) {
        tfc_candidate *candidate = &group->candidates[owner[r]];
        double loss = tfc_weighted_loss(requests[r].wants, requests[r].n_wants);
        if (with_result)
            candidate->loss_result = loss;
        else
            candidate->loss_call = loss;
    }
    return status;
}

static bool has_result(const tfc_group *group, const tfc_candidate *candidate)
{
    (void)group;
    return candidate->result != NULL;
}

static bool needs_result(const tfc_group *group, const tfc_candidate *candidate)
{
    return candidate->result && !(candidate->unlikely && group->settings->pruning);
}

/* What a candidate has to beat, as far as it is known: L- is at most that. */
static double baseline(const tfc_candidate *candidate)
{
    double loss = fmin(candidate->loss_empty, candidate->loss_call);
    return candidate->link ? fmin(loss, candidate->link->loss_result) : loss;
}

/* Below tau_f nothing that another loss says can help. */
static bool may_pass(const tfc_group *group, const tfc_candidate *candidate)
{
    if (!needs_result(group, candidate)) return false;
    return !group->settings->pruning || baseline(candidate) - candidate->loss_result >= candidate->tau_f;
}

/* Scores the first calls alone of the chains for which `wanted` holds, each once: a chain is to beat its
 * first call with its result. On the first call without a result nothing depends; it is there to be looked
 * at. */
static tfc_status score_links(tfc_group *group, bool with_result,
                              bool (*wanted)(const tfc_group *, const tfc_candidate *), tfc_error *err)
{
    size_t capacity = (size_t)group->n_candidates;
    tfc_score_request *requests = tfc_arena_alloc(&group->arena, capacity, sizeof *requests);
    tfc_link **owner = tfc_arena_alloc(&group->arena, capacity, sizeof *owner);
    if (!requests || !owner) return tfc_fail_memory(err, "scoring");
    int64_t n = 0;
    tfc_status status = TFC_OK;
    for (int64_t c = 0; c < group->n_candidates; c++)
        if (group->candidates[c].link) group->candidates[c].link->chosen = false;
    for (int64_t c = 0; c < group->n_candidates && status == TFC_OK; c++) {
        const tfc_candidate *candidate = &group->candidates[c];
        const tfc_work *work = &group->works[group->candidate_work[c]];
        tfc_link *link = candidate->link;
        if (!link || link->chosen || !wanted(group, candidate)) continue;
        link->chosen = true;
        tfc_call_ids ids;
        status = tfc_call_ids_make(&ids, link->of, link->args, with_result ? link->result : NULL,
                                   group->settings->recipe.empty_call, group->tokenizer, &group->arena, err);
        tfc_loss_request in = {.plan = work->plan,
                               .x = work->x,
                               .i = candidate->token,
                               .call_ids = ids.head,
                               .n_call = ids.n_head,
                               .tail_ids = ids.tail,
                               .n_tail = ids.n_tail};
        if (status == TFC_OK)
            status = tfc_loss_request_make(&in, group->tokenizer, &requests[n], &group->arena, err);
        owner[n++] = link;
    }
    if (status == TFC_OK) status = tfc_score(group->session, requests, n, err);
    for (int64_t r = 0; r < n && status == TFC_OK; r++) {
        double loss = tfc_weighted_loss(requests[r].wants, requests[r].n_wants);
        *(with_result ? &owner[r]->loss_result : &owner[r]->loss_call) = loss;
    }
    return status;
}

static void decide(const tfc_group *group, tfc_candidate *candidate)
{
    if (!candidate->result) return;
    if (candidate->unlikely) {
        candidate->reason = "the model would hardly write this call";
        return;
    }
    if (group->settings->recipe.filter == TFC_FILTER_NONE) {
        candidate->kept = true;
        candidate->reason = "there is no filter";
        return;
    }
    if (isnan(candidate->loss_call)) {
        candidate->reason =
            candidate->link && !isnan(candidate->link->loss_result)
                ? "the loss with the first call alone exceeds that with the chain by less than tau_f"
                : "the loss without a call exceeds that with the result by less than tau_f";
        return;
    }
    double gain = baseline(candidate) - candidate->loss_result;
    candidate->kept = gain >= candidate->tau_f;
    candidate->reason = candidate->kept ? "gain reaches tau_f" : "gain is below tau_f";
}

/* log p(` [Name(args) ->` | scan context, x_<i): what the model thinks of writing this call there. Of a
 * chain, both calls count; the first one's result is given. */
static tfc_status likelihood_request(tfc_group *group, const tfc_candidate *candidate, const tfc_work *work,
                                     tfc_score_request *request, tfc_error *err)
{
    tfc_call_ids call;
    tfc_status status = tfc_call_ids_make(&call, work->plan->tool, candidate->args, "", TFC_EMPTY_ARROW,
                                          group->tokenizer, &group->arena, err);
    if (status != TFC_OK) return status;
    const tfc_link *link = candidate->link;
    int64_t n_link = link ? link->n_ids : 0, begin = work->n_scan + candidate->token, before = begin + n_link;
    int64_t n = before + call.n_head, n_wants = 0;
    int32_t *ids = tfc_arena_alloc(&group->arena, (size_t)n, sizeof *ids);
    tfc_want *wants = tfc_arena_alloc(&group->arena, (size_t)(n_link + call.n_head), sizeof *wants);
    if (!ids || !wants) return tfc_fail_memory(err, "likelihood");
    if (work->n_scan) memcpy(ids, work->scan_ids, (size_t)work->n_scan * sizeof *ids);
    if (candidate->token) memcpy(ids + work->n_scan, work->x->ids, (size_t)candidate->token * sizeof *ids);
    if (n_link) memcpy(ids + begin, link->ids, (size_t)n_link * sizeof *ids);
    if (call.n_head) memcpy(ids + before, call.head, (size_t)call.n_head * sizeof *ids);
    for (int64_t t = begin > 0 ? 0 : 1; link && t < link->n_head; t++)
        wants[n_wants++] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = begin + t, .token = link->ids[t]};
    for (int64_t t = before > 0 ? 0 : 1; t < call.n_head; t++)
        wants[n_wants++] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = before + t, .token = call.head[t]};
    *request = (tfc_score_request){.ids = ids, .n_ids = n, .wants = wants, .n_wants = n_wants};
    return TFC_OK;
}

static bool passed(const tfc_group *group, const tfc_candidate *candidate)
{
    /* Without pruning, of all that were scored. */
    return candidate->kept || (!group->settings->pruning && candidate->result);
}

static tfc_status score_likelihoods(tfc_group *group,
                                    bool (*wanted)(const tfc_group *, const tfc_candidate *), tfc_error *err)
{
    size_t capacity = (size_t)group->n_candidates;
    tfc_score_request *requests = tfc_arena_alloc(&group->arena, capacity, sizeof *requests);
    tfc_candidate **owner = tfc_arena_alloc(&group->arena, capacity, sizeof *owner);
    if (!requests || !owner) return tfc_fail_memory(err, "likelihood");
    int64_t n = 0;
    tfc_status status = TFC_OK;
    for (int64_t c = 0; c < group->n_candidates && status == TFC_OK; c++) {
        tfc_candidate *candidate = &group->candidates[c];
        if (!wanted(group, candidate)) continue;
        status =
            likelihood_request(group, candidate, &group->works[group->candidate_work[c]], &requests[n], err);
        owner[n++] = candidate;
    }
    if (status == TFC_OK) status = tfc_score(group->session, requests, n, err);
    for (int64_t r = 0; r < n && status == TFC_OK; r++) {
        double sum = 0;
        for (int64_t t = 0; t < requests[r].n_wants; t++) sum += requests[r].wants[t].lp;
        owner[r]->likelihood = sum;
    }
    return status;
}

/* Where the recipe names a least likelihood, it comes before the losses: a call below it is not scored. */
static tfc_status judge_likelihoods(tfc_group *group, tfc_error *err)
{
    double least = group->settings->recipe.min_likelihood;
    if (isnan(least)) return TFC_OK;
    tfc_status status = score_likelihoods(group, has_result, err);
    for (int64_t c = 0; c < group->n_candidates && status == TFC_OK; c++) {
        tfc_candidate *candidate = &group->candidates[c];
        candidate->unlikely = candidate->result && candidate->likelihood < least;
    }
    return status;
}

tfc_status tfc_group_judge(tfc_group *group, tfc_error *err)
{
    const tfc_recipe *recipe = &group->settings->recipe;
    bool filters = recipe->filter == TFC_FILTER_GAIN;
    tfc_status status = judge_likelihoods(group, err);
    if (status == TFC_OK && filters) status = score(group, true, needs_result, err);
    if (status == TFC_OK && filters) status = score_links(group, true, may_pass, err);
    if (status == TFC_OK && filters) status = score(group, false, may_pass, err);
    for (int64_t c = 0; c < group->n_candidates && status == TFC_OK; c++)
        decide(group, &group->candidates[c]);
    if (status == TFC_OK && filters) status = score_links(group, false, passed, err);
    if (status == TFC_OK && isnan(recipe->min_likelihood) && tfc_choose_needs_likelihood(recipe->choose))
        status = score_likelihoods(group, passed, err);
    return status;
}
