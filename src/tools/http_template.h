/* tools/http_template.h: texts with places that a call fills: {args}, {date}, {NAME} (one argument of the
 * tool's schema), ${ENV:NAME} (a variable of the environment). Anything else in braces is text. */
#ifndef TFC_TOOLS_HTTP_TEMPLATE_H
#define TFC_TOOLS_HTTP_TEMPLATE_H

#include "base/json.h"

/* How what is filled in is written. */
typedef enum tfc_template_escape {
    TFC_ESCAPE_NONE,
    TFC_ESCAPE_URL,  /* percent-encoded, all but letters, digits and -._~ */
    TFC_ESCAPE_JSON, /* as the inside of a JSON string */
    TFC_ESCAPE_VALUE /* as a JSON value: an argument keeps its type */
} tfc_template_escape;

typedef enum tfc_template_kind {
    TFC_PART_TEXT,
    TFC_PART_ARGS,
    TFC_PART_DATE,
    TFC_PART_ARGUMENT,
    TFC_PART_VARIABLE
} tfc_template_kind;

typedef struct tfc_template_part {
    tfc_template_kind kind;
    tfc_template_escape escape;
    const char *text; /* [n] the text; an argument's or a variable's name */
    size_t n;
} tfc_template_part;

typedef struct tfc_template {
    const tfc_template_part *parts;
    size_t n;
} tfc_template;

/* What a call fills in. */
typedef struct tfc_template_values {
    const char *args, *date;
    tfc_json *arguments; /* an object, or NULL: no argument has a value */
} tfc_template_values;

/* Reads a text; all lives in the arena. */
tfc_status tfc_template_read(const char *text, size_t n, tfc_template_escape escape, tfc_arena *arena,
                             tfc_template *out, tfc_error *err);
/* Reads a JSON value whose strings are templates; a string that is {NAME} alone becomes the argument's value
 * with its type. */
tfc_status tfc_template_read_json(tfc_json *value, tfc_arena *arena, tfc_template *out, tfc_error *err);
/* Appends the filled text. TFC_ENORESULT: an argument that cannot stand there. */
tfc_status tfc_template_fill(const tfc_template *template, const tfc_template_values *values, tfc_buffer *out,
                             tfc_error *err);

#endif
