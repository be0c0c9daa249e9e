/* Data files of the tasks: JSON lines, each checked whole before anything is run. */
#include "eval/rows.h"

#include "base/file.h"

static tfc_status append_row(tfc_eval_rows *rows, tfc_json *json, int64_t line, const tfc_eval_task *task,
                             tfc_error *err)
{
    if ((size_t)rows->n == rows->capacity) {
        size_t capacity = rows->capacity ? rows->capacity * 2 : 64;
        tfc_eval_row *bigger = tfc_realloc(rows->rows, capacity, sizeof *bigger);
        if (!bigger) return tfc_fail_memory(err, "rows");
        rows->rows = bigger;
        rows->capacity = capacity;
    }
    if (!json_object_is_type(json, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    tfc_eval_row row = {0};
    tfc_status status = task->read(json, line, &row, &rows->arena, err);
    if (status == TFC_EFORMAT && err) {
        tfc_error reason = *err;
        tfc_fail(err, status, "%.400s (%s reads %s)", reason.message, task->name, task->data);
    }
    if (status == TFC_OK) rows->rows[rows->n++] = row;
    return status;
}

tfc_status tfc_eval_rows_read(const char *path, int64_t limit, const tfc_eval_task *task, tfc_eval_rows *rows,
                              tfc_error *err)
{
    char *text;
    size_t n_text;
    *rows = (tfc_eval_rows){0};
    tfc_error failure;
    tfc_error_init(&failure);
    tfc_status status = tfc_file_read(path, (size_t)1 << 30, &text, &n_text, err);
    if (status != TFC_OK) return status;
    int64_t line = 0;
    for (size_t from = 0; from < n_text && status == TFC_OK && (limit < 0 || rows->n < limit);) {
        const char *end = memchr(text + from, '\n', n_text - from);
        size_t to = end ? (size_t)(end - text) : n_text, content = from;
        char what[32];
        snprintf(what, sizeof what, "line %lld", (long long)++line);
        while (content < to && strchr(" \t\r", text[content])) content++;
        if (content < to) {
            tfc_json *json = tfc_json_parse(text + from, to - from, what, &failure);
            status = json ? append_row(rows, json, line, task, &failure) : failure.status;
            if (json && status != TFC_OK) tfc_error_prefix(&failure, "%s", what);
            json_object_put(json);
        }
        from = to + 1;
    }
    tfc_free(text);
    if (status == TFC_OK && rows->n == 0) status = tfc_fail(&failure, TFC_EFORMAT, "no rows");
    if (status == TFC_OK) return TFC_OK;
    tfc_error_prefix(&failure, "'%s'", path);
    if (err) *err = failure;
    tfc_eval_rows_release(rows);
    return status;
}

void tfc_eval_rows_release(tfc_eval_rows *rows)
{
    tfc_free(rows->rows);
    tfc_arena_release(&rows->arena);
    *rows = (tfc_eval_rows){0};
}
