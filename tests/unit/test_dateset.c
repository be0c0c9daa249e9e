/* The questions about dates, answered a second time by other means: the weekday by a congruence, the day that
 * lies N days away by walking there, holidays by walking through their month. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "eval/rows.h"

typedef struct day {
    int y, m, d;
} day;

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const weekdays[] = {"Saturday",  "Sunday",   "Monday", "Tuesday",
                                       "Wednesday", "Thursday", "Friday"};

static int length(int y, int m)
{
    if (m == 2) return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0 ? 29 : 28;
    return m == 4 || m == 6 || m == 9 || m == 11 ? 30 : 31;
}

/* Zeller's congruence: 0 is Saturday. */
static int weekday(day t)
{
    int m = t.m < 3 ? t.m + 12 : t.m, y = t.m < 3 ? t.y - 1 : t.y;
    return (t.d + 13 * (m + 1) / 5 + y % 100 + y % 100 / 4 + y / 100 / 4 + 5 * (y / 100)) % 7;
}

static day step(day t, int direction)
{
    t.d += direction;
    if (t.d == 0) {
        t.m--;
        if (t.m == 0) t.m = 12, t.y--;
        t.d = length(t.y, t.m);
    } else if (t.d > length(t.y, t.m)) {
        t.d = 1;
        t.m++;
        if (t.m == 13) t.m = 1, t.y++;
    }
    return t;
}

static day walk(day t, int n)
{
    for (; n > 0; n--) t = step(t, 1);
    for (; n < 0; n++) t = step(t, -1);
    return t;
}

static int order(day a, day b)
{
    return a.y != b.y ? a.y - b.y : a.m != b.m ? a.m - b.m : a.d - b.d;
}

static int days_between(day a, day b)
{
    int n = 0;
    for (; order(a, b) < 0; n++) a = step(a, 1);
    for (; order(a, b) > 0; n++) a = step(a, -1);
    return n;
}

static int month_of(const char *name)
{
    for (int m = 0; m < 12; m++)
        if (strncmp(name, months[m], strlen(months[m])) == 0) return m + 1;
    fail_msg("no month in '%s'", name);
    return 0;
}

static day written(const char *text)
{
    day t = {.m = month_of(text)};
    assert_int_equal(sscanf(strchr(text, ' '), " %d, %d", &t.d, &t.y), 2);
    return t;
}

/* The nth (5: last) such weekday of a month. */
static day nth(int y, int m, int which, int n)
{
    day found = {0};
    int seen = 0;
    for (day t = {y, m, 1}; t.m == m; t = step(t, 1))
        if (weekday(t) == which && (++seen == n || n == 5)) found = t;
    return found;
}

/* 5 U.S.C. 6103(a). */
static day holiday(const char *name, int y)
{
    enum { MONDAY = 2, THURSDAY = 5 };
    if (strstr(name, "New Year")) return (day){y, 1, 1};
    if (strstr(name, "Luther King")) return nth(y, 1, MONDAY, 3);
    if (strstr(name, "Washington") || strstr(name, "Presidents")) return nth(y, 2, MONDAY, 3);
    if (strstr(name, "Memorial")) return nth(y, 5, MONDAY, 5);
    if (strstr(name, "Juneteenth")) return (day){y, 6, 19};
    if (strstr(name, "Independence")) return (day){y, 7, 4};
    if (strstr(name, "Labor")) return nth(y, 9, MONDAY, 1);
    if (strstr(name, "Columbus")) return nth(y, 10, MONDAY, 2);
    if (strstr(name, "Veterans")) return (day){y, 11, 11};
    if (strstr(name, "Thanksgiving")) return nth(y, 11, THURSDAY, 4);
    if (strstr(name, "Christmas")) return (day){y, 12, 25};
    fail_msg("unknown holiday in '%s'", name);
    return (day){0};
}

static void write_part(char out[32], const char *question, day t)
{
    if (strstr(question, "day of the week"))
        snprintf(out, 32, "%s", weekdays[weekday(t)]);
    else if (strstr(question, "day of the month"))
        snprintf(out, 32, "%d", t.d);
    else if (strncmp(question, "What month", 10) == 0)
        snprintf(out, 32, "%s", months[t.m - 1]);
    else
        snprintf(out, 32, "%d", t.y);
}

/* "… N units ago": months and years keep the day. */
static day units_ago(day today, const char *question)
{
    const char *number = question + strcspn(question, "0123456789");
    int n = atoi(number);
    if (strstr(number, "day")) return walk(today, -n);
    if (strstr(number, "week")) return walk(today, -7 * n);
    int back = strstr(number, "year") ? 12 * n : n, all = today.y * 12 + today.m - 1 - back;
    return (day){all / 12, all % 12 + 1, today.d};
}

/* Whole units between two days. */
static int whole_units(day a, day b, const char *question)
{
    if (order(a, b) > 0) return whole_units(b, a, question);
    int days = days_between(a, b), n = 0;
    if (strstr(question, "days")) return days;
    if (strstr(question, "weeks")) return days / 7;
    for (;; n++) {
        int all = a.y * 12 + a.m + n;
        day later = {all / 12, all % 12 + 1, a.d};
        if (later.d > length(later.y, later.m)) later.d = length(later.y, later.m);
        if (order(later, b) > 0) break;
    }
    return strstr(question, "years") ? n / 12 : n;
}

static void answer(const tfc_eval_row *row, day today, char out[32])
{
    static const char *const near[] = {"the day before yesterday", "it yesterday?", "today", "it tomorrow?",
                                       "the day after tomorrow"};
    const char *q = row->question, *kind = row->template_name;
    if (strcmp(kind, "days-between") == 0) {
        const char *date = strstr(q, "until ") ? strstr(q, "until ") + 6 : strstr(q, "was ") + 4;
        day t = written(date);
        assert_true((order(t, today) > 0) == (strstr(q, "until") != NULL));
        snprintf(out, 32, "%d", days_between(today, t));
    } else if (strcmp(kind, "units-ago") == 0) {
        write_part(out, q, units_ago(today, q));
    } else if (strcmp(kind, "days-ahead") == 0) {
        write_part(out, q, walk(today, atoi(strstr(q, " in ") + 4)));
    } else if (strcmp(kind, "weekday-of-date") == 0) {
        day t = written(strstr(q, " on ") + 4);
        assert_true((order(t, today) < 0) == (strstr(q, " was ") != NULL));
        write_part(out, q, t);
    } else if (strcmp(kind, "near-day") == 0) {
        int away = 0;
        while (!strstr(q, near[away])) away++;
        assert_true((away < 2) == (strstr(q, " was ") != NULL));
        write_part(out, q, walk(today, away - 2));
    } else {
        day t = holiday(q, today.y);
        assert_true((order(t, today) < 0) == (strstr(q, " was ") != NULL));
        if (strcmp(kind, "holiday") == 0)
            write_part(out, q, t);
        else
            snprintf(out, 32, "%d", whole_units(t, today, q));
    }
}

static tfc_eval_data *make(uint64_t seed, int64_t limit, double share)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_eval_data_params params = {.task = "dateset", .limit = limit, .share = share, .seed = seed};
    tfc_eval_data *data = tfc_eval_data_open(&params, &err);
    if (!data) fail_msg("%s", err.message);
    return data;
}

static void test_answers(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 2; seed++) {
        tfc_eval_data *data = make(seed, -1, 1);
        assert_int_equal(tfc_eval_data_count(data), 9400);
        for (int64_t i = 0; i < data->n; i++) {
            const tfc_eval_row *row = &data->rows[i];
            day today;
            char expected[32];
            assert_int_equal(sscanf(row->date, "%d-%d-%d", &today.y, &today.m, &today.d), 3);
            answer(row, today, expected);
            if (strcmp(expected, row->gold) != 0)
                fail_msg("%s, today %s: %s, not %s", row->question, row->date, expected, row->gold);
            assert_true(strncmp(row->prompt, "Answer the following question: ", 31) == 0);
            assert_string_equal(row->prompt + 31, row->question);
            if (strstr(row->question, "Juneteenth")) assert_true(today.y >= 2021);
            assert_null(strstr(row->question, "Inauguration"));
        }
        tfc_eval_data_free(data);
    }
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int64_t count_distinct(const char **texts, int64_t n)
{
    int64_t distinct = n > 0;
    qsort(texts, (size_t)n, sizeof *texts, compare_texts);
    for (int64_t i = 1; i < n; i++) distinct += strcmp(texts[i], texts[i - 1]) != 0;
    return distinct;
}

/* The paper's sizes, 500 days, no finite question twice; every holiday and every near day is asked for. */
static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int size;
    } kinds[] = {{"days-between", 400},     {"units-ago", 800}, {"days-ahead", 800},
                 {"weekday-of-date", 400},  {"near-day", 4000}, {"holiday", 1800},
                 {"holiday-distance", 1200}};
    static const char *const wanted[] = {"New Year",     "Luther King",  "Presidents",
                                         "Memorial",     "Juneteenth",   "Independence",
                                         "Labor",        "Columbus",     "Veterans",
                                         "Thanksgiving", "Christmas",    "the day after tomorrow",
                                         " weeks ago?",  " months ago?", "How many years"};
    tfc_eval_data *data = make(7, -1, 1);
    const char *texts[9400];
    char both[9400][160];
    int64_t n_finite = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        int n = 0;
        for (int64_t i = 0; i < data->n; i++) n += strcmp(data->rows[i].template_name, kinds[k].name) == 0;
        assert_int_equal(n, kinds[k].size);
    }
    for (int64_t i = 0; i < data->n; i++) texts[i] = data->rows[i].date;
    assert_int_equal(count_distinct(texts, data->n), 500);
    for (int64_t i = 2400; i < data->n; i++) {
        snprintf(both[n_finite], sizeof both[0], "%s %s", data->rows[i].date, data->rows[i].question);
        texts[n_finite] = both[n_finite];
        n_finite++;
    }
    assert_int_equal(count_distinct(texts, n_finite), n_finite);
    for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++) {
        int n = 0;
        for (int64_t i = 0; i < data->n; i++) n += strstr(data->rows[i].question, wanted[w]) != NULL;
        if (n < 10) fail_msg("'%s' only %d times", wanted[w], n);
    }
    tfc_eval_data_free(data);
}

static void test_seed_and_share(void **state)
{
    (void)state;
    tfc_eval_data *a = make(3, -1, 1), *b = make(3, -1, 1), *other = make(4, -1, 1);
    assert_true(a->hash == b->hash && a->hash != other->hash);
    tfc_eval_data *tenth = make(3, -1, 0.1), *again = make(3, 100, 0.1);
    assert_int_equal(tenth->n, 940);
    assert_int_equal(again->n, 100);
    assert_true(tenth->hash == again->hash);
    int64_t at = 0;
    for (int64_t i = 0; i < tenth->n; i++, at++) /* in order, each a row of the whole */
        while (strcmp(tenth->rows[i].id, a->rows[at].id) != 0) assert_true(++at < a->n);
    assert_true(at > 9000);
    for (int64_t i = 0; i < again->n; i++) assert_string_equal(again->rows[i].id, tenth->rows[i].id);
    tfc_eval_data_free(a);
    tfc_eval_data_free(b);
    tfc_eval_data_free(other);
    tfc_eval_data_free(tenth);
    tfc_eval_data_free(again);
}

/* What is written reads back as the same rows. */
static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/tfc-dateset-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    tfc_error err;
    tfc_error_init(&err);
    tfc_eval_data *made = make(1, 300, 0.1);
    if (tfc_eval_data_write(made, path, &err) != TFC_OK) fail_msg("%s", err.message);
    tfc_eval_data_params params = {.task = "dateset", .path = path, .limit = -1, .share = 1};
    tfc_eval_data *read = tfc_eval_data_open(&params, &err);
    if (!read) fail_msg("%s", err.message);
    assert_int_equal(read->n, made->n);
    for (int64_t i = 0; i < made->n; i++) {
        assert_string_equal(read->rows[i].id, made->rows[i].id);
        assert_string_equal(read->rows[i].prompt, made->rows[i].prompt);
        assert_string_equal(read->rows[i].gold, made->rows[i].gold);
        assert_string_equal(read->rows[i].date, made->rows[i].date);
        assert_string_equal(read->rows[i].template_name, made->rows[i].template_name);
    }
    tfc_eval_data_free(read);
    tfc_eval_data_free(made);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_seed_and_share),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
