/* splitmix64 (Steele, Lea, Flood 2014) over a key mixed from the stream's name. */
#include "base/random.h"

#include <string.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

tfc_random tfc_random_stream(uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t golden = 0x9E3779B97F4A7C15u;
    uint64_t state = mix(seed + golden);
    state = mix(state ^ (a + golden));
    state = mix(state ^ (b + 2 * golden));
    state = mix(state ^ (c + 3 * golden));
    return (tfc_random){state};
}

uint64_t tfc_random_next(tfc_random *random)
{
    random->state += 0x9E3779B97F4A7C15u;
    return mix(random->state);
}

double tfc_random_uniform(tfc_random *random)
{
    return (double)(tfc_random_next(random) >> 11) * 0x1p-53;
}

uint64_t tfc_random_below(tfc_random *random, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, value;
    do value = tfc_random_next(random);
    while (value >= limit);
    return value % n;
}

uint64_t tfc_hash_bytes(const void *bytes, size_t n, uint64_t seed)
{
    const unsigned char *p = bytes;
    uint64_t hash = mix(seed ^ (n * 0x9E3779B97F4A7C15u));
    while (n >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        hash = mix(hash ^ word) * 0x9E3779B97F4A7C15u;
        p += 8;
        n -= 8;
    }
    uint64_t tail = 0;
    if (n) memcpy(&tail, p, n);
    return mix(hash ^ tail ^ ((uint64_t)n << 56));
}
