/* Rows and elements: every path of this machine against float64 written out here, gradients against central
 * differences, odd sizes, extreme values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "kernels/kernels.h"

enum { MAX_N = 1100 };
static const int64_t sizes[] = {1,  2,  3,   7,   8,   9,   15,   16,   17,  31,
                                33, 64, 100, 127, 255, 576, 1023, 1024, 1027};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

static const tfc_kernels *paths[3];
static int n_paths;

static int find_paths(void **state)
{
    (void)state;
    const char *names[] = {"ref", "avx2", "avx512"};
    for (int i = 0; i < 3; i++)
        if (tfc_kernels_find(names[i])) paths[n_paths++] = tfc_kernels_find(names[i]);
    return n_paths ? 0 : -1;
}

static void fill(float *x, int64_t n, double size, uint64_t seed)
{
    tfc_random random = tfc_random_stream(seed, (uint64_t)n, 0, 0);
    for (int64_t i = 0; i < n; i++) x[i] = (float)((tfc_random_uniform(&random) * 2 - 1) * size);
}

/* |got - want| <= tolerance * (1 + |want|), element by element; a guard element after the end is untouched.
 */
static void assert_close(const char *what, const tfc_kernels *k, const float *got, const double *want,
                         int64_t n, double tolerance)
{
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= tolerance * (1 + fabs(want[i]))))
            fail_msg("%s %s n=%d [%d]: %.9g, want %.9g", k->name, what, (int)n, (int)i, (double)got[i],
                     want[i]);
    if (got[n] != 77.0f) fail_msg("%s %s n=%d writes past its end", k->name, what, (int)n);
}

#define FOR_PATHS_AND_SIZES                                                                                  \
    for (int path_ = 0; path_ < n_paths; path_++)                                                            \
        for (int size_ = 0; size_ < N_SIZES; size_++)

/* ---- norms ---- */

static double loss_rmsnorm(const double *x, const double *weight, const double *d_y, int64_t C, double eps)
{
    double squares = 0, loss = 0;
    for (int64_t i = 0; i < C; i++) squares += x[i] * x[i];
    double rstd = 1 / sqrt(squares / (double)C + eps);
    for (int64_t i = 0; i < C; i++) loss += d_y[i] * x[i] * rstd * weight[i];
    return loss;
}

static double loss_layernorm(const double *x, const double *weight, const double *d_y, int64_t C, double eps)
{
    double sum = 0, squares = 0, loss = 0;
    for (int64_t i = 0; i < C; i++) sum += x[i];
    double mean = sum / (double)C;
    for (int64_t i = 0; i < C; i++) squares += (x[i] - mean) * (x[i] - mean);
    double rstd = 1 / sqrt(squares / (double)C + eps);
    for (int64_t i = 0; i < C; i++) loss += d_y[i] * (x[i] - mean) * rstd * weight[i];
    return loss;
}

typedef double (*norm_loss)(const double *, const double *, const double *, int64_t, double);

/* y[i] = d loss / d d_y[i]: the loss is linear in d_y. */
static void norm_reference(norm_loss loss, double *y, double *d_x, double *d_weight, const float *x,
                           const float *weight, const float *d_y, int64_t C, double eps)
{
    double X[MAX_N], W[MAX_N], G[MAX_N], unit[MAX_N] = {0};
    const double h = 1e-5;
    for (int64_t i = 0; i < C; i++) X[i] = (double)x[i], W[i] = (double)weight[i], G[i] = (double)d_y[i];
    for (int64_t i = 0; i < C; i++) {
        unit[i] = 1;
        y[i] = loss(X, W, unit, C, eps);
        unit[i] = 0;
        double keep = X[i];
        X[i] = keep + h;
        d_x[i] = loss(X, W, G, C, eps);
        X[i] = keep - h;
        d_x[i] = (d_x[i] - loss(X, W, G, C, eps)) / (2 * h);
        X[i] = keep, keep = W[i];
        W[i] = keep + h;
        d_weight[i] = loss(X, W, G, C, eps);
        W[i] = keep - h;
        d_weight[i] = (d_weight[i] - loss(X, W, G, C, eps)) / (2 * h);
        W[i] = keep;
    }
}

static void test_norms(void **state)
{
    (void)state;
    float x[MAX_N], w[MAX_N], g[MAX_N], b[MAX_N], y[MAX_N + 1], dx[MAX_N + 1], dw[MAX_N + 1], db[MAX_N + 1];
    double Y[MAX_N], DX[MAX_N], DW[MAX_N], DB[MAX_N];
    FOR_PATHS_AND_SIZES
    {
        const tfc_kernels *k = paths[path_];
        int64_t C = sizes[size_];
        fill(x, C, 3, 1), fill(w, C, 1.5, 2), fill(g, C, 1, 3), fill(b, C, 1, 4);
        for (int layer = 0; layer < 2; layer++) {
            if (layer && C == 1) continue; /* no variance: the differences do not resolve epsilon */
            norm_reference(layer ? loss_layernorm : loss_rmsnorm, Y, DX, DW, x, w, g, C, 1e-5);
            y[C] = dx[C] = dw[C] = db[C] = 77;
            /* gradients are added to what is there */
            for (int64_t i = 0; i < C; i++) {
                dx[i] = dw[i] = db[i] = 1;
                DX[i] += 1, DW[i] += 1, DB[i] = 1 + (double)g[i];
            }
            if (layer) {
                float stats[2];
                k->layernorm(y, x, w, b, C, 1e-5f, stats);
                k->layernorm(y, x, w, b, C, 1e-5f, NULL);
                for (int64_t i = 0; i < C; i++) Y[i] += (double)b[i];
                k->layernorm_backward(dx, dw, db, g, x, w, stats, C);
                assert_close("layernorm d_bias", k, db, DB, C, 1e-6);
            } else {
                float rstd = k->rmsnorm(y, x, w, C, 1e-5f);
                k->rmsnorm_backward(dx, dw, g, x, w, rstd, C);
            }
            assert_close(layer ? "layernorm" : "rmsnorm", k, y, Y, C, 1e-6);
            assert_close(layer ? "layernorm d_x" : "rmsnorm d_x", k, dx, DX, C, 5e-6);
            assert_close(layer ? "layernorm d_weight" : "rmsnorm d_weight", k, dw, DW, C, 2e-6);
        }
        memcpy(y, x, (size_t)C * sizeof *y); /* in place */
        float z[MAX_N];
        k->rmsnorm(z, x, w, C, 1e-5f);
        k->rmsnorm(y, y, w, C, 1e-5f);
        assert_memory_equal(y, z, (size_t)C * sizeof *y);
    }
}

/* ---- rope ---- */

static void test_rope(void **state)
{
    (void)state;
    const int64_t rotated[] = {2, 4, 6, 8, 12, 16, 18, 32, 34, 64, 100};
    for (int path = 0; path < n_paths; path++)
        for (size_t s = 0; s < sizeof rotated / sizeof *rotated; s++)
            for (int interleaved = 0; interleaved < 2; interleaved++) {
                const tfc_kernels *k = paths[path];
                int64_t n = rotated[s], half = n / 2;
                float x[101], y[101], table[100];
                double want[101];
                fill(x, n, 2, 5);
                for (int64_t i = 0; i < half; i++) {
                    double angle = (double)(i + 1) * 0.7;
                    table[i] = (float)cos(angle), table[half + i] = (float)sin(angle);
                    int64_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : i + half;
                    want[a] = (double)x[a] * cos(angle) - (double)x[b] * sin(angle);
                    want[b] = (double)x[a] * sin(angle) + (double)x[b] * cos(angle);
                }
                memcpy(y, x, sizeof y);
                y[n] = 77;
                k->rope(y, table, n, interleaved, false);
                assert_close("rope", k, y, want, n, 3e-7);
                for (int64_t i = 0; i < n; i++) want[i] = (double)x[i];
                k->rope(y, table, n, interleaved, true);
                assert_close("rope back", k, y, want, n, 4e-7);
            }
}

/* ---- activations ---- */

static double sigmoid64(double x)
{
    return 1 / (1 + exp(-x));
}
static double silu64(double x)
{
    return x * sigmoid64(x);
}
static double gelu64(double x)
{
    return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}
static double slope64(double (*f)(double), double x)
{
    return (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;
}

static void test_activations(void **state)
{
    (void)state;
    float x[MAX_N], up[MAX_N], g[MAX_N], y[MAX_N + 1], z[MAX_N + 1];
    double want[MAX_N], want_up[MAX_N];
    FOR_PATHS_AND_SIZES
    {
        const tfc_kernels *k = paths[path_];
        int64_t n = sizes[size_];
        fill(x, n, size_ % 2 ? 5 : 30, 6), fill(up, n, 2, 7), fill(g, n, 1, 8);
        y[n] = z[n] = 77;
        for (int64_t i = 0; i < n; i++) want[i] = silu64((double)x[i]) * (double)up[i];
        k->swiglu(y, x, up, n);
        assert_close("swiglu", k, y, want, n, 4e-7);
        for (int64_t i = 0; i < n; i++) {
            want[i] = (double)g[i] * (double)up[i] * slope64(silu64, (double)x[i]);
            want_up[i] = (double)g[i] * silu64((double)x[i]);
        }
        k->swiglu_backward(y, z, g, x, up, n);
        assert_close("swiglu d_gate", k, y, want, n, 1e-6);
        assert_close("swiglu d_up", k, z, want_up, n, 4e-7);
        for (int64_t i = 0; i < n; i++) want[i] = gelu64((double)x[i]);
        k->gelu(y, x, n);
        assert_close("gelu", k, y, want, n, 4e-7);
        for (int64_t i = 0; i < n; i++) want[i] = (double)g[i] * slope64(gelu64, (double)x[i]);
        k->gelu_backward(y, g, x, n);
        assert_close("gelu d_x", k, y, want, n, 1e-6);
        for (int64_t i = 0; i < n; i++) y[i] = g[i], z[i] = g[i];
        for (int64_t i = 0; i < n; i++) want[i] = (double)(g[i] + x[i]), want_up[i] = (double)(g[i] * 0.3f);
        k->add(y, x, n);
        assert_close("add", k, y, want, n, 0);
        k->scale(z, 0.3f, n);
        assert_close("scale", k, z, want_up, n, 0);
    }
}

/* ---- exp ---- */

static double ulps(float got, double want)
{
    int exponent;
    frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1, exponent - 24);
}

static void test_exp(void **state)
{
    (void)state;
    const float extreme[] = {0,     -0.0f,        -100,    -88,   -87.3f,   -INFINITY, 88,
                             88.7f, 88.7228f,     89,      1e30f, INFINITY, -1e30f,    1e-30f,
                             0.5f,  -0.34657359f, -1e-40f, 1,     -1,       NAN};
    enum { N = sizeof extreme / sizeof *extreme };
    for (int path = 0; path < n_paths; path++) {
        const tfc_kernels *k = paths[path];
        float y[N], x[MAX_N], z[MAX_N + 1];
        k->exp_shift(y, extreme, 0, 1, N);
        for (int i = 0; i < N; i++) {
            double want = exp((double)extreme[i]);
            if (extreme[i] != extreme[i]) {
                assert_true(y[i] != y[i]);
            } else if (want < 0x1p-126) {
                assert_true(y[i] == 0); /* no subnormals */
            } else if (want > 0x1.fffffep127) {
                assert_true(y[i] == INFINITY);
            } else if (!(ulps(y[i], want) <= 1.2)) {
                fail_msg("%s exp(%.9g) = %.9g, want %.9g", k->name, (double)extreme[i], (double)y[i], want);
            }
        }
        assert_true(y[0] == 1 && y[1] == 1);
        for (int round = 0; round < 400; round++) {
            fill(x, MAX_N, 87.3, (uint64_t)round);
            k->exp_shift(z, x, 0, 1, MAX_N);
            for (int i = 0; i < MAX_N; i++)
                if (ulps(z[i], exp((double)x[i])) > 1.2)
                    fail_msg("%s exp(%.9g) = %.9g", k->name, (double)x[i], (double)z[i]);
        }
        z[5] = 77;
        k->exp_shift(z, (float[]){1, 2, 3, 4, -INFINITY}, 4, 0.25f, 5);
        assert_close("exp_shift", k, z, (double[]){0.25 * exp(-3), 0.25 * exp(-2), 0.25 * exp(-1), 0.25, 0},
                     5, 1e-7);
    }
}

/* One element's result does not depend on where it lies or on how long the row is. */
static void test_elements_stand_alone(void **state)
{
    (void)state;
    float x[MAX_N], up[MAX_N], all[3][MAX_N], one;
    fill(x, MAX_N, 12, 9), fill(up, MAX_N, 1, 10);
    for (int path = 0; path < n_paths; path++) {
        const tfc_kernels *k = paths[path];
        k->exp_shift(all[0], x, 1, 2, MAX_N);
        k->gelu(all[1], x, MAX_N);
        k->swiglu(all[2], x, up, MAX_N);
        for (int64_t i = 0; i < MAX_N; i++) {
            k->exp_shift(&one, x + i, 1, 2, 1);
            assert_memory_equal(&one, all[0] + i, sizeof one);
            k->gelu(&one, x + i, 1);
            assert_memory_equal(&one, all[1] + i, sizeof one);
            k->swiglu(&one, x + i, up + i, 1);
            assert_memory_equal(&one, all[2] + i, sizeof one);
        }
    }
}

static void test_reductions(void **state)
{
    (void)state;
    float *x = malloc(49152 * sizeof *x);
    assert_non_null(x);
    for (int path = 0; path < n_paths; path++)
        for (int size = -1; size <= N_SIZES; size++) {
            const tfc_kernels *k = paths[path];
            int64_t n = size < 0 ? 0 : size < N_SIZES ? sizes[size] : 49152;
            fill(x, n, 20, 11);
            float largest = -INFINITY;
            double sum = 0, squares = 0;
            for (int64_t i = 0; i < n; i++) {
                largest = fmaxf(largest, x[i]);
                squares += (double)x[i] * (double)x[i];
            }
            for (int64_t i = 0; i < n; i++) sum += exp((double)(x[i] - largest));
            assert_true(k->max(x, n) == largest);
            assert_true(fabs(k->sum_exp(x, largest, n) - sum) <= 3e-8 * (1 + sum));
            assert_true(fabs(k->sum_squares(x, n) - squares) <= 1e-12 * (1 + squares));
        }
    for (int path = 0; path < n_paths; path++) {
        for (int64_t i = 0; i < 40; i++) x[i] = i == 37 ? 3 : -INFINITY;
        assert_true(paths[path]->max(x, 40) == 3);
        assert_true(paths[path]->sum_exp(x, 3, 40) == 1);
    }
    free(x);
}

static void test_adamw(void **state)
{
    (void)state;
    float w[MAX_N + 1], m[MAX_N + 1], v[MAX_N + 1], g[MAX_N];
    double W[MAX_N], M[MAX_N], V[MAX_N];
    FOR_PATHS_AND_SIZES
    {
        const tfc_kernels *k = paths[path_];
        int64_t n = sizes[size_];
        fill(w, n, 1, 12);
        for (int64_t i = 0; i < n; i++) W[i] = (double)w[i], M[i] = V[i] = 0, m[i] = v[i] = 0;
        w[n] = m[n] = v[n] = 77;
        double b1 = 0.9, b2 = 0.999, lr = 1e-2, decay = 0.1, c1 = 1, c2 = 1;
        for (int step = 1; step <= 5; step++) {
            fill(g, n, 4, (uint64_t)step);
            if (n > 3) g[3] = 0;
            c1 *= b1, c2 *= b2;
            for (int64_t i = 0; i < n; i++) {
                double grad = (double)g[i] * 0.5;
                W[i] *= 1 - lr * decay;
                M[i] = b1 * M[i] + (1 - b1) * grad;
                V[i] = b2 * V[i] + (1 - b2) * grad * grad;
                W[i] -= lr / (1 - c1) * M[i] / (sqrt(V[i]) / sqrt(1 - c2) + 1e-8);
            }
            k->adamw(w, m, v, g, n, 0.5f, 1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, (float)(1 - c1), (float)(1 - c2));
        }
        assert_close("adamw w", k, w, W, n, 2e-6);
        assert_close("adamw m", k, m, M, n, 1e-6);
        assert_close("adamw v", k, v, V, n, 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norms),       cmocka_unit_test(test_rope),
        cmocka_unit_test(test_activations), cmocka_unit_test(test_exp),
        cmocka_unit_test(test_reductions),  cmocka_unit_test(test_elements_stand_alone),
        cmocka_unit_test(test_adamw),
    };
    return cmocka_run_group_tests_name("elements", tests, find_paths, NULL);
}
