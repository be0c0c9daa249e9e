/* Selection: ambiguous places, one call a place, a limit on calls; and results that are not the calls' own,
 * for the ablation that asks whether they matter. All of it is SQL over the run's stored verdicts. */
#include "annotate/selection.h"

#include <math.h>
#include <stdio.h>

#include "annotate/choose.h"
#include "base/json.h"
#include "base/random.h"

static void draw(sqlite3_context *context, int n_args, sqlite3_value **args)
{
    const tfc_selection *selection = sqlite3_user_data(context);
    const char *purpose = (const char *)sqlite3_value_text(args[0]);
    const char *tool = (const char *)sqlite3_value_text(args[1]);
    (void)n_args;
    if (!purpose || !tool) return;
    uint64_t key = tfc_hash_bytes(purpose, strlen(purpose), selection->seed);
    key = tfc_hash_bytes(tool, strlen(tool), key);
    tfc_random random =
        tfc_random_stream(key, (uint64_t)sqlite3_value_int64(args[2]), (uint64_t)sqlite3_value_int64(args[3]),
                          (uint64_t)sqlite3_value_int64(args[4]));
    sqlite3_result_int64(context, (int64_t)(tfc_random_next(&random) >> 1));
}

/* A run without settings (or from before these were options) has the defaults. */
static tfc_status read_settings(tfc_selection *selection, const char *settings, tfc_error *err)
{
    tfc_json *json = tfc_json_parse(settings, strlen(settings), "the run's settings", err);
    if (!json) return err ? err->status : TFC_EFORMAT;
    const char *choose = "gain", *filter = "gain", *results = "own";
    int64_t seed = 0;
    bool found;
    tfc_status status = json_object_is_type(json, json_type_object)
                            ? tfc_json_get_text(json, "choose", &choose, NULL, &found, err)
                            : tfc_fail(err, TFC_EFORMAT, "the run's settings are no object");
    if (status == TFC_OK) status = tfc_json_get_text(json, "filter", &filter, NULL, &found, err);
    if (status == TFC_OK) status = tfc_json_get_text(json, "results", &results, NULL, &found, err);
    if (status == TFC_OK) status = tfc_choose_parse(choose, &selection->choose, err);
    if (status == TFC_OK) status = tfc_filter_rule_parse(filter, &selection->filter, err);
    if (status == TFC_OK) status = tfc_results_parse(results, &selection->results, err);
    if (status == TFC_OK)
        status =
            tfc_json_get_int(json, "max_ambiguous", 1, INT64_MAX, &selection->max_ambiguous, &found, err);
    if (status == TFC_OK)
        status = tfc_json_get_int(json, "max_calls", 1, INT64_MAX, &selection->max_calls, &found, err);
    if (status == TFC_OK)
        status = tfc_json_get_double(json, "min_likelihood", &selection->annotated_likelihood, &found, err);
    if (status == TFC_OK) status = tfc_json_get_int(json, "seed", 0, INT64_MAX, &seed, &found, err);
    selection->seed = (uint64_t)seed;
    json_object_put(json);
    return status;
}

tfc_status tfc_selection_init(tfc_selection *selection, const tfc_filter_params *params, tfc_run_store *store,
                              tfc_error *err)
{
    *selection = (tfc_selection){.max_ambiguous = -1, .max_calls = -1, .annotated_likelihood = NAN};
    char *settings;
    tfc_status status = tfc_run_store_get(store, "settings", &settings, err);
    if (status == TFC_OK && settings) status = read_settings(selection, settings, err);
    tfc_text_free(settings);
    if (status == TFC_OK && params->choose)
        status = tfc_choose_parse(params->choose, &selection->choose, err);
    if (status == TFC_OK && params->filter)
        status = tfc_filter_rule_parse(params->filter, &selection->filter, err);
    if (status == TFC_OK && params->results)
        status = tfc_results_parse(params->results, &selection->results, err);
    selection->min_likelihood =
        isnan(params->min_likelihood) ? selection->annotated_likelihood : params->min_likelihood;
    if (params->max_ambiguous != 0) selection->max_ambiguous = params->max_ambiguous;
    if (params->max_calls != 0) selection->max_calls = params->max_calls;
    if (status == TFC_OK && selection->filter == TFC_FILTER_NONE && selection->choose == TFC_CHOOSE_GAIN)
        status = tfc_fail(err, TFC_EINVAL,
                          "without a filter no gain may choose between calls; --choose random or likelihood");
    if (status == TFC_OK && sqlite3_create_function(store->db, "draw", 5, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                                    selection, draw, NULL, NULL) != SQLITE_OK)
        status = tfc_run_store_fail(store, err);
    return status;
}

/* Many ways to the same number: chance arithmetic. */
static tfc_status drop_ambiguous(const tfc_selection *selection, tfc_run_store *store,
                                 tfc_filter_result *result, tfc_error *err)
{
    char sql[512];
    long long max = (long long)selection->max_ambiguous;
    if (max < 0) return TFC_OK;
    snprintf(
        sql, sizeof sql,
        "UPDATE candidates SET kept = 0, reason = 'more than %lld calls give this result here' WHERE kept"
        " AND (SELECT count(*) FROM candidates AS other WHERE other.snippet = candidates.snippet AND"
        " other.tool = candidates.tool AND other.token = candidates.token AND"
        " other.result = candidates.result) > %lld",
        max, max);
    tfc_status status = tfc_run_store_exec(store, sql, err);
    result->ambiguous = status == TFC_OK ? sqlite3_changes(store->db) : 0;
    return status;
}

/* One call a place: the largest preference, then the largest score (ties: by tool, then by number). */
/* clang-format off */
#define SETTLE_SQL(reason, score_other, score_this) \
    "UPDATE candidates SET kept = 0, reason = 'another call at this place " reason "' WHERE kept AND EXISTS (" \
    " SELECT 1 FROM candidates AS other WHERE other.kept AND other.snippet = candidates.snippet" \
    " AND other.at = candidates.at AND (other.preference, " score_other ", candidates.tool, candidates.n) >" \
    " (candidates.preference, " score_this ", other.tool, other.n))"
/* clang-format on */
#define DRAW_SQL(t) "draw('choose', " t ".tool, " t ".snippet, " t ".token, " t ".n)"
static const char settle_by_gain[] = SETTLE_SQL("gains more", "other.gain", "candidates.gain");
static const char settle_by_likelihood[] =
    SETTLE_SQL("is preferred", "other.likelihood", "candidates.likelihood");
static const char settle_by_draw[] = SETTLE_SQL("was drawn", DRAW_SQL("other"), DRAW_SQL("candidates"));

static tfc_status choose_one(const tfc_selection *selection, tfc_run_store *store, tfc_error *err)
{
    if (selection->choose == TFC_CHOOSE_GAIN) return tfc_run_store_exec(store, settle_by_gain, err);
    if (selection->choose == TFC_CHOOSE_RANDOM) return tfc_run_store_exec(store, settle_by_draw, err);
    int64_t unknown;
    tfc_status status = tfc_run_store_count(
        store, "SELECT count(*) FROM candidates WHERE kept AND likelihood IS NULL", &unknown, err);
    const char *name = tfc_choose_names[selection->choose];
    if (status == TFC_OK && unknown > 0)
        status = tfc_fail(err, TFC_EINVAL,
                          "'%s': no likelihood is known for %lld calls that pass, so '%s' cannot choose; "
                          "annotate again with --choose %s",
                          store->path, (long long)unknown, name, name);
    return status == TFC_OK ? tfc_run_store_exec(store, settle_by_likelihood, err) : status;
}

/* A chain that passes beats its first call with its result, whatever that call gains by itself. */
static const char drop_beginnings[] =
    "UPDATE candidates SET kept = 0, reason = 'a chain that begins with this call passes here' WHERE kept"
    " AND EXISTS (SELECT 1 FROM candidates AS chain JOIN links USING(snippet, tool, token, n) WHERE "
    "chain.kept"
    " AND snippet = candidates.snippet AND chain.at = candidates.at AND links.link_tool = candidates.tool"
    " AND links.args = candidates.args)"
    " AND NOT EXISTS (SELECT 1 FROM links AS own WHERE own.snippet = candidates.snippet AND own.tool ="
    " candidates.tool AND own.token = candidates.token AND own.n = candidates.n)";

/* What a chain says stands in the text from its first place on. */
static const char drop_repetitions[] =
    "UPDATE candidates SET kept = 0, reason = 'the same chain stands earlier in the text' WHERE kept AND "
    "EXISTS ("
    " SELECT 1 FROM links AS own JOIN links AS earlier USING(snippet, tool, link, link_tool, args) JOIN "
    "candidates"
    " AS other ON other.snippet = earlier.snippet AND other.tool = earlier.tool AND other.token = "
    "earlier.token AND"
    " other.n = earlier.n WHERE own.snippet = candidates.snippet AND own.tool = candidates.tool AND "
    "own.token ="
    " candidates.token AND own.n = candidates.n AND other.kept AND other.args = candidates.args AND"
    " other.at < candidates.at)";

static tfc_status limit_calls(const tfc_selection *selection, tfc_run_store *store, tfc_error *err)
{
    char sql[512];
    if (selection->max_calls < 0) return TFC_OK;
    snprintf(sql, sizeof sql,
             "UPDATE candidates SET kept = 0, reason = 'not among the %lld calls drawn' WHERE kept AND"
             " (snippet, tool, token, n) NOT IN (SELECT snippet, tool, token, n FROM candidates WHERE kept"
             " ORDER BY draw('limit', tool, snippet, token, n), snippet, tool, token, n LIMIT %lld)",
             (long long)selection->max_calls, (long long)selection->max_calls);
    return tfc_run_store_exec(store, sql, err);
}

tfc_status tfc_selection_settle(const tfc_selection *selection, tfc_run_store *store,
                                tfc_filter_result *result, tfc_error *err)
{
    tfc_status status = drop_ambiguous(selection, store, result, err);
    if (status == TFC_OK) status = tfc_run_store_exec(store, drop_beginnings, err);
    if (status == TFC_OK) status = choose_one(selection, store, err);
    if (status == TFC_OK) status = tfc_run_store_exec(store, drop_repetitions, err);
    if (status == TFC_OK) status = limit_calls(selection, store, err);
    return status;
}

typedef struct held {
    int64_t snippet, token, n;
    const char *tool, *result;
} held;

/* Each call gets the result of the next one of its tool, in the order drawn, whose result differs. */
static const char *result_of_another(const held *all, int64_t n, int64_t i)
{
    for (int64_t step = 1; step < n; step++) {
        const held *next = &all[(i + step) % n];
        if (strcmp(next->tool, all[i].tool) == 0 && strcmp(next->result, all[i].result) != 0)
            return next->result;
    }
    return NULL;
}

static tfc_status read_kept(tfc_run_store *store, tfc_arena *arena, held **all, int64_t *n, tfc_error *err)
{
    int64_t total = 0;
    *n = 0;
    tfc_status status = tfc_run_store_count(store, "SELECT count(*) FROM candidates WHERE kept", &total, err);
    sqlite3_stmt *read = NULL;
    if (status == TFC_OK)
        status =
            tfc_run_store_query(store,
                                "SELECT snippet, tool, token, n, result FROM candidates WHERE kept ORDER "
                                "BY draw('shuffle', tool, snippet, token, n), snippet, tool, token, n",
                                &read, err);
    if (status != TFC_OK) return status;
    *all = tfc_arena_alloc(arena, (size_t)total, sizeof **all);
    if (!*all) status = tfc_fail_memory(err, "results");
    while (status == TFC_OK && *n < total && sqlite3_step(read) == SQLITE_ROW) {
        held *call = &(*all)[(*n)++];
        const char *tool = (const char *)sqlite3_column_text(read, 1);
        const char *result = (const char *)sqlite3_column_text(read, 4);
        *call = (held){.snippet = sqlite3_column_int64(read, 0),
                       .token = sqlite3_column_int64(read, 2),
                       .n = sqlite3_column_int64(read, 3)};
        call->tool = tool ? tfc_arena_strndup(arena, tool, strlen(tool)) : NULL;
        call->result = result ? tfc_arena_strndup(arena, result, strlen(result)) : NULL;
        if (!call->tool || !call->result) status = tfc_fail_memory(err, "results");
    }
    sqlite3_finalize(read);
    return status;
}

static tfc_status put_other(tfc_run_store *store, sqlite3_stmt *write, const held *call, const char *other,
                            tfc_error *err)
{
    sqlite3_bind_int64(write, 1, call->snippet);
    sqlite3_bind_text(write, 2, call->tool, -1, SQLITE_STATIC);
    sqlite3_bind_int64(write, 3, call->token);
    sqlite3_bind_int64(write, 4, call->n);
    sqlite3_bind_text(write, 5, other, -1, SQLITE_STATIC);
    tfc_status status = sqlite3_step(write) == SQLITE_DONE ? TFC_OK : tfc_run_store_fail(store, err);
    sqlite3_reset(write);
    return status;
}

tfc_status tfc_selection_shuffle(const tfc_selection *selection, tfc_run_store *store, tfc_error *err)
{
    tfc_status status = tfc_run_store_exec(
        store,
        "CREATE TEMP TABLE other_results(snippet INTEGER, tool TEXT, token INTEGER, n INTEGER, result TEXT, "
        "PRIMARY KEY(snippet, tool, token, n)) WITHOUT ROWID",
        err);
    if (status != TFC_OK || selection->results == TFC_RESULTS_OWN) return status;
    tfc_arena arena = {0};
    held *all = NULL;
    int64_t n = 0;
    sqlite3_stmt *write = NULL;
    status = read_kept(store, &arena, &all, &n, err);
    if (status == TFC_OK)
        status = tfc_run_store_query(store, "INSERT INTO other_results VALUES(?,?,?,?,?)", &write, err);
    for (int64_t i = 0; i < n && status == TFC_OK; i++) {
        const char *other = result_of_another(all, n, i);
        status =
            other ? put_other(store, write, &all[i], other, err)
                  : tfc_fail(err, TFC_EINVAL, "the results cannot be shuffled: all calls of %s give '%.60s'",
                             all[i].tool, all[i].result);
    }
    sqlite3_finalize(write);
    tfc_arena_release(&arena);
    return status;
}
