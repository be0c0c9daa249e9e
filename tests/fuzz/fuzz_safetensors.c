/* safetensors: whatever opens must give out tensors that lie in the file. */
#include <stdlib.h>

#include "formats/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    for (int skip_others = 0; skip_others < 2; skip_others++) {
        tfc_safetensors *file = tfc_safetensors_open_memory(data, n, "input", skip_others, NULL);
        if (!file) continue;
        const tfc_tensor_set *set = tfc_safetensors_tensors(file);
        for (int64_t i = 0; i < set->n_tensors; i++) {
            const uint8_t *begin = set->tensors[i].data;
            if (begin < data || set->tensors[i].n_bytes > n - (size_t)(begin - data)) abort();
            if (!tfc_safetensors_raw(file, set->tensors[i].name)) abort();
        }
        tfc_safetensors_close(file);
    }
    return 0;
}
