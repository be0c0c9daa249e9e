/* What the tools answer now, beside what a run recorded. */
#include "base/memory.h"
#include "toolformer/runner.h"
#include "tools/recording.h"

enum { AT_ONCE = 256 }; /* calls of a batch */

typedef struct diff {
    tfc_runner *runner;
    const tfc_tools *tools;
    void (*changed)(void *context, const tfc_call_change *change);
    void *context;
    const tfc_monitor *monitor;
    tfc_diff_result *result;
    tfc_arena arena; /* of the calls below */
    tfc_tool_job jobs[AT_ONCE];
    struct {
        tfc_status status;
        const char *text;
    } then[AT_ONCE];
    size_t n;
} diff;

static tfc_status run_calls(diff *d, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    tfc_batch *batch = tfc_runner_submit(d->runner, d->jobs, d->n, &own);
    tfc_status status = batch ? tfc_batch_wait(batch, d->monitor, &own) : own.status;
    for (size_t i = 0; i < d->n && status == TFC_OK; i++) {
        const tfc_tool_job *job = &d->jobs[i];
        bool same = job->status == d->then[i].status &&
                    (job->status != TFC_OK || strcmp(job->text, d->then[i].text) == 0);
        d->result->calls++;
        if (same) continue;
        d->result->changed++;
        if (d->changed)
            d->changed(d->context, &(tfc_call_change){.tool = job->tool->name,
                                                      .args = job->args,
                                                      .date = job->context.date,
                                                      .then_status = d->then[i].status,
                                                      .now_status = job->status,
                                                      .then = d->then[i].text,
                                                      .now = job->text});
    }
    tfc_batch_free(batch);
    tfc_arena_release(&d->arena);
    d->n = 0;
    if (status != TFC_OK && err) *err = own;
    return status;
}

static tfc_status take_call(void *context, const tfc_recorded *call, tfc_error *err)
{
    diff *d = context;
    const tfc_tool *tool = tfc_tools_find(d->tools, call->tool);
    if (!tool || (call->status != TFC_OK && call->status != TFC_ENORESULT)) {
        d->result->skipped++;
        return TFC_OK;
    }
    char *args = tfc_arena_strndup(&d->arena, call->args, strlen(call->args));
    char *date = tfc_arena_strndup(&d->arena, call->context, strlen(call->context));
    char *text = tfc_arena_strndup(&d->arena, call->text, strlen(call->text));
    if (!args || !date || !text) return tfc_fail_memory(err, "the recorded calls");
    d->jobs[d->n] = (tfc_tool_job){.tool = tool, .args = args, .context = {.date = *date ? date : NULL}};
    d->then[d->n].status = call->status;
    d->then[d->n++].text = text;
    return d->n == AT_ONCE ? run_calls(d, err) : TFC_OK;
}

static tfc_status count_manifests(diff *d, tfc_recording *recording, tfc_error *err)
{
    tfc_status status = TFC_OK;
    for (size_t i = 0; status == TFC_OK; i++) {
        char *name, *source, *manifest;
        status = tfc_recording_get_tool(recording, i, &name, &source, &manifest, err);
        if (status != TFC_OK || !name) break;
        const tfc_tool *tool = tfc_tools_find(d->tools, name);
        d->result->other_manifests += tool && strcmp(tool->manifest_text, manifest) != 0;
        tfc_free(name);
        tfc_free(source);
        tfc_free(manifest);
    }
    return status;
}

tfc_status tfc_recording_diff(const char *run, const tfc_tools *tools,
                              void (*changed)(void *context, const tfc_call_change *change), void *context,
                              const tfc_monitor *monitor, tfc_diff_result *result, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    *result = (tfc_diff_result){0};
    diff *d = tfc_alloc_zero(1, sizeof *d);
    tfc_recording *recording = d ? tfc_recording_open_to_read(run, &own) : NULL;
    tfc_status status = d ? own.status : tfc_fail_memory(&own, "the recorded calls");
    if (status == TFC_OK) {
        d->tools = tools;
        d->changed = changed;
        d->context = context;
        d->monitor = monitor;
        d->result = result;
        d->runner = tfc_runner_create(&(tfc_runner_params){.cache = "none"}, &own);
        status = own.status;
    }
    if (status == TFC_OK) status = count_manifests(d, recording, &own);
    if (status == TFC_OK) status = tfc_recording_each(recording, take_call, d, &own);
    if (status == TFC_OK && d->n > 0) status = run_calls(d, &own);
    if (d) {
        tfc_arena_release(&d->arena);
        tfc_runner_free(d->runner);
    }
    tfc_recording_close(recording);
    tfc_free(d);
    if (status != TFC_OK && err) *err = own;
    return status;
}

char *tfc_recording_tools(const char *run, tfc_error *err)
{
    tfc_recording *recording = tfc_recording_open_to_read(run, err);
    tfc_status status = recording ? TFC_OK : TFC_EIO;
    tfc_buffer list;
    tfc_buffer_init(&list, 1 << 20);
    for (size_t i = 0; status == TFC_OK; i++) {
        char *name, *source, *manifest;
        status = tfc_recording_get_tool(recording, i, &name, &source, &manifest, err);
        if (status != TFC_OK || !name) break;
        tfc_buffer_printf(&list, "%s%s", i ? "," : "", source);
        tfc_free(name);
        tfc_free(source);
        tfc_free(manifest);
    }
    tfc_recording_close(recording);
    if (status == TFC_OK && list.n == 0)
        status = tfc_fail(err, TFC_ENOTFOUND, "the run '%s' has recorded no tools", run);
    if (status == TFC_OK) status = tfc_buffer_ok(&list, "the list of tools", err);
    char *text = status == TFC_OK ? tfc_buffer_take(&list, NULL) : NULL;
    tfc_buffer_release(&list);
    return text;
}
