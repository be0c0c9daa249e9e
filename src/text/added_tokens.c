/* Added tokens lie sorted by spelling: the longest one that begins at a byte is found by narrowing a range, a
 * byte at a time. What is skipped (a special token when those are text, part of a longer word) is stepped
 * over as a whole. */
#include "text/added_tokens.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/utf8.h"

/* qsort has no context; the spelling travels with the id. */
typedef struct added_entry {
    const tfc_token *token;
    int32_t id;
} added_entry;

static int compare_entries(const void *a, const void *b)
{
    const tfc_token *x = ((const added_entry *)a)->token, *y = ((const added_entry *)b)->token;
    size_t n = x->n_spelling < y->n_spelling ? x->n_spelling : y->n_spelling;
    int order = memcmp(x->spelling, y->spelling, n);
    return order ? order : (x->n_spelling > y->n_spelling) - (x->n_spelling < y->n_spelling);
}

static bool token_belongs(const tfc_token *token, bool normalized)
{
    return (token->kind == TFC_TOKEN_ADDED || token->kind == TFC_TOKEN_SPECIAL) &&
           !(token->flags & TFC_TOKEN_NORMALIZED) == !normalized;
}

tfc_status tfc_added_init(tfc_added *added, const tfc_vocab *vocab, bool normalized, tfc_error *err)
{
    memset(added, 0, sizeof *added);
    size_t n = 0;
    for (int32_t id = 0; id < vocab->n_tokens; id++) n += token_belongs(&vocab->tokens[id], normalized);
    added_entry *entries = tfc_alloc(n, sizeof *entries);
    added->ids = tfc_alloc(n, sizeof *added->ids);
    if (!entries || !added->ids) {
        tfc_free(entries);
        return tfc_fail_memory(err, "added tokens");
    }
    n = 0;
    for (int32_t id = 0; id < vocab->n_tokens; id++)
        if (token_belongs(&vocab->tokens[id], normalized))
            entries[n++] = (added_entry){&vocab->tokens[id], id};
    qsort(entries, n, sizeof *entries, compare_entries);
    for (size_t i = 0; i < n; i++) {
        added->ids[i] = entries[i].id;
        added->starts[(unsigned char)entries[i].token->spelling[0]] = true;
    }
    added->n_ids = (int32_t)n;
    tfc_free(entries);
    return TFC_OK;
}

void tfc_added_release(tfc_added *added)
{
    tfc_free(added->ids);
    memset(added, 0, sizeof *added);
}

/* Byte `depth` of the i-th spelling; -1 past its end, so that a prefix sorts first. */
static int spelling_byte(const tfc_added *added, const tfc_vocab *vocab, int32_t i, size_t depth)
{
    const tfc_token *token = &vocab->tokens[added->ids[i]];
    return depth < token->n_spelling ? (unsigned char)token->spelling[depth] : -1;
}

/* The first of [low, high) whose byte `depth` is at least `byte`. */
static int32_t lower_bound(const tfc_added *added, const tfc_vocab *vocab, int32_t low, int32_t high,
                           size_t depth, int byte)
{
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (spelling_byte(added, vocab, middle, depth) < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token that text[n] begins with, -1: none. */
static int32_t longest_match(const tfc_added *added, const tfc_vocab *vocab, const char *text, size_t n)
{
    int32_t low = 0, high = added->n_ids, best = -1;
    for (size_t depth = 0; depth < n && low < high; depth++) {
        int byte = (unsigned char)text[depth];
        low = lower_bound(added, vocab, low, high, depth, byte);
        high = lower_bound(added, vocab, low, high, depth, byte + 1);
        if (low < high && vocab->tokens[added->ids[low]].n_spelling == depth + 1) best = added->ids[low];
    }
    return best;
}

static size_t character_before(const char *text, size_t at)
{
    do at--;
    while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80);
    return at;
}

static bool is_word(const char *text, size_t n)
{
    size_t length;
    switch (utf8proc_category((utf8proc_int32_t)tfc_utf8_decode(text, n, &length))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return false;
    }
}

static bool is_blank(const char *text, size_t n)
{
    size_t length;
    uint32_t code = tfc_utf8_decode(text, n, &length);
    if ((code >= 9 && code <= 13) || code == 0x85) return true;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

static bool stands_alone(const char *text, size_t n, size_t begin, size_t end)
{
    if (begin > 0) {
        size_t before = character_before(text, begin);
        if (is_word(text + before, begin - before)) return false;
    }
    return end == n || !is_word(text + end, n - end);
}

int32_t tfc_added_find(const tfc_added *added, const tfc_vocab *vocab, const char *text, size_t n,
                       size_t from, bool special, size_t *begin, size_t *end)
{
    for (size_t at = from; at < n; at++) {
        if (!added->starts[(unsigned char)text[at]]) continue;
        int32_t id = longest_match(added, vocab, text + at, n - at);
        if (id < 0) continue;
        const tfc_token *token = &vocab->tokens[id];
        size_t stop = at + token->n_spelling;
        if ((token->kind == TFC_TOKEN_SPECIAL && !special) ||
            ((token->flags & TFC_TOKEN_SINGLE_WORD) && !stands_alone(text, n, at, stop))) {
            at = stop - 1;
            continue;
        }
        *begin = at;
        *end = stop;
        if (token->flags & TFC_TOKEN_LSTRIP) {
            while (*begin > from) {
                size_t before = character_before(text, *begin);
                if (!is_blank(text + before, *begin - before)) break;
                *begin = before;
            }
        }
        if (token->flags & TFC_TOKEN_RSTRIP) {
            while (*end < n && is_blank(text + *end, n - *end)) {
                size_t length;
                tfc_utf8_decode(text + *end, n - *end, &length);
                *end += length;
            }
        }
        return id;
    }
    return -1;
}
