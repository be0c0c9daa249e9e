/* Tasks from file to summary on a tiny random model: rows and their errors, what a wrong answer is called,
 * results that are gone on with after a kill, comparison, perplexity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "eval/examples.h"

#define MODEL TFC_SOURCE_DIR "/tests/fixtures/models/llama"

static char folder[] = "/tmp/tfc-eval-XXXXXX";
static tfc_model *model;
static tfc_session *session;
static tfc_tools *tools;

static int setup(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    if (!mkdtemp(folder) || chdir(folder) != 0) return -1;
    model = tfc_model_open(MODEL, NULL, &err);
    tfc_session_params params = {.n_threads = 1, .batch_tokens = 64, .kv_bytes = 1 << 22};
    session = model ? tfc_session_create(model, &params, &err) : NULL;
    tools = tfc_tools_create("Calculator,Calendar", &err);
    return session && tools ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tfc_tools_free(tools);
    tfc_session_free(session);
    tfc_model_free(model);
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void write_file(const char *name, const char *text)
{
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_file_write_whole(name, text, strlen(text), &err) != TFC_OK) fail_msg("%s", err.message);
}

static char *read_file(const char *name)
{
    tfc_error err;
    char *text;
    size_t n;
    tfc_error_init(&err);
    if (tfc_file_read(name, 1 << 24, &text, &n, &err) != TFC_OK) fail_msg("%s", err.message);
    return text;
}

static tfc_eval_data *open_data(const char *task, const char *path, tfc_error *err)
{
    tfc_eval_data_params params = {.task = task, .path = path, .limit = -1, .share = 1};
    tfc_error_init(err);
    return tfc_eval_data_open(&params, err);
}

static tfc_eval_data *rows_of(const char *task, const char *text)
{
    tfc_error err;
    write_file("data.jsonl", text);
    tfc_eval_data *data = open_data(task, "data.jsonl", &err);
    if (!data) fail_msg("%s", err.message);
    unlink("data.jsonl");
    return data;
}

static void check_row(const tfc_eval_data *data, int64_t i, const char *id, const char *prompt,
                      const char *gold)
{
    assert_string_equal(data->rows[i].id, id);
    assert_string_equal(data->rows[i].prompt, prompt);
    assert_string_equal(data->rows[i].gold, gold);
}

static void test_rows(void **state)
{
    (void)state;
    tfc_eval_data *data = rows_of(
        "asdiv",
        "{\"id\":\"a\",\"body\":\"Two cups. \",\"question\":\" How many? \",\"answer\":\"18 (cups)\"}\n\n"
        "{\"id\":7,\"body\":\"no point\",\"question\":\"How many?\",\"answer\":\"7/9\"}\r\n"
        "{\"body\":\"\",\"question\":\"Who?\",\"answer\":\"Leon\"}\n"
        "{\"id\":\"d\",\"body\":\"B\",\"question\":\"Q\",\"answer\":\"8; 40\"}");
    assert_int_equal(tfc_eval_data_count(data), 4);
    check_row(data, 0, "a", "Two cups. How many? The answer is", "18");
    check_row(data, 1, "7", "no point How many? The answer is", "7/9");
    check_row(data, 2, "4", "Who? The answer is", "Leon");
    check_row(data, 3, "d", "B Q The answer is", "8; 40");
    assert_true(data->rows[0].has_value && data->rows[1].has_value);
    assert_false(data->rows[2].has_value || data->rows[3].has_value);
    tfc_eval_data_free(data);
    data = rows_of("svamp", "{\"ID\":\"c\",\"Body\":\"B.\",\"Question\":\"Q?\",\"Answer\":17.0}\n");
    check_row(data, 0, "c", "B. Q? The answer is", "17");
    tfc_eval_data_free(data);
    data = rows_of("mawps", "{\"id\":1,\"question\":\"Q ?\",\"answer\":2.4000000000000004}\n"
                            "{\"id\":2,\"question\":\"Q\",\"answer\":\"83\"}\n"
                            "{\"id\":3,\"question\":\"Q\",\"answer\":0.8333333333333334}\n");
    check_row(data, 0, "1", "Q ? The answer is", "2.4");
    check_row(data, 1, "2", "Q The answer is", "83");
    check_row(data, 2, "3", "Q The answer is", "0.833333333333333");
    tfc_eval_data_free(data);
}

static void check_refused(const char *task, const char *text, const char *reason)
{
    tfc_error err;
    write_file("data.jsonl", text);
    tfc_eval_data *data = open_data(task, "data.jsonl", &err);
    unlink("data.jsonl");
    if (data) fail_msg("%s accepted: %s", task, text);
    if (!strstr(err.message, "data.jsonl") || !strstr(err.message, reason))
        fail_msg("'%s' lacks '%s'", err.message, reason);
}

static void test_bad_rows(void **state)
{
    (void)state;
    static const char good[] = "{\"question\":\"q\",\"answer\":1}\n";
    char second[256];
    snprintf(second, sizeof second, "%s{\"question\":\"q\"}\n", good);
    check_refused("mawps", "", "no rows");
    check_refused("mawps", "\n\n", "no rows");
    check_refused("mawps", second, "line 2: missing \"answer\"");
    snprintf(second, sizeof second, "%s{\"question\":\"q\",\"answer\":\"purple\"}\n", good);
    check_refused("mawps", second, "line 2: \"answer\" is no number: 'purple'");
    check_refused("mawps", "{\"question\":\"q\",\"answer\":[1]}", "line 1: missing \"answer\"");
    check_refused("mawps", "{\"question\":\" \",\"answer\":1}", "line 1: empty \"question\"");
    check_refused("mawps", "question,answer\n", "line 1");
    check_refused("mawps", "[1]\n", "object expected");
    check_refused("svamp", good, "line 1: missing Body (svamp reads {\"Body\", \"Question\", \"Answer\"})");
    check_refused("asdiv", good, "missing body");
    check_refused("asdiv", "{\"body\":\"b\",\"question\":\"q\",\"answer\":\"  \"}", "empty \"answer\"");
    check_refused("dateset", "{\"question\":\"q\",\"answer\":\"a\",\"date\":\"2023-02-30\"}", "2023-02-30");
    check_refused("calls-not-needed", "{\"prompt\":\" \"}", "empty prompt");
    check_refused("prompts", "{\"prompt\":\"p\",\"answer\":\"\"}", "empty answer");
    tfc_error err;
    assert_null(open_data("mawps", "absent.jsonl", &err));
    assert_non_null(strstr(err.message, "absent.jsonl"));
    assert_null(open_data("nonsense", "absent.jsonl", &err));
    assert_non_null(strstr(err.message, "svamp"));
    assert_null(open_data("mawps", NULL, &err));
}

/* ---- judging ---- */

typedef struct judge_case {
    const char *task, *gold, *answer;
    const char *result; /* of the one call; "-" no call; "" a call without a result */
    bool correct, strict, result_right, copied;
    tfc_eval_failure failure;
} judge_case;

static const judge_case judged[] = {
    {"mawps", "8", " 8.", "8", true, true, true, true, TFC_EVAL_NONE},
    {"mawps", "8", " 8.", "-", true, true, false, false, TFC_EVAL_NONE},
    {"mawps", "8", " 9.", "-", false, false, false, false, TFC_EVAL_NO_CALL},
    {"mawps", "8", " 9.", "", false, false, false, false, TFC_EVAL_NO_RESULT},
    {"mawps", "8", " 9.", "9", false, false, false, true, TFC_EVAL_WRONG_RESULT},
    {"mawps", "8", " 9.", "8", false, false, true, false, TFC_EVAL_NOT_COPIED},
    {"mawps", "8", " none", "8", false, false, true, false, TFC_EVAL_NOT_COPIED},
    {"mawps", "8", " of 2 people 8", "8", false, false, true, false, TFC_EVAL_SCORING},
    {"mawps", "7", " 7 balls", "-7", true, true, false, true, TFC_EVAL_NONE},
    {"mawps", "7", " -7 balls", "-7", true, false, false, true, TFC_EVAL_NONE},
    {"mawps", "0.8333333333", " 0.83", "0.83", true, true, true, true, TFC_EVAL_NONE},
    {"mawps", "1938", " $1,938", "1938", true, true, true, true, TFC_EVAL_NONE},
    {"asdiv", "Leon", " it is Leon.", "3", true, true, false, false, TFC_EVAL_NONE},
    {"asdiv", "8; 40", " 8, 40", "-", true, true, false, false, TFC_EVAL_NONE},
    {"asdiv", "8; 40", " 8", "-", false, false, false, false, TFC_EVAL_NO_CALL},
    {"asdiv", "8; 40", " 40 and 8", "-", false, false, false, false, TFC_EVAL_NO_CALL},
    {"asdiv", "8 (cm); 40 (years old)", " 8 and then 40 years", "-", true, true, false, false, TFC_EVAL_NONE},
    {"asdiv", "4:5", " 4:5.", "-", true, true, false, false, TFC_EVAL_NONE},
    {"asdiv", "7/9", " 0.78", "0.78", true, true, true, true, TFC_EVAL_NONE},
    {"dateset", "123", " 123 days", "123 days", true, true, true, true, TFC_EVAL_NONE},
    {"dateset", "123", " It was 123 days ago", "-", true, true, false, false, TFC_EVAL_NONE},
    {"dateset", "123", " I think that it was 123", "-", false, false, false, false, TFC_EVAL_NO_CALL},
    {"dateset", "1461", " 1,461 days", "1461 days", true, true, true, true, TFC_EVAL_NONE},
    {"dateset", "15", " the 15th", "Monday, May 15, 2023", true, true, true, true, TFC_EVAL_NONE},
    {"dateset", "5", " 15", "Monday, May 15, 2023", false, false, false, false, TFC_EVAL_WRONG_RESULT},
    {"dateset", "Monday", " a MONDAY!", "Monday, May 15, 2023", true, true, true, true, TFC_EVAL_NONE},
    {"dateset", "Monday", " Tuesday", "Monday, May 15, 2023", false, false, true, false, TFC_EVAL_NOT_COPIED},
    {"dateset", "Monday", " I do not know the Monday", "Monday, May 15, 2023", false, false, true, false,
     TFC_EVAL_SCORING},
    {"calls-not-needed", NULL, " words", "8", false, false, false, false, TFC_EVAL_NONE},
};

static void check_judged(const tfc_eval_example *e, const judge_case *c, const char *how)
{
    if (e->correct != c->correct || e->strict_correct != c->strict || e->result_right != c->result_right ||
        e->copied != c->copied || e->failure != c->failure ||
        e->called != (*c->result != '-' || c->result[1]) ||
        e->call_ran != (*c->result && (*c->result != '-' || c->result[1])))
        fail_msg("%s, '%s' for %s, result '%s': correct %d, strict %d, result right %d, copied %d, %s", how,
                 c->answer, c->gold ? c->gold : "nothing", c->result, e->correct, e->strict_correct,
                 e->result_right, e->copied, tfc_eval_failure_text(e->failure));
}

static void test_judge(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof judged / sizeof *judged; i++) {
        const judge_case *c = &judged[i];
        tfc_eval_row row = {.id = "i", .prompt = "p\n\"q\"", .gold = c->gold};
        row.has_value = c->gold && tfc_value_read(c->gold, &row.value);
        char tool[] = "Calculator", args[] = "1";
        bool called = strcmp(c->result, "-") != 0;
        tfc_made_call call = {.tool = tool, .args = args, .result = *c->result ? (char *)c->result : NULL};
        tfc_generate_result generated = {.text = (char *)c->answer,
                                         .text_without_calls = (char *)c->answer,
                                         .calls = &call,
                                         .n_calls = called};
        tfc_judged out, back;
        tfc_error err;
        tfc_error_init(&err);
        assert_int_equal(tfc_judge(tfc_eval_task_find(c->task), &row, &generated, &out, &err), TFC_OK);
        check_judged(&out.example, c, c->task);
        if (tfc_judged_read(out.line, strlen(out.line), &back, &err) != TFC_OK) fail_msg("%s", err.message);
        check_judged(&back.example, c, "read back");
        assert_string_equal(back.example.prompt, row.prompt);
        assert_string_equal(back.example.prediction, out.example.prediction);
        assert_null(back.example.tool);
        tfc_judged_release(&back);
        tfc_judged_release(&out);
    }
}

/* ---- the whole ---- */

static const char problems[] =
    "{\"question\":\"3 and 4?\",\"answer\":7}\n{\"question\":\"9 and 1?\",\"answer\":10}\n"
    "{\"question\":\"2 from 5?\",\"answer\":3}\n{\"question\":\"Nothing?\",\"answer\":0}\n";

static tfc_eval_data *many_problems(int64_t limit)
{
    tfc_buffer text;
    tfc_buffer_init(&text, 0);
    for (int i = 0; i < 40; i++)
        tfc_buffer_printf(&text, "{\"id\":%d,\"question\":\"%d and %d%s?\",\"answer\":%d}\n", i, i, i + 3,
                          i % 3 ? " together" : "", 2 * i + 3);
    write_file("many.jsonl", text.data);
    tfc_buffer_release(&text);
    tfc_error err;
    tfc_error_init(&err);
    tfc_eval_data_params params = {.task = "mawps", .path = "many.jsonl", .limit = limit, .share = 1};
    tfc_eval_data *data = tfc_eval_data_open(&params, &err);
    if (!data) fail_msg("%s", err.message);
    unlink("many.jsonl");
    return data;
}

/* Calls wherever one may begin: the model is random. */
static tfc_eval_params forced(const char *out)
{
    tfc_eval_params params = {.generate = tfc_generate_params_default(), .out = out};
    params.generate.tools = tools;
    params.generate.call_top_k = 1000;
    params.generate.max_tokens = 24;
    params.generate.max_args_tokens = 8;
    params.generate.ignore_eos = true;
    return params;
}

static void collect(void *context, const tfc_eval_example *example)
{
    tfc_buffer *lines = context;
    tfc_buffer_printf(lines, "%s\n", example->json);
}

static tfc_eval_result evaluate(const tfc_eval_data *data, tfc_eval_params params, tfc_buffer *lines)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_eval_result result;
    if (lines) {
        tfc_buffer_init(lines, 0);
        params.each = collect;
        params.context = lines;
    }
    if (tfc_eval_prompts(session, data, &params, &result, &err) != TFC_OK) fail_msg("%s", err.message);
    return result;
}

static void check_same_result(const tfc_eval_result *a, const tfc_eval_result *b)
{
    tfc_eval_result x = *a, y = *b;
    x.seconds = y.seconds = 0;
    char *p = tfc_eval_summary(&x), *q = tfc_eval_summary(&y);
    assert_string_equal(p, q);
    tfc_free(p);
    tfc_free(q);
}

static void test_batches(void **state)
{
    (void)state;
    tfc_eval_data *all = many_problems(-1), *few = many_problems(1);
    tfc_buffer lines, first;
    tfc_eval_result result = evaluate(all, forced(NULL), &lines);
    evaluate(few, forced(NULL), &first);
    assert_int_equal(result.n, 40);
    assert_int_equal(result.called, 40);
    assert_memory_equal(lines.data, first.data, first.n); /* the same alone and among others */
    int64_t failures = 0;
    for (int i = 0; i < TFC_EVAL_N_FAILURES; i++) failures += result.failures[i];
    assert_int_equal(failures, 40);
    assert_int_equal(result.failures[TFC_EVAL_NONE], result.correct);
    tfc_buffer_release(&lines);
    tfc_buffer_release(&first);
    tfc_eval_data_free(all);
    tfc_eval_data_free(few);
}

/* Everything but the last field, seconds. */
static size_t without_seconds(const char *text)
{
    const char *at = strstr(text, ",\"seconds\":");
    assert_non_null(at);
    return (size_t)(at - text);
}

static void test_resume(void **state)
{
    (void)state;
    tfc_eval_data *data = many_problems(-1);
    tfc_buffer lines, again;
    tfc_eval_result whole = evaluate(data, forced("r.jsonl"), &lines);
    char *text = read_file("r.jsonl");
    size_t n = without_seconds(text);
    assert_non_null(strstr(text, lines.data)); /* the examples as they were told */
    for (size_t cut = 0; cut < strlen(text); cut += 1 + strlen(text) / 23) {
        tfc_error err;
        assert_int_equal(tfc_file_write_whole("r.jsonl", text, cut, &err), TFC_OK);
        tfc_eval_result result = evaluate(data, forced("r.jsonl"), &again);
        check_same_result(&result, &whole);
        assert_true(result.n_resumed <= 40 && (cut < n || result.n_resumed == 40));
        assert_string_equal(again.data, lines.data);
        tfc_buffer_release(&again);
        char *now = read_file("r.jsonl");
        assert_int_equal(without_seconds(now), n);
        assert_memory_equal(now, text, n);
        tfc_free(now);
    }
    tfc_eval_result result = evaluate(data, forced("r.jsonl"), NULL);
    assert_int_equal(result.n_resumed, 40);
    tfc_eval_data_free(data);
    tfc_buffer_release(&lines);
    tfc_free(text);
    unlink("r.jsonl");
}

static bool stop_second(void *context)
{
    return ++*(int *)context > 30;
}

/* A stop leaves whole lines; more rows than before go on behind them. */
static void test_stop_and_extend(void **state)
{
    (void)state;
    tfc_eval_data *all = many_problems(-1), *few = many_problems(5);
    tfc_eval_params params = forced("r.jsonl");
    int asked = 0;
    tfc_monitor monitor = {.stop = stop_second, .context = &asked};
    params.monitor = &monitor;
    tfc_error err;
    tfc_error_init(&err);
    tfc_eval_result result;
    assert_int_equal(tfc_eval_prompts(session, all, &params, &result, &err), TFC_EINTERRUPTED);
    unlink("r.jsonl");
    evaluate(few, forced("r.jsonl"), NULL);
    result = evaluate(all, forced("r.jsonl"), NULL);
    assert_int_equal(result.n_resumed, 5);
    assert_int_equal(result.n, 40);
    params = forced("r.jsonl");
    assert_int_equal(tfc_eval_prompts(session, few, &params, &result, &err), TFC_ECONFLICT);
    assert_non_null(strstr(err.message, "40 examples"));
    tfc_eval_data_free(all);
    tfc_eval_data_free(few);
    unlink("r.jsonl");
}

static void check_conflict(const tfc_eval_data *data, const tfc_eval_params *params, const char *reason)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_eval_result result;
    char *before = read_file("r.jsonl");
    assert_int_not_equal(tfc_eval_prompts(session, data, params, &result, &err), TFC_OK);
    if (!strstr(err.message, reason) || !strstr(err.message, "r.jsonl"))
        fail_msg("'%s' lacks '%s'", err.message, reason);
    char *after = read_file("r.jsonl");
    assert_string_equal(before, after);
    tfc_free(before);
    tfc_free(after);
}

static void test_conflicts(void **state)
{
    (void)state;
    tfc_eval_data *data = many_problems(3), *other = rows_of("mawps", problems);
    tfc_eval_params params = forced("r.jsonl");
    evaluate(data, params, NULL);
    params.generate.call_top_k = 3;
    check_conflict(data, &params, "another top_k");
    params = forced("r.jsonl");
    params.generate.tools = NULL;
    check_conflict(data, &params, "another tools");
    params = forced("r.jsonl");
    check_conflict(other, &params, "another data");
    char *text = read_file("r.jsonl");
    char *id = strstr(text, "{\"id\":\"1\"");
    id[7] = '2';
    write_file("r.jsonl", text);
    check_conflict(data, &params, "no answer to row '1'");
    *strchr(text, '\n') = ' ';
    write_file("r.jsonl", text);
    check_conflict(data, &params, "no results of eval");
    tfc_free(text);
    write_file("r.jsonl", "my notes");
    check_conflict(data, &params, "no results of eval");
    write_file("r.jsonl", "my notes\nand more\n");
    check_conflict(data, &params, "no results of eval");
    write_file("r.jsonl", "{\"a\":1}\n");
    check_conflict(data, &params, "no results of eval");
    int fd = open("r.jsonl", O_RDWR);
    assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
    check_conflict(data, &params, "another program");
    close(fd);
    unlink("r.jsonl");
    params.out = "absent/r.jsonl";
    tfc_error err;
    tfc_eval_result result;
    assert_int_equal(tfc_eval_prompts(session, data, &params, &result, &err), TFC_ENOTFOUND);
    tfc_eval_data_free(data);
    tfc_eval_data_free(other);
}

/* Each prompt's own day reaches the tool. */
static void test_dates(void **state)
{
    (void)state;
    tfc_eval_data *data =
        rows_of("prompts", "{\"prompt\":\"Day\",\"answer\":\"Monday\",\"date\":\"2023-01-30\"}\n"
                           "{\"prompt\":\"Day\",\"answer\":\"Tuesday\",\"date\":\"2023-01-31\"}\n");
    tfc_error err;
    tfc_error_init(&err);
    tfc_tools *calendar = tfc_tools_create("Calendar", &err);
    tfc_eval_params params = forced(NULL);
    params.generate.tools = calendar;
    tfc_buffer lines;
    tfc_eval_result result = evaluate(data, params, &lines);
    assert_int_equal(result.result_right, 2);
    assert_non_null(strstr(lines.data, "Today is Monday, January 30, 2023."));
    assert_non_null(strstr(lines.data, "Today is Tuesday, January 31, 2023."));
    tfc_buffer_release(&lines);
    tfc_tools_free(calendar);
    tfc_eval_data_free(data);
}

static void test_calls_not_needed(void **state)
{
    (void)state;
    tfc_error err;
    tfc_eval_data *data =
        open_data("calls-not-needed", TFC_SOURCE_DIR "/examples/eval/no_tool_prompts.jsonl", &err);
    if (!data) fail_msg("%s", err.message);
    assert_int_equal(data->n, 200);
    int digits = 0;
    for (int64_t i = 0; i < data->n; i++) digits += strpbrk(data->rows[i].prompt, "0123456789") != NULL;
    assert_true(digits >= 20 && digits < 100);
    data->n = 8;
    tfc_eval_result result = evaluate(data, forced(NULL), NULL);
    assert_false(result.scored);
    assert_int_equal(result.called, 8);
    char *summary = tfc_eval_summary(&result);
    assert_non_null(strstr(summary, "\"called_share\":1,"));
    assert_null(strstr(summary, "accuracy"));
    tfc_free(summary);
    tfc_eval_params params = forced(NULL);
    params.generate.tools = NULL;
    result = evaluate(data, params, NULL);
    assert_int_equal(result.called, 0);
    tfc_eval_data_free(data);
}

static void write_examples(const char *name, const char *correct, const char *gold)
{
    tfc_buffer text;
    tfc_buffer_init(&text, 0);
    for (int i = 0; correct[i]; i++) {
        const char *c = correct[i] == '1' ? "true" : "false";
        tfc_buffer_printf(
            &text,
            "{\"id\":\"%d\",\"prompt\":\"p\",\"output\":\"\",\"prediction\":\"\",\"gold\":\"%s\","
            "\"correct\":%s,\"called\":true,\"called_right\":true,\"call_ran\":true,"
            "\"result_right\":true,\"copied\":true,\"strict_correct\":false,\"failure\":\"none\"}\n",
            i, gold, c);
    }
    tfc_buffer_puts(&text, "{\"task\":\"mawps\",\"n\":3}\n");
    write_file(name, text.data);
    tfc_buffer_release(&text);
}

static void test_compare(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    tfc_eval_comparison c;
    write_examples("a.jsonl", "0000011111000000", "8");
    write_examples("b.jsonl", "1111111110000000", "8");
    if (tfc_eval_compare("a.jsonl", "b.jsonl", 0, &c, &err) != TFC_OK) fail_msg("%s", err.message);
    assert_int_equal(c.n, 16);
    assert_int_equal(c.correct.a, 5);
    assert_int_equal(c.correct.b, 9);
    assert_int_equal(c.correct.only_a, 1);
    assert_int_equal(c.correct.only_b, 5);
    assert_true(fabs(c.correct.p - 14.0 / 64) < 1e-12);
    assert_true(c.correct.difference == 0.25 && c.correct.interval.low <= 0.25 &&
                c.correct.interval.high > 0.25);
    assert_true(c.called.p == 1 && c.called.difference == 0 && c.strict_correct.a == 0);
    write_examples("b.jsonl", "111111111000000", "8");
    assert_int_equal(tfc_eval_compare("a.jsonl", "b.jsonl", 0, &c, &err), TFC_ECONFLICT);
    assert_non_null(strstr(err.message, "15"));
    write_examples("b.jsonl", "1111111110000000", "9");
    assert_int_equal(tfc_eval_compare("a.jsonl", "b.jsonl", 0, &c, &err), TFC_ECONFLICT);
    assert_non_null(strstr(err.message, "another gold"));
    write_file("b.jsonl", "");
    assert_int_equal(tfc_eval_compare("a.jsonl", "b.jsonl", 0, &c, &err), TFC_EFORMAT);
    write_file("b.jsonl", "{\"id\":\"0\"}\n");
    write_examples("a.jsonl", "1", "8");
    assert_int_equal(tfc_eval_compare("a.jsonl", "b.jsonl", 0, &c, &err), TFC_EFORMAT);
    assert_non_null(strstr(err.message, "b.jsonl"));
    assert_int_not_equal(tfc_eval_compare("absent.jsonl", "b.jsonl", 0, &c, &err), TFC_OK);
    unlink("a.jsonl");
    unlink("b.jsonl");
}

/* ---- perplexity ---- */

static const char prose[] =
    "The fox [ran] over the field and the dog slept. Nobody saw it but the moon, and the moon "
    "says nothing. In the morning the field was white and the dog was gone.";

static tfc_perplexity perplexity(const char *path, int64_t window)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_perplexity_params params = tfc_perplexity_params_default();
    params.path = path;
    params.window = window;
    tfc_perplexity result;
    if (tfc_eval_perplexity(session, &params, &result, &err) != TFC_OK) fail_msg("%s", err.message);
    return result;
}

/* From the raw logits, window by window. */
static void test_perplexity(void **state)
{
    (void)state;
    enum { WINDOW = 16 };
    tfc_error err;
    tfc_error_init(&err);
    const tfc_tokenizer *tokenizer = tfc_model_tokenizer(model);
    int32_t *ids, bos = tfc_tokenizer_adds_bos(tokenizer) ? tfc_tokenizer_bos(tokenizer) : -1;
    int64_t n_ids, n_vocab = tfc_model_get_info(model).n_vocab, n = 0, n_second = 0;
    assert_int_equal(tfc_tokenize(tokenizer, prose, strlen(prose), 0, &ids, &n_ids, &err), TFC_OK);
    float *logits = tfc_alloc((size_t)n_vocab, sizeof *logits);
    double sum = 0, second = 0;
    for (int64_t w = 0; w + WINDOW <= n_ids; w += WINDOW) {
        if (bos >= 0) ids[w] = bos;
        for (int64_t t = 1; t < WINDOW; t++) {
            assert_int_equal(tfc_logits(session, ids + w, t, logits, &err), TFC_OK);
            double total = 0;
            for (int64_t v = 0; v < n_vocab; v++) total += exp((double)logits[v]);
            double loss = log(total) - (double)logits[ids[w + t]];
            sum += loss, n++;
            if (t > WINDOW / 2) second += loss, n_second++;
        }
    }
    write_file("text.txt", prose);
    tfc_perplexity p = perplexity("text.txt", WINDOW);
    assert_int_equal(p.n, n);
    assert_int_equal(p.n_second, n_second);
    assert_true(fabs(p.all / exp(sum / (double)n) - 1) < 1e-5);
    assert_true(fabs(p.second / exp(second / (double)n_second) - 1) < 1e-5);
    assert_true(p.n_banned < p.n); /* the text has a token that begins a call */
    assert_true(p.banned > 0 && p.banned != p.all);
    tfc_free(logits);
    tfc_ids_free(ids);
    unlink("text.txt");
}

static void test_perplexity_files(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    char joined[512], lines[512];
    snprintf(joined, sizeof joined, "%s\n\n%s", prose, prose);
    snprintf(lines, sizeof lines, "{\"text\":\"%s\"}\n\n{\"id\":1,\"text\":\"%s\"}\n", prose, prose);
    write_file("text.txt", joined);
    write_file("lines.jsonl", lines);
    gzFile file = gzopen("lines.gz", "wb");
    assert_true(gzwrite(file, lines, (unsigned)strlen(lines)) > 0 && gzclose(file) == Z_OK);
    double plain = perplexity("text.txt", 20).all;
    assert_true(plain == perplexity("lines.jsonl", 20).all && plain == perplexity("lines.gz", 20).all);
    tfc_perplexity_params params = {.path = "text.txt", .window = 100000};
    tfc_perplexity result;
    assert_int_equal(tfc_eval_perplexity(session, &params, &result, &err), TFC_EINVAL);
    params.window = 16;
    static const struct {
        const char *text, *reason;
    } bad[] = {{"", "0 tokens"},
               {"short", "do not fill"},
               {"{\"a\":1}\n", "line 1: missing text"},
               {"{\"text\":\"a\"}\n7\n", "line 2"},
               {"\xFF", "UTF-8"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file("text.txt", bad[i].text);
        assert_int_equal(tfc_eval_perplexity(session, &params, &result, &err), TFC_EFORMAT);
        if (!strstr(err.message, bad[i].reason) || !strstr(err.message, "text.txt"))
            fail_msg("'%s' lacks '%s'", err.message, bad[i].reason);
    }
    unlink("text.txt");
    unlink("lines.jsonl");
    unlink("lines.gz");
    assert_int_equal(tfc_eval_perplexity(session, &params, &result, &err), TFC_ENOTFOUND);
}

/* ---- the benchmarks' own files, where they are ---- */

static void test_benchmark_files(void **state)
{
    (void)state;
    static const struct {
        const char *task, *file;
        int64_t n;
    } files[] = {{"asdiv", "asdiv.dev.jsonl", 899},
                 {"svamp", "svamp.dev.jsonl", 398},
                 {"mawps", "mawps.dev.jsonl", 925}};
    const char *data_folder = getenv("TFC_DATA");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/math/%s",
                 data_folder ? data_folder : TFC_SOURCE_DIR "/../shared/data", files[i].file);
        if (!tfc_file_exists(path)) {
            print_message("%s is absent: skipped\n", files[i].file);
            skip();
        }
        tfc_error err;
        tfc_eval_data *data = open_data(files[i].task, path, &err);
        if (!data) fail_msg("%s", err.message);
        assert_int_equal(data->n, files[i].n);
        int64_t words = 0;
        for (int64_t r = 0; r < data->n; r++) {
            const char *prompt = data->rows[r].prompt;
            assert_string_equal(prompt + strlen(prompt) - 14, " The answer is");
            words += !data->rows[r].has_value;
        }
        assert_int_equal(words, i == 0 ? 81 : 0);
        tfc_eval_data_free(data);
    }
}

/* Without memory at any point: an error, and nothing is left behind. */
static void test_memory(void **state)
{
    (void)state;
    write_file("data.jsonl", problems);
    tfc_eval_data_params which = {.task = "mawps", .path = "data.jsonl", .limit = -1, .share = 1};
    tfc_eval_data *data = NULL;
    for (int64_t i = 1; !data; i++) {
        tfc_error err;
        tfc_error_init(&err);
        tfc_memory_fail_at(i);
        data = tfc_eval_data_open(&which, &err);
        tfc_memory_fail_at(0);
        if (!data && err.status != TFC_ENOMEM) fail_msg("%s", err.message);
    }
    char *text = (char *)" 7", tool[] = "T", args[] = "1", result[] = "7";
    tfc_made_call call = {.tool = tool, .args = args, .result = result};
    tfc_generate_result generated = {.text = text, .text_without_calls = text, .calls = &call, .n_calls = 1};
    tfc_status status = TFC_ENOMEM;
    for (int64_t i = 1; status != TFC_OK; i++) {
        tfc_judged out;
        tfc_memory_fail_at(i);
        status = tfc_judge(data->task, &data->rows[0], &generated, &out, NULL);
        tfc_memory_fail_at(0);
        if (status == TFC_OK) {
            assert_true(out.example.correct);
            tfc_judged_release(&out);
        } else {
            assert_int_equal(status, TFC_ENOMEM);
        }
    }
    tfc_eval_data_free(data);
    unlink("data.jsonl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_stop_and_extend),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_calls_not_needed),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_perplexity),
        cmocka_unit_test(test_perplexity_files),
        cmocka_unit_test(test_benchmark_files),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
