/* WikiSearch and QA: what they answer from a small index, what they say without one, and which tools are used
 * when none is named. The reader is a tiny model that knows nothing: its answers are spans of the passages
 * all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "toolformer/search.h"
#include "tools/answer_candidates.h"
#include "tools/backend.h"
#include "tools/qa_reader.h"

static char folder[] = "/tmp/tfc_qa_XXXXXX";
static char corpus[64], built[64];

static const char documents[] =
    "{\"title\":\"Brown Act\",\"text\":\"The Ralph M. Brown Act is an act of the California State "
    "Legislature.\"}\n"
    "{\"title\":\"Ghana\",\"text\":\"Its flag has a black star. The red of the flag stands for blood.\"}\n";

static int setup(void **state)
{
    (void)state;
    tfc_error err;
    if (!mkdtemp(folder)) return -1;
    snprintf(corpus, sizeof corpus, "%s/c.jsonl", folder);
    snprintf(built, sizeof built, "%s/wiki.db", folder);
    const char *in = corpus;
    tfc_index_build_params params = {.files = &in, .n_files = 1, .out = built};
    if (tfc_file_write_whole(corpus, documents, sizeof documents - 1, &err) != TFC_OK) return -1;
    setenv("TOOLFORMER_HOME", folder, 1);
    return tfc_index_build(&params, NULL, NULL, &err) == TFC_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[80];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static tfc_tools *tools_with(const char *names, const char *index)
{
    tfc_error err;
    if (index)
        setenv("TOOLFORMER_INDEX", index, 1);
    else
        unsetenv("TOOLFORMER_INDEX");
    tfc_tools *tools = tfc_tools_create(names, &err);
    if (!tools) fail_msg("%s", err.message);
    return tools;
}

/* A tool's manifest with another backend, in a file of the folder. */
static tfc_tools *tools_of(const char *name, const char *backend)
{
    tfc_tools *builtin = tools_with(name, built);
    const char *manifest = tfc_tool_manifest(tfc_tools_at(builtin, 0));
    const char *at = strstr(manifest, "\"backend\"");
    char path[80];
    tfc_error err;
    tfc_buffer text;
    tfc_buffer_init(&text, 0);
    tfc_buffer_printf(&text, "%.*s\"backend\": %s}", (int)(at - manifest), manifest, backend);
    snprintf(path, sizeof path, "%s/tool.json", folder);
    assert_int_equal(tfc_file_write_whole(path, text.data, text.n, &err), TFC_OK);
    tfc_buffer_release(&text);
    tfc_tools_free(builtin);
    return tools_with(path, built);
}

static tfc_status call(const tfc_tool *tool, const char *args, char **result, tfc_error *err)
{
    tfc_error_init(err);
    return tfc_tool_call(tool, args, &(tfc_tool_context){0}, result, err);
}

static void test_wikisearch(void **state)
{
    (void)state;
    tfc_tools *tools = tools_with("WikiSearch", built);
    const tfc_tool *tool = tfc_tools_at(tools, 0);
    static const char *const args[] = {"Brown Act", "\"Brown Act\"", " \"what is the Brown Act?\" "};
    char *result;
    tfc_error err;
    for (size_t i = 0; i < sizeof args / sizeof *args; i++) {
        assert_int_equal(call(tool, args[i], &result, &err), TFC_OK);
        assert_string_equal(
            result, "Brown Act > The Ralph M. Brown Act is an act of the California State Legislature.");
        tfc_text_free(result);
    }
    assert_int_equal(call(tool, "zebra", &result, &err), TFC_ENORESULT);
    assert_int_equal(call(tool, "\"\"", &result, &err), TFC_ENORESULT);
    assert_null(result);
    assert_int_equal(tool->backend->call(tool, "Brown Act", NULL, 1, &result, &err), TFC_ETIMEOUT);
    char version[100];
    assert_int_equal(tool->backend->version(tool, version, sizeof version, &err), TFC_OK);
    assert_int_equal(strncmp(version, "index ", 6), 0);
    tfc_tools_free(tools);
}

/* Without an index the manifests can be read, and prompt and head be made. */
static void test_without_index(void **state)
{
    (void)state;
    static const char *const names[] = {"WikiSearch", "QA"};
    tfc_error err;
    char *result;
    for (size_t i = 0; i < 2; i++) {
        tfc_tools *tools = tools_with(names[i], "/nowhere/wiki.db");
        const tfc_tool *tool = tfc_tools_at(tools, 0);
        char *prompt = tfc_tool_prompt(tool, tools, "A text.", 7, &err);
        char *head = tfc_tool_head(tool, tools, &err);
        assert_non_null(
            strstr(prompt, i ? "[QA(\"In which state is Scranton?\")] a city" : "[WikiSearch(\""));
        assert_non_null(strstr(head, i ? "[QA(\"Who wrote Hamlet?\") -> William Shakespeare] William"
                                       : "[WikiSearch(\"axolotl wild habitat\") -> Axolotl > The wild"));
        assert_int_equal(call(tool, "x", &result, &err), TFC_ENOTFOUND);
        assert_non_null(strstr(err.message, "/nowhere/wiki.db"));
        assert_non_null(strstr(err.message, "toolformer index build"));
        assert_int_equal(tfc_tool_available(tool, &err), TFC_ENOTFOUND);
        tfc_text_free(prompt);
        tfc_text_free(head);
        tfc_tools_free(tools);
    }
}

static void test_default_tools(void **state)
{
    (void)state;
    tfc_tools *tools = tools_with(NULL, "/nowhere/wiki.db");
    assert_non_null(tfc_tools_find(tools, "Calculator"));
    assert_null(tfc_tools_find(tools, "WikiSearch"));
    assert_null(tfc_tools_find(tools, "QA"));
    tfc_tools_free(tools);
    tools = tools_with(NULL, built);
    assert_non_null(tfc_tools_find(tools, "WikiSearch"));
    assert_null(tfc_tools_find(tools, "QA")); /* no model in this home */
    tfc_tools_free(tools);
    tools = tools_with("all", "/nowhere/wiki.db");
    assert_non_null(tfc_tools_find(tools, "WikiSearch"));
    assert_non_null(tfc_tools_find(tools, "QA"));
    tfc_tools_free(tools);
}

static void test_manifests(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"type\":\"builtin:wikisearch\",\"index\":3}",
        "{\"type\":\"builtin:wikisearch\",\"index\":\"\"}",
        "{\"type\":\"builtin:wikisearch\",\"inde\":\"x\"}",
        "{\"type\":\"builtin:qa\",\"passages\":0}",
        "{\"type\":\"builtin:qa\",\"least_p\":2}",
        "{\"type\":\"builtin:qa\",\"url\":\"ftp://x/\"}",
        "{\"type\":\"builtin:qa\",\"url\":\"http://h/\",\"key\":\"\"}",
    };
    tfc_tools *good = tools_of("WikiSearch", "{\"type\":\"builtin:wikisearch\",\"index\":\"wiki.db\"}");
    char *result, path[80], *text;
    size_t n;
    tfc_error err;
    unsetenv("TOOLFORMER_INDEX"); /* the manifest's own path counts, seen from its folder */
    assert_int_equal(call(tfc_tools_at(good, 0), "Ghana", &result, &err), TFC_OK);
    tfc_text_free(result);
    tfc_tools_free(good);
    snprintf(path, sizeof path, "%s/tool.json", folder);
    assert_int_equal(tfc_file_read(path, 1 << 20, &text, &n, &err), TFC_OK);
    char *at = strstr(text, "\"backend\"");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tfc_buffer changed;
        tfc_buffer_init(&changed, 0);
        tfc_buffer_printf(&changed, "%.*s\"backend\": %s}", (int)(at - text), text, bad[i]);
        tfc_file_write_whole(path, changed.data, changed.n, &err);
        tfc_buffer_release(&changed);
        assert_null(tfc_tools_create(path, &err));
        assert_int_equal(err.status, TFC_EFORMAT);
    }
    tfc_free(text);
}

static void test_candidates(void **state)
{
    (void)state;
    static const char passages[] =
        "He Ain't Heavy > It is a ballad written by Bobby Scott and Bob Russell. Recorded by Kelly Gordon on "
        "12 May "
        "1969, it became a hit.\nBrown Act > The Ralph M. Brown Act has eleven sections.";
    static const char *const cases[][2] = {{"who wrote he ain't heavy", "Bobby Scott"},
                                           {"when was he ain't heavy recorded", "12 May 1969"},
                                           {"how many sections has the brown act", "eleven"}};
    tfc_answer_candidate out[TFC_ANSWER_CANDIDATES];
    tfc_error err;
    size_t n;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(tfc_answer_candidates(passages, cases[i][0], out, &n, &err), TFC_OK);
        assert_true(n > 0);
        assert_int_equal(out[0].end - out[0].begin, strlen(cases[i][1]));
        assert_memory_equal(passages + out[0].begin, cases[i][1], strlen(cases[i][1]));
    }
    assert_int_equal(tfc_answer_candidates("", "", out, &n, &err), TFC_OK);
    assert_int_equal(n, 0);
    assert_int_equal(tfc_answer_candidates("\n\n > \xff 1 (", "who \xff", out, &n, &err), TFC_OK);
}

static void test_clean(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{" Bobby Scott.\nText: x", "Bobby Scott"},
                                           {" \"1953\" ", "1953"},
                                           {"No answer.", ""},
                                           {" none", ""},
                                           {"\nx", ""},
                                           {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[80];
        snprintf(text, sizeof text, "%s", cases[i][0]);
        tfc_answer_clean(text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void *ask(void *context)
{
    char *result = NULL;
    tfc_error err;
    tfc_status status = call(context, "What does the red of the flag stand for?", &result, &err);
    bool right =
        status == TFC_ENORESULT ||
        (status == TFC_OK && strstr("Ghana > Its flag has a black star. The red of the flag stands for "
                                    "blood.\nBrown Act > The Ralph M. Brown Act is an act of the California "
                                    "State Legislature.",
                                    result));
    if (!right) fprintf(stderr, "%d %s %s\n", status, result ? result : "", err.message);
    tfc_text_free(result);
    return right ? context : NULL;
}

static void test_qa_without_model(void **state)
{
    (void)state;
    tfc_tools *tools = tools_of("QA", "{\"type\":\"builtin:qa\",\"model\":\"none\",\"passages\":1}");
    const tfc_tool *tool = tfc_tools_at(tools, 0);
    char *result;
    tfc_error err;
    assert_int_equal(tfc_tool_available(tool, NULL), TFC_OK);
    assert_int_equal(call(tool, "\"Which state has the Brown Act?\"", &result, &err), TFC_OK);
    assert_string_equal(result, "California State Legislature");
    tfc_text_free(result);
    assert_int_equal(call(tool, "zebra", &result, &err), TFC_ENORESULT);
    tfc_tools_free(tools);
}

/* A server that is not there: a failure of the tool, which names it. */
static void test_qa_endpoint(void **state)
{
    (void)state;
    tfc_tools *tools =
        tools_of("QA", "{\"type\":\"builtin:qa\",\"url\":\"http://127.0.0.1:9/v1\",\"model\":\"m\"}");
    char *result;
    tfc_error err;
    assert_int_equal(tools ? tfc_tools_at(tools, 0)->backend->call(tfc_tools_at(tools, 0), "brown act", NULL,
                                                                   0, &result, &err)
                           : 0,
                     TFC_EIO);
    assert_non_null(strstr(err.message, "127.0.0.1"));
    tfc_tools_free(tools);
}

static void test_qa(void **state)
{
    (void)state;
    char command[1000], backend[200];
    snprintf(
        command, sizeof command,
        "cp -r %s/tests/fixtures/models/llama %s/model && chmod -R u+w %s/model && sed -i "
        "'s/\"max_position_embeddings\": *[0-9]*/\"max_position_embeddings\": 8192/' %s/model/config.json",
        TFC_SOURCE_DIR, folder, folder, folder);
    assert_int_equal(system(command), 0);
    snprintf(backend, sizeof backend, "{\"type\":\"builtin:qa\",\"least_p\":0,\"model\":\"%s/model\"}",
             folder);
    tfc_tools *tools = tools_of("QA", backend);
    const tfc_tool *tool = tfc_tools_at(tools, 0);
    assert_int_equal(tfc_tool_available(tool, NULL), TFC_OK);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, ask, (void *)tool), 0);
    for (int i = 0; i < 4; i++) {
        void *right;
        pthread_join(threads[i], &right);
        assert_non_null(right);
    }
    tfc_tools_free(tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wikisearch),
        cmocka_unit_test(test_without_index),
        cmocka_unit_test(test_default_tools),
        cmocka_unit_test(test_manifests),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_qa),
        cmocka_unit_test(test_qa_without_model),
        cmocka_unit_test(test_qa_endpoint),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
