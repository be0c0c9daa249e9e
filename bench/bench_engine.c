/* Scoring and sampling on a real model: tokens a second and share of the measured peak. Processor time stands
 * beside wall time: on a busy machine it alone says something, with one thread.
 *
 *     bench_engine [model [workload [threads]]]
 *
 * Tokens are random: speed does not depend on them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "toolformer/engine.h"

enum { MAX_TEXTS = 256, MAX_IDS = 1100 };

typedef struct workload {
    const char *name;
    int n_texts, min_ids, max_ids; /* after the shared beginning */
    int n_shared;
    int n_wanted; /* the last positions of each; 0: all after the shared beginning */
    int n_new;    /* tokens to sample instead of scoring */
} workload;

static const workload workloads[] = {
    {"20 texts of 60-140 tokens, all positions", 20, 60, 140, 0, 0, 0},
    {"40 texts of 50-300 tokens, every fifth", 40, 50, 300, 0, 5, 0},
    {"64 x 25 tokens after 400 shared, 5 wanted", 64, 20, 30, 400, 5, 0},
    {"1 text of 1,024 tokens, all positions", 1, 1024, 1024, 0, 0, 0},
    {"1 text of 512 tokens, the last (prefill)", 1, 512, 512, 0, 1, 0},
    {"decode, 1 stream", 1, 64, 64, 0, 0, 48},
    {"decode, 32 streams after 512 shared", 32, 4, 8, 512, 0, 24},
};

static int32_t ids[MAX_TEXTS][MAX_IDS], new_ids[MAX_TEXTS][64];
static tfc_want wants[MAX_TEXTS][MAX_IDS];

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const tfc_error *err)
{
    fprintf(stderr, "bench_engine: %s\n", err->message);
    exit(1);
}

static int64_t make_texts(const workload *w, int64_t V, tfc_score_request *requests)
{
    tfc_random random = tfc_random_stream(1, 2, 3, 4);
    int64_t total = 0;
    for (int j = 0; j < w->n_shared; j++) ids[0][j] = (int32_t)tfc_random_below(&random, (uint64_t)V);
    for (int i = 0; i < w->n_texts; i++) {
        int n = w->min_ids + (int)tfc_random_below(&random, (uint64_t)(w->max_ids - w->min_ids + 1));
        memcpy(ids[i], ids[0], (size_t)w->n_shared * sizeof(int32_t));
        for (int j = w->n_shared; j < w->n_shared + n; j++)
            ids[i][j] = (int32_t)tfc_random_below(&random, (uint64_t)V);
        int n_ids = w->n_shared + n, n_wants = w->n_wanted ? w->n_wanted : n - 1;
        for (int j = 0; j < n_wants; j++) {
            int position = n_ids - n_wants + j;
            wants[i][j] =
                (tfc_want){.kind = TFC_WANT_TOKEN, .position = position, .token = ids[i][position]};
        }
        requests[i] = (tfc_score_request){ids[i], n_ids, wants[i], n_wants};
        total += n;
    }
    return total + w->n_shared;
}

static void sample(tfc_session *session, const workload *w, const tfc_score_request *texts, tfc_error *err)
{
    static tfc_sample_request requests[MAX_TEXTS];
    for (int i = 0; i < w->n_texts; i++)
        requests[i] =
            (tfc_sample_request){.ids = texts[i].ids,
                                 .n_ids = texts[i].n_ids,
                                 .max_new = w->n_new,
                                 .sampler = {.temperature = 1, .top_p = 1, .stream = (uint64_t)i},
                                 .ignore_eos = true,
                                 .new_ids = new_ids[i]};
    if (tfc_sample(session, requests, w->n_texts, err) != TFC_OK) fail(err);
}

static void run(tfc_model *model, const workload *w, int n_threads, double peak)
{
    static tfc_score_request requests[MAX_TEXTS];
    tfc_error err;
    tfc_error_init(&err);
    tfc_session_params params = tfc_session_params_default();
    params.n_threads = n_threads;
    int64_t total = make_texts(w, model->hparams.V, requests);
    double best_seconds = 1e9, best_processor = 1e9, flops = 0;
    for (int turn = 0; turn < 3; turn++) {
        tfc_session *session = tfc_session_create(model, &params, &err);
        if (!session) fail(&err);
        if (w->n_new) { /* only the steps after the prompt count */
            for (int i = 0; i < w->n_texts; i++) requests[i].n_wants = 1;
            for (int i = 0; i < w->n_texts; i++) wants[i][0].position = requests[i].n_ids;
            if (tfc_score(session, requests, w->n_texts, &err) != TFC_OK) fail(&err);
        }
        tfc_session_counters before = tfc_session_get_counters(session);
        double processor = processor_seconds();
        if (w->n_new)
            sample(session, w, requests, &err);
        else if (tfc_score(session, requests, w->n_texts, &err) != TFC_OK)
            fail(&err);
        tfc_session_counters after = tfc_session_get_counters(session);
        if (after.seconds - before.seconds < best_seconds) best_seconds = after.seconds - before.seconds;
        processor = processor_seconds() - processor;
        if (processor < best_processor) best_processor = processor;
        flops = after.flops - before.flops;
        tfc_session_free(session);
    }
    if (w->n_new) total = (int64_t)w->n_texts * w->n_new;
    printf("%-44s %8.1f tokens/s %8.1f ms %7.1f GF/s %5.1f %% of peak (%.1f GF/core-s)\n", w->name,
           (double)total / best_seconds, 1e3 * best_seconds, flops / best_seconds * 1e-9,
           100 * flops / best_seconds / peak, flops / best_processor * 1e-9);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    tfc_error err;
    tfc_error_init(&err);
    char *path;
    if (tfc_model_locate(argc > 1 && argv[1][0] ? argv[1] : NULL, &path, &err) != TFC_OK) fail(&err);
    tfc_model *model = tfc_model_open(path, NULL, &err);
    if (!model) fail(&err);
    int n_threads = argc > 3 ? atoi(argv[3]) : 2;
    tfc_model_info info = tfc_model_get_info(model);
    double peak = tfc_kernels_measure_peak(model->kernels, model->operand, n_threads);
    printf("%s %s, %d threads, peak %.0f GF/s\n", info.cpu_path, info.operand, n_threads, peak * 1e-9);
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        if (argc < 3 || atoi(argv[2]) < 0 || (size_t)atoi(argv[2]) == i)
            run(model, &workloads[i], n_threads, peak);
    tfc_text_free(path);
    tfc_model_free(model);
    return 0;
}
