/* The execution of calls, with real threads: limits, retries, deadlines, the cache, the recording. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "toolformer/runner.h"
#include "tools/backend.h"
#include "tools/recording.h"
#include "tools/result_cache.h"

static char folder[] = "/tmp/tfc-runner-XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* ---- a tool whose arguments say what becomes of the call ---- */

static struct {
    atomic_int n, prepared, at_once, most_at_once;
    _Atomic int64_t started[64]; /* by the order of the calls */
    atomic_int times[2000];      /* how often `echo N` was made */
    atomic_int broken;           /* "whenever" fails while this is set */
} seen;

static tfc_status scripted_prepare(const tfc_tool *tool, tfc_error *err)
{
    (void)tool;
    atomic_fetch_add(&seen.prepared, 1);
    return atomic_load(&seen.broken) == 2 ? tfc_fail(err, TFC_ENOTFOUND, "the server is not there") : TFC_OK;
}

static tfc_status answer(const char *args, const tfc_tool_context *context, int call, char **result,
                         tfc_error *err)
{
    int a, b;
    char text[128];
    if (sscanf(args, "echo %d", &a) == 1) {
        atomic_fetch_add(&seen.times[a], 1);
        snprintf(text, sizeof text, "<%d>", a);
    } else if (sscanf(args, "sleep %d", &a) == 1) {
        sleep_ms(a);
        snprintf(text, sizeof text, "slept");
    } else if (sscanf(args, "fail %d of %d", &a, &b) == 2 && call <= a) {
        return tfc_fail(err, (tfc_status)-b, "attempt %d failed", call);
    } else if (strcmp(args, "nothing") == 0) {
        return tfc_fail(err, TFC_ENORESULT, "there is nothing");
    } else if (strcmp(args, "date") == 0) {
        snprintf(text, sizeof text, "%s", context->date ? context->date : "today");
    } else if (strncmp(args, "whenever", 8) == 0 && atomic_load(&seen.broken)) {
        return tfc_fail(err, TFC_EIO, "connection refused");
    } else {
        snprintf(text, sizeof text, "call %d", call);
    }
    *result = tfc_strdup(text);
    return *result ? TFC_OK : tfc_fail_memory(err, "result");
}

static tfc_status scripted_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                                int64_t deadline_ns, char **result, tfc_error *err)
{
    (void)tool;
    int call = atomic_fetch_add(&seen.n, 1) + 1;
    int at_once = atomic_fetch_add(&seen.at_once, 1) + 1, most = atomic_load(&seen.most_at_once);
    while (at_once > most && !atomic_compare_exchange_weak(&seen.most_at_once, &most, at_once)) {
    }
    if (call <= 64) atomic_store(&seen.started[call - 1], now_ms());
    tfc_status status;
    if (strcmp(args, "hang") == 0) { /* as a backend has to: back by the deadline */
        struct timespec until = {.tv_sec = deadline_ns / 1000000000,
                                 .tv_nsec = (long)(deadline_ns % 1000000000)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        status = tfc_fail(err, TFC_ETIMEOUT, "no answer in time");
    } else {
        status = answer(args, context, call, result, err);
    }
    atomic_fetch_sub(&seen.at_once, 1);
    return status;
}

static const tfc_backend_type scripted = {
    .name = "scripted", .prepare = scripted_prepare, .call = scripted_call};

static tfc_tool make_tool(const char *name)
{
    memset(&seen, 0, sizeof seen);
    return (tfc_tool){.name = name,
                      .manifest_text = name,
                      .backend = &scripted,
                      .max_result_bytes = 500,
                      .limits = {.deadline_ms = 5000,
                                 .retries = 2,
                                 .retry_backoff_ms = 20,
                                 .concurrency = 8,
                                 .max_failure_rate = 0.5}};
}

static tfc_runner *make_runner(const char *cache, const char *record, const char *replay, bool stops)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_runner *runner = tfc_runner_create(
        &(tfc_runner_params){
            .cache = cache ? cache : "none", .record = record, .replay = replay, .stops = stops},
        &err);
    if (!runner) fail_msg("%s", err.message);
    return runner;
}

static tfc_status run(tfc_runner *runner, tfc_tool_job *jobs, size_t n, tfc_batch **batch, tfc_error *err)
{
    tfc_error_init(err);
    *batch = tfc_runner_submit(runner, jobs, n, err);
    return *batch ? tfc_batch_wait(*batch, NULL, err) : err->status;
}

static tfc_tool_stats stats_of(tfc_runner *runner)
{
    tfc_tool_stats stats[2];
    assert_int_equal(tfc_runner_stats(runner, stats, 2), 1);
    return stats[0];
}

/* A thousand calls, and a thousand more that are equal to them: each is made once, each gets its own answer.
 */
static void test_thousand(void **state)
{
    (void)state;
    enum { N = 1000 };
    static char args[N][16];
    static tfc_tool_job jobs[2 * N];
    tfc_tool tool = make_tool("Echo");
    tool.limits.concurrency = 64;
    for (int i = 0; i < N; i++) {
        snprintf(args[i], sizeof args[i], "echo %d", i);
        jobs[i] = (tfc_tool_job){.tool = &tool, .args = args[i]};
        jobs[2 * N - 1 - i] = jobs[i];
    }
    tfc_runner *runner = make_runner(NULL, NULL, NULL, true);
    tfc_error err;
    tfc_batch *batch;
    assert_int_equal(run(runner, jobs, 2 * N, &batch, &err), TFC_OK);
    for (int i = 0; i < 2 * N; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, "<%d>", i < N ? i : 2 * N - 1 - i);
        assert_int_equal(jobs[i].status, TFC_OK);
        assert_string_equal(jobs[i].text, expected);
    }
    for (int i = 0; i < N; i++) assert_int_equal(seen.times[i], 1);
    tfc_batch_free(batch);
    tfc_tool_stats stats = stats_of(runner);
    assert_true(stats.calls == 2 * N && stats.cached == N && stats.failed == 0 && stats.retried == 0);
    assert_true(seen.most_at_once <= 64);
    tfc_runner_free(runner);
    /* Without any memory of calls, each is made. */
    tool.limits.cache = TFC_CACHE_NEVER;
    runner = make_runner(NULL, NULL, NULL, true);
    assert_int_equal(run(runner, jobs, 2 * N, &batch, &err), TFC_OK);
    for (int i = 0; i < N; i++) assert_int_equal(seen.times[i], 3);
    tfc_batch_free(batch);
    tfc_runner_free(runner);
}

typedef struct caller {
    pthread_t thread;
    tfc_runner *runner;
    const tfc_tool *tool;
    int first, wrong;
} caller;

static void *call_many(void *argument)
{
    caller *c = argument;
    for (int i = c->first; i < c->first + 200; i++) {
        char args[16], expected[16], *result;
        snprintf(args, sizeof args, "echo %d", i);
        snprintf(expected, sizeof expected, "<%d>", i);
        if (tfc_runner_call(c->runner, c->tool, args, NULL, &result, NULL) != TFC_OK ||
            strcmp(result, expected) != 0)
            c->wrong++;
        tfc_text_free(result);
    }
    return NULL;
}

/* Threads that share a runner, each waiting for one call after the other. */
static void test_shared_by_threads(void **state)
{
    (void)state;
    enum { N = 6 };
    tfc_tool tool = make_tool("Echo");
    tfc_runner *runner = make_runner(NULL, NULL, NULL, true);
    caller callers[N];
    for (int i = 0; i < N; i++) {
        callers[i] = (caller){.runner = runner, .tool = &tool, .first = i * 100};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_many, &callers[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].wrong, 0);
    }
    for (int i = 0; i < 700; i++) assert_int_equal(seen.times[i], 1);
    assert_int_equal(stats_of(runner).calls, N * 200);
    tfc_runner_free(runner);
}

static void test_concurrency(void **state)
{
    (void)state;
    enum { N = 24 };
    tfc_tool tool = make_tool("Slow");
    tool.limits.concurrency = 4;
    tool.limits.cache = TFC_CACHE_NEVER;
    tfc_tool_job jobs[N];
    for (int i = 0; i < N; i++) jobs[i] = (tfc_tool_job){.tool = &tool, .args = "sleep 20"};
    tfc_runner *runner = make_runner(NULL, NULL, NULL, true);
    tfc_error err;
    tfc_batch *batch;
    int64_t begin = now_ms();
    assert_int_equal(run(runner, jobs, N, &batch, &err), TFC_OK);
    int64_t ms = now_ms() - begin;
    assert_int_equal(seen.most_at_once, 4);
    assert_true(ms >= 120); /* six rounds of four */
    tfc_batch_free(batch);
    tfc_runner_free(runner);
}

/* 50 in a second: no two begin less than 20 ms apart. */
static void test_rate(void **state)
{
    (void)state;
    enum { N = 12 };
    tfc_tool tool = make_tool("Rare");
    tool.limits.rate_per_s = 50;
    tool.limits.cache = TFC_CACHE_NEVER;
    tfc_tool_job jobs[N];
    for (int i = 0; i < N; i++) jobs[i] = (tfc_tool_job){.tool = &tool, .args = "x"};
    tfc_runner *runner = make_runner(NULL, NULL, NULL, true);
    tfc_error err;
    tfc_batch *batch;
    int64_t begin = now_ms();
    assert_int_equal(run(runner, jobs, N, &batch, &err), TFC_OK);
    assert_true(now_ms() - begin >= (N - 1) * 20 - 1);
    assert_int_equal(seen.n, N);
    tfc_batch_free(batch);
    tfc_runner_free(runner);
}

/* What may be tried again, and with which pauses. */
static void test_retries(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        bool timeouts;
        tfc_status status;
        int attempts;
    } cases[] = {
        {"fail 2 of 3", false, TFC_OK, 3},        /* TFC_EIO twice, then an answer */
        {"fail 9 of 3", false, TFC_EIO, 3},       /* for ever */
        {"nothing", false, TFC_ENORESULT, 1},     /* an answer */
        {"fail 1 of 4", false, TFC_EFORMAT, 1},   /* nonsense will not get better */
        {"fail 1 of 11", false, TFC_ETIMEOUT, 1}, /* unless the manifest says so */
        {"fail 1 of 11", true, TFC_OK, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tfc_tool tool = make_tool("Shaky");
        tool.limits.retry_timeouts = cases[i].timeouts;
        tfc_runner *runner = make_runner(NULL, NULL, NULL, true);
        tfc_tool_job job = {.tool = &tool, .args = cases[i].args};
        tfc_error err;
        tfc_batch *batch;
        assert_int_equal(run(runner, &job, 1, &batch, &err), TFC_OK);
        assert_int_equal(job.status, cases[i].status);
        assert_int_equal(job.attempts, cases[i].attempts);
        assert_int_equal(seen.n, cases[i].attempts);
        if (cases[i].attempts == 3) { /* 20 ms, then 40 ms */
            assert_true(seen.started[1] - seen.started[0] >= 20 && seen.started[2] - seen.started[1] >= 40);
        }
        tfc_tool_stats stats = stats_of(runner);
        assert_int_equal(stats.retried, cases[i].attempts - 1);
        assert_int_equal(stats.failed, job.status != TFC_OK && job.status != TFC_ENORESULT);
        assert_int_equal(stats.timed_out, job.status == TFC_ETIMEOUT);
        assert_int_equal(stats.no_result, job.status == TFC_ENORESULT);
        tfc_batch_free(batch);
        tfc_runner_free(runner);
        /* The one-call form says the same. */
        atomic_store(&seen.n, 0);
        char *result;
        tfc_error_init(&err);
        assert_int_equal(tfc_tool_call(&tool, cases[i].args, &(tfc_tool_context){0}, &result, &err),
                         cases[i].status);
        assert_int_equal(seen.n, cases[i].attempts);
        assert_int_equal(err.status, cases[i].status);
        tfc_text_free(result);
    }
}

/* A call that hangs is over at its deadline; the others do not wait for it, nor for one that is to be tried
 * again. */
static void test_deadline(void **state)
{
    (void)state;
    tfc_tool tool = make_tool("Hanging");
    tool.limits.deadline_ms = 300;
    tool.limits.concurrency = 2;
    tool.limits.retry_backoff_ms = 150;
    tfc_tool_job slow = {.tool = &tool, .args = "hang"}, failing = {.tool = &tool, .args = "fail 2 of 3"};
    tfc_tool_job quick[10];
    char args[10][16];
    for (int i = 0; i < 10; i++) {
        snprintf(args[i], sizeof args[i], "echo %d", i);
        quick[i] = (tfc_tool_job){.tool = &tool, .args = args[i]};
    }
    tfc_runner *runner = make_runner(NULL, NULL, NULL, true);
    tfc_error err;
    int64_t begin = now_ms();
    tfc_batch *first = tfc_runner_submit(runner, &slow, 1, &err);
    tfc_batch *second = tfc_runner_submit(runner, &failing, 1, &err);
    tfc_batch *third = tfc_runner_submit(runner, quick, 10, &err);
    assert_int_equal(tfc_batch_wait(third, NULL, &err), TFC_OK);
    assert_true(now_ms() - begin < 290);
    assert_false(tfc_batch_ready(first));
    assert_int_equal(tfc_batch_wait(first, NULL, &err), TFC_OK);
    assert_int_equal(slow.status, TFC_ETIMEOUT);
    assert_string_equal(slow.text, "no answer in time");
    assert_true(now_ms() - begin >= 300 && now_ms() - begin < 1300);
    assert_int_equal(tfc_batch_wait(second, NULL, &err), TFC_OK);
    assert_int_equal(failing.status, TFC_OK);
    tfc_batch_free(first);
    tfc_batch_free(second);
    tfc_batch_free(third);
    tfc_runner_free(runner);
}

static bool stop_at_once(void *context)
{
    (void)context;
    return true;
}

/* Interrupted: what has not begun is never made; what runs is let go of. */
static void test_interrupted(void **state)
{
    (void)state;
    enum { N = 50 };
    tfc_tool tool = make_tool("Slow");
    tool.limits.concurrency = 2;
    tool.limits.cache = TFC_CACHE_NEVER;
    tfc_tool_job jobs[N];
    for (int i = 0; i < N; i++) jobs[i] = (tfc_tool_job){.tool = &tool, .args = "sleep 50"};
    tfc_runner *runner = make_runner(NULL, NULL, NULL, true);
    tfc_error err;
    tfc_batch *batch = tfc_runner_submit(runner, jobs, N, &err);
    assert_int_equal(tfc_batch_wait(batch, &(tfc_monitor){.stop = stop_at_once}, &err), TFC_EINTERRUPTED);
    tfc_batch_free(batch);
    tfc_runner_free(runner);
    assert_true(seen.n <= 2);
}

/* A tool that died: the batch ends with the reason, without trying the rest; and not before 20 calls. */
static void test_dead_tool(void **state)
{
    (void)state;
    enum { N = 400 };
    static char args[N][24];
    static tfc_tool_job jobs[N];
    tfc_tool tool = make_tool("Weather");
    tool.limits.retries = 0;
    for (int i = 0; i < N; i++) {
        snprintf(args[i], sizeof args[i], "whenever %d", i);
        jobs[i] = (tfc_tool_job){.tool = &tool, .args = args[i]};
    }
    tfc_error err;
    tfc_batch *batch;
    tfc_runner *runner = make_runner(NULL, NULL, NULL, true);
    assert_int_equal(run(runner, jobs, 200, &batch, &err), TFC_OK); /* it works */
    tfc_batch_free(batch);
    atomic_store(&seen.broken, 1);
    assert_int_equal(run(runner, jobs + 200, 19, &batch, &err), TFC_OK); /* 19 of 64 */
    assert_int_equal(jobs[200].status, TFC_EIO);
    tfc_batch_free(batch);
    assert_int_equal(run(runner, jobs + 219, N - 219, &batch, &err), TFC_EIO);
    assert_non_null(strstr(err.message,
                           "Weather failed in 33 of its last 64 calls, more than its max_failure_rate "
                           "of 0.5 allows; the last time: connection refused"));
    assert_true(stats_of(runner).failed < 33 + 8 && seen.n < 200 + 33 + 8);
    tfc_batch_free(batch);
    assert_int_equal(run(runner, jobs + 390, 1, &batch, &err), TFC_EIO); /* nor later */
    tfc_batch_free(batch);
    tfc_runner_free(runner);
    /* Where nothing is to be stopped, every call fails by itself. */
    runner = make_runner(NULL, NULL, NULL, false);
    assert_int_equal(run(runner, jobs, N, &batch, &err), TFC_OK);
    assert_int_equal(stats_of(runner).failed, N);
    tfc_batch_free(batch);
    tfc_runner_free(runner);
    /* A tool that cannot even begin fails like one that dies; tfc_runner_prepare would have said so. */
    tool.limits.max_failure_rate = 0;
    atomic_store(&seen.broken, 2);
    runner = make_runner(NULL, NULL, NULL, true);
    assert_int_equal(run(runner, jobs, 19, &batch, &err), TFC_OK);
    tfc_batch_free(batch);
    assert_int_equal(run(runner, jobs + 19, 1, &batch, &err), TFC_EIO);
    assert_non_null(strstr(err.message, "20 of its last 20 calls"));
    assert_non_null(strstr(err.message, "the server is not there"));
    tfc_batch_free(batch);
    tfc_runner_free(runner);
}

/* ---- the cache ---- */

static void one_call(tfc_runner *runner, const tfc_tool *tool, const char *args, const char *date,
                     tfc_status status, const char *text)
{
    tfc_tool_job job = {.tool = tool, .args = args, .context = {.date = date}};
    tfc_error err;
    tfc_batch *batch;
    if (run(runner, &job, 1, &batch, &err) != TFC_OK) fail_msg("%s", err.message);
    assert_int_equal(job.status, status);
    assert_string_equal(job.text, text);
    tfc_batch_free(batch);
}

static void test_cache(void **state)
{
    (void)state;
    const char *path = in_folder("one/two/tools.db");
    tfc_tool tool = make_tool("Counter");
    tfc_runner *runner = make_runner(path, NULL, NULL, true);
    one_call(runner, &tool, "a", NULL, TFC_OK, "call 1");
    one_call(runner, &tool, "nothing", NULL, TFC_ENORESULT, "there is nothing");
    one_call(runner, &tool, "date", "2023-01-30", TFC_OK, "2023-01-30");
    one_call(runner, &tool, "date", "2023-01-31", TFC_OK, "2023-01-31");
    one_call(runner, &tool, "fail 5 of 4", NULL, TFC_EFORMAT, "attempt 5 failed");
    assert_int_equal(seen.n, 5);
    tfc_runner_free(runner);
    /* Another run: what is known is not asked again, what failed is. */
    runner = make_runner(path, NULL, NULL, true);
    one_call(runner, &tool, "a", NULL, TFC_OK, "call 1");
    one_call(runner, &tool, "nothing", NULL, TFC_ENORESULT, "there is nothing");
    one_call(runner, &tool, "date", "2023-01-31", TFC_OK, "2023-01-31");
    assert_int_equal(seen.n, 5);
    one_call(runner, &tool, "fail 5 of 4", NULL, TFC_OK, "call 6");
    assert_int_equal(stats_of(runner).cached, 3);
    tfc_runner_free(runner);
    /* Another manifest is another tool. */
    tfc_tool changed = tool;
    changed.manifest_text = "another manifest";
    runner = make_runner(path, NULL, NULL, true);
    one_call(runner, &changed, "a", NULL, TFC_OK, "call 7");
    tfc_runner_free(runner);
    /* By policy: within the run alone, or never. */
    tool.limits.cache = TFC_CACHE_RUN;
    runner = make_runner(path, NULL, NULL, true);
    one_call(runner, &tool, "a", NULL, TFC_OK, "call 8");
    one_call(runner, &tool, "a", NULL, TFC_OK, "call 8");
    tool.limits.cache = TFC_CACHE_NEVER;
    one_call(runner, &tool, "b", NULL, TFC_OK, "call 9");
    one_call(runner, &tool, "b", NULL, TFC_OK, "call 10");
    tfc_runner_free(runner);
}

static tfc_status version_two(const tfc_tool *tool, char *out, size_t n, tfc_error *err)
{
    if (strcmp(tool->name, "Lost") == 0) return tfc_fail(err, TFC_EIO, "the index cannot be read");
    snprintf(out, n, "2");
    return TFC_OK;
}

/* What a backend says about itself is a part of the key; without its word nothing is kept. */
static void test_cache_version(void **state)
{
    (void)state;
    const char *path = in_folder("version.db");
    tfc_backend_type versioned = scripted;
    tfc_tool tool = make_tool("Counter");
    tfc_runner *runner = make_runner(path, NULL, NULL, true);
    one_call(runner, &tool, "a", NULL, TFC_OK, "call 1");
    tfc_runner_free(runner);
    versioned.version = version_two;
    tool.backend = &versioned;
    for (int again = 0; again < 2; again++) {
        runner = make_runner(path, NULL, NULL, true);
        one_call(runner, &tool, "a", NULL, TFC_OK, "call 2");
        tfc_runner_free(runner);
    }
    tool.name = "Lost";
    for (int again = 0; again < 2; again++) {
        runner = make_runner(path, NULL, NULL, true);
        one_call(runner, &tool, "a", NULL, TFC_OK, again ? "call 4" : "call 3");
        tfc_runner_free(runner);
    }
}

/* Two processes at once, five hundred calls each, the same ones: both get them all, and a third makes none.
 */
static void test_cache_of_two_processes(void **state)
{
    (void)state;
    enum { N = 500 };
    static char args[N][16];
    static tfc_tool_job jobs[N];
    char path[128];
    snprintf(path, sizeof path, "%s", in_folder("shared.db"));
    tfc_tool tool = make_tool("Echo");
    for (int i = 0; i < N; i++) {
        snprintf(args[i], sizeof args[i], "echo %d", i);
        jobs[i] = (tfc_tool_job){.tool = &tool, .args = args[i]};
    }
    pid_t children[2];
    for (int c = 0; c < 2; c++) {
        children[c] = fork();
        assert_true(children[c] >= 0);
        if (children[c] > 0) continue;
        tfc_error err;
        tfc_batch *batch;
        tfc_runner *runner = make_runner(path, NULL, NULL, true);
        bool ok = run(runner, jobs, N, &batch, &err) == TFC_OK;
        for (int i = 0; i < N && ok; i++) ok = jobs[i].status == TFC_OK && atoi(jobs[i].text + 1) == i;
        tfc_batch_free(batch);
        tfc_runner_free(runner);
        _exit(ok ? 0 : 1);
    }
    for (int c = 0; c < 2; c++) {
        int code;
        assert_int_equal(waitpid(children[c], &code, 0), children[c]);
        assert_int_equal(code, 0);
    }
    tfc_runner *runner = make_runner(path, NULL, NULL, true);
    tfc_error err;
    tfc_batch *batch;
    assert_int_equal(run(runner, jobs, N, &batch, &err), TFC_OK);
    assert_int_equal(seen.n, 0);
    assert_int_equal(stats_of(runner).cached, N);
    tfc_batch_free(batch);
    tfc_runner_free(runner);
}

static void take_note(void *context, const char *line)
{
    snprintf(context, 600, "%s", line);
}

/* A file that is no database is set aside; one that cannot be made is done without. Both are said. */
static void test_broken_cache(void **state)
{
    (void)state;
    static const struct {
        const char *name, *note;
        bool again; /* the new file works */
    } cases[] = {{"broken.db", "broken.db' is damaged; it is now '", true},
                 {"file/tools.db", "file/tools.db' is not used: unable to open database file", false}};
    char garbage[8192];
    memset(garbage, 'x', sizeof garbage);
    assert_int_equal(tfc_file_write_whole(in_folder("broken.db"), garbage, sizeof garbage, NULL), TFC_OK);
    assert_int_equal(tfc_file_write_whole(in_folder("file"), garbage, 5, NULL), TFC_OK);
    for (size_t i = 0; i < 2; i++) {
        tfc_tool tool = make_tool("Counter");
        for (int again = 0; again < 2; again++) {
            char note[600] = "";
            tfc_runner *runner = make_runner(in_folder(cases[i].name), NULL, NULL, true);
            tfc_error err;
            tfc_tool_job job = {.tool = &tool, .args = "a"};
            tfc_batch *batch = tfc_runner_submit(runner, &job, 1, &err);
            assert_int_equal(tfc_batch_wait(batch, &(tfc_monitor){.note = take_note, .context = note}, &err),
                             TFC_OK);
            assert_string_equal(job.text, again && !cases[i].again ? "call 2" : "call 1");
            if (again && cases[i].again)
                assert_string_equal(note, "");
            else if (!strstr(note, cases[i].note))
                fail_msg("'%s' lacks '%s'", note, cases[i].note);
            tfc_batch_free(batch);
            tfc_runner_free(runner);
        }
    }
    assert_true(tfc_file_exists(in_folder("broken.db.broken")));
}

/* Damage in the middle of a good file is met while it is in use. */
static void test_cache_damaged_in_use(void **state)
{
    (void)state;
    enum { N = 400 };
    static char args[N][16];
    static tfc_tool_job jobs[N];
    const char *path = in_folder("damaged.db");
    tfc_tool tool = make_tool("Echo");
    for (int i = 0; i < N; i++) {
        snprintf(args[i], sizeof args[i], "echo %d", i);
        jobs[i] = (tfc_tool_job){.tool = &tool, .args = args[i]};
    }
    for (int round = 0; round < 2; round++) {
        tfc_runner *runner = make_runner(path, NULL, NULL, true);
        tfc_error err;
        tfc_batch *batch;
        assert_int_equal(run(runner, jobs, N, &batch, &err), TFC_OK);
        for (int i = 0; i < N; i++) assert_int_equal(atoi(jobs[i].text + 1), i);
        tfc_batch_free(batch);
        tfc_runner_free(runner);
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        fseek(file, 4096, SEEK_SET);
        for (int i = 0; i < 16384; i++) fputc(0xA5, file);
        fclose(file);
    }
}

/* ---- recording and replay ---- */

static void test_replay(void **state)
{
    (void)state;
    char first[128], second[128];
    snprintf(first, sizeof first, "%s", in_folder("first"));
    snprintf(second, sizeof second, "%s", in_folder("second"));
    assert_int_equal(mkdir(first, 0777), 0);
    assert_int_equal(mkdir(second, 0777), 0);
    tfc_tool tool = make_tool("Counter");
    tool.limits.cache = TFC_CACHE_NEVER; /* within a recorded run equal calls are one */
    tfc_runner *runner = make_runner(NULL, first, NULL, true);
    one_call(runner, &tool, "a", NULL, TFC_OK, "call 1");
    one_call(runner, &tool, "a", NULL, TFC_OK, "call 1");
    one_call(runner, &tool, "nothing", NULL, TFC_ENORESULT, "there is nothing");
    one_call(runner, &tool, "date", "2023-01-30", TFC_OK, "2023-01-30");
    atomic_store(&seen.broken, 1);
    one_call(runner, &tool, "whenever", NULL, TFC_EIO, "connection refused");
    tfc_runner_free(runner);
    /* The run goes on: what is recorded stays, what failed is tried again. */
    atomic_store(&seen.broken, 0);
    int made = seen.n;
    runner = make_runner(NULL, first, NULL, true);
    one_call(runner, &tool, "a", NULL, TFC_OK, "call 1");
    assert_int_equal(seen.n, made);
    one_call(runner, &tool, "whenever", NULL, TFC_OK, "call 7");
    tfc_runner_free(runner);
    /* Replayed with the tool gone, into a run that records: which can be replayed in its turn. */
    tfc_tool gone = tool;
    gone.backend = &(tfc_backend_type){.name = "gone"};
    for (int i = 0; i < 2; i++) {
        runner = make_runner(NULL, i ? NULL : second, i ? second : first, true);
        one_call(runner, &gone, "a", NULL, TFC_OK, "call 1");
        one_call(runner, &gone, "nothing", NULL, TFC_ENORESULT, "there is nothing");
        one_call(runner, &gone, "date", "2023-01-30", TFC_OK, "2023-01-30");
        one_call(runner, &gone, "whenever", NULL, TFC_OK, "call 7");
        tfc_error err;
        tfc_error_init(&err);
        tfc_tool_job job = {.tool = &gone, .args = "date", .context = {.date = "2023-01-31"}};
        assert_null(tfc_runner_submit(runner, &job, 1, &err));
        assert_int_equal(err.status, TFC_ENOTFOUND);
        assert_non_null(strstr(err.message, "has no call Counter(date) on 2023-01-31"));
        tfc_runner_free(runner);
    }
    tfc_error err;
    assert_null(tfc_runner_create(&(tfc_runner_params){.replay = in_folder("absent")}, &err));
    assert_int_equal(err.status, TFC_ENOTFOUND);
}

static void count_change(void *context, const tfc_call_change *change)
{
    tfc_buffer *lines = context;
    tfc_buffer_printf(lines, "%s(%s) %s: %s -> %s\n", change->tool, change->args,
                      change->date ? change->date : "-", change->then, change->now);
}

/* Every allocation of a batch fails once. */
static void test_memory_fails(void **state)
{
    (void)state;
    tfc_tool tool = make_tool("Echo");
    tfc_tools *tools = tfc_tools_create("Calculator", NULL);
    tfc_error err;
    for (int at = 1; at < 200; at++) {
        tfc_error_init(&err);
        tfc_tool_job jobs[3] = {{.tool = &tool, .args = "echo 1"},
                                {.tool = tfc_tools_at(tools, 0), .args = "1 + 1"},
                                {.tool = &tool, .args = "echo 1"}};
        tfc_memory_fail_at(at);
        tfc_runner *runner = tfc_runner_create(&(tfc_runner_params){.cache = "none"}, &err);
        tfc_batch *batch = runner ? tfc_runner_submit(runner, jobs, 3, &err) : NULL;
        tfc_status status = batch ? tfc_batch_wait(batch, NULL, &err) : err.status;
        tfc_batch_free(batch);
        tfc_runner_free(runner);
        tfc_memory_fail_at(0);
        if (status == TFC_OK && jobs[0].status == TFC_OK && jobs[1].status == TFC_OK) break;
        assert_true(status == TFC_ENOMEM || jobs[0].status == TFC_ENOMEM || jobs[1].status == TFC_ENOMEM);
        assert_true(at < 199);
    }
    tfc_tools_free(tools);
}

/* A recorded run's tools, and what they answer now. */
static void test_diff(void **state)
{
    (void)state;
    char run_folder[128];
    snprintf(run_folder, sizeof run_folder, "%s", in_folder("diffed"));
    assert_int_equal(mkdir(run_folder, 0777), 0);
    tfc_error err;
    tfc_error_init(&err);
    tfc_tools *tools = tfc_tools_create("Calculator,Calendar", &err);
    const tfc_tool *calculator = tfc_tools_at(tools, 0), *calendar = tfc_tools_at(tools, 1);
    tfc_recording *recording = tfc_recording_open(run_folder, &err);
    assert_int_equal(tfc_recording_put_tools(recording, tools, &err), TFC_OK);
    tfc_recorded old = {.tool = "Calculator", .args = "2 + 2", .context = "", .manifest = "0", .text = "5"};
    assert_int_equal(tfc_recording_put(recording, &old, 1, &err), TFC_OK);
    tfc_recording_close(recording);
    tfc_runner *runner = make_runner(NULL, run_folder, NULL, true);
    one_call(runner, calculator, "1 + 1", NULL, TFC_OK, "2");
    one_call(runner, calendar, "", "2023-01-30", TFC_OK, "Today is Monday, January 30, 2023.");
    tfc_runner_free(runner);

    tfc_buffer lines;
    tfc_buffer_init(&lines, 0);
    tfc_diff_result result;
    assert_int_equal(tfc_recording_diff(run_folder, tools, count_change, &lines, NULL, &result, &err),
                     TFC_OK);
    assert_string_equal(lines.data, "Calculator(2 + 2) -: 5 -> 4\n");
    assert_true(result.calls == 3 && result.changed == 1 && result.skipped == 0 &&
                result.other_manifests == 0);
    tfc_buffer_release(&lines);
    tfc_tools_free(tools);

    /* The recording knows the tools by itself; a list takes some of them. */
    tools = tfc_tools_create_recorded(NULL, run_folder, &err);
    assert_int_equal(tfc_tools_count(tools), 2);
    assert_string_equal(tfc_tool_name(tfc_tools_at(tools, 1)), "Calendar");
    tfc_tools_free(tools);
    tools = tfc_tools_create_recorded("Calendar", run_folder, &err);
    assert_int_equal(tfc_tools_count(tools), 1);
    tfc_tools_free(tools);
    assert_null(tfc_tools_create_recorded("Calendar,DateCalc", run_folder, &err));
    assert_non_null(strstr(err.message, "no tool 'DateCalc' was recorded"));
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : 1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thousand),
        cmocka_unit_test(test_shared_by_threads),
        cmocka_unit_test(test_concurrency),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_dead_tool),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_cache_version),
        cmocka_unit_test(test_cache_of_two_processes),
        cmocka_unit_test(test_broken_cache),
        cmocka_unit_test(test_cache_damaged_in_use),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_memory_fails),
        cmocka_unit_test(test_diff),
    };
    return cmocka_run_group_tests_name("runner", tests, make_folder, remove_folder);
}
