/* model/hparams.h: what model_llama.c and model_gpt2.c say of their architectures, and reading of sizes.
 *
 * Every size is checked where it is read, against the sizes before it; whether the tensors agree is checked
 * by model_weights.c, shape by shape. */
#ifndef TFC_MODEL_HPARAMS_H
#define TFC_MODEL_HPARAMS_H

#include "base/json.h"
#include "model/model.h"

/* A tensor's extent, by hyperparameter. */
typedef enum tfc_extent {
    TFC_EXTENT_ONE, /* n_out of a vector */
    TFC_EXTENT_C,
    TFC_EXTENT_Q,   /* NH*HD */
    TFC_EXTENT_KV,  /* NKV*HD */
    TFC_EXTENT_QKV, /* NH*HD + 2*NKV*HD */
    TFC_EXTENT_I,
    TFC_EXTENT_V,
    TFC_EXTENT_CONTEXT
} tfc_extent;

/* One kind of tensor. In names `*` stands for the layer's number; without it the tensor is outside the
 * layers. */
typedef struct tfc_part_spec {
    tfc_part part;
    const char *gguf, *hf;
    tfc_extent n_out, n_in;
    bool transposed; /* [n_in, n_out] in Hugging Face folders */
} tfc_part_spec;

typedef struct tfc_arch_spec {
    tfc_arch arch;
    const char *name;           /* general.architecture and model_type */
    const tfc_part_spec *parts; /* in the order in which they are looked for */
    int n_parts;
    const char *hf_prefix;     /* may stand before the names in Hugging Face folders; or NULL */
    const char *const *strays; /* ends of names of stored tensors that are not used; NULL-terminated */
    /* All but arch and, from GGUF, tied and V. */
    tfc_status (*from_gguf)(tfc_hparams *hparams, const tfc_gguf *gguf, tfc_error *err);
    tfc_status (*from_config)(tfc_hparams *hparams, tfc_json *config, tfc_error *err);
} tfc_arch_spec;

extern const tfc_arch_spec tfc_arch_llama_spec, tfc_arch_gpt2_spec;
const tfc_arch_spec *tfc_arch_spec_of(tfc_arch arch);

/* All sizes of a GGUF file or of a config.json. */
tfc_status tfc_hparams_from_gguf(tfc_hparams *hparams, const tfc_gguf *gguf, tfc_error *err);
tfc_status tfc_hparams_from_config(tfc_hparams *hparams, tfc_json *config, tfc_error *err);

/* Finds every tensor of model->hparams, checks its shape, and sees to it that no tensor of the file is left
 * over. Sets model->weights. */
tfc_status tfc_weights_find(tfc_model *model, tfc_error *err);
/* No value may be infinite or NaN. Looks at exponents and block scales only. */
tfc_status tfc_weights_check_finite(const tfc_model *model, tfc_error *err);
/* The file's tensors, whatever its format. */
const tfc_tensor_set *tfc_model_tensors(const tfc_model *model);

/* ---- for the architectures' readers ---- */

/* The value of ARCH.KEY, 1 … 2^32; found as in tfc_gguf_get_int (false: *out is untouched). */
tfc_status tfc_hparam_int(const tfc_gguf *gguf, const char *arch, const char *key, int64_t *out, bool *found,
                          tfc_error *err);
/* Finite and positive. */
tfc_status tfc_hparam_float(const tfc_gguf *gguf, const char *arch, const char *key, double *out, bool *found,
                            tfc_error *err);
/* TFC_EUNSUPPORTED when ARCH.KEY is there and is a number other than `only`. */
tfc_status tfc_hparam_only(const tfc_gguf *gguf, const char *arch, const char *key, double only,
                           tfc_error *err);
/* From config.json; `only` as above for booleans. 1 … 2^32; finite and positive. */
tfc_status tfc_config_int(tfc_json *config, const char *key, int64_t *out, bool *found, tfc_error *err);
tfc_status tfc_config_float(tfc_json *config, const char *key, double *out, bool *found, tfc_error *err);
tfc_status tfc_config_only(tfc_json *config, const char *key, bool only, tfc_error *err);
/* TFC_EUNSUPPORTED when the text under KEY is none of the NULL-terminated list; absent is fine. */
tfc_status tfc_config_one_of(tfc_json *config, const char *key, const char *const *allowed, tfc_error *err);

/* What the fields are called where they came from, for messages. */
typedef struct tfc_head_keys {
    const char *heads, *kv_heads, *width, *head_size;
} tfc_head_keys;
/* HD (0: C / NH) and that C, NH and NKV fit each other. */
tfc_status tfc_hparams_heads(tfc_hparams *hparams, const tfc_head_keys *keys, tfc_error *err);

#endif
