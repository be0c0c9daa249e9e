/* A run from its parameters to its figures. */
#include <math.h>
#include <time.h>

#include "annotate/annotate_pipeline.h"
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

/* What is in the store. */
static tfc_status read_states(tfc_run_store *store, tfc_pipeline *p, bool keep_failed, tfc_error *err)
{
    int64_t n = tfc_corpus_n_snippets(p->corpus);
    sqlite3_stmt *statement;
    tfc_status status = tfc_run_store_query(store, "SELECT i, failed FROM snippets", &statement, err);
    if (status != TFC_OK) return status;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t i = sqlite3_column_int64(statement, 0);
        bool failed = sqlite3_column_int64(statement, 1) > 0 && !keep_failed;
        if (i < 0 || i >= n || p->states[i] != TFC_SNIPPET_NEW) continue;
        p->states[i] = failed ? TFC_SNIPPET_FAILED : TFC_SNIPPET_DONE;
        p->n_done += !failed;
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
        {"SELECT count(*) FROM candidates WHERE result IS NULL AND NOT failed", &r->no_result},
        {"SELECT count(*) FROM candidates WHERE failed", &r->failed},
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

/* What is left to do, by tools that are there and the engine. */
static tfc_status annotate_rest(tfc_model *model, const tfc_annotate_params *params, tfc_settings *settings,
                                tfc_pipeline *p, tfc_annotate_result *result, tfc_error *err)
{
    p->runner = tfc_runner_create(
        &(tfc_runner_params){
            .cache = params->tool_cache, .record = params->run, .replay = params->replay, .stops = true},
        err);
    tfc_status status = p->runner ? tfc_runner_prepare(p->runner, settings->tools, err) : err->status;
    if (status == TFC_OK) status = tfc_settings_heads(settings, p->runner, p->tokenizer, err);
    if (status == TFC_OK) {
        p->session = tfc_session_create(model,
                                        &(tfc_session_params){.n_threads = params->n_threads,
                                                              .batch_tokens = params->batch_tokens,
                                                              .kv_bytes = params->kv_bytes},
                                        err);
        status = p->session ? tfc_pipeline_run(p, err) : err->status;
    }
    result->waited = p->waited;
    if (p->session) result->engine = tfc_session_get_counters(p->session);
    if (p->runner) result->n_tools = tfc_runner_stats(p->runner, result->tools, TFC_STATS_MAX);
    tfc_session_free(p->session);
    tfc_runner_free(p->runner);
    return status;
}

static tfc_status annotate_opened(tfc_model *model, const tfc_annotate_params *params, tfc_settings *settings,
                                  const tfc_corpus *corpus, tfc_run_store *store, const tfc_monitor *monitor,
                                  tfc_annotate_result *result, tfc_error *err)
{
    int64_t n = tfc_corpus_n_snippets(corpus);
    tfc_pipeline pipeline = {.settings = settings,
                             .corpus = corpus,
                             .store = store,
                             .monitor = monitor,
                             .tokenizer = tfc_model_tokenizer(model),
                             .overlaps = !params->no_overlap};
    pipeline.states = tfc_alloc_zero((size_t)n, sizeof *pipeline.states);
    tfc_status status = pipeline.states ? TFC_OK : tfc_fail_memory(err, "corpus");
    char *json = status == TFC_OK ? tfc_settings_json(settings, params, model, corpus, err) : NULL;
    if (status == TFC_OK && !json) status = err->status;
    if (status == TFC_OK) status = claim_run(store, params->run, json, err);
    if (status == TFC_OK) status = read_states(store, &pipeline, params->keep_failed, err);
    if (status == TFC_OK) status = read_totals(store, result, err);
    pipeline.kept = result->kept;
    pipeline.candidates = result->candidates;
    if (status == TFC_OK && pipeline.n_done < n)
        status = annotate_rest(model, params, settings, &pipeline, result, err);
    if (status == TFC_OK) status = read_totals(store, result, err);
    if (status == TFC_OK && result->failed > 0)
        tfc_monitor_note(monitor, "%lld calls failed and are undecided; the same command tries them again",
                         (long long)result->failed);
    tfc_text_free(json);
    tfc_free(pipeline.states);
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
