/* corpus/equations.h: hiding sums that a text spells out, so that a call has something to tell (PAPER section
 * 9). */
#ifndef TFC_CORPUS_EQUATIONS_H
#define TFC_CORPUS_EQUATIONS_H

#include "base/memory.h"

/* Takes `48/2 = ` out of `48/2 = 24`, in place; returns the new length. Only where an expression of plain
 * numbers with at least one operator stands directly before the sign and a number after it, and nothing
 * before the expression belongs to it; what is in doubt stays. Notes of calculators, `<<48/2=24>>`, go too.
 * text[n] is valid UTF-8. */
size_t tfc_equations_hide(char *text, size_t n);

#endif
