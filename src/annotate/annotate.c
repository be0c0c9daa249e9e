/* The driver: snippets in groups through scan, propose, judge; each group ends in one transaction. A group is
 * a few seconds of work, and that is what a killed run repeats. */
#include "annotate/annotate_group.h"

#include <math.h>
#include <time.h>

#include "base/file.h"

tfc_annotate_params tfc_annotate_params_default(void)
{
    tfc_session_params session = tfc_session_params_default();
    return (tfc_annotate_params){.recipe = "paper",
                                 .tau_s = NAN,
                                 .tau_f = NAN,
                                 .k = -1,
                                 .m = -1,
                                 .temperature = NAN,
                                 .max_args_tokens = -1,
                                 .constrained = -1,
                                 .narrow_places = -1,
                                 .heuristics = -1,
                                 .hide_equations = -1,
                                 .snippet_tokens = -1,
                                 .max_operands = -1,
                                 .repeat_operands = -1,
                                 .chains = -1,
                                 .max_ambiguous = -1,
                                 .max_calls = -1,
                                 .number_words = -1,
                                 .match_numbers = -1,
                                 .max_numbers = -1,
                                 .max_enumerated = -1,
                                 .min_likelihood = NAN,
                                 .limit = -1,
                                 .batch_tokens = session.batch_tokens,
                                 .kv_bytes = session.kv_bytes};
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void group_init(tfc_group *group)
{
    for (int64_t s = 0; s < TFC_GROUP_SNIPPETS; s++) group->tokens[s][0].n = group->tokens[s][1].n = -1;
}

static void group_release(tfc_group *group)
{
    for (int64_t w = 0; w < group->n_works; w++)
        for (int64_t i = 0; group->works[w].proposals && i < group->works[w].x->n; i++)
            tfc_proposals_release(&group->works[w].proposals[i]);
    for (int64_t w = 0; w < group->n_works; w++)
        for (int64_t i = 0; group->works[w].chained && i < group->works[w].n_leaders * group->works[w].x->n;
             i++)
            tfc_proposals_release(&group->works[w].chained[i]);
    tfc_arena_release(&group->arena);
}

static tfc_status group_store(tfc_group *group, tfc_run_store *store, tfc_error *err)
{
    tfc_status status = tfc_run_store_exec(store, "BEGIN IMMEDIATE", err);
    for (int64_t p = 0; p < group->n_places && status == TFC_OK; p++)
        status = tfc_run_store_put_place(store, &group->places[p], err);
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

static tfc_status group_run(tfc_group *group, tfc_run_store *store, tfc_error *err)
{
    tfc_status status = tfc_group_scan(group, err);
    if (status == TFC_OK && tfc_should_stop(group->monitor))
        status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
    if (status == TFC_OK) status = tfc_group_propose(group, err);
    if (status == TFC_OK && tfc_should_stop(group->monitor))
        status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
    if (status == TFC_OK) status = tfc_group_execute(group, err);
    if (status == TFC_OK) status = tfc_group_chain(group, err);
    if (status == TFC_OK) status = tfc_group_execute(group, err);
    if (status == TFC_OK) status = tfc_group_judge(group, err);
    if (status == TFC_OK) status = group_store(group, store, err);
    return status;
}

/* The run belongs to these settings, or to none yet. */
static tfc_status claim_run(tfc_run_store *store, const char *run, const char *settings, tfc_error *err)
{
    char *old;
    tfc_status status = tfc_run_store_get(store, "settings", &old, err);
    if (status != TFC_OK) return status;
    if (old) {
        char *difference = tfc_settings_difference(old, settings);
        if (difference)
            status = tfc_fail(
                err, TFC_ECONFLICT,
                "the run '%s' was made with other settings (%s differs); use another folder, the same "
                "settings, or remove the run",
                run, difference);
        tfc_text_free(difference);
        tfc_text_free(old);
        return status;
    }
    status = tfc_run_store_put(store, "settings", settings, err);
    if (status != TFC_OK) return status;
    char *path = tfc_path_join(run, "manifest.json");
    tfc_buffer text;
    tfc_buffer_init(&text, 1 << 20);
    tfc_buffer_printf(&text, "%s\n", settings);
    status = path ? tfc_buffer_ok(&text, "manifest", err) : tfc_fail_memory(err, "manifest");
    if (status == TFC_OK) status = tfc_file_write_whole(path, text.data, text.n, err);
    tfc_buffer_release(&text);
    tfc_free(path);
    return status;
}

/* done[i]: snippet i is in the store. */
static tfc_status read_done(tfc_run_store *store, bool *done, int64_t n, int64_t *n_done, tfc_error *err)
{
    sqlite3_stmt *statement;
    tfc_status status = tfc_run_store_query(store, "SELECT i FROM snippets", &statement, err);
    if (status != TFC_OK) return status;
    int code;
    *n_done = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t i = sqlite3_column_int64(statement, 0);
        if (i >= 0 && i < n && !done[i]) done[i] = true, ++*n_done;
    }
    if (code != SQLITE_DONE) status = tfc_run_store_fail(store, err);
    sqlite3_finalize(statement);
    return status;
}

static tfc_status read_totals(tfc_run_store *store, tfc_annotate_result *r, tfc_error *err)
{
    const struct {
        const char *sql;
        int64_t *out;
    } counts[] = {
        {"SELECT count(DISTINCT document) FROM snippets", &r->documents},
        {"SELECT count(*) FROM snippets", &r->snippets},
        {"SELECT sum(n_tokens) FROM snippets", &r->tokens},
        {"SELECT sum(wanted) FROM snippets", &r->wanted},
        {"SELECT sum(pruned_scans) FROM snippets", &r->pruned_scans},
        {"SELECT sum(pruned_duplicates) FROM snippets", &r->pruned_duplicates},
        {"SELECT count(*) FROM places", &r->positions},
        {"SELECT count(*) FROM places WHERE reason IS NOT NULL", &r->pruned_positions},
        {"SELECT count(*) FROM candidates", &r->candidates},
        {"SELECT count(*) FROM candidates WHERE result IS NOT NULL", &r->executed},
        {"SELECT count(*) FROM candidates WHERE result IS NULL", &r->no_result},
        {"SELECT count(*) FROM candidates WHERE loss_result IS NOT NULL", &r->scored},
        {"SELECT count(*) FROM candidates WHERE loss_result IS NOT NULL AND loss_call IS NULL",
         &r->pruned_loss_call},
        {"SELECT count(*) FROM candidates WHERE kept", &r->kept},
    };
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < sizeof counts / sizeof *counts && status == TFC_OK; i++)
        status = tfc_run_store_count(store, counts[i].sql, counts[i].out, err);
    r->pruned_no_result = r->no_result;
    return status;
}

static void say_progress(const tfc_monitor *monitor, int64_t done, int64_t total, int64_t kept,
                         int64_t candidates)
{
    if (!monitor || !monitor->progress) return;
    char detail[96];
    snprintf(detail, sizeof detail, "%lld of %lld calls kept", (long long)kept, (long long)candidates);
    monitor->progress(
        monitor->context,
        &(tfc_progress){
            .stage = "annotate", .done = done, .total = total, .unit = "texts", .detail = detail});
}

typedef struct annotate_state {
    const tfc_settings *settings;
    const tfc_corpus *corpus;
    tfc_run_store *store;
    tfc_session *session;
    const tfc_monitor *monitor;
    const tfc_tokenizer *tokenizer;
    bool *done;
    int64_t n_done, kept, candidates;
} annotate_state;

static tfc_status annotate_groups(annotate_state *state, tfc_error *err)
{
    int64_t n = tfc_corpus_n_snippets(state->corpus);
    tfc_status status = TFC_OK;
    say_progress(state->monitor, state->n_done, n, state->kept, state->candidates);
    for (int64_t i = 0; i < n && status == TFC_OK;) {
        tfc_group group = {.settings = state->settings,
                           .tokenizer = state->tokenizer,
                           .session = state->session,
                           .monitor = state->monitor};
        group_init(&group);
        for (; i < n && group.n_snippets < TFC_GROUP_SNIPPETS; i++) {
            if (state->done[i]) continue;
            group.index[group.n_snippets] = i;
            group.snippets[group.n_snippets++] = tfc_corpus_snippet(state->corpus, i);
        }
        if (group.n_snippets == 0) break;
        if (tfc_should_stop(state->monitor)) status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
        if (status == TFC_OK) status = group_run(&group, state->store, err);
        if (status == TFC_OK) {
            state->n_done += group.n_snippets;
            state->candidates += group.n_candidates;
            for (int64_t c = 0; c < group.n_candidates; c++) state->kept += group.candidates[c].kept;
            say_progress(state->monitor, state->n_done, n, state->kept, state->candidates);
        }
        group_release(&group);
    }
    return status;
}

static void hint_small_model(const tfc_model *model, const tfc_settings *settings, const tfc_monitor *monitor)
{
    tfc_model_info info = tfc_model_get_info(model);
    bool prefix = false;
    for (size_t i = 0; i < settings->n_plans; i++) prefix |= settings->plans[i].context == TFC_CONTEXT_PREFIX;
    if (prefix && info.n_parameters < 1000000000)
        tfc_monitor_note(
            monitor,
            "this model has %.0f million parameters: the paper's filter keeps almost nothing at that "
            "size; `--recipe small` is made for it",
            (double)info.n_parameters / 1e6);
}

static tfc_status annotate_opened(tfc_model *model, const tfc_annotate_params *params,
                                  const tfc_settings *settings, const tfc_corpus *corpus,
                                  tfc_run_store *store, const tfc_monitor *monitor,
                                  tfc_annotate_result *result, tfc_error *err)
{
    int64_t n = tfc_corpus_n_snippets(corpus);
    annotate_state state = {.settings = settings,
                            .corpus = corpus,
                            .store = store,
                            .monitor = monitor,
                            .tokenizer = tfc_model_tokenizer(model)};
    state.done = tfc_alloc_zero((size_t)n, sizeof *state.done);
    tfc_status status = state.done ? TFC_OK : tfc_fail_memory(err, "corpus");
    char *json = status == TFC_OK ? tfc_settings_json(settings, params, model, corpus, err) : NULL;
    if (status == TFC_OK && !json) status = err && err->status ? err->status : TFC_ENOMEM;
    if (status == TFC_OK) status = claim_run(store, params->run, json, err);
    if (status == TFC_OK) status = read_done(store, state.done, n, &state.n_done, err);
    if (status == TFC_OK) status = read_totals(store, result, err);
    state.kept = result->kept;
    state.candidates = result->candidates;
    if (status == TFC_OK && state.n_done < n) {
        tfc_session_params session = {.n_threads = params->n_threads,
                                      .batch_tokens = params->batch_tokens,
                                      .kv_bytes = params->kv_bytes};
        state.session = tfc_session_create(model, &session, err);
        status = state.session ? annotate_groups(&state, err) : err ? err->status : TFC_ENOMEM;
        if (state.session) result->engine = tfc_session_get_counters(state.session);
        tfc_session_free(state.session);
    }
    if (status == TFC_OK) status = read_totals(store, result, err);
    tfc_text_free(json);
    tfc_free(state.done);
    return status;
}

tfc_status tfc_annotate(tfc_model *model, const tfc_annotate_params *params, const tfc_monitor *monitor,
                        tfc_annotate_result *result, tfc_error *err)
{
    tfc_annotate_result unused;
    if (!result) result = &unused;
    memset(result, 0, sizeof *result);
    double start = now();
    tfc_settings settings;
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    tfc_status status = tfc_settings_init(&settings, params, tfc_model_tokenizer(model), err);
    if (status != TFC_OK) return status;
    hint_small_model(model, &settings, monitor);
    tfc_corpus_params reading = tfc_corpus_params_default();
    reading.files = params->corpus;
    reading.n_files = params->n_corpus;
    reading.limit = params->limit;
    reading.max_tokens = settings.recipe.snippet_tokens;
    reading.hide_equations = settings.recipe.hide_equations;
    reading.skip_bad_lines = params->skip_bad_lines;
    reading.default_date = params->date;
    tfc_corpus *corpus = tfc_corpus_open(&reading, tfc_model_tokenizer(model), monitor, err);
    tfc_run_store store = {0};
    status = corpus ? tfc_folder_make(params->run, err) : err->status;
    if (status == TFC_OK) status = tfc_run_store_open(&store, params->run, true, err);
    if (status == TFC_OK) {
        status = annotate_opened(model, params, &settings, corpus, &store, monitor, result, err);
        tfc_run_store_close(&store);
    }
    tfc_corpus_free(corpus);
    tfc_settings_release(&settings);
    result->seconds = now() - start;
    return status;
}
