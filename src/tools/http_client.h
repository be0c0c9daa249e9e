/* tools/http_client.h: HTTP requests within a deadline and a size, from any thread.
 *
 * TLS is verified. Only http and https are spoken, also behind redirects: at most five are followed, none
 * from https to http, and headers of the request do not go to another host. A body is capped while it
 * arrives, after decompression. Connections are kept and used again. Proxies are those of the environment
 * (https_proxy, …). */
#ifndef TFC_TOOLS_HTTP_CLIENT_H
#define TFC_TOOLS_HTTP_CLIENT_H

#include "base/memory.h"

typedef struct tfc_http_client tfc_http_client; /* thread-safe */

/* ca_file: certificates of the authorities that are trusted instead of the system's; NULL: those. */
tfc_http_client *tfc_http_client_create(const char *ca_file, tfc_error *err);
void tfc_http_client_free(tfc_http_client *client);

typedef struct tfc_http_request {
    const char *method; /* "GET", "POST", … */
    const char *url;
    const char *what;           /* names the request in messages, where a URL could give a secret away */
    const char *const *headers; /* [n_headers] "Name: value", without line breaks */
    size_t n_headers;
    const char *body; /* [n_body]; NULL: none */
    size_t n_body;
    int64_t deadline_ns; /* on the monotonic clock; 0: none */
    size_t max_bytes;    /* of the answer's body */
    /* Sees a body as it arrives, in place of response->body (which then stays empty) when the status is 2xx.
     * False: enough; the rest is not waited for. `type`: the Content-Type. NULL: not used. */
    bool (*on_body)(void *context, const char *type, const char *bytes, size_t n);
    void *on_body_context;
    const char *wanted_header; /* a header of the answer that is kept; NULL: none */
} tfc_http_request;

typedef struct tfc_http_response {
    long code;
    char content_type[128]; /* "" when there is none */
    char wanted[512];       /* the wanted header's value, or "" */
    tfc_buffer body;
} tfc_http_response;
void tfc_http_response_release(tfc_http_response *response);

/* TFC_OK: an answer came, whatever its code. TFC_EIO: no connection, or it broke: may be tried again.
 * TFC_ETIMEOUT; TFC_ELIMIT: the body is larger than max_bytes; TFC_EUNSUPPORTED: a certificate that is not
 * accepted, a redirect that is not followed; TFC_EINVAL: the URL. *response is released by the caller either
 * way. */
tfc_status tfc_http_send(tfc_http_client *client, const tfc_http_request *request,
                         tfc_http_response *response, tfc_error *err);

/* "http://…" or "https://…" with a host. */
bool tfc_http_url_valid(const char *url);
/* A token of HTTP (RFC 9110): what a header or a method may be called. */
bool tfc_http_token_valid(const char *name);
/* Monotonic nanoseconds. */
int64_t tfc_clock_ns(void);

#endif
