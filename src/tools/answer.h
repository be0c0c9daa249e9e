/* tools/answer.h: what programs answer: bytes → a text, a line of JSON → one of three kinds of answer. */
#ifndef TFC_TOOLS_ANSWER_H
#define TFC_TOOLS_ANSWER_H

#include "base/status.h"

typedef enum tfc_answer_kind {
    TFC_ANSWER_RESULT, /* {"id": N, "result": TEXT} */
    TFC_ANSWER_NONE,   /* {"id": N, "error": TEXT}: these arguments have no result, and why */
    TFC_ANSWER_FAILURE /* {"id": N, "failure": TEXT}: the tool does not work, and why */
} tfc_answer_kind;

typedef struct tfc_answer {
    int64_t id;
    tfc_answer_kind kind;
    char *text; /* tfc_text_free; well-formed UTF-8 without NULs */
} tfc_answer;

/* One line without its line break. Bytes that are no UTF-8 become U+FFFD before it is read. Anything but the
 * three forms: TFC_EFORMAT. */
tfc_status tfc_answer_parse(const char *line, size_t n, tfc_answer *answer, tfc_error *err);

/* The bytes as well-formed UTF-8: what is not, and NULs, become U+FFFD. The caller's (tfc_text_free); NULL:
 * out of memory. What a result may hold beside that is settled where it is printed (toolformer/calls.h). */
char *tfc_text_repair(const char *bytes, size_t n);

/* The text without the white space at its ends. */
void tfc_text_trim(const char **text, size_t *n);

#endif
