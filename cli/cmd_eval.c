/* eval: prompts with known answers. */
#include <math.h>
#include <string.h>

#include "commands.h"
#include "decoding.h"
#include "open_model.h"
#include "output.h"
#include "toolformer/eval.h"

typedef struct printer {
    bool json;
} printer;

static void print_example(void *context, const tfc_eval_example *e)
{
    const printer *p = context;
    if (!p->json) {
        cli_printf("%s %s: %s\n    expected %s, predicted %s%s%s\n", e->correct ? "right" : "wrong", e->id,
                   e->output, e->gold, *e->prediction ? e->prediction : "nothing",
                   e->called ? "" : ", no call",
                   e->called && e->tool && !e->called_right ? ", another tool" : "");
        return;
    }
    cli_json line;
    if (!cli_json_init(&line)) return;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "id", e->id);
    cli_json_text(&line, "prompt", e->prompt);
    cli_json_text(&line, "output", e->output);
    cli_json_text(&line, "prediction", e->prediction);
    cli_json_text(&line, "gold", e->gold);
    cli_json_bool(&line, "correct", e->correct);
    cli_json_bool(&line, "called", e->called);
    if (e->tool) cli_json_text(&line, "tool", e->tool);
    cli_json_bool(&line, "called_right", e->called_right);
    cli_json_bool(&line, "call_ran", e->call_ran);
    cli_json_bool(&line, "result_right", e->result_right);
    cli_json_bool(&line, "copied", e->copied);
    cli_json_bool(&line, "strict_correct", e->strict_correct);
    cli_json_begin(&line, "calls", '[');
    for (size_t i = 0; i < e->generated->n_calls; i++) {
        const tfc_made_call *call = &e->generated->calls[i];
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "tool", call->tool);
        cli_json_text(&line, "args", call->args);
        cli_json_text(&line, "result", call->result);
        if (call->error) cli_json_text(&line, "error", call->error);
        cli_json_end(&line, '}');
    }
    cli_json_end(&line, ']');
    cli_json_end(&line, '}');
    cli_json_print(&line);
}

static double share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : NAN;
}

static bool print_summary(const char *task, const tfc_eval_result *r, bool json)
{
    if (!json) {
        cli_printf("%s: %lld of %lld right (%.1f %%); %lld called a tool, %lld the expected one; %lld right "
                   "through it; %.0f s\n",
                   task, (long long)r->correct, (long long)r->n, 100 * share(r->correct, r->n),
                   (long long)r->called, (long long)r->called_right, (long long)r->correct_through,
                   r->seconds);
        return true;
    }
    cli_json line;
    if (!cli_json_init(&line)) return false;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "task", task);
    cli_json_int(&line, "n", r->n);
    cli_json_int(&line, "correct", r->correct);
    cli_json_number(&line, "accuracy", share(r->correct, r->n));
    cli_json_number(&line, "accuracy_called", share(r->correct_called, r->called));
    cli_json_number(&line, "accuracy_not_called", share(r->correct - r->correct_called, r->n - r->called));
    cli_json_number(&line, "called_share", share(r->called, r->n));
    cli_json_int(&line, "called_right", r->called_right);
    cli_json_int(&line, "correct_through", r->correct_through);
    cli_json_int(&line, "strict_correct", r->strict_correct);
    cli_json_number(&line, "strict_accuracy", share(r->strict_correct, r->n));
    cli_json_int(&line, "result_right", r->result_right);
    cli_json_int(&line, "copied", r->copied);
    cli_json_number(&line, "seconds", r->seconds);
    cli_json_end(&line, '}');
    return cli_json_print(&line);
}

static int evaluate(const cli_common *common, const cli_decoding *decoding, const char *task,
                    const char *data, int64_t limit)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_tools *tools = NULL;
    tfc_eval_params params = {.task = task, .data = data, .limit = limit};
    tfc_eval_result result;
    tfc_model *model = NULL;
    tfc_session *session = NULL;
    int exit_code = CLI_FAILURE;
    printer p = {common->json};
    tfc_monitor monitor = cli_monitor(common->quiet);
    if (cli_decoding_params(decoding, common, &tools, &params.generate)) model = cli_open_model(common);
    if (model) session = cli_open_session(common, model);
    if (session) {
        if (tfc_eval_prompts(session, &params, print_example, &p, &monitor, &result, &err) != TFC_OK)
            exit_code = cli_fail_error(&err);
        else
            exit_code = print_summary(task, &result, common->json) ? CLI_OK : CLI_FAILURE;
    }
    tfc_session_free(session);
    tfc_model_free(model);
    tfc_tools_free(tools);
    return exit_code;
}

int cmd_eval(int argc, char **argv)
{
    cli_common common = {0};
    cli_decoding decoding = cli_decoding_default();
    decoding.max_tokens = -1;
    const char *task = "prompts", *data = NULL;
    int64_t limit = -1;
    cli_option options[CLI_N_DECODING + 3];
    cli_decoding_options(&decoding, options);
    options[CLI_N_DECODING] =
        (cli_option){"task", CLI_TEXT, &task, "NAME", "prompts (default), asdiv, svamp, mawps", 0, 0};
    options[CLI_N_DECODING + 1] =
        (cli_option){"data", CLI_TEXT, &data, "FILE", "JSON lines, as the task wants them", 0, 0};
    options[CLI_N_DECODING + 2] = (cli_option){"limit", CLI_INT, &limit, "N", "at most N rows", 1, INT32_MAX};
    const cli_usage usage = {
        .command = "eval",
        .synopsis = "--data FILE [options]",
        .text =
            "Continues prompts with known answers and counts the right ones. The text of calls is taken out\n"
            "before scoring. Tasks and their data, JSON lines:\n\n"
            "  prompts  {\"prompt\" or \"question\", \"answer\"}, with \"date\", \"tool\". A number is "
            "compared with the\n"
            "           first number written (in an equation: the one after its =); anything else must "
            "occur\n"
            "           within the first five words.\n"
            "  asdiv    {\"body\", \"question\", \"answer\"}\n"
            "  svamp    {\"Body\", \"Question\", \"Answer\"}\n"
            "  mawps    {\"question\", \"answer\"}\n"
            "           The prompt is the problem and `The answer is`. The first number counts, or the first "
            "one\n"
            "           after an = (the paper's rule); a strict reading is reported beside it. 0.83 is "
            "0.8333.\n\n"
            "The math tasks write 64 tokens at most unless --max-tokens says otherwise.",
        .example = "toolformer eval --data examples/demo/prompts.jsonl --tools Calculator,Calendar",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;
    if (!data) return cli_usage_error(usage.command, "--data is needed");
    int64_t max_tokens = tfc_generate_params_default().max_tokens;
    if (!tfc_eval_task_known(task, &max_tokens))
        return cli_usage_error(usage.command, "--task knows prompts, asdiv, svamp, mawps, not '%s'", task);
    if (decoding.max_tokens < 0) decoding.max_tokens = max_tokens;
    return cli_finish(evaluate(&common, &decoding, task, data, limit));
}
