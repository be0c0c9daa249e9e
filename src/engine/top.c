/* Selection of the k best: O(n log k) whatever k is, and the same result in whatever order they come. */
#include "engine/session.h"

static bool worse(tfc_candidate a, tfc_candidate b)
{
    return a.value < b.value || (a.value == b.value && a.id > b.id);
}

static void sift_down(tfc_candidate *items, int64_t n, int64_t i)
{
    tfc_candidate moved = items[i];
    for (;;) {
        int64_t child = 2 * i + 1;
        if (child >= n) break;
        if (child + 1 < n && worse(items[child + 1], items[child])) child++;
        if (!worse(items[child], moved)) break;
        items[i] = items[child];
        i = child;
    }
    items[i] = moved;
}

void tfc_top_heap_push(tfc_top_heap *heap, tfc_candidate candidate)
{
    if (heap->n == heap->k) {
        if (heap->n == 0 || !worse(heap->items[0], candidate)) return;
        heap->items[0] = candidate;
        sift_down(heap->items, heap->n, 0);
        return;
    }
    int64_t i = heap->n++;
    while (i > 0 && worse(candidate, heap->items[(i - 1) / 2])) {
        heap->items[i] = heap->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->items[i] = candidate;
}

void tfc_top_heap_offer(tfc_top_heap *heap, const float *values, int64_t n, int32_t first_id)
{
    for (int64_t i = 0; i < n; i++) {
        if (heap->n == heap->k && heap->n > 0 && values[i] < heap->items[0].value) continue;
        tfc_top_heap_push(heap, (tfc_candidate){values[i], first_id + (int32_t)i});
    }
}

void tfc_top_heap_sort(tfc_top_heap *heap)
{
    for (int64_t n = heap->n - 1; n > 0; n--) {
        tfc_candidate worst = heap->items[0];
        heap->items[0] = heap->items[n];
        heap->items[n] = worst;
        sift_down(heap->items, n, 0);
    }
}
