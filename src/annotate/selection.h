/* annotate/selection.h: from the calls that pass to those of C*. */
#ifndef TFC_ANNOTATE_SELECTION_H
#define TFC_ANNOTATE_SELECTION_H

#include "annotate/run_store.h"
#include "toolformer/annotate.h"
#include "toolformer/recipe.h"

/* A filter's parameters, completed by what the run was asked to do. */
typedef struct tfc_selection {
    tfc_choose choose;
    tfc_filter_rule filter;
    tfc_results results;
    int64_t max_ambiguous, max_calls;            /* -1: no limit */
    double min_likelihood, annotated_likelihood; /* NAN: any; what the annotation asked for */
    uint64_t seed;                               /* the run's */
} tfc_selection;

/* Gives the store's SQL the function draw(purpose, tool, snippet, token, n): an integer by the run's seed.
 * *selection must outlive the store's use of it. */
tfc_status tfc_selection_init(tfc_selection *selection, const tfc_filter_params *params, tfc_run_store *store,
                              tfc_error *err);
/* Takes `kept` from all but one call of each place, and from what the limits leave out. */
tfc_status tfc_selection_settle(const tfc_selection *selection, tfc_run_store *store,
                                tfc_filter_result *result, tfc_error *err);
/* Fills the temporary table other_results(snippet, tool, token, n, result), which stays empty when calls hold
 * their own results. */
tfc_status tfc_selection_shuffle(const tfc_selection *selection, tfc_run_store *store, tfc_error *err);

#endif
