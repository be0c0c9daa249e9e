/* cli/options.h: one table describes a command's options: it parses them, checks them and prints the help. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLI_OK = 0, CLI_FAILURE = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 }; /* exit codes */

typedef enum cli_kind {
    CLI_FLAG,   /* bool *value becomes true */
    CLI_TEXT,   /* const char **value */
    CLI_INT,    /* int64_t *value, low … high */
    CLI_UINT,   /* uint64_t *value */
    CLI_NUMBER, /* double *value, low … high */
    CLI_YESNO,  /* int *value becomes 1 or 0 */
    CLI_LIST    /* cli_list *value: takes every argument up to the next option, and may come again */
} cli_kind;

typedef struct cli_option {
    const char *name; /* without its dashes */
    cli_kind kind;
    void *value;
    const char *argument; /* what the help calls the value; NULL for flags */
    const char *help;
    int64_t low, high; /* both 0: any */
} cli_option;

typedef struct cli_list {
    const char **items; /* borrowed from argv */
    size_t n;
} cli_list;
void cli_list_release(cli_list *list);

/* What every command takes. */
typedef struct cli_common {
    const char *model, *cpu, *operand, *weights;
    int64_t threads, kv_mb; /* 0: not given */
    uint64_t seed;
    bool json, quiet, verbose;
} cli_common;

typedef struct cli_usage {
    const char *command;  /* "tokenize", "tool call" */
    const char *synopsis; /* what follows the command in the usage line */
    const char *text;     /* what it does */
    const char *example;
    const cli_option *options;
    size_t n_options;
    size_t min_arguments, max_arguments;
} cli_usage;

/* Parses argv[1 …] (argv[0] is the command). True: go on; the arguments that belong to no option are in
 * *arguments (cli_list_release; NULL: there may be none). False: *exit_code is CLI_OK after --help and
 * --version, else CLI_USAGE, and everything is said. */
bool cli_parse(const cli_usage *usage, cli_common *common, int argc, char **argv, cli_list *arguments,
               int *exit_code);

/* "toolformer: MESSAGE; see toolformer CMD --help" on stderr; CLI_USAGE. */
int cli_usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
