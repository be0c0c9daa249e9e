/* Results on disk: appended, never rewritten, so that a kill at any moment costs the unfinished batch alone.
 */
#include "eval/results_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "annotate/settings.h"
#include "base/file.h"
#include "tools/calendar.h"

enum { FILE_MAX = 1 << 30 };

typedef enum line_kind { LINE_EXAMPLE, LINE_HEADER, LINE_SUMMARY, LINE_OTHER } line_kind;

static line_kind kind_of(tfc_json *json)
{
    if (!json_object_is_type(json, json_type_object)) return LINE_OTHER;
    if (json_object_object_get_ex(json, "eval", NULL)) return LINE_HEADER;
    if (json_object_object_get_ex(json, "id", NULL)) return LINE_EXAMPLE;
    return json_object_object_get_ex(json, "n", NULL) ? LINE_SUMMARY : LINE_OTHER;
}

/* Finds the whole lines of `text` after the header. */
static tfc_status index_lines(tfc_results_file *file, size_t n, size_t from, int64_t line, tfc_error *err)
{
    size_t capacity = 0;
    file->end = from;
    for (const char *end; from < n && (end = memchr(file->text + from, '\n', n - from)); line++) {
        size_t length = (size_t)(end - file->text) - from;
        char what[32];
        snprintf(what, sizeof what, "line %lld", (long long)line);
        tfc_json *json = tfc_json_parse(file->text + from, length, what, err);
        if (!json) return TFC_EFORMAT;
        line_kind kind = kind_of(json);
        json_object_put(json);
        if (kind == LINE_OTHER || kind == LINE_HEADER || file->summed)
            return tfc_fail(err, TFC_EFORMAT, "%s is no example", what);
        if (kind == LINE_SUMMARY) {
            file->summed = true;
        } else {
            if ((size_t)file->n_lines == capacity) {
                capacity = capacity ? capacity * 2 : 256;
                const char **lines = tfc_realloc(file->lines, capacity, sizeof *lines);
                if (lines) file->lines = lines;
                size_t *n_bytes = tfc_realloc(file->n_bytes, capacity, sizeof *n_bytes);
                if (n_bytes) file->n_bytes = n_bytes;
                if (!lines || !n_bytes) return tfc_fail_memory(err, "results");
            }
            file->lines[file->n_lines] = file->text + from;
            file->n_bytes[file->n_lines++] = length;
            file->end = from + length + 1;
        }
        from += length + 1;
    }
    return TFC_OK;
}

/* The header's settings must be ours; its day is taken over. */
static tfc_status check_header(tfc_results_file *file, size_t n, const char *settings, tfc_error *err)
{
    tfc_json *json = tfc_json_parse(file->text, n, "line 1", err), *theirs;
    if (!json || kind_of(json) != LINE_HEADER) {
        json_object_put(json);
        return tfc_fail(err, TFC_ECONFLICT, "it holds no results of eval; name another file");
    }
    const char *today = NULL;
    tfc_status status = tfc_json_get_object(json, "eval", &theirs, NULL, err);
    if (status == TFC_OK) status = tfc_json_get_text(json, "today", &today, NULL, NULL, err);
    if (status == TFC_OK && !tfc_calendar_valid(today))
        status = tfc_fail(err, TFC_EFORMAT, "\"today\" is no date");
    if (status == TFC_OK) {
        memcpy(file->today, today, 11);
        char *other =
            tfc_settings_difference(settings, json_object_to_json_string_ext(theirs, JSON_C_TO_STRING_PLAIN));
        tfc_json *ours = tfc_json_parse(settings, strlen(settings), "settings", NULL);
        if (other && ours && !json_object_equal(ours, theirs))
            status = tfc_fail(
                err, TFC_ECONFLICT,
                "it was begun with another %s; repeat what it was begun with, or name another file", other);
        json_object_put(ours);
        tfc_free(other);
    }
    json_object_put(json);
    return status;
}

static tfc_status write_all(const tfc_results_file *file, const char *bytes, size_t n, tfc_error *err)
{
    while (n > 0) {
        ssize_t wrote = write(file->fd, bytes, n);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return tfc_fail_errno(err, "cannot write '%s'", file->path);
        bytes += wrote;
        n -= (size_t)wrote;
    }
    return fdatasync(file->fd) == 0 || errno == EINVAL ? TFC_OK
                                                       : tfc_fail_errno(err, "cannot write '%s'", file->path);
}

/* A new file, or one that was cut within its first line. */
static tfc_status begin_file(tfc_results_file *file, size_t n, const char *settings, tfc_error *err)
{
    tfc_buffer header;
    tfc_buffer_init(&header, 0);
    tfc_calendar_today(file->today);
    tfc_buffer_printf(&header, "{\"eval\":%s,\"today\":\"%s\"}\n", settings, file->today);
    tfc_status status = tfc_buffer_ok(&header, "settings", err);
    if (status == TFC_OK && (n >= header.n || memcmp(header.data, file->text, n < 8 ? n : 8) != 0))
        status =
            tfc_fail(err, TFC_ECONFLICT, "'%s': it holds no results of eval; name another file", file->path);
    file->end = 0;
    if (status == TFC_OK) status = tfc_results_append(file, header.data, header.n, err);
    tfc_buffer_release(&header);
    return status;
}

tfc_status tfc_results_open(tfc_results_file *file, const char *path, const char *settings, tfc_error *err)
{
    *file = (tfc_results_file){.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666), .path = path};
    if (file->fd < 0) return tfc_fail_errno(err, "cannot write '%s'", path);
    tfc_error failure;
    tfc_error_init(&failure);
    size_t n = 0;
    tfc_status status = TFC_OK;
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0)
        status = tfc_fail(&failure, TFC_ECONFLICT, "'%s' is being written by another program", path);
    if (status == TFC_OK) status = tfc_file_read(path, FILE_MAX, &file->text, &n, &failure);
    const char *end = status == TFC_OK && n > 0 ? memchr(file->text, '\n', n) : NULL;
    if (status == TFC_OK && !end) {
        status = begin_file(file, n, settings, &failure);
    } else if (status == TFC_OK) {
        size_t first = (size_t)(end - file->text);
        status = check_header(file, first, settings, &failure);
        if (status == TFC_OK) status = index_lines(file, n, first + 1, 2, &failure);
        if (status != TFC_OK) tfc_error_prefix(&failure, "'%s'", path);
    }
    if (status == TFC_OK) return TFC_OK;
    tfc_results_close(file);
    if (err) *err = failure;
    return status;
}

tfc_status tfc_results_append(tfc_results_file *file, const char *lines, size_t n, tfc_error *err)
{
    if (ftruncate(file->fd, (off_t)file->end) != 0 || lseek(file->fd, (off_t)file->end, SEEK_SET) < 0)
        return tfc_fail_errno(err, "cannot write '%s'", file->path);
    tfc_status status = write_all(file, lines, n, err);
    if (status == TFC_OK) file->end += n;
    return status;
}

void tfc_results_close(tfc_results_file *file)
{
    if (file->fd >= 0) close(file->fd);
    tfc_free(file->text);
    tfc_free(file->lines);
    tfc_free(file->n_bytes);
    *file = (tfc_results_file){.fd = -1};
}

tfc_status tfc_results_read(tfc_results_file *file, const char *path, tfc_error *err)
{
    *file = (tfc_results_file){.fd = -1, .path = path};
    tfc_error failure;
    tfc_error_init(&failure);
    size_t n;
    tfc_status status = tfc_file_read(path, FILE_MAX, &file->text, &n, &failure);
    if (status == TFC_OK) {
        const char *end = memchr(file->text, '\n', n);
        size_t first = end ? (size_t)(end - file->text) + 1 : n;
        tfc_json *json = tfc_json_parse(file->text, end ? first - 1 : n, "line 1", &failure);
        bool header = json && kind_of(json) == LINE_HEADER;
        if (!json) status = failure.status;
        json_object_put(json);
        if (status == TFC_OK) status = index_lines(file, n, header ? first : 0, header ? 2 : 1, &failure);
        if (status == TFC_OK && file->n_lines == 0)
            status = tfc_fail(&failure, TFC_EFORMAT, "it holds no examples");
        if (status != TFC_OK) tfc_error_prefix(&failure, "'%s'", path);
    }
    if (status == TFC_OK) return TFC_OK;
    tfc_results_close(file);
    if (err) *err = failure;
    return status;
}
