/* base/sha256.h: SHA-256 (FIPS 180-4). Of files: tfc_sha256_file in toolformer/base.h. */
#ifndef TFC_BASE_SHA256_H
#define TFC_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct tfc_sha256 {
    uint32_t state[8];
    uint64_t n_bytes;
    unsigned char block[64]; /* the first n_bytes % 64 are in use */
} tfc_sha256;
void tfc_sha256_init(tfc_sha256 *hash);
void tfc_sha256_update(tfc_sha256 *hash, const void *bytes, size_t n);
void tfc_sha256_final(tfc_sha256 *hash, char hex[65]);
/* Of bytes in memory. */
void tfc_sha256_bytes(const void *bytes, size_t n, char hex[65]);

#endif
