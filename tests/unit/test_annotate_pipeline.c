/* Annotation while tools take their time, fail, and die: the same bytes in the end. A tiny model, and a tool
 * that is a shell script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "annotate/run_store.h"
#include "base/file.h"
#include "toolformer/annotate.h"

static char folder[] = "/tmp/tfc-pipeline-XXXXXX";
static tfc_model *model;
static char *reference; /* the rows of a run that nothing disturbed */

static const char *in_folder(const char *name)
{
    static char paths[8][160];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    tfc_error err;
    if (tfc_file_write_whole(in_folder(name), text, strlen(text), &err) != TFC_OK)
        fail_msg("%s", err.message);
}

/* The script sleeps a little and prints a length. */
static void write_script(const char *first)
{
    char text[256];
    snprintf(text, sizeof text, "#!/bin/sh\n%s\nsleep 0.02\necho \"${#1}\"\n", first);
    write_file("length.sh", text);
    assert_int_equal(chmod(in_folder("length.sh"), 0755), 0);
}
static const char works[] = ":", dead[] = "exit 9", dislikes_sevens[] = "case $1 in *77*) exit 9 ;; esac";

static int setup(void **state)
{
    (void)state;
    const char *fixtures = getenv("TFC_FIXTURES");
    char command[4096], manifest[1024];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command,
             "cp -r '%s%s/models/llama' %s/model && chmod -R u+w %s/model &&"
             " sed -i 's/\"max_position_embeddings\": *[0-9]*/\"max_position_embeddings\": 8192/' "
             "%s/model/config.json",
             fixtures ? fixtures : TFC_SOURCE_DIR, fixtures ? "" : "/tests/fixtures", folder, folder, folder);
    assert_int_equal(system(command), 0);
    write_script(works);
    snprintf(manifest, sizeof manifest,
             "{\"name\": \"Length\", \"description\": \"d\", \"instruction\": \"Add calls of Length.\","
             " \"args\": {\"form\": \"expression\"}, \"k\": 3, \"m\": 3, \"cache\": \"run\", \"retries\": 0,"
             " \"demonstrations\": [{\"input\": \"A sum of 1 and 2 is 3.\","
             " \"output\": \"A sum of 1 and 2 is [Length(1 + 2)] 3.\"}],"
             " \"backend\": {\"type\": \"command\", \"argv\": [\"%s\", \"{args}\"]}}",
             in_folder("length.sh"));
    write_file("length.json", manifest);
    tfc_buffer lines;
    tfc_buffer_init(&lines, 0);
    for (int i = 0; i < 30; i++)
        tfc_buffer_printf(&lines, "{\"id\":\"t%d\",\"text\":\"the %d of %d and %d is the %d of it\"}\n", i, i,
                          2 * i, 7 * i, 3 * i);
    write_file("corpus.jsonl", lines.data);
    tfc_buffer_release(&lines);
    tfc_error err;
    model = tfc_model_open(in_folder("model"), NULL, &err);
    if (!model) fail_msg("%s", err.message);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    tfc_model_free(model);
    tfc_free(reference);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static tfc_annotate_params params_for(const char *name)
{
    static const char *corpus[1];
    static char path[160], tools[200], run[160];
    snprintf(path, sizeof path, "%s", in_folder("corpus.jsonl"));
    snprintf(tools, sizeof tools, "%s,Calculator", in_folder("length.json"));
    snprintf(run, sizeof run, "%s", in_folder(name));
    corpus[0] = path;
    tfc_annotate_params params = tfc_annotate_params_default();
    params.corpus = corpus;
    params.n_corpus = 1;
    params.tools = tools;
    params.run = run;
    params.recipe = "small";
    params.tau_f = -100;
    params.heuristics = 0;
    params.n_threads = 2;
    params.tool_cache = "none";
    return params;
}

static tfc_status annotate(const tfc_annotate_params *params, const tfc_monitor *monitor,
                           tfc_annotate_result *result, tfc_error *err)
{
    tfc_error_init(err);
    return tfc_annotate(model, params, monitor, result, err);
}

static void annotate_well(const tfc_annotate_params *params, tfc_annotate_result *result)
{
    tfc_error err;
    if (annotate(params, NULL, result, &err) != TFC_OK) fail_msg("%s", err.message);
}

static void put_rows(tfc_run_store *store, const char *sql, tfc_buffer *out)
{
    sqlite3_stmt *read;
    assert_int_equal(tfc_run_store_query(store, sql, &read, NULL), TFC_OK);
    while (sqlite3_step(read) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(read); i++)
            if (sqlite3_column_type(read, i) == SQLITE_FLOAT)
                tfc_buffer_printf(out, "%a|", sqlite3_column_double(read, i));
            else
                tfc_buffer_printf(out, "%s|", (const char *)sqlite3_column_text(read, i));
        tfc_buffer_putc(out, '\n');
    }
    sqlite3_finalize(read);
}

/* Every row that the method writes, every bit of every loss. The caller's. */
static char *rows_of(const char *run)
{
    tfc_run_store store;
    tfc_buffer rows;
    tfc_buffer_init(&rows, 0);
    assert_int_equal(tfc_run_store_open(&store, run, false, NULL), TFC_OK);
    put_rows(&store, "SELECT * FROM snippets ORDER BY 1", &rows);
    put_rows(&store, "SELECT * FROM places ORDER BY 1, 2, 3", &rows);
    put_rows(&store, "SELECT * FROM candidates ORDER BY 1, 2, 3, 4", &rows);
    put_rows(&store, "SELECT tool, args, context, outcome, text FROM calls ORDER BY 1, 2, 3", &rows);
    tfc_run_store_close(&store);
    return tfc_buffer_take(&rows, NULL);
}

static void check_rows(const char *run)
{
    char *rows = rows_of(run);
    if (!reference)
        reference = rows;
    else if (strcmp(rows, reference) != 0)
        fail_msg("other rows: %.300s", rows);
    if (rows != reference) tfc_free(rows);
}

static void test_overlap(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "overlap%d", i);
        tfc_annotate_params params = params_for(name);
        params.no_overlap = i & 1;
        params.n_threads = 1 + (i >> 1);
        tfc_annotate_result result;
        annotate_well(&params, &result);
        assert_true(result.executed > 50 && result.failed == 0 && result.kept > 0);
        assert_int_equal(result.n_tools, 2);
        assert_string_equal(result.tools[0].tool, "Length");
        assert_true(result.tools[0].calls > 20 && result.tools[0].failed == 0 && result.tools[0].ms > 0);
        check_rows(params.run);
    }
}

static bool stop_after(void *context)
{
    return --*(int *)context < 0;
}

/* Stopped again and again on the way: with groups in flight, before the heads are made, anywhere. */
static void test_stop_and_resume(void **state)
{
    (void)state;
    tfc_annotate_params params = params_for("stopped");
    tfc_error err;
    int stops = 0;
    for (int left = 1; left < 40; left += 3) {
        int n = left;
        tfc_monitor monitor = {.stop = stop_after, .context = &n};
        tfc_status status = annotate(&params, &monitor, NULL, &err);
        if (status == TFC_OK) break;
        assert_int_equal(status, TFC_EINTERRUPTED);
        stops++;
    }
    assert_true(stops > 1);
    annotate_well(&params, NULL);
    check_rows(params.run);
}

/* The tool dies: the run stops and says so, nothing is decided about what it did not answer, and when it is
 * back the same command goes on to the same rows. */
static void test_dead_tool(void **state)
{
    (void)state;
    tfc_annotate_params params = params_for("dead_tool");
    tfc_error err;
    params.limit = 8;
    write_script(dead);
    assert_int_equal(annotate(&params, NULL, NULL, &err), TFC_EIO); /* not even a head */
    assert_non_null(strstr(err.message, "head of Length"));
    write_script(works);
    int n = 3; /* the heads are made, nothing else */
    tfc_monitor monitor = {.stop = stop_after, .context = &n};
    assert_int_equal(annotate(&params, &monitor, NULL, &err), TFC_EINTERRUPTED);
    write_script(dead);
    assert_int_equal(annotate(&params, NULL, NULL, &err), TFC_EIO);
    if (!strstr(err.message, "Length failed in 2")) fail_msg("%s", err.message);
    assert_non_null(strstr(err.message, "the same command goes on"));
    tfc_run_store store;
    int64_t decided;
    assert_int_equal(tfc_run_store_open(&store, params.run, false, NULL), TFC_OK);
    assert_int_equal(tfc_run_store_count(&store, "SELECT count(*) FROM candidates", &decided, NULL), TFC_OK);
    assert_int_equal(decided, 0);
    tfc_run_store_close(&store);
    write_script(works);
    tfc_annotate_result result;
    annotate_well(&params, &result);
    assert_int_equal(result.failed, 0);
    char *rows = rows_of(params.run);
    params = params_for("never_dead");
    params.limit = 8;
    annotate_well(&params, NULL);
    char *others = rows_of(params.run);
    assert_string_equal(rows, others);
    tfc_free(rows);
    tfc_free(others);
}

/* Some calls fail: they are stored as undecided, said, and tried again by the same command. */
static void test_some_calls_fail(void **state)
{
    (void)state;
    tfc_annotate_params params = params_for("some_fail");
    tfc_annotate_result result;
    write_script(dislikes_sevens);
    annotate_well(&params, &result);
    assert_true(result.failed > 0 && result.tools[0].failed > 0);
    int64_t failed = result.failed;
    tfc_run_store store;
    int64_t n;
    assert_int_equal(tfc_run_store_open(&store, params.run, false, NULL), TFC_OK);
    assert_int_equal(
        tfc_run_store_count(&store,
                            "SELECT count(*) FROM candidates WHERE failed AND (kept OR result IS NOT NULL)",
                            &n, NULL),
        TFC_OK);
    assert_int_equal(n, 0);
    tfc_run_store_close(&store);
    annotate_well(&params, &result); /* it still fails */
    assert_int_equal(result.failed, failed);
    write_script(works);
    params.keep_failed = true;
    annotate_well(&params, &result);
    assert_int_equal(result.failed, failed);
    params.keep_failed = false;
    annotate_well(&params, &result);
    assert_int_equal(result.failed, 0);
    check_rows(params.run);
}

/* The tool and its manifest are gone; the recording has it all. */
static void test_replay(void **state)
{
    (void)state;
    tfc_annotate_params params = params_for("replayed");
    char recorded[160], gone[200];
    tfc_annotate_result result;
    snprintf(recorded, sizeof recorded, "%s", in_folder("overlap0"));
    snprintf(gone, sizeof gone, "%s", in_folder("gone.json"));
    params.replay = recorded;
    assert_int_equal(rename(in_folder("length.json"), gone), 0);
    annotate_well(&params, &result);
    assert_true(result.tools[0].cached == result.tools[0].calls && result.tools[0].ms == 0);
    check_rows(params.run);
    assert_int_equal(rename(gone, in_folder("length.json")), 0);
    /* Other draws ask for calls that nobody recorded: the first one is named. */
    tfc_error err;
    params = params_for("replayed_otherwise");
    params.replay = recorded;
    params.seed = 5;
    assert_int_equal(annotate(&params, NULL, NULL, &err), TFC_ENOTFOUND);
    assert_non_null(strstr(err.message, "has no call Length("));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlap),   cmocka_unit_test(test_stop_and_resume),
        cmocka_unit_test(test_dead_tool), cmocka_unit_test(test_some_calls_fail),
        cmocka_unit_test(test_replay),
    };
    return cmocka_run_group_tests_name("pipeline", tests, setup, teardown);
}
