/* Windows as long as the model allows, up to 512; figures that are kept with the run. */
#include "toolformer/forget.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "eval/forget_file.h"
#include "toolformer/eval.h"

tfc_status tfc_forget_measure(tfc_session *session, const char *data, const tfc_monitor *monitor,
                              tfc_forget_result *result, tfc_error *err)
{
    tfc_perplexity_params params = tfc_perplexity_params_default();
    tfc_perplexity measured;
    int64_t context = tfc_model_get_info(tfc_session_model(session)).context;
    if (params.window > context) params.window = context;
    params.path = data;
    params.monitor = monitor;
    tfc_status status = tfc_eval_perplexity(session, &params, &measured, err);
    if (status == TFC_OK) *result = (tfc_forget_result){measured.n_banned, measured.banned};
    return status;
}

/* ---- the file ---- */

tfc_status tfc_forget_about_make(tfc_forget_about *about, const char *model, const char *base,
                                 const char *data, tfc_error *err)
{
    *about = (tfc_forget_about){0};
    tfc_status status = tfc_path_hash(model, &about->model, err);
    if (status == TFC_OK) status = tfc_path_hash(base, &about->base, err);
    if (status == TFC_OK && data) status = tfc_path_hash(data, &about->text, err);
    return status;
}

static tfc_status get_hash(tfc_json *json, const char *key, uint64_t *hash, tfc_error *err)
{
    const char *text;
    tfc_status status = tfc_json_get_text(json, key, &text, NULL, NULL, err);
    if (status == TFC_OK) *hash = strtoull(text, NULL, 16);
    return status;
}

tfc_status tfc_forget_load(const char *run, const tfc_forget_about *about, tfc_forget_report *report,
                           bool *found, tfc_error *err)
{
    *found = false;
    char *path = tfc_path_join(run, "forgetting.json");
    if (!path) return tfc_fail_memory(err, "forgetting");
    tfc_json *json = tfc_file_exists(path) ? tfc_json_parse_file(path, 1 << 16, NULL) : NULL;
    tfc_free(path);
    tfc_forget_about of;
    *report = (tfc_forget_report){.stored = true};
    /* A file that cannot be read is made anew. */
    bool ok = json_object_is_type(json, json_type_object) &&
              get_hash(json, "model", &of.model, NULL) == TFC_OK &&
              get_hash(json, "base", &of.base, NULL) == TFC_OK &&
              get_hash(json, "text", &of.text, NULL) == TFC_OK &&
              tfc_json_get_int(json, "tokens", 1, INT64_MAX, &report->n_tokens, NULL, NULL) == TFC_OK &&
              tfc_json_get_double(json, "base_perplexity", &report->base_perplexity, NULL, NULL) == TFC_OK &&
              tfc_json_get_double(json, "perplexity", &report->perplexity, NULL, NULL) == TFC_OK &&
              report->base_perplexity > 0;
    *found = ok && of.model == about->model && of.base == about->base && of.text == about->text;
    if (*found) report->change = report->perplexity / report->base_perplexity - 1;
    json_object_put(json);
    return TFC_OK;
}

tfc_status tfc_forget_save(const char *run, const tfc_forget_about *about, const tfc_forget_report *report,
                           tfc_error *err)
{
    char *path = tfc_path_join(run, "forgetting.json");
    tfc_buffer json;
    tfc_buffer_init(&json, 4096);
    tfc_buffer_printf(&json,
                      "{\"model\":\"%016llx\",\"base\":\"%016llx\",\"text\":\"%016llx\",\"tokens\":%lld,"
                      "\"base_perplexity\":%.12g,\"perplexity\":%.12g,\"change\":%.6g}\n",
                      (unsigned long long)about->model, (unsigned long long)about->base,
                      (unsigned long long)about->text, (long long)report->n_tokens, report->base_perplexity,
                      report->perplexity, report->change);
    tfc_status status = path ? tfc_buffer_ok(&json, "forgetting", err) : tfc_fail_memory(err, "forgetting");
    if (status == TFC_OK) status = tfc_file_write_whole(path, json.data, json.n, err);
    tfc_buffer_release(&json);
    tfc_free(path);
    return status;
}

/* ---- both models ---- */

static tfc_status measure_model(const char *path, const tfc_forget_params *params, const tfc_monitor *monitor,
                                tfc_forget_result *result, tfc_error *err)
{
    tfc_model_params opening = tfc_model_params_default();
    opening.cpu = params->cpu;
    opening.operand = params->operand;
    opening.n_threads = params->n_threads;
    tfc_model *model = tfc_model_open(path, &opening, err);
    if (!model) return err->status;
    tfc_session_params session_params = tfc_session_params_default();
    session_params.n_threads = params->n_threads;
    tfc_session *session = tfc_session_create(model, &session_params, err);
    tfc_status status =
        session ? tfc_forget_measure(session, params->data, monitor, result, err) : err->status;
    tfc_session_free(session);
    tfc_model_free(model);
    return status;
}

static tfc_status measure_both(const char *model, const tfc_forget_params *params, const tfc_monitor *monitor,
                               tfc_forget_report *report, tfc_error *err)
{
    tfc_forget_result base, tuned;
    tfc_status status = measure_model(params->base, params, monitor, &base, err);
    if (status == TFC_OK) status = measure_model(model, params, monitor, &tuned, err);
    if (status != TFC_OK) return status;
    if (base.n_tokens != tuned.n_tokens)
        return tfc_fail(err, TFC_ECONFLICT, "'%s' does not come from '%s': their tokens are not the same",
                        model, params->base);
    *report = (tfc_forget_report){.n_tokens = base.n_tokens,
                                  .base_perplexity = base.perplexity,
                                  .perplexity = tuned.perplexity,
                                  .change = tuned.perplexity / base.perplexity - 1};
    return TFC_OK;
}

tfc_status tfc_forget_check(const tfc_forget_params *params, const tfc_monitor *monitor,
                            tfc_forget_report *report, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    tfc_forget_about about;
    bool found = false;
    char *model = tfc_path_join(params->run, "model");
    if (!model) return tfc_fail_memory(err, "forgetting");
    tfc_status status = tfc_forget_about_make(&about, model, params->base, params->data, err);
    if (status == TFC_OK) status = tfc_forget_load(params->run, &about, report, &found, err);
    if (status == TFC_OK && !found) status = measure_both(model, params, monitor, report, err);
    if (status == TFC_OK && !found) status = tfc_forget_save(params->run, &about, report, err);
    tfc_free(model);
    return status;
}
