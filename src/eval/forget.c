/* Texts in windows, every token but the first scored, in batches that the session shares out. */
#include "toolformer/forget.h"

#include "base/json.h"
#include "base/math64.h"
#include "text/call_tokens.h"
#include "toolformer/corpus.h"

extern const unsigned char tfc_data_heldout[];
extern const size_t tfc_data_heldout_bytes;

enum { WINDOW = 512, GROUP = 8 };

/* ---- texts ---- */

typedef struct text_list {
    tfc_arena arena;
    const char **texts;
    int64_t n;
} text_list;

static tfc_status own_texts(text_list *list, tfc_error *err)
{
    tfc_json *json =
        tfc_json_parse((const char *)tfc_data_heldout, tfc_data_heldout_bytes, "held-out text", err);
    tfc_json *array;
    tfc_status status = json ? tfc_json_get_array(json, "texts", &array, NULL, err) : TFC_EFORMAT;
    if (status == TFC_OK) {
        list->n = (int64_t)json_object_array_length(array);
        list->texts = tfc_arena_alloc(&list->arena, (size_t)list->n, sizeof *list->texts);
        if (!list->texts) status = tfc_fail_memory(err, "held-out text");
    }
    for (int64_t i = 0; status == TFC_OK && i < list->n; i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(array, (size_t)i));
        list->texts[i] = text ? tfc_arena_strndup(&list->arena, text, strlen(text)) : NULL;
        if (!list->texts[i]) status = tfc_fail_memory(err, "held-out text");
    }
    json_object_put(json);
    return status;
}

static tfc_status file_texts(text_list *list, const char *path, const tfc_monitor *monitor, tfc_error *err)
{
    tfc_corpus_params params = tfc_corpus_params_default();
    params.files = &path;
    params.n_files = 1;
    params.max_tokens = 0;
    tfc_corpus *corpus = tfc_corpus_open(&params, NULL, monitor, err);
    if (!corpus) return err->status;
    list->n = tfc_corpus_n_snippets(corpus);
    list->texts = tfc_arena_alloc(&list->arena, (size_t)list->n + 1, sizeof *list->texts);
    tfc_status status = list->texts ? TFC_OK : tfc_fail_memory(err, path);
    for (int64_t i = 0; status == TFC_OK && i < list->n; i++) {
        const tfc_snippet *text = tfc_corpus_snippet(corpus, i);
        list->texts[i] = tfc_arena_strndup(&list->arena, text->text, text->n_bytes);
        if (!list->texts[i]) status = tfc_fail_memory(err, path);
    }
    tfc_corpus_free(corpus);
    return status;
}

/* ---- windows ---- */

/* One window: a want for the token and one for the banned set at each scored position. */
typedef struct window {
    int32_t *ids;
    int64_t n;
    tfc_want *wants;
    int64_t n_wants;
} window;

static bool is_banned(const int32_t *banned, int64_t n_banned, int32_t id)
{
    for (int64_t i = 0; i < n_banned; i++)
        if (banned[i] == id) return true;
    return false;
}

static tfc_status window_make(window *w, tfc_arena *arena, const int32_t *ids, int64_t n, int32_t bos,
                              const int32_t *banned, int64_t n_banned, tfc_error *err)
{
    int64_t at = 0;
    w->ids = tfc_arena_alloc(arena, (size_t)n + 1, sizeof *w->ids);
    w->wants = tfc_arena_alloc(arena, 2 * (size_t)n + 2, sizeof *w->wants);
    if (!w->ids || !w->wants) return tfc_fail_memory(err, "held-out text");
    if (bos >= 0) w->ids[at++] = bos;
    for (int64_t i = 0; i < n; i++) {
        if (at > 0 && !is_banned(banned, n_banned, ids[i])) {
            w->wants[w->n_wants++] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = at, .token = ids[i]};
            w->wants[w->n_wants++] =
                (tfc_want){.kind = TFC_WANT_SET, .position = at, .set = banned, .n_set = n_banned};
        }
        w->ids[at++] = ids[i];
    }
    w->n = at;
    return TFC_OK;
}

/* -log p(x_j | …, no call begins here) = -log p(x_j) + log(1 - p(<API>)) */
static void window_sum(const window *w, double *nll, int64_t *n_tokens)
{
    for (int64_t i = 0; i + 1 < w->n_wants; i += 2) {
        double p_call = tfc_exp64(w->wants[i + 1].lp);
        double rest = p_call < 1 ? tfc_log64(1 - p_call) : 0;
        *nll += rest - w->wants[i].lp;
        ++*n_tokens;
    }
}

typedef struct measure {
    tfc_session *session;
    const tfc_tokenizer *tokenizer;
    const tfc_monitor *monitor;
    int32_t *banned;
    int64_t n_banned, length; /* of a window, without the beginning-of-text token */
    double nll;
    int64_t n_tokens;
} measure;

static tfc_status score_windows(measure *m, window *windows, int64_t n, tfc_error *err)
{
    tfc_score_request requests[GROUP] = {{0}};
    for (int64_t i = 0; i < n; i++)
        requests[i] = (tfc_score_request){.ids = windows[i].ids,
                                          .n_ids = windows[i].n,
                                          .wants = windows[i].wants,
                                          .n_wants = windows[i].n_wants};
    tfc_status status = n ? tfc_score(m->session, requests, n, err) : TFC_OK;
    for (int64_t i = 0; status == TFC_OK && i < n; i++) window_sum(&windows[i], &m->nll, &m->n_tokens);
    return status;
}

static tfc_status measure_text(measure *m, const char *text, tfc_error *err)
{
    int32_t *ids;
    int64_t n, n_windows = 0;
    tfc_status status = tfc_tokenize(m->tokenizer, text, strlen(text), 0, &ids, &n, err);
    if (status != TFC_OK) return status;
    int32_t bos = tfc_tokenizer_adds_bos(m->tokenizer) ? tfc_tokenizer_bos(m->tokenizer) : -1;
    tfc_arena arena = {0};
    window windows[GROUP] = {{0}};
    for (int64_t from = 0; status == TFC_OK && from < n; from += m->length) {
        int64_t length = n - from < m->length ? n - from : m->length;
        status =
            window_make(&windows[n_windows++], &arena, ids + from, length, bos, m->banned, m->n_banned, err);
        if (status == TFC_OK && (n_windows == GROUP || from + length >= n)) {
            status = score_windows(m, windows, n_windows, err);
            memset(windows, 0, sizeof windows);
            n_windows = 0;
            tfc_arena_release(&arena);
        }
    }
    tfc_arena_release(&arena);
    tfc_ids_free(ids);
    return status;
}

static tfc_status banned_tokens(measure *m, const char *names, tfc_error *err)
{
    tfc_tools *tools = tfc_tools_create(names, err);
    if (!tools) return err->status;
    size_t n = tfc_tools_count(tools);
    const char **list = tfc_alloc_zero(n, sizeof *list);
    tfc_status status = list ? TFC_OK : tfc_fail_memory(err, "tools");
    for (size_t i = 0; list && i < n; i++) list[i] = tfc_tool_name(tfc_tools_at(tools, i));
    if (status == TFC_OK && n > 0)
        status = tfc_call_begin_tokens(m->tokenizer, list, n, &m->banned, &m->n_banned, err);
    tfc_free(list);
    tfc_tools_free(tools);
    return status;
}

static tfc_status measure_texts(measure *m, const text_list *list, tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (int64_t i = 0; status == TFC_OK && i < list->n; i++) {
        status = measure_text(m, list->texts[i], err);
        if (status == TFC_OK && m->monitor && m->monitor->progress)
            m->monitor->progress(
                m->monitor->context,
                &(tfc_progress){.stage = "perplexity", .done = i + 1, .total = list->n, .unit = "texts"});
        if (status == TFC_OK && i + 1 < list->n && tfc_should_stop(m->monitor))
            status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
    }
    return status;
}

tfc_status tfc_forget_measure(tfc_session *session, const char *data, const char *tools,
                              const tfc_monitor *monitor, tfc_forget_result *result, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    const tfc_model *model = tfc_session_model(session);
    int64_t context = tfc_model_get_info(model).context;
    measure m = {.session = session, .tokenizer = tfc_model_tokenizer(model), .monitor = monitor};
    m.length = (context < WINDOW ? context : WINDOW) - 1;
    text_list list = {0};
    tfc_status status = data ? file_texts(&list, data, monitor, err) : own_texts(&list, err);
    if (status == TFC_OK) status = banned_tokens(&m, tools, err);
    if (status == TFC_OK) status = measure_texts(&m, &list, err);
    if (status == TFC_OK && m.n_tokens == 0)
        status =
            tfc_fail(err, TFC_EFORMAT, "'%s' holds no text of two tokens", data ? data : "held-out text");
    if (status == TFC_OK) {
        double loss = m.nll / (double)m.n_tokens;
        *result = (tfc_forget_result){list.n, m.n_tokens, loss, tfc_exp64(loss)};
    }
    tfc_ids_free(m.banned);
    tfc_arena_release(&list.arena);
    return status;
}
