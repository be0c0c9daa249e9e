/* MT (PAPER 2.3): text in another language into English. The language is told by lang/; the translation is
 * Apertium's, or that of a service. For Apertium a text whose language is not told surely, as a word or two,
 * is tried in the likely ones: the dictionary that knows most of its words decides. */
#include <pthread.h>
#include <stdio.h>

#include "base/json.h"
#include "lang/lang.h"
#include "toolformer/languages.h"
#include "tools/apertium.h"
#include "tools/backend.h"
#include "tools/foreign.h"
#include "tools/translate_http.h"

static const double sure = 0.5, possible = 0.03; /* confidences */
enum { GUESSES = 5 };

typedef struct mt {
    const char *modes;
    tfc_translate_service service; /* used where its url is not NULL */
    pthread_mutex_t lock;          /* of: */
    tfc_apertium *apertium;        /* NULL until a call or `prepare` needs it */
} mt;

static tfc_status read_text(tfc_json *json, const char *key, const char **out, tfc_arena *arena,
                            tfc_error *err)
{
    const char *text;
    size_t n;
    bool found;
    tfc_status status = tfc_json_get_text(json, key, &text, &n, &found, err);
    if (status != TFC_OK || !found) return status;
    if (n == 0 || strlen(text) != n)
        return tfc_fail(err, TFC_EFORMAT, "%s: a text without NULs expected", key);
    *out = tfc_arena_strndup(arena, text, n);
    return *out ? TFC_OK : tfc_fail_memory(err, key);
}

static tfc_status read_fields(mt *self, tfc_json *json, tfc_arena *arena, tfc_error *err)
{
    static const char *const keys[] = {"type", "modes", "url", "api_key_env", NULL};
    tfc_status status = tfc_json_only_keys(json, keys, err);
    if (status == TFC_OK) status = read_text(json, "modes", &self->modes, arena, err);
    if (status == TFC_OK) status = read_text(json, "url", &self->service.url, arena, err);
    if (status == TFC_OK) status = read_text(json, "api_key_env", &self->service.api_key_env, arena, err);
    if (status != TFC_OK || !self->service.url) return status;
    if (!tfc_http_url_valid(self->service.url))
        return tfc_fail(err, TFC_EFORMAT, "url: an address that begins with http:// or https:// expected");
    self->service.client = tfc_http_client_create(NULL, err);
    return self->service.client ? TFC_OK : TFC_ENOMEM;
}

static tfc_status mt_open(tfc_tool *tool, tfc_json *json, const char *folder, tfc_arena *arena,
                          tfc_error *err)
{
    (void)folder;
    mt *self = tfc_arena_alloc(arena, 1, sizeof *self);
    if (!self) return tfc_fail_memory(err, "MT");
    self->modes = tfc_apertium_modes;
    if (json_object_is_type(json, json_type_object)) {
        tfc_status status = read_fields(self, json, arena, err);
        if (status != TFC_OK) return status;
    }
    pthread_mutex_init(&self->lock, NULL);
    tool->state = self;
    return TFC_OK;
}

static tfc_apertium *apertium_of(mt *self, tfc_error *err)
{
    pthread_mutex_lock(&self->lock);
    if (!self->apertium) self->apertium = tfc_apertium_open(self->modes, NULL, err);
    tfc_apertium *apertium = self->apertium;
    pthread_mutex_unlock(&self->lock);
    return apertium;
}

static tfc_status mt_prepare(const tfc_tool *tool, tfc_error *err)
{
    mt *self = tool->state;
    bool ready = tfc_lang_shared(err) && (self->service.url || apertium_of(self, err));
    return ready ? TFC_OK : err ? err->status : TFC_ENOTFOUND;
}

static bool same_text(const char *a, size_t n, const char *b)
{
    return strlen(b) == n && strncasecmp(a, b, n) == 0;
}

static double known_share(const tfc_translation *t)
{
    return t->n_words ? 1 - (double)t->n_unknown / (double)t->n_words : 0;
}

/* The likely languages in turn; the translation with the largest share of known words stays in *best. */
static tfc_status try_languages(tfc_apertium *apertium, const tfc_lang_guess *guesses, size_t n_guesses,
                                const char *text, size_t n, int64_t deadline_ns, tfc_translation *best,
                                size_t *n_tried, tfc_error *err)
{
    bool is_sure = guesses[0].confidence >= sure;
    for (size_t g = 0; g < n_guesses && guesses[g].confidence >= possible && (g == 0 || !is_sure); g++) {
        tfc_translation translation;
        if (strcmp(guesses[g].code, "en") == 0 || !tfc_apertium_knows(apertium, guesses[g].code)) continue;
        tfc_status status =
            tfc_apertium_translate(apertium, guesses[g].code, text, n, deadline_ns, &translation, err);
        if (status != TFC_OK) return status;
        bool better = ++*n_tried == 1 || known_share(&translation) > known_share(best);
        tfc_free(better ? best->text : translation.text);
        if (better) *best = translation;
        if (best->n_unknown == 0 && best->n_words > 0) break;
    }
    return TFC_OK;
}

/* Why there is none, or *result. */
static tfc_status judge(const tfc_lang_guess *guess, size_t n_tried, const char *text, size_t n,
                        tfc_translation *best, char **result, tfc_error *err)
{
    int shown = n < 80 ? (int)n : 80;
    if (n_tried == 0 && guess->confidence < sure)
        return tfc_fail(err, TFC_ENORESULT, "the language of '%.*s' is not known", shown, text);
    if (n_tried == 0) return tfc_fail(err, TFC_ENORESULT, "no pair from '%s' into English", guess->code);
    if (known_share(best) < 0.5)
        return tfc_fail(err, TFC_ENORESULT, "most words of '%.*s' are in no dictionary", shown, text);
    if (same_text(text, n, best->text))
        return tfc_fail(err, TFC_ENORESULT, "'%.*s' is the same in English", shown, text);
    *result = best->text;
    best->text = NULL;
    return TFC_OK;
}

static tfc_status mt_call(const tfc_tool *tool, const char *args, const tfc_tool_context *context,
                          int64_t deadline_ns, char **result, tfc_error *err)
{
    (void)context;
    const tfc_lang *lang = tfc_lang_shared(err);
    if (!lang) return err ? err->status : TFC_ENOTFOUND;
    size_t n = strlen(args);
    if (n >= 2 && args[0] == '"' && args[n - 1] == '"') {
        args++;
        n -= 2;
    }
    tfc_lang_guess guesses[GUESSES] = {{"", 0}};
    size_t n_guesses = tfc_lang_identify(lang, args, n, guesses, GUESSES), n_tried = 0;
    if (n == 0 || n_guesses == 0)
        return tfc_fail(err, TFC_ENORESULT, "the language of '%.80s' is not known", args);
    if (strcmp(guesses[0].code, "en") == 0 && guesses[0].confidence >= sure)
        return tfc_fail(err, TFC_ENORESULT, "'%.80s' is English already", args);
    mt *self = tool->state;
    if (self->service.url)
        return tfc_translate_http(&self->service, guesses[0].confidence >= sure ? guesses[0].code : "auto",
                                  args, n, deadline_ns, result, err);
    tfc_apertium *apertium = apertium_of(self, err);
    if (!apertium) return err ? err->status : TFC_ENOTFOUND;
    tfc_translation best = {0};
    tfc_status status =
        try_languages(apertium, guesses, n_guesses, args, n, deadline_ns, &best, &n_tried, err);
    if (status == TFC_OK) status = judge(&guesses[0], n_tried, args, n, &best, result, err);
    tfc_free(best.text);
    return status;
}

static void mt_close(tfc_tool *tool)
{
    mt *self = tool->state;
    if (!self) return;
    tfc_apertium_close(self->apertium);
    tfc_http_client_free(self->service.client);
    pthread_mutex_destroy(&self->lock);
    tool->state = NULL;
}

const tfc_backend_type tfc_backend_mt = {.name = "builtin:mt",
                                         .open = mt_open,
                                         .prepare = mt_prepare,
                                         .available = mt_prepare,
                                         .call = mt_call,
                                         .close = mt_close,
                                         .enumerate = tfc_foreign_enumerate};

char *tfc_languages_translated(tfc_error *err)
{
    tfc_apertium *apertium = tfc_apertium_open(tfc_apertium_modes, NULL, err);
    char *list = apertium ? tfc_apertium_languages(apertium) : NULL;
    if (apertium && !list) tfc_fail_memory(err, "languages");
    tfc_apertium_close(apertium);
    return list;
}
