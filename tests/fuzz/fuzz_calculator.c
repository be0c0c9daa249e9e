/* The Calculator: a short result of digits or none; and what its grammar accepts is no syntax error. */
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    const tfc_grammar *grammar = tfc_grammar_args(TFC_ARGS_EXPRESSION);
    uint32_t state = tfc_grammar_feed(grammar, tfc_grammar_feed(grammar, grammar->start, text, n), ")", 1);
    char *result = NULL;
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_calculator_eval(text, n, &result, &err) == TFC_OK) {
        if (strlen(result) > 40 || strspn(result, "-0123456789.") != strlen(result)) abort();
        if (strcmp(result, "-0") == 0 || strcmp(result, "-0.00") == 0) abort();
    } else if (n <= 1000 && grammar->accepts(grammar->context, state) &&
               !strstr(err.message, "division by zero") && !strstr(err.message, "too large")) {
        abort();
    }
    tfc_text_free(result);
    return 0;
}
