/* The suffix automaton of the text: its states are the classes of spans that go on alike, at most two for
 * each byte, so that a grammar of any span is a small table. */
#include "tools/answer_spans.h"

enum { START = 1, NONE = 0 }; /* state 0 is the grammar's dead one */

typedef struct state {
    uint32_t edge; /* first of its edges, or NONE */
    uint32_t link, length;
    bool word_end; /* some place where it ends is followed by no letter or digit */
} state;

typedef struct edge {
    uint32_t target, next;
    unsigned char byte;
} edge;

struct tfc_answer_spans {
    tfc_grammar grammar;
    state *states;
    edge *edges; /* from 1 */
    uint32_t n_states, n_edges, done;
};

static bool is_word(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static edge *find_edge(const tfc_answer_spans *s, uint32_t from, unsigned char byte)
{
    uint32_t e = s->states[from].edge;
    while (e != NONE && s->edges[e].byte != byte) e = s->edges[e].next;
    return e == NONE ? NULL : &s->edges[e];
}

static void add_edge(tfc_answer_spans *s, uint32_t from, unsigned char byte, uint32_t target)
{
    s->edges[++s->n_edges] = (edge){target, s->states[from].edge, byte};
    s->states[from].edge = s->n_edges;
}

/* One more byte behind the text whose state is `last`; the state of the longer text. */
static uint32_t extend(tfc_answer_spans *s, uint32_t last, unsigned char byte)
{
    uint32_t added = ++s->n_states, p = last;
    edge *e = NULL;
    s->states[added] = (state){.length = s->states[last].length + 1};
    for (; p != NONE && !(e = find_edge(s, p, byte)); p = s->states[p].link) add_edge(s, p, byte, added);
    if (p == NONE) {
        s->states[added].link = START;
        return added;
    }
    uint32_t q = e->target;
    if (s->states[p].length + 1 == s->states[q].length) {
        s->states[added].link = q;
        return added;
    }
    uint32_t copy = ++s->n_states;
    s->states[copy] = (state){.link = s->states[q].link, .length = s->states[p].length + 1};
    for (uint32_t i = s->states[q].edge; i != NONE; i = s->edges[i].next)
        add_edge(s, copy, s->edges[i].byte, s->edges[i].target);
    for (; p != NONE && (e = find_edge(s, p, byte)) && e->target == q; p = s->states[p].link)
        e->target = copy;
    s->states[q].link = copy;
    s->states[added].link = copy;
    return added;
}

static uint32_t step(const void *context, uint32_t from, unsigned char byte)
{
    const tfc_answer_spans *s = context;
    if (from == TFC_GRAMMAR_DEAD || from == s->done) return TFC_GRAMMAR_DEAD;
    if (byte == '\n') return from != START && s->states[from].word_end ? s->done : TFC_GRAMMAR_DEAD;
    if (from == START && byte != ' ') return TFC_GRAMMAR_DEAD;
    const edge *e = find_edge(s, from, byte);
    return e ? e->target : TFC_GRAMMAR_DEAD;
}

static bool accepts(const void *context, uint32_t at)
{
    return at == ((const tfc_answer_spans *)context)->done;
}

/* A blank ends no answer, and neither does the blank before it. */
static void mark_word_ends(tfc_answer_spans *s)
{
    for (uint32_t i = START + 1; i <= s->n_states; i++) {
        bool end = s->states[i].edge == NONE;
        for (uint32_t e = s->states[i].edge; e != NONE && !end; e = s->edges[e].next)
            end = !is_word(s->edges[e].byte);
        s->states[i].word_end = end;
    }
    const edge *blank = find_edge(s, START, ' ');
    if (blank) s->states[blank->target].word_end = false;
}

tfc_answer_spans *tfc_answer_spans_create(const char *text, size_t n, tfc_error *err)
{
    tfc_answer_spans *s = tfc_alloc_zero(1, sizeof *s);
    if (s && n < UINT32_MAX / 8) {
        /* At most 2 n states and, copies included, 4 n edges; the text begins with a blank. */
        s->states = tfc_alloc_zero(2 * n + 8, sizeof *s->states);
        s->edges = tfc_alloc(4 * n + 16, sizeof *s->edges);
    }
    if (!s || !s->states || !s->edges) {
        tfc_answer_spans_free(s);
        tfc_fail_memory(err, "spans of the passages");
        return NULL;
    }
    s->n_states = START;
    uint32_t last = extend(s, START, ' ');
    for (size_t i = 0; i < n; i++) {
        char c = text[i] == '\n' || text[i] == '\t' ? ' ' : text[i];
        last = extend(s, last, (unsigned char)c);
    }
    mark_word_ends(s);
    s->done = s->n_states + 1;
    s->grammar = (tfc_grammar){.start = START, .step = step, .accepts = accepts, .context = s};
    return s;
}

void tfc_answer_spans_free(tfc_answer_spans *s)
{
    if (!s) return;
    tfc_free(s->states);
    tfc_free(s->edges);
    tfc_free(s);
}

const tfc_grammar *tfc_answer_spans_grammar(const tfc_answer_spans *s)
{
    return &s->grammar;
}
