/* The demonstrations of a manifest. They must give their input back when their calls are taken out, and the
 * calls must be ones that the tool's form allows: a slip there would spoil every prompt in silence. */
#include "tools/args_json.h"
#include "tools/manifest_inside.h"

/* The names whose calls a demonstration may hold: the tool's own, then those of `after`. */
static tfc_status demonstrated_names(tfc_manifest *m, const char *const **names, size_t *n)
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
static tfc_status check_calls(tfc_manifest *m, const char *output, const char *const *names, size_t n_names)
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

static tfc_status check_demonstration(tfc_manifest *m, const tfc_demonstration *d)
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

/* "results": what the demonstration's calls give, one for each, in order. */
static tfc_status read_results(tfc_manifest *m, tfc_json *entry, tfc_demonstration *out)
{
    tfc_json *array;
    bool found;
    const char *const *names = NULL;
    size_t n_names = 0, n_calls = 0, n_output = strlen(out->output);
    tfc_status status = tfc_json_get_array(entry, "results", &array, &found, m->err);
    if (status != TFC_OK || !found) return status;
    status = demonstrated_names(m, &names, &n_names);
    if (status != TFC_OK) return status;
    tfc_call_span span;
    for (size_t at = 0; tfc_calls_scan(out->output, n_output, at, names, n_names, &span); at = span.end)
        n_calls++;
    if (json_object_array_length(array) != n_calls)
        return tfc_fail(m->err, TFC_EFORMAT, "results: %zu of them for %zu calls",
                        json_object_array_length(array), n_calls);
    const char **results = tfc_arena_alloc(m->arena, n_calls, sizeof *results);
    if (!results) return tfc_fail_memory(m->err, "results");
    for (size_t i = 0; i < n_calls; i++) {
        tfc_json *text = json_object_array_get_idx(array, i);
        if (!json_object_is_type(text, json_type_string) || json_object_get_string_len(text) == 0)
            return tfc_fail(m->err, TFC_EFORMAT, "results[%zu]: a text expected", i);
        results[i] = tfc_arena_strndup(m->arena, json_object_get_string(text),
                                       (size_t)json_object_get_string_len(text));
        if (!results[i]) return tfc_fail_memory(m->err, "results");
    }
    out->results = results;
    return TFC_OK;
}

static tfc_status read_demonstration(tfc_manifest *m, tfc_json *entry, tfc_demonstration *out)
{
    static const char *const keys[] = {"input", "output", "date", "results", NULL};
    bool dated;
    if (!json_object_is_type(entry, json_type_object))
        return tfc_fail(m->err, TFC_EFORMAT, "object expected");
    tfc_status status = tfc_json_only_keys(entry, keys, m->err);
    if (status == TFC_OK) status = tfc_manifest_text(m, entry, "input", &out->input, NULL);
    if (status == TFC_OK) status = tfc_manifest_text(m, entry, "output", &out->output, NULL);
    if (status == TFC_OK) status = tfc_manifest_text(m, entry, "date", &out->date, &dated);
    if (status == TFC_OK) status = check_demonstration(m, out);
    return status == TFC_OK ? read_results(m, entry, out) : status;
}

tfc_status tfc_manifest_demonstrations(tfc_manifest *m, const char *key, const tfc_demonstration **out,
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
