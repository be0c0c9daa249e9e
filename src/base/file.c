/* Files: mapped reading, atomic writing. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

tfc_status tfc_file_map_open(tfc_file_map *map, const char *path, tfc_error *err)
{
    memset(map, 0, sizeof *map);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tfc_fail_errno(err, "cannot open '%s'", path);
    struct stat st;
    tfc_status status = TFC_OK;
    if (fstat(fd, &st) != 0) {
        status = tfc_fail_errno(err, "cannot read '%s'", path);
    } else if (!S_ISREG(st.st_mode)) {
        status = tfc_fail(err, TFC_EINVAL, "'%s' is not a regular file", path);
    } else if (st.st_size == 0) {
        map->data = (const unsigned char *)"";
    } else {
        void *mapping = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapping == MAP_FAILED) {
            status = tfc_fail_errno(err, "cannot map '%s'", path);
        } else {
            map->mapping = mapping;
            map->data = mapping;
            map->n_bytes = (size_t)st.st_size;
        }
    }
    close(fd);
    return status;
}

void tfc_file_map_drop_pages(const tfc_file_map *map)
{
    if (map->mapping) (void)madvise(map->mapping, map->n_bytes, MADV_DONTNEED);
}

void tfc_file_map_close(tfc_file_map *map)
{
    if (map->mapping) munmap(map->mapping, map->n_bytes);
    memset(map, 0, sizeof *map);
}

tfc_status tfc_file_read(const char *path, size_t max_bytes, char **text, size_t *n_bytes, tfc_error *err)
{
    *text = NULL;
    FILE *stream = fopen(path, "rbe");
    if (!stream) return tfc_fail_errno(err, "cannot open '%s'", path);
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, max_bytes);
    char chunk[1 << 15];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, stream)) > 0 && tfc_buffer_append(&buffer, chunk, n)) {
    }
    tfc_status status = TFC_OK;
    if (ferror(stream))
        status = tfc_fail_errno(err, "cannot read '%s'", path);
    else if (buffer.failed && !buffer.too_large)
        status = tfc_fail_memory(err, path);
    else if (buffer.failed)
        status = tfc_fail(err, TFC_ELIMIT, "'%s' is larger than %zu bytes", path, max_bytes);
    fclose(stream);
    if (status == TFC_OK) {
        *text = tfc_buffer_take(&buffer, n_bytes);
        if (!*text) status = tfc_fail_memory(err, path);
    }
    tfc_buffer_release(&buffer);
    return status;
}

tfc_status tfc_file_writer_open(tfc_file_writer *writer, const char *path, tfc_error *err)
{
    memset(writer, 0, sizeof *writer);
    tfc_buffer name;
    tfc_buffer_init(&name, 1 << 16);
    tfc_buffer_printf(&name, "%s.partial", path);
    writer->path = tfc_strdup(path);
    writer->partial = tfc_buffer_take(&name, NULL);
    tfc_buffer_release(&name);
    if (!writer->path || !writer->partial) {
        tfc_file_writer_abort(writer);
        return tfc_fail_memory(err, path);
    }
    writer->stream = fopen(writer->partial, "wbe");
    if (!writer->stream) {
        tfc_status status = tfc_fail_errno(err, "cannot write '%s'", path);
        tfc_file_writer_abort(writer);
        return status;
    }
    return TFC_OK;
}

tfc_status tfc_file_writer_write(tfc_file_writer *writer, const void *bytes, size_t n, tfc_error *err)
{
    if (writer->failed) return tfc_fail(err, TFC_EIO, "cannot write '%s'", writer->path);
    if (n == 0 || fwrite(bytes, 1, n, writer->stream) == n) return TFC_OK;
    writer->failed = true;
    return tfc_fail_errno(err, "cannot write '%s'", writer->path);
}

/* The rename is on disk only once its folder is. */
static int folder_sync(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? tfc_memdup_text(path, slash == path ? 1 : (size_t)(slash - path)) : tfc_strdup(".");
    if (!folder) return 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    tfc_free(folder);
    if (fd < 0) return 0;
    int result = fsync(fd);
    close(fd);
    return result != 0 && errno != EINVAL && errno != EROFS ? -1 : 0;
}

tfc_status tfc_file_writer_commit(tfc_file_writer *writer, tfc_error *err)
{
    tfc_status status = TFC_OK;
    if (writer->failed) {
        status = tfc_fail(err, TFC_EIO, "cannot write '%s'", writer->path);
    } else if (fflush(writer->stream) != 0 || fsync(fileno(writer->stream)) != 0) {
        status = tfc_fail_errno(err, "cannot write '%s'", writer->path);
    } else {
        int closed = fclose(writer->stream);
        writer->stream = NULL;
        if (closed != 0 || rename(writer->partial, writer->path) != 0 || folder_sync(writer->path) != 0)
            status = tfc_fail_errno(err, "cannot write '%s'", writer->path);
        else
            tfc_free(writer->partial), writer->partial = NULL;
    }
    tfc_file_writer_abort(writer);
    return status;
}

tfc_status tfc_file_commit(const char *partial, const char *path, tfc_error *err)
{
    int fd = open(partial, O_RDWR | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    int code = errno;
    if (fd >= 0) close(fd);
    errno = code;
    if (synced && rename(partial, path) == 0 && folder_sync(path) == 0) return TFC_OK;
    return tfc_fail_errno(err, "cannot write '%s'", path);
}

void tfc_file_writer_abort(tfc_file_writer *writer)
{
    if (writer->stream) fclose(writer->stream);
    if (writer->partial) unlink(writer->partial);
    tfc_free(writer->partial);
    tfc_free(writer->path);
    memset(writer, 0, sizeof *writer);
}

tfc_status tfc_file_write_whole(const char *path, const void *bytes, size_t n, tfc_error *err)
{
    tfc_file_writer writer;
    tfc_status status = tfc_file_writer_open(&writer, path, err);
    if (status != TFC_OK) return status;
    status = tfc_file_writer_write(&writer, bytes, n, err);
    if (status != TFC_OK) {
        tfc_file_writer_abort(&writer);
        return status;
    }
    return tfc_file_writer_commit(&writer, err);
}

tfc_status tfc_folder_make(const char *path, tfc_error *err)
{
    char *copy = tfc_strdup(path);
    if (!copy) return tfc_fail_memory(err, path);
    tfc_status status = TFC_OK;
    for (char *p = copy + 1; status == TFC_OK; p++) {
        if (*p != '/' && *p != '\0') continue;
        char end = *p;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && !(errno == EEXIST && tfc_folder_exists(copy)))
            status = tfc_fail_errno(err, "cannot make folder '%s'", copy);
        *p = end;
        if (end == '\0') break;
    }
    tfc_free(copy);
    return status;
}

bool tfc_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool tfc_folder_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *tfc_path_join(const char *folder, const char *name)
{
    tfc_buffer path;
    tfc_buffer_init(&path, 1 << 16);
    size_t n = strlen(folder);
    tfc_buffer_printf(&path, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name);
    char *result = path.failed ? NULL : tfc_buffer_take(&path, NULL);
    tfc_buffer_release(&path);
    return result;
}
