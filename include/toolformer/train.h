/* toolformer/train.h: fine-tuning on texts with calls in them, and export.
 *
 * Training data are JSON lines with a "text" (C*, as `filter` writes it, or any file of texts). The loss is
 * the plain language-model loss on every token (paper section 3); masking the results of calls is an option.
 * Weights are f32 masters; products use bf16 or f32 operands with f32 accumulation; AdamW with linear warm-up
 * and gradient clipping.
 *
 * A training folder holds checkpoints/ (weights, moments, data order, random state), train.jsonl (a line a
 * step) and, when done, model/. The same call goes on from the last checkpoint and ends in the same bytes,
 * whatever the number of threads and of kills. When all is done the checkpoints are removed but for a small
 * one that knows the settings and the losses: the same call then returns at once. */
#ifndef TOOLFORMER_TRAIN_H
#define TOOLFORMER_TRAIN_H

#include "toolformer/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_train_params {
    const char *data;   /* JSON lines with "text" (and "calls" for masking) */
    const char *plain;  /* JSON lines with "text" mixed in as they are; may be NULL */
    double plain_share; /* share of plain texts among the examples, 0 … 0.9 */
    /* Above 0: in plain texts the base model's distribution over the next token is learnt, not the token that
     * stands there, with this weight: what the model was is held where no tool is needed (learning without
     * forgetting, Li & Hoiem 2016). */
    double match_base;
    /* Of the base model's weights in the model that is written, 0 … 1 (default 0): some of what was learnt is
     * taken back, more of what was forgotten (Wortsman et al. 2022). Not of models after a step. */
    double base_share;
    bool freeze_embeddings; /* the token and position tables and the head stay as they are */
    const char *dev;        /* JSON lines for the dev loss; NULL: a held-out share of data */
    double dev_share;       /* default 0.05 when dev is NULL; 0: no dev set, the last weights are kept */
    const char *out;        /* folder */
    int64_t steps;          /* 0: epochs decides */
    double epochs;          /* default 1 */
    int64_t batch;          /* texts of one step */
    int64_t max_tokens; /* longest sequence and length of a pack; default 1024, at most the model's context */
    double lr, warmup_share;                          /* 5e-5; 0.1 */
    double beta1, beta2, epsilon, weight_decay, clip; /* 0.9 0.95 1e-8 0.0 1.0; clip 0: none */
    bool lr_decay; /* linear to zero after the warm-up; the paper does not say; default false */
    /* Weight of the loss outside calls, 0 … 1 (default 1, the paper's), in texts that have calls. */
    double text_weight;
    bool mask_results;   /* no loss on the result of a call (from after its arrow to its bracket) */
    bool without_calls;  /* the same texts without their calls ("source"): a control */
    bool add_eos;        /* texts end with the end-of-text token; default true */
    const char *operand; /* "bf16", "f32", NULL: the path's own */
    uint64_t seed;
    int n_threads;
    int64_t eval_every;         /* steps between dev losses; 0: four times in all */
    int64_t checkpoint_every;   /* steps; 0: by time, every five minutes */
    bool keep_checkpoints;      /* of a training that is done */
    const int64_t *model_steps; /* after these steps the weights go to OUT/model-step-N, too; may be NULL */
    size_t n_model_steps;
    const char *export_format; /* "gguf" (default) or "safetensors" */
    const char *export_type;   /* "F32", "F16", "BF16", "Q8_0"; default BF16 */
} tfc_train_params;
tfc_train_params tfc_train_params_default(void);

typedef struct tfc_train_result {
    int64_t steps, tokens;
    double loss_first, loss_last; /* mean over the first and last tenth of the steps */
    double dev_loss_before, dev_loss_best;
    int64_t best_step;
    double seconds, tokens_per_second, flops_per_second;
} tfc_train_result;

/* base: the model to start from. The tuned model is written to the folder OUT/model at the end (model.gguf,
 * or a Hugging Face folder); tfc_model_open takes either. */
tfc_status tfc_train(tfc_model *base, const tfc_train_params *params, const tfc_monitor *monitor,
                     tfc_train_result *result, tfc_error *err);

/* Writes a model, opened or tuned, in another format or type: format "gguf" → the file `path`, "safetensors"
 * → the folder `path`. Tokenizer and chat template go along. */
tfc_status tfc_model_export(const tfc_model *model, const char *path, const char *format, const char *type,
                            tfc_error *err);

/* Writes FOLDER/model.gguf (BF16): base_share of the base model's weights, the rest a tuned model's. */
tfc_status tfc_model_blend(const tfc_model *tuned, const tfc_model *base, double base_share,
                           const char *folder, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
