/* Reading manifests. Every field is checked and unknown ones are refused. */
#include "tools/args_json.h"
#include "tools/backend.h"
#include "tools/manifest_inside.h"
#include "tools/pattern.h"

tfc_status tfc_manifest_word(tfc_manifest *m, tfc_json *object, const char *key, const char *const *words,
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

tfc_status tfc_manifest_text(tfc_manifest *m, tfc_json *object, const char *key, const char **out,
                             bool *found)
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

static tfc_status read_number(tfc_manifest *m, const char *key, double low, double high, double *out)
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

static tfc_status read_count(tfc_manifest *m, const char *key, int64_t high, int64_t fallback, int64_t *out)
{
    bool found;
    *out = fallback;
    return tfc_json_get_int(m->root, key, 1, high, out, &found, m->err);
}

/* Thresholds and counts; the paper's defaults (Appendix A). */
static tfc_status read_numbers(tfc_manifest *m)
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
static tfc_status read_backend(tfc_manifest *m)
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

/* "propose": the manifest's own rules for arguments take the place of the backend's. */
static tfc_status read_propose(tfc_manifest *m)
{
    tfc_json *json;
    if (!json_object_object_get_ex(m->root, "propose", &json)) return TFC_OK;
    if (m->tool->enumerates) return tfc_fail(m->err, TFC_EFORMAT, "propose beside enumerate: one of them");
    m->tool->enumerates = true;
    tfc_status status = tfc_propose_read(m->tool, json, m->arena, m->err);
    if (status != TFC_OK) tfc_error_prefix(m->err, "propose");
    return status;
}

/* "args": {"form", "schema", "order"}. */
static tfc_status read_args(tfc_manifest *m, tfc_json *args)
{
    static const char *const forms[] = {"none", "expression", "text", "dates", NULL};
    static const char *const keys[] = {"form", "schema", "order", NULL};
    int form = 0;
    bool has_schema, has_order;
    tfc_json *schema, *order = NULL;
    tfc_status status = tfc_json_only_keys(args, keys, m->err);
    if (status == TFC_OK) status = tfc_manifest_word(m, args, "form", forms, &form, NULL);
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

/* A built-in word, or an object whose one member `member` is a pattern: then *word is `by_pattern`. */
static tfc_status read_word_or_pattern(tfc_manifest *m, const char *key, const char *const *words,
                                       const char *member, int by_pattern, int *word,
                                       struct tfc_pattern **pattern)
{
    tfc_json *json = json_object_object_get(m->root, key);
    const char *const keys[] = {member, NULL};
    const char *text;
    bool found;
    if (!json_object_is_type(json, json_type_object))
        return tfc_manifest_word(m, m->root, key, words, word, &found);
    *word = by_pattern;
    tfc_status status = tfc_json_only_keys(json, keys, m->err);
    if (status == TFC_OK) status = tfc_manifest_text(m, json, member, &text, NULL);
    if (status == TFC_OK && !(*pattern = tfc_pattern_compile(text, m->err))) {
        tfc_error_prefix(m->err, "%s", member);
        status = m->err->status;
    }
    if (status != TFC_OK) tfc_error_prefix(m->err, "%s", key);
    return status;
}

static tfc_status read_choices(tfc_manifest *m)
{
    static const char *const heuristics[] = {"none", "calculator", "calendar", "mt", NULL};
    static const char *const places[] = {"any",           "numbers", "dates", "dates_and_numbers",
                                         "after_foreign", NULL};
    int heuristic = TFC_HEURISTIC_NONE, place = TFC_PLACES_ANY;
    tfc_json *args;
    tfc_status status = tfc_json_get_object(m->root, "args", &args, NULL, m->err);
    if (status != TFC_OK) return status;
    status = read_args(m, args);
    if (status != TFC_OK) {
        tfc_error_prefix(m->err, "args");
        return status;
    }
    status = read_word_or_pattern(m, "heuristic", heuristics, "pattern", TFC_HEURISTIC_PATTERN, &heuristic,
                                  &m->tool->text_pattern);
    if (status == TFC_OK)
        status = read_word_or_pattern(m, "places", places, "before", TFC_PLACES_PATTERN, &place,
                                      &m->tool->place_pattern);
    m->tool->heuristic = (tfc_heuristic)heuristic;
    m->tool->places = (tfc_places)place;
    return status;
}

/* "after": names of other tools. */
static tfc_status read_after(tfc_manifest *m)
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

const char *const tfc_manifest_keys[] = {"name",
                                         "version",
                                         "propose",
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

/* Members whose name begins with `_` and whose value is a string are comments. */
static void drop_comments(tfc_json *object)
{
    if (!json_object_is_type(object, json_type_object)) return;
    struct lh_entry *entry = json_object_get_object(object)->head, *next;
    for (; entry; entry = next) {
        const char *name = lh_entry_k(entry);
        next = entry->next;
        if (*name == '_' && json_object_is_type((tfc_json *)lh_entry_v(entry), json_type_string))
            json_object_object_del(object, name);
    }
}

/* Of the manifest, of the objects in it and of those in its arrays; a schema's names stay what they are. */
static void drop_all_comments(tfc_json *root)
{
    drop_comments(root);
    if (!json_object_is_type(root, json_type_object)) return;
    json_object_object_foreach(root, key, value)
    {
        (void)key;
        drop_comments(value);
        if (!json_object_is_type(value, json_type_array)) continue;
        for (size_t i = 0; i < json_object_array_length(value); i++)
            drop_comments(json_object_array_get_idx(value, i));
    }
}

static tfc_status read_root(tfc_manifest *m)
{
    tfc_tool *tool = m->tool;
    bool found;
    if (!json_object_is_type(m->root, json_type_object))
        return tfc_fail(m->err, TFC_EFORMAT, "object expected");
    tfc_status status = tfc_json_only_keys(m->root, tfc_manifest_keys, m->err);
    if (status == TFC_OK) status = tfc_manifest_text(m, m->root, "name", &tool->name, NULL);
    if (status == TFC_OK && !tfc_call_name_valid(tool->name))
        status = tfc_fail(m->err, TFC_EFORMAT,
                          "name: '%.80s' is no name (a letter, then letters, digits, _ . -)", tool->name);
    if (status == TFC_OK) status = tfc_manifest_text(m, m->root, "version", &tool->version, &found);
    if (status == TFC_OK) status = tfc_manifest_text(m, m->root, "description", &tool->description, NULL);
    if (status == TFC_OK) status = tfc_manifest_text(m, m->root, "instruction", &tool->instruction, NULL);
    if (status == TFC_OK) status = read_after(m);
    if (status == TFC_OK) status = read_choices(m);
    if (status == TFC_OK) status = read_numbers(m);
    if (status == TFC_OK) status = tfc_tool_limits_read(m->root, &tool->limits, m->err);
    if (status == TFC_OK) status = read_backend(m);
    if (status == TFC_OK) status = read_propose(m);
    if (status == TFC_OK)
        status = tfc_manifest_demonstrations(m, "demonstrations", &tool->demonstrations,
                                             &tool->n_demonstrations, NULL);
    if (status == TFC_OK) status = tfc_manifest_demonstrations(m, "head", &tool->head, &tool->n_head, &found);
    return status;
}

tfc_status tfc_manifest_read(const char *text, size_t n, const char *what, const char *folder,
                             tfc_arena *arena, tfc_tool *tool, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    *tool = (tfc_tool){0};
    tfc_manifest m = {.folder = folder, .arena = arena, .tool = tool, .err = err ? err : &own};
    if (n > TFC_MANIFEST_BYTES_MAX)
        return tfc_fail(err, TFC_ELIMIT, "%s: larger than %d bytes", what, TFC_MANIFEST_BYTES_MAX);
    m.root = tfc_json_parse(text, n, what, m.err);
    if (!m.root) return m.err->status;
    drop_all_comments(m.root);
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

void tfc_manifest_release(tfc_tool *tool)
{
    tfc_pattern_free(tool->text_pattern);
    tfc_pattern_free(tool->place_pattern);
    tool->text_pattern = tool->place_pattern = NULL;
    tfc_propose_release(tool);
}
