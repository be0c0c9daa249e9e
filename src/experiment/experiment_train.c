/* One table of names, types and ranges: it reads the settings and writes them into keys. */
#include "experiment/experiment_train.h"

#include <math.h>
#include <stddef.h>

typedef enum kind { INTEGER, NUMBER, YESNO } kind;
typedef struct setting {
    const char *name;
    kind kind;
    size_t offset;
    double low, high;
} setting;

#define AT(field) offsetof(tfc_train_params, field)
static const setting settings[] = {
    {"steps", INTEGER, AT(steps), 0, 1e9},
    {"epochs", NUMBER, AT(epochs), 1e-6, 1e6},
    {"batch", INTEGER, AT(batch), 1, 1e6},
    {"max_tokens", INTEGER, AT(max_tokens), 2, 1e6},
    {"lr", NUMBER, AT(lr), 0, 1},
    {"warmup_share", NUMBER, AT(warmup_share), 0, 1},
    {"lr_decay", YESNO, AT(lr_decay), 0, 1},
    {"plain_share", NUMBER, AT(plain_share), 0, 0.9},
    {"match_base", NUMBER, AT(match_base), 0, 1000},
    {"freeze_embeddings", YESNO, AT(freeze_embeddings), 0, 1},
    {"dev_share", NUMBER, AT(dev_share), 0, 0.5},
    {"text_weight", NUMBER, AT(text_weight), 0, 1},
    {"mask_results", YESNO, AT(mask_results), 0, 1},
    {"add_eos", YESNO, AT(add_eos), 0, 1},
    {"beta1", NUMBER, AT(beta1), 0, 0.999999},
    {"beta2", NUMBER, AT(beta2), 0, 0.999999999},
    {"epsilon", NUMBER, AT(epsilon), 1e-30, 1},
    {"weight_decay", NUMBER, AT(weight_decay), 0, 1e3},
    {"clip", NUMBER, AT(clip), 0, 1e9},
    {"eval_every", INTEGER, AT(eval_every), 0, 1e9},
    {"base_share", NUMBER, AT(base_share), 0, 1},
};
/* The last one is not the training's: how much of the base model is kept is decided after it. */
enum { N_SETTINGS = sizeof settings / sizeof *settings, N_OF_TRAINING = N_SETTINGS - 1 };

static tfc_status read_one(tfc_json *json, const setting *s, char *field, tfc_error *err)
{
    bool found;
    if (s->kind == YESNO) return tfc_json_get_bool(json, s->name, (bool *)field, &found, err);
    if (s->kind == INTEGER)
        return tfc_json_get_int(json, s->name, (int64_t)s->low, (int64_t)s->high, (int64_t *)(void *)field,
                                &found, err);
    double value;
    tfc_status status = tfc_json_get_double(json, s->name, &value, &found, err);
    if (status != TFC_OK || !found) return status;
    if (!(value >= s->low && value <= s->high))
        return tfc_fail(err, TFC_EFORMAT, "%s must be between %g and %g, not %g", s->name, s->low, s->high,
                        value);
    *(double *)(void *)field = value;
    return TFC_OK;
}

tfc_status tfc_exp_train_read(tfc_json *json, const tfc_recipe *recipe, tfc_train_params *params,
                              tfc_error *err)
{
    *params = tfc_train_params_default();
    params->lr = recipe->train.lr;
    params->warmup_share = recipe->train.warmup_share;
    params->plain_share = recipe->train.plain_share;
    params->match_base = recipe->train.match_base;
    params->text_weight = recipe->train.text_weight;
    params->base_share = recipe->train.base_share;
    params->lr_decay = recipe->train.lr_decay;
    params->freeze_embeddings = recipe->train.freeze_embeddings;
    params->batch = recipe->train.batch;
    params->max_tokens = recipe->train.max_tokens;
    if (recipe->train.steps > 0) params->steps = recipe->train.steps;
    if (!isnan(recipe->train.epochs) && recipe->train.epochs > 0) params->epochs = recipe->train.epochs;
    if (!json) return TFC_OK;
    if (!json_object_is_type(json, json_type_object))
        return tfc_fail(err, TFC_EFORMAT, "train: object expected");
    /* Epochs that the file names win over the recipe's steps. */
    if (json_object_object_get_ex(json, "epochs", NULL) && !json_object_object_get_ex(json, "steps", NULL))
        params->steps = 0;
    const char *keys[N_SETTINGS + 1] = {NULL};
    for (size_t i = 0; i < N_SETTINGS; i++) keys[i] = settings[i].name;
    tfc_status status = tfc_json_only_keys(json, keys, err);
    for (size_t i = 0; status == TFC_OK && i < N_SETTINGS; i++)
        status = read_one(json, &settings[i], (char *)params + settings[i].offset, err);
    if (status != TFC_OK) tfc_error_prefix(err, "train");
    return status;
}

void tfc_exp_train_json(tfc_buffer *json, const tfc_train_params *params)
{
    for (size_t i = 0; i < N_OF_TRAINING; i++) {
        const setting *s = &settings[i];
        const char *field = (const char *)params + s->offset;
        tfc_buffer_printf(json, "%s\"%s\":", i ? "," : "", s->name);
        if (s->kind == YESNO)
            tfc_buffer_puts(json, *(const bool *)field ? "true" : "false");
        else if (s->kind == INTEGER)
            tfc_buffer_printf(json, "%lld", (long long)*(const int64_t *)(const void *)field);
        else
            tfc_buffer_printf(json, "%.17g", *(const double *)(const void *)field);
    }
}
