/* A scanner from the equals sign backwards: number, operator, number, … to the start of the expression, then
 * what stands before it, then forwards over the result. A chain `2*3 + 4 = 6 + 4 = 10` loses each of its left
 * sides. */
#include "corpus/equations.h"

#include <strings.h>

enum { EXPRESSION_MAX = 400, DEPTH_MAX = 12, NOTE_MAX = 200 };

typedef struct view {
    const char *text;
    size_t n;
} view;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What may stand for an operator; 'x' only between operands, which the parser sees to. */
static const char *const operators[] = {"+", "-", "*", "/", "x", "X", "^", "×", "÷", "·", "−", "–", "∙"};
static const char *const currencies[] = {"$", "€", "£", "¥"};
enum {
    N_OPERATORS = sizeof operators / sizeof *operators,
    N_CURRENCIES = sizeof currencies / sizeof *currencies
};

/* Bytes of the one of `list` that ends at text[end], 0: none. */
static size_t ends_with(view v, size_t end, const char *const *list, size_t n_list)
{
    for (size_t i = 0; i < n_list; i++) {
        size_t n = strlen(list[i]);
        if (n <= end && memcmp(v.text + end - n, list[i], n) == 0) return n;
    }
    return 0;
}

static size_t starts_with(view v, size_t at, const char *const *list, size_t n_list)
{
    for (size_t i = 0; i < n_list; i++) {
        size_t n = strlen(list[i]);
        if (n <= v.n - at && memcmp(v.text + at, list[i], n) == 0) return n;
    }
    return 0;
}

static size_t skip_blanks_back(view v, size_t end)
{
    while (end > 0 && is_blank(v.text[end - 1])) end--;
    return end;
}

static size_t skip_blanks(view v, size_t at)
{
    while (at < v.n && is_blank(v.text[at])) at++;
    return at;
}

/* digits with thousands commas and one decimal point: 1,400  3.5  .25 */
static bool number_well_formed(const char *text, size_t n)
{
    size_t i = 0, group = 0;
    bool commas = false;
    for (; i < n && text[i] != '.'; i++) {
        if (text[i] == ',') {
            if (group == 0 || group > 3 || (commas && group != 3)) return false;
            commas = true;
            group = 0;
        } else {
            group++;
        }
    }
    if (commas && group != 3) return false;
    if (i == n) return group > 0;
    for (size_t j = i + 1; j < n; j++)
        if (!is_digit(text[j])) return false;
    return i + 1 < n;
}

/* The number that ends at `end`, with its currency sign and per cent sign; *begin gets its start. */
static bool number_back(view v, size_t end, size_t *begin)
{
    if (end > 0 && v.text[end - 1] == '%') end--;
    size_t at = end;
    while (at > 0 && (is_digit(v.text[at - 1]) || v.text[at - 1] == ',' || v.text[at - 1] == '.')) at--;
    /* A comma or point in front belongs to what stands before, but for `.5`. */
    while (at < end && (v.text[at] == ',' || (v.text[at] == '.' && at > 0 && is_letter(v.text[at - 1]))))
        at++;
    if (at == end || !number_well_formed(v.text + at, end - at)) return false;
    *begin = at - ends_with(v, at, currencies, N_CURRENCIES);
    return true;
}

/* Words that end a clause: what stands before them is no number with its unit. */
static bool is_unit_word(const char *word, size_t n)
{
    static const char *const others[] = {
        "and",  "or",    "so",    "is",  "are",    "was",  "were", "the",     "then",  "but",
        "with", "for",   "in",    "on",  "at",     "to",   "from", "because", "since", "than",
        "that", "this",  "he",    "she", "it",     "they", "has",  "have",    "had",   "gives",
        "plus", "minus", "times", "by",  "equals", "if",   "as",   "be",      "we",    "you"};
    if (n < 2 || n > 15) return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strlen(others[i]) == n && strncasecmp(word, others[i], n) == 0) return false;
    return true;
}

/* The unit that ends at `end`, of at most four words: `6 bags`, `72 cubic ft`, `$7/game`, `4km/hr`.
 * *number_end gets the end of the number before it. */
static bool unit_back(view v, size_t end, size_t floor, size_t *number_end)
{
    size_t at = end;
    for (int words = 0; words < 4; words++) {
        size_t word_end = at;
        while (at > floor && (is_letter(v.text[at - 1]) || (v.text[at - 1] == '-' && at < word_end &&
                                                            at > floor + 1 && is_letter(v.text[at - 2]))))
            at--;
        if (!is_unit_word(v.text + at, word_end - at)) return false;
        if (at > floor && v.text[at - 1] == '/')
            at--;
        else
            at = skip_blanks_back(v, at);
        if (at <= floor) return false;
        char c = v.text[at - 1];
        if (is_digit(c) || c == '%') {
            *number_end = at;
            return true;
        }
        if (!is_letter(c)) return false;
    }
    return false;
}

static bool expression_back(view v, size_t end, size_t floor, int depth, size_t *begin, int *n_operators);

/* The group `( … )` that ends at `end`, which is after its ')'. */
static bool group_back(view v, size_t end, size_t floor, int depth, size_t *begin)
{
    int open = 0, inner_operators = 0;
    size_t at = end, inner;
    do {
        if (at == floor) return false;
        at--;
        open += (v.text[at] == ')') - (v.text[at] == '(');
    } while (open > 0);
    *begin = at;
    return depth < DEPTH_MAX && expression_back(v, end - 1, at + 1, depth + 1, &inner, &inner_operators) &&
           skip_blanks_back(v, inner) == at + 1;
}

/* `-5`, where the sign belongs to the number: nothing, a blank, a parenthesis or an operator stands before
 * it. */
static size_t absorb_sign(view v, size_t begin, size_t floor)
{
    if (begin == floor || v.text[begin - 1] != '-') return begin;
    size_t before = begin - 1;
    if (before == floor || v.text[before - 1] == '(' || v.text[before - 1] == '\n') return before;
    if (!is_blank(v.text[before - 1])) return ends_with(v, before, operators, N_OPERATORS) ? before : begin;
    size_t token = skip_blanks_back(v, before);
    if (token <= floor) return before;
    char c = v.text[token - 1];
    bool operand = is_digit(c) || c == ')' || c == '%' || is_letter(c);
    return operand && c != 'x' && c != 'X' ? begin : before;
}

static bool operand_back(view v, size_t end, size_t floor, int depth, size_t *begin)
{
    if (end > floor && v.text[end - 1] == ')') return group_back(v, end, floor, depth, begin);
    if (end > floor && is_letter(v.text[end - 1]) && !unit_back(v, end, floor, &end)) return false;
    if (!number_back(v, end, begin) || *begin < floor) return false;
    *begin = absorb_sign(v, *begin, floor);
    return true;
}

/* The longest expression that ends at `end` and does not begin before `floor`. */
static bool expression_back(view v, size_t end, size_t floor, int depth, size_t *begin, int *n_operators)
{
    *n_operators = 0;
    end = skip_blanks_back(v, end);
    if (end <= floor || !operand_back(v, end, floor, depth, begin)) return false;
    for (;;) {
        size_t at = *begin, next;
        if (v.text[at] == '(' && at > floor && (is_digit(v.text[at - 1]) || v.text[at - 1] == ')')) {
            /* 86(2): a product */
        } else {
            at = skip_blanks_back(v, at);
            size_t sign = ends_with(v, at, operators, N_OPERATORS);
            if (sign == 0 || at - sign < floor) return true;
            at = skip_blanks_back(v, at - sign);
        }
        if (at <= floor || !operand_back(v, at, floor, depth, &next)) return true;
        *begin = next;
        ++*n_operators;
    }
}

/* The word that ends at `end`. */
static bool word_is(view v, size_t end, const char *word)
{
    size_t n = strlen(word);
    return n <= end && memcmp(v.text + end - n, word, n) == 0 &&
           (n == end || !is_letter(v.text[end - n - 1]));
}

/* True when the expression that begins at `begin` begins there for the reader too: no number, operator or
 * word of arithmetic before it that it goes with. */
static bool begins_cleanly(view v, size_t begin)
{
    static const char *const words[] = {"times", "plus", "minus", "by", "x", "X"};
    if (begin == 0) return true;
    char c = v.text[begin - 1];
    if (c == ',' || c == '.') return begin == 1 || !is_digit(v.text[begin - 2]);
    if (c == '\n' || c == '(' || c == '[' || c == '{' || c == '"' || c == '\'' || c == ':' || c == ';')
        return true;
    if (c == '=') return begin < 2 || !strchr("=<>!:", v.text[begin - 2]);
    if (!is_blank(c)) return ends_with(v, begin, (const char *const[]){"—", "“", "‘", "\xC2\xA0"}, 4) > 0;
    size_t end = skip_blanks_back(v, begin);
    if (end == 0 || v.text[end - 1] == '\n') return true;
    size_t sign = ends_with(v, end, operators, N_OPERATORS);
    if (sign > 0 &&
        !is_letter(v.text[end - 1])) { /* the mark of a list item may stand before it, no operator */
        size_t line = skip_blanks_back(v, end - sign);
        return line == 0 || v.text[line - 1] == '\n';
    }
    c = v.text[end - 1];
    if (c == '%' || (is_digit(c) && v.text[begin] == '(')) return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (word_is(v, end, words[i])) return false;
    if (word_is(v, end, "of")) { /* 20% of 50 + 3, but: a total of 50 + 3 */
        size_t before = skip_blanks_back(v, end - 2);
        return before == 0 || (v.text[before - 1] != '%' && !is_digit(v.text[before - 1]));
    }
    return true;
}

/* Steps over one number, with sign and currency; 0: there is none. */
static size_t number_ahead(view v, size_t at)
{
    if (at < v.n && v.text[at] == '-') at++;
    at += starts_with(v, at, currencies, N_CURRENCIES);
    if (at < v.n && v.text[at] == '-') at++;
    size_t begin = at;
    while (at < v.n && (is_digit(v.text[at]) || ((v.text[at] == '.' || v.text[at] == ',') && at + 1 < v.n &&
                                                 is_digit(v.text[at + 1]))))
        at++;
    if (at == begin || v.text[begin] == ',') return 0;
    return at < v.n && v.text[at] == '%' ? at + 1 : at;
}

/* True when a result starts at `at`: a number or a fraction that no operator follows, or a whole expression
 * that is the left side of the next sign of a chain. */
static bool result_ahead(view v, size_t at)
{
    size_t limit = at + EXPRESSION_MAX < v.n ? at + EXPRESSION_MAX : v.n, end = at;
    bool group = at < v.n && v.text[at] == '(';
    if (!group) {
        end = number_ahead(v, at);
        if (end == 0) return false;
        if (end < v.n && v.text[end] == '/' && end + 1 < v.n && is_digit(v.text[end + 1]))
            end = number_ahead(v, end + 1);
        if (end < v.n && (v.text[end] == '$' || v.text[end] == '\\')) return false; /* TeX */
        size_t sign_at = skip_blanks(v, end);
        size_t sign = sign_at < v.n ? starts_with(v, sign_at, operators, N_OPERATORS) : 0;
        size_t operand = skip_blanks(v, sign_at + sign);
        bool more = sign > 0 && operand < v.n && (v.text[operand] == '(' || number_ahead(v, operand) > 0);
        if (!more) return true;
    }
    size_t sign = end;
    while (sign < limit && v.text[sign] != '=' && v.text[sign] != '\n') sign++;
    if (sign == limit || v.text[sign] != '=' || number_ahead(v, skip_blanks(v, sign + 1)) == 0) return false;
    size_t begin;
    int n_operators;
    return expression_back(v, sign, at, 0, &begin, &n_operators) && begin == at && n_operators > 0;
}

/* A calculator's note that starts at `at`: `<<48/2=24>>`. Its length, 0: none. */
static size_t note_length(view v, size_t at)
{
    if (v.n - at < 5 || v.text[at] != '<' || v.text[at + 1] != '<' || is_blank(v.text[at + 2])) return 0;
    bool equals = false;
    for (size_t i = at + 2; i + 1 < v.n && i - at < NOTE_MAX; i++) {
        char c = v.text[i];
        if (c == '>') return equals && v.text[i + 1] == '>' ? i + 2 - at : 0;
        if (c == '\0' || !(is_digit(c) || strchr("+-*/().,=%$ xX^", c))) return 0;
        equals |= c == '=';
    }
    return 0;
}

static size_t remove_notes(char *text, size_t n)
{
    size_t out = 0;
    for (size_t i = 0; i < n;) {
        size_t length = text[i] == '<' ? note_length((view){text, n}, i) : 0;
        if (length == 0) text[out++] = text[i++];
        i += length;
    }
    return out;
}

/* True when the sign at `at` makes text[*begin … *end) an equation's left side with its sign. */
static bool left_side(view v, size_t at, size_t *begin, size_t *end)
{
    if (at > 0 && strchr("=<>!:+-*/~", v.text[at - 1]) && v.text[at - 1] != '\0') return false;
    if (at + 1 < v.n && strchr("=>~", v.text[at + 1]) && v.text[at + 1] != '\0') return false;
    size_t floor = at > EXPRESSION_MAX ? at - EXPRESSION_MAX : 0;
    int n_operators;
    *end = skip_blanks(v, at + 1);
    return expression_back(v, at, floor, 0, begin, &n_operators) && n_operators > 0 &&
           (*begin > floor || floor == 0) && begins_cleanly(v, *begin) && result_ahead(v, *end);
}

size_t tfc_equations_hide(char *text, size_t n)
{
    n = remove_notes(text, n);
    /* Left sides are found in the text as it was: `done` bytes of it have been handled, `out` of them kept.
     * What was kept has moved down, so a left side is looked for in a view that begins after the last one
     * taken out. */
    size_t out = 0, done = 0;
    for (size_t at = 0; at < n; at++) {
        if (text[at] != '=') continue;
        size_t begin, end;
        view v = {text + done, n - done};
        if (!left_side(v, at - done, &begin, &end)) continue;
        memmove(text + out, text + done, begin);
        out += begin;
        done += end;
        at = done - 1;
    }
    memmove(text + out, text + done, n - done);
    return out + (n - done);
}
