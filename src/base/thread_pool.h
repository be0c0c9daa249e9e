/* base/thread_pool.h: N threads that share one loop. The caller is one of them. */
#ifndef TFC_BASE_THREAD_POOL_H
#define TFC_BASE_THREAD_POOL_H

#include "base/status.h"

typedef struct tfc_pool tfc_pool;

/* n_threads ≥ 1 counts the caller; 0 means as many as there are cores. */
tfc_pool *tfc_pool_create(int n_threads, tfc_error *err);
void tfc_pool_free(tfc_pool *pool);
int tfc_pool_n_threads(const tfc_pool *pool); /* NULL: 1 */

/* Calls task(context, i, worker) for i in 0 … n_tasks-1, in any order, each once; returns when all are done.
 * worker is 0 … n_threads-1, for scratch memory. One loop at a time; a task may not start another. pool NULL
 * runs everything here. What a task computes may not depend on `worker`. */
typedef void tfc_task(void *context, int64_t i, int worker);
void tfc_pool_run(tfc_pool *pool, int64_t n_tasks, tfc_task *task, void *context);

#endif
