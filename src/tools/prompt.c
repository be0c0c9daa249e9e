/* The texts in front of x: the few-shot prompt P(x) (PAPER 2.5) and the head H of finished calls (PAPER 9).
 */
#include "base/memory.h"
#include "toolformer/runner.h"
#include "tools/tool.h"

/* Hands the buffer's text out; NULL and err when an append failed. */
static char *take(tfc_buffer *buffer, const char *what, tfc_error *err)
{
    char *text = tfc_buffer_ok(buffer, what, err) == TFC_OK ? tfc_buffer_take(buffer, NULL) : NULL;
    tfc_buffer_release(buffer);
    return text;
}

/* The next call in text[from, n) of the tool or of one that it may follow: *called is that tool, NULL when it
 * is not among `tools`. */
static bool next_call(const tfc_tool *tool, const tfc_tools *tools, const char *text, size_t n, size_t from,
                      tfc_call_span *span, const tfc_tool **called)
{
    tfc_call_span other;
    bool found = tfc_calls_scan(text, n, from, &tool->name, 1, span);
    *called = tool;
    for (size_t i = 0; i < tool->n_after; i++) {
        if (!tfc_calls_scan(text, n, from, &tool->after[i], 1, &other) ||
            (found && other.begin > span->begin))
            continue;
        *called = tools ? tfc_tools_find(tools, tool->after[i]) : NULL;
        *span = other;
        found = true;
    }
    return found;
}

/* True when all calls of a demonstration are of tools that are there. */
static bool is_usable(const tfc_tool *tool, const tfc_tools *tools, const tfc_demonstration *d)
{
    const tfc_tool *called;
    size_t n = strlen(d->output), at = 0;
    for (tfc_call_span span; next_call(tool, tools, d->output, n, at, &span, &called); at = span.end)
        if (!called) return false;
    return true;
}

char *tfc_tool_prompt(const tfc_tool *tool, const tfc_tools *tools, const char *x, size_t n, tfc_error *err)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    tfc_buffer_printf(&buffer, "%s Here are some examples of API calls:\n\n", tool->instruction);
    for (size_t i = 0; i < tool->n_demonstrations; i++)
        if (is_usable(tool, tools, &tool->demonstrations[i]))
            tfc_buffer_printf(&buffer, "Input: %s\nOutput: %s\n\n", tool->demonstrations[i].input,
                              tool->demonstrations[i].output);
    tfc_buffer_puts(&buffer, "Input: ");
    tfc_buffer_append(&buffer, x, n);
    tfc_buffer_puts(&buffer, "\nOutput:");
    return take(&buffer, "prompt", err);
}

/* The finished form of the i-th call of a demonstration, at `span`. */
static tfc_status append_finished(tfc_buffer *buffer, const tfc_tool *tool, const tfc_demonstration *d,
                                  const tfc_call_span *span, size_t i, tfc_runner *runner, tfc_error *err)
{
    tfc_tool_context context = {.date = d->date};
    char *args = tfc_memdup_text(d->output + span->args, span->args_end - span->args), *result = NULL;
    if (!args) return tfc_fail_memory(err, "head");
    tfc_status status = TFC_OK;
    if (!d->results)
        status = runner ? tfc_runner_call(runner, tool, args, &context, &result, err)
                        : tfc_tool_call(tool, args, &context, &result, err);
    else if (!(result = tfc_strdup(d->results[i])))
        status = tfc_fail_memory(err, "head");
    char *head = status == TFC_OK ? tfc_call_print_head(tool->name, args) : NULL;
    char *tail = status == TFC_OK ? tfc_call_print_tail(result, tool->max_result_bytes) : NULL;
    if (status == TFC_OK && (!head || !tail)) status = tfc_fail_memory(err, "head");
    if (status == TFC_OK) {
        tfc_buffer_puts(buffer, head + (d->output[span->begin] != ' '));
        tfc_buffer_puts(buffer, tail);
    } else {
        tfc_error_prefix(err, "[%s(%s)]", tool->name, args);
    }
    tfc_text_free(head);
    tfc_text_free(tail);
    tfc_text_free(result);
    tfc_free(args);
    return status;
}

static tfc_status append_demonstration(tfc_buffer *buffer, const tfc_tool *tool, const tfc_tools *tools,
                                       const tfc_demonstration *d, tfc_runner *runner, tfc_error *err)
{
    const tfc_tool *called;
    size_t n = strlen(d->output), done = 0, i = 0;
    tfc_status status = TFC_OK;
    tfc_call_span span;
    while (status == TFC_OK && next_call(tool, tools, d->output, n, done, &span, &called)) {
        tfc_buffer_append(buffer, d->output + done, span.begin - done);
        status = append_finished(buffer, called, d, &span, i++, runner, err);
        done = span.end;
    }
    tfc_buffer_append(buffer, d->output + done, n - done);
    tfc_buffer_puts(buffer, "\n\n");
    return status;
}

char *tfc_tool_head_run(const tfc_tool *tool, const tfc_tools *tools, tfc_runner *runner, tfc_error *err)
{
    const tfc_demonstration *list = tool->n_head ? tool->head : tool->demonstrations;
    size_t n_list = tool->n_head ? tool->n_head : tool->n_demonstrations;
    tfc_status status = TFC_OK;
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    for (size_t i = 0; i < n_list && status == TFC_OK; i++)
        if (is_usable(tool, tools, &list[i]))
            status = append_demonstration(&buffer, tool, tools, &list[i], runner, err);
    if (status == TFC_OK) return take(&buffer, "head", err);
    tfc_buffer_release(&buffer);
    tfc_error_prefix(err, "head of %s", tool->name);
    return NULL;
}

char *tfc_tool_head(const tfc_tool *tool, const tfc_tools *tools, tfc_error *err)
{
    return tfc_tool_head_run(tool, tools, NULL, err);
}
