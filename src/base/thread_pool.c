/* A loop is published by a generation number; workers spin briefly before they sleep, because the engine
 * starts several hundred short loops for one forward pass. */
#include "base/thread_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/memory.h"

enum { SPINS = 4000 };

struct tfc_pool {
    int n_threads, n_started;
    pthread_t *threads;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    _Atomic uint64_t generation;
    _Atomic int64_t next;
    _Atomic int n_active;
    _Atomic bool quit;
    int n_asleep;
    tfc_task *task;
    void *context;
    int64_t n_tasks;
};

typedef struct worker_start {
    tfc_pool *pool;
    int index;
} worker_start;

static inline void spin_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void pool_work(tfc_pool *pool, int worker)
{
    for (;;) {
        int64_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (i >= pool->n_tasks) return;
        pool->task(pool->context, i, worker);
    }
}

static uint64_t pool_wait(tfc_pool *pool, uint64_t seen)
{
    for (int i = 0; i < SPINS; i++) {
        uint64_t now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (now != seen || atomic_load_explicit(&pool->quit, memory_order_relaxed)) return now;
        spin_pause();
    }
    pthread_mutex_lock(&pool->mutex);
    pool->n_asleep++;
    while (atomic_load(&pool->generation) == seen && !atomic_load(&pool->quit))
        pthread_cond_wait(&pool->wake, &pool->mutex);
    pool->n_asleep--;
    pthread_mutex_unlock(&pool->mutex);
    return atomic_load(&pool->generation);
}

static void *pool_thread(void *argument)
{
    worker_start start = *(worker_start *)argument;
    tfc_free(argument);
    tfc_pool *pool = start.pool;
    uint64_t seen = 0;
    for (;;) {
        seen = pool_wait(pool, seen);
        if (atomic_load(&pool->quit)) return NULL;
        pool_work(pool, start.index);
        atomic_fetch_sub_explicit(&pool->n_active, 1, memory_order_release);
    }
}

tfc_pool *tfc_pool_create(int n_threads, tfc_error *err)
{
    if (n_threads == 0) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        n_threads = n < 1 ? 1 : n > 256 ? 256 : (int)n;
    }
    if (n_threads < 1 || n_threads > 1024) {
        tfc_fail(err, TFC_EINVAL, "number of threads must be 0 (all cores) to 1024, not %d", n_threads);
        return NULL;
    }
    tfc_pool *pool = tfc_alloc_zero(1, sizeof *pool);
    if (pool) pool->threads = tfc_alloc_zero((size_t)n_threads, sizeof *pool->threads);
    if (!pool || !pool->threads) {
        tfc_free(pool);
        tfc_fail_memory(err, "thread pool");
        return NULL;
    }
    pool->n_threads = n_threads;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (int i = 1; i < n_threads; i++) {
        worker_start *start = tfc_alloc(1, sizeof *start);
        if (start) *start = (worker_start){pool, i};
        if (!start || pthread_create(&pool->threads[i], NULL, pool_thread, start) != 0) {
            tfc_free(start);
            tfc_pool_free(pool);
            tfc_fail(err, TFC_ENOMEM, "cannot start thread %d of %d", i + 1, n_threads);
            return NULL;
        }
        pool->n_started = i;
    }
    return pool;
}

void tfc_pool_free(tfc_pool *pool)
{
    if (!pool) return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->quit, true);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 1; i <= pool->n_started; i++) pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    tfc_free(pool->threads);
    tfc_free(pool);
}

int tfc_pool_n_threads(const tfc_pool *pool)
{
    return pool ? pool->n_threads : 1;
}

void tfc_pool_run(tfc_pool *pool, int64_t n_tasks, tfc_task *task, void *context)
{
    if (!pool || pool->n_started == 0 || n_tasks <= 1) {
        for (int64_t i = 0; i < n_tasks; i++) task(context, i, 0);
        return;
    }
    pool->task = task;
    pool->context = context;
    pool->n_tasks = n_tasks;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->n_active, pool->n_started, memory_order_relaxed);
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    if (pool->n_asleep) pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    pool_work(pool, 0);
    /* Short loops end together: spin, then let others run (more threads than cores). */
    for (int spins = 0; atomic_load_explicit(&pool->n_active, memory_order_acquire) > 0; spins++) {
        if (spins < SPINS)
            spin_pause();
        else
            usleep(20);
    }
}
