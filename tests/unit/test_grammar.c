/* Grammars: cases of tests/unit/cases/grammar.txt, and random walks whose ends the Calculator and the parser
 * must take. */
#include "cases.h"

#include "base/random.h"
#include "base/utf8.h"
#include "tools/datecalc.h"

static bool accepted(const tfc_grammar *grammar, const char *text, size_t n)
{
    return grammar->accepts(grammar->context, tfc_grammar_feed(grammar, grammar->start, text, n));
}

/* `form text => yes | more | no`: accepted, may go on, dead. */
static void run_case(const test_case *c)
{
    const char *text = strchr(c->input, ' ');
    assert_non_null(text);
    tfc_args_form form = c->input[0] == 'n'   ? TFC_ARGS_NONE
                         : c->input[0] == 'e' ? TFC_ARGS_EXPRESSION
                         : c->input[0] == 'd' ? TFC_ARGS_DATES
                                              : TFC_ARGS_TEXT;
    const tfc_grammar *grammar = tfc_grammar_args(form);
    size_t n = c->n_input - (size_t)(++text - c->input);
    uint32_t state = tfc_grammar_feed(grammar, grammar->start, text, n);
    const char *verdict = grammar->accepts(grammar->context, state) ? "yes"
                          : state == TFC_GRAMMAR_DEAD               ? "no"
                                                                    : "more";
    if (strcmp(verdict, c->expected) != 0) fail_msg("line %d: '%s' is '%s'", c->line, c->input, verdict);
}

static void test_cases(void **state)
{
    (void)state;
    cases_run("grammar.txt", run_case);
}

/* A walk along live states; bytes are drawn from `alphabet`, closing is preferred after a while. The text up
 * to and including `)`; 0 when the walk got nowhere. */
static size_t walk(const tfc_grammar *grammar, tfc_random *random, const char *alphabet, char *out,
                   size_t capacity)
{
    uint32_t state = grammar->start;
    size_t n_alphabet = strlen(alphabet);
    for (size_t n = 0; n < capacity;) {
        size_t first = (size_t)tfc_random_below(random, n_alphabet), tried = 0;
        unsigned char byte = 0;
        uint32_t next = TFC_GRAMMAR_DEAD;
        if (n > capacity / 2) next = grammar->step(grammar->context, state, byte = ')');
        for (; next == TFC_GRAMMAR_DEAD && tried < n_alphabet; tried++) {
            byte = (unsigned char)alphabet[(first + tried) % n_alphabet];
            next = grammar->step(grammar->context, state, byte);
        }
        /* No live state may be a dead end, but for what follows the closing parenthesis. */
        if (next == TFC_GRAMMAR_DEAD) fail_msg("dead end after '%.*s'", (int)n, out);
        out[n++] = (char)byte;
        state = next;
        if (grammar->accepts(grammar->context, state)) return n;
    }
    return 0;
}

/* Every walk through expressions evaluates; only its arithmetic may fail. */
static void test_expressions_evaluate(void **state)
{
    (void)state;
    tfc_random random = tfc_random_stream(5, 0, 0, 0);
    int n_done = 0, n_results = 0;
    for (int i = 0; i < 20000; i++) {
        char text[64];
        size_t n = walk(tfc_grammar_args(TFC_ARGS_EXPRESSION), &random, "0123456789+-*/x().,% \xC3\x97\xB7",
                        text, 8 + (size_t)tfc_random_below(&random, 56));
        if (n == 0) continue;
        n_done++;
        tfc_error err;
        char *result;
        if (tfc_calculator_eval(text, n - 1, &result, &err) == TFC_OK) {
            n_results++;
            tfc_text_free(result);
        } else if (!strstr(err.message, "division by zero") && !strstr(err.message, "too large")) {
            fail_msg("%s", err.message);
        }
        assert_true(tfc_call_args_valid(text, n - 1));
    }
    assert_true(n_done > 10000 && n_results > 5000);
}

/* Every walk through dates has a result; only the day may not exist, or the result be too far away. */
static void test_dates_evaluate(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789+-, ()'.abcdefghijklmnopqrstuvwxyzABCDFIJKLMNOPSTVWY";
    tfc_random random = tfc_random_stream(9, 0, 0, 0);
    int n_done = 0, n_results = 0;
    for (int i = 0; i < 20000; i++) {
        char text[128];
        size_t n = walk(tfc_grammar_args(TFC_ARGS_DATES), &random, alphabet, text, sizeof text);
        if (n == 0) continue;
        n_done++;
        tfc_error err;
        char *result;
        if (tfc_datecalc_eval(text, n - 1, &result, &err) == TFC_OK) {
            n_results++;
            tfc_text_free(result);
        } else if (!strstr(err.message, "no such day") && !strstr(err.message, "outside the years")) {
            fail_msg("%s", err.message);
        }
        assert_true(tfc_call_args_valid(text, n - 1));
    }
    assert_true(n_done > 19000 && n_results > 10000);
}

/* Every walk through texts parses as one call with that argument. */
static void test_texts_parse(void **state)
{
    (void)state;
    static const char alphabet[] =
        "ab \"\"()()'->.,?\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xED\x9F\xBF\xF4\x8F\xE0\xA0";
    const char *name = "QA";
    tfc_random random = tfc_random_stream(6, 0, 0, 0);
    int n_done = 0;
    for (int i = 0; i < 20000; i++) {
        char text[80] = " [QA(";
        size_t n = walk(tfc_grammar_args(TFC_ARGS_TEXT), &random, alphabet, text + 5, 70);
        if (n == 0) continue;
        n_done++;
        tfc_call_span span;
        if (!tfc_call_parse_open(text, 5 + n, 0, &name, 1, &span)) fail_msg("'%.*s'", (int)n, text + 5);
        assert_int_equal(span.args, 5);
        assert_int_equal(span.args_end, 5 + n - 1);
        assert_true(tfc_utf8_valid(text, 5 + n, NULL));
        assert_true(tfc_call_args_valid(text + 5, n - 1));
    }
    assert_true(n_done > 10000);
}

/* What is legal as a printed argument, but for what the automaton finds odd, is accepted. */
static void test_texts_accepted(void **state)
{
    (void)state;
    tfc_random random = tfc_random_stream(8, 0, 0, 0);
    int n_legal = 0;
    for (int i = 0; i < 50000; i++) {
        char text[12];
        size_t n = (size_t)tfc_random_below(&random, 10);
        for (size_t j = 0; j < n; j++) text[j] = "ab\"().,"[tfc_random_below(&random, 7)];
        text[n] = '\0';
        bool legal = n > 0 && tfc_call_args_valid(text, n) && !strstr(text, "\"\"") && !strstr(text, "()");
        text[n] = ')';
        if (legal && !accepted(tfc_grammar_args(TFC_ARGS_TEXT), text, n + 1))
            fail_msg("'%.*s'", (int)n + 1, text);
        n_legal += legal;
    }
    assert_true(n_legal > 1000);
}

static void test_calls(void **state)
{
    (void)state;
    static const tfc_grammar_call calls[] = {{"Calculator", TFC_ARGS_EXPRESSION},
                                             {"Calendar", TFC_ARGS_NONE},
                                             {"QA", TFC_ARGS_TEXT},
                                             {"Cal", TFC_ARGS_TEXT}};
    static const struct {
        const char *text, *verdict;
    } cases[] = {
        {"Calculator(1 + 2)", "yes"},
        {"Calculator(1 + 2)]", "yes"},
        {"Calculator(1 + 2) ->", "yes"},
        {"Calendar()", "yes"},
        {"Cal(x)", "yes"},
        {"QA(\"x)\")", "yes"},
        {"Cal", "more"},
        {"Calc", "more"},
        {"", "more"},
        {"Calendar(", "more"},
        {"Calculator((", "more"},
        {"Calculator(1) -", "more"},
        {"Calendar(1", "no"},
        {"Calculators", "no"},
        {"calendar", "no"},
        {"Q(", "no"},
        {" Cal", "no"},
        {"[Cal", "no"},
        {"Calculator()", "no"},
        {"Calendar()x", "no"},
        {"Calendar() -> x", "no"},
        {"QA(\n", "no"},
        {"MT(", "no"},
        {"(", "no"},
    };
    tfc_error err;
    tfc_grammar *grammar = tfc_grammar_calls_create(calls, 4, &err);
    assert_non_null(grammar);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t at = tfc_grammar_feed(grammar, grammar->start, cases[i].text, strlen(cases[i].text));
        const char *verdict = grammar->accepts(grammar->context, at) ? "yes"
                              : at == TFC_GRAMMAR_DEAD               ? "no"
                                                                     : "more";
        if (strcmp(verdict, cases[i].verdict) != 0) fail_msg("'%s' is '%s'", cases[i].text, verdict);
        assert_true(at < 20000);
    }
    /* A total function: any state and any byte. */
    for (uint32_t s = 0; s < 20000; s++)
        for (int byte = 0; byte < 256; byte++)
            assert_true(grammar->step(grammar->context, s, (unsigned char)byte) < 20000);
    for (int form = 0; form < 4; form++)
        for (uint32_t s = 0; s < 20000; s++)
            for (int byte = 0; byte < 256; byte++) {
                const tfc_grammar *args = tfc_grammar_args((tfc_args_form)form);
                assert_true(args->step(args->context, s, (unsigned char)byte) < 4096);
            }
    tfc_grammar_free(grammar);
    tfc_grammar_free(NULL);
    static const tfc_grammar_call twice[] = {{"QA", TFC_ARGS_TEXT}, {"QA", TFC_ARGS_NONE}},
                                  odd = {"Q A", TFC_ARGS_TEXT};
    assert_null(tfc_grammar_calls_create(twice, 2, &err));
    assert_int_equal(err.status, TFC_EINVAL);
    assert_null(tfc_grammar_calls_create(&odd, 1, &err));
    assert_null(tfc_grammar_calls_create(calls, 0, &err));
    tfc_memory_fail_at(1);
    assert_null(tfc_grammar_calls_create(calls, 4, &err));
    tfc_memory_fail_at(0);
    assert_int_equal(err.status, TFC_ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),          cmocka_unit_test(test_expressions_evaluate),
        cmocka_unit_test(test_dates_evaluate), cmocka_unit_test(test_texts_parse),
        cmocka_unit_test(test_texts_accepted), cmocka_unit_test(test_calls),
    };
    return cmocka_run_group_tests_name("grammar", tests, NULL, NULL);
}
