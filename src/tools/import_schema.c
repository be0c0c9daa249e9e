/* Servers write schemas by generators: with references, titles, annotations and types that no text can hold.
 * What says something about a single value is kept; a property that is refused as a manifest's is dropped
 * where the server can do without it. */
#include "tools/import_schema.h"

#include <strings.h>

#include "tools/args_json.h"
#include "tools/http_client.h"

enum { REFERENCES_MAX = 8 };

static bool is_object(tfc_json *value)
{
    return json_object_is_type(value, json_type_object);
}

/* Follows {"$ref": "#/$defs/Name"}. NULL: it leads nowhere. */
static tfc_json *resolve(tfc_json *root, tfc_json *property)
{
    for (int i = 0; i < REFERENCES_MAX && is_object(property); i++) {
        tfc_json *ref = NULL, *group = NULL, *target = NULL;
        if (!json_object_object_get_ex(property, "$ref", &ref)) return property;
        const char *text = json_object_is_type(ref, json_type_string) ? json_object_get_string(ref) : "";
        const char *name = strncmp(text, "#/$defs/", 8) == 0          ? text + 8
                           : strncmp(text, "#/definitions/", 14) == 0 ? text + 14
                                                                      : NULL;
        if (!name || strchr(name, '/')) return NULL;
        json_object_object_get_ex(root, name == text + 8 ? "$defs" : "definitions", &group);
        if (is_object(group)) json_object_object_get_ex(group, name, &target);
        property = target;
    }
    return NULL;
}

/* The keywords of a value that manifests know; those of a null alternative go up. */
static tfc_json *simplify(tfc_json *root, tfc_json *property)
{
    static const char *const kept[] = {"type",
                                       "anyOf",
                                       "enum",
                                       "default",
                                       "minimum",
                                       "maximum",
                                       "minLength",
                                       "exclusiveMinimum",
                                       "exclusiveMaximum",
                                       "description",
                                       "maxLength",
                                       "examples"};
    tfc_json *out = json_object_new_object(), *any = NULL;
    for (size_t i = 0; out && i < sizeof kept / sizeof *kept; i++) {
        tfc_json *value = NULL;
        if (!json_object_object_get_ex(property, kept[i], &value)) continue;
        if (!value && strcmp(kept[i], "default") == 0) continue; /* null: left out means the same */
        json_object_object_add(out, kept[i], json_object_get(value));
    }
    if (!out || !json_object_object_get_ex(out, "anyOf", &any) || !json_object_is_type(any, json_type_array))
        return out;
    tfc_json *list = json_object_new_array();
    for (size_t i = 0; list && i < json_object_array_length(any); i++) {
        tfc_json *entry = resolve(root, json_object_array_get_idx(any, i));
        tfc_json *simple = NULL;
        if (is_object(entry) && !json_object_object_get_ex(entry, "anyOf", NULL))
            simple = simplify(root, entry);
        json_object_array_add(list, simple);
    }
    json_object_object_add(out, "anyOf", list);
    return out;
}

/* True when a manifest takes the schema of this one property. */
static tfc_status acceptable(const char *name, tfc_json *property, tfc_error *err)
{
    tfc_json *schema = json_object_new_object(), *properties = json_object_new_object();
    tfc_arena arena = {0};
    const tfc_args_schema *read;
    tfc_status status = tfc_fail_memory(err, "schema");
    if (schema && properties && json_object_object_add(properties, name, json_object_get(property)) == 0 &&
        json_object_object_add(schema, "type", json_object_new_string("object")) == 0 &&
        json_object_object_add(schema, "properties", json_object_get(properties)) == 0)
        status = tfc_args_schema_read(schema, NULL, &arena, &read, err);
    json_object_put(properties);
    json_object_put(schema);
    tfc_arena_release(&arena);
    return status;
}

static bool is_required(tfc_json *input, const char *name)
{
    tfc_json *required = NULL;
    json_object_object_get_ex(input, "required", &required);
    if (!json_object_is_type(required, json_type_array)) return false;
    for (size_t i = 0; i < json_object_array_length(required); i++) {
        tfc_json *entry = json_object_array_get_idx(required, i);
        if (json_object_is_type(entry, json_type_string) && strcmp(json_object_get_string(entry), name) == 0)
            return true;
    }
    return false;
}

/* The type of a simplified property, of its first alternative where it has several. */
static const char *type_of(tfc_json *property)
{
    tfc_json *type = NULL, *any = NULL;
    if (!json_object_object_get_ex(property, "type", &type) &&
        json_object_object_get_ex(property, "anyOf", &any))
        for (size_t i = 0; i < json_object_array_length(any); i++) {
            tfc_json *entry = json_object_array_get_idx(any, i);
            if (!is_object(entry) || !json_object_object_get_ex(entry, "type", &type)) continue;
            if (json_object_is_type(type, json_type_string) &&
                strcmp(json_object_get_string(type), "null") != 0)
                break;
        }
    if (json_object_is_type(type, json_type_array))
        for (size_t i = 0; i < json_object_array_length(type); i++) {
            const char *name = json_object_get_string(json_object_array_get_idx(type, i));
            if (name && strcmp(name, "null") != 0) return name;
        }
    return json_object_is_type(type, json_type_string) ? json_object_get_string(type) : "string";
}

/* x-mcp-header of a property: its rules, and no name twice. */
static tfc_status add_header(tfc_json *headers, const char *name, tfc_json *property, tfc_json *simple,
                             tfc_error *err)
{
    tfc_json *header = NULL;
    if (!json_object_object_get_ex(property, "x-mcp-header", &header)) return TFC_OK;
    const char *text = json_object_is_type(header, json_type_string) ? json_object_get_string(header) : "";
    bool fine = tfc_http_token_valid(text) && strcmp(type_of(simple), "number") != 0;
    json_object_object_foreach(headers, other, value)
    {
        (void)value;
        fine = fine && strcasecmp(other, text) != 0;
    }
    if (!fine)
        return tfc_fail(err, TFC_EUNSUPPORTED, "the x-mcp-header of its argument '%.60s' is not valid", name);
    json_object_object_add(headers, text, json_object_new_string(name));
    return TFC_OK;
}

/* A value that a description gives in quotes: … (e.g., 'Europe/London', …). */
static tfc_json *quoted_example(const char *description)
{
    const char *at = strstr(description, "e.g.");
    if (at) at = strpbrk(at, "'\"`");
    size_t n = at ? strcspn(at + 1, (char[]){*at, '\0'}) : 0;
    if (n == 0 || n > 60 || !at[n + 1] || memchr(at + 1, ']', n) || memchr(at + 1, '[', n)) return NULL;
    return json_object_new_string_len(at + 1, (int)n);
}

/* A value for the skeleton of a demonstration: one that the schema names, else one of its type. */
static tfc_json *sample_value(const char *name, tfc_json *property)
{
    tfc_json *found = NULL, *description = NULL;
    static const char *const lists[] = {"examples", "enum"};
    for (size_t i = 0; i < 2; i++)
        if (json_object_object_get_ex(property, lists[i], &found) &&
            json_object_is_type(found, json_type_array) && json_object_array_length(found) > 0)
            return json_object_get(json_object_array_get_idx(found, 0));
    if (json_object_object_get_ex(property, "default", &found) && found) return json_object_get(found);
    const char *type = type_of(property);
    if (strcmp(type, "boolean") == 0) return json_object_new_boolean(true);
    if (strcmp(type, "string") != 0)
        return json_object_object_get_ex(property, "minimum", &found) ? json_object_get(found)
                                                                      : json_object_new_int(1);
    json_object_object_get_ex(property, "description", &description);
    const char *text =
        json_object_is_type(description, json_type_string) ? json_object_get_string(description) : "";
    tfc_json *example = quoted_example(text);
    if (example) return example;
    return json_object_new_string(strstr(text, "HH:MM")        ? "12:00"
                                  : strstr(text, "YYYY-MM-DD") ? "2023-01-30"
                                                               : name);
}

/* True when an x-mcp-header stands where no chain of "properties" alone leads. */
static bool misplaced_header(tfc_json *value, bool reachable)
{
    if (json_object_is_type(value, json_type_array))
        for (size_t i = 0; i < json_object_array_length(value); i++)
            if (misplaced_header(json_object_array_get_idx(value, i), false)) return true;
    if (!is_object(value)) return false;
    json_object_object_foreach(value, key, member)
    {
        bool properties = reachable && strcmp(key, "properties") == 0 && is_object(member);
        if (strcmp(key, "x-mcp-header") == 0 && !reachable) return true;
        if (!properties && misplaced_header(member, false)) return true;
        if (!properties) continue;
        json_object_object_foreach(member, name, property)
        {
            (void)name;
            if (misplaced_header(property, true)) return true;
        }
    }
    return false;
}

/* One property: into the schema, or out where the server can do without it. */
static tfc_status take_property(tfc_json *input, const char *name, tfc_json *property, bool remote,
                                tfc_json *properties, tfc_json *required, tfc_json *headers, tfc_json *sample,
                                tfc_error *err)
{
    bool needed = is_required(input, name);
    tfc_json *resolved = resolve(input, property);
    tfc_json *simple = resolved ? simplify(input, resolved) : NULL;
    tfc_error why;
    tfc_error_init(&why);
    tfc_status status =
        simple ? acceptable(name, simple, &why) : tfc_fail(&why, TFC_EUNSUPPORTED, "no schema");
    if (status == TFC_OK && remote) status = add_header(headers, name, property, simple, &why);
    if (status == TFC_OK) {
        json_object_object_add(properties, name, json_object_get(simple));
        if (needed) json_object_array_add(required, json_object_new_string(name));
        if (needed) json_object_object_add(sample, name, sample_value(name, simple));
    } else if (needed || (remote && json_object_object_get_ex(property, "x-mcp-header", NULL))) {
        status = tfc_fail(err, TFC_EUNSUPPORTED, "its argument '%.60s': %.300s", name, why.message);
    } else {
        status = TFC_OK;
    }
    json_object_put(simple);
    return status;
}

tfc_status tfc_import_schema(tfc_json *input, bool remote, tfc_json **schema, tfc_json **headers,
                             tfc_json **sample, tfc_error *err)
{
    tfc_json *given = NULL, *properties = json_object_new_object(), *required = json_object_new_array();
    *schema = json_object_new_object();
    *headers = json_object_new_object();
    *sample = json_object_new_object();
    bool ok = properties && required && *schema && *headers && *sample;
    tfc_status status = ok ? TFC_OK : tfc_fail_memory(err, "schema");
    if (ok && remote && misplaced_header(input, true))
        status = tfc_fail(err, TFC_EUNSUPPORTED, "an x-mcp-header stands where it may not");
    if (status == TFC_OK && !is_object(input))
        status = tfc_fail(err, TFC_EUNSUPPORTED, "it has no schema of its arguments");
    if (status == TFC_OK && json_object_object_get_ex(input, "properties", &given) && is_object(given)) {
        json_object_object_foreach(given, name, property)
        {
            if (status == TFC_OK && is_object(property))
                status = take_property(input, name, property, remote, properties, required, *headers, *sample,
                                       err);
        }
    }
    if (status == TFC_OK &&
        json_object_object_length(*sample) == 0) { /* all may be left out: the first is shown */
        json_object_object_foreach(properties, name, property)
        {
            json_object_object_add(*sample, name, sample_value(name, property));
            break;
        }
    }
    if (status == TFC_OK) {
        json_object_object_add(*schema, "type", json_object_new_string("object"));
        json_object_object_add(*schema, "properties", json_object_get(properties));
        json_object_object_add(*schema, "required", json_object_get(required));
    } else {
        json_object_put(*schema);
        json_object_put(*headers);
        json_object_put(*sample);
        *schema = *headers = *sample = NULL;
    }
    json_object_put(properties);
    json_object_put(required);
    return status;
}
