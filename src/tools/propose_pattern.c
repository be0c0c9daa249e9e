/* Arguments by a manifest's own rules ("propose"): a pattern over the text before the place, and templates
 * that its groups fill. */
#include "tools/args_json.h"
#include "tools/backend.h"
#include "tools/pattern.h"

struct tfc_propose_rule {
    tfc_pattern *pattern;
    const char *const *templates; /* [n_templates] */
    size_t n_templates;
};

enum { RULES_MAX = 100, TEMPLATES_MAX = 1000, MATCHES_MAX = 1000, ARGS_BYTES_MAX = 4096 };

/* $0 … $9 of the pattern's groups, $$ for a dollar sign. */
static tfc_status check_template(const char *text, int n_groups, tfc_error *err)
{
    for (const char *at = text; (at = strchr(at, '$')); at += 2) {
        int group = at[1] - '0';
        if (at[1] == '$') continue;
        if (group < 0 || group > 9)
            return tfc_fail(err, TFC_EFORMAT, "args: '%.80s': $ is followed by a digit or another $", text);
        if (group > n_groups)
            return tfc_fail(err, TFC_EFORMAT, "args: '%.80s': the pattern has %d groups", text, n_groups);
    }
    return TFC_OK;
}

/* "args": a template, or an array of them. */
static tfc_status read_templates(tfc_propose_rule *rule, tfc_json *json, tfc_arena *arena, tfc_error *err)
{
    bool many = json_object_is_type(json, json_type_array);
    size_t n = many ? json_object_array_length(json) : 1;
    if (n == 0 || n > TEMPLATES_MAX)
        return tfc_fail(err, TFC_EFORMAT, "args: 1 to %d templates expected", TEMPLATES_MAX);
    const char **templates = tfc_arena_alloc(arena, n, sizeof *templates);
    if (!templates) return tfc_fail_memory(err, "args");
    for (size_t i = 0; i < n; i++) {
        tfc_json *entry = many ? json_object_array_get_idx(json, i) : json;
        if (!json_object_is_type(entry, json_type_string))
            return tfc_fail(err, TFC_EFORMAT, "args: string or array of strings expected");
        const char *text = json_object_get_string(entry);
        tfc_status status = check_template(text, tfc_pattern_groups(rule->pattern), err);
        if (status != TFC_OK) return status;
        templates[i] = tfc_arena_strndup(arena, text, strlen(text));
        if (!templates[i]) return tfc_fail_memory(err, "args");
    }
    rule->templates = templates;
    rule->n_templates = n;
    return TFC_OK;
}

static tfc_status read_rule(tfc_propose_rule *rule, tfc_json *json, tfc_arena *arena, tfc_error *err)
{
    static const char *const keys[] = {"pattern", "args", NULL};
    const char *pattern;
    size_t n;
    tfc_json *args;
    if (!json_object_is_type(json, json_type_object))
        return tfc_fail(err, TFC_EFORMAT, "object expected, or an array of objects");
    tfc_status status = tfc_json_only_keys(json, keys, err);
    if (status == TFC_OK) status = tfc_json_get_text(json, "pattern", &pattern, &n, NULL, err);
    if (status != TFC_OK) return status;
    if (n == 0 || strlen(pattern) != n)
        return tfc_fail(err, TFC_EFORMAT, "pattern: empty, or with a NUL character");
    if (!json_object_object_get_ex(json, "args", &args)) return tfc_fail(err, TFC_EFORMAT, "missing args");
    rule->pattern = tfc_pattern_compile(pattern, err);
    if (!rule->pattern) {
        tfc_error_prefix(err, "pattern");
        return err ? err->status : TFC_EFORMAT;
    }
    return read_templates(rule, args, arena, err);
}

tfc_status tfc_propose_read(tfc_tool *tool, tfc_json *json, tfc_arena *arena, tfc_error *err)
{
    bool many = json_object_is_type(json, json_type_array);
    size_t n = many ? json_object_array_length(json) : 1;
    if (n == 0 || n > RULES_MAX) return tfc_fail(err, TFC_EFORMAT, "1 to %d rules expected", RULES_MAX);
    tool->rules = tfc_arena_alloc(arena, n, sizeof *tool->rules);
    if (!tool->rules) return tfc_fail_memory(err, "propose");
    for (size_t i = 0; i < n; i++) {
        tool->n_rules = i + 1; /* so that a rule that is half read is released */
        tfc_status status =
            read_rule(&tool->rules[i], many ? json_object_array_get_idx(json, i) : json, arena, err);
        if (status != TFC_OK && many) tfc_error_prefix(err, "[%zu]", i);
        if (status != TFC_OK) return status;
    }
    return TFC_OK;
}

void tfc_propose_release(tfc_tool *tool)
{
    for (size_t i = 0; i < tool->n_rules; i++) tfc_pattern_free(tool->rules[i].pattern);
    tool->n_rules = 0;
}

static void fill_template(tfc_buffer *out, const char *text, const char *template, const tfc_match *match)
{
    for (const char *at = template; *at; at++) {
        if (*at != '$') {
            tfc_buffer_putc(out, *at);
        } else if (*++at == '$') {
            tfc_buffer_putc(out, '$');
        } else {
            size_t group = (size_t)(*at - '0');
            tfc_buffer_append(out, text + match->begin[group], match->end[group] - match->begin[group]);
        }
    }
}

/* The arguments can stand in a call of this tool. */
static bool is_legal(const tfc_tool *tool, const char *args, size_t n)
{
    const tfc_grammar *grammar = tfc_grammar_args(tool->args_form);
    uint32_t state = tfc_grammar_feed(grammar, grammar->start, args, n);
    state = tfc_grammar_feed(grammar, state, ")", 1);
    if (!tfc_call_args_valid(args, n) || !grammar->accepts(grammar->context, state)) return false;
    tfc_json *object = NULL;
    bool legal = !tool->schema || tfc_args_to_json(tool, args, &object, NULL) == TFC_OK;
    json_object_put(object);
    return legal;
}

/* False: out of memory. */
static bool add_args(const tfc_tool *tool, const char *args, size_t n, tfc_proposals *out)
{
    if (!is_legal(tool, args, n)) return true;
    for (size_t i = 0; i < out->n_args; i++)
        if (strcmp(out->args[i], args) == 0) return true;
    out->args[out->n_args] = tfc_strdup(args);
    return out->args[out->n_args++] != NULL;
}

static bool apply_rule(const tfc_tool *tool, const tfc_propose_rule *rule, const char *text, size_t n,
                       tfc_match *matches, const tfc_enumerate_params *params, tfc_proposals *out)
{
    size_t n_matches = tfc_pattern_last(rule->pattern, text, n, matches, params->max_numbers);
    for (size_t i = 0; i < n_matches; i++) {
        for (size_t t = 0; t < rule->n_templates && out->n_args < params->max_args; t++) {
            tfc_buffer args;
            tfc_buffer_init(&args, ARGS_BYTES_MAX);
            fill_template(&args, text, rule->templates[t], &matches[i]);
            bool added = args.too_large || !args.data || add_args(tool, args.data, args.n, out);
            added = added && !(args.failed && !args.too_large);
            tfc_buffer_release(&args);
            if (!added) return false;
        }
    }
    return true;
}

static bool propose(const tfc_tool *tool, const char *text, size_t n, const tfc_enumerate_params *params,
                    tfc_proposals *out, tfc_error *err)
{
    tfc_match *matches = tfc_alloc(params->max_numbers, sizeof *matches);
    out->args = tfc_alloc_zero(params->max_args, sizeof *out->args);
    bool done = matches && out->args;
    for (size_t r = 0; r < tool->n_rules && done; r++)
        done = apply_rule(tool, &tool->rules[r], text, n, matches, params, out);
    tfc_free(matches);
    if (done) return true;
    tfc_proposals_release(out);
    return tfc_fail_memory(err, "proposals"), false;
}

bool tfc_tool_enumerate(const tfc_tool *tool, const char *text, size_t n, size_t at, const char *earlier,
                        const tfc_enumerate_params *params, tfc_proposals *out, tfc_error *err)
{
    if (tool->n_rules == 0) return tool->backend->enumerate(text, n, at, earlier, params, out, err);
    *out = (tfc_proposals){0};
    return earlier ? propose(tool, earlier, strlen(earlier), params, out, err)
                   : propose(tool, text, at, params, out, err);
}
