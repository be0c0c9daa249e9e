/* text/vocab.h: the tokens of a byte-level vocabulary and how they are spelled in files.
 *
 * Files spell a token's bytes in GPT-2's alphabet: printable Latin-1 bytes stand for themselves, the other 68
 * are U+0100 … U+0143 in order (space is Ġ). Tokens that were added (special ones among them) are spelled as
 * they are. */
#ifndef TFC_TEXT_VOCAB_H
#define TFC_TEXT_VOCAB_H

#include "base/memory.h"

typedef enum tfc_token_kind {
    TFC_TOKEN_HOLE,    /* no token has this id */
    TFC_TOKEN_NORMAL,  /* spelled in the byte alphabet; made by merges */
    TFC_TOKEN_ADDED,   /* found in text as it stands, always */
    TFC_TOKEN_SPECIAL, /* found in text when asked for; left out of text when asked for */
} tfc_token_kind;

enum { TFC_TOKEN_LSTRIP = 1, TFC_TOKEN_RSTRIP = 2, TFC_TOKEN_SINGLE_WORD = 4, TFC_TOKEN_NORMALIZED = 8 };

typedef struct tfc_token {
    const char *spelling, *text; /* as in files; the bytes that it stands for */
    uint32_t n_spelling, n_text;
    unsigned char kind;  /* tfc_token_kind */
    unsigned char flags; /* how an added token is found */
    bool in_vocab;       /* merges may name it */
    bool ends_text;
} tfc_token;

typedef struct tfc_vocab {
    tfc_token *tokens; /* [n_tokens] */
    int32_t n_tokens;
    int32_t byte_ids[256]; /* token of each single byte, -1: none */
    int32_t *table;        /* open addressing over spellings: id or -1 */
    size_t n_table;        /* a power of two */
    tfc_arena arena;
} tfc_vocab;

tfc_status tfc_vocab_init(tfc_vocab *vocab, int64_t n_tokens, tfc_error *err);
void tfc_vocab_release(tfc_vocab *vocab);

/* Gives id its token; the spelling is copied. Each id and each spelling once (TFC_EFORMAT). */
tfc_status tfc_vocab_set(tfc_vocab *vocab, int32_t id, tfc_token_kind kind, const char *spelling, size_t n,
                         tfc_error *err);
/* The id with this spelling, -1: none. */
int32_t tfc_vocab_find(const tfc_vocab *vocab, const char *spelling, size_t n);
/* The id with this spelling among those that merges may name, -1: none. */
int32_t tfc_vocab_find_mergeable(const tfc_vocab *vocab, const char *spelling, size_t n);
/* Fills byte_ids, once all tokens are set. */
void tfc_vocab_index_bytes(tfc_vocab *vocab);

/* One byte in the alphabet; returns how many bytes were written (1 or 2). */
size_t tfc_byte_spell(unsigned char byte, char out[4]);
/* bytes → alphabet, appended. */
bool tfc_bytes_spell(tfc_buffer *out, const char *bytes, size_t n);

#endif
