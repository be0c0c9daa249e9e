/* base/lines.h: reading a file from its beginning, gzip or not, by lines or whole. */
#ifndef TFC_BASE_LINES_H
#define TFC_BASE_LINES_H

#include "base/memory.h"

typedef struct tfc_lines tfc_lines;

/* `name` must outlive the reader. */
tfc_lines *tfc_lines_open(const char *name, tfc_error *err);
void tfc_lines_close(tfc_lines *lines);
/* The next line, without its end and, for the first one, without a byte order mark. *any: false at the end of
 * the file. *cut: the line is longer than the buffer's cap; what went past it was dropped. */
tfc_status tfc_lines_next(tfc_lines *lines, tfc_buffer *line, bool *any, bool *cut, tfc_error *err);
/* All that is left, byte order mark included; TFC_ELIMIT past the buffer's cap. */
tfc_status tfc_lines_rest(tfc_lines *lines, tfc_buffer *text, tfc_error *err);
/* Bytes of the file (compressed ones) that were read. */
int64_t tfc_lines_offset(const tfc_lines *lines);

/* Nothing but blanks. */
bool tfc_line_is_blank(const char *text, size_t n);
bool tfc_name_ends_with(const char *name, const char *ending);

#endif
