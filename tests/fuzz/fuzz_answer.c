/* Answers of programs: a line is an answer with a well-formed text, or refused with a reason. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tools/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tfc_answer answer;
    tfc_error err;
    tfc_error_init(&err);
    tfc_status status = tfc_answer_parse((const char *)data, n, &answer, &err);
    if (status == TFC_OK && (answer.id < 0 || !tfc_utf8_valid(answer.text, strlen(answer.text), &n))) abort();
    if (status != TFC_OK && (answer.text || !*err.message)) abort();
    tfc_text_free(answer.text);
    char *text = tfc_text_repair((const char *)data, n);
    if (!text || !tfc_utf8_valid(text, strlen(text), &n)) abort();
    tfc_text_free(text);
    return 0;
}
