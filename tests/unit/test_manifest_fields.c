/* The fields of a manifest that name patterns: which texts, which places, which arguments; its comments and
 * its version; patterns that would never end. */
#include "cases.h"

#include <time.h>

#include "tools/manifest.h"
#include "tools/pattern.h"

static tfc_arena arena;

static const char frame[] =
    "{\"name\": \"Convert\", \"description\": \"d\", \"instruction\": \"i\", \"args\": {\"form\": \"text\"}, "
    "\"demonstrations\": [{\"input\": \"2 km is 2000 m.\", \"output\": \"2 km is [Convert(2 km, m)] 2000 "
    "m.\"}], \"backend\": \"builtin:calculator\"%s}";

static tfc_status read_with(const char *fields, tfc_tool *tool, tfc_error *err)
{
    char text[4000];
    snprintf(text, sizeof text, frame, fields);
    tfc_error_init(err);
    return tfc_manifest_read(text, strlen(text), "x.json", NULL, &arena, tool, err);
}

static tfc_tool good(const char *fields)
{
    tfc_tool tool;
    tfc_error err;
    if (read_with(fields, &tool, &err) != TFC_OK) fail_msg("%s: %s", fields, err.message);
    return tool;
}

static int release(void **state)
{
    (void)state;
    tfc_arena_release(&arena);
    return 0;
}

static void test_bad_fields(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *reason;
    } cases[] = {
        {",\"version\": 2", "version: string expected"},
        {",\"version\": \"\"", "version is empty"},
        {",\"heuristic\": {}", "heuristic: missing pattern"},
        {",\"heuristic\": {\"pattern\": 7}", "heuristic: pattern: string expected"},
        {",\"heuristic\": {\"pattern\": \"\"}", "heuristic: pattern is empty"},
        {",\"heuristic\": {\"pattern\": \"a(\"}",
         "heuristic: pattern: 'a(' is no regular expression: missing closing parenthesis at byte 2"},
        {",\"heuristic\": {\"pattern\": \"a\", \"x\": 1}", "heuristic: unknown field 'x'"},
        {",\"heuristic\": {\"pattern\": \"a\\u0000b\"}", "heuristic: pattern holds a NUL"},
        {",\"heuristic\": {\"pattern\": \"((a{900}){900}){900}\"}", "heuristic: pattern: "},
        {",\"heuristic\": 7", "heuristic: string expected"},
        {",\"places\": {\"pattern\": \"a\"}", "places: unknown field 'pattern'"},
        {",\"places\": {\"before\": \"*\"}", "places: before: '*' is no regular expression"},
        {",\"propose\": 7", "propose: object expected"},
        {",\"propose\": null", "propose: object expected"},
        {",\"propose\": []", "propose: 1 to 100 rules expected"},
        {",\"propose\": [{\"pattern\": \"a\", \"args\": \"b\"}, 1]", "propose: [1]: object expected"},
        {",\"propose\": {\"args\": \"$1\"}", "propose: missing pattern"},
        {",\"propose\": {\"pattern\": \"a\\u0000\", \"args\": \"x\"}",
         "propose: pattern: empty, or with a NUL"},
        {",\"propose\": {\"pattern\": \"a\"}", "propose: missing args"},
        {",\"propose\": {\"pattern\": \"a\", \"args\": []}", "propose: args: 1 to 1000 templates"},
        {",\"propose\": {\"pattern\": \"a\", \"args\": 1}", "propose: args: string or array of strings"},
        {",\"propose\": {\"pattern\": \"a\", \"args\": \"$1\"}",
         "propose: args: '$1': the pattern has 0 groups"},
        {",\"propose\": {\"pattern\": \"a\", \"args\": \"5 $\"}", "propose: args: '5 $': $ is followed by"},
        {",\"propose\": {\"pattern\": \"a\", \"args\": \"x\", \"k\": 1}", "propose: unknown field 'k'"},
        {",\"enumerate\": true, \"propose\": {\"pattern\": \"a\", \"args\": \"x\"}",
         "propose beside enumerate"},
        {",\"_note\": 7", "unknown field '_note'"},
        {",\"note\": \"x\"", "unknown field 'note'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tfc_tool tool;
        tfc_error err;
        if (read_with(cases[i].fields, &tool, &err) == TFC_OK) fail_msg("accepted: %s", cases[i].fields);
        if (!strstr(err.message, cases[i].reason)) fail_msg("'%s' lacks '%s'", err.message, cases[i].reason);
    }
}

static void test_version_and_comments(void **state)
{
    (void)state;
    tfc_tool tool = good(",\"version\": \"2.1\", \"_version\": \"of the script\"");
    assert_string_equal(tool.version, "2.1");
    assert_non_null(strstr(tool.manifest_text, "of the script"));
    tfc_tool_close(&tool);
    /* In an object and in the elements of an array too; a schema's own names are none. */
    char text[2000], args[] = "\"args\": {\"_form\": \"c\", \"form\": \"text\", \"schema\": {\"type\": "
                              "\"object\", \"properties\": {\"_a\": {\"type\": \"string\"}}}}";
    snprintf(text, sizeof text,
             "{\"_\": \"c\", \"name\": \"T\", \"description\": \"d\", \"instruction\": \"i\", %s, "
             "\"demonstrations\": [{\"_input\": \"c\", \"input\": \"a b\", \"output\": \"a [T(x)] b\"}], "
             "\"backend\": {\"_type\": \"c\", \"type\": \"builtin:calculator\"}}",
             args);
    tfc_error err;
    if (tfc_manifest_read(text, strlen(text), "x.json", NULL, &arena, &tool, &err) != TFC_OK)
        fail_msg("%s", err.message);
    assert_non_null(tool.schema);
    tfc_tool_close(&tool);
}

static void test_texts_and_places(void **state)
{
    (void)state;
    tfc_tool tool = good(",\"heuristic\": {\"pattern\": \"\\\\b(km|miles?)\\\\b\"}, "
                         "\"places\": {\"before\": \"(?<!\\\\d )[\\\\d.]+ (km|miles?)\\\\b\"}");
    static const char text[] = "It is 5 miles, or 8.05 km, to 9 7 km";
    assert_true(tfc_tool_wants_text(&tool, text, strlen(text), NULL, 0.5));
    assert_false(tfc_tool_wants_text(&tool, "It is 5 kmh", 11, NULL, 0.5));
    for (size_t at = 0; at <= strlen(text); at++) {
        bool wanted = strncmp(text + at, " 5 miles", 8) == 0 || strncmp(text + at, " 8.05 km", 8) == 0;
        if (tfc_tool_place_allowed(&tool, text, strlen(text), at) != wanted) fail_msg("at %zu", at);
    }
    tfc_tool_close(&tool);
}

static void check_proposals(const tfc_tool *tool, const char *text, size_t at, const char *earlier,
                            const tfc_enumerate_params *params, const char *expected)
{
    tfc_proposals proposals;
    tfc_error err;
    char all[2000] = "";
    assert_true(tfc_tool_enumerate(tool, text, strlen(text), at, earlier, params, &proposals, &err));
    for (size_t i = 0; i < proposals.n_args; i++) {
        strcat(all, i ? "; " : "");
        strcat(all, proposals.args[i]);
    }
    tfc_proposals_release(&proposals);
    assert_string_equal(all, expected);
}

static void test_propose(void **state)
{
    (void)state;
    tfc_tool tool = good(
        ",\"propose\": [{\"pattern\": \"([\\\\d.]+) (km|m)\\\\b\", \"args\": [\"$1 $2, m\", \"$1 $2, km\"]}, "
        "{\"pattern\": \"(\\\\w+)?([\\\\[\\\"])\", \"args\": \"$1$2$$\"}]");
    assert_true(tool.enumerates);
    static const char text[] = "From 5 km to 2.5 km, 5 km, \"x\" is [z 7 m after";
    const tfc_enumerate_params params = {.max_numbers = 10, .max_args = 10};
    /* The nearest first, each once, nothing that stands behind the place, nothing that is no call. */
    check_proposals(&tool, text, 35, NULL, &params, "5 km, m; 5 km, km; 2.5 km, m; 2.5 km, km");
    check_proposals(&tool, text, 12, NULL, &params, "5 km, m; 5 km, km");
    check_proposals(&tool, text, 8, NULL, &params, "");
    check_proposals(&tool, text, 0, NULL, &params, "");
    check_proposals(&tool, text, strlen(text), NULL, &params,
                    "7 m, m; 7 m, km; 5 km, m; 5 km, km; 2.5 km, m; 2.5 km, km");
    check_proposals(&tool, text, strlen(text), "about 9 m", &params, "9 m, m; 9 m, km");
    const tfc_enumerate_params few = {.max_numbers = 2, .max_args = 3};
    check_proposals(&tool, text, strlen(text), NULL, &few, "7 m, m; 7 m, km; 5 km, m");
    tfc_error err;
    for (int fail_at = 1; fail_at < 60; fail_at++) {
        tfc_proposals proposals;
        tfc_memory_fail_at(fail_at);
        bool done = tfc_tool_enumerate(&tool, text, strlen(text), 35, NULL, &params, &proposals, &err);
        tfc_memory_fail_at(0);
        tfc_proposals_release(&proposals);
        if (done) break;
        assert_int_equal(err.status, TFC_ENOMEM);
    }
    tfc_tool_close(&tool);
    /* What a schema does not allow is not proposed. */
    tool = good(",\"propose\": {\"pattern\": \"x\", \"args\": \"$0\"}");
    check_proposals(&tool, "x y x", 5, NULL, &params, "x");
    tfc_tool_close(&tool);
}

/* Patterns and texts that take exponential time without a limit. */
static void test_patterns_end(void **state)
{
    (void)state;
    static const char *const patterns[] = {"(a+)+$",
                                           "(a|aa)+$",
                                           "(a*)*b",
                                           "(?:a?){50}a{50}",
                                           "(.*)*\\1x",
                                           "(?R)?a+b",
                                           "(*LIMIT_MATCH=4000000000)(a+)+$"};
    char text[3000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 2] = '!';
    text[sizeof text - 1] = '\0';
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        tfc_error err;
        tfc_pattern *pattern = tfc_pattern_compile(patterns[i], &err);
        if (!pattern) fail_msg("%s", err.message);
        clock_t begin = clock();
        tfc_pattern_found(pattern, text, strlen(text));
        tfc_match last[4];
        tfc_pattern_last(pattern, text, strlen(text), last, 4);
        double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        if (seconds > 2) fail_msg("%s took %.1f s", patterns[i], seconds);
        tfc_pattern_free(pattern);
    }
}

static void test_matches(void **state)
{
    (void)state;
    tfc_error err;
    tfc_match last[3];
    tfc_pattern *pattern = tfc_pattern_compile("\\b(\\w)?é*", &err);
    assert_non_null(pattern);
    assert_int_equal(tfc_pattern_groups(pattern), 1);
    assert_int_equal(tfc_pattern_last(pattern, "ü é", 5, last, 3), 3); /* ü; its end; é; its end */
    assert_true(last[0].begin[0] == 5 && last[1].begin[1] == 3 && last[1].end[1] == 5 && last[2].end[0] == 2);
    /* Broken UTF-8 and places within a character match nothing. */
    assert_false(tfc_pattern_found(pattern, "\xFF", 1));
    assert_false(tfc_pattern_at(pattern, "é", 2, 1));
    assert_false(tfc_pattern_at(pattern, "é", 2, 3));
    tfc_pattern_free(pattern);
    pattern = tfc_pattern_compile("", &err);
    assert_int_equal(tfc_pattern_last(pattern, "aéb", 4, last, 3), 3);
    assert_int_equal(last[0].begin[0], 4);
    tfc_pattern_free(pattern);
    tfc_pattern_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_fields),       cmocka_unit_test(test_version_and_comments),
        cmocka_unit_test(test_texts_and_places), cmocka_unit_test(test_propose),
        cmocka_unit_test(test_patterns_end),     cmocka_unit_test(test_matches),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
