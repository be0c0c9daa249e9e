/* Locating and opening the model that --model names. */
#include "open_model.h"

#include <string.h>

#include "output.h"

tfc_model *cli_open_model(const cli_common *common)
{
    tfc_error err;
    tfc_error_init(&err);
    char *path = NULL;
    tfc_model *model = NULL;
    if (tfc_model_locate(common->model, &path, &err) == TFC_OK) {
        tfc_model_params params = tfc_model_params_default();
        params.cpu = common->cpu;
        params.operand = common->operand;
        params.weights = common->weights;
        params.n_threads = (int)common->threads;
        if (common->verbose) cli_note("opening %s", path);
        model = tfc_model_open(path, &params, &err);
    }
    if (!model) cli_fail_error(&err);
    tfc_text_free(path);
    return model;
}

tfc_model *cli_open_writer(const cli_common *common)
{
    cli_common own = *common;
    bool int8 = own.operand && strcmp(own.operand, "int8") == 0;
    if (!own.weights && !int8) own.weights = "stored";
    return cli_open_model(&own);
}

tfc_session *cli_open_session(const cli_common *common, tfc_model *model)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_session_params params = tfc_session_params_default();
    params.n_threads = (int)common->threads;
    if (common->kv_mb > 0) params.kv_bytes = (size_t)common->kv_mb << 20;
    tfc_session *session = tfc_session_create(model, &params, &err);
    if (!session) cli_fail_error(&err);
    return session;
}
