/* A program that tries what it may not. `hostile_probe DEED ARGUMENTS…` says on its standard output
 * "escaped" or "refused", and how; it is made without sanitizers, which reserve more memory than limits
 * allow. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int n_escapes;

static void tell(const char *deed, int escaped)
{
    n_escapes += escaped != 0;
    if (escaped) printf("escaped: %s\n", deed);
}

static int try_read(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY);
    int got = fd >= 0 && read(fd, &byte, 1) == 1;
    DIR *folder = opendir(path);
    if (fd >= 0) close(fd);
    if (folder) closedir(folder);
    return got || folder != NULL;
}

/* Never anything that would do harm if it succeeded: a new file goes away again. */
static int try_create(const char *path)
{
    char file[4096];
    snprintf(file, sizeof file, "%s/hostile-was-here", path);
    int fd = open(path, O_WRONLY | O_APPEND), made = open(file, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (made >= 0) unlink(file);
    int folder = mkdir(file, 0700) == 0;
    if (folder) rmdir(file);
    return fd >= 0 || made >= 0 || folder;
}

/* Ways around the name. */
static void deed_tricks(char **argv)
{
    char path[4096];
    const char *name = argv[0];
    tell("symlink", symlink(name, "link") == 0 && try_read("link"));
    tell("hard link", link(name, "hard") == 0);
    snprintf(path, sizeof path, "/proc/self/root%s", name);
    tell("/proc/self/root", try_read(path));
    snprintf(path, sizeof path, "/proc/1/root%s", name);
    tell("/proc/1/root", try_read(path));
    snprintf(path, sizeof path, "/proc/%d/root%s", getppid(), name);
    tell("/proc/PPID/root", try_read(path));
    snprintf(path, sizeof path, "../../../../..%s", name);
    tell("dots", try_read(path));
    symlink("/", "slash");
    snprintf(path, sizeof path, "slash%s", name);
    tell("symlink to /", try_read(path));
    tell("rename", rename(name, "moved") == 0);
    tell("exchange", syscall(SYS_renameat2, AT_FDCWD, name, AT_FDCWD, "link", 2) == 0);
    tell("O_PATH", openat(open(name, O_PATH), "", O_RDONLY) >= 0);
    tell("truncate", truncate(name, 0) == 0);
    tell("chmod", chmod(name, 0777) == 0 && try_read(name));
}

static void deed_descriptors(char **argv)
{
    (void)argv;
    char byte;
    for (int fd = 3; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0) tell("an open descriptor", 1), tell("read", pread(fd, &byte, 1, 0) == 1);
}

static void deed_network(char **argv)
{
    int port = atoi(argv[0]);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "%s", argv[1]);
    socklen_t n_name = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[1]));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    tell("TCP", fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_port = 0;
    tell("listening", fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof to) == 0 && listen(fd, 1) == 0 &&
                          strcmp(argv[2], "own") != 0);
    to.sin_port = htons((uint16_t)port);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    tell("UDP", fd >= 0 && sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    tell("an abstract socket", fd >= 0 && connect(fd, (struct sockaddr *)&name, n_name) == 0);
    snprintf(name.sun_path, sizeof name.sun_path, "%s", argv[3]);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    tell("a socket in the file system", fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name) == 0);
    fd = socket(AF_INET | (int)0x40000000, SOCK_STREAM, 0);
    tell("a family with more bits", fd >= 0);
}

static void deed_signals(char **argv)
{
    pid_t pid = (pid_t)atoi(argv[0]), parent = getppid();
    int signal_number = SIGUSR1;
    kill(pid, signal_number);
    kill(-pid, signal_number);
    if (parent > 0) kill(parent, signal_number);
    syscall(SYS_tkill, pid, signal_number);
    syscall(SYS_tgkill, pid, pid, signal_number);
    union sigval value = {0};
    sigqueue(pid, signal_number, value);
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    tell("a pidfd's signal", fd >= 0 && syscall(SYS_pidfd_send_signal, fd, signal_number, NULL, 0) == 0);
    fcntl(0, F_SETOWN, pid);
    fcntl(0, F_SETSIG, signal_number);
    fcntl(0, F_SETFL, O_ASYNC);
    struct rlimit low = {100, 100};
    tell("limits", prlimit(pid, RLIMIT_NOFILE, &low, NULL) == 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    tell("affinity", sched_setaffinity(pid, sizeof one, &one) == 0);
    tell("priority", setpriority(PRIO_PROCESS, (id_t)pid, 19) == 0);
    signal(SIGUSR1, SIG_IGN);
    kill(-1, signal_number);
}

static void deed_peek(char **argv)
{
    pid_t pid = (pid_t)atoi(argv[0]);
    char path[64], byte;
    static const char *const files[] = {"mem", "environ", "maps", "cwd", "fd", "root", "exe", "auxv"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
        tell(path, try_read(path));
    }
    tell("ptrace", ptrace(PTRACE_SEIZE, pid, 0, 0) == 0);
    struct iovec here = {&byte, 1}, there = {argv, 1};
    tell("process_vm_readv", process_vm_readv(pid, &here, 1, &there, 1, 0) == 1);
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    tell("pidfd_getfd", fd >= 0 && syscall(SYS_pidfd_getfd, fd, 0, 0) >= 0);
}

static int nothing(void *context)
{
    (void)context;
    return 0;
}

static void deed_kernel(char **argv)
{
    (void)argv;
    static char stack[65536];
    tell("unshare", unshare(CLONE_NEWUSER) == 0);
    tell("clone", clone(nothing, stack + sizeof stack, CLONE_NEWUSER | SIGCHLD, NULL) > 0);
    tell("mount", mount("x", ".", "tmpfs", 0, "") == 0);
    tell("bind", mount("/etc", ".", NULL, MS_BIND, NULL) == 0);
    tell("umount", umount2(".", MNT_DETACH) == 0);
    tell("chroot", chroot(".") == 0);
    tell("setns", setns(open("/proc/self/ns/user", O_RDONLY), 0) == 0);
    tell("keyctl", syscall(SYS_keyctl, 0, -3, 1) >= 0);
    tell("bpf", syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno != EPERM);
    tell("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) >= 0 || errno != EPERM);
    tell("userfaultfd", syscall(SYS_userfaultfd, 0) >= 0);
    tell("io_uring", syscall(SYS_io_uring_setup, 4, NULL) >= 0 || errno != EPERM);
    tell("memfd_create", syscall(SYS_memfd_create, "x", 0) >= 0);
    tell("setuid", setuid(12345) == 0);
    tell("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1);
    tell("personality of a device", mknod("device", S_IFCHR | 0600, (1 << 8) | 1) == 0);
}

static void deed_limits(char **argv)
{
    (void)argv;
    static const int limits[] = {RLIMIT_AS, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_CORE};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit now, more = {RLIM_INFINITY, RLIM_INFINITY};
        getrlimit((__rlimit_resource_t)limits[i], &now);
        tell("no limit", now.rlim_max == RLIM_INFINITY);
        tell("a raised limit", setrlimit((__rlimit_resource_t)limits[i], &more) == 0);
    }
}

static void deed_memory(char **argv)
{
    size_t most = (size_t)atoi(argv[0]), n = 0;
    char *block;
    for (; n <= most && (block = malloc(1 << 20)); n++) memset(block, 1, 1 << 20);
    tell("memory beyond the limit", n > most);
}

static void deed_file(char **argv)
{
    size_t most = (size_t)atoi(argv[0]), n = 0;
    static char block[1 << 20];
    signal(SIGXFSZ, SIG_IGN);
    int fd = open("big", O_CREAT | O_WRONLY, 0600);
    while (n <= most && write(fd, block, sizeof block) == (ssize_t)sizeof block) n++;
    tell("a file beyond the limit", n > most || fd < 0);
}

static void deed_forks(char **argv)
{
    int most = atoi(argv[0]), n = 0;
    for (; n <= most; n++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (;;) pause();
        }
        if (pid < 0) break;
    }
    tell("processes beyond the limit", n > most);
}

/* A process that has nothing more to do with this one. `keeps`: it keeps the pipes. */
static void deed_daemon(char **argv)
{
    if (fork() == 0) {
        setsid();
        if (fork() != 0) _exit(0);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        if (strcmp(argv[0], "keeps") != 0)
            for (int fd = 0; fd < 3; fd++) close(fd);
        for (int i = 0; i < 60; i++) sleep(1);
        _exit(0);
    }
    wait(NULL);
    if (strcmp(argv[0], "hangs") == 0) pause();
}

static void deed_deaf(char **argv)
{
    (void)argv;
    for (int i = 1; i < 64; i++) signal(i, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (;;) pause();
}

static void deed_bomb(char **argv)
{
    (void)argv;
    for (;;) fork();
}

static void deed_fault(char **argv)
{
    (void)argv;
    *(volatile int *)(uintptr_t)(argv == NULL) = 1;
}

static void deed_read(char **argv)
{
    for (; *argv; argv++) tell(*argv, try_read(*argv));
}

static void deed_create(char **argv)
{
    for (; *argv; argv++) tell(*argv, try_create(*argv));
}

/* Files of the test's own. */
static void deed_write(char **argv)
{
    for (; *argv; argv++) {
        tell(*argv, try_create(*argv));
        tell("truncate", truncate(*argv, 0) == 0);
        tell("unlink", unlink(*argv) == 0);
    }
}

static void deed_environment(char **argv)
{
    tell(argv[0], getenv(argv[0]) != NULL);
    tell("a home", strcmp(getenv("HOME"), argv[1]) == 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(char **argv);
    } deeds[] = {
        {"read", deed_read},       {"write", deed_write},     {"create", deed_create},
        {"tricks", deed_tricks},   {"fds", deed_descriptors}, {"network", deed_network},
        {"signals", deed_signals}, {"peek", deed_peek},       {"kernel", deed_kernel},
        {"limits", deed_limits},   {"memory", deed_memory},   {"file", deed_file},
        {"forks", deed_forks},     {"daemon", deed_daemon},   {"deaf", deed_deaf},
        {"bomb", deed_bomb},       {"fault", deed_fault},     {"environment", deed_environment},
    };
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds && argc > 1; i++) {
        if (strcmp(deeds[i].name, argv[1]) != 0) continue;
        /* A path that a manifest names among the arguments may be read: `:` hides it. */
        for (int j = 2; j < argc; j++) argv[j] += argv[j][0] == ':';
        deeds[i].run(argv + 2);
        if (n_escapes == 0) puts("refused");
        return 0;
    }
    return 2;
}
