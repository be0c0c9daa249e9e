/* Cached results of a command belong to its program and its scripts: whoever edits them gets new answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "toolformer/runner.h"

static char folder[] = "/tmp/tfc-version-XXXXXX";
static char script_path[64], manifest_path[64], cache_path[64];

static void write_file(const char *path, const char *text, int mode)
{
    assert_int_equal(tfc_file_write_whole(path, text, strlen(text), NULL), TFC_OK);
    assert_int_equal(chmod(path, (mode_t)mode), 0);
}

/* One call in a run of its own; true when the cache had it. */
static bool ask(const char *expected)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_tools *tools = tfc_tools_create(manifest_path, &err);
    tfc_runner *runner = tools ? tfc_runner_create(&(tfc_runner_params){.cache = cache_path}, &err) : NULL;
    if (!runner) fail_msg("%s", err.message);
    char *result;
    if (tfc_runner_call(runner, tfc_tools_at(tools, 0), "\"a\"", NULL, &result, &err) != TFC_OK)
        fail_msg("%s", err.message);
    assert_string_equal(result, expected);
    tfc_text_free(result);
    tfc_tool_stats stats;
    assert_int_equal(tfc_runner_stats(runner, &stats, 1), 1);
    tfc_runner_free(runner);
    tfc_tools_free(tools);
    return stats.cached == 1;
}

static void check(const char *argv)
{
    char manifest[600];
    snprintf(
        manifest, sizeof manifest,
        "{\"name\": \"Say\", \"description\": \"d\", \"instruction\": \"i\", \"args\": {\"form\": \"text\"},"
        " \"demonstrations\": [{\"input\": \"It is so.\", \"output\": \"It is [Say(\\\"a\\\")] so.\"}],"
        " \"backend\": {\"type\": \"command\", \"argv\": [%s, \"{args}\"]}}",
        argv);
    write_file(manifest_path, manifest, 0644);
    write_file(script_path, "#!/bin/sh\necho one\n", 0755);
    assert_false(ask("one"));
    assert_true(ask("one"));
    write_file(script_path, "#!/bin/sh\necho two\n", 0755);
    assert_false(ask("two"));
    assert_true(ask("two"));
    write_file(script_path, "#!/bin/sh\necho one\n", 0755); /* the old program is the old tool */
    assert_true(ask("one"));
}

static void test_program_and_script(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(script_path, sizeof script_path, "%s/say.sh", folder);
    snprintf(manifest_path, sizeof manifest_path, "%s/say.json", folder);
    snprintf(cache_path, sizeof cache_path, "%s/tools.db", folder);
    check("\"./say.sh\"");
    check("\"/bin/sh\", \"./say.sh\"");
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_program_and_script)};
    return cmocka_run_group_tests_name("command version", tests, NULL, NULL);
}
