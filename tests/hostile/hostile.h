/* What the hostile suite has in common: tools made of a backend's JSON, calls with their time taken, and
 * looking for processes that should be gone. A test's programs carry a marker in their environment. */
#ifndef TFC_TESTS_HOSTILE_H
#define TFC_TESTS_HOSTILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/manifest.h"
#include "tools/process.h"
#include "tools/sandbox.h"

#define PYTHON "/usr/bin/python3"
#define LINES PYTHON "\", \"-SIB\", \"" TFC_SOURCE_DIR "/tests/hostile/programs/hostile_lines.py"

enum {
    PATIENT_MS = 60000
}; /* the deadline of calls that are to be answered, whatever else the machine does */

typedef struct hostile {
    tfc_arena arena;
    tfc_tool tool;
    char marker[64];
} hostile;

/* backend: the members of its object behind "type" and "environment". */
static inline tfc_status hostile_open(hostile *self, const char *backend, int deadline_ms, tfc_error *err)
{
    static int n_opened;
    char manifest[8192];
    *self = (hostile){0};
    snprintf(self->marker, sizeof self->marker, "TFC_HOSTILE=%d-%d", getpid(), n_opened++);
    int n = snprintf(manifest, sizeof manifest,
                     "{\"name\": \"T\", \"description\": \"d\", \"instruction\": \"i\", \"retries\": 0, "
                     "\"deadline_ms\": %d, \"concurrency\": 32, \"args\": {\"form\": \"text\"}, "
                     "\"demonstrations\": [{\"input\": \"a b\", \"output\": \"a [T(x)] b\"}], "
                     "\"backend\": {\"type\": \"command\", \"environment\": [\"%s\"], %s}}",
                     deadline_ms, self->marker, backend);
    assert_true(n < (int)sizeof manifest);
    return tfc_manifest_read(manifest, (size_t)n, "m", NULL, &self->arena, &self->tool, err);
}

static inline void hostile_close(hostile *self)
{
    tfc_tool_close(&self->tool);
    tfc_arena_release(&self->arena);
}

/* How many living processes carry the marker (a zombie has no environment). */
static inline int hostile_count(const char *marker)
{
    int n = 0;
    DIR *folder = opendir("/proc");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[300], environment[16384];
        snprintf(path, sizeof path, "/proc/%s/environ", entry->d_name);
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd >= 0 ? read(fd, environment, sizeof environment) : 0;
        if (fd >= 0) close(fd);
        n += length > 0 && memmem(environment, (size_t)length, marker, strlen(marker)) != NULL;
    }
    closedir(folder);
    return n;
}

/* True when they are gone within `ms`. */
static inline bool hostile_gone(const char *marker, int ms)
{
    int64_t until = tfc_monotonic_ns() + (int64_t)ms * 1000000;
    while (hostile_count(marker) > 0) {
        if (tfc_monotonic_ns() > until) return false;
        usleep(10000);
    }
    return true;
}

/* A case of a table. */
typedef struct hostile_case {
    const char *name;
    const char *backend; /* as for hostile_open; @PID@ and so on are replaced (hostile_fill) */
    const char *args;
    int deadline_ms; /* 0: PATIENT_MS */
    tfc_status status;
    const char *expected; /* in the result, or in the message */
} hostile_case;

typedef struct hostile_value {
    const char *name;
    char text[4096];
} hostile_value;

/* text with each @NAME@ replaced by its value; the caller's (free). */
static inline char *hostile_fill(const char *text, const hostile_value *values, size_t n_values)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    while (*text) {
        size_t i = 0;
        while (i < n_values && strncmp(text, values[i].name, strlen(values[i].name)) != 0) i++;
        if (i < n_values) {
            tfc_buffer_puts(&buffer, values[i].text);
            text += strlen(values[i].name);
        } else {
            tfc_buffer_putc(&buffer, *text++);
        }
    }
    return tfc_buffer_take(&buffer, NULL);
}

/* Runs the case: the status and the text are right, the call is back by its deadline and a second, and
 * nothing that it started is alive once the tool is closed; after a passed deadline at once. */
static inline void hostile_run(const hostile_case *c, const char *backend)
{
    hostile self;
    tfc_error err;
    tfc_error_init(&err);
    int deadline_ms = c->deadline_ms ? c->deadline_ms : PATIENT_MS;
    if (hostile_open(&self, backend, deadline_ms, &err) != TFC_OK) fail_msg("%s", err.message);
    char *result = NULL;
    int64_t begin = tfc_monotonic_ns();
    tfc_status status = tfc_tool_call(&self.tool, c->args, NULL, &result, &err);
    int64_t ms = (tfc_monotonic_ns() - begin) / 1000000;
    const char *said = status == TFC_OK ? result : err.message;
    if (status != c->status || !strstr(said, c->expected))
        fail_msg("status %d (%s), '%s'", status, tfc_status_text(status), said);
    if (status != TFC_OK && (strlen(said) == 0 || strchr(said, '\n')))
        fail_msg("no clear message: '%s'", said);
    if (ms > deadline_ms + 1000) fail_msg("%lld ms, the deadline is %d", (long long)ms, deadline_ms);
    if (status == TFC_ETIMEOUT && !hostile_gone(self.marker, 1000)) fail_msg("it outlives its deadline");
    hostile_close(&self);
    if (!hostile_gone(self.marker, 1000)) fail_msg("a process outlives its tool");
    tfc_text_free(result);
}

#endif
