/* One thread owns the processes and does all reading and writing; a caller leaves its call in the queue and
 * sleeps until it is settled. So the state of a process needs no lock, and a process is the child of a thread
 * that lasts as long as it may. */
#include "tools/line_pool.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/answer.h"

enum { PROCESSES_MAX = 64, READ_BYTES = 65536, HOW_BYTES = 400, IDLE_MS = 600000, GRACE_MS = 100 };

typedef struct worker worker;

typedef struct line_call {
    struct line_call *next;
    const char *body;
    int64_t id, deadline_ns;
    int attempts;
    worker *at; /* the process that holds it, or NULL: it waits */
    bool settled;
    tfc_status status;
    char *result;
    tfc_error error;
    pthread_cond_t done;
} line_call;

struct worker {
    tfc_process process;
    int n_calls;
    bool alone;       /* its one call is sent for the second time */
    int64_t answered; /* since its start */
    tfc_buffer out;   /* requests not yet written */
    size_t written;   /* bytes of `out` */
    tfc_buffer in;    /* an unfinished line */
    tfc_last_words errors;
};

struct tfc_line_pool {
    const tfc_launcher *launcher;
    char *const *argv;
    tfc_line_pool_params params;
    pthread_t thread;
    bool started;
    int wake; /* eventfd */
    pthread_mutex_t lock;
    line_call *queue, **tail; /* under the lock */
    bool stopping;            /* under the lock */
    /* the thread's own */
    line_call *calls; /* in the order of arrival */
    int64_t next_id;
    char *chunk; /* [READ_BYTES] */
    worker workers[PROCESSES_MAX];
};

static void settle(tfc_line_pool *pool, line_call *call, tfc_status status)
{
    if (call->at) call->at->n_calls--;
    if (call->at) call->at->alone = false;
    for (line_call **link = &pool->calls; *link; link = &(*link)->next) {
        if (*link != call) continue;
        *link = call->next;
        break;
    }
    pthread_mutex_lock(&pool->lock);
    call->status = status;
    call->settled = true;
    pthread_cond_signal(&call->done);
    pthread_mutex_unlock(&pool->lock);
}

/* Ends a process and says how it went: "exited with status 1: its last words". One that closed its ends is
 * given a moment to end by itself, so that its own status is told and not that of being killed. */
static void end_process(worker *w, bool by_itself, char *how, size_t n_how)
{
    struct pollfd ended = {w->process.pidfd, POLLIN, 0};
    int status;
    char end[80] = "closed its input or output and was killed";
    bool over = poll(&ended, 1, by_itself ? GRACE_MS : 0) == 1;
    tfc_process_end(&w->process, &status);
    if (over) tfc_process_describe(status, end, sizeof end);
    snprintf(how, n_how, "%s%s%s", end, *w->errors.last ? ": " : "", w->errors.last);
    tfc_buffer_release(&w->out);
    tfc_buffer_release(&w->in);
    w->answered = 0;
    w->written = 0;
    w->errors = (tfc_last_words){0};
}

/* The process is of no more use. reason: "was killed because …"; NULL: it ended by itself. Its calls fail, or
 * are sent once more where another one can be to blame: one that shared the process, or that it answered
 * before and goes on about. */
static void give_up(tfc_line_pool *pool, worker *w, const char *reason)
{
    char how[HOW_BYTES];
    bool innocent = w->n_calls > 1 || w->answered > 0;
    end_process(w, !reason, how, sizeof how);
    for (line_call *call = pool->calls, *next; call; call = next) {
        next = call->next;
        if (call->at != w) continue;
        if (innocent && call->attempts == 1) {
            call->at = NULL;
            continue;
        }
        settle(pool, call, tfc_fail(&call->error, TFC_EIO, "the program %s", reason ? reason : how));
    }
    w->n_calls = 0;
    w->alone = false;
}

static void take_answer(tfc_line_pool *pool, worker *w, const char *line, size_t n, char *reason,
                        size_t n_reason)
{
    tfc_answer answer;
    tfc_error error;
    tfc_error_init(&error);
    if (tfc_answer_parse(line, n, &answer, &error) != TFC_OK) {
        snprintf(reason, n_reason, "was killed for its answer: %s", error.message);
        return;
    }
    line_call *call = pool->calls;
    while (call && (call->at != w || call->id != answer.id)) call = call->next;
    if (!call) {
        snprintf(reason, n_reason, "was killed because it answered the request %lld, which it does not hold",
                 (long long)answer.id);
        tfc_free(answer.text);
        return;
    }
    w->answered++;
    if (answer.kind == TFC_ANSWER_RESULT && *answer.text) {
        call->result = answer.text;
        settle(pool, call, TFC_OK);
        return;
    }
    tfc_status status = answer.kind == TFC_ANSWER_FAILURE ? TFC_EIO : TFC_ENORESULT;
    tfc_fail(&call->error, status, "%s", *answer.text ? answer.text : "the program gave an empty answer");
    tfc_free(answer.text);
    settle(pool, call, status);
}

/* The lines that `in` holds whole. */
static void take_lines(tfc_line_pool *pool, worker *w, char *reason, size_t n_reason)
{
    size_t at = 0;
    while (at < w->in.n && !*reason) {
        const char *line = w->in.data + at, *end = memchr(line, '\n', w->in.n - at);
        if (!end) break;
        at += (size_t)(end - line) + 1;
        const char *text = line;
        size_t n = (size_t)(end - line);
        tfc_text_trim(&text, &n);
        if (n > 0) take_answer(pool, w, text, n, reason, n_reason);
    }
    if (*reason || at == 0) return;
    memmove(w->in.data, w->in.data + at, w->in.n - at);
    w->in.n -= at;
}

/* One read of its standard output. */
static void read_answers(tfc_line_pool *pool, worker *w)
{
    char reason[400] = "";
    ssize_t n = read(w->process.out, pool->chunk, READ_BYTES);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        give_up(pool, w, w->in.n > 0 ? "ended in the middle of a line" : NULL);
        return;
    }
    if (!tfc_buffer_append(&w->in, pool->chunk, (size_t)n)) {
        snprintf(reason, sizeof reason, "was killed because it wrote a line of more than %zu bytes",
                 pool->params.line_max);
    } else {
        take_lines(pool, w, reason, sizeof reason);
        if (!*reason && w->in.n > pool->params.line_max)
            snprintf(reason, sizeof reason, "was killed because it wrote a line of more than %zu bytes",
                     pool->params.line_max);
    }
    if (*reason) give_up(pool, w, reason);
}

static void read_errors(tfc_line_pool *pool, worker *w)
{
    ssize_t n = read(w->process.err, pool->chunk, READ_BYTES);
    if (n > 0) tfc_last_words_add(&w->errors, pool->chunk, (size_t)n);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) return;
    if (w->process.err >= 0) close(w->process.err);
    w->process.err = -1;
}

static void write_requests(tfc_line_pool *pool, worker *w)
{
    ssize_t n = tfc_pipe_write(w->process.in, w->out.data + w->written, w->out.n - w->written);
    if (n > 0) w->written += (size_t)n;
    if (w->written == w->out.n) {
        tfc_buffer_clear(&w->out);
        w->written = 0;
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        read_errors(pool, w);
        give_up(pool, w, NULL);
    }
}

static void send_call(tfc_line_pool *pool, worker *w, line_call *call)
{
    call->id = pool->next_id++;
    call->attempts++;
    call->at = w;
    w->n_calls++;
    w->alone = call->attempts > 1;
    tfc_buffer_printf(&w->out, "{\"id\":%lld,", (long long)call->id);
    tfc_buffer_puts(&w->out, call->body);
    tfc_buffer_puts(&w->out, "}\n");
    if (w->out.failed) give_up(pool, w, "was killed because memory for a request was wanting");
}

/* A process that can take the call: a running one with room, else one that is started; NULL: none is free, or
 * (the call is settled) none can be started. */
static worker *find_worker(tfc_line_pool *pool, line_call *call)
{
    worker *best = NULL, *empty = NULL;
    int room = call->attempts ? 1 : pool->params.in_flight;
    for (int i = 0; i < pool->params.processes; i++) {
        worker *w = &pool->workers[i];
        if (w->process.pid <= 0)
            empty = empty ? empty : w;
        else if (!w->alone && w->n_calls < room && (!best || w->n_calls < best->n_calls))
            best = w;
    }
    if ((best && best->n_calls == 0) || !empty) return best;
    tfc_buffer_init(&empty->out, 0);
    tfc_buffer_init(&empty->in, pool->params.line_max + READ_BYTES);
    tfc_status status = tfc_process_start(&empty->process, pool->launcher, pool->argv, &call->error);
    if (status == TFC_OK) return empty;
    settle(pool, call, status);
    return NULL;
}

static void assign(tfc_line_pool *pool)
{
    for (line_call *call = pool->calls, *next; call; call = next) {
        next = call->next;
        if (call->at) continue;
        bool again = call->attempts > 0;
        worker *w = find_worker(pool, call);
        if (w) send_call(pool, w, call);
        /* It waits for a process of its own: those behind it would take the places that come free. */
        if (!w && again) break;
    }
}

/* Fails what has waited too long, and gives up the processes that let it wait. */
static void expire(tfc_line_pool *pool)
{
    int64_t now = tfc_monotonic_ns();
    for (line_call *call = pool->calls, *next; call; call = next) {
        next = call->next;
        if (call->deadline_ns > now) continue;
        worker *w = call->at;
        tfc_status status = tfc_fail(&call->error, TFC_ETIMEOUT,
                                     w ? "the program did not answer by the deadline and was killed"
                                       : "no process of the program was free before the deadline");
        settle(pool, call, status);
        if (!w) continue;
        w->n_calls++; /* the one that is settled counts: the others share the process with it */
        give_up(pool, w, "was killed because another call passed its deadline");
        next = pool->calls;
    }
}

static int64_t nearest_deadline(const tfc_line_pool *pool)
{
    int64_t nearest = tfc_monotonic_ns() + (int64_t)IDLE_MS * 1000000;
    for (const line_call *call = pool->calls; call; call = call->next)
        if (call->deadline_ns < nearest) nearest = call->deadline_ns;
    return nearest;
}

/* Takes over the queue; false when the pool is to end. */
static bool take_queue(tfc_line_pool *pool)
{
    line_call **end = &pool->calls;
    while (*end) end = &(*end)->next;
    pthread_mutex_lock(&pool->lock);
    *end = pool->queue;
    pool->queue = NULL;
    pool->tail = &pool->queue;
    bool go_on = !pool->stopping;
    pthread_mutex_unlock(&pool->lock);
    return go_on;
}

/* Sleeps until something can be done, and does it. */
static void serve(tfc_line_pool *pool)
{
    struct pollfd fds[1 + 3 * PROCESSES_MAX];
    worker *owners[PROCESSES_MAX];
    nfds_t n = 1;
    fds[0] = (struct pollfd){pool->wake, POLLIN, 0};
    for (int i = 0; i < pool->params.processes; i++) {
        worker *w = &pool->workers[i];
        if (w->process.pid <= 0) continue;
        owners[n / 3] = w;
        fds[n++] = (struct pollfd){w->written < w->out.n ? w->process.in : -1, POLLOUT, 0};
        fds[n++] = (struct pollfd){w->process.out, POLLIN, 0};
        fds[n++] = (struct pollfd){w->process.err, POLLIN, 0};
    }
    if (poll(fds, n, tfc_milliseconds_until(nearest_deadline(pool))) <= 0) return;
    uint64_t count;
    if (fds[0].revents && read(pool->wake, &count, sizeof count) < 0) return;
    for (nfds_t i = 1; i < n; i += 3) {
        worker *w = owners[i / 3];
        if (fds[i + 2].revents) read_errors(pool, w);
        if (fds[i + 1].revents) read_answers(pool, w);
        if (fds[i].revents && w->process.pid > 0) write_requests(pool, w);
    }
}

static void *pool_main(void *context)
{
    tfc_line_pool *pool = context;
    char how[HOW_BYTES];
    while (take_queue(pool)) {
        expire(pool);
        assign(pool);
        serve(pool);
    }
    for (int i = 0; i < pool->params.processes; i++)
        if (pool->workers[i].process.pid > 0) end_process(&pool->workers[i], false, how, sizeof how);
    return NULL;
}

tfc_status tfc_line_pool_create(const tfc_launcher *launcher, char *const *argv,
                                const tfc_line_pool_params *params, tfc_line_pool **out, tfc_error *err)
{
    tfc_line_pool *pool = tfc_alloc_zero(1, sizeof *pool);
    *out = NULL;
    if (!pool) return tfc_fail_memory(err, "processes");
    pool->launcher = launcher;
    pool->argv = argv;
    pool->params = *params;
    if (pool->params.processes > PROCESSES_MAX) pool->params.processes = PROCESSES_MAX;
    pool->tail = &pool->queue;
    pool->next_id = 1;
    pthread_mutex_init(&pool->lock, NULL);
    pool->chunk = tfc_alloc(READ_BYTES, 1);
    pool->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    tfc_status status = !pool->chunk     ? tfc_fail_memory(err, "processes")
                        : pool->wake < 0 ? tfc_fail_errno(err, "cannot make an event descriptor")
                                         : TFC_OK;
    if (status == TFC_OK) {
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int code = pthread_create(&pool->thread, NULL, pool_main, pool);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pool->started = code == 0;
        if (code) status = tfc_fail(err, TFC_ENOMEM, "cannot start a thread: %s", strerror(code));
    }
    if (status == TFC_OK)
        *out = pool;
    else
        tfc_line_pool_free(pool);
    return status;
}

static void wake(tfc_line_pool *pool)
{
    const uint64_t one = 1;
    /* It fails only where the counter is full, and then the thread is awake. */
    ssize_t n = write(pool->wake, &one, sizeof one);
    (void)n;
}

void tfc_line_pool_free(tfc_line_pool *pool)
{
    if (!pool) return;
    if (pool->started) {
        pthread_mutex_lock(&pool->lock);
        pool->stopping = true;
        pthread_mutex_unlock(&pool->lock);
        wake(pool);
        pthread_join(pool->thread, NULL);
    }
    if (pool->wake >= 0) close(pool->wake);
    pthread_mutex_destroy(&pool->lock);
    tfc_free(pool->chunk);
    tfc_free(pool);
}

tfc_status tfc_line_pool_call(tfc_line_pool *pool, const char *body, int64_t deadline_ns, char **result,
                              tfc_error *err)
{
    line_call call = {.body = body, .deadline_ns = deadline_ns};
    tfc_error_init(&call.error);
    pthread_cond_init(&call.done, NULL);
    pthread_mutex_lock(&pool->lock);
    *pool->tail = &call;
    pool->tail = &call.next;
    pthread_mutex_unlock(&pool->lock);
    wake(pool);
    pthread_mutex_lock(&pool->lock);
    while (!call.settled) pthread_cond_wait(&call.done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_destroy(&call.done);
    *result = call.result;
    if (call.status != TFC_OK) tfc_fail(err, call.status, "%s", call.error.message);
    return call.status;
}
