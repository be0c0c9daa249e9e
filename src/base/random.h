/* base/random.h: random numbers that depend on what they are for, not on when they are drawn.
 *
 * A stream is keyed by a seed and up to three numbers that name its purpose (document, position, sample), so
 * that the same draw comes out whatever the batch, the thread count or the resume. */
#ifndef TFC_BASE_RANDOM_H
#define TFC_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct tfc_random {
    uint64_t state;
} tfc_random;

tfc_random tfc_random_stream(uint64_t seed, uint64_t a, uint64_t b, uint64_t c);
uint64_t tfc_random_next(tfc_random *random);              /* splitmix64 */
double tfc_random_uniform(tfc_random *random);             /* [0, 1), 53 bits */
uint64_t tfc_random_below(tfc_random *random, uint64_t n); /* 0 … n-1 without bias; n ≥ 1 */
uint64_t tfc_hash_bytes(const void *bytes, size_t n,
                        uint64_t seed); /* for keys and tables; not for security */

#endif
