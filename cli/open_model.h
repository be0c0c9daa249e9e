/* cli/open_model.h: from the common options to a model and a session. */
#ifndef CLI_OPEN_MODEL_H
#define CLI_OPEN_MODEL_H

#include "options.h"
#include "toolformer/engine.h"
#include "toolformer/model.h"

/* NULL after a message. */
tfc_model *cli_open_model(const cli_common *common);
/* The same for a program that writes one text: weights stay as they are stored unless the options say
 * otherwise, which is the faster form for single rows, with the same results. */
tfc_model *cli_open_writer(const cli_common *common);
tfc_session *cli_open_session(const cli_common *common, tfc_model *model);

#endif
