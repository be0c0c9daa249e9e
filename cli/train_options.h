/* cli/train_options.h: the options that train and run share. */
#ifndef CLI_TRAIN_OPTIONS_H
#define CLI_TRAIN_OPTIONS_H

#include "options.h"
#include "output.h"
#include "toolformer/train.h"

enum { CLI_N_TRAIN = 28 };
typedef struct cli_training {
    tfc_train_params params;
    bool no_eos;
} cli_training;
cli_training cli_training_default(void);
void cli_train_options(cli_training *training, cli_option options[CLI_N_TRAIN]);
bool cli_train_complete(cli_training *training, const cli_common *common);

void cli_train_json(cli_json *json, const tfc_train_result *result);
void cli_train_print(const tfc_train_result *result);

#endif
