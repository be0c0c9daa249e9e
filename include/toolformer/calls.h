/* toolformer/calls.h: the text form of calls (paper section 2: e(c), e(c,r)).
 *
 * A call stands in running text as ` [Name(arguments) -> result]`: a space, a bracket, the tool's name, its
 * arguments in parentheses, an arrow, the result. Before it is run it is ` [Name(arguments)]`, or
 * ` [Name(arguments) ->` at the end of the text. Arguments are one string; parentheses inside them nest,
 * double quotes protect them. A call is one line and holds no bracket but its own two: so the text `]` always
 * ends it. Printing a result replaces control characters and line breaks by spaces, `[` and `]` by `(` and
 * `)`, broken UTF-8 by U+FFFD, and cuts at a length limit, so that no result can end its call or be read as
 * another one.
 *
 * Nothing here knows which tools exist: a list of names tells what counts as a call.
 *
 *     tfc_call_span span;
 *     size_t at = 0;
 *     while (tfc_calls_scan(text, n, at, names, n_names, &span)) { …; at = span.end; }
 */
#ifndef TOOLFORMER_CALLS_H
#define TOOLFORMER_CALLS_H

#include "toolformer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Byte offsets into the scanned text. `begin` is at the space when there is one before the bracket, else at
 * it. */
typedef struct tfc_call_span {
    size_t begin, end;         /* the whole call, bracket included */
    size_t name, name_end;     /* Name */
    size_t args, args_end;     /* between the parentheses, blanks at both ends left out */
    size_t result, result_end; /* after the arrow; equal when there is none or it is empty */
    bool has_arrow;
    bool closed; /* ends with its bracket; only tfc_call_parse_open gives false */
} tfc_call_span;

/* The first finished call of one of the names in text[from, n). False when there is none. Spans that do not
 * parse (unknown name, unbalanced, a line break inside) are no calls. Linear time, whatever the text. */
bool tfc_calls_scan(const char *text, size_t n, size_t from, const char *const *names, size_t n_names,
                    tfc_call_span *span);

/* Parses the call that starts at text[at] (at its space or bracket); true when it is closed by `]`. names
 * NULL: any name of the form [A-Za-z_][A-Za-z0-9_.-]*. */
bool tfc_call_parse(const char *text, size_t n, size_t at, const char *const *names, size_t n_names,
                    tfc_call_span *span);
/* The same for a call that ends at the end of the text: ` [Name(args) ->` or ` [Name(args)`. */
bool tfc_call_parse_open(const char *text, size_t n, size_t at, const char *const *names, size_t n_names,
                         tfc_call_span *span);

/* [A-Za-z_][A-Za-z0-9_.-]*, at most 64 bytes: what a tool may be called. */
bool tfc_call_name_valid(const char *name);
/* True when the arguments, printed, parse back as they are: parentheses and double quotes balanced, no
 * bracket, no line break, no blank at either end. */
bool tfc_call_args_valid(const char *args, size_t n);

/* The printed parts, NUL-terminated, the caller's (tfc_text_free); NULL on want of memory.
 *   tfc_call_print_head  " [Name(args) ->"      the call up to its arrow
 *   tfc_call_print_tail  " result]"             the result (NULL or "": " ]") with its bracket, made harmless
 *   tfc_call_print_bare  " [Name(args)]"        e(c) as the few-shot prompts show it */
char *tfc_call_print_head(const char *name, const char *args);
char *tfc_call_print_tail(const char *result, size_t max_result_bytes);
char *tfc_call_print_bare(const char *name, const char *args);
/* The harmless form of a result, as tail prints it. */
char *tfc_call_clean_result(const char *result, size_t max_result_bytes);

/* Calls to insert into a text, and the way back. at: byte offset in the source, ascending; head and tail as
 * printed. */
typedef struct tfc_call_insert {
    size_t at;
    const char *text; /* the whole call as it is inserted: head + tail */
} tfc_call_insert;
/* source with the calls in it. Each at must be a character boundary within the source. */
tfc_status tfc_calls_insert(const char *source, size_t n, const tfc_call_insert *inserts, size_t n_inserts,
                            char **text, size_t *n_text, tfc_error *err);
/* Takes out exactly those calls (by place and text): gives the source back byte for byte, whatever
 * look-alikes it holds. TFC_ECONFLICT when the text does not hold them there. */
tfc_status tfc_calls_remove(const char *text, size_t n, const tfc_call_insert *inserts, size_t n_inserts,
                            char **source, size_t *n_source, tfc_error *err);
/* Takes out every finished call of the names (for scoring answers: PAPER section 5). */
tfc_status tfc_calls_strip(const char *text, size_t n, const char *const *names, size_t n_names, char **out,
                           size_t *n_out, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
