/* Dates as day numbers: the year is taken to begin in March, so that the leap day comes last. */
#include "base/dates.h"

#include <string.h>

const char *const tfc_month_names[12] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
const char *const tfc_weekday_names[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                          "Thursday", "Friday", "Saturday"};
const char *const tfc_date_units[TFC_N_DATE_UNITS] = {"day", "week", "month", "year"};

static int month_length(int year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return lengths[month - 1] + (month == 2 && leap);
}

bool tfc_date_exists(int year, int month, int day)
{
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return false;
    return day <= month_length(year, month);
}

int32_t tfc_date_days(tfc_date date)
{
    int y = date.month > 2 ? date.year : date.year - 1, m = (date.month + 9) % 12;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + date.day - 1;
}

tfc_date tfc_date_of_days(int32_t days)
{
    enum { DAYS_400 = 146097, DAYS_100 = 36524, DAYS_4 = 1461 };
    int rest = days % DAYS_400, century, four, year;
    /* The last century of four, and the last year of four, have one day more. */
    century = rest / DAYS_100 < 4 ? rest / DAYS_100 : 3;
    rest -= century * DAYS_100;
    four = rest / DAYS_4;
    rest -= four * DAYS_4;
    year = rest / 365 < 4 ? rest / 365 : 3;
    rest -= year * 365;
    int m = (5 * rest + 2) / 153, month = m < 10 ? m + 3 : m - 9;
    int y = days / DAYS_400 * 400 + century * 100 + four * 4 + year;
    return (tfc_date){y + (month <= 2), month, rest - (153 * m + 2) / 5 + 1};
}

int tfc_date_weekday(tfc_date date)
{
    return (tfc_date_days(date) + 3) % 7;
}

static bool add_months(tfc_date date, int64_t count, tfc_date *out)
{
    int64_t months = (int64_t)date.year * 12 + date.month - 1 + count;
    if (months < 12 || months >= 10000 * 12) return false;
    int year = (int)(months / 12), month = (int)(months % 12) + 1, length = month_length(year, month);
    *out = (tfc_date){year, month, date.day < length ? date.day : length};
    return true;
}

bool tfc_date_add(tfc_date date, int64_t count, tfc_date_unit unit, tfc_date *out)
{
    const int64_t limit = 10000 * 366; /* days: no two dates lie farther apart */
    if (count < -limit || count > limit) return false;
    if (unit == TFC_MONTHS) return add_months(date, count, out);
    if (unit == TFC_YEARS) return add_months(date, 12 * count, out);
    int64_t days = tfc_date_days(date) + (unit == TFC_WEEKS ? 7 * count : count);
    if (days < tfc_date_days((tfc_date){1, 1, 1}) || days > tfc_date_days((tfc_date){9999, 12, 31}))
        return false;
    *out = tfc_date_of_days((int32_t)days);
    return true;
}

int64_t tfc_date_distance(tfc_date a, tfc_date b, tfc_date_unit unit)
{
    bool swap = tfc_date_days(a) > tfc_date_days(b);
    tfc_date from = swap ? b : a, to = swap ? a : b, reached;
    int64_t days = tfc_date_days(to) - tfc_date_days(from);
    if (unit == TFC_DAYS || unit == TFC_WEEKS) return unit == TFC_DAYS ? days : days / 7;
    int64_t months = (int64_t)(to.year - from.year) * 12 + to.month - from.month;
    if (months > 0 && add_months(from, months, &reached) && tfc_date_days(reached) > tfc_date_days(to))
        months--;
    return unit == TFC_MONTHS ? months : months / 12;
}

/* A day of a month, or the nth weekday of it (nth 5: the last one). */
static const struct {
    int month, day, weekday, nth;
} holidays[TFC_N_HOLIDAYS] = {
    {1, 1, 0, 0}, {1, 0, 1, 3},  {2, 0, 1, 3},   {5, 0, 1, 5},  {6, 19, 0, 0},  {7, 4, 0, 0},
    {9, 0, 1, 1}, {10, 0, 1, 2}, {11, 11, 0, 0}, {11, 0, 4, 4}, {12, 25, 0, 0},
};

static const struct {
    const char *name;
    int holiday;
} holiday_names[] = {
    {"New Year's Day", 0},
    {"New Year's", 0},
    {"Martin Luther King Jr. Day", 1},
    {"Martin Luther King Day", 1},
    {"MLK Day", 1},
    {"Birthday of Martin Luther King, Jr.", 1},
    {"Presidents' Day", 2},
    {"Washington's Birthday", 2},
    {"Memorial Day", 3},
    {"Juneteenth", 4},
    {"Juneteenth National Independence Day", 4},
    {"Independence Day", 5},
    {"the Fourth of July", 5},
    {"Fourth of July", 5},
    {"the 4th of July", 5},
    {"4th of July", 5},
    {"Labor Day", 6},
    {"Columbus Day", 7},
    {"Indigenous Peoples' Day", 7},
    {"Veterans Day", 8},
    {"Thanksgiving", 9},
    {"Thanksgiving Day", 9},
    {"Christmas", 10},
    {"Christmas Day", 10},
};
enum { N_HOLIDAY_NAMES = sizeof holiday_names / sizeof *holiday_names };

bool tfc_holiday_date(int holiday, int year, tfc_date *out)
{
    if (year < 1 || year > 9999) return false;
    int month = holidays[holiday].month, nth = holidays[holiday].nth;
    *out = (tfc_date){year, month, holidays[holiday].day};
    if (nth == 0) return true;
    int first = tfc_date_weekday((tfc_date){year, month, 1}); /* of the month's first day */
    out->day = 1 + (holidays[holiday].weekday - first + 7) % 7 + 7 * (nth - 1);
    while (out->day > month_length(year, month)) out->day -= 7;
    return true;
}

const char *tfc_holiday_name(int holiday)
{
    size_t i = 0;
    while (holiday_names[i].holiday != holiday) i++;
    return holiday_names[i].name;
}

static bool is_word_byte(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

/* Bytes of a sign that may be there or not: an apostrophe (' or U+2019); around `Jr.` a point or a comma too.
 */
static size_t loose_sign(const char *text, size_t n, bool points)
{
    if (n > 0 && (text[0] == '\'' || (points && (text[0] == '.' || text[0] == ',')))) return 1;
    return n >= 3 && memcmp(text, "\xE2\x80\x99", 3) == 0 ? 3 : 0;
}

static size_t name_at(const char *text, size_t n, const char *name)
{
    size_t at = 0;
    bool points = strchr(name, '.') != NULL;
    for (const char *c = name; *c; c++) {
        if (loose_sign(c, strlen(c), points)) continue;
        for (size_t sign; (sign = loose_sign(text + at, n - at, points)) > 0;) at += sign;
        char given = at < n ? text[at] : '\0';
        bool letter = (given | 0x20) >= 'a' && (given | 0x20) <= 'z';
        if (given != *c && !(letter && (given | 0x20) == (*c | 0x20))) return 0;
        at++;
    }
    if (name[strlen(name) - 1] == '.' && at < n && text[at] == '.') at++;
    return at < n && is_word_byte(text[at]) ? 0 : at;
}

size_t tfc_holiday_at(const char *text, size_t n, int *holiday, const char **name)
{
    size_t longest = 0;
    for (size_t i = 0; i < N_HOLIDAY_NAMES; i++) {
        size_t length = name_at(text, n, holiday_names[i].name);
        if (length <= longest) continue;
        longest = length;
        *holiday = holiday_names[i].holiday;
        if (name) *name = holiday_names[i].name;
    }
    return longest;
}
