/* Round trips: what the writers write, the readers give back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

static char folder[] = "/tmp/tfc-formats-XXXXXX";
static char path_gguf[64], path_st[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path_gguf, sizeof path_gguf, "%s/x.gguf", folder);
    snprintf(path_st, sizeof path_st, "%s/model.safetensors", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path_gguf);
    unlink(path_st);
    return rmdir(folder); /* fails when a .partial file was left behind */
}

/* Values that every type of the test holds exactly: -1 … 1 in steps of d/127-free halves. */
static void fill(float *values, int64_t n, int64_t seed)
{
    for (int64_t i = 0; i < n; i++) values[i] = (float)((i * 7 + seed) % 255 - 127);
    values[0] = 127;
    for (int64_t i = 32; i < n; i += 32) values[i] = -127; /* Q8_0's scale is then 1 in every block */
}

typedef struct case_tensor {
    const char *name;
    tfc_dtype dtype;
    int n_dims;
    int64_t dims[TFC_TENSOR_DIMS], n_values;
} case_tensor;
static const case_tensor tensors[] = {
    {"matrix.f32", TFC_F32, 2, {3, 5}, 15},      {"scalar", TFC_F32, 0, {0}, 1},
    {"matrix.f16", TFC_F16, 2, {5, 3}, 15},      {"vector.bf16", TFC_BF16, 1, {7}, 7},
    {"cube.q8_0", TFC_Q8_0, 3, {2, 3, 64}, 384}, {"four", TFC_F32, 4, {2, 1, 3, 2}, 12},
};
enum { N_TENSORS = sizeof tensors / sizeof *tensors };

static tfc_status write_gguf(tfc_error *err)
{
    tfc_gguf_writer *writer = tfc_gguf_writer_create(path_gguf, err);
    if (!writer) return TFC_EIO;
    static const char *const texts[] = {"a", "", "\xC4\xA0t"};
    static const size_t lengths[] = {1, 0, 3};
    static const int32_t numbers[] = {3, -1, INT32_MAX};
    unsigned char raw[] = {0xFE, 0xFF};
    tfc_gguf_kv kv = {"raw.i16", 7, 3, raw, 2};
    uint32_t align = 64;
    tfc_gguf_kv alignment = {"general.alignment", 17, 4, &align, 4};
    tfc_status status = tfc_gguf_writer_text(writer, "general.architecture", "llama", 5, err);
    if (status == TFC_OK) status = tfc_gguf_writer_int(writer, "int", 4000000000u, err);
    if (status == TFC_OK) status = tfc_gguf_writer_float(writer, "float", 0.1f, err);
    if (status == TFC_OK) status = tfc_gguf_writer_bool(writer, "bool", true, err);
    if (status == TFC_OK) status = tfc_gguf_writer_text_array(writer, "texts", texts, lengths, 3, err);
    if (status == TFC_OK) status = tfc_gguf_writer_int_array(writer, "numbers", numbers, 3, err);
    if (status == TFC_OK) status = tfc_gguf_writer_raw(writer, &kv, err);
    if (status == TFC_OK) status = tfc_gguf_writer_raw(writer, &alignment, err);
    for (int i = 0; status == TFC_OK && i < N_TENSORS; i++)
        status = tfc_gguf_writer_tensor(writer, tensors[i].name, tensors[i].dtype, tensors[i].n_dims,
                                        tensors[i].dims, err);
    for (int i = 0; status == TFC_OK && i < N_TENSORS; i++) {
        float values[384];
        fill(values, tensors[i].n_values, i);
        int64_t row = tensors[i].n_dims ? tensors[i].dims[tensors[i].n_dims - 1] : 1;
        status = tfc_gguf_writer_values(writer, values, row, err); /* the first row alone, then the rest */
        if (status == TFC_OK && tensors[i].n_values > row)
            status = tfc_gguf_writer_values(writer, values + row, tensors[i].n_values - row, err);
    }
    if (status == TFC_OK) status = tfc_gguf_writer_commit(writer, err);
    tfc_gguf_writer_free(writer);
    return status;
}

static void check_tensors(const tfc_tensor_set *set, bool quantised)
{
    for (int i = 0; i < N_TENSORS; i++) {
        if (tensors[i].dtype == TFC_Q8_0 && !quantised) continue;
        const tfc_tensor_view *view = tfc_tensor_find(set, tensors[i].name);
        assert_non_null(view);
        assert_int_equal(view->dtype, tensors[i].dtype);
        assert_int_equal(view->n_dims, tensors[i].n_dims);
        for (int d = 0; d < TFC_TENSOR_DIMS; d++)
            assert_int_equal(view->dims[d], d < view->n_dims ? tensors[i].dims[d] : 1);
        float expected[384], values[384];
        fill(expected, tensors[i].n_values, i);
        tfc_dequantize_row(values, view->data, tensors[i].n_values, view->dtype);
        assert_memory_equal(values, expected, (size_t)tensors[i].n_values * sizeof *values);
    }
    assert_null(tfc_tensor_find(set, "matrix"));
}

static void test_gguf_round_trip(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    if (write_gguf(&err) != TFC_OK) fail_msg("%s", err.message);
    tfc_gguf *gguf = tfc_gguf_open(path_gguf, &err);
    if (!gguf) fail_msg("%s", err.message);
    const char *text;
    size_t n;
    int64_t integer, count;
    double number;
    bool flag, found;
    assert_int_equal(tfc_gguf_get_text(gguf, "general.architecture", &text, &n, NULL, &err), TFC_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(text, "llama", 5);
    assert_int_equal(tfc_gguf_get_int(gguf, "int", &integer, NULL, &err), TFC_OK);
    assert_int_equal(integer, 4000000000);
    assert_int_equal(tfc_gguf_get_int(gguf, "raw.i16", &integer, NULL, &err), TFC_OK);
    assert_int_equal(integer, -2);
    assert_int_equal(tfc_gguf_get_float(gguf, "float", &number, NULL, &err), TFC_OK);
    assert_true((float)number == 0.1f);
    assert_int_equal(tfc_gguf_get_bool(gguf, "bool", &flag, NULL, &err), TFC_OK);
    assert_true(flag);
    assert_int_equal(tfc_gguf_get_text_array(gguf, "texts", &count, NULL, &err), TFC_OK);
    assert_int_equal(count, 3);
    assert_int_equal(tfc_gguf_text_item(gguf, "texts", 2, &text, &n), TFC_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(text, "\xC4\xA0t", 3);
    assert_int_not_equal(tfc_gguf_text_item(gguf, "texts", 3, &text, &n), TFC_OK);
    const int32_t *items;
    assert_int_equal(tfc_gguf_get_int_array(gguf, "numbers", &items, &count, NULL, &err), TFC_OK);
    assert_int_equal(items[2], INT32_MAX);
    assert_int_equal(tfc_gguf_get_int(gguf, "none", &integer, &found, &err), TFC_OK);
    assert_false(found);
    assert_int_equal(tfc_gguf_get_int(gguf, "none", &integer, NULL, &err), TFC_EFORMAT);
    assert_string_equal(err.message, "missing key none");
    assert_int_equal(tfc_gguf_get_int(gguf, "texts", &integer, &found, &err), TFC_EFORMAT);
    assert_int_equal(tfc_gguf_get_bool(gguf, "int", &flag, &found, &err), TFC_EFORMAT);
    assert_int_equal(tfc_gguf_n_kv(gguf), 7); /* the alignment was not carried over */
    check_tensors(tfc_gguf_tensors(gguf), true);
    tfc_gguf_close(gguf);
}

static tfc_status write_safetensors(tfc_error *err)
{
    tfc_safetensors_writer *writer = tfc_safetensors_writer_create(path_st, err);
    if (!writer) return TFC_EIO;
    tfc_status status = TFC_OK;
    for (int i = 0; status == TFC_OK && i < N_TENSORS; i++)
        if (tensors[i].dtype != TFC_Q8_0)
            status = tfc_safetensors_writer_tensor(writer, tensors[i].name, tensors[i].dtype,
                                                   tensors[i].n_dims, tensors[i].dims, err);
    for (int i = 0; status == TFC_OK && i < N_TENSORS; i++) {
        float values[384];
        fill(values, tensors[i].n_values, i);
        if (tensors[i].dtype != TFC_Q8_0)
            status = tfc_safetensors_writer_values(writer, values, tensors[i].n_values, err);
    }
    if (status == TFC_OK) status = tfc_safetensors_writer_commit(writer, err);
    tfc_safetensors_writer_free(writer);
    return status;
}

static void test_safetensors_round_trip(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    if (write_safetensors(&err) != TFC_OK) fail_msg("%s", err.message);
    tfc_safetensors *file = tfc_safetensors_open_folder(folder, false, &err);
    if (!file) fail_msg("%s", err.message);
    check_tensors(tfc_safetensors_tensors(file), false);
    const tfc_safetensors_raw_view *raw = tfc_safetensors_raw(file, "vector.bf16");
    assert_non_null(raw);
    assert_string_equal(raw->dtype, "BF16");
    assert_int_equal(raw->n_bytes, 14);
    tfc_safetensors_close(file);
}

/* A writer that was given too little commits nothing; nothing is left behind (remove_folder looks). */
static void test_unfinished(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    float values[32] = {0};
    int64_t dims[2] = {2, 16};
    tfc_gguf_writer *gguf = tfc_gguf_writer_create(path_gguf, &err);
    assert_non_null(gguf);
    assert_int_equal(tfc_gguf_writer_tensor(gguf, "x", TFC_F32, 2, dims, &err), TFC_OK);
    assert_int_equal(tfc_gguf_writer_tensor(gguf, "x", TFC_F32, 2, dims, &err), TFC_EINVAL);
    assert_int_equal(tfc_gguf_writer_tensor(gguf, "y", TFC_Q8_0, 2, dims, &err), TFC_EINVAL);
    assert_int_equal(tfc_gguf_writer_values(gguf, values, 8, &err), TFC_EINVAL);
    assert_int_equal(tfc_gguf_writer_values(gguf, values, 16, &err), TFC_OK);
    assert_int_equal(tfc_gguf_writer_values(gguf, values, 32, &err), TFC_EINVAL);
    assert_int_equal(tfc_gguf_writer_int(gguf, "late", 1, &err), TFC_EINVAL);
    assert_int_equal(tfc_gguf_writer_commit(gguf, &err), TFC_EINVAL);
    tfc_gguf_writer_free(gguf);
    tfc_safetensors_writer *st = tfc_safetensors_writer_create(path_st, &err);
    assert_non_null(st);
    assert_int_equal(tfc_safetensors_writer_tensor(st, "x", TFC_Q8_0, 2, dims, &err), TFC_EUNSUPPORTED);
    assert_int_equal(tfc_safetensors_writer_tensor(st, "x", TFC_F32, 2, dims, &err), TFC_OK);
    assert_int_equal(tfc_safetensors_writer_values(st, values, 31, &err), TFC_OK);
    assert_int_equal(tfc_safetensors_writer_commit(st, &err), TFC_EINVAL);
    tfc_safetensors_writer_free(st);
}

/* Every allocation of writing and reading fails once: an error each time, no crash, no leak (under ASan). */
static void test_out_of_memory(void **state)
{
    (void)state;
    for (int64_t i = 1, done = 0; !done; i++) {
        assert_true(i < 1000);
        tfc_error err;
        tfc_error_init(&err);
        tfc_memory_fail_at(i);
        tfc_status status = write_gguf(&err);
        if (status == TFC_OK) status = write_safetensors(&err);
        tfc_gguf *gguf = status == TFC_OK ? tfc_gguf_open(path_gguf, &err) : NULL;
        int64_t count;
        if (gguf) status = tfc_gguf_get_text_array(gguf, "texts", &count, NULL, &err);
        const int32_t *items;
        if (gguf && status == TFC_OK)
            status = tfc_gguf_get_int_array(gguf, "numbers", &items, &count, NULL, &err);
        tfc_safetensors *file = gguf && status == TFC_OK ? tfc_safetensors_open(path_st, false, &err) : NULL;
        done = tfc_memory_count() < i;
        tfc_memory_fail_at(0);
        assert_true(file || !done);
        if (!file && err.status != TFC_ENOMEM) fail_msg("allocation %lld: %s", (long long)i, err.message);
        tfc_gguf_close(gguf);
        tfc_safetensors_close(file);
    }
}

static void test_name_text(void **state)
{
    (void)state;
    char text[TFC_NAME_TEXT], shape[TFC_SHAPE_TEXT], big[500];
    assert_string_equal(tfc_name_text(text, "a\n\xC3\xA9\xFF\x1B[1m", 9), "a?\xC3\xA9??[1m");
    memset(big, 'x', sizeof big);
    tfc_name_text(text, big, sizeof big);
    assert_int_equal(strlen(text), TFC_NAME_TEXT - 1);
    int64_t dims[8] = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX,
                       INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    tfc_shape_text(shape, dims, 8);
    assert_int_equal(shape[strlen(shape) - 1], ']');
    int64_t product;
    assert_false(tfc_dims_product(dims, 2, &product));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_round_trip), cmocka_unit_test(test_safetensors_round_trip),
        cmocka_unit_test(test_unfinished),      cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_name_text),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
