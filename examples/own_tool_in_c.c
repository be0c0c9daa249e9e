/* A tool of your own as a C function: Roman numerals.
 *
 *     cc -Iinclude examples/own_tool_in_c.c build/libtoolformer.a $(pkg-config --libs json-c libpcre2-8
 * sqlite3 \ libutf8proc zlib) -lpthread -lm -o own_tool
 *     ./own_tool 1987                       calls the tool
 *     ./own_tool 1987 MODEL 'The year 1987 in Roman numerals is'    a model may call it while it writes
 *
 * MODEL is a path, or a name as `toolformer --model` takes it. To teach a model the tool, annotate and train
 * with the same manifest; here the default model sees it for the first time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toolformer/decode.h"

static const char manifest[] =
    "{\"name\": \"Roman\", \"description\": \"A whole number in Roman numerals.\", \"version\": \"1\","
    " \"instruction\": \"Your task is to add calls to a Roman API, which writes a number in Roman "
    "numerals.\","
    " \"args\": {\"form\": \"text\", \"schema\": {\"type\": \"object\", \"properties\": {\"number\":"
    " {\"type\": \"integer\", \"minimum\": 1, \"maximum\": 3999}}, \"required\": [\"number\"]}},"
    " \"demonstrations\": [{\"input\": \"Built in 1912, that is MCMXII.\","
    " \"output\": \"Built in 1912, that is [Roman(1912)] MCMXII.\"}],"
    " \"backend\": \"function\"}";

/* May run in several threads at once: it keeps nothing. The manifest's schema has been checked before, so the
 * text is one whole number from 1 to 3999. `context` is whatever was registered. */
static tfc_status roman(void *context, const tfc_tool_request *request, char **text)
{
    static const struct {
        int value;
        const char *letters;
    } parts[] = {{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"},
                 {40, "XL"},  {10, "X"},   {9, "IX"},  {5, "V"},    {4, "IV"},  {1, "I"}};
    (void)context;
    int number = 0;
    if (sscanf(request->args_json, "{\"number\":%d", &number) != 1) return TFC_EFORMAT;
    char letters[40] = "";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (; number >= parts[i].value; number -= parts[i].value) strcat(letters, parts[i].letters);
    *text = malloc(strlen(letters) + 1); /* the library frees it */
    if (!*text) return TFC_ENOMEM;
    strcpy(*text, letters);
    return TFC_OK;
}

static tfc_status write_with(const tfc_tools *tools, const char *name, const char *prompt, tfc_error *err)
{
    char *path = NULL;
    tfc_status status = tfc_model_locate(name, &path, err);
    tfc_model *model = status == TFC_OK ? tfc_model_open(path, NULL, err) : NULL;
    tfc_session *session = model ? tfc_session_create(model, NULL, err) : NULL;
    if (status == TFC_OK && !session) status = err->status;
    tfc_generate_params params = tfc_generate_params_default();
    params.tools = tools;
    params.max_tokens = 40;
    tfc_generate_result result;
    if (status == TFC_OK) status = tfc_generate(session, &prompt, 1, &params, &result, err);
    if (status == TFC_OK) {
        printf("%s%s\n", prompt, result.text);
        tfc_generate_release(&result);
    }
    tfc_session_free(session);
    tfc_model_free(model);
    tfc_text_free(path);
    return status;
}

int main(int argc, char **argv)
{
    tfc_error err;
    tfc_error_init(&err);
    if (argc != 2 && argc != 4) return fprintf(stderr, "usage: own_tool NUMBER [MODEL PROMPT]\n"), 2;
    tfc_tools *tools = tfc_tools_create("none", &err);
    tfc_status status = tools ? tfc_tools_add_function(tools, manifest, roman, NULL, &err) : err.status;
    char *result = NULL;
    if (status == TFC_OK)
        status = tfc_tool_call(tfc_tools_find(tools, "Roman"), argv[1], NULL, &result, &err);
    if (status == TFC_OK) printf("%s\n", result);
    tfc_text_free(result);
    if (status == TFC_OK && argc == 4) status = write_with(tools, argv[2], argv[3], &err);
    if (status != TFC_OK) fprintf(stderr, "own_tool: %s\n", err.message);
    tfc_tools_free(tools);
    return status == TFC_OK ? 0 : 1;
}
