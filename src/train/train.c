/* The training loop: batches of texts, packs of a batch, steps, dev losses, checkpoints, the export. */
#include "toolformer/train.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "train/train_run.h"

enum { CHECKPOINT_SECONDS = 300 };

/* ---- passes over sequences ---- */

static int64_t sequence_length(const tfc_train_sequence *s)
{
    return s->texts->starts[s->at + 1] - s->texts->starts[s->at];
}

static bool matches_base(const tfc_train_run *run, const tfc_train_sequence *s)
{
    return run->params->match_base > 0 && s->texts == &run->plain;
}

/* What the sequences' targets weigh together. */
static double total_weight(const tfc_train_run *run, const tfc_train_sequence *sequences, int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        const tfc_train_sequence *s = &sequences[i];
        double sum = 0;
        for (int64_t j = s->texts->starts[s->at]; j < s->texts->starts[s->at + 1]; j++)
            if (s->texts->targets[j] >= 0) sum += (double)s->texts->weights[j];
        total += matches_base(run, s) ? run->params->match_base * sum : sum;
    }
    return total;
}

/* The next pack: as many of the n sequences as max_tokens allows, in order, and all with the same kind of
 * target. Returns how many. */
static int64_t pack_fill(tfc_train_run *run, const tfc_train_sequence *sequences, int64_t n,
                         tfc_train_pack *pack)
{
    *pack = (tfc_train_pack){
        .ids = run->ids, .targets = run->targets, .weights = run->weights, .lengths = run->lengths};
    pack->match_reference = matches_base(run, &sequences[0]);
    while (pack->n_sequences < n) {
        const tfc_train_sequence *s = &sequences[pack->n_sequences];
        int64_t length = sequence_length(s), from = s->texts->starts[s->at];
        if (pack->T + length > run->max_tokens || matches_base(run, s) != pack->match_reference) break;
        memcpy(run->ids + pack->T, s->texts->ids + from, (size_t)length * sizeof *run->ids);
        memcpy(run->targets + pack->T, s->texts->targets + from, (size_t)length * sizeof *run->targets);
        float factor = pack->match_reference ? (float)run->params->match_base : 1;
        for (int64_t i = 0; i < length; i++) run->weights[pack->T + i] = factor * s->texts->weights[from + i];
        run->lengths[pack->n_sequences++] = length;
        pack->T += length;
    }
    return pack->n_sequences;
}

/* The weighted mean of the losses of the sequences, whose targets weigh `total`. With backward its gradient
 * is added. TFC_EINTERRUPTED between packs; then the step has not happened. */
static tfc_status run_sequences(tfc_train_run *run, const tfc_train_sequence *sequences, int64_t n,
                                double total, bool backward, double *loss, tfc_error *err)
{
    float scale = total > 0 ? (float)(1 / total) : 0;
    double sum = 0;
    *loss = 0;
    for (int64_t from = 0; from < n;) {
        if (tfc_should_stop(run->monitor)) return tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
        tfc_train_pack pack;
        int64_t taken = pack_fill(run, sequences + from, n - from, &pack), in_pack = 0;
        sum += tfc_trainer_run(&run->trainer, &pack, scale, backward);
        if (backward) {
            for (int64_t i = 0; i < pack.T; i++) in_pack += pack.targets[i] >= 0;
            run->flops += tfc_trainer_flops(&run->trainer, pack.lengths, pack.n_sequences, in_pack);
            run->train_tokens += pack.T;
        }
        from += taken;
    }
    if (total > 0) *loss = sum / total;
    return TFC_OK;
}

/* ---- checkpoints and dev loss ---- */

static tfc_status checkpoint_save(tfc_train_run *run, tfc_error *err)
{
    run->saved_at = tfc_train_clock();
    if (run->saved_step == run->state.step && run->saved_evaluated == run->state.evaluated_step)
        return TFC_OK;
    tfc_status status = tfc_checkpoint_save(run->path_last, run->settings, &run->state, &run->trainer.params,
                                            TFC_CHECKPOINT_ALL, run->pool, err);
    if (status == TFC_OK) {
        run->saved_step = run->state.step;
        run->saved_evaluated = run->state.evaluated_step;
    }
    return status;
}

static bool evaluation_due(const tfc_train_run *run)
{
    int64_t step = run->state.step;
    if (run->n_dev == 0 || run->state.evaluated_step >= step) return false;
    return step % run->eval_every == 0 || step == run->steps;
}

static void progress(const tfc_train_run *run, const char *detail)
{
    if (!run->monitor || !run->monitor->progress) return;
    tfc_progress p = {"train", run->state.step, run->steps, "steps", detail};
    run->monitor->progress(run->monitor->context, &p);
}

static tfc_status evaluate(tfc_train_run *run, tfc_error *err)
{
    tfc_train_sequence *sequences = tfc_alloc((size_t)run->n_dev, sizeof *sequences);
    if (!sequences) return tfc_fail_memory(err, "dev texts");
    for (int64_t i = 0; i < run->n_dev; i++)
        sequences[i] = (tfc_train_sequence){run->dev_texts, run->dev_list[i]};
    int64_t step = run->state.step;
    double total = total_weight(run, sequences, run->n_dev), loss;
    progress(run, "dev loss");
    tfc_status status = run_sequences(run, sequences, run->n_dev, total, false, &loss, err);
    tfc_free(sequences);
    if (status != TFC_OK) return status;
    if (!isfinite(loss))
        return tfc_fail(err, TFC_ELIMIT,
                        "the dev loss after step %lld is not finite; train with a lower lr than %g",
                        (long long)step, run->params->lr);
    bool best = step > 0 && (run->state.best_step < 0 || loss < run->state.dev_loss_best);
    if (step == 0) run->state.dev_loss_before = loss;
    if (best) {
        run->state.best_step = step;
        run->state.dev_loss_best = loss;
        /* The last step's weights are in last.ckpt. */
        if (step < run->steps)
            status = tfc_checkpoint_save(run->path_best, run->settings, &run->state, &run->trainer.params,
                                         TFC_CHECKPOINT_WEIGHTS, run->pool, err);
    }
    run->state.evaluated_step = step;
    if (status == TFC_OK)
        status =
            tfc_train_log_write(&run->log, err, "{\"step\":%lld,\"dev_loss\":%.9g}\n", (long long)step, loss);
    char detail[80];
    snprintf(detail, sizeof detail, "dev loss %.4f", loss);
    progress(run, detail);
    return status;
}

/* ---- steps ---- */

/* Linear warm-up over warmup_share of the steps; then constant, or linear to zero. */
static double learning_rate(const tfc_train_run *run, int64_t step)
{
    const tfc_train_params *p = run->params;
    double warmup = ceil(p->warmup_share * (double)run->steps), done = (double)step;
    if (done < warmup) return p->lr * done / warmup;
    if (!p->lr_decay) return p->lr;
    double share = ((double)run->steps - done + 1) / ((double)run->steps - warmup + 1);
    return p->lr * (share < 1 ? share : 1);
}

/* The sequences of a step. Those that match the base model stand behind the others, for whole packs. */
static int64_t fill_batch(tfc_train_run *run)
{
    int64_t first = run->state.step * run->params->batch, n = run->n_examples - first, front = 0, back = 0;
    if (n > run->params->batch) n = run->params->batch;
    for (int64_t i = 0; i < n; i++) {
        bool plain;
        int64_t at = tfc_train_order_at(&run->order, first + i, &plain);
        tfc_train_sequence s = {plain ? &run->plain : &run->data, plain ? at : run->train_list[at]};
        run->batch[matches_base(run, &s) ? n - ++back : front++] = s;
    }
    return n;
}

static tfc_status check_finite(const tfc_train_run *run, int64_t step, const char *what, double value,
                               tfc_error *err)
{
    if (isfinite(value)) return TFC_OK;
    return tfc_fail(
        err, TFC_ELIMIT,
        "training diverged: the %s of step %lld is not finite; train with a lower lr than %g, into another "
        "folder",
        what, (long long)step, run->params->lr);
}

static tfc_status train_step(tfc_train_run *run, tfc_error *err)
{
    const tfc_train_params *p = run->params;
    double start = tfc_train_clock(), loss, norm = 0;
    int64_t n = fill_batch(run), step = run->state.step + 1, tokens_before = run->train_tokens;
    double total = total_weight(run, run->batch, n);
    tfc_trainer_zero_grad(&run->trainer);
    tfc_status status = run_sequences(run, run->batch, n, total, true, &loss, err);
    if (status == TFC_OK) status = check_finite(run, step, "loss", loss, err);
    if (status == TFC_OK) {
        norm = tfc_trainer_grad_norm(&run->trainer);
        status = check_finite(run, step, "gradient", norm, err);
    }
    if (status != TFC_OK) return status;
    tfc_adamw adamw = {learning_rate(run, step), p->beta1, p->beta2, p->epsilon, p->weight_decay, p->clip};
    tfc_trainer_update(&run->trainer, &adamw, step, norm);

    double seconds = tfc_train_clock() - start;
    int64_t tokens = run->train_tokens - tokens_before;
    run->train_seconds += seconds;
    run->state.losses[step - 1] = loss;
    run->state.step = step;
    run->state.tokens += tokens;
    run->state.seconds += seconds;
    status =
        tfc_train_log_write(&run->log, err,
                            "{\"step\":%lld,\"loss\":%.9g,\"lr\":%.9g,\"grad_norm\":%.9g,\"tokens\":%lld,"
                            "\"seconds\":%.3f}\n",
                            (long long)step, loss, adamw.lr, norm, (long long)tokens, seconds);
    char detail[80];
    snprintf(detail, sizeof detail, "loss %.4f, %.0f tokens/s", loss,
             (double)tokens / (seconds > 0 ? seconds : 1));
    progress(run, detail);
    return status;
}

static bool checkpoint_due(const tfc_train_run *run)
{
    int64_t every = run->params->checkpoint_every;
    if (every > 0) return run->state.step % every == 0;
    return tfc_train_clock() - run->saved_at >= CHECKPOINT_SECONDS;
}

/* The weights as they are now, to the folder of a step, or to that of the tuned model (step 0). */
static tfc_status model_write(tfc_train_run *run, int64_t step, tfc_error *err)
{
    tfc_export export;
    char *path = step > 0 ? tfc_train_step_path(run, step) : tfc_strdup(run->path_model);
    tfc_status status = path ? TFC_OK : tfc_fail_memory(err, "export");
    if (status == TFC_OK)
        status = tfc_export_init(&export, run->base, &run->trainer.params, run->params->export_format,
                                 run->params->export_type, err);
    if (step == 0) {
        export.base = run->base;
        export.base_share = run->params->base_share;
    }
    if (status == TFC_OK) status = tfc_export_folder(&export, path, err);
    tfc_free(path);
    return status;
}

static bool model_due(const tfc_train_run *run)
{
    for (size_t i = 0; i < run->params->n_model_steps; i++)
        if (run->params->model_steps[i] == run->state.step) return true;
    return false;
}

static tfc_status train_steps(tfc_train_run *run, tfc_error *err)
{
    tfc_status status = evaluation_due(run) ? evaluate(run, err) : TFC_OK;
    while (status == TFC_OK && run->state.step < run->steps) {
        status = train_step(run, err);
        if (status == TFC_OK && model_due(run)) status = model_write(run, run->state.step, err);
        if (status == TFC_OK && evaluation_due(run)) status = evaluate(run, err);
        if (status == TFC_OK && checkpoint_due(run)) status = checkpoint_save(run, err);
    }
    if (status == TFC_OK) return checkpoint_save(run, err);
    if (status != TFC_EINTERRUPTED) return status;
    status = checkpoint_save(run, err);
    if (status != TFC_OK) return status;
    return tfc_fail(err, TFC_EINTERRUPTED,
                    "interrupted after step %lld of %lld; the same call goes on from there",
                    (long long)run->state.step, (long long)run->steps);
}

/* ---- the end ---- */

/* The weights of the best dev loss take the place of the last ones. */
static tfc_status best_take(tfc_train_run *run, tfc_error *err)
{
    if (run->state.best_step < 0 || run->state.best_step == run->state.step) return TFC_OK;
    tfc_train_state state = {0};
    bool found;
    state.losses = tfc_alloc((size_t)run->steps, sizeof *state.losses);
    if (!state.losses) return tfc_fail_memory(err, "training");
    tfc_status status =
        tfc_checkpoint_load(run->path_best, run->settings, &state, run->steps, &run->trainer.params,
                            TFC_CHECKPOINT_WEIGHTS, run->pool, &found, err);
    if (status == TFC_OK && (!found || state.step != run->state.best_step))
        status = tfc_fail(err, TFC_ENOTFOUND,
                          "'%s' with the weights of step %lld is missing; remove '%s' to train anew",
                          run->path_best, (long long)run->state.best_step, run->path_folder);
    tfc_free(state.losses);
    return status;
}

/* Means over the first and the last tenth of the steps. */
static void result_fill(const tfc_train_run *run, tfc_train_result *result)
{
    int64_t steps = run->state.step, tenth = (steps + 9) / 10;
    *result = (tfc_train_result){.steps = steps,
                                 .tokens = run->state.tokens,
                                 .dev_loss_before = run->state.dev_loss_before,
                                 .dev_loss_best = run->state.dev_loss_best,
                                 .best_step = run->state.best_step < 0 ? steps : run->state.best_step,
                                 .seconds = run->state.seconds};
    for (int64_t i = 0; i < tenth; i++) {
        result->loss_first += run->state.losses[i] / (double)tenth;
        result->loss_last += run->state.losses[steps - tenth + i] / (double)tenth;
    }
    if (run->train_seconds > 0) {
        result->tokens_per_second = (double)run->train_tokens / run->train_seconds;
        result->flops_per_second = run->flops / run->train_seconds;
    }
}

/* The tuned model, and the word that it is whole. */
static tfc_status finish(tfc_train_run *run, tfc_error *err)
{
    tfc_status status = best_take(run, err);
    if (status == TFC_OK) status = model_write(run, 0, err);
    if (status == TFC_OK && !run->params->keep_checkpoints)
        status = tfc_checkpoint_save(run->path_done, run->settings, &run->state, &run->trainer.params,
                                     TFC_CHECKPOINT_DONE, run->pool, err);
    return status;
}

/* Without last.ckpt a start finds done.ckpt; best.ckpt alone is of no use. */
static void checkpoints_remove(const tfc_train_run *run)
{
    unlink(run->path_last);
    unlink(run->path_best);
}

tfc_status tfc_train(tfc_model *base, const tfc_train_params *params, const tfc_monitor *monitor,
                     tfc_train_result *result, tfc_error *err)
{
    tfc_train_run run;
    tfc_error own; /* so that a status can be read where the caller passed none */
    tfc_error_init(&own);
    if (!err) err = &own;
    tfc_status status = tfc_train_run_init(&run, base, params, monitor, err);
    if (status != TFC_OK) return status;
    if (!run.done) status = train_steps(&run, err);
    if (result) result_fill(&run, result);
    if (status == TFC_OK && run.state.best_step > 0 && run.state.dev_loss_best > run.state.dev_loss_before)
        tfc_monitor_note(
            monitor,
            "no dev loss is below that of the model before training (%.4f, best %.4f at step %lld): try "
            "a lower lr, or more texts",
            run.state.dev_loss_before, run.state.dev_loss_best, (long long)run.state.best_step);
    if (status == TFC_OK && !run.done) status = finish(&run, err);
    if (status == TFC_OK && !params->keep_checkpoints) checkpoints_remove(&run);
    tfc_train_run_release(&run);
    return status;
}
