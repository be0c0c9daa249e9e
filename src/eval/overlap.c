/* A table of word sequences by their hash. Rows that share a sequence stand behind each other in it. */
#include "toolformer/overlap.h"

#include "base/random.h"
#include "eval/rows.h"

enum { GRAM = 13, LEAST = 8, WHOLE = 0 };

typedef struct known_row {
    const char *name, *id;
    int64_t seen; /* number of the text that hit it last */
    bool hit;
} known_row;

typedef struct entry {
    uint64_t hash;
    int64_t row; /* -1: empty */
} entry;

struct tfc_overlap {
    tfc_arena arena;
    known_row *rows;
    int64_t n_rows;
    size_t row_capacity;
    entry *table;
    size_t n_table, n_entries;
    bool lengths[GRAM + 1]; /* which there are; WHOLE: texts of fewer than LEAST words */
    int64_t n_texts;
};

tfc_overlap *tfc_overlap_create(tfc_error *err)
{
    tfc_overlap *overlap = tfc_alloc_zero(1, sizeof *overlap);
    if (!overlap) tfc_fail_memory(err, "overlap");
    return overlap;
}

void tfc_overlap_free(tfc_overlap *overlap)
{
    if (!overlap) return;
    tfc_free(overlap->rows);
    tfc_free(overlap->table);
    tfc_arena_release(&overlap->arena);
    tfc_free(overlap);
}

/* ---- words ---- */

typedef struct words {
    char *text;    /* " a b " */
    size_t *begin; /* [n+1]: where each word begins in it, and one past the last blank */
    size_t n;
} words;

static void words_release(words *w)
{
    tfc_free(w->text);
    tfc_free(w->begin);
}

static bool words_read(words *w, const char *text)
{
    *w = (words){.text = tfc_normal_words(text, 0, false)};
    if (!w->text) return false;
    size_t n_text = strlen(w->text);
    w->begin = tfc_alloc(n_text + 1, sizeof *w->begin);
    if (!w->begin) {
        words_release(w);
        return false;
    }
    for (size_t i = 1; i < n_text; i++)
        if (w->text[i - 1] == ' ') w->begin[w->n++] = i;
    w->begin[w->n] = n_text;
    return true;
}

static uint64_t gram_hash(const words *w, size_t from, size_t n, int length)
{
    return tfc_hash_bytes(w->text + w->begin[from], w->begin[from + n] - w->begin[from],
                          (uint64_t)length + 1);
}

/* ---- the table ---- */

static bool table_grow(tfc_overlap *o)
{
    size_t n_table = o->n_table ? 2 * o->n_table : 4096;
    entry *table = tfc_alloc(n_table, sizeof *table);
    if (!table) return false;
    for (size_t i = 0; i < n_table; i++) table[i].row = -1;
    for (size_t i = 0; i < o->n_table; i++) {
        if (o->table[i].row < 0) continue;
        size_t at = o->table[i].hash & (n_table - 1);
        while (table[at].row >= 0) at = (at + 1) & (n_table - 1);
        table[at] = o->table[i];
    }
    tfc_free(o->table);
    o->table = table;
    o->n_table = n_table;
    return true;
}

static bool table_add(tfc_overlap *o, uint64_t hash, int64_t of)
{
    if (2 * (o->n_entries + 1) > o->n_table && !table_grow(o)) return false;
    size_t at = hash & (o->n_table - 1);
    for (; o->table[at].row >= 0; at = (at + 1) & (o->n_table - 1))
        if (o->table[at].hash == hash && o->table[at].row == of) return true;
    o->table[at] = (entry){hash, of};
    o->n_entries++;
    return true;
}

/* `… The answer is` is the prompt's form, not the row's. */
static void drop_ending(words *w)
{
    static const char ending[] = " the answer is ";
    size_t n = strlen(w->text), n_ending = sizeof ending - 1;
    if (n <= n_ending || strcmp(w->text + n - n_ending, ending) != 0) return;
    w->n -= 3;
}

tfc_status tfc_overlap_add(tfc_overlap *o, const char *name, const char *id, const char *prompt,
                           tfc_error *err)
{
    words w;
    if ((size_t)o->n_rows == o->row_capacity) {
        size_t capacity = o->row_capacity ? 2 * o->row_capacity : 256;
        known_row *rows = tfc_realloc(o->rows, capacity, sizeof *rows);
        if (!rows) return tfc_fail_memory(err, "overlap");
        o->rows = rows;
        o->row_capacity = capacity;
    }
    if (!words_read(&w, prompt)) return tfc_fail_memory(err, "overlap");
    drop_ending(&w);
    known_row *r = &o->rows[o->n_rows];
    *r = (known_row){.name = tfc_arena_strndup(&o->arena, name, strlen(name)),
                     .id = tfc_arena_strndup(&o->arena, id, strlen(id)),
                     .seen = -1};
    bool ok = r->name && r->id;
    if (w.n >= LEAST) {
        size_t length = w.n < GRAM ? w.n : GRAM;
        o->lengths[length] = true;
        for (size_t i = 0; ok && i + length <= w.n; i++)
            ok = table_add(o, gram_hash(&w, i, length, (int)length), o->n_rows);
    } else if (w.n > 0) {
        o->lengths[WHOLE] = true;
        ok = ok && table_add(o, gram_hash(&w, 0, w.n, WHOLE), o->n_rows);
    }
    o->n_rows++;
    words_release(&w);
    return ok ? TFC_OK : tfc_fail_memory(err, "overlap");
}

tfc_status tfc_overlap_add_file(tfc_overlap *o, const char *name, const char *task, const char *data,
                                uint64_t seed, int64_t *n, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    if (!err) err = &own;
    tfc_eval_data_params which = {
        .task = task ? task : "prompts", .path = data, .limit = -1, .share = 1, .seed = seed};
    tfc_eval_data *rows = tfc_eval_data_open(&which, err);
    if (!rows) return err->status;
    tfc_status status = TFC_OK;
    for (int64_t i = 0; status == TFC_OK && i < rows->n; i++) {
        const tfc_eval_row *row = &rows->rows[i];
        status = tfc_overlap_add(o, name, row->id, row->question ? row->question : row->prompt, err);
    }
    if (n) *n = rows->n;
    tfc_eval_data_free(rows);
    return status;
}

/* ---- texts ---- */

typedef struct search {
    tfc_overlap *o;
    void (*each)(void *context, const char *name, const char *id);
    void *context;
    bool any;
} search;

static void look_up(search *s, uint64_t hash)
{
    tfc_overlap *o = s->o;
    if (!o->n_table) return;
    for (size_t at = hash & (o->n_table - 1); o->table[at].row >= 0; at = (at + 1) & (o->n_table - 1)) {
        if (o->table[at].hash != hash) continue;
        known_row *r = &o->rows[o->table[at].row];
        s->any = true;
        r->hit = true;
        if (r->seen == o->n_texts) continue;
        r->seen = o->n_texts;
        if (s->each) s->each(s->context, r->name, r->id);
    }
}

bool tfc_overlap_check(tfc_overlap *o, const char *text,
                       void (*each)(void *context, const char *name, const char *id), void *context,
                       bool *failed)
{
    words w;
    search s = {.o = o, .each = each, .context = context};
    if (!words_read(&w, text)) {
        if (failed) *failed = true;
        return false;
    }
    o->n_texts++;
    for (size_t length = LEAST; length <= GRAM; length++)
        for (size_t i = 0; o->lengths[length] && i + length <= w.n; i++)
            look_up(&s, gram_hash(&w, i, length, (int)length));
    if (o->lengths[WHOLE] && w.n > 0 && w.n < LEAST) look_up(&s, gram_hash(&w, 0, w.n, WHOLE));
    words_release(&w);
    return s.any;
}

int64_t tfc_overlap_n_rows_hit(const tfc_overlap *o, const char *name)
{
    int64_t n = 0;
    for (int64_t i = 0; i < o->n_rows; i++)
        n += o->rows[i].hit && (!name || strcmp(o->rows[i].name, name) == 0);
    return n;
}
