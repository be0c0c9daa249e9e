/* Figures beside their limits. Token ids are random: speed does not depend on them. */
#include "toolformer/bench.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "model/model.h"
#include "toolformer/engine.h"
#include "train/trainer.h"

enum { MAX_TEXTS = 64, MAX_TURNS = 25, TRAIN_TOKENS = 1000, TRAIN_SEQUENCES = 8 };

typedef struct workload {
    const char *name;
    int n_texts, min_ids, max_ids; /* after the shared beginning */
    int n_shared;
    int n_wanted; /* the last positions of each; 0: all */
    int n_new;    /* tokens to sample instead of scoring */
} workload;

static const workload workloads[] = {
    {"score 40 texts of 50-300 tokens, 5 positions each", 40, 50, 300, 0, 5, 0},
    {"score 64 calls of 25 tokens behind 400 shared", 64, 20, 30, 400, 5, 0},
    {"score every token of 1,024", 1, 1024, 1024, 0, 0, 0},
    {"prefill 512", 1, 512, 512, 0, 1, 0},
    {"decode 1 stream", 1, 64, 64, 0, 0, 32},
    {"decode 32 streams behind 512 shared", 32, 4, 8, 512, 0, 16},
};

typedef struct bench {
    tfc_model *model;
    int n_threads, turns;
    const char *only;
    double peak;      /* flops a second */
    double bandwidth; /* bytes a second */
    void (*each)(void *context, const tfc_bench_figure *figure);
    void *context;
    const tfc_monitor *monitor;
    int32_t *ids; /* [MAX_TEXTS][context] */
    tfc_want *wants;
    int64_t room;
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void say(const bench *b, const char *name, double value, const char *unit, double limit)
{
    b->each(b->context, &(tfc_bench_figure){name, value, unit, limit});
}

/* Reading a block that no cache holds, every thread its part. */
typedef struct reading {
    const uint64_t *words;
    int64_t n_words, n_parts;
    uint64_t sums[256];
} reading;

static void read_part(void *context, int64_t i, int worker)
{
    (void)worker;
    reading *r = context;
    int64_t from = r->n_words * i / r->n_parts, to = r->n_words * (i + 1) / r->n_parts;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (int64_t w = from; w + 4 <= to; w += 4)
        a += r->words[w], b += r->words[w + 1], c += r->words[w + 2], d += r->words[w + 3];
    r->sums[i % 256] = a + b + c + d;
}

static tfc_status measure_bandwidth(bench *b, tfc_error *err)
{
    const int64_t bytes = (int64_t)256 << 20;
    tfc_pool *pool = tfc_pool_create(b->n_threads, err);
    reading r = {.n_words = bytes / 8};
    uint64_t *words = tfc_alloc_aligned((size_t)bytes, 1);
    tfc_status status = pool && words ? TFC_OK : tfc_fail_memory(err, "bench");
    if (status == TFC_OK) {
        memset(words, 1, (size_t)bytes);
        r.words = words;
        r.n_parts = tfc_pool_n_threads(pool);
        double best = 1e9;
        for (int turn = 0; turn < 5; turn++) {
            double start = now();
            tfc_pool_run(pool, r.n_parts, read_part, &r);
            best = fmin(best, now() - start);
        }
        b->bandwidth = (double)bytes / best;
    }
    tfc_free(words);
    tfc_pool_free(pool);
    return status;
}

static int64_t make_texts(bench *b, const workload *w, tfc_score_request *requests)
{
    tfc_random random = tfc_random_stream(1, 2, 3, 4);
    int64_t total = 0, V = b->model->hparams.V;
    for (int j = 0; j < w->n_shared; j++) b->ids[j] = (int32_t)tfc_random_below(&random, (uint64_t)V);
    for (int i = 0; i < w->n_texts; i++) {
        int32_t *ids = b->ids + i * b->room;
        tfc_want *wants = b->wants + i * b->room;
        int n = w->min_ids + (int)tfc_random_below(&random, (uint64_t)(w->max_ids - w->min_ids + 1));
        int n_ids = w->n_shared + n, n_wants = w->n_wanted ? w->n_wanted : n_ids - 1;
        if (i) memcpy(ids, b->ids, (size_t)w->n_shared * sizeof *ids);
        for (int j = w->n_shared; j < n_ids; j++) ids[j] = (int32_t)tfc_random_below(&random, (uint64_t)V);
        for (int j = 0; j < n_wants; j++)
            wants[j] = (tfc_want){
                .kind = TFC_WANT_TOKEN, .position = n_ids - n_wants + j, .token = ids[n_ids - n_wants + j]};
        if (w->n_new) { /* before sampling the prompt alone runs */
            n_wants = 1;
            wants[0].position = n_ids;
        }
        requests[i] = (tfc_score_request){ids, n_ids, wants, n_wants};
        total += n;
    }
    return total + w->n_shared;
}

static tfc_status sample_texts(tfc_session *session, const workload *w, const tfc_score_request *texts,
                               tfc_error *err)
{
    tfc_sample_request requests[MAX_TEXTS];
    int32_t new_ids[MAX_TEXTS][64];
    for (int i = 0; i < w->n_texts; i++)
        requests[i] = (tfc_sample_request){.ids = texts[i].ids,
                                           .n_ids = texts[i].n_ids,
                                           .max_new = w->n_new,
                                           .sampler = {.temperature = 1, .top_p = 1, .stream = (uint64_t)i},
                                           .ignore_eos = true,
                                           .new_ids = new_ids[i]};
    return tfc_sample(session, requests, w->n_texts, err);
}

/* One turn in a fresh session, so that nothing is cached; of decoding only the steps after the prompt count.
 */
static tfc_status one_turn(bench *b, const workload *w, tfc_score_request *requests, double *seconds,
                           double *flops, tfc_error *err)
{
    tfc_session_params params = tfc_session_params_default();
    params.n_threads = b->n_threads;
    tfc_session *session = tfc_session_create(b->model, &params, err);
    if (!session) return err ? err->status : TFC_ENOMEM;
    tfc_status status = TFC_OK;
    if (w->n_new) status = tfc_score(session, requests, w->n_texts, err);
    tfc_session_counters before = tfc_session_get_counters(session);
    if (status == TFC_OK)
        status = w->n_new ? sample_texts(session, w, requests, err)
                          : tfc_score(session, requests, w->n_texts, err);
    tfc_session_counters after = tfc_session_get_counters(session);
    *seconds = after.seconds - before.seconds;
    *flops = after.flops - before.flops;
    tfc_session_free(session);
    return status;
}

static tfc_status bench_workload(bench *b, const workload *w, tfc_error *err)
{
    tfc_score_request requests[MAX_TEXTS];
    double seconds[MAX_TURNS], flops = 0;
    if (!strstr(w->name, b->only)) return TFC_OK;
    if (w->n_shared + w->max_ids + w->n_new > b->room) return TFC_OK; /* the model's context is shorter */
    int64_t total = make_texts(b, w, requests);
    tfc_status status = TFC_OK;
    for (int turn = 0; turn < b->turns && status == TFC_OK; turn++)
        status = one_turn(b, w, requests, &seconds[turn], &flops, err);
    if (status != TFC_OK) return status;
    double time = median(seconds, b->turns);
    if (w->n_new) total = (int64_t)w->n_texts * w->n_new;
    /* One stream reads all weights for each token; anything else is bound by arithmetic. */
    double limit = w->n_new && w->n_texts == 1 ? b->bandwidth / (double)b->model->packed.n_bytes
                                               : (double)total * b->peak / flops;
    say(b, w->name, (double)total / time, "tokens/s", limit);
    return TFC_OK;
}

/* Decoding and scoring with the weights in another form: the model is opened once more. */
static tfc_status bench_form(bench *b, const char *operand, const char *weights, const workload *works,
                             int n_works, tfc_error *err)
{
    bench other = *b;
    bool any = false;
    for (int w = 0; w < n_works; w++) any = any || strstr(works[w].name, b->only);
    if (!any) return TFC_OK;
    tfc_model_params params = {.cpu = b->model->kernels->name, .operand = operand, .weights = weights};
    params.n_threads = b->n_threads;
    other.model = tfc_model_open(b->model->path, &params, err);
    if (!other.model) return err ? err->status : TFC_ENOMEM;
    tfc_status status = TFC_OK;
    if (other.model->operand != b->model->operand)
        other.peak = tfc_kernels_measure_peak(other.model->kernels, other.model->operand, b->n_threads);
    for (int w = 0; w < n_works && status == TFC_OK; w++) status = bench_workload(&other, &works[w], err);
    tfc_model_free(other.model);
    return status;
}

static tfc_status bench_forms(bench *b, tfc_error *err)
{
    static const workload stored[] = {
        {"decode 1 stream, weights as stored", 1, 64, 64, 0, 0, 32},
        {"prefill 512, weights as stored", 1, 512, 512, 0, 1, 0},
    };
    static const workload int8[] = {
        {"decode 1 stream, int8", 1, 64, 64, 0, 0, 32},
        {"score 40 texts, int8", 40, 50, 300, 0, 5, 0},
    };
    if (b->model->operand == TFC_OPERAND_INT8) return TFC_OK;
    tfc_status status = TFC_OK;
    if (!b->model->stored)
        status = bench_form(b, tfc_operand_name(b->model->operand), "stored", stored, 2, err);
    return status == TFC_OK ? bench_form(b, "int8", NULL, int8, 2, err) : status;
}

static tfc_status bench_training(bench *b, tfc_error *err)
{
    static const char name[] = "train, a step of 1,000 tokens";
    if (!strstr(name, b->only)) return TFC_OK;
    int64_t T = TRAIN_TOKENS < b->model->hparams.context ? TRAIN_TOKENS : b->model->hparams.context;
    tfc_pool *pool = tfc_pool_create(b->n_threads, err);
    tfc_trainer trainer = {0};
    tfc_trainer_options options = {.operand = b->model->operand, .max_tokens = T};
    tfc_status status = pool  ? tfc_trainer_init(&trainer, b->model, pool, &options, err)
                        : err ? err->status
                              : TFC_ENOMEM;
    int32_t ids[TRAIN_TOKENS], targets[TRAIN_TOKENS];
    int64_t lengths[TRAIN_SEQUENCES];
    double seconds[MAX_TURNS];
    tfc_random random = tfc_random_stream(5, 6, 7, 8);
    for (int64_t t = 0; t < T; t++) {
        ids[t] = (int32_t)tfc_random_below(&random, (uint64_t)b->model->hparams.V);
        targets[t] = (int32_t)tfc_random_below(&random, (uint64_t)b->model->hparams.V);
    }
    for (int s = 0; s < TRAIN_SEQUENCES; s++)
        lengths[s] = T * (s + 1) / TRAIN_SEQUENCES - T * s / TRAIN_SEQUENCES;
    tfc_train_pack pack = {
        .T = T, .ids = ids, .targets = targets, .n_sequences = TRAIN_SEQUENCES, .lengths = lengths};
    int turns = b->turns < 3 ? b->turns : 3;
    const tfc_adamw adamw = {.lr = 1e-6, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .clip = 1};
    double flops = status == TFC_OK ? tfc_trainer_flops(&trainer, lengths, TRAIN_SEQUENCES, T) : 0;
    for (int turn = 0; turn < turns && status == TFC_OK; turn++) {
        double start = now();
        tfc_trainer_zero_grad(&trainer);
        tfc_trainer_run(&trainer, &pack, 1.0f / (float)T, true);
        tfc_trainer_update(&trainer, &adamw, turn + 1, tfc_trainer_grad_norm(&trainer));
        seconds[turn] = now() - start;
    }
    if (status == TFC_OK)
        say(b, name, (double)T / median(seconds, turns), "tokens/s", (double)T * b->peak / flops);
    tfc_trainer_release(&trainer);
    tfc_pool_free(pool);
    return status;
}

tfc_status tfc_bench(tfc_model *model, int n_threads, int turns, const char *only,
                     void (*each)(void *context, const tfc_bench_figure *figure), void *context,
                     const tfc_monitor *monitor, tfc_error *err)
{
    bench b = {.model = model,
               .n_threads = n_threads,
               .only = only ? only : "",
               .turns = turns < 1           ? 1
                        : turns > MAX_TURNS ? MAX_TURNS
                                            : turns,
               .each = each,
               .context = context,
               .monitor = monitor,
               .room = model->hparams.context};
    if (b.room > 1100) b.room = 1100;
    tfc_pool *pool = tfc_pool_create(n_threads, err);
    if (!pool) return err ? err->status : TFC_ENOMEM;
    b.n_threads = tfc_pool_n_threads(pool);
    tfc_pool_free(pool);
    b.ids = tfc_alloc_zero((size_t)(MAX_TEXTS * b.room), sizeof *b.ids);
    b.wants = tfc_alloc_zero((size_t)(MAX_TEXTS * b.room), sizeof *b.wants);
    tfc_status status = b.ids && b.wants ? measure_bandwidth(&b, err) : tfc_fail_memory(err, "bench");
    if (status == TFC_OK) {
        b.peak = tfc_kernels_measure_peak(model->kernels, model->operand, b.n_threads);
        say(&b, "peak of the multiply-add", b.peak * 1e-9,
            model->operand == TFC_OPERAND_INT8 ? "Gop/s" : "GF/s", NAN);
        say(&b, "reading memory", b.bandwidth * 1e-9, "GB/s", NAN);
    }
    for (size_t w = 0; w < sizeof workloads / sizeof *workloads && status == TFC_OK; w++) {
        if (tfc_should_stop(monitor))
            status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
        else
            status = bench_workload(&b, &workloads[w], err);
    }
    if (status == TFC_OK) status = bench_forms(&b, err);
    if (status == TFC_OK && model->operand != TFC_OPERAND_INT8) status = bench_training(&b, err);
    tfc_free(b.ids);
    tfc_free(b.wants);
    return status;
}
