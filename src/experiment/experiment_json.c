/* results.json: everything that the tables are made from. */
#include <math.h>

#include "experiment/experiment_tables.h"

static void put_key(tfc_buffer *out, const char *key)
{
    char last = out->n ? out->data[out->n - 1] : '{';
    if (last != '{' && last != '[') tfc_buffer_putc(out, ',');
    if (key) tfc_buffer_printf(out, "\"%s\":", key);
}

static void put_text(tfc_buffer *out, const char *key, const char *text)
{
    put_key(out, key);
    if (text)
        tfc_buffer_json(out, text, strlen(text));
    else
        tfc_buffer_puts(out, "null");
}

static void put_int(tfc_buffer *out, const char *key, int64_t value)
{
    put_key(out, key);
    tfc_buffer_printf(out, "%lld", (long long)value);
}

static void put_number(tfc_buffer *out, const char *key, double value)
{
    put_key(out, key);
    if (isfinite(value))
        tfc_buffer_printf(out, "%.9g", value);
    else
        tfc_buffer_puts(out, "null");
}

static void open(tfc_buffer *out, const char *key, char bracket)
{
    put_key(out, key);
    tfc_buffer_putc(out, bracket);
}

static void put_texts(tfc_buffer *out, const tfc_exp *exp)
{
    const tfc_exp_texts *t = &exp->texts[0];
    open(out, "texts", '{');
    put_int(out, "n", t->n);
    put_int(out, "read", t->n_read);
    put_int(out, "overlap_texts", t->n_overlap_texts);
    put_int(out, "overlap_rows", t->n_overlap_rows);
    put_key(out, "overlap_dropped");
    tfc_buffer_puts(out, exp->file.drop_overlap ? "true" : "false");
    put_key(out, "overlaps");
    tfc_buffer_printf(out, "[%s]", t->overlap.n ? t->overlap.data : "");
    open(out, "kinds", '{');
    for (size_t i = 0; i < t->n_kinds; i++) put_int(out, t->kinds[i].kind, t->kinds[i].n);
    tfc_buffer_putc(out, '}');
    put_key(out, "corpora");
    tfc_buffer_printf(out, "[%s]}", t->files.n ? t->files.data : "");
    open(out, "left_out", '[');
    for (size_t i = 0; i < exp->file.n_left_out; i++) put_text(out, NULL, exp->file.left_out[i]);
    tfc_buffer_putc(out, ']');
}

static void put_figure(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figure *f)
{
    const tfc_exp_variant *v = &exp->file.variants[f->variant];
    open(out, NULL, '{');
    put_text(out, "variant", v->name);
    put_text(out, "system", tfc_exp_system_names[f->system]);
    put_text(out, "evaluation", v->evaluations[f->evaluation].name);
    put_text(out, "task", v->evaluations[f->evaluation].task);
    put_int(out, "round", f->round);
    put_number(out, "share", f->share);
    put_int(out, "step", f->step);
    put_int(out, "n", f->n);
    put_number(out, "accuracy", f->accuracy);
    put_number(out, "low", f->low);
    put_number(out, "high", f->high);
    put_number(out, "strict_accuracy", f->strict);
    put_number(out, "called_share", f->called);
    put_number(out, "expression_right", f->result_right);
    put_number(out, "copied", f->copied);
    open(out, "seeds", '[');
    for (size_t s = 0; s < f->n_seeds; s++) put_int(out, NULL, (int64_t)f->seeds[s]);
    tfc_buffer_putc(out, ']');
    open(out, "accuracy_by_seed", '[');
    for (size_t s = 0; s < f->n_seeds; s++) put_number(out, NULL, f->by_seed[s]);
    tfc_buffer_putc(out, ']');
    open(out, "outcomes", '{');
    put_int(out, "right", f->failures[TFC_EVAL_NONE]);
    for (int i = TFC_EVAL_NONE + 1; i < TFC_EVAL_N_FAILURES; i++)
        put_int(out, tfc_eval_failure_text((tfc_eval_failure)i), f->failures[i]);
    tfc_buffer_puts(out, "}}");
}

static void put_yield(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_yield *y)
{
    const tfc_exp_training *t = y->training;
    const tfc_exp_variant *v = &exp->file.variants[t->variant];
    open(out, NULL, '{');
    put_text(out, "variant", v->name);
    put_int(out, "round", t->round);
    put_number(out, "share", t->share);
    put_int(out, "seed", (int64_t)v->seeds[t->seed]);
    put_text(out, "system", t->without_calls ? "plain" : "taught");
    put_text(out, "skipped", t->train ? t->train->skipped : NULL);
    put_int(out, "snippets", y->snippets);
    put_int(out, "texts", y->texts);
    put_int(out, "calls", y->calls);
    put_number(out, "calls_per_100_texts", y->per_100);
    put_number(out, "low", y->low);
    put_number(out, "high", y->high);
    if (t->train && t->train->done) {
        static const char *const names[] = {"steps",           "tokens",        "loss_first", "loss_last",
                                            "dev_loss_before", "dev_loss_best", "best_step"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            put_number(out, names[i], tfc_exp_number(t->train, names[i]));
    }
    put_number(out, "perplexity", y->perplexity);
    put_number(out, "perplexity_change", y->change);
    put_number(out, "core_hours_annotate", y->hours_annotate);
    put_number(out, "core_hours_train", y->hours_train);
    tfc_buffer_putc(out, '}');
}

static void put_test(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figure *of,
                     const tfc_exp_figure *against)
{
    tfc_exp_test test;
    if (!of || !against || of == against || !tfc_exp_test_make(&test, of, against)) return;
    open(out, NULL, '{');
    put_text(out, "evaluation", exp->file.variants[of->variant].evaluations[of->evaluation].name);
    put_text(out, "of", tfc_exp_system_names[of->system]);
    put_text(out, "of_variant", exp->file.variants[of->variant].name);
    put_text(out, "against", tfc_exp_system_names[against->system]);
    put_text(out, "against_variant", exp->file.variants[against->variant].name);
    put_int(out, "better", test.better);
    put_int(out, "worse", test.worse);
    put_number(out, "p", test.p);
    tfc_buffer_putc(out, '}');
}

/* Taught against the other systems; each ablation's taught model against the main one's. */
static void put_tests(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures)
{
    open(out, "tests", '[');
    for (size_t v = 0; v < exp->file.n_variants; v++) {
        const tfc_exp_variant *variant = &exp->file.variants[v];
        for (size_t e = 0; e < variant->n_evaluations; e++) {
            const char *name = variant->evaluations[e].name;
            const tfc_exp_figure *taught = tfc_exp_figure_find(figures, exp, v, TFC_EXP_TAUGHT, name);
            for (int s = 0; s < TFC_EXP_TAUGHT; s++)
                put_test(out, exp, taught, tfc_exp_figure_find(figures, exp, v, (tfc_exp_system)s, name));
            if (v > 0) put_test(out, exp, taught, tfc_exp_figure_find(figures, exp, 0, TFC_EXP_TAUGHT, name));
        }
    }
    tfc_buffer_putc(out, ']');
}

void tfc_exp_json_write(tfc_buffer *out, const tfc_exp *exp, const tfc_exp_figures *figures)
{
    size_t n_left = 0;
    for (size_t i = 0; i < exp->n_stages; i++) n_left += !exp->stages[i]->done && !exp->stages[i]->skipped;
    open(out, NULL, '{');
    put_text(out, "name", exp->file.name);
    put_text(out, "description", exp->file.description);
    put_text(out, "file", exp->file.path);
    put_text(out, "version", tfc_version());
    put_text(out, "model", exp->base_name);
    put_text(out, "model_id", exp->base_id);
    put_int(out, "stages", (int64_t)exp->n_stages);
    put_int(out, "stages_left", (int64_t)n_left);
    put_texts(out, exp);
    put_number(out, "base_perplexity", figures->perplexity);
    open(out, "systems", '[');
    for (size_t i = 0; i < figures->n_figures; i++)
        if (figures->figures[i].n_seeds) put_figure(out, exp, &figures->figures[i]);
    tfc_buffer_putc(out, ']');
    open(out, "trainings", '[');
    for (size_t i = 0; i < figures->n_yields; i++)
        if (figures->yields[i].training->data->done) put_yield(out, exp, &figures->yields[i]);
    tfc_buffer_putc(out, ']');
    put_tests(out, exp, figures);
    tfc_buffer_puts(out, "}\n");
}
