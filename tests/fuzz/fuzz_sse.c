/* Streams of events: cut anywhere, the same events come out. */
#include <stdlib.h>

#include "base/random.h"
#include "tools/mcp_sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool take(void *context, const char *text, size_t n)
{
    uint64_t *hash = context;
    *hash = tfc_hash_bytes(text, n, *hash + 1);
    return n != 5;
}

static uint64_t events(const uint8_t *data, size_t n, size_t step)
{
    uint64_t hash = 0;
    tfc_sse sse;
    tfc_sse_init(&sse, 1000, take, &hash);
    for (size_t at = 0; at < n; at += step)
        tfc_sse_feed(&sse, (const char *)data + at, n - at < step ? n - at : step);
    tfc_sse_release(&sse);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (events(data, n, n ? n : 1) != events(data, n, 1) || events(data, n, 3) != events(data, n, 1)) abort();
    return 0;
}
