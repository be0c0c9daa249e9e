/* tools/args_json.h: a call's text and the arguments that it stands for, by the JSON Schema of a manifest.
 *
 * Text form. No property: the text is empty. One: the whole text is its value; double quotes around it are
 * taken off. More: values separated by commas, in the schema's order; a value in double quotes may hold
 * commas; `name=value` and `name: value` name theirs. An empty place (`a,,c`) is an argument left out: it
 * gets its default where it has one. Numbers are written as in JSON, also `.5`, `+3` and `1,400` (that one in
 * quotes where a comma separates); booleans are true and false in any case. There is no escape: a value that
 * holds a double quote, a bracket or a line break has no text form. */
#ifndef TFC_TOOLS_ARGS_JSON_H
#define TFC_TOOLS_ARGS_JSON_H

#include "base/json.h"
#include "tools/tool.h"

/* One property of a schema. */
typedef enum tfc_arg_type { TFC_ARG_STRING, TFC_ARG_NUMBER, TFC_ARG_INTEGER, TFC_ARG_BOOLEAN } tfc_arg_type;
typedef struct tfc_arg {
    const char *name;
    tfc_arg_type type;
    bool required;
    const char *fallback;       /* its default as JSON text, or NULL */
    const char *const *choices; /* [n_choices] the values of "enum" as JSON text */
    size_t n_choices;
    double low, high; /* numbers: minimum and maximum; strings: minLength and maxLength in characters */
    bool low_excluded, high_excluded;
} tfc_arg;

struct tfc_args_schema {
    size_t n;
    tfc_arg *args; /* [n] in the order of the text form */
};

/* A JSON Schema: {"type": "object", "properties", "required", …}, properties of type string, number, integer
 * or boolean (with null beside it: optional), with enum, default, minimum, maximum, exclusiveMinimum,
 * exclusiveMaximum, minLength, maxLength. What only describes is allowed and ignored; any other keyword is
 * refused by name. order: an array with all names, or NULL: as the properties stand. */
tfc_status tfc_args_schema_read(tfc_json *schema, tfc_json *order, tfc_arena *arena,
                                const tfc_args_schema **out, tfc_error *err);

/* The text → a JSON object that keeps to the schema, defaults filled in; for a tool without a schema the text
 * itself as a JSON string. *out is the caller's (json_object_put). TFC_ENORESULT: the text does not keep to
 * it; err says where. Thread-safe. */
tfc_status tfc_args_to_json(const tfc_tool *tool, const char *args, tfc_json **out, tfc_error *err);

/* The way back: *args is the caller's (tfc_free) and gives the same object again. TFC_EFORMAT: the object
 * does not keep to the schema or has no text form. */
tfc_status tfc_args_from_json(const tfc_tool *tool, tfc_json *object, char **args, tfc_error *err);

#endif
