/* Which generation a server speaks is asked as the revision 2026-07-28 advises: `server/discover` first. A
 * result, or an error that only that revision knows, is a modern server. Anything else (another error, a 4xx
 * without such an error, silence, a server that falls over) is a legacy one, and `initialize` follows.
 * Silence may also be a slow start: when `initialize` is then refused, discovery is tried once more. */
#include "tools/mcp_server.h"

#include <pthread.h>
#include <stdio.h>

#include "tools/http_client.h"

enum { PROBE_MS = 3000, START_MS = 60000, PAGES_MAX = 200, TOOLS_MAX = 10000, VERSION_BYTES = 32 };

const char *const tfc_mcp_server_keys[] = {"argv",      "files",   "network",     "sandbox",
                                           "memory_mb", "file_mb", "url",         "max_processes",
                                           "headers",   "ca_file", "environment", NULL};

/* A link that is in use, and what was agreed on it. */
typedef struct connection {
    tfc_mcp_link *link;
    int n_users; /* the server's own counts too; guarded by its mutex */
    bool modern;
    char version[VERSION_BYTES];
} connection;

struct tfc_mcp_server {
    char *key; /* what makes two servers the same */
    int n_owners;
    tfc_mcp_server *next;
    tfc_arena arena;
    char name[160];
    /* One of the two. */
    tfc_program program;
    char *const *argv;
    const char *url, *ca_file;
    tfc_http_headers headers;

    pthread_mutex_t starting; /* held while one thread starts it */
    tfc_launcher *launcher;   /* guarded by `starting` */
    bool legacy;              /* known to be; guarded by `starting` */
    tfc_mcp_link *slow;       /* a program that had not answered when its first caller's time was up */
    int64_t slow_until;       /* when it is given up */
    pthread_mutex_t mutex;    /* guards `current` */
    connection *current;
};

/* All servers of this process: tools of several manifests, even of several registries, share one. */
static pthread_mutex_t servers_mutex = PTHREAD_MUTEX_INITIALIZER;
static tfc_mcp_server *servers;

static tfc_status make_key(tfc_json *json, const char *folder, tfc_buffer *key, tfc_error *err)
{
    tfc_buffer_puts(key, folder ? folder : "");
    for (size_t i = 0; tfc_mcp_server_keys[i]; i++) {
        tfc_json *value = json_object_object_get(json, tfc_mcp_server_keys[i]);
        const char *text = value ? json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN) : "";
        tfc_buffer_putc(key, '\n');
        tfc_buffer_puts(key, text ? text : "");
    }
    return tfc_buffer_ok(key, "MCP server", err);
}

static tfc_status read_url(tfc_mcp_server *s, tfc_json *json, const char *folder, tfc_error *err)
{
    static const char *const program_only[] = {"files",     "network", "sandbox",
                                               "memory_mb", "file_mb", "max_processes"};
    const char *url, *ca_file;
    size_t n;
    bool found;
    for (size_t i = 0; i < sizeof program_only / sizeof *program_only; i++)
        if (json_object_object_get_ex(json, program_only[i], NULL))
            return tfc_fail(err, TFC_EFORMAT, "%s belongs to a program (argv), not to a url",
                            program_only[i]);
    tfc_status status = tfc_json_get_text(json, "url", &url, &n, NULL, err);
    if (status != TFC_OK) return status;
    if (!tfc_http_url_valid(url) || strlen(url) != n || strchr(url, '@'))
        return tfc_fail(err, TFC_EFORMAT, "url: '%.80s' is no http or https address (without a user name)",
                        url);
    s->url = tfc_arena_strndup(&s->arena, url, n);
    snprintf(s->name, sizeof s->name, "MCP server %.*s", (int)strcspn(url, "?#"), url);
    status = s->url ? tfc_http_headers_read(json, &s->arena, &s->headers, err) : tfc_fail_memory(err, "url");
    if (status == TFC_OK) status = tfc_json_get_text(json, "ca_file", &ca_file, &n, &found, err);
    if (status != TFC_OK || !found) return status;
    bool relative = folder && *ca_file != '/';
    size_t n_folder = relative ? strlen(folder) : 0;
    char *path = tfc_arena_alloc(&s->arena, n_folder + n + 2, 1);
    if (!path) return tfc_fail_memory(err, "ca_file");
    snprintf(path, n_folder + n + 2, "%s%s%s", relative ? folder : "",
             n_folder && folder[n_folder - 1] != '/' ? "/" : "", ca_file);
    s->ca_file = path;
    return TFC_OK;
}

static tfc_status read_program(tfc_mcp_server *s, tfc_json *json, const char *folder, tfc_error *err)
{
    if (json_object_object_get_ex(json, "headers", NULL) || json_object_object_get_ex(json, "ca_file", NULL))
        return tfc_fail(err, TFC_EFORMAT, "headers and ca_file belong to a url, not to a program (argv)");
    char *own = folder ? tfc_arena_strndup(&s->arena, folder, strlen(folder)) : NULL;
    if (folder && !own) return tfc_fail_memory(err, "folder");
    tfc_status status = tfc_program_read(&s->program, json, own, &s->arena, err);
    if (status != TFC_OK) return status;
    char **argv = tfc_arena_alloc(&s->arena, s->program.n_argv + 1, sizeof *argv);
    if (!argv) return tfc_fail_memory(err, "argv");
    for (size_t i = 0; i < s->program.n_argv; i++) argv[i] = (char *)(uintptr_t)s->program.argv[i];
    s->argv = argv;
    const char *slash = strrchr(argv[0], '/');
    snprintf(s->name, sizeof s->name, "MCP server '%.100s'", slash ? slash + 1 : argv[0]);
    return TFC_OK;
}

static void server_free(tfc_mcp_server *s)
{
    if (s->current) {
        s->current->link->type->free(s->current->link);
        tfc_free(s->current);
    }
    if (s->slow) s->slow->type->free(s->slow);
    tfc_launcher_free(s->launcher);
    pthread_mutex_destroy(&s->mutex);
    pthread_mutex_destroy(&s->starting);
    tfc_arena_release(&s->arena);
    tfc_free(s->key);
    tfc_free(s);
}

static tfc_status server_create(tfc_json *json, const char *folder, char *key, tfc_mcp_server **out,
                                tfc_error *err)
{
    tfc_mcp_server *s = tfc_alloc_zero(1, sizeof *s);
    if (!s) {
        tfc_free(key);
        return tfc_fail_memory(err, "MCP server");
    }
    s->key = key;
    s->n_owners = 1;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_mutex_init(&s->starting, NULL);
    bool remote = json_object_object_get_ex(json, "url", NULL);
    bool program = json_object_object_get_ex(json, "argv", NULL);
    tfc_status status = remote == program
                            ? tfc_fail(err, TFC_EFORMAT, "either \"argv\" (a program) or \"url\" expected")
                        : remote ? read_url(s, json, folder, err)
                                 : read_program(s, json, folder, err);
    if (status == TFC_OK)
        *out = s;
    else
        server_free(s);
    return status;
}

tfc_status tfc_mcp_server_open(tfc_json *json, const char *folder, tfc_mcp_server **server, tfc_error *err)
{
    tfc_buffer text;
    tfc_buffer_init(&text, 0);
    tfc_status status = make_key(json, folder, &text, err);
    char *key = status == TFC_OK ? tfc_buffer_take(&text, NULL) : NULL;
    tfc_buffer_release(&text);
    if (!key) return status == TFC_OK ? tfc_fail_memory(err, "MCP server") : status;
    pthread_mutex_lock(&servers_mutex);
    tfc_mcp_server *s = servers;
    while (s && strcmp(s->key, key) != 0) s = s->next;
    if (s) {
        s->n_owners++;
        tfc_free(key);
        *server = s;
    } else {
        status = server_create(json, folder, key, server, err);
        if (status == TFC_OK) {
            (*server)->next = servers;
            servers = *server;
        }
    }
    pthread_mutex_unlock(&servers_mutex);
    return status;
}

void tfc_mcp_server_close(tfc_mcp_server *server)
{
    if (!server) return;
    pthread_mutex_lock(&servers_mutex);
    bool last = --server->n_owners == 0;
    if (last)
        for (tfc_mcp_server **s = &servers; *s; s = &(*s)->next)
            if (*s == server) {
                *s = server->next;
                break;
            }
    pthread_mutex_unlock(&servers_mutex);
    if (last) server_free(server);
}

const char *tfc_mcp_server_name(const tfc_mcp_server *server)
{
    return server->name;
}

bool tfc_mcp_server_remote(const tfc_mcp_server *server)
{
    return server->url != NULL;
}

void tfc_mcp_server_hide(const tfc_mcp_server *server, char *text)
{
    if (server->url) tfc_http_hide_secrets(&server->headers, text);
}

/* A program that is slow to start goes on starting between the calls that wait for it. */
static tfc_mcp_link *take_slow(tfc_mcp_server *s)
{
    tfc_mcp_link *link = s->slow;
    s->slow = NULL;
    if (!link || (!link->type->broken(link) && tfc_clock_ns() < s->slow_until)) return link;
    link->type->free(link);
    return NULL;
}

static tfc_status link_create(tfc_mcp_server *s, tfc_mcp_link **link, tfc_error *err)
{
    tfc_status status = TFC_OK;
    *link = take_slow(s);
    if (*link) return TFC_OK;
    s->slow_until = tfc_clock_ns() + START_MS * (int64_t)1000000;
    if (s->url) {
        status = tfc_http_variables_set(&s->headers, err);
        *link = status == TFC_OK ? tfc_mcp_http_create(s->name, s->url, s->ca_file, &s->headers, err) : NULL;
    } else {
        if (!s->launcher) status = tfc_launcher_create(&s->program, &s->launcher, err);
        *link = status == TFC_OK ? tfc_mcp_stdio_create(s->name, s->launcher, s->argv, err) : NULL;
    }
    if (status == TFC_OK && !*link) status = err && err->status != TFC_OK ? err->status : TFC_EIO;
    return status;
}

typedef enum era { ERA_UNKNOWN, ERA_MODERN, ERA_LEGACY } era;

static bool holds_text(tfc_json *array, const char *text)
{
    if (!json_object_is_type(array, json_type_array)) return false;
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        tfc_json *entry = json_object_array_get_idx(array, i);
        if (json_object_is_type(entry, json_type_string) && strcmp(json_object_get_string(entry), text) == 0)
            return true;
    }
    return false;
}

static const char *const legacy_versions[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};

/* What a list of versions means for us; ERA_UNKNOWN: none that both know. */
static era era_of(tfc_json *versions)
{
    if (holds_text(versions, TFC_MCP_MODERN)) return ERA_MODERN;
    for (size_t i = 0; i < sizeof legacy_versions / sizeof *legacy_versions; i++)
        if (holds_text(versions, legacy_versions[i])) return ERA_LEGACY;
    return ERA_UNKNOWN;
}

static int64_t earlier(int64_t deadline_ns, int64_t ms)
{
    int64_t at = tfc_clock_ns() + ms * 1000000;
    return deadline_ns && deadline_ns < at ? deadline_ns : at;
}

/* server/discover. *found: what the server is. *silent: it did not answer in time. A failure: no server is
 * there, or none that can be spoken to. */
static tfc_status discover(tfc_mcp_server *s, tfc_mcp_link *link, int64_t deadline_ns, era *found,
                           bool *silent, tfc_error *err)
{
    const tfc_mcp_request request = {
        .method = "server/discover", .version = TFC_MCP_MODERN, .modern = true, .probing = true};
    tfc_mcp_message answer = {0};
    long code;
    tfc_error own;
    tfc_error_init(&own);
    tfc_status status = link->type->exchange(link, &request, deadline_ns, &answer, &code, &own);
    *silent = status == TFC_ETIMEOUT;
    *found = ERA_LEGACY;
    if (status != TFC_OK) {
        bool refused = code == 401 || code == 403 || code == 407 || code == 429;
        if (!s->url || *silent || (code >= 400 && !refused) || (code >= 200 && code < 300)) return TFC_OK;
        return tfc_fail(err, status, "%s", own.message);
    }
    tfc_json *versions = NULL;
    if (answer.result)
        json_object_object_get_ex(answer.result, "supportedVersions", &versions);
    else if (answer.error_code == TFC_MCP_UNSUPPORTED_VERSION &&
             json_object_is_type(answer.error_data, json_type_object))
        json_object_object_get_ex(answer.error_data, "supported", &versions);
    if (versions)
        *found = era_of(versions);
    else if (answer.error_code == TFC_MCP_HEADER_MISMATCH || answer.error_code == TFC_MCP_MISSING_CAPABILITY)
        *found = ERA_MODERN;
    if (*found == ERA_UNKNOWN)
        status = tfc_fail(err, TFC_EUNSUPPORTED, "%s speaks %.200s; this program speaks %s and %s to %s",
                          s->name, json_object_to_json_string_ext(versions, JSON_C_TO_STRING_PLAIN),
                          TFC_MCP_MODERN, legacy_versions[3], legacy_versions[0]);
    tfc_mcp_message_release(&answer);
    return status;
}

static tfc_json *initialize_params(void)
{
    tfc_json *params = json_object_new_object(), *info = json_object_new_object();
    bool ok = params && info;
    ok = ok && json_object_object_add(params, "protocolVersion", json_object_new_string(TFC_MCP_LEGACY)) == 0;
    ok = ok && json_object_object_add(params, "capabilities", json_object_new_object()) == 0;
    ok = ok && json_object_object_add(info, "name", json_object_new_string("toolformer")) == 0;
    ok = ok && json_object_object_add(info, "version", json_object_new_string(tfc_version())) == 0;
    ok = ok && json_object_object_add(params, "clientInfo", json_object_get(info)) == 0;
    json_object_put(info);
    if (ok) return params;
    json_object_put(params);
    return NULL;
}

/* The handshake of the older revisions; version gets what was agreed on. */
static tfc_status initialize(tfc_mcp_server *s, tfc_mcp_link *link, int64_t deadline_ns, char *version,
                             tfc_error *err)
{
    tfc_json *params = initialize_params();
    if (!params) return tfc_fail_memory(err, "initialize");
    const tfc_mcp_request request = {.method = "initialize", .params = params, .probing = true};
    tfc_mcp_message answer = {0};
    long code;
    tfc_status status = link->type->exchange(link, &request, deadline_ns, &answer, &code, err);
    json_object_put(params);
    if (status != TFC_OK) return status;
    const char *agreed = "";
    bool known = false;
    if (answer.error_code)
        status =
            tfc_fail(err, TFC_EUNSUPPORTED, "%s refuses to begin: %.200s", s->name, answer.error_message);
    else
        status = tfc_json_get_text(answer.result, "protocolVersion", &agreed, NULL, NULL, err);
    for (size_t i = 0; i < sizeof legacy_versions / sizeof *legacy_versions; i++)
        known = known || strcmp(agreed, legacy_versions[i]) == 0;
    if (status == TFC_OK && !known)
        status = tfc_fail(err, TFC_EUNSUPPORTED, "%s speaks the unknown version '%.40s'", s->name, agreed);
    if (status == TFC_OK) snprintf(version, VERSION_BYTES, "%s", agreed);
    tfc_mcp_message_release(&answer);
    const tfc_mcp_request done = {.method = "notifications/initialized", .version = version};
    return status == TFC_OK ? link->type->notify(link, &done, deadline_ns, err) : status;
}

/* Makes a link and agrees on a version. Under `starting`. */
static tfc_status make_connection(tfc_mcp_server *s, int64_t deadline_ns, connection *c, tfc_error *err)
{
    era found = ERA_LEGACY;
    bool silent = false;
    tfc_status status = link_create(s, &c->link, err);
    if (status == TFC_OK && !s->legacy)
        status = discover(s, c->link, earlier(deadline_ns, PROBE_MS), &found, &silent, err);
    if (status == TFC_OK && c->link->type->broken(c->link)) { /* discovery was more than it could take */
        c->link->type->free(c->link);
        c->link = NULL;
        status = link_create(s, &c->link, err);
    }
    if (status == TFC_OK && found == ERA_LEGACY) {
        status = initialize(s, c->link, deadline_ns, c->version, err);
        s->legacy = status == TFC_OK;
        if (status == TFC_EUNSUPPORTED && silent) {
            tfc_status again = discover(s, c->link, deadline_ns, &found, &silent, NULL);
            if (again == TFC_OK && found == ERA_MODERN) status = TFC_OK;
        }
    }
    c->modern = found == ERA_MODERN;
    if (c->modern) snprintf(c->version, sizeof c->version, "%s", TFC_MCP_MODERN);
    if (status == TFC_OK || !c->link) return status;
    if (status == TFC_ETIMEOUT && !s->url)
        s->slow = c->link;
    else
        c->link->type->free(c->link);
    c->link = NULL;
    return status;
}

static void release(tfc_mcp_server *s, connection *c)
{
    pthread_mutex_lock(&s->mutex);
    bool last = --c->n_users == 0;
    pthread_mutex_unlock(&s->mutex);
    if (!last) return;
    c->link->type->free(c->link);
    tfc_free(c);
}

/* The connection that works, with one more user; NULL when there is none. One that broke is let go. */
static connection *take_current(tfc_mcp_server *s)
{
    connection *old = NULL, *c;
    pthread_mutex_lock(&s->mutex);
    if (s->current && s->current->link->type->broken(s->current->link)) {
        old = s->current;
        s->current = NULL;
    }
    c = s->current;
    if (c) c->n_users++;
    pthread_mutex_unlock(&s->mutex);
    if (old) release(s, old);
    return c;
}

static tfc_status acquire(tfc_mcp_server *s, int64_t deadline_ns, connection **out, tfc_error *err)
{
    *out = take_current(s);
    if (*out) return TFC_OK;
    const struct timespec until = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    int code = deadline_ns ? pthread_mutex_clocklock(&s->starting, CLOCK_MONOTONIC, &until)
                           : pthread_mutex_lock(&s->starting);
    if (code) return tfc_fail(err, TFC_ETIMEOUT, "%s did not start before the deadline", s->name);
    tfc_status status = TFC_OK;
    *out = take_current(s);
    if (!*out) {
        connection *c = tfc_alloc_zero(1, sizeof *c);
        status = c ? make_connection(s, deadline_ns, c, err) : tfc_fail_memory(err, s->name);
        if (status == TFC_OK) {
            c->n_users = 2;
            pthread_mutex_lock(&s->mutex);
            s->current = c;
            pthread_mutex_unlock(&s->mutex);
            *out = c;
        } else {
            tfc_free(c);
        }
    }
    pthread_mutex_unlock(&s->starting);
    return status;
}

tfc_status tfc_mcp_server_start(tfc_mcp_server *server, int64_t deadline_ns, tfc_error *err)
{
    connection *c;
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    tfc_status status = acquire(server, deadline_ns, &c, err);
    if (status == TFC_OK)
        release(server, c);
    else
        tfc_mcp_server_hide(server, err->message);
    return status;
}

void tfc_mcp_server_version(tfc_mcp_server *server, char out[32])
{
    pthread_mutex_lock(&server->mutex);
    snprintf(out, VERSION_BYTES, "%s", server->current ? server->current->version : "");
    pthread_mutex_unlock(&server->mutex);
}

tfc_status tfc_mcp_server_request(tfc_mcp_server *server, const tfc_mcp_request *request, int64_t deadline_ns,
                                  tfc_mcp_message *answer, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    tfc_status status;
    for (int attempt = 0;; attempt++) {
        connection *c;
        long code = 0;
        status = acquire(server, deadline_ns, &c, err);
        if (status != TFC_OK) break;
        tfc_mcp_request dated = *request;
        dated.version = c->version;
        dated.modern = c->modern;
        status = c->link->type->exchange(c->link, &dated, deadline_ns, answer, &code, err);
        /* A session that the server forgot: nothing was done, so it is asked again in a new one. */
        bool expired = status != TFC_OK && code == 404 && c->link->type->broken(c->link);
        release(server, c);
        if (!expired || attempt > 0) break;
    }
    if (status != TFC_OK) tfc_mcp_server_hide(server, err->message);
    return status;
}

/* One page. *cursor: where the next one begins, NULL at the end; the caller's. */
static tfc_status read_page(tfc_mcp_server *s, int64_t deadline_ns, tfc_json *tools, char **cursor,
                            tfc_error *err)
{
    tfc_json *params = *cursor ? json_object_new_object() : NULL, *page, *next = NULL;
    if (params) json_object_object_add(params, "cursor", json_object_new_string(*cursor));
    const tfc_mcp_request request = {.method = "tools/list", .params = params};
    tfc_mcp_message answer = {0};
    tfc_status status = tfc_mcp_server_request(s, &request, deadline_ns, &answer, err);
    json_object_put(params);
    if (status != TFC_OK) return status;
    tfc_free(*cursor);
    *cursor = NULL;
    if (answer.error_code) {
        status = tfc_mcp_message_error(&answer, s->name, err);
    } else if ((status = tfc_json_get_array(answer.result, "tools", &page, NULL, err)) != TFC_OK) {
        tfc_error_prefix(err, "%s: tools/list", s->name);
    } else {
        for (size_t i = 0; i < json_object_array_length(page); i++)
            json_object_array_add(tools, json_object_get(json_object_array_get_idx(page, i)));
        json_object_object_get_ex(answer.result, "nextCursor", &next);
        if (json_object_is_type(next, json_type_string) &&
            !(*cursor = tfc_strdup(json_object_get_string(next))))
            status = tfc_fail_memory(err, "tools/list");
    }
    tfc_mcp_message_release(&answer);
    return status;
}

tfc_status tfc_mcp_server_tools(tfc_mcp_server *server, int64_t deadline_ns, tfc_json **tools, tfc_error *err)
{
    *tools = json_object_new_array();
    if (!*tools) return tfc_fail_memory(err, "tools/list");
    char *cursor = NULL;
    int n_pages = 0;
    tfc_status status;
    do {
        status = read_page(server, deadline_ns, *tools, &cursor, err);
        if (status == TFC_OK && (++n_pages > PAGES_MAX || json_object_array_length(*tools) > TOOLS_MAX))
            status = tfc_fail(err, TFC_ELIMIT, "%s: a list of tools without an end", server->name);
    } while (status == TFC_OK && cursor);
    tfc_free(cursor);
    if (status == TFC_OK) return TFC_OK;
    json_object_put(*tools);
    *tools = NULL;
    return status;
}
