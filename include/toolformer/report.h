/* toolformer/report.h: what a run did, as one HTML file that needs no network. */
#ifndef TOOLFORMER_REPORT_H
#define TOOLFORMER_REPORT_H

#include "toolformer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes RUN/report.html from RUN/run.db and, where they are, RUN/summary.json (a line of figures),
 * RUN/train.jsonl (the loss by step), RUN/eval-before.jsonl and RUN/eval-after.jsonl (`eval --json` lines of
 * the same prompts). max_examples: how many calls of each kind are shown; 0: 40. */
tfc_status tfc_report_write(const char *run, int64_t max_examples, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
