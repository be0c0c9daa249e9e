/* Reading the JSON Schema of a tool's arguments. A keyword that is not understood would let wrong arguments
 * through in silence, so it is refused; what only describes is let pass. */
#include <math.h>

#include "tools/args_json.h"

enum { ARGS_MAX = 64 };

static const char *const type_names[] = {"string", "number", "integer", "boolean"};

static tfc_status read_type_name(const char *name, tfc_arg *arg, bool *is_null, tfc_error *err)
{
    *is_null = strcmp(name, "null") == 0;
    for (int i = 0; i < 4; i++)
        if (strcmp(name, type_names[i]) == 0) {
            arg->type = (tfc_arg_type)i;
            return TFC_OK;
        }
    if (*is_null) return TFC_OK;
    return tfc_fail(err, TFC_EUNSUPPORTED,
                    "type '%.40s' has no text form; string, number, integer and boolean have", name);
}

/* One type, and maybe null: ["string", "null"]. */
static tfc_status read_types(tfc_json *types, tfc_arg *arg, bool *nullable, tfc_error *err)
{
    size_t n = json_object_array_length(types), n_types = 0;
    for (size_t i = 0; i < n; i++) {
        tfc_json *entry = json_object_array_get_idx(types, i);
        bool is_null;
        if (!json_object_is_type(entry, json_type_string))
            return tfc_fail(err, TFC_EFORMAT, "type: strings expected");
        tfc_status status = read_type_name(json_object_get_string(entry), arg, &is_null, err);
        if (status != TFC_OK) return status;
        *nullable = *nullable || is_null;
        n_types += !is_null;
    }
    if (n_types != 1) return tfc_fail(err, TFC_EUNSUPPORTED, "type: one expected, or one beside null");
    return TFC_OK;
}

/* "type", a name or an array of names. */
static tfc_status read_type(tfc_json *property, tfc_arg *arg, bool *nullable, tfc_error *err)
{
    tfc_json *type;
    const char *name;
    if (json_object_object_get_ex(property, "type", &type) && json_object_is_type(type, json_type_array))
        return read_types(type, arg, nullable, err);
    tfc_status status = tfc_json_get_text(property, "type", &name, NULL, NULL, err);
    bool is_null = false;
    if (status == TFC_OK) status = read_type_name(name, arg, &is_null, err);
    return status == TFC_OK && is_null ? tfc_fail(err, TFC_EUNSUPPORTED, "type: null alone says nothing")
                                       : status;
}

/* anyOf [{"type": T, …}, {"type": "null"}], as generators of schemas write an optional T: *inner is the
 * first. */
static tfc_status read_any_of(tfc_json *property, tfc_json **inner, bool *nullable, tfc_error *err)
{
    tfc_json *any;
    bool found;
    *inner = property;
    tfc_status status = tfc_json_get_array(property, "anyOf", &any, &found, err);
    if (status != TFC_OK || !found) return status;
    size_t n = json_object_array_length(any), n_types = 0;
    for (size_t i = 0; i < n; i++) {
        tfc_json *entry = json_object_array_get_idx(any, i), *type;
        if (!json_object_is_type(entry, json_type_object) || !json_object_object_get_ex(entry, "type", &type))
            return tfc_fail(err, TFC_EUNSUPPORTED, "anyOf: objects with a type expected");
        bool is_null =
            json_object_is_type(type, json_type_string) && strcmp(json_object_get_string(type), "null") == 0;
        if (is_null)
            *nullable = true;
        else
            *inner = entry, n_types++;
    }
    if (n_types != 1)
        return tfc_fail(err, TFC_EUNSUPPORTED, "anyOf: one type beside null expected, not %zu", n_types);
    return TFC_OK;
}

static const char *json_text(tfc_json *value, tfc_arena *arena)
{
    const char *text =
        json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    return text ? tfc_arena_strndup(arena, text, strlen(text)) : NULL;
}

static bool has_type(tfc_json *value, tfc_arg_type type)
{
    switch (type) {
    case TFC_ARG_STRING:
        return json_object_is_type(value, json_type_string);
    case TFC_ARG_BOOLEAN:
        return json_object_is_type(value, json_type_boolean);
    case TFC_ARG_INTEGER:
        return json_object_is_type(value, json_type_int);
    case TFC_ARG_NUMBER:
    default:
        return json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
    }
}

static tfc_status read_choices(tfc_json *property, tfc_arg *arg, tfc_arena *arena, tfc_error *err)
{
    tfc_json *array;
    bool found;
    tfc_status status = tfc_json_get_array(property, "enum", &array, &found, err);
    if (status != TFC_OK || !found) return status;
    size_t n = json_object_array_length(array);
    const char **choices = tfc_arena_alloc(arena, n, sizeof *choices);
    if (!choices) return tfc_fail_memory(err, "enum");
    for (size_t i = 0; i < n; i++) {
        tfc_json *value = json_object_array_get_idx(array, i);
        if (!value) continue; /* null: an optional argument left out */
        if (!has_type(value, arg->type))
            return tfc_fail(err, TFC_EFORMAT, "enum[%zu]: %s expected", i, type_names[arg->type]);
        choices[arg->n_choices] = json_text(value, arena);
        if (!choices[arg->n_choices++]) return tfc_fail_memory(err, "enum");
    }
    if (arg->n_choices == 0) return tfc_fail(err, TFC_EFORMAT, "enum is empty: no value is allowed");
    arg->choices = choices;
    return TFC_OK;
}

/* One bound; the exclusive one of two wins, as both have to hold and nobody writes both. */
static tfc_status read_bound(tfc_json *property, const char *key, double *bound, bool *found, tfc_error *err)
{
    return tfc_json_get_double(property, key, bound, found, err);
}

static tfc_status read_bounds(tfc_json *property, tfc_arg *arg, tfc_error *err)
{
    bool text = arg->type == TFC_ARG_STRING, found;
    arg->low = -INFINITY;
    arg->high = INFINITY;
    tfc_status status = read_bound(property, text ? "minLength" : "minimum", &arg->low, &found, err);
    if (status == TFC_OK)
        status = read_bound(property, text ? "maxLength" : "maximum", &arg->high, &found, err);
    if (status == TFC_OK && !text)
        status = read_bound(property, "exclusiveMinimum", &arg->low, &arg->low_excluded, err);
    if (status == TFC_OK && !text)
        status = read_bound(property, "exclusiveMaximum", &arg->high, &arg->high_excluded, err);
    if (status == TFC_OK && arg->low > arg->high)
        return tfc_fail(err, TFC_EFORMAT, "no value lies between %g and %g", arg->low, arg->high);
    return status;
}

static tfc_status read_fallback(tfc_json *property, tfc_arg *arg, tfc_arena *arena, tfc_error *err)
{
    tfc_json *value;
    if (!json_object_object_get_ex(property, "default", &value) || !value) return TFC_OK;
    if (!has_type(value, arg->type))
        return tfc_fail(err, TFC_EFORMAT, "default: %s expected", type_names[arg->type]);
    arg->fallback = json_text(value, arena);
    return arg->fallback ? TFC_OK : tfc_fail_memory(err, "default");
}

static const char *const bounds_of[4] = {"minLength", "maxLength", NULL, NULL};

/* The keywords of a property of that type. */
static tfc_status only_keywords(tfc_json *property, tfc_arg_type type, tfc_error *err)
{
    static const char *const common[] = {"type",       "anyOf",       "enum",     "default",
                                         "title",      "examples",    "readOnly", "writeOnly",
                                         "deprecated", "description", "format",   "$comment"};
    static const char *const numbers[] = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};
    const char *keys[sizeof common / sizeof *common + 5] = {0};
    size_t n = sizeof common / sizeof *common;
    memcpy(keys, common, sizeof common);
    for (size_t i = 0; i < 4; i++) {
        const char *key = type == TFC_ARG_STRING ? bounds_of[i] : type == TFC_ARG_BOOLEAN ? NULL : numbers[i];
        if (key) keys[n++] = key;
    }
    return tfc_json_only_keys(property, keys, err);
}

static tfc_status read_property(tfc_json *property, tfc_arg *arg, bool *nullable, tfc_arena *arena,
                                tfc_error *err)
{
    tfc_json *inner;
    if (!json_object_is_type(property, json_type_object))
        return tfc_fail(err, TFC_EFORMAT, "object expected");
    tfc_status status = read_any_of(property, &inner, nullable, err);
    if (status == TFC_OK) status = read_type(inner, arg, nullable, err);
    if (status == TFC_OK) status = only_keywords(property, arg->type, err);
    if (status == TFC_OK && inner != property) status = only_keywords(inner, arg->type, err);
    if (status == TFC_OK) status = read_choices(inner, arg, arena, err);
    if (status == TFC_OK) status = read_bounds(inner, arg, err);
    if (status == TFC_OK) status = read_fallback(property, arg, arena, err);
    return status;
}

static tfc_arg *find_arg(tfc_args_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->n; i++)
        if (strcmp(schema->args[i].name, name) == 0) return &schema->args[i];
    return NULL;
}

static tfc_status read_required(tfc_json *json, tfc_args_schema *schema, const bool *nullable, tfc_error *err)
{
    tfc_json *array;
    bool found;
    tfc_status status = tfc_json_get_array(json, "required", &array, &found, err);
    if (status != TFC_OK || !found) return status;
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        tfc_json *entry = json_object_array_get_idx(array, i);
        const char *name = json_object_is_type(entry, json_type_string) ? json_object_get_string(entry) : "";
        tfc_arg *arg = find_arg(schema, name);
        if (!arg) return tfc_fail(err, TFC_EFORMAT, "required[%zu]: '%.60s' is no property", i, name);
        arg->required = !nullable[arg - schema->args];
    }
    return TFC_OK;
}

/* Puts the arguments into the order that the manifest names. */
static tfc_status read_order(tfc_json *order, tfc_args_schema *schema, tfc_arena *arena, tfc_error *err)
{
    size_t n = json_object_array_length(order);
    if (n != schema->n)
        return tfc_fail(err, TFC_EFORMAT, "order names %zu arguments; the schema has %zu properties", n,
                        schema->n);
    tfc_arg *args = tfc_arena_alloc(arena, n, sizeof *args);
    if (!args) return tfc_fail_memory(err, "order");
    for (size_t i = 0; i < n; i++) {
        tfc_json *entry = json_object_array_get_idx(order, i);
        const char *name = json_object_is_type(entry, json_type_string) ? json_object_get_string(entry) : "";
        const tfc_arg *arg = find_arg(schema, name);
        if (!arg) return tfc_fail(err, TFC_EFORMAT, "order[%zu]: '%.60s' is no property", i, name);
        for (size_t j = 0; j < i; j++)
            if (strcmp(args[j].name, name) == 0)
                return tfc_fail(err, TFC_EFORMAT, "order[%zu]: '%.60s' stands there twice", i, name);
        args[i] = *arg;
    }
    schema->args = args;
    return TFC_OK;
}

/* A name as it can stand before `=` in a call. */
static bool name_valid(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= 64 && strcspn(name, " \t\r\n\"'()[]{}=:,") == n;
}

static tfc_status read_properties(tfc_json *properties, tfc_args_schema *schema, bool *nullable,
                                  tfc_arena *arena, tfc_error *err)
{
    json_object_object_foreach(properties, name, property)
    {
        tfc_arg *arg = &schema->args[schema->n];
        if (!name_valid(name))
            return tfc_fail(err, TFC_EFORMAT, "properties: '%.80s' cannot name an argument in a call", name);
        arg->name = tfc_arena_strndup(arena, name, strlen(name));
        if (!arg->name) return tfc_fail_memory(err, "schema");
        tfc_status status = read_property(property, arg, &nullable[schema->n], arena, err);
        if (status != TFC_OK) {
            tfc_error_prefix(err, "properties: %s", name);
            return status;
        }
        schema->n++;
    }
    return TFC_OK;
}

tfc_status tfc_args_schema_read(tfc_json *json, tfc_json *order, tfc_arena *arena,
                                const tfc_args_schema **out, tfc_error *err)
{
    static const char *const keys[] = {"type",  "properties",  "required", "additionalProperties",
                                       "title", "description", "examples", "$schema",
                                       "$id",   "$comment",    NULL};
    const char *type;
    tfc_json *properties = NULL;
    bool nullable[ARGS_MAX] = {false}, found;
    tfc_status status = tfc_json_only_keys(json, keys, err);
    if (status == TFC_OK) status = tfc_json_get_text(json, "type", &type, NULL, NULL, err);
    if (status == TFC_OK && strcmp(type, "object") != 0)
        status = tfc_fail(err, TFC_EUNSUPPORTED, "type must be object, not '%.40s'", type);
    if (status == TFC_OK) status = tfc_json_get_object(json, "properties", &properties, &found, err);
    if (status != TFC_OK) return status;
    size_t n = found ? (size_t)json_object_object_length(properties) : 0;
    if (n > ARGS_MAX) return tfc_fail(err, TFC_ELIMIT, "more than %d properties", ARGS_MAX);
    tfc_args_schema *schema = tfc_arena_alloc(arena, 1, sizeof *schema);
    if (schema) schema->args = tfc_arena_alloc(arena, n, sizeof *schema->args);
    if (!schema || !schema->args) return tfc_fail_memory(err, "schema");
    if (n) status = read_properties(properties, schema, nullable, arena, err);
    if (status == TFC_OK) status = read_required(json, schema, nullable, err);
    if (status == TFC_OK && order) status = read_order(order, schema, arena, err);
    if (status == TFC_OK) *out = schema;
    return status;
}
