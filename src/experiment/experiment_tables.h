/* experiment/experiment_tables.h: the forms in which the figures are written. */
#ifndef TFC_EXPERIMENT_EXPERIMENT_TABLES_H
#define TFC_EXPERIMENT_EXPERIMENT_TABLES_H

#include "experiment/experiment_figures.h"

void tfc_exp_json_write(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures);
void tfc_exp_markdown_write(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures);
/* Where a figure stands on a course; NAN: on none. */
typedef double tfc_exp_at(const tfc_exp *exp, const tfc_exp_figures *figures, const tfc_exp_figure *f);
tfc_exp_at tfc_exp_at_step, tfc_exp_at_calls;
typedef struct tfc_exp_point {
    double x;
    const tfc_exp_figure *figure;
} tfc_exp_point;
/* The taught models of a variant on one evaluation, from left to right; points: room for all figures. */
size_t tfc_exp_course(tfc_exp_point *points, const tfc_exp *exp, const tfc_exp_figures *figures,
                      tfc_exp_at *at, size_t variant, size_t evaluation);
/* ---- experiment_page.c ---- */
/* markdown: what tfc_exp_markdown_write made. */
tfc_status tfc_exp_page_write(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures,
                              const char *markdown, tfc_error *err);

#endif
