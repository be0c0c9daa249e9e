/* base/file.h: mapped input, and output that appears under its name only when it is whole. */
#ifndef TFC_BASE_FILE_H
#define TFC_BASE_FILE_H

#include <stdio.h>

#include "base/memory.h"

/* A read-only mapping of a whole file. An empty file gives data non-NULL and n_bytes 0. */
typedef struct tfc_file_map {
    const unsigned char *data;
    size_t n_bytes;
    void *mapping; /* what munmap wants; NULL for an empty file */
} tfc_file_map;
tfc_status tfc_file_map_open(tfc_file_map *map, const char *path, tfc_error *err);
void tfc_file_map_close(tfc_file_map *map);
/* What was read so far leaves this process's memory; what is read again comes back from the file. */
void tfc_file_map_drop_pages(const tfc_file_map *map);

/* Reads a whole file of at most max_bytes; *text is NUL-terminated and the caller's (tfc_free). */
tfc_status tfc_file_read(const char *path, size_t max_bytes, char **text, size_t *n_bytes, tfc_error *err);

/* Writes to PATH.partial and renames at the end, so that PATH is either the old file or the whole new one.
 * After a failed write the writer stays usable and every later call fails with the first error. */
typedef struct tfc_file_writer {
    FILE *stream;
    char *path, *partial;
    bool failed;
} tfc_file_writer;
tfc_status tfc_file_writer_open(tfc_file_writer *writer, const char *path, tfc_error *err);
tfc_status tfc_file_writer_write(tfc_file_writer *writer, const void *bytes, size_t n, tfc_error *err);
/* Flushes, fsyncs, renames, fsyncs the folder. On failure the partial file is removed. Always releases. */
tfc_status tfc_file_writer_commit(tfc_file_writer *writer, tfc_error *err);
/* Removes the partial file and releases. Fine after a commit and on a zeroed struct. */
void tfc_file_writer_abort(tfc_file_writer *writer);

/* The same end for a partial file that someone else wrote: fsync, rename, fsync of the folder. The partial
 * file stays on failure. */
tfc_status tfc_file_commit(const char *partial, const char *path, tfc_error *err);

/* The common case: the whole content is in memory. */
tfc_status tfc_file_write_whole(const char *path, const void *bytes, size_t n, tfc_error *err);

/* Makes a folder and its missing parents. */
tfc_status tfc_folder_make(const char *path, tfc_error *err);
bool tfc_file_exists(const char *path);
bool tfc_folder_exists(const char *path);
/* "folder/name" in memory of its own; NULL when there is none left. */
char *tfc_path_join(const char *folder, const char *name);
/* Of the content: a file's, or that of all regular files of a folder by name. For keys, not for security. */
tfc_status tfc_path_hash(const char *path, uint64_t *hash, tfc_error *err);

#endif
