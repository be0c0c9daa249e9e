/* The log may be ahead of the checkpoint that a run goes on from, and its last line may be torn: what the
 * checkpoint does not know is cut off, so that no step stands there twice. */
#include "train/train_log.h"

#include "base/file.h"
#include "base/json.h"

/* True when the line is whole and the checkpoint knows of it. */
static bool line_stays(const char *line, size_t n, int64_t step, int64_t evaluated_step)
{
    tfc_json *object = tfc_json_parse(line, n, "line", NULL);
    int64_t of = -1;
    bool stays = json_object_is_type(object, json_type_object) &&
                 tfc_json_get_int(object, "step", 0, INT64_MAX, &of, NULL, NULL) == TFC_OK;
    if (stays) stays = of <= (json_object_object_get_ex(object, "dev_loss", NULL) ? evaluated_step : step);
    if (object) json_object_put(object);
    return stays;
}

static tfc_status log_cut(const char *path, int64_t step, int64_t evaluated_step, tfc_error *err)
{
    tfc_file_map map;
    tfc_status status = tfc_file_map_open(&map, path, err);
    if (status != TFC_OK) return status;
    const char *data = (const char *)map.data;
    size_t keep = 0;
    while (keep < map.n_bytes) {
        const char *end = memchr(data + keep, '\n', map.n_bytes - keep);
        if (!end || !line_stays(data + keep, (size_t)(end - data) - keep, step, evaluated_step)) break;
        keep = (size_t)(end - data) + 1;
    }
    if (keep < map.n_bytes) status = tfc_file_write_whole(path, data, keep, err);
    tfc_file_map_close(&map);
    return status;
}

tfc_status tfc_train_log_open(tfc_train_log *log, const char *path, int64_t step, int64_t evaluated_step,
                              tfc_error *err)
{
    *log = (tfc_train_log){0};
    tfc_status status = TFC_OK;
    if (tfc_file_exists(path)) status = log_cut(path, step, evaluated_step, err);
    if (status != TFC_OK) return status;
    log->path = tfc_strdup(path);
    if (!log->path) return tfc_fail_memory(err, path);
    log->stream = fopen(path, "ae");
    return log->stream ? TFC_OK : tfc_fail_errno(err, "cannot write '%s'", path);
}

tfc_status tfc_train_log_write(tfc_train_log *log, tfc_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vfprintf(log->stream, format, args);
    va_end(args);
    if (n < 0 || fflush(log->stream) != 0) return tfc_fail_errno(err, "cannot write '%s'", log->path);
    return TFC_OK;
}

void tfc_train_log_close(tfc_train_log *log)
{
    if (log->stream) fclose(log->stream);
    tfc_free(log->path);
    *log = (tfc_train_log){0};
}
