/* eval/forget_file.h: RUN/forgetting.json. */
#ifndef TFC_EVAL_FORGET_FILE_H
#define TFC_EVAL_FORGET_FILE_H

#include "base/status.h"
#include "toolformer/forget.h"

/* What the figures are about, as hashes. */
typedef struct tfc_forget_about {
    uint64_t model, base, text; /* text 0: the library's own */
} tfc_forget_about;
tfc_status tfc_forget_about_make(tfc_forget_about *about, const char *model, const char *base,
                                 const char *data, tfc_error *err);
/* *found false: there is no such file, or it is about something else. */
tfc_status tfc_forget_load(const char *run, const tfc_forget_about *about, tfc_forget_report *report,
                           bool *found, tfc_error *err);
tfc_status tfc_forget_save(const char *run, const tfc_forget_about *about, const tfc_forget_report *report,
                           tfc_error *err);

#endif
