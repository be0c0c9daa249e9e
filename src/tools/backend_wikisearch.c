/* The backend "builtin:wikisearch": the best passage of an index, as a snippet of a few sentences.
 *
 *     {"type": "builtin:wikisearch", "index": PATH} */
#include "tools/backend.h"
#include "tools/shared_index.h"

static tfc_status wikisearch_open(tfc_tool *tool, tfc_json *json, const char *folder, tfc_arena *arena,
                                  tfc_error *err)
{
    static const char *const keys[] = {"type", "index", NULL};
    tfc_shared_index *index = tfc_arena_alloc(arena, 1, sizeof *index);
    if (!index) return tfc_fail_memory(err, "WikiSearch");
    tfc_status status =
        json_object_is_type(json, json_type_object) ? tfc_json_only_keys(json, keys, err) : TFC_OK;
    if (status == TFC_OK) status = tfc_shared_index_init(index, json, folder, arena, err);
    if (status == TFC_OK) tool->state = index;
    return status;
}

static tfc_status wikisearch_prepare(const tfc_tool *tool, tfc_error *err)
{
    tfc_index *index;
    return tfc_shared_index_open(tool->state, &index, err);
}

static tfc_status wikisearch_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                                  int64_t deadline_ns, char **result, tfc_error *err)
{
    (void)context;
    tfc_index *index;
    tfc_status status = tfc_shared_index_open(tool->state, &index, err);
    if (status != TFC_OK) return status;
    size_t n;
    const char *view = tfc_question_view(args, &n);
    char *question = tfc_memdup_text(view, n);
    if (!question) return tfc_fail_memory(err, "WikiSearch");
    tfc_search_params params = {
        .n_hits = 1, .max_snippet_bytes = tool->max_result_bytes, .deadline_ns = deadline_ns};
    tfc_hits *hits = NULL;
    status = tfc_index_search(index, question, &params, &hits, err);
    if (status == TFC_OK && hits->n == 0)
        status = tfc_fail(err, TFC_ENORESULT, "nothing was found for '%.200s'", question);
    if (status == TFC_OK) {
        *result = tfc_strdup(hits->items[0].snippet);
        if (!*result) status = tfc_fail_memory(err, "WikiSearch");
    }
    tfc_hits_free(hits);
    tfc_free(question);
    return status;
}

static void wikisearch_close(tfc_tool *tool)
{
    if (tool->state) tfc_shared_index_release(tool->state);
    tool->state = NULL;
}

static tfc_status wikisearch_version(const tfc_tool *tool, char *out, size_t n, tfc_error *err)
{
    return tfc_shared_index_version(tool->state, out, n, err);
}

const tfc_backend_type tfc_backend_wikisearch = {.name = "builtin:wikisearch",
                                                 .open = wikisearch_open,
                                                 .prepare = wikisearch_prepare,
                                                 .available = wikisearch_prepare,
                                                 .call = wikisearch_call,
                                                 .close = wikisearch_close,
                                                 .ignores_context = true,
                                                 .version = wikisearch_version};
