/* train/train_run.h: the parts of one call of tfc_train. */
#ifndef TFC_TRAIN_TRAIN_RUN_H
#define TFC_TRAIN_TRAIN_RUN_H

#include "toolformer/train.h"
#include "train/checkpoint.h"
#include "train/export.h"
#include "train/train_data.h"
#include "train/train_log.h"
#include "train/trainer.h"

/* A sequence of one of the text collections. */
typedef struct tfc_train_sequence {
    const tfc_train_texts *texts;
    int64_t at;
} tfc_train_sequence;

typedef struct tfc_train_run {
    const tfc_model *base;
    const tfc_train_params *params;
    const tfc_monitor *monitor;
    tfc_pool *pool;
    tfc_trainer trainer;
    tfc_operand operand;
    int64_t max_tokens;

    tfc_train_texts data, plain, dev; /* dev: of a file of its own */
    int64_t *train_list, *dev_list;   /* sequences of data, or of dev */
    int64_t n_train, n_dev;
    const tfc_train_texts *dev_texts;
    tfc_train_order order;
    int64_t steps, n_examples, eval_every;

    char *settings;
    char *path_folder, *path_last, *path_best, *path_done, *path_log, *path_model;
    int lock; /* of the folder, against a second training; -1: none */
    tfc_train_log log;
    tfc_train_state state;
    bool done;                           /* by an earlier call */
    int64_t saved_step, saved_evaluated; /* of last.ckpt */
    double saved_at;                     /* seconds, monotonic */

    tfc_train_sequence *batch; /* [params->batch] */
    int32_t *ids, *targets;    /* [max_tokens] of a pack */
    float *weights;            /* [max_tokens] */
    int64_t *lengths;          /* [max_tokens] */

    double train_seconds, flops; /* of this call's steps */
    int64_t train_tokens;
} tfc_train_run;

/* ---- train_setup.c ---- */
/* Everything up to the first step: checks, texts, trainer, checkpoint, log. */
tfc_status tfc_train_run_init(tfc_train_run *run, tfc_model *base, const tfc_train_params *params,
                              const tfc_monitor *monitor, tfc_error *err);
void tfc_train_run_release(tfc_train_run *run);
/* OUT/model-step-N; the caller's, NULL: no memory. */
char *tfc_train_step_path(const tfc_train_run *run, int64_t step);
double tfc_train_clock(void); /* seconds, monotonic */

#endif
