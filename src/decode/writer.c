/* Tokens to text as it becomes final, and the parts of a result. */
#include "decode/writer.h"

#include "base/random.h"
#include "base/status.h"
#include "base/utf8.h"

enum { MOST_TEXT = 1 << 20 };                     /* bytes that are made room for at the beginning */
static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

static tfc_status writer_reserve(tfc_writer *writer, int64_t n, tfc_error *err)
{
    if (writer->n_ids + n <= writer->capacity) return TFC_OK;
    int64_t capacity =
        2 * writer->capacity > writer->n_ids + n ? 2 * writer->capacity : writer->n_ids + n + 64;
    int32_t *ids = tfc_realloc(writer->ids, (size_t)capacity, sizeof *ids);
    if (ids) writer->ids = ids;
    double *lps = tfc_realloc(writer->lps, (size_t)capacity, sizeof *lps);
    if (lps) writer->lps = lps;
    tfc_want *wants = tfc_realloc(writer->wants, (size_t)capacity + 3, sizeof *wants);
    if (wants) writer->wants = wants;
    if (!ids || !lps || !wants) return tfc_fail_memory(err, "generated tokens");
    writer->capacity = capacity;
    return TFC_OK;
}

tfc_status tfc_writer_init(tfc_writer *writer, const tfc_decoder *decoder, const char *prompt, tfc_error *err)
{
    memset(writer, 0, sizeof *writer);
    tfc_buffer_init(&writer->text, 0);
    int32_t *ids = NULL;
    int64_t n_ids = 0;
    tfc_status status = tfc_decode_prompt(decoder, prompt, &ids, &n_ids, err);
    /* Room for all that can be written, so that no step has to make some. */
    int64_t room = decoder->context > n_ids ? decoder->context - n_ids : 0;
    if (room > decoder->params->max_tokens) room = decoder->params->max_tokens;
    if (status == TFC_OK) status = writer_reserve(writer, n_ids + room, err);
    if (status == TFC_OK) {
        size_t n_text = (size_t)room * decoder->longest;
        if (!tfc_buffer_reserve(&writer->text, n_text < MOST_TEXT ? n_text : MOST_TEXT))
            status = tfc_buffer_ok(&writer->text, "generated text", err);
        if (n_ids > 0) memcpy(writer->ids, ids, (size_t)n_ids * sizeof *ids);
        writer->n_ids = writer->n_prompt = writer->n_scored = n_ids;
        writer->stream = tfc_hash_bytes(prompt, strlen(prompt), 0);
        writer->top = tfc_alloc((size_t)decoder->k, sizeof *writer->top);
        if (status == TFC_OK && !writer->top) status = tfc_fail_memory(err, "the most probable tokens");
    }
    tfc_ids_free(ids);
    return status;
}

static void calls_release(tfc_made_call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tfc_free(calls[i].tool);
        tfc_free(calls[i].args);
        tfc_free(calls[i].result);
        tfc_free(calls[i].error);
    }
    tfc_free(calls);
}

void tfc_writer_release(tfc_writer *writer)
{
    for (size_t i = 0; i < writer->n_calls; i++) tfc_free(writer->printed[i]);
    tfc_free(writer->printed);
    calls_release(writer->calls, writer->n_calls);
    tfc_buffer_release(&writer->text);
    tfc_free(writer->ids);
    tfc_free(writer->lps);
    tfc_free(writer->top);
    tfc_free(writer->wants);
    memset(writer, 0, sizeof *writer);
}

static tfc_status writer_put(tfc_writer *writer, const tfc_decoder *decoder, const char *text, size_t n,
                             tfc_error *err)
{
    if (n == 0) return TFC_OK;
    if (!tfc_buffer_append(&writer->text, text, n))
        return tfc_buffer_ok(&writer->text, "generated text", err);
    if (decoder->streams) decoder->params->on_text(decoder->params->on_text_context, text, n);
    return TFC_OK;
}

/* True when the bytes are the beginning of a well-formed character, and not all of it. */
static bool cut_character(const char *text, size_t n)
{
    if (n == 0 || n > 3) return false;
    static const char ends[] = {'\x80', '\x90', '\xA0', '\xBF'}; /* one of them follows any sound beginning */
    for (size_t i = 0; i < sizeof ends; i++) {
        char whole[4] = {ends[i], ends[i], ends[i], ends[i]};
        memcpy(whole, text, n);
        for (size_t length = n + 1; length <= 4; length++) {
            for (size_t j = n + 1; j < length; j++) whole[j] = '\x80';
            if (tfc_utf8_length(whole, length) == length) return true;
        }
    }
    return false;
}

/* Writes the whole characters of cut + text; what is no UTF-8 becomes U+FFFD, a character cut at the end
 * waits for its rest. NUL cannot stand in a result. */
static tfc_status writer_bytes(tfc_writer *writer, const tfc_decoder *decoder, const char *text, size_t n,
                               tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < n && status == TFC_OK; i++) {
        writer->cut[writer->n_cut++] = text[i];
        while (writer->n_cut > 0 && status == TFC_OK) {
            size_t length = tfc_utf8_length(writer->cut, writer->n_cut);
            if (length > 0 && writer->cut[0] != '\0') {
                status = writer_put(writer, decoder, writer->cut, length, err);
            } else if (length == 0 && cut_character(writer->cut, writer->n_cut)) {
                break;
            } else {
                /* All but the newest byte were a sound beginning: they go together. */
                length = writer->n_cut > 1 ? writer->n_cut - 1 : 1;
                status = writer_put(writer, decoder, replacement, sizeof replacement - 1, err);
            }
            memmove(writer->cut, writer->cut + length, writer->n_cut - length);
            writer->n_cut -= length;
        }
    }
    return status;
}

tfc_status tfc_writer_settle(tfc_writer *writer, const tfc_decoder *decoder, tfc_error *err)
{
    if (writer->n_cut == 0) return TFC_OK;
    writer->n_cut = 0;
    return writer_put(writer, decoder, replacement, sizeof replacement - 1, err);
}

tfc_status tfc_writer_token(tfc_writer *writer, const tfc_decoder *decoder, int32_t id, double lp,
                            tfc_error *err)
{
    tfc_status status = writer_reserve(writer, 1, err);
    if (status != TFC_OK) return status;
    /* Tokens of calls that wait for their log-probability keep waiting: they come first. */
    writer->lps[writer->n_ids] = lp;
    if (writer->n_scored == writer->n_ids) writer->n_scored++;
    writer->ids[writer->n_ids++] = id;
    size_t n = 0;
    const char *text = tfc_token_is_special(decoder->tokenizer, id)
                           ? NULL
                           : tfc_token_text(decoder->tokenizer, id, &n); /* NULL: a row of padding */
    return text ? writer_bytes(writer, decoder, text, n, err) : TFC_OK;
}

tfc_status tfc_writer_part(tfc_writer *writer, const tfc_decoder *decoder, const char *text,
                           const int32_t *ids, int64_t n_ids, tfc_error *err)
{
    tfc_status status = writer_reserve(writer, n_ids, err);
    if (status != TFC_OK) return status;
    memcpy(writer->ids + writer->n_ids, ids, (size_t)n_ids * sizeof *ids);
    writer->n_ids += n_ids;
    return writer_put(writer, decoder, text, strlen(text), err);
}

static tfc_status text_without_calls(const tfc_writer *writer, char **out, tfc_error *err)
{
    tfc_call_insert *inserts = tfc_alloc(writer->n_calls, sizeof *inserts);
    if (!inserts) return tfc_fail_memory(err, "text without calls");
    size_t before = 0, n_out; /* bytes of calls so far */
    for (size_t i = 0; i < writer->n_calls; i++) {
        inserts[i] = (tfc_call_insert){.at = writer->calls[i].at - before, .text = writer->printed[i]};
        before += strlen(writer->printed[i]);
    }
    tfc_status status = tfc_calls_remove(writer->text.data ? writer->text.data : "", writer->text.n, inserts,
                                         writer->n_calls, out, &n_out, err);
    tfc_free(inserts);
    return status;
}

tfc_status tfc_writer_finish(tfc_writer *writer, tfc_generate_result *result, tfc_error *err)
{
    tfc_status status = text_without_calls(writer, &result->text_without_calls, err);
    if (status != TFC_OK) return status;
    int64_t n = tfc_writer_n_new(writer);
    memmove(writer->ids, writer->ids + writer->n_prompt, (size_t)n * sizeof *writer->ids);
    memmove(writer->lps, writer->lps + writer->n_prompt, (size_t)n * sizeof *writer->lps);
    result->text = tfc_buffer_take(&writer->text, NULL);
    result->ids = writer->ids;
    result->logprobs = writer->lps;
    result->n_tokens = n;
    result->finish = writer->finish;
    result->calls = writer->calls;
    result->n_calls = writer->n_calls;
    for (size_t i = 0; i < writer->n_calls; i++) tfc_free(writer->printed[i]);
    writer->ids = NULL;
    writer->lps = NULL;
    writer->calls = NULL;
    writer->n_calls = 0;
    return TFC_OK;
}

void tfc_generate_release(tfc_generate_result *result)
{
    tfc_free(result->text);
    tfc_free(result->text_without_calls);
    calls_release(result->calls, result->n_calls);
    tfc_free(result->ids);
    tfc_free(result->logprobs);
    memset(result, 0, sizeof *result);
}
