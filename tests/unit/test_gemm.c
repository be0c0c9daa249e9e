/* Matrix products of every path: values against float64 sums, bits against batch composition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernels/kernels.h"

static const char *const path_names[] = {"ref", "avx2", "avx512"};
enum { N_PATHS = 3 };

typedef enum layout { ROWS, WIDE_ROWS, TRANSPOSED, N_LAYOUTS } layout;
typedef enum start { FROM_ZERO, FROM_BIAS, FROM_OLD, N_STARTS } start;

/* A matrix [rows][cols] stored in one of the layouts; element (r,c) is data[r*stride_r + c*stride_c]. */
typedef struct matrix {
    int64_t rows, cols, stride_r, stride_c;
    float *data;
} matrix;

static matrix matrix_random(int64_t rows, int64_t cols, layout how, tfc_random *random)
{
    matrix a = {.rows = rows, .cols = cols};
    a.stride_r = how == TRANSPOSED ? 1 : cols + (how == WIDE_ROWS ? 5 : 0);
    a.stride_c = how == TRANSPOSED ? rows : 1;
    size_t n = (size_t)(how == TRANSPOSED ? rows * cols : rows * a.stride_r);
    a.data = tfc_alloc(n, sizeof(float));
    assert_non_null(a.data);
    for (size_t i = 0; i < n; i++) a.data[i] = (float)(tfc_random_uniform(random) * 2 - 1);
    return a;
}

static float matrix_at(const matrix *a, int64_t r, int64_t c)
{
    return a->data[r * a->stride_r + c * a->stride_c];
}

/* Memory that shows as NaN wherever packing forgets to write. */
static void *poisoned(size_t n_bytes)
{
    void *memory = tfc_alloc_aligned(n_bytes, 1);
    assert_non_null(memory);
    memset(memory, 0xFF, n_bytes);
    return memory;
}

static tfc_panels pack_weights(const tfc_kernels *kernels, const matrix *w, tfc_operand operand)
{
    tfc_panels panels = {.operand = operand, .N = w->rows, .K = w->cols};
    panels.n_panels = (w->rows + kernels->panel_n - 1) / kernels->panel_n;
    panels.panel_bytes = kernels->panel_bytes(w->cols, operand);
    assert_int_equal(panels.panel_bytes % 64, 0);
    panels.data = poisoned((size_t)panels.n_panels * panels.panel_bytes);
    int64_t middle = panels.n_panels / 2; /* two calls, as two threads would make them */
    kernels->pack_panels(&panels, middle, panels.n_panels, w->data, w->stride_r, w->stride_c);
    kernels->pack_panels(&panels, 0, middle, w->data, w->stride_r, w->stride_c);
    return panels;
}

static void *pack_inputs(const tfc_kernels *kernels, const matrix *x, int64_t M, tfc_operand operand)
{
    void *packed = poisoned(kernels->rows_bytes(M, x->cols, operand));
    int64_t middle = M / 2 / kernels->tile_m * kernels->tile_m;
    kernels->pack_rows(packed, M, x->cols, operand, middle, M, x->data, x->stride_r, x->stride_c);
    kernels->pack_rows(packed, M, x->cols, operand, 0, middle, x->data, x->stride_r, x->stride_c);
    return packed;
}

static float as_operand(float v, bool rounded)
{
    return rounded ? tfc_bf16_to_f32(tfc_f32_to_bf16(v)) : v;
}

/* Sums in f64 what the path multiplies; *size gets the sum of the products' absolute values. */
static double exact_product(const tfc_kernels *kernels, tfc_operand operand, const matrix *x, const matrix *w,
                            int64_t m, int64_t n, double *size)
{
    bool rounds_w = operand == TFC_OPERAND_BF16, rounds_x = rounds_w && strcmp(kernels->name, "avx512") == 0;
    double sum = 0;
    *size = 0;
    for (int64_t k = 0; k < x->cols; k++) {
        double product =
            (double)as_operand(matrix_at(x, m, k), rounds_x) * as_operand(matrix_at(w, n, k), rounds_w);
        sum += product;
        *size += fabs(product);
    }
    return sum;
}

typedef struct product {
    const tfc_kernels *kernels;
    tfc_operand operand;
    int64_t M, N, K;
} product;

static void check_product(const product *p, layout x_layout, layout w_layout, start from)
{
    enum { MARGIN = 3 };
    tfc_random random = tfc_random_stream(7, (uint64_t)p->M, (uint64_t)p->N, (uint64_t)p->K);
    matrix x = matrix_random(p->M, p->K, x_layout, &random), w = matrix_random(p->N, p->K, w_layout, &random);
    int64_t ld_y = p->N + MARGIN;
    matrix bias = matrix_random(1, p->N, ROWS, &random), old = matrix_random(p->M, ld_y, ROWS, &random);
    tfc_panels panels = pack_weights(p->kernels, &w, p->operand);
    void *packed = pack_inputs(p->kernels, &x, p->M, p->operand);
    float *y = tfc_alloc((size_t)(p->M * ld_y), sizeof *y);
    assert_non_null(y);
    memcpy(y, old.data, (size_t)(p->M * ld_y) * sizeof *y);
    p->kernels->gemm(y, ld_y, packed, p->M, 0, p->M, &panels, 0, panels.n_panels,
                     from == FROM_BIAS ? bias.data : NULL, from == FROM_OLD);
    for (int64_t m = 0; m < p->M; m++) {
        for (int64_t n = 0; n < p->N; n++) {
            double size, exact = exact_product(p->kernels, p->operand, &x, &w, m, n, &size);
            double base = from == FROM_BIAS ? bias.data[n] : from == FROM_OLD ? old.data[m * ld_y + n] : 0;
            double error = fabs(y[m * ld_y + n] - (exact + base));
            double allowed = (4 + sqrt((double)p->K)) * 0x1p-24 * (size + fabs(base));
            if (!(error <= allowed))
                fail_msg("%s operand %d M %ld N %ld K %ld layouts %d %d start %d: y[%ld,%ld] = %g, not %g",
                         p->kernels->name, p->operand, (long)p->M, (long)p->N, (long)p->K, x_layout, w_layout,
                         from, (long)m, (long)n, (double)y[m * ld_y + n], exact + base);
        }
        for (int64_t n = p->N; n < ld_y; n++) assert_true(y[m * ld_y + n] == old.data[m * ld_y + n]);
    }
    tfc_free(y), tfc_free(packed), tfc_free(panels.data);
    tfc_free(x.data), tfc_free(w.data), tfc_free(bias.data), tfc_free(old.data);
}

static void for_each_path(void (*check)(const tfc_kernels *kernels, tfc_operand operand))
{
    for (int path = 0; path < N_PATHS; path++) {
        const tfc_kernels *kernels = tfc_kernels_find(path_names[path]);
        if (!kernels) {
            print_message("path %s: not on this machine\n", path_names[path]);
            continue;
        }
        for (int operand = 0; operand < TFC_N_OPERANDS; operand++) check(kernels, (tfc_operand)operand);
    }
}

static void check_shapes(const tfc_kernels *kernels, tfc_operand operand)
{
    static const int64_t shapes[][3] = {
        {1, 1, 1},      {1, 32, 2},     {3, 33, 3},    {2, 96, 64},   {14, 32, 31},
        {15, 47, 64},   {13, 129, 65},  {5, 70, 577},  {28, 31, 576}, {1, 65, 1537},
        {17, 40, 1536}, {40, 16, 1537}, {6, 161, 100}, {64, 48, 255},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        product p = {kernels, operand, shapes[s][0], shapes[s][1], shapes[s][2]};
        for (int from = 0; from < N_STARTS; from++) check_product(&p, ROWS, ROWS, (start)from);
        check_product(&p, WIDE_ROWS, WIDE_ROWS, FROM_ZERO);
        check_product(&p, TRANSPOSED, ROWS, FROM_ZERO);
        check_product(&p, ROWS, TRANSPOSED, FROM_BIAS);
        check_product(&p, TRANSPOSED, TRANSPOSED, FROM_OLD);
    }
    for (int64_t M = 1; M <= 40; M++) {
        product p = {kernels, operand, M, 80, 67};
        check_product(&p, ROWS, ROWS, (start)(M % N_STARTS));
        check_product(&p, TRANSPOSED, ROWS, FROM_ZERO);
    }
}

static void test_shapes(void **state)
{
    (void)state;
    for_each_path(check_shapes);
}

/* A row's bits are the same whoever shares its batch, and however the columns are split. */
static void check_independence(const tfc_kernels *kernels, tfc_operand operand)
{
    enum { M_MAX = 40, N = 150 };
    static const int64_t Ks[] = {1, 37, 1100};
    for (size_t i = 0; i < sizeof Ks / sizeof *Ks; i++) {
        int64_t K = Ks[i];
        tfc_random random = tfc_random_stream(9, (uint64_t)K, 0, 0);
        matrix x = matrix_random(M_MAX, K, ROWS, &random), w = matrix_random(N, K, ROWS, &random);
        matrix bias = matrix_random(1, N, ROWS, &random);
        tfc_panels panels = pack_weights(kernels, &w, operand);
        static float alone[M_MAX][N], together[M_MAX][N];
        for (int64_t m = 0; m < M_MAX; m++) {
            matrix row = {1, K, K, 1, x.data + m * K};
            void *packed = pack_inputs(kernels, &row, 1, operand);
            for (int64_t p = 0; p < panels.n_panels; p++)
                kernels->gemm(alone[m], N, packed, 1, 0, 1, &panels, p, p + 1, bias.data, false);
            tfc_free(packed);
        }
        for (int64_t M = 1; M <= M_MAX; M++) {
            void *packed = pack_inputs(kernels, &x, M, operand);
            memset(together, 0, sizeof together);
            int64_t middle = M / 2 / kernels->tile_m * kernels->tile_m, third = panels.n_panels / 3;
            kernels->gemm(together[0], N, packed, M, 0, middle, &panels, 0, panels.n_panels, bias.data,
                          false);
            kernels->gemm(together[0], N, packed, M, middle, M, &panels, third, panels.n_panels, bias.data,
                          false);
            kernels->gemm(together[0], N, packed, M, middle, M, &panels, 0, third, bias.data, false);
            if (memcmp(alone, together, (size_t)M * N * sizeof(float)) != 0)
                fail_msg("%s operand %d K %ld M %ld: bits depend on the batch", kernels->name, operand,
                         (long)K, (long)M);
            tfc_free(packed);
        }
        tfc_free(panels.data), tfc_free(x.data), tfc_free(w.data), tfc_free(bias.data);
    }
}

static void test_independence(void **state)
{
    (void)state;
    for_each_path(check_independence);
}

/* Rows m_from … m_to-1 with m_to inside a tile: the rows after it stay as they are. */
static void check_row_range(const tfc_kernels *kernels, tfc_operand operand)
{
    enum { M = 30, N = 40, K = 20 };
    tfc_random random = tfc_random_stream(11, 0, 0, 0);
    matrix x = matrix_random(M, K, ROWS, &random), w = matrix_random(N, K, ROWS, &random);
    tfc_panels panels = pack_weights(kernels, &w, operand);
    void *packed = pack_inputs(kernels, &x, M, operand);
    static float whole[M][N], part[M][N];
    kernels->gemm(whole[0], N, packed, M, 0, M, &panels, 0, panels.n_panels, NULL, false);
    for (int64_t from = 0; from < M; from += kernels->tile_m) {
        for (int64_t to = from; to <= M; to++) {
            memset(part, 0, sizeof part);
            kernels->gemm(part[0], N, packed, M, from, to, &panels, 0, panels.n_panels, NULL, false);
            for (int64_t m = 0; m < M; m++)
                for (int64_t n = 0; n < N; n++)
                    assert_true(part[m][n] == (m >= from && m < to ? whole[m][n] : 0.0F));
        }
    }
    tfc_free(packed), tfc_free(panels.data), tfc_free(x.data), tfc_free(w.data);
}

static void test_row_range(void **state)
{
    (void)state;
    for_each_path(check_row_range);
}

static void test_find(void **state)
{
    (void)state;
    char message[200];
    const tfc_kernels *ref = tfc_kernels_find("ref");
    assert_non_null(ref);
    assert_string_equal(ref->name, "ref");
    assert_null(tfc_kernels_find("avx3"));
    const char *before = getenv("TFC_CPU");
    char *kept = before ? tfc_strdup(before) : NULL;
    setenv("TFC_CPU", "ref", 1);
    assert_ptr_equal(tfc_kernels_default(message, sizeof message), ref);
    setenv("TFC_CPU", "sse", 1);
    assert_null(tfc_kernels_default(message, sizeof message));
    assert_non_null(strstr(message, "TFC_CPU=sse"));
    unsetenv("TFC_CPU");
    assert_non_null(tfc_kernels_default(message, sizeof message));
    if (kept) setenv("TFC_CPU", kept, 1);
    tfc_free(kept);
}

static void check_peak(const tfc_kernels *kernels, tfc_operand operand)
{
    double rate = tfc_kernels_measure_peak(kernels, operand, 1 + (int)operand);
    assert_true(rate > 1e8 && rate < 1e14);
}

static void test_peak(void **state)
{
    (void)state;
    for_each_path(check_peak);
}

/* Values that rounding to bf16 must not turn into others: NaN and infinity reach the sum, ties go to even. */
static void check_special_weights(const tfc_kernels *kernels, tfc_operand operand)
{
    float w[4] = {NAN, INFINITY, 1.0F + 0x1p-8F, 1.0F + 0x3p-8F}, one = 1, y[4];
    matrix weights = {4, 1, 1, 1, w}, x = {1, 1, 1, 1, &one};
    uint32_t awkward = 0x7F800001U; /* a NaN that is infinity once cut to bf16 */
    memcpy(&w[0], &awkward, sizeof awkward);
    tfc_panels panels = pack_weights(kernels, &weights, operand);
    void *packed = pack_inputs(kernels, &x, 1, operand);
    kernels->gemm(y, 4, packed, 1, 0, 1, &panels, 0, panels.n_panels, NULL, false);
    assert_true(isnan(y[0]));
    assert_true(isinf(y[1]) && y[1] > 0);
    assert_true(y[2] == as_operand(w[2], operand == TFC_OPERAND_BF16));
    assert_true(y[3] == as_operand(w[3], operand == TFC_OPERAND_BF16));
    tfc_free(packed), tfc_free(panels.data);
}

static void test_special_weights(void **state)
{
    (void)state;
    for_each_path(check_special_weights);
}

/* Panels longer than a block of steps, more rows than a block of rows, each split by hand at other places. */
static void check_blocks(const tfc_kernels *kernels, tfc_operand operand)
{
    enum { M = 241, N = 70, K = 1700 };
    tfc_random random = tfc_random_stream(13, 0, 0, 0);
    matrix x = matrix_random(M, K, ROWS, &random), w = matrix_random(N, K, ROWS, &random);
    tfc_panels panels = pack_weights(kernels, &w, operand);
    void *packed = pack_inputs(kernels, &x, M, operand);
    static float whole[M][N], part[M][N];
    kernels->gemm(whole[0], N, packed, M, 0, M, &panels, 0, panels.n_panels, NULL, false);
    for (int64_t m = 0; m < M; m += 3 * kernels->tile_m) {
        int64_t end = m + 3 * kernels->tile_m < M ? m + 3 * kernels->tile_m : M;
        kernels->gemm(part[0], N, packed, M, m, end, &panels, 0, panels.n_panels, NULL, false);
    }
    assert_memory_equal(whole, part, sizeof whole);
    double size, exact = exact_product(kernels, operand, &x, &w, M - 1, N - 1, &size);
    assert_true(fabs(whole[M - 1][N - 1] - exact) <= (4 + sqrt(K)) * 0x1p-24 * size);
    tfc_free(packed), tfc_free(panels.data), tfc_free(x.data), tfc_free(w.data);
}

static void test_blocks(void **state)
{
    (void)state;
    for_each_path(check_blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),    cmocka_unit_test(test_independence),
        cmocka_unit_test(test_row_range), cmocka_unit_test(test_find),
        cmocka_unit_test(test_peak),      cmocka_unit_test(test_special_weights),
        cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests_name("gemm", tests, NULL, NULL);
}
