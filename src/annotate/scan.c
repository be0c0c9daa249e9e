/* Scanning: PAPER section 1.2, first half. For each (snippet, tool): L_i(empty) and p_i at every position,
 * then the places: the k most probable above tau_s.
 *
 * demonstrated: one pass over H + x gives both. prefix: one pass over x gives L_i(empty) for all tools; one
 * over P(x) + x gives p_i, and is left out where no position can pass (exact pruning). */
#include <math.h>
#include <stdlib.h>

#include "annotate/annotate_group.h"
#include "base/random.h"

tfc_place *tfc_group_add_place(tfc_group *group, int64_t work, tfc_error *err)
{
    if (group->n_places == group->places_capacity) {
        int64_t capacity = group->places_capacity ? group->places_capacity * 2 : 256;
        tfc_place *places = tfc_arena_alloc(&group->arena, (size_t)capacity, sizeof *places);
        int64_t *works = tfc_arena_alloc(&group->arena, (size_t)capacity, sizeof *works);
        if (!places || !works) {
            tfc_fail_memory(err, "places");
            return NULL;
        }
        if (group->n_places) {
            memcpy(places, group->places, (size_t)group->n_places * sizeof *places);
            memcpy(works, group->place_work, (size_t)group->n_places * sizeof *works);
        }
        group->places = places;
        group->place_work = works;
        group->places_capacity = capacity;
    }
    group->place_work[group->n_places] = work;
    return &group->places[group->n_places++];
}

static tfc_status tokens_of(tfc_group *group, int64_t s, tfc_context context, const tfc_tokens **out,
                            tfc_error *err)
{
    tfc_tokens *tokens = &group->tokens[s][context];
    *out = tokens;
    if (tokens->n >= 0) return TFC_OK;
    const tfc_snippet *snippet = group->snippets[s];
    tfc_status status = tfc_tokens_make(tokens, snippet->text, snippet->n_bytes, context, group->tokenizer,
                                        &group->arena, err);
    if (status != TFC_OK) tfc_error_prefix(err, "text '%.80s'", snippet->id);
    return status;
}

/* What stands before x when places and arguments are sought. */
static tfc_status scan_context(tfc_group *group, tfc_work *work, tfc_error *err)
{
    const tfc_tool_plan *plan = work->plan;
    if (plan->context == TFC_CONTEXT_DEMONSTRATED) {
        work->scan_ids = plan->head_ids;
        work->n_scan = plan->n_head;
        return TFC_OK;
    }
    const tfc_snippet *snippet = group->snippets[work->snippet];
    char *prompt = tfc_tool_prompt(plan->tool, plan->n_leaders ? group->settings->tools : NULL, snippet->text,
                                   snippet->n_bytes, err);
    if (!prompt) return err ? err->status : TFC_ENOMEM;
    int32_t *ids;
    tfc_status status = tfc_head_tokens(prompt, group->tokenizer, &ids, &work->n_scan, err);
    tfc_text_free(prompt);
    if (status != TFC_OK) return status;
    work->scan_ids = tfc_arena_alloc(&group->arena, (size_t)work->n_scan, sizeof *work->scan_ids);
    if (work->scan_ids) memcpy(work->scan_ids, ids, (size_t)work->n_scan * sizeof *ids);
    tfc_ids_free(ids);
    return work->scan_ids ? TFC_OK : tfc_fail_memory(err, "prompt");
}

/* True where p(x_i | what stands before) is known: everywhere but at the very first token of all. */
static bool has_context(const tfc_group *group, const tfc_work *work, int64_t i)
{
    return i > 0 || work->plan->n_head > 0 || tfc_tokenizer_adds_bos(group->tokenizer);
}

/* Where a call of this tool may stand at all. */
static tfc_status mark_allowed(tfc_group *group, tfc_work *work, tfc_error *err)
{
    const tfc_tool_plan *plan = work->plan;
    const tfc_snippet *snippet = group->snippets[work->snippet];
    const tfc_enumerate_params enumerating = tfc_group_enumerating(group);
    for (int64_t i = 0; i < work->x->n; i++) {
        size_t at = work->x->start[i];
        bool allowed = work->x->boundary[i] && has_context(group, work, i);
        if (allowed && plan->narrow)
            allowed = tfc_tool_place_allowed(plan->tool, snippet->text, snippet->n_bytes, at);
        if (allowed && plan->proposer != TFC_PROPOSER_SAMPLE) {
            tfc_error own;
            tfc_error_init(&own);
            bool chain = false;
            allowed = tfc_tool_enumerate(plan->tool, snippet->text, snippet->n_bytes, at, NULL, &enumerating,
                                         &work->proposals[i], &own);
            tfc_status status = own.status;
            if (status == TFC_OK && allowed) status = tfc_chain_enumerate(group, work, i, &chain, &own);
            if (status != TFC_OK) {
                if (err) *err = own;
                return status;
            }
            allowed =
                allowed && (work->proposals[i].n_args > 0 || chain || plan->proposer == TFC_PROPOSER_BOTH);
        }
        work->allowed[i] = allowed;
        work->p[i] = -1;
    }
    return TFC_OK;
}

static tfc_status add_work(tfc_group *group, int64_t s, const tfc_tool_plan *plan, tfc_error *err)
{
    tfc_work *work = &group->works[group->n_works];
    *work = (tfc_work){.snippet = s, .plan = plan};
    tfc_status status = tokens_of(group, s, plan->context, &work->x, err);
    if (status != TFC_OK) return status;
    size_t n = (size_t)work->x->n;
    work->loss_empty = tfc_arena_alloc(&group->arena, n, sizeof *work->loss_empty);
    work->p = tfc_arena_alloc(&group->arena, n, sizeof *work->p);
    work->allowed = tfc_arena_alloc(&group->arena, n, sizeof *work->allowed);
    work->proposals = tfc_arena_alloc(&group->arena, n, sizeof *work->proposals);
    if (!work->loss_empty || !work->p || !work->allowed || !work->proposals)
        return tfc_fail_memory(err, "scan");
    group->n_works++;
    group->counts[s].wanted++;
    status = tfc_chain_leaders(group, work, err);
    return status == TFC_OK ? mark_allowed(group, work, err) : status;
}

static tfc_status make_works(tfc_group *group, tfc_error *err)
{
    const tfc_settings *settings = group->settings;
    group->works =
        tfc_arena_alloc(&group->arena, (size_t)group->n_snippets * settings->n_plans, sizeof *group->works);
    if (!group->works) return tfc_fail_memory(err, "scan");
    for (int64_t s = 0; s < group->n_snippets; s++) {
        const tfc_snippet *snippet = group->snippets[s];
        for (size_t t = 0; t < settings->n_plans; t++) {
            const tfc_tool *tool = settings->plans[t].tool;
            tfc_random random =
                tfc_random_stream(settings->seed, tfc_hash_bytes(snippet->id, strlen(snippet->id), 1),
                                  tfc_hash_bytes(tool->name, strlen(tool->name), 2), 0);
            double draw = tfc_random_uniform(&random);
            if (settings->recipe.heuristics &&
                !tfc_tool_wants_text(tool, snippet->text, snippet->n_bytes, snippet->date, draw))
                continue;
            tfc_status status = add_work(group, s, &settings->plans[t], err);
            if (status != TFC_OK) return status;
        }
    }
    return TFC_OK;
}

/* The request over `before` + x. Wants: one TOKEN for each position (its index in `token_want`), one SET for
 * each allowed position when `sets`. */
static tfc_status scan_request(tfc_group *group, const tfc_work *work, const int32_t *before,
                               int64_t n_before, bool tokens, bool sets, tfc_score_request *request,
                               tfc_error *err)
{
    const tfc_tokens *x = work->x;
    int32_t *ids = tfc_arena_alloc(&group->arena, (size_t)(n_before + x->n), sizeof *ids);
    tfc_want *wants = tfc_arena_alloc(&group->arena, (size_t)(2 * x->n), sizeof *wants);
    if (!ids || !wants) return tfc_fail_memory(err, "scan");
    if (n_before) memcpy(ids, before, (size_t)n_before * sizeof *ids);
    memcpy(ids + n_before, x->ids, (size_t)x->n * sizeof *ids);
    int64_t n = 0;
    for (int64_t i = 0; i < x->n; i++) {
        if (n_before + i == 0) continue;
        if (tokens)
            wants[n++] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = n_before + i, .token = x->ids[i]};
        if (sets && work->allowed[i])
            wants[n++] = (tfc_want){.kind = TFC_WANT_SET,
                                    .position = n_before + i,
                                    .set = work->plan->begin_ids,
                                    .n_set = work->plan->n_begin};
    }
    *request = (tfc_score_request){.ids = ids, .n_ids = n_before + x->n, .wants = wants, .n_wants = n};
    return TFC_OK;
}

/* lp of every x_i (NAN where unknown) → L_i(empty) for every i. */
static void losses_from_lps(const double *lps, int64_t n, double *loss)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t t = 0; t < TFC_N_WEIGHTS && i + t < n; t++) sum -= tfc_loss_weights[t] * lps[i + t];
        loss[i] = isnan(lps[i]) ? NAN : sum;
    }
}

static tfc_status read_lps(tfc_group *group, const tfc_score_request *request, int64_t n_before, int64_t n,
                           double *loss, tfc_error *err)
{
    double *lps = tfc_arena_alloc(&group->arena, (size_t)n, sizeof *lps);
    if (!lps) return tfc_fail_memory(err, "scan");
    for (int64_t i = 0; i < n; i++) lps[i] = NAN;
    for (int64_t w = 0; w < request->n_wants; w++)
        if (request->wants[w].kind == TFC_WANT_TOKEN)
            lps[request->wants[w].position - n_before] = request->wants[w].lp;
    losses_from_lps(lps, n, loss);
    return TFC_OK;
}

static void read_probabilities(const tfc_score_request *request, tfc_work *work)
{
    for (int64_t w = 0; w < request->n_wants; w++)
        if (request->wants[w].kind == TFC_WANT_SET)
            work->p[request->wants[w].position - work->n_scan] = exp(request->wants[w].lp);
    work->scanned = true;
}

/* Without a filter no loss decides. */
static bool prunes_places(const tfc_group *group)
{
    return group->settings->pruning && group->settings->recipe.filter == TFC_FILTER_GAIN;
}

/* No call can stand anywhere in x: nothing of it need be read. */
static bool can_be_skipped(const tfc_group *group, const tfc_work *work)
{
    bool allowed = false;
    for (int64_t i = 0; i < work->x->n && !allowed; i++) allowed = work->allowed[i];
    return !allowed && group->settings->pruning;
}

/* L_i(empty) for every work: over H + x, where the same pass gives p_i, or over (bos +) x. */
static tfc_status scan_losses(tfc_group *group, tfc_error *err)
{
    int32_t bos = tfc_tokenizer_bos(group->tokenizer);
    int64_t n_bos = tfc_tokenizer_adds_bos(group->tokenizer) ? 1 : 0;
    tfc_score_request *requests = tfc_arena_alloc(&group->arena, (size_t)group->n_works, sizeof *requests);
    int64_t *owner = tfc_arena_alloc(&group->arena, (size_t)group->n_works, sizeof *owner), n = 0;
    if (!requests || !owner) return tfc_fail_memory(err, "scan");
    tfc_status status = TFC_OK;
    for (int64_t w = 0; w < group->n_works && status == TFC_OK; w++) {
        tfc_work *work = &group->works[w];
        bool head = work->plan->context == TFC_CONTEXT_DEMONSTRATED;
        if (can_be_skipped(group, work)) continue;
        if (head) status = scan_context(group, work, err);
        if (status == TFC_OK)
            status = scan_request(group, work, head ? work->scan_ids : &bos, head ? work->n_scan : n_bos,
                                  true, head, &requests[n], err);
        owner[n++] = w;
    }
    if (status == TFC_OK) status = tfc_score(group->session, requests, n, err);
    for (int64_t r = 0; r < n && status == TFC_OK; r++) {
        tfc_work *work = &group->works[owner[r]];
        bool head = work->plan->context == TFC_CONTEXT_DEMONSTRATED;
        status =
            read_lps(group, &requests[r], head ? work->n_scan : n_bos, work->x->n, work->loss_empty, err);
        if (head) read_probabilities(&requests[r], work);
    }
    return status;
}

static bool can_pass_anywhere(const tfc_work *work)
{
    for (int64_t i = 0; i < work->x->n; i++)
        if (work->allowed[i] && work->loss_empty[i] >= work->plan->tau_f) return true;
    return false;
}

/* p_i over P(x) + x, in the prefix context. */
static tfc_status scan_probabilities(tfc_group *group, tfc_error *err)
{
    tfc_score_request *requests = tfc_arena_alloc(&group->arena, (size_t)group->n_works, sizeof *requests);
    int64_t *owner = tfc_arena_alloc(&group->arena, (size_t)group->n_works, sizeof *owner);
    if (!requests || !owner) return tfc_fail_memory(err, "scan");
    int64_t n = 0;
    tfc_status status = TFC_OK;
    for (int64_t w = 0; w < group->n_works && status == TFC_OK; w++) {
        tfc_work *work = &group->works[w];
        if (work->scanned) continue;
        if (can_be_skipped(group, work) || (prunes_places(group) && !can_pass_anywhere(work))) {
            group->counts[work->snippet].pruned_scans++;
            continue;
        }
        status = scan_context(group, work, err);
        if (status == TFC_OK)
            status = scan_request(group, work, work->scan_ids, work->n_scan, false, true, &requests[n], err);
        owner[n++] = w;
    }
    if (status == TFC_OK) status = tfc_score(group->session, requests, n, err);
    for (int64_t r = 0; r < n && status == TFC_OK; r++)
        read_probabilities(&requests[r], &group->works[owner[r]]);
    return status;
}

typedef struct ranked {
    double p;
    int64_t i;
} ranked;

static int by_probability(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->p != y->p) return x->p > y->p ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

static int by_position(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->i < y->i ? -1 : x->i > y->i;
}

/* I = { i : p_i > tau_s }, the k largest; then, after the choice, the exact rule L_i(empty) < tau_f. */
static tfc_status choose_places(tfc_group *group, int64_t w, tfc_error *err)
{
    tfc_work *work = &group->works[w];
    const tfc_tool_plan *plan = work->plan;
    if (!work->scanned) return TFC_OK;
    ranked *chosen = tfc_arena_alloc(&group->arena, (size_t)work->x->n, sizeof *chosen);
    if (!chosen) return tfc_fail_memory(err, "places");
    int64_t n = 0;
    for (int64_t i = 0; i < work->x->n; i++)
        if (work->allowed[i] && work->p[i] > plan->tau_s) chosen[n++] = (ranked){work->p[i], i};
    qsort(chosen, (size_t)n, sizeof *chosen, by_probability);
    if (n > plan->k) n = plan->k;
    qsort(chosen, (size_t)n, sizeof *chosen, by_position);
    for (int64_t c = 0; c < n; c++) {
        tfc_place *place = tfc_group_add_place(group, w, err);
        if (!place) return TFC_ENOMEM;
        int64_t i = chosen[c].i;
        *place = (tfc_place){.snippet = group->index[work->snippet],
                             .tool = plan->tool->name,
                             .token = i,
                             .at = work->x->start[i],
                             .p = chosen[c].p,
                             .loss_empty = work->loss_empty[i]};
        if (prunes_places(group) && work->loss_empty[i] < plan->tau_f)
            place->reason = "pruned: the loss without a call is below tau_f";
    }
    return TFC_OK;
}

tfc_status tfc_group_scan(tfc_group *group, tfc_error *err)
{
    tfc_status status = make_works(group, err);
    if (status == TFC_OK) status = scan_losses(group, err);
    if (status == TFC_OK) status = scan_probabilities(group, err);
    for (int64_t w = 0; w < group->n_works && status == TFC_OK; w++) status = choose_places(group, w, err);
    return status;
}
