/* A layer is a row of parallel loops; each loop ends before the next begins:
 *
 *   norm and pack → product (q,k,v) → rotate, store keys and values → copies → attention
 *   → pack → product (out), added to x → norm and pack → product (up) → activate and pack
 *   → product (down), added to x
 *
 * In the last layer only the wanted rows go on after the keys and values are stored: they are gathered, and
 * the rest of the layer runs on those.
 * Sizes: M rows, C width, NH query heads, NKV key heads of HD, I inner size, QKV = (NH + 2 NKV) HD. */
#include "model/forward.h"

#include "model/layout.h"

enum { BLOCK = TFC_KV_BLOCK, PIECE_ROWS = 32, MAX_CHUNK_TILES = 2 };
/* Of a product: rows that are multiplied together; how many tasks a thread should get; multiply-adds that are
 * worth a task. */
enum { ROW_BLOCK = 128, MIN_TASKS_PER_THREAD = 5, MAX_TASKS_PER_THREAD = 24, TASK_PRODUCTS = 2 << 20 };

/* Per-thread memory. */
typedef struct forward_scratch {
    float *attention;
    const float **k_blocks, **v_blocks; /* [max_blocks] */
} forward_scratch;

struct tfc_forward {
    const tfc_model *model;
    const tfc_kernels *kernels;
    const tfc_hparams *hp;
    tfc_kv_tree *tree;
    tfc_pool *pool;
    int64_t max_rows, max_blocks, max_positions;
    int64_t QKV, UP; /* columns of the products */
    int64_t chunk;   /* rows of an element-wise task, a multiple of tile_m */
    tfc_batch batch;
    void *memory;
    float *x, *x_wanted;             /* [max_rows, C] */
    float *wide;                     /* [max_rows, max(QKV, UP)] q, k, v; then the MLP's inner rows */
    float *a;                        /* [max_rows, max(C, NH*HD, I)] what is packed next */
    float *q_wanted;                 /* [max_rows, NH*HD] */
    void *packed;                    /* max_rows packed rows of at most that width */
    tfc_run *pieces, *wanted_pieces; /* runs cut to PIECE_ROWS */
    int64_t n_pieces, n_wanted_pieces;
    float *rope; /* [max_positions][n_rot], the first n_rope filled */
    double *rope_frequencies;
    int64_t n_rope;
    forward_scratch *scratch; /* [n_threads] */
    float scale;              /* 1/sqrt(HD) */
    double flops;

    /* the rows at work: all, or the wanted ones in the last layer */
    int64_t layer, M;
    const tfc_packed_layer *weights;
    const float *norm, *norm_bias;
    float *rows;
    const float *q;
    int64_t ld_q;
    const tfc_run *work; /* [n_work] */
    int64_t n_work;
};

static int64_t max3(int64_t a, int64_t b, int64_t c)
{
    int64_t m = a > b ? a : b;
    return m > c ? m : c;
}

/* All arrays, in order; see tfc_layout. */
static void take_arrays(tfc_forward *f, tfc_layout *layout)
{
    const tfc_hparams *hp = f->hp;
    size_t M = (size_t)f->max_rows, C = (size_t)hp->C, Q = (size_t)(hp->NH * hp->HD);
    size_t width = (size_t)max3(hp->C, hp->NH * hp->HD, hp->I);
    size_t wide = (size_t)(f->QKV > f->UP ? f->QKV : f->UP), row;
    tfc_batch *batch = &f->batch;
    batch->ids = tfc_layout_take(layout, M, sizeof *batch->ids);
    batch->positions = tfc_layout_take(layout, M, sizeof *batch->positions);
    batch->store = tfc_layout_take(layout, M, sizeof *batch->store);
    batch->runs = tfc_layout_take(layout, M, sizeof *batch->runs);
    batch->copies = tfc_layout_take(layout, M, sizeof *batch->copies);
    batch->wanted = tfc_layout_take(layout, M, sizeof *batch->wanted);
    f->pieces = tfc_layout_take(layout, M, sizeof *f->pieces);
    f->wanted_pieces = tfc_layout_take(layout, M, sizeof *f->wanted_pieces);
    if (!tfc_size_mul(M, wide + width + Q + 2 * C, &row)) layout->overflow = true;
    f->x = tfc_layout_take(layout, M * C, sizeof(float));
    f->x_wanted = tfc_layout_take(layout, M * C, sizeof(float));
    f->wide = tfc_layout_take(layout, M * wide, sizeof(float));
    f->a = tfc_layout_take(layout, M * width, sizeof(float));
    f->q_wanted = tfc_layout_take(layout, M * Q, sizeof(float));
    f->packed =
        tfc_layout_take(layout, 1, f->kernels->rows_bytes(f->max_rows, (int64_t)width, f->model->operand));
    if (hp->rope) {
        f->rope = tfc_layout_take(layout, (size_t)f->max_positions * (size_t)hp->n_rot, sizeof(float));
        f->rope_frequencies = tfc_layout_take(layout, (size_t)hp->n_rot / 2, sizeof(double));
    }
    size_t n_threads = (size_t)tfc_pool_n_threads(f->pool), n_blocks = (size_t)f->max_blocks;
    forward_scratch *scratch = tfc_layout_take(layout, n_threads, sizeof *scratch);
    for (size_t i = 0; i < n_threads; i++) {
        forward_scratch s;
        s.attention = tfc_layout_take(layout, f->kernels->attention_scratch(hp->HD), sizeof(float));
        s.k_blocks = tfc_layout_take(layout, n_blocks, sizeof *s.k_blocks);
        s.v_blocks = tfc_layout_take(layout, n_blocks, sizeof *s.v_blocks);
        if (scratch) scratch[i] = s;
    }
    f->scratch = scratch;
}

tfc_forward *tfc_forward_create(const tfc_model *model, tfc_kv_tree *tree, tfc_pool *pool, int64_t max_rows,
                                int64_t max_positions, tfc_error *err)
{
    tfc_forward *f = tfc_alloc_zero(1, sizeof *f);
    if (!f) {
        tfc_fail_memory(err, "forward pass");
        return NULL;
    }
    const tfc_hparams *hp = f->hp = &model->hparams;
    f->model = model;
    f->kernels = model->kernels;
    f->tree = tree;
    f->pool = pool;
    f->max_rows = max_rows;
    f->max_positions = max_positions;
    f->max_blocks = (max_positions + BLOCK - 1) / BLOCK;
    f->QKV = (hp->NH + 2 * hp->NKV) * hp->HD;
    f->UP = hp->gated ? 2 * hp->I : hp->I;
    f->scale = (float)(1 / __builtin_sqrt((double)hp->HD));
    tfc_layout layout = {0};
    take_arrays(f, &layout);
    if (layout.overflow || !(f->memory = tfc_alloc_aligned(layout.n_bytes, 1))) {
        tfc_fail(err, TFC_ENOMEM,
                 "out of memory (a forward pass of %lld rows; a smaller --batch-tokens helps)",
                 (long long)max_rows);
        tfc_forward_free(f);
        return NULL;
    }
    tfc_advise_large_pages(f->memory, layout.n_bytes);
    layout = (tfc_layout){.base = f->memory};
    take_arrays(f, &layout);
    for (int64_t i = 0; hp->rope && i < hp->n_rot / 2; i++)
        f->rope_frequencies[i] = tfc_rope_frequency(hp, i);
    return f;
}

void tfc_forward_free(tfc_forward *f)
{
    if (!f) return;
    tfc_free(f->batch.blocks);
    tfc_free(f->memory);
    tfc_free(f);
}

tfc_batch *tfc_forward_batch(tfc_forward *f)
{
    return &f->batch;
}

double tfc_forward_flops(const tfc_forward *f)
{
    return f->flops;
}

void tfc_batch_clear(tfc_batch *batch)
{
    batch->n_rows = batch->n_runs = batch->n_copies = batch->n_wanted = batch->n_blocks = 0;
}

bool tfc_batch_reserve_blocks(tfc_batch *batch, int64_t n)
{
    if (batch->n_blocks + n <= batch->block_capacity) return true;
    int64_t capacity = 2 * (batch->n_blocks + n);
    int32_t *blocks = tfc_realloc(batch->blocks, (size_t)capacity, sizeof *blocks);
    if (!blocks) return false;
    batch->blocks = blocks;
    batch->block_capacity = capacity;
    return true;
}

void tfc_model_norm(const tfc_model *model, float *y, const float *x, const float *weight, const float *bias)
{
    const tfc_hparams *hp = &model->hparams;
    if (hp->layernorm)
        model->kernels->layernorm(y, x, weight, bias, hp->C, hp->epsilon, NULL);
    else
        model->kernels->rmsnorm(y, x, weight, hp->C, hp->epsilon);
}

/* ---- products ---- */

typedef struct product_job {
    const tfc_kernels *kernels;
    float *y;
    int64_t ld_y;
    const void *packed;
    int64_t M;
    const tfc_panels *w;
    const float *bias;
    bool accumulate;
    int64_t block_rows, group_panels, n_groups;
} product_job;

static void product_task(void *context, int64_t i, int worker)
{
    (void)worker;
    const product_job *job = context;
    int64_t m_from = i / job->n_groups * job->block_rows, p_from = i % job->n_groups * job->group_panels;
    int64_t m_to = m_from + job->block_rows < job->M ? m_from + job->block_rows : job->M;
    int64_t p_to = p_from + job->group_panels;
    if (p_to > job->w->n_panels) p_to = job->w->n_panels;
    job->kernels->gemm(job->y, job->ld_y, job->packed, job->M, m_from, m_to, job->w, p_from, p_to, job->bias,
                       job->accumulate);
}

/* Cuts the product into tasks: blocks of rows whose packed form stays in L2, then groups of panels; small
 * ones, so that the threads end together, but of some 20 microseconds where there is work for that. */
static int64_t cut_product(product_job *job, int64_t n_threads)
{
    const tfc_kernels *kernels = job->kernels;
    int64_t n_tiles = (job->M + kernels->tile_m - 1) / kernels->tile_m;
    int64_t n_blocks = (job->M + ROW_BLOCK - 1) / ROW_BLOCK, n_panels = job->w->n_panels;
    job->block_rows = (n_tiles + n_blocks - 1) / n_blocks * kernels->tile_m;
    n_blocks = (job->M + job->block_rows - 1) / job->block_rows;
    int64_t most_groups = (n_threads * MAX_TASKS_PER_THREAD + n_blocks - 1) / n_blocks;
    int64_t least_groups = (n_threads * MIN_TASKS_PER_THREAD + n_blocks - 1) / n_blocks;
    int64_t smallest = (n_panels + most_groups - 1) / most_groups;
    int64_t largest = (n_panels + least_groups - 1) / least_groups;
    int64_t enough = TASK_PRODUCTS / (job->block_rows * kernels->panel_n * job->w->K) + 1;
    int64_t group = enough < smallest ? smallest : enough > largest ? largest : enough;
    /* With few rows the kernels take several panels together. */
    if (job->M < kernels->tile_m) group = (group + 3) / 4 * 4;
    job->group_panels = group;
    job->n_groups = (n_panels + group - 1) / group;
    return n_blocks * job->n_groups;
}

void tfc_product(const tfc_model *model, tfc_pool *pool, float *y, int64_t ld_y, const void *packed,
                 int64_t M, const tfc_panels *w, const float *bias, bool accumulate)
{
    if (M == 0) return;
    product_job job = {model->kernels, y, ld_y, packed, M, w, bias, accumulate, 0, 0, 0};
    tfc_pool_run(pool, cut_product(&job, tfc_pool_n_threads(pool)), product_task, &job);
}

static void product(tfc_forward *f, float *y, int64_t ld_y, const tfc_panels *w, const float *bias,
                    bool accumulate)
{
    tfc_product(f->model, f->pool, y, ld_y, f->packed, f->M, w, bias, accumulate);
    f->flops += 2.0 * (double)f->M * (double)w->N * (double)w->K;
}

/* ---- element-wise steps over chunks of rows ---- */

typedef struct row_range {
    int64_t from, to;
} row_range;

static row_range chunk_range(const tfc_forward *f, int64_t i)
{
    int64_t from = i * f->chunk, to = from + f->chunk;
    return (row_range){from, to < f->M ? to : f->M};
}

static void run_chunks(tfc_forward *f, tfc_task *task)
{
    int64_t tile_m = f->kernels->tile_m, n_tiles = (f->M + tile_m - 1) / tile_m;
    int64_t per_chunk = n_tiles / (4 * tfc_pool_n_threads(f->pool));
    f->chunk = tile_m * (per_chunk < 1 ? 1 : per_chunk > MAX_CHUNK_TILES ? MAX_CHUNK_TILES : per_chunk);
    tfc_pool_run(f->pool, (f->M + f->chunk - 1) / f->chunk, task, f);
}

static void pack(tfc_forward *f, row_range range, int64_t K)
{
    f->kernels->pack_rows(f->packed, f->M, K, f->model->operand, range.from, range.to, f->a, K, 1);
}

static void embed_task(void *context, int64_t i, int worker)
{
    (void)worker;
    tfc_forward *f = context;
    const float *table = f->model->packed.position_embedding;
    row_range range = chunk_range(f, i);
    int64_t C = f->hp->C;
    for (int64_t r = range.from; r < range.to; r++) {
        tfc_weight_rows(&f->model->weights.token_embedding, f->batch.ids[r], 1, f->x + r * C);
        if (table) f->kernels->add(f->x + r * C, table + f->batch.positions[r] * C, C);
    }
}

static void norm_task(void *context, int64_t i, int worker)
{
    (void)worker;
    tfc_forward *f = context;
    row_range range = chunk_range(f, i);
    int64_t C = f->hp->C;
    for (int64_t r = range.from; r < range.to; r++)
        tfc_model_norm(f->model, f->a + r * C, f->rows + r * C, f->norm, f->norm_bias);
    pack(f, range, C);
}

static void norm_and_pack(tfc_forward *f, const float *weight, const float *bias)
{
    f->norm = weight;
    f->norm_bias = bias;
    run_chunks(f, norm_task);
}

/* Rotates q and k of a row, then stores k and v. */
static void place_task(void *context, int64_t i, int worker)
{
    (void)worker;
    tfc_forward *f = context;
    const tfc_hparams *hp = f->hp;
    int64_t HD = hp->HD, n_rotated = hp->rope ? hp->NH + hp->NKV : 0;
    row_range range = chunk_range(f, i);
    for (int64_t r = range.from; r < range.to; r++) {
        float *row = f->wide + r * f->QKV;
        int64_t position = f->batch.positions[r];
        for (int64_t h = 0; h < n_rotated; h++)
            f->kernels->rope(row + h * HD, f->rope + position * hp->n_rot, hp->n_rot, hp->rope_interleaved,
                             false);
        if (f->batch.store[r] < 0) continue;
        for (int64_t h = 0; h < hp->NKV; h++) {
            const float *k = row + (hp->NH + h) * HD, *v = row + (hp->NH + hp->NKV + h) * HD;
            float *keys = tfc_kv_tree_keys(f->tree, f->batch.store[r], f->layer, h);
            float *values = keys + HD * BLOCK + position % BLOCK * HD;
            for (int64_t d = 0; d < HD; d++) keys[d * BLOCK + position % BLOCK] = k[d];
            memcpy(values, v, (size_t)HD * sizeof *v);
        }
    }
}

/* All copies of one key head, in order: one may read what another wrote. */
static void copy_task(void *context, int64_t h, int worker)
{
    (void)worker;
    tfc_forward *f = context;
    int64_t HD = f->hp->HD;
    for (int64_t i = 0; i < f->batch.n_copies; i++) {
        tfc_kv_copy copy = f->batch.copies[i];
        const float *from = tfc_kv_tree_keys(f->tree, copy.from, f->layer, h);
        float *to = tfc_kv_tree_keys(f->tree, copy.to, f->layer, h);
        for (int64_t d = 0; d < HD; d++)
            memcpy(to + d * BLOCK, from + d * BLOCK, (size_t)copy.n * sizeof *to);
        memcpy(to + HD * BLOCK, from + HD * BLOCK, (size_t)(copy.n * HD) * sizeof *to);
    }
}

/* One piece of a run and one key head. */
static void attention_task(void *context, int64_t i, int worker)
{
    tfc_forward *f = context;
    const tfc_hparams *hp = f->hp;
    const tfc_run *piece =
        &f->work[f->n_work - 1 - i / hp->NKV]; /* later rows see more: the long ones first */
    int64_t h = i % hp->NKV, HD = hp->HD, group = hp->NH / hp->NKV;
    forward_scratch *scratch = &f->scratch[worker];
    int64_t n_blocks = (piece->position + piece->n_rows + BLOCK - 1) / BLOCK;
    for (int64_t b = 0; b < n_blocks; b++) {
        const float *keys = tfc_kv_tree_keys(f->tree, f->batch.blocks[piece->first_block + b], f->layer, h);
        scratch->k_blocks[b] = keys;
        scratch->v_blocks[b] = keys + HD * BLOCK;
    }
    tfc_attention_args args = {
        .out = f->a + piece->row * hp->NH * HD + h * group * HD,
        .q = f->q + piece->row * f->ld_q + h * group * HD,
        .ld_out = hp->NH * HD,
        .ld_q = f->ld_q,
        .n_rows = piece->n_rows,
        .group = group,
        .head_dim = HD,
        .first_position = piece->position,
        .scale = f->scale,
        .k_blocks = scratch->k_blocks,
        .v_blocks = scratch->v_blocks,
        .scratch = scratch->attention,
    };
    f->kernels->attention(&args);
}

/* Packs the heads' outputs. The product that follows is added to x, so its bias goes to x here. */
static void attended_task(void *context, int64_t i, int worker)
{
    (void)worker;
    tfc_forward *f = context;
    row_range range = chunk_range(f, i);
    int64_t C = f->hp->C;
    for (int64_t r = range.from; f->weights->wo_bias && r < range.to; r++)
        f->kernels->add(f->rows + r * C, f->weights->wo_bias, C);
    pack(f, range, f->hp->NH * f->hp->HD);
}

static void activate_task(void *context, int64_t i, int worker)
{
    (void)worker;
    tfc_forward *f = context;
    row_range range = chunk_range(f, i);
    int64_t C = f->hp->C, I = f->hp->I;
    for (int64_t r = range.from; r < range.to; r++) {
        const float *up = f->wide + r * f->UP;
        if (f->hp->gated)
            f->kernels->swiglu(f->a + r * I, up, up + I, I);
        else
            f->kernels->gelu(f->a + r * I, up, I);
        if (f->weights->w_down_bias) f->kernels->add(f->rows + r * C, f->weights->w_down_bias, C);
    }
    pack(f, range, I);
}

/* ---- the pass ---- */

static void add_pieces(tfc_run *pieces, int64_t *n, const tfc_run *run)
{
    for (int64_t done = 0; done < run->n_rows; done += PIECE_ROWS) {
        int64_t rest = run->n_rows - done;
        pieces[(*n)++] = (tfc_run){run->row + done, rest < PIECE_ROWS ? rest : PIECE_ROWS,
                                   run->position + done, run->first_block};
    }
}

/* The runs in pieces that balance; and the wanted rows' runs, whose rows count among the wanted. */
static void plan_pieces(tfc_forward *f)
{
    const tfc_batch *batch = &f->batch;
    f->n_pieces = f->n_wanted_pieces = 0;
    int64_t w = 0;
    for (int64_t i = 0; i < batch->n_runs; i++) {
        const tfc_run *run = &batch->runs[i];
        add_pieces(f->pieces, &f->n_pieces, run);
        while (w < batch->n_wanted && batch->wanted[w] < run->row + run->n_rows) {
            int64_t first = w++;
            while (w < batch->n_wanted && batch->wanted[w] == batch->wanted[w - 1] + 1 &&
                   batch->wanted[w] < run->row + run->n_rows)
                w++;
            tfc_run wanted = {first, w - first, run->position + batch->wanted[first] - run->row,
                              run->first_block};
            add_pieces(f->wanted_pieces, &f->n_wanted_pieces, &wanted);
        }
    }
}

static void fill_rope(tfc_forward *f)
{
    int64_t last = -1, half = f->hp->n_rot / 2;
    for (int64_t r = 0; r < f->batch.n_rows; r++)
        if (f->batch.positions[r] > last) last = f->batch.positions[r];
    for (; f->n_rope <= last; f->n_rope++) {
        float *table = f->rope + f->n_rope * f->hp->n_rot;
        for (int64_t i = 0; i < half; i++)
            tfc_rope_angle(f->rope_frequencies[i], f->n_rope, &table[i], &table[half + i]);
    }
}

/* Puts the wanted rows of x and q together; the rest of the last layer runs on them. */
static void gather_wanted(tfc_forward *f)
{
    int64_t C = f->hp->C, Q = f->hp->NH * f->hp->HD;
    for (int64_t w = 0; w < f->batch.n_wanted; w++) {
        int64_t r = f->batch.wanted[w];
        memcpy(f->x_wanted + w * C, f->x + r * C, (size_t)C * sizeof(float));
        memcpy(f->q_wanted + w * Q, f->wide + r * f->QKV, (size_t)Q * sizeof(float));
    }
    f->M = f->batch.n_wanted;
    f->rows = f->x_wanted;
    f->q = f->q_wanted;
    f->ld_q = Q;
    f->work = f->wanted_pieces;
    f->n_work = f->n_wanted_pieces;
}

static void run_attention(tfc_forward *f)
{
    tfc_pool_run(f->pool, f->n_work * f->hp->NKV, attention_task, f);
    for (int64_t i = 0; i < f->n_work; i++) {
        double n = (double)f->work[i].n_rows;
        f->flops += 4.0 * (double)(f->hp->NH * f->hp->HD) * n * ((double)f->work[i].position + (n + 1) / 2);
    }
}

static void run_layer(tfc_forward *f, bool last)
{
    const tfc_packed_layer *w = f->weights;
    int64_t C = f->hp->C;
    norm_and_pack(f, w->norm1, w->norm1_bias);
    product(f, f->wide, f->QKV, &w->qkv, w->qkv_bias, false);
    run_chunks(f, place_task);
    if (f->batch.n_copies) tfc_pool_run(f->pool, f->hp->NKV, copy_task, f);
    if (last) gather_wanted(f);
    run_attention(f);
    run_chunks(f, attended_task);
    product(f, f->rows, C, &w->wo, NULL, true);
    norm_and_pack(f, w->norm2, w->norm2_bias);
    product(f, f->wide, f->UP, &w->up, w->w_up_bias, false);
    run_chunks(f, activate_task);
    product(f, f->rows, C, &w->down, NULL, true);
}

const float *tfc_forward_run(tfc_forward *f)
{
    plan_pieces(f);
    if (f->hp->rope) fill_rope(f);
    f->M = f->batch.n_rows;
    f->rows = f->x;
    f->q = f->wide;
    f->ld_q = f->QKV;
    f->work = f->pieces;
    f->n_work = f->n_pieces;
    run_chunks(f, embed_task);
    for (f->layer = 0; f->layer < f->hp->L; f->layer++) {
        f->weights = &f->model->packed.layers[f->layer];
        run_layer(f, f->layer == f->hp->L - 1);
    }
    return f->x_wanted;
}
