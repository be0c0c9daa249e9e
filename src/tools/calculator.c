/* The Calculator (PAPER 2.3, 7): exact fractions, a parser that refuses what it does not know, one rounding
 * at the end. Nothing of the text is ever handed to an interpreter.
 *
 *     sum     = product (('+' | '-') product)*           left to right: 2-3-4 = -5, 8/2/2 = 2
 *     product = signed (('*' | '/') signed)*
 *     signed  = ('-' | '+')* value '%'?
 *     value   = number | '(' sum ')'
 */
#include <stdio.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tools/tool.h"
#include "tools/wide_rational.h"

enum { EXPRESSION_BYTES_MAX = 1000, DEPTH_MAX = 64, SHOWN_BYTES_MAX = 80 };
/* Common factors are divided out so often: enough for a thousand bytes of decimals, a bound for what is made
 * to take long. */
enum { REDUCTIONS_MAX = 6 };

typedef struct reader {
    const char *text;
    size_t n, at;
    int depth, reductions;
    tfc_error *err;
} reader;

__attribute__((format(printf, 2, 3))) static bool refuse(reader *r, const char *format, ...)
{
    char reason[160];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    char shown[SHOWN_BYTES_MAX + 1];
    size_t n = r->n < SHOWN_BYTES_MAX ? r->n : SHOWN_BYTES_MAX;
    while (!tfc_utf8_boundary(r->text, r->n, n)) n--;
    for (size_t i = 0; i < n; i++) shown[i] = (unsigned char)r->text[i] < 0x20 ? '?' : r->text[i];
    shown[n] = '\0';
    tfc_fail(r->err, TFC_ENORESULT, "no result for '%s%s': %s", shown, n < r->n ? "…" : "", reason);
    return false;
}

static bool refuse_size(reader *r)
{
    return refuse(r, "number too large");
}

static void skip_blanks(reader *r)
{
    while (r->at < r->n && (r->text[r->at] == ' ' || r->text[r->at] == '\t')) r->at++;
}

static bool is_digit(const reader *r, size_t at)
{
    return at < r->n && r->text[at] >= '0' && r->text[at] <= '9';
}

/* The op that comes next, in ASCII, and its bytes; 0 for any other character or the end. */
static char peek_operator(reader *r, size_t *bytes)
{
    static const struct {
        const char *text;
        char op;
    } operators[] = {
        {"+", '+'},        {"-", '-'}, {"\xE2\x88\x92", '-'}, {"*", '*'}, {"x", '*'}, {"X", '*'},
        {"\xC3\x97", '*'}, {"/", '/'}, {"\xC3\xB7", '/'},
    };
    skip_blanks(r);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        *bytes = strlen(operators[i].text);
        if (r->n - r->at >= *bytes && memcmp(r->text + r->at, operators[i].text, *bytes) == 0)
            return operators[i].op;
    }
    return 0;
}

static bool read_digit(reader *r, tfc_wide *mantissa)
{
    return tfc_wide_multiply_small(mantissa, 10, (uint64_t)(r->text[r->at++] - '0')) || refuse_size(r);
}

/* 1400  1,400  3.5  .5 */
static bool read_number(reader *r, tfc_wide_rational *out)
{
    size_t begin = r->at;
    *out = (tfc_wide_rational){.den = tfc_wide_of(1)};
    while (is_digit(r, r->at))
        if (!read_digit(r, &out->num)) return false;
    if (r->at < r->n && r->text[r->at] == ',') {
        if (r->at - begin > 3 || r->at == begin || r->text[begin] == '0')
            return refuse(r, "comma at byte %zu is no thousands comma", r->at);
        while (r->at < r->n && r->text[r->at] == ',') {
            size_t group = r->at + 1;
            if (!is_digit(r, group) || !is_digit(r, group + 1) || !is_digit(r, group + 2) ||
                is_digit(r, group + 3))
                return refuse(r, "comma at byte %zu is no thousands comma", r->at);
            for (r->at = group; r->at < group + 3;)
                if (!read_digit(r, &out->num)) return false;
        }
    }
    if (r->at < r->n && r->text[r->at] == '.') {
        if (!is_digit(r, ++r->at)) return refuse(r, "digit expected at byte %zu", r->at);
        while (is_digit(r, r->at)) {
            if (!read_digit(r, &out->num)) return false;
            if (!tfc_wide_multiply_small(&out->den, 10, 0)) return refuse_size(r);
        }
    }
    return true;
}

static bool read_sum(reader *r, tfc_wide_rational *out);

static bool read_value(reader *r, tfc_wide_rational *out)
{
    skip_blanks(r);
    if (r->at >= r->n) return refuse(r, r->n ? "it ends where a number is expected" : "it is empty");
    if (is_digit(r, r->at) || r->text[r->at] == '.') return read_number(r, out);
    if (r->text[r->at] != '(') return refuse(r, "number expected at byte %zu", r->at);
    if (++r->depth > DEPTH_MAX) return refuse(r, "parentheses nest deeper than %d", DEPTH_MAX);
    r->at++;
    if (!read_sum(r, out)) return false;
    skip_blanks(r);
    if (r->at >= r->n || r->text[r->at] != ')') return refuse(r, "')' expected at byte %zu", r->at);
    r->at++;
    r->depth--;
    return true;
}

static bool read_signed(reader *r, tfc_wide_rational *out)
{
    size_t bytes;
    bool negative = false;
    for (char sign; (sign = peek_operator(r, &bytes)) == '-' || sign == '+'; r->at += bytes)
        negative ^= sign == '-';
    if (!read_value(r, out)) return false;
    skip_blanks(r);
    if (r->at < r->n && r->text[r->at] == '%') {
        r->at++;
        const tfc_wide_rational hundred = {tfc_wide_of(100), tfc_wide_of(1), false};
        if (!tfc_wide_rational_apply(out, '/', &hundred, &r->reductions)) return refuse_size(r);
    }
    out->negative ^= negative;
    return true;
}

static bool read_product(reader *r, tfc_wide_rational *out)
{
    if (!read_signed(r, out)) return false;
    size_t bytes;
    for (char op; (op = peek_operator(r, &bytes)) == '*' || op == '/';) {
        size_t at = r->at;
        r->at += bytes;
        tfc_wide_rational right;
        if (!read_signed(r, &right)) return false;
        if (op == '/' && tfc_wide_is_zero(&right.num)) return refuse(r, "division by zero at byte %zu", at);
        if (!tfc_wide_rational_apply(out, op, &right, &r->reductions)) return refuse_size(r);
    }
    return true;
}

static bool read_sum(reader *r, tfc_wide_rational *out)
{
    if (!read_product(r, out)) return false;
    size_t bytes;
    for (char op; (op = peek_operator(r, &bytes)) == '+' || op == '-';) {
        r->at += bytes;
        tfc_wide_rational right;
        if (!read_product(r, &right)) return false;
        if (!tfc_wide_rational_apply(out, op, &right, &r->reductions)) return refuse_size(r);
    }
    return true;
}

tfc_status tfc_calculator_eval(const char *expression, size_t n, char **result, tfc_error *err)
{
    reader r = {.text = expression, .n = n, .reductions = REDUCTIONS_MAX, .err = err};
    if (n > EXPRESSION_BYTES_MAX)
        return refuse(&r, "it is longer than %d bytes", EXPRESSION_BYTES_MAX), TFC_ENORESULT;
    tfc_wide_rational value;
    if (!read_sum(&r, &value)) return TFC_ENORESULT;
    skip_blanks(&r);
    if (r.at < n) return refuse(&r, "operator expected at byte %zu", r.at), TFC_ENORESULT;
    char text[TFC_WIDE_PRINT_BYTES];
    if (!tfc_wide_rational_print(&value, text)) return refuse_size(&r), TFC_ENORESULT;
    *result = tfc_strdup(text);
    return *result ? TFC_OK : tfc_fail_memory(err, "result");
}
