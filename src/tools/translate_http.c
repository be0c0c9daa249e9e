/* {"q", "source", "target": "en", "format": "text"} → {"translatedText"} or {"error"}. */
#include "tools/translate_http.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/result_text.h"

enum { ANSWER_BYTES_MAX = 1 << 20 };

static void put_member(tfc_buffer *body, const char *key, const char *text, size_t n)
{
    tfc_buffer_printf(body, "%s\"%s\":", body->n > 0 ? "," : "{", key);
    tfc_buffer_json(body, text, n);
}

/* The answer's translation, or what its `error` says. */
static tfc_status read_answer(const tfc_http_response *response, char **result, tfc_error *err)
{
    const char *text = response->body.data ? response->body.data : "";
    char shown[200];
    tfc_json *answer = tfc_json_parse(text, response->body.n, "the answer", NULL);
    bool ok = response->code >= 200 && response->code < 300;
    tfc_json *member = answer ? tfc_json_at(answer, ok ? "/translatedText" : "/error") : NULL;
    bool is_text = json_object_is_type(member, json_type_string);
    tfc_status status;
    tfc_result_excerpt(is_text ? json_object_get_string(member) : text,
                       is_text ? (size_t)json_object_get_string_len(member) : response->body.n, shown);
    if (ok && is_text)
        status = tfc_result_json(member, result, err);
    else if (ok)
        status = tfc_fail(err, TFC_EFORMAT, "the answer has no text translatedText: '%s'", shown);
    else if (response->code == 400)
        status = tfc_fail(err, TFC_ENORESULT, "the service says: %s", shown);
    else
        status = tfc_fail(err, TFC_EIO, "the service answers with status %ld: %s", response->code, shown);
    json_object_put(answer);
    return status;
}

tfc_status tfc_translate_http(const tfc_translate_service *service, const char *source, const char *text,
                              size_t n, int64_t deadline_ns, char **result, tfc_error *err)
{
    static const char *const headers[] = {"Content-Type: application/json", "Accept: application/json"};
    tfc_buffer body, url;
    tfc_buffer_init(&body, ANSWER_BYTES_MAX);
    tfc_buffer_init(&url, 1 << 16);
    put_member(&body, "q", text, n);
    put_member(&body, "source", source, strlen(source));
    put_member(&body, "target", "en", 2);
    put_member(&body, "format", "text", 4);
    const char *key = service->api_key_env ? getenv(service->api_key_env) : NULL;
    if (key) put_member(&body, "api_key", key, strlen(key));
    tfc_buffer_putc(&body, '}');
    size_t n_url = strlen(service->url);
    while (n_url > 0 && service->url[n_url - 1] == '/') n_url--;
    tfc_buffer_printf(&url, "%.*s/translate", (int)n_url, service->url);
    tfc_status status = tfc_buffer_ok(&body, "the text to translate", err);
    if (status == TFC_OK) status = tfc_buffer_ok(&url, "url", err);
    tfc_http_response response = {.code = 0};
    if (status == TFC_OK) {
        const tfc_http_request request = {.method = "POST",
                                          .url = url.data,
                                          .what = url.data,
                                          .headers = headers,
                                          .n_headers = sizeof headers / sizeof *headers,
                                          .body = body.data,
                                          .n_body = body.n,
                                          .deadline_ns = deadline_ns,
                                          .max_bytes = ANSWER_BYTES_MAX};
        status = tfc_http_send(service->client, &request, &response, err);
        if (status == TFC_OK) status = read_answer(&response, result, err);
        tfc_http_response_release(&response);
    }
    tfc_buffer_release(&body);
    tfc_buffer_release(&url);
    return status;
}
