/* Reading numbers of outputs and answers; scorers.h holds the rules. */
#include "eval/scorers.h"

#include <string.h>

#include "tools/number.h"

enum { DENOMINATOR_MAX = 1000000 };

static size_t skip_blanks(const char *text, size_t n, size_t at)
{
    for (size_t length; (length = tfc_blank_length(text, n, at)) > 0;) at += length;
    return at;
}

/* Bytes of a minus sign at text[at]: a hyphen or U+2212. */
static size_t minus_length(const char *text, size_t n, size_t at)
{
    if (at < n && text[at] == '-') return 1;
    return at < n && n - at >= 3 && memcmp(text + at, "\xE2\x88\x92", 3) == 0 ? 3 : 0;
}

static tfc_value value_of(const tfc_number *number, bool negative)
{
    return (tfc_value){negative ? -number->mantissa : number->mantissa, 1, number->scale};
}

/* Behind a number that is a whole answer: `%`, a full stop, a unit in parentheses. */
static bool only_unit_follows(const char *text, size_t n, size_t at)
{
    at = skip_blanks(text, n, at);
    if (at < n && text[at] == '%') at = skip_blanks(text, n, at + 1);
    if (at < n && text[at] == '.') at = skip_blanks(text, n, at + 1);
    if (at == n) return true;
    const char *close = text[at] == '(' ? memchr(text + at, ')', n - at) : NULL;
    return close && skip_blanks(text, n, (size_t)(close - text) + 1) == n;
}

bool tfc_value_read(const char *text, tfc_value *value)
{
    size_t n = strlen(text), at = skip_blanks(text, n, 0);
    at += tfc_currency_length(text, n, at);
    size_t minus = minus_length(text, n, at);
    at += minus;
    at += tfc_currency_length(text, n, at);
    tfc_number number, under;
    if (!tfc_number_scan(text, n, at, &number) || number.begin != at) return false;
    *value = value_of(&number, minus > 0);
    if (number.end < n && text[number.end] == '/' && number.scale == 0 &&
        tfc_number_scan(text, n, number.end, &under) && under.begin == number.end + 1 && under.scale == 0 &&
        under.mantissa > 0 && under.mantissa <= DENOMINATOR_MAX) {
        value->denominator = under.mantissa;
        number = under;
    }
    return only_unit_follows(text, n, number.end);
}

/* The value of the list's part that begins at text; where the next one begins, NULL behind the last. */
static bool part_read(const char **text, tfc_value *value)
{
    enum { PART_MAX = 80 };
    char part[PART_MAX + 1];
    size_t n = strcspn(*text, ";");
    if (n > PART_MAX) return false;
    memcpy(part, *text, n);
    part[n] = '\0';
    *text = (*text)[n] ? *text + n + 1 : NULL;
    return tfc_value_read(part, value);
}

int tfc_list_length(const char *text)
{
    tfc_value value;
    int n = 0;
    if (!strchr(text, ';')) return 0;
    for (; text; n++)
        if (!part_read(&text, &value)) return 0;
    return n;
}

bool tfc_list_given(const char *output, const char *list, size_t *begin, size_t *end)
{
    size_t n = strlen(output), at = 0;
    tfc_value value;
    *begin = *end = 0;
    for (bool first = true; list; first = false) {
        tfc_number number;
        if (!part_read(&list, &value) || !tfc_number_scan(output, n, at, &number)) return false;
        if (first) *begin = number.begin;
        *end = at = number.end;
        tfc_value said = value_of(&number, false);
        if (!tfc_value_equal(&said, &value, true)) return false;
    }
    return true;
}

static __int128 power_of_ten(int exponent)
{
    __int128 power = 1;
    while (exponent-- > 0) power *= 10;
    return power;
}

/* |a| ≤ limit without asking for more bits than there are: numerators and powers are below 10^18. */
static bool fraction_equal(const tfc_value *number, const tfc_value *fraction)
{
    __int128 left = (__int128)number->numerator * fraction->denominator;
    __int128 right = (__int128)fraction->numerator * power_of_ten(number->scale), apart = left - right;
    if (apart < 0) apart = -apart;
    return apart == 0 || (number->scale >= 2 && apart * 2 <= fraction->denominator);
}

bool tfc_value_equal(const tfc_value *a, const tfc_value *b, bool magnitude)
{
    tfc_value x = *a, y = *b;
    if (magnitude && x.numerator < 0) x.numerator = -x.numerator;
    if (magnitude && y.numerator < 0) y.numerator = -y.numerator;
    if (x.denominator > 1 && y.denominator > 1)
        return (__int128)x.numerator * y.denominator == (__int128)y.numerator * x.denominator;
    if (x.denominator > 1) return fraction_equal(&y, &x);
    if (y.denominator > 1) return fraction_equal(&x, &y);
    int most = x.scale > y.scale ? x.scale : y.scale, both = x.scale < y.scale ? x.scale : y.scale;
    __int128 apart = x.numerator * power_of_ten(most - x.scale) - y.numerator * power_of_ten(most - y.scale);
    if (apart < 0) apart = -apart;
    return apart == 0 || (both >= 2 && apart * 2 <= power_of_ten(most - both));
}

/* Takes the signs before a number into the reading; true when one of them is a minus that is no dash between
 * two words. */
static bool take_signs(const char *text, size_t n, tfc_reading *reading)
{
    bool negative = false, currency = false;
    size_t at = reading->begin;
    for (bool more = true; more && at > 0;) {
        size_t before = tfc_previous(text, at);
        more = false;
        if (!currency && tfc_currency_length(text, n, before) == at - before)
            currency = more = true;
        else if (!negative && minus_length(text, n, before) == at - before &&
                 (before == 0 || (tfc_word_begins(text, n, before) && text[before - 1] != ')')))
            negative = more = true;
        if (more) at = before;
    }
    reading->begin = at;
    return negative;
}

void tfc_reading_fraction(const char *output, size_t n, tfc_reading *reading)
{
    size_t at = reading->end;
    tfc_number under;
    if (reading->value.scale != 0 || at >= n || output[at] != '/' ||
        !tfc_number_scan(output, n, at, &under) || under.begin != at + 1 || under.scale != 0 ||
        under.mantissa < 1 || under.mantissa > DENOMINATOR_MAX || (under.end < n && output[under.end] == '/'))
        return;
    reading->value.denominator = under.mantissa;
    reading->end = under.end;
}

bool tfc_read_literal(const char *output, tfc_reading *reading)
{
    size_t n = strlen(output);
    tfc_number number;
    const char *equals = strchr(output, '=');
    bool found = equals && tfc_number_scan(output, n, (size_t)(equals - output) + 1, &number);
    if (!found) found = tfc_number_scan(output, n, 0, &number);
    *reading = (tfc_reading){0};
    if (!found) return false;
    *reading = (tfc_reading){number.begin, number.end, value_of(&number, false)};
    if (take_signs(output, n, reading)) reading->value.numerator = -reading->value.numerator;
    return true;
}

/* The end of the first line that holds more than blanks; *begin is where its text begins. */
static size_t first_line(const char *output, size_t *begin)
{
    *begin = strspn(output, " \t\r\n");
    return *begin + strcspn(output + *begin, "\r\n");
}

/* From the end of a number to behind the last `=` of the equation that it stands in; `from` when in none. */
static size_t last_side(const char *text, size_t n, size_t from)
{
    size_t side = from;
    for (size_t i = from; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool stop = (c == '.' && !(i + 1 < n && text[i + 1] >= '0' && text[i + 1] <= '9')) || c == ';' ||
                    c == '?' || c == '!' || c == ':';
        if (stop) break;
        tfc_number after;
        if (c == '=' && tfc_number_scan(text, n, i + 1, &after)) side = i + 1;
    }
    return side;
}

static bool word_at(const char *text, size_t n, size_t at, const char *word)
{
    size_t length = strlen(word);
    if (n - at < length) return false;
    for (size_t i = 0; i < length; i++)
        if ((text[at + i] | 0x20) != word[i]) return false;
    return tfc_word_ends(text, n, at + length) || text[at + length] == 's';
}

/* True when what follows makes the number a part of something else. */
static bool part_of_more(const char *text, size_t n, const tfc_number *number)
{
    static const char *const multiples[] = {"hundred",  "thousand", "million", "billion",
                                            "trillion", "percent",  "dozen"};
    size_t at = number->end, next = skip_blanks(text, n, at);
    bool digit = at + 1 < n && text[at + 1] >= '0' && text[at + 1] <= '9';
    if (number->percent) return true;
    if (at < n && digit && strchr("/:-", text[at])) return true; /* 16/3/2020, 16:30, 16-20 */
    if (at < n && !tfc_word_ends(text, n, at)) return true;      /* 16th, 16k */
    if (n - at >= 4 && memcmp(text + at, "\xE2\x80\x93", 3) == 0 && text[at + 3] >= '0' &&
        text[at + 3] <= '9')
        return true; /* en dash */
    for (size_t i = 0; i < sizeof multiples / sizeof *multiples; i++)
        if (next > at && next < n && word_at(text, n, next, multiples[i])) return true;
    tfc_number second;
    if (next > at && next < n && tfc_number_scan(text, n, next, &second) && second.begin == next &&
        second.end < n && text[second.end] == '/')
        return true; /* 2 1/2 */
    return false;
}

bool tfc_read_strict(const char *output, tfc_reading *reading)
{
    size_t begin, n = first_line(output, &begin);
    tfc_number number;
    *reading = (tfc_reading){0};
    if (!tfc_number_scan(output, n, begin, &number)) return false;
    size_t side = last_side(output, n, number.end);
    if (side > number.end && !tfc_number_scan(output, n, side, &number)) return false;
    *reading = (tfc_reading){number.begin, number.end, value_of(&number, false)};
    if (take_signs(output, n, reading)) reading->value.numerator = -reading->value.numerator;
    tfc_reading_fraction(output, n, reading);
    number.end = reading->end;
    if (part_of_more(output, n, &number)) {
        *reading = (tfc_reading){0};
        return false;
    }
    return true;
}
