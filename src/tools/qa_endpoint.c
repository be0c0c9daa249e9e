/* A request holds one message; its answer's first choice is the answer. */
#include "tools/qa_endpoint.h"

#include <pthread.h>
#include <stdlib.h>

#include "tools/http_client.h"

enum { BODY_BYTES_MAX = 1 << 20 };

struct tfc_qa_endpoint {
    char *url, *model, *key; /* key: a variable's name, or NULL */
    pthread_mutex_t lock;    /* of client, which is made when it is needed */
    tfc_http_client *client;
};

static const char instruction[] = "Answer the question with a few words copied from the text and nothing "
                                  "else. If the text does not answer it, "
                                  "say: no answer.\n\n";

/* An optional text of a field, copied. */
static tfc_status copy_text(tfc_json *json, const char *key, char **out, tfc_error *err)
{
    const char *text;
    size_t n;
    bool found;
    tfc_status status = tfc_json_get_text(json, key, &text, &n, &found, err);
    if (status != TFC_OK || !found) return status;
    if (n == 0 || strlen(text) != n) return tfc_fail(err, TFC_EFORMAT, "%s: a text expected", key);
    *out = tfc_strdup(text);
    return *out ? TFC_OK : tfc_fail_memory(err, key);
}

static char *complete_url(const char *url)
{
    static const char path[] = "/chat/completions";
    size_t n = strlen(url), n_path = sizeof path - 1;
    while (n > 0 && url[n - 1] == '/') n--;
    bool whole = n >= n_path && memcmp(url + n - n_path, path, n_path) == 0;
    tfc_buffer out;
    tfc_buffer_init(&out, 1 << 16);
    tfc_buffer_printf(&out, "%.*s%s", (int)n, url, whole ? "" : path);
    char *text = out.failed ? NULL : tfc_buffer_take(&out, NULL);
    tfc_buffer_release(&out);
    return text;
}

tfc_qa_endpoint *tfc_qa_endpoint_create(tfc_json *backend, const char *url, tfc_error *err)
{
    tfc_qa_endpoint *e = tfc_alloc_zero(1, sizeof *e);
    if (!e) return tfc_fail_memory(err, "QA"), NULL;
    pthread_mutex_init(&e->lock, NULL);
    tfc_status status =
        tfc_http_url_valid(url)
            ? TFC_OK
            : tfc_fail(err, TFC_EFORMAT, "url: an address that begins with http:// or https:// expected");
    if (status == TFC_OK && !(e->url = complete_url(url))) status = tfc_fail_memory(err, "QA");
    if (status == TFC_OK) status = copy_text(backend, "model", &e->model, err);
    if (status == TFC_OK) status = copy_text(backend, "key", &e->key, err);
    if (status == TFC_OK) return e;
    tfc_qa_endpoint_free(e);
    return NULL;
}

void tfc_qa_endpoint_free(tfc_qa_endpoint *e)
{
    if (!e) return;
    if (e->client) tfc_http_client_free(e->client);
    pthread_mutex_destroy(&e->lock);
    tfc_free(e->url);
    tfc_free(e->model);
    tfc_free(e->key);
    tfc_free(e);
}

static tfc_status write_body(const tfc_qa_endpoint *e, const char *prompt, tfc_buffer *body, tfc_error *err)
{
    tfc_buffer message;
    tfc_buffer_init(&message, 0);
    tfc_buffer_printf(&message, "%s%s", instruction, prompt);
    tfc_buffer_puts(body, "{");
    if (e->model) {
        tfc_buffer_puts(body, "\"model\":");
        tfc_buffer_json(body, e->model, strlen(e->model));
        tfc_buffer_puts(body, ",");
    }
    tfc_buffer_puts(body,
                    "\"max_tokens\":32,\"temperature\":0,\"messages\":[{\"role\":\"user\",\"content\":");
    tfc_buffer_json(body, message.data ? message.data : "", message.n);
    tfc_buffer_puts(body, "}]}");
    tfc_status status = tfc_buffer_ok(&message, "QA", err);
    tfc_buffer_release(&message);
    return status == TFC_OK ? tfc_buffer_ok(body, "QA", err) : status;
}

/* {"choices":[{"message":{"content":…}}]} */
static tfc_status read_body(const tfc_buffer *body, char **answer, tfc_error *err)
{
    tfc_json *root = tfc_json_parse(body->data ? body->data : "", body->n, "the reader's answer", err),
             *choices, *message = NULL, *content = NULL;
    if (!root) return TFC_EIO;
    if (json_object_object_get_ex(root, "choices", &choices) &&
        json_object_is_type(choices, json_type_array) && json_object_array_length(choices) > 0 &&
        json_object_object_get_ex(json_object_array_get_idx(choices, 0), "message", &message))
        json_object_object_get_ex(message, "content", &content);
    tfc_status status = TFC_OK;
    if (!content || !json_object_is_type(content, json_type_string))
        status = tfc_fail(err, TFC_EIO, "the reader's answer has no choices[0].message.content");
    else if (!(*answer = tfc_strdup(json_object_get_string(content))))
        status = tfc_fail_memory(err, "QA");
    json_object_put(root);
    return status;
}

static tfc_status open_client(tfc_qa_endpoint *e, tfc_error *err)
{
    pthread_mutex_lock(&e->lock);
    if (!e->client) e->client = tfc_http_client_create(NULL, err);
    tfc_http_client *client = e->client;
    pthread_mutex_unlock(&e->lock);
    return client ? TFC_OK : TFC_ENOMEM;
}

tfc_status tfc_qa_endpoint_ask(tfc_qa_endpoint *e, const char *prompt, int64_t deadline_ns, char **answer,
                               tfc_error *err)
{
    tfc_buffer body, header;
    tfc_http_response response = {0};
    tfc_buffer_init(&body, 1 << 22);
    tfc_buffer_init(&header, 1 << 16);
    const char *key = e->key ? getenv(e->key) : NULL;
    if (key) tfc_buffer_printf(&header, "Authorization: Bearer %s", key);
    const char *headers[] = {"Content-Type: application/json", key && header.data ? header.data : ""};
    tfc_status status = open_client(e, err);
    if (status == TFC_OK) status = write_body(e, prompt, &body, err);
    if (status == TFC_OK) status = tfc_buffer_ok(&header, "QA", err);
    if (status == TFC_OK && key && strpbrk(key, "\r\n"))
        status = tfc_fail(err, TFC_EINVAL, "the variable %s holds a line break", e->key);
    if (status == TFC_OK) {
        const tfc_http_request request = {.method = "POST",
                                          .url = e->url,
                                          .what = e->url,
                                          .headers = headers,
                                          .n_headers = key ? 2 : 1,
                                          .body = body.data,
                                          .n_body = body.n,
                                          .deadline_ns = deadline_ns,
                                          .max_bytes = BODY_BYTES_MAX};
        status = tfc_http_send(e->client, &request, &response, err);
    }
    if (status == TFC_OK && response.code / 100 != 2)
        status = tfc_fail(err, response.code >= 500 || response.code == 429 ? TFC_EIO : TFC_EINVAL,
                          "%s answered with status %ld", e->url, response.code);
    if (status == TFC_OK) status = read_body(&response.body, answer, err);
    tfc_http_response_release(&response);
    tfc_buffer_release(&header);
    tfc_buffer_release(&body);
    return status;
}
