/* search/query.h: what a question asks of an index, and the passages that may answer it. */
#ifndef TFC_SEARCH_QUERY_H
#define TFC_SEARCH_QUERY_H

#include "search/index_store.h"
#include "search/terms.h"

enum { TFC_QUERY_TERMS = 24, TFC_QUERY_WORDS = 48, TFC_QUERY_TITLES = 128, TFC_TITLE_WORDS = 10 };

typedef struct tfc_query_term {
    char text[TFC_TERM_MAX + 1];
    int64_t n;  /* passages that hold it */
    double idf; /* log(1 + (N - n + 1/2) / (n + 1/2)) */
} tfc_query_term;

/* Neighbouring words of the question that may be a title. */
typedef struct tfc_query_title {
    char text[TFC_TITLE_MAX + 3]; /* with its mark */
    uint32_t terms;               /* bit t: it holds term t */
    double idf;                   /* of its terms together */
} tfc_query_title;

typedef struct tfc_query {
    tfc_query_term terms[TFC_QUERY_TERMS]; /* distinct, in the question's order; no stop words */
    size_t n_terms;
    tfc_query_title titles[TFC_QUERY_TITLES];
    size_t n_titles;
    bool wants_number, wants_name; /* when, how many …; who */
    double idf;                    /* of all terms together */
} tfc_query;

/* Any bytes are a query. Words past TFC_QUERY_WORDS and terms past TFC_QUERY_TERMS are left out. */
void tfc_query_read(tfc_query *query, const char *text, size_t n);
/* Looks the terms up: n and idf. */
tfc_status tfc_query_weigh(tfc_query *query, tfc_index *index, tfc_index_reader *reader, tfc_error *err);

typedef struct tfc_candidate {
    int64_t passage;
    double score;
} tfc_candidate;

/* The passages worth reading: at most `most`, by falling score, ties by passage; the caller's (tfc_free).
 * Terms are looked up from the rarest on until their passages are many; the others only weigh what the rare
 * ones found. */
tfc_status tfc_query_candidates(const tfc_query *query, tfc_index *index, tfc_index_reader *reader,
                                size_t most, tfc_candidate **candidates, size_t *n, tfc_error *err);

/* How well a passage answers: BM25 over title, section and text, neighbouring words, a title that is named,
 * and what the question word asks for. */
typedef struct tfc_passage_text {
    const char *title, *section, *text;
    size_t n_title, n_section, n_text, n_words;
} tfc_passage_text;
double tfc_query_score(const tfc_query *query, const tfc_index_info *info, const tfc_passage_text *passage);

/* The sentences of text[n] nearest the query, at most max_bytes of it: *begin, *end. */
void tfc_query_excerpt(const tfc_query *query, const char *text, size_t n, size_t max_bytes, size_t *begin,
                       size_t *end);

#endif
