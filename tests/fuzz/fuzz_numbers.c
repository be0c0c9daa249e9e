/* Numbers in running text: places, proposals (each a legal expression that evaluates) and the heuristic. */
#include <stdlib.h>
#include <string.h>

#include "tools/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    tfc_tool tool = {.heuristic = TFC_HEURISTIC_CALCULATOR, .places = TFC_PLACES_NUMBERS},
             dates = {.places = TFC_PLACES_DATES};
    tfc_number number;
    for (size_t at = 0; tfc_number_scan(text, n, at, &number); at = number.end)
        if (number.begin < at || number.end <= number.begin || number.end > n || number.mantissa < 0) abort();
    (void)tfc_tool_wants_text(&tool, text, n, NULL, 0.5);
    for (size_t at = 0; at <= n && at < 300; at++) {
        tfc_proposals proposals;
        (void)tfc_tool_place_allowed(&dates, text, n, at);
        bool allowed = tfc_tool_place_allowed(&tool, text, n, at);
        const tfc_enumerate_params params = {6, 8, 2 + at % 2, at % 3 == 0, true};
        if (!tfc_calculator_enumerate(text, n, at, &params, &proposals, NULL) && allowed) abort();
        for (size_t i = 0; i < proposals.n_args; i++) {
            char *result;
            if (tfc_calculator_eval(proposals.args[i], strlen(proposals.args[i]), &result, NULL) != TFC_OK)
                abort();
            tfc_text_free(result);
        }
        tfc_proposals_release(&proposals);
    }
    return 0;
}
