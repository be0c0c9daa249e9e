/* eval: the paper's tasks, perplexity, and the comparison of two results. */
#include <string.h>

#include "commands.h"
#include "decoding.h"
#include "eval_print.h"
#include "open_model.h"
#include "output.h"

typedef struct choices {
    cli_common common;
    cli_decoding decoding;
    const char *task, *data, *out, *write;
    int64_t limit, window, max_windows;
    double share;
    cli_list compare;
} choices;

static int compare(const choices *c)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_eval_comparison comparison;
    const char *a = c->compare.items[0], *b = c->compare.items[1];
    if (tfc_eval_compare(a, b, c->common.seed, &comparison, &err) != TFC_OK) return cli_fail_error(&err);
    return eval_print_comparison(&comparison, a, b, c->common.json) ? CLI_OK : CLI_FAILURE;
}

static int perplexity(const choices *c)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_monitor monitor = cli_monitor(c->common.quiet);
    tfc_perplexity_params params = tfc_perplexity_params_default();
    params.path = c->data;
    params.window = c->window;
    params.max_windows = c->max_windows;
    params.monitor = &monitor;
    tfc_perplexity result;
    tfc_session *session = NULL;
    int exit_code = CLI_FAILURE;
    tfc_model *model = cli_open_model(&c->common);
    if (model) session = cli_open_session(&c->common, model);
    if (session) {
        if (tfc_eval_perplexity(session, &params, &result, &err) != TFC_OK)
            exit_code = cli_fail_error(&err);
        else
            exit_code = eval_print_perplexity(&result, c->data, c->common.json) ? CLI_OK : CLI_FAILURE;
    }
    tfc_session_free(session);
    tfc_model_free(model);
    return exit_code;
}

static int run_prompts(const choices *c, const tfc_eval_data *data, const tfc_generate_params *generate)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_monitor monitor = cli_monitor(c->common.quiet);
    tfc_eval_params params = {.generate = *generate,
                              .out = c->out,
                              .monitor = &monitor,
                              .each = eval_print_example,
                              .context = (void *)&c->common.json};
    tfc_eval_result result;
    tfc_session *session = NULL;
    int exit_code = CLI_FAILURE;
    tfc_model *model = cli_open_model(&c->common);
    if (model) session = cli_open_session(&c->common, model);
    if (session) {
        if (tfc_eval_prompts(session, data, &params, &result, &err) != TFC_OK)
            exit_code = cli_fail_error(&err);
        else
            exit_code = eval_print_summary(&result, c->common.json) ? CLI_OK : CLI_FAILURE;
    }
    tfc_session_free(session);
    tfc_model_free(model);
    return exit_code;
}

/* The data first: a bad file is told before a model is opened. */
static int evaluate(const choices *c)
{
    tfc_error err;
    tfc_error_init(&err);
    const tfc_eval_data_params which = {
        .task = c->task, .path = c->data, .limit = c->limit, .share = c->share, .seed = c->common.seed};
    tfc_eval_data *data = tfc_eval_data_open(&which, &err);
    if (!data) return cli_fail_error(&err);
    int exit_code = CLI_FAILURE;
    tfc_tools *tools = NULL;
    tfc_generate_params generate;
    if (c->write)
        exit_code = tfc_eval_data_write(data, c->write, &err) == TFC_OK ? CLI_OK : cli_fail_error(&err);
    else if (cli_decoding_params(&c->decoding, &c->common, &tools, &generate))
        exit_code = run_prompts(c, data, &generate);
    tfc_tools_free(tools);
    tfc_eval_data_free(data);
    return exit_code;
}

static int check_and_run(choices *c)
{
    bool perplexity_wanted = strcmp(c->task, "perplexity") == 0;
    if (c->compare.n > 0) {
        if (c->compare.n != 2) return cli_usage_error("eval", "--compare takes two files");
        return compare(c);
    }
    if (!perplexity_wanted && !tfc_eval_task_known(c->task))
        return cli_usage_error("eval", "--task knows %s, perplexity, not '%s'", tfc_eval_task_names(),
                               c->task);
    if (!c->data && strcmp(c->task, "dateset") != 0) return cli_usage_error("eval", "--data is needed");
    if (perplexity_wanted && (c->out || c->write))
        return cli_usage_error("eval", "--%s is for tasks of prompts", c->out ? "out" : "write");
    if (!(c->share > 0)) return cli_usage_error("eval", "--share must be above 0");
    if (perplexity_wanted) return perplexity(c);
    if (c->decoding.max_tokens < 0) c->decoding.max_tokens = tfc_eval_task_max_tokens(c->task);
    return evaluate(c);
}

static const char help[] =
    "Continues prompts with known answers and counts the right ones. The text of calls is taken out\n"
    "before scoring. Tasks and their data, JSON lines:\n\n"
    "  prompts  {\"prompt\" or \"question\", \"answer\"}, with \"date\", \"tool\". A number is compared with "
    "the\n"
    "           first number written (in an equation: the one after its =); anything else must occur\n"
    "           within the first five words.\n"
    "  asdiv    {\"body\", \"question\", \"answer\"}\n"
    "  svamp    {\"Body\", \"Question\", \"Answer\"}\n"
    "  mawps    {\"question\", \"answer\"}\n"
    "           The prompt is the problem and `The answer is`. The first number counts, or the first one\n"
    "           after an = (the paper's rule); a strict reading is reported beside it. 0.83 is 0.8333.\n"
    "           ASDiv: of several values all must come first, in order; an answer in words must occur\n"
    "           within the first five.\n"
    "  dateset  without --data: the paper's 9,400 questions about dates, made from --seed; each has its\n"
    "           own current date. The answer must occur within the first five words.\n"
    "  calls-not-needed\n"
    "           {\"prompt\"}: how often a tool is called where none is needed.\n"
    "  perplexity\n"
    "           plain text, or {\"text\"}: perplexity with calls disabled over windows of 512 tokens.\n\n"
    "The math tasks write 64 tokens at most, dateset 48, unless --max-tokens says otherwise. With --out an\n"
    "interrupted evaluation goes on where it was. --compare tells how sure the difference of two is.";

int cmd_eval(int argc, char **argv)
{
    choices c = {
        .decoding = cli_decoding_default(), .task = "prompts", .limit = -1, .window = 512, .share = 1};
    c.decoding.max_tokens = -1;
    const cli_option own[] = {
        {"task", CLI_TEXT, &c.task, "NAME", "the task (default prompts)", 0, 0},
        {"data", CLI_TEXT, &c.data, "FILE", "its rows", 0, 0},
        {"limit", CLI_INT, &c.limit, "N", "at most N rows", 1, INT32_MAX},
        {"share", CLI_NUMBER, &c.share, "X", "a part of the rows, drawn by --seed: 0.1 is a tenth", 0, 1},
        {"out", CLI_TEXT, &c.out, "FILE",
         "a line an example as it is finished; gone on with when it is there", 0, 0},
        {"write", CLI_TEXT, &c.write, "FILE", "write the rows as JSON lines and run nothing", 0, 0},
        {"compare", CLI_LIST, &c.compare, "A B",
         "two files of --out, or of --json: McNemar's exact test and the "
         "interval of the difference",
         0, 0},
        {"window", CLI_INT, &c.window, "N", "perplexity: tokens of a window (default 512)", 3, 1 << 20},
        {"max-windows", CLI_INT, &c.max_windows, "N", "perplexity: the first N windows alone", 1, 1 << 30},
    };
    enum { N_OWN = sizeof own / sizeof *own };
    cli_option options[CLI_N_DECODING + N_OWN];
    memcpy(options, own, sizeof own);
    cli_decoding_options(&c.decoding, options + N_OWN);
    const cli_usage usage = {.command = "eval",
                             .synopsis = "--task NAME --data FILE [options]",
                             .text = help,
                             .example = "toolformer eval --task svamp --data svamp.jsonl --tools Calculator "
                                        "--out svamp.results.jsonl",
                             .options = options,
                             .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (cli_parse(&usage, &c.common, argc, argv, NULL, &exit_code)) exit_code = cli_finish(check_and_run(&c));
    cli_list_release(&c.compare);
    return exit_code;
}
