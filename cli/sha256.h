/* cli/sha256.h: SHA-256 (FIPS 180-4) of files. */
#ifndef CLI_SHA256_H
#define CLI_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sha256 {
    uint32_t state[8];
    uint64_t n_bytes;
    unsigned char block[64]; /* the first n_bytes % 64 are in use */
} sha256;
void sha256_init(sha256 *hash);
void sha256_update(sha256 *hash, const void *bytes, size_t n);
void sha256_final(sha256 *hash, char hex[65]);

/* Of a file; false with errno when it cannot be read. */
bool sha256_file(const char *path, char hex[65]);

#endif
