/* Programs that answer wrongly, late, too much or not at all. */
#include "hostile.h"

#define ARGV(...) "\"argv\": [" __VA_ARGS__ "]"
#define SH(script) ARGV("\"sh\", \"-c\", \"" script "\", \"sh\", \"{args}\"")
#define PROBE(deed) ARGV("\"" TFC_HOSTILE_PROBE "\", " deed)
#define JSON_LINES "\"mode\": \"lines\", " ARGV("\"" LINES "\"")
#define EARLY "\"mode\": \"lines\", " ARGV("\"" LINES "\", \"early\"")
#define SAID(deed, status, expected)                                                                         \
    {                                                                                                        \
        "lines: " deed, JSON_LINES, deed, 0, status, expected                                                \
    }
#define LATE(deed, ms)                                                                                       \
    {                                                                                                        \
        "lines: " deed, JSON_LINES, deed, ms, TFC_ETIMEOUT, "deadline"                                       \
    }

static const hostile_case cases[] = {
    /* a program for each call */
    {"hangs", SH("sleep 60"), "", 300, TFC_ETIMEOUT, "killed at its deadline"},
    {"ignores SIGTERM", PROBE("\"deaf\""), "", 300, TFC_ETIMEOUT, "killed at its deadline"},
    {"leaves a child and exits", SH("sleep 60 & echo done"), "", 0, TFC_OK, "done"},
    {"leaves a child without pipes", SH("sleep 60 >&- 2>&- <&- & echo done"), "", 0, TFC_OK, "done"},
    {"a daemon", PROBE("\"daemon\", \"closes\""), "", 0, TFC_OK, "refused"},
    {"a daemon that keeps the pipes", PROBE("\"daemon\", \"keeps\""), "", 0, TFC_OK, "refused"},
    {"a daemon, then hangs", PROBE("\"daemon\", \"hangs\""), "", 500, TFC_ETIMEOUT, "deadline"},
    {"a fork bomb", PROBE("\"bomb\""), "", 500, TFC_ETIMEOUT, "killed at its deadline"},
    {"floods its output", SH("yes"), "", 0, TFC_ELIMIT, "wrote more than 1114112 bytes and was killed"},
    {"floods without a line break", SH("tr '\\\\0' x </dev/zero"), "", 0, TFC_ELIMIT, "wrote more than"},
    {"floods its errors", SH("head -c 50000000 /dev/zero >&2; echo fine"), "", 0, TFC_OK, "fine"},
    {"floods its errors for ever", SH("cat /dev/zero >&2"), "", 400, TFC_ETIMEOUT, "deadline"},
    {"a gigabyte", SH("head -c 1000000000 /dev/zero"), "", 0, TFC_ELIMIT, "wrote more than"},
    {"exits 0 without output", SH("exit 0"), "", 0, TFC_ENORESULT, "gave no output"},
    {"blanks only", SH("printf ' \\\\n\\\\t\\\\n'"), "", 0, TFC_ENORESULT, "gave no output"},
    {"exits 1", SH("exit 1"), "", 0, TFC_EIO, "exited with status 1"},
    {"exits 1 and says why", SH("echo no such city >&2; exit 1"), "", 0, TFC_ENORESULT, "no such city"},
    {"exits 127", SH("no-such-program"), "", 0, TFC_EIO, "exited with status 127: sh: 1: no-such-program"},
    {"dies by a fault", PROBE("\"fault\""), "", 0, TFC_EIO, "was killed by signal 11"},
    {"half an answer, then status 3", SH("printf hal; exit 3"), "", 0, TFC_EIO, "exited with status 3"},
    {"binary", SH("printf '\\\\377\\\\376a\\\\303('"), "", 0, TFC_OK,
     "\xEF\xBF\xBD\xEF\xBF\xBD"
     "a\xEF\xBF\xBD("},
    {"NULs", SH("printf 'a\\\\0b'"), "", 0, TFC_OK,
     "a\xEF\xBF\xBD"
     "b"},
    {"never reads its input", ARGV("\"sleep\", \"60\""), "x", 300, TFC_ETIMEOUT, "deadline"},
    {"closes its input", ARGV("\"sh\", \"-c\", \"exec 0<&-; echo fine\""), "x", 0, TFC_OK, "fine"},
    {"closes its output", SH("exec >&- 2>&-; sleep 60"), "", 300, TFC_ETIMEOUT, "deadline"},
    {"drips", SH("while :; do printf x; sleep 0.1; done"), "", 500, TFC_ETIMEOUT, "deadline"},
    {"shell syntax in arguments", SH("echo $1"), "$(id); `id` && rm -rf / | \\\"", 0, TFC_OK,
     "$(id); `id` &&"},
    {"arguments that look like options", ARGV("\"echo\", \"{args}\""), "--help", 0, TFC_OK, "--help"},
    {"absent", ARGV("\"no-such-program\""), "", 0, TFC_ENOTFOUND, "'no-such-program' is not in PATH"},
    {"absent by its path", ARGV("\"/no/such/program\""), "", 0, TFC_ENOTFOUND, "cannot find the program"},
    {"not executable", ARGV("\"/usr/include/stdio.h\""), "", 0, TFC_EIO, "is not executable"},
    {"a folder", ARGV("\"/usr/bin\""), "", 0, TFC_EIO, "is no file"},
    /* lines */
    LATE("hang", 400),
    LATE("half and hang", 400),
    LATE("drip", 600),
    LATE("flood of blanks", 500),
    SAID("exit", TFC_EIO, "exited with status 0"),
    SAID("exit 7", TFC_EIO, "exited with status 7: licence expired"),
    SAID("fault", TFC_EIO, "was killed by signal"),
    SAID("half", TFC_EIO, "ended in the middle of a line"),
    SAID("unknown id", TFC_EIO, "answered the request 1001, which it does not hold"),
    SAID("negative id", TFC_EIO, "was killed for its answer"),
    SAID("huge id", TFC_EIO, "was killed for its answer"),
    SAID("id as text", TFC_EIO, "was killed for its answer"),
    SAID("fraction", TFC_EIO, "was killed for its answer"),
    SAID("no json", TFC_EIO, "was killed for its answer"),
    SAID("binary", TFC_EIO, "was killed for its answer"),
    SAID("nul", TFC_EIO, "NUL"),
    SAID("invalid utf-8", TFC_OK, "a\xEF\xBF\xBD\xEF\xBF\xBD(b\xEF\xBF\xBD"),
    SAID("escaped nul", TFC_OK,
         "a\xEF\xBF\xBD"
         "b"),
    SAID("deep", TFC_EIO, "was killed for its answer"),
    SAID("duplicate keys", TFC_EIO, "was killed for its answer"),
    SAID("result and error", TFC_EIO, "more than one of result, error, failure"),
    SAID("number", TFC_EIO, "was killed for its answer"),
    SAID("array", TFC_EIO, "object expected"),
    SAID("gigabyte", TFC_EIO, "wrote a line of more than 1114112 bytes"),
    SAID("flood of lines", TFC_EIO, "answered the request 999999999"),
    SAID("flood of errors", TFC_OK, "after the flood"),
    SAID("close stdin", TFC_OK, "deaf"),
    SAID("close stdout", TFC_EIO, "closed its input or output"),
    SAID("empty", TFC_ENORESULT, "empty answer"),
    SAID("failure", TFC_EIO, "the disk is full"),
    SAID("twice", TFC_OK, "first"),
    {"lines: before being asked", EARLY, "x", 0, TFC_EIO, "which it does not hold"},
    {"lines: absent", "\"mode\": \"lines\", " ARGV("\"no-such-program\""), "", 0, TFC_ENOTFOUND, "PATH"},
    {"lines: no such thing", "\"mode\": \"lines\", " ARGV("\"false\""), "", 0, TFC_EIO,
     "exited with status 1"},
    {"lines: echoes the request", "\"mode\": \"lines\", " ARGV("\"cat\""), "x", 0, TFC_EIO, "killed for"},
};

static void run_case(void **state)
{
    const hostile_case *c = *state;
    hostile_run(c, c->backend);
}

int main(void)
{
    enum { N = sizeof cases / sizeof *cases };
    static struct CMUnitTest tests[N];
    for (size_t i = 0; i < N; i++)
        tests[i] = (struct CMUnitTest){
            .name = cases[i].name, .test_func = run_case, .initial_state = (void *)(uintptr_t)&cases[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
