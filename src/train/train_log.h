/* train/train_log.h: train.jsonl, a line a step. */
#ifndef TFC_TRAIN_TRAIN_LOG_H
#define TFC_TRAIN_TRAIN_LOG_H

#include <stdio.h>

#include "base/status.h"

typedef struct tfc_train_log {
    FILE *stream;
    char *path;
} tfc_train_log;

/* Cuts the file back to what a checkpoint knows of (steps up to `step`, dev losses up to `evaluated_step`),
 * then opens it for appending. */
tfc_status tfc_train_log_open(tfc_train_log *log, const char *path, int64_t step, int64_t evaluated_step,
                              tfc_error *err);
/* One line, flushed. */
tfc_status tfc_train_log_write(tfc_train_log *log, tfc_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void tfc_train_log_close(tfc_train_log *log);

#endif
