/* Other languages in English text: the paper's candidate texts, the runs, places and arguments of MT, and
 * what looks ahead. With lid.176.ftz; without it they say that they are skipped. */
#include "cases.h"

#include "lang/lang.h"
#include "tools/foreign.h"

/* The whole program's identification is made to be fastText's. */
static const tfc_lang *open_lang(void)
{
    const char *data = getenv("TOOLFORMER_TEST_DATA"), *named = getenv("TOOLFORMER_LID");
    char path[4096] = "";
    if (data) snprintf(path, sizeof path, "%s/lid/lid.176.ftz", data);
    if (!(named && *named) && tfc_file_exists(path)) setenv("TOOLFORMER_LID", path, 1);
    const tfc_lang *lang = tfc_lang_shared(NULL);
    if (lang && strncmp(tfc_lang_source(lang), "fastText", 8) == 0) return lang;
    print_message("skipped: no lid.176.ftz (TOOLFORMER_LID, or lid/ in TOOLFORMER_TEST_DATA)\n");
    skip();
    return NULL;
}

static void test_candidates(void **state)
{
    (void)state;
    const tfc_lang *lang = open_lang();
    static const struct {
        bool wanted;
        const char *text;
    } cases[] = {
        {true,
         "The old fisherman looked at the sea and slowly began to talk about it. La noche es larga y el "
         "viento no quiere dormir, dijo el viejo pescador mirando al cielo. That was all he wanted to "
         "say to us, and we went back to the house."},
        {true, "My teacher in Beijing wrote a sentence on the board for all of us: "
               "明天早上我们坐火车去邻近的城市看望我们"
               "的朋友们。 Nobody in the class could read it, so she explained every word of it again."},
        {false,
         "The old fisherman looked at the sea and slowly began to talk about it. That was all he wanted "
         "to say to us, and we went back to the house."},
        {false,
         "La noche es larga y el viento no quiere dormir, dijo el viejo pescador mirando al cielo. That "
         "was all he wanted to say to us, and we went back to the house."},
        {false, "That was all he wanted to say to us, and we went back to the house. La noche es larga y el "
                "viento no quiere dormir, dijo el viejo pescador mirando al cielo."},
        {false, "La noche es larga y el viento no quiere dormir, dijo el viejo pescador."},
        {false,
         "The scores of all the teams in the order of the years were these: 12 14 16 18 20 22 24 26 28 "
         "30 32 34 36 38 40 42 44 46 48 50 % $ ! ? ... and that is the end of the list of scores."},
        {false, ""},
        {false, "  \n "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (tfc_foreign_between_english(lang, cases[i].text, strlen(cases[i].text)) != cases[i].wanted)
            fail_msg("'%s'", cases[i].text);
}

static void expect_runs(const tfc_lang *lang, const char *text, const char *const *expected)
{
    tfc_foreign_run runs[TFC_FOREIGN_RUNS_MAX];
    size_t n = tfc_foreign_runs(lang, text, strlen(text), runs), i = 0;
    for (; i < n && expected[i]; i++)
        if (strlen(expected[i]) != runs[i].end - runs[i].begin ||
            memcmp(expected[i], text + runs[i].begin, runs[i].end - runs[i].begin) != 0)
            fail_msg("'%.*s', not '%s'", (int)(runs[i].end - runs[i].begin), text + runs[i].begin,
                     expected[i]);
    if (i < n) fail_msg("'%.*s' is told", (int)(runs[i].end - runs[i].begin), text + runs[i].begin);
    if (expected[i]) fail_msg("'%s' is not told", expected[i]);
}

static void test_runs(void **state)
{
    (void)state;
    const tfc_lang *lang = open_lang();
    expect_runs(lang,
                "He called the book \"Cien años de soledad\", which means one hundred years of solitude.",
                (const char *const[]){"Cien años de soledad", NULL});
    expect_runs(lang, "La casa verde no tiene ventanas. The green house has no windows.",
                (const char *const[]){"La casa verde no tiene ventanas", NULL});
    expect_runs(
        lang, "El perro duerme en la cocina. La abuela prepara la comida para todos. It was quiet.",
        (const char *const[]){"El perro duerme en la cocina. La abuela prepara la comida para todos", NULL});
    expect_runs(lang, "The old teacher used to say 学而不厌, learn without ever being tired of it.",
                (const char *const[]){"学而不厌", NULL});
    expect_runs(lang, "The committee will meet again on Thursday to discuss the results of the vote.",
                (const char *const[]){NULL});
    expect_runs(lang, "The angle α and the mean μ are given; 12 34 56.", (const char *const[]){NULL});
    expect_runs(lang, "", (const char *const[]){NULL});
    expect_runs(lang, "\xFF\xFE\x80 \xC3", (const char *const[]){NULL});
}

/* The demonstrated calls of the built-in tool stand where they may, and most of them are proposed there. */
static void test_demonstrations(void **state)
{
    (void)state;
    open_lang();
    tfc_tools *tools = tfc_tools_create("MT", NULL);
    const tfc_tool *tool = tfc_tools_at(tools, 0);
    const tfc_enumerate_params params = {.max_args = 8};
    size_t n_proposed = 0;
    for (size_t i = 0; i < tool->n_head; i++) {
        const tfc_demonstration *d = &tool->head[i];
        tfc_call_span span;
        assert_non_null(d->results);
        assert_true(tfc_calls_scan(d->output, strlen(d->output), 0, &tool->name, 1, &span));
        size_t n = strlen(d->input), n_args = span.args_end - span.args;
        if (!tfc_tool_place_allowed(tool, d->input, n, span.begin)) continue;
        tfc_proposals proposals;
        assert_true(tfc_foreign_enumerate(d->input, n, span.begin, NULL, &params, &proposals, NULL));
        for (size_t p = 0; p < proposals.n_args; p++)
            n_proposed += strlen(proposals.args[p]) == n_args &&
                          memcmp(proposals.args[p], d->output + span.args, n_args) == 0;
        tfc_proposals_release(&proposals);
        assert_false(tfc_tool_looks_ahead(tool, d->input, n, span.begin, d->output + span.args, n_args));
        assert_false(tfc_tool_place_allowed(tool, d->input, n, 0));
    }
    if (n_proposed < 5) fail_msg("%zu of %zu", n_proposed, tool->n_head);
    tfc_tools_free(tools);
}

/* Needs no model. */
static void test_looks_ahead(void **state)
{
    (void)state;
    static const char text[] = "She said hasta luego and left. Hasta luego means see you later.";
    static const struct {
        const char *args;
        size_t at;
        bool ahead;
    } cases[] = {
        {"hasta luego", 5, true},
        {"hasta luego", 21, false},
        {"\"hasta luego\"", 5, true},
        {"Hasta luego", 25, true},
        {"Hasta luego", 45, false},
        {"not in the text", 5, false},
        {"see you later", 40, true},
        {"", 5, false},
        {"hasta luego", sizeof text - 1, false},
        {"hasta luego", 1000, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            tfc_foreign_looks_ahead(text, sizeof text - 1, cases[i].at, cases[i].args, strlen(cases[i].args)),
            cases[i].ahead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_demonstrations),
        cmocka_unit_test(test_looks_ahead),
    };
    return cmocka_run_group_tests_name("foreign", tests, NULL, NULL);
}
