/* toolformer/overlap.h: evaluation rows that stand in training texts.
 *
 * Words are what stands between blanks, in lower case, without the punctuation at their edges. A text and a
 * row overlap when 13 words of the row's prompt stand in the text in a row; a prompt of 8 to 12 words must
 * stand there whole; a shorter one overlaps only with a text that is nothing else. `The answer is` at a
 * prompt's end is left out of account. */
#ifndef TOOLFORMER_OVERLAP_H
#define TOOLFORMER_OVERLAP_H

#include "toolformer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_overlap tfc_overlap;
tfc_overlap *tfc_overlap_create(tfc_error *err);
void tfc_overlap_free(tfc_overlap *overlap);

/* Adds all rows of an evaluation's data; *n gets how many. task, data, seed: as tfc_eval_data_params. */
tfc_status tfc_overlap_add_file(tfc_overlap *overlap, const char *name, const char *task, const char *data,
                                uint64_t seed, int64_t *n, tfc_error *err);
/* One prompt by itself; id and name are copied. */
tfc_status tfc_overlap_add(tfc_overlap *overlap, const char *name, const char *id, const char *prompt,
                           tfc_error *err);

/* True when the text overlaps with a row; `each` (may be NULL) is called once for every such row. *failed
 * (may be NULL) becomes true without memory. */
bool tfc_overlap_check(tfc_overlap *overlap, const char *text,
                       void (*each)(void *context, const char *name, const char *id), void *context,
                       bool *failed);
/* Rows of that name that overlapped with any text so far; all rows for NULL. */
int64_t tfc_overlap_n_rows_hit(const tfc_overlap *overlap, const char *name);

#ifdef __cplusplus
}
#endif
#endif
