/* Matrix products of bf16 operands with AMX: 28 x 32 outputs in four of the eight tile registers. All else is
 * the AVX-512 path's.
 *
 * A step is 32 k. Panels are those of AVX-512 (pairs of k side by side), with K padded to whole steps: a step
 * of a panel is two tiles of [16 pairs][16 columns]. Rows lie as [step][rows of the tile][32 k]. A row tile
 * has 28 rows, two of AVX-512's, so that f32 and int8 keep theirs.
 *
 * tdpbf16ps sums the even and the odd k of a step apart, from zero, and adds both to the output: not the bits
 * of vdpbf16ps, so one row too is multiplied here. Subnormals become zero. */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/gemm_stored.h"
#include "kernels/lanes_avx512.h"
#include "kernels/paths.h"

enum {
    HALF_M = 14,
    TILE_M = 2 * HALF_M,
    HALF_N = 16,
    PANEL_N = 2 * HALF_N,
    STEP_K = 32,
    ROW_BYTES = STEP_K * 2,        /* of a step: a row of every tile register */
    PANEL_ROW = PANEL_N * 4,       /* a pair of k of all columns */
    STEP_BYTES = 16 * PANEL_ROW,   /* of a panel */
    BLOCK_STEPS = 9,               /* a panel block is 18 KB: it stays in L1 */
    BLOCK_ROWS = 8 * TILE_M,       /* the rows that reuse it before the next stay in L2 */
    PAST_ROWS = HALF_M * ROW_BYTES /* a tile register is loaded whole, past the last row too */
};

static tfc_kernels avx512; /* for the other operands */

static int64_t steps_of(int64_t K)
{
    return (K + STEP_K - 1) / STEP_K;
}

static size_t panel_bytes(int64_t K, tfc_operand operand)
{
    return operand == TFC_OPERAND_BF16 ? (size_t)steps_of(K) * STEP_BYTES : avx512.panel_bytes(K, operand);
}

static size_t rows_bytes(int64_t M, int64_t K, tfc_operand operand)
{
    if (operand != TFC_OPERAND_BF16) return avx512.rows_bytes(M, K, operand);
    return (size_t)M * (size_t)steps_of(K) * ROW_BYTES + PAST_ROWS;
}

/* ---- multiplication ---- */

/* Registers 0-3 hold outputs, 4 and 5 rows, 6 and 7 weights. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static const tile_config config = {
    .palette = 1,
    .row_bytes = {ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES},
    .rows = {HALF_M, HALF_M, HALF_M, HALF_M, HALF_M, HALF_M, 16, 16},
};

/* gcc's tile loads do not say that they read memory. */
#define BEFORE_LOADS() __asm__ volatile("" ::: "memory")

/* Outputs in whole tiles: in y itself, or beside it where the matrix ends within a tile. */
typedef struct outputs {
    float *at;
    int64_t ld;
} outputs;

ALWAYS_INLINE void load_outputs(const tfc_tile_args *a, outputs o, const int n_halves)
{
    if (a->from == TFC_FROM_ZERO) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        return;
    }
    BEFORE_LOADS();
    const int64_t stride = o.ld * 4;
    _tile_loadd(0, o.at, stride);
    _tile_loadd(1, o.at + HALF_N, stride);
    if (n_halves == 1) return;
    _tile_loadd(2, o.at + HALF_M * o.ld, stride);
    _tile_loadd(3, o.at + HALF_M * o.ld + HALF_N, stride);
}

ALWAYS_INLINE void store_outputs(outputs o, const int n_halves)
{
    const int64_t stride = o.ld * 4;
    _tile_stored(0, o.at, stride);
    _tile_stored(1, o.at + HALF_N, stride);
    if (n_halves == 1) return;
    _tile_stored(2, o.at + HALF_M * o.ld, stride);
    _tile_stored(3, o.at + HALF_M * o.ld + HALF_N, stride);
}

/* With few rows the weights come from memory: what comes in four steps is fetched. Fetching past the end of
 * the matrix does no harm. */
ALWAYS_INLINE void multiply(const tfc_tile_args *a, const int n_halves)
{
    enum { AHEAD = 4 * STEP_BYTES, LINE = 64 };
    const char *x = a->x, *panel = a->panel;
    BEFORE_LOADS();
    for (int64_t s = a->n_steps; s > 0; s--, x += a->x_step, panel += STEP_BYTES) {
        if (n_halves == 1)
            for (int64_t i = 0; i < STEP_BYTES; i += LINE) _mm_prefetch(panel + AHEAD + i, _MM_HINT_T0);
        if (n_halves == 2)
            UNROLL for (int i = 0; i < TILE_M; i++) _mm_prefetch(x + a->x_step + i * ROW_BYTES, _MM_HINT_T0);
        _tile_loadd(6, panel, PANEL_ROW);
        _tile_loadd(7, panel + HALF_N * 4, PANEL_ROW);
        _tile_loadd(4, x, ROW_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if (n_halves == 1) continue;
        _tile_loadd(5, x + HALF_M * ROW_BYTES, ROW_BYTES);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
}

/* What is neither zero nor a whole tile of y starts from a copy. */
static void copy_start(const tfc_tile_args *a, outputs o)
{
    for (int64_t m = 0; m < a->rows; m++) {
        for (int64_t n = 0; n < PANEL_N; n += HALF_N) {
            const float *from = a->from == TFC_FROM_BIAS ? a->bias + n : a->y + m * a->ld_y + n;
            _mm512_store_ps(o.at + m * o.ld + n, _mm512_maskz_loadu_ps(mask_of(a->cols - n), from));
        }
    }
}

static void copy_back(const tfc_tile_args *a, outputs o)
{
    for (int64_t m = 0; m < a->rows; m++)
        for (int64_t n = 0; n < PANEL_N; n += HALF_N)
            _mm512_mask_storeu_ps(a->y + m * a->ld_y + n, mask_of(a->cols - n),
                                  _mm512_load_ps(o.at + m * o.ld + n));
}

ALWAYS_INLINE void tile(const tfc_tile_args *a, const int n_halves)
{
    _Alignas(64) float beside[TILE_M * PANEL_N];
    const bool whole = a->rows == n_halves * HALF_M && a->cols >= PANEL_N;
    const outputs in_y = {a->y, a->ld_y}, copy = {beside, PANEL_N};
    const bool copied = !whole || a->from == TFC_FROM_BIAS;
    if (copied && a->from != TFC_FROM_ZERO) copy_start(a, copy);
    load_outputs(a, copied ? copy : in_y, n_halves);
    multiply(a, n_halves);
    store_outputs(whole ? in_y : copy, n_halves);
    if (!whole) copy_back(a, copy);
}

static void tile_few(const tfc_tile_args *a)
{
    tile(a, 1);
}

static void tile_full(const tfc_tile_args *a)
{
    tile(a, 2);
}

static void gemm(float *restrict y, int64_t ld_y, const void *restrict x_packed, int64_t M, int64_t m_from,
                 int64_t m_to, const tfc_panels *w, int64_t p_from, int64_t p_to, const float *restrict bias,
                 bool accumulate)
{
    if (w->operand != TFC_OPERAND_BF16) {
        avx512.gemm(y, ld_y, x_packed, M, m_from, m_to, w, p_from, p_to, bias, accumulate);
        return;
    }
    static const tfc_tile_fn tiles[TILE_M + 1] = {
        NULL,      tile_few,  tile_few,  tile_few,  tile_few,  tile_few,  tile_few,  tile_few,
        tile_few,  tile_few,  tile_few,  tile_few,  tile_few,  tile_few,  tile_few,  tile_full,
        tile_full, tile_full, tile_full, tile_full, tile_full, tile_full, tile_full, tile_full,
        tile_full, tile_full, tile_full, tile_full, tile_full};
    static const uint8_t one_panel[TILE_M + 1] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                                  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const tfc_tiling tiling = {
        .tile_m = TILE_M,
        .panel_n = PANEL_N,
        .step_bytes = STEP_BYTES,
        .lane_bytes = ROW_BYTES,
        .block_steps = BLOCK_STEPS,
        .block_rows = BLOCK_ROWS,
        .narrow = tiles,
        .wide = tiles,
        .wide_panels = one_panel,
        .widen = tfc_stored_avx512.widen[w->stored][TFC_OPERAND_BF16],
        .widen_steps = 1,
    };
    _tile_loadconfig(&config);
    tfc_gemm_blocks(&tiling, steps_of(w->K), y, ld_y, x_packed, M, m_from, m_to, w, p_from, p_to, bias,
                    accumulate);
    _tile_release();
}

/* ---- packing ---- */

/* The panels of AVX-512, and zeros up to a whole step. */
static void pack_panels(tfc_panels *panels, int64_t from, int64_t to, const float *restrict w,
                        int64_t stride_n, int64_t stride_k)
{
    avx512.pack_panels(panels, from, to, w, stride_n, stride_k);
    if (panels->operand != TFC_OPERAND_BF16) return;
    const size_t packed = (size_t)((panels->K + 1) / 2) * PANEL_ROW;
    for (int64_t p = from; p < to; p++)
        memset((char *)panels->data + (size_t)p * panels->panel_bytes + packed, 0,
               panels->panel_bytes - packed);
}

/* The rows (up to 16) lie side by side: 32 k of all of them, ROW_BYTES apart. */
ALWAYS_INLINE void columns_step(char *out, int64_t rows, const float *x, int64_t stride_k, int64_t k,
                                int64_t K)
{
    __m512i v[16];
    UNROLL for (int i = 0; i < 16; i++)
    {
        const float *at = x + (k + 2 * i) * stride_k;
        __m512 low = _mm512_setzero_ps(), high = _mm512_setzero_ps();
        if (k + 2 * i < K) low = _mm512_maskz_loadu_ps(mask_of(rows), at);
        if (k + 2 * i + 1 < K) high = _mm512_maskz_loadu_ps(mask_of(rows), at + stride_k);
        v[i] = pairs_of(low, high);
    }
    transpose(v);
    for (int64_t m = 0; m < rows; m++) _mm512_storeu_si512(out + m * ROW_BYTES, v[m]);
}

static void pack_rows(void *restrict packed, int64_t M, int64_t K, tfc_operand operand, int64_t from,
                      int64_t to, const float *restrict x, int64_t stride_m, int64_t stride_k)
{
    if (operand != TFC_OPERAND_BF16) {
        avx512.pack_rows(packed, M, K, operand, from, to, x, stride_m, stride_k);
        return;
    }
    const int64_t n_steps = steps_of(K);
    for (int64_t m = from; m < to; m += TILE_M) {
        const int64_t rows = min_i64(TILE_M, M - m);
        char *out = (char *)packed + m * n_steps * ROW_BYTES;
        for (int64_t k = 0; k < K; k += STEP_K, out += rows * ROW_BYTES) {
            if (stride_k == 1) {
                for (int64_t i = 0; i < rows; i++)
                    _mm512_storeu_si512(out + i * ROW_BYTES, row_pairs(x + (m + i) * stride_m, k, K));
            } else {
                for (int64_t i = 0; i < rows; i += 16)
                    columns_step(out + i * ROW_BYTES, min_i64(16, rows - i), x + m + i, stride_k, k, K);
            }
        }
    }
}

void tfc_gemm_amx_install(tfc_kernels *kernels)
{
    tfc_gemm_avx512_install(&avx512);
    tfc_gemm_avx512_install(kernels);
    kernels->tile_m = TILE_M;
    kernels->many_rows = BLOCK_ROWS;
    kernels->panel_bytes = panel_bytes;
    kernels->rows_bytes = rows_bytes;
    kernels->pack_panels = pack_panels;
    kernels->pack_rows = pack_rows;
    kernels->gemm = gemm;
}

/* The system gives a process the tile registers when it asks for them (Linux 5.16 and later). */
bool tfc_amx_permitted(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

double tfc_gemm_amx_peak(tfc_operand operand, int64_t rounds, float *sink)
{
    enum { CHAINS = 4 };
    _Alignas(64) static const uint16_t zeros[16 * STEP_K];
    _Alignas(64) float out[HALF_M * HALF_N];
    if (operand != TFC_OPERAND_BF16) return tfc_gemm_avx512_peak(operand, rounds, sink);
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, zeros, ROW_BYTES);
    _tile_loadd(5, zeros, ROW_BYTES);
    _tile_loadd(6, zeros, ROW_BYTES);
    _tile_loadd(7, zeros, ROW_BYTES);
    for (int64_t r = 0; r < rounds; r++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, ROW_BYTES);
    _tile_release();
    *sink += out[0];
    return 2.0 * HALF_M * HALF_N * STEP_K * CHAINS * (double)rounds;
}
