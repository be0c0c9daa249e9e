/* toolformer/model.h: models as they were downloaded.
 *
 * A model is a GGUF v3 file, a folder that holds one, or a Hugging Face folder (config.json, safetensors,
 * tokenizer.json). It is mapped read-only and checked before use; a model handle is immutable, and any number
 * of sessions and threads share it. Weights are packed once, when the first session or training needs them,
 * for the kernels of this machine.
 *
 *     tfc_model *model = tfc_model_open("SmolLM2-135M-Instruct.Q4_1.gguf", NULL, &err);
 *     const tfc_tokenizer *tokenizer = tfc_model_tokenizer(model);
 *     …
 *     tfc_model_free(model);
 */
#ifndef TOOLFORMER_MODEL_H
#define TOOLFORMER_MODEL_H

#include "toolformer/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_model tfc_model;

typedef struct tfc_model_params {
    const char *cpu;     /* "ref", "avx2", "avx512", "amx"; NULL: TFC_CPU or the best that this machine has */
    const char *operand; /* "f32", "bf16", "int8": what is multiplied; NULL: the path's own choice */
    /* "packed": weights are brought to the operand's form when they are packed. "stored": the file's own
     * Q4_0, Q4_1 and Q8_0 blocks are kept and widened to it (f32 or bf16) in every product: the same results
     * bit for bit, from a third of the memory; faster for a stream or two, slower for many rows. NULL:
     * "packed". */
    const char *weights;
    int n_threads; /* for packing; 0: all cores */
} tfc_model_params;
tfc_model_params tfc_model_params_default(void);

/* params NULL: the default. */
tfc_model *tfc_model_open(const char *path, const tfc_model_params *params, tfc_error *err);
void tfc_model_free(tfc_model *model);

/* The file or folder of a model by name: a path that exists is itself; else NAME or NAME.gguf under
 * $TOOLFORMER_HOME/models (default ~/.local/share/toolformer/models); NULL: the default model there. The
 * caller's (tfc_text_free). TFC_ENOTFOUND says how to get it. */
tfc_status tfc_model_locate(const char *name, char **path, tfc_error *err);

const tfc_tokenizer *tfc_model_tokenizer(const tfc_model *model); /* lives as long as the model */

typedef struct tfc_model_info {
    const char *path, *format;      /* "gguf" or "safetensors" */
    const char *architecture;       /* "llama", "gpt2" */
    const char *name;               /* as the file says; "" when it does not */
    const char *storage;            /* most common weight type: "Q4_1" */
    const char *cpu_path, *operand; /* "avx512", "bf16" */
    int64_t n_parameters, file_bytes;
    int64_t n_layers, width, n_heads, n_kv_heads, head_dim, inner, n_vocab, context;
    bool tied;
} tfc_model_info;
/* Borrowed texts live as long as the model. */
tfc_model_info tfc_model_get_info(const tfc_model *model);

#ifdef __cplusplus
}
#endif
#endif
