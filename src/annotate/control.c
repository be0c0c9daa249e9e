/* The control that the filter hears the result and not just a call: somebody else's results, the same
 * judgement. */
#include <math.h>
#include <stdlib.h>

#include "annotate/losses.h"
#include "annotate/run_store.h"
#include "base/random.h"

typedef struct judged {
    const char *text, *tool, *args, *result, *other;
    const char *link_tool, *link_args, *link_result; /* what goes before it in a chain, or NULL */
    int64_t token;
    double loss_empty, loss_call, own;
    uint64_t order;
} judged;

static int by_order(const void *a, const void *b)
{
    uint64_t x = ((const judged *)a)->order, y = ((const judged *)b)->order;
    return x < y ? -1 : x > y;
}

static const char *column_copy(sqlite3_stmt *statement, int column, tfc_arena *arena)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? tfc_arena_strndup(arena, text, (size_t)sqlite3_column_bytes(statement, column)) : NULL;
}

/* All scored candidates, in an order that the seed decides. */
static tfc_status read_judged(tfc_run_store *store, uint64_t seed, tfc_arena *arena, judged **out, int64_t *n,
                              tfc_error *err)
{
    int64_t total;
    tfc_status status = tfc_run_store_count(
        store, "SELECT count(*) FROM candidates WHERE loss_result IS NOT NULL", &total, err);
    sqlite3_stmt *read = NULL;
    if (status == TFC_OK)
        status =
            tfc_run_store_query(store,
                                "SELECT s.text, s.id, c.tool, c.args, c.result, c.token, c.loss_empty, "
                                "c.loss_result, c.n, c.loss_call, l.link_tool, l.args, l.result "
                                "FROM candidates c JOIN snippets s ON s.i = c.snippet "
                                "LEFT JOIN links l ON l.snippet = c.snippet AND l.tool = c.tool AND l.token "
                                "= c.token AND l.n = c.n "
                                "WHERE c.loss_result IS NOT NULL ORDER BY c.snippet, c.tool, c.token, c.n",
                                &read, err);
    if (status != TFC_OK) return status;
    *out = tfc_arena_alloc(arena, (size_t)total, sizeof **out);
    if (!*out) status = tfc_fail_memory(err, "control");
    for (*n = 0; status == TFC_OK && *n < total && sqlite3_step(read) == SQLITE_ROW; ++*n) {
        judged *j = &(*out)[*n];
        *j = (judged){.text = column_copy(read, 0, arena),
                      .tool = column_copy(read, 2, arena),
                      .args = column_copy(read, 3, arena),
                      .result = column_copy(read, 4, arena),
                      .token = sqlite3_column_int64(read, 5),
                      .loss_empty = sqlite3_column_double(read, 6),
                      .own = sqlite3_column_double(read, 7),
                      .loss_call =
                          sqlite3_column_type(read, 9) == SQLITE_NULL ? NAN : sqlite3_column_double(read, 9)};
        j->link_tool = column_copy(read, 10, arena);
        j->link_args = column_copy(read, 11, arena);
        j->link_result = column_copy(read, 12, arena);
        if (!j->text || !j->tool || !j->args || !j->result) status = tfc_fail_memory(err, "control");
        tfc_random random = tfc_random_stream(seed, (uint64_t)*n, 11, 0);
        j->order = tfc_random_next(&random);
    }
    sqlite3_finalize(read);
    return status;
}

/* Everybody gets the result of the next one, in the seed's order, of the same tool whose result differs. */
static void swap_results(judged *all, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t step = 1; step < n && !all[i].other; step++) {
            const judged *next = &all[(i + step) % n];
            if (strcmp(next->tool, all[i].tool) == 0 && strcmp(next->result, all[i].result) != 0)
                all[i].other = next->result;
        }
}

/* The tokens of the call that goes before. */
static tfc_status link_ids(const tfc_settings *settings, const judged *j, const tfc_tokenizer *tokenizer,
                           tfc_call_ids *ids, tfc_arena *arena, tfc_error *err)
{
    const tfc_tool *leader = tfc_tools_find(settings->tools, j->link_tool);
    if (!leader) return tfc_fail(err, TFC_ENOTFOUND, "the run has chains that begin with %s", j->link_tool);
    return tfc_call_ids_make(ids, leader, j->link_args, j->link_result, TFC_EMPTY_ARROW, tokenizer, arena,
                             err);
}

/* The losses that decide, with the other result: *with; *without is the least of those it has to beat, but
 * for L(empty). */
static tfc_status score_other(tfc_session *session, const tfc_settings *settings, const tfc_tool_plan *plan,
                              const judged *j, double *with, double *without, tfc_error *err)
{
    const tfc_tokenizer *tokenizer = tfc_model_tokenizer(tfc_session_model(session));
    tfc_arena arena = {0};
    tfc_tokens x;
    tfc_call_ids ids[3] = {{0}}; /* with, without a result, the call that goes before */
    tfc_score_request requests[3];
    int n = j->link_tool ? 3 : 2;
    tfc_status status = tfc_tokens_make(&x, j->text, strlen(j->text), plan->context, tokenizer, &arena, err);
    if (status == TFC_OK && n == 3) status = link_ids(settings, j, tokenizer, &ids[2], &arena, err);
    int64_t n_link = ids[2].n_head + ids[2].n_tail;
    int32_t *link = tfc_arena_alloc(&arena, (size_t)n_link, sizeof *link);
    if (status == TFC_OK && !link) status = tfc_fail_memory(err, "control");
    if (status == TFC_OK && n == 3) {
        memcpy(link, ids[2].head, (size_t)ids[2].n_head * sizeof *link);
        memcpy(link + ids[2].n_head, ids[2].tail, (size_t)ids[2].n_tail * sizeof *link);
    }
    for (int r = 0; r < n && status == TFC_OK; r++) {
        if (r < 2)
            status = tfc_call_ids_make(&ids[r], plan->tool, j->args, r == 0 ? j->other : NULL,
                                       settings->recipe.empty_call, tokenizer, &arena, err);
        tfc_loss_request in = {.plan = plan,
                               .x = &x,
                               .i = j->token,
                               .link_ids = link,
                               .n_link = r < 2 ? n_link : 0,
                               .call_ids = ids[r].head,
                               .n_call = ids[r].n_head,
                               .tail_ids = ids[r].tail,
                               .n_tail = ids[r].n_tail};
        if (status == TFC_OK) status = tfc_loss_request_make(&in, tokenizer, &requests[r], &arena, err);
    }
    if (status == TFC_OK) status = tfc_score(session, requests, n, err);
    if (status == TFC_OK) {
        *with = tfc_weighted_loss(requests[0].wants, requests[0].n_wants);
        *without = tfc_weighted_loss(requests[1].wants, requests[1].n_wants);
        if (n == 3) *without = fmin(*without, tfc_weighted_loss(requests[2].wants, requests[2].n_wants));
    }
    tfc_arena_release(&arena);
    return status;
}

static const tfc_tool_plan *plan_of(const tfc_settings *settings, const char *tool)
{
    for (size_t i = 0; i < settings->n_plans; i++)
        if (strcmp(settings->plans[i].tool->name, tool) == 0) return &settings->plans[i];
    return NULL;
}

static tfc_status judge_again(tfc_session *session, const tfc_settings *settings, const judged *all,
                              int64_t n_all, int64_t n, const tfc_monitor *monitor,
                              tfc_control_result *result, tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (int64_t i = 0; i < n_all && result->n < n && status == TFC_OK; i++) {
        const tfc_tool_plan *plan = plan_of(settings, all[i].tool);
        double with, without;
        if (!plan || !all[i].other) continue;
        if (tfc_should_stop(monitor)) return tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
        status = score_other(session, settings, plan, &all[i], &with, &without, err);
        if (status != TFC_OK) break;
        double baseline = fmin(all[i].loss_empty, without);
        result->n++;
        result->kept_own += baseline - all[i].own >= plan->tau_f;
        result->kept_other += baseline - with >= plan->tau_f;
        if (monitor && monitor->progress)
            monitor->progress(monitor->context, &(tfc_progress){.stage = "control",
                                                                .done = result->n,
                                                                .total = n < n_all ? n : n_all,
                                                                .unit = "calls"});
    }
    return status;
}

tfc_status tfc_control_shuffled(tfc_model *model, const tfc_annotate_params *params, int64_t n,
                                const tfc_monitor *monitor, tfc_control_result *result, tfc_error *err)
{
    *result = (tfc_control_result){0};
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    tfc_settings settings;
    tfc_run_store store = {0};
    tfc_arena arena = {0};
    judged *all = NULL;
    int64_t n_all = 0;
    tfc_status status = tfc_settings_init(&settings, params, tfc_model_tokenizer(model), err);
    if (status != TFC_OK) return status;
    status = tfc_run_store_open(&store, params->run, false, err);
    if (status == TFC_OK) status = read_judged(&store, params->seed, &arena, &all, &n_all, err);
    if (status == TFC_OK) {
        qsort(all, (size_t)n_all, sizeof *all, by_order);
        swap_results(all, n_all);
        tfc_session_params session_params = {.n_threads = params->n_threads,
                                             .batch_tokens = params->batch_tokens,
                                             .kv_bytes = params->kv_bytes};
        /* The heads' calls are in the run's recording: no tool is needed. */
        tfc_runner *runner = tfc_runner_create(&(tfc_runner_params){.cache = params->tool_cache,
                                                                    .record = params->run,
                                                                    .replay = params->replay},
                                               err);
        status =
            runner ? tfc_settings_heads(&settings, runner, tfc_model_tokenizer(model), err) : err->status;
        tfc_runner_free(runner);
        tfc_session *session = status == TFC_OK ? tfc_session_create(model, &session_params, err) : NULL;
        status = session ? judge_again(session, &settings, all, n_all, n, monitor, result, err) : err->status;
        tfc_session_free(session);
    }
    tfc_run_store_close(&store);
    tfc_arena_release(&arena);
    tfc_settings_release(&settings);
    return status;
}
