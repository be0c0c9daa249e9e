/* Which texts a tool wants (PAPER 2.4), and before which words a call may stand. */
#include <string.h>

#include "tools/calendar.h"
#include "tools/foreign.h"
#include "tools/number.h"
#include "tools/pattern.h"

static bool is_letter(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* text[at, …) begins with the lower-case phrase, in any case. */
static bool phrase_at(const char *text, size_t n, size_t at, const char *phrase)
{
    size_t length = strlen(phrase);
    if (n - at < length) return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[at + i];
        if ((c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c) != phrase[i]) return false;
    }
    return true;
}

static size_t skip_blanks(const char *text, size_t n, size_t at)
{
    for (size_t blank; (blank = tfc_blank_length(text, n, at)) > 0;) at += blank;
    return at;
}

/* Rule (ii): `=`, `equals`, `equal to`, `total of`, `average of`, and then a number. */
static bool says_result(const char *text, size_t n)
{
    static const char *const phrases[] = {"=", "equals", "equal to", "total of", "average of"};
    for (size_t at = 0; at < n; at++) {
        char c = text[at];
        if (c != '=' && !strchr("eEtTaA", c)) continue;
        if (c == '\0' || (c != '=' && !tfc_word_begins(text, n, at))) continue;
        for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
            tfc_number number;
            if (!phrase_at(text, n, at, phrases[i])) continue;
            size_t after = skip_blanks(text, n, at + strlen(phrases[i]));
            after += tfc_currency_length(text, n, after);
            if (tfc_number_at(text, n, after, &number)) return true;
        }
    }
    return false;
}

/* Numbers of the window, in millionths: exact where they have at most six decimals and are below 10^12. */
typedef struct window_number {
    int64_t millionths;
    int64_t unit; /* of the last decimal written, in millionths */
    size_t word;
    bool percent;
} window_number;

enum { MILLION = 1000000, WINDOW_WORDS = 100, WINDOW_NUMBERS = 64 };

static bool window_number_of(const tfc_number *number, size_t word, window_number *out)
{
    if (number->scale > 6 || number->mantissa > (int64_t)1000000000000) return false;
    int64_t unit = MILLION;
    for (int i = 0; i < number->scale; i++) unit /= 10;
    *out = (window_number){number->mantissa * unit, unit, word, number->percent};
    return true;
}

__extension__ typedef __int128 wide;

/* a / b, rounded to the decimals of c (half up), is c. `factor` 100: as a percentage. Whole numbers have to
 * be exact, or any two numbers would give a third. */
static bool is_quotient(const window_number *a, const window_number *b, const window_number *c,
                        int64_t factor)
{
    if (b->millionths == 0) return false;
    wide quotient = (wide)a->millionths * factor * MILLION, wanted = (wide)c->millionths * b->millionths;
    if (quotient == wanted) return true;
    if (c->unit == MILLION && factor == 1) return false;
    wide gap = 2 * (quotient - wanted), unit = (wide)c->unit * b->millionths;
    return gap >= -unit && gap < unit;
}

/* c is the result of an operation on a and b, and none of the two. */
static bool is_result(const window_number *a, const window_number *b, const window_number *c)
{
    if (c->millionths == a->millionths || c->millionths == b->millionths) return false;
    int64_t difference =
        a->millionths > b->millionths ? a->millionths - b->millionths : b->millionths - a->millionths;
    if (a->millionths + b->millionths == c->millionths || difference == c->millionths) return true;
    if ((wide)a->millionths * b->millionths == (wide)c->millionths * MILLION) return true;
    if (is_quotient(a, b, c, 1) || is_quotient(b, a, c, 1)) return true;
    return c->percent && (is_quotient(a, b, c, 100) || is_quotient(b, a, c, 100));
}

/* Rule (i), for the newest number of the window, wherever the result stands among the three. */
static bool completes(const window_number *window, size_t count)
{
    const window_number *c = &window[count - 1];
    for (size_t i = 0; i + 1 < count; i++)
        for (size_t j = i + 1; j + 1 < count; j++)
            if (is_result(&window[i], &window[j], c) || is_result(&window[i], c, &window[j]) ||
                is_result(&window[j], c, &window[i]))
                return true;
    return false;
}

/* Rules (i) and the count for (iii): true when a window of 100 words holds two numbers and their result. */
static bool window_search(const char *text, size_t n, size_t *n_numbers)
{
    window_number window[WINDOW_NUMBERS];
    size_t count = 0, word = 0, at = 0;
    tfc_number number;
    for (*n_numbers = 0; tfc_number_scan(text, n, at, &number); ++*n_numbers) {
        for (; at < number.end; at++)
            word += at > 0 && strchr(" \t\n\r", text[at - 1]) && text[at - 1] && !strchr(" \t\n\r", text[at]);
        size_t old = 0;
        while (old < count && (word - window[old].word >= WINDOW_WORDS || count - old >= WINDOW_NUMBERS))
            old++;
        count -= old;
        memmove(window, window + old, count * sizeof *window);
        if (!window_number_of(&number, word, &window[count])) continue;
        if (completes(window, ++count)) return true;
    }
    return false;
}

bool tfc_tool_wants_text(const tfc_tool *tool, const char *text, size_t n, const char *date, double draw)
{
    size_t n_numbers;
    switch (tool->heuristic) {
    case TFC_HEURISTIC_CALCULATOR:
        return window_search(text, n, &n_numbers) || says_result(text, n) || (n_numbers >= 3 && draw < 0.01);
    case TFC_HEURISTIC_CALENDAR:
        return tfc_calendar_valid(date);
    case TFC_HEURISTIC_PATTERN:
        return tfc_pattern_found(tool->text_pattern, text, n);
    case TFC_HEURISTIC_MT: {
        const tfc_lang *lang = tfc_lang_shared(NULL);
        return lang && tfc_foreign_between_english(lang, text, n);
    }
    case TFC_HEURISTIC_NONE:
    default:
        return true;
    }
}

bool tfc_tool_looks_ahead(const tfc_tool *tool, const char *text, size_t n, size_t at, const char *args,
                          size_t n_args)
{
    return tool->heuristic == TFC_HEURISTIC_MT && tfc_foreign_looks_ahead(text, n, at, args, n_args);
}

bool tfc_tool_identifies_languages(const tfc_tool *tool)
{
    return tool->heuristic == TFC_HEURISTIC_MT || tool->places == TFC_PLACES_AFTER_FOREIGN;
}

/* Words of letters and digits next to a place. */
static size_t word_end(const char *text, size_t n, size_t at)
{
    while (at < n && (is_letter(text[at]) || (text[at] >= '0' && text[at] <= '9'))) at++;
    return at;
}

static bool month_before(const char *text, size_t n, size_t at)
{
    size_t end = at;
    while (end > 0 && text[end - 1] == ' ') end--;
    if (end == at) return false;
    if (end > 0 && text[end - 1] == '.') end--;
    size_t begin = end;
    while (begin > 0 && end - begin < 10 && is_letter(text[begin - 1])) begin--;
    return tfc_word_begins(text, n, begin) && tfc_calendar_month(text + begin, end - begin) > 0;
}

/* What day of the month was it two weeks ago? 4 */
static bool day_asked_before(const char *text, size_t at)
{
    static const char asked[] = "day of the month";
    size_t near = at < 100 ? at : 100;
    return memmem(text + at - near, near, asked, sizeof asked - 1) != NULL;
}

/* A day, a year, or neither, in the word text[at, end). */
static bool is_date_number(const char *text, size_t n, size_t at, size_t end)
{
    size_t last = at;
    int value = 0;
    while (last < end && last - at < 5 && text[last] >= '0' && text[last] <= '9')
        value = value * 10 + text[last++] - '0';
    tfc_number number;
    if (!tfc_number_at(text, n, at, &number) || number.end != last || number.currency || number.percent)
        return false;
    if (last == end && last - at == 4) return value >= 1900 && value <= 2099;
    if (last - at > 2 || value < 1 || value > 31) return false;
    /* 30, or 1st, 2nd, 3rd, 4th */
    if (last != end &&
        !(end - last == 2 && strstr("st nd rd th", (char[]){text[last], text[last + 1], '\0'})))
        return false;
    if (month_before(text, n, at) || day_asked_before(text, at)) return true;
    size_t next = skip_blanks(text, n, end);
    size_t next_end = word_end(text, n, next);
    return next > end && next < n && text[next] >= 'A' && text[next] <= 'Z' &&
           tfc_calendar_month(text + next, next_end - next) > 0;
}

static bool is_date_word(const char *text, size_t n, size_t at)
{
    size_t end = word_end(text, n, at), length = end - at;
    if (length == 0 || length > 10 || !tfc_word_begins(text, n, at) || !tfc_word_ends(text, n, end))
        return false;
    if (!is_letter(text[at])) return is_date_number(text, n, at, end);
    static const char *const days[] = {"today", "tomorrow", "yesterday"};
    for (size_t i = 0; i < sizeof days / sizeof *days; i++)
        if (strlen(days[i]) == length && phrase_at(text, n, at, days[i])) return true;
    bool capital = text[at] >= 'A' && text[at] <= 'Z';
    return capital &&
           (tfc_calendar_weekday(text + at, length) > 0 || tfc_calendar_month(text + at, length) > 0);
}

/* 5/6, 2012–2014, 10:30, -5: what hangs on a sign is a part of something larger. After `=` a result stands.
 */
static bool is_joined(const char *text, size_t n, size_t at)
{
    static const char *const signs[] = {"+",
                                        "-",
                                        "*",
                                        "/",
                                        ":",
                                        ".",
                                        ",",
                                        "^",
                                        "\xC3\x97",
                                        "\xC3\xB7",
                                        "\xE2\x80\x93",
                                        "\xE2\x80\x94",
                                        "\xE2\x88\x92"}; /* × ÷ – — − */
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t length = strlen(signs[i]);
        if (n - at >= length && memcmp(text + at, signs[i], length) == 0) return true;
    }
    return false;
}

/* Each word has one place: before the blanks and the currency sign that lead to it, where there are some. */
bool tfc_tool_place_allowed(const tfc_tool *tool, const char *text, size_t n, size_t at)
{
    if (tool->places == TFC_PLACES_ANY) return true;
    if (at >= n) return false;
    if (at > 0) {
        size_t before = tfc_previous(text, at);
        if (tfc_blank_length(text, n, before) > 0 || tfc_currency_length(text, n, before) > 0) return false;
        if (tfc_blank_length(text, n, at) == 0 && is_joined(text, n, before)) return false;
    }
    if (tool->places == TFC_PLACES_AFTER_FOREIGN) {
        const tfc_lang *lang = tfc_lang_shared(NULL);
        return lang && tfc_foreign_before(lang, text, n, at);
    }
    size_t start = skip_blanks(text, n, at);
    if (tool->places == TFC_PLACES_PATTERN)
        return (start > at || at == 0 || word_end(text, at, at - 1) < at) &&
               tfc_pattern_at(tool->place_pattern, text, n, start);
    if (tool->places != TFC_PLACES_NUMBERS && is_date_word(text, n, start)) return true;
    if (tool->places == TFC_PLACES_DATES) return false;
    tfc_number number;
    return tfc_number_at(text, n, start + tfc_currency_length(text, n, start), &number);
}
