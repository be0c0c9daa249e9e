/* tools/http_headers.h: the headers that a manifest gives, with secrets of the environment in them. */
#ifndef TFC_TOOLS_HTTP_HEADERS_H
#define TFC_TOOLS_HTTP_HEADERS_H

#include "tools/http_template.h"

enum { TFC_HTTP_HEADERS_MAX = 64 };

typedef struct tfc_http_headers {
    tfc_template lines[TFC_HTTP_HEADERS_MAX]; /* "Name: value" */
    size_t n;
    const char *content_type;       /* as the manifest gives it, or NULL */
    const char *const *environment; /* [n_environment] the variables that ${ENV:NAME} may name */
    size_t n_environment;
} tfc_http_headers;

/* Reads "environment" and "headers" of a backend's object. */
tfc_status tfc_http_headers_read(tfc_json *json, tfc_arena *arena, tfc_http_headers *out, tfc_error *err);
tfc_status tfc_http_headers_add(tfc_http_headers *headers, const char *name, const char *value, size_t n,
                                tfc_arena *arena, tfc_error *err);
/* Every variable of a template is one of "environment". */
tfc_status tfc_http_variables_allowed(const tfc_http_headers *headers, const tfc_template *template,
                                      const char *field, tfc_error *err);
/* Every variable of "environment" has a value. */
tfc_status tfc_http_variables_set(const tfc_http_headers *headers, tfc_error *err);
/* The lines as they are sent: [n] texts in the arena. */
tfc_status tfc_http_headers_fill(const tfc_http_headers *headers, tfc_arena *arena, const char *const **lines,
                                 tfc_error *err);
/* Stars where the variables' values stand in a text. */
void tfc_http_hide_secrets(const tfc_http_headers *headers, char *text);

#endif
