/* The tree against a plain model of it: every position of a path must hold what its own prefix wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "model/kv_tree.h"

enum { HD = 4, NKV = 2, L = 2, BLOCK = TFC_KV_BLOCK, MAX_IDS = 200, MAX_BLOCKS = 7 };
enum { BLOCK_BYTES = L * NKV * HD * 2 * BLOCK * (int)sizeof(float) };

static tfc_kv_tree *make_tree(int64_t n_blocks)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_kv_tree *tree = tfc_kv_tree_create(L, NKV, HD, (size_t)n_blocks * BLOCK_BYTES + 17, &err);
    assert_non_null(tree);
    assert_int_equal(tfc_kv_tree_block_bytes(tree), BLOCK_BYTES);
    assert_int_equal(tfc_kv_tree_n_blocks(tree), n_blocks);
    return tree;
}

/* A number that stands for the keys of the last of n ids. */
static float mark(const int32_t *ids, int64_t n)
{
    return (float)(tfc_hash_bytes(ids, (size_t)n * sizeof *ids, 7) >> 44);
}

static float *slot(tfc_kv_tree *tree, const tfc_kv_path *path, int64_t position)
{
    return tfc_kv_tree_keys(tree, path->blocks[position / BLOCK], 1, 1) + position % BLOCK;
}

static void run_copy(tfc_kv_tree *tree, tfc_kv_copy copy)
{
    for (int32_t i = 0; i < copy.n; i++)
        tfc_kv_tree_keys(tree, copy.to, 1, 1)[i] = tfc_kv_tree_keys(tree, copy.from, 1, 1)[i];
}

/* Enters ids; returns how many were cached before. */
static int64_t enter(tfc_kv_tree *tree, const int32_t *ids, int64_t n)
{
    int32_t blocks[MAX_BLOCKS];
    tfc_kv_path path = {.blocks = blocks};
    tfc_kv_copy copy;
    tfc_kv_tree_find(tree, ids, n, &path);
    int64_t cached = path.n_cached;
    for (int64_t i = 0; i < cached; i++) assert_true(*slot(tree, &path, i) == mark(ids, i + 1));
    assert_int_equal(tfc_kv_tree_grow(tree, ids, n, &path, &copy), n);
    run_copy(tree, copy);
    for (int64_t i = cached; i < n; i++) *slot(tree, &path, i) = mark(ids, i + 1);
    for (int64_t i = 0; i < n; i++) assert_true(*slot(tree, &path, i) == mark(ids, i + 1));
    return cached;
}

static void test_sharing(void **state)
{
    (void)state;
    tfc_kv_tree *tree = make_tree(10);
    int32_t a[80], b[80];
    for (int i = 0; i < 80; i++) a[i] = b[i] = i;
    b[50] = 1000;
    tfc_kv_tree_begin_pass(tree);
    assert_int_equal(enter(tree, a, 60), 0);
    assert_int_equal(tfc_kv_tree_n_used(tree), 2);
    assert_int_equal(enter(tree, b, 80), 50); /* the second block is copied up to position 49 */
    assert_int_equal(tfc_kv_tree_n_used(tree), 4);
    assert_int_equal(enter(tree, a, 62), 60); /* in place */
    assert_int_equal(tfc_kv_tree_n_used(tree), 4);
    assert_int_equal(enter(tree, a, 40), 40); /* ends inside a block: nothing new */
    assert_int_equal(tfc_kv_tree_n_used(tree), 4);
    assert_int_equal(enter(tree, a, 80), 62);
    assert_int_equal(tfc_kv_tree_n_used(tree), 5);
    tfc_kv_tree_clear(tree);
    assert_int_equal(enter(tree, a, 80), 0);
    tfc_kv_tree_free(tree);
}

static void test_full(void **state)
{
    (void)state;
    tfc_kv_tree *tree = make_tree(3);
    int32_t a[100], b[100], blocks[MAX_BLOCKS];
    for (int i = 0; i < 100; i++) a[i] = i, b[i] = i < 80 ? i : 500 + i;
    tfc_kv_path path = {.blocks = blocks};
    tfc_kv_copy copy;
    tfc_kv_tree_begin_pass(tree);
    tfc_kv_tree_find(tree, a, 100, &path);
    assert_int_equal(tfc_kv_tree_grow(tree, a, 100, &path, &copy), 96); /* three blocks hold no more */
    tfc_kv_tree_find(tree, b, 90, &path);
    assert_int_equal(path.n_cached, 80);
    assert_int_equal(tfc_kv_tree_grow(tree, b, 90, &path, &copy), 80); /* all blocks are in use */
    /* In the next pass the partial match is given up for the place it takes. */
    tfc_kv_tree_begin_pass(tree);
    tfc_kv_tree_find(tree, b, 90, &path);
    assert_int_equal(tfc_kv_tree_grow(tree, b, 90, &path, &copy), 80);
    tfc_kv_tree_drop_partial(tree, &path);
    assert_int_equal(path.n_cached, 64);
    assert_int_equal(tfc_kv_tree_grow(tree, b, 90, &path, &copy), 90);
    assert_int_equal(copy.n, 0);
    tfc_kv_tree_free(tree);

    tfc_error err;
    tfc_error_init(&err);
    assert_null(tfc_kv_tree_create(L, NKV, HD, BLOCK_BYTES - 1, &err));
    assert_int_equal(err.status, TFC_ELIMIT);
    assert_non_null(strstr(err.message, "--kv-mb"));
}

/* Random sequences over few symbols under a budget that forces eviction. */
static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        tfc_random random = tfc_random_stream(seed, 1, 2, 3);
        tfc_kv_tree *tree = make_tree(MAX_BLOCKS + 1 + (int64_t)tfc_random_below(&random, 30));
        int32_t pool[4][MAX_IDS];
        for (int i = 0; i < 4; i++) {
            for (int j = 0; j < MAX_IDS; j++) pool[i][j] = (int32_t)tfc_random_below(&random, 50);
            int64_t shared = (int64_t)tfc_random_below(&random, MAX_IDS);
            if (i) memcpy(pool[i], pool[i - 1], (size_t)shared * sizeof(int32_t));
        }
        int64_t found = 0;
        for (int turn = 0; turn < 300; turn++) {
            int32_t ids[MAX_IDS];
            memcpy(ids, pool[tfc_random_below(&random, 4)], sizeof ids);
            if (tfc_random_below(&random, 2)) ids[tfc_random_below(&random, MAX_IDS)] = 99;
            tfc_kv_tree_begin_pass(tree);
            found += enter(tree, ids, 1 + (int64_t)tfc_random_below(&random, MAX_IDS));
            assert_true(tfc_kv_tree_n_used(tree) <= tfc_kv_tree_n_blocks(tree));
        }
        assert_true(found > 3000);
        tfc_kv_tree_free(tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
