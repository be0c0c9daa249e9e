/* int8 products, plain C: the specification of the other paths.
 *
 * A panel holds for each block of int8_block.h the values [block][16] and the scales [16]; a row tile the
 * values [block][4] and the scales [4]. */
#include "kernels/gemm_int8.h"
#include "kernels/int8_block.h"

enum { TILE_M = 4, PANEL_N = 16, SCALE_BYTES = sizeof(float) };

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Bytes of one block of `side` rows or columns. */
static int64_t block_bytes(int64_t block, int64_t side)
{
    return side * (block + SCALE_BYTES);
}

static size_t panel_bytes(int64_t K)
{
    return (size_t)(tfc_int8_n_blocks(K) * block_bytes(tfc_int8_block(K), PANEL_N));
}

static size_t rows_bytes(int64_t M, int64_t K)
{
    return (size_t)((M + TILE_M - 1) / TILE_M * TILE_M) * tfc_int8_row_bytes(K, 1, SCALE_BYTES);
}

/* `side` rows of the source as blocks of [block][side] values and [side] scales; rows after n are zero. */
static void pack(char *out, int64_t side, int64_t n, const float *source, int64_t stride_row,
                 int64_t stride_k, int64_t K)
{
    const int64_t block = tfc_int8_block(K);
    for (int64_t k = 0; k < K; k += block, out += block_bytes(block, side)) {
        for (int64_t i = 0; i < side; i++) {
            int8_t q[TFC_INT8_MAX_BLOCK] = {0};
            float scale = 0;
            if (i < n)
                scale = tfc_int8_quantize(q, source + i * stride_row + k * stride_k, stride_k,
                                          min_i64(block, K - k), block);
            for (int64_t j = 0; j < block; j++) ((int8_t *)out)[j * side + i] = q[j];
            memcpy(out + block * side + i * SCALE_BYTES, &scale, sizeof scale);
        }
    }
}

static void pack_panels(tfc_panels *panels, int64_t from, int64_t to, const float *restrict w,
                        int64_t stride_n, int64_t stride_k)
{
    for (int64_t p = from; p < to; p++)
        pack((char *)panels->data + (size_t)p * panels->panel_bytes, PANEL_N,
             min_i64(PANEL_N, panels->N - p * PANEL_N), w + p * PANEL_N * stride_n, stride_n, stride_k,
             panels->K);
}

static int64_t row_bytes(int64_t K)
{
    return tfc_int8_n_blocks(K) * block_bytes(tfc_int8_block(K), 1);
}

static void pack_rows(void *restrict packed, int64_t M, int64_t K, int64_t from, int64_t to,
                      const float *restrict x, int64_t stride_m, int64_t stride_k)
{
    for (int64_t m = from; m < to; m += TILE_M)
        pack((char *)packed + m * row_bytes(K), TILE_M, min_i64(TILE_M, M - m), x + m * stride_m, stride_m,
             stride_k, K);
}

/* sums[m][n] = sum_k x[k][m] w[k][n] of one block, exact. */
static void multiply_block(int32_t sums[TILE_M][PANEL_N], const int8_t *restrict x, const int8_t *restrict w,
                           int64_t block)
{
    memset(sums, 0, TILE_M * sizeof *sums);
    for (int64_t k = 0; k < block; k++)
        for (int m = 0; m < TILE_M; m++)
            for (int n = 0; n < PANEL_N; n++) sums[m][n] += x[k * TILE_M + m] * w[k * PANEL_N + n];
}

/* y[rows][PANEL_N] += the product of a row tile and a panel. */
static void multiply(float y[TILE_M][PANEL_N], const char *x, const char *panel, int64_t K)
{
    const int64_t block = tfc_int8_block(K);
    int32_t sums[TILE_M][PANEL_N];
    for (int64_t b = tfc_int8_n_blocks(K); b > 0; b--) {
        const float *x_scale = (const void *)(x + block * TILE_M);
        const float *w_scale = (const void *)(panel + block * PANEL_N);
        multiply_block(sums, (const int8_t *)x, (const int8_t *)panel, block);
        for (int m = 0; m < TILE_M; m++)
            for (int n = 0; n < PANEL_N; n++) y[m][n] += (float)sums[m][n] * (x_scale[m] * w_scale[n]);
        x += block_bytes(block, TILE_M);
        panel += block_bytes(block, PANEL_N);
    }
}

static void gemm(float *restrict y, int64_t ld_y, const void *restrict x_packed, int64_t M, int64_t m_from,
                 int64_t m_to, const tfc_panels *w, int64_t p_from, int64_t p_to, const float *restrict bias,
                 bool accumulate)
{
    (void)M;
    for (int64_t p = p_from; p < p_to; p++) {
        const char *panel = (const char *)w->data + (size_t)p * w->panel_bytes;
        int64_t n0 = p * PANEL_N;
        size_t cols = (size_t)min_i64(PANEL_N, w->N - n0);
        for (int64_t first = m_from; first < m_to; first += TILE_M) {
            float acc[TILE_M][PANEL_N] = {{0}};
            int64_t rows = min_i64(TILE_M, m_to - first);
            for (int64_t m = 0; m < rows; m++) {
                if (accumulate)
                    memcpy(acc[m], y + (first + m) * ld_y + n0, cols * sizeof(float));
                else if (bias)
                    memcpy(acc[m], bias + n0, cols * sizeof(float));
            }
            multiply(acc, (const char *)x_packed + first * row_bytes(w->K), panel, w->K);
            for (int64_t m = 0; m < rows; m++)
                memcpy(y + (first + m) * ld_y + n0, acc[m], cols * sizeof(float));
        }
    }
}

/* 32 chains, as far as the compiler takes them together. */
static double peak(int64_t rounds, float *sink)
{
    enum { CHAINS = 32 };
    int32_t acc[CHAINS] = {0};
    int16_t a[CHAINS], b[CHAINS];
    for (int i = 0; i < CHAINS; i++) a[i] = (int16_t)(i - 7), b[i] = (int16_t)(i - 20);
    for (int64_t r = 0; r < rounds; r++) {
        __asm__ volatile("" : : "r"(a), "r"(b) : "memory"); /* a round may not be folded into the next */
        for (int i = 0; i < CHAINS; i++) acc[i] += a[i] * b[i];
    }
    for (int i = 0; i < CHAINS; i++) *sink += (float)acc[i];
    return 2.0 * CHAINS * (double)rounds;
}

const tfc_int8_path tfc_int8_ref = {panel_bytes, rows_bytes, pack_panels, pack_rows, gemm, peak};
