/* Node i describes block i. Children hang in lists: a list is scanned whole for the longest common beginning,
 * and there are never more nodes than blocks. */
#include "model/kv_tree.h"

#include "model/layout.h"

enum { BLOCK = TFC_KV_BLOCK, MAX_BLOCKS = 1 << 16, NONE = -1 };

/* Past this much memory a block that OLD_PASSES passes did not use is taken before fresh memory is touched:
 * most sequences never come back, and clearing pages costs more than computing the few that do. */
enum { CALM_BYTES = 96 << 20, OLD_PASSES = 8 };

typedef struct kv_node {
    int32_t parent, child, next; /* NONE: root, none, last */
    int32_t n;                   /* positions that it holds */
    uint64_t last_pass;          /* number of the pass that used it last */
    int32_t ids[BLOCK];
} kv_node;

struct tfc_kv_tree {
    int64_t L, NKV, HD;
    size_t block_floats;
    float *memory; /* [n_blocks][block_floats], mapped */
    size_t n_mapped;
    kv_node *nodes; /* [n_blocks] */
    int64_t n_blocks, n_used;
    int64_t n_calm;     /* blocks of CALM_BYTES */
    int64_t n_touched;  /* blocks that were ever used: the rest of the pool is fresh */
    int32_t first_free; /* list of given-up blocks through `next` */
    int32_t first_root; /* nodes of positions 0 … 31 */
    uint64_t pass;
};

tfc_kv_tree *tfc_kv_tree_create(int64_t n_layers, int64_t n_kv_heads, int64_t head_dim, size_t bytes,
                                tfc_error *err)
{
    size_t floats, block_bytes;
    if (!tfc_size_mul((size_t)n_layers * (size_t)n_kv_heads, (size_t)head_dim * 2 * BLOCK, &floats) ||
        !tfc_size_mul(floats, sizeof(float), &block_bytes)) {
        tfc_fail(err, TFC_ELIMIT, "the model's keys and values are too large for this machine");
        return NULL;
    }
    if (bytes < block_bytes) {
        tfc_fail(err, TFC_ELIMIT, "keys and values of %d tokens need %zu KiB; raise --kv-mb", BLOCK,
                 (block_bytes + 1023) / 1024);
        return NULL;
    }
    tfc_kv_tree *tree = tfc_alloc_zero(1, sizeof *tree);
    if (!tree) {
        tfc_fail_memory(err, "key-value tree");
        return NULL;
    }
    size_t n_blocks = bytes / block_bytes < MAX_BLOCKS ? bytes / block_bytes : MAX_BLOCKS;
    tree->L = n_layers;
    tree->NKV = n_kv_heads;
    tree->HD = head_dim;
    tree->block_floats = floats;
    tree->n_blocks = (int64_t)n_blocks;
    tree->n_mapped = n_blocks * block_bytes;
    tree->n_calm = (int64_t)(CALM_BYTES / block_bytes);
    tree->nodes = tfc_alloc(n_blocks, sizeof *tree->nodes);
    void *memory = mmap(NULL, tree->n_mapped, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED) {
        tree->memory = memory;
        tfc_advise_large_pages(memory, tree->n_mapped);
    }
    if (!tree->nodes || !tree->memory) {
        tfc_fail(err, TFC_ENOMEM, "out of memory (%zu MiB for keys and values; --kv-mb sets it)",
                 tree->n_mapped >> 20);
        tfc_kv_tree_free(tree);
        return NULL;
    }
    tfc_kv_tree_clear(tree);
    return tree;
}

void tfc_kv_tree_free(tfc_kv_tree *tree)
{
    if (!tree) return;
    if (tree->memory) munmap(tree->memory, tree->n_mapped);
    tfc_free(tree->nodes);
    tfc_free(tree);
}

void tfc_kv_tree_clear(tfc_kv_tree *tree)
{
    tree->n_used = tree->n_touched = 0;
    tree->first_free = tree->first_root = NONE;
    tree->pass++;
}

size_t tfc_kv_tree_block_bytes(const tfc_kv_tree *tree)
{
    return tree->block_floats * sizeof(float);
}

int64_t tfc_kv_tree_n_blocks(const tfc_kv_tree *tree)
{
    return tree->n_blocks;
}

int64_t tfc_kv_tree_n_used(const tfc_kv_tree *tree)
{
    return tree->n_used;
}

float *tfc_kv_tree_keys(const tfc_kv_tree *tree, int32_t block, int64_t layer, int64_t kv_head)
{
    size_t pair = (size_t)tree->HD * BLOCK * 2;
    return tree->memory + (size_t)block * tree->block_floats + (size_t)(layer * tree->NKV + kv_head) * pair;
}

void tfc_kv_tree_begin_pass(tfc_kv_tree *tree)
{
    tree->pass++;
}

/* The head of the list that holds the children of `parent`. */
static int32_t *children(tfc_kv_tree *tree, int32_t parent)
{
    return parent == NONE ? &tree->first_root : &tree->nodes[parent].child;
}

static int64_t common(const int32_t *a, const int32_t *b, int64_t n)
{
    int64_t i = 0;
    while (i < n && a[i] == b[i]) i++;
    return i;
}

void tfc_kv_tree_find(tfc_kv_tree *tree, const int32_t *ids, int64_t n, tfc_kv_path *path)
{
    int32_t parent = NONE;
    path->n_blocks = path->n_cached = 0;
    path->partial = false;
    while (path->n_cached < n) {
        int64_t rest = n - path->n_cached, best = 0;
        int32_t best_node = NONE;
        for (int32_t i = *children(tree, parent); i != NONE; i = tree->nodes[i].next) {
            const kv_node *node = &tree->nodes[i];
            int64_t r = common(node->ids, ids + path->n_cached, rest < node->n ? rest : node->n);
            if (r > best) {
                best = r;
                best_node = i;
            }
        }
        if (best_node == NONE) return;
        tree->nodes[best_node].last_pass = tree->pass;
        path->blocks[path->n_blocks++] = best_node;
        path->n_cached += best;
        if (best < BLOCK) {
            path->partial = true;
            return;
        }
        parent = best_node;
    }
}

/* Takes a leaf out of the tree. */
static void remove_leaf(tfc_kv_tree *tree, int32_t leaf)
{
    int32_t *link = children(tree, tree->nodes[leaf].parent);
    while (*link != leaf) link = &tree->nodes[*link].next;
    *link = tree->nodes[leaf].next;
    tree->nodes[leaf].n = 0;
    tree->nodes[leaf].next = tree->first_free;
    tree->first_free = leaf;
    tree->n_used--;
}

/* The least recently used leaf that this pass does not use; NONE: there is none. */
static int32_t oldest_leaf(const tfc_kv_tree *tree)
{
    int32_t oldest = NONE;
    for (int32_t i = 0; i < (int32_t)tree->n_touched; i++) {
        const kv_node *node = &tree->nodes[i];
        if (node->child != NONE || node->last_pass == tree->pass) continue;
        if (oldest == NONE || node->last_pass < tree->nodes[oldest].last_pass) oldest = i;
    }
    return oldest;
}

/* A block that nobody uses, its contents finite; NONE when this pass uses all. */
static int32_t take_block(tfc_kv_tree *tree)
{
    bool full = tree->n_touched == tree->n_blocks;
    if (tree->first_free == NONE && (full || tree->n_touched >= tree->n_calm)) {
        int32_t oldest = oldest_leaf(tree);
        if (oldest == NONE && full) return NONE;
        if (oldest != NONE && (full || tree->nodes[oldest].last_pass + OLD_PASSES < tree->pass))
            remove_leaf(tree, oldest);
    }
    int32_t block = tree->first_free;
    if (block != NONE)
        tree->first_free = tree->nodes[block].next;
    else
        block = (int32_t)tree->n_touched++;
    tree->n_used++;
    return block;
}

static int32_t add_node(tfc_kv_tree *tree, int32_t parent)
{
    int32_t block = take_block(tree);
    if (block == NONE) return NONE;
    int32_t *first = children(tree, parent);
    kv_node *node = &tree->nodes[block];
    node->parent = parent;
    node->child = NONE;
    node->next = *first;
    node->n = 0;
    node->last_pass = tree->pass;
    *first = block;
    return block;
}

/* The last block of the path is matched in part: it is gone on with in place, or its beginning goes to a new
 * block. False when there is none; the path then ends before that block. */
static bool continue_partial(tfc_kv_tree *tree, tfc_kv_path *path, tfc_kv_copy *copy)
{
    int32_t last = path->blocks[path->n_blocks - 1];
    int32_t r = (int32_t)(path->n_cached % BLOCK);
    if (tree->nodes[last].n == r) return true;
    int32_t block = add_node(tree, tree->nodes[last].parent);
    if (block == NONE) return false;
    memcpy(tree->nodes[block].ids, tree->nodes[last].ids, (size_t)r * sizeof(int32_t));
    tree->nodes[block].n = r;
    path->blocks[path->n_blocks - 1] = block;
    *copy = (tfc_kv_copy){last, block, r};
    return true;
}

int64_t tfc_kv_tree_grow(tfc_kv_tree *tree, const int32_t *ids, int64_t n, tfc_kv_path *path,
                         tfc_kv_copy *copy)
{
    *copy = (tfc_kv_copy){0};
    if (n <= path->n_cached) return path->n_cached;
    if (path->partial && !continue_partial(tree, path, copy)) return path->n_cached;
    int64_t done = path->n_cached;
    while (done < n) {
        if (done % BLOCK == 0) {
            int32_t parent = path->n_blocks ? path->blocks[path->n_blocks - 1] : NONE;
            int32_t block = add_node(tree, parent);
            if (block == NONE) break;
            path->blocks[path->n_blocks++] = block;
        }
        kv_node *node = &tree->nodes[path->blocks[path->n_blocks - 1]];
        int64_t count = BLOCK - node->n < n - done ? BLOCK - node->n : n - done;
        memcpy(node->ids + node->n, ids + done, (size_t)count * sizeof(int32_t));
        node->n += (int32_t)count;
        done += count;
    }
    return done;
}

void tfc_kv_tree_drop_partial(tfc_kv_tree *tree, tfc_kv_path *path)
{
    if (!path->partial) return;
    path->partial = false;
    path->n_cached -= path->n_cached % BLOCK;
    tree->nodes[path->blocks[--path->n_blocks]].last_pass = 0;
}
