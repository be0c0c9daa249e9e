/* base/utf8.h: the little of UTF-8 that every layer needs. Classes and normalisation: utf8proc. */
#ifndef TFC_BASE_UTF8_H
#define TFC_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed character at `text` (1–4; Unicode table 3-7: no overlong forms, no surrogates,
 * nothing past U+10FFFF), or 0 where there is none. */
size_t tfc_utf8_length(const char *text, size_t n);

/* The character at `text`, which must be well formed; *length gets its bytes. */
uint32_t tfc_utf8_decode(const char *text, size_t n, size_t *length);

/* Writes at most 4 bytes; returns how many. */
size_t tfc_utf8_encode(uint32_t code, char out[4]);

/* True when all of it is well formed; else *at is the first bad byte's offset. */
bool tfc_utf8_valid(const char *text, size_t n, size_t *at);

/* True when a character may start at text[at] (0 and n are boundaries). */
static inline bool tfc_utf8_boundary(const char *text, size_t n, size_t at)
{
    return at == 0 || at >= n || ((unsigned char)text[at] & 0xC0) != 0x80;
}

#endif
