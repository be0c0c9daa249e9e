/* The language pairs that are installed, and the ways into English that they make. */
#include "tools/apertium.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "tools/pipeline.h"
#include "tools/process.h"

const char tfc_apertium_modes[] = "/usr/share/apertium/modes";

enum { CODE_BYTES = 4, PAIRS_MAX = 400, ROUTES_MAX = 80, ANSWER_BYTES_MAX = 1 << 20 };
static const int64_t patience_ns = (int64_t)20 * 1000000000;

typedef struct pair {
    const char *name; /* "spa-eng" */
    char from[CODE_BYTES], to[CODE_BYTES];
} pair;

typedef struct route {
    char code[CODE_BYTES];
    const char *pairs[2]; /* the second NULL where one is enough */
    const char *by;       /* the language between, or NULL */
    pthread_mutex_t lock; /* of what follows */
    tfc_mode mode;        /* no stages: not read yet */
    tfc_pipeline pipeline;
    uint64_t n_asked;
} route;

struct tfc_apertium {
    tfc_arena arena;
    pthread_mutex_t arena_lock;
    const char *modes, *programs;
    route routes[ROUTES_MAX];
    size_t n_routes;
};

/* Modes are named by ISO 639-3 or 639-1; languages are told apart by the latter where there is one. */
static bool read_code(const char *text, size_t n, char out[CODE_BYTES])
{
    static const char codes[][2][CODE_BYTES] = {
        {"afr", "af"}, {"ara", "ar"}, {"arg", "an"}, {"bel", "be"}, {"bre", "br"}, {"bul", "bg"},
        {"cat", "ca"}, {"ces", "cs"}, {"cym", "cy"}, {"dan", "da"}, {"deu", "de"}, {"ell", "el"},
        {"eng", "en"}, {"epo", "eo"}, {"eus", "eu"}, {"fin", "fi"}, {"fra", "fr"}, {"gle", "ga"},
        {"glg", "gl"}, {"hbs", "sh"}, {"hin", "hi"}, {"ind", "id"}, {"isl", "is"}, {"ita", "it"},
        {"kaz", "kk"}, {"mkd", "mk"}, {"mlt", "mt"}, {"nld", "nl"}, {"nno", "nn"}, {"nob", "nb"},
        {"oci", "oc"}, {"pol", "pl"}, {"por", "pt"}, {"ron", "ro"}, {"rus", "ru"}, {"slv", "sl"},
        {"spa", "es"}, {"srd", "sc"}, {"swe", "sv"}, {"tat", "tt"}, {"tur", "tr"}, {"ukr", "uk"},
        {"urd", "ur"}, {"zho", "zh"}, {"zlm", "ms"},
    };
    if (n < 2 || n >= CODE_BYTES) return false;
    for (size_t i = 0; i < n; i++)
        if (text[i] < 'a' || text[i] > 'z') return false;
    snprintf(out, CODE_BYTES, "%.*s", (int)n, text);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(codes[i][0], out) == 0) memcpy(out, codes[i][1], CODE_BYTES);
    return true;
}

/* "spa-eng.mode"; variants ("spa-eng_US", "eo-en-bytecode") are left out. */
static bool read_name(const char *file, pair *out)
{
    const char *dash = strchr(file, '-'), *dot = strchr(file, '.');
    return dash && dot && dash < dot && strcmp(dot, ".mode") == 0 &&
           read_code(file, (size_t)(dash - file), out->from) &&
           read_code(dash + 1, (size_t)(dot - dash) - 1, out->to);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const pair *)a)->name, ((const pair *)b)->name);
}

static tfc_status list_pairs(tfc_apertium *apertium, pair *pairs, size_t *n, tfc_error *err)
{
    DIR *folder = opendir(apertium->modes);
    tfc_status status = TFC_OK;
    *n = 0;
    for (struct dirent *entry; folder && status == TFC_OK && *n < PAIRS_MAX && (entry = readdir(folder));) {
        if (!read_name(entry->d_name, &pairs[*n])) continue;
        pairs[*n].name = tfc_arena_strndup(&apertium->arena, entry->d_name,
                                           (size_t)(strchr(entry->d_name, '.') - entry->d_name));
        if (!pairs[*n].name) status = tfc_fail_memory(err, "language pairs");
        ++*n;
    }
    if (folder) closedir(folder);
    if (status == TFC_OK) qsort(pairs, *n, sizeof *pairs, by_name);
    return status;
}

static route *find_route(tfc_apertium *apertium, const char *code)
{
    /* One language to Apertium. */
    static const char *const serbo_croatian[] = {"hr", "sr", "bs"};
    for (size_t i = 0; i < sizeof serbo_croatian / sizeof *serbo_croatian; i++)
        if (strcmp(code, serbo_croatian[i]) == 0) code = "sh";
    for (size_t i = 0; i < apertium->n_routes; i++)
        if (strcmp(apertium->routes[i].code, code) == 0) return &apertium->routes[i];
    return NULL;
}

static void add_route(tfc_apertium *apertium, const pair *first, const route *rest)
{
    if (apertium->n_routes == ROUTES_MAX || strcmp(first->from, "en") == 0 ||
        find_route(apertium, first->from))
        return;
    route *added = &apertium->routes[apertium->n_routes++];
    *added = (route){.pairs = {first->name, rest ? rest->pairs[0] : NULL}, .by = rest ? rest->code : NULL};
    memcpy(added->code, first->from, CODE_BYTES);
    pthread_mutex_init(&added->lock, NULL);
}

/* Pairs into English; then those into one of their languages. Spanish comes first: its pairs are the oldest
 * and the largest. */
static void make_routes(tfc_apertium *apertium, const pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(pairs[i].to, "en") == 0) add_route(apertium, &pairs[i], NULL);
    size_t n_direct = apertium->n_routes;
    for (int others = 0; others < 2; others++)
        for (size_t r = 0; r < n_direct; r++) {
            const route *rest = &apertium->routes[r];
            if ((strcmp(rest->code, "es") != 0) != (others == 1)) continue;
            for (size_t i = 0; i < n; i++)
                if (strcmp(pairs[i].to, rest->code) == 0) add_route(apertium, &pairs[i], rest);
        }
}

tfc_apertium *tfc_apertium_open(const char *modes, const char *programs, tfc_error *err)
{
    tfc_apertium *apertium = tfc_alloc_zero(1, sizeof *apertium);
    pair *pairs = tfc_alloc(PAIRS_MAX, sizeof *pairs);
    tfc_status status = apertium && pairs ? TFC_OK : tfc_fail_memory(err, "language pairs");
    size_t n = 0;
    if (status == TFC_OK) {
        pthread_mutex_init(&apertium->arena_lock, NULL);
        apertium->modes = tfc_arena_strndup(&apertium->arena, modes, strlen(modes));
        if (!programs) programs = "/usr/bin";
        apertium->programs = tfc_arena_strndup(&apertium->arena, programs, strlen(programs));
        status = apertium->modes && apertium->programs ? list_pairs(apertium, pairs, &n, err)
                                                       : tfc_fail_memory(err, "language pairs");
    }
    if (status == TFC_OK) make_routes(apertium, pairs, n);
    tfc_free(pairs);
    if (status == TFC_OK && apertium->n_routes > 0) return apertium;
    if (status == TFC_OK)
        tfc_fail(err, TFC_ENOTFOUND,
                 "no language pair of Apertium into English in %.200s; scripts/setup-mt.sh installs them",
                 modes);
    tfc_apertium_close(apertium);
    return NULL;
}

void tfc_apertium_close(tfc_apertium *apertium)
{
    if (!apertium) return;
    for (size_t i = 0; i < apertium->n_routes; i++) {
        tfc_pipeline_end(&apertium->routes[i].pipeline);
        pthread_mutex_destroy(&apertium->routes[i].lock);
    }
    pthread_mutex_destroy(&apertium->arena_lock);
    tfc_arena_release(&apertium->arena);
    tfc_free(apertium);
}

char *tfc_apertium_languages(const tfc_apertium *apertium)
{
    tfc_buffer text;
    tfc_buffer_init(&text, 1 << 16);
    for (size_t i = 0; i < apertium->n_routes; i++) {
        const route *r = &apertium->routes[i];
        tfc_buffer_printf(&text, "%s%s", i ? ", " : "", r->code);
        if (r->by) tfc_buffer_printf(&text, " (by way of %s)", r->by);
    }
    char *list = text.failed ? NULL : tfc_buffer_take(&text, NULL);
    tfc_buffer_release(&text);
    return list;
}

bool tfc_apertium_knows(const tfc_apertium *apertium, const char *code)
{
    return find_route((tfc_apertium *)(uintptr_t)apertium, code) != NULL;
}

/* The stages of one pair behind those that are there. Words that the first of two pairs does not know go on
 * unmarked: the second one marks them. */
static tfc_status read_pair(tfc_apertium *apertium, route *r, const char *name, bool marks, tfc_error *err)
{
    char path[4200], *text;
    size_t n;
    snprintf(path, sizeof path, "%s/%s.mode", apertium->modes, name);
    tfc_status status = tfc_file_read(path, TFC_MODE_BYTES_MAX, &text, &n, err);
    if (status != TFC_OK) return status;
    pthread_mutex_lock(&apertium->arena_lock);
    status = tfc_mode_read(text, n, marks, &apertium->arena, &r->mode, err);
    pthread_mutex_unlock(&apertium->arena_lock);
    tfc_free(text);
    return status == TFC_OK ? status : tfc_error_prefix(err, "%s", path);
}

static tfc_status start(tfc_apertium *apertium, route *r, tfc_error *err)
{
    tfc_status status = TFC_OK;
    if (r->mode.n_stages == 0) {
        status = read_pair(apertium, r, r->pairs[0], !r->pairs[1], err);
        if (status == TFC_OK && r->pairs[1]) status = read_pair(apertium, r, r->pairs[1], true, err);
        if (status != TFC_OK) r->mode.n_stages = 0;
    }
    return status == TFC_OK ? tfc_pipeline_start(&r->pipeline, &r->mode, apertium->programs, err) : status;
}

/* One question to a route whose lock is held. A pipeline that ran before may have been dead for long: it gets
 * a second one, started anew. */
static tfc_status ask(tfc_apertium *apertium, route *r, const char *text, size_t n, int64_t deadline_ns,
                      tfc_translation *out, tfc_error *err)
{
    tfc_buffer request, answer;
    tfc_buffer_init(&request, ANSWER_BYTES_MAX);
    tfc_buffer_init(&answer, ANSWER_BYTES_MAX);
    char nonce[40];
    snprintf(nonce, sizeof nonce, "tfc-%llx", (unsigned long long)++r->n_asked);
    tfc_apertium_request(text, n, nonce, &request);
    tfc_status status = tfc_buffer_ok(&request, "the text to translate", err);
    bool asked = false;
    if (status == TFC_OK && r->pipeline.n_stages > 0) {
        status = tfc_pipeline_ask(&r->pipeline, request.data, request.n, deadline_ns, &answer, err);
        asked = status != TFC_EIO;
        if (!asked) status = TFC_OK;
    }
    if (status == TFC_OK && !asked) status = start(apertium, r, err);
    if (status == TFC_OK && !asked)
        status = tfc_pipeline_ask(&r->pipeline, request.data, request.n, deadline_ns, &answer, err);
    if (status == TFC_OK) {
        status = tfc_apertium_answer(answer.data ? answer.data : "", answer.n, nonce, out, err);
        if (status != TFC_OK) tfc_pipeline_end(&r->pipeline);
    }
    tfc_buffer_release(&request);
    tfc_buffer_release(&answer);
    return status;
}

tfc_status tfc_apertium_translate(tfc_apertium *apertium, const char *code, const char *text, size_t n,
                                  int64_t deadline_ns, tfc_translation *out, tfc_error *err)
{
    *out = (tfc_translation){0};
    route *r = find_route(apertium, code);
    if (!r) return tfc_fail(err, TFC_ENOTFOUND, "no pair from '%.10s' into English", code);
    if (deadline_ns == 0) deadline_ns = tfc_monotonic_ns() + patience_ns;
    const struct timespec until = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    tfc_status status = TFC_OK;
    if (pthread_mutex_clocklock(&r->lock, CLOCK_MONOTONIC, &until) != 0)
        status = tfc_fail(err, TFC_ETIMEOUT, "busy with other texts until the deadline");
    if (status == TFC_OK) {
        tfc_error own;
        tfc_error_init(&own);
        status = ask(apertium, r, text, n, deadline_ns, out, &own);
        pthread_mutex_unlock(&r->lock);
        if (status != TFC_OK && err) *err = own;
    }
    return status == TFC_OK ? status
                            : tfc_error_prefix(err, "Apertium %s%s%s", r->pairs[0],
                                               r->pairs[1] ? " and " : "", r->pairs[1] ? r->pairs[1] : "");
}
