/* Intervals and tests. */
#include "eval/statistics.h"

#include <stdlib.h>

#include "base/math64.h"
#include "base/memory.h"
#include "base/random.h"

static int compare_sums(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

tfc_status tfc_bootstrap(const int8_t *values, int64_t n, uint64_t seed, tfc_eval_interval *interval,
                         tfc_error *err)
{
    *interval = (tfc_eval_interval){0};
    if (n <= 0) return TFC_OK;
    int64_t *sums = tfc_alloc(TFC_RESAMPLES, sizeof *sums);
    if (!sums) return tfc_fail_memory(err, "resamples");
    for (uint64_t s = 0; s < TFC_RESAMPLES; s++) {
        tfc_random random = tfc_random_stream(seed, 0xB007, s, 0);
        int64_t sum = 0;
        for (int64_t i = 0; i < n; i++) sum += values[tfc_random_below(&random, (uint64_t)n)];
        sums[s] = sum;
    }
    qsort(sums, TFC_RESAMPLES, sizeof *sums, compare_sums);
    size_t outside = TFC_RESAMPLES / 40;
    interval->low = (double)sums[outside - 1] / (double)n;
    interval->high = (double)sums[TFC_RESAMPLES - outside] / (double)n;
    tfc_free(sums);
    return TFC_OK;
}

/* The tail is summed from its largest term downwards, each term from the one before; its logarithm is that of
 * C(n, k) / 2^n, so that nothing underflows before the end. */
double tfc_mcnemar(int64_t b, int64_t c)
{
    int64_t n = b + c, k = b < c ? b : c;
    if (n == 0 || b == c) return 1;
    double lp = -(double)n * tfc_log64(2);
    for (int64_t i = 1; i <= k; i++) lp += tfc_log64((double)(n - k + i)) - tfc_log64((double)i);
    double sum = 1, term = 1;
    for (int64_t i = k; i > 0 && term > 1e-18 * sum; i--) {
        term *= (double)i / (double)(n - i + 1);
        sum += term;
    }
    double p = 2 * tfc_exp64(lp + tfc_log64(sum));
    return p < 1 ? p : 1;
}
