/* Prompts with answers, all of one day together in one batch. */
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "toolformer/eval.h"

enum { BATCH = 32 };

typedef struct prompt_row {
    const char *id, *prompt, *gold, *tool, *date;
} prompt_row;

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

static tfc_status read_row(tfc_json *json, int64_t line, prompt_row *row, tfc_arena *arena, tfc_error *err)
{
    const char *id, *prompt, *question, *gold, *tool, *date;
    if (!json_object_is_type(json, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    tfc_status status = optional_text(json, "id", &id, err);
    if (status == TFC_OK) status = optional_text(json, "prompt", &prompt, err);
    if (status == TFC_OK) status = optional_text(json, "question", &question, err);
    if (status == TFC_OK) status = optional_text(json, "tool", &tool, err);
    if (status == TFC_OK) status = optional_text(json, "date", &date, err);
    if (status == TFC_OK) status = tfc_json_get_text(json, "answer", &gold, NULL, NULL, err);
    if (status != TFC_OK) return status;
    if (!prompt) prompt = question;
    if (!prompt || !*prompt) return tfc_fail(err, TFC_EFORMAT, "missing prompt (or question)");
    if (!*gold) return tfc_fail(err, TFC_EFORMAT, "empty answer");
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)line);
    *row = (prompt_row){in_arena(arena, id ? id : number), in_arena(arena, prompt), in_arena(arena, gold),
                        in_arena(arena, tool), in_arena(arena, date)};
    return row->id && row->prompt && row->gold ? TFC_OK : tfc_fail_memory(err, "prompts");
}

static tfc_status read_rows(const char *path, int64_t limit, prompt_row **rows, int64_t *n, tfc_arena *arena,
                            tfc_error *err)
{
    char *text;
    size_t n_text, capacity = 0;
    *rows = NULL;
    *n = 0;
    tfc_status status = tfc_file_read(path, (size_t)1 << 30, &text, &n_text, err);
    if (status != TFC_OK) return status;
    int64_t line = 0;
    for (size_t from = 0; from < n_text && status == TFC_OK && (limit < 0 || *n < limit);) {
        const char *end = memchr(text + from, '\n', n_text - from);
        size_t to = end ? (size_t)(end - text) : n_text;
        char what[32];
        snprintf(what, sizeof what, "line %lld", (long long)++line);
        size_t content = from;
        while (content < to && (text[content] == ' ' || text[content] == '\r' || text[content] == '\t'))
            content++;
        if (content < to) {
            if ((size_t)*n == capacity) {
                capacity = capacity ? capacity * 2 : 64;
                prompt_row *bigger = tfc_realloc(*rows, capacity, sizeof **rows);
                if (!bigger)
                    status = tfc_fail_memory(err, "prompts");
                else
                    *rows = bigger;
            }
            tfc_json *json = status == TFC_OK ? tfc_json_parse(text + from, to - from, what, err) : NULL;
            if (status == TFC_OK && !json)
                status = TFC_EFORMAT;
            else if (status == TFC_OK && (status = read_row(json, line, &(*rows)[*n], arena, err)) == TFC_OK)
                ++*n;
            else if (json)
                tfc_error_prefix(err, "%s", what);
            json_object_put(json);
        }
        from = to + 1;
    }
    tfc_free(text);
    if (status == TFC_OK && *n == 0) status = tfc_fail(err, TFC_EFORMAT, "no rows");
    if (status != TFC_OK) tfc_error_prefix(err, "'%s'", path);
    return status;
}

static void count_example(const prompt_row *row, const tfc_generate_result *generated,
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
    char *prediction;
    e.correct = tfc_answer_correct(generated->text_without_calls, row->gold, &prediction);
    e.prediction = prediction ? prediction : "";
    for (size_t c = 0; c < generated->n_calls; c++)
        e.called_right |=
            generated->calls[c].result && (!row->tool || strcmp(generated->calls[c].tool, row->tool) == 0);
    result->n++;
    result->correct += e.correct;
    result->called += e.called;
    result->correct_called += e.correct && e.called;
    result->called_right += e.called_right;
    result->correct_through += e.correct && e.called_right;
    if (each) each(context, &e);
    tfc_free(prediction);
}

static bool same_day(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

tfc_status tfc_eval_prompts(tfc_session *session, const tfc_eval_params *params,
                            void (*each)(void *context, const tfc_eval_example *example), void *context,
                            const tfc_monitor *monitor, tfc_eval_result *result, tfc_error *err)
{
    *result = (tfc_eval_result){0};
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    tfc_arena arena = {0};
    prompt_row *rows;
    int64_t n;
    tfc_status status = read_rows(params->data, params->limit, &rows, &n, &arena, err);
    for (int64_t i = 0; i < n && status == TFC_OK;) {
        const char *prompts[BATCH];
        tfc_generate_result generated[BATCH] = {{0}};
        int64_t batch = 0;
        while (batch < BATCH && i + batch < n && same_day(rows[i].date, rows[i + batch].date)) {
            prompts[batch] = rows[i + batch].prompt;
            batch++;
        }
        tfc_generate_params generate = params->generate;
        if (rows[i].date) generate.date = rows[i].date;
        generate.monitor = monitor;
        status = tfc_generate(session, prompts, batch, &generate, generated, err);
        for (int64_t b = 0; b < batch && status == TFC_OK; b++)
            count_example(&rows[i + b], &generated[b], each, context, result);
        for (int64_t b = 0; b < batch; b++) tfc_generate_release(&generated[b]);
        i += batch;
        if (status == TFC_OK && tfc_should_stop(monitor))
            status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
        if (monitor && monitor->progress && status == TFC_OK)
            monitor->progress(monitor->context,
                              &(tfc_progress){.stage = "eval", .done = i, .total = n, .unit = "prompts"});
    }
    tfc_free(rows);
    tfc_arena_release(&arena);
    clock_gettime(CLOCK_MONOTONIC, &end);
    result->seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    return status;
}
