/* The summary of an evaluation as one line of JSON. */
#include <math.h>

#include "base/memory.h"
#include "toolformer/eval.h"

static double share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : NAN;
}

static void put_number(tfc_buffer *json, const char *key, double value)
{
    if (isnan(value))
        tfc_buffer_printf(json, ",\"%s\":null", key);
    else
        tfc_buffer_printf(json, ",\"%s\":%.15g", key, value);
}

static void put_count(tfc_buffer *json, const char *key, int64_t value)
{
    tfc_buffer_printf(json, ",\"%s\":%lld", key, (long long)value);
}

static void put_interval(tfc_buffer *json, const char *key, const tfc_eval_interval *interval)
{
    tfc_buffer_printf(json, ",\"%s\":[%.15g,%.15g]", key, interval->low, interval->high);
}

static void put_scores(tfc_buffer *json, const tfc_eval_result *r)
{
    put_count(json, "correct", r->correct);
    put_number(json, "accuracy", share(r->correct, r->n));
    put_interval(json, "accuracy_interval", &r->accuracy_interval);
    put_number(json, "accuracy_called", share(r->correct_called, r->called));
    put_number(json, "accuracy_not_called", share(r->correct - r->correct_called, r->n - r->called));
    put_count(json, "strict_correct", r->strict_correct);
    put_number(json, "strict_accuracy", share(r->strict_correct, r->n));
    put_interval(json, "strict_interval", &r->strict_interval);
}

char *tfc_eval_summary(const tfc_eval_result *r)
{
    tfc_buffer json;
    tfc_buffer_init(&json, 0);
    tfc_buffer_puts(&json, "{\"task\":");
    tfc_buffer_json(&json, r->task, strlen(r->task));
    put_count(&json, "n", r->n);
    if (r->scored) put_scores(&json, r);
    put_number(&json, "called_share", share(r->called, r->n));
    put_count(&json, "called_right", r->called_right);
    put_count(&json, "call_ran", r->call_ran);
    if (r->scored) {
        put_count(&json, "correct_through", r->correct_through);
        put_count(&json, "result_right", r->result_right);
        put_count(&json, "copied", r->copied);
        tfc_buffer_puts(&json, ",\"failures\":{");
        for (int i = TFC_EVAL_NO_CALL; i < TFC_EVAL_N_FAILURES; i++)
            tfc_buffer_printf(&json, "%s\"%s\":%lld", i > TFC_EVAL_NO_CALL ? "," : "",
                              tfc_eval_failure_text((tfc_eval_failure)i), (long long)r->failures[i]);
        tfc_buffer_putc(&json, '}');
    }
    put_number(&json, "seconds", r->seconds);
    tfc_buffer_putc(&json, '}');
    char *line = json.failed ? NULL : tfc_buffer_take(&json, NULL);
    tfc_buffer_release(&json);
    return line;
}
