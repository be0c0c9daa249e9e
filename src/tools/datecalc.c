/* DateCalc: dates are day numbers (base/dates.h); no clock and no time zone is asked. */
#include "tools/datecalc.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tools/calendar.h"
#include "tools/number.h"

enum { ARGS_BYTES_MAX = 200, SHOWN_BYTES_MAX = 80, AMOUNT_MAX = 9999999 };

typedef struct reader {
    const char *text;
    size_t n, at;
    tfc_error *err;
} reader;

__attribute__((format(printf, 2, 3))) static bool refuse(reader *r, const char *format, ...)
{
    char reason[160], shown[SHOWN_BYTES_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    size_t n = r->n < SHOWN_BYTES_MAX ? r->n : SHOWN_BYTES_MAX;
    while (!tfc_utf8_boundary(r->text, r->n, n)) n--;
    for (size_t i = 0; i < n; i++) shown[i] = (unsigned char)r->text[i] < 0x20 ? '?' : r->text[i];
    shown[n] = '\0';
    tfc_fail(r->err, TFC_ENORESULT, "no result for '%s%s': %s", shown, n < r->n ? "…" : "", reason);
    return false;
}

static bool is_digit(const reader *r, size_t at)
{
    return at < r->n && r->text[at] >= '0' && r->text[at] <= '9';
}

static bool is_letter(const reader *r, size_t at)
{
    return at < r->n && (r->text[at] | 0x20) >= 'a' && (r->text[at] | 0x20) <= 'z';
}

static void skip_blanks(reader *r)
{
    while (r->at < r->n && r->text[r->at] == ' ') r->at++;
}

/* The letters that come next, without passing them. */
static size_t word_length(const reader *r)
{
    size_t n = 0;
    while (is_letter(r, r->at + n)) n++;
    return n;
}

/* Digits, at most `most` of them; -1 when there is none or one too many. */
static int read_digits(reader *r, int most)
{
    int value = 0, n = 0;
    for (; is_digit(r, r->at) && n <= most; n++, r->at++)
        value = n < most ? value * 10 + r->text[r->at] - '0' : 0;
    return n == 0 || n > most ? -1 : value;
}

/* `2023-01-30`, exactly so. */
static bool is_iso(const reader *r)
{
    static const char form[] = "0000-00-00";
    for (size_t i = 0; form[i]; i++)
        if (form[i] == '0' ? !is_digit(r, r->at + i) : r->at + i >= r->n || r->text[r->at + i] != '-')
            return false;
    return !is_digit(r, r->at + sizeof form - 1);
}

/* A year of one to four digits, behind a comma, blanks or both. */
static bool read_year(reader *r, const char *behind, int *year)
{
    size_t begin = r->at;
    if (r->at < r->n && r->text[r->at] == ',') r->at++;
    skip_blanks(r);
    if (r->at == begin || !is_digit(r, r->at)) return refuse(r, "year expected after the %s", behind);
    *year = read_digits(r, 4);
    if (*year < 1) return refuse(r, "years go from 1 to 9999");
    return true;
}

size_t tfc_datecalc_month_day(const char *text, size_t n, size_t at, int *month, int *day)
{
    reader r = {.text = text, .n = n, .at = at};
    size_t length = word_length(&r);
    *month = tfc_calendar_month(text + at, length);
    if (*month == 0) return 0;
    r.at += length;
    if (r.at < n && text[r.at] == '.') r.at++;
    size_t blank = r.at;
    skip_blanks(&r);
    if (r.at == blank) return 0;
    *day = read_digits(&r, 2);
    return *day < 0 ? 0 : r.at - at;
}

/* A date without its weekday. */
static bool read_plain_date(reader *r, tfc_date *out)
{
    int holiday, month, day, year;
    size_t length = tfc_holiday_at(r->text + r->at, r->n - r->at, &holiday, NULL);
    if (length > 0) {
        r->at += length;
        if (!read_year(r, "holiday", &year)) return false;
        return tfc_holiday_date(holiday, year, out) || refuse(r, "years go from 1 to 9999");
    }
    if (is_iso(r)) {
        year = read_digits(r, 4), r->at++;
        month = read_digits(r, 2), r->at++;
        day = read_digits(r, 2);
    } else {
        length = tfc_datecalc_month_day(r->text, r->n, r->at, &month, &day);
        if (length == 0) return refuse(r, "date expected at byte %zu", r->at);
        r->at += length;
        if (!read_year(r, "day", &year)) return false;
    }
    *out = (tfc_date){year, month, day};
    return tfc_date_exists(year, month, day) || refuse(r, "there is no such day");
}

static bool read_date(reader *r, tfc_date *out)
{
    skip_blanks(r);
    size_t length = word_length(r);
    int weekday = tfc_calendar_weekday(r->text + r->at, length);
    if (weekday > 0) {
        r->at += length;
        if (r->at < r->n && r->text[r->at] == '.') r->at++;
        if (r->at < r->n && r->text[r->at] == ',') r->at++;
        skip_blanks(r);
    }
    if (!read_plain_date(r, out)) return false;
    int right = tfc_date_weekday(*out);
    return weekday == 0 || weekday == right + 1 || refuse(r, "that day is a %s", tfc_weekday_names[right]);
}

static bool read_unit(reader *r, tfc_date_unit *unit)
{
    skip_blanks(r);
    size_t length = word_length(r);
    for (int u = 0; u < TFC_N_DATE_UNITS; u++) {
        size_t whole = strlen(tfc_date_units[u]);
        bool same = length == whole || (length == whole + 1 && (r->text[r->at + whole] | 0x20) == 's');
        for (size_t i = 0; same && i < whole; i++) same = (r->text[r->at + i] | 0x20) == tfc_date_units[u][i];
        if (!same) continue;
        *unit = (tfc_date_unit)u;
        r->at += length;
        return true;
    }
    return refuse(r, "days, weeks, months or years expected at byte %zu", r->at);
}

/* The sign that comes next: '+', '-', or 0. */
static char read_sign(reader *r)
{
    skip_blanks(r);
    if (r->n - r->at >= 3 && memcmp(r->text + r->at, "\xE2\x88\x92", 3) == 0) { /* U+2212 */
        r->at += 3;
        return '-';
    }
    if (r->at < r->n && (r->text[r->at] == '+' || r->text[r->at] == '-')) return r->text[r->at++];
    return '\0';
}

static bool read_amounts(reader *r, char sign, tfc_date *date)
{
    do {
        int count;
        tfc_date_unit unit = TFC_DAYS;
        skip_blanks(r);
        if (!is_digit(r, r->at)) return refuse(r, "number expected at byte %zu", r->at);
        if ((count = read_digits(r, 7)) < 0) return refuse(r, "more than %d is too many", AMOUNT_MAX);
        if (!read_unit(r, &unit)) return false;
        if (!tfc_date_add(*date, sign == '-' ? -count : count, unit, date))
            return refuse(r, "the result is outside the years 1 to 9999");
    } while ((sign = read_sign(r)) != '\0');
    return true;
}

/* [in units], then the distance of the dates in words. */
static bool read_distance(reader *r, tfc_date first, char *text, size_t n_text)
{
    tfc_date second;
    tfc_date_unit unit = TFC_DAYS;
    if (!read_date(r, &second)) return false;
    skip_blanks(r);
    if (word_length(r) == 2 && (r->text[r->at] | 0x20) == 'i' && (r->text[r->at + 1] | 0x20) == 'n') {
        r->at += 2;
        if (!read_unit(r, &unit)) return false;
    }
    long long distance = tfc_date_distance(first, second, unit);
    snprintf(text, n_text, "%lld %s%s", distance, tfc_date_units[unit], distance == 1 ? "" : "s");
    return true;
}

static bool evaluate(reader *r, char *text, size_t n_text)
{
    tfc_date date;
    if (!read_date(r, &date)) return false;
    char sign = read_sign(r);
    skip_blanks(r);
    if (sign == '-' && (is_iso(r) || !is_digit(r, r->at))) {
        if (!read_distance(r, date, text, n_text)) return false;
    } else {
        if (sign != '\0' && !read_amounts(r, sign, &date)) return false;
        snprintf(text, n_text, "%s, %s %d, %d", tfc_weekday_names[tfc_date_weekday(date)],
                 tfc_month_names[date.month - 1], date.day, date.year);
    }
    skip_blanks(r);
    return r->at == r->n || refuse(r, "the end expected at byte %zu", r->at);
}

tfc_status tfc_datecalc_eval(const char *args, size_t n, char **result, tfc_error *err)
{
    reader r = {.text = args, .n = n, .err = err};
    char text[80];
    if (n > ARGS_BYTES_MAX) return refuse(&r, "it is longer than %d bytes", ARGS_BYTES_MAX), TFC_ENORESULT;
    if (!evaluate(&r, text, sizeof text)) return TFC_ENORESULT;
    *result = tfc_strdup(text);
    return *result ? TFC_OK : tfc_fail_memory(err, "result");
}

tfc_status tfc_datecalc_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                             char **result, tfc_error *err)
{
    (void)tool;
    (void)context;
    return tfc_datecalc_eval(args, strlen(args), result, err);
}
