/* What a stage does. Each works in its own folder; `stage.json` appears there when it is done. */
#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "eval/forget_file.h"
#include "experiment/experiment_run.h"
#include "toolformer/eval.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double tfc_exp_number(const tfc_exp_stage *stage, const char *name)
{
    tfc_json *value;
    if (!stage->result || !json_object_object_get_ex(stage->result, name, &value)) return 0;
    return json_object_get_double(value);
}

/* ---- models ---- */

void tfc_exp_model_close(tfc_exp *exp)
{
    tfc_session_free(exp->session);
    tfc_model_free(exp->model);
    exp->session = NULL;
    exp->model = NULL;
}

static char *model_path(const tfc_exp *exp, tfc_exp_model model)
{
    char name[48] = "model";
    if (!model.train) return tfc_strdup(exp->base_path);
    if (model.step) snprintf(name, sizeof name, "model-step-%lld", (long long)model.step);
    return tfc_path_join(model.train->folder, name);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static tfc_status open_model_as(tfc_exp *exp, tfc_exp_model model, const char *operand, tfc_error *err)
{
    if (exp->model && exp->model_is.train == model.train && exp->model_is.step == model.step &&
        same_text(exp->model_operand, operand))
        return TFC_OK;
    tfc_exp_model_close(exp);
    char *path = model_path(exp, model);
    if (!path) return tfc_fail_memory(err, "model");
    if (model.train && !tfc_folder_exists(path)) {
        tfc_fail(err, TFC_ENOTFOUND, "'%s' is gone; remove the folder '%s' to train that model again", path,
                 model.train->folder);
        tfc_free(path);
        return err->status;
    }
    tfc_model_params params = tfc_model_params_default();
    params.cpu = exp->params->cpu;
    params.operand = operand;
    params.n_threads = exp->params->n_threads;
    exp->model = tfc_model_open(path, &params, err);
    tfc_free(path);
    exp->model_is = model;
    exp->model_operand = operand;
    return exp->model ? TFC_OK : err->status;
}

static tfc_status open_model(tfc_exp *exp, tfc_exp_model model, tfc_error *err)
{
    return open_model_as(exp, model, exp->params->operand, err);
}

static tfc_status open_session(tfc_exp *exp, tfc_exp_model model, tfc_error *err)
{
    tfc_status status = open_model(exp, model, err);
    if (status != TFC_OK || exp->session) return status;
    tfc_session_params params = tfc_session_params_default();
    params.n_threads = exp->params->n_threads;
    if (exp->params->kv_bytes) params.kv_bytes = exp->params->kv_bytes;
    exp->session = tfc_session_create(exp->model, &params, err);
    return exp->session ? TFC_OK : err->status;
}

/* ---- annotate, filter, subset ---- */

static char *recipe_save(const tfc_exp_stage *stage, tfc_error *err)
{
    char *path = tfc_path_join(stage->folder, "recipe.json");
    const char *text = stage->variant->recipe_text;
    if (path && tfc_file_write_whole(path, text, strlen(text), err) == TFC_OK) return path;
    if (!path) tfc_fail_memory(err, "recipe");
    tfc_free(path);
    return NULL;
}

static tfc_status run_annotate(tfc_exp *exp, tfc_exp_stage *stage, tfc_buffer *json, tfc_error *err)
{
    const tfc_exp_variant *v = stage->variant;
    const char *corpus = stage->texts->path;
    tfc_annotate_params params = tfc_annotate_params_default();
    tfc_annotate_result r;
    const char *operand = v->annotate_operand ? v->annotate_operand : exp->params->operand;
    tfc_status status = open_model_as(exp, stage->model, operand, err);
    if (status != TFC_OK) return status;
    tfc_session_free(exp->session); /* annotation has its own */
    exp->session = NULL;
    char *recipe = recipe_save(stage, err);
    if (!recipe) return err->status;
    params.corpus = &corpus;
    params.n_corpus = 1;
    params.tools = v->tools;
    params.run = stage->folder;
    params.recipe = recipe;
    params.date = v->date;
    params.seed = (uint64_t)v->annotate_seed;
    params.n_threads = exp->params->n_threads;
    if (exp->params->kv_bytes) params.kv_bytes = exp->params->kv_bytes;
    status = tfc_annotate(exp->model, &params, exp->monitor, &r, err);
    tfc_free(recipe);
    tfc_buffer_printf(json,
                      "\"documents\":%lld,\"snippets\":%lld,\"tokens\":%lld,\"positions\":%lld,"
                      "\"candidates\":%lld,\"executed\":%lld,\"scored\":%lld,\"passed\":%lld",
                      (long long)r.documents, (long long)r.snippets, (long long)r.tokens,
                      (long long)r.positions, (long long)r.candidates, (long long)r.executed,
                      (long long)r.scored, (long long)r.kept);
    return status;
}

static tfc_status run_filter(tfc_exp_stage *stage, tfc_buffer *json, tfc_error *err)
{
    tfc_filter_params params = stage->variant->filter;
    params.run = stage->source->folder;
    params.out = stage->folder;
    tfc_filter_result r;
    tfc_status status = tfc_filter(&params, &r, err);
    tfc_buffer_printf(json, "\"snippets\":%lld,\"texts\":%lld,\"calls\":%lld,\"tools\":{",
                      (long long)r.snippets, (long long)r.texts, (long long)r.calls);
    for (size_t i = 0; i < r.n_tools; i++) {
        if (i) tfc_buffer_putc(json, ',');
        tfc_buffer_json(json, r.tools[i].name, strlen(r.tools[i].name));
        tfc_buffer_printf(json, ":%lld", (long long)r.tools[i].kept);
    }
    tfc_buffer_putc(json, '}');
    return status;
}

/* A row of a data set, by the hash of its id: subsets lie in each other, whatever else is in the set. */
typedef struct subset_row {
    size_t begin, end;
    uint64_t order;
    int64_t n_calls;
} subset_row;

static tfc_status subset_read(const char *text, size_t n, const char *path, subset_row **rows, size_t *n_rows,
                              tfc_error *err)
{
    size_t capacity = 0;
    *rows = NULL;
    *n_rows = 0;
    for (size_t from = 0, to; from < n; from = to + 1) {
        const char *newline = memchr(text + from, '\n', n - from), *id;
        to = newline ? (size_t)(newline - text) : n;
        tfc_json *json = tfc_json_parse(text + from, to - from, path, err), *calls;
        tfc_status status = json ? tfc_json_get_text(json, "id", &id, NULL, NULL, err) : err->status;
        if (status == TFC_OK) status = tfc_json_get_array(json, "calls", &calls, NULL, err);
        if (status == TFC_OK && *n_rows == capacity) {
            capacity = capacity ? 2 * capacity : 256;
            subset_row *bigger = tfc_realloc(*rows, capacity, sizeof *bigger);
            if (bigger)
                *rows = bigger;
            else
                status = tfc_fail_memory(err, path);
        }
        if (status == TFC_OK)
            (*rows)[(*n_rows)++] = (subset_row){from, to, tfc_hash_bytes(id, strlen(id), 0x737562),
                                                (int64_t)json_object_array_length(calls)};
        json_object_put(json);
        if (status != TFC_OK) return status;
    }
    return TFC_OK;
}

/* The largest order that is still within the share of the calls. */
static uint64_t subset_limit(const subset_row *rows, size_t n, double share)
{
    int64_t total = 0;
    for (size_t i = 0; i < n; i++) total += rows[i].n_calls;
    uint64_t low = 0, high = UINT64_MAX; /* the least limit that takes enough */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int64_t taken = 0;
        for (size_t i = 0; i < n; i++) taken += rows[i].order <= middle ? rows[i].n_calls : 0;
        if ((double)taken >= share * (double)total)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static tfc_status run_subset(tfc_exp_stage *stage, tfc_buffer *json, tfc_error *err)
{
    char *in = tfc_path_join(stage->source->folder, "dataset.jsonl");
    char *out = tfc_path_join(stage->folder, "dataset.jsonl"), *text = NULL;
    size_t n, n_rows = 0;
    subset_row *rows = NULL;
    tfc_file_writer writer = {0};
    tfc_status status =
        in && out ? tfc_file_read(in, (size_t)4 << 30, &text, &n, err) : tfc_fail_memory(err, "subset");
    if (status == TFC_OK) status = subset_read(text, n, in, &rows, &n_rows, err);
    if (status == TFC_OK) status = tfc_file_writer_open(&writer, out, err);
    uint64_t limit = status == TFC_OK ? subset_limit(rows, n_rows, stage->share) : 0;
    int64_t texts = 0, calls = 0;
    for (size_t i = 0; status == TFC_OK && i < n_rows; i++) {
        if (rows[i].order > limit) continue;
        texts++;
        calls += rows[i].n_calls;
        status = tfc_file_writer_write(&writer, text + rows[i].begin, rows[i].end - rows[i].begin, err);
        if (status == TFC_OK) status = tfc_file_writer_write(&writer, "\n", 1, err);
    }
    if (status == TFC_OK) status = tfc_file_writer_commit(&writer, err);
    tfc_file_writer_abort(&writer);
    tfc_buffer_printf(json, "\"snippets\":%.0f,\"texts\":%lld,\"calls\":%lld",
                      tfc_exp_number(stage->source, "snippets"), (long long)texts, (long long)calls);
    tfc_free(rows);
    tfc_free(text);
    tfc_free(in);
    tfc_free(out);
    return status;
}

/* ---- train ---- */

static bool has_bytes(const char *path)
{
    FILE *file = fopen(path, "re");
    int first = file ? fgetc(file) : EOF;
    if (file) fclose(file);
    return first != EOF;
}

static tfc_status run_train(tfc_exp *exp, tfc_exp_stage *stage, tfc_buffer *json, tfc_error *err)
{
    const tfc_exp_variant *v = stage->variant;
    const tfc_exp_stage *filter =
        stage->source->kind == TFC_EXP_SUBSET ? stage->source->source : stage->source;
    tfc_train_params params = v->train;
    tfc_train_result r = {0};
    char *data = tfc_path_join(stage->source->folder, "dataset.jsonl");
    char *plain = tfc_path_join(filter->folder, "plain.jsonl");
    tfc_status status =
        data && plain ? open_model(exp, (tfc_exp_model){NULL, 0}, err) : tfc_fail_memory(err, "train");
    if (status == TFC_OK) {
        tfc_session_free(exp->session); /* its memory is the trainer's now */
        exp->session = NULL;
        params.data = data;
        params.plain = has_bytes(plain) ? plain : NULL; /* every text may have kept a call */
        if (!params.plain) {
            params.plain_share = 0;
            params.match_base = 0;
        }
        params.out = stage->folder;
        params.seed = stage->seed;
        params.without_calls = stage->without_calls;
        params.base_share = 0; /* a stage of its own */
        params.operand = exp->params->operand;
        params.n_threads = exp->params->n_threads;
        params.model_steps = stage->without_calls ? NULL : v->at_steps;
        params.n_model_steps = stage->without_calls ? 0 : v->n_at_steps;
        status = tfc_train(exp->model, &params, exp->monitor, &r, err);
    }
    tfc_buffer_printf(json,
                      "\"steps\":%lld,\"tokens\":%lld,\"loss_first\":%.9g,\"loss_last\":%.9g,"
                      "\"dev_loss_before\":%.9g,\"dev_loss_best\":%.9g,\"best_step\":%lld",
                      (long long)r.steps, (long long)r.tokens, r.loss_first, r.loss_last, r.dev_loss_before,
                      r.dev_loss_best, (long long)r.best_step);
    tfc_free(data);
    tfc_free(plain);
    return status;
}

/* ---- blend ---- */

static tfc_status run_blend(tfc_exp *exp, const tfc_exp_stage *stage, tfc_buffer *json, tfc_error *err)
{
    char *folder = tfc_path_join(stage->folder, "model");
    tfc_model *base = NULL;
    tfc_model_params params = tfc_model_params_default();
    params.cpu = exp->params->cpu;
    params.operand = exp->params->operand;
    params.n_threads = exp->params->n_threads;
    tfc_status status = folder ? open_model(exp, (tfc_exp_model){.train = stage->source}, err)
                               : tfc_fail_memory(err, "blend");
    if (status == TFC_OK && !(base = tfc_model_open(exp->base_path, &params, err))) status = err->status;
    if (status == TFC_OK) status = tfc_model_blend(exp->model, base, stage->share, folder, err);
    tfc_buffer_printf(json, "\"base_share\":%.9g", stage->share);
    tfc_model_free(base);
    tfc_free(folder);
    return status;
}

/* ---- eval ---- */

static void decoding_of(const tfc_exp_stage *stage, const tfc_tools *tools, tfc_generate_params *g)
{
    const tfc_exp_evaluation *e = stage->evaluation;
    *g = tfc_generate_params_default();
    g->tools = tools;
    g->max_tokens = e->max_tokens;
    g->call_top_k = (int32_t)e->k;
    g->call_p = e->call_p;
    g->max_calls = e->max_calls;
    g->date = e->date;
    /* The base model and the plain one write what they like; only `disabled` bans calls. */
    g->allow_call_tokens = stage->system == TFC_EXP_BASE || stage->system == TFC_EXP_PLAIN;
}

static tfc_status run_eval(tfc_exp *exp, tfc_exp_stage *stage, tfc_buffer *json, tfc_error *err)
{
    const tfc_exp_evaluation *e = stage->evaluation;
    bool calls = stage->system == TFC_EXP_TAUGHT || stage->system == TFC_EXP_BASE_TOOLS;
    tfc_eval_data_params which = {
        .task = e->task, .path = e->data, .limit = e->limit, .share = e->share, .seed = (uint64_t)e->seed};
    char *out = tfc_path_join(stage->folder, "rows.jsonl");
    tfc_eval_params params = {.out = out, .monitor = exp->monitor};
    tfc_eval_result r = {0};
    tfc_status status = out ? open_session(exp, stage->model, err) : tfc_fail_memory(err, "eval");
    tfc_eval_data *data = status == TFC_OK ? tfc_eval_data_open(&which, err) : NULL;
    tfc_tools *tools = data ? tfc_tools_create(calls ? e->tools : "none", err) : NULL;
    if (status == TFC_OK && !tools) status = err->status;
    if (status == TFC_OK) {
        decoding_of(stage, tools, &params.generate);
        status = tfc_eval_prompts(exp->session, data, &params, &r, err);
    }
    tfc_buffer_printf(json,
                      "\"n\":%lld,\"correct\":%lld,\"strict_correct\":%lld,\"called\":%lld,\"scored\":%s",
                      (long long)r.n, (long long)r.correct, (long long)r.strict_correct, (long long)r.called,
                      r.scored ? "true" : "false");
    tfc_tools_free(tools);
    tfc_eval_data_free(data);
    tfc_free(out);
    return status;
}

/* The figures go to the training's folder, too: `export` looks for them there. */
static tfc_status forget_keep(tfc_exp *exp, const tfc_exp_stage *stage, const tfc_forget_result *r,
                              tfc_error *err)
{
    if (!stage->model.train || !exp->forget_base->done) return TFC_OK;
    tfc_forget_about about;
    tfc_forget_report report = {.n_tokens = r->n_tokens,
                                .base_perplexity = tfc_exp_number(exp->forget_base, "perplexity"),
                                .perplexity = r->perplexity};
    report.change = report.perplexity / report.base_perplexity - 1;
    char *path = model_path(exp, stage->model);
    if (!path) return tfc_fail_memory(err, "forgetting");
    tfc_status status = tfc_forget_about_make(&about, path, exp->base_path, exp->file.forget_data, err);
    if (status == TFC_OK) status = tfc_forget_save(stage->model.train->folder, &about, &report, err);
    tfc_free(path);
    return status;
}

static tfc_status run_forget(tfc_exp *exp, tfc_exp_stage *stage, tfc_buffer *json, tfc_error *err)
{
    tfc_forget_result r = {0};
    tfc_status status = open_session(exp, stage->model, err);
    if (status == TFC_OK)
        status = tfc_forget_measure(exp->session, exp->file.forget_data, exp->monitor, &r, err);
    if (status == TFC_OK) status = forget_keep(exp, stage, &r, err);
    tfc_buffer_printf(json, "\"tokens\":%lld,\"perplexity\":%.12g", (long long)r.n_tokens, r.perplexity);
    return status;
}

/* ---- a stage ---- */

static tfc_status run_kind(tfc_exp *exp, tfc_exp_stage *stage, tfc_buffer *json, tfc_error *err)
{
    switch (stage->kind) {
    case TFC_EXP_ANNOTATE:
        return run_annotate(exp, stage, json, err);
    case TFC_EXP_FILTER:
        return run_filter(stage, json, err);
    case TFC_EXP_SUBSET:
        return run_subset(stage, json, err);
    case TFC_EXP_TRAIN:
        return run_train(exp, stage, json, err);
    case TFC_EXP_BLEND:
        return run_blend(exp, stage, json, err);
    case TFC_EXP_EVAL:
        return run_eval(exp, stage, json, err);
    case TFC_EXP_FORGET:
        return run_forget(exp, stage, json, err);
    default:
        return tfc_fail(err, TFC_EINVAL, "unknown stage");
    }
}

/* Seconds of starts that did not reach the end; 0 when there is no such file. */
static double seconds_before(const tfc_exp_stage *stage)
{
    char *path = tfc_path_join(stage->folder, "unfinished.json");
    double seconds = 0;
    bool found;
    tfc_json *json = path && tfc_file_exists(path) ? tfc_json_parse_file(path, 4096, NULL) : NULL;
    if (json_object_is_type(json, json_type_object))
        tfc_json_get_double(json, "seconds", &seconds, &found, NULL);
    json_object_put(json);
    tfc_free(path);
    return seconds;
}

static tfc_status save(const tfc_exp_stage *stage, const char *name, const tfc_buffer *json, tfc_error *err)
{
    char *path = tfc_path_join(stage->folder, name);
    tfc_status status = path ? tfc_buffer_ok(json, "stage", err) : tfc_fail_memory(err, "stage");
    if (status == TFC_OK) status = tfc_file_write_whole(path, json->data, json->n, err);
    tfc_free(path);
    return status;
}

tfc_status tfc_exp_stage_run(tfc_exp *exp, tfc_exp_stage *stage, tfc_error *err)
{
    double start = now(), before;
    tfc_buffer result, json;
    tfc_buffer_init(&result, (size_t)16 << 20);
    tfc_buffer_init(&json, (size_t)16 << 20);
    tfc_status status = tfc_folder_make(stage->folder, err);
    before = seconds_before(stage);
    tfc_buffer_putc(&result, '{');
    if (status == TFC_OK) status = run_kind(exp, stage, &result, err);
    tfc_buffer_putc(&result, '}');
    stage->seconds = before + now() - start;
    stage->threads =
        exp->params->n_threads > 0 ? exp->params->n_threads : (double)sysconf(_SC_NPROCESSORS_ONLN);
    if (status == TFC_OK) {
        tfc_buffer_puts(&json, "{\"label\":");
        tfc_buffer_json(&json, stage->label, strlen(stage->label));
        tfc_buffer_printf(&json, ",\"seconds\":%.3f,\"threads\":%g,\"result\":%s,\"inputs\":%s}\n",
                          stage->seconds, stage->threads, result.data ? result.data : "{}", stage->inputs);
        status = save(stage, "stage.json", &json, err);
        if (status == TFC_OK) stage->result = tfc_json_parse(result.data, result.n, stage->label, err);
        if (status == TFC_OK && !stage->result) status = err->status;
        stage->done = stage->ran = status == TFC_OK;
        exp->kind_seconds[stage->kind] += stage->seconds;
        exp->kind_n[stage->kind]++;
        exp->result->n_run += stage->done;
    } else if (status == TFC_EINTERRUPTED) {
        tfc_buffer_printf(&json, "{\"seconds\":%.3f}\n", stage->seconds);
        save(stage, "unfinished.json", &json, NULL);
    } else {
        tfc_error_prefix(err, "%s", stage->label);
    }
    tfc_buffer_release(&result);
    tfc_buffer_release(&json);
    return status;
}
