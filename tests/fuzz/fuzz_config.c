/* config.json: sizes that are accepted keep what the rest of the library rests on. */
#include <stdlib.h>

#include "model/hparams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tfc_hparams hp;
    tfc_json *config = tfc_json_parse((const char *)data, n, "config.json", NULL);
    if (!config) return 0;
    if (tfc_hparams_from_config(&hp, config, NULL) == TFC_OK) {
        const int64_t sizes[] = {hp.C, hp.L, hp.NH, hp.NKV, hp.HD, hp.I, hp.V, hp.context};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            if (sizes[i] < 1 || sizes[i] > (int64_t)1 << 34) abort();
        if (hp.NH % hp.NKV != 0 || !(hp.epsilon > 0) || hp.n_rot % 2 != 0 || hp.n_rot > hp.HD) abort();
        for (int64_t i = 0; hp.rope && i < hp.n_rot / 2 && i < 4; i++) {
            float cosine, sine;
            tfc_rope_angle(tfc_rope_frequency(&hp, i), hp.context, &cosine, &sine);
            if (!(cosine >= -1 && cosine <= 1 && sine >= -1 && sine <= 1)) abort();
        }
    }
    json_object_put(config);
    return 0;
}
