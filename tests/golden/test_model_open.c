/* Opening sound models: sizes, names, shapes and rows, and that the same model says the same in both file
 * formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "model/model.h"

static char folder[] = "/tmp/tfc-open-XXXXXX";
static char made[64]; /* the model file that a test writes into folder */

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(made, sizeof made, "%s/made.gguf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"made.gguf", "model.safetensors", "config.json", "tokenizer.json"};
    for (int i = 0; i < 4; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static const char *fixture(const char *name)
{
    static char path[512];
    const char *root = getenv("TFC_FIXTURES");
    snprintf(path, sizeof path, "%s/%s", root ? root : TFC_SOURCE_DIR "/tests/fixtures", name);
    return path;
}

static tfc_model *open_path(const char *path)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = tfc_model_open(path, NULL, &err);
    if (!model) fail_msg("%s", err.message);
    return model;
}

static tfc_model *open_fixture(const char *name)
{
    return open_path(fixture(name));
}

static void check_sizes(const tfc_hparams *hp, const int64_t expected[10])
{
    const int64_t sizes[10] = {hp->arch, hp->C, hp->L, hp->NH,      hp->NKV,
                               hp->HD,   hp->I, hp->V, hp->context, hp->tied};
    for (int i = 0; i < 10; i++)
        if (sizes[i] != expected[i])
            fail_msg("size %d: %lld, not %lld", i, (long long)sizes[i], (long long)expected[i]);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int64_t sizes[10];
        bool interleaved;
        const char *storage;
        int64_t n_parameters;
    } cases[] = {
        {"models/llama", {TFC_ARCH_LLAMA, 32, 2, 4, 2, 8, 36, 277, 64, 1}, false, "F32", 22080},
        {"gguf/llama.F32.gguf", {TFC_ARCH_LLAMA, 32, 2, 4, 2, 8, 36, 277, 64, 1}, true, "F32", 22080},
        {"models/llama3", {TFC_ARCH_LLAMA, 36, 2, 3, 1, 12, 20, 268, 128, 0}, false, "BF16", 30708},
        {"models/gpt2", {TFC_ARCH_GPT2, 32, 2, 2, 2, 16, 28, 271, 48, 1}, false, "F32", 22680},
        {"gguf/gpt2.F32.gguf", {TFC_ARCH_GPT2, 32, 2, 2, 2, 16, 28, 271, 48, 1}, false, "F32", 22680},
        {"gguf/llama_q.Q8_0.gguf", {TFC_ARCH_LLAMA, 256, 1, 4, 1, 16, 32, 261, 64, 1}, true, "Q8_0", 133120},
        {"gguf/llama_q.Q4_0.gguf", {TFC_ARCH_LLAMA, 256, 1, 4, 1, 16, 32, 261, 64, 1}, true, "Q4_0", 133120},
        {"gguf/llama_q.Q4_1.gguf", {TFC_ARCH_LLAMA, 256, 1, 4, 1, 16, 32, 261, 64, 1}, true, "Q8_0", 133120},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tfc_model *model = open_fixture(cases[i].path);
        check_sizes(&model->hparams, cases[i].sizes);
        assert_int_equal(model->hparams.rope_interleaved, cases[i].interleaved);
        assert_int_equal(model->hparams.rope, cases[i].sizes[0] == TFC_ARCH_LLAMA);
        assert_int_equal(model->hparams.layernorm, cases[i].sizes[0] == TFC_ARCH_GPT2);
        assert_true(model->hparams.epsilon == 1e-5f);
        tfc_model_info info = tfc_model_get_info(model);
        assert_string_equal(info.storage, cases[i].storage);
        assert_int_equal(info.n_parameters, cases[i].n_parameters);
        assert_string_equal(info.format, strstr(cases[i].path, ".gguf") ? "gguf" : "safetensors");
        assert_int_equal(tfc_tokenizer_n_tokens(tfc_model_tokenizer(model)), info.n_vocab);
        tfc_model_free(model);
    }
}

static void test_llama3_scaling(void **state)
{
    (void)state;
    tfc_model *model = open_fixture("models/llama3");
    const tfc_hparams *hp = &model->hparams;
    assert_true(hp->rope_base == 1000 && hp->rope_factor == 4 && hp->rope_low_freq_factor == 1 &&
                hp->rope_high_freq_factor == 4);
    assert_int_equal(hp->rope_original_context, 32);
    assert_ptr_not_equal(model->weights.head.tensor, model->weights.token_embedding.tensor);
    tfc_model_free(model);
}

/* Every part has the name that the table gives it, and the file holds nothing else. */
static void check_names(const char *path)
{
    tfc_model *model = open_fixture(path);
    int64_t n_named = 0;
    for (int64_t layer = -1; layer < model->hparams.L; layer++)
        for (int part = 0; part < TFC_N_PARTS; part++) {
            const tfc_weight *weight = tfc_weights_part(&model->weights, (tfc_part)part, layer);
            char name[160];
            bool named = tfc_part_name(model->hparams.arch, model->gguf != NULL, (tfc_part)part, layer, name,
                                       sizeof name);
            if (part == TFC_PART_HEAD && model->hparams.tied) continue;
            assert_int_equal(named, weight->tensor != NULL);
            if (!named) continue;
            assert_string_equal(weight->tensor->name, name);
            n_named++;
        }
    const tfc_tensor_set *set =
        model->gguf ? tfc_gguf_tensors(model->gguf) : tfc_safetensors_tensors(model->safetensors);
    int64_t n_masks = 0;
    for (int64_t i = 0; i < set->n_tensors; i++)
        n_masks += strstr(set->tensors[i].name, ".attn.bias") != NULL;
    assert_int_equal(n_named, set->n_tensors - n_masks);
    tfc_model_free(model);
}

static void test_names(void **state)
{
    (void)state;
    check_names("models/llama");
    check_names("models/llama3");
    check_names("models/gpt2");
    check_names("gguf/llama.F32.gguf");
    check_names("gguf/gpt2.F32.gguf");
    char name[160];
    assert_true(tfc_part_name(TFC_ARCH_LLAMA, true, TFC_PART_WQ, 12, name, sizeof name));
    assert_string_equal(name, "blk.12.attn_q.weight");
    assert_false(tfc_part_name(TFC_ARCH_LLAMA, true, TFC_PART_WO_BIAS, 0, name, sizeof name));
    assert_false(tfc_part_name(TFC_ARCH_LLAMA, true, TFC_PART_WQ, -1, name, sizeof name));
    assert_false(tfc_part_name(TFC_ARCH_LLAMA, true, TFC_PART_NORM, 0, name, sizeof name));
}

static float *rows_of(const tfc_weight *weight)
{
    float *rows = tfc_alloc((size_t)(weight->n_out * weight->n_in), sizeof *rows);
    assert_non_null(rows);
    tfc_weight_rows(weight, 0, weight->n_out, rows);
    return rows;
}

/* Row r of the GGUF's q or k is which row of the other: pairs (i, i + HD/2) of a head stand side by side. */
static int64_t permuted(const tfc_model *gguf, tfc_part part, int64_t r)
{
    if (!gguf->hparams.rope_interleaved || (part != TFC_PART_WQ && part != TFC_PART_WK)) return r;
    int64_t HD = gguf->hparams.HD, in_head = r % HD;
    return r - in_head + in_head / 2 + (in_head % 2) * (HD / 2);
}

/* All parts, row by row, the same bits. */
static void check_same(tfc_model *gguf, tfc_model *hf)
{
    for (int64_t layer = -1; layer < hf->hparams.L; layer++)
        for (int part = 0; part < TFC_N_PARTS; part++) {
            const tfc_weight *a = tfc_weights_part(&gguf->weights, (tfc_part)part, layer);
            const tfc_weight *b = tfc_weights_part(&hf->weights, (tfc_part)part, layer);
            assert_int_equal(a->tensor == NULL, b->tensor == NULL);
            if (!a->tensor) continue;
            assert_int_equal(a->n_in, b->n_in);
            assert_int_equal(a->n_out, b->n_out);
            float *x = rows_of(a), *y = rows_of(b);
            for (int64_t r = 0; r < a->n_out; r++)
                if (memcmp(x + r * a->n_in, y + permuted(gguf, (tfc_part)part, r) * a->n_in,
                           (size_t)a->n_in * sizeof *x) != 0)
                    fail_msg("part %d of layer %lld differs in row %lld", part, (long long)layer,
                             (long long)r);
            tfc_free(x);
            tfc_free(y);
        }
}

static void test_same_in_both_formats(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"gguf/llama.F32.gguf", "models/llama"},
                                           {"gguf/gpt2.F32.gguf", "models/gpt2"}};
    for (int i = 0; i < 2; i++) {
        tfc_model *gguf = open_fixture(pairs[i][0]), *hf = open_fixture(pairs[i][1]);
        check_same(gguf, hf);
        assert_int_equal(hf->weights.layers[0].wo.transposed, hf->hparams.arch == TFC_ARCH_GPT2);
        assert_false(gguf->weights.layers[0].wo.transposed);
        tfc_model_free(gguf);
        tfc_model_free(hf);
    }
}

/* ---- variants of the fixtures, written here ---- */

/* One more tensor (rows x columns, or a vector when rows is 0), one more number; each may be absent (NULL).
 */
typedef struct variant {
    const char *tensor;
    int64_t rows, columns;
    float value; /* of all its elements */
    const char *key;
    uint32_t number;
} variant;

static void write_values(tfc_gguf_writer *writer, const float *values, int64_t n)
{
    tfc_error err;
    assert_int_equal(tfc_gguf_writer_values(writer, values, n, &err), TFC_OK);
}

/* gguf/llama.F32.gguf with a variant's addition becomes `made`. */
static void make_gguf(const variant *more)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_gguf *gguf = tfc_gguf_open(fixture("gguf/llama.F32.gguf"), &err);
    tfc_gguf_writer *writer = tfc_gguf_writer_create(made, &err);
    assert_true(gguf && writer);
    for (int64_t i = 0; i < tfc_gguf_n_kv(gguf); i++) {
        tfc_gguf_kv kv = tfc_gguf_kv_at(gguf, i);
        assert_int_equal(tfc_gguf_writer_raw(writer, &kv, &err), TFC_OK);
    }
    if (more->key) assert_int_equal(tfc_gguf_writer_int(writer, more->key, more->number, &err), TFC_OK);
    const tfc_tensor_set *set = tfc_gguf_tensors(gguf);
    int64_t dims[2] = {more->rows, more->columns}, first = more->rows == 0,
            n = more->columns * (first ? 1 : more->rows);
    for (int64_t i = 0; i < set->n_tensors; i++)
        assert_int_equal(tfc_gguf_writer_tensor(writer, set->tensors[i].name, TFC_F32, set->tensors[i].n_dims,
                                                set->tensors[i].dims, &err),
                         TFC_OK);
    if (more->tensor)
        assert_int_equal(
            tfc_gguf_writer_tensor(writer, more->tensor, TFC_F32, first ? 1 : 2, dims + first, &err), TFC_OK);
    for (int64_t i = 0; i < set->n_tensors; i++)
        write_values(writer, set->tensors[i].data, (int64_t)(set->tensors[i].n_bytes / sizeof(float)));
    float *values = tfc_alloc((size_t)n, sizeof *values);
    assert_non_null(values);
    for (int64_t i = 0; i < n; i++) values[i] = more->value;
    if (more->tensor) write_values(writer, values, n);
    if (tfc_gguf_writer_commit(writer, &err) != TFC_OK) fail_msg("%s", err.message);
    tfc_free(values);
    tfc_gguf_writer_free(writer);
    tfc_gguf_close(gguf);
}

static void made_refused(const char *words)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = tfc_model_open(made, NULL, &err);
    if (model) fail_msg("opened, but '%s' was expected", words);
    if (!strstr(err.message, words)) fail_msg("'%s' lacks '%s'", err.message, words);
}

static void test_gguf_variants(void **state)
{
    (void)state;
    make_gguf(&(variant){0});
    tfc_model *model = open_path(made), *hf = open_fixture("models/llama");
    check_same(model, hf);
    tfc_model_free(model);
    tfc_model_free(hf);

    make_gguf(&(variant){.tensor = "rope_freqs.weight", .columns = 4, .value = 2});
    model = open_path(made);
    assert_non_null(model->hparams.rope_freq_factors);
    tfc_hparams plain = model->hparams;
    plain.rope_freq_factors = NULL;
    assert_true(tfc_rope_frequency(&model->hparams, 1) == tfc_rope_frequency(&plain, 1) / 2);
    tfc_model_free(model);

    make_gguf(&(variant){.tensor = "output.weight", .rows = 277, .columns = 32, .value = 0.5f});
    model = open_path(made);
    assert_false(model->hparams.tied);
    assert_string_equal(model->weights.head.tensor->name, "output.weight");
    tfc_model_free(model);

    static const struct {
        variant more;
        const char *words;
    } refused[] = {
        {{.tensor = "rope_freqs.weight", .columns = 3, .value = 1},
         "rope_freqs.weight: shape [3] in the file, [4]"},
        {{.tensor = "rope_freqs.weight", .columns = 4, .value = 0},
         "rope_freqs.weight: factor 0 is out of range: 0"},
        {{.tensor = "output.weight", .rows = 276, .columns = 32},
         "output.weight: shape [276, 32] in the file, [277, 32]"},
        {{.tensor = "blk.0.attn_q.bias", .columns = 32},
         "blk.0.attn_q.bias: the file has this tensor, but llama models"},
        {{.tensor = "blk.2.attn_norm.weight", .columns = 32},
         "blk.2.attn_norm.weight: the file has this tensor"},
        {{.key = "llama.expert_count", .number = 8}, "unsupported llama.expert_count: 8"},
        {{.key = "llama.attention.sliding_window", .number = 16},
         "unsupported llama.attention.sliding_window: 16"},
        {{.key = "llama.attention.value_length", .number = 16},
         "value_length 16 differs from the size of keys, 8"},
        {{.key = "llama.attention.key_length", .number = 16},
         "blk.0.attn_q.weight: shape [32, 32] in the file, [64, 32] by the hyperparameters"},
        {{.key = "split.count", .number = 3}, "unsupported split.count: 3"},
        {{.key = "llama.rope.scaling.type", .number = 1}, "llama.rope.scaling.type: string expected"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        make_gguf(&refused[i].more);
        made_refused(refused[i].words);
    }
}

/* The folder models/gpt2 with its weights under "transformer." and, untied, with a head of its own. */
static void test_gpt2_prefix_and_head(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    char path[128], name[200];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    tfc_safetensors *file = tfc_safetensors_open_folder(fixture("models/gpt2"), true, &err);
    tfc_safetensors_writer *writer = tfc_safetensors_writer_create(path, &err);
    assert_true(file && writer);
    const tfc_tensor_set *set = tfc_safetensors_tensors(file);
    int64_t dims[2] = {271, 32};
    for (int64_t i = 0; i < set->n_tensors; i++) {
        snprintf(name, sizeof name, "transformer.%s", set->tensors[i].name);
        assert_int_equal(tfc_safetensors_writer_tensor(writer, name, TFC_F32, set->tensors[i].n_dims,
                                                       set->tensors[i].dims, &err),
                         TFC_OK);
    }
    assert_int_equal(tfc_safetensors_writer_tensor(writer, "lm_head.weight", TFC_F32, 2, dims, &err), TFC_OK);
    for (int64_t i = 0; i < set->n_tensors; i++)
        assert_int_equal(tfc_safetensors_writer_values(writer, set->tensors[i].data,
                                                       (int64_t)(set->tensors[i].n_bytes / sizeof(float)),
                                                       &err),
                         TFC_OK);
    float *head = tfc_alloc_zero(271 * 32, sizeof *head);
    assert_int_equal(tfc_safetensors_writer_values(writer, head, 271 * 32, &err), TFC_OK);
    assert_int_equal(tfc_safetensors_writer_commit(writer, &err), TFC_OK);
    tfc_safetensors_writer_free(writer);
    tfc_safetensors_close(file);
    tfc_free(head);

    char *config, tokenizer[128];
    size_t n;
    snprintf(tokenizer, sizeof tokenizer, "%s/tokenizer.json", folder);
    assert_int_equal(symlink(fixture("models/gpt2/tokenizer.json"), tokenizer), 0);
    assert_int_equal(tfc_file_read(fixture("models/gpt2/config.json"), 0, &config, &n, &err), TFC_OK);
    snprintf(path, sizeof path, "%s/config.json", folder);
    assert_int_equal(tfc_file_write_whole(path, config, n, &err), TFC_OK);
    tfc_model *plain = open_fixture("models/gpt2"), *model = open_path(folder);
    check_same(model, plain); /* tied: the head in the file is not looked at */
    tfc_model_free(model);

    tfc_buffer text;
    tfc_buffer_init(&text, 0);
    tfc_buffer_printf(&text, "{\"tie_word_embeddings\": false, %s", strchr(config, '{') + 1);
    assert_int_equal(tfc_file_write_whole(path, text.data, text.n, &err), TFC_OK);
    model = open_path(folder);
    assert_string_equal(model->weights.head.tensor->name, "lm_head.weight");
    tfc_model_free(model);
    tfc_model_free(plain);
    tfc_buffer_release(&text);
    tfc_free(config);
}

static void test_params(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    tfc_model_params params = tfc_model_params_default();
    params.cpu = "ref";
    params.operand = "f32";
    tfc_model *model = tfc_model_open(fixture("models/llama"), &params, &err);
    assert_non_null(model);
    assert_string_equal(tfc_model_get_info(model).cpu_path, "ref");
    assert_string_equal(tfc_model_get_info(model).operand, "f32");
    tfc_model_free(model);
    params.weights = "zipped";
    assert_null(tfc_model_open(fixture("models/llama"), &params, &err));
    assert_non_null(strstr(err.message, "unknown form of weights 'zipped' (packed, stored)"));
    params.weights = "stored";
    params.operand = "int8";
    assert_null(tfc_model_open(fixture("models/llama"), &params, &err));
    assert_non_null(strstr(err.message, "do not go with int8"));
    params.operand = "f64";
    assert_null(tfc_model_open(fixture("models/llama"), &params, &err));
    assert_non_null(strstr(err.message, "unknown operand 'f64'"));
    params.cpu = "abacus";
    assert_null(tfc_model_open(fixture("models/llama"), &params, &err));
    assert_non_null(strstr(err.message, "cpu path 'abacus'"));
    assert_null(tfc_model_open(fixture("models/llama"), &params, NULL));
}

static void test_locate(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    char *path = NULL, models[128], file[160];
    snprintf(models, sizeof models, "%s/models", folder);
    snprintf(file, sizeof file, "%s/tiny.gguf", models);
    assert_int_equal(tfc_folder_make(models, &err), TFC_OK);
    assert_int_equal(tfc_file_write_whole(file, "x", 1, &err), TFC_OK);
    setenv("TOOLFORMER_HOME", folder, 1);
    assert_int_equal(tfc_model_locate("tiny", &path, &err), TFC_OK);
    assert_string_equal(path, file);
    tfc_text_free(path);
    assert_int_equal(tfc_model_locate("tiny.gguf", &path, &err), TFC_OK);
    assert_string_equal(path, file);
    tfc_text_free(path);
    assert_int_equal(tfc_model_locate(models, &path, &err), TFC_OK);
    assert_string_equal(path, models);
    tfc_text_free(path);
    assert_int_equal(tfc_model_locate("huge", &path, &err), TFC_ENOTFOUND);
    assert_non_null(strstr(err.message, "no model 'huge' here or in"));
    assert_int_equal(tfc_model_locate(NULL, &path, &err), TFC_ENOTFOUND);
    assert_non_null(strstr(err.message, "toolformer model fetch"));
    unsetenv("TOOLFORMER_HOME");
    unlink(file);
    rmdir(models);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),         cmocka_unit_test(test_llama3_scaling),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_same_in_both_formats),
        cmocka_unit_test(test_gguf_variants), cmocka_unit_test(test_gpt2_prefix_and_head),
        cmocka_unit_test(test_params),        cmocka_unit_test(test_locate),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
