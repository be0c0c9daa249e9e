/* Loss, gradients and AdamW steps against PyTorch's in float64, on every path that this machine has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "train/trainer.h"

enum { MAX_SEQUENCES = 8 };

static const char *const models[] = {"llama", "llama3", "gpt2"};
static const char *const paths[] = {"ref", "avx2", "avx512", "amx"};
enum { N_MODELS = 3, N_PATHS = 4 };

static void fixture_path(char *out, size_t n, const char *name)
{
    const char *root = getenv("TFC_FIXTURES");
    if (root)
        snprintf(out, n, "%s/%s", root, name);
    else
        snprintf(out, n, "%s/tests/fixtures/%s", TFC_SOURCE_DIR, name);
}

typedef struct golden {
    tfc_model *model;
    tfc_safetensors *values;
    tfc_pool *pool;
    tfc_trainer trainer;
    const int32_t *ids; /* [B, T] */
    int64_t B, T;
} golden;

static const tfc_safetensors_raw_view *golden_value(const golden *g, const char *name)
{
    const tfc_safetensors_raw_view *view = tfc_safetensors_raw(g->values, name);
    if (!view) fail_msg("no golden value '%s'", name);
    return view;
}

static void golden_train(golden *g, const tfc_trainer_options *options)
{
    tfc_error err;
    if (tfc_trainer_init(&g->trainer, g->model, g->pool, options, &err) != TFC_OK)
        fail_msg("%s", err.message);
}

static void golden_open(golden *g, const char *name, const char *cpu, const char *operand, int n_threads)
{
    tfc_error err;
    char path[4096], file[64];
    snprintf(file, sizeof file, "models/%s", name);
    fixture_path(path, sizeof path, file);
    tfc_model_params params = tfc_model_params_default();
    params.cpu = cpu;
    params.operand = operand;
    params.n_threads = n_threads;
    g->model = tfc_model_open(path, &params, &err);
    if (!g->model) fail_msg("%s", err.message);
    snprintf(file, sizeof file, "models/%s/golden.safetensors", name);
    fixture_path(path, sizeof path, file);
    g->values = tfc_safetensors_open(path, true, &err);
    if (!g->values) fail_msg("%s", err.message);
    const tfc_safetensors_raw_view *ids = golden_value(g, "ids");
    g->ids = ids->data;
    g->B = ids->dims[0];
    g->T = ids->dims[1];
    g->pool = tfc_pool_create(n_threads, &err);
    assert_non_null(g->pool);
    golden_train(g, &(tfc_trainer_options){.operand = g->model->operand, .max_tokens = g->T});
}

static void golden_close(golden *g)
{
    tfc_trainer_release(&g->trainer);
    tfc_pool_free(g->pool);
    tfc_safetensors_close(g->values);
    tfc_model_free(g->model);
}

/* Gradients of the mean loss over whole sequences of these lengths, cut from ids one after another and packed
 * as far as max_tokens allows. */
static double run_sequences(golden *g, const int64_t *lengths, int64_t n, bool backward)
{
    tfc_trainer *t = &g->trainer;
    int64_t n_targets = 0, row = 0;
    double nll = 0;
    int32_t targets[256];
    for (int64_t s = 0; s < n; s++) n_targets += lengths[s] - 1;
    for (int64_t first = 0, last; first < n; first = last) {
        tfc_train_pack pack = {.ids = g->ids + row, .targets = targets, .lengths = lengths + first};
        for (last = first; last < n && pack.T + lengths[last] <= t->max_tokens; last++) {
            for (int64_t i = 0; i < lengths[last]; i++)
                targets[pack.T + i] = i + 1 < lengths[last] ? pack.ids[pack.T + i + 1] : -1;
            pack.T += lengths[last];
            pack.n_sequences++;
        }
        nll += tfc_trainer_run(t, &pack, (float)(1.0 / (double)n_targets), backward);
        row += pack.T;
    }
    return nll / (double)n_targets;
}

static double golden_step(golden *g, bool backward)
{
    int64_t lengths[MAX_SEQUENCES];
    for (int64_t b = 0; b < g->B; b++) lengths[b] = g->T;
    return run_sequences(g, lengths, g->B, backward);
}

static float golden_at(const tfc_weight *weight, const float *values, int64_t n, int64_t k)
{
    return weight->transposed ? values[k * weight->n_out + n] : values[n * weight->n_in + k];
}

/* Largest difference over a tensor, and the largest value of the reference. */
typedef struct difference {
    double max, largest, squares, reference;
} difference;

static difference compare(const golden *g, const tfc_param *param, const char *prefix, const float *values)
{
    const tfc_weight *weight = tfc_weights_part(&g->model->weights, param->part, param->layer);
    char name[200];
    snprintf(name, sizeof name, "%s.%s", prefix, weight->tensor->name);
    const tfc_safetensors_raw_view *view = golden_value(g, name);
    assert_int_equal(view->n_bytes, (size_t)(param->n_out * param->n_in) * sizeof(float));
    difference d = {0};
    for (int64_t n = 0; n < param->n_out; n++)
        for (int64_t k = 0; k < param->n_in; k++) {
            double want = golden_at(weight, view->data, n, k);
            double delta = fabs((double)values[param->offset + n * param->n_in + k] - want);
            if (!(delta <= d.max)) d.max = delta; /* keeps NaN */
            d.largest = fmax(d.largest, fabs(want));
            d.squares += delta * delta;
            d.reference += want * want;
        }
    return d;
}

/* parted: the head in three parts of the vocabulary and two chunks of rows. */
static void check_gradients(const char *cpu, const char *model, bool parted)
{
    golden g;
    golden_open(&g, model, cpu, "f32", 2);
    if (parted) {
        tfc_trainer_release(&g.trainer);
        golden_train(&g, &(tfc_trainer_options){.max_tokens = g.T, .head_part = 100, .logits_bytes = 1});
        assert_int_equal(g.trainer.n_head_parts, 3);
        assert_int_equal(g.trainer.head_rows, 32);
    }
    tfc_trainer *t = &g.trainer;
    tfc_trainer_zero_grad(t);
    double loss = golden_step(&g, true), want = *(const float *)golden_value(&g, "loss")->data;
    if (!(fabs(loss - want) <= 3e-6))
        fail_msg("%s %s: loss %.8f, not %.8f", g.model->kernels->name, model, loss, want);
    for (int64_t i = 0; i < t->params.n_tensors; i++) {
        difference d = compare(&g, &t->params.tensors[i], "grad", t->params.grad);
        if (!(d.max <= 1e-4 * d.largest + 1e-9))
            fail_msg("%s %s: gradient of part %d, layer %lld is off by %.3g of %.3g", g.model->kernels->name,
                     model, t->params.tensors[i].part, (long long)t->params.tensors[i].layer, d.max,
                     d.largest);
    }
    golden_close(&g);
}

static void test_gradients(void **state)
{
    (void)state;
    for (int p = 0; p < N_PATHS; p++)
        for (int m = 0; m < N_MODELS && tfc_kernels_find(paths[p]); m++)
            check_gradients(paths[p], models[m], false);
}

static void test_parted_head(void **state)
{
    (void)state;
    for (int m = 0; m < N_MODELS; m++) check_gradients(NULL, models[m], true);
}

/* A weight is held to 1e-4 where its gradient is no rounding noise, to three steps of lr elsewhere. */
static void check_adamw(const char *cpu, const char *model)
{
    golden g;
    golden_open(&g, model, cpu, "f32", 2);
    tfc_trainer *t = &g.trainer;
    tfc_adamw adamw = {
        .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip = 1};
    for (int64_t step = 1; step <= 3; step++) {
        tfc_trainer_zero_grad(t);
        golden_step(&g, true);
        double norm = tfc_trainer_grad_norm(t);
        tfc_trainer_update(t, &adamw, step, norm);
        /* All three are clipped to 1. Adam hardly sees the scale of a gradient, but m does. */
        double squares = t->kernels->sum_squares(t->params.m, t->params.n_values);
        if (step == 1 && !(norm > 1 && fabs(sqrt(squares) - 0.1) < 1e-4))
            fail_msg("%s %s: |g| = %g, |m| = %g after one step", cpu, model, norm, sqrt(squares));
    }
    for (int64_t i = 0; i < t->params.n_tensors; i++) {
        const tfc_param *param = &t->params.tensors[i];
        const tfc_weight *weight = tfc_weights_part(&g.model->weights, param->part, param->layer);
        char name[200];
        snprintf(name, sizeof name, "grad.%s", weight->tensor->name);
        const float *gradient = golden_value(&g, name)->data;
        snprintf(name, sizeof name, "adamw3.%s", weight->tensor->name);
        const float *want = golden_value(&g, name)->data;
        for (int64_t n = 0; n < param->n_out; n++)
            for (int64_t k = 0; k < param->n_in; k++) {
                double limit = fabsf(golden_at(weight, gradient, n, k)) > 1e-6F ? 1e-4 : 3e-3;
                double value = t->params.w[param->offset + n * param->n_in + k];
                if (!(fabs(value - (double)golden_at(weight, want, n, k)) <= limit))
                    fail_msg("%s %s %s [%lld,%lld]: %.7g", cpu, model, name, (long long)n, (long long)k,
                             value);
            }
    }
    golden_close(&g);
}

static void test_adamw(void **state)
{
    (void)state;
    for (int p = 0; p < N_PATHS; p++)
        for (int m = 0; m < N_MODELS && tfc_kernels_find(paths[p]); m++) check_adamw(paths[p], models[m]);
}

/* bf16 operands: the loss within the figure of golden.json, gradients within a few units of 2^-8. */
static void test_bf16(void **state)
{
    (void)state;
    for (int p = 0; p < N_PATHS; p++)
        for (int m = 0; m < N_MODELS && tfc_kernels_find(paths[p]); m++) {
            golden g;
            golden_open(&g, models[m], paths[p], "bf16", 2);
            tfc_trainer *t = &g.trainer;
            tfc_trainer_zero_grad(t);
            double loss = golden_step(&g, true), want = *(const float *)golden_value(&g, "loss")->data;
            if (!(fabs(loss - want) <= 2.5e-3))
                fail_msg("%s %s: %.6f, not %.6f", paths[p], models[m], loss, want);
            double squares = 0, reference = 0;
            for (int64_t i = 0; i < t->params.n_tensors; i++) {
                difference d = compare(&g, &t->params.tensors[i], "grad", t->params.grad);
                squares += d.squares;
                reference += d.reference;
            }
            if (!(squares <= reference * 0.03 * 0.03))
                fail_msg("%s %s: gradient off by %.3g of its length", paths[p], models[m],
                         sqrt(squares / reference));
            golden_close(&g);
        }
}

/* Sequences in one pack do not see each other: the sum of what each gives alone. */
static void test_packing(void **state)
{
    (void)state;
    for (int m = 0; m < N_MODELS; m++) {
        const int64_t lengths[] = {11, 1, 17, 2, 9, 48, 20, 20}; /* 128 */
        golden g;
        golden_open(&g, models[m], NULL, "f32", 2);
        tfc_trainer *t = &g.trainer;
        tfc_trainer_release(t);
        golden_train(&g, &(tfc_trainer_options){.max_tokens = g.model->hparams.context});
        size_t bytes = (size_t)t->params.n_values * sizeof(float);
        tfc_trainer_zero_grad(t);
        double together = run_sequences(&g, lengths, 8, true);
        float *gradient = malloc(bytes);
        memcpy(gradient, t->params.grad, bytes);
        tfc_trainer_zero_grad(t);
        int64_t max_tokens = t->max_tokens;
        t->max_tokens = 48; /* llama3: four packs instead of one */
        double apart = run_sequences(&g, lengths, 8, true);
        t->max_tokens = max_tokens;
        if (fabs(together - apart) > 1e-6) fail_msg("%s: %.8f, apart %.8f", models[m], together, apart);
        for (int64_t i = 0; i < t->params.n_values; i++)
            if (!(fabsf(gradient[i] - t->params.grad[i]) <= 1e-5F))
                fail_msg("%s: gradient %lld: %g, apart %g", models[m], (long long)i, (double)gradient[i],
                         (double)t->params.grad[i]);
        free(gradient);
        golden_close(&g);
    }
}

/* The same bytes for any number of threads, and without backward the same loss. */
static void test_threads(void **state)
{
    (void)state;
    for (int m = 0; m < N_MODELS; m++)
        for (int operand = 0; operand <= TFC_OPERAND_BF16; operand++) {
            float *first = NULL;
            for (int n_threads = 1; n_threads <= 3; n_threads++) {
                golden g;
                golden_open(&g, models[m], NULL, operand == TFC_OPERAND_F32 ? "f32" : "bf16", n_threads);
                tfc_trainer *t = &g.trainer;
                size_t bytes = (size_t)t->params.n_values * sizeof(float);
                const int64_t lengths[] = {40, 5, 43, 37, 19};
                tfc_adamw adamw = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .clip = 1};
                for (int64_t step = 1; step <= 2; step++) {
                    tfc_trainer_zero_grad(t);
                    double loss = run_sequences(&g, lengths, 5, false);
                    assert_true(loss == run_sequences(&g, lengths, 5, true));
                    tfc_trainer_update(t, &adamw, step, tfc_trainer_grad_norm(t));
                }
                if (!first) {
                    first = malloc(bytes);
                    memcpy(first, t->params.w, bytes);
                }
                if (memcmp(first, t->params.w, bytes) != 0) fail_msg("%s, %d threads", models[m], n_threads);
                golden_close(&g);
            }
            free(first);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients), cmocka_unit_test(test_adamw),       cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_packing),   cmocka_unit_test(test_parted_head), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
