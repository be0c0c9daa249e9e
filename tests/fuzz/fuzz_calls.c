/* Call text: spans lie in the text and ascend; a printed call parses back; an inserted one comes out again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "toolformer/calls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void print_and_insert(const char *text, size_t n, char *args)
{
    char *head = tfc_call_print_head("QA", args), *tail = tfc_call_print_tail(args, 100), whole[1024], *in,
         *out;
    tfc_call_span span;
    size_t length = (size_t)snprintf(whole, sizeof whole, "%s%s", head, tail), n_in, n_out, at = n / 2;
    bool parses =
        length < sizeof whole && tfc_call_parse(whole, length, 0, NULL, 0, &span) && span.end == length;
    if (length < sizeof whole && tfc_call_args_valid(args, strlen(args)) && !parses) abort();
    while (!tfc_utf8_boundary(text, n, at)) at--;
    tfc_call_insert insert = {at, whole};
    if (tfc_calls_insert(text, n, &insert, 1, &in, &n_in, NULL) != TFC_OK) abort();
    if (tfc_calls_remove(in, n_in, &insert, 1, &out, &n_out, NULL) != TFC_OK) abort();
    if (n_out != n || memcmp(out, text, n) != 0) abort();
    tfc_text_free(in), tfc_text_free(out), tfc_text_free(head), tfc_text_free(tail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data, *names[] = {"QA", "Calculator"};
    char *args = tfc_memdup_text(text, n < 400 ? n : 400), *rest;
    size_t n_rest;
    tfc_call_span s;
    for (size_t at = 0; tfc_calls_scan(text, n, at, names, 2, &s); at = s.end)
        if (s.begin < at || s.name > s.name_end || s.args > s.args_end || s.result > s.result_end ||
            s.end > n)
            abort();
    for (size_t at = 0; at < n && at < 64; at++) (void)tfc_call_parse_open(text, n, at, NULL, 0, &s);
    print_and_insert(text, n, args);
    if (tfc_calls_strip(text, n, names, 2, &rest, &n_rest, NULL) != TFC_OK || n_rest > n) abort();
    tfc_text_free(rest);
    tfc_free(args);
    return 0;
}
