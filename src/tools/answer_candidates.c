/* A reader that knows no language but this: names have capitals, dates have years, and an answer stands where
 * the question's words stand. What a small model adds is a choice among the best of them. */
#include "tools/answer_candidates.h"

#include <math.h>
#include <stdlib.h>

#include "search/terms.h"

enum { MAX_WORDS = 1200, MAX_TERMS = 24, MAX_NAME = 7 };

typedef enum span_kind { NAME, DATE, NUMBER } span_kind;
typedef enum asked { ASKED_THING, ASKED_PERSON, ASKED_PLACE, ASKED_DATE, ASKED_NUMBER } asked;

typedef struct word {
    size_t begin, end;
    int term;           /* of the question, or -1 */
    bool stop, capital; /* capital: begins with one */
    bool digits;        /* all of it, commas aside */
    bool first;         /* of a sentence */
    bool joined;        /* only a blank, a hyphen or a point stands between it and the word before */
    int year, passage;
    bool in_title;
} word;

typedef struct reading {
    const char *text;
    word *words;
    size_t n_words;
    char terms[MAX_TERMS][TFC_TERM_MAX + 1];
    size_t n_terms;
    asked asked;
    tfc_answer_candidate *out;
    size_t n_out;
} reading;

static bool has(const char *text, const char *words)
{
    return strcasestr(text, words) != NULL;
}

static void read_question(reading *r, const char *question)
{
    tfc_term term;
    size_t n = strlen(question);
    for (size_t at = 0; r->n_terms < MAX_TERMS && tfc_terms_next(question, n, &at, false, &term);)
        if (!term.stop) memcpy(r->terms[r->n_terms++], term.text, term.n + 1);
    if (has(question, "when ") || has(question, "what year") || has(question, "what date") ||
        has(question, "which year") || has(question, "what day"))
        r->asked = ASKED_DATE;
    else if (has(question, "how many") || has(question, "how much") || has(question, "how old") ||
             has(question, "how long") || has(question, "how tall") || has(question, "how far"))
        r->asked = ASKED_NUMBER;
    else if (has(question, "who ") || has(question, "whose ") || has(question, "whom "))
        r->asked = ASKED_PERSON;
    else if (has(question, "where ") || has(question, "what city") || has(question, "which country") ||
             has(question, "what country") || has(question, "which state"))
        r->asked = ASKED_PLACE;
}

static bool is_number_word(const char *text, size_t n)
{
    static const char *const words[] = {"two",    "three",    "four",     "five",    "six",
                                        "seven",  "eight",    "nine",     "ten",     "eleven",
                                        "twelve", "thirteen", "twenty",   "thirty",  "forty",
                                        "fifty",  "hundred",  "thousand", "million", "billion"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == n && strncasecmp(text, words[i], n) == 0) return true;
    return false;
}

static bool is_month(const char *text, size_t n)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    for (size_t i = 0; i < 12; i++)
        if (strlen(months[i]) == n && memcmp(text, months[i], n) == 0) return true;
    return false;
}

static void read_word(reading *r, const tfc_term *term, int passage, bool in_title, bool first)
{
    word *w = &r->words[r->n_words];
    const char *at = r->text + term->begin;
    *w = (word){.begin = term->begin,
                .end = term->end,
                .term = -1,
                .stop = term->stop,
                .first = first,
                .passage = passage,
                .in_title = in_title};
    w->capital = *at >= 'A' && *at <= 'Z';
    w->digits = term->n > 0 && strspn(term->text, "0123456789") == term->n;
    int year = w->digits && term->n == 4 && term->end - term->begin == 4 ? atoi(term->text) : 0;
    w->year = year >= 1000 && year <= 2100 ? year : 0;
    for (size_t t = 0; t < r->n_terms && w->term < 0; t++)
        if (!term->stop && strcmp(r->terms[t], term->text) == 0) w->term = (int)t;
    const word *before = r->n_words ? w - 1 : NULL;
    if (before && !first && before->passage == passage && before->in_title == in_title) {
        size_t gap = w->begin - before->end;
        const char *between = r->text + before->end;
        w->joined = gap == 1 ? strchr(" -.'", *between) != NULL
                             : gap == 2 && between[0] == '.' && before->end - before->begin <= 2;
        if (gap == 2 && between[0] == ',' && w->year) w->joined = true;
    }
    r->n_words++;
}

static void read_passages(reading *r)
{
    int passage = 0;
    for (const char *line = r->text; *line && r->n_words < MAX_WORDS; passage++) {
        size_t n_line = strcspn(line, "\n"), offset = (size_t)(line - r->text);
        const char *body = strstr(line, " > ");
        size_t n_title = body && body < line + n_line ? (size_t)(body - line) : 0;
        tfc_term term;
        bool first = true;
        size_t last_end = offset;
        for (size_t at = offset;
             r->n_words < MAX_WORDS && tfc_terms_next(r->text, offset + n_line, &at, false, &term);) {
            for (size_t i = last_end; i < term.begin; i++)
                first |= strchr(".!?>", r->text[i]) && i + 1 < term.begin && r->text[i + 1] == ' ' &&
                         !(r->text[i] == '.' && i - last_end == 0 && r->n_words &&
                           r->words[r->n_words - 1].end - r->words[r->n_words - 1].begin <= 2);
            read_word(r, &term, passage, term.begin < offset + n_title, first);
            first = false;
            last_end = term.end;
        }
        line += n_line + (line[n_line] == '\n');
    }
}

/* How near the question's words stand to words first … last-1, and how many of them there are. */
static double nearness(const reading *r, size_t first, size_t last)
{
    double sum = 0, best[MAX_TERMS] = {0};
    int passage = r->words[first].passage;
    for (size_t i = 0; i < r->n_words; i++) {
        const word *w = &r->words[i];
        if (w->passage != passage || w->term < 0) continue;
        double distance = i < first ? (double)(first - i) : i >= last ? (double)(i - last + 1) : 0;
        double value = w->in_title ? 0.35 : 1 / (1 + distance / 6);
        if (value > best[w->term]) best[w->term] = value;
    }
    for (size_t t = 0; t < r->n_terms; t++) sum += best[t];
    return r->n_terms ? sum / sqrt((double)r->n_terms) : 0;
}

static double kind_value(const reading *r, span_kind kind, size_t first, size_t last)
{
    const char *before = first ? r->text + r->words[first - 1].begin : "";
    bool inside = strncmp(before, "in ", 3) == 0 || strncmp(before, "at ", 3) == 0 ||
                  strncmp(before, "near ", 5) == 0 || strncmp(before, "from ", 5) == 0;
    bool by = strncmp(before, "by ", 3) == 0;
    switch (r->asked) {
    case ASKED_DATE:
        return kind == DATE ? 2.5 + (last - first > 1 ? 0.3 : 0) : 0;
    case ASKED_NUMBER:
        return kind == NUMBER ? 2.5 : kind == DATE ? 0.3 : 0;
    case ASKED_PERSON:
        return kind == NAME ? (last - first >= 2 ? 2 : 1.2) + (by ? 0.7 : 0) : 0;
    case ASKED_PLACE:
        return kind == NAME ? 1.5 + (inside ? 0.8 : 0) : 0;
    default:
        return kind == NAME ? 1.2 : kind == NUMBER ? 0.3 : 0.4;
    }
}

static bool same_text(const reading *r, const tfc_answer_candidate *a, const tfc_answer_candidate *b)
{
    size_t n = a->end - a->begin;
    return n == b->end - b->begin && strncasecmp(r->text + a->begin, r->text + b->begin, n) == 0;
}

static void add(reading *r, span_kind kind, size_t first, size_t last)
{
    bool fresh = false;
    for (size_t i = first; i < last; i++) fresh |= r->words[i].term < 0 && !r->words[i].stop;
    if (!fresh || r->n_out == TFC_ANSWER_CANDIDATES) return;
    tfc_answer_candidate c = {r->words[first].begin, r->words[last - 1].end, 0};
    c.score = kind_value(r, kind, first, last) + 1.5 * nearness(r, first, last) -
              0.4 * r->words[first].passage - (r->words[first].in_title ? 0.5 : 0);
    for (size_t i = first; i < last; i++) c.score -= r->words[i].term >= 0 ? 0.4 : 0;
    for (size_t i = 0; i < r->n_out; i++) {
        if (!same_text(r, &r->out[i], &c)) continue;
        r->out[i].score = fmax(r->out[i].score, c.score) + 0.2;
        return;
    }
    r->out[r->n_out++] = c;
}

/* The end of the date that begins at word i; i: none. */
static size_t date_end(const reading *r, size_t i)
{
    const word *w = r->words;
#define MONTH(j) ((j) < r->n_words && is_month(r->text + w[j].begin, w[j].end - w[j].begin))
#define DAY(j) ((j) < r->n_words && w[j].digits && w[j].end - w[j].begin <= 2)
#define YEAR(j) ((j) < r->n_words && w[j].year)
    if (MONTH(i) && DAY(i + 1)) return YEAR(i + 2) && w[i + 2].joined ? i + 3 : i + 2;
    if (DAY(i) && MONTH(i + 1)) return YEAR(i + 2) && w[i + 2].joined ? i + 3 : i + 2;
    if (MONTH(i) && YEAR(i + 1)) return i + 2;
    return YEAR(i) ? i + 1 : i;
#undef MONTH
#undef DAY
#undef YEAR
}

/* The end of the name that begins at word i: words with capitals, `of`, `the` and the like between them. */
static size_t name_end(const reading *r, size_t i)
{
    const word *w = r->words;
    size_t end = i + 1;
    for (size_t j = i + 1; j < r->n_words && j < i + MAX_NAME && w[j].joined; j++) {
        bool small = strncmp(r->text + w[j].begin, "of ", 3) == 0 ||
                     (strncmp(r->text + w[j].begin, "the ", 4) == 0 && j > i + 1) ||
                     strncmp(r->text + w[j].begin, "de ", 3) == 0 ||
                     strncmp(r->text + w[j].begin, "van ", 4) == 0;
        if (w[j].capital)
            end = j + 1;
        else if (!small)
            break;
    }
    return end;
}

static void find_all(reading *r)
{
    for (size_t i = 0; i < r->n_words;) {
        const word *w = &r->words[i];
        size_t end = date_end(r, i);
        bool number = w->digits || is_number_word(r->text + w->begin, w->end - w->begin);
        if (end > i) {
            add(r, DATE, i, end);
        } else if (number) {
            add(r, NUMBER, i, i + 1);
            end = i + 1;
        } else if (w->capital && !(w->stop && (w->first || w->end - w->begin <= 3))) {
            end = name_end(r, i);
            add(r, NAME, i, end);
        } else {
            end = i + 1;
        }
        i = end;
    }
}

static int by_score(const void *a, const void *b)
{
    const tfc_answer_candidate *one = a, *other = b;
    if (one->score != other->score) return one->score > other->score ? -1 : 1;
    return (one->begin > other->begin) - (one->begin < other->begin);
}

tfc_status tfc_answer_candidates(const char *passages, const char *question,
                                 tfc_answer_candidate out[TFC_ANSWER_CANDIDATES], size_t *n, tfc_error *err)
{
    reading *r = tfc_alloc_zero(1, sizeof *r);
    word *words = tfc_alloc(MAX_WORDS, sizeof *words);
    tfc_status status = r && words ? TFC_OK : tfc_fail_memory(err, "QA");
    *n = 0;
    if (status == TFC_OK) {
        r->text = passages;
        r->words = words;
        r->out = out;
        read_question(r, question);
        read_passages(r);
        find_all(r);
        *n = r->n_out;
        if (*n > 1) qsort(out, *n, sizeof *out, by_score);
    }
    tfc_free(words);
    tfc_free(r);
    return status;
}
