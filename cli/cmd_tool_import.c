/* tool import: the tools of an MCP server as manifests. */
#include "cmd_tool.h"
#include "options.h"
#include "output.h"
#include "toolformer/import.h"

/* A line a tool: {"tool","file","error"}, one of the last two is null. */
static void tell(void *context, const char *tool, const char *path, const char *why)
{
    cli_json line;
    if (!*(const bool *)context) {
        if (path)
            cli_printf("%s\n", path);
        else
            cli_note("%s is left out: %s", tool, why);
    } else if (cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "tool", tool);
        cli_json_text(&line, "file", path);
        cli_json_text(&line, "error", why);
        cli_json_end(&line, '}');
        cli_json_print(&line);
    }
}

int cli_tool_import(int argc, char **argv)
{
    cli_common common = {0};
    tfc_import_params p = {.command = NULL};
    cli_list names = {0}, headers = {0}, environment = {0}, reads = {0}, writes = {0};
    const cli_option options[] = {
        {"command", CLI_TEXT, &p.command, "'PROGRAM ARGS'", "a server that speaks over its standard streams",
         0, 0},
        {"url", CLI_TEXT, &p.url, "URL", "a server that speaks HTTP", 0, 0},
        {"tool", CLI_LIST, &names, "NAME...", "these tools; else all", 0, 0},
        {"out", CLI_TEXT, &p.out, "FOLDER", "where the manifests go; else here", 0, 0},
        {"force", CLI_FLAG, &p.force, NULL, "over manifests that are there", 0, 0},
        {"env", CLI_LIST, &environment, "NAME...",
         "variables that the program gets, or that headers name as ${ENV:NAME}", 0, 0},
        {"header", CLI_LIST, &headers, "'NAME: VALUE'...", "of each request to the URL", 0, 0},
        {"read", CLI_LIST, &reads, "PATH...", "what the program may read beside itself and its arguments", 0,
         0},
        {"write", CLI_LIST, &writes, "PATH...", "what it may read and change", 0, 0},
        {"network", CLI_FLAG, &p.network, NULL, "the program may use the network", 0, 0},
        {"sandbox", CLI_TEXT, &p.sandbox, "best|strict|none", "what keeps the program apart (default best)",
         0, 0},
    };
    const cli_usage usage = {
        .command = "tool import",
        .synopsis = "--command '…'|--url URL [options]",
        .text =
            "Writes a manifest for each tool of an MCP server: its schema, an instruction, and a skeleton "
            "of\ndemonstrations to be replaced by your own. Prints the files. With --json: "
            "{\"tool\",\"file\",\"error\"} a\nline. The program runs in a sandbox: what it may touch is "
            "named here, and stands in the manifests.",
        .example = "toolformer tool import --command 'mcp-server-git --repository /home/me/work' --out tools",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &code)) return code;
    p.names = names.items, p.n_names = names.n;
    p.headers = headers.items, p.n_headers = headers.n;
    p.environment = environment.items, p.n_environment = environment.n;
    p.read = reads.items, p.n_read = reads.n;
    p.write = writes.items, p.n_write = writes.n;
    tfc_error err;
    tfc_error_init(&err);
    if (!p.command == !p.url)
        code = cli_usage_error("tool import", "one of --command and --url");
    else
        code = tfc_tools_import(&p, tell, &common.json, &err) == TFC_OK ? CLI_OK : cli_fail_error(&err);
    cli_list_release(&names);
    cli_list_release(&headers);
    cli_list_release(&environment);
    cli_list_release(&reads);
    cli_list_release(&writes);
    return cli_finish(code);
}
