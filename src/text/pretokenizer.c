/* Splits by PCRE2 patterns, compiled once with JIT. A thread's matches have their own match data.
 *
 * The patterns come from tokenizers that are run by Oniguruma; \s there is Unicode's White_Space, which
 * PCRE2's \s misses by one character (U+180E), so it is written out. A pattern comes from a file: its work
 * per match is limited. */
#include "text/pretokenizer.h"

#define ENDINGS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORDS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define REST "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

const char tfc_pattern_gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const char tfc_pattern_digits[] = "\\p{N}";
static const char pattern_llama3[] = ENDINGS WORDS "|\\p{N}{1,3}" REST;
static const char pattern_qwen2[] = ENDINGS WORDS "|\\p{N}" REST;

/* What GGUF calls a pre-tokenizer. The first name of equal steps is the one that is written. */
static const struct named_steps {
    const char *name, *patterns[4];
    bool ignore_merges, nfc;
} named_steps[] = {
    {"gpt-2", {tfc_pattern_gpt2}, false, false},
    {"smollm", {tfc_pattern_digits, tfc_pattern_gpt2}, false, false},
    {"llama-bpe", {pattern_llama3}, true, false},
    {"qwen2", {pattern_qwen2}, false, true},
    {"default", {"[\\p{P}\\$\\+<=>\\^~\\|]+", tfc_pattern_gpt2, "\\p{N}+", "[0-9][0-9][0-9]"}, false, false},
    {"starcoder", {tfc_pattern_digits, tfc_pattern_gpt2}, false, false},
    {"olmo", {tfc_pattern_gpt2}, false, false},
    {"phi-2", {tfc_pattern_gpt2}, false, false},
    {"mpt", {tfc_pattern_gpt2}, false, false},
};
enum { N_NAMED = sizeof named_steps / sizeof *named_steps };

void tfc_pretokenizer_release(tfc_pretokenizer *pre)
{
    for (int i = 0; i < pre->n_steps; i++) {
        tfc_free(pre->steps[i].pattern);
        pcre2_code_free(pre->steps[i].code);
    }
    memset(pre, 0, sizeof *pre);
}

static tfc_split *step_new(tfc_pretokenizer *pre, tfc_error *err)
{
    if (pre->n_steps == TFC_SPLITS_MAX) {
        tfc_fail(err, TFC_EUNSUPPORTED, "pre_tokenizer: more than %d steps", TFC_SPLITS_MAX);
        return NULL;
    }
    tfc_split *step = &pre->steps[pre->n_steps];
    memset(step, 0, sizeof *step);
    return step;
}

tfc_status tfc_pretokenizer_add_prefix_space(tfc_pretokenizer *pre, tfc_error *err)
{
    tfc_split *step = step_new(pre, err);
    if (!step) return TFC_EUNSUPPORTED;
    step->prefix_space = true;
    pre->n_steps++;
    return TFC_OK;
}

/* \s and \S by Unicode's property, everything else as it stands. */
static bool translate_pattern(tfc_buffer *out, const char *pattern, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (pattern[i] == '\\' && i + 1 < n) {
            char c = pattern[++i];
            if (c == 's' || c == 'S')
                tfc_buffer_puts(out, c == 's' ? "\\p{White_Space}" : "\\P{White_Space}");
            else
                tfc_buffer_append(out, pattern + i - 1, 2);
        } else {
            tfc_buffer_putc(out, pattern[i]);
        }
    }
    return !out->failed;
}

static tfc_status compile(tfc_split *step, const char *pattern, size_t n, tfc_error *err)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 1 << 20);
    bool made =
        step->literal ? tfc_buffer_append(&buffer, pattern, n) : translate_pattern(&buffer, pattern, n);
    if (!made) {
        tfc_status status = tfc_buffer_ok(&buffer, "pre_tokenizer: pattern", err);
        tfc_buffer_release(&buffer);
        return status;
    }
    int code = 0;
    PCRE2_SIZE at = 0;
    uint32_t options = PCRE2_UTF | (step->literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C);
    step->code = pcre2_compile((PCRE2_SPTR)buffer.data, buffer.n, options, &code, &at, NULL);
    tfc_buffer_release(&buffer);
    if (!step->code) {
        PCRE2_UCHAR reason[160] = "";
        pcre2_get_error_message(code, reason, sizeof reason);
        return tfc_fail(err, TFC_EUNSUPPORTED, "pre_tokenizer: unsupported pattern '%.*s': %s",
                        n > 120 ? 120 : (int)n, pattern, (const char *)reason);
    }
    pcre2_jit_compile(step->code, PCRE2_JIT_COMPLETE); /* without it, matching is slower, not wrong */
    return TFC_OK;
}

tfc_status tfc_pretokenizer_add(tfc_pretokenizer *pre, const char *pattern, size_t n, bool literal,
                                bool invert, tfc_split_behavior behavior, tfc_error *err)
{
    tfc_split *step = step_new(pre, err);
    if (!step) return TFC_EUNSUPPORTED;
    if (n == 0 || memchr(pattern, 0, n))
        return tfc_fail(err, TFC_EUNSUPPORTED,
                        "pre_tokenizer: unsupported pattern: empty, or with a NUL byte");
    step->literal = literal;
    step->invert = invert;
    step->behavior = behavior;
    tfc_status status = compile(step, pattern, n, err);
    if (status != TFC_OK) return status;
    step->pattern = tfc_memdup_text(pattern, n);
    if (!step->pattern) {
        pcre2_code_free(step->code);
        return tfc_fail_memory(err, "pre_tokenizer");
    }
    pre->n_steps++;
    return TFC_OK;
}

tfc_status tfc_pretokenizer_named(tfc_pretokenizer *pre, const char *name, size_t n, bool *ignore_merges,
                                  bool *nfc, tfc_error *err)
{
    for (int i = 0; i < N_NAMED; i++) {
        const struct named_steps *named = &named_steps[i];
        if (strlen(named->name) != n || memcmp(named->name, name, n) != 0) continue;
        *ignore_merges = named->ignore_merges;
        *nfc = named->nfc;
        tfc_status status = TFC_OK;
        for (int j = 0; j < 4 && named->patterns[j] && status == TFC_OK; j++)
            status = tfc_pretokenizer_add(pre, named->patterns[j], strlen(named->patterns[j]), false, false,
                                          TFC_SPLIT_ISOLATED, err);
        return status;
    }
    return tfc_fail(
        err, TFC_EUNSUPPORTED,
        "unsupported tokenizer.ggml.pre '%.*s'; supported: gpt-2, smollm, llama-bpe, qwen2, default, "
        "starcoder, olmo, phi-2, mpt",
        n > 80 ? 80 : (int)n, name);
}

static bool steps_are(const tfc_pretokenizer *pre, const struct named_steps *named)
{
    int n = 0;
    while (n < 4 && named->patterns[n]) n++;
    if (pre->n_steps != n) return false;
    for (int i = 0; i < n; i++) {
        const tfc_split *step = &pre->steps[i];
        if (step->prefix_space || step->literal || step->invert || step->behavior != TFC_SPLIT_ISOLATED ||
            strcmp(step->pattern, named->patterns[i]) != 0)
            return false;
    }
    return true;
}

const char *tfc_pretokenizer_name(const tfc_pretokenizer *pre)
{
    for (int i = 0; i < N_NAMED; i++)
        if (steps_are(pre, &named_steps[i])) return named_steps[i].name;
    return NULL;
}

void tfc_pieces_release(tfc_pieces *pieces)
{
    tfc_free(pieces->owned);
    tfc_free(pieces->spans);
    memset(pieces, 0, sizeof *pieces);
}

static tfc_status pieces_push(tfc_pieces *pieces, size_t begin, size_t end, tfc_error *err)
{
    if (begin == end) return TFC_OK;
    if (pieces->n == pieces->capacity) {
        size_t capacity = pieces->capacity ? pieces->capacity * 2 : 256;
        tfc_span *spans = tfc_realloc(pieces->spans, capacity, sizeof *spans);
        if (!spans) return tfc_fail_memory(err, "pieces of text");
        pieces->spans = spans;
        pieces->capacity = capacity;
    }
    pieces->spans[pieces->n++] = (tfc_span){begin, end};
    return TFC_OK;
}

/* What one split needs while it runs over the pieces of a text. */
typedef struct splitter {
    const tfc_split *step;
    pcre2_match_data *data;
    pcre2_match_context *limits;
    tfc_pieces *out;
    bool joins; /* CONTIGUOUS: the last piece pushed was of the same sort and may grow */
    bool last_is_match;
} splitter;

static tfc_status splitter_push(splitter *s, size_t begin, size_t end, bool is_match, tfc_error *err)
{
    if (begin == end) return TFC_OK;
    is_match ^= s->step->invert;
    if (is_match && s->step->behavior == TFC_SPLIT_REMOVED) return TFC_OK;
    if (s->step->behavior == TFC_SPLIT_CONTIGUOUS && s->joins && s->last_is_match == is_match) {
        s->out->spans[s->out->n - 1].end = end;
        return TFC_OK;
    }
    s->joins = true;
    s->last_is_match = is_match;
    return pieces_push(s->out, begin, end, err);
}

/* The first match in text[n] at or after `from`. */
static tfc_status next_match(splitter *s, const char *text, size_t n, size_t from, tfc_span *match,
                             bool *found, tfc_error *err)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    int rc = pcre2_match(s->step->code, subject, n, from, PCRE2_NO_UTF_CHECK, s->data, s->limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(s->step->code, subject, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, s->data,
                         s->limits);
    *found = rc >= 0;
    if (rc == PCRE2_ERROR_NOMATCH) return TFC_OK;
    if (rc < 0) {
        PCRE2_UCHAR reason[160] = "";
        pcre2_get_error_message(rc, reason, sizeof reason);
        return tfc_fail(err, rc == PCRE2_ERROR_NOMEMORY ? TFC_ENOMEM : TFC_ELIMIT,
                        "pre_tokenizer: pattern '%.120s': %s", s->step->pattern, (const char *)reason);
    }
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(s->data);
    if (bounds[0] < from || bounds[1] < bounds[0] || bounds[1] > n)
        return tfc_fail(err, TFC_EUNSUPPORTED, "pre_tokenizer: pattern '%.120s' matches backwards",
                        s->step->pattern);
    *match = (tfc_span){bounds[0], bounds[1]};
    return TFC_OK;
}

/* Splits the piece `span`. An empty match cuts nothing: it is stepped over by one character. */
static tfc_status split_piece(splitter *s, const char *text, tfc_span span, tfc_error *err)
{
    const char *piece = text + span.begin;
    size_t n = span.end - span.begin, done = 0, from = 0;
    s->joins = false;
    while (from < n) {
        tfc_span match = {0, 0};
        bool found;
        tfc_status status = next_match(s, piece, n, from, &match, &found, err);
        if (status != TFC_OK) return status;
        if (!found) break;
        if (match.begin == match.end) {
            for (from = match.end + 1; from < n && ((unsigned char)piece[from] & 0xC0) == 0x80;) from++;
            continue;
        }
        status = splitter_push(s, span.begin + done, span.begin + match.begin, false, err);
        if (status == TFC_OK)
            status = splitter_push(s, span.begin + match.begin, span.begin + match.end, true, err);
        if (status != TFC_OK) return status;
        done = from = match.end;
    }
    return splitter_push(s, span.begin + done, span.end, false, err);
}

/* Each step reads `in` and fills `out`. */
static tfc_status run_split(const tfc_split *step, const tfc_pieces *in, tfc_pieces *out, tfc_error *err)
{
    splitter s = {.step = step, .out = out};
    s.data = pcre2_match_data_create(1, NULL);
    s.limits = pcre2_match_context_create(NULL);
    tfc_status status = TFC_OK;
    if (!s.data || !s.limits) status = tfc_fail_memory(err, "pre_tokenizer");
    if (status == TFC_OK) {
        pcre2_set_match_limit(s.limits, 10000000);
        pcre2_set_heap_limit(s.limits, 64 * 1024); /* KiB */
    }
    for (size_t i = 0; i < in->n && status == TFC_OK; i++)
        status = split_piece(&s, in->text, in->spans[i], err);
    pcre2_match_data_free(s.data);
    pcre2_match_context_free(s.limits);
    return status;
}

static tfc_status run_prefix_space(const tfc_pieces *in, tfc_pieces *out, tfc_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < in->n; i++) total += in->spans[i].end - in->spans[i].begin + 1;
    char *text = tfc_alloc(total, 1);
    if (!text) return tfc_fail_memory(err, "pieces of text");
    tfc_free(out->owned);
    out->text = out->owned = text;
    size_t at = 0;
    for (size_t i = 0; i < in->n; i++) {
        size_t begin = at, n = in->spans[i].end - in->spans[i].begin;
        const char *piece = in->text + in->spans[i].begin;
        if (piece[0] != ' ') text[at++] = ' ';
        memcpy(text + at, piece, n);
        at += n;
        tfc_status status = pieces_push(out, begin, at, err);
        if (status != TFC_OK) return status;
    }
    return TFC_OK;
}

tfc_status tfc_pretokenizer_run(const tfc_pretokenizer *pre, const char *text, size_t n, tfc_pieces *pieces,
                                tfc_error *err)
{
    pieces->text = text;
    pieces->n = 0;
    tfc_status status = pieces_push(pieces, 0, n, err);
    tfc_pieces other = {0};
    for (int i = 0; i < pre->n_steps && status == TFC_OK; i++) {
        const tfc_split *step = &pre->steps[i];
        other.n = 0;
        other.text = pieces->text;
        status =
            step->prefix_space ? run_prefix_space(pieces, &other, err) : run_split(step, pieces, &other, err);
        if (!step->prefix_space) { /* the text that the pieces lie in stays */
            char *owned = other.owned;
            other.owned = pieces->owned;
            pieces->owned = owned;
        }
        tfc_pieces swap = *pieces;
        *pieces = other;
        other = swap;
    }
    tfc_pieces_release(&other);
    return status;
}
