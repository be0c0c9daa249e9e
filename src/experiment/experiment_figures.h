/* experiment/experiment_figures.h: from the rows of evaluations to the figures of the tables. */
#ifndef TFC_EXPERIMENT_EXPERIMENT_FIGURES_H
#define TFC_EXPERIMENT_EXPERIMENT_FIGURES_H

#include "experiment/experiment_run.h"
#include "toolformer/eval.h"

/* One line of a table: a system on an evaluation, over all seeds that are done. */
typedef struct tfc_exp_figure {
    size_t variant, evaluation; /* numbers */
    int64_t round, step;
    double share;
    tfc_exp_system system;
    int64_t n; /* rows */
    size_t n_seeds, n_wanted;
    uint64_t seeds[TFC_EXP_LIST];
    double by_seed[TFC_EXP_LIST];
    double accuracy, low, high; /* mean over rows of the mean over seeds; 95 % interval over rows */
    double strict, called, result_right, copied;
    bool scored;                           /* false: no answers are looked for, only calls */
    int64_t failures[TFC_EVAL_N_FAILURES]; /* over all seeds */
    int8_t *sums;                          /* [n] seeds that were right */
    char **ids;                            /* [n] of the rows; borrowed from the first seed's */
} tfc_exp_figure;

/* `of` against `against`, row by row. */
typedef struct tfc_exp_test {
    const tfc_exp_figure *of, *against;
    int64_t better, worse; /* rows on which one or the other is right more often */
    double p;              /* exact sign test, two-sided: McNemar's where there is one seed */
} tfc_exp_test;

/* A training with its data. */
typedef struct tfc_exp_yield {
    const tfc_exp_training *training;
    int64_t snippets, texts, calls;
    double per_100, low, high;          /* kept calls per 100 texts */
    double hours_annotate, hours_train; /* core-hours */
    double perplexity, change; /* change against the base: 0.01 is one per cent more; NAN: not known */
} tfc_exp_yield;

typedef struct tfc_exp_figures {
    tfc_exp_figure *figures;
    size_t n_figures;
    tfc_exp_yield *yields;
    size_t n_yields;
    double perplexity; /* of the base model; NAN: not known */
} tfc_exp_figures;

tfc_status tfc_exp_figures_make(tfc_exp_figures *figures, tfc_exp *exp, tfc_error *err);
void tfc_exp_figures_release(tfc_exp_figures *figures);

/* The figure of a system at its end with all calls, in the last round; NULL: not there. */
const tfc_exp_figure *tfc_exp_figure_find(const tfc_exp_figures *figures, const tfc_exp *exp, size_t variant,
                                          tfc_exp_system system, const char *evaluation);
/* False when the rows of the two are not the same. */
bool tfc_exp_test_make(tfc_exp_test *test, const tfc_exp_figure *of, const tfc_exp_figure *against);

#endif
