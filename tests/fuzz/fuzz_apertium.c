/* Apertium's answers: a text without NULs, or another request's; and our own requests come back whole. */
#include <stdlib.h>

#include "tools/apertium.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tfc_translation out;
    if (tfc_apertium_answer((const char *)data, n, "tfc-1", &out, NULL) == TFC_OK) {
        if (out.n_unknown > n || out.n_words > n || strlen(out.text) > n) abort();
        tfc_free(out.text);
    }
    tfc_buffer request;
    tfc_buffer_init(&request, 0);
    tfc_apertium_request((const char *)data, n, "tfc-1", &request);
    if (request.failed || tfc_apertium_answer(request.data, request.n, "tfc-1", &out, NULL) != TFC_OK)
        abort();
    tfc_free(out.text);
    tfc_buffer_release(&request);
    return 0;
}
