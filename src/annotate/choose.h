/* annotate/choose.h: which of several calls at one place stays. */
#ifndef TFC_ANNOTATE_CHOOSE_H
#define TFC_ANNOTATE_CHOOSE_H

#include "toolformer/recipe.h"

/* "gain", … ; TFC_EINVAL for any other text. */
tfc_status tfc_choose_parse(const char *text, tfc_choose *out, tfc_error *err);
/* True when a choice looks at log p(call). */
static inline bool tfc_choose_needs_likelihood(tfc_choose choose)
{
    return choose != TFC_CHOOSE_GAIN;
}
/* What comes before gain or likelihood: the larger, the better. text[at] is the place. */
int64_t tfc_choose_preference(tfc_choose choose, const char *text, size_t n, size_t at, const char *args);

#endif
