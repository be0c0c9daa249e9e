/* run: the main job. Each stage finds what an earlier start finished, so the same command goes on. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "annotate_options.h"
#include "commands.h"
#include "open_model.h"
#include "output.h"
#include "toolformer/forget.h"
#include "toolformer/recipe.h"
#include "toolformer/report.h"
#include "train_options.h"

typedef struct job {
    cli_common common;
    cli_annotation annotation;
    cli_training training;
    const char *out;
    int64_t n_control;
    tfc_recipe recipe;
    tfc_monitor monitor;
    char *data, *plain; /* RUN/dataset.jsonl, RUN/plain.jsonl */
    tfc_annotate_result annotated;
    tfc_filter_result filtered;
    tfc_control_result control;
    tfc_train_result trained;
    tfc_forget_report forgot;
    struct {
        double annotate, filter, control, train, forget;
    } seconds;
} job;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Numbers that options left open, for the recipe to fill. */
static void training_unset(tfc_train_params *p)
{
    p->steps = p->batch = p->max_tokens = -1;
    p->epochs = p->lr = p->warmup_share = p->plain_share = p->match_base = p->text_weight = p->base_share =
        NAN;
}

static void training_fill(job *self)
{
    tfc_train_params *p = &self->training.params, fallback = tfc_train_params_default();
    const tfc_recipe *r = &self->recipe;
    bool own_length = p->steps >= 0 || !isnan(p->epochs); /* an option decides, not the recipe */
    if (!own_length) {
        p->steps = r->train.steps;
        p->epochs = r->train.epochs;
    }
    if (p->steps < 0) p->steps = 0;
    if (isnan(p->epochs)) p->epochs = fallback.epochs;
    if (p->batch < 0) p->batch = r->train.batch > 0 ? r->train.batch : fallback.batch;
    if (p->max_tokens < 0)
        p->max_tokens = r->train.max_tokens > 0 ? r->train.max_tokens : fallback.max_tokens;
    if (isnan(p->lr)) p->lr = isnan(r->train.lr) ? fallback.lr : r->train.lr;
    if (isnan(p->warmup_share))
        p->warmup_share = isnan(r->train.warmup_share) ? fallback.warmup_share : r->train.warmup_share;
    if (isnan(p->match_base)) p->match_base = r->train.match_base;
    if (isnan(p->text_weight)) p->text_weight = r->train.text_weight;
    if (isnan(p->base_share)) p->base_share = r->train.base_share;
    p->lr_decay = p->lr_decay || r->train.lr_decay;
    p->freeze_embeddings = p->freeze_embeddings || r->train.freeze_embeddings;
    if (isnan(p->plain_share))
        p->plain_share = isnan(r->train.plain_share) ? fallback.plain_share : r->train.plain_share;
}

static char *path_in(const char *folder, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        cli_fail("out of memory");
        return NULL;
    }
    return path;
}

/* The texts that kept no call are mixed in as they are, unless --plain names others. */
static void choose_plain(job *self)
{
    tfc_train_params *p = &self->training.params;
    if (p->plain_share <= 0) p->match_base = 0;
    if (p->plain || p->plain_share <= 0) return;
    FILE *file = fopen(self->plain, "re");
    int first = file ? fgetc(file) : EOF;
    if (file) fclose(file);
    if (first != EOF)
        p->plain = self->plain;
    else
        p->plain_share = p->match_base = 0; /* every text kept a call */
}

/* As export's own limit. */
static const double FORGET_HINT = 0.05;

static bool say(const job *self, const char *what)
{
    if (!self->common.quiet) cli_note("%s", what);
    return true;
}

/* From then on the data set stays what it is: calls that failed are not tried again. */
static bool training_began(const job *self)
{
    char *log = path_in(self->out, "train.jsonl");
    bool began = log && access(log, F_OK) == 0;
    free(log);
    return began;
}

static tfc_status annotate_and_filter(job *self, tfc_model *model, tfc_error *err)
{
    double begin = now();
    say(self, "annotating");
    self->annotation.params.run = self->out;
    self->annotation.params.keep_failed = training_began(self);
    tfc_status status = tfc_annotate(model, &self->annotation.params, &self->monitor, &self->annotated, err);
    self->seconds.annotate = now() - begin;
    if (status != TFC_OK) return status;
    begin = now();
    say(self, "filtering");
    tfc_filter_params filter = tfc_filter_params_default();
    filter.run = self->out;
    status = tfc_filter(&filter, &self->filtered, err);
    self->seconds.filter = now() - begin;
    if (status != TFC_OK || self->n_control == 0 || self->filtered.calls == 0) return status;
    begin = now();
    say(self, "judging calls again with the results of others");
    status = tfc_control_shuffled(model, &self->annotation.params, self->n_control, &self->monitor,
                                  &self->control, err);
    self->seconds.control = now() - begin;
    return status;
}

static int work(job *self, tfc_model *model)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_status status = annotate_and_filter(self, model, &err);
    cli_progress_end();
    if (status != TFC_OK) return cli_fail_error(&err);
    if (self->filtered.texts == 0)
        return cli_fail(
            "no call was kept, so there is nothing to train on: %lld calls were scored. More texts, "
            "another --recipe or a lower --tau-f may help; RUN/run.db has every candidate",
            (long long)self->annotated.scored);
    choose_plain(self);
    self->training.params.data = self->data;
    self->training.params.out = self->out;
    double begin = now();
    say(self, "training");
    status = tfc_train(model, &self->training.params, &self->monitor, &self->trained, &err);
    self->seconds.train = now() - begin;
    cli_progress_end();
    return status == TFC_OK ? CLI_OK : cli_fail_error(&err);
}

/* What the training cost elsewhere: the figure that export asks for. */
static int measure_forgetting(job *self, const char *base)
{
    tfc_error err;
    tfc_error_init(&err);
    double begin = now();
    tfc_forget_params params = {.run = self->out,
                                .base = base,
                                .cpu = self->common.cpu,
                                .operand = self->common.operand,
                                .n_threads = (int)self->common.threads};
    say(self, "measuring what was forgotten");
    tfc_status status = tfc_forget_check(&params, &self->monitor, &self->forgot, &err);
    self->seconds.forget = now() - begin;
    cli_progress_end();
    if (status != TFC_OK) return cli_fail_error(&err);
    if (self->forgot.change > FORGET_HINT && !self->common.quiet)
        cli_note("the model's perplexity on a text of other subjects rose by %.1f %%: export will refuse it; "
                 "a lower "
                 "--lr, fewer --epochs or a larger --plain-share may help",
                 100 * self->forgot.change);
    return CLI_OK;
}

static void print_summary(const job *self)
{
    cli_annotate_print(&self->annotated);
    cli_filter_print(&self->filtered);
    if (self->control.n > 0)
        cli_printf("control    of %lld calls, %lld pass with their own result, %lld with another's\n",
                   (long long)self->control.n, (long long)self->control.kept_own,
                   (long long)self->control.kept_other);
    cli_train_print(&self->trained);
    cli_printf("perplexity %.2f → %.2f (%+.1f %%) of a text of other subjects, calls disabled\n",
               self->forgot.base_perplexity, self->forgot.perplexity, 100 * self->forgot.change);
    cli_printf("seconds    annotate %.1f, filter %.1f, control %.1f, train %.1f, perplexity %.1f\n",
               self->seconds.annotate, self->seconds.filter, self->seconds.control, self->seconds.train,
               self->seconds.forget);
    cli_printf("model      %s/model\nreport     %s/report.html\n", self->out, self->out);
}

static bool summary_json(const job *self, const char *model_path, cli_json *line)
{
    if (!cli_json_init(line)) return false;
    cli_json_begin(line, NULL, '{');
    cli_json_text(line, "run", self->out);
    cli_json_text(line, "base", model_path);
    cli_json_text(line, "recipe", self->recipe.name);
    cli_json_begin(line, "annotate", '{');
    cli_annotate_json(line, &self->annotated);
    cli_json_end(line, '}');
    cli_json_begin(line, "filter", '{');
    cli_filter_json(line, &self->filtered);
    cli_json_end(line, '}');
    cli_json_begin(line, "control", '{');
    cli_json_int(line, "n", self->control.n);
    cli_json_int(line, "kept_own", self->control.kept_own);
    cli_json_int(line, "kept_other", self->control.kept_other);
    cli_json_end(line, '}');
    cli_json_begin(line, "train", '{');
    cli_train_json(line, &self->trained);
    cli_json_end(line, '}');
    cli_json_begin(line, "forgetting", '{');
    cli_json_number(line, "base_perplexity", self->forgot.base_perplexity);
    cli_json_number(line, "perplexity", self->forgot.perplexity);
    cli_json_number(line, "change", self->forgot.change);
    cli_json_end(line, '}');
    cli_json_begin(line, "seconds", '{');
    cli_json_number(line, "annotate", self->seconds.annotate);
    cli_json_number(line, "filter", self->seconds.filter);
    cli_json_number(line, "control", self->seconds.control);
    cli_json_number(line, "train", self->seconds.train);
    cli_json_number(line, "forget", self->seconds.forget);
    cli_json_end(line, '}');
    char *model = path_in(self->out, "model");
    cli_json_text(line, "model", model);
    free(model);
    cli_json_end(line, '}');
    return true;
}

static int finish(const job *self, const char *model_path)
{
    cli_json line;
    char *path = path_in(self->out, "summary.json");
    bool ok = path && summary_json(self, model_path, &line);
    if (ok) ok = cli_json_save(&line, path);
    free(path);
    tfc_error err;
    tfc_error_init(&err);
    if (ok && tfc_report_write(self->out, 0, &err) != TFC_OK) return cli_fail_error(&err);
    if (ok && self->common.json) ok = summary_json(self, model_path, &line) && cli_json_print(&line);
    if (ok && !self->common.json) print_summary(self);
    return ok ? CLI_OK : CLI_FAILURE;
}

static int run(job *self)
{
    tfc_error err;
    tfc_error_init(&err);
    const char *recipe = self->annotation.params.recipe ? self->annotation.params.recipe : "paper";
    if (tfc_recipe_load(recipe, &self->recipe, &err) != TFC_OK) return cli_fail_error(&err);
    training_fill(self);
    if (!cli_train_complete(&self->training, &self->common)) return CLI_FAILURE;
    self->data = path_in(self->out, "dataset.jsonl");
    self->plain = path_in(self->out, "plain.jsonl");
    tfc_model *model = self->data && self->plain ? cli_open_model(&self->common) : NULL;
    int exit_code = model ? work(self, model) : CLI_FAILURE;
    char *base = model ? strdup(tfc_model_get_info(model).path) : NULL;
    tfc_model_free(model); /* two are opened now, one after the other */
    if (exit_code == CLI_OK && !base) exit_code = cli_fail("out of memory");
    if (exit_code == CLI_OK) exit_code = measure_forgetting(self, base);
    if (exit_code == CLI_OK) exit_code = finish(self, base);
    free(base);
    free(self->data);
    free(self->plain);
    return exit_code;
}

int cmd_run(int argc, char **argv)
{
    static job self;
    self =
        (job){.annotation = cli_annotation_default(), .training = cli_training_default(), .n_control = 100};
    training_unset(&self.training.params);
    cli_option options[CLI_N_ANNOTATE + CLI_N_TRAIN + 2];
    cli_annotate_options(&self.annotation, options);
    cli_train_options(&self.training, options + CLI_N_ANNOTATE);
    options[CLI_N_ANNOTATE + CLI_N_TRAIN] = (cli_option){
        "out", CLI_TEXT, &self.out, "RUN", "the run's folder: candidates, data set, checkpoints, model",
        0,     0};
    options[CLI_N_ANNOTATE + CLI_N_TRAIN + 1] =
        (cli_option){"control",
                     CLI_INT,
                     &self.n_control,
                     "N",
                     "judge N calls again with results of other calls (default 100; 0: none)",
                     0,
                     1 << 30};
    const cli_usage usage = {
        .command = "run",
        .synopsis = "--corpus FILE... --tools A,B --out RUN [options]",
        .text =
            "The main job: annotates the corpus, keeps the calls that help, trains the model on them and\n"
            "writes it to RUN/model. The same command goes on where it was stopped. Training takes its\n"
            "numbers from the recipe where no option names them.",
        .example = "toolformer run --corpus examples/demo/corpus.jsonl --tools Calculator,Calendar \\\n"
                   "    --recipe small --out runs/demo",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (cli_parse(&usage, &self.common, argc, argv, NULL, &exit_code)) {
        self.monitor = cli_monitor(self.common.quiet);
        exit_code = CLI_USAGE;
        if (!self.out)
            cli_usage_error("run", "--out is missing");
        else if (cli_annotate_complete(&self.annotation, "run", &self.common))
            exit_code = run(&self);
    }
    cli_list_release(&self.annotation.corpus);
    return cli_finish(exit_code);
}
