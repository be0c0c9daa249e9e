/* Reading a question. Nothing of its syntax reaches SQLite: only terms do, each in double quotes. */
#include "search/query.h"

#include <math.h>

static void add_term(tfc_query *query, const tfc_term *term, uint32_t *bit)
{
    *bit = 0;
    if (term->stop) return;
    size_t i = 0;
    while (i < query->n_terms && strcmp(query->terms[i].text, term->text) != 0) i++;
    if (i == TFC_QUERY_TERMS) return;
    if (i == query->n_terms) {
        memcpy(query->terms[i].text, term->text, term->n + 1);
        query->n_terms++;
    }
    *bit = UINT32_C(1) << i;
}

static bool has_title(const tfc_query *query, const char *text)
{
    for (size_t i = 0; i < query->n_titles; i++)
        if (strcmp(query->titles[i].text, text) == 0) return true;
    return false;
}

/* The words first … last-1 as a title; those of stop words alone only where they are the whole question. */
static void add_title(tfc_query *query, const char *text, const size_t *begins, const size_t *ends,
                      const uint32_t *bits, size_t first, size_t last, bool whole)
{
    tfc_query_title title = {0};
    for (size_t i = first; i < last; i++) title.terms |= bits[i];
    if ((!title.terms && !whole) || query->n_titles == TFC_QUERY_TITLES) return;
    tfc_buffer name;
    tfc_buffer_init(&name, 1 << 12);
    tfc_terms_title(text + begins[first], ends[last - 1] - begins[first], &name);
    if (!name.failed && name.n > 0 && name.n < sizeof title.text + 1) {
        memcpy(title.text, name.data, name.n - 1); /* without the blank */
        if (!has_title(query, title.text)) query->titles[query->n_titles++] = title;
    }
    tfc_buffer_release(&name);
}

static bool begins_with(const char *text, size_t n, const char *words)
{
    size_t n_words = strlen(words);
    return n >= n_words && strncasecmp(text, words, n_words) == 0;
}

void tfc_query_read(tfc_query *query, const char *text, size_t n)
{
    size_t begins[TFC_QUERY_WORDS], ends[TFC_QUERY_WORDS], n_words = 0;
    uint32_t bits[TFC_QUERY_WORDS];
    tfc_term term;
    memset(query, 0, sizeof *query);
    for (size_t at = 0; n_words < TFC_QUERY_WORDS && tfc_terms_next(text, n, &at, false, &term); n_words++) {
        const char *word = text + term.begin;
        size_t left = n - term.begin;
        begins[n_words] = term.begin;
        ends[n_words] = term.end;
        query->wants_number |= begins_with(word, left, "when ") || begins_with(word, left, "how many ") ||
                               begins_with(word, left, "what year ") || begins_with(word, left, "how old ") ||
                               begins_with(word, left, "how much ") || begins_with(word, left, "how long ") ||
                               begins_with(word, left, "what date ");
        query->wants_name |= n_words < 2 && begins_with(word, left, "who ");
        add_term(query, &term, &bits[n_words]);
    }
    for (size_t length = n_words < TFC_TITLE_WORDS ? n_words : TFC_TITLE_WORDS; length >= 1; length--)
        for (size_t first = 0; first + length <= n_words; first++)
            add_title(query, text, begins, ends, bits, first, first + length, length == n_words);
}

tfc_status tfc_query_weigh(tfc_query *query, tfc_index *index, tfc_index_reader *reader, tfc_error *err)
{
    query->idf = 0;
    for (size_t i = 0; i < query->n_terms; i++) {
        tfc_query_term *term = &query->terms[i];
        sqlite3_bind_text(reader->frequency, 1, term->text, -1, SQLITE_STATIC);
        int code = sqlite3_step(reader->frequency);
        /* What is not counted is rare: half of what would be counted stands for it. */
        term->n = code == SQLITE_ROW ? sqlite3_column_int64(reader->frequency, 0) : TFC_FREQUENT / 4;
        sqlite3_reset(reader->frequency);
        if (code != SQLITE_ROW && code != SQLITE_DONE) return tfc_index_fail(index, reader, err);
        double n = (double)term->n, all = (double)index->info.n_passages;
        term->idf = log(1 + fmax(all - n + 0.5, 0.5) / (n + 0.5));
        query->idf += term->idf;
    }
    for (size_t i = 0; i < query->n_titles; i++) {
        query->titles[i].idf = 0;
        for (size_t t = 0; t < query->n_terms; t++)
            if (query->titles[i].terms >> t & 1) query->titles[i].idf += query->terms[t].idf;
    }
    return TFC_OK;
}
