/* A server behind streamable HTTP: each message is a POST, its answer one JSON value or a stream of events
 * that holds it. Streams are read until the answer is there, and are not resumed. Modern servers keep nothing
 * between requests; legacy ones may name a session. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>

#include "tools/http_client.h"
#include "tools/mcp_link.h"
#include "tools/mcp_sse.h"
#include "tools/result_text.h"

enum { DELETE_MS = 500, ERROR_BODY_BYTES = 1 << 16 };

typedef struct http_link {
    tfc_mcp_link link;
    const char *what, *url;
    const tfc_http_headers *own;
    tfc_http_client *client;
    tfc_arena arena; /* the own headers' lines */
    const char *const *lines;
    atomic_llong next_id;
    atomic_bool broken;
    pthread_mutex_t mutex; /* guards session */
    char session[512];     /* "" : none */
} http_link;

/* One POST and what comes back. */
typedef struct post {
    http_link *link;
    const tfc_mcp_request *request;
    int64_t id, deadline_ns; /* id -1: no answer is waited for */
    tfc_mcp_message *answer;
    bool found;
    tfc_sse sse;
    tfc_buffer body; /* of an answer that is no stream */
    tfc_error bad;   /* the first message that was none */
} post;

static tfc_status send_post(http_link *h, const tfc_mcp_request *request, const char *body, size_t n_body,
                            post *p, tfc_http_response *response, tfc_error *err);

/* The answer to a ping of a legacy server, in a POST of its own while the stream goes on. */
static void send_reply(post *p, const tfc_mcp_message *message)
{
    tfc_buffer reply;
    tfc_buffer_init(&reply, 0);
    if (tfc_mcp_reply_write(message, &reply, NULL) == TFC_OK) {
        post answer = {.link = p->link, .id = -1, .deadline_ns = p->deadline_ns};
        tfc_http_response response = {0};
        send_post(p->link, p->request, reply.data, reply.n, &answer, &response, NULL);
        tfc_http_response_release(&response);
    }
    tfc_buffer_release(&reply);
}

/* A message of the answer; false when it is the one that is waited for. Takes it. */
static bool take_message(post *p, tfc_mcp_message *message)
{
    if (message->kind == TFC_MCP_RESPONSE && !p->found && p->id >= 0 &&
        (message->id == p->id || (message->id < 0 && message->error_code))) {
        *p->answer = *message;
        p->found = true;
        return false;
    }
    if (message->kind == TFC_MCP_REQUEST && !p->request->modern) send_reply(p, message);
    tfc_mcp_message_release(message);
    return true;
}

static bool take_event(void *context, const char *data, size_t n)
{
    post *p = context;
    tfc_mcp_message message;
    if (tfc_mcp_message_read(data, n, &message, p->bad.status == TFC_OK ? &p->bad : NULL) == TFC_OK)
        return take_message(p, &message);
    return n == 0; /* an event without data keeps the connection alive */
}

static bool is_type(const char *type, const char *wanted)
{
    size_t n = strlen(wanted);
    return strncasecmp(type, wanted, n) == 0 && (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

static bool take_body(void *context, const char *type, const char *bytes, size_t n)
{
    post *p = context;
    if (is_type(type, "text/event-stream")) return tfc_sse_feed(&p->sse, bytes, n);
    return tfc_buffer_append(&p->body, bytes, n);
}

/* One message, or the batch that revision 2025-03-26 allows. */
static tfc_status read_body(post *p, const char *bytes, size_t n, tfc_error *err)
{
    tfc_json *root = tfc_json_parse(bytes, n, "answer", err);
    if (!root) return TFC_EFORMAT;
    tfc_mcp_message message;
    if (!json_object_is_type(root, json_type_array)) {
        tfc_status status = tfc_mcp_message_take(root, &message, err);
        if (status == TFC_OK) take_message(p, &message);
        return status;
    }
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < json_object_array_length(root) && status == TFC_OK && !p->found; i++) {
        status = tfc_mcp_message_take(json_object_get(json_object_array_get_idx(root, i)), &message, err);
        if (status == TFC_OK) take_message(p, &message);
    }
    json_object_put(root);
    return status;
}

static const char *add_line(tfc_arena *arena, const char *name, const char *value)
{
    tfc_buffer line;
    tfc_buffer_init(&line, 0);
    tfc_buffer_puts(&line, name);
    tfc_buffer_puts(&line, ": ");
    tfc_mcp_header_value(value, &line);
    char *copy = line.failed ? NULL : tfc_arena_strndup(arena, line.data, line.n);
    tfc_buffer_release(&line);
    return copy;
}

/* All headers of a POST: MCP's, the manifest's, the tool's. */
static tfc_status make_lines(http_link *h, const tfc_mcp_request *request, tfc_arena *arena,
                             const char *const **out, size_t *n_out, tfc_error *err)
{
    const char **lines = tfc_arena_alloc(arena, h->own->n + request->n_headers + 8, sizeof *lines);
    size_t n = 0;
    bool ok = lines != NULL;
    if (ok) {
        lines[n++] = "Content-Type: application/json";
        lines[n++] = "Accept: application/json, text/event-stream";
        if (request->version) ok = (lines[n++] = add_line(arena, "MCP-Protocol-Version", request->version));
        if (ok && request->modern) ok = (lines[n++] = add_line(arena, "Mcp-Method", request->method));
        if (ok && request->modern && request->name)
            ok = (lines[n++] = add_line(arena, "Mcp-Name", request->name));
        pthread_mutex_lock(&h->mutex);
        if (ok && !request->modern && *h->session)
            ok = (lines[n++] = add_line(arena, "Mcp-Session-Id", h->session));
        pthread_mutex_unlock(&h->mutex);
        for (size_t i = 0; i < h->own->n; i++) lines[n++] = h->lines[i];
        for (size_t i = 0; request->modern && i < request->n_headers; i++) lines[n++] = request->headers[i];
    }
    *out = lines;
    *n_out = n;
    return ok ? TFC_OK : tfc_fail_memory(err, "headers");
}

static tfc_status send_post(http_link *h, const tfc_mcp_request *request, const char *body, size_t n_body,
                            post *p, tfc_http_response *response, tfc_error *err)
{
    tfc_arena arena = {0};
    const char *const *lines;
    size_t n_lines;
    tfc_sse_init(&p->sse, TFC_MCP_MESSAGE_BYTES_MAX, take_event, p);
    tfc_buffer_init(&p->body, TFC_MCP_MESSAGE_BYTES_MAX);
    tfc_error_init(&p->bad);
    tfc_status status = make_lines(h, request, &arena, &lines, &n_lines, err);
    if (status == TFC_OK) {
        const tfc_http_request http = {.method = "POST",
                                       .url = h->url,
                                       .what = h->what,
                                       .headers = lines,
                                       .n_headers = n_lines,
                                       .body = body,
                                       .n_body = n_body,
                                       .deadline_ns = p->deadline_ns,
                                       .max_bytes = TFC_MCP_MESSAGE_BYTES_MAX,
                                       .on_body = p->id >= 0 ? take_body : NULL,
                                       .on_body_context = p,
                                       .wanted_header = "Mcp-Session-Id"};
        status = tfc_http_send(h->client, &http, response, err);
    }
    tfc_arena_release(&arena);
    return status;
}

/* What came instead of a message. */
static tfc_status judge(const http_link *h, post *p, const tfc_http_response *r, tfc_error *err)
{
    char excerpt[200];
    const tfc_buffer *body = r->body.n ? &r->body : &p->body;
    tfc_result_excerpt(body->n ? body->data : "", body->n, excerpt);
    const char *colon = *excerpt ? ": " : "";
    bool stream = is_type(r->content_type, "text/event-stream");
    if (r->code == 401 || r->code == 403 || r->code == 407)
        return tfc_fail(err, TFC_EUNSUPPORTED,
                        "%s: the server refuses (%ld)%s%s; a key goes into \"headers\"", h->what, r->code,
                        colon, excerpt);
    if (r->code < 200 || r->code >= 300)
        return tfc_fail(err, r->code == 429 || r->code >= 500 ? TFC_EIO : TFC_EUNSUPPORTED,
                        "%s: the server answers %ld%s%s", h->what, r->code, colon, excerpt);
    if (p->bad.status != TFC_OK)
        return tfc_fail(err, TFC_EFORMAT, "%s: an event that is no message: %.300s", h->what, p->bad.message);
    if (stream && (p->sse.line.too_large || p->sse.data.too_large))
        return tfc_fail(err, TFC_ELIMIT, "%s: an event of more than %d bytes", h->what,
                        TFC_MCP_MESSAGE_BYTES_MAX);
    if (stream) return tfc_fail(err, TFC_EIO, "%s: the stream ended without the answer", h->what);
    if (!is_type(r->content_type, "application/json"))
        return tfc_fail(err, TFC_EFORMAT, "%s: an answer of the type '%.80s' and not of MCP%s%s", h->what,
                        r->content_type, colon, excerpt);
    return tfc_fail(err, TFC_EFORMAT, "%s: a message that answers another request", h->what);
}

static void keep_session(http_link *h, const char *session)
{
    for (const char *c = session; *c; c++)
        if (*c < '!' || *c > '~') return; /* as the revisions that have sessions ask for */
    pthread_mutex_lock(&h->mutex);
    snprintf(h->session, sizeof h->session, "%s", session);
    pthread_mutex_unlock(&h->mutex);
}

static tfc_status http_exchange(tfc_mcp_link *link, const tfc_mcp_request *request, int64_t deadline_ns,
                                tfc_mcp_message *answer, long *http_code, tfc_error *err)
{
    http_link *h = (http_link *)link;
    post p = {.link = h, .request = request, .deadline_ns = deadline_ns, .answer = answer};
    p.id = atomic_fetch_add(&h->next_id, 1);
    *http_code = 0;
    tfc_buffer text;
    tfc_http_response response = {0};
    tfc_buffer_init(&text, TFC_MCP_MESSAGE_BYTES_MAX);
    tfc_status status = tfc_mcp_request_write(request, p.id, &text, err);
    if (status == TFC_OK) status = send_post(h, request, text.data, text.n, &p, &response, err);
    *http_code = response.code;
    if (p.found) {
        status = TFC_OK; /* whatever came behind the answer */
    } else if (status == TFC_OK) {
        const tfc_buffer *body = response.body.n ? &response.body : &p.body;
        tfc_error bad;
        tfc_error_init(&bad);
        if (is_type(response.content_type, "application/json"))
            status = read_body(&p, body->n ? body->data : "", body->n, &bad);
        bool success = response.code >= 200 && response.code < 300;
        if (status != TFC_OK && success)
            tfc_fail(err, status, "%s: %.400s", h->what, bad.message);
        else if (!p.found)
            status = judge(h, &p, &response, err);
    }
    if (status == TFC_OK && response.wanted[0] && strcmp(request->method, "initialize") == 0)
        keep_session(h, response.wanted);
    if (response.code == 404 && !request->modern && *h->session) atomic_store(&h->broken, true);
    tfc_sse_release(&p.sse);
    tfc_buffer_release(&p.body);
    tfc_buffer_release(&text);
    tfc_http_response_release(&response);
    return status;
}

static tfc_status http_notify(tfc_mcp_link *link, const tfc_mcp_request *request, int64_t deadline_ns,
                              tfc_error *err)
{
    http_link *h = (http_link *)link;
    post p = {.link = h, .request = request, .deadline_ns = deadline_ns, .id = -1};
    tfc_buffer text;
    tfc_http_response response = {0};
    tfc_buffer_init(&text, 0);
    tfc_status status = tfc_mcp_request_write(request, -1, &text, err);
    if (status == TFC_OK) status = send_post(h, request, text.data, text.n, &p, &response, err);
    if (status == TFC_OK && (response.code < 200 || response.code >= 300))
        status = judge(h, &p, &response, err);
    tfc_buffer_release(&text);
    tfc_http_response_release(&response);
    return status;
}

static bool http_broken(tfc_mcp_link *link)
{
    return atomic_load(&((http_link *)link)->broken);
}

/* A session is ended, as far as that works at once. */
static void end_session(http_link *h)
{
    tfc_arena arena = {0};
    const tfc_mcp_request none = {.method = ""};
    const char *const *lines;
    size_t n_lines;
    tfc_http_response response = {0};
    if (make_lines(h, &none, &arena, &lines, &n_lines, NULL) == TFC_OK) {
        const tfc_http_request http = {.method = "DELETE",
                                       .url = h->url,
                                       .what = h->what,
                                       .headers = lines + 1, /* there is no body that has a type */
                                       .n_headers = n_lines - 1,
                                       .deadline_ns = tfc_clock_ns() + DELETE_MS * (int64_t)1000000,
                                       .max_bytes = ERROR_BODY_BYTES};
        tfc_http_send(h->client, &http, &response, NULL);
        tfc_http_response_release(&response);
    }
    tfc_arena_release(&arena);
}

static void http_free(tfc_mcp_link *link)
{
    http_link *h = (http_link *)link;
    if (*h->session && !atomic_load(&h->broken)) end_session(h);
    tfc_http_client_free(h->client);
    tfc_arena_release(&h->arena);
    pthread_mutex_destroy(&h->mutex);
    tfc_free(h);
}

static const tfc_mcp_link_type http_type = {
    .exchange = http_exchange, .notify = http_notify, .broken = http_broken, .free = http_free};

tfc_mcp_link *tfc_mcp_http_create(const char *what, const char *url, const char *ca_file,
                                  const tfc_http_headers *headers, tfc_error *err)
{
    http_link *h = tfc_alloc_zero(1, sizeof *h);
    if (!h) return tfc_fail_memory(err, "MCP server"), NULL;
    h->link.type = &http_type;
    h->what = what;
    h->url = url;
    h->own = headers;
    atomic_init(&h->next_id, 1);
    pthread_mutex_init(&h->mutex, NULL);
    h->client = tfc_http_client_create(ca_file, err);
    if (h->client && tfc_http_headers_fill(headers, &h->arena, &h->lines, err) == TFC_OK) return &h->link;
    http_free(&h->link);
    return NULL;
}
