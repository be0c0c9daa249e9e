/* Intervals and tests; the same bits everywhere. */
#include <stdlib.h>

#include "base/math64.h"
#include "base/random.h"
#include "experiment/experiment_figures.h"

enum { RESAMPLES = 10000, SEED = 0x626f6f74 };

static int compare_sums(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

tfc_status tfc_exp_bootstrap(const int16_t *values, int64_t n, double *low, double *high, tfc_error *err)
{
    *low = *high = 0;
    if (n == 0) return TFC_OK;
    int64_t *sums = tfc_alloc(RESAMPLES, sizeof *sums);
    if (!sums) return tfc_fail_memory(err, "interval");
    for (int64_t r = 0; r < RESAMPLES; r++) {
        tfc_random random = tfc_random_stream(SEED, (uint64_t)r, 0, 0);
        sums[r] = 0;
        for (int64_t i = 0; i < n; i++) sums[r] += values[tfc_random_below(&random, (uint64_t)n)];
    }
    qsort(sums, RESAMPLES, sizeof *sums, compare_sums);
    *low = (double)sums[RESAMPLES / 40 - 1] / (double)n;
    *high = (double)sums[RESAMPLES - RESAMPLES / 40] / (double)n;
    tfc_free(sums);
    return TFC_OK;
}

double tfc_exp_sign_test(int64_t b, int64_t c)
{
    int64_t n = b + c, least = b < c ? b : c;
    if (n == 0) return 1;
    /* log of n over i, divided by 2^n; summed from the smallest term on */
    double log_term = -(double)n * tfc_log64(2), sum = 0;
    for (int64_t i = 0; i <= least; i++) {
        sum += tfc_exp64(log_term);
        log_term += tfc_log64((double)(n - i)) - tfc_log64((double)(i + 1));
    }
    return 2 * sum < 1 ? 2 * sum : 1;
}
