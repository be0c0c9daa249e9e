/* Mode files: `lt-proc 'a.bin' | apertium-tagger -g $2 'b.prob' | …`. */
#include "tools/mode_file.h"

enum { WORDS_MAX = 16 };

/* Those that take -z: they write the answer out at a NUL and go on. */
static const char *const programs[] = {
    "lt-proc",  "apertium-tagger",   "apertium-pretransfer", "apertium-posttransfer", "lrx-proc",
    "lsx-proc", "apertium-transfer", "apertium-interchunk",  "apertium-postchunk",    "apertium-anaphora",
    "cg-proc",  "rtx-proc",
};

typedef struct mode_reader {
    const char *text;
    size_t n, at;
    bool marks;
    tfc_arena *arena;
    tfc_mode *mode;
    tfc_error *err;
} mode_reader;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char peek(const mode_reader *r)
{
    return r->at < r->n ? r->text[r->at] : '\0';
}

static void skip_blanks(mode_reader *r)
{
    while (is_blank(peek(r))) r->at++;
}

/* `'…'` or `"…"`, without what a shell would put into the latter. */
static tfc_status read_quoted(mode_reader *r, tfc_buffer *word)
{
    char quote = r->text[r->at++];
    const char *end = memchr(r->text + r->at, quote, r->n - r->at);
    if (!end) return tfc_fail(r->err, TFC_EFORMAT, "byte %zu: the quote is not closed", r->at - 1);
    size_t length = (size_t)(end - r->text) - r->at;
    if (quote == '"' && (memchr(r->text + r->at, '$', length) || memchr(r->text + r->at, '`', length) ||
                         memchr(r->text + r->at, '\\', length)))
        return tfc_fail(r->err, TFC_EUNSUPPORTED, "byte %zu: only plain text may stand in \"…\"", r->at);
    tfc_buffer_append(word, r->text + r->at, length);
    r->at += length + 1;
    return TFC_OK;
}

/* $1 is how unknown words come out of the generator, $2 what the tagger is told beside: nothing. */
static tfc_status read_parameter(mode_reader *r, tfc_buffer *word)
{
    char name = r->at + 1 < r->n ? r->text[r->at + 1] : '\0';
    if (name != '1' && name != '2')
        return tfc_fail(r->err, TFC_EUNSUPPORTED, "byte %zu: $1 or $2 expected", r->at);
    if (name == '1') tfc_buffer_puts(word, r->marks ? "-g" : "-n");
    r->at += 2;
    return TFC_OK;
}

/* One word up to a blank or a `|`; *out NULL when it is empty. */
static tfc_status read_word(mode_reader *r, char **out)
{
    tfc_buffer word;
    tfc_buffer_init(&word, TFC_MODE_BYTES_MAX);
    tfc_status status = TFC_OK;
    *out = NULL;
    while (status == TFC_OK && r->at < r->n && peek(r) != '|' && !is_blank(peek(r))) {
        char c = peek(r);
        if (c == '\'' || c == '"') {
            status = read_quoted(r, &word);
        } else if (c == '$') {
            status = read_parameter(r, &word);
        } else if ((unsigned char)c < 0x20 || c == 0x7F || strchr(";&<>`(){}*?\\~#!", c)) {
            status =
                tfc_fail(r->err, TFC_EUNSUPPORTED, "byte %zu: '%c' is for a shell, which reads none of this",
                         r->at, (unsigned char)c < 0x20 || c == 0x7F ? '?' : c);
        } else {
            tfc_buffer_putc(&word, c);
            r->at++;
        }
    }
    if (status == TFC_OK) status = tfc_buffer_ok(&word, "word", r->err);
    if (status == TFC_OK && word.n > 0) {
        *out = tfc_arena_strndup(r->arena, word.data, word.n);
        if (!*out) status = tfc_fail_memory(r->err, "mode file");
    }
    tfc_buffer_release(&word);
    return status;
}

static tfc_status check_program(mode_reader *r, const char *name)
{
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (strcmp(programs[i], name) == 0) return TFC_OK;
    return tfc_fail(r->err, TFC_EUNSUPPORTED,
                    "the program '%.80s' is not one of Apertium's that can end an answer at a NUL", name);
}

/* A program with its words, up to the `|` or the end. */
static tfc_status read_stage(mode_reader *r)
{
    tfc_mode *mode = r->mode;
    if (mode->n_stages == TFC_MODE_STAGES_MAX)
        return tfc_fail(r->err, TFC_ELIMIT, "more than %d programs", TFC_MODE_STAGES_MAX);
    char **words = tfc_arena_alloc(r->arena, WORDS_MAX + 3, sizeof *words), *word;
    if (!words) return tfc_fail_memory(r->err, "mode file");
    size_t count = 0;
    for (skip_blanks(r); r->at < r->n && peek(r) != '|'; skip_blanks(r)) {
        tfc_status status = read_word(r, &word);
        if (status == TFC_OK && word && count == 0) status = check_program(r, word);
        if (status != TFC_OK) return status;
        if (!word) continue;
        if (count == WORDS_MAX) return tfc_fail(r->err, TFC_ELIMIT, "byte %zu: too many words", r->at);
        words[count++] = word;
        if (count == 1 && !(words[count++] = tfc_arena_strndup(r->arena, "-z", 2)))
            return tfc_fail_memory(r->err, "mode file");
    }
    if (count == 0) return tfc_fail(r->err, TFC_EFORMAT, "byte %zu: a program is missing", r->at);
    mode->stages[mode->n_stages++] = words;
    return TFC_OK;
}

tfc_status tfc_mode_read(const char *text, size_t n, bool marks, tfc_arena *arena, tfc_mode *mode,
                         tfc_error *err)
{
    if (n > TFC_MODE_BYTES_MAX)
        return tfc_fail(err, TFC_ELIMIT, "a mode file of more than %d bytes", TFC_MODE_BYTES_MAX);
    mode_reader r = {.text = text, .n = n, .marks = marks, .arena = arena, .mode = mode, .err = err};
    tfc_status status = read_stage(&r);
    while (status == TFC_OK && peek(&r) == '|') {
        r.at++;
        status = read_stage(&r);
    }
    return status;
}
