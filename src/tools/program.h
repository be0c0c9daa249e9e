/* tools/program.h: a program that is run for a tool: where it is, its arguments, what it may touch. */
#ifndef TFC_TOOLS_PROGRAM_H
#define TFC_TOOLS_PROGRAM_H

#include "base/json.h"
#include "base/memory.h"

typedef enum tfc_sandbox_mode {
    TFC_SANDBOX_BEST,   /* every layer that the machine has; refused where none keeps files apart */
    TFC_SANDBOX_STRICT, /* refused where a layer is missing */
    TFC_SANDBOX_NONE    /* a process group of its own and limits, nothing more */
} tfc_sandbox_mode;

typedef struct tfc_program {
    const char *const *argv; /* [n_argv]; what begins with ./ or ../ is made absolute from the folder */
    size_t n_argv;
    const char *folder;             /* the manifest's; NULL: the working folder */
    const char *const *environment; /* [n_environment] NAME (its value is passed on) or NAME=value */
    size_t n_environment;
    const char *const *read, *const *write; /* absolute paths that it may read; read and change */
    size_t n_read, n_write;
    bool network;
    tfc_sandbox_mode sandbox;
    int64_t memory_bytes;  /* address space of each process */
    int64_t file_bytes;    /* of a file that it writes, and of its scratch folder */
    int64_t processes_max; /* processes and threads together */
    int64_t cpu_s;         /* seconds of computing; 0: any number. No field of a manifest */
} tfc_program;

/* The keys that tfc_program_read takes from a backend's object; NULL-terminated. */
extern const char *const tfc_program_keys[];

/* Reads "argv", "environment", "files" {"read", "write"}, "network", "sandbox", "memory_mb", "file_mb" and
 * "max_processes". Nothing on disk is looked at. What stays lives in the arena. */
tfc_status tfc_program_read(tfc_program *program, tfc_json *json, const char *folder, tfc_arena *arena,
                            tfc_error *err);

/* Where the file that argv[0] names is: itself when it holds a slash, else the first executable one of PATH.
 * *path is the caller's (tfc_free). TFC_ENOTFOUND says where was looked, TFC_EIO that it cannot be executed.
 */
tfc_status tfc_program_locate(const tfc_program *program, char **path, tfc_error *err);

/* The whole environment of the program, NULL-terminated: PATH, LANG, HOME and TMPDIR (both `scratch`), and
 * what is named. One block, the caller's (tfc_free). */
tfc_status tfc_program_environment(const tfc_program *program, const char *scratch, char ***environment,
                                   tfc_error *err);

#endif
