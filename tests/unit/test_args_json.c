/* A call's text ↔ its arguments; schemas that are refused. */
#include "cases.h"

#include "base/json.h"
#include "tools/args_json.h"

static const char none[] = "{\"type\": \"object\", \"properties\": {}}";
static const char text[] = "{\"type\": \"object\", \"properties\": {\"query\": {\"type\": \"string\"}}, "
                           "\"required\": [\"query\"]}";
static const char whole[] = "{\"type\": \"object\", \"properties\": {\"n\": {\"type\": \"integer\", "
                            "\"exclusiveMinimum\": -6, \"maximum\": 12345678}}}";
static const char many[] =
    "{\"type\": \"object\", \"$schema\": \"x\", \"properties\": {\"to\": {\"type\": \"string\", "
    "\"minLength\": 1, \"maxLength\": 20}, \"exact\": {\"anyOf\": [{\"type\": \"boolean\"}, {\"type\": "
    "\"null\"}], \"default\": false}, \"value\": {\"type\": \"number\"}, \"from\": {\"enum\": "
    "[\"cups\", \"ml\", null], \"type\": [\"string\", \"null\"], \"default\": \"cups\", \"description\": "
    "\"d\"}}, "
    "\"required\": [\"to\", \"value\"]}";
static const char order[] = "[\"value\", \"from\", \"to\", \"exact\"]";

static tfc_arena arena;

static tfc_status read_schema(const char *schema, const char *names, const tfc_args_schema **out,
                              tfc_error *err)
{
    tfc_json *json = tfc_json_parse(schema, strlen(schema), "schema", err), *list = NULL;
    if (names) list = tfc_json_parse(names, strlen(names), "order", err);
    assert_true(json && (list || !names));
    tfc_status status = tfc_args_schema_read(json, list, &arena, out, err);
    json_object_put(json);
    json_object_put(list);
    return status;
}

static tfc_tool make_tool(const char *name, size_t n)
{
    tfc_tool tool = {.name = "T"};
    const char *schema = !strncmp(name, "none", n)    ? none
                         : !strncmp(name, "text", n)  ? text
                         : !strncmp(name, "whole", n) ? whole
                         : !strncmp(name, "many", n)  ? many
                                                      : NULL;
    tfc_error err;
    if (schema && read_schema(schema, schema == many ? order : NULL, &tool.schema, &err) != TFC_OK)
        fail_msg("%s", err.message);
    return tool;
}

static void run_case(const test_case *c)
{
    const char *blank = strchr(c->input, ' ');
    assert_non_null(blank);
    tfc_tool tool = make_tool(c->input, (size_t)(blank - c->input));
    tfc_json *json;
    tfc_error err;
    tfc_error_init(&err);
    tfc_status status = tfc_args_to_json(&tool, blank + 1, &json, &err);
    if (c->expected[0] == '!') {
        if (status != TFC_ENORESULT || !strstr(err.message, c->expected + 1))
            fail_msg("line %d: %d '%s'", c->line, status, status == TFC_OK ? "" : err.message);
        assert_int_equal(tfc_args_to_json(&tool, blank + 1, &json, NULL), TFC_ENORESULT);
        return;
    }
    if (status != TFC_OK) fail_msg("line %d: %s", c->line, err.message);
    const char *printed =
        json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (strcmp(printed, c->expected) != 0) fail_msg("line %d: %s", c->line, printed);
    /* and back, to a text that says the same */
    char *args;
    tfc_json *again;
    status = tfc_args_from_json(&tool, json, &args, &err);
    if (status != TFC_OK) fail_msg("line %d: %s", c->line, err.message);
    assert_int_equal(tfc_args_to_json(&tool, args, &again, &err), TFC_OK);
    if (!json_object_equal(json, again)) fail_msg("line %d: back as '%s'", c->line, args);
    assert_true(tfc_call_args_valid(args, strlen(args)));
    tfc_free(args);
    json_object_put(again);
    json_object_put(json);
}

static void test_cases(void **state)
{
    (void)state;
    cases_run("args_json.txt", run_case);
    tfc_arena_release(&arena);
}

static char *printed(const tfc_tool *tool, const char *object, tfc_error *err)
{
    tfc_json *json = tfc_json_parse(object, strlen(object), "object", err);
    assert_non_null(json);
    char *args;
    if (tfc_args_from_json(tool, json, &args, err) != TFC_OK) args = NULL;
    json_object_put(json);
    return args;
}

static void test_from_json(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *object, *text; /* text NULL: refused */
    } cases[] = {
        {"none", "{}", ""},
        {"text", "{\"query\":\"a, b\"}", "a, b"},
        {"text", "{\"query\":\" a\"}", "\" a\""},
        {"text", "{\"query\":\"a) b\"}", "\"a) b\""},
        {"text", "{\"query\":\"a [b]\"}", NULL},
        {"text", "{\"query\":\"a\\nb\"}", NULL},
        {"text", "{\"query\":\"5\\\" long\"}", NULL},
        {"text", "{}", NULL},
        {"text", "{\"query\":\"a\",\"other\":1}", NULL},
        {"text", "{\"query\":7}", NULL},
        {"many", "{\"value\":1.5,\"from\":\"ml\",\"to\":\"x\",\"exact\":true}", "1.5, ml, x, true"},
        {"many", "{\"value\":1.5,\"to\":\"x\"}", "1.5, to=x"},
        {"many", "{\"value\":1,\"from\":null,\"to\":\"a, b\"}", "1, to=\"a, b\""},
        {"many", "{\"value\":1,\"from\":\"ml\",\"to\":\"from: x\"}", "1, ml, \"from: x\""},
        {"many", "{\"value\":1,\"from\":\"pints\",\"to\":\"x\"}", NULL},
        {"bare", "\"2 + 3\"", "2 + 3"},
        {"bare", "\"2 + (3\"", NULL},
        {"bare", "{}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tfc_tool tool = make_tool(cases[i].schema, strlen(cases[i].schema));
        tfc_error err;
        tfc_error_init(&err);
        char *args = printed(&tool, cases[i].object, &err);
        if (!args != !cases[i].text) fail_msg("%zu: %s", i, args ? args : err.message);
        if (args) assert_string_equal(args, cases[i].text);
        if (!args) assert_int_equal(err.status, TFC_EFORMAT);
        tfc_free(args);
    }
    tfc_arena_release(&arena);
}

static void test_bad_schemas(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *order, *reason;
    } cases[] = {
        {"{}", NULL, "missing type"},
        {"{\"type\":\"array\"}", NULL, "type must be object, not 'array'"},
        {"{\"type\":\"object\",\"oneOf\":[]}", NULL, "unknown field 'oneOf'"},
        {"{\"type\":\"object\",\"properties\":[]}", NULL, "properties: object expected"},
        {"{\"type\":\"object\",\"properties\":{\"a\":1}}", NULL, "properties: a: object expected"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{}}}", NULL, "properties: a: missing type"},
        {"{\"type\":\"object\",\"properties\":{\"a b\":{\"type\":\"string\"}}}", NULL, "'a b' cannot name"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\"}}}", NULL,
         "a: type 'array' has no text form"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}}}", NULL, "null alone"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"string\",\"number\"]}}}", NULL,
         "type: one expected"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[1]}}}", NULL, "type: strings expected"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[]}}}", NULL, "anyOf: one type beside null"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[1]}}}", NULL, "anyOf: objects with a type"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"x\"}}}", NULL,
         "unknown field 'pattern'"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"minimum\":1}}}", NULL,
         "unknown field 'minimum'"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"enum\":[]}}}", NULL,
         "enum is empty"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"enum\":[1]}}}", NULL,
         "enum[0]: string expected"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"default\":1.5}}}", NULL,
         "default: integer expected"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"number\",\"minimum\":2,\"maximum\":1}}}",
         NULL, "no value lies between 2 and 1"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"b\"]}", NULL,
         "required[0]: 'b' is no property"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}", "[]",
         "order names 0 arguments"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}", "[\"b\"]",
         "order[0]: 'b' is no property"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":\"string\"}}}",
         "[\"a\",\"a\"]", "order[1]: 'a' stands there twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tfc_args_schema *schema;
        tfc_error err;
        tfc_error_init(&err);
        if (read_schema(cases[i].schema, cases[i].order, &schema, &err) == TFC_OK)
            fail_msg("accepted: %s", cases[i].schema);
        if (!strstr(err.message, cases[i].reason)) fail_msg("'%s' lacks '%s'", err.message, cases[i].reason);
    }
    tfc_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_from_json),
        cmocka_unit_test(test_bad_schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
