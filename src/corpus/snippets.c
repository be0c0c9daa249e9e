/* Units first: paragraphs, with the blank lines after them; of those that are too long, their lines; of
 * those, their sentences; of those, stretches that end at a blank where there is one, else at a character.
 * Then units are packed, one after the other, into snippets. The number of tokens is that of the snippet's
 * own text: tokens of two units may merge where they meet, so sums are an estimate and the text is counted
 * where it matters. */
#include "corpus/snippets.h"

#include "base/utf8.h"

typedef struct unit {
    size_t begin, end;
    int64_t n_tokens;
} unit;

typedef struct cutter {
    const tfc_tokenizer *tokenizer;
    const char *text;
    int64_t max_tokens;
    unit *units;
    size_t n_units, capacity;
    tfc_error *err;
    tfc_status status; /* of the first failure; the rest does nothing then */
} cutter;

void tfc_cuts_release(tfc_cuts *cuts)
{
    tfc_free(cuts->ends);
    memset(cuts, 0, sizeof *cuts);
}

static void cuts_push(cutter *c, tfc_cuts *cuts, size_t end)
{
    if (cuts->n == cuts->capacity) {
        size_t capacity = cuts->capacity ? cuts->capacity * 2 : 16;
        size_t *ends = tfc_realloc(cuts->ends, capacity, sizeof *ends);
        if (!ends) {
            c->status = tfc_fail_memory(c->err, "snippets");
            return;
        }
        cuts->ends = ends;
        cuts->capacity = capacity;
    }
    cuts->ends[cuts->n++] = end;
}

static int64_t count_tokens(cutter *c, size_t begin, size_t end)
{
    int32_t *ids;
    int64_t n;
    if (c->status != TFC_OK) return 0;
    c->status = tfc_tokenize(c->tokenizer, c->text + begin, end - begin, 0, &ids, &n, c->err);
    if (c->status != TFC_OK) return 0;
    tfc_ids_free(ids);
    return n;
}

static void units_push(cutter *c, size_t begin, size_t end, int64_t n_tokens)
{
    if (c->status != TFC_OK) return;
    if (c->n_units == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 64;
        unit *units = tfc_realloc(c->units, capacity, sizeof *units);
        if (!units) {
            c->status = tfc_fail_memory(c->err, "snippets");
            return;
        }
        c->units = units;
        c->capacity = capacity;
    }
    c->units[c->n_units++] = (unit){begin, end, n_tokens};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Each of these gives where the piece that begins at `at` ends, with the separators after it. */

static size_t line_end(const char *text, size_t at, size_t end)
{
    const char *newline = memchr(text + at, '\n', end - at);
    return newline ? (size_t)(newline - text) + 1 : end;
}

static bool line_is_blank(const char *text, size_t at, size_t end)
{
    while (at < end && is_space(text[at])) at++;
    return at == end;
}

static size_t paragraph_end(const char *text, size_t at, size_t end)
{
    bool words = false;
    while (at < end) {
        size_t next = line_end(text, at, end);
        if (line_is_blank(text, at, next) && words) { /* takes all blank lines along */
            while (next < end && line_is_blank(text, next, line_end(text, next, end)))
                next = line_end(text, next, end);
            return next;
        }
        words |= !line_is_blank(text, at, next);
        at = next;
    }
    return end;
}

/* After . ! ? with what closes them, and blanks; after the full-width ones without. */
static size_t sentence_end(const char *text, size_t at, size_t end)
{
    static const char *const wide[] = {"。", "！", "？"};
    for (; at < end; at++) {
        for (size_t i = 0; i < 3; i++)
            if (end - at >= 3 && memcmp(text + at, wide[i], 3) == 0) return at + 3;
        if (text[at] != '.' && text[at] != '!' && text[at] != '?') continue;
        size_t next = at + 1;
        while (next < end &&
               (text[next] == '"' || text[next] == '\'' || text[next] == ')' || text[next] == ']'))
            next++;
        if (next == end || !is_space(text[next])) continue;
        while (next < end && is_space(text[next])) next++;
        return next;
    }
    return end;
}

static size_t boundary_before(const char *text, size_t begin, size_t at)
{
    while (at > begin && ((unsigned char)text[at] & 0xC0) == 0x80) at--;
    return at;
}

/* As much from `begin` on as max_tokens tokens hold: the length grows until it is too much, then is halved
 * into. At least one character. Where a blank stands in its second half, it ends after the last one. */
static size_t stretch_end(cutter *c, size_t begin, size_t end)
{
    size_t fits = begin, over = end + 1; /* [begin, fits) fits, [begin, over) does not */
    size_t step = (size_t)c->max_tokens * 4;
    while (fits < end && c->status == TFC_OK) {
        size_t next = over == end + 1 ? (end - fits < step ? end : fits + step) : fits + (over - fits) / 2;
        if (next < end) next = boundary_before(c->text, fits, next);
        if (next <= fits) break;
        if (count_tokens(c, begin, next) <= c->max_tokens)
            fits = next;
        else
            over = next;
        step *= 2;
    }
    if (fits == begin) return begin + tfc_utf8_length(c->text + begin, end - begin);
    if (fits == end) return end;
    for (size_t at = fits; at > begin + (fits - begin) / 2; at--)
        if (is_space(c->text[at - 1])) return count_tokens(c, begin, at) <= c->max_tokens ? at : fits;
    return fits;
}

typedef size_t end_function(const char *text, size_t at, size_t end);
static end_function *const levels[] = {paragraph_end, line_end, sentence_end};
enum { N_LEVELS = sizeof levels / sizeof *levels };

static void add_units(cutter *c, size_t begin, size_t end, int level)
{
    while (begin < end && c->status == TFC_OK) {
        size_t next = level < N_LEVELS ? levels[level](c->text, begin, end) : stretch_end(c, begin, end);
        /* Counting a text of megabytes to learn that it is too long is no use: no token has 512 bytes on
         * average. */
        bool long_text = level < N_LEVELS && (next - begin) / 512 > (size_t)c->max_tokens;
        int64_t n_tokens = long_text ? INT64_MAX : count_tokens(c, begin, next);
        if (n_tokens <= c->max_tokens || level == N_LEVELS)
            units_push(c, begin, next, n_tokens);
        else
            add_units(c, begin, next, level + 1);
        begin = next;
    }
}

static void pack_units(cutter *c, tfc_cuts *cuts)
{
    for (size_t first = 0; first < c->n_units && c->status == TFC_OK;) {
        size_t last = first; /* the snippet is units first … last */
        int64_t n_tokens = c->units[first].n_tokens;
        bool counted = true;
        while (last + 1 < c->n_units) {
            int64_t sum = n_tokens + c->units[last + 1].n_tokens;
            bool count_now = sum > c->max_tokens;
            if (count_now) sum = count_tokens(c, c->units[first].begin, c->units[last + 1].end);
            if (sum > c->max_tokens) break;
            n_tokens = sum;
            counted = count_now;
            last++;
        }
        while (!counted && last > first && c->status == TFC_OK &&
               count_tokens(c, c->units[first].begin, c->units[last].end) > c->max_tokens)
            last--;
        cuts_push(c, cuts, c->units[last].end);
        first = last + 1;
    }
}

tfc_status tfc_snippets_cut(const tfc_tokenizer *tokenizer, const char *text, size_t n, int64_t max_tokens,
                            tfc_cuts *cuts, tfc_error *err)
{
    cutter c = {.tokenizer = tokenizer, .text = text, .max_tokens = max_tokens, .err = err};
    cuts->n = 0;
    if (n == 0) return TFC_OK;
    if (max_tokens == 0) {
        cuts_push(&c, cuts, n);
        return c.status;
    }
    if (max_tokens < 0 || max_tokens > 1 << 24)
        return tfc_fail(err, TFC_EINVAL, "snippets of %lld tokens", (long long)max_tokens);
    add_units(&c, 0, n, 0);
    pack_units(&c, cuts);
    tfc_free(c.units);
    return c.status;
}
