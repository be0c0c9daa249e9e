/* Exports against what llama.cpp's converter and transformers wrote, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "toolformer/train.h"
#include "train/trainer.h"

static char folder[] = "/tmp/tfc-export-XXXXXX";

static char *fixture(const char *name)
{
    static char path[4096];
    const char *root = getenv("TFC_FIXTURES");
    snprintf(path, sizeof path, "%s%s/%s", root ? root : TFC_SOURCE_DIR, root ? "" : "/tests/fixtures", name);
    return path;
}

static const char *output(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static tfc_model *open_model(const char *path)
{
    tfc_error err;
    tfc_model_params params = tfc_model_params_default();
    params.operand = "f32";
    tfc_model *model = tfc_model_open(path, &params, &err);
    if (!model) fail_msg("%s: %s", path, err.message);
    return model;
}

/* Opens `from`, writes it, opens what was written. */
static tfc_model *round_trip(const char *from, const char *to, const char *format, const char *type)
{
    tfc_error err;
    tfc_model *model = open_model(from);
    if (tfc_model_export(model, output(to), format, type, &err) != TFC_OK)
        fail_msg("%s as %s %s: %s", from, format, type, err.message);
    tfc_model_free(model);
    return open_model(output(to));
}

static const tfc_tensor_set *tensors_of(const tfc_model *model)
{
    return model->gguf ? tfc_gguf_tensors(model->gguf) : tfc_safetensors_tensors(model->safetensors);
}

/* Every tensor of `want` is in `got` with the same type, shape and bytes. `prefix`: before the names in got.
 */
static void same_tensors(const tfc_model *got, const tfc_model *want)
{
    const tfc_tensor_set *set = tensors_of(want);
    int64_t n = 0;
    for (int64_t i = 0; i < set->n_tensors; i++) {
        const tfc_tensor_view *a = &set->tensors[i], *b = tfc_tensor_find(tensors_of(got), a->name);
        if (!b) fail_msg("'%s' is missing", a->name);
        assert_int_equal(a->dtype, b->dtype);
        assert_int_equal(a->n_dims, b->n_dims);
        assert_memory_equal(a->dims, b->dims, sizeof a->dims);
        if (memcmp(a->data, b->data, a->n_bytes) != 0) fail_msg("'%s' differs", a->name);
        n++;
    }
    assert_int_equal(n, tensors_of(got)->n_tensors);
    assert_true(n > 10);
}

static void same_tokens(const tfc_model *a, const tfc_model *b)
{
    static const char *const texts[] = {"Hello, world! 1234", " caf\xC3\xA9 \xE4\xBD\xA0\n\n  x",
                                        "[Calendar()]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int32_t *x, *y;
        int64_t n, m;
        tfc_error err;
        assert_int_equal(
            tfc_tokenize(a->tokenizer, texts[i], strlen(texts[i]), TFC_TOKENIZE_ADD_BOS, &x, &n, &err), 0);
        assert_int_equal(
            tfc_tokenize(b->tokenizer, texts[i], strlen(texts[i]), TFC_TOKENIZE_ADD_BOS, &y, &m, &err), 0);
        assert_int_equal(n, m);
        assert_memory_equal(x, y, (size_t)n * sizeof *x);
        tfc_ids_free(x);
        tfc_ids_free(y);
    }
    assert_int_equal(tfc_tokenizer_bos(a->tokenizer), tfc_tokenizer_bos(b->tokenizer));
    assert_int_equal(tfc_tokenizer_eos(a->tokenizer), tfc_tokenizer_eos(b->tokenizer));
    assert_int_equal(tfc_tokenizer_adds_bos(a->tokenizer), tfc_tokenizer_adds_bos(b->tokenizer));
}

static void test_hf_to_gguf(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"models/llama", "gguf/llama.F32.gguf"},
                                           {"models/gpt2", "gguf/gpt2.F32.gguf"}};
    for (size_t i = 0; i < 2; i++) {
        tfc_model *got = round_trip(fixture(names[i][0]), "a.gguf", "gguf", "F32");
        tfc_model *want = open_model(fixture(names[i][1]));
        same_tensors(got, want);
        same_tokens(got, want);
        tfc_model_free(got);
        tfc_model_free(want);
    }
}

static void test_gguf_to_hf(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"models/llama", "gguf/llama.F32.gguf"},
                                           {"models/gpt2", "gguf/gpt2.F32.gguf"}};
    for (size_t i = 0; i < 2; i++) {
        tfc_model *got = round_trip(fixture(names[i][1]), "hf", "safetensors", "F32");
        tfc_model *want = open_model(fixture(names[i][0]));
        for (int64_t layer = -1; layer < want->hparams.L; layer++)
            for (int part = 0; part < TFC_N_PARTS; part++) {
                if ((part <= TFC_PART_HEAD) != (layer < 0)) continue;
                const tfc_weight *a = tfc_weights_part(&want->weights, (tfc_part)part, layer);
                const tfc_weight *b = tfc_weights_part(&got->weights, (tfc_part)part, layer);
                if (!a || !a->tensor) continue;
                assert_string_equal(a->tensor->name, b->tensor->name);
                assert_int_equal(a->tensor->n_bytes, b->tensor->n_bytes);
                if (memcmp(a->tensor->data, b->tensor->data, a->tensor->n_bytes) != 0)
                    fail_msg("'%s' differs", a->tensor->name);
            }
        same_tokens(got, want);
        tfc_model_free(got);
        tfc_model_free(want);
    }
}

/* Metadata of a GGUF base stay as they are, but for the type. */
static void test_metadata(void **state)
{
    (void)state;
    tfc_model *base = open_model(fixture("gguf/llama.F32.gguf"));
    tfc_model *got = round_trip(fixture("gguf/llama.F32.gguf"), "m.gguf", "gguf", "BF16");
    assert_int_equal(tfc_gguf_n_kv(base->gguf), tfc_gguf_n_kv(got->gguf));
    int64_t type;
    tfc_error err;
    assert_int_equal(tfc_gguf_get_int(got->gguf, "general.file_type", &type, NULL, &err), TFC_OK);
    assert_int_equal(type, 32);
    for (int64_t i = 0; i < tfc_gguf_n_kv(base->gguf); i++) {
        tfc_gguf_kv a = tfc_gguf_kv_at(base->gguf, i), b = tfc_gguf_kv_at(got->gguf, i);
        assert_int_equal(a.n_key, b.n_key);
        assert_memory_equal(a.key, b.key, a.n_key);
        if (a.n_key == 17 && memcmp(a.key, "general.file_type", 17) == 0) continue;
        assert_int_equal(a.type, b.type);
        assert_int_equal(a.n_value, b.n_value);
        assert_memory_equal(a.value, b.value, a.n_value);
    }
    tfc_model_free(base);
    tfc_model_free(got);
}

/* Matrices hold the quantised values, vectors the exact ones. Rows of 36 values have no Q8_0 blocks. */
static void test_types(void **state)
{
    (void)state;
    static const char *const types[] = {"F16", "BF16", "Q8_0"};
    for (size_t k = 0; k < 3; k++) {
        tfc_model *base = open_model(fixture("gguf/llama.F32.gguf"));
        tfc_model *got = round_trip(fixture("gguf/llama.F32.gguf"), "t.gguf", "gguf", types[k]);
        const tfc_tensor_set *set = tensors_of(base);
        for (int64_t i = 0; i < set->n_tensors; i++) {
            const tfc_tensor_view *a = &set->tensors[i], *b = tfc_tensor_find(tensors_of(got), a->name);
            assert_non_null(b);
            if (a->n_dims == 1) assert_int_equal(b->dtype, TFC_F32);
            bool blocks = a->dims[a->n_dims - 1] % 32 == 0;
            if (a->n_dims == 2)
                assert_string_equal(tfc_dtype_name(b->dtype), k == 2 && !blocks ? "F16" : types[k]);
            int64_t n = a->dims[a->n_dims - 1], rows = a->n_dims == 2 ? a->dims[0] : 1;
            size_t row_bytes = tfc_dtype_row_bytes(b->dtype, n);
            unsigned char row[4096];
            for (int64_t r = 0; r < rows; r++) {
                tfc_quantize_row(row, (const float *)a->data + r * n, n, b->dtype);
                assert_memory_equal(row, (const char *)b->data + (size_t)r * row_bytes, row_bytes);
            }
        }
        tfc_model_free(base);
        tfc_model_free(got);
    }
}

static double loss_of(tfc_model *model, const int32_t *ids, int64_t T)
{
    tfc_error err;
    tfc_trainer trainer;
    tfc_trainer_options options = {.operand = TFC_OPERAND_F32, .max_tokens = T};
    int32_t targets[64];
    tfc_pool *pool = tfc_pool_create(1, &err);
    if (tfc_trainer_init(&trainer, model, pool, &options, &err) != TFC_OK) fail_msg("%s", err.message);
    for (int64_t i = 0; i < T; i++) targets[i] = i + 1 < T ? ids[i + 1] : -1;
    tfc_train_pack pack = {.T = T, .ids = ids, .targets = targets, .n_sequences = 1, .lengths = &T};
    double nll = tfc_trainer_run(&trainer, &pack, 0, false);
    tfc_trainer_release(&trainer);
    tfc_pool_free(pool);
    return nll / (double)(T - 1);
}

/* Every way round gives the same loss: rotary order, llama3's scaling, transposed matrices. */
static void test_losses(void **state)
{
    (void)state;
    static const char *const names[] = {"models/llama", "models/llama3", "models/gpt2",
                                        "gguf/llama.F32.gguf"};
    static const char *const formats[] = {"gguf", "safetensors"};
    int32_t ids[48];
    for (int i = 0; i < 48; i++) ids[i] = i * 37 % 250;
    for (size_t i = 0; i < 4; i++)
        for (size_t f = 0; f < 2; f++) {
            tfc_model *base = open_model(fixture(names[i]));
            tfc_model *got = round_trip(fixture(names[i]), f ? "hf2" : "l.gguf", formats[f], "F32");
            double a = loss_of(base, ids, 48), b = loss_of(got, ids, 48);
            if (!(fabs(a - b) <= 3e-6)) fail_msg("%s as %s: %.8f, not %.8f", names[i], formats[f], b, a);
            assert_int_equal(got->hparams.tied, base->hparams.tied);
            assert_int_equal(got->hparams.context, base->hparams.context);
            same_tokens(base, got);
            tfc_model_free(base);
            tfc_model_free(got);
        }
}

/* Every value is base_share of the base model's and the rest the other's. */
static void test_blend(void **state)
{
    (void)state;
    static const char *const names[] = {"gguf/llama.F32.gguf", "gguf/gpt2.F32.gguf"};
    for (size_t k = 0; k < 2; k++) {
        tfc_error err;
        tfc_model *base = open_model(fixture(names[k]));
        tfc_model *other = round_trip(fixture(names[k]), "q.gguf", "gguf", "Q8_0");
        if (tfc_model_blend(other, base, 0.25, output("blend"), &err) != TFC_OK) fail_msg("%s", err.message);
        tfc_model *got = open_model(output("blend"));
        int64_t n_changed = 0;
        const tfc_tensor_set *set = tensors_of(base);
        for (int64_t i = 0; i < set->n_tensors; i++) {
            const tfc_tensor_view *a = &set->tensors[i], *b = tfc_tensor_find(tensors_of(other), a->name),
                                  *c = tfc_tensor_find(tensors_of(got), a->name);
            int64_t n = a->dims[a->n_dims - 1], rows = a->n_dims == 2 ? a->dims[0] : 1;
            for (int64_t r = 0; r < rows; r++) {
                float x[4096], y[4096], z[4096];
                assert_true(n <= 4096);
                tfc_dequantize_row(x, (const char *)a->data + (size_t)r * tfc_dtype_row_bytes(a->dtype, n), n,
                                   a->dtype);
                tfc_dequantize_row(y, (const char *)b->data + (size_t)r * tfc_dtype_row_bytes(b->dtype, n), n,
                                   b->dtype);
                tfc_dequantize_row(z, (const char *)c->data + (size_t)r * tfc_dtype_row_bytes(c->dtype, n), n,
                                   c->dtype);
                for (int64_t j = 0; j < n; j++) {
                    double want = 0.25 * (double)x[j] + 0.75 * (double)y[j];
                    assert_true(fabs((double)z[j] - want) <=
                                fabs(want) * (c->dtype == TFC_F32 ? 1e-6 : 0x1p-8));
                    n_changed += z[j] != y[j] && z[j] != x[j];
                }
            }
        }
        assert_true(n_changed > 1000);
        assert_int_equal(tfc_model_blend(other, base, 1.5, output("x"), &err), TFC_EINVAL);
        tfc_model_free(got), tfc_model_free(other), tfc_model_free(base);
    }
    tfc_error err;
    tfc_model *llama = open_model(fixture("gguf/llama.F32.gguf")),
              *gpt2 = open_model(fixture("gguf/gpt2.F32.gguf")),
              *folder_of_llama = open_model(fixture("models/llama"));
    assert_int_equal(tfc_model_blend(llama, gpt2, 0.5, output("x"), &err), TFC_EINVAL);
    assert_false(tfc_folder_exists(output("x")));
    /* The same weights from either form of file: what is written is what BF16 makes of them. */
    if (tfc_model_blend(llama, folder_of_llama, 0.5, output("same"), &err) != TFC_OK)
        fail_msg("%s", err.message);
    tfc_model *same = open_model(output("same")),
              *plain = round_trip(fixture("gguf/llama.F32.gguf"), "p.gguf", "gguf", "BF16");
    same_tensors(same, plain);
    tfc_model_free(same), tfc_model_free(plain);
    tfc_model_free(llama), tfc_model_free(gpt2), tfc_model_free(folder_of_llama);
}

static void test_refused(void **state)
{
    (void)state;
    tfc_error err;
    tfc_model *model = open_model(fixture("gguf/llama.F32.gguf"));
    assert_int_equal(tfc_model_export(model, output("x"), "onnx", "F32", &err), TFC_EINVAL);
    assert_int_equal(tfc_model_export(model, output("x"), "gguf", "Q3_K", &err), TFC_EINVAL);
    assert_int_equal(tfc_model_export(model, output("x"), "safetensors", "Q8_0", &err), TFC_EINVAL);
    assert_int_equal(tfc_model_export(model, "/dev/null/x.gguf", "gguf", "F32", &err), TFC_EIO);
    assert_int_equal(tfc_model_export(model, "/dev/null/x", "safetensors", "F32", &err), TFC_EIO);
    assert_false(tfc_file_exists(output("x")));
    tfc_model_free(model);
}

/* A folder that was there is replaced as a whole; nothing half-made is left. */
static void test_folder(void **state)
{
    (void)state;
    tfc_error err;
    tfc_model *model = open_model(fixture("models/llama"));
    assert_int_equal(tfc_model_export(model, output("f/"), "safetensors", "F16", &err), TFC_OK);
    assert_int_equal(tfc_file_write_whole(output("f/stale"), "x", 1, &err), TFC_OK);
    assert_int_equal(tfc_model_export(model, output("f"), "safetensors", "BF16", &err), TFC_OK);
    assert_false(tfc_file_exists(output("f/stale")));
    assert_false(tfc_folder_exists(output("f.partial")));
    assert_false(tfc_folder_exists(output("f.old")));
    tfc_json *config = tfc_json_parse_file(output("f/config.json"), 1 << 20, &err);
    const char *type;
    size_t n;
    assert_int_equal(tfc_json_get_text(config, "torch_dtype", &type, &n, NULL, &err), TFC_OK);
    assert_string_equal(type, "bfloat16");
    json_object_put(config);
    assert_true(tfc_file_exists(output("f/tokenizer.json")));
    tfc_model_free(model);
}

/* Each allocation fails in turn: an error each time, and no broken file. */
static void test_memory(void **state)
{
    (void)state;
    static const char *const formats[] = {"gguf", "safetensors"};
    for (int f = 0; f < 2; f++) {
        tfc_model *model = open_model(fixture(f ? "gguf/llama.F32.gguf" : "models/llama"));
        for (int64_t n = 1;; n++) {
            tfc_error err;
            tfc_error_init(&err);
            tfc_memory_fail_at(n);
            tfc_status status =
                tfc_model_export(model, output(f ? "oom" : "oom.gguf"), formats[f], "F32", &err);
            bool reached = tfc_memory_count() >= n;
            tfc_memory_fail_at(0);
            if (status != TFC_OK && !err.message[0]) fail_msg("no message at allocation %lld", (long long)n);
            if (!reached) {
                assert_int_equal(status, TFC_OK);
                break;
            }
        }
        tfc_model_free(model);
        tfc_model_free(open_model(output(f ? "oom" : "oom.gguf")));
    }
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hf_to_gguf), cmocka_unit_test(test_gguf_to_hf), cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_types),      cmocka_unit_test(test_losses),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_blend),      cmocka_unit_test(test_folder),     cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
