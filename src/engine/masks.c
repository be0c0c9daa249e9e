/* A table of (grammar, state) → mask: entries in a fixed array, found through lists by hash. */
#include "engine/masks.h"

#include "base/memory.h"
#include "base/random.h"
#include "model/layout.h"

/* As many masks as fit in MASK_BYTES, within these bounds. */
enum { FEWEST = 4 * TFC_MASKS_AT_ONCE, MOST = 1024, MASK_BYTES = 8 << 20, N_LISTS = 2048, NONE = -1 };

typedef struct mask_key {
    uint64_t identity[2];
    const tfc_grammar *grammar; /* of one without an identity */
    uint64_t state;
} mask_key;

typedef struct mask_entry {
    mask_key key;
    uint64_t last_step;
    int32_t next; /* in its list */
} mask_entry;

struct tfc_masks {
    const tfc_tokenizer *tokenizer; /* NULL: the model has none, every id is a token */
    int64_t V, n_words, n_entries, n_used;
    uint64_t step;
    void *memory;
    mask_entry *entries; /* [n_entries] */
    uint64_t *words;     /* [n_entries][n_words] */
    int32_t lists[N_LISTS];
};

static void take_arrays(tfc_masks *masks, tfc_layout *layout)
{
    masks->entries = tfc_layout_take(layout, (size_t)masks->n_entries, sizeof *masks->entries);
    masks->words = tfc_layout_take(layout, (size_t)masks->n_entries * (size_t)masks->n_words, 8);
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
    masks->n_entries = MASK_BYTES / (8 * masks->n_words);
    masks->n_entries = masks->n_entries < FEWEST ? FEWEST : masks->n_entries > MOST ? MOST : masks->n_entries;
    for (int i = 0; i < N_LISTS; i++) masks->lists[i] = NONE;
    tfc_layout layout = {0};
    take_arrays(masks, &layout);
    if (layout.overflow || !(masks->memory = tfc_alloc_aligned(layout.n_bytes, 1))) {
        tfc_masks_free(masks);
        tfc_fail_memory(err, "token masks");
        return NULL;
    }
    layout = (tfc_layout){.base = masks->memory};
    take_arrays(masks, &layout);
    return masks;
}

void tfc_masks_free(tfc_masks *masks)
{
    if (!masks) return;
    tfc_free(masks->memory);
    tfc_free(masks);
}

void tfc_masks_begin(tfc_masks *masks)
{
    masks->step++;
}

static mask_key key_of(const tfc_grammar *grammar, uint32_t state)
{
    if (!grammar) return (mask_key){0};
    mask_key key = {{grammar->identity[0], grammar->identity[1]}, NULL, state};
    if (!key.identity[0] && !key.identity[1]) key.grammar = grammar;
    return key;
}

static bool same_key(const mask_key *a, const mask_key *b)
{
    return a->identity[0] == b->identity[0] && a->identity[1] == b->identity[1] && a->grammar == b->grammar &&
           a->state == b->state;
}

static int32_t *list_of(tfc_masks *masks, const mask_key *key)
{
    uint64_t parts[4] = {key->identity[0], key->identity[1], (uint64_t)(uintptr_t)key->grammar, key->state};
    return &masks->lists[tfc_hash_bytes(parts, sizeof parts, 0) % N_LISTS];
}

static void unlink_entry(tfc_masks *masks, int32_t i)
{
    int32_t *link = list_of(masks, &masks->entries[i].key);
    while (*link != i) link = &masks->entries[*link].next;
    *link = masks->entries[i].next;
}

/* A free entry; else the one that was used longest ago. */
static int32_t take_entry(tfc_masks *masks)
{
    if (masks->n_used < masks->n_entries) return (int32_t)masks->n_used++;
    int32_t oldest = 0;
    for (int32_t i = 1; i < (int32_t)masks->n_entries; i++)
        if (masks->entries[i].last_step < masks->entries[oldest].last_step) oldest = i;
    unlink_entry(masks, oldest);
    return oldest;
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

const uint64_t *tfc_masks_get(tfc_masks *masks, const tfc_grammar *grammar, uint32_t state)
{
    mask_key key = key_of(grammar, state);
    int32_t *list = list_of(masks, &key), i = *list;
    while (i != NONE && !same_key(&masks->entries[i].key, &key)) i = masks->entries[i].next;
    if (i != NONE) {
        masks->entries[i].last_step = masks->step;
        return masks->words + i * masks->n_words;
    }
    i = take_entry(masks);
    masks->entries[i] = (mask_entry){key, masks->step, *list};
    *list = i;
    uint64_t *words = masks->words + i * masks->n_words;
    memset(words, 0, (size_t)masks->n_words * sizeof *words);
    for (int64_t v = 0; v < masks->V; v++)
        if (allows(masks, grammar, state, (int32_t)v)) words[v / 64] |= UINT64_C(1) << (v % 64);
    return words;
}

void tfc_masks_trim(tfc_masks *masks)
{
    for (int32_t i = 0; i < (int32_t)masks->n_used; i++) {
        if (!masks->entries[i].key.grammar) continue;
        /* The last entry moves into the gap. */
        unlink_entry(masks, i);
        int32_t last = (int32_t)--masks->n_used;
        if (i == last) break;
        unlink_entry(masks, last);
        masks->entries[i] = masks->entries[last];
        memcpy(masks->words + i * masks->n_words, masks->words + last * masks->n_words,
               (size_t)masks->n_words * sizeof *masks->words);
        int32_t *list = list_of(masks, &masks->entries[i].key);
        masks->entries[i].next = *list;
        *list = i;
        i--;
    }
}
