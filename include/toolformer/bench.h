/* toolformer/bench.h: how fast this machine does the work, beside what it could do at most.
 *
 * Each figure comes with its limit measured in the same run: the peak of the kernel path's multiply-add for
 * what computes, the speed of reading memory for what streams the weights. Medians of several turns. */
#ifndef TOOLFORMER_BENCH_H
#define TOOLFORMER_BENCH_H

#include "toolformer/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_bench_figure {
    const char *name; /* "score 40 texts of 50-300 tokens" */
    double value;     /* tokens/s, or GF/s */
    const char *unit;
    double limit; /* in the same unit; NAN: none known */
} tfc_bench_figure;

/* Calls `each` for every figure as it is known. n_threads 0: all cores. turns ≥ 1. `only` leaves out the
 * works whose name does not contain it; NULL: all. */
tfc_status tfc_bench(tfc_model *model, int n_threads, int turns, const char *only,
                     void (*each)(void *context, const tfc_bench_figure *figure), void *context,
                     const tfc_monitor *monitor, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
