/* Tools: registry and manifests, prompts and heads, numbers, proposals, places, heuristics. */
#include "cases.h"

#include <math.h>

#include "tools/manifest.h"
#include "tools/number.h"

static void run_numbers(const test_case *c)
{
    char found[512] = "";
    tfc_number number;
    for (size_t at = 0, n = 0; tfc_number_scan(c->input, c->n_input, at, &number); at = number.end) {
        assert_true(number.begin >= at && number.end > number.begin && number.end <= c->n_input);
        n += (size_t)snprintf(found + n, sizeof found - n, "%s", n ? " " : "");
        /* Digits as they are written, so that leading zeros show. */
        for (size_t i = number.begin; i < number.end; i++)
            if (c->input[i] >= '0' && c->input[i] <= '9') found[n++] = c->input[i];
        const char *digits = found + n;
        while (digits > found && digits[-1] != ' ') digits--;
        found[n] = '\0';
        assert_int_equal(strtoll(digits, NULL, 10), number.mantissa);
        if (number.scale) {
            while (*digits == '0' && digits[1]) { /* 0.75 is 75e-2 here, as .75 is */
                memmove((char *)(uintptr_t)digits, digits + 1, strlen(digits));
                n--;
            }
            n += (size_t)snprintf(found + n, sizeof found - n, "e-%d", number.scale);
        }
        n += (size_t)snprintf(found + n, sizeof found - n, "%s%s", number.percent ? "%" : "",
                              number.currency ? "$" : "");
        tfc_number again;
        assert_true(tfc_number_at(c->input, c->n_input, number.begin, &again));
        for (size_t i = number.begin + 1; i < number.end; i++)
            assert_false(tfc_number_at(c->input, c->n_input, i, &again));
    }
    if (strcmp(found, c->expected) != 0) fail_msg("line %d: '%s'", c->line, found);
}

static void enumerate_case(const test_case *c, const tfc_enumerate_params *params)
{
    char text[512], found[1024] = "none";
    const char *mark = strchr(c->input, '|');
    assert_non_null(mark);
    size_t at = (size_t)(mark - c->input), n = c->n_input - 1, length = 0;
    memcpy(text, c->input, at);
    memcpy(text + at, mark + 1, n - at);
    tfc_proposals proposals;
    tfc_error err;
    if (tfc_calculator_enumerate(text, n, at, params, &proposals, &err)) found[0] = '\0';
    for (size_t i = 0; i < proposals.n_args; i++) {
        length += (size_t)snprintf(found + length, sizeof found - length, "%s%s", i ? " ; " : "",
                                   proposals.args[i]);
        const tfc_grammar *grammar = tfc_grammar_args(TFC_ARGS_EXPRESSION);
        uint32_t state =
            tfc_grammar_feed(grammar, grammar->start, proposals.args[i], strlen(proposals.args[i]));
        assert_int_not_equal(tfc_grammar_feed(grammar, state, ")", 1), TFC_GRAMMAR_DEAD);
    }
    if (strcmp(found, c->expected) != 0) fail_msg("line %d: '%s'", c->line, found);
    tfc_proposals_release(&proposals);
}

static void run_enumerate(const test_case *c)
{
    enumerate_case(c, &(tfc_enumerate_params){12, 8, .max_operands = 2, .repeat = true});
}

static void run_enumerate_three(const test_case *c)
{
    enumerate_case(c, &(tfc_enumerate_params){12, 8, .max_operands = 3, .repeat = true});
}

static void run_enumerate_words(const test_case *c)
{
    enumerate_case(c, &(tfc_enumerate_params){12, 8, .max_operands = 3, .words = true, .repeat = true});
}

/* Every number of the text: its value, * behind a word that scales, % behind a percent. */
static void run_number_words(const test_case *c)
{
    char found[512] = "";
    size_t n = 0;
    tfc_number number;
    for (size_t at = 0; tfc_number_scan_words(c->input, c->n_input, at, &number); at = number.end) {
        assert_true(number.begin >= at && number.end > number.begin && number.end <= c->n_input);
        n +=
            (size_t)snprintf(found + n, sizeof found - n, "%s%lld%s%s", n ? " " : "",
                             (long long)number.mantissa, number.scales ? "*" : "", number.percent ? "%" : "");
    }
    if (strcmp(found, c->expected) != 0) fail_msg("line %d: '%s'", c->line, found);
}

static void run_enumerate_once(const test_case *c)
{
    enumerate_case(c, &(tfc_enumerate_params){12, 8, .max_operands = 3});
}

static void run_places(const test_case *c)
{
    tfc_tool tool = {.places = c->input[0] == 'n'   ? TFC_PLACES_NUMBERS
                               : c->input[0] == 'd' ? TFC_PLACES_DATES
                                                    : TFC_PLACES_ANY};
    char found[512] = "";
    const char *text = strchr(c->input, ' ') + 1;
    size_t n = strlen(text), length = 0;
    for (size_t i = 0; i < n; i++) {
        if (tfc_tool_place_allowed(&tool, text, n, i)) found[length++] = '|';
        found[length++] = text[i];
    }
    found[length] = '\0';
    if (tool.places != TFC_PLACES_ANY) assert_false(tfc_tool_place_allowed(&tool, text, n, n));
    if (strcmp(found, c->expected) != 0) fail_msg("line %d: '%s'", c->line, found);
}

static const char *wants(const tfc_tool *tool, const char *text, size_t n)
{
    if (tfc_tool_wants_text(tool, text, n, NULL, 0.01)) return "yes";
    return tfc_tool_wants_text(tool, text, n, NULL, 0.0099) ? "rare" : "no";
}

static void run_wants(const test_case *c)
{
    tfc_tool tool = {.heuristic = c->input[0] == 'c' ? TFC_HEURISTIC_CALCULATOR : TFC_HEURISTIC_NONE};
    const char *text = strchr(c->input, ' ') + 1, *verdict = wants(&tool, text, strlen(text));
    if (strcmp(verdict, c->expected) != 0) fail_msg("line %d: '%s' is %s", c->line, text, verdict);
}

static void test_cases(void **state)
{
    (void)state;
    cases_run("numbers.txt", run_numbers);
    cases_run("enumerate.txt", run_enumerate);
    cases_run("enumerate_three.txt", run_enumerate_three);
    cases_run("enumerate_once.txt", run_enumerate_once);
    cases_run("number_words.txt", run_number_words);
    cases_run("enumerate_words.txt", run_enumerate_words);
    cases_run("places.txt", run_places);
    cases_run("wants.txt", run_wants);
}

/* The window of rule (i) is 100 words wide; the Calendar wants a date. */
static void test_number_matches(void **state)
{
    (void)state;
    const struct {
        const char *text, *result;
        bool expected;
    } cases[] = {
        {"are 42.", "42", true}, {" 42", "42", true},       {" $42", "42", true},    {"42", "42.00", true},
        {"42", "41.60", true},   {"42", "43", false},       {"3.70", "3.70", true},  {"3.7", "3.70", true},
        {"3.705", "3.71", true}, {"3.8", "3.70", false},    {"29%", "0.29", true},   {"29%", "29", true},
        {"29%", "0.28", false},  {"11.4%", "0.11", true},   {"1,400", "1400", true}, {"5", "-5", false},
        {"x 5", "5", false},     {"5", "5 of them", false}, {"5", "", false},        {"5", "Monday", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t at = cases[i].text[0] == 'a' ? 3 : 0;
        bool got = tfc_number_matches(cases[i].text, strlen(cases[i].text), at, cases[i].result);
        if (got != cases[i].expected) fail_msg("%s, %s", cases[i].text, cases[i].result);
    }
}

static bool apply(int64_t a, char op, int64_t b, int64_t *out)
{
    *out = op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : b && a % b == 0 ? a / b : -1;
    return op != '/' || (b && a % b == 0);
}

/* Proposed for `text`'s last number, each evaluates to it. */
static void check_proposals(const char *text, int64_t value)
{
    const tfc_enumerate_params params = {.max_numbers = 12, .max_args = 100, .max_operands = 3};
    tfc_proposals proposals;
    size_t at = (size_t)(strrchr(text, ' ') - text);
    assert_true(tfc_calculator_enumerate(text, strlen(text), at, &params, &proposals, NULL));
    if (proposals.n_args == 0) fail_msg("'%s': nothing is proposed", text);
    for (size_t i = 0; i < proposals.n_args; i++) {
        char *result;
        assert_int_equal(tfc_calculator_eval(proposals.args[i], strlen(proposals.args[i]), &result, NULL),
                         TFC_OK);
        if (fabs(strtod(result, NULL) - (double)value) > 0.5)
            fail_msg("'%s': %s is %s", text, proposals.args[i], result);
        tfc_text_free(result);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(proposals.args[i], proposals.args[j]);
    }
    tfc_proposals_release(&proposals);
}

/* Whatever tree of three numbers makes a number, something is found for it, and all that is found is right.
 */
static void test_every_tree(void **state)
{
    (void)state;
    static const int64_t sets[][3] = {{7, 11, 13}, {2, 5, 12}, {24, 6, 3}, {100, 4, 9}};
    static const char ops[] = "+-*/";
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    int n = 0;
    for (size_t c = 0; c < 6 * 4 * 4 * 2 * sizeof sets / sizeof *sets; c++) {
        const int64_t *x = sets[c / 192];
        const int *o = orders[c % 6];
        int64_t half, value, a = x[o[0]], b = x[o[1]], d = x[o[2]];
        char inner = ops[c / 6 % 4], outer = ops[c / 24 % 4];
        if (!apply(a, inner, b, &half)) continue;
        if (!(c / 96 % 2 ? apply(d, outer, half, &value) : apply(half, outer, d, &value))) continue;
        if (value < 0 || value == x[0] || value == x[1] || value == x[2] || half == 0) continue;
        char text[96];
        snprintf(text, sizeof text, "%lld, %lld and %lld make %lld", (long long)x[0], (long long)x[1],
                 (long long)x[2], (long long)value);
        check_proposals(text, value);
        n++;
    }
    assert_true(n > 200);
}

static void test_window(void **state)
{
    (void)state;
    tfc_tool tool = {.heuristic = TFC_HEURISTIC_CALCULATOR};
    for (size_t between = 90; between < 105; between++) {
        char text[1024];
        size_t n = (size_t)sprintf(text, "24 18");
        for (size_t i = 0; i < between; i++) n += (size_t)sprintf(text + n, " word");
        n += (size_t)sprintf(text + n, " 42");
        assert_string_equal(wants(&tool, text, n), 2 + between < 100 ? "yes" : "rare");
    }
    tool.heuristic = TFC_HEURISTIC_CALENDAR;
    assert_false(tfc_tool_wants_text(&tool, "x", 1, NULL, 0));
    assert_false(tfc_tool_wants_text(&tool, "x", 1, "2023-02-30", 0));
    assert_true(tfc_tool_wants_text(&tool, "x", 1, "2023-01-30", 0.9));
}

/* Long runs of digits and points, and numbers without end, take no more than linear time. */
static void test_hostile_text(void **state)
{
    (void)state;
    static const char *patterns[] = {"1", "1.", "1,",     ".1",          "1,000", "$",
                                     "=", "7 ", "13 17 ", "average of ", "\xFF"};
    enum { MANY = 1 << 14 };
    char *text = malloc(MANY);
    assert_non_null(text);
    tfc_tool calculator = {.heuristic = TFC_HEURISTIC_CALCULATOR, .places = TFC_PLACES_NUMBERS};
    tfc_tool calendar = {.places = TFC_PLACES_DATES};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        for (size_t j = 0; j < MANY; j++) text[j] = patterns[i][j % strlen(patterns[i])];
        (void)wants(&calculator, text, MANY);
        for (size_t at = 0; at < MANY; at++) {
            (void)tfc_tool_place_allowed(&calculator, text, MANY, at);
            (void)tfc_tool_place_allowed(&calendar, text, MANY, at);
        }
        tfc_proposals proposals;
        const tfc_enumerate_params params = {32, 100, 3, true, true};
        (void)tfc_calculator_enumerate(text, MANY, MANY - 1, &params, &proposals, NULL);
        tfc_proposals_release(&proposals);
        (void)tfc_calculator_enumerate(text, MANY, MANY - 3, &params, &proposals, NULL);
        tfc_proposals_release(&proposals);
    }
    free(text);
}

static void test_registry(void **state)
{
    (void)state;
    tfc_error err;
    tfc_tools *tools = tfc_tools_create(NULL, &err);
    assert_non_null(tools);
    assert_true(tfc_tools_count(tools) >= 3); /* those that need nothing */
    const tfc_tool *calculator = tfc_tools_find(tools, "Calculator");
    assert_ptr_equal(calculator, tfc_tools_at(tools, 0));
    assert_string_equal(tfc_tool_name(tfc_tools_at(tools, 1)), "Calendar");
    assert_null(tfc_tools_find(tools, "calculator"));
    assert_string_equal(tfc_tool_name(tfc_tools_at(tools, 2)), "DateCalc");
    assert_null(tfc_tools_at(tools, tfc_tools_count(tools)));
    assert_true(strlen(tfc_tool_description(calculator)) > 10);
    assert_non_null(strstr(tfc_tool_manifest(calculator), "\"builtin:calculator\""));
    char *result;
    assert_int_equal(tfc_tool_call(calculator, "400 / 1400", NULL, &result, &err), TFC_OK);
    assert_string_equal(result, "0.29");
    tfc_text_free(result);
    assert_int_equal(tfc_tool_call(calculator, NULL, NULL, &result, &err), TFC_ENORESULT);
    assert_null(result);
    tfc_tools_free(tools);
    tools = tfc_tools_create(" Calendar , Calculator", &err);
    assert_int_equal(tfc_tools_count(tools), 2);
    assert_string_equal(tfc_tool_name(tfc_tools_at(tools, 0)), "Calendar");
    tfc_tools_free(tools);
    tools = tfc_tools_create("none", &err);
    assert_int_equal(tfc_tools_count(tools), 0);
    tfc_tools_free(tools);
    tfc_tools_free(NULL);
    assert_null(tfc_tools_create("Oracle", &err));
    assert_int_equal(err.status, TFC_ENOTFOUND);
    assert_non_null(strstr(err.message, "Calculator, Calendar"));
    assert_null(tfc_tools_create("Calendar,Calendar", &err));
    assert_int_equal(err.status, TFC_ECONFLICT);
    assert_null(tfc_tools_create("Calendar,", &err));
    assert_int_equal(err.status, TFC_EINVAL);
    assert_null(tfc_tools_create("", &err));
    assert_null(tfc_tools_create("/nowhere/tool.json", &err));
    assert_int_equal(err.status, TFC_ENOTFOUND);
    char many[4000];
    memset(many, ',', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    assert_null(tfc_tools_create(many, &err));
}

/* The paper's numbers (Appendix A), and what the recipes rely on. */
static void test_builtin_fields(void **state)
{
    (void)state;
    tfc_tools *tools = tfc_tools_create(NULL, NULL);
    const tfc_tool *a = tfc_tools_find(tools, "Calculator"), *b = tfc_tools_find(tools, "Calendar");
    assert_true(a->tau_s == 0.0 && a->tau_f == 0.5 && a->k == 20 && a->m == 10);
    assert_true(b->tau_s == 0.05 && b->tau_f == 1.0 && b->k == 5 && b->m == 5);
    assert_int_equal(a->args_form, TFC_ARGS_EXPRESSION);
    assert_int_equal(b->args_form, TFC_ARGS_NONE);
    assert_int_equal(a->places, TFC_PLACES_NUMBERS);
    assert_int_equal(b->places, TFC_PLACES_DATES);
    assert_int_equal(a->heuristic, TFC_HEURISTIC_CALCULATOR);
    assert_int_equal(b->heuristic, TFC_HEURISTIC_CALENDAR);
    assert_true(a->enumerates && !b->enumerates);
    assert_true(a->n_demonstrations == 5 && b->n_demonstrations == 5 && a->n_head == 6 && b->n_head == 12);
    tfc_tools_free(tools);
}

/* Each call of the built-in heads stands where its tool's places allow it, and its result is what follows. */
static void check_head(const tfc_tool *tool, const tfc_demonstration *list, size_t n_list, bool places)
{
    for (size_t i = 0; i < n_list; i++) {
        const char *output = list[i].output;
        size_t n = strlen(output), removed = 0;
        if (list[i].results) continue; /* its tool need not be here */
        tfc_call_span span;
        const char *names[] = {tool->name, "Calendar"};
        for (size_t at = 0; tfc_calls_scan(output, n, at, names, 2, &span); at = span.end) {
            if (strncmp(output + span.name, tool->name, span.name_end - span.name) !=
                0) { /* what a chain begins with */
                removed += span.end - span.begin;
                continue;
            }
            tfc_tool_context context = {.date = list[i].date};
            char args[128], *result;
            snprintf(args, sizeof args, "%.*s", (int)(span.args_end - span.args), output + span.args);
            assert_int_equal(tfc_tool_call(tool, args, &context, &result, NULL), TFC_OK);
            size_t place = span.begin - removed;
            if (places && !tfc_tool_place_allowed(tool, list[i].input, strlen(list[i].input), place))
                fail_msg("'%s' at %zu", list[i].input, place);
            removed += span.end - span.begin;
            /* The number that follows, without thousands commas; the Calendar names the word that follows. */
            char follows[64] = "";
            for (size_t j = span.end + 1, m = 0; output[j] && m < 60; j++) {
                if (output[j] == ',' && output[j + 1] >= '0' && output[j + 1] <= '9') continue;
                if (!strchr(".0123456789", output[j]) && !(output[j] >= 'A')) break;
                if (output[j] == '.' && !(output[j + 1] >= '0' && output[j + 1] <= '9')) break;
                follows[m++] = output[j];
            }
            bool calculator = tool->args_form == TFC_ARGS_EXPRESSION;
            if (calculator ? strcmp(result, follows) != 0 : places && !strstr(result, follows))
                fail_msg("'%s' before '%s'", result, follows);
            tfc_text_free(result);
        }
        assert_true(removed > 0);
    }
}

static void test_demonstrations(void **state)
{
    (void)state;
    tfc_tools *tools = tfc_tools_create(NULL, NULL);
    for (size_t i = 0; i < tfc_tools_count(tools); i++) {
        const tfc_tool *tool = tfc_tools_at(tools, i);
        check_head(tool, tool->head, tool->n_head, true);
        check_head(tool, tool->demonstrations, tool->n_demonstrations, false);
    }
    tfc_tools_free(tools);
}

static void test_prompt_and_head(void **state)
{
    (void)state;
    tfc_error err;
    tfc_tools *tools = tfc_tools_create(NULL, &err);
    const tfc_tool *calculator = tfc_tools_find(tools, "Calculator"),
                   *calendar = tfc_tools_find(tools, "Calendar");
    char *prompt = tfc_tool_prompt(calculator, NULL, "Two and 3 are 5.", 16, &err);
    assert_int_equal(
        strncmp(prompt, "Your task is to add calls to a Calculator API to a piece of text. ", 66), 0);
    assert_non_null(strstr(prompt, " Here are some examples of API calls:\n\nInput: A box"));
    assert_non_null(
        strstr(prompt, "so 24 x 15 = [Calculator(24 * 15)] 360 pencils arrived.\n\nInput: The town"));
    const char *end = "\n\nInput: Two and 3 are 5.\nOutput:";
    assert_string_equal(prompt + strlen(prompt) - strlen(end), end);
    tfc_text_free(prompt);
    char *head = tfc_tool_head(calculator, NULL, &err);
    assert_non_null(strstr(
        head, "so they paid [Calculator(24 + 18) -> 42] 42 euros. That is [Calculator(42 / 2) -> 21]"));
    assert_non_null(strstr(head, "The answer is [Calculator(12 * 4) -> 48] 48.\n\nThe recipe"));
    assert_string_equal(head + strlen(head) - 6, "] 8.\n\n");
    tfc_text_free(head);
    head = tfc_tool_head(calendar, NULL, &err);
    assert_int_equal(
        strncmp(head,
                "Dear diary, today is [Calendar() -> Today is Monday, January 30, 2023.] Monday, "
                "January 30, 2023, and",
                101),
        0);
    tfc_text_free(head);
    /* Want of memory anywhere is an error, not a crash. */
    for (int at = 1; at < 200; at++) {
        tfc_memory_fail_at(at);
        head = tfc_tool_head(calculator, NULL, &err);
        tfc_memory_fail_at(0);
        if (head) {
            tfc_text_free(head);
            assert_true(at > 20);
            break;
        }
        assert_int_equal(err.status, TFC_ENOMEM);
    }
    tfc_tools_free(tools);
}

/* Copies the good manifest with `from` replaced by `to`. */
static char *edited(const char *good, const char *from, const char *to)
{
    const char *at = strstr(good, from);
    if (!at) fail_msg("the manifest lacks '%s'", from);
    char *text = malloc(strlen(good) + strlen(to) + 1);
    sprintf(text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    return text;
}

static void test_bad_manifests(void **state)
{
    (void)state;
    static const char good[] = "{\"name\": \"Sums\", \"description\": \"d\", \"instruction\": \"i\", "
                               "\"args\": {\"form\": \"expression\"},"
                               " \"demonstrations\": [{\"input\": \"1 and 2 are 3.\", \"output\": \"1 and 2 "
                               "are [Sums(1 + 2)] 3.\"}],"
                               " \"backend\": \"builtin:calculator\"}";
    static const struct {
        const char *from, *to, *reason;
    } cases[] = {
        {"\"name\": \"Sums\", ", "", "x.json: missing name"},
        {"\"Sums\"", "7", "x.json: name: string expected"},
        {"\"Sums\"", "\"\"", "name is empty"},
        {"\"Sums\"", "\"a b\"", "'a b' is no name"},
        {"\"Sums\"", "\"9a\"", "'9a' is no name"},
        {"\"Sums\"", "\"a\\u0000\"", "name holds a NUL"},
        {"\"description\": \"d\", ", "", "missing description"},
        {"\"instruction\": \"i\", ", "", "missing instruction"},
        {"\"args\": {\"form\": \"expression\"},", "", "missing args"},
        {"{\"form\": \"expression\"}", "\"expression\"", "args: object expected"},
        {"\"form\": \"expression\"", "", "args: missing form"},
        {"\"expression\"", "\"sum\"", "args: form: one of none, expression, text, dates expected, not 'sum'"},
        {"\"expression\"", "\"expression\", \"x\": 1", "args: unknown field 'x'"},
        {"\"expression\"", "\"none\"",
         "demonstrations[0]: output: the arguments of ' [Sums(1 + 2)]' are not of"},
        {"\"backend\": \"builtin:calculator\"", "\"tau_s\": 1", "missing backend"},
        {"builtin:calculator", "command:bc", "backend 'command:bc' is not supported"},
        {"\"backend\"", "\"tau\": 1, \"backend\"", "unknown field 'tau'"},
        {"\"backend\"", "\"tau_s\": 1.5, \"backend\"", "tau_s must be between 0 and 1, not 1.5"},
        {"\"backend\"", "\"tau_f\": \"1\", \"backend\"", "tau_f: number expected"},
        {"\"backend\"", "\"tau_f\": -1, \"backend\"", "tau_f must be between"},
        {"\"backend\"", "\"k\": 0, \"backend\"", "k must be positive"},
        {"\"backend\"", "\"k\": 2.5, \"backend\"", "k: integer expected"},
        {"\"backend\"", "\"m\": 99999, \"backend\"", "m must be between"},
        {"\"backend\"", "\"max_result_bytes\": 0, \"backend\"", "max_result_bytes must be positive"},
        {"\"backend\"", "\"heuristic\": \"x\", \"backend\"", "heuristic: one of none, calculator, calendar"},
        {"\"backend\"", "\"places\": 1, \"backend\"", "places: string expected"},
        {"\"backend\"", "\"enumerate\": 1, \"backend\"", "enumerate: true or false expected"},
        {"\"builtin:calculator\"", "\"builtin:calendar\", \"enumerate\": true", "proposes no arguments"},
        {"\"backend\"", "\"head\": [], \"backend\"", "head is empty"},
        {"\"backend\"", "\"head\": [{\"input\": \"x\", \"output\": \"x\"}], \"backend\"",
         "head[0]: output holds no call"},
        {"[{", "[7, {", "demonstrations[0]: object expected"},
        {"\"input\": \"1 and 2 are 3.\", ", "", "demonstrations[0]: missing input"},
        {"\"output\"", "\"date\": \"2023-02-30\", \"output\"",
         "demonstrations[0]: date: '2023-02-30' is no date"},
        {"\"output\"", "\"result\": \"3\", \"output\"", "demonstrations[0]: unknown field 'result'"},
        {"] 3.", "] 4.", "demonstrations[0]: output without its calls is not the input"},
        {"are [Sums(1 + 2)] 3", "[Sums(1] are [Sums(1 + 2)] 3", "does not parse"},
        {"(1 + 2)]", "(1 + 2) -> 3]", "demonstrations[0]: output: ' [Sums(1 + 2) -> 3]' holds a result"},
        {"(1 + 2)", "(1 +)", "are not of the tool's form"},
        {"[Sums(", "[Other(", "demonstrations[0]: output holds no call of the form [Sums(…)]"},
        {"\"description\"", "\"name\": \"b\", \"description\"", "duplicate key 'name'"},
        {good, "[]", "x.json: object expected"},
        {good, "", "x.json: invalid JSON"},
    };
    tfc_arena arena = {0};
    tfc_tool tool;
    tfc_error err;
    assert_int_equal(tfc_manifest_read(good, strlen(good), "x.json", NULL, &arena, &tool, &err), TFC_OK);
    assert_true(tool.tau_s == 0.05 && tool.tau_f == 1.0 && tool.k == 5 && tool.m == 5 && tool.n_head == 0);
    assert_string_equal(tool.manifest_text, good);
    char *head = tfc_tool_head(&tool, NULL, &err); /* falls back to the demonstrations */
    assert_string_equal(head, "1 and 2 are [Sums(1 + 2) -> 3] 3.\n\n");
    tfc_text_free(head);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = edited(good, cases[i].from, cases[i].to);
        tfc_error_init(&err);
        if (tfc_manifest_read(text, strlen(text), "x.json", NULL, &arena, &tool, &err) == TFC_OK)
            fail_msg("accepted: %s", text);
        if (!strstr(err.message, cases[i].reason)) fail_msg("'%s' lacks '%s'", err.message, cases[i].reason);
        assert_int_not_equal(tfc_manifest_read(text, strlen(text), "x.json", NULL, &arena, &tool, NULL),
                             TFC_OK);
        free(text);
    }
    /* Every allocation fails once. json-c has its own. */
    for (int at = 1; at < 100; at++) {
        tfc_memory_fail_at(at);
        tfc_status status = tfc_manifest_read(good, strlen(good), "x.json", NULL, &arena, &tool, &err);
        tfc_memory_fail_at(0);
        if (status == TFC_OK) {
            tfc_tool_close(&tool);
            break;
        }
        assert_int_equal(status, TFC_ENOMEM);
    }
    tfc_arena_release(&arena);
}

/* Every allocation of the registry and of the proposals fails once. */
static void test_memory_fails(void **state)
{
    (void)state;
    tfc_error err;
    tfc_tools *tools = NULL;
    for (int at = 1; !tools && at < 1000; at++) {
        tfc_memory_fail_at(at);
        tools = tfc_tools_create("all", &err);
        tfc_memory_fail_at(0);
        assert_true(tools || err.status == TFC_ENOMEM);
    }
    assert_true(tfc_tools_count(tools) >= 3); /* those that need nothing */
    tfc_tools_free(tools);
    const char *text = "2 by 2 is 4";
    const tfc_enumerate_params params = {12, 8, 2, true, true};
    bool found = false;
    for (int at = 1; !found && at < 100; at++) {
        tfc_proposals proposals;
        tfc_error_init(&err);
        tfc_memory_fail_at(at);
        found = tfc_calculator_enumerate(text, strlen(text), 9, &params, &proposals, &err);
        tfc_memory_fail_at(0);
        assert_int_equal(err.status, found ? TFC_OK : TFC_ENOMEM);
        assert_int_equal(proposals.n_args, found ? 2 : 0);
        tfc_proposals_release(&proposals);
    }
    assert_true(found);
}

/* A manifest of a user's own, by path. */
static void test_manifest_file(void **state)
{
    (void)state;
    char folder[] = "/tmp/tfc-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *path = tfc_path_join(folder, "sums.json");
    tfc_tools *tools = tfc_tools_create("Calculator", NULL);
    tfc_error err;
    char *text = edited(tfc_tool_manifest(tfc_tools_at(tools, 0)), "\"Calculator\"", "\"Calculator\"");
    assert_int_equal(tfc_file_write_whole(path, text, strlen(text), &err), TFC_OK);
    tfc_tools_free(tools);
    tools = tfc_tools_create(path, &err);
    assert_non_null(tools);
    char *result;
    assert_int_equal(tfc_tool_call(tfc_tools_at(tools, 0), "2-3-4", NULL, &result, &err), TFC_OK);
    assert_string_equal(result, "-5");
    tfc_text_free(result);
    tfc_tools_free(tools);
    char list[256];
    snprintf(list, sizeof list, "Calculator,%s", path);
    assert_null(tfc_tools_create(list, &err));
    assert_int_equal(err.status, TFC_ECONFLICT);
    free(text);
    remove(path);
    remove(folder);
    tfc_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),           cmocka_unit_test(test_every_tree),
        cmocka_unit_test(test_number_matches),  cmocka_unit_test(test_window),
        cmocka_unit_test(test_hostile_text),    cmocka_unit_test(test_registry),
        cmocka_unit_test(test_builtin_fields),  cmocka_unit_test(test_demonstrations),
        cmocka_unit_test(test_prompt_and_head), cmocka_unit_test(test_bad_manifests),
        cmocka_unit_test(test_manifest_file),   cmocka_unit_test(test_memory_fails),
    };
    return cmocka_run_group_tests_name("tools", tests, NULL, NULL);
}
