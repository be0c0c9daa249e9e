/* Writing an index. Nothing is journalled: a file that is not finished is never found under its name. */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/file.h"
#include "search/index_store.h"

/* detail=none: which passages hold a term, no places: what ranks beyond that is read from the passages'
 * texts. The terms are flushed rarely and merged once, at the end. */
static const char schema[] =
    "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;"
    "PRAGMA application_id = 1413900664; PRAGMA user_version = 1; BEGIN;"
    "CREATE TABLE header(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE documents(id INTEGER PRIMARY KEY, name TEXT NOT NULL, title TEXT NOT NULL);"
    "CREATE TABLE passages(id INTEGER PRIMARY KEY, document INTEGER NOT NULL, section TEXT NOT NULL,"
    "  text TEXT NOT NULL);"
    "CREATE TABLE vocabulary(term TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE lengths(bytes BLOB NOT NULL);"
    "CREATE VIRTUAL TABLE terms USING fts5(term, content='', columnsize=0, detail=none, tokenize='ascii');"
    "INSERT INTO terms(terms, rank) VALUES('automerge', 0), ('crisismerge', 1999), ('pgsz', 8000),"
    "  ('hashsize', 268435456);";

static tfc_status fail(const tfc_index_writer *writer, tfc_error *err)
{
    int code = sqlite3_errcode(writer->db), system = sqlite3_system_errno(writer->db);
    if (code == SQLITE_NOMEM) return tfc_fail_memory(err, "index");
    errno = code == SQLITE_FULL ? ENOSPC : system;
    if ((code == SQLITE_FULL || code == SQLITE_IOERR || code == SQLITE_CANTOPEN) && errno)
        return tfc_fail_errno(err, "cannot write '%s'", writer->path);
    return tfc_fail(err, TFC_EIO, "cannot write '%s': %s", writer->path, sqlite3_errmsg(writer->db));
}

static tfc_status exec(tfc_index_writer *writer, const char *sql, tfc_error *err)
{
    return sqlite3_exec(writer->db, sql, NULL, NULL, NULL) == SQLITE_OK ? TFC_OK : fail(writer, err);
}

static tfc_status prepare(tfc_index_writer *writer, const char *sql, sqlite3_stmt **statement, tfc_error *err)
{
    return sqlite3_prepare_v2(writer->db, sql, -1, statement, NULL) == SQLITE_OK ? TFC_OK : fail(writer, err);
}

static tfc_status step(tfc_index_writer *writer, sqlite3_stmt *statement, tfc_error *err)
{
    int code = sqlite3_step(statement);
    tfc_status status = code == SQLITE_DONE || code == SQLITE_ROW ? TFC_OK : fail(writer, err);
    sqlite3_reset(statement);
    return status;
}

tfc_status tfc_index_writer_open(tfc_index_writer *writer, const char *path, tfc_error *err)
{
    memset(writer, 0, sizeof *writer);
    writer->path = path;
    tfc_buffer_init(&writer->lengths, 0);
    tfc_buffer name;
    tfc_buffer_init(&name, 1 << 16);
    tfc_buffer_printf(&name, "%s.partial", path);
    writer->partial = tfc_buffer_take(&name, NULL);
    tfc_buffer_release(&name);
    if (!writer->partial) return tfc_fail_memory(err, path);
    tfc_status status = TFC_OK;
    if (unlink(writer->partial) != 0 && errno != ENOENT)
        status = tfc_fail_errno(err, "cannot write '%s'", path);
    else if (sqlite3_open_v2(writer->partial, &writer->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL))
        status = writer->db ? fail(writer, err) : tfc_fail_memory(err, path);
    if (status == TFC_OK) status = exec(writer, schema, err);
    if (status == TFC_OK)
        status = prepare(writer, "INSERT INTO documents VALUES(?,?,?)", &writer->document, err);
    if (status == TFC_OK)
        status = prepare(writer, "INSERT INTO passages VALUES(?,?,?,?)", &writer->passage, err);
    if (status == TFC_OK)
        status = prepare(writer, "INSERT INTO terms(rowid, term) VALUES(?,?)", &writer->terms, err);
    if (status != TFC_OK) tfc_index_writer_abort(writer);
    return status;
}

static void bind(sqlite3_stmt *statement, int at, const char *text, size_t n)
{
    sqlite3_bind_text(statement, at, text ? text : "", (int)n, SQLITE_STATIC);
}

tfc_status tfc_index_writer_document(tfc_index_writer *writer, const char *name, size_t n_name,
                                     const char *title, size_t n_title, tfc_error *err)
{
    sqlite3_bind_int64(writer->document, 1, ++writer->n_documents);
    bind(writer->document, 2, name, n_name);
    bind(writer->document, 3, title, n_title);
    return step(writer, writer->document, err);
}

tfc_status tfc_index_writer_passage(tfc_index_writer *writer, const char *section, size_t n_section,
                                    const char *text, size_t n_text, const char *terms, size_t n_terms,
                                    size_t n_words, tfc_error *err)
{
    sqlite3_bind_int64(writer->passage, 1, ++writer->n_passages);
    sqlite3_bind_int64(writer->passage, 2, writer->n_documents);
    bind(writer->passage, 3, section, n_section);
    bind(writer->passage, 4, text, n_text);
    tfc_status status = step(writer, writer->passage, err);
    sqlite3_bind_int64(writer->terms, 1, writer->n_passages);
    bind(writer->terms, 2, terms, n_terms);
    if (status == TFC_OK) status = step(writer, writer->terms, err);
    tfc_buffer_putc(&writer->lengths, (char)(n_words < 255 ? n_words : 255));
    return status == TFC_OK ? tfc_buffer_ok(&writer->lengths, "lengths", err) : status;
}

static tfc_status write_header(tfc_index_writer *writer, const tfc_index_info *info, tfc_error *err)
{
    const struct {
        const char *key;
        int64_t value;
    } facts[] = {{"format", TFC_INDEX_FORMAT},
                 {"n_documents", writer->n_documents},
                 {"n_passages", writer->n_passages},
                 {"n_words", info->n_words},
                 {"hash", (int64_t)info->hash}};
    sqlite3_stmt *statement;
    tfc_status status = prepare(writer, "INSERT INTO header VALUES(?,?)", &statement, err);
    for (size_t i = 0; i < sizeof facts / sizeof *facts && status == TFC_OK; i++) {
        sqlite3_bind_text(statement, 1, facts[i].key, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, facts[i].value);
        status = step(writer, statement, err);
    }
    sqlite3_finalize(statement);
    if (status != TFC_OK) return status;
    status = prepare(writer, "INSERT INTO lengths VALUES(?)", &statement, err);
    if (status == TFC_OK) {
        const char *bytes = writer->lengths.data ? writer->lengths.data : "";
        sqlite3_bind_blob(statement, 1, bytes, (int)writer->lengths.n, SQLITE_STATIC);
        status = step(writer, statement, err);
    }
    sqlite3_finalize(statement);
    return status;
}

static int on_tick(void *context)
{
    return tfc_should_stop(context);
}

tfc_status tfc_index_writer_commit(tfc_index_writer *writer, const tfc_index_info *info,
                                   const tfc_monitor *monitor, tfc_error *err)
{
    char vocabulary[300];
    snprintf(vocabulary, sizeof vocabulary,
             "CREATE VIRTUAL TABLE temp.counts USING fts5vocab('main', 'terms', 'row');"
             "INSERT INTO vocabulary SELECT term, doc FROM counts WHERE doc >= %d ORDER BY term;"
             "DROP TABLE temp.counts;",
             TFC_FREQUENT);
    if (monitor) sqlite3_progress_handler(writer->db, 10000, on_tick, (void *)monitor);
    tfc_status status = exec(writer, "INSERT INTO terms(terms) VALUES('optimize')", err);
    if (status == TFC_OK) status = exec(writer, vocabulary, err);
    if (status == TFC_OK) status = write_header(writer, info, err);
    if (status == TFC_OK) status = exec(writer, "COMMIT", err);
    if (status != TFC_OK && tfc_should_stop(monitor)) status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
    sqlite3_finalize(writer->document);
    sqlite3_finalize(writer->passage);
    sqlite3_finalize(writer->terms);
    writer->document = writer->passage = writer->terms = NULL;
    if (status == TFC_OK && sqlite3_close(writer->db) != SQLITE_OK) status = fail(writer, err);
    if (status == TFC_OK) writer->db = NULL;
    if (status == TFC_OK) status = tfc_file_commit(writer->partial, writer->path, err);
    if (status == TFC_OK) tfc_free(writer->partial), writer->partial = NULL;
    tfc_index_writer_abort(writer);
    return status;
}

void tfc_index_writer_abort(tfc_index_writer *writer)
{
    sqlite3_finalize(writer->document);
    sqlite3_finalize(writer->passage);
    sqlite3_finalize(writer->terms);
    sqlite3_close(writer->db);
    if (writer->partial) unlink(writer->partial);
    tfc_free(writer->partial);
    tfc_buffer_release(&writer->lengths);
    memset(writer, 0, sizeof *writer);
}
