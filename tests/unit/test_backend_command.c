/* The backend "command": what its manifests may say, and the two ways to run a program. What hostile programs
 * do is in tests/hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tools/answer.h"
#include "tools/manifest.h"
#include "tools/sandbox.h"

static tfc_arena arena;
static tfc_tool tool;
static tfc_error err;

static tfc_status read_backend(const char *backend)
{
    char manifest[2048];
    int n = snprintf(manifest, sizeof manifest,
                     "{\"name\": \"T\", \"description\": \"d\", \"instruction\": \"i\", "
                     "\"args\": {\"form\": \"text\"}, \"retries\": 0, \"demonstrations\": "
                     "[{\"input\": \"a b\", \"output\": \"a [T(x)] b\"}], \"backend\": %s}",
                     backend);
    tfc_error_init(&err);
    return tfc_manifest_read(manifest, (size_t)n, "m", "tests", &arena, &tool, &err);
}

static void release(void)
{
    tfc_tool_close(&tool);
    tfc_arena_release(&arena);
}

/* The call's result, or the reason why there is none. */
static void expect_call(const char *args, const char *date, tfc_status status, const char *expected)
{
    char *result;
    tfc_error_init(&err);
    const tfc_tool_context context = {.date = date};
    assert_int_equal(tfc_tool_call(&tool, args, &context, &result, &err), status);
    assert_string_equal(status == TFC_OK ? result : err.message, expected);
    tfc_text_free(result);
}

static void test_argv(void **state)
{
    (void)state;
    assert_int_equal(read_backend("{\"type\": \"command\", \"argv\": [\"echo\", \"a\", \"<{args}>\"]}"),
                     TFC_OK);
    expect_call("x  y; $HOME", NULL, TFC_OK, "a <x  y; $HOME>");
    release();
    assert_int_equal(read_backend("{\"type\": \"command\", \"argv\": [\"tr\", \"a-z\", \"A-Z\"]}"), TFC_OK);
    expect_call(" hello ", NULL, TFC_OK, "HELLO");
    release();
}

static void test_exits(void **state)
{
    (void)state;
    assert_int_equal(read_backend("{\"type\": \"command\", \"argv\": [\"sh\", \"-c\", \"{args}\"]}"), TFC_OK);
    expect_call("echo fine", NULL, TFC_OK, "fine");
    expect_call("echo so >&2; echo more >&2; exit 3", NULL, TFC_ENORESULT, "so");
    expect_call("exit 0", NULL, TFC_ENORESULT, "the program gave no output");
    expect_call("exit 1", NULL, TFC_EIO, "the program exited with status 1");
    expect_call("echo half; echo so >&2; exit 3", NULL, TFC_EIO, "the program exited with status 3: so");
    expect_call("echo 'Traceback (most recent call last):' >&2; echo 'E: x' >&2; exit 1", NULL, TFC_EIO,
                "the program exited with status 1: E: x");
    expect_call("echo so >&2; exit 126", NULL, TFC_EIO, "the program exited with status 126: so");
    release();
}

static void test_lines(void **state)
{
    (void)state;
    assert_int_equal(
        read_backend("{\"type\": \"command\", \"mode\": \"lines\", \"argv\": [\"/usr/bin/python3\", \"-c\", "
                     "\"import sys, json\\nfor line in sys.stdin:\\n  r = json.loads(line)\\n"
                     "  a = {'id': r['id']}\\n"
                     "  if r['args'] == 'none': a['error'] = 'no such thing'\\n"
                     "  elif r['args'] == 'broken': a['failure'] = 'no licence'\\n"
                     "  else: a['result'] = r['args'] + ' on ' + str(r['date'])\\n"
                     "  print(json.dumps(a), flush=True)\"]}"),
        TFC_OK);
    expect_call("tea", "2023-01-30", TFC_OK, "tea on 2023-01-30");
    expect_call("\"", NULL, TFC_OK, "\" on None");
    expect_call("none", NULL, TFC_ENORESULT, "no such thing");
    expect_call("broken", NULL, TFC_EIO, "no licence");
    release();
}

static void test_bad_manifests(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\"command\"", "m: backend: command: an object with \"argv\" expected"},
        {"{\"type\": \"command\"}", "m: backend: missing argv"},
        {"{\"type\": \"command\", \"argv\": []}", "m: backend: argv is empty"},
        {"{\"type\": \"command\", \"argv\": [\"\"]}", "m: backend: argv[0] is empty"},
        {"{\"type\": \"command\", \"argv\": [3]}", "m: backend: argv[0]: string expected"},
        {"{\"type\": \"command\", \"argv\": [\"a\\u0000\"]}", "m: backend: argv[0]: holds a NUL"},
        {"{\"type\": \"command\", \"argv\": [\"a\"], \"mode\": \"shell\"}", "m: backend: mode: one of argv"},
        {"{\"type\": \"command\", \"argv\": [\"a\", \"{args}{args}\"]}", "m: backend: argv[1]: {args} may"},
        {"{\"type\": \"command\", \"argv\": [\"{args}\"]}", "m: backend: argv[0]: {args} may"},
        {"{\"type\": \"command\", \"mode\": \"lines\", \"argv\": [\"a\", \"{args}\"]}",
         "m: backend: argv[1]"},
        {"{\"type\": \"command\", \"argv\": [\"a\"], \"shell\": true}", "m: backend: "},
        {"{\"type\": \"command\", \"argv\": [\"a\"], \"processes\": 0}", "m: backend: processes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_not_equal(read_backend(cases[i][0]), TFC_OK);
        if (strncmp(err.message, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("%s: '%s'", cases[i][0], err.message);
        tfc_arena_release(&arena);
    }
}

static void test_program_missing(void **state)
{
    (void)state;
    assert_int_equal(read_backend("{\"type\": \"command\", \"argv\": [\"./no such program\"]}"), TFC_OK);
    char *result;
    assert_int_equal(tfc_tool_call(&tool, "x", NULL, &result, &err), TFC_ENOTFOUND);
    assert_non_null(strstr(err.message, "/tests/no such program'"));
    release();
}

/* A program is not started where the layers that its manifest wants are missing. */
static void expect_refused(const char *sandbox, tfc_sandbox_info info, const char *expected)
{
    char backend[200], *result;
    tfc_sandbox_info machine = tfc_sandbox_get_info();
    snprintf(backend, sizeof backend, "{\"type\": \"command\", \"argv\": [\"true\"], \"sandbox\": \"%s\"}",
             sandbox);
    assert_int_equal(read_backend(backend), TFC_OK);
    tfc_sandbox_pretend(&info);
    assert_int_equal(tfc_tool_call(&tool, "x", NULL, &result, &err), TFC_EUNSUPPORTED);
    tfc_sandbox_pretend(&machine);
    if (!strstr(err.message, expected)) fail_msg("'%s'", err.message);
    release();
}

static void test_sandbox_missing(void **state)
{
    (void)state;
    expect_refused("best", (tfc_sandbox_info){0}, "no Landlock");
    expect_refused("best", (tfc_sandbox_info){.landlock_abi = 7, .namespaces = true}, "no seccomp filters");
    expect_refused("best", (tfc_sandbox_info){.seccomp = true, .bubblewrap = true}, "no Landlock");
    expect_refused("strict", (tfc_sandbox_info){.landlock_abi = 7, .seccomp = true},
                   "no unprivileged user namespaces");
    expect_refused("strict", (tfc_sandbox_info){.landlock_abi = 5, .seccomp = true, .namespaces = true},
                   "ABI 6");
}

static void test_repair(void **state)
{
    (void)state;
    char *text = tfc_text_repair("a\0b\xff\xc3\xa9\xe2\x82", 8);
    assert_string_equal(text, "a\xEF\xBF\xBD"
                              "b\xEF\xBF\xBD\xc3\xa9\xEF\xBF\xBD\xEF\xBF\xBD");
    tfc_text_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_argv),
        cmocka_unit_test(test_exits),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bad_manifests),
        cmocka_unit_test(test_program_missing),
        cmocka_unit_test(test_repair),
        cmocka_unit_test(test_sandbox_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
