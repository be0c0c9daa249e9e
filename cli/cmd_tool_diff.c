/* tool diff: a recorded run's calls with the tools as they are now. */
#include "cmd_tool.h"
#include "options.h"
#include "output.h"
#include "toolformer/runner.h"

static const char *outcome(tfc_status status)
{
    return status == TFC_OK ? "result" : status == TFC_ENORESULT ? "no result" : "failed";
}

static void print_change(void *context, const tfc_call_change *change)
{
    const bool *json = context;
    cli_json line;
    if (!*json) {
        cli_printf("%s(%s)%s%s: %s%s -> %s%s\n", change->tool, change->args, change->date ? " on " : "",
                   change->date ? change->date : "",
                   change->then_status == TFC_OK ? "" : "no result: ", change->then,
                   change->now_status == TFC_OK          ? ""
                   : change->now_status == TFC_ENORESULT ? "no result: "
                                                         : "failed: ",
                   change->now);
    } else if (cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "tool", change->tool);
        cli_json_text(&line, "args", change->args);
        cli_json_text(&line, "date", change->date);
        cli_json_text(&line, "then_outcome", outcome(change->then_status));
        cli_json_text(&line, "then", change->then);
        cli_json_text(&line, "now_outcome", outcome(change->now_status));
        cli_json_text(&line, "now", change->now);
        cli_json_end(&line, '}');
        cli_json_print(&line);
    }
}

static bool print_summary(const tfc_diff_result *result, bool json)
{
    cli_json line;
    if (!json) {
        cli_printf("%lld of %lld calls changed", (long long)result->changed, (long long)result->calls);
        if (result->skipped) cli_printf(", %lld not compared", (long long)result->skipped);
        if (result->other_manifests)
            cli_printf("; %lld manifests differ", (long long)result->other_manifests);
        cli_puts("\n");
        return true;
    }
    if (!cli_json_init(&line)) return false;
    cli_json_begin(&line, NULL, '{');
    cli_json_int(&line, "calls", result->calls);
    cli_json_int(&line, "changed", result->changed);
    cli_json_int(&line, "skipped", result->skipped);
    cli_json_int(&line, "other_manifests", result->other_manifests);
    cli_json_end(&line, '}');
    return cli_json_print(&line);
}

static int diff(const char *run, const char *names, const cli_common *common)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_diff_result result;
    bool json = common->json;
    tfc_monitor monitor = cli_monitor(common->quiet);
    char *recorded = names ? NULL : tfc_recording_tools(run, &err);
    tfc_tools *tools = names || recorded ? tfc_tools_create(names ? names : recorded, &err) : NULL;
    tfc_text_free(recorded);
    if (!tools) return cli_fail_error(&err);
    tfc_status status = tfc_recording_diff(run, tools, print_change, &json, &monitor, &result, &err);
    tfc_tools_free(tools);
    if (status != TFC_OK) return cli_fail_error(&err);
    if (!print_summary(&result, json)) return CLI_FAILURE;
    return result.changed ? CLI_FAILURE : CLI_OK;
}

int cli_tool_diff(int argc, char **argv)
{
    cli_common common = {0};
    cli_list arguments = {0};
    const char *names = NULL;
    const cli_option options[] = {
        {"tools", CLI_TEXT, &names, "A,B",
         "tools to compare with; else those of the run, where they were then", 0, 0},
    };
    const cli_usage usage = {
        .command = "tool diff",
        .synopsis = "[options] RUN",
        .text = "Makes the calls that a run recorded with the tools as they are now, and prints\n"
                "those that come out differently: exit 1 when there are any. With --json:\n"
                "{\"tool\",\"args\",\"date\",\"then_outcome\",\"then\",\"now_outcome\",\"now\"} a call,\n"
                "then {\"calls\",\"changed\",\"skipped\",\"other_manifests\"}.",
        .example = "toolformer tool diff runs/demo",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .min_arguments = 1,
        .max_arguments = 1};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &exit_code)) return exit_code;
    exit_code = diff(arguments.items[0], names, &common);
    cli_list_release(&arguments);
    return cli_finish(exit_code);
}
