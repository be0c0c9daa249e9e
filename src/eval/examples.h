/* eval/examples.h: one answered prompt: judged, as a JSON line, and read back from one. */
#ifndef TFC_EVAL_EXAMPLES_H
#define TFC_EVAL_EXAMPLES_H

#include "eval/rows.h"

typedef struct tfc_judged {
    tfc_eval_example example;
    char *prediction, *line; /* owned: the example borrows them */
    tfc_json *read;          /* owned: where the example was read from a line */
} tfc_judged;

/* What the row's rule says of an output. */
tfc_status tfc_judge(const tfc_eval_task *task, const tfc_eval_row *row, const tfc_generate_result *generated,
                     tfc_judged *judged, tfc_error *err);
/* An example from its line; TFC_EFORMAT when a field is missing. */
tfc_status tfc_judged_read(const char *line, size_t n, tfc_judged *judged, tfc_error *err);
void tfc_judged_release(tfc_judged *judged);

#endif
