/* Examples, summaries, comparisons: a line of JSON, or words. */
#include "eval_print.h"

#include <math.h>

#include "output.h"

void eval_print_example(void *context, const tfc_eval_example *e)
{
    if (*(const bool *)context) {
        cli_printf("%s\n", e->json);
        return;
    }
    if (!*e->gold) {
        cli_printf("%s %s: %s\n", e->called ? "called" : "plain ", e->id, e->output);
        return;
    }
    cli_printf("%s %s: %s\n    expected %s, predicted %s%s%s\n", e->correct ? "right" : "wrong", e->id,
               e->output, e->gold, *e->prediction ? e->prediction : "nothing", e->called ? "" : ", no call",
               e->called && e->tool && !e->called_right ? ", another tool" : "");
}

static double percent(int64_t part, int64_t whole)
{
    return whole > 0 ? 100 * (double)part / (double)whole : NAN;
}

static void print_scores(const tfc_eval_result *r)
{
    cli_printf("%s: %lld of %lld right (%.1f %%, 95 %% within %.1f and %.1f); strictly read %lld (%.1f %%)\n",
               r->task, (long long)r->correct, (long long)r->n, percent(r->correct, r->n),
               100 * r->accuracy_interval.low, 100 * r->accuracy_interval.high, (long long)r->strict_correct,
               percent(r->strict_correct, r->n));
    cli_printf(
        "%lld called a tool (%.1f %%), %lld the expected one; %lld right through it; the result was right in "
        "%lld, copied in %lld\n",
        (long long)r->called, percent(r->called, r->n), (long long)r->called_right,
        (long long)r->correct_through, (long long)r->result_right, (long long)r->copied);
    cli_puts("wrong answers:");
    for (int i = TFC_EVAL_NO_CALL; i < TFC_EVAL_N_FAILURES; i++)
        cli_printf("%s %s %lld", i > TFC_EVAL_NO_CALL ? "," : "", tfc_eval_failure_text((tfc_eval_failure)i),
                   (long long)r->failures[i]);
    cli_printf("\n%.0f s\n", r->seconds);
}

bool eval_print_summary(const tfc_eval_result *r, bool json)
{
    if (json) {
        char *line = tfc_eval_summary(r);
        if (!line) return cli_fail("out of memory"), false;
        cli_printf("%s\n", line);
        tfc_text_free(line);
        return true;
    }
    if (r->scored)
        print_scores(r);
    else
        cli_printf("%s: a tool was called in %lld of %lld prompts (%.1f %%); %.0f s\n", r->task,
                   (long long)r->called, (long long)r->n, percent(r->called, r->n), r->seconds);
    return true;
}

static void put_pairs(cli_json *line, const char *key, const tfc_eval_pairs *p, int64_t n)
{
    cli_json_begin(line, key, '{');
    cli_json_int(line, "a", p->a);
    cli_json_int(line, "b", p->b);
    cli_json_number(line, "share_a", (double)p->a / (double)n);
    cli_json_number(line, "share_b", (double)p->b / (double)n);
    cli_json_int(line, "only_a", p->only_a);
    cli_json_int(line, "only_b", p->only_b);
    cli_json_number(line, "difference", p->difference);
    cli_json_begin(line, "interval", '[');
    cli_json_number(line, NULL, p->interval.low);
    cli_json_number(line, NULL, p->interval.high);
    cli_json_end(line, ']');
    cli_json_number(line, "p", p->p);
    cli_json_end(line, '}');
}

static void print_pairs(const char *what, const tfc_eval_pairs *p, int64_t n)
{
    cli_printf("%-15s %5.1f %% → %5.1f %%, %+.1f points (95 %% within %+.1f and %+.1f); alone A %lld, B "
               "%lld; p %.3g\n",
               what, percent(p->a, n), percent(p->b, n), 100 * p->difference, 100 * p->interval.low,
               100 * p->interval.high, (long long)p->only_a, (long long)p->only_b, p->p);
}

bool eval_print_comparison(const tfc_eval_comparison *c, const char *a, const char *b, bool json)
{
    if (!json) {
        cli_printf("A: %s\nB: %s\n%lld rows\n", a, b, (long long)c->n);
        print_pairs("correct", &c->correct, c->n);
        print_pairs("strictly read", &c->strict_correct, c->n);
        print_pairs("called a tool", &c->called, c->n);
        return true;
    }
    cli_json line;
    if (!cli_json_init(&line)) return false;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "a", a);
    cli_json_text(&line, "b", b);
    cli_json_int(&line, "n", c->n);
    put_pairs(&line, "correct", &c->correct, c->n);
    put_pairs(&line, "strict_correct", &c->strict_correct, c->n);
    put_pairs(&line, "called", &c->called, c->n);
    cli_json_end(&line, '}');
    return cli_json_print(&line);
}

bool eval_print_perplexity(const tfc_perplexity *p, const char *file, bool json)
{
    if (!json) {
        cli_printf(
            "perplexity %.4f over %lld tokens in %lld windows of %lld; second halves %.4f; with p(<API>) = 0 "
            "%.4f; %.0f s\n",
            p->all, (long long)p->n, (long long)p->n_windows, (long long)p->window, p->second, p->banned,
            p->seconds);
        return true;
    }
    cli_json line;
    if (!cli_json_init(&line)) return false;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "task", "perplexity");
    cli_json_text(&line, "file", file);
    cli_json_int(&line, "window", p->window);
    cli_json_int(&line, "n_windows", p->n_windows);
    cli_json_int(&line, "n", p->n);
    cli_json_number(&line, "perplexity", p->all);
    cli_json_int(&line, "n_second_half", p->n_second);
    cli_json_number(&line, "perplexity_second_half", p->second);
    cli_json_int(&line, "n_banned", p->n_banned);
    cli_json_number(&line, "perplexity_banned", p->banned);
    cli_json_number(&line, "seconds", p->seconds);
    cli_json_end(&line, '}');
    return cli_json_print(&line);
}
