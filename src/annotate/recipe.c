/* Recipes: JSON to struct, every field checked, unknown ones refused (a typing error must not silently change
 * a run). */
#include "toolformer/recipe.h"

#include <math.h>

#include "base/file.h"
#include "base/json.h"

extern const unsigned char tfc_data_recipe_paper[], tfc_data_recipe_small[];
extern const size_t tfc_data_recipe_paper_bytes, tfc_data_recipe_small_bytes;

static tfc_status choice(tfc_json *object, const char *key, const char *const *names, int *out, bool *found,
                         tfc_error *err)
{
    const char *text;
    tfc_status status = tfc_json_get_text(object, key, &text, NULL, found, err);
    if (status != TFC_OK || (found && !*found)) return status;
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return TFC_OK;
        }
    }
    tfc_buffer list;
    tfc_buffer_init(&list, 400);
    for (int i = 0; names[i]; i++) tfc_buffer_printf(&list, "%s\"%s\"", i ? ", " : "", names[i]);
    status = tfc_fail(err, TFC_EFORMAT, "%s: one of %s expected, not \"%.60s\"", key,
                      list.data ? list.data : "", text);
    tfc_buffer_release(&list);
    return status;
}

static const char *const context_names[] = {"prefix", "demonstrated", NULL};
static const char *const proposer_names[] = {"sample", "enumerate", "both", NULL};
static const char *const head_names[] = {"demonstrations", "none", NULL};
static const char *const filter_names[] = {"gain", "none", NULL};
static const char *const results_names[] = {"own", "shuffled", NULL};
static const char *const empty_names[] = {"arrow", "bare", NULL};

static tfc_status number_or(tfc_json *object, const char *key, double low, double high, double *out,
                            double unset, tfc_error *err)
{
    bool found;
    double value = unset;
    tfc_status status = tfc_json_get_double(object, key, &value, &found, err);
    if (status == TFC_OK && found && !(value >= low && value <= high))
        status = tfc_fail(err, TFC_EFORMAT, "%s must be between %g and %g, not %g", key, low, high, value);
    *out = found ? value : unset;
    return status;
}

static tfc_status int_or(tfc_json *object, const char *key, int64_t low, int64_t high, int64_t *out,
                         int64_t unset, tfc_error *err)
{
    bool found;
    *out = unset;
    return tfc_json_get_int(object, key, low, high, out, &found, err);
}

static tfc_status bool_or(tfc_json *object, const char *key, bool *out, tfc_error *err)
{
    bool found;
    return tfc_json_get_bool(object, key, out, &found, err);
}

/* The thresholds that a recipe and its per-tool part have in common. */
static tfc_status read_thresholds(tfc_json *json, double *tau_s, double *tau_f, int64_t *k, int64_t *m,
                                  tfc_error *err)
{
    tfc_status status = number_or(json, "tau_s", 0, 1, tau_s, NAN, err);
    if (status == TFC_OK) status = number_or(json, "tau_f", -100, 100, tau_f, NAN, err);
    if (status == TFC_OK) status = int_or(json, "k", 1, 100000, k, -1, err);
    if (status == TFC_OK) status = int_or(json, "m", 1, 10000, m, -1, err);
    return status;
}

static tfc_status read_tool(tfc_json *json, const char *name, tfc_tool_choices *tool, tfc_error *err)
{
    static const char *const keys[] = {"tau_s",    "tau_f",         "k", "m", "context",
                                       "proposer", "narrow_places", NULL};
    *tool = (tfc_tool_choices){.context = -1, .proposer = -1, .narrow_places = -1};
    if (strlen(name) >= sizeof tool->tool) return tfc_fail(err, TFC_EFORMAT, "name too long");
    memcpy(tool->tool, name, strlen(name) + 1);
    if (!json_object_is_type(json, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    bool found, narrow = false;
    tfc_status status = tfc_json_only_keys(json, keys, err);
    if (status == TFC_OK) status = read_thresholds(json, &tool->tau_s, &tool->tau_f, &tool->k, &tool->m, err);
    if (status == TFC_OK) status = choice(json, "context", context_names, &tool->context, &found, err);
    if (status == TFC_OK) status = choice(json, "proposer", proposer_names, &tool->proposer, &found, err);
    if (status == TFC_OK) status = tfc_json_get_bool(json, "narrow_places", &narrow, &found, err);
    if (status == TFC_OK && found) tool->narrow_places = narrow;
    return status;
}

static tfc_status read_tools(tfc_json *json, tfc_recipe *recipe, tfc_error *err)
{
    tfc_json *tools;
    bool found;
    tfc_status status = tfc_json_get_object(json, "tools", &tools, &found, err);
    if (status != TFC_OK || !found) return status;
    json_object_object_foreach(tools, name, value)
    {
        if (recipe->n_tools == TFC_RECIPE_TOOLS)
            return tfc_fail(err, TFC_ELIMIT, "tools: more than %d", TFC_RECIPE_TOOLS);
        status = read_tool(value, name, &recipe->tools[recipe->n_tools++], err);
        if (status != TFC_OK) {
            tfc_error_prefix(err, "tools.%.60s", name);
            return status;
        }
    }
    return TFC_OK;
}

static tfc_status read_train(tfc_json *json, tfc_recipe *recipe, tfc_error *err)
{
    static const char *const keys[] = {"lr",          "batch",      "steps",
                                       "epochs",      "lr_decay",   "warmup_share",
                                       "plain_share", "match_base", "freeze_embeddings",
                                       "text_weight", "base_share", "max_tokens",
                                       NULL};
    tfc_json *train;
    bool found;
    tfc_status status = tfc_json_get_object(json, "train", &train, &found, err);
    if (status != TFC_OK || !found) return status;
    status = tfc_json_only_keys(train, keys, err);
    if (status == TFC_OK) status = number_or(train, "lr", 0, 1, &recipe->train.lr, recipe->train.lr, err);
    if (status == TFC_OK) status = number_or(train, "epochs", 0, 1000, &recipe->train.epochs, NAN, err);
    if (status == TFC_OK)
        status = number_or(train, "warmup_share", 0, 1, &recipe->train.warmup_share,
                           recipe->train.warmup_share, err);
    if (status == TFC_OK)
        status = number_or(train, "plain_share", 0, 0.9, &recipe->train.plain_share,
                           recipe->train.plain_share, err);
    if (status == TFC_OK) status = number_or(train, "match_base", 0, 1000, &recipe->train.match_base, 0, err);
    if (status == TFC_OK) status = number_or(train, "text_weight", 0, 1, &recipe->train.text_weight, 1, err);
    if (status == TFC_OK) status = number_or(train, "base_share", 0, 1, &recipe->train.base_share, 0, err);
    if (status == TFC_OK) status = bool_or(train, "lr_decay", &recipe->train.lr_decay, err);
    if (status == TFC_OK) status = bool_or(train, "freeze_embeddings", &recipe->train.freeze_embeddings, err);
    if (status == TFC_OK)
        status = int_or(train, "batch", 1, 1 << 20, &recipe->train.batch, recipe->train.batch, err);
    if (status == TFC_OK) status = int_or(train, "steps", 1, 1 << 30, &recipe->train.steps, -1, err);
    if (status == TFC_OK)
        status =
            int_or(train, "max_tokens", 8, 1 << 20, &recipe->train.max_tokens, recipe->train.max_tokens, err);
    if (status != TFC_OK) tfc_error_prefix(err, "train");
    return status;
}

/* A field that may be absent: *out then stays as it is. */
static tfc_status choice_or(tfc_json *json, const char *key, const char *const *names, int *out,
                            tfc_error *err)
{
    bool found;
    return choice(json, key, names, out, &found, err);
}

/* What is proposed beyond the paper, and what of it goes into C*. */
static tfc_status read_selection(tfc_json *json, tfc_recipe *recipe, tfc_error *err)
{
    int choose = TFC_CHOOSE_GAIN, head = TFC_HEAD_DEMONSTRATIONS, filter = TFC_FILTER_GAIN,
        results = TFC_RESULTS_OWN;
    tfc_status status = int_or(json, "max_operands", 2, 3, &recipe->max_operands, 2, err);
    if (status == TFC_OK) status = bool_or(json, "chains", &recipe->chains, err);
    if (status == TFC_OK) status = bool_or(json, "repeat_operands", &recipe->repeat_operands, err);
    if (status == TFC_OK) status = bool_or(json, "match_numbers", &recipe->match_numbers, err);
    if (status == TFC_OK) status = bool_or(json, "number_words", &recipe->number_words, err);
    if (status == TFC_OK)
        status = number_or(json, "min_likelihood", -1000, 0, &recipe->min_likelihood, NAN, err);
    if (status == TFC_OK) status = choice_or(json, "choose", tfc_choose_names, &choose, err);
    if (status == TFC_OK) status = choice_or(json, "head", head_names, &head, err);
    if (status == TFC_OK) status = choice_or(json, "filter", filter_names, &filter, err);
    if (status == TFC_OK) status = choice_or(json, "results", results_names, &results, err);
    if (status == TFC_OK) status = int_or(json, "max_ambiguous", 1, 1000, &recipe->max_ambiguous, -1, err);
    if (status == TFC_OK) status = int_or(json, "max_calls", 1, INT64_MAX / 2, &recipe->max_calls, -1, err);
    recipe->choose = (tfc_choose)choose;
    recipe->head = (tfc_head)head;
    recipe->filter = (tfc_filter_rule)filter;
    recipe->results = (tfc_results)results;
    return status;
}

static tfc_status recipe_read(tfc_json *json, tfc_recipe *recipe, tfc_error *err)
{
    static const char *const keys[] = {"name",
                                       "description",
                                       "context",
                                       "proposer",
                                       "tau_s",
                                       "tau_f",
                                       "k",
                                       "m",
                                       "temperature",
                                       "max_args_tokens",
                                       "constrained",
                                       "narrow_places",
                                       "heuristics",
                                       "empty_call",
                                       "max_numbers",
                                       "max_enumerated",
                                       "hide_equations",
                                       "snippet_tokens",
                                       "max_operands",
                                       "repeat_operands",
                                       "chains",
                                       "choose",
                                       "max_ambiguous",
                                       "head",
                                       "filter",
                                       "results",
                                       "max_calls",
                                       "number_words",
                                       "match_numbers",
                                       "min_likelihood",
                                       "tools",
                                       "train",
                                       NULL};
    const char *name;
    size_t n;
    int context, proposer, empty_call;
    bool found;
    tfc_status status = tfc_json_only_keys(json, keys, err);
    if (status == TFC_OK) status = tfc_json_get_text(json, "name", &name, &n, NULL, err);
    if (status == TFC_OK && (n == 0 || n >= sizeof recipe->name))
        status = tfc_fail(err, TFC_EFORMAT, "name must have 1 to %zu bytes", sizeof recipe->name - 1);
    if (status == TFC_OK) memcpy(recipe->name, name, n + 1);
    if (status == TFC_OK) status = choice(json, "context", context_names, &context, NULL, err);
    if (status == TFC_OK) status = choice(json, "proposer", proposer_names, &proposer, NULL, err);
    if (status == TFC_OK) recipe->context = (tfc_context)context, recipe->proposer = (tfc_proposer)proposer;
    if (status == TFC_OK)
        status = read_thresholds(json, &recipe->tau_s, &recipe->tau_f, &recipe->k, &recipe->m, err);
    if (status == TFC_OK) status = number_or(json, "temperature", 0, 10, &recipe->temperature, 1.0, err);
    if (status == TFC_OK)
        status = int_or(json, "max_args_tokens", 1, 1000, &recipe->max_args_tokens, 48, err);
    if (status == TFC_OK) status = bool_or(json, "constrained", &recipe->constrained, err);
    if (status == TFC_OK) status = bool_or(json, "narrow_places", &recipe->narrow_places, err);
    if (status == TFC_OK) status = bool_or(json, "heuristics", &recipe->heuristics, err);
    if (status == TFC_OK) status = choice(json, "empty_call", empty_names, &empty_call, &found, err);
    if (status == TFC_OK && found) recipe->empty_call = (tfc_empty_call)empty_call;
    if (status == TFC_OK) status = int_or(json, "max_numbers", 2, 100, &recipe->max_numbers, 12, err);
    if (status == TFC_OK) status = int_or(json, "max_enumerated", 1, 1000, &recipe->max_enumerated, 24, err);
    if (status == TFC_OK) status = read_selection(json, recipe, err);
    if (status == TFC_OK) status = bool_or(json, "hide_equations", &recipe->hide_equations, err);
    if (status == TFC_OK)
        status = int_or(json, "snippet_tokens", 8, 100000, &recipe->snippet_tokens, 256, err);
    if (status == TFC_OK) status = read_tools(json, recipe, err);
    if (status == TFC_OK) status = read_train(json, recipe, err);
    return status;
}

enum { MAX_BASES = 4 };

static tfc_json *recipe_file(const char *name, tfc_error *err)
{
    if (strcmp(name, "paper") == 0)
        return tfc_json_parse((const char *)tfc_data_recipe_paper, tfc_data_recipe_paper_bytes,
                              "recipe paper", err);
    if (strcmp(name, "small") == 0)
        return tfc_json_parse((const char *)tfc_data_recipe_small, tfc_data_recipe_small_bytes,
                              "recipe small", err);
    if (tfc_file_exists(name)) return tfc_json_parse_file(name, 1 << 20, err);
    tfc_fail(err, TFC_ENOTFOUND,
             "no recipe '%s': the built-in ones are paper and small, or give the path of a JSON file", name);
    return NULL;
}

static tfc_json *with_base(tfc_json *json, int depth, tfc_error *err);

static tfc_json *recipe_whole(const char *name, int depth, tfc_error *err)
{
    tfc_json *json = recipe_file(name, err);
    return json ? with_base(json, depth, err) : NULL;
}

/* The recipe's fields over those of its base; takes json. NULL: err says why. */
static tfc_json *with_base(tfc_json *json, int depth, tfc_error *err)
{
    const char *base_name;
    bool found = false;
    tfc_json *merged = NULL;
    tfc_status status = json_object_is_type(json, json_type_object)
                            ? tfc_json_get_text(json, "base", &base_name, NULL, &found, err)
                            : tfc_fail(err, TFC_EFORMAT, "object expected");
    if (status == TFC_OK && !found) return json;
    if (status == TFC_OK && depth == MAX_BASES)
        status = tfc_fail(err, TFC_ELIMIT, "base: more than %d recipes behind each other", MAX_BASES);
    if (status == TFC_OK && !json_object_object_get_ex(json, "name", NULL))
        status = tfc_fail(err, TFC_EFORMAT, "name: a recipe with a base needs its own");
    tfc_json *base = status == TFC_OK ? recipe_whole(base_name, depth + 1, err) : NULL;
    if (base) {
        json_object_object_del(json, "base");
        merged = tfc_json_merge(base, json);
        if (!merged) tfc_fail_memory(err, "recipe");
    }
    json_object_put(base);
    json_object_put(json);
    return merged;
}

/* Reads json, or says what err has; takes it. */
static tfc_status recipe_take(tfc_json *json, const char *what, tfc_recipe *recipe, tfc_error *err)
{
    *recipe =
        (tfc_recipe){.constrained = true, .heuristics = true, .temperature = 1.0, .repeat_operands = true};
    recipe->train.lr = 1e-5;
    recipe->train.text_weight = 1;
    recipe->train.batch = 8;
    recipe->train.warmup_share = 0.1;
    recipe->train.max_tokens = 1024;
    tfc_status status = json ? recipe_read(json, recipe, err) : err->status;
    if (status != TFC_OK && status != TFC_ENOTFOUND) tfc_error_prefix(err, "recipe '%s'", what);
    json_object_put(json);
    return status;
}

tfc_status tfc_recipe_load(const char *name, tfc_recipe *recipe, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    return recipe_take(recipe_whole(name, 0, err), name, recipe, err);
}

tfc_status tfc_recipe_parse(const char *text, const char *what, tfc_recipe *recipe, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    tfc_json *json = tfc_json_parse(text, strlen(text), what, err);
    return recipe_take(json ? with_base(json, 0, err) : NULL, what, recipe, err);
}

tfc_status tfc_recipe_text(const char *name, char **text, tfc_error *err)
{
    tfc_recipe recipe;
    *text = NULL;
    tfc_status status = tfc_recipe_load(name, &recipe, err); /* checks every field */
    if (status != TFC_OK) return status;
    tfc_json *json = recipe_whole(name, 0, err);
    if (json) *text = tfc_strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY));
    json_object_put(json);
    return *text ? TFC_OK : tfc_fail_memory(err, "recipe");
}
