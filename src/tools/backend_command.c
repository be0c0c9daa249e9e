/* The backend "command": a program for each call ("mode": "argv"), or persistent processes that speak JSON
 * lines ("mode": "lines"). docs/TOOLS.md says what a program must do. */
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/random.h"
#include "tools/answer.h"
#include "tools/args_json.h"
#include "tools/backend.h"
#include "tools/line_pool.h"

enum { OUTPUT_BYTES_MAX = (1 << 20) + (1 << 16), DEADLINE_MS = 10000, ARGUMENT_BYTES_MAX = 100000 };

typedef struct command {
    tfc_program program;
    bool lines;
    size_t args_at; /* the element of argv that holds {args}; n_argv: none does */
    int64_t processes, in_flight;
    pthread_mutex_t lock;   /* over what follows */
    tfc_launcher *launcher; /* NULL until a call or `prepare` needs it */
    tfc_line_pool *pool;
    pthread_cond_t ended; /* a run, in mode argv */
    int n_running;
} command;

static tfc_status read_mode(command *self, tfc_json *json, tfc_error *err)
{
    const char *mode;
    bool found;
    tfc_status status = tfc_json_get_text(json, "mode", &mode, NULL, &found, err);
    if (status != TFC_OK || !found) return status;
    self->lines = strcmp(mode, "lines") == 0;
    if (!self->lines && strcmp(mode, "argv") != 0)
        return tfc_fail(err, TFC_EFORMAT, "mode: one of argv, lines expected, not '%.80s'", mode);
    return TFC_OK;
}

/* Which element holds {args}; at most one does, and only where there is a run for each call. */
static tfc_status find_placeholder(command *self, tfc_error *err)
{
    const tfc_program *program = &self->program;
    self->args_at = program->n_argv;
    for (size_t i = 0; i < program->n_argv; i++) {
        const char *at = strstr(program->argv[i], "{args}");
        if (!at) continue;
        if (i == 0 || self->lines || self->args_at < program->n_argv || strstr(at + 1, "{args}"))
            return tfc_fail(err, TFC_EFORMAT,
                            "argv[%zu]: {args} may stand once, behind the program, in mode argv only", i);
        self->args_at = i;
    }
    return TFC_OK;
}

static tfc_status command_open(tfc_tool *tool, tfc_json *json, const char *folder, tfc_arena *arena,
                               tfc_error *err)
{
    const char *keys[32] = {"type", "mode", "processes", "in_flight"};
    for (size_t i = 0; tfc_program_keys[i]; i++) keys[4 + i] = tfc_program_keys[i];
    if (!json_object_is_type(json, json_type_object))
        return tfc_fail(err, TFC_EFORMAT, "command: an object with \"argv\" expected");
    command *self = tfc_arena_alloc(arena, 1, sizeof *self);
    if (!self) return tfc_fail_memory(err, "command");
    bool found;
    self->processes = self->in_flight = 1;
    tfc_status status = tfc_json_only_keys(json, keys, err);
    if (status == TFC_OK) status = tfc_program_read(&self->program, json, folder, arena, err);
    if (status == TFC_OK) status = read_mode(self, json, err);
    if (status == TFC_OK) status = find_placeholder(self, err);
    if (status == TFC_OK) status = tfc_json_get_int(json, "processes", 1, 64, &self->processes, &found, err);
    if (status == TFC_OK)
        status = tfc_json_get_int(json, "in_flight", 1, 10000, &self->in_flight, &found, err);
    if (status != TFC_OK) return status;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&self->lock, NULL);
    tool->state = self;
    return TFC_OK;
}

static tfc_status start_pool(command *self, tfc_error *err)
{
    const tfc_line_pool_params params = {
        .processes = (int)self->processes, .in_flight = (int)self->in_flight, .line_max = OUTPUT_BYTES_MAX};
    char *const *argv = (char *const *)(uintptr_t)self->program.argv;
    return tfc_line_pool_create(self->launcher, argv, &params, &self->pool, err);
}

static tfc_status command_prepare(const tfc_tool *tool, tfc_error *err)
{
    command *self = tool->state;
    tfc_status status = TFC_OK;
    pthread_mutex_lock(&self->lock);
    /* Only a program that ends with its call can be told how long it may compute. */
    self->program.cpu_s = self->lines ? 0 : tool->limits.deadline_ms / 1000 + 2;
    if (!self->launcher) status = tfc_launcher_create(&self->program, &self->launcher, err);
    if (status == TFC_OK && self->lines && !self->pool) status = start_pool(self, err);
    pthread_mutex_unlock(&self->lock);
    return status;
}

/* argv with the arguments in their place; one block, the caller's (tfc_free). */
static tfc_status fill_argv(const command *self, const char *args, char ***out, tfc_error *err)
{
    const tfc_program *program = &self->program;
    size_t n = program->n_argv, n_args = strlen(args), n_word = 0;
    if (n_args > ARGUMENT_BYTES_MAX)
        return tfc_fail(err, TFC_ENORESULT, "arguments of more than %d bytes", ARGUMENT_BYTES_MAX);
    if (self->args_at < n) n_word = strlen(program->argv[self->args_at]) + n_args + 1;
    char **argv = tfc_alloc((n + 1) * sizeof *argv + n_word, 1);
    if (!argv) return tfc_fail_memory(err, "arguments");
    for (size_t i = 0; i < n; i++) argv[i] = (char *)(uintptr_t)program->argv[i];
    argv[n] = NULL;
    if (n_word) {
        const char *word = program->argv[self->args_at], *at = strstr(word, "{args}");
        argv[self->args_at] = (char *)(argv + n + 1);
        snprintf(argv[self->args_at], n_word, "%.*s%s%s", (int)(at - word), word, args, at + 6);
    }
    *out = argv;
    return TFC_OK;
}

/* What a finished run says. Exit 0: its output is the result. Another status without output: no result, and
 * the first line of its standard error says why; a Python exception that nobody caught is no such word,
 * though. All else is a failure of the tool. */
static tfc_status judge(const tfc_process_output *output, char **result, tfc_error *err)
{
    char how[100];
    const char *text = output->out.data, *reason = output->errors.first;
    size_t n = output->out.n;
    tfc_text_trim(&text, &n);
    bool exited = output->wait_status != -1 && WIFEXITED(output->wait_status);
    int code = exited ? WEXITSTATUS(output->wait_status) : -1;
    if (code == 0 && n > 0) {
        *result = tfc_text_repair(text, n);
        return *result ? TFC_OK : tfc_fail_memory(err, "a result");
    }
    bool crashed = strncmp(reason, "Traceback (most recent call last)", 33) == 0;
    if (code == 0 || crashed) reason = output->errors.last;
    char *why = tfc_text_repair(reason, strlen(reason));
    if (!why) return tfc_fail_memory(err, "a result");
    tfc_status status = TFC_ENORESULT;
    if (code == 0) {
        tfc_fail(err, status, "%s", *why ? why : "the program gave no output");
    } else if (code >= 1 && code <= 125 && n == 0 && *why && !crashed) {
        tfc_fail(err, status, "%s", why);
    } else {
        tfc_process_describe(output->wait_status, how, sizeof how);
        status = tfc_fail(err, TFC_EIO, "the program %s%s%s", how, *why ? ": " : "", why);
    }
    tfc_free(why);
    return status;
}

/* No more processes at the same time than the tool may run calls, whoever makes them. */
static tfc_status begin_run(command *self, int most, int64_t deadline_ns, tfc_error *err)
{
    const struct timespec until = {.tv_sec = deadline_ns / 1000000000,
                                   .tv_nsec = (long)(deadline_ns % 1000000000)};
    int code = 0;
    pthread_mutex_lock(&self->lock);
    while (self->n_running >= most && code == 0)
        code = pthread_cond_timedwait(&self->ended, &self->lock, &until);
    if (code == 0) self->n_running++;
    pthread_mutex_unlock(&self->lock);
    if (code == 0) return TFC_OK;
    return tfc_fail(err, TFC_ETIMEOUT, "%d other calls ran until the deadline (\"concurrency\")", most);
}

static void end_run(command *self)
{
    pthread_mutex_lock(&self->lock);
    self->n_running--;
    pthread_cond_signal(&self->ended);
    pthread_mutex_unlock(&self->lock);
}

static tfc_status call_argv(const tfc_tool *tool, const char *args, int64_t deadline_ns, char **result,
                            tfc_error *err)
{
    command *self = tool->state;
    char **argv = NULL;
    tfc_process_output output;
    tfc_status status = fill_argv(self, args, &argv, err);
    if (status != TFC_OK) return status;
    status = begin_run(self, tool->limits.concurrency, deadline_ns, err);
    if (status == TFC_OK) {
        bool placed = self->args_at < self->program.n_argv;
        status = tfc_process_run(self->launcher, argv, args, placed ? 0 : strlen(args), OUTPUT_BYTES_MAX,
                                 deadline_ns, &output, err);
        if (status == TFC_OK) status = judge(&output, result, err);
        tfc_buffer_release(&output.out);
        end_run(self);
    }
    tfc_free(argv);
    return status;
}

static tfc_status call_lines(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                             int64_t deadline_ns, char **result, tfc_error *err)
{
    const command *self = tool->state;
    tfc_buffer body;
    tfc_json *json;
    tfc_status status = tfc_args_to_json(tool, args, &json, err);
    if (status != TFC_OK) return status;
    tfc_buffer_init(&body, 0);
    tfc_buffer_puts(&body, "\"args\":");
    tfc_buffer_puts(&body, json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
    json_object_put(json);
    tfc_buffer_puts(&body, ",\"date\":");
    if (context && context->date)
        tfc_buffer_json(&body, context->date, strlen(context->date));
    else
        tfc_buffer_puts(&body, "null");
    status = tfc_buffer_ok(&body, "a request", err);
    if (status == TFC_OK) status = tfc_line_pool_call(self->pool, body.data, deadline_ns, result, err);
    tfc_buffer_release(&body);
    return status;
}

static tfc_status command_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                               int64_t deadline_ns, char **result, tfc_error *err)
{
    const command *self = tool->state;
    if (!deadline_ns) deadline_ns = tfc_monotonic_ns() + (int64_t)DEADLINE_MS * 1000000;
    tfc_status status = command_prepare(tool, err);
    if (status != TFC_OK) return status;
    return self->lines ? call_lines(tool, args, context, deadline_ns, result, err)
                       : call_argv(tool, args, deadline_ns, result, err);
}

/* Mixes a file into the hash: its content; of a large one size and time. What is no file says nothing. */
static tfc_status mix_file(const char *path, uint64_t *hash, tfc_error *err)
{
    enum { CONTENT_BYTES_MAX = 64 << 20 };
    struct stat info;
    uint64_t own = 0;
    if (path[0] != '/' || stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return TFC_OK;
    const int64_t facts[] = {info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    tfc_status status = TFC_OK;
    if (info.st_size > CONTENT_BYTES_MAX)
        own = tfc_hash_bytes(facts, sizeof facts, 0);
    else
        status = tfc_path_hash(path, &own, err);
    *hash = tfc_hash_bytes(&own, sizeof own, *hash);
    return status;
}

/* The program, the scripts among its arguments, and the files that it may read. */
static tfc_status command_version(const tfc_tool *tool, char *out, size_t n, tfc_error *err)
{
    const tfc_program *program = &((const command *)tool->state)->program;
    uint64_t hash = 0;
    char *path = NULL;
    tfc_status status = tfc_program_locate(program, &path, err);
    if (status == TFC_OK) status = mix_file(path, &hash, err);
    for (size_t i = 1; i < program->n_argv && status == TFC_OK; i++)
        status = mix_file(program->argv[i], &hash, err);
    for (size_t i = 0; i < program->n_read && status == TFC_OK; i++)
        status = mix_file(program->read[i], &hash, err);
    tfc_free(path);
    snprintf(out, n, "%016llx", (unsigned long long)hash);
    return status;
}

static void command_close(tfc_tool *tool)
{
    command *self = tool->state;
    if (!self) return;
    tfc_line_pool_free(self->pool);
    tfc_launcher_free(self->launcher);
    pthread_cond_destroy(&self->ended);
    pthread_mutex_destroy(&self->lock);
    tool->state = NULL;
}

const tfc_backend_type tfc_backend_command = {.name = "command",
                                              .open = command_open,
                                              .prepare = command_prepare,
                                              .call = command_call,
                                              .version = command_version,
                                              .close = command_close};
