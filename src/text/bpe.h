/* text/bpe.h: merges by rank over the bytes of one piece of text. */
#ifndef TFC_TEXT_BPE_H
#define TFC_TEXT_BPE_H

#include "text/vocab.h"

typedef struct tfc_merge {
    int32_t left, right, result;
} tfc_merge;

typedef struct tfc_bpe {
    tfc_merge *merges; /* [n_merges], by rank */
    int32_t n_merges, n_room;
    int32_t *table; /* open addressing over (left, right): rank or -1 */
    size_t n_table; /* a power of two */
} tfc_bpe;

tfc_status tfc_bpe_init(tfc_bpe *bpe, int64_t n_merges, tfc_error *err);
void tfc_bpe_release(tfc_bpe *bpe);
/* The merge of the next rank, by the spellings of its two parts; err names it by `index`. A pair that has a
 * rank already keeps it. */
tfc_status tfc_bpe_add(tfc_bpe *bpe, const tfc_vocab *vocab, int64_t index, const char *left, size_t n_left,
                       const char *right, size_t n_right, tfc_error *err);

typedef struct tfc_ids {
    int32_t *items;
    int64_t n, capacity;
    bool failed;
} tfc_ids;
void tfc_ids_push(tfc_ids *ids, int32_t id);

/* Scratch memory that pieces of one text share. Zero-initialised is ready. */
typedef struct tfc_bpe_scratch {
    int32_t *symbols, *next, *previous; /* [capacity] each */
    uint64_t *heap;                     /* [3 * capacity] */
    size_t capacity;
} tfc_bpe_scratch;
void tfc_bpe_scratch_release(tfc_bpe_scratch *scratch);

/* Appends the ids of a piece. Bytes without a token are left out first, and their neighbours may then merge.
 * n < 2^31. False: no memory. O(n log n). */
bool tfc_bpe_encode(const tfc_bpe *bpe, const tfc_vocab *vocab, const char *piece, size_t n,
                    tfc_bpe_scratch *scratch, tfc_ids *ids);

#endif
