/* train/checkpoint.h: a training run on disk.
 *
 * One file holds the settings that decide the weights, the state, and the flat arrays: w, m and v (to go on
 * from), w alone (the best weights so far), or none (a training that is done). It appears whole or not at
 * all, and a checksum guards it. */
#ifndef TFC_TRAIN_CHECKPOINT_H
#define TFC_TRAIN_CHECKPOINT_H

#include "train/trainer.h"

typedef struct tfc_train_state {
    int64_t step;           /* finished steps */
    int64_t tokens;         /* of those steps */
    int64_t evaluated_step; /* of the last dev loss; -1: none yet */
    int64_t best_step;      /* -1: none yet */
    double dev_loss_before, dev_loss_best;
    double seconds;
    double *losses; /* [step]; the owner has room for all steps */
} tfc_train_state;

typedef enum tfc_checkpoint_kind {
    TFC_CHECKPOINT_DONE = 0,    /* no array */
    TFC_CHECKPOINT_WEIGHTS = 1, /* w */
    TFC_CHECKPOINT_ALL = 3      /* w, m, v */
} tfc_checkpoint_kind;

/* settings: lines "name = value". */
tfc_status tfc_checkpoint_save(const char *path, const char *settings, const tfc_train_state *state,
                               const tfc_param_set *params, tfc_checkpoint_kind kind, tfc_pool *pool,
                               tfc_error *err);
/* Loads into params and state (losses: room for max_steps). *found false: there is no such file. TFC_EFORMAT:
 * it is damaged; TFC_ECONFLICT: it was made with other settings, and the message says which. After a failure
 * state is as before and the values of params are undefined. */
tfc_status tfc_checkpoint_load(const char *path, const char *settings, tfc_train_state *state,
                               int64_t max_steps, tfc_param_set *params, tfc_checkpoint_kind kind,
                               tfc_pool *pool, bool *found, tfc_error *err);

#endif
