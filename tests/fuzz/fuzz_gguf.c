/* GGUF: whatever opens must give out tensors that lie in the file, and metadata that can be read. */
#include <stdlib.h>

#include "formats/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tfc_gguf *gguf = tfc_gguf_open_memory(data, n, "input", NULL);
    if (!gguf) return 0;
    const tfc_tensor_set *set = tfc_gguf_tensors(gguf);
    for (int64_t i = 0; i < set->n_tensors; i++) {
        const uint8_t *begin = set->tensors[i].data;
        if (begin < data || set->tensors[i].n_bytes > n - (size_t)(begin - data)) abort();
    }
    for (int64_t i = 0; i < tfc_gguf_n_kv(gguf); i++) {
        const char *key = tfc_gguf_kv_at(gguf, i).key, *text;
        const int32_t *items;
        const float *floats;
        size_t n_text;
        int64_t n_items;
        bool found;
        tfc_gguf_get_int_array(gguf, key, &items, &n_items, &found, NULL);
        tfc_gguf_get_float_array(gguf, key, &floats, &n_items, &found, NULL);
        if (tfc_gguf_get_text_array(gguf, key, &n_items, &found, NULL) == TFC_OK && n_items > 0)
            tfc_gguf_text_item(gguf, key, n_items - 1, &text, &n_text);
    }
    tfc_gguf_close(gguf);
    return 0;
}
