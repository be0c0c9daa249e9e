/* A server of ours (python3) for one test program: started, its port read, ended by the end of its stdin. */
#ifndef TFC_TESTS_PEER_H
#define TFC_TESTS_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/backend.h"
#include "tools/manifest.h"

typedef struct peer {
    pid_t pid;
    int in; /* its stdin */
    int port;
} peer;

/* argv: NULL-terminated. port 0 when it did not come up. */
static inline peer peer_start(const char *const *argv)
{
    peer p = {0};
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) return p;
    p.pid = fork();
    if (p.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    p.in = in[1];
    FILE *stream = fdopen(out[0], "r");
    if (!stream || fscanf(stream, "%d", &p.port) != 1) p.port = 0;
    if (stream) fclose(stream);
    return p;
}

static inline void peer_stop(peer *p)
{
    if (p->pid <= 0) return;
    close(p->in);
    waitpid(p->pid, NULL, 0);
    p->pid = 0;
}

static inline int64_t peer_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A tool "Tool" of one text argument (or by `args`, the manifest's field) with this backend. */
static inline tfc_status peer_tool(tfc_tool *tool, tfc_arena *arena, const char *args, const char *backend,
                                   tfc_error *err)
{
    static char text[1 << 16];
    int n =
        snprintf(text, sizeof text,
                 "{\"name\": \"Tool\", \"description\": \"d\", \"instruction\": \"i\", \"demonstrations\": "
                 "[{\"input\": \"a\", \"output\": \"a [Tool(%s)]\"}], \"args\": %s, \"backend\": %s}",
                 args && strstr(args, "\"none\"") ? "" : "1", args ? args : "{\"form\": \"text\"}", backend);
    assert_in_range(n, 1, sizeof text - 1);
    return tfc_manifest_read(text, (size_t)n, "manifest", NULL, arena, tool, err);
}

/* A call that must be back by its deadline and a second. */
static inline tfc_status peer_call(const tfc_tool *tool, const char *args, int64_t deadline_ms, char **result,
                                   tfc_error *err)
{
    tfc_tool_context context = {.date = "2023-01-30"};
    int64_t begin = peer_now_ms();
    *result = NULL;
    tfc_error_init(err);
    tfc_status status =
        tool->backend->call(tool, args, &context, (begin + deadline_ms) * 1000000, result, err);
    int64_t took = peer_now_ms() - begin;
    if (took > deadline_ms + 1000) fail_msg("back after %d ms, deadline %d", (int)took, (int)deadline_ms);
    return status;
}

#endif
