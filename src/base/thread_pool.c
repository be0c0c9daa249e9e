/* A loop is published by one number, the ticket: how many loops there were, and how many tasks of the last
 * one nobody has taken yet. Whoever takes a task counts it down, so that a taken task belongs to the loop of
 * that moment, and the loop stays until the task is done. A worker that slept through a loop is therefore not
 * waited for: when other programs want the cores, a loop ends as soon as those who work on it are done.
 *
 * Everyone who waits spins briefly first, because the engine starts several hundred loops of some 20
 * microseconds for one forward pass, and then sleeps: who spins for long takes the core from whom it waits
 * for. */
#include "base/thread_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

/* Spinning ends after SPIN_NS; the clock is looked at every SPINS_A_LOOK rounds. */
enum { SPIN_NS = 100000, SPINS_A_LOOK = 64 };

struct tfc_pool {
    int n_threads, n_started;
    pthread_t *threads;
    pthread_mutex_t mutex;
    pthread_cond_t wake, finished;
    _Atomic uint64_t ticket; /* loops so far << 32 | tasks not taken */
    _Atomic int64_t n_left;  /* tasks not done */
    _Atomic bool caller_sleeps, quit;
    _Atomic int n_asleep;
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

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A short wait that is over when it took SPIN_NS. */
typedef struct spin {
    int64_t n, until;
} spin;

static bool spin_on(spin *s)
{
    spin_pause();
    if (++s->n % SPINS_A_LOOK != 0) return true;
    int64_t now = now_ns();
    if (s->until == 0) s->until = now + SPIN_NS;
    return now < s->until;
}

static void finish_task(tfc_pool *pool)
{
    if (atomic_fetch_sub(&pool->n_left, 1) > 1 || !atomic_load(&pool->caller_sleeps)) return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_signal(&pool->finished);
    pthread_mutex_unlock(&pool->mutex);
}

static void pool_work(tfc_pool *pool, int worker)
{
    uint64_t ticket = atomic_load(&pool->ticket);
    while ((uint32_t)ticket != 0) {
        if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket - 1)) continue;
        pool->task(pool->context, pool->n_tasks - (int64_t)(uint32_t)ticket, worker);
        finish_task(pool);
        ticket = atomic_load(&pool->ticket);
    }
}

/* Until there are tasks to take, or the end. */
static void wait_for_work(tfc_pool *pool)
{
    spin s = {0};
    do {
        if ((uint32_t)atomic_load(&pool->ticket) != 0 || atomic_load(&pool->quit)) return;
    } while (spin_on(&s));
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->n_asleep, 1);
    while ((uint32_t)atomic_load(&pool->ticket) == 0 && !atomic_load(&pool->quit))
        pthread_cond_wait(&pool->wake, &pool->mutex);
    atomic_fetch_sub(&pool->n_asleep, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void *pool_thread(void *argument)
{
    worker_start start = *(worker_start *)argument;
    tfc_free(argument);
    for (;;) {
        wait_for_work(start.pool);
        if (atomic_load(&start.pool->quit)) return NULL;
        pool_work(start.pool, start.index);
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
    pthread_cond_init(&pool->finished, NULL);
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
    pthread_cond_destroy(&pool->finished);
    pthread_mutex_destroy(&pool->mutex);
    tfc_free(pool->threads);
    tfc_free(pool);
}

int tfc_pool_n_threads(const tfc_pool *pool)
{
    return pool ? pool->n_threads : 1;
}

static void wait_for_tasks(tfc_pool *pool)
{
    spin s = {0};
    do {
        if (atomic_load(&pool->n_left) == 0) return;
    } while (spin_on(&s));
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_sleeps, true);
    while (atomic_load(&pool->n_left) > 0) pthread_cond_wait(&pool->finished, &pool->mutex);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->mutex);
}

static void wake_workers(tfc_pool *pool)
{
    if (atomic_load(&pool->n_asleep) == 0) return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

void tfc_pool_run(tfc_pool *pool, int64_t n_tasks, tfc_task *task, void *context)
{
    if (!pool || pool->n_started == 0 || n_tasks <= 1 || n_tasks > UINT32_MAX) {
        for (int64_t i = 0; i < n_tasks; i++) task(context, i, 0);
        return;
    }
    pool->task = task;
    pool->context = context;
    pool->n_tasks = n_tasks;
    atomic_store(&pool->n_left, n_tasks);
    uint64_t loops = (atomic_load(&pool->ticket) >> 32) + 1;
    atomic_store(&pool->ticket, loops << 32 | (uint64_t)n_tasks);
    wake_workers(pool);
    pool_work(pool, 0);
    wait_for_tasks(pool);
}
