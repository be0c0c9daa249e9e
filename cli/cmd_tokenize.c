/* tokenize, detokenize: text on stdin to token ids, and back. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "input.h"
#include "open_model.h"
#include "output.h"

static int print_ids(const tfc_tokenizer *tokenizer, const int32_t *ids, int64_t n, bool json, bool pieces)
{
    cli_json line;
    if (!json) {
        for (int64_t i = 0; i < n && !pieces; i++) cli_printf(i ? " %d" : "%d", ids[i]);
        for (int64_t i = 0; i < n && pieces; i++) {
            size_t n_text = 0;
            const char *text = tfc_token_text(tokenizer, ids[i], &n_text);
            cli_printf("%d\t", ids[i]);
            cli_write(text, n_text);
            cli_puts("\n");
        }
        if (!pieces) cli_puts("\n");
        return CLI_OK;
    }
    if (!cli_json_init(&line)) return CLI_FAILURE;
    cli_json_begin(&line, NULL, '{');
    cli_json_begin(&line, "ids", '[');
    for (int64_t i = 0; i < n; i++) cli_json_int(&line, NULL, ids[i]);
    cli_json_end(&line, ']');
    cli_json_int(&line, "n_tokens", n);
    for (int64_t i = 0; i < n && pieces; i++) {
        if (i == 0) cli_json_begin(&line, "pieces", '[');
        size_t n_text = 0;
        const char *text = tfc_token_text(tokenizer, ids[i], &n_text);
        cli_json_bytes(&line, NULL, text, n_text);
        if (i == n - 1) cli_json_end(&line, ']');
    }
    cli_json_end(&line, '}');
    return cli_json_print(&line) ? CLI_OK : CLI_FAILURE;
}

int cmd_tokenize(int argc, char **argv)
{
    cli_common common = {0};
    bool no_special = false, bos = false, pieces = false;
    const cli_option options[] = {
        {"no-special", CLI_FLAG, &no_special, NULL, "special tokens written in the text are plain text", 0,
         0},
        {"bos", CLI_FLAG, &bos, NULL, "with the beginning-of-text token where the tokenizer adds one", 0, 0},
        {"pieces", CLI_FLAG, &pieces, NULL, "each token with its text", 0, 0},
    };
    const cli_usage usage = {.command = "tokenize",
                             .synopsis = "[options] < TEXT",
                             .text = "Turns the text on stdin into the token ids of the model.",
                             .example = "printf 'Hello world' | toolformer tokenize --json",
                             .options = options,
                             .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;

    tfc_error err;
    tfc_error_init(&err);
    int32_t *ids = NULL;
    int64_t n_ids = 0;
    size_t n_text = 0;
    exit_code = CLI_FAILURE;
    char *text = cli_read_text(NULL, &n_text, false);
    tfc_model *model = text ? cli_open_model(&common) : NULL;
    if (!model) goto cleanup;
    const tfc_tokenizer *tokenizer = tfc_model_tokenizer(model);
    unsigned flags = (no_special ? 0 : TFC_TOKENIZE_SPECIAL) | (bos ? TFC_TOKENIZE_ADD_BOS : 0);
    if (tfc_tokenize(tokenizer, text, n_text, flags, &ids, &n_ids, &err) != TFC_OK)
        exit_code = cli_fail_error(&err);
    else
        exit_code = print_ids(tokenizer, ids, n_ids, common.json, pieces);
cleanup:
    tfc_ids_free(ids);
    tfc_model_free(model);
    free(text);
    return cli_finish(cli_interrupted() ? CLI_INTERRUPTED : exit_code);
}

/* Whole numbers in a text, anything but digits between them: `1 2 3`, `[1, 2, 3]`, `{"ids":[1,2,3]}`. False
 * after a message. */
static bool read_ids(const char *text, size_t n, int32_t n_tokens, int32_t **ids, int64_t *n_ids)
{
    int32_t *out = malloc((n / 2 + 1) * sizeof *out);
    if (!out) return cli_fail("out of memory"), false;
    /* Numbers of other fields ("n_tokens") are no ids. */
    const char *array = strchr(text, '['), *end = array ? strchr(array, ']') : NULL;
    const char *s = array ? array : text, *stop = end ? end : text + n;
    *n_ids = 0;
    while (s < stop) {
        if (*s == '-' || (*s < '0' || *s > '9')) {
            bool separator = *s == ' ' || *s == ',' || *s == '\n' || *s == '\t' || *s == '\r' || *s == '[';
            if (separator) {
                s++;
                continue;
            }
            cli_fail("stdin: byte %td is no token id", s - text);
            free(out);
            return false;
        }
        char *after;
        long long value = strtoll(s, &after, 10);
        if (value >= n_tokens) {
            cli_fail("stdin: id %lld at byte %td is outside the vocabulary of %d tokens", value, s - text,
                     n_tokens);
            free(out);
            return false;
        }
        out[(*n_ids)++] = (int32_t)value;
        s = after;
    }
    *ids = out;
    return true;
}

int cmd_detokenize(int argc, char **argv)
{
    cli_common common = {0};
    bool no_special = false;
    const cli_option options[] = {
        {"no-special", CLI_FLAG, &no_special, NULL, "leave special tokens out", 0, 0},
    };
    const cli_usage usage = {.command = "detokenize",
                             .synopsis = "[options] < IDS",
                             .text =
                                 "Turns token ids on stdin (`1 2 3`, or what `tokenize --json` prints) back "
                                 "into\ntheir text. With --json: {\"text\"}.",
                             .example = "printf 'Hello world' | toolformer tokenize | toolformer detokenize",
                             .options = options,
                             .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;

    tfc_error err;
    tfc_error_init(&err);
    int32_t *ids = NULL;
    int64_t n_ids = 0;
    size_t n_input = 0, n_text = 0;
    char *text = NULL;
    exit_code = CLI_FAILURE;
    char *input = cli_read_text(NULL, &n_input, false);
    tfc_model *model = input ? cli_open_model(&common) : NULL;
    if (!model) goto cleanup;
    const tfc_tokenizer *tokenizer = tfc_model_tokenizer(model);
    if (!read_ids(input, n_input, tfc_tokenizer_n_tokens(tokenizer), &ids, &n_ids)) goto cleanup;
    if (tfc_detokenize(tokenizer, ids, n_ids, !no_special, &text, &n_text, &err) != TFC_OK) {
        exit_code = cli_fail_error(&err);
        goto cleanup;
    }
    exit_code = CLI_OK;
    cli_json line;
    if (!common.json)
        cli_write(text, n_text);
    else if (cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_bytes(&line, "text", text, n_text);
        cli_json_end(&line, '}');
        if (!cli_json_print(&line)) exit_code = CLI_FAILURE;
    }
cleanup:
    tfc_text_free(text);
    free(ids);
    tfc_model_free(model);
    free(input);
    return cli_finish(cli_interrupted() ? CLI_INTERRUPTED : exit_code);
}
