/* Language identification: fastText with the one model file that is known to be whole, else libexttextcat. */
#include "lang/lang.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <textcat.h>

#include "base/file.h"
#include "base/sha256.h"
#include "toolformer/languages.h"

/* lid.176.ftz as fastText publishes it (CC BY-SA 3.0). */
enum { MODEL_BYTES = 938013, MODEL_MAGIC = 793712314, MODEL_VERSION = 12, HEADER_BYTES = 8 };
static const char model_sha256[] = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83";
static const char remedy[] = "scripts/setup-mt.sh brings lid.176.ftz";

static const char textcat_folder[] = "/usr/share/libexttextcat/";
/* Debian's libexttextcat-data. Shorter texts than these bytes are nothing to it. */
enum { TEXTCAT_BYTES_MIN = 10 };

struct tfc_lang {
    void *fasttext;        /* one of the two */
    void *textcat;         /* works in its own buffers: */
    pthread_mutex_t *lock; /* held by who uses it */
    char source[600], version[64];
};

/* What is wrong with bytes that should be the model; NULL: nothing. */
static const char *model_fault(const tfc_file_map *map)
{
    int32_t header[2] = {0, 0};
    char hex[65];
    if (map->n_bytes >= sizeof header) memcpy(header, map->data, sizeof header);
    if (map->n_bytes < sizeof header || header[0] != MODEL_MAGIC) return "no model of fastText";
    if (header[1] != MODEL_VERSION) return "a model of another version of fastText";
    if (map->n_bytes < MODEL_BYTES) return "cut";
    if (map->n_bytes > MODEL_BYTES) return "another model of fastText, or bytes follow it";
    tfc_sha256_bytes(map->data, map->n_bytes, hex);
    return strcmp(hex, model_sha256) == 0 ? NULL : "damaged, or another model of fastText";
}

static tfc_status open_fasttext(tfc_lang *lang, const char *path, tfc_error *err)
{
    tfc_file_map map;
    tfc_status status = tfc_file_map_open(&map, path, err);
    if (status != TFC_OK) return tfc_error_prefix(err, "language identification");
    const char *fault = model_fault(&map);
    char why[200] = "";
    if (!fault) {
        lang->fasttext = tfc_fasttext_load((const char *)map.data + HEADER_BYTES, map.n_bytes - HEADER_BYTES,
                                           why, sizeof why);
        if (!lang->fasttext) fault = why;
    }
    if (fault)
        status = tfc_fail(err, TFC_EFORMAT, "'%.300s' is not lid.176.ftz as published (%s, %zu bytes): %s",
                          path, fault, map.n_bytes, remedy);
    tfc_file_map_close(&map);
    snprintf(lang->source, sizeof lang->source, "fastText, %s", path);
    snprintf(lang->version, sizeof lang->version, "lid.176.ftz");
    return status;
}

static tfc_status open_textcat(tfc_lang *lang, tfc_error *err)
{
    char list[80];
    snprintf(list, sizeof list, "%sfpdb.conf", textcat_folder);
    lang->lock = tfc_alloc(1, sizeof *lang->lock);
    if (!lang->lock) return tfc_fail_memory(err, "language identification");
    pthread_mutex_init(lang->lock, NULL);
    lang->textcat = tfc_file_exists(list) ? special_textcat_Init(list, textcat_folder) : NULL;
    if (!lang->textcat)
        return tfc_fail(err, TFC_ENOTFOUND,
                        "language identification: neither lid.176.ftz ($TOOLFORMER_LID, or lid/ in "
                        "$TOOLFORMER_HOME) nor %s is there; %s",
                        list, remedy);
    textcat_SetProperty(lang->textcat, TCPROP_UTF8AWARE, 1);
    textcat_SetProperty(lang->textcat, TCPROP_MINIMUM_DOCUMENT_SIZE, TEXTCAT_BYTES_MIN);
    snprintf(lang->source, sizeof lang->source, "libexttextcat, %s", textcat_folder);
    snprintf(lang->version, sizeof lang->version, "%s", textcat_Version());
    return TFC_OK;
}

tfc_lang *tfc_lang_open(const char *path, tfc_error *err)
{
    tfc_lang *lang = tfc_alloc_zero(1, sizeof *lang);
    if (!lang) return tfc_fail_memory(err, "language identification"), NULL;
    tfc_status status = *path ? open_fasttext(lang, path, err) : open_textcat(lang, err);
    if (status == TFC_OK) return lang;
    tfc_lang_close(lang);
    return NULL;
}

void tfc_lang_close(tfc_lang *lang)
{
    if (!lang) return;
    tfc_fasttext_free(lang->fasttext);
    if (lang->textcat) textcat_Done(lang->textcat);
    if (lang->lock) pthread_mutex_destroy(lang->lock);
    tfc_free(lang->lock);
    tfc_free(lang);
}

/* Where the model is looked for; "" where none is: the file of $TOOLFORMER_LID has to be there. */
static char *model_path(void)
{
    const char *named = getenv("TOOLFORMER_LID"), *home = getenv("TOOLFORMER_HOME"), *user = getenv("HOME");
    if (named && *named) return tfc_strdup(named);
    char *path = home && *home
                     ? tfc_path_join(home, "lid/lid.176.ftz")
                     : tfc_path_join(user && *user ? user : ".", ".local/share/toolformer/lid/lid.176.ftz");
    if (!path || tfc_file_exists(path)) return path;
    tfc_free(path);
    return tfc_strdup("");
}

const tfc_lang *tfc_lang_shared(tfc_error *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static tfc_lang *shared;
    pthread_mutex_lock(&lock);
    if (!shared) {
        char *path = model_path();
        if (path)
            shared = tfc_lang_open(path, err);
        else
            tfc_fail_memory(err, "language identification");
        tfc_free(path);
    }
    const tfc_lang *lang = shared;
    pthread_mutex_unlock(&lock);
    return lang;
}

/* Its scores are distances; those of up to five languages within 3 % of the least are told. The least counts
 * 1, one at the rim 0, and a tenth is left to all the others. */
static size_t guess_textcat(const tfc_lang *lang, const char *text, size_t n, tfc_lang_guess *guesses,
                            size_t max)
{
    const double rim = 0.03, others = 0.1;
    size_t count = 0;
    pthread_mutex_lock(lang->lock);
    candidate_t *found = textcat_GetClassifyFullOutput(lang->textcat);
    int n_found = found ? textcat_ClassifyFull(lang->textcat, text, n, found) : 0;
    double sum = others;
    for (int i = 0; i < n_found; i++) {
        double weight = 1 - ((double)found[i].score / found[0].score - 1) / rim;
        if (weight < 0 || found[0].score <= 0) weight = 0;
        sum += weight;
        if (count == max) continue;
        tfc_lang_guess *guess = &guesses[count++];
        snprintf(guess->code, sizeof guess->code, "%.*s", (int)strcspn(found[i].name, "-"), found[i].name);
        guess->confidence = weight;
    }
    if (found) textcat_ReleaseClassifyFullOutput(lang->textcat, found);
    pthread_mutex_unlock(lang->lock);
    for (size_t i = 0; i < count; i++) guesses[i].confidence /= sum;
    return count;
}

/* fastText reads a line up to its end; what follows would be lost. */
static size_t guess_fasttext(const tfc_lang *lang, const char *text, size_t n, tfc_lang_guess *guesses,
                             size_t max)
{
    char *line = tfc_memdup_text(text, n);
    if (!line) return 0;
    for (size_t i = 0; i < n; i++)
        if (line[i] == '\n' || line[i] == '\0') line[i] = ' ';
    size_t count = tfc_fasttext_predict(lang->fasttext, line, n, guesses, max);
    tfc_free(line);
    return count;
}

size_t tfc_lang_identify(const tfc_lang *lang, const char *text, size_t n, tfc_lang_guess *guesses,
                         size_t max)
{
    enum { BYTES_MAX = 4000 }; /* more tells nothing new */
    if (n > BYTES_MAX) n = BYTES_MAX;
    return lang->fasttext ? guess_fasttext(lang, text, n, guesses, max)
                          : guess_textcat(lang, text, n, guesses, max);
}

tfc_lang_guess tfc_lang_best(const tfc_lang *lang, const char *text, size_t n)
{
    tfc_lang_guess guess = {"", 0};
    tfc_lang_identify(lang, text, n, &guess, 1);
    return guess;
}

const char *tfc_lang_source(const tfc_lang *lang)
{
    return lang->source;
}

const char *tfc_lang_version(const tfc_lang *lang)
{
    return lang->version;
}

char *tfc_languages_identifier(tfc_error *err)
{
    const tfc_lang *lang = tfc_lang_shared(err);
    char *source = lang ? tfc_strdup(lang->source) : NULL;
    if (lang && !source) tfc_fail_memory(err, "language identification");
    return source;
}
