/* A content hash of what a run was made from: a file, or the files of a folder. */
#include <dirent.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/random.h"

static tfc_status hash_file(const char *path, uint64_t *hash, tfc_error *err)
{
    tfc_file_map map;
    tfc_status status = tfc_file_map_open(&map, path, err);
    if (status != TFC_OK) return status;
    *hash = tfc_hash_bytes(map.data, map.n_bytes, *hash);
    tfc_file_map_close(&map);
    return TFC_OK;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

tfc_status tfc_path_hash(const char *path, uint64_t *hash, tfc_error *err)
{
    *hash = 0;
    if (!tfc_folder_exists(path)) return hash_file(path, hash, err);
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, NULL);
    if (n < 0) return tfc_fail_errno(err, "cannot read folder '%s'", path);
    char **names = tfc_alloc_zero((size_t)n, sizeof *names);
    tfc_status status = names ? TFC_OK : tfc_fail_memory(err, path);
    for (int i = 0; i < n && names; i++) names[i] = entries[i]->d_name;
    if (names) qsort(names, (size_t)n, sizeof *names, compare_text);
    for (int i = 0; i < n && status == TFC_OK; i++) {
        char *file = tfc_path_join(path, names[i]);
        if (!file)
            status = tfc_fail_memory(err, path);
        else if (tfc_file_exists(file))
            status = hash_file(file, hash, err);
        tfc_free(file);
    }
    for (int i = 0; i < n; i++) free(entries[i]);
    free(entries);
    tfc_free(names);
    return status;
}
