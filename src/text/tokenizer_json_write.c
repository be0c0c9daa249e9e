/* tokenizer.json from a tokenizer: what tokenizer_json.c reads back to the same one. Pre-tokenizer steps
 * become Split and ByteLevel; the byte alphabet is ByteLevel's, so that it always ends the sequence. */
#include "text/tokenizer_core.h"

static void put_bool(tfc_buffer *out, const char *key, bool value)
{
    tfc_buffer_printf(out, ",\"%s\":%s", key, value ? "true" : "false");
}

static void put_text(tfc_buffer *out, const char *text)
{
    tfc_buffer_json(out, text, strlen(text));
}

static void put_token(tfc_buffer *out, const tfc_token *token)
{
    tfc_buffer_json(out, token->spelling, token->n_spelling);
}

static void write_added(const tfc_vocab *vocab, tfc_buffer *out)
{
    bool first = true;
    tfc_buffer_puts(out, "\"added_tokens\":[");
    for (int32_t id = 0; id < vocab->n_tokens; id++) {
        const tfc_token *token = &vocab->tokens[id];
        if (token->kind != TFC_TOKEN_ADDED && token->kind != TFC_TOKEN_SPECIAL) continue;
        tfc_buffer_printf(out, "%s\n{\"id\":%d,\"content\":", first ? "" : ",", id);
        put_token(out, token);
        put_bool(out, "single_word", token->flags & TFC_TOKEN_SINGLE_WORD);
        put_bool(out, "lstrip", token->flags & TFC_TOKEN_LSTRIP);
        put_bool(out, "rstrip", token->flags & TFC_TOKEN_RSTRIP);
        put_bool(out, "normalized", token->flags & TFC_TOKEN_NORMALIZED);
        put_bool(out, "special", token->kind == TFC_TOKEN_SPECIAL);
        tfc_buffer_putc(out, '}');
        first = false;
    }
    tfc_buffer_puts(out, "],\n");
}

static void write_split(const tfc_split *step, tfc_buffer *out)
{
    static const char *const behaviors[] = {[TFC_SPLIT_ISOLATED] = "Isolated",
                                            [TFC_SPLIT_REMOVED] = "Removed",
                                            [TFC_SPLIT_CONTIGUOUS] = "Contiguous"};
    bool digits = !step->literal && !step->invert && step->behavior != TFC_SPLIT_REMOVED &&
                  strcmp(step->pattern, tfc_pattern_digits) == 0;
    if (digits) {
        tfc_buffer_puts(out, "{\"type\":\"Digits\"");
        put_bool(out, "individual_digits", step->behavior == TFC_SPLIT_ISOLATED);
    } else {
        tfc_buffer_printf(out,
                          "{\"type\":\"Split\",\"pattern\":{\"%s\":", step->literal ? "String" : "Regex");
        put_text(out, step->pattern);
        tfc_buffer_printf(out, "},\"behavior\":\"%s\"", behaviors[step->behavior]);
        put_bool(out, "invert", step->invert);
    }
    tfc_buffer_putc(out, '}');
}

static void put_byte_level(tfc_buffer *out, bool prefix_space, bool regex)
{
    tfc_buffer_puts(out, "{\"type\":\"ByteLevel\"");
    put_bool(out, "add_prefix_space", prefix_space);
    put_bool(out, "trim_offsets", true);
    put_bool(out, "use_regex", regex);
    tfc_buffer_putc(out, '}');
}

/* The last steps may be ByteLevel's own: the prefix space, then GPT-2's pattern. */
static void write_pretokenizer(const tfc_pretokenizer *pre, tfc_buffer *out)
{
    int n = pre->n_steps;
    const tfc_split *last = n > 0 ? &pre->steps[n - 1] : NULL;
    bool regex = last && !last->prefix_space && !last->literal && !last->invert &&
                 last->behavior == TFC_SPLIT_ISOLATED && strcmp(last->pattern, tfc_pattern_gpt2) == 0;
    n -= regex;
    bool prefix_space = n > 0 && pre->steps[n - 1].prefix_space;
    n -= prefix_space;
    tfc_buffer_puts(out, "\"pre_tokenizer\":");
    if (n > 0) tfc_buffer_puts(out, "{\"type\":\"Sequence\",\"pretokenizers\":[");
    for (int i = 0; i < n; i++) {
        write_split(&pre->steps[i], out);
        tfc_buffer_putc(out, ',');
    }
    put_byte_level(out, prefix_space, regex);
    tfc_buffer_puts(out, n > 0 ? "]},\n" : ",\n");
}

static void write_post_processor(const tfc_tokenizer *tokenizer, tfc_buffer *out)
{
    if (!tokenizer->adds_bos) {
        tfc_buffer_puts(out, "\"post_processor\":null,\n");
        return;
    }
    const tfc_token *bos = &tokenizer->vocab.tokens[tokenizer->bos];
    tfc_buffer_puts(out, "\"post_processor\":{\"type\":\"TemplateProcessing\"");
    for (int pair = 0; pair < 2; pair++) {
        tfc_buffer_puts(out, pair ? ",\"pair\":[" : ",\"single\":[");
        for (int i = 0; i <= pair; i++) {
            tfc_buffer_puts(out, i ? ",{\"SpecialToken\":{\"id\":" : "{\"SpecialToken\":{\"id\":");
            put_token(out, bos);
            tfc_buffer_printf(out, ",\"type_id\":%d}},{\"Sequence\":{\"id\":\"%c\",\"type_id\":%d}}", i,
                              'A' + i, i);
        }
        tfc_buffer_putc(out, ']');
    }
    tfc_buffer_puts(out, ",\"special_tokens\":{");
    put_token(out, bos);
    tfc_buffer_puts(out, ":{\"id\":");
    put_token(out, bos);
    tfc_buffer_printf(out, ",\"ids\":[%d],\"tokens\":[", tokenizer->bos);
    put_token(out, bos);
    tfc_buffer_puts(out, "]}}},\n");
}

static void write_model(const tfc_tokenizer *tokenizer, tfc_buffer *out)
{
    const tfc_vocab *vocab = &tokenizer->vocab;
    tfc_buffer_puts(out, "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                         "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,"
                         "\"byte_fallback\":false");
    put_bool(out, "ignore_merges", tokenizer->ignore_merges);
    tfc_buffer_puts(out, ",\n\"vocab\":{");
    bool first = true;
    for (int32_t id = 0; id < vocab->n_tokens; id++) {
        const tfc_token *token = &vocab->tokens[id];
        if (token->kind == TFC_TOKEN_HOLE || !token->in_vocab) continue;
        tfc_buffer_puts(out, first ? "\n" : ",\n");
        put_token(out, token);
        tfc_buffer_printf(out, ":%d", id);
        first = false;
    }
    tfc_buffer_puts(out, "},\n\"merges\":[");
    for (int32_t i = 0; i < tokenizer->bpe.n_merges; i++) {
        tfc_buffer_puts(out, i ? ",\n[" : "\n[");
        put_token(out, &vocab->tokens[tokenizer->bpe.merges[i].left]);
        tfc_buffer_putc(out, ',');
        put_token(out, &vocab->tokens[tokenizer->bpe.merges[i].right]);
        tfc_buffer_putc(out, ']');
    }
    tfc_buffer_puts(out, "]}");
}

tfc_status tfc_tokenizer_write_json(const tfc_tokenizer *tokenizer, char **text, size_t *n, tfc_error *err)
{
    tfc_buffer out;
    tfc_buffer_init(&out, 0);
    tfc_buffer_puts(&out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n");
    write_added(&tokenizer->vocab, &out);
    tfc_buffer_puts(&out, tokenizer->nfc ? "\"normalizer\":{\"type\":\"NFC\"},\n" : "\"normalizer\":null,\n");
    write_pretokenizer(&tokenizer->pre, &out);
    write_post_processor(tokenizer, &out);
    tfc_buffer_puts(&out, "\"decoder\":");
    put_byte_level(&out, true, true);
    tfc_buffer_puts(&out, ",\n");
    write_model(tokenizer, &out);
    tfc_buffer_puts(&out, "}\n");
    tfc_status status = tfc_buffer_ok(&out, "tokenizer.json", err);
    if (status != TFC_OK) {
        tfc_buffer_release(&out);
        return status;
    }
    *text = tfc_buffer_take(&out, n);
    return *text ? TFC_OK : tfc_fail_memory(err, "tokenizer.json");
}
