/* explain: the three losses of one call at one place, token by token. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "input.h"
#include "open_model.h"
#include "output.h"
#include "toolformer/annotate.h"

static bool print_json(const tfc_explain_result *r)
{
    cli_json line;
    if (!cli_json_init(&line)) return false;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "tool", r->tool);
    cli_json_text(&line, "args", r->args);
    cli_json_text(&line, "result", r->result);
    cli_json_int(&line, "at", (int64_t)r->at);
    cli_json_int(&line, "token_index", r->token_index);
    cli_json_number(&line, "loss_empty", r->loss_empty);
    cli_json_number(&line, "loss_call", r->loss_call);
    cli_json_number(&line, "loss_result", r->loss_result);
    cli_json_number(&line, "gain", r->gain);
    cli_json_bool(&line, "keep", r->keep);
    cli_json_number(&line, "tau_f", r->tau_f);
    cli_json_begin(&line, "tokens", '[');
    for (size_t i = 0; i < r->n_tokens; i++) {
        cli_json_begin(&line, NULL, '{');
        cli_json_int(&line, "id", r->tokens[i].id);
        cli_json_text(&line, "text", r->tokens[i].text);
        cli_json_number(&line, "weight", r->tokens[i].weight);
        cli_json_number(&line, "empty", r->tokens[i].empty);
        cli_json_number(&line, "call", r->tokens[i].call);
        cli_json_number(&line, "result", r->tokens[i].result);
        cli_json_end(&line, '}');
    }
    cli_json_end(&line, ']');
    cli_json_end(&line, '}');
    return cli_json_print(&line);
}

static void print_table(const tfc_explain_result *r)
{
    cli_printf("%s(%s) -> %s\nbefore token %lld (byte %zu)\n\n", r->tool, r->args, r->result,
               (long long)r->token_index, r->at);
    cli_puts("  weight    no call       call     result  token\n");
    for (size_t i = 0; i < r->n_tokens; i++) {
        cli_printf("%8.4f %10.4f %10.4f %10.4f  '", r->tokens[i].weight, r->tokens[i].empty,
                   r->tokens[i].call, r->tokens[i].result);
        for (const char *c = r->tokens[i].text; *c; c++)
            if (*c == '\n')
                cli_puts("\\n");
            else
                cli_write(c, 1);
        cli_puts("'\n");
    }
    cli_printf("  loss   %10.4f %10.4f %10.4f\n\n", r->loss_empty, r->loss_call, r->loss_result);
    cli_printf("gain %.4f %s tau_f %.4f: %s\n", r->gain, r->keep ? ">=" : "<", r->tau_f,
               r->keep ? "kept" : "not kept");
}

static int explain(const cli_common *common, const tfc_explain_params *params, const char *tool_names)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_explain_result result = {0};
    int exit_code = CLI_FAILURE;
    tfc_session *session = NULL;
    tfc_tools *tools = tfc_tools_create(tool_names, &err);
    if (!tools) cli_fail_error(&err);
    tfc_model *model = tools ? cli_open_model(common) : NULL;
    if (model) session = cli_open_session(common, model);
    if (session && tfc_explain(session, tools, params, &result, &err) != TFC_OK) {
        exit_code = cli_fail_error(&err);
    } else if (session) {
        exit_code = CLI_OK;
        if (!common->json)
            print_table(&result);
        else if (!print_json(&result))
            exit_code = CLI_FAILURE;
        tfc_explain_release(&result);
    }
    tfc_session_free(session);
    tfc_model_free(model);
    tfc_tools_free(tools);
    return exit_code;
}

int cmd_explain(int argc, char **argv)
{
    cli_common common = {0};
    tfc_explain_params params = {.tau_f = NAN};
    const char *tools = NULL, *head_file = NULL;
    int64_t at = -1;
    const cli_option options[] = {
        {"call", CLI_TEXT, &params.call, "CALL", "`Calculator(400 / 1400)`", 0, 0},
        {"at", CLI_INT, &at, "BYTE", "the call stands before the first token that starts here or later", 0,
         INT64_MAX / 2},
        {"result", CLI_TEXT, &params.result, "TEXT", "its result; else the tool is run", 0, 0},
        {"context", CLI_TEXT, &params.context, "NAME", "prefix (default) or demonstrated", 0, 0},
        {"head", CLI_TEXT, &head_file, "FILE", "with demonstrated: this text instead of the tool's own head",
         0, 0},
        {"tools", CLI_TEXT, &tools, "A,B", "tools by name or manifest file; else all built-in ones", 0, 0},
        {"tau-f", CLI_NUMBER, &params.tau_f, "NATS", "threshold; else the tool's", 0, 0},
        {"date", CLI_TEXT, &params.date, "DATE", "YYYY-MM-DD for the tool; else today", 0, 0},
    };
    const cli_usage usage = {
        .command = "explain",
        .synopsis = "--call CALL --at BYTE [options] < TEXT",
        .text =
            "Scores one call at one place of the text on stdin: the losses of the next five tokens without\n"
            "a call, with the call alone, and with its result.",
        .example = "printf 'Pittsburgh is also known as the Steel City.' | toolformer explain \\\n"
                   "    --call 'Calculator(1 + 1)' --at 27 --result 'Steel City'",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;
    if (!params.call) return cli_usage_error("explain", "--call is missing");
    if (at < 0) return cli_usage_error("explain", "--at is missing");
    size_t n_head;
    char *head = head_file ? cli_read_text(head_file, &n_head, false) : NULL;
    char *text = head_file && !head ? NULL : cli_read_text(NULL, &params.n_text, false);
    exit_code = cli_interrupted() ? CLI_INTERRUPTED : CLI_FAILURE;
    if (text) {
        params.text = text;
        params.head = head;
        params.at = (size_t)at;
        exit_code = explain(&common, &params, tools);
    }
    free(text);
    free(head);
    return cli_finish(exit_code);
}
