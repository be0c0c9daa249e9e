/* Allocation, arenas and capped buffers. One counter makes "fail the N-th allocation" tests possible. */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

static _Atomic int64_t memory_count;
static _Atomic int64_t memory_fail_at;

static bool memory_refused(void)
{
    int64_t n = atomic_fetch_add_explicit(&memory_count, 1, memory_order_relaxed) + 1;
    int64_t at = atomic_load_explicit(&memory_fail_at, memory_order_relaxed);
    return at > 0 && n == at;
}

void tfc_memory_fail_at(int64_t n)
{
    atomic_store(&memory_count, 0);
    atomic_store(&memory_fail_at, n);
}

int64_t tfc_memory_count(void)
{
    return atomic_exchange(&memory_count, 0);
}

void *tfc_alloc(size_t n, size_t size)
{
    size_t bytes;
    if (!tfc_size_mul(n, size, &bytes) || bytes > PTRDIFF_MAX || memory_refused()) return NULL;
    return malloc(bytes ? bytes : 1);
}

void *tfc_alloc_zero(size_t n, size_t size)
{
    if (memory_refused()) return NULL;
    return calloc(n ? n : 1, size ? size : 1);
}

void *tfc_realloc(void *pointer, size_t n, size_t size)
{
    size_t bytes;
    if (!tfc_size_mul(n, size, &bytes) || bytes > PTRDIFF_MAX || memory_refused()) return NULL;
    return realloc(pointer, bytes ? bytes : 1);
}

void *tfc_alloc_aligned(size_t n, size_t size)
{
    size_t bytes, rounded;
    if (!tfc_size_mul(n, size, &bytes) || !tfc_size_add(bytes, 63, &rounded) || memory_refused()) return NULL;
    rounded &= ~(size_t)63;
    if (rounded > PTRDIFF_MAX) return NULL;
    return aligned_alloc(64, rounded ? rounded : 64);
}

void tfc_free(void *pointer)
{
    free(pointer);
}

void tfc_text_free(char *text)
{
    free(text);
}

char *tfc_memdup_text(const char *bytes, size_t n_bytes)
{
    size_t total;
    if (!tfc_size_add(n_bytes, 1, &total)) return NULL;
    char *copy = tfc_alloc(total, 1);
    if (!copy) return NULL;
    if (n_bytes) memcpy(copy, bytes, n_bytes);
    copy[n_bytes] = '\0';
    return copy;
}

char *tfc_strdup(const char *text)
{
    return tfc_memdup_text(text, strlen(text));
}

/* Arena: a list of blocks, the newest first; big requests get their own. */
struct tfc_arena_block {
    struct tfc_arena_block *next;
    size_t used, capacity;
    _Alignas(16) unsigned char data[];
};

enum { ARENA_BLOCK = 1 << 16 };

void *tfc_arena_alloc(tfc_arena *arena, size_t n, size_t size)
{
    size_t bytes;
    if (!tfc_size_mul(n, size, &bytes) || bytes > PTRDIFF_MAX - 64) return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    struct tfc_arena_block *block = arena->head;
    if (!block || block->capacity - block->used < bytes) {
        size_t capacity = bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK;
        block = tfc_alloc(1, sizeof *block + capacity);
        if (!block) return NULL;
        block->used = 0;
        block->capacity = capacity;
        block->next = arena->head;
        arena->head = block;
    }
    void *result = block->data + block->used;
    block->used += bytes;
    memset(result, 0, bytes);
    return result;
}

char *tfc_arena_strndup(tfc_arena *arena, const char *text, size_t n)
{
    size_t total;
    if (!tfc_size_add(n, 1, &total)) return NULL;
    char *copy = tfc_arena_alloc(arena, total, 1);
    if (copy && n) memcpy(copy, text, n);
    return copy;
}

void tfc_arena_release(tfc_arena *arena)
{
    while (arena->head) {
        struct tfc_arena_block *next = arena->head->next;
        tfc_free(arena->head);
        arena->head = next;
    }
}

void tfc_buffer_init(tfc_buffer *buffer, size_t cap)
{
    memset(buffer, 0, sizeof *buffer);
    buffer->cap = cap;
}

void tfc_buffer_release(tfc_buffer *buffer)
{
    tfc_free(buffer->data);
    tfc_buffer_init(buffer, buffer->cap);
}

void tfc_buffer_clear(tfc_buffer *buffer)
{
    buffer->n = 0;
    buffer->failed = buffer->too_large = false;
    if (buffer->data) buffer->data[0] = '\0';
}

bool tfc_buffer_reserve(tfc_buffer *buffer, size_t more)
{
    size_t cap = buffer->cap ? buffer->cap : (size_t)1 << 30;
    if (buffer->failed) return false;
    if (more > cap || buffer->n > cap - more) return buffer->failed = buffer->too_large = true, false;
    size_t need = buffer->n + more + 1;
    if (need <= buffer->capacity) return true;
    size_t capacity = buffer->capacity ? buffer->capacity * 2 : 256;
    while (capacity < need) capacity *= 2;
    char *data = tfc_realloc(buffer->data, capacity, 1);
    if (!data) return buffer->failed = true, false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool tfc_buffer_append(tfc_buffer *buffer, const void *bytes, size_t n)
{
    if (!tfc_buffer_reserve(buffer, n)) return false;
    if (n) memcpy(buffer->data + buffer->n, bytes, n);
    buffer->n += n;
    buffer->data[buffer->n] = '\0';
    return true;
}

bool tfc_buffer_puts(tfc_buffer *buffer, const char *text)
{
    return tfc_buffer_append(buffer, text, strlen(text));
}

bool tfc_buffer_putc(tfc_buffer *buffer, char c)
{
    return tfc_buffer_append(buffer, &c, 1);
}

bool tfc_buffer_printf(tfc_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    bool ok = n >= 0 && tfc_buffer_reserve(buffer, (size_t)n);
    if (ok) {
        vsnprintf(buffer->data + buffer->n, (size_t)n + 1, format, again);
        buffer->n += (size_t)n;
    }
    va_end(again);
    return ok;
}

bool tfc_buffer_json(tfc_buffer *buffer, const char *text, size_t n)
{
    tfc_buffer_putc(buffer, '"');
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            tfc_buffer_printf(buffer, "\\%c", c);
            i++;
        } else if (c == '\n') {
            tfc_buffer_puts(buffer, "\\n");
            i++;
        } else if (c == '\t') {
            tfc_buffer_puts(buffer, "\\t");
            i++;
        } else if (c < 0x20 || c == 0x7f) {
            tfc_buffer_printf(buffer, "\\u%04x", c);
            i++;
        } else {
            size_t length = tfc_utf8_length(text + i, n - i);
            if (length)
                tfc_buffer_append(buffer, text + i, length);
            else
                tfc_buffer_puts(buffer, "\xEF\xBF\xBD");
            i += length ? length : 1;
        }
    }
    return tfc_buffer_putc(buffer, '"');
}

tfc_status tfc_buffer_ok(const tfc_buffer *buffer, const char *what, tfc_error *err)
{
    if (!buffer->failed) return TFC_OK;
    size_t cap = buffer->cap ? buffer->cap : (size_t)1 << 30;
    if (buffer->too_large) return tfc_fail(err, TFC_ELIMIT, "%s would be larger than %zu bytes", what, cap);
    return tfc_fail_memory(err, what);
}

char *tfc_buffer_take(tfc_buffer *buffer, size_t *n)
{
    if (!buffer->data && !buffer->failed) tfc_buffer_reserve(buffer, 0);
    char *data = buffer->data;
    if (data) data[buffer->n] = '\0';
    if (n) *n = buffer->n;
    buffer->data = NULL;
    buffer->n = buffer->capacity = 0;
    return data;
}
