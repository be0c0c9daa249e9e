/* MT: mode files, the stream, pipelines that hang, die or lie, and the real pairs where they are installed.
 */
#include "cases.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/apertium.h"
#include "tools/mode_file.h"
#include "tools/process.h"

static const int64_t second = 1000000000;

static tfc_status read_mode(const char *text, tfc_mode *mode, tfc_arena *arena, tfc_error *err)
{
    tfc_error_init(err);
    *mode = (tfc_mode){.n_stages = 0};
    return tfc_mode_read(text, strlen(text), true, arena, mode, err);
}

static void test_mode_file(void **state)
{
    (void)state;
    tfc_arena arena = {0};
    tfc_mode mode;
    tfc_error err;
    assert_int_equal(
        read_mode("lt-proc -w '/a b/x.bin' | apertium-tagger -g $2 \"/y.prob\"|lt-proc $1 /z'.bin'\n", &mode,
                  &arena, &err),
        TFC_OK);
    assert_int_equal(mode.n_stages, 3);
    static const char *const words[][6] = {{"lt-proc", "-z", "-w", "/a b/x.bin", NULL},
                                           {"apertium-tagger", "-z", "-g", "/y.prob", NULL},
                                           {"lt-proc", "-z", "-g", "/z.bin", NULL}};
    for (size_t s = 0; s < 3; s++)
        for (size_t w = 0; w < 5; w++) {
            if (words[s][w])
                assert_string_equal(mode.stages[s][w], words[s][w]);
            else
                assert_null(mode.stages[s][w]);
        }
    static const struct {
        const char *text, *reason;
    } bad[] = {
        {"", "a program is missing"},
        {"  \n", "a program is missing"},
        {"lt-proc a |", "a program is missing"},
        {"| lt-proc a", "a program is missing"},
        {"lt-proc a || lt-proc b", "a program is missing"},
        {"lt-proc 'a", "the quote is not closed"},
        {"lt-proc \"a$HOME\"", "only plain text"},
        {"lt-proc $3", "$1 or $2 expected"},
        {"lt-proc $", "$1 or $2 expected"},
        {"lt-proc a; rm b", "';' is for a shell"},
        {"lt-proc a > b", "'>' is for a shell"},
        {"lt-proc `id`", "'`' is for a shell"},
        {"lt-proc a & lt-proc b", "'&' is for a shell"},
        {"sh -c id", "the program 'sh' is not one"},
        {"/usr/bin/lt-proc a", "is not one of Apertium's"},
        {"$1 a", "is not one of Apertium's"},
        {"lt-proc a\x01", "is for a shell"},
        {"lt-proc 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "too many words"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(read_mode(bad[i].text, &mode, &arena, &err), TFC_OK);
        if (!strstr(err.message, bad[i].reason)) fail_msg("'%s' says '%s'", bad[i].text, err.message);
    }
    char many[2000] = "lt-proc a";
    for (int i = 0; i < TFC_MODE_STAGES_MAX; i++) strcat(many, "|lt-proc a");
    assert_int_equal(read_mode(many, &mode, &arena, &err), TFC_ELIMIT);
    tfc_arena_release(&arena);
}

static void test_stream(void **state)
{
    (void)state;
    tfc_buffer request;
    tfc_buffer_init(&request, 0);
    tfc_apertium_request("a [b] {c}\n$5 \\ d/e @f <g> ^h", 28, "n1", &request);
    assert_string_equal(request.data, "a \\[b\\] \\{c\\} \\$5 \\\\ d\\/e \\@f \\<g\\> \\^h.[][n1]");
    static const struct {
        const char *answer, *text; /* NULL: another request's */
        size_t n_words, n_unknown;
    } cases[] = {
        {"The turtle.[][n1]", "The turtle", 2, 0},
        {"The turtle.[] [n1]\n", "The turtle", 2, 0},
        {"The *tortuga eats @pescado #go.[][n1]", "The tortuga eats pescado go", 5, 2},
        {"5 * 3 costs \\$5 \\[sic\\] a\\/b[][n1]", "5 * 3 costs $5 [sic] a/b", 7, 0},
        {"What?.[][n1]", "What?", 1, 0},
        {"I  do not   know.[][n1]", "I do not know", 4, 0},
        {"a[ blank ]b.[][n1]", "ab", 1, 0},
        {"[n1]", "", 0, 0},
        {"The turtle.[][n2]", NULL, 0, 0},
        {"The turtle", NULL, 0, 0},
        {"", NULL, 0, 0},
        {"The turtle.[][n1] and more", NULL, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tfc_translation out;
        tfc_error err;
        tfc_status status = tfc_apertium_answer(cases[i].answer, strlen(cases[i].answer), "n1", &out, &err);
        assert_int_equal(status, cases[i].text ? TFC_OK : TFC_EIO);
        if (!cases[i].text) continue;
        assert_string_equal(out.text, cases[i].text);
        assert_int_equal(out.n_words, cases[i].n_words);
        assert_int_equal(out.n_unknown, cases[i].n_unknown);
        tfc_free(out.text);
    }
    tfc_buffer_release(&request);
}

/* A folder with a mode es-en of one program, and that program as a script. */
typedef struct fake {
    char folder[40];
    tfc_apertium *apertium;
} fake;

static void fake_open(fake *f, const char *script)
{
    char path[80], mode[] = "lt-proc 'x' | lt-proc 'y'\n", text[2000];
    strcpy(f->folder, "/tmp/tfc-mt-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(path, sizeof path, "%s/spa-eng.mode", f->folder);
    assert_int_equal(tfc_file_write_whole(path, mode, sizeof mode - 1, NULL), TFC_OK);
    snprintf(path, sizeof path, "%s/lt-proc", f->folder);
    int n = snprintf(text, sizeof text,
                     "#!/usr/bin/python3\nimport os, sys, time\n"
                     "if sys.argv[2] == 'y': os.execv('/bin/cat', ['cat'])\n%s\n",
                     script);
    assert_int_equal(tfc_file_write_whole(path, text, (size_t)n, NULL), TFC_OK);
    assert_int_equal(chmod(path, 0755), 0);
    tfc_error err;
    tfc_error_init(&err);
    f->apertium = tfc_apertium_open(f->folder, f->folder, &err);
    if (!f->apertium) fail_msg("%s", err.message);
}

static void fake_close(fake *f)
{
    char path[80];
    tfc_apertium_close(f->apertium);
    snprintf(path, sizeof path, "%s/spa-eng.mode", f->folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/lt-proc", f->folder);
    unlink(path);
    rmdir(f->folder);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, not even a dead one */
}

/* One call with so many milliseconds; checks that it came back in time. */
static tfc_status ask(tfc_apertium *apertium, const char *text, int ms, char **out, tfc_error *err)
{
    tfc_translation translation;
    tfc_error_init(err);
    int64_t deadline = tfc_monotonic_ns() + (int64_t)ms * 1000000;
    tfc_status status =
        tfc_apertium_translate(apertium, "es", text, strlen(text), deadline, &translation, err);
    assert_true(tfc_monotonic_ns() < deadline + second);
    *out = translation.text;
    return status;
}

#define READ "data = b''\nwhile not data.endswith(b'\\0'): data += os.read(0, 4096)\n"

static void test_hostile(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        tfc_status status;
        const char *reason;
        int ms;
    } cases[] = {
        {READ "time.sleep(60)", TFC_ETIMEOUT, "no answer by the deadline", 1500},
        {"time.sleep(60)", TFC_ETIMEOUT, "no answer by the deadline", 1500},
        {READ "sys.exit(3)", TFC_EIO, "lt-proc (1 of 2) exited with status 3", 10000},
        {READ "os.kill(os.getpid(), 11)", TFC_EIO, "lt-proc (1 of 2) was killed by signal 11", 10000},
        {READ "os.write(1, data[:5]); sys.exit(0)", TFC_EIO, "(1 of 2) exited with status 0", 10000},
        {READ "os.write(1, b'other.[][tfc-99]\\0'); time.sleep(60)", TFC_EIO, "another request's", 10000},
        {READ "os.write(1, data + data); time.sleep(60)", TFC_EIO, "goes on behind its end", 10000},
        {READ "os.write(1, b'no nonce\\0'); time.sleep(60)", TFC_EIO, "another request's", 10000},
        {READ "\nwhile True: os.write(1, b'a' * 4096)", TFC_ELIMIT, "", 10000},
        {"os.close(0); time.sleep(60)", TFC_ETIMEOUT, "", 1500},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake f;
        tfc_error err;
        char *out;
        fake_open(&f, cases[i].script);
        tfc_status status = ask(f.apertium, "hola", cases[i].ms, &out, &err);
        if (cases[i].reason[0] && !strstr(err.message, cases[i].reason))
            fail_msg("case %zu says '%s'", i, err.message);
        if (strstr(cases[i].script, "os.close(0)"))
            assert_true(status == TFC_ETIMEOUT || status == TFC_EIO);
        else
            assert_int_equal(status, cases[i].status);
        assert_null(out);
        fake_close(&f);
    }
}

/* One that answers once and then dies is started again for the next question; a long text passes too. */
static void test_restart(void **state)
{
    (void)state;
    fake f;
    tfc_error err;
    char *out;
    fake_open(&f, READ "os.write(1, data); sys.exit(0)");
    for (int i = 0; i < 3; i++) {
        if (ask(f.apertium, "hola", 10000, &out, &err) != TFC_OK) fail_msg("%s", err.message);
        assert_string_equal(out, "hola");
        tfc_free(out);
    }
    fake_close(&f);
    fake_open(&f, "os.execv('/bin/cat', ['cat'])");
    char *text = tfc_alloc(1, 200001);
    memset(text, 'a', 200000);
    text[200000] = '\0';
    assert_int_equal(ask(f.apertium, text, 10000, &out, &err), TFC_OK);
    assert_string_equal(out, text);
    tfc_free(out);
    tfc_free(text);
    fake_close(&f);
}

static void test_missing(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    assert_null(tfc_apertium_open("/nonexistent", NULL, &err));
    assert_int_equal(err.status, TFC_ENOTFOUND);
    assert_non_null(strstr(err.message, "setup-mt.sh"));
    fake f;
    char *out, path[80];
    fake_open(&f, "");
    snprintf(path, sizeof path, "%s/lt-proc", f.folder);
    unlink(path);
    assert_int_equal(ask(f.apertium, "hola", 1000, &out, &err), TFC_ENOTFOUND);
    assert_non_null(strstr(err.message, "cannot start"));
    fake_close(&f);
}

static tfc_apertium *open_real(void)
{
    tfc_apertium *apertium = tfc_apertium_open(tfc_apertium_modes, NULL, NULL);
    if (apertium && tfc_apertium_knows(apertium, "es")) return apertium;
    tfc_apertium_close(apertium);
    print_message("skipped: Apertium's pair from Spanish is not installed (scripts/setup-mt.sh)\n");
    skip();
    return NULL;
}

static const char *const spanish[] = {
    "La tortuga come pescado en la playa",
    "El perro negro duerme",
    "Mi hermana vive en una casa blanca",
    "Los libros son caros",
    "¿Dónde está la biblioteca?",
    "La noche es larga",
    "Tengo dos gatos",
    "El agua está fría",
};
enum { N_SPANISH = sizeof spanish / sizeof *spanish };

static void test_real(void **state)
{
    (void)state;
    tfc_apertium *apertium = open_real();
    tfc_error err;
    char *out;
    assert_int_equal(ask(apertium, "La casa verde no tiene ventanas", 20000, &out, &err), TFC_OK);
    assert_string_equal(out, "The green house does not have windows");
    tfc_free(out);
    tfc_translation translation;
    assert_int_equal(tfc_apertium_translate(apertium, "es", "la xyzzyq come", 14, 0, &translation, &err),
                     TFC_OK);
    assert_int_equal(translation.n_unknown, 1);
    assert_null(strchr(translation.text, '*'));
    tfc_free(translation.text);
    assert_false(tfc_apertium_knows(apertium, "en"));
    assert_int_equal(tfc_apertium_translate(apertium, "xx", "a", 1, 0, &translation, &err), TFC_ENOTFOUND);
    if (tfc_apertium_knows(apertium, "fr")) {
        assert_int_equal(tfc_apertium_translate(apertium, "fr", "sûreté nucléaire",
                                                strlen("sûreté nucléaire"), 0, &translation, &err),
                         TFC_OK);
        assert_string_equal(translation.text, "Nuclear security");
        tfc_free(translation.text);
    }
    tfc_apertium_close(apertium);
}

/* Sends a signal to every child of this process. */
static int signal_children(int signal)
{
    char path[64], *list;
    size_t n;
    int count = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    if (tfc_file_read(path, 1 << 16, &list, &n, NULL) != TFC_OK) return 0;
    for (char *at = list; *at; at += strspn(at, " ")) {
        pid_t pid = (pid_t)strtol(at, &at, 10);
        count += pid > 0 && kill(pid, signal) == 0;
    }
    tfc_free(list);
    return count;
}

static void test_killed_and_stopped(void **state)
{
    (void)state;
    tfc_apertium *apertium = open_real();
    tfc_error err;
    char *out;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(apertium, "Tengo dos gatos", 20000, &out, &err), TFC_OK);
        tfc_free(out);
        assert_true(signal_children(SIGKILL) > 3); /* found dead: started again without a word */
    }
    assert_int_equal(ask(apertium, "Tengo dos gatos", 20000, &out, &err), TFC_OK);
    tfc_free(out);
    assert_true(signal_children(SIGSTOP) > 3);
    assert_int_equal(ask(apertium, "Tengo dos gatos", 700, &out, &err), TFC_ETIMEOUT);
    assert_int_equal(ask(apertium, "Tengo dos gatos", 20000, &out, &err), TFC_OK);
    assert_string_equal(out, "Have two cats");
    tfc_free(out);
    tfc_apertium_close(apertium);
}

typedef struct asker {
    tfc_apertium *apertium;
    char **expected;
    int first;
} asker;

static void *ask_many(void *context)
{
    const asker *a = context;
    for (int i = 0; i < 100; i++) {
        int s = (a->first + i) % N_SPANISH;
        tfc_translation translation;
        assert_int_equal(
            tfc_apertium_translate(a->apertium, "es", spanish[s], strlen(spanish[s]), 0, &translation, NULL),
            TFC_OK);
        assert_string_equal(translation.text, a->expected[s]);
        tfc_free(translation.text);
    }
    return NULL;
}

/* Answers are never mixed up. */
static void test_threads(void **state)
{
    (void)state;
    tfc_apertium *apertium = open_real();
    tfc_error err;
    char *expected[N_SPANISH];
    pthread_t threads[8];
    asker askers[8];
    for (int i = 0; i < N_SPANISH; i++)
        assert_int_equal(ask(apertium, spanish[i], 20000, &expected[i], &err), TFC_OK);
    for (int t = 0; t < 8; t++) {
        askers[t] = (asker){apertium, expected, t};
        assert_int_equal(pthread_create(&threads[t], NULL, ask_many, &askers[t]), 0);
    }
    for (int t = 0; t < 8; t++) pthread_join(threads[t], NULL);
    for (int i = 0; i < N_SPANISH; i++) tfc_free(expected[i]);
    tfc_apertium_close(apertium);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mode_file),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_killed_and_stopped),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("mt", tests, NULL, NULL);
}
