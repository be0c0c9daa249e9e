/* Lines end in \n, \r\n or \r. Of the fields only "data" matters here: MCP names no events, and streams are
 * not resumed. */
#include "tools/mcp_sse.h"

void tfc_sse_init(tfc_sse *sse, size_t cap, tfc_sse_event *event, void *context)
{
    *sse = (tfc_sse){.event = event, .context = context};
    tfc_buffer_init(&sse->line, cap);
    tfc_buffer_init(&sse->data, cap);
}

void tfc_sse_release(tfc_sse *sse)
{
    tfc_buffer_release(&sse->line);
    tfc_buffer_release(&sse->data);
}

static bool end_event(tfc_sse *sse)
{
    bool more = !sse->has_data || sse->event(sse->context, sse->data.n ? sse->data.data : "", sse->data.n);
    tfc_buffer_clear(&sse->data);
    sse->has_data = false;
    return more;
}

static bool end_line(tfc_sse *sse)
{
    const char *line = sse->line.n ? sse->line.data : "";
    size_t n = sse->line.n;
    if (!sse->begun && n >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) line += 3, n -= 3;
    sse->begun = true;
    bool more = true;
    if (n == 0) {
        more = end_event(sse);
    } else if (n >= 4 && memcmp(line, "data", 4) == 0 && (n == 4 || line[4] == ':')) {
        size_t skip = n == 4 ? 4 : n > 5 && line[5] == ' ' ? 6 : 5;
        if (sse->has_data) tfc_buffer_putc(&sse->data, '\n');
        tfc_buffer_append(&sse->data, line + skip, n - skip);
        sse->has_data = true;
        more = !sse->data.failed;
    }
    tfc_buffer_clear(&sse->line);
    return more;
}

bool tfc_sse_feed(tfc_sse *sse, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n && !sse->stopped;) {
        if (sse->after_cr && bytes[i] == '\n') { /* the second half of \r\n */
            sse->after_cr = false;
            i++;
            continue;
        }
        sse->after_cr = false;
        size_t length = 0;
        while (i + length < n && bytes[i + length] != '\n' && bytes[i + length] != '\r') length++;
        if (!tfc_buffer_append(&sse->line, bytes + i, length)) sse->stopped = true;
        i += length;
        if (i == n || sse->stopped) break;
        sse->after_cr = bytes[i] == '\r';
        i++;
        sse->stopped = !end_line(sse);
    }
    return !sse->stopped;
}
