/* Proposing arguments: PAPER section 1.2, second half. Sampled by the model behind ` [Name(`, or enumerated
 * from the numbers before the place. Equal calls at one place are one candidate. */
#include <math.h>

#include "annotate/annotate_group.h"
#include "base/random.h"

tfc_candidate *tfc_group_add_candidate(tfc_group *group, int64_t work, tfc_error *err)
{
    if (group->n_candidates == group->candidates_capacity) {
        int64_t capacity = group->candidates_capacity ? group->candidates_capacity * 2 : 512;
        tfc_candidate *candidates = tfc_arena_alloc(&group->arena, (size_t)capacity, sizeof *candidates);
        int64_t *works = tfc_arena_alloc(&group->arena, (size_t)capacity, sizeof *works);
        if (!candidates || !works) {
            tfc_fail_memory(err, "candidates");
            return NULL;
        }
        if (group->n_candidates) {
            memcpy(candidates, group->candidates, (size_t)group->n_candidates * sizeof *candidates);
            memcpy(works, group->candidate_work, (size_t)group->n_candidates * sizeof *works);
        }
        group->candidates = candidates;
        group->candidate_work = works;
        group->candidates_capacity = capacity;
    }
    group->candidate_work[group->n_candidates] = work;
    return &group->candidates[group->n_candidates++];
}

/* Adds a proposal to the place's candidates (those from `first` on), or counts it with its equal. */
static tfc_status add_proposal(tfc_group *group, int64_t place_index, int64_t first, const char *args,
                               size_t n_args, const char *error, const char *proposer, tfc_error *err)
{
    const tfc_place *place = &group->places[place_index];
    int64_t work = group->place_work[place_index];
    for (int64_t c = first; c < group->n_candidates; c++) {
        tfc_candidate *old = &group->candidates[c];
        if (strlen(old->args) == n_args && memcmp(old->args, args, n_args) == 0 && !old->error == !error) {
            old->times++;
            group->counts[group->works[work].snippet].pruned_duplicates++;
            return TFC_OK;
        }
    }
    char *own = tfc_arena_strndup(&group->arena, args, n_args);
    tfc_candidate *candidate = own ? tfc_group_add_candidate(group, work, err) : NULL;
    if (!candidate) return tfc_fail_memory(err, "candidate");
    *candidate = (tfc_candidate){.snippet = place->snippet,
                                 .tool = place->tool,
                                 .token = place->token,
                                 .n = group->n_candidates - 1 - first,
                                 .at = place->at,
                                 .args = own,
                                 .proposer = proposer,
                                 .times = 1,
                                 .error = error,
                                 .loss_empty = place->loss_empty,
                                 .loss_call = NAN,
                                 .loss_result = NAN,
                                 .likelihood = NAN,
                                 .tau_f = group->works[work].plan->tau_f,
                                 .reason = error ? error : ""};
    return TFC_OK;
}

/* A free sample is over at its closing bracket, its arrow, or the end of the line. */
static bool sample_ended(void *context, const int32_t *ids, int64_t n)
{
    const tfc_tokenizer *tokenizer = context;
    size_t length, before = 0;
    const char *text = tfc_token_text(tokenizer, ids[n - 1], &length);
    if (!text) return true;
    for (size_t i = 0; i < length; i++)
        if (text[i] == ']' || text[i] == '\n') return true;
    const char *last = n > 1 ? tfc_token_text(tokenizer, ids[n - 2], &before) : NULL;
    for (size_t i = 0; i < length; i++) {
        char previous = i > 0 ? text[i - 1] : last && before ? last[before - 1] : '\0';
        if (text[i] == '>' && previous == '-') return true;
    }
    return false;
}

/* ` [Name(` + the sampled text → its arguments; false when that is no call. */
static bool sampled_args(const tfc_tool *tool, const char *sample, size_t n, tfc_arena *arena,
                         const char **args, size_t *n_args)
{
    size_t n_name = strlen(tool->name), total = n_name + 3 + n;
    char *text = tfc_arena_alloc(arena, total + 1, 1);
    if (!text) return false;
    memcpy(text, " [", 2);
    memcpy(text + 2, tool->name, n_name);
    text[n_name + 2] = '(';
    memcpy(text + n_name + 3, sample, n);
    tfc_call_span span;
    if (!tfc_call_parse(text, total, 0, &tool->name, 1, &span)) {
        /* Up to the closing parenthesis, with or without its arrow or what a longer token brought along. */
        while (total > 0 && text[total - 1] != ')' &&
               !tfc_call_parse_open(text, total, 0, &tool->name, 1, &span))
            total--;
        if (total == 0 || !tfc_call_parse_open(text, total, 0, &tool->name, 1, &span)) return false;
    }
    *args = text + span.args;
    *n_args = span.args_end - span.args;
    return true;
}

/* The sequence that a sample continues: scan context, x_<i, the call that goes before, ` [Name(`. */
static int32_t *sample_prompt(tfc_group *group, int64_t place, const tfc_link *link, int64_t *n,
                              tfc_error *err)
{
    const tfc_work *work = &group->works[group->place_work[place]];
    int64_t i = group->places[place].token, n_scan = work->n_scan, n_link = link ? link->n_ids : 0;
    *n = n_scan + i + n_link + work->plan->n_open;
    int32_t *ids = tfc_arena_alloc(&group->arena, (size_t)*n, sizeof *ids);
    if (!ids) {
        tfc_fail_memory(err, "samples");
        return NULL;
    }
    if (n_scan) memcpy(ids, work->scan_ids, (size_t)n_scan * sizeof *ids);
    if (i) memcpy(ids + n_scan, work->x->ids, (size_t)i * sizeof *ids);
    if (n_link) memcpy(ids + n_scan + i, link->ids, (size_t)n_link * sizeof *ids);
    memcpy(ids + n_scan + i + n_link, work->plan->open_ids, (size_t)work->plan->n_open * sizeof *ids);
    return ids;
}

tfc_status tfc_group_request_samples(tfc_group *group, int64_t place, const tfc_link *link,
                                     tfc_sample_request *requests, int64_t *n, tfc_error *err)
{
    const tfc_settings *settings = group->settings;
    const tfc_recipe *recipe = &settings->recipe;
    const tfc_work *work = &group->works[group->place_work[place]];
    const tfc_snippet *snippet = group->snippets[work->snippet];
    int64_t n_ids, m = recipe->temperature == 0 ? 1 : work->plan->m;
    int32_t *ids = sample_prompt(group, place, link, &n_ids, err);
    if (!ids) return TFC_ENOMEM;
    uint64_t key = tfc_hash_bytes(snippet->id, strlen(snippet->id), 3);
    key = tfc_hash_bytes(work->plan->tool->name, strlen(work->plan->tool->name), key);
    if (link)
        key = tfc_hash_bytes(link->args, strlen(link->args),
                             tfc_hash_bytes(link->tool, strlen(link->tool), key));
    for (int64_t j = 0; j < m; j++) {
        tfc_random stream = tfc_random_stream(key, (uint64_t)group->places[place].token, (uint64_t)j, 0);
        tfc_sample_request *request = &requests[*n];
        *request = (tfc_sample_request){.ids = ids,
                                        .n_ids = n_ids,
                                        .max_new = recipe->max_args_tokens,
                                        .sampler = {.temperature = recipe->temperature,
                                                    .top_p = 1.0,
                                                    .seed = settings->seed,
                                                    .stream = tfc_random_next(&stream)}};
        if (recipe->constrained)
            request->grammar = tfc_grammar_args(work->plan->tool->args_form);
        else
            request->stop = sample_ended, request->context = (void *)(uintptr_t)group->tokenizer;
        request->new_ids = tfc_arena_alloc(&group->arena, (size_t)request->max_new, sizeof *request->new_ids);
        if (!request->new_ids) return tfc_fail_memory(err, "samples");
        ++*n;
    }
    return TFC_OK;
}

tfc_status tfc_group_sampled_args(tfc_group *group, const tfc_sample_request *request, const tfc_tool *tool,
                                  const char **args, size_t *n_args, const char **error, tfc_error *err)
{
    char *text;
    size_t n;
    *error = NULL;
    tfc_status status =
        tfc_detokenize(group->tokenizer, request->new_ids, request->n_new, false, &text, &n, err);
    if (status != TFC_OK) return status;
    if (!sampled_args(tool, text, n, &group->arena, args, n_args) || memchr(*args, '\0', *n_args)) {
        *error = "does not parse: the sample is no finished call";
        *n_args = strnlen(text, n);
        *args = tfc_arena_strndup(&group->arena, text, *n_args);
    }
    tfc_text_free(text);
    return *args ? TFC_OK : tfc_fail_memory(err, "sample");
}

static tfc_status read_sample(tfc_group *group, const tfc_sample_request *request, int64_t place,
                              int64_t first, tfc_error *err)
{
    const tfc_tool *tool = group->works[group->place_work[place]].plan->tool;
    size_t n_args = 0;
    const char *args = NULL, *error = NULL;
    tfc_status status = tfc_group_sampled_args(group, request, tool, &args, &n_args, &error, err);
    if (status != TFC_OK) return status;
    const tfc_snippet *snippet = group->snippets[group->works[group->place_work[place]].snippet];
    if (!error &&
        tfc_tool_looks_ahead(tool, snippet->text, snippet->n_bytes, group->places[place].at, args, n_args))
        error = "its input stands behind the call and not before it";
    return add_proposal(group, place, first, args, n_args, error, "sample", err);
}

static tfc_status enumerate_place(tfc_group *group, int64_t place, tfc_error *err)
{
    const tfc_work *work = &group->works[group->place_work[place]];
    const tfc_proposals *proposals = &work->proposals[group->places[place].token];
    int64_t first = group->n_candidates;
    tfc_status status = TFC_OK;
    for (size_t a = 0; a < proposals->n_args && status == TFC_OK; a++)
        status = add_proposal(group, place, first, proposals->args[a], strlen(proposals->args[a]), NULL,
                              "enumerate", err);
    return status;
}

/* Nothing to choose: `Calendar()`. Free sampling still asks the model. */
static bool takes_no_arguments(const tfc_group *group, const tfc_work *work)
{
    return group->settings->recipe.constrained && work->plan->tool->args_form == TFC_ARGS_NONE;
}

tfc_status tfc_group_propose(tfc_group *group, tfc_error *err)
{
    int64_t n_samples = 0, n = 0;
    for (int64_t p = 0; p < group->n_places; p++) {
        const tfc_work *work = &group->works[group->place_work[p]];
        n_samples += work->plan->m;
    }
    tfc_sample_request *requests = tfc_arena_alloc(&group->arena, (size_t)n_samples, sizeof *requests);
    int64_t *owners = tfc_arena_alloc(&group->arena, (size_t)n_samples, sizeof *owners);
    if (!requests || !owners) return tfc_fail_memory(err, "samples");
    tfc_status status = TFC_OK;
    for (int64_t p = 0; p < group->n_places && status == TFC_OK; p++) {
        const tfc_work *work = &group->works[group->place_work[p]];
        if (group->places[p].reason || work->plan->proposer == TFC_PROPOSER_ENUMERATE ||
            takes_no_arguments(group, work))
            continue;
        int64_t own = n;
        status = tfc_group_request_samples(group, p, NULL, requests, &n, err);
        while (own < n) owners[own++] = p;
    }
    if (status == TFC_OK && n > 0) status = tfc_sample(group->session, requests, n, err);
    /* Candidates in the order of the places, whichever way they came. */
    int64_t next = 0;
    for (int64_t p = 0; p < group->n_places && status == TFC_OK; p++) {
        const tfc_work *work = &group->works[group->place_work[p]];
        int64_t first = group->n_candidates;
        if (group->places[p].reason) continue;
        if (work->plan->proposer != TFC_PROPOSER_SAMPLE)
            status = enumerate_place(group, p, err);
        else if (takes_no_arguments(group, work))
            status = add_proposal(group, p, first, "", 0, NULL, "sample", err);
        for (; status == TFC_OK && next < n && owners[next] == p; next++)
            status = read_sample(group, &requests[next], p, first, err);
    }
    return status;
}
