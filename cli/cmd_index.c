/* index build, info, search. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "input.h"
#include "options.h"
#include "output.h"
#include "toolformer/search.h"
#include "utf8_text.h"

static int print_info(const char *path, const tfc_index_info *info, bool built, bool as_json)
{
    char hash[17];
    snprintf(hash, sizeof hash, "%016" PRIx64, info->hash);
    if (!as_json) {
        cli_printf("%s: %" PRId64 " passages of %" PRId64 " documents, %" PRId64 " words, %.1f MB, hash %s\n",
                   path, info->n_passages, info->n_documents, info->n_words, 1e-6 * (double)info->file_bytes,
                   hash);
        if (info->n_bad_lines) cli_printf("%" PRId64 " bad lines were left out\n", info->n_bad_lines);
        return CLI_OK;
    }
    cli_json line;
    if (!cli_json_init(&line)) return CLI_FAILURE;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "index", path);
    cli_json_int(&line, "format", info->format);
    cli_json_int(&line, "documents", info->n_documents);
    cli_json_int(&line, "passages", info->n_passages);
    cli_json_int(&line, "words", info->n_words);
    cli_json_int(&line, "bytes", info->file_bytes);
    cli_json_text(&line, "hash", hash);
    if (built) cli_json_int(&line, "bad_lines", info->n_bad_lines);
    cli_json_end(&line, '}');
    return cli_json_print(&line) ? CLI_OK : CLI_FAILURE;
}

static int index_build(int argc, char **argv)
{
    cli_common common = {0};
    cli_list corpus = {0};
    tfc_index_build_params params = {0};
    const cli_option options[] = {
        {"corpus", CLI_LIST, &corpus, "F...", "JSON lines (.jsonl, .jsonl.gz), texts, or folders of them", 0,
         0},
        {"out", CLI_TEXT, &params.out, "FILE", "the index; else where WikiSearch and QA look for it", 0, 0},
        {"skip-bad-lines", CLI_FLAG, &params.skip_bad_lines, NULL,
         "count broken lines and files, do not stop", 0, 0},
    };
    const cli_usage usage = {
        .command = "index build",
        .synopsis = "--corpus F... [--out FILE]",
        .text =
            "Cuts texts into passages of about a hundred words and makes an index that WikiSearch and QA\n"
            "search. A line of JSON is a document, {\"id\",\"title\",\"text\"}; a text file is one, its name "
            "the title.",
        .example = "toolformer index build --corpus wikipedia.jsonl.gz",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, NULL, &exit_code)) return exit_code;
    if (corpus.n == 0) return cli_usage_error("index build", "--corpus is missing");
    tfc_error err;
    tfc_error_init(&err);
    char *standard = params.out ? NULL : tfc_index_locate(NULL);
    tfc_monitor monitor = cli_monitor(common.quiet);
    tfc_index_info info;
    params.files = corpus.items;
    params.n_files = corpus.n;
    if (standard) params.out = standard;
    tfc_status status = tfc_index_build(&params, &monitor, &info, &err);
    cli_progress_end();
    exit_code = status == TFC_OK ? print_info(params.out, &info, true, common.json) : cli_fail_error(&err);
    tfc_text_free(standard);
    cli_list_release(&corpus);
    return cli_finish(exit_code);
}

/* The index of an argument; "" stands for the usual place. */
static tfc_index *open_index(const char *path, char **located, int *exit_code)
{
    tfc_error err;
    tfc_error_init(&err);
    *located = tfc_index_locate(path);
    tfc_index *index = *located ? tfc_index_open(*located, &err) : NULL;
    if (!index) *exit_code = *located ? cli_fail_error(&err) : cli_fail("out of memory");
    return index;
}

static int index_info(int argc, char **argv)
{
    cli_common common = {0};
    cli_list arguments = {0};
    const cli_usage usage = {.command = "index info",
                             .synopsis = "[FILE]",
                             .text = "What an index holds. With --json: {\"index\",\"format\",\"documents\","
                                     "\"passages\",\"words\",\"bytes\",\"hash\"}.",
                             .example = "toolformer index info wiki.db",
                             .max_arguments = 1};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &exit_code)) return exit_code;
    char *path;
    tfc_index *index = open_index(arguments.n ? arguments.items[0] : NULL, &path, &exit_code);
    if (index) {
        tfc_index_info info = tfc_index_get_info(index);
        exit_code = print_info(path, &info, false, common.json);
    }
    tfc_index_close(index);
    tfc_text_free(path);
    cli_list_release(&arguments);
    return cli_finish(exit_code);
}

static void put_hit(cli_json *line, const char *key, const tfc_hit *hit)
{
    cli_json_begin(line, key, '{');
    cli_json_int(line, "passage", hit->passage);
    cli_json_text(line, "document", hit->document);
    cli_json_text(line, "title", hit->title);
    cli_json_text(line, "section", hit->section);
    cli_json_text(line, "text", hit->text);
    cli_json_text(line, "snippet", hit->snippet);
    cli_json_number(line, "score", hit->score);
    cli_json_end(line, '}');
}

static int search(tfc_index *index, const char *query, const tfc_search_params *params, bool as_json)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_hits *hits;
    if (tfc_index_search(index, query, params, &hits, &err) != TFC_OK) return cli_fail_error(&err);
    int exit_code = hits->n ? CLI_OK : cli_fail("nothing was found");
    for (size_t i = 0; i < hits->n && exit_code == CLI_OK; i++) {
        cli_json line;
        if (!as_json) {
            cli_printf("%s\n", hits->items[i].snippet);
        } else if (cli_json_init(&line)) {
            put_hit(&line, NULL, &hits->items[i]);
            if (!cli_json_print(&line)) exit_code = CLI_FAILURE;
        }
    }
    tfc_hits_free(hits);
    return exit_code;
}

/* One line of JSON for a question of many, with the time it took. */
static int search_one(tfc_index *index, const char *query, const tfc_search_params *params)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_hits *hits;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (tfc_index_search(index, query, params, &hits, &err) != TFC_OK) return cli_fail_error(&err);
    clock_gettime(CLOCK_MONOTONIC, &end);
    cli_json line;
    int exit_code = CLI_FAILURE;
    if (cli_json_init(&line)) {
        cli_json_begin(&line, NULL, '{');
        cli_json_text(&line, "query", query);
        cli_json_number(&line, "ms",
                        1e3 * (double)(end.tv_sec - begin.tv_sec) +
                            1e-6 * (double)(end.tv_nsec - begin.tv_nsec));
        cli_json_begin(&line, "hits", '[');
        for (size_t i = 0; i < hits->n; i++) put_hit(&line, NULL, &hits->items[i]);
        cli_json_end(&line, ']');
        cli_json_end(&line, '}');
        if (cli_json_print(&line)) exit_code = CLI_OK;
    }
    tfc_hits_free(hits);
    return exit_code;
}

static int search_lines(tfc_index *index, const tfc_search_params *params)
{
    cli_lines lines = {0};
    char *query;
    size_t n, at;
    int exit_code = CLI_OK;
    while (exit_code == CLI_OK && cli_lines_next(&lines, &query, &n))
        exit_code = utf8_valid(query, n, &at) ? search_one(index, query, params)
                                              : cli_fail("stdin is no valid UTF-8 at byte %zu of a line", at);
    if (lines.failed) exit_code = CLI_FAILURE;
    cli_lines_release(&lines);
    return cli_interrupted() ? CLI_INTERRUPTED : exit_code;
}

static int index_search(int argc, char **argv)
{
    cli_common common = {0};
    cli_list arguments = {0};
    tfc_search_params params = tfc_search_params_default();
    int64_t n = (int64_t)params.n_hits, bytes = (int64_t)params.max_snippet_bytes;
    const cli_option options[] = {{"n", CLI_INT, &n, "N", "passages at most; 5", 1, 1000},
                                  {"bytes", CLI_INT, &bytes, "N", "of a snippet, at most; 600", 100, 100000}};
    const cli_usage usage = {
        .command = "index search",
        .synopsis = "[options] FILE [QUERY]",
        .text = "Prints the passages that answer best, a line each: `Title > text`. With --json:\n"
                "{\"passage\",\"document\",\"title\",\"section\",\"text\",\"snippet\",\"score\"}. "
                "Nothing found: exit 1.\nWithout QUERY a line of stdin is one, and gives "
                "{\"query\",\"ms\",\"hits\":[…]}.",
        .example = "toolformer index search wiki.db 'Brown Act' --n 3",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .min_arguments = 1,
        .max_arguments = 2};
    int exit_code;
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &exit_code)) return exit_code;
    params.n_hits = (size_t)n;
    params.max_snippet_bytes = (size_t)bytes;
    char *path;
    tfc_index *index = open_index(arguments.items[0], &path, &exit_code);
    if (index)
        exit_code = arguments.n > 1 ? search(index, arguments.items[1], &params, common.json)
                                    : search_lines(index, &params);
    tfc_index_close(index);
    tfc_text_free(path);
    cli_list_release(&arguments);
    return cli_finish(exit_code);
}

int cmd_index(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "build") == 0) return index_build(argc - 1, argv + 1);
    if (strcmp(verb, "info") == 0) return index_info(argc - 1, argv + 1);
    if (strcmp(verb, "search") == 0) return index_search(argc - 1, argv + 1);
    cli_common common = {0};
    const cli_usage usage = {.command = "index",
                             .synopsis = "build|info|search …",
                             .text = "build --corpus F...  an index over texts\n"
                                     "info [FILE]          what an index holds\n"
                                     "search FILE QUERY    the passages that answer best\n\n"
                                     "`toolformer index build --help` tells more.",
                             .example = "toolformer index build --corpus wikipedia.jsonl.gz",
                             .max_arguments = 1};
    int exit_code;
    cli_list arguments = {0};
    if (!cli_parse(&usage, &common, argc, argv, &arguments, &exit_code)) return exit_code;
    exit_code = arguments.n ? cli_usage_error("index", "unknown command '%s'", arguments.items[0])
                            : cli_usage_error("index", "build, info or search?");
    cli_list_release(&arguments);
    return exit_code;
}
