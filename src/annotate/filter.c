/* Verdicts and C*: PAPER sections 1.4 and 1.5, from the run's losses alone. */
#include <math.h>
#include <stdlib.h>

#include "annotate/choose.h"
#include "annotate/selection.h"
#include "base/file.h"
#include "calls/grammar.h"
#include "toolformer/annotate.h"

typedef struct verdict {
    int64_t snippet, token, n, at;
    char *tool, *args, *result;
    double loss_empty, loss_call, loss_result, gain, likelihood; /* likelihood NAN: not asked for */
    double loss_before; /* of a chain's last call: the least loss with the calls before it alone; else NAN */
} verdict;

/* "Calculator=0.5,Calendar=1.0": the number for a tool; NAN when it is not named. */
static tfc_status tau_of_tool(const char *list, const char *tool, double *tau, tfc_error *err)
{
    *tau = NAN;
    size_t n_tool = strlen(tool);
    for (const char *p = list; p && *p;) {
        const char *equals = strchr(p, '='), *comma = strchr(p, ',');
        if (!equals || (comma && comma < equals))
            return tfc_fail(err, TFC_EINVAL, "--tau-f: TOOL=NUMBER expected at '%.40s'", p);
        char *end;
        double value = strtod(equals + 1, &end);
        if (end == equals + 1 || !isfinite(value) || (*end != ',' && *end != '\0'))
            return tfc_fail(err, TFC_EINVAL, "--tau-f: number expected at '%.40s'", equals + 1);
        if ((size_t)(equals - p) == n_tool && memcmp(p, tool, n_tool) == 0) *tau = value;
        p = *end ? end + 1 : end;
    }
    return TFC_OK;
}

static double column_number(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL ? NAN
                                                                 : sqlite3_column_double(statement, column);
}

static size_t result_tool(tfc_filter_result *result, const char *name)
{
    for (size_t i = 0; i < result->n_tools; i++)
        if (strcmp(result->tools[i].name, name) == 0) return i;
    if (result->n_tools == sizeof result->tools / sizeof *result->tools) return result->n_tools - 1;
    snprintf(result->tools[result->n_tools].name, sizeof result->tools[0].name, "%s", name);
    return result->n_tools++;
}

/* The least known loss without the candidate's result: without a call, with the calls before it in a chain.
 */
static double loss_without(sqlite3_stmt *read)
{
    return fmin(sqlite3_column_double(read, 4), column_number(read, 13));
}

static int64_t preference_of(sqlite3_stmt *read, tfc_choose choose)
{
    const char *args = (const char *)sqlite3_column_text(read, 9);
    const char *text = (const char *)sqlite3_column_text(read, 11);
    size_t n_text = (size_t)sqlite3_column_bytes(read, 11);
    int64_t at = sqlite3_column_int64(read, 10);
    return args && text && at >= 0 ? tfc_choose_preference(choose, text, n_text, (size_t)at, args) : 0;
}

/* What pruning left out may not be asked for now. */
static tfc_status check_losses(sqlite3_stmt *read, const tfc_selection *selection, const char *tool,
                               double tau, tfc_error *err)
{
    double empty = loss_without(read), call = column_number(read, 5);
    double with = column_number(read, 6), annotated = sqlite3_column_double(read, 8);
    double likelihood = column_number(read, 12), least = selection->annotated_likelihood;
    bool left_out = likelihood < least; /* false for NAN */
    if (isnan(with) && !left_out)
        return tfc_fail(err, TFC_EINVAL,
                        "the run was annotated without a filter, so its calls have no losses; annotate again "
                        "with --filter gain");
    if (isnan(with) && !(likelihood < selection->min_likelihood))
        return tfc_fail(
            err, TFC_EINVAL,
            "the least likelihood is below the %g of the annotation, which left losses out; annotate "
            "again with another --min-likelihood or --no-pruning",
            least);
    if (isnan(call) && empty - with >= tau)
        return tfc_fail(
            err, TFC_EINVAL,
            "tau_f %g for %s is below the %g of the annotation, whose pruning left losses out; annotate "
            "again with --tau-f %g or --no-pruning",
            tau, tool, annotated, tau);
    return TFC_OK;
}

static tfc_status is_unlikely(sqlite3_stmt *read, const tfc_selection *selection, bool *unlikely,
                              tfc_error *err)
{
    double likelihood = column_number(read, 12), least = selection->min_likelihood;
    *unlikely = likelihood < least;
    if (isnan(least) || isinf(least) || !isnan(likelihood)) return TFC_OK;
    return tfc_fail(err, TFC_EINVAL,
                    "the run has calls without a likelihood; annotate again with --min-likelihood %g or "
                    "--choose likelihood",
                    least);
}

/* Sets kept and reason of every candidate by its threshold; several that pass at one place are settled
 * afterwards. */
static tfc_status judge_all(tfc_run_store *store, const tfc_filter_params *params,
                            const tfc_selection *selection, tfc_filter_result *result, tfc_error *err)
{
    sqlite3_stmt *read, *write = NULL;
    tfc_status status = tfc_run_store_query(
        store,
        "SELECT snippet, tool, token, n, loss_empty, loss_call, "
        "loss_result, result IS NULL, tau_f, args, at, (SELECT text FROM "
        "snippets WHERE i = snippet), likelihood, (SELECT min(loss_result) FROM links l WHERE l.snippet = "
        "candidates.snippet AND "
        "l.tool = candidates.tool AND l.token = candidates.token AND l.n = candidates.n) FROM candidates",
        &read, err);
    if (status == TFC_OK)
        status = tfc_run_store_query(
            store,
            "UPDATE candidates SET kept=?1, reason=coalesce(?2, reason), preference=?7 WHERE "
            "snippet=?3 AND tool=?4 AND token=?5 AND n=?6",
            &write, err);
    int code = SQLITE_DONE;
    while (status == TFC_OK && (code = sqlite3_step(read)) == SQLITE_ROW) {
        const char *tool = (const char *)sqlite3_column_text(read, 1);
        bool no_result = sqlite3_column_int(read, 7), no_call = sqlite3_column_type(read, 5) == SQLITE_NULL;
        double empty = loss_without(read), call = sqlite3_column_double(read, 5);
        double with = sqlite3_column_double(read, 6), annotated = sqlite3_column_double(read, 8), tau;
        status = tau_of_tool(params->tau_f_by_tool, tool, &tau, err);
        if (status != TFC_OK) break;
        if (isnan(tau)) tau = isnan(params->tau_f) ? annotated : params->tau_f;
        size_t t = result_tool(result, tool);
        result->tools[t].candidates++;
        bool kept = !no_result && !no_call && fmin(empty, call) - with >= tau;
        bool filters = selection->filter == TFC_FILTER_GAIN;
        if (!filters) kept = !no_result;
        if (filters && !no_result) status = check_losses(read, selection, tool, tau, err);
        bool unlikely = false;
        if (status == TFC_OK && kept) status = is_unlikely(read, selection, &unlikely, err);
        if (status != TFC_OK) break;
        kept = kept && !unlikely;
        result->tools[t].passed += kept;
        const char *reason = unlikely    ? "the model would hardly write this call"
                             : no_result ? NULL
                             : !filters  ? "there is no filter"
                             : kept      ? "gain reaches tau_f"
                                         : "gain is below tau_f";
        sqlite3_bind_int(write, 1, kept);
        if (reason)
            sqlite3_bind_text(write, 2, reason, -1, SQLITE_STATIC);
        else
            sqlite3_bind_null(write, 2);
        sqlite3_bind_int64(write, 3, sqlite3_column_int64(read, 0));
        sqlite3_bind_text(write, 4, tool, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int64(write, 5, sqlite3_column_int64(read, 2));
        sqlite3_bind_int64(write, 6, sqlite3_column_int64(read, 3));
        sqlite3_bind_int64(write, 7, preference_of(read, selection->choose));
        if (sqlite3_step(write) != SQLITE_DONE) status = tfc_run_store_fail(store, err);
        sqlite3_reset(write);
    }
    if (status == TFC_OK && code != SQLITE_DONE) status = tfc_run_store_fail(store, err);
    sqlite3_finalize(read);
    sqlite3_finalize(write);
    return status;
}

/* A place whose L(empty) was below the annotation's threshold holds no candidates: a lower threshold would
 * need them. */
static tfc_status check_pruned_places(tfc_run_store *store, const tfc_filter_params *params,
                                      const tfc_selection *selection, tfc_error *err)
{
    if (selection->filter == TFC_FILTER_NONE) {
        int64_t n;
        tfc_status status =
            tfc_run_store_count(store, "SELECT count(*) FROM places WHERE reason IS NOT NULL", &n, err);
        return status != TFC_OK || n == 0
                   ? status
                   : tfc_fail(
                         err, TFC_EINVAL,
                         "the annotation left %lld places out by pruning, which is a filter too; annotate "
                         "again with --filter none or --no-pruning",
                         (long long)n);
    }
    sqlite3_stmt *read;
    tfc_status status = tfc_run_store_query(
        store, "SELECT tool, max(loss_empty) FROM places WHERE reason IS NOT NULL GROUP BY tool", &read, err);
    int code = SQLITE_DONE;
    while (status == TFC_OK && (code = sqlite3_step(read)) == SQLITE_ROW) {
        const char *tool = (const char *)sqlite3_column_text(read, 0);
        double tau;
        status = tau_of_tool(params->tau_f_by_tool, tool, &tau, err);
        if (status == TFC_OK && isnan(tau)) tau = params->tau_f;
        if (status == TFC_OK && !isnan(tau) && sqlite3_column_double(read, 1) >= tau)
            status = tfc_fail(
                err, TFC_EINVAL,
                "tau_f %g for %s is below that of the annotation, which left places out by pruning; annotate "
                "again with --tau-f %g or --no-pruning",
                tau, tool, tau);
    }
    if (status == TFC_OK && code != SQLITE_DONE) status = tfc_run_store_fail(store, err);
    sqlite3_finalize(read);
    return status;
}

/* Losses that were not computed are not written. */
static void put_loss(tfc_buffer *row, const char *key, double value)
{
    if (!isnan(value)) tfc_buffer_printf(row, ",\"%s\":%.9g", key, value);
}

static void put_call(tfc_buffer *row, const verdict *call)
{
    tfc_buffer_puts(row, "{\"tool\":");
    tfc_buffer_json(row, call->tool, strlen(call->tool));
    tfc_buffer_puts(row, ",\"args\":");
    tfc_buffer_json(row, call->args, strlen(call->args));
    tfc_buffer_puts(row, ",\"result\":");
    tfc_buffer_json(row, call->result, strlen(call->result));
    tfc_buffer_printf(row, ",\"at\":%lld", (long long)call->at);
    put_loss(row, "loss_empty", call->loss_empty);
    put_loss(row, "loss_call", call->loss_call);
    if (!isnan(call->loss_before)) put_loss(row, "loss_before", call->loss_before);
    put_loss(row, "loss_result", call->loss_result);
    put_loss(row, "gain", call->gain);
    put_loss(row, "likelihood", call->likelihood);
    tfc_buffer_putc(row, '}');
}

/* x* = the snippet with its calls: one row of C*. */
static tfc_status write_row(tfc_buffer *row, const char *id, const char *source, size_t n_source,
                            const verdict *calls, size_t n_calls, size_t max_result, tfc_error *err)
{
    tfc_call_insert *inserts = tfc_alloc_zero(n_calls, sizeof *inserts);
    tfc_status status = inserts ? TFC_OK : tfc_fail_memory(err, "row");
    for (size_t i = 0; i < n_calls && status == TFC_OK; i++) {
        char *head = tfc_call_print_head(calls[i].tool, calls[i].args);
        char *tail = tfc_call_print_tail(calls[i].result, max_result);
        tfc_buffer text;
        tfc_buffer_init(&text, 0);
        if (head && tail) tfc_buffer_puts(&text, head), tfc_buffer_puts(&text, tail);
        inserts[i].at = (size_t)calls[i].at;
        inserts[i].text = head && tail ? tfc_buffer_take(&text, NULL) : NULL;
        if (!inserts[i].text) status = tfc_fail_memory(err, "row");
        tfc_buffer_release(&text);
        tfc_text_free(head);
        tfc_text_free(tail);
    }
    char *text = NULL;
    size_t n_text = 0;
    if (status == TFC_OK) status = tfc_calls_insert(source, n_source, inserts, n_calls, &text, &n_text, err);
    if (status == TFC_OK) {
        tfc_buffer_puts(row, "{\"id\":");
        tfc_buffer_json(row, id, strlen(id));
        tfc_buffer_puts(row, ",\"text\":");
        tfc_buffer_json(row, text, n_text);
        tfc_buffer_puts(row, ",\"source\":");
        tfc_buffer_json(row, source, n_source);
        tfc_buffer_puts(row, ",\"calls\":[");
        for (size_t i = 0; i < n_calls; i++) {
            if (i) tfc_buffer_putc(row, ',');
            put_call(row, &calls[i]);
        }
        tfc_buffer_puts(row, "]}\n");
        status = tfc_buffer_ok(row, "row", err);
    }
    for (size_t i = 0; inserts && i < n_calls; i++) tfc_text_free((char *)(uintptr_t)inserts[i].text);
    tfc_free(inserts);
    tfc_text_free(text);
    return status;
}

static char *column_dup(sqlite3_stmt *statement, int column, tfc_arena *arena)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? tfc_arena_strndup(arena, text, (size_t)sqlite3_column_bytes(statement, column)) : NULL;
}

typedef struct verdicts {
    verdict *items;
    size_t n, capacity;
} verdicts;

/* tool, args, result, the three losses from `column` on; at from the caller. */
static verdict *add_verdict(verdicts *all, sqlite3_stmt *read, int column, int64_t at, tfc_arena *arena)
{
    if (all->n == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 16;
        verdict *bigger = tfc_arena_alloc(arena, capacity, sizeof *bigger);
        if (!bigger) return NULL;
        if (all->n) memcpy(bigger, all->items, all->n * sizeof *bigger);
        all->items = bigger;
        all->capacity = capacity;
    }
    verdict *call = &all->items[all->n];
    *call = (verdict){.tool = column_dup(read, column, arena),
                      .args = column_dup(read, column + 1, arena),
                      .result = column_dup(read, column + 2, arena),
                      .at = at,
                      .loss_empty = column_number(read, column + 3),
                      .loss_call = column_number(read, column + 4),
                      .loss_result = column_number(read, column + 5),
                      .likelihood = NAN,
                      .loss_before = NAN};
    call->gain = fmin(call->loss_empty, call->loss_call) - call->loss_result;
    if (!call->tool || !call->args || !call->result) return NULL;
    all->n++;
    return call;
}

/* The kept calls of one snippet, by place; those of a chain in their order. */
static tfc_status read_calls(tfc_run_store *store, sqlite3_stmt *read, sqlite3_stmt *links, int64_t snippet,
                             tfc_arena *arena, verdicts *calls, tfc_filter_result *result, tfc_error *err)
{
    *calls = (verdicts){0};
    sqlite3_bind_int64(read, 1, snippet);
    int code = SQLITE_DONE;
    tfc_status status = TFC_OK;
    while (status == TFC_OK && (code = sqlite3_step(read)) == SQLITE_ROW) {
        int64_t at = sqlite3_column_int64(read, 6);
        double before = NAN;
        for (int i = 1; i <= 4; i++) sqlite3_bind_value(links, i, sqlite3_column_value(read, 7 + i));
        while (status == TFC_OK && sqlite3_step(links) == SQLITE_ROW) {
            const verdict *link = add_verdict(calls, links, 0, at, arena);
            if (!link) status = tfc_fail_memory(err, "calls");
            if (link) before = fmin(before, link->loss_result);
            if (link) result->tools[result_tool(result, link->tool)].kept++;
        }
        sqlite3_reset(links);
        verdict *call = status == TFC_OK ? add_verdict(calls, read, 0, at, arena) : NULL;
        if (!call) return tfc_fail_memory(err, "calls");
        call->likelihood = column_number(read, 7);
        call->loss_before = before;
        call->gain = fmin(fmin(call->loss_empty, call->loss_call), before) - call->loss_result;
        result->tools[result_tool(result, call->tool)].kept++;
    }
    if (status == TFC_OK && code != SQLITE_DONE) status = tfc_run_store_fail(store, err);
    sqlite3_reset(read);
    return status;
}

static tfc_status write_plain(tfc_buffer *row, const char *id, const char *text, size_t n, tfc_error *err)
{
    tfc_buffer_puts(row, "{\"id\":");
    tfc_buffer_json(row, id, strlen(id));
    tfc_buffer_puts(row, ",\"text\":");
    tfc_buffer_json(row, text, n);
    tfc_buffer_puts(row, "}\n");
    return tfc_buffer_ok(row, "row", err);
}

static tfc_status write_sets(tfc_run_store *store, tfc_file_writer *dataset, tfc_file_writer *plain,
                             tfc_filter_result *result, tfc_error *err)
{
    sqlite3_stmt *snippets, *calls = NULL, *links = NULL;
    tfc_status status =
        tfc_run_store_query(store, "SELECT i, id, text FROM snippets ORDER BY i", &snippets, err);
    if (status == TFC_OK)
        status = tfc_run_store_query(
            store,
            "SELECT tool, args, coalesce((SELECT o.result FROM other_results o WHERE o.snippet = c.snippet "
            "AND o.tool = c.tool AND o.token = c.token AND o.n = c.n), result), loss_empty, loss_call, "
            "loss_result, at, likelihood, snippet, tool, token, n FROM candidates c WHERE snippet = ? AND "
            "kept "
            "ORDER BY at, tool, n",
            &calls, err);
    if (status == TFC_OK)
        status = tfc_run_store_query(store,
                                     "SELECT link_tool, l.args, l.result, loss_empty, l.loss_call, "
                                     "l.loss_result FROM links l JOIN candidates "
                                     "USING(snippet, tool, token, n) WHERE snippet = ? AND tool = ? AND "
                                     "token = ? AND n = ? ORDER BY link",
                                     &links, err);
    int code = SQLITE_DONE;
    while (status == TFC_OK && (code = sqlite3_step(snippets)) == SQLITE_ROW) {
        tfc_arena arena = {0};
        tfc_buffer row;
        tfc_buffer_init(&row, 64 << 20);
        verdicts kept;
        const char *id = (const char *)sqlite3_column_text(snippets, 1);
        const char *text = (const char *)sqlite3_column_text(snippets, 2);
        size_t n_text = (size_t)sqlite3_column_bytes(snippets, 2);
        result->snippets++;
        status =
            read_calls(store, calls, links, sqlite3_column_int64(snippets, 0), &arena, &kept, result, err);
        if (status == TFC_OK && kept.n > 0) {
            result->texts++;
            result->calls += (int64_t)kept.n;
            /* Results were cleaned and cut by their tool's limit when they were scored; the cap here only
             * guards. */
            status = write_row(&row, id, text, n_text, kept.items, kept.n, (size_t)1 << 20, err);
            if (status == TFC_OK) status = tfc_file_writer_write(dataset, row.data, row.n, err);
        } else if (status == TFC_OK) {
            status = write_plain(&row, id, text, n_text, err);
            if (status == TFC_OK) status = tfc_file_writer_write(plain, row.data, row.n, err);
        }
        tfc_buffer_release(&row);
        tfc_arena_release(&arena);
    }
    if (status == TFC_OK && code != SQLITE_DONE) status = tfc_run_store_fail(store, err);
    sqlite3_finalize(snippets);
    sqlite3_finalize(calls);
    sqlite3_finalize(links);
    return status;
}

static tfc_status write_files(tfc_run_store *store, const char *folder, tfc_filter_result *result,
                              tfc_error *err)
{
    char *dataset_path = tfc_path_join(folder, "dataset.jsonl");
    char *plain_path = tfc_path_join(folder, "plain.jsonl");
    tfc_file_writer dataset = {0}, plain = {0};
    tfc_status status = dataset_path && plain_path ? TFC_OK : tfc_fail_memory(err, "paths");
    if (status == TFC_OK) status = tfc_file_writer_open(&dataset, dataset_path, err);
    if (status == TFC_OK) status = tfc_file_writer_open(&plain, plain_path, err);
    if (status == TFC_OK) status = write_sets(store, &dataset, &plain, result, err);
    if (status == TFC_OK) status = tfc_file_writer_commit(&plain, err);
    if (status == TFC_OK) status = tfc_file_writer_commit(&dataset, err);
    tfc_file_writer_abort(&dataset);
    tfc_file_writer_abort(&plain);
    tfc_free(dataset_path);
    tfc_free(plain_path);
    return status;
}

tfc_filter_params tfc_filter_params_default(void)
{
    return (tfc_filter_params){.tau_f = NAN, .min_likelihood = NAN};
}

tfc_status tfc_filter(const tfc_filter_params *params, tfc_filter_result *result, tfc_error *err)
{
    tfc_filter_result unused;
    if (!result) result = &unused;
    memset(result, 0, sizeof *result);
    tfc_run_store store;
    tfc_status status = tfc_run_store_open(&store, params->run, false, err);
    if (status != TFC_OK) return status;
    tfc_selection selection;
    status = tfc_selection_init(&selection, params, &store, err);
    if (status == TFC_OK) status = check_pruned_places(&store, params, &selection, err);
    if (status == TFC_OK) status = tfc_run_store_exec(&store, "BEGIN IMMEDIATE", err);
    if (status == TFC_OK) {
        status = judge_all(&store, params, &selection, result, err);
        if (status == TFC_OK) status = tfc_selection_settle(&selection, &store, result, err);
        if (status == TFC_OK)
            status = tfc_run_store_exec(&store, "COMMIT", err);
        else
            tfc_run_store_exec(&store, "ROLLBACK", NULL);
    }
    if (status == TFC_OK) status = tfc_selection_shuffle(&selection, &store, err);
    if (status == TFC_OK) status = write_files(&store, params->out ? params->out : params->run, result, err);
    tfc_run_store_close(&store);
    return status;
}
