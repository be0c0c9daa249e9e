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

typedef struct writing {
    tfc_tools *tools;
    tfc_model *model;
    tfc_session *session;
    tfc_monitor monitor;
    tfc_generate_params params;
} writing;

static bool open_writing(writing *self, const cli_common *common, const cli_decoding *decoding, bool many)
{
    *self = (writing){.monitor = cli_monitor(common->quiet)};
    if (cli_decoding_params(decoding, common, &self->tools, &self->params))
        self->model = many ? cli_open_model(common) : cli_open_writer(common);
    if (self->model) self->session = cli_open_session(common, self->model);
    self->params.monitor = &self->monitor;
    return self->session != NULL;
}

static void close_writing(writing *self)
{
    tfc_session_free(self->session);
    tfc_model_free(self->model);
    tfc_tools_free(self->tools);
}

static int generate(writing *self, const cli_common *common, const char *prompt, bool logprobs)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_generate_result result = {0};
    int exit_code = CLI_FAILURE;
    if (!common->json) self->params.on_text = on_text;
    if (tfc_generate(self->session, &prompt, 1, &self->params, &result, &err) != TFC_OK)
        exit_code = cli_fail_error(&err);
    else if (result.finish == TFC_GENERATE_CONTEXT && result.n_tokens == 0)
        exit_code = cli_fail("the prompt leaves no room in the model's context of %lld tokens",
                             (long long)tfc_model_get_info(self->model).context);
    else
        exit_code = CLI_OK;
    if (exit_code == CLI_OK && common->json && !print_json(prompt, &result, logprobs))
        exit_code = CLI_FAILURE;
    if (exit_code == CLI_OK && !common->json) cli_puts("\n");
    for (size_t i = 0; i < result.n_calls && !common->json && !common->quiet; i++)
        if (result.calls[i].error)
            cli_note("%s(%s): %s", result.calls[i].tool, result.calls[i].args, result.calls[i].error);
    if (exit_code == CLI_OK && result.finish == TFC_GENERATE_INTERRUPTED && cli_interrupted())
        exit_code = CLI_INTERRUPTED;
    tfc_generate_release(&result);
    return exit_code;
}

/* The lines of a text in place; empty ones are left out. NULL: memory is wanting. */
static const char **cut_lines(char *text, size_t *n)
{
    size_t capacity = 1;
    for (const char *c = text; *c; c++) capacity += *c == '\n';
    const char **lines = malloc(capacity * sizeof *lines);
    *n = 0;
    for (char *rest = text, *line; lines && (line = strsep(&rest, "\n"));)
        if (*line) lines[(*n)++] = line;
    return lines;
}

/* One JSON line a prompt, in their order; a batch is decoded together. */
static int generate_each(writing *self, const char *path, bool logprobs)
{
    enum { BATCH = 64 };
    tfc_error err;
    tfc_error_init(&err);
    size_t n_text, n = 0;
    char *text = cli_read_text(path, &n_text, false);
    const char **prompts = text ? cut_lines(text, &n) : NULL;
    int exit_code = CLI_OK;
    if (!prompts) exit_code = text ? cli_fail("out of memory") : CLI_FAILURE;
    if (prompts && n == 0) exit_code = cli_fail("'%s' has no prompt; one a line is expected", path);
    uint64_t seed = self->params.seed;
    for (size_t at = 0; at < n && exit_code == CLI_OK; at += BATCH) {
        tfc_generate_result results[BATCH] = {0};
        size_t n_batch = n - at < BATCH ? n - at : BATCH;
        self->params.seed = seed + at;
        if (tfc_generate(self->session, prompts + at, (int64_t)n_batch, &self->params, results, &err) !=
            TFC_OK)
            exit_code = cli_fail_error(&err);
        if (cli_interrupted()) exit_code = CLI_INTERRUPTED;
        for (size_t i = 0; i < n_batch && exit_code == CLI_OK; i++)
            if (!print_json(prompts[at + i], &results[i], logprobs)) exit_code = CLI_FAILURE;
        for (size_t i = 0; i < n_batch; i++) tfc_generate_release(&results[i]);
        const tfc_progress progress = {
            .stage = "generate", .done = (int64_t)(at + n_batch), .total = (int64_t)n, .unit = "prompts"};
        if (self->monitor.progress) self->monitor.progress(self->monitor.context, &progress);
    }
    free(prompts);
    free(text);
    return exit_code;
}

int cmd_generate(int argc, char **argv)
{
    cli_common common = {0};
    cli_list arguments = {0};
    cli_decoding decoding = cli_decoding_default();
    bool logprobs = false;
    const char *prompts = NULL;
    cli_option options[CLI_N_DECODING + 2];
    cli_decoding_options(&decoding, options);
    options[CLI_N_DECODING] = (cli_option){
        "logprobs", CLI_FLAG, &logprobs, NULL, "with --json: ids and logprobs of the new tokens", 0, 0};
    options[CLI_N_DECODING + 1] = (cli_option){
        "prompts", CLI_TEXT, &prompts, "FILE", "a prompt a line, decoded together; a JSON line of each",
        0,         0};
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
    if (prompts && arguments.n) {
        cli_list_release(&arguments);
        return cli_usage_error(usage.command, "a prompt and --prompts exclude each other");
    }
    common.json = common.json || prompts;
    if (logprobs && !common.json) {
        cli_list_release(&arguments);
        return cli_usage_error(usage.command, "--logprobs needs --json");
    }
    char *prompt = prompts ? NULL : read_prompt(&arguments);
    exit_code = cli_interrupted() ? CLI_INTERRUPTED : CLI_FAILURE;
    writing self = {0};
    if ((prompt || prompts) && open_writing(&self, &common, &decoding, prompts != NULL))
        exit_code =
            prompts ? generate_each(&self, prompts, logprobs) : generate(&self, &common, prompt, logprobs);
    close_writing(&self);
    free(prompt);
    cli_list_release(&arguments);
    return cli_finish(exit_code);
}
