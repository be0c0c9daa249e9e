/* base/clock.h: the monotonic clock, for deadlines. */
#ifndef TFC_BASE_CLOCK_H
#define TFC_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t tfc_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* For poll: milliseconds until then, rounded up; 0 when it has passed. */
static inline int tfc_milliseconds_until(int64_t deadline_ns)
{
    int64_t left = (deadline_ns - tfc_monotonic_ns() + 999999) / 1000000;
    return left < 0 ? 0 : left > 1000000 ? 1000000 : (int)left;
}

#endif
