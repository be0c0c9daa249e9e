/* kernels/elements_body.h: rows and elements for the vector paths, included by elements_avx2.c and
 * elements_avx512.c after their vector operations.
 *
 * An element's result is the same in every lane and in a masked tail, so it does not depend on where the
 * element lies. A sum over a row runs in f64 with one accumulator a lane; lanes are added in one fixed order.
 */
#include <math.h>

#include "kernels/paths.h"

/* Loads what is left of a row, at most one vector; lanes past the end are 0. */
static inline vf take(const float *p, int64_t left)
{
    return left >= VW ? vf_load(p) : vf_load_masked(p, vm_first(left));
}

static inline void put(float *p, int64_t left, vf x)
{
    if (left >= VW)
        vf_store(p, x);
    else
        vf_store_masked(p, vm_first(left), x);
}

static double sum_squares(const float *x, int64_t n)
{
    vd sum = vd_zero();
    for (int64_t i = 0; i < n; i += VW) {
        vf v = take(x + i, n - i);
        sum = vd_fma(sum, v, v);
    }
    return vd_sum_of(sum);
}

/* ---- norms ---- */

static float rmsnorm(float *y, const float *x, const float *weight, int64_t C, float epsilon)
{
    float rstd = (float)(1 / sqrt(sum_squares(x, C) / (double)C + (double)epsilon));
    for (int64_t i = 0; i < C; i += VW)
        put(y + i, C - i, vf_mul(vf_mul(take(x + i, C - i), vf_set(rstd)), take(weight + i, C - i)));
    return rstd;
}

static void rmsnorm_backward(float *d_x, float *d_weight, const float *d_y, const float *x,
                             const float *weight, float rstd, int64_t C)
{
    vd dot = vd_zero();
    vf r = vf_set(rstd);
    for (int64_t i = 0; i < C; i += VW)
        dot =
            vd_fma(dot, vf_mul(take(weight + i, C - i), take(d_y + i, C - i)), vf_mul(take(x + i, C - i), r));
    vf mean = vf_set((float)(vd_sum_of(dot) / (double)C));
    for (int64_t i = 0; i < C; i += VW) {
        int64_t left = C - i;
        vf dy = take(d_y + i, left), x_hat = vf_mul(take(x + i, left), r);
        vf d = vf_fnma(x_hat, mean, vf_mul(take(weight + i, left), dy));
        put(d_x + i, left, vf_fma(r, d, take(d_x + i, left)));
        put(d_weight + i, left, vf_fma(dy, x_hat, take(d_weight + i, left)));
    }
}

static void layernorm(float *y, const float *x, const float *weight, const float *bias, int64_t C,
                      float epsilon, float stats[2])
{
    vd sum = vd_zero(), squares = vd_zero();
    for (int64_t i = 0; i < C; i += VW) sum = vd_add(sum, take(x + i, C - i));
    float mean = (float)(vd_sum_of(sum) / (double)C);
    vf shift = vf_set(mean);
    for (int64_t i = 0; i < C; i += VW) {
        vf d = vf_sub(take(x + i, C - i), shift);
        if (C - i < VW) d = vf_select(vm_first(C - i), d, vf_set(0));
        squares = vd_fma(squares, d, d);
    }
    float rstd = (float)(1 / sqrt(vd_sum_of(squares) / (double)C + (double)epsilon));
    for (int64_t i = 0; i < C; i += VW) {
        int64_t left = C - i;
        vf x_hat = vf_mul(vf_sub(take(x + i, left), shift), vf_set(rstd));
        put(y + i, left, vf_fma(x_hat, take(weight + i, left), take(bias + i, left)));
    }
    if (stats) {
        stats[0] = mean;
        stats[1] = rstd;
    }
}

static void layernorm_backward(float *d_x, float *d_weight, float *d_bias, const float *d_y, const float *x,
                               const float *weight, const float stats[2], int64_t C)
{
    vd sum = vd_zero(), dot = vd_zero();
    vf mean = vf_set(stats[0]), rstd = vf_set(stats[1]);
    for (int64_t i = 0; i < C; i += VW) { /* d is 0 past the end */
        vf d = vf_mul(take(weight + i, C - i), take(d_y + i, C - i));
        sum = vd_add(sum, d);
        dot = vd_fma(dot, d, vf_mul(vf_sub(take(x + i, C - i), mean), rstd));
    }
    vf d_mean = vf_set((float)(vd_sum_of(sum) / (double)C));
    vf d_dot = vf_set((float)(vd_sum_of(dot) / (double)C));
    for (int64_t i = 0; i < C; i += VW) {
        int64_t left = C - i;
        vf dy = take(d_y + i, left), x_hat = vf_mul(vf_sub(take(x + i, left), mean), rstd);
        vf d = vf_fnma(x_hat, d_dot, vf_sub(vf_mul(take(weight + i, left), dy), d_mean));
        put(d_x + i, left, vf_fma(rstd, d, take(d_x + i, left)));
        put(d_weight + i, left, vf_fma(dy, x_hat, take(d_weight + i, left)));
        put(d_bias + i, left, vf_add(dy, take(d_bias + i, left)));
    }
}

/* ---- rope ---- */

/* Neighbouring pairs: one by one; models of that kind rotate few of a head's dimensions. */
static void rope_interleaved(float *head, const float *table, int64_t half, float sign)
{
    for (int64_t i = 0; i < half; i++) {
        float x = head[2 * i], y = head[2 * i + 1], c = table[i], s = table[half + i] * sign;
        head[2 * i] = x * c - y * s;
        head[2 * i + 1] = x * s + y * c;
    }
}

static void rope(float *head, const float *table, int64_t n_rot, bool interleaved, bool inverse)
{
    int64_t half = n_rot / 2;
    float sign = inverse ? -1.0f : 1.0f;
    if (interleaved) {
        rope_interleaved(head, table, half, sign);
        return;
    }
    for (int64_t i = 0; i < half; i += VW) {
        int64_t left = half - i;
        vf x = take(head + i, left), y = take(head + half + i, left);
        vf c = take(table + i, left), s = vf_mul(take(table + half + i, left), vf_set(sign));
        put(head + i, left, vf_fnma(y, s, vf_mul(x, c)));
        put(head + half + i, left, vf_fma(x, s, vf_mul(y, c)));
    }
}

/* ---- activations ---- */

static inline vf sigmoid(vf x)
{
    return vf_div(vf_set(1), vf_add(vf_set(1), vf_exp(vf_sub(vf_set(0), x))));
}

static void swiglu(float *y, const float *gate, const float *up, int64_t n)
{
    for (int64_t i = 0; i < n; i += VW) {
        vf g = take(gate + i, n - i);
        put(y + i, n - i, vf_mul(vf_mul(g, sigmoid(g)), take(up + i, n - i)));
    }
}

static void swiglu_backward(float *d_gate, float *d_up, const float *d_y, const float *gate, const float *up,
                            int64_t n)
{
    vf one = vf_set(1);
    for (int64_t i = 0; i < n; i += VW) {
        int64_t left = n - i;
        vf g = take(gate + i, left), s = sigmoid(g), dy = take(d_y + i, left), u = take(up + i, left);
        vf slope = vf_mul(s, vf_fma(g, vf_sub(one, s), one));
        put(d_gate + i, left, vf_mul(vf_mul(dy, u), slope));
        put(d_up + i, left, vf_mul(dy, vf_mul(g, s)));
    }
}

/* σ(2 sqrt(2/π) (x + 0.044715 x³)) */
static inline vf gelu_gate(vf x, vf square)
{
    return sigmoid(vf_mul(x, vf_fma(square, vf_set(TFC_GELU_B), vf_set(TFC_GELU_A))));
}

static void gelu(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += VW) {
        vf v = take(x + i, n - i);
        put(y + i, n - i, vf_mul(v, gelu_gate(v, vf_mul(v, v))));
    }
}

static void gelu_backward(float *d_x, const float *d_y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += VW) {
        vf v = take(x + i, n - i), square = vf_mul(v, v), s = gelu_gate(v, square);
        vf slope = vf_fma(square, vf_set(3 * TFC_GELU_B), vf_set(TFC_GELU_A));
        vf inner = vf_mul(vf_mul(v, slope), vf_mul(s, vf_sub(vf_set(1), s)));
        put(d_x + i, n - i, vf_mul(take(d_y + i, n - i), vf_add(s, inner)));
    }
}

static void add(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += VW) put(y + i, n - i, vf_add(take(y + i, n - i), take(x + i, n - i)));
}

static void scale(float *y, float a, int64_t n)
{
    for (int64_t i = 0; i < n; i += VW) put(y + i, n - i, vf_mul(take(y + i, n - i), vf_set(a)));
}

/* ---- softmax over a row ---- */

static float max(const float *x, int64_t n)
{
    vf a = vf_set(-INFINITY), b = a;
    int64_t i = 0;
    for (; i + 2 * VW <= n; i += 2 * VW) {
        a = vf_max(vf_load(x + i), a);
        b = vf_max(vf_load(x + i + VW), b);
    }
    for (; i < n; i += VW) a = vf_max(vf_select(vm_first(n - i), take(x + i, n - i), vf_set(-INFINITY)), a);
    return vf_max_of(vf_max(a, b));
}

static double sum_exp(const float *x, float shift, int64_t n)
{
    vd sum = vd_zero();
    for (int64_t i = 0; i < n; i += VW) {
        vf y = vf_exp(vf_sub(take(x + i, n - i), vf_set(shift)));
        if (n - i < VW) y = vf_select(vm_first(n - i), y, vf_set(0));
        sum = vd_add(sum, y);
    }
    return vd_sum_of(sum);
}

static void exp_shift(float *y, const float *x, float shift, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i += VW)
        put(y + i, n - i, vf_mul(vf_exp(vf_sub(take(x + i, n - i), vf_set(shift))), vf_set(factor)));
}

/* ---- optimizer ---- */

static void adamw(float *w, float *m, float *v, const float *grad, int64_t n, float grad_scale, float lr,
                  float beta1, float beta2, float epsilon, float decay, float correction1, float correction2)
{
    vf keep = vf_set(1 - lr * decay), rate = vf_set(lr / correction1), root = vf_set(1 / sqrtf(correction2));
    vf b1 = vf_set(beta1), b2 = vf_set(beta2), rest1 = vf_set(1 - beta1), rest2 = vf_set(1 - beta2);
    for (int64_t i = 0; i < n; i += VW) {
        int64_t left = n - i;
        vf g = vf_mul(take(grad + i, left), vf_set(grad_scale));
        vf first = vf_fma(b1, take(m + i, left), vf_mul(rest1, g));
        vf second = vf_fma(b2, take(v + i, left), vf_mul(rest2, vf_mul(g, g)));
        vf step = vf_div(first, vf_fma(vf_sqrt(second), root, vf_set(epsilon)));
        put(m + i, left, first);
        put(v + i, left, second);
        put(w + i, left, vf_fnma(rate, step, vf_mul(take(w + i, left), keep)));
    }
}

void VECTOR_PATH(elements)(tfc_kernels *k)
{
    k->rmsnorm = rmsnorm;
    k->rmsnorm_backward = rmsnorm_backward;
    k->layernorm = layernorm;
    k->layernorm_backward = layernorm_backward;
    k->rope = rope;
    k->swiglu = swiglu;
    k->swiglu_backward = swiglu_backward;
    k->gelu = gelu;
    k->gelu_backward = gelu_backward;
    k->add = add;
    k->scale = scale;
    k->max = max;
    k->sum_exp = sum_exp;
    k->exp_shift = exp_shift;
    k->sum_squares = sum_squares;
    k->adamw = adamw;
}
