/* Programs that want out: files, network, signals, memory of others, descriptors, kernel. Each with every set
 * of layers that a machine may have (as far as this one has them). */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "hostile.h"

#define PROBE(deed) "\"argv\": [\"" TFC_HOSTILE_PROBE "\", " deed "]"
#define REFUSED(name, deed)                                                                                  \
    {                                                                                                        \
        name, PROBE(deed), "", 0, TFC_OK, "refused"                                                          \
    }

static const hostile_case cases[] = {
    REFUSED("reads files that are not named",
            "\"read\", \":/etc/passwd\", \":/etc/shadow\", \":/etc/hostname\", \":/root\", \":/home\", "
            "\":@HOME@\", \":@FOLDER@\", \":@FOLDER@/secret\", \":/var/log\", \":/dev/sda\", \":/dev/vda\", "
            "\":/proc/kcore\", \":/sys/class\", \":/dev/mem\""),
    REFUSED("writes", "\"create\", \":/tmp\", \":/usr\", \":/\", \":/dev\", \":/dev/shm\", \":/etc\", "
                      "\":@HOME@\", \":@FOLDER@\", \":/var/tmp\", \":/usr/bin/env\", \":@PROBE@\", "
                      "\":/proc/sys/kernel/core_pattern\", \":/proc/self/uid_map\""),
    REFUSED("changes a file", "\"write\", \":@FOLDER@/secret\""),
    REFUSED("other names for a file", "\"tricks\", \":@FOLDER@/secret\""),
    REFUSED("inherited descriptors", "\"fds\""),
    REFUSED("secrets in the environment", "\"environment\", \"TFC_SECRET\", \":@HOME@\""),
    REFUSED("network", "\"network\", \"@PORT@\", \"@ABSTRACT@\", \"none\", \":@SOCKET@\""),
    REFUSED("signals", "\"signals\", \"@PID@\""),
    REFUSED("peeks into the host", "\"peek\", \"@PID@\""),
    REFUSED("the kernel's doors", "\"kernel\""),
    REFUSED("raises its limits", "\"limits\""),
    {"memory without end", PROBE("\"memory\", \"200\"") ", \"memory_mb\": 100", "", 0, TFC_OK, "refused"},
    {"a file without end", PROBE("\"file\", \"20\"") ", \"file_mb\": 10", "", 0, TFC_OK, "refused"},
    {"a file that is named",
     PROBE("\"read\", \":@FOLDER@/secret\"") ", \"files\": {\"read\": [\"@FOLDER@\"]}", "", 0, TFC_OK,
     "escaped: @FOLDER@/secret"},
    {"a named file is not written",
     PROBE("\"write\", \":@FOLDER@\", \":@FOLDER@/secret\"") ", \"files\": {\"read\": [\"@FOLDER@\"]}", "", 0,
     TFC_OK, "refused"},
    {"a folder that is named",
     PROBE("\"create\", \":@FOLDER@/open\"") ", \"files\": {\"write\": [\"@FOLDER@/open\"]}", "", 0, TFC_OK,
     "escaped: @FOLDER@/open"},
    {"a named folder does not open another",
     PROBE("\"tricks\", \":@FOLDER@/secret\"") ", \"files\": {\"write\": [\"@FOLDER@/open\"]}", "", 0, TFC_OK,
     "refused"},
    {"network where it is named",
     PROBE("\"network\", \"@PORT@\", \"@ABSTRACT@\", \"own\", \":@SOCKET@\"") ", \"network\": true", "", 0,
     TFC_OK, "escaped: TCP\nescaped: UDP"},
    {"without a sandbox all of it succeeds",
     PROBE("\"read\", \":@FOLDER@/secret\"") ", \"sandbox\": \"none\"", "", 0, TFC_OK,
     "escaped: @FOLDER@/secret"},
    {"a variable that is named", "\"argv\": [\"sh\", \"-c\", \"echo $TFC_HOSTILE\"]", "", 0, TFC_OK, "-"},
    {"scratch is a folder of its own",
     "\"argv\": [\"sh\", \"-c\", \"ls -A; touch x; ls -A; pwd; echo $HOME\"]", "", 0, TFC_OK, "x\n"},
};
/* bubblewrap's root has folders of these names. */
static const hostile_case folders =
    REFUSED("lists folders that are not named", "\"read\", \":/\", \":/tmp\", \":/dev/shm\", \":/etc\"");
/* A namespace counts the processes of root too; without one the kernel limits those of other users only. */
static const hostile_case forks = {"processes without end",
                                   PROBE("\"forks\", \"1000\"") ", \"max_processes\": 50",
                                   "",
                                   0,
                                   TFC_OK,
                                   "refused"};

static hostile_value values[] = {{"@PID@", ""},    {"@PORT@", ""},   {"@ABSTRACT@", ""},
                                 {"@SOCKET@", ""}, {"@FOLDER@", ""}, {"@PROBE@", TFC_HOSTILE_PROBE},
                                 {"@HOME@", ""}};
enum { N_VALUES = sizeof values / sizeof *values };
static volatile sig_atomic_t n_signals;
static int n_connections;
static int listeners[4]; /* TCP, UDP, abstract, file */

static void on_signal(int number)
{
    (void)number;
    n_signals++;
}

static char *value(const char *name)
{
    for (size_t i = 0; i < N_VALUES; i++)
        if (strcmp(values[i].name, name) == 0) return values[i].text;
    fail_msg("no value %s", name);
    return NULL;
}

static void listen_unix(int i, const char *path, bool abstract)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path + abstract, sizeof name.sun_path - abstract, "%s", path);
    socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path) + !abstract);
    listeners[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listeners[i], (struct sockaddr *)&name, n), 0);
    assert_int_equal(listen(listeners[i], 8), 0);
}

/* What there is to steal and to disturb. */
static int set_up(void **state)
{
    (void)state;
    char path[4200];
    snprintf(value("@PID@"), 20, "%d", getpid());
    snprintf(value("@ABSTRACT@"), 100, "tfc-hostile-%d", getpid());
    snprintf(value("@HOME@"), 4096, "%s", getenv("HOME") ? getenv("HOME") : "/root");
    /* Not under /tmp, so that the probe's own folder (the build's) is no way to it. */
    snprintf(value("@FOLDER@"), 4096, "/var/tmp/tfc-hostile-XXXXXX");
    assert_non_null(mkdtemp(value("@FOLDER@")));
    snprintf(path, sizeof path, "%s/open", value("@FOLDER@"));
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/secret", value("@FOLDER@"));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("secret", file);
    fclose(file);
    /* Left open over the fork on purpose. */
    assert_true(open(path, O_RDWR) > 2);
    assert_int_equal(dup2(open(path, O_RDONLY), 900), 900);
    setenv("TFC_SECRET", "secret", 1);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof here;
    listeners[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listeners[0], (struct sockaddr *)&here, n), 0);
    assert_int_equal(listen(listeners[0], 8), 0);
    assert_int_equal(getsockname(listeners[0], (struct sockaddr *)&here, &n), 0);
    listeners[1] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listeners[1], (struct sockaddr *)&here, n), 0);
    snprintf(value("@PORT@"), 20, "%d", ntohs(here.sin_port));
    snprintf(value("@SOCKET@"), 100, "/tmp/tfc-hostile-%d.socket", getpid());
    listen_unix(2, value("@ABSTRACT@"), true);
    listen_unix(3, value("@SOCKET@"), false);
    for (int i = 1; i < 64; i++)
        if (i == SIGUSR1 || i == SIGIO) signal(i, on_signal);
    prctl(PR_SET_DUMPABLE, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s' '%s'", value("@FOLDER@"), value("@SOCKET@"));
    for (int i = 0; i < 4; i++) close(listeners[i]);
    return system(command);
}

/* Connections and datagrams that came in. */
static int count_connections(void)
{
    char byte;
    int n = 0;
    for (int i = 0; i < 4; i++) {
        int fd;
        while (i != 1 && (fd = accept(listeners[i], NULL, NULL)) >= 0) n++, close(fd);
        while (i == 1 && recv(listeners[i], &byte, 1, 0) >= 0) n++;
    }
    return n;
}

static void run_case(void **state)
{
    const hostile_case *c = *state;
    hostile_case filled = *c;
    char *backend = hostile_fill(c->backend, values, N_VALUES);
    char *expected = hostile_fill(c->expected, values, N_VALUES);
    filled.expected = expected;
    n_signals = 0;
    count_connections();
    hostile_run(&filled, backend);
    n_connections = count_connections();
    tfc_free(backend);
    tfc_free(expected);
    if (n_signals) fail_msg("%d signals came through", (int)n_signals);
    bool allowed = strstr(c->backend, "\"network\": true") != NULL;
    if (n_connections != (allowed ? 2 : 0)) fail_msg("%d connections", n_connections);
    char path[4200], text[20] = "";
    snprintf(path, sizeof path, "%s/secret", value("@FOLDER@"));
    FILE *file = fopen(path, "r");
    if (!file || !fgets(text, sizeof text, file) || strcmp(text, "secret") != 0)
        fail_msg("the secret is changed");
    fclose(file);
}

static void run_layers(const char *name, tfc_sandbox_info info, int *failed)
{
    enum { N = sizeof cases / sizeof *cases };
    static struct CMUnitTest tests[N + 2];
    static char names[N + 2][120];
    size_t n = 0;
    for (size_t i = 0; i < N; i++, n++) {
        snprintf(names[n], sizeof names[n], "%s: %s", name, cases[i].name);
        tests[n] = (struct CMUnitTest){
            .name = names[n], .test_func = run_case, .initial_state = (void *)(uintptr_t)&cases[i]};
    }
    const hostile_case *more[] = {info.landlock_abi ? &folders : NULL,
                                  geteuid() != 0 || (info.namespaces && info.landlock_abi) ? &forks : NULL};
    for (size_t i = 0; i < 2; i++) {
        if (!more[i]) continue;
        snprintf(names[n], sizeof names[n], "%s: %s", name, more[i]->name);
        tests[n] = (struct CMUnitTest){
            .name = names[n], .test_func = run_case, .initial_state = (void *)(uintptr_t)more[i]};
        n++;
    }
    tfc_sandbox_pretend(&info);
    *failed += _cmocka_run_group_tests(name, tests, n, set_up, tear_down);
}

int main(void)
{
    tfc_sandbox_info machine = tfc_sandbox_get_info(), some = machine;
    int failed = 0;
    if (!machine.landlock_abi || !machine.seccomp) {
        printf("this machine has no Landlock or no seccomp: nothing is started, nothing is tested\n");
        return 77;
    }
    run_layers("all layers", machine, &failed);
    some.namespaces = false;
    if (machine.namespaces) run_layers("without namespaces", some, &failed);
    some.landlock_abi = 1;
    run_layers("Landlock's first version", some, &failed);
    some = machine;
    some.landlock_abi = 0;
    if (machine.namespaces && machine.bubblewrap)
        run_layers("bubblewrap", some, &failed);
    else
        printf("no bubblewrap here: it is not tested\n");
    return failed != 0;
}
