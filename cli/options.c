/* Long options with `=` or a following argument; `--` ends them. An argument such as `-3 + 4` is no option:
 * options begin with two dashes, but for -h and -q and -v. */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "toolformer/base.h"

enum { N_COMMON = 10, HELP_COLUMN = 26 };

/* Every command takes these; a fresh table because the values stand in the caller's struct. */
static void common_options(cli_common *common, cli_option options[N_COMMON])
{
    const cli_option table[N_COMMON] = {
        {"model", CLI_TEXT, &common->model, "NAME", "file, folder or name of the model; else the default one",
         0, 0},
        {"cpu", CLI_TEXT, &common->cpu, "PATH",
         "kernel path: ref, avx2, avx512, amx; else the best of this machine", 0, 0},
        {"operand", CLI_TEXT, &common->operand, "TYPE",
         "what is multiplied: f32, bf16, int8; else the path's choice", 0, 0},
        {"weights", CLI_TEXT, &common->weights, "FORM",
         "packed, or stored: the file's own 4- and 8-bit blocks (same results)", 0, 0},
        {"threads", CLI_INT, &common->threads, "N", "threads; else one a core (no result depends on it)", 0,
         4096},
        {"kv-mb", CLI_INT, &common->kv_mb, "N",
         "MiB for keys and values (default 160; no result depends on it)", 1, 1 << 20},
        {"seed", CLI_UINT, &common->seed, "N", "seed of everything that is drawn (default 0)", 0, 0},
        {"json", CLI_FLAG, &common->json, NULL, "results as JSON, one object a line", 0, 0},
        {"quiet", CLI_FLAG, &common->quiet, NULL, "no progress and no hints", 0, 0},
        {"verbose", CLI_FLAG, &common->verbose, NULL, "more messages", 0, 0},
    };
    memcpy(options, table, sizeof table);
}

int cli_usage_error(const char *command, const char *format, ...)
{
    fputs("toolformer: ", stderr);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see toolformer%s%s --help\n", *command ? " " : "", command);
    return CLI_USAGE;
}

void cli_list_release(cli_list *list)
{
    free(list->items);
    *list = (cli_list){0};
}

static bool list_append(cli_list *list, const char *item)
{
    const char **items = realloc(list->items, (list->n + 1) * sizeof *items);
    if (!items) return false;
    items[list->n++] = item;
    list->items = items;
    return true;
}

static void print_option(const cli_option *option)
{
    int n = cli_printf("  --%s%s%s", option->name, option->argument ? " " : "",
                       option->argument ? option->argument : "");
    if (n > HELP_COLUMN - 2) {
        cli_puts("\n");
        n = 0;
    }
    cli_printf("%*s%s\n", HELP_COLUMN - n, "", option->help);
}

static int print_help(const cli_usage *usage)
{
    cli_common common;
    cli_option options[N_COMMON];
    common_options(&common, options);
    cli_printf("usage: toolformer %s%s%s\n\n%s\n", usage->command, *usage->synopsis ? " " : "",
               usage->synopsis, usage->text);
    if (usage->n_options) cli_puts("\noptions:\n");
    for (size_t i = 0; i < usage->n_options; i++) print_option(&usage->options[i]);
    cli_puts("\ncommon options:\n");
    for (size_t i = 0; i < N_COMMON; i++) print_option(&options[i]);
    print_option(&(cli_option){.name = "help", .help = "this text"});
    print_option(&(cli_option){.name = "version", .help = "the version"});
    cli_printf("\nexample:\n  %s\n", usage->example);
    return cli_finish(CLI_OK);
}

/* Numbers must use up their whole text. */
static bool parse_value(const cli_usage *usage, const cli_option *option, const char *text)
{
    char *end;
    errno = 0;
    if (option->kind == CLI_TEXT) {
        *(const char **)option->value = text;
        return true;
    }
    if (option->kind == CLI_UINT) {
        unsigned long long value = strtoull(text, &end, 10);
        if (end == text || *end || errno || text[0] == '-') {
            cli_usage_error(usage->command, "--%s: '%s' is no whole number from 0", option->name, text);
            return false;
        }
        *(uint64_t *)option->value = value;
        return true;
    }
    if (option->kind == CLI_YESNO) {
        bool yes = strcmp(text, "yes") == 0;
        if (!yes && strcmp(text, "no") != 0) {
            cli_usage_error(usage->command, "--%s: yes or no, not '%s'", option->name, text);
            return false;
        }
        *(int *)option->value = yes;
        return true;
    }
    bool bounded = option->low != 0 || option->high != 0, whole = option->kind == CLI_INT;
    long long integer = whole ? strtoll(text, &end, 10) : 0;
    double number = whole ? (double)integer : strtod(text, &end);
    if (end == text || *end || errno || !isfinite(number)) {
        cli_usage_error(usage->command, "--%s: '%s' is no %snumber", option->name, text,
                        whole ? "whole " : "");
        return false;
    }
    if (bounded && (number < (double)option->low || number > (double)option->high)) {
        cli_usage_error(usage->command, "--%s: %s is not within %lld … %lld", option->name, text,
                        (long long)option->low, (long long)option->high);
        return false;
    }
    if (whole)
        *(int64_t *)option->value = integer;
    else
        *(double *)option->value = number;
    return true;
}

static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] == '-' && argument[2] != '\0';
}

static const cli_option *find_option(const cli_option *options, size_t n, const char *name, size_t n_name)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(options[i].name, name, n_name) == 0 && options[i].name[n_name] == '\0')
            return &options[i];
    return NULL;
}

/* One option at argv[*i], with its value or values; leaves *i at the last argument that it used. */
static bool parse_option(const cli_usage *usage, const cli_option *option, int argc, char **argv, int *i)
{
    const char *equals = strchr(argv[*i], '=');
    if (option->kind == CLI_FLAG) {
        if (equals) return cli_usage_error(usage->command, "--%s takes no value", option->name), false;
        *(bool *)option->value = true;
        return true;
    }
    if (!equals && (*i + 1 >= argc || is_option(argv[*i + 1])))
        return cli_usage_error(usage->command, "--%s needs a value (%s)", option->name, option->argument),
               false;
    const char *text = equals ? equals + 1 : argv[++*i];
    if (option->kind != CLI_LIST) return parse_value(usage, option, text);
    for (bool more = true; more;) {
        if (!list_append(option->value, text)) return cli_fail("out of memory"), false;
        more = !equals && *i + 1 < argc && !is_option(argv[*i + 1]) && strcmp(argv[*i + 1], "--") != 0;
        if (more) text = argv[++*i];
    }
    return true;
}

/* True when the argument asks for the help or the version, which is then printed. */
static bool answer_question(const cli_usage *usage, const char *argument, int *exit_code)
{
    if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
        *exit_code = print_help(usage);
        return true;
    }
    if (strcmp(argument, "--version") == 0) {
        cli_printf("toolformer %s\n", tfc_version());
        *exit_code = cli_finish(CLI_OK);
        return true;
    }
    return false;
}

/* The value of a short option's long form, or the argument itself. */
static char *long_form(char *argument)
{
    static char quiet[] = "--quiet", verbose[] = "--verbose";
    return strcmp(argument, "-q") == 0 ? quiet : strcmp(argument, "-v") == 0 ? verbose : argument;
}

bool cli_parse(const cli_usage *usage, cli_common *common, int argc, char **argv, cli_list *arguments,
               int *exit_code)
{
    cli_option general[N_COMMON];
    common_options(common, general);
    cli_list rest = {0};
    bool ok = true, options_end = false;
    *exit_code = CLI_USAGE;
    for (int i = 1; i < argc && ok; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
            continue;
        }
        argv[i] = options_end ? argv[i] : long_form(argv[i]);
        if (options_end || (!is_option(argv[i]) && strcmp(argv[i], "-h") != 0)) {
            bool letter = argv[i][0] == '-' && argv[i][1] >= 'a' && argv[i][1] <= 'z' && argv[i][2] == '\0';
            if (letter && !options_end)
                ok = cli_usage_error(usage->command, "unknown option '%s'", argv[i]) == CLI_OK;
            else
                ok = list_append(&rest, argv[i]);
            continue;
        }
        if (answer_question(usage, argv[i], exit_code)) {
            ok = false;
            break;
        }
        size_t n_name = strcspn(argv[i] + 2, "=");
        const cli_option *option = find_option(usage->options, usage->n_options, argv[i] + 2, n_name);
        if (!option) option = find_option(general, N_COMMON, argv[i] + 2, n_name);
        if (option)
            ok = parse_option(usage, option, argc, argv, &i);
        else
            ok = cli_usage_error(usage->command, "unknown option '--%.*s'", (int)n_name, argv[i] + 2) ==
                 CLI_OK;
    }
    if (ok && rest.n < usage->min_arguments)
        ok = cli_usage_error(usage->command, "an argument is missing (%s)", usage->synopsis) == CLI_OK;
    else if (ok && rest.n > usage->max_arguments)
        ok = cli_usage_error(usage->command, "unexpected argument '%s'", rest.items[usage->max_arguments]) ==
             CLI_OK;
    if (ok && arguments)
        *arguments = rest;
    else
        cli_list_release(&rest);
    return ok;
}
