/* Prompts with answers, all of one day together in one batch. */
#include <time.h>

#include "eval/rows.h"
#include "toolformer/eval.h"

enum { BATCH = 32 };

static char *read_text(const char *output, const tfc_reading *reading)
{
    return tfc_memdup_text(output + reading->begin, reading->end - reading->begin);
}

/* Both scores; *prediction is the caller's, NULL only without memory. */
static void score_number(const tfc_eval_row *row, const char *output, tfc_eval_example *e, char **prediction)
{
    tfc_reading literal, strict;
    bool read = tfc_read_literal(output, &literal);
    if (read && row->value.denominator > 1) tfc_reading_fraction(output, strlen(output), &literal);
    e->correct = read && tfc_value_equal(&literal.value, &row->value, true);
    e->strict_correct =
        tfc_read_strict(output, &strict) && tfc_value_equal(&strict.value, &row->value, false);
    *prediction = read_text(output, &literal);
}

static bool result_value(const tfc_made_call *call, tfc_value *value)
{
    return call->result && tfc_value_read(call->result, value);
}

/* What the calls did: ran, result right, result copied into the prediction. */
static void judge_calls(const tfc_eval_row *row, const char *prediction, tfc_eval_example *e)
{
    tfc_value said, value;
    bool number = tfc_value_read(prediction, &said);
    for (size_t c = 0; c < e->generated->n_calls; c++) {
        const tfc_made_call *call = &e->generated->calls[c];
        e->called_right |= call->result && (!row->tool || strcmp(call->tool, row->tool) == 0);
        e->call_ran |= call->result != NULL;
        if (!result_value(call, &value)) continue;
        e->result_right |= row->has_value && tfc_value_equal(&value, &row->value, false);
        e->copied |= number && tfc_value_equal(&value, &said, true);
    }
}

static void count_example(const tfc_eval_task *task, const tfc_eval_row *row,
                          const tfc_generate_result *generated,
                          void (*each)(void *, const tfc_eval_example *), void *context,
                          tfc_eval_result *result)
{
    tfc_eval_example e = {.id = row->id,
                          .prompt = row->prompt,
                          .output = generated->text,
                          .gold = row->gold,
                          .tool = row->tool,
                          .generated = generated,
                          .called = generated->n_calls > 0};
    char *prediction = NULL;
    if (task->numbers && row->has_value)
        score_number(row, generated->text_without_calls, &e, &prediction);
    else
        e.correct = e.strict_correct =
            tfc_answer_correct(generated->text_without_calls, row->gold, &prediction);
    e.prediction = prediction ? prediction : "";
    judge_calls(row, e.prediction, &e);
    result->n++;
    result->correct += e.correct;
    result->strict_correct += e.strict_correct;
    result->called += e.called;
    result->correct_called += e.correct && e.called;
    result->called_right += e.called_right;
    result->correct_through += e.correct && e.called_right;
    result->result_right += e.result_right;
    result->copied += e.copied;
    if (each) each(context, &e);
    tfc_free(prediction);
}

static bool same_day(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static tfc_status run_batch(tfc_session *session, const tfc_eval_task *task, const tfc_eval_params *params,
                            const tfc_eval_row *rows, int64_t n, const tfc_monitor *monitor,
                            void (*each)(void *, const tfc_eval_example *), void *context,
                            tfc_eval_result *result, tfc_error *err)
{
    const char *prompts[BATCH];
    tfc_generate_result generated[BATCH] = {{0}};
    tfc_generate_params generate = params->generate;
    for (int64_t b = 0; b < n; b++) prompts[b] = rows[b].prompt;
    if (rows->date) generate.date = rows->date;
    generate.monitor = monitor;
    if (task->literal_prompts) generate.special = false;
    tfc_status status = tfc_generate(session, prompts, n, &generate, generated, err);
    bool cut = false;
    for (int64_t b = 0; b < n && status == TFC_OK; b++)
        cut = cut || generated[b].finish == TFC_GENERATE_INTERRUPTED;
    if (status == TFC_OK && cut) status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
    for (int64_t b = 0; b < n && status == TFC_OK; b++)
        count_example(task, &rows[b], &generated[b], each, context, result);
    for (int64_t b = 0; b < n; b++) tfc_generate_release(&generated[b]);
    return status;
}

tfc_status tfc_eval_prompts(tfc_session *session, const tfc_eval_params *params,
                            void (*each)(void *context, const tfc_eval_example *example), void *context,
                            const tfc_monitor *monitor, tfc_eval_result *result, tfc_error *err)
{
    *result = (tfc_eval_result){0};
    const char *name = params->task ? params->task : "prompts";
    const tfc_eval_task *task = tfc_eval_task_find(name);
    if (!task) return tfc_fail(err, TFC_ENOTFOUND, "unknown task '%.40s'", name);
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    tfc_eval_rows list;
    tfc_status status = tfc_eval_rows_read(params->data, params->limit, task, &list, err);
    for (int64_t i = 0; status == TFC_OK && i < list.n;) {
        int64_t batch = 1;
        while (batch < BATCH && i + batch < list.n && same_day(list.rows[i].date, list.rows[i + batch].date))
            batch++;
        status = run_batch(session, task, params, &list.rows[i], batch, monitor, each, context, result, err);
        i += batch;
        if (status == TFC_OK && i < list.n && tfc_should_stop(monitor))
            status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
        if (monitor && monitor->progress && status == TFC_OK)
            monitor->progress(
                monitor->context,
                &(tfc_progress){.stage = "eval", .done = i, .total = list.n, .unit = "prompts"});
    }
    tfc_eval_rows_release(&list);
    clock_gettime(CLOCK_MONOTONIC, &end);
    result->seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    return status;
}
