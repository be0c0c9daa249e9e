/* Settings: the one place where recipe, options and manifests meet. Their JSON form guards a run against
 * being continued with something else. */
#include "annotate/settings.h"

#include <math.h>

#include "annotate/choose.h"
#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "lang/lang.h"
#include "text/call_tokens.h"

static tfc_status parse_choice(const char *text, const char *option, const char *zero, const char *one,
                               int *out, tfc_error *err)
{
    if (strcmp(text, zero) == 0)
        *out = 0;
    else if (strcmp(text, one) == 0)
        *out = 1;
    else
        return tfc_fail(err, TFC_EINVAL, "%s must be %s or %s, not '%s'", option, zero, one, text);
    return TFC_OK;
}

/* Options win over the recipe, and over its per-tool parts. */
static tfc_status recipe_override(tfc_recipe *recipe, const tfc_annotate_params *params, tfc_error *err)
{
    int choice = 0;
    if (!isnan(params->tau_s)) recipe->tau_s = params->tau_s;
    if (!isnan(params->tau_f)) recipe->tau_f = params->tau_f;
    if (params->k >= 0) recipe->k = params->k;
    if (params->m >= 0) recipe->m = params->m;
    if (!isnan(params->temperature)) recipe->temperature = params->temperature;
    if (params->max_args_tokens > 0) recipe->max_args_tokens = params->max_args_tokens;
    if (params->constrained >= 0) recipe->constrained = params->constrained != 0;
    if (params->narrow_places >= 0) recipe->narrow_places = params->narrow_places != 0;
    if (params->heuristics >= 0) recipe->heuristics = params->heuristics != 0;
    if (params->hide_equations >= 0) recipe->hide_equations = params->hide_equations != 0;
    if (params->max_operands > 0) recipe->max_operands = params->max_operands;
    if (params->max_numbers > 0) recipe->max_numbers = params->max_numbers;
    if (params->max_enumerated > 0) recipe->max_enumerated = params->max_enumerated;
    if (!isnan(params->min_likelihood)) recipe->min_likelihood = params->min_likelihood;
    if (params->number_words >= 0) recipe->number_words = params->number_words != 0;
    if (params->chains >= 0) recipe->chains = params->chains != 0;
    if (params->match_numbers >= 0) recipe->match_numbers = params->match_numbers != 0;
    if (params->repeat_operands >= 0) recipe->repeat_operands = params->repeat_operands != 0;
    if (params->max_ambiguous > 0) recipe->max_ambiguous = params->max_ambiguous;
    if (params->snippet_tokens > 0) recipe->snippet_tokens = params->snippet_tokens;
    for (size_t i = 0; i < recipe->n_tools; i++) {
        tfc_tool_choices *tool = &recipe->tools[i];
        if (!isnan(params->tau_s)) tool->tau_s = params->tau_s;
        if (!isnan(params->tau_f)) tool->tau_f = params->tau_f;
        if (params->k >= 0) tool->k = params->k;
        if (params->m >= 0) tool->m = params->m;
        if (params->narrow_places >= 0) tool->narrow_places = params->narrow_places;
        if (params->context) tool->context = -1;
        if (params->proposer) tool->proposer = -1;
    }
    if (params->context) {
        tfc_status status =
            parse_choice(params->context, "--context", "prefix", "demonstrated", &choice, err);
        if (status != TFC_OK) return status;
        recipe->context = (tfc_context)choice;
    }
    if (params->proposer) {
        if (strcmp(params->proposer, "both") != 0) {
            tfc_status status =
                parse_choice(params->proposer, "--proposer", "sample", "enumerate", &choice, err);
            if (status != TFC_OK) return status;
        }
        recipe->proposer = strcmp(params->proposer, "both") == 0 ? TFC_PROPOSER_BOTH : (tfc_proposer)choice;
    }
    if (params->max_calls > 0) recipe->max_calls = params->max_calls;
    tfc_status status = params->choose ? tfc_choose_parse(params->choose, &recipe->choose, err) : TFC_OK;
    if (status == TFC_OK && params->head) {
        status = parse_choice(params->head, "--head", "demonstrations", "none", &choice, err);
        recipe->head = (tfc_head)choice;
    }
    if (status == TFC_OK && params->filter)
        status = tfc_filter_rule_parse(params->filter, &recipe->filter, err);
    if (status == TFC_OK && params->results)
        status = tfc_results_parse(params->results, &recipe->results, err);
    if (status != TFC_OK) return status;
    if (recipe->filter == TFC_FILTER_NONE && recipe->choose == TFC_CHOOSE_GAIN)
        return tfc_fail(
            err, TFC_EINVAL,
            "without a filter no gain is known that could choose between calls; --choose random or "
            "likelihood");
    if (recipe->max_operands != 2 && recipe->max_operands != 3)
        return tfc_fail(err, TFC_EINVAL, "--max-operands must be 2 or 3");
    if (recipe->k == 0 || recipe->m == 0) return tfc_fail(err, TFC_EINVAL, "k and m must be at least 1");
    if (!(recipe->temperature >= 0)) return tfc_fail(err, TFC_EINVAL, "the temperature must not be negative");
    return TFC_OK;
}

static double pick_number(double first, double second, double third)
{
    return !isnan(first) ? first : !isnan(second) ? second : third;
}

static int64_t pick_int(int64_t first, int64_t second, int64_t third)
{
    return first >= 0 ? first : second >= 0 ? second : third;
}

tfc_status tfc_head_tokens(const char *head, const tfc_tokenizer *tokenizer, int32_t **ids, int64_t *n,
                           tfc_error *err)
{
    unsigned flags = tfc_tokenizer_adds_bos(tokenizer) ? TFC_TOKENIZE_ADD_BOS : 0;
    return tfc_tokenize(tokenizer, head, strlen(head), flags, ids, n, err);
}

/* Of the tools that this one may follow, those that are there. */
static void find_leaders(tfc_tool_plan *plan, const tfc_tools *tools)
{
    for (size_t i = 0; i < plan->tool->n_after && plan->n_leaders < TFC_RECIPE_TOOLS; i++) {
        const tfc_tool *leader = tfc_tools_find(tools, plan->tool->after[i]);
        if (leader) plan->leaders[plan->n_leaders++] = leader;
    }
}

tfc_status tfc_tool_plan_init(tfc_tool_plan *plan, const tfc_tool *tool, const tfc_tools *tools,
                              const tfc_recipe *recipe, const tfc_tokenizer *tokenizer, tfc_error *err)
{
    static const tfc_tool_choices none = {
        .tau_s = NAN, .tau_f = NAN, .k = -1, .m = -1, .context = -1, .proposer = -1, .narrow_places = -1};
    const tfc_tool_choices *own = &none;
    for (size_t i = 0; i < recipe->n_tools; i++)
        if (strcmp(recipe->tools[i].tool, tool->name) == 0) own = &recipe->tools[i];
    *plan = (tfc_tool_plan){.tool = tool};
    if (!recipe->chains) tools = NULL;
    if (tools) find_leaders(plan, tools);
    plan->context = own->context >= 0 ? (tfc_context)own->context : recipe->context;
    plan->proposer = own->proposer >= 0 ? (tfc_proposer)own->proposer : recipe->proposer;
    if (!tool->enumerates) plan->proposer = TFC_PROPOSER_SAMPLE;
    plan->tau_s = pick_number(own->tau_s, recipe->tau_s, tool->tau_s);
    plan->tau_f = pick_number(own->tau_f, recipe->tau_f, tool->tau_f);
    plan->k = pick_int(own->k, recipe->k, tool->k);
    plan->m = pick_int(own->m, recipe->m, tool->m);
    plan->narrow = own->narrow_places >= 0 ? own->narrow_places != 0 : recipe->narrow_places;
    tfc_status status =
        tfc_call_begin_tokens(tokenizer, &tool->name, 1, &plan->begin_ids, &plan->n_begin, err);
    char open[160];
    snprintf(open, sizeof open, " [%s(", tool->name);
    if (status == TFC_OK)
        status = tfc_tokenize(tokenizer, open, strlen(open), 0, &plan->open_ids, &plan->n_open, err);
    if (status != TFC_OK) tfc_tool_plan_release(plan);
    return status;
}

tfc_status tfc_tool_plan_head(tfc_tool_plan *plan, const tfc_tools *tools, const tfc_recipe *recipe,
                              tfc_runner *runner, const tfc_tokenizer *tokenizer, tfc_error *err)
{
    if (plan->context != TFC_CONTEXT_DEMONSTRATED) return TFC_OK;
    tfc_error own;
    tfc_error_init(&own);
    char *head = NULL;
    if (recipe->head != TFC_HEAD_NONE)
        head = tfc_tool_head_run(plan->tool, recipe->chains ? tools : NULL, runner, &own);
    else if (!(head = tfc_strdup("")))
        tfc_fail_memory(&own, "head");
    if (head) tfc_head_tokens(head, tokenizer, &plan->head_ids, &plan->n_head, &own);
    tfc_text_free(head);
    if (own.status != TFC_OK && err) *err = own;
    return own.status;
}

void tfc_tool_plan_release(tfc_tool_plan *plan)
{
    tfc_ids_free(plan->begin_ids);
    tfc_ids_free(plan->open_ids);
    tfc_ids_free(plan->head_ids);
    memset(plan, 0, sizeof *plan);
}

tfc_status tfc_settings_init(tfc_settings *settings, const tfc_annotate_params *params,
                             const tfc_tokenizer *tokenizer, tfc_error *err)
{
    memset(settings, 0, sizeof *settings);
    settings->seed = params->seed;
    settings->pruning = !params->no_pruning;
    tfc_status status = tfc_recipe_load(params->recipe ? params->recipe : "paper", &settings->recipe, err);
    if (status == TFC_OK) status = recipe_override(&settings->recipe, params, err);
    if (status != TFC_OK) return status;
    settings->tools = params->replay ? tfc_tools_create_recorded(params->tools, params->replay, err)
                                     : tfc_tools_create(params->tools, err);
    if (!settings->tools) return err ? err->status : TFC_EINVAL;
    size_t n = tfc_tools_count(settings->tools);
    if (n == 0 || n > TFC_RECIPE_TOOLS)
        status =
            tfc_fail(err, TFC_EINVAL, "1 to %d tools are needed to annotate, not %zu", TFC_RECIPE_TOOLS, n);
    for (size_t i = 0; i < n && status == TFC_OK; i++) {
        if (tfc_tool_identifies_languages(tfc_tools_at(settings->tools, i)) && !tfc_lang_shared(err)) {
            status = err ? err->status : TFC_ENOTFOUND;
            break;
        }
        status = tfc_tool_plan_init(&settings->plans[i], tfc_tools_at(settings->tools, i), settings->tools,
                                    &settings->recipe, tokenizer, err);
        if (status == TFC_OK) settings->n_plans++;
    }
    if (status != TFC_OK) tfc_settings_release(settings);
    return status;
}

tfc_status tfc_settings_heads(tfc_settings *settings, tfc_runner *runner, const tfc_tokenizer *tokenizer,
                              tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < settings->n_plans && status == TFC_OK; i++)
        status = tfc_tool_plan_head(&settings->plans[i], settings->tools, &settings->recipe, runner,
                                    tokenizer, err);
    return status;
}

void tfc_settings_release(tfc_settings *settings)
{
    for (size_t i = 0; i < settings->n_plans; i++) tfc_tool_plan_release(&settings->plans[i]);
    tfc_tools_free(settings->tools);
    memset(settings, 0, sizeof *settings);
}

static void put_number(tfc_buffer *json, const char *key, double value)
{
    if (isnan(value))
        tfc_buffer_printf(json, "\"%s\":null,", key);
    else
        tfc_buffer_printf(json, "\"%s\":%.17g,", key, value);
}

static void put_plan(tfc_buffer *json, const tfc_tool_plan *plan)
{
    const char *manifest = tfc_tool_manifest(plan->tool);
    tfc_buffer_printf(json, "\"%s\":{", plan->tool->name);
    tfc_buffer_printf(json, "\"manifest\":\"%016llx\",",
                      (unsigned long long)tfc_hash_bytes(manifest, strlen(manifest), 0));
    tfc_buffer_printf(json, "\"context\":\"%s\",",
                      plan->context == TFC_CONTEXT_PREFIX ? "prefix" : "demonstrated");
    tfc_buffer_printf(json, "\"proposer\":\"%s\",",
                      plan->proposer == TFC_PROPOSER_SAMPLE      ? "sample"
                      : plan->proposer == TFC_PROPOSER_ENUMERATE ? "enumerate"
                                                                 : "both");
    tfc_buffer_puts(json, "\"after\":[");
    for (size_t i = 0; i < plan->n_leaders; i++)
        tfc_buffer_printf(json, "%s\"%s\"", i ? "," : "", plan->leaders[i]->name);
    tfc_buffer_puts(json, "],");
    put_number(json, "tau_s", plan->tau_s);
    put_number(json, "tau_f", plan->tau_f);
    tfc_buffer_printf(json, "\"k\":%lld,\"m\":%lld,\"narrow_places\":%s}", (long long)plan->k,
                      (long long)plan->m, plan->narrow ? "true" : "false");
}

static void put_count(tfc_buffer *json, const char *key, int64_t value)
{
    if (value < 0)
        tfc_buffer_printf(json, "\"%s\":null,", key);
    else
        tfc_buffer_printf(json, "\"%s\":%lld,", key, (long long)value);
}

static void put_selection(tfc_buffer *json, const tfc_recipe *recipe)
{
    put_count(json, "max_operands", recipe->max_operands);
    tfc_buffer_printf(json, "\"repeat_operands\":%s,\"choose\":\"%s\",\"head\":\"%s\",",
                      recipe->repeat_operands ? "true" : "false", tfc_choose_names[recipe->choose],
                      recipe->head == TFC_HEAD_NONE ? "none" : "demonstrations");
    tfc_buffer_printf(json, "\"filter\":\"%s\",\"results\":\"%s\",",
                      recipe->filter == TFC_FILTER_NONE ? "none" : "gain",
                      recipe->results == TFC_RESULTS_SHUFFLED ? "shuffled" : "own");
    tfc_buffer_printf(json, "\"number_words\":%s,\"match_numbers\":%s,",
                      recipe->number_words ? "true" : "false", recipe->match_numbers ? "true" : "false");
    put_number(json, "min_likelihood", recipe->min_likelihood);
    put_count(json, "max_ambiguous", recipe->max_ambiguous);
    put_count(json, "max_calls", recipe->max_calls);
}

/* What tells languages apart decides too, where a tool looks at them. */
static void put_languages(tfc_buffer *json, const tfc_settings *settings)
{
    bool used = false;
    for (size_t i = 0; i < settings->n_plans; i++)
        used = used || tfc_tool_identifies_languages(settings->plans[i].tool);
    const tfc_lang *lang = used ? tfc_lang_shared(NULL) : NULL;
    if (lang) tfc_buffer_printf(json, "\"languages\":\"%s\",", tfc_lang_version(lang));
}

char *tfc_settings_json(const tfc_settings *settings, const tfc_annotate_params *params,
                        const tfc_model *model, const tfc_corpus *corpus, tfc_error *err)
{
    tfc_model_info info = tfc_model_get_info(model);
    uint64_t model_hash;
    if (tfc_path_hash(info.path, &model_hash, err) != TFC_OK) return NULL;
    const tfc_recipe *recipe = &settings->recipe;
    tfc_buffer json;
    tfc_buffer_init(&json, 1 << 20);
    tfc_buffer_printf(&json,
                      "{\"version\":\"%s\",\"model\":\"%016llx\",\"cpu_path\":\"%s\",\"operand\":\"%s\",",
                      tfc_version(), (unsigned long long)model_hash, info.cpu_path, info.operand);
    tfc_buffer_printf(&json, "\"corpus\":\"%016llx\",\"seed\":%llu,\"pruning\":%s,\"recipe\":",
                      (unsigned long long)tfc_corpus_hash(corpus), (unsigned long long)settings->seed,
                      settings->pruning ? "true" : "false");
    tfc_buffer_json(&json, recipe->name, strlen(recipe->name));
    tfc_buffer_puts(&json, ",\"date\":");
    if (params->date)
        tfc_buffer_json(&json, params->date, strlen(params->date));
    else
        tfc_buffer_puts(&json, "null");
    tfc_buffer_putc(&json, ',');
    put_number(&json, "temperature", recipe->temperature);
    tfc_buffer_printf(
        &json,
        "\"max_args_tokens\":%lld,\"constrained\":%s,\"heuristics\":%s,\"hide_equations\":%s,"
        "\"snippet_tokens\":%lld,\"empty_call\":\"%s\",\"max_numbers\":%lld,\"max_enumerated\":%lld,",
        (long long)recipe->max_args_tokens, recipe->constrained ? "true" : "false",
        recipe->heuristics ? "true" : "false", recipe->hide_equations ? "true" : "false",
        (long long)recipe->snippet_tokens, recipe->empty_call == TFC_EMPTY_ARROW ? "arrow" : "bare",
        (long long)recipe->max_numbers, (long long)recipe->max_enumerated);
    put_selection(&json, recipe);
    put_languages(&json, settings);
    tfc_buffer_puts(&json, "\"tools\":{");
    for (size_t i = 0; i < settings->n_plans; i++) {
        if (i) tfc_buffer_putc(&json, ',');
        put_plan(&json, &settings->plans[i]);
    }
    tfc_buffer_puts(&json, "}}");
    char *text =
        tfc_buffer_ok(&json, "the run's settings", err) == TFC_OK ? tfc_buffer_take(&json, NULL) : NULL;
    tfc_buffer_release(&json);
    return text;
}

char *tfc_settings_difference(const char *a, const char *b)
{
    if (strcmp(a, b) == 0) return NULL;
    tfc_json *first = tfc_json_parse(a, strlen(a), "settings", NULL);
    tfc_json *second = tfc_json_parse(b, strlen(b), "settings", NULL);
    char *name = NULL;
    if (first && second && json_object_is_type(first, json_type_object)) {
        json_object_object_foreach(first, key, value)
        {
            tfc_json *other;
            if (name) break;
            if (!json_object_object_get_ex(second, key, &other) || !json_object_equal(value, other))
                name = tfc_strdup(key);
        }
    }
    json_object_put(first);
    json_object_put(second);
    return name ? name : tfc_strdup("the form of the settings");
}
