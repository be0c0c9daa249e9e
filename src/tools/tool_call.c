/* A call as one tool's business: its deadline, and what may be tried again. */
#include "tools/runner_inside.h"

tfc_status tfc_tool_attempt(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                            char **result, tfc_error *err)
{
    const tfc_backend_type *backend = tool->backend;
    *result = NULL;
    tfc_status status = backend->prepare ? backend->prepare(tool, err) : TFC_OK;
    int64_t deadline =
        tool->limits.deadline_ms > 0 ? tfc_monotonic_ns() + tool->limits.deadline_ms * 1000000 : 0;
    if (status == TFC_OK) status = backend->call(tool, args, context, deadline, result, err);
    if (status == TFC_OK && !*result)
        status = tfc_fail(err, TFC_EIO, "%s gave neither a result nor a reason", tool->name);
    return status;
}

bool tfc_tool_may_retry(const tfc_tool *tool, tfc_status status, int attempts)
{
    if (attempts > tool->limits.retries) return false;
    return status == TFC_EIO || (status == TFC_ETIMEOUT && tool->limits.retry_timeouts);
}

int64_t tfc_tool_backoff_ns(const tfc_tool *tool, int attempts)
{
    enum { DOUBLINGS_MAX = 12, BACKOFF_MAX_S = 60 };
    int doublings = attempts - 1 < DOUBLINGS_MAX ? attempts - 1 : DOUBLINGS_MAX;
    int64_t ns = tool->limits.retry_backoff_ms * 1000000, most = (int64_t)BACKOFF_MAX_S * 1000000000;
    ns = ns > most ? ns : (ns << doublings) > most ? most : ns << doublings;
    return ns;
}

tfc_status tfc_tool_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                         char **result, tfc_error *err)
{
    tfc_error own;
    for (int attempts = 1;; attempts++) {
        tfc_error_init(&own);
        tfc_status status = tfc_tool_attempt(tool, args ? args : "", context, result, &own);
        if (!tfc_tool_may_retry(tool, status, attempts)) {
            if (status != TFC_OK && err) *err = own;
            return status;
        }
        int64_t ns = tfc_tool_backoff_ns(tool, attempts);
        nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = (long)(ns % 1000000000)}, NULL);
    }
}
