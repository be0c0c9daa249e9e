/* Case files: lines of `input => expected` under tests/unit/cases, so that a new case needs no C. Empty lines
 * and lines that begin with # are skipped; \n \t \\ \xHH are escapes on either side. */
#ifndef TFC_TESTS_CASES_H
#define TFC_TESTS_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

typedef struct test_case {
    char *input, *expected; /* NUL-terminated */
    size_t n_input;         /* the input may hold NULs */
    int line;
} test_case;

/* In place; the new length. */
static inline size_t cases_unescape(char *text)
{
    size_t n = 0;
    for (const char *s = text; *s;) {
        if (*s != '\\' || !s[1]) {
            text[n++] = *s++;
        } else if (s[1] == 'x') {
            char hex[3] = {s[2], s[2] ? s[3] : '\0', '\0'};
            text[n++] = (char)strtol(hex, NULL, 16);
            s += 2 + strlen(hex);
        } else {
            text[n++] = s[1] == 'n' ? '\n' : s[1] == 't' ? '\t' : s[1];
            s += 2;
        }
    }
    text[n] = '\0';
    return n;
}

/* Runs every case of a file; fails when it holds none. */
static inline void cases_run(const char *name, void (*run)(const test_case *))
{
    char path[1024], *text;
    size_t n;
    tfc_error err;
    snprintf(path, sizeof path, "%s/tests/unit/cases/%s", TFC_SOURCE_DIR, name);
    if (tfc_file_read(path, 1 << 20, &text, &n, &err) != TFC_OK) fail_msg("%s", err.message);
    int line = 0, n_cases = 0;
    for (char *at = text; at && *at; n_cases++) {
        char *next = strchr(at, '\n');
        if (next) *next++ = '\0';
        line++;
        char *arrow = strstr(at, " => ");
        /* The last one splits, so that inputs may hold the sign themselves. */
        for (char *later = arrow; later; later = strstr(later + 1, " => ")) arrow = later;
        if (at[0] == '#' || at[0] == '\0') {
            at = next;
            n_cases--;
            continue;
        }
        if (!arrow) fail_msg("%s:%d: no ' => '", name, line);
        *arrow = '\0';
        test_case c = {.input = at, .expected = arrow + 4, .line = line};
        c.n_input = cases_unescape(c.input);
        cases_unescape(c.expected);
        run(&c);
        at = next;
    }
    tfc_free(text);
    assert_true(n_cases > 0);
}

#endif
