/* The tables of the paths, which of them this machine can run, and the measured peak.
 *
 * Tables are made once. A path's functions are its own where it has them and the reference's otherwise. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernels/paths.h"

enum { PATH_AMX, PATH_AVX512, PATH_AVX2, PATH_REF, N_PATHS }; /* best first */

static const char *const path_names[N_PATHS] = {"amx", "avx512", "avx2", "ref"};
static tfc_kernels tables[N_PATHS];
static bool available[N_PATHS];
static tfc_peak_loop peak_loops[N_PATHS];
static void (*dequantize_row)(float *restrict, const void *restrict, int64_t, tfc_dtype);
static pthread_once_t tables_made = PTHREAD_ONCE_INIT;

static const char *const operand_names[TFC_N_OPERANDS] = {"f32", "bf16", "int8"};

const char *tfc_operand_name(tfc_operand operand)
{
    return operand_names[operand];
}

bool tfc_operand_find(const char *name, tfc_operand *operand)
{
    for (int i = 0; i < TFC_N_OPERANDS; i++) {
        if (strcmp(name, operand_names[i]) != 0) continue;
        *operand = (tfc_operand)i;
        return true;
    }
    return false;
}

bool tfc_kernels_keeps(tfc_dtype dtype, tfc_operand operand)
{
    bool blocks = dtype == TFC_Q8_0 || dtype == TFC_Q4_0 || dtype == TFC_Q4_1;
    return blocks && operand != TFC_OPERAND_INT8;
}

#if defined(__x86_64__)
static bool machine_has_avx2(void)
{
    unsigned a, b, c = 0, d;
    bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C); /* clang 14 does not know the name */
    return f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool machine_has_avx512(void)
{
    return machine_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
}

static bool machine_has_amx(void)
{
    enum { LEAF_7_EDX_AMX = 1U << 22 | 1U << 24 }; /* bf16 and tiles; clang 14 does not know the names */
    unsigned a, b, c, d = 0;
    bool amx = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & LEAF_7_EDX_AMX) == LEAF_7_EDX_AMX;
    return amx && machine_has_avx512() && tfc_amx_permitted();
}

/* The install functions too are compiled with their path's instructions. */
static void install_vector_paths(void)
{
    if (machine_has_avx2()) {
        available[PATH_AVX2] = true;
        dequantize_row = tfc_dequantize_row_avx2;
        peak_loops[PATH_AVX2] = tfc_gemm_avx2_peak;
        tfc_gemm_avx2_install(&tables[PATH_AVX2]);
        tfc_elements_avx2_install(&tables[PATH_AVX2]);
        tfc_attention_avx2_install(&tables[PATH_AVX2]);
    }
    if (machine_has_avx512()) {
        available[PATH_AVX512] = true;
        peak_loops[PATH_AVX512] = tfc_gemm_avx512_peak;
        tfc_gemm_avx512_install(&tables[PATH_AVX512]);
        tfc_elements_avx512_install(&tables[PATH_AVX512]);
        tfc_attention_avx512_install(&tables[PATH_AVX512]);
    }
    if (machine_has_amx()) {
        available[PATH_AMX] = true;
        peak_loops[PATH_AMX] = tfc_gemm_amx_peak;
        tfc_gemm_amx_install(&tables[PATH_AMX]);
        tfc_elements_avx512_install(&tables[PATH_AMX]);
        tfc_attention_avx512_install(&tables[PATH_AMX]);
    }
}
#else
static void install_vector_paths(void) {}
#endif

static void make_tables(void)
{
    for (int path = 0; path < N_PATHS; path++) {
        tables[path].name = path_names[path];
        tfc_gemm_ref_install(&tables[path]);
        tfc_elements_ref_install(&tables[path]);
        tfc_attention_ref_install(&tables[path]);
    }
    available[PATH_REF] = true;
    dequantize_row = tfc_dequantize_row_ref;
    peak_loops[PATH_REF] = tfc_gemm_ref_peak;
    install_vector_paths();
}

/* The same bits in every version, so the path in use has no say in it. */
void tfc_dequantize_row(float *restrict values, const void *restrict row, int64_t n, tfc_dtype dtype)
{
    pthread_once(&tables_made, make_tables);
    dequantize_row(values, row, n, dtype);
}

const tfc_kernels *tfc_kernels_find(const char *name)
{
    pthread_once(&tables_made, make_tables);
    for (int path = 0; path < N_PATHS; path++)
        if (available[path] && strcmp(name, path_names[path]) == 0) return &tables[path];
    return NULL;
}

static bool name_is_known(const char *name)
{
    for (int path = 0; path < N_PATHS; path++)
        if (strcmp(name, path_names[path]) == 0) return true;
    return false;
}

const tfc_kernels *tfc_kernels_default(char *message, size_t message_bytes)
{
    pthread_once(&tables_made, make_tables);
    const char *forced = getenv("TFC_CPU");
    if (forced && *forced) {
        const tfc_kernels *kernels = tfc_kernels_find(forced);
        if (kernels) return kernels;
        if (name_is_known(forced))
            snprintf(message, message_bytes,
                     "TFC_CPU=%s: this processor lacks the instructions of that path; unset TFC_CPU to take "
                     "the best "
                     "one",
                     forced);
        else
            snprintf(message, message_bytes, "TFC_CPU=%.40s: unknown path; use ref, avx2, avx512 or amx",
                     forced);
        return NULL;
    }
    int path = 0;
    while (!available[path]) path++;
    return &tables[path];
}

/* ---- measured peak ---- */

typedef struct peak_run {
    tfc_peak_loop loop;
    int64_t rounds;
    double flops, seconds;
    tfc_operand operand;
    float sink;
} peak_run;

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *run_peak(void *argument)
{
    peak_run *run = argument;
    double begin = now_seconds();
    run->flops = run->loop(run->operand, run->rounds, &run->sink);
    run->seconds = now_seconds() - begin;
    return NULL;
}

/* The sum of the threads' rates while all of them run; a thread that cannot be started adds nothing. */
static double peak_together(peak_run run, int n_threads)
{
    enum { MAX_THREADS = 256 };
    const double slice = 0.05; /* seconds */
    peak_run runs[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    int n_started = 0;
    if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
    for (double seconds = 0; seconds < slice / 4; run.rounds *= 2) {
        run_peak(&run);
        seconds = run.seconds;
    }
    run.rounds = (int64_t)((double)run.rounds * 0.5 * slice / run.seconds) + 1;
    if (n_threads <= 1) {
        run_peak(&run);
        return run.flops / run.seconds;
    }
    for (; n_started < n_threads; n_started++) {
        runs[n_started] = run;
        if (pthread_create(&threads[n_started], NULL, run_peak, &runs[n_started]) != 0) break;
    }
    double rate = 0;
    for (int i = 0; i < n_started; i++) {
        pthread_join(threads[i], NULL);
        rate += runs[i].flops / runs[i].seconds;
    }
    return rate;
}

double tfc_kernels_measure_peak(const tfc_kernels *kernels, tfc_operand operand, int n_threads)
{
    double best = 0;
    for (int attempt = 0; attempt < 4; attempt++) {
        peak_run run = {.loop = peak_loops[kernels - tables], .operand = operand, .rounds = 1 << 12};
        double rate = peak_together(run, n_threads);
        if (rate > best) best = rate;
    }
    return best;
}
