/* generate: continues a prompt, with tool calls made on the way. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "decoding.h"
#include "input.h"
#include "open_model.h"
#include "output.h"

/* The arguments with blanks between them, or stdin without its last line break. */
static char *read_prompt(const cli_list *arguments)
{
    size_t n = 1;
    if (arguments->n == 0) {
        if (isatty(STDIN_FILENO)) fputs("toolformer: the prompt, then Ctrl-D:\n", stderr);
        char *text = cli_read_text(NULL, &n, false);
        if (text && n > 0 && text[n - 1] == '\n') text[--n] = '\0';
        if (text && memchr(text, '\0', n)) {
            cli_fail("stdin: NUL at byte %zu", strlen(text));
            free(text);
            return NULL;
        }
        return text;
    }
    for (size_t i = 0; i < arguments->n; i++) n += strlen(arguments->items[i]) + 1;
    char *text = malloc(n);
    if (!text) {
        cli_fail("out of memory");
        return NULL;
    }
    char *end = text;
    for (size_t i = 0; i < arguments->n; i++) {
        if (i) *end++ = ' ';
        end = stpcpy(end, arguments->items[i]);
    }
    *end = '\0';
    return text;
}

static bool print_json(const char *prompt, const tfc_generate_result *result, bool logprobs)
{
    cli_json line;
    if (!cli_json_init(&line)) return false;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "prompt", prompt);
    cli_json_text(&line, "text", result->text);
    cli_json_text(&line, "text_without_calls", result->text_without_calls);
    cli_json_begin(&line, "calls", '[');
    for (size_t i = 0; i < result->n_calls; i++) {
        const tfc_made_call *call = &result->calls[i];
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "tool", call->tool);
        cli_json_text(&line, "args", call->args);
        cli_json_text(&line, "result", call->result);
        cli_json_number(&line, "ms", call->ms);
        cli_json_text(&line, "error", call->error);
        cli_json_int(&line, "at", (int64_t)call->at);
        cli_json_end(&line, '}');
    }
    cli_json_end(&line, ']');
    cli_json_int(&line, "n_tokens", result->n_tokens);
    cli_json_text(&line, "finish_reason", tfc_generate_finish_text(result->finish));
    if (logprobs) {
        cli_json_begin(&line, "ids", '[');
        for (int64_t i = 0; i < result->n_tokens; i++) cli_json_int(&line, NULL, result->ids[i]);
        cli_json_end(&line, ']');
        cli_json_begin(&line, "logprobs", '[');
        for (int64_t i = 0; i < result->n_tokens; i++) cli_json_number(&line, NULL, result->logprobs[i]);
        cli_json_end(&line, ']');
    }
    cli_json_end(&line, '}');
    return cli_json_print(&line);
}

static void on_text(void *context, const char *text, size_t n)
{
    (void)context;
    cli_write(text, n);
    cli_flush();
}

static int generate(const cli_common *common, const cli_decoding *decoding, const char *prompt, bool logprobs)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_tools *tools = NULL;
    tfc_generate_params params;
    tfc_generate_result result = {0};
    int exit_code = CLI_FAILURE;
    tfc_model *model = NULL;
    tfc_session *session = NULL;
    tfc_monitor monitor = cli_monitor(common->quiet);
    if (cli_decoding_params(decoding, common, &tools, &params)) model = cli_open_model(common);
    if (model) session = cli_open_session(common, model);
    if (session) {
        params.monitor = &monitor;
        if (!common->json) params.on_text = on_text;
        if (tfc_generate(session, &prompt, 1, &params, &result, &err) != TFC_OK)
            exit_code = cli_fail_error(&err);
        else if (result.finish == TFC_GENERATE_CONTEXT && result.n_tokens == 0)
            exit_code = cli_fail("the prompt leaves no room in the model's context of %lld tokens",
                                 (long long)tfc_model_get_info(model).context);
        else
            exit_code = CLI_OK;
    }
    if (exit_code == CLI_OK && common->json && !print_json(prompt, &result, logprobs))
        exit_code = CLI_FAILURE;
    if (exit_code == CLI_OK && !common->json) cli_puts("\n");
    for (size_t i = 0; i < result.n_calls && !common->json && !common->quiet; i++)
        if (result.calls[i].error)
            cli_note("%s(%s): %s", result.calls[i].tool, result.calls[i].args, result.calls[i].error);
    if (exit_code == CLI_OK && result.finish == TFC_GENERATE_INTERRUPTED && cli_interrupted())
        exit_code = CLI_INTERRUPTED;
    tfc_generate_release(&result);
    tfc_session_free(session);
    tfc_model_free(model);
    tfc_tools_free(tools);
    return exit_code;
}

int cmd_generate(int argc, char **argv)
{
    cli_common common = {0};
    cli_list arguments = {0};
    cli_decoding decoding = cli_decoding_default();
    bool logprobs = false;
    cli_option options[CLI_N_DECODING + 1];
    cli_decoding_options(&decoding, options);
    options[CLI_N_DECODING] = (cli_option){
        "logprobs", CLI_FLAG, &logprobs, NULL, "with --json: ids and logprobs of the new tokens", 0, 0};
    const cli_usage usage = {
        .command = "generate",
        .synopsis = "[options] [PROMPT]",
        .text = "Continues the prompt (or stdin, without its last line break). When the model wants a tool,\n"
                "writing stops, the tool runs, and writing goes on behind its result. With --json:\n"
                "{\"prompt\",\"text\",\"text_without_calls\",\"calls\",\"n_tokens\",\"finish_reason\"}.",
        .example = "toolformer generate --tools Calculator 'Out of 1400 participants, 400 passed, that is'",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .max_arguments = 4096};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &exit_code)) return exit_code;
    if (decoding.top_p <= 0) {
        cli_list_release(&arguments);
        return cli_usage_error(usage.command, "--top-p must be more than 0");
    }
    if (logprobs && !common.json) {
        cli_list_release(&arguments);
        return cli_usage_error(usage.command, "--logprobs needs --json");
    }
    char *prompt = read_prompt(&arguments);
    exit_code = cli_interrupted() ? CLI_INTERRUPTED : CLI_FAILURE;
    if (prompt) exit_code = generate(&common, &decoding, prompt, logprobs);
    free(prompt);
    cli_list_release(&arguments);
    return cli_finish(exit_code);
}
