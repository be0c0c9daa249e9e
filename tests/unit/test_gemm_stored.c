/* Products over a file's own blocks: the bits of panels of the operand, on every path; values against float64
 * sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernels/kernels.h"

enum { MARGIN = 3 };
static const char *const path_names[] = {"ref", "avx2", "avx512", "amx"};
static const tfc_dtype dtypes[] = {TFC_Q8_0, TFC_Q4_0, TFC_Q4_1};
enum { N_PATHS = 4, N_TYPES = 3 };

typedef struct product {
    const tfc_kernels *kernels;
    tfc_operand operand;
    tfc_dtype dtype;
    int64_t M, N, K;
} product;

static void *take(size_t n_bytes)
{
    void *memory = tfc_alloc_aligned(n_bytes, 1);
    assert_non_null(memory);
    memset(memory, 0xFF, n_bytes); /* NaN wherever packing forgets to write */
    return memory;
}

static float *random_floats(int64_t n, tfc_random *random)
{
    float *values = take((size_t)n * sizeof *values);
    for (int64_t i = 0; i < n; i++) values[i] = (float)(tfc_random_uniform(random) * 2 - 1);
    return values;
}

/* n blocks of any quants, with scales and minima of both signs, some zero, some subnormal. */
static unsigned char *random_blocks(tfc_dtype dtype, int64_t n, tfc_random *random)
{
    size_t size = tfc_dtype_block_bytes(dtype);
    unsigned char *blocks = take((size_t)n * size);
    for (int64_t b = 0; b < n; b++) {
        unsigned char *at = blocks + (size_t)b * size;
        for (size_t i = 0; i < size; i++) at[i] = (unsigned char)tfc_random_below(random, 256);
        for (size_t i = 0; i < (dtype == TFC_Q4_1 ? 4U : 2U); i += 2) {
            float scale = (float)(tfc_random_uniform(random) * 0.2 - 0.1);
            uint64_t kind = tfc_random_below(random, 16);
            uint16_t half = tfc_f32_to_f16(kind == 0 ? 0 : kind == 1 ? scale * 0x1p-18F : scale);
            memcpy(at + i, &half, sizeof half);
        }
    }
    return blocks;
}

static tfc_panels make_panels(const product *p, const unsigned char *blocks, const float *values)
{
    const tfc_kernels *kernels = p->kernels;
    tfc_panels panels = {.operand = p->operand, .N = p->N, .K = p->K};
    panels.n_panels = (p->N + kernels->panel_n - 1) / kernels->panel_n;
    if (blocks) panels.stored = p->dtype;
    panels.panel_bytes =
        blocks ? kernels->stored_bytes(p->K, p->dtype) : kernels->panel_bytes(p->K, p->operand);
    assert_int_equal(panels.panel_bytes % 64, 0);
    panels.data = take((size_t)panels.n_panels * panels.panel_bytes);
    if (!blocks) kernels->pack_panels(&panels, 0, panels.n_panels, values, p->K, 1);
    size_t row_bytes = tfc_dtype_row_bytes(p->dtype, p->K);
    for (int64_t i = 0; blocks && i < panels.n_panels; i++)
        kernels->pack_stored(&panels, i, blocks + (size_t)(i * kernels->panel_n) * row_bytes);
    return panels;
}

static void multiply(const product *p, float *y, const void *packed, const tfc_panels *panels,
                     const float *bias, bool accumulate)
{
    p->kernels->gemm(y, p->N + MARGIN, packed, p->M, 0, p->M, panels, 0, panels->n_panels, bias, accumulate);
}

/* avx512 and amx round both operands to bf16. */
static bool rounds_inputs(const tfc_kernels *kernels)
{
    return strcmp(kernels->name, "avx512") == 0 || strcmp(kernels->name, "amx") == 0;
}

/* One element against its sum in f64. */
static void check_value(const product *p, const float *x, const float *w, float got)
{
    bool rounds_x = p->operand == TFC_OPERAND_BF16 && rounds_inputs(p->kernels);
    double sum = 0, size = 0;
    for (int64_t k = 0; k < p->K; k++) {
        float a = rounds_x ? tfc_bf16_to_f32(tfc_f32_to_bf16(x[k])) : x[k];
        float b = p->operand == TFC_OPERAND_BF16 ? tfc_bf16_to_f32(tfc_f32_to_bf16(w[k])) : w[k];
        sum += (double)a * b;
        size += fabs((double)a * b);
    }
    assert_true(fabs(got - sum) <= (4 + sqrt((double)p->K)) * 0x1p-24 * size + 1e-30);
}

static void check_product(const product *p)
{
    tfc_random random = tfc_random_stream(23, (uint64_t)p->M, (uint64_t)p->N, (uint64_t)p->K);
    int64_t n_y = p->M * (p->N + MARGIN);
    unsigned char *blocks = random_blocks(p->dtype, p->N * p->K / 32, &random);
    float *w = take((size_t)(p->N * p->K) * sizeof *w), *y = take((size_t)n_y * sizeof *y);
    tfc_dequantize_row_ref(w, blocks, p->N * p->K, p->dtype);
    float *x = random_floats(p->M * p->K, &random), *old = random_floats(n_y, &random),
          *bias = random_floats(p->N, &random), *stored_y = take((size_t)n_y * sizeof *y);
    tfc_panels plain = make_panels(p, NULL, w), stored = make_panels(p, blocks, NULL);
    void *packed = take(p->kernels->rows_bytes(p->M, p->K, p->operand));
    p->kernels->pack_rows(packed, p->M, p->K, p->operand, 0, p->M, x, p->K, 1);
    for (int start = 0; start < 3; start++) { /* from a bias, from what is there, from zero */
        memcpy(y, old, (size_t)n_y * sizeof *y);
        memcpy(stored_y, old, (size_t)n_y * sizeof *y);
        multiply(p, y, packed, &plain, start == 0 ? bias : NULL, start == 1);
        multiply(p, stored_y, packed, &stored, start == 0 ? bias : NULL, start == 1);
        if (memcmp(y, stored_y, (size_t)n_y * sizeof *y) != 0)
            fail_msg("%s %s %s M %ld N %ld K %ld start %d: other bits than plain panels", p->kernels->name,
                     tfc_operand_name(p->operand), tfc_dtype_name(p->dtype), (long)p->M, (long)p->N,
                     (long)p->K, start);
    }
    check_value(p, x + (p->M - 1) * p->K, w + (p->N - 1) * p->K,
                stored_y[(p->M - 1) * (p->N + MARGIN) + p->N - 1]);
    tfc_free(blocks), tfc_free(w), tfc_free(x), tfc_free(y), tfc_free(stored_y), tfc_free(old);
    tfc_free(bias), tfc_free(plain.data), tfc_free(stored.data), tfc_free(packed);
}

static void test_products(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {
        {1, 1, 32},     {1, 32, 64},   {1, 129, 576}, {1, 161, 1536}, {2, 130, 96},
        {3, 33, 160},   {6, 70, 576},  {7, 48, 320},  {13, 65, 64},   {14, 32, 576},
        {15, 47, 1536}, {28, 31, 128}, {56, 96, 576}, {241, 17, 96},
    };
    for (int path = 0; path < N_PATHS; path++) {
        const tfc_kernels *kernels = tfc_kernels_find(path_names[path]);
        if (!kernels) {
            print_message("path %s: not on this machine\n", path_names[path]);
            continue;
        }
        for (int operand = 0; operand < TFC_OPERAND_INT8; operand++)
            for (int type = 0; type < N_TYPES; type++)
                for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
                    check_product(&(product){kernels, (tfc_operand)operand, dtypes[type], shapes[s][0],
                                             shapes[s][1], shapes[s][2]});
    }
}

static void test_kept_types(void **state)
{
    (void)state;
    for (int type = 0; type < TFC_N_DTYPES; type++) {
        bool blocks = tfc_dtype_block_values((tfc_dtype)type) > 1;
        assert_int_equal(tfc_kernels_keeps((tfc_dtype)type, TFC_OPERAND_F32), blocks);
        assert_int_equal(tfc_kernels_keeps((tfc_dtype)type, TFC_OPERAND_BF16), blocks);
        assert_false(tfc_kernels_keeps((tfc_dtype)type, TFC_OPERAND_INT8));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_kept_types),
    };
    return cmocka_run_group_tests_name("gemm_stored", tests, NULL, NULL);
}
