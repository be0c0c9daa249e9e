/* doctor: what this machine has, and what is missing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "commands.h"
#include "model_fetch.h"
#include "open_model.h"
#include "output.h"
#include "toolformer/languages.h"
#include "toolformer/tools.h"

typedef struct doctor {
    cli_common common;
    int warnings;
} doctor;

/* One line. remedy NULL: all is well. */
static void say(doctor *self, const char *name, const char *value, const char *remedy)
{
    self->warnings += remedy != NULL;
    cli_json line;
    if (!self->common.json) {
        cli_printf("%-4s  %-8s %s\n", remedy ? "warn" : "ok", name, value);
        if (remedy) cli_printf("               %s\n", remedy);
    } else if (cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "name", name);
        cli_json_bool(&line, "ok", remedy == NULL);
        cli_json_text(&line, "value", value);
        cli_json_text(&line, "remedy", remedy);
        cli_json_end(&line, '}');
        cli_json_print(&line);
    }
}

/* The value of the first line of a /proc file that begins with `key`; "" when there is none. */
static void proc_value(const char *path, const char *key, char *out, size_t n)
{
    out[0] = '\0';
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    while (file && getline(&line, &capacity, file) >= 0) {
        if (strncmp(line, key, strlen(key)) != 0) continue;
        const char *value = strchr(line, ':');
        if (!value) continue;
        value += 1 + strspn(value + 1, " \t");
        snprintf(out, n, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    free(line);
    if (file) fclose(file);
}

/* True when the list of words holds this one. */
static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = strstr(words, word); at; at = strstr(at + 1, word))
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')) return true;
    return false;
}

static void check_cpu(doctor *self)
{
    static char flags[16384];
    char name[256], value[512];
    proc_value("/proc/cpuinfo", "model name", name, sizeof name);
    proc_value("/proc/cpuinfo", "flags", flags, sizeof flags);
    bool avx512 =
        has_word(flags, "avx512f") && has_word(flags, "avx512_bf16") && has_word(flags, "avx512_vnni");
    bool amx = avx512 && has_word(flags, "amx_bf16");
    bool avx2 = has_word(flags, "avx2") && has_word(flags, "fma");
    const char *forced = getenv("TFC_CPU");
    snprintf(value, sizeof value, "%s, %ld cores, %s%s%s", *name ? name : "unknown processor",
             sysconf(_SC_NPROCESSORS_ONLN),
             amx      ? "AMX with bf16"
             : avx512 ? "AVX-512 with bf16"
             : avx2   ? "AVX2"
                      : "no AVX2",
             forced ? ", TFC_CPU=" : "", forced ? forced : "");
    say(self, "cpu", value,
        avx512 || avx2 ? NULL : "the portable path is slow: a machine with AVX2 is better");
}

static void check_memory(doctor *self)
{
    char total[64], available[64], value[256];
    proc_value("/proc/meminfo", "MemTotal", total, sizeof total);
    proc_value("/proc/meminfo", "MemAvailable", available, sizeof available);
    double gib = strtod(available, NULL) / (1 << 20);
    snprintf(value, sizeof value, "%.1f GiB, %.1f GiB available", strtod(total, NULL) / (1 << 20), gib);
    say(self, "memory", value, gib >= 4 ? NULL : "training the default model wants about 4 GiB");
}

static void check_model(doctor *self)
{
    tfc_error err;
    tfc_error_init(&err);
    char *path = NULL, hex[65], value[1024];
    if (tfc_model_locate(self->common.model, &path, &err) != TFC_OK) {
        say(self, "model", err.message, "`toolformer model fetch` brings the default model");
        return;
    }
    const char *name = strrchr(path, '/');
    bool standard = strcmp(name ? name + 1 : path, DEFAULT_MODEL_FILE) == 0;
    if (standard && (tfc_sha256_file(path, hex, NULL) != TFC_OK || strcmp(hex, DEFAULT_MODEL_SHA256) != 0)) {
        say(self, "model", path, "the file is damaged: `toolformer model fetch` brings it again");
        tfc_text_free(path);
        return;
    }
    tfc_model_params params = tfc_model_params_default();
    params.cpu = self->common.cpu;
    params.operand = self->common.operand;
    tfc_model *model = tfc_model_open(path, &params, &err);
    if (model) {
        tfc_model_info info = tfc_model_get_info(model);
        snprintf(value, sizeof value, "%s (%s, %.0f million parameters%s)", path, info.storage,
                 1e-6 * (double)info.n_parameters, standard ? ", SHA-256 right" : "");
        say(self, "model", value, NULL);
        snprintf(value, sizeof value, "%s with %s operands", info.cpu_path, info.operand);
        say(self, "kernels", value, NULL);
    } else {
        say(self, "model", err.message, "name another model with --model, or `toolformer model fetch`");
    }
    tfc_model_free(model);
    tfc_text_free(path);
}

static void check_tools(doctor *self)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_tools *tools = tfc_tools_create("all", &err);
    if (!tools) {
        say(self, "tools", err.message, "this build is broken");
        return;
    }
    char value[1024] = "";
    for (size_t i = 0; i < tfc_tools_count(tools); i++) {
        const tfc_tool *tool = tfc_tools_at(tools, i);
        size_t n = strlen(value);
        if (tfc_tool_available(tool, &err) == TFC_OK)
            snprintf(value + n, sizeof value - n, "%s%s", n ? ", " : "", tfc_tool_name(tool));
    }
    say(self, "tools", value, NULL);
    for (size_t i = 0; i < tfc_tools_count(tools); i++) {
        const tfc_tool *tool = tfc_tools_at(tools, i);
        if (tfc_tool_available(tool, &err) == TFC_OK) continue;
        snprintf(value, sizeof value, "%s cannot work here", tfc_tool_name(tool));
        say(self, "tools", value, err.message);
    }
    tfc_tools_free(tools);
}

static void check_languages(doctor *self)
{
    tfc_error err;
    tfc_error_init(&err);
    char *source = tfc_languages_identifier(&err);
    bool fallback = source && strncmp(source, "fastText", 8) != 0;
    say(self, "language", source ? source : err.message,
        source && !fallback
            ? NULL
            : "short texts are told apart better by lid.176.ftz: scripts/setup-mt.sh brings it");
    tfc_text_free(source);
    char *pairs = tfc_languages_translated(&err);
    if (pairs) say(self, "MT", pairs, NULL);
    tfc_text_free(pairs);
}

/* The layers that commands run in. */
static void check_sandbox(doctor *self)
{
    tfc_sandbox_info info = tfc_sandbox_get_info();
    char value[160] = "no Landlock";
    if (info.landlock_abi) snprintf(value, sizeof value, "Landlock (version %d)", info.landlock_abi);
    snprintf(value + strlen(value), sizeof value - strlen(value), ", %sseccomp, %snamespaces%s",
             info.seccomp ? "" : "no ", info.namespaces ? "" : "no ", info.bubblewrap ? ", bubblewrap" : "");
    say(self, "sandbox", value,
        (!info.landlock_abi && !(info.bubblewrap && info.namespaces)) || !info.seccomp
            ? "tools that are commands start with \"sandbox\": \"none\" only: Linux 5.13 or bubblewrap is "
              "wanted"
        : !info.namespaces
            ? "commands run in the other layers; unprivileged user namespaces may be switched off"
            : NULL);
}

/* The file system of a folder, or of the nearest one above it that is there. */
static void check_disk(doctor *self, const char *name, const char *folder)
{
    char path[4096], value[512];
    snprintf(path, sizeof path, "%s", folder);
    struct statvfs space;
    while (statvfs(path, &space) != 0) {
        char *slash = strrchr(path, '/');
        if (errno != ENOENT || !slash || slash == path) {
            say(self, name, path, "the folder cannot be reached");
            return;
        }
        *slash = '\0';
    }
    double gib = (double)space.f_bavail * (double)space.f_frsize / (1 << 30);
    snprintf(value, sizeof value, "%.1f GiB free at %s", gib, path);
    say(self, name, value,
        access(path, W_OK) != 0 ? "the folder cannot be written"
        : gib < 4               ? "a run with checkpoints wants about 4 GiB"
                                : NULL);
}

static void check_program(doctor *self, const char *name, const char *remedy)
{
    const char *search = getenv("PATH");
    char path[4096], value[4200];
    while (search && *search) {
        size_t n = strcspn(search, ":");
        snprintf(path, sizeof path, "%.*s/%s", (int)n, search, name);
        if (n > 0 && access(path, X_OK) == 0) {
            snprintf(value, sizeof value, "%s", path);
            say(self, name, value, NULL);
            return;
        }
        search += n + (search[n] == ':');
    }
    say(self, name, "not found", remedy);
}

int cmd_doctor(int argc, char **argv)
{
    doctor self = {0};
    const cli_usage usage = {
        .command = "doctor",
        .synopsis = "[options]",
        .text = "Looks at the machine: processor, memory, model, tools, sandbox, disk. A line each, "
                "`ok` or `warn`\nwith a remedy. With --json: {\"name\",\"ok\",\"value\","
                "\"remedy\"}.",
        .example = "toolformer doctor"};
    int exit_code;
    if (!cli_parse(&usage, &self.common, argc, argv, NULL, &exit_code)) return exit_code;
    char folder[3840];
    check_cpu(&self);
    check_memory(&self);
    check_model(&self);
    check_tools(&self);
    check_sandbox(&self);
    check_languages(&self);
    if (model_folder(folder, sizeof folder)) check_disk(&self, "models", folder);
    check_disk(&self, "disk", ".");
    check_program(&self, "python3",
                  "`toolformer model fetch` needs it (Debian: apt-get install python3-pip)");
    return cli_finish(CLI_OK);
}
