/* One call: the file, the texts, the walk to know what there is, the walk that does it, the tables. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "experiment/experiment_run.h"

tfc_experiment_params tfc_experiment_params_default(void)
{
    return (tfc_experiment_params){0};
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Finds and opens the base model, for its identity. */
static tfc_status base_open(tfc_exp *exp, tfc_error *err)
{
    const char *name = exp->params->model ? exp->params->model : exp->file.model;
    tfc_status status = tfc_model_locate(name, &exp->base_path, err);
    if (status != TFC_OK) return status;
    tfc_model_params params = tfc_model_params_default();
    params.cpu = exp->params->cpu;
    params.operand = exp->params->operand;
    params.n_threads = exp->params->n_threads;
    exp->model = tfc_model_open(exp->base_path, &params, err);
    if (!exp->model) return err->status;
    tfc_model_info info = tfc_model_get_info(exp->model);
    uint64_t hash;
    status = tfc_path_hash(info.path, &hash, err);
    if (status != TFC_OK) return status;
    char id[120];
    snprintf(id, sizeof id, "%016llx %s %s", (unsigned long long)hash, info.cpu_path, info.operand);
    const char *slash = strrchr(exp->base_path, '/');
    exp->base_id = tfc_strdup(id);
    exp->base_name = tfc_strdup(slash && slash[1] ? slash + 1 : exp->base_path);
    exp->cpu_path = tfc_arena_strndup(&exp->file.arena, info.cpu_path, strlen(info.cpu_path));
    exp->operand = tfc_arena_strndup(&exp->file.arena, info.operand, strlen(info.operand));
    return exp->base_id && exp->base_name && exp->cpu_path && exp->operand ? TFC_OK
                                                                           : tfc_fail_memory(err, "model");
}

/* Two starts in one folder would undo each other's work. The lock goes with the process. */
static tfc_status folder_lock(const char *out, int *lock, tfc_error *err)
{
    tfc_status status = tfc_folder_make(out, err);
    char *path = status == TFC_OK ? tfc_path_join(out, "lock") : NULL;
    if (status != TFC_OK) return status;
    if (!path) return tfc_fail_memory(err, "experiment");
    *lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (*lock < 0) status = tfc_fail_errno(err, "cannot write '%s'", path);
    /* One that was just killed may hold it for a moment. */
    for (int i = 0; status == TFC_OK && flock(*lock, LOCK_EX | LOCK_NB) != 0; i++) {
        if (i == 20) status = tfc_fail(err, TFC_ECONFLICT, "another experiment is at work in '%s'", out);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    tfc_free(path);
    return status;
}

static void say_notes(const tfc_exp *exp)
{
    for (size_t i = 0; i < exp->file.n_left_out; i++)
        tfc_monitor_note(exp->monitor, "left out: %s", exp->file.left_out[i]);
    const tfc_exp_texts *t = &exp->texts[0];
    tfc_monitor_note(exp->monitor, "%lld texts; %lld of them hold %lld rows of the evaluations%s",
                     (long long)t->n, (long long)t->n_overlap_texts, (long long)t->n_overlap_rows,
                     t->n_overlap_texts == 0  ? ""
                     : exp->file.drop_overlap ? " and are left out"
                                              : " and are kept");
}

static void say_plan(const tfc_exp *exp)
{
    for (size_t i = 0; i < exp->n_stages; i++) {
        const tfc_exp_stage *s = exp->stages[i];
        tfc_monitor_note(exp->monitor, "%s %s-%s %s", s->done ? "done " : "to do",
                         tfc_exp_kind_names[s->kind], s->key, s->label);
    }
}

static tfc_status work(tfc_exp *exp, tfc_error *err)
{
    tfc_status status = tfc_exp_texts_make(exp, err);
    if (status == TFC_OK) status = tfc_exp_walk(exp, err);
    if (status != TFC_OK) return status;
    exp->result->n_stages = (int64_t)exp->n_stages;
    for (size_t i = 0; i < exp->n_stages; i++) exp->result->n_found += exp->stages[i]->done;
    say_notes(exp);
    tfc_monitor_note(exp->monitor, "%lld stages, %lld of them are done", (long long)exp->result->n_stages,
                     (long long)exp->result->n_found);
    if (exp->params->plan) {
        say_plan(exp);
        return TFC_OK;
    }
    exp->running = true;
    tfc_status ran = tfc_exp_walk(exp, err);
    tfc_exp_model_close(exp);
    tfc_error late;
    tfc_error_init(&late);
    status = tfc_exp_tables_write(exp, &late);
    if (ran == TFC_OK && status != TFC_OK) *err = late;
    return ran != TFC_OK ? ran : status;
}

static void release(tfc_exp *exp)
{
    tfc_exp_model_close(exp);
    for (size_t i = 0; i < exp->n_stages; i++) {
        tfc_exp_stage *s = exp->stages[i];
        tfc_free(s->inputs);
        tfc_free(s->label);
        tfc_free(s->folder);
        json_object_put(s->result);
        tfc_free(s);
    }
    tfc_free(exp->stages);
    tfc_free(exp->cells);
    tfc_free(exp->trainings);
    tfc_exp_texts_release(exp);
    tfc_text_free(exp->base_path);
    tfc_free(exp->base_id);
    tfc_free(exp->base_name);
    tfc_exp_file_release(&exp->file);
}

tfc_status tfc_experiment_run(const tfc_experiment_params *params, const tfc_monitor *monitor,
                              tfc_experiment_result *result, tfc_error *err)
{
    tfc_experiment_result unused;
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    if (!result) result = &unused;
    *result = (tfc_experiment_result){0};
    tfc_exp exp = {.params = params, .monitor = monitor, .result = result};
    if (!params->file || !params->out)
        return tfc_fail(err, TFC_EINVAL, "an experiment needs a file and a folder for its output");
    if (params->operand && strcmp(params->operand, "int8") == 0)
        return tfc_fail(
            err, TFC_EINVAL,
            "int8 operands are for scoring; name them in the file: \"annotate_operand\": \"int8\"");
    const char *data_dir = params->data_dir ? params->data_dir : getenv("TOOLFORMER_TEST_DATA");
    if (data_dir && !*data_dir) data_dir = NULL;
    int lock = -1;
    double start = now();
    tfc_status status = tfc_exp_file_read(&exp.file, params->file, data_dir, err);
    if (status != TFC_OK) return status;
    if (status == TFC_OK) status = base_open(&exp, err);
    if (status == TFC_OK) status = folder_lock(params->out, &lock, err);
    if (status == TFC_OK) status = work(&exp, err);
    release(&exp);
    if (lock >= 0) close(lock);
    result->seconds = now() - start;
    return status;
}
