/* A pass: rows are embedded; in every layer keys and values are stored, positions that a sequence shares in
 * part are copied, the rows attend; forward_few.c and forward_many.c do what lies between. In the last layer
 * only the wanted rows go on after the keys and values are stored: they are gathered, and the rest of the
 * layer runs on those. */
#include "model/forward_inside.h"

enum { BLOCK = TFC_KV_BLOCK, PIECE_ROWS = 32, EMBED_ROWS = 32 };
/* Blocks of all runs of a batch, apart from its first sequence's. */
enum { MANY_BLOCKS = 1 << 17 };

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void take_scratch(tfc_forward *f, tfc_layout *layout, tfc_forward_scratch *s)
{
    const tfc_hparams *hp = f->hp;
    size_t R = (size_t)f->block_rows, n_blocks = (size_t)f->max_blocks;
    int64_t widest = larger(larger(hp->C, f->Q), hp->I);
    s->attention = tfc_layout_take(layout, f->kernels->attention_scratch(hp->HD), sizeof(float));
    s->k_blocks = tfc_layout_take(layout, 2 * n_blocks, sizeof *s->k_blocks);
    s->v_blocks = tfc_layout_take(layout, 2 * n_blocks, sizeof *s->v_blocks);
    s->normed = tfc_layout_take(layout, R * (size_t)hp->C, sizeof(float));
    s->inner =
        tfc_layout_take(layout, R * 2 * (size_t)(TFC_INNER_COLUMNS + f->kernels->panel_n), sizeof(float));
    s->active = tfc_layout_take(layout, R * (size_t)hp->I, sizeof(float));
    s->packed = tfc_layout_take(layout, 1, f->kernels->rows_bytes(f->block_rows, widest, f->model->operand));
}

/* All arrays, in order; see tfc_layout. */
static void take_arrays(tfc_forward *f, tfc_layout *layout)
{
    const tfc_hparams *hp = f->hp;
    size_t M = (size_t)f->max_rows, C = (size_t)hp->C, Q = (size_t)f->Q, few = (size_t)f->few_rows, most;
    int64_t widest = larger(larger(hp->C, f->Q), hp->I);
    tfc_batch *batch = &f->batch;
    batch->ids = tfc_layout_take(layout, M, sizeof *batch->ids);
    batch->positions = tfc_layout_take(layout, M, sizeof *batch->positions);
    batch->store = tfc_layout_take(layout, M, sizeof *batch->store);
    batch->runs = tfc_layout_take(layout, M, sizeof *batch->runs);
    batch->copies = tfc_layout_take(layout, M, sizeof *batch->copies);
    batch->wanted = tfc_layout_take(layout, M, sizeof *batch->wanted);
    batch->blocks = tfc_layout_take(layout, (size_t)batch->block_capacity, sizeof *batch->blocks);
    f->wanted_runs = tfc_layout_take(layout, M, sizeof *f->wanted_runs);
    f->pieces = tfc_layout_take(layout, M, sizeof *f->pieces);
    f->wanted_pieces = tfc_layout_take(layout, M, sizeof *f->wanted_pieces);
    /* the products below fit when this one does */
    if (!tfc_size_mul(M > few ? M : few, 8 * (C + (size_t)f->QKV + (size_t)f->UP), &most))
        layout->overflow = true;
    f->x = tfc_layout_take(layout, M * C, sizeof(float));
    f->x_wanted = tfc_layout_take(layout, M * C, sizeof(float));
    f->qkv = tfc_layout_take(layout, M * (size_t)f->QKV, sizeof(float));
    f->attended = tfc_layout_take(layout, M * Q, sizeof(float));
    f->q_wanted = tfc_layout_take(layout, M * Q, sizeof(float));
    f->normed = tfc_layout_take(layout, few * C, sizeof(float));
    f->up = tfc_layout_take(layout, few * (size_t)f->UP, sizeof(float));
    f->active = tfc_layout_take(layout, few * (size_t)hp->I, sizeof(float));
    f->packed = tfc_layout_take(layout, 1, f->kernels->rows_bytes(f->few_rows, widest, f->model->operand));
    if (hp->rope) {
        f->rope = tfc_layout_take(layout, (size_t)f->max_positions * (size_t)hp->n_rot, sizeof(float));
        f->rope_frequencies = tfc_layout_take(layout, (size_t)hp->n_rot / 2, sizeof(double));
    }
    tfc_forward_scratch *scratch = tfc_layout_take(layout, (size_t)f->n_threads, sizeof *scratch);
    for (int i = 0; i < f->n_threads; i++) {
        tfc_forward_scratch s;
        take_scratch(f, layout, scratch ? &scratch[i] : &s);
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
    f->batch.block_capacity = f->max_blocks + tfc_smaller(max_rows * f->max_blocks, MANY_BLOCKS);
    f->n_threads = tfc_pool_n_threads(pool);
    f->block_rows = larger(f->kernels->many_rows / f->kernels->tile_m, 1) * f->kernels->tile_m;
    f->few_rows = tfc_smaller(max_rows, (int64_t)f->n_threads * TFC_ENOUGH_ROWS);
    f->Q = hp->NH * hp->HD;
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

void tfc_model_norm(const tfc_model *model, float *y, const float *x, const float *weight, const float *bias)
{
    const tfc_hparams *hp = &model->hparams;
    if (hp->layernorm)
        model->kernels->layernorm(y, x, weight, bias, hp->C, hp->epsilon, NULL);
    else
        model->kernels->rmsnorm(y, x, weight, hp->C, hp->epsilon);
}

static void embed_task(void *context, int64_t i, int worker)
{
    (void)worker;
    tfc_forward *f = context;
    const float *table = f->model->packed.position_embedding;
    int64_t C = f->hp->C, to = tfc_smaller((i + 1) * EMBED_ROWS, f->M);
    for (int64_t r = i * EMBED_ROWS; r < to; r++) {
        tfc_weight_rows(&f->model->weights.token_embedding, f->batch.ids[r], 1, f->x + r * C);
        if (table) f->kernels->add(f->x + r * C, table + f->batch.positions[r] * C, C);
    }
}

void tfc_forward_add_bias(tfc_forward *f, const float *bias, int64_t from, int64_t to)
{
    int64_t C = f->hp->C;
    for (int64_t r = from; bias && r < to; r++) f->kernels->add(f->rows + r * C, bias, C);
}

void tfc_forward_place(tfc_forward *f, int64_t layer, int64_t from, int64_t to)
{
    const tfc_hparams *hp = f->hp;
    int64_t HD = hp->HD, n_rotated = hp->rope ? hp->NH + hp->NKV : 0;
    for (int64_t r = from; r < to; r++) {
        float *row = f->qkv + r * f->QKV;
        int64_t position = f->batch.positions[r];
        for (int64_t h = 0; h < n_rotated; h++)
            f->kernels->rope(row + h * HD, f->rope + position * hp->n_rot, hp->n_rot, hp->rope_interleaved,
                             false);
        if (f->batch.store[r] < 0) continue;
        for (int64_t h = 0; h < hp->NKV; h++) {
            const float *k = row + (hp->NH + h) * HD, *v = row + (hp->NH + hp->NKV + h) * HD;
            float *keys = tfc_kv_tree_keys(f->tree, f->batch.store[r], layer, h);
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

/* Where blocks from … to-1 of a run lie, for one key head. */
static void point_at_blocks(const tfc_forward *f, const tfc_run *run, int64_t h, int64_t from, int64_t to,
                            const float **k_blocks, const float **v_blocks)
{
    const int32_t *blocks = f->batch.blocks + run->first_block;
    for (int64_t b = from; b < to; b++) {
        k_blocks[b - from] = tfc_kv_tree_keys(f->tree, blocks[b], f->layer, h);
        v_blocks[b - from] = k_blocks[b - from] + f->hp->HD * BLOCK;
    }
}

static int64_t blocks_of(const tfc_run *run)
{
    return (run->position + run->n_rows + BLOCK - 1) / BLOCK;
}

/* The spans of several runs: what they share, then what each has alone. */
static void point_at_runs(const tfc_forward *f, tfc_forward_scratch *s, const tfc_piece *piece, int64_t h,
                          tfc_attention_args *args)
{
    int64_t shared = piece->shared_blocks, n_pointers = shared, row = 0;
    point_at_blocks(f, piece->runs, h, 0, shared, s->k_blocks, s->v_blocks);
    s->spans[0] = (tfc_attention_span){0, piece->n_rows, 0, shared, s->k_blocks, s->v_blocks};
    for (int64_t i = 0; i < piece->n_runs; i++) {
        const tfc_run *run = &piece->runs[i];
        const float **k = s->k_blocks + n_pointers, **v = s->v_blocks + n_pointers;
        int64_t n_blocks = blocks_of(run);
        point_at_blocks(f, run, h, shared, n_blocks, k, v);
        s->spans[i + 1] = (tfc_attention_span){row, row + run->n_rows, shared, n_blocks, k, v};
        n_pointers += n_blocks - shared;
        for (int64_t r = 0; r < run->n_rows; r++) s->positions[row++] = run->position + r;
    }
    args->n_spans = piece->n_runs + 1;
    args->spans = s->spans;
    args->positions = s->positions;
}

/* One piece and one key head. */
static void attention_task(void *context, int64_t i, int worker)
{
    tfc_forward *f = context;
    const tfc_hparams *hp = f->hp;
    /* The long ones first: later rows of a sequence see more. */
    const tfc_piece *piece = &f->work[f->n_work - 1 - i / hp->NKV];
    int64_t h = i % hp->NKV, HD = hp->HD, group = hp->NH / hp->NKV, row = piece->runs->row + piece->skip;
    tfc_forward_scratch *s = &f->scratch[worker];
    tfc_attention_args args = {
        .out = f->attended + row * f->Q + h * group * HD,
        .q = f->q + row * f->ld_q + h * group * HD,
        .ld_out = f->Q,
        .ld_q = f->ld_q,
        .n_rows = piece->n_rows,
        .group = group,
        .head_dim = HD,
        .first_position = piece->runs->position + piece->skip,
        .scale = f->scale,
        .k_blocks = s->k_blocks,
        .v_blocks = s->v_blocks,
        .scratch = s->attention,
    };
    if (piece->n_runs > 1) {
        point_at_runs(f, s, piece, h, &args);
    } else {
        int64_t end = args.first_position + piece->n_rows;
        point_at_blocks(f, piece->runs, h, 0, (end + BLOCK - 1) / BLOCK, s->k_blocks, s->v_blocks);
    }
    f->kernels->attention(&args);
}

/* ---- the plan of a pass ---- */

/* The runs of the wanted rows; their rows count among the wanted. */
static void plan_wanted(tfc_forward *f)
{
    const tfc_batch *batch = &f->batch;
    int64_t w = 0;
    f->n_wanted_runs = 0;
    for (int64_t i = 0; i < batch->n_runs; i++) {
        const tfc_run *run = &batch->runs[i];
        while (w < batch->n_wanted && batch->wanted[w] < run->row + run->n_rows) {
            int64_t first = w++;
            while (w < batch->n_wanted && batch->wanted[w] == batch->wanted[w - 1] + 1 &&
                   batch->wanted[w] < run->row + run->n_rows)
                w++;
            f->wanted_runs[f->n_wanted_runs++] = (tfc_run){
                first, w - first, run->position + batch->wanted[first] - run->row, run->first_block};
        }
    }
}

/* How many blocks two runs share, of at most n. */
static int64_t shared_blocks(const tfc_forward *f, const tfc_run *a, const tfc_run *b, int64_t n)
{
    const int32_t *x = f->batch.blocks + a->first_block, *y = f->batch.blocks + b->first_block;
    int64_t shared = 0;
    for (n = tfc_smaller(n, blocks_of(b)); shared < n && x[shared] == y[shared];) shared++;
    return shared;
}

/* A piece of as many of the next runs as are worth taking together: they share half of their blocks or more,
 * and their queries fit in one go of the kernels. */
static tfc_piece join_runs(const tfc_forward *f, const tfc_run *runs, int64_t n_runs)
{
    int64_t most_rows = TFC_GROUP_QUERIES / (f->hp->NH / f->hp->NKV), blocks = blocks_of(runs);
    tfc_piece piece = {.runs = runs, .n_runs = 1, .n_rows = runs->n_rows, .shared_blocks = blocks};
    for (; piece.n_runs < n_runs; piece.n_runs++) {
        const tfc_run *next = &runs[piece.n_runs];
        if (piece.n_rows + next->n_rows > most_rows) break;
        int64_t shared = shared_blocks(f, runs, next, piece.shared_blocks), own = blocks_of(next);
        if (shared == 0 || 2 * shared < own || 2 * shared < piece.shared_blocks) break;
        /* the pointers of all must fit */
        if (blocks + own - (piece.n_runs + 1) * shared > f->max_blocks) break;
        blocks += own;
        piece.shared_blocks = shared;
        piece.n_rows += next->n_rows;
    }
    return piece;
}

/* Cuts and joins runs to pieces that balance; returns how many. */
static int64_t plan_pieces(const tfc_forward *f, const tfc_run *runs, int64_t n_runs, tfc_piece *pieces)
{
    int64_t n = 0;
    for (int64_t i = 0; i < n_runs;) {
        tfc_piece joined = join_runs(f, &runs[i], n_runs - i);
        if (joined.n_runs > 1) {
            pieces[n++] = joined;
            i += joined.n_runs;
            continue;
        }
        for (int64_t done = 0; done < runs[i].n_rows; done += PIECE_ROWS)
            pieces[n++] = (tfc_piece){.runs = &runs[i],
                                      .n_runs = 1,
                                      .skip = done,
                                      .n_rows = tfc_smaller(runs[i].n_rows - done, PIECE_ROWS)};
        i++;
    }
    return n;
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
    int64_t C = f->hp->C, Q = f->Q;
    for (int64_t w = 0; w < f->batch.n_wanted; w++) {
        int64_t r = f->batch.wanted[w];
        memcpy(f->x_wanted + w * C, f->x + r * C, (size_t)C * sizeof(float));
        memcpy(f->q_wanted + w * Q, f->qkv + r * f->QKV, (size_t)Q * sizeof(float));
    }
    f->M = f->batch.n_wanted;
    f->rows = f->x_wanted;
    f->q = f->q_wanted;
    f->ld_q = Q;
    f->work = f->wanted_pieces;
    f->n_work = f->n_wanted_pieces;
}

static void attend(tfc_forward *f, int64_t layer, bool last)
{
    f->layer = layer;
    if (f->batch.n_copies) tfc_pool_run(f->pool, f->hp->NKV, copy_task, f);
    if (last) gather_wanted(f);
    tfc_pool_run(f->pool, f->n_work * f->hp->NKV, attention_task, f);
}

static bool many_rows(const tfc_forward *f)
{
    return f->M > f->few_rows;
}

/* Keys that all rows of the runs see together. */
static double keys_seen(const tfc_run *runs, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)runs[i].n_rows * ((double)runs[i].position + ((double)runs[i].n_rows + 1) / 2);
    return sum;
}

/* Multiply-adds × 2 of the pass that was planned. */
static double count_flops(const tfc_forward *f)
{
    const tfc_hparams *hp = f->hp;
    double C = (double)hp->C, all = (double)f->batch.n_rows, wanted = (double)f->batch.n_wanted;
    double before = C * (double)f->QKV, after = C * (double)(f->Q + f->UP + hp->I);
    double attended = keys_seen(f->batch.runs, f->batch.n_runs);
    double last = keys_seen(f->wanted_runs, f->n_wanted_runs);
    double L = (double)hp->L, attention = 2 * (double)f->Q * ((L - 1) * attended + last);
    return 2 * (L * before * all + after * ((L - 1) * all + wanted) + attention);
}

const float *tfc_forward_run(tfc_forward *f)
{
    plan_wanted(f);
    f->n_pieces = plan_pieces(f, f->batch.runs, f->batch.n_runs, f->pieces);
    f->n_wanted_pieces = plan_pieces(f, f->wanted_runs, f->n_wanted_runs, f->wanted_pieces);
    f->flops += count_flops(f);
    if (f->hp->rope) fill_rope(f);
    f->M = f->batch.n_rows;
    f->rows = f->x;
    f->q = f->qkv;
    f->ld_q = f->QKV;
    f->work = f->pieces;
    f->n_work = f->n_pieces;
    tfc_pool_run(f->pool, (f->M + EMBED_ROWS - 1) / EMBED_ROWS, embed_task, f);
    /* Between layers the rows are the same, so many of them go from one attention straight to the next. */
    if (many_rows(f)) tfc_forward_many_before(f, 0);
    for (int64_t layer = 0; layer < f->hp->L; layer++) {
        bool last = layer == f->hp->L - 1;
        if (!many_rows(f)) tfc_forward_few_before(f, layer);
        attend(f, layer, last);
        if (many_rows(f))
            tfc_forward_many_after(f, layer, last);
        else
            tfc_forward_few_after(f, layer);
    }
    return f->x_wanted;
}
