/* Chains: a call that uses the result of one that goes before it at the same place, e(c1,r1) e(c2,r2).
 *
 * A tool follows another one when its manifest says so ("after") and the recipe allows chains. A call without
 * arguments (`Calendar()`) may begin a chain anywhere, whether or not it was tried there by itself; others
 * begin one where they were tried and gave a result. The second call's arguments are enumerated from that
 * result, or sampled behind it. Calls that the text alone suggests are no second members: they stand by
 * themselves already. */
#include <math.h>

#include "annotate/annotate_group.h"

tfc_enumerate_params tfc_group_enumerating(const tfc_group *group)
{
    const tfc_recipe *recipe = &group->settings->recipe;
    return (tfc_enumerate_params){.max_numbers = (size_t)recipe->max_numbers,
                                  .max_args = (size_t)recipe->max_enumerated,
                                  .max_operands = (int)recipe->max_operands,
                                  .words = recipe->number_words,
                                  .repeat = recipe->repeat_operands};
}

/* A finished call with its tokens; its texts live as long as the arena. */
static tfc_status link_make(tfc_group *group, tfc_link *link, const tfc_tool *tool, const char *args,
                            const char *result, tfc_error *err)
{
    tfc_call_ids call;
    tfc_status status =
        tfc_call_ids_make(&call, tool, args, result, TFC_EMPTY_ARROW, group->tokenizer, &group->arena, err);
    if (status != TFC_OK) return status;
    int64_t n = call.n_head + call.n_tail;
    int32_t *ids = tfc_arena_alloc(&group->arena, (size_t)n, sizeof *ids);
    if (!ids) return tfc_fail_memory(err, "chain");
    if (call.n_head) memcpy(ids, call.head, (size_t)call.n_head * sizeof *ids);
    if (call.n_tail) memcpy(ids + call.n_head, call.tail, (size_t)call.n_tail * sizeof *ids);
    *link = (tfc_link){.of = tool,
                       .tool = tool->name,
                       .args = args,
                       .result = result,
                       .loss_call = NAN,
                       .loss_result = NAN,
                       .ids = ids,
                       .n_head = call.n_head,
                       .n_ids = n};
    return TFC_OK;
}

/* `Name()`, run once for the snippet. A tool that gives no result begins no chain. */
static tfc_status add_leader(tfc_group *group, tfc_work *work, const tfc_tool *tool, tfc_error *err)
{
    tfc_tool_job job = {.tool = tool, .args = "", .context = {.date = group->snippets[work->snippet]->date}};
    tfc_error own;
    tfc_error_init(&own);
    tfc_batch *batch = tfc_runner_submit(group->runner, &job, 1, &own);
    tfc_status status = batch ? tfc_batch_wait(batch, group->monitor, &own) : own.status;
    if (status != TFC_OK && err) *err = own;
    char *kept = NULL;
    if (status == TFC_OK && job.status == TFC_OK) {
        kept = tfc_arena_strndup(&group->arena, job.text, strlen(job.text));
        if (!kept) status = tfc_fail_memory(err, "result");
    } else if (status == TFC_OK && job.status != TFC_ENORESULT) {
        group->counts[work->snippet].failed++;
    }
    tfc_batch_free(batch);
    if (status != TFC_OK || !kept) return status;
    return link_make(group, &work->leaders[work->n_leaders++], tool, "", kept, err);
}

tfc_status tfc_chain_leaders(tfc_group *group, tfc_work *work, tfc_error *err)
{
    const tfc_tool_plan *plan = work->plan;
    if (plan->n_leaders == 0) return TFC_OK;
    work->leaders = tfc_arena_alloc(&group->arena, plan->n_leaders, sizeof *work->leaders);
    if (!work->leaders) return tfc_fail_memory(err, "chains");
    for (size_t l = 0; l < plan->n_leaders; l++) {
        if (plan->leaders[l]->args_form != TFC_ARGS_NONE) {
            work->open_leaders = true;
            continue;
        }
        tfc_status status = add_leader(group, work, plan->leaders[l], err);
        if (status != TFC_OK) return status;
    }
    if (work->n_leaders == 0 || plan->proposer == TFC_PROPOSER_SAMPLE) return TFC_OK;
    work->chained =
        tfc_arena_alloc(&group->arena, (size_t)(work->n_leaders * work->x->n), sizeof *work->chained);
    return work->chained ? TFC_OK : tfc_fail_memory(err, "chains");
}

static bool is_among(const tfc_proposals *proposals, const char *args)
{
    for (size_t i = 0; i < proposals->n_args; i++)
        if (strcmp(proposals->args[i], args) == 0) return true;
    return false;
}

/* Arguments for token i that use `result`, but for those that the text alone suggests too. */
static tfc_status enumerate_after(tfc_group *group, const tfc_work *work, int64_t i, const char *result,
                                  tfc_proposals *out, tfc_error *err)
{
    const tfc_snippet *snippet = group->snippets[work->snippet];
    const tfc_enumerate_params enumerating = tfc_group_enumerating(group);
    tfc_error own;
    tfc_error_init(&own);
    tfc_tool_enumerate(work->plan->tool, snippet->text, snippet->n_bytes, work->x->start[i], result,
                       &enumerating, out, &own);
    if (own.status != TFC_OK) {
        if (err) *err = own;
        return own.status;
    }
    size_t n = 0;
    for (size_t a = 0; a < out->n_args; a++) {
        if (is_among(&work->proposals[i], out->args[a]))
            tfc_free(out->args[a]);
        else
            out->args[n++] = out->args[a];
    }
    out->n_args = n;
    return TFC_OK;
}

tfc_status tfc_chain_enumerate(tfc_group *group, tfc_work *work, int64_t i, bool *found, tfc_error *err)
{
    *found = work->open_leaders;
    tfc_status status = TFC_OK;
    for (int64_t l = 0; l < work->n_leaders && status == TFC_OK; l++) {
        tfc_proposals *proposals = &work->chained[l * work->x->n + i];
        status = enumerate_after(group, work, i, work->leaders[l].result, proposals, err);
        *found = *found || proposals->n_args > 0;
    }
    return status;
}

/* ---- candidates ---- */

/* One beginning of a chain at one place, and where its samples lie. */
typedef struct beginning {
    int64_t place;
    tfc_link *link;
    int64_t leader; /* in work->leaders, or -1 */
    int64_t first_sample, n_samples;
} beginning;

typedef struct beginnings {
    beginning *items;
    int64_t n, capacity;
} beginnings;

static tfc_link *add_beginning(tfc_group *group, beginnings *all, int64_t place, int64_t leader,
                               tfc_error *err)
{
    if (all->n == all->capacity) {
        int64_t capacity = all->capacity ? 2 * all->capacity : 64;
        beginning *items = tfc_arena_alloc(&group->arena, (size_t)capacity, sizeof *items);
        if (items && all->n) memcpy(items, all->items, (size_t)all->n * sizeof *items);
        if (!items) {
            tfc_fail_memory(err, "chains");
            return NULL;
        }
        all->items = items;
        all->capacity = capacity;
    }
    tfc_link *link = tfc_arena_alloc(&group->arena, 1, sizeof *link);
    if (!link) {
        tfc_fail_memory(err, "chains");
        return NULL;
    }
    all->items[all->n++] = (beginning){.place = place, .link = link, .leader = leader};
    return link;
}

static bool follows(const tfc_tool_plan *plan, const tfc_tool *tool)
{
    for (size_t l = 0; l < plan->n_leaders; l++)
        if (plan->leaders[l] == tool) return true;
    return false;
}

/* The beginnings at one place: the calls without arguments, then what was tried there and has a result. */
static tfc_status find_beginnings(tfc_group *group, beginnings *all, int64_t place, int64_t n_candidates,
                                  tfc_error *err)
{
    const tfc_work *work = &group->works[group->place_work[place]];
    tfc_link *link;
    for (int64_t l = 0; l < work->n_leaders; l++) {
        if (work->chained && work->plan->proposer == TFC_PROPOSER_ENUMERATE &&
            work->chained[l * work->x->n + group->places[place].token].n_args == 0)
            continue;
        if (!(link = add_beginning(group, all, place, l, err))) return TFC_ENOMEM;
        *link = work->leaders[l];
    }
    for (int64_t c = 0; work->open_leaders && c < n_candidates; c++) {
        const tfc_candidate *candidate = &group->candidates[c];
        const tfc_work *other = &group->works[group->candidate_work[c]];
        if (!candidate->result || other->snippet != work->snippet ||
            candidate->at != group->places[place].at || other->plan->tool->args_form == TFC_ARGS_NONE ||
            !follows(work->plan, other->plan->tool))
            continue;
        if (!(link = add_beginning(group, all, place, -1, err))) return TFC_ENOMEM;
        tfc_status status =
            link_make(group, link, other->plan->tool, candidate->args, candidate->result, err);
        if (status != TFC_OK) return status;
    }
    return TFC_OK;
}

/* Adds a second member, or counts it with its equal; none that is a candidate of the place by itself. */
static tfc_status add_member(tfc_group *group, const beginning *b, const char *args, size_t n_args,
                             const char *error, const char *proposer, tfc_error *err)
{
    const tfc_place *place = &group->places[b->place];
    int64_t work = group->place_work[b->place], n = 0;
    for (int64_t c = 0; c < group->n_candidates; c++) {
        tfc_candidate *old = &group->candidates[c];
        if (group->candidate_work[c] != work || old->token != place->token) continue;
        n++;
        if (strlen(old->args) != n_args || memcmp(old->args, args, n_args) != 0 || !old->error != !error)
            continue;
        if (old->link && old->link != b->link) continue;
        old->times++;
        group->counts[group->works[work].snippet].pruned_duplicates++;
        return TFC_OK;
    }
    char *own = tfc_arena_strndup(&group->arena, args, n_args);
    tfc_candidate *candidate = own ? tfc_group_add_candidate(group, work, err) : NULL;
    if (!candidate) return tfc_fail_memory(err, "candidate");
    *candidate = (tfc_candidate){.snippet = place->snippet,
                                 .tool = place->tool,
                                 .token = place->token,
                                 .n = n,
                                 .at = place->at,
                                 .args = own,
                                 .proposer = proposer,
                                 .times = 1,
                                 .error = error,
                                 .loss_empty = place->loss_empty,
                                 .loss_call = NAN,
                                 .loss_result = NAN,
                                 .link = b->link,
                                 .likelihood = NAN,
                                 .tau_f = group->works[work].plan->tau_f,
                                 .reason = error ? error : ""};
    return TFC_OK;
}

static tfc_status add_enumerated(tfc_group *group, const beginning *b, tfc_error *err)
{
    const tfc_work *work = &group->works[group->place_work[b->place]];
    int64_t token = group->places[b->place].token;
    tfc_proposals fresh = {0};
    const tfc_proposals *proposals = &fresh;
    tfc_status status = TFC_OK;
    if (b->leader >= 0)
        proposals = &work->chained[b->leader * work->x->n + token];
    else
        status = enumerate_after(group, work, token, b->link->result, &fresh, err);
    for (size_t a = 0; a < proposals->n_args && status == TFC_OK; a++)
        status = add_member(group, b, proposals->args[a], strlen(proposals->args[a]), NULL, "enumerate", err);
    tfc_proposals_release(&fresh);
    return status;
}

static tfc_status add_sampled(tfc_group *group, const beginning *b, const tfc_sample_request *requests,
                              tfc_error *err)
{
    const tfc_tool *tool = group->works[group->place_work[b->place]].plan->tool;
    tfc_status status = TFC_OK;
    for (int64_t s = 0; s < b->n_samples && status == TFC_OK; s++) {
        const char *args = NULL, *error = NULL;
        size_t n_args = 0;
        status =
            tfc_group_sampled_args(group, &requests[b->first_sample + s], tool, &args, &n_args, &error, err);
        if (status == TFC_OK) status = add_member(group, b, args, n_args, error, "sample", err);
    }
    return status;
}

/* Asks the model for the second members of all beginnings together. */
static tfc_status sample_members(tfc_group *group, beginnings *all, tfc_sample_request **requests,
                                 tfc_error *err)
{
    int64_t capacity = 0, n = 0;
    for (int64_t b = 0; b < all->n; b++)
        capacity += group->works[group->place_work[all->items[b].place]].plan->m;
    *requests = tfc_arena_alloc(&group->arena, (size_t)capacity, sizeof **requests);
    if (!*requests) return tfc_fail_memory(err, "samples");
    tfc_status status = TFC_OK;
    for (int64_t i = 0; i < all->n && status == TFC_OK; i++) {
        beginning *b = &all->items[i];
        const tfc_tool_plan *plan = group->works[group->place_work[b->place]].plan;
        if (plan->proposer == TFC_PROPOSER_ENUMERATE) continue;
        b->first_sample = n;
        status = tfc_group_request_samples(group, b->place, b->link, *requests, &n, err);
        b->n_samples = n - b->first_sample;
    }
    return status == TFC_OK && n > 0 ? tfc_sample(group->session, *requests, n, err) : status;
}

tfc_status tfc_group_chain(tfc_group *group, tfc_error *err)
{
    beginnings all = {0};
    tfc_sample_request *requests = NULL;
    int64_t n_candidates = group->n_candidates;
    tfc_status status = TFC_OK;
    for (int64_t p = 0; p < group->n_places && status == TFC_OK; p++)
        if (!group->places[p].reason && group->works[group->place_work[p]].plan->n_leaders > 0)
            status = find_beginnings(group, &all, p, n_candidates, err);
    if (status == TFC_OK && all.n > 0) status = sample_members(group, &all, &requests, err);
    for (int64_t i = 0; i < all.n && status == TFC_OK; i++) {
        const beginning *b = &all.items[i];
        if (group->works[group->place_work[b->place]].plan->proposer != TFC_PROPOSER_SAMPLE)
            status = add_enumerated(group, b, err);
        if (status == TFC_OK) status = add_sampled(group, b, requests, err);
    }
    return status;
}
