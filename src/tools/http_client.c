/* libcurl behind our own limits. Each request runs on a handle of a small pool, driven through the multi
 * interface: so a deadline holds while a name is resolved, and a stream can be left when its answer is there.
 * Redirects are followed here: libcurl would follow https → http → https and take headers along. */
#include "tools/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

enum { REDIRECTS_MAX = 5, IDLE_MAX = 16, URL_BYTES_MAX = 1 << 16, LINGER_MS = 50 };

typedef struct http_handle {
    CURL *easy;
    CURLM *multi; /* holds the connections that are kept */
    struct http_handle *next;
} http_handle;

struct tfc_http_client {
    char *ca_file;
    pthread_mutex_t mutex; /* guards idle */
    http_handle *idle;
    int n_idle;
};

/* One request while it runs. */
typedef struct transfer {
    const tfc_http_request *request;
    tfc_http_response *response;
    CURL *easy;
    bool enough;       /* on_body wants no more */
    int64_t enough_at; /* when it said so */
    size_t n_body;     /* bytes that on_body saw */
    bool too_large;
    char message[CURL_ERROR_SIZE];
} transfer;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_started;

static void start_curl(void)
{
    curl_started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int64_t tfc_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

tfc_http_client *tfc_http_client_create(const char *ca_file, tfc_error *err)
{
    pthread_once(&curl_once, start_curl);
    if (curl_started != CURLE_OK)
        return tfc_fail(err, TFC_EIO, "libcurl does not start: %s", curl_easy_strerror(curl_started)), NULL;
    tfc_http_client *client = tfc_alloc_zero(1, sizeof *client);
    if (client && ca_file && !(client->ca_file = tfc_strdup(ca_file))) {
        tfc_free(client);
        client = NULL;
    }
    if (!client) return tfc_fail_memory(err, "HTTP client"), NULL;
    pthread_mutex_init(&client->mutex, NULL);
    return client;
}

static void handle_free(http_handle *handle)
{
    if (!handle) return;
    if (handle->easy) curl_easy_cleanup(handle->easy);
    if (handle->multi) curl_multi_cleanup(handle->multi);
    tfc_free(handle);
}

void tfc_http_client_free(tfc_http_client *client)
{
    if (!client) return;
    while (client->idle) {
        http_handle *next = client->idle->next;
        handle_free(client->idle);
        client->idle = next;
    }
    pthread_mutex_destroy(&client->mutex);
    tfc_free(client->ca_file);
    tfc_free(client);
}

static http_handle *handle_take(tfc_http_client *client)
{
    pthread_mutex_lock(&client->mutex);
    http_handle *handle = client->idle;
    if (handle) {
        client->idle = handle->next;
        client->n_idle--;
    }
    pthread_mutex_unlock(&client->mutex);
    if (handle) return handle;
    handle = tfc_alloc_zero(1, sizeof *handle);
    if (!handle) return NULL;
    handle->easy = curl_easy_init();
    handle->multi = curl_multi_init();
    if (handle->easy && handle->multi) return handle;
    handle_free(handle);
    return NULL;
}

static void handle_give(tfc_http_client *client, http_handle *handle)
{
    curl_easy_reset(handle->easy);
    pthread_mutex_lock(&client->mutex);
    bool kept = client->n_idle < IDLE_MAX;
    if (kept) {
        handle->next = client->idle;
        client->idle = handle;
        client->n_idle++;
    }
    pthread_mutex_unlock(&client->mutex);
    if (!kept) handle_free(handle);
}

void tfc_http_response_release(tfc_http_response *response)
{
    tfc_buffer_release(&response->body);
}

bool tfc_http_url_valid(const char *url)
{
    size_t n = strncasecmp(url, "http://", 7) == 0 ? 7 : strncasecmp(url, "https://", 8) == 0 ? 8 : 0;
    if (n == 0 || strcspn(url + n, "/?#") == 0) return false;
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f) return false;
    return strlen(url) < URL_BYTES_MAX;
}

bool tfc_http_token_valid(const char *name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (const char *c = name; *c; c++)
        if (!(*c >= '0' && *c <= '9') && !((*c | 32) >= 'a' && (*c | 32) <= 'z') && !strchr(others, *c))
            return false;
    return *name != '\0';
}

static bool code_is_2xx(CURL *easy)
{
    long code = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
    return code >= 200 && code < 300;
}

/* A part of the body, decompressed. Fewer bytes than came: libcurl ends the transfer. */
static size_t receive(char *bytes, size_t size, size_t n, void *context)
{
    transfer *t = context;
    n *= size;
    if (t->request->on_body && code_is_2xx(t->easy)) {
        char *type = NULL;
        curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
        t->n_body += n;
        t->too_large = t->n_body > t->request->max_bytes;
        if (t->too_large) return 0;
        if (t->enough) return n;
        t->enough = !t->request->on_body(t->request->on_body_context, type ? type : "", bytes, n);
        if (t->enough) t->enough_at = tfc_clock_ns();
        return n;
    }
    if (tfc_buffer_append(&t->response->body, bytes, n)) return n;
    t->too_large = t->response->body.too_large;
    return 0;
}

/* Every option of one request. libcurl copies the texts, but for the body and the headers. */
static bool set_options(const tfc_http_client *client, transfer *t, const char *method, const char *url,
                        const struct curl_slist *headers, bool body)
{
    CURL *e = t->easy;
    bool ok = curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;
    if (body) {
        ok = ok && curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK;
        ok = ok && curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->request->body) == CURLE_OK;
        ok = ok &&
             curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->request->n_body) == CURLE_OK;
    } else {
        ok = ok && curl_easy_setopt(e, CURLOPT_HTTPGET, 1L) == CURLE_OK;
        ok = ok && curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;
        if (strcmp(method, "HEAD") == 0) ok = ok && curl_easy_setopt(e, CURLOPT_NOBODY, 1L) == CURLE_OK;
    }
    ok = ok && curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "") == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK; /* a resolver that hangs is left */
    ok = ok && curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    if (client->ca_file) ok = ok && curl_easy_setopt(e, CURLOPT_CAINFO, client->ca_file) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK;
    ok = ok && curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->message) == CURLE_OK;
    return ok;
}

/* Runs the transfer to its end, its deadline, or a little past "enough" (a server that ends its stream by
 * itself leaves a connection that can be used again). TFC_ETIMEOUT sets no message. */
static tfc_status drive(http_handle *handle, transfer *t, CURLcode *result)
{
    int64_t deadline = t->request->deadline_ns;
    for (;;) {
        int running = 0, n_left;
        curl_multi_perform(handle->multi, &running);
        for (CURLMsg *m; (m = curl_multi_info_read(handle->multi, &n_left));)
            if (m->msg == CURLMSG_DONE) {
                *result = m->data.result;
                return TFC_OK;
            }
        int64_t now = tfc_clock_ns(), until = now + 1000000000;
        if (t->enough && now - t->enough_at > LINGER_MS * 1000000) {
            *result = CURLE_OK;
            return TFC_OK;
        }
        if (deadline && now >= deadline) return TFC_ETIMEOUT;
        if (t->enough) until = t->enough_at + (LINGER_MS + 1) * 1000000;
        if (deadline && deadline < until) until = deadline;
        curl_multi_poll(handle->multi, NULL, 0, (int)((until - now + 999999) / 1000000), NULL);
    }
}

static tfc_status transfer_failed(const transfer *t, CURLcode result, const char *what, tfc_error *err)
{
    const char *why = t->message[0] ? t->message : curl_easy_strerror(result);
    if (t->too_large)
        return tfc_fail(err, TFC_ELIMIT, "%s: the answer is larger than %zu bytes", what,
                        t->request->max_bytes);
    switch (result) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return tfc_fail(err, TFC_EUNSUPPORTED, "%s: the server's certificate is not accepted: %s", what, why);
    case CURLE_SSL_CACERT_BADFILE:
        return tfc_fail(err, TFC_EUNSUPPORTED, "%s: the file of trusted certificates: %s", what, why);
    case CURLE_URL_MALFORMAT:
        return tfc_fail(err, TFC_EINVAL, "%s: %s", what, why);
    case CURLE_OUT_OF_MEMORY: /* also what libcurl says to a header of more than 100 KB */
        return tfc_fail(err, TFC_ELIMIT, "%s: a header that is too large, or no memory left", what);
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: the address was checked */
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WEIRD_SERVER_REPLY:
        return tfc_fail(err, TFC_EFORMAT, "%s: %s", what, why);
    default:
        return tfc_fail(err, TFC_EIO, "%s: %s", what, why);
    }
}

/* One request without its redirects. *location: where it was redirected to, the caller's (curl_free). */
static tfc_status send_once(tfc_http_client *client, transfer *t, const char *method, const char *url,
                            struct curl_slist *headers, bool body, char **location, tfc_error *err)
{
    http_handle *handle = handle_take(client);
    if (!handle) return tfc_fail_memory(err, "HTTP request");
    const char *what = t->request->what;
    t->easy = handle->easy;
    t->message[0] = '\0';
    CURLcode result = CURLE_OUT_OF_MEMORY;
    tfc_status status = TFC_OK;
    if (set_options(client, t, method, url, headers, body) &&
        curl_multi_add_handle(handle->multi, handle->easy) == CURLM_OK) {
        status = drive(handle, t, &result);
        char *next = NULL, *type = NULL;
        struct curl_header *wanted;
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->response->code);
        curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
        curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &next);
        snprintf(t->response->content_type, sizeof t->response->content_type, "%s", type ? type : "");
        if (t->request->wanted_header &&
            curl_easy_header(t->easy, t->request->wanted_header, 0, CURLH_HEADER, -1, &wanted) == CURLHE_OK)
            snprintf(t->response->wanted, sizeof t->response->wanted, "%s", wanted->value);
        *location = next ? tfc_strdup(next) : NULL;
        curl_multi_remove_handle(handle->multi, handle->easy);
    }
    handle_give(client, handle);
    if (status == TFC_ETIMEOUT) return tfc_fail(err, TFC_ETIMEOUT, "%s: no answer before the deadline", what);
    return result == CURLE_OK ? TFC_OK : transfer_failed(t, result, what, err);
}

/* Scheme, host and port are the same. */
static bool same_origin(const char *a, const char *b)
{
    const char *slashes = strstr(a, "://");
    if (!slashes) return false;
    size_t n = (size_t)(slashes - a) + 3;
    n += strcspn(a + n, "/?#");
    return strncasecmp(a, b, n) == 0 && strchr("/?#", b[n]);
}

/* The request's headers; without them (another host) only what the body is. */
static tfc_status make_headers(const tfc_http_request *request, bool own, bool body,
                               struct curl_slist **headers, tfc_error *err)
{
    bool ok = true;
    for (size_t i = 0; i < request->n_headers && ok; i++) {
        bool content = strncasecmp(request->headers[i], "Content-", 8) == 0;
        if (!own && !(content && body)) continue;
        struct curl_slist *longer = curl_slist_append(*headers, request->headers[i]);
        ok = longer != NULL;
        if (ok) *headers = longer;
    }
    struct curl_slist *longer = ok ? curl_slist_append(*headers, "Expect:") : NULL;
    if (!longer) return tfc_fail_memory(err, "HTTP headers");
    *headers = longer;
    return TFC_OK;
}

/* Where a redirect leads, if it may be followed: *url is replaced. */
static tfc_status follow(const tfc_http_request *request, char *location, char **url, bool *own, int n_hops,
                         tfc_error *err)
{
    const char *why = NULL;
    if (!tfc_http_url_valid(location))
        why = "is redirected to what is no http or https address";
    else if (strncasecmp(*url, "https:", 6) == 0 && strncasecmp(location, "https:", 6) != 0)
        why = "is redirected from https to http";
    else if (n_hops > REDIRECTS_MAX)
        why = "is redirected more than five times";
    if (why) {
        tfc_free(location);
        return tfc_fail(err, TFC_EUNSUPPORTED, "%s: %s", request->what, why);
    }
    *own = *own && same_origin(*url, location);
    tfc_free(*url);
    *url = location;
    return TFC_OK;
}

tfc_status tfc_http_send(tfc_http_client *client, const tfc_http_request *request,
                         tfc_http_response *response, tfc_error *err)
{
    *response = (tfc_http_response){0};
    if (!tfc_http_url_valid(request->url))
        return tfc_fail(err, TFC_EINVAL, "%s: no http or https address", request->what);
    const char *method = request->method;
    bool own = true, body = request->body != NULL;
    char *url = tfc_strdup(request->url);
    tfc_status status = url ? TFC_OK : tfc_fail_memory(err, "URL");
    for (int n_hops = 1; status == TFC_OK; n_hops++) {
        transfer t = {.request = request, .response = response};
        struct curl_slist *headers = NULL;
        char *location = NULL;
        tfc_buffer_release(&response->body);
        tfc_buffer_init(&response->body, request->max_bytes);
        status = make_headers(request, own, body, &headers, err);
        if (status == TFC_OK) status = send_once(client, &t, method, url, headers, body, &location, err);
        curl_slist_free_all(headers);
        if (status != TFC_OK || !location) {
            tfc_free(location);
            break;
        }
        /* 303 asks for a GET; so do, by custom, 301 and 302 after a POST. */
        if (response->code == 303 || (response->code <= 302 && strcmp(method, "POST") == 0)) {
            method = "GET";
            body = false;
        }
        status = follow(request, location, &url, &own, n_hops, err);
    }
    tfc_free(url);
    return status;
}
