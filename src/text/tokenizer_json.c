/* tokenizer.json as Hugging Face's tokenizers write it. What we would compute differently is refused: other
 * models than BPE over bytes, normalizers but NFC, pre-tokenizers that see more than the text,
 * post-processors that add more than one token in front. */
#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer_core.h"

enum { FILE_MAX = 256 << 20, SEQUENCE_DEPTH_MAX = 4 };

static bool text_is(const char *text, size_t n, const char *expected)
{
    return strlen(expected) == n && memcmp(text, expected, n) == 0;
}

/* The "type" that every part of the file has. */
static tfc_status get_type(tfc_json *object, const char *part, const char **type, size_t *n, tfc_error *err)
{
    if (!json_object_is_type(object, json_type_object))
        return tfc_fail(err, TFC_EFORMAT, "%s: object expected", part);
    tfc_status status = tfc_json_get_text(object, "type", type, n, NULL, err);
    if (status != TFC_OK) tfc_error_prefix(err, "%s", part);
    return status;
}

static tfc_status unsupported(const char *part, const char *type, size_t n, tfc_error *err)
{
    return tfc_fail(err, TFC_EUNSUPPORTED, "unsupported %s '%.*s'", part, n > 80 ? 80 : (int)n, type);
}

static tfc_status get_flag(tfc_json *object, const char *key, bool otherwise, bool *out, tfc_error *err)
{
    bool found;
    *out = otherwise;
    return tfc_json_get_bool(object, key, out, &found, err);
}

/* --- vocabulary --- */

/* An id in 0 … limit-1. */
static tfc_status token_id(tfc_json *value, int64_t limit, int64_t *id, tfc_error *err)
{
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
        return tfc_fail(err, TFC_EFORMAT, "token id: unsigned integer expected");
    *id = json_object_get_int64(value);
    if (*id >= limit)
        return tfc_fail(err, TFC_EFORMAT, "token id %lld outside the vocabulary", (long long)*id);
    return TFC_OK;
}

/* One more than the largest id. Ids may leave holes, but a file cannot claim ids far beyond its tokens. */
static tfc_status count_ids(tfc_json *vocab, tfc_json *added, int64_t *n_tokens, tfc_error *err)
{
    int64_t n_added = added ? (int64_t)json_object_array_length(added) : 0;
    int64_t limit = 2 * (json_object_object_length(vocab) + n_added) + 1024, id = 0;
    *n_tokens = 0;
    json_object_object_foreach(vocab, key, value)
    {
        (void)key;
        tfc_status status = token_id(value, limit, &id, err);
        if (status != TFC_OK) {
            tfc_error_prefix(err, "token '%.80s'", key);
            return status;
        }
        if (id >= *n_tokens) *n_tokens = id + 1;
    }
    for (int64_t i = 0; i < n_added; i++) {
        tfc_json *entry = json_object_array_get_idx(added, (size_t)i), *number = NULL;
        if (!json_object_is_type(entry, json_type_object))
            return tfc_fail(err, TFC_EFORMAT, "added_tokens: object expected");
        json_object_object_get_ex(entry, "id", &number);
        tfc_status status = token_id(number, limit, &id, err);
        if (status != TFC_OK) {
            tfc_error_prefix(err, "added_tokens[%lld]", (long long)i);
            return status;
        }
        if (id >= *n_tokens) *n_tokens = id + 1;
    }
    return TFC_OK;
}

static tfc_status read_added_token(tfc_vocab *vocab, tfc_json *entry, tfc_error *err)
{
    const char *content;
    size_t n;
    bool special, flag[4];
    static const char *const names[4] = {"lstrip", "rstrip", "single_word", "normalized"};
    static const unsigned char bits[4] = {TFC_TOKEN_LSTRIP, TFC_TOKEN_RSTRIP, TFC_TOKEN_SINGLE_WORD,
                                          TFC_TOKEN_NORMALIZED};
    tfc_status status = tfc_json_get_text(entry, "content", &content, &n, NULL, err);
    if (status == TFC_OK) status = get_flag(entry, "special", false, &special, err);
    for (int i = 0; i < 4 && status == TFC_OK; i++)
        status = get_flag(entry, names[i], i == 3 && !special, &flag[i], err);
    if (status != TFC_OK) return status;
    tfc_json *value;
    json_object_object_get_ex(entry, "id", &value);
    int32_t id = json_object_get_int(value);
    tfc_token *token = &vocab->tokens[id];
    tfc_token_kind kind = special ? TFC_TOKEN_SPECIAL : TFC_TOKEN_ADDED;
    if (token->kind == TFC_TOKEN_HOLE) {
        status = tfc_vocab_set(vocab, id, kind, content, n, err);
        if (status != TFC_OK) return status;
    } else if (token->n_spelling != n || memcmp(token->spelling, content, n) != 0) {
        return tfc_fail(err, TFC_EFORMAT, "two tokens have id %d: '%.80s' and '%.80s'", id, token->spelling,
                        content);
    }
    token->kind = (unsigned char)kind;
    token->text = token->spelling;
    token->n_text = token->n_spelling;
    for (int i = 0; i < 4; i++)
        if (flag[i]) token->flags |= bits[i];
    return TFC_OK;
}

static tfc_status read_vocab(tfc_tokenizer *tokenizer, tfc_json *root, tfc_json *model, tfc_error *err)
{
    tfc_json *vocab, *added;
    bool found;
    int64_t n_tokens;
    tfc_status status = tfc_json_get_object(model, "vocab", &vocab, NULL, err);
    if (status == TFC_OK) status = tfc_json_get_array(root, "added_tokens", &added, &found, err);
    if (status != TFC_OK) return status;
    if (!found) added = NULL;
    status = count_ids(vocab, added, &n_tokens, err);
    if (status == TFC_OK) status = tfc_vocab_init(&tokenizer->vocab, n_tokens, err);
    if (status != TFC_OK) return status;
    json_object_object_foreach(vocab, key, value)
    {
        int32_t id = json_object_get_int(value);
        status = tfc_vocab_set(&tokenizer->vocab, id, TFC_TOKEN_NORMAL, key, strlen(key), err);
        if (status != TFC_OK) return status;
        tokenizer->vocab.tokens[id].in_vocab = true;
    }
    for (size_t i = 0; added && i < json_object_array_length(added); i++) {
        status = read_added_token(&tokenizer->vocab, json_object_array_get_idx(added, i), err);
        if (status != TFC_OK) {
            tfc_error_prefix(err, "added_tokens[%zu]", i);
            return status;
        }
    }
    return TFC_OK;
}

/* --- model --- */

static tfc_status read_merge(tfc_tokenizer *tokenizer, tfc_json *merge, size_t i, tfc_error *err)
{
    const char *part[2];
    size_t n[2];
    if (json_object_is_type(merge, json_type_string)) {
        const char *text = json_object_get_string(merge), *end = text + json_object_get_string_len(merge);
        const char *blank = memchr(text, ' ', (size_t)(end - text));
        if (!blank || memchr(blank + 1, ' ', (size_t)(end - blank - 1)))
            return tfc_fail(err, TFC_EFORMAT, "merge %zu: two parts expected", i);
        part[0] = text, n[0] = (size_t)(blank - text);
        part[1] = blank + 1, n[1] = (size_t)(end - blank - 1);
    } else {
        if (!json_object_is_type(merge, json_type_array) || json_object_array_length(merge) != 2)
            return tfc_fail(err, TFC_EFORMAT, "merge %zu: two parts expected", i);
        for (size_t j = 0; j < 2; j++) {
            tfc_json *text = json_object_array_get_idx(merge, j);
            if (!json_object_is_type(text, json_type_string))
                return tfc_fail(err, TFC_EFORMAT, "merge %zu: two parts expected, both strings", i);
            part[j] = json_object_get_string(text);
            n[j] = (size_t)json_object_get_string_len(text);
        }
    }
    return tfc_bpe_add(&tokenizer->bpe, &tokenizer->vocab, (int64_t)i, part[0], n[0], part[1], n[1], err);
}

static tfc_status read_merges(tfc_tokenizer *tokenizer, tfc_json *model, tfc_error *err)
{
    tfc_json *merges;
    tfc_status status = tfc_json_get_array(model, "merges", &merges, NULL, err);
    if (status != TFC_OK) return status;
    size_t n = json_object_array_length(merges);
    status = tfc_bpe_init(&tokenizer->bpe, (int64_t)n, err);
    for (size_t i = 0; i < n && status == TFC_OK; i++)
        status = read_merge(tokenizer, json_object_array_get_idx(merges, i), i, err);
    return status;
}

static bool every_byte_has_token(tfc_vocab *vocab)
{
    tfc_vocab_index_bytes(vocab);
    for (int i = 0; i < 256; i++)
        if (vocab->byte_ids[i] < 0) return false;
    return true;
}

/* Options that change ids, where they would. Unknown-token rules never apply when every byte has a token. */
static tfc_status check_model_options(tfc_tokenizer *tokenizer, tfc_json *model, tfc_error *err)
{
    bool found, byte_fallback = false;
    double dropout = 0;
    const char *text;
    size_t n;
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    tfc_status status = tfc_json_get_double(model, "dropout", &dropout, &found, err);
    if (status == TFC_OK && dropout != 0)
        status = tfc_fail(err, TFC_EUNSUPPORTED, "unsupported model option: dropout");
    for (int i = 0; i < 2 && status == TFC_OK; i++) {
        status = tfc_json_get_text(model, affixes[i], &text, &n, &found, err);
        if (status == TFC_OK && found && n > 0)
            status = tfc_fail(err, TFC_EUNSUPPORTED, "unsupported model option: %s", affixes[i]);
    }
    if (status == TFC_OK) status = get_flag(model, "ignore_merges", false, &tokenizer->ignore_merges, err);
    if (status == TFC_OK) status = get_flag(model, "byte_fallback", false, &byte_fallback, err);
    if (status == TFC_OK) status = tfc_json_get_text(model, "unk_token", &text, &n, &found, err);
    if (status == TFC_OK && (byte_fallback || found) && !every_byte_has_token(&tokenizer->vocab))
        status =
            tfc_fail(err, TFC_EUNSUPPORTED, "unsupported model option: %s, with bytes that have no token",
                     byte_fallback ? "byte_fallback" : "unk_token");
    return status;
}

static tfc_status read_model(tfc_tokenizer *tokenizer, tfc_json *root, tfc_error *err)
{
    tfc_json *model;
    const char *type = "BPE";
    size_t n = 3;
    bool found;
    tfc_status status = tfc_json_get_object(root, "model", &model, NULL, err);
    if (status == TFC_OK) status = tfc_json_get_text(model, "type", &type, &n, &found, err);
    if (status != TFC_OK) return status;
    if (!text_is(type, n, "BPE")) return unsupported("tokenizer model", type, n, err);
    status = read_vocab(tokenizer, root, model, err);
    if (status == TFC_OK) status = read_merges(tokenizer, model, err);
    if (status == TFC_OK) status = check_model_options(tokenizer, model, err);
    return status;
}

/* --- normalizer and pre_tokenizer --- */

static tfc_status read_normalizer(tfc_tokenizer *tokenizer, tfc_json *value, int depth, tfc_error *err)
{
    const char *type;
    size_t n;
    tfc_status status = get_type(value, "normalizer", &type, &n, err);
    if (status != TFC_OK) return status;
    if (text_is(type, n, "NFC")) {
        tokenizer->nfc = true;
        return TFC_OK;
    }
    if (!text_is(type, n, "Sequence") || depth == SEQUENCE_DEPTH_MAX)
        return unsupported("normalizer", type, n, err);
    tfc_json *list;
    status = tfc_json_get_array(value, "normalizers", &list, NULL, err);
    for (size_t i = 0; status == TFC_OK && i < json_object_array_length(list); i++)
        status = read_normalizer(tokenizer, json_object_array_get_idx(list, i), depth + 1, err);
    return status;
}

static tfc_status read_split(tfc_pretokenizer *pre, tfc_json *value, tfc_error *err)
{
    tfc_json *pattern;
    const char *text, *behavior;
    size_t n, n_behavior;
    bool found, invert, literal = false;
    tfc_split_behavior kind;
    tfc_status status = tfc_json_get_object(value, "pattern", &pattern, NULL, err);
    if (status == TFC_OK) status = tfc_json_get_text(pattern, "Regex", &text, &n, &found, err);
    if (status == TFC_OK && !found) {
        literal = true;
        status = tfc_json_get_text(pattern, "String", &text, &n, NULL, err);
    }
    if (status == TFC_OK) status = tfc_json_get_text(value, "behavior", &behavior, &n_behavior, NULL, err);
    if (status == TFC_OK) status = get_flag(value, "invert", false, &invert, err);
    if (status != TFC_OK) return status;
    if (text_is(behavior, n_behavior, "Isolated"))
        kind = TFC_SPLIT_ISOLATED;
    else if (text_is(behavior, n_behavior, "Removed"))
        kind = TFC_SPLIT_REMOVED;
    else if (text_is(behavior, n_behavior, "Contiguous"))
        kind = TFC_SPLIT_CONTIGUOUS;
    else
        return unsupported("pre_tokenizer behavior", behavior, n_behavior, err);
    return tfc_pretokenizer_add(pre, text, n, literal, invert, kind, err);
}

static tfc_status read_byte_level(tfc_pretokenizer *pre, tfc_json *value, tfc_error *err)
{
    bool prefix_space = true, regex = true;
    tfc_status status = get_flag(value, "add_prefix_space", true, &prefix_space, err);
    if (status == TFC_OK) status = get_flag(value, "use_regex", true, &regex, err);
    if (status == TFC_OK && prefix_space) status = tfc_pretokenizer_add_prefix_space(pre, err);
    if (status == TFC_OK && regex)
        status = tfc_pretokenizer_add(pre, tfc_pattern_gpt2, strlen(tfc_pattern_gpt2), false, false,
                                      TFC_SPLIT_ISOLATED, err);
    return status;
}

/* bytes: set once ByteLevel was seen. What comes after it would see the byte alphabet in place of the text.
 */
static tfc_status read_pretokenizer(tfc_pretokenizer *pre, tfc_json *value, int depth, bool *bytes,
                                    tfc_error *err)
{
    const char *type;
    size_t n;
    bool individual;
    tfc_status status = get_type(value, "pre_tokenizer", &type, &n, err);
    if (status != TFC_OK) return status;
    if (text_is(type, n, "Sequence") && depth < SEQUENCE_DEPTH_MAX) {
        tfc_json *list;
        status = tfc_json_get_array(value, "pretokenizers", &list, NULL, err);
        for (size_t i = 0; status == TFC_OK && i < json_object_array_length(list); i++)
            status = read_pretokenizer(pre, json_object_array_get_idx(list, i), depth + 1, bytes, err);
        return status;
    }
    if (*bytes)
        return tfc_fail(err, TFC_EUNSUPPORTED, "unsupported pre_tokenizer '%.80s' after ByteLevel", type);
    if (text_is(type, n, "ByteLevel")) {
        *bytes = true;
        return read_byte_level(pre, value, err);
    }
    if (text_is(type, n, "Digits")) {
        status = get_flag(value, "individual_digits", false, &individual, err);
        if (status != TFC_OK) return status;
        return tfc_pretokenizer_add(pre, tfc_pattern_digits, strlen(tfc_pattern_digits), false, false,
                                    individual ? TFC_SPLIT_ISOLATED : TFC_SPLIT_CONTIGUOUS, err);
    }
    if (text_is(type, n, "Split")) return read_split(pre, value, err);
    return unsupported("pre_tokenizer", type, n, err);
}

/* --- post_processor --- */

/* "single": [token?, {"Sequence": …}]. The token's id comes from special_tokens. */
static tfc_status read_template(tfc_tokenizer *tokenizer, tfc_json *value, tfc_error *err)
{
    tfc_json *single, *part;
    tfc_status status = tfc_json_get_array(value, "single", &single, NULL, err);
    if (status != TFC_OK) return status;
    size_t n = json_object_array_length(single);
    bool text_seen = false;
    for (size_t i = 0; i < n; i++) {
        tfc_json *entry = json_object_array_get_idx(single, i);
        const char *name;
        size_t n_name;
        if (!json_object_is_type(entry, json_type_object))
            return tfc_fail(err, TFC_EFORMAT, "single: objects expected");
        if (json_object_object_get_ex(entry, "Sequence", &part)) {
            text_seen = true;
            continue;
        }
        status = tfc_json_get_object(entry, "SpecialToken", &part, NULL, err);
        if (status == TFC_OK) status = tfc_json_get_text(part, "id", &name, &n_name, NULL, err);
        if (status != TFC_OK) return status;
        int32_t id = tfc_vocab_find(&tokenizer->vocab, name, n_name);
        if (id < 0) return tfc_fail(err, TFC_EFORMAT, "unknown token '%.80s'", name);
        if (text_seen || tokenizer->adds_bos)
            return tfc_fail(err, TFC_EUNSUPPORTED,
                            "unsupported template: '%.80s' is added %s; only one token in front is supported",
                            name, text_seen ? "after the text" : "too");
        tokenizer->bos = id;
        tokenizer->adds_bos = true;
    }
    return TFC_OK;
}

static tfc_status read_post_processor(tfc_tokenizer *tokenizer, tfc_json *value, int depth, tfc_error *err)
{
    const char *type;
    size_t n;
    tfc_status status = get_type(value, "post_processor", &type, &n, err);
    if (status != TFC_OK || text_is(type, n, "ByteLevel"))
        return status; /* it moves offsets, which we do not give */
    if (text_is(type, n, "TemplateProcessing")) return read_template(tokenizer, value, err);
    if (!text_is(type, n, "Sequence") || depth == SEQUENCE_DEPTH_MAX)
        return unsupported("post_processor", type, n, err);
    tfc_json *list;
    status = tfc_json_get_array(value, "processors", &list, NULL, err);
    for (size_t i = 0; status == TFC_OK && i < json_object_array_length(list); i++)
        status = read_post_processor(tokenizer, json_object_array_get_idx(list, i), depth + 1, err);
    return status;
}

/* --- the whole --- */

static tfc_status read_root(tfc_tokenizer *tokenizer, tfc_json *root, tfc_error *err)
{
    if (!json_object_is_type(root, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    tfc_json *part;
    tfc_status status = read_model(tokenizer, root, err);
    if (status == TFC_OK && json_object_object_get_ex(root, "normalizer", &part) && part)
        status = read_normalizer(tokenizer, part, 0, err);
    if (status != TFC_OK) return status;
    bool bytes = false;
    if (json_object_object_get_ex(root, "pre_tokenizer", &part) && part)
        status = read_pretokenizer(&tokenizer->pre, part, 0, &bytes, err);
    if (status == TFC_OK && !bytes)
        status = tfc_fail(err, TFC_EUNSUPPORTED, "unsupported pre_tokenizer: ByteLevel expected");
    if (status == TFC_OK && json_object_object_get_ex(root, "post_processor", &part) && part)
        status = read_post_processor(tokenizer, part, 0, err);
    return status;
}

/* Everything but the last step, so that a caller may still name bos and eos. */
static tfc_tokenizer *read_text(const char *text, size_t n, const char *what, tfc_error *err)
{
    tfc_json *root = tfc_json_parse(text, n, what, err);
    if (!root) return NULL;
    tfc_tokenizer *tokenizer = tfc_tokenizer_create(err);
    if (tokenizer && read_root(tokenizer, root, err) != TFC_OK) {
        tfc_error_prefix(err, "%s", what);
        tfc_tokenizer_free(tokenizer);
        tokenizer = NULL;
    }
    json_object_put(root);
    return tokenizer;
}

/* The post-processor's token stays bos; ids that the folder's files name fill in what is missing. */
static tfc_tokenizer *finish(tfc_tokenizer *tokenizer, const char *what, int32_t bos_id, int32_t eos_id,
                             tfc_error *err)
{
    if (tokenizer->bos < 0) tokenizer->bos = bos_id;
    if (tokenizer->eos < 0) tokenizer->eos = eos_id;
    if (eos_id >= 0 && eos_id < tokenizer->vocab.n_tokens) tokenizer->vocab.tokens[eos_id].ends_text = true;
    if (tfc_tokenizer_finish(tokenizer, err) == TFC_OK) return tokenizer;
    tfc_error_prefix(err, "%s", what);
    tfc_tokenizer_free(tokenizer);
    return NULL;
}

tfc_tokenizer *tfc_tokenizer_from_json_text(const char *text, size_t n, const char *what, int32_t bos_id,
                                            int32_t eos_id, tfc_error *err)
{
    tfc_tokenizer *tokenizer = read_text(text, n, what, err);
    return tokenizer ? finish(tokenizer, what, bos_id, eos_id, err) : NULL;
}

/* "bos_token": "<s>", or {"content": "<s>", …}, or null. A token that is not in the vocabulary is none. */
static int32_t config_token(const tfc_tokenizer *tokenizer, tfc_json *config, const char *key)
{
    tfc_json *value;
    if (!json_object_object_get_ex(config, key, &value)) return -1;
    if (json_object_is_type(value, json_type_object) && !json_object_object_get_ex(value, "content", &value))
        return -1;
    if (!json_object_is_type(value, json_type_string)) return -1;
    return tfc_vocab_find(&tokenizer->vocab, json_object_get_string(value),
                          (size_t)json_object_get_string_len(value));
}

/* generation_config.json: "eos_token_id": one id or a list. */
static void mark_generation_ends(tfc_tokenizer *tokenizer, tfc_json *config)
{
    tfc_json *value;
    if (!json_object_object_get_ex(config, "eos_token_id", &value)) return;
    bool list = json_object_is_type(value, json_type_array);
    size_t n = list ? json_object_array_length(value) : 1;
    for (size_t i = 0; i < n; i++) {
        tfc_json *item = list ? json_object_array_get_idx(value, i) : value;
        if (!json_object_is_type(item, json_type_int)) continue;
        int64_t id = json_object_get_int64(item);
        if (id >= 0 && id < tokenizer->vocab.n_tokens) tokenizer->vocab.tokens[id].ends_text = true;
    }
}

/* The JSON object NAME beside `path`; *config NULL when there is no such file. */
static tfc_status read_sibling(const char *path, const char *name, tfc_json **config, tfc_error *err)
{
    *config = NULL;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? tfc_memdup_text(path, (size_t)(slash - path)) : tfc_strdup(".");
    char *sibling = folder ? tfc_path_join(folder[0] ? folder : "/", name) : NULL;
    tfc_free(folder);
    if (!sibling) return tfc_fail_memory(err, "path");
    tfc_status status = TFC_OK;
    if (tfc_file_exists(sibling)) {
        *config = tfc_json_parse_file(sibling, 16 << 20, err);
        if (!*config)
            status = TFC_EFORMAT;
        else if (!json_object_is_type(*config, json_type_object))
            status = tfc_fail(err, TFC_EFORMAT, "%s: object expected", sibling);
    }
    tfc_free(sibling);
    return status;
}

static tfc_status read_siblings(tfc_tokenizer *tokenizer, const char *path, tfc_error *err)
{
    tfc_json *config;
    tfc_status status = read_sibling(path, "tokenizer_config.json", &config, err);
    if (status == TFC_OK && config) {
        if (tokenizer->bos < 0) tokenizer->bos = config_token(tokenizer, config, "bos_token");
        tokenizer->eos = config_token(tokenizer, config, "eos_token");
    }
    if (config) json_object_put(config);
    if (status != TFC_OK) return status;
    status = read_sibling(path, "generation_config.json", &config, err);
    if (status == TFC_OK && config) mark_generation_ends(tokenizer, config);
    if (config) json_object_put(config);
    return status;
}

tfc_tokenizer *tfc_tokenizer_from_json(const char *path_tokenizer_json, int32_t bos_id, int32_t eos_id,
                                       tfc_error *err)
{
    char *text;
    size_t n;
    if (tfc_file_read(path_tokenizer_json, FILE_MAX, &text, &n, err) != TFC_OK) return NULL;
    tfc_tokenizer *tokenizer = read_text(text, n, path_tokenizer_json, err);
    tfc_free(text);
    if (!tokenizer) return NULL;
    if (read_siblings(tokenizer, path_tokenizer_json, err) != TFC_OK) {
        tfc_tokenizer_free(tokenizer);
        return NULL;
    }
    return finish(tokenizer, path_tokenizer_json, bos_id, eos_id, err);
}
