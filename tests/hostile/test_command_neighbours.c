/* What a bad call does to others, many calls at once, and the host's own death. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/utf8.h"
#include "hostile.h"
#include "toolformer/calls.h"

enum { CALLERS = 20, MANY = 1000 };

typedef struct caller {
    const tfc_tool *tool;
    char args[64];
    pthread_t thread;
    tfc_status status;
    char *result;
    tfc_error err;
} caller;

static void *call_main(void *context)
{
    caller *c = context;
    tfc_error_init(&c->err);
    c->status = tfc_tool_call(c->tool, c->args, NULL, &c->result, &c->err);
    return NULL;
}

/* All at the same time. */
static void call_all(caller *callers, size_t n)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pthread_create(&callers[i].thread, &attributes, call_main, &callers[i]), 0);
    for (size_t i = 0; i < n; i++) pthread_join(callers[i].thread, NULL);
    pthread_attr_destroy(&attributes);
}

/* One bad call among good ones of the same process: it fails, they do not. */
static void with_neighbours(const char *deed, int deadline_ms, tfc_status status)
{
    hostile self;
    tfc_error err;
    tfc_error_init(&err);
    if (hostile_open(&self, "\"mode\": \"lines\", \"in_flight\": 8, \"argv\": [\"" LINES "\"]", deadline_ms,
                     &err))
        fail_msg("%s", err.message);
    caller callers[CALLERS] = {0};
    for (int i = 0; i < CALLERS; i++) {
        callers[i].tool = &self.tool;
        snprintf(callers[i].args, sizeof callers[i].args, "good %d", i);
    }
    snprintf(callers[3].args, sizeof callers[3].args, "%s", deed);
    call_all(callers, CALLERS);
    for (int i = 0; i < CALLERS; i++) {
        const caller *c = &callers[i];
        if (c->status != (i == 3 ? status : TFC_OK))
            fail_msg("%s: %d %s", c->args, c->status, c->err.message);
        if (i != 3) assert_string_equal(c->result, c->args);
        tfc_text_free(c->result);
    }
    hostile_close(&self);
    assert_true(hostile_gone(self.marker, 1000));
}

static void test_neighbours_of_a_death(void **state)
{
    (void)state;
    with_neighbours("exit 7", PATIENT_MS, TFC_EIO);
}

static void test_neighbours_of_nonsense(void **state)
{
    (void)state;
    with_neighbours("no json", PATIENT_MS, TFC_EIO);
}

static void test_neighbours_of_half_a_line(void **state)
{
    (void)state;
    with_neighbours("half", PATIENT_MS, TFC_EIO);
}

static void test_neighbours_of_a_flood(void **state)
{
    (void)state;
    with_neighbours("flood of lines", PATIENT_MS, TFC_EIO);
}

/* After each bad call the same tool answers the next one. */
static void test_restarts(void **state)
{
    (void)state;
    static const char *const deeds[] = {"exit",         "fault",  "half",          "unknown id",
                                        "twice",        "binary", "once",          "close stdin",
                                        "close stdout", "deep",   "flood of lines"};
    hostile self;
    tfc_error err;
    tfc_error_init(&err);
    assert_int_equal(hostile_open(&self, "\"mode\": \"lines\", \"argv\": [\"" LINES "\"]", PATIENT_MS, &err),
                     TFC_OK);
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        char *result = NULL;
        tfc_tool_call(&self.tool, deeds[i], NULL, &result, &err);
        tfc_text_free(result);
        tfc_error_init(&err);
        if (tfc_tool_call(&self.tool, "good", NULL, &result, &err) != TFC_OK)
            fail_msg("after %s: %s", deeds[i], err.message);
        assert_string_equal(result, "good");
        tfc_text_free(result);
    }
    hostile_close(&self);
}

/* Answers in the wrong order find their calls. */
static void test_out_of_order(void **state)
{
    (void)state;
    hostile self;
    tfc_error err;
    tfc_error_init(&err);
    assert_int_equal(hostile_open(&self,
                                  "\"mode\": \"lines\", \"in_flight\": 20, \"argv\": [\"" LINES
                                  "\", \"batch\", \"20\"]",
                                  PATIENT_MS, &err),
                     TFC_OK);
    caller callers[CALLERS] = {0};
    for (int i = 0; i < CALLERS; i++) {
        callers[i].tool = &self.tool;
        snprintf(callers[i].args, sizeof callers[i].args, "text %d", i);
    }
    call_all(callers, CALLERS);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(callers[i].status, TFC_OK);
        assert_string_equal(callers[i].result, callers[i].args);
        tfc_text_free(callers[i].result);
    }
    hostile_close(&self);
}

/* A thousand calls at once: each has its own answer, and the program saw each once. */
static void call_many(const char *backend_format)
{
    char folder[] = "/var/tmp/tfc-hostile-XXXXXX", backend[2048], path[64], line[128];
    assert_non_null(mkdtemp(folder));
    snprintf(backend, sizeof backend, backend_format, folder, folder);
    hostile self;
    tfc_error err;
    tfc_error_init(&err);
    if (hostile_open(&self, backend, PATIENT_MS, &err)) fail_msg("%s", err.message);
    caller *callers = calloc(MANY, sizeof *callers);
    assert_non_null(callers);
    for (int i = 0; i < MANY; i++) {
        callers[i].tool = &self.tool;
        snprintf(callers[i].args, sizeof callers[i].args, "call %d", i);
    }
    call_all(callers, MANY);
    for (int i = 0; i < MANY; i++) {
        if (callers[i].status != TFC_OK) fail_msg("%s: %s", callers[i].args, callers[i].err.message);
        assert_string_equal(callers[i].result, callers[i].args);
        tfc_text_free(callers[i].result);
    }
    hostile_close(&self);
    free(callers);
    snprintf(path, sizeof path, "%s/log", folder);
    FILE *log = fopen(path, "r");
    assert_non_null(log);
    static int seen[MANY];
    memset(seen, 0, sizeof seen);
    int i;
    while (fgets(line, sizeof line, log) && sscanf(line, "call %d", &i) == 1) seen[i]++;
    for (i = 0; i < MANY; i++) assert_int_equal(seen[i], 1);
    fclose(log);
    unlink(path);
    rmdir(folder);
}

static void test_many_argv(void **state)
{
    (void)state;
    call_many("\"files\": {\"write\": [\"%s\"]}, \"argv\": [\"sh\", \"-c\", "
              "\"echo \\\"$1\\\" >>%s/log; echo \\\"$1\\\"\", \"sh\", \"{args}\"]");
}

static void test_many_lines(void **state)
{
    (void)state;
    call_many("\"files\": {\"write\": [\"%s\"]}, \"mode\": \"lines\", \"in_flight\": 100, \"processes\": 4, "
              "\"argv\": [\"" LINES "\", \"log\", \"%s/log\"]");
}

/* Whatever a result holds, the text that it is put into has one call, from its bracket to its own. */
static void test_results_are_harmless(void **state)
{
    (void)state;
    static const char *const deeds[] = {"bracket", "newlines", "invalid utf-8", "escaped nul"};
    static const char *const names[] = {"T", "Calculator"};
    hostile self;
    tfc_error err;
    tfc_error_init(&err);
    assert_int_equal(hostile_open(&self, "\"mode\": \"lines\", \"argv\": [\"" LINES "\"]", PATIENT_MS, &err),
                     TFC_OK);
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        char *result, text[400];
        assert_int_equal(tfc_tool_call(&self.tool, deeds[i], NULL, &result, &err), TFC_OK);
        char *head = tfc_call_print_head("T", "x"), *tail = tfc_call_print_tail(result, 200);
        snprintf(text, sizeof text, "%s%s", head, tail);
        tfc_call_span span;
        size_t n = strlen(text);
        assert_true(tfc_calls_scan(text, n, 0, names, 2, &span));
        assert_int_equal(span.begin, 0);
        assert_int_equal(span.end, n);
        for (size_t j = 0; j < n; j++) assert_true((unsigned char)text[j] >= ' ');
        assert_true(tfc_utf8_valid(text, n, NULL));
        tfc_text_free(result);
        tfc_text_free(head);
        tfc_text_free(tail);
    }
    hostile_close(&self);
}

/* The host is killed while a call runs: what the call started goes with it. */
static void test_host_dies(const char *backend, const char *args)
{
    hostile self;
    tfc_error err;
    tfc_error_init(&err);
    assert_int_equal(hostile_open(&self, backend, PATIENT_MS, &err), TFC_OK);
    pid_t pid = fork();
    if (pid == 0) {
        char *result;
        tfc_tool_call(&self.tool, args, NULL, &result, &err);
        _exit(0);
    }
    for (int i = 0; i < 1000 && hostile_count(self.marker) == 0; i++) usleep(10000);
    assert_true(hostile_count(self.marker) > 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(hostile_gone(self.marker, 1000));
    hostile_close(&self);
}

static void test_host_dies_argv(void **state)
{
    (void)state;
    test_host_dies("\"argv\": [\"" TFC_HOSTILE_PROBE "\", \"daemon\", \"hangs\"]", "");
}

static void test_host_dies_lines(void **state)
{
    (void)state;
    test_host_dies("\"mode\": \"lines\", \"argv\": [\"" LINES "\"]", "hang");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbours_of_a_death),
        cmocka_unit_test(test_neighbours_of_nonsense),
        cmocka_unit_test(test_neighbours_of_half_a_line),
        cmocka_unit_test(test_neighbours_of_a_flood),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_out_of_order),
        cmocka_unit_test(test_many_argv),
        cmocka_unit_test(test_many_lines),
        cmocka_unit_test(test_results_are_harmless),
        cmocka_unit_test(test_host_dies_argv),
        cmocka_unit_test(test_host_dies_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
