/* Language identification: sentences with either source, files that are not the model, threads. */
#include "cases.h"

#include <pthread.h>
#include <unistd.h>

#include "lang/lang.h"

static const struct {
    const char *code, *text;
} sentences[] = {
    {"en", "The committee will meet again on Thursday to discuss the results of the vote."},
    {"es", "El perro duerme en la cocina mientras la abuela prepara la comida para todos."},
    {"fr", "Le petit garçon a perdu son chapeau dans le jardin derrière la maison."},
    {"de", "Die Kinder spielen im Garten, während ihre Eltern in der Küche sitzen."},
    {"it", "La ragazza legge un libro interessante sulla storia della sua città natale."},
    {"pt", "O menino não quer ir para a escola porque está muito cansado hoje."},
    {"ru", "Завтра утром мы поедем на поезде к нашим друзьям в соседний город."},
    {"zh", "明天早上我们坐火车去邻近的城市看望我们的朋友。"},
    {"eu", "Gaur arratsaldean lagunekin mendira joango gara eguraldi ona egiten badu."},
    {"is", "Börnin leika sér í garðinum á meðan foreldrar þeirra sitja í eldhúsinu."},
};

/* The model, or NULL with the words that say why it is not there. */
static const char *model_file(char path[4096])
{
    const char *named = getenv("TOOLFORMER_LID"), *data = getenv("TOOLFORMER_TEST_DATA");
    if (named && *named) return named;
    snprintf(path, 4096, "%s/lid/lid.176.ftz", data ? data : "");
    if (data && tfc_file_exists(path)) return path;
    print_message("skipped: no lid.176.ftz (TOOLFORMER_LID, or lid/ in TOOLFORMER_TEST_DATA)\n");
    return NULL;
}

static void check_sentences(const tfc_lang *lang, double confidence)
{
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        tfc_lang_guess guess = tfc_lang_best(lang, sentences[i].text, strlen(sentences[i].text));
        assert_string_equal(guess.code, sentences[i].code);
        if (guess.confidence < confidence) fail_msg("%s: %g", guess.code, guess.confidence);
    }
}

static void test_fasttext(void **state)
{
    (void)state;
    char buffer[4096];
    const char *path = model_file(buffer);
    if (!path) skip();
    tfc_error err;
    tfc_error_init(&err);
    tfc_lang *lang = tfc_lang_open(path, &err);
    if (!lang) fail_msg("%s", err.message);
    check_sentences(lang, 0.6);
    assert_non_null(strstr(tfc_lang_source(lang), path));
    /* A line break does not hide what follows; any bytes are fine. */
    tfc_lang_guess all[5];
    assert_string_equal(tfc_lang_best(lang, "a\nLa casa verde no tiene ventanas", 32).code, "es");
    assert_int_equal(tfc_lang_identify(lang, "\xFF\xFE\0\x80 \xC3", 6, all, 5), 5);
    assert_true(tfc_lang_identify(lang, "", 0, all, 5) <= 5);
    for (int i = 1; i < 5; i++) assert_true(all[i].confidence <= all[i - 1].confidence);
    tfc_lang_close(lang);
}

static void test_textcat(void **state)
{
    (void)state;
    if (!tfc_file_exists("/usr/share/libexttextcat/fpdb.conf")) {
        print_message("skipped: no libexttextcat-data\n");
        skip();
    }
    tfc_error err;
    tfc_error_init(&err);
    tfc_lang *lang = tfc_lang_open("", &err);
    if (!lang) fail_msg("%s", err.message);
    check_sentences(lang, 0.3);
    assert_string_equal(tfc_lang_best(lang, "short", 5).code, "");
    assert_string_equal(tfc_lang_best(lang, "", 0).code, "");
    tfc_lang_close(lang);
}

static void expect_refused(const char *bytes, size_t n, const char *reason)
{
    char path[] = "/tmp/tfc-lid-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0 && write(file, bytes, n) == (ssize_t)n);
    close(file);
    tfc_error err;
    tfc_error_init(&err);
    tfc_lang *lang = tfc_lang_open(path, &err);
    unlink(path);
    assert_null(lang);
    assert_int_equal(err.status, TFC_EFORMAT);
    if (!strstr(err.message, reason) || !strstr(err.message, path)) fail_msg("says '%s'", err.message);
}

/* Cut, longer, one bit changed, another version, something else: none is handed to fastText. */
static void test_bad_files(void **state)
{
    (void)state;
    static const char header[] = "\xBA\x16\x4F\x2F\x0C\0\0\0\x10\0\0\0";
    expect_refused("", 0, "no model of fastText");
    expect_refused("\xBA\x16", 2, "no model of fastText");
    expect_refused("GGUF\3\0\0\0\0\0\0\0", 12, "no model of fastText");
    expect_refused("\xBA\x16\x4F\x2F\x0B\0\0\0", 8, "another version");
    expect_refused(header, sizeof header - 1, "cut");
    tfc_error err;
    tfc_error_init(&err);
    assert_null(tfc_lang_open("/nonexistent/lid.176.ftz", &err));
    assert_int_equal(err.status, TFC_ENOTFOUND);
    char buffer[4096], *bytes;
    const char *path = model_file(buffer);
    size_t n;
    if (!path) return;
    assert_int_equal(tfc_file_read(path, 1 << 24, &bytes, &n, &err), TFC_OK);
    expect_refused(bytes, n / 2, "cut");
    expect_refused(bytes, n - 1, "cut");
    bytes[n / 2] ^= 1;
    expect_refused(bytes, n, "damaged");
    tfc_free(bytes);
}

static void *identify_many(void *context)
{
    for (int i = 0; i < 50; i++) check_sentences(context, 0.3);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    char buffer[4096];
    const char *paths[2] = {model_file(buffer),
                            tfc_file_exists("/usr/share/libexttextcat/fpdb.conf") ? "" : NULL};
    for (int p = 0; p < 2; p++) {
        if (!paths[p]) continue;
        tfc_lang *lang = tfc_lang_open(paths[p], NULL);
        pthread_t threads[4];
        for (int t = 0; t < 4; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, identify_many, lang), 0);
        for (int t = 0; t < 4; t++) pthread_join(threads[t], NULL);
        tfc_lang_close(lang);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fasttext),
        cmocka_unit_test(test_textcat),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("lang", tests, NULL, NULL);
}
