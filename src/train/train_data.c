/* JSON lines → token sequences → an order of examples. */
#include "train/train_data.h"

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "toolformer/calls.h"

enum {
    STREAM_SPLIT = 0x73706c69, /* purposes of random streams */
    STREAM_ORDER = 0x6f726465,
    MAX_RESULT_BYTES = 1 << 30,
};

/* ---- one text ---- */

/* The tokens of the text in work, and how much their prediction counts (0: not predicted). */
typedef struct draft {
    int32_t *ids;
    float *weights;
    int64_t n, capacity;
} draft;

static bool draft_reserve(draft *d, int64_t n)
{
    if (n <= d->capacity) return true;
    int64_t capacity = n > 2 * d->capacity ? n : 2 * d->capacity;
    int32_t *ids = tfc_realloc(d->ids, (size_t)capacity, sizeof *ids);
    if (ids) d->ids = ids;
    float *weights = ids ? tfc_realloc(d->weights, (size_t)capacity, sizeof *weights) : NULL;
    if (!weights) return false;
    d->weights = weights;
    d->capacity = capacity;
    return true;
}

static tfc_status draft_id(draft *d, int32_t id, float weight, tfc_error *err)
{
    if (!draft_reserve(d, d->n + 1)) return tfc_fail_memory(err, "training text");
    d->ids[d->n] = id;
    d->weights[d->n++] = weight;
    return TFC_OK;
}

/* Appends the tokens of one piece. Special tokens written out in a corpus are text. */
static tfc_status draft_piece(draft *d, const tfc_tokenizer *tokenizer, const char *text, size_t n,
                              float weight, tfc_error *err)
{
    int32_t *ids;
    int64_t n_ids;
    if (n == 0) return TFC_OK;
    tfc_status status = tfc_tokenize(tokenizer, text, n, 0, &ids, &n_ids, err);
    if (status != TFC_OK) return status;
    bool room = draft_reserve(d, d->n + n_ids);
    for (int64_t i = 0; room && i < n_ids; i++) {
        d->ids[d->n] = ids[i];
        d->weights[d->n++] = weight;
    }
    tfc_ids_free(ids);
    return room ? TFC_OK : tfc_fail_memory(err, "training text");
}

/* ---- rows with calls ---- */

typedef struct row_call {
    size_t at;
    char *head, *tail; /* ` [Name(args) ->` and ` result]` */
    char *whole;
} row_call;

typedef struct row_calls {
    row_call *calls;
    size_t n;
} row_calls;

static void row_calls_release(row_calls *row)
{
    for (size_t i = 0; i < row->n; i++) {
        tfc_text_free(row->calls[i].head);
        tfc_text_free(row->calls[i].tail);
        tfc_free(row->calls[i].whole);
    }
    tfc_free(row->calls);
    *row = (row_calls){0};
}

static char *join(const char *a, const char *b)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    tfc_buffer_puts(&buffer, a);
    tfc_buffer_puts(&buffer, b);
    char *text = buffer.failed ? NULL : tfc_buffer_take(&buffer, NULL);
    tfc_buffer_release(&buffer);
    return text;
}

static tfc_status row_call_read(row_call *call, tfc_json *object, tfc_error *err)
{
    const char *tool, *args, *result;
    size_t n;
    int64_t at;
    tfc_status status = tfc_json_get_text(object, "tool", &tool, &n, NULL, err);
    if (status == TFC_OK) status = tfc_json_get_text(object, "args", &args, &n, NULL, err);
    if (status == TFC_OK) status = tfc_json_get_text(object, "result", &result, &n, NULL, err);
    if (status == TFC_OK) status = tfc_json_get_int(object, "at", 0, INT64_MAX, &at, NULL, err);
    if (status != TFC_OK) return status;
    call->at = (size_t)at;
    call->head = tfc_call_print_head(tool, args);
    call->tail = tfc_call_print_tail(result, MAX_RESULT_BYTES);
    if (call->head && call->tail) call->whole = join(call->head, call->tail);
    return call->whole ? TFC_OK : tfc_fail_memory(err, "calls of a training text");
}

static tfc_status row_calls_read(row_calls *row, tfc_json *array, tfc_error *err)
{
    size_t n = json_object_array_length(array);
    row->calls = tfc_alloc_zero(n, sizeof *row->calls);
    if (!row->calls) return tfc_fail_memory(err, "calls of a training text");
    for (size_t i = 0; i < n; i++) {
        tfc_json *object = json_object_array_get_idx(array, i);
        if (!json_object_is_type(object, json_type_object))
            return tfc_fail(err, TFC_EFORMAT, "\"calls\" holds something other than objects");
        row->n = i + 1;
        tfc_status status = row_call_read(&row->calls[i], object, err);
        if (status != TFC_OK) return status;
    }
    return TFC_OK;
}

/* The text must be the source with these calls in it: what is learnt is then what decoding will see. */
static tfc_status row_calls_check(const row_calls *row, const char *source, size_t n_source, const char *text,
                                  size_t n_text, tfc_error *err)
{
    tfc_call_insert *inserts = tfc_alloc(row->n, sizeof *inserts);
    if (!inserts) return tfc_fail_memory(err, "calls of a training text");
    for (size_t i = 0; i < row->n; i++) inserts[i] = (tfc_call_insert){row->calls[i].at, row->calls[i].whole};
    char *made = NULL;
    size_t n_made = 0;
    tfc_status status = tfc_calls_insert(source, n_source, inserts, row->n, &made, &n_made, err);
    tfc_free(inserts);
    if (status != TFC_OK) return status;
    size_t same = 0;
    while (same < n_made && same < n_text && made[same] == text[same]) same++;
    tfc_text_free(made);
    if (same == n_made && same == n_text) return TFC_OK;
    return tfc_fail(
        err, TFC_EFORMAT,
        "\"text\" is not \"source\" with its \"calls\" put in (they part at byte %zu of the text)", same);
}

static tfc_status draft_calls(draft *d, const tfc_tokenizer *tokenizer, const row_calls *row,
                              const char *source, size_t n_source, const tfc_train_text_options *options,
                              tfc_error *err)
{
    size_t done = 0;
    float outside = (float)options->text_weight, result = options->mask_results ? 0 : 1;
    tfc_status status = TFC_OK;
    for (size_t i = 0; status == TFC_OK && i < row->n; i++) {
        const row_call *call = &row->calls[i];
        status = draft_piece(d, tokenizer, source + done, call->at - done, outside, err);
        if (status == TFC_OK) status = draft_piece(d, tokenizer, call->head, strlen(call->head), 1, err);
        if (status == TFC_OK) status = draft_piece(d, tokenizer, call->tail, strlen(call->tail), result, err);
        done = call->at;
    }
    if (status == TFC_OK) status = draft_piece(d, tokenizer, source + done, n_source - done, outside, err);
    return status;
}

static tfc_status draft_row(draft *d, const tfc_tokenizer *tokenizer, tfc_json *object,
                            const tfc_train_text_options *options, tfc_error *err)
{
    const char *text, *source;
    size_t n_text, n_source;
    tfc_json *array;
    bool found = false;
    float outside = 1;
    row_calls row = {0};
    tfc_status status = tfc_json_get_text(object, "text", &text, &n_text, NULL, err);
    if (status == TFC_OK) status = tfc_json_get_array(object, "calls", &array, &found, err);
    if (status != TFC_OK) return status;
    if (!found || json_object_array_length(array) == 0) {
        status = draft_piece(d, tokenizer, text, n_text, 1, err);
    } else {
        status = tfc_json_get_text(object, "source", &source, &n_source, NULL, err);
        if (status == TFC_OK) status = row_calls_read(&row, array, err);
        if (status == TFC_OK) status = row_calls_check(&row, source, n_source, text, n_text, err);
        if (!options->without_calls) outside = (float)options->text_weight;
        if (status == TFC_OK && options->without_calls)
            status = draft_piece(d, tokenizer, source, n_source, 1, err);
        else if (status == TFC_OK)
            status = draft_calls(d, tokenizer, &row, source, n_source, options, err);
        row_calls_release(&row);
    }
    if (status == TFC_OK && options->add_eos && tfc_tokenizer_eos(tokenizer) >= 0)
        status = draft_id(d, tfc_tokenizer_eos(tokenizer), outside, err);
    for (int64_t i = 0; status == TFC_OK && i < d->n; i++)
        if (d->ids[i] < 0 || d->ids[i] >= options->n_vocab)
            status = tfc_fail(err, TFC_EFORMAT, "token %d is outside the model's vocabulary", d->ids[i]);
    return status;
}

/* ---- sequences ---- */

static bool texts_reserve(tfc_train_texts *t, int64_t n_ids)
{
    if (t->n + 2 > t->capacity) {
        int64_t capacity = t->capacity ? 2 * t->capacity : 64;
        int64_t *starts = tfc_realloc(t->starts, (size_t)capacity, sizeof *starts);
        if (!starts) return false;
        t->starts = starts;
        if (t->n == 0) starts[0] = 0;
        int64_t *text = tfc_realloc(t->text, (size_t)capacity, sizeof *text);
        if (!text) return false;
        t->text = text;
        t->capacity = capacity;
    }
    int64_t need = t->starts[t->n] + n_ids;
    if (need <= t->ids_capacity) return true;
    int64_t capacity = need > 2 * t->ids_capacity ? need : 2 * t->ids_capacity;
    int32_t *ids = tfc_realloc(t->ids, (size_t)capacity, sizeof *ids);
    if (!ids) return false;
    t->ids = ids;
    int32_t *targets = tfc_realloc(t->targets, (size_t)capacity, sizeof *targets);
    if (!targets) return false;
    t->targets = targets;
    float *weights = tfc_realloc(t->weights, (size_t)capacity, sizeof *weights);
    if (!weights) return false;
    t->weights = weights;
    t->ids_capacity = capacity;
    return true;
}

/* Tokens from … to-1 of the draft as a sequence, behind bos when that is ≥ 0. */
static bool texts_add(tfc_train_texts *t, const draft *d, int64_t from, int64_t to, int32_t bos)
{
    if (!texts_reserve(t, to - from + 1)) return false;
    int64_t first = t->starts[t->n], at = first;
    if (bos >= 0) t->ids[at++] = bos;
    for (int64_t i = from; i < to; i++) {
        if (at > first) {
            t->targets[at - 1] = d->weights[i] > 0 ? d->ids[i] : -1;
            t->weights[at - 1] = d->weights[i];
        }
        t->ids[at++] = d->ids[i];
    }
    t->targets[at - 1] = -1;
    t->weights[at - 1] = 0;
    t->text[t->n++] = t->n_texts;
    t->starts[t->n] = at;
    return true;
}

/* Cuts the draft. A text of which nothing is predicted is left out. */
static tfc_status texts_cut(tfc_train_texts *t, const draft *d, int32_t bos, int64_t max_tokens,
                            tfc_error *err)
{
    int64_t from = 0, room = bos >= 0 ? max_tokens - 1 : max_tokens, least = bos >= 0 ? 1 : 2;
    while (d->n - from >= least) {
        int64_t to = d->n - from < room ? d->n : from + room;
        if (!texts_add(t, d, from, to, bos)) return tfc_fail_memory(err, "training texts");
        from = bos >= 0 || to == d->n ? to : to - 1;
    }
    if (from > 0) t->n_texts++;
    return TFC_OK;
}

static tfc_status texts_line(tfc_train_texts *t, draft *d, const char *line, size_t n, const char *what,
                             const tfc_tokenizer *tokenizer, const tfc_train_text_options *options,
                             tfc_error *err)
{
    tfc_error reason;
    tfc_json *object = tfc_json_parse(line, n, what, &reason);
    if (!object) return tfc_fail(err, reason.status, "%s", reason.message);
    tfc_status status = TFC_OK;
    d->n = 0;
    if (!json_object_is_type(object, json_type_object))
        status = tfc_fail(err, TFC_EFORMAT, "a line must hold an object with \"text\"");
    if (status == TFC_OK) status = draft_row(d, tokenizer, object, options, err);
    int32_t bos = tfc_tokenizer_adds_bos(tokenizer) ? tfc_tokenizer_bos(tokenizer) : -1;
    if (status == TFC_OK) status = texts_cut(t, d, bos, options->max_tokens, err);
    if (status != TFC_OK) tfc_error_prefix(err, "%s", what);
    json_object_put(object);
    return status;
}

tfc_status tfc_train_texts_load(tfc_train_texts *texts, const char *path, const tfc_tokenizer *tokenizer,
                                const tfc_train_text_options *options, tfc_error *err)
{
    memset(texts, 0, sizeof *texts);
    tfc_file_map map;
    tfc_status status = tfc_file_map_open(&map, path, err);
    if (status != TFC_OK) return status;
    const char *data = (const char *)map.data;
    draft d = {0};
    int64_t line = 0;
    for (size_t at = 0, end; status == TFC_OK && at < map.n_bytes; at = end + 1) {
        const char *newline = memchr(data + at, '\n', map.n_bytes - at);
        end = newline ? (size_t)(newline - data) : map.n_bytes;
        size_t n = end - at;
        line++;
        if (n && data[end - 1] == '\r') n--;
        size_t blank = 0;
        while (blank < n && (data[at + blank] == ' ' || data[at + blank] == '\t')) blank++;
        if (blank == n) continue;
        char what[400];
        snprintf(what, sizeof what, "'%.300s' line %lld", path, (long long)line);
        status = texts_line(texts, &d, data + at, n, what, tokenizer, options, err);
    }
    tfc_free(d.ids);
    tfc_free(d.weights);
    tfc_file_map_close(&map);
    if (status == TFC_OK && texts->n == 0)
        status = tfc_fail(err, TFC_EFORMAT, "'%s' holds no text of at least two tokens", path);
    if (status != TFC_OK) tfc_train_texts_release(texts);
    return status;
}

void tfc_train_texts_release(tfc_train_texts *texts)
{
    tfc_free(texts->starts);
    tfc_free(texts->text);
    tfc_free(texts->ids);
    tfc_free(texts->targets);
    tfc_free(texts->weights);
    memset(texts, 0, sizeof *texts);
}

uint64_t tfc_train_texts_hash(const tfc_train_texts *t)
{
    if (t->n == 0) return 0;
    size_t n_ids = (size_t)t->starts[t->n];
    uint64_t hash = tfc_hash_bytes(t->starts, ((size_t)t->n + 1) * sizeof *t->starts, 1);
    hash = tfc_hash_bytes(t->ids, n_ids * sizeof *t->ids, hash);
    hash = tfc_hash_bytes(t->targets, n_ids * sizeof *t->targets, hash);
    return tfc_hash_bytes(t->weights, n_ids * sizeof *t->weights, hash);
}

/* ---- order ---- */

static void shuffle(int64_t *items, int64_t n, tfc_random random)
{
    for (int64_t i = 0; i < n; i++) items[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)tfc_random_below(&random, (uint64_t)i + 1), kept = items[i];
        items[i] = items[j];
        items[j] = kept;
    }
}

tfc_status tfc_train_texts_split(const tfc_train_texts *texts, double share, uint64_t seed, int64_t **train,
                                 int64_t *n_train, int64_t **held, int64_t *n_held, tfc_error *err)
{
    int64_t n = texts->n_texts, n_out = (int64_t)(share * (double)n + 0.5);
    if (share > 0 && n_out < 1) n_out = 1;
    if (n_out >= n) n_out = n - 1;
    int64_t *order = tfc_alloc((size_t)n, sizeof *order);
    bool *out = tfc_alloc_zero((size_t)n, sizeof *out);
    *train = tfc_alloc((size_t)texts->n, sizeof **train);
    *held = tfc_alloc((size_t)texts->n, sizeof **held);
    *n_train = *n_held = 0;
    tfc_status status = TFC_OK;
    if (order && out && *train && *held) {
        shuffle(order, n, tfc_random_stream(seed, STREAM_SPLIT, 0, 0));
        for (int64_t i = 0; i < n_out; i++) out[order[i]] = true;
        for (int64_t i = 0; i < texts->n; i++) {
            if (out[texts->text[i]])
                (*held)[(*n_held)++] = i;
            else
                (*train)[(*n_train)++] = i;
        }
    } else {
        tfc_free(*train);
        tfc_free(*held);
        *train = *held = NULL;
        status = tfc_fail_memory(err, "split of training texts");
    }
    tfc_free(order);
    tfc_free(out);
    return status;
}

tfc_status tfc_train_order_init(tfc_train_order *order, int64_t n_data, int64_t n_plain, double plain_share,
                                uint64_t seed, tfc_error *err)
{
    memset(order, 0, sizeof *order);
    order->seed = seed;
    order->plain_share = n_plain > 0 ? plain_share : 0;
    int64_t counts[2] = {n_data, n_plain};
    for (int i = 0; i < 2; i++) {
        order->lists[i].n = counts[i];
        order->lists[i].epoch = -1;
        order->lists[i].permutation = tfc_alloc((size_t)counts[i], sizeof(int64_t));
        if (!order->lists[i].permutation) {
            tfc_train_order_release(order);
            return tfc_fail_memory(err, "order of training texts");
        }
    }
    return TFC_OK;
}

void tfc_train_order_release(tfc_train_order *order)
{
    for (int i = 0; i < 2; i++) tfc_free(order->lists[i].permutation);
    memset(order, 0, sizeof *order);
}

int64_t tfc_train_order_at(tfc_train_order *order, int64_t place, bool *plain)
{
    /* plain texts among the first n places: floor(n * share) */
    int64_t before = (int64_t)((double)place * order->plain_share);
    *plain = (int64_t)((double)(place + 1) * order->plain_share) > before;
    int64_t i = *plain ? before : place - before, n = order->lists[*plain].n, epoch = i / n;
    int64_t *permutation = order->lists[*plain].permutation;
    if (order->lists[*plain].epoch != epoch) {
        shuffle(permutation, n, tfc_random_stream(order->seed, STREAM_ORDER, *plain, (uint64_t)epoch));
        order->lists[*plain].epoch = epoch;
    }
    return permutation[i % n];
}
