/* Batches: who asks for which call, and where its answer comes from: an equal call under way, the recording,
 * the cache, or the tool. */
#include "toolformer/runner.h"

#include <stdio.h>
#include <time.h>

#include "base/random.h"
#include "tools/calendar.h"
#include "tools/runner_inside.h"

struct tfc_batch {
    tfc_runner *runner;
    tfc_tool_job *jobs;
    tfc_entry **entries; /* [n] */
    size_t n, n_begun;   /* n_begun: entries that are there */
};

tfc_runner_params tfc_runner_params_default(void)
{
    return (tfc_runner_params){0};
}

static tfc_status open_parts(tfc_runner *runner, tfc_error *err)
{
    tfc_runner_params *p = &runner->params;
    if (p->record && !(runner->record_path = tfc_strdup(p->record))) return tfc_fail_memory(err, "runner");
    if (p->replay && !(runner->replay_path = tfc_strdup(p->replay))) return tfc_fail_memory(err, "runner");
    p->record = runner->record_path;
    p->replay = runner->replay_path;
    if (p->replay) runner->replayed = tfc_recording_open_to_read(p->replay, err);
    if (p->replay && !runner->replayed) return TFC_EIO;
    if (p->record) runner->recording = tfc_recording_open(p->record, err);
    if (p->record && !runner->recording) return TFC_EIO;
    if (!p->replay && !(p->cache && strcmp(p->cache, "none") == 0)) {
        runner->cache = tfc_result_cache_create(p->cache, err);
        if (!runner->cache) return TFC_ENOMEM;
    }
    p->cache = NULL; /* the caller's text may go */
    return TFC_OK;
}

tfc_runner *tfc_runner_create(const tfc_runner_params *params, tfc_error *err)
{
    tfc_runner *runner = tfc_alloc_zero(1, sizeof *runner);
    if (!runner) {
        tfc_fail_memory(err, "runner");
        return NULL;
    }
    runner->params = params ? *params : tfc_runner_params_default();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&runner->mutex, NULL);
    pthread_cond_init(&runner->work, &monotonic);
    pthread_cond_init(&runner->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (open_parts(runner, err) == TFC_OK) return runner;
    tfc_runner_free(runner);
    return NULL;
}

void tfc_runner_free(tfc_runner *runner)
{
    if (!runner) return;
    tfc_runner_join(runner);
    while (runner->states) {
        tfc_tool_state *state = runner->states;
        runner->states = state->next;
        tfc_free(state);
    }
    tfc_recording_close(runner->recording);
    tfc_recording_close(runner->replayed);
    tfc_result_cache_free(runner->cache);
    pthread_cond_destroy(&runner->work);
    pthread_cond_destroy(&runner->done);
    pthread_mutex_destroy(&runner->mutex);
    tfc_free(runner->record_path);
    tfc_free(runner->replay_path);
    tfc_free(runner);
}

/* ---- entries ---- */

static tfc_tool_state *find_state(tfc_runner *runner, const tfc_tool *tool, tfc_error *err)
{
    tfc_tool_state **at = &runner->states;
    while (*at && (*at)->tool != tool) at = &(*at)->next;
    if (*at) return *at;
    tfc_tool_state *state = tfc_alloc_zero(1, sizeof *state);
    if (!state) {
        tfc_fail_memory(err, "runner");
        return NULL;
    }
    state->tool = tool;
    state->last = &state->first;
    snprintf(state->stats.tool, sizeof state->stats.tool, "%s", tool->name);
    tfc_manifest_hash(tool, state->manifest);
    char own[128] = "";
    bool cached = runner->cache &&
                  (!tool->backend->version || tool->backend->version(tool, own, sizeof own, NULL) == TFC_OK);
    if (cached) snprintf(state->version, sizeof state->version, "%s %s", state->manifest, own);
    *at = state;
    return state;
}

static tfc_entry **bucket_of(tfc_runner *runner, const tfc_tool_state *state, const char *args,
                             const char *context)
{
    uint64_t hash = tfc_hash_bytes(args, strlen(args), (uint64_t)(uintptr_t)state);
    hash = tfc_hash_bytes(context, strlen(context), hash);
    return &runner->buckets[hash % TFC_RUNNER_BUCKETS];
}

static void entry_free(tfc_entry *entry)
{
    tfc_free(entry->args);
    tfc_free(entry->context);
    tfc_free(entry->text);
    tfc_free(entry);
}

void tfc_entry_drop(tfc_runner *runner, tfc_entry *entry)
{
    if (entry->shared) {
        tfc_entry **at = bucket_of(runner, entry->of, entry->args, entry->context);
        while (*at != entry) at = &(*at)->next_same_hash;
        *at = entry->next_same_hash;
    }
    entry_free(entry);
}

static tfc_entry *new_entry(tfc_tool_state *state, const char *args, const char *context, tfc_error *err)
{
    tfc_entry *entry = tfc_alloc_zero(1, sizeof *entry);
    if (entry) entry->args = tfc_strdup(args);
    if (entry) entry->context = tfc_strdup(context);
    if (!entry || !entry->args || !entry->context) {
        if (entry) entry_free(entry);
        tfc_fail_memory(err, "a call");
        return NULL;
    }
    entry->of = state;
    entry->n_batches = 1;
    entry->cache_context = entry->context;
    if (!*context && !state->tool->backend->ignores_context) {
        tfc_calendar_today(entry->today);
        entry->cache_context = entry->today;
    }
    return entry;
}

static void end_now(tfc_entry *entry, tfc_status status, char *text)
{
    entry->status = text ? status : TFC_ENOMEM;
    entry->text = text;
    entry->done = true;
}

/* Whether calls of the tool are remembered by this runner itself. */
static bool remembers(const tfc_runner *runner, const tfc_tool *tool)
{
    if (runner->params.record) return true;
    if (tool->backend->pure || runner->params.replay) return false;
    return tool->limits.cache == TFC_CACHE_RUN || (tool->limits.cache == TFC_CACHE_FOREVER && !runner->cache);
}

/* From a recording: the replayed one, or the run's own (what failed there is tried again). */
static tfc_status look_up(tfc_runner *runner, tfc_entry *entry, tfc_error *err)
{
    tfc_recording *recording = runner->replayed ? runner->replayed : runner->recording;
    const char *name = entry->of->tool->name;
    bool found = false;
    tfc_status outcome = TFC_OK;
    char *text = NULL;
    tfc_status status = TFC_OK;
    if (recording)
        status =
            tfc_recording_get(recording, name, entry->args, entry->context, &found, &outcome, &text, err);
    if (status == TFC_OK && runner->replayed && !found)
        status = tfc_fail(
            err, TFC_ENOTFOUND,
            "the recording of '%s' has no call %s(%.200s)%s%s: it was made from other texts, with "
            "other tools or with other settings",
            runner->params.replay, name, entry->args, entry->context[0] ? " on " : "", entry->context);
    bool failed = outcome != TFC_OK && outcome != TFC_ENORESULT;
    if (status == TFC_OK && found && (runner->replayed || !failed)) {
        entry->answered = true;
        entry->recorded = !runner->replayed;
        end_now(entry, outcome, text);
        text = NULL;
    }
    tfc_free(text);
    return status;
}

static void look_in_cache(tfc_runner *runner, tfc_entry *entry)
{
    const tfc_tool_state *state = entry->of;
    tfc_cache_key key = {state->version, entry->args, entry->cache_context};
    tfc_status outcome;
    char *text;
    if (entry->done || !runner->cache || !state->version[0] ||
        state->tool->limits.cache != TFC_CACHE_FOREVER ||
        !tfc_result_cache_get(runner->cache, &key, &outcome, &text))
        return;
    entry->answered = true;
    end_now(entry, outcome, text);
}

/* An entry for the call, with its answer where there is one already, else in the queue. */
static tfc_status begin_entry(tfc_runner *runner, tfc_tool_state *state, const char *args,
                              const char *context, bool shared, tfc_entry **out, tfc_error *err)
{
    tfc_entry *entry = new_entry(state, args, context, err);
    if (!entry) return TFC_ENOMEM;
    tfc_status status = runner->replayed || shared ? look_up(runner, entry, err) : TFC_OK;
    if (status == TFC_OK) look_in_cache(runner, entry);
    if (status == TFC_OK && !entry->done && state->dead && runner->params.stops) {
        entry->recorded = true;
        end_now(entry, TFC_EIO, tfc_strdup(state->death));
    }
    if (status == TFC_OK && !entry->done) status = tfc_runner_enqueue(runner, entry, err);
    if (status != TFC_OK) {
        if (entry->queued) tfc_runner_unqueue(entry);
        entry_free(entry);
        return status;
    }
    state->stats.cached += entry->answered;
    if (shared) {
        tfc_entry **bucket = bucket_of(runner, state, args, context);
        entry->shared = true;
        entry->next_same_hash = *bucket;
        *bucket = entry;
    }
    *out = entry;
    return TFC_OK;
}

/* Arithmetic: here and now. */
static tfc_status run_pure(tfc_runner *runner, tfc_tool_state *state, const tfc_tool_job *job,
                           const char *args, const char *context, tfc_entry **out, tfc_error *err)
{
    tfc_entry *entry = new_entry(state, args, context, err);
    if (!entry) return TFC_ENOMEM;
    tfc_error own;
    tfc_error_init(&own);
    char *result = NULL;
    int64_t begin = tfc_monotonic_ns();
    tfc_status status = tfc_tool_attempt(job->tool, args, &job->context, &result, &own);
    entry->ms = 1e-6 * (double)(tfc_monotonic_ns() - begin);
    entry->attempts = 1;
    if (status != TFC_OK) {
        tfc_text_free(result);
        result = tfc_strdup(own.message[0] ? own.message : tfc_status_text(status));
    }
    end_now(entry, status, result);
    pthread_mutex_lock(&runner->mutex);
    state->stats.ms += entry->ms;
    tfc_state_note(state, entry);
    pthread_mutex_unlock(&runner->mutex);
    *out = entry;
    return TFC_OK;
}

static tfc_status begin_job(tfc_runner *runner, tfc_tool_job *job, tfc_entry **out, tfc_error *err)
{
    const char *args = job->args ? job->args : "", *context = job->context.date ? job->context.date : "";
    const tfc_backend_type *backend = job->tool->backend;
    if (backend->ignores_context) context = "";
    pthread_mutex_lock(&runner->mutex);
    tfc_status status = TFC_OK;
    tfc_tool_state *state = find_state(runner, job->tool, err);
    if (state) state->stats.calls++;
    bool pure = backend->pure && !runner->replayed;
    bool shared =
        !pure && (runner->params.record || runner->replayed || job->tool->limits.cache != TFC_CACHE_NEVER);
    tfc_entry *equal = NULL;
    if (state && shared) {
        equal = *bucket_of(runner, state, args, context);
        while (equal &&
               (equal->of != state || strcmp(equal->args, args) != 0 || strcmp(equal->context, context) != 0))
            equal = equal->next_same_hash;
    }
    if (!state) {
        status = TFC_ENOMEM;
    } else if (equal) {
        equal->n_batches++;
        state->stats.cached++;
        *out = equal;
    } else if (!pure) {
        status = begin_entry(runner, state, args, context, shared, out, err);
    }
    pthread_mutex_unlock(&runner->mutex);
    return status == TFC_OK && pure ? run_pure(runner, state, job, args, context, out, err) : status;
}

/* ---- batches ---- */

tfc_batch *tfc_runner_submit(tfc_runner *runner, tfc_tool_job *jobs, size_t n, tfc_error *err)
{
    tfc_batch *batch = tfc_alloc_zero(1, sizeof *batch);
    if (batch) batch->entries = tfc_alloc_zero(n, sizeof *batch->entries);
    if (!batch || !batch->entries) {
        tfc_free(batch);
        tfc_fail_memory(err, "calls of tools");
        return NULL;
    }
    batch->runner = runner;
    batch->jobs = jobs;
    batch->n = n;
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < n && status == TFC_OK; i++) {
        status = begin_job(runner, &jobs[i], &batch->entries[i], err);
        if (status == TFC_OK) batch->n_begun++;
    }
    if (status == TFC_OK) return batch;
    tfc_batch_free(batch);
    return NULL;
}

static bool is_ready(const tfc_batch *batch)
{
    for (size_t i = 0; i < batch->n_begun; i++)
        if (!batch->entries[i]->done) return false;
    return true;
}

bool tfc_batch_ready(tfc_batch *batch)
{
    pthread_mutex_lock(&batch->runner->mutex);
    bool ready = is_ready(batch);
    pthread_mutex_unlock(&batch->runner->mutex);
    return ready;
}

static tfc_status wait_ready(tfc_batch *batch, const tfc_monitor *monitor, tfc_error *err)
{
    enum { LOOK_NS = 100000000 }; /* how often the monitor is asked */
    tfc_runner *runner = batch->runner;
    bool ready = false;
    while (!ready) {
        if (tfc_should_stop(monitor)) return tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
        int64_t until = tfc_monotonic_ns() + LOOK_NS;
        struct timespec t = {.tv_sec = until / 1000000000, .tv_nsec = (long)(until % 1000000000)};
        pthread_mutex_lock(&runner->mutex);
        for (int code = 0; !(ready = is_ready(batch)) && code == 0;)
            code = pthread_cond_timedwait(&runner->done, &runner->mutex, &t);
        pthread_mutex_unlock(&runner->mutex);
    }
    return TFC_OK;
}

/* Writes down what came of the batch's calls, as far as nobody did. Under the mutex. */
static tfc_status record(tfc_batch *batch, tfc_error *err)
{
    tfc_runner *runner = batch->runner;
    tfc_recorded *calls = tfc_alloc(batch->n, sizeof *calls);
    size_t n = 0;
    if (!calls) return tfc_fail_memory(err, "the recording");
    for (size_t i = 0; i < batch->n; i++) {
        tfc_entry *entry = batch->entries[i];
        if (entry->recorded || entry->status == TFC_ENOMEM || !remembers(runner, entry->of->tool)) continue;
        calls[n++] = (tfc_recorded){.tool = entry->of->tool->name,
                                    .args = entry->args,
                                    .context = entry->context,
                                    .manifest = entry->of->manifest,
                                    .status = entry->status,
                                    .text = entry->text,
                                    .attempts = entry->attempts,
                                    .ms = entry->ms};
    }
    tfc_error own;
    tfc_error_init(&own);
    if (n > 0 && !runner->recording) runner->recording = tfc_recording_open(NULL, &own);
    tfc_status status = own.status;
    if (status != TFC_OK && err) *err = own;
    if (n > 0 && status == TFC_OK) status = tfc_recording_put(runner->recording, calls, n, err);
    for (size_t i = 0; i < batch->n && status == TFC_OK; i++) batch->entries[i]->recorded = true;
    tfc_free(calls);
    return status;
}

tfc_status tfc_batch_wait(tfc_batch *batch, const tfc_monitor *monitor, tfc_error *err)
{
    tfc_runner *runner = batch->runner;
    tfc_status status = wait_ready(batch, monitor, err);
    if (status != TFC_OK) return status;
    char note[600] = "";
    pthread_mutex_lock(&runner->mutex);
    status = record(batch, err);
    for (size_t i = 0; i < batch->n && status == TFC_OK; i++) {
        const tfc_entry *entry = batch->entries[i];
        tfc_tool_job *job = &batch->jobs[i];
        job->status = entry->status;
        job->text = entry->text ? entry->text : "";
        job->attempts = entry->attempts;
        job->ms = entry->ms;
        if (entry->status == TFC_ENOMEM)
            status = tfc_fail_memory(err, "a call of a tool");
        else if (entry->of->dead && runner->params.stops)
            status = tfc_fail(err, TFC_EIO, "%s", entry->of->death);
    }
    const char *said = runner->cache ? tfc_result_cache_note(runner->cache) : NULL;
    if (said) snprintf(note, sizeof note, "%s", said);
    pthread_mutex_unlock(&runner->mutex);
    if (note[0]) tfc_monitor_note(monitor, "%s", note);
    return status;
}

void tfc_batch_free(tfc_batch *batch)
{
    if (!batch) return;
    pthread_mutex_lock(&batch->runner->mutex);
    for (size_t i = 0; i < batch->n_begun; i++) {
        tfc_entry *entry = batch->entries[i];
        if (--entry->n_batches > 0 || entry->running) continue;
        if (entry->queued) tfc_runner_unqueue(entry);
        tfc_entry_drop(batch->runner, entry);
    }
    pthread_mutex_unlock(&batch->runner->mutex);
    tfc_free(batch->entries);
    tfc_free(batch);
}

/* ---- the rest ---- */

tfc_status tfc_runner_call(tfc_runner *runner, const tfc_tool *tool, const char *args,
                           const tfc_tool_context *context, char **result, tfc_error *err)
{
    tfc_tool_job job = {.tool = tool, .args = args};
    if (context) job.context = *context;
    *result = NULL;
    tfc_error own;
    tfc_error_init(&own);
    tfc_batch *batch = tfc_runner_submit(runner, &job, 1, &own);
    tfc_status status = batch ? tfc_batch_wait(batch, NULL, &own) : own.status;
    if (status == TFC_OK && job.status != TFC_OK) status = tfc_fail(&own, job.status, "%s", job.text);
    if (status == TFC_OK && !(*result = tfc_strdup(job.text))) status = tfc_fail_memory(&own, "a result");
    tfc_batch_free(batch);
    if (status != TFC_OK && err) *err = own;
    return status;
}

tfc_status tfc_runner_prepare(tfc_runner *runner, const tfc_tools *tools, tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (size_t i = 0; !runner->replayed && i < tfc_tools_count(tools) && status == TFC_OK; i++) {
        const tfc_tool *tool = tfc_tools_at(tools, i);
        if (tool->backend->prepare) status = tool->backend->prepare(tool, err);
        if (status != TFC_OK) tfc_error_prefix(err, "%s", tool->name);
    }
    if (status == TFC_OK && runner->params.record) {
        pthread_mutex_lock(&runner->mutex);
        status = tfc_recording_put_tools(runner->recording, tools, err);
        pthread_mutex_unlock(&runner->mutex);
    }
    return status;
}

size_t tfc_runner_stats(tfc_runner *runner, tfc_tool_stats *stats, size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&runner->mutex);
    for (const tfc_tool_state *state = runner->states; state && n < max; state = state->next)
        stats[n++] = state->stats;
    pthread_mutex_unlock(&runner->mutex);
    return n;
}
