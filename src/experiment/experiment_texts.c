/* Corpora → one file of texts a variant. A row of an evaluation that stands in a text would be learnt by
 * heart: such texts are counted, named and left out. */
#include <stdio.h>

#include "base/file.h"
#include "base/random.h"
#include "experiment/experiment_run.h"
#include "toolformer/corpus.h"

enum { SHARE_SEED = 0x73686172 };

/* ---- ids over several files ---- */

typedef struct id_table {
    uint64_t *hashes; /* 0: empty */
    size_t n, n_table;
} id_table;

/* *seen: the id was there before. False: no memory. */
static bool id_add(id_table *t, const char *id, bool *seen)
{
    if (2 * (t->n + 1) > t->n_table) {
        size_t n_table = t->n_table ? 2 * t->n_table : 4096;
        uint64_t *hashes = tfc_alloc_zero(n_table, sizeof *hashes);
        if (!hashes) return false;
        for (size_t i = 0; i < t->n_table; i++) {
            if (!t->hashes[i]) continue;
            size_t at = t->hashes[i] & (n_table - 1);
            while (hashes[at]) at = (at + 1) & (n_table - 1);
            hashes[at] = t->hashes[i];
        }
        tfc_free(t->hashes);
        t->hashes = hashes;
        t->n_table = n_table;
    }
    uint64_t hash = tfc_hash_bytes(id, strlen(id), 0) | 1;
    size_t at = hash & (t->n_table - 1);
    while (t->hashes[at] && t->hashes[at] != hash) at = (at + 1) & (t->n_table - 1);
    *seen = t->hashes[at] != 0;
    if (!*seen) t->n++;
    t->hashes[at] = hash;
    return true;
}

/* ---- one set of texts ---- */

typedef struct making {
    tfc_exp *exp;
    tfc_exp_texts *texts;
    tfc_overlap *overlap; /* NULL: no evaluations */
    const char *id;       /* of the text in work */
    id_table ids;
    tfc_buffer out;
    int64_t n_hits;
} making;

static void on_overlap(void *context, const char *evaluation, const char *row)
{
    making *m = context;
    tfc_buffer *json = &m->texts->overlap;
    tfc_buffer_puts(json, m->n_hits++ ? ",{\"text\":" : "{\"text\":");
    tfc_buffer_json(json, m->id, strlen(m->id));
    tfc_buffer_puts(json, ",\"evaluation\":");
    tfc_buffer_json(json, evaluation, strlen(evaluation));
    tfc_buffer_puts(json, ",\"row\":");
    tfc_buffer_json(json, row, strlen(row));
    tfc_buffer_putc(json, '}');
}

static void put_member(tfc_buffer *json, const char *key, const char *text)
{
    if (!text) return;
    tfc_buffer_printf(json, ",\"%s\":", key);
    tfc_buffer_json(json, text, strlen(text));
}

static tfc_status add_text(making *m, const tfc_snippet *text, const char *kind, int64_t *n, tfc_error *err)
{
    char id[640];
    bool seen, failed = false;
    snprintf(id, sizeof id, "%.400s", text->id);
    if (!id_add(&m->ids, id, &seen)) return tfc_fail_memory(err, "texts");
    if (seen) { /* another file has that id, too */
        snprintf(id, sizeof id, "%.100s/%.400s", kind, text->id);
        if (!id_add(&m->ids, id, &seen)) return tfc_fail_memory(err, "texts");
        if (seen)
            return tfc_fail(err, TFC_ECONFLICT, "the id '%.200s' stands in two texts of '%s'", id, kind);
    }
    m->id = id;
    m->texts->n_read++;
    bool hit = m->overlap && tfc_overlap_check(m->overlap, text->text, on_overlap, m, &failed);
    if (failed) return tfc_fail_memory(err, "overlap");
    m->texts->n_overlap_texts += hit;
    if (hit && m->exp->file.drop_overlap) return TFC_OK;
    tfc_buffer_puts(&m->out, "{\"id\":");
    tfc_buffer_json(&m->out, id, strlen(id));
    put_member(&m->out, "kind", kind);
    put_member(&m->out, "date", text->date);
    put_member(&m->out, "url", text->url);
    tfc_buffer_puts(&m->out, ",\"text\":");
    tfc_buffer_json(&m->out, text->text, text->n_bytes);
    tfc_buffer_puts(&m->out, "}\n");
    m->texts->n++;
    ++*n;
    return tfc_buffer_ok(&m->out, "texts", err);
}

/* A share keeps the same texts whatever else is in the corpus. */
static bool drawn(const tfc_exp_corpus *corpus, const char *id)
{
    if (corpus->share >= 1) return true;
    tfc_random random = tfc_random_stream(SHARE_SEED, tfc_hash_bytes(id, strlen(id), 0), 0, 0);
    return tfc_random_uniform(&random) < corpus->share;
}

static tfc_status add_file(making *m, const tfc_exp_corpus *corpus, const char *path, int64_t *n,
                           tfc_error *err)
{
    tfc_corpus_params params = tfc_corpus_params_default();
    params.files = &path;
    params.n_files = 1;
    params.limit = corpus->limit;
    params.max_tokens = 0;
    uint64_t hash;
    int64_t before = *n;
    tfc_status status = tfc_path_hash(path, &hash, err);
    if (status != TFC_OK) return status;
    tfc_corpus *read = tfc_corpus_open(&params, NULL, m->exp->monitor, err);
    if (!read) return err->status;
    for (int64_t i = 0; status == TFC_OK && i < tfc_corpus_n_snippets(read); i++) {
        const tfc_snippet *text = tfc_corpus_snippet(read, i);
        if (drawn(corpus, text->id)) status = add_text(m, text, corpus->kind, n, err);
    }
    tfc_corpus_free(read);
    tfc_buffer *files = &m->texts->files;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    tfc_buffer_puts(files, files->n ? ",{\"file\":" : "{\"file\":");
    tfc_buffer_json(files, name, strlen(name));
    put_member(files, "kind", corpus->kind);
    tfc_buffer_printf(files, ",\"hash\":\"%016llx\",\"texts\":%lld}", (unsigned long long)hash,
                      (long long)(*n - before));
    return status;
}

static tfc_status add_corpus(making *m, const tfc_exp_corpus *corpus, tfc_error *err)
{
    tfc_exp_texts *t = m->texts;
    size_t k = 0;
    while (k < t->n_kinds && strcmp(t->kinds[k].kind, corpus->kind) != 0) k++;
    if (k == t->n_kinds) t->kinds[t->n_kinds++].kind = corpus->kind;
    tfc_status status = TFC_OK;
    for (size_t i = 0; status == TFC_OK && i < corpus->n_files; i++) {
        status = add_file(m, corpus, corpus->files[i], &t->kinds[k].n, err);
        if (status == TFC_OK && tfc_should_stop(m->exp->monitor))
            status = tfc_fail(err, TFC_EINTERRUPTED, "interrupted");
    }
    return status;
}

static tfc_status save_texts(making *m, tfc_error *err)
{
    tfc_exp_texts *t = m->texts;
    if (t->n == 0)
        return tfc_fail(err, TFC_EFORMAT, "'%s': %s", m->exp->file.path,
                        t->n_read ? "every text overlaps with the evaluations" : "the corpora hold no text");
    t->hash = tfc_hash_bytes(m->out.data, m->out.n, 0);
    char *folder = tfc_path_join(m->exp->params->out, "texts"), name[40];
    snprintf(name, sizeof name, "%016llx.jsonl", (unsigned long long)t->hash);
    t->path = folder ? tfc_path_join(folder, name) : NULL;
    tfc_status status = t->path ? tfc_folder_make(folder, err) : tfc_fail_memory(err, "texts");
    if (status == TFC_OK && !tfc_file_exists(t->path))
        status = tfc_file_write_whole(t->path, m->out.data, m->out.n, err);
    tfc_free(folder);
    return status;
}

static tfc_status overlap_open(tfc_exp *exp, tfc_overlap **overlap, tfc_error *err)
{
    const tfc_exp_variant *main = &exp->file.variants[0];
    *overlap = tfc_overlap_create(err);
    if (!*overlap) return TFC_ENOMEM;
    tfc_status status = TFC_OK;
    for (size_t i = 0; status == TFC_OK && i < main->n_evaluations; i++) {
        const tfc_exp_evaluation *e = &main->evaluations[i];
        status = tfc_overlap_add_file(*overlap, e->name, e->task, e->data, (uint64_t)e->seed, NULL, err);
    }
    return status;
}

static tfc_status make_one(tfc_exp *exp, tfc_exp_texts *t, tfc_error *err)
{
    making m = {.exp = exp, .texts = t};
    tfc_buffer_init(&m.out, (size_t)4 << 30);
    tfc_buffer_init(&t->overlap, (size_t)256 << 20);
    tfc_buffer_init(&t->files, 1 << 20);
    tfc_status status = overlap_open(exp, &m.overlap, err);
    for (size_t i = 0; status == TFC_OK && i < t->variant->n_corpora; i++)
        status = add_corpus(&m, &t->variant->corpora[i], err);
    if (status == TFC_OK) status = tfc_buffer_ok(&t->overlap, "overlap", err);
    if (status == TFC_OK) status = tfc_buffer_ok(&t->files, "corpora", err);
    if (status == TFC_OK) t->n_overlap_rows = tfc_overlap_n_rows_hit(m.overlap, NULL);
    if (status == TFC_OK) status = save_texts(&m, err);
    tfc_overlap_free(m.overlap);
    tfc_free(m.ids.hashes);
    tfc_buffer_release(&m.out);
    return status;
}

/* Two variants with one signature have one file of texts. */
static char *signature_of(const tfc_exp_variant *v)
{
    tfc_buffer b;
    tfc_buffer_init(&b, 1 << 24);
    for (size_t i = 0; i < v->n_corpora; i++) {
        const tfc_exp_corpus *c = &v->corpora[i];
        tfc_buffer_printf(&b, "%s %lld %.17g", c->kind, (long long)c->limit, c->share);
        for (size_t j = 0; j < c->n_files; j++) tfc_buffer_printf(&b, " %s", c->files[j]);
        tfc_buffer_putc(&b, '\n');
    }
    char *text = b.failed ? NULL : tfc_buffer_take(&b, NULL);
    tfc_buffer_release(&b);
    return text;
}

tfc_status tfc_exp_texts_make(tfc_exp *exp, tfc_error *err)
{
    size_t n = exp->file.n_variants;
    exp->texts = tfc_alloc_zero(n, sizeof *exp->texts);
    exp->texts_of = tfc_alloc_zero(n, sizeof *exp->texts_of);
    if (!exp->texts || !exp->texts_of) return tfc_fail_memory(err, "texts");
    tfc_status status = TFC_OK;
    for (size_t v = 0; status == TFC_OK && v < n; v++) {
        char *signature = signature_of(&exp->file.variants[v]);
        if (!signature) return tfc_fail_memory(err, "texts");
        size_t i = 0;
        while (i < exp->n_texts && strcmp(exp->texts[i].signature, signature) != 0) i++;
        exp->texts_of[v] = &exp->texts[i];
        if (i < exp->n_texts) {
            tfc_free(signature);
            continue;
        }
        exp->texts[exp->n_texts++] =
            (tfc_exp_texts){.variant = &exp->file.variants[v], .signature = signature};
        status = make_one(exp, &exp->texts[i], err);
    }
    return status;
}

void tfc_exp_texts_release(tfc_exp *exp)
{
    for (size_t i = 0; i < exp->n_texts; i++) {
        tfc_free(exp->texts[i].signature);
        tfc_free(exp->texts[i].path);
        tfc_buffer_release(&exp->texts[i].overlap);
        tfc_buffer_release(&exp->texts[i].files);
    }
    tfc_free(exp->texts);
    tfc_free(exp->texts_of);
}
