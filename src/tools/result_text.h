/* tools/result_text.h: from what a remote tool sent to a result. */
#ifndef TFC_TOOLS_RESULT_TEXT_H
#define TFC_TOOLS_RESULT_TEXT_H

#include "base/json.h"

/* Bytes → UTF-8 text on the heap: broken characters and NULs become U+FFFD, blanks and line breaks at the
 * ends go. Nothing left: TFC_ENORESULT. */
tfc_status tfc_result_text(const char *bytes, size_t n, char **result, tfc_error *err);
/* A JSON value → text: a string as it is, null is no result, anything else as JSON. */
tfc_status tfc_result_json(tfc_json *value, char **result, tfc_error *err);
/* The value at a JSON pointer (RFC 6901; "" is all of it); NULL when there is none. */
tfc_json *tfc_json_at(tfc_json *value, const char *pointer);
bool tfc_json_pointer_valid(const char *pointer);
/* A short piece of an answer for a message: at most ~160 bytes, one line. */
void tfc_result_excerpt(const char *bytes, size_t n, char out[200]);

#endif
