/* What other implementations got wrong about calls and the Calculator (PAPER section 8), each by its name. */
#include "cases.h"

#include "tools/tool.h"

static void check_eval(const char *expression, const char *expected)
{
    tfc_error err;
    char *result;
    if (tfc_calculator_eval(expression, strlen(expression), &result, &err) != TFC_OK)
        fail_msg("%s", err.message);
    assert_string_equal(result, expected);
    tfc_text_free(result);
}

static void check_args(const char *text, const char *args)
{
    const char *names[] = {"Calculator", "QA"};
    tfc_call_span span;
    assert_true(tfc_calls_scan(text, strlen(text), 0, names, 2, &span));
    assert_int_equal(span.args_end - span.args, strlen(args));
    assert_memory_equal(text + span.args, args, strlen(args));
    assert_int_equal(span.end, strlen(text));
}

static void test_nested_parentheses_match(void **state)
{
    (void)state;
    check_args(" [Calculator((2+3)*4)]", "(2+3)*4");
    check_args(" [Calculator((2+3)*4) -> 20]", "(2+3)*4");
    check_args(" [Calculator(((1)+(2))*(3))]", "((1)+(2))*(3)");
    check_eval("(2+3)*4", "20");
}

/* In the vocabularies of GPT-2's kind `)]` is one token: whoever waits for the token `]` misses the end. */
static void test_merged_end_is_seen(void **state)
{
    (void)state;
    const tfc_grammar *grammar = tfc_grammar_args(TFC_ARGS_EXPRESSION);
    uint32_t at = tfc_grammar_feed(grammar, grammar->start, "400 / 1400", 10);
    assert_false(grammar->accepts(grammar->context, at));
    static const char *const ends[] = {")", ")]", ") ]", ") ->"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        assert_true(
            grammar->accepts(grammar->context, tfc_grammar_feed(grammar, at, ends[i], strlen(ends[i]))));
    check_args(" [Calculator(400 / 1400)]", "400 / 1400");
}

static void test_2_3_4_is_left_to_right(void **state)
{
    (void)state;
    check_eval("2-3-4", "-5");
}

static void test_8_2_2_is_left_to_right(void **state)
{
    (void)state;
    check_eval("8/2/2", "2");
}

static void test_spaces_are_fine(void **state)
{
    (void)state;
    check_eval("400 / 1400", "0.29");
    check_eval("  27  +  4 * 2 ", "35");
}

static void test_2_5_times_2(void **state)
{
    (void)state;
    check_eval("2.5*2", "5");
}

static void test_model_text_is_never_run(void **state)
{
    (void)state;
    static const char *const texts[] = {"__import__('os').system('ls')",
                                        "1 if 1 else 2",
                                        "9**9**9",
                                        "a=1",
                                        "0x10+1e3",
                                        "[1][0]",
                                        "1;2",
                                        "$(ls)",
                                        "`ls`"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *result;
        assert_int_equal(tfc_calculator_eval(texts[i], strlen(texts[i]), &result, NULL), TFC_ENORESULT);
    }
}

/* The source is kept apart and never copied by a model: taking the calls out gives it back, look-alikes and
 * all. */
static void test_source_comes_back(void **state)
{
    (void)state;
    const char *source = "He wrote [Calculator(1 + 1) -> 2] 2, \xE2\x82\xAC 5 [QA( and ] 7.";
    const tfc_call_insert inserts[] = {{0, " [QA(\"x\") -> y]"}, {33, " [Calculator(4 - 2) -> 2]"}};
    char *text, *back;
    size_t n, n_back;
    assert_int_equal(tfc_calls_insert(source, strlen(source), inserts, 2, &text, &n, NULL), TFC_OK);
    assert_int_equal(tfc_calls_remove(text, n, inserts, 2, &back, &n_back, NULL), TFC_OK);
    assert_string_equal(back, source);
    tfc_text_free(text);
    tfc_text_free(back);
}

/* A tool's own result must not be read as the model's answer. */
static void test_result_is_stripped_before_scoring(void **state)
{
    (void)state;
    const char *text = "The answer is [Calculator(12 * 4) -> 48] 50.", *name = "Calculator";
    char *answer;
    size_t n;
    assert_int_equal(tfc_calls_strip(text, strlen(text), &name, 1, &answer, &n, NULL), TFC_OK);
    assert_string_equal(answer, "The answer is 50.");
    tfc_text_free(answer);
}

/* A tool that fails says so: its reason is in the error, and no text stands for its result. */
static void test_failure_is_seen(void **state)
{
    (void)state;
    tfc_tools *tools = tfc_tools_create(NULL, NULL);
    tfc_error err;
    char *result = (char *)tools;
    assert_int_equal(tfc_tool_call(tfc_tools_find(tools, "Calculator"), "1/0", NULL, &result, &err),
                     TFC_ENORESULT);
    assert_null(result);
    assert_string_equal(err.message, "no result for '1/0': division by zero at byte 1");
    tfc_tools_free(tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nested_parentheses_match),
        cmocka_unit_test(test_merged_end_is_seen),
        cmocka_unit_test(test_2_3_4_is_left_to_right),
        cmocka_unit_test(test_8_2_2_is_left_to_right),
        cmocka_unit_test(test_spaces_are_fine),
        cmocka_unit_test(test_2_5_times_2),
        cmocka_unit_test(test_model_text_is_never_run),
        cmocka_unit_test(test_source_comes_back),
        cmocka_unit_test(test_result_is_stripped_before_scoring),
        cmocka_unit_test(test_failure_is_seen),
    };
    return cmocka_run_group_tests_name("mistakes of others: calls", tests, NULL, NULL);
}
