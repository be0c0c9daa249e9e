/* Opening and reading an index. The file never changes under its name (a new one is renamed into its place),
 * so that readers need no locks: `immutable`. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "search/index_store.h"

static const char rebuild[] = "build it again with `toolformer index build`";

tfc_status tfc_index_fail(const tfc_index *index, const tfc_index_reader *reader, tfc_error *err)
{
    int code = sqlite3_errcode(reader->db);
    if (reader->late) return tfc_fail(err, TFC_ETIMEOUT, "the search was not finished by its deadline");
    if (code == SQLITE_NOMEM) return tfc_fail_memory(err, "index");
    bool broken = code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR;
    return tfc_fail(err, broken ? TFC_EFORMAT : TFC_EIO, "the index '%s' cannot be read: %s%s%s", index->path,
                    sqlite3_errmsg(reader->db), broken ? "; " : "", broken ? rebuild : "");
}

bool tfc_index_reader_is_late(tfc_index_reader *reader)
{
    if (!reader->deadline_ns) return false;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    reader->late = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec >= reader->deadline_ns;
    return reader->late;
}

static int on_tick(void *context)
{
    return tfc_index_reader_is_late(context);
}

static void reader_free(tfc_index_reader *reader)
{
    if (!reader) return;
    sqlite3_finalize(reader->rows);
    sqlite3_finalize(reader->frequency);
    sqlite3_finalize(reader->passage);
    sqlite3_close(reader->db);
    tfc_free(reader);
}

/* "file:PATH?…" with what a URI keeps for itself written as %XX. */
static char *make_uri(const char *path)
{
    tfc_buffer uri;
    tfc_buffer_init(&uri, 1 << 18);
    tfc_buffer_puts(&uri, "file:");
    for (const char *c = path; *c; c++) {
        if (strchr("%?#", *c))
            tfc_buffer_printf(&uri, "%%%02X", (unsigned char)*c);
        else
            tfc_buffer_putc(&uri, *c);
    }
    tfc_buffer_puts(&uri, "?mode=ro&immutable=1");
    char *text = uri.failed ? NULL : tfc_buffer_take(&uri, NULL);
    tfc_buffer_release(&uri);
    return text;
}

static tfc_status prepare_all(const tfc_index *index, tfc_index_reader *reader, tfc_error *err)
{
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {{&reader->rows, "SELECT rowid FROM terms WHERE terms MATCH ?"},
               {&reader->frequency, "SELECT n FROM vocabulary WHERE term = ?"},
               {&reader->passage, "SELECT d.name, d.title, p.section, p.text FROM passages p "
                                  "JOIN documents d ON d.id = p.document WHERE p.id = ?"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (sqlite3_prepare_v3(reader->db, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT, all[i].statement, NULL))
            return tfc_index_fail(index, reader, err);
    return TFC_OK;
}

/* The file is not trusted: its schema may run nothing. */
static tfc_status reader_open(const tfc_index *index, tfc_index_reader **out, tfc_error *err)
{
    tfc_index_reader *reader = tfc_alloc_zero(1, sizeof *reader);
    char *uri = reader ? make_uri(index->path) : NULL;
    *out = reader;
    if (!uri) return tfc_fail_memory(err, "index");
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(uri, &reader->db, flags, NULL);
    tfc_free(uri);
    if (!reader->db) return tfc_fail_memory(err, "index");
    if (code != SQLITE_OK) return tfc_index_fail(index, reader, err);
    sqlite3_db_config(reader->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(reader->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_progress_handler(reader->db, 1000, on_tick, reader);
    if (sqlite3_exec(reader->db,
                     "PRAGMA mmap_size = 1099511627776; PRAGMA cache_size = -16384;"
                     "PRAGMA cell_size_check = ON",
                     NULL, NULL, NULL))
        return tfc_index_fail(index, reader, err);
    return TFC_OK;
}

tfc_index_reader *tfc_index_reader_take(tfc_index *index, int64_t deadline_ns, tfc_error *err)
{
    pthread_mutex_lock(&index->lock);
    tfc_index_reader *reader = index->idle;
    if (reader) index->idle = reader->next;
    pthread_mutex_unlock(&index->lock);
    tfc_status status = TFC_OK;
    if (!reader) {
        status = reader_open(index, &reader, err);
        if (status == TFC_OK) status = prepare_all(index, reader, err);
    }
    if (status != TFC_OK) {
        reader_free(reader);
        return NULL;
    }
    reader->deadline_ns = deadline_ns;
    reader->late = false;
    return reader;
}

void tfc_index_reader_give(tfc_index *index, tfc_index_reader *reader)
{
    pthread_mutex_lock(&index->lock);
    reader->next = index->idle;
    index->idle = reader;
    pthread_mutex_unlock(&index->lock);
}

static uint32_t big_endian(const unsigned char *bytes, int n)
{
    uint32_t value = 0;
    for (int i = 0; i < n; i++) value = value << 8 | bytes[i];
    return value;
}

/* What the file's first bytes say, before SQLite reads it: is it ours, of this version, and whole? */
static tfc_status check_file(tfc_index *index, tfc_error *err)
{
    unsigned char header[100];
    const char *path = index->path;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return tfc_fail(err, TFC_ENOTFOUND,
                        "there is no index '%s'; `toolformer index build --corpus F...` makes one", path);
    if (fd < 0)
        return tfc_fail_errno(err, "cannot open the index '%s' (make one with `toolformer index build`)",
                              path);
    struct stat st;
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, header, sizeof header) : 0;
    close(fd);
    if (n != sizeof header || memcmp(header, "SQLite format 3", 16) != 0)
        return tfc_fail(err, TFC_EFORMAT, "'%s' is no search index: it is no SQLite file", path);
    index->info.file_bytes = st.st_size;
    index->info.format = big_endian(header + 60, 4);
    if (big_endian(header + 68, 4) != TFC_INDEX_APPLICATION)
        return tfc_fail(err, TFC_EFORMAT, "'%s' is no search index but some other SQLite file", path);
    if (index->info.format != TFC_INDEX_FORMAT)
        return tfc_fail(err, TFC_EFORMAT, "the index '%s' is of format %" PRId64 ", not %d; %s", path,
                        index->info.format, TFC_INDEX_FORMAT, rebuild);
    int64_t page = big_endian(header + 16, 2);
    int64_t whole = (int64_t)big_endian(header + 28, 4) * (page == 1 ? 65536 : page);
    if (whole != st.st_size)
        return tfc_fail(err, TFC_EFORMAT,
                        "the index '%s' has %" PRId64 " bytes of %" PRId64 ": it was cut; %s", path,
                        (int64_t)st.st_size, whole, rebuild);
    return TFC_OK;
}

/* The header's number for a key; 0 when there is none. */
static int64_t header_value(sqlite3 *db, const char *key)
{
    sqlite3_stmt *statement;
    int64_t value = 0;
    if (sqlite3_prepare_v2(db, "SELECT value FROM header WHERE key = ?", -1, &statement, NULL)) return 0;
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static tfc_status read_header(tfc_index *index, const tfc_index_reader *reader, tfc_error *err)
{
    tfc_index_info *info = &index->info;
    info->n_documents = header_value(reader->db, "n_documents");
    info->n_passages = header_value(reader->db, "n_passages");
    info->n_words = header_value(reader->db, "n_words");
    info->hash = (uint64_t)header_value(reader->db, "hash");
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(reader->db, "SELECT bytes FROM lengths", -1, &statement, NULL))
        return tfc_index_fail(index, reader, err);
    int code = sqlite3_step(statement);
    const void *bytes = code == SQLITE_ROW ? sqlite3_column_blob(statement, 0) : NULL;
    int64_t n = bytes ? sqlite3_column_bytes(statement, 0) : 0;
    tfc_status status = TFC_OK;
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        status = tfc_index_fail(index, reader, err);
    } else if (n == 0 || n != info->n_passages || info->n_words < 1) {
        status = tfc_fail(err, TFC_EFORMAT, "the index '%s' is damaged: its counts do not agree; %s",
                          index->path, rebuild);
    } else {
        index->lengths = tfc_alloc((size_t)n, 1);
        if (index->lengths)
            memcpy(index->lengths, bytes, (size_t)n);
        else
            status = tfc_fail_memory(err, "index");
    }
    sqlite3_finalize(statement);
    return status;
}

tfc_index *tfc_index_open(const char *path, tfc_error *err)
{
    tfc_index *index = tfc_alloc_zero(1, sizeof *index);
    if (!index) return tfc_fail_memory(err, "index"), NULL;
    pthread_mutex_init(&index->lock, NULL);
    index->path = tfc_strdup(path);
    tfc_index_reader *reader = NULL;
    tfc_status status = index->path ? check_file(index, err) : tfc_fail_memory(err, "index");
    if (status == TFC_OK) {
        reader = tfc_index_reader_take(index, 0, err);
        status = reader ? read_header(index, reader, err) : TFC_EIO;
    }
    if (reader) tfc_index_reader_give(index, reader);
    if (status == TFC_OK) return index;
    tfc_index_close(index);
    return NULL;
}

void tfc_index_close(tfc_index *index)
{
    if (!index) return;
    for (tfc_index_reader *reader = index->idle; reader;) {
        tfc_index_reader *next = reader->next;
        reader_free(reader);
        reader = next;
    }
    pthread_mutex_destroy(&index->lock);
    tfc_free(index->lengths);
    tfc_free(index->path);
    tfc_free(index);
}

tfc_index_info tfc_index_get_info(const tfc_index *index)
{
    return index->info;
}

char *tfc_index_locate(const char *path)
{
    const char *named = path ? path : getenv("TOOLFORMER_INDEX");
    if (named && *named) return tfc_strdup(named);
    const char *home = getenv("TOOLFORMER_HOME"), *user = getenv("HOME");
    if (home && *home) return tfc_path_join(home, "search/wiki.db");
    return tfc_path_join(user && *user ? user : ".", ".local/share/toolformer/search/wiki.db");
}
