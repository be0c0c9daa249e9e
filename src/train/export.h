/* train/export.h: a model's weights, its own or tuned ones, into files. */
#ifndef TFC_TRAIN_EXPORT_H
#define TFC_TRAIN_EXPORT_H

#include "train/trainer.h"

typedef struct tfc_export {
    const tfc_model *model;
    const tfc_param_set *params; /* tuned weights; NULL: the model's own */
    bool gguf;                   /* else Hugging Face */
    tfc_dtype type;              /* of matrices; vectors are F32 */
    const tfc_model *base;       /* whose weights make up base_share of those that are written; NULL: none */
    double base_share;
} tfc_export;

/* format "gguf" or "safetensors", type "F32", "F16", "BF16", "Q8_0" (GGUF alone). */
tfc_status tfc_export_init(tfc_export *export, const tfc_model *model, const tfc_param_set *params,
                           const char *format, const char *type, tfc_error *err);

/* One file; it appears whole or not at all. */
tfc_status tfc_export_gguf(const tfc_export *export, const char *path, tfc_error *err);
/* config.json, model.safetensors, tokenizer files, into a folder that exists. */
tfc_status tfc_export_hf(const tfc_export *export, const char *folder, tfc_error *err);
/* A folder under its final name only when whole: FOLDER.partial first; replaces what is there. GGUF:
 * FOLDER/model.gguf. */
tfc_status tfc_export_folder(const tfc_export *export, const char *folder, tfc_error *err);

/* One tensor as it is written. */
typedef struct tfc_export_tensor {
    tfc_part part;
    int64_t layer;
    const tfc_weight *weight;
    char name[160];
    bool transposed; /* written as [n_in, n_out] */
    bool permuted;   /* rows of each head change between the two orders of rotary pairs */
    tfc_dtype dtype;
    int n_dims;
    int64_t dims[2];
} tfc_export_tensor;
/* Calls visit for every tensor, in one fixed order. */
typedef tfc_status tfc_export_visit(void *context, const tfc_export_tensor *tensor, tfc_error *err);
tfc_status tfc_export_each(const tfc_export *export, tfc_export_visit *visit, void *context, tfc_error *err);
/* Hands out the values of a tensor, whole rows at a time, in the order of the file. */
typedef tfc_status tfc_export_sink(void *context, const float *values, int64_t n, tfc_error *err);
tfc_status tfc_export_values(const tfc_export *export, const tfc_export_tensor *tensor, tfc_export_sink *sink,
                             void *context, tfc_error *err);

#endif
