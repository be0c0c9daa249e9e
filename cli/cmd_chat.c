/* chat: lines from the terminal, answers from the model, tools on the way. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "decoding.h"
#include "input.h"
#include "open_model.h"
#include "output.h"

/* How turns are written down. Models whose vocabulary has the markers of ChatML get those; others see plain
 * text with an empty line between turns. */
typedef struct chat_form {
    const char *begin, *before, *between, *after;
} chat_form;

static const chat_form chatml = {.before = "<|im_start|>user\n",
                                 .between = "<|im_end|>\n<|im_start|>assistant\n",
                                 .after = "<|im_end|>\n"};
static const chat_form plain = {.before = "", .between = " ", .after = "\n\n"};

typedef struct chat {
    cli_common common;
    cli_decoding decoding;
    tfc_tools *tools;
    tfc_model *model;
    tfc_session *session;
    tfc_generate_params params;
    const chat_form *form;
    char *history; /* all turns as the model sees them */
    size_t n_history;
} chat;

static bool is_special(const tfc_tokenizer *tokenizer, const char *text)
{
    int32_t *ids = NULL;
    int64_t n = 0;
    tfc_error err;
    bool ok = tfc_tokenize(tokenizer, text, strlen(text), TFC_TOKENIZE_SPECIAL, &ids, &n, &err) == TFC_OK;
    ok = ok && n == 1 && tfc_token_is_special(tokenizer, ids[0]);
    tfc_ids_free(ids);
    return ok;
}

static bool history_append(chat *self, const char *text)
{
    size_t n = strlen(text);
    char *bigger = realloc(self->history, self->n_history + n + 1);
    if (!bigger) return cli_fail("out of memory"), false;
    memcpy(bigger + self->n_history, text, n + 1);
    self->history = bigger;
    self->n_history += n;
    return true;
}

/* Leaves out the oldest turns until the rest and an answer fit into the context. */
static bool history_fit(chat *self)
{
    const tfc_tokenizer *tokenizer = tfc_model_tokenizer(self->model);
    int64_t context = tfc_model_get_info(self->model).context, n = 0;
    for (;;) {
        int32_t *ids = NULL;
        tfc_error err;
        tfc_error_init(&err);
        if (tfc_tokenize(tokenizer, self->history, self->n_history, TFC_TOKENIZE_SPECIAL, &ids, &n, &err) !=
            TFC_OK)
            return cli_fail_error(&err), false;
        tfc_ids_free(ids);
        if (n + self->params.max_tokens <= context) return true;
        char *end = strstr(self->history, self->form->after);
        if (!end) return n < context; /* one turn alone: it gets what room there is */
        end += strlen(self->form->after);
        self->n_history -= (size_t)(end - self->history);
        memmove(self->history, end, self->n_history + 1);
    }
}

static void on_text(void *context, const char *text, size_t n)
{
    (void)context;
    cli_write(text, n);
    cli_flush();
}

static bool answer(chat *self, const char *line)
{
    bool ok = history_append(self, self->form->before) && history_append(self, line) &&
              history_append(self, self->form->between);
    if (!ok) return false;
    if (!history_fit(self)) return cli_fail("the line does not fit into the model's context"), false;
    tfc_error err;
    tfc_error_init(&err);
    tfc_generate_result result;
    const char *prompt = self->history;
    if (tfc_generate(self->session, &prompt, 1, &self->params, &result, &err) != TFC_OK) {
        cli_fail_error(&err);
        return false;
    }
    cli_puts("\n");
    for (size_t i = 0; i < result.n_calls; i++)
        if (result.calls[i].error)
            cli_note("%s(%s): %s", result.calls[i].tool, result.calls[i].args, result.calls[i].error);
    ok = history_append(self, result.text) && history_append(self, self->form->after);
    tfc_generate_release(&result);
    return ok;
}

static bool chat_loop(chat *self)
{
    cli_lines lines = {0};
    bool terminal = isatty(STDIN_FILENO) == 1, ok = true;
    if (terminal && !self->common.quiet) cli_note("an empty line starts anew, Ctrl-D ends");
    while (ok && !cli_interrupted() && !cli_out_failed()) {
        char *line;
        size_t n;
        if (terminal) fputs("> ", stderr);
        if (!cli_lines_next(&lines, &line, &n)) break;
        if (n == 0) {
            self->n_history = 0;
            continue;
        }
        if (strlen(line) != n)
            cli_note("a line with a NUL is left out");
        else
            ok = answer(self, line);
    }
    ok = ok && !lines.failed;
    cli_lines_release(&lines);
    return ok;
}

int cmd_chat(int argc, char **argv)
{
    chat self = {.decoding = cli_decoding_default()};
    const char *form = "auto";
    cli_option options[CLI_N_DECODING + 1];
    cli_decoding_options(&self.decoding, options);
    options[CLI_N_DECODING] =
        (cli_option){"template",
                     CLI_TEXT,
                     &form,
                     "NAME",
                     "chatml, plain, or auto (default): chatml where the model knows its markers",
                     0,
                     0};
    const cli_usage usage = {.command = "chat",
                             .synopsis = "[options]",
                             .text =
                                 "Answers the lines of stdin one by one, with tools. Earlier turns stay in "
                                 "sight as long\nas they fit; an empty line starts anew, Ctrl-D ends.",
                             .example = "toolformer chat --model runs/demo/model",
                             .options = options,
                             .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &self.common, argc, argv, NULL, &exit_code)) return exit_code;
    if (strcmp(form, "auto") != 0 && strcmp(form, "chatml") != 0 && strcmp(form, "plain") != 0)
        return cli_usage_error("chat", "--template must be auto, chatml or plain, not '%s'", form);
    tfc_monitor monitor = cli_monitor(self.common.quiet);
    bool ok = cli_decoding_params(&self.decoding, &self.common, &self.tools, &self.params);
    if (ok) self.model = cli_open_writer(&self.common);
    if (self.model) self.session = cli_open_session(&self.common, self.model);
    ok = self.session != NULL;
    if (ok) {
        bool known = is_special(tfc_model_tokenizer(self.model), "<|im_start|>");
        self.form = strcmp(form, "plain") == 0 || (!known && strcmp(form, "auto") == 0) ? &plain : &chatml;
        self.params.monitor = &monitor;
        self.params.on_text = on_text;
        ok = chat_loop(&self);
    }
    free(self.history);
    tfc_session_free(self.session);
    tfc_model_free(self.model);
    tfc_tools_free(self.tools);
    return cli_finish(cli_interrupted() ? CLI_INTERRUPTED : ok ? CLI_OK : CLI_FAILURE);
}
