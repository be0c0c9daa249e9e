/* experiment/experiment_train.h: the training settings of an experiment's file. */
#ifndef TFC_EXPERIMENT_EXPERIMENT_TRAIN_H
#define TFC_EXPERIMENT_EXPERIMENT_TRAIN_H

#include "base/json.h"
#include "toolformer/recipe.h"
#include "toolformer/train.h"

/* json: the "train" object, or NULL. What it leaves open is the recipe's, then the trainer's default. */
tfc_status tfc_exp_train_read(tfc_json *json, const tfc_recipe *recipe, tfc_train_params *params,
                              tfc_error *err);
/* All that decides the weights, but for data, plain texts and seed: the members of an open JSON object. */
void tfc_exp_train_json(tfc_buffer *json, const tfc_train_params *params);

#endif
