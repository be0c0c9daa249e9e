/* What a training run needs before its first step: parameters checked, texts read and split, the trainer, the
 * checkpoint to go on from. */
#include <fcntl.h>
#include <math.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "train/train_run.h"

double tfc_train_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

tfc_train_params tfc_train_params_default(void)
{
    return (tfc_train_params){
        .dev_share = 0.05,
        .epochs = 1,
        .batch = 16,
        .max_tokens = 1024,
        .lr = 5e-5,
        .warmup_share = 0.1,
        .beta1 = 0.9,
        .beta2 = 0.95,
        .epsilon = 1e-8,
        .clip = 1,
        .text_weight = 1,
        .add_eos = true,
        .export_format = "gguf",
        .export_type = "BF16",
    };
}

typedef struct range {
    const char *name;
    double value, low, high;
} range;

static tfc_status params_check(const tfc_train_params *p, tfc_error *err)
{
    const range ranges[] = {
        {"plain_share", p->plain_share, 0, 0.9},
        {"match_base", p->match_base, 0, 1000},
        {"text_weight", p->text_weight, 0, 1},
        {"base_share", p->base_share, 0, 1},
        {"dev_share", p->dev_share, 0, 0.5},
        {"steps", (double)p->steps, 0, 1e9},
        {"epochs", p->epochs, p->steps > 0 ? 0 : 1e-6, 1e6},
        {"batch", (double)p->batch, 1, 1e6},
        {"max_tokens", (double)p->max_tokens, 2, 1e6},
        {"lr", p->lr, 0, 1},
        {"warmup_share", p->warmup_share, 0, 1},
        {"beta1", p->beta1, 0, 0.999999},
        {"beta2", p->beta2, 0, 0.999999999},
        {"epsilon", p->epsilon, 1e-30, 1},
        {"weight_decay", p->weight_decay, 0, 1e3},
        {"clip", p->clip, 0, 1e9},
        {"eval_every", (double)p->eval_every, 0, 1e9},
        {"checkpoint_every", (double)p->checkpoint_every, 0, 1e9},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return tfc_fail(err, TFC_EINVAL, "%s must be from %g to %g, not %g", ranges[i].name,
                            ranges[i].low, ranges[i].high, ranges[i].value);
    if (!p->data || !p->out)
        return tfc_fail(err, TFC_EINVAL, "training needs data and a folder for its output");
    for (size_t i = 0; i < p->n_model_steps; i++)
        if (p->model_steps[i] < 1)
            return tfc_fail(err, TFC_EINVAL, "no model can be kept after step %lld",
                            (long long)p->model_steps[i]);
    if (p->plain_share > 0 && !p->plain)
        return tfc_fail(err, TFC_EINVAL, "plain_share %g needs a file of plain texts", p->plain_share);
    if (p->match_base > 0 && !(p->plain && p->plain_share > 0))
        return tfc_fail(err, TFC_EINVAL, "match_base is about plain texts: give a file of them and a share");
    if (p->operand && strcmp(p->operand, "bf16") != 0 && strcmp(p->operand, "f32") != 0)
        return tfc_fail(err, TFC_EINVAL, "operand '%s' is none of training's: bf16, f32", p->operand);
    return TFC_OK;
}

/* ---- texts ---- */

static int64_t *list_all(int64_t n)
{
    int64_t *list = tfc_alloc((size_t)n, sizeof *list);
    for (int64_t i = 0; list && i < n; i++) list[i] = i;
    return list;
}

static tfc_status texts_read(tfc_train_run *run, const tfc_model *base, tfc_error *err)
{
    const tfc_train_params *p = run->params;
    tfc_train_text_options options = {.max_tokens = run->max_tokens,
                                      .n_vocab = base->hparams.V,
                                      .add_eos = p->add_eos,
                                      .mask_results = p->mask_results,
                                      .without_calls = p->without_calls,
                                      .text_weight = p->text_weight};
    tfc_status status = tfc_train_texts_load(&run->data, p->data, base->tokenizer, &options, err);
    if (status == TFC_OK && p->plain && p->plain_share > 0)
        status = tfc_train_texts_load(&run->plain, p->plain, base->tokenizer, &options, err);
    if (status == TFC_OK && p->dev)
        status = tfc_train_texts_load(&run->dev, p->dev, base->tokenizer, &options, err);
    if (status != TFC_OK) return status;
    status = tfc_train_texts_split(&run->data, p->dev ? 0 : p->dev_share, p->seed, &run->train_list,
                                   &run->n_train, &run->dev_list, &run->n_dev, err);
    run->dev_texts = &run->data;
    if (status == TFC_OK && p->dev) {
        tfc_free(run->dev_list);
        run->dev_texts = &run->dev;
        run->n_dev = run->dev.n;
        run->dev_list = list_all(run->n_dev);
        if (!run->dev_list) status = tfc_fail_memory(err, "dev texts");
    }
    if (status == TFC_OK && run->n_dev == 0 && p->dev_share > 0)
        tfc_monitor_note(run->monitor, "'%s' holds one text: no dev set is held out", p->data);
    return status;
}

/* How many steps, and how many examples the last of them still finds. */
static tfc_status plan_steps(tfc_train_run *run, tfc_error *err)
{
    const tfc_train_params *p = run->params;
    run->steps = p->steps;
    run->n_examples = p->steps * p->batch;
    if (p->steps == 0) {
        double n = ceil(p->epochs * (double)run->n_train / (1 - p->plain_share));
        if (n > 1e15) return tfc_fail(err, TFC_EINVAL, "%g epochs are too many", p->epochs);
        run->n_examples = n < 1 ? 1 : (int64_t)n;
        run->steps = (run->n_examples + p->batch - 1) / p->batch;
    }
    for (size_t i = 0; i < p->n_model_steps; i++)
        if (p->model_steps[i] > run->steps)
            return tfc_fail(err, TFC_EINVAL, "no model can be kept after step %lld: there are %lld steps",
                            (long long)p->model_steps[i], (long long)run->steps);
    run->eval_every = p->eval_every ? p->eval_every : (run->steps + 3) / 4;
    tfc_status status =
        tfc_train_order_init(&run->order, run->n_train, run->plain.n, p->plain_share, p->seed, err);
    if (status != TFC_OK) return status;
    run->state.losses = tfc_alloc((size_t)run->steps, sizeof *run->state.losses);
    run->batch = tfc_alloc((size_t)p->batch, sizeof *run->batch);
    run->ids = tfc_alloc((size_t)run->max_tokens, sizeof *run->ids);
    run->targets = tfc_alloc((size_t)run->max_tokens, sizeof *run->targets);
    run->weights = tfc_alloc((size_t)run->max_tokens, sizeof *run->weights);
    run->lengths = tfc_alloc((size_t)run->max_tokens, sizeof *run->lengths);
    if (!run->state.losses || !run->batch || !run->ids || !run->targets || !run->weights || !run->lengths)
        return tfc_fail_memory(err, "training");
    return TFC_OK;
}

/* ---- settings and checkpoint ---- */

/* All that decides the weights: equal settings, equal bytes. */
static tfc_status settings_make(tfc_train_run *run, tfc_error *err)
{
    const tfc_train_params *p = run->params;
    uint64_t model;
    if (!tfc_param_set_hash(&run->trainer.params, run->trainer.params.w, run->pool, &model))
        return tfc_fail_memory(err, "training");
    tfc_buffer b;
    tfc_buffer_init(&b, 1 << 16);
    tfc_buffer_printf(&b, "model = %016llx\n", (unsigned long long)model);
    tfc_buffer_printf(&b, "data = %016llx\n", (unsigned long long)tfc_train_texts_hash(&run->data));
    tfc_buffer_printf(&b, "plain = %016llx\n", (unsigned long long)tfc_train_texts_hash(&run->plain));
    tfc_buffer_printf(&b, "dev = %016llx\n", (unsigned long long)tfc_train_texts_hash(&run->dev));
    tfc_buffer_printf(&b, "cpu = %s\noperand = %s\n", run->trainer.kernels->name,
                      run->operand == TFC_OPERAND_F32 ? "f32" : "bf16");
    tfc_buffer_printf(&b, "plain_share = %.17g\ndev_share = %.17g\n", run->plain.n ? p->plain_share : 0,
                      p->dev ? 0 : p->dev_share);
    tfc_buffer_printf(&b, "steps = %lld\nexamples = %lld\nbatch = %lld\nmax_tokens = %lld\n",
                      (long long)run->steps, (long long)run->n_examples, (long long)p->batch,
                      (long long)run->max_tokens);
    tfc_buffer_printf(&b, "lr = %.17g\nwarmup_share = %.17g\nlr_decay = %d\n", p->lr, p->warmup_share,
                      p->lr_decay);
    tfc_buffer_printf(&b,
                      "beta1 = %.17g\nbeta2 = %.17g\nepsilon = %.17g\nweight_decay = %.17g\nclip = %.17g\n",
                      p->beta1, p->beta2, p->epsilon, p->weight_decay, p->clip);
    tfc_buffer_printf(&b, "match_base = %.17g\nfreeze_embeddings = %d\nbase_share = %.17g\n", p->match_base,
                      p->freeze_embeddings, p->base_share);
    tfc_buffer_printf(&b, "seed = %llu\neval_every = %lld\n", (unsigned long long)p->seed,
                      (long long)run->eval_every);
    tfc_status status = tfc_buffer_ok(&b, "settings", err);
    if (status == TFC_OK) run->settings = tfc_buffer_take(&b, NULL);
    tfc_buffer_release(&b);
    return status;
}

static tfc_status paths_make(tfc_train_run *run, tfc_error *err)
{
    const char *out = run->params->out;
    run->path_folder = tfc_path_join(out, "checkpoints");
    run->path_log = tfc_path_join(out, "train.jsonl");
    run->path_model = tfc_path_join(out, "model");
    if (run->path_folder) {
        run->path_last = tfc_path_join(run->path_folder, "last.ckpt");
        run->path_best = tfc_path_join(run->path_folder, "best.ckpt");
        run->path_done = tfc_path_join(run->path_folder, "done.ckpt");
    }
    if (!run->path_log || !run->path_model || !run->path_last || !run->path_best || !run->path_done)
        return tfc_fail_memory(err, "training");
    return tfc_folder_make(run->path_folder, err);
}

/* Two trainings in one folder would undo each other's checkpoints. The lock goes with the process. */
static tfc_status folder_lock(tfc_train_run *run, tfc_error *err)
{
    char *path = tfc_path_join(run->path_folder, "lock");
    if (!path) return tfc_fail_memory(err, "training");
    run->lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    tfc_status status = TFC_OK;
    if (run->lock < 0)
        status = tfc_fail_errno(err, "cannot write '%s'", path);
    else if (flock(run->lock, LOCK_EX | LOCK_NB) != 0)
        status = tfc_fail(err, TFC_ECONFLICT, "another training is at work in '%s'", run->params->out);
    tfc_free(path);
    return status;
}

/* Checkpoints are removed when a training is done; what is left says with which settings. */
static tfc_status done_find(tfc_train_run *run, tfc_error *err)
{
    tfc_status status =
        tfc_checkpoint_load(run->path_done, run->settings, &run->state, run->steps, &run->trainer.params,
                            TFC_CHECKPOINT_DONE, run->pool, &run->done, err);
    if (status != TFC_OK || !run->done) return status;
    if (!tfc_folder_exists(run->path_model))
        return tfc_fail(err, TFC_ECONFLICT,
                        "the training in '%s' is done, but its model is gone; remove '%s' to train anew",
                        run->params->out, run->path_folder);
    for (size_t i = 0; i < run->params->n_model_steps; i++) {
        char *path = tfc_train_step_path(run, run->params->model_steps[i]);
        bool there = path && tfc_folder_exists(path);
        if (path && !there)
            status = tfc_fail(err, TFC_ECONFLICT,
                              "the training in '%s' is done, and '%s' was not kept; use another folder",
                              run->params->out, path);
        tfc_free(path);
        if (!path) status = tfc_fail_memory(err, "training");
        if (!there) break;
    }
    return status;
}

char *tfc_train_step_path(const tfc_train_run *run, int64_t step)
{
    char name[48];
    snprintf(name, sizeof name, "model-step-%lld", (long long)step);
    return tfc_path_join(run->params->out, name);
}

static tfc_status checkpoint_find(tfc_train_run *run, tfc_error *err)
{
    bool found;
    tfc_status status = tfc_checkpoint_load(run->path_last, run->settings, &run->state, run->steps,
                                            &run->trainer.params, TFC_CHECKPOINT_ALL, run->pool, &found, err);
    if (status == TFC_OK && !found) status = done_find(run, err);
    if (status != TFC_OK || run->done) return status;
    if (!found && tfc_folder_exists(run->path_model))
        return tfc_fail(err, TFC_ECONFLICT,
                        "'%s' is there already and no checkpoint belongs to it; remove it or choose "
                        "another folder",
                        run->path_model);
    if (found) {
        tfc_trainer_pack_weights(&run->trainer);
        run->saved_step = run->state.step;
        run->saved_evaluated = run->state.evaluated_step;
        tfc_monitor_note(run->monitor, "going on after step %lld of %lld", (long long)run->state.step,
                         (long long)run->steps);
    }
    return tfc_train_log_open(&run->log, run->path_log, run->state.step, run->state.evaluated_step, err);
}

tfc_status tfc_train_run_init(tfc_train_run *run, tfc_model *base, const tfc_train_params *params,
                              const tfc_monitor *monitor, tfc_error *err)
{
    memset(run, 0, sizeof *run);
    run->base = base;
    run->params = params;
    run->monitor = monitor;
    run->state.evaluated_step = run->state.best_step = -1;
    run->saved_step = run->saved_evaluated = run->lock = -1;
    run->saved_at = tfc_train_clock();
    tfc_export export;
    tfc_status status = params_check(params, err);
    if (status == TFC_OK)
        status = tfc_export_init(&export, base, NULL, params->export_format, params->export_type, err);
    if (status != TFC_OK) return status;
    run->operand = !params->operand                      ? base->kernels->default_operand
                   : strcmp(params->operand, "f32") == 0 ? TFC_OPERAND_F32
                                                         : TFC_OPERAND_BF16;
    run->max_tokens = params->max_tokens < base->hparams.context ? params->max_tokens : base->hparams.context;
    status = texts_read(run, base, err);
    if (status == TFC_OK) status = plan_steps(run, err);
    if (status == TFC_OK) status = paths_make(run, err);
    if (status == TFC_OK) status = folder_lock(run, err);
    tfc_trainer_options options = {.operand = run->operand,
                                   .max_tokens = run->max_tokens,
                                   .freeze_embeddings = params->freeze_embeddings};
    if (status == TFC_OK && !(run->pool = tfc_pool_create(params->n_threads, err)))
        status = err ? err->status : TFC_ENOMEM;
    if (status == TFC_OK && params->match_base > 0) {
        options.reference = base;
        status = tfc_model_pack(base, run->pool, err);
    }
    if (status == TFC_OK) status = tfc_trainer_init(&run->trainer, base, run->pool, &options, err);
    if (status == TFC_OK) status = settings_make(run, err);
    if (status == TFC_OK) status = checkpoint_find(run, err);
    if (status != TFC_OK) tfc_train_run_release(run);
    return status;
}

void tfc_train_run_release(tfc_train_run *run)
{
    if (run->lock >= 0) close(run->lock);
    tfc_train_log_close(&run->log);
    tfc_trainer_release(&run->trainer);
    tfc_pool_free(run->pool);
    tfc_train_texts_release(&run->data);
    tfc_train_texts_release(&run->plain);
    tfc_train_texts_release(&run->dev);
    tfc_train_order_release(&run->order);
    void *const owned[] = {run->train_list, run->dev_list,     run->settings,  run->path_folder,
                           run->path_last,  run->path_best,    run->path_done, run->path_log,
                           run->path_model, run->state.losses, run->batch,     run->ids,
                           run->targets,    run->weights,      run->lengths};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) tfc_free(owned[i]);
    memset(run, 0, sizeof *run);
}
