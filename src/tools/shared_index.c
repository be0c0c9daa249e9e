/* A path that a manifest names is that manifest's; without one the place of the machine counts. */
#include "tools/shared_index.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"

tfc_status tfc_shared_index_init(tfc_shared_index *shared, tfc_json *backend, const char *folder,
                                 tfc_arena *arena, tfc_error *err)
{
    const char *path = NULL;
    size_t n;
    bool found = false;
    *shared = (tfc_shared_index){.lock = PTHREAD_MUTEX_INITIALIZER};
    if (!json_object_is_type(backend, json_type_object)) return TFC_OK;
    tfc_status status = tfc_json_get_text(backend, "index", &path, &n, &found, err);
    if (status != TFC_OK || !found) return status;
    if (n == 0 || strlen(path) != n) return tfc_fail(err, TFC_EFORMAT, "index: the path of a file expected");
    char *joined = folder && *path != '/' ? tfc_path_join(folder, path) : tfc_strdup(path);
    if (joined) shared->path = tfc_arena_strndup(arena, joined, strlen(joined));
    tfc_free(joined);
    return shared->path ? TFC_OK : tfc_fail_memory(err, "index");
}

void tfc_shared_index_release(tfc_shared_index *shared)
{
    tfc_index_close(shared->index);
    pthread_mutex_destroy(&shared->lock);
}

tfc_status tfc_shared_index_open(tfc_shared_index *shared, tfc_index **index, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    pthread_mutex_lock(&shared->lock);
    if (!shared->index) {
        char *path = tfc_index_locate(shared->path);
        if (path)
            shared->index = tfc_index_open(path, &own);
        else
            tfc_fail_memory(&own, "index");
        tfc_text_free(path);
    }
    *index = shared->index;
    pthread_mutex_unlock(&shared->lock);
    return *index ? TFC_OK : tfc_fail(err, own.status, "%s", own.message);
}

tfc_status tfc_shared_index_version(tfc_shared_index *shared, char *out, size_t n, tfc_error *err)
{
    tfc_index *index;
    tfc_status status = tfc_shared_index_open(shared, &index, err);
    if (status == TFC_OK) snprintf(out, n, "index %016" PRIx64, tfc_index_get_info(index).hash);
    return status;
}

const char *tfc_question_view(const char *args, size_t *n)
{
    size_t length = strlen(args);
    while (length > 0 && *args == ' ') args++, length--;
    while (length > 0 && args[length - 1] == ' ') length--;
    if (length >= 2 && *args == '"' && args[length - 1] == '"') args++, length -= 2;
    *n = length;
    return args;
}
