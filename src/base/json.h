/* base/json.h: json-c behind the checks that we want everywhere.
 *
 * tfc_json_parse refuses invalid UTF-8, NUL bytes, NaN and infinities, lone surrogates, more than 64 levels,
 * duplicate keys and anything after the value; the error names the byte. The getters name the key and what
 * was expected. A tree is released with json_object_put. */
#ifndef TFC_BASE_JSON_H
#define TFC_BASE_JSON_H

#include <json-c/json.h>

#include "base/memory.h"

typedef struct json_object tfc_json;

/* NULL and err on failure. `what` names the source in messages ("config.json", "line 12"). The JSON value
 * null is returned as NULL with err untouched only at the top level, so it is refused there. */
tfc_json *tfc_json_parse(const char *text, size_t n, const char *what, tfc_error *err);
tfc_json *tfc_json_parse_file(const char *path, size_t max_bytes, tfc_error *err);

/* Missing key, or null: found = false (may be NULL, then it is an error that names the key). Wrong kind:
 * error. */
tfc_status tfc_json_get_int(tfc_json *object, const char *key, int64_t low, int64_t high, int64_t *out,
                            bool *found, tfc_error *err);
tfc_status tfc_json_get_double(tfc_json *object, const char *key, double *out, bool *found, tfc_error *err);
tfc_status tfc_json_get_bool(tfc_json *object, const char *key, bool *out, bool *found, tfc_error *err);
/* *out borrows; *n its bytes (may hold NULs). */
tfc_status tfc_json_get_text(tfc_json *object, const char *key, const char **out, size_t *n, bool *found,
                             tfc_error *err);
tfc_status tfc_json_get_object(tfc_json *object, const char *key, tfc_json **out, bool *found,
                               tfc_error *err);
tfc_status tfc_json_get_array(tfc_json *object, const char *key, tfc_json **out, bool *found, tfc_error *err);

/* Refuses a key that is not in the NULL-terminated list (typing errors in manifests and recipes). */
tfc_status tfc_json_only_keys(tfc_json *object, const char *const *keys, tfc_error *err);

/* A copy of `base` with the members of `over` put into it: objects go member by member, anything else of
 * `over` takes the place of what was there, null included. The caller's; NULL: no memory. */
tfc_json *tfc_json_merge(tfc_json *base, tfc_json *over);

#endif
