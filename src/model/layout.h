/* model/layout.h: many arrays in one allocation. A function that takes all arrays in order runs twice: with
 * base NULL it counts, then with the allocation it hands out. */
#ifndef TFC_MODEL_LAYOUT_H
#define TFC_MODEL_LAYOUT_H

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

#endif
