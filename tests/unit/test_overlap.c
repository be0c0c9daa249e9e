/* Rows of evaluations in training texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "toolformer/overlap.h"

static char hits[200];

static void on_hit(void *context, const char *name, const char *id)
{
    (void)context;
    strcat(hits, name);
    strcat(hits, "/");
    strcat(hits, id);
    strcat(hits, " ");
}

static const char *check(tfc_overlap *o, const char *text)
{
    hits[0] = '\0';
    bool any = tfc_overlap_check(o, text, on_hit, NULL, NULL);
    assert_int_equal(any, hits[0] != '\0');
    return hits;
}

static void test_rows(void **state)
{
    (void)state;
    tfc_error err;
    tfc_overlap *o = tfc_overlap_create(&err);
    assert_non_null(o);
    const char *const rows[] = {
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen The answer is",
        "Alpha beta gamma delta epsilon zeta eta theta? The answer is", /* eight words */
        "How many? The answer is",
        "zero one two three four five six seven eight nine ten eleven twelve thirteen",
    };
    const char *const ids[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) assert_int_equal(tfc_overlap_add(o, "T", ids[i], rows[i], &err), TFC_OK);
    /* 13 words in a row are in two rows */
    assert_string_equal(check(o, "So: ONE two, three four five six seven eight nine ten\neleven (twelve) "
                                 "\"thirteen\". End."),
                        "T/a T/d ");
    /* 12 are not enough, and neither is another word between */
    assert_string_equal(check(o, "one two three four five six seven eight nine ten eleven twelve"), "");
    assert_string_equal(
        check(o, "one two three four five six or seven eight nine ten eleven twelve thirteen"), "");
    assert_string_equal(
        check(o, "two three four five six seven eight nine ten eleven twelve thirteen fourteen"), "T/a ");
    /* a short question must stand there whole, a very short one alone */
    assert_string_equal(check(o, "Say: alpha beta gamma delta epsilon zeta eta theta and so on"), "T/b ");
    assert_string_equal(check(o, "beta gamma delta epsilon zeta eta theta iota"), "");
    assert_string_equal(check(o, "How many? Many."), "");
    assert_string_equal(check(o, " how MANY "), "T/c ");
    /* the form of the prompts is no overlap */
    assert_string_equal(check(o, "twelve thirteen fourteen The answer is 5"), "");
    assert_string_equal(check(o, ""), "");
    assert_int_equal(tfc_overlap_n_rows_hit(o, "T"), 4);
    assert_int_equal(tfc_overlap_n_rows_hit(o, "other"), 0);
    tfc_overlap_free(o);
}

static void test_many(void **state)
{
    (void)state;
    tfc_error err;
    tfc_overlap *o = tfc_overlap_create(&err);
    char text[400];
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "there are %d a b c d e f g h i j %d k l m", i, i * 7);
        assert_int_equal(tfc_overlap_add(o, "N", "x", text, &err), TFC_OK);
    }
    assert_true(tfc_overlap_check(o, "there are 2999 a b c d e f g h i j 20993 k l m", NULL, NULL, NULL));
    assert_int_equal(tfc_overlap_n_rows_hit(o, NULL), 1);
    assert_false(tfc_overlap_check(o, "there are 3001 a b c d e f g h i j 3 k l m", NULL, NULL, NULL));
    tfc_overlap_free(o);
}

/* Each allocation fails in turn. */
static void test_memory(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 40; n++) {
        tfc_error err;
        bool failed = false;
        tfc_memory_fail_at(n);
        tfc_overlap *o = tfc_overlap_create(&err);
        tfc_status status =
            o ? tfc_overlap_add(o, "a", "b", "c d e f g h i j k l m n o p q", &err) : TFC_ENOMEM;
        bool hit = o && tfc_overlap_check(o, "c d e f g h i j k l m n o p q", NULL, NULL, &failed);
        tfc_memory_fail_at(0);
        assert_true(status == TFC_ENOMEM || failed || hit);
        tfc_overlap_free(o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
