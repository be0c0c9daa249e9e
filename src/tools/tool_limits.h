/* tools/tool_limits.h: what a call of a tool may take, as its manifest says. */
#ifndef TFC_TOOLS_TOOL_LIMITS_H
#define TFC_TOOLS_TOOL_LIMITS_H

#include "base/json.h"

typedef enum tfc_cache_policy {
    TFC_CACHE_FOREVER, /* results are kept in the cache that runs share */
    TFC_CACHE_RUN,     /* an equal call is not made again within one run */
    TFC_CACHE_NEVER    /* every call is made */
} tfc_cache_policy;

typedef struct tfc_tool_limits {
    int64_t deadline_ms;      /* of one attempt; default 10000 */
    int retries;              /* attempts after the first one that failed; default 2 */
    int64_t retry_backoff_ms; /* before the first retry, twice as long before each further one; default 200 */
    bool retry_timeouts;      /* a passed deadline is tried again too; default false */
    double rate_per_s;        /* calls begun in a second at most; 0 (null): any number */
    int concurrency;          /* calls at the same time; default 8 */
    tfc_cache_policy cache;   /* default forever */
    double cost;              /* of one call, in whatever unit; default 0 */
    double max_failure_rate;  /* share of failed calls above which a run stops; default 0.5 */
} tfc_tool_limits;

extern const tfc_tool_limits tfc_tool_limits_default;

/* The fields of the same names in a manifest; those that are missing have their defaults. */
tfc_status tfc_tool_limits_read(tfc_json *root, tfc_tool_limits *limits, tfc_error *err);

#endif
