/* toolformer: finds the command and runs it. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "options.h"
#include "output.h"
#include "toolformer/base.h"

typedef struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} command;

static const command commands[] = {
    {"run", "annotate, filter, train: a corpus and tools in, a model that uses them out", cmd_run},
    {"annotate", "find, run and score calls in a corpus", cmd_annotate},
    {"filter", "keep the calls that help: makes the data set", cmd_filter},
    {"train", "fine-tune the model on a data set", cmd_train},
    {"generate", "continue a prompt, with tool calls made on the way", cmd_generate},
    {"eval", "prompts with known answers: how many are right", cmd_eval},
    {"experiment", "systems, evaluations and ablations from one file, to tables", cmd_experiment},
    {"overlap", "rows of an evaluation that stand in training texts", cmd_overlap},
    {"report", "what a run did, as one HTML file", cmd_report},
    {"chat", "the same, line by line", cmd_chat},
    {"explain", "the three losses of one call, token by token", cmd_explain},
    {"score", "losses of every token of texts; perplexity of a file", cmd_score},
    {"tokenize", "text to token ids", cmd_tokenize},
    {"detokenize", "token ids to text", cmd_detokenize},
    {"export", "a run's model or data set for other programs", cmd_export},
    {"tool", "list, show and call tools", cmd_tool},
    {"index", "build and search indexes of texts, for WikiSearch and QA", cmd_index},
    {"model", "info, fetch and export of models", cmd_model},
    {"bench", "how fast this machine works, beside its limits", cmd_bench},
    {"doctor", "what this machine has and what is missing", cmd_doctor},
};

static int print_commands(void)
{
    cli_puts("usage: toolformer COMMAND [options]\n\n"
             "A language model teaches itself to use tools, and uses them while it writes.\n\ncommands:\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        cli_printf("  %-12s%s\n", commands[i].name, commands[i].summary);
    cli_puts("\n`toolformer COMMAND --help` tells a command's options and shows an example.\n\nexample:\n"
             "  toolformer tool call Calculator '400 / 1400'\n");
    return cli_finish(CLI_OK);
}

static const command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    cli_signals_install();
    if (argc < 2) {
        fputs("toolformer: no command given; see toolformer --help\n", stderr);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return print_commands();
    if (strcmp(name, "--version") == 0) {
        cli_printf("toolformer %s\n", tfc_version());
        return cli_finish(CLI_OK);
    }
    bool help = strcmp(name, "help") == 0; /* `help CMD` is `CMD --help` */
    if (help && argc < 3) return print_commands();
    const command *found = find_command(help ? argv[2] : name);
    if (!found) return cli_usage_error("", "unknown command '%s'", help ? argv[2] : name);
    if (help) {
        static char question[] = "--help";
        return found->run(2, (char *[]){argv[2], question, NULL});
    }
    return found->run(argc - 1, argv + 1);
}
