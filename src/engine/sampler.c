/* Weights are f32 (the kernels' exp), sums of them f64 in one fixed order. */
#include "engine/sampler.h"

#include "base/random.h"

enum { FIRST_CANDIDATES = 64, SUM_STRETCH = 1024 };

static const double MIN_TEMPERATURE = 1e-3, MAX_TEMPERATURE = 1e3;

tfc_status tfc_sampler_check(const tfc_sampler *sampler, int64_t i, tfc_error *err)
{
    double t = sampler->temperature;
    if (!(t == 0 || (t >= MIN_TEMPERATURE && t <= MAX_TEMPERATURE)))
        return tfc_fail(err, TFC_EINVAL, "request %lld: temperature must be 0, or %g to %g, not %g",
                        (long long)i, MIN_TEMPERATURE, MAX_TEMPERATURE, t);
    if (sampler->top_k < 0)
        return tfc_fail(err, TFC_EINVAL, "request %lld: top_k must be 0 (all) or more, not %d", (long long)i,
                        sampler->top_k);
    if (!(sampler->top_p > 0 && sampler->top_p <= 1))
        return tfc_fail(err, TFC_EINVAL, "request %lld: top_p must be above 0 and at most 1, not %g",
                        (long long)i, sampler->top_p);
    return TFC_OK;
}

static bool bit(const uint64_t *mask, int64_t v)
{
    return mask[v / 64] >> (v % 64) & 1;
}

static bool is_banned(const int32_t *banned, int64_t n, int64_t v)
{
    for (int64_t i = 0; i < n; i++)
        if (banned[i] == v) return true;
    return false;
}

/* The most probable of the allowed, the lowest id on ties; -1: nothing is allowed. */
static int32_t best_allowed(const float *logits, int64_t V, const uint64_t *mask, const int32_t *banned,
                            int64_t n_banned)
{
    int32_t best = -1;
    for (int64_t v = 0; v < V; v++) {
        if (best >= 0 && !(logits[v] > logits[best])) continue;
        if (bit(mask, v) && !is_banned(banned, n_banned, v)) best = (int32_t)v;
    }
    return best;
}

static void clear_banned(float *weights, int64_t V, const int32_t *banned, int64_t n_banned)
{
    for (int64_t i = 0; i < n_banned; i++)
        if (banned[i] >= 0 && banned[i] < V) weights[banned[i]] = 0;
}

/* Clears what the mask does not allow, 64 at a time. */
static void clear_masked(float *weights, int64_t V, const uint64_t *mask)
{
    for (int64_t from = 0; from < V; from += 64) {
        uint64_t word = mask[from / 64];
        if (word == UINT64_MAX) continue;
        int64_t n = V - from < 64 ? V - from : 64;
        for (int64_t i = 0; i < n; i++)
            if (!(word >> i & 1)) weights[from + i] = 0;
    }
}

/* weights[v] = exp((logit - largest) / temperature), 0 for what is not allowed. That may be above the largest
 * of the allowed: it is cleared before exp too. */
static void fill_weights(float *weights, const tfc_kernels *kernels, const float *logits, int64_t V,
                         const uint64_t *mask, const int32_t *banned, int64_t n_banned, float largest,
                         float inverse_temperature)
{
    for (int64_t v = 0; v < V; v++) weights[v] = (logits[v] - largest) * inverse_temperature;
    clear_masked(weights, V, mask);
    clear_banned(weights, V, banned, n_banned);
    kernels->exp_shift(weights, weights, 0, 1, V);
    clear_masked(weights, V, mask);
    clear_banned(weights, V, banned, n_banned);
}

static double sum_of(const float *weights, int64_t n)
{
    double parts[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) parts[j] += (double)weights[i + j];
    for (; i < n; i++) parts[0] += (double)weights[i];
    return ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]));
}

/* The first place where the running sum passes u of the whole; sums are taken by stretches of SUM_STRETCH. */
static int32_t draw_all(const float *weights, int64_t V, double u)
{
    double total = 0, sum = 0;
    for (int64_t from = 0; from < V; from += SUM_STRETCH)
        total += sum_of(weights + from, V - from < SUM_STRETCH ? V - from : SUM_STRETCH);
    int32_t last = -1;
    for (int64_t from = 0; from < V; from += SUM_STRETCH) {
        int64_t n = V - from < SUM_STRETCH ? V - from : SUM_STRETCH;
        double stretch = sum_of(weights + from, n);
        if (last >= 0 && sum + stretch <= u * total) {
            sum += stretch;
            continue;
        }
        double within = sum;
        for (int64_t v = from; v < from + n; v++) {
            if (weights[v] == 0) continue;
            last = (int32_t)v;
            within += (double)weights[v];
            if (within > u * total) return last;
        }
        sum += stretch;
    }
    return last;
}

/* The k best into candidates, best first; returns how many have a weight. */
static int64_t take_best(tfc_candidate *candidates, int64_t k, const float *weights, int64_t V)
{
    tfc_top_heap heap = {candidates, 0, k < V ? k : V};
    tfc_top_heap_offer(&heap, weights, V, 0);
    tfc_top_heap_sort(&heap);
    while (heap.n > 0 && candidates[heap.n - 1].value == 0) heap.n--;
    return heap.n;
}

static int32_t draw_best(const tfc_sampler *sampler, const tfc_sampler_scratch *scratch, int64_t V, double u)
{
    tfc_candidate *best = scratch->candidates;
    int64_t k = sampler->top_k ? sampler->top_k : FIRST_CANDIDATES, n;
    double total = 0;
    if (!sampler->top_k) total = sum_of(scratch->weights, V);
    for (;; k *= 8) {
        n = take_best(best, k, scratch->weights, V);
        if (sampler->top_k) {
            total = 0;
            for (int64_t i = 0; i < n; i++) total += (double)best[i].value;
        }
        double sum = 0;
        int64_t reached = 0;
        while (reached < n && sum < sampler->top_p * total) sum += (double)best[reached++].value;
        bool all = sampler->top_k || n < k;
        if (sum < sampler->top_p * total && !all) continue; /* more are needed */
        double limit = u * sum;
        sum = 0;
        for (int64_t i = 0; i < reached; i++) {
            sum += (double)best[i].value;
            if (sum > limit) return best[i].id;
        }
        return best[reached - 1].id;
    }
}

int32_t tfc_sampler_draw(const tfc_sampler *sampler, const tfc_kernels *kernels, const float *logits,
                         int64_t V, const uint64_t *mask, const int32_t *banned, int64_t n_banned,
                         uint64_t step, const tfc_sampler_scratch *scratch)
{
    int32_t best = best_allowed(logits, V, mask, banned, n_banned);
    if (best < 0 || sampler->temperature == 0) return best;
    tfc_random random = tfc_random_stream(sampler->seed, sampler->stream, step, 0);
    double u = tfc_random_uniform(&random);
    fill_weights(scratch->weights, kernels, logits, V, mask, banned, n_banned, logits[best],
                 (float)(1 / sampler->temperature));
    if (sampler->top_k == 0 && sampler->top_p == 1) return draw_all(scratch->weights, V, u);
    return draw_best(sampler, scratch, V, u);
}
