/* tools/pipeline.h: programs that read one another's output, kept running and asked again and again. They
 * belong to a trusted package and run without a sandbox, but with an environment and descriptors of their
 * own. When this process ends, whatever the way, the first one reads an end of file and so on down the line.
 */
#ifndef TFC_TOOLS_PIPELINE_H
#define TFC_TOOLS_PIPELINE_H

#include <sys/types.h>

#include "tools/mode_file.h"

typedef struct tfc_pipeline {
    pid_t pids[TFC_MODE_STAGES_MAX];
    const char *names[TFC_MODE_STAGES_MAX]; /* the mode's */
    size_t n_stages;                        /* 0: not running */
    int in, out;
} tfc_pipeline;

/* folder: where the programs are. The mode must outlive the pipeline. On failure nothing runs. */
tfc_status tfc_pipeline_start(tfc_pipeline *pipeline, const tfc_mode *mode, const char *folder,
                              tfc_error *err);
/* Writes the request and a NUL, reads up to the answer's NUL, which is left out; answer is cleared first. By
 * deadline_ns (monotonic): TFC_ETIMEOUT. A program that ends, bytes behind the NUL: TFC_EIO; too long an
 * answer: TFC_ELIMIT. After any failure the pipeline was ended: what it still has to say must not be taken
 * for the next answer. */
tfc_status tfc_pipeline_ask(tfc_pipeline *pipeline, const char *request, size_t n, int64_t deadline_ns,
                            tfc_buffer *answer, tfc_error *err);
/* Kills what runs and waits for it; fine on one that does not run. */
void tfc_pipeline_end(tfc_pipeline *pipeline);

#endif
