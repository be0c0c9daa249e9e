/* tools/sandbox.h: what keeps a program apart: prepared before the fork, entered by the child.
 *
 * Three layers, each of use alone:
 *   namespaces  own users, processes (whatever a program starts dies with it), mounts (a scratch folder in
 *               memory, its own /proc, all else read-only), message queues
 *   Landlock    no file but those named, no TCP, no abstract sockets of others, no signals to others
 *   seccomp     no sockets but pairs, no ptrace, mounts, namespaces, keys, BPF, io_uring, …; without
 * namespaces no way out of the process group either, so that killing the group kills all Beside them always:
 * no_new_privs, no capabilities, limits, closed descriptors, an environment of its own.
 *
 * Between fork and exec the child shares the host's memory, so tfc_sandbox_enter makes system calls only: no
 * allocation, no lock, no stdio. */
#ifndef TFC_TOOLS_SANDBOX_H
#define TFC_TOOLS_SANDBOX_H

#include "toolformer/tools.h"
#include "tools/program.h"

/* A file or folder, and the Landlock rights on it. */
typedef struct tfc_sandbox_rule {
    const char *path;
    uint64_t rights;
    bool named;   /* by the manifest: it must be there */
    bool changed; /* it may be */
} tfc_sandbox_rule;

typedef struct tfc_sandbox {
    int landlock_abi; /* 0: this layer is not used */
    bool namespaces;
    bool network;
    tfc_sandbox_rule *rules; /* [n_rules] */
    size_t n_rules, n_rules_capacity;
    struct sock_filter *filter; /* [n_filter]; NULL: this layer is not used */
    size_t n_filter;
    char *bubblewrap; /* its path, where it takes Landlock's place; else NULL */
    int filter_fd;    /* the filter for it; else -1 */
    char uid_map[64], gid_map[64];
    char tmpfs_options[80];
    tfc_arena arena;
} tfc_sandbox;

/* Prepares the layers that the machine has and the program's manifest wants. `path`: the program's file.
 * TFC_EUNSUPPORTED: too few of them are there; err says which and what to do. */
tfc_status tfc_sandbox_prepare(tfc_sandbox *sandbox, const tfc_program *program, const char *path,
                               tfc_error *err);
void tfc_sandbox_release(tfc_sandbox *sandbox);

/* For clone: the namespaces that the child is to be born into. */
int tfc_sandbox_clone_flags(const tfc_sandbox *sandbox);

/* In the child, in this order, with what else it has to do between them. scratch: a folder that is there;
 * with namespaces the process gets one of its own in its place. NULL: done; else the step that failed, with
 * its errno. */
const char *tfc_sandbox_enter_namespaces(const tfc_sandbox *sandbox, const char *scratch);
const char *tfc_sandbox_enter(const tfc_sandbox *sandbox, const char *scratch);

/* Test hook: the machine is taken to have these layers (no others than it has). Not thread-safe. */
void tfc_sandbox_pretend(const tfc_sandbox_info *info);

/* sandbox_bubblewrap.c: the command line of bubblewrap that runs this one; the list is the caller's
 * (tfc_free), its texts are borrowed. NULL: out of memory. It reads the filter from the descriptor of this
 * number. */
enum { TFC_SANDBOX_FILTER_FD = 3 };
#define TFC_SANDBOX_FILTER_TEXT "3"
char **tfc_sandbox_wrap(const tfc_sandbox *sandbox, const char *path, const char *scratch, char *const *argv);

/* sandbox_filter.c: the seccomp program for these layers. */
tfc_status tfc_sandbox_make_filter(tfc_sandbox *sandbox, tfc_error *err);

#endif
