/* Which passages hold the terms. Looking a term up costs by its passages, so the rarest go first; once these
 * found enough, a frequent term is only intersected with what they found, which SQLite does by skipping. */
#include <stdlib.h>

#include "search/query.h"

/* Rows that are read for all rare terms together, and for any single one. */
enum { MANY_ROWS = 40000, MOST_ROWS = 300000 };
/* BM25's constants, for a term that stands once; and the weight of a title that the question names. */
static const double k1 = 0.9, b = 0.4, title_weight = 0.5;

typedef struct finder {
    tfc_index *index;
    tfc_index_reader *reader;
    tfc_candidate *found, *merged; /* by passage */
    size_t n, room, merged_room;
    int64_t *rows;
    size_t n_rows, rows_room;
    tfc_buffer rare, expression; /* "a" OR "b" … */
} finder;

static tfc_status add_row(finder *f, int64_t row, tfc_error *err)
{
    if (f->n_rows == f->rows_room) {
        size_t room = f->rows_room ? f->rows_room * 2 : 1024;
        int64_t *rows = tfc_realloc(f->rows, room, sizeof *rows);
        if (!rows) return tfc_fail_memory(err, "search");
        f->rows = rows;
        f->rows_room = room;
    }
    f->rows[f->n_rows++] = row;
    return TFC_OK;
}

/* The passages that match an expression, ascending, into rows. */
static tfc_status read_rows(finder *f, const char *expression, tfc_error *err)
{
    tfc_status status = TFC_OK;
    int code = SQLITE_ROW;
    f->n_rows = 0;
    if (tfc_index_reader_is_late(f->reader)) return tfc_index_fail(f->index, f->reader, err);
    sqlite3_bind_text(f->reader->rows, 1, expression, -1, SQLITE_STATIC);
    while (status == TFC_OK && f->n_rows < MOST_ROWS &&
           (code = sqlite3_step(f->reader->rows)) == SQLITE_ROW) {
        int64_t row = sqlite3_column_int64(f->reader->rows, 0);
        bool known = row >= 1 && row <= f->index->info.n_passages;
        if (!known || (f->n_rows && row <= f->rows[f->n_rows - 1]))
            status = tfc_fail(err, TFC_EFORMAT,
                              "the index '%s' is damaged: its terms name passages that are "
                              "not there; build it again with `toolformer index build`",
                              f->index->path);
        else
            status = add_row(f, row, err);
    }
    if (status == TFC_OK && code != SQLITE_ROW && code != SQLITE_DONE)
        status = tfc_index_fail(f->index, f->reader, err);
    sqlite3_reset(f->reader->rows);
    return status;
}

/* Adds `weight` to the rows' passages; those that are new join unless `known_only`. */
static tfc_status merge_rows(finder *f, double weight, bool known_only, tfc_error *err)
{
    size_t most = f->n + f->n_rows, i = 0, j = 0, n = 0;
    if (most > f->merged_room) {
        tfc_free(f->merged);
        f->merged = tfc_alloc(most * 2, sizeof *f->merged);
        f->merged_room = f->merged ? most * 2 : 0;
        if (!f->merged) return tfc_fail_memory(err, "search");
    }
    while (i < f->n || j < f->n_rows) {
        if (j == f->n_rows || (i < f->n && f->found[i].passage < f->rows[j])) {
            f->merged[n++] = f->found[i++];
        } else if (i < f->n && f->found[i].passage == f->rows[j]) {
            f->merged[n] = f->found[i++];
            f->merged[n++].score += weight;
            j++;
        } else if (known_only) {
            j++;
        } else {
            f->merged[n++] = (tfc_candidate){f->rows[j++], weight};
        }
    }
    tfc_candidate *old = f->found;
    size_t old_room = f->room;
    f->found = f->merged;
    f->room = f->merged_room;
    f->n = n;
    f->merged = old;
    f->merged_room = old_room;
    return TFC_OK;
}

static tfc_status add_rare(finder *f, const char *term, double weight, tfc_error *err)
{
    tfc_buffer_clear(&f->expression);
    tfc_buffer_printf(&f->expression, "\"%s\"", term);
    tfc_status status = tfc_buffer_ok(&f->expression, "search", err);
    if (status == TFC_OK) status = read_rows(f, f->expression.data, err);
    if (status != TFC_OK || f->n_rows == 0) return status;
    tfc_buffer_printf(&f->rare, "%s\"%s\"", f->rare.n ? " OR " : "", term);
    status = tfc_buffer_ok(&f->rare, "search", err);
    return status == TFC_OK ? merge_rows(f, weight, false, err) : status;
}

static tfc_status weigh_frequent(finder *f, const char *term, double weight, tfc_error *err)
{
    if (f->rare.n == 0) return add_rare(f, term, weight, err);
    tfc_buffer_clear(&f->expression);
    tfc_buffer_printf(&f->expression, "(%s) AND \"%s\"", f->rare.data, term);
    tfc_status status = tfc_buffer_ok(&f->expression, "search", err);
    if (status == TFC_OK) status = read_rows(f, f->expression.data, err);
    return status == TFC_OK ? merge_rows(f, weight, true, err) : status;
}

static tfc_status find(finder *f, const tfc_query *query, tfc_error *err)
{
    size_t order[TFC_QUERY_TERMS];
    int64_t n_rows = 0;
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < query->n_titles && status == TFC_OK; i++) {
        double idf = query->titles[i].idf;
        status = add_rare(f, query->titles[i].text, title_weight * (idf > 0 ? idf : 1), err);
        n_rows += (int64_t)f->n_rows;
    }
    for (size_t i = 0; i < query->n_terms; i++) {
        size_t at = i;
        for (; at > 0 && query->terms[order[at - 1]].n > query->terms[i].n; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    for (size_t i = 0; i < query->n_terms && status == TFC_OK; i++) {
        const tfc_query_term *term = &query->terms[order[i]];
        n_rows += term->n;
        bool rare = i == 0 || n_rows <= MANY_ROWS;
        status = (rare ? add_rare : weigh_frequent)(f, term->text, term->idf, err);
    }
    return status;
}

static bool is_better(const tfc_candidate *a, const tfc_candidate *c)
{
    return a->score > c->score || (a->score == c->score && a->passage < c->passage);
}

static int by_score(const void *a, const void *c)
{
    return is_better(a, c) ? -1 : 1;
}

/* The best `most` of found go to its beginning, kept as a heap with the worst on top. */
static void select_best(finder *f, size_t most)
{
    tfc_candidate *heap = f->found;
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        tfc_candidate c = f->found[i];
        double words = f->index->lengths[c.passage - 1];
        double mean = (double)f->index->info.n_words / (double)f->index->info.n_passages;
        c.score *= (k1 + 1) / (1 + k1 * (1 - b + b * words / mean));
        size_t at;
        if (n < most) {
            for (at = n++; at > 0 && is_better(&heap[(at - 1) / 2], &c); at = (at - 1) / 2)
                heap[at] = heap[(at - 1) / 2];
        } else if (is_better(&c, &heap[0])) {
            for (at = 0;;) {
                size_t worse = 2 * at + 1;
                if (worse >= n) break;
                if (worse + 1 < n && is_better(&heap[worse], &heap[worse + 1])) worse++;
                if (!is_better(&c, &heap[worse])) break;
                heap[at] = heap[worse];
                at = worse;
            }
        } else {
            continue;
        }
        heap[at] = c;
    }
    f->n = n;
    qsort(heap, n, sizeof *heap, by_score);
}

tfc_status tfc_query_candidates(const tfc_query *query, tfc_index *index, tfc_index_reader *reader,
                                size_t most, tfc_candidate **candidates, size_t *n, tfc_error *err)
{
    finder f = {.index = index, .reader = reader};
    tfc_buffer_init(&f.rare, 0);
    tfc_buffer_init(&f.expression, 0);
    tfc_status status = find(&f, query, err);
    *candidates = NULL;
    *n = 0;
    if (status == TFC_OK && f.n > 0) {
        select_best(&f, most);
        *candidates = f.found;
        *n = f.n;
        f.found = NULL;
    }
    tfc_buffer_release(&f.rare);
    tfc_buffer_release(&f.expression);
    tfc_free(f.found);
    tfc_free(f.merged);
    tfc_free(f.rows);
    return status;
}
