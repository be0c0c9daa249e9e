/* The evaluation itself: rows in batches, each batch judged, written and counted before the next. */
#include <stdio.h>
#include <time.h>

#include "annotate/settings.h"
#include "base/file.h"
#include "base/random.h"
#include "eval/examples.h"
#include "eval/results_file.h"
#include "eval/statistics.h"
#include "toolformer/eval.h"

enum { BATCH = 64 };

typedef struct evaluation {
    tfc_session *session;
    tfc_runner *runner;
    const tfc_eval_data *data;
    const tfc_eval_params *params;
    tfc_eval_result *result;
    int8_t *correct, *strict; /* [n] of the examples counted so far */
    tfc_results_file file;
    bool has_file;
} evaluation;

static void put_tools(tfc_buffer *json, const tfc_tools *tools)
{
    size_t n = tools ? tfc_tools_count(tools) : 0;
    tfc_buffer_puts(json, "\"tools\":{");
    for (size_t i = 0; i < n; i++) {
        const tfc_tool *tool = tfc_tools_at(tools, i);
        const char *manifest = tfc_tool_manifest(tool);
        tfc_buffer_printf(json, "%s\"%s\":\"%016llx\"", i ? "," : "", tfc_tool_name(tool),
                          (unsigned long long)tfc_hash_bytes(manifest, strlen(manifest), 0));
    }
    tfc_buffer_putc(json, '}');
}

/* Everything that decides an example's line. A new option of generation belongs here. */
static char *settings_json(const evaluation *e, tfc_error *err)
{
    const tfc_generate_params *g = &e->params->generate;
    tfc_model_info info = tfc_model_get_info(tfc_session_model(e->session));
    uint64_t model;
    if (tfc_path_hash(info.path, &model, err) != TFC_OK) return NULL;
    tfc_buffer json;
    tfc_buffer_init(&json, 0);
    tfc_buffer_printf(&json,
                      "{\"version\":\"%s\",\"task\":\"%s\",\"data\":\"%016llx\",\"model\":\"%016llx\","
                      "\"cpu_path\":\"%s\",\"operand\":\"%s\",",
                      tfc_version(), e->data->task->name, (unsigned long long)e->data->hash,
                      (unsigned long long)model, info.cpu_path, info.operand);
    put_tools(&json, g->tools);
    tfc_buffer_printf(&json,
                      ",\"max_tokens\":%lld,\"temperature\":%.17g,\"sample_top_k\":%d,\"top_p\":%.17g,"
                      "\"top_k\":%d,\"call_p\":%.17g,\"max_calls\":%lld,\"max_args_tokens\":%lld,"
                      "\"ignore_eos\":%s,\"allow_call_tokens\":%s,\"seed\":%llu,\"date\":",
                      (long long)g->max_tokens, g->temperature, g->sample_top_k, g->top_p, g->call_top_k,
                      g->call_p, (long long)g->max_calls, (long long)g->max_args_tokens,
                      g->ignore_eos ? "true" : "false", g->allow_call_tokens ? "true" : "false",
                      (unsigned long long)g->seed);
    if (g->date)
        tfc_buffer_json(&json, g->date, strlen(g->date));
    else
        tfc_buffer_puts(&json, "null");
    tfc_buffer_putc(&json, '}');
    char *text = tfc_buffer_ok(&json, "settings", err) == TFC_OK ? tfc_buffer_take(&json, NULL) : NULL;
    tfc_buffer_release(&json);
    return text;
}

static void count_example(evaluation *e, const tfc_eval_example *example)
{
    tfc_eval_result *r = e->result;
    e->correct[r->n] = example->correct;
    e->strict[r->n] = example->strict_correct;
    r->n++;
    r->correct += example->correct;
    r->strict_correct += example->strict_correct;
    r->called += example->called;
    r->call_ran += example->call_ran;
    r->correct_called += example->correct && example->called;
    r->called_right += example->called_right;
    r->correct_through += example->correct && example->called_right;
    r->result_right += example->result_right;
    r->copied += example->copied;
    r->failures[example->failure]++;
    if (e->params->each) e->params->each(e->params->context, example);
}

static tfc_status resume_row(evaluation *e, int64_t i, tfc_error *err)
{
    const tfc_eval_row *row = &e->data->rows[i];
    tfc_judged judged;
    tfc_status status = tfc_judged_read(e->file.lines[i], e->file.n_bytes[i], &judged, err);
    if (status == TFC_OK &&
        (strcmp(judged.example.id, row->id) != 0 || strcmp(judged.example.prompt, row->prompt) != 0))
        status = tfc_fail(err, TFC_ECONFLICT, "it is no answer to row '%.60s'", row->id);
    if (status == TFC_OK)
        count_example(e, &judged.example);
    else
        tfc_error_prefix(err, "'%s': example %lld", e->file.path, (long long)i + 1);
    tfc_judged_release(&judged);
    return status;
}

/* What an earlier start finished. */
static tfc_status resume(evaluation *e, tfc_error *err)
{
    char *settings = settings_json(e, err);
    if (!settings) return err->status;
    tfc_status status = tfc_results_open(&e->file, e->params->out, settings, err);
    tfc_free(settings);
    if (status != TFC_OK) return status;
    e->has_file = true;
    if (e->file.n_lines > e->data->n)
        return tfc_fail(err, TFC_ECONFLICT, "'%s' holds %lld examples, more than the %lld asked for",
                        e->file.path, (long long)e->file.n_lines, (long long)e->data->n);
    for (int64_t i = 0; i < e->file.n_lines && status == TFC_OK; i++) status = resume_row(e, i, err);
    e->result->n_resumed = e->result->n;
    return status;
}

/* Judges a finished batch; its lines reach the file before anybody hears of them. */
static tfc_status take_batch(evaluation *e, const tfc_eval_row *rows, const tfc_generate_result *generated,
                             int64_t n, tfc_error *err)
{
    tfc_judged judged[BATCH] = {{.line = NULL}};
    tfc_buffer lines;
    tfc_buffer_init(&lines, 0);
    tfc_status status = TFC_OK;
    for (int64_t b = 0; b < n && status == TFC_OK; b++) {
        status = tfc_judge(e->data->task, &rows[b], &generated[b], &judged[b], err);
        if (status == TFC_OK) tfc_buffer_puts(&lines, judged[b].line);
        tfc_buffer_putc(&lines, '\n');
    }
    if (status == TFC_OK) status = tfc_buffer_ok(&lines, "results", err);
    if (status == TFC_OK && e->has_file) status = tfc_results_append(&e->file, lines.data, lines.n, err);
    for (int64_t b = 0; b < n && status == TFC_OK; b++) count_example(e, &judged[b].example);
    for (int64_t b = 0; b < n; b++) tfc_judged_release(&judged[b]);
    tfc_buffer_release(&lines);
    return status;
}

static tfc_status run_batch(evaluation *e, const tfc_eval_row *rows, int64_t n, tfc_error *err)
{
    const char *prompts[BATCH], *dates[BATCH];
    tfc_generate_result generated[BATCH] = {{0}};
    tfc_generate_params generate = e->params->generate;
    for (int64_t b = 0; b < n; b++) {
        prompts[b] = rows[b].prompt;
        dates[b] = rows[b].date;
    }
    if (!generate.date && e->has_file) generate.date = e->file.today;
    generate.dates = dates;
    generate.monitor = e->params->monitor;
    generate.runner = e->runner;
    if (e->data->task->literal_prompts) generate.special = false;
    tfc_status status = tfc_generate(e->session, prompts, n, &generate, generated, err);
    bool cut = false;
    for (int64_t b = 0; b < n && status == TFC_OK; b++)
        cut = cut || generated[b].finish == TFC_GENERATE_INTERRUPTED;
    if (status == TFC_OK && cut) status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
    if (status == TFC_OK) status = take_batch(e, rows, generated, n, err);
    for (int64_t b = 0; b < n; b++) tfc_generate_release(&generated[b]);
    return status;
}

static void say_progress(const evaluation *e)
{
    const tfc_monitor *monitor = e->params->monitor;
    const tfc_eval_result *r = e->result;
    char detail[96];
    if (r->scored)
        snprintf(detail, sizeof detail, "%lld right, %lld with a call", (long long)r->correct,
                 (long long)r->called);
    else
        snprintf(detail, sizeof detail, "%lld with a call", (long long)r->called);
    if (monitor && monitor->progress)
        monitor->progress(
            monitor->context,
            &(tfc_progress){
                .stage = "eval", .done = r->n, .total = e->data->n, .unit = "prompts", .detail = detail});
}

static tfc_status run_rows(evaluation *e, tfc_error *err)
{
    tfc_status status = TFC_OK;
    while (status == TFC_OK && e->result->n < e->data->n) {
        if (tfc_should_stop(e->params->monitor)) return tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
        int64_t n = e->data->n - e->result->n;
        status = run_batch(e, &e->data->rows[e->result->n], n < BATCH ? n : BATCH, err);
        if (status == TFC_OK) say_progress(e);
    }
    return status;
}

/* Intervals, and the summary's line in the file. */
static tfc_status finish(evaluation *e, tfc_error *err)
{
    tfc_eval_result *r = e->result;
    uint64_t seed = e->params->generate.seed;
    tfc_status status = tfc_bootstrap(e->correct, r->n, seed, &r->accuracy_interval, err);
    if (status == TFC_OK) status = tfc_bootstrap(e->strict, r->n, seed, &r->strict_interval, err);
    if (status != TFC_OK || !e->has_file || (e->file.summed && r->n == r->n_resumed)) return status;
    char *line = tfc_eval_summary(r);
    tfc_buffer text;
    tfc_buffer_init(&text, 0);
    if (line) tfc_buffer_printf(&text, "%s\n", line);
    status = line ? tfc_buffer_ok(&text, "the summary", err) : tfc_fail_memory(err, "the summary");
    if (status == TFC_OK) status = tfc_results_append(&e->file, text.data, text.n, err);
    tfc_buffer_release(&text);
    tfc_free(line);
    return status;
}

/* Calls were possible and none was made: most often a model that was never taught to call. */
static void hint_no_call(const evaluation *e)
{
    const tfc_generate_params *g = &e->params->generate;
    size_t n_tools = g->tools ? tfc_tools_count(g->tools) : 0;
    bool could = n_tools > 0 && g->max_calls > 0 && (g->call_top_k > 0 || g->call_p > 0);
    if (could && e->result->called == 0 && e->result->scored)
        tfc_monitor_note(
            e->params->monitor,
            "no tool was called in %lld prompts: the model may not have been taught to (train it, or "
            "see --model)",
            (long long)e->result->n);
}

tfc_status tfc_eval_prompts(tfc_session *session, const tfc_eval_data *data, const tfc_eval_params *params,
                            tfc_eval_result *result, tfc_error *err)
{
    tfc_error failure;
    tfc_error_init(&failure);
    *result = (tfc_eval_result){.task = data->task->name, .scored = data->task->rule != TFC_EVAL_RULE_CALLS};
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    evaluation e = {.session = session, .data = data, .params = params, .result = result};
    e.file.fd = -1;
    e.correct = tfc_alloc((size_t)data->n, sizeof *e.correct);
    e.strict = tfc_alloc((size_t)data->n, sizeof *e.strict);
    tfc_status status = e.correct && e.strict ? TFC_OK : tfc_fail_memory(&failure, "results");
    if (status == TFC_OK && params->out) status = resume(&e, &failure);
    e.runner = params->generate.runner;
    if (status == TFC_OK && !e.runner) {
        e.runner = tfc_runner_create(&(tfc_runner_params){.stops = true}, &failure);
        status = failure.status;
    }
    if (status == TFC_OK) status = run_rows(&e, &failure);
    if (e.runner) result->n_tools = tfc_runner_stats(e.runner, result->tools, TFC_STATS_MAX);
    if (e.runner != params->generate.runner) tfc_runner_free(e.runner);
    clock_gettime(CLOCK_MONOTONIC, &end);
    result->seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    if (status == TFC_OK) status = finish(&e, &failure);
    if (status == TFC_OK) hint_no_call(&e);
    tfc_results_close(&e.file);
    tfc_free(e.correct);
    tfc_free(e.strict);
    if (status != TFC_OK && err) *err = failure;
    return status;
}
