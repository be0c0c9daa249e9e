/* tools/mcp_sse.h: server-sent events, as they arrive (WHATWG HTML, "event stream"). */
#ifndef TFC_TOOLS_MCP_SSE_H
#define TFC_TOOLS_MCP_SSE_H

#include "base/memory.h"

/* One event: its data lines joined by line breaks. False: no more is wanted. */
typedef bool tfc_sse_event(void *context, const char *data, size_t n);

typedef struct tfc_sse {
    tfc_buffer line, data; /* what is incomplete */
    bool has_data, after_cr, begun, stopped;
    tfc_sse_event *event;
    void *context;
} tfc_sse;

/* cap: of one event's bytes. */
void tfc_sse_init(tfc_sse *sse, size_t cap, tfc_sse_event *event, void *context);
void tfc_sse_release(tfc_sse *sse);
/* False: the event function wanted no more, or an event is too large (tfc_buffer_ok of line and data). */
bool tfc_sse_feed(tfc_sse *sse, const char *bytes, size_t n);

#endif
