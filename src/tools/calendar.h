/* tools/calendar.h: the Calendar's parts that the other files of this folder use. */
#ifndef TFC_TOOLS_CALENDAR_H
#define TFC_TOOLS_CALENDAR_H

#include "base/json.h"
#include "tools/tool.h"

/* 1 … 12 for a month's name or its usual abbreviation (Jan, Sept), in any case; else 0. */
int tfc_calendar_month(const char *word, size_t n);
/* 1 (Sunday) … 7 for a weekday's name or its usual abbreviation (Mon, Tues, Thurs), in any case; else 0. */
int tfc_calendar_weekday(const char *word, size_t n);
/* "YYYY-MM-DD" in local time; "" when the clock gives none. */
void tfc_calendar_today(char out[11]);
tfc_status tfc_calendar_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                             char **result, tfc_error *err);

/* The backend's {"date"}: "document" (the default: the text's, else today), "today", or a fixed day. */
tfc_status tfc_calendar_open(tfc_tool *tool, tfc_json *json, const char *folder, tfc_arena *arena,
                             tfc_error *err);

#endif
