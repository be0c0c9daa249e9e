/* A GGUF file all the way to checked weights, as opening a model does it, without the tokenizer. */
#include <stdlib.h>

#include "model/hparams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tfc_model model = {.gguf = tfc_gguf_open_memory(data, n, "input", NULL)};
    if (!model.gguf) return 0;
    if (tfc_hparams_from_gguf(&model.hparams, model.gguf, NULL) == TFC_OK &&
        tfc_weights_find(&model, NULL) == TFC_OK && tfc_weights_check_finite(&model, NULL) == TFC_OK) {
        const tfc_weight *up = tfc_weights_part(&model.weights, TFC_PART_W_UP, model.hparams.L - 1);
        float *row = tfc_alloc((size_t)up->n_in, sizeof *row);
        if (!row) abort();
        tfc_weight_rows(up, up->n_out - 1, 1, row);
        for (int64_t i = 0; i < up->n_in; i++)
            if (!(row[i] * 0 == 0)) abort(); /* not finite, but passed the check */
        tfc_free(row);
        for (int64_t i = 0; model.hparams.rope && i < model.hparams.n_rot / 2; i++)
            if (!(tfc_rope_frequency(&model.hparams, i) * 0 == 0)) abort();
    }
    tfc_free(model.weights.layers);
    tfc_gguf_close(model.gguf);
    return 0;
}
