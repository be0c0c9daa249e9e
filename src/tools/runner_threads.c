/* The runner's threads: each takes the next call that its tool's limits allow, makes one attempt, and either
 * ends the call or puts it back for later. */
#include <stdio.h>
#include <time.h>

#include "tools/runner_inside.h"

enum { WINDOW = 64, WINDOW_LEAST = 20 }; /* calls that the failure rate is taken over */

static int concurrency(const tfc_tool_state *state)
{
    int limit = state->tool->limits.concurrency;
    return limit > 0 ? limit : 1;
}

static void queue_append(tfc_tool_state *state, tfc_entry *entry)
{
    entry->next_queued = NULL;
    entry->queued = true;
    *state->last = entry;
    state->last = &entry->next_queued;
    state->n_queued++;
}

static tfc_entry *queue_take(tfc_tool_state *state, tfc_entry **at)
{
    tfc_entry *entry = *at;
    *at = entry->next_queued;
    if (!*at) state->last = at;
    entry->queued = false;
    state->n_queued--;
    return entry;
}

void tfc_runner_unqueue(tfc_entry *entry)
{
    for (tfc_entry **at = &entry->of->first; *at; at = &(*at)->next_queued)
        if (*at == entry) {
            queue_take(entry->of, at);
            return;
        }
}

void tfc_state_note(tfc_tool_state *state, const tfc_entry *entry)
{
    bool failed = entry->status != TFC_OK && entry->status != TFC_ENORESULT;
    state->stats.no_result += entry->status == TFC_ENORESULT;
    state->stats.failed += failed;
    state->stats.timed_out += entry->status == TFC_ETIMEOUT;
    state->outcomes = state->outcomes << 1 | failed;
    if (state->n_outcomes < WINDOW) state->n_outcomes++;
    int n_failed = __builtin_popcountll(state->outcomes);
    double limit = state->tool->limits.max_failure_rate;
    if (!failed || state->dead || state->n_outcomes < WINDOW_LEAST || n_failed <= limit * state->n_outcomes)
        return;
    state->dead = true;
    snprintf(
        state->death, sizeof state->death,
        "%s failed in %d of its last %d calls, more than its max_failure_rate of %g allows; the last time: "
        "%s. What was done is kept: when the tool works again, the same command goes on",
        state->tool->name, n_failed, state->n_outcomes, limit, entry->text ? entry->text : "out of memory");
}

static void end_entry(tfc_runner *runner, tfc_entry *entry, tfc_status status, char *text)
{
    entry->status = text ? status : TFC_ENOMEM;
    entry->text = text;
    entry->done = true;
    pthread_cond_broadcast(&runner->done);
}

/* What waits for a dead tool is not tried, and nothing is known about it. */
static void end_queue(tfc_runner *runner, tfc_tool_state *state)
{
    while (state->first) {
        tfc_entry *entry = queue_take(state, &state->first);
        entry->recorded = true;
        end_entry(runner, entry, TFC_EIO, tfc_strdup(state->death));
    }
}

/* The next call that may begin; else NULL and when to look again (*wake_ns, 0: when something changes). */
static tfc_entry *next_entry(tfc_runner *runner, int64_t now, int64_t *wake_ns)
{
    *wake_ns = 0;
    for (tfc_tool_state *state = runner->states; state; state = state->next) {
        if (state->dead && runner->params.stops) end_queue(runner, state);
        if (!state->first || state->n_running >= concurrency(state)) continue;
        tfc_entry **at = &state->first;
        int64_t soonest = INT64_MAX;
        for (; *at && (*at)->not_before_ns > now; at = &(*at)->next_queued)
            if ((*at)->not_before_ns < soonest) soonest = (*at)->not_before_ns;
        if (*at && state->next_start_ns <= now) {
            double rate = state->tool->limits.rate_per_s;
            if (rate > 0) state->next_start_ns = now + (int64_t)(1e9 / rate);
            return queue_take(state, at);
        }
        if (*at) soonest = state->next_start_ns;
        if (*wake_ns == 0 || soonest < *wake_ns) *wake_ns = soonest;
    }
    return NULL;
}

static void keep_in_cache(tfc_runner *runner, const tfc_entry *entry)
{
    const tfc_tool_state *state = entry->of;
    if (!runner->cache || !state->version[0] || state->tool->limits.cache != TFC_CACHE_FOREVER ||
        !entry->text)
        return;
    tfc_result_cache_put(runner->cache, &(tfc_cache_key){state->version, entry->args, entry->cache_context},
                         entry->status, entry->text);
}

/* One attempt. The mutex is held before and after, not meanwhile. */
static void attempt(tfc_runner *runner, tfc_entry *entry)
{
    tfc_tool_state *state = entry->of;
    tfc_error err;
    tfc_error_init(&err);
    char *result = NULL;
    tfc_tool_context context = {.date = entry->context[0] ? entry->context : NULL};
    entry->running = true;
    state->n_running++;
    pthread_mutex_unlock(&runner->mutex);
    int64_t begin = tfc_monotonic_ns();
    tfc_status status = tfc_tool_attempt(state->tool, entry->args, &context, &result, &err);
    double ms = 1e-6 * (double)(tfc_monotonic_ns() - begin);
    if (status != TFC_OK) {
        tfc_text_free(result);
        result = tfc_strdup(err.message[0] ? err.message : tfc_status_text(status));
    }
    pthread_mutex_lock(&runner->mutex);
    entry->running = false;
    state->n_running--;
    entry->attempts++;
    entry->ms += ms;
    state->stats.ms += ms;
    state->stats.cost += state->tool->limits.cost;
    if (tfc_tool_may_retry(state->tool, status, entry->attempts) && entry->n_batches > 0 && !runner->quit) {
        tfc_free(result);
        state->stats.retried++;
        entry->not_before_ns = tfc_monotonic_ns() + tfc_tool_backoff_ns(state->tool, entry->attempts);
        queue_append(state, entry);
        return;
    }
    end_entry(runner, entry, status, result);
    tfc_state_note(state, entry);
    keep_in_cache(runner, entry);
    if (entry->n_batches == 0) tfc_entry_drop(runner, entry);
}

static void *runner_thread(void *argument)
{
    tfc_runner *runner = argument;
    pthread_mutex_lock(&runner->mutex);
    while (!runner->quit) {
        int64_t wake;
        tfc_entry *entry = next_entry(runner, tfc_monotonic_ns(), &wake);
        if (entry) {
            pthread_cond_signal(&runner->work); /* somebody else may have to mind the clock now */
            attempt(runner, entry);
            continue;
        }
        if (wake == 0)
            pthread_cond_wait(&runner->work, &runner->mutex);
        else
            pthread_cond_timedwait(
                &runner->work, &runner->mutex,
                &(struct timespec){.tv_sec = wake / 1000000000, .tv_nsec = (long)(wake % 1000000000)});
    }
    pthread_mutex_unlock(&runner->mutex);
    return NULL;
}

tfc_status tfc_runner_enqueue(tfc_runner *runner, tfc_entry *entry, tfc_error *err)
{
    queue_append(entry->of, entry);
    int wanted = 0;
    for (const tfc_tool_state *state = runner->states; state; state = state->next) {
        int busy = state->n_queued + state->n_running;
        wanted += busy < concurrency(state) ? busy : concurrency(state);
    }
    if (wanted > TFC_RUNNER_THREADS) wanted = TFC_RUNNER_THREADS;
    while (runner->n_threads < wanted) {
        if (pthread_create(&runner->threads[runner->n_threads], NULL, runner_thread, runner) != 0) break;
        runner->n_threads++;
    }
    if (runner->n_threads == 0) return tfc_fail(err, TFC_ENOMEM, "cannot start a thread for calls of tools");
    pthread_cond_signal(&runner->work);
    return TFC_OK;
}

void tfc_runner_join(tfc_runner *runner)
{
    pthread_mutex_lock(&runner->mutex);
    runner->quit = true;
    pthread_cond_broadcast(&runner->work);
    pthread_mutex_unlock(&runner->mutex);
    for (int i = 0; i < runner->n_threads; i++) pthread_join(runner->threads[i], NULL);
}
