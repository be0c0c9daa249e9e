/* Recipes that are departures from another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "toolformer/recipe.h"

static char root[] = "/tmp/tfc-recipe-XXXXXX";

static const char *file_with(const char *name, const char *text)
{
    static char path[2][256];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s.json", root, name);
    assert_int_equal(tfc_file_write_whole(path[turn], text, strlen(text), NULL), TFC_OK);
    return path[turn];
}

static void test_base(void **state)
{
    (void)state;
    tfc_recipe small, recipe;
    tfc_error err;
    assert_int_equal(tfc_recipe_load("small", &small, &err), TFC_OK);
    const char *path = file_with(
        "a", "{\"base\":\"small\",\"name\":\"a\",\"context\":\"prefix\",\"tau_s\":null,"
             "\"tools\":{\"Calendar\":{\"k\":3}},\"train\":{\"lr\":0.25,\"freeze_embeddings\":false}}");
    if (tfc_recipe_load(path, &recipe, &err) != TFC_OK) fail_msg("%s", err.message);
    assert_string_equal(recipe.name, "a");
    assert_int_equal(recipe.context, TFC_CONTEXT_PREFIX);
    assert_int_equal(recipe.proposer, small.proposer);
    assert_true(isnan(recipe.tau_s) && !isnan(small.tau_s)); /* null takes the number away */
    assert_true(recipe.train.lr == 0.25);
    assert_int_equal(recipe.train.batch, small.train.batch);
    assert_true(small.train.freeze_embeddings && !recipe.train.freeze_embeddings);
    assert_true(recipe.train.lr_decay && recipe.train.match_base > 0);
    assert_int_equal(recipe.n_tools, small.n_tools);
    assert_string_equal(recipe.tools[0].tool, "Calendar");
    assert_int_equal(recipe.tools[0].k, 3);
    assert_true(recipe.tools[0].tau_f == small.tools[0].tau_f);

    char text[400];
    snprintf(text, sizeof text, "{\"base\":\"%s\",\"name\":\"b\",\"m\":7}", path);
    path = file_with("b", text);
    if (tfc_recipe_load(path, &recipe, &err) != TFC_OK) fail_msg("%s", err.message);
    assert_int_equal(recipe.m, 7);
    assert_int_equal(recipe.context, TFC_CONTEXT_PREFIX);
    char *whole;
    assert_int_equal(tfc_recipe_text(path, &whole, &err), TFC_OK);
    assert_null(strstr(whole, "\"base\""));
    assert_non_null(strstr(whole, "snippet_tokens"));
    assert_int_equal(tfc_recipe_load(file_with("c", whole), &small, &err), TFC_OK);
    assert_int_equal(small.m, 7);
    tfc_text_free(whole);
}

static void refused(const char *text, const char *words)
{
    tfc_recipe recipe;
    tfc_error err;
    assert_int_not_equal(tfc_recipe_load(file_with("bad", text), &recipe, &err), TFC_OK);
    if (!strstr(err.message, words)) fail_msg("'%s' without '%s'", err.message, words);
}

static void test_refused(void **state)
{
    (void)state;
    char text[300];
    refused("{\"base\":\"small\",\"k\":3}", "name");
    refused("{\"base\":\"large\",\"name\":\"x\"}", "no recipe 'large'");
    refused("{\"base\":3,\"name\":\"x\"}", "base");
    refused("{\"base\":\"small\",\"name\":\"x\",\"kk\":3}", "unknown field 'kk'");
    refused("[]", "object expected");
    snprintf(text, sizeof text, "{\"base\":\"%s/bad.json\",\"name\":\"x\"}", root);
    refused(text, "behind each other");
}

static int prepare(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int tidy(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_base), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, prepare, tidy);
}
