/* annotate, filter: a corpus to candidates with their losses, and these to C*. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "annotate_options.h"
#include "commands.h"
#include "open_model.h"
#include "output.h"

static int annotate(const cli_common *common, const cli_annotation *annotation)
{
    tfc_model *model = cli_open_model(common);
    if (!model) return CLI_FAILURE;
    tfc_error err;
    tfc_error_init(&err);
    tfc_annotate_result result;
    tfc_monitor monitor = cli_monitor(common->quiet);
    tfc_status status = tfc_annotate(model, &annotation->params, &monitor, &result, &err);
    cli_progress_end();
    int exit_code = status == TFC_OK ? CLI_OK : cli_fail_error(&err);
    tfc_model_free(model);
    cli_json line;
    if (exit_code == CLI_OK && !common->json) {
        cli_annotate_print(&result);
    } else if (exit_code == CLI_OK && cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "run", annotation->params.run);
        cli_annotate_json(&line, &result);
        cli_json_end(&line, '}');
        if (!cli_json_print(&line)) exit_code = CLI_FAILURE;
    }
    return exit_code;
}

int cmd_annotate(int argc, char **argv)
{
    cli_common common = {0};
    cli_annotation annotation = cli_annotation_default();
    cli_option options[CLI_N_ANNOTATE + 1];
    cli_annotate_options(&annotation, options);
    options[CLI_N_ANNOTATE] = (cli_option){
        "run", CLI_TEXT, &annotation.params.run, "RUN", "the run's folder; made when absent", 0, 0};
    const cli_usage usage = {
        .command = "annotate",
        .synopsis = "--corpus FILE... --run RUN [options]",
        .text =
            "Finds places for calls in a corpus, proposes calls, runs them, and scores each with the three\n"
            "losses of the method. Every candidate goes to RUN/run.db. The same command goes on where it\n"
            "was stopped. `toolformer filter` makes the data set.",
        .example = "toolformer annotate --corpus texts.jsonl --tools Calculator --run runs/a --recipe small",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) {
        cli_list_release(&annotation.corpus);
        return exit_code;
    }
    exit_code = CLI_USAGE;
    if (!annotation.params.run)
        cli_usage_error("annotate", "--run is missing");
    else if (cli_annotate_complete(&annotation, "annotate", &common))
        exit_code = annotate(&common, &annotation);
    cli_list_release(&annotation.corpus);
    return cli_finish(exit_code);
}

int cmd_filter(int argc, char **argv)
{
    cli_common common = {0};
    const char *run = NULL, *tau_f = NULL, *choose = NULL, *rule = NULL, *results = NULL;
    int64_t max_ambiguous = 0, max_calls = 0;
    double min_likelihood = NAN;
    const cli_option options[] = {
        {"run", CLI_TEXT, &run, "RUN", "the run's folder", 0, 0},
        {"tau-f", CLI_TEXT, &tau_f, "X", "threshold in nats, or TOOL=X,… for some tools; else as annotated",
         0, 0},
        {"choose", CLI_TEXT, &choose, "NAME",
         "of several calls that pass at a place: gain, likelihood, fewest, coverage or random; else as "
         "annotated",
         0, 0},
        {"max-ambiguous", CLI_INT, &max_ambiguous, "N",
         "drop places with more than N calls of the same result (-1: drop none); else as annotated", -1,
         1000},
        {"filter", CLI_TEXT, &rule, "NAME",
         "gain, or none: every call with a result passes; else as annotated", 0, 0},
        {"results", CLI_TEXT, &results, "NAME", "own, or shuffled between calls; else as annotated", 0, 0},
        {"min-likelihood", CLI_NUMBER, &min_likelihood, "NATS",
         "least log p(call) of a call that is kept (-1000: any); else as annotated", 0, 0},
        {"max-calls", CLI_INT, &max_calls, "N",
         "most calls, chosen by the run's seed (-1: all); else as annotated", -1, INT64_MAX / 2},
    };
    const cli_usage usage = {
        .command = "filter",
        .synopsis = "--run RUN [options]",
        .text = "Judges the candidates of a run anew and writes RUN/dataset.jsonl, the texts "
                "with their\nkept calls. Needs no model.",
        .example = "toolformer filter --run runs/a --tau-f Calculator=1.0,Calendar=0.5",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;
    if (!run) return cli_usage_error("filter", "--run is missing");
    tfc_filter_params params = tfc_filter_params_default();
    params.run = run;
    params.choose = choose;
    params.max_ambiguous = max_ambiguous;
    params.filter = rule;
    params.results = results;
    params.max_calls = max_calls;
    params.min_likelihood = min_likelihood;
    if (tau_f) {
        char *end;
        double value = strtod(tau_f, &end);
        bool number = end != tau_f && *end == '\0' && isfinite(value);
        if (!number && !strchr(tau_f, '='))
            return cli_usage_error("filter", "--tau-f: '%s' is no number and no TOOL=NUMBER", tau_f);
        if (number)
            params.tau_f = value;
        else
            params.tau_f_by_tool = tau_f;
    }
    tfc_error err;
    tfc_error_init(&err);
    tfc_filter_result result;
    if (tfc_filter(&params, &result, &err) != TFC_OK) return cli_finish(cli_fail_error(&err));
    cli_json line;
    exit_code = CLI_OK;
    if (!common.json) {
        cli_filter_print(&result);
    } else if (cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "run", run);
        cli_json_int(&line, "snippets", result.snippets);
        cli_filter_json(&line, &result);
        cli_json_end(&line, '}');
        if (!cli_json_print(&line)) exit_code = CLI_FAILURE;
    }
    return cli_finish(exit_code);
}
