/* DateCalc's enumerating proposer: what can be calculated with the dates and spans before a place, and gives
 * what stands there. With the result of an earlier call (the Calendar's date) it proposes the second member
 * of a chain.
 *
 * A difference is `the date of the text - the earlier result`, or the later date minus the earlier one, so
 * that there is one way to write it. Its unit is the one that follows the place, else the one that was asked
 * for (`how many weeks`), else days. */
#include <stdio.h>

#include "base/memory.h"
#include "tools/calendar.h"
#include "tools/datecalc.h"
#include "tools/number.h"

enum { DATE_BYTES = 64, AMOUNT_MAX = 9999 };

/* What stands at the place. Unset parts: 0, -1 for count and unit. */
typedef struct target {
    int weekday; /* 1 is Sunday */
    int month, day, year;
    int64_t count;
    int unit; /* the one that follows the count */
} target;

typedef enum mention_kind { MENTION_DATE, MENTION_HOLIDAY, MENTION_MONTH_DAY, MENTION_SPAN } mention_kind;
typedef struct mention {
    mention_kind kind;
    tfc_date date; /* date; of a day without a year month and day */
    bool dated;    /* holiday: its year is known, and date is set */
    bool shifted;  /* holiday: `this year`, `next year`, `last year` is said: that of the base + shift */
    char text[DATE_BYTES]; /* date: as an argument; holiday: its name */
    int holiday, shift;
    int64_t count; /* span */
    tfc_date_unit unit;
    int sign;          /* +1, -1, 0: not said */
    bool from_another; /* before, after: counted from something else, it may be */
} mention;

typedef struct enumeration {
    target goal;
    int asked; /* unit asked for, or -1 */
    size_t max_args;
    tfc_proposals *out;
    bool failed;
} enumeration;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t word_length(const char *text, size_t n, size_t at)
{
    size_t length = 0;
    while (at + length < n && (text[at + length] | 0x20) >= 'a' && (text[at + length] | 0x20) <= 'z')
        length++;
    return length;
}

static size_t skip_blanks(const char *text, size_t n, size_t at)
{
    for (size_t blank; (blank = tfc_blank_length(text, n, at)) > 0;) at += blank;
    return at;
}

/* The word text[at, …) is `word`, in any case; its end, or 0. */
static size_t word_at(const char *text, size_t n, size_t at, const char *word)
{
    size_t length = strlen(word);
    if (at > n || n - at < length || !tfc_word_ends(text, n, at + length)) return 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[at + i];
        if ((c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c) != word[i]) return 0;
    }
    return at + length;
}

/* A phrase of words with any blanks between; its end, or 0. */
static size_t phrase_at(const char *text, size_t n, size_t at, const char *phrase)
{
    while (at > 0 && *phrase) {
        char word[16];
        size_t length = strcspn(phrase, " ");
        memcpy(word, phrase, length);
        word[length] = '\0';
        at = word_at(text, n, skip_blanks(text, n, at), word);
        phrase += length + (phrase[length] == ' ');
    }
    return at;
}

/* day, days, full weeks …: the unit and the end, or 0. */
static size_t unit_at(const char *text, size_t n, size_t at, tfc_date_unit *unit)
{
    static const char *const whole[] = {"full", "whole", "complete"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        size_t word = word_at(text, n, at, whole[i]);
        if (word > 0) at = skip_blanks(text, n, word);
    }
    for (int u = 0; u < TFC_N_DATE_UNITS; u++) {
        char plural[8];
        snprintf(plural, sizeof plural, "%ss", tfc_date_units[u]);
        size_t end = word_at(text, n, at, tfc_date_units[u]);
        if (end == 0) end = word_at(text, n, at, plural);
        if (end == 0) continue;
        *unit = (tfc_date_unit)u;
        return end;
    }
    return 0;
}

/* Digits at text[at], a whole word of at most `most`: the value and the end, or 0. */
static size_t digits_at(const char *text, size_t n, size_t at, size_t most, int *value)
{
    size_t end = at;
    for (*value = 0; end < n && end - at < most && is_digit(text[end]); end++)
        *value = *value * 10 + text[end] - '0';
    return end > at && tfc_word_ends(text, n, end) ? end : 0;
}

static size_t year_at(const char *text, size_t n, size_t at, int *year)
{
    size_t end = digits_at(text, n, at, 4, year);
    return end - at == 4 && *year >= 1000 ? end : 0;
}

/* The number that a word up to `ninety` says, and its end; 0 when it says none. */
static size_t number_word_at(const char *text, size_t n, size_t at, int *value)
{
    static const char *const small[] = {"one",     "two",       "three",    "four",     "five",
                                        "six",     "seven",     "eight",    "nine",     "ten",
                                        "eleven",  "twelve",    "thirteen", "fourteen", "fifteen",
                                        "sixteen", "seventeen", "eighteen", "nineteen"};
    static const char *const tens[] = {"twenty", "thirty",  "forty",  "fifty",
                                       "sixty",  "seventy", "eighty", "ninety"};
    size_t end;
    for (int i = 0; i < 19; i++)
        if ((end = word_at(text, n, at, small[i])) > 0) return *value = i + 1, end;
    for (int i = 0; i < 8; i++)
        if ((end = word_at(text, n, at, tens[i])) > 0) return *value = 10 * (i + 2), end;
    return 0;
}

/* 10, ten, twenty-one, a, an: the count and the end, or 0. */
static size_t count_at(const char *text, size_t n, size_t at, int *count)
{
    if (is_digit(text[at])) return digits_at(text, n, at, 4, count);
    size_t end = number_word_at(text, n, at, count), next;
    int ones;
    *count = end ? *count : 1;
    if (end == 0) end = word_at(text, n, at, "a");
    if (end == 0) end = word_at(text, n, at, "an");
    if (end > 0 && *count >= 20 && end < n && (text[end] == '-' || text[end] == ' ') &&
        (next = number_word_at(text, n, end + 1, &ones)) > 0 && ones < 10)
        return *count += ones, next;
    return end;
}

/* ---- mentions ---- */

/* The word before text[at], when it is `word`. */
static bool word_before(const char *text, size_t n, size_t at, const char *word)
{
    size_t length = strlen(word), end = at;
    while (end > 0 && text[end - 1] == ' ') end--;
    if (end == at || end < length) return false;
    return tfc_word_begins(text, n, end - length) && word_at(text, n, end - length, word) == end;
}

/* in 10 days, 3 weeks ago, a month later. */
static size_t span_at(const char *text, size_t n, size_t at, mention *out)
{
    static const char *const back[] = {"ago", "earlier", "before", "prior", "back"};
    static const char *const ahead[] = {"from now", "from today", "later", "after", "hence", "ahead"};
    static const char *const leads[] = {"in", "within", "another"};
    int count;
    size_t end = count_at(text, n, at, &count), next;
    if (end == 0 || count < 1 || count > AMOUNT_MAX) return 0;
    end = unit_at(text, n, skip_blanks(text, n, end), &out->unit);
    if (end == 0) return 0;
    out->kind = MENTION_SPAN;
    out->count = count;
    for (size_t i = 0; i < sizeof back / sizeof *back; i++)
        if (phrase_at(text, n, end, back[i])) out->sign = -1;
    for (size_t i = 0; i < sizeof ahead / sizeof *ahead && out->sign == 0; i++)
        if ((next = phrase_at(text, n, end, ahead[i])) > 0) out->sign = 1;
    for (size_t i = 0; i < sizeof leads / sizeof *leads && out->sign == 0; i++)
        if (word_before(text, n, at, leads[i])) out->sign = 1;
    out->from_another = phrase_at(text, n, end, "before") || phrase_at(text, n, end, "after");
    return end;
}

/* The day after tomorrow, yesterday. */
static size_t relative_at(const char *text, size_t n, size_t at, mention *out)
{
    static const struct {
        const char *phrase;
        int count, sign;
    } days[] = {{"day before yesterday", 2, -1},
                {"day after tomorrow", 2, 1},
                {"yesterday", 1, -1},
                {"tomorrow", 1, 1}};
    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        size_t first = strcspn(days[i].phrase, " ");
        char word[16];
        memcpy(word, days[i].phrase, first);
        word[first] = '\0';
        size_t end = word_at(text, n, at, word);
        if (end > 0 && days[i].phrase[first] == ' ')
            end = phrase_at(text, n, end, days[i].phrase + first + 1);
        if (end == 0) continue;
        out->kind = MENTION_SPAN;
        out->count = days[i].count;
        out->unit = TFC_DAYS;
        out->sign = days[i].sign;
        return end;
    }
    return 0;
}

static void date_text(tfc_date date, char out[DATE_BYTES])
{
    snprintf(out, DATE_BYTES, "%s %d, %d", tfc_month_names[date.month - 1], date.day, date.year);
}

/* Arguments as decoding may write them. */
static bool is_learnable(const char *args)
{
    const tfc_grammar *grammar = tfc_grammar_args(TFC_ARGS_DATES);
    uint32_t state = tfc_grammar_feed(grammar, grammar->start, args, strlen(args));
    return grammar->accepts(grammar->context, tfc_grammar_feed(grammar, state, ")", 1));
}

/* The holiday's name as it is said, where the grammar knows it, else its usual name. */
static void holiday_text(const char *name, int holiday, char out[DATE_BYTES])
{
    char dated[DATE_BYTES];
    if (strncmp(name, "the ", 4) == 0) name += 4;
    snprintf(dated, sizeof dated, "%s 2000", name);
    snprintf(out, DATE_BYTES, "%s", is_learnable(dated) ? name : tfc_holiday_name(holiday));
}

/* Labor Day, Labor Day 2023, Christmas of 2022, Labor Day next year. */
static size_t holiday_at(const char *text, size_t n, size_t at, mention *out)
{
    static const char *const shifts[] = {"last year", "this year", "next year"};
    const char *name = NULL;
    int year;
    size_t length = tfc_holiday_at(text + at, n - at, &out->holiday, &name), end = at + length, next, of;
    if (length == 0) return 0;
    out->kind = MENTION_HOLIDAY;
    next = skip_blanks(text, n, end < n && text[end] == ',' ? end + 1 : end);
    if ((of = word_at(text, n, next, "of")) > 0 || (of = word_at(text, n, next, "in")) > 0)
        next = skip_blanks(text, n, of);
    if (next > end && (next = year_at(text, n, next, &year)) > 0) {
        out->dated = tfc_holiday_date(out->holiday, year, &out->date);
        holiday_text(name, out->holiday, out->text);
        size_t used = strlen(out->text);
        snprintf(out->text + used, sizeof out->text - used, " %d", year);
        return next;
    }
    holiday_text(name, out->holiday, out->text);
    for (int i = 0; i < 3; i++)
        if (phrase_at(text, n, end, shifts[i])) out->shift = i - 1, out->shifted = true;
    return end;
}

/* March 5, 2023; Mar. 5th 2023; March 5 (without a year); 2023-03-05. */
static size_t date_at(const char *text, size_t n, size_t at, mention *out)
{
    int month, day, year = 0;
    size_t end, next;
    if (is_digit(text[at])) {
        char iso[11] = "";
        if (n - at < 10 || !tfc_word_ends(text, n, at + 10)) return 0;
        memcpy(iso, text + at, 10);
        if (!tfc_calendar_valid(iso)) return 0;
        sscanf(iso, "%d-%d-%d", &year, &month, &day);
        end = at + 10;
    } else {
        size_t length = tfc_datecalc_month_day(text, n, at, &month, &day);
        if (length == 0) return 0;
        end = at + length;
        static const char *const ordinals[] = {"st", "nd", "rd", "th"};
        for (size_t i = 0; i < 4; i++)
            if ((next = word_at(text, n, end, ordinals[i])) > 0) end = next;
        if (!tfc_word_ends(text, n, end)) return 0;
        next = skip_blanks(text, n, end < n && text[end] == ',' ? end + 1 : end);
        if (next > end && (next = year_at(text, n, next, &year)) > 0) end = next;
    }
    out->date = (tfc_date){year, month, day};
    out->kind = year ? MENTION_DATE : MENTION_MONTH_DAY;
    if (!tfc_date_exists(year ? year : 2000, month, day)) return 0;
    if (year) date_text(out->date, out->text);
    return end;
}

/* Mentions that end before `at`, the nearest first; the last `max` of them. */
static size_t find_mentions(const char *text, size_t n, size_t at, mention *mentions, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < at;) {
        mention found = {0};
        size_t end = 0;
        if (tfc_word_begins(text, n, i)) {
            end = holiday_at(text, n, i, &found);
            if (end == 0) end = date_at(text, n, i, &found);
            if (end == 0) end = relative_at(text, n, i, &found);
            if (end == 0) end = span_at(text, n, i, &found);
        }
        if (end > 0 && end <= at) {
            size_t keep = count < max ? count : max - 1;
            memmove(mentions + 1, mentions, keep * sizeof *mentions);
            mentions[0] = found;
            count = keep + 1;
        }
        i = end > 0 ? end : i + 1;
    }
    return count;
}

/* ---- the target ---- */

/* February, February 9, February 9, 2023. */
static bool month_target(const char *text, size_t n, size_t at, target *goal)
{
    size_t length = word_length(text, n, at);
    if (at >= n || text[at] < 'A' || text[at] > 'Z') return false;
    goal->month = tfc_calendar_month(text + at, length);
    /* May is a verb too, and short names are no words of the result. */
    if (goal->month == 0 || strlen(tfc_month_names[goal->month - 1]) != length) return false;
    int month, day, year;
    size_t end = tfc_datecalc_month_day(text, n, at, &month, &day);
    if (end == 0 || day < 1 || day > 31) return true;
    goal->day = day;
    end += at;
    if (end < n && text[end] == ',') end++;
    size_t next = skip_blanks(text, n, end);
    if (next > end && year_at(text, n, next, &year)) goal->year = year;
    return true;
}

/* The month whose name stands right before the place; 0 when there is none. */
static int month_before(const char *text, size_t at)
{
    size_t end = at;
    while (end > 0 && text[end - 1] == ' ') end--;
    size_t begin = end;
    while (begin > 0 && word_length(text, end, begin - 1) > 0) begin--;
    return tfc_calendar_month(text + begin, end - begin);
}

static bool number_target(const char *text, size_t n, size_t at, target *goal)
{
    static const char *const ordinals[] = {"st", "nd", "rd", "th"};
    tfc_number number;
    tfc_date_unit unit;
    if (!tfc_number_at(text, n, at, &number) || number.scale > 0 || number.percent || number.currency)
        return false;
    if (memchr(text + number.begin, ',', number.end - number.begin) || number.mantissa > 9999999)
        return false;
    int value = (int)number.mantissa;
    goal->month = month_before(text, at);
    for (size_t i = 0; i < 4; i++)
        if (word_at(text, n, number.end, ordinals[i])) {
            goal->day = value;
            return value >= 1 && value <= 31;
        }
    if (!tfc_word_ends(text, n, number.end)) return false;
    if (goal->month > 0) {
        bool is_year = number.end - number.begin == 4 && value >= 1000;
        if (is_year)
            goal->year = value;
        else
            goal->day = value;
        return is_year || (value >= 1 && value <= 31);
    }
    goal->count = value;
    size_t next = skip_blanks(text, n, number.end);
    if (next > number.end && unit_at(text, n, next, &unit)) {
        goal->unit = (int)unit;
        return true;
    }
    if (value >= 1 && value <= 31) goal->day = value;
    if (number.end - number.begin == 4 && value >= 1000) goal->year = value;
    return true;
}

static bool read_target(const char *text, size_t n, size_t at, target *goal)
{
    *goal = (target){.count = -1, .unit = -1};
    at = skip_blanks(text, n, at);
    if (at >= n || !tfc_word_begins(text, n, at)) return false;
    if (is_digit(text[at])) return number_target(text, n, at, goal);
    size_t length = word_length(text, n, at);
    if (text[at] >= 'A' && text[at] <= 'Z') goal->weekday = tfc_calendar_weekday(text + at, length);
    if (goal->weekday == 0) return month_target(text, n, at, goal);
    if (strlen(tfc_weekday_names[goal->weekday - 1]) != length) return false;
    target day = *goal;
    at += length;
    if (at < n && text[at] == ',' && month_target(text, n, skip_blanks(text, n, at + 1), &day)) *goal = day;
    return true;
}

/* The unit of the last `how many days` before the place; else -1. */
static int asked_unit(const char *text, size_t at)
{
    int asked = -1;
    for (size_t i = 0; i < at; i++) {
        tfc_date_unit unit;
        if ((text[i] | 0x20) != 'h' || !tfc_word_begins(text, at, i)) continue;
        size_t end = word_at(text, at, i, "how");
        if (end > 0) end = phrase_at(text, at, end, "many");
        if (end > 0 && unit_at(text, at, skip_blanks(text, at, end), &unit)) asked = (int)unit;
    }
    return asked;
}

/* ---- proposals ---- */

static void propose(enumeration *e, const char *args)
{
    if (e->failed || e->out->n_args == e->max_args || !is_learnable(args)) return;
    for (size_t i = 0; i < e->out->n_args; i++)
        if (strcmp(e->out->args[i], args) == 0) return;
    char *copy = tfc_strdup(args);
    if (copy)
        e->out->args[e->out->n_args++] = copy;
    else
        e->failed = true;
}

/* A day without its year is said by its weekday, month or day; with `whole` by its year too. */
static bool is_goal(const target *goal, tfc_date date, bool whole)
{
    if (goal->weekday > 0)
        return goal->weekday == tfc_date_weekday(date) + 1 &&
               (goal->month == 0 || goal->month == date.month) && (goal->day == 0 || goal->day == date.day) &&
               (goal->year == 0 || goal->year == date.year);
    if (goal->month > 0)
        return goal->month == date.month && (goal->day == 0 || goal->day == date.day) &&
               (goal->year == 0 || goal->year == date.year);
    if (goal->unit >= 0) return false; /* a count */
    return (goal->day > 0 && goal->day == date.day) || (whole && goal->year > 0 && goal->year == date.year);
}

static void try_date(enumeration *e, tfc_date date, const char *text)
{
    if (is_goal(&e->goal, date, false)) propose(e, text);
}

static void try_span(enumeration *e, tfc_date date, const char *text, const mention *span, int said)
{
    for (int sign = 1; sign >= -1; sign -= 2) {
        tfc_date result;
        char args[2 * DATE_BYTES];
        if (said == -sign || !tfc_date_add(date, sign * span->count, span->unit, &result)) continue;
        snprintf(args, sizeof args, "%s %c %lld %s%s", text, sign > 0 ? '+' : '-', (long long)span->count,
                 tfc_date_units[span->unit], span->count == 1 ? "" : "s");
        if (is_goal(&e->goal, result, true)) propose(e, args);
    }
}

static void try_difference(enumeration *e, tfc_date a, const char *a_text, tfc_date b, const char *b_text)
{
    int unit = e->goal.unit >= 0 ? e->goal.unit : e->asked >= 0 ? e->asked : TFC_DAYS;
    char args[3 * DATE_BYTES];
    if (e->goal.count < 0 || tfc_date_distance(a, b, (tfc_date_unit)unit) != e->goal.count) return;
    if (unit == TFC_DAYS)
        snprintf(args, sizeof args, "%s - %s", a_text, b_text);
    else
        snprintf(args, sizeof args, "%s - %s in %ss", a_text, b_text, tfc_date_units[unit]);
    propose(e, args);
}

/* A holiday or a day without a year, in the year of the base or next to it. */
static void try_yearless(enumeration *e, tfc_date base, const char *base_text, const mention *m)
{
    static const int nearby[] = {0, 1, -1};
    for (int i = 0; i < (m->shifted ? 1 : 3); i++) {
        int year = base.year + m->shift + nearby[i];
        tfc_date date = {year, m->date.month, m->date.day};
        char text[2 * DATE_BYTES];
        if (m->kind == MENTION_HOLIDAY) {
            if (!tfc_holiday_date(m->holiday, year, &date)) continue;
            snprintf(text, sizeof text, "%s %d", m->text, year);
        } else {
            if (!tfc_date_exists(year, date.month, date.day)) continue;
            date_text(date, text);
        }
        /* Next to it only the distance tells enough to be no chance. */
        if (i == 0) try_date(e, date, text);
        try_difference(e, date, text, base, base_text);
    }
}

static void try_chain(enumeration *e, const mention *mentions, size_t n, tfc_date base, const char *base_text)
{
    for (size_t i = 0; i < n; i++) {
        const mention *m = &mentions[i];
        if (m->kind == MENTION_SPAN)
            try_span(e, base, base_text, m, m->from_another ? 0 : m->sign);
        else if (m->kind == MENTION_DATE || m->dated)
            try_difference(e, m->date, m->text, base, base_text);
        else
            try_yearless(e, base, base_text, m);
    }
}

static void try_alone(enumeration *e, const mention *mentions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const mention *m = &mentions[i];
        if (m->kind != MENTION_DATE && !m->dated) continue;
        /* Of a date that is written out only the weekday is news. */
        if (m->dated || e->goal.weekday > 0) try_date(e, m->date, m->text);
        for (size_t j = 0; j < n; j++) {
            const mention *other = &mentions[j];
            if (other->kind == MENTION_SPAN) try_span(e, m->date, m->text, other, other->sign);
            if (j <= i || (other->kind != MENTION_DATE && !other->dated)) continue;
            bool later = tfc_date_days(m->date) >= tfc_date_days(other->date);
            const mention *a = later ? m : other, *b = later ? other : m;
            try_difference(e, a->date, a->text, b->date, b->text);
        }
    }
}

bool tfc_datecalc_enumerate(const char *text, size_t n, size_t at, const char *earlier,
                            const tfc_enumerate_params *params, tfc_proposals *out, tfc_error *err)
{
    *out = (tfc_proposals){0};
    enumeration e = {.max_args = params->max_args, .out = out};
    if (at > n || !read_target(text, n, at, &e.goal)) return false;
    if (params->max_numbers == 0 || params->max_args == 0) return true;
    e.asked = asked_unit(text, at);
    mention *mentions = tfc_alloc(params->max_numbers, sizeof *mentions), base = {0};
    out->args = tfc_alloc(params->max_args, sizeof *out->args);
    e.failed = !mentions || !out->args;
    if (!e.failed) {
        size_t count = find_mentions(text, n, at, mentions, params->max_numbers);
        size_t n_earlier = earlier ? strlen(earlier) : 0;
        if (!earlier)
            try_alone(&e, mentions, count);
        else if (find_mentions(earlier, n_earlier, n_earlier, &base, 1) == 1 && base.kind == MENTION_DATE)
            try_chain(&e, mentions, count, base.date, base.text);
    }
    tfc_free(mentions);
    if (e.failed) {
        tfc_proposals_release(out);
        tfc_fail_memory(err, "proposals");
        return false;
    }
    return true;
}
