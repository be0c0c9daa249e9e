/* The tasks: what a row of their data looks like and the prompt that it becomes (paper, Appendix C).
 *
 * Word problems: `context question The answer is`. The two parts are joined by one blank and taken as they
 * are written, with a final punctuation mark or without; blanks at their ends are trimmed, so that the prompt
 * ends in "is" and the model's first token is the one that begins a word, or a call.
 *
 * ASDiv has answers that are no single number, and all of them stay in the count: a fraction
 * ("7/9") is read as its value; of a list ("8; 40") all values must come first and in order; ratios, clock
 * times and words ("4:5", "5:45", "Leon") are scored by their words, as LAMA's are. SVAMP and MAWPS have
 * numbers only: there another kind of answer is an error of the file. */
#include <stdio.h>

#include "eval/rows.h"

static tfc_status optional_text(tfc_json *json, const char *key, const char **out, tfc_error *err)
{
    bool found;
    tfc_status status = tfc_json_get_text(json, key, out, NULL, &found, err);
    if (status == TFC_OK && !found) *out = NULL;
    return status;
}

static const char *in_arena(tfc_arena *arena, const char *text)
{
    return text ? tfc_arena_strndup(arena, text, strlen(text)) : NULL;
}

/* A row's name: text or a whole number under one of the keys; else its line. */
static const char *row_id(tfc_json *json, int64_t line, tfc_arena *arena)
{
    static const char *const keys[] = {"id", "ID"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        tfc_json *value = json_object_object_get(json, keys[i]);
        if (json_object_is_type(value, json_type_string) || json_object_is_type(value, json_type_int))
            return in_arena(arena, json_object_get_string(value));
    }
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)line);
    return in_arena(arena, number);
}

static tfc_status read_prompt(tfc_json *json, int64_t line, tfc_eval_row *row, tfc_arena *arena,
                              tfc_error *err)
{
    const char *prompt, *question, *gold, *tool, *date;
    tfc_status status = optional_text(json, "prompt", &prompt, err);
    if (status == TFC_OK) status = optional_text(json, "question", &question, err);
    if (status == TFC_OK) status = optional_text(json, "tool", &tool, err);
    if (status == TFC_OK) status = optional_text(json, "date", &date, err);
    if (status == TFC_OK) status = tfc_json_get_text(json, "answer", &gold, NULL, NULL, err);
    if (status != TFC_OK) return status;
    if (!prompt) prompt = question;
    if (!prompt || !*prompt) return tfc_fail(err, TFC_EFORMAT, "missing prompt (or question)");
    if (!*gold) return tfc_fail(err, TFC_EFORMAT, "empty answer");
    *row = (tfc_eval_row){.id = row_id(json, line, arena),
                          .prompt = in_arena(arena, prompt),
                          .gold = in_arena(arena, gold),
                          .tool = in_arena(arena, tool),
                          .date = in_arena(arena, date)};
    row->has_value = tfc_value_read(gold, &row->value);
    return row->id && row->prompt && row->gold ? TFC_OK : tfc_fail_memory(err, "prompts");
}

static void append_trimmed(tfc_buffer *buffer, const char *text)
{
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t n = strlen(text);
    while (n > 0 && strchr(blanks, text[n - 1])) n--;
    if (n == 0) return;
    tfc_buffer_append(buffer, text, n);
    tfc_buffer_putc(buffer, ' ');
}

/* The answer of a word problem: a JSON number, or a text. Numbers are written with at most 15 digits: those
 * behind are noise of binary fractions (2.4000000000000004). */
static tfc_status read_answer(tfc_json *json, const char *key, bool words_too, tfc_eval_row *row,
                              tfc_arena *arena, tfc_error *err)
{
    tfc_json *answer = json_object_object_get(json, key);
    char number[64];
    const char *text = number;
    if (json_object_is_type(answer, json_type_double) || json_object_is_type(answer, json_type_int))
        snprintf(number, sizeof number, "%.15g", json_object_get_double(answer));
    else if (json_object_is_type(answer, json_type_string))
        text = json_object_get_string(answer);
    else
        return tfc_fail(err, TFC_EFORMAT, "missing \"%s\": a row needs its answer", key);
    row->has_value = tfc_value_read(text, &row->value);
    size_t n = strlen(text);
    if (row->has_value && memchr(text, '(', n)) { /* "18 (cups)": the unit goes */
        n = strcspn(text, "(");
        while (n > 0 && text[n - 1] == ' ') n--;
    }
    if (!row->has_value && !words_too)
        return tfc_fail(err, TFC_EFORMAT, "\"%s\" is no number: '%.60s'", key, text);
    if (text[strspn(text, " \t\r\n")] == '\0') return tfc_fail(err, TFC_EFORMAT, "empty \"%s\"", key);
    row->gold = tfc_arena_strndup(arena, text, n);
    return row->gold ? TFC_OK : tfc_fail_memory(err, "answers");
}

static tfc_status read_problem(tfc_json *json, int64_t line, const char *context_key,
                               const char *question_key, const char *answer_key, bool words_too,
                               tfc_eval_row *row, tfc_arena *arena, tfc_error *err)
{
    const char *context = "", *question;
    tfc_status status =
        context_key ? tfc_json_get_text(json, context_key, &context, NULL, NULL, err) : TFC_OK;
    if (status == TFC_OK) status = tfc_json_get_text(json, question_key, &question, NULL, NULL, err);
    if (status == TFC_OK) status = read_answer(json, answer_key, words_too, row, arena, err);
    if (status != TFC_OK) return status;
    tfc_buffer prompt;
    tfc_buffer_init(&prompt, 0);
    append_trimmed(&prompt, context);
    append_trimmed(&prompt, question);
    bool empty = prompt.n == 0 && !prompt.failed;
    tfc_buffer_puts(&prompt, "The answer is");
    status = empty ? tfc_fail(err, TFC_EFORMAT, "empty \"%s\"", question_key)
                   : tfc_buffer_ok(&prompt, "prompt", err);
    if (status == TFC_OK) {
        row->id = row_id(json, line, arena);
        row->prompt = tfc_arena_strndup(arena, prompt.data, prompt.n);
        if (!row->id || !row->prompt) status = tfc_fail_memory(err, "prompts");
    }
    tfc_buffer_release(&prompt);
    return status;
}

static tfc_status read_asdiv(tfc_json *json, int64_t line, tfc_eval_row *row, tfc_arena *arena,
                             tfc_error *err)
{
    return read_problem(json, line, "body", "question", "answer", true, row, arena, err);
}

static tfc_status read_svamp(tfc_json *json, int64_t line, tfc_eval_row *row, tfc_arena *arena,
                             tfc_error *err)
{
    return read_problem(json, line, "Body", "Question", "Answer", false, row, arena, err);
}

static tfc_status read_mawps(tfc_json *json, int64_t line, tfc_eval_row *row, tfc_arena *arena,
                             tfc_error *err)
{
    return read_problem(json, line, NULL, "question", "answer", false, row, arena, err);
}

const char *tfc_question_prompt(tfc_arena *arena, const char *question)
{
    static const char instruction[] = "Answer the following question: ";
    size_t n = strlen(question), head = sizeof instruction - 1;
    while (n > 0 && strchr(" \t\r\n", question[n - 1])) n--;
    char *prompt = tfc_arena_alloc(arena, head + n + 2, 1);
    if (!prompt) return NULL;
    memcpy(prompt, instruction, head);
    memcpy(prompt + head, question, n);
    if (n == 0 || question[n - 1] != '?') prompt[head + n] = '?';
    return prompt;
}

static tfc_status read_date_question(tfc_json *json, int64_t line, tfc_eval_row *row, tfc_arena *arena,
                                     tfc_error *err)
{
    const char *question, *answer, *date, *kind;
    tfc_status status = tfc_json_get_text(json, "question", &question, NULL, NULL, err);
    if (status == TFC_OK) status = tfc_json_get_text(json, "answer", &answer, NULL, NULL, err);
    if (status == TFC_OK) status = tfc_json_get_text(json, "date", &date, NULL, NULL, err);
    if (status == TFC_OK) status = optional_text(json, "template", &kind, err);
    if (status != TFC_OK) return status;
    if (!*question || !*answer) return tfc_fail(err, TFC_EFORMAT, "empty question or answer");
    if (!tfc_calendar_valid(date))
        return tfc_fail(err, TFC_EFORMAT, "'%.40s' is no date of the form YYYY-MM-DD", date);
    *row = (tfc_eval_row){.id = row_id(json, line, arena),
                          .prompt = tfc_question_prompt(arena, question),
                          .question = in_arena(arena, question),
                          .gold = in_arena(arena, answer),
                          .date = in_arena(arena, date),
                          .template_name = in_arena(arena, kind)};
    row->has_value = tfc_value_read(answer, &row->value);
    return row->id && row->prompt && row->question && row->gold && row->date
               ? TFC_OK
               : tfc_fail_memory(err, "questions");
}

static tfc_status read_plain_prompt(tfc_json *json, int64_t line, tfc_eval_row *row, tfc_arena *arena,
                                    tfc_error *err)
{
    const char *prompt, *date;
    tfc_status status = tfc_json_get_text(json, "prompt", &prompt, NULL, NULL, err);
    if (status == TFC_OK) status = optional_text(json, "date", &date, err);
    if (status != TFC_OK) return status;
    if (prompt[strspn(prompt, " \t\r\n")] == '\0') return tfc_fail(err, TFC_EFORMAT, "empty prompt");
    *row = (tfc_eval_row){
        .id = row_id(json, line, arena), .prompt = in_arena(arena, prompt), .date = in_arena(arena, date)};
    return row->id && row->prompt ? TFC_OK : tfc_fail_memory(err, "prompts");
}

/* 64 tokens: the longest call that a word problem asks for, its result and the sentence that gives it. 48:
 * five words after one call. */
static const tfc_eval_task tasks[] = {
    {"prompts", "{\"prompt\" or \"question\", \"answer\"}", read_prompt, TFC_EVAL_RULE_PROMPTS, false, 0},
    {"asdiv", "{\"body\", \"question\", \"answer\"}", read_asdiv, TFC_EVAL_RULE_NUMBER, true, 64},
    {"svamp", "{\"Body\", \"Question\", \"Answer\"}", read_svamp, TFC_EVAL_RULE_NUMBER, true, 64},
    {"mawps", "{\"question\", \"answer\"}", read_mawps, TFC_EVAL_RULE_NUMBER, true, 64},
    {"dateset", "{\"question\", \"answer\", \"date\"}", read_date_question, TFC_EVAL_RULE_DATES, true, 48},
    {"calls-not-needed", "{\"prompt\"}", read_plain_prompt, TFC_EVAL_RULE_CALLS, true, 64},
};

const char *tfc_eval_task_names(void)
{
    return "prompts, asdiv, svamp, mawps, dateset, calls-not-needed";
}

const tfc_eval_task *tfc_eval_task_find(const char *name)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(tasks[i].name, name) == 0) return &tasks[i];
    return NULL;
}

bool tfc_eval_task_known(const char *name)
{
    return tfc_eval_task_find(name) != NULL;
}

int64_t tfc_eval_task_max_tokens(const char *name)
{
    const tfc_eval_task *task = tfc_eval_task_find(name);
    return task && task->max_tokens ? task->max_tokens : tfc_generate_params_default().max_tokens;
}
