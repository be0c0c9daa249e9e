/* Foreign words in English text: candidate texts, places and arguments of translation. */
#include "tools/foreign.h"

#include <utf8proc.h>

#include "base/random.h"
#include "base/utf8.h"
#include "tools/number.h"

static const double sure = 0.8; /* the paper's confidence */
static const double likely = 0.5;

typedef enum script { NO_LETTER, LATIN, OTHER_SCRIPT, IDEOGRAPH } script;

/* What the character at text[at] is; *length gets its bytes. */
static script script_at(const char *text, size_t n, size_t at, size_t *length)
{
    *length = tfc_utf8_length(text + at, n - at);
    if (*length == 0) {
        *length = 1;
        return NO_LETTER;
    }
    uint32_t code = tfc_utf8_decode(text + at, n - at, length);
    if (code < 0x80) return (code | 0x20) >= 'a' && (code | 0x20) <= 'z' ? LATIN : NO_LETTER;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
    bool mark = category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
    if (!letter && !mark) return NO_LETTER;
    if (code < 0x250 || (code >= 0x1E00 && code < 0x1F00) || (code >= 0x300 && code < 0x370)) return LATIN;
    /* Kana, Han, Thai and its neighbours write no blanks between words. */
    bool unspaced = (code >= 0x0E00 && code < 0x1000) || (code >= 0x1780 && code < 0x1800) ||
                    (code >= 0x3040 && code < 0xA000) || (code >= 0xF900 && code < 0xFB00) || code >= 0x20000;
    return unspaced ? IDEOGRAPH : OTHER_SCRIPT;
}

/* A token, for the paper's chunks: a word between blanks, or one ideograph. */
static bool next_token(const char *text, size_t n, size_t *at, size_t *begin)
{
    size_t length;
    while (*at < n && (unsigned char)text[*at] <= ' ') ++*at;
    *begin = *at;
    while (*at < n && (unsigned char)text[*at] > ' ') {
        bool alone = script_at(text, n, *at, &length) == IDEOGRAPH;
        if (alone && *at > *begin) return true;
        *at += length;
        if (alone) return true;
    }
    return *at > *begin;
}

static bool has_letter(const char *text, size_t begin, size_t end)
{
    size_t length;
    for (size_t at = begin; at < end; at += length)
        if (script_at(text, end, at, &length) != NO_LETTER) return true;
    return false;
}

static bool is_english(const tfc_lang_guess *guess)
{
    return guess->code[0] == 'e' && guess->code[1] == 'n' && guess->code[2] == '\0';
}

/* How surely text[begin, end) is in another language, or (negative) in English: languages near one another
 * share what none of them has alone. */
static double foreignness(const tfc_lang *lang, const char *text, size_t begin, size_t end)
{
    tfc_lang_guess guesses[3];
    size_t n = tfc_lang_identify(lang, text + begin, end - begin, guesses, 3);
    if (n > 0 && is_english(&guesses[0])) return -guesses[0].confidence;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += is_english(&guesses[i]) ? 0 : guesses[i].confidence;
    return sum;
}

bool tfc_foreign_between_english(const tfc_lang *lang, const char *text, size_t n)
{
    enum { CHUNK_TOKENS = 10 };
    bool before = false, foreign = false;
    for (size_t at = 0, begin = 0, first = 0;;) {
        size_t count = 0;
        while (count < CHUNK_TOKENS && next_token(text, n, &at, &begin))
            if (count++ == 0) first = begin;
        if (count == 0) return false;
        if (!has_letter(text, first, at)) continue;
        tfc_lang_guess guess = tfc_lang_best(lang, text + first, at - first);
        if (is_english(&guess)) {
            if (foreign) return true;
            before = true;
        } else if (guess.confidence > sure) {
            foreign = before;
        }
    }
}

/* Words of one piece of text: what stands between line breaks, sentence ends, quotes and brackets. */
typedef struct word {
    size_t begin, end;
    int votes; /* of the windows that it is in, for another language than English */
    bool foreign;
} word;
enum { PIECE_WORDS = 400, WINDOW = 4 };

typedef struct finder {
    const tfc_lang *lang;
    const char *text;
    size_t n;
    tfc_foreign_run *runs;
    size_t n_runs;
    word words[PIECE_WORDS];
    size_t n_words;
} finder;

/* Bytes of a sign that ends a piece at text[at]; 0: none. *quote: a quotation mark. */
static size_t border_length(const char *text, size_t n, size_t at, bool *quote)
{
    static const char *const quotes[] = {"\"", "“", "”", "„", "«", "»", "‹", "›", "‘"};
    static const char *const borders[] = {"\n", "\t", "(", ")", "[",  "]",  "{",  "}",  ";",  ":",  ",",
                                          "|",  "—",  "–", "•", "。", "！", "？", "「", "」", "（", "）"};
    *quote = false;
    for (size_t i = 0; i < sizeof quotes / sizeof *quotes; i++)
        if (n - at >= strlen(quotes[i]) && memcmp(text + at, quotes[i], strlen(quotes[i])) == 0) {
            *quote = true;
            return strlen(quotes[i]);
        }
    for (size_t i = 0; i < sizeof borders / sizeof *borders; i++)
        if (n - at >= strlen(borders[i]) && memcmp(text + at, borders[i], strlen(borders[i])) == 0)
            return strlen(borders[i]);
    if (strchr(".!?", text[at]) && (at + 1 == n || text[at + 1] == ' ' || text[at + 1] == '\n')) return 1;
    return 0;
}

/* Words of another script are foreign as they are, but for a letter that stands alone (a formula's). */
static void add_word(finder *f, size_t begin, size_t end)
{
    size_t letters = 0, others = 0, ideographs = 0, length;
    for (size_t at = begin; at < end; at += length) {
        script s = script_at(f->text, end, at, &length);
        letters += s != NO_LETTER;
        others += s == OTHER_SCRIPT;
        ideographs += s == IDEOGRAPH;
    }
    if (letters == 0 || f->n_words == PIECE_WORDS) return;
    f->words[f->n_words++] = (word){begin, end, 0, ideographs > 0 || (others > 1 && others == letters)};
}

/* Common English words that languages of the same script do not have. */
static bool is_english_word(const char *text, const word *w)
{
    static const char *const words[] = {"the",  "of",  "and",  "is",   "means", "which", "for",   "with",
                                        "that", "was", "from", "says", "said",  "this",  "which", "by"};
    size_t length = w->end - w->begin;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == length && strncasecmp(words[i], text + w->begin, length) == 0) return true;
    return false;
}

/* Each window of words votes on all of its words. */
static void vote(finder *f, bool quoted)
{
    size_t n = f->n_words, window = n < WINDOW ? n : WINDOW;
    double needed = quoted ? likely : sure;
    for (size_t first = 0; window > 0 && first + window <= n; first++) {
        size_t begin = f->words[first].begin, end = f->words[first + window - 1].end;
        double found = foreignness(f->lang, f->text, begin, end);
        int says = found > needed ? 1 : found < -likely ? -1 : 0;
        for (size_t i = 0; i < window; i++) f->words[first + i].votes += says;
    }
    for (size_t i = 0; i < n; i++) f->words[i].foreign |= f->words[i].votes > 0;
    for (size_t i = 0; i < n; i++)
        if (is_english_word(f->text, &f->words[i]) &&
            (i == 0 || i + 1 == n || !f->words[i - 1].foreign || !f->words[i + 1].foreign))
            f->words[i].foreign = false;
}

/* The words [*first, *end) and the undecided ones beside them that make it no less sure. */
static void widen(const finder *f, size_t *first, size_t *end)
{
    const double slack = 0.02;
    double own = foreignness(f->lang, f->text, f->words[*first].begin, f->words[*end - 1].end);
    for (bool wider = true; wider;) {
        wider = false;
        for (int left = 0; left < 2; left++) {
            if (left ? *first == 0 : *end == f->n_words) continue;
            const word *w = &f->words[left ? *first - 1 : *end];
            if (w->votes != 0 || is_english_word(f->text, w)) continue;
            double more = foreignness(f->lang, f->text, left ? w->begin : f->words[*first].begin,
                                      left ? f->words[*end - 1].end : w->end);
            if (more < own - slack) continue;
            *first -= left ? 1 : 0;
            *end += left ? 0 : 1;
            wider = true;
        }
    }
}

/* A run is told when as a whole it is no English; it grows over the sentence end before it. */
static void add_run(finder *f, size_t begin, size_t end, bool quoted)
{
    tfc_foreign_run *last = f->n_runs ? &f->runs[f->n_runs - 1] : NULL;
    if (end - begin > TFC_FOREIGN_BYTES_MAX || foreignness(f->lang, f->text, begin, end) <= likely) return;
    bool follows = last && !quoted && begin - last->end <= 3 && end - last->begin <= TFC_FOREIGN_BYTES_MAX &&
                   strcspn(f->text + last->end, ",.!? ") == 0 &&
                   strspn(f->text + last->end, ",.!? ") == begin - last->end;
    if (follows)
        last->end = end;
    else if (f->n_runs < TFC_FOREIGN_RUNS_MAX)
        f->runs[f->n_runs++] = (tfc_foreign_run){begin, end};
}

static void end_piece(finder *f, bool quoted)
{
    vote(f, quoted);
    for (size_t i = 0; i < f->n_words;) {
        size_t first = i;
        while (i < f->n_words && f->words[i].foreign) i++;
        size_t length, end = i;
        bool latin = i > first && script_at(f->text, f->n, f->words[first].begin, &length) <= LATIN;
        if (i > first) widen(f, &first, &end);
        if (end > first && (end - first > 1 || quoted || !latin))
            add_run(f, f->words[first].begin, f->words[end - 1].end, quoted);
        i = end > i ? end : i + (end == first);
    }
    f->n_words = 0;
}

size_t tfc_foreign_runs(const tfc_lang *lang, const char *text, size_t n,
                        tfc_foreign_run runs[TFC_FOREIGN_RUNS_MAX])
{
    finder f = {.lang = lang, .text = text, .n = n, .runs = runs};
    size_t begin = 0, at = 0, length;
    bool quoted = false, inside = false;
    while (at <= n) {
        bool quote = false;
        size_t border = at < n ? border_length(text, n, at, &quote) : 1;
        bool blank = at < n && (text[at] == ' ');
        if (border || blank) {
            if (inside) add_word(&f, begin, at);
            inside = false;
            if (border) end_piece(&f, quoted && quote);
            if (border) quoted = quote;
            at += border ? border : 1;
            continue;
        }
        bool letter = script_at(text, n, at, &length) != NO_LETTER;
        if (!inside && (letter || (text[at] >= '0' && text[at] <= '9'))) {
            inside = true;
            begin = at;
        }
        at += length;
    }
    return f.n_runs;
}

/* The runs of the text that was asked for last: one text is asked about at each of its places. */
static size_t runs_of(const tfc_lang *lang, const char *text, size_t n, const tfc_foreign_run **runs)
{
    static _Thread_local struct {
        const tfc_lang *lang;
        uint64_t keys[2];
        size_t n, n_runs;
        tfc_foreign_run runs[TFC_FOREIGN_RUNS_MAX];
    } last;
    uint64_t keys[2] = {tfc_hash_bytes(text, n, 1), tfc_hash_bytes(text, n, 2)};
    if (last.lang != lang || last.n != n || memcmp(last.keys, keys, sizeof keys) != 0) {
        last.n_runs = tfc_foreign_runs(lang, text, n, last.runs);
        last.lang = lang;
        last.n = n;
        memcpy(last.keys, keys, sizeof keys);
    }
    *runs = last.runs;
    return last.n_runs;
}

/* How many of the runs end before `at`; 0 inside a run, and where the last one is far. */
static size_t count_before(const tfc_foreign_run *runs, size_t n_runs, size_t at)
{
    enum { FAR_BYTES = 300 };
    size_t count = 0;
    while (count < n_runs && runs[count].end <= at) count++;
    if (count < n_runs && runs[count].begin < at) return 0;
    return count && at - runs[count - 1].end <= FAR_BYTES ? count : 0;
}

bool tfc_foreign_before(const tfc_lang *lang, const char *text, size_t n, size_t at)
{
    const tfc_foreign_run *runs;
    size_t n_runs = runs_of(lang, text, n, &runs);
    return count_before(runs, n_runs, at) > 0;
}

/* A run as an argument: on one line, one blank between words; false when it cannot be one. */
static bool argument_of(const char *text, const tfc_foreign_run *run, char out[TFC_FOREIGN_BYTES_MAX + 1])
{
    size_t n = 0;
    for (size_t i = run->begin; i < run->end; i++) {
        bool blank = (unsigned char)text[i] <= ' ';
        if (blank && n > 0 && out[n - 1] == ' ') continue;
        out[n++] = blank ? ' ' : text[i];
    }
    out[n] = '\0';
    return tfc_call_args_valid(out, n);
}

static bool is_there(const tfc_proposals *proposals, const char *args)
{
    for (size_t i = 0; i < proposals->n_args; i++)
        if (strcmp(proposals->args[i], args) == 0) return true;
    return false;
}

bool tfc_foreign_enumerate(const char *text, size_t n, size_t at, const char *earlier,
                           const tfc_enumerate_params *params, tfc_proposals *out, tfc_error *err)
{
    enum { NEAREST = 3 };
    *out = (tfc_proposals){0};
    const tfc_lang *lang = tfc_lang_shared(err);
    if (!lang || earlier) return false;
    const tfc_foreign_run *runs;
    size_t n_runs = runs_of(lang, text, n, &runs), count = count_before(runs, n_runs, at);
    if (count == 0) return false;
    out->args = tfc_alloc_zero(NEAREST, sizeof *out->args);
    if (!out->args) return tfc_fail_memory(err, "arguments"), false;
    for (size_t i = count; i-- > 0 && out->n_args < NEAREST && out->n_args < params->max_args;) {
        char args[TFC_FOREIGN_BYTES_MAX + 1];
        if (!argument_of(text, &runs[i], args) || is_there(out, args)) continue;
        out->args[out->n_args] = tfc_strdup(args);
        if (!out->args[out->n_args]) {
            tfc_proposals_release(out);
            return tfc_fail_memory(err, "arguments"), false;
        }
        out->n_args++;
    }
    return true;
}

bool tfc_foreign_looks_ahead(const char *text, size_t n, size_t at, const char *args, size_t length)
{
    if (length >= 2 && args[0] == '"' && args[length - 1] == '"') {
        args++;
        length -= 2;
    }
    return length > 0 && at <= n && memmem(text + at, n - at, args, length) &&
           !memmem(text, at, args, length);
}
