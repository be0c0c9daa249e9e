/* Windows as long as the model allows, up to 512. */
#include "toolformer/forget.h"

#include "base/memory.h"
#include "toolformer/eval.h"

tfc_status tfc_forget_measure(tfc_session *session, const char *data, const char *tools,
                              const tfc_monitor *monitor, tfc_forget_result *result, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    tfc_perplexity_params params = tfc_perplexity_params_default();
    tfc_perplexity measured;
    int64_t context = tfc_model_get_info(tfc_session_model(session)).context;
    if (params.window > context) params.window = context;
    params.path = data;
    params.monitor = monitor;
    tfc_tools *list = tfc_tools_create(tools, err);
    if (!list) return err->status;
    params.tools = list;
    tfc_status status = tfc_eval_perplexity(session, &params, &measured, err);
    tfc_tools_free(list);
    if (status == TFC_OK) *result = (tfc_forget_result){measured.n_banned, measured.banned};
    return status;
}
