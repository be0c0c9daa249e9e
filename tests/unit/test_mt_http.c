/* MT by a service in LibreTranslate's form: what is sent, what is made of each answer. The service is a
 * thread here that answers each connection with what the case says. */
#include "cases.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/process.h"
#include "tools/translate_http.h"

typedef struct service {
    int listener;
    const char *answer; /* behind "HTTP/1.1 " */
    char request[4096];
} service;

/* One connection: the request up to its body's closing brace, then the answer. */
static void *serve_one(void *context)
{
    service *s = context;
    int connection = accept(s->listener, NULL, NULL);
    size_t n = 0;
    while (n + 1 < sizeof s->request && !(n > 2 && s->request[n - 1] == '}')) {
        ssize_t got = read(connection, s->request + n, sizeof s->request - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    s->request[n] = '\0';
    dprintf(connection, "HTTP/1.1 %s", s->answer);
    close(connection);
    return NULL;
}

static int listen_anywhere(char url[64])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    assert_true(listen(listener, 4) == 0 && getsockname(listener, (struct sockaddr *)&address, &n) == 0);
    snprintf(url, 64, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    return listener;
}

#define JSON "Content-Type: application/json\r\nConnection: close\r\n\r\n"

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *result; /* or, where the status says so, a piece of the message */
        tfc_status status;
    } cases[] = {
        {"200 OK\r\n" JSON
         "{\"translatedText\":\" The t\\u00fcrtle\\n\",\"detectedLanguage\":{\"language\":\"es\"}}",
         "The türtle", TFC_OK},
        {"200 OK\r\n" JSON "{\"translatedText\":\"\"}", "", TFC_ENORESULT},
        {"200 OK\r\n" JSON "{\"translatedText\":7}", "no text translatedText", TFC_EFORMAT},
        {"200 OK\r\n" JSON "{\"text\":\"a\"}", "no text translatedText", TFC_EFORMAT},
        {"200 OK\r\n" JSON "<html>", "no text translatedText", TFC_EFORMAT},
        {"200 OK\r\n" JSON, "no text translatedText", TFC_EFORMAT},
        {"400 Bad Request\r\n" JSON "{\"error\":\"xx is not supported\"}", "xx is not supported",
         TFC_ENORESULT},
        {"403 Forbidden\r\n" JSON "{\"error\":\"Invalid API key\"}", "status 403: Invalid API key", TFC_EIO},
        {"429 Too Many Requests\r\n" JSON "slow down", "status 429: slow down", TFC_EIO},
        {"500 Oops\r\n" JSON, "status 500", TFC_EIO},
    };
    char url[64];
    service s = {.listener = listen_anywhere(url)};
    setenv("TFC_TEST_MT_KEY", "se\"cret", 1);
    tfc_translate_service mt = {tfc_http_client_create(NULL, NULL), url, "TFC_TEST_MT_KEY"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pthread_t thread;
        char *result = NULL;
        tfc_error err;
        tfc_error_init(&err);
        s.answer = cases[i].answer;
        assert_int_equal(pthread_create(&thread, NULL, serve_one, &s), 0);
        tfc_status status = tfc_translate_http(&mt, "es", "la \"tortuga\"", 12,
                                               tfc_monotonic_ns() + (int64_t)20e9, &result, &err);
        pthread_join(thread, NULL);
        if (status != cases[i].status) fail_msg("case %zu: %s", i, err.message);
        if (status == TFC_OK)
            assert_string_equal(result, cases[i].result);
        else if (!strstr(err.message, cases[i].result))
            fail_msg("case %zu says '%s'", i, err.message);
        assert_null(strstr(err.message, "cret"));
        tfc_text_free(result);
        assert_non_null(strstr(s.request, "POST /translate HTTP/1.1\r\n"));
        assert_non_null(strstr(s.request,
                               "\r\n\r\n{\"q\":\"la \\\"tortuga\\\"\",\"source\":\"es\",\"target\":\"en\","
                               "\"format\":\"text\",\"api_key\":\"se\\\"cret\"}"));
    }
    close(s.listener);
    tfc_http_client_free(mt.client);
}

/* Nobody answers, and nobody is there. */
static void test_no_answer(void **state)
{
    (void)state;
    char url[64], *result = NULL;
    int listener = listen_anywhere(url);
    tfc_error err;
    tfc_translate_service mt = {tfc_http_client_create(NULL, NULL), url, NULL};
    int64_t begun = tfc_monotonic_ns();
    assert_int_equal(tfc_translate_http(&mt, "auto", "hola", 4, begun + (int64_t)3e8, &result, &err),
                     TFC_ETIMEOUT);
    assert_true(tfc_monotonic_ns() < begun + (int64_t)13e8);
    close(listener);
    assert_int_equal(
        tfc_translate_http(&mt, "auto", "hola", 4, tfc_monotonic_ns() + (int64_t)5e9, &result, &err),
        TFC_EIO);
    tfc_http_client_free(mt.client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_no_answer),
    };
    return cmocka_run_group_tests_name("mt_http", tests, NULL, NULL);
}
