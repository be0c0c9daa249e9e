/* Scorers. The same outputs score 8 % or 54 % by the scorer alone (PAPER section 5.10), so each rule is
 * spelled out. */
#include <stdlib.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "eval/scorers.h"
#include "toolformer/eval.h"

/* Where the equation that holds the number ends its left side: the byte of its `=`; n when it is in none. */
static size_t equation_sign(const char *text, size_t n, size_t from)
{
    for (size_t i = from; i < n; i++) {
        if (text[i] == '=') return i;
        if (!strchr("0123456789.,%$ +-*/x()", text[i])) return n;
    }
    return n;
}

bool tfc_predicted_number(const char *output, size_t n, size_t *begin, size_t *end)
{
    tfc_number number;
    if (!tfc_number_scan(output, n, 0, &number)) return false;
    size_t equals = equation_sign(output, n, number.end);
    if (equals < n) {
        tfc_number after;
        if (tfc_number_scan(output, n, equals + 1, &after)) number = after;
    }
    *begin = number.begin;
    *end = number.end;
    return true;
}

/* Two numbers as written have one value: 1,938 = 1938 = 1938.00. */
static bool same_value(const tfc_number *a, const tfc_number *b)
{
    __int128 x = a->mantissa, y = b->mantissa;
    for (int i = a->scale; i < b->scale; i++) x *= 10;
    for (int i = b->scale; i < a->scale; i++) y *= 10;
    return x == y;
}

static bool whole_number(const char *text, tfc_number *number)
{
    size_t n = strlen(text);
    if (!tfc_number_scan(text, n, 0, number)) return false;
    for (size_t i = 0; i < number->begin; i++)
        if (text[i] != ' ' && text[i] != '$') return false;
    for (size_t i = number->end; i < n; i++)
        if (text[i] != ' ' && text[i] != '.' && text[i] != '%') return false;
    return true;
}

/* A word's digits alone, where it is a number with thousands commas or an ordinal (1,461; 15th). */
static size_t numeral(const char *word, size_t n, char out[32])
{
    static const char *const endings[] = {"st", "nd", "rd", "th"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (n > 2 && word[n - 3] >= '0' && word[n - 3] <= '9' && memcmp(word + n - 2, endings[i], 2) == 0) {
            n -= 2;
            break;
        }
    size_t n_out = 0;
    for (size_t i = 0; i < n; i++) {
        bool digit = word[i] >= '0' && word[i] <= '9';
        if ((!digit && word[i] != ',') || n_out >= 31) return 0;
        if (digit) out[n_out++] = word[i];
    }
    return n_out;
}

static void put_word(tfc_buffer *words, const char *a, const char *b, bool numerals)
{
    while (a < b && strchr(".,;:!?\"'()[]{}", *a)) a++;
    while (b > a && strchr(".,;:!?\"'()[]{}", b[-1])) b--;
    if (b == a) return;
    char digits[32];
    size_t n = numerals ? numeral(a, (size_t)(b - a), digits) : 0;
    if (n > 0)
        tfc_buffer_append(words, digits, n);
    else
        tfc_buffer_append(words, a, (size_t)(b - a));
    tfc_buffer_putc(words, ' ');
}

char *tfc_normal_words(const char *text, int max_words, bool numerals)
{
    static const char blanks[] = " \t\r\n";
    utf8proc_uint8_t *lower = NULL;
    if (utf8proc_map((const utf8proc_uint8_t *)text, 0, &lower,
                     UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD) < 0)
        return NULL;
    tfc_buffer words;
    tfc_buffer_init(&words, 0);
    tfc_buffer_putc(&words, ' ');
    const char *p = (const char *)lower;
    for (int w = 0; max_words == 0 || w < max_words; w++) {
        p += strspn(p, blanks);
        size_t n = strcspn(p, blanks);
        if (n == 0) break;
        put_word(&words, p, p + n, numerals);
        p += n;
    }
    free(lower);
    char *result = words.failed ? NULL : tfc_buffer_take(&words, NULL);
    tfc_buffer_release(&words);
    return result;
}

bool tfc_answer_correct(const char *output, const char *gold, char **prediction)
{
    tfc_number expected, predicted;
    if (prediction) *prediction = NULL;
    if (whole_number(gold, &expected)) {
        size_t begin, end;
        if (!tfc_predicted_number(output, strlen(output), &begin, &end)) return false;
        if (prediction) *prediction = tfc_memdup_text(output + begin, end - begin);
        return tfc_number_scan(output, strlen(output), begin, &predicted) &&
               same_value(&expected, &predicted);
    }
    char *said = tfc_normal_words(output, TFC_ANSWER_WORDS, false),
         *wanted = tfc_normal_words(gold, 0, false);
    bool correct = said && wanted && strlen(wanted) > 1 && strstr(said, wanted) != NULL;
    if (prediction && said) {
        size_t n = strlen(said);
        *prediction = n > 1 ? tfc_memdup_text(said + 1, n - 2) : tfc_strdup("");
    }
    tfc_free(said);
    tfc_free(wanted);
    return correct;
}
