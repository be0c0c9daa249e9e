/* Reading an experiment: every field is known, checked and named in its error before anything is run. */
#include "experiment/experiment_file.h"

#include <glob.h>
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "experiment/experiment_train.h"
#include "toolformer/eval.h"

const char *const tfc_exp_system_names[TFC_EXP_N_SYSTEMS + 1] = {"base",     "base_tools", "plain",
                                                                 "disabled", "taught",     NULL};

typedef struct reader {
    tfc_exp_file *file;
    const char *folder;   /* of the file */
    const char *data_dir; /* or NULL */
    bool main;            /* what is absent is noted once */
} reader;

/* ---- small pieces ---- */

static const char *keep(reader *r, const char *text)
{
    return tfc_arena_strndup(&r->file->arena, text, strlen(text));
}

static tfc_status get_int(tfc_json *json, const char *key, int64_t low, int64_t high, int64_t *out,
                          tfc_error *err)
{
    bool found;
    return tfc_json_get_int(json, key, low, high, out, &found, err);
}

static tfc_status get_number(tfc_json *json, const char *key, double low, double high, double *out,
                             tfc_error *err)
{
    bool found;
    double value = *out;
    tfc_status status = tfc_json_get_double(json, key, &value, &found, err);
    if (status != TFC_OK || !found) return status;
    if (!(value >= low && value <= high))
        return tfc_fail(err, TFC_EFORMAT, "%s must be between %g and %g, not %g", key, low, high, value);
    *out = value;
    return TFC_OK;
}

static tfc_status get_bool(tfc_json *json, const char *key, bool *out, tfc_error *err)
{
    bool found;
    return tfc_json_get_bool(json, key, out, &found, err);
}

/* *out stays as it is when the key is absent. */
static tfc_status get_text(reader *r, tfc_json *json, const char *key, const char **out, tfc_error *err)
{
    const char *text;
    bool found;
    tfc_status status = tfc_json_get_text(json, key, &text, NULL, &found, err);
    if (status != TFC_OK || !found) return status;
    *out = keep(r, text);
    return *out ? TFC_OK : tfc_fail_memory(err, key);
}

/* A name that stands in tables. */
static tfc_status get_name(reader *r, tfc_json *json, const char *key, const char **out, tfc_error *err)
{
    const char *before = *out;
    tfc_status status = get_text(r, json, key, out, err);
    if (status != TFC_OK || *out == before) return status;
    size_t n = strlen(*out);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)(*out)[i] < 0x20 || strchr("|`*", (*out)[i]))
            return tfc_fail(err, TFC_EFORMAT, "%s: '|', '`', '*' and control characters cannot stand in it",
                            key);
    if (n == 0 || n > 80) return tfc_fail(err, TFC_EFORMAT, "%s: 1 to 80 bytes expected", key);
    return TFC_OK;
}

/* An optional array of at most TFC_EXP_LIST items; n 0: absent. */
static tfc_status get_list(tfc_json *json, const char *key, tfc_json **array, size_t *n, tfc_error *err)
{
    bool found;
    *n = 0;
    tfc_status status = tfc_json_get_array(json, key, array, &found, err);
    if (status != TFC_OK || !found) return status;
    *n = json_object_array_length(*array);
    if (*n > TFC_EXP_LIST) return tfc_fail(err, TFC_ELIMIT, "%s: more than %d items", key, TFC_EXP_LIST);
    return TFC_OK;
}

static tfc_status item_object(tfc_json *array, size_t i, tfc_json **item, tfc_error *err)
{
    *item = json_object_array_get_idx(array, i);
    return json_object_is_type(*item, json_type_object) ? TFC_OK
                                                        : tfc_fail(err, TFC_EFORMAT, "object expected");
}

/* ---- paths ---- */

/* The path with ${DATA} put in, seen from the file's folder. *out NULL: ${DATA} has no value. */
static tfc_status expand_path(reader *r, const char *text, const char **out, tfc_error *err)
{
    const char *variable = strstr(text, "${");
    *out = NULL;
    tfc_buffer path;
    tfc_buffer_init(&path, 1 << 16);
    if (text[0] == '\0') return tfc_fail(err, TFC_EFORMAT, "empty path");
    if (variable) {
        const char *end = strchr(variable, '}');
        if (!end) return tfc_fail(err, TFC_EFORMAT, "'%.200s': `${` without `}`", text);
        if (end - variable != 6 || strncmp(variable, "${DATA}", 7) != 0 || strstr(end, "${"))
            return tfc_fail(err, TFC_EFORMAT, "'%.200s': unknown variable '%.*s'; known: ${DATA}, once", text,
                            (int)(end - variable + 1), variable);
        if (!r->data_dir) return TFC_OK;
        tfc_buffer_append(&path, text, (size_t)(variable - text));
        tfc_buffer_puts(&path, r->data_dir);
        tfc_buffer_puts(&path, end + 1);
    } else {
        if (text[0] != '/' && strcmp(r->folder, ".") != 0) tfc_buffer_printf(&path, "%s/", r->folder);
        tfc_buffer_puts(&path, text);
    }
    tfc_status status = tfc_buffer_ok(&path, "path", err);
    if (status == TFC_OK && !(*out = keep(r, path.data))) status = tfc_fail_memory(err, "path");
    tfc_buffer_release(&path);
    return status;
}

/* What is not there: an error with its remedy, or a note when it is optional. */
static tfc_status absent(reader *r, const char *text, const char *path, bool optional, tfc_error *err)
{
    const char *why = path ? "no such file" : "${DATA} is not set";
    const char *remedy = path && !strstr(text, "${")
                             ? ""
                             : "; set TOOLFORMER_TEST_DATA to the folder of the data, or "
                               "pass --data-dir";
    if (!optional)
        return tfc_fail(err, TFC_ENOTFOUND,
                        "'%.300s': %s%s; \"optional\": true leaves it out where it is absent",
                        path ? path : text, why, remedy);
    if (!r->main) return TFC_OK;
    tfc_exp_file *file = r->file;
    const char **lines = tfc_arena_alloc(&file->arena, file->n_left_out + 1, sizeof *lines);
    char line[600];
    snprintf(line, sizeof line, "%.300s: %s", path ? path : text, why);
    if (!lines) return tfc_fail_memory(err, "experiment");
    for (size_t i = 0; i < file->n_left_out; i++) lines[i] = file->left_out[i];
    lines[file->n_left_out] = keep(r, line);
    file->left_out = lines;
    if (!lines[file->n_left_out++]) return tfc_fail_memory(err, "experiment");
    return TFC_OK;
}

/* ---- corpora ---- */

/* stories.jsonl.gz → stories */
static const char *stem(reader *r, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strcspn(name, ".*");
    return n ? tfc_arena_strndup(&r->file->arena, name, n) : keep(r, "texts");
}

static tfc_status find_files(reader *r, const char *text, bool optional, tfc_exp_corpus *corpus,
                             tfc_error *err)
{
    const char *path;
    tfc_status status = expand_path(r, text, &path, err);
    if (status != TFC_OK) return status;
    if (!path) return absent(r, text, path, optional, err);
    if (!strchr(path, '*')) {
        if (!tfc_file_exists(path)) return absent(r, text, path, optional, err);
        const char **one = tfc_arena_alloc(&r->file->arena, 1, sizeof *one);
        if (!one) return tfc_fail_memory(err, "corpora");
        *one = path;
        corpus->files = one;
        corpus->n_files = 1;
        return TFC_OK;
    }
    glob_t found = {0};
    int code = glob(path, 0, NULL, &found);
    if (code == GLOB_NOSPACE) {
        status = tfc_fail_memory(err, "corpora");
    } else if (code != 0 || found.gl_pathc == 0) {
        status = absent(r, text, path, optional, err);
    } else {
        const char **files = tfc_arena_alloc(&r->file->arena, found.gl_pathc, sizeof *files);
        for (size_t i = 0; files && i < found.gl_pathc; i++)
            if (!(files[i] = keep(r, found.gl_pathv[i]))) files = NULL;
        if (!files) status = tfc_fail_memory(err, "corpora");
        corpus->files = files;
        corpus->n_files = found.gl_pathc;
    }
    globfree(&found);
    return status;
}

static tfc_status read_corpus(reader *r, tfc_json *json, tfc_exp_corpus *corpus, tfc_error *err)
{
    static const char *const keys[] = {"file", "kind", "limit", "share", "optional", NULL};
    *corpus = (tfc_exp_corpus){.limit = -1, .share = 1};
    const char *text;
    bool optional = false;
    tfc_status status = tfc_json_only_keys(json, keys, err);
    if (status == TFC_OK) status = tfc_json_get_text(json, "file", &text, NULL, NULL, err);
    if (status == TFC_OK) status = get_name(r, json, "kind", &corpus->kind, err);
    if (status == TFC_OK) status = get_int(json, "limit", 1, INT64_MAX / 2, &corpus->limit, err);
    if (status == TFC_OK) status = get_number(json, "share", 0, 1, &corpus->share, err);
    if (status == TFC_OK) status = get_bool(json, "optional", &optional, err);
    if (status != TFC_OK) return status;
    if (!corpus->kind && !(corpus->kind = stem(r, text))) return tfc_fail_memory(err, "corpora");
    status = find_files(r, text, optional, corpus, err);
    if (status != TFC_OK) tfc_error_prefix(err, "file");
    return status;
}

static bool kind_wanted(tfc_json *kinds, size_t n, const char *kind)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(kinds, i));
        if (name && strcmp(name, kind) == 0) return true;
    }
    return n == 0;
}

static tfc_status read_corpora(reader *r, tfc_json *json, tfc_exp_variant *v, tfc_error *err)
{
    tfc_json *array, *kinds, *item;
    size_t n, n_kinds = 0;
    tfc_status status = get_list(json, "corpora", &array, &n, err);
    if (status == TFC_OK) status = get_list(json, "kinds", &kinds, &n_kinds, err);
    if (status == TFC_OK && n == 0) status = tfc_fail(err, TFC_EFORMAT, "missing corpora");
    for (size_t i = 0; status == TFC_OK && i < n; i++) {
        tfc_exp_corpus *corpus = &v->corpora[v->n_corpora];
        status = item_object(array, i, &item, err);
        if (status == TFC_OK) status = read_corpus(r, item, corpus, err);
        if (status != TFC_OK) tfc_error_prefix(err, "corpora[%zu]", i);
        if (status == TFC_OK && corpus->n_files && kind_wanted(kinds, n_kinds, corpus->kind)) v->n_corpora++;
    }
    if (status == TFC_OK && v->n_corpora == 0)
        status = n_kinds ? tfc_fail(err, TFC_ENOTFOUND, "kinds: no corpus that is there is of these kinds")
                         : tfc_fail(err, TFC_ENOTFOUND, "corpora: none of them is there%s",
                                    r->data_dir ? "" : "; set TOOLFORMER_TEST_DATA or pass --data-dir");
    return status;
}

/* ---- tools and recipe ---- */

/* A built-in name, or the path of a manifest seen from the file's folder. */
static tfc_status add_tool(reader *r, tfc_buffer *list, const char *name, size_t n, tfc_error *err)
{
    while (n > 0 && *name == ' ') name++, n--;
    while (n > 0 && name[n - 1] == ' ') n--;
    if (list->n) tfc_buffer_putc(list, ',');
    bool path = n > 5 && memcmp(name + n - 5, ".json", 5) == 0;
    if (path && *name != '/') tfc_buffer_printf(list, "%s/", r->folder);
    tfc_buffer_append(list, name, n);
    return tfc_buffer_ok(list, "tools", err);
}

/* "tools": "A,B" or ["A", "B"]; *out stays when the key is absent. */
static tfc_status read_tools(reader *r, tfc_json *json, const char **out, tfc_error *err)
{
    tfc_json *value = json_object_object_get(json, "tools");
    if (!value) return TFC_OK;
    tfc_buffer list;
    tfc_buffer_init(&list, 1 << 16);
    tfc_status status = TFC_OK;
    if (json_object_is_type(value, json_type_string)) {
        const char *p = json_object_get_string(value);
        for (;;) {
            size_t n = strcspn(p, ",");
            if (status == TFC_OK) status = add_tool(r, &list, p, n, err);
            if (!p[n]) break;
            p += n + 1;
        }
    } else if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; status == TFC_OK && i < json_object_array_length(value); i++) {
            const char *name = json_object_get_string(json_object_array_get_idx(value, i));
            status = name ? add_tool(r, &list, name, strlen(name), err)
                          : tfc_fail(err, TFC_EFORMAT, "tools: names expected");
        }
    } else {
        status = tfc_fail(err, TFC_EFORMAT, "tools: \"A,B\" or [\"A\", \"B\"] expected");
    }
    if (status == TFC_OK && !(*out = keep(r, list.data ? list.data : "")))
        status = tfc_fail_memory(err, "tools");
    tfc_buffer_release(&list);
    if (status != TFC_OK) return status;
    tfc_tools *tools = tfc_tools_create(*out, err);
    if (!tools) {
        tfc_error_prefix(err, "tools");
        return err->status;
    }
    tfc_tools_free(tools);
    return TFC_OK;
}

/* "small" + {"context": …} → "small+context" */
static const char *changed_name(reader *r, tfc_json *recipe)
{
    tfc_buffer name;
    tfc_buffer_init(&name, 64);
    const char *base = json_object_get_string(json_object_object_get(recipe, "base"));
    const char *slash = strrchr(base, '/');
    tfc_buffer_puts(&name, slash ? slash + 1 : base);
    json_object_object_foreach(recipe, key, value)
    {
        (void)value;
        if (strcmp(key, "base") != 0 && name.n + strlen(key) < 60) tfc_buffer_printf(&name, "+%s", key);
    }
    const char *kept = name.failed ? "changed" : keep(r, name.data);
    tfc_buffer_release(&name);
    return kept;
}

/* recipe: {"base": …, departures}, after the merge. */
static tfc_status read_recipe(reader *r, tfc_json *json, tfc_exp_variant *v, tfc_error *err)
{
    tfc_json *recipe = json_object_object_get(json, "recipe"), *whole = NULL;
    const char *base = "small", *path;
    tfc_status status = get_text(r, recipe, "base", &base, err);
    if (status == TFC_OK && strchr(base, '/')) {
        status = expand_path(r, base, &path, err);
        if (status == TFC_OK) base = path;
    } else if (status == TFC_OK && strlen(base) > 5 && strcmp(base + strlen(base) - 5, ".json") == 0) {
        status = expand_path(r, base, &base, err);
    }
    if (status == TFC_OK && !base) status = tfc_fail(err, TFC_ENOTFOUND, "base: ${DATA} is not set");
    char *base_text = NULL;
    if (status == TFC_OK) status = tfc_recipe_text(base, &base_text, err);
    if (status == TFC_OK) {
        bool changed = json_object_object_length(recipe) > 1;
        if (changed && !json_object_object_get_ex(recipe, "name", NULL)) {
            const char *name = changed_name(r, recipe);
            json_object_object_add(recipe, "name", name ? json_object_new_string(name) : NULL);
        }
        json_object_object_del(recipe, "base");
        tfc_json *base_json = tfc_json_parse(base_text, strlen(base_text), base, err);
        whole = base_json ? tfc_json_merge(base_json, recipe) : NULL;
        json_object_put(base_json);
        const char *text = whole ? json_object_to_json_string_ext(whole, JSON_C_TO_STRING_PRETTY) : NULL;
        v->recipe_text = text ? keep(r, text) : NULL;
        status = v->recipe_text ? tfc_recipe_parse(v->recipe_text, base, &v->recipe, err)
                                : tfc_fail_memory(err, "recipe");
    }
    json_object_put(whole);
    tfc_text_free(base_text);
    return status;
}

static tfc_status check_choice(const char *key, const char *value, const char *const *known, tfc_error *err)
{
    for (size_t i = 0; known[i]; i++)
        if (!value || strcmp(value, known[i]) == 0) return TFC_OK;
    return tfc_fail(err, TFC_EFORMAT, "%s: unknown choice '%.60s'", key, value);
}

/* What `filter` decides without the model: variants that differ in it share the annotation. */
static tfc_status read_filter(reader *r, tfc_json *json, tfc_exp_variant *v, tfc_error *err)
{
    static const char *const keys[] = {"tau_f",     "tau_f_by_tool", "choose",         "rule", "results",
                                       "max_calls", "max_ambiguous", "min_likelihood", NULL};
    tfc_json *filter;
    bool found;
    v->filter = tfc_filter_params_default();
    tfc_status status = tfc_json_get_object(json, "filter", &filter, &found, err);
    if (status != TFC_OK || !found) return status;
    status = tfc_json_only_keys(filter, keys, err);
    if (status == TFC_OK) status = get_number(filter, "tau_f", -1e6, 1e6, &v->filter.tau_f, err);
    if (status == TFC_OK) status = get_text(r, filter, "tau_f_by_tool", &v->filter.tau_f_by_tool, err);
    if (status == TFC_OK)
        status = get_number(filter, "min_likelihood", -1000, 0, &v->filter.min_likelihood, err);
    if (status == TFC_OK) status = get_text(r, filter, "choose", &v->filter.choose, err);
    if (status == TFC_OK) status = get_text(r, filter, "rule", &v->filter.filter, err);
    if (status == TFC_OK) status = get_text(r, filter, "results", &v->filter.results, err);
    if (status == TFC_OK) status = get_int(filter, "max_calls", -1, INT64_MAX / 2, &v->filter.max_calls, err);
    if (status == TFC_OK)
        status = get_int(filter, "max_ambiguous", -1, 1 << 30, &v->filter.max_ambiguous, err);
    static const char *const rules[] = {"gain", "none", NULL}, *const results[] = {"own", "shuffled", NULL};
    if (status == TFC_OK) status = check_choice("choose", v->filter.choose, tfc_choose_names, err);
    if (status == TFC_OK) status = check_choice("rule", v->filter.filter, rules, err);
    if (status == TFC_OK) status = check_choice("results", v->filter.results, results, err);
    if (status != TFC_OK) tfc_error_prefix(err, "filter");
    return status;
}

/* ---- evaluations ---- */

/* The rows: a file, or a task's own (dateset). */
static tfc_status read_evaluation_data(reader *r, tfc_json *json, bool optional, tfc_exp_evaluation *e,
                                       tfc_error *err)
{
    const char *text;
    bool found;
    tfc_status status = tfc_json_get_text(json, "data", &text, NULL, &found, err);
    if (status != TFC_OK) return status;
    e->present = true;
    if (!found && strcmp(e->task, "dateset") == 0) return TFC_OK;
    if (!found) return tfc_fail(err, TFC_EFORMAT, "missing data");
    status = expand_path(r, text, &e->data, err);
    if (status == TFC_OK && (!e->data || !tfc_file_exists(e->data))) {
        status = absent(r, text, e->data, optional, err);
        e->present = false;
    }
    if (status != TFC_OK) tfc_error_prefix(err, "data");
    return status;
}

static tfc_status read_evaluation(reader *r, tfc_json *json, const tfc_exp_variant *v, tfc_exp_evaluation *e,
                                  tfc_error *err)
{
    static const char *const keys[] = {"name",  "task", "data",     "limit",     "share",
                                       "seed",  "k",    "call_p",   "max_calls", "max_tokens",
                                       "tools", "date", "optional", NULL};
    tfc_generate_params decoding = tfc_generate_params_default();
    *e = (tfc_exp_evaluation){.task = "prompts",
                              .limit = -1,
                              .share = 1,
                              .k = decoding.call_top_k,
                              .max_calls = decoding.max_calls,
                              .max_tokens = -1,
                              .tools = v->tools};
    bool optional = false;
    tfc_status status = tfc_json_only_keys(json, keys, err);
    if (status == TFC_OK) status = get_name(r, json, "name", &e->name, err);
    if (status == TFC_OK) status = get_text(r, json, "task", &e->task, err);
    if (status == TFC_OK) status = get_int(json, "limit", 1, INT32_MAX, &e->limit, err);
    if (status == TFC_OK) status = get_number(json, "share", 1e-9, 1, &e->share, err);
    if (status == TFC_OK) status = get_int(json, "seed", 0, INT64_MAX, &e->seed, err);
    if (status == TFC_OK) status = get_int(json, "k", 0, 1 << 24, &e->k, err);
    if (status == TFC_OK) status = get_number(json, "call_p", 0, 1, &e->call_p, err);
    if (status == TFC_OK) status = get_int(json, "max_calls", 0, 1 << 20, &e->max_calls, err);
    if (status == TFC_OK) status = get_int(json, "max_tokens", 1, 1 << 20, &e->max_tokens, err);
    if (status == TFC_OK) status = read_tools(r, json, &e->tools, err);
    if (status == TFC_OK) status = get_text(r, json, "date", &e->date, err);
    if (status == TFC_OK) status = get_bool(json, "optional", &optional, err);
    if (status != TFC_OK) return status;
    if (!tfc_eval_task_known(e->task))
        return tfc_fail(err, TFC_EFORMAT, "task: unknown task '%.60s'; known: %s", e->task,
                        tfc_eval_task_names());
    if (e->max_tokens < 0) e->max_tokens = tfc_eval_task_max_tokens(e->task);
    if (!e->name) e->name = e->task;
    return read_evaluation_data(r, json, optional, e, err);
}

static tfc_status read_evaluations(reader *r, tfc_json *json, tfc_exp_variant *v, tfc_error *err)
{
    tfc_json *array, *item, *names;
    size_t n, n_names = 0;
    tfc_status status = get_list(json, "evaluations", &array, &n, err);
    if (status == TFC_OK) status = get_list(json, "evaluate", &names, &n_names, err);
    bool all = !json_object_object_get_ex(json, "evaluate", NULL);
    for (size_t i = 0; status == TFC_OK && i < n; i++) {
        tfc_exp_evaluation *e = &v->evaluations[v->n_evaluations];
        status = item_object(array, i, &item, err);
        if (status == TFC_OK) status = read_evaluation(r, item, v, e, err);
        for (size_t j = 0; status == TFC_OK && j < v->n_evaluations; j++)
            if (strcmp(v->evaluations[j].name, e->name) == 0)
                status = tfc_fail(err, TFC_EFORMAT, "name: two evaluations are named '%.60s'", e->name);
        if (status != TFC_OK) tfc_error_prefix(err, "evaluations[%zu]", i);
        if (status == TFC_OK && e->present && (all || (n_names && kind_wanted(names, n_names, e->name))))
            v->n_evaluations++;
    }
    for (size_t i = 0; status == TFC_OK && i < n_names; i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(names, i));
        bool known = false;
        for (size_t j = 0; name && j < n; j++) {
            tfc_json *e = json_object_array_get_idx(array, j), *of = json_object_object_get(e, "name");
            if (!of) of = json_object_object_get(e, "task");
            known |= of && strcmp(json_object_get_string(of), name) == 0;
        }
        if (!known)
            status = tfc_fail(err, TFC_EFORMAT, "evaluate[%zu]: no evaluation is named '%.60s'", i,
                              name ? name : "null");
    }
    return status;
}

/* ---- lists of numbers and names ---- */

static tfc_status read_seeds(tfc_json *json, tfc_exp_variant *v, tfc_error *err)
{
    tfc_json *array;
    tfc_status status = get_list(json, "seeds", &array, &v->n_seeds, err);
    for (size_t i = 0; status == TFC_OK && i < v->n_seeds; i++) {
        tfc_json *item = json_object_array_get_idx(array, i);
        if (!json_object_is_type(item, json_type_int) || json_object_get_int64(item) < 0)
            return tfc_fail(err, TFC_EFORMAT, "seeds[%zu]: whole number from 0 expected", i);
        v->seeds[i] = (uint64_t)json_object_get_int64(item);
        for (size_t j = 0; j < i; j++)
            if (v->seeds[j] == v->seeds[i])
                return tfc_fail(err, TFC_EFORMAT, "seeds[%zu]: %llu stands there twice", i,
                                (unsigned long long)v->seeds[i]);
    }
    if (status == TFC_OK && v->n_seeds == 0) v->n_seeds = 1; /* {0} */
    return status;
}

static tfc_status read_systems(tfc_json *json, tfc_exp_variant *v, bool main, tfc_error *err)
{
    tfc_json *array;
    size_t n;
    tfc_status status = get_list(json, "systems", &array, &n, err);
    if (!json_object_object_get_ex(json, "systems", NULL)) {
        v->systems[TFC_EXP_TAUGHT] = true;
        v->systems[TFC_EXP_BASE] = v->systems[TFC_EXP_PLAIN] = v->systems[TFC_EXP_DISABLED] = main;
    }
    for (size_t i = 0; status == TFC_OK && i < n; i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(array, i));
        size_t s = 0;
        while (s < TFC_EXP_N_SYSTEMS && (!name || strcmp(name, tfc_exp_system_names[s]) != 0)) s++;
        if (s == TFC_EXP_N_SYSTEMS)
            return tfc_fail(err, TFC_EFORMAT,
                            "systems[%zu]: base, base_tools, plain, disabled or taught expected", i);
        v->systems[s] = true;
    }
    return status;
}

static tfc_status read_steps(tfc_json *json, tfc_exp_variant *v, tfc_error *err)
{
    tfc_json *array;
    tfc_status status = get_list(json, "eval_at_steps", &array, &v->n_at_steps, err);
    for (size_t i = 0; status == TFC_OK && i < v->n_at_steps; i++) {
        tfc_json *item = json_object_array_get_idx(array, i);
        v->at_steps[i] = json_object_get_int64(item);
        if (!json_object_is_type(item, json_type_int) || v->at_steps[i] < 1 ||
            (i && v->at_steps[i] <= v->at_steps[i - 1]))
            return tfc_fail(err, TFC_EFORMAT, "eval_at_steps[%zu]: ascending whole numbers from 1 expected",
                            i);
    }
    return status;
}

static tfc_status read_subsets(tfc_json *json, tfc_exp_variant *v, tfc_error *err)
{
    tfc_json *array;
    tfc_status status = get_list(json, "subsets", &array, &v->n_subsets, err);
    for (size_t i = 0; status == TFC_OK && i < v->n_subsets; i++) {
        tfc_json *item = json_object_array_get_idx(array, i);
        bool number = json_object_is_type(item, json_type_int) || json_object_is_type(item, json_type_double);
        v->subsets[i] = json_object_get_double(item);
        if (!number || !(v->subsets[i] > (i ? v->subsets[i - 1] : 0) && v->subsets[i] <= 1))
            return tfc_fail(err, TFC_EFORMAT, "subsets[%zu]: ascending shares above 0 up to 1 expected", i);
    }
    if (status != TFC_OK) return status;
    if (v->n_subsets == 0 || v->subsets[v->n_subsets - 1] < 1) {
        if (v->n_subsets == TFC_EXP_LIST) return tfc_fail(err, TFC_ELIMIT, "subsets: too many");
        v->subsets[v->n_subsets++] = 1;
    }
    return TFC_OK;
}

/* ---- variants ---- */

static tfc_status read_variant(reader *r, tfc_json *json, tfc_exp_variant *v, tfc_error *err)
{
    v->annotate_seed = -1;
    v->rounds = 1;
    tfc_status status = read_tools(r, json, &v->tools, err);
    if (status == TFC_OK) status = read_corpora(r, json, v, err);
    if (status == TFC_OK) {
        status = read_recipe(r, json, v, err);
        if (status != TFC_OK) tfc_error_prefix(err, "recipe");
    }
    if (status == TFC_OK) status = get_text(r, json, "date", &v->date, err);
    if (status == TFC_OK) status = get_text(r, json, "description", &v->description, err);
    static const char *const operands[] = {"f32", "bf16", "int8", NULL};
    if (status == TFC_OK) status = get_text(r, json, "annotate_operand", &v->annotate_operand, err);
    if (status == TFC_OK) status = check_choice("annotate_operand", v->annotate_operand, operands, err);
    if (status == TFC_OK) status = get_int(json, "annotate_seed", 0, INT64_MAX, &v->annotate_seed, err);
    if (status == TFC_OK) status = read_filter(r, json, v, err);
    if (status == TFC_OK) status = get_int(json, "rounds", 1, 8, &v->rounds, err);
    if (status == TFC_OK) status = read_seeds(json, v, err);
    if (status == TFC_OK) status = read_systems(json, v, r->main, err);
    if (status == TFC_OK) status = read_steps(json, v, err);
    if (status == TFC_OK) status = read_subsets(json, v, err);
    if (status == TFC_OK) status = read_evaluations(r, json, v, err);
    if (status == TFC_OK)
        status = tfc_exp_train_read(json_object_object_get(json, "train"), &v->recipe, &v->train, err);
    if (status == TFC_OK && v->annotate_seed < 0) v->annotate_seed = (int64_t)v->seeds[0];
    return status;
}

/* "recipe": "paper" becomes {"base": "paper"}, so that departures have something to stand on. */
static tfc_status recipe_as_object(tfc_json *json, tfc_error *err)
{
    tfc_json *recipe = json_object_object_get(json, "recipe");
    if (json_object_is_type(recipe, json_type_object)) return TFC_OK;
    bool text = json_object_is_type(recipe, json_type_string);
    if (!text && json_object_object_get_ex(json, "recipe", NULL))
        return tfc_fail(err, TFC_EFORMAT, "recipe: a name, or an object with a base and departures expected");
    tfc_json *object = json_object_new_object();
    if (object && text) json_object_object_add(object, "base", json_object_get(recipe));
    if (!object || (text && json_object_object_length(object) == 0) ||
        json_object_object_add(json, "recipe", object) != 0)
        return tfc_fail_memory(err, "recipe");
    return TFC_OK;
}

static const char *const variant_keys[] = {
    "name",          "description",      "corpora",       "kinds",   "tools",   "recipe", "date",
    "annotate_seed", "annotate_operand", "filter",        "seeds",   "systems", "train",  "rounds",
    "evaluations",   "evaluate",         "eval_at_steps", "subsets", NULL};
static const char *const file_keys[] = {"model", "ablations", "drop_overlap", "forget", NULL};

static tfc_json *copy_json(tfc_json *json)
{
    tfc_json *empty = json_object_new_object(), *copy = empty ? tfc_json_merge(json, empty) : NULL;
    json_object_put(empty);
    return copy;
}

/* The main part with the ablation over it. A recipe that is only a name takes the place of the main one's. */
static tfc_status merge_ablation(tfc_json *main, tfc_json *ablation, tfc_json **merged, tfc_error *err)
{
    static const char *const of_main[] = {"systems", "eval_at_steps", "subsets", "description"};
    tfc_status status = tfc_json_only_keys(ablation, variant_keys, err);
    if (status != TFC_OK) return status;
    bool replaced = json_object_is_type(json_object_object_get(ablation, "recipe"), json_type_string);
    if (json_object_object_get_ex(ablation, "recipe", NULL)) status = recipe_as_object(ablation, err);
    if (status != TFC_OK) return status;
    tfc_json *copy = copy_json(main);
    if (!copy) return tfc_fail_memory(err, "ablation");
    for (size_t i = 0; i < sizeof of_main / sizeof *of_main; i++) json_object_object_del(copy, of_main[i]);
    if (replaced) json_object_object_del(copy, "recipe");
    *merged = tfc_json_merge(copy, ablation);
    json_object_put(copy);
    return *merged ? TFC_OK : tfc_fail_memory(err, "ablation");
}

static tfc_status read_ablation(reader *r, tfc_json *main, tfc_json *array, size_t i, tfc_error *err)
{
    tfc_exp_file *file = r->file;
    tfc_exp_variant *v = &file->variants[i + 1];
    tfc_json *item, *merged = NULL;
    tfc_status status = item_object(array, i, &item, err);
    if (status == TFC_OK && !json_object_object_get_ex(item, "name", NULL))
        status = tfc_fail(err, TFC_EFORMAT, "missing name");
    if (status == TFC_OK) status = get_name(r, item, "name", &v->name, err);
    for (size_t j = 0; status == TFC_OK && j <= i; j++)
        if (strcmp(file->variants[j].name, v->name) == 0)
            status = tfc_fail(err, TFC_EFORMAT, "name: '%.60s' stands there twice", v->name);
    if (status == TFC_OK) status = merge_ablation(main, item, &merged, err);
    if (status == TFC_OK) status = read_variant(r, merged, v, err);
    if (status == TFC_OK) file->n_variants++;
    if (status != TFC_OK) tfc_error_prefix(err, "ablations[%zu]", i);
    json_object_put(merged);
    return status;
}

static tfc_status read_forget(reader *r, tfc_json *json, tfc_error *err)
{
    static const char *const keys[] = {"data", "limit", NULL};
    tfc_json *forget;
    bool found;
    const char *text = NULL;
    tfc_status status = tfc_json_get_object(json, "forget", &forget, &found, err);
    if (status != TFC_OK || !found) return status;
    status = tfc_json_only_keys(forget, keys, err);
    if (status == TFC_OK) status = get_number(forget, "limit", 0, 100, &r->file->forget_limit, err);
    if (status == TFC_OK) status = get_text(r, forget, "data", &text, err);
    if (status == TFC_OK && text) {
        status = expand_path(r, text, &r->file->forget_data, err);
        const char *path = r->file->forget_data;
        if (status == TFC_OK && (!path || !tfc_file_exists(path))) status = absent(r, text, path, false, err);
        if (status != TFC_OK) tfc_error_prefix(err, "data");
    }
    if (status != TFC_OK) tfc_error_prefix(err, "forget");
    return status;
}

static tfc_status check_keys(tfc_json *json, tfc_error *err)
{
    const char *keys[sizeof variant_keys / sizeof *variant_keys + sizeof file_keys / sizeof *file_keys];
    size_t n = 0;
    for (size_t i = 0; variant_keys[i]; i++) keys[n++] = variant_keys[i];
    for (size_t i = 0; file_keys[i]; i++) keys[n++] = file_keys[i];
    keys[n] = NULL;
    return tfc_json_only_keys(json, keys, err);
}

static tfc_status read_model_name(reader *r, tfc_json *json, tfc_error *err)
{
    tfc_status status = get_text(r, json, "model", &r->file->model, err);
    if (status != TFC_OK || !r->file->model || !strpbrk(r->file->model, "/$")) return status;
    const char *path = NULL;
    status = expand_path(r, r->file->model, &path, err);
    if (status == TFC_OK && !path) status = absent(r, r->file->model, NULL, false, err);
    if (status != TFC_OK) tfc_error_prefix(err, "model");
    r->file->model = path;
    return status;
}

static tfc_status read_file(reader *r, tfc_json *json, tfc_error *err)
{
    tfc_exp_file *file = r->file;
    tfc_json *ablations;
    size_t n;
    if (!json_object_is_type(json, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    tfc_status status = check_keys(json, err);
    if (status == TFC_OK) status = get_name(r, json, "name", &file->name, err);
    if (status == TFC_OK && !file->name) status = tfc_fail(err, TFC_EFORMAT, "missing name");
    if (status == TFC_OK) status = get_text(r, json, "description", &file->description, err);
    if (status == TFC_OK) status = read_model_name(r, json, err);
    if (status == TFC_OK) status = get_bool(json, "drop_overlap", &file->drop_overlap, err);
    if (status == TFC_OK) status = read_forget(r, json, err);
    if (status == TFC_OK) status = get_list(json, "ablations", &ablations, &n, err);
    if (status == TFC_OK) status = recipe_as_object(json, err);
    if (status != TFC_OK) return status;
    file->variants = tfc_arena_alloc(&file->arena, n + 1, sizeof *file->variants);
    tfc_json *main = copy_json(json), *once = copy_json(json); /* reading a variant changes its JSON */
    if (!file->variants || !main || !once) status = tfc_fail_memory(err, "experiment");
    for (size_t i = 0; main && file_keys[i]; i++) json_object_object_del(main, file_keys[i]);
    r->main = true;
    if (status == TFC_OK) {
        file->variants[0].name = "main";
        file->n_variants = 1;
        status = read_variant(r, once, &file->variants[0], err);
    }
    json_object_put(once);
    r->main = false;
    for (size_t i = 0; status == TFC_OK && i < n; i++) status = read_ablation(r, main, ablations, i, err);
    json_object_put(main);
    return status;
}

tfc_status tfc_exp_file_read(tfc_exp_file *file, const char *path, const char *data_dir, tfc_error *err)
{
    memset(file, 0, sizeof *file);
    file->drop_overlap = true;
    file->forget_limit = 0.05;
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    reader r = {.file = file, .data_dir = data_dir};
    file->path = keep(&r, path);
    const char *slash = strrchr(path, '/');
    r.folder = slash ? tfc_arena_strndup(&file->arena, path, slash > path ? (size_t)(slash - path) : 1) : ".";
    tfc_status status = file->path && r.folder ? TFC_OK : tfc_fail_memory(err, path);
    tfc_json *json = status == TFC_OK ? tfc_json_parse_file(path, 1 << 20, err) : NULL;
    if (!json && status == TFC_OK) status = err->status;
    if (json) status = read_file(&r, json, err);
    if (json && status != TFC_OK) tfc_error_prefix(err, "'%s'", path);
    json_object_put(json);
    if (status != TFC_OK) tfc_exp_file_release(file);
    return status;
}

void tfc_exp_file_release(tfc_exp_file *file)
{
    tfc_arena_release(&file->arena);
    memset(file, 0, sizeof *file);
}
