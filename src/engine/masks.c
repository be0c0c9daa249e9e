/* Two hash tables from (grammar, state) to masks, open addressing: one for the grammars that live forever,
 * one for those of the requests at work, emptied between calls. */
#include "engine/masks.h"

#include "base/memory.h"
#include "base/random.h"

enum { FIRST_SLOTS = 64, KEPT_MASKS = 2048 };

typedef struct mask_entry {
    const tfc_grammar *grammar;
    uint32_t state;
    uint64_t *words; /* NULL: free slot */
} mask_entry;

typedef struct mask_table {
    mask_entry *slots;
    int64_t n_slots, n;
} mask_table;

struct tfc_masks {
    const tfc_tokenizer *tokenizer; /* NULL: the model has none, every id is a token */
    int64_t V, n_words;
    mask_table lasting, passing;
};

static void table_clear(mask_table *table)
{
    for (int64_t i = 0; i < table->n_slots; i++) tfc_free(table->slots[i].words);
    tfc_free(table->slots);
    *table = (mask_table){0};
}

tfc_masks *tfc_masks_create(const tfc_model *model, tfc_error *err)
{
    tfc_masks *masks = tfc_alloc_zero(1, sizeof *masks);
    if (!masks) {
        tfc_fail_memory(err, "token masks");
        return NULL;
    }
    masks->tokenizer = model->tokenizer;
    masks->V = model->hparams.V;
    masks->n_words = (masks->V + 63) / 64;
    return masks;
}

void tfc_masks_free(tfc_masks *masks)
{
    if (!masks) return;
    table_clear(&masks->lasting);
    table_clear(&masks->passing);
    tfc_free(masks);
}

/* The slot of a key, or the free slot where it belongs. n_slots is a power of two, some slots are free. */
static mask_entry *find_slot(const mask_table *table, const tfc_grammar *grammar, uint32_t state)
{
    uint64_t key[2] = {(uint64_t)(uintptr_t)grammar, state};
    for (uint64_t i = tfc_hash_bytes(key, sizeof key, 0);; i++) {
        mask_entry *slot = &table->slots[i & (uint64_t)(table->n_slots - 1)];
        if (!slot->words || (slot->grammar == grammar && slot->state == state)) return slot;
    }
}

static bool table_grow(mask_table *table)
{
    mask_table grown = {.n_slots = table->n_slots ? 2 * table->n_slots : FIRST_SLOTS, .n = table->n};
    grown.slots = tfc_alloc_zero((size_t)grown.n_slots, sizeof *grown.slots);
    if (!grown.slots) return false;
    for (int64_t i = 0; i < table->n_slots; i++)
        if (table->slots[i].words)
            *find_slot(&grown, table->slots[i].grammar, table->slots[i].state) = table->slots[i];
    tfc_free(table->slots);
    *table = grown;
    return true;
}

static bool allows(const tfc_masks *masks, const tfc_grammar *grammar, uint32_t state, int32_t id)
{
    if (!masks->tokenizer) return grammar == NULL;
    size_t n;
    const char *text = tfc_token_text(masks->tokenizer, id, &n);
    if (!text) return false;
    if (!grammar) return true;
    if (n == 0 || tfc_token_is_special(masks->tokenizer, id)) return false;
    for (size_t i = 0; i < n && state != TFC_GRAMMAR_DEAD; i++)
        state = grammar->step(grammar->context, state, (unsigned char)text[i]);
    return state != TFC_GRAMMAR_DEAD;
}

static bool is_lasting(const tfc_grammar *grammar)
{
    return !grammar || grammar == tfc_grammar_args(TFC_ARGS_NONE) ||
           grammar == tfc_grammar_args(TFC_ARGS_EXPRESSION) || grammar == tfc_grammar_args(TFC_ARGS_TEXT) ||
           grammar == tfc_grammar_args(TFC_ARGS_DATES);
}

const uint64_t *tfc_masks_get(tfc_masks *masks, const tfc_grammar *grammar, uint32_t state)
{
    mask_table *table = is_lasting(grammar) ? &masks->lasting : &masks->passing;
    if (2 * table->n >= table->n_slots && !table_grow(table)) return NULL;
    mask_entry *slot = find_slot(table, grammar, grammar ? state : 0);
    if (slot->words) return slot->words;
    uint64_t *words = tfc_alloc_zero((size_t)masks->n_words, sizeof *words);
    if (!words) return NULL;
    for (int64_t v = 0; v < masks->V; v++)
        if (allows(masks, grammar, state, (int32_t)v)) words[v / 64] |= UINT64_C(1) << (v % 64);
    *slot = (mask_entry){grammar, grammar ? state : 0, words};
    table->n++;
    return words;
}

void tfc_masks_trim(tfc_masks *masks)
{
    table_clear(&masks->passing);
    if (masks->lasting.n > KEPT_MASKS) table_clear(&masks->lasting);
}
