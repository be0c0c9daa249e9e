/* results.md: the tables as people read them, and the files of an experiment. */
#include "experiment/experiment_tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

static void put_share(tfc_buffer *out, double share)
{
    tfc_buffer_printf(out, " %.1f %% |", 100 * share);
}

/* 0.0312 → 0.031; what is smaller is said to be so */
static void put_p(tfc_buffer *out, const tfc_exp_figure *of, const tfc_exp_figure *against)
{
    tfc_exp_test test;
    if (!of || !against || of == against || !of->scored || !tfc_exp_test_make(&test, of, against))
        tfc_buffer_puts(out, " |");
    else if (test.p < 0.0001)
        tfc_buffer_puts(out, " < 0.0001 |");
    else
        tfc_buffer_printf(out, " %.2g |", test.p);
}

static void put_accuracy(tfc_buffer *out, const tfc_exp_figure *f)
{
    if (!f->scored) {
        tfc_buffer_puts(out, " – | |"); /* only calls are counted */
        return;
    }
    tfc_buffer_printf(out, " **%.1f %%** | %.1f – %.1f |", 100 * f->accuracy, 100 * f->low, 100 * f->high);
}

/* ---- the systems ---- */

static void put_system(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figure *f,
                       const tfc_exp_figure *taught, size_t n_seeds)
{
    const tfc_exp_evaluation *e = &exp->file.variants[f->variant].evaluations[f->evaluation];
    bool calls = f->system == TFC_EXP_TAUGHT || f->system == TFC_EXP_BASE_TOOLS;
    tfc_buffer_printf(out, "| %s | %s%s |", e->name, tfc_exp_system_names[f->system],
                      f->n_seeds < f->n_wanted ? " (unfinished)" : "");
    put_accuracy(out, f);
    tfc_buffer_printf(out, " %lld |", (long long)f->n);
    if (calls) {
        put_share(out, f->called);
        if (f->scored) put_share(out, f->result_right);
        if (f->scored) put_share(out, f->copied);
        if (!f->scored) tfc_buffer_puts(out, " – | – |");
    } else {
        tfc_buffer_puts(out, " – | – | – |");
    }
    if (f->scored)
        put_share(out, f->strict);
    else
        tfc_buffer_puts(out, " – |");
    for (size_t s = 0; n_seeds > 1 && s < n_seeds; s++) {
        if (s < f->n_seeds && f->n_seeds > 1 && f->scored)
            tfc_buffer_printf(out, " %.1f |", 100 * f->by_seed[s]);
        else
            tfc_buffer_puts(out, " |");
    }
    put_p(out, taught, f);
    tfc_buffer_putc(out, '\n');
}

static void put_systems(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures)
{
    const tfc_exp_variant *v = &exp->file.variants[0];
    tfc_buffer_puts(
        out, "## Systems\n\n| evaluation | system | accuracy | 95 % | n | called | expression right | copied "
             "| strict |");
    for (size_t s = 0; v->n_seeds > 1 && s < v->n_seeds; s++)
        tfc_buffer_printf(out, " seed %llu |", (unsigned long long)v->seeds[s]);
    tfc_buffer_puts(out, " p, taught against it |\n|---|---|---|---|---|---|---|---|---|---|");
    for (size_t s = 0; v->n_seeds > 1 && s < v->n_seeds; s++) tfc_buffer_puts(out, "---|");
    tfc_buffer_putc(out, '\n');
    for (size_t e = 0; e < v->n_evaluations; e++) {
        const char *name = v->evaluations[e].name;
        const tfc_exp_figure *taught = tfc_exp_figure_find(figures, exp, 0, TFC_EXP_TAUGHT, name);
        for (int s = 0; s < TFC_EXP_N_SYSTEMS; s++) {
            const tfc_exp_figure *f = tfc_exp_figure_find(figures, exp, 0, (tfc_exp_system)s, name);
            if (f) put_system(out, exp, f, taught, v->n_seeds);
        }
    }
}

/* ---- trainings ---- */

static void put_training(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_yield *y)
{
    const tfc_exp_training *t = y->training;
    const tfc_exp_variant *v = &exp->file.variants[t->variant];
    tfc_buffer_printf(out, "| %s%s", v->name, t->without_calls ? ", plain" : "");
    if (v->rounds > 1) tfc_buffer_printf(out, ", round %lld", (long long)t->round);
    if (t->share < 1) tfc_buffer_printf(out, ", %g of the calls", t->share);
    tfc_buffer_printf(out, " | %llu | %lld | %lld | %lld |", (unsigned long long)v->seeds[t->seed],
                      (long long)y->snippets, (long long)y->texts, (long long)y->calls);
    if (t->train && t->train->done)
        tfc_buffer_printf(out, " %.0f | %.3f → %.3f |", tfc_exp_number(t->train, "steps"),
                          tfc_exp_number(t->train, "dev_loss_before"),
                          tfc_exp_number(t->train, "dev_loss_best"));
    else
        tfc_buffer_printf(out, " %s | |", t->train && t->train->skipped ? t->train->skipped : "");
    if (isfinite(y->change))
        tfc_buffer_printf(out, " %.2f (%+.1f %%) |", y->perplexity, 100 * y->change);
    else
        tfc_buffer_puts(out, " |");
    tfc_buffer_printf(out, " %.2f | %.2f |\n", y->hours_annotate, y->hours_train);
}

static void put_trainings(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures)
{
    tfc_buffer_puts(
        out, "\n## Trainings\n\n| training | seed | texts read | texts with calls | kept calls | steps | dev "
             "loss | "
             "perplexity | core-hours: annotation | training |\n|---|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < figures->n_yields; i++)
        if (figures->yields[i].training->data->done) put_training(out, exp, &figures->yields[i]);
    if (isfinite(figures->perplexity))
        tfc_buffer_printf(
            out,
            "\nPerplexity: of a text that no training saw, with calls disabled; the base model's is %.2f.\n",
            figures->perplexity);
}

/* ---- ablations ---- */

static const tfc_exp_yield *yield_of(const tfc_exp *exp, const tfc_exp_figures *figures, size_t variant)
{
    for (size_t i = 0; i < figures->n_yields; i++) {
        const tfc_exp_training *t = figures->yields[i].training;
        if (t->variant == variant && t->share >= 1 && t->round == exp->file.variants[variant].rounds &&
            !t->without_calls && t->data->done)
            return &figures->yields[i];
    }
    return NULL;
}

static void put_ablation(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures, size_t variant)
{
    const tfc_exp_variant *v = &exp->file.variants[variant], *main = &exp->file.variants[0];
    const tfc_exp_yield *y = yield_of(exp, figures, variant);
    tfc_buffer_printf(out, "| %s |", v->name);
    if (y)
        tfc_buffer_printf(out, " %lld | %.1f | %.1f – %.1f |", (long long)y->calls, y->per_100, y->low,
                          y->high);
    else
        tfc_buffer_puts(out, " | | |");
    for (size_t e = 0; e < main->n_evaluations; e++) {
        const char *name = main->evaluations[e].name;
        const tfc_exp_figure *f = tfc_exp_figure_find(figures, exp, variant, TFC_EXP_TAUGHT, name);
        if (f)
            put_accuracy(out, f);
        else
            tfc_buffer_puts(out, " | |");
        put_p(out, f, variant ? tfc_exp_figure_find(figures, exp, 0, TFC_EXP_TAUGHT, name) : NULL);
    }
    tfc_buffer_putc(out, '\n');
}

static void put_ablations(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures)
{
    const tfc_exp_variant *main = &exp->file.variants[0];
    if (exp->file.n_variants < 2) return;
    tfc_buffer_puts(out, "\n## Ablations\n\n| variant | kept calls | per 100 texts | 95 % |");
    for (size_t e = 0; e < main->n_evaluations; e++)
        tfc_buffer_printf(out, " %s | 95 %% | p against main |", main->evaluations[e].name);
    tfc_buffer_puts(out, "\n|---|---|---|---|");
    for (size_t e = 0; e < main->n_evaluations; e++) tfc_buffer_puts(out, "---|---|---|");
    tfc_buffer_putc(out, '\n');
    for (size_t v = 0; v < exp->file.n_variants; v++) put_ablation(out, exp, figures, v);
    for (size_t v = 1; v < exp->file.n_variants; v++)
        if (exp->file.variants[v].description)
            tfc_buffer_printf(out, "%s- %s: %s\n", v == 1 ? "\n" : "", exp->file.variants[v].name,
                              exp->file.variants[v].description);
}

/* ---- courses ---- */

static int compare_points(const void *a, const void *b)
{
    const tfc_exp_point *x = a, *y = b;
    return (x->x > y->x) - (x->x < y->x);
}

size_t tfc_exp_course(tfc_exp_point *points, const tfc_exp *exp, const tfc_exp_figures *figures,
                      tfc_exp_at *at, size_t variant, size_t evaluation)
{
    size_t n = 0;
    for (size_t i = 0; i < figures->n_figures; i++) {
        const tfc_exp_figure *f = &figures->figures[i];
        if (f->variant != variant || f->evaluation != evaluation || !f->n_seeds || !f->scored ||
            f->system != TFC_EXP_TAUGHT)
            continue;
        double x = at(exp, figures, f);
        if (isfinite(x)) points[n++] = (tfc_exp_point){x, f};
    }
    qsort(points, n, sizeof *points, compare_points);
    return n;
}

/* Accuracy of the taught models by training step, by number of calls, by round. */
static void put_course(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures, const char *title,
                       const char *column, tfc_exp_at *at)
{
    bool any = false;
    tfc_exp_point *points = tfc_alloc(figures->n_figures + 1, sizeof *points);
    if (!points) {
        out->failed = true;
        return;
    }
    for (size_t v = 0; v < exp->file.n_variants; v++) {
        const tfc_exp_variant *variant = &exp->file.variants[v];
        for (size_t e = 0; e < variant->n_evaluations; e++) {
            size_t n = tfc_exp_course(points, exp, figures, at, v, e);
            if (n && !any)
                tfc_buffer_printf(
                    out,
                    "\n## %s\n\n| variant | evaluation | %s | accuracy | 95 %% |\n|---|---|---|---|---|\n",
                    title, column);
            any |= n > 0;
            for (size_t i = 0; i < n; i++) {
                tfc_buffer_printf(out, "| %s | %s | %.0f |", variant->name, variant->evaluations[e].name,
                                  points[i].x);
                put_accuracy(out, points[i].figure);
                tfc_buffer_putc(out, '\n');
            }
        }
    }
    tfc_free(points);
}

double tfc_exp_at_step(const tfc_exp *exp, const tfc_exp_figures *figures, const tfc_exp_figure *f)
{
    (void)figures;
    const tfc_exp_variant *v = &exp->file.variants[f->variant];
    if (v->n_at_steps == 0 || f->share < 1 || f->round != v->rounds) return NAN;
    if (f->step) return (double)f->step;
    for (size_t i = 0; i < exp->n_trainings; i++) {
        const tfc_exp_training *t = &exp->trainings[i];
        if (t->variant == f->variant && t->share >= 1 && t->round == f->round && !t->without_calls)
            return tfc_exp_number(t->train, "steps");
    }
    return NAN;
}

double tfc_exp_at_calls(const tfc_exp *exp, const tfc_exp_figures *figures, const tfc_exp_figure *f)
{
    const tfc_exp_variant *v = &exp->file.variants[f->variant];
    if (v->n_subsets < 2 || f->step || f->round != v->rounds) return NAN;
    for (size_t i = 0; i < figures->n_yields; i++) {
        const tfc_exp_training *t = figures->yields[i].training;
        if (t->variant == f->variant && t->share == f->share && t->round == f->round && !t->without_calls)
            return (double)figures->yields[i].calls;
    }
    return NAN;
}

static double at_round(const tfc_exp *exp, const tfc_exp_figures *figures, const tfc_exp_figure *f)
{
    (void)figures;
    return exp->file.variants[f->variant].rounds > 1 && f->share >= 1 && !f->step ? (double)f->round : NAN;
}

/* ---- notes ---- */

static void put_overlap(tfc_buffer *out, const tfc_exp *exp)
{
    const tfc_exp_texts *t = &exp->texts[0];
    tfc_buffer_printf(
        out,
        "- Overlap: of %lld texts, %lld share 13 words in a row, or a whole short question, with %lld rows "
        "of the evaluations%s",
        (long long)t->n_read, (long long)t->n_overlap_texts, (long long)t->n_overlap_rows,
        t->n_overlap_texts == 0  ? ".\n"
        : exp->file.drop_overlap ? "; they are left out:"
                                 : "; they are in:");
    if (t->n_overlap_texts == 0) return;
    tfc_json *list = NULL;
    tfc_buffer array;
    tfc_buffer_init(&array, 0);
    tfc_buffer_printf(&array, "[%s]", t->overlap.data);
    if (!array.failed) list = tfc_json_parse(array.data, array.n, "overlap", NULL);
    size_t n = list ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n && i < 40; i++) {
        tfc_json *item = json_object_array_get_idx(list, i);
        tfc_buffer_printf(out, "%s %s (%s %s)", i ? "," : "",
                          json_object_get_string(json_object_object_get(item, "text")),
                          json_object_get_string(json_object_object_get(item, "evaluation")),
                          json_object_get_string(json_object_object_get(item, "row")));
    }
    tfc_buffer_puts(out, n > 40 ? " and more, see results.json.\n" : ".\n");
    json_object_put(list);
    tfc_buffer_release(&array);
}

static void put_notes(tfc_buffer *out, const tfc_exp *exp)
{
    const tfc_exp_variant *main = &exp->file.variants[0];
    tfc_buffer_puts(out, "\n## Notes\n\n- Accuracy: mean over seeds; the interval is a bootstrap over the "
                         "rows (10,000 samples). p: exact "
                         "sign test over the rows, two-sided, which is McNemar's test where there is one "
                         "seed. Expression right: a "
                         "call's result is the answer. Copied: the answer given is a call's result. Strict: "
                         "by the strict reading of "
                         "the output.\n");
    put_overlap(out, exp);
    tfc_json *files = NULL;
    tfc_buffer array;
    tfc_buffer_init(&array, 0);
    tfc_buffer_printf(&array, "[%s]", exp->texts[0].files.data ? exp->texts[0].files.data : "");
    if (!array.failed) files = tfc_json_parse(array.data, array.n, "corpora", NULL);
    for (size_t i = 0; files && i < json_object_array_length(files); i++) {
        tfc_json *item = json_object_array_get_idx(files, i);
        tfc_buffer_printf(out, "- Corpus %s: %s texts, hash %s.\n",
                          json_object_get_string(json_object_object_get(item, "file")),
                          json_object_get_string(json_object_object_get(item, "texts")),
                          json_object_get_string(json_object_object_get(item, "hash")));
    }
    json_object_put(files);
    tfc_buffer_release(&array);
    for (size_t i = 0; i < exp->file.n_left_out; i++)
        tfc_buffer_printf(out, "- Left out: %s.\n", exp->file.left_out[i]);
    tfc_buffer_printf(out, "- Model %s (hash, path, operand: %s); recipe %s; tools %s; toolformer %s.\n",
                      exp->base_name, exp->base_id, main->recipe.name, main->tools ? main->tools : "all",
                      tfc_version());
    const char *slash = strrchr(exp->file.path, '/');
    tfc_buffer_printf(out, "- `toolformer experiment %s --out DIR`\n", slash ? slash + 1 : exp->file.path);
}

void tfc_exp_markdown_write(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures)
{
    size_t n_left = 0;
    for (size_t i = 0; i < exp->n_stages; i++) n_left += !exp->stages[i]->done && !exp->stages[i]->skipped;
    tfc_buffer_printf(out, "# %s\n\n", exp->file.name);
    if (exp->file.description) tfc_buffer_printf(out, "%s\n\n", exp->file.description);
    if (n_left)
        tfc_buffer_printf(out, "Unfinished: %zu of %zu stages are still to do.\n\n", n_left, exp->n_stages);
    put_systems(out, exp, figures);
    put_trainings(out, exp, figures);
    put_ablations(out, exp, figures);
    put_course(out, exp, figures, "Accuracy by training step", "step", tfc_exp_at_step);
    put_course(out, exp, figures, "Accuracy by number of kept calls", "kept calls", tfc_exp_at_calls);
    put_course(out, exp, figures, "Accuracy by round", "round", at_round);
    put_notes(out, exp);
}

static tfc_status save(const tfc_exp *exp, const char *name, tfc_buffer *out, tfc_error *err)
{
    char *path = tfc_path_join(exp->params->out, name);
    tfc_status status = path ? tfc_buffer_ok(out, name, err) : tfc_fail_memory(err, name);
    if (status == TFC_OK) status = tfc_file_write_whole(path, out->data, out->n, err);
    tfc_free(path);
    tfc_buffer_clear(out);
    return status;
}

tfc_status tfc_exp_tables_write(tfc_exp *exp, tfc_error *err)
{
    tfc_exp_figures figures;
    tfc_status status = tfc_exp_figures_make(&figures, exp, err);
    if (status != TFC_OK) return status;
    tfc_buffer out;
    tfc_buffer_init(&out, (size_t)1 << 28);
    tfc_exp_json_write(&out, exp, &figures);
    status = save(exp, "results.json", &out, err);
    if (status == TFC_OK) {
        tfc_exp_markdown_write(&out, exp, &figures);
        tfc_buffer page;
        tfc_buffer_init(&page, (size_t)1 << 28);
        status = tfc_buffer_ok(&out, "results.md", err);
        if (status == TFC_OK) status = tfc_exp_page_write(&page, exp, &figures, out.data, err);
        if (status == TFC_OK) status = save(exp, "report.html", &page, err);
        if (status == TFC_OK) status = save(exp, "results.md", &out, err);
        tfc_buffer_release(&page);
    }
    tfc_buffer_release(&out);
    tfc_exp_figures_release(&figures);
    return status;
}
