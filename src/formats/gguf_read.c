/* GGUF, read. The file is walked once from front to back: header, metadata, tensor table; a cursor knows the
 * end, and nothing is allocated for a count before the bytes that are left could hold it. Numbers may lie at
 * any address, so all are copied out. Versions 2 and 3 have the same layout. */
#include "base/file.h"
#include "base/utf8.h"
#include "formats/gguf.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files are little-endian and are read in place"
#endif

enum {
    KV_U8,
    KV_I8,
    KV_U16,
    KV_I16,
    KV_U32,
    KV_I32,
    KV_F32,
    KV_BOOL,
    KV_TEXT,
    KV_ARRAY,
    KV_U64,
    KV_I64,
    KV_F64,
    KV_TYPES
};
enum {
    HEADER_BYTES = 24,
    KV_MIN_BYTES = 13,     /* key length, type, one byte */
    TENSOR_MIN_BYTES = 24, /* name length, n_dims, type, offset */
    NAME_MAX_BYTES = 65535,
};

/* Bytes of a value; 0: text and arrays, which say their length themselves. */
static const unsigned char kv_bytes[KV_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

typedef struct gguf_entry {
    const char *key; /* first: the name table wants it there */
    size_t n_key;
    uint32_t type, item_type;
    const unsigned char *value, *items; /* items: where an array's begin */
    size_t n_value;
    uint64_t n_items;
    void *cache; /* int32_t[], float[] or the texts' places, made when first asked for */
} gguf_entry;

struct tfc_gguf {
    tfc_file_map map;
    tfc_arena names;
    const unsigned char *bytes;
    size_t n_bytes;
    gguf_entry *entries;
    int64_t n_entries, *entry_table, entry_table_size;
    tfc_tensor_set tensors;
    uint64_t alignment;
};

typedef struct cursor {
    const unsigned char *at, *end;
} cursor;

static size_t cursor_left(const cursor *in)
{
    return (size_t)(in->end - in->at);
}

static const unsigned char *cursor_take(cursor *in, uint64_t n)
{
    if (n > cursor_left(in)) return NULL;
    const unsigned char *bytes = in->at;
    in->at += n;
    return bytes;
}

static bool take_u32(cursor *in, uint32_t *out)
{
    const unsigned char *bytes = cursor_take(in, sizeof *out);
    if (bytes) memcpy(out, bytes, sizeof *out);
    return bytes != NULL;
}

static bool take_u64(cursor *in, uint64_t *out)
{
    const unsigned char *bytes = cursor_take(in, sizeof *out);
    if (bytes) memcpy(out, bytes, sizeof *out);
    return bytes != NULL;
}

/* A text: its length, then its bytes. */
static const char *take_text(cursor *in, uint64_t *n)
{
    return take_u64(in, n) ? (const char *)cursor_take(in, *n) : NULL;
}

/* A key or a tensor's name: kept with a final NUL, so it may hold none. */
static tfc_status take_name(tfc_gguf *gguf, cursor *in, const char *section, int64_t i, const char **name,
                            size_t *n_name, tfc_error *err)
{
    uint64_t n;
    const char *text = take_text(in, &n);
    if (!text)
        return tfc_fail(err, TFC_EFORMAT,
                        "truncated: %s: name %lld is a string that runs past the end of the file", section,
                        (long long)i);
    char printed[TFC_NAME_TEXT];
    size_t at;
    if (n == 0 || n > NAME_MAX_BYTES || memchr(text, 0, n) || !tfc_utf8_valid(text, n, &at))
        return tfc_fail(err, TFC_EFORMAT, "%s: name %lld ('%s') is no text of 1 to %d bytes", section,
                        (long long)i, tfc_name_text(printed, text, n), NAME_MAX_BYTES);
    *name = tfc_arena_strndup(&gguf->names, text, n);
    *n_name = n;
    return *name ? TFC_OK : tfc_fail_memory(err, section);
}

/* ---- metadata ---- */

static tfc_status entry_fail(const gguf_entry *entry, tfc_error *err, tfc_status status, const char *message)
{
    char key[TFC_NAME_TEXT];
    return tfc_fail(err, status, "%s: %s", tfc_name_text(key, entry->key, entry->n_key), message);
}

static tfc_status unknown_type(const gguf_entry *entry, uint32_t type, tfc_error *err)
{
    char key[TFC_NAME_TEXT];
    return tfc_fail(err, TFC_EFORMAT, "%s: unknown value type %u",
                    tfc_name_text(key, entry->key, entry->n_key), type);
}

static tfc_status read_array(gguf_entry *entry, cursor *in, tfc_error *err)
{
    if (!take_u32(in, &entry->item_type) || !take_u64(in, &entry->n_items))
        return entry_fail(entry, err, TFC_EFORMAT,
                          "truncated: metadata: array runs past the end of the file");
    if (entry->item_type == KV_ARRAY)
        return entry_fail(entry, err, TFC_EUNSUPPORTED, "nested arrays unsupported");
    if (entry->item_type >= KV_TYPES) return unknown_type(entry, entry->item_type, err);
    entry->items = in->at;
    size_t item_bytes = kv_bytes[entry->item_type] ? kv_bytes[entry->item_type] : 8;
    if (entry->n_items > cursor_left(in) / item_bytes)
        return entry_fail(entry, err, TFC_EFORMAT,
                          "truncated: metadata: array runs past the end of the file");
    if (entry->item_type != KV_TEXT) {
        const unsigned char *items = cursor_take(in, entry->n_items * item_bytes);
        for (uint64_t i = 0; entry->item_type == KV_BOOL && i < entry->n_items; i++)
            if (items[i] > 1) return entry_fail(entry, err, TFC_EFORMAT, "boolean must be 0 or 1");
        return TFC_OK;
    }
    for (uint64_t i = 0, n; i < entry->n_items; i++)
        if (!take_text(in, &n))
            return entry_fail(entry, err, TFC_EFORMAT,
                              "truncated: metadata: string of an array runs past the end of the file");
    return TFC_OK;
}

static tfc_status read_value(gguf_entry *entry, cursor *in, tfc_error *err)
{
    if (!take_u32(in, &entry->type))
        return entry_fail(entry, err, TFC_EFORMAT,
                          "truncated: metadata: no value before the end of the file");
    if (entry->type >= KV_TYPES) return unknown_type(entry, entry->type, err);
    entry->value = in->at;
    tfc_status status = TFC_OK;
    uint64_t n;
    if (entry->type == KV_ARRAY)
        status = read_array(entry, in, err);
    else if (entry->type == KV_TEXT && !take_text(in, &n))
        status =
            entry_fail(entry, err, TFC_EFORMAT, "truncated: metadata: string runs past the end of the file");
    else if (entry->type != KV_TEXT && !cursor_take(in, kv_bytes[entry->type]))
        status =
            entry_fail(entry, err, TFC_EFORMAT, "truncated: metadata: value runs past the end of the file");
    else if (entry->type == KV_BOOL && *entry->value > 1)
        status = entry_fail(entry, err, TFC_EFORMAT, "boolean must be 0 or 1");
    entry->n_value = (size_t)(in->at - entry->value);
    return status;
}

static tfc_status read_metadata(tfc_gguf *gguf, cursor *in, tfc_error *err)
{
    gguf->entries = tfc_alloc_zero((size_t)gguf->n_entries, sizeof *gguf->entries);
    if (!gguf->entries) return tfc_fail_memory(err, "metadata");
    for (int64_t i = 0; i < gguf->n_entries; i++) {
        gguf_entry *entry = &gguf->entries[i];
        tfc_status status = take_name(gguf, in, "metadata", i, &entry->key, &entry->n_key, err);
        if (status == TFC_OK) status = read_value(entry, in, err);
        if (status != TFC_OK) return status;
    }
    int64_t duplicate;
    tfc_status status = tfc_name_table_build(&gguf->entry_table, &gguf->entry_table_size, gguf->entries,
                                             gguf->n_entries, sizeof *gguf->entries, &duplicate, err);
    char key[TFC_NAME_TEXT];
    if (status != TFC_OK && duplicate >= 0)
        return tfc_fail(err, TFC_EFORMAT, "duplicate key %s",
                        tfc_name_text(key, gguf->entries[duplicate].key, gguf->entries[duplicate].n_key));
    return status;
}

static tfc_status read_alignment(tfc_gguf *gguf, tfc_error *err)
{
    int64_t alignment = 32;
    bool found;
    tfc_status status = tfc_gguf_get_int(gguf, "general.alignment", &alignment, &found, err);
    if (status != TFC_OK) return status;
    if (alignment < 1 || alignment > (int64_t)1 << 31 || (alignment & (alignment - 1)) != 0)
        return tfc_fail(err, TFC_EFORMAT, "general.alignment must be a power of two, not %lld",
                        (long long)alignment);
    gguf->alignment = (uint64_t)alignment;
    return TFC_OK;
}

/* ---- tensors ---- */

/* ggml's numbers for weight types. */
typedef struct gguf_type {
    const char *name; /* NULL: was removed from the format */
    int dtype;        /* tfc_dtype, or -1: none that we compute with */
} gguf_type;
static const gguf_type gguf_types[] = {
    {"F32", TFC_F32},   {"F16", TFC_F16}, {"Q4_0", TFC_Q4_0}, {"Q4_1", TFC_Q4_1}, {NULL, -1},
    {NULL, -1},         {"Q5_0", -1},     {"Q5_1", -1},       {"Q8_0", TFC_Q8_0}, {"Q8_1", -1},
    {"Q2_K", -1},       {"Q3_K", -1},     {"Q4_K", -1},       {"Q5_K", -1},       {"Q6_K", -1},
    {"Q8_K", -1},       {"IQ2_XXS", -1},  {"IQ2_XS", -1},     {"IQ3_XXS", -1},    {"IQ1_S", -1},
    {"IQ4_NL", -1},     {"IQ3_S", -1},    {"IQ2_S", -1},      {"IQ4_XS", -1},     {"I8", -1},
    {"I16", -1},        {"I32", -1},      {"I64", -1},        {"F64", -1},        {"IQ1_M", -1},
    {"BF16", TFC_BF16}, {NULL, -1},       {NULL, -1},         {NULL, -1},         {"TQ1_0", -1},
    {"TQ2_0", -1},      {NULL, -1},       {NULL, -1},         {NULL, -1},         {"MXFP4", -1},
};

static tfc_status find_dtype(uint32_t type, tfc_dtype *dtype, tfc_error *err)
{
    if (type >= sizeof gguf_types / sizeof *gguf_types)
        return tfc_fail(err, TFC_EFORMAT, "unknown tensor type %u", type);
    if (!gguf_types[type].name)
        return tfc_fail(err, TFC_EUNSUPPORTED, "unsupported tensor type %u (no longer in use)", type);
    if (gguf_types[type].dtype < 0)
        return tfc_fail(err, TFC_EUNSUPPORTED,
                        "unsupported tensor type %s; F32, F16, BF16, Q8_0, Q4_0 and Q4_1 are supported",
                        gguf_types[type].name);
    *dtype = (tfc_dtype)gguf_types[type].dtype;
    return TFC_OK;
}

/* Dimensions in the file run from the contiguous one outwards; ours the other way. */
static tfc_status read_dims(tfc_tensor_view *view, cursor *in, tfc_error *err)
{
    uint32_t n_dims;
    if (!take_u32(in, &n_dims)) return tfc_fail(err, TFC_EFORMAT, "truncated: tensor table");
    if (n_dims > TFC_TENSOR_DIMS)
        return tfc_fail(err, TFC_EFORMAT, "too many dimensions (%u, at most %d)", n_dims, TFC_TENSOR_DIMS);
    view->n_dims = (int)n_dims;
    for (int i = 0; i < TFC_TENSOR_DIMS; i++) view->dims[i] = 1;
    for (int i = view->n_dims - 1; i >= 0; i--) {
        uint64_t dim;
        if (!take_u64(in, &dim)) return tfc_fail(err, TFC_EFORMAT, "truncated: tensor table");
        if (dim == 0) return tfc_fail(err, TFC_EFORMAT, "dimension 0");
        view->dims[i] = dim > INT64_MAX ? INT64_MAX : (int64_t)dim;
    }
    return TFC_OK;
}

/* n_bytes from shape and type. */
static tfc_status size_tensor(tfc_tensor_view *view, tfc_error *err)
{
    char shape[TFC_SHAPE_TEXT];
    int64_t n_values, block = tfc_dtype_block_values(view->dtype);
    size_t bytes;
    if (!tfc_dims_product(view->dims, view->n_dims, &n_values) ||
        !tfc_size_mul((size_t)(n_values / block), tfc_dtype_block_bytes(view->dtype), &bytes) ||
        bytes > INT64_MAX)
        return tfc_fail(err, TFC_EFORMAT, "tensor size overflows: shape %s of %s",
                        tfc_shape_text(shape, view->dims, view->n_dims), tfc_dtype_name(view->dtype));
    int64_t row = view->n_dims ? view->dims[view->n_dims - 1] : 1;
    if (row % block != 0)
        return tfc_fail(err, TFC_EFORMAT, "row length %lld is no multiple of the block of %s, %lld",
                        (long long)row, tfc_dtype_name(view->dtype), (long long)block);
    view->n_bytes = bytes;
    return TFC_OK;
}

static tfc_status read_tensor(tfc_gguf *gguf, cursor *in, tfc_tensor_view *view, tfc_byte_range *range,
                              tfc_error *err)
{
    tfc_status status = read_dims(view, in, err);
    if (status != TFC_OK) return status;
    uint32_t type;
    uint64_t offset;
    if (!take_u32(in, &type) || !take_u64(in, &offset))
        return tfc_fail(err, TFC_EFORMAT, "truncated: tensor table");
    status = find_dtype(type, &view->dtype, err);
    if (status == TFC_OK) status = size_tensor(view, err);
    if (status != TFC_OK) return status;
    if (offset % gguf->alignment != 0)
        return tfc_fail(err, TFC_EFORMAT, "tensor offset %llu is not aligned to %llu",
                        (unsigned long long)offset, (unsigned long long)gguf->alignment);
    range->name = view->name;
    range->begin = offset;
    return TFC_OK;
}

/* Points every view into the data section, which begins at the next aligned byte after the table. */
static tfc_status place_tensors(tfc_gguf *gguf, const cursor *in, tfc_byte_range *ranges, tfc_error *err)
{
    char name[TFC_NAME_TEXT], other[TFC_NAME_TEXT];
    tfc_tensor_set *set = &gguf->tensors;
    uint64_t table_end = (uint64_t)(in->at - gguf->bytes);
    uint64_t begin = (table_end + gguf->alignment - 1) & ~(gguf->alignment - 1);
    uint64_t n_data = begin > gguf->n_bytes ? 0 : gguf->n_bytes - begin;
    for (int64_t i = 0; i < set->n_tensors; i++) {
        tfc_tensor_view *view = &set->tensors[i];
        if (ranges[i].begin > n_data || view->n_bytes > n_data - ranges[i].begin)
            return tfc_fail(
                err, TFC_EFORMAT,
                "truncated: tensor data of %s lies outside the file (%zu bytes at %llu of a data section of "
                "%llu)",
                tfc_name_text(name, view->name, strlen(view->name)), view->n_bytes,
                (unsigned long long)ranges[i].begin, (unsigned long long)n_data);
        view->data = gguf->bytes + begin + ranges[i].begin;
        ranges[i].end = ranges[i].begin + view->n_bytes;
    }
    tfc_byte_ranges_sort(ranges, set->n_tensors);
    for (int64_t i = 1; i < set->n_tensors; i++)
        if (ranges[i].begin < ranges[i - 1].end)
            return tfc_fail(err, TFC_EFORMAT, "tensors %s and %s overlap",
                            tfc_name_text(name, ranges[i - 1].name, strlen(ranges[i - 1].name)),
                            tfc_name_text(other, ranges[i].name, strlen(ranges[i].name)));
    return TFC_OK;
}

static tfc_status read_tensors(tfc_gguf *gguf, cursor *in, tfc_error *err)
{
    tfc_tensor_set *set = &gguf->tensors;
    char name[TFC_NAME_TEXT];
    tfc_status status = TFC_OK;
    tfc_byte_range *ranges = tfc_alloc_zero((size_t)set->n_tensors, sizeof *ranges);
    set->tensors = tfc_alloc_zero((size_t)set->n_tensors, sizeof *set->tensors);
    if (!set->tensors || !ranges) status = tfc_fail_memory(err, "tensor table");
    for (int64_t i = 0; status == TFC_OK && i < set->n_tensors; i++) {
        size_t n = 0;
        status = take_name(gguf, in, "tensor table", i, &set->tensors[i].name, &n, err);
        if (status != TFC_OK) break;
        status = read_tensor(gguf, in, &set->tensors[i], &ranges[i], err);
        if (status != TFC_OK) tfc_error_prefix(err, "%s", tfc_name_text(name, set->tensors[i].name, n));
    }
    if (status == TFC_OK) {
        int64_t duplicate;
        status = tfc_name_table_build(&set->table, &set->table_size, set->tensors, set->n_tensors,
                                      sizeof *set->tensors, &duplicate, err);
        if (status != TFC_OK && duplicate >= 0)
            tfc_fail(err, TFC_EFORMAT, "duplicate tensor %s",
                     tfc_name_text(name, set->tensors[duplicate].name, strlen(set->tensors[duplicate].name)));
    }
    if (status == TFC_OK) status = place_tensors(gguf, in, ranges, err);
    tfc_free(ranges);
    return status;
}

/* ---- open and close ---- */

static tfc_status read_header(tfc_gguf *gguf, cursor *in, tfc_error *err)
{
    const unsigned char *magic = cursor_take(in, 4);
    if (magic && memcmp(magic, "GGUF", 4) != 0)
        return tfc_fail(err, TFC_EFORMAT, "not a GGUF file (it does not begin with GGUF)");
    uint32_t version;
    uint64_t n_tensors, n_kv;
    if (!magic || !take_u32(in, &version))
        return tfc_fail(err, TFC_EFORMAT, "truncated: header of %d bytes in a file of %zu", HEADER_BYTES,
                        gguf->n_bytes);
    if (version != 0 && (version & 0xFFFF) == 0)
        return tfc_fail(err, TFC_EUNSUPPORTED, "big-endian file unsupported");
    if (version != 2 && version != 3)
        return tfc_fail(err, TFC_EUNSUPPORTED, "unsupported version %u of GGUF (2 and 3 are supported)",
                        version);
    if (!take_u64(in, &n_tensors) || !take_u64(in, &n_kv))
        return tfc_fail(err, TFC_EFORMAT, "truncated: header of %d bytes in a file of %zu", HEADER_BYTES,
                        gguf->n_bytes);
    if (n_tensors > cursor_left(in) / TENSOR_MIN_BYTES)
        return tfc_fail(err, TFC_EFORMAT, "tensor count %llu is larger than the file can hold",
                        (unsigned long long)n_tensors);
    if (n_kv > cursor_left(in) / KV_MIN_BYTES)
        return tfc_fail(err, TFC_EFORMAT, "metadata count %llu is larger than the file can hold",
                        (unsigned long long)n_kv);
    gguf->tensors.n_tensors = (int64_t)n_tensors;
    gguf->n_entries = (int64_t)n_kv;
    return TFC_OK;
}

static tfc_status read_all(tfc_gguf *gguf, tfc_error *err)
{
    cursor in = {gguf->bytes, gguf->bytes + gguf->n_bytes};
    tfc_status status = read_header(gguf, &in, err);
    if (status == TFC_OK) status = read_metadata(gguf, &in, err);
    if (status == TFC_OK) status = read_alignment(gguf, err);
    if (status == TFC_OK) status = read_tensors(gguf, &in, err);
    return status;
}

tfc_gguf *tfc_gguf_open_memory(const void *bytes, size_t n, const char *what, tfc_error *err)
{
    tfc_gguf *gguf = tfc_alloc_zero(1, sizeof *gguf);
    if (!gguf) {
        tfc_fail_memory(err, what);
        return NULL;
    }
    gguf->bytes = bytes;
    gguf->n_bytes = n;
    if (read_all(gguf, err) == TFC_OK) return gguf;
    tfc_error_prefix(err, "%s", what);
    tfc_gguf_close(gguf);
    return NULL;
}

tfc_gguf *tfc_gguf_open(const char *path, tfc_error *err)
{
    tfc_file_map map;
    if (tfc_file_map_open(&map, path, err) != TFC_OK) return NULL;
    tfc_gguf *gguf = tfc_gguf_open_memory(map.data, map.n_bytes, path, err);
    if (gguf)
        gguf->map = map;
    else
        tfc_file_map_close(&map);
    return gguf;
}

void tfc_gguf_drop_pages(const tfc_gguf *gguf)
{
    tfc_file_map_drop_pages(&gguf->map);
}

void tfc_gguf_close(tfc_gguf *gguf)
{
    if (!gguf) return;
    for (int64_t i = 0; gguf->entries && i < gguf->n_entries; i++) tfc_free(gguf->entries[i].cache);
    tfc_free(gguf->entries);
    tfc_free(gguf->entry_table);
    tfc_free(gguf->tensors.tensors);
    tfc_free(gguf->tensors.table);
    tfc_arena_release(&gguf->names);
    tfc_file_map_close(&gguf->map);
    tfc_free(gguf);
}

size_t tfc_gguf_bytes(const tfc_gguf *gguf)
{
    return gguf->n_bytes;
}

const tfc_tensor_set *tfc_gguf_tensors(const tfc_gguf *gguf)
{
    return &gguf->tensors;
}

int64_t tfc_gguf_n_kv(const tfc_gguf *gguf)
{
    return gguf->n_entries;
}

tfc_gguf_kv tfc_gguf_kv_at(const tfc_gguf *gguf, int64_t i)
{
    const gguf_entry *entry = &gguf->entries[i];
    return (tfc_gguf_kv){entry->key, entry->n_key, entry->type, entry->value, entry->n_value};
}

/* ---- getters ---- */

static gguf_entry *entry_find(const tfc_gguf *gguf, const char *key)
{
    int64_t i = tfc_name_table_find(gguf->entry_table, gguf->entry_table_size, gguf->entries,
                                    sizeof *gguf->entries, key);
    return i < 0 ? NULL : &gguf->entries[i];
}

/* The entry, or NULL with *status: TFC_OK when its absence is allowed. */
static gguf_entry *entry_get(const tfc_gguf *gguf, const char *key, bool *found, tfc_status *status,
                             tfc_error *err)
{
    gguf_entry *entry = entry_find(gguf, key);
    *status = TFC_OK;
    if (found)
        *found = entry != NULL;
    else if (!entry)
        *status = tfc_fail(err, TFC_EFORMAT, "missing key %s", key);
    return entry;
}

static const char *kind_name(uint32_t type)
{
    return type == KV_TEXT                    ? "a string"
           : type == KV_ARRAY                 ? "an array"
           : type == KV_BOOL                  ? "a boolean"
           : type == KV_F32 || type == KV_F64 ? "a floating-point number"
                                              : "an integer";
}

static tfc_status wrong_kind(const gguf_entry *entry, const char *expected, tfc_error *err)
{
    if (entry->type == KV_ARRAY)
        return tfc_fail(err, TFC_EFORMAT, "%s: %s expected, not an array of %s", entry->key, expected,
                        kind_name(entry->item_type));
    return tfc_fail(err, TFC_EFORMAT, "%s: %s expected, not %s", entry->key, expected,
                    kind_name(entry->type));
}

static bool decode_int(uint32_t type, const unsigned char *bytes, int64_t *out)
{
    union {
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
    } value;
    if (type == KV_BOOL || type >= KV_TYPES || kv_bytes[type] == 0) return false;
    memcpy(&value, bytes, kv_bytes[type]);
    switch (type) {
    case KV_U8:
        *out = bytes[0];
        return true;
    case KV_I8:
        *out = value.i8;
        return true;
    case KV_U16:
        *out = value.u16;
        return true;
    case KV_I16:
        *out = value.i16;
        return true;
    case KV_U32:
        *out = value.u32;
        return true;
    case KV_I32:
        *out = value.i32;
        return true;
    case KV_I64:
        *out = value.i64;
        return true;
    case KV_U64:
        *out = value.u64 > INT64_MAX ? INT64_MAX : (int64_t)value.u64;
        return true;
    default:
        return false;
    }
}

static bool decode_float(uint32_t type, const unsigned char *bytes, double *out)
{
    float f;
    if (type == KV_F32) {
        memcpy(&f, bytes, sizeof f);
        *out = (double)f;
    } else if (type == KV_F64) {
        memcpy(out, bytes, sizeof *out);
    }
    return type == KV_F32 || type == KV_F64;
}

tfc_status tfc_gguf_get_int(const tfc_gguf *gguf, const char *key, int64_t *out, bool *found, tfc_error *err)
{
    tfc_status status;
    const gguf_entry *entry = entry_get(gguf, key, found, &status, err);
    if (!entry) return status;
    return decode_int(entry->type, entry->value, out) ? TFC_OK : wrong_kind(entry, "number", err);
}

tfc_status tfc_gguf_get_float(const tfc_gguf *gguf, const char *key, double *out, bool *found, tfc_error *err)
{
    tfc_status status;
    const gguf_entry *entry = entry_get(gguf, key, found, &status, err);
    if (!entry) return status;
    return decode_float(entry->type, entry->value, out) ? TFC_OK
                                                        : wrong_kind(entry, "floating-point number", err);
}

tfc_status tfc_gguf_get_bool(const tfc_gguf *gguf, const char *key, bool *out, bool *found, tfc_error *err)
{
    tfc_status status;
    const gguf_entry *entry = entry_get(gguf, key, found, &status, err);
    if (!entry) return status;
    if (entry->type != KV_BOOL) return wrong_kind(entry, "boolean", err);
    *out = *entry->value != 0;
    return TFC_OK;
}

tfc_status tfc_gguf_get_text(const tfc_gguf *gguf, const char *key, const char **out, size_t *n, bool *found,
                             tfc_error *err)
{
    tfc_status status;
    const gguf_entry *entry = entry_get(gguf, key, found, &status, err);
    if (!entry) return status;
    if (entry->type != KV_TEXT) return wrong_kind(entry, "string", err);
    *out = (const char *)entry->value + 8;
    *n = entry->n_value - 8;
    return TFC_OK;
}

/* Where each text of an array stands, so that item i needs no walk. */
static bool text_places(gguf_entry *entry)
{
    if (entry->cache) return true;
    const unsigned char **places = tfc_alloc(entry->n_items, sizeof *places);
    if (!places) return false;
    cursor in = {entry->items, entry->value + entry->n_value};
    for (uint64_t i = 0, n; i < entry->n_items; i++) {
        places[i] = in.at;
        take_text(&in, &n);
    }
    entry->cache = places;
    return true;
}

tfc_status tfc_gguf_get_text_array(const tfc_gguf *gguf, const char *key, int64_t *n, bool *found,
                                   tfc_error *err)
{
    tfc_status status;
    gguf_entry *entry = entry_get(gguf, key, found, &status, err);
    if (!entry) return status;
    if (entry->type != KV_ARRAY || entry->item_type != KV_TEXT)
        return wrong_kind(entry, "array of strings", err);
    if (!text_places(entry)) return tfc_fail_memory(err, key);
    *n = (int64_t)entry->n_items;
    return TFC_OK;
}

tfc_status tfc_gguf_text_item(const tfc_gguf *gguf, const char *key, int64_t i, const char **out,
                              size_t *n_bytes)
{
    gguf_entry *entry = entry_find(gguf, key);
    if (!entry || entry->type != KV_ARRAY || entry->item_type != KV_TEXT || i < 0 ||
        (uint64_t)i >= entry->n_items)
        return TFC_EINVAL;
    if (!text_places(entry)) return TFC_ENOMEM;
    const unsigned char *place = ((const unsigned char *const *)entry->cache)[i];
    uint64_t n;
    memcpy(&n, place, sizeof n);
    *out = (const char *)place + sizeof n;
    *n_bytes = n;
    return TFC_OK;
}

tfc_status tfc_gguf_get_int_array(const tfc_gguf *gguf, const char *key, const int32_t **items, int64_t *n,
                                  bool *found, tfc_error *err)
{
    tfc_status status;
    gguf_entry *entry = entry_get(gguf, key, found, &status, err);
    if (!entry) return status;
    int64_t value = 0;
    if (entry->type != KV_ARRAY || entry->item_type == KV_TEXT || entry->item_type == KV_BOOL ||
        entry->item_type == KV_F32 || entry->item_type == KV_F64)
        return wrong_kind(entry, "array of integers", err);
    if (!entry->cache) {
        int32_t *copy = tfc_alloc(entry->n_items, sizeof *copy);
        if (!copy) return tfc_fail_memory(err, key);
        for (uint64_t i = 0; i < entry->n_items; i++) {
            decode_int(entry->item_type, entry->items + i * kv_bytes[entry->item_type], &value);
            if (value < INT32_MIN || value > INT32_MAX) {
                tfc_free(copy);
                return tfc_fail(err, TFC_EFORMAT, "%s: item %llu is out of range", key,
                                (unsigned long long)i);
            }
            copy[i] = (int32_t)value;
        }
        entry->cache = copy;
    }
    *items = entry->cache;
    *n = (int64_t)entry->n_items;
    return TFC_OK;
}

tfc_status tfc_gguf_get_float_array(const tfc_gguf *gguf, const char *key, const float **items, int64_t *n,
                                    bool *found, tfc_error *err)
{
    tfc_status status;
    gguf_entry *entry = entry_get(gguf, key, found, &status, err);
    if (!entry) return status;
    if (entry->type != KV_ARRAY || (entry->item_type != KV_F32 && entry->item_type != KV_F64))
        return wrong_kind(entry, "array of floating-point numbers", err);
    if (!entry->cache) {
        float *copy = tfc_alloc(entry->n_items, sizeof *copy);
        if (!copy) return tfc_fail_memory(err, key);
        for (uint64_t i = 0; i < entry->n_items; i++) {
            double value = 0;
            decode_float(entry->item_type, entry->items + i * kv_bytes[entry->item_type], &value);
            copy[i] = (float)value;
        }
        entry->cache = copy;
    }
    *items = entry->cache;
    *n = (int64_t)entry->n_items;
    return TFC_OK;
}
