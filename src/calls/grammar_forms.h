/* calls/grammar_forms.h: what the automata of arguments have in common. Their states begin with these; DEAD
 * is 0. */
#ifndef TFC_CALLS_GRAMMAR_FORMS_H
#define TFC_CALLS_GRAMMAR_FORMS_H

#include "calls/grammar.h"

/* Behind the closing parenthesis. */
enum {
    TFC_CLOSED = 1,   /* `)` */
    TFC_CLOSED_BLANK, /* `) ` */
    TFC_CLOSED_ARROW, /* `) -` */
    TFC_CLOSED_END,   /* `)]`, `) ]`, `) ->` */
    TFC_N_CLOSED
};

/* grammar_dates.c: a state that is not one of those above. */
uint32_t tfc_grammar_dates_step(uint32_t state, unsigned char byte);
enum { TFC_DATES_START = TFC_N_CLOSED, TFC_DATES_STATES_MAX = 4096 };

#endif
