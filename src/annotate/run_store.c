/* SQLite in WAL mode: a killed process loses at most the transaction it was in; readers may look on
 * meanwhile. */
#include "annotate/run_store.h"

#include <math.h>

#include "base/file.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS facts(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS snippets("
    "  i INTEGER PRIMARY KEY, id TEXT NOT NULL, document INTEGER NOT NULL, text TEXT NOT NULL, date TEXT,"
    "  n_tokens INTEGER NOT NULL, wanted INTEGER NOT NULL, pruned_scans INTEGER NOT NULL,"
    "  pruned_duplicates INTEGER NOT NULL, failed INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS places("
    "  snippet INTEGER NOT NULL, tool TEXT NOT NULL, token INTEGER NOT NULL, at INTEGER NOT NULL,"
    "  p REAL, loss_empty REAL, reason TEXT, PRIMARY KEY(snippet, tool, token)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS candidates("
    "  snippet INTEGER NOT NULL, tool TEXT NOT NULL, token INTEGER NOT NULL, n INTEGER NOT NULL,"
    "  at INTEGER NOT NULL, args TEXT NOT NULL, proposer TEXT NOT NULL, times INTEGER NOT NULL,"
    "  result TEXT, error TEXT, loss_empty REAL, loss_call REAL, loss_result REAL, gain REAL,"
    "  tau_f REAL NOT NULL, kept INTEGER NOT NULL, reason TEXT NOT NULL, likelihood REAL,"
    "  preference INTEGER, failed INTEGER NOT NULL DEFAULT 0,"
    "  PRIMARY KEY(snippet, tool, token, n)) WITHOUT ROWID;"
    /* Calls that go before a candidate in a chain; link counts them from 0. */
    "CREATE TABLE IF NOT EXISTS links("
    "  snippet INTEGER NOT NULL, tool TEXT NOT NULL, token INTEGER NOT NULL, n INTEGER NOT NULL,"
    "  link INTEGER NOT NULL, link_tool TEXT NOT NULL, args TEXT NOT NULL, result TEXT NOT NULL,"
    "  loss_call REAL, loss_result REAL, PRIMARY KEY(snippet, tool, token, n, link)) WITHOUT ROWID;";

tfc_status tfc_run_store_fail(const tfc_run_store *store, tfc_error *err)
{
    int code = sqlite3_errcode(store->db);
    tfc_status status = code == SQLITE_NOMEM                              ? TFC_ENOMEM
                        : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? TFC_EFORMAT
                                                                          : TFC_EIO;
    const char *remedy = code == SQLITE_FULL ? "; free some space and run the same command again"
                         : code == SQLITE_NOTADB || code == SQLITE_CORRUPT
                             ? "; remove the run's folder and start again"
                         : code == SQLITE_BUSY ? "; another process works on this run"
                                               : "";
    return tfc_fail(err, status, "'%s': %s%s", store->path, sqlite3_errmsg(store->db), remedy);
}

tfc_status tfc_run_store_exec(tfc_run_store *store, const char *sql, tfc_error *err)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? TFC_OK
                                                                       : tfc_run_store_fail(store, err);
}

tfc_status tfc_run_store_query(tfc_run_store *store, const char *sql, sqlite3_stmt **statement,
                               tfc_error *err)
{
    *statement = NULL;
    return sqlite3_prepare_v2(store->db, sql, -1, statement, NULL) == SQLITE_OK
               ? TFC_OK
               : tfc_run_store_fail(store, err);
}

tfc_status tfc_run_store_count(tfc_run_store *store, const char *sql, int64_t *out, tfc_error *err)
{
    sqlite3_stmt *statement;
    *out = 0;
    tfc_status status = tfc_run_store_query(store, sql, &statement, err);
    if (status != TFC_OK) return status;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else
        status = tfc_run_store_fail(store, err);
    sqlite3_finalize(statement);
    return status;
}

static tfc_status prepare_all(tfc_run_store *store, tfc_error *err)
{
    tfc_status status = tfc_run_store_query(
        store, "INSERT OR REPLACE INTO snippets VALUES(?,?,?,?,?,?,?,?,?,?)", &store->put_snippet, err);
    if (status == TFC_OK)
        status = tfc_run_store_query(store, "INSERT OR REPLACE INTO places VALUES(?,?,?,?,?,?,?)",
                                     &store->put_place, err);
    if (status == TFC_OK)
        status = tfc_run_store_query(
            store, "INSERT OR REPLACE INTO candidates VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,NULL,?)",
            &store->put_candidate, err);
    if (status == TFC_OK)
        status = tfc_run_store_query(store, "INSERT OR REPLACE INTO links VALUES(?,?,?,?,0,?,?,?,?,?)",
                                     &store->put_link, err);
    static const char *const clear[] = {"DELETE FROM places WHERE snippet = ?",
                                        "DELETE FROM candidates WHERE snippet = ?",
                                        "DELETE FROM links WHERE snippet = ?"};
    for (size_t i = 0; i < 3 && status == TFC_OK; i++)
        status = tfc_run_store_query(store, clear[i], &store->clear[i], err);
    return status;
}

/* Runs from before candidates had a likelihood, or calls could be tried again, get the columns. */
static tfc_status add_columns(tfc_run_store *store, tfc_error *err)
{
    int64_t n;
    tfc_status status = tfc_run_store_count(
        store, "SELECT count(*) FROM pragma_table_info('candidates') WHERE name = 'likelihood'", &n, err);
    if (status == TFC_OK && n == 0)
        status = tfc_run_store_exec(store,
                                    "ALTER TABLE candidates ADD COLUMN likelihood REAL;"
                                    "ALTER TABLE candidates ADD COLUMN preference INTEGER",
                                    err);
    if (status == TFC_OK)
        status = tfc_run_store_count(
            store, "SELECT count(*) FROM pragma_table_info('candidates') WHERE name = 'failed'", &n, err);
    if (status == TFC_OK && n == 0)
        status = tfc_run_store_exec(store,
                                    "ALTER TABLE candidates ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;"
                                    "ALTER TABLE snippets ADD COLUMN failed INTEGER NOT NULL DEFAULT 0",
                                    err);
    return status;
}

tfc_status tfc_run_store_open(tfc_run_store *store, const char *run, bool create, tfc_error *err)
{
    memset(store, 0, sizeof *store);
    store->path = tfc_path_join(run, "run.db");
    if (!store->path) return tfc_fail_memory(err, run);
    if (!create && !tfc_file_exists(store->path)) {
        tfc_status status = tfc_fail(err, TFC_ENOTFOUND,
                                     "no run in '%s' (there is no run.db); make one with `annotate`", run);
        tfc_run_store_close(store);
        return status;
    }
    int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
    tfc_status status = TFC_OK;
    if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK) {
        status = store->db ? tfc_run_store_fail(store, err) : tfc_fail_memory(err, store->path);
    } else {
        sqlite3_busy_timeout(store->db, 5000);
        sqlite3_extended_result_codes(store->db, 0);
        status = tfc_run_store_exec(store, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;", err);
        if (status == TFC_OK) status = tfc_run_store_exec(store, schema, err);
        if (status == TFC_OK) status = add_columns(store, err);
        if (status == TFC_OK) status = prepare_all(store, err);
    }
    if (status != TFC_OK) tfc_run_store_close(store);
    return status;
}

void tfc_run_store_close(tfc_run_store *store)
{
    sqlite3_finalize(store->put_snippet);
    sqlite3_finalize(store->put_place);
    sqlite3_finalize(store->put_candidate);
    sqlite3_finalize(store->put_link);
    for (size_t i = 0; i < 3; i++) sqlite3_finalize(store->clear[i]);
    if (store->db) sqlite3_close(store->db);
    tfc_free(store->path);
    memset(store, 0, sizeof *store);
}

tfc_status tfc_run_store_get(tfc_run_store *store, const char *key, char **value, tfc_error *err)
{
    *value = NULL;
    sqlite3_stmt *statement;
    tfc_status status = tfc_run_store_query(store, "SELECT value FROM facts WHERE key = ?", &statement, err);
    if (status != TFC_OK) return status;
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *value = tfc_memdup_text((const char *)sqlite3_column_text(statement, 0),
                                 (size_t)sqlite3_column_bytes(statement, 0));
        if (!*value) status = tfc_fail_memory(err, key);
    } else if (code != SQLITE_DONE) {
        status = tfc_run_store_fail(store, err);
    }
    sqlite3_finalize(statement);
    return status;
}

/* Runs a statement that is kept, and makes it ready for the next use. */
static tfc_status step_once(tfc_run_store *store, sqlite3_stmt *statement, tfc_error *err)
{
    tfc_status status = sqlite3_step(statement) == SQLITE_DONE ? TFC_OK : tfc_run_store_fail(store, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

tfc_status tfc_run_store_put(tfc_run_store *store, const char *key, const char *value, tfc_error *err)
{
    sqlite3_stmt *statement;
    tfc_status status =
        tfc_run_store_query(store, "INSERT OR REPLACE INTO facts VALUES(?,?)", &statement, err);
    if (status != TFC_OK) return status;
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
    status = step_once(store, statement, err);
    sqlite3_finalize(statement);
    return status;
}

static void bind_text(sqlite3_stmt *statement, int i, const char *text)
{
    if (text)
        sqlite3_bind_text(statement, i, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, i);
}

static void bind_number(sqlite3_stmt *statement, int i, double value)
{
    if (isnan(value))
        sqlite3_bind_null(statement, i);
    else
        sqlite3_bind_double(statement, i, value);
}

tfc_status tfc_run_store_put_snippet(tfc_run_store *store, int64_t i, const char *id, int64_t document,
                                     const char *text, size_t n_text, const char *date, int64_t n_tokens,
                                     const tfc_snippet_counts *counts, tfc_error *err)
{
    sqlite3_stmt *s = store->put_snippet;
    sqlite3_bind_int64(s, 1, i);
    bind_text(s, 2, id);
    sqlite3_bind_int64(s, 3, document);
    sqlite3_bind_text64(s, 4, text, n_text, SQLITE_STATIC, SQLITE_UTF8);
    bind_text(s, 5, date);
    sqlite3_bind_int64(s, 6, n_tokens);
    sqlite3_bind_int64(s, 7, counts->wanted);
    sqlite3_bind_int64(s, 8, counts->pruned_scans);
    sqlite3_bind_int64(s, 9, counts->pruned_duplicates);
    sqlite3_bind_int64(s, 10, counts->failed);
    return step_once(store, s, err);
}

tfc_status tfc_run_store_clear(tfc_run_store *store, int64_t snippet, tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < 3 && status == TFC_OK; i++) {
        sqlite3_bind_int64(store->clear[i], 1, snippet);
        status = step_once(store, store->clear[i], err);
    }
    return status;
}

tfc_status tfc_run_store_put_place(tfc_run_store *store, const tfc_place *place, tfc_error *err)
{
    sqlite3_stmt *s = store->put_place;
    sqlite3_bind_int64(s, 1, place->snippet);
    bind_text(s, 2, place->tool);
    sqlite3_bind_int64(s, 3, place->token);
    sqlite3_bind_int64(s, 4, (int64_t)place->at);
    bind_number(s, 5, place->p);
    bind_number(s, 6, place->loss_empty);
    bind_text(s, 7, place->reason);
    return step_once(store, s, err);
}

static tfc_status put_link(tfc_run_store *store, const tfc_candidate *c, tfc_error *err)
{
    sqlite3_stmt *s = store->put_link;
    sqlite3_bind_int64(s, 1, c->snippet);
    bind_text(s, 2, c->tool);
    sqlite3_bind_int64(s, 3, c->token);
    sqlite3_bind_int64(s, 4, c->n);
    bind_text(s, 5, c->link->tool);
    bind_text(s, 6, c->link->args);
    bind_text(s, 7, c->link->result);
    bind_number(s, 8, c->link->loss_call);
    bind_number(s, 9, c->link->loss_result);
    return step_once(store, s, err);
}

tfc_status tfc_run_store_put_candidate(tfc_run_store *store, const tfc_candidate *c, tfc_error *err)
{
    sqlite3_stmt *s = store->put_candidate;
    double baseline = fmin(c->loss_empty, c->loss_call);
    if (c->link) baseline = fmin(baseline, c->link->loss_result);
    sqlite3_bind_int64(s, 1, c->snippet);
    bind_text(s, 2, c->tool);
    sqlite3_bind_int64(s, 3, c->token);
    sqlite3_bind_int64(s, 4, c->n);
    sqlite3_bind_int64(s, 5, (int64_t)c->at);
    bind_text(s, 6, c->args);
    bind_text(s, 7, c->proposer);
    sqlite3_bind_int64(s, 8, c->times);
    bind_text(s, 9, c->result);
    bind_text(s, 10, c->error);
    bind_number(s, 11, c->loss_empty);
    bind_number(s, 12, c->loss_call);
    bind_number(s, 13, c->loss_result);
    /* Without L(call, empty) the gain is known only as "at most L(empty) - L(result)". */
    bind_number(s, 14, isnan(c->loss_call) ? NAN : baseline - c->loss_result);
    sqlite3_bind_double(s, 15, c->tau_f);
    sqlite3_bind_int(s, 16, c->kept);
    bind_text(s, 17, c->reason);
    bind_number(s, 18, c->likelihood);
    sqlite3_bind_int(s, 19, c->failed);
    tfc_status status = step_once(store, s, err);
    return status == TFC_OK && c->link ? put_link(store, c, err) : status;
}
