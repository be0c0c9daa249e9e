/* Byte-pair merging: again and again the pair of lowest rank, the leftmost of equals, becomes one symbol.
 *
 * A word's worth of symbols is merged in arrays; a longer piece (a line of dashes, a base64 blob) over a
 * linked list with a heap of candidate pairs, so that its cost stays n log n. Both give the same ids. */
#include "text/bpe.h"

enum { SHORT_PIECE = 40 };

static size_t pair_hash(int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    key *= 0x9E3779B97F4A7C15u;
    return (size_t)(key ^ key >> 29);
}

tfc_status tfc_bpe_init(tfc_bpe *bpe, int64_t n_merges, tfc_error *err)
{
    memset(bpe, 0, sizeof *bpe);
    if (n_merges < 0 || n_merges > INT32_MAX / 4)
        return tfc_fail(err, TFC_ELIMIT, "%lld merges are too many", (long long)n_merges);
    bpe->n_table = 64;
    while (bpe->n_table < (size_t)n_merges * 2) bpe->n_table *= 2;
    bpe->merges = tfc_alloc((size_t)n_merges, sizeof *bpe->merges);
    bpe->table = tfc_alloc(bpe->n_table, sizeof *bpe->table);
    if (!bpe->merges || !bpe->table) {
        tfc_bpe_release(bpe);
        return tfc_fail_memory(err, "merges");
    }
    memset(bpe->table, 0xFF, bpe->n_table * sizeof *bpe->table);
    bpe->n_room = (int32_t)n_merges;
    return TFC_OK;
}

void tfc_bpe_release(tfc_bpe *bpe)
{
    tfc_free(bpe->merges);
    tfc_free(bpe->table);
    memset(bpe, 0, sizeof *bpe);
}

/* The slot of a pair, or the empty one where it belongs. */
static size_t pair_slot(const tfc_bpe *bpe, int32_t left, int32_t right)
{
    size_t at = pair_hash(left, right) & (bpe->n_table - 1);
    for (; bpe->table[at] >= 0; at = (at + 1) & (bpe->n_table - 1)) {
        const tfc_merge *merge = &bpe->merges[bpe->table[at]];
        if (merge->left == left && merge->right == right) break;
    }
    return at;
}

/* Rank of a pair; INT32_MAX: they do not merge. */
static int32_t pair_rank(const tfc_bpe *bpe, int32_t left, int32_t right)
{
    int32_t rank = bpe->table[pair_slot(bpe, left, right)];
    return rank < 0 ? INT32_MAX : rank;
}

static tfc_status merge_part(const tfc_vocab *vocab, int64_t index, const char *part, size_t n, int32_t *id,
                             tfc_error *err)
{
    *id = tfc_vocab_find_mergeable(vocab, part, n);
    if (*id >= 0) return TFC_OK;
    return tfc_fail(err, TFC_EFORMAT, "merge %lld: unknown token '%.*s'", (long long)index,
                    n > 80 ? 80 : (int)n, part);
}

tfc_status tfc_bpe_add(tfc_bpe *bpe, const tfc_vocab *vocab, int64_t index, const char *left, size_t n_left,
                       const char *right, size_t n_right, tfc_error *err)
{
    if (bpe->n_merges >= bpe->n_room) return tfc_fail(err, TFC_EINVAL, "more merges than announced");
    if (n_left == 0 || n_right == 0)
        return tfc_fail(err, TFC_EFORMAT, "merge %lld: two parts expected", (long long)index);
    tfc_merge merge;
    tfc_status status = merge_part(vocab, index, left, n_left, &merge.left, err);
    if (status == TFC_OK) status = merge_part(vocab, index, right, n_right, &merge.right, err);
    if (status != TFC_OK) return status;
    char *joined = tfc_alloc(n_left + n_right, 1);
    if (!joined) return tfc_fail_memory(err, "merges");
    memcpy(joined, left, n_left);
    memcpy(joined + n_left, right, n_right);
    status = merge_part(vocab, index, joined, n_left + n_right, &merge.result, err);
    tfc_free(joined);
    if (status != TFC_OK) return status;
    size_t at = pair_slot(bpe, merge.left, merge.right);
    if (bpe->table[at] >= 0) return TFC_OK;
    bpe->table[at] = bpe->n_merges;
    bpe->merges[bpe->n_merges++] = merge;
    return TFC_OK;
}

void tfc_ids_push(tfc_ids *ids, int32_t id)
{
    if (ids->n == ids->capacity) {
        int64_t capacity = ids->capacity ? ids->capacity * 2 : 64;
        int32_t *items = ids->failed ? NULL : tfc_realloc(ids->items, (size_t)capacity, sizeof *items);
        if (!items) {
            ids->failed = true;
            return;
        }
        ids->items = items;
        ids->capacity = capacity;
    }
    ids->items[ids->n++] = id;
}

void tfc_bpe_scratch_release(tfc_bpe_scratch *scratch)
{
    tfc_free(scratch->symbols);
    tfc_free(scratch->next);
    tfc_free(scratch->previous);
    tfc_free(scratch->heap);
    memset(scratch, 0, sizeof *scratch);
}

static void encode_short(const tfc_bpe *bpe, int32_t *symbols, int n, tfc_ids *ids)
{
    int32_t ranks[SHORT_PIECE]; /* of the pair (i, i + 1) */
    for (int i = 0; i + 1 < n; i++) ranks[i] = pair_rank(bpe, symbols[i], symbols[i + 1]);
    while (n > 1) {
        int best = 0;
        for (int i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best]) best = i;
        if (ranks[best] == INT32_MAX) break;
        symbols[best] = bpe->merges[ranks[best]].result;
        n--;
        for (int i = best + 1; i < n; i++) symbols[i] = symbols[i + 1];
        for (int i = best + 1; i + 1 < n; i++) ranks[i] = ranks[i + 1];
        if (best > 0) ranks[best - 1] = pair_rank(bpe, symbols[best - 1], symbols[best]);
        if (best + 1 < n) ranks[best] = pair_rank(bpe, symbols[best], symbols[best + 1]);
    }
    for (int i = 0; i < n; i++) tfc_ids_push(ids, symbols[i]);
}

/* A heap of rank << 32 | position: the smallest is the lowest rank, then the leftmost. */
static void heap_push(uint64_t *heap, size_t *n, uint64_t value)
{
    size_t at = (*n)++;
    while (at > 0 && heap[(at - 1) / 2] > value) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = value;
}

static uint64_t heap_pop(uint64_t *heap, size_t *n)
{
    uint64_t top = heap[0], value = heap[--*n];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < *n; at = child) {
        if (child + 1 < *n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= value) break;
        heap[at] = heap[child];
    }
    heap[at] = value;
    return top;
}

static bool scratch_reserve(tfc_bpe_scratch *scratch, size_t n)
{
    if (n <= scratch->capacity) return true;
    tfc_bpe_scratch_release(scratch);
    scratch->symbols = tfc_alloc(n, sizeof *scratch->symbols);
    scratch->next = tfc_alloc(n, sizeof *scratch->next);
    scratch->previous = tfc_alloc(n, sizeof *scratch->previous);
    scratch->heap = tfc_alloc(n, 3 * sizeof *scratch->heap);
    if (!scratch->symbols || !scratch->next || !scratch->previous || !scratch->heap) return false;
    scratch->capacity = n;
    return true;
}

static void push_pair(const tfc_bpe *bpe, const tfc_bpe_scratch *s, size_t *n_heap, int32_t at)
{
    if (at < 0 || s->next[at] < 0) return;
    int32_t rank = pair_rank(bpe, s->symbols[at], s->symbols[s->next[at]]);
    if (rank != INT32_MAX) heap_push(s->heap, n_heap, (uint64_t)(uint32_t)rank << 32 | (uint32_t)at);
}

/* symbols[n] are set. A symbol that was merged away is -1. A heap entry whose pair has changed since no
 * longer has the rank that it was pushed with, and is skipped. At most n - 1 entries to begin with and two
 * more for each merge. */
static void encode_long(const tfc_bpe *bpe, tfc_bpe_scratch *s, int32_t n, tfc_ids *ids)
{
    size_t n_heap = 0;
    for (int32_t i = 0; i < n; i++) {
        s->previous[i] = i - 1;
        s->next[i] = i + 1 < n ? i + 1 : -1;
    }
    for (int32_t i = 0; i < n; i++) push_pair(bpe, s, &n_heap, i);
    while (n_heap > 0) {
        uint64_t top = heap_pop(s->heap, &n_heap);
        int32_t rank = (int32_t)(top >> 32), at = (int32_t)(top & 0xFFFFFFFF), right = s->next[at];
        if (s->symbols[at] < 0 || right < 0) continue;
        const tfc_merge *merge = &bpe->merges[rank];
        if (merge->left != s->symbols[at] || merge->right != s->symbols[right]) continue;
        s->symbols[at] = merge->result;
        s->symbols[right] = -1;
        s->next[at] = s->next[right];
        if (s->next[at] >= 0) s->previous[s->next[at]] = at;
        push_pair(bpe, s, &n_heap, s->previous[at]);
        push_pair(bpe, s, &n_heap, at);
    }
    for (int32_t i = n ? 0 : -1; i >= 0; i = s->next[i]) tfc_ids_push(ids, s->symbols[i]);
}

bool tfc_bpe_encode(const tfc_bpe *bpe, const tfc_vocab *vocab, const char *piece, size_t n,
                    tfc_bpe_scratch *scratch, tfc_ids *ids)
{
    int32_t few[SHORT_PIECE];
    int32_t *symbols = few;
    if (n > SHORT_PIECE) {
        if (!scratch_reserve(scratch, n)) return false;
        symbols = scratch->symbols;
    }
    int32_t n_symbols = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t id = vocab->byte_ids[(unsigned char)piece[i]];
        if (id >= 0) symbols[n_symbols++] = id;
    }
    if (n > SHORT_PIECE)
        encode_long(bpe, scratch, n_symbols, ids);
    else
        encode_short(bpe, symbols, n_symbols, ids);
    return !ids->failed;
}
