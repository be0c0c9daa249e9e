/* experiment/experiment_tables.h: the forms in which the figures are written. */
#ifndef TFC_EXPERIMENT_EXPERIMENT_TABLES_H
#define TFC_EXPERIMENT_EXPERIMENT_TABLES_H

#include "experiment/experiment_figures.h"

void tfc_exp_json_write(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures);
void tfc_exp_markdown_write(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures);
/* Where a figure stands on a course by training step or by kept calls; NAN: on none. */
double tfc_exp_at_step(const tfc_exp *exp, const tfc_exp_figures *figures, const tfc_exp_figure *f);
double tfc_exp_at_calls(const tfc_exp *exp, const tfc_exp_figures *figures, const tfc_exp_figure *f);
/* ---- experiment_page.c ---- */
tfc_status tfc_exp_page_write(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures,
                              tfc_error *err);

#endif
