/* Which stages there are: keys, sharing, and the order in which they are done. */
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "base/random.h"
#include "eval/rows.h"
#include "experiment/experiment_run.h"
#include "experiment/experiment_train.h"
#include "toolformer/decode.h"

const char *const tfc_exp_kind_names[TFC_EXP_N_KINDS] = {"annotate", "filter", "subset", "train",
                                                         "blend",    "eval",   "forget"};

/* ---- stages ---- */

static tfc_status stage_load(tfc_exp_stage *stage, tfc_error *err)
{
    char *path = tfc_path_join(stage->folder, "stage.json");
    if (!path) return tfc_fail_memory(err, "stage");
    tfc_status status = TFC_OK;
    if (tfc_file_exists(path)) {
        tfc_json *json = tfc_json_parse_file(path, (size_t)64 << 20, err), *result;
        status = json ? tfc_json_get_object(json, "result", &result, NULL, err) : err->status;
        if (status == TFC_OK) status = tfc_json_get_double(json, "seconds", &stage->seconds, NULL, err);
        if (status == TFC_OK) status = tfc_json_get_double(json, "threads", &stage->threads, NULL, err);
        if (status == TFC_OK) {
            stage->result = json_object_get(result);
            stage->done = true;
        } else {
            tfc_error_prefix(err, "'%s' is damaged; remove it", path);
        }
        json_object_put(json);
    }
    tfc_free(path);
    return status;
}

static tfc_status stage_add(tfc_exp *exp, tfc_exp_stage *like, const char *key, tfc_exp_stage **out,
                            tfc_error *err)
{
    if (exp->n_stages == exp->stage_capacity) {
        size_t capacity = exp->stage_capacity ? 2 * exp->stage_capacity : 64;
        tfc_exp_stage **stages = tfc_realloc(exp->stages, capacity, sizeof *stages);
        if (!stages) return tfc_fail_memory(err, "stages");
        exp->stages = stages;
        exp->stage_capacity = capacity;
    }
    tfc_exp_stage *stage = tfc_alloc_zero(1, sizeof *stage);
    if (!stage) return tfc_fail_memory(err, "stages");
    *stage = *like;
    exp->stages[exp->n_stages++] = stage;
    like->inputs = like->label = NULL;
    memcpy(stage->key, key, sizeof stage->key);
    char name[64];
    snprintf(name, sizeof name, "stages/%s-%s", tfc_exp_kind_names[stage->kind], key);
    stage->folder = tfc_path_join(exp->params->out, name);
    if (!stage->folder) return tfc_fail_memory(err, "stages");
    *out = stage;
    return stage_load(stage, err);
}

static const char *why_skipped(const tfc_exp_stage *s)
{
    if (s->source && s->source->skipped) return s->source->skipped;
    if (s->model.train && s->model.train->skipped) return s->model.train->skipped;
    if (s->kind == TFC_EXP_TRAIN && s->source->done && tfc_exp_number(s->source, "calls") == 0)
        return "no call was kept";
    return NULL;
}

static void format_time(char *out, size_t n, double seconds)
{
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, n, "%ld h %02ld min", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, n, "%ld min %02ld s", s / 60, s % 60);
    else
        snprintf(out, n, "%ld s", s);
}

/* "stage 3 of 12: train taught seed 1; about 20 min 05 s left" by the mean time of each kind so far. */
static void say_stage(const tfc_exp *exp, const tfc_exp_stage *stage)
{
    double left = 0;
    bool known = true;
    size_t at = 0;
    for (size_t i = 0; i < exp->n_stages; i++) {
        const tfc_exp_stage *s = exp->stages[i];
        at += s->done || s->skipped || s == stage;
        if (s->done || s->skipped) continue;
        known &= exp->kind_n[s->kind] > 0;
        if (exp->kind_n[s->kind]) left += exp->kind_seconds[s->kind] / (double)exp->kind_n[s->kind];
    }
    char time[48] = "";
    format_time(time, sizeof time, left);
    tfc_monitor_note(exp->monitor, "stage %zu of %zu: %s%s%s%s", at, exp->n_stages, stage->label,
                     left > 1 ? (known ? "; about " : "; more than ") : "", left > 1 ? time : "",
                     left > 1 ? " left" : "");
}

/* The stage with these inputs; in the second walk it is run when it is not done. like->inputs is taken. */
static tfc_status stage_want(tfc_exp *exp, tfc_exp_stage *like, tfc_exp_stage **out, tfc_error *err)
{
    char key[20];
    if (!like->inputs || !like->label) {
        tfc_free(like->inputs);
        tfc_free(like->label);
        return tfc_fail_memory(err, "stage");
    }
    snprintf(key, sizeof key, "%016llx",
             (unsigned long long)tfc_hash_bytes(like->inputs, strlen(like->inputs), 0));
    tfc_exp_stage *found = NULL;
    for (size_t i = 0; i < exp->n_stages && !found; i++)
        if (exp->stages[i]->kind == like->kind && strcmp(exp->stages[i]->key, key) == 0)
            found = exp->stages[i];
    tfc_status status = found ? TFC_OK : stage_add(exp, like, key, &found, err);
    tfc_free(like->inputs);
    tfc_free(like->label);
    if (status != TFC_OK) return status;
    *out = found;
    if (!found->skipped) found->skipped = why_skipped(found);
    if (!exp->running || found->done || found->skipped) return TFC_OK;
    say_stage(exp, found);
    status = tfc_exp_stage_run(exp, found, err);
    if (status != TFC_ELIMIT || found->kind != TFC_EXP_TRAIN) return status;
    /* A training that diverged is a result of its own; the next start tries it again. */
    tfc_monitor_note(exp->monitor, "%s", err->message);
    found->skipped = "training diverged";
    tfc_error_init(err);
    return TFC_OK;
}

/* ---- inputs ---- */

static void put_text(tfc_buffer *json, const char *key, const char *text)
{
    tfc_buffer_printf(json, ",\"%s\":", key);
    if (text)
        tfc_buffer_json(json, text, strlen(text));
    else
        tfc_buffer_puts(json, "null");
}

static void inputs_begin(tfc_buffer *json, tfc_exp_kind kind)
{
    tfc_buffer_init(json, 1 << 20);
    tfc_buffer_printf(json, "{\"stage\":\"%s\",\"version\":\"%s\"", tfc_exp_kind_names[kind], tfc_version());
}

static char *inputs_end(tfc_buffer *json)
{
    tfc_buffer_putc(json, '}');
    char *text = json->failed ? NULL : tfc_buffer_take(json, NULL);
    tfc_buffer_release(json);
    return text;
}

static void put_model(tfc_buffer *json, const tfc_exp *exp, const tfc_exp_model *model)
{
    if (!model->train)
        put_text(json, "model", exp->base_id);
    else
        tfc_buffer_printf(json, ",\"model\":\"train %s step %lld\"", model->train->key,
                          (long long)model->step);
}

/* Names with the hashes of their manifests. */
static tfc_status put_tools(tfc_buffer *json, const char *names, tfc_error *err)
{
    tfc_tools *tools = tfc_tools_create(names, err);
    if (!tools) return err->status;
    tfc_buffer_puts(json, ",\"tools\":{");
    for (size_t i = 0; i < tfc_tools_count(tools); i++) {
        const tfc_tool *tool = tfc_tools_at(tools, i);
        const char *manifest = tfc_tool_manifest(tool);
        tfc_buffer_printf(json, "%s\"%s\":\"%016llx\"", i ? "," : "", tfc_tool_name(tool),
                          (unsigned long long)tfc_hash_bytes(manifest, strlen(manifest), 0));
    }
    tfc_buffer_putc(json, '}');
    tfc_tools_free(tools);
    return TFC_OK;
}

static char *format(const char *form, ...) __attribute__((format(printf, 1, 2)));
static char *format(const char *form, ...)
{
    char text[400];
    va_list args;
    va_start(args, form);
    vsnprintf(text, sizeof text, form, args);
    va_end(args);
    return tfc_strdup(text);
}

/* ---- the stages of each kind ---- */

/* Where the walk stands. */
typedef struct place {
    size_t v, seed;
    int64_t round;
    double share;
    const tfc_exp_variant *variant;
} place;

static const char *of_variant(const place *p)
{
    return p->v ? p->variant->name : "main";
}

static tfc_status want_annotate(tfc_exp *exp, const place *p, tfc_exp_model model, tfc_exp_stage **out,
                                tfc_error *err)
{
    const tfc_exp_variant *v = p->variant;
    tfc_exp_stage like = {
        .kind = TFC_EXP_ANNOTATE, .variant = v, .texts = exp->texts_of[p->v], .model = model};
    tfc_buffer json;
    inputs_begin(&json, like.kind);
    put_model(&json, exp, &model);
    tfc_buffer_printf(&json, ",\"texts\":\"%016llx\",\"seed\":%lld", (unsigned long long)like.texts->hash,
                      (long long)v->annotate_seed);
    if (v->annotate_operand) put_text(&json, "operand", v->annotate_operand);
    put_text(&json, "date", v->date);
    put_text(&json, "recipe", v->recipe_text);
    tfc_status status = put_tools(&json, v->tools, err);
    like.inputs = inputs_end(&json);
    like.label = format("annotate %s%s", of_variant(p), p->round > 1 ? " with the taught model" : "");
    if (status == TFC_OK) return stage_want(exp, &like, out, err);
    tfc_free(like.inputs);
    tfc_free(like.label);
    return status;
}

static tfc_status want_filter(tfc_exp *exp, const place *p, tfc_exp_stage *annotate, tfc_exp_stage **out,
                              tfc_error *err)
{
    tfc_exp_stage like = {.kind = TFC_EXP_FILTER, .variant = p->variant, .source = annotate};
    tfc_buffer json;
    inputs_begin(&json, like.kind);
    put_text(&json, "annotate", annotate->key);
    const tfc_filter_params *f = &p->variant->filter;
    if (!isnan(f->tau_f)) tfc_buffer_printf(&json, ",\"tau_f\":%.17g", f->tau_f);
    put_text(&json, "tau_f_by_tool", f->tau_f_by_tool);
    put_text(&json, "choose", f->choose);
    put_text(&json, "rule", f->filter);
    put_text(&json, "results", f->results);
    tfc_buffer_printf(&json, ",\"max_calls\":%lld,\"max_ambiguous\":%lld", (long long)f->max_calls,
                      (long long)f->max_ambiguous);
    if (!isnan(f->min_likelihood)) tfc_buffer_printf(&json, ",\"min_likelihood\":%.17g", f->min_likelihood);
    like.inputs = inputs_end(&json);
    like.label = format("filter %s", of_variant(p));
    return stage_want(exp, &like, out, err);
}

static tfc_status want_subset(tfc_exp *exp, const place *p, tfc_exp_stage *filter, tfc_exp_stage **out,
                              tfc_error *err)
{
    *out = filter;
    if (p->share >= 1) return TFC_OK;
    tfc_exp_stage like = {.kind = TFC_EXP_SUBSET, .source = filter, .share = p->share};
    tfc_buffer json;
    inputs_begin(&json, like.kind);
    put_text(&json, "filter", filter->key);
    tfc_buffer_printf(&json, ",\"share\":%.17g", p->share);
    like.inputs = inputs_end(&json);
    like.label = format("subset %g of %s", p->share, of_variant(p));
    return stage_want(exp, &like, out, err);
}

static tfc_status want_train(tfc_exp *exp, const place *p, tfc_exp_stage *data, bool without_calls,
                             tfc_exp_stage **out, tfc_error *err)
{
    const tfc_exp_variant *v = p->variant;
    tfc_exp_stage like = {.kind = TFC_EXP_TRAIN,
                          .variant = v,
                          .source = data,
                          .seed = v->seeds[p->seed],
                          .without_calls = without_calls};
    tfc_buffer json;
    inputs_begin(&json, like.kind);
    put_text(&json, "model", exp->base_id);
    put_text(&json, "data", data->key);
    tfc_buffer_printf(&json, ",\"seed\":%llu,\"without_calls\":%s,", (unsigned long long)like.seed,
                      without_calls ? "true" : "false");
    tfc_exp_train_json(&json, &v->train);
    tfc_buffer_puts(&json, ",\"model_steps\":[");
    for (size_t i = 0; !without_calls && i < v->n_at_steps; i++)
        tfc_buffer_printf(&json, "%s%lld", i ? "," : "", (long long)v->at_steps[i]);
    tfc_buffer_putc(&json, ']');
    like.inputs = inputs_end(&json);
    char share[32] = "";
    if (p->share < 1) snprintf(share, sizeof share, " with %g of the calls", p->share);
    like.label = format("train %s%s%s, seed %llu", of_variant(p), without_calls ? " without calls" : "",
                        share, (unsigned long long)like.seed);
    return stage_want(exp, &like, out, err);
}

/* What is evaluated: the trained model, or its blend with the base model. */
static tfc_status want_blend(tfc_exp *exp, const place *p, tfc_exp_stage *train, tfc_exp_stage **out,
                             tfc_error *err)
{
    *out = train;
    if (p->variant->train.base_share <= 0) return TFC_OK;
    tfc_exp_stage like = {.kind = TFC_EXP_BLEND, .source = train, .share = p->variant->train.base_share};
    tfc_buffer json;
    inputs_begin(&json, like.kind);
    put_text(&json, "train", train->key);
    tfc_buffer_printf(&json, ",\"base_share\":%.17g", like.share);
    like.inputs = inputs_end(&json);
    like.label = format("blend %s", train->label + 6);
    return stage_want(exp, &like, out, err);
}

static tfc_status want_forget(tfc_exp *exp, const place *p, tfc_exp_model model, tfc_exp_stage **out,
                              tfc_error *err)
{
    tfc_exp_stage like = {.kind = TFC_EXP_FORGET, .variant = p->variant, .model = model};
    tfc_buffer json;
    uint64_t hash = 0;
    tfc_status status = exp->file.forget_data ? tfc_path_hash(exp->file.forget_data, &hash, err) : TFC_OK;
    if (status != TFC_OK) return status;
    inputs_begin(&json, like.kind);
    put_model(&json, exp, &model);
    tfc_buffer_printf(&json, ",\"text\":\"%016llx\"", (unsigned long long)hash);
    like.inputs = inputs_end(&json);
    like.label = format("perplexity of %s", model.train ? model.train->label + 6 : "the base model");
    return stage_want(exp, &like, out, err);
}

static bool system_is_base(tfc_exp_system system)
{
    return system == TFC_EXP_BASE || system == TFC_EXP_BASE_TOOLS;
}

static tfc_status want_eval(tfc_exp *exp, const place *p, const tfc_exp_evaluation *e, tfc_exp_system system,
                            tfc_exp_model model, tfc_exp_stage **out, tfc_error *err)
{
    tfc_exp_stage like = {
        .kind = TFC_EXP_EVAL, .variant = p->variant, .model = model, .evaluation = e, .system = system};
    bool calls = system == TFC_EXP_TAUGHT || system == TFC_EXP_BASE_TOOLS;
    uint64_t hash = 0;
    tfc_status status = e->data ? tfc_path_hash(e->data, &hash, err) : TFC_OK;
    if (status != TFC_OK) return status;
    tfc_buffer json;
    inputs_begin(&json, like.kind);
    put_model(&json, exp, &model);
    put_text(&json, "task", e->task);
    put_text(&json, "date", e->date);
    tfc_buffer_printf(&json,
                      ",\"data\":\"%016llx\",\"limit\":%lld,\"share\":%.17g,\"seed\":%lld,"
                      "\"max_tokens\":%lld,\"calls\":\"%s\"",
                      (unsigned long long)hash, (long long)e->limit, e->share, (long long)e->seed,
                      (long long)e->max_tokens,
                      calls                        ? "yes"
                      : system == TFC_EXP_DISABLED ? "banned"
                                                   : "no");
    if (calls) {
        tfc_buffer_printf(&json, ",\"k\":%lld,\"call_p\":%.17g,\"max_calls\":%lld,\"max_args\":%lld",
                          (long long)e->k, e->call_p, (long long)e->max_calls,
                          (long long)tfc_generate_params_default().max_args_tokens);
        status = put_tools(&json, e->tools, err);
    }
    like.inputs = inputs_end(&json);
    char of[260] = "", step[40] = "";
    if (model.train) snprintf(of, sizeof of, " of %.200s", model.train->label + 6);
    if (model.step) snprintf(step, sizeof step, ", step %lld", (long long)model.step);
    like.label = format("%s: %s%s%s", e->name, tfc_exp_system_names[system], of, step);
    if (status == TFC_OK) return stage_want(exp, &like, out, err);
    tfc_free(like.inputs);
    tfc_free(like.label);
    return status;
}

/* ---- the walk ---- */

static tfc_status cell_add(tfc_exp *exp, const place *p, tfc_exp_system system, int64_t step, size_t e,
                           tfc_exp_stage *stage, tfc_error *err)
{
    if (exp->running) return TFC_OK; /* the first walk made them */
    if (exp->n_cells == exp->cell_capacity) {
        size_t capacity = exp->cell_capacity ? 2 * exp->cell_capacity : 128;
        tfc_exp_cell *cells = tfc_realloc(exp->cells, capacity, sizeof *cells);
        if (!cells) return tfc_fail_memory(err, "tables");
        exp->cells = cells;
        exp->cell_capacity = capacity;
    }
    exp->cells[exp->n_cells++] = (tfc_exp_cell){.variant = p->v,
                                                .seed = system_is_base(system) ? 0 : p->seed,
                                                .round = p->round,
                                                .step = step,
                                                .share = p->share,
                                                .system = system,
                                                .evaluation = e,
                                                .stage = stage};
    return TFC_OK;
}

static tfc_status training_add(tfc_exp *exp, const tfc_exp_training *training, tfc_error *err)
{
    if (exp->running) return TFC_OK;
    if (exp->n_trainings == exp->training_capacity) {
        size_t capacity = exp->training_capacity ? 2 * exp->training_capacity : 32;
        tfc_exp_training *trainings = tfc_realloc(exp->trainings, capacity, sizeof *trainings);
        if (!trainings) return tfc_fail_memory(err, "tables");
        exp->trainings = trainings;
        exp->training_capacity = capacity;
    }
    exp->trainings[exp->n_trainings++] = *training;
    return TFC_OK;
}

static tfc_status walk_evaluations(tfc_exp *exp, const place *p, tfc_exp_system system, tfc_exp_model model,
                                   tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (size_t e = 0; status == TFC_OK && e < p->variant->n_evaluations; e++) {
        tfc_exp_stage *stage;
        /* Where only calls are counted there is nothing to see of a system that makes none. */
        const tfc_eval_task *task = tfc_eval_task_find(p->variant->evaluations[e].task);
        if (task->rule == TFC_EVAL_RULE_CALLS && system != TFC_EXP_TAUGHT && system != TFC_EXP_BASE_TOOLS)
            continue;
        status = want_eval(exp, p, &p->variant->evaluations[e], system, model, &stage, err);
        if (status == TFC_OK) status = cell_add(exp, p, system, model.step, e, stage, err);
    }
    return status;
}

/* A model with its evaluations. */
static tfc_status walk_training(tfc_exp *exp, const place *p, tfc_exp_stage *annotate, tfc_exp_stage *data,
                                bool without_calls, tfc_exp_stage **train, tfc_error *err)
{
    const tfc_exp_variant *v = p->variant;
    tfc_exp_training t = {.variant = p->v,
                          .seed = p->seed,
                          .round = p->round,
                          .share = p->share,
                          .without_calls = without_calls,
                          .annotate = annotate,
                          .data = data};
    tfc_status status = want_train(exp, p, data, without_calls, &t.train, err);
    tfc_exp_model model = {0};
    if (status == TFC_OK) status = want_blend(exp, p, t.train, &model.train, err);
    if (status == TFC_OK && without_calls) status = walk_evaluations(exp, p, TFC_EXP_PLAIN, model, err);
    if (status == TFC_OK && !without_calls && v->systems[TFC_EXP_TAUGHT])
        status = walk_evaluations(exp, p, TFC_EXP_TAUGHT, model, err);
    if (status == TFC_OK && !without_calls && v->systems[TFC_EXP_DISABLED] && p->share >= 1)
        status = walk_evaluations(exp, p, TFC_EXP_DISABLED, model, err);
    for (size_t i = 0; status == TFC_OK && !without_calls && p->share >= 1 && i < v->n_at_steps; i++) {
        tfc_exp_model at = {.train = t.train, .step = v->at_steps[i]};
        status = walk_evaluations(exp, p, TFC_EXP_TAUGHT, at, err);
    }
    if (status == TFC_OK && p->share >= 1) status = want_forget(exp, p, model, &t.forget, err);
    if (status == TFC_OK) status = training_add(exp, &t, err);
    *train = model.train;
    return status;
}

/* Annotation, data and the trainings of one round. *taught: the first seed's model. */
static tfc_status walk_round(tfc_exp *exp, place *p, tfc_exp_model *taught, tfc_error *err)
{
    const tfc_exp_variant *v = p->variant;
    bool last = p->round == v->rounds;
    tfc_exp_stage *annotate, *filter = NULL, *train;
    tfc_status status = want_annotate(exp, p, *taught, &annotate, err);
    if (status == TFC_OK) status = want_filter(exp, p, annotate, &filter, err);
    bool trained = v->systems[TFC_EXP_TAUGHT] || v->systems[TFC_EXP_DISABLED] || !last;
    if (status == TFC_OK && !trained && !v->systems[TFC_EXP_PLAIN]) {
        tfc_exp_training t = {
            .variant = p->v, .round = p->round, .share = 1, .annotate = annotate, .data = filter};
        return training_add(exp, &t, err); /* for its yield alone */
    }
    /* All seeds with all calls come first; an earlier round has no subsets. */
    for (size_t s = v->n_subsets; status == TFC_OK && s > (last ? 0 : v->n_subsets - 1); s--)
        for (p->seed = 0; status == TFC_OK && p->seed < v->n_seeds; p->seed++) {
            tfc_exp_stage *data;
            p->share = v->subsets[s - 1];
            status = want_subset(exp, p, filter, &data, err);
            if (status == TFC_OK && trained)
                status = walk_training(exp, p, annotate, data, false, &train, err);
            if (status == TFC_OK && trained && p->seed == 0 && p->share >= 1) taught->train = train;
            if (status == TFC_OK && v->systems[TFC_EXP_PLAIN] && p->share >= 1 && last)
                status = walk_training(exp, p, annotate, data, true, &train, err);
        }
    return status;
}

static tfc_status walk_variant(tfc_exp *exp, size_t number, tfc_error *err)
{
    const tfc_exp_variant *v = &exp->file.variants[number];
    place p = {.v = number, .variant = v, .round = 1, .share = 1};
    tfc_exp_model model = {NULL, 0}, base = model;
    tfc_status status = TFC_OK;
    p.round = v->rounds;
    if (v->systems[TFC_EXP_BASE]) status = walk_evaluations(exp, &p, TFC_EXP_BASE, base, err);
    if (status == TFC_OK && v->systems[TFC_EXP_BASE_TOOLS])
        status = walk_evaluations(exp, &p, TFC_EXP_BASE_TOOLS, base, err);
    for (p.round = 1; status == TFC_OK && p.round <= v->rounds; p.round++)
        status = walk_round(exp, &p, &model, err);
    return status;
}

tfc_status tfc_exp_walk(tfc_exp *exp, tfc_error *err)
{
    const place p = {.variant = &exp->file.variants[0]};
    tfc_status status = want_forget(exp, &p, (tfc_exp_model){NULL, 0}, &exp->forget_base, err);
    for (size_t v = 0; status == TFC_OK && v < exp->file.n_variants; v++) status = walk_variant(exp, v, err);
    return status;
}
