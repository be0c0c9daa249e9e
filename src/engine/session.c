/* Sessions, and the planning of passes. */
#include "engine/session.h"

#include <time.h>

#include "engine/masks.h"

enum { BLOCK = TFC_KV_BLOCK, MAX_BATCH_TOKENS = 1 << 20 };

tfc_session_params tfc_session_params_default(void)
{
    return (tfc_session_params){.n_threads = 0, .batch_tokens = 1024, .kv_bytes = (size_t)160 << 20};
}

double tfc_seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

tfc_session *tfc_session_create(tfc_model *model, const tfc_session_params *params, tfc_error *err)
{
    tfc_session_params p = params ? *params : tfc_session_params_default();
    if (p.batch_tokens < 1 || p.batch_tokens > MAX_BATCH_TOKENS) {
        tfc_fail(err, TFC_EINVAL, "batch_tokens must be 1 to %d, not %lld", MAX_BATCH_TOKENS,
                 (long long)p.batch_tokens);
        return NULL;
    }
    const tfc_hparams *hp = &model->hparams;
    tfc_session *session = tfc_alloc_zero(1, sizeof *session);
    if (!session) {
        tfc_fail_memory(err, "session");
        return NULL;
    }
    session->model = model;
    session->max_rows = p.batch_tokens;
    session->pool = tfc_pool_create(p.n_threads, err);
    if (!session->pool || tfc_model_pack(model, session->pool, err) != TFC_OK) goto fail;
    session->tree = tfc_kv_tree_create(hp->L, hp->NKV, hp->HD, p.kv_bytes, err);
    if (!session->tree) goto fail;
    int64_t room = tfc_kv_tree_n_blocks(session->tree) * BLOCK;
    session->max_positions = hp->context < room ? hp->context : room;
    session->forward = tfc_forward_create(model, session->tree, session->pool, session->max_rows,
                                          session->max_positions, err);
    if (!session->forward) goto fail;
    session->head = tfc_head_create(model, session->pool, err);
    if (!session->head) goto fail;
    session->masks = tfc_masks_create(model, err);
    if (!session->masks) goto fail;
    session->path = tfc_alloc((size_t)(session->max_positions + BLOCK - 1) / BLOCK, sizeof *session->path);
    if (!session->path) {
        tfc_fail_memory(err, "session");
        goto fail;
    }
    return session;

fail:
    tfc_session_free(session);
    return NULL;
}

void tfc_session_free(tfc_session *session)
{
    if (!session) return;
    tfc_masks_free(session->masks);
    tfc_head_free(session->head);
    tfc_forward_free(session->forward);
    tfc_kv_tree_free(session->tree);
    tfc_pool_free(session->pool);
    tfc_free(session->path);
    tfc_free(session->plan_memory);
    tfc_free(session);
}

const tfc_model *tfc_session_model(const tfc_session *session)
{
    return session->model;
}

int64_t tfc_session_positions(const tfc_session *session)
{
    return tfc_kv_tree_n_blocks(session->tree) * BLOCK;
}

tfc_session_counters tfc_session_get_counters(const tfc_session *session)
{
    tfc_session_counters counters = session->counters;
    counters.flops = tfc_forward_flops(session->forward) + tfc_head_flops(session->head);
    return counters;
}

tfc_status tfc_session_check_ids(const tfc_session *session, const int32_t *ids, int64_t n,
                                 int64_t n_computed, int64_t i, tfc_error *err)
{
    const tfc_hparams *hp = &session->model->hparams;
    if (n < 1 || !ids) return tfc_fail(err, TFC_EINVAL, "request %lld has no tokens", (long long)i);
    if (n_computed > hp->context)
        return tfc_fail(err, TFC_ELIMIT, "request %lld has %lld tokens; the model's context is %lld",
                        (long long)i, (long long)n_computed, (long long)hp->context);
    if (n_computed > session->max_positions) {
        size_t n_blocks = (size_t)(n_computed + BLOCK - 1) / BLOCK;
        return tfc_fail(err, TFC_ELIMIT,
                        "request %lld has %lld tokens: their keys and values need %zu MiB; raise --kv-mb",
                        (long long)i, (long long)n_computed,
                        ((n_blocks * tfc_kv_tree_block_bytes(session->tree)) >> 20) + 1);
    }
    for (int64_t j = 0; j < n; j++)
        if (ids[j] < 0 || ids[j] >= hp->V)
            return tfc_fail(err, TFC_EINVAL, "request %lld: token id %d at position %lld is not 0 to %lld",
                            (long long)i, ids[j], (long long)j, (long long)hp->V - 1);
    return TFC_OK;
}

/* Merges order[0 … middle) and order[middle … n), both sorted. */
static void merge(int64_t *order, int64_t middle, int64_t n, int64_t *scratch, tfc_before *before,
                  const void *context)
{
    if (!before(context, order[middle], order[middle - 1])) return; /* sorted as it stands */
    memcpy(scratch, order, (size_t)middle * sizeof *order);
    for (int64_t i = 0, j = middle, k = 0; i < middle; k++)
        order[k] = j < n && before(context, order[j], scratch[i]) ? order[j++] : scratch[i++];
}

void tfc_order_sort(int64_t *order, int64_t n, int64_t *scratch, tfc_before *before, const void *context)
{
    for (int64_t width = 1; width < n; width *= 2)
        for (int64_t from = 0; from + width < n; from += 2 * width)
            merge(order + from, width, n - from < 2 * width ? n - from : 2 * width, scratch, before, context);
}

static bool sequence_before(const void *context, int64_t a, int64_t b)
{
    const tfc_sequence *x = (const tfc_sequence *)context + a, *y = (const tfc_sequence *)context + b;
    int64_t n = x->n < y->n ? x->n : y->n;
    for (int64_t k = 0; k < n; k++)
        if (x->ids[k] != y->ids[k]) return x->ids[k] < y->ids[k];
    return x->n < y->n;
}

void tfc_sequences_order(const tfc_sequence *sequences, int64_t n, int64_t *order, int64_t *scratch)
{
    for (int64_t i = 0; i < n; i++) order[i] = i;
    tfc_order_sort(order, n, scratch, sequence_before, sequences);
}

void *tfc_session_plan_memory(tfc_session *session, size_t n_bytes)
{
    if (n_bytes <= session->plan_bytes && session->plan_memory) return session->plan_memory;
    tfc_free(session->plan_memory);
    session->plan_bytes = 0;
    session->plan_memory = tfc_alloc_aligned(n_bytes, 1);
    if (session->plan_memory) session->plan_bytes = n_bytes;
    return session->plan_memory;
}

/* ---- passes ---- */

/* Does the row at `position` go on the last run? */
static bool extends_run(const tfc_batch *batch, int64_t position, int64_t first_block)
{
    if (batch->n_runs == 0) return false;
    const tfc_run *last = &batch->runs[batch->n_runs - 1];
    return last->first_block == first_block && last->position + last->n_rows == position;
}

static void add_row(tfc_batch *batch, const tfc_item *item, int64_t position, int32_t store, bool wanted,
                    int64_t first_block)
{
    if (!extends_run(batch, position, first_block))
        batch->runs[batch->n_runs++] = (tfc_run){batch->n_rows, 0, position, first_block};
    batch->runs[batch->n_runs - 1].n_rows++;
    if (wanted) batch->wanted[batch->n_wanted++] = (int32_t)batch->n_rows;
    batch->ids[batch->n_rows] = item->ids[position];
    batch->positions[batch->n_rows] = (int32_t)position;
    batch->store[batch->n_rows++] = store;
}

/* Positions that the item may compute anew when `room` rows are left; the wanted ones among the cached come
 * first. */
static int64_t reachable(const tfc_item *item, int64_t n_cached, int64_t room)
{
    for (int64_t j = item->done; j < item->n_rows && item->rows[j] < n_cached; j++) room--;
    if (room <= 0) return n_cached;
    return item->n - n_cached < room ? item->n : n_cached + room;
}

/* Adds rows of one item. The item's `done` moves on; what does not fit is left. */
static void add_item(tfc_session *session, tfc_item *item, int64_t max_rows)
{
    tfc_batch *batch = tfc_forward_batch(session->forward);
    int64_t room = max_rows - batch->n_rows;
    tfc_kv_path path = {.blocks = session->path};
    tfc_kv_copy copy;
    tfc_kv_tree_find(session->tree, item->ids, item->n, &path);
    int64_t first_wanted = item->done, cached = path.n_cached;
    int64_t end = tfc_kv_tree_grow(session->tree, item->ids, reachable(item, cached, room), &path, &copy);
    if (end == cached && cached < item->n && batch->n_rows == 0 &&
        (first_wanted == item->n_rows || item->rows[first_wanted] >= cached)) {
        /* Alone in the batch and no room: the partly matched block has to make place. */
        tfc_kv_tree_drop_partial(session->tree, &path);
        cached = path.n_cached;
        end = tfc_kv_tree_grow(session->tree, item->ids, reachable(item, cached, room), &path, &copy);
    }
    if (copy.n) batch->copies[batch->n_copies++] = copy;
    int64_t first_block = batch->n_blocks, first_row = batch->n_rows;
    memcpy(batch->blocks + first_block, path.blocks, (size_t)path.n_blocks * sizeof *path.blocks);
    batch->n_blocks += path.n_blocks;
    while (item->done < item->n_rows && item->rows[item->done] < cached && batch->n_rows < max_rows)
        add_row(batch, item, item->rows[item->done++], -1, true, first_block);
    int64_t recomputed = batch->n_rows - first_row;
    for (int64_t p = cached; p < end; p++) {
        bool wanted = item->done < item->n_rows && item->rows[item->done] == p;
        if (wanted) item->done++;
        add_row(batch, item, p, path.blocks[p / BLOCK], wanted, first_block);
    }
    /* Positions found, not counting what an earlier pass of this same item put there. */
    if (!item->seen) session->counters.rows_shared += cached - recomputed;
    item->seen = true;
}

tfc_status tfc_session_pass(tfc_session *session, tfc_item *items, int64_t n_items, int64_t *cursor,
                            const float **hidden, int64_t *n_wanted, tfc_error *err)
{
    tfc_batch *batch = tfc_forward_batch(session->forward);
    tfc_batch_clear(batch);
    tfc_kv_tree_begin_pass(session->tree);
    while (*cursor < n_items && batch->n_rows < session->max_rows) {
        tfc_item *item = &items[*cursor];
        if (batch->n_blocks + (item->n + BLOCK - 1) / BLOCK > batch->block_capacity) break;
        add_item(session, item, session->max_rows);
        if (item->done < item->n_rows) break;
        ++*cursor;
    }
    if (batch->n_rows == 0 && *cursor < n_items) {
        tfc_kv_tree_clear(session->tree);
        return tfc_fail(err, TFC_ELIMIT, "keys and values of one sequence do not fit; raise --kv-mb");
    }
    *hidden = tfc_forward_run(session->forward);
    *n_wanted = batch->n_wanted;
    session->counters.passes++;
    session->counters.rows += batch->n_rows;
    session->counters.head_rows += batch->n_wanted;
    return TFC_OK;
}
