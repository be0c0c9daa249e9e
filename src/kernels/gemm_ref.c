/* Matrix products, plain C: the specification of the other paths.
 *
 * Row tiles are [K][4] f32, panels [K][16] f32 or bf16; bf16 is storage, the arithmetic is f32. An output
 * starts from its bias, its old value (accumulate) or zero, and takes its products one by one in the order of
 * k: the loops stand so that the compiler vectorises over the 16 outputs of a panel, which leaves that order
 * alone. */
#include <string.h>

#include "kernels/gemm_int8.h"
#include "kernels/gemm_stored.h"
#include "kernels/paths.h"

enum { TILE_M = 4, PANEL_N = 16 };

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static size_t panel_bytes(int64_t K, tfc_operand operand)
{
    if (operand == TFC_OPERAND_INT8) return tfc_int8_ref.panel_bytes(K);
    size_t bytes = (size_t)K * PANEL_N * (operand == TFC_OPERAND_BF16 ? sizeof(uint16_t) : sizeof(float));
    return (bytes + 63) / 64 * 64;
}

static size_t rows_bytes(int64_t M, int64_t K, tfc_operand operand)
{
    if (operand == TFC_OPERAND_INT8) return tfc_int8_ref.rows_bytes(M, K);
    return (size_t)((M + TILE_M - 1) / TILE_M * TILE_M) * (size_t)K * sizeof(float);
}

static void pack_panels(tfc_panels *panels, int64_t from, int64_t to, const float *restrict w,
                        int64_t stride_n, int64_t stride_k)
{
    if (panels->operand == TFC_OPERAND_INT8) {
        tfc_int8_ref.pack_panels(panels, from, to, w, stride_n, stride_k);
        return;
    }
    for (int64_t p = from; p < to; p++) {
        void *panel = (char *)panels->data + (size_t)p * panels->panel_bytes;
        memset(panel, 0, panels->panel_bytes);
        int64_t cols = min_i64(PANEL_N, panels->N - p * PANEL_N);
        for (int64_t n = 0; n < cols; n++) {
            const float *row = w + (p * PANEL_N + n) * stride_n;
            if (panels->operand == TFC_OPERAND_BF16) {
                uint16_t *out = (uint16_t *)panel + n;
                for (int64_t k = 0; k < panels->K; k++) out[k * PANEL_N] = tfc_f32_to_bf16(row[k * stride_k]);
            } else {
                float *out = (float *)panel + n;
                for (int64_t k = 0; k < panels->K; k++) out[k * PANEL_N] = row[k * stride_k];
            }
        }
    }
}

static size_t stored_bytes(int64_t K, tfc_dtype dtype)
{
    return tfc_stored_panel(K, PANEL_N, dtype);
}

static void pack_rows(void *restrict packed, int64_t M, int64_t K, tfc_operand operand, int64_t from,
                      int64_t to, const float *restrict x, int64_t stride_m, int64_t stride_k)
{
    if (operand == TFC_OPERAND_INT8) {
        tfc_int8_ref.pack_rows(packed, M, K, from, to, x, stride_m, stride_k);
        return;
    }
    for (int64_t first = from; first < to; first += TILE_M) {
        float *tile = (float *)packed + first * K;
        int64_t rows = min_i64(TILE_M, M - first);
        for (int64_t k = 0; k < K; k++)
            for (int64_t m = 0; m < TILE_M; m++)
                tile[k * TILE_M + m] = m < rows ? x[(first + m) * stride_m + k * stride_k] : 0.0F;
    }
}

/* acc[m][n] += sum_k x[k][m] w[k][n] for the first MR rows of a tile */
static inline __attribute__((always_inline)) void multiply(float acc[TILE_M][PANEL_N],
                                                           const float *restrict x,
                                                           const void *restrict panel, int64_t K,
                                                           tfc_operand operand, int MR)
{
    for (int64_t k = 0; k < K; k++) {
        float w[PANEL_N];
        for (int n = 0; n < PANEL_N; n++)
            w[n] = operand == TFC_OPERAND_BF16 ? tfc_bf16_to_f32(((const uint16_t *)panel)[k * PANEL_N + n])
                                               : ((const float *)panel)[k * PANEL_N + n];
        for (int m = 0; m < MR; m++)
            for (int n = 0; n < PANEL_N; n++) acc[m][n] += x[k * TILE_M + m] * w[n];
    }
}

static void multiply_any(float acc[TILE_M][PANEL_N], const float *restrict x, const void *restrict panel,
                         int64_t K, tfc_operand operand, int64_t rows)
{
    if (operand == TFC_OPERAND_BF16) {
        if (rows == 1)
            multiply(acc, x, panel, K, TFC_OPERAND_BF16, 1);
        else
            multiply(acc, x, panel, K, TFC_OPERAND_BF16, TILE_M);
    } else {
        if (rows == 1)
            multiply(acc, x, panel, K, TFC_OPERAND_F32, 1);
        else
            multiply(acc, x, panel, K, TFC_OPERAND_F32, TILE_M);
    }
}

/* The same from stored blocks. */
static void multiply_stored(float acc[TILE_M][PANEL_N], const float *x, const char *panel,
                            const tfc_panels *w, int64_t rows)
{
    _Alignas(64) char widened[TFC_STORED_K * PANEL_N * sizeof(float)];
    for (int64_t k = 0; k < w->K; k += TFC_STORED_K, panel += tfc_stored_step(PANEL_N, w->stored)) {
        tfc_stored_ref.widen[w->stored][w->operand](widened, panel, 1, 0);
        multiply_any(acc, x + k * TILE_M, widened, TFC_STORED_K, w->operand, rows);
    }
}

static void gemm(float *restrict y, int64_t ld_y, const void *restrict x_packed, int64_t M, int64_t m_from,
                 int64_t m_to, const tfc_panels *w, int64_t p_from, int64_t p_to, const float *restrict bias,
                 bool accumulate)
{
    if (w->operand == TFC_OPERAND_INT8) {
        tfc_int8_ref.gemm(y, ld_y, x_packed, M, m_from, m_to, w, p_from, p_to, bias, accumulate);
        return;
    }
    (void)M;
    for (int64_t p = p_from; p < p_to; p++) {
        const void *panel = (const char *)w->data + (size_t)p * w->panel_bytes;
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
            const float *x = (const float *)x_packed + first * w->K;
            if (tfc_kernels_keeps(w->stored, w->operand))
                multiply_stored(acc, x, panel, w, rows);
            else
                multiply_any(acc, x, panel, w->K, w->operand, rows);
            for (int64_t m = 0; m < rows; m++)
                memcpy(y + (first + m) * ld_y + n0, acc[m], cols * sizeof(float));
        }
    }
}

void tfc_gemm_ref_install(tfc_kernels *kernels)
{
    kernels->panel_n = PANEL_N;
    kernels->tile_m = TILE_M;
    kernels->many_rows = TFC_MANY_ROWS;
    kernels->default_operand = TFC_OPERAND_F32;
    kernels->panel_bytes = panel_bytes;
    kernels->rows_bytes = rows_bytes;
    kernels->pack_panels = pack_panels;
    kernels->stored_bytes = stored_bytes;
    kernels->pack_stored = tfc_stored_ref.pack;
    kernels->pack_rows = pack_rows;
    kernels->gemm = gemm;
}

/* 32 independent chains, so that the compiler's vectors hide the latency of an addition. */
double tfc_gemm_ref_peak(tfc_operand operand, int64_t rounds, float *sink)
{
    enum { CHAINS = 32 };
    if (operand == TFC_OPERAND_INT8) return tfc_int8_ref.peak(rounds, sink);
    float acc[CHAINS], a = 0.999F, b = 1e-3F;
    for (int i = 0; i < CHAINS; i++) acc[i] = (float)i;
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++) acc[i] = acc[i] * a + b;
    for (int i = 0; i < CHAINS; i++) *sink += acc[i];
    return 2.0 * CHAINS * (double)rounds;
}
