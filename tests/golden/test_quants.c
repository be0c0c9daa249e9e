/* Stored types against golden vectors, bit for bit: blocks with edge scales, and float conversions with ties,
 * subnormals and infinities. The values were made by ggml's own code (tests/fixtures/quants). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "formats/safetensors.h"
#include "kernels/dtype.h"

static tfc_safetensors *golden_open(const char *name)
{
    const char *folder = getenv("TFC_FIXTURES");
    char path[1024];
    snprintf(path, sizeof path, "%s/quants/%s", folder ? folder : TFC_SOURCE_DIR "/tests/fixtures", name);
    tfc_error err;
    tfc_error_init(&err);
    tfc_safetensors *file = tfc_safetensors_open(path, true, &err);
    if (!file) fail_msg("%s", err.message);
    return file;
}

/* The bytes of tensor "NAME.PART"; *n gets how many. */
static const unsigned char *golden_bytes(const tfc_safetensors *file, const char *name, const char *part,
                                         size_t *n)
{
    char key[64];
    snprintf(key, sizeof key, "%s.%s", name, part);
    const tfc_safetensors_raw_view *view = tfc_safetensors_raw(file, key);
    if (!view) fail_msg("no tensor %s", key);
    *n = view->n_bytes;
    return view->data;
}

static void assert_same_bits(const float *got, const unsigned char *expected, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t a, b;
        memcpy(&a, got + i, sizeof a);
        memcpy(&b, expected + 4 * i, sizeof b);
        bool both_nan = (a & 0x7FFFFFFFU) > 0x7F800000U && (b & 0x7FFFFFFFU) > 0x7F800000U;
        if (a != b && !both_nan) fail_msg("%s: value %zu is %08x, should be %08x", what, i, a, b);
    }
}

static void test_blocks(void **state)
{
    (void)state;
    tfc_safetensors *file = golden_open("vectors.safetensors");
    const tfc_dtype dtypes[] = {TFC_F16, TFC_BF16, TFC_Q8_0, TFC_Q4_0, TFC_Q4_1};
    for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++) {
        const char *name = tfc_dtype_name(dtypes[t]);
        size_t n_blocks_bytes, n_values_bytes;
        const unsigned char *blocks = golden_bytes(file, name, "blocks", &n_blocks_bytes);
        const unsigned char *expected = golden_bytes(file, name, "values", &n_values_bytes);
        int64_t n = (int64_t)(n_values_bytes / sizeof(float));
        assert_int_equal(tfc_dtype_row_bytes(dtypes[t], n), n_blocks_bytes);
        float *values = tfc_alloc((size_t)n, sizeof *values);
        unsigned char *shifted = tfc_alloc(n_blocks_bytes + 1, 1);
        assert_true(values && shifted);
        memcpy(shifted + 1, blocks, n_blocks_bytes); /* any alignment */
        tfc_dequantize_row(values, shifted + 1, n, dtypes[t]);
        assert_same_bits(values, expected, (size_t)n, name);
        memset(values, 1, (size_t)n * sizeof *values);
        tfc_dequantize_row_ref(values, shifted + 1, n, dtypes[t]);
        assert_same_bits(values, expected, (size_t)n, name);
        tfc_free(shifted);
        tfc_free(values);
    }
    tfc_safetensors_close(file);
}

/* Blocks of random bytes, so any scale: the version in use gives the reference's bits. */
static void test_versions_agree(void **state)
{
    (void)state;
    enum { VALUES = 32 * 500, MOST_BYTES = 4 * VALUES };
    static unsigned char bytes[MOST_BYTES + 1];
    static float a[VALUES], b[VALUES];
    tfc_random random = tfc_random_stream(11, 0, 0, 0);
    for (int type = 0; type < TFC_N_DTYPES; type++)
        for (int round = 0; round < 8; round++) {
            for (int i = 0; i <= MOST_BYTES; i++) bytes[i] = (unsigned char)tfc_random_below(&random, 256);
            int64_t n = tfc_dtype_block_values((tfc_dtype)type) == 1 ? VALUES - round : VALUES - 32 * round;
            tfc_dequantize_row(a, bytes + round % 2, n, (tfc_dtype)type);
            tfc_dequantize_row_ref(b, bytes + round % 2, n, (tfc_dtype)type);
            assert_same_bits(a, (const unsigned char *)b, (size_t)n, tfc_dtype_name((tfc_dtype)type));
        }
}

static void test_widen(void **state)
{
    (void)state;
    tfc_safetensors *file = golden_open("floats.safetensors");
    const struct {
        const char *name;
        tfc_dtype dtype;
    } cases[] = {{"f16_to_f32", TFC_F16}, {"bf16_to_f32", TFC_BF16}};
    for (size_t c = 0; c < 2; c++) {
        size_t n_in, n_out;
        const unsigned char *in = golden_bytes(file, cases[c].name, "in", &n_in);
        const unsigned char *out = golden_bytes(file, cases[c].name, "out", &n_out);
        assert_int_equal(n_in * 2, n_out);
        for (size_t i = 0; i < n_in / 2; i++) {
            uint16_t h;
            memcpy(&h, in + 2 * i, sizeof h);
            float one = cases[c].dtype == TFC_F16 ? tfc_f16_to_f32(h) : tfc_bf16_to_f32(h), row;
            assert_same_bits(&one, out + 4 * i, 1, cases[c].name);
            tfc_dequantize_row(&row, in + 2 * i, 1, cases[c].dtype);
            assert_same_bits(&row, out + 4 * i, 1, cases[c].name);
        }
    }
    tfc_safetensors_close(file);
}

static void test_narrow(void **state)
{
    (void)state;
    tfc_safetensors *file = golden_open("floats.safetensors");
    for (int is_bf16 = 0; is_bf16 < 2; is_bf16++) {
        const char *name = is_bf16 ? "f32_to_bf16" : "f32_to_f16";
        size_t n_in, n_out;
        const unsigned char *in = golden_bytes(file, name, "in", &n_in);
        const unsigned char *out = golden_bytes(file, name, "out", &n_out);
        assert_int_equal(n_in, n_out * 2);
        for (size_t i = 0; i < n_in / 4; i++) {
            float f;
            uint16_t expected, row, got;
            memcpy(&f, in + 4 * i, sizeof f);
            memcpy(&expected, out + 2 * i, sizeof expected);
            tfc_quantize_row(&row, &f, 1, is_bf16 ? TFC_BF16 : TFC_F16);
            got = is_bf16 ? tfc_f32_to_bf16(f) : tfc_f32_to_f16(f);
            assert_int_equal(got, row);
            if (isnan(f)) {
                assert_true(isnan(is_bf16 ? tfc_bf16_to_f32(got) : tfc_f16_to_f32(got)));
            } else if (got != expected) {
                fail_msg("%s: %a gives %04x, should be %04x", name, (double)f, got, expected);
            }
        }
    }
    tfc_safetensors_close(file);
}

/* Every half comes back from its float. */
static void test_f16_round_trip(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = tfc_f16_to_f32((uint16_t)h);
        if (isnan(f)) continue;
        assert_int_equal(tfc_f32_to_f16(f), h);
    }
}

static void test_q8_0(void **state)
{
    (void)state;
    float values[64] = {0}, back[64];
    unsigned char row[2 * 34];
    for (int i = 0; i < 32; i++) values[i] = (float)(i - 16) * 0.25F;
    values[3] = 127.0F; /* d = 1: halves go away from zero */
    tfc_quantize_row(row, values, 64, TFC_Q8_0);
    const int expected[8] = {-4, -4, -4, 127, -3, -3, -3, -2}; /* -4 -3.75 -3.5 127 -3 -2.75 -2.5 -2.25 */
    for (int i = 0; i < 8; i++) assert_int_equal((int8_t)row[2 + i], expected[i]);
    tfc_dequantize_row(back, row, 64, TFC_Q8_0);
    for (int i = 0; i < 64; i++) assert_true(fabsf(back[i] - values[i]) <= 0.5F);
    for (int i = 0; i < 34; i++) assert_int_equal(row[34 + i], 0); /* a block of zeros has d = 0 */

    values[0] = NAN, values[1] = INFINITY, values[2] = -INFINITY; /* hostile input ends in some block */
    tfc_quantize_row(row, values, 32, TFC_Q8_0);
    for (int i = 0; i < 32; i++) values[i] = 1e-40F;
    tfc_quantize_row(row, values, 32, TFC_Q8_0);
    assert_int_equal(row[0] | row[1], 0);
}

static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(tfc_dtype_row_bytes(TFC_Q4_1, 64), 40);
    assert_int_equal(tfc_dtype_row_bytes(TFC_Q4_1, 33), 0);
    assert_int_equal(tfc_dtype_row_bytes(TFC_F32, -1), 0);
    assert_int_equal(tfc_dtype_row_bytes(TFC_F32, INT64_MAX), 0);
    assert_string_equal(tfc_dtype_name(TFC_Q8_0), "Q8_0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks), cmocka_unit_test(test_versions_agree), cmocka_unit_test(test_widen),
        cmocka_unit_test(test_narrow), cmocka_unit_test(test_f16_round_trip), cmocka_unit_test(test_q8_0),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests_name("quants", tests, NULL, NULL);
}
