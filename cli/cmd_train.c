/* train: fine-tuning on texts with calls in them. */
#include "commands.h"
#include "open_model.h"
#include "output.h"
#include "train_options.h"

int cmd_train(int argc, char **argv)
{
    cli_common common = {0};
    cli_training training = cli_training_default();
    cli_option options[CLI_N_TRAIN + 2];
    cli_train_options(&training, options);
    options[CLI_N_TRAIN] = (cli_option){
        "data", CLI_TEXT, &training.params.data, "FILE", "JSON lines with \"text\": RUN/dataset.jsonl", 0, 0};
    options[CLI_N_TRAIN + 1] = (cli_option){
        "out", CLI_TEXT, &training.params.out, "DIR", "folder of checkpoints and of the tuned model", 0, 0};
    const cli_usage usage = {
        .command = "train",
        .synopsis = "--data FILE --out DIR [options]",
        .text = "Fine-tunes the model. DIR/model is then a model for every other command. The same command\n"
                "goes on from the last checkpoint, and ends in the same bytes.",
        .example = "toolformer train --data runs/a/dataset.jsonl --out runs/a --epochs 2 --batch 8 --lr 5e-5",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;
    if (!training.params.data) return cli_usage_error("train", "--data is missing");
    if (!training.params.out) return cli_usage_error("train", "--out is missing");
    if (!cli_train_complete(&training, &common)) return cli_finish(CLI_FAILURE);
    tfc_model *model = cli_open_model(&common);
    if (!model) return cli_finish(CLI_FAILURE);
    tfc_error err;
    tfc_error_init(&err);
    tfc_train_result result;
    tfc_monitor monitor = cli_monitor(common.quiet);
    tfc_status status = tfc_train(model, &training.params, &monitor, &result, &err);
    cli_progress_end();
    exit_code = status == TFC_OK ? CLI_OK : cli_fail_error(&err);
    tfc_model_free(model);
    cli_json line;
    if (exit_code == CLI_OK && !common.json) {
        cli_train_print(&result);
        cli_printf("model      %s/model\n", training.params.out);
    } else if (exit_code == CLI_OK && cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "out", training.params.out);
        cli_train_json(&line, &result);
        cli_json_end(&line, '}');
        if (!cli_json_print(&line)) exit_code = CLI_FAILURE;
    }
    return cli_finish(exit_code);
}
