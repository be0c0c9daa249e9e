/* kernels/kernels.h: the numeric kernels, as one table of functions per instruction set.
 *
 * A kernel knows no heap, no file and no thread: the caller owns all memory and splits the work over the
 * pool. Four paths: `ref` is plain C and is the specification; `avx2`, `avx512` and `amx` compute the same
 * within rounding. On every path
 *   - each output element is summed in one fixed order that depends on the sizes of its own reduction alone,
 * never on how many rows or columns are computed with it: a row's result has the same bits whoever shares its
 * batch;
 *   - no libm function is called (its bits differ between C libraries): exp, tanh and the like are our own.
 *
 * Matrix products take packed operands. `W[N,K]` is packed once into panels of `panel_n` outputs; the
 * activations X[M,K] are packed for each product into row tiles. Operand types: f32 (f32 everywhere), bf16
 * and int8. bf16 panels on avx512 are multiplied with vdpbf16ps, on amx with tdpbf16ps (X is rounded to bf16
 * too, f32 accumulation, subnormals become zero); on avx2 and ref bf16 is storage of W alone and the
 * arithmetic is f32. int8 rounds both, block by block, and sums exactly within a block: the same bits on
 * every path (int8_block.h). K is padded with zeros inside the packed forms. */
#ifndef TFC_KERNELS_KERNELS_H
#define TFC_KERNELS_KERNELS_H

#include "kernels/dtype.h"

typedef enum tfc_operand { TFC_OPERAND_F32, TFC_OPERAND_BF16, TFC_OPERAND_INT8, TFC_N_OPERANDS } tfc_operand;

const char *tfc_operand_name(tfc_operand operand);             /* "f32", "bf16", "int8" */
bool tfc_operand_find(const char *name, tfc_operand *operand); /* false: there is none of that name */

/* Keys and values are kept in blocks of this many positions, aligned to absolute positions. */
enum { TFC_KV_BLOCK = 32 };

/* A packed weight matrix W[N,K]: ceil(N / panel_n) panels, each `panel_bytes` bytes, 64-byte aligned. */
typedef struct tfc_panels {
    tfc_operand operand;
    int64_t N, K;
    int64_t n_panels;
    size_t panel_bytes;
    void *data; /* the caller's */
    /* A block type (tfc_kernels_keeps): the panels hold the file's own blocks, which are widened to the
     * operand as they are multiplied, to the same bits. Any other: values of the operand. */
    tfc_dtype stored;
} tfc_panels;

/* Can panels keep blocks of this type for the operand? Q8_0, Q4_0 and Q4_1 for f32 and bf16. */
bool tfc_kernels_keeps(tfc_dtype dtype, tfc_operand operand);

/* Rows row_from … row_to-1 take in blocks block_from … block_to-1; the arrays begin at block_from. */
typedef struct tfc_attention_span {
    int64_t row_from, row_to, block_from, block_to;
    const float *const *k_blocks, *const *v_blocks;
} tfc_attention_span;

/* Attention of n_rows consecutive positions of one sequence, for the `group` query heads that share one key
 * head. Row r stands at absolute position first_position + r and sees keys 0 … first_position + r (the last
 * `window` of them when window > 0). Softmax is taken block by block in order of position (running maximum),
 * f32.
 *
 * With `spans` the rows may be of several sequences: `positions` tells where each stands, and the spans which
 * blocks it takes in, for each row by rising block. Blocks that the sequences share are then read once for
 * all of them. A row's bits are those of its sequence alone. */
typedef struct tfc_attention_args {
    float *out;     /* row r, head g at out + r*ld_out + g*head_dim */
    const float *q; /* row r, head g at q + r*ld_q + g*head_dim */
    int64_t ld_out, ld_q;
    int64_t n_rows, group, head_dim;
    int64_t first_position;
    int64_t window;               /* 0: all */
    float scale;                  /* usually 1/sqrt(head_dim) */
    const float *const *k_blocks; /* block b: positions 32b … 32b+31, keys transposed [head_dim][32] */
    const float *const
        *v_blocks;   /* block b: [32][head_dim]; what lies past the last position is finite, ignored */
    int64_t n_spans; /* 0: first_position, k_blocks and v_blocks count; else positions and spans */
    const int64_t *positions; /* [n_rows] */
    const tfc_attention_span *spans;
    float *scratch; /* attention_scratch(head_dim) floats, 64-byte aligned */
} tfc_attention_args;

/* Attention over whole sequences for training: q [T, n_heads*head_dim], k, v [T, n_kv_heads*head_dim], row
 * strides given; forward keeps the log-sum-exp of each (head, row) for the backward pass. One call handles
 * one key head and its `group` query heads. */
typedef struct tfc_attention_train_args {
    int64_t T, group, head_dim, window;
    float scale;
    const float *q, *k, *v; /* q row t, head g: q + t*ld_q + g*head_dim; k, v row t: + t*ld_kv */
    int64_t ld_q, ld_kv;
    float *out; /* like q, row stride ld_out; read by backward */
    int64_t ld_out;
    float *lse;             /* [group][T] */
    const float *d_out;     /* like out (backward) */
    float *d_q, *d_k, *d_v; /* like q, k, v: overwritten by backward */
    float *scratch;         /* attention_train_scratch(T, head_dim) floats */
} tfc_attention_train_args;

typedef struct tfc_kernels {
    const char *name; /* "ref", "avx2", "avx512", "amx" */
    int64_t panel_n;  /* outputs of a panel */
    int64_t tile_m;   /* rows of a packed row tile */
    /* Rows that are to share one reading of the weights, where there are so many: fewer, and the memory
     * limits the products; more, and they leave the second-level cache. */
    int64_t many_rows;
    tfc_operand default_operand;

    /* ---- products (gemm_*.c) ---- */
    /* Bytes of one panel of a matrix with K inputs; bytes of M packed rows. */
    size_t (*panel_bytes)(int64_t K, tfc_operand operand);
    size_t (*rows_bytes)(int64_t M, int64_t K, tfc_operand operand);
    /* Packs panels from … to-1 of the matrix whose element (n,k) is w[n*stride_n + k*stride_k]; one stride
     * is 1. */
    void (*pack_panels)(tfc_panels *panels, int64_t from, int64_t to, const float *restrict w,
                        int64_t stride_n, int64_t stride_k);
    /* The same for panels that keep the file's blocks; `rows` are the stored rows of one panel's outputs, one
     * after another. */
    size_t (*stored_bytes)(int64_t K, tfc_dtype dtype);
    void (*pack_stored)(tfc_panels *panels, int64_t panel, const void *rows);
    /* Packs rows from … to-1 of X (from a multiple of tile_m, to as well or M); element (m,k) is
     * x[m*stride_m + k*stride_k], one stride is 1. `packed` points at the whole packed matrix of M rows. */
    void (*pack_rows)(void *restrict packed, int64_t M, int64_t K, tfc_operand operand, int64_t from,
                      int64_t to, const float *restrict x, int64_t stride_m, int64_t stride_k);
    /* y[m, n] (+)= sum_k x[m,k] w[n,k] for rows m_from … m_to-1 (m_from a multiple of tile_m) and the columns
     * of panels p_from … p_to-1. y points at row 0, column 0; columns past N are not written. bias[N] may be
     * NULL (not with accumulate); a sum starts from the bias or the old y. M is that of the packed rows. */
    void (*gemm)(float *restrict y, int64_t ld_y, const void *restrict x_packed, int64_t M, int64_t m_from,
                 int64_t m_to, const tfc_panels *w, int64_t p_from, int64_t p_to, const float *restrict bias,
                 bool accumulate);

    /* ---- rows and elements (elements_*.c) ---- */
    /* y[C] = x[C] * weight[C] / sqrt(mean(x²) + epsilon); the mean is taken in f64. Returns 1/sqrt(…). */
    float (*rmsnorm)(float *y, const float *x, const float *weight, int64_t C, float epsilon);
    /* d_x[C] += …; d_weight[C] += …; rstd is what rmsnorm returned */
    void (*rmsnorm_backward)(float *d_x, float *d_weight, const float *d_y, const float *x,
                             const float *weight, float rstd, int64_t C);
    /* y = (x - mean)/sqrt(var + epsilon) * weight + bias; stats gets {mean, rstd} (may be NULL) */
    void (*layernorm)(float *y, const float *x, const float *weight, const float *bias, int64_t C,
                      float epsilon, float stats[2]);
    void (*layernorm_backward)(float *d_x, float *d_weight, float *d_bias, const float *d_y, const float *x,
                               const float *weight, const float stats[2], int64_t C);
    /* Rotates pairs of one head in place: table holds cos[n_rot/2] then sin[n_rot/2] of the position.
     * `interleaved`: pairs (2i, 2i+1), else (i, i + n_rot/2). inverse rotates back (the gradient). */
    void (*rope)(float *head, const float *table, int64_t n_rot, bool interleaved, bool inverse);
    /* y[n] = silu(gate[n]) * up[n];  y[n] = gelu_tanh(x[n]);  y[n] += x[n] */
    void (*swiglu)(float *y, const float *gate, const float *up, int64_t n);
    void (*swiglu_backward)(float *d_gate, float *d_up, const float *d_y, const float *gate, const float *up,
                            int64_t n);
    void (*gelu)(float *y, const float *x, int64_t n);
    void (*gelu_backward)(float *d_x, const float *d_y, const float *x, int64_t n);
    void (*add)(float *y, const float *x, int64_t n);
    void (*scale)(float *y, float a, int64_t n);
    /* max_i x[i]; and sum_i exp(x[i] - max) in f64, in one fixed order */
    float (*max)(const float *x, int64_t n);
    double (*sum_exp)(const float *x, float max, int64_t n);
    /* y[i] = exp(x[i] - shift) * factor  (softmax's gradient) */
    void (*exp_shift)(float *y, const float *x, float shift, float factor, int64_t n);
    double (*sum_squares)(const float *x, int64_t n); /* f64, fixed order */
    /* Adam with decoupled weight decay: g = grad*grad_scale; w *= 1 - lr*decay; m = b1 m + (1-b1) g; v = b2 v
     * + (1-b2) g²; w -= lr/correction1 * m / (sqrt(v)/sqrt(correction2) + epsilon), correctionN = 1 - bN^t.
     */
    void (*adamw)(float *w, float *m, float *v, const float *grad, int64_t n, float grad_scale, float lr,
                  float beta1, float beta2, float epsilon, float decay, float correction1, float correction2);

    /* ---- attention (attention_*.c) ---- */
    size_t (*attention_scratch)(int64_t head_dim);
    void (*attention)(const tfc_attention_args *args);
    size_t (*attention_train_scratch)(int64_t T, int64_t head_dim);
    void (*attention_train)(const tfc_attention_train_args *args);
    void (*attention_train_backward)(const tfc_attention_train_args *args);
} tfc_kernels;

/* The table of a path by name; NULL when the name is unknown or this machine lacks the instructions. */
const tfc_kernels *tfc_kernels_find(const char *name);
/* The best path of this machine, or the one that the environment variable TFC_CPU forces; NULL with a reason
 * in `message` (at least 200 bytes) when that one is unknown or not to be had here. */
const tfc_kernels *tfc_kernels_default(char *message, size_t message_bytes);

/* Measured peak of this machine on this path, in floating-point operations per second, with n_threads
 * threads: the best of several runs of a register-only loop of the path's multiply-add. For bench and doctor.
 */
double tfc_kernels_measure_peak(const tfc_kernels *kernels, tfc_operand operand, int n_threads);

#endif
