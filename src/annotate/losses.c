/* Losses: sequences, wants and weights. No model is touched here; the engine fills the wants. */
#include "annotate/losses.h"

#include "base/utf8.h"

const double tfc_loss_weights[TFC_N_WEIGHTS] = {1.0 / 3.0, 4.0 / 15.0, 1.0 / 5.0, 2.0 / 15.0, 1.0 / 15.0};

tfc_status tfc_ids_in_arena(const tfc_tokenizer *tokenizer, const char *text, int32_t **ids, int64_t *n,
                            tfc_arena *arena, tfc_error *err)
{
    int32_t *own;
    tfc_status status = tfc_tokenize(tokenizer, text, strlen(text), 0, &own, n, err);
    if (status != TFC_OK) return status;
    *ids = tfc_arena_alloc(arena, (size_t)*n, sizeof **ids);
    if (*ids && *n) memcpy(*ids, own, (size_t)*n * sizeof **ids);
    tfc_ids_free(own);
    return *ids ? TFC_OK : tfc_fail_memory(err, "tokens");
}

/* Token starts follow from the tokens' bytes. Bytes without a token vanish from the ids (some control
 * characters), so a token is looked for where it stands next. */
static tfc_status find_starts(tfc_tokens *tokens, const char *text, size_t n_text, size_t shift,
                              const tfc_tokenizer *tokenizer, tfc_error *err)
{
    size_t at = 0;
    for (int64_t i = 0; i < tokens->n; i++) {
        size_t length;
        const char *bytes = tfc_token_text(tokenizer, tokens->ids[i], &length);
        while (at + length <= n_text && memcmp(text + at, bytes, length) != 0) at++;
        if (at + length > n_text)
            return tfc_fail(err, TFC_EUNSUPPORTED,
                            "token %d of the text does not stand in it as written: this "
                            "tokenizer changes the text (normalisation)",
                            (int)i);
        tokens->start[i] = at < shift ? 0 : at - shift;
        tokens->boundary[i] = tfc_utf8_boundary(text, n_text, at);
        at += length;
    }
    tokens->start[tokens->n] = n_text - shift;
    return TFC_OK;
}

tfc_status tfc_tokens_make(tfc_tokens *tokens, const char *text, size_t n_text, tfc_context context,
                           const tfc_tokenizer *tokenizer, tfc_arena *arena, tfc_error *err)
{
    size_t shift =
        context == TFC_CONTEXT_PREFIX && n_text > 0 && text[0] != ' ' && text[0] != '\n' && text[0] != '\t';
    char *spaced = tfc_arena_alloc(arena, n_text + 2, 1);
    if (!spaced) return tfc_fail_memory(err, "snippet");
    spaced[0] = ' ';
    memcpy(spaced + shift, text, n_text);
    spaced[n_text + shift] = '\0';
    tfc_status status = tfc_ids_in_arena(tokenizer, spaced, &tokens->ids, &tokens->n, arena, err);
    if (status != TFC_OK) return status;
    tokens->start = tfc_arena_alloc(arena, (size_t)tokens->n + 1, sizeof *tokens->start);
    tokens->boundary = tfc_arena_alloc(arena, (size_t)tokens->n + 1, sizeof *tokens->boundary);
    if (!tokens->start || !tokens->boundary) return tfc_fail_memory(err, "snippet");
    return find_starts(tokens, spaced, n_text + shift, shift, tokenizer, err);
}

double tfc_weighted_loss(const tfc_want *wants, int64_t span)
{
    double loss = 0;
    for (int64_t t = 0; t < span; t++) loss -= tfc_loss_weights[t] * wants[t].lp;
    return loss;
}

static int64_t append_ids(int32_t *out, int64_t at, const int32_t *ids, int64_t n)
{
    if (n) memcpy(out + at, ids, (size_t)n * sizeof *out);
    return at + n;
}

tfc_status tfc_loss_request_make(const tfc_loss_request *in, const tfc_tokenizer *tokenizer,
                                 tfc_score_request *request, tfc_arena *arena, tfc_error *err)
{
    const tfc_tokens *x = in->x;
    int64_t span = tfc_loss_span(x, in->i), n_z = in->n_link + in->n_call + in->n_tail;
    bool bos = in->plan->context == TFC_CONTEXT_PREFIX && tfc_tokenizer_adds_bos(tokenizer);
    int64_t total = in->plan->n_head + (bos ? 1 : 0) + in->i + n_z + span, n = 0;
    int32_t *ids = tfc_arena_alloc(arena, (size_t)total, sizeof *ids);
    tfc_want *wants = tfc_arena_alloc(arena, (size_t)span, sizeof *wants);
    if (!ids || !wants) return tfc_fail_memory(err, "scoring request");
    if (bos) ids[n++] = tfc_tokenizer_bos(tokenizer);
    if (in->plan->context == TFC_CONTEXT_DEMONSTRATED) {
        n = append_ids(ids, n, in->plan->head_ids, in->plan->n_head);
        n = append_ids(ids, n, x->ids, in->i);
    }
    n = append_ids(ids, n, in->link_ids, in->n_link);
    n = append_ids(ids, n, in->call_ids, in->n_call);
    n = append_ids(ids, n, in->tail_ids, in->n_tail);
    if (in->plan->context == TFC_CONTEXT_PREFIX) n = append_ids(ids, n, x->ids, in->i);
    for (int64_t t = 0; t < span; t++)
        wants[t] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = n + t, .token = x->ids[in->i + t]};
    n = append_ids(ids, n, x->ids + in->i, span);
    *request = (tfc_score_request){.ids = ids, .n_ids = n, .wants = wants, .n_wants = span};
    return TFC_OK;
}

tfc_status tfc_call_ids_make(tfc_call_ids *ids, const tfc_tool *tool, const char *args, const char *result,
                             tfc_empty_call empty_call, const tfc_tokenizer *tokenizer, tfc_arena *arena,
                             tfc_error *err)
{
    *ids = (tfc_call_ids){0};
    bool bare = !result && empty_call == TFC_EMPTY_BARE;
    char *head = bare ? tfc_call_print_bare(tool->name, args) : tfc_call_print_head(tool->name, args);
    char *tail = bare ? NULL : tfc_call_print_tail(result, tool->max_result_bytes);
    tfc_status status = head && (bare || tail) ? TFC_OK : tfc_fail_memory(err, "call");
    if (status == TFC_OK) status = tfc_ids_in_arena(tokenizer, head, &ids->head, &ids->n_head, arena, err);
    if (status == TFC_OK && tail)
        status = tfc_ids_in_arena(tokenizer, tail, &ids->tail, &ids->n_tail, arena, err);
    tfc_text_free(head);
    tfc_text_free(tail);
    return status;
}
