/* The few things that the comparison asks of this library, as flat functions for Python's ctypes: the
 * compiler, not the script, knows the layout of its structures. Errors end in peer_message(). One thread. */
#include <stdlib.h>
#include <string.h>

#include "text/call_tokens.h"
#include "toolformer/engine.h"
#include "toolformer/tools.h"
#include "tools/tool.h"

typedef struct peer {
    tfc_model *model;
    tfc_session *session;
} peer;

enum { MOST = 1 << 20 }; /* texts, and tokens of a call */

static tfc_error err;

const char *peer_message(void)
{
    return err.message;
}

peer *peer_open(const char *path, const char *operand, int threads)
{
    tfc_error_init(&err);
    peer *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    tfc_model_params model = tfc_model_params_default();
    bool stored = operand && strcmp(operand, "stored") == 0; /* the file's own blocks, bf16 products */
    model.operand = stored ? NULL : operand;
    if (stored) model.weights = "stored";
    model.n_threads = threads;
    tfc_session_params session = tfc_session_params_default();
    session.n_threads = threads;
    p->model = tfc_model_open(path, &model, &err);
    p->session = p->model ? tfc_session_create(p->model, &session, &err) : NULL;
    if (p->session) return p;
    tfc_model_free(p->model);
    free(p);
    return NULL;
}

/* n texts, one behind the other in ids; of text i the log-probabilities of its tokens from first[i] ≥ 1 on,
 * to lps. */
int peer_score(peer *p, const int32_t *ids, const int64_t *lengths, const int64_t *first, int64_t n,
               double *lps)
{
    int64_t total = 0, w = 0;
    for (int64_t i = 0; i < n; i++) total += lengths[i];
    if (n < 1 || n > MOST || total < 1 || total > MOST) return TFC_EINVAL;
    tfc_score_request *requests = calloc((size_t)n, sizeof *requests);
    tfc_want *wants = calloc((size_t)total, sizeof *wants);
    tfc_status status = requests && wants ? TFC_OK : TFC_ENOMEM;
    for (int64_t i = 0; i < n && status == TFC_OK; i++) {
        int64_t from = w;
        for (int64_t t = first[i]; t < lengths[i]; t++)
            wants[w++] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = t, .token = ids[t]};
        requests[i] = (tfc_score_request){ids, lengths[i], wants + from, w - from};
        ids += lengths[i];
    }
    if (status == TFC_OK) status = tfc_score(p->session, requests, n, &err);
    for (int64_t i = 0; i < w && status == TFC_OK; i++) lps[i] = wants[i].lp;
    free(wants);
    free(requests);
    return status;
}

/* n_new tokens after each text, the most probable ones, to new_ids[n][n_new]. */
int peer_sample(peer *p, const int32_t *ids, const int64_t *lengths, int64_t n, int64_t n_new,
                int32_t *new_ids)
{
    if (n < 1 || n > MOST) return TFC_EINVAL;
    tfc_sample_request *requests = calloc((size_t)n, sizeof *requests);
    if (!requests) return TFC_ENOMEM;
    for (int64_t i = 0; i < n; i++) {
        requests[i] = (tfc_sample_request){.ids = ids,
                                           .n_ids = lengths[i],
                                           .max_new = n_new,
                                           .sampler = {.top_p = 1},
                                           .ignore_eos = true,
                                           .new_ids = new_ids + i * n_new};
        ids += lengths[i];
    }
    tfc_status status = tfc_sample(p->session, requests, n, &err);
    free(requests);
    return status;
}

/* The tokens of a text, the caller's (tfc_ids_free). */
int32_t *peer_tokenize(peer *p, const char *text, size_t n_bytes, int64_t *n)
{
    int32_t *ids = NULL;
    return tfc_tokenize(tfc_model_tokenizer(p->model), text, n_bytes, 0, &ids, n, &err) == TFC_OK ? ids
                                                                                                  : NULL;
}

const char *peer_token_text(peer *p, int32_t id)
{
    size_t n;
    return tfc_token_text(tfc_model_tokenizer(p->model), id, &n);
}

/* The tokens that can begin a call of a tool. */
int32_t *peer_begin_tokens(peer *p, const char *tool, int64_t *n)
{
    int32_t *ids = NULL;
    return tfc_call_begin_tokens(tfc_model_tokenizer(p->model), &tool, 1, &ids, n, &err) == TFC_OK ? ids
                                                                                                   : NULL;
}

/* P(x) of a built-in tool, the caller's (tfc_text_free). */
char *peer_prompt(const char *tool, const char *text, size_t n_bytes)
{
    tfc_tools *tools = tfc_tools_create(tool, &err);
    char *prompt = tools ? tfc_tool_prompt(tfc_tools_find(tools, tool), tools, text, n_bytes, &err) : NULL;
    tfc_tools_free(tools);
    return prompt;
}
