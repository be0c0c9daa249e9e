/* Perplexity over windows (paper, section 4.3: calls disabled). */
#include <stdio.h>
#include <time.h>
#include <zlib.h>

#include "base/json.h"
#include "base/math64.h"
#include "base/utf8.h"
#include "text/call_tokens.h"
#include "toolformer/eval.h"

extern const unsigned char tfc_data_heldout[];
extern const size_t tfc_data_heldout_bytes;

enum { AT_ONCE = 8 }; /* windows in one request to the engine; no result depends on it */

typedef struct windows {
    const tfc_perplexity_params *params;
    tfc_session *session;
    int32_t *ids; /* [n_ids] the whole text; a window's first token is replaced by bos where there is one */
    int64_t n_ids, n_windows, window;
    int32_t bos; /* -1: none */
    int32_t *begin_ids;
    int64_t n_begin;
    double sum, sum_second, sum_banned;
    tfc_perplexity *result;
} windows;

tfc_perplexity_params tfc_perplexity_params_default(void)
{
    return (tfc_perplexity_params){.window = 512};
}

/* A plain or gzip file; NUL behind its end. */
static tfc_status read_bytes(const char *path, tfc_buffer *bytes, tfc_error *err)
{
    gzFile file = gzopen(path, "rbe");
    if (!file) return tfc_fail_errno(err, "cannot open");
    char part[1 << 16];
    int n, code;
    while ((n = gzread(file, part, sizeof part)) > 0 && tfc_buffer_append(bytes, part, (size_t)n)) continue;
    const char *message = gzerror(file, &code);
    tfc_status status = tfc_buffer_ok(bytes, "the text", err);
    if (n < 0 && code == Z_ERRNO)
        status = tfc_fail_errno(err, "cannot read");
    else if (n < 0)
        status = tfc_fail(err, TFC_EFORMAT, "broken gzip data: %.80s", message);
    gzclose_r(file);
    return status;
}

static tfc_status join_line(const char *line, size_t n, int64_t number, tfc_buffer *text, tfc_error *err)
{
    char what[32];
    snprintf(what, sizeof what, "line %lld", (long long)number);
    tfc_json *json = tfc_json_parse(line, n, what, err);
    if (!json) return TFC_EFORMAT;
    const char *part;
    size_t n_part;
    tfc_status status = json_object_is_type(json, json_type_object)
                            ? tfc_json_get_text(json, "text", &part, &n_part, NULL, err)
                            : tfc_fail(err, TFC_EFORMAT, "object with \"text\" expected");
    if (status == TFC_OK) {
        if (text->n > 0) tfc_buffer_puts(text, "\n\n");
        tfc_buffer_append(text, part, n_part);
    } else {
        tfc_error_prefix(err, "%s", what);
    }
    json_object_put(json);
    return status;
}

/* JSON lines become one text. */
static tfc_status join_lines(const char *bytes, size_t n, tfc_buffer *text, tfc_error *err)
{
    tfc_status status = TFC_OK;
    int64_t number = 0;
    for (size_t from = 0; from < n && status == TFC_OK;) {
        const char *end = memchr(bytes + from, '\n', n - from);
        size_t to = end ? (size_t)(end - bytes) : n;
        number++;
        if (strspn(bytes + from, " \t\r") < to - from)
            status = join_line(bytes + from, to - from, number, text, err);
        from = to + 1;
    }
    return status == TFC_OK ? tfc_buffer_ok(text, "the text", err) : status;
}

/* JSON lines are told by their first byte and their first line: `{` that parses as an object with "text". */
static bool is_json_lines(const char *bytes, size_t n)
{
    if (n == 0 || bytes[0] != '{') return false;
    const char *end = memchr(bytes, '\n', n);
    tfc_json *json = tfc_json_parse(bytes, end ? (size_t)(end - bytes) : n, "line 1", NULL);
    bool object = json && json_object_is_type(json, json_type_object);
    json_object_put(json);
    return object;
}

static tfc_status own_text(tfc_buffer *text, tfc_error *err)
{
    tfc_json *json =
        tfc_json_parse((const char *)tfc_data_heldout, tfc_data_heldout_bytes, "held-out text", err);
    tfc_json *array;
    tfc_status status = json ? tfc_json_get_array(json, "texts", &array, NULL, err) : TFC_EFORMAT;
    for (size_t i = 0; status == TFC_OK && i < json_object_array_length(array); i++) {
        if (i) tfc_buffer_puts(text, "\n\n");
        tfc_buffer_puts(text, json_object_get_string(json_object_array_get_idx(array, i)));
    }
    json_object_put(json);
    return status == TFC_OK ? tfc_buffer_ok(text, "the text", err) : status;
}

static tfc_status file_text(const char *path, tfc_buffer *text, tfc_error *err)
{
    tfc_buffer file;
    tfc_buffer_init(&file, 0);
    size_t at;
    tfc_status status = read_bytes(path, &file, err);
    const char *bytes = file.data ? file.data : "";
    if (status == TFC_OK && !tfc_utf8_valid(bytes, file.n, &at))
        status = tfc_fail(err, TFC_EFORMAT, "invalid UTF-8 at byte %zu", at);
    else if (status == TFC_OK && is_json_lines(bytes, file.n))
        status = join_lines(bytes, file.n, text, err);
    else if (status == TFC_OK)
        status = tfc_buffer_append(text, bytes, file.n) ? TFC_OK : tfc_buffer_ok(text, "the text", err);
    tfc_buffer_release(&file);
    return status == TFC_OK ? TFC_OK : tfc_error_prefix(err, "'%s'", path);
}

static tfc_status read_text(windows *w, tfc_error *err)
{
    tfc_buffer text;
    tfc_buffer_init(&text, 0);
    const char *path = w->params->path;
    tfc_status status = path ? file_text(path, &text, err) : own_text(&text, err);
    if (status == TFC_OK)
        status = tfc_tokenize(tfc_model_tokenizer(tfc_session_model(w->session)), text.data ? text.data : "",
                              text.n, 0, &w->ids, &w->n_ids, err);
    tfc_buffer_release(&text);
    w->n_windows = w->n_ids / w->window;
    if (status == TFC_OK && w->n_windows == 0)
        status = tfc_fail(err, TFC_EFORMAT, "'%s': %lld tokens do not fill one window of %lld",
                          path ? path : "held-out text", (long long)w->n_ids, (long long)w->window);
    if (status != TFC_OK) return status;
    if (w->params->max_windows > 0 && w->n_windows > w->params->max_windows)
        w->n_windows = w->params->max_windows;
    return TFC_OK;
}

static tfc_status init(windows *w, tfc_error *err)
{
    const tfc_model *model = tfc_session_model(w->session);
    const tfc_tokenizer *tokenizer = tfc_model_tokenizer(model);
    int64_t context = tfc_model_get_info(model).context;
    if (w->window < 3 || w->window > context)
        return tfc_fail(err, TFC_EINVAL, "a window has 3 to %lld tokens, not %lld", (long long)context,
                        (long long)w->window);
    w->bos = tfc_tokenizer_adds_bos(tokenizer) ? tfc_tokenizer_bos(tokenizer) : -1;
    size_t n = w->params->tools ? tfc_tools_count(w->params->tools) : 0;
    const char **names = tfc_alloc(n, sizeof *names);
    if (!names) return tfc_fail_memory(err, "the tools' names");
    for (size_t i = 0; i < n; i++) names[i] = tfc_tool_name(tfc_tools_at(w->params->tools, i));
    tfc_status status = tfc_call_begin_tokens(tokenizer, names, n, &w->begin_ids, &w->n_begin, err);
    tfc_free(names);
    return status == TFC_OK ? read_text(w, err) : status;
}

static bool begins_call(const windows *w, int32_t id)
{
    for (int64_t i = 0; i < w->n_begin; i++)
        if (w->begin_ids[i] == id) return true;
    return false;
}

/* Two wants a position: the token, and the tokens that begin a call. */
static void count_window(windows *w, const int32_t *ids, const tfc_want *wants)
{
    for (int64_t t = 1; t < w->window; t++) {
        double lp = wants[2 * (t - 1)].lp, lp_begin = wants[2 * (t - 1) + 1].lp;
        w->sum -= lp;
        w->result->n++;
        if (t > w->window / 2) {
            w->sum_second -= lp;
            w->result->n_second++;
        }
        if (begins_call(w, ids[t])) continue;
        w->sum_banned -= lp - tfc_log64(1 - tfc_exp64(lp_begin));
        w->result->n_banned++;
    }
}

static tfc_status score_windows(windows *w, int64_t first, int64_t n, tfc_want *wants, tfc_error *err)
{
    tfc_score_request requests[AT_ONCE];
    int64_t n_wants = 2 * (w->window - 1);
    for (int64_t i = 0; i < n; i++) {
        int32_t *ids = w->ids + (first + i) * w->window;
        if (w->bos >= 0) ids[0] = w->bos;
        tfc_want *own = wants + i * n_wants;
        for (int64_t t = 1; t < w->window; t++) {
            own[2 * (t - 1)] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = t, .token = ids[t]};
            own[2 * (t - 1) + 1] =
                (tfc_want){.kind = TFC_WANT_SET, .position = t, .set = w->begin_ids, .n_set = w->n_begin};
        }
        requests[i] = (tfc_score_request){.ids = ids, .n_ids = w->window, .wants = own, .n_wants = n_wants};
    }
    tfc_status status = tfc_score(w->session, requests, n, err);
    for (int64_t i = 0; i < n && status == TFC_OK; i++)
        count_window(w, w->ids + (first + i) * w->window, wants + i * n_wants);
    return status;
}

static tfc_status score_all(windows *w, tfc_error *err)
{
    const tfc_monitor *monitor = w->params->monitor;
    tfc_want *wants = tfc_alloc(AT_ONCE * 2 * (size_t)w->window, sizeof *wants);
    if (!wants) return tfc_fail_memory(err, "scores");
    tfc_status status = TFC_OK;
    for (int64_t i = 0; i < w->n_windows && status == TFC_OK; i += AT_ONCE) {
        int64_t n = w->n_windows - i < AT_ONCE ? w->n_windows - i : AT_ONCE;
        status = tfc_should_stop(monitor) ? tfc_fail(err, TFC_EINTERRUPTED, "interrupted")
                                          : score_windows(w, i, n, wants, err);
        if (status == TFC_OK && monitor && monitor->progress)
            monitor->progress(monitor->context, &(tfc_progress){.stage = "perplexity",
                                                                .done = i + n,
                                                                .total = w->n_windows,
                                                                .unit = "windows"});
    }
    tfc_free(wants);
    return status;
}

tfc_status tfc_eval_perplexity(tfc_session *session, const tfc_perplexity_params *params,
                               tfc_perplexity *result, tfc_error *err)
{
    *result = (tfc_perplexity){.window = params->window};
    windows w = {.params = params, .session = session, .window = params->window, .result = result};
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    tfc_status status = init(&w, err);
    if (status == TFC_OK) status = score_all(&w, err);
    result->n_windows = w.n_windows;
    if (result->n) result->all = tfc_exp64(w.sum / (double)result->n);
    if (result->n_second) result->second = tfc_exp64(w.sum_second / (double)result->n_second);
    if (result->n_banned) result->banned = tfc_exp64(w.sum_banned / (double)result->n_banned);
    clock_gettime(CLOCK_MONOTONIC, &end);
    result->seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    tfc_ids_free(w.ids);
    tfc_ids_free(w.begin_ids);
    return status;
}
