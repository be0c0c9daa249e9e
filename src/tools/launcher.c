/* Starting a program: clone with the host's memory shared and the calling thread asleep until the exec (as
 * posix_spawn does), so that a start costs the same whatever the size of the model beside it. Everything is
 * made before the fork; the child makes system calls only. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "tools/process.h"
#include "tools/sandbox.h"

enum { STACK_BYTES = 65536, OPEN_FILES = 1024 };

struct tfc_launcher {
    const tfc_program *program;
    char *path; /* the file */
    tfc_sandbox sandbox;
    char *scratch; /* with namespaces: the empty folder that each process mounts its own over */
};

/* What the child needs, and what it says when it cannot go on. */
typedef struct launch {
    const tfc_program *program;
    const tfc_sandbox *sandbox;
    const char *path, *scratch;
    int64_t tasks_max; /* processes and threads of the user, as RLIMIT_NPROC counts them */
    char *const *argv, *const *environment;
    int in, out, err;   /* the child's ends; all above 2 */
    const char *failed; /* the step that failed, with its errno */
    int failed_errno;
} launch;

static char *make_scratch(tfc_error *err)
{
    const char *folder = getenv("TMPDIR");
    char *path = tfc_path_join(folder && *folder == '/' ? folder : "/tmp", "toolformer-XXXXXX");
    if (path && !mkdtemp(path)) {
        tfc_fail_errno(err, "cannot make a scratch folder '%s'", path);
        tfc_free(path);
        return NULL;
    }
    if (!path) tfc_fail_memory(err, "a scratch folder");
    return path;
}

tfc_status tfc_launcher_create(const tfc_program *program, tfc_launcher **launcher, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    err = err ? err : &own;
    tfc_launcher *self = *launcher = tfc_alloc_zero(1, sizeof **launcher);
    if (!self) return tfc_fail_memory(err, "launcher");
    self->program = program;
    tfc_status status = tfc_program_locate(program, &self->path, err);
    if (status == TFC_OK) status = tfc_sandbox_prepare(&self->sandbox, program, self->path, err);
    if (status == TFC_OK && self->sandbox.namespaces) {
        self->scratch = make_scratch(err);
        if (!self->scratch) status = err->status;
    }
    if (status != TFC_OK) {
        tfc_launcher_free(self);
        *launcher = NULL;
    }
    return status;
}

void tfc_launcher_free(tfc_launcher *launcher)
{
    if (!launcher) return;
    if (launcher->scratch) rmdir(launcher->scratch);
    tfc_sandbox_release(&launcher->sandbox);
    tfc_free(launcher->scratch);
    tfc_free(launcher->path);
    tfc_free(launcher);
}

/* Never above what the host itself may. */
static bool limit(int resource, int64_t value)
{
    struct rlimit both;
    if (getrlimit((__rlimit_resource_t)resource, &both) != 0) return false;
    if (both.rlim_max != RLIM_INFINITY && both.rlim_max < (rlim_t)value) value = (int64_t)both.rlim_max;
    both = (struct rlimit){(rlim_t)value, (rlim_t)value};
    return setrlimit((__rlimit_resource_t)resource, &both) == 0;
}

/* A namespace counts its own tasks; without one all of the user's count, so that there are as many as run now
 * anywhere, and the program's. */
static int64_t tasks_max(const tfc_launcher *launcher)
{
    long long running = 0;
    FILE *file = launcher->sandbox.namespaces ? NULL : fopen("/proc/loadavg", "re");
    if (file && fscanf(file, "%*s %*s %*s %*d/%lld", &running) != 1) running = 1000;
    if (file) fclose(file);
    return running + launcher->program->processes_max;
}

/* Ignored signals stay ignored over an exec, handlers would run in the host's memory. */
static void reset_signals(void)
{
    const struct sigaction fallback = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++)
        if (i != SIGKILL && i != SIGSTOP) sigaction(i, &fallback, NULL);
}

/* The program to come reads it: from its beginning, by a description of its own. */
static bool hand_on(int fd)
{
    char path[32] = "/proc/self/fd/", digits[12];
    size_t n = 14, n_digits = 0;
    for (int rest = fd; rest > 0 || n_digits == 0; rest /= 10) digits[n_digits++] = (char)('0' + rest % 10);
    while (n_digits > 0) path[n++] = digits[--n_digits];
    int own = open(path, O_RDONLY | O_CLOEXEC);
    if (own == TFC_SANDBOX_FILTER_FD) return fcntl(own, F_SETFD, 0) == 0;
    return own >= 0 && dup2(own, TFC_SANDBOX_FILTER_FD) >= 0;
}

static const char *enter(launch *self)
{
    const tfc_program *program = self->program;
    if (setsid() < 0) return "make a session";
    if (dup2(self->in, 0) < 0 || dup2(self->out, 1) < 0 || dup2(self->err, 2) < 0) return "set up the pipes";
    bool handed_on = self->sandbox->filter_fd >= 0;
    if (handed_on && !hand_on(self->sandbox->filter_fd)) return "hand the filter on";
    if (syscall(SYS_close_range, handed_on ? TFC_SANDBOX_FILTER_FD + 1 : 3, ~0U, 0) != 0)
        return "close descriptors";
    /* The first to go where memory is short; refused where the host is to be spared itself, which is fine. */
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "1000", 4) < 4) errno = 0;
    if (fd >= 0) close(fd);
    const char *failed = tfc_sandbox_enter_namespaces(self->sandbox, self->scratch);
    if (failed) return failed;
    if (chdir(self->scratch) != 0) return "enter the scratch folder";
    if (!limit(RLIMIT_CORE, 0) || !limit(RLIMIT_FSIZE, program->file_bytes) ||
        !limit(RLIMIT_AS, program->memory_bytes) || !limit(RLIMIT_NOFILE, OPEN_FILES) ||
        !limit(RLIMIT_NPROC, self->tasks_max) || !limit(RLIMIT_MSGQUEUE, 0) ||
        (program->cpu_s && !limit(RLIMIT_CPU, program->cpu_s)))
        return "set limits";
    return tfc_sandbox_enter(self->sandbox, self->scratch);
}

static int child_main(void *context)
{
    launch *self = context;
    reset_signals();
    self->failed = enter(self);
    if (!self->failed) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execve(self->path, self->argv, self->environment);
        self->failed = "run the program";
    }
    self->failed_errno = errno;
    return 127; /* clone's own exit: on this stack, sanitizers would object to _exit */
}

/* A pipe whose ends are above 2, so that no dup2 of the child meets another end. */
static bool make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0) return ends[0] = ends[1] = -1, false;
    for (int i = 0; i < 2; i++) {
        if (ends[i] > 2) continue;
        int moved = fcntl(ends[i], F_DUPFD_CLOEXEC, 3);
        close(ends[i]);
        ends[i] = moved;
    }
    return ends[0] >= 0 && ends[1] >= 0;
}

static void close_pipe(int ends[2])
{
    if (ends[0] >= 0) close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
}

/* The fork. The child is done with this thread's memory when clone returns. */
static tfc_status fork_program(launch *self, tfc_process *process, tfc_error *err)
{
    char *stack = tfc_alloc_aligned(STACK_BYTES, 1);
    if (!stack) return tfc_fail_memory(err, "a stack");
    sigset_t all, before;
    int cancel;
    sigfillset(&all);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD | tfc_sandbox_clone_flags(self->sandbox);
    pid_t pid = clone(child_main, stack + STACK_BYTES, flags, self, &process->pidfd);
    int saved = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_setcancelstate(cancel, NULL);
    tfc_free(stack);
    errno = saved;
    if (pid < 0) return tfc_fail_errno(err, "cannot start a process");
    process->pid = pid;
    if (!self->failed) return TFC_OK;
    errno = self->failed_errno;
    return tfc_fail_errno(err, "cannot %s ('%s')", self->failed, self->path);
}

static tfc_status start_in(tfc_process *process, const tfc_launcher *launcher, char *const *argv,
                           int pipes[3][2], tfc_error *err)
{
    char **environment = NULL;
    const char *scratch = launcher->scratch;
    if (!scratch) scratch = process->scratch = make_scratch(err);
    if (!scratch) return err->status;
    tfc_status status = tfc_program_environment(launcher->program, scratch, &environment, err);
    if (status != TFC_OK) return status;
    for (int i = 0; i < 3; i++)
        if (!make_pipe(pipes[i])) status = tfc_fail_errno(err, "cannot make a pipe");
    launch self = {.program = launcher->program,
                   .sandbox = &launcher->sandbox,
                   .path = launcher->path,
                   .scratch = scratch,
                   .tasks_max = tasks_max(launcher),
                   .argv = argv,
                   .environment = environment,
                   .in = pipes[0][0],
                   .out = pipes[1][1],
                   .err = pipes[2][1]};
    char **wrapped = NULL;
    if (launcher->sandbox.bubblewrap) {
        wrapped = tfc_sandbox_wrap(&launcher->sandbox, launcher->path, scratch, argv);
        if (!wrapped) status = tfc_fail_memory(err, "arguments");
        self.path = launcher->sandbox.bubblewrap;
        self.argv = wrapped;
    }
    if (status == TFC_OK) status = fork_program(&self, process, err);
    tfc_free(wrapped);
    tfc_free(environment);
    return status;
}

tfc_status tfc_process_start(tfc_process *process, const tfc_launcher *launcher, char *const *argv,
                             tfc_error *err)
{
    *process = (tfc_process){.in = -1, .out = -1, .err = -1, .pidfd = -1};
    tfc_error own;
    tfc_error_init(&own);
    err = err ? err : &own;
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    tfc_status status = start_in(process, launcher, argv, pipes, err);
    if (status != TFC_OK) {
        for (int i = 0; i < 3; i++) close_pipe(pipes[i]);
        tfc_process_end(process, NULL);
        return status;
    }
    int *ends[] = {&process->in, &process->out, &process->err};
    for (int i = 0; i < 3; i++) {
        close(pipes[i][i == 0 ? 0 : 1]);
        *ends[i] = pipes[i][i == 0 ? 1 : 0];
        fcntl(*ends[i], F_SETFL, O_NONBLOCK);
    }
    return TFC_OK;
}
