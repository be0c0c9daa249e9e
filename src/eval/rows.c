/* Data files of the tasks: JSON lines, each checked whole before anything is run. */
#include "eval/rows.h"

#include "base/file.h"
#include "base/random.h"

tfc_eval_row *tfc_eval_data_next(tfc_eval_data *data, tfc_error *err)
{
    if ((size_t)data->n == data->capacity) {
        size_t capacity = data->capacity ? data->capacity * 2 : 64;
        tfc_eval_row *bigger = tfc_realloc(data->rows, capacity, sizeof *bigger);
        if (!bigger) {
            tfc_fail_memory(err, "rows");
            return NULL;
        }
        data->rows = bigger;
        data->capacity = capacity;
    }
    data->rows[data->n] = (tfc_eval_row){0};
    return &data->rows[data->n];
}

static tfc_status append_row(tfc_eval_data *data, tfc_json *json, int64_t line, tfc_error *err)
{
    if (!json_object_is_type(json, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    tfc_eval_row *row = tfc_eval_data_next(data, err);
    if (!row) return TFC_ENOMEM;
    tfc_status status = data->task->read(json, line, row, &data->arena, err);
    if (status == TFC_EFORMAT) {
        tfc_error reason = *err;
        tfc_fail(err, status, "%.400s (%s reads %s)", reason.message, data->task->name, data->task->data);
    }
    if (status == TFC_OK) data->n++;
    return status;
}

static tfc_status read_lines(tfc_eval_data *data, const char *text, size_t n, tfc_error *err)
{
    tfc_status status = TFC_OK;
    int64_t line = 0;
    for (size_t from = 0; from < n && status == TFC_OK;) {
        const char *end = memchr(text + from, '\n', n - from);
        size_t to = end ? (size_t)(end - text) : n, content = from;
        char what[32];
        snprintf(what, sizeof what, "line %lld", (long long)++line);
        while (content < to && strchr(" \t\r", text[content])) content++;
        if (content < to) {
            tfc_json *json = tfc_json_parse(text + from, to - from, what, err);
            status = json ? append_row(data, json, line, err) : err->status;
            if (json && status != TFC_OK) tfc_error_prefix(err, "%s", what);
            json_object_put(json);
        }
        from = to + 1;
    }
    return status == TFC_OK && data->n == 0 ? tfc_fail(err, TFC_EFORMAT, "no rows") : status;
}

static tfc_status read_file(tfc_eval_data *data, const char *path, tfc_error *err)
{
    char *text;
    size_t n;
    tfc_status status = tfc_file_read(path, (size_t)1 << 30, &text, &n, err);
    if (status != TFC_OK) return status;
    status = read_lines(data, text, n, err);
    tfc_free(text);
    if (status != TFC_OK) tfc_error_prefix(err, "'%s'", path);
    return status;
}

/* Keeps round(share · n) drawn rows, at least one, in their order. Selection sampling: row i stays with
 * probability (wanted left) / (rows left). */
static void draw_share(tfc_eval_data *data, double share, uint64_t seed)
{
    int64_t wanted = (int64_t)(share * (double)data->n + 0.5), kept = 0;
    if (wanted < 1) wanted = 1;
    tfc_random random = tfc_random_stream(seed, 0x5A4E, 0, 0);
    for (int64_t i = 0; i < data->n && kept < wanted; i++)
        if ((int64_t)tfc_random_below(&random, (uint64_t)(data->n - i)) < wanted - kept)
            data->rows[kept++] = data->rows[i];
    data->n = kept;
}

static uint64_t hash_text(const char *text, uint64_t hash)
{
    return text ? tfc_hash_bytes(text, strlen(text), hash) : tfc_hash_bytes("", 0, hash + 1);
}

static void hash_rows(tfc_eval_data *data)
{
    for (int64_t i = 0; i < data->n; i++) {
        const tfc_eval_row *row = &data->rows[i];
        data->hash = hash_text(row->id, hash_text(row->prompt, data->hash));
        data->hash = hash_text(row->gold, hash_text(row->date, data->hash));
    }
}

tfc_eval_data *tfc_eval_data_open(const tfc_eval_data_params *params, tfc_error *err)
{
    tfc_error failure; /* so that the message can be read where the caller wants none */
    tfc_error_init(&failure);
    const char *name = params->task ? params->task : "prompts";
    const tfc_eval_task *task = tfc_eval_task_find(name);
    tfc_eval_data *data = tfc_alloc_zero(1, sizeof *data);
    if (!data) {
        tfc_fail_memory(err, "rows");
        return NULL;
    }
    data->task = task;
    bool own = task && task->rule == TFC_EVAL_RULE_DATES && !params->path;
    tfc_status status = TFC_OK;
    if (!task)
        status =
            tfc_fail(&failure, TFC_ENOTFOUND, "no task '%.40s'; there are %s", name, tfc_eval_task_names());
    else if (!(params->share > 0) || params->share > 1)
        status = tfc_fail(&failure, TFC_EINVAL, "the share must be above 0 and at most 1");
    else if (!own && !params->path)
        status = tfc_fail(&failure, TFC_EINVAL, "%s needs a data file", name);
    else
        status =
            own ? tfc_dateset_make(data, params->seed, &failure) : read_file(data, params->path, &failure);
    if (status != TFC_OK) {
        if (err) *err = failure;
        tfc_eval_data_free(data);
        return NULL;
    }
    if (params->share < 1) draw_share(data, params->share, params->seed);
    hash_rows(data);
    if (params->limit >= 0 && data->n > params->limit) data->n = params->limit;
    return data;
}

void tfc_eval_data_free(tfc_eval_data *data)
{
    if (!data) return;
    tfc_free(data->rows);
    tfc_arena_release(&data->arena);
    tfc_free(data);
}

int64_t tfc_eval_data_count(const tfc_eval_data *data)
{
    return data->n;
}

static void put_text(tfc_buffer *json, const char *key, const char *text)
{
    if (!text) return;
    tfc_buffer_printf(json, ",\"%s\":", key);
    tfc_buffer_json(json, text, strlen(text));
}

tfc_status tfc_eval_data_write(const tfc_eval_data *data, const char *path, tfc_error *err)
{
    tfc_buffer json;
    tfc_buffer_init(&json, 0);
    for (int64_t i = 0; i < data->n; i++) {
        const tfc_eval_row *row = &data->rows[i];
        tfc_buffer_puts(&json, "{\"id\":");
        tfc_buffer_json(&json, row->id, strlen(row->id));
        put_text(&json, "template", row->template_name);
        put_text(&json, "question", row->question);
        if (!row->question) put_text(&json, "prompt", row->prompt);
        put_text(&json, "date", row->date);
        put_text(&json, "answer", row->gold);
        tfc_buffer_puts(&json, "}\n");
    }
    tfc_status status = tfc_buffer_ok(&json, path, err);
    if (status == TFC_OK) status = tfc_file_write_whole(path, json.data, json.n, err);
    tfc_buffer_release(&json);
    return status;
}
