/* The loop of generation: all prompts advance together, one token a step.
 *
 * A step reads the few most probable next tokens of each prompt in one pass; that decides whether a call is
 * begun there and, at temperature 0, which token comes. Calls are made for all prompts that begin one, then
 * the others get their token. */
#include "base/math64.h"
#include "base/random.h"
#include "base/status.h"
#include "decode/writer.h"
#include "engine/session.h"
#include "text/call_tokens.h"
#include "tools/tool.h"

tfc_generate_params tfc_generate_params_default(void)
{
    return (tfc_generate_params){.max_tokens = 128,
                                 .top_p = 1,
                                 .call_top_k = 10,
                                 .max_calls = 1,
                                 .max_args_tokens = 48,
                                 .special = true};
}

const char *tfc_generate_finish_text(tfc_generate_finish finish)
{
    static const char *const texts[] = {"length", "eos", "context", "interrupted"};
    return texts[finish];
}

static tfc_status check_params(const tfc_generate_params *p, tfc_error *err)
{
    if (p->max_tokens < 0) return tfc_fail(err, TFC_EINVAL, "max_tokens must not be negative");
    if (!(p->temperature >= 0) || p->temperature > 1e6)
        return tfc_fail(err, TFC_EINVAL, "temperature must be 0 or more");
    if (!(p->top_p > 0) || p->top_p > 1) return tfc_fail(err, TFC_EINVAL, "top_p must be within 0 and 1");
    if (p->sample_top_k < 0 || p->call_top_k < 0)
        return tfc_fail(err, TFC_EINVAL, "a top k must not be negative");
    if (!(p->call_p >= 0) || p->call_p > 1) return tfc_fail(err, TFC_EINVAL, "call_p must be within 0 and 1");
    if (p->max_args_tokens < 1 || p->max_args_tokens > 1 << 16)
        return tfc_fail(err, TFC_EINVAL, "max_args_tokens must be within 1 and %d", 1 << 16);
    return TFC_OK;
}

/* Behind `Calendar()` the same call says nothing new: grammars without each tool that takes no arguments. */
static tfc_status init_calls_but(tfc_decoder *decoder, const tfc_grammar_call *calls, size_t n,
                                 tfc_error *err)
{
    tfc_grammar_call *others = tfc_alloc(n, sizeof *others);
    decoder->calls_but = tfc_alloc_zero(n, sizeof *decoder->calls_but);
    decoder->n_tools = decoder->calls_but ? n : 0;
    tfc_status status = others && decoder->calls_but ? TFC_OK : tfc_fail_memory(err, "the grammar of calls");
    for (size_t i = 0; i < n && n > 1 && status == TFC_OK; i++) {
        if (calls[i].form != TFC_ARGS_NONE) continue;
        memcpy(others, calls, i * sizeof *calls);
        memcpy(others + i, calls + i + 1, (n - i - 1) * sizeof *calls);
        decoder->calls_but[i] = tfc_grammar_calls_create(others, n - 1, err);
        if (!decoder->calls_but[i]) status = err->status;
    }
    tfc_free(others);
    return status;
}

/* The grammar of the tools' calls, and how many tokens their names take. */
static tfc_status init_calls(tfc_decoder *decoder, const char **names, size_t n, tfc_error *err)
{
    tfc_grammar_call *calls = tfc_alloc(n, sizeof *calls);
    if (!calls) return tfc_fail_memory(err, "the grammar of calls");
    int64_t longest = 0;
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < n && status == TFC_OK; i++) {
        const tfc_tool *tool = tfc_tools_at(decoder->params->tools, i);
        calls[i] = (tfc_grammar_call){.name = tool->name, .form = tool->args_form};
        int32_t *ids = NULL;
        int64_t n_ids = 0;
        status = tfc_tokenize(decoder->tokenizer, names[i], strlen(names[i]), 0, &ids, &n_ids, err);
        tfc_ids_free(ids);
        if (n_ids > longest) longest = n_ids;
    }
    decoder->max_call = longest + 1 + decoder->params->max_args_tokens;
    if (status == TFC_OK) decoder->calls = tfc_grammar_calls_create(calls, n, err);
    if (status == TFC_OK && !decoder->calls) status = err->status;
    if (status == TFC_OK) status = init_calls_but(decoder, calls, n, err);
    tfc_free(calls);
    if (status == TFC_OK)
        status = tfc_tokenize(decoder->tokenizer, " [", 2, 0, &decoder->open_ids, &decoder->n_open, err);
    return status;
}

static tfc_status decoder_init(tfc_decoder *decoder, tfc_session *session, int64_t n_prompts,
                               const tfc_generate_params *params, tfc_error *err)
{
    const tfc_model *model = tfc_session_model(session);
    tfc_model_info info = tfc_model_get_info(model);
    size_t n_tools = params->tools ? tfc_tools_count(params->tools) : 0;
    *decoder = (tfc_decoder){.session = session,
                             .tokenizer = tfc_model_tokenizer(model),
                             .params = params,
                             .context = info.context,
                             .n_vocab = info.n_vocab,
                             .ban_begin = n_tools > 0 || !params->allow_call_tokens,
                             .streams = n_prompts == 1 && params->on_text};
    const char **names = tfc_alloc(n_tools, sizeof *names);
    if (!names) return tfc_fail_memory(err, "the tools' names");
    for (size_t i = 0; i < n_tools; i++) names[i] = tfc_tool_name(tfc_tools_at(params->tools, i));
    tfc_status status = tfc_call_begin_tokens(decoder->tokenizer, names, n_tools, &decoder->begin_ids,
                                              &decoder->n_begin, err);
    bool called = n_tools > 0 && params->max_calls > 0 && (params->call_top_k > 0 || params->call_p > 0);
    if (status == TFC_OK && called && decoder->n_begin > 0) status = init_calls(decoder, names, n_tools, err);
    tfc_free(names);
    /* Enough of them that one is left when those that begin a call are banned. */
    int64_t k = decoder->n_begin + 1;
    if (decoder->calls && params->call_top_k > k) k = params->call_top_k;
    decoder->k = (int32_t)(k < decoder->n_vocab ? k : decoder->n_vocab);
    for (int32_t id = 0; id < tfc_tokenizer_n_tokens(decoder->tokenizer); id++) {
        size_t n_text;
        if (tfc_token_text(decoder->tokenizer, id, &n_text) && n_text > decoder->longest)
            decoder->longest = n_text;
    }
    decoder->requests = tfc_alloc((size_t)n_prompts, sizeof *decoder->requests);
    if (status == TFC_OK && !decoder->requests) status = tfc_fail_memory(err, "scoring requests");
    return status;
}

static void decoder_release(tfc_decoder *decoder)
{
    tfc_ids_free(decoder->begin_ids);
    tfc_ids_free(decoder->open_ids);
    tfc_grammar_free(decoder->calls);
    tfc_free(decoder->requests);
    for (size_t i = 0; i < decoder->n_tools; i++) tfc_grammar_free(decoder->calls_but[i]);
    tfc_free(decoder->calls_but);
}

static bool begins_call(const tfc_decoder *decoder, int32_t id)
{
    for (int64_t i = 0; i < decoder->n_begin; i++)
        if (decoder->begin_ids[i] == id) return true;
    return false;
}

static bool may_call(const tfc_decoder *decoder, const tfc_writer *writer)
{
    return decoder->calls && (int64_t)writer->n_calls < decoder->params->max_calls;
}

/* The draw of the writer's next token. */
static tfc_want draw_want(const tfc_decoder *decoder, tfc_writer *w)
{
    const tfc_generate_params *params = decoder->params;
    w->draw = (tfc_draw){.sampler = {.temperature = params->temperature,
                                     .top_k = params->sample_top_k,
                                     .top_p = params->top_p,
                                     .seed = params->seed,
                                     .stream = tfc_hash_bytes(&w->n_ids, sizeof w->n_ids, w->stream)},
                         .banned = decoder->begin_ids,
                         .n_banned = decoder->ban_begin ? decoder->n_begin : 0};
    return (tfc_want){.kind = TFC_WANT_DRAW, .position = w->n_ids, .draw = &w->draw};
}

/* Reads the next token's distribution, draws from it at a temperature, and reads the log-probabilities of
 * tokens that calls brought. `last`: these alone. */
static tfc_status step_score(const tfc_decoder *decoder, tfc_writer *writers, int64_t n, bool last,
                             tfc_error *err)
{
    tfc_score_request *requests = decoder->requests;
    int64_t n_requests = 0;
    for (int64_t i = 0; i < n; i++) {
        tfc_writer *w = &writers[i];
        if (!last && (w->done || w->waiting)) continue;
        int64_t n_wants = 0;
        for (int64_t t = w->n_scored; t < w->n_ids; t++)
            w->wants[n_wants++] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = t, .token = w->ids[t]};
        w->has_top = !last && (decoder->params->temperature <= 0 || may_call(decoder, w));
        if (w->has_top)
            w->wants[n_wants++] =
                (tfc_want){.kind = TFC_WANT_TOP, .position = w->n_ids, .top = w->top, .k = decoder->k};
        if (w->has_top && may_call(decoder, w) && decoder->params->call_p > 0)
            w->wants[n_wants++] = (tfc_want){.kind = TFC_WANT_SET,
                                             .position = w->n_ids,
                                             .set = decoder->begin_ids,
                                             .n_set = decoder->n_begin};
        w->drawn = n_wants;
        if (!last && decoder->params->temperature > 0) w->wants[n_wants++] = draw_want(decoder, w);
        if (n_wants == 0) continue;
        requests[n_requests++] =
            (tfc_score_request){.ids = w->ids, .n_ids = w->n_ids, .wants = w->wants, .n_wants = n_wants};
    }
    return n_requests ? tfc_score(decoder->session, requests, n_requests, err) : TFC_OK;
}

/* Takes over what step_score read: log-probabilities, and whether a call is due. */
static void step_read(const tfc_decoder *decoder, tfc_writer *w)
{
    const tfc_generate_params *params = decoder->params;
    const tfc_want *want = w->wants;
    for (; w->n_scored < w->n_ids; w->n_scored++) w->lps[w->n_scored] = (want++)->lp;
    w->call_due = false;
    if (!w->has_top || !may_call(decoder, w)) return;
    if (params->call_p > 0 && want[1].lp >= tfc_log64(params->call_p)) w->call_due = true;
    for (int32_t i = 0; i < params->call_top_k && i < decoder->k && !w->call_due; i++)
        w->call_due = begins_call(decoder, w->top[i].id);
}

/* The next token, or the end of the text. */
static tfc_status take_token(const tfc_decoder *decoder, tfc_writer *w, int32_t id, double lp, tfc_error *err)
{
    if (!decoder->params->ignore_eos && tfc_token_ends_text(decoder->tokenizer, id)) {
        w->done = true;
        w->finish = TFC_GENERATE_EOS;
        return TFC_OK;
    }
    return tfc_writer_token(w, decoder, id, lp, err);
}

/* The most probable token that may come. */
static tfc_status step_greedy(const tfc_decoder *decoder, tfc_writer *w, tfc_error *err)
{
    for (int32_t i = 0; i < decoder->k; i++)
        if (!decoder->ban_begin || !begins_call(decoder, w->top[i].id))
            return take_token(decoder, w, w->top[i].id, w->top[i].lp, err);
    return tfc_fail(err, TFC_EINVAL, "every token of the vocabulary begins a call");
}

/* The token that was drawn in this step's pass. */
static tfc_status step_drawn(const tfc_decoder *decoder, tfc_writer *w, tfc_error *err)
{
    const tfc_want *want = &w->wants[w->drawn];
    if (want->token < 0) return tfc_fail(err, TFC_EINVAL, "every token of the vocabulary begins a call");
    return take_token(decoder, w, want->token, want->lp, err);
}

/* Marks the writers that have come to their end; true while one goes on. */
static bool any_live(const tfc_decoder *decoder, tfc_writer *writers, int64_t n)
{
    bool stop = tfc_should_stop(decoder->params->monitor), live = false;
    for (int64_t i = 0; i < n; i++) {
        tfc_writer *w = &writers[i];
        if (w->done) continue;
        if (w->waiting && !stop) {
            live = true;
            continue;
        }
        w->done = true;
        if (tfc_writer_n_new(w) >= decoder->params->max_tokens)
            w->finish = TFC_GENERATE_LENGTH;
        else if (w->n_ids >= decoder->context)
            w->finish = TFC_GENERATE_CONTEXT;
        else if (stop)
            w->finish = TFC_GENERATE_INTERRUPTED;
        else
            w->done = false, live = true;
    }
    return live;
}

/* As many prompts as the memory of keys and values holds go on together, in their order, at least one. A text
 * that lost its keys to others would be computed anew for each token. */
static void admit(const tfc_decoder *decoder, tfc_writer *writers, int64_t n)
{
    int64_t room = tfc_kv_tree_n_blocks(decoder->session->tree), used = 0;
    for (int64_t i = 0; i < n; i++) {
        tfc_writer *w = &writers[i];
        if (w->done) continue;
        int64_t most = w->n_prompt + decoder->params->max_tokens;
        if (most > decoder->context) most = decoder->context;
        used += most / TFC_KV_BLOCK + 2;
        w->waiting = w->waiting && used > room && used > most / TFC_KV_BLOCK + 2;
    }
}

static tfc_status step(const tfc_decoder *decoder, tfc_writer *writers, bool *wanting, int64_t n,
                       tfc_error *err)
{
    tfc_status status = step_score(decoder, writers, n, false, err);
    if (status != TFC_OK) return status;
    bool due = false;
    for (int64_t i = 0; i < n; i++) {
        wanting[i] = !writers[i].done && !writers[i].waiting;
        if (!wanting[i]) continue;
        step_read(decoder, &writers[i]);
        due = due || writers[i].call_due;
    }
    if (due) {
        for (int64_t i = 0; i < n; i++) wanting[i] = wanting[i] && !writers[i].call_due;
        status = tfc_decode_calls(decoder, writers, n, err);
        /* Where no call came to its end, the text goes on without one. */
        for (int64_t i = 0; i < n; i++) wanting[i] = wanting[i] || (!writers[i].done && writers[i].call_due);
    }
    for (int64_t i = 0; i < n && status == TFC_OK; i++)
        if (wanting[i])
            status = decoder->params->temperature > 0 ? step_drawn(decoder, &writers[i], err)
                                                      : step_greedy(decoder, &writers[i], err);
    return status;
}

/* Equal prompts draw differently, whoever else is in the batch. */
static void separate_streams(tfc_writer *writers, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        uint64_t twins = 0;
        for (int64_t j = 0; j < i; j++) twins += writers[j].stream == writers[i].stream;
        writers[i].stream += twins;
    }
}

/* All prompts to their ends. */
static tfc_status generate(tfc_decoder *decoder, tfc_writer *writers, bool *wanting, int64_t n,
                           const char *const *prompts, tfc_generate_result *results, tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (int64_t i = 0; i < n && status == TFC_OK; i++) {
        status = tfc_writer_init(&writers[i], decoder, prompts[i], err);
        const tfc_generate_params *params = decoder->params;
        writers[i].date = params->dates && params->dates[i] ? params->dates[i] : params->date;
        if (status == TFC_OK && writers[i].n_ids > decoder->context) {
            writers[i].done = true;
            writers[i].finish = TFC_GENERATE_CONTEXT;
        }
    }
    if (status == TFC_OK) separate_streams(writers, n);
    for (int64_t i = 0; i < n; i++) writers[i].waiting = true;
    while (status == TFC_OK) {
        admit(decoder, writers, n);
        if (!any_live(decoder, writers, n)) break;
        status = step(decoder, writers, wanting, n, err);
    }
    if (status == TFC_OK) status = step_score(decoder, writers, n, true, err);
    for (int64_t i = 0; i < n && status == TFC_OK; i++) {
        step_read(decoder, &writers[i]);
        status = tfc_writer_settle(&writers[i], decoder, err);
        if (status == TFC_OK) status = tfc_writer_finish(&writers[i], &results[i], err);
    }
    return status;
}

tfc_status tfc_generate(tfc_session *session, const char *const *prompts, int64_t n,
                        const tfc_generate_params *params, tfc_generate_result *results, tfc_error *err)
{
    memset(results, 0, (size_t)n * sizeof *results);
    tfc_decoder decoder = {0};
    tfc_writer *writers = tfc_alloc_zero((size_t)n, sizeof *writers);
    bool *wanting = tfc_alloc_zero((size_t)n, sizeof *wanting);
    if (!writers || !wanting) {
        tfc_free(writers);
        tfc_free(wanting);
        return tfc_fail_memory(err, "prompts");
    }
    tfc_error failure; /* so that a status can be read where the caller wants no message */
    tfc_error_init(&failure);
    tfc_status status = check_params(params, &failure);
    if (status == TFC_OK) status = decoder_init(&decoder, session, n, params, &failure);
    if (status == TFC_OK && decoder.calls) {
        decoder.runner = params->runner ? params->runner : tfc_runner_create(NULL, &failure);
        status = failure.status;
    }
    if (status == TFC_OK) status = generate(&decoder, writers, wanting, n, prompts, results, &failure);
    for (int64_t i = 0; i < n; i++) tfc_writer_release(&writers[i]);
    if (status != TFC_OK)
        for (int64_t i = 0; i < n; i++) tfc_generate_release(&results[i]);
    if (status != TFC_OK && err) *err = failure;
    if (decoder.runner != params->runner) tfc_runner_free(decoder.runner);
    decoder_release(&decoder);
    tfc_free(writers);
    tfc_free(wanting);
    return status;
}
