/* What all pages share: one look, and texts made harmless. */
#include "report/html.h"

const char tfc_html_style[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c1e21}"
    "h1{font-size:1.7rem}h2{margin-top:2.2rem;border-bottom:1px solid #ddd;font-size:1.25rem}"
    "table{border-collapse:collapse;margin:.6rem 0}td,th{padding:.2rem "
    ".7rem;text-align:left;vertical-align:top;"
    "border-bottom:1px solid #eee}th{font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    ".call{background:#e3f1e3;border-radius:3px;padding:0 .2em}.drop .call{background:#f6e3df}"
    ".text{margin:.5rem 0 .1rem}.why{color:#666;font-size:.88rem;margin:0 0 "
    ".8rem}.ok{color:#1b7a2f}.bad{color:#b3261e}"
    "svg text{font:11px system-ui,sans-serif;fill:#555}code{background:#f4f4f4;padding:0 "
    ".2em;overflow-wrap:anywhere}b{font-weight:600}";

void tfc_html_escape(tfc_buffer *html, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '<')
            tfc_buffer_puts(html, "&lt;");
        else if (text[i] == '>')
            tfc_buffer_puts(html, "&gt;");
        else if (text[i] == '&')
            tfc_buffer_puts(html, "&amp;");
        else if (text[i] == '"')
            tfc_buffer_puts(html, "&quot;");
        else if (text[i] == '\n')
            tfc_buffer_puts(html, "<br>");
        else if ((unsigned char)text[i] >= 0x20 || text[i] == '\t')
            tfc_buffer_putc(html, text[i]);
    }
}

void tfc_html_text(tfc_buffer *html, const char *text)
{
    if (text) tfc_html_escape(html, text, strlen(text));
}
