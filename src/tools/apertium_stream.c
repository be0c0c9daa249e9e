/* Apertium's stream format: what it treats as markup is escaped, and what is no text stands in brackets and
 * goes through unchanged. A request ends with a full stop of our own, so that the tagger sees the sentence
 * end, and a nonce in brackets that has to come back at the end of its answer. */
#include <stdio.h>

#include "tools/apertium.h"

static const char sentence_end[] = ".[]";

void tfc_apertium_request(const char *text, size_t n, const char *nonce, tfc_buffer *out)
{
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if ((unsigned char)c < 0x20 || c == 0x7F) c = ' ';
        if (strchr("\\[]{}^$/@<>", c)) tfc_buffer_putc(out, '\\');
        tfc_buffer_putc(out, c);
    }
    tfc_buffer_printf(out, "%s[%s]", sentence_end, nonce);
}

static bool is_word_byte(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (unsigned char)c >= 0x80;
}

static size_t without_end(const char *answer, size_t n, const char *end)
{
    size_t length = strlen(end);
    return n >= length && memcmp(answer + n - length, end, length) == 0 ? n - length : n;
}

static size_t without_blanks(const char *answer, size_t n)
{
    while (n > 0 && strchr(" \t\r\n", answer[n - 1])) n--;
    return n;
}

/* *word: unknown to the dictionary; @word: without a translation; #word: could not be inflected. */
static bool is_mark(const char *answer, size_t n, size_t i)
{
    return strchr("*@#", answer[i]) && i + 1 < n && is_word_byte(answer[i + 1]) &&
           (i == 0 || !is_word_byte(answer[i - 1]));
}

static void put_clean(const char *answer, size_t n, tfc_buffer *text, tfc_translation *out)
{
    bool inside = false;
    for (size_t i = 0; i < n; i++) {
        char c = answer[i];
        if (c == '\0') continue;
        if (c == '[') {
            const char *close = memchr(answer + i, ']', n - i);
            i = close ? (size_t)(close - answer) : n;
            continue;
        }
        if (is_mark(answer, n, i)) {
            out->n_unknown += c != '#';
            continue;
        }
        if (c == '\\' && i + 1 < n) c = answer[++i];
        if (c == ' ' && text->n > 0 && text->data[text->n - 1] == ' ') continue;
        bool word = is_word_byte(c);
        out->n_words += word && !inside;
        inside = word;
        tfc_buffer_putc(text, c);
    }
}

tfc_status tfc_apertium_answer(const char *answer, size_t n, const char *nonce, tfc_translation *out,
                               tfc_error *err)
{
    char end[80];
    snprintf(end, sizeof end, "[%s]", nonce);
    *out = (tfc_translation){0};
    size_t kept = without_blanks(answer, n), after = without_end(answer, kept, end);
    if (after == kept) return tfc_fail(err, TFC_EIO, "the answer is another request's");
    kept = without_end(answer, without_blanks(answer, after), sentence_end);
    tfc_buffer text;
    tfc_buffer_init(&text, 1 << 20);
    tfc_buffer_puts(&text, "");
    put_clean(answer, kept, &text, out);
    tfc_status status = tfc_buffer_ok(&text, "translation", err);
    if (status == TFC_OK && !text.data) status = tfc_fail_memory(err, "translation");
    if (status == TFC_OK) out->text = tfc_buffer_take(&text, NULL);
    tfc_buffer_release(&text);
    return status;
}
