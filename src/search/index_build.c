/* Files → documents → passages with their terms. One thread reads and cuts, another one writes. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/lines.h"
#include "base/random.h"
#include "base/utf8.h"
#include "search/index_queue.h"
#include "search/passages.h"
#include "search/terms.h"

enum { LINE_MAX_BYTES = 64 << 20, FILE_MAX_BYTES = 1 << 30, MAX_DEPTH = 16, MB = 1 << 20 };

typedef struct input {
    const char *path;
    int64_t n_bytes;
} input;

typedef struct builder {
    const tfc_index_build_params *params;
    const tfc_monitor *monitor;
    tfc_index_queue *queue;
    tfc_index_info info;
    tfc_arena arena; /* the names of the inputs */
    input *inputs;
    size_t n_inputs, room;
    int64_t n_bytes, n_done; /* of all inputs */
    const char *title;       /* of the document that is cut */
    tfc_buffer terms, scratch;
} builder;

/* --- what is to be read --- */

static tfc_status add_input(builder *b, const char *path, int64_t n_bytes, tfc_error *err)
{
    if (b->n_inputs == b->room) {
        size_t room = b->room ? b->room * 2 : 64;
        input *inputs = tfc_realloc(b->inputs, room, sizeof *inputs);
        if (!inputs) return tfc_fail_memory(err, "index");
        b->inputs = inputs;
        b->room = room;
    }
    const char *copy = tfc_arena_strndup(&b->arena, path, strlen(path));
    if (!copy) return tfc_fail_memory(err, "index");
    b->inputs[b->n_inputs++] = (input){copy, n_bytes};
    b->n_bytes += n_bytes;
    return TFC_OK;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* named: by the user; what is neither file nor folder inside a folder is passed over. */
static tfc_status add_path(builder *b, const char *path, bool named, int depth, tfc_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0) return named ? tfc_fail_errno(err, "cannot open '%s'", path) : TFC_OK;
    if (!S_ISDIR(st.st_mode)) {
        if (!named && !S_ISREG(st.st_mode)) return TFC_OK;
        return add_input(b, path, S_ISREG(st.st_mode) ? st.st_size : 0, err);
    }
    if (depth == MAX_DEPTH) return tfc_fail(err, TFC_ELIMIT, "'%s': folders are too deep", path);
    struct dirent **entries;
    int n = scandir(path, &entries, is_shown, by_name);
    if (n < 0) return tfc_fail_errno(err, "cannot open '%s'", path);
    tfc_status status = TFC_OK;
    for (int i = 0; i < n; i++) {
        char *inside = status == TFC_OK ? tfc_path_join(path, entries[i]->d_name) : NULL;
        if (inside)
            status = add_path(b, inside, false, depth + 1, err);
        else if (status == TFC_OK)
            status = tfc_fail_memory(err, "index");
        tfc_free(inside);
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* --- documents --- */

static tfc_status take_passage(void *context, const char *section, const char *text, size_t n, tfc_error *err)
{
    builder *b = context;
    tfc_buffer_clear(&b->terms);
    tfc_terms_title(b->title, strlen(b->title), &b->terms);
    size_t n_words = tfc_terms_append(b->title, strlen(b->title), &b->terms);
    n_words += tfc_terms_append(section, strlen(section), &b->terms);
    n_words += tfc_terms_append(text, n, &b->terms);
    tfc_status status = tfc_buffer_ok(&b->terms, "index", err);
    if (status != TFC_OK || b->terms.n == 0) return status;
    b->info.n_passages++;
    b->info.n_words += (int64_t)n_words;
    b->info.hash = tfc_hash_bytes(section, strlen(section), b->info.hash + 1);
    b->info.hash = tfc_hash_bytes(text, n, b->info.hash + 1);
    return tfc_index_queue_passage(b->queue, section, text, n, &b->terms, n_words, err);
}

static tfc_status add_document(builder *b, const char *name, const char *title, const char *text, size_t n,
                               tfc_error *err)
{
    b->info.n_documents++;
    b->info.hash = tfc_hash_bytes(name, strlen(name), b->info.hash + 1);
    b->info.hash = tfc_hash_bytes(title, strlen(title), b->info.hash + 1);
    b->title = title;
    tfc_status status = tfc_index_queue_document(b->queue, name, title, err);
    return status == TFC_OK ? tfc_passages_cut(title, text, n, take_passage, b, err) : status;
}

/* A text of a field, without NULs; NULL when the key is absent. */
static tfc_status get_text(tfc_json *object, const char *key, const char **out, size_t *n, tfc_error *err)
{
    bool found;
    *out = NULL;
    *n = 0;
    tfc_status status = tfc_json_get_text(object, key, out, n, &found, err);
    if (status == TFC_OK && found && memchr(*out, 0, *n))
        return tfc_fail(err, TFC_EFORMAT, "%s holds a NUL character", key);
    return status;
}

/* "text": a text, or a list of paragraphs. */
static tfc_status get_paragraphs(builder *b, tfc_json *object, const char **text, size_t *n, tfc_error *err)
{
    tfc_json *list;
    if (!json_object_object_get_ex(object, "text", &list) || !json_object_is_type(list, json_type_array)) {
        tfc_status status = get_text(object, "text", text, n, err);
        return status == TFC_OK && !*text ? tfc_fail(err, TFC_EFORMAT, "missing text") : status;
    }
    tfc_buffer_clear(&b->scratch);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        tfc_json *item = json_object_array_get_idx(list, i);
        if (!json_object_is_type(item, json_type_string))
            return tfc_fail(err, TFC_EFORMAT, "text[%zu]: text expected", i);
        const char *paragraph = json_object_get_string(item);
        size_t n_paragraph = (size_t)json_object_get_string_len(item);
        if (memchr(paragraph, 0, n_paragraph))
            return tfc_fail(err, TFC_EFORMAT, "text[%zu] holds a NUL character", i);
        tfc_buffer_append(&b->scratch, paragraph, n_paragraph);
        tfc_buffer_putc(&b->scratch, '\n');
    }
    *text = b->scratch.data ? b->scratch.data : "";
    *n = b->scratch.n;
    return tfc_buffer_ok(&b->scratch, "text", err);
}

/* id: "id", "_id" or "wikipedia_id", a text or a number; else the line. Without a title it is that too. */
static tfc_status read_object(builder *b, tfc_json *object, const char *line_name, tfc_error *err)
{
    static const char *const id_keys[] = {"id", "_id", "wikipedia_id"};
    const char *id = NULL, *title = NULL, *text;
    size_t n, n_text;
    if (!json_object_is_type(object, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < sizeof id_keys / sizeof *id_keys && !id && status == TFC_OK; i++) {
        tfc_json *value;
        if (json_object_object_get_ex(object, id_keys[i], &value) &&
            json_object_is_type(value, json_type_int))
            id = json_object_get_string(value);
        else
            status = get_text(object, id_keys[i], &id, &n, err);
    }
    if (status == TFC_OK) status = get_text(object, "title", &title, &n, err);
    if (status == TFC_OK && !title) status = get_text(object, "wikipedia_title", &title, &n, err);
    if (status == TFC_OK) status = get_paragraphs(b, object, &text, &n_text, err);
    if (status != TFC_OK) return status;
    if (!id || !*id) id = line_name;
    return add_document(b, id, title && *title ? title : id, text, n_text, err);
}

/* --- files --- */

/* Counted when such lines are left out, else an error with its remedy. */
static tfc_status bad_line(builder *b, const tfc_error *bad, tfc_error *err)
{
    if (bad->status != TFC_EFORMAT) return tfc_fail(err, bad->status, "%s", bad->message);
    if (!b->params->skip_bad_lines)
        return tfc_fail(err, TFC_EFORMAT, "%s; mend it or pass --skip-bad-lines", bad->message);
    b->info.n_bad_lines++;
    tfc_monitor_note(b->monitor, "left out: %s", bad->message);
    return TFC_OK;
}

static tfc_status say_progress(builder *b, int64_t offset, tfc_error *err)
{
    if (b->monitor && b->monitor->progress) {
        char detail[80];
        snprintf(detail, sizeof detail, "%" PRId64 " passages", b->info.n_passages);
        int64_t total = (b->n_bytes + MB - 1) / MB, done = (b->n_done + offset) / MB;
        b->monitor->progress(b->monitor->context, &(tfc_progress){.stage = "index",
                                                                  .done = done < total ? done : total,
                                                                  .total = total,
                                                                  .unit = "MB",
                                                                  .detail = detail});
    }
    return tfc_should_stop(b->monitor) ? tfc_fail(err, TFC_EINTERRUPTED, "interrupted") : TFC_OK;
}

static tfc_status read_line(builder *b, const char *path, int64_t number, const char *text, size_t n,
                            bool cut, tfc_error *err)
{
    char name[512];
    tfc_error bad;
    tfc_error_init(&bad);
    snprintf(name, sizeof name, "%.400s:%" PRId64, path, number);
    if (cut) {
        tfc_fail(&bad, TFC_EFORMAT, "%s: line longer than 64 MiB", name);
        return bad_line(b, &bad, err);
    }
    tfc_json *object = tfc_json_parse(text, n, name, &bad);
    if (!object) return bad_line(b, &bad, err);
    tfc_status status = read_object(b, object, name, &bad);
    json_object_put(object);
    if (status == TFC_OK) return TFC_OK;
    if (status == TFC_EFORMAT) tfc_error_prefix(&bad, "%s", name);
    return bad_line(b, &bad, err);
}

static tfc_status read_lines(builder *b, tfc_lines *lines, const char *path, tfc_error *err)
{
    tfc_buffer line;
    tfc_buffer_init(&line, LINE_MAX_BYTES);
    tfc_status status = TFC_OK;
    bool any = true, cut;
    for (int64_t number = 1; status == TFC_OK; number++) {
        status = tfc_lines_next(lines, &line, &any, &cut, err);
        if (status != TFC_OK || !any) break;
        if (cut || !tfc_line_is_blank(line.data, line.n))
            status = read_line(b, path, number, line.data, line.n, cut, err);
        if (status == TFC_OK && number % 64 == 0) status = say_progress(b, tfc_lines_offset(lines), err);
    }
    tfc_buffer_release(&line);
    return status;
}

/* A file that is one document; its name is the title. */
static tfc_status read_whole(builder *b, tfc_lines *lines, const char *path, tfc_error *err)
{
    tfc_buffer text;
    tfc_buffer_init(&text, FILE_MAX_BYTES);
    const char *slash = strrchr(path, '/');
    char *title = tfc_strdup(slash ? slash + 1 : path);
    tfc_status status = title ? tfc_lines_rest(lines, &text, err) : tfc_fail_memory(err, path);
    if (status == TFC_OK) {
        const char *data = text.data ? text.data : "";
        size_t skip = text.n >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0, at;
        char *point = strrchr(title, '.');
        if (point && point != title) *point = '\0';
        for (char *c = title; *c; c++)
            if (*c == '_') *c = ' ';
        tfc_error bad;
        if (!tfc_utf8_valid(data, text.n, &at) || memchr(data, 0, text.n)) {
            tfc_fail(&bad, TFC_EFORMAT, "'%s' is no text in UTF-8", path);
            status = bad_line(b, &bad, err);
        } else {
            status = add_document(b, path, title, data + skip, text.n - skip, err);
        }
    }
    tfc_free(title);
    tfc_buffer_release(&text);
    return status;
}

static tfc_status read_input(builder *b, const input *in, tfc_error *err)
{
    tfc_error own;
    tfc_lines *lines = tfc_lines_open(in->path, &own);
    if (!lines) return tfc_fail(err, own.status, "%s", own.message);
    bool by_line = tfc_name_ends_with(in->path, ".jsonl") || tfc_name_ends_with(in->path, ".jsonl.gz");
    tfc_status status = (by_line ? read_lines : read_whole)(b, lines, in->path, err);
    tfc_lines_close(lines);
    b->n_done += in->n_bytes;
    return status == TFC_OK ? say_progress(b, 0, err) : status;
}

static tfc_status read_all(builder *b, tfc_index_writer *writer, tfc_error *err)
{
    b->queue = tfc_index_queue_create(writer, err);
    if (!b->queue) return TFC_ENOMEM;
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < b->n_inputs && status == TFC_OK; i++) status = read_input(b, &b->inputs[i], err);
    tfc_error written;
    tfc_status finished = tfc_index_queue_finish(b->queue, status == TFC_OK, &written);
    if (status == TFC_OK && finished != TFC_OK) status = tfc_fail(err, finished, "%s", written.message);
    if (status == TFC_OK && b->info.n_passages == 0)
        status = tfc_fail(err, TFC_EINVAL, "the corpus holds no text; there is nothing to index");
    return status;
}

static tfc_status make_parent(const char *path, tfc_error *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return TFC_OK;
    char *folder = tfc_memdup_text(path, (size_t)(slash - path));
    tfc_status status = folder ? tfc_folder_make(folder, err) : tfc_fail_memory(err, path);
    tfc_free(folder);
    return status;
}

tfc_status tfc_index_build(const tfc_index_build_params *params, const tfc_monitor *monitor,
                           tfc_index_info *info, tfc_error *err)
{
    if (params->n_files == 0) return tfc_fail(err, TFC_EINVAL, "no corpus file was given");
    if (!params->out) return tfc_fail(err, TFC_EINVAL, "no file to write to was given");
    builder b = {.params = params, .monitor = monitor, .info = {.format = TFC_INDEX_FORMAT}};
    tfc_buffer_init(&b.terms, 0);
    tfc_buffer_init(&b.scratch, 0);
    tfc_index_writer writer;
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < params->n_files && status == TFC_OK; i++)
        status = add_path(&b, params->files[i], true, 0, err);
    if (status == TFC_OK) status = make_parent(params->out, err);
    if (status == TFC_OK) {
        status = tfc_index_writer_open(&writer, params->out, err);
        if (status == TFC_OK) {
            status = read_all(&b, &writer, err);
            if (status == TFC_OK)
                status = tfc_index_writer_commit(&writer, &b.info, monitor, err);
            else
                tfc_index_writer_abort(&writer);
        }
    }
    struct stat st;
    if (status == TFC_OK && stat(params->out, &st) == 0) b.info.file_bytes = st.st_size;
    if (status == TFC_OK && info) *info = b.info;
    tfc_buffer_release(&b.terms);
    tfc_buffer_release(&b.scratch);
    tfc_free(b.inputs);
    tfc_arena_release(&b.arena);
    return status;
}
