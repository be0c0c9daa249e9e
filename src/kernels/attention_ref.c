/* Attention in plain C: the specification of the vector paths.
 *
 * The softmax is taken online, a block of TFC_KV_BLOCK positions at a time. A block that a row does not see
 * changes nothing in it, so the blocks that a row's neighbours make necessary never reach its bits. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/math64.h"
#include "kernels/paths.h"
#include "kernels/scalar_math.h"

/* The keys that position p sees: first_key(p) … p. */
static int64_t first_key(int64_t position, int64_t window)
{
    return window > 0 && position >= window ? position - window + 1 : 0;
}

static float dot(const float *a, const float *b, int64_t stride_b, int64_t n)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i * stride_b];
    return sum;
}

static size_t attention_scratch(int64_t head_dim)
{
    return (size_t)head_dim;
}

/* The state of one query: the running maximum, the sum of exp(score - maximum), and acc[head_dim], the sum of
 * exp(score - maximum) v. */
typedef struct softmax_state {
    float maximum, sum;
    float *acc;
} softmax_state;

/* Takes in slots from … to-1 of a block. */
static void softmax_block(softmax_state *state, const float *q, const float *k_block, const float *v_block,
                          int64_t from, int64_t to, int64_t head_dim, float scale)
{
    float p[TFC_KV_BLOCK], maximum = state->maximum, sum = 0;
    for (int64_t j = from; j < to; j++) {
        p[j] = dot(q, k_block + j, TFC_KV_BLOCK, head_dim) * scale;
        maximum = p[j] > maximum ? p[j] : maximum;
    }
    for (int64_t j = from; j < to; j++) sum += p[j] = tfc_exp(p[j] - maximum);
    float factor = tfc_exp(state->maximum - maximum);
    state->maximum = maximum;
    state->sum = state->sum * factor + sum;
    for (int64_t d = 0; d < head_dim; d++) {
        float acc = state->acc[d] * factor;
        for (int64_t j = from; j < to; j++) acc += p[j] * v_block[j * head_dim + d];
        state->acc[d] = acc;
    }
}

/* Row r with query q takes in the blocks of a span. */
static void attend_span(const tfc_attention_args *args, softmax_state *state, const float *q,
                        int64_t position, const tfc_attention_span *span)
{
    int64_t first = first_key(position, args->window);
    for (int64_t b = span->block_from; b < span->block_to && b <= position / TFC_KV_BLOCK; b++) {
        int64_t base = b * TFC_KV_BLOCK, i = b - span->block_from;
        int64_t from = first > base ? first - base : 0;
        int64_t to = position - base + 1 < TFC_KV_BLOCK ? position - base + 1 : TFC_KV_BLOCK;
        if (from < to)
            softmax_block(state, q, span->k_blocks[i], span->v_blocks[i], from, to, args->head_dim,
                          args->scale);
    }
}

static void attention(const tfc_attention_args *args)
{
    int64_t head_dim = args->head_dim;
    const tfc_attention_span whole = {.row_to = args->n_rows,
                                      .block_to = INT64_MAX,
                                      .k_blocks = args->k_blocks,
                                      .v_blocks = args->v_blocks};
    int64_t n_spans = args->n_spans ? args->n_spans : 1;
    const tfc_attention_span *spans = args->n_spans ? args->spans : &whole;
    for (int64_t i = 0; i < args->n_rows * args->group; i++) {
        int64_t r = i / args->group, g = i % args->group;
        int64_t position = args->n_spans ? args->positions[r] : args->first_position + r;
        softmax_state state = {-FLT_MAX, 0, args->scratch};
        memset(state.acc, 0, (size_t)head_dim * sizeof *state.acc);
        for (int64_t j = 0; j < n_spans; j++)
            if (r >= spans[j].row_from && r < spans[j].row_to)
                attend_span(args, &state, args->q + r * args->ld_q + g * head_dim, position, &spans[j]);
        float *out = args->out + r * args->ld_out + g * head_dim;
        for (int64_t d = 0; d < head_dim; d++) out[d] = state.acc[d] / state.sum;
    }
}

static size_t attention_train_scratch(int64_t T, int64_t head_dim)
{
    (void)head_dim;
    return (size_t)T;
}

static void attention_train(const tfc_attention_train_args *args)
{
    int64_t head_dim = args->head_dim;
    float *p = args->scratch;
    for (int64_t i = 0; i < args->group * args->T; i++) {
        int64_t g = i / args->T, t = i % args->T, first = first_key(t, args->window);
        const float *q = args->q + t * args->ld_q + g * head_dim;
        float *out = args->out + t * args->ld_out + g * head_dim;
        float maximum = -FLT_MAX;
        for (int64_t j = first; j <= t; j++) {
            p[j] = dot(q, args->k + j * args->ld_kv, 1, head_dim) * args->scale;
            maximum = p[j] > maximum ? p[j] : maximum;
        }
        float sum = 0;
        for (int64_t j = first; j <= t; j++) sum += p[j] = tfc_exp(p[j] - maximum);
        for (int64_t d = 0; d < head_dim; d++) {
            float acc = 0;
            for (int64_t j = first; j <= t; j++) acc += p[j] * args->v[j * args->ld_kv + d];
            out[d] = acc / sum;
        }
        args->lse[i] = maximum + (float)tfc_log64((double)sum);
    }
}

/* p = exp(s - lse), ds = p (d_out·v - d_out·out):  d_q = Σ ds k scale, d_k = Σ ds q scale, d_v = Σ p d_out */
static void attention_train_backward_row(const tfc_attention_train_args *args, int64_t g, int64_t t)
{
    int64_t head_dim = args->head_dim, at = t * args->ld_q + g * head_dim;
    const float *q = args->q + at, *d_out = args->d_out + t * args->ld_out + g * head_dim;
    float *d_q = args->d_q + at;
    float delta = dot(d_out, args->out + t * args->ld_out + g * head_dim, 1, head_dim);
    memset(d_q, 0, (size_t)head_dim * sizeof *d_q);
    for (int64_t j = first_key(t, args->window); j <= t; j++) {
        const float *k = args->k + j * args->ld_kv, *v = args->v + j * args->ld_kv;
        float *d_k = args->d_k + j * args->ld_kv, *d_v = args->d_v + j * args->ld_kv;
        float p = tfc_exp(dot(q, k, 1, head_dim) * args->scale - args->lse[g * args->T + t]);
        float ds = p * (dot(d_out, v, 1, head_dim) - delta) * args->scale;
        for (int64_t d = 0; d < head_dim; d++) {
            d_q[d] += ds * k[d];
            d_k[d] += ds * q[d];
            d_v[d] += p * d_out[d];
        }
    }
}

static void attention_train_backward(const tfc_attention_train_args *args)
{
    for (int64_t t = 0; t < args->T; t++) {
        memset(args->d_k + t * args->ld_kv, 0, (size_t)args->head_dim * sizeof(float));
        memset(args->d_v + t * args->ld_kv, 0, (size_t)args->head_dim * sizeof(float));
    }
    for (int64_t g = 0; g < args->group; g++)
        for (int64_t t = 0; t < args->T; t++) attention_train_backward_row(args, g, t);
}

void tfc_attention_ref_install(tfc_kernels *k)
{
    k->attention_scratch = attention_scratch;
    k->attention = attention;
    k->attention_train_scratch = attention_train_scratch;
    k->attention_train = attention_train;
    k->attention_train_backward = attention_train_backward;
}
