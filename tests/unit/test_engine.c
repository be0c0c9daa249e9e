/* The session's promise: the same bits whatever was cached, whoever shares the batch, however many threads
 * work. And what it computes: every kind of want against the raw logits; sampling against its definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/math64.h"
#include "base/memory.h"
#include "base/random.h"
#include "calls/grammar.h"
#include "kernels/kernels.h"
#include "toolformer/engine.h"

#define MODEL TFC_SOURCE_DIR "/tests/fixtures/models/llama3"
enum { CONTEXT = 128, V = 268, BLOCK_BYTES = 2 * 12 * 2 * 32 * 4, N_TEXTS = 24, MAX_WANTS = 64, TOP = 7 };

static tfc_model *open_operand(const char *cpu, const char *operand)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = tfc_model_open(MODEL, &(tfc_model_params){.cpu = cpu, .operand = operand}, &err);
    if (!model) fail_msg("%s", err.message);
    return model;
}

static tfc_model *open_model(const char *path, const char *cpu)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = tfc_model_open(path, &(tfc_model_params){.cpu = cpu}, &err);
    if (!model) fail_msg("%s", err.message);
    return model;
}

static tfc_session *open_session(tfc_model *model, int n_threads, int64_t batch_tokens, int64_t n_blocks)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_session_params params = {n_threads, batch_tokens, (size_t)n_blocks * BLOCK_BYTES};
    tfc_session *session = tfc_session_create(model, &params, &err);
    if (!session) fail_msg("%s", err.message);
    return session;
}

/* Texts over few symbols, some of which begin like an earlier one, with wants of all kinds. */
typedef struct text {
    int32_t ids[CONTEXT];
    int64_t n_ids, n_wants;
    tfc_want wants[MAX_WANTS];
    int32_t set[MAX_WANTS][9];
    tfc_top top[MAX_WANTS][TOP];
} text;

static void make_texts(text *texts, uint64_t seed)
{
    tfc_random random = tfc_random_stream(seed, 0, 0, 0);
    for (int i = 0; i < N_TEXTS; i++) {
        text *t = &texts[i];
        t->n_ids = 1 + (int64_t)tfc_random_below(&random, CONTEXT);
        for (int j = 0; j < CONTEXT; j++) t->ids[j] = (int32_t)tfc_random_below(&random, V);
        if (i && tfc_random_below(&random, 4))
            memcpy(t->ids, texts[tfc_random_below(&random, (uint64_t)i)].ids,
                   tfc_random_below(&random, CONTEXT) * sizeof(int32_t));
        t->n_wants = (int64_t)tfc_random_below(&random, MAX_WANTS);
        for (int64_t w = 0; w < t->n_wants; w++) {
            tfc_want *want = &t->wants[w];
            *want = (tfc_want){.kind = (tfc_want_kind)tfc_random_below(&random, 3),
                               .position = 1 + (int64_t)tfc_random_below(&random, (uint64_t)t->n_ids),
                               .token = (int32_t)tfc_random_below(&random, V),
                               .set = t->set[w],
                               .n_set = (int64_t)tfc_random_below(&random, 10),
                               .top = t->top[w],
                               .k = 1 + (int32_t)tfc_random_below(&random, TOP)};
            int32_t first = (int32_t)tfc_random_below(&random, V);
            for (int j = 0; j < 9; j++) t->set[w][j] = (first + 37 * j) % V;
        }
    }
}

static void forget_results(text *texts)
{
    for (int i = 0; i < N_TEXTS; i++) {
        for (int64_t w = 0; w < texts[i].n_wants; w++) texts[i].wants[w].lp = 1;
        memset(texts[i].top, 0, sizeof texts[i].top);
    }
}

static void score(tfc_session *session, text *texts, const int *order, int n)
{
    tfc_score_request requests[N_TEXTS];
    tfc_error err;
    tfc_error_init(&err);
    for (int i = 0; i < n; i++) {
        text *t = &texts[order[i]];
        requests[i] = (tfc_score_request){t->ids, t->n_ids, t->wants, t->n_wants};
    }
    if (tfc_score(session, requests, n, &err) != TFC_OK) fail_msg("%s", err.message);
}

static bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static void check_same(const text *a, const text *b, const char *what)
{
    for (int i = 0; i < N_TEXTS; i++)
        for (int64_t w = 0; w < a[i].n_wants; w++) {
            const tfc_want *x = &a[i].wants[w], *y = &b[i].wants[w];
            if (!same_double(x->lp, y->lp))
                fail_msg("%s: text %d, position %d: %.17g is not %.17g", what, i, (int)x->position, y->lp,
                         x->lp);
            for (int j = 0; x->kind == TFC_WANT_TOP && j < x->k; j++)
                assert_true(x->top[j].id == y->top[j].id && same_double(x->top[j].lp, y->top[j].lp));
        }
}

static void shuffle(int *order, tfc_random *random)
{
    for (int i = 0; i < N_TEXTS; i++) order[i] = i;
    for (int i = N_TEXTS - 1; i > 0; i--) {
        int j = (int)tfc_random_below(random, (uint64_t)i + 1), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
}

/* Any order, any cut into calls, any batch, cache and thread count. */
static void check_score_bits(tfc_model *model, const char *cpu)
{
    text *base = tfc_alloc_zero(N_TEXTS, sizeof *base), *again = tfc_alloc_zero(N_TEXTS, sizeof *again);
    for (uint64_t seed = 0; seed < 2; seed++) {
        tfc_random random = tfc_random_stream(seed, 1, 0, 0);
        make_texts(base, seed);
        make_texts(again, seed);
        forget_results(base);
        for (int i = 0; i < N_TEXTS; i++) { /* each alone, nothing cached */
            tfc_session *session = open_session(model, 1, 1024, 4);
            score(session, base, &i, 1);
            tfc_session_free(session);
        }
        for (int turn = 0; turn < 6; turn++) {
            int n_threads = 1 + (int)tfc_random_below(&random, 3);
            int64_t batch = 1 + (int64_t)tfc_random_below(&random, turn % 2 ? 300 : 40);
            int64_t n_blocks = 4 + (int64_t)tfc_random_below(&random, turn < 3 ? 3 : 60);
            tfc_session *session = open_session(model, n_threads, batch, n_blocks);
            for (int call = 0; call < 2; call++) { /* the second finds what the first left */
                int order[N_TEXTS];
                shuffle(order, &random);
                forget_results(again);
                int cut = (int)tfc_random_below(&random, N_TEXTS + 1);
                score(session, again, order, cut);
                score(session, again, order + cut, N_TEXTS - cut);
                char what[128];
                snprintf(what, sizeof what, "%s seed %d: %d threads, %d rows, %d blocks", cpu, (int)seed,
                         n_threads, (int)batch, (int)n_blocks);
                check_same(base, again, what);
            }
            tfc_session_free(session);
        }
    }
    tfc_free(base);
    tfc_free(again);
}

static void test_score_bits(void **state)
{
    (void)state;
    const char *paths[] = {"ref", "avx2", "avx512", "amx"};
    for (int p = 0; p < 4; p++) {
        if (!tfc_kernels_find(paths[p])) continue;
        for (int operand = 0; operand < TFC_N_OPERANDS; operand++) {
            tfc_model *model = open_operand(paths[p], tfc_operand_name((tfc_operand)operand));
            check_score_bits(model, paths[p]);
            tfc_model_free(model);
        }
    }
}

static double log_sum_of(const float *logits)
{
    double sum = 0;
    for (int v = 0; v < V; v++) sum += exp((double)logits[v]);
    return log(sum);
}

static void check_want(const tfc_want *want, const float *logits)
{
    double log_sum = log_sum_of(logits), sum = 0;
    switch (want->kind) {
    case TFC_WANT_TOKEN:
        assert_true(fabs(want->lp - ((double)logits[want->token] - log_sum)) < 1e-5);
        break;
    case TFC_WANT_SET:
        for (int64_t i = 0; i < want->n_set; i++) sum += exp((double)logits[want->set[i]] - log_sum);
        if (want->n_set == 0)
            assert_true(isinf(want->lp) && want->lp < 0);
        else
            assert_true(fabs(want->lp - log(sum)) < 1e-5);
        break;
    case TFC_WANT_TOP:
        for (int32_t j = 0; j < want->k; j++) {
            int32_t id = want->top[j].id, better = 0;
            for (int32_t v = 0; v < V; v++)
                better += logits[v] > logits[id] || (logits[v] == logits[id] && v < id);
            assert_int_equal(better, j);
            assert_true(fabs(want->top[j].lp - ((double)logits[id] - log_sum)) < 1e-5);
        }
        assert_true(want->lp == want->top[0].lp);
        break;
    case TFC_WANT_DRAW:
        break; /* test_want_draw */
    }
}

static void test_wants(void **state)
{
    (void)state;
    tfc_model *model = open_model(MODEL, NULL);
    tfc_session *session = open_session(model, 2, 64, 100);
    text *texts = tfc_alloc_zero(N_TEXTS, sizeof *texts);
    make_texts(texts, 77);
    tfc_random random = tfc_random_stream(0, 0, 0, 0);
    int order[N_TEXTS];
    shuffle(order, &random);
    score(session, texts, order, N_TEXTS);
    tfc_error err;
    tfc_error_init(&err);
    float logits[V];
    for (int i = 0; i < N_TEXTS; i++)
        for (int64_t w = 0; w < texts[i].n_wants; w++) {
            const tfc_want *want = &texts[i].wants[w];
            assert_int_equal(tfc_logits(session, texts[i].ids, want->position, logits, &err), TFC_OK);
            check_want(want, logits);
        }
    tfc_session_counters counters = tfc_session_get_counters(session);
    assert_true(counters.rows > 0 && counters.rows_shared > 0 && counters.flops > 0 && counters.passes > 0);
    tfc_free(texts);
    tfc_session_free(session);
    tfc_model_free(model);
}

/* The whole vocabulary by falling probability, and a set of all ids. */
static void test_whole_vocabulary(void **state)
{
    (void)state;
    tfc_model *model = open_model(MODEL, NULL);
    tfc_session *session = open_session(model, 1, 8, 8);
    tfc_error err;
    tfc_error_init(&err);
    int32_t ids[3] = {5, 9, 200}, all[V];
    for (int v = 0; v < V; v++) all[v] = v;
    tfc_top top[V];
    tfc_want wants[] = {{.kind = TFC_WANT_SET, .position = 3, .set = all, .n_set = V},
                        {.kind = TFC_WANT_TOP, .position = 3, .top = top, .k = V}};
    tfc_score_request request = {ids, 3, wants, 2};
    assert_int_equal(tfc_score(session, &request, 1, &err), TFC_OK);
    assert_true(fabs(wants[0].lp) < 1e-6);
    bool seen[V] = {false};
    for (int i = 0; i < V; i++) {
        assert_false(seen[top[i].id]);
        seen[top[i].id] = true;
        if (i) assert_true(top[i].lp <= top[i - 1].lp);
    }
    tfc_session_free(session);
    tfc_model_free(model);
}

/* ---- sampling ---- */

enum { N_SAMPLES = 90, MAX_NEW = 40 };

typedef struct sample {
    int32_t ids[CONTEXT], new_ids[MAX_NEW], banned[3];
    double lps[MAX_NEW];
    tfc_sample_request request;
} sample;

static bool stop_at_seven(void *context, const int32_t *ids, int64_t n)
{
    (void)context;
    return ids[n - 1] % 16 == 7;
}

static void make_samples(sample *samples, uint64_t seed)
{
    tfc_random random = tfc_random_stream(seed, 9, 0, 0);
    int32_t shared[CONTEXT];
    for (int j = 0; j < CONTEXT; j++) shared[j] = (int32_t)tfc_random_below(&random, V);
    for (int i = 0; i < N_SAMPLES; i++) {
        sample *s = &samples[i];
        memcpy(s->ids, shared, sizeof shared);
        int64_t n = 1 + (int64_t)tfc_random_below(&random, CONTEXT);
        if (tfc_random_below(&random, 3) == 0) s->ids[tfc_random_below(&random, (uint64_t)n)] = 3;
        for (int j = 0; j < 3; j++) s->banned[j] = (int32_t)tfc_random_below(&random, V);
        const double temperatures[] = {0, 0.5, 1, 1.7}, top_ps[] = {1, 1, 0.9, 0.3};
        s->request = (tfc_sample_request){
            .ids = s->ids,
            .n_ids = n,
            .max_new = 1 + (int64_t)tfc_random_below(&random, MAX_NEW),
            .sampler = {.temperature = temperatures[tfc_random_below(&random, 4)],
                        .top_k =
                            tfc_random_below(&random, 2) ? 1 + (int32_t)tfc_random_below(&random, 50) : 0,
                        .top_p = top_ps[tfc_random_below(&random, 4)],
                        .seed = seed,
                        .stream = (uint64_t)i / 2},
            .banned = s->banned,
            .n_banned = 3,
            .ignore_eos = tfc_random_below(&random, 2),
            .stop = tfc_random_below(&random, 2) ? stop_at_seven : NULL,
            .new_ids = s->new_ids,
            .lps = s->lps,
        };
        if (tfc_random_below(&random, 3) == 0)
            s->request.grammar = tfc_grammar_args((tfc_args_form)tfc_random_below(&random, 3));
    }
}

static void run_samples(tfc_session *session, sample *samples, int n)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_sample_request requests[N_SAMPLES];
    for (int i = 0; i < n; i++) requests[i] = samples[i].request;
    if (tfc_sample(session, requests, n, &err) != TFC_OK) fail_msg("%s", err.message);
    for (int i = 0; i < n; i++) samples[i].request = requests[i];
}

/* What must hold for every finished request. */
static void check_sample(const sample *s)
{
    const tfc_sample_request *r = &s->request;
    assert_true(r->n_new <= r->max_new && r->n_ids + r->n_new <= CONTEXT + 1);
    for (int64_t i = 0; i < r->n_new; i++) {
        assert_true(r->new_ids[i] >= 0 && r->new_ids[i] < V && r->lps[i] < 0);
        for (int j = 0; j < 3; j++) assert_int_not_equal(r->new_ids[i], s->banned[j]);
        if (r->stop && i + 1 < r->n_new) assert_int_not_equal(r->new_ids[i] % 16, 7);
    }
    if (r->finish == TFC_FINISH_LENGTH) assert_int_equal(r->n_new, r->max_new);
    if (r->finish == TFC_FINISH_CONTEXT) assert_int_equal(r->n_ids + r->n_new, CONTEXT + 1);
    if (r->finish == TFC_FINISH_STOP) assert_int_equal(r->new_ids[r->n_new - 1] % 16, 7);
}

static void check_grammar(const tfc_model *model, const sample *s)
{
    const tfc_sample_request *r = &s->request;
    const tfc_grammar *grammar = r->grammar;
    uint32_t state = grammar->start;
    for (int64_t i = 0; i < r->n_new; i++) {
        size_t n;
        const char *bytes = tfc_token_text(tfc_model_tokenizer(model), r->new_ids[i], &n);
        assert_false(tfc_token_is_special(tfc_model_tokenizer(model), r->new_ids[i]));
        state = tfc_grammar_feed(grammar, state, bytes, n);
        assert_int_not_equal(state, TFC_GRAMMAR_DEAD);
    }
    if (r->finish == TFC_FINISH_GRAMMAR && r->n_new) assert_true(grammar->accepts(grammar->context, state));
}

static void check_sample_bits(const char *operand)
{
    tfc_model *model = open_operand(NULL, operand);
    sample *base = tfc_alloc_zero(N_SAMPLES, sizeof *base), *again = tfc_alloc_zero(N_SAMPLES, sizeof *again);
    make_samples(base, 1);
    int n_finish[5] = {0};
    for (int i = 0; i < N_SAMPLES; i++) {
        tfc_session *session = open_session(model, 1, 1024, 5);
        run_samples(session, base + i, 1);
        tfc_session_free(session);
        check_sample(&base[i]);
        if (base[i].request.grammar) check_grammar(model, &base[i]);
        n_finish[base[i].request.finish]++;
    }
    for (int f = 0; f < 5; f++)
        if (n_finish[f] == 0 && f != TFC_FINISH_EOS)
            fail_msg("no request ended by reason %d: the cases are too tame", f);
    tfc_random random = tfc_random_stream(3, 0, 0, 0);
    for (int turn = 0; turn < 4; turn++) {
        make_samples(again, 1);
        tfc_session *session = open_session(model, 1 + turn % 3, 1 + (int64_t)tfc_random_below(&random, 200),
                                            5 + (int64_t)tfc_random_below(&random, turn < 2 ? 4 : 200));
        for (int done = 0; done < N_SAMPLES;) {
            int n = turn == 0 ? N_SAMPLES : 1 + (int)tfc_random_below(&random, (uint64_t)(N_SAMPLES - done));
            run_samples(session, again + done, n);
            done += n;
        }
        tfc_session_free(session);
        for (int i = 0; i < N_SAMPLES; i++) {
            const tfc_sample_request *a = &base[i].request, *b = &again[i].request;
            assert_int_equal(a->n_new, b->n_new);
            assert_int_equal(a->finish, b->finish);
            assert_memory_equal(a->new_ids, b->new_ids, (size_t)a->n_new * sizeof(int32_t));
            assert_memory_equal(a->lps, b->lps, (size_t)a->n_new * sizeof(double));
        }
    }
    tfc_free(base);
    tfc_free(again);
    tfc_session_free(NULL);
    tfc_model_free(model);
}

static void test_sample_bits(void **state)
{
    (void)state;
    check_sample_bits(NULL);
    check_sample_bits("int8");
}

/* lps of a sample are what scoring says of the same tokens, bit for bit. */
static void test_sample_scores(void **state)
{
    (void)state;
    tfc_model *model = open_model(MODEL, NULL);
    tfc_session *session = open_session(model, 2, 64, 50);
    tfc_error err;
    tfc_error_init(&err);
    int32_t ids[60] = {1, 2, 3, 4}, *new_ids = ids + 4;
    double lps[50];
    tfc_sample_request request = {.ids = ids,
                                  .n_ids = 4,
                                  .max_new = 50,
                                  .sampler = {.temperature = 1, .top_p = 1, .seed = 4},
                                  .ignore_eos = true,
                                  .new_ids = new_ids,
                                  .lps = lps};
    assert_int_equal(tfc_sample(session, &request, 1, &err), TFC_OK);
    assert_int_equal(request.n_new, 50);
    tfc_want wants[50];
    for (int i = 0; i < 50; i++)
        wants[i] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = 4 + i, .token = new_ids[i]};
    tfc_score_request check = {ids, 54, wants, 50};
    assert_int_equal(tfc_score(session, &check, 1, &err), TFC_OK);
    for (int i = 0; i < 50; i++) assert_true(same_double(wants[i].lp, lps[i]));
    tfc_session_free(session);
    tfc_model_free(model);
}

/* With all other tokens banned the end comes at once, unless it is to be ignored. */
static void check_refused(tfc_status status, const tfc_error *err, tfc_status expected, const char *part)
{
    if (status != expected || !strstr(err->message, part))
        fail_msg("status %d, '%s' lacks '%s'", (int)status, err->message, part);
}

/* A draw among the wants is the draw of a sample, and its log-probability; bans hold. */
static void test_want_draw(void **state)
{
    (void)state;
    enum { N = 300 };
    tfc_model *model = open_model(MODEL, NULL);
    tfc_session *session = open_session(model, 2, 500, 100);
    tfc_error err;
    tfc_error_init(&err);
    static int32_t ids[CONTEXT], banned[V];
    static tfc_draw draws[N];
    static tfc_want wants[N];
    for (int i = 0; i < CONTEXT; i++) ids[i] = (i * 31 + 5) % V;
    for (int i = 0; i < V; i++) banned[i] = i;
    for (int i = 0; i < N; i++) { /* more rows than go through the vocabulary together, two draws in some */
        draws[i] = (tfc_draw){.sampler = {.temperature = i % 3 ? 1.3 : 0,
                                          .top_k = i % 4 ? 0 : 9,
                                          .top_p = i % 5 ? 1 : 0.7,
                                          .seed = 3,
                                          .stream = (uint64_t)i},
                              .banned = banned,
                              .n_banned = i % 7 ? 0 : 40};
        wants[i] = (tfc_want){.kind = TFC_WANT_DRAW, .position = 1 + i % (CONTEXT - 1), .draw = &draws[i]};
    }
    tfc_score_request request = {ids, CONTEXT, wants, N};
    assert_int_equal(tfc_score(session, &request, 1, &err), TFC_OK);
    for (int i = 0; i < N; i++) {
        int32_t id = -2;
        double lp;
        tfc_sample_request alone = {.ids = ids,
                                    .n_ids = wants[i].position,
                                    .max_new = 1,
                                    .sampler = draws[i].sampler,
                                    .banned = banned,
                                    .n_banned = draws[i].n_banned,
                                    .ignore_eos = true,
                                    .new_ids = &id,
                                    .lps = &lp};
        assert_int_equal(tfc_sample(session, &alone, 1, &err), TFC_OK);
        assert_int_equal(wants[i].token, id);
        assert_true(same_double(wants[i].lp, lp));
        assert_true(draws[i].n_banned == 0 || id >= 40);
    }
    draws[0].n_banned = V;
    request.n_wants = 1;
    assert_int_equal(tfc_score(session, &request, 1, &err), TFC_OK);
    assert_int_equal(wants[0].token, -1);
    draws[0].sampler.temperature = -1;
    check_refused(tfc_score(session, &request, 1, &err), &err, TFC_EINVAL, "temperature");
    wants[0].draw = NULL;
    check_refused(tfc_score(session, &request, 1, &err), &err, TFC_EINVAL, "draw");
    tfc_session_free(session);
    tfc_model_free(model);
}

static void test_end_of_text(void **state)
{
    (void)state;
    tfc_model *model = open_model(MODEL, NULL);
    tfc_session *session = open_session(model, 1, 64, 8);
    tfc_error err;
    tfc_error_init(&err);
    int32_t eos = tfc_tokenizer_eos(tfc_model_tokenizer(model)), ids[1] = {9}, new_ids[3], banned[V];
    assert_true(eos >= 0 && tfc_token_ends_text(tfc_model_tokenizer(model), eos));
    for (int32_t v = 0; v < V; v++) banned[v] = v == eos ? -1 : v;
    tfc_sample_request request = {.ids = ids,
                                  .n_ids = 1,
                                  .max_new = 3,
                                  .sampler = {.temperature = 1, .top_p = 1},
                                  .banned = banned,
                                  .n_banned = V,
                                  .new_ids = new_ids};
    assert_int_equal(tfc_sample(session, &request, 1, &err), TFC_OK);
    assert_true(request.finish == TFC_FINISH_EOS && request.n_new == 0);
    request.ignore_eos = true;
    assert_int_equal(tfc_sample(session, &request, 1, &err), TFC_OK);
    assert_true(request.finish == TFC_FINISH_LENGTH && request.n_new == 3 && new_ids[2] == eos);
    banned[eos] = eos; /* nothing is left */
    assert_int_equal(tfc_sample(session, &request, 1, &err), TFC_OK);
    assert_true(request.finish == TFC_FINISH_GRAMMAR && request.n_new == 0);
    tfc_session_free(session);
    tfc_model_free(model);
}

/* How often each token is drawn is its probability: chi-square over the more probable tokens. */
static void check_draws(tfc_session *session, tfc_sampler sampler)
{
    enum { N = 4000 };
    static tfc_sample_request requests[N];
    static int32_t drawn[N];
    static double p[V];
    tfc_error err;
    tfc_error_init(&err);
    int32_t ids[2] = {100, 50};
    float logits[V];
    assert_int_equal(tfc_logits(session, ids, 2, logits, &err), TFC_OK);
    double sum = 0;
    for (int v = 0; v < V; v++) {
        int better = 0;
        for (int u = 0; u < V; u++) better += logits[u] > logits[v];
        p[v] = sampler.top_k && better >= sampler.top_k ? 0 : exp((double)logits[v] / sampler.temperature);
        sum += p[v];
    }
    for (int i = 0; i < N; i++) {
        sampler.stream = (uint64_t)i;
        requests[i] = (tfc_sample_request){.ids = ids,
                                           .n_ids = 2,
                                           .max_new = 1,
                                           .sampler = sampler,
                                           .ignore_eos = true,
                                           .new_ids = &drawn[i]};
    }
    assert_int_equal(tfc_sample(session, requests, N, &err), TFC_OK);
    double chi = 0;
    int cells = 0;
    for (int v = 0; v < V; v++) {
        int n = 0;
        for (int i = 0; i < N; i++) n += drawn[i] == v;
        double expected = N * p[v] / sum;
        if (p[v] == 0) assert_int_equal(n, 0);
        if (expected < 10) continue;
        chi += (n - expected) * (n - expected) / expected;
        cells++;
    }
    assert_true(cells > 5);
    if (chi > cells + 5 * sqrt(2.0 * cells)) fail_msg("chi-square %g over %d cells", chi, cells);
}

static void test_draws(void **state)
{
    (void)state;
    tfc_model *model = open_model(MODEL, NULL);
    tfc_session *session = open_session(model, 2, 1024, 100);
    check_draws(session, (tfc_sampler){.temperature = 1, .top_p = 1, .seed = 5});
    check_draws(session, (tfc_sampler){.temperature = 0.7, .top_k = 20, .top_p = 1, .seed = 6});
    tfc_session_free(session);
    tfc_model_free(model);
}

/* ---- refusals ---- */

static void test_score_refusals(void **state)
{
    (void)state;
    tfc_model *model = open_model(MODEL, NULL);
    tfc_session *session = open_session(model, 1, 16, 2);
    tfc_error err;
    tfc_error_init(&err);
    static int32_t ids[200];
    tfc_want want = {.kind = TFC_WANT_TOKEN, .position = 1};
    tfc_score_request r = {ids, 3, &want, 1};
    want.position = 0;
    check_refused(tfc_score(session, &r, 1, &err), &err, TFC_EINVAL, "position 0 is not 1 to 3");
    want.position = 4;
    check_refused(tfc_score(session, &r, 1, &err), &err, TFC_EINVAL, "position 4");
    want.position = 1;
    want.token = V;
    check_refused(tfc_score(session, &r, 1, &err), &err, TFC_EINVAL, "token id 268");
    want.token = 0;
    ids[2] = -1;
    check_refused(tfc_score(session, &r, 1, &err), &err, TFC_EINVAL, "token id -1 at position 2");
    ids[2] = 0;
    want.kind = TFC_WANT_TOP;
    check_refused(tfc_score(session, &r, 1, &err), &err, TFC_EINVAL, "top 0");
    want.kind = TFC_WANT_TOKEN;
    r.n_ids = 0;
    want.position = 1;
    check_refused(tfc_score(session, &r, 1, &err), &err, TFC_EINVAL, "position 1");
    r.n_ids = 200;
    want.position = 129;
    check_refused(tfc_score(session, &r, 1, &err), &err, TFC_ELIMIT, "context is 128");
    want.position = 100;
    check_refused(tfc_score(session, &r, 1, &err), &err, TFC_ELIMIT, "--kv-mb");
    want.position = 64; /* exactly what two blocks hold; later tokens are not computed */
    assert_int_equal(tfc_score(session, &r, 1, &err), TFC_OK);
    assert_int_equal(tfc_score(session, NULL, 0, &err), TFC_OK);
    tfc_session_free(session);

    tfc_session_params params = tfc_session_params_default();
    params.batch_tokens = 0;
    assert_null(tfc_session_create(model, &params, &err));
    check_refused(err.status, &err, TFC_EINVAL, "batch_tokens");
    params.batch_tokens = 1;
    params.kv_bytes = 100;
    assert_null(tfc_session_create(model, &params, &err));
    check_refused(err.status, &err, TFC_ELIMIT, "--kv-mb");
    tfc_model_free(model);
}

static void test_sample_refusals(void **state)
{
    (void)state;
    tfc_model *model = open_model(MODEL, NULL);
    tfc_session *session = open_session(model, 1, 16, 2);
    tfc_error err;
    tfc_error_init(&err);
    static int32_t ids[200], new_ids[100];
    tfc_sample_request r = {
        .ids = ids, .n_ids = 60, .max_new = 10, .sampler = {.top_p = 1}, .new_ids = new_ids};
    r.ignore_eos = true;
    check_refused(tfc_sample(session, &r, 1, &err), &err, TFC_ELIMIT, "--kv-mb");
    r.max_new = 0;
    check_refused(tfc_sample(session, &r, 1, &err), &err, TFC_EINVAL, "0 new tokens");
    r.max_new = 1;
    r.sampler.top_p = 0;
    check_refused(tfc_sample(session, &r, 1, &err), &err, TFC_EINVAL, "top_p");
    r.sampler.top_p = 1;
    r.sampler.temperature = -1;
    check_refused(tfc_sample(session, &r, 1, &err), &err, TFC_EINVAL, "temperature");
    r.sampler.temperature = NAN;
    check_refused(tfc_sample(session, &r, 1, &err), &err, TFC_EINVAL, "temperature");
    r.sampler.temperature = 1;
    r.n_ids = 0;
    check_refused(tfc_sample(session, &r, 1, &err), &err, TFC_EINVAL, "no tokens");
    tfc_session_free(session);
    tfc_model_free(model);
}

/* Every allocation may fail: an error each time, and the session goes on afterwards. */
static void test_failing_allocations(void **state)
{
    (void)state;
    tfc_model *model = open_model(MODEL, NULL);
    tfc_session *session = open_session(model, 1, 16, 20);
    int32_t ids[40] = {1, 2, 3}, new_ids[4];
    tfc_top top[3];
    tfc_error err;
    for (int64_t n = 1;; n++) {
        tfc_want wants[] = {{.kind = TFC_WANT_TOP, .position = 40, .top = top, .k = 3}};
        tfc_score_request score_request = {ids, 40, wants, 1};
        tfc_sample_request sample_request = {.ids = ids,
                                             .n_ids = 3,
                                             .max_new = 4,
                                             .sampler = {.top_p = 1},
                                             .grammar = tfc_grammar_args(TFC_ARGS_TEXT),
                                             .new_ids = new_ids};
        tfc_error_init(&err);
        tfc_memory_fail_at(n);
        tfc_status status = tfc_score(session, &score_request, 1, &err);
        if (status == TFC_OK) status = tfc_sample(session, &sample_request, 1, &err);
        tfc_memory_fail_at(0);
        if (status == TFC_OK) break;
        assert_int_equal(status, TFC_ENOMEM);
        assert_true(err.message[0] != 0);
        assert_true(n < 100);
    }
    tfc_session_free(session);
    for (int64_t n = 1;; n++) {
        tfc_memory_fail_at(n);
        session = tfc_session_create(model, NULL, &err);
        tfc_memory_fail_at(0);
        if (session) break;
        assert_int_equal(err.status, TFC_ENOMEM);
    }
    tfc_session_free(session);
    tfc_model_free(model);
}

static void test_math(void **state)
{
    (void)state;
    tfc_random random = tfc_random_stream(8, 0, 0, 0);
    for (int i = 0; i < 20000; i++) {
        double x = (tfc_random_uniform(&random) * 2 - 1) * 700, y = exp(x / (i % 2 ? 1 : 700));
        assert_true(fabs(tfc_exp64(x) - exp(x)) <= 5e-16 * exp(x));
        assert_true(fabs(tfc_log64(y) - log(y)) <= 5e-16 * fabs(log(y)));
        double angle = tfc_random_uniform(&random) * 4e6, sine, cosine;
        tfc_sincos64(angle, &sine, &cosine);
        assert_true(fabs(sine - sin(angle)) < 1e-15 && fabs(cosine - cos(angle)) < 1e-15);
    }
    assert_true(isinf(tfc_log64(0)) && isnan(tfc_log64(-1)) && tfc_log64(1) == 0 && tfc_exp64(0) == 1);
    assert_true(tfc_exp64(-1000) == 0 && isinf(tfc_exp64(1000)) && isnan(tfc_exp64(NAN)));
    assert_true(tfc_log64(0x1p-1074) == log(0x1p-1074) && isinf(tfc_log64(INFINITY)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_math),
        cmocka_unit_test(test_wants),
        cmocka_unit_test(test_whole_vocabulary),
        cmocka_unit_test(test_score_bits),
        cmocka_unit_test(test_sample_bits),
        cmocka_unit_test(test_sample_scores),
        cmocka_unit_test(test_want_draw),
        cmocka_unit_test(test_end_of_text),
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_score_refusals),
        cmocka_unit_test(test_sample_refusals),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
