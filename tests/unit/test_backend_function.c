/* Tools that are C functions: what they are handed, what becomes of what they give, and what is refused. */
#include "cases.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "toolformer/runner.h"
#include "toolformer/tools.h"

#define MANIFEST(name, more)                                                                                 \
    "{\"name\": \"" name "\", \"description\": \"d\", \"instruction\": \"i\", \"args\": {\"form\": "         \
    "\"text\"" more ", \"demonstrations\": [{\"input\": \"a b\", \"output\": \"a [" name                     \
    "(x)] b\"}], \"retry_backoff_ms\": "                                                                     \
    "1, \"deadline_ms\": 200"
static const char plain[] = MANIFEST("Own", "}") ", \"backend\": \"function\"}";
static const char typed[] =
    MANIFEST("Own", ", \"schema\": {\"type\": \"object\", \"properties\": {\"q\": "
                    "{\"type\": \"string\"}}}}") ", \"backend\": {\"type\": \"function\"}}";

static atomic_int n_calls;

/* Does what its arguments say. */
static tfc_status act(void *context, const tfc_tool_request *request, char **text)
{
    int call = atomic_fetch_add(&n_calls, 1);
    const char *args = request->args;
    if (strcmp(args, "silent") == 0) return TFC_OK;
    if (strcmp(args, "none") == 0) return TFC_ENORESULT;
    if (strcmp(args, "odd") == 0) return (tfc_status)77;
    if (strcmp(args, "bytes") == 0) return *text = strdup("a\xFFz"), TFC_OK;
    if (strcmp(args, "why") == 0) return *text = strdup("no such thing"), TFC_ENORESULT;
    if (strcmp(args, "third time") == 0) return *text = strdup("busy"), call == 2 ? TFC_OK : TFC_EIO;
    if (strcmp(args, "slow") == 0) nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    char answer[200];
    snprintf(answer, sizeof answer, "%s|%s|%s|%s|%d", (const char *)context, args,
             request->args_json ? request->args_json : "-", request->date ? request->date : "-",
             request->deadline_ns > 0);
    *text = strdup(answer);
    return TFC_OK;
}

static tfc_tools *with(const char *manifest)
{
    tfc_error err;
    tfc_tools *tools = tfc_tools_create("Calculator", &err);
    if (tfc_tools_add_function(tools, manifest, act, "ctx", &err) != TFC_OK) fail_msg("%s", err.message);
    return tools;
}

static void check_call(const tfc_tools *tools, const char *args, const char *date, tfc_status expected,
                       const char *text)
{
    const tfc_tool_context context = {.date = date};
    char *result = NULL;
    tfc_error err;
    tfc_error_init(&err);
    atomic_store(&n_calls, 0);
    tfc_status status = tfc_tool_call(tfc_tools_find(tools, "Own"), args, &context, &result, &err);
    if (status != expected) fail_msg("%s: %d %s", args, status, err.message);
    assert_string_equal(status == TFC_OK ? result : err.message, text);
    tfc_text_free(result);
}

static void test_calls(void **state)
{
    (void)state;
    tfc_tools *tools = with(plain);
    assert_int_equal(tfc_tools_count(tools), 2);
    check_call(tools, "x y", "2020-01-02", TFC_OK, "ctx|x y|-|2020-01-02|1");
    check_call(tools, "", NULL, TFC_OK, "ctx||-|-|1");
    check_call(tools, "bytes", NULL, TFC_OK, "a\xEF\xBF\xBDz");
    check_call(tools, "none", NULL, TFC_ENORESULT, "no result");
    check_call(tools, "why", NULL, TFC_ENORESULT, "no such thing");
    check_call(tools, "silent", NULL, TFC_EIO, "Own gave neither a result nor a reason");
    check_call(tools, "odd", NULL, TFC_EIO, "Own");
    check_call(tools, "third time", NULL, TFC_OK, "busy");
    assert_int_equal(n_calls, 3);
    check_call(tools, "slow", NULL, TFC_ETIMEOUT, "Own came back after its deadline");
    assert_int_equal(n_calls, 1);
    tfc_tools_free(tools);
    tools = with(typed);
    check_call(tools, "\"a, b\"", NULL, TFC_OK, "ctx|\"a, b\"|{\"q\":\"a, b\"}|-|1");
    tfc_tools_free(tools);
}

static void test_refused(void **state)
{
    (void)state;
    tfc_error err;
    char *result;
    tfc_tools *tools = with(plain);
    assert_int_equal(tfc_tools_add_function(tools, plain, act, NULL, &err), TFC_ECONFLICT);
    assert_int_equal(tfc_tools_add_function(tools, "{", act, NULL, &err), TFC_EFORMAT);
    assert_int_equal(tfc_tools_add_function(tools,
                                            MANIFEST("Other", "}") ", \"backend\": \"function\", \"x\": 1}",
                                            act, NULL, &err),
                     TFC_EFORMAT);
    assert_int_equal(tfc_tools_add_function(tools,
                                            MANIFEST("Other", "}") ", \"backend\": \"builtin:calendar\"}",
                                            act, NULL, &err),
                     TFC_EINVAL);
    assert_string_equal(err.message, "Other: the backend is 'builtin:calendar', not 'function'");
    assert_int_equal(tfc_tools_count(tools), 2);
    /* The tools that were there stay where they were. */
    const tfc_tool *first = tfc_tools_at(tools, 0);
    for (int i = 0; i < 30; i++) {
        char manifest[sizeof plain + 20], *at;
        snprintf(manifest, sizeof manifest, "%s", plain);
        while ((at = strstr(manifest, "Own")))
            at[0] = 'A', at[1] = (char)('A' + i / 26), at[2] = (char)('a' + i % 26);
        assert_int_equal(tfc_tools_add_function(tools, manifest, act, NULL, &err), TFC_OK);
    }
    assert_true(tfc_tools_at(tools, 0) == first && tfc_tools_count(tools) == 32);
    tfc_tools_free(tools);
    /* Not registered: it can be read, not called. */
    tools = tfc_tools_create("none", &err);
    assert_int_equal(tfc_tools_add_function(tools, plain, NULL, NULL, &err), TFC_OK);
    assert_int_equal(tfc_tool_call(tfc_tools_at(tools, 0), "x", NULL, &result, &err), TFC_ENOTFOUND);
    assert_non_null(strstr(err.message, "only the program that registers it"));
    tfc_tools_free(tools);
}

/* Many at a time through a runner; each answer belongs to its call. */
static void test_runner(void **state)
{
    (void)state;
    enum { N = 200 };
    tfc_error err;
    tfc_tools *tools = with(plain);
    tfc_runner_params params = tfc_runner_params_default();
    params.cache = "none";
    tfc_runner *runner = tfc_runner_create(&params, &err);
    static tfc_tool_job jobs[N];
    static char args[N][20];
    for (int i = 0; i < N; i++) {
        snprintf(args[i], sizeof args[i], "call %d", i);
        jobs[i] = (tfc_tool_job){.tool = tfc_tools_at(tools, 1), .args = args[i]};
    }
    tfc_batch *batch = tfc_runner_submit(runner, jobs, N, &err);
    assert_non_null(batch);
    assert_int_equal(tfc_batch_wait(batch, NULL, &err), TFC_OK);
    for (int i = 0; i < N; i++) {
        char expected[60];
        snprintf(expected, sizeof expected, "ctx|call %d|-|-|1", i);
        assert_int_equal(jobs[i].status, TFC_OK);
        assert_string_equal(jobs[i].text, expected);
    }
    tfc_batch_free(batch);
    tfc_runner_free(runner);
    tfc_tools_free(tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_runner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
