/* The seccomp layer: system calls that no tool needs, refused with EPERM. It is a list of refusals on top of
 * Landlock and namespaces, not a list of what is allowed: programs differ too much for that. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/sandbox.h"

/* The comparison macros of libseccomp leave a field out on purpose. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define REFUSE SCMP_ACT_ERRNO(EPERM)
#define CALLS(...) ((const int[]){__VA_ARGS__, -1})
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
enum { FAMILIES = 64 };

/* -1 ends the list; other negative numbers are calls that this architecture has under no number. */
static int refuse(scmp_filter_ctx filter, const int *calls)
{
    int code = 0;
    for (; *calls != -1 && code == 0; calls++)
        if (*calls >= 0) code = seccomp_rule_add(filter, REFUSE, *calls, 0);
    return code;
}

static int refuse_others(scmp_filter_ctx filter, const int *calls)
{
    int code = 0;
    for (; *calls != -1 && code == 0; calls++)
        if (*calls >= 0) code = seccomp_rule_add(filter, REFUSE, *calls, 1, SCMP_A0_32(SCMP_CMP_NE, 0));
    return code;
}

/* Of the system, of other processes, of the kernel's less guarded parts, memory outside the limits. */
static int refuse_always(scmp_filter_ctx filter)
{
    return refuse(filter,
                  CALLS(SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
                        SCMP_SYS(kcmp), SCMP_SYS(pidfd_getfd), SCMP_SYS(process_madvise), SCMP_SYS(mount),
                        SCMP_SYS(umount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
                        SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig),
                        SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(unshare),
                        SCMP_SYS(setns), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
                        SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
                        SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
                        SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
                        SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(swapon),
                        SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(syslog),
                        SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
                        SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(sethostname),
                        SCMP_SYS(setdomainname), SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at),
                        SCMP_SYS(fanotify_init), SCMP_SYS(vhangup), SCMP_SYS(memfd_create), SCMP_SYS(shmget),
                        SCMP_SYS(msgget), SCMP_SYS(semget), SCMP_SYS(mq_open)));
}

/* New namespaces by clone; clone3 hides its flags in memory, so it is "not there" and libraries fall back. */
static int refuse_namespaces(scmp_filter_ctx filter)
{
    static const unsigned flags[] = {CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNS,     CLONE_NEWNET,
                                     CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWTIME};
    int code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    for (size_t i = 0; i < sizeof flags / sizeof *flags && code == 0; i++)
        code = seccomp_rule_add(filter, REFUSE, SCMP_SYS(clone), 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
    return code;
}

/* Typing into somebody's terminal. */
static int refuse_terminals(scmp_filter_ctx filter)
{
    static const unsigned requests[] = {TIOCSTI, 0x541C /* TIOCLINUX */};
    int code = 0;
    for (size_t i = 0; i < sizeof requests / sizeof *requests && code == 0; i++)
        code = seccomp_rule_add(filter, REFUSE, SCMP_SYS(ioctl), 1,
                                SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, requests[i]));
    return code;
}

/* Without network: no socket at all. With it: IPv4, IPv6, and the routing socket that looking up names needs;
 * never AF_UNIX, whose paths Landlock does not guard. Pairs (socketpair) are fine. The kernel reads the low
 * half of the family, so the comparison does too; what is above the known families is refused whole. */
static int refuse_sockets(scmp_filter_ctx filter, bool network)
{
    if (!network) return seccomp_rule_add(filter, REFUSE, SCMP_SYS(socket), 0);
    int code = seccomp_rule_add(filter, REFUSE, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GE, FAMILIES));
    for (unsigned family = 0; family < FAMILIES && code == 0; family++)
        if (family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
            code = seccomp_rule_add(filter, REFUSE, SCMP_SYS(socket), 1, SCMP_A0_32(SCMP_CMP_EQ, family));
    if (code == 0)
        code = seccomp_rule_add(filter, REFUSE, SCMP_SYS(socket), 2, SCMP_A0_32(SCMP_CMP_EQ, AF_NETLINK),
                                SCMP_A2_32(SCMP_CMP_NE, 0));
    return code;
}

/* Modes, owners, times and attributes of files: Landlock has no right for them. Times by descriptor are fine.
 */
static int refuse_modes(scmp_filter_ctx filter)
{
    int code =
        refuse(filter, CALLS(SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), 452 /* fchmodat2 */,
                             SCMP_SYS(chown), SCMP_SYS(fchown), SCMP_SYS(lchown), SCMP_SYS(fchownat),
                             SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(fsetxattr),
                             SCMP_SYS(removexattr), SCMP_SYS(lremovexattr), SCMP_SYS(fremovexattr),
                             SCMP_SYS(utime), SCMP_SYS(utimes), SCMP_SYS(futimesat)));
    if (code == 0) code = seccomp_rule_add(filter, REFUSE, SCMP_SYS(utimensat), 1, SCMP_A1(SCMP_CMP_NE, 0));
    return code;
}

/* What a process namespace makes harmless: signals and settings of others, leaving the group that is killed.
 */
static int refuse_neighbours(scmp_filter_ctx filter)
{
    int code = refuse(filter, CALLS(SCMP_SYS(setsid), SCMP_SYS(setpgid), SCMP_SYS(tkill), SCMP_SYS(tgkill),
                                    SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo),
                                    SCMP_SYS(pidfd_send_signal), SCMP_SYS(pidfd_open)));
    if (code == 0)
        code = refuse_others(filter,
                             CALLS(SCMP_SYS(kill), SCMP_SYS(prlimit64), SCMP_SYS(sched_setaffinity),
                                   SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_setparam),
                                   SCMP_SYS(sched_setattr), SCMP_SYS(migrate_pages), SCMP_SYS(move_pages)));
    if (code == 0) code = refuse(filter, CALLS(SCMP_SYS(setpriority), SCMP_SYS(ioprio_set)));
    /* A descriptor that sends signals to whom it is given to. */
    static const unsigned owners[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG};
    for (size_t i = 0; i < sizeof owners / sizeof *owners && code == 0; i++)
        code = seccomp_rule_add(filter, REFUSE, SCMP_SYS(fcntl), 1, SCMP_A1_32(SCMP_CMP_EQ, owners[i]));
    return code;
}

static bool own_processes(const tfc_sandbox *sandbox)
{
    return sandbox->namespaces || sandbox->bubblewrap;
}

/* libseccomp writes its program to a descriptor only. */
static tfc_status export_filter(scmp_filter_ctx context, tfc_sandbox *sandbox, tfc_error *err)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    off_t n = fd >= 0 && seccomp_export_bpf(context, fd) == 0 ? lseek(fd, 0, SEEK_END) : -1;
    tfc_status status = n > 0 ? TFC_OK : tfc_fail_errno(err, "cannot export a seccomp filter");
    if (status == TFC_OK) {
        sandbox->n_filter = (size_t)n / sizeof *sandbox->filter;
        sandbox->filter = tfc_arena_alloc(&sandbox->arena, sandbox->n_filter, sizeof *sandbox->filter);
        if (!sandbox->filter) status = tfc_fail_memory(err, "a seccomp filter");
    }
    if (status == TFC_OK && pread(fd, sandbox->filter, (size_t)n, 0) != n)
        status = tfc_fail_errno(err, "cannot read a seccomp filter");
    bool handed_on = status == TFC_OK && sandbox->bubblewrap && lseek(fd, 0, SEEK_SET) == 0;
    if (handed_on) sandbox->filter_fd = fd;
    if (fd >= 0 && !handed_on) close(fd);
    return status;
}

tfc_status tfc_sandbox_make_filter(tfc_sandbox *sandbox, tfc_error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter) return tfc_fail_memory(err, "a seccomp filter");
    int code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (code == 0) code = refuse_always(filter);
    if (code == 0) code = refuse_namespaces(filter);
    if (code == 0) code = refuse_terminals(filter);
    if (code == 0) code = refuse_sockets(filter, sandbox->network);
    if (code == 0 && !own_processes(sandbox)) code = refuse_neighbours(filter);
    if (code == 0 && !own_processes(sandbox)) code = refuse_modes(filter);
    /* Landlock knows this right since its version 3. */
    if (code == 0 && !own_processes(sandbox) && sandbox->landlock_abi < 3)
        code = refuse(filter, CALLS(SCMP_SYS(truncate), SCMP_SYS(truncate64)));
    tfc_status status =
        code == 0 ? export_filter(filter, sandbox, err)
                  : tfc_fail(err, TFC_EUNSUPPORTED, "cannot make a seccomp filter: %s", strerror(-code));
    seccomp_release(filter);
    return status;
}
