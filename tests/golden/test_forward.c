/* Logits, losses and greedy text of the golden models, on every path of this machine. The numbers were made
 * in float64; tests/fixtures/README.md says how, and what an f32 or bf16 implementation can reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "fixtures.h"
#include "formats/safetensors.h"
#include "kernels/kernels.h"
#include "toolformer/engine.h"

typedef struct golden_case {
    const char *model, *golden;
    double bf16_rms, bf16_max; /* README.md's figures for bf16 */
    double int8_rms, int8_max; /* as measured: the same on every path but for what lies between products */
} golden_case;

static const golden_case cases[] = {
    {"models/llama", "models/llama/golden.safetensors", 0.027, 0.22, 0.042, 0.39},
    {"models/llama3", "models/llama3/golden.safetensors", 0.010, 0.07, 0.016, 0.11},
    {"models/gpt2", "models/gpt2/golden.safetensors", 0.014, 0.08, 0.026, 0.19},
    {"gguf/llama.F32.gguf", "models/llama/golden.safetensors", 0.027, 0.22, 0.042, 0.39},
    {"gguf/gpt2.F32.gguf", "models/gpt2/golden.safetensors", 0.014, 0.08, 0.026, 0.19},
    {"gguf/llama_q.Q8_0.gguf", "gguf/llama_q.Q8_0.golden.safetensors", 0.010, 0.07, 0.036, 0.25},
    {"gguf/llama_q.Q4_0.gguf", "gguf/llama_q.Q4_0.golden.safetensors", 0.010, 0.07, 0.031, 0.17},
    {"gguf/llama_q.Q4_1.gguf", "gguf/llama_q.Q4_1.golden.safetensors", 0.010, 0.07, 0.033, 0.17},
};

typedef struct golden_numbers {
    tfc_safetensors *file;
    const int32_t *ids, *greedy;
    const float *logits, *nll;
    float loss;
    int64_t B, T, V, n_prompt, n_greedy;
} golden_numbers;

static const tfc_safetensors_raw_view *raw(const tfc_safetensors *file, const char *name)
{
    const tfc_safetensors_raw_view *view = tfc_safetensors_raw(file, name);
    if (!view) fail_msg("no tensor '%s'", name);
    return view;
}

static golden_numbers open_golden(const golden_case *c)
{
    char path[512];
    tfc_error err;
    tfc_error_init(&err);
    snprintf(path, sizeof path, "%s/%s", fixtures_folder(), c->golden);
    golden_numbers g = {.file = tfc_safetensors_open(path, true, &err)};
    if (!g.file) fail_msg("%s", err.message);
    const tfc_safetensors_raw_view *logits = raw(g.file, "logits");
    g.ids = raw(g.file, "ids")->data;
    g.greedy = raw(g.file, "greedy")->data;
    g.n_greedy = raw(g.file, "greedy")->dims[0];
    g.nll = raw(g.file, "nll")->data;
    memcpy(&g.loss, raw(g.file, "loss")->data, sizeof g.loss);
    g.logits = logits->data;
    g.B = logits->dims[0];
    g.T = logits->dims[1];
    g.V = logits->dims[2];
    g.n_prompt = g.T < 48 ? 8 : 16; /* as README.md says */
    return g;
}

typedef struct tolerance {
    double logits_max, logits_rms, nll, loss;
} tolerance;

static void check_logits(tfc_session *session, const golden_numbers *g, tolerance t, const char *what)
{
    tfc_error err;
    tfc_error_init(&err);
    float *logits = tfc_alloc((size_t)g->V, sizeof *logits);
    double worst = 0, squares = 0;
    for (int64_t b = 0; b < g->B; b++)
        for (int64_t i = 0; i < g->T; i++) {
            if (tfc_logits(session, g->ids + b * g->T, i + 1, logits, &err) != TFC_OK)
                fail_msg("%s: %s", what, err.message);
            for (int64_t v = 0; v < g->V; v++) {
                double d = fabs((double)logits[v] - (double)g->logits[(b * g->T + i) * g->V + v]);
                if (!(d <= worst)) worst = d;
                squares += d * d;
            }
        }
    double rms = sqrt(squares / (double)(g->B * g->T * g->V));
    printf("%-40s logits max %.2g rms %.2g", what, worst, rms);
    if (!(worst <= t.logits_max) || !(rms <= t.logits_rms)) fail_msg("%s: logits off by %g", what, worst);
    tfc_free(logits);
}

static void check_losses(tfc_session *session, const golden_numbers *g, tolerance t, const char *what)
{
    tfc_error err;
    tfc_error_init(&err);
    size_t n = (size_t)(g->B * (g->T - 1));
    tfc_want *wants = tfc_alloc_zero(n, sizeof *wants);
    tfc_score_request *requests = tfc_alloc_zero((size_t)g->B, sizeof *requests);
    for (int64_t b = 0; b < g->B; b++) {
        tfc_want *row = wants + b * (g->T - 1);
        for (int64_t i = 1; i < g->T; i++)
            row[i - 1] =
                (tfc_want){.kind = TFC_WANT_TOKEN, .position = i, .token = g->ids[b * g->T + i], .lp = 1};
        requests[b] = (tfc_score_request){g->ids + b * g->T, g->T, row, g->T - 1};
    }
    if (tfc_score(session, requests, g->B, &err) != TFC_OK) fail_msg("%s: %s", what, err.message);
    double worst = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs(-wants[i].lp - (double)g->nll[i]);
        if (!(d <= worst)) worst = d;
        sum -= wants[i].lp;
    }
    double loss = fabs(sum / (double)n - (double)g->loss);
    printf(" nll %.2g loss %.2g\n", worst, loss);
    if (!(worst <= t.nll) || !(loss <= t.loss)) fail_msg("%s: nll off by %g, loss by %g", what, worst, loss);
    tfc_free(wants);
    tfc_free(requests);
}

static void check_greedy(tfc_session *session, const golden_numbers *g, const char *what)
{
    tfc_error err;
    tfc_error_init(&err);
    int32_t ids[64];
    tfc_sample_request request = {.ids = g->ids,
                                  .n_ids = g->n_prompt,
                                  .max_new = g->n_greedy,
                                  .sampler = {.top_p = 1},
                                  .ignore_eos = true,
                                  .new_ids = ids};
    if (tfc_sample(session, &request, 1, &err) != TFC_OK) fail_msg("%s: %s", what, err.message);
    assert_int_equal(request.n_new, g->n_greedy);
    assert_memory_equal(ids, g->greedy, (size_t)g->n_greedy * sizeof *ids);
}

static void check_case(const golden_case *c, const char *cpu, const char *operand)
{
    char path[512], what[128];
    tfc_error err;
    tfc_error_init(&err);
    snprintf(path, sizeof path, "%s/%s", fixtures_folder(), c->model);
    snprintf(what, sizeof what, "%s %s %s", c->model, cpu, operand);
    golden_numbers g = open_golden(c);
    tfc_model *model = tfc_model_open(path, &(tfc_model_params){.cpu = cpu, .operand = operand}, &err);
    if (!model) fail_msg("%s", err.message);
    tfc_session_params params = tfc_session_params_default();
    params.n_threads = 1; /* 144 rows are then many, and one is few: both ways through a layer */
    params.batch_tokens = 1024;
    params.kv_bytes = 1 << 20;
    tfc_session *session = tfc_session_create(model, &params, &err);
    if (!session) fail_msg("%s", err.message);
    bool f32 = strcmp(operand, "f32") == 0;
    tolerance t = f32 ? (tolerance){5e-5, 5e-5, 2e-5, 3e-6}
                      : (tolerance){1.5 * c->bf16_max, 1.5 * c->bf16_rms, 1.5 * c->bf16_max, c->bf16_rms};
    if (strcmp(operand, "int8") == 0)
        t = (tolerance){1.5 * c->int8_max, 1.5 * c->int8_rms, 1.5 * c->int8_max, c->int8_rms};
    check_logits(session, &g, t, what);
    check_losses(session, &g, t, what);
    if (f32) check_greedy(session, &g, what);
    tfc_session_free(session);
    tfc_model_free(model);
    tfc_safetensors_close(g.file);
}

static void test_golden(void **state)
{
    (void)state;
    const char *paths[] = {"ref", "avx2", "avx512", "amx"}, *operands[] = {"f32", "bf16", "int8"};
    for (size_t p = 0; p < 4; p++) {
        if (!tfc_kernels_find(paths[p])) {
            printf("this machine lacks %s\n", paths[p]);
            continue;
        }
        for (size_t o = 0; o < 3; o++)
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                check_case(&cases[i], paths[p], operands[o]);
    }
}

/* Logits behind 1 … T tokens of the first text, a row alone and many together; the caller's. */
static float *all_logits(const char *path, const golden_numbers *g, const tfc_model_params *how, size_t *n)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_session_params params = {.n_threads = 1, .batch_tokens = 1024, .kv_bytes = 1 << 20};
    tfc_model *model = tfc_model_open(path, how, &err);
    tfc_session *session = model ? tfc_session_create(model, &params, &err) : NULL;
    if (!session) fail_msg("%s", err.message);
    int64_t V = tfc_model_get_info(model).n_vocab, total = 0;
    *n = (size_t)(2 * V);
    float *logits = tfc_alloc(*n, sizeof *logits);
    assert_non_null(logits);
    for (int64_t length = 1; length <= g->T;
         length += g->T - 1, total += V) /* the second finds the first cached */
        assert_int_equal(tfc_logits(session, g->ids, length, logits + total, &err), TFC_OK);
    tfc_session_free(session);
    tfc_model_free(model);
    return logits;
}

/* Weights kept as the file's blocks give the bits of packed ones. */
static void test_stored(void **state)
{
    (void)state;
    const char *paths[] = {"ref", "avx2", "avx512", "amx"}, *operands[] = {"f32", "bf16"};
    for (size_t i = 0; i < 8 * sizeof cases / sizeof *cases; i++) {
        const golden_case *c = &cases[i / 8];
        tfc_model_params how = {.cpu = paths[i / 2 % 4], .operand = operands[i % 2], .weights = "packed"};
        if (!tfc_kernels_find(how.cpu)) continue;
        char path[512];
        snprintf(path, sizeof path, "%s/%s", fixtures_folder(), c->model);
        golden_numbers g = open_golden(c);
        size_t n;
        float *packed = all_logits(path, &g, &how, &n);
        how.weights = "stored";
        float *stored = all_logits(path, &g, &how, &n);
        if (memcmp(packed, stored, n * sizeof *packed) != 0)
            fail_msg("%s %s %s: other logits from stored weights", c->model, how.cpu, how.operand);
        tfc_free(packed), tfc_free(stored);
        tfc_safetensors_close(g.file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_stored)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
