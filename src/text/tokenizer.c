/* Text to ids: added tokens are cut out first; what lies between them is composed (NFC) where the model wants
 * it, cut into pieces by the pre-tokenizer, and each piece is merged. All state of a call is on its stack. */
#include "text/tokenizer_core.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/utf8.h"

tfc_tokenizer *tfc_tokenizer_create(tfc_error *err)
{
    tfc_tokenizer *tokenizer = tfc_alloc_zero(1, sizeof *tokenizer);
    if (!tokenizer) {
        tfc_fail_memory(err, "tokenizer");
        return NULL;
    }
    tokenizer->bos = tokenizer->eos = -1;
    return tokenizer;
}

void tfc_tokenizer_free(tfc_tokenizer *tokenizer)
{
    if (!tokenizer) return;
    tfc_vocab_release(&tokenizer->vocab);
    tfc_bpe_release(&tokenizer->bpe);
    tfc_pretokenizer_release(&tokenizer->pre);
    tfc_added_release(&tokenizer->added);
    tfc_added_release(&tokenizer->added_normalized);
    tfc_free(tokenizer);
}

/* Special tokens of known model families after which nothing is to follow. */
static bool name_ends_text(const tfc_token *token)
{
    static const char *const names[] = {"<|endoftext|>", "<|im_end|>",    "<|end_of_text|>", "<|eot_id|>",
                                        "<|eom_id|>",    "<end_of_turn>", "<|end|>",         "</s>",
                                        "<eos>",         "<EOT>",         "<|endofprompt|>", "<|return|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == token->n_text && memcmp(names[i], token->text, token->n_text) == 0)
            return true;
    return false;
}

static tfc_status check_id(const tfc_tokenizer *tokenizer, const char *name, int32_t id, tfc_error *err)
{
    if (id < -1 || id >= tokenizer->vocab.n_tokens)
        return tfc_fail(err, TFC_EFORMAT, "%s_token_id %d outside the vocabulary of %d", name, id,
                        tokenizer->vocab.n_tokens);
    return TFC_OK;
}

tfc_status tfc_tokenizer_finish(tfc_tokenizer *tokenizer, tfc_error *err)
{
    tfc_status status = check_id(tokenizer, "bos", tokenizer->bos, err);
    if (status == TFC_OK) status = check_id(tokenizer, "eos", tokenizer->eos, err);
    if (status == TFC_OK) status = tfc_added_init(&tokenizer->added, &tokenizer->vocab, false, err);
    if (status == TFC_OK) status = tfc_added_init(&tokenizer->added_normalized, &tokenizer->vocab, true, err);
    if (status != TFC_OK) return status;
    tfc_vocab_index_bytes(&tokenizer->vocab);
    for (int32_t id = 0; id < tokenizer->vocab.n_tokens; id++) {
        tfc_token *token = &tokenizer->vocab.tokens[id];
        token->ends_text |=
            id == tokenizer->eos || (token->kind == TFC_TOKEN_SPECIAL && name_ends_text(token));
    }
    tokenizer->adds_bos = tokenizer->adds_bos && tokenizer->bos >= 0;
    return TFC_OK;
}

/* One call's work. */
typedef struct encoding {
    const tfc_tokenizer *tokenizer;
    bool special;
    tfc_pieces pieces;
    tfc_bpe_scratch scratch;
    tfc_buffer spelled; /* a piece in the byte alphabet */
    tfc_ids ids;
} encoding;

static tfc_status encode_piece(encoding *e, const char *piece, size_t n, tfc_error *err)
{
    const tfc_tokenizer *tokenizer = e->tokenizer;
    if (tokenizer->ignore_merges && n < 1024) {
        tfc_buffer_clear(&e->spelled);
        if (!tfc_bytes_spell(&e->spelled, piece, n)) return tfc_fail_memory(err, "token ids");
        int32_t id = tfc_vocab_find_mergeable(&tokenizer->vocab, e->spelled.data, e->spelled.n);
        if (id >= 0) {
            tfc_ids_push(&e->ids, id);
            return TFC_OK;
        }
    }
    if (!tfc_bpe_encode(&tokenizer->bpe, &tokenizer->vocab, piece, n, &e->scratch, &e->ids))
        return tfc_fail_memory(err, "token ids");
    return TFC_OK;
}

/* Text without added tokens. */
static tfc_status encode_plain(encoding *e, const char *text, size_t n, tfc_error *err)
{
    if (n == 0) return TFC_OK;
    tfc_status status = tfc_pretokenizer_run(&e->tokenizer->pre, text, n, &e->pieces, err);
    for (size_t i = 0; i < e->pieces.n && status == TFC_OK; i++) {
        tfc_span span = e->pieces.spans[i];
        status = encode_piece(e, e->pieces.text + span.begin, span.end - span.begin, err);
    }
    return status;
}

typedef tfc_status encode_function(encoding *e, const char *text, size_t n, tfc_error *err);

/* Cuts the tokens of `added` out of the text; what lies between them goes to `between`. */
static tfc_status encode_around(encoding *e, const tfc_added *added, const char *text, size_t n,
                                encode_function *between, tfc_error *err)
{
    size_t done = 0;
    while (added->n_ids > 0 && done < n) {
        size_t begin, end;
        int32_t id = tfc_added_find(added, &e->tokenizer->vocab, text, n, done, e->special, &begin, &end);
        if (id < 0) break;
        tfc_status status = between(e, text + done, begin - done, err);
        if (status != TFC_OK) return status;
        tfc_ids_push(&e->ids, id);
        done = end;
    }
    return between(e, text + done, n - done, err);
}

/* No character below U+0300 changes under NFC, alone or beside others below it: no byte from 0xCC on. */
static bool is_composed(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] >= 0xCC) return false;
    return true;
}

static tfc_status encode_normalized(encoding *e, const char *text, size_t n, tfc_error *err)
{
    if (n == 0) return TFC_OK;
    if (!e->tokenizer->nfc || is_composed(text, n))
        return encode_around(e, &e->tokenizer->added_normalized, text, n, encode_plain, err);
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t length = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, &composed,
                                           UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (length < 0)
        return tfc_fail(err, length == UTF8PROC_ERROR_NOMEM ? TFC_ENOMEM : TFC_EFORMAT, "composing text: %s",
                        utf8proc_errmsg(length));
    tfc_status status = encode_around(e, &e->tokenizer->added_normalized, (const char *)composed,
                                      (size_t)length, encode_plain, err);
    free(composed);
    return status;
}

tfc_status tfc_tokenize(const tfc_tokenizer *tokenizer, const char *text, size_t n_bytes, unsigned flags,
                        int32_t **ids, int64_t *n_ids, tfc_error *err)
{
    size_t at;
    if (n_bytes > INT32_MAX / 2) return tfc_fail(err, TFC_ELIMIT, "text of %zu bytes is too long", n_bytes);
    if (!tfc_utf8_valid(text, n_bytes, &at))
        return tfc_fail(err, TFC_EFORMAT, "text: invalid UTF-8 at byte %zu", at);
    encoding e = {.tokenizer = tokenizer, .special = (flags & TFC_TOKENIZE_SPECIAL) != 0};
    tfc_buffer_init(&e.spelled, 0);
    if ((flags & TFC_TOKENIZE_ADD_BOS) && tokenizer->adds_bos) tfc_ids_push(&e.ids, tokenizer->bos);
    tfc_status status = encode_around(&e, &tokenizer->added, text, n_bytes, encode_normalized, err);
    if (status == TFC_OK && !e.ids.items && !e.ids.failed) { /* no ids: still something to free */
        tfc_ids_push(&e.ids, 0);
        e.ids.n = 0;
    }
    if (status == TFC_OK && e.ids.failed) status = tfc_fail_memory(err, "token ids");
    tfc_pieces_release(&e.pieces);
    tfc_bpe_scratch_release(&e.scratch);
    tfc_buffer_release(&e.spelled);
    if (status != TFC_OK) {
        tfc_free(e.ids.items);
        return status;
    }
    *ids = e.ids.items;
    *n_ids = e.ids.n;
    return TFC_OK;
}

void tfc_ids_free(int32_t *ids)
{
    tfc_free(ids);
}

const char *tfc_token_text(const tfc_tokenizer *tokenizer, int32_t id, size_t *n)
{
    if (id < 0 || id >= tokenizer->vocab.n_tokens) return NULL;
    const tfc_token *token = &tokenizer->vocab.tokens[id];
    *n = token->n_text;
    return token->kind == TFC_TOKEN_HOLE ? "" : token->text;
}

tfc_status tfc_detokenize(const tfc_tokenizer *tokenizer, const int32_t *ids, int64_t n_ids, bool special,
                          char **text, size_t *n_bytes, tfc_error *err)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    for (int64_t i = 0; i < n_ids; i++) {
        size_t n;
        const char *bytes = tfc_token_text(tokenizer, ids[i], &n);
        if (!bytes) {
            tfc_buffer_release(&buffer);
            return tfc_fail(err, TFC_EINVAL, "token id %d outside the vocabulary of %d", ids[i],
                            tokenizer->vocab.n_tokens);
        }
        if (special || !tfc_token_is_special(tokenizer, ids[i])) tfc_buffer_append(&buffer, bytes, n);
    }
    tfc_status status = tfc_buffer_ok(&buffer, "text", err);
    if (status != TFC_OK) {
        tfc_buffer_release(&buffer);
        return status;
    }
    *text = tfc_buffer_take(&buffer, n_bytes);
    return *text ? TFC_OK : tfc_fail_memory(err, "text");
}

int32_t tfc_tokenizer_n_tokens(const tfc_tokenizer *tokenizer)
{
    return tokenizer->vocab.n_tokens;
}

bool tfc_token_is_special(const tfc_tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && id < tokenizer->vocab.n_tokens && tokenizer->vocab.tokens[id].kind == TFC_TOKEN_SPECIAL;
}

int32_t tfc_tokenizer_bos(const tfc_tokenizer *tokenizer)
{
    return tokenizer->bos;
}

int32_t tfc_tokenizer_eos(const tfc_tokenizer *tokenizer)
{
    return tokenizer->eos;
}

bool tfc_tokenizer_adds_bos(const tfc_tokenizer *tokenizer)
{
    return tokenizer->adds_bos;
}

bool tfc_token_ends_text(const tfc_tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && id < tokenizer->vocab.n_tokens && tokenizer->vocab.tokens[id].ends_text;
}
