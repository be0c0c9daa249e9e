/* A group goes through scan, propose, execute, chain, execute, judge, and ends in one transaction. Execution
 * is the tools' time, all else the engine's; while a group's calls are made, the engine takes up the next
 * group. Where calls are answered at once, one group follows the other, and finds its texts' keys and values
 * in the cache. A few groups are a few seconds of work, and that is what a killed run repeats. */
#include "annotate/annotate_pipeline.h"

#include <stdio.h>
#include <time.h>

enum { GROUPS_AT_ONCE = 3, BYTES_A_TOKEN = 4 };

static void group_free(tfc_group *group)
{
    if (!group) return;
    tfc_batch_free(group->batch);
    for (int64_t w = 0; w < group->n_works; w++) {
        const tfc_work *work = &group->works[w];
        for (int64_t i = 0; work->proposals && i < work->x->n; i++)
            tfc_proposals_release(&work->proposals[i]);
        for (int64_t i = 0; work->chained && i < work->n_leaders * work->x->n; i++)
            tfc_proposals_release(&work->chained[i]);
    }
    tfc_arena_release(&group->arena);
    tfc_free(group);
}

/* About how many positions of keys and values the snippet's later steps look for: what stands before its
 * samples, and before calls that are scored in place. A plan's head is there once for all snippets. */
static int64_t positions_of(const tfc_settings *settings, const tfc_snippet *snippet)
{
    int64_t n = (int64_t)(snippet->n_bytes / BYTES_A_TOKEN) + 1, sum = 0;
    for (size_t i = 0; i < settings->n_plans; i++) {
        const tfc_tool_plan *plan = &settings->plans[i];
        bool sampled = plan->proposer != TFC_PROPOSER_ENUMERATE && plan->tool->args_form != TFC_ARGS_NONE;
        if (plan->context == TFC_CONTEXT_DEMONSTRATED)
            sum += n;
        else if (sampled)
            sum += 2 * n; /* P(x), x */
    }
    return sum;
}

/* The next snippets from *next on that are not done, as many as the KV memory holds until they are judged;
 * which ones are together changes no result. NULL without an error: there are none. */
static tfc_group *group_make(const tfc_pipeline *p, int64_t *next, tfc_error *err)
{
    int64_t n = tfc_corpus_n_snippets(p->corpus);
    while (*next < n && p->states[*next] == TFC_SNIPPET_DONE) ++*next;
    if (*next == n) return NULL;
    tfc_group *group = tfc_alloc_zero(1, sizeof *group);
    if (!group) {
        tfc_fail_memory(err, "texts");
        return NULL;
    }
    group->settings = p->settings;
    group->tokenizer = p->tokenizer;
    group->session = p->session;
    group->runner = p->runner;
    group->monitor = p->monitor;
    for (int64_t s = 0; s < TFC_GROUP_SNIPPETS; s++) group->tokens[s][0].n = group->tokens[s][1].n = -1;
    int64_t room = tfc_session_positions(p->session) * 3 / 4; /* the rest: heads, what is being scored */
    for (; *next < n && group->n_snippets < TFC_GROUP_SNIPPETS; ++*next) {
        if (p->states[*next] == TFC_SNIPPET_DONE) continue;
        const tfc_snippet *snippet = tfc_corpus_snippet(p->corpus, *next);
        room -= positions_of(p->settings, snippet);
        if (room < 0 && group->n_snippets > 0) break;
        group->index[group->n_snippets] = *next;
        group->snippets[group->n_snippets++] = snippet;
    }
    return group;
}

static tfc_status group_store(const tfc_group *group, const tfc_pipeline *p, tfc_error *err)
{
    tfc_run_store *store = p->store;
    tfc_status status = tfc_run_store_exec(store, "BEGIN IMMEDIATE", err);
    if (status != TFC_OK) return status;
    for (int64_t s = 0; s < group->n_snippets && status == TFC_OK; s++)
        if (p->states[group->index[s]] == TFC_SNIPPET_FAILED)
            status = tfc_run_store_clear(store, group->index[s], err);
    for (int64_t i = 0; i < group->n_places && status == TFC_OK; i++)
        status = tfc_run_store_put_place(store, &group->places[i], err);
    for (int64_t c = 0; c < group->n_candidates && status == TFC_OK; c++)
        status = tfc_run_store_put_candidate(store, &group->candidates[c], err);
    for (int64_t s = 0; s < group->n_snippets && status == TFC_OK; s++) {
        const tfc_snippet *snippet = group->snippets[s];
        const tfc_tokens *tokens = group->tokens[s][0].n >= 0 ? &group->tokens[s][0] : &group->tokens[s][1];
        status = tfc_run_store_put_snippet(store, group->index[s], snippet->id, snippet->document,
                                           snippet->text, snippet->n_bytes, snippet->date,
                                           tokens->n < 0 ? 0 : tokens->n, &group->counts[s], err);
    }
    if (status == TFC_OK)
        status = tfc_run_store_exec(store, "COMMIT", err);
    else
        tfc_run_store_exec(store, "ROLLBACK", NULL);
    return status;
}

static tfc_status check_stop(const tfc_pipeline *p, tfc_error *err)
{
    return tfc_should_stop(p->monitor) ? tfc_fail(err, TFC_EINTERRUPTED, "interrupted") : TFC_OK;
}

/* Up to the first calls. */
static tfc_status group_begin(tfc_group *group, const tfc_pipeline *p, tfc_error *err)
{
    tfc_status status = tfc_group_scan(group, err);
    if (status == TFC_OK) status = check_stop(p, err);
    if (status == TFC_OK) status = tfc_group_propose(group, err);
    if (status == TFC_OK) status = check_stop(p, err);
    if (status == TFC_OK) status = tfc_group_submit(group, err);
    return status;
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* From calls that were made to the next ones, or to the end. */
static tfc_status group_advance(tfc_group *group, tfc_pipeline *p, bool *stored, tfc_error *err)
{
    *stored = group->chained;
    double begin = seconds_now();
    tfc_status status = tfc_group_collect(group, err);
    p->waited += seconds_now() - begin;
    if (status == TFC_OK && !group->chained) {
        group->chained = true;
        status = tfc_group_chain(group, err);
        return status == TFC_OK ? tfc_group_submit(group, err) : status;
    }
    if (status == TFC_OK) status = tfc_group_judge(group, err);
    return status == TFC_OK ? group_store(group, p, err) : status;
}

/* "Weather 120 calls, 40 cached, 3 failed, 101 ms"; what is zero is left out. */
static void say_tools(tfc_runner *runner, char *out, size_t n)
{
    tfc_tool_stats stats[TFC_STATS_MAX];
    size_t n_tools = tfc_runner_stats(runner, stats, TFC_STATS_MAX);
    tfc_buffer text;
    tfc_buffer_init(&text, 1 << 16);
    for (size_t i = 0; i < n_tools; i++) {
        const tfc_tool_stats *s = &stats[i];
        const struct {
            int64_t value;
            const char *name;
        } parts[] = {{s->cached, "cached"},
                     {s->no_result, "without result"},
                     {s->failed, "failed"},
                     {s->timed_out, "timed out"},
                     {s->retried, "retried"},
                     {s->calls > s->cached ? (int64_t)(s->ms / (double)(s->calls - s->cached)) : 0, "ms"}};
        tfc_buffer_printf(&text, "; %s %lld calls", s->tool, (long long)s->calls);
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++)
            if (parts[j].value)
                tfc_buffer_printf(&text, ", %lld %s", (long long)parts[j].value, parts[j].name);
    }
    snprintf(out, n, "%s", text.data && !text.failed ? text.data : "");
    tfc_buffer_release(&text);
}

static void say_progress(const tfc_pipeline *p)
{
    if (!p->monitor || !p->monitor->progress) return;
    char tools[400], detail[500];
    say_tools(p->runner, tools, sizeof tools);
    snprintf(detail, sizeof detail, "%lld of %lld calls kept%s", (long long)p->kept, (long long)p->candidates,
             tools);
    p->monitor->progress(p->monitor->context, &(tfc_progress){.stage = "annotate",
                                                              .done = p->n_done,
                                                              .total = tfc_corpus_n_snippets(p->corpus),
                                                              .unit = "texts",
                                                              .detail = detail});
}

static void count_stored(tfc_pipeline *p, const tfc_group *group)
{
    p->n_done += group->n_snippets;
    p->candidates += group->n_candidates;
    for (int64_t c = 0; c < group->n_candidates; c++) p->kept += group->candidates[c].kept;
    say_progress(p);
}

/* Groups in flight, the oldest first. */
typedef struct flight {
    tfc_group *groups[GROUPS_AT_ONCE];
    int n;
    int64_t next; /* snippet */
} flight;

/* One step: the oldest group whose calls are made goes on; else a new one begins; else the oldest is waited
 * for. */
static tfc_status step(tfc_pipeline *p, flight *f, bool *more, tfc_error *err)
{
    int g = 0;
    while (g < f->n && !tfc_batch_ready(f->groups[g]->batch)) g++;
    if (g == f->n && *more && f->n < (p->overlaps ? GROUPS_AT_ONCE : 1)) {
        tfc_error own;
        tfc_error_init(&own);
        tfc_group *group = group_make(p, &f->next, &own);
        *more = group != NULL;
        if (group) f->groups[f->n++] = group;
        if (group) group_begin(group, p, &own);
        if (own.status != TFC_OK && err) *err = own;
        return own.status;
    }
    if (f->n == 0) return TFC_OK;
    if (g == f->n) g = 0;
    tfc_group *group = f->groups[g];
    bool stored;
    tfc_status status = group_advance(group, p, &stored, err);
    if (status != TFC_OK || !stored) return status;
    count_stored(p, group);
    group_free(group);
    f->n--;
    memmove(&f->groups[g], &f->groups[g + 1], (size_t)(f->n - g) * sizeof *f->groups);
    return TFC_OK;
}

tfc_status tfc_pipeline_run(tfc_pipeline *p, tfc_error *err)
{
    flight f = {0};
    bool more = true;
    tfc_status status = TFC_OK;
    say_progress(p);
    while (status == TFC_OK && (more || f.n > 0)) {
        status = check_stop(p, err);
        if (status == TFC_OK) status = step(p, &f, &more, err);
    }
    for (int g = 0; g < f.n; g++) group_free(f.groups[g]);
    return status;
}
