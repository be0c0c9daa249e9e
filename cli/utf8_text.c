/* Unicode's table 3-7: the second byte's range depends on the first one. */
#include "utf8_text.h"

size_t utf8_length(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4) return 0;
    size_t length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (length > n) return 0;
    unsigned char low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    if (s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    return length;
}

bool utf8_valid(const char *text, size_t n, size_t *at)
{
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length(text + i, n - i);
        if (length == 0) {
            *at = i;
            return false;
        }
        i += length;
    }
    return true;
}
