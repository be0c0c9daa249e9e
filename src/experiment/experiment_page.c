/* report.html: the tables of results.md as a page, with courses and failures as pictures. */
#include <math.h>

#include "experiment/experiment_tables.h"
#include "report/html.h"

/* ---- the tables, from their Markdown ---- */

/* **bold** and `code`; everything else is text. */
static void put_inline(tfc_buffer *html, const char *text, size_t n)
{
    static const struct {
        const char *mark, *open, *close;
    } marks[] = {{"**", "<b>", "</b>"}, {"`", "<code>", "</code>"}};
    for (size_t i = 0; i < n;) {
        size_t m = 0, length = 0, end = 0;
        for (; m < 2; m++) {
            length = strlen(marks[m].mark);
            if (n - i < 2 * length || memcmp(text + i, marks[m].mark, length) != 0) continue;
            const char *close = memmem(text + i + length, n - i - length, marks[m].mark, length);
            if (close) end = (size_t)(close - text);
            if (close) break;
        }
        if (m < 2) {
            tfc_buffer_puts(html, marks[m].open);
            tfc_html_escape(html, text + i + length, end - i - length);
            tfc_buffer_puts(html, marks[m].close);
            i = end + length;
        } else {
            tfc_html_escape(html, text + i, 1);
            i++;
        }
    }
}

/* "| a | b |" → cells; a row of dashes is none. */
static void put_row(tfc_buffer *html, const char *line, size_t n, bool heading)
{
    if (n > 4 && memcmp(line, "|---", 4) == 0) return;
    tfc_buffer_puts(html, "<tr>");
    for (size_t i = 1; i < n;) {
        const char *bar = memchr(line + i, '|', n - i);
        size_t end = bar ? (size_t)(bar - line) : n, from = i, to = end;
        while (from < to && line[from] == ' ') from++;
        while (to > from && line[to - 1] == ' ') to--;
        char first = from < to ? line[from] : ' ';
        bool number = (first >= '0' && first <= '9') || first == '*' || first == '<';
        tfc_buffer_puts(html, heading ? "<th>" : number ? "<td class=n>" : "<td>");
        put_inline(html, line + from, to - from);
        tfc_buffer_puts(html, heading ? "</th>" : "</td>");
        i = end + 1;
    }
    tfc_buffer_puts(html, "</tr>\n");
}

static void put_markdown(tfc_buffer *html, const char *text)
{
    enum { NOTHING, TABLE, LIST } open = NOTHING;
    static const char *const closing[] = {"", "</table>", "</ul>"};
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        int wanted = line[0] == '|' ? TABLE : n > 2 && memcmp(line, "- ", 2) == 0 ? LIST : NOTHING;
        bool first = wanted != (int)open;
        if (first) tfc_buffer_puts(html, closing[open]);
        if (first) tfc_buffer_puts(html, wanted == TABLE ? "<table>\n" : wanted == LIST ? "<ul>\n" : "");
        if (wanted == TABLE)
            put_row(html, line, n, first);
        else if (wanted == LIST)
            tfc_buffer_puts(html, "<li>"), put_inline(html, line + 2, n - 2),
                tfc_buffer_puts(html, "</li>\n");
        else if (n > 3 && memcmp(line, "## ", 3) == 0)
            tfc_buffer_puts(html, "<h2>"), put_inline(html, line + 3, n - 3),
                tfc_buffer_puts(html, "</h2>\n");
        else if (n > 2 && memcmp(line, "# ", 2) == 0)
            tfc_buffer_puts(html, "<h1>"), put_inline(html, line + 2, n - 2),
                tfc_buffer_puts(html, "</h1>\n");
        else if (n > 0)
            tfc_buffer_puts(html, "<p>"), put_inline(html, line, n), tfc_buffer_puts(html, "</p>\n");
        open = wanted == TABLE ? TABLE : wanted == LIST ? LIST : NOTHING;
        line += n + (line[n] == '\n');
    }
    tfc_buffer_puts(html, closing[open]);
}

/* ---- courses ---- */

static const char *const colors[] = {"#2f6f9f", "#5b9a68", "#b3261e", "#8a6d3b", "#6f42a0", "#3b8a8a"};

static void put_course(tfc_buffer *html, const tfc_exp_point *points, size_t n, const char *name,
                       size_t color, double right, double top)
{
    tfc_buffer_printf(html, "<polyline fill=none stroke=\"%s\" stroke-width=1.5 points=\"", colors[color]);
    for (size_t i = 0; i < n; i++)
        tfc_buffer_printf(html, "%.1f,%.1f ", 40 + 560 * points[i].x / right,
                          190 - 170 * points[i].figure->accuracy / top);
    tfc_buffer_puts(html, "\"/>");
    for (size_t i = 0; i < n; i++) {
        const tfc_exp_figure *f = points[i].figure;
        double x = 40 + 560 * points[i].x / right;
        tfc_buffer_printf(html, "<line stroke=\"%s\" opacity=.5 x1=%.1f x2=%.1f y1=%.1f y2=%.1f />",
                          colors[color], x, x, 190 - 170 * f->low / top, 190 - 170 * f->high / top);
        tfc_buffer_printf(html,
                          "<circle r=3 fill=\"%s\" cx=%.1f cy=%.1f><title>%.0f: %.1f %%</title></circle>",
                          colors[color], x, 190 - 170 * f->accuracy / top, points[i].x, 100 * f->accuracy);
    }
    tfc_buffer_printf(html, "<text x=610 y=%zu style=\"fill:%s\">", 30 + 16 * color, colors[color]);
    tfc_html_text(html, name);
    tfc_buffer_puts(html, "</text>");
}

static tfc_status put_courses(tfc_buffer *html, const tfc_exp *exp, const tfc_exp_figures *figures,
                              tfc_exp_at *at, const char *title, const char *unit, tfc_error *err)
{
    tfc_exp_point *points = tfc_alloc(figures->n_figures + 1, sizeof *points);
    if (!points) return tfc_fail_memory(err, "report");
    const tfc_exp_variant *main = &exp->file.variants[0];
    double right = 0, top = 0;
    for (size_t e = 0; e < main->n_evaluations; e++) {
        size_t n = tfc_exp_course(points, exp, figures, at, 0, e);
        for (size_t i = 0; i < n; i++) top = fmax(top, points[i].figure->high);
        if (n > 0) right = fmax(right, points[n - 1].x);
    }
    if (right > 0) {
        if (top <= 0) top = 1;
        tfc_buffer_printf(html, "<h2>%s</h2><svg width=760 height=230 role=img aria-label=\"%s\">", title,
                          title);
        tfc_buffer_puts(html,
                        "<line x1=40 y1=190 x2=600 y2=190 stroke=\"#999\"/><line x1=40 y1=20 x2=40 y2=190 "
                        "stroke=\"#999\"/>");
        tfc_buffer_printf(html,
                          "<text x=2 y=24>%.0f %%</text><text x=14 y=194>0 %%</text><text x=36 y=208>0</text>"
                          "<text x=560 y=208>%.0f %s</text>",
                          100 * top, right, unit);
        for (size_t e = 0, color = 0; e < main->n_evaluations; e++) {
            size_t n = tfc_exp_course(points, exp, figures, at, 0, e);
            if (n == 0) continue;
            put_course(html, points, n, main->evaluations[e].name, color, right, top);
            color = (color + 1) % (sizeof colors / sizeof *colors);
        }
        tfc_buffer_puts(html, "</svg><p class=why>The taught model; bars are 95 % intervals.</p>");
    }
    tfc_free(points);
    return TFC_OK;
}

/* ---- failures ---- */

static const char *const failure_colors[TFC_EVAL_N_FAILURES] = {"#5b9a68", "#999",    "#c7a49a",
                                                                "#d98e73", "#e0b84c", "#8aa7c4"};
static const char *const failure_words[TFC_EVAL_N_FAILURES] = {"right",
                                                               "no call",
                                                               "a call without result",
                                                               "a wrong expression",
                                                               "the result was not copied",
                                                               "not where it is looked for"};

static void put_failures(tfc_buffer *html, const tfc_exp *exp, const tfc_exp_figures *figures)
{
    const tfc_exp_variant *main = &exp->file.variants[0];
    bool any = false;
    for (size_t e = 0; e < main->n_evaluations; e++) {
        const tfc_exp_figure *f =
            tfc_exp_figure_find(figures, exp, 0, TFC_EXP_TAUGHT, main->evaluations[e].name);
        if (!f || !f->scored) continue;
        if (!any) tfc_buffer_puts(html, "<h2>What became of the questions</h2><table>");
        any = true;
        double total = (double)f->n * (double)f->n_seeds, x = 0;
        tfc_buffer_puts(html, "<tr><td>");
        tfc_html_text(html, main->evaluations[e].name);
        tfc_buffer_puts(html, "</td><td><svg width=520 height=18>");
        for (int i = 0; i < TFC_EVAL_N_FAILURES; i++) {
            double width = 520 * (double)f->failures[i] / total;
            tfc_buffer_printf(
                html, "<rect x=%.1f y=0 width=%.1f height=18 fill=\"%s\"><title>%s: %.1f %%</title></rect>",
                x, width, failure_colors[i], failure_words[i], 100 * (double)f->failures[i] / total);
            x += width;
        }
        tfc_buffer_puts(html, "</svg></td></tr>");
    }
    if (!any) return;
    tfc_buffer_puts(html, "</table><p class=why>The taught model, all seeds: ");
    for (int i = 0; i < TFC_EVAL_N_FAILURES; i++)
        tfc_buffer_printf(html, "<span style=\"color:%s\">&#9632;</span> %s%s", failure_colors[i],
                          failure_words[i], i + 1 < TFC_EVAL_N_FAILURES ? " &middot; " : "</p>\n");
}

tfc_status tfc_exp_page_write(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures,
                              const char *markdown, tfc_error *err)
{
    tfc_buffer_puts(out, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
                         "content=\"width=device-width\"><title>");
    tfc_html_text(out, exp->file.name);
    tfc_buffer_printf(out, "</title><style>%s table{font-size:.9rem}td.n{white-space:nowrap}</style><body>\n",
                      tfc_html_style);
    const char *notes = strstr(markdown, "\n## Notes\n");
    size_t n = notes ? (size_t)(notes - markdown) : strlen(markdown);
    char *tables = tfc_memdup_text(markdown, n);
    if (!tables) return tfc_fail_memory(err, "report");
    put_markdown(out, tables);
    tfc_free(tables);
    tfc_status status =
        put_courses(out, exp, figures, tfc_exp_at_step, "Accuracy by training step", "steps", err);
    if (status == TFC_OK)
        status = put_courses(out, exp, figures, tfc_exp_at_calls, "Accuracy by number of kept calls", "calls",
                             err);
    put_failures(out, exp, figures);
    if (notes) put_markdown(out, notes);
    tfc_buffer_puts(out, "</body></html>\n");
    return status;
}
