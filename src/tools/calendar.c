/* The Calendar (PAPER 2.3): "Today is Monday, January 30, 2023." The Gregorian calendar throughout, years 1
 * to 9999. */
#include <stdio.h>
#include <time.h>

#include "base/dates.h"
#include "base/memory.h"
#include "tools/calendar.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The number of exactly n digits at text; -1 when they are not all digits. */
static int digits(const char *text, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (!is_digit(text[i])) return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static bool date_parse(const char *iso, int *year, int *month, int *day)
{
    if (!iso || strnlen(iso, 11) != 10 || iso[4] != '-' || iso[7] != '-') return false;
    *year = digits(iso, 4);
    *month = digits(iso + 5, 2);
    *day = digits(iso + 8, 2);
    return tfc_date_exists(*year, *month, *day);
}

bool tfc_calendar_valid(const char *iso_date)
{
    int year, month, day;
    return date_parse(iso_date, &year, &month, &day);
}

char *tfc_calendar_text(const char *iso_date)
{
    int year, month, day;
    if (!date_parse(iso_date, &year, &month, &day)) return NULL;
    char text[80];
    snprintf(text, sizeof text, "Today is %s, %s %d, %d.",
             tfc_weekday_names[tfc_date_weekday((tfc_date){year, month, day})], tfc_month_names[month - 1],
             day, year);
    return tfc_strdup(text);
}

void tfc_calendar_today(char out[11])
{
    time_t now = time(NULL);
    struct tm local;
    if (!localtime_r(&now, &local) || strftime(out, 11, "%Y-%m-%d", &local) != 10) out[0] = '\0';
}

tfc_status tfc_calendar_open(tfc_tool *tool, tfc_json *json, const char *folder, tfc_arena *arena,
                             tfc_error *err)
{
    (void)folder;
    static const char *const keys[] = {"type", "date", NULL};
    const char *date;
    bool found;
    if (!json_object_is_type(json, json_type_object)) return TFC_OK;
    tfc_status status = tfc_json_only_keys(json, keys, err);
    if (status == TFC_OK) status = tfc_json_get_text(json, "date", &date, NULL, &found, err);
    if (status != TFC_OK || !found || strcmp(date, "document") == 0) return status;
    if (strcmp(date, "today") != 0 && !tfc_calendar_valid(date))
        return tfc_fail(err, TFC_EFORMAT, "date: document, today or YYYY-MM-DD expected, not '%.40s'", date);
    tool->state = tfc_arena_strndup(arena, date, strlen(date));
    return tool->state ? TFC_OK : tfc_fail_memory(err, "date");
}

tfc_status tfc_calendar_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                             char **result, tfc_error *err)
{
    if (args[strspn(args, " \t")] != '\0')
        return tfc_fail(err, TFC_ENORESULT, "%s takes no arguments, not '%.80s'", tool->name, args);
    char today[11] = "";
    const char *own = tool->state, *date = own ? own : context ? context->date : NULL;
    if (!date || (own && strcmp(own, "today") == 0)) {
        tfc_calendar_today(today);
        date = today;
    }
    if (!tfc_calendar_valid(date))
        return tfc_fail(err, TFC_ENORESULT, "'%.40s' is no date of the form YYYY-MM-DD", date);
    *result = tfc_calendar_text(date);
    return *result ? TFC_OK : tfc_fail_memory(err, "result");
}

int tfc_calendar_month(const char *word, size_t n)
{
    for (int month = 0; month < 12; month++) {
        const char *name = tfc_month_names[month];
        bool same = n >= 3 && n <= strlen(name);
        for (size_t i = 0; same && i < n; i++) same = (word[i] | 0x20) == (name[i] | 0x20);
        if (same && (n == 3 || n == strlen(name) || (month == 8 && n == 4))) return month + 1;
    }
    return 0;
}

int tfc_calendar_weekday(const char *word, size_t n)
{
    for (int i = 0; i < 7; i++) {
        const char *name = tfc_weekday_names[i];
        bool same = n >= 3 && n <= strlen(name);
        for (size_t j = 0; same && j < n; j++) same = (word[j] | 0x20) == (name[j] | 0x20);
        /* Sun Mon Tue Tues Wed Thu Thur Thurs Fri Sat */
        if (same && (n == 3 || n == strlen(name) || (i == 2 && n == 4) || (i == 4 && n <= 5))) return i + 1;
    }
    return 0;
}

/* One or two digits at text, or a month's name where `names`; *n gets the bytes. -1 when it is neither. */
static int url_part(const char *text, bool names, size_t *n)
{
    for (*n = 0; *n < 10 && is_digit(text[*n]);) ++*n;
    if (*n == 1 || *n == 2) return digits(text, (int)*n);
    if (*n > 0 || !names) return -1;
    while (*n < 10 && ((text[*n] | 0x20) >= 'a' && (text[*n] | 0x20) <= 'z')) ++*n;
    int month = tfc_calendar_month(text, *n);
    return month ? month : -1;
}

/* A date at text, whose first digit follows no digit: 2017/03/09, 2017-3-9, 2017/mar/09, 20170309. */
static bool url_date(const char *text, int *year, int *month, int *day)
{
    *year = digits(text, 4);
    if (*year < 1900 || *year > 2099) return false;
    if (is_digit(text[4])) {
        *month = digits(text + 4, 2);
        *day = *month < 0 ? -1 : digits(text + 6, 2);
        return *day > 0 && !is_digit(text[8]) && tfc_date_exists(*year, *month, *day);
    }
    char separator = text[4];
    if (separator != '/' && separator != '-' && separator != '_') return false;
    size_t n_month, n_day;
    *month = url_part(text + 5, separator == '/', &n_month);
    if (*month < 0 || text[5 + n_month] != separator) return false;
    *day = url_part(text + 5 + n_month + 1, false, &n_day);
    return tfc_date_exists(*year, *month, *day);
}

bool tfc_calendar_date_in_url(const char *url, char out[11])
{
    for (size_t i = 0; url[i]; i++) {
        int year, month, day;
        if (!is_digit(url[i]) || (i > 0 && is_digit(url[i - 1])) || !url_date(url + i, &year, &month, &day))
            continue;
        snprintf(out, 11, "%04u-%02u-%02u", (unsigned)year % 10000, (unsigned)month % 100,
                 (unsigned)day % 100);
        return true;
    }
    return false;
}
