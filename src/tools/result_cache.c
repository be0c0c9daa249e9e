/* SQLite in WAL mode: several processes read and write, and a killed one leaves the file whole. */
#include "tools/result_cache.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

enum { BUSY_MS = 5000 };

struct tfc_result_cache {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *get, *put;
    bool renewed, off; /* off: not used any more */
    char note[512];
    bool noted;
};

tfc_result_cache *tfc_result_cache_create(const char *path, tfc_error *err)
{
    const char *own = getenv("TOOLFORMER_HOME"), *home = getenv("HOME");
    tfc_result_cache *cache = tfc_alloc_zero(1, sizeof *cache);
    if (cache && path)
        cache->path = tfc_strdup(path);
    else if (cache && own && *own)
        cache->path = tfc_path_join(own, "cache/tools.db");
    else if (cache && home && *home)
        cache->path = tfc_path_join(home, ".local/share/toolformer/cache/tools.db");
    else if (cache)
        cache->off = true; /* there is no place for it */
    if (!cache || (!cache->path && !cache->off)) {
        tfc_free(cache);
        tfc_fail_memory(err, "the results' cache");
        return NULL;
    }
    return cache;
}

static void close_file(tfc_result_cache *cache)
{
    sqlite3_finalize(cache->get);
    sqlite3_finalize(cache->put);
    sqlite3_close(cache->db);
    cache->get = cache->put = NULL;
    cache->db = NULL;
}

void tfc_result_cache_free(tfc_result_cache *cache)
{
    if (!cache) return;
    close_file(cache);
    tfc_free(cache->path);
    tfc_free(cache);
}

static void turn_off(tfc_result_cache *cache)
{
    snprintf(cache->note, sizeof cache->note, "the cache of results '%s' is not used: %s", cache->path,
             cache->db ? sqlite3_errmsg(cache->db) : "it cannot be opened");
    cache->noted = false;
    close_file(cache);
    cache->off = true;
}

/* Tables and statements; an SQLite code. */
static int open_file(tfc_result_cache *cache)
{
    static const char schema[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        "CREATE TABLE IF NOT EXISTS results("
        "  version TEXT NOT NULL, context TEXT NOT NULL, args TEXT NOT NULL, status INTEGER NOT NULL,"
        "  text TEXT NOT NULL, PRIMARY KEY(version, context, args)) WITHOUT ROWID;";
    int code = sqlite3_open_v2(cache->path, &cache->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (code != SQLITE_OK) return code;
    sqlite3_busy_timeout(cache->db, BUSY_MS);
    if ((code = sqlite3_exec(cache->db, schema, NULL, NULL, NULL)) != SQLITE_OK) return code;
    code = sqlite3_prepare_v2(
        cache->db, "SELECT status, text FROM results WHERE version = ? AND context = ? AND args = ?", -1,
        &cache->get, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(cache->db, "INSERT OR REPLACE INTO results VALUES(?,?,?,?,?)", -1,
                                  &cache->put, NULL);
    return code;
}

/* A broken file and its companions go aside, so that someone may look at it. */
static void set_aside(const tfc_result_cache *cache)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char from[4200], to[4200];
        snprintf(from, sizeof from, "%s%s", cache->path, ends[i]);
        snprintf(to, sizeof to, "%s.broken%s", cache->path, ends[i]);
        rename(from, to);
    }
}

static bool is_broken(int code)
{
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

/* After a failure: a damaged file is made anew, once; otherwise the cache is not used any more. */
static void recover(tfc_result_cache *cache, int code)
{
    if ((code & 0xff) == SQLITE_BUSY && cache->put)
        return; /* another process is slow; the next one may pass */
    if (is_broken(code) && !cache->renewed) {
        snprintf(cache->note, sizeof cache->note,
                 "the cache of results '%s' is damaged; it is now '%s.broken', and a new one is made",
                 cache->path, cache->path);
        cache->renewed = true;
        close_file(cache);
        set_aside(cache);
        code = open_file(cache);
    }
    if (code != SQLITE_OK) turn_off(cache);
}

/* The file is open afterwards, or `off` is set. */
static bool ready(tfc_result_cache *cache)
{
    if (cache->off || cache->db) return !cache->off;
    char *slash = strrchr(cache->path, '/');
    if (slash && slash != cache->path) {
        *slash = '\0';
        tfc_folder_make(cache->path, NULL);
        *slash = '/';
    }
    int code = open_file(cache);
    if (code != SQLITE_OK) recover(cache, code);
    return !cache->off;
}

static void bind_key(sqlite3_stmt *statement, const tfc_cache_key *key)
{
    sqlite3_bind_text(statement, 1, key->version, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, key->context, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, key->args, -1, SQLITE_STATIC);
}

bool tfc_result_cache_get(tfc_result_cache *cache, const tfc_cache_key *key, tfc_status *status, char **text)
{
    if (!ready(cache)) return false;
    bind_key(cache->get, key);
    int code = sqlite3_step(cache->get);
    bool found = false;
    if (code == SQLITE_ROW) {
        const char *stored = (const char *)sqlite3_column_text(cache->get, 1);
        *status = (tfc_status)sqlite3_column_int(cache->get, 0);
        *text = stored && (*status == TFC_OK || *status == TFC_ENORESULT) ? tfc_strdup(stored) : NULL;
        found = *text != NULL;
    }
    sqlite3_reset(cache->get);
    if (code != SQLITE_ROW && code != SQLITE_DONE) recover(cache, code);
    return found;
}

void tfc_result_cache_put(tfc_result_cache *cache, const tfc_cache_key *key, tfc_status status,
                          const char *text)
{
    if ((status != TFC_OK && status != TFC_ENORESULT) || !ready(cache)) return;
    bind_key(cache->put, key);
    sqlite3_bind_int(cache->put, 4, status);
    sqlite3_bind_text(cache->put, 5, text, -1, SQLITE_STATIC);
    int code = sqlite3_step(cache->put);
    sqlite3_reset(cache->put);
    sqlite3_clear_bindings(cache->put);
    if (code != SQLITE_DONE) recover(cache, code);
}

const char *tfc_result_cache_note(tfc_result_cache *cache)
{
    if (!cache->note[0] || cache->noted) return NULL;
    cache->noted = true;
    return cache->note;
}
