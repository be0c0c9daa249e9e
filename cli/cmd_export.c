/* export: a run's model or data set for other programs. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "open_model.h"
#include "output.h"
#include "toolformer/forget.h"
#include "toolformer/tools.h"
#include "toolformer/train.h"

typedef struct export_job {
    cli_common common;
    const char *run, *format, *type, *out, *tool_names, *instruction;
    tfc_tools *tools; /* for the descriptions */
    const char *forget_data;
    double max_forget; /* per cent */
    bool force;
} export_job;

/* The base model's name: --model, or what `run` wrote. The caller's; NULL: the default model. */
static char *base_name(const export_job *job)
{
    char *path = NULL, *name = NULL;
    struct json_object *base;
    if (job->common.model) return strdup(job->common.model);
    if (asprintf(&path, "%s/summary.json", job->run) < 0) return NULL;
    struct json_object *summary = access(path, R_OK) == 0 ? json_object_from_file(path) : NULL;
    if (summary && json_object_object_get_ex(summary, "base", &base) &&
        json_object_is_type(base, json_type_string))
        name = strdup(json_object_get_string(base));
    json_object_put(summary);
    free(path);
    return name;
}

/* A model that forgot too much is not passed on. */
static int check_forgetting(const export_job *job)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_forget_report report;
    tfc_monitor monitor = cli_monitor(job->common.quiet);
    char *name = base_name(job), *base = NULL;
    tfc_status status = tfc_model_locate(name, &base, &err);
    if (status == TFC_OK) {
        tfc_forget_params params = {.run = job->run,
                                    .base = base,
                                    .data = job->forget_data,
                                    .cpu = job->common.cpu,
                                    .operand = job->common.operand,
                                    .n_threads = (int)job->common.threads};
        status = tfc_forget_check(&params, &monitor, &report, &err);
    }
    cli_progress_end();
    tfc_text_free(base);
    free(name);
    if (status == TFC_EINTERRUPTED) return cli_fail_error(&err);
    if (status != TFC_OK)
        return cli_fail(
            "%s; what the model forgot cannot be measured: name the model that it comes from with --model, "
            "or pass --force",
            err.message);
    if (100 * report.change <= job->max_forget) return CLI_OK;
    return cli_fail(
        "the model forgot too much: the perplexity of a text that it was not trained on rose from %.2f to "
        "%.2f, by %.1f %% (limit %g %%); train with a lower --lr or a larger --plain-share, or pass --force",
        report.base_perplexity, report.perplexity, 100 * report.change, job->max_forget);
}

static int export_model(const export_job *job, const char *out)
{
    int checked = job->force ? CLI_OK : check_forgetting(job);
    if (checked != CLI_OK) return checked;
    char *path = NULL;
    if (asprintf(&path, "%s/model", job->run) < 0) return cli_fail("out of memory");
    cli_common common = job->common;
    common.model = path;
    tfc_model *model = cli_open_model(&common);
    tfc_error err;
    tfc_error_init(&err);
    int exit_code = CLI_FAILURE;
    if (model && tfc_model_export(model, out, job->format, job->type, &err) == TFC_OK)
        exit_code = CLI_OK;
    else if (model)
        exit_code = cli_fail_error(&err);
    tfc_model_free(model);
    free(path);
    return exit_code;
}

/* A call as a row of dataset.jsonl has it. Texts borrowed. */
typedef struct row_call {
    const char *tool, *args, *result;
    size_t at;
} row_call;

static bool read_call(struct json_object *object, row_call *call)
{
    struct json_object *tool, *args, *result, *at;
    if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, "tool", &tool) ||
        !json_object_object_get_ex(object, "args", &args) ||
        !json_object_object_get_ex(object, "result", &result) ||
        !json_object_object_get_ex(object, "at", &at))
        return false;
    if (!json_object_is_type(at, json_type_int) || json_object_get_int64(at) < 0) return false;
    *call = (row_call){json_object_get_string(tool), json_object_get_string(args),
                       json_object_get_string(result), (size_t)json_object_get_int64(at)};
    return call->tool && call->args && call->result;
}

/* {"name","description","parameters"} of a tool: one text argument. */
static void put_function(const export_job *job, cli_json *json, const char *name)
{
    const tfc_tool *tool = job->tools ? tfc_tools_find(job->tools, name) : NULL;
    cli_json_begin(json, NULL, '{');
    cli_json_text(json, "type", "function");
    cli_json_begin(json, "function", '{');
    cli_json_text(json, "name", name);
    if (tool) cli_json_text(json, "description", tfc_tool_description(tool));
    cli_json_begin(json, "parameters", '{');
    cli_json_text(json, "type", "object");
    cli_json_begin(json, "properties", '{');
    cli_json_begin(json, "input", '{');
    cli_json_text(json, "type", "string");
    cli_json_end(json, '}');
    cli_json_end(json, '}');
    cli_json_begin(json, "required", '[');
    cli_json_text(json, NULL, "input");
    cli_json_end(json, ']');
    cli_json_end(json, '}');
    cli_json_end(json, '}');
    cli_json_end(json, '}');
}

/* {"input": ARGS} as text, as that format wants it. */
static char *arguments_text(const char *args)
{
    cli_json json;
    if (!cli_json_init(&json)) return NULL;
    cli_json_begin(&json, NULL, '{');
    cli_json_text(&json, "input", args);
    cli_json_end(&json, '}');
    return cli_json_take(&json);
}

static void put_message(cli_json *json, const char *role, const char *text, size_t n)
{
    cli_json_begin(json, NULL, '{');
    cli_json_text(json, "role", role);
    cli_json_bytes(json, "content", text, n);
}

/* The text up to the call with the call, and the tool's answer. */
static bool put_call(cli_json *json, const row_call *call, size_t i, const char *text, size_t n)
{
    char id[32];
    snprintf(id, sizeof id, "call_%zu", i);
    char *arguments = arguments_text(call->args);
    if (!arguments) return false;
    put_message(json, "assistant", text, n);
    cli_json_begin(json, "tool_calls", '[');
    cli_json_begin(json, NULL, '{');
    cli_json_text(json, "id", id);
    cli_json_text(json, "type", "function");
    cli_json_begin(json, "function", '{');
    cli_json_text(json, "name", call->tool);
    cli_json_text(json, "arguments", arguments);
    cli_json_end(json, '}');
    cli_json_end(json, '}');
    cli_json_end(json, ']');
    cli_json_end(json, '}');
    put_message(json, "tool", call->result, strlen(call->result));
    cli_json_text(json, "tool_call_id", id);
    cli_json_end(json, '}');
    free(arguments);
    return true;
}

/* One row as a conversation: the text is the assistant's, cut at its calls. */
static bool put_conversation(const export_job *job, cli_json *json, struct json_object *row)
{
    struct json_object *source_object, *calls;
    if (!json_object_object_get_ex(row, "source", &source_object) ||
        !json_object_object_get_ex(row, "calls", &calls) || !json_object_is_type(calls, json_type_array))
        return false;
    const char *source = json_object_get_string(source_object);
    size_t n = (size_t)json_object_get_string_len(source_object), done = 0;
    cli_json_begin(json, "messages", '[');
    put_message(json, "user", job->instruction, strlen(job->instruction));
    cli_json_end(json, '}');
    for (size_t i = 0; i < json_object_array_length(calls); i++) {
        row_call call;
        if (!read_call(json_object_array_get_idx(calls, i), &call) || call.at < done || call.at > n)
            return false;
        if (!put_call(json, &call, i, source + done, call.at - done)) return false;
        done = call.at;
    }
    put_message(json, "assistant", source + done, n - done);
    cli_json_end(json, '}');
    cli_json_end(json, ']');
    cli_json_begin(json, "tools", '[');
    for (size_t i = 0; i < json_object_array_length(calls); i++) {
        row_call call, earlier;
        bool seen = false;
        if (!read_call(json_object_array_get_idx(calls, i), &call)) return false;
        for (size_t j = 0; j < i && !seen; j++)
            seen =
                read_call(json_object_array_get_idx(calls, j), &earlier) && !strcmp(earlier.tool, call.tool);
        if (!seen) put_function(job, json, call.tool);
    }
    cli_json_end(json, ']');
    return true;
}

/* One line of the data set to one line of the export; false: malformed. */
static bool export_row(const export_job *job, const char *line, FILE *out)
{
    struct json_object *row = json_tokener_parse(line), *text;
    cli_json json;
    bool ok = row && json_object_is_type(row, json_type_object) && cli_json_init(&json);
    if (ok) {
        cli_json_begin(&json, NULL, '{');
        if (strcmp(job->format, "openai") == 0) {
            ok = put_conversation(job, &json, row);
        } else {
            ok = json_object_object_get_ex(row, "text", &text) && json_object_is_type(text, json_type_string);
            if (ok)
                cli_json_bytes(&json, "text", json_object_get_string(text),
                               (size_t)json_object_get_string_len(text));
        }
        cli_json_end(&json, '}');
        char *made = cli_json_take(&json);
        if (ok && made) fprintf(out, "%s\n", made); /* errors are seen at the end */
        ok = ok && made;
        free(made);
    }
    json_object_put(row);
    return ok;
}

static int export_lines(const export_job *job, FILE *in, const char *name, FILE *out)
{
    char *line = NULL;
    size_t capacity = 0;
    int exit_code = CLI_OK;
    for (int64_t number = 1; exit_code == CLI_OK && getline(&line, &capacity, in) >= 0; number++) {
        if (cli_interrupted())
            exit_code = CLI_INTERRUPTED;
        else if (!export_row(job, line, out))
            exit_code = cli_fail("'%s' line %lld is no row of a data set", name, (long long)number);
    }
    if (exit_code == CLI_OK && ferror(in)) exit_code = cli_fail("cannot read '%s'", name);
    free(line);
    return exit_code;
}

static int export_dataset(export_job *job, const char *out_path)
{
    char *in_path = NULL, *partial = NULL;
    FILE *in = NULL, *out = NULL;
    tfc_error err;
    tfc_error_init(&err);
    int exit_code = CLI_FAILURE;
    if (asprintf(&in_path, "%s/dataset.jsonl", job->run) < 0 ||
        asprintf(&partial, "%s.partial", out_path) < 0)
        return cli_fail("out of memory");
    job->tools = tfc_tools_create(job->tool_names, &err);
    if (!job->tools) {
        exit_code = cli_fail_error(&err);
    } else if (!(in = fopen(in_path, "re"))) {
        exit_code = cli_fail("cannot open '%s': %s", in_path, strerror(errno));
    } else if (!(out = fopen(partial, "we"))) {
        exit_code = cli_fail("cannot write '%s': %s", partial, strerror(errno));
    } else {
        exit_code = export_lines(job, in, in_path, out);
        bool written = !ferror(out) && fflush(out) == 0 && fsync(fileno(out)) == 0;
        written = fclose(out) == 0 && written;
        if (exit_code == CLI_OK && (!written || rename(partial, out_path) != 0))
            exit_code = cli_fail("cannot write '%s': %s", out_path, strerror(errno));
        if (exit_code != CLI_OK) unlink(partial);
    }
    if (in) fclose(in);
    tfc_tools_free(job->tools);
    free(in_path);
    free(partial);
    return exit_code;
}

static int export_run(export_job *job)
{
    static const char *const formats[][2] = {{"gguf", "model.export.gguf"},
                                             {"safetensors", "model.export"},
                                             {"openai", "openai.jsonl"},
                                             {"trl", "trl.jsonl"}};
    const char *name = NULL;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i][0], job->format) == 0) name = formats[i][1];
    if (!name)
        return cli_usage_error("export", "--format must be gguf, safetensors, openai or trl, not '%s'",
                               job->format);
    char *path = NULL;
    if (asprintf(&path, "%s/%s", job->run, name) < 0) return cli_fail("out of memory");
    const char *out = job->out ? job->out : path;
    bool model = strcmp(job->format, "gguf") == 0 || strcmp(job->format, "safetensors") == 0;
    int exit_code = model ? export_model(job, out) : export_dataset(job, out);
    cli_json line;
    if (exit_code == CLI_OK && !job->common.json) {
        cli_printf("%s\n", out);
    } else if (exit_code == CLI_OK && cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "path", out);
        cli_json_text(&line, "format", job->format);
        cli_json_end(&line, '}');
        if (!cli_json_print(&line)) exit_code = CLI_FAILURE;
    }
    free(path);
    return exit_code;
}

int cmd_export(int argc, char **argv)
{
    export_job job = {
        .type = "BF16", .max_forget = 5, .instruction = "Write the text. Use the tools where they help."};
    const cli_option options[] = {
        {"run", CLI_TEXT, &job.run, "RUN", "the run's folder", 0, 0},
        {"format", CLI_TEXT, &job.format, "NAME", "gguf, safetensors (the model); openai, trl (the data set)",
         0, 0},
        {"out", CLI_TEXT, &job.out, "PATH", "file or folder to write; else one in RUN", 0, 0},
        {"type", CLI_TEXT, &job.type, "NAME", "of weights: F32, F16, BF16 (default), Q8_0", 0, 0},
        {"tools", CLI_TEXT, &job.tool_names, "A,B", "openai: tools whose descriptions go along", 0, 0},
        {"max-forget", CLI_NUMBER, &job.max_forget, "PERCENT",
         "refuse a model whose perplexity rose by more (default 5)", 0, 1000000},
        {"forget-data", CLI_TEXT, &job.forget_data, "FILE",
         "text of that perplexity; else one that comes with the program", 0, 0},
        {"force", CLI_FLAG, &job.force, NULL, "write the model whatever it forgot", 0, 0},
        {"instruction", CLI_TEXT, &job.instruction, "TEXT", "openai: what the user says in every row", 0, 0},
    };
    const cli_usage usage = {
        .command = "export",
        .synopsis = "--run RUN --format NAME [options]",
        .text =
            "Writes a run's tuned model, or its data set, for other programs: gguf and safetensors hold the\n"
            "model; openai has conversations with tool calls, trl rows of {\"text\"}. A model whose "
            "perplexity on\n"
            "texts that it was not trained on grew too much is refused; --model names the one it comes "
            "from,\n"
            "else RUN/summary.json does.",
        .example = "toolformer export --run runs/demo --format gguf --type Q8_0 --out tuned.gguf",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &job.common, argc, argv, NULL, &exit_code)) return exit_code;
    if (!job.run) return cli_usage_error("export", "--run is missing");
    if (!job.format) return cli_usage_error("export", "--format is missing");
    return cli_finish(export_run(&job));
}
