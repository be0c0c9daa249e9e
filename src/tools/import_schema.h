/* tools/import_schema.h: a server's JSON Schema → one that a manifest can have. */
#ifndef TFC_TOOLS_IMPORT_SCHEMA_H
#define TFC_TOOLS_IMPORT_SCHEMA_H

#include "base/json.h"

/* *schema: an object schema of the properties that have a text form; optional ones without are left out.
 * *headers: {"Region": "region"} of the x-mcp-header annotations (empty unless `remote`). *sample: arguments
 * that keep to it. All three are the caller's. TFC_EUNSUPPORTED: an argument that is needed has no text form,
 * or an annotation breaks the rules of the revision 2026-07-28. */
tfc_status tfc_import_schema(tfc_json *input, bool remote, tfc_json **schema, tfc_json **headers,
                             tfc_json **sample, tfc_error *err);

#endif
