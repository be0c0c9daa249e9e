/* Generation with the default model: the text that it is known for, calls in the tokens of training, equal
 * bits alone and together. Skipped where the model is absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "toolformer/decode.h"

static tfc_model *model;
static tfc_session *session;
static tfc_tools *calculator;

static tfc_generate_result generate(const char *prompt, const tfc_generate_params *params)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_generate_result result;
    if (tfc_generate(session, &prompt, 1, params, &result, &err) != TFC_OK) fail_msg("%s", err.message);
    return result;
}

static void test_greedy_text(void **state)
{
    (void)state;
    tfc_generate_params params = tfc_generate_params_default();
    params.max_tokens = 1;
    tfc_generate_result result = generate("The capital of France is", &params);
    assert_string_equal(result.text, " Paris");
    assert_true(result.logprobs[0] > -0.5 && result.logprobs[0] < 0);
    tfc_generate_release(&result);
    /* A chat turn ends by itself. */
    params.max_tokens = 40;
    result = generate("<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
                      &params);
    assert_int_equal(result.finish, TFC_GENERATE_EOS);
    assert_non_null(strstr(result.text, "Paris"));
    tfc_generate_release(&result);
}

/* Demonstrated calls, and a place that asks for one: the model copies operands, the result is exact. */
static const char prompt[] =
    "Anna has 12 apples and buys 5 more. She has [Calculator(12 + 5) -> 17] 17 apples.\n\n"
    "A train has 40 seats in each of 6 cars. It has [Calculator(40 * 6) -> 240] 240 seats.\n\n"
    "Out of 1400 participants, 400 passed the test. That is";

static tfc_generate_params with_calculator(void)
{
    tfc_generate_params params = tfc_generate_params_default();
    params.tools = calculator;
    params.call_top_k = 49152; /* a call at once */
    params.max_tokens = 40;
    return params;
}

static void test_a_call_in_the_tokens_of_training(void **state)
{
    (void)state;
    tfc_generate_params params = with_calculator();
    tfc_generate_result result = generate(prompt, &params);
    assert_int_equal(result.n_calls, 1);
    const tfc_made_call *call = &result.calls[0];
    assert_string_equal(call->tool, "Calculator");
    if (!call->result) fail_msg("%s(%s): %s", call->tool, call->args, call->error);
    char head[256], tail[256];
    snprintf(head, sizeof head, " [%s(%s) ->", call->tool, call->args);
    snprintf(tail, sizeof tail, " %s]", call->result);
    const char *parts[] = {head, tail};
    int64_t at = 0;
    for (int i = 0; i < 2; i++) {
        int32_t *ids;
        int64_t n;
        tfc_error err;
        assert_int_equal(
            tfc_tokenize(tfc_model_tokenizer(model), parts[i], strlen(parts[i]), 0, &ids, &n, &err), TFC_OK);
        assert_true(at + n <= result.n_tokens);
        assert_memory_equal(result.ids + at, ids, (size_t)n * sizeof *ids);
        tfc_ids_free(ids);
        at += n;
    }
    assert_memory_equal(result.text, head, strlen(head));
    assert_memory_equal(result.text + strlen(head), tail, strlen(tail));
    tfc_generate_release(&result);
}

static void test_together_and_alone(void **state)
{
    (void)state;
    const char *prompts[] = {prompt, "The capital of France is", "2 + 2 ="};
    tfc_generate_params params = with_calculator();
    params.call_top_k = 10;
    params.max_tokens = 12;
    tfc_generate_result together[3];
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_generate(session, prompts, 3, &params, together, &err) != TFC_OK) fail_msg("%s", err.message);
    for (int i = 0; i < 3; i++) {
        tfc_generate_result alone = generate(prompts[i], &params);
        assert_string_equal(alone.text, together[i].text);
        assert_int_equal(alone.n_tokens, together[i].n_tokens);
        assert_memory_equal(alone.logprobs, together[i].logprobs,
                            (size_t)alone.n_tokens * sizeof *alone.logprobs);
        tfc_generate_release(&alone);
        tfc_generate_release(&together[i]);
    }
}

int main(void)
{
    tfc_error err;
    tfc_error_init(&err);
    char *path;
    if (tfc_model_locate(NULL, &path, &err) != TFC_OK) {
        printf("skipped: %s\n", err.message);
        return 77;
    }
    model = tfc_model_open(path, NULL, &err);
    session = model ? tfc_session_create(model, NULL, &err) : NULL;
    calculator = session ? tfc_tools_create("Calculator", &err) : NULL;
    tfc_text_free(path);
    if (!calculator) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy_text),
        cmocka_unit_test(test_a_call_in_the_tokens_of_training),
        cmocka_unit_test(test_together_and_alone),
    };
    int failed = cmocka_run_group_tests_name("generate_model", tests, NULL, NULL);
    tfc_tools_free(calculator);
    tfc_session_free(session);
    tfc_model_free(model);
    return failed;
}
