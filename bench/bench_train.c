/* Training steps on a real model: tokens a second and share of the measured peak. Processor time stands
 * beside wall time: on a busy machine it alone says something, with one thread.
 *
 *     bench_train [model [operand [threads [max_tokens]]]]
 *
 * Tokens are random: speed does not depend on them. Operations are those of the products and of causal
 * attention; what is computed again, and the optimizer, take time but do not count. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/memory.h"
#include "base/random.h"
#include "train/trainer.h"

typedef struct workload {
    const char *name;
    int64_t length; /* of a sequence; the last one of a pack is shorter */
} workload;

static const workload workloads[] = {
    {"pack of one sequence", 1 << 20},
    {"pack of sequences of 256 tokens", 256},
    {"pack of sequences of 100 tokens", 100},
};

typedef struct clocks {
    double wall, processor;
} clocks;

static clocks clocks_now(void)
{
    struct timespec wall, processor;
    clock_gettime(CLOCK_MONOTONIC, &wall);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &processor);
    return (clocks){(double)wall.tv_sec + 1e-9 * (double)wall.tv_nsec,
                    (double)processor.tv_sec + 1e-9 * (double)processor.tv_nsec};
}

static void fail(const tfc_error *err)
{
    fprintf(stderr, "bench_train: %s\n", err->message);
    exit(1);
}

/* One optimizer step on one pack, the best of three; returns its number of operations. */
static double step(tfc_trainer *t, const tfc_train_pack *pack, int64_t n_targets, int64_t *n_steps,
                   clocks *best)
{
    const tfc_adamw adamw = {.lr = 1e-5, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .clip = 1};
    *best = (clocks){1e9, 1e9};
    for (int turn = 0; turn < 3; turn++) {
        clocks begin = clocks_now();
        tfc_trainer_zero_grad(t);
        tfc_trainer_run(t, pack, (float)(1.0 / (double)n_targets), true);
        tfc_trainer_update(t, &adamw, ++*n_steps, tfc_trainer_grad_norm(t));
        clocks end = clocks_now();
        if (end.wall - begin.wall < best->wall) best->wall = end.wall - begin.wall;
        if (end.processor - begin.processor < best->processor)
            best->processor = end.processor - begin.processor;
    }
    return tfc_trainer_flops(t, pack->lengths, pack->n_sequences, n_targets);
}

static void run(tfc_trainer *t, const workload *w, int64_t *n_steps, double peak)
{
    int64_t T = t->max_tokens, lengths[1 << 16];
    int32_t *ids = tfc_alloc((size_t)(2 * T), sizeof *ids), *targets = ids + T;
    tfc_random random = tfc_random_stream(1, 2, 3, 4);
    tfc_train_pack pack = {T, ids, targets, 0, lengths};
    for (int64_t i = 0; i < T; i++) ids[i] = (int32_t)tfc_random_below(&random, (uint64_t)t->hparams->V);
    for (int64_t from = 0; from < T; from += w->length) {
        int64_t n = T - from < w->length ? T - from : w->length;
        lengths[pack.n_sequences++] = n;
        for (int64_t i = 0; i < n; i++) targets[from + i] = i + 1 < n ? ids[from + i + 1] : -1;
    }
    clocks best;
    double flops = step(t, &pack, T - pack.n_sequences, n_steps, &best);
    printf("%-34s %8.1f tokens/s %8.1f ms %7.1f GF/s %5.1f %% of peak (%.1f GF/core-s)\n", w->name,
           (double)T / best.wall, 1e3 * best.wall, flops / best.wall * 1e-9, 100 * flops / best.wall / peak,
           flops / best.processor * 1e-9);
    fflush(stdout);
    tfc_free(ids);
}

int main(int argc, char **argv)
{
    tfc_error err;
    tfc_error_init(&err);
    char *path;
    if (tfc_model_locate(argc > 1 && argv[1][0] ? argv[1] : NULL, &path, &err) != TFC_OK) fail(&err);
    tfc_model_params params = tfc_model_params_default();
    if (argc > 2 && argv[2][0]) params.operand = argv[2];
    int n_threads = argc > 3 ? atoi(argv[3]) : 2;
    tfc_model *model = tfc_model_open(path, &params, &err);
    if (!model) fail(&err);
    tfc_pool *pool = tfc_pool_create(n_threads, &err);
    if (!pool) fail(&err);
    tfc_trainer trainer;
    tfc_trainer_options options = {.operand = model->operand, .max_tokens = argc > 4 ? atoi(argv[4]) : 1024};
    if (tfc_trainer_init(&trainer, model, pool, &options, &err) != TFC_OK) fail(&err);
    tfc_model_info info = tfc_model_get_info(model);
    double peak = tfc_kernels_measure_peak(model->kernels, model->operand, n_threads);
    printf("%s %s, %d threads, peak %.0f GF/s\n", info.cpu_path, info.operand, n_threads, peak * 1e-9);
    int64_t n_steps = 0;
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        run(&trainer, &workloads[i], &n_steps, peak);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("peak memory %.2f GB\n", (double)usage.ru_maxrss * 1024e-9);
    tfc_trainer_release(&trainer);
    tfc_pool_free(pool);
    tfc_model_free(model);
    tfc_text_free(path);
    return 0;
}
