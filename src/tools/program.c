/* What a manifest says about a program. Paths are made absolute here because the program does not start in
 * the folder that they are seen from. */
#include "tools/program.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { WORDS_MAX = 256, WORD_BYTES_MAX = 4096 };
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

const char *const tfc_program_keys[] = {"argv",      "environment", "files",         "network", "sandbox",
                                        "memory_mb", "file_mb",     "max_processes", NULL};

/* A relative path, seen from the folder, as an absolute one without a leading "./". */
static const char *absolute(const char *path, const char *folder, tfc_arena *arena)
{
    if (*path == '/') return path;
    char working[4096];
    const char *base = folder && *folder == '/' ? "" : getcwd(working, sizeof working);
    if (!base) return NULL;
    while (path[0] == '.' && path[1] == '/') path += 2;
    size_t n = strlen(base) + (folder ? strlen(folder) : 0) + strlen(path) + 3;
    char *out = tfc_arena_alloc(arena, n, 1);
    if (!out) return NULL;
    size_t length = (size_t)snprintf(out, n, "%s%s%s", base, *base ? "/" : "", folder ? folder : "");
    if (length > 0 && out[length - 1] != '/') out[length++] = '/';
    snprintf(out + length, n - length, "%s", path);
    return out;
}

typedef enum word_kind { WORD_PLAIN, WORD_ARGUMENT, WORD_PATH } word_kind;

static tfc_status read_word(const char *word, word_kind kind, const char *folder, tfc_arena *arena,
                            const char **out, tfc_error *err)
{
    bool relative = strncmp(word, "./", 2) == 0 || strncmp(word, "../", 3) == 0;
    *out = tfc_arena_strndup(arena, word, strlen(word));
    if (*out && (kind == WORD_PATH || (kind == WORD_ARGUMENT && relative)))
        *out = absolute(*out, folder, arena);
    return *out ? TFC_OK : tfc_fail_memory(err, "program");
}

/* An array of strings without NULs; empty ones are refused but among arguments. */
static tfc_status read_words(tfc_json *object, const char *key, word_kind kind, const char *folder,
                             tfc_arena *arena, const char *const **out, size_t *n_out, bool *found,
                             tfc_error *err)
{
    tfc_json *array;
    tfc_status status = tfc_json_get_array(object, key, &array, found, err);
    if (status != TFC_OK || (found && !*found)) return status;
    size_t n = json_object_array_length(array);
    if (n > WORDS_MAX) return tfc_fail(err, TFC_ELIMIT, "%s: more than %d entries", key, WORDS_MAX);
    const char **words = tfc_arena_alloc(arena, n + 1, sizeof *words);
    if (!words) return tfc_fail_memory(err, key);
    for (size_t i = 0; i < n && status == TFC_OK; i++) {
        tfc_json *entry = json_object_array_get_idx(array, i);
        if (!json_object_is_type(entry, json_type_string))
            return tfc_fail(err, TFC_EFORMAT, "%s[%zu]: string expected", key, i);
        const char *word = json_object_get_string(entry);
        size_t length = (size_t)json_object_get_string_len(entry);
        if (strlen(word) != length || length > WORD_BYTES_MAX)
            return tfc_fail(err, TFC_EFORMAT, "%s[%zu]: holds a NUL character or more than %d bytes", key, i,
                            WORD_BYTES_MAX);
        if (length == 0 && (kind != WORD_ARGUMENT || i == 0))
            return tfc_fail(err, TFC_EFORMAT, "%s[%zu] is empty", key, i);
        status = read_word(word, kind, folder, arena, &words[i], err);
    }
    *out = words;
    *n_out = n;
    return status;
}

static tfc_status read_files(tfc_program *program, tfc_json *json, const char *folder, tfc_arena *arena,
                             tfc_error *err)
{
    static const char *const keys[] = {"read", "write", NULL};
    tfc_json *files;
    bool found;
    tfc_status status = tfc_json_get_object(json, "files", &files, &found, err);
    if (status != TFC_OK || !found) return status;
    status = tfc_json_only_keys(files, keys, err);
    if (status == TFC_OK)
        status = read_words(files, "read", WORD_PATH, folder, arena, &program->read, &program->n_read, &found,
                            err);
    if (status == TFC_OK)
        status = read_words(files, "write", WORD_PATH, folder, arena, &program->write, &program->n_write,
                            &found, err);
    if (status != TFC_OK) tfc_error_prefix(err, "files");
    return status;
}

static tfc_status read_sandbox(tfc_program *program, tfc_json *json, tfc_error *err)
{
    static const char *const words[] = {"best", "strict", "none"};
    const char *word;
    bool found;
    tfc_status status = tfc_json_get_text(json, "sandbox", &word, NULL, &found, err);
    if (status != TFC_OK || !found) return status;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], word) != 0) continue;
        program->sandbox = (tfc_sandbox_mode)i;
        return TFC_OK;
    }
    return tfc_fail(err, TFC_EFORMAT, "sandbox: one of best, strict, none expected, not '%.80s'", word);
}

static tfc_status read_limit(tfc_json *json, const char *key, int64_t high, int64_t unit, int64_t fallback,
                             int64_t *out, tfc_error *err)
{
    bool found;
    int64_t value = fallback;
    tfc_status status = tfc_json_get_int(json, key, 1, high, &value, &found, err);
    *out = value * unit;
    return status;
}

tfc_status tfc_program_read(tfc_program *program, tfc_json *json, const char *folder, tfc_arena *arena,
                            tfc_error *err)
{
    bool found;
    *program = (tfc_program){0};
    if (folder) {
        program->folder = absolute(folder, NULL, arena);
        if (!program->folder) return tfc_fail_memory(err, folder);
    }
    folder = program->folder;
    tfc_status status =
        read_words(json, "argv", WORD_ARGUMENT, folder, arena, &program->argv, &program->n_argv, NULL, err);
    if (status == TFC_OK && program->n_argv == 0) return tfc_fail(err, TFC_EFORMAT, "argv is empty");
    if (status == TFC_OK && strchr(program->argv[0], '/') && program->argv[0][0] != '/') {
        ((const char **)(uintptr_t)program->argv)[0] = absolute(program->argv[0], folder, arena);
        if (!program->argv[0]) status = tfc_fail_memory(err, "argv");
    }
    if (status == TFC_OK)
        status = read_words(json, "environment", WORD_PLAIN, folder, arena, &program->environment,
                            &program->n_environment, &found, err);
    if (status == TFC_OK) status = read_files(program, json, folder, arena, err);
    if (status == TFC_OK) status = tfc_json_get_bool(json, "network", &program->network, &found, err);
    if (status == TFC_OK) status = read_sandbox(program, json, err);
    if (status == TFC_OK)
        status = read_limit(json, "memory_mb", 1 << 20, 1 << 20, 4096, &program->memory_bytes, err);
    if (status == TFC_OK)
        status = read_limit(json, "file_mb", 1 << 20, 1 << 20, 64, &program->file_bytes, err);
    if (status == TFC_OK)
        status = read_limit(json, "max_processes", 4096, 1, 64, &program->processes_max, err);
    return status;
}

static tfc_status check_executable(const char *path, tfc_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0) return tfc_fail_errno(err, "cannot find the program '%s'", path);
    if (!S_ISREG(info.st_mode)) return tfc_fail(err, TFC_EIO, "the program '%s' is no file", path);
    if (access(path, X_OK) != 0)
        return tfc_fail(err, TFC_EIO, "the program '%s' is not executable (chmod +x makes it so)", path);
    return TFC_OK;
}

tfc_status tfc_program_locate(const tfc_program *program, char **path, tfc_error *err)
{
    const char *name = program->argv[0], *search = getenv("PATH");
    *path = NULL;
    if (strchr(name, '/')) {
        tfc_status status = check_executable(name, err);
        if (status != TFC_OK) return status;
        *path = tfc_strdup(name);
        return *path ? TFC_OK : tfc_fail_memory(err, name);
    }
    if (!search || !*search) search = DEFAULT_PATH;
    for (const char *at = search; *at;) {
        size_t n = strcspn(at, ":");
        char folder[4096];
        if (n > 0 && n < sizeof folder && *at == '/') {
            memcpy(folder, at, n);
            folder[n] = '\0';
            char *file = tfc_path_join(folder, name);
            if (!file) return tfc_fail_memory(err, name);
            if (check_executable(file, NULL) == TFC_OK) {
                *path = file;
                return TFC_OK;
            }
            tfc_free(file);
        }
        at += n + (at[n] == ':');
    }
    return tfc_fail(err, TFC_ENOTFOUND,
                    "the program '%s' is not in PATH (%.200s); install it, or name it by its path", name,
                    search);
}

/* The name's variable as NAME=value; false when the host has none. */
static bool put_variable(tfc_buffer *block, const char *entry)
{
    const char *value = strchr(entry, '=') ? NULL : getenv(entry);
    if (!strchr(entry, '=') && !value) return false;
    tfc_buffer_puts(block, entry);
    if (value) tfc_buffer_printf(block, "=%s", value);
    tfc_buffer_putc(block, '\0');
    return true;
}

tfc_status tfc_program_environment(const tfc_program *program, const char *scratch, char ***environment,
                                   tfc_error *err)
{
    const char *path = getenv("PATH"), *lang = getenv("LANG");
    tfc_buffer block;
    size_t n = 4;
    tfc_buffer_init(&block, 1 << 20);
    /* NUL-separated texts; the first entry of a name is the one that getenv finds. */
    for (size_t i = 0; i < program->n_environment; i++) n += put_variable(&block, program->environment[i]);
    tfc_buffer_printf(&block, "PATH=%s%c", path && *path ? path : DEFAULT_PATH, 0);
    tfc_buffer_printf(&block, "LANG=%s%c", lang && *lang ? lang : "C.UTF-8", 0);
    tfc_buffer_printf(&block, "HOME=%s%cTMPDIR=%s%c", scratch, 0, scratch, 0);
    tfc_status status = tfc_buffer_ok(&block, "environment", err);
    char **list = status == TFC_OK ? tfc_alloc((n + 1) * sizeof *list + block.n, 1) : NULL;
    if (status == TFC_OK && !list) status = tfc_fail_memory(err, "environment");
    if (list) {
        char *text = (char *)(list + n + 1);
        memcpy(text, block.data, block.n);
        for (size_t i = 0; i < n; i++, text += strlen(text) + 1) list[i] = text;
        list[n] = NULL;
    }
    tfc_buffer_release(&block);
    *environment = list;
    return status;
}
