/* The vocabulary: tokens by id, a hash table from spelling to id, GPT-2's byte alphabet. */
#include "text/vocab.h"

#include "base/random.h"
#include "base/utf8.h"

/* Bytes that stand for themselves in the alphabet. */
static bool byte_is_plain(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/* The others, in order: 00 … 20, 7F … A0, AD. */
size_t tfc_byte_spell(unsigned char byte, char out[4])
{
    if (byte_is_plain(byte)) return tfc_utf8_encode(byte, out);
    return tfc_utf8_encode(0x100u + (byte <= 0x20 ? byte : byte == 0xAD ? 0x43u : byte - 0x7Fu + 0x21u), out);
}

bool tfc_bytes_spell(tfc_buffer *out, const char *bytes, size_t n)
{
    char letter[4];
    for (size_t i = 0; i < n; i++)
        if (!tfc_buffer_append(out, letter, tfc_byte_spell((unsigned char)bytes[i], letter))) return false;
    return true;
}

/* The byte that a letter of the alphabet stands for, -1: not in it. */
static int byte_unspell(uint32_t code)
{
    if (code < 0x100) return byte_is_plain(code) ? (int)code : -1;
    if (code >= 0x144) return -1;
    uint32_t at = code - 0x100;
    return at <= 0x20 ? (int)at : at == 0x43 ? 0xAD : (int)(at - 0x21 + 0x7F);
}

tfc_status tfc_vocab_init(tfc_vocab *vocab, int64_t n_tokens, tfc_error *err)
{
    memset(vocab, 0, sizeof *vocab);
    if (n_tokens <= 0) return tfc_fail(err, TFC_EFORMAT, "the tokenizer has no tokens");
    if (n_tokens > INT32_MAX / 4)
        return tfc_fail(err, TFC_ELIMIT, "%lld tokens are too many", (long long)n_tokens);
    vocab->n_table = 64;
    while (vocab->n_table < (size_t)n_tokens * 2) vocab->n_table *= 2;
    vocab->tokens = tfc_alloc_zero((size_t)n_tokens, sizeof *vocab->tokens);
    vocab->table = tfc_alloc(vocab->n_table, sizeof *vocab->table);
    if (!vocab->tokens || !vocab->table) {
        tfc_vocab_release(vocab);
        return tfc_fail_memory(err, "vocabulary");
    }
    vocab->n_tokens = (int32_t)n_tokens;
    memset(vocab->table, 0xFF, vocab->n_table * sizeof *vocab->table);
    memset(vocab->byte_ids, 0xFF, sizeof vocab->byte_ids);
    return TFC_OK;
}

void tfc_vocab_release(tfc_vocab *vocab)
{
    tfc_free(vocab->tokens);
    tfc_free(vocab->table);
    tfc_arena_release(&vocab->arena);
    memset(vocab, 0, sizeof *vocab);
}

/* The slot of a spelling, or the empty one where it belongs. */
static size_t vocab_slot(const tfc_vocab *vocab, const char *spelling, size_t n)
{
    size_t at = tfc_hash_bytes(spelling, n, 0) & (vocab->n_table - 1);
    for (; vocab->table[at] >= 0; at = (at + 1) & (vocab->n_table - 1)) {
        const tfc_token *token = &vocab->tokens[vocab->table[at]];
        if (token->n_spelling == n && memcmp(token->spelling, spelling, n) == 0) break;
    }
    return at;
}

int32_t tfc_vocab_find(const tfc_vocab *vocab, const char *spelling, size_t n)
{
    return vocab->table[vocab_slot(vocab, spelling, n)];
}

int32_t tfc_vocab_find_mergeable(const tfc_vocab *vocab, const char *spelling, size_t n)
{
    int32_t id = tfc_vocab_find(vocab, spelling, n);
    return id >= 0 && vocab->tokens[id].in_vocab ? id : -1;
}

/* The bytes that a normal token stands for. One with letters outside the alphabet stands for itself. */
static tfc_status token_unspell(tfc_vocab *vocab, tfc_token *token, tfc_error *err)
{
    token->text = token->spelling;
    token->n_text = token->n_spelling;
    bool plain = true;
    for (size_t i = 0; i < token->n_spelling; i++)
        plain &=
            byte_unspell((unsigned char)token->spelling[i]) >= 0 && (unsigned char)token->spelling[i] < 0x80;
    if (plain) return TFC_OK;
    char *text = tfc_arena_alloc(&vocab->arena, (size_t)token->n_spelling + 1, 1);
    if (!text) return tfc_fail_memory(err, "vocabulary");
    size_t n = 0, length;
    for (size_t i = 0; i < token->n_spelling; i += length) {
        int byte = byte_unspell(tfc_utf8_decode(token->spelling + i, token->n_spelling - i, &length));
        if (byte < 0 || length == 0) return TFC_OK;
        text[n++] = (char)byte;
    }
    token->text = text;
    token->n_text = (uint32_t)n;
    return TFC_OK;
}

tfc_status tfc_vocab_set(tfc_vocab *vocab, int32_t id, tfc_token_kind kind, const char *spelling, size_t n,
                         tfc_error *err)
{
    int shown = n > 80 ? 80 : (int)n;
    if (id < 0 || id >= vocab->n_tokens)
        return tfc_fail(err, TFC_EFORMAT, "token id %d outside the vocabulary", id);
    if (vocab->tokens[id].kind != TFC_TOKEN_HOLE)
        return tfc_fail(err, TFC_EFORMAT, "two tokens have id %d: '%.80s' and '%.*s'", id,
                        vocab->tokens[id].spelling, shown, spelling);
    if (n == 0 || n > 1 << 20)
        return tfc_fail(err, TFC_EFORMAT, "token %d has %zu bytes; 1 to 1048576 expected", id, n);
    size_t at = vocab_slot(vocab, spelling, n);
    if (vocab->table[at] >= 0)
        return tfc_fail(err, TFC_EFORMAT, "duplicate token '%.*s': ids %d and %d", shown, spelling,
                        vocab->table[at], id);
    tfc_token *token = &vocab->tokens[id];
    token->spelling = tfc_arena_strndup(&vocab->arena, spelling, n);
    if (!token->spelling) return tfc_fail_memory(err, "vocabulary");
    token->n_spelling = (uint32_t)n;
    token->text = token->spelling;
    token->n_text = token->n_spelling;
    if (kind == TFC_TOKEN_NORMAL && token_unspell(vocab, token, err) != TFC_OK) return TFC_ENOMEM;
    token->kind = (unsigned char)kind;
    vocab->table[at] = id;
    return TFC_OK;
}

void tfc_vocab_index_bytes(tfc_vocab *vocab)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char letter[4];
        vocab->byte_ids[byte] =
            tfc_vocab_find_mergeable(vocab, letter, tfc_byte_spell((unsigned char)byte, letter));
    }
}
