/* Attention: every path of this machine against float64 written out here; one row at a time against all rows
 * at once, bit for bit; gradients against central differences. */
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

static float *floats(int64_t n)
{
    float *x = aligned_alloc(64, ((size_t)n * sizeof *x + 127) / 64 * 64);
    assert_non_null(x);
    return x;
}

static float *random_floats(int64_t n, double size, uint64_t seed)
{
    float *x = floats(n);
    tfc_random random = tfc_random_stream(seed, (uint64_t)n, 1, 0);
    for (int64_t i = 0; i < n; i++) x[i] = (float)((tfc_random_uniform(&random) * 2 - 1) * size);
    return x;
}

/* ---- one sequence of T positions, its keys and values in blocks ---- */

typedef struct sequence {
    int64_t T, group, head_dim, window, ld, n_blocks;
    float scale;
    float *q, *k, *v; /* q [T][group*head_dim + 3]; k, v [T][head_dim] */
    float *k_data, *v_data, *scratch;
    const float **k_blocks, **v_blocks;
} sequence;

static void sequence_init(sequence *s, const tfc_kernels *kernels, int64_t T, int64_t group, int64_t head_dim,
                          int64_t window, double q_size)
{
    *s = (sequence){
        .T = T, .group = group, .head_dim = head_dim, .window = window, .ld = group * head_dim + 3};
    s->scale = (float)(1 / sqrt((double)head_dim));
    s->n_blocks = (T + TFC_KV_BLOCK - 1) / TFC_KV_BLOCK;
    s->q = random_floats(T * s->ld, q_size, 1);
    s->k = random_floats(T * head_dim, 2, 2);
    s->v = random_floats(T * head_dim, 2, 3);
    s->k_data = floats(s->n_blocks * TFC_KV_BLOCK * head_dim);
    s->v_data = floats(s->n_blocks * TFC_KV_BLOCK * head_dim);
    s->scratch = floats((int64_t)kernels->attention_scratch(head_dim));
    s->k_blocks = malloc((size_t)s->n_blocks * sizeof *s->k_blocks);
    s->v_blocks = malloc((size_t)s->n_blocks * sizeof *s->v_blocks);
    assert_true(s->k_blocks && s->v_blocks);
    for (int64_t b = 0; b < s->n_blocks; b++) {
        s->k_blocks[b] = s->k_data + b * TFC_KV_BLOCK * head_dim;
        s->v_blocks[b] = s->v_data + b * TFC_KV_BLOCK * head_dim;
    }
}

/* Keys and values of positions 0 … n-1; all other slots take the garbage, with alternating signs. */
static void sequence_fill(sequence *s, int64_t n, float garbage)
{
    for (int64_t t = 0; t < s->n_blocks * TFC_KV_BLOCK; t++)
        for (int64_t d = 0; d < s->head_dim; d++) {
            int64_t block = t / TFC_KV_BLOCK * TFC_KV_BLOCK * s->head_dim, slot = t % TFC_KV_BLOCK;
            float other = (t + d) % 2 ? garbage : -garbage;
            s->k_data[block + d * TFC_KV_BLOCK + slot] = t < n ? s->k[t * s->head_dim + d] : other;
            s->v_data[block + slot * s->head_dim + d] = t < n ? s->v[t * s->head_dim + d] : other;
        }
}

static void sequence_release(sequence *s)
{
    free(s->q), free(s->k), free(s->v), free(s->k_data), free(s->v_data), free(s->scratch);
    free(s->k_blocks), free(s->v_blocks);
}

static void attend(const tfc_kernels *kernels, sequence *s, float *out, int64_t from, int64_t to)
{
    tfc_attention_args args = {.out = out + from * s->ld,
                               .q = s->q + from * s->ld,
                               .ld_out = s->ld,
                               .ld_q = s->ld,
                               .n_rows = to - from,
                               .group = s->group,
                               .head_dim = s->head_dim,
                               .first_position = from,
                               .window = s->window,
                               .scale = s->scale,
                               .k_blocks = s->k_blocks,
                               .v_blocks = s->v_blocks,
                               .scratch = s->scratch};
    kernels->attention(&args);
}

/* out[head_dim] of one query over keys first … t; returns the log-sum-exp. */
static double attend64(const sequence *s, int64_t t, int64_t g, double *out)
{
    int64_t first = s->window > 0 && t >= s->window ? t - s->window + 1 : 0;
    double *p = malloc((size_t)(t + 1) * sizeof *p), maximum = -(double)INFINITY, sum = 0;
    assert_non_null(p);
    for (int64_t j = first; j <= t; j++) {
        p[j] = 0;
        for (int64_t d = 0; d < s->head_dim; d++)
            p[j] += (double)s->q[t * s->ld + g * s->head_dim + d] * (double)s->k[j * s->head_dim + d];
        p[j] *= (double)s->scale;
        maximum = fmax(maximum, p[j]);
    }
    for (int64_t j = first; j <= t; j++) sum += p[j] = exp(p[j] - maximum);
    for (int64_t d = 0; d < s->head_dim; d++) {
        out[d] = 0;
        for (int64_t j = first; j <= t; j++) out[d] += p[j] / sum * (double)s->v[j * s->head_dim + d];
    }
    free(p);
    return maximum + log(sum);
}

static void assert_attention(const tfc_kernels *kernels, const sequence *s, const float *out,
                             const float *lse, double tolerance)
{
    double *want = malloc((size_t)s->head_dim * sizeof *want);
    assert_non_null(want);
    for (int64_t t = 0; t < s->T; t++)
        for (int64_t g = 0; g < s->group; g++) {
            double log_sum = attend64(s, t, g, want);
            if (lse && !(fabs((double)lse[g * s->T + t] - log_sum) <= tolerance * (1 + fabs(log_sum))))
                fail_msg("%s lse of row %d: %g, want %g", kernels->name, (int)t, (double)lse[g * s->T + t],
                         log_sum);
            for (int64_t d = 0; d < s->head_dim; d++) {
                double got = (double)out[t * s->ld + g * s->head_dim + d];
                if (!(fabs(got - want[d]) <= tolerance))
                    fail_msg("%s T=%d group=%d head_dim=%d window=%d row %d head %d [%d]: %g, want %g",
                             kernels->name, (int)s->T, (int)s->group, (int)s->head_dim, (int)s->window,
                             (int)t, (int)g, (int)d, got, want[d]);
            }
        }
    free(want);
}

typedef struct shape {
    int64_t T, group, head_dim, window;
} shape;

static const shape shapes[] = {
    {1, 1, 8, 0},    {5, 3, 64, 0},   {31, 1, 12, 0},   {32, 2, 16, 0},  {33, 4, 8, 0},   {70, 3, 64, 0},
    {97, 7, 20, 0},  {64, 9, 33, 0},  {130, 5, 4, 0},   {65, 1, 80, 0},  {40, 2, 128, 0}, {45, 1, 1, 0},
    {100, 3, 64, 7}, {90, 2, 16, 32}, {150, 1, 24, 33}, {129, 6, 8, 64}, {77, 3, 12, 1},  {50, 1, 256, 0},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void test_attention(void **state)
{
    (void)state;
    for (int path = 0; path < n_paths; path++)
        for (int i = 0; i < N_SHAPES; i++) {
            sequence s;
            shape c = shapes[i];
            sequence_init(&s, paths[path], c.T, c.group, c.head_dim, c.window, 3);
            float *out = floats(c.T * s.ld), *again = floats(c.T * s.ld);
            for (int64_t j = 0; j < c.T * s.ld; j++) out[j] = again[j] = 77;
            sequence_fill(&s, c.T, 1e3f);
            attend(paths[path], &s, out, 0, c.T);
            assert_attention(paths[path], &s, out, NULL, 4e-6);
            for (int64_t t = 0; t < c.T; t++) /* what lies between the rows is untouched */
                for (int64_t j = c.group * c.head_dim; j < s.ld; j++) assert_true(out[t * s.ld + j] == 77.0f);
            /* Row by row, each with only the keys before it in place, and other garbage behind them. */
            for (int64_t t = 0; t < c.T; t++) {
                sequence_fill(&s, t + 1, t % 2 ? 1e30f : 0.0f);
                attend(paths[path], &s, again, t, t + 1);
            }
            assert_memory_equal(out, again, (size_t)(c.T * s.ld) * sizeof *out);
            /* In chunks of many sizes. */
            sequence_fill(&s, c.T, -5);
            for (int64_t chunk = 2; chunk < 40; chunk += 3) {
                for (int64_t t = 0; t < c.T; t += chunk)
                    attend(paths[path], &s, again, t, t + chunk < c.T ? t + chunk : c.T);
                assert_memory_equal(out, again, (size_t)(c.T * s.ld) * sizeof *out);
            }
            free(out), free(again);
            sequence_release(&s);
        }
}

/* Rows of three sequences that share their first two blocks, in one call: the bits of each alone. The third
 * ends inside the shared part. */
static void test_attention_spans(void **state)
{
    (void)state;
    enum { N_ROWS = 9 };
    const int64_t positions[N_ROWS] = {75, 76, 77, 130, 64, 65, 66, 40, 41};
    for (int path = 0; path < n_paths; path++)
        for (int64_t group = 1; group < 6; group += 2)
            for (int64_t window = 0; window < 80; window += 39) {
                sequence a, b;
                sequence_init(&a, paths[path], 131, group, 20, window, 3);
                sequence_init(&b, paths[path], 131, group, 20, window, 3);
                sequence_fill(&a, 131, 9);
                memset(b.k, 0, (size_t)(131 * 20) * sizeof *b.k); /* another sequence ... */
                sequence_fill(&b, 131, 9);
                b.k_blocks[0] = a.k_blocks[0], b.k_blocks[1] = a.k_blocks[1]; /* ... that begins like a */
                b.v_blocks[0] = a.v_blocks[0], b.v_blocks[1] = a.v_blocks[1];
                float *out = floats(131 * a.ld), *together = floats(N_ROWS * a.ld),
                      *q = floats(N_ROWS * a.ld);
                for (int r = 0; r < N_ROWS; r++)
                    memcpy(q + r * a.ld, a.q + positions[r] * a.ld, (size_t)a.ld * sizeof *q);
                tfc_attention_span spans[] = {
                    {0, N_ROWS, 0, 2, a.k_blocks, a.v_blocks},
                    {0, 4, 2, 5, a.k_blocks + 2, a.v_blocks + 2},
                    {4, 7, 2, 3, b.k_blocks + 2, b.v_blocks + 2},
                };
                tfc_attention_args args = {.out = together,
                                           .q = q,
                                           .ld_out = a.ld,
                                           .ld_q = a.ld,
                                           .n_rows = N_ROWS,
                                           .group = group,
                                           .head_dim = 20,
                                           .window = window,
                                           .scale = a.scale,
                                           .scratch = a.scratch,
                                           .n_spans = 3,
                                           .positions = positions,
                                           .spans = spans};
                paths[path]->attention(&args);
                for (int r = 0; r < N_ROWS; r++) {
                    attend(paths[path], r < 4 || r > 6 ? &a : &b, out, positions[r], positions[r] + 1);
                    assert_memory_equal(together + r * a.ld, out + positions[r] * a.ld,
                                        (size_t)(group * 20) * sizeof *out);
                }
                free(out), free(together), free(q);
                sequence_release(&a), sequence_release(&b);
            }
}

/* Scores that are all the same, that differ by hundreds, and that are tiny. */
static void test_attention_extremes(void **state)
{
    (void)state;
    const double sizes[] = {0, 300, 1e-20};
    for (int path = 0; path < n_paths; path++)
        for (int i = 0; i < 3; i++) {
            sequence s;
            sequence_init(&s, paths[path], 100, 3, 16, 0, sizes[i]);
            float *out = floats(s.T * s.ld);
            sequence_fill(&s, s.T, 0);
            attend(paths[path], &s, out, 0, s.T);
            assert_attention(paths[path], &s, out, NULL, sizes[i] > 1 ? 5e-4 : 1e-6);
            free(out);
            sequence_release(&s);
        }
}

/* ---- training ---- */

static tfc_attention_train_args train_args(const sequence *s, float *out, float *lse, float *scratch)
{
    return (tfc_attention_train_args){.T = s->T,
                                      .group = s->group,
                                      .head_dim = s->head_dim,
                                      .window = s->window,
                                      .scale = s->scale,
                                      .q = s->q,
                                      .k = s->k,
                                      .v = s->v,
                                      .ld_q = s->ld,
                                      .ld_kv = s->head_dim,
                                      .out = out,
                                      .ld_out = s->ld,
                                      .lse = lse,
                                      .scratch = scratch};
}

/* The gradients in f64, by the formulas; test_train_differences holds the formulas to account. */
static void backward64(const sequence *s, const float *d_out, double *d_q, double *d_k, double *d_v)
{
    int64_t D = s->head_dim;
    double *out = malloc((size_t)D * sizeof *out);
    assert_non_null(out);
    for (int64_t i = 0; i < s->T * s->ld; i++) d_q[i] = 0;
    for (int64_t i = 0; i < s->T * D; i++) d_k[i] = d_v[i] = 0;
    for (int64_t t = 0; t < s->T; t++)
        for (int64_t g = 0; g < s->group; g++) {
            int64_t at = t * s->ld + g * D;
            double lse = attend64(s, t, g, out), delta = 0;
            for (int64_t d = 0; d < D; d++) delta += out[d] * (double)d_out[at + d];
            int64_t first = s->window > 0 && t >= s->window ? t - s->window + 1 : 0;
            for (int64_t j = first; j <= t; j++) {
                double score = 0, dp = 0;
                for (int64_t d = 0; d < D; d++) {
                    score += (double)s->q[at + d] * (double)s->k[j * D + d];
                    dp += (double)d_out[at + d] * (double)s->v[j * D + d];
                }
                double p = exp(score * (double)s->scale - lse), ds = p * (dp - delta) * (double)s->scale;
                for (int64_t d = 0; d < D; d++) {
                    d_q[at + d] += ds * (double)s->k[j * D + d];
                    d_k[j * D + d] += ds * (double)s->q[at + d];
                    d_v[j * D + d] += p * (double)d_out[at + d];
                }
            }
        }
    free(out);
}

static void assert_gradient(const tfc_kernels *kernels, const sequence *s, const char *name, const float *got,
                            const double *want, int64_t ld, int64_t width)
{
    for (int64_t t = 0; t < s->T; t++)
        for (int64_t i = 0; i < width; i++)
            if (!(fabs((double)got[t * ld + i] - want[t * ld + i]) <= 2e-5 * (1 + fabs(want[t * ld + i]))))
                fail_msg("%s T=%d group=%d head_dim=%d window=%d %s row %d [%d]: %g, want %g", kernels->name,
                         (int)s->T, (int)s->group, (int)s->head_dim, (int)s->window, name, (int)t, (int)i,
                         (double)got[t * ld + i], want[t * ld + i]);
}

static void train_case(const tfc_kernels *kernels, shape c)
{
    sequence s;
    sequence_init(&s, kernels, c.T, c.group, c.head_dim, c.window, 2);
    int64_t n_q = c.T * s.ld, n_kv = c.T * c.head_dim;
    int64_t n_scratch = (int64_t)kernels->attention_train_scratch(c.T, c.head_dim);
    float *out = floats(n_q), *lse = floats(c.group * c.T), *scratch = floats(n_scratch + 1);
    float *d_out = random_floats(n_q, 1, 5), *d_q = floats(n_q), *d_k = floats(n_kv), *d_v = floats(n_kv);
    double *want = malloc((size_t)(n_q + 2 * n_kv) * sizeof *want);
    assert_non_null(want);
    for (int64_t i = 0; i < n_q; i++) d_q[i] = 77;
    for (int64_t i = 0; i < n_kv; i++) d_k[i] = d_v[i] = 77;
    scratch[n_scratch] = 77;
    for (int64_t i = 0; i < n_scratch; i++) scratch[i] = NAN;
    tfc_attention_train_args args = train_args(&s, out, lse, scratch);
    args.d_out = d_out, args.d_q = d_q, args.d_k = d_k, args.d_v = d_v;
    kernels->attention_train(&args);
    assert_attention(kernels, &s, out, lse, 4e-6);
    for (int64_t i = 0; i < n_scratch; i++) scratch[i] = NAN;
    kernels->attention_train_backward(&args);
    backward64(&s, d_out, want, want + n_q, want + n_q + n_kv);
    assert_gradient(kernels, &s, "d_q", d_q, want, s.ld, c.group * c.head_dim);
    assert_gradient(kernels, &s, "d_k", d_k, want + n_q, c.head_dim, c.head_dim);
    assert_gradient(kernels, &s, "d_v", d_v, want + n_q + n_kv, c.head_dim, c.head_dim);
    assert_true(scratch[n_scratch] == 77.0f);
    for (int64_t t = 0; t < c.T; t++) assert_true(d_q[t * s.ld + s.ld - 1] == 77.0f);
    free(out), free(lse), free(scratch), free(d_out), free(d_q), free(d_k), free(d_v), free(want);
    sequence_release(&s);
}

static void test_train(void **state)
{
    (void)state;
    for (int path = 0; path < n_paths; path++)
        for (int i = 0; i < N_SHAPES; i++) train_case(paths[path], shapes[i]);
}

/* Σ out d_out in f64 */
static double loss64(const sequence *s, const float *d_out)
{
    double out[64], loss = 0;
    for (int64_t t = 0; t < s->T; t++)
        for (int64_t g = 0; g < s->group; g++) {
            attend64(s, t, g, out);
            for (int64_t d = 0; d < s->head_dim; d++)
                loss += out[d] * (double)d_out[t * s->ld + g * s->head_dim + d];
        }
    return loss;
}

/* The central difference of the loss along one input. */
static double difference(const sequence *s, const float *d_out, float *x)
{
    float keep = *x;
    *x = keep + 0x1p-10f;
    double above = (double)*x, loss = loss64(s, d_out);
    *x = keep - 0x1p-10f;
    loss -= loss64(s, d_out);
    double step = above - (double)*x;
    *x = keep;
    return loss / step;
}

static void test_train_differences(void **state)
{
    (void)state;
    sequence s;
    sequence_init(&s, paths[0], 9, 2, 6, 5, 1);
    int64_t n_q = s.T * s.ld, n_kv = s.T * s.head_dim;
    float *d_out = random_floats(n_q, 1, 5);
    double d_q[9 * 15], d_k[9 * 6], d_v[9 * 6];
    assert_true(n_q == 9 * 15 && n_kv == 9 * 6);
    backward64(&s, d_out, d_q, d_k, d_v);
    for (int64_t i = 0; i < n_q; i++) assert_true(fabs(difference(&s, d_out, s.q + i) - d_q[i]) < 1e-6);
    for (int64_t i = 0; i < n_kv; i++) {
        assert_true(fabs(difference(&s, d_out, s.k + i) - d_k[i]) < 1e-6);
        assert_true(fabs(difference(&s, d_out, s.v + i) - d_v[i]) < 1e-6);
    }
    free(d_out);
    sequence_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_spans),
        cmocka_unit_test(test_attention_extremes),
        cmocka_unit_test(test_train_differences),
        cmocka_unit_test(test_train),
    };
    return cmocka_run_group_tests_name("attention", tests, find_paths, NULL);
}
