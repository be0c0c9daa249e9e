/* PCRE2 behind limits. Matched without its compiler to machine code, whose limits count otherwise. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tools/pattern.h"

#include <pcre2.h>

#include "base/utf8.h"

enum { STEPS_MAX = 100000, HEAP_KIB_MAX = 4096 };

struct tfc_pattern {
    pcre2_code *code;
    pcre2_match_context *limits; /* only read while matching */
    uint32_t n_groups;
};

tfc_pattern *tfc_pattern_compile(const char *text, tfc_error *err)
{
    size_t n = strlen(text);
    int code = 0;
    PCRE2_SIZE at = 0;
    if (n > TFC_PATTERN_BYTES_MAX)
        return tfc_fail(err, TFC_ELIMIT, "longer than %d bytes", TFC_PATTERN_BYTES_MAX), NULL;
    tfc_pattern *pattern = tfc_alloc_zero(1, sizeof *pattern);
    if (!pattern) return tfc_fail_memory(err, "pattern"), NULL;
    pattern->code =
        pcre2_compile((PCRE2_SPTR)text, n, PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    pattern->limits = pattern->code ? pcre2_match_context_create(NULL) : NULL;
    if (pattern->limits) {
        pcre2_set_match_limit(pattern->limits, STEPS_MAX);
        pcre2_set_depth_limit(pattern->limits, STEPS_MAX);
        pcre2_set_heap_limit(pattern->limits, HEAP_KIB_MAX);
        pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &pattern->n_groups);
        return pattern;
    }
    PCRE2_UCHAR reason[160] = "";
    pcre2_get_error_message(code, reason, sizeof reason);
    if (pattern->code)
        tfc_fail_memory(err, "pattern");
    else
        tfc_fail(err, TFC_EFORMAT, "'%.100s' is no regular expression: %s at byte %zu", text,
                 (const char *)reason, (size_t)at);
    tfc_pattern_free(pattern);
    return NULL;
}

void tfc_pattern_free(tfc_pattern *pattern)
{
    if (!pattern) return;
    pcre2_code_free(pattern->code);
    pcre2_match_context_free(pattern->limits);
    tfc_free(pattern);
}

int tfc_pattern_groups(const tfc_pattern *pattern)
{
    return (int)pattern->n_groups;
}

static bool matches(const tfc_pattern *pattern, const char *text, size_t n, size_t from, uint32_t options,
                    pcre2_match_data *data)
{
    return data && pcre2_match(pattern->code, (PCRE2_SPTR)text, n, from, options, data, pattern->limits) > 0;
}

static bool matches_once(const tfc_pattern *pattern, const char *text, size_t n, size_t from,
                         uint32_t options)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    bool found = matches(pattern, text, n, from, options, data);
    pcre2_match_data_free(data);
    return found;
}

bool tfc_pattern_found(const tfc_pattern *pattern, const char *text, size_t n)
{
    return matches_once(pattern, text, n, 0, 0);
}

bool tfc_pattern_at(const tfc_pattern *pattern, const char *text, size_t n, size_t at)
{
    return at <= n && matches_once(pattern, text, n, at, PCRE2_ANCHORED);
}

static tfc_match read_match(const tfc_pattern *pattern, pcre2_match_data *data)
{
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(data);
    tfc_match match = {.begin = {0}};
    for (uint32_t g = 0; g <= pattern->n_groups && g < TFC_PATTERN_GROUPS; g++) {
        if (bounds[2 * g] == PCRE2_UNSET || bounds[2 * g] > bounds[2 * g + 1]) continue;
        match.begin[g] = bounds[2 * g];
        match.end[g] = bounds[2 * g + 1];
    }
    return match;
}

size_t tfc_pattern_last(const tfc_pattern *pattern, const char *text, size_t n, tfc_match *found, size_t max)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    size_t count = 0;
    for (size_t from = 0; max > 0 && from <= n && matches(pattern, text, n, from, 0, data);) {
        tfc_match match = read_match(pattern, data);
        if (count == max) count--;
        memmove(found + 1, found, count * sizeof *found);
        found[0] = match;
        count++;
        if (match.end[0] > from)
            from = match.end[0];
        else
            for (from++; from < n && !tfc_utf8_boundary(text, n, from);) from++;
    }
    pcre2_match_data_free(data);
    return count;
}
