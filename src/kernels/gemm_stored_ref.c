/* Stored blocks in plain C: the specification of the other paths. A panel of 16 columns is widened to
 * [32][16] f32 or bf16. */
#include "kernels/gemm_stored.h"

enum { PANEL_N = 16 };

static void pack(tfc_panels *panels, int64_t panel, const void *rows)
{
    tfc_stored_pack(panels, panel, rows, PANEL_N, tfc_stored_place_16);
}

static float read_half(const char *at)
{
    uint16_t half;
    memcpy(&half, at, sizeof half);
    return tfc_f16_to_f32(half);
}

/* Column c at k of a block: the value before it is scaled. */
static int quant(const char *block, int c, int k, tfc_dtype dtype)
{
    if (dtype == TFC_Q8_0) return (signed char)block[k * PANEL_N + c];
    int byte = (unsigned char)block[k / 4 % 4 * 4 * PANEL_N + 4 * c + k % 4];
    int q = k < TFC_STORED_K / 2 ? byte & 15 : byte >> 4;
    return dtype == TFC_Q4_0 ? q - 8 : q;
}

/* Every product is exact, and Q4_1's sum rounds once, as in tfc_dequantize_row. */
static void widen(char *restrict out, const char *restrict panel, int64_t n_blocks, int64_t ahead,
                  tfc_dtype dtype, bool bf16)
{
    (void)ahead;
    for (; n_blocks > 0; n_blocks--, panel += tfc_stored_step(PANEL_N, dtype)) {
        const char *scales = panel + PANEL_N * tfc_stored_quants(dtype);
        for (int c = 0; c < PANEL_N; c++) {
            float d = read_half(scales + TFC_STORED_SCALE * c);
            float m = dtype == TFC_Q4_1 ? read_half(scales + TFC_STORED_SCALE * (PANEL_N + c)) : -0.0F;
            for (int k = 0; k < TFC_STORED_K; k++) {
                float value = (float)quant(panel, c, k, dtype) * d + m;
                if (bf16)
                    ((uint16_t *)out)[k * PANEL_N + c] = tfc_f32_to_bf16(value);
                else
                    ((float *)out)[k * PANEL_N + c] = value;
            }
        }
        out += TFC_STORED_K * PANEL_N * (bf16 ? sizeof(uint16_t) : sizeof(float));
    }
}

TFC_STORED_WIDEN(Q8_0)
TFC_STORED_WIDEN(Q4_0)
TFC_STORED_WIDEN(Q4_1)

const tfc_stored_path tfc_stored_ref = {
    .pack = pack,
    .widen = {TFC_STORED_WIDENED(Q8_0), TFC_STORED_WIDENED(Q4_0), TFC_STORED_WIDENED(Q4_1)},
};
