/* The types of backends, and the built-in ones that need nothing but their arguments. */
#include "tools/backend.h"

#include <stdio.h>
#include <string.h>

#include "tools/calendar.h"
#include "tools/datecalc.h"

static tfc_status calculator_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                                  int64_t deadline_ns, char **result, tfc_error *err)
{
    (void)tool;
    (void)context;
    (void)deadline_ns;
    return tfc_calculator_eval(args, strlen(args), result, err);
}

/* The Calculator goes after no other call. */
static bool calculator_enumerate(const char *text, size_t n, size_t at, const char *earlier,
                                 const tfc_enumerate_params *params, tfc_proposals *out, tfc_error *err)
{
    *out = (tfc_proposals){0};
    return !earlier && tfc_calculator_enumerate(text, n, at, params, out, err);
}

static tfc_status calendar_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                                int64_t deadline_ns, char **result, tfc_error *err)
{
    (void)deadline_ns;
    return tfc_calendar_call(tool, args, context, result, err);
}

static tfc_status datecalc_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                                int64_t deadline_ns, char **result, tfc_error *err)
{
    (void)deadline_ns;
    return tfc_datecalc_call(tool, args, context, result, err);
}

const tfc_backend_type tfc_backend_calculator = {
    .name = "builtin:calculator", .call = calculator_call, .pure = true, .enumerate = calculator_enumerate};
const tfc_backend_type tfc_backend_calendar = {
    .name = "builtin:calendar", .open = tfc_calendar_open, .call = calendar_call, .pure = true};
const tfc_backend_type tfc_backend_datecalc = {
    .name = "builtin:datecalc", .call = datecalc_call, .pure = true, .enumerate = tfc_datecalc_enumerate};

static const tfc_backend_type *const types[] = {
    &tfc_backend_calculator, &tfc_backend_calendar, &tfc_backend_datecalc, &tfc_backend_wikisearch,
    &tfc_backend_qa,         &tfc_backend_command,  &tfc_backend_function, &tfc_backend_http,
    &tfc_backend_mcp,        &tfc_backend_mt,
};

const tfc_backend_type *tfc_backend_find(const char *name, char *known, size_t n_known)
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i]->name, name) == 0) return types[i];
        if (n < n_known) n += (size_t)snprintf(known + n, n_known - n, "%s%s", i ? ", " : "", types[i]->name);
    }
    return NULL;
}
