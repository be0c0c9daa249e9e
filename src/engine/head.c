/* The vocabulary: from hidden states to log-probabilities, without ever holding all logits.
 *
 * The V outputs are cut into fixed chunks. One task computes one chunk of logits for up to HEAD_ROWS rows,
 * keeps the largest and the sum of exponentials of each row (f64), picks out the logits that somebody wants,
 * and forgets the rest. Chunks are then put together in order, in f64: the result has the same bits whatever
 * rows share the work. */
#include "base/math64.h"
#include "engine/sampler.h"
#include "model/layout.h"

enum { HEAD_ROWS = 112, CHUNK_COLUMNS = 1024 };

/* Where the picked logits of one want go. */
typedef struct head_slot {
    int64_t values;     /* TOKEN: one of head->values; SET: n_set of them */
    int64_t candidates; /* TOP: per_chunk of head->candidates for each chunk */
    int64_t per_chunk;
    int64_t row; /* DRAW: of head->rows */
} head_slot;

/* What the wants of some rows need. */
typedef struct head_needs {
    int64_t slots, values, candidates, rows;
} head_needs;

struct tfc_head {
    const tfc_model *model;
    const tfc_kernels *kernels;
    tfc_pool *pool;
    int64_t C, V, max_rows, chunk_panels, columns, n_chunks;
    void *memory;
    float *normed, *logits; /* [max_rows, C]; [n_threads][max_rows, columns] */
    void *packed;
    float *max;  /* [max_rows, n_chunks] */
    double *sum; /* [max_rows, n_chunks] */
    double flops;

    /* grown when work is planned, kept */
    head_slot *slots;
    float *values;
    tfc_candidate *candidates, *best;
    float *rows; /* [row_capacity, V] whole rows of logits, for draws */
    int64_t slot_capacity, value_capacity, candidate_capacity, best_capacity, row_capacity;
    tfc_sampler_scratch *scratch; /* [n_threads], of draws */
    void *scratch_memory;

    /* the rows at work */
    int64_t M;
    const float *hidden;
    const int64_t *first;
    tfc_want *const *wants;
    const uint64_t *any;
};

static void take_arrays(tfc_head *head, tfc_layout *layout)
{
    size_t M = (size_t)head->max_rows, n_threads = (size_t)tfc_pool_n_threads(head->pool);
    head->normed = tfc_layout_take(layout, M * (size_t)head->C, sizeof *head->normed);
    head->logits = tfc_layout_take(layout, n_threads * M * (size_t)head->columns, sizeof *head->logits);
    head->packed =
        tfc_layout_take(layout, 1, head->kernels->rows_bytes(head->max_rows, head->C, head->model->operand));
    head->max = tfc_layout_take(layout, M * (size_t)head->n_chunks, sizeof *head->max);
    head->sum = tfc_layout_take(layout, M * (size_t)head->n_chunks, sizeof *head->sum);
}

tfc_head *tfc_head_create(const tfc_model *model, tfc_pool *pool, tfc_error *err)
{
    tfc_head *head = tfc_alloc_zero(1, sizeof *head);
    if (!head) {
        tfc_fail_memory(err, "vocabulary");
        return NULL;
    }
    const tfc_kernels *kernels = model->kernels;
    head->model = model;
    head->kernels = kernels;
    head->pool = pool;
    head->C = model->hparams.C;
    head->V = model->hparams.V;
    head->max_rows = HEAD_ROWS / kernels->tile_m * kernels->tile_m;
    head->chunk_panels = CHUNK_COLUMNS / kernels->panel_n;
    head->columns = head->chunk_panels * kernels->panel_n;
    head->n_chunks = (head->V + head->columns - 1) / head->columns;
    tfc_layout layout = {0};
    take_arrays(head, &layout);
    if (layout.overflow || !(head->memory = tfc_alloc_aligned(layout.n_bytes, 1))) {
        tfc_fail_memory(err, "vocabulary");
        tfc_head_free(head);
        return NULL;
    }
    layout = (tfc_layout){.base = head->memory};
    take_arrays(head, &layout);
    return head;
}

void tfc_head_free(tfc_head *head)
{
    if (!head) return;
    tfc_free(head->memory);
    tfc_free(head->slots);
    tfc_free(head->values);
    tfc_free(head->candidates);
    tfc_free(head->best);
    tfc_free(head->rows);
    tfc_free(head->scratch_memory);
    tfc_free(head);
}

double tfc_head_flops(const tfc_head *head)
{
    return head->flops;
}

tfc_status tfc_fail_not_finite(const tfc_model *model, tfc_error *err)
{
    return tfc_fail(err, TFC_EFORMAT,
                    "%s: the model gives logits that are not finite; its weights are damaged", model->path);
}

static bool reserve(void **array, int64_t *capacity, int64_t n, size_t size)
{
    if (n <= *capacity && *array) return true;
    void *grown = tfc_realloc(*array, (size_t)n, size);
    if (!grown) return false;
    *array = grown;
    *capacity = n;
    return true;
}

static void pack_rows(tfc_head *head)
{
    const tfc_packed *packed = &head->model->packed;
    for (int64_t r = 0; r < head->M; r++)
        tfc_model_norm(head->model, head->normed + r * head->C, head->hidden + r * head->C, packed->norm,
                       packed->norm_bias);
    head->kernels->pack_rows(head->packed, head->M, head->C, head->model->operand, 0, head->M, head->normed,
                             head->C, 1);
    head->flops += 2.0 * (double)head->M * (double)head->C * (double)head->V;
}

/* ---- scoring ---- */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Picks what one want needs from the logits of columns from … from+n-1. */
static void pick(tfc_head *head, const tfc_want *want, const head_slot *slot, int64_t chunk, int64_t from,
                 int64_t n, const float *logits)
{
    float *values = head->values + slot->values;
    switch (want->kind) {
    case TFC_WANT_TOKEN:
        if (want->token >= from && want->token < from + n) values[0] = logits[want->token - from];
        break;
    case TFC_WANT_SET:
        for (int64_t i = 0; i < want->n_set; i++)
            if (want->set[i] >= from && want->set[i] < from + n) values[i] = logits[want->set[i] - from];
        break;
    case TFC_WANT_TOP: {
        tfc_top_heap heap = {head->candidates + slot->candidates + chunk * slot->per_chunk, 0,
                             smaller(slot->per_chunk, n)};
        tfc_top_heap_offer(&heap, logits, n, (int32_t)from);
        break;
    }
    case TFC_WANT_DRAW:
        memcpy(head->rows + slot->row * head->V + from, logits, (size_t)n * sizeof *logits);
        break;
    }
}

static void chunk_task(void *context, int64_t chunk, int worker)
{
    tfc_head *head = context;
    const tfc_panels *w = &head->model->packed.head;
    int64_t from = chunk * head->columns, n = smaller(head->columns, head->V - from);
    int64_t p_from = chunk * head->chunk_panels, p_to = smaller(p_from + head->chunk_panels, w->n_panels);
    float *logits = head->logits + worker * head->max_rows * head->columns;
    /* The chunk as a matrix of its own, so that y begins at its column 0. */
    tfc_panels part = *w;
    part.N = n;
    part.n_panels = p_to - p_from;
    part.data = (char *)w->data + (size_t)p_from * w->panel_bytes;
    head->kernels->gemm(logits, head->columns, head->packed, head->M, 0, head->M, &part, 0, part.n_panels,
                        NULL, false);
    for (int64_t r = 0; r < head->M; r++) {
        const float *row = logits + r * head->columns;
        float max = head->kernels->max(row, n);
        head->max[r * head->n_chunks + chunk] = max;
        head->sum[r * head->n_chunks + chunk] = head->kernels->sum_exp(row, max, n);
        for (int64_t i = head->first[r]; i < head->first[r + 1]; i++)
            pick(head, head->wants[i], &head->slots[i - head->first[0]], chunk, from, n, row);
    }
}

/* log of sum_v exp(logit_v) from the chunks' parts. */
static double join_chunks(const float *max, const double *sum, int64_t n)
{
    float top = max[0];
    for (int64_t i = 1; i < n; i++)
        if (max[i] > top) top = max[i];
    double total = 0;
    for (int64_t i = 0; i < n; i++) total += sum[i] * tfc_exp64((double)max[i] - (double)top);
    return (double)top + tfc_log64(total);
}

static void finish_set(tfc_want *want, const float *values, double log_sum)
{
    want->lp = tfc_log64(0);
    if (want->n_set == 0) return;
    float top = values[0];
    for (int64_t i = 1; i < want->n_set; i++)
        if (values[i] > top) top = values[i];
    double total = 0;
    for (int64_t i = 0; i < want->n_set; i++) total += tfc_exp64((double)values[i] - (double)top);
    want->lp = (double)top + tfc_log64(total) - log_sum;
}

static void finish_top(tfc_head *head, tfc_want *want, const head_slot *slot, double log_sum)
{
    tfc_top_heap heap = {head->best, 0, want->k};
    for (int64_t chunk = 0; chunk < head->n_chunks; chunk++) {
        const tfc_candidate *part = head->candidates + slot->candidates + chunk * slot->per_chunk;
        int64_t n = smaller(slot->per_chunk, smaller(head->columns, head->V - chunk * head->columns));
        for (int64_t i = 0; i < n; i++) tfc_top_heap_push(&heap, part[i]);
    }
    tfc_top_heap_sort(&heap);
    for (int64_t i = 0; i < heap.n; i++)
        want->top[i] = (tfc_top){heap.items[i].id, (double)heap.items[i].value - log_sum};
    want->lp = want->top[0].lp;
}

static int64_t values_of(const tfc_want *want)
{
    return want->kind == TFC_WANT_TOKEN ? 1 : want->kind == TFC_WANT_SET ? want->n_set : 0;
}

static int64_t per_chunk(const tfc_head *head, const tfc_want *want)
{
    return want->kind == TFC_WANT_TOP ? smaller(want->k, head->columns) : 0;
}

/* What the wants of row r need. */
static head_needs row_needs(const tfc_head *head, const int64_t *first, int64_t r, tfc_want *const *wants)
{
    head_needs needs = {.slots = first[r + 1] - first[r]};
    for (int64_t i = first[r]; i < first[r + 1]; i++) {
        needs.values += values_of(wants[i]);
        needs.candidates += per_chunk(head, wants[i]) * head->n_chunks;
        needs.rows += wants[i]->kind == TFC_WANT_DRAW;
    }
    return needs;
}

/* What any max_rows rows can need: all that there is, or the most of a row for each of them. */
static void note_need(const tfc_head *head, int64_t need, int64_t *sum, int64_t *most)
{
    *sum += need;
    if (need * head->max_rows > *most) *most = need * head->max_rows;
}

static void take_scratch(tfc_head *head, tfc_layout *layout)
{
    size_t n_threads = (size_t)tfc_pool_n_threads(head->pool), V = (size_t)head->V;
    tfc_sampler_scratch *scratch = tfc_layout_take(layout, n_threads, sizeof *scratch);
    for (size_t i = 0; i < n_threads; i++) {
        float *weights = tfc_layout_take(layout, V, sizeof *weights);
        tfc_candidate *candidates = tfc_layout_take(layout, V, sizeof *candidates);
        if (scratch) scratch[i] = (tfc_sampler_scratch){weights, candidates};
    }
    head->scratch = scratch;
}

float *tfc_head_rows(tfc_head *head, int64_t n)
{
    size_t floats;
    if (!head->scratch) {
        tfc_layout layout = {0};
        take_scratch(head, &layout);
        head->scratch_memory = layout.overflow ? NULL : tfc_alloc_aligned(layout.n_bytes, 1);
        if (!head->scratch_memory) return NULL;
        layout = (tfc_layout){.base = head->scratch_memory};
        take_scratch(head, &layout);
    }
    if (n <= head->row_capacity && head->rows) return head->rows;
    if (!tfc_size_mul((size_t)n, (size_t)head->V, &floats)) return NULL;
    tfc_free(head->rows);
    head->row_capacity = 0;
    head->rows = tfc_alloc_aligned(floats, sizeof *head->rows);
    if (head->rows) head->row_capacity = n;
    return head->rows;
}

const tfc_sampler_scratch *tfc_head_scratch(const tfc_head *head)
{
    return head->scratch;
}

/* Which rows go through the vocabulary together is not known yet. */
tfc_status tfc_head_plan(tfc_head *head, const int64_t *first, int64_t n_rows, tfc_want *const *wants,
                         tfc_error *err)
{
    head_needs sum = {0}, most = {0};
    int64_t best = 1;
    for (int64_t r = 0; r < n_rows; r++) {
        head_needs row = row_needs(head, first, r, wants);
        note_need(head, row.slots, &sum.slots, &most.slots);
        note_need(head, row.values, &sum.values, &most.values);
        note_need(head, row.candidates, &sum.candidates, &most.candidates);
        note_need(head, row.rows, &sum.rows, &most.rows);
        for (int64_t i = first[r]; i < first[r + 1]; i++)
            if (wants[i]->kind == TFC_WANT_TOP && wants[i]->k > best) best = wants[i]->k;
    }
    int64_t n_rows_drawn = smaller(sum.rows, most.rows);
    bool ok = reserve((void **)&head->slots, &head->slot_capacity, smaller(sum.slots, most.slots),
                      sizeof *head->slots) &&
              reserve((void **)&head->values, &head->value_capacity, smaller(sum.values, most.values),
                      sizeof *head->values) &&
              reserve((void **)&head->candidates, &head->candidate_capacity,
                      smaller(sum.candidates, most.candidates), sizeof *head->candidates) &&
              reserve((void **)&head->best, &head->best_capacity, best, sizeof *head->best) &&
              (n_rows_drawn == 0 || tfc_head_rows(head, n_rows_drawn));
    return ok ? TFC_OK : tfc_fail_memory(err, "wanted probabilities");
}

/* Where the results of each want of the rows at work go; returns how many of them are draws. */
static int64_t place_slots(tfc_head *head)
{
    head_needs used = {0};
    for (int64_t r = 0; r < head->M; r++)
        for (int64_t i = head->first[r]; i < head->first[r + 1]; i++) {
            const tfc_want *want = head->wants[i];
            head->slots[used.slots++] =
                (head_slot){used.values, used.candidates, per_chunk(head, want), used.rows};
            used.values += values_of(want);
            used.candidates += per_chunk(head, want) * head->n_chunks;
            used.rows += want->kind == TFC_WANT_DRAW;
        }
    return used.rows;
}

/* The draws of one row, from its logits. */
static void draw_task(void *context, int64_t r, int worker)
{
    tfc_head *head = context;
    for (int64_t i = head->first[r]; i < head->first[r + 1]; i++) {
        tfc_want *want = head->wants[i];
        if (want->kind != TFC_WANT_DRAW) continue;
        const float *logits = head->rows + head->slots[i - head->first[0]].row * head->V;
        want->token = tfc_sampler_draw(&want->draw->sampler, head->kernels, logits, head->V, head->any,
                                       want->draw->banned, want->draw->n_banned, want->draw->step,
                                       &head->scratch[worker]);
        want->lp = want->token < 0 ? 0 : (double)logits[want->token];
    }
}

static void finish_want(tfc_head *head, tfc_want *want, const head_slot *slot, double log_sum)
{
    const float *values = head->values + slot->values;
    switch (want->kind) {
    case TFC_WANT_TOKEN:
        want->lp = (double)values[0] - log_sum;
        break;
    case TFC_WANT_SET:
        finish_set(want, values, log_sum);
        break;
    case TFC_WANT_TOP:
        finish_top(head, want, slot, log_sum);
        break;
    case TFC_WANT_DRAW:
        if (want->token >= 0) want->lp -= log_sum;
        break;
    }
}

tfc_status tfc_head_score(tfc_head *head, const float *hidden, int64_t n_rows, const int64_t *first,
                          tfc_want *const *wants, const uint64_t *any, tfc_error *err)
{
    head->wants = wants;
    head->any = any;
    for (int64_t done = 0; done < n_rows; done += head->max_rows) {
        head->M = smaller(head->max_rows, n_rows - done);
        head->hidden = hidden + done * head->C;
        head->first = first + done;
        int64_t n_draws = place_slots(head);
        pack_rows(head);
        tfc_pool_run(head->pool, head->n_chunks, chunk_task, head);
        if (n_draws > 0) tfc_pool_run(head->pool, head->M, draw_task, head);
        for (int64_t r = 0; r < head->M; r++) {
            double log_sum =
                join_chunks(head->max + r * head->n_chunks, head->sum + r * head->n_chunks, head->n_chunks);
            if (!(log_sum - log_sum == 0)) return tfc_fail_not_finite(head->model, err);
            for (int64_t i = head->first[r]; i < head->first[r + 1]; i++)
                finish_want(head, wants[i], &head->slots[i - head->first[0]], log_sum);
        }
    }
    return TFC_OK;
}

/* ---- whole rows of logits ---- */

void tfc_head_logits(tfc_head *head, const float *hidden, int64_t n_rows, float *logits)
{
    for (int64_t done = 0; done < n_rows; done += head->max_rows) {
        head->M = smaller(head->max_rows, n_rows - done);
        head->hidden = hidden + done * head->C;
        pack_rows(head);
        tfc_product(head->model, head->pool, logits + done * head->V, head->V, head->packed, head->M,
                    &head->model->packed.head, NULL, false);
    }
}

double tfc_head_log_sum(const tfc_head *head, const float *logits)
{
    float top = 0;
    double total = 0;
    /* Twice over the chunks: the largest first, because every part is taken relative to it. */
    for (int64_t from = 0; from < head->V; from += head->columns) {
        float max = head->kernels->max(logits + from, smaller(head->columns, head->V - from));
        if (from == 0 || max > top) top = max;
    }
    for (int64_t from = 0; from < head->V; from += head->columns) {
        int64_t n = smaller(head->columns, head->V - from);
        float max = head->kernels->max(logits + from, n);
        total += head->kernels->sum_exp(logits + from, max, n) * tfc_exp64((double)max - (double)top);
    }
    return (double)top + tfc_log64(total);
}
