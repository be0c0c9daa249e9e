/* Cells of equal place and system are seeds of one figure. */
#include "experiment/experiment_figures.h"

#include <math.h>

#include "base/file.h"
#include "eval/examples.h"
#include "eval/results_file.h"
#include "eval/statistics.h"

/* ---- rows of one evaluation ---- */

typedef struct rows {
    tfc_results_file file;
    tfc_judged *judged; /* [n] */
    int64_t n;
} rows;

static void rows_release(rows *r)
{
    for (int64_t i = 0; r->judged && i < r->n; i++) tfc_judged_release(&r->judged[i]);
    tfc_free(r->judged);
    tfc_results_close(&r->file);
    *r = (rows){.file.fd = -1};
}

static tfc_status rows_read(rows *r, const tfc_exp_stage *stage, tfc_error *err)
{
    *r = (rows){.file.fd = -1};
    char *path = tfc_path_join(stage->folder, "rows.jsonl");
    tfc_status status = path ? tfc_results_read(&r->file, path, err) : tfc_fail_memory(err, "tables");
    if (status == TFC_OK) {
        r->judged = tfc_alloc_zero((size_t)r->file.n_lines + 1, sizeof *r->judged);
        if (!r->judged) status = tfc_fail_memory(err, "tables");
    }
    for (int64_t i = 0; status == TFC_OK && i < r->file.n_lines; i++) {
        status = tfc_judged_read(r->file.lines[i], r->file.n_bytes[i], &r->judged[i], err);
        if (status == TFC_OK) r->n++;
        if (status != TFC_OK) tfc_error_prefix(err, "'%s': example %lld", path, (long long)i + 1);
    }
    if (status != TFC_OK) rows_release(r);
    tfc_free(path);
    return status;
}

/* Lines of JSON; `each` gets an object. */
static tfc_status each_line(const char *path, tfc_status (*each)(void *, tfc_json *, tfc_error *),
                            void *context, tfc_error *err)
{
    tfc_file_map map;
    tfc_status status = tfc_file_map_open(&map, path, err);
    if (status != TFC_OK) return status;
    const char *data = (const char *)map.data;
    for (size_t from = 0, to; status == TFC_OK && from < map.n_bytes; from = to + 1) {
        const char *newline = memchr(data + from, '\n', map.n_bytes - from);
        to = newline ? (size_t)(newline - data) : map.n_bytes;
        tfc_json *json = tfc_json_parse(data + from, to - from, path, err);
        if (!json)
            status = err->status;
        else if (json_object_is_type(json, json_type_object))
            status = each(context, json, err);
        else
            status = tfc_fail(err, TFC_EFORMAT, "object expected");
        if (json && status != TFC_OK) tfc_error_prefix(err, "'%s'", path);
        json_object_put(json);
    }
    tfc_file_map_close(&map);
    return status;
}

/* ---- figures ---- */

static bool same_place(const tfc_exp_figure *f, const tfc_exp_cell *c)
{
    return f->variant == c->variant && f->evaluation == c->evaluation && f->round == c->round &&
           f->step == c->step && f->share == c->share && f->system == c->system;
}

/* Adds a seed: its rows must be those of the seeds before. */
static tfc_status figure_add(tfc_exp_figure *f, const tfc_exp *exp, const tfc_exp_cell *c, tfc_error *err)
{
    rows r;
    f->n_wanted++;
    if (!c->stage->done || f->n_seeds == TFC_EXP_LIST) return TFC_OK;
    tfc_status status = rows_read(&r, c->stage, err);
    if (status != TFC_OK) return status;
    if (f->n_seeds == 0) {
        f->n = r.n;
        f->sums = tfc_alloc_zero((size_t)r.n + 1, sizeof *f->sums);
        f->ids = tfc_alloc_zero((size_t)r.n + 1, sizeof *f->ids);
        for (int64_t i = 0; f->sums && f->ids && i < r.n; i++)
            if (!(f->ids[i] = tfc_strdup(r.judged[i].example.id))) status = tfc_fail_memory(err, "tables");
        if (!f->sums || !f->ids) status = tfc_fail_memory(err, "tables");
    } else if (f->n != r.n) {
        status = tfc_fail(err, TFC_ECONFLICT, "'%s' has other rows than another seed", c->stage->folder);
    }
    double right = 0, share = r.n ? 1 / (double)r.n : 0;
    for (int64_t i = 0; status == TFC_OK && i < r.n; i++) {
        const tfc_eval_example *e = &r.judged[i].example;
        f->sums[i] = (int8_t)(f->sums[i] + e->correct);
        right += e->correct;
        f->strict += share * e->strict_correct;
        f->called += share * e->called;
        f->result_right += share * e->result_right;
        f->copied += share * e->copied;
        f->failures[e->failure]++;
    }
    if (status == TFC_OK && r.n > 0) {
        f->scored = tfc_exp_number(c->stage, "scored") != 0;
        f->seeds[f->n_seeds] = exp->file.variants[c->variant].seeds[c->seed];
        f->by_seed[f->n_seeds++] = right * share;
    }
    rows_release(&r);
    return status;
}

static tfc_status figure_finish(tfc_exp_figure *f, tfc_error *err)
{
    if (f->n_seeds == 0) return TFC_OK;
    double seeds = (double)f->n_seeds;
    for (size_t s = 0; s < f->n_seeds; s++) f->accuracy += f->by_seed[s] / seeds;
    f->strict /= seeds;
    f->called /= seeds;
    f->result_right /= seeds;
    f->copied /= seeds;
    tfc_eval_interval interval;
    tfc_status status = tfc_bootstrap(f->sums, f->n, 0, &interval, err);
    f->low = interval.low / seeds;
    f->high = interval.high / seeds;
    return status;
}

/* ---- yields ---- */

typedef struct counts {
    int8_t *values;
    int64_t n, room;
} counts;

static tfc_status count_calls(void *context, tfc_json *json, tfc_error *err)
{
    counts *c = context;
    tfc_json *calls;
    tfc_status status = tfc_json_get_array(json, "calls", &calls, NULL, err);
    size_t n = status == TFC_OK ? json_object_array_length(calls) : 0;
    if (status == TFC_OK && c->n < c->room) c->values[c->n++] = (int8_t)(n < INT8_MAX ? n : INT8_MAX);
    return status;
}

/* The interval comes from the calls of each text, those without any included. */
static tfc_status yield_interval(tfc_exp_yield *y, const tfc_exp_stage *data, tfc_error *err)
{
    char *path = tfc_path_join(data->folder, "dataset.jsonl");
    counts c = {.room = y->snippets};
    c.values = tfc_alloc_zero((size_t)y->snippets + 1, sizeof *c.values);
    tfc_status status = path && c.values ? TFC_OK : tfc_fail_memory(err, "tables");
    if (status == TFC_OK) status = each_line(path, count_calls, &c, err);
    tfc_eval_interval interval = {0};
    if (status == TFC_OK) status = tfc_bootstrap(c.values, y->snippets, 0, &interval, err);
    y->low = 100 * interval.low;
    y->high = 100 * interval.high;
    tfc_free(c.values);
    tfc_free(path);
    return status;
}

static tfc_status yield_make(tfc_exp_yield *y, const tfc_exp_training *t, double base_perplexity,
                             tfc_error *err)
{
    *y = (tfc_exp_yield){.training = t, .perplexity = NAN, .change = NAN};
    if (t->annotate->done) y->hours_annotate = t->annotate->seconds * t->annotate->threads / 3600;
    if (t->train && t->train->done) y->hours_train = t->train->seconds * t->train->threads / 3600;
    if (t->forget && t->forget->done) {
        y->perplexity = tfc_exp_number(t->forget, "perplexity");
        y->change = y->perplexity / base_perplexity - 1;
    }
    if (!t->data->done) return TFC_OK;
    y->snippets = (int64_t)tfc_exp_number(t->data, "snippets");
    y->texts = (int64_t)tfc_exp_number(t->data, "texts");
    y->calls = (int64_t)tfc_exp_number(t->data, "calls");
    y->per_100 = y->snippets ? 100.0 * (double)y->calls / (double)y->snippets : 0;
    return yield_interval(y, t->data, err);
}

/* ---- all ---- */

tfc_status tfc_exp_figures_make(tfc_exp_figures *figures, tfc_exp *exp, tfc_error *err)
{
    *figures = (tfc_exp_figures){.perplexity = NAN};
    figures->figures = tfc_alloc_zero(exp->n_cells + 1, sizeof *figures->figures);
    figures->yields = tfc_alloc_zero(exp->n_trainings + 1, sizeof *figures->yields);
    if (!figures->figures || !figures->yields) {
        tfc_exp_figures_release(figures);
        return tfc_fail_memory(err, "tables");
    }
    tfc_status status = TFC_OK;
    for (size_t i = 0; status == TFC_OK && i < exp->n_cells; i++) {
        const tfc_exp_cell *c = &exp->cells[i];
        size_t f = 0;
        while (f < figures->n_figures && !same_place(&figures->figures[f], c)) f++;
        if (f == figures->n_figures)
            figures->figures[figures->n_figures++] = (tfc_exp_figure){.variant = c->variant,
                                                                      .evaluation = c->evaluation,
                                                                      .round = c->round,
                                                                      .step = c->step,
                                                                      .share = c->share,
                                                                      .system = c->system};
        status = figure_add(&figures->figures[f], exp, c, err);
    }
    for (size_t f = 0; status == TFC_OK && f < figures->n_figures; f++)
        status = figure_finish(&figures->figures[f], err);
    if (exp->forget_base->done) figures->perplexity = tfc_exp_number(exp->forget_base, "perplexity");
    for (size_t i = 0; status == TFC_OK && i < exp->n_trainings; i++)
        status =
            yield_make(&figures->yields[figures->n_yields++], &exp->trainings[i], figures->perplexity, err);
    if (status != TFC_OK) tfc_exp_figures_release(figures);
    return status;
}

void tfc_exp_figures_release(tfc_exp_figures *figures)
{
    for (size_t f = 0; f < figures->n_figures; f++) {
        tfc_exp_figure *figure = &figures->figures[f];
        for (int64_t i = 0; figure->ids && i < figure->n; i++) tfc_free(figure->ids[i]);
        tfc_free(figure->ids);
        tfc_free(figure->sums);
    }
    tfc_free(figures->figures);
    tfc_free(figures->yields);
    *figures = (tfc_exp_figures){0};
}

const tfc_exp_figure *tfc_exp_figure_find(const tfc_exp_figures *figures, const tfc_exp *exp, size_t variant,
                                          tfc_exp_system system, const char *evaluation)
{
    const tfc_exp_variant *v = &exp->file.variants[variant];
    for (size_t i = 0; i < figures->n_figures; i++) {
        const tfc_exp_figure *f = &figures->figures[i];
        if (f->variant == variant && f->system == system && f->step == 0 && f->share >= 1 &&
            f->round == v->rounds && f->n_seeds > 0 &&
            strcmp(v->evaluations[f->evaluation].name, evaluation) == 0)
            return f;
    }
    return NULL;
}

bool tfc_exp_test_make(tfc_exp_test *test, const tfc_exp_figure *of, const tfc_exp_figure *against)
{
    *test = (tfc_exp_test){.of = of, .against = against};
    if (of->n != against->n || of->n == 0 || !of->n_seeds || !against->n_seeds) return false;
    for (int64_t i = 0; i < of->n; i++) {
        if (strcmp(of->ids[i], against->ids[i]) != 0) return false;
        int64_t a = (int64_t)of->sums[i] * (int64_t)against->n_seeds;
        int64_t b = (int64_t)against->sums[i] * (int64_t)of->n_seeds;
        test->better += a > b;
        test->worse += a < b;
    }
    test->p = tfc_mcnemar(test->better, test->worse);
    return true;
}
