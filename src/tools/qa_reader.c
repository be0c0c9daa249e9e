/* A local model as reader. It does not write: it chooses among the spans of the passages that may be answers,
 * so that a small model can name only what it read. One that it finds unlikely is none. */
#include "tools/qa_reader.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

#include "toolformer/engine.h"
#include "tools/answer_candidates.h"
#include "tools/qa_endpoint.h"
#include "tools/runner_inside.h"

/* Candidates that the model reads, and how much a nat of it counts beside what stands around a candidate. */
enum { TRIED = 8 };
static const double model_weight = 0.05;

struct tfc_qa_reader {
    char *model_name; /* NULL: the default one */
    double least_p;
    bool spans, modelless;     /* modelless: the best span by what stands around it */
    tfc_qa_endpoint *endpoint; /* NULL: a local model reads */
    char name[200];
    pthread_mutex_t lock; /* of what follows */
    tfc_model *model;
    tfc_session *session;
};

static const char head[] =
    "Text: Ottawa > Ottawa is the capital city of Canada. It stands on the south bank of the Ottawa River.\n"
    "Question: what is the capital of canada?\nAnswer: Ottawa\n\n"
    "Text: Eiffel Tower > The tower was opened on 31 March 1889 after two years of work by the company of "
    "Gustave Eiffel.\n"
    "Question: when did the eiffel tower open?\nAnswer: 31 March 1889\n\n"
    "Text: Hamlet > The Tragedy of Hamlet is a play by William Shakespeare, written between 1599 and 1601.\n"
    "Question: who wrote the play hamlet?\nAnswer: William Shakespeare\n\n";

tfc_qa_reader *tfc_qa_reader_create(tfc_json *backend, tfc_error *err)
{
    tfc_qa_reader *reader = tfc_alloc_zero(1, sizeof *reader);
    if (!reader) return tfc_fail_memory(err, "QA"), NULL;
    pthread_mutex_init(&reader->lock, NULL);
    reader->least_p = 0.1;
    reader->spans = true;
    tfc_status status = TFC_OK;
    bool found;
    if (json_object_is_type(backend, json_type_object)) {
        const char *model = NULL, *url = NULL;
        status = tfc_json_get_text(backend, "model", &model, NULL, &found, err);
        if (status == TFC_OK) status = tfc_json_get_text(backend, "url", &url, NULL, &found, err);
        if (status == TFC_OK) status = tfc_json_get_bool(backend, "spans", &reader->spans, &found, err);
        if (status == TFC_OK) status = tfc_json_get_double(backend, "least_p", &reader->least_p, &found, err);
        if (status == TFC_OK && !(reader->least_p >= 0 && reader->least_p <= 1))
            status = tfc_fail(err, TFC_EFORMAT, "least_p must be between 0 and 1, not %g", reader->least_p);
        if (status == TFC_OK && model && !(reader->model_name = tfc_strdup(model)))
            status = tfc_fail_memory(err, "QA");
        reader->modelless = model && !url && strcmp(model, "none") == 0;
        if (status == TFC_OK && url && !(reader->endpoint = tfc_qa_endpoint_create(backend, url, err)))
            status = TFC_EFORMAT;
        snprintf(reader->name, sizeof reader->name, "%.90s %.90s %g %d", url ? url : "", model ? model : "",
                 reader->least_p, reader->spans);
    }
    if (status == TFC_OK) return reader;
    tfc_qa_reader_free(reader);
    return NULL;
}

void tfc_qa_reader_free(tfc_qa_reader *reader)
{
    if (!reader) return;
    tfc_session_free(reader->session);
    tfc_model_free(reader->model);
    tfc_qa_endpoint_free(reader->endpoint);
    tfc_free(reader->model_name);
    pthread_mutex_destroy(&reader->lock);
    tfc_free(reader);
}

const char *tfc_qa_reader_name(const tfc_qa_reader *reader)
{
    return reader->name;
}

tfc_status tfc_qa_reader_available(const tfc_qa_reader *reader, tfc_error *err)
{
    char *path = NULL;
    if (reader->endpoint || reader->modelless) return TFC_OK;
    tfc_status status = tfc_model_locate(reader->model_name, &path, err);
    tfc_text_free(path);
    return status;
}

void tfc_answer_clean(char *answer)
{
    size_t n = strcspn(answer, "\n"), from = 0;
    while (n > from && strchr(" \"'", answer[from])) from++;
    while (n > from && strchr(" \"'.,;:", answer[n - 1])) n--;
    memmove(answer, answer + from, n - from);
    answer[n - from] = '\0';
    static const char *const none[] = {"no answer",    "none", "unknown",      "unanswerable",
                                       "i don't know", "n/a",  "not mentioned"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (strcasecmp(answer, none[i]) == 0) *answer = '\0';
}

/* With the lock. */
static tfc_status open_model(tfc_qa_reader *reader, tfc_error *err)
{
    if (reader->session) return TFC_OK;
    char *path = NULL;
    tfc_error own;
    tfc_error_init(&own);
    tfc_status status = tfc_model_locate(reader->model_name, &path, &own);
    if (status == TFC_OK && !reader->model) reader->model = tfc_model_open(path, NULL, &own);
    if (reader->model) reader->session = tfc_session_create(reader->model, NULL, &own);
    tfc_text_free(path);
    return reader->session ? TFC_OK : tfc_fail(err, own.status, "%s", own.message);
}

/* The end of the answer's line, for a reader that writes freely. */
typedef struct stopper {
    const tfc_tokenizer *tokenizer;
    int64_t deadline_ns;
    bool late;
} stopper;

static bool on_token(void *context, const int32_t *ids, int64_t n)
{
    stopper *s = context;
    size_t length;
    const char *text = tfc_token_text(s->tokenizer, ids[n - 1], &length);
    s->late = s->deadline_ns && tfc_monotonic_ns() >= s->deadline_ns;
    return s->late || !text || memchr(text, '\n', length);
}

/* With the lock. *p: the geometric mean of the tokens' probabilities. */
static tfc_status sample(tfc_qa_reader *reader, const int32_t *ids, int64_t n_ids, int64_t deadline_ns,
                         char **answer, double *p, tfc_error *err)
{
    int32_t new_ids[TFC_ANSWER_TOKENS];
    double lps[TFC_ANSWER_TOKENS], sum = 0;
    stopper s = {.tokenizer = tfc_model_tokenizer(reader->model), .deadline_ns = deadline_ns};
    tfc_sample_request request = {.ids = ids,
                                  .n_ids = n_ids,
                                  .max_new = TFC_ANSWER_TOKENS,
                                  .sampler = {.top_p = 1},
                                  .stop = on_token,
                                  .context = &s,
                                  .new_ids = new_ids,
                                  .lps = lps};
    tfc_status status = tfc_sample(reader->session, &request, 1, err);
    if (status != TFC_OK) return status;
    if (s.late) return tfc_fail(err, TFC_ETIMEOUT, "the answer was not read by the deadline");
    for (int64_t i = 0; i < request.n_new; i++) sum += lps[i];
    *p = request.n_new ? exp(sum / (double)request.n_new) : 0;
    size_t n;
    return tfc_detokenize(s.tokenizer, new_ids, request.n_new, false, answer, &n, err);
}

/* One candidate behind the prompt. */
typedef struct trial {
    int32_t *ids;
    tfc_want *wants;
    int64_t n_ids, n_wants;
} trial;

static tfc_status make_trial(const tfc_tokenizer *tokenizer, const int32_t *prompt, int64_t n_prompt,
                             const char *text, size_t n, trial *t, tfc_error *err)
{
    char answer[TFC_ANSWER_BYTES + 3];
    int32_t *ids = NULL;
    int64_t n_ids = 0;
    int length =
        snprintf(answer, sizeof answer, " %.*s\n", (int)(n < TFC_ANSWER_BYTES ? n : TFC_ANSWER_BYTES), text);
    tfc_status status = tfc_tokenize(tokenizer, answer, (size_t)length, 0, &ids, &n_ids, err);
    if (status != TFC_OK) return status;
    t->ids = tfc_alloc((size_t)(n_prompt + n_ids), sizeof *t->ids);
    t->wants = tfc_alloc_zero((size_t)n_ids, sizeof *t->wants);
    if (t->ids && t->wants) {
        memcpy(t->ids, prompt, (size_t)n_prompt * sizeof *prompt);
        memcpy(t->ids + n_prompt, ids, (size_t)n_ids * sizeof *ids);
        t->n_ids = n_prompt + n_ids;
        t->n_wants = n_ids;
        for (int64_t i = 0; i < n_ids; i++)
            t->wants[i] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = n_prompt + i, .token = ids[i]};
    } else {
        status = tfc_fail_memory(err, "QA");
    }
    tfc_ids_free(ids);
    return status;
}

/* With the lock. The candidate that stands best, by its place in the passages and by the model. */
static tfc_status choose(tfc_qa_reader *reader, const int32_t *prompt, int64_t n_prompt, const char *passages,
                         const tfc_answer_candidate *candidates, size_t n, char **answer, double *p,
                         tfc_error *err)
{
    trial trials[TRIED] = {0};
    tfc_score_request requests[TRIED];
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < n && status == TFC_OK; i++) {
        const tfc_answer_candidate *c = &candidates[i];
        status = make_trial(tfc_model_tokenizer(reader->model), prompt, n_prompt, passages + c->begin,
                            c->end - c->begin, &trials[i], err);
        requests[i] = (tfc_score_request){trials[i].ids, trials[i].n_ids, trials[i].wants, trials[i].n_wants};
    }
    if (status == TFC_OK) status = tfc_score(reader->session, requests, (int64_t)n, err);
    size_t best = 0;
    double best_value = -INFINITY;
    for (size_t i = 0; i < n && status == TFC_OK; i++) {
        double lp = 0;
        for (int64_t t = 0; t < trials[i].n_wants; t++)
            lp += trials[i].wants[t].lp / (double)trials[i].n_wants;
        double value = candidates[i].score + model_weight * lp;
        if (value <= best_value) continue;
        best = i;
        best_value = value;
        *p = exp(lp / (double)trials[i].n_wants);
    }
    const tfc_answer_candidate *c = &candidates[best];
    if (status == TFC_OK && !(*answer = tfc_memdup_text(passages + c->begin, c->end - c->begin)))
        status = tfc_fail_memory(err, "QA");
    for (size_t i = 0; i < n; i++) {
        tfc_free(trials[i].ids);
        tfc_free(trials[i].wants);
    }
    return status;
}

/* With the model: the chosen candidate, or what it writes where it may write (n 0). */
static tfc_status read_with_model(tfc_qa_reader *reader, const char *passages, const char *prompt,
                                  const tfc_answer_candidate *candidates, size_t n, int64_t deadline_ns,
                                  char **answer, double *p, tfc_error *err)
{
    int32_t *ids = NULL;
    int64_t n_ids = 0;
    pthread_mutex_lock(&reader->lock);
    tfc_status status = deadline_ns && tfc_monotonic_ns() >= deadline_ns
                            ? tfc_fail(err, TFC_ETIMEOUT, "the reader was not free by the deadline")
                            : open_model(reader, err);
    if (status == TFC_OK)
        status = tfc_tokenize(tfc_model_tokenizer(reader->model), prompt, strlen(prompt),
                              TFC_TOKENIZE_ADD_BOS, &ids, &n_ids, err);
    if (status == TFC_OK && reader->spans)
        status = choose(reader, ids, n_ids, passages, candidates, n < TRIED ? n : TRIED, answer, p, err);
    else if (status == TFC_OK)
        status = sample(reader, ids, n_ids, deadline_ns, answer, p, err);
    pthread_mutex_unlock(&reader->lock);
    tfc_ids_free(ids);
    return status;
}

static tfc_status read_locally(tfc_qa_reader *reader, const char *passages, const char *question,
                               const char *prompt, int64_t deadline_ns, char **answer, double *p,
                               tfc_error *err)
{
    tfc_answer_candidate *candidates = tfc_alloc(TFC_ANSWER_CANDIDATES, sizeof *candidates);
    if (!candidates) return tfc_fail_memory(err, "QA");
    size_t n = 0;
    bool spans = reader->spans || reader->modelless;
    tfc_status status = spans ? tfc_answer_candidates(passages, question, candidates, &n, err) : TFC_OK;
    if (status == TFC_OK && spans && n == 0) {
        status = tfc_fail(err, TFC_ENORESULT, "the passages that were found hold no name, date or number");
    } else if (status == TFC_OK && reader->modelless) {
        *answer = tfc_memdup_text(passages + candidates[0].begin, candidates[0].end - candidates[0].begin);
        if (!*answer) status = tfc_fail_memory(err, "QA");
    } else if (status == TFC_OK) {
        status = read_with_model(reader, passages, prompt, candidates, n, deadline_ns, answer, p, err);
    }
    tfc_free(candidates);
    return status;
}

tfc_status tfc_qa_read(tfc_qa_reader *reader, const char *passages, const char *question, int64_t deadline_ns,
                       char **answer, tfc_error *err)
{
    tfc_buffer prompt;
    double p = 1;
    *answer = NULL;
    tfc_buffer_init(&prompt, 1 << 20);
    const char *mark = question[0] && question[strlen(question) - 1] == '?' ? "" : "?";
    tfc_buffer_printf(&prompt, "%sText: %s\nQuestion: %s%s\nAnswer:", reader->endpoint ? "" : head, passages,
                      question, mark);
    tfc_status status = tfc_buffer_ok(&prompt, "QA", err);
    if (status == TFC_OK && reader->endpoint)
        status = tfc_qa_endpoint_ask(reader->endpoint, prompt.data, deadline_ns, answer, err);
    else if (status == TFC_OK)
        status = read_locally(reader, passages, question, prompt.data, deadline_ns, answer, &p, err);
    tfc_buffer_release(&prompt);
    if (status == TFC_OK) tfc_answer_clean(*answer);
    if (status == TFC_OK && (**answer == '\0' || p < reader->least_p))
        status =
            tfc_fail(err, TFC_ENORESULT, "the passages that were found give no answer to '%.200s'", question);
    if (status == TFC_OK && strlen(*answer) > TFC_ANSWER_BYTES)
        status = tfc_fail(err, TFC_ENORESULT, "the answer to '%.200s' was no short one", question);
    if (status != TFC_OK) {
        tfc_free(*answer);
        *answer = NULL;
    }
    return status;
}
