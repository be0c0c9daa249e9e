/* The backend "mcp" against servers of either generation, and against those that break its rules:
 * tests/hostile/mcp_server.py. Each case is one clear error in time; the next call works. */
#include "peer.h"

#include <pthread.h>

#include "tools/mcp_server.h"

static peer http;

/* A tool of the server in this mode, over its standard streams or HTTP. */
static void open_tool(tfc_tool *tool, tfc_arena *arena, bool remote, const char *mode, const char *name)
{
    static const char echo[] =
        "{\"form\": \"text\", \"schema\": {\"type\": \"object\", \"properties\": {\"text\": "
        "{\"type\": \"string\"}}, \"required\": [\"text\"]}}";
    static const char add[] = "{\"form\": \"text\", \"schema\": {\"type\": \"object\", \"properties\": "
                              "{\"a\": {\"type\": \"integer\"}, "
                              "\"b\": {\"type\": \"integer\", \"default\": 1}}, \"required\": [\"a\"]}}";
    char backend[2000], server[1000];
    tfc_error err;
    if (remote)
        snprintf(server, sizeof server, "\"url\": \"http://127.0.0.1:%d/%s\"", http.port, mode);
    else
        snprintf(server, sizeof server,
                 "\"argv\": [\"python3\", \"%s/tests/hostile/mcp_server.py\", \"%s\"], \"sandbox\": \"none\"",
                 TFC_SOURCE_DIR, mode);
    snprintf(backend, sizeof backend, "{\"type\": \"mcp\", %s, \"tool\": \"%s\"%s}", server, name,
             strcmp(name, "add") == 0     ? ", \"param_headers\": {\"First\": \"a\"}"
             : strcmp(name, "fixed") == 0 ? ", \"arguments\": {\"text\": \"always\"}"
             : strcmp(name, "none") == 0  ? ", \"arguments\": {\"k\": [1, {\"x\": null}]}"
                                          : "");
    tfc_error_init(&err);
    if (peer_tool(tool, arena, strcmp(name, "add") == 0 ? add : echo, backend, &err) != TFC_OK)
        fail_msg("%s", err.message);
}

static void close_tool(tfc_tool *tool, tfc_arena *arena)
{
    tfc_tool_close(tool);
    tfc_arena_release(arena);
}

static void expect(const tfc_tool *tool, const char *args, int64_t deadline_ms, tfc_status wanted,
                   const char *holds)
{
    char *result;
    tfc_error err;
    tfc_status status = peer_call(tool, args, deadline_ms, &result, &err);
    const char *text = status == TFC_OK ? result : err.message;
    if (status != wanted || !strstr(text, holds))
        fail_msg("'%s': %s: '%s', not '%s'", args, tfc_status_text(status), text, holds);
    tfc_text_free(result);
}

/* Every mode, both ways: prepared, called, its version. */
static void test_generations(void **state)
{
    (void)state;
    static const struct {
        const char *mode, *version;
        bool stdio_only;
    } modes[] = {{"modern", "2026-07-28", false}, {"legacy", "2025-11-25", false},
                 {"2024", "2024-11-05", false},   {"chatty", "2025-11-25", true},
                 {"mute", "2025-11-25", true},    {"frail", "2025-11-25", true}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        for (int remote = 0; remote < (modes[i].stdio_only ? 1 : 2); remote++) {
            tfc_arena arena = {0};
            tfc_tool tool, add;
            tfc_error err;
            char version[32];
            tfc_error_init(&err);
            open_tool(&tool, &arena, remote, modes[i].mode, "echo");
            open_tool(&add, &arena, remote, modes[i].mode, "add");
            if (tool.backend->prepare(&tool, &err) != TFC_OK) fail_msg("%s: %s", modes[i].mode, err.message);
            tfc_mcp_server_version(*(tfc_mcp_server **)tool.state, version);
            assert_string_equal(version, modes[i].version);
            assert_ptr_equal(*(void **)tool.state, *(void **)add.state);
            expect(&tool, "hello there", 20000, TFC_OK, "hello there");
            expect(&add, "2, 3", 20000, TFC_OK, "5");
            expect(&add, "2", 20000, TFC_OK, "3");
            expect(&add, "two", 20000, TFC_ENORESULT, "");
            tfc_tool_close(&add);
            close_tool(&tool, &arena);
        }
    }
}

static void test_results(void **state)
{
    (void)state;
    for (int remote = 0; remote < 2; remote++) {
        tfc_arena arena = {0};
        tfc_tool tool, none;
        open_tool(&tool, &arena, remote, "modern", "echo");
        open_tool(&none, &arena, remote, "modern", "none");
        expect(&tool, "two", 20000, TFC_OK, "one\ntwo");
        expect(&tool, "structured", 20000, TFC_OK, "{\"a\":[1,{\"b\":\"deep\"}]}");
        expect(&tool, "error", 20000, TFC_ENORESULT, "it went wrong");
        expect(&tool, "empty", 20000, TFC_ENORESULT, "no text");
        expect(&tool, "asks", 20000, TFC_ENORESULT, "asks back");
        expect(&tool, "odd", 20000, TFC_EFORMAT, "odd");
        expect(&tool, "internal", 20000, TFC_EIO, "-32603: inside out");
        expect(&none, "x", 20000, TFC_OK, "{\"text\": \"x\", \"k\": [1, {\"x\": null}]}");
        tfc_tool_close(&none);
        close_tool(&tool, &arena);
    }
}

/* What servers without a future say. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *mode, *holds;
    } bad[] = {{"strange", "unknown version '1999-01-01'"}, {"future", "2031-01-01"}};
    for (size_t i = 0; i < 2; i++)
        for (int remote = 0; remote < 2; remote++) {
            tfc_arena arena = {0};
            tfc_tool tool;
            open_tool(&tool, &arena, remote, bad[i].mode, "echo");
            expect(&tool, "x", 20000, TFC_EUNSUPPORTED, bad[i].holds);
            close_tool(&tool, &arena);
        }
    tfc_arena arena = {0};
    tfc_tool tool;
    tfc_error err;
    tfc_error_init(&err);
    open_tool(&tool, &arena, false, "modern", "absent");
    assert_int_equal(tool.backend->prepare(&tool, &err), TFC_ENOTFOUND);
    assert_non_null(strstr(err.message, "has no tool 'absent'"));
    expect(&tool, "x", 20000, TFC_ENORESULT, "Unknown tool");
    close_tool(&tool, &arena);
}

static void test_stdio(void **state)
{
    (void)state;
    static const struct {
        const char *how;
        int64_t deadline_ms;
        tfc_status status;
        const char *holds;
    } bad[] = {
        {"dies", 10000, TFC_EIO, "exited with status 3; its last words: out of ideas"},
        {"half", 10000, TFC_EIO, "exited with status 0"},
        {"nonsense", 10000, TFC_EFORMAT, "{this is no JSON}"},
        {"array", 10000, TFC_EFORMAT, "an object as result"},
        {"noise", 10000, TFC_EFORMAT, "INFO all is well"},
        {"binary", 10000, TFC_EFORMAT, ""},
        {"deep json", 10000, TFC_EFORMAT, "nested too deeply"},
        {"bad error", 10000, TFC_EFORMAT, "error that is no object"},
        {"huge", 20000, TFC_ELIMIT, "more than 8388608 bytes"},
        {"closes", 10000, TFC_EIO, ""},
        {"wrong", 500, TFC_ETIMEOUT, "deadline"},
        {"string id", 500, TFC_ETIMEOUT, "deadline"},
        {"never", 300, TFC_ETIMEOUT, "deadline"},
        {"drips", 500, TFC_ETIMEOUT, "deadline"},
        {"floods", 500, TFC_ETIMEOUT, "deadline"},
        {"late", 300, TFC_ETIMEOUT, "deadline"},
        {"deaf", 300, TFC_ETIMEOUT, "deadline"},
        {"twice", 10000, TFC_OK, "once"},
        {"stderr", 20000, TFC_OK, "written"},
        {"pings", 20000, TFC_OK, "pinged"},
    };
    tfc_arena arena = {0};
    tfc_tool tool;
    open_tool(&tool, &arena, false, "modern", "echo");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect(&tool, "fine", 20000, TFC_OK, "fine");
        expect(&tool, bad[i].how, bad[i].deadline_ms, bad[i].status, bad[i].holds);
    }
    expect(&tool, "fine", 20000, TFC_OK, "fine");
    close_tool(&tool, &arena);
}

static void test_http(void **state)
{
    (void)state;
    static const struct {
        const char *how;
        int64_t deadline_ms;
        tfc_status status;
        const char *holds;
    } bad[] = {
        {"split", 10000, TFC_OK, "fine"},
        {"batch", 10000, TFC_OK, "fine"},
        {"open stream", 10000, TFC_OK, "fine"},
        {"cut stream", 10000, TFC_EIO, ""},
        {"ended stream", 10000, TFC_EIO, "ended without the answer"},
        {"bad event", 10000, TFC_EFORMAT, "an event that is no message"},
        {"wrong type", 10000, TFC_EFORMAT, "text/html"},
        {"wrong id", 10000, TFC_EFORMAT, "answers another request"},
        {"not json", 10000, TFC_EFORMAT, "JSON"},
        {"big json", 20000, TFC_ELIMIT, "larger than"},
        {"big event", 20000, TFC_ELIMIT, "larger than"},
        {"500", 10000, TFC_EIO, "500: oh no"},
        {"429", 10000, TFC_EIO, "429"},
        {"401", 10000, TFC_EUNSUPPORTED, "401"},
        {"loop", 10000, TFC_EUNSUPPORTED, "more than five times"},
        {"hangs", 300, TFC_ETIMEOUT, "deadline"},
    };
    for (int legacy = 0; legacy < 2; legacy++) {
        tfc_arena arena = {0};
        tfc_tool tool;
        open_tool(&tool, &arena, true, legacy ? "legacy" : "modern", "echo");
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            expect(&tool, "all well", 20000, TFC_OK, "all well");
            expect(&tool, bad[i].how, bad[i].deadline_ms, bad[i].status, bad[i].holds);
        }
        /* A session that is forgotten is begun anew; one that always is, is an error. */
        expect(&tool, "forgets", 10000, TFC_EUNSUPPORTED, "404");
        expect(&tool, "all well", 20000, TFC_OK, "all well");
        close_tool(&tool, &arena);
    }
}

/* A connection that nobody answers, and none at all. */
static void test_no_server(void **state)
{
    (void)state;
    static const struct {
        const char *server;
        tfc_status status;
        const char *holds;
    } bad[] = {
        {"\"url\": \"http://127.0.0.1:1/mcp\"", TFC_EIO, "127.0.0.1"},
        {"\"argv\": [\"/nonexistent/server\"]", TFC_ENOTFOUND, "/nonexistent/server"},
        {"\"argv\": [\"false\"], \"sandbox\": \"none\"", TFC_EIO, "exited with status 1"},
        {"\"argv\": [\"cat\"], \"sandbox\": \"none\"", TFC_EUNSUPPORTED, "refuses to begin"},
        {"\"argv\": [\"sleep\", \"100\"], \"sandbox\": \"none\"", TFC_ETIMEOUT, "deadline"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char backend[400];
        tfc_arena arena = {0};
        tfc_tool tool;
        tfc_error err;
        tfc_error_init(&err);
        snprintf(backend, sizeof backend, "{\"type\": \"mcp\", %s, \"tool\": \"x\"}", bad[i].server);
        if (peer_tool(&tool, &arena, NULL, backend, &err) != TFC_OK) fail_msg("%s", err.message);
        expect(&tool, "x", 1000, bad[i].status, bad[i].holds);
        close_tool(&tool, &arena);
    }
}

/* A program that needs longer to start than its first caller has goes on starting. */
static void test_slow_start(void **state)
{
    (void)state;
    tfc_arena arena = {0};
    tfc_tool tool;
    open_tool(&tool, &arena, false, "sleepy", "echo");
    expect(&tool, "x", 500, TFC_ETIMEOUT, "deadline");
    usleep(2500000);
    expect(&tool, "awake", 1500, TFC_OK, "awake");
    close_tool(&tool, &arena);
}

enum { THREADS = 20, CALLS = 50 };

static void *call_many(void *context)
{
    const tfc_tool *tool = context;
    static _Atomic int next;
    for (int i = 0; i < CALLS; i++) {
        char args[20], *result;
        tfc_error err;
        snprintf(args, sizeof args, "text %d", next++);
        if (peer_call(tool, args, 60000, &result, &err) != TFC_OK || strcmp(result, args) != 0)
            return context;
        tfc_text_free(result);
    }
    return NULL;
}

/* 1,000 calls at one server over 20 threads: each gets its own answer, none is lost. */
static void test_many(void **state)
{
    (void)state;
    for (int remote = 0; remote < 2; remote++) {
        tfc_arena arena = {0};
        tfc_tool tool;
        pthread_t threads[THREADS];
        void *failed;
        open_tool(&tool, &arena, remote, "modern", "echo");
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, call_many, &tool), 0);
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], &failed);
            assert_null(failed);
        }
        close_tool(&tool, &arena);
    }
}

static void *call_to_death(void *context)
{
    char *result;
    tfc_error err;
    tfc_status status = peer_call(context, "never", 20000, &result, &err);
    return (void *)(intptr_t)(status == TFC_EIO && strstr(err.message, "out of ideas"));
}

/* A server that dies takes the calls that wait with it: all fail at once and say why. */
static void test_dies_under_many(void **state)
{
    (void)state;
    tfc_arena arena = {0};
    tfc_tool tool;
    pthread_t threads[8];
    open_tool(&tool, &arena, false, "modern", "echo");
    expect(&tool, "fine", 20000, TFC_OK, "fine");
    for (int i = 0; i < 8; i++) assert_int_equal(pthread_create(&threads[i], NULL, call_to_death, &tool), 0);
    usleep(300000);
    int64_t begin = peer_now_ms();
    expect(&tool, "dies", 10000, TFC_EIO, "out of ideas");
    for (int i = 0; i < 8; i++) {
        void *good;
        pthread_join(threads[i], &good);
        assert_non_null(good);
    }
    assert_in_range(peer_now_ms() - begin, 0, 2000);
    expect(&tool, "fine", 20000, TFC_OK, "fine");
    close_tool(&tool, &arena);
}

static int setup(void **state)
{
    (void)state;
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    http =
        peer_start((const char *[]){"python3", TFC_SOURCE_DIR "/tests/hostile/mcp_server.py", "http", NULL});
    return http.port ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    peer_stop(&http);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generations), cmocka_unit_test(test_results),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_stdio),
        cmocka_unit_test(test_http),        cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_many),        cmocka_unit_test(test_dies_under_many),
        cmocka_unit_test(test_slow_start),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
