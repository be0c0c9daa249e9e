/* Reading files into a corpus: gzip or not, lines or whole texts. */
#include <stdio.h>

#include "base/lines.h"
#include "corpus/corpus_reader.h"
#include "tools/tool.h"

enum { TEXT_FILE_MAX = 1 << 30 };

tfc_corpus_params tfc_corpus_params_default(void)
{
    return (tfc_corpus_params){.limit = -1, .max_tokens = 256};
}

static void say_progress(const tfc_corpus_reader *reader, const char *name, int64_t line)
{
    if (!reader->monitor || !reader->monitor->progress) return;
    char detail[160];
    snprintf(detail, sizeof detail, "%.100s, line %lld", name, (long long)line);
    reader->monitor->progress(reader->monitor->context, &(tfc_progress){.stage = "read",
                                                                        .done = reader->corpus->n_documents,
                                                                        .unit = "documents",
                                                                        .detail = detail});
}

static tfc_status read_lines(tfc_corpus_reader *reader, tfc_lines *lines, const char *name, tfc_error *err)
{
    tfc_buffer line;
    tfc_buffer_init(&line, TFC_LINE_MAX);
    tfc_status status = TFC_OK;
    for (int64_t number = 1; status == TFC_OK && !tfc_corpus_is_full(reader); number++) {
        bool any, cut;
        status = tfc_lines_next(lines, &line, &any, &cut, err);
        if (status != TFC_OK || !any) break;
        const char *text = line.data ? line.data : "";
        if (cut) {
            tfc_error bad;
            tfc_fail(&bad, TFC_EFORMAT, "%.400s:%lld: line longer than 16 MiB", name, (long long)number);
            status = tfc_corpus_bad_line(reader, &bad, err);
        } else if (!tfc_line_is_blank(text, line.n)) {
            status = tfc_corpus_read_line(reader, name, number, text, line.n, err);
        }
        if (number % 1024 == 0) {
            say_progress(reader, name, number);
            if (status == TFC_OK && tfc_should_stop(reader->monitor))
                status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
        }
    }
    tfc_buffer_release(&line);
    return status;
}

static tfc_status read_whole(tfc_corpus_reader *reader, tfc_lines *lines, const char *name, tfc_error *err)
{
    tfc_buffer text;
    char none[1] = "";
    tfc_buffer_init(&text, TEXT_FILE_MAX);
    tfc_status status = tfc_lines_rest(lines, &text, err);
    if (status == TFC_OK) {
        char *data = text.data ? text.data : none;
        size_t skip = text.n >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        status = tfc_corpus_read_text(reader, name, data + skip, text.n - skip, err);
    }
    tfc_buffer_release(&text);
    return status;
}

static tfc_status read_file(tfc_corpus_reader *reader, const char *path, tfc_error *err)
{
    /* In the corpus's arena: ids and messages keep it. */
    const char *name = tfc_arena_strndup(&reader->corpus->arena, path, strlen(path));
    if (!name) return tfc_fail_memory(err, "corpus");
    tfc_error own;
    tfc_lines *lines = tfc_lines_open(name, &own);
    if (!lines) return tfc_fail(err, own.status, "%s", own.message);
    bool by_line = tfc_name_ends_with(path, ".jsonl") || tfc_name_ends_with(path, ".jsonl.gz");
    tfc_status status = (by_line ? read_lines : read_whole)(reader, lines, name, err);
    tfc_lines_close(lines);
    return status;
}

static tfc_status check_params(const tfc_corpus_params *params, const tfc_tokenizer *tokenizer,
                               tfc_error *err)
{
    if (params->n_files == 0) return tfc_fail(err, TFC_EINVAL, "no corpus file was given");
    if (params->max_tokens < 0) return tfc_fail(err, TFC_EINVAL, "max_tokens must not be negative");
    if (params->max_tokens > 0 && !tokenizer) return tfc_fail(err, TFC_EINVAL, "snippets need a tokenizer");
    if (params->default_date && !tfc_calendar_valid(params->default_date))
        return tfc_fail(err, TFC_EINVAL, "date '%.40s' is none; YYYY-MM-DD expected", params->default_date);
    return TFC_OK;
}

tfc_corpus *tfc_corpus_open(const tfc_corpus_params *params, const tfc_tokenizer *tokenizer,
                            const tfc_monitor *monitor, tfc_error *err)
{
    if (check_params(params, tokenizer, err) != TFC_OK) return NULL;
    tfc_corpus *corpus = tfc_corpus_create(err);
    if (!corpus) return NULL;
    tfc_corpus_reader reader = {
        .corpus = corpus, .params = params, .tokenizer = tokenizer, .monitor = monitor};
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < params->n_files && status == TFC_OK && !tfc_corpus_is_full(&reader); i++)
        status = read_file(&reader, params->files[i], err);
    if (status == TFC_OK && corpus->n_bad_lines > 0)
        tfc_monitor_note(monitor, "%lld bad lines were left out", (long long)corpus->n_bad_lines);
    if (status != TFC_OK) {
        tfc_corpus_free(corpus);
        return NULL;
    }
    return corpus;
}

int64_t tfc_corpus_n_documents(const tfc_corpus *corpus)
{
    return corpus->n_documents;
}

int64_t tfc_corpus_n_snippets(const tfc_corpus *corpus)
{
    return corpus->n_snippets;
}

int64_t tfc_corpus_n_bad_lines(const tfc_corpus *corpus)
{
    return corpus->n_bad_lines;
}

const tfc_snippet *tfc_corpus_snippet(const tfc_corpus *corpus, int64_t i)
{
    return i >= 0 && i < corpus->n_snippets ? &corpus->snippets[i] : NULL;
}

uint64_t tfc_corpus_hash(const tfc_corpus *corpus)
{
    return corpus->hash;
}
