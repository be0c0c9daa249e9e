/* cli/utf8_text.h: is it UTF-8? */
#ifndef CLI_UTF8_TEXT_H
#define CLI_UTF8_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the well-formed character at text (1 … 4), 0 where there is none. n ≥ 1. */
size_t utf8_length(const char *text, size_t n);
/* True when all is well formed; else *at is the first bad byte. */
bool utf8_valid(const char *text, size_t n, size_t *at);

#endif
