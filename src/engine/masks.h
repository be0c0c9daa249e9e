/* engine/masks.h: which tokens a grammar allows in a state, as bits over the vocabulary.
 *
 * A mask is made when a state is met first, by walking every token's bytes through the automaton, and kept
 * for as long as there is room: all room is taken at creation. Special tokens and tokens without bytes are
 * never allowed. */
#ifndef TFC_ENGINE_MASKS_H
#define TFC_ENGINE_MASKS_H

#include "calls/grammar.h"
#include "model/model.h"

typedef struct tfc_masks tfc_masks;

/* Masks handed out since tfc_masks_begin stay; there may be so many of them. */
enum { TFC_MASKS_AT_ONCE = 64 };

tfc_masks *tfc_masks_create(const tfc_model *model, tfc_error *err);
void tfc_masks_free(tfc_masks *masks);

/* A new step: from here on any mask may be given up for another. */
void tfc_masks_begin(tfc_masks *masks);

/* Bit v % 64 of word v / 64 is set when token v may come next; ceil(V / 64) words. grammar NULL: all tokens
 * that the tokenizer has. */
const uint64_t *tfc_masks_get(tfc_masks *masks, const tfc_grammar *grammar, uint32_t state);

/* Forgets the masks of grammars without an identity, which may cease to be. To be called between requests. */
void tfc_masks_trim(tfc_masks *masks);

#endif
