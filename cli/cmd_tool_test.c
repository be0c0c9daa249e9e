/* tool test: runs the demonstrations of a manifest. */
#include <string.h>

#include "cmd_tool.h"
#include "options.h"
#include "output.h"
#include "toolformer/calls.h"
#include "toolformer/tool_check.h"

typedef struct printing {
    const char *name;
    bool json;
} printing;

static const char *problem(const tfc_tool_check *check)
{
    if (check->passed) return NULL;
    return check->status == TFC_OK ? "printed into its call, the result does not read back" : check->text;
}

static void print_json(const tfc_tool_check *check)
{
    cli_json line;
    if (!cli_json_init(&line)) return;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "field", check->field);
    cli_json_int(&line, "index", (int64_t)check->index);
    cli_json_text(&line, "args", check->args);
    cli_json_text(&line, "date", check->date);
    cli_json_text(&line, "result", check->status == TFC_OK ? check->text : NULL);
    cli_json_text(&line, "error", problem(check));
    cli_json_bool(&line, "changed", check->changed);
    cli_json_bool(&line, "passed", check->passed);
    cli_json_number(&line, "ms", check->ms);
    cli_json_end(&line, '}');
    cli_json_print(&line);
}

static void print_check(void *context, const tfc_tool_check *check)
{
    const printing *p = context;
    if (p->json) {
        print_json(check);
        return;
    }
    cli_printf("%-4s %7.1f ms  %s[%zu]  [%s(%s) -> %s]%s\n", check->passed ? "ok" : "FAIL", check->ms,
               check->field, check->index, p->name, check->args, check->status == TFC_OK ? check->text : "",
               check->changed ? "  (brackets, line breaks or length changed)" : "");
    if (!check->passed) cli_printf("     %s\n", problem(check));
}

static int print_summary(const tfc_tool_check_result *result, bool json)
{
    cli_json line;
    if (!json) {
        cli_printf("%lld of %lld calls passed; ready in %.0f ms; median %.1f ms, worst %.1f ms\n",
                   (long long)(result->calls - result->failed), (long long)result->calls, result->ready_ms,
                   result->median_ms, result->worst_ms);
    } else if (cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_int(&line, "calls", result->calls);
        cli_json_int(&line, "failed", result->failed);
        cli_json_number(&line, "ready_ms", result->ready_ms);
        cli_json_number(&line, "median_ms", result->median_ms);
        cli_json_number(&line, "worst_ms", result->worst_ms);
        cli_json_end(&line, '}');
        cli_json_print(&line);
    }
    return result->failed ? CLI_FAILURE : CLI_OK;
}

int cli_tool_test(int argc, char **argv)
{
    cli_common common = {0};
    cli_list arguments = {0};
    int64_t repeats = 3;
    const cli_option options[] = {
        {"repeats", CLI_INT, &repeats, "N", "times that each call is made (default 3)", 1, 1000000},
    };
    const cli_usage usage = {
        .command = "tool test",
        .synopsis = "[options] NAME",
        .text = "Runs the calls in a tool's demonstrations: each must have a result that reads "
                "back from\nthe printed call. Says how long they take. A call that fails: exit "
                "1. With --json a line\na call {\"field\",\"index\",\"args\",\"date\",\"result\",\"error\","
                "\"changed\",\"passed\",\"ms\"}, then\n{\"calls\",\"failed\",\"ready_ms\",\"median_ms\","
                "\"worst_ms\"}.",
        .example = "toolformer tool test Calculator",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .min_arguments = 1,
        .max_arguments = 1};
    int code;
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &code)) return code;
    tfc_tools *tools = NULL;
    const tfc_tool *tool = cli_one_tool(arguments.items[0], &tools, &code);
    if (tool) {
        tfc_error err;
        tfc_error_init(&err);
        tfc_monitor monitor = cli_monitor(true);
        printing p = {.name = tfc_tool_name(tool), .json = common.json};
        tfc_tool_check_params params = tfc_tool_check_params_default();
        params.repeats = (int)repeats;
        params.seen = print_check;
        params.context = &p;
        params.monitor = &monitor;
        tfc_tool_check_result result;
        tfc_status status = tfc_tool_run_demonstrations(tool, &params, &result, &err);
        code = status == TFC_OK ? print_summary(&result, common.json) : cli_fail_error(&err);
    }
    tfc_tools_free(tools);
    cli_list_release(&arguments);
    return cli_finish(code);
}
