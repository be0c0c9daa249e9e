/* tools/datecalc.h: DateCalc, calculation with dates, and its enumerating proposer. */
#ifndef TFC_TOOLS_DATECALC_H
#define TFC_TOOLS_DATECALC_H

#include "base/dates.h"
#include "tools/tool.h"

/* Evaluates
 *
 *     date                              Sunday, March 5, 2023
 *     date (+|-) N days|weeks|months|years …      a date, in the same form; left to right
 *     date - date [in days|weeks|months|years]    34 days     whole units, rounded down, never negative: the
 *                                                 earlier date may stand on either side
 *
 * A date is `January 30, 2023` (also Jan, Jan., without the comma, in any case), `2023-01-30`, or a federal
 * holiday of the USA and its year (`Labor Day 2023`), each behind an optional weekday, which must then be
 * right. Months and years keep the day of the month or take the month's last one. Years 1 to 9999. Anything
 * else: TFC_ENORESULT with the reason. */
tfc_status tfc_datecalc_eval(const char *args, size_t n, char **result, tfc_error *err);
tfc_status tfc_datecalc_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                             char **result, tfc_error *err);

/* Calls worth trying before the weekday, month, day, year or count that starts in text at byte `at` (blanks
 * may come first). With `earlier` NULL they are made of the dates, holidays and spans of time that stand
 * before `at`; else of these and the date in `earlier`, the result of the call that goes before, and each of
 * them uses that date. What stands at `at` is a part of each call's result, in the same words. Nearest
 * mentions first (the last max_numbers), distinct, in the form of the grammar, at most max_args. False when
 * nothing of that kind starts there or (err set) memory is wanting. */
bool tfc_datecalc_enumerate(const char *text, size_t n, size_t at, const char *earlier,
                            const tfc_enumerate_params *params, tfc_proposals *out, tfc_error *err);

/* A month's name or abbreviation with its point, a blank, a day of one or two digits, as they begin at
 * text[at]: bytes read, or 0. The date need not exist. */
size_t tfc_datecalc_month_day(const char *text, size_t n, size_t at, int *month, int *day);

#endif
