/* Judging: what the answer says, what the calls gave, and which of both went wrong. */
#include "eval/examples.h"

#include <stdio.h>

const char *tfc_eval_failure_text(tfc_eval_failure failure)
{
    static const char *const texts[] = {
#define TFC_X(name, text) text,
        TFC_EVAL_FAILURES(TFC_X)
#undef TFC_X
    };
    return texts[failure];
}

/* Words of one text within another's, both normalised; false when one could not be made. */
static bool words_hold(const char *text, int max_words, const char *wanted, bool numerals, bool *memory)
{
    char *said = tfc_normal_words(text, max_words, numerals);
    char *run = tfc_normal_words(wanted, 0, numerals);
    bool holds = said && run && strlen(run) > 1 && strstr(said, run) != NULL;
    *memory = *memory && said && run;
    tfc_free(said);
    tfc_free(run);
    return holds;
}

static bool any_number_equal(const char *text, const tfc_value *value)
{
    size_t n = strlen(text);
    tfc_number number;
    for (size_t at = 0; tfc_number_scan(text, n, at, &number); at = number.end) {
        tfc_value found = {number.mantissa, 1, number.scale};
        if (tfc_value_equal(&found, value, true)) return true;
    }
    return false;
}

/* Both scores by the literal and the strict reading. */
static void score_number(const tfc_eval_row *row, const char *answer, tfc_judged *judged)
{
    tfc_reading literal, strict;
    bool read = tfc_read_literal(answer, &literal);
    if (read && row->value.denominator > 1) tfc_reading_fraction(answer, strlen(answer), &literal);
    judged->example.correct = read && tfc_value_equal(&literal.value, &row->value, true);
    judged->example.strict_correct =
        tfc_read_strict(answer, &strict) && tfc_value_equal(&strict.value, &row->value, false);
    judged->prediction = tfc_memdup_text(answer + literal.begin, literal.end - literal.begin);
}

static bool score(const tfc_eval_task *task, const tfc_eval_row *row, const char *answer, tfc_judged *judged)
{
    bool memory = true;
    if (!row->gold) {
        judged->prediction = tfc_strdup("");
    } else if (task->rule == TFC_EVAL_RULE_NUMBER && row->has_value) {
        score_number(row, answer, judged);
    } else if (task->rule == TFC_EVAL_RULE_NUMBER && tfc_list_length(row->gold) > 0) {
        size_t begin, end;
        judged->example.correct = tfc_list_given(answer, row->gold, &begin, &end);
        judged->prediction = tfc_memdup_text(answer + begin, end - begin);
    } else if (task->rule == TFC_EVAL_RULE_DATES) {
        judged->example.correct = words_hold(answer, TFC_ANSWER_WORDS, row->gold, true, &memory);
        char *words = tfc_normal_words(answer, TFC_ANSWER_WORDS, true);
        size_t n = words ? strlen(words) : 0;
        if (words) judged->prediction = n > 1 ? tfc_memdup_text(words + 1, n - 2) : tfc_strdup("");
        tfc_free(words);
    } else {
        judged->example.correct = tfc_answer_correct(answer, row->gold, &judged->prediction);
        if (!judged->prediction) judged->prediction = tfc_strdup("");
    }
    if (!row->gold || task->rule != TFC_EVAL_RULE_NUMBER || !row->has_value)
        judged->example.strict_correct = judged->example.correct;
    return memory && judged->prediction;
}

/* The gold in a result, the result in the answer: numbers by value, anything else by its words. Of a result
 * of several words the part that was asked for is enough. */
static bool judge_call(const tfc_eval_row *row, const char *result, const char *answer, tfc_eval_example *e)
{
    tfc_value value, said;
    bool memory = true, right = false, number = tfc_value_read(result, &value);
    if (number && row->has_value)
        right = tfc_value_equal(&value, &row->value, false);
    else if (row->gold)
        right = words_hold(result, 0, row->gold, true, &memory);
    e->result_right |= right;
    if (number && tfc_value_read(e->prediction, &said))
        e->copied |= tfc_value_equal(&value, &said, true);
    else
        e->copied |= (right && e->correct) || words_hold(answer, 0, result, true, &memory);
    return memory;
}

static bool judge_calls(const tfc_eval_row *row, const tfc_generate_result *generated, tfc_eval_example *e)
{
    bool memory = true;
    e->called = generated->n_calls > 0;
    for (size_t c = 0; c < generated->n_calls; c++) {
        const tfc_made_call *call = &generated->calls[c];
        if (!call->result) continue;
        e->call_ran = true;
        e->called_right |= !row->tool || strcmp(call->tool, row->tool) == 0;
        memory = judge_call(row, call->result, generated->text_without_calls, e) && memory;
    }
    return memory;
}

static bool stands_in(const tfc_eval_row *row, const char *answer)
{
    bool memory = true;
    return row->has_value ? any_number_equal(answer, &row->value)
                          : words_hold(answer, 0, row->gold, true, &memory);
}

static tfc_eval_failure failure_of(const tfc_eval_row *row, const tfc_eval_example *e, const char *answer)
{
    if (!row->gold || e->correct) return TFC_EVAL_NONE;
    if (!e->called) return TFC_EVAL_NO_CALL;
    if (!e->call_ran) return TFC_EVAL_NO_RESULT;
    if (!e->result_right) return TFC_EVAL_WRONG_RESULT;
    return stands_in(row, answer) ? TFC_EVAL_SCORING : TFC_EVAL_NOT_COPIED;
}

static void put_text(tfc_buffer *json, const char *key, const char *text)
{
    tfc_buffer_printf(json, "%s\"%s\":", json->n > 0 && json->data[json->n - 1] != '{' ? "," : "", key);
    if (text)
        tfc_buffer_json(json, text, strlen(text));
    else
        tfc_buffer_puts(json, "null");
}

static void put_bool(tfc_buffer *json, const char *key, bool value)
{
    tfc_buffer_printf(json, ",\"%s\":%s", key, value ? "true" : "false");
}

static char *example_line(const tfc_eval_example *e, const tfc_generate_result *generated)
{
    tfc_buffer json;
    tfc_buffer_init(&json, 0);
    tfc_buffer_putc(&json, '{');
    put_text(&json, "id", e->id);
    put_text(&json, "prompt", e->prompt);
    put_text(&json, "output", e->output);
    put_text(&json, "prediction", e->prediction);
    put_text(&json, "gold", e->gold);
    put_bool(&json, "correct", e->correct);
    put_bool(&json, "called", e->called);
    if (e->tool) put_text(&json, "tool", e->tool);
    if (e->date) put_text(&json, "date", e->date);
    put_bool(&json, "called_right", e->called_right);
    put_bool(&json, "call_ran", e->call_ran);
    put_bool(&json, "result_right", e->result_right);
    put_bool(&json, "copied", e->copied);
    put_bool(&json, "strict_correct", e->strict_correct);
    put_text(&json, "failure", tfc_eval_failure_text(e->failure));
    tfc_buffer_puts(&json, ",\"calls\":[");
    for (size_t i = 0; i < generated->n_calls; i++) {
        const tfc_made_call *call = &generated->calls[i];
        tfc_buffer_puts(&json, i ? ",{" : "{");
        put_text(&json, "tool", call->tool);
        put_text(&json, "args", call->args);
        put_text(&json, "result", call->result);
        put_text(&json, "error", call->error);
        tfc_buffer_putc(&json, '}');
    }
    tfc_buffer_puts(&json, "]}");
    char *line = json.failed ? NULL : tfc_buffer_take(&json, NULL);
    tfc_buffer_release(&json);
    return line;
}

tfc_status tfc_judge(const tfc_eval_task *task, const tfc_eval_row *row, const tfc_generate_result *generated,
                     tfc_judged *judged, tfc_error *err)
{
    *judged = (tfc_judged){.example = {.id = row->id,
                                       .prompt = row->prompt,
                                       .output = generated->text,
                                       .gold = row->gold ? row->gold : "",
                                       .tool = row->tool,
                                       .date = row->date}};
    tfc_eval_example *e = &judged->example;
    bool memory = score(task, row, generated->text_without_calls, judged);
    e->prediction = judged->prediction;
    memory = memory && judge_calls(row, generated, e);
    if (memory) e->failure = failure_of(row, e, generated->text_without_calls);
    if (memory) judged->line = example_line(e, generated);
    e->json = judged->line;
    if (judged->line) return TFC_OK;
    tfc_judged_release(judged);
    return tfc_fail_memory(err, "an answer");
}

static tfc_status read_bools(tfc_json *json, tfc_eval_example *e, tfc_error *err)
{
    const struct {
        const char *key;
        bool *value;
    } fields[] = {{"correct", &e->correct},
                  {"called", &e->called},
                  {"called_right", &e->called_right},
                  {"call_ran", &e->call_ran},
                  {"result_right", &e->result_right},
                  {"copied", &e->copied},
                  {"strict_correct", &e->strict_correct}};
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < sizeof fields / sizeof *fields && status == TFC_OK; i++)
        status = tfc_json_get_bool(json, fields[i].key, fields[i].value, NULL, err);
    return status;
}

static tfc_status read_texts(tfc_json *json, tfc_eval_example *e, tfc_error *err)
{
    const struct {
        const char *key;
        const char **value;
        bool optional;
    } fields[] = {{"id", &e->id, false},         {"prompt", &e->prompt, false},
                  {"output", &e->output, false}, {"prediction", &e->prediction, false},
                  {"gold", &e->gold, false},     {"tool", &e->tool, true},
                  {"date", &e->date, true}};
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < sizeof fields / sizeof *fields && status == TFC_OK; i++) {
        bool found;
        status = tfc_json_get_text(json, fields[i].key, fields[i].value, NULL,
                                   fields[i].optional ? &found : NULL, err);
    }
    return status;
}

tfc_status tfc_judged_read(const char *line, size_t n, tfc_judged *judged, tfc_error *err)
{
    *judged = (tfc_judged){0};
    tfc_error failure;
    tfc_error_init(&failure);
    tfc_eval_example *e = &judged->example;
    judged->line = tfc_memdup_text(line, n);
    if (!judged->line) return tfc_fail_memory(err, "an answer");
    judged->read = tfc_json_parse(line, n, "an example", &failure);
    tfc_status status = judged->read ? TFC_OK : failure.status;
    if (status == TFC_OK && !json_object_is_type(judged->read, json_type_object))
        status = tfc_fail(&failure, TFC_EFORMAT, "object expected");
    const char *text = "";
    if (status == TFC_OK) status = read_texts(judged->read, e, &failure);
    if (status == TFC_OK) status = read_bools(judged->read, e, &failure);
    if (status == TFC_OK) status = tfc_json_get_text(judged->read, "failure", &text, NULL, NULL, &failure);
    int kind = 0;
    while (kind < TFC_EVAL_N_FAILURES && strcmp(text, tfc_eval_failure_text((tfc_eval_failure)kind)) != 0)
        kind++;
    if (status == TFC_OK && kind == TFC_EVAL_N_FAILURES)
        status = tfc_fail(&failure, TFC_EFORMAT, "unknown failure '%.40s'", text);
    e->failure = (tfc_eval_failure)kind;
    e->json = judged->line;
    if (status == TFC_OK) return TFC_OK;
    tfc_judged_release(judged);
    if (err) *err = failure;
    return status;
}

void tfc_judged_release(tfc_judged *judged)
{
    tfc_free(judged->prediction);
    tfc_free(judged->line);
    json_object_put(judged->read);
    *judged = (tfc_judged){0};
}
