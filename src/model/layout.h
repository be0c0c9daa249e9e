/* model/layout.h: many arrays in one allocation. A function that takes all arrays in order runs twice: with
 * base NULL it counts, then with the allocation it hands out. */
#ifndef TFC_MODEL_LAYOUT_H
#define TFC_MODEL_LAYOUT_H

#include <sys/mman.h>

#include "base/memory.h"

typedef struct tfc_layout {
    char *base;
    size_t n_bytes;
    bool overflow;
} tfc_layout;

/* The next n items of `size` bytes, 64-byte aligned; NULL while counting. */
static inline void *tfc_layout_take(tfc_layout *layout, size_t n, size_t size)
{
    size_t bytes, end;
    if (!tfc_size_mul(n, size, &bytes) || !tfc_size_add(bytes, 63, &bytes) ||
        !tfc_size_add(layout->n_bytes, bytes & ~(size_t)63, &end)) {
        layout->overflow = true;
        return NULL;
    }
    void *start = layout->base ? layout->base + layout->n_bytes : NULL;
    layout->n_bytes = end;
    return start;
}

/* Asks for large pages where a big array lies: fewer faults, fewer misses of the address cache. */
static inline void tfc_advise_large_pages(void *memory, size_t n_bytes)
{
    const uintptr_t page = (uintptr_t)2 << 20;
    uintptr_t from = ((uintptr_t)memory + page - 1) & ~(page - 1);
    uintptr_t to = ((uintptr_t)memory + n_bytes) & ~(page - 1);
    if (from < to) (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
}

#endif
