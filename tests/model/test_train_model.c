/* The default model in training: its loss is the engine's, its gradient points where the loss rises, and a
 * few steps learn a text. Sizes are real here: several parts of the vocabulary, several chunks of rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "toolformer/engine.h"
#include "train/trainer.h"

static const char text[] =
    "The mill by the river ground 48 sacks of rye on Monday and 36 on Tuesday. By the end of the second day "
    "the "
    "miller had filled 84 sacks, which he stacked beside the door, eleven to a row, until there was hardly "
    "room "
    "to turn round. The carter came on Wednesday, looked at the sacks, and asked for two more horses.";

static char *model_path;

typedef struct setting {
    tfc_model *model;
    tfc_pool *pool;
    tfc_trainer trainer;
    int32_t *ids, targets[256];
    int64_t T;
    tfc_train_pack pack;
} setting;

static void setting_open(setting *s, const char *operand, bool reference, bool freeze)
{
    tfc_error err;
    s->model = tfc_model_open(model_path, &(tfc_model_params){.operand = operand}, &err);
    if (!s->model) fail_msg("%s", err.message);
    s->pool = tfc_pool_create(2, &err);
    assert_non_null(s->pool);
    assert_int_equal(tfc_tokenize(s->model->tokenizer, text, strlen(text), 0, &s->ids, &s->T, &err), TFC_OK);
    assert_in_range(s->T, 64, 200);
    for (int64_t i = 0; i < s->T; i++) s->targets[i] = i + 1 < s->T ? s->ids[i + 1] : -1;
    s->pack =
        (tfc_train_pack){.T = s->T, .ids = s->ids, .targets = s->targets, .n_sequences = 1, .lengths = &s->T};
    tfc_trainer_options options = {
        .operand = s->model->operand, .max_tokens = s->T, .freeze_embeddings = freeze};
    if (reference) {
        assert_int_equal(tfc_model_pack(s->model, s->pool, &err), TFC_OK);
        options.reference = s->model;
    }
    options.logits_bytes = 32 * 4 * (size_t)s->model->hparams.V; /* chunks of 32 rows */
    if (tfc_trainer_init(&s->trainer, s->model, s->pool, &options, &err) != TFC_OK)
        fail_msg("%s", err.message);
    assert_true(s->trainer.n_head_parts > 10 && s->trainer.head_rows == 32);
}

static void setting_close(setting *s)
{
    tfc_trainer_release(&s->trainer);
    tfc_pool_free(s->pool);
    tfc_ids_free(s->ids);
    tfc_model_free(s->model);
}

static double loss(setting *s, bool backward)
{
    double n = (double)(s->T - 1);
    return tfc_trainer_run(&s->trainer, &s->pack, (float)(1 / n), backward) / n;
}

static double engine_loss(setting *s)
{
    tfc_error err;
    tfc_want wants[256];
    for (int64_t i = 1; i < s->T; i++)
        wants[i - 1] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = i, .token = s->ids[i]};
    tfc_score_request request = {s->ids, s->T, wants, s->T - 1};
    tfc_session *session = tfc_session_create(s->model, NULL, &err);
    if (!session || tfc_score(session, &request, 1, &err) != TFC_OK) fail_msg("%s", err.message);
    double sum = 0;
    for (int64_t i = 1; i < s->T; i++) sum -= wants[i - 1].lp;
    tfc_session_free(session);
    return sum / (double)(s->T - 1);
}

/* Moves all weights by `by` times the gradient's direction. */
static void move(setting *s, double by, double norm)
{
    tfc_param_set *p = &s->trainer.params;
    for (int64_t i = 0; i < p->n_values; i++) p->w[i] += (float)(by / norm * (double)p->grad[i]);
    tfc_trainer_pack_weights(&s->trainer);
}

/* The slope of the loss along its gradient is the gradient's length. */
static void check_slope(setting *s, double norm)
{
    double step = 0.002;
    move(s, step, norm);
    double up = loss(s, false);
    move(s, -2 * step, norm);
    double down = loss(s, false), slope = (up - down) / (2 * step);
    if (!(fabs(slope / norm - 1) < 0.02)) fail_msg("slope %.5f along a gradient of length %.5f", slope, norm);
    move(s, step, norm);
}

static double gradient(setting *s)
{
    tfc_trainer_zero_grad(&s->trainer);
    loss(s, true);
    return tfc_trainer_grad_norm(&s->trainer);
}

static void test_f32(void **state)
{
    (void)state;
    setting s;
    setting_open(&s, "f32", false, false);
    double own = loss(&s, false), engine = engine_loss(&s);
    if (!(fabs(own - engine) < 1e-5)) fail_msg("loss %.7f, the engine's %.7f", own, engine);
    tfc_trainer_zero_grad(&s.trainer);
    loss(&s, true);
    check_slope(&s, tfc_trainer_grad_norm(&s.trainer));
    setting_close(&s);
}

/* Against the reference's distribution: no pull where the weights are the reference's, the true gradient
 * elsewhere, and steps along it lead back. */
static void test_reference(void **state)
{
    (void)state;
    setting s;
    setting_open(&s, "f32", true, false);
    double text_norm = gradient(&s);
    s.pack.match_reference = true;
    double entropy = loss(&s, false), still = gradient(&s);
    if (!(still < 1e-4 * text_norm)) fail_msg("the gradient at the reference is %g", still);
    s.pack.match_reference = false;
    gradient(&s);
    move(&s, -0.3, text_norm);
    s.pack.match_reference = true;
    double moved = loss(&s, false), norm = gradient(&s);
    if (!(moved > entropy + 0.01)) fail_msg("%.5f, moved away %.5f", entropy, moved);
    check_slope(&s, norm);
    tfc_adamw adamw = {.lr = 1e-5, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .clip = 1};
    for (int64_t i = 1; i <= 4; i++) {
        norm = gradient(&s);
        tfc_trainer_update(&s.trainer, &adamw, i, norm);
    }
    double back = loss(&s, false);
    if (!(back - entropy < 0.5 * (moved - entropy))) fail_msg("%.5f → %.5f → %.5f", entropy, moved, back);
    setting_close(&s);
}

/* Frozen tables keep their bits, and the others' gradient is what it is without. */
static void test_frozen(void **state)
{
    (void)state;
    setting whole, frozen;
    setting_open(&whole, NULL, false, false);
    setting_open(&frozen, NULL, false, true);
    const tfc_param *table = tfc_param_find(&whole.trainer.params, TFC_PART_TOKEN_EMBEDDING, -1);
    size_t n = (size_t)(table->n_out * table->n_in) * sizeof(float);
    float *before = malloc(n), *now = frozen.trainer.params.w + table->offset;
    assert_non_null(before);
    memcpy(before, now, n);
    gradient(&whole);
    double norm = gradient(&frozen);
    const tfc_param_set *a = &whole.trainer.params, *b = &frozen.trainer.params;
    for (int64_t i = 0; i < a->n_tensors; i++) {
        const tfc_param *p = &a->tensors[i];
        const float *wanted = a->grad + p->offset, *got = b->grad + p->offset;
        for (int64_t j = 0; j < p->n_out * p->n_in; j++) assert_true(got[j] == (p == table ? 0 : wanted[j]));
    }
    tfc_adamw adamw = {
        .lr = 5e-5, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 1, .clip = 1};
    double loss_before = loss(&frozen, false);
    tfc_trainer_update(&frozen.trainer, &adamw, 1, norm);
    assert_memory_equal(now, before, n);
    assert_true(loss(&frozen, false) < loss_before);
    free(before);
    setting_close(&whole);
    setting_close(&frozen);
}

static void test_learns(void **state)
{
    (void)state;
    setting s;
    setting_open(&s, NULL, false, false);
    double before = loss(&s, false), engine = engine_loss(&s);
    if (!(fabs(before - engine) < 0.02)) fail_msg("loss %.5f, the engine's %.5f", before, engine);
    tfc_adamw adamw = {.lr = 5e-5, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .clip = 1};
    for (int64_t i = 1; i <= 4; i++) {
        tfc_trainer_zero_grad(&s.trainer);
        loss(&s, true);
        tfc_trainer_update(&s.trainer, &adamw, i, tfc_trainer_grad_norm(&s.trainer));
    }
    double after = loss(&s, false);
    if (!(after < before - 0.3)) fail_msg("four steps: %.4f from %.4f", after, before);
    setting_close(&s);
}

int main(void)
{
    if (tfc_model_locate(NULL, &model_path, NULL) != TFC_OK) {
        printf("skipped: the default model is not there (toolformer model fetch)\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_f32), cmocka_unit_test(test_learns),
                                       cmocka_unit_test(test_reference), cmocka_unit_test(test_frozen)};
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    tfc_text_free(model_path);
    return result;
}
