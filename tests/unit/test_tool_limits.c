/* What a call may take, as manifests say it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tools/manifest.h"

/* A whole manifest with these fields in it. */
static tfc_status read(const char *fields, tfc_tool *tool, tfc_arena *arena, tfc_error *err)
{
    char text[1024];
    int n =
        snprintf(text, sizeof text,
                 "{\"name\": \"Sums\", \"description\": \"d\", \"instruction\": \"i\","
                 " \"args\": {\"form\": \"expression\"}, \"demonstrations\": [{\"input\": \"1 and 2 are 3.\","
                 " \"output\": \"1 and 2 are [Sums(1 + 2)] 3.\"}], %s \"backend\": \"builtin:calculator\"}",
                 fields);
    return tfc_manifest_read(text, (size_t)n, "x.json", NULL, arena, tool, err);
}

static void test_fields(void **state)
{
    (void)state;
    tfc_arena arena = {0};
    tfc_tool tool;
    tfc_error err;
    assert_int_equal(read("", &tool, &arena, &err), TFC_OK);
    assert_memory_equal(&tool.limits, &tfc_tool_limits_default, sizeof tool.limits);
    assert_true(tool.limits.deadline_ms == 10000 && tool.limits.retries == 2 &&
                tool.limits.concurrency == 8 && tool.limits.rate_per_s == 0 &&
                tool.limits.cache == TFC_CACHE_FOREVER);
    tfc_tool_close(&tool);
    assert_int_equal(
        read("\"deadline_ms\": 250, \"retries\": 0, \"retry_backoff_ms\": 5, \"retry_timeouts\": true,"
             "\"rate_per_s\": 2.5, \"concurrency\": 3, \"cache\": \"run\", \"cost\": 0.01,"
             "\"max_failure_rate\": 0.1,",
             &tool, &arena, &err),
        TFC_OK);
    const tfc_tool_limits *l = &tool.limits;
    assert_true(l->deadline_ms == 250 && l->retries == 0 && l->retry_backoff_ms == 5 && l->retry_timeouts);
    assert_true(l->rate_per_s == 2.5 && l->concurrency == 3 && l->cache == TFC_CACHE_RUN);
    assert_true(l->cost == 0.01 && l->max_failure_rate == 0.1);
    tfc_tool_close(&tool);
    assert_int_equal(read("\"rate_per_s\": null, \"cache\": \"never\",", &tool, &arena, &err), TFC_OK);
    assert_true(tool.limits.rate_per_s == 0 && tool.limits.cache == TFC_CACHE_NEVER);
    tfc_tool_close(&tool);
    tfc_arena_release(&arena);
}

static void test_bad_fields(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\"deadline_ms\": 0,", "x.json: deadline_ms must be positive"},
        {"\"deadline_ms\": 86400001,", "deadline_ms must be between 1 and 86400000"},
        {"\"deadline_ms\": 1.5,", "deadline_ms: integer expected"},
        {"\"retries\": -1,", "retries must be between 0 and 100, not -1"},
        {"\"retry_backoff_ms\": \"1s\",", "retry_backoff_ms: number expected"},
        {"\"retry_timeouts\": 1,", "retry_timeouts: true or false expected"},
        {"\"rate_per_s\": 0,", "rate_per_s must be between 0.001 and 1e+06, not 0"},
        {"\"rate_per_s\": \"fast\",", "rate_per_s: number expected"},
        {"\"concurrency\": 0,", "concurrency must be positive"},
        {"\"concurrency\": 257,", "concurrency must be between 1 and 256"},
        {"\"cache\": \"always\",", "cache: one of forever, run, never expected, not 'always'"},
        {"\"cache\": true,", "cache: string expected"},
        {"\"cost\": -1,", "cost must be between 0 and 1e+09, not -1"},
        {"\"max_failure_rate\": 1.5,", "max_failure_rate must be between 0 and 1, not 1.5"},
        {"\"max_failures\": 0.5,", "unknown field 'max_failures'"},
    };
    tfc_arena arena = {0};
    tfc_tool tool;
    tfc_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tfc_error_init(&err);
        if (read(cases[i][0], &tool, &arena, &err) != TFC_EFORMAT) fail_msg("accepted: %s", cases[i][0]);
        if (!strstr(err.message, cases[i][1])) fail_msg("'%s' lacks '%s'", err.message, cases[i][1]);
    }
    tfc_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields), cmocka_unit_test(test_bad_fields)};
    return cmocka_run_group_tests_name("tool limits", tests, NULL, NULL);
}
