/* Numbers as people write them: 1,400  3.5  .75  29%  $45. */
#include "tools/number.h"

#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

/* More digits than that are no number that a text calculates with; longer runs are stepped over whole. */
enum { DIGITS_MAX = 18 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

size_t tfc_blank_length(const char *text, size_t n, size_t at)
{
    if (at < n && (text[at] == ' ' || text[at] == '\t')) return 1;
    return n - at >= 2 && at < n && memcmp(text + at, "\xC2\xA0", 2) == 0 ? 2 : 0;
}

size_t tfc_currency_length(const char *text, size_t n, size_t at)
{
    static const char *const signs[] = {"$", "\xE2\x82\xAC", "\xC2\xA3"}; /* $ € £ */
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t length = strlen(signs[i]);
        if (at <= n && n - at >= length && memcmp(text + at, signs[i], length) == 0) return length;
    }
    return 0;
}

size_t tfc_previous(const char *text, size_t at)
{
    size_t begin = at - 1;
    while (begin > 0 && at - begin < 4 && ((unsigned char)text[begin] & 0xC0) == 0x80) begin--;
    return begin;
}

bool tfc_word_ends(const char *text, size_t n, size_t at)
{
    if (at >= n) return true;
    unsigned char c = (unsigned char)text[at];
    if (c < 0x80) return !(is_digit((char)c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_');
    size_t length = tfc_utf8_length(text + at, n - at);
    if (length == 0) return true;
    utf8proc_category_t category =
        utf8proc_category((utf8proc_int32_t)tfc_utf8_decode(text + at, n - at, &length));
    return !((category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO));
}

bool tfc_word_begins(const char *text, size_t n, size_t at)
{
    return at == 0 || tfc_word_ends(text, n, tfc_previous(text, at));
}

/* The number whose first byte is text[at] (a digit, or a point before one); its end and whether it is one.
 * Runs with a second point (1.2.3) and over-long ones are none: *end is behind the whole run. */
static bool number_read(const char *text, size_t n, size_t at, tfc_number *out)
{
    *out = (tfc_number){.begin = at};
    size_t i = at, n_digits = 0, group = at;
    while (i < n && is_digit(text[i])) i++;
    /* Thousands commas: one to three digits, then groups of three. */
    bool grouped = i - at >= 1 && i - at <= 3 && text[at] != '0';
    for (group = i; grouped && n - group > 3 && text[group] == ',' && is_digit(text[group + 1]) &&
                    is_digit(text[group + 2]) && is_digit(text[group + 3]) &&
                    !(n - group > 4 && is_digit(text[group + 4]));)
        group += 4;
    i = group;
    size_t point = i;
    if (n - i >= 2 && text[i] == '.' && is_digit(text[i + 1]))
        for (i += 2; i < n && is_digit(text[i]);) i++;
    bool sound = true;
    while (n - i >= 2 && text[i] == '.' && is_digit(text[i + 1])) { /* 1.2.3 */
        sound = false;
        for (i += 2; i < n && is_digit(text[i]);) i++;
    }
    out->end = i;
    for (size_t j = at; sound && j < i; j++) {
        if (!is_digit(text[j])) continue;
        if (++n_digits > DIGITS_MAX) return false;
        out->mantissa = out->mantissa * 10 + (text[j] - '0');
        out->scale += j > point;
    }
    if (!sound) return false;
    size_t sign = i + tfc_blank_length(text, n, i);
    out->percent = (i < n && text[i] == '%') || (sign > i && sign < n && text[sign] == '%');
    out->currency = (at >= 1 && text[at - 1] == '$') ||
                    (at >= 2 && tfc_currency_length(text, n, at - 2) == 2) ||
                    (at >= 3 && tfc_currency_length(text, n, at - 3) == 3);
    return true;
}

bool tfc_number_scan(const char *text, size_t n, size_t from, tfc_number *number)
{
    size_t at = from;
    while (at < n) {
        bool point = text[at] == '.' && n - at >= 2 && is_digit(text[at + 1]) &&
                     tfc_word_begins(text, n, at) && !(at > 0 && text[at - 1] == '.');
        if (!is_digit(text[at]) && !point) {
            at++;
            continue;
        }
        if (!tfc_word_begins(text, n, at)) { /* B2B, x86, v1.2: not a number, nor is what hangs on it */
            while (at < n &&
                   (is_digit(text[at]) || (text[at] == '.' && n - at >= 2 && is_digit(text[at + 1]))))
                at++;
            continue;
        }
        bool found = number_read(text, n, at, number);
        at = number->end;
        if (found) return true;
    }
    return false;
}

/* True when a number's bytes may reach from before `at` to it: then it has to be looked at from its begin. */
static bool in_run(char c)
{
    return is_digit(c) || c == ',' || c == '.';
}

bool tfc_number_at(const char *text, size_t n, size_t at, tfc_number *number)
{
    enum { RUN_MAX = 64, AHEAD_MAX = 256 };
    if (at >= n || !(is_digit(text[at]) || text[at] == '.')) return false;
    if (n - at > AHEAD_MAX) n = at + AHEAD_MAX;
    size_t begin = at;
    while (begin > 0 && at - begin < RUN_MAX && in_run(text[begin - 1])) begin--;
    if (at - begin >= RUN_MAX) return false;
    while (begin <= at && tfc_number_scan(text, n, begin, number)) {
        if (number->begin == at) return true;
        if (number->begin > at) return false;
        begin = number->end;
    }
    return false;
}
