/* kernels/gemm_blocks.h: the walk over rows, panels and steps that the vector paths share.
 *
 * A step is what one multiplication of a tile takes in: one k, two of bf16 side by side, or a block of int8.
 * A panel holds `step_bytes` bytes a step, a row tile `lane_bytes` a row and step. The last tile of a matrix
 * has only its own rows side by side, so that a single row is read as one stream.
 *
 * An output starts from its bias, its old value or zero and takes its steps in order, whatever tile computes
 * it; between blocks of steps it rests in y, exactly. So neither tiles nor blocks show in the bits. */
#ifndef TFC_KERNELS_GEMM_BLOCKS_H
#define TFC_KERNELS_GEMM_BLOCKS_H

#include "kernels/kernels.h"

enum { TFC_LANE_BYTES = 4 };

typedef enum tfc_tile_start { TFC_FROM_ZERO, TFC_FROM_BIAS, TFC_FROM_OLD } tfc_tile_start;

/* One tile over one block of steps. */
typedef struct tfc_tile_args {
    float *y; /* row and column 0 of the tile */
    int64_t ld_y;
    const char *x;       /* the first step's lanes */
    int64_t x_step;      /* bytes from one step's lanes to the next's */
    const char *panel;   /* the first step of the first panel */
    int64_t panel_bytes; /* from one panel to the next */
    int64_t n_steps;
    int64_t depth;       /* the tiling's */
    int64_t rows;        /* that the tile computes */
    int64_t packed_rows; /* rows that lie side by side in x, of which the tile may take fewer */
    int64_t cols;        /* valid columns from column 0 on; may exceed the tile */
    const float *bias;
    tfc_tile_start from;
} tfc_tile_args;

typedef void (*tfc_tile_fn)(const tfc_tile_args *args);

/* out = n_blocks times 32 k of a panel of stored blocks (gemm_stored.h) as the operand's tiles read them.
 * Meanwhile what lies `ahead` bytes on is fetched. */
typedef void (*tfc_widen_fn)(char *restrict out, const char *restrict panel, int64_t n_blocks, int64_t ahead);

typedef struct tfc_tiling {
    int64_t tile_m, panel_n, step_bytes, lane_bytes;
    int64_t depth;                   /* k of a step; for the tiles alone */
    int64_t block_steps, block_rows; /* what stays in the caches; block_rows is a multiple of tile_m */
    const tfc_tile_fn *narrow;       /* [1 … tile_m]: tiles of so many rows and one panel */
    const tfc_tile_fn *wide;         /* [1 … tile_m]: of as many panels as wide_panels says */
    const uint8_t *wide_panels;      /* at most TFC_GROUP_PANELS, of which it is a divisor */
    tfc_widen_fn widen;              /* NULL, or what brings stored blocks to the tiles' form */
    int64_t widen_steps;             /* steps of one stored block */
    tfc_tile_fn one_row;             /* a row by a panel of stored blocks, all steps; may be NULL */
} tfc_tiling;

enum { TFC_GROUP_PANELS = 4 };

/* tfc_kernels' gemm over `all_steps` steps. */
void tfc_gemm_blocks(const tfc_tiling *tiling, int64_t all_steps, float *restrict y, int64_t ld_y,
                     const void *restrict x_packed, int64_t M, int64_t m_from, int64_t m_to,
                     const tfc_panels *w, int64_t p_from, int64_t p_to, const float *restrict bias,
                     bool accumulate);

#endif
