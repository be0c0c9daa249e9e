/* The automata of arguments and of whole calls.
 *
 * A state packs all there is to remember: phase, depth of parentheses, bytes that a UTF-8 character still
 * wants. What the expression automaton accepts the Calculator evaluates, but for divisions by zero and
 * numbers that are too large; what the text automaton accepts parses as one argument. Both refuse what only
 * looks odd (two blanks in a row, blanks at the ends), so that a sampler cannot fill its budget with nothing.
 */
#include "calls/grammar_forms.h"

#include <string.h>

#include "base/memory.h"
#include "base/random.h"

enum { DEPTH_MAX = 4, N_DEPTHS = DEPTH_MAX + 1 };

static uint32_t closed_step(uint32_t state, unsigned char byte)
{
    switch (state) {
    case TFC_CLOSED:
        return byte == ']' ? TFC_CLOSED_END : byte == ' ' ? TFC_CLOSED_BLANK : TFC_GRAMMAR_DEAD;
    case TFC_CLOSED_BLANK:
        return byte == ']' ? TFC_CLOSED_END : byte == '-' ? TFC_CLOSED_ARROW : TFC_GRAMMAR_DEAD;
    case TFC_CLOSED_ARROW:
        return byte == '>' ? TFC_CLOSED_END : TFC_GRAMMAR_DEAD;
    default:
        return TFC_GRAMMAR_DEAD;
    }
}

static bool closed_accepts(const void *context, uint32_t state)
{
    (void)context;
    return state == TFC_CLOSED || state == TFC_CLOSED_BLANK || state == TFC_CLOSED_END;
}

static bool is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

enum { NONE_START = TFC_N_CLOSED };

static uint32_t none_step(const void *context, uint32_t state, unsigned char byte)
{
    (void)context;
    if (state == NONE_START) return byte == ')' ? TFC_CLOSED : TFC_GRAMMAR_DEAD;
    return closed_step(state, byte);
}

/* Expressions: what stands right before the next byte. */
typedef enum expression_phase {
    AT_START,       /* nothing, or `(`: a value or a minus */
    AT_OPERATOR,    /* an operator: a value, a minus or one blank */
    AT_BLANK_RIGHT, /* an operator and a blank: a value or a minus */
    AT_MINUS,       /* a sign: a value */
    AT_DIGIT_1,     /* one to three digits of which the first is no 0: a thousands comma may follow */
    AT_DIGIT_2,
    AT_DIGIT_3,
    AT_DIGITS,  /* other digits */
    AT_COMMA,   /* a thousands comma: three digits */
    AT_GROUP_1, /* its first digit */
    AT_GROUP_2,
    AT_GROUP_3,    /* all three: another comma may follow */
    AT_POINT,      /* a decimal point: a digit */
    AT_FRACTION,   /* digits behind it */
    AT_VALUE,      /* a closed parenthesis */
    AT_PERCENT,    /* a value and its % */
    AT_BLANK_LEFT, /* a value and a blank: an operator */
    AT_SIGN_BYTE,  /* the first byte of × or ÷ */
    N_EXPRESSION_PHASES
} expression_phase;

static uint32_t expression_state(expression_phase phase, uint32_t depth)
{
    return TFC_N_CLOSED + (uint32_t)phase * N_DEPTHS + depth;
}

/* Where a value must begin. */
static uint32_t expression_value(expression_phase phase, uint32_t depth, unsigned char byte)
{
    if (byte == '0') return expression_state(AT_DIGITS, depth);
    if (is_digit(byte)) return expression_state(AT_DIGIT_1, depth);
    if (byte == '(' && depth < DEPTH_MAX) return expression_state(AT_START, depth + 1);
    if (byte == '-' && phase != AT_MINUS) return expression_state(AT_MINUS, depth);
    if (byte == ' ' && phase == AT_OPERATOR) return expression_state(AT_BLANK_RIGHT, depth);
    return TFC_GRAMMAR_DEAD;
}

/* Where a value has ended. */
static uint32_t expression_after(expression_phase phase, uint32_t depth, unsigned char byte)
{
    if (byte == ' ')
        return phase == AT_BLANK_LEFT ? TFC_GRAMMAR_DEAD : expression_state(AT_BLANK_LEFT, depth);
    if (byte == 0xC3) return expression_state(AT_SIGN_BYTE, depth);
    if (byte != 0 && strchr("+-*/x", byte)) return expression_state(AT_OPERATOR, depth);
    if (phase == AT_BLANK_LEFT) return TFC_GRAMMAR_DEAD;
    if (byte == '%' && phase != AT_PERCENT) return expression_state(AT_PERCENT, depth);
    if (byte == ')') return depth == 0 ? TFC_CLOSED : expression_state(AT_VALUE, depth - 1);
    return TFC_GRAMMAR_DEAD;
}

/* Inside a number: its next digit, comma or point; false when the number has ended. */
static bool expression_digits(expression_phase phase, unsigned char byte, expression_phase *next)
{
    bool whole = phase >= AT_DIGIT_1 && phase <= AT_DIGITS;
    if (is_digit(byte) && phase != AT_GROUP_3) {
        *next = whole && phase != AT_DIGITS ? phase + 1 : phase;
        return true;
    }
    *next = byte == ',' ? AT_COMMA : AT_POINT;
    if (byte == ',') return (whole && phase != AT_DIGITS) || phase == AT_GROUP_3;
    return byte == '.' && (whole || phase == AT_GROUP_3);
}

static uint32_t expression_step(const void *context, uint32_t state, unsigned char byte)
{
    (void)context;
    if (state < TFC_N_CLOSED) return closed_step(state, byte);
    expression_phase phase = (expression_phase)((state - TFC_N_CLOSED) / N_DEPTHS), next;
    uint32_t depth = (state - TFC_N_CLOSED) % N_DEPTHS;
    switch (phase) {
    case AT_START:
    case AT_OPERATOR:
    case AT_BLANK_RIGHT:
    case AT_MINUS:
        return expression_value(phase, depth, byte);
    case AT_COMMA:
    case AT_GROUP_1:
    case AT_GROUP_2:
        return is_digit(byte) ? expression_state(phase + 1, depth) : TFC_GRAMMAR_DEAD;
    case AT_POINT:
        return is_digit(byte) ? expression_state(AT_FRACTION, depth) : TFC_GRAMMAR_DEAD;
    case AT_SIGN_BYTE: /* U+00D7 × and U+00F7 ÷ */
        return byte == 0x97 || byte == 0xB7 ? expression_state(AT_OPERATOR, depth) : TFC_GRAMMAR_DEAD;
    case AT_DIGIT_1:
    case AT_DIGIT_2:
    case AT_DIGIT_3:
    case AT_DIGITS:
    case AT_GROUP_3:
    case AT_FRACTION:
        if (expression_digits(phase, byte, &next)) return expression_state(next, depth);
        return expression_after(phase, depth, byte);
    case AT_VALUE:
    case AT_PERCENT:
    case AT_BLANK_LEFT:
        return expression_after(phase, depth, byte);
    default:
        return TFC_GRAMMAR_DEAD;
    }
}

/* Texts: what stands before the next byte, apart from the depth of parentheses. */
typedef enum text_phase {
    IN_START,     /* nothing: no blank and no end yet */
    IN_TEXT,      /* a character */
    IN_BLANK,     /* a blank: no end, no other blank */
    IN_OPEN,      /* `(`: not closed at once */
    IN_QUOTE_NEW, /* an opening quote: not closed at once */
    IN_QUOTE,     /* a quoted character */
    N_TEXT_PHASES
} text_phase;

/* What a character of several bytes still wants. The four special ones narrow its second byte (Unicode table
 * 3-7). */
typedef enum tail_kind {
    TAIL_0,
    TAIL_1,
    TAIL_2,
    TAIL_3,
    TAIL_E0,
    TAIL_ED,
    TAIL_F0,
    TAIL_F4,
    N_TAILS
} tail_kind;

static uint32_t text_state(text_phase phase, uint32_t depth, tail_kind tail)
{
    return TFC_N_CLOSED + ((uint32_t)phase * N_TAILS + (uint32_t)tail) * N_DEPTHS + depth;
}

static tail_kind tail_begin(unsigned char byte)
{
    if (byte >= 0xC2 && byte <= 0xDF) return TAIL_1;
    if (byte == 0xE0) return TAIL_E0;
    if (byte == 0xED) return TAIL_ED;
    if (byte >= 0xE1 && byte <= 0xEF) return TAIL_2;
    if (byte == 0xF0) return TAIL_F0;
    if (byte >= 0xF1 && byte <= 0xF3) return TAIL_3;
    return byte == 0xF4 ? TAIL_F4 : TAIL_0;
}

/* True when the byte goes on with the character; *rest is what it wants then. */
static bool tail_step(tail_kind tail, unsigned char byte, tail_kind *rest)
{
    static const struct {
        unsigned char low, high;
        tail_kind rest;
    } steps[N_TAILS] = {
        [TAIL_1] = {0x80, 0xBF, TAIL_0},  [TAIL_2] = {0x80, 0xBF, TAIL_1},  [TAIL_3] = {0x80, 0xBF, TAIL_2},
        [TAIL_E0] = {0xA0, 0xBF, TAIL_1}, [TAIL_ED] = {0x80, 0x9F, TAIL_1}, [TAIL_F0] = {0x90, 0xBF, TAIL_2},
        [TAIL_F4] = {0x80, 0x8F, TAIL_2},
    };
    *rest = steps[tail].rest;
    return byte >= steps[tail].low && byte <= steps[tail].high;
}

/* An ASCII character inside an argument of text. */
static uint32_t text_character(text_phase phase, uint32_t depth, unsigned char byte)
{
    bool quoted = phase == IN_QUOTE || phase == IN_QUOTE_NEW;
    if (byte < 0x20 || byte == 0x7F || byte == '[' || byte == ']') return TFC_GRAMMAR_DEAD;
    if (byte == '"') {
        if (phase == IN_QUOTE_NEW) return TFC_GRAMMAR_DEAD;
        return text_state(quoted ? IN_TEXT : IN_QUOTE_NEW, depth, TAIL_0);
    }
    if (quoted) return text_state(IN_QUOTE, depth, TAIL_0);
    if (byte == ' ') {
        if (phase == IN_START || phase == IN_BLANK) return TFC_GRAMMAR_DEAD;
        return text_state(IN_BLANK, depth, TAIL_0);
    }
    if (byte == '(') return depth < DEPTH_MAX ? text_state(IN_OPEN, depth + 1, TAIL_0) : TFC_GRAMMAR_DEAD;
    if (byte == ')') {
        if (phase != IN_TEXT) return TFC_GRAMMAR_DEAD;
        return depth == 0 ? TFC_CLOSED : text_state(IN_TEXT, depth - 1, TAIL_0);
    }
    return text_state(IN_TEXT, depth, TAIL_0);
}

static uint32_t text_step(const void *context, uint32_t state, unsigned char byte)
{
    (void)context;
    if (state < TFC_N_CLOSED) return closed_step(state, byte);
    uint32_t depth = (state - TFC_N_CLOSED) % N_DEPTHS, packed = (state - TFC_N_CLOSED) / N_DEPTHS;
    tail_kind tail = (tail_kind)(packed % N_TAILS), rest;
    text_phase phase = (text_phase)(packed / N_TAILS);
    if (phase >= N_TEXT_PHASES) return TFC_GRAMMAR_DEAD;
    if (tail != TAIL_0)
        return tail_step(tail, byte, &rest) ? text_state(phase, depth, rest) : TFC_GRAMMAR_DEAD;
    if (byte < 0x80) return text_character(phase, depth, byte);
    tail = tail_begin(byte);
    bool quoted = phase == IN_QUOTE || phase == IN_QUOTE_NEW;
    return tail == TAIL_0 ? TFC_GRAMMAR_DEAD : text_state(quoted ? IN_QUOTE : IN_TEXT, depth, tail);
}

static uint32_t dates_step(const void *context, uint32_t state, unsigned char byte)
{
    (void)context;
    return state < TFC_N_CLOSED ? closed_step(state, byte) : tfc_grammar_dates_step(state, byte);
}

/* As many as any of them has. */
enum { N_FORM_STATES = TFC_DATES_STATES_MAX };
_Static_assert(N_EXPRESSION_PHASES < N_TEXT_PHASES * N_TAILS, "texts have more states than expressions");
_Static_assert(TFC_N_CLOSED + N_TEXT_PHASES * N_TAILS * N_DEPTHS <= N_FORM_STATES,
               "N_FORM_STATES bounds texts");

static const tfc_grammar forms[] = {
    [TFC_ARGS_NONE] = {NONE_START, none_step, closed_accepts, NULL, {1, 0}},
    [TFC_ARGS_EXPRESSION] = {TFC_N_CLOSED, expression_step, closed_accepts, NULL, {2, 0}},
    [TFC_ARGS_TEXT] = {TFC_N_CLOSED, text_step, closed_accepts, NULL, {3, 0}},
    [TFC_ARGS_DATES] = {TFC_DATES_START, dates_step, closed_accepts, NULL, {4, 0}},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

const tfc_grammar *tfc_grammar_args(tfc_args_form form)
{
    return &forms[form];
}

/* Whole calls: a trie over `Name(`, whose last node leads into the arguments. States: 1 … n_nodes are nodes
 * (the root is 1), then come the states of each form. Node 0 stands for "none". */
typedef struct trie_node {
    unsigned char byte;
    uint32_t child, sibling;
    int form; /* of the arguments that begin here, or -1 */
} trie_node;

typedef struct calls_grammar {
    tfc_grammar grammar; /* first, so that the one pointer is the other */
    uint32_t n_nodes;
    trie_node nodes[]; /* [1, n_nodes] */
} calls_grammar;

static uint32_t calls_form_state(const calls_grammar *g, int form, uint32_t state)
{
    return state == TFC_GRAMMAR_DEAD ? state : g->n_nodes + (uint32_t)form * N_FORM_STATES + state;
}

/* The state of the form's own automaton, or DEAD for a node. */
static uint32_t calls_inner_state(const calls_grammar *g, uint32_t state, int *form)
{
    if (state <= g->n_nodes) return TFC_GRAMMAR_DEAD;
    *form = (int)((state - g->n_nodes - 1) / N_FORM_STATES);
    return *form < N_FORMS ? state - g->n_nodes - (uint32_t)*form * N_FORM_STATES : TFC_GRAMMAR_DEAD;
}

static uint32_t trie_child(const calls_grammar *g, uint32_t node, unsigned char byte)
{
    uint32_t child = g->nodes[node].child;
    while (child && g->nodes[child].byte != byte) child = g->nodes[child].sibling;
    return child;
}

static uint32_t calls_step(const void *context, uint32_t state, unsigned char byte)
{
    const calls_grammar *g = context;
    int form = 0;
    if (state == TFC_GRAMMAR_DEAD) return state;
    if (state > g->n_nodes) {
        uint32_t inner = calls_inner_state(g, state, &form);
        if (inner == TFC_GRAMMAR_DEAD) return inner;
        return calls_form_state(g, form, forms[form].step(NULL, inner, byte));
    }
    uint32_t child = trie_child(g, state, byte);
    if (child && g->nodes[child].form >= 0)
        return calls_form_state(g, g->nodes[child].form, forms[g->nodes[child].form].start);
    return child;
}

static bool calls_accepts(const void *context, uint32_t state)
{
    int form = 0;
    uint32_t inner = calls_inner_state(context, state, &form);
    return inner != TFC_GRAMMAR_DEAD && closed_accepts(NULL, inner);
}

static uint32_t trie_add(calls_grammar *g, uint32_t node, unsigned char byte)
{
    uint32_t child = trie_child(g, node, byte);
    if (child) return child;
    child = ++g->n_nodes;
    g->nodes[child] = (trie_node){.byte = byte, .sibling = g->nodes[node].child, .form = -1};
    g->nodes[node].child = child;
    return child;
}

/* The same names and forms in the same order make the same automaton. */
static void identify(calls_grammar *g, const tfc_grammar_call *calls, size_t n_calls)
{
    for (int part = 0; part < 2; part++) {
        uint64_t hash = (uint64_t)part + 1;
        for (size_t i = 0; i < n_calls; i++) {
            uint64_t form = (uint64_t)calls[i].form;
            hash = tfc_hash_bytes(calls[i].name, strlen(calls[i].name) + 1, hash);
            hash = tfc_hash_bytes(&form, sizeof form, hash);
        }
        g->grammar.identity[part] = hash;
    }
}

tfc_grammar *tfc_grammar_calls_create(const tfc_grammar_call *calls, size_t n_calls, tfc_error *err)
{
    size_t n_nodes = 2; /* none and the root */
    if (n_calls == 0) return tfc_fail(err, TFC_EINVAL, "a grammar of calls needs at least one tool"), NULL;
    for (size_t i = 0; i < n_calls; i++) {
        if (!tfc_call_name_valid(calls[i].name))
            return tfc_fail(err, TFC_EINVAL, "'%.80s' is no name for a tool", calls[i].name), NULL;
        n_nodes += strlen(calls[i].name) + 1;
    }
    calls_grammar *g = NULL;
    if (n_nodes < UINT32_MAX / 2) g = tfc_alloc_zero(1, sizeof *g + n_nodes * sizeof *g->nodes);
    if (!g) return tfc_fail_memory(err, "grammar of calls"), NULL;
    g->grammar = (tfc_grammar){1, calls_step, calls_accepts, g, {0, 0}};
    identify(g, calls, n_calls);
    g->n_nodes = 1;
    g->nodes[1].form = -1;
    for (size_t i = 0; i < n_calls; i++) {
        uint32_t node = 1;
        for (const char *c = calls[i].name; *c; c++) node = trie_add(g, node, (unsigned char)*c);
        node = trie_add(g, node, '(');
        if (g->nodes[node].form >= 0) {
            tfc_grammar_free(&g->grammar);
            return tfc_fail(err, TFC_EINVAL, "two tools are named '%.80s'", calls[i].name), NULL;
        }
        g->nodes[node].form = (int)calls[i].form;
    }
    return &g->grammar;
}

void tfc_grammar_free(tfc_grammar *grammar)
{
    tfc_free(grammar);
}

uint32_t tfc_grammar_feed(const tfc_grammar *grammar, uint32_t state, const char *text, size_t n)
{
    for (size_t i = 0; i < n && state != TFC_GRAMMAR_DEAD; i++)
        state = grammar->step(grammar->context, state, (unsigned char)text[i]);
    return state;
}
