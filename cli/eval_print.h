/* cli/eval_print.h: what eval prints. */
#ifndef CLI_EVAL_PRINT_H
#define CLI_EVAL_PRINT_H

#include <stdbool.h>

#include "toolformer/eval.h"

/* A tfc_eval_params.each; context: `const bool *`, whether JSON is wanted. */
void eval_print_example(void *context, const tfc_eval_example *example);
/* False after a message. */
bool eval_print_summary(const tfc_eval_result *result, bool json);
bool eval_print_comparison(const tfc_eval_comparison *comparison, const char *a, const char *b, bool json);
bool eval_print_perplexity(const tfc_perplexity *perplexity, const char *file, bool json);

#endif
