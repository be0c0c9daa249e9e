/* The unit of an answer is a passage: small enough to be read by a model whole, and closed in itself. */
#include "search/passages.h"

#include "base/utf8.h"

typedef struct cutter {
    char section[TFC_SECTION_BYTES + 1];
    tfc_buffer passage;
    size_t n_words; /* of the passage */
    bool marked;    /* the text marks its headings: no plain line is one */
    bool fresh;     /* nothing came since the last heading */
    tfc_passage_take *take;
    void *context;
} cutter;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t count_words(const char *text, size_t n)
{
    size_t n_words = 0;
    for (size_t i = 0; i < n; i++) n_words += !is_blank(text[i]) && (i == 0 || is_blank(text[i - 1]));
    return n_words;
}

static void trim(const char **text, size_t *n)
{
    while (*n > 0 && is_blank((*text)[*n - 1])) (*n)--;
    while (*n > 0 && is_blank(**text)) (*text)++, (*n)--;
}

size_t tfc_sentence_length(const char *text, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (!is_blank(text[i])) continue;
        size_t end = i;
        while (end > 1 && strchr("\")'", text[end - 1])) end--;
        bool stop = strchr("!?", text[end - 1]) || (text[end - 1] == '.' && end > 2);
        /* An initial or a short title before a point ends no sentence: J. Smith, Mr. Smith, St. Paul. */
        if (stop && text[end - 1] == '.') {
            size_t word = end - 1;
            while (word > 0 && !is_blank(text[word - 1])) word--;
            size_t length = end - 1 - word;
            bool upper = text[word] >= 'A' && text[word] <= 'Z';
            if (upper && length <= 3 && memchr(text + word, '.', length) == NULL)
                stop = length == 3 && strncmp(text + word, "Mrs", 3) != 0;
        }
        while (i < n && is_blank(text[i])) i++;
        if (stop && i < n && !(text[i] >= 'a' && text[i] <= 'z')) return i;
    }
    return n;
}

static tfc_status flush(cutter *c, tfc_error *err)
{
    tfc_status status = tfc_buffer_ok(&c->passage, "passage", err);
    if (status == TFC_OK && c->passage.n > 0)
        status = c->take(c->context, c->section, c->passage.data, c->passage.n, err);
    tfc_buffer_clear(&c->passage);
    c->n_words = 0;
    return status;
}

/* Adds a piece to the passage, which ends before it where both do not fit. */
static tfc_status add(cutter *c, const char *text, size_t n, size_t n_words, size_t limit, tfc_error *err)
{
    tfc_status status = TFC_OK;
    if (c->n_words > 0 && c->n_words + n_words > limit) status = flush(c, err);
    if (status != TFC_OK) return status;
    trim(&text, &n);
    if (c->passage.n > 0) tfc_buffer_putc(&c->passage, ' ');
    tfc_buffer_append(&c->passage, text, n);
    c->n_words += n_words;
    return TFC_OK;
}

/* A sentence that is longer than a passage is cut between words. */
static tfc_status add_sentence(cutter *c, const char *text, size_t n, size_t limit, tfc_error *err)
{
    size_t n_words = count_words(text, n);
    if (n_words <= TFC_PASSAGE_WORDS) return add(c, text, n, n_words, limit, err);
    tfc_status status = TFC_OK;
    for (size_t at = 0; at < n && status == TFC_OK;) {
        size_t end = at, words = 0;
        while (end < n && (words < TFC_PASSAGE_WORDS || !is_blank(text[end]))) {
            words += !is_blank(text[end]) && (end == at || is_blank(text[end - 1]));
            end++;
        }
        status = add(c, text + at, end - at, words, limit, err);
        at = end;
    }
    return status;
}

/* A paragraph that does not fit is cut into parts of about the same length. */
static tfc_status add_paragraph(cutter *c, const char *text, size_t n, tfc_error *err)
{
    size_t n_words = count_words(text, n);
    if (n_words <= TFC_PASSAGE_WORDS) return add(c, text, n, n_words, TFC_PASSAGE_WORDS, err);
    tfc_status status = flush(c, err);
    size_t n_parts = (n_words + TFC_PASSAGE_WORDS - 1) / TFC_PASSAGE_WORDS;
    size_t limit = n_words / n_parts + 10;
    if (limit > TFC_PASSAGE_WORDS) limit = TFC_PASSAGE_WORDS;
    for (size_t at = 0; at < n && status == TFC_OK;) {
        size_t length = tfc_sentence_length(text + at, n - at);
        status = add_sentence(c, text + at, length, limit, err);
        at += length;
    }
    return status;
}

/* True for `Heading.`, as extracts of Wikipedia write it: a few words, the first with a capital, none of them
 * one that begins a sentence. */
static bool is_short_heading(const char *text, size_t n)
{
    static const char *const begins[] = {
        "The ", "He ",    "She ", "It ",  "They ",  "This ", "There ", "In ", "A ",     "An ", "His ", "Her ",
        "See ", "These ", "We ",  "Its ", "Their ", "I ",    "At ",    "On ", "After ", "As ", "That "};
    if (n < 4 || n > 60 || text[n - 1] != '.' || !(text[0] >= 'A' && text[0] <= 'Z')) return false;
    if (memchr(text, '.', n - 1) || memchr(text, '"', n) || count_words(text, n) > 6) return false;
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (n > strlen(begins[i]) && strncmp(text, begins[i], strlen(begins[i])) == 0) return false;
    return true;
}

/* The heading that a line is: *name[*n_name]; false when it is none. */
static bool find_heading(const char *text, size_t n, bool marked, const char **name, size_t *n_name)
{
    *name = text;
    *n_name = n;
    if (n > 11 && strncmp(text, "Section::::", 11) == 0) {
        *name += 11;
        *n_name -= 11;
        if ((*name)[*n_name - 1] == '.') --*n_name;
    } else if (n > 4 && text[0] == '=' && text[1] == '=' && text[n - 1] == '=' && text[n - 2] == '=') {
        while (*n_name > 0 && **name == '=') ++*name, --*n_name;
        while (*n_name > 0 && (*name)[*n_name - 1] == '=') --*n_name;
    } else if (n > 2 && text[0] == '#') {
        while (*n_name > 0 && **name == '#') ++*name, --*n_name;
        if (*n_name == 0 || **name != ' ') return false;
    } else if (!marked && is_short_heading(text, n)) {
        --*n_name;
    } else {
        return false;
    }
    trim(name, n_name);
    return *n_name > 0 && *n_name <= TFC_SECTION_BYTES;
}

/* Appends to the section; what does not fit is cut at a character. */
static void append_section(cutter *c, const char *text, size_t n)
{
    size_t used = strlen(c->section), room = TFC_SECTION_BYTES - used;
    if (n > room) {
        n = room;
        while (n > 0 && !tfc_utf8_boundary(text, n + 1, n)) n--;
    }
    memcpy(c->section + used, text, n);
    c->section[used + n] = '\0';
}

/* KILT writes a section inside another one as A:B. A heading right below another one stands inside it. */
static void set_section(cutter *c, const char *name, size_t n)
{
    if (c->fresh && !c->marked)
        append_section(c, " > ", 3);
    else
        c->section[0] = '\0';
    for (size_t i = 0, done = 0; i <= n; i++) {
        bool colon = i < n && name[i] == ':' && i + 1 < n && name[i + 1] != ' ';
        if (!colon && i < n) continue;
        append_section(c, name + done, i - done);
        if (colon) append_section(c, " > ", 3);
        done = i + 1;
    }
    c->fresh = true;
}

static tfc_status take_line(cutter *c, const char *title, const char *line, size_t n, bool last,
                            tfc_error *err)
{
    const char *name;
    size_t n_name;
    trim(&line, &n);
    if (n > 12 && strncmp(line, "BULLET::::-", 11) == 0) line += 11, n -= 11;
    trim(&line, &n);
    if (n == 0 || line[0] == '|' || (line[0] == '{' && n > 1 && line[1] == '|')) return TFC_OK;
    if (n == strlen(title) && memcmp(line, title, n) == 0 && c->passage.n == 0) return TFC_OK;
    if (last || !find_heading(line, n, c->marked, &name, &n_name)) {
        c->fresh = false;
        return add_paragraph(c, line, n, err);
    }
    tfc_status status = flush(c, err);
    set_section(c, name, n_name);
    return status;
}

static bool has_marks(const char *text, size_t n)
{
    static const char *const marks[] = {"\nSection::::", "\n==", "\n# ", "\n## "};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (memmem(text, n, marks[i], strlen(marks[i]))) return true;
    return false;
}

tfc_status tfc_passages_cut(const char *title, const char *text, size_t n, tfc_passage_take *take,
                            void *context, tfc_error *err)
{
    cutter c = {.take = take, .context = context, .marked = has_marks(text, n)};
    tfc_buffer_init(&c.passage, 0);
    tfc_status status = TFC_OK;
    for (size_t at = 0; at < n && status == TFC_OK;) {
        const char *newline = memchr(text + at, '\n', n - at);
        size_t length = newline ? (size_t)(newline - text) - at : n - at;
        status = take_line(&c, title, text + at, length, at + length + 1 >= n, err);
        at += length + 1;
    }
    if (status == TFC_OK) status = flush(&c, err);
    tfc_buffer_release(&c.passage);
    return status;
}
