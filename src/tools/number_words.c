/* Numbers in words: ninety-nine, two hundred and five, a dozen; and words that multiply or divide what they
 * speak of: twice, half, a third. English. `one` alone is left out: it is a pronoun more often than a number.
 */
#include <string.h>

#include "tools/number.h"

typedef struct word {
    const char *text;
    int32_t value;
} word;

static const word units[] = {{"one", 1},        {"two", 2},       {"three", 3},     {"four", 4},
                             {"five", 5},       {"six", 6},       {"seven", 7},     {"eight", 8},
                             {"nine", 9},       {"ten", 10},      {"eleven", 11},   {"twelve", 12},
                             {"thirteen", 13},  {"fourteen", 14}, {"fifteen", 15},  {"sixteen", 16},
                             {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19}, {NULL, 0}};
static const word tens[] = {{"twenty", 20},  {"thirty", 30}, {"forty", 40},  {"fifty", 50}, {"sixty", 60},
                            {"seventy", 70}, {"eighty", 80}, {"ninety", 90}, {NULL, 0}};
static const word hundreds[] = {{"hundred", 100}, {NULL, 0}};
static const word powers[] = {{"thousand", 1000}, {"million", 1000000}, {NULL, 0}};
static const word counts[] = {{"dozen", 12}, {"dozens", 12}, {NULL, 0}};
static const word scales[] = {{"half", 2},    {"twice", 2},     {"double", 2},     {"doubled", 2},
                              {"doubles", 2}, {"thrice", 3},    {"triple", 3},     {"tripled", 3},
                              {"triples", 3}, {"thirds", 3},    {"quarter", 4},    {"quarters", 4},
                              {"fourths", 4}, {"quadruple", 4}, {"quadrupled", 4}, {"fifths", 5},
                              {"sixths", 6},  {"eighths", 8},   {"tenths", 10},    {NULL, 0}};
static const word percents[] = {{"percent", 1}, {NULL, 0}};
/* Ordinals: parts behind `a` or `one` (a third of them), else places in a row (the third of them). */
static const word parts[] = {{"third", 3},  {"fourth", 4}, {"fifth", 5}, {"sixth", 6},
                             {"eighth", 8}, {"tenth", 10}, {NULL, 0}};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* One of `words` stands at text[at] as a whole word, in any case: its value and its end; 0 for none. */
static int32_t word_at(const word *words, const char *text, size_t n, size_t at, size_t *end)
{
    size_t length = 0;
    while (at + length < n && length < 16 && is_letter(text[at + length])) length++;
    if (length == 0 || !tfc_word_begins(text, n, at) || !tfc_word_ends(text, n, at + length)) return 0;
    for (; words->text; words++) {
        size_t i = 0;
        while (i < length && (text[at + i] | 0x20) == words->text[i]) i++;
        if (i == length && words->text[i] == '\0') return *end = at + length, words->value;
    }
    return 0;
}

/* Where the next word of a number in words may begin: behind one blank or hyphen, and behind `and`. */
static size_t next_word(const char *text, size_t n, size_t at)
{
    static const word ands[] = {{"and", 1}, {NULL, 0}};
    if (at >= n || (text[at] != ' ' && text[at] != '-')) return n;
    size_t end;
    return word_at(ands, text, n, at + 1, &end) && end < n && text[end] == ' ' ? end + 1 : at + 1;
}

/* seven, seventeen, seventy(-)seven */
static int64_t below_hundred(const char *text, size_t n, size_t at, size_t *end)
{
    int64_t value = word_at(units, text, n, at, end);
    if (value) return value;
    value = word_at(tens, text, n, at, end);
    if (!value || *end >= n || (text[*end] != ' ' && text[*end] != '-')) return value;
    size_t behind;
    int32_t more = word_at(units, text, n, *end + 1, &behind);
    if (more == 0 || more > 9) return value;
    *end = behind;
    return value + more;
}

/* Below a thousand: [seven] hundred [and] [seventy] */
static int64_t below_thousand(const char *text, size_t n, size_t at, size_t *end)
{
    int64_t value = below_hundred(text, n, at, end);
    size_t behind, next = value ? next_word(text, n, *end) : at;
    if (!word_at(hundreds, text, n, next, &behind)) return value;
    *end = behind;
    value = (value ? value : 1) * 100;
    int64_t more = below_hundred(text, n, next_word(text, n, *end), &behind);
    if (more) *end = behind;
    return value + more;
}

static int64_t number_at(const char *text, size_t n, size_t at, size_t *end)
{
    int64_t value = below_thousand(text, n, at, end), total = 0;
    for (int power = 0; power < 2; power++) {
        size_t behind, next = value ? next_word(text, n, *end) : at;
        int32_t times = value || power == 0 ? word_at(powers, text, n, next, &behind) : 0;
        if (!times) break;
        *end = behind;
        total += (value ? value : 1) * times;
        value = below_thousand(text, n, next_word(text, n, *end), &behind);
        if (value) *end = behind;
    }
    return total + value;
}

/* `a` or `one` and a blank or hyphen stand before text[at]. */
static bool behind_article(const char *text, size_t n, size_t at)
{
    static const word articles[] = {{"a", 1}, {"one", 1}, {NULL, 0}};
    size_t begin = at > 0 ? at - 1 : 0, end;
    if (at == 0 || (text[begin] != ' ' && text[begin] != '-')) return false;
    while (begin > 0 && is_letter(text[begin - 1])) begin--;
    return word_at(articles, text, n, begin, &end) && end + 1 == at;
}

bool tfc_number_word_at(const char *text, size_t n, size_t at, tfc_number *number)
{
    if (at >= n || !is_letter(text[at])) return false;
    size_t end = at;
    *number = (tfc_number){.begin = at, .word = true};
    number->mantissa = word_at(counts, text, n, at, &end);
    if (!number->mantissa) number->mantissa = number_at(text, n, at, &end);
    if (number->mantissa == 1) return false;
    if (!number->mantissa) {
        number->mantissa = word_at(scales, text, n, at, &end);
        if (!number->mantissa && behind_article(text, n, at))
            number->mantissa = word_at(parts, text, n, at, &end);
        number->scales = true;
    }
    number->end = end;
    return number->mantissa != 0;
}

bool tfc_number_scan_words(const char *text, size_t n, size_t from, tfc_number *number)
{
    size_t at = from;
    for (; at < n; at++) {
        if ((text[at] >= '0' && text[at] <= '9') || text[at] == '.') {
            /* Digits are left to their own scanner, which knows what is none. */
            size_t end;
            if (!tfc_number_at(text, n, at, number)) continue;
            number->percent |= number->end < n && text[number->end] == ' ' &&
                               word_at(percents, text, n, number->end + 1, &end) > 0;
            return true;
        }
        if (is_letter(text[at]) && (at == 0 || !is_letter(text[at - 1])) &&
            tfc_number_word_at(text, n, at, number)) {
            return true;
        }
    }
    return false;
}
