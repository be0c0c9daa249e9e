/* The backend "http" against servers that misbehave: each case is one clear error in time, and the next call
 * works. tests/hostile/http_server.py is the other side. */
#include "peer.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>

/* libcurl asks this one: a name server that hangs. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
    if (node && strcmp(node, "hangs.invalid") == 0) {
        sleep(4);
        return EAI_AGAIN;
    }
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    return next(node, service, hints, res);
}

static peer plain, self_signed, expired;
static char folder[] = "/tmp/tfc-http-XXXXXX";

typedef struct http_case {
    const char *name, *backend; /* PORT, TLS, OLD, DIR are filled in */
    const char *args;
    int64_t deadline_ms;
    tfc_status status;
    const char *holds; /* of the result or the message */
} http_case;

#define URL(path) "{\"type\": \"http\", \"url\": \"http://127.0.0.1:PORT/" path "\"}"
#define MORE(path, fields) "{\"type\": \"http\", \"url\": \"http://127.0.0.1:PORT/" path "\", " fields "}"

static const http_case cases[] = {
    /* What works. */
    {"text", URL("text"), "x", 5000, TFC_OK, "plain answer"},
    {"url encoding", URL("echo?q={args}"), "a b&c=d/ü", 5000, TFC_OK, "\"q\":\"a b&c=d/ü\""},
    {"path encoding", URL("echo/{args}/x"), "a/../b?c#d", 5000, TFC_OK, "/echo/a%2F..%2Fb%3Fc%23d/x"},
    {"date", URL("echo?d={date}"), "x", 5000, TFC_OK, "\"d\":\"2023-01-30\""},
    {"json body", MORE("echo", "\"body\": {\"q\": \"<{args}>\", \"n\": [1, true, null]}"), "say \"hi\"\\",
     5000, TFC_OK, "{\\\"q\\\":\\\"<say \\\\\\\"hi\\\\\\\"\\\\\\\\>\\\",\\\"n\\\":[1,true,null]}"},
    {"form body",
     MORE("echo",
          "\"headers\": {\"Content-Type\": \"application/x-www-form-urlencoded\"}, \"body\": \"q={args}\""),
     "a&b", 5000, TFC_OK, "\"body\":\"q=a%26b\""},
    {"text body", MORE("echo", "\"method\": \"PUT\", \"body\": \"{args}\""), "as it is", 5000, TFC_OK,
     "\"method\":\"PUT\""},
    {"secret header",
     MORE("echo",
          "\"environment\": [\"TFC_TEST_KEY\"], \"headers\": {\"X-Key\": \"Bearer ${ENV:TFC_TEST_KEY}\"}"),
     "x", 5000, TFC_OK, "\"key\":\"Bearer **************\""},
    {"pointer", MORE("json", "\"answer\": \"/results/0/text\""), "x", 5000, TFC_OK, "first"},
    {"pointer to a number", MORE("json", "\"answer\": \"/results/1/n\", \"error\": \"/error\""), "x", 5000,
     TFC_OK, "42"},
    {"compressed", URL("zip"), "x", 5000, TFC_OK, "packed"},
    {"broken UTF-8", URL("latin"), "x", 5000, TFC_OK, "caf\xEF\xBF\xBD \xEF\xBF\xBD ok"},
    {"five redirects", URL("hops/5"), "x", 5000, TFC_OK, "arrived"},
    {"303", MORE("see", "\"body\": \"b\""), "x", 5000, TFC_OK, "\"method\":\"GET\""},
    {"307", MORE("keep", "\"body\": \"b\""), "x", 5000, TFC_OK, "\"body\":\"b\""},
    /* No result. */
    {"pointer to null", MORE("json", "\"answer\": \"/none\""), "x", 5000, TFC_ENORESULT, "nothing at /none"},
    {"pointer to nowhere", MORE("json", "\"answer\": \"/results/7/x\""), "x", 5000, TFC_ENORESULT,
     "nothing at"},
    {"error pointer", MORE("fails", "\"error\": \"/error\""), "x", 5000, TFC_ENORESULT, "no such city"},
    {"404", URL("code/404"), "x", 5000, TFC_ENORESULT, "not found"},
    {"204", URL("code/204"), "x", 5000, TFC_ENORESULT, "empty"},
    {"400", URL("code/400"), "x", 5000, TFC_ENORESULT, "not accepted (400): code 400"},
    {"422", URL("code/422"), "x", 5000, TFC_ENORESULT, "422"},
    {"empty", URL("empty"), "x", 5000, TFC_ENORESULT, "empty"},
    {"argument ..", URL("echo/{args}"), "..", 5000, TFC_ENORESULT, "cannot stand"},
    /* The server fails. */
    {"500", URL("code/500"), "x", 5000, TFC_EIO, "failed (500): code 500"},
    {"503", URL("code/503"), "x", 5000, TFC_EIO, "503"},
    {"429", URL("code/429"), "x", 5000, TFC_EIO, "429"},
    {"401", URL("code/401"), "x", 5000, TFC_EUNSUPPORTED, "refuses (401)"},
    {"304", URL("code/304"), "x", 5000, TFC_EFORMAT, "304"},
    {"no JSON", MORE("text", "\"answer\": \"/a\""), "x", 5000, TFC_EFORMAT, "JSON"},
    {"secret in an error",
     MORE("leak", "\"environment\": [\"TFC_TEST_KEY\"], \"headers\": {\"X-Key\": \"${ENV:TFC_TEST_KEY}\"}"),
     "x", 5000, TFC_ENORESULT, "bad key **************"},
    {"redirect loop", URL("loop"), "x", 5000, TFC_EUNSUPPORTED, "more than five times"},
    {"six redirects", URL("hops/6"), "x", 5000, TFC_EUNSUPPORTED, "more than five times"},
    {"redirect to a file", URL("to?url=file:///etc/passwd"), "x", 5000, TFC_EUNSUPPORTED, "no http or https"},
    {"redirect to gopher", URL("to?url=gopher://127.0.0.1:1/"), "x", 5000, TFC_EUNSUPPORTED,
     "no http or https"},
    {"https to http",
     "{\"type\": \"http\", \"url\": \"https://localhost:TLS/to?url=http://127.0.0.1:PORT/text\", "
     "\"ca_file\": "
     "\"DIR/own.pem\"}",
     "x", 5000, TFC_EUNSUPPORTED, "from https to http"},
    {"secret not taken along",
     MORE("to?code=307&url=http://localhost:PORT/echo",
          "\"environment\": [\"TFC_TEST_KEY\"], \"headers\": {\"X-Key\": \"${ENV:TFC_TEST_KEY}\"}"),
     "x", 5000, TFC_OK, "\"key\":null"},
    {"own authority",
     "{\"type\": \"http\", \"url\": \"https://localhost:TLS/text\", \"ca_file\": \"DIR/own.pem\"}", "x", 5000,
     TFC_OK, "plain answer"},
    {"self-signed", "{\"type\": \"http\", \"url\": \"https://localhost:TLS/text\"}", "x", 5000,
     TFC_EUNSUPPORTED, "certificate is not accepted"},
    {"other host",
     "{\"type\": \"http\", \"url\": \"https://127.0.0.1:TLS/text\", \"ca_file\": \"DIR/own.pem\"}", "x", 5000,
     TFC_EUNSUPPORTED, "certificate is not accepted"},
    {"expired", "{\"type\": \"http\", \"url\": \"https://localhost:OLD/text\", \"ca_file\": \"DIR/old.pem\"}",
     "x", 5000, TFC_EUNSUPPORTED, "expired"},
    {"no file of authorities",
     "{\"type\": \"http\", \"url\": \"https://localhost:TLS/text\", \"ca_file\": \"DIR/no.pem\"}", "x", 5000,
     TFC_EUNSUPPORTED, "trusted certificates"},
    {"TLS to a plain server", "{\"type\": \"http\", \"url\": \"https://127.0.0.1:PORT/text\"}", "x", 5000,
     TFC_EIO, ""},
    {"refused", "{\"type\": \"http\", \"url\": \"http://127.0.0.1:1/text\"}", "x", 5000, TFC_EIO,
     "127.0.0.1"},
    {"no such host", "{\"type\": \"http\", \"url\": \"http://nowhere.invalid/\"}", "x", 5000, TFC_EIO,
     "nowhere.invalid"},
    /* Bodies. */
    {"a gigabyte", URL("big"), "x", 20000, TFC_ELIMIT, "larger than 1048576 bytes"},
    {"a gigabyte announced", URL("claims"), "x", 20000, TFC_ELIMIT, "larger than 1048576 bytes"},
    {"gzip bomb", URL("bomb"), "x", 20000, TFC_ELIMIT, "larger than 1048576 bytes"},
    {"cap of the manifest", MORE("text", "\"max_body_bytes\": 5"), "x", 5000, TFC_ELIMIT,
     "larger than 5 bytes"},
    {"no gzip", URL("badzip"), "x", 5000, TFC_EFORMAT, ""},
    {"cut", URL("cut"), "x", 5000, TFC_EIO, ""},
    {"no HTTP", URL("nonsense"), "x", 5000, TFC_EFORMAT, ""},
    {"bad chunk", URL("badchunk"), "x", 5000, TFC_EIO, ""},
    {"huge chunk", URL("hugechunk"), "x", 5000, TFC_EIO, ""},
    {"headers without end", URL("headers"), "x", 20000, TFC_EIO, ""},
    {"a huge header", URL("header"), "x", 20000, TFC_ELIMIT, "too large"},
    {"closes at once", URL("closes"), "x", 5000, TFC_EIO, ""},
    {"reset", URL("reset"), "x", 5000, TFC_EIO, ""},
    /* Time. */
    {"hangs", URL("hangs"), "x", 300, TFC_ETIMEOUT, "no answer before the deadline"},
    {"drips", URL("drips"), "x", 400, TFC_ETIMEOUT, "deadline"},
    {"drips its header", URL("dripsheader"), "x", 400, TFC_ETIMEOUT, "deadline"},
    {"a name server that hangs", "{\"type\": \"http\", \"url\": \"http://hangs.invalid/\"}", "x", 300,
     TFC_ETIMEOUT, "deadline"},
    {"redirected into a hang", URL("to?url=/hangs"), "x", 300, TFC_ETIMEOUT, "deadline"},
};

/* The backend's JSON with its ports. */
static void fill(const char *backend, char *out, size_t n)
{
    static const char *const names[] = {"PORT", "TLS", "OLD", "DIR"};
    char values[4][80];
    snprintf(values[0], 80, "%d", plain.port);
    snprintf(values[1], 80, "%d", self_signed.port);
    snprintf(values[2], 80, "%d", expired.port);
    snprintf(values[3], 80, "%s", folder);
    size_t length = 0;
    while (*backend) {
        size_t k = 0;
        while (k < 4 && strncmp(backend, names[k], strlen(names[k])) != 0) k++;
        if (k < 4) {
            length += (size_t)snprintf(out + length, n - length, "%s", values[k]);
            backend += strlen(names[k]);
        } else {
            out[length++] = *backend++;
        }
    }
    out[length] = '\0';
}

static void test_cases(void **state)
{
    (void)state;
    int n_failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const http_case *c = &cases[i];
        char backend[2000], *result;
        tfc_arena arena = {0};
        tfc_tool tool;
        tfc_error err;
        tfc_error_init(&err);
        fill(c->backend, backend, sizeof backend);
        if (peer_tool(&tool, &arena, NULL, backend, &err) != TFC_OK) fail_msg("%s: %s", c->name, err.message);
        tfc_status status = peer_call(&tool, c->args, c->deadline_ms, &result, &err);
        const char *text = status == TFC_OK ? result : err.message;
        if (status != c->status || !strstr(text, c->holds) || strstr(text, "topsecretvalue")) {
            print_error("%s: %s: '%s'\n", c->name, tfc_status_text(status), text);
            n_failed++;
        }
        if (status != TFC_OK) assert_null(result);
        tfc_text_free(result);
        tfc_tool_close(&tool);
        tfc_arena_release(&arena);
    }
    assert_int_equal(n_failed, 0);
}

/* A client that was cut off, capped, redirected works again; its connection is used again where it can be. */
static void test_recovers(void **state)
{
    (void)state;
    tfc_arena arena = {0};
    tfc_tool tool;
    tfc_error err;
    char backend[200], *result, *first = NULL;
    fill(URL("{args}"), backend, sizeof backend);
    assert_int_equal(peer_tool(&tool, &arena, NULL, backend, &err), TFC_OK);
    static const char *const bad[] = {"hangs", "cut", "nonsense", "big", "loop", "badzip", "code%2F500"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(peer_call(&tool, bad[i], 300, &result, &err), TFC_OK);
        assert_int_equal(peer_call(&tool, "text", 5000, &result, &err), TFC_OK);
        assert_string_equal(result, "plain answer");
        tfc_text_free(result);
    }
    assert_int_equal(peer_call(&tool, "port", 5000, &first, &err), TFC_OK);
    assert_int_equal(peer_call(&tool, "port", 5000, &result, &err), TFC_OK);
    assert_string_equal(first, result);
    tfc_text_free(first);
    tfc_text_free(result);
    tfc_tool_close(&tool);
    tfc_arena_release(&arena);
}

enum { THREADS = 20, CALLS = 50 };

static void *call_many(void *context)
{
    const tfc_tool *tool = context;
    static _Atomic int next;
    for (int i = 0; i < CALLS; i++) {
        char args[20], wanted[40], *result;
        tfc_error err;
        snprintf(args, sizeof args, "%d", next++);
        snprintf(wanted, sizeof wanted, "\"q\":\"%s\"", args);
        if (peer_call(tool, args, 60000, &result, &err) != TFC_OK || !strstr(result, wanted)) return context;
        tfc_text_free(result);
    }
    return NULL;
}

/* 1,000 calls over 20 threads: each gets its own answer. */
static void test_many(void **state)
{
    (void)state;
    tfc_arena arena = {0};
    tfc_tool tool;
    tfc_error err;
    char backend[200];
    pthread_t threads[THREADS];
    void *failed;
    fill(URL("echo?q={args}"), backend, sizeof backend);
    assert_int_equal(peer_tool(&tool, &arena, NULL, backend, &err), TFC_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_many, &tool), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    tfc_tool_close(&tool);
    tfc_arena_release(&arena);
}

static void test_schema(void **state)
{
    (void)state;
    static const char args[] = "{\"form\": \"text\", \"schema\": {\"type\": \"object\", \"properties\": "
                               "{\"n\": {\"type\": \"number\"}, "
                               "\"unit\": {\"type\": \"string\"}}, \"required\": [\"n\"]}}";
    tfc_arena arena = {0};
    tfc_tool tool;
    tfc_error err;
    char backend[400], *result;
    fill(MORE("echo/{unit}?n={n}",
              "\"body\": {\"n\": \"{n}\", \"unit\": \"{unit}\", \"text\": \"{n} of {args}\"}"),
         backend, sizeof backend);
    tfc_error_init(&err);
    if (peer_tool(&tool, &arena, args, backend, &err) != TFC_OK) fail_msg("%s", err.message);
    assert_int_equal(peer_call(&tool, "3, a b", 5000, &result, &err), TFC_OK);
    assert_non_null(strstr(result, "/echo/a%20b?n=3"));
    assert_non_null(
        strstr(result, "{\\\"n\\\":3,\\\"unit\\\":\\\"a b\\\",\\\"text\\\":\\\"3 of 3, a b\\\"}"));
    tfc_text_free(result);
    assert_int_equal(peer_call(&tool, "3", 5000, &result, &err), TFC_OK);
    assert_non_null(strstr(result, "\\\"unit\\\":null"));
    tfc_text_free(result);
    assert_int_equal(peer_call(&tool, "three", 5000, &result, &err), TFC_ENORESULT);
    tfc_tool_close(&tool);
    tfc_arena_release(&arena);
}

static void test_bad_manifests(void **state)
{
    (void)state;
    static const struct {
        const char *backend, *holds;
    } bad[] = {
        {"\"http\"", "object"},
        {"{\"type\": \"http\"}", "url"},
        {"{\"type\": \"http\", \"url\": 3}", "url"},
        {"{\"type\": \"http\", \"url\": \"ftp://x/\"}", "http://"},
        {"{\"type\": \"http\", \"url\": \"file:///etc/passwd\"}", "http://"},
        {"{\"type\": \"http\", \"url\": \"http://\"}", "http://"},
        {"{\"type\": \"http\", \"url\": \"http://{args}/\"}", "behind the host"},
        {"{\"type\": \"http\", \"url\": \"http://a.{args}/\"}", "behind the host"},
        {"{\"type\": \"http\", \"url\": \"{args}\"}", "http://"},
        {"{\"type\": \"http\", \"url\": \"http://me:pw@x/\"}", "no user name"},
        {"{\"type\": \"http\", \"url\": \"http://x/{what}\"}", "{what} is no argument"},
        {"{\"type\": \"http\", \"url\": \"http://x/?k=${ENV:HOME}\"}", "not named in \"environment\""},
        {"{\"type\": \"http\", \"url\": \"http://x/\", \"headers\": {\"a b\": \"c\"}}",
         "no name of a header"},
        {"{\"type\": \"http\", \"url\": \"http://x/\", \"headers\": {\"a\": \"b\\r\\nc: d\"}}",
         "control character"},
        {"{\"type\": \"http\", \"url\": \"http://x/\", \"headers\": {\"a\": \"{args}\"}}",
         "only ${ENV:NAME}"},
        {"{\"type\": \"http\", \"url\": \"http://x/\", \"headers\": {\"a\": 1}}", "string expected"},
        {"{\"type\": \"http\", \"url\": \"http://x/\", \"method\": \"GET /\"}", "no method"},
        {"{\"type\": \"http\", \"url\": \"http://x/\", \"answer\": \"a\"}", "no JSON pointer"},
        {"{\"type\": \"http\", \"url\": \"http://x/\", \"error\": \"/~2\"}", "no JSON pointer"},
        {"{\"type\": \"http\", \"url\": \"http://x/\", \"max_body_bytes\": 0}", "max_body_bytes"},
        {"{\"type\": \"http\", \"url\": \"http://x/\", \"environment\": [\"A=b\"]}", "environment[0]"},
        {"{\"type\": \"http\", \"url\": \"http://x/\", \"more\": 1}", "more"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tfc_arena arena = {0};
        tfc_tool tool;
        tfc_error err;
        tfc_error_init(&err);
        if (peer_tool(&tool, &arena, NULL, bad[i].backend, &err) == TFC_OK ||
            !strstr(err.message, bad[i].holds))
            fail_msg("%s: '%s'", bad[i].backend, err.message);
        tfc_arena_release(&arena);
    }
}

/* prepare says which secret is missing. */
static void test_prepare(void **state)
{
    (void)state;
    tfc_arena arena = {0};
    tfc_tool tool;
    tfc_error err;
    tfc_error_init(&err);
    assert_int_equal(
        peer_tool(&tool, &arena, NULL,
                  "{\"type\": \"http\", \"url\": \"http://x/\", \"environment\": [\"TFC_NOT_SET\"], "
                  "\"headers\": {\"a\": \"${ENV:TFC_NOT_SET}\"}}",
                  &err),
        TFC_OK);
    assert_int_equal(tool.backend->prepare(&tool, &err), TFC_ENOTFOUND);
    assert_non_null(strstr(err.message, "TFC_NOT_SET"));
    tfc_tool_close(&tool);
    tfc_arena_release(&arena);
}

/* Certificates for localhost: a good one that only "own.pem" vouches for, and one that has expired. */
static int setup(void **state)
{
    (void)state;
    setenv("TFC_TEST_KEY", "topsecretvalue", 1);
    setenv("no_proxy", "127.0.0.1,localhost,.invalid", 1);
    if (!mkdtemp(folder)) return -1;
    char command[1000];
    snprintf(command, sizeof command, TFC_SOURCE_DIR "/tests/hostile/make-certificates.sh %s", folder);
    if (system(command) != 0) return -1;
    char own[100], own_key[100], old[100], old_key[100];
    snprintf(own, sizeof own, "%s/own.pem", folder);
    snprintf(own_key, sizeof own_key, "%s/own.key", folder);
    snprintf(old, sizeof old, "%s/old.pem", folder);
    snprintf(old_key, sizeof old_key, "%s/old.key", folder);
    const char *script = TFC_SOURCE_DIR "/tests/hostile/http_server.py";
    plain = peer_start((const char *[]){"python3", script, NULL});
    self_signed = peer_start((const char *[]){"python3", script, own, own_key, NULL});
    expired = peer_start((const char *[]){"python3", script, old, old_key, NULL});
    return plain.port && self_signed.port && expired.port ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[100];
    peer_stop(&plain);
    peer_stop(&self_signed);
    peer_stop(&expired);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),  cmocka_unit_test(test_recovers), cmocka_unit_test(test_many),
        cmocka_unit_test(test_schema), cmocka_unit_test(test_prepare),  cmocka_unit_test(test_bad_manifests),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
