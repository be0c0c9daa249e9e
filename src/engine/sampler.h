/* engine/sampler.h: one draw from a row of logits. */
#ifndef TFC_ENGINE_SAMPLER_H
#define TFC_ENGINE_SAMPLER_H

#include "engine/session.h"

/* Memory of one thread. */
struct tfc_sampler_scratch {
    float *weights;            /* [V] */
    tfc_candidate *candidates; /* [V] */
};

tfc_status tfc_sampler_check(const tfc_sampler *sampler, int64_t i, tfc_error *err);

/* The id that comes after `step` earlier ones, of those whose bit in `mask` is set and that are not banned;
 * -1 when there is none. The draw depends on the logits, the mask and (seed, stream, step) alone.
 * Temperature first; then the top_k largest; then the smallest set of the largest whose share reaches top_p.
 */
int32_t tfc_sampler_draw(const tfc_sampler *sampler, const tfc_kernels *kernels, const float *logits,
                         int64_t V, const uint64_t *mask, const int32_t *banned, int64_t n_banned,
                         uint64_t step, const tfc_sampler_scratch *scratch);

#endif
