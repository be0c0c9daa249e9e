/* Call text: cases of tests/unit/cases/calls.txt; printing hostile results; and the promise that a text comes
 * back byte for byte when its calls are taken out. */
#include "cases.h"

#include <time.h>

#include "base/random.h"
#include "base/utf8.h"
#include "toolformer/calls.h"

static const char *const names[] = {"QA", "Calculator", "WikiSearch", "MT", "Calendar"};
enum { N_NAMES = sizeof names / sizeof *names };

static void run_case(const test_case *c)
{
    char found[2048];
    size_t n = 0;
    tfc_call_span s;
    for (size_t at = 0; tfc_calls_scan(c->input, c->n_input, at, names, N_NAMES, &s); at = s.end) {
        n += (size_t)snprintf(found + n, sizeof found - n, "{%.*s|%.*s", (int)(s.name_end - s.name),
                              c->input + s.name, (int)(s.args_end - s.args), c->input + s.args);
        if (s.has_arrow)
            n += (size_t)snprintf(found + n, sizeof found - n, "|%.*s", (int)(s.result_end - s.result),
                                  c->input + s.result);
        n += (size_t)snprintf(found + n, sizeof found - n, "}");
        assert_true(s.closed && c->input[s.end - 1] == ']' && s.begin < s.name && s.begin >= at);
        tfc_call_span again;
        assert_true(tfc_call_parse(c->input, c->n_input, s.begin, names, N_NAMES, &again));
        assert_memory_equal(&again, &s, sizeof s);
        assert_false(tfc_call_parse_open(c->input, s.end, s.begin, names, N_NAMES, &again));
    }
    char *rest;
    size_t n_rest;
    assert_int_equal(tfc_calls_strip(c->input, c->n_input, names, N_NAMES, &rest, &n_rest, NULL), TFC_OK);
    if (n_rest != strlen(rest)) { /* a NUL in it: the case must be one without calls */
        assert_int_equal(n_rest, c->n_input);
        assert_memory_equal(rest, c->input, n_rest);
    } else {
        snprintf(found + n, sizeof found - n, "%s", rest);
        if (strcmp(found, c->expected) != 0) fail_msg("line %d: %s", c->line, found);
    }
    tfc_text_free(rest);
}

static void test_cases(void **state)
{
    (void)state;
    cases_run("calls.txt", run_case);
}

static void test_open(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool open;
    } cases[] = {
        {" [Calculator(1 + 2) ->", true},
        {" [Calculator(1 + 2) -> ", true},
        {" [Calculator(1 + 2)", true},
        {"[Calculator((1)*2)->", true},
        {" [Calendar() ->", true},
        {" [QA(\"a)\")", true},
        {" [Calculator(1 + 2) -> 3", false},
        {" [Calculator(1 + 2) -> 3]", false},
        {" [Calculator(1 + 2", false},
        {" [Calculator(1 + 2) -", false},
        {" [Calculator((1)", false},
        {" [Nothing(1)", false},
        {"", false},
        {" ", false},
        {" [", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tfc_call_span span;
        bool open = tfc_call_parse_open(cases[i].text, strlen(cases[i].text), 0, names, N_NAMES, &span);
        if (open != cases[i].open) fail_msg("'%s'", cases[i].text);
        if (!open) continue;
        assert_false(span.closed);
        assert_int_equal(span.end, strlen(cases[i].text));
        assert_int_equal(span.result, span.result_end);
        assert_int_equal(span.has_arrow, strstr(cases[i].text, "->") != NULL);
    }
    tfc_call_span span;
    assert_true(tfc_call_parse("[a.b-c_9(x)]", 12, 0, NULL, 0, &span));
    assert_int_equal(span.name_end - span.name, 7);
    assert_false(tfc_call_parse("[9a(x)]", 7, 0, NULL, 0, &span));
    assert_false(tfc_call_parse("x[a(x)]", 7, 0, NULL, 0, &span));
}

static void check_text(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    tfc_text_free(text);
}

static void test_print(void **state)
{
    (void)state;
    check_text(tfc_call_print_head("Calculator", "400 / 1400"), " [Calculator(400 / 1400) ->");
    check_text(tfc_call_print_head("Calendar", NULL), " [Calendar() ->");
    check_text(tfc_call_print_tail("0.29", 100), " 0.29]");
    check_text(tfc_call_print_tail("", 100), " ]");
    check_text(tfc_call_print_tail(NULL, 100), " ]");
    check_text(tfc_call_print_bare("QA", "\"x?\""), " [QA(\"x?\")]");
    check_text(tfc_call_print_tail("] [Calculator(1) -> 2]", 100), " ) (Calculator(1) -> 2)]");
    check_text(tfc_call_clean_result(" a\nb\r\n\tc\x01\x7F"
                                     "d ",
                                     100),
               "a b   c  d");
    check_text(tfc_call_clean_result("a\xE2\x80\xA8"
                                     "b\xC2\x85"
                                     "c\xC4\xA0",
                                     100),
               "a b c\xC4\xA0");
    check_text(tfc_call_clean_result("a\xFF"
                                     "b\xE2\x82",
                                     100),
               "a\xEF\xBF\xBD"
               "b\xEF\xBF\xBD\xEF\xBF\xBD");
    check_text(tfc_call_clean_result("\n\n \t", 100), "");
    /* Cut between characters, and without a blank at the end. */
    check_text(tfc_call_clean_result("abc\xE2\x82\xAC", 5), "abc");
    check_text(tfc_call_clean_result("abc\xE2\x82\xAC", 6), "abc\xE2\x82\xAC");
    check_text(tfc_call_clean_result("abc def", 4), "abc");
    check_text(tfc_call_clean_result("abc", 0), "");
}

/* 10 MB of results cost what is printed of them, but for blanks, which are read. */
static void test_huge_result(void **state)
{
    (void)state;
    size_t n = 10 << 20;
    char *huge = malloc(n + 1);
    assert_non_null(huge);
    memset(huge, ']', n);
    huge[n] = '\0';
    char *tail = tfc_call_print_tail(huge, 64);
    assert_int_equal(strlen(tail), 66);
    assert_ptr_equal(strchr(tail, ']'), tail + 65);
    tfc_text_free(tail);
    memset(huge, '\n', n);
    check_text(tfc_call_print_tail(huge, 64), " ]");
    free(huge);
}

/* Printed calls parse back to their parts, whatever the result is. */
static void test_print_then_parse(void **state)
{
    (void)state;
    static const char *pieces[] = {"a",  " ",  "\"", "(",    ")", "[",  "]",
                                   "->", "\n", "é",  "\xFF", "1", "\t", "\xE2\x80\xA9"};
    tfc_random random = tfc_random_stream(11, 0, 0, 0);
    int n_valid = 0;
    for (int i = 0; i < 20000; i++) {
        char args[64] = "", result[64] = "", text[256];
        for (int j = (int)tfc_random_below(&random, 7); j > 0; j--)
            strcat(args, pieces[tfc_random_below(&random, sizeof pieces / sizeof *pieces)]);
        for (int j = (int)tfc_random_below(&random, 12); j > 0; j--)
            strcat(result, pieces[tfc_random_below(&random, sizeof pieces / sizeof *pieces)]);
        char *head = tfc_call_print_head("QA", args), *tail = tfc_call_print_tail(result, 20);
        char *clean = tfc_call_clean_result(result, 20);
        tfc_call_span s;
        bool valid = tfc_call_args_valid(args, strlen(args));
        assert_int_equal(tfc_call_parse_open(head, strlen(head), 0, names, N_NAMES, &s) &&
                             s.args_end - s.args == strlen(args),
                         valid);
        size_t n = (size_t)snprintf(text, sizeof text, "%s%s", head, tail);
        if (valid) {
            n_valid++;
            assert_true(tfc_call_parse(text, n, 0, names, N_NAMES, &s));
            assert_int_equal(s.end, n);
            assert_int_equal(s.args_end - s.args, strlen(args));
            assert_memory_equal(text + s.args, args, strlen(args));
            assert_int_equal(s.result_end - s.result, strlen(clean));
            assert_memory_equal(text + s.result, clean, strlen(clean));
            assert_true(tfc_utf8_valid(clean, strlen(clean), NULL) && strlen(clean) <= 20);
            assert_int_equal(strcspn(clean, "[]\n\r"), strlen(clean));
        }
        tfc_text_free(head);
        tfc_text_free(tail);
        tfc_text_free(clean);
    }
    assert_true(n_valid > 2000);
}

/* A text of brackets, arrows, quotes, look-alikes of calls and characters of several bytes. */
static size_t hostile_text(tfc_random *random, char *out, int n_pieces)
{
    static const char *pieces[] = {"[",
                                   "]",
                                   "(",
                                   ")",
                                   "->",
                                   "\"",
                                   " ",
                                   "é",
                                   "€",
                                   "😀",
                                   "\n",
                                   "\\",
                                   "[Calculator(1) -> 1]",
                                   " [QA(",
                                   " [Calendar()]",
                                   "[MT(\"x\") -> ",
                                   "42",
                                   " 42",
                                   "Calculator",
                                   "\xC2\xA0",
                                   "a"};
    size_t n = 0;
    for (int i = 0; i < n_pieces; i++) {
        const char *piece = pieces[tfc_random_below(random, sizeof pieces / sizeof *pieces)];
        memcpy(out + n, piece, strlen(piece));
        n += strlen(piece);
    }
    return n;
}

static void test_insert_then_remove(void **state)
{
    (void)state;
    tfc_random random = tfc_random_stream(12, 0, 0, 0);
    for (int i = 0; i < 20000; i++) {
        char source[512], calls[4][128];
        size_t n = hostile_text(&random, source, (int)tfc_random_below(&random, 20)), at = 0;
        tfc_call_insert inserts[4];
        size_t n_inserts = tfc_random_below(&random, 5);
        for (size_t j = 0; j < n_inserts; j++) {
            at += tfc_random_below(&random, n - at + 1);
            while (!tfc_utf8_boundary(source, n, at)) at++;
            char result[512];
            result[hostile_text(&random, result, 3)] = '\0';
            char *tail = tfc_call_print_tail(result, 60);
            snprintf(calls[j], sizeof calls[j], " [Calculator(%zu + 1) ->%s", j, tail);
            tfc_text_free(tail);
            inserts[j] = (tfc_call_insert){at, calls[j]};
        }
        char *text, *back;
        size_t n_text, n_back;
        assert_int_equal(tfc_calls_insert(source, n, inserts, n_inserts, &text, &n_text, NULL), TFC_OK);
        assert_int_equal(tfc_calls_remove(text, n_text, inserts, n_inserts, &back, &n_back, NULL), TFC_OK);
        assert_int_equal(n_back, n);
        assert_memory_equal(back, source, n);
        tfc_text_free(back);
        if (n_inserts > 0) { /* one byte of a call changed, or cut off */
            size_t j = tfc_random_below(&random, n_inserts), place = inserts[j].at + 3;
            for (size_t k = 0; k < j; k++) place += strlen(calls[k]);
            text[place] ^= 1;
            assert_int_equal(tfc_calls_remove(text, n_text, inserts, n_inserts, &back, &n_back, NULL),
                             TFC_ECONFLICT);
            assert_int_equal(tfc_calls_remove(text, place, inserts, n_inserts, &back, &n_back, NULL),
                             TFC_ECONFLICT);
        }
        tfc_text_free(text);
        assert_int_equal(tfc_calls_strip(source, n, names, N_NAMES, &back, &n_back, NULL), TFC_OK);
        assert_true(n_back <= n);
        tfc_text_free(back);
    }
}

static void test_insert_refuses(void **state)
{
    (void)state;
    char *text;
    size_t n;
    tfc_error err;
    tfc_call_insert inside = {1, " [QA(x) -> y]"}, past = {3, " [QA(x) -> y]"};
    assert_int_equal(tfc_calls_insert("é", 2, &inside, 1, &text, &n, &err), TFC_EINVAL);
    assert_int_equal(tfc_calls_insert("é", 2, &past, 1, &text, &n, &err), TFC_EINVAL);
    tfc_call_insert unordered[] = {{2, "a"}, {0, "b"}};
    assert_int_equal(tfc_calls_insert("é", 2, unordered, 2, &text, &n, &err), TFC_EINVAL);
    assert_int_equal(tfc_calls_remove("éab", 4, unordered, 2, &text, &n, &err), TFC_ECONFLICT);
    tfc_call_insert far_away = {SIZE_MAX, "a"};
    assert_int_equal(tfc_calls_remove("éab", 4, &far_away, 1, &text, &n, &err), TFC_ECONFLICT);
    assert_int_equal(tfc_calls_insert("", 0, NULL, 0, &text, &n, &err), TFC_OK);
    assert_int_equal(n, 0);
    tfc_text_free(text);
}

/* Every allocation fails once: an error or NULL, nothing leaks, nothing crashes. */
static void test_memory_fails(void **state)
{
    (void)state;
    tfc_call_insert insert = {1, " [QA(x) -> y]"};
    for (int at = 1; at < 3; at++) {
        char *text = NULL;
        size_t n;
        tfc_memory_fail_at(at);
        tfc_status status = tfc_calls_insert("ab", 2, &insert, 1, &text, &n, NULL);
        assert_int_equal(status, at == 1 ? TFC_ENOMEM : TFC_OK);
        if (status == TFC_OK) tfc_text_free(text);
        tfc_memory_fail_at(1);
        assert_null(tfc_call_print_head("QA", "x"));
        tfc_memory_fail_at(1);
        assert_null(tfc_call_print_tail("x", 10));
        tfc_memory_fail_at(0);
    }
}

/* Texts made to be scanned again and again: a megabyte of each must take no time. */
static void test_linear(void **state)
{
    (void)state;
    static const char *patterns[] = {
        "[", "(", "[QA(", "[QA(\"", " [Calculator((", "[QA(x) -> ", "[QA(x) -> y] "};
    enum { MANY = 1 << 20 };
    char *text = malloc(MANY);
    assert_non_null(text);
    clock_t begin = clock();
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        for (size_t j = 0; j < MANY; j++) text[j] = patterns[i][j % strlen(patterns[i])];
        memcpy(text, "[QA(", 4);
        char *rest;
        size_t n_rest;
        assert_int_equal(tfc_calls_strip(text, MANY, names, N_NAMES, &rest, &n_rest, NULL), TFC_OK);
        tfc_text_free(rest);
    }
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 5);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_huge_result),
        cmocka_unit_test(test_print_then_parse),
        cmocka_unit_test(test_insert_then_remove),
        cmocka_unit_test(test_insert_refuses),
        cmocka_unit_test(test_memory_fails),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
