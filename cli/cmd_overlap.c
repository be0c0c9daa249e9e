/* overlap: rows of an evaluation that stand in training texts. */
#include "commands.h"
#include "options.h"
#include "output.h"
#include "toolformer/corpus.h"
#include "toolformer/overlap.h"

typedef struct search {
    bool json;
    const char *text_id;
} search;

static void on_hit(void *context, const char *task, const char *row)
{
    const search *s = context;
    if (!s->json) {
        cli_printf("%s: %s %s\n", s->text_id, task, row);
        return;
    }
    cli_json line;
    if (!cli_json_init(&line)) return;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "text", s->text_id);
    cli_json_text(&line, "task", task);
    cli_json_text(&line, "row", row);
    cli_json_end(&line, '}');
    cli_json_print(&line);
}

static int print_counts(int64_t n_texts, int64_t n_hit, int64_t n_rows, int64_t n_rows_hit, bool json)
{
    cli_json line;
    if (!json) {
        cli_printf("%lld of %lld texts hold %lld of %lld rows\n", (long long)n_hit, (long long)n_texts,
                   (long long)n_rows_hit, (long long)n_rows);
        return CLI_OK;
    }
    if (!cli_json_init(&line)) return CLI_FAILURE;
    cli_json_begin(&line, NULL, '{');
    cli_json_int(&line, "texts", n_texts);
    cli_json_int(&line, "texts_overlap", n_hit);
    cli_json_int(&line, "rows", n_rows);
    cli_json_int(&line, "rows_overlap", n_rows_hit);
    cli_json_end(&line, '}');
    return cli_json_print(&line) ? CLI_OK : CLI_FAILURE;
}

static int find_overlap(const cli_common *common, const cli_list *files, const char *task, const char *data)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_monitor monitor = cli_monitor(common->quiet);
    tfc_corpus_params params = tfc_corpus_params_default();
    params.files = files->items;
    params.n_files = files->n;
    params.max_tokens = 0;
    int64_t n_rows, n_hit = 0;
    bool failed = false;
    int exit_code = CLI_FAILURE;
    tfc_corpus *corpus = NULL;
    tfc_overlap *overlap = tfc_overlap_create(&err);
    tfc_status status =
        overlap ? tfc_overlap_add_file(overlap, task, task, data, common->seed, &n_rows, &err) : err.status;
    if (status == TFC_OK) corpus = tfc_corpus_open(&params, NULL, &monitor, &err);
    cli_progress_end();
    if (!corpus) {
        exit_code = cli_fail_error(&err);
    } else {
        search s = {.json = common->json};
        for (int64_t i = 0; i < tfc_corpus_n_snippets(corpus) && !failed && !cli_interrupted(); i++) {
            const tfc_snippet *text = tfc_corpus_snippet(corpus, i);
            s.text_id = text->id;
            n_hit += tfc_overlap_check(overlap, text->text, on_hit, &s, &failed);
        }
        exit_code = failed              ? cli_fail("out of memory")
                    : cli_interrupted() ? CLI_INTERRUPTED
                                        : print_counts(tfc_corpus_n_snippets(corpus), n_hit, n_rows,
                                                       tfc_overlap_n_rows_hit(overlap, NULL), common->json);
    }
    tfc_corpus_free(corpus);
    tfc_overlap_free(overlap);
    return exit_code;
}

int cmd_overlap(int argc, char **argv)
{
    cli_common common = {0};
    cli_list corpus = {0};
    const char *task = "prompts", *data = NULL;
    const cli_option options[] = {
        {"corpus", CLI_LIST, &corpus, "FILE...",
         "JSON lines with \"text\" (.jsonl, .jsonl.gz), or plain texts", 0, 0},
        {"task", CLI_TEXT, &task, "NAME", "as for eval (default prompts)", 0, 0},
        {"data", CLI_TEXT, &data, "FILE", "the evaluation's rows", 0, 0},
    };
    const cli_usage usage = {
        .command = "overlap",
        .synopsis = "--corpus FILE... --task NAME --data FILE",
        .text = "Finds the texts of a corpus that hold rows of an evaluation: 13 words in a row of a row's\n"
                "prompt, a whole prompt of 8 to 12 words, or a text that is nothing but a shorter one. Words "
                "are\n"
                "compared in lower case without the punctuation at their edges.",
        .example = "toolformer overlap --corpus texts.jsonl --task svamp --data svamp.jsonl",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) {
        if (corpus.n == 0)
            exit_code = cli_usage_error("overlap", "--corpus is missing");
        else if (!data)
            exit_code = cli_usage_error("overlap", "--data is missing");
        else
            exit_code = find_overlap(&common, &corpus, task, data);
    }
    cli_list_release(&corpus);
    return cli_finish(exit_code);
}
