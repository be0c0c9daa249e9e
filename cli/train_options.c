/* Options and figures of training. */
#include "train_options.h"

#include <math.h>
#include <string.h>

cli_training cli_training_default(void)
{
    return (cli_training){.params = tfc_train_params_default()};
}

void cli_train_options(cli_training *t, cli_option options[CLI_N_TRAIN])
{
    tfc_train_params *p = &t->params;
    const cli_option table[CLI_N_TRAIN] = {
        {"steps", CLI_INT, &p->steps, "N", "optimizer steps; 0: as many as the epochs take", 0, 1 << 30},
        {"epochs", CLI_NUMBER, &p->epochs, "X", "times that each text is seen", 0, 100000},
        {"batch", CLI_INT, &p->batch, "N", "texts of one step", 1, 1 << 20},
        {"max-tokens", CLI_INT, &p->max_tokens, "N", "longest sequence (default 1024)", 2, 1 << 20},
        {"lr", CLI_NUMBER, &p->lr, "X", "learning rate", 0, 10},
        {"warmup-share", CLI_NUMBER, &p->warmup_share, "X", "share of the steps in which it rises", 0, 1},
        {"lr-decay", CLI_FLAG, &p->lr_decay, NULL, "let it fall to zero after the warm-up", 0, 0},
        {"beta1", CLI_NUMBER, &p->beta1, "X", "AdamW (default 0.9)", 0, 1},
        {"beta2", CLI_NUMBER, &p->beta2, "X", "AdamW (default 0.95)", 0, 1},
        {"epsilon", CLI_NUMBER, &p->epsilon, "X", "AdamW (default 1e-8)", 0, 1},
        {"weight-decay", CLI_NUMBER, &p->weight_decay, "X", "AdamW (default 0)", 0, 100},
        {"clip", CLI_NUMBER, &p->clip, "X", "largest norm of the gradient (default 1; 0: any)", 0, 1000000},
        {"text-weight", CLI_NUMBER, &p->text_weight, "X", "of the loss outside calls (default 1)", 0, 1},
        {"mask-results", CLI_FLAG, &p->mask_results, NULL, "no loss on the results of calls", 0, 0},
        {"without-calls", CLI_FLAG, &p->without_calls, NULL, "the texts without their calls: a control", 0,
         0},
        {"no-eos", CLI_FLAG, &t->no_eos, NULL, "texts do not end with the end-of-text token", 0, 0},
        {"plain", CLI_TEXT, &p->plain, "FILE", "JSON lines of texts mixed in as they are", 0, 0},
        {"plain-share", CLI_NUMBER, &p->plain_share, "X", "their share of the examples", 0, 1},
        {"match-base", CLI_NUMBER, &p->match_base, "X",
         "learn the base model's distribution in them, not the words, with this weight", 0, 1000},
        {"freeze-embeddings", CLI_FLAG, &p->freeze_embeddings, NULL,
         "the token and position tables and the head stay as they are", 0, 0},
        {"base-share", CLI_NUMBER, &p->base_share, "X",
         "of the base model's weights in the tuned model: forgets less, learns less (default 0)", 0, 1},
        {"dev", CLI_TEXT, &p->dev, "FILE", "JSON lines for the dev loss; else a held-out share", 0, 0},
        {"dev-share", CLI_NUMBER, &p->dev_share, "X", "that share (default 0.05)", 0, 1},
        {"eval-every", CLI_INT, &p->eval_every, "N", "steps between dev losses; 0: four times in all", 0,
         1 << 30},
        {"checkpoint-every", CLI_INT, &p->checkpoint_every, "N",
         "steps between checkpoints; 0: every five minutes", 0, 1 << 30},
        {"keep-checkpoints", CLI_FLAG, &p->keep_checkpoints, NULL, "also when the training is done", 0, 0},
        {"export-format", CLI_TEXT, &p->export_format, "NAME", "of the tuned model: gguf or safetensors", 0,
         0},
        {"export-type", CLI_TEXT, &p->export_type, "NAME", "of its weights: F32, F16, BF16 (default), Q8_0",
         0, 0},
    };
    memcpy(options, table, sizeof table);
}

bool cli_train_complete(cli_training *t, const cli_common *common)
{
    if (common->operand && strcmp(common->operand, "int8") == 0) {
        cli_fail("--operand int8 is for scoring; training takes bf16 or f32");
        return false;
    }
    if (t->no_eos) t->params.add_eos = false;
    t->params.seed = common->seed;
    t->params.n_threads = (int)common->threads;
    t->params.operand = common->operand;
    return true;
}

void cli_train_json(cli_json *json, const tfc_train_result *r)
{
    cli_json_int(json, "steps", r->steps);
    cli_json_int(json, "tokens", r->tokens);
    cli_json_number(json, "loss_first", r->loss_first);
    cli_json_number(json, "loss_last", r->loss_last);
    cli_json_number(json, "dev_loss_before", r->dev_loss_before);
    cli_json_number(json, "dev_loss_best", r->dev_loss_best);
    cli_json_int(json, "best_step", r->best_step);
    cli_json_number(json, "seconds", r->seconds);
    cli_json_number(json, "tokens_per_second", r->tokens_per_second);
    cli_json_number(json, "flops_per_second", r->flops_per_second);
}

void cli_train_print(const tfc_train_result *r)
{
    cli_printf("training   %lld steps, %lld tokens, %.0f tokens/s\n", (long long)r->steps,
               (long long)r->tokens, r->tokens_per_second);
    cli_printf("loss       %.4f → %.4f\n", r->loss_first, r->loss_last);
    if (isfinite(r->dev_loss_before))
        cli_printf("dev loss   %.4f → %.4f (step %lld)\n", r->dev_loss_before, r->dev_loss_best,
                   (long long)r->best_step);
}
