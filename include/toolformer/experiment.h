/* toolformer/experiment.h: an experiment as one JSON file, from texts to tables.
 *
 * The file (docs/EXPERIMENTS.md) names texts, tools, a recipe, training settings, seeds, systems, evaluations
 * and ablations. The systems of the paper: `base`, the model as it is; `plain`, tuned on the same texts
 * without calls, with the same steps, order and seeds; `disabled`, the taught model with calls banned;
 * `taught`. The work falls into stages (annotate, filter, train, evaluate, …). Each lies in OUT/stages under
 * a key made from all that decides its result: settings, hashes of files, the model. A finished stage is not
 * run again; variants of the experiment share the stages that are the same for them; a stage that was stopped
 * goes on where it was. At the end, and after each stopped start as far as there are results, OUT holds
 * results.json, results.md and report.html.
 *
 *     tfc_experiment_params params = tfc_experiment_params_default();
 *     params.file = "examples/experiments/arithmetic.json";
 *     params.out = "runs/arithmetic";
 *     if (tfc_experiment_run(&params, &monitor, &result, &err) != TFC_OK) … */
#ifndef TOOLFORMER_EXPERIMENT_H
#define TOOLFORMER_EXPERIMENT_H

#include "toolformer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_experiment_params {
    const char *file;          /* the experiment */
    const char *out;           /* folder; made when absent */
    const char *data_dir;      /* what ${DATA} stands for; NULL: $TOOLFORMER_TEST_DATA */
    const char *model;         /* wins over the file's; NULL: the file's, else the default model */
    const char *cpu, *operand; /* as tfc_model_params */
    int n_threads;             /* 0: all cores; changes no result */
    size_t kv_bytes;           /* for keys and values; 0: the session's default; changes no result */
    bool plan;                 /* only say what would be done, through the monitor's notes */
} tfc_experiment_params;
tfc_experiment_params tfc_experiment_params_default(void);

typedef struct tfc_experiment_result {
    int64_t n_stages, n_found, n_run; /* in all; done before; done by this call */
    double seconds;
} tfc_experiment_result;

/* TFC_EFORMAT: the file is broken, the message names file and field. TFC_ENOTFOUND: a file that it names is
 * absent. TFC_EINTERRUPTED: the same call goes on. */
tfc_status tfc_experiment_run(const tfc_experiment_params *params, const tfc_monitor *monitor,
                              tfc_experiment_result *result, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
