/* Reading a manifest's limits. */
#include "tools/tool_limits.h"

const tfc_tool_limits tfc_tool_limits_default = {.deadline_ms = 10000,
                                                 .retries = 2,
                                                 .retry_backoff_ms = 200,
                                                 .concurrency = 8,
                                                 .cache = TFC_CACHE_FOREVER,
                                                 .max_failure_rate = 0.5};

static tfc_status read_number(tfc_json *root, const char *key, double low, double high, double *out,
                              tfc_error *err)
{
    bool found;
    double value = *out;
    tfc_status status = tfc_json_get_double(root, key, &value, &found, err);
    if (status != TFC_OK || !found) return status;
    if (!(value >= low && value <= high))
        return tfc_fail(err, TFC_EFORMAT, "%s must be between %g and %g, not %g", key, low, high, value);
    *out = value;
    return TFC_OK;
}

static tfc_status read_cache(tfc_json *root, tfc_cache_policy *cache, tfc_error *err)
{
    static const char *const words[] = {"forever", "run", "never"};
    const char *word;
    bool found;
    tfc_status status = tfc_json_get_text(root, "cache", &word, NULL, &found, err);
    if (status != TFC_OK || !found) return status;
    for (int i = 0; i < 3; i++) {
        if (strcmp(word, words[i]) != 0) continue;
        *cache = (tfc_cache_policy)i;
        return TFC_OK;
    }
    return tfc_fail(err, TFC_EFORMAT, "cache: one of forever, run, never expected, not '%.80s'", word);
}

tfc_status tfc_tool_limits_read(tfc_json *root, tfc_tool_limits *limits, tfc_error *err)
{
    bool found;
    *limits = tfc_tool_limits_default;
    int64_t retries = limits->retries, concurrency = limits->concurrency;
    tfc_status status = tfc_json_get_int(root, "deadline_ms", 1, 86400000, &limits->deadline_ms, &found, err);
    if (status == TFC_OK) status = tfc_json_get_int(root, "retries", 0, 100, &retries, &found, err);
    if (status == TFC_OK)
        status =
            tfc_json_get_int(root, "retry_backoff_ms", 0, 3600000, &limits->retry_backoff_ms, &found, err);
    if (status == TFC_OK)
        status = tfc_json_get_bool(root, "retry_timeouts", &limits->retry_timeouts, &found, err);
    if (status == TFC_OK) status = read_number(root, "rate_per_s", 0.001, 1e6, &limits->rate_per_s, err);
    if (status == TFC_OK) status = tfc_json_get_int(root, "concurrency", 1, 256, &concurrency, &found, err);
    if (status == TFC_OK) status = read_cache(root, &limits->cache, err);
    if (status == TFC_OK) status = read_number(root, "cost", 0, 1e9, &limits->cost, err);
    if (status == TFC_OK)
        status = read_number(root, "max_failure_rate", 0, 1, &limits->max_failure_rate, err);
    limits->retries = (int)retries;
    limits->concurrency = (int)concurrency;
    return status;
}
