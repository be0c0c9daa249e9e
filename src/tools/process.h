/* tools/process.h: starting, feeding and ending the processes of a program.
 *
 * A launcher is a program made ready: found, with its sandbox (sandbox.h) prepared. It is immutable and
 * thread-safe. A process belongs to one thread; the thread that starts it must outlive it, since the process
 * is killed when that thread ends (so that nothing is left behind when the host dies). */
#ifndef TFC_TOOLS_PROCESS_H
#define TFC_TOOLS_PROCESS_H

#include <sys/types.h>

#include "base/clock.h"
#include "tools/program.h"

typedef struct tfc_launcher tfc_launcher;

/* The program must outlive the launcher. */
tfc_status tfc_launcher_create(const tfc_program *program, tfc_launcher **launcher, tfc_error *err);
void tfc_launcher_free(tfc_launcher *launcher);

typedef struct tfc_process {
    pid_t pid;        /* 0: none */
    int pidfd;        /* readable when it has ended */
    int in, out, err; /* this side's ends, non-blocking; -1: closed */
    char *scratch;    /* to be removed, or NULL */
} tfc_process;

/* argv: NULL-terminated; argv[0] is the name only, the file is the launcher's. */
tfc_status tfc_process_start(tfc_process *process, const tfc_launcher *launcher, char *const *argv,
                             tfc_error *err);
/* Kills the process with all that it started, waits for it, closes and removes what is left. *wait_status
 * (may be NULL) as by waitpid; -1 when that is not known. Fine on an ended one. */
void tfc_process_end(tfc_process *process, int *wait_status);

/* One write without SIGPIPE; like write(2). */
ssize_t tfc_pipe_write(int fd, const void *bytes, size_t n);

/* What a program wrote to its standard error: the first and the last line, cut. A zeroed struct is ready. */
typedef struct tfc_last_words {
    char first[200], last[200]; /* NUL-terminated; control characters are blanks */
    size_t n_first, n_last;
    bool first_ended, last_ended;
} tfc_last_words;
void tfc_last_words_add(tfc_last_words *words, const char *bytes, size_t n);

/* What one run of a program gave. */
typedef struct tfc_process_output {
    tfc_buffer out; /* its standard output */
    tfc_last_words errors;
    int wait_status; /* as by waitpid */
} tfc_process_output;

/* Runs a program with `input` on its standard input until it exits. TFC_OK: it exited by itself or by a
 * signal. TFC_ETIMEOUT: it was killed at the deadline (monotonic, ns). TFC_ELIMIT: it wrote more than out_max
 * bytes to its standard output and was killed. Release the output in each case. */
tfc_status tfc_process_run(const tfc_launcher *launcher, char *const *argv, const char *input, size_t n_input,
                           size_t out_max, int64_t deadline_ns, tfc_process_output *output, tfc_error *err);

/* "exited with status 3", "was killed by signal 11 (Segmentation fault)". */
void tfc_process_describe(int wait_status, char *out, size_t n);

#endif
