/* model/kv_tree.h: keys and values of token sequences, shared by their beginnings.
 *
 * Memory is a pool of blocks. A block holds TFC_KV_BLOCK consecutive positions, aligned to absolute
 * positions, for every layer and key head: keys transposed [HD][32], then values [32][HD], f32. The blocks
 * form a tree: a node is a block with the ids of its positions, its parent holds the positions before. Two
 * sequences share nodes as far as all 32 ids agree; where they part inside a block, the later one copies the
 * positions that agree (tfc_kv_copy, run by the forward pass in every layer). Only a node without children
 * may hold fewer than 32 positions, and whoever goes on from its last id appends in place: nobody reads a
 * position behind their own.
 *
 * What is found may be pending: entered in this pass, its keys and values not yet computed. The forward pass
 * stores a layer's keys and values, then copies, then attends, so that is no difference.
 *
 * Blocks used since tfc_kv_tree_begin_pass are kept; others are given up, least recently used leaves first,
 * when room is needed. */
#ifndef TFC_MODEL_KV_TREE_H
#define TFC_MODEL_KV_TREE_H

#include "base/memory.h"
#include "kernels/kernels.h"

typedef struct tfc_kv_tree tfc_kv_tree;

/* Positions 0 … n-1 of block `from` are copied to block `to`. */
typedef struct tfc_kv_copy {
    int32_t from, to, n;
} tfc_kv_copy;

/* Where a sequence's keys and values lie, as far as they are known. */
typedef struct tfc_kv_path {
    int32_t *blocks; /* the caller's; one for each 32 positions of the sequence, rounded up */
    int64_t n_blocks;
    int64_t n_cached; /* positions 0 … n_cached-1 are in the tree */
    bool partial;     /* the last block is matched in part: its first n_cached % 32 positions */
} tfc_kv_path;

/* As many blocks as fit into `bytes` (memory is touched only when a block is first used). TFC_ELIMIT when not
 * one fits. */
tfc_kv_tree *tfc_kv_tree_create(int64_t n_layers, int64_t n_kv_heads, int64_t head_dim, size_t bytes,
                                tfc_error *err);
void tfc_kv_tree_free(tfc_kv_tree *tree);
void tfc_kv_tree_clear(tfc_kv_tree *tree); /* forgets all sequences */

size_t tfc_kv_tree_block_bytes(const tfc_kv_tree *tree);
int64_t tfc_kv_tree_n_blocks(const tfc_kv_tree *tree); /* the most there can be */
int64_t tfc_kv_tree_n_used(const tfc_kv_tree *tree);

/* From here on everything may be given up that is not found or made again. */
void tfc_kv_tree_begin_pass(tfc_kv_tree *tree);

/* The longest beginning of ids[n] that is in the tree; its blocks are kept until the next pass begins. */
void tfc_kv_tree_find(tfc_kv_tree *tree, const int32_t *ids, int64_t n, tfc_kv_path *path);

/* Makes room for positions path->n_cached … n-1 of ids, right after tfc_kv_tree_find; path->n_blocks grows.
 * Returns the number of positions that now have room: fewer than n when all blocks are in use. copy->n > 0
 * when the pass has to copy positions. */
int64_t tfc_kv_tree_grow(tfc_kv_tree *tree, const int32_t *ids, int64_t n, tfc_kv_path *path,
                         tfc_kv_copy *copy);

/* Gives up the partial match at the path's end, so that its block too may be reused: for a sequence that
 * needs every block there is. */
void tfc_kv_tree_drop_partial(tfc_kv_tree *tree, tfc_kv_path *path);

/* keys [HD][32] of a block, layer and key head; values [32][HD] follow after HD*32 floats. */
float *tfc_kv_tree_keys(const tfc_kv_tree *tree, int32_t block, int64_t layer, int64_t kv_head);

#endif
