/* The backend "builtin:qa": passages are searched for, a reader answers from them.
 *
 *     {"type": "builtin:qa", "index": PATH, "passages": 3, "model": NAME, "least_p": 0.1, "spans": true}
 *     {"type": "builtin:qa", "url": "http://127.0.0.1:8080/v1", "model": NAME, "key": ENVIRONMENT_VARIABLE}
 */
#include <stdio.h>

#include "tools/backend.h"
#include "tools/qa_reader.h"
#include "tools/shared_index.h"

typedef struct qa_state {
    tfc_shared_index index;
    tfc_qa_reader *reader;
    int64_t n_passages;
} qa_state;

static tfc_status qa_open(tfc_tool *tool, tfc_json *json, const char *folder, tfc_arena *arena,
                          tfc_error *err)
{
    static const char *const keys[] = {"type",  "index", "passages", "model", "least_p",
                                       "spans", "url",   "key",      NULL};
    qa_state *self = tfc_arena_alloc(arena, 1, sizeof *self);
    if (!self) return tfc_fail_memory(err, "QA");
    bool object = json_object_is_type(json, json_type_object), found;
    self->n_passages = 3;
    tfc_status status = object ? tfc_json_only_keys(json, keys, err) : TFC_OK;
    if (status == TFC_OK && object)
        status = tfc_json_get_int(json, "passages", 1, 20, &self->n_passages, &found, err);
    if (status == TFC_OK) status = tfc_shared_index_init(&self->index, json, folder, arena, err);
    if (status != TFC_OK) return status;
    tfc_error own;
    self->reader = tfc_qa_reader_create(json, &own);
    tool->state = self;
    return self->reader ? TFC_OK : tfc_fail(err, own.status, "%s", own.message);
}

static tfc_status qa_prepare(const tfc_tool *tool, tfc_error *err)
{
    qa_state *self = tool->state;
    tfc_index *index;
    tfc_status status = tfc_shared_index_open(&self->index, &index, err);
    return status == TFC_OK ? tfc_qa_reader_available(self->reader, err) : status;
}

/* The passages' snippets, the best one first, as one text. */
static tfc_status find_passages(qa_state *self, const char *question, int64_t deadline_ns, tfc_buffer *out,
                                tfc_error *err)
{
    tfc_index *index;
    tfc_hits *hits = NULL;
    tfc_search_params params = {
        .n_hits = (size_t)self->n_passages, .max_snippet_bytes = 700, .deadline_ns = deadline_ns};
    tfc_status status = tfc_shared_index_open(&self->index, &index, err);
    if (status == TFC_OK) status = tfc_index_search(index, question, &params, &hits, err);
    if (status != TFC_OK) return status;
    for (size_t i = 0; i < hits->n; i++)
        tfc_buffer_printf(out, "%s%s", i ? "\n" : "", hits->items[i].snippet);
    status = hits->n ? tfc_buffer_ok(out, "QA", err)
                     : tfc_fail(err, TFC_ENORESULT, "nothing was found for '%.200s'", question);
    tfc_hits_free(hits);
    return status;
}

static tfc_status qa_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                          int64_t deadline_ns, char **result, tfc_error *err)
{
    (void)context;
    qa_state *self = tool->state;
    size_t n;
    const char *view = tfc_question_view(args, &n);
    char *question = tfc_memdup_text(view, n);
    if (!question) return tfc_fail_memory(err, "QA");
    tfc_buffer passages;
    tfc_buffer_init(&passages, 1 << 16);
    tfc_status status = find_passages(self, question, deadline_ns, &passages, err);
    if (status == TFC_OK)
        status = tfc_qa_read(self->reader, passages.data, question, deadline_ns, result, err);
    tfc_buffer_release(&passages);
    tfc_free(question);
    return status;
}

static void qa_close(tfc_tool *tool)
{
    qa_state *self = tool->state;
    if (!self) return;
    tfc_qa_reader_free(self->reader);
    tfc_shared_index_release(&self->index);
    tool->state = NULL;
}

static tfc_status qa_version(const tfc_tool *tool, char *out, size_t n, tfc_error *err)
{
    const qa_state *self = tool->state;
    tfc_status status = tfc_shared_index_version((tfc_shared_index *)&self->index, out, n, err);
    size_t used = status == TFC_OK ? strlen(out) : 0;
    if (status == TFC_OK) snprintf(out + used, n - used, ", reader %s", tfc_qa_reader_name(self->reader));
    return status;
}

const tfc_backend_type tfc_backend_qa = {.name = "builtin:qa",
                                         .open = qa_open,
                                         .prepare = qa_prepare,
                                         .available = qa_prepare,
                                         .call = qa_call,
                                         .close = qa_close,
                                         .ignores_context = true,
                                         .version = qa_version};
