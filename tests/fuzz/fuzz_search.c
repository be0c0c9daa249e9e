/* Questions and passages: whatever comes, terms are harmless to SQLite, excerpts end between characters, and
 * passages are no longer than they may be. */
#include <stdlib.h>

#include "base/utf8.h"
#include "search/passages.h"
#include "search/query.h"
#include "tools/answer_candidates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_term(const char *text)
{
    if (strchr(text, '"') || strlen(text) > TFC_TITLE_MAX + 3) abort();
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x80 && !(*c >= '0' && *c <= '9') && !(*c >= 'a' && *c <= 'z')) abort();
}

static tfc_status take(void *context, const char *section, const char *text, size_t n, tfc_error *err)
{
    const tfc_query *query = context;
    size_t begin, end;
    (void)err;
    if (n == 0 || strlen(section) > TFC_SECTION_BYTES || !tfc_utf8_valid(section, strlen(section), NULL) ||
        !tfc_utf8_valid(text, n, NULL))
        abort();
    tfc_query_excerpt(query, text, n, 50, &begin, &end);
    if (begin > end || end > n || !tfc_utf8_boundary(text, n, begin) || !tfc_utf8_boundary(text, n, end))
        abort();
    const tfc_index_info info = {.n_passages = 1, .n_words = 10};
    const tfc_passage_text passage = {section, section, text, strlen(section), strlen(section), n, 10};
    double score = tfc_query_score(query, &info, &passage);
    if (!(score >= 0)) abort();
    return TFC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = tfc_memdup_text((const char *)data, n);
    tfc_query *query = tfc_alloc(1, sizeof *query);
    tfc_answer_candidate *candidates = tfc_alloc(TFC_ANSWER_CANDIDATES, sizeof *candidates);
    size_t n_candidates;
    tfc_query_read(query, text, n);
    for (size_t i = 0; i < query->n_terms; i++) {
        check_term(query->terms[i].text);
        query->terms[i].idf = 1;
    }
    for (size_t i = 0; i < query->n_titles; i++) check_term(query->titles[i].text);
    if (tfc_utf8_valid(text, n, NULL) && !memchr(text, 0, n))
        tfc_passages_cut("title", text, n, take, query, NULL);
    if (tfc_answer_candidates(text, "who wrote 3 of it", candidates, &n_candidates, NULL) != TFC_OK) abort();
    for (size_t i = 0; i < n_candidates; i++)
        if (candidates[i].begin >= candidates[i].end || candidates[i].end > n) abort();
    tfc_free(candidates);
    tfc_free(query);
    tfc_free(text);
    return 0;
}
