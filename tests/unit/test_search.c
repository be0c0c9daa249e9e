/* An index over a small corpus that is made here: what is found, and what a broken file says. */
#include "cases.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "search/index_store.h"
#include "search/passages.h"
#include "search/terms.h"

static char folder[] = "/tmp/tfc_search_XXXXXX";
static char corpus[64], built[64], other[64];
static tfc_index *index_;

static const char documents[] =
    "{\"id\":1,\"title\":\"Brown Act\",\"text\":\"The Ralph M. Brown Act is an act of the California State "
    "Legislature. It guarantees the right of the public to attend meetings.\\nHistory.\\nIt was passed in "
    "1953.\"}\n"
    "{\"id\":\"b\",\"title\":\"The Who\",\"text\":\"An English rock band formed in London.\"}\n"
    "\n"
    "{\"id\":\"c\",\"title\":\"Metformin (drug)\",\"text\":\"Metformin is the first-line medication for "
    "type 2 diabetes, sold under the brand name Glucophage.\"}\n"
    "{\"wikipedia_id\":\"d\",\"wikipedia_title\":\"Ghana\",\"text\":[\"Ghana\\n\",\"Its flag has a black "
    "star. "
    "\",\"Section::::Symbols:Flag.\",\"The red stands for the blood of those who died.\"]}\n"
    "{\"id\":\"e\",\"title\":\"Übergröße\",\"text\":\"Kleidung für große Menschen; 東京 hat sie auch.\"}\n";

static tfc_status build(const char *in, const char *out, tfc_error *err)
{
    tfc_index_build_params params = {.files = &in, .n_files = 1, .out = out};
    return tfc_index_build(&params, NULL, NULL, err);
}

static int setup(void **state)
{
    (void)state;
    tfc_error err;
    if (!mkdtemp(folder)) return -1;
    snprintf(corpus, sizeof corpus, "%s/corpus.jsonl", folder);
    snprintf(built, sizeof built, "%s/a.db", folder);
    snprintf(other, sizeof other, "%s/other.db", folder);
    if (tfc_file_write_whole(corpus, documents, sizeof documents - 1, &err) != TFC_OK ||
        build(corpus, built, &err) != TFC_OK)
        return -1;
    index_ = tfc_index_open(built, &err);
    return index_ ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[80];
    tfc_index_close(index_);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static tfc_hits *search(const char *query)
{
    tfc_search_params params = tfc_search_params_default();
    tfc_hits *hits;
    tfc_error err;
    assert_int_equal(tfc_index_search(index_, query, &params, &hits, &err), TFC_OK);
    return hits;
}

static void check_first(const char *query, const char *snippet)
{
    tfc_hits *hits = search(query);
    if (!snippet) {
        assert_int_equal(hits->n, 0);
    } else {
        assert_true(hits->n > 0);
        assert_string_equal(hits->items[0].snippet, snippet);
    }
    tfc_hits_free(hits);
}

static void check_terms(const test_case *c)
{
    tfc_buffer out;
    tfc_buffer_init(&out, 0);
    tfc_terms_append(c->input, c->n_input, &out);
    if (out.n) out.data[--out.n] = '\0';
    assert_string_equal(out.data ? out.data : "", c->expected);
    tfc_buffer_release(&out);
}

static void test_terms(void **state)
{
    (void)state;
    cases_run("terms.txt", check_terms);
}

static const char brown[] =
    "Brown Act > The Ralph M. Brown Act is an act of the California State Legislature. "
    "It guarantees the right of the public to attend meetings.";

static void test_found(void **state)
{
    (void)state;
    tfc_index_info info = tfc_index_get_info(index_);
    assert_int_equal(info.n_documents, 5);
    assert_int_equal(info.n_passages, 7);
    check_first("Brown Act", brown);
    check_first("what is the brown act, and who was it by?", brown);
    check_first("In which year was the Brown Act passed?", "Brown Act > History > It was passed in 1953.");
    check_first("first-line medications",
                "Metformin (drug) > Metformin is the first-line medication for type 2 "
                "diabetes, sold under the brand name Glucophage.");
    check_first("what does the red on the flag of Ghana stand for",
                "Ghana > Symbols > Flag > The red stands for the blood of those who died.");
    check_first("uebergroesse", NULL);
    check_first("ÜBERGRÖSSE", "Übergröße > Kleidung für große Menschen; 東京 hat sie auch.");
    check_first("京", "Übergröße > Kleidung für große Menschen; 東京 hat sie auch.");
}

/* Stop words alone find nothing but a title that they are. */
static void test_stop_words(void **state)
{
    (void)state;
    check_first("the who", "The Who > An English rock band formed in London.");
    check_first("what is it that they were to be", NULL);
    check_first("", NULL);
}

static void test_hostile_queries(void **state)
{
    (void)state;
    static const char *const queries[] = {"\"",
                                          "\"brown\" AND (",
                                          "brown*",
                                          "terms : brown",
                                          "brown NEAR/2 act",
                                          "^brown",
                                          "{brown act} : x",
                                          "' OR 1=1 --",
                                          "-- ; DROP TABLE terms",
                                          "\xff\xfe\"brown",
                                          "+ - brown",
                                          "NOT brown",
                                          "§brownact",
                                          "\xC2\xA7"};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        tfc_hits *hits = search(queries[i]);
        if (strstr(queries[i], "brown")) assert_string_equal(hits->items[0].title, "Brown Act");
        tfc_hits_free(hits);
    }
    char *long_query = tfc_alloc_zero(1 << 20, 1);
    for (size_t i = 0; i + 1 < 1 << 20; i++) long_query[i] = "brown act \" ( wörd 1234567 "[i % 27];
    tfc_hits_free(search(long_query));
    tfc_free(long_query);
}

/* Every passage has at most a hundred words, and together they are the words of the text. */
typedef struct collected {
    size_t n_words, n_passages;
} collected;
static tfc_status collect(void *context, const char *section, const char *text, size_t n, tfc_error *err)
{
    (void)err;
    collected *c = context;
    size_t n_words = 0;
    for (size_t i = 0; i < n; i++) n_words += text[i] != ' ' && (i == 0 || text[i - 1] == ' ');
    assert_true(n_words >= 1 && n_words <= TFC_PASSAGE_WORDS);
    assert_string_equal(section, c->n_words < 500 ? "" : "Later years");
    c->n_words += n_words;
    c->n_passages++;
    return TFC_OK;
}

static void test_passages(void **state)
{
    (void)state;
    tfc_buffer text;
    tfc_buffer_init(&text, 0);
    for (int i = 0; i < 500; i++) tfc_buffer_printf(&text, "word%d%s", i, i % 17 == 16 ? ". Next " : " ");
    size_t n_next = 500 / 17;
    tfc_buffer_puts(&text, "\n\n== Later years ==\n{| table\n| cell\n");
    for (int i = 0; i < 250; i++) tfc_buffer_puts(&text, "endless ");
    collected c = {0};
    tfc_error err;
    assert_int_equal(tfc_passages_cut("T", text.data, text.n, collect, &c, &err), TFC_OK);
    assert_int_equal(c.n_words, 500 + n_next + 250);
    assert_true(c.n_passages >= 9 && c.n_passages <= 12);
    tfc_buffer_release(&text);
}

static void test_same_bytes(void **state)
{
    (void)state;
    tfc_error err;
    char *a, *b;
    size_t n_a, n_b;
    assert_int_equal(build(corpus, other, &err), TFC_OK);
    assert_int_equal(tfc_file_read(built, 1 << 24, &a, &n_a, &err), TFC_OK);
    assert_int_equal(tfc_file_read(other, 1 << 24, &b, &n_b, &err), TFC_OK);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a);
    tfc_free(a);
    tfc_free(b);
}

static void check_broken(const char *bytes, size_t n, const char *message)
{
    tfc_error err;
    tfc_error_init(&err);
    assert_int_equal(tfc_file_write_whole(other, bytes, n, &err), TFC_OK);
    assert_null(tfc_index_open(other, &err));
    assert_int_equal(err.status, TFC_EFORMAT);
    if (!strstr(err.message, message)) fail_msg("'%s' is not in: %s", message, err.message);
}

static void test_broken(void **state)
{
    (void)state;
    tfc_error err;
    char *bytes;
    size_t n;
    assert_int_equal(tfc_file_read(built, 1 << 24, &bytes, &n, &err), TFC_OK);
    check_broken("", 0, "no SQLite file");
    check_broken(documents, sizeof documents - 1, "no SQLite file");
    check_broken(bytes, n / 2, "was cut");
    check_broken(bytes, n - 1, "was cut");
    bytes[63] = 2;
    check_broken(bytes, n, "format 2, not 1");
    bytes[63] = 1;
    bytes[70] = 'x';
    check_broken(bytes, n, "some other SQLite file");
    tfc_free(bytes);
    assert_null(tfc_index_open("/nowhere/wiki.db", &err));
    assert_int_equal(err.status, TFC_ENOTFOUND);
}

/* A byte that is wrong anywhere gives an error or hits, nothing else. */
static void test_damaged(void **state)
{
    (void)state;
    tfc_error err;
    char *bytes;
    size_t n;
    tfc_search_params params = tfc_search_params_default();
    assert_int_equal(tfc_file_read(built, 1 << 24, &bytes, &n, &err), TFC_OK);
    for (size_t at = 97; at < n; at += 1 + at % 89 + n / 400) {
        char kept = bytes[at];
        bytes[at] = (char)(bytes[at] ^ 0x5a);
        assert_int_equal(tfc_file_write_whole(other, bytes, n, &err), TFC_OK);
        tfc_index *index = tfc_index_open(other, &err);
        tfc_hits *hits = NULL;
        if (index && tfc_index_search(index, "Brown Act flag", &params, &hits, &err) == TFC_OK)
            tfc_hits_free(hits);
        tfc_index_close(index);
        bytes[at] = kept;
    }
    tfc_free(bytes);
}

static void *ask(void *context)
{
    for (int i = 0; i < 50; i++) {
        tfc_hits *hits = search(i % 2 ? "Brown Act" : "the who");
        if (hits->n == 0) *(bool *)context = false;
        tfc_hits_free(hits);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[8];
    bool right[8];
    for (int i = 0; i < 8; i++) {
        right[i] = true;
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &right[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_true(right[i]);
    }
}

static void test_deadline(void **state)
{
    (void)state;
    tfc_search_params params = tfc_search_params_default();
    params.deadline_ns = 1;
    tfc_hits *hits;
    tfc_error err;
    assert_int_equal(tfc_index_search(index_, "Brown Act", &params, &hits, &err), TFC_ETIMEOUT);
    check_first("Brown Act", brown); /* the next one has its own */
}

static bool stop(void *context)
{
    return --*(int *)context < 0;
}

static void test_interrupted(void **state)
{
    (void)state;
    tfc_error err;
    char partial[80];
    snprintf(partial, sizeof partial, "%s.partial", other);
    const char *in = corpus;
    tfc_index_build_params params = {.files = &in, .n_files = 1, .out = other};
    for (int when = 0; when < 2; when++) {
        unlink(other);
        int left = when;
        tfc_monitor monitor = {.stop = stop, .context = &left};
        tfc_status status = tfc_index_build(&params, &monitor, NULL, &err);
        if (when == 0) assert_int_equal(status, TFC_EINTERRUPTED);
        assert_int_equal(tfc_file_exists(other), status == TFC_OK);
        assert_false(tfc_file_exists(partial));
    }
}

static void test_bad_lines(void **state)
{
    (void)state;
    static const char bad[] =
        "{\"id\":\"a\",\"title\":\"T\",\"text\":\"Good words here.\"}\n{\"text\":3}\n{\"x\n"
        "{\"title\":\"no text\"}\n[]\n{\"text\":[\"fine\",2]}\n{\"text\":\"a\\u0000b\"}\n";
    char path[80];
    tfc_error err;
    tfc_index_info info;
    snprintf(path, sizeof path, "%s/bad.jsonl", folder);
    assert_int_equal(tfc_file_write_whole(path, bad, sizeof bad - 1, &err), TFC_OK);
    unlink(other);
    assert_int_equal(build(path, other, &err), TFC_EFORMAT);
    assert_non_null(strstr(err.message, "bad.jsonl:2: text"));
    assert_false(tfc_file_exists(other));
    const char *in = path;
    tfc_index_build_params params = {.files = &in, .n_files = 1, .out = other, .skip_bad_lines = true};
    assert_int_equal(tfc_index_build(&params, NULL, &info, &err), TFC_OK);
    assert_int_equal(info.n_bad_lines, 6);
    assert_int_equal(info.n_passages, 1);
}

/* A folder's files by name, hidden ones left out. */
static void test_folder(void **state)
{
    (void)state;
    char path[120];
    tfc_error err;
    tfc_index_info info;
    snprintf(path, sizeof path, "%s/texts/deep", folder);
    assert_int_equal(tfc_folder_make(path, &err), TFC_OK);
    snprintf(path, sizeof path, "%s/texts/deep/Blue_whale.txt", folder);
    static const char whale[] = "The largest animal.\n# Diet\nIt eats krill.";
    tfc_file_write_whole(path, whale, sizeof whale - 1, &err);
    snprintf(path, sizeof path, "%s/texts/.hidden", folder);
    tfc_file_write_whole(path, "\xff", 1, &err);
    snprintf(path, sizeof path, "%s/texts", folder);
    const char *in = path;
    tfc_index_build_params params = {.files = &in, .n_files = 1, .out = other};
    assert_int_equal(tfc_index_build(&params, NULL, &info, &err), TFC_OK);
    assert_int_equal(info.n_documents, 1);
    tfc_index *index = tfc_index_open(other, &err);
    tfc_search_params search_params = tfc_search_params_default();
    tfc_hits *hits;
    assert_int_equal(tfc_index_search(index, "what do blue whales eat", &search_params, &hits, &err), TFC_OK);
    assert_string_equal(hits->items[0].snippet, "Blue whale > Diet > It eats krill.");
    tfc_hits_free(hits);
    tfc_index_close(index);
}

/* A disk that takes so many bytes and no more. */
static void test_full_disk(void **state)
{
    (void)state;
    tfc_error err;
    char partial[80];
    snprintf(partial, sizeof partial, "%s.partial", other);
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t size = 0; size < 100000; size += 30000) {
        unlink(other);
        limit = (struct rlimit){size, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        tfc_status status = build(corpus, other, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_false(tfc_file_exists(partial));
        assert_int_equal(status == TFC_OK, tfc_file_exists(other));
        if (size == 0) assert_int_equal(status, TFC_EIO);
        if (status != TFC_OK && !strstr(err.message, "cannot write")) fail_msg("%s", err.message);
    }
}

static void test_memory(void **state)
{
    (void)state;
    tfc_search_params params = tfc_search_params_default();
    tfc_error err;
    for (int64_t n = 1;; n++) {
        tfc_hits *hits = NULL;
        tfc_memory_fail_at(n);
        tfc_index *index = tfc_index_open(built, &err);
        tfc_status status = index ? tfc_index_search(index, "Brown Act", &params, &hits, &err) : err.status;
        tfc_memory_fail_at(0);
        tfc_hits_free(hits);
        tfc_index_close(index);
        if (status == TFC_OK) break;
        assert_int_equal(status, TFC_ENOMEM);
        assert_true(n < 1000);
    }
    for (int64_t n = 1;; n++) {
        tfc_memory_fail_at(n);
        tfc_status status = build(corpus, other, &err);
        tfc_memory_fail_at(0);
        if (status == TFC_OK) break;
        assert_int_equal(status, TFC_ENOMEM);
        assert_true(n < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terms),       cmocka_unit_test(test_found),
        cmocka_unit_test(test_stop_words),  cmocka_unit_test(test_hostile_queries),
        cmocka_unit_test(test_passages),    cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_broken),      cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_threads),     cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_interrupted), cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_folder),      cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
