/* model/model.h: the inside of a model: sizes, checked tensors, packed weights.
 *
 * One block serves both architectures; what differs is said by hparams (norm, positions, activation, biases):
 *
 *   x = token_embedding[id] (+ position_embedding[pos])
 *   for each layer:  a = norm1(x);  q,k,v = a Wqkv (+ b);  rope(q), rope(k)  (when rope)
 *                    x += attention(q,k,v) Wo (+ b);   h = norm2(x)
 *                    x += swiglu(h Wgate, h Wup) Wdown   or   x += gelu(h Wup + b) Wdown + b
 *   logits = norm(x) W_head        (W_head = token_embedding when tied)
 *
 * model_llama.c and model_gpt2.c hold the names of the tensors and the reading of hyperparameters in both
 * file formats. */
#ifndef TFC_MODEL_MODEL_H
#define TFC_MODEL_MODEL_H

#include "base/thread_pool.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "kernels/kernels.h"
#include "toolformer/model.h"

typedef enum tfc_arch { TFC_ARCH_LLAMA, TFC_ARCH_GPT2 } tfc_arch;

typedef struct tfc_hparams {
    tfc_arch arch;
    int64_t C;       /* width */
    int64_t L;       /* layers */
    int64_t NH, NKV; /* query heads, key heads; NH % NKV == 0 */
    int64_t HD;      /* head size; NH*HD may differ from C */
    int64_t I;       /* inner size of the MLP */
    int64_t V;       /* rows of the embedding table and of the head */
    int64_t context; /* most positions */
    float epsilon;
    bool layernorm; /* layernorm with bias (gpt2), else rmsnorm */
    bool gated;     /* swiglu (llama), else gelu_tanh */
    bool bias;      /* every projection has a bias (gpt2) */
    bool tied;
    bool rope;             /* else learned positions */
    bool rope_interleaved; /* pairs (2i, 2i+1): GGUF's llama; else (i, i + n_rot/2) */
    int64_t n_rot;
    double rope_base;
    /* llama3 scaling of rotary frequencies; factor 1: none */
    double rope_factor, rope_low_freq_factor, rope_high_freq_factor;
    int64_t rope_original_context;
    const float *rope_freq_factors; /* [n_rot/2] divisors from GGUF's rope_freqs.weight, or NULL (borrowed) */
} tfc_hparams;

/* A stored weight, as rows of a logical matrix W[n_out, n_in] or a vector (n_in = length, n_out = 1).
 * `transposed`: the file holds it as [n_in, n_out] (GPT-2's Conv1D in Hugging Face folders). */
typedef struct tfc_weight {
    const tfc_tensor_view *tensor; /* NULL: this architecture has none */
    int64_t n_out, n_in;
    bool transposed;
} tfc_weight;

/* A layer's weights. Llama's q, k, v are three tensors; gpt2's one: then wq is the whole [3C, C] and wk, wv
 * are NULL. */
typedef struct tfc_layer_weights {
    tfc_weight norm1, norm1_bias, norm2, norm2_bias;
    tfc_weight wq, wk, wv, wqkv_bias; /* bias: [NH*HD + 2*NKV*HD] in one tensor */
    tfc_weight wo, wo_bias;
    tfc_weight w_gate, w_up, w_up_bias, w_down, w_down_bias;
} tfc_layer_weights;

typedef struct tfc_weights {
    tfc_weight token_embedding;    /* [V, C] */
    tfc_weight position_embedding; /* [context, C]; tensor NULL with rope */
    tfc_weight norm, norm_bias;
    tfc_weight head;           /* [V, C]; the embedding itself when tied */
    tfc_layer_weights *layers; /* [L] */
} tfc_weights;

/* The packed form for the kernels: made once by tfc_model_pack. q, k, v are one panel matrix [NH*HD +
 * 2*NKV*HD, C]; gate and up one matrix [2I, C] (gate first). Vectors (norms, biases) are f32. */
typedef struct tfc_packed_layer {
    const float *norm1, *norm1_bias, *norm2, *norm2_bias;
    const float *qkv_bias, *wo_bias, *w_up_bias, *w_down_bias; /* NULL: none */
    tfc_panels qkv, wo, up, down;                              /* up: gate and up together when gated */
} tfc_packed_layer;

typedef struct tfc_packed {
    tfc_packed_layer *layers;
    const float *norm, *norm_bias;
    const float *position_embedding; /* [context, C] f32 or NULL */
    tfc_panels head;
    void *memory; /* one allocation that everything above points into */
    size_t n_bytes;
} tfc_packed;

struct tfc_model {
    char *path;
    char *name;
    tfc_gguf *gguf; /* one of the two is set */
    tfc_safetensors *safetensors;
    char *folder; /* Hugging Face folder, or NULL */
    tfc_hparams hparams;
    tfc_weights weights;
    tfc_tokenizer *tokenizer;
    const tfc_kernels *kernels;
    tfc_operand operand;
    bool stored; /* panels keep the file's blocks where they can */
    int n_threads;
    tfc_packed packed; /* memory NULL until packed */
};

/* Dequantises rows from … from+n-1 of W (whatever its storage) into out[n, n_in], f32. */
void tfc_weight_rows(const tfc_weight *weight, int64_t from, int64_t n, float *out);

/* Packs all weights for model->kernels and model->operand; does nothing when that is done. Not thread-safe:
 * the engine calls it when its first session is made. Memory is planned first, then allocated once. */
tfc_status tfc_model_pack(tfc_model *model, tfc_pool *pool, tfc_error *err);

/* cos[n_rot/2] then sin[n_rot/2] of one position; computed in f64 with our own range-reduced sin, cos and pow
 * (no libm: the bits are the same everywhere), rounded to f32. */
void tfc_rope_table(const tfc_hparams *hparams, int64_t position, float *table);
/* Its parts, for whoever keeps tables: radians a position of pair i (0 … n_rot/2-1), and one angle. */
double tfc_rope_frequency(const tfc_hparams *hparams, int64_t i);
void tfc_rope_angle(double frequency, int64_t position, float *cosine, float *sine);

/* The parts of a model, for exports and training. */
typedef enum tfc_part {
    TFC_PART_TOKEN_EMBEDDING,
    TFC_PART_POSITION_EMBEDDING,
    TFC_PART_NORM,
    TFC_PART_NORM_BIAS,
    TFC_PART_HEAD,
    TFC_PART_NORM1,
    TFC_PART_NORM1_BIAS,
    TFC_PART_WQ,
    TFC_PART_WK,
    TFC_PART_WV,
    TFC_PART_WQKV_BIAS,
    TFC_PART_WO,
    TFC_PART_WO_BIAS,
    TFC_PART_NORM2,
    TFC_PART_NORM2_BIAS,
    TFC_PART_W_GATE,
    TFC_PART_W_UP,
    TFC_PART_W_UP_BIAS,
    TFC_PART_W_DOWN,
    TFC_PART_W_DOWN_BIAS,
    TFC_N_PARTS
} tfc_part;
/* The weight of a part (layer -1 for those outside the layers); its tensor is NULL when the architecture has
 * none. */
const tfc_weight *tfc_weights_part(const tfc_weights *weights, tfc_part part, int64_t layer);
/* "blk.3.attn_q.weight" or "model.layers.3.self_attn.q_proj.weight" (buffer of at least 160 bytes); false
 * when the architecture has no such part. */
bool tfc_part_name(tfc_arch arch, bool gguf, tfc_part part, int64_t layer, char *name, size_t n);

#endif
