/* kernels/attention_body.h: attention for the vector paths, included by attention_avx2.c and
 * attention_avx512.c after their vector operations.
 *
 * Queries go through the key blocks in passes of up to PASS_QUERIES, whichever rows and heads they belong to.
 * A block that a query does not see leaves it as it is: its scores are -inf, its probabilities 0, its factor
 * 1; the sign that a zero may take on is dropped at the end. So the queries that share a pass, and the
 * garbage in unused slots, never show in a query's bits. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/math64.h"
#include "kernels/block_product.h"
#include "kernels/paths.h"

enum { PASS_QUERIES = 24 }; /* their state and one block of keys and values fit in L1 */

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* A row of head_dim floats in scratch, in whole vectors of either path. */
static inline int64_t padded(int64_t head_dim)
{
    return (head_dim + 15) / 16 * 16;
}

/* The first key that a position sees. */
static inline int64_t first_key(int64_t position, int64_t window)
{
    return window > 0 && position >= window ? position - window + 1 : 0;
}

/* ---- forward ---- */

/* Up to PASS_QUERIES queries on their way through the blocks, in scratch. */
typedef struct pass {
    int64_t n;
    int64_t head_dim, window;
    int64_t position[PASS_QUERIES];
    float *columns; /* [head_dim][BLOCK]: the scaled queries, transposed */
    float *acc;     /* [n][padded(head_dim)]: sum of exp(score - maximum) v */
    float *p;       /* [n][BLOCK]: scores, then probabilities up to the sum */
    float *sums;    /* [n][16]: sum of exp(score - maximum), a part in each lane */
    float *maximum; /* [n] */
    float *factor;  /* [n]: exp(old maximum - new maximum) */
} pass;

static size_t pass_scratch(int64_t head_dim)
{
    return (size_t)(head_dim * BLOCK + PASS_QUERIES * (padded(head_dim) + BLOCK + 16) + 2 * BLOCK);
}

static void pass_init(pass *s, float *scratch, int64_t head_dim, int64_t window)
{
    s->head_dim = head_dim;
    s->window = window;
    s->columns = scratch;
    s->acc = s->columns + head_dim * BLOCK;
    s->p = s->acc + PASS_QUERIES * padded(head_dim);
    s->sums = s->p + PASS_QUERIES * BLOCK;
    s->maximum = s->sums + PASS_QUERIES * 16;
    s->factor = s->maximum + BLOCK;
}

/* Begins with n queries, given by their rows and positions (ascending). */
static void pass_begin(pass *s, const float *const *queries, int64_t n, float scale)
{
    s->n = n;
    transpose(s->columns, queries, n, s->head_dim, scale);
    memset(s->acc, 0, (size_t)(n * padded(s->head_dim)) * sizeof *s->acc);
    memset(s->sums, 0, (size_t)(n * 16) * sizeof *s->sums);
    for (int64_t i = 0; i < BLOCK; i++) s->maximum[i] = -FLT_MAX;
}

/* Scores of query i over slots from … to-1 of a block become p = exp(score - maximum). */
static void pass_softmax(pass *s, int64_t i, int64_t from, int64_t to)
{
    vf x[BLOCK_VECTORS], sum = vf_load(s->sums + i * 16);
    float *p = s->p + i * BLOCK;
    UNROLL for (int v = 0; v < BLOCK_VECTORS; v++) x[v] = vf_load(p + v * VW);
    if (from > 0 || to < BLOCK) {
        UNROLL for (int v = 0; v < BLOCK_VECTORS; v++) x[v] =
            vf_select(vm_range(from - v * VW, to - v * VW), x[v], vf_set(-INFINITY));
    }
    vf highest = vf_max(x[0], x[1]);
    UNROLL for (int v = 2; v < BLOCK_VECTORS; v++) highest = vf_max(highest, x[v]);
    float old = s->maximum[i], top = vf_max_of(highest), maximum = top > old ? top : old;
    vf factor = vf_exp_low(vf_set(old - maximum));
    sum = vf_mul(sum, factor);
    UNROLL for (int v = 0; v < BLOCK_VECTORS; v++)
    {
        x[v] = vf_exp_low(vf_sub(x[v], vf_set(maximum)));
        vf_store(p + v * VW, x[v]);
        sum = vf_add(sum, x[v]);
    }
    vf_store(s->sums + i * 16, sum);
    s->maximum[i] = maximum;
    s->factor[i] = vf_first(factor);
}

/* Queries first … end-1 take in block b: keys transposed [head_dim][BLOCK], values [BLOCK] rows of head_dim,
 * ld_v apart. */
static void pass_block(pass *s, int64_t first, int64_t end, int64_t b, const float *k_block,
                       const float *v_block, int64_t ld_v)
{
    int64_t base = b * BLOCK, low = BLOCK, high = 0;
    product(BY_COLUMN, &(product_args){.c = s->p + first * BLOCK,
                                       .ld_c = BLOCK,
                                       .a = s->columns + first,
                                       .b = k_block,
                                       .ld_b = BLOCK,
                                       .M = end - first,
                                       .N = BLOCK,
                                       .K = s->head_dim});
    for (int64_t i = first; i < end; i++) {
        int64_t from = max_i64(first_key(s->position[i], s->window) - base, 0);
        int64_t to = min_i64(s->position[i] + 1 - base, BLOCK);
        pass_softmax(s, i, from, to);
        low = min_i64(low, from);
        high = max_i64(high, to);
    }
    if (low >= high) return;
    product(BY_ROW, &(product_args){.c = s->acc + first * padded(s->head_dim),
                                    .ld_c = padded(s->head_dim),
                                    .a = s->p + first * BLOCK + low,
                                    .b = v_block + low * ld_v,
                                    .ld_b = ld_v,
                                    .M = end - first,
                                    .N = s->head_dim,
                                    .K = high - low,
                                    .accumulate = true,
                                    .factors = s->factor + first});
}

/* out[head_dim] = acc / sum of query i; returns the log-sum-exp where it is wanted. */
static float pass_finish(const pass *s, int64_t i, float *out, bool want_lse)
{
    float sum = vf_sum_of(vf_load(s->sums + i * 16));
    const float *acc = s->acc + i * padded(s->head_dim);
    for (int64_t d = 0; d < s->head_dim; d += VW) {
        /* + 0: no zero is negative */
        vf y = vf_add(vf_div(vf_load(acc + d), vf_set(sum)), vf_set(0));
        if (s->head_dim - d >= VW)
            vf_store(out + d, y);
        else
            vf_store_masked(out + d, vm_first(s->head_dim - d), y);
    }
    return want_lse ? s->maximum[i] + (float)tfc_log64((double)sum) : 0;
}

/* Where the blocks of keys and values lie: by pointers, or one after the other. */
typedef struct key_blocks {
    const float *const *k, *const *v;
    const float *k_first, *v_first;
    int64_t k_step, v_step;
    int64_t ld_v;
} key_blocks;

/* Queries first … end-1 take in those of blocks from … to-1 that one of them sees; keys begin at block
 * `from`. */
static void pass_span(pass *s, int64_t first, int64_t end, const key_blocks *keys, int64_t from, int64_t to)
{
    int64_t lowest = s->position[first], highest = lowest;
    for (int64_t i = first + 1; i < end; i++) {
        lowest = min_i64(lowest, s->position[i]);
        highest = max_i64(highest, s->position[i]);
    }
    int64_t b = max_i64(from, first_key(lowest, s->window) / BLOCK);
    for (to = min_i64(to, highest / BLOCK + 1); b < to; b++)
        pass_block(s, first, end, b, keys->k ? keys->k[b - from] : keys->k_first + b * keys->k_step,
                   keys->v ? keys->v[b - from] : keys->v_first + b * keys->v_step, keys->ld_v);
}

/* The spans of `args`, for queries begin … begin+n-1. */
static void pass_spans(pass *s, const tfc_attention_args *args, int64_t begin, int64_t n)
{
    for (int64_t j = 0; j < args->n_spans; j++) {
        const tfc_attention_span *span = &args->spans[j];
        int64_t first = max_i64(span->row_from * args->group - begin, 0);
        int64_t end = min_i64(span->row_to * args->group - begin, n);
        key_blocks keys = {.k = span->k_blocks, .v = span->v_blocks, .ld_v = args->head_dim};
        if (first < end) pass_span(s, first, end, &keys, span->block_from, span->block_to);
    }
}

/* Queries are taken in order of (row, head), so those of one pass stand close together. lse [group][n_rows]
 * may be NULL. */
static void attend(const tfc_attention_args *args, const key_blocks *keys, float *lse)
{
    pass s;
    pass_init(&s, args->scratch, args->head_dim, args->window);
    int64_t n_queries = args->n_rows * args->group;
    for (int64_t begin = 0; begin < n_queries; begin += PASS_QUERIES) {
        int64_t n = min_i64(n_queries - begin, PASS_QUERIES);
        const float *queries[PASS_QUERIES];
        for (int64_t i = 0; i < n; i++) {
            int64_t r = (begin + i) / args->group, g = (begin + i) % args->group;
            queries[i] = args->q + r * args->ld_q + g * args->head_dim;
            s.position[i] = args->n_spans ? args->positions[r] : args->first_position + r;
        }
        pass_begin(&s, queries, n, args->scale);
        if (args->n_spans)
            pass_spans(&s, args, begin, n);
        else
            pass_span(&s, 0, n, keys, 0, INT64_MAX);
        for (int64_t i = 0; i < n; i++) {
            int64_t r = (begin + i) / args->group, g = (begin + i) % args->group;
            float x = pass_finish(&s, i, args->out + r * args->ld_out + g * args->head_dim, lse != NULL);
            if (lse) lse[g * args->n_rows + r] = x;
        }
    }
}

static size_t attention_scratch(int64_t head_dim)
{
    return pass_scratch(head_dim);
}

static void attention(const tfc_attention_args *args)
{
    attend(args, &(key_blocks){.k = args->k_blocks, .v = args->v_blocks, .ld_v = args->head_dim}, NULL);
}

/* ---- training ---- */

/* Blocks of BLOCK rows, of one matrix [T][head_dim]: rows padded to whole vectors, and transposed. What lies
 * past T is zero. */
static void pack_rows(float *rows, const float *x, int64_t ld, int64_t T, int64_t head_dim, float factor)
{
    int64_t width = padded(head_dim), n_rows = (T + BLOCK - 1) / BLOCK * BLOCK;
    memset(rows, 0, (size_t)(n_rows * width) * sizeof *rows);
    for (int64_t t = 0; t < T; t++)
        for (int64_t d = 0; d < head_dim; d++) rows[t * width + d] = x[t * ld + d] * factor;
}

/* From packed rows. */
static void pack_columns(float *columns, const float *rows, int64_t n_blocks, int64_t head_dim)
{
    int64_t width = padded(head_dim);
    for (int64_t b = 0; b < n_blocks; b++) {
        const float *block[BLOCK];
        for (int64_t i = 0; i < BLOCK; i++) block[i] = rows + (b * BLOCK + i) * width;
        transpose(columns + b * head_dim * BLOCK, block, BLOCK, head_dim, 1);
    }
}

/* x[t][d] = rows[t][d] * factor */
static void unpack_rows(float *x, int64_t ld, const float *rows, int64_t T, int64_t head_dim, float factor)
{
    for (int64_t t = 0; t < T; t++)
        for (int64_t d = 0; d < head_dim; d++) x[t * ld + d] = rows[t * padded(head_dim) + d] * factor;
}

/* The tensors of one call in scratch; R = T rounded up to whole blocks, W = padded(head_dim). */
typedef struct backward {
    const tfc_attention_train_args *args;
    int64_t head_dim, width, n_blocks;
    float *k_rows, *d_k, *d_v;        /* [R][W] */
    float *k_columns, *v_columns;     /* [n_blocks][head_dim][BLOCK] */
    float *q_rows, *d_out_rows, *d_q; /* [R][W], of one head; q times scale, d_q before it */
    float *q_columns, *d_out_columns; /* [n_blocks][head_dim][BLOCK] */
    float *lse, *delta;               /* [R]; delta = d_out · out */
    float *p, *d_score;               /* [BLOCK queries][BLOCK keys] */
} backward;

static size_t backward_init(backward *s, float *scratch, int64_t T, int64_t head_dim)
{
    s->head_dim = head_dim;
    s->width = padded(head_dim);
    s->n_blocks = (T + BLOCK - 1) / BLOCK;
    int64_t rows = s->n_blocks * BLOCK, matrix = rows * s->width, block = BLOCK * BLOCK;
    struct {
        float **tensor;
        int64_t n;
    } plan[] = {{&s->k_rows, matrix},    {&s->d_k, matrix},    {&s->d_v, matrix}, {&s->k_columns, matrix},
                {&s->v_columns, matrix}, {&s->q_rows, matrix}, {&s->d_q, matrix}, {&s->d_out_rows, matrix},
                {&s->q_columns, matrix}, {&s->lse, rows},      {&s->delta, rows}, {&s->d_out_columns, matrix},
                {&s->p, block},          {&s->d_score, block}};
    size_t n = 0;
    for (size_t i = 0; i < sizeof plan / sizeof *plan; i++) {
        if (scratch) *plan[i].tensor = scratch + n;
        n += (size_t)plan[i].n;
    }
    return n;
}

/* The backward pass needs more than three matrices and a pass, which is what forward takes. */
static size_t attention_train_scratch(int64_t T, int64_t head_dim)
{
    backward s;
    return backward_init(&s, NULL, T, head_dim);
}

static void attention_train(const tfc_attention_train_args *args)
{
    int64_t head_dim = args->head_dim, width = padded(head_dim), n_blocks = (args->T + BLOCK - 1) / BLOCK;
    float *v_rows = args->scratch, *k_columns = v_rows + n_blocks * BLOCK * width;
    float *k_rows = k_columns + n_blocks * BLOCK * width, *rest = k_rows + n_blocks * BLOCK * width;
    pack_rows(v_rows, args->v, args->ld_kv, args->T, head_dim, 1);
    pack_rows(k_rows, args->k, args->ld_kv, args->T, head_dim, 1);
    pack_columns(k_columns, k_rows, n_blocks, head_dim);
    tfc_attention_args forward = {.out = args->out,
                                  .q = args->q,
                                  .ld_out = args->ld_out,
                                  .ld_q = args->ld_q,
                                  .n_rows = args->T,
                                  .group = args->group,
                                  .head_dim = head_dim,
                                  .window = args->window,
                                  .scale = args->scale,
                                  .scratch = rest};
    key_blocks keys = {.k_first = k_columns,
                       .v_first = v_rows,
                       .k_step = head_dim * BLOCK,
                       .v_step = BLOCK * width,
                       .ld_v = width};
    attend(&forward, &keys, args->lse);
}

/* Packs head g and takes its delta. */
static void backward_head(backward *s, int64_t g)
{
    const tfc_attention_train_args *args = s->args;
    int64_t T = args->T, at = g * s->head_dim;
    pack_rows(s->q_rows, args->q + at, args->ld_q, T, s->head_dim, args->scale);
    pack_rows(s->d_out_rows, args->d_out + at, args->ld_out, T, s->head_dim, 1);
    pack_columns(s->q_columns, s->q_rows, s->n_blocks, s->head_dim);
    pack_columns(s->d_out_columns, s->d_out_rows, s->n_blocks, s->head_dim);
    memset(s->d_q, 0, (size_t)(s->n_blocks * BLOCK * s->width) * sizeof *s->d_q);
    memset(s->delta, 0, (size_t)(s->n_blocks * BLOCK) * sizeof *s->delta);
    memset(s->lse, 0, (size_t)(s->n_blocks * BLOCK) * sizeof *s->lse);
    memcpy(s->lse, args->lse + g * T, (size_t)T * sizeof *s->lse);
    for (int64_t t = 0; t < T; t++) {
        const float *out = args->out + t * args->ld_out + at, *d_out = s->d_out_rows + t * s->width;
        vf sum = vf_set(0);
        for (int64_t d = 0; d < s->head_dim; d += VW)
            sum = vf_fma(vf_load(d_out + d), vf_load_masked(out + d, vm_first(s->head_dim - d)), sum);
        s->delta[t] = vf_sum_of(sum);
    }
}

/* Row r of query block i against key block b: scores and d_p become p = exp(score - lse) and d_score =
 * p (d_p - delta); both 0 where the row does not see the key. */
static void backward_softmax(backward *s, int64_t i, int64_t b, int64_t r)
{
    int64_t position = i * BLOCK + r, base = b * BLOCK;
    int64_t from = first_key(position, s->args->window) - base, to = position + 1 - base;
    vf lse = vf_set(s->lse[position]), delta = vf_set(s->delta[position]);
    float *p = s->p + r * BLOCK, *d_score = s->d_score + r * BLOCK;
    UNROLL for (int v = 0; v < BLOCK_VECTORS; v++)
    {
        vf x = vf_exp_low(vf_sub(vf_load(p + v * VW), lse));
        vf d = vf_mul(x, vf_sub(vf_load(d_score + v * VW), delta));
        if (from > 0 || to < BLOCK) {
            vm seen = vm_range(from - v * VW, to - v * VW);
            x = vf_select(seen, x, vf_set(0));
            d = vf_select(seen, d, vf_set(0));
        }
        vf_store(p + v * VW, x);
        vf_store(d_score + v * VW, d);
    }
}

/* Query block i against key block b. */
static void backward_pair(backward *s, int64_t i, int64_t b)
{
    int64_t rows_i = i * BLOCK * s->width, rows_b = b * BLOCK * s->width;
    int64_t columns_i = i * BLOCK * s->head_dim, columns_b = b * BLOCK * s->head_dim;
    product_args scores = {.c = s->p, .ld_c = BLOCK, .ld_b = BLOCK, .M = BLOCK, .N = BLOCK, .K = s->head_dim};
    scores.a = s->q_columns + columns_i, scores.b = s->k_columns + columns_b;
    product(BY_COLUMN, &scores);
    scores.c = s->d_score, scores.a = s->d_out_columns + columns_i, scores.b = s->v_columns + columns_b;
    product(BY_COLUMN, &scores);
    for (int64_t r = 0; r < BLOCK; r++) backward_softmax(s, i, b, r);
    product_args sums = {
        .ld_c = s->width, .ld_b = s->width, .M = BLOCK, .N = s->width, .K = BLOCK, .accumulate = true};
    sums.c = s->d_v + rows_b, sums.a = s->p, sums.b = s->d_out_rows + rows_i;
    product(BY_COLUMN, &sums);
    sums.c = s->d_k + rows_b, sums.a = s->d_score, sums.b = s->q_rows + rows_i;
    product(BY_COLUMN, &sums);
    sums.c = s->d_q + rows_i, sums.a = s->d_score, sums.b = s->k_rows + rows_b;
    product(BY_ROW, &sums);
}

static void attention_train_backward(const tfc_attention_train_args *args)
{
    backward s = {.args = args};
    int64_t T = args->T, head_dim = args->head_dim;
    backward_init(&s, args->scratch, T, head_dim);
    size_t matrix_bytes = (size_t)(s.n_blocks * BLOCK * s.width) * sizeof(float);
    pack_rows(s.k_rows, args->v, args->ld_kv, T, head_dim, 1); /* v is wanted in columns alone */
    pack_columns(s.v_columns, s.k_rows, s.n_blocks, head_dim);
    pack_rows(s.k_rows, args->k, args->ld_kv, T, head_dim, 1);
    pack_columns(s.k_columns, s.k_rows, s.n_blocks, head_dim);
    memset(s.d_k, 0, matrix_bytes);
    memset(s.d_v, 0, matrix_bytes);
    for (int64_t g = 0; g < args->group; g++) {
        backward_head(&s, g);
        for (int64_t b = 0; b < s.n_blocks; b++) {
            int64_t end = s.n_blocks;
            if (args->window > 0)
                end = min_i64(end, (b * BLOCK + BLOCK - 2 + min_i64(args->window, T)) / BLOCK + 1);
            for (int64_t i = b; i < end; i++) backward_pair(&s, i, b);
        }
        unpack_rows(args->d_q + g * head_dim, args->ld_q, s.d_q, T, head_dim, args->scale);
    }
    unpack_rows(args->d_k, args->ld_kv, s.d_k, T, head_dim, 1);
    unpack_rows(args->d_v, args->ld_kv, s.d_v, T, head_dim, 1);
}

void VECTOR_PATH(attention)(tfc_kernels *k)
{
    k->attention_scratch = attention_scratch;
    k->attention = attention;
    k->attention_train_scratch = attention_train_scratch;
    k->attention_train = attention_train;
    k->attention_train_backward = attention_train_backward;
}
