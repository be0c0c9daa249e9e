/* experiment: a file that says what to compare, from texts to tables. */
#include <stdlib.h>

#include "commands.h"
#include "input.h"
#include "options.h"
#include "output.h"
#include "toolformer/experiment.h"

/* A file of the experiment's folder, to stdout. */
static int print_file(const char *out, const char *name)
{
    char *path = NULL;
    size_t n;
    if (asprintf(&path, "%s/%s", out, name) < 0) return cli_fail("out of memory");
    char *text = cli_read_text(path, &n, true);
    if (text) cli_write(text, n);
    free(path);
    free(text);
    return text ? CLI_OK : CLI_FAILURE;
}

int cmd_experiment(int argc, char **argv)
{
    cli_common common = {0};
    cli_list arguments = {0};
    tfc_experiment_params params = tfc_experiment_params_default();
    const cli_option options[] = {
        {"out", CLI_TEXT, &params.out, "DIR", "folder of stages, tables and report", 0, 0},
        {"data-dir", CLI_TEXT, &params.data_dir, "DIR", "what ${DATA} stands for; else $TOOLFORMER_TEST_DATA",
         0, 0},
        {"plan", CLI_FLAG, &params.plan, NULL, "only list the stages, done and to do", 0, 0},
    };
    const cli_usage usage = {
        .command = "experiment",
        .synopsis = "FILE --out DIR [options]",
        .text =
            "Runs an experiment: texts, tools, recipe, training, the systems that are compared, evaluations\n"
            "and ablations stand in one JSON file (docs/EXPERIMENTS.md). Stages that are done are not run\n"
            "again, variants share what is the same for them, and the same command goes on where it was\n"
            "stopped. DIR then holds results.json, results.md and report.html.",
        .example = "toolformer experiment examples/experiments/arithmetic.json --out runs/arithmetic",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .min_arguments = 1,
        .max_arguments = 1};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &exit_code)) return exit_code;
    if (!params.out) {
        cli_list_release(&arguments);
        return cli_usage_error("experiment", "--out is missing");
    }
    params.file = arguments.items[0];
    params.model = common.model;
    params.cpu = common.cpu;
    params.operand = common.operand;
    params.n_threads = (int)common.threads;
    if (common.kv_mb > 0) params.kv_bytes = (size_t)common.kv_mb << 20;
    tfc_error err;
    tfc_error_init(&err);
    tfc_monitor monitor = cli_monitor(common.quiet && !params.plan);
    tfc_experiment_result result;
    tfc_status status = tfc_experiment_run(&params, &monitor, &result, &err);
    cli_progress_end();
    cli_list_release(&arguments);
    exit_code = CLI_OK;
    if (status != TFC_OK)
        exit_code = cli_fail_error(&err);
    else if (!params.plan)
        exit_code = print_file(params.out, common.json ? "results.json" : "results.md");
    return cli_finish(exit_code);
}
