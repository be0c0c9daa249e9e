/* What both file formats share: tensors by name, shapes, byte ranges, and file text made safe for messages.
 */
#include "formats/tensor.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/utf8.h"

static const char *item_name(const void *items, size_t stride, int64_t i)
{
    const char *name;
    memcpy(&name, (const char *)items + (size_t)i * stride, sizeof name);
    return name;
}

/* The slot that holds `name`, or the free one where it belongs. table_size is a power of two, never full. */
static int64_t name_slot(const int64_t *table, int64_t table_size, const void *items, size_t stride,
                         const char *name)
{
    uint64_t mask = (uint64_t)table_size - 1, at = tfc_hash_bytes(name, strlen(name), 0) & mask;
    while (table[at] >= 0 && strcmp(item_name(items, stride, table[at]), name) != 0) at = (at + 1) & mask;
    return (int64_t)at;
}

tfc_status tfc_name_table_build(int64_t **table, int64_t *table_size, const void *items, int64_t n,
                                size_t stride, int64_t *duplicate, tfc_error *err)
{
    *duplicate = -1;
    *table_size = 4;
    while (*table_size < n * 2) *table_size *= 2;
    *table = tfc_alloc((size_t)*table_size, sizeof **table);
    if (!*table) return tfc_fail_memory(err, "table of names");
    memset(*table, 0xFF, (size_t)*table_size * sizeof **table);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = name_slot(*table, *table_size, items, stride, item_name(items, stride, i));
        if ((*table)[at] >= 0) {
            *duplicate = i;
            return TFC_EFORMAT;
        }
        (*table)[at] = i;
    }
    return TFC_OK;
}

int64_t tfc_name_table_find(const int64_t *table, int64_t table_size, const void *items, size_t stride,
                            const char *name)
{
    return table_size > 0 ? table[name_slot(table, table_size, items, stride, name)] : -1;
}

const tfc_tensor_view *tfc_tensor_find(const tfc_tensor_set *set, const char *name)
{
    int64_t i = tfc_name_table_find(set->table, set->table_size, set->tensors, sizeof *set->tensors, name);
    return i < 0 ? NULL : &set->tensors[i];
}

static int range_compare(const void *a, const void *b)
{
    const tfc_byte_range *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

void tfc_byte_ranges_sort(tfc_byte_range *ranges, int64_t n)
{
    if (n > 1) qsort(ranges, (size_t)n, sizeof *ranges, range_compare);
}

bool tfc_dims_product(const int64_t *dims, int n_dims, int64_t *product)
{
    int64_t result = 1;
    for (int i = 0; i < n_dims; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(result, dims[i], &result)) return false;
    *product = result;
    return true;
}

const char *tfc_shape_text(char text[TFC_SHAPE_TEXT], const int64_t *dims, int n_dims)
{
    int n = snprintf(text, TFC_SHAPE_TEXT, "[");
    for (int i = 0; i < n_dims; i++)
        n += snprintf(text + n, (size_t)(TFC_SHAPE_TEXT - n), "%s%lld", i ? ", " : "", (long long)dims[i]);
    snprintf(text + n, (size_t)(TFC_SHAPE_TEXT - n), "]");
    return text;
}

const char *tfc_name_text(char text[TFC_NAME_TEXT], const char *name, size_t n)
{
    size_t out = 0;
    for (size_t i = 0; i < n;) {
        size_t length = tfc_utf8_length(name + i, n - i);
        bool bad = length == 0 || (unsigned char)name[i] < 0x20 || name[i] == 0x7F;
        if (length == 0) length = 1;
        if (out + length + 4 > TFC_NAME_TEXT) {
            memcpy(text + out, "...", 3);
            out += 3;
            break;
        }
        if (bad)
            text[out++] = '?';
        else
            memcpy(text + out, name + i, length), out += length;
        i += length;
    }
    text[out] = '\0';
    return text;
}
