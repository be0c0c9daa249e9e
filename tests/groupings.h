/* groupings.h: the losses of 200 sequences, each computed by itself first, then in random company.
 *
 * A grouping takes the sequences in a random order, cuts that into calls of random sizes, and runs them on a
 * session with a random number of threads, rows of a pass and room for keys and values; sometimes what
 * earlier groupings left in the cache is there. Every log-probability must have the bits that it had alone.
 */
#ifndef TESTS_GROUPINGS_H
#define TESTS_GROUPINGS_H

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/model.h"
#include "toolformer/engine.h"

enum { GROUP_SEQUENCES = 200, GROUP_SHORTEST = 5, GROUP_LONGEST = 300, GROUP_WANTS = 6, GROUP_TOP = 3 };

typedef struct grouped {
    int32_t ids[GROUP_LONGEST], set[4];
    int64_t n, n_wants;
    tfc_want wants[GROUP_WANTS];
    tfc_top top[GROUP_WANTS][GROUP_TOP];
    double alone[GROUP_WANTS];
    tfc_top top_alone[GROUP_WANTS][GROUP_TOP];
} grouped;

/* Ragged lengths, the short ones more often; two of three begin like an earlier one. */
static void grouped_make(grouped *all, int64_t V)
{
    tfc_random random = tfc_random_stream(2024, 0, 0, 0);
    for (int i = 0; i < GROUP_SEQUENCES; i++) {
        grouped *g = &all[i];
        uint64_t most = GROUP_LONGEST - GROUP_SHORTEST + 1;
        g->n = GROUP_SHORTEST + (int64_t)tfc_random_below(&random, 1 + tfc_random_below(&random, most));
        if (i < 2) g->n = i ? GROUP_LONGEST : GROUP_SHORTEST;
        for (int t = 0; t < GROUP_LONGEST; t++) g->ids[t] = (int32_t)tfc_random_below(&random, (uint64_t)V);
        if (i % 3)
            memcpy(g->ids, all[tfc_random_below(&random, (uint64_t)i)].ids,
                   tfc_random_below(&random, (uint64_t)g->n) * sizeof(int32_t));
        g->n_wants = 1 + (int64_t)tfc_random_below(&random, GROUP_WANTS);
        for (int j = 0; j < 4; j++) g->set[j] = (int32_t)(tfc_random_below(&random, (uint64_t)V / 4) * 4) + j;
        for (int64_t w = 0; w < g->n_wants; w++)
            g->wants[w] = (tfc_want){.kind = (tfc_want_kind)(w % 3),
                                     .position = g->n - (int64_t)tfc_random_below(&random, 5),
                                     .token = g->ids[0],
                                     .set = g->set,
                                     .n_set = 4,
                                     .k = GROUP_TOP};
    }
}

static void grouped_request(grouped *g, tfc_score_request *request)
{
    for (int64_t w = 0; w < g->n_wants; w++) g->wants[w].lp = 1, g->wants[w].top = g->top[w];
    memset(g->top, 0, sizeof g->top);
    *request = (tfc_score_request){g->ids, g->n, g->wants, g->n_wants};
}

static void grouped_score(tfc_session *session, grouped *all, const int *order, int n)
{
    static tfc_score_request requests[GROUP_SEQUENCES];
    tfc_error err;
    tfc_error_init(&err);
    for (int i = 0; i < n; i++) grouped_request(&all[order[i]], &requests[i]);
    if (tfc_score(session, requests, n, &err) != TFC_OK) fail_msg("%s", err.message);
}

static tfc_session *grouped_session(tfc_model *model, int n_threads, int64_t batch_tokens, size_t kv_bytes)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_session_params params = {n_threads, batch_tokens, kv_bytes};
    tfc_session *session = tfc_session_create(model, &params, &err);
    if (!session) fail_msg("%s", err.message);
    return session;
}

static void grouped_compare(const grouped *all, int grouping)
{
    for (int i = 0; i < GROUP_SEQUENCES; i++)
        for (int64_t w = 0; w < all[i].n_wants; w++) {
            const tfc_want *want = &all[i].wants[w];
            if (memcmp(&want->lp, &all[i].alone[w], sizeof want->lp) != 0)
                fail_msg("grouping %d, sequence %d, want %d: %.17g is not %.17g", grouping, i, (int)w,
                         want->lp, all[i].alone[w]);
            if (want->kind == TFC_WANT_TOP &&
                memcmp(all[i].top[w], all[i].top_alone[w], sizeof all[i].top[w]) != 0)
                fail_msg("grouping %d, sequence %d, want %d: other tokens are the top ones", grouping, i,
                         (int)w);
        }
}

static void grouped_alone(tfc_model *model, grouped *all, size_t block_bytes)
{
    for (int i = 0; i < GROUP_SEQUENCES; i++) {
        /* Room for one sequence: nothing of the one before is of use. */
        tfc_session *session = grouped_session(model, 1, 512, 10 * block_bytes);
        grouped_score(session, all, &i, 1);
        tfc_session_free(session);
        for (int64_t w = 0; w < all[i].n_wants; w++) all[i].alone[w] = all[i].wants[w].lp;
        memcpy(all[i].top_alone, all[i].top, sizeof all[i].top);
    }
}

/* n groupings; the session is a new one every `lives` groupings. */
static void check_groupings(tfc_model *model, int n, int lives)
{
    const tfc_hparams *hp = &model->hparams;
    size_t block_bytes = (size_t)(hp->L * hp->NKV * hp->HD) * 2 * 32 * sizeof(float);
    grouped *all = tfc_alloc_zero(GROUP_SEQUENCES, sizeof *all);
    grouped_make(all, hp->V);
    grouped_alone(model, all, block_bytes);
    tfc_random random = tfc_random_stream(1, 1, 1, 1);
    tfc_session *session = NULL;
    int order[GROUP_SEQUENCES];
    for (int i = 0; i < GROUP_SEQUENCES; i++) order[i] = i;
    for (int grouping = 0; grouping < n; grouping++) {
        if (grouping % lives == 0) {
            tfc_session_free(session);
            size_t n_blocks = 10 + (size_t)tfc_random_below(&random, grouping / lives % 4 ? 20 : 300);
            session = grouped_session(model, 1 + grouping / lives % 2,
                                      1 + (int64_t)tfc_random_below(&random, 1500), n_blocks * block_bytes);
        }
        for (int i = GROUP_SEQUENCES - 1; i > 0; i--) {
            int j = (int)tfc_random_below(&random, (uint64_t)i + 1), kept = order[i];
            order[i] = order[j];
            order[j] = kept;
        }
        uint64_t largest = 1 + tfc_random_below(&random, GROUP_SEQUENCES);
        for (int done = 0; done < GROUP_SEQUENCES;) {
            int size = 1 + (int)tfc_random_below(&random, largest);
            if (size > GROUP_SEQUENCES - done) size = GROUP_SEQUENCES - done;
            grouped_score(session, all, order + done, size);
            done += size;
        }
        grouped_compare(all, grouping);
    }
    tfc_session_free(session);
    tfc_free(all);
    printf("%d groupings of %d sequences\n", n, GROUP_SEQUENCES);
}

/* TFC_GROUPINGS, else n. */
static int groupings_wanted(int n)
{
    const char *wanted = getenv("TFC_GROUPINGS");
    return wanted && atoi(wanted) > 0 ? atoi(wanted) : n;
}

#endif
