/* The life of a process after its start: input, output, deadline, end. */
#include "tools/process.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/sandbox.h"

enum { REAP_MS = 2000, READ_BYTES = 65536 };

ssize_t tfc_pipe_write(int fd, const void *bytes, size_t n)
{
    sigset_t pipe_set, before, pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
    ssize_t written = write(fd, bytes, n);
    int saved = errno;
    if (written < 0 && saved == EPIPE && !was_pending) {
        const struct timespec none = {0, 0};
        while (sigtimedwait(&pipe_set, NULL, &none) < 0 && errno == EINTR) continue;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return written;
}

static void close_end(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path), 0;
}

/* Its status as by waitpid; -1 when it is not known. */
static int kill_and_wait(const tfc_process *process)
{
    int status = -1;
    /* The leader is not reaped yet, so the group's number is still its own. */
    kill(-process->pid, SIGKILL);
    kill(process->pid, SIGKILL);
    struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};
    int64_t until = tfc_monotonic_ns() + (int64_t)REAP_MS * 1000000;
    while (poll(&ended, 1, tfc_milliseconds_until(until)) < 0 && errno == EINTR) continue;
    return waitpid(process->pid, &status, WNOHANG) == process->pid ? status : -1;
}

void tfc_process_end(tfc_process *process, int *wait_status)
{
    if (wait_status) *wait_status = -1;
    if (process->pid > 0) {
        int status = kill_and_wait(process);
        if (wait_status) *wait_status = status;
    }
    close_end(&process->in);
    close_end(&process->out);
    close_end(&process->err);
    close_end(&process->pidfd);
    if (process->scratch) nftw(process->scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    tfc_free(process->scratch);
    *process = (tfc_process){.in = -1, .out = -1, .err = -1, .pidfd = -1};
}

void tfc_process_describe(int wait_status, char *out, size_t n)
{
    if (wait_status == -1)
        snprintf(out, n, "ended");
    else if (WIFSIGNALED(wait_status))
        snprintf(out, n, "was killed by signal %d (%s)", WTERMSIG(wait_status),
                 strsignal(WTERMSIG(wait_status)));
    else
        snprintf(out, n, "exited with status %d", WEXITSTATUS(wait_status));
}

void tfc_last_words_add(tfc_last_words *words, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool ends = bytes[i] == '\n';
        char c = (unsigned char)bytes[i] < ' ' ? ' ' : bytes[i];
        if (ends) {
            words->first_ended = words->first_ended || words->n_first > 0;
            words->last_ended = true;
            continue;
        }
        if (!words->first_ended && words->n_first < sizeof words->first - 1)
            words->first[words->n_first++] = c;
        if (words->last_ended) {
            memset(words->last, 0, sizeof words->last);
            words->n_last = 0;
        }
        words->last_ended = false;
        if (words->n_last < sizeof words->last - 1) words->last[words->n_last++] = c;
    }
}

/* What one run stands on. */
typedef struct run {
    tfc_process process;
    tfc_process_output *output;
    const char *input;
    size_t n_input, written;
    char *chunk; /* [READ_BYTES] */
} run;

static void feed(run *self)
{
    ssize_t n = tfc_pipe_write(self->process.in, self->input + self->written, self->n_input - self->written);
    if (n > 0) self->written += (size_t)n;
    bool broken = n < 0 && errno != EAGAIN && errno != EINTR;
    if (broken || self->written == self->n_input) close_end(&self->process.in);
}

/* One read; false when the cap is passed. */
static bool take_out(run *self)
{
    ssize_t n = read(self->process.out, self->chunk, READ_BYTES);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) close_end(&self->process.out);
    return n <= 0 || tfc_buffer_append(&self->output->out, self->chunk, (size_t)n);
}

/* One read; false when there was nothing. */
static bool take_errors(run *self)
{
    ssize_t n = read(self->process.err, self->chunk, READ_BYTES);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) close_end(&self->process.err);
    if (n > 0) tfc_last_words_add(&self->output->errors, self->chunk, (size_t)n);
    return n > 0;
}

/* Everything that is still in the pipes of an ended process, up to the caps: a pipe holds 64 KiB to 1 MiB,
 * and nobody is left to write more. */
static bool drain(run *self)
{
    bool within = true;
    for (int i = 0; i < 64 && within && self->process.out >= 0; i++) {
        size_t before = self->output->out.n;
        within = take_out(self);
        if (self->output->out.n == before) break;
    }
    for (int i = 0; i < 16 && self->process.err >= 0 && take_errors(self); i++) continue;
    return within;
}

static tfc_status run_loop(run *self, size_t out_max, int64_t deadline_ns, tfc_error *err)
{
    tfc_process *p = &self->process;
    for (;;) {
        struct pollfd fds[] = {
            {p->in, POLLOUT, 0}, {p->out, POLLIN, 0}, {p->err, POLLIN, 0}, {p->pidfd, POLLIN, 0}};
        int n = poll(fds, 4, tfc_milliseconds_until(deadline_ns));
        if (n < 0 && errno != EINTR) return tfc_fail_errno(err, "cannot wait for the program");
        if (n < 0) continue;
        bool within = true;
        if (fds[3].revents) within = drain(self);
        if (fds[3].revents && within) return TFC_OK;
        if (fds[0].revents) feed(self);
        if (fds[1].revents && within) within = take_out(self);
        if (fds[2].revents) take_errors(self);
        if (!within)
            return tfc_fail(err, TFC_ELIMIT, "the program wrote more than %zu bytes and was killed", out_max);
        if (tfc_monotonic_ns() >= deadline_ns)
            return tfc_fail(err, TFC_ETIMEOUT, "the program was killed at its deadline");
    }
}

tfc_status tfc_process_run(const tfc_launcher *launcher, char *const *argv, const char *input, size_t n_input,
                           size_t out_max, int64_t deadline_ns, tfc_process_output *output, tfc_error *err)
{
    run self = {.output = output, .input = input, .n_input = n_input};
    tfc_buffer_init(&output->out, out_max);
    output->errors = (tfc_last_words){0};
    output->wait_status = -1;
    self.chunk = tfc_alloc(READ_BYTES, 1);
    if (!self.chunk) return tfc_fail_memory(err, "a tool's output");
    tfc_status status = tfc_process_start(&self.process, launcher, argv, err);
    if (status == TFC_OK) {
        if (n_input == 0) close_end(&self.process.in);
        status = run_loop(&self, out_max, deadline_ns, err);
        tfc_process_end(&self.process, &output->wait_status);
    }
    tfc_free(self.chunk);
    return status;
}
