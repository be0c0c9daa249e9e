/* A document from its line: the fields, their checks, the date, hidden equations, its snippets, unique ids.
 */
#include "corpus/corpus_reader.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/random.h"
#include "base/utf8.h"
#include "corpus/equations.h"
#include "tools/tool.h"

static const size_t corpus_bytes_max = (size_t)4 << 30;

typedef struct document {
    const char *id, *file, *url; /* url may be NULL */
    int64_t line;
    char *text; /* n_text bytes, in the arena */
    size_t n_text;
    char date[11]; /* empty: none */
} document;

tfc_corpus *tfc_corpus_create(tfc_error *err)
{
    tfc_corpus *corpus = tfc_alloc_zero(1, sizeof *corpus);
    if (!corpus) tfc_fail_memory(err, "corpus");
    return corpus;
}

void tfc_corpus_free(tfc_corpus *corpus)
{
    if (!corpus) return;
    tfc_free(corpus->snippets);
    tfc_free(corpus->ids);
    tfc_cuts_release(&corpus->cuts);
    tfc_arena_release(&corpus->arena);
    tfc_free(corpus);
}

bool tfc_corpus_is_full(const tfc_corpus_reader *reader)
{
    return reader->params->limit >= 0 && reader->corpus->n_documents >= reader->params->limit;
}

tfc_status tfc_corpus_bad_line(tfc_corpus_reader *reader, tfc_error *bad, tfc_error *err)
{
    bool of_line = bad->status == TFC_EFORMAT || bad->status == TFC_ECONFLICT;
    if (of_line && reader->params->skip_bad_lines) {
        reader->corpus->n_bad_lines++;
        tfc_monitor_note(reader->monitor, "left out: %s", bad->message);
        return TFC_OK;
    }
    return tfc_fail(err, bad->status, "%s%s", bad->message,
                    of_line ? "; fix the line or pass --skip-bad-lines" : "");
}

/* --- ids --- */

static bool ids_grow(tfc_corpus *corpus)
{
    size_t n_table = corpus->n_table ? corpus->n_table * 2 : 1024;
    tfc_corpus_id *ids = tfc_alloc_zero(n_table, sizeof *ids);
    if (!ids) return false;
    for (size_t i = 0; i < corpus->n_table; i++) {
        if (!corpus->ids[i].id) continue;
        size_t at = tfc_hash_bytes(corpus->ids[i].id, strlen(corpus->ids[i].id), 0) & (n_table - 1);
        while (ids[at].id) at = (at + 1) & (n_table - 1);
        ids[at] = corpus->ids[i];
    }
    tfc_free(corpus->ids);
    corpus->ids = ids;
    corpus->n_table = n_table;
    return true;
}

/* The slot of an id, or the empty one where it belongs; NULL on want of memory. */
static tfc_corpus_id *ids_slot(tfc_corpus *corpus, const char *id)
{
    if ((corpus->n_ids + 1) * 2 > corpus->n_table && !ids_grow(corpus)) return NULL;
    size_t at = tfc_hash_bytes(id, strlen(id), 0) & (corpus->n_table - 1);
    while (corpus->ids[at].id && strcmp(corpus->ids[at].id, id) != 0) at = (at + 1) & (corpus->n_table - 1);
    return &corpus->ids[at];
}

static tfc_status ids_check(tfc_corpus *corpus, const char *id, const document *d, tfc_error *err)
{
    const tfc_corpus_id *slot = ids_slot(corpus, id);
    if (!slot) return tfc_fail_memory(err, "ids of the corpus");
    if (!slot->id) return TFC_OK;
    return tfc_fail(err, TFC_ECONFLICT, "%s:%" PRId64 ": id '%.120s' was used before, at %s:%" PRId64,
                    d->file, d->line, id, slot->file, slot->line);
}

/* `id` must outlive the corpus, and be new. */
static tfc_status ids_add(tfc_corpus *corpus, const char *id, const document *d, tfc_error *err)
{
    tfc_corpus_id *slot = ids_slot(corpus, id);
    if (!slot) return tfc_fail_memory(err, "ids of the corpus");
    *slot = (tfc_corpus_id){id, d->file, d->line};
    corpus->n_ids++;
    return TFC_OK;
}

/* --- snippets --- */

static tfc_status add_snippet(tfc_corpus *corpus, tfc_snippet snippet, tfc_error *err)
{
    if (corpus->n_snippets == corpus->n_room) {
        int64_t room = corpus->n_room ? corpus->n_room * 2 : 1024;
        tfc_snippet *snippets = tfc_realloc(corpus->snippets, (size_t)room, sizeof *snippets);
        if (!snippets) return tfc_fail_memory(err, "corpus");
        corpus->snippets = snippets;
        corpus->n_room = room;
    }
    corpus->snippets[corpus->n_snippets++] = snippet;
    corpus->hash = tfc_hash_bytes(snippet.id, strlen(snippet.id), corpus->hash + 1);
    corpus->hash = tfc_hash_bytes(snippet.date ? snippet.date : "", snippet.date ? 10 : 0, corpus->hash + 1);
    corpus->hash = tfc_hash_bytes(snippet.text, snippet.n_bytes, corpus->hash + 1);
    return TFC_OK;
}

/* Ids of the document's snippets, in the arena: ID, or ID#0, ID#1, … All are checked before any is taken, so
 * that a document that is left out leaves nothing behind. */
static tfc_status snippet_ids(tfc_corpus *corpus, const document *d, const char ***ids, tfc_error *err)
{
    size_t n = corpus->cuts.n, n_id = strlen(d->id);
    tfc_status status = ids_check(corpus, d->id, d, err);
    if (status != TFC_OK) return status;
    *ids = tfc_arena_alloc(&corpus->arena, n, sizeof **ids);
    if (!*ids) return tfc_fail_memory(err, "corpus");
    if (n == 1) (*ids)[0] = d->id;
    for (size_t i = 0; n > 1 && i < n; i++) {
        char *id = tfc_arena_alloc(&corpus->arena, n_id + 24, 1);
        if (!id) return tfc_fail_memory(err, "corpus");
        snprintf(id, n_id + 24, "%s#%zu", d->id, i);
        (*ids)[i] = id;
        status = ids_check(corpus, id, d, err);
        if (status != TFC_OK) return status;
    }
    status = ids_add(corpus, d->id, d, err);
    for (size_t i = 0; n > 1 && i < n && status == TFC_OK; i++) status = ids_add(corpus, (*ids)[i], d, err);
    return status;
}

/* Their texts are copied, each with its NUL. */
static tfc_status add_snippets(tfc_corpus *corpus, const document *d, tfc_error *err)
{
    const tfc_cuts *cuts = &corpus->cuts;
    const char **ids, *date = d->date[0] ? tfc_arena_strndup(&corpus->arena, d->date, 10) : NULL;
    if (d->date[0] && !date) return tfc_fail_memory(err, "corpus");
    tfc_status status = snippet_ids(corpus, d, &ids, err);
    size_t begin = 0;
    for (size_t i = 0; i < cuts->n && status == TFC_OK; i++) {
        tfc_snippet snippet = {.id = ids[i], .date = date, .url = d->url, .document = corpus->n_documents};
        snippet.n_bytes = cuts->ends[i] - begin;
        snippet.text =
            cuts->n == 1 ? d->text : tfc_arena_strndup(&corpus->arena, d->text + begin, snippet.n_bytes);
        if (!snippet.text) return tfc_fail_memory(err, "corpus");
        status = add_snippet(corpus, snippet, err);
        begin = cuts->ends[i];
    }
    return status;
}

static tfc_status add_document(tfc_corpus_reader *reader, document *d, tfc_error *err)
{
    tfc_corpus *corpus = reader->corpus;
    const tfc_corpus_params *params = reader->params;
    if (d->n_text > corpus_bytes_max - corpus->n_bytes)
        return tfc_fail(err, TFC_ELIMIT,
                        "%s:%" PRId64 ": the corpus is larger than 4 GiB; split it or set a limit", d->file,
                        d->line);
    if (params->hide_equations) {
        d->n_text = tfc_equations_hide(d->text, d->n_text);
        d->text[d->n_text] = '\0';
    }
    if (!d->date[0] && d->url) tfc_calendar_date_in_url(d->url, d->date);
    if (!d->date[0] && params->default_date) memcpy(d->date, params->default_date, 11);
    tfc_status status =
        tfc_snippets_cut(reader->tokenizer, d->text, d->n_text, params->max_tokens, &corpus->cuts, err);
    if (status != TFC_OK)
        tfc_error_prefix(err, "%s:%" PRId64, d->file, d->line);
    else
        status = add_snippets(corpus, d, err);
    if (status != TFC_OK) return status;
    corpus->n_bytes += d->n_text;
    corpus->n_documents++;
    return TFC_OK;
}

/* --- fields --- */

/* A text field; *out NULL when it is absent. A NUL in it is refused: everything after it would be lost. */
static tfc_status get_field(tfc_json *object, const char *key, const char **out, size_t *n, tfc_error *err)
{
    bool found;
    *out = NULL;
    *n = 0;
    tfc_status status = tfc_json_get_text(object, key, out, n, &found, err);
    if (status == TFC_OK && found && memchr(*out, 0, *n))
        return tfc_fail(err, TFC_EFORMAT, "%s holds a NUL character", key);
    return status;
}

/* A copy in the arena. */
static tfc_status keep(tfc_corpus *corpus, const char *text, size_t n, const char **out, tfc_error *err)
{
    *out = tfc_arena_strndup(&corpus->arena, text, n);
    return *out ? TFC_OK : tfc_fail_memory(err, "corpus");
}

/* "id": a text or an integer; else FILE:LINE. */
static tfc_status read_id(tfc_corpus *corpus, tfc_json *object, document *d, tfc_error *err)
{
    tfc_json *value;
    const char *text = NULL;
    size_t n = 0;
    if (json_object_object_get_ex(object, "id", &value) && json_object_is_type(value, json_type_int)) {
        text = json_object_get_string(value);
        n = strlen(text);
    } else {
        tfc_status status = get_field(object, "id", &text, &n, err);
        if (status != TFC_OK) return status;
    }
    if (text && n > 0) return keep(corpus, text, n, &d->id, err);
    n = strlen(d->file) + 24;
    char *id = tfc_arena_alloc(&corpus->arena, n, 1);
    if (!id) return tfc_fail_memory(err, "corpus");
    snprintf(id, n, "%s:%" PRId64, d->file, d->line);
    d->id = id;
    return TFC_OK;
}

/* The first ten characters of an ISO 8601 date; false: it is none. */
static bool take_date(const char *text, size_t n, char date[11])
{
    if (!text || n < 10 || (n > 10 && text[10] != 'T' && text[10] != ' ')) return false;
    memcpy(date, text, 10);
    date[10] = '\0';
    if (tfc_calendar_valid(date)) return true;
    date[0] = '\0';
    return false;
}

/* "date" has to be one; "created" and metadata.date count where they are. */
static tfc_status read_date(tfc_json *object, tfc_json *metadata, document *d, tfc_error *err)
{
    const char *text;
    size_t n;
    tfc_status status = get_field(object, "date", &text, &n, err);
    if (status != TFC_OK) return status;
    if (text) {
        if (take_date(text, n, d->date)) return TFC_OK;
        return tfc_fail(err, TFC_EFORMAT, "date '%.40s' is none; YYYY-MM-DD expected", text);
    }
    tfc_json *value;
    for (int i = 0; i < 2 && !d->date[0]; i++) {
        tfc_json *from = i ? metadata : object;
        if (from && json_object_object_get_ex(from, i ? "date" : "created", &value) &&
            json_object_is_type(value, json_type_string))
            take_date(json_object_get_string(value), (size_t)json_object_get_string_len(value), d->date);
    }
    return TFC_OK;
}

static tfc_status read_url(tfc_corpus *corpus, tfc_json *object, tfc_json *metadata, document *d,
                           tfc_error *err)
{
    const char *text;
    size_t n;
    tfc_status status = get_field(object, "url", &text, &n, err);
    if (status != TFC_OK) return status;
    if (!text && metadata) {
        tfc_json *value;
        if (json_object_object_get_ex(metadata, "url", &value) &&
            json_object_is_type(value, json_type_string)) {
            text = json_object_get_string(value);
            n = strlen(text);
        }
    }
    if (text && n > 0) return keep(corpus, text, n, &d->url, err);
    if (strncmp(d->id, "http://", 7) == 0 || strncmp(d->id, "https://", 8) == 0) d->url = d->id;
    return TFC_OK;
}

static tfc_status read_fields(tfc_corpus *corpus, tfc_json *object, document *d, tfc_error *err)
{
    if (!json_object_is_type(object, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    const char *text, *copy = NULL;
    size_t n;
    tfc_json *metadata = NULL;
    if (json_object_object_get_ex(object, "metadata", &metadata) &&
        !json_object_is_type(metadata, json_type_object))
        metadata = NULL;
    tfc_status status = get_field(object, "text", &text, &n, err);
    if (status == TFC_OK && !text) status = tfc_fail(err, TFC_EFORMAT, "missing text");
    if (status == TFC_OK) status = read_id(corpus, object, d, err);
    if (status == TFC_OK) status = read_date(object, metadata, d, err);
    if (status == TFC_OK) status = read_url(corpus, object, metadata, d, err);
    if (status == TFC_OK) status = keep(corpus, text, n, &copy, err);
    if (status != TFC_OK) return status;
    d->text = (char *)copy;
    d->n_text = n;
    return TFC_OK;
}

tfc_status tfc_corpus_read_line(tfc_corpus_reader *reader, const char *file, int64_t line, const char *text,
                                size_t n, tfc_error *err)
{
    char what[512];
    tfc_error bad;
    tfc_error_init(&bad);
    snprintf(what, sizeof what, "%.400s:%" PRId64, file, line);
    document d = {.file = file, .line = line};
    tfc_json *object = tfc_json_parse(text, n, what, &bad);
    if (!object) return tfc_corpus_bad_line(reader, &bad, err);
    tfc_status status = read_fields(reader->corpus, object, &d, &bad);
    json_object_put(object);
    if (status == TFC_OK)
        status = add_document(reader, &d, &bad);
    else
        tfc_error_prefix(&bad, "%s", what);
    return status == TFC_OK ? TFC_OK : tfc_corpus_bad_line(reader, &bad, err);
}

tfc_status tfc_corpus_read_text(tfc_corpus_reader *reader, const char *file, char *text, size_t n,
                                tfc_error *err)
{
    size_t at;
    tfc_error bad;
    tfc_error_init(&bad);
    document d = {.id = file, .file = file, .line = 1, .n_text = n};
    const char *nul = memchr(text, 0, n), *copy;
    tfc_status status = TFC_OK;
    if (nul) status = tfc_fail(&bad, TFC_EFORMAT, "%s: NUL at byte %zu", file, (size_t)(nul - text));
    if (status == TFC_OK && !tfc_utf8_valid(text, n, &at))
        status = tfc_fail(&bad, TFC_EFORMAT, "%s: invalid UTF-8 at byte %zu", file, at);
    if (status == TFC_OK) status = keep(reader->corpus, text, n, &copy, &bad);
    if (status == TFC_OK) {
        d.text = (char *)copy;
        status = add_document(reader, &d, &bad);
    }
    return status == TFC_OK ? TFC_OK : tfc_corpus_bad_line(reader, &bad, err);
}
