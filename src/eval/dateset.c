/* Dateset (paper, Appendix D): 9,400 questions about dates, made anew from a seed.
 *
 * 500 days, drawn from the years 2000 to 2025, are the current dates; a question's own is the day that
 * Calendar answers with. The kinds, their sizes and "within four years" are the paper's; what it leaves open
 * is decided here:
 *   - Each kind's combinations of day and blanks ({day of the week, …}, {days, …}, holiday) are shuffled and
 * the first ones taken, so that no question of finite choice comes twice with the same day.
 *   - "N units ago" goes back at most four years: 1461 days, 208 weeks, 48 months, 4 years. A number of
 * months or years is drawn again where the day of the month does not exist (March 31 minus one month).
 *   - Holidays are those of 5 U.S.C. 6103(a), on their own day (not the day on which an office closes);
 *     Juneteenth from 2021, the year of its law. Inauguration Day is left out: 6103(c) makes it a holiday for
 *     the District of Columbia and its surroundings alone.
 *   - Weeks, months and years between two days are whole ones, rounded down. "This year" is the current
 * date's; a holiday that falls on the current date is 0 days away.
 *   - Numbers are written in digits ("123"); "123 days", "15th" and "1,461" in an answer are 123, 15 and
 * 1461. */
#include <stdio.h>

#include "base/dates.h"
#include "base/random.h"
#include "eval/rows.h"

enum {
    N_DAYS = 500,
    FIRST_YEAR = 2000,
    LAST_YEAR = 2025,
    REACH = 1461,
    JUNETEENTH = 4,
    JUNETEENTH_YEAR = 2021
};

static const char *const parts[] = {"day of the week", "day of the month", "month", "year"};
static const char *const near_days[] = {"the day before yesterday", "yesterday", "today", "tomorrow",
                                        "the day after tomorrow"};

typedef struct question {
    tfc_date today;
    int choice; /* which of the kind's combinations */
    tfc_random *random;
    char text[160], answer[32];
} question;

static void put_part(question *q, tfc_date date, int part)
{
    if (part == 0)
        snprintf(q->answer, sizeof q->answer, "%s", tfc_weekday_names[tfc_date_weekday(date)]);
    else if (part == 2)
        snprintf(q->answer, sizeof q->answer, "%s", tfc_month_names[date.month - 1]);
    else
        snprintf(q->answer, sizeof q->answer, "%d", part == 1 ? date.day : date.year);
}

static int draw(question *q, int n)
{
    return (int)tfc_random_below(q->random, (uint64_t)n);
}

static void write_date(char *out, size_t n, tfc_date date)
{
    snprintf(out, n, "%s %d, %d", tfc_month_names[date.month - 1], date.day, date.year);
}

static tfc_date days_away(tfc_date date, int days)
{
    return tfc_date_of_days(tfc_date_days(date) + days);
}

/* How many days {ago was, are there until} {past, future date}? */
static bool days_between(question *q)
{
    int days = 1 + draw(q, REACH);
    char date[40];
    write_date(date, sizeof date, days_away(q->today, q->choice ? days : -days));
    snprintf(q->text, sizeof q->text, "How many days %s %s?", q->choice ? "are there until" : "ago was",
             date);
    snprintf(q->answer, sizeof q->answer, "%d", days);
    return true;
}

/* What {part} was it N {units} ago? */
static bool units_ago(question *q)
{
    static const int most[TFC_N_DATE_UNITS] = {REACH, 208, 48, 4};
    tfc_date_unit unit = (tfc_date_unit)(q->choice % TFC_N_DATE_UNITS);
    int part = q->choice / TFC_N_DATE_UNITS, count;
    tfc_date date;
    bool kept;
    do {
        count = 1 + draw(q, most[unit]);
        if (!tfc_date_add(q->today, -count, unit, &date)) return false;
        kept = unit == TFC_DAYS || unit == TFC_WEEKS || date.day == q->today.day;
    } while (!kept);
    snprintf(q->text, sizeof q->text, "What %s was it %d %s%s ago?", parts[part], count, tfc_date_units[unit],
             count == 1 ? "" : "s");
    put_part(q, date, part);
    return true;
}

/* What {part} will it be in N days? */
static bool days_ahead(question *q)
{
    int days = 1 + draw(q, REACH);
    snprintf(q->text, sizeof q->text, "What %s will it be in %d day%s?", parts[q->choice], days,
             days == 1 ? "" : "s");
    put_part(q, days_away(q->today, days), q->choice);
    return true;
}

/* What day of the week {is, was} it on {date}? */
static bool weekday_of_date(question *q)
{
    int days = 1 + draw(q, REACH);
    tfc_date date = days_away(q->today, q->choice ? days : -days);
    char written[40];
    write_date(written, sizeof written, date);
    snprintf(q->text, sizeof q->text, "What day of the week %s it on %s?", q->choice ? "is" : "was", written);
    put_part(q, date, 0);
    return true;
}

/* What {part} {is, was} it {day before yesterday … day after tomorrow}? */
static bool near_day(question *q)
{
    int near = q->choice % 5, part = q->choice / 5;
    snprintf(q->text, sizeof q->text, "What %s %s it %s?", parts[part], near < 2 ? "was" : "is",
             near_days[near]);
    put_part(q, days_away(q->today, near - 2), part);
    return true;
}

/* The holiday of the current year; false where it is none yet. */
static bool holiday_this_year(const question *q, int holiday, tfc_date *date)
{
    if (holiday == JUNETEENTH && q->today.year < JUNETEENTH_YEAR) return false;
    return tfc_holiday_date(holiday, q->today.year, date);
}

/* What {day of the week, day of the month, month} {is, was} HOLIDAY this year? */
static bool holiday_part(question *q)
{
    int holiday = q->choice % TFC_N_HOLIDAYS, part = q->choice / TFC_N_HOLIDAYS;
    tfc_date date;
    if (!holiday_this_year(q, holiday, &date)) return false;
    bool past = tfc_date_days(date) < tfc_date_days(q->today);
    snprintf(q->text, sizeof q->text, "What %s %s %s this year?", parts[part], past ? "was" : "is",
             tfc_holiday_name(holiday));
    put_part(q, date, part);
    return true;
}

/* How many {units} {ago was, are there until} HOLIDAY this year? */
static bool holiday_distance(question *q)
{
    int holiday = q->choice % TFC_N_HOLIDAYS;
    tfc_date_unit unit = (tfc_date_unit)(q->choice / TFC_N_HOLIDAYS);
    tfc_date date;
    if (!holiday_this_year(q, holiday, &date)) return false;
    bool past = tfc_date_days(date) < tfc_date_days(q->today);
    snprintf(q->text, sizeof q->text, "How many %ss %s %s this year?", tfc_date_units[unit],
             past ? "ago was" : "are there until", tfc_holiday_name(holiday));
    snprintf(q->answer, sizeof q->answer, "%lld", (long long)tfc_date_distance(date, q->today, unit));
    return true;
}

static const struct {
    const char *name;
    int size, n_choices; /* questions; combinations a day */
    bool (*ask)(question *q);
} kinds[] = {
    {"days-between", 400, 2, days_between},
    {"units-ago", 800, 4 * TFC_N_DATE_UNITS, units_ago},
    {"days-ahead", 800, 4, days_ahead},
    {"weekday-of-date", 400, 2, weekday_of_date},
    {"near-day", 4000, 20, near_day},
    {"holiday", 1800, 3 * TFC_N_HOLIDAYS, holiday_part},
    {"holiday-distance", 1200, 4 * TFC_N_HOLIDAYS, holiday_distance},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static void shuffle(int32_t *items, size_t n, tfc_random *random)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)tfc_random_below(random, i);
        int32_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}

/* 500 different days, as day numbers. */
static void draw_days(int32_t days[N_DAYS], uint64_t seed)
{
    tfc_random random = tfc_random_stream(seed, 0xDA7E, 0, 0);
    int32_t first = tfc_date_days((tfc_date){FIRST_YEAR, 1, 1});
    uint64_t n = (uint64_t)(tfc_date_days((tfc_date){LAST_YEAR, 12, 31}) - first + 1);
    for (int i = 0; i < N_DAYS;) {
        days[i] = first + (int32_t)tfc_random_below(&random, n);
        bool twice = false;
        for (int j = 0; j < i; j++) twice = twice || days[j] == days[i];
        i += !twice;
    }
}

static tfc_status append_question(tfc_eval_data *data, const char *kind, const question *q, tfc_error *err)
{
    tfc_eval_row *row = tfc_eval_data_next(data, err);
    if (!row) return TFC_ENOMEM;
    char id[32], date[32];
    snprintf(id, sizeof id, "dateset-%lld", (long long)data->n + 1);
    snprintf(date, sizeof date, "%04d-%02d-%02d", q->today.year, q->today.month, q->today.day);
    row->id = tfc_arena_strndup(&data->arena, id, strlen(id));
    row->date = tfc_arena_strndup(&data->arena, date, strlen(date));
    row->question = tfc_arena_strndup(&data->arena, q->text, strlen(q->text));
    row->prompt = tfc_question_prompt(&data->arena, q->text);
    row->gold = tfc_arena_strndup(&data->arena, q->answer, strlen(q->answer));
    row->template_name = kind;
    row->has_value = tfc_value_read(q->answer, &row->value);
    if (!row->id || !row->date || !row->question || !row->prompt || !row->gold)
        return tfc_fail_memory(err, "questions");
    data->n++;
    return TFC_OK;
}

static tfc_status make_kind(tfc_eval_data *data, size_t kind, const int32_t *days, uint64_t seed,
                            tfc_error *err)
{
    size_t n = (size_t)N_DAYS * (size_t)kinds[kind].n_choices;
    int32_t *pairs = tfc_alloc(n, sizeof *pairs);
    if (!pairs) return tfc_fail_memory(err, "questions");
    tfc_random random = tfc_random_stream(seed, 0xDA7E, kind + 1, 0);
    for (size_t i = 0; i < n; i++) pairs[i] = (int32_t)i;
    shuffle(pairs, n, &random);
    tfc_status status = TFC_OK;
    int made = 0;
    for (size_t i = 0; i < n && made < kinds[kind].size && status == TFC_OK; i++) {
        question q = {.today = tfc_date_of_days(days[pairs[i] % N_DAYS]),
                      .choice = pairs[i] / N_DAYS,
                      .random = &random};
        if (!kinds[kind].ask(&q)) continue;
        status = append_question(data, kinds[kind].name, &q, err);
        made++;
    }
    tfc_free(pairs);
    return status;
}

tfc_status tfc_dateset_make(tfc_eval_data *data, uint64_t seed, tfc_error *err)
{
    int32_t days[N_DAYS];
    draw_days(days, seed);
    tfc_status status = TFC_OK;
    for (size_t kind = 0; kind < N_KINDS && status == TFC_OK; kind++)
        status = make_kind(data, kind, days, seed, err);
    return status;
}
