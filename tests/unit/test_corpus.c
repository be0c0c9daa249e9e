/* Reading texts: fields, errors with their places, snippets that put together are the text, dates, gzip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/random.h"
#include "base/utf8.h"
#include "corpus/corpus_reader.h"
#include "text/tokenizer_core.h"

static char folder[] = "/tmp/tfc-corpus-XXXXXX";
static tfc_tokenizer *tokenizer;

static int setup(void **state)
{
    (void)state;
    tfc_error err;
    tokenizer =
        tfc_tokenizer_from_json(TFC_SOURCE_DIR "/tests/fixtures/models/gpt2/tokenizer.json", -1, -1, &err);
    return mkdtemp(folder) && chdir(folder) == 0 && tokenizer ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tfc_tokenizer_free(tokenizer);
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void write_file(const char *name, const char *text)
{
    tfc_error err;
    if (tfc_file_write_whole(name, text, strlen(text), &err) != TFC_OK) fail_msg("%s", err.message);
}

static void count_note(void *context, const char *line)
{
    (void)line;
    ++*(int *)context;
}

/* Opens one file and removes it. */
static tfc_corpus *open_file(const char *name, tfc_corpus_params params, int *n_notes, tfc_error *err)
{
    tfc_monitor monitor = {.note = count_note, .context = n_notes};
    params.files = &name;
    params.n_files = 1;
    tfc_error_init(err);
    tfc_corpus *corpus = tfc_corpus_open(&params, tokenizer, n_notes ? &monitor : NULL, err);
    unlink(name);
    return corpus;
}

static tfc_corpus *open_text(const char *name, const char *text, tfc_corpus_params params)
{
    tfc_error err;
    write_file(name, text);
    tfc_corpus *corpus = open_file(name, params, NULL, &err);
    if (!corpus) fail_msg("%s", err.message);
    return corpus;
}

static void test_fields(void **state)
{
    (void)state;
    tfc_corpus_params params = tfc_corpus_params_default();
    params.default_date = "2001-02-03";
    tfc_corpus *corpus =
        open_text("a.jsonl",
                  "\xEF\xBB\xBF{\"text\":\"one\",\"id\":\"A\",\"date\":\"2020-05-06\",\"url\":\"http://x/"
                  "2019/01/02/y\"}\r\n"
                  "\n"
                  "{\"text\":\"two\",\"id\":17,\"created\":\"2018-07-08T10:11:12Z\"}\n"
                  "{\"text\":\"three\",\"metadata\":{\"date\":\"2017-01-01 00:00\"}}\n"
                  "{\"text\":\"four\",\"id\":\"https://news.org/2016/11/28/story\",\"created\":\"lately\"}\n"
                  "{\"text\":\"five\",\"id\":\"B\",\"metadata\":{\"url\":\"http://x/20150304/y\"}}\n"
                  "{\"text\":\"\",\"id\":\"empty\"}\n"
                  "{\"text\":\"six\"}",
                  params);
    static const struct {
        const char *id, *date, *url, *text;
        int64_t document;
    } expected[] = {
        {"A", "2020-05-06", "http://x/2019/01/02/y", "one", 0},
        {"17", "2018-07-08", NULL, "two", 1},
        {"a.jsonl:4", "2017-01-01", NULL, "three", 2},
        {"https://news.org/2016/11/28/story", "2016-11-28", "https://news.org/2016/11/28/story", "four", 3},
        {"B", "2015-03-04", "http://x/20150304/y", "five", 4},
        {"a.jsonl:8", "2001-02-03", NULL, "six", 6},
    };
    assert_int_equal(tfc_corpus_n_documents(corpus), 7);
    assert_int_equal(tfc_corpus_n_snippets(corpus), 6);
    assert_int_equal(tfc_corpus_n_bad_lines(corpus), 0);
    for (int64_t i = 0; i < 6; i++) {
        const tfc_snippet *s = tfc_corpus_snippet(corpus, i);
        assert_string_equal(s->id, expected[i].id);
        assert_string_equal(s->text, expected[i].text);
        assert_int_equal(s->n_bytes, strlen(expected[i].text));
        assert_string_equal(s->date, expected[i].date);
        assert_int_equal(s->document, expected[i].document);
        if (expected[i].url)
            assert_string_equal(s->url, expected[i].url);
        else
            assert_null(s->url);
    }
    assert_null(tfc_corpus_snippet(corpus, 6));
    assert_null(tfc_corpus_snippet(corpus, -1));
    tfc_corpus_free(corpus);
}

static const struct {
    const char *line, *message;
} bad_lines[] = {
    {"{\"text\":\"a\"", "c.jsonl:2: invalid JSON at byte"},
    {"{\"text\":\"a\xFF\"}", "c.jsonl:2: invalid UTF-8 at byte 10"},
    {"[\"text\"]", "c.jsonl:2: object expected"},
    {"{\"id\":\"x\"}", "c.jsonl:2: missing text"},
    {"{\"text\":null}", "c.jsonl:2: missing text"},
    {"{\"text\":5}", "c.jsonl:2: text: string expected"},
    {"{\"text\":\"a\\u0000b\"}", "c.jsonl:2: text holds a NUL character"},
    {"{\"text\":\"a\",\"id\":\"x\\u0000\"}", "c.jsonl:2: id holds a NUL character"},
    {"{\"text\":\"a\",\"id\":[]}", "c.jsonl:2: id: string expected"},
    {"{\"text\":\"a\",\"date\":\"2020-02-30\"}", "c.jsonl:2: date '2020-02-30' is none"},
    {"{\"text\":\"a\",\"date\":\"2020\"}", "c.jsonl:2: date '2020' is none"},
    {"{\"text\":\"a\",\"id\":\"first\"}", "c.jsonl:2: id 'first' was used before, at c.jsonl:1"},
    {"{\"text\":\"\\ud800\"}", "c.jsonl:2: lone surrogate"},
};

static void test_bad_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
        char text[400];
        tfc_error err;
        int notes = 0;
        tfc_corpus_params params = tfc_corpus_params_default();
        snprintf(text, sizeof text, "{\"text\":\"a\",\"id\":\"first\"}\n%s\n{\"text\":\"b\"}\n",
                 bad_lines[i].line);
        write_file("c.jsonl", text);
        assert_null(open_file("c.jsonl", params, NULL, &err));
        if (strncmp(err.message, bad_lines[i].message, strlen(bad_lines[i].message)) != 0)
            fail_msg("'%s' lacks '%s'", err.message, bad_lines[i].message);
        assert_non_null(strstr(err.message, "; fix the line or pass --skip-bad-lines"));
        params.skip_bad_lines = true;
        write_file("c.jsonl", text);
        tfc_corpus *corpus = open_file("c.jsonl", params, &notes, &err);
        if (!corpus) fail_msg("%s", err.message);
        assert_int_equal(tfc_corpus_n_documents(corpus), 2);
        assert_int_equal(tfc_corpus_n_bad_lines(corpus), 1);
        assert_int_equal(notes, 2); /* the line, and the sum at the end */
        assert_string_equal(tfc_corpus_snippet(corpus, 1)->id, "c.jsonl:3");
        tfc_corpus_free(corpus);
    }
}

static void test_long_line(void **state)
{
    (void)state;
    tfc_error err;
    tfc_corpus_params params = tfc_corpus_params_default();
    params.max_tokens = 0;
    FILE *file = fopen("long.jsonl", "w");
    assert_non_null(file);
    fputs("{\"text\":\"", file);
    for (int i = 0; i < 17 << 20; i++) putc('a', file);
    fputs("\"}\n{\"text\":\"b\"}\n", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(link("long.jsonl", "again.jsonl"), 0);
    assert_null(open_file("long.jsonl", params, NULL, &err));
    assert_non_null(strstr(err.message, "long.jsonl:1: line longer than 16 MiB"));
    params.skip_bad_lines = true;
    tfc_corpus *corpus = open_file("again.jsonl", params, NULL, &err);
    assert_non_null(corpus);
    assert_int_equal(tfc_corpus_n_bad_lines(corpus), 1);
    assert_string_equal(tfc_corpus_snippet(corpus, 0)->id, "again.jsonl:2");
    tfc_corpus_free(corpus);
}

static void test_refusals(void **state)
{
    (void)state;
    tfc_error err;
    tfc_corpus_params params = tfc_corpus_params_default();
    assert_null(tfc_corpus_open(&params, tokenizer, NULL, &err));
    assert_string_equal(err.message, "no corpus file was given");
    assert_null(open_file("nowhere.jsonl", params, NULL, &err));
    assert_int_equal(err.status, TFC_ENOTFOUND);
    assert_non_null(strstr(err.message, "cannot open 'nowhere.jsonl': No such file"));
    const char *root = "/";
    params.files = &root;
    params.n_files = 1;
    assert_null(tfc_corpus_open(&params, tokenizer, NULL, &err));
    assert_non_null(strstr(err.message, "directory"));
    params.default_date = "yesterday";
    assert_null(open_file("x", params, NULL, &err));
    assert_non_null(strstr(err.message, "date 'yesterday' is none"));
    params = tfc_corpus_params_default();
    params.files = &root;
    params.n_files = 1;
    assert_null(tfc_corpus_open(&params, NULL, NULL, &err));
    assert_string_equal(err.message, "snippets need a tokenizer");
    write_file("nul.txt", "");
    FILE *file = fopen("nul.txt", "wb");
    fwrite("a\0b", 1, 3, file);
    fclose(file);
    assert_null(open_file("nul.txt", params, NULL, &err));
    assert_non_null(strstr(err.message, "nul.txt: NUL at byte 1"));
}

static void test_gzip(void **state)
{
    (void)state;
    tfc_error err;
    tfc_corpus_params params = tfc_corpus_params_default();
    for (int cut = 0; cut < 2; cut++) {
        gzFile out = gzopen("z.jsonl.gz", "wb");
        for (int i = 0; i < 3000; i++) gzprintf(out, "{\"text\":\"text %d\",\"id\":\"%d\"}\n", i * 7919, i);
        gzclose(out);
        out = gzopen("z.jsonl.gz", "ab"); /* a second member */
        gzprintf(out, "{\"text\":\"last\"}");
        gzclose(out);
        if (cut) assert_int_equal(truncate("z.jsonl.gz", 5000), 0);
        tfc_corpus *corpus = open_file("z.jsonl.gz", params, NULL, &err);
        if (cut) {
            assert_null(corpus);
            assert_non_null(strstr(err.message, "z.jsonl.gz: the compressed file ends in the middle"));
            continue;
        }
        assert_int_equal(tfc_corpus_n_documents(corpus), 3001);
        assert_string_equal(tfc_corpus_snippet(corpus, 3000)->id, "z.jsonl.gz:3001");
        tfc_corpus_free(corpus);
    }
}

static void test_limit_and_hash(void **state)
{
    (void)state;
    static const char text[] = "{\"text\":\"one\"}\n{\"text\":\"two\"}\n{\"text\":broken\n";
    tfc_corpus_params params = tfc_corpus_params_default();
    params.limit = 2;
    tfc_corpus *a = open_text("h.jsonl", text, params), *b = open_text("h.jsonl", text, params);
    assert_int_equal(tfc_corpus_n_documents(a), 2);
    assert_true(tfc_corpus_hash(a) == tfc_corpus_hash(b));
    params.limit = 1;
    tfc_corpus *c = open_text("h.jsonl", text, params);
    assert_true(tfc_corpus_hash(a) != tfc_corpus_hash(c));
    params.default_date = "2020-01-01";
    tfc_corpus *d = open_text("h.jsonl", text, params);
    assert_true(tfc_corpus_hash(d) != tfc_corpus_hash(c));
    tfc_corpus_free(a);
    tfc_corpus_free(b);
    tfc_corpus_free(c);
    tfc_corpus_free(d);
}

static int64_t n_tokens(const char *text, size_t n)
{
    int32_t *ids;
    int64_t n_ids;
    assert_int_equal(tfc_tokenize(tokenizer, text, n, 0, &ids, &n_ids, NULL), TFC_OK);
    tfc_ids_free(ids);
    return n_ids;
}

/* Where the cuts of `text` are, shown by a bar. */
static void check_cuts(const char *marked, int64_t max_tokens)
{
    char text[400], shown[800];
    size_t n = 0, out = 0, begin = 0;
    for (const char *s = marked; *s; s++)
        if (*s != '|') text[n++] = *s;
    tfc_cuts cuts = {0};
    assert_int_equal(tfc_snippets_cut(tokenizer, text, n, max_tokens, &cuts, NULL), TFC_OK);
    for (size_t i = 0; i < cuts.n; i++) {
        memcpy(shown + out, text + begin, cuts.ends[i] - begin);
        out += cuts.ends[i] - begin;
        if (i + 1 < cuts.n) shown[out++] = '|';
        begin = cuts.ends[i];
    }
    shown[out] = '\0';
    assert_string_equal(shown, marked);
    tfc_cuts_release(&cuts);
}

static void test_cuts(void **state)
{
    (void)state;
    /* This vocabulary has a token for nearly every byte. */
    check_cuts("Hello\n\nYou\n\n|Fred\n\nMe", 12);
    check_cuts("\n\nHello\n \n\n|You go", 13);
    check_cuts("Eins zwei\n|drei vier\n|fuenf", 12);
    check_cuts("Go now. |Run \"far!\" |Stop? Go", 12);
    check_cuts("Die Katze |schlaeft |nicht", 12);
    check_cuts("xxxxxxxxxxxx|xxxxxxxxxxxx|xxx", 12);
    check_cuts("\xE4\xBD\xA0|\xE5\xA5\xBD|\xE3\x80\x82", 3);
    check_cuts("\xE4\xBD\xA0|\xE5\xA5\xBD", 1); /* a character is never cut */
    check_cuts("all of it", 100);
    check_cuts("all of it, much longer", 0);
}

/* Texts of all shapes: put together again byte for byte, none longer than allowed, ids in order. */
static void test_snippets_are_the_text(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "word",    " ",     "\n", "\n\n", ". ",   "The end.", "\xE4\xBD\xA0\xE3\x80\x82",
        "  \n \n", "3.14 ", "! ", "?",    "\r\n", "\t ",      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
    enum { N_PARTS = sizeof parts / sizeof *parts };
    tfc_random random = tfc_random_stream(3, 1, 4, 1);
    for (int round = 0; round < 120; round++) {
        tfc_buffer text;
        tfc_buffer_init(&text, 0);
        uint64_t n_parts = 1 + tfc_random_below(&random, 300), kinds = 1 + tfc_random_below(&random, N_PARTS);
        for (uint64_t i = 0; i < n_parts; i++)
            tfc_buffer_puts(&text, parts[(tfc_random_below(&random, kinds) + (uint64_t)round) % N_PARTS]);
        tfc_corpus_params params = tfc_corpus_params_default();
        params.max_tokens = 8 + (int64_t)tfc_random_below(&random, 60);
        tfc_corpus *corpus = open_text("t.txt", text.data, params);
        int64_t n = tfc_corpus_n_snippets(corpus);
        size_t at = 0;
        assert_int_equal(tfc_corpus_n_documents(corpus), 1);
        for (int64_t i = 0; i < n; i++) {
            const tfc_snippet *s = tfc_corpus_snippet(corpus, i);
            char id[32];
            snprintf(id, sizeof id, n > 1 ? "t.txt#%lld" : "t.txt", (long long)i);
            assert_string_equal(s->id, id);
            assert_int_equal(strlen(s->text), s->n_bytes);
            assert_true(s->n_bytes > 0 && at + s->n_bytes <= text.n);
            assert_memory_equal(s->text, text.data + at, s->n_bytes);
            assert_true(tfc_utf8_valid(s->text, s->n_bytes, NULL));
            assert_true(n_tokens(s->text, s->n_bytes) <= params.max_tokens);
            at += s->n_bytes;
        }
        assert_int_equal(at, text.n);
        tfc_corpus_free(corpus);
        tfc_buffer_release(&text);
    }
}

static void test_hidden_equations(void **state)
{
    (void)state;
    static const char text[] = "{\"text\":\"She had 48/2 = <<48/2=24>>24 clips.\"}\n";
    tfc_corpus_params params = tfc_corpus_params_default();
    tfc_corpus *corpus = open_text("e.jsonl", text, params);
    assert_string_equal(tfc_corpus_snippet(corpus, 0)->text, "She had 48/2 = <<48/2=24>>24 clips.");
    tfc_corpus_free(corpus);
    params.hide_equations = true;
    corpus = open_text("e.jsonl", text, params);
    assert_string_equal(tfc_corpus_snippet(corpus, 0)->text, "She had 24 clips.");
    assert_int_equal(tfc_corpus_snippet(corpus, 0)->n_bytes, 17);
    tfc_corpus_free(corpus);
}

/* A document that is left out because a snippet's id is taken leaves nothing behind. */
static void test_snippet_ids(void **state)
{
    (void)state;
    tfc_corpus_params params = tfc_corpus_params_default();
    params.max_tokens = 4;
    params.skip_bad_lines = true;
    tfc_corpus *corpus = open_text("s.jsonl",
                                   "{\"text\":\"a\",\"id\":\"D#1\"}\n{\"text\":\"xxxxxxxx\",\"id\":\"D\"}\n"
                                   "{\"text\":\"b\",\"id\":\"D#0\"}\n{\"text\":\"c\",\"id\":\"D\"}\n",
                                   params);
    assert_int_equal(tfc_corpus_n_bad_lines(corpus), 1);
    assert_int_equal(tfc_corpus_n_snippets(corpus), 3);
    assert_string_equal(tfc_corpus_snippet(corpus, 1)->id, "D#0");
    assert_string_equal(tfc_corpus_snippet(corpus, 2)->id, "D");
    tfc_corpus_free(corpus);
}

static bool stop_always(void *context)
{
    (void)context;
    return true;
}

static void test_stop(void **state)
{
    (void)state;
    tfc_error err;
    FILE *file = fopen("many.jsonl", "w");
    for (int i = 0; i < 3000; i++) fputs("{\"text\":\"a\"}\n", file);
    fclose(file);
    const char *name = "many.jsonl";
    tfc_corpus_params params = tfc_corpus_params_default();
    params.files = &name;
    params.n_files = 1;
    assert_null(tfc_corpus_open(&params, tokenizer, &(tfc_monitor){.stop = stop_always}, &err));
    assert_int_equal(err.status, TFC_EINTERRUPTED);
    unlink(name);
}

static void test_memory(void **state)
{
    (void)state;
    static const char text[] =
        "{\"text\":\"one two three four five six. Seven\",\"id\":\"a\",\"date\":\"2020-01-01\"}\n";
    tfc_corpus_params params = tfc_corpus_params_default();
    params.max_tokens = 8;
    tfc_error err;
    tfc_corpus *corpus = NULL;
    for (int64_t fail = 1; !corpus; fail++) {
        write_file("m.jsonl", text);
        tfc_memory_fail_at(fail);
        corpus = open_file("m.jsonl", params, NULL, &err);
        tfc_memory_fail_at(0);
        assert_true(corpus || err.status == TFC_ENOMEM);
    }
    tfc_corpus_free(corpus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_limit_and_hash),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_snippets_are_the_text),
        cmocka_unit_test(test_hidden_equations),
        cmocka_unit_test(test_snippet_ids),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
