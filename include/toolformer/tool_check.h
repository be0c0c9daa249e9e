/* toolformer/tool_check.h: does a tool do what its manifest shows?
 *
 * That the calls in its demonstrations are legal was checked when the manifest was read. Here they are run: a
 * call passes when the tool gives a result, and the result, printed into its call, reads back from there.
 *
 *     tfc_tool_check_params params = tfc_tool_check_params_default();
 *     params.seen = print_line;
 *     tfc_tool_check_result result;
 *     if (tfc_tool_run_demonstrations(tool, &params, &result, &err) == TFC_OK && result.failed == 0) …
 */
#ifndef TOOLFORMER_TOOL_CHECK_H
#define TOOLFORMER_TOOL_CHECK_H

#include "toolformer/tools.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_tool_check {
    const char *field;       /* "demonstrations" or "head" */
    size_t index;            /* of the demonstration */
    const char *args, *date; /* date NULL: none */
    tfc_status status;
    const char *text; /* the result as it is printed, or why there is none */
    bool changed;  /* that is not what the tool gave: brackets, line breaks, control characters, the length */
    bool survives; /* the printed call reads back as it was */
    bool passed;   /* TFC_OK and survives */
    double ms;     /* the slowest of the repeats */
} tfc_tool_check;

typedef struct tfc_tool_check_params {
    int repeats;                                              /* of each call; default 3, from 1 */
    void (*seen)(void *context, const tfc_tool_check *check); /* what it borrows ends with the call */
    void *context;
    const tfc_monitor *monitor;
} tfc_tool_check_params;
tfc_tool_check_params tfc_tool_check_params_default(void);

typedef struct tfc_tool_check_result {
    int64_t calls, failed;
    double ready_ms;            /* until the tool could be called: programs started, servers asked */
    double median_ms, worst_ms; /* of single attempts */
} tfc_tool_check_result;

/* params NULL: the default. Nothing is cached and nothing tried again. TFC_ENOTFOUND or another status: the
 * tool cannot be made ready; a call that fails is counted and no error. */
tfc_status tfc_tool_run_demonstrations(const tfc_tool *tool, const tfc_tool_check_params *params,
                                       tfc_tool_check_result *result, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
