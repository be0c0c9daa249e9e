/* cli/annotate_options.h: the options that annotate and run share. */
#ifndef CLI_ANNOTATE_OPTIONS_H
#define CLI_ANNOTATE_OPTIONS_H

#include "options.h"
#include "output.h"
#include "toolformer/annotate.h"

/* Every choice of the method, beside files and folders. */
enum { CLI_N_ANNOTATE = 38 };
typedef struct cli_annotation {
    tfc_annotate_params params;
    cli_list corpus;
} cli_annotation;
cli_annotation cli_annotation_default(void);
void cli_annotate_options(cli_annotation *annotation, cli_option options[CLI_N_ANNOTATE]);
/* Completes params from the lists and the common options. False after a message: something is missing. */
bool cli_annotate_complete(cli_annotation *annotation, const char *command, const cli_common *common);

/* Members of an open JSON object, and lines of a text. */
void cli_annotate_json(cli_json *json, const tfc_annotate_result *result);
void cli_annotate_print(const tfc_annotate_result *result);
void cli_filter_json(cli_json *json, const tfc_filter_result *result);
void cli_filter_print(const tfc_filter_result *result);

#endif
