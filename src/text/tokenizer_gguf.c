/* tokenizer.ggml.*: the tokenizer as GGUF carries it. Normal tokens are spelled in the byte alphabet, others
 * as they are.
 *
 * The format has no place for a normalizer and for ignore_merges: both follow from tokenizer.ggml.pre. Where
 * a tokenizer departs from that, two keys of our own say so; other readers pass over them. */
#include <stdio.h>

#include "text/tokenizer_core.h"

#define KEY "tokenizer.ggml."
#define KEY_NFC "toolformer.tokenizer.nfc"
#define KEY_IGNORE_MERGES "toolformer.tokenizer.ignore_merges"

/* GGUF's token types. */
enum {
    GGUF_NORMAL = 1,
    GGUF_UNKNOWN = 2,
    GGUF_CONTROL = 3,
    GGUF_USER_DEFINED = 4,
    GGUF_UNUSED = 5,
    GGUF_BYTE = 6
};

static tfc_status read_tokens(tfc_tokenizer *tokenizer, const tfc_gguf *gguf, tfc_error *err)
{
    int64_t n_tokens, n_types = 0;
    const int32_t *types = NULL;
    bool found;
    tfc_status status = tfc_gguf_get_text_array(gguf, KEY "tokens", &n_tokens, NULL, err);
    if (status == TFC_OK)
        status = tfc_gguf_get_int_array(gguf, KEY "token_type", &types, &n_types, &found, err);
    if (status != TFC_OK) return status;
    if (found && n_types != n_tokens)
        return tfc_fail(err, TFC_EFORMAT, KEY "token_type and " KEY "tokens differ in length: %lld and %lld",
                        (long long)n_types, (long long)n_tokens);
    status = tfc_vocab_init(&tokenizer->vocab, n_tokens, err);
    for (int64_t i = 0; i < n_tokens && status == TFC_OK; i++) {
        const char *spelling;
        size_t n;
        int32_t type = found ? types[i] : GGUF_NORMAL;
        if (type < GGUF_NORMAL || type > GGUF_BYTE)
            return tfc_fail(err, TFC_EFORMAT, KEY "token_type: token %lld has unknown type %d", (long long)i,
                            type);
        if (type == GGUF_UNUSED) continue; /* a row of the embedding without a token */
        status = tfc_gguf_text_item(gguf, KEY "tokens", i, &spelling, &n);
        if (status != TFC_OK) return tfc_fail(err, status, KEY "tokens: item %lld", (long long)i);
        tfc_token_kind kind = type == GGUF_NORMAL || type == GGUF_BYTE ? TFC_TOKEN_NORMAL
                              : type == GGUF_USER_DEFINED              ? TFC_TOKEN_ADDED
                                                                       : TFC_TOKEN_SPECIAL;
        status = tfc_vocab_set(&tokenizer->vocab, (int32_t)i, kind, spelling, n, err);
        if (status != TFC_OK) return status;
        tokenizer->vocab.tokens[i].in_vocab = true;
    }
    return status;
}

static tfc_status read_merges(tfc_tokenizer *tokenizer, const tfc_gguf *gguf, tfc_error *err)
{
    int64_t n_merges;
    tfc_status status = tfc_gguf_get_text_array(gguf, KEY "merges", &n_merges, NULL, err);
    if (status == TFC_OK) status = tfc_bpe_init(&tokenizer->bpe, n_merges, err);
    for (int64_t i = 0; i < n_merges && status == TFC_OK; i++) {
        const char *text;
        size_t n;
        status = tfc_gguf_text_item(gguf, KEY "merges", i, &text, &n);
        if (status != TFC_OK) return tfc_fail(err, status, KEY "merges: item %lld", (long long)i);
        const char *blank = n > 1 ? memchr(text + 1, ' ', n - 1) : NULL;
        if (!blank) return tfc_fail(err, TFC_EFORMAT, "merge %lld: two parts expected", (long long)i);
        status = tfc_bpe_add(&tokenizer->bpe, &tokenizer->vocab, i, text, (size_t)(blank - text), blank + 1,
                             (size_t)(text + n - blank - 1), err);
    }
    return status;
}

/* Token ids by key; -1 where there is none. */
static tfc_status read_id(const tfc_tokenizer *tokenizer, const tfc_gguf *gguf, const char *name, int32_t *id,
                          tfc_error *err)
{
    char key[80];
    int64_t value;
    bool found;
    snprintf(key, sizeof key, KEY "%s_token_id", name);
    *id = -1;
    tfc_status status = tfc_gguf_get_int(gguf, key, &value, &found, err);
    if (status != TFC_OK || !found) return status;
    if (value < 0 || value >= tokenizer->vocab.n_tokens)
        return tfc_fail(err, TFC_EFORMAT, "%s %lld outside the vocabulary of %d", key, (long long)value,
                        tokenizer->vocab.n_tokens);
    *id = (int32_t)value;
    return TFC_OK;
}

static tfc_status read_ids(tfc_tokenizer *tokenizer, const tfc_gguf *gguf, tfc_error *err)
{
    static const char *const ends[] = {"eot", "eom"};
    int32_t id;
    tfc_status status = read_id(tokenizer, gguf, "bos", &tokenizer->bos, err);
    if (status == TFC_OK) status = read_id(tokenizer, gguf, "eos", &tokenizer->eos, err);
    for (int i = 0; i < 2 && status == TFC_OK; i++) {
        status = read_id(tokenizer, gguf, ends[i], &id, err);
        if (status == TFC_OK && id >= 0) tokenizer->vocab.tokens[id].ends_text = true;
    }
    return status;
}

static tfc_status read_options(tfc_tokenizer *tokenizer, const tfc_gguf *gguf, tfc_error *err)
{
    const char *name;
    size_t n;
    bool found;
    tfc_status status = tfc_gguf_get_text(gguf, KEY "model", &name, &n, NULL, err);
    if (status != TFC_OK) return status;
    if (n != 4 || memcmp(name, "gpt2", 4) != 0)
        return tfc_fail(err, TFC_EUNSUPPORTED,
                        "unsupported " KEY "model '%.*s'; gpt2 (byte-level BPE) is supported",
                        n > 80 ? 80 : (int)n, name);
    status = tfc_gguf_get_text(gguf, KEY "pre", &name, &n, &found, err);
    if (status != TFC_OK) return status;
    if (!found) name = "default", n = strlen(name);
    status =
        tfc_pretokenizer_named(&tokenizer->pre, name, n, &tokenizer->ignore_merges, &tokenizer->nfc, err);
    if (status != TFC_OK) return status;
    tokenizer->adds_bos = tokenizer->ignore_merges; /* Llama 3 files without the key mean so */
    status = tfc_gguf_get_bool(gguf, KEY "add_bos_token", &tokenizer->adds_bos, &found, err);
    if (status == TFC_OK) status = tfc_gguf_get_bool(gguf, KEY_NFC, &tokenizer->nfc, &found, err);
    if (status == TFC_OK)
        status = tfc_gguf_get_bool(gguf, KEY_IGNORE_MERGES, &tokenizer->ignore_merges, &found, err);
    return status;
}

tfc_tokenizer *tfc_tokenizer_from_gguf(const tfc_gguf *gguf, tfc_error *err)
{
    tfc_tokenizer *tokenizer = tfc_tokenizer_create(err);
    if (!tokenizer) return NULL;
    if (read_options(tokenizer, gguf, err) != TFC_OK || read_tokens(tokenizer, gguf, err) != TFC_OK ||
        read_merges(tokenizer, gguf, err) != TFC_OK || read_ids(tokenizer, gguf, err) != TFC_OK ||
        tfc_tokenizer_finish(tokenizer, err) != TFC_OK) {
        tfc_tokenizer_free(tokenizer);
        return NULL;
    }
    return tokenizer;
}

/* --- writing --- */

/* Ids without a token, and rows past the last one, get names that no text holds. */
static tfc_status write_tokens(const tfc_tokenizer *tokenizer, int64_t n_rows, tfc_gguf_writer *writer,
                               tfc_error *err)
{
    const tfc_vocab *vocab = &tokenizer->vocab;
    tfc_arena arena = {0};
    const char **texts = tfc_alloc((size_t)n_rows, sizeof *texts);
    size_t *lengths = tfc_alloc((size_t)n_rows, sizeof *lengths);
    int32_t *types = tfc_alloc((size_t)n_rows, sizeof *types);
    tfc_status status = TFC_OK;
    if (!texts || !lengths || !types) status = tfc_fail_memory(err, "tokens");
    for (int64_t i = 0; i < n_rows && status == TFC_OK; i++) {
        const tfc_token *token = i < vocab->n_tokens ? &vocab->tokens[i] : NULL;
        if (token && token->kind != TFC_TOKEN_HOLE) {
            texts[i] = token->spelling;
            lengths[i] = token->n_spelling;
            types[i] = token->kind == TFC_TOKEN_NORMAL  ? GGUF_NORMAL
                       : token->kind == TFC_TOKEN_ADDED ? GGUF_USER_DEFINED
                                                        : GGUF_CONTROL;
            continue;
        }
        char name[32];
        lengths[i] = (size_t)snprintf(name, sizeof name, "[PAD%lld]", (long long)i);
        texts[i] = tfc_arena_strndup(&arena, name, lengths[i]);
        types[i] = GGUF_UNUSED;
        if (!texts[i]) status = tfc_fail_memory(err, "tokens");
    }
    if (status == TFC_OK)
        status = tfc_gguf_writer_text_array(writer, KEY "tokens", texts, lengths, n_rows, err);
    if (status == TFC_OK) status = tfc_gguf_writer_int_array(writer, KEY "token_type", types, n_rows, err);
    tfc_free(texts);
    tfc_free(lengths);
    tfc_free(types);
    tfc_arena_release(&arena);
    return status;
}

static tfc_status write_merges(const tfc_tokenizer *tokenizer, tfc_gguf_writer *writer, tfc_error *err)
{
    const tfc_vocab *vocab = &tokenizer->vocab;
    size_t n = (size_t)tokenizer->bpe.n_merges;
    tfc_arena arena = {0};
    const char **texts = tfc_alloc(n, sizeof *texts);
    size_t *lengths = tfc_alloc(n, sizeof *lengths);
    tfc_status status = texts && lengths ? TFC_OK : tfc_fail_memory(err, "merges");
    for (size_t i = 0; i < n && status == TFC_OK; i++) {
        const tfc_token *left = &vocab->tokens[tokenizer->bpe.merges[i].left];
        const tfc_token *right = &vocab->tokens[tokenizer->bpe.merges[i].right];
        lengths[i] = (size_t)left->n_spelling + right->n_spelling + 1;
        char *text = tfc_arena_alloc(&arena, lengths[i], 1);
        texts[i] = text;
        if (!text) {
            status = tfc_fail_memory(err, "merges");
            break;
        }
        memcpy(text, left->spelling, left->n_spelling);
        text[left->n_spelling] = ' ';
        memcpy(text + left->n_spelling + 1, right->spelling, right->n_spelling);
    }
    if (status == TFC_OK)
        status = tfc_gguf_writer_text_array(writer, KEY "merges", texts, lengths, (int64_t)n, err);
    tfc_free(texts);
    tfc_free(lengths);
    tfc_arena_release(&arena);
    return status;
}

static tfc_status write_options(const tfc_tokenizer *tokenizer, tfc_gguf_writer *writer, tfc_error *err)
{
    bool ignore_merges = false, nfc = false;
    tfc_pretokenizer same = {0};
    const char *name = tfc_pretokenizer_name(&tokenizer->pre);
    if (!name)
        return tfc_fail(err, TFC_EUNSUPPORTED,
                        "this tokenizer's pre_tokenizer has no name in GGUF; export as safetensors instead");
    tfc_status status = tfc_pretokenizer_named(&same, name, strlen(name), &ignore_merges, &nfc, err);
    tfc_pretokenizer_release(&same);
    if (status == TFC_OK) status = tfc_gguf_writer_text(writer, KEY "model", "gpt2", 4, err);
    if (status == TFC_OK) status = tfc_gguf_writer_text(writer, KEY "pre", name, strlen(name), err);
    if (status == TFC_OK)
        status = tfc_gguf_writer_bool(writer, KEY "add_bos_token", tokenizer->adds_bos, err);
    if (status == TFC_OK && nfc != tokenizer->nfc)
        status = tfc_gguf_writer_bool(writer, KEY_NFC, tokenizer->nfc, err);
    if (status == TFC_OK && ignore_merges != tokenizer->ignore_merges)
        status = tfc_gguf_writer_bool(writer, KEY_IGNORE_MERGES, tokenizer->ignore_merges, err);
    if (status == TFC_OK && tokenizer->bos >= 0)
        status = tfc_gguf_writer_int(writer, KEY "bos_token_id", (uint32_t)tokenizer->bos, err);
    if (status == TFC_OK && tokenizer->eos >= 0)
        status = tfc_gguf_writer_int(writer, KEY "eos_token_id", (uint32_t)tokenizer->eos, err);
    return status;
}

tfc_status tfc_tokenizer_write_gguf(const tfc_tokenizer *tokenizer, int64_t n_rows, tfc_gguf_writer *writer,
                                    tfc_error *err)
{
    if (n_rows < tokenizer->vocab.n_tokens) n_rows = tokenizer->vocab.n_tokens;
    if (n_rows > INT32_MAX)
        return tfc_fail(err, TFC_EINVAL, "%lld rows of tokens are too many", (long long)n_rows);
    tfc_status status = write_options(tokenizer, writer, err);
    if (status == TFC_OK) status = write_tokens(tokenizer, n_rows, writer, err);
    if (status == TFC_OK) status = write_merges(tokenizer, writer, err);
    return status;
}
