/* Landlock and namespaces, by their system calls: the C library knows them not at all or too late. */
#include "tools/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

/* Later than the headers that this is built with. */
enum { ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_TCP = 4, ABI_IOCTL = 5, ABI_SCOPES = 6 };
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define FS_IOCTL (UINT64_C(1) << 15)
#define FS_ALL_ABI1 ((UINT64_C(1) << 13) - 1)
#define TCP_ALL (UINT64_C(3))    /* bind, connect */
#define SCOPES_ALL (UINT64_C(3)) /* abstract UNIX sockets, signals */
typedef struct ruleset_attributes {
    uint64_t fs, net, scopes;
} ruleset_attributes;

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RUN (READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define CHANGE                                                                                               \
    (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_FIFO |              \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)
#define OF_FILES                                                                                             \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE |             \
     FS_TRUNCATE | FS_IOCTL)

/* What programs need to start at all. Nothing here is about a user. */
static const tfc_sandbox_rule system_rules[] = {
    {"/usr", RUN, false, false},
    {"/lib", RUN, false, false},
    {"/lib32", RUN, false, false},
    {"/lib64", RUN, false, false},
    {"/bin", RUN, false, false},
    {"/sbin", RUN, false, false},
    {"/opt", RUN, false, false},
    {"/nix/store", RUN, false, false},
    {"/gnu/store", RUN, false, false},
    {"/etc/ld.so.cache", READ, false, false},
    {"/etc/ld.so.conf", READ, false, false},
    {"/etc/ld.so.conf.d", READ, false, false},
    {"/etc/ld.so.preload", READ, false, false},
    {"/etc/alternatives", READ, false, false},
    {"/etc/localtime", READ, false, false},
    {"/etc/timezone", READ, false, false},
    {"/etc/locale.alias", READ, false, false},
    {"/etc/mime.types", READ, false, false},
    {"/etc/ssl/openssl.cnf", READ, false, false},
    {"/etc/fonts", READ, false, false},
    {"/sys/devices/system/cpu", READ, false, false},
    {"/dev/null", READ | LANDLOCK_ACCESS_FS_WRITE_FILE, false, false},
    {"/dev/zero", READ, false, false},
    {"/dev/full", READ | LANDLOCK_ACCESS_FS_WRITE_FILE, false, false},
    {"/dev/random", READ, false, false},
    {"/dev/urandom", READ, false, false},
};

static const tfc_sandbox_rule network_rules[] = {
    {"/etc/resolv.conf", READ, false, false},     {"/etc/hosts", READ, false, false},
    {"/etc/host.conf", READ, false, false},       {"/etc/nsswitch.conf", READ, false, false},
    {"/etc/gai.conf", READ, false, false},        {"/etc/services", READ, false, false},
    {"/etc/protocols", READ, false, false},       {"/etc/ssl/certs", READ, false, false},
    {"/etc/ca-certificates", READ, false, false}, {"/etc/pki/tls/certs", READ, false, false},
    {"/etc/pki/ca-trust", READ, false, false},
};

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t n = 0;
    while (text[n]) n++;
    bool done = write(fd, text, n) == (ssize_t)n;
    close(fd);
    return done;
}

/* Everything but what may be changed: Landlock knows no right to change modes, owners and times. */
static const char *make_read_only(const tfc_sandbox *sandbox)
{
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY}, changed = {.attr_clr = MOUNT_ATTR_RDONLY};
    for (size_t i = 0; i < sandbox->n_rules; i++) {
        const char *path = sandbox->rules[i].path;
        if (sandbox->rules[i].changed && mount(path, path, NULL, MS_BIND | MS_REC, NULL) != 0)
            return "bind a file that may be written";
    }
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &read_only, sizeof read_only) != 0)
        return "make files read-only";
    for (size_t i = 0; i < sandbox->n_rules; i++)
        if (sandbox->rules[i].changed && syscall(SYS_mount_setattr, AT_FDCWD, sandbox->rules[i].path,
                                                 AT_RECURSIVE, &changed, sizeof changed) != 0)
            return "open a file that may be written";
    return NULL;
}

/* The child of a clone into namespaces: one user that is mapped to itself, a scratch folder in memory, its
 * own /proc where the kernel gives one (not in a container that hides parts of its own). */
const char *tfc_sandbox_enter_namespaces(const tfc_sandbox *sandbox, const char *scratch)
{
    if (!sandbox->namespaces) return NULL;
    write_file("/proc/self/setgroups", "deny"); /* not there before Linux 3.19 */
    if (!write_file("/proc/self/uid_map", sandbox->uid_map)) return "map the user";
    if (!write_file("/proc/self/gid_map", sandbox->gid_map)) return "map the group";
    const char *failed = make_read_only(sandbox);
    if (failed) return failed;
    if (mount("scratch", scratch, "tmpfs", MS_NOSUID | MS_NODEV, sandbox->tmpfs_options) != 0)
        return "mount the scratch folder";
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0)
        write_file("/proc/sys/kernel/pid_max", "400"); /* of this namespace, since Linux 6.14 */
    return NULL;
}

static bool add_rule(int ruleset, int abi, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.parent_fd < 0) return errno == ENOENT || errno == ENOTDIR || errno == EACCES;
    if (abi < ABI_REFER) rights &= ~LANDLOCK_ACCESS_FS_REFER;
    if (abi < ABI_TRUNCATE) rights &= ~FS_TRUNCATE;
    rule.allowed_access = rights;
    long code = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    if (code != 0 && errno == EINVAL) { /* no folder */
        rule.allowed_access = rights & OF_FILES;
        code = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }
    close(rule.parent_fd);
    return code == 0;
}

static const char *enter_landlock(const tfc_sandbox *sandbox, const char *scratch)
{
    int abi = sandbox->landlock_abi;
    ruleset_attributes all = {.fs = FS_ALL_ABI1};
    size_t n = sizeof all.fs;
    if (abi >= ABI_REFER) all.fs |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= ABI_TRUNCATE) all.fs |= FS_TRUNCATE;
    if (abi >= ABI_IOCTL) all.fs |= FS_IOCTL;
    if (abi >= ABI_TCP) {
        n = offsetof(ruleset_attributes, scopes);
        all.net = sandbox->network ? 0 : TCP_ALL;
    }
    if (abi >= ABI_SCOPES) {
        n = sizeof all;
        all.scopes = SCOPES_ALL;
    }
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, n, 0);
    if (ruleset < 0) return "make a Landlock ruleset";
    for (size_t i = 0; i < sandbox->n_rules; i++)
        if (!add_rule(ruleset, abi, sandbox->rules[i].path, sandbox->rules[i].rights))
            return "add a Landlock rule";
    if (!add_rule(ruleset, abi, scratch, CHANGE)) return "add a Landlock rule";
    if (sandbox->namespaces && !add_rule(ruleset, abi, "/proc", READ)) return "add a Landlock rule";
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) return "enter Landlock";
    close(ruleset);
    return NULL;
}

/* Those of a fresh user namespace, or root's. */
static const char *drop_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    for (int i = 0; i < 64; i++) prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0 ? NULL : "drop capabilities";
}

int tfc_sandbox_clone_flags(const tfc_sandbox *sandbox)
{
    return sandbox->namespaces ? CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC : 0;
}

const char *tfc_sandbox_enter(const tfc_sandbox *sandbox, const char *scratch)
{
    const char *failed = NULL;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "set no_new_privs";
    if (sandbox->landlock_abi) failed = enter_landlock(sandbox, scratch);
    if (!failed && (sandbox->landlock_abi || sandbox->namespaces)) failed = drop_capabilities();
    if (failed || !sandbox->filter || sandbox->bubblewrap) return failed;
    const struct sock_fprog program = {.len = (unsigned short)sandbox->n_filter, .filter = sandbox->filter};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? NULL : "enter seccomp";
}

void tfc_sandbox_release(tfc_sandbox *sandbox)
{
    if (sandbox->filter_fd >= 0) close(sandbox->filter_fd);
    tfc_free(sandbox->bubblewrap);
    tfc_arena_release(&sandbox->arena);
    *sandbox = (tfc_sandbox){.filter_fd = -1};
}

/* ---- preparing ---- */

static bool put_rule(tfc_sandbox *sandbox, const char *path, uint64_t rights, bool named)
{
    char *copy = tfc_arena_strndup(&sandbox->arena, path, strlen(path));
    if (!copy || sandbox->n_rules == sandbox->n_rules_capacity) return false;
    sandbox->rules[sandbox->n_rules++] = (tfc_sandbox_rule){copy, rights, named, named && rights == CHANGE};
    return true;
}

/* True for folders that hold more than a program: the user's home or one above it, and those that everybody
 * writes to. */
static bool folder_is_shared(const char *folder)
{
    const char *home = getenv("HOME");
    char real[PATH_MAX];
    struct stat info;
    size_t n = strlen(folder);
    if (stat(folder, &info) != 0 || (info.st_mode & S_ISVTX) || strcmp(folder, "/") == 0) return true;
    if (!home || !realpath(home, real)) return false;
    return strncmp(real, folder, n) == 0 && (real[n] == '\0' || real[n] == '/');
}

static bool put_beside(tfc_sandbox *sandbox, const char *prefix, const char *name)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", prefix, name);
    return access(path, F_OK) != 0 || put_rule(sandbox, path, RUN, false);
}

/* The folder of a program, and what an installation keeps beside it: PREFIX/bin has PREFIX/lib; a Python
 * environment and a version manager's shims have all of their prefix. */
static bool put_folder(tfc_sandbox *sandbox, const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder) return true;
    *slash = '\0';
    if (!folder_is_shared(folder) && !put_rule(sandbox, folder, RUN, false)) return false;
    slash = strrchr(folder, '/');
    if (!slash || slash == folder) return true;
    bool bin = strcmp(slash, "/bin") == 0, shims = strcmp(slash, "/shims") == 0;
    *slash = '\0';
    char config[PATH_MAX + 16];
    snprintf(config, sizeof config, "%s/pyvenv.cfg", folder);
    if ((shims || access(config, F_OK) == 0) && !folder_is_shared(folder))
        return put_rule(sandbox, folder, RUN, false);
    return !bin || (put_beside(sandbox, folder, "lib") && put_beside(sandbox, folder, "lib64") &&
                    put_beside(sandbox, folder, "libexec"));
}

static bool put_own(tfc_sandbox *sandbox, const char *path)
{
    char real[PATH_MAX];
    if (!realpath(path, real)) return true;
    return put_rule(sandbox, real, RUN, false) && put_folder(sandbox, path) && put_folder(sandbox, real);
}

/* What `#!` at a script's beginning names, and what `env` there looks up. */
static bool put_interpreter(tfc_sandbox *sandbox, const char *path)
{
    char line[256] = "", *word;
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(line, 1, sizeof line - 1, file) : 0;
    if (file) fclose(file);
    line[n] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (strncmp(line, "#!", 2) != 0) return true;
    char *state;
    word = strtok_r(line + 2, " \t", &state);
    if (!word || !put_own(sandbox, word)) return word == NULL;
    const char *name = strrchr(word, '/');
    char *looked_up = name && strcmp(name, "/env") == 0 ? strtok_r(NULL, " \t", &state) : NULL;
    if (!looked_up) return true;
    const char *const argv[] = {looked_up};
    const tfc_program program = {.argv = argv, .n_argv = 1};
    char *found;
    if (tfc_program_locate(&program, &found, NULL) != TFC_OK) return true;
    bool fine = put_own(sandbox, found);
    tfc_free(found);
    return fine;
}

static bool put_rules(tfc_sandbox *sandbox, const tfc_program *program, const char *path)
{
    size_t n_system = sizeof system_rules / sizeof *system_rules;
    size_t n_network = sizeof network_rules / sizeof *network_rules;
    size_t n_folder = program->folder ? strlen(program->folder) : 0;
    sandbox->n_rules_capacity =
        n_system + n_network + program->n_read + program->n_write + 9 * (program->n_argv + 3);
    sandbox->rules = tfc_arena_alloc(&sandbox->arena, sandbox->n_rules_capacity, sizeof *sandbox->rules);
    if (!sandbox->rules) return false;
    bool fine = put_own(sandbox, path) && put_interpreter(sandbox, path);
    for (size_t i = 0; i < n_system; i++) sandbox->rules[sandbox->n_rules++] = system_rules[i];
    for (size_t i = 0; i < n_network && program->network; i++)
        sandbox->rules[sandbox->n_rules++] = network_rules[i];
    for (size_t i = 1; i < program->n_argv && fine; i++) {
        const char *word = program->argv[i];
        if (*word != '/' || strstr(word, "{args}")) continue;
        bool near = n_folder && strncmp(word, program->folder, n_folder) == 0;
        fine = near ? put_own(sandbox, word) : put_rule(sandbox, word, RUN, false);
    }
    for (size_t i = 0; i < program->n_read && fine; i++)
        fine = put_rule(sandbox, program->read[i], RUN, true);
    for (size_t i = 0; i < program->n_write && fine; i++)
        fine = put_rule(sandbox, program->write[i], CHANGE, true);
    return fine;
}

static tfc_status check_named(const tfc_sandbox *sandbox, tfc_error *err)
{
    for (size_t i = 0; i < sandbox->n_rules; i++)
        if (sandbox->rules[i].named && access(sandbox->rules[i].path, F_OK) != 0)
            return tfc_fail_errno(err, "files: cannot open '%s'", sandbox->rules[i].path);
    return TFC_OK;
}

static void put_maps(tfc_sandbox *sandbox, int64_t scratch_bytes)
{
    snprintf(sandbox->uid_map, sizeof sandbox->uid_map, "%u %u 1", geteuid(), geteuid());
    snprintf(sandbox->gid_map, sizeof sandbox->gid_map, "%u %u 1", getegid(), getegid());
    snprintf(sandbox->tmpfs_options, sizeof sandbox->tmpfs_options, "size=%lld,nr_inodes=4096,mode=700",
             (long long)scratch_bytes);
}

/* ---- what the machine has ---- */

static int probe_child(void *context)
{
    const tfc_sandbox *probe = context;
    return tfc_sandbox_enter_namespaces(probe, "/tmp") == NULL ? 0 : 1;
}

/* By trying: whether a user may make namespaces is decided by the kernel's settings, by the container, by
 * security modules. */
static bool probe_namespaces(void)
{
    tfc_sandbox probe = {.namespaces = true};
    put_maps(&probe, 1 << 20);
    const size_t n_stack = 65536;
    char *stack = tfc_alloc_aligned(n_stack, 1);
    if (!stack) return false;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(probe_child, stack + n_stack,
                      CLONE_VM | CLONE_VFORK | SIGCHLD | tfc_sandbox_clone_flags(&probe), &probe);
    int status = -1;
    if (pid > 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    tfc_free(stack);
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static const char *const bubblewrap_argv[] = {"bwrap", NULL};
static const tfc_program bubblewrap = {.argv = bubblewrap_argv, .n_argv = 1};
static tfc_sandbox_info machine;
static pthread_once_t machine_once = PTHREAD_ONCE_INIT;

static void probe_machine(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    machine.landlock_abi = abi > 0 ? (int)abi : 0;
    machine.namespaces = probe_namespaces();
    char *path;
    machine.bubblewrap = tfc_program_locate(&bubblewrap, &path, NULL) == TFC_OK;
    tfc_free(path);
    /* A bad address is the answer of a kernel that knows filters. */
    machine.seccomp = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) != 0 && errno == EFAULT;
}

tfc_sandbox_info tfc_sandbox_get_info(void)
{
    pthread_once(&machine_once, probe_machine);
    return machine;
}

void tfc_sandbox_pretend(const tfc_sandbox_info *info)
{
    pthread_once(&machine_once, probe_machine);
    machine = *info;
}

static tfc_status choose_layers(tfc_sandbox *sandbox, const tfc_program *program, tfc_error *err)
{
    if (program->sandbox == TFC_SANDBOX_NONE) return TFC_OK;
    tfc_sandbox_info info = tfc_sandbox_get_info();
    bool strict = program->sandbox == TFC_SANDBOX_STRICT;
    bool wrapped = !strict && !info.landlock_abi && info.namespaces && info.bubblewrap;
    const char *missing = !info.landlock_abi && !wrapped
                              ? "Landlock (Linux 5.13, in the list of lsm=) and no usable bubblewrap"
                          : !info.seccomp                   ? "seccomp filters"
                          : strict && !info.namespaces      ? "unprivileged user namespaces"
                          : strict && info.landlock_abi < 6 ? "Landlock's ABI 6 (Linux 6.12)"
                                                            : NULL;
    bool other = strict && info.seccomp && info.landlock_abi;
    if (missing)
        return tfc_fail(err, TFC_EUNSUPPORTED,
                        "sandbox: this machine has no %s (`toolformer doctor` lists what it has); "
                        "\"sandbox\": \"%s\" in the manifest runs the program without it",
                        missing, other ? "best" : "none");
    sandbox->landlock_abi = info.landlock_abi;
    sandbox->namespaces = info.namespaces && !wrapped;
    if (wrapped && tfc_program_locate(&bubblewrap, &sandbox->bubblewrap, err) != TFC_OK) return TFC_ENOTFOUND;
    return tfc_sandbox_make_filter(sandbox, err);
}

tfc_status tfc_sandbox_prepare(tfc_sandbox *sandbox, const tfc_program *program, const char *path,
                               tfc_error *err)
{
    *sandbox = (tfc_sandbox){.network = program->network, .filter_fd = -1};
    put_maps(sandbox, program->file_bytes);
    tfc_status status = choose_layers(sandbox, program, err);
    if (status == TFC_OK && !put_rules(sandbox, program, path)) status = tfc_fail_memory(err, "a sandbox");
    if (status == TFC_OK) status = check_named(sandbox, err);
    if (status != TFC_OK) tfc_sandbox_release(sandbox);
    return status;
}
