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

static const char *const path_names[] = {"ref", "avx2", "avx512", "amx"};
enum { N_PATHS = 4 };

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

/* What a path multiplies, as f64 [rows][K]; int8: rotated, K in whole blocks. */
typedef struct form {
    int64_t K;
    double *values, *quanta; /* quanta[rows]: the largest step from one value to the next */
} form;

enum { GROUP = 64 };

/* One block as int8_block.h describes it, written once more: signs by counting bits, all in f64. */
static double int8_block(double *values, int64_t n)
{
    double rotated[3 * GROUP], most = 0;
    for (int64_t i = 0; i < n; i++) {
        rotated[i] = 0;
        for (int64_t j = 0; j < GROUP; j++)
            rotated[i] += values[i / GROUP * GROUP + j] * (__builtin_parityll((uint64_t)(i & j)) ? -1 : 1);
        if (fabs(rotated[i]) > most) most = fabs(rotated[i]);
    }
    double quantum = most / 127;
    for (int64_t i = 0; i < n; i++) values[i] = quantum > 0 ? rint(rotated[i] / quantum) * quantum / 8 : 0;
    return quantum / 8;
}

/* avx512 and amx round both operands to bf16. */
static bool rounds_inputs(const tfc_kernels *kernels)
{
    return strcmp(kernels->name, "avx512") == 0 || strcmp(kernels->name, "amx") == 0;
}

static form form_of(const tfc_kernels *kernels, tfc_operand operand, const matrix *a, bool weights)
{
    bool rounds = operand == TFC_OPERAND_BF16 && (weights || rounds_inputs(kernels));
    int64_t groups = (a->cols + GROUP - 1) / GROUP;
    int64_t block = GROUP * (groups == 1 ? 1 : groups % 2 && groups % 3 == 0 ? 3 : 2);
    form f = {.K = operand == TFC_OPERAND_INT8 ? (a->cols + block - 1) / block * block : a->cols};
    f.values = tfc_alloc_zero((size_t)(a->rows * f.K), sizeof *f.values);
    f.quanta = tfc_alloc_zero((size_t)a->rows, sizeof *f.quanta);
    assert_true(f.values && f.quanta);
    for (int64_t r = 0; r < a->rows; r++) {
        double *row = f.values + r * f.K;
        for (int64_t c = 0; c < a->cols; c++) row[c] = as_operand(matrix_at(a, r, c), rounds);
        for (int64_t k = 0; operand == TFC_OPERAND_INT8 && k < f.K; k += block)
            f.quanta[r] = fmax(f.quanta[r], int8_block(row + k, block));
    }
    return f;
}

static void form_release(form *f)
{
    tfc_free(f->values), tfc_free(f->quanta);
}

/* Sums in f64 what the path multiplies; *allowed gets how far its sum on top of `base` may be off. */
static double exact_product(const form *x, const form *w, int64_t m, int64_t n, double base, double *allowed)
{
    double sum = base, size = fabs(base);
    for (int64_t k = 0; k < x->K; k++) {
        double product = x->values[m * x->K + k] * w->values[n * w->K + k];
        sum += product;
        size += fabs(product);
    }
    /* Roundings of the sum; and a rotated value or two between two integers may go either way in f32. */
    *allowed = (4 + sqrt((double)x->K)) * 0x1p-24 * size + 3 * 127 * x->quanta[m] * w->quanta[n];
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
    form x_form = form_of(p->kernels, p->operand, &x, false),
         w_form = form_of(p->kernels, p->operand, &w, true);
    for (int64_t m = 0; m < p->M; m++) {
        for (int64_t n = 0; n < p->N; n++) {
            double base = from == FROM_BIAS ? bias.data[n] : from == FROM_OLD ? old.data[m * ld_y + n] : 0;
            double allowed, exact = exact_product(&x_form, &w_form, m, n, base, &allowed);
            double error = fabs(y[m * ld_y + n] - exact);
            if (!(error <= allowed))
                fail_msg("%s operand %d M %ld N %ld K %ld layouts %d %d start %d: y[%ld,%ld] = %g, not %g",
                         p->kernels->name, p->operand, (long)p->M, (long)p->N, (long)p->K, x_layout, w_layout,
                         from, (long)m, (long)n, (double)y[m * ld_y + n], exact);
        }
        for (int64_t n = p->N; n < ld_y; n++) assert_true(y[m * ld_y + n] == old.data[m * ld_y + n]);
    }
    form_release(&x_form), form_release(&w_form);
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

/* int8 by the shape of the work and by what is in it: every path gives the bits of the reference, and is as
 * near to the product as eight bits allow. */
static void check_int8(int64_t M, int64_t N, int64_t K, layout how, float outlier)
{
    tfc_random random = tfc_random_stream(17, (uint64_t)M, (uint64_t)N, (uint64_t)K);
    matrix x = matrix_random(M, K, how, &random), w = matrix_random(N, K, how, &random);
    matrix bias = matrix_random(1, N, ROWS, &random);
    x.data[(size_t)(M * K) / 3] *= outlier;
    float *first = tfc_alloc((size_t)(M * N), sizeof *first), *y = tfc_alloc((size_t)(M * N), sizeof *y);
    assert_true(first && y);
    double error = 0, size = 0;
    for (int path = 0; path < N_PATHS; path++) {
        const tfc_kernels *kernels = tfc_kernels_find(path_names[path]);
        if (!kernels) continue;
        tfc_panels panels = pack_weights(kernels, &w, TFC_OPERAND_INT8);
        void *packed = pack_inputs(kernels, &x, M, TFC_OPERAND_INT8);
        kernels->gemm(y, N, packed, M, 0, M, &panels, 0, panels.n_panels, bias.data, false);
        if (path == 0) memcpy(first, y, (size_t)(M * N) * sizeof *y);
        if (memcmp(first, y, (size_t)(M * N) * sizeof *y) != 0)
            fail_msg("int8 M %ld N %ld K %ld layout %d outlier %g: %s differs from ref", (long)M, (long)N,
                     (long)K, how, (double)outlier, kernels->name);
        tfc_free(packed), tfc_free(panels.data);
    }
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = 0; n < N; n++) {
            double exact = 0;
            for (int64_t k = 0; k < K; k++) exact += (double)matrix_at(&x, m, k) * matrix_at(&w, n, k);
            error += (first[m * N + n] - bias.data[n] - exact) * (first[m * N + n] - bias.data[n] - exact);
            size += exact * exact;
        }
    if (!(error <= 0.02 * 0.02 * size)) fail_msg("K %ld: error %g of %g", (long)K, sqrt(error), sqrt(size));
    tfc_free(first), tfc_free(y), tfc_free(x.data), tfc_free(w.data), tfc_free(bias.data);
}

static void test_int8(void **state)
{
    (void)state;
    static const int64_t Ks[] = {1, 3, 64, 65, 128, 129, 192, 200, 321, 576, 703, 1536, 3200};
    static const int64_t Ms[] = {1, 2, 5, 13, 14, 15, 28, 31};
    for (size_t k = 0; k < sizeof Ks / sizeof *Ks; k++)
        for (size_t m = 0; m < sizeof Ms / sizeof *Ms; m++) {
            check_int8(Ms[m], 33 + 16 * (int64_t)m, Ks[k], ROWS, 1);
            check_int8(Ms[m], 70, Ks[k], m % 2 ? WIDE_ROWS : TRANSPOSED, 50);
        }
    check_int8(130, 96, 576, ROWS, 1000);
}

/* The extremes: sums at their largest, zeros, and values next to nothing. */
static void test_int8_extremes(void **state)
{
    (void)state;
    enum { M = 15, N = 40, K = 1536 };
    static const float fills[][2] = {{1, 1}, {-1, 1},     {-3e37F, 1e-3F}, {0, 1},
                                     {1, 0}, {1e-38F, 1}, {1e-25F, 1e-5F}};
    static float x_data[M * K], w_data[N * K], y[N_PATHS][M * N];
    for (size_t f = 0; f < sizeof fills / sizeof *fills; f++) {
        /* One value a group: rotated, all 64 have its size; they and their signs meet in the first output. */
        for (int i = 0; i < M * K; i++) x_data[i] = i % GROUP ? 0 : fills[f][0];
        for (int i = 0; i < N * K; i++) w_data[i] = i % GROUP == i / K % GROUP ? fills[f][1] : 0;
        matrix x = {M, K, K, 1, x_data}, w = {N, K, K, 1, w_data};
        for (int path = 0; path < N_PATHS; path++) {
            const tfc_kernels *kernels = tfc_kernels_find(path_names[path]);
            if (!kernels) continue;
            tfc_panels panels = pack_weights(kernels, &w, TFC_OPERAND_INT8);
            void *packed = pack_inputs(kernels, &x, M, TFC_OPERAND_INT8);
            kernels->gemm(y[path], N, packed, M, 0, M, &panels, 0, panels.n_panels, NULL, false);
            assert_memory_equal(y[path], y[0], sizeof y[0]);
            tfc_free(packed), tfc_free(panels.data);
        }
        double exact = (double)fills[f][0] * (double)fills[f][1] * (K / GROUP);
        if (fabs(fills[f][0]) < 1e-30F) exact = 0; /* too small for a scale */
        assert_true(fabs(y[0][0] - exact) <= 1e-6 * fabs(exact));
        for (int n = 1; n < N; n++) assert_true(fabsf(y[0][n]) <= 1e-6F * fabsf((float)exact));
    }
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
    if (operand == TFC_OPERAND_INT8) {
        assert_true(!isfinite(y[1]));
        assert_true(fabsf(y[2] - w[2]) < 1e-6F && fabsf(y[3] - w[3]) < 1e-6F); /* both alone in their block */
    } else {
        assert_true(isinf(y[1]) && y[1] > 0);
        assert_true(y[2] == as_operand(w[2], operand == TFC_OPERAND_BF16));
        assert_true(y[3] == as_operand(w[3], operand == TFC_OPERAND_BF16));
    }
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
    form x_form = form_of(kernels, operand, &x, false), w_form = form_of(kernels, operand, &w, true);
    double allowed, exact = exact_product(&x_form, &w_form, M - 1, N - 1, 0, &allowed);
    assert_true(fabs(whole[M - 1][N - 1] - exact) <= allowed);
    form_release(&x_form), form_release(&w_form);
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
        cmocka_unit_test(test_shapes),        cmocka_unit_test(test_independence),
        cmocka_unit_test(test_row_range),     cmocka_unit_test(test_find),
        cmocka_unit_test(test_peak),          cmocka_unit_test(test_special_weights),
        cmocka_unit_test(test_blocks),        cmocka_unit_test(test_int8),
        cmocka_unit_test(test_int8_extremes),
    };
    return cmocka_run_group_tests_name("gemm", tests, NULL, NULL);
}
