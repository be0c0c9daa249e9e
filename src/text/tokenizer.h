/* text/tokenizer.h: making tokenizers. */
#ifndef TFC_TEXT_TOKENIZER_H
#define TFC_TEXT_TOKENIZER_H

#include "formats/gguf.h"
#include "toolformer/tokenizer.h"

/* From GGUF metadata (tokenizer.ggml.*): model "gpt2" with pre "smollm", "gpt-2", "llama-bpe", "qwen2" (and
 * "default"). The tokenizer keeps what it needs; gguf may be closed. */
tfc_tokenizer *tfc_tokenizer_from_gguf(const tfc_gguf *gguf, tfc_error *err);

/* From a Hugging Face folder: tokenizer.json (BPE, byte level), with bos/eos from tokenizer_config.json,
 * config.json and generation_config.json where they are. bos_id, eos_id: from config.json, -1 when unknown.
 */
tfc_tokenizer *tfc_tokenizer_from_json(const char *path_tokenizer_json, int32_t bos_id, int32_t eos_id,
                                       tfc_error *err);
void tfc_tokenizer_free(tfc_tokenizer *tokenizer);

/* The whole as GGUF metadata (tokenizer.ggml.tokens, token_type, merges, ids, pre, add_bos_token), for
 * exports of models that came with a tokenizer.json. n_rows: the embedding's, which GGUF wants as many tokens
 * as: rows without a token get unused ones. TFC_EUNSUPPORTED when GGUF has no name for the pre-tokenizer. */
tfc_status tfc_tokenizer_write_gguf(const tfc_tokenizer *tokenizer, int64_t n_rows, tfc_gguf_writer *writer,
                                    tfc_error *err);
/* And as tokenizer.json bytes (the caller's, tfc_text_free), for safetensors exports of models that came as
 * GGUF. */
tfc_status tfc_tokenizer_write_json(const tfc_tokenizer *tokenizer, char **text, size_t *n, tfc_error *err);

#endif
