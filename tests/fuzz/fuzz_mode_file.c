/* Mode files: read or refused; what is read are programs of Apertium's with their -z. */
#include <stdlib.h>
#include <string.h>

#include "tools/mode_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tfc_arena arena = {0};
    tfc_mode mode = {.n_stages = 0};
    if (tfc_mode_read((const char *)data, n, n % 2, &arena, &mode, NULL) == TFC_OK) {
        if (mode.n_stages == 0 || mode.n_stages > TFC_MODE_STAGES_MAX) abort();
        for (size_t i = 0; i < mode.n_stages; i++)
            if (strchr(mode.stages[i][0], '/') || strcmp(mode.stages[i][1], "-z") != 0) abort();
    }
    tfc_arena_release(&arena);
    return 0;
}
