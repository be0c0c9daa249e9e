/* engine/masks.h: which tokens a grammar allows in a state, as bits over the vocabulary.
 *
 * A mask is made when a state is met first, by walking every token's bytes through the automaton, and kept.
 * Special tokens and tokens without bytes are never allowed. */
#ifndef TFC_ENGINE_MASKS_H
#define TFC_ENGINE_MASKS_H

#include "calls/grammar.h"
#include "model/model.h"

typedef struct tfc_masks tfc_masks;

tfc_masks *tfc_masks_create(const tfc_model *model, tfc_error *err);
void tfc_masks_free(tfc_masks *masks);

/* Bit v % 64 of word v / 64 is set when token v may come next; ceil(V / 64) words. grammar NULL: all tokens
 * that the tokenizer has. The mask stays until tfc_masks_trim; NULL: out of memory. */
const uint64_t *tfc_masks_get(tfc_masks *masks, const tfc_grammar *grammar, uint32_t state);

/* Forgets masks of grammars that may cease to be (all but those of tfc_grammar_args), and all of them when
 * they are many. To be called between requests. */
void tfc_masks_trim(tfc_masks *masks);

#endif
