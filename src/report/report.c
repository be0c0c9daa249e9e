/* The report: figures, what was kept and why, what was not and why, the training's course, answers before and
 * after. Everything comes from the run's files; a missing part is left out. */
#include "toolformer/report.h"

#include <math.h>
#include <time.h>

#include "annotate/run_store.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "report/html.h"

static const char *column(sqlite3_stmt *statement, int i)
{
    const char *text = (const char *)sqlite3_column_text(statement, i);
    return text ? text : "";
}

/* A table of the rows of a query; columns of numbers to the right. */
static tfc_status put_table(tfc_buffer *html, tfc_run_store *store, const char *sql,
                            const char *const *headings, tfc_error *err)
{
    sqlite3_stmt *read;
    tfc_status status = tfc_run_store_query(store, sql, &read, err);
    if (status != TFC_OK) return status;
    tfc_buffer_puts(html, "<table><tr>");
    for (int i = 0; headings[i]; i++) tfc_buffer_printf(html, "<th>%s</th>", headings[i]);
    tfc_buffer_puts(html, "</tr>");
    int code;
    while ((code = sqlite3_step(read)) == SQLITE_ROW) {
        tfc_buffer_puts(html, "<tr>");
        for (int i = 0; i < sqlite3_column_count(read); i++) {
            bool number = sqlite3_column_type(read, i) != SQLITE_TEXT;
            tfc_buffer_puts(html, number ? "<td class=n>" : "<td>");
            tfc_html_text(html, column(read, i));
            tfc_buffer_puts(html, "</td>");
        }
        tfc_buffer_puts(html, "</tr>");
    }
    tfc_buffer_puts(html, "</table>");
    if (code != SQLITE_DONE) status = tfc_run_store_fail(store, err);
    sqlite3_finalize(read);
    return status;
}

/* Bars of how many calls had which gain. */
static tfc_status put_histogram(tfc_buffer *html, tfc_run_store *store, tfc_error *err)
{
    enum { BINS = 32 };
    const double low = -4, width = 0.25;
    int64_t counts[BINS] = {0}, most = 1;
    sqlite3_stmt *read;
    tfc_status status = tfc_run_store_query(
        store,
        "SELECT coalesce(gain, loss_empty - loss_result) FROM candidates WHERE loss_result IS NOT NULL",
        &read, err);
    if (status != TFC_OK) return status;
    while (sqlite3_step(read) == SQLITE_ROW) {
        int bin = (int)floor((sqlite3_column_double(read, 0) - low) / width);
        bin = bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin;
        if (++counts[bin] > most) most = counts[bin];
    }
    sqlite3_finalize(read);
    tfc_buffer_puts(html, "<svg width=700 height=190 role=img aria-label=\"calls by gain\">");
    for (int b = 0; b < BINS; b++) {
        double height = 140.0 * (double)counts[b] / (double)most;
        tfc_buffer_printf(
            html,
            "<rect x=%d y=%.1f width=18 height=%.1f fill=\"%s\"><title>%.2f to %.2f: %lld</title></rect>",
            20 + b * 20, 150 - height, height, low + b * width >= 0 ? "#5b9a68" : "#c7a49a", low + b * width,
            low + (b + 1) * width, (long long)counts[b]);
        if (b % 4 == 0) tfc_buffer_printf(html, "<text x=%d y=166>%g</text>", 16 + b * 20, low + b * width);
    }
    tfc_buffer_puts(
        html,
        "<text x=20 y=184>gain in nats: min(loss without call, loss without result) - loss with result; "
        "an upper bound where pruning left the second out</text></svg>");
    return TFC_OK;
}

/* A text's surroundings of a call, with the call in it. */
static void put_example(tfc_buffer *html, sqlite3_stmt *row)
{
    const char *text = column(row, 0), *result = column(row, 4);
    size_t n = (size_t)sqlite3_column_bytes(row, 0), at = (size_t)sqlite3_column_int64(row, 1);
    if (at > n) at = n;
    size_t from = at > 220 ? at - 220 : 0, to = n - at > 120 ? at + 120 : n;
    while (from < at && !tfc_utf8_boundary(text, n, from)) from++;
    while (to < n && !tfc_utf8_boundary(text, n, to)) to++;
    tfc_buffer_puts(html, "<p class=text>");
    if (from > 0) tfc_buffer_puts(html, "… ");
    tfc_html_escape(html, text + from, at - from);
    tfc_buffer_puts(html, " <span class=call>[");
    tfc_html_text(html, column(row, 2));
    tfc_buffer_putc(html, '(');
    tfc_html_text(html, column(row, 3));
    tfc_buffer_puts(html, ") &rarr; ");
    tfc_html_text(html, result);
    tfc_buffer_puts(html, "]</span>");
    tfc_html_escape(html, text + at, to - at);
    tfc_buffer_puts(html, to < n ? " …</p><p class=why>" : "</p><p class=why>");
    static const char *const names[] = {"without call", "without result", "with result"};
    for (int i = 0; i < 3; i++) {
        if (sqlite3_column_type(row, 5 + i) == SQLITE_NULL) continue;
        tfc_buffer_printf(html, "%s %.2f &middot; ", names[i], sqlite3_column_double(row, 5 + i));
    }
    tfc_html_text(html, column(row, 8));
    tfc_buffer_puts(html, " &middot; ");
    tfc_html_text(html, column(row, 9));
    tfc_buffer_puts(html, "</p>");
}

static tfc_status put_examples(tfc_buffer *html, tfc_run_store *store, const char *where, const char *order,
                               int64_t max_examples, tfc_error *err)
{
    tfc_buffer sql;
    tfc_buffer_init(&sql, 4096);
    tfc_buffer_printf(
        &sql,
        "SELECT s.text, c.at, c.tool, c.args, c.result, c.loss_empty, c.loss_call, c.loss_result, c.reason,"
        " s.id FROM candidates c JOIN snippets s ON s.i = c.snippet WHERE %s ORDER BY %s LIMIT %lld",
        where, order, (long long)max_examples);
    sqlite3_stmt *read;
    tfc_status status = tfc_run_store_query(store, sql.data, &read, err);
    tfc_buffer_release(&sql);
    if (status != TFC_OK) return status;
    int64_t n = 0;
    for (; sqlite3_step(read) == SQLITE_ROW; n++) put_example(html, read);
    if (n == 0) tfc_buffer_puts(html, "<p>None.</p>");
    sqlite3_finalize(read);
    return TFC_OK;
}

/* Reads the lines of a JSON-lines file; calls `each` on every object. A file that is not there has none. */
static tfc_status each_line(const char *path, void (*each)(void *context, tfc_json *line), void *context,
                            tfc_error *err)
{
    if (!tfc_file_exists(path)) return TFC_OK;
    char *text;
    size_t n;
    tfc_status status = tfc_file_read(path, (size_t)256 << 20, &text, &n, err);
    if (status != TFC_OK) return status;
    for (size_t from = 0; from < n;) {
        const char *end = memchr(text + from, '\n', n - from);
        size_t to = end ? (size_t)(end - text) : n;
        tfc_json *line = to > from ? tfc_json_parse(text + from, to - from, path, NULL) : NULL;
        if (line) each(context, line);
        json_object_put(line);
        from = to + 1;
    }
    tfc_free(text);
    return TFC_OK;
}

typedef struct curve {
    double step[4096], loss[4096];
    size_t n;
} curve;

static void add_point(void *context, tfc_json *line)
{
    curve *c = context;
    double step, loss;
    bool found;
    if (c->n == sizeof c->step / sizeof *c->step) return;
    if (tfc_json_get_double(line, "step", &step, &found, NULL) != TFC_OK || !found) return;
    if (tfc_json_get_double(line, "loss", &loss, &found, NULL) != TFC_OK || !found) return;
    c->step[c->n] = step;
    c->loss[c->n++] = loss;
}

static tfc_status put_training(tfc_buffer *html, const char *run, tfc_error *err)
{
    curve *c = tfc_alloc_zero(1, sizeof *c);
    char *path = tfc_path_join(run, "train.jsonl");
    tfc_status status = c && path ? each_line(path, add_point, c, err) : tfc_fail_memory(err, "report");
    if (status == TFC_OK && c->n > 1) {
        double top = 0, last = c->step[c->n - 1] > 0 ? c->step[c->n - 1] : 1;
        for (size_t i = 0; i < c->n; i++) top = fmax(top, c->loss[i]);
        tfc_buffer_puts(html,
                        "<h2>Training</h2><svg width=700 height=200 role=img aria-label=\"loss by step\">"
                        "<polyline fill=none stroke=\"#2f6f9f\" stroke-width=1.5 points=\"");
        for (size_t i = 0; i < c->n; i++)
            tfc_buffer_printf(html, "%.1f,%.1f ", 40 + 640 * c->step[i] / last,
                              170 - 150 * c->loss[i] / (top > 0 ? top : 1));
        tfc_buffer_printf(
            html,
            "\"/><text x=2 y=24>%.2f</text><text x=20 y=172>0</text><text x=40 y=192>step 1</text>"
            "<text x=620 y=192>step %.0f</text></svg><p class=why>Loss in nats a token, by optimizer "
            "step.</p>",
            top, last);
    }
    tfc_free(path);
    tfc_free(c);
    return status;
}

static void put_eval_line(void *context, tfc_json *line)
{
    tfc_buffer *html = context;
    const char *prompt = NULL, *output = NULL, *gold = NULL;
    bool found, correct = false;
    if (tfc_json_get_text(line, "prompt", &prompt, NULL, &found, NULL) != TFC_OK || !found) return;
    tfc_json_get_text(line, "output", &output, NULL, &found, NULL);
    tfc_json_get_text(line, "gold", &gold, NULL, &found, NULL);
    tfc_json_get_bool(line, "correct", &correct, &found, NULL);
    tfc_buffer_puts(html, "<p class=text>");
    tfc_html_text(html, prompt);
    tfc_buffer_puts(html, "<span class=call>");
    tfc_html_text(html, output);
    tfc_buffer_printf(html, "</span></p><p class=why><span class=%s>%s</span> &middot; expected ",
                      correct ? "ok" : "bad", correct ? "right" : "wrong");
    tfc_html_text(html, gold);
    tfc_buffer_puts(html, "</p>");
}

static tfc_status put_answers(tfc_buffer *html, const char *run, const char *file, const char *heading,
                              tfc_error *err)
{
    char *path = tfc_path_join(run, file);
    if (!path) return tfc_fail_memory(err, "report");
    tfc_status status = TFC_OK;
    if (tfc_file_exists(path)) {
        tfc_buffer_printf(html, "<h2>%s</h2>", heading);
        status = each_line(path, put_eval_line, html, err);
    }
    tfc_free(path);
    return status;
}

/* A figure as people read it: numbers short, objects as "name value", one after the other. */
static void put_value(tfc_buffer *html, tfc_json *value)
{
    if (json_object_is_type(value, json_type_double)) {
        tfc_buffer_printf(html, "%.4g", json_object_get_double(value));
    } else if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            if (i) tfc_buffer_puts(html, "<br>");
            put_value(html, json_object_array_get_idx(value, i));
        }
    } else if (json_object_is_type(value, json_type_object)) {
        bool first = true;
        json_object_object_foreach(value, key, item)
        {
            if (!first) tfc_buffer_puts(html, " &middot; ");
            first = false;
            for (const char *c = key; *c; c++) tfc_html_escape(html, *c == '_' ? " " : c, 1);
            tfc_buffer_puts(html, " <b>");
            put_value(html, item);
            tfc_buffer_puts(html, "</b>");
        }
    } else {
        tfc_html_text(html, json_object_get_string(value));
    }
}

static void put_summary_line(void *context, tfc_json *line)
{
    tfc_buffer *html = context;
    tfc_buffer_puts(html, "<table>");
    json_object_object_foreach(line, key, value)
    {
        tfc_buffer_puts(html, "<tr><td>");
        tfc_html_text(html, key);
        tfc_buffer_puts(html, "</td><td>");
        put_value(html, value);
        tfc_buffer_puts(html, "</td></tr>");
    }
    tfc_buffer_puts(html, "</table>");
}

static tfc_status put_settings(tfc_buffer *html, tfc_run_store *store, tfc_error *err)
{
    char *settings;
    tfc_status status = tfc_run_store_get(store, "settings", &settings, err);
    if (status != TFC_OK) return status;
    tfc_buffer_puts(html, "<h2>Settings</h2><p><code>");
    tfc_html_text(html, settings);
    tfc_buffer_puts(html, "</code></p>");
    tfc_text_free(settings);
    return TFC_OK;
}

static tfc_status put_body(tfc_buffer *html, tfc_run_store *store, const char *run, int64_t max_examples,
                           tfc_error *err)
{
    static const char *const tool_headings[] = {"tool", "places", "calls tried", "with result",
                                                "kept", "texts",  NULL};
    static const char *const call_headings[] = {"tool",     "calls",   "without result", "failed",
                                                "attempts", "ms each", "slowest",        NULL};
    static const char *const reason_headings[] = {"tool", "verdict", "reason", "calls", NULL};
    char *summary = tfc_path_join(run, "summary.json");
    tfc_status status = summary ? TFC_OK : tfc_fail_memory(err, "report");
    if (status == TFC_OK && tfc_file_exists(summary)) {
        tfc_buffer_puts(html, "<h2>Figures</h2>");
        status = each_line(summary, put_summary_line, html, err);
    }
    tfc_free(summary);
    tfc_buffer_puts(html, "<h2>Tools</h2>");
    if (status == TFC_OK)
        status =
            put_table(html, store,
                      "SELECT tool, (SELECT count(*) FROM places p WHERE p.tool = c.tool), count(*),"
                      " sum(result IS NOT NULL), sum(kept), count(DISTINCT CASE WHEN kept THEN snippet END)"
                      " FROM candidates c GROUP BY tool ORDER BY tool",
                      tool_headings, err);
    int64_t n_recorded = 0;
    if (status == TFC_OK)
        status = tfc_run_store_count(
            store, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'calls'", &n_recorded,
            err);
    if (status == TFC_OK && n_recorded > 0) {
        tfc_buffer_puts(html, "<h2>What the tools did</h2>");
        status = put_table(html, store,
                           "SELECT tool, count(*), sum(outcome = 'no result'), sum(outcome = 'failed'),"
                           " sum(attempts), round(sum(ms) / max(sum(attempts), 1), 1), round(max(ms), 1)"
                           " FROM calls GROUP BY tool ORDER BY tool",
                           call_headings, err);
        tfc_buffer_puts(html, "<p class=why>Distinct calls. No attempt: the answer was in the cache.</p>");
    }
    tfc_buffer_puts(html, "<h2>What became of the calls</h2>");
    if (status == TFC_OK)
        status = put_table(html, store,
                           "SELECT tool, CASE kept WHEN 1 THEN 'kept' ELSE 'dropped' END,"
                           " CASE WHEN result IS NULL THEN iif(failed, 'the tool failed: ', 'no result: ') "
                           "|| coalesce(error, '')"
                           " ELSE reason END, count(*)"
                           " FROM candidates GROUP BY 1, 2, 3 ORDER BY 1, 2 DESC, 4 DESC LIMIT 60",
                           reason_headings, err);
    if (status == TFC_OK) status = put_histogram(html, store, err);
    if (status == TFC_OK) status = put_training(html, run, err);
    if (status == TFC_OK) status = put_answers(html, run, "eval-after.jsonl", "Prompts, after", err);
    if (status == TFC_OK)
        status = put_answers(html, run, "eval-before.jsonl", "The same prompts, before", err);
    tfc_buffer_puts(html, "<h2>Kept</h2>");
    if (status == TFC_OK) status = put_examples(html, store, "c.kept", "c.gain DESC", max_examples, err);
    tfc_buffer_puts(html, "<div class=drop><h2>Dropped by a little</h2>");
    if (status == TFC_OK)
        status =
            put_examples(html, store, "NOT c.kept AND c.loss_result IS NOT NULL",
                         "abs(coalesce(c.gain, c.loss_empty - c.loss_result) - c.tau_f)", max_examples, err);
    tfc_buffer_puts(html, "<h2>Dropped by a lot</h2>");
    if (status == TFC_OK)
        status = put_examples(html, store, "NOT c.kept AND c.loss_result IS NOT NULL",
                              "coalesce(c.gain, c.loss_empty - c.loss_result)", max_examples, err);
    tfc_buffer_puts(html, "</div>");
    if (status == TFC_OK) status = put_settings(html, store, err);
    return status;
}

tfc_status tfc_report_write(const char *run, int64_t max_examples, tfc_error *err)
{
    tfc_run_store store;
    tfc_status status = tfc_run_store_open(&store, run, false, err);
    if (status != TFC_OK) return status;
    tfc_buffer html;
    tfc_buffer_init(&html, (size_t)512 << 20);
    tfc_buffer_printf(&html,
                      "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
                      "content=\"width=device-width\"><title>Toolformer run</title><style>%s</style>"
                      "<h1>What this run taught itself</h1>",
                      tfc_html_style);
    status = put_body(&html, &store, run, max_examples > 0 ? max_examples : 40, err);
    tfc_buffer_puts(&html, "</html>\n");
    if (status == TFC_OK) status = tfc_buffer_ok(&html, "report", err);
    char *path = tfc_path_join(run, "report.html");
    if (status == TFC_OK && !path) status = tfc_fail_memory(err, "report");
    if (status == TFC_OK) status = tfc_file_write_whole(path, html.data, html.n, err);
    tfc_free(path);
    tfc_buffer_release(&html);
    tfc_run_store_close(&store);
    return status;
}
