/* The tables `calls` and `tools` of run.db. */
#include "tools/recording.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/file.h"
#include "base/random.h"

struct tfc_recording {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *get, *put;
};

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    "CREATE TABLE IF NOT EXISTS calls("
    "  tool TEXT NOT NULL, args TEXT NOT NULL, context TEXT NOT NULL, manifest TEXT NOT NULL,"
    "  outcome TEXT NOT NULL, status INTEGER NOT NULL, text TEXT NOT NULL, attempts INTEGER NOT NULL,"
    "  ms REAL NOT NULL, PRIMARY KEY(tool, args, context)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS tools("
    "  i INTEGER PRIMARY KEY, name TEXT NOT NULL, source TEXT NOT NULL, manifest TEXT NOT NULL);";

static tfc_status fail(const tfc_recording *r, tfc_error *err)
{
    int code = sqlite3_errcode(r->db);
    tfc_status status = code == SQLITE_NOMEM                              ? TFC_ENOMEM
                        : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? TFC_EFORMAT
                                                                          : TFC_EIO;
    return tfc_fail(err, status, "'%s': %s%s", r->path, sqlite3_errmsg(r->db),
                    code == SQLITE_FULL ? "; free some space and run the same command again" : "");
}

static tfc_status prepare(tfc_recording *r, const char *sql, sqlite3_stmt **statement, tfc_error *err)
{
    return sqlite3_prepare_v2(r->db, sql, -1, statement, NULL) == SQLITE_OK ? TFC_OK : fail(r, err);
}

static tfc_status exec(tfc_recording *r, const char *sql, tfc_error *err)
{
    return sqlite3_exec(r->db, sql, NULL, NULL, NULL) == SQLITE_OK ? TFC_OK : fail(r, err);
}

static tfc_recording *open_file(const char *run, bool reads, tfc_error *err)
{
    tfc_recording *r = tfc_alloc_zero(1, sizeof *r);
    if (r) r->path = run ? tfc_path_join(run, "run.db") : tfc_strdup(":memory:");
    if (!r || !r->path) {
        tfc_free(r);
        tfc_fail_memory(err, "the recording");
        return NULL;
    }
    tfc_status status = TFC_OK;
    if (reads && !tfc_file_exists(r->path))
        status = tfc_fail(err, TFC_ENOTFOUND, "no run in '%s' (there is no run.db)", run);
    else if (sqlite3_open_v2(r->path, &r->db, SQLITE_OPEN_READWRITE | (reads ? 0 : SQLITE_OPEN_CREATE),
                             NULL) != SQLITE_OK)
        status = r->db ? fail(r, err) : tfc_fail_memory(err, r->path);
    if (status == TFC_OK) {
        sqlite3_busy_timeout(r->db, 5000);
        if (!reads) status = exec(r, schema, err);
    }
    if (status == TFC_OK)
        status = prepare(r, "SELECT status, text FROM calls WHERE tool = ? AND args = ? AND context = ?",
                         &r->get, err);
    if (status == TFC_OK && !reads)
        status =
            prepare(r,
                    "INSERT INTO calls VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
                    " manifest = excluded.manifest, outcome = excluded.outcome, status = excluded.status,"
                    " text = excluded.text, attempts = attempts + excluded.attempts,"
                    " ms = ms + excluded.ms WHERE outcome = 'failed'",
                    &r->put, err);
    if (status == TFC_OK) return r;
    tfc_recording_close(r);
    return NULL;
}

tfc_recording *tfc_recording_open(const char *run, tfc_error *err)
{
    return open_file(run, false, err);
}

tfc_recording *tfc_recording_open_to_read(const char *run, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    tfc_recording *r = open_file(run, true, &own);
    if (r) return r;
    if (strstr(own.message, "no such table"))
        tfc_fail(&own, TFC_ENOTFOUND,
                 "the run '%s' has no recording of its calls: it was made by an earlier version", run);
    if (err) *err = own;
    return NULL;
}

void tfc_recording_close(tfc_recording *r)
{
    if (!r) return;
    sqlite3_finalize(r->get);
    sqlite3_finalize(r->put);
    sqlite3_close(r->db);
    tfc_free(r->path);
    tfc_free(r);
}

tfc_status tfc_recording_get(tfc_recording *r, const char *tool, const char *args, const char *context,
                             bool *found, tfc_status *outcome, char **text, tfc_error *err)
{
    tfc_status status = TFC_OK;
    *found = false;
    *text = NULL;
    sqlite3_bind_text(r->get, 1, tool, -1, SQLITE_STATIC);
    sqlite3_bind_text(r->get, 2, args, -1, SQLITE_STATIC);
    sqlite3_bind_text(r->get, 3, context, -1, SQLITE_STATIC);
    int code = sqlite3_step(r->get);
    if (code == SQLITE_ROW) {
        *found = true;
        *outcome = (tfc_status)sqlite3_column_int(r->get, 0);
        const char *stored = (const char *)sqlite3_column_text(r->get, 1);
        *text = tfc_strdup(stored ? stored : "");
        if (!*text) status = tfc_fail_memory(err, "the recording");
    } else if (code != SQLITE_DONE) {
        status = fail(r, err);
    }
    sqlite3_reset(r->get);
    return status;
}

static tfc_status put_call(tfc_recording *r, const tfc_recorded *call, tfc_error *err)
{
    const char *outcome = call->status == TFC_OK          ? "result"
                          : call->status == TFC_ENORESULT ? "no result"
                                                          : "failed";
    const char *const texts[] = {call->tool, call->args, call->context, call->manifest, outcome};
    for (int i = 0; i < 5; i++) sqlite3_bind_text(r->put, i + 1, texts[i], -1, SQLITE_STATIC);
    sqlite3_bind_int(r->put, 6, call->status);
    sqlite3_bind_text(r->put, 7, call->text, -1, SQLITE_STATIC);
    sqlite3_bind_int(r->put, 8, call->attempts);
    sqlite3_bind_double(r->put, 9, call->ms);
    tfc_status status = sqlite3_step(r->put) == SQLITE_DONE ? TFC_OK : fail(r, err);
    sqlite3_reset(r->put);
    sqlite3_clear_bindings(r->put);
    return status;
}

tfc_status tfc_recording_put(tfc_recording *r, const tfc_recorded *calls, size_t n, tfc_error *err)
{
    if (n == 0) return TFC_OK;
    tfc_status status = exec(r, "BEGIN IMMEDIATE", err);
    if (status != TFC_OK) return status;
    for (size_t i = 0; i < n && status == TFC_OK; i++) status = put_call(r, &calls[i], err);
    if (status == TFC_OK) return exec(r, "COMMIT", err);
    exec(r, "ROLLBACK", NULL);
    return status;
}

static const char *column(sqlite3_stmt *statement, int i)
{
    const char *text = (const char *)sqlite3_column_text(statement, i);
    return text ? text : "";
}

tfc_status tfc_recording_each(tfc_recording *r,
                              tfc_status (*visit)(void *context, const tfc_recorded *call, tfc_error *err),
                              void *context, tfc_error *err)
{
    sqlite3_stmt *read = NULL;
    tfc_status status = prepare(r,
                                "SELECT tool, args, context, manifest, status, text, attempts, ms FROM calls"
                                " ORDER BY tool, args, context",
                                &read, err);
    int code = SQLITE_DONE;
    while (status == TFC_OK && (code = sqlite3_step(read)) == SQLITE_ROW)
        status = visit(context,
                       &(tfc_recorded){.tool = column(read, 0),
                                       .args = column(read, 1),
                                       .context = column(read, 2),
                                       .manifest = column(read, 3),
                                       .status = (tfc_status)sqlite3_column_int(read, 4),
                                       .text = column(read, 5),
                                       .attempts = sqlite3_column_int(read, 6),
                                       .ms = sqlite3_column_double(read, 7)},
                       err);
    if (status == TFC_OK && code != SQLITE_DONE) status = fail(r, err);
    sqlite3_finalize(read);
    return status;
}

tfc_status tfc_recording_put_tools(tfc_recording *r, const tfc_tools *tools, tfc_error *err)
{
    sqlite3_stmt *put = NULL;
    tfc_status status = exec(r, "BEGIN IMMEDIATE; DELETE FROM tools", err);
    if (status != TFC_OK) return status;
    status = prepare(r, "INSERT INTO tools VALUES(?,?,?,?)", &put, err);
    for (size_t i = 0; i < tfc_tools_count(tools) && status == TFC_OK; i++) {
        const tfc_tool *tool = tfc_tools_at(tools, i);
        sqlite3_bind_int64(put, 1, (int64_t)i);
        sqlite3_bind_text(put, 2, tool->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(put, 3, tool->source ? tool->source : tool->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(put, 4, tool->manifest_text, -1, SQLITE_STATIC);
        if (sqlite3_step(put) != SQLITE_DONE) status = fail(r, err);
        sqlite3_reset(put);
    }
    sqlite3_finalize(put);
    if (status == TFC_OK) return exec(r, "COMMIT", err);
    exec(r, "ROLLBACK", NULL);
    return status;
}

tfc_status tfc_recording_get_tool(tfc_recording *r, size_t i, char **name, char **source, char **manifest,
                                  tfc_error *err)
{
    char **const out[] = {name, source, manifest};
    sqlite3_stmt *read = NULL;
    *name = *source = *manifest = NULL;
    tfc_status status =
        prepare(r, "SELECT name, source, manifest FROM tools ORDER BY i LIMIT 1 OFFSET ?", &read, err);
    if (status != TFC_OK) return status;
    sqlite3_bind_int64(read, 1, (int64_t)i);
    int code = sqlite3_step(read);
    for (int c = 0; code == SQLITE_ROW && status == TFC_OK && c < 3; c++) {
        *out[c] = tfc_strdup(column(read, c));
        if (!*out[c]) status = tfc_fail_memory(err, "the recording");
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE) status = fail(r, err);
    sqlite3_finalize(read);
    for (int c = 0; c < 3 && status != TFC_OK; c++) {
        tfc_free(*out[c]);
        *out[c] = NULL;
    }
    return status;
}

void tfc_manifest_hash(const tfc_tool *tool, char out[17])
{
    const char *text = tool->manifest_text ? tool->manifest_text : tool->name;
    snprintf(out, 17, "%016llx", (unsigned long long)tfc_hash_bytes(text, strlen(text), 0));
}
