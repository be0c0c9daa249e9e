/* annotate/choose.h: which of several calls at one place stays. */
#ifndef TFC_ANNOTATE_CHOOSE_H
#define TFC_ANNOTATE_CHOOSE_H

#include "toolformer/recipe.h"

/* "gain", … ; TFC_EINVAL for any other text. */
tfc_status tfc_choose_parse(const char *text, tfc_choose *out, tfc_error *err);
/* "gain", "none"; "own", "shuffled". */
tfc_status tfc_filter_rule_parse(const char *text, tfc_filter_rule *out, tfc_error *err);
tfc_status tfc_results_parse(const char *text, tfc_results *out, tfc_error *err);
/* True when a choice looks at log p(call). */
static inline bool tfc_choose_needs_likelihood(tfc_choose choose)
{
    return choose != TFC_CHOOSE_GAIN && choose != TFC_CHOOSE_RANDOM;
}
/* What comes before gain or likelihood: the larger, the better. text[at] is the place; a random
 * choice is drawn by tfc_draw. */
int64_t tfc_choose_preference(tfc_choose choose, const char *text, size_t n, size_t at, const char *args);

#endif
