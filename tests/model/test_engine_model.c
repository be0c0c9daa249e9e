/* The default model: what comes after a plain sentence, the loss of a paragraph on this machine's path
 * against the reference in f32, and probabilities against raw logits over a large vocabulary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "toolformer/engine.h"

static const char paragraph[] =
    "The harbour of the old town was built in the twelfth century, when merchants from the north began to "
    "trade salt, timber and cloth. Today it is used by fishing boats and by a ferry that leaves for the "
    "islands twice a day.";

static char *model_path;

static tfc_model *open_model(const char *cpu, const char *operand)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = tfc_model_open(model_path, &(tfc_model_params){.cpu = cpu, .operand = operand}, &err);
    if (!model) fail_msg("%s", err.message);
    return model;
}

static tfc_session *open_session(tfc_model *model)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_session *session = tfc_session_create(model, NULL, &err);
    if (!session) fail_msg("%s", err.message);
    return session;
}

static int32_t *tokenize(const tfc_model *model, const char *text, int64_t *n)
{
    tfc_error err;
    tfc_error_init(&err);
    int32_t *ids;
    if (tfc_tokenize(tfc_model_tokenizer(model), text, strlen(text), 0, &ids, n, &err) != TFC_OK)
        fail_msg("%s", err.message);
    return ids;
}

static void test_capital(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = open_model(NULL, NULL);
    tfc_session *session = open_session(model);
    int64_t n;
    int32_t *ids = tokenize(model, "The capital of France is", &n);
    tfc_top top[5];
    tfc_want want = {.kind = TFC_WANT_TOP, .position = n, .top = top, .k = 5};
    tfc_score_request request = {ids, n, &want, 1};
    assert_int_equal(tfc_score(session, &request, 1, &err), TFC_OK);
    size_t n_bytes;
    const char *word = tfc_token_text(tfc_model_tokenizer(model), top[0].id, &n_bytes);
    printf("The capital of France is%.*s (p %.2f)\n", (int)n_bytes, word, exp(top[0].lp));
    assert_int_equal(n_bytes, 6);
    assert_memory_equal(word, " Paris", 6);
    tfc_ids_free(ids);
    tfc_session_free(session);
    tfc_model_free(model);
}

/* lp[i]: log p(ids[i+1] | ids[0..i]) */
static void score_all(tfc_session *session, const int32_t *ids, int64_t n, double *lps)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_want *wants = tfc_alloc_zero((size_t)n, sizeof *wants);
    for (int64_t i = 1; i < n; i++)
        wants[i - 1] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = i, .token = ids[i]};
    tfc_score_request request = {ids, n, wants, n - 1};
    if (tfc_score(session, &request, 1, &err) != TFC_OK) fail_msg("%s", err.message);
    for (int64_t i = 0; i + 1 < n; i++) lps[i] = wants[i].lp;
    tfc_free(wants);
}

static void test_paths_agree(void **state)
{
    (void)state;
    tfc_model *fast = open_model(NULL, NULL), *reference = open_model("ref", "f32");
    int64_t n;
    int32_t *ids = tokenize(fast, paragraph, &n);
    assert_true(n > 30 && n < 100);
    double a[100], b[100], loss = 0, loss_fast = 0, difference = 0, worst = 0;
    tfc_session *session = open_session(fast);
    score_all(session, ids, n, a);
    tfc_session_free(session);
    session = open_session(reference);
    score_all(session, ids, n, b);
    tfc_session_free(session);
    for (int64_t i = 0; i + 1 < n; i++) {
        double d = fabs(a[i] - b[i]);
        loss -= b[i] / (double)(n - 1);
        loss_fast -= a[i] / (double)(n - 1);
        difference += d / (double)(n - 1);
        if (d > worst) worst = d;
    }
    tfc_model_info info = tfc_model_get_info(fast);
    printf("%lld tokens, loss %.4f with %s %s, %.4f with ref f32; mean |difference| %.4f, largest %.4f\n",
           (long long)n, loss_fast, info.cpu_path, info.operand, loss, difference, worst);
    assert_true(loss > 1.5 && loss < 4.5);
    assert_true(difference < 0.03 && fabs(loss - loss_fast) < 0.02);
    tfc_ids_free(ids);
    tfc_model_free(fast);
    tfc_model_free(reference);
}

/* Tokens, sets and tops over many chunks of the vocabulary. */
static void test_vocabulary(void **state)
{
    (void)state;
    enum { K = 3000, POSITION = 9 };
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = open_model(NULL, NULL);
    tfc_session *session = open_session(model);
    int64_t n, V = tfc_model_get_info(model).n_vocab;
    int32_t *ids = tokenize(model, paragraph, &n);
    float *logits = tfc_alloc((size_t)V, sizeof *logits);
    assert_int_equal(tfc_logits(session, ids, POSITION, logits, &err), TFC_OK);
    double sum = 0, set_sum = 0;
    for (int64_t v = 0; v < V; v++) sum += exp((double)logits[v]);
    int32_t set[] = {0, 1023, 1024, 20000, (int32_t)V - 1};
    for (int i = 0; i < 5; i++) set_sum += exp((double)logits[set[i]]);
    tfc_top *top = tfc_alloc(K, sizeof *top);
    tfc_want wants[] = {
        {.kind = TFC_WANT_TOKEN, .position = POSITION, .token = (int32_t)V - 1},
        {.kind = TFC_WANT_SET, .position = POSITION, .set = set, .n_set = 5},
        {.kind = TFC_WANT_TOP, .position = POSITION, .top = top, .k = K},
    };
    tfc_score_request request = {ids, n, wants, 3};
    assert_int_equal(tfc_score(session, &request, 1, &err), TFC_OK);
    assert_true(fabs(wants[0].lp - ((double)logits[V - 1] - log(sum))) < 1e-6);
    assert_true(fabs(wants[1].lp - log(set_sum / sum)) < 1e-6);
    int64_t better = 0;
    float last = logits[top[K - 1].id];
    for (int64_t v = 0; v < V; v++) better += logits[v] > last || (logits[v] == last && v < top[K - 1].id);
    assert_int_equal(better, K - 1);
    for (int i = 0; i < K; i++) {
        assert_true(fabs(top[i].lp - ((double)logits[top[i].id] - log(sum))) < 1e-6);
        if (i) assert_true(top[i].lp <= top[i - 1].lp);
    }
    tfc_free(top);
    tfc_free(logits);
    tfc_ids_free(ids);
    tfc_session_free(session);
    tfc_model_free(model);
}

int main(void)
{
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_model_locate(NULL, &model_path, &err) != TFC_OK) {
        printf("skipped: %s\n", err.message);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capital),
        cmocka_unit_test(test_vocabulary),
        cmocka_unit_test(test_paths_agree),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tfc_text_free(model_path);
    return failed;
}
