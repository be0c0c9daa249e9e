/* kernels/block_product.h: products of small blocks in f32, for attention_body.h; included after the vector
 * operations of a path.
 *
 * Tiles of up to TILE_ROWS rows by two vectors stay in registers. Each element is one chain of fused
 * multiply-adds in order of its reduction, so the tiling never shows in the bits. */
#include "kernels/kernels.h"

enum {
    BLOCK = TFC_KV_BLOCK,
    BLOCK_VECTORS = BLOCK / VW,
    TILE_ROWS = VW == 16 ? 12 : 6,
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* How element (m,k) of the left factor lies: a[m*BLOCK + k], or a[k*BLOCK + m]. */
typedef enum layout { BY_ROW, BY_COLUMN } layout;

/* c[M,N] = sum_k a(m,k) b[k,N], from zero or on top of c[m]*factors[m] (factors NULL: of c). Rows of c are
 * written in whole vectors. */
typedef struct product_args {
    float *c;
    int64_t ld_c;
    const float *a;
    const float *b;
    int64_t ld_b;
    int64_t M, N, K;
    bool accumulate;
    const float *factors;
} product_args;

ALWAYS_INLINE void tile(const product_args *p, layout lay, int64_t m, int64_t n, const int n_rows,
                        const int n_vectors, const bool whole)
{
    vf acc[TILE_ROWS][2];
    vm mask = vm_first(whole ? VW : p->N - n);
    float *c = p->c + m * p->ld_c + n;
    UNROLL for (int i = 0; i < n_rows; i++)
    {
        UNROLL for (int v = 0; v < n_vectors; v++)
        {
            acc[i][v] = p->accumulate ? vf_load(c + i * p->ld_c + v * VW) : vf_set(0);
            if (p->factors) acc[i][v] = vf_mul(acc[i][v], vf_set(p->factors[m + i]));
        }
    }
    const float *a = p->a + (lay == BY_ROW ? m * BLOCK : m), *b = p->b + n;
    for (int64_t k = 0; k < p->K; k++) {
        vf row[2];
        UNROLL for (int v = 0; v < n_vectors; v++) row[v] =
            whole ? vf_load(b + v * VW) : vf_load_masked(b + v * VW, mask);
        UNROLL for (int i = 0; i < n_rows; i++)
        {
            vf x = vf_set(a[lay == BY_ROW ? i * BLOCK : i]);
            UNROLL for (int v = 0; v < n_vectors; v++) acc[i][v] = vf_fma(x, row[v], acc[i][v]);
        }
        a += lay == BY_ROW ? 1 : BLOCK;
        b += p->ld_b;
    }
    UNROLL for (int i = 0; i < n_rows; i++)
    {
        UNROLL for (int v = 0; v < n_vectors; v++) vf_store(c + i * p->ld_c + v * VW, acc[i][v]);
    }
}

/* All columns of rows m … m+n_rows-1. */
ALWAYS_INLINE void tile_rows(const product_args *p, layout lay, int64_t m, const int n_rows)
{
    int64_t n = 0;
    for (; n + 2 * VW <= p->N; n += 2 * VW) tile(p, lay, m, n, n_rows, 2, true);
    for (; n < p->N; n += VW) tile(p, lay, m, n, n_rows, 1, false);
}

#define TILE(lay, n)                                                                                         \
    static void tile_##lay##_##n(const product_args *p, int64_t m)                                           \
    {                                                                                                        \
        tile_rows(p, lay, m, n);                                                                             \
    }
#define TILES(lay) TILE(lay, 1) TILE(lay, 2) TILE(lay, 3) TILE(lay, 4) TILE(lay, 6)
TILES(BY_ROW)
TILES(BY_COLUMN)

typedef void (*tile_function)(const product_args *p, int64_t m);
typedef struct tile_size {
    int64_t n_rows;
    tile_function run[2]; /* per layout */
} tile_size;

#if defined(__AVX512F__)
TILE(BY_ROW, 8)
TILE(BY_ROW, 12)
TILE(BY_COLUMN, 8)
TILE(BY_COLUMN, 12)
#endif

static const tile_size tile_sizes[] = {
#if defined(__AVX512F__)
    {12, {tile_BY_ROW_12, tile_BY_COLUMN_12}}, {8, {tile_BY_ROW_8, tile_BY_COLUMN_8}},
#endif
    {6, {tile_BY_ROW_6, tile_BY_COLUMN_6}},    {4, {tile_BY_ROW_4, tile_BY_COLUMN_4}},
    {3, {tile_BY_ROW_3, tile_BY_COLUMN_3}},    {2, {tile_BY_ROW_2, tile_BY_COLUMN_2}},
    {1, {tile_BY_ROW_1, tile_BY_COLUMN_1}},
};

static void product(layout lay, const product_args *p)
{
    int64_t m = 0;
    for (size_t i = 0; i < sizeof tile_sizes / sizeof *tile_sizes; i++)
        for (; p->M - m >= tile_sizes[i].n_rows; m += tile_sizes[i].n_rows) tile_sizes[i].run[lay](p, m);
}

/* columns[d*BLOCK + i] = rows[i][d] * factor for n <= BLOCK rows of head_dim. */
static void transpose(float *columns, const float *const *rows, int64_t n, int64_t head_dim, float factor)
{
    for (int64_t i = 0; i < n; i += 4) {
        int64_t d = 0, together = n - i < 4 ? n - i : 4;
        for (; together == 4 && d + 4 <= head_dim; d += 4) {
            __m128 x[4];
            for (int j = 0; j < 4; j++) x[j] = _mm_mul_ps(_mm_loadu_ps(rows[i + j] + d), _mm_set1_ps(factor));
            _MM_TRANSPOSE4_PS(x[0], x[1], x[2], x[3]);
            for (int j = 0; j < 4; j++) _mm_storeu_ps(columns + (d + j) * BLOCK + i, x[j]);
        }
        for (; d < head_dim; d++)
            for (int64_t j = 0; j < together; j++) columns[d * BLOCK + i + j] = rows[i + j][d] * factor;
    }
}
