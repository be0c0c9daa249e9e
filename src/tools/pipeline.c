/* Persistent pipelines: spawn, ask, kill. */
#include "tools/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "tools/process.h"

/* Apertium reads and writes what the locale says; the message language is nobody's concern. */
static char *const environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};

static void close_end(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* One program between two descriptors, in the group of the first. */
static int spawn_stage(const char *path, char *const *words, int in, int out, pid_t group, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed) return failed;
    failed = posix_spawnattr_init(&attributes);
    if (!failed) {
        posix_spawnattr_setflags(&attributes,
                                 POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setpgroup(&attributes, group);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        failed = posix_spawn_file_actions_adddup2(&actions, in, 0);
        if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, out, 1);
        if (!failed) failed = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        if (!failed) failed = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
        if (!failed) failed = posix_spawn(pid, path, &actions, &attributes, words, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* A pipe whose ends are none of 0, 1, 2: spawn_stage puts others there, one after the other. */
static int open_pipe(int ends[2])
{
    int raw[2];
    if (pipe2(raw, O_CLOEXEC) != 0) return errno;
    for (int i = 0; i < 2; i++) {
        ends[i] = raw[i] > 2 ? raw[i] : fcntl(raw[i], F_DUPFD_CLOEXEC, 3);
        if (ends[i] != raw[i]) close(raw[i]);
    }
    if (ends[0] >= 0 && ends[1] >= 0) return 0;
    close_end(&ends[0]);
    close_end(&ends[1]);
    return EMFILE;
}

tfc_status tfc_pipeline_start(tfc_pipeline *pipeline, const tfc_mode *mode, const char *folder,
                              tfc_error *err)
{
    int ends[2] = {-1, -1}, next[2] = {-1, -1};
    *pipeline = (tfc_pipeline){.in = -1, .out = -1};
    int failed = open_pipe(ends);
    pipeline->in = ends[1];
    for (size_t i = 0; i < mode->n_stages && !failed; i++) {
        char *path = tfc_path_join(folder, mode->stages[i][0]);
        failed = path ? open_pipe(next) : ENOMEM;
        if (!failed)
            failed = spawn_stage(path, mode->stages[i], ends[0], next[1], i ? pipeline->pids[0] : 0,
                                 &pipeline->pids[i]);
        close_end(&ends[0]);
        close_end(&next[1]);
        ends[0] = next[0];
        if (failed) {
            tfc_fail(err, failed == ENOENT ? TFC_ENOTFOUND : TFC_EIO, "cannot start '%.200s': %s",
                     path ? path : mode->stages[i][0], strerror(failed));
        } else {
            pipeline->names[i] = mode->stages[i][0];
            pipeline->n_stages++;
        }
        tfc_free(path);
    }
    if (!failed && pipeline->n_stages > 0) {
        pipeline->out = ends[0];
        fcntl(pipeline->in, F_SETFL, O_NONBLOCK);
        fcntl(pipeline->out, F_SETFL, O_NONBLOCK);
        return TFC_OK;
    }
    close_end(&ends[0]);
    if (pipeline->n_stages == 0 && pipeline->in < 0) tfc_fail_errno(err, "cannot make a pipe");
    tfc_pipeline_end(pipeline);
    return failed == ENOENT ? TFC_ENOTFOUND : TFC_EIO;
}

void tfc_pipeline_end(tfc_pipeline *pipeline)
{
    close_end(&pipeline->in);
    close_end(&pipeline->out);
    /* Not by the group: its number is another's once its first process was waited for. */
    for (size_t i = 0; i < pipeline->n_stages; i++)
        if (pipeline->pids[i] > 0) kill(pipeline->pids[i], SIGKILL);
    for (size_t i = 0; i < pipeline->n_stages; i++)
        while (pipeline->pids[i] > 0 && waitpid(pipeline->pids[i], NULL, 0) < 0 && errno == EINTR) {
        }
    pipeline->n_stages = 0;
}

/* The first of the programs that has ended, for a message. A moment is given to the one whose end is known by
 * its closed pipe alone. */
static tfc_status say_ended(tfc_pipeline *pipeline, tfc_error *err)
{
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < pipeline->n_stages; i++) {
            int status;
            char how[120];
            if (waitpid(pipeline->pids[i], &status, WNOHANG) != pipeline->pids[i]) continue;
            pipeline->pids[i] = 0;
            tfc_process_describe(status, how, sizeof how);
            return tfc_fail(err, TFC_EIO, "%s (%zu of %zu) %s", pipeline->names[i], i + 1, pipeline->n_stages,
                            how);
        }
        poll(NULL, 0, 5);
    }
    return tfc_fail(err, TFC_EIO, "the pipeline closed its output");
}

/* What is there of the answer; *done at its NUL. */
static tfc_status read_some(tfc_pipeline *pipeline, tfc_buffer *answer, bool *done, tfc_error *err)
{
    char bytes[4096];
    ssize_t got = read(pipeline->out, bytes, sizeof bytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return TFC_OK;
    if (got < 0) return tfc_fail_errno(err, "cannot read the answer");
    if (got == 0) return say_ended(pipeline, err);
    const char *nul = memchr(bytes, '\0', (size_t)got);
    size_t n = nul ? (size_t)(nul - bytes) : (size_t)got;
    tfc_buffer_append(answer, bytes, n);
    *done = nul != NULL;
    if (nul && n + 1 != (size_t)got) return tfc_fail(err, TFC_EIO, "the answer goes on behind its end");
    return tfc_buffer_ok(answer, "the answer", err);
}

/* At most a pipe's worth; a program that has ended shows itself by its output. */
static tfc_status write_some(tfc_pipeline *pipeline, const char *request, size_t n, size_t *sent,
                             tfc_error *err)
{
    ssize_t put = tfc_pipe_write(pipeline->in, request + *sent, n - *sent);
    if (put >= 0) {
        *sent += (size_t)put;
        return TFC_OK;
    }
    if (errno == EAGAIN || errno == EINTR) return TFC_OK;
    return errno == EPIPE ? say_ended(pipeline, err) : tfc_fail_errno(err, "cannot write the request");
}

static tfc_status exchange(tfc_pipeline *pipeline, const char *request, size_t n, int64_t deadline_ns,
                           tfc_buffer *answer, tfc_error *err)
{
    size_t sent = 0, total = n + 1; /* with the string's own NUL */
    bool done = false;
    while (!done) {
        struct pollfd ends[2] = {{.fd = pipeline->out, .events = POLLIN},
                                 {.fd = sent < total ? pipeline->in : -1, .events = POLLOUT}};
        int wait = tfc_milliseconds_until(deadline_ns), ready = poll(ends, 2, wait);
        if (ready < 0 && errno != EINTR) return tfc_fail_errno(err, "poll");
        if (ready == 0 && tfc_milliseconds_until(deadline_ns) == 0)
            return tfc_fail(err, TFC_ETIMEOUT, "no answer by the deadline");
        tfc_status status = TFC_OK;
        if (ready > 0 && ends[0].revents) status = read_some(pipeline, answer, &done, err);
        if (status == TFC_OK && ready > 0 && ends[1].revents)
            status = write_some(pipeline, request, total, &sent, err);
        if (status != TFC_OK) return status;
    }
    return sent == total ? TFC_OK : tfc_fail(err, TFC_EIO, "the answer came before the question's end");
}

tfc_status tfc_pipeline_ask(tfc_pipeline *pipeline, const char *request, size_t n, int64_t deadline_ns,
                            tfc_buffer *answer, tfc_error *err)
{
    tfc_buffer_clear(answer);
    tfc_status status = exchange(pipeline, request, n, deadline_ns, answer, err);
    if (status != TFC_OK) tfc_pipeline_end(pipeline);
    return status;
}
