/* A search: candidates, their texts, the ranking, the snippets. */
#include <stdio.h>
#include <stdlib.h>

#include "search/query.h"

enum { READ_MOST = 200 }; /* passages that are read for one question */

tfc_search_params tfc_search_params_default(void)
{
    return (tfc_search_params){.n_hits = 5, .max_snippet_bytes = 600};
}

typedef struct result {
    tfc_hits hits; /* what the caller has */
    tfc_arena arena;
} result;

void tfc_hits_free(tfc_hits *hits)
{
    if (!hits) return;
    result *r = (result *)hits;
    tfc_arena_release(&r->arena);
    tfc_free(r->hits.items);
    tfc_free(r);
}

/* The row of a passage; the texts live until the statement moves on. */
static tfc_status read_passage(tfc_index *index, tfc_index_reader *reader, int64_t passage,
                               tfc_passage_text *out, const char **document, tfc_error *err)
{
    sqlite3_stmt *s = reader->passage;
    sqlite3_reset(s);
    sqlite3_bind_int64(s, 1, passage);
    int code = sqlite3_step(s);
    if (code != SQLITE_ROW && code != SQLITE_DONE) return tfc_index_fail(index, reader, err);
    const char *texts[4] = {NULL, NULL, NULL, NULL};
    for (int i = 0; i < 4 && code == SQLITE_ROW; i++) texts[i] = (const char *)sqlite3_column_text(s, i);
    if (!texts[0] || !texts[1] || !texts[2] || !texts[3])
        return tfc_fail(err, TFC_EFORMAT,
                        "the index '%s' is damaged: passage %lld is not there; build it again with "
                        "`toolformer index build`",
                        index->path, (long long)passage);
    *document = texts[0];
    *out = (tfc_passage_text){.title = texts[1], .section = texts[2], .text = texts[3]};
    out->n_title = strlen(out->title);
    out->n_section = strlen(out->section);
    out->n_text = strlen(out->text);
    out->n_words = index->lengths[passage - 1];
    return TFC_OK;
}

static int by_score(const void *a, const void *b)
{
    const tfc_candidate *one = a, *other = b;
    if (one->score != other->score) return one->score > other->score ? -1 : 1;
    return (one->passage > other->passage) - (one->passage < other->passage);
}

static tfc_status score_all(const tfc_query *query, tfc_index *index, tfc_index_reader *reader,
                            tfc_candidate *candidates, size_t n, tfc_error *err)
{
    tfc_status status = TFC_OK;
    tfc_passage_text text;
    const char *document;
    for (size_t i = 0; i < n && status == TFC_OK; i++) {
        status = tfc_index_reader_is_late(reader)
                     ? tfc_index_fail(index, reader, err)
                     : read_passage(index, reader, candidates[i].passage, &text, &document, err);
        if (status == TFC_OK) candidates[i].score = tfc_query_score(query, &index->info, &text);
    }
    sqlite3_reset(reader->passage);
    if (status == TFC_OK && n > 1) qsort(candidates, n, sizeof *candidates, by_score);
    return status;
}

static tfc_status make_hit(const tfc_query *query, const tfc_passage_text *text, const char *document,
                           size_t max_bytes, tfc_arena *arena, tfc_hit *hit, tfc_error *err)
{
    const char *between = text->n_section ? " > " : "";
    size_t n_names = text->n_title + text->n_section + 3 + strlen(between), begin, end;
    tfc_query_excerpt(query, text->text, text->n_text, max_bytes > n_names + 100 ? max_bytes - n_names : 100,
                      &begin, &end);
    char *snippet = tfc_arena_alloc(arena, n_names + (end - begin) + 1, 1);
    hit->document = tfc_arena_strndup(arena, document, strlen(document));
    hit->title = tfc_arena_strndup(arena, text->title, text->n_title);
    hit->section = tfc_arena_strndup(arena, text->section, text->n_section);
    hit->text = tfc_arena_strndup(arena, text->text, text->n_text);
    if (!snippet || !hit->document || !hit->title || !hit->section || !hit->text)
        return tfc_fail_memory(err, "search");
    while (end > begin && text->text[end - 1] == ' ') end--;
    int n = snprintf(snippet, n_names + 1, "%s%s%s > ", text->title, between, text->section);
    memcpy(snippet + n, text->text + begin, end - begin);
    hit->snippet = snippet;
    return TFC_OK;
}

static tfc_status make_hits(const tfc_query *query, tfc_index *index, tfc_index_reader *reader,
                            const tfc_candidate *candidates, size_t n, size_t max_bytes, tfc_hits **out,
                            tfc_error *err)
{
    result *r = tfc_alloc_zero(1, sizeof *r);
    if (r) r->hits.items = tfc_alloc_zero(n, sizeof *r->hits.items);
    tfc_status status = r && r->hits.items ? TFC_OK : tfc_fail_memory(err, "search");
    for (size_t i = 0; i < n && status == TFC_OK; i++) {
        tfc_passage_text text;
        const char *document;
        tfc_hit *hit = &r->hits.items[r->hits.n++];
        status = read_passage(index, reader, candidates[i].passage, &text, &document, err);
        if (status == TFC_OK) status = make_hit(query, &text, document, max_bytes, &r->arena, hit, err);
        hit->passage = candidates[i].passage;
        hit->score = candidates[i].score;
    }
    sqlite3_reset(reader->passage);
    if (status == TFC_OK)
        *out = &r->hits;
    else
        tfc_hits_free(r ? &r->hits : NULL);
    return status;
}

tfc_status tfc_index_search(tfc_index *index, const char *text, const tfc_search_params *params,
                            tfc_hits **hits, tfc_error *err)
{
    tfc_query query;
    *hits = NULL;
    tfc_query_read(&query, text, strlen(text));
    tfc_error own;
    tfc_index_reader *reader = tfc_index_reader_take(index, params->deadline_ns, &own);
    if (!reader) return tfc_fail(err, own.status, "%s", own.message);
    tfc_candidate *candidates = NULL;
    size_t n = 0, most = params->n_hits > READ_MOST ? params->n_hits : READ_MOST;
    tfc_status status = tfc_query_weigh(&query, index, reader, err);
    if (status == TFC_OK) status = tfc_query_candidates(&query, index, reader, most, &candidates, &n, err);
    if (status == TFC_OK) status = score_all(&query, index, reader, candidates, n, err);
    if (status == TFC_OK)
        status = make_hits(&query, index, reader, candidates, n < params->n_hits ? n : params->n_hits,
                           params->max_snippet_bytes, hits, err);
    tfc_index_reader_give(index, reader);
    tfc_free(candidates);
    return status;
}
