/* A server behind its standard streams: one message a line. A thread of its own starts the process (which
 * dies with that thread), writes what is queued, reads what comes and wakes who waits for it; so pings are
 * answered and stderr is drained while nobody calls.
 *
 * Lines that do not begin with `{` are log lines of careless servers: some are let pass. A line that does and
 * is no message, one that is too long, or the end of the stream break the link: all that wait fail with that
 * reason. An answer to nobody (late, doubled, wrong id) is dropped. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/mcp_link.h"
#include "tools/result_text.h"

enum { QUEUE_BYTES_MAX = 16 << 20, NOISE_LINES_MAX = 100, END_MS = 500, READ_BYTES = 1 << 16 };

/* A request that waits for its answer; on the stack of who asked. */
typedef struct waiter {
    int64_t id;
    tfc_mcp_message *answer;
    bool done;
    pthread_cond_t wake;
    struct waiter *next;
} waiter;

typedef struct stdio_link {
    tfc_mcp_link link;
    const char *what;
    const tfc_launcher *launcher;
    char *const *argv;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t started_cond;
    bool started, start_failed, broken, closing;
    tfc_error why; /* of a failed start, or of the break */
    waiter *waiters;
    int64_t next_id, n_messages; /* messages that came */
    tfc_buffer queue;            /* bytes to write */
    size_t n_written;            /* of these */
    int n_noise;
    char noise[200];
    /* The thread's alone. */
    tfc_process process;
    int wake_fd;
    tfc_buffer line;
    tfc_last_words errors;
} stdio_link;

static void wake_thread(stdio_link *s)
{
    uint64_t one = 1;
    ssize_t n = write(s->wake_fd, &one, sizeof one);
    (void)n; /* a counter that is full wakes as well */
}

/* Under the mutex. The first reason stays. */
static void break_link(stdio_link *s)
{
    s->broken = true;
    for (waiter *w = s->waiters; w; w = w->next) pthread_cond_signal(&w->wake);
}

static void queue_line(stdio_link *s, tfc_buffer *line)
{
    if (s->n_written == s->queue.n) {
        tfc_buffer_clear(&s->queue);
        s->n_written = 0;
    } else if (s->n_written > QUEUE_BYTES_MAX / 4) {
        s->queue.n -= s->n_written;
        memmove(s->queue.data, s->queue.data + s->n_written, s->queue.n);
        s->n_written = 0;
    }
    tfc_buffer_putc(line, '\n');
    tfc_buffer_append(&s->queue, line->data, line->n);
}

/* A message came. Under the mutex. */
static void dispatch(stdio_link *s, tfc_mcp_message *message)
{
    s->n_messages++;
    s->n_noise = 0;
    if (message->kind == TFC_MCP_REQUEST) {
        tfc_buffer reply;
        tfc_buffer_init(&reply, 0);
        if (tfc_mcp_reply_write(message, &reply, NULL) == TFC_OK && s->queue.n < QUEUE_BYTES_MAX / 2)
            queue_line(s, &reply);
        tfc_buffer_release(&reply);
    }
    if (message->kind == TFC_MCP_RESPONSE)
        for (waiter **w = &s->waiters; *w; w = &(*w)->next) {
            if ((*w)->id != message->id) continue;
            waiter *found = *w;
            *w = found->next;
            *found->answer = *message;
            found->done = true;
            pthread_cond_signal(&found->wake);
            return;
        }
    tfc_mcp_message_release(message);
}

/* Under the mutex. */
static void take_line(stdio_link *s, const char *line, size_t n)
{
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ')) n--;
    while (n > 0 && (*line == ' ' || *line == '\t')) line++, n--;
    if (n == 0 || s->broken) return;
    tfc_mcp_message message;
    tfc_error err;
    tfc_error_init(&err);
    char excerpt[200];
    tfc_result_excerpt(line, n, excerpt);
    if (*line != '{') {
        memcpy(s->noise, excerpt, sizeof excerpt);
        if (++s->n_noise <= NOISE_LINES_MAX) return;
        tfc_fail(&s->why, TFC_EFORMAT, "%s speaks no JSON-RPC but '%s'", s->what, excerpt);
        break_link(s);
    } else if (tfc_mcp_message_read(line, n, &message, &err) != TFC_OK) {
        tfc_fail(&s->why, TFC_EFORMAT, "%s: %.200s: '%s'", s->what, err.message, excerpt);
        break_link(s);
    } else {
        dispatch(s, &message);
    }
}

/* Reads what is there. False: the stream has ended. */
static bool read_messages(stdio_link *s)
{
    char bytes[READ_BYTES];
    ssize_t n = read(s->process.out, bytes, sizeof bytes);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    pthread_mutex_lock(&s->mutex);
    for (const char *at = bytes, *end = bytes + n; at < end && !s->broken;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        if (!tfc_buffer_append(&s->line, at, length)) {
            tfc_fail(&s->why, TFC_ELIMIT, "%s: a message of more than %d bytes", s->what,
                     TFC_MCP_MESSAGE_BYTES_MAX);
            break_link(s);
        }
        at += length;
        if (!stop) break;
        at++;
        if (!s->broken && s->line.n > 0) take_line(s, s->line.data, s->line.n);
        tfc_buffer_clear(&s->line);
    }
    pthread_mutex_unlock(&s->mutex);
    return true;
}

/* False: stderr has ended. */
static bool read_errors(stdio_link *s)
{
    char bytes[4096];
    ssize_t n = read(s->process.err, bytes, sizeof bytes);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    tfc_last_words_add(&s->errors, bytes, (size_t)n);
    return n > 0;
}

static void write_queue(stdio_link *s)
{
    pthread_mutex_lock(&s->mutex);
    while (s->n_written < s->queue.n) {
        ssize_t n = tfc_pipe_write(s->process.in, s->queue.data + s->n_written, s->queue.n - s->n_written);
        if (n <= 0) break; /* full, or ended: the end of its stdout tells */
        s->n_written += (size_t)n;
    }
    pthread_mutex_unlock(&s->mutex);
}

/* One round of waiting and moving bytes. False: it is over. */
static bool serve_once(stdio_link *s)
{
    pthread_mutex_lock(&s->mutex);
    bool over = s->broken || s->closing, writes = s->n_written < s->queue.n;
    pthread_mutex_unlock(&s->mutex);
    if (over) return false;
    struct pollfd fds[] = {{.fd = s->wake_fd, .events = POLLIN},
                           {.fd = s->process.out, .events = POLLIN},
                           {.fd = s->process.err, .events = POLLIN},
                           {.fd = writes ? s->process.in : -1, .events = POLLOUT}};
    if (poll(fds, sizeof fds / sizeof *fds, -1) < 0) return errno == EINTR;
    uint64_t count;
    if (fds[0].revents && read(s->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN) return false;
    if (fds[2].revents && !read_errors(s)) {
        close(s->process.err);
        s->process.err = -1;
    }
    if (fds[3].revents & POLLOUT) write_queue(s);
    if (fds[3].revents & (POLLERR | POLLHUP) && !(fds[1].revents)) return false;
    return !fds[1].revents || read_messages(s);
}

/* Ends the process: by the end of its stdin, then by force; says what became of it. */
static void end_process(stdio_link *s, bool gently)
{
    if (gently && s->process.in >= 0) {
        close(s->process.in);
        s->process.in = -1;
        struct pollfd ended = {.fd = s->process.pidfd, .events = POLLIN};
        if (s->process.pidfd >= 0) poll(&ended, 1, END_MS);
    }
    errno = 0;
    for (int i = 0; i < 100 && s->process.err >= 0 && read_errors(s) && errno == 0; i++) continue;
    int wait_status;
    char how[80];
    struct pollfd ended = {.fd = s->process.pidfd, .events = POLLIN};
    if (!gently && s->process.pidfd >= 0)
        poll(&ended, 1, END_MS / 5); /* so that its own exit status is seen */
    tfc_process_end(&s->process, &wait_status);
    tfc_process_describe(wait_status, how, sizeof how);
    pthread_mutex_lock(&s->mutex);
    if (s->why.status == TFC_OK)
        tfc_fail(&s->why, TFC_EIO, "%s %s%s%s", s->what, how, s->errors.n_last ? "; its last words: " : "",
                 s->errors.last);
    break_link(s);
    pthread_mutex_unlock(&s->mutex);
}

static void *serve(void *context)
{
    stdio_link *s = context;
    tfc_error err;
    tfc_error_init(&err);
    tfc_status status = tfc_process_start(&s->process, s->launcher, s->argv, &err);
    pthread_mutex_lock(&s->mutex);
    s->started = true;
    if (status != TFC_OK) {
        s->why = err;
        s->broken = s->start_failed = true;
    }
    pthread_cond_broadcast(&s->started_cond);
    pthread_mutex_unlock(&s->mutex);
    if (status != TFC_OK) return NULL;
    while (serve_once(s)) continue;
    pthread_mutex_lock(&s->mutex);
    bool gently = s->closing;
    pthread_mutex_unlock(&s->mutex);
    end_process(s, gently);
    return NULL;
}

/* Queues a line for the server. Under the mutex. */
static tfc_status queue_request(stdio_link *s, const tfc_mcp_request *request, int64_t id, tfc_error *err)
{
    tfc_buffer line;
    tfc_buffer_init(&line, TFC_MCP_MESSAGE_BYTES_MAX);
    tfc_status status = tfc_mcp_request_write(request, id, &line, err);
    if (status == TFC_OK && s->queue.n - s->n_written + line.n > QUEUE_BYTES_MAX / 2)
        status = tfc_fail(err, TFC_EIO, "%s does not read what it is sent", s->what);
    if (status == TFC_OK) queue_line(s, &line);
    if (status == TFC_OK) status = tfc_buffer_ok(&s->queue, "requests", err);
    tfc_buffer_release(&line);
    if (status == TFC_OK) wake_thread(s);
    return status;
}

/* Its deadline passed. The server is told; one that has been silent all the time is given up. */
static tfc_status give_up(stdio_link *s, waiter *w, const tfc_mcp_request *request, int64_t n_before,
                          tfc_error *err)
{
    for (waiter **other = &s->waiters; *other; other = &(*other)->next)
        if (*other == w) {
            *other = w->next;
            break;
        }
    tfc_json *params = json_object_new_object();
    if (params && json_object_object_add(params, "requestId", json_object_new_int64(w->id)) == 0) {
        const tfc_mcp_request cancel = {
            .method = "notifications/cancelled", .params = params, .version = request->version};
        if (strcmp(request->method, "initialize") != 0) queue_request(s, &cancel, -1, NULL);
    }
    json_object_put(params);
    tfc_fail(err, TFC_ETIMEOUT, "%s: no answer before the deadline%s%s", s->what,
             s->n_noise ? "; it wrote what is no JSON-RPC: " : "", s->n_noise ? s->noise : "");
    if (!request->probing && !s->waiters && s->n_messages == n_before) {
        if (s->why.status == TFC_OK) tfc_fail(&s->why, TFC_EIO, "%s did not answer and was ended", s->what);
        break_link(s);
        wake_thread(s);
    }
    return TFC_ETIMEOUT;
}

static tfc_status stdio_exchange(tfc_mcp_link *link, const tfc_mcp_request *request, int64_t deadline_ns,
                                 tfc_mcp_message *answer, long *http_code, tfc_error *err)
{
    stdio_link *s = (stdio_link *)link;
    const struct timespec until = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    waiter w = {.answer = answer, .wake = PTHREAD_COND_INITIALIZER};
    *http_code = 0;
    pthread_mutex_lock(&s->mutex);
    tfc_status status = s->broken ? TFC_EIO : TFC_OK;
    int64_t n_before = s->n_messages;
    w.id = s->next_id++;
    if (status == TFC_OK) status = queue_request(s, request, w.id, err);
    if (status == TFC_OK) {
        w.next = s->waiters;
        s->waiters = &w;
        int code = 0;
        while (!w.done && !s->broken && code != ETIMEDOUT)
            code = deadline_ns ? pthread_cond_clockwait(&w.wake, &s->mutex, CLOCK_MONOTONIC, &until)
                               : pthread_cond_wait(&w.wake, &s->mutex);
        if (!w.done && !s->broken) status = give_up(s, &w, request, n_before, err);
    }
    if (!w.done && s->broken && status != TFC_ETIMEOUT) {
        for (waiter **other = &s->waiters; *other; other = &(*other)->next)
            if (*other == &w) {
                *other = w.next;
                break;
            }
        status = tfc_fail(err, s->why.status == TFC_OK ? TFC_EIO : s->why.status, "%s",
                          s->why.status == TFC_OK ? "the server ended" : s->why.message);
    }
    pthread_mutex_unlock(&s->mutex);
    pthread_cond_destroy(&w.wake);
    return status;
}

static tfc_status stdio_notify(tfc_mcp_link *link, const tfc_mcp_request *request, int64_t deadline_ns,
                               tfc_error *err)
{
    stdio_link *s = (stdio_link *)link;
    (void)deadline_ns;
    pthread_mutex_lock(&s->mutex);
    tfc_status status = queue_request(s, request, -1, err);
    pthread_mutex_unlock(&s->mutex);
    return status;
}

static bool stdio_broken(tfc_mcp_link *link)
{
    stdio_link *s = (stdio_link *)link;
    pthread_mutex_lock(&s->mutex);
    bool broken = s->broken;
    pthread_mutex_unlock(&s->mutex);
    return broken;
}

static void stdio_free(tfc_mcp_link *link)
{
    stdio_link *s = (stdio_link *)link;
    pthread_mutex_lock(&s->mutex);
    s->closing = true;
    pthread_mutex_unlock(&s->mutex);
    wake_thread(s);
    pthread_join(s->thread, NULL);
    close(s->wake_fd);
    tfc_buffer_release(&s->queue);
    tfc_buffer_release(&s->line);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->started_cond);
    tfc_free(s);
}

static const tfc_mcp_link_type stdio_type = {
    .exchange = stdio_exchange, .notify = stdio_notify, .broken = stdio_broken, .free = stdio_free};

/* A thread that takes no signals: those are the program's. */
static int start_thread(stdio_link *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&s->thread, NULL, serve, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

tfc_mcp_link *tfc_mcp_stdio_create(const char *what, const tfc_launcher *launcher, char *const *argv,
                                   tfc_error *err)
{
    stdio_link *s = tfc_alloc_zero(1, sizeof *s);
    if (!s) return tfc_fail_memory(err, "MCP server"), NULL;
    *s = (stdio_link){.link = {&stdio_type}, .what = what, .launcher = launcher, .argv = argv, .next_id = 1};
    tfc_error_init(&s->why);
    s->process.in = s->process.out = s->process.err = s->process.pidfd = -1;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->started_cond, NULL);
    tfc_buffer_init(&s->queue, QUEUE_BYTES_MAX);
    tfc_buffer_init(&s->line, TFC_MCP_MESSAGE_BYTES_MAX);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int code = s->wake_fd < 0 ? errno : start_thread(s);
    if (code) {
        errno = code;
        tfc_fail_errno(err, "%s: no thread for it", what);
        if (s->wake_fd >= 0) close(s->wake_fd);
        tfc_free(s);
        return NULL;
    }
    pthread_mutex_lock(&s->mutex);
    while (!s->started) pthread_cond_wait(&s->started_cond, &s->mutex);
    bool failed = s->start_failed;
    if (failed && err) *err = s->why;
    pthread_mutex_unlock(&s->mutex);
    if (!failed) return &s->link;
    stdio_free(&s->link);
    return NULL;
}
