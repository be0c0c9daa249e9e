/* tool list, show, call; new and test have files of their own. */
#include <string.h>

#include "cmd_tool.h"
#include "commands.h"
#include "input.h"
#include "options.h"
#include "output.h"
#include "toolformer/tools.h"

static tfc_tools *open_tools(const char *names, int *exit_code)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_tools *tools = tfc_tools_create(names, &err);
    if (!tools) *exit_code = cli_fail_error(&err);
    return tools;
}

static int tool_list(int argc, char **argv)
{
    cli_common common = {0};
    const char *names = NULL;
    const cli_option options[] = {
        {"tools", CLI_TEXT, &names, "A,B", "built-in tools and manifest files; else all built-in ones", 0, 0},
    };
    const cli_usage usage = {.command = "tool list",
                             .synopsis = "[options]",
                             .text =
                                 "Lists the tools with their descriptions, and what those lack that cannot "
                                 "work here.\nWith --json: {\"name\",\"description\",\"available\","
                                 "\"missing\"} a line.",
                             .example = "toolformer tool list",
                             .options = options,
                             .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;
    tfc_tools *tools = open_tools(names ? names : "all", &exit_code);
    if (!tools) return exit_code;
    exit_code = CLI_OK;
    for (size_t i = 0; i < tfc_tools_count(tools) && exit_code == CLI_OK; i++) {
        const tfc_tool *tool = tfc_tools_at(tools, i);
        cli_json line;
        tfc_error missing;
        bool available = tfc_tool_available(tool, &missing) == TFC_OK;
        if (!common.json) {
            cli_printf("%-12s %s\n", tfc_tool_name(tool), tfc_tool_description(tool));
            if (!available) cli_printf("%-12s unavailable: %s\n", "", missing.message);
        } else if (cli_json_init(&line)) {
            cli_json_begin(&line, NULL, '{');
            cli_json_text(&line, "name", tfc_tool_name(tool));
            cli_json_text(&line, "description", tfc_tool_description(tool));
            cli_json_bool(&line, "available", available);
            cli_json_text(&line, "missing", available ? NULL : missing.message);
            cli_json_end(&line, '}');
            if (!cli_json_print(&line)) exit_code = CLI_FAILURE;
        }
    }
    tfc_tools_free(tools);
    return cli_finish(exit_code);
}

const tfc_tool *cli_one_tool(const char *name, tfc_tools **tools, int *exit_code)
{
    *tools = open_tools(name, exit_code);
    if (!*tools) return NULL;
    if (tfc_tools_count(*tools) == 1) return tfc_tools_at(*tools, 0);
    *exit_code = cli_fail("'%s' names %zu tools; one is wanted", name, tfc_tools_count(*tools));
    return NULL;
}

static int tool_show(int argc, char **argv)
{
    cli_common common = {0};
    cli_list arguments = {0};
    const cli_usage usage = {.command = "tool show",
                             .synopsis = "NAME",
                             .text = "Prints a tool's manifest: a starting point for a tool of your own.",
                             .example = "toolformer tool show Calculator",
                             .min_arguments = 1,
                             .max_arguments = 1};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &exit_code)) return exit_code;
    tfc_tools *tools = NULL;
    const tfc_tool *tool = cli_one_tool(arguments.items[0], &tools, &exit_code);
    if (tool) {
        const char *manifest = tfc_tool_manifest(tool);
        size_t n = strlen(manifest);
        cli_write(manifest, n);
        if (n == 0 || manifest[n - 1] != '\n') cli_puts("\n");
        exit_code = CLI_OK;
    }
    tfc_tools_free(tools);
    cli_list_release(&arguments);
    return cli_finish(exit_code);
}

/* {"tool","args","result","error"}: one of the last two is null. */
static int print_call(const tfc_tool *tool, const char *args, const char *result, const char *error)
{
    cli_json line;
    if (!cli_json_init(&line)) return CLI_FAILURE;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "tool", tfc_tool_name(tool));
    cli_json_text(&line, "args", args);
    cli_json_text(&line, "result", result);
    cli_json_text(&line, "error", error);
    cli_json_end(&line, '}');
    return cli_json_print(&line) ? CLI_OK : CLI_FAILURE;
}

/* Lines of stdin as arguments, each answered by a line of JSON. */
static int call_lines(const tfc_tool *tool, const tfc_tool_context *context)
{
    cli_lines lines = {0};
    char *args;
    size_t n;
    int exit_code = CLI_OK;
    while (exit_code == CLI_OK && cli_lines_next(&lines, &args, &n)) {
        tfc_error err;
        tfc_error_init(&err);
        char *result = NULL;
        tfc_status status = tfc_tool_call(tool, args, context, &result, &err);
        exit_code = print_call(tool, args, result, status == TFC_OK ? NULL : err.message);
        tfc_text_free(result);
    }
    if (lines.failed) exit_code = CLI_FAILURE;
    cli_lines_release(&lines);
    return cli_interrupted() ? CLI_INTERRUPTED : exit_code;
}

static int tool_call(int argc, char **argv)
{
    cli_common common = {0};
    cli_list arguments = {0};
    const char *date = NULL;
    bool lines = false;
    const cli_option options[] = {
        {"date", CLI_TEXT, &date, "DATE", "YYYY-MM-DD, the day that the tool answers for; else today", 0, 0},
        {"lines", CLI_FLAG, &lines, NULL, "each line of stdin is the arguments of a call; answers in JSON", 0,
         0},
    };
    const cli_usage usage = {.command = "tool call",
                             .synopsis = "[options] NAME [ARGUMENTS]",
                             .text =
                                 "Runs a tool and prints its result alone. No result: exit 1 with the reason "
                                 "on\nstderr. With --json: {\"tool\",\"args\",\"result\",\"error\"}.",
                             .example = "toolformer tool call Calculator '400 / 1400'",
                             .options = options,
                             .n_options = sizeof options / sizeof *options,
                             .min_arguments = 1,
                             .max_arguments = 2};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &exit_code)) return exit_code;
    tfc_tools *tools = NULL;
    const tfc_tool *tool = cli_one_tool(arguments.items[0], &tools, &exit_code);
    if (tool && lines) {
        exit_code = call_lines(tool, &(tfc_tool_context){.date = date});
    } else if (tool) {
        const char *args = arguments.n > 1 ? arguments.items[1] : "";
        tfc_tool_context context = {.date = date};
        tfc_error err;
        tfc_error_init(&err);
        char *result = NULL;
        tfc_status status = tfc_tool_call(tool, args, &context, &result, &err);
        exit_code = status == TFC_OK ? CLI_OK : cli_fail_error(&err);
        if (common.json && print_call(tool, args, result, status == TFC_OK ? NULL : err.message) != CLI_OK)
            exit_code = CLI_FAILURE;
        if (!common.json && status == TFC_OK) cli_printf("%s\n", result);
        tfc_text_free(result);
    }
    tfc_tools_free(tools);
    cli_list_release(&arguments);
    return cli_finish(exit_code);
}

int cmd_tool(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "list") == 0) return tool_list(argc - 1, argv + 1);
    if (strcmp(verb, "show") == 0) return tool_show(argc - 1, argv + 1);
    if (strcmp(verb, "call") == 0) return tool_call(argc - 1, argv + 1);
    if (strcmp(verb, "new") == 0) return cli_tool_new(argc - 1, argv + 1);
    if (strcmp(verb, "import") == 0) return cli_tool_import(argc - 1, argv + 1);
    if (strcmp(verb, "diff") == 0) return cli_tool_diff(argc - 1, argv + 1);
    if (strcmp(verb, "test") == 0) return cli_tool_test(argc - 1, argv + 1);
    cli_common common = {0};
    const cli_usage usage = {.command = "tool",
                             .synopsis = "list|show|call|new|import|test|diff …",
                             .text = "list           the tools and what they do\n"
                                     "show NAME      a tool's manifest\n"
                                     "call NAME ARGS runs a tool\n"
                                     "new NAME       a commented manifest for a tool of your own\n"
                                     "import         manifests for the tools of an MCP server\n"
                                     "test NAME      runs a tool's demonstrations\n"
                                     "diff RUN       a recorded run's calls that come out differently now\n\n"
                                     "`toolformer tool call --help` tells more.",
                             .example = "toolformer tool call Calculator '400 / 1400'",
                             .max_arguments = 1};
    int exit_code;
    cli_list arguments = {0};
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &exit_code)) return exit_code;
    exit_code = arguments.n ? cli_usage_error("tool", "unknown command '%s'", arguments.items[0])
                            : cli_usage_error("tool", "list, show, call, new, import, test or diff?");
    cli_list_release(&arguments);
    return exit_code;
}
