/* base/dates.h: the Gregorian calendar as arithmetic, its English names, the federal holidays of the USA.
 * Years 1 to 9999; no clock, no time zone. */
#ifndef TFC_BASE_DATES_H
#define TFC_BASE_DATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tfc_date {
    int year, month, day; /* month 1 … 12 */
} tfc_date;

typedef enum tfc_date_unit { TFC_DAYS, TFC_WEEKS, TFC_MONTHS, TFC_YEARS, TFC_N_DATE_UNITS } tfc_date_unit;

extern const char *const tfc_month_names[12];              /* "January" … */
extern const char *const tfc_weekday_names[7];             /* "Sunday" … */
extern const char *const tfc_date_units[TFC_N_DATE_UNITS]; /* "day", "week", "month", "year" */

bool tfc_date_exists(int year, int month, int day);
/* Days since March 1 of the year 0; and back. */
int32_t tfc_date_days(tfc_date date);
tfc_date tfc_date_of_days(int32_t days);
int tfc_date_weekday(tfc_date date); /* 0 is Sunday */
/* date + count units. Months and years keep the day of the month, or take the month's last day where it has
 * fewer: January 31 + 1 month is February 28 or 29. False outside the years 1 to 9999. */
bool tfc_date_add(tfc_date date, int64_t count, tfc_date_unit unit, tfc_date *out);
/* Whole units from the earlier to the later date, rounded down: the largest count for which earlier + count
 * units is not past the later one. Never negative. */
int64_t tfc_date_distance(tfc_date a, tfc_date b, tfc_date_unit unit);

/* Holidays by number; each has one or more names, the first of which is the usual one. */
enum { TFC_N_HOLIDAYS = 11 };
/* False where the year is outside 1 to 9999. */
bool tfc_holiday_date(int holiday, int year, tfc_date *out);
/* The usual name of a holiday. */
const char *tfc_holiday_name(int holiday);
/* Bytes of the longest name of a holiday that text begins with, as a whole word, in any case; apostrophes
 * (around `Jr.` points and commas too) may be missing. 0 when there is none. *name, unless NULL: that name as
 * it is usually written. */
size_t tfc_holiday_at(const char *text, size_t n, int *holiday, const char **name);

#endif
