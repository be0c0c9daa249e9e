/* Nothing is allocated once a call is planned: after one call of a size, calls of that size or smaller
 * allocate nothing at all, and the number of tokens that are generated has no say in how much is allocated.
 *
 * The program has its own malloc, which counts and hands on: it sees the library, libc's sorting, and
 * everything else in the process, on every thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/random.h"
#include "calls/grammar.h"
#include "toolformer/decode.h"

#if defined(__SANITIZE_ADDRESS__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWN_MALLOC 0
#endif
#endif
#if !defined(OWN_MALLOC) && defined(__GLIBC__)
#define OWN_MALLOC 1
#endif

#if OWN_MALLOC
static _Atomic int64_t n_allocations;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *pointer, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

void *malloc(size_t n)
{
    n_allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    n_allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *pointer, size_t n)
{
    n_allocations++;
    return __libc_realloc(pointer, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    n_allocations++;
    return __libc_memalign(alignment, n);
}

int posix_memalign(void **pointer, size_t alignment, size_t n)
{
    n_allocations++;
    *pointer = __libc_memalign(alignment, n);
    return *pointer ? 0 : ENOMEM;
}

static int64_t count(void)
{
    return atomic_exchange(&n_allocations, 0);
}
#else /* the sanitizer's malloc stays; the library's own count has to do */
static int64_t count(void)
{
    return tfc_memory_count();
}
#endif

#define MODEL TFC_SOURCE_DIR "/tests/fixtures/models/llama3"
enum { CONTEXT = 128, V = 268, N = 90, WANTS = 40, TOP = 5 };

static tfc_model *model;
static tfc_session *session;

static int open_session(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    model = tfc_model_open(MODEL, NULL, &err);
    tfc_session_params params = {.n_threads = 2, .batch_tokens = 300, .kv_bytes = 1 << 20};
    session = model ? tfc_session_create(model, &params, &err) : NULL;
    if (!session) fprintf(stderr, "%s\n", err.message);
    return !session;
}

static int close_session(void **state)
{
    (void)state;
    tfc_session_free(session);
    tfc_model_free(model);
    return 0;
}

/* The counter counts: what each kind of allocation adds. */
static void test_counter(void **state)
{
    (void)state;
    count();
    void *volatile a = tfc_alloc(3, 5), *volatile b = tfc_alloc_zero(2, 2),
                   *volatile c = tfc_realloc(NULL, 1, 9);
    void *volatile d = tfc_alloc_aligned(100, 1);
    assert_true(count() == 4);
    tfc_free(a);
    tfc_free(b);
    tfc_free(c);
    tfc_free(d);
}

/* Ragged texts, some of which begin alike, with unsorted wants of every kind. The seed changes what stands in
 * them, not how long they are and how much is wanted. */
typedef struct texts {
    int32_t ids[N][CONTEXT], set[8];
    tfc_want wants[N][WANTS];
    tfc_top top[N][WANTS][TOP];
    tfc_draw draw;
    tfc_score_request requests[N];
} texts;

static void make_texts(texts *t, uint64_t seed)
{
    tfc_random random = tfc_random_stream(seed, 0, 0, 0), shape = tfc_random_stream(0, 1, 0, 0);
    t->draw = (tfc_draw){.sampler = {.temperature = 1, .top_p = 0.9, .top_k = 50}};
    for (int j = 0; j < 8; j++) t->set[j] = 7 * j;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < CONTEXT; j++) t->ids[i][j] = (int32_t)tfc_random_below(&random, V);
        if (i % 3) memcpy(t->ids[i], t->ids[i - 1], 40 * sizeof(int32_t));
        int64_t n = 1 + (int64_t)tfc_random_below(&shape, CONTEXT);
        for (int w = 0; w < WANTS; w++)
            t->wants[i][w] = (tfc_want){.kind = (tfc_want_kind)(w % 4),
                                        .position = 1 + (int64_t)tfc_random_below(&shape, (uint64_t)n),
                                        .token = 3,
                                        .set = t->set,
                                        .n_set = 8,
                                        .top = t->top[i][w],
                                        .k = TOP,
                                        .draw = &t->draw};
        t->requests[i] = (tfc_score_request){t->ids[i], n, t->wants[i], WANTS};
    }
}

static void test_score(void **state)
{
    (void)state;
    static texts t;
    tfc_error err;
    tfc_error_init(&err);
    make_texts(&t, 0);
    assert_int_equal(tfc_score(session, t.requests, N, &err), TFC_OK);
    for (uint64_t round = 1; round <= 20; round++) {
        make_texts(&t, round);
        count();
        tfc_status status = tfc_score(session, t.requests, round % 2 ? N : (int64_t)(1 + round), &err);
        int64_t n = count();
        assert_int_equal(status, TFC_OK);
        if (n) fail_msg("round %d: scoring allocated %d times", (int)round, (int)n);
    }
}

static void test_sample(void **state)
{
    (void)state;
    static texts t;
    static int32_t new_ids[N][64];
    static tfc_sample_request requests[N];
    tfc_error err;
    tfc_error_init(&err);
    const tfc_grammar_call calls[] = {{"Calculator", TFC_ARGS_EXPRESSION}, {"Calendar", TFC_ARGS_NONE}};
    for (uint64_t round = 0; round <= 20; round++) {
        /* A grammar of its own for each round, as each generation has. */
        tfc_grammar *grammar = tfc_grammar_calls_create(calls, 2, &err);
        const tfc_grammar *grammars[] = {NULL, grammar, tfc_grammar_args(TFC_ARGS_TEXT)};
        make_texts(&t, round);
        for (int i = 0; i < N; i++)
            requests[i] = (tfc_sample_request){.ids = t.ids[i],
                                               .n_ids = 60,
                                               .max_new = 1 + i % 64,
                                               .sampler = {.temperature = i % 2, .top_p = 1, .seed = round},
                                               .grammar = grammars[i % 3],
                                               .ignore_eos = true,
                                               .new_ids = new_ids[i]};
        count();
        tfc_status status = tfc_sample(session, requests, round % 2 ? N : (int64_t)(N - round), &err);
        int64_t n = count();
        assert_int_equal(status, TFC_OK);
        if (n && round) fail_msg("round %d: sampling allocated %d times", (int)round, (int)n);
        tfc_grammar_free(grammar);
    }
}

/* One token at a time, as a caller's own loop has it. */
static void test_steps(void **state)
{
    (void)state;
    int32_t ids[CONTEXT] = {5, 6, 7};
    float logits[V];
    tfc_error err;
    tfc_error_init(&err);
    for (int64_t n = 3; n < CONTEXT; n++) {
        tfc_sample_request request = {.ids = ids,
                                      .n_ids = n,
                                      .max_new = 1,
                                      .sampler = {.temperature = 1, .top_p = 1},
                                      .new_ids = ids + n};
        request.ignore_eos = true;
        count();
        assert_int_equal(tfc_sample(session, &request, 1, &err), TFC_OK);
        assert_int_equal(tfc_logits(session, ids, n, logits, &err), TFC_OK);
        if (count() && n > 3) fail_msg("token %d: memory was allocated", (int)n);
    }
}

static int64_t generate(int64_t max_tokens, double temperature)
{
    tfc_error err;
    tfc_error_init(&err);
    const char *prompts[] = {"one", "two", "three"};
    tfc_generate_result results[3];
    tfc_generate_params params = tfc_generate_params_default();
    params.max_tokens = max_tokens;
    params.temperature = temperature;
    params.ignore_eos = true;
    count();
    if (tfc_generate(session, prompts, 3, &params, results, &err) != TFC_OK) fail_msg("%s", err.message);
    int64_t n = count();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(results[i].n_tokens, max_tokens);
        tfc_generate_release(&results[i]);
    }
    return n;
}

/* What a generation allocates does not depend on how many tokens it writes. */
static void test_generate(void **state)
{
    (void)state;
    for (int hot = 0; hot < 2; hot++) {
        generate(100, hot);
        int64_t few = generate(2, hot), many = generate(100, hot);
        if (few != many) fail_msg("%d allocations for 2 tokens, %d for 100", (int)few, (int)many);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter), cmocka_unit_test(test_score),    cmocka_unit_test(test_sample),
        cmocka_unit_test(test_steps),   cmocka_unit_test(test_generate),
    };
    return cmocka_run_group_tests(tests, open_session, close_session);
}
