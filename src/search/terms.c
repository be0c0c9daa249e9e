/* Words are runs of letters and digits; characters of scripts that do without blanks stand alone. English
 * endings are cut lightly (plurals, -ed, -ing, a last e or y), which is what pays on questions and keeps the
 * terms short. */
#include "search/terms.h"

#include <pthread.h>
#include <utf8proc.h>

#include "base/random.h"
#include "base/utf8.h"

/* Words that stand in every third text, and those that make a sentence a question. Single letters are what
 * apostrophes leave over. */
static const char stop_words[] =
    "a about above after again all also although am among an and any are as at be became because been before "
    "being below between both but by can could d did do does doing don down during each either etc ever few "
    "for from further get had has have having he her here hers herself him himself his how however i if in "
    "into is it its itself just ll m many me might more most much must my myself no nor not of off on once "
    "one only or other our ours out over own re s same she should so some such t than that the their theirs "
    "them themselves then there these they this those though through to too under until up upon used ve very "
    "was we were what when where whether which while who whom whose why will with within without would yet "
    "you your yours";

enum { N_SLOTS = 1024 };
static char stop_table[N_SLOTS][12];
static pthread_once_t stop_once = PTHREAD_ONCE_INIT;

static size_t stop_slot(const char *word, size_t n)
{
    size_t at = tfc_hash_bytes(word, n, 0) % N_SLOTS;
    while (stop_table[at][0] && (memcmp(stop_table[at], word, n) != 0 || stop_table[at][n] != '\0'))
        at = (at + 1) % N_SLOTS;
    return at;
}

static void stop_fill(void)
{
    for (const char *word = stop_words; *word;) {
        size_t n = strcspn(word, " ");
        memcpy(stop_table[stop_slot(word, n)], word, n);
        word += n + (word[n] == ' ');
    }
}

static bool is_stop(const char *word, size_t n)
{
    return n <= 10 && stop_table[stop_slot(word, n)][0] != '\0';
}

static bool is_vowel(const char *word, size_t i)
{
    return strchr("aeiou", word[i]) || (word[i] == 'y' && i > 0);
}

static bool has_vowel(const char *word, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_vowel(word, i)) return true;
    return false;
}

static bool ends(const char *word, size_t n, const char *ending)
{
    size_t n_ending = strlen(ending);
    return n > n_ending && memcmp(word + n - n_ending, ending, n_ending) == 0;
}

/* The length that is left of a word of ASCII letters; its last letter may change. */
static size_t cut_ending(char *word, size_t n)
{
    if (n < 4) return n;
    if (ends(word, n, "ies"))
        n -= 2;
    else if (ends(word, n, "sses") || ends(word, n, "xes") || ends(word, n, "ches") || ends(word, n, "shes"))
        n -= 2;
    else if (word[n - 1] == 's' && !ends(word, n, "ss") && !ends(word, n, "us") && !ends(word, n, "is"))
        n -= 1;
    size_t cut = ends(word, n, "ing") ? 3 : ends(word, n, "ed") && !ends(word, n, "eed") ? 2 : 0;
    if (cut && n - cut >= 3 && has_vowel(word, n - cut)) {
        n -= cut;
        if (word[n - 1] == word[n - 2] && !strchr("lsz", word[n - 1])) n--;
    }
    if (n >= 4 && word[n - 1] == 'e') n--;
    if (n >= 3 && word[n - 1] == 'y' && !is_vowel(word, n - 2)) word[n - 1] = 'i';
    return n;
}

static bool is_ascii_word(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

typedef enum letter { NO_LETTER, LETTER, LETTER_ALONE } letter;

/* What the character at text[at] is; *length gets its bytes. */
static letter classify(const char *text, size_t n, size_t at, size_t *length)
{
    if ((unsigned char)text[at] < 0x80) {
        *length = 1;
        return is_ascii_word((unsigned char)text[at]) ? LETTER : NO_LETTER;
    }
    utf8proc_int32_t code = (utf8proc_int32_t)tfc_utf8_decode(text + at, n - at, length);
    if (*length == 0) {
        *length = 1;
        return NO_LETTER;
    }
    const utf8proc_property_t *property = utf8proc_get_property(code);
    switch (property->category) {
    case UTF8PROC_CATEGORY_LO:
        return property->charwidth == 2 ? LETTER_ALONE : LETTER;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return LETTER;
    default:
        return NO_LETTER;
    }
}

/* Appends the character's lower-case form without marks; what does not fit is left out. */
static void append_folded(tfc_term *term, const char *text, size_t length)
{
    utf8proc_int32_t codes[16];
    int last = 0;
    size_t used;
    utf8proc_ssize_t n = utf8proc_decompose_char(
        (utf8proc_int32_t)tfc_utf8_decode(text, length, &used), codes, 16,
        UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK, &last);
    for (utf8proc_ssize_t i = 0; i < n && i < 16; i++) {
        char bytes[4];
        size_t n_bytes = tfc_utf8_encode((uint32_t)codes[i], bytes);
        if (codes[i] < 0x80 && !is_ascii_word((unsigned char)codes[i])) continue;
        if (term->n + n_bytes > TFC_TERM_MAX) return;
        memcpy(term->text + term->n, bytes, n_bytes);
        term->n += n_bytes;
    }
}

/* True when the mark at text[at] stands inside a word: the comma of 1,400, the points of U.S., the
 * apostrophe of ain't, which goes with its s or t. */
static bool joins(const char *text, size_t n, size_t at, size_t begin)
{
    if (at + 1 >= n || at == begin) return false;
    unsigned char before = (unsigned char)text[at - 1], after = (unsigned char)text[at + 1];
    if (text[at] == ',')
        return before >= '0' && before <= '9' && at + 3 < n && after >= '0' && after <= '9' &&
               (at + 4 >= n || text[at + 4] < '0' || text[at + 4] > '9');
    if (text[at] != '.' || !is_ascii_word(before) || !is_ascii_word(after) || before <= '9' || after <= '9')
        return false;
    bool alone_before = at - 1 == begin || text[at - 2] == '.';
    bool alone_after = at + 2 >= n || !is_ascii_word((unsigned char)text[at + 2]);
    return alone_before && alone_after;
}

/* The word that begins at text[at], folded; term->end is where it ends. */
static void read_word(const char *text, size_t n, size_t at, tfc_term *term)
{
    size_t length;
    term->begin = at;
    term->n = 0;
    for (; at < n; at += length) {
        unsigned char c = (unsigned char)text[at];
        length = 1;
        if (c < 0x80 && is_ascii_word(c)) {
            if (term->n < TFC_TERM_MAX) term->text[term->n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
            continue;
        }
        if (c < 0x80) {
            if (!joins(text, n, at, term->begin)) break;
            continue;
        }
        letter kind = classify(text, n, at, &length);
        if (kind == NO_LETTER || (kind == LETTER_ALONE && at > term->begin)) break;
        append_folded(term, text + at, length);
        if (kind == LETTER_ALONE) {
            at += length;
            break;
        }
    }
    term->end = at;
}

bool tfc_terms_next(const char *text, size_t n, size_t *at, bool plain, tfc_term *term)
{
    pthread_once(&stop_once, stop_fill);
    size_t length;
    while (*at < n) {
        if (classify(text, n, *at, &length) == NO_LETTER) {
            *at += length;
            continue;
        }
        read_word(text, n, *at, term);
        *at = term->end;
        if (term->n == 0) continue;
        term->stop = is_stop(term->text, term->n);
        bool letters = true;
        for (size_t i = 0; i < term->n && letters; i++)
            letters = term->text[i] >= 'a' && term->text[i] <= 'z';
        if (letters && !term->stop && !plain) term->n = cut_ending(term->text, term->n);
        term->text[term->n] = '\0';
        return true;
    }
    return false;
}

void tfc_terms_title(const char *title, size_t n, tfc_buffer *out)
{
    tfc_term term;
    size_t at = 0, used = 0;
    if (n > 2 && title[n - 1] == ')') {
        size_t open = n - 1;
        while (open > 0 && title[open] != '(') open--;
        if (open > 1) n = open;
    }
    while (tfc_terms_next(title, n, &at, true, &term)) {
        if (used == 0) tfc_buffer_puts(out, TFC_TITLE_MARK);
        size_t room = TFC_TITLE_MAX - used;
        tfc_buffer_append(out, term.text, term.n < room ? term.n : room);
        used += term.n < room ? term.n : room;
    }
    if (used) tfc_buffer_putc(out, ' ');
}

size_t tfc_terms_append(const char *text, size_t n, tfc_buffer *out)
{
    tfc_term term;
    size_t at = 0, n_words = 0;
    for (; tfc_terms_next(text, n, &at, false, &term); n_words++) {
        if (term.stop) continue;
        tfc_buffer_append(out, term.text, term.n);
        tfc_buffer_putc(out, ' ');
    }
    return n_words;
}
