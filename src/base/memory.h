/* base/memory.h: allocation that checks its sizes and can be made to fail, arenas, capped buffers. */
#ifndef TFC_BASE_MEMORY_H
#define TFC_BASE_MEMORY_H

#include <string.h>

#include "base/status.h"

/* a * b and a + b; false when the result does not fit (out is then untouched). */
static inline bool tfc_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool tfc_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* Like malloc/calloc/realloc for n items of `size` bytes; NULL on overflow and on want of memory. n = 0 gives
 * a valid pointer. Release with tfc_free. Tests make the N-th call fail: tfc_memory_fail_at. */
void *tfc_alloc(size_t n, size_t size);
void *tfc_alloc_zero(size_t n, size_t size);
void *tfc_realloc(void *pointer, size_t n, size_t size);
/* 64-byte aligned, for numeric arrays; released with tfc_free too. Contents undefined. */
void *tfc_alloc_aligned(size_t n, size_t size);
void tfc_free(void *pointer);
char *tfc_strdup(const char *text);
char *tfc_memdup_text(const char *bytes, size_t n_bytes); /* adds the final NUL */

/* Test hooks. The n-th allocation from now on fails (0: none does); how many were made since the last call.
 */
void tfc_memory_fail_at(int64_t n);
int64_t tfc_memory_count(void);

/* Arena: many small allocations, released together. Zero-initialised struct is ready. */
typedef struct tfc_arena {
    struct tfc_arena_block *head;
} tfc_arena;
void *tfc_arena_alloc(tfc_arena *arena, size_t n, size_t size); /* 16-byte aligned, zeroed; NULL on failure */
char *tfc_arena_strndup(tfc_arena *arena, const char *text, size_t n);
void tfc_arena_release(tfc_arena *arena);

/* Growing byte buffer with a cap. After a failed append the buffer is `failed` and further appends do
 * nothing, so that only the end needs a check (tfc_buffer_ok). data is always NUL-terminated once non-NULL.
 */
typedef struct tfc_buffer {
    char *data;
    size_t n, capacity, cap; /* cap 0 means 1 GiB */
    bool failed, too_large;  /* too_large: because of the cap */
} tfc_buffer;
void tfc_buffer_init(tfc_buffer *buffer, size_t cap);
void tfc_buffer_release(tfc_buffer *buffer);
void tfc_buffer_clear(tfc_buffer *buffer); /* keeps the memory, forgets the failure */
bool tfc_buffer_reserve(tfc_buffer *buffer,
                        size_t more); /* so many bytes can be appended without allocation */
bool tfc_buffer_append(tfc_buffer *buffer, const void *bytes, size_t n);
bool tfc_buffer_puts(tfc_buffer *buffer, const char *text);
bool tfc_buffer_putc(tfc_buffer *buffer, char c);
bool tfc_buffer_printf(tfc_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends text as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD. */
bool tfc_buffer_json(tfc_buffer *buffer, const char *text, size_t n);
/* TFC_OK, or TFC_ELIMIT / TFC_ENOMEM when an append failed. */
tfc_status tfc_buffer_ok(const tfc_buffer *buffer, const char *what, tfc_error *err);
/* The data becomes the caller's (tfc_free); the buffer is empty again. Never NULL when the buffer is ok. */
char *tfc_buffer_take(tfc_buffer *buffer, size_t *n);

#endif
