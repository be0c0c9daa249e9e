/* The manifests of an MCP server's tools. Each is read back before it is written: what lies on disk is valid.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "calls/grammar.h"
#include "toolformer/import.h"
#include "tools/args_json.h"
#include "tools/http_client.h"
#include "tools/import_schema.h"
#include "tools/manifest.h"
#include "tools/mcp_server.h"

enum { WORDS_MAX = 64, DEADLINE_MS = 60000, START_DEADLINE_MS = 30000, TEXT_BYTES = 300, NAME_BYTES = 64 };

/* The next word of a command line, unquoted into `out` (as long as the rest). False: there is none. */
static bool next_word(const char **at, char *out)
{
    const char *c = *at + strspn(*at, " \t\n");
    char quote = '\0';
    size_t n = 0;
    if (!*c) return false;
    for (; *c && (quote || !strchr(" \t\n", *c)); c++) {
        if (quote ? *c == quote : *c == '\'' || *c == '"')
            quote = quote ? '\0' : *c;
        else if (*c == '\\' && quote != '\'' && c[1])
            out[n++] = *++c;
        else
            out[n++] = *c;
    }
    out[n] = '\0';
    *at = c;
    return true;
}

/* ./x and ../x are seen from here, not from the manifest's folder. */
static tfc_json *absolute_text(const char *path)
{
    char here[4096];
    bool relative = strncmp(path, "./", 2) == 0 || strncmp(path, "../", 3) == 0;
    if (!relative || !getcwd(here, sizeof here)) return json_object_new_string(path);
    char *whole = tfc_path_join(here, path[1] == '/' ? path + 2 : path);
    tfc_json *text = whole ? json_object_new_string(whole) : NULL;
    tfc_free(whole);
    return text;
}

static tfc_json *texts(const char *const *list, size_t n, bool paths)
{
    tfc_json *array = json_object_new_array();
    for (size_t i = 0; array && i < n; i++) {
        char here[4096];
        char *whole =
            paths && *list[i] != '/' && getcwd(here, sizeof here) ? tfc_path_join(here, list[i]) : NULL;
        json_object_array_add(array, json_object_new_string(whole ? whole : list[i]));
        tfc_free(whole);
    }
    return array;
}

/* argv, and with it the absolute paths among the arguments, which may be read. */
static tfc_status add_command(const tfc_import_params *p, tfc_json *backend, tfc_error *err)
{
    tfc_json *argv = json_object_new_array(), *files = json_object_new_object();
    tfc_json *read = texts(p->read, p->n_read, true);
    char *word = tfc_alloc(strlen(p->command) + 1, 1);
    const char *at = p->command;
    tfc_status status = argv && files && read && word ? TFC_OK : tfc_fail_memory(err, "command");
    while (status == TFC_OK && next_word(&at, word)) {
        tfc_json *text = absolute_text(word);
        const char *path = text ? json_object_get_string(text) : "";
        if (json_object_array_length(argv) > 0 && *path == '/' && access(path, R_OK) == 0)
            json_object_array_add(read, json_object_get(text));
        json_object_array_add(argv, text);
        if (json_object_array_length(argv) > WORDS_MAX)
            status = tfc_fail(err, TFC_ELIMIT, "the command has more than %d words", WORDS_MAX);
    }
    if (status == TFC_OK && json_object_array_length(argv) == 0)
        status = tfc_fail(err, TFC_EINVAL, "the command is empty");
    if (status == TFC_OK) {
        json_object_object_add(backend, "argv", json_object_get(argv));
        if (json_object_array_length(read) > 0) json_object_object_add(files, "read", json_object_get(read));
        if (p->n_write) json_object_object_add(files, "write", texts(p->write, p->n_write, true));
        if (json_object_object_length(files) > 0)
            json_object_object_add(backend, "files", json_object_get(files));
        if (p->network) json_object_object_add(backend, "network", json_object_new_boolean(true));
        if (p->sandbox) json_object_object_add(backend, "sandbox", json_object_new_string(p->sandbox));
    }
    json_object_put(argv);
    json_object_put(files);
    json_object_put(read);
    tfc_free(word);
    return status;
}

static tfc_status add_url(const tfc_import_params *p, tfc_json *backend, tfc_error *err)
{
    json_object_object_add(backend, "url", json_object_new_string(p->url));
    if (!p->n_headers) return TFC_OK;
    tfc_json *headers = json_object_new_object();
    if (!headers) return tfc_fail_memory(err, "headers");
    json_object_object_add(backend, "headers", headers);
    for (size_t i = 0; i < p->n_headers; i++) {
        char name[200];
        size_t n = strcspn(p->headers[i], ":");
        if (!p->headers[i][n] || n >= sizeof name)
            return tfc_fail(err, TFC_EINVAL, "header '%.80s': 'Name: value' expected", p->headers[i]);
        snprintf(name, sizeof name, "%.*s", (int)n, p->headers[i]);
        const char *value = p->headers[i] + n + 1;
        json_object_object_add(headers, name, json_object_new_string(value + strspn(value, " ")));
    }
    return TFC_OK;
}

/* The backend's fields that all tools of the server share. */
static tfc_status make_backend(const tfc_import_params *p, tfc_json **out, tfc_error *err)
{
    if (!p->command == !p->url)
        return tfc_fail(err, TFC_EINVAL, "either a command or a url is imported from");
    *out = json_object_new_object();
    if (!*out) return tfc_fail_memory(err, "backend");
    json_object_object_add(*out, "type", json_object_new_string("mcp"));
    tfc_status status = p->command ? add_command(p, *out, err) : add_url(p, *out, err);
    if (status == TFC_OK && p->n_environment)
        json_object_object_add(*out, "environment", texts(p->environment, p->n_environment, false));
    if (status == TFC_OK) return TFC_OK;
    json_object_put(*out);
    *out = NULL;
    return status;
}

static const char *text_of(tfc_json *object, const char *key)
{
    tfc_json *value = NULL;
    json_object_object_get_ex(object, key, &value);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

/* A server's name as a call's: other characters become _. */
static void call_name(const char *name, char out[NAME_BYTES + 1])
{
    size_t n = 0;
    bool letter = (*name | 32) >= 'a' && (*name | 32) <= 'z';
    if (!letter && *name != '_') out[n++] = 't', out[n++] = '_';
    for (; *name && n < NAME_BYTES; name++) {
        bool fine = (*name >= '0' && *name <= '9') || ((*name | 32) >= 'a' && (*name | 32) <= 'z') ||
                    strchr("_.-", *name);
        out[n++] = fine ? *name : '_';
    }
    out[n] = '\0';
}

/* "Your task is to add calls …", as the paper's prompts put it, and what the server says of the arguments. */
static void write_instruction(tfc_buffer *out, const char *name, const char *about, tfc_json *properties)
{
    size_t i = 0;
    tfc_buffer_printf(
        out,
        "Your task is to add calls to a %s API to a piece of text. The calls should help you get "
        "information required to complete the text. %s: %s You can call the API by writing \"[%s(",
        name, name, about, name);
    json_object_object_foreach(properties, key, unused)
    {
        (void)unused;
        tfc_buffer_printf(out, "%s%s", i++ ? ", " : "", key);
    }
    tfc_buffer_puts(out, ")]\".");
    json_object_object_foreach(properties, argument, property)
    {
        char *words = tfc_call_clean_result(text_of(property, "description"), TEXT_BYTES);
        if (words && *words) tfc_buffer_printf(out, " %s: %s", argument, words);
        if (words && *words && !strchr(".!?:", words[strlen(words) - 1])) tfc_buffer_putc(out, '.');
        tfc_text_free(words);
    }
}

/* The skeleton of a demonstration: its text, with the call before its last words or without. */
static tfc_json *demonstration(const char *name, const char *args, const char *about, const char *lead)
{
    tfc_json *d = json_object_new_object();
    char *call = tfc_call_print_bare(name, args);
    tfc_buffer input, output;
    tfc_buffer_init(&input, 0);
    tfc_buffer_init(&output, 0);
    tfc_buffer_printf(&input, "%s%s%s%s, the answer is as follows.", lead, about, *args ? " For " : "", args);
    tfc_buffer_printf(&output, "%s%s%s%s, the answer is%s as follows.", lead, about, *args ? " For " : "",
                      args, call ? call : "");
    if (d && input.data && output.data) {
        json_object_object_add(d, "input", json_object_new_string(input.data));
        json_object_object_add(d, "output", json_object_new_string(output.data));
    }
    tfc_text_free(call);
    tfc_buffer_release(&input);
    tfc_buffer_release(&output);
    return d;
}

static void add(tfc_json *object, const char *key, const char *text)
{
    json_object_object_add(object, key, json_object_new_string(text));
}

/* The whole manifest. */
static tfc_json *make_manifest(const char *name, const char *about, tfc_json *schema, const char *args,
                               tfc_json *backend)
{
    tfc_json *m = json_object_new_object(), *form = json_object_new_object(), *list = json_object_new_array();
    tfc_json *properties = json_object_object_get(schema, "properties");
    tfc_buffer instruction;
    tfc_buffer_init(&instruction, 0);
    write_instruction(&instruction, name, about, properties);
    if (m && form && list && instruction.data) {
        add(m, "name", name);
        add(m, "description", about);
        add(m, "instruction", instruction.data);
        bool none = json_object_object_length(properties) == 0;
        add(form, "form", none ? "none" : "text");
        json_object_object_add(form, "schema", json_object_get(schema));
        json_object_object_add(m, "args", json_object_get(form));
        add(m, "_demonstrations",
            "A skeleton. Put four or more texts of your own here, as different as the texts to come.");
        json_object_array_add(list, demonstration(name, args, about, ""));
        json_object_array_add(list, demonstration(name, args, about, "Note: "));
        json_object_object_add(m, "demonstrations", json_object_get(list));
        add(m, "_cache", "forever: for tools whose answers do not change; run: within one run; never.");
        add(m, "cache", "run");
        if (json_object_object_get_ex(backend, "argv", NULL)) {
            add(m, "_deadline_ms", "Of one call. The first one waits for the server's start too.");
            json_object_object_add(m, "deadline_ms", json_object_new_int(START_DEADLINE_MS));
        }
        json_object_object_add(m, "backend", json_object_get(backend));
    }
    tfc_buffer_release(&instruction);
    json_object_put(form);
    json_object_put(list);
    return m;
}

/* What the import stands on. */
typedef struct import {
    const tfc_import_params *params;
    tfc_json *backend; /* what the tools share */
    bool remote;
    tfc_import_told *told;
    void *context;
    size_t n_written;
} import;

/* The arguments of the skeleton as text. */
static tfc_status sample_text(tfc_json *schema, tfc_json *sample, char **args, tfc_error *err)
{
    tfc_arena arena = {0};
    tfc_tool tool = {.args_form = TFC_ARGS_TEXT};
    tfc_status status = tfc_args_schema_read(schema, NULL, &arena, &tool.schema, err);
    if (status == TFC_OK) status = tfc_args_from_json(&tool, sample, args, err);
    tfc_arena_release(&arena);
    return status;
}

/* Reads the manifest back and writes it. */
static tfc_status write_manifest(const import *in, const char *name, tfc_json *manifest, char **path,
                                 tfc_error *err)
{
    char file[NAME_BYTES + 8];
    snprintf(file, sizeof file, "%s.json", name);
    *path = tfc_path_join(in->params->out ? in->params->out : ".", file);
    const char *text = json_object_to_json_string_ext(
        manifest, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (!*path || !text) return tfc_fail_memory(err, name);
    tfc_arena arena = {0};
    tfc_tool tool;
    tfc_status status = tfc_manifest_read(text, strlen(text), name, NULL, &arena, &tool, err);
    if (status == TFC_OK) tfc_tool_close(&tool);
    tfc_arena_release(&arena);
    if (status != TFC_OK) return status;
    if (!in->params->force && tfc_file_exists(*path))
        return tfc_fail(err, TFC_ECONFLICT, "'%s' is there already", *path);
    tfc_buffer whole;
    tfc_buffer_init(&whole, 0);
    tfc_buffer_puts(&whole, text);
    tfc_buffer_putc(&whole, '\n');
    status = tfc_buffer_ok(&whole, name, err);
    if (status == TFC_OK) status = tfc_file_write_whole(*path, whole.data, whole.n, err);
    tfc_buffer_release(&whole);
    return status;
}

/* The tool's own backend: the shared fields, then its name and headers. */
static tfc_json *own_backend(const import *in, const char *tool, tfc_json *headers)
{
    tfc_json *backend = json_object_new_object();
    if (!backend) return NULL;
    json_object_object_foreach(in->backend, key, value)
        json_object_object_add(backend, key, json_object_get(value));
    add(backend, "tool", tool);
    if (json_object_object_length(headers) > 0)
        json_object_object_add(backend, "param_headers", json_object_get(headers));
    return backend;
}

static tfc_status import_tool(const import *in, tfc_json *entry, char **path, tfc_error *err)
{
    const char *tool = text_of(entry, "name"), *description = text_of(entry, "description");
    char name[NAME_BYTES + 1];
    char *args = NULL;
    tfc_json *schema, *headers, *sample, *input = NULL;
    json_object_object_get_ex(entry, "inputSchema", &input);
    call_name(tool, name);
    tfc_status status = tfc_import_schema(input, in->remote, &schema, &headers, &sample, err);
    if (status != TFC_OK) return status;
    char *about = tfc_call_clean_result(*description ? description : tool, TEXT_BYTES);
    if (!about) status = tfc_fail_memory(err, tool);
    if (status == TFC_OK && json_object_object_length(sample) > 0)
        status = sample_text(schema, sample, &args, err);
    if (status == TFC_OK) {
        size_t n = strlen(about);
        bool ended = n > 0 && strchr(".!?:", about[n - 1]);
        tfc_buffer sentence;
        tfc_buffer_init(&sentence, 0);
        tfc_buffer_printf(&sentence, "%s%s", *about ? about : name, ended ? "" : ".");
        tfc_json *backend = own_backend(in, tool, headers);
        tfc_json *manifest =
            make_manifest(name, sentence.data ? sentence.data : name, schema, args ? args : "", backend);
        status =
            backend && manifest ? write_manifest(in, name, manifest, path, err) : tfc_fail_memory(err, tool);
        json_object_put(manifest);
        json_object_put(backend);
        tfc_buffer_release(&sentence);
    }
    tfc_text_free(about);
    tfc_free(args);
    json_object_put(schema);
    json_object_put(headers);
    json_object_put(sample);
    return status;
}

static bool is_wanted(const tfc_import_params *p, const char *name)
{
    for (size_t i = 0; i < p->n_names; i++)
        if (strcmp(p->names[i], name) == 0) return true;
    return p->n_names == 0;
}

/* Every name that is wanted is in the list. */
static tfc_status check_names(const tfc_import_params *p, tfc_json *tools, tfc_error *err)
{
    for (size_t i = 0; i < p->n_names; i++) {
        bool found = false;
        char known[400] = "";
        for (size_t k = 0; k < json_object_array_length(tools); k++) {
            const char *name = text_of(json_object_array_get_idx(tools, k), "name");
            size_t n = strlen(known);
            snprintf(known + n, sizeof known - n, "%s%s", k ? ", " : "", name);
            found = found || strcmp(name, p->names[i]) == 0;
        }
        if (!found)
            return tfc_fail(err, TFC_ENOTFOUND, "the server has no tool '%.60s'; there are %s", p->names[i],
                            known);
    }
    return TFC_OK;
}

static tfc_status import_all(import *in, tfc_json *tools, tfc_error *err)
{
    tfc_status status = check_names(in->params, tools, err);
    tfc_error why;
    tfc_error_init(&why);
    if (status == TFC_OK && in->params->out) status = tfc_folder_make(in->params->out, err);
    for (size_t i = 0; status == TFC_OK && i < json_object_array_length(tools); i++) {
        tfc_json *entry = json_object_array_get_idx(tools, i);
        const char *name = json_object_is_type(entry, json_type_object) ? text_of(entry, "name") : "";
        char *path = NULL;
        if (!*name || !is_wanted(in->params, name)) continue;
        tfc_status own = import_tool(in, entry, &path, &why);
        in->n_written += own == TFC_OK;
        if (in->told)
            in->told(in->context, name, own == TFC_OK ? path : NULL, own == TFC_OK ? NULL : why.message);
        if (own == TFC_ENOMEM || own == TFC_EIO) status = tfc_fail(err, own, "%s", why.message);
        tfc_free(path);
    }
    if (status != TFC_OK || in->n_written > 0) return status;
    return why.status == TFC_OK ? tfc_fail(err, TFC_ENOTFOUND, "the server has no tools")
                                : tfc_fail(err, why.status, "nothing was imported; %s", why.message);
}

tfc_status tfc_tools_import(const tfc_import_params *params, tfc_import_told *told, void *context,
                            tfc_error *err)
{
import in = {.params = params, .remote = params->url != NULL, .told = told, .context = context };
    tfc_mcp_server *server = NULL;
    tfc_json *tools = NULL;
    int64_t ms = params->deadline_ms ? params->deadline_ms : DEADLINE_MS;
    tfc_status status = make_backend(params, &in.backend, err);
    if (status == TFC_OK) status = tfc_mcp_server_open(in.backend, NULL, &server, err);
    if (status == TFC_OK) status = tfc_mcp_server_tools(server, tfc_clock_ns() + ms * 1000000, &tools, err);
    if (status == TFC_OK) status = import_all(&in, tools, err);
    tfc_mcp_server_close(server);
    json_object_put(tools);
    json_object_put(in.backend);
    return status;
}
