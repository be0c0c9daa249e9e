/* The checkpoint file, little-endian like every machine that this runs on:
 *
 *   header     magic, sizes, state, checksum of header, settings and losses; 128 bytes
 *   settings   text, padded to 64 bytes
 *   losses     f64 [step], padded to 64 bytes
 *   arrays     f32 [n_arrays][n_values]
 *   checksum   u64 over all of the above
 *
 * The arrays are read straight to where they belong: they are too large to be held twice. */
#include "train/checkpoint.h"

#include <stddef.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/random.h"

enum { MAX_SETTINGS = 1 << 16, MAX_STEPS = 1000000000 };
static const char magic[8] = {'T', 'F', 'C', 'C', 'K', 'P', 'T', 1};

typedef struct header {
    char magic[8];
    uint64_t n_settings, n_arrays, n_values;
    int64_t step, tokens, evaluated_step, best_step;
    double dev_loss_before, dev_loss_best, seconds;
    uint64_t head_sum; /* taken with 0 in this place */
    uint64_t reserved[4];
} header;
_Static_assert(sizeof(header) == 128, "the header has no gaps");

static size_t padded(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

/* The part before the arrays, as bytes. */
static bool head_build(tfc_buffer *head, const char *settings, const tfc_train_state *state,
                       const tfc_param_set *params, int n_arrays)
{
    static const char zeros[64] = {0};
    header h = {.n_settings = strlen(settings),
                .n_arrays = (uint64_t)n_arrays,
                .n_values = (uint64_t)params->n_values,
                .step = state->step,
                .tokens = state->tokens,
                .evaluated_step = state->evaluated_step,
                .best_step = state->best_step,
                .dev_loss_before = state->dev_loss_before,
                .dev_loss_best = state->dev_loss_best,
                .seconds = state->seconds};
    memcpy(h.magic, magic, sizeof magic);
    size_t n_losses = (size_t)state->step * sizeof(double);
    tfc_buffer_append(head, &h, sizeof h);
    tfc_buffer_append(head, settings, h.n_settings);
    tfc_buffer_append(head, zeros, padded(head->n) - head->n);
    tfc_buffer_append(head, state->losses, n_losses);
    if (!tfc_buffer_append(head, zeros, padded(head->n) - head->n)) return false;
    uint64_t sum = tfc_hash_bytes(head->data, head->n, 0);
    memcpy(head->data + offsetof(header, head_sum), &sum, sizeof sum);
    return true;
}

static bool checksum(const tfc_buffer *head, const float *const *arrays, int n_arrays,
                     const tfc_param_set *params, tfc_pool *pool, uint64_t *sum)
{
    *sum = tfc_hash_bytes(head->data, head->n, 0);
    for (int i = 0; i < n_arrays; i++) {
        uint64_t hash;
        if (!tfc_param_set_hash(params, arrays[i], pool, &hash)) return false;
        *sum = tfc_hash_bytes(&hash, sizeof hash, *sum);
    }
    return true;
}

tfc_status tfc_checkpoint_save(const char *path, const char *settings, const tfc_train_state *state,
                               const tfc_param_set *params, tfc_checkpoint_kind kind, tfc_pool *pool,
                               tfc_error *err)
{
    const int n_arrays = (int)kind;
    const float *arrays[3] = {params->w, params->m, params->v};
    tfc_buffer head;
    tfc_buffer_init(&head, 0);
    head_build(&head, settings, state, params, n_arrays);
    tfc_status status = tfc_buffer_ok(&head, "checkpoint", err);
    uint64_t sum = 0;
    if (status == TFC_OK && !checksum(&head, arrays, n_arrays, params, pool, &sum))
        status = tfc_fail_memory(err, "checkpoint");
    tfc_file_writer writer = {0};
    if (status == TFC_OK) status = tfc_file_writer_open(&writer, path, err);
    if (status == TFC_OK) status = tfc_file_writer_write(&writer, head.data, head.n, err);
    for (int i = 0; status == TFC_OK && i < n_arrays; i++)
        status = tfc_file_writer_write(&writer, arrays[i], (size_t)params->n_values * sizeof(float), err);
    if (status == TFC_OK) status = tfc_file_writer_write(&writer, &sum, sizeof sum, err);
    if (status == TFC_OK)
        status = tfc_file_writer_commit(&writer, err);
    else
        tfc_file_writer_abort(&writer);
    tfc_buffer_release(&head);
    return status;
}

/* "lr = 0.1" of text where it parts from `other`; NULL when they are equal. */
static const char *first_difference(const char *text, const char *other)
{
    const char *line = text;
    while (*text && *text == *other) {
        if (*text == '\n') line = text + 1;
        text++;
        other++;
    }
    return *text == *other ? NULL : line;
}

static tfc_status settings_check(const char *path, const char *found, const char *wanted, tfc_error *err)
{
    const char *a = first_difference(found, wanted), *b = first_difference(wanted, found);
    if (!a) return TFC_OK;
    return tfc_fail(
        err, TFC_ECONFLICT,
        "'%s' was made with other settings: '%.*s' there, '%.*s' now; use those, or another folder, or "
        "remove that file to start anew",
        path, (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
}

static tfc_status damaged(const char *path, const char *how, tfc_error *err)
{
    return tfc_fail(err, TFC_EFORMAT, "'%s' %s; remove it to start training anew", path, how);
}

/* A checkpoint while it is read. */
typedef struct reading {
    FILE *stream;
    const char *path;
    header h;
    tfc_buffer head; /* everything before the arrays */
    size_t losses_at;
} reading;

static tfc_status read_bytes(reading *r, void *bytes, size_t n, tfc_error *err)
{
    if (fread(bytes, 1, n, r->stream) == n) return TFC_OK;
    if (ferror(r->stream)) return tfc_fail_errno(err, "cannot read '%s'", r->path);
    return damaged(r->path, "is cut off", err);
}

/* Every size is checked against the model's and the file's before it is used. */
static tfc_status read_header(reading *r, const tfc_param_set *params, int n_arrays, tfc_error *err)
{
    struct stat file;
    tfc_status status = read_bytes(r, &r->h, sizeof r->h, err);
    if (status != TFC_OK) return status;
    if (memcmp(r->h.magic, magic, sizeof magic) != 0)
        return damaged(r->path, "is no checkpoint of this version", err);
    if (r->h.n_settings > MAX_SETTINGS || r->h.step < 0 || r->h.step > MAX_STEPS)
        return damaged(r->path, "is damaged", err);
    if (r->h.n_arrays != (uint64_t)n_arrays || r->h.n_values != (uint64_t)params->n_values)
        return tfc_fail(err, TFC_ECONFLICT, "'%s' belongs to another model; use another folder", r->path);
    r->losses_at = padded(sizeof r->h + r->h.n_settings);
    size_t n_head = r->losses_at + padded((size_t)r->h.step * sizeof(double));
    size_t n_arrays_bytes = (size_t)n_arrays * (size_t)params->n_values * sizeof(float);
    if (fstat(fileno(r->stream), &file) != 0) return tfc_fail_errno(err, "cannot read '%s'", r->path);
    if ((uint64_t)file.st_size != n_head + n_arrays_bytes + sizeof(uint64_t))
        return damaged(r->path, "is cut off", err);
    tfc_buffer_append(&r->head, &r->h, sizeof r->h);
    char *rest = tfc_alloc(n_head, 1);
    if (!rest) return tfc_fail_memory(err, "checkpoint");
    status = read_bytes(r, rest, n_head - sizeof r->h, err);
    if (status == TFC_OK) tfc_buffer_append(&r->head, rest, n_head - sizeof r->h);
    tfc_free(rest);
    return status == TFC_OK ? tfc_buffer_ok(&r->head, "checkpoint", err) : status;
}

static tfc_status check_head(reading *r, const char *settings, int64_t max_steps, tfc_error *err)
{
    static const uint64_t none = 0;
    memcpy(r->head.data + offsetof(header, head_sum), &none, sizeof none);
    uint64_t sum = tfc_hash_bytes(r->head.data, r->head.n, 0);
    memcpy(r->head.data + offsetof(header, head_sum), &sum, sizeof sum);
    if (sum != r->h.head_sum) return damaged(r->path, "is damaged (its checksum is wrong)", err);
    char *found = tfc_memdup_text(r->head.data + sizeof r->h, (size_t)r->h.n_settings);
    if (!found) return tfc_fail_memory(err, "checkpoint");
    tfc_status status = settings_check(r->path, found, settings, err);
    tfc_free(found);
    if (status == TFC_OK && r->h.step > max_steps) status = damaged(r->path, "holds too many steps", err);
    return status;
}

static tfc_status read_arrays(reading *r, tfc_param_set *params, int n_arrays, tfc_pool *pool, tfc_error *err)
{
    float *arrays[3] = {params->w, params->m, params->v};
    tfc_status status = TFC_OK;
    for (int i = 0; status == TFC_OK && i < n_arrays; i++)
        status = read_bytes(r, arrays[i], (size_t)params->n_values * sizeof(float), err);
    uint64_t found = 0, sum;
    if (status == TFC_OK) status = read_bytes(r, &found, sizeof found, err);
    if (status != TFC_OK) return status;
    if (!checksum(&r->head, (const float *const *)arrays, n_arrays, params, pool, &sum))
        return tfc_fail_memory(err, "checkpoint");
    return sum == found ? TFC_OK : damaged(r->path, "is damaged (its checksum is wrong)", err);
}

tfc_status tfc_checkpoint_load(const char *path, const char *settings, tfc_train_state *state,
                               int64_t max_steps, tfc_param_set *params, tfc_checkpoint_kind kind,
                               tfc_pool *pool, bool *found, tfc_error *err)
{
    const int n_arrays = (int)kind;
    *found = tfc_file_exists(path);
    if (!*found) return TFC_OK;
    reading r = {.stream = fopen(path, "rbe"), .path = path};
    if (!r.stream) return tfc_fail_errno(err, "cannot read '%s'", path);
    tfc_buffer_init(&r.head, 0);
    tfc_status status = read_header(&r, params, n_arrays, err);
    if (status == TFC_OK) status = check_head(&r, settings, max_steps, err);
    if (status == TFC_OK) status = read_arrays(&r, params, n_arrays, pool, err);
    if (status == TFC_OK) {
        memcpy(state->losses, r.head.data + r.losses_at, (size_t)r.h.step * sizeof(double));
        state->step = r.h.step;
        state->tokens = r.h.tokens;
        state->evaluated_step = r.h.evaluated_step;
        state->best_step = r.h.best_step;
        state->dev_loss_before = r.h.dev_loss_before;
        state->dev_loss_best = r.h.dev_loss_best;
        state->seconds = r.h.seconds;
    }
    tfc_buffer_release(&r.head);
    fclose(r.stream);
    return status;
}
