/* calls/grammar.h: byte automata that say which text may follow, for sampling that always parses.
 *
 * A grammar is a deterministic automaton over bytes. States are small numbers so that the engine can keep one
 * mask of allowed tokens for each state that it has met. */
#ifndef TFC_CALLS_GRAMMAR_H
#define TFC_CALLS_GRAMMAR_H

#include "toolformer/calls.h"

enum { TFC_GRAMMAR_DEAD = 0 }; /* the state of text that can no longer become legal */

typedef struct tfc_grammar {
    uint32_t start; /* never DEAD */
    uint32_t (*step)(const void *context, uint32_t state,
                     unsigned char byte);                 /* next state; total function */
    bool (*accepts)(const void *context, uint32_t state); /* the text may stop here, and does */
    const void *context;
    /* Equal for grammars that are equal in every state, whenever they were made; 0, 0: not known. */
    uint64_t identity[2];
} tfc_grammar;

/* Arguments and their end, as they follow ` [Name(`: up to and including what comes after the closing
 * parenthesis. The automaton accepts once `)` has closed the arguments; then at most the bytes of `]`, ` ]`,
 * ` ->` may still follow in the same token. */
typedef enum tfc_args_form {
    TFC_ARGS_NONE,       /* `)` at once (Calendar) */
    TFC_ARGS_EXPRESSION, /* a well-formed arithmetic expression: numbers (commas, decimals, %), + - * / x × ÷,
                            balanced parentheses to depth 4, blanks between */
    TFC_ARGS_TEXT, /* any text without line breaks, quotes balanced, parentheses balanced to depth 4, not
                    * empty
                    */
    TFC_ARGS_DATES /* a calculation with dates: `March 5, 2023`, `Labor Day 2023`, date + or - `10 days`, date
                      - date, that with ` in weeks` */
} tfc_args_form;
/* Immutable, static; never NULL. */
const tfc_grammar *tfc_grammar_args(tfc_args_form form);

/* `[Name(` of any of the names, each followed by its arguments, for decoding: starts after ` [` (or a token
 * that begins so). Owned by the caller. */
typedef struct tfc_grammar_call {
    const char *name;
    tfc_args_form form;
} tfc_grammar_call;
tfc_grammar *tfc_grammar_calls_create(const tfc_grammar_call *calls, size_t n_calls, tfc_error *err);
void tfc_grammar_free(tfc_grammar *grammar);

/* Feeds a whole text; DEAD as soon as it is not legal. */
uint32_t tfc_grammar_feed(const tfc_grammar *grammar, uint32_t state, const char *text, size_t n);

#endif
