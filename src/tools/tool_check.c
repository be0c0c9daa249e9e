/* Checking a tool by its own demonstrations: every call of its in them is run. */
#include "toolformer/tool_check.h"

#include <stdlib.h>

#include "tools/backend.h"
#include "tools/runner_inside.h"

typedef struct checking {
    const tfc_tool *tool;
    const tfc_tool_check_params *params;
    tfc_tool_check_result *result;
    tfc_buffer times; /* doubles */
    tfc_error *err;
} checking;

/* The printed call reads back as the call and result that went in. */
static tfc_status check_print(const char *name, const char *args, const char *clean, size_t max_bytes,
                              bool *survives, tfc_error *err)
{
    char *head = tfc_call_print_head(name, args), *tail = tfc_call_print_tail(clean, max_bytes);
    tfc_buffer text;
    tfc_call_span span;
    tfc_buffer_init(&text, 0);
    tfc_buffer_puts(&text, head ? head : "");
    tfc_buffer_puts(&text, tail ? tail : "");
    tfc_status status = head && tail ? tfc_buffer_ok(&text, "a call", err) : tfc_fail_memory(err, "a call");
    *survives = status == TFC_OK && tfc_call_parse(text.data, text.n, 0, &name, 1, &span) &&
                span.end == text.n && span.args_end - span.args == strlen(args) &&
                memcmp(text.data + span.args, args, strlen(args)) == 0 &&
                span.result_end - span.result == strlen(clean) && *clean &&
                memcmp(text.data + span.result, clean, strlen(clean)) == 0;
    tfc_text_free(head);
    tfc_text_free(tail);
    tfc_buffer_release(&text);
    return status;
}

/* One call, `repeats` times; the worst answer counts. */
static tfc_status run_call(checking *c, tfc_tool_check *check, const tfc_tool_context *context)
{
    char *text = NULL, *clean = NULL;
    tfc_error own;
    tfc_status status = TFC_OK;
    tfc_error_init(&own);
    for (int i = 0; (i == 0 || i < c->params->repeats) && check->status == TFC_OK && status == TFC_OK; i++) {
        tfc_text_free(text);
        tfc_error_init(&own);
        int64_t begin = tfc_monotonic_ns();
        check->status = tfc_tool_attempt(c->tool, check->args, context, &text, &own);
        double ms = (double)(tfc_monotonic_ns() - begin) / 1e6;
        if (ms > check->ms) check->ms = ms;
        if (!tfc_buffer_append(&c->times, &ms, sizeof ms)) status = tfc_fail_memory(c->err, "times");
        if (tfc_should_stop(c->params->monitor)) status = tfc_fail(c->err, TFC_EINTERRUPTED, "interrupted");
    }
    if (status == TFC_OK && check->status == TFC_OK) {
        clean = tfc_call_clean_result(text, c->tool->max_result_bytes);
        status = clean ? check_print(c->tool->name, check->args, clean, c->tool->max_result_bytes,
                                     &check->survives, c->err)
                       : tfc_fail_memory(c->err, "a result");
        check->changed = clean && strcmp(clean, text) != 0;
    }
    check->text = check->status == TFC_OK ? clean : own.message;
    check->passed = check->status == TFC_OK && check->survives;
    if (status == TFC_OK) {
        c->result->calls++;
        c->result->failed += !check->passed;
        if (c->params->seen) c->params->seen(c->params->context, check);
    }
    tfc_text_free(text);
    tfc_text_free(clean);
    return status;
}

static tfc_status check_list(checking *c, const char *field, const tfc_demonstration *list, size_t n)
{
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < n; i++) {
        tfc_call_span span;
        const char *output = list[i].output;
        const tfc_tool_context context = {.date = list[i].date};
        for (size_t at = 0;
             status == TFC_OK && tfc_calls_scan(output, strlen(output), at, &c->tool->name, 1, &span);
             at = span.end) {
            char *args = tfc_memdup_text(output + span.args, span.args_end - span.args);
            if (!args) return tfc_fail_memory(c->err, "arguments");
            tfc_tool_check check = {.field = field, .index = i, .args = args, .date = list[i].date};
            status = run_call(c, &check, &context);
            tfc_free(args);
        }
    }
    return status;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

tfc_tool_check_params tfc_tool_check_params_default(void)
{
    return (tfc_tool_check_params){.repeats = 3};
}

tfc_status tfc_tool_run_demonstrations(const tfc_tool *tool, const tfc_tool_check_params *params,
                                       tfc_tool_check_result *result, tfc_error *err)
{
    tfc_tool_check_params defaults = tfc_tool_check_params_default();
    *result = (tfc_tool_check_result){0};
    checking c = {.tool = tool, .params = params ? params : &defaults, .result = result, .err = err};
    tfc_buffer_init(&c.times, 0);
    int64_t begin = tfc_monotonic_ns();
    tfc_status status = tool->backend->prepare ? tool->backend->prepare(tool, err) : TFC_OK;
    result->ready_ms = (double)(tfc_monotonic_ns() - begin) / 1e6;
    if (status == TFC_OK)
        status = check_list(&c, "demonstrations", tool->demonstrations, tool->n_demonstrations);
    if (status == TFC_OK) status = check_list(&c, "head", tool->head, tool->n_head);
    size_t n = c.times.n / sizeof(double);
    if (status == TFC_OK && n > 0) {
        double *times = (double *)(void *)c.times.data;
        qsort(times, n, sizeof *times, by_size);
        result->median_ms = times[n / 2];
        result->worst_ms = times[n - 1];
    }
    tfc_buffer_release(&c.times);
    return status;
}
