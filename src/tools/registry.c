/* The registry: built-in manifests that the library carries, and manifests of files. */
#include "base/file.h"
#include "toolformer/runner.h"
#include "tools/backend.h"
#include "tools/manifest.h"
#include "tools/recording.h"

extern const unsigned char tfc_data_Calculator[], tfc_data_Calendar[], tfc_data_DateCalc[], tfc_data_MT[];
extern const size_t tfc_data_Calculator_bytes, tfc_data_Calendar_bytes, tfc_data_DateCalc_bytes,
    tfc_data_MT_bytes;
extern const unsigned char tfc_data_WikiSearch[], tfc_data_QA[];
extern const size_t tfc_data_WikiSearch_bytes, tfc_data_QA_bytes;

static const struct {
    const char *name;
    const unsigned char *manifest;
    const size_t *n_bytes;
} builtins[] = {
    {"Calculator", tfc_data_Calculator, &tfc_data_Calculator_bytes},
    {"Calendar", tfc_data_Calendar, &tfc_data_Calendar_bytes},
    {"DateCalc", tfc_data_DateCalc, &tfc_data_DateCalc_bytes},
    {"MT", tfc_data_MT, &tfc_data_MT_bytes},
    {"WikiSearch", tfc_data_WikiSearch, &tfc_data_WikiSearch_bytes},
    {"QA", tfc_data_QA, &tfc_data_QA_bytes},
};
enum { N_BUILTINS = sizeof builtins / sizeof *builtins, TOOLS_MAX = 1000 };

struct tfc_tools {
    tfc_arena arena; /* all that the tools point to, and the tools */
    size_t n, capacity;
    tfc_tool **tools;
};

static tfc_status append(tfc_tools *tools, tfc_tool *tool, tfc_error *err)
{
    if (tools->n == TOOLS_MAX) return tfc_fail(err, TFC_ELIMIT, "more than %d tools", TOOLS_MAX);
    if (tfc_tools_find(tools, tool->name))
        return tfc_fail(err, TFC_ECONFLICT, "two tools are named %s", tool->name);
    if (tools->n == tools->capacity) {
        size_t capacity = tools->capacity ? 2 * tools->capacity : 8;
        tfc_tool **bigger = tfc_realloc(tools->tools, capacity, sizeof *bigger);
        if (!bigger) return tfc_fail_memory(err, "tools");
        tools->tools = bigger;
        tools->capacity = capacity;
    }
    tools->tools[tools->n++] = tool;
    return TFC_OK;
}

/* what: the manifest's name in messages; source: how the list of tools named it. */
static tfc_status add_manifest(tfc_tools *tools, const char *text, size_t n, const char *what,
                               const char *folder, const char *source, tfc_tool **out, tfc_error *err)
{
    tfc_tool *tool = tfc_arena_alloc(&tools->arena, 1, sizeof *tool);
    if (!tool) return tfc_fail_memory(err, what);
    tfc_status status = tfc_manifest_read(text, n, what, folder, &tools->arena, tool, err);
    if (status != TFC_OK) return status;
    tool->source = tfc_arena_strndup(&tools->arena, source, strlen(source));
    status = tool->source ? append(tools, tool, err) : tfc_fail_memory(err, what);
    if (status != TFC_OK)
        tfc_tool_close(tool);
    else if (out)
        *out = tool;
    return status;
}

static tfc_status add_builtin(tfc_tools *tools, size_t i, tfc_error *err)
{
    char what[80];
    snprintf(what, sizeof what, "built-in %s", builtins[i].name);
    return add_manifest(tools, (const char *)builtins[i].manifest, *builtins[i].n_bytes, what, NULL,
                        builtins[i].name, NULL, err);
}

static tfc_status add_file(tfc_tools *tools, const char *path, tfc_error *err)
{
    char *text;
    size_t n;
    tfc_status status = tfc_file_read(path, TFC_MANIFEST_BYTES_MAX, &text, &n, err);
    if (status != TFC_OK) return status;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? tfc_arena_strndup(&tools->arena, path, (size_t)(slash - path) + 1) : NULL;
    status = slash && !folder ? tfc_fail_memory(err, path)
                              : add_manifest(tools, text, n, path, folder, path, NULL, err);
    tfc_free(text);
    return status;
}

/* One item of the list: the name of a built-in, or the path of a manifest. */
static tfc_status add_tool(tfc_tools *tools, const char *item, tfc_error *err)
{
    size_t length = strlen(item), i = 0;
    while (i < N_BUILTINS && strcmp(builtins[i].name, item) != 0) i++;
    if (i < N_BUILTINS) return add_builtin(tools, i, err);
    if (length > 5 && strcmp(item + length - 5, ".json") == 0) return add_file(tools, item, err);
    char known[320] = "";
    for (i = 0; i < N_BUILTINS; i++) {
        strncat(known, builtins[i].name, sizeof known - strlen(known) - 1);
        strncat(known, ", ", sizeof known - strlen(known) - 1);
    }
    return tfc_fail(err, TFC_ENOTFOUND, "no tool is named '%.80s'; there are %sand manifests (FILE.json)",
                    item, known);
}

/* The list's items, each without the blanks around it. `list` is cut up. */
static tfc_status add_list(tfc_tools *tools, char *list, tfc_error *err)
{
    for (char *item = list; item;) {
        char *next = strchr(item, ',');
        if (next) *next++ = '\0';
        item += strspn(item, " ");
        size_t n = strlen(item);
        while (n > 0 && item[n - 1] == ' ') item[--n] = '\0';
        if (n == 0)
            return tfc_fail(err, TFC_EINVAL, "the list of tools has an empty name; 'none' is no tool at all");
        tfc_status status = add_tool(tools, item, err);
        if (status != TFC_OK) return status;
        item = next;
    }
    return TFC_OK;
}

/* ready: those alone that need nothing which is not there. */
static tfc_status add_builtins(tfc_tools *tools, bool ready, tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < N_BUILTINS && status == TFC_OK; i++) {
        status = add_builtin(tools, i, err);
        if (status != TFC_OK || !ready) continue;
        tfc_error missing;
        tfc_status available = tfc_tool_available(tools->tools[tools->n - 1], &missing);
        if (available == TFC_ENOMEM) status = tfc_fail(err, available, "%s", missing.message);
        if (available != TFC_OK) tfc_tool_close(tools->tools[--tools->n]);
    }
    return status;
}

tfc_tools *tfc_tools_create(const char *names, tfc_error *err)
{
    tfc_tools *tools = tfc_alloc_zero(1, sizeof *tools);
    char *list = tools && names ? tfc_strdup(names) : NULL;
    tfc_status status = TFC_OK;
    if (!tools || (names && !list))
        status = tfc_fail_memory(err, "tools");
    else if (!names || strcmp(names, "all") == 0)
        status = add_builtins(tools, names == NULL, err);
    else if (strcmp(names, "none") != 0)
        status = add_list(tools, list, err);
    tfc_free(list);
    if (status == TFC_OK) return tools;
    tfc_tools_free(tools);
    return NULL;
}

void tfc_tools_free(tfc_tools *tools)
{
    if (!tools) return;
    for (size_t i = 0; i < tools->n; i++) tfc_tool_close(tools->tools[i]);
    tfc_arena_release(&tools->arena);
    tfc_free(tools->tools);
    tfc_free(tools);
}

size_t tfc_tools_count(const tfc_tools *tools)
{
    return tools->n;
}

const tfc_tool *tfc_tools_at(const tfc_tools *tools, size_t i)
{
    return i < tools->n ? tools->tools[i] : NULL;
}

const tfc_tool *tfc_tools_find(const tfc_tools *tools, const char *name)
{
    for (size_t i = 0; i < tools->n; i++)
        if (strcmp(tools->tools[i]->name, name) == 0) return tools->tools[i];
    return NULL;
}

tfc_status tfc_tool_available(const tfc_tool *tool, tfc_error *err)
{
    return tool->backend->available ? tool->backend->available(tool, err) : TFC_OK;
}

const char *tfc_tool_name(const tfc_tool *tool)
{
    return tool->name;
}

const char *tfc_tool_description(const tfc_tool *tool)
{
    return tool->description;
}

const char *tfc_tool_manifest(const tfc_tool *tool)
{
    return tool->manifest_text;
}

void tfc_tool_close(tfc_tool *tool)
{
    if (tool->backend && tool->backend->close) tool->backend->close(tool);
    tool->backend = NULL;
    tfc_manifest_release(tool);
}

tfc_status tfc_tools_add_function(tfc_tools *tools, const char *manifest, tfc_tool_function *function,
                                  void *context, tfc_error *err)
{
    tfc_tool *tool = NULL;
    tfc_status status =
        add_manifest(tools, manifest, strlen(manifest), "manifest", NULL, "function", &tool, err);
    if (status != TFC_OK) return status;
    status = tfc_backend_function_set(tool, function, context, err);
    if (status != TFC_OK) {
        tools->n--;
        tfc_tool_close(tool);
    }
    return status;
}

/* ---- the tools of a recorded run ---- */

/* The recorded tool of that name, or that the list of tools named so; with item NULL the i-th one. Adds it;
 * *found: there is one. */
static tfc_status add_recorded(tfc_tools *tools, tfc_recording *recording, const char *item, size_t i,
                               bool *found, tfc_error *err)
{
    tfc_status status = TFC_OK;
    *found = false;
    for (size_t r = item ? 0 : i; status == TFC_OK && !*found; r++) {
        char *name, *source, *manifest, what[120];
        status = tfc_recording_get_tool(recording, r, &name, &source, &manifest, err);
        if (status != TFC_OK || !name) break;
        *found = !item || strcmp(item, name) == 0 || strcmp(item, source) == 0;
        snprintf(what, sizeof what, "recorded %s", name);
        if (*found) status = add_manifest(tools, manifest, strlen(manifest), what, NULL, source, NULL, err);
        tfc_free(name);
        tfc_free(source);
        tfc_free(manifest);
    }
    return status;
}

tfc_tools *tfc_tools_create_recorded(const char *names, const char *run, tfc_error *err)
{
    tfc_tools *tools = tfc_alloc_zero(1, sizeof *tools);
    tfc_recording *recording = tools ? tfc_recording_open_to_read(run, err) : NULL;
    char *list = names ? tfc_strdup(names) : NULL;
    tfc_status status = recording ? TFC_OK : TFC_EIO;
    if (!tools || (names && !list)) status = tfc_fail_memory(err, "tools");
    bool found = true;
    char *at = list;
    for (size_t i = 0; status == TFC_OK && found && i < TOOLS_MAX && (!names || at); i++) {
        char *item = at;
        if (item && (at = strchr(item, ','))) *at++ = '\0';
        if (item) item += strspn(item, " ");
        if (item) item[strcspn(item, " ")] = '\0';
        status = add_recorded(tools, recording, item, i, &found, err);
        if (status == TFC_OK && item && !found)
            status = tfc_fail(err, TFC_ENOTFOUND, "no tool '%.80s' was recorded in '%s'", item, run);
    }
    tfc_recording_close(recording);
    tfc_free(list);
    if (status == TFC_OK) return tools;
    tfc_tools_free(tools);
    return NULL;
}
