/* Reading manifests. Every field is checked, unknown ones are refused, and demonstrations must give their
 * input back when their calls are taken out: a slip there would spoil every prompt in silence. */
#include "tools/manifest.h"

#include "base/json.h"
#include "tools/args_json.h"
#include "tools/backend.h"

/* What the fields stand on while a manifest is read. */
typedef struct manifest {
    tfc_json *root;
    tfc_arena *arena;
    tfc_tool *tool;
    const char *folder; /* what relative paths are seen from, or NULL */
    tfc_error *err;
    bool alone; /* a demonstration holds calls of this tool alone */
} manifest;

/* A word of a field that allows a few: its place in the NULL-terminated list. */
static tfc_status read_word(manifest *m, tfc_json *object, const char *key, const char *const *words,
                            int *out, bool *found)
{
    const char *text;
    tfc_status status = tfc_json_get_text(object, key, &text, NULL, found, m->err);
    if (status != TFC_OK || (found && !*found)) return status;
    char known[160] = "";
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return TFC_OK;
        }
        strncat(known, i ? ", " : "", sizeof known - strlen(known) - 1);
        strncat(known, words[i], sizeof known - strlen(known) - 1);
    }
    return tfc_fail(m->err, TFC_EFORMAT, "%s: one of %s expected, not '%.80s'", key, known, text);
}

/* A string without NUL bytes, copied; empty ones are refused. */
static tfc_status read_text(manifest *m, tfc_json *object, const char *key, const char **out, bool *found)
{
    const char *text;
    size_t n;
    tfc_status status = tfc_json_get_text(object, key, &text, &n, found, m->err);
    if (status != TFC_OK || (found && !*found)) return status;
    if (n == 0) return tfc_fail(m->err, TFC_EFORMAT, "%s is empty", key);
    if (strlen(text) != n) return tfc_fail(m->err, TFC_EFORMAT, "%s holds a NUL character", key);
    *out = tfc_arena_strndup(m->arena, text, n);
    return *out ? TFC_OK : tfc_fail_memory(m->err, key);
}

/* The names whose calls a demonstration may hold: the tool's own, then those of `after`. */
static tfc_status demonstrated_names(manifest *m, const char *const **names, size_t *n)
{
    const char **list = tfc_arena_alloc(m->arena, m->tool->n_after + 1, sizeof *list);
    if (!list) return tfc_fail_memory(m->err, "names");
    list[0] = m->tool->name;
    for (size_t i = 0; i < m->tool->n_after; i++) list[i + 1] = m->tool->after[i];
    *names = list;
    *n = m->tool->n_after + 1;
    return TFC_OK;
}

/* The calls of a demonstration: bare, the tool's own legal under the form of its arguments, and at least one
 * of these. */
static tfc_status check_calls(manifest *m, const char *output, const char *const *names, size_t n_names)
{
    const tfc_grammar *grammar = tfc_grammar_args(m->tool->args_form);
    size_t n = strlen(output), n_calls = 0, n_others = 0, n_name = strlen(m->tool->name);
    tfc_call_span span;
    for (size_t at = 0; tfc_calls_scan(output, n, at, names, n_names, &span); at = span.end) {
        int length = (int)(span.end - span.begin < 100 ? span.end - span.begin : 100);
        if (span.has_arrow)
            return tfc_fail(m->err, TFC_EFORMAT, "output: '%.*s' holds a result; write the call alone",
                            length, output + span.begin);
        if (span.name_end - span.name != n_name || memcmp(output + span.name, m->tool->name, n_name) != 0) {
            n_others++;
            continue;
        }
        n_calls++;
        uint32_t state =
            tfc_grammar_feed(grammar, grammar->start, output + span.args, span.args_end - span.args);
        state = tfc_grammar_feed(grammar, state, ")", 1);
        if (!grammar->accepts(grammar->context, state))
            return tfc_fail(m->err, TFC_EFORMAT, "output: the arguments of '%.*s' are not of the tool's form",
                            length, output + span.begin);
    }
    if (n_calls == 0)
        return tfc_fail(m->err, TFC_EFORMAT, "output holds no call of the form [%s(…)]", m->tool->name);
    m->alone = m->alone || n_others == 0;
    return TFC_OK;
}

static tfc_status check_demonstration(manifest *m, const tfc_demonstration *d)
{
    if (d->date && !tfc_calendar_valid(d->date))
        return tfc_fail(m->err, TFC_EFORMAT, "date: '%.40s' is no date of the form YYYY-MM-DD", d->date);
    const char *const *names = NULL;
    size_t n, n_names = 0;
    tfc_status status = demonstrated_names(m, &names, &n_names);
    if (status == TFC_OK) status = check_calls(m, d->output, names, n_names);
    if (status != TFC_OK) return status;
    char *plain;
    status = tfc_calls_strip(d->output, strlen(d->output), names, n_names, &plain, &n, m->err);
    if (status != TFC_OK) return status;
    if (n != strlen(d->input) || memcmp(plain, d->input, n) != 0)
        status = tfc_fail(
            m->err, TFC_EFORMAT,
            "output without its calls is not the input (or a call in it does not parse): '%.120s'", plain);
    tfc_text_free(plain);
    return status;
}

static tfc_status read_demonstration(manifest *m, tfc_json *entry, tfc_demonstration *out)
{
    static const char *const keys[] = {"input", "output", "date", NULL};
    bool dated;
    if (!json_object_is_type(entry, json_type_object))
        return tfc_fail(m->err, TFC_EFORMAT, "object expected");
    tfc_status status = tfc_json_only_keys(entry, keys, m->err);
    if (status == TFC_OK) status = read_text(m, entry, "input", &out->input, NULL);
    if (status == TFC_OK) status = read_text(m, entry, "output", &out->output, NULL);
    if (status == TFC_OK) status = read_text(m, entry, "date", &out->date, &dated);
    return status == TFC_OK ? check_demonstration(m, out) : status;
}

static tfc_status read_demonstrations(manifest *m, const char *key, const tfc_demonstration **out,
                                      size_t *n_out, bool *found)
{
    tfc_json *array;
    tfc_status status = tfc_json_get_array(m->root, key, &array, found, m->err);
    if (status != TFC_OK || (found && !*found)) return status;
    size_t n = json_object_array_length(array);
    m->alone = false;
    if (n == 0) return tfc_fail(m->err, TFC_EFORMAT, "%s is empty", key);
    tfc_demonstration *list = tfc_arena_alloc(m->arena, n, sizeof *list);
    if (!list) return tfc_fail_memory(m->err, key);
    for (size_t i = 0; i < n; i++) {
        status = read_demonstration(m, json_object_array_get_idx(array, i), &list[i]);
        if (status != TFC_OK) {
            tfc_error_prefix(m->err, "%s[%zu]", key, i);
            return status;
        }
    }
    if (!m->alone) return tfc_fail(m->err, TFC_EFORMAT, "%s: one must do without other tools", key);
    *out = list;
    *n_out = n;
    return TFC_OK;
}

static tfc_status read_number(manifest *m, const char *key, double low, double high, double *out)
{
    bool found;
    double value = *out;
    tfc_status status = tfc_json_get_double(m->root, key, &value, &found, m->err);
    if (status != TFC_OK) return status;
    if (value < low || value > high)
        return tfc_fail(m->err, TFC_EFORMAT, "%s must be between %g and %g, not %g", key, low, high, value);
    *out = value;
    return TFC_OK;
}

static tfc_status read_count(manifest *m, const char *key, int64_t high, int64_t fallback, int64_t *out)
{
    bool found;
    *out = fallback;
    return tfc_json_get_int(m->root, key, 1, high, out, &found, m->err);
}

/* Thresholds and counts; the paper's defaults (Appendix A). */
static tfc_status read_numbers(manifest *m)
{
    tfc_tool *tool = m->tool;
    int64_t k, count, bytes;
    tool->tau_s = 0.05;
    tool->tau_f = 1.0;
    tfc_status status = read_number(m, "tau_s", 0, 1, &tool->tau_s);
    if (status == TFC_OK) status = read_number(m, "tau_f", 0, 100, &tool->tau_f);
    if (status == TFC_OK) status = read_count(m, "k", 10000, 5, &k);
    if (status == TFC_OK) status = read_count(m, "m", 10000, 5, &count);
    if (status == TFC_OK) status = read_count(m, "max_result_bytes", 1 << 20, 500, &bytes);
    if (status != TFC_OK) return status;
    tool->k = (int)k;
    tool->m = (int)count;
    tool->max_result_bytes = (size_t)bytes;
    return TFC_OK;
}

/* "backend": {"type": NAME, the type's own fields}, or the name alone. */
static tfc_status read_backend(manifest *m)
{
    tfc_tool *tool = m->tool;
    tfc_json *json = json_object_object_get(m->root, "backend");
    const char *name;
    char known[400] = "";
    bool found;
    tfc_status status = json_object_is_type(json, json_type_object)
                            ? tfc_json_get_text(json, "type", &name, NULL, NULL, m->err)
                            : tfc_json_get_text(m->root, "backend", &name, NULL, NULL, m->err);
    if (status != TFC_OK) return status;
    tool->backend = tfc_backend_find(name, known, sizeof known);
    if (!tool->backend)
        return tfc_fail(m->err, TFC_EUNSUPPORTED, "backend '%.80s' is not supported; there are %s", name,
                        known);
    static const char *const only_type[] = {"type", NULL};
    if (tool->backend->open)
        status = tool->backend->open(tool, json, m->folder, m->arena, m->err);
    else if (json_object_is_type(json, json_type_object))
        status = tfc_json_only_keys(json, only_type, m->err);
    if (status != TFC_OK) {
        tfc_error_prefix(m->err, "backend");
        return status;
    }
    status = tfc_json_get_bool(m->root, "enumerate", &tool->enumerates, &found, m->err);
    if (status == TFC_OK && tool->enumerates && !tool->backend->enumerate)
        return tfc_fail(m->err, TFC_EUNSUPPORTED, "enumerate: the backend '%s' proposes no arguments", name);
    return status;
}

/* "args": {"form", "schema", "order"}. */
static tfc_status read_args(manifest *m, tfc_json *args)
{
    static const char *const forms[] = {"none", "expression", "text", "dates", NULL};
    static const char *const keys[] = {"form", "schema", "order", NULL};
    int form = 0;
    bool has_schema, has_order;
    tfc_json *schema, *order = NULL;
    tfc_status status = tfc_json_only_keys(args, keys, m->err);
    if (status == TFC_OK) status = read_word(m, args, "form", forms, &form, NULL);
    if (status == TFC_OK) status = tfc_json_get_object(args, "schema", &schema, &has_schema, m->err);
    if (status == TFC_OK) status = tfc_json_get_array(args, "order", &order, &has_order, m->err);
    if (status != TFC_OK) return status;
    m->tool->args_form = (tfc_args_form)form;
    if (!has_schema && has_order) return tfc_fail(m->err, TFC_EFORMAT, "order without a schema");
    if (!has_schema) return TFC_OK;
    status = tfc_args_schema_read(schema, has_order ? order : NULL, m->arena, &m->tool->schema, m->err);
    if (status != TFC_OK) {
        tfc_error_prefix(m->err, "schema");
        return status;
    }
    if (form == TFC_ARGS_NONE && m->tool->schema->n > 0)
        return tfc_fail(m->err, TFC_EFORMAT, "the form 'none' has no arguments, the schema has %zu",
                        m->tool->schema->n);
    return form == TFC_ARGS_NONE || m->tool->schema->n > 0
               ? TFC_OK
               : tfc_fail(m->err, TFC_EFORMAT, "the schema has no arguments: the form is 'none'");
}

static tfc_status read_choices(manifest *m)
{
    static const char *const heuristics[] = {"none", "calculator", "calendar", NULL};
    static const char *const places[] = {"any", "numbers", "dates", "dates_and_numbers", NULL};
    int heuristic = TFC_HEURISTIC_NONE, place = TFC_PLACES_ANY;
    bool found;
    tfc_json *args;
    tfc_status status = tfc_json_get_object(m->root, "args", &args, NULL, m->err);
    if (status != TFC_OK) return status;
    status = read_args(m, args);
    if (status != TFC_OK) {
        tfc_error_prefix(m->err, "args");
        return status;
    }
    status = read_word(m, m->root, "heuristic", heuristics, &heuristic, &found);
    if (status == TFC_OK) status = read_word(m, m->root, "places", places, &place, &found);
    m->tool->heuristic = (tfc_heuristic)heuristic;
    m->tool->places = (tfc_places)place;
    return status;
}

/* "after": names of other tools. */
static tfc_status read_after(manifest *m)
{
    tfc_json *array;
    bool found;
    tfc_status status = tfc_json_get_array(m->root, "after", &array, &found, m->err);
    if (status != TFC_OK || !found) return status;
    size_t n = json_object_array_length(array);
    const char **names = tfc_arena_alloc(m->arena, n, sizeof *names);
    if (!names) return tfc_fail_memory(m->err, "after");
    for (size_t i = 0; i < n; i++) {
        tfc_json *entry = json_object_array_get_idx(array, i);
        const char *name = json_object_is_type(entry, json_type_string) ? json_object_get_string(entry) : "";
        if (!tfc_call_name_valid(name) || strcmp(name, m->tool->name) == 0)
            return tfc_fail(m->err, TFC_EFORMAT, "after[%zu]: the name of another tool expected", i);
        names[i] = tfc_arena_strndup(m->arena, name, strlen(name));
        if (!names[i]) return tfc_fail_memory(m->err, "after");
    }
    m->tool->after = names;
    m->tool->n_after = n;
    return TFC_OK;
}

static tfc_status read_root(manifest *m)
{
    static const char *const keys[] = {"name",
                                       "description",
                                       "instruction",
                                       "demonstrations",
                                       "head",
                                       "args",
                                       "tau_s",
                                       "tau_f",
                                       "k",
                                       "m",
                                       "places",
                                       "heuristic",
                                       "enumerate",
                                       "max_result_bytes",
                                       "backend",
                                       "after",
                                       "deadline_ms",
                                       "retries",
                                       "rate_per_s",
                                       "retry_backoff_ms",
                                       "concurrency",
                                       "retry_timeouts",
                                       "cache",
                                       "cost",
                                       "max_failure_rate",
                                       NULL};
    tfc_tool *tool = m->tool;
    bool found;
    if (!json_object_is_type(m->root, json_type_object))
        return tfc_fail(m->err, TFC_EFORMAT, "object expected");
    tfc_status status = tfc_json_only_keys(m->root, keys, m->err);
    if (status == TFC_OK) status = read_text(m, m->root, "name", &tool->name, NULL);
    if (status == TFC_OK && !tfc_call_name_valid(tool->name))
        status = tfc_fail(m->err, TFC_EFORMAT,
                          "name: '%.80s' is no name (a letter, then letters, digits, _ . -)", tool->name);
    if (status == TFC_OK) status = read_text(m, m->root, "description", &tool->description, NULL);
    if (status == TFC_OK) status = read_text(m, m->root, "instruction", &tool->instruction, NULL);
    if (status == TFC_OK) status = read_after(m);
    if (status == TFC_OK) status = read_choices(m);
    if (status == TFC_OK) status = read_numbers(m);
    if (status == TFC_OK) status = tfc_tool_limits_read(m->root, &tool->limits, m->err);
    if (status == TFC_OK) status = read_backend(m);
    if (status == TFC_OK)
        status =
            read_demonstrations(m, "demonstrations", &tool->demonstrations, &tool->n_demonstrations, NULL);
    if (status == TFC_OK) status = read_demonstrations(m, "head", &tool->head, &tool->n_head, &found);
    return status;
}

tfc_status tfc_manifest_read(const char *text, size_t n, const char *what, const char *folder,
                             tfc_arena *arena, tfc_tool *tool, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    *tool = (tfc_tool){0};
    manifest m = {.folder = folder, .arena = arena, .tool = tool, .err = err ? err : &own};
    if (n > TFC_MANIFEST_BYTES_MAX)
        return tfc_fail(err, TFC_ELIMIT, "%s: larger than %d bytes", what, TFC_MANIFEST_BYTES_MAX);
    m.root = tfc_json_parse(text, n, what, m.err);
    if (!m.root) return m.err->status;
    tfc_status status = read_root(&m);
    json_object_put(m.root);
    if (status != TFC_OK) tfc_error_prefix(m.err, "%s", what);
    if (status == TFC_OK) {
        tool->manifest_text = tfc_arena_strndup(arena, text, n);
        if (!tool->manifest_text) status = tfc_fail_memory(err, what);
    }
    if (status != TFC_OK) tfc_tool_close(tool);
    return status;
}
