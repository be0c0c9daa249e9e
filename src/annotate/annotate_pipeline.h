/* annotate/annotate_pipeline.h: groups of snippets on their way to the store, some of them waiting for tools.
 */
#ifndef TFC_ANNOTATE_ANNOTATE_PIPELINE_H
#define TFC_ANNOTATE_ANNOTATE_PIPELINE_H

#include "annotate/annotate_group.h"
#include "toolformer/corpus.h"

typedef enum tfc_snippet_state {
    TFC_SNIPPET_NEW,
    TFC_SNIPPET_FAILED, /* stored, but calls failed there: it is done again */
    TFC_SNIPPET_DONE
} tfc_snippet_state;

typedef struct tfc_pipeline {
    const tfc_settings *settings;
    const tfc_corpus *corpus;
    const tfc_tokenizer *tokenizer;
    tfc_run_store *store;
    tfc_session *session;
    tfc_runner *runner;
    const tfc_monitor *monitor;
    unsigned char *states; /* [snippets of the corpus] tfc_snippet_state */
    bool overlaps;         /* the engine goes on with the next groups while tools work on one */
    int64_t n_done, kept, candidates;
    double waited; /* seconds in which the engine had nothing to do but wait for tools */
} tfc_pipeline;

/* Takes every snippet that is not done through the method. What is computed does not depend on which groups
 * wait for their tools meanwhile. */
tfc_status tfc_pipeline_run(tfc_pipeline *pipeline, tfc_error *err);

#endif
