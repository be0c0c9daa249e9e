/* Ranking the candidates by what they say: their texts are read, so that places and counts need not be
 * stored. The constants were fitted on questions of NQ (docs/PERFORMANCE.md). */
#include <math.h>
#include <stdlib.h>

#include "search/passages.h"
#include "search/query.h"

enum { NEAR = 4, FIELDS = 3 };

typedef struct weights {
    double k1, b;          /* BM25 */
    double title, section; /* a term there counts as so many in the text */
    double pair;           /* two terms that stand beside each other in the question do so in the text */
    double named;          /* the title stands in the question */
    double lead;           /* it does, and no heading stands before the passage */
    double number, name;   /* the text has what the question word asks for */
    double all;            /* share of the question that is found, squared */
} weights;
static const weights w = {.k1 = 0.9,
                          .b = 0.4,
                          .title = 3,
                          .section = 0.5,
                          .pair = 0.5,
                          .named = 0.5,
                          .lead = 0.15,
                          .number = 0.1,
                          .name = 0.05,
                          .all = 0.3};

/* What one passage holds of the question. */
typedef struct matches {
    double tf[TFC_QUERY_TERMS];
    size_t last[TFC_QUERY_TERMS]; /* place of the last mention in the text, from 1; 0: none */
    double
        pairs[TFC_QUERY_TERMS]; /* by the first of the two: 1 beside each other in order, less further off */
    size_t n_numbers, n_names;  /* words with digits, and with a capital inside a sentence, that the question
                                   does not hold */
} matches;

static int find_term(const tfc_query *query, const tfc_term *term)
{
    for (size_t t = 0; t < query->n_terms; t++)
        if (query->terms[t].text[0] == term->text[0] && strcmp(query->terms[t].text, term->text) == 0)
            return (int)t;
    return -1;
}

static void note_pair(matches *m, size_t first, size_t from, size_t to, bool ordered)
{
    size_t gap = to - from;
    if (from == 0 || gap > NEAR) return;
    double value = (ordered ? 1.0 : 0.5) / (double)gap;
    if (value > m->pairs[first]) m->pairs[first] = value;
}

static void scan_field(const tfc_query *query, const char *text, size_t n, double weight, bool is_text,
                       matches *m)
{
    tfc_term term;
    size_t place = 0;
    for (size_t at = 0; tfc_terms_next(text, n, &at, false, &term);) {
        place++;
        int t = term.stop ? -1 : find_term(query, &term);
        if (t >= 0) {
            m->tf[t] += weight;
            if (t > 0) note_pair(m, (size_t)t - 1, m->last[t - 1], place, true);
            if ((size_t)t + 1 < query->n_terms) note_pair(m, (size_t)t, m->last[t + 1], place, false);
            m->last[t] = place;
        } else if (is_text) {
            char c = text[term.begin];
            m->n_numbers += c >= '0' && c <= '9';
            m->n_names += c >= 'A' && c <= 'Z' && !term.stop;
        }
    }
    memset(m->last, 0, sizeof m->last);
}

/* idf of the title where the question holds it as it is; 0 where not. */
static double named_idf(const tfc_query *query, const char *title, size_t n)
{
    tfc_buffer name;
    tfc_buffer_init(&name, 1 << 12);
    tfc_terms_title(title, n, &name);
    double idf = 0;
    for (size_t i = 0; i < query->n_titles && name.n > 0; i++)
        if (strlen(query->titles[i].text) + 1 == name.n &&
            memcmp(query->titles[i].text, name.data, name.n - 1) == 0)
            idf = query->titles[i].idf > 0 ? query->titles[i].idf : 1;
    tfc_buffer_release(&name);
    return idf;
}

double tfc_query_score(const tfc_query *query, const tfc_index_info *info, const tfc_passage_text *p)
{
    matches m = {0};
    scan_field(query, p->title, p->n_title, w.title, false, &m);
    scan_field(query, p->section, p->n_section, w.section, false, &m);
    scan_field(query, p->text, p->n_text, 1, true, &m);
    double mean = (double)info->n_words / (double)info->n_passages;
    double long_by = 1 - w.b + w.b * (double)p->n_words / mean, score = 0, found = 0;
    for (size_t t = 0; t < query->n_terms; t++) {
        double tf = m.tf[t] / long_by, idf = query->terms[t].idf;
        score += idf * tf * (w.k1 + 1) / (tf + w.k1);
        found += m.tf[t] > 0 ? idf : 0;
        if (t + 1 < query->n_terms) score += w.pair * m.pairs[t] * fmin(idf, query->terms[t + 1].idf);
    }
    double named = named_idf(query, p->title, p->n_title);
    score += (w.named + (p->n_section == 0 ? w.lead : 0)) * named;
    if (query->idf > 0) score += w.all * query->idf * (found / query->idf) * (found / query->idf);
    if (query->wants_number && m.n_numbers) score *= 1 + w.number;
    if (query->wants_name && m.n_names > 2) score *= 1 + w.name;
    return score;
}

/* How much of the question a sentence holds. */
static double sentence_weight(const tfc_query *query, const char *text, size_t n)
{
    uint32_t seen = 0;
    double weight = 0;
    tfc_term term;
    for (size_t at = 0; tfc_terms_next(text, n, &at, false, &term);) {
        int t = term.stop ? -1 : find_term(query, &term);
        if (t < 0 || seen >> t & 1) continue;
        seen |= UINT32_C(1) << t;
        weight += query->terms[t].idf;
    }
    return weight;
}

void tfc_query_excerpt(const tfc_query *query, const char *text, size_t n, size_t max_bytes, size_t *begin,
                       size_t *end)
{
    enum { MOST = 64 };
    size_t ends[MOST], n_sentences = 0, best = 0;
    double best_weight = -1;
    *begin = 0;
    *end = n;
    if (n <= max_bytes) return;
    for (size_t at = 0; at < n && n_sentences < MOST; n_sentences++) {
        size_t length = n_sentences + 1 < MOST ? tfc_sentence_length(text + at, n - at) : n - at;
        double weight = sentence_weight(query, text + at, length);
        if (weight > best_weight) best = n_sentences, best_weight = weight;
        at += length;
        ends[n_sentences] = at;
    }
    size_t first = best, last = best;
    for (bool grown = true; grown;) {
        grown = false;
        if (last + 1 < n_sentences && ends[last + 1] - (first ? ends[first - 1] : 0) <= max_bytes)
            last++, grown = true;
        else if (first > 0 && ends[last] - (first > 1 ? ends[first - 2] : 0) <= max_bytes)
            first--, grown = true;
    }
    *begin = first ? ends[first - 1] : 0;
    *end = ends[last];
    if (*end - *begin <= max_bytes) return;
    *end = *begin + max_bytes;
    while (*end > *begin && text[*end] != ' ') --*end;
    if (*end == *begin) {
        *end = *begin + max_bytes;
        while (*end > *begin && ((unsigned char)text[*end] & 0xC0) == 0x80) --*end;
    }
}
