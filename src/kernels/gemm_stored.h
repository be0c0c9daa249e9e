/* kernels/gemm_stored.h: panels that keep a file's own blocks (Q8_0, Q4_0, Q4_1) and are widened to the
 * operand as they are multiplied: the same bits as panels of that operand, from a third of the memory or
 * less.
 *
 * A panel holds for each 32 k: the quants of its columns, their scales d [panel_n] f16, and for Q4_1 their
 * minima m [panel_n] f16. How quants lie is each path's own affair: `place` puts those of one column and
 * block where `widen` looks for them. */
#ifndef TFC_KERNELS_GEMM_STORED_H
#define TFC_KERNELS_GEMM_STORED_H

#include <string.h>

#include "kernels/gemm_blocks.h"

enum { TFC_STORED_K = 32, TFC_STORED_SCALE = 2 }; /* values of a block; bytes of its scale */

/* Bytes of one block's quants, and of its place in the file before them. */
static inline int64_t tfc_stored_quants(tfc_dtype dtype)
{
    return dtype == TFC_Q8_0 ? TFC_STORED_K : TFC_STORED_K / 2;
}

static inline int64_t tfc_stored_scales(tfc_dtype dtype)
{
    return dtype == TFC_Q4_1 ? 2 * TFC_STORED_SCALE : TFC_STORED_SCALE;
}

/* Bytes of 32 k of a panel. */
static inline int64_t tfc_stored_step(int64_t panel_n, tfc_dtype dtype)
{
    return panel_n * (tfc_stored_quants(dtype) + tfc_stored_scales(dtype));
}

static inline size_t tfc_stored_panel(int64_t K, int64_t panel_n, tfc_dtype dtype)
{
    return (size_t)((K / TFC_STORED_K * tfc_stored_step(panel_n, dtype) + 63) / 64 * 64);
}

typedef void tfc_stored_place(char *quants, int64_t column, const char *q, tfc_dtype dtype);

/* One panel from n rows of the file's blocks, row_bytes apart; columns after n are zero. */
static inline __attribute__((always_inline)) void
tfc_stored_pack(tfc_panels *panels, int64_t panel, const char *rows, int64_t panel_n, tfc_stored_place *place)
{
    const tfc_dtype dtype = panels->stored;
    const int64_t quants = tfc_stored_quants(dtype), n_scales = tfc_stored_scales(dtype);
    const int64_t n = panels->N - panel * panel_n < panel_n ? panels->N - panel * panel_n : panel_n;
    const size_t row_bytes = tfc_dtype_row_bytes(dtype, panels->K), file_block = tfc_dtype_block_bytes(dtype);
    char *out = (char *)panels->data + (size_t)panel * panels->panel_bytes;
    memset(out, 0, panels->panel_bytes);
    for (int64_t b = 0; b < panels->K / TFC_STORED_K; b++, out += tfc_stored_step(panel_n, dtype)) {
        char *scales = out + panel_n * quants;
        for (int64_t c = 0; c < n; c++) {
            const char *block = rows + (size_t)c * row_bytes + (size_t)b * file_block;
            place(out, c, block + n_scales, dtype);
            for (int64_t s = 0; s < n_scales; s += TFC_STORED_SCALE)
                memcpy(scales + s * panel_n + c * TFC_STORED_SCALE, block + s, TFC_STORED_SCALE);
        }
    }
}

/* avx2 and ref: panels of 16 columns; 4 bits: bytes 4t … 4t+3 of each column's block side by side [4][16][4];
 * 8 bits: [32][16]. */
static inline void tfc_stored_place_16(char *quants, int64_t column, const char *q, tfc_dtype dtype)
{
    if (dtype == TFC_Q8_0)
        for (int k = 0; k < TFC_STORED_K; k++) quants[k * 16 + column] = q[k];
    else
        for (int t = 0; t < 4; t++) memcpy(quants + t * 64 + column * 4, q + 4 * t, 4);
}

/* ---- each path's ---- */

typedef struct tfc_stored_path {
    void (*pack)(tfc_panels *panels, int64_t panel, const void *rows); /* tfc_kernels' pack_stored */
    tfc_widen_fn widen[TFC_N_DTYPES][TFC_OPERAND_INT8];
    tfc_tile_fn one_row[TFC_N_DTYPES][TFC_OPERAND_INT8];
} tfc_stored_path;

extern const tfc_stored_path tfc_stored_ref, tfc_stored_avx2, tfc_stored_avx512;

/* Functions for one block type from a path's `widen(out, panel, n_blocks, ahead, dtype, bf16)` and
 * `one_row(args, dtype, bf16)`, and their place in the tables. */
#define TFC_STORED_WIDEN(dtype)                                                                              \
    static void dtype##_to_f32(char *restrict out, const char *restrict panel, int64_t n, int64_t ahead)     \
    {                                                                                                        \
        widen(out, panel, n, ahead, TFC_##dtype, false);                                                     \
    }                                                                                                        \
    static void dtype##_to_bf16(char *restrict out, const char *restrict panel, int64_t n, int64_t ahead)    \
    {                                                                                                        \
        widen(out, panel, n, ahead, TFC_##dtype, true);                                                      \
    }
#define TFC_STORED_ROW(dtype)                                                                                \
    static void dtype##_row_f32(const tfc_tile_args *a)                                                      \
    {                                                                                                        \
        one_row(a, TFC_##dtype, false);                                                                      \
    }                                                                                                        \
    static void dtype##_row_bf16(const tfc_tile_args *a)                                                     \
    {                                                                                                        \
        one_row(a, TFC_##dtype, true);                                                                       \
    }
#define TFC_STORED_WIDENED(dtype) [TFC_##dtype] = {dtype##_to_f32, dtype##_to_bf16}
#define TFC_STORED_ROWS(dtype) [TFC_##dtype] = {dtype##_row_f32, dtype##_row_bf16}

#endif
