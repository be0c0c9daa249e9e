/* bench: figures beside their limits. */
#include <math.h>

#include "commands.h"
#include "open_model.h"
#include "output.h"
#include "toolformer/bench.h"

typedef struct printer {
    bool json;
    tfc_model_info info;
    int64_t threads;
} printer;

static void print_figure(void *context, const tfc_bench_figure *f)
{
    const printer *p = context;
    cli_json line;
    if (!p->json) {
        cli_printf("%-52s %9.1f %-9s", f->name, f->value, f->unit);
        if (isnan(f->limit))
            cli_puts("\n");
        else
            cli_printf(" limit %9.1f  %5.1f %%\n", f->limit, 100 * f->value / f->limit);
    } else if (cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "name", f->name);
        cli_json_number(&line, "value", f->value);
        cli_json_text(&line, "unit", f->unit);
        cli_json_number(&line, "limit", f->limit);
        cli_json_number(&line, "share_of_limit", f->value / f->limit);
        cli_json_text(&line, "cpu_path", p->info.cpu_path);
        cli_json_text(&line, "operand", p->info.operand);
        cli_json_int(&line, "threads", p->threads);
        cli_json_end(&line, '}');
        cli_json_print(&line);
    }
    cli_flush();
}

int cmd_bench(int argc, char **argv)
{
    cli_common common = {0};
    int64_t turns = 5;
    const char *only = NULL;
    const cli_option options[] = {
        {"turns", CLI_INT, &turns, "N", "turns of each work; the median counts (default 5)", 1, 25},
        {"only", CLI_TEXT, &only, "TEXT", "only the works whose name contains it", 0, 0},
    };
    const cli_usage usage = {
        .command = "bench",
        .synopsis = "[options]",
        .text = "Measures scoring, decoding and training on this machine, each beside its limit measured in\n"
                "the same run. Quiet machine, please. With --json a line a figure: {\"name\",\"value\",\n"
                "\"unit\",\"limit\",\"share_of_limit\",\"cpu_path\",\"operand\",\"threads\"}.",
        .example = "toolformer bench --threads 2",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = cli_open_model(&common);
    if (!model) return cli_finish(CLI_FAILURE);
    tfc_monitor monitor = cli_monitor(common.quiet);
    printer p = {common.json, tfc_model_get_info(model), common.threads};
    if (!common.json) cli_printf("%s, %s operands\n", p.info.cpu_path, p.info.operand);
    exit_code = CLI_OK;
    if (tfc_bench(model, (int)common.threads, (int)turns, only, print_figure, &p, &monitor, &err) != TFC_OK)
        exit_code = cli_fail_error(&err);
    tfc_model_free(model);
    return cli_finish(exit_code);
}
