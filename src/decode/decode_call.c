/* Calls in the making: arguments under the grammar, the tool, and what stands in the text afterwards.
 *
 * Sampling stops as soon as the grammar accepts, whatever else the last token holds: `)`, `)]` and `) ->` all
 * end the arguments. What then enters the context is printed anew, ` [Name(args) ->` and ` result]`, each
 * tokenised alone: the ids are those that training sees. */
#include "base/status.h"
#include "decode/writer.h"
#include "tools/tool.h"

/* A call between its first token and its result. */
typedef struct pending_call {
    tfc_writer *writer;
    int32_t *ids; /* context, " [" */
    int32_t *new_ids;
    const tfc_tool *tool;
    char *args, *head, *tail; /* head and tail as printed */
    int32_t *head_ids, *tail_ids;
    int64_t n_head, n_tail;
    bool runs; /* its head stands in the text, */
    size_t at; /* … here */
    tfc_made_call made;
} pending_call;

static void pending_release(pending_call *call)
{
    tfc_free(call->ids);
    tfc_free(call->new_ids);
    tfc_free(call->args);
    tfc_free(call->head);
    tfc_free(call->tail);
    tfc_ids_free(call->head_ids);
    tfc_ids_free(call->tail_ids);
    tfc_free(call->made.tool);
    tfc_free(call->made.args);
    tfc_free(call->made.result);
    tfc_free(call->made.error);
}

static bool sample_stop(void *context, const int32_t *ids, int64_t n)
{
    (void)ids;
    (void)n;
    return tfc_should_stop(context);
}

/* What may be called next: any tool, but for the last call if it takes no arguments; NULL: nothing. */
static const tfc_grammar *next_calls(const tfc_decoder *decoder, const tfc_writer *writer)
{
    const tfc_tools *tools = decoder->params->tools;
    const tfc_tool *last =
        writer->n_calls ? tfc_tools_find(tools, writer->calls[writer->n_calls - 1].tool) : NULL;
    for (size_t i = 0; last && last->args_form == TFC_ARGS_NONE && i < decoder->n_tools; i++)
        if (tfc_tools_at(tools, i) == last) return decoder->calls_but[i];
    return decoder->calls;
}

static tfc_status pending_init(pending_call *call, const tfc_decoder *decoder, tfc_writer *writer,
                               tfc_sample_request *request, tfc_error *err)
{
    int64_t n = writer->n_ids + decoder->n_open;
    call->writer = writer;
    call->ids = tfc_alloc((size_t)n, sizeof *call->ids);
    call->new_ids = tfc_alloc((size_t)decoder->max_call, sizeof *call->new_ids);
    if (!call->ids || !call->new_ids) return tfc_fail_memory(err, "a call's tokens");
    memcpy(call->ids, writer->ids, (size_t)writer->n_ids * sizeof *call->ids);
    memcpy(call->ids + writer->n_ids, decoder->open_ids, (size_t)decoder->n_open * sizeof *call->ids);
    int64_t room = decoder->context - n;
    *request = (tfc_sample_request){.ids = call->ids,
                                    .n_ids = n,
                                    .max_new = decoder->max_call < room ? decoder->max_call : room,
                                    .sampler = {.top_p = 1},
                                    .grammar = next_calls(decoder, writer),
                                    .ignore_eos = true, /* the grammar lets none pass */
                                    .stop = sample_stop,
                                    .context = (void *)decoder->params->monitor,
                                    .new_ids = call->new_ids};
    return TFC_OK;
}

/* Reads name and arguments out of what was sampled, and prints the head. call->tool stays NULL when that is
 * no call, or none that fits. */
static tfc_status pending_parse(pending_call *call, const tfc_decoder *decoder,
                                const tfc_sample_request *request, tfc_error *err)
{
    char *tail = NULL;
    size_t n_tail;
    tfc_buffer text;
    tfc_buffer_init(&text, 0);
    tfc_status status =
        tfc_detokenize(decoder->tokenizer, request->new_ids, request->n_new, false, &tail, &n_tail, err);
    if (status != TFC_OK) return status;
    tfc_buffer_puts(&text, " [");
    tfc_buffer_append(&text, tail, n_tail);
    tfc_text_free(tail);
    status = tfc_buffer_ok(&text, "a call", err);
    tfc_call_span span;
    if (status == TFC_OK && (tfc_call_parse_open(text.data, text.n, 0, NULL, 0, &span) ||
                             tfc_call_parse(text.data, text.n, 0, NULL, 0, &span))) {
        char *name = tfc_memdup_text(text.data + span.name, span.name_end - span.name);
        call->args = tfc_memdup_text(text.data + span.args, span.args_end - span.args);
        if (!name || !call->args)
            status = tfc_fail_memory(err, "a call");
        else
            call->tool = tfc_tools_find(decoder->params->tools, name);
        tfc_free(name);
    }
    tfc_buffer_release(&text);
    if (status != TFC_OK || !call->tool) return status;
    call->head = tfc_call_print_head(call->tool->name, call->args);
    if (!call->head) return tfc_fail_memory(err, "a call");
    return tfc_tokenize(decoder->tokenizer, call->head, strlen(call->head), 0, &call->head_ids, &call->n_head,
                        err);
}

static tfc_status print_tail(pending_call *call, const tfc_decoder *decoder, tfc_error *err)
{
    tfc_free(call->tail);
    tfc_ids_free(call->tail_ids);
    call->tail_ids = NULL;
    call->tail = tfc_call_print_tail(call->made.result, call->tool->max_result_bytes);
    if (!call->tail) return tfc_fail_memory(err, "a result");
    return tfc_tokenize(decoder->tokenizer, call->tail, strlen(call->tail), 0, &call->tail_ids, &call->n_tail,
                        err);
}

/* Takes over what the tool said. That it gives nothing is data: made.error says why, made.result stays NULL.
 */
static tfc_status take_result(pending_call *call, const tfc_decoder *decoder, const tfc_tool_job *job,
                              tfc_error *err)
{
    call->made.ms = job->ms;
    if (job->status == TFC_OK)
        call->made.result = tfc_call_clean_result(job->text, call->tool->max_result_bytes);
    else
        call->made.error = tfc_strdup(job->text);
    call->made.tool = tfc_strdup(call->tool->name);
    call->made.args = tfc_strdup(call->args);
    if (!call->made.tool || !call->made.args || !(call->made.result || call->made.error))
        return tfc_fail_memory(err, "a result");
    tfc_status status = print_tail(call, decoder, err);
    if (status != TFC_OK || call->writer->n_ids + call->n_tail <= decoder->context) return status;
    tfc_free(call->made.result);
    call->made.result = NULL;
    tfc_free(call->made.error);
    call->made.error = tfc_strdup("the result does not fit into the model's context");
    return call->made.error ? print_tail(call, decoder, err) : tfc_fail_memory(err, "a result");
}

/* The call moves to the writer's list. */
static tfc_status keep_call(pending_call *call, size_t at, tfc_error *err)
{
    tfc_writer *writer = call->writer;
    size_t n_head = strlen(call->head), n_tail = strlen(call->tail);
    tfc_made_call *calls = tfc_realloc(writer->calls, writer->n_calls + 1, sizeof *calls);
    if (calls) writer->calls = calls;
    char **printed = tfc_realloc(writer->printed, writer->n_calls + 1, sizeof *printed);
    if (printed) writer->printed = printed;
    char *whole = tfc_alloc(n_head + n_tail + 1, 1);
    if (!calls || !printed || !whole) {
        tfc_free(whole);
        return tfc_fail_memory(err, "a call");
    }
    memcpy(whole, call->head, n_head);
    memcpy(whole + n_head, call->tail, n_tail + 1);
    call->made.at = at;
    calls[writer->n_calls] = call->made;
    printed[writer->n_calls++] = whole;
    memset(&call->made, 0, sizeof call->made);
    return TFC_OK;
}

/* The call that was made last, once more: its result stands there already. This ends loops of one call; what
 * takes no arguments is not proposed in the first place. */
static bool repeats_last(const pending_call *call)
{
    const tfc_writer *writer = call->writer;
    const tfc_made_call *last = writer->n_calls ? &writer->calls[writer->n_calls - 1] : NULL;
    return last && strcmp(last->tool, call->tool->name) == 0 && strcmp(last->args, call->args) == 0;
}

/* Writes the head, if the call fits into the limits: then its tool is to be run. */
static tfc_status write_head(pending_call *call, const tfc_decoder *decoder, tfc_error *err)
{
    tfc_writer *writer = call->writer;
    call->runs = tfc_writer_n_new(writer) + call->n_head < decoder->params->max_tokens &&
                 writer->n_ids + call->n_head + 2 <= decoder->context; /* ` ]` has at most two tokens */
    if (!call->runs) return TFC_OK;
    tfc_status status = tfc_writer_settle(writer, decoder, err);
    call->at = writer->text.n;
    if (status == TFC_OK)
        status = tfc_writer_part(writer, decoder, call->head, call->head_ids, call->n_head, err);
    return status;
}

static tfc_status write_tail(pending_call *call, const tfc_decoder *decoder, const tfc_tool_job *job,
                             tfc_error *err)
{
    tfc_status status = take_result(call, decoder, job, err);
    if (status == TFC_OK)
        status = tfc_writer_part(call->writer, decoder, call->tail, call->tail_ids, call->n_tail, err);
    if (status == TFC_OK) status = keep_call(call, call->at, err);
    if (status == TFC_OK) call->writer->call_due = false;
    return status;
}

/* Runs the tools of all calls whose heads stand, at the same time. */
static tfc_status run_tools(const tfc_decoder *decoder, pending_call *pending, int64_t n, tfc_error *err)
{
    size_t n_jobs = 0;
    tfc_tool_job *jobs = tfc_alloc((size_t)n, sizeof *jobs);
    if (!jobs) return tfc_fail_memory(err, "calls");
    for (int64_t i = 0; i < n; i++)
        if (pending[i].runs)
            jobs[n_jobs++] = (tfc_tool_job){.tool = pending[i].tool,
                                            .args = pending[i].args,
                                            .context = {.date = pending[i].writer->date}};
    tfc_error own;
    tfc_error_init(&own);
    tfc_batch *batch = tfc_runner_submit(decoder->runner, jobs, n_jobs, &own);
    if (batch) tfc_batch_wait(batch, decoder->params->monitor, &own);
    if (own.status == TFC_EINTERRUPTED) { /* the texts end here, with what was written */
        for (size_t j = 0; j < n_jobs; j++) jobs[j].status = TFC_EINTERRUPTED, jobs[j].text = "interrupted";
        tfc_error_init(&own);
    }
    n_jobs = 0;
    for (int64_t i = 0; i < n && own.status == TFC_OK; i++)
        if (pending[i].runs) write_tail(&pending[i], decoder, &jobs[n_jobs++], &own);
    tfc_batch_free(batch);
    tfc_free(jobs);
    if (own.status != TFC_OK && err) *err = own;
    return own.status;
}

static tfc_status make_calls(const tfc_decoder *decoder, pending_call *pending, tfc_sample_request *requests,
                             int64_t n, tfc_error *err)
{
    tfc_status status = n > 0 ? tfc_sample(decoder->session, requests, n, err) : TFC_OK;
    bool any = false;
    for (int64_t i = 0; i < n && status == TFC_OK; i++) {
        if (requests[i].finish != TFC_FINISH_GRAMMAR) continue;
        status = pending_parse(&pending[i], decoder, &requests[i], err);
        if (status == TFC_OK && pending[i].tool && !repeats_last(&pending[i]))
            status = write_head(&pending[i], decoder, err);
        any = any || pending[i].runs;
    }
    return status == TFC_OK && any ? run_tools(decoder, pending, n, err) : status;
}

tfc_status tfc_decode_calls(const tfc_decoder *decoder, tfc_writer *writers, int64_t n, tfc_error *err)
{
    int64_t n_pending = 0;
    pending_call *pending = tfc_alloc_zero((size_t)n, sizeof *pending);
    tfc_sample_request *requests = tfc_alloc_zero((size_t)n, sizeof *requests);
    tfc_status status = TFC_OK;
    if (!pending || !requests) {
        tfc_free(pending);
        tfc_free(requests);
        return tfc_fail_memory(err, "calls");
    }
    for (int64_t i = 0; i < n && status == TFC_OK; i++) {
        if (writers[i].done || !writers[i].call_due) continue;
        if (writers[i].n_ids + decoder->n_open >= decoder->context || !next_calls(decoder, &writers[i]))
            continue;
        status = pending_init(&pending[n_pending], decoder, &writers[i], &requests[n_pending], err);
        n_pending++;
    }
    if (status == TFC_OK) status = make_calls(decoder, pending, requests, n_pending, err);
    for (int64_t i = 0; i < n_pending; i++) pending_release(&pending[i]);
    tfc_free(pending);
    tfc_free(requests);
    return status;
}

/* Appends the ids of one piece of a prompt. */
static tfc_status append_piece(const tfc_decoder *decoder, const char *text, size_t n, unsigned flags,
                               int32_t **ids, int64_t *n_ids, tfc_error *err)
{
    int32_t *piece = NULL;
    int64_t n_piece = 0;
    if (n == 0 && !(flags & TFC_TOKENIZE_ADD_BOS)) return TFC_OK;
    tfc_status status = tfc_tokenize(decoder->tokenizer, text, n, flags, &piece, &n_piece, err);
    if (status != TFC_OK) return status;
    int32_t *bigger = tfc_realloc(*ids, (size_t)(*n_ids + n_piece), sizeof *bigger);
    if (bigger) {
        if (n_piece > 0) memcpy(bigger + *n_ids, piece, (size_t)n_piece * sizeof *piece);
        *ids = bigger;
        *n_ids += n_piece;
    } else {
        status = tfc_fail_memory(err, "the prompt's tokens");
    }
    tfc_ids_free(piece);
    return status;
}

tfc_status tfc_decode_prompt(const tfc_decoder *decoder, const char *prompt, int32_t **ids, int64_t *n_ids,
                             tfc_error *err)
{
    const tfc_tools *tools = decoder->params->tools;
    size_t n_tools = tools ? tfc_tools_count(tools) : 0, n = strlen(prompt), done = 0;
    const char **names = tfc_alloc(n_tools, sizeof *names);
    if (!names) return tfc_fail_memory(err, "the prompt's tokens");
    for (size_t i = 0; i < n_tools; i++) names[i] = tfc_tool_name(tfc_tools_at(tools, i));
    unsigned special = decoder->params->special ? TFC_TOKENIZE_SPECIAL : 0;
    unsigned first = TFC_TOKENIZE_ADD_BOS;
    tfc_status status = TFC_OK;
    tfc_call_span span;
    while (status == TFC_OK && n_tools > 0 && tfc_calls_scan(prompt, n, done, names, n_tools, &span)) {
        if (!span.has_arrow) { /* ` [Name(args)]` alone is no finished call; it stays in its text */
            status = append_piece(decoder, prompt + done, span.end - done, special | first, ids, n_ids, err);
            first = 0;
            done = span.end;
            continue;
        }
        const char *arrow = prompt + span.args_end;
        while (arrow[0] != '-' || arrow[1] != '>') arrow++;
        size_t head_end = (size_t)(arrow - prompt) + 2;
        status = append_piece(decoder, prompt + done, span.begin - done, special | first, ids, n_ids, err);
        if (status == TFC_OK)
            status = append_piece(decoder, prompt + span.begin, head_end - span.begin, 0, ids, n_ids, err);
        if (status == TFC_OK)
            status = append_piece(decoder, prompt + head_end, span.end - head_end, 0, ids, n_ids, err);
        first = 0;
        done = span.end;
    }
    if (status == TFC_OK)
        status = append_piece(decoder, prompt + done, n - done, special | first, ids, n_ids, err);
    tfc_free(names);
    if (status != TFC_OK || *n_ids > 0) return status;
    /* Nothing to go on from: the text's beginning, or what stands between texts. */
    int32_t id = tfc_tokenizer_bos(decoder->tokenizer);
    if (id < 0) id = tfc_tokenizer_eos(decoder->tokenizer);
    *ids = tfc_realloc(*ids, 1, sizeof **ids);
    if (!*ids) return tfc_fail_memory(err, "the prompt's tokens");
    if (id < 0)
        return tfc_fail(err, TFC_EINVAL, "the prompt is empty, and the model has no token to begin with");
    (*ids)[(*n_ids)++] = id;
    return TFC_OK;
}
