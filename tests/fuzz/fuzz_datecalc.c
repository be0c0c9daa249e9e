/* DateCalc: a short result of the two forms or none; what its grammar accepts is no syntax error; what is
 * proposed has a result. */
#include <stdlib.h>
#include <string.h>

#include "tools/datecalc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    const tfc_grammar *grammar = tfc_grammar_args(TFC_ARGS_DATES);
    uint32_t state = tfc_grammar_feed(grammar, tfc_grammar_feed(grammar, grammar->start, text, n), ")", 1);
    char *result = NULL, *again = NULL;
    tfc_error err;
    tfc_error_init(&err);
    if (tfc_datecalc_eval(text, n, &result, &err) == TFC_OK) {
        size_t length = strlen(result);
        if (length > 40 || result[0] == '-') abort();
        /* A date is its own result. */
        bool date = result[0] < '0' || result[0] > '9';
        if (date && (tfc_datecalc_eval(result, length, &again, &err) != TFC_OK || strcmp(result, again) != 0))
            abort();
    } else if (n <= 200 && grammar->accepts(grammar->context, state) && !strstr(err.message, "no such day") &&
               !strstr(err.message, "outside the years")) {
        abort();
    }
    tfc_text_free(result);
    tfc_text_free(again);
    const tfc_enumerate_params params = {.max_numbers = 4, .max_args = 4};
    for (size_t at = n > 64 ? n - 64 : 0; at <= n; at++)
        for (int chained = 0; chained < 2; chained++) {
            tfc_proposals proposals;
            tfc_datecalc_enumerate(text, n, at, chained ? "Today is Monday, January 30, 2023." : NULL,
                                   &params, &proposals, &err);
            for (size_t i = 0; i < proposals.n_args; i++) {
                if (tfc_datecalc_eval(proposals.args[i], strlen(proposals.args[i]), &result, &err) != TFC_OK)
                    abort();
                tfc_text_free(result);
            }
            tfc_proposals_release(&proposals);
        }
    return 0;
}
