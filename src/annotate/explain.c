/* One call at one place: the same sequences and weights as the filter's, shown token by token. */
#include <math.h>
#include <string.h>

#include "annotate/losses.h"
#include "base/utf8.h"

enum { UNKNOWN_TOOL_RESULT_BYTES = 4096 };

typedef struct explained {
    tfc_session *session;
    tfc_runner *runner;
    tfc_tool unknown; /* stands in for a tool that is not registered: its result is given, so only its name
                         matters */
    const tfc_tokenizer *tokenizer;
    tfc_tool_plan plan;
    tfc_tokens x;
    int64_t i;
    tfc_arena arena;
} explained;

static tfc_status parse_call(const char *call, const tfc_tools *tools, const tfc_tool **tool,
                             tfc_explain_result *result, tfc_error *err)
{
    tfc_buffer text;
    tfc_buffer_init(&text, 1 << 20);
    tfc_buffer_printf(&text, " [%s", call);
    tfc_call_span span;
    tfc_status status = tfc_buffer_ok(&text, "call", err);
    if (status == TFC_OK && (!tfc_call_parse_open(text.data, text.n, 0, NULL, 0, &span) || span.has_arrow))
        status = tfc_fail(err, TFC_EINVAL, "'%.200s' is no call: Name(arguments) expected", call);
    if (status == TFC_OK && span.name_end - span.name >= sizeof result->tool)
        status = tfc_fail(err, TFC_EINVAL, "the tool's name is too long");
    if (status == TFC_OK) {
        memcpy(result->tool, text.data + span.name, span.name_end - span.name);
        result->args = tfc_memdup_text(text.data + span.args, span.args_end - span.args);
        *tool = tfc_tools_find(tools, result->tool);
        if (!result->args) status = tfc_fail_memory(err, "call");
    }
    tfc_buffer_release(&text);
    return status;
}

static tfc_status losses(explained *e, const tfc_call_ids *ids, double *lps, double *loss, tfc_error *err)
{
    tfc_loss_request in = {.plan = &e->plan, .x = &e->x, .i = e->i};
    if (ids)
        in.call_ids = ids->head, in.n_call = ids->n_head, in.tail_ids = ids->tail, in.n_tail = ids->n_tail;
    tfc_score_request request;
    tfc_status status = tfc_loss_request_make(&in, e->tokenizer, &request, &e->arena, err);
    if (status == TFC_OK && request.wants[0].position == 0)
        return tfc_fail(err, TFC_EINVAL, "the first token has nothing before it: choose a later place");
    if (status == TFC_OK) status = tfc_score(e->session, &request, 1, err);
    if (status != TFC_OK) return status;
    for (int64_t t = 0; t < request.n_wants; t++) lps[t] = request.wants[t].lp;
    *loss = tfc_weighted_loss(request.wants, request.n_wants);
    return TFC_OK;
}

/* The token's bytes as UTF-8; what is cut becomes U+FFFD. */
static char *token_text(const tfc_tokenizer *tokenizer, int32_t id)
{
    size_t n;
    const char *bytes = tfc_token_text(tokenizer, id, &n);
    tfc_buffer text;
    tfc_buffer_init(&text, 1 << 16);
    for (size_t i = 0; i < n;) {
        size_t length = tfc_utf8_length(bytes + i, n - i);
        if (length)
            tfc_buffer_append(&text, bytes + i, length);
        else
            tfc_buffer_puts(&text, "\xEF\xBF\xBD");
        i += length ? length : 1;
    }
    char *result = text.failed ? NULL : tfc_buffer_take(&text, NULL);
    tfc_buffer_release(&text);
    return result;
}

static tfc_status find_place(explained *e, const tfc_explain_params *params, tfc_explain_result *result,
                             tfc_error *err)
{
    if (params->at > params->n_text)
        return tfc_fail(err, TFC_EINVAL, "--at %zu is past the end of the text (%zu bytes)", params->at,
                        params->n_text);
    for (e->i = 0; e->i < e->x.n && e->x.start[e->i] < params->at; e->i++) {
    }
    if (e->i == e->x.n)
        return tfc_fail(err, TFC_EINVAL, "no token starts at or after byte %zu: nothing follows the call",
                        params->at);
    result->token_index = e->i;
    result->at = e->x.start[e->i];
    return TFC_OK;
}

static bool demonstrated(const tfc_explain_params *params)
{
    return params->context && strcmp(params->context, "demonstrated") == 0;
}

static tfc_status make_plan(explained *e, const tfc_tool *tool, const tfc_tools *tools,
                            const tfc_explain_params *params, tfc_error *err)
{
    if (params->context && !demonstrated(params) && strcmp(params->context, "prefix") != 0)
        return tfc_fail(err, TFC_EINVAL, "--context must be prefix or demonstrated, not '%s'",
                        params->context);
    tfc_recipe recipe;
    tfc_status status = tfc_recipe_load("paper", &recipe, err);
    /* A head that is given takes the place of the tool's own, which is then not made. */
    bool own_head = demonstrated(params) && !params->head;
    recipe.context = own_head ? TFC_CONTEXT_DEMONSTRATED : TFC_CONTEXT_PREFIX;
    recipe.chains = own_head; /* the head shows them */
    if (status == TFC_OK) status = tfc_tool_plan_init(&e->plan, tool, tools, &recipe, e->tokenizer, err);
    if (status == TFC_OK) status = tfc_tool_plan_head(&e->plan, tools, &recipe, e->runner, e->tokenizer, err);
    if (status == TFC_OK && demonstrated(params) && params->head) {
        e->plan.context = TFC_CONTEXT_DEMONSTRATED;
        status = tfc_head_tokens(params->head, e->tokenizer, &e->plan.head_ids, &e->plan.n_head, err);
    }
    return status;
}

static tfc_status score_three(explained *e, const tfc_explain_params *params, tfc_explain_result *result,
                              tfc_error *err)
{
    double lps[3][TFC_N_WEIGHTS] = {{0}};
    tfc_call_ids with, without;
    tfc_status status = tfc_call_ids_make(&with, e->plan.tool, result->args, result->result, TFC_EMPTY_ARROW,
                                          e->tokenizer, &e->arena, err);
    if (status == TFC_OK)
        status = tfc_call_ids_make(&without, e->plan.tool, result->args, NULL, TFC_EMPTY_ARROW, e->tokenizer,
                                   &e->arena, err);
    if (status == TFC_OK) status = losses(e, NULL, lps[0], &result->loss_empty, err);
    if (status == TFC_OK) status = losses(e, &without, lps[1], &result->loss_call, err);
    if (status == TFC_OK) status = losses(e, &with, lps[2], &result->loss_result, err);
    if (status != TFC_OK) return status;
    result->tau_f = isnan(params->tau_f) ? e->plan.tau_f : params->tau_f;
    result->gain = fmin(result->loss_empty, result->loss_call) - result->loss_result;
    result->keep = result->gain >= result->tau_f;
    result->n_tokens = (size_t)tfc_loss_span(&e->x, e->i);
    for (size_t t = 0; t < result->n_tokens; t++) {
        result->tokens[t].id = e->x.ids[e->i + (int64_t)t];
        result->tokens[t].text = token_text(e->tokenizer, result->tokens[t].id);
        if (!result->tokens[t].text) return tfc_fail_memory(err, "token");
        result->tokens[t].weight = tfc_loss_weights[t];
        result->tokens[t].empty = -lps[0][t];
        result->tokens[t].call = -lps[1][t];
        result->tokens[t].result = -lps[2][t];
    }
    return TFC_OK;
}

tfc_status tfc_explain(tfc_session *session, const tfc_tools *tools, const tfc_explain_params *params,
                       tfc_explain_result *result, tfc_error *err)
{
    memset(result, 0, sizeof *result);
    const tfc_tool *tool = NULL;
    explained e = {.session = session, .tokenizer = tfc_model_tokenizer(tfc_session_model(session))};
    e.runner = tfc_runner_create(NULL, err);
    tfc_status status = e.runner ? parse_call(params->call, tools, &tool, result, err) : TFC_ENOMEM;
    if (status == TFC_OK && !tool && params->result && (params->head || !demonstrated(params))) {
        e.unknown =
            (tfc_tool){.name = result->tool, .tau_f = 1.0, .max_result_bytes = UNKNOWN_TOOL_RESULT_BYTES};
        tool = &e.unknown;
    }
    if (status == TFC_OK && !tool)
        status = tfc_fail(
            err, TFC_ENOTFOUND,
            "no tool '%s' (`toolformer tool list` shows them); with --result any name will do, in the "
            "demonstrated context with --head too",
            result->tool);
    if (status == TFC_OK && params->result) {
        result->result = tfc_call_clean_result(params->result, tool->max_result_bytes);
        if (!result->result) status = tfc_fail_memory(err, "result");
    } else if (status == TFC_OK) {
        tfc_tool_context context = {.date = params->date};
        status = tfc_runner_call(e.runner, tool, result->args, &context, &result->result, err);
        if (status != TFC_OK) tfc_error_prefix(err, "%s(%.80s)", result->tool, result->args);
    }
    if (status == TFC_OK) status = make_plan(&e, tool, tools, params, err);
    if (status == TFC_OK)
        status =
            tfc_tokens_make(&e.x, params->text, params->n_text, e.plan.context, e.tokenizer, &e.arena, err);
    if (status == TFC_OK) status = find_place(&e, params, result, err);
    if (status == TFC_OK) status = score_three(&e, params, result, err);
    tfc_tool_plan_release(&e.plan);
    tfc_arena_release(&e.arena);
    tfc_runner_free(e.runner);
    if (status != TFC_OK) tfc_explain_release(result);
    return status;
}

void tfc_explain_release(tfc_explain_result *result)
{
    tfc_text_free(result->args);
    tfc_text_free(result->result);
    for (size_t t = 0; t < TFC_N_WEIGHTS; t++) tfc_text_free(result->tokens[t].text);
    memset(result, 0, sizeof *result);
}
