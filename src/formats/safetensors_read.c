/* safetensors, read: 8 bytes of header length, a JSON header, the tensors' bytes without a gap. A folder's
 * shards are opened each by itself; the folder then holds copies of their entries. */
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"

enum { HEADER_MAX = 100000000, RAW_DIMS = 8 };

typedef struct st_dtype {
    const char *name;
    uint64_t bytes;
    int dtype; /* tfc_dtype, or -1: no weight */
} st_dtype;
static const st_dtype st_dtypes[] = {
    {"F32", 4, TFC_F32}, {"F16", 2, TFC_F16}, {"BF16", 2, TFC_BF16}, {"F64", 8, -1},     {"I64", 8, -1},
    {"I32", 4, -1},      {"I16", 2, -1},      {"I8", 1, -1},         {"U64", 8, -1},     {"U32", 4, -1},
    {"U16", 2, -1},      {"U8", 1, -1},       {"BOOL", 1, -1},       {"F8_E5M2", 1, -1}, {"F8_E4M3", 1, -1}};

typedef struct st_entry {
    const char *name; /* first: the name table wants it there */
    const st_dtype *type;
    tfc_safetensors_raw_view raw;
    uint64_t begin;
} st_entry;

struct tfc_safetensors {
    tfc_file_map map;
    tfc_arena names;
    st_entry *entries;
    int64_t n_entries, *table, table_size;
    tfc_tensor_set weights;
    size_t n_bytes;
    tfc_safetensors **shards; /* of a folder with an index, opened under shard_names */
    const char **shard_names;
    int64_t n_shards;
};

/* ---- one entry of the header ---- */

/* An array of unsigned integers; 10^30 comes out of the parser as the largest one and is out of any range. */
static tfc_status read_numbers(tfc_json *object, const char *key, int64_t *numbers, int n_max, int *n,
                               tfc_error *err)
{
    tfc_json *array;
    tfc_status status = tfc_json_get_array(object, key, &array, NULL, err);
    if (status != TFC_OK) return status;
    size_t length = json_object_array_length(array);
    if (length > (size_t)n_max)
        return tfc_fail(err, TFC_EFORMAT, "%s: too many numbers (%zu, at most %d)", key, length, n_max);
    for (size_t i = 0; i < length; i++) {
        tfc_json *item = json_object_array_get_idx(array, i);
        if (!json_object_is_type(item, json_type_int) || json_object_get_int64(item) < 0)
            return tfc_fail(err, TFC_EFORMAT, "%s: unsigned integers expected", key);
        numbers[i] = json_object_get_int64(item);
        if (numbers[i] == INT64_MAX) return tfc_fail(err, TFC_EFORMAT, "%s: out of range", key);
    }
    *n = (int)length;
    return TFC_OK;
}

static tfc_status read_dtype(tfc_json *object, const st_dtype **type, tfc_error *err)
{
    const char *text;
    size_t n;
    bool found;
    tfc_status status = tfc_json_get_text(object, "dtype", &text, &n, &found, err);
    if (status != TFC_OK) return status;
    if (!found) return tfc_fail(err, TFC_EFORMAT, "dtype missing");
    for (size_t i = 0; i < sizeof st_dtypes / sizeof *st_dtypes; i++)
        if (strlen(st_dtypes[i].name) == n && memcmp(st_dtypes[i].name, text, n) == 0) {
            *type = &st_dtypes[i];
            return TFC_OK;
        }
    char printed[TFC_NAME_TEXT];
    return tfc_fail(err, TFC_EFORMAT, "unknown dtype '%s'", tfc_name_text(printed, text, n));
}

static tfc_status read_entry(st_entry *entry, tfc_json *object, const unsigned char *data, uint64_t n_data,
                             tfc_error *err)
{
    if (!json_object_is_type(object, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    tfc_safetensors_raw_view *raw = &entry->raw;
    int64_t offsets[2], n_values;
    int n_offsets;
    tfc_status status = read_dtype(object, &entry->type, err);
    if (status == TFC_OK) status = read_numbers(object, "shape", raw->dims, RAW_DIMS, &raw->n_dims, err);
    if (status == TFC_OK) status = read_numbers(object, "data_offsets", offsets, 2, &n_offsets, err);
    if (status != TFC_OK) return status;
    if (n_offsets != 2) return tfc_fail(err, TFC_EFORMAT, "data_offsets: two numbers expected");
    char shape[TFC_SHAPE_TEXT];
    uint64_t n_bytes;
    if (!tfc_dims_product(raw->dims, raw->n_dims, &n_values) ||
        __builtin_mul_overflow((uint64_t)n_values, entry->type->bytes, &n_bytes))
        return tfc_fail(err, TFC_EFORMAT, "tensor size overflows: shape %s of %s",
                        tfc_shape_text(shape, raw->dims, raw->n_dims), entry->type->name);
    uint64_t begin = (uint64_t)offsets[0], end = (uint64_t)offsets[1];
    if (begin > end)
        return tfc_fail(err, TFC_EFORMAT, "data_offsets reversed: %llu before %llu",
                        (unsigned long long)begin, (unsigned long long)end);
    if (end > n_data)
        return tfc_fail(err, TFC_EFORMAT, "tensor data outside the file: it ends at %llu of %llu bytes",
                        (unsigned long long)end, (unsigned long long)n_data);
    if (end - begin != n_bytes)
        return tfc_fail(err, TFC_EFORMAT,
                        "tensor size and shape disagree: data_offsets hold %llu bytes, %s of %s has %llu",
                        (unsigned long long)(end - begin), tfc_shape_text(shape, raw->dims, raw->n_dims),
                        entry->type->name, (unsigned long long)n_bytes);
    raw->dtype = entry->type->name;
    raw->data = data + begin;
    raw->n_bytes = n_bytes;
    entry->begin = begin;
    return TFC_OK;
}

/* ---- one file ---- */

static tfc_status read_entries(tfc_safetensors *file, tfc_json *header, const unsigned char *data,
                               uint64_t n_data, tfc_error *err)
{
    if (!json_object_is_type(header, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    file->entries = tfc_alloc_zero((size_t)json_object_object_length(header), sizeof *file->entries);
    if (!file->entries) return tfc_fail_memory(err, "tensor table");
    json_object_object_foreach(header, key, value)
    {
        if (strcmp(key, "__metadata__") == 0) continue;
        st_entry *entry = &file->entries[file->n_entries++];
        entry->name = tfc_arena_strndup(&file->names, key, strlen(key));
        if (!entry->name) return tfc_fail_memory(err, "tensor table");
        tfc_status status = read_entry(entry, value, data, n_data, err);
        char name[TFC_NAME_TEXT];
        if (status != TFC_OK) {
            tfc_error_prefix(err, "%s", tfc_name_text(name, key, strlen(key)));
            return status;
        }
    }
    return TFC_OK;
}

/* The tensors must fill the data section: no byte twice, none left over. */
static tfc_status check_cover(const tfc_safetensors *file, uint64_t n_data, tfc_error *err)
{
    tfc_byte_range *ranges = tfc_alloc((size_t)file->n_entries, sizeof *ranges);
    if (!ranges) return tfc_fail_memory(err, "tensor table");
    for (int64_t i = 0; i < file->n_entries; i++) {
        const st_entry *entry = &file->entries[i];
        ranges[i] = (tfc_byte_range){entry->begin, entry->begin + entry->raw.n_bytes, entry->name};
    }
    tfc_byte_ranges_sort(ranges, file->n_entries);
    char name[TFC_NAME_TEXT], other[TFC_NAME_TEXT];
    tfc_status status = TFC_OK;
    uint64_t end = 0;
    for (int64_t i = 0; status == TFC_OK && i < file->n_entries; i++) {
        tfc_name_text(name, ranges[i].name, strlen(ranges[i].name));
        if (ranges[i].begin < end)
            status = tfc_fail(err, TFC_EFORMAT, "tensors %s and %s overlap",
                              tfc_name_text(other, ranges[i - 1].name, strlen(ranges[i - 1].name)), name);
        else if (ranges[i].begin > end)
            status = tfc_fail(err, TFC_EFORMAT,
                              "tensor data not contiguous: %llu bytes before %s belong to no tensor",
                              (unsigned long long)(ranges[i].begin - end), name);
        end = ranges[i].end;
    }
    if (status == TFC_OK && end < n_data)
        status = tfc_fail(err, TFC_EFORMAT, "file longer than its tensors by %llu bytes",
                          (unsigned long long)(n_data - end));
    tfc_free(ranges);
    return status;
}

/* The set of weights, and the tables that find tensors by name. */
static tfc_status index_entries(tfc_safetensors *file, bool skip_others, tfc_error *err)
{
    char name[TFC_NAME_TEXT];
    tfc_tensor_set *set = &file->weights;
    set->tensors = tfc_alloc_zero((size_t)file->n_entries, sizeof *set->tensors);
    if (!set->tensors) return tfc_fail_memory(err, "tensor table");
    for (int64_t i = 0; i < file->n_entries; i++) {
        const st_entry *entry = &file->entries[i];
        if (entry->type->dtype < 0 || entry->raw.n_dims > TFC_TENSOR_DIMS) {
            if (skip_others) continue;
            tfc_name_text(name, entry->name, strlen(entry->name));
            if (entry->type->dtype >= 0)
                return tfc_fail(err, TFC_EFORMAT, "%s: too many dimensions (%d, at most %d)", name,
                                entry->raw.n_dims, TFC_TENSOR_DIMS);
            return tfc_fail(err, TFC_EUNSUPPORTED, "%s: dtype %s cannot be a weight; F32, F16 and BF16 can",
                            name, entry->type->name);
        }
        tfc_tensor_view *view = &set->tensors[set->n_tensors++];
        *view = (tfc_tensor_view){entry->name,       (tfc_dtype)entry->type->dtype,
                                  entry->raw.n_dims, {1, 1, 1, 1},
                                  entry->raw.data,   entry->raw.n_bytes};
        memcpy(view->dims, entry->raw.dims, (size_t)entry->raw.n_dims * sizeof *view->dims);
    }
    int64_t duplicate;
    tfc_status status = tfc_name_table_build(&file->table, &file->table_size, file->entries, file->n_entries,
                                             sizeof *file->entries, &duplicate, err);
    if (status != TFC_OK && duplicate >= 0)
        return tfc_fail(
            err, TFC_EFORMAT, "duplicate tensor %s",
            tfc_name_text(name, file->entries[duplicate].name, strlen(file->entries[duplicate].name)));
    if (status != TFC_OK) return status;
    return tfc_name_table_build(&set->table, &set->table_size, set->tensors, set->n_tensors,
                                sizeof *set->tensors, &duplicate, err);
}

static tfc_status read_file(tfc_safetensors *file, const unsigned char *bytes, size_t n, bool skip_others,
                            tfc_error *err)
{
    uint64_t n_header;
    if (n < sizeof n_header)
        return tfc_fail(err, TFC_EFORMAT, "truncated: safetensors header in a file of %zu bytes", n);
    memcpy(&n_header, bytes, sizeof n_header);
    bytes += sizeof n_header;
    n -= sizeof n_header;
    if (n_header > n)
        return tfc_fail(err, TFC_EFORMAT,
                        "header of %llu bytes runs past the end of the file (%zu bytes are left)",
                        (unsigned long long)n_header, n);
    if (n_header > HEADER_MAX)
        return tfc_fail(err, TFC_ELIMIT, "header of %llu bytes is larger than 100 MB",
                        (unsigned long long)n_header);
    tfc_json *header = tfc_json_parse((const char *)bytes, n_header, "header", err);
    if (!header) return err ? err->status : TFC_EFORMAT;
    tfc_status status = read_entries(file, header, bytes + n_header, n - n_header, err);
    json_object_put(header);
    if (status != TFC_OK) {
        tfc_error_prefix(err, "header");
        return status;
    }
    status = check_cover(file, n - n_header, err);
    return status == TFC_OK ? index_entries(file, skip_others, err) : status;
}

tfc_safetensors *tfc_safetensors_open_memory(const void *bytes, size_t n, const char *what, bool skip_others,
                                             tfc_error *err)
{
    tfc_safetensors *file = tfc_alloc_zero(1, sizeof *file);
    if (!file) {
        tfc_fail_memory(err, what);
        return NULL;
    }
    file->n_bytes = n;
    if (read_file(file, bytes, n, skip_others, err) == TFC_OK) return file;
    tfc_error_prefix(err, "%s", what);
    tfc_safetensors_close(file);
    return NULL;
}

tfc_safetensors *tfc_safetensors_open(const char *path, bool skip_others, tfc_error *err)
{
    tfc_file_map map;
    if (tfc_file_map_open(&map, path, err) != TFC_OK) return NULL;
    tfc_safetensors *file = tfc_safetensors_open_memory(map.data, map.n_bytes, path, skip_others, err);
    if (file)
        file->map = map;
    else
        tfc_file_map_close(&map);
    return file;
}

void tfc_safetensors_drop_pages(const tfc_safetensors *file)
{
    for (int64_t i = 0; i < file->n_shards; i++) tfc_safetensors_drop_pages(file->shards[i]);
    tfc_file_map_drop_pages(&file->map);
}

void tfc_safetensors_close(tfc_safetensors *file)
{
    if (!file) return;
    for (int64_t i = 0; i < file->n_shards; i++) tfc_safetensors_close(file->shards[i]);
    tfc_free(file->shards);
    tfc_free(file->shard_names);
    tfc_free(file->entries);
    tfc_free(file->table);
    tfc_free(file->weights.tensors);
    tfc_free(file->weights.table);
    tfc_arena_release(&file->names);
    tfc_file_map_close(&file->map);
    tfc_free(file);
}

const tfc_tensor_set *tfc_safetensors_tensors(const tfc_safetensors *file)
{
    return &file->weights;
}

size_t tfc_safetensors_bytes(const tfc_safetensors *file)
{
    return file->n_bytes;
}

static const st_entry *entry_find(const tfc_safetensors *file, const char *name)
{
    int64_t i =
        tfc_name_table_find(file->table, file->table_size, file->entries, sizeof *file->entries, name);
    return i < 0 ? NULL : &file->entries[i];
}

const tfc_safetensors_raw_view *tfc_safetensors_raw(const tfc_safetensors *file, const char *name)
{
    const st_entry *entry = entry_find(file, name);
    return entry ? &entry->raw : NULL;
}

/* ---- shards ---- */

/* The shard of that name, opened when it is the first time. */
static const tfc_safetensors *shard_get(tfc_safetensors *all, const char *folder, const char *name,
                                        tfc_error *err)
{
    char printed[TFC_NAME_TEXT];
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/')) {
        tfc_fail(err, TFC_EFORMAT, "shard name must be a plain file name, not '%s'",
                 tfc_name_text(printed, name, strlen(name)));
        return NULL;
    }
    for (int64_t i = 0; i < all->n_shards; i++)
        if (strcmp(all->shard_names[i], name) == 0) return all->shards[i];
    size_t n = (size_t)all->n_shards + 1;
    tfc_safetensors **shards = tfc_realloc(all->shards, n, sizeof *shards);
    if (shards) all->shards = shards;
    const char **names = tfc_realloc(all->shard_names, n, sizeof *names);
    if (names) all->shard_names = names;
    char *kept = tfc_arena_strndup(&all->names, name, strlen(name));
    char *path = tfc_path_join(folder, name);
    tfc_safetensors *shard = NULL;
    if (!shards || !names || !kept || !path)
        tfc_fail_memory(err, "shards");
    else
        shard = tfc_safetensors_open(path, true, err);
    tfc_free(path);
    if (!shard) return NULL;
    all->shards[all->n_shards] = shard;
    all->shard_names[all->n_shards++] = kept;
    all->n_bytes += shard->n_bytes;
    return shard;
}

static tfc_status read_index(tfc_safetensors *all, const char *folder, tfc_json *index, tfc_error *err)
{
    tfc_json *map;
    if (!json_object_is_type(index, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    tfc_status status = tfc_json_get_object(index, "weight_map", &map, NULL, err);
    if (status != TFC_OK) return status;
    all->entries = tfc_alloc_zero((size_t)json_object_object_length(map), sizeof *all->entries);
    if (!all->entries) return tfc_fail_memory(err, "tensor table");
    json_object_object_foreach(map, key, value)
    {
        char name[TFC_NAME_TEXT];
        tfc_name_text(name, key, strlen(key));
        if (!json_object_is_type(value, json_type_string))
            return tfc_fail(err, TFC_EFORMAT, "weight_map: %s: string expected", name);
        const char *shard_name = json_object_get_string(value);
        const tfc_safetensors *shard = shard_get(all, folder, shard_name, err);
        if (!shard) {
            tfc_error_prefix(err, "weight_map: %s", name);
            return err ? err->status : TFC_EFORMAT;
        }
        const st_entry *entry = entry_find(shard, key);
        if (!entry) {
            char printed[TFC_NAME_TEXT];
            return tfc_fail(err, TFC_EFORMAT, "tensor %s is not in its shard %s", name,
                            tfc_name_text(printed, shard_name, strlen(shard_name)));
        }
        all->entries[all->n_entries++] = *entry;
    }
    return TFC_OK;
}

static tfc_safetensors *open_index(const char *folder, const char *path, bool skip_others, tfc_error *err)
{
    tfc_json *index = tfc_json_parse_file(path, HEADER_MAX, err);
    if (!index) return NULL;
    tfc_safetensors *all = tfc_alloc_zero(1, sizeof *all);
    tfc_status status = all ? read_index(all, folder, index, err) : tfc_fail_memory(err, path);
    if (status == TFC_OK) status = index_entries(all, skip_others, err);
    json_object_put(index);
    if (status == TFC_OK) return all;
    tfc_error_prefix(err, "%s", path);
    tfc_safetensors_close(all);
    return NULL;
}

tfc_safetensors *tfc_safetensors_open_folder(const char *folder, bool skip_others, tfc_error *err)
{
    char *single = tfc_path_join(folder, "model.safetensors");
    char *index = tfc_path_join(folder, "model.safetensors.index.json");
    tfc_safetensors *file = NULL;
    if (!single || !index)
        tfc_fail_memory(err, folder);
    else if (tfc_file_exists(single))
        file = tfc_safetensors_open(single, skip_others, err);
    else if (tfc_file_exists(index))
        file = open_index(folder, index, skip_others, err);
    else
        tfc_fail(err, TFC_ENOTFOUND, "'%s' holds neither model.safetensors nor model.safetensors.index.json",
                 folder);
    tfc_free(single);
    tfc_free(index);
    return file;
}
