/* eval/statistics.h: how sure a figure is. */
#ifndef TFC_EVAL_STATISTICS_H
#define TFC_EVAL_STATISTICS_H

#include "toolformer/eval.h"

enum { TFC_RESAMPLES = 10000 };

/* The mean of values[n] over TFC_RESAMPLES samples of n drawn with replacement: the 250th smallest mean and
 * the 250th largest (2.5 % lie outside at each end). The values are small whole numbers: 0 and 1, or -1, 0, 1
 * for paired differences. The same seed and values give the same interval. */
tfc_status tfc_bootstrap(const int8_t *values, int64_t n, uint64_t seed, tfc_eval_interval *interval,
                         tfc_error *err);

/* McNemar's exact test: of b + c pairs that differ, b one way; two-sided: twice the smaller tail of the
 * binomial distribution of b + c fair draws, at most 1. */
double tfc_mcnemar(int64_t b, int64_t c);

#endif
