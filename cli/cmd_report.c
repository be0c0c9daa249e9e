/* report: a run as one HTML file. */
#include "commands.h"
#include "options.h"
#include "output.h"
#include "toolformer/report.h"

int cmd_report(int argc, char **argv)
{
    cli_common common = {0};
    const char *run = NULL;
    int64_t examples = 40;
    const cli_option options[] = {
        {"run", CLI_TEXT, &run, "RUN", "the run's folder", 0, 0},
        {"examples", CLI_INT, &examples, "N", "calls shown of each kind (default 40)", 1, 100000},
    };
    const cli_usage usage = {
        .command = "report",
        .synopsis = "--run RUN [options]",
        .text = "Writes RUN/report.html: what was kept, what was not and why, how the training went, and\n"
                "answers before and after where RUN/eval-before.jsonl and RUN/eval-after.jsonl are.",
        .example = "toolformer report --run runs/demo",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;
    if (!run) return cli_usage_error(usage.command, "--run is needed");
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_report_write(run, examples, &err) != TFC_OK) return cli_finish(cli_fail_error(&err));
    if (!common.quiet) cli_printf("%s/report.html\n", run);
    return cli_finish(CLI_OK);
}
