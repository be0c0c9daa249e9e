/* report/html.h: pages that need no network. */
#ifndef TFC_REPORT_HTML_H
#define TFC_REPORT_HTML_H

#include "base/memory.h"

extern const char tfc_html_style[];
/* Text for the inside of an element or a quoted attribute; line breaks become <br>. */
void tfc_html_escape(tfc_buffer *html, const char *text, size_t n);
void tfc_html_text(tfc_buffer *html, const char *text); /* NULL: nothing */

#endif
