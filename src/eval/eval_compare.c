/* Two systems on the same rows. */
#include "eval/examples.h"
#include "eval/results_file.h"
#include "eval/statistics.h"

typedef enum measure { CORRECT, STRICT, CALLED, N_MEASURES } measure;

static bool holds(const tfc_eval_example *e, measure m)
{
    return m == CORRECT ? e->correct : m == STRICT ? e->strict_correct : e->called;
}

static void count_pair(tfc_eval_pairs *pairs, bool a, bool b)
{
    pairs->a += a;
    pairs->b += b;
    pairs->only_a += a && !b;
    pairs->only_b += b && !a;
}

/* One row of both files; differences[m * n + i] gets what it says. */
static tfc_status compare_row(const tfc_results_file *a, const tfc_results_file *b, int64_t i,
                              int8_t *differences, tfc_eval_comparison *c, tfc_error *err)
{
    tfc_eval_pairs *pairs[] = {&c->correct, &c->strict_correct, &c->called};
    tfc_judged x, y = {.line = NULL};
    tfc_status status = tfc_judged_read(a->lines[i], a->n_bytes[i], &x, err);
    if (status != TFC_OK) return tfc_error_prefix(err, "'%s': example %lld", a->path, (long long)i + 1);
    status = tfc_judged_read(b->lines[i], b->n_bytes[i], &y, err);
    if (status != TFC_OK) tfc_error_prefix(err, "'%s': example %lld", b->path, (long long)i + 1);
    const char *what = NULL;
    if (status == TFC_OK && strcmp(x.example.id, y.example.id) != 0)
        what = "id";
    else if (status == TFC_OK && strcmp(x.example.prompt, y.example.prompt) != 0)
        what = "prompt";
    else if (status == TFC_OK && strcmp(x.example.gold, y.example.gold) != 0)
        what = "gold";
    if (what)
        status = tfc_fail(err, TFC_ECONFLICT,
                          "'%s' and '%s' are of different rows: example %lld ('%.40s') has another %s",
                          a->path, b->path, (long long)i + 1, x.example.id, what);
    for (int m = 0; m < N_MEASURES && status == TFC_OK; m++) {
        bool p = holds(&x.example, (measure)m), q = holds(&y.example, (measure)m);
        count_pair(pairs[m], p, q);
        differences[m * c->n + i] = (int8_t)(q - p);
    }
    tfc_judged_release(&x);
    tfc_judged_release(&y);
    return status;
}

static tfc_status compare_files(const tfc_results_file *a, const tfc_results_file *b, uint64_t seed,
                                tfc_eval_comparison *c, tfc_error *err)
{
    if (a->n_lines != b->n_lines)
        return tfc_fail(err, TFC_ECONFLICT,
                        "'%s' holds %lld examples, '%s' %lld: both must be of the same rows", a->path,
                        (long long)a->n_lines, b->path, (long long)b->n_lines);
    c->n = a->n_lines;
    int8_t *differences = tfc_alloc((size_t)c->n, N_MEASURES);
    if (!differences) return tfc_fail_memory(err, "differences");
    tfc_status status = TFC_OK;
    for (int64_t i = 0; i < c->n && status == TFC_OK; i++) status = compare_row(a, b, i, differences, c, err);
    tfc_eval_pairs *pairs[] = {&c->correct, &c->strict_correct, &c->called};
    for (int m = 0; m < N_MEASURES && status == TFC_OK; m++) {
        pairs[m]->difference = (double)(pairs[m]->b - pairs[m]->a) / (double)c->n;
        pairs[m]->p = tfc_mcnemar(pairs[m]->only_a, pairs[m]->only_b);
        status = tfc_bootstrap(differences + m * c->n, c->n, seed, &pairs[m]->interval, err);
    }
    tfc_free(differences);
    return status;
}

tfc_status tfc_eval_compare(const char *a, const char *b, uint64_t seed, tfc_eval_comparison *comparison,
                            tfc_error *err)
{
    *comparison = (tfc_eval_comparison){0};
    tfc_results_file first, second;
    tfc_status status = tfc_results_read(&first, a, err);
    if (status != TFC_OK) return status;
    status = tfc_results_read(&second, b, err);
    if (status == TFC_OK) status = compare_files(&first, &second, seed, comparison, err);
    tfc_results_close(&first);
    tfc_results_close(&second);
    return status;
}
