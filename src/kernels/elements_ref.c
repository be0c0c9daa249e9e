/* Rows and elements in plain C: the specification of the vector paths. Sums over a row run in f64 from its
 * first element to its last. */
#include <math.h>

#include "kernels/paths.h"
#include "kernels/scalar_math.h"

static float rmsnorm(float *y, const float *x, const float *weight, int64_t C, float epsilon)
{
    double sum = 0;
    for (int64_t i = 0; i < C; i++) sum += (double)x[i] * (double)x[i];
    float rstd = (float)(1 / sqrt(sum / (double)C + (double)epsilon));
    for (int64_t i = 0; i < C; i++) y[i] = x[i] * rstd * weight[i];
    return rstd;
}

/* y = w x̂ with x̂ = x rstd:  dx = rstd (w dy - x̂ mean(w dy x̂)) */
static void rmsnorm_backward(float *d_x, float *d_weight, const float *d_y, const float *x,
                             const float *weight, float rstd, int64_t C)
{
    double sum = 0;
    for (int64_t i = 0; i < C; i++) sum += (double)(weight[i] * d_y[i]) * (double)(x[i] * rstd);
    float mean = (float)(sum / (double)C);
    for (int64_t i = 0; i < C; i++) {
        float x_hat = x[i] * rstd;
        d_x[i] += rstd * (weight[i] * d_y[i] - x_hat * mean);
        d_weight[i] += d_y[i] * x_hat;
    }
}

static void layernorm(float *y, const float *x, const float *weight, const float *bias, int64_t C,
                      float epsilon, float stats[2])
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < C; i++) sum += (double)x[i];
    float mean = (float)(sum / (double)C);
    for (int64_t i = 0; i < C; i++) {
        double d = (double)(x[i] - mean);
        squares += d * d;
    }
    float rstd = (float)(1 / sqrt(squares / (double)C + (double)epsilon));
    for (int64_t i = 0; i < C; i++) y[i] = (x[i] - mean) * rstd * weight[i] + bias[i];
    if (stats) {
        stats[0] = mean;
        stats[1] = rstd;
    }
}

/* dx = rstd (w dy - mean(w dy) - x̂ mean(w dy x̂)) */
static void layernorm_backward(float *d_x, float *d_weight, float *d_bias, const float *d_y, const float *x,
                               const float *weight, const float stats[2], int64_t C)
{
    float mean = stats[0], rstd = stats[1];
    double sum = 0, dot = 0;
    for (int64_t i = 0; i < C; i++) {
        double d = (double)(weight[i] * d_y[i]);
        sum += d;
        dot += d * (double)((x[i] - mean) * rstd);
    }
    float d_mean = (float)(sum / (double)C), d_dot = (float)(dot / (double)C);
    for (int64_t i = 0; i < C; i++) {
        float x_hat = (x[i] - mean) * rstd;
        d_x[i] += rstd * (weight[i] * d_y[i] - d_mean - x_hat * d_dot);
        d_weight[i] += d_y[i] * x_hat;
        d_bias[i] += d_y[i];
    }
}

static void rope(float *head, const float *table, int64_t n_rot, bool interleaved, bool inverse)
{
    int64_t half = n_rot / 2, step = interleaved ? 2 : 1, other = interleaved ? 1 : half;
    const float *cosines = table, *sines = table + half;
    for (int64_t i = 0; i < half; i++) {
        float *a = head + i * step, *b = a + other;
        float c = cosines[i], s = inverse ? -sines[i] : sines[i];
        float x = *a, y = *b;
        *a = x * c - y * s;
        *b = x * s + y * c;
    }
}

static void swiglu(float *y, const float *gate, const float *up, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = gate[i] * tfc_sigmoid(gate[i]) * up[i];
}

/* silu(g) = g σ(g);  silu'(g) = σ (1 + g (1 - σ)) */
static void swiglu_backward(float *d_gate, float *d_up, const float *d_y, const float *gate, const float *up,
                            int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float g = gate[i], s = tfc_sigmoid(g), dy = d_y[i], u = up[i];
        d_gate[i] = dy * u * s * (1 + g * (1 - s));
        d_up[i] = dy * g * s;
    }
}

/* 0.5 x (1 + tanh(u)) = x σ(2u), u = sqrt(2/π) (x + 0.044715 x³): the same function without the cancellation
 * of 1 + tanh. */
static float gelu_argument(float x)
{
    return x * (TFC_GELU_A + TFC_GELU_B * (x * x));
}

static void gelu(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * tfc_sigmoid(gelu_argument(x[i]));
}

static void gelu_backward(float *d_x, const float *d_y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float v = x[i], s = tfc_sigmoid(gelu_argument(v));
        float slope = TFC_GELU_A + 3 * TFC_GELU_B * (v * v);
        d_x[i] = d_y[i] * (s + v * slope * (s * (1 - s)));
    }
}

static void add(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

static void scale(float *y, float a, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] *= a;
}

static float max(const float *x, int64_t n)
{
    float largest = -INFINITY;
    for (int64_t i = 0; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    return largest;
}

static double sum_exp(const float *x, float shift, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)tfc_exp(x[i] - shift);
    return sum;
}

static void exp_shift(float *y, const float *x, float shift, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = tfc_exp(x[i] - shift) * factor;
}

static double sum_squares(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

static void adamw(float *w, float *m, float *v, const float *grad, int64_t n, float grad_scale, float lr,
                  float beta1, float beta2, float epsilon, float decay, float correction1, float correction2)
{
    float keep = 1 - lr * decay, rate = lr / correction1, root = 1 / sqrtf(correction2);
    for (int64_t i = 0; i < n; i++) {
        float g = grad[i] * grad_scale;
        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * (g * g);
        w[i] = w[i] * keep - rate * (m[i] / (sqrtf(v[i]) * root + epsilon));
    }
}

void tfc_elements_ref_install(tfc_kernels *k)
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
