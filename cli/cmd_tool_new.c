/* tool new: a commented manifest that is valid as it stands. */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "cmd_tool.h"
#include "options.h"
#include "output.h"
#include "toolformer/calls.h"
#include "toolformer/tools.h"

/* $N is the tool's name, $B its backend, $C what is said about that. */
static const char frame[] =
    "{\n"
    "  \"_\": \"What $N is to toolformer. Members whose names begin with _ are comments. docs/TOOLS.md tells "
    "every field; `toolformer tool test` runs the demonstrations.\",\n"
    "  \"name\": \"$N\",\n\n"
    "  \"_description\": \"One sentence: what the tool gives for its arguments.\",\n"
    "  \"description\": \"An answer of $N.\",\n\n"
    "  \"_version\": \"Any text. Change it when the tool answers differently, and results of before are not "
    "used again.\",\n"
    "  \"version\": \"1\",\n\n"
    "  \"_instruction\": \"The task in words: the beginning of the prompt in which a model annotates "
    "texts.\",\n"
    "  \"instruction\": \"Your task is to add calls to a $N API to a piece of text. The calls should help "
    "you "
    "get information required to complete the text. You can call the API by writing "
    "\\\"[$N(query)]\\\".\",\n\n"
    "  \"_args\": \"form: what may stand between the parentheses: text, expression, dates or none. schema: a "
    "JSON Schema of the arguments; with one property the text is its value, with more they are separated by "
    "commas.\",\n"
    "  \"args\": {\n"
    "    \"form\": \"text\",\n"
    "    \"schema\": {\n"
    "      \"type\": \"object\",\n"
    "      \"properties\": {\"query\": {\"type\": \"string\", \"minLength\": 1, \"maxLength\": 200}},\n"
    "      \"required\": [\"query\"]\n"
    "    }\n"
    "  },\n\n"
    "  \"_demonstrations\": \"Texts as they are, and the same texts with calls where these help, without "
    "results. Put four or more of your own here, as different as the texts to come.\",\n"
    "  \"demonstrations\": [\n"
    "    {\n"
    "      \"input\": \"This text goes on with an answer of the tool.\",\n"
    "      \"output\": \"This text goes on with [$N(what the call asks for)] an answer of the tool.\"\n"
    "    },\n"
    "    {\n"
    "      \"input\": \"Another text: here the answer stands.\",\n"
    "      \"output\": \"Another text: here [$N(another question)] the answer stands.\"\n"
    "    }\n"
    "  ],\n\n"
    "  \"_heuristic\": \"Which texts are looked at: none (all of them), or {\\\"pattern\\\": REGEX} for "
    "those in "
    "which it matches.\",\n"
    "  \"heuristic\": \"none\",\n\n"
    "  \"_places\": \"Before what a call may stand: any, numbers, dates, dates_and_numbers, or "
    "{\\\"before\\\": "
    "REGEX}. The recipe small keeps to it.\",\n"
    "  \"places\": \"any\",\n\n"
    "  \"_propose\": \"A small model seldom writes right arguments by itself. \\\"propose\\\": "
    "{\\\"pattern\\\": "
    "REGEX, \\\"args\\\": \\\"$1\\\"} takes them from the text before the place.\",\n\n"
    "  \"_tau_s\": \"At most k places of a text, with a probability of a call above tau_s; m arguments at "
    "each; a call stays when it makes what follows likelier by tau_f nats.\",\n"
    "  \"tau_s\": 0.05,\n"
    "  \"k\": 5,\n"
    "  \"m\": 5,\n"
    "  \"tau_f\": 1.0,\n\n"
    "  \"_deadline_ms\": \"Of one attempt; how often a failed one is repeated; calls at the same time; bytes "
    "of "
    "a result that are kept.\",\n"
    "  \"deadline_ms\": 10000,\n"
    "  \"retries\": 2,\n"
    "  \"concurrency\": 8,\n"
    "  \"max_result_bytes\": 500,\n\n"
    "  \"_backend\": \"$C\",\n"
    "  \"backend\": $B\n"
    "}\n";

static const char about_lines[] =
    "A program that stays: it reads {\\\"id\\\": N, \\\"args\\\": {…}, \\\"date\\\": …} a line and answers "
    "{\\\"id\\\": N, \\\"result\\\": TEXT} or {\\\"id\\\": N, \\\"error\\\": TEXT} a line.";
static const char about_argv[] =
    "A program for each call: the arguments come where {args} stands, else on its "
    "standard input; what it prints is the result.";
static const char about_http[] = "A request for each call. {args} in url or body is the call's text; answer: "
                                 "a JSON pointer to the result.";
static const char about_mcp[] =
    "A tool of an MCP server, by its name there; the schema above must be the server's.";

/* What is wanted behind the tool. */
typedef struct wanted {
    cli_list command;
    const char *http, *mcp;
    bool lines;
} wanted;

static struct json_object *strings(const cli_list *list)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < list->n; i++) json_object_array_add(array, json_object_new_string(list->items[i]));
    return array;
}

static struct json_object *program(const char *name, const wanted *w, const char **about)
{
    struct json_object *backend = json_object_new_object();
    bool lines = w->lines || w->command.n == 0;
    char path[100];
    snprintf(path, sizeof path, "./%s.py", name);
    const char *own[] = {path};
    const cli_list by_name = {.items = own, .n = 1};
    json_object_object_add(backend, "type", json_object_new_string("command"));
    json_object_object_add(backend, "argv", strings(w->command.n ? &w->command : &by_name));
    json_object_object_add(backend, "mode", json_object_new_string(lines ? "lines" : "argv"));
    *about = lines ? about_lines : about_argv;
    return backend;
}

static struct json_object *backend_of(const char *name, const wanted *w, const char **about)
{
    if (!w->http && !w->mcp) return program(name, w, about);
    struct json_object *backend = json_object_new_object();
    json_object_object_add(backend, "type", json_object_new_string(w->http ? "http" : "mcp"));
    if (w->http || strncmp(w->mcp, "http://", 7) == 0 || strncmp(w->mcp, "https://", 8) == 0) {
        json_object_object_add(backend, "url", json_object_new_string(w->http ? w->http : w->mcp));
    } else {
        struct json_object *argv = json_object_new_array();
        json_object_array_add(argv, json_object_new_string(w->mcp));
        json_object_object_add(backend, "argv", argv);
    }
    if (w->mcp) json_object_object_add(backend, "tool", json_object_new_string(name));
    *about = w->http ? about_http : about_mcp;
    return backend;
}

static void print_frame(FILE *file, const char *name, const char *backend, const char *about)
{
    for (const char *at = frame; *at; at++) {
        const char *with = *at != '$'     ? NULL
                           : at[1] == 'N' ? name
                           : at[1] == 'B' ? backend
                           : at[1] == 'C' ? about
                                          : NULL;
        if (with)
            fputs(with, file), at++;
        else
            fputc(*at, file);
    }
}

static int write_manifest(const char *path, const char *name, const char *backend, const char *about)
{
    char *text = NULL;
    size_t n = 0;
    FILE *memory = open_memstream(&text, &n);
    if (!memory) return cli_fail("out of memory");
    print_frame(memory, name, backend, about);
    if (fclose(memory) != 0) return cli_fail("out of memory");
    int code = CLI_OK;
    FILE *file = path ? fopen(path, "wx") : NULL;
    if (!path)
        cli_write(text, n);
    else if (!file)
        code = cli_fail("cannot write '%s': %s", path, strerror(errno));
    else if (fwrite(text, 1, n, file) != n || fclose(file) != 0)
        code = cli_fail("cannot write '%s': %s", path, strerror(errno));
    free(text);
    return code;
}

/* What was written must be a manifest: a backend of this program, and what the user gave for it. */
static int check_manifest(const char *path)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_tools *tools = tfc_tools_create(path, &err);
    tfc_tools_free(tools);
    return tools ? CLI_OK : cli_fail_error(&err);
}

static int make(const char *name, const wanted *w, const char *out)
{
    const char *about;
    struct json_object *backend = backend_of(name, w, &about);
    const char *text =
        json_object_to_json_string_ext(backend, JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
    int code = text ? write_manifest(out, name, text, about) : cli_fail("out of memory");
    json_object_put(backend);
    if (code == CLI_OK && out) code = check_manifest(out);
    if (code == CLI_OK && out)
        cli_note("wrote '%s'; next: put your demonstrations in, then toolformer tool test %s", out, out);
    return code;
}

int cli_tool_new(int argc, char **argv)
{
    cli_common common = {0};
    cli_list arguments = {0};
    wanted w = {.http = NULL};
    const char *out = NULL;
    const cli_option options[] = {
        {"command", CLI_LIST, &w.command, "ARGV...", "a program and its arguments; {args} may be one of them",
         0, 0},
        {"lines", CLI_FLAG, &w.lines, NULL, "the program stays and speaks JSON lines", 0, 0},
        {"http", CLI_TEXT, &w.http, "URL", "an HTTP service; {args} in it is the call's text", 0, 0},
        {"mcp", CLI_TEXT, &w.mcp, "URL|PROGRAM", "an MCP server", 0, 0},
        {"out", CLI_TEXT, &out, "FILE", "writes NAME.json there instead of stdout; never over a file", 0, 0},
    };
    const cli_usage usage = {.command = "tool new",
                             .synopsis = "NAME [options]",
                             .text =
                                 "Writes a commented manifest for a tool of your own, valid as it stands. "
                                 "Without a\nbackend: ./NAME.py, which speaks JSON lines.",
                             .example = "toolformer tool new Convert --command ./convert.py --lines --out "
                                        "convert.json",
                             .options = options,
                             .n_options = sizeof options / sizeof *options,
                             .min_arguments = 1,
                             .max_arguments = 1};
    int code;
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &code)) return code;
    const char *name = arguments.items[0];
    if (!tfc_call_name_valid(name))
        code = cli_usage_error("tool new",
                               "'%s' is no name for a tool: a letter, then letters, digits, _ . -", name);
    else if ((w.command.n > 0) + !!w.http + !!w.mcp > 1)
        code = cli_usage_error("tool new", "one of --command, --http and --mcp");
    else
        code = make(name, &w, out);
    cli_list_release(&arguments);
    cli_list_release(&w.command);
    return cli_finish(code);
}
