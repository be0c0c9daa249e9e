/* The checkpoint file, little-endian like every machine that this runs on:
 *
 *   header     magic, sizes, state; 128 bytes
 *   settings   text, padded to 64 bytes
 *   losses     f64 [step], padded to 64 bytes
 *   arrays     f32 [n_arrays][n_values]
 *   checksum   u64 over all of the above
 */
#include "train/checkpoint.h"

#include "base/file.h"
#include "base/random.h"

enum { MAX_SETTINGS = 1 << 16 };
static const char magic[8] = {'T', 'F', 'C', 'C', 'K', 'P', 'T', 1};

typedef struct header {
    char magic[8];
    uint64_t n_settings, n_arrays, n_values;
    int64_t step, tokens, evaluated_step, best_step;
    double dev_loss_before, dev_loss_best, seconds;
    uint64_t reserved[5];
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
    return tfc_buffer_append(head, zeros, padded(head->n) - head->n);
}

static bool checksum(const void *head, size_t n_head, const float *const *arrays, int n_arrays,
                     const tfc_param_set *params, tfc_pool *pool, uint64_t *sum)
{
    *sum = tfc_hash_bytes(head, n_head, 0);
    for (int i = 0; i < n_arrays; i++) {
        uint64_t hash;
        if (!tfc_param_set_hash(params, arrays[i], pool, &hash)) return false;
        *sum = tfc_hash_bytes(&hash, sizeof hash, *sum);
    }
    return true;
}

tfc_status tfc_checkpoint_save(const char *path, const char *settings, const tfc_train_state *state,
                               const tfc_param_set *params, int n_arrays, tfc_pool *pool, tfc_error *err)
{
    const float *arrays[3] = {params->w, params->m, params->v};
    tfc_buffer head;
    tfc_buffer_init(&head, 0);
    head_build(&head, settings, state, params, n_arrays);
    tfc_status status = tfc_buffer_ok(&head, "checkpoint", err);
    uint64_t sum = 0;
    if (status == TFC_OK && !checksum(head.data, head.n, arrays, n_arrays, params, pool, &sum))
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

/* Where the parts lie; every size is checked against the file's. */
typedef struct parts {
    header h;
    const char *settings;
    const unsigned char *losses;
    size_t n_head;
    const float *arrays[3];
    uint64_t sum;
} parts;

static tfc_status parts_find(parts *p, const tfc_file_map *map, const char *path, const tfc_param_set *params,
                             int n_arrays, tfc_error *err)
{
    if (map->n_bytes < sizeof p->h) return damaged(path, "is cut off", err);
    memcpy(&p->h, map->data, sizeof p->h);
    if (memcmp(p->h.magic, magic, sizeof magic) != 0)
        return damaged(path, "is no checkpoint of this version", err);
    if (p->h.n_settings > MAX_SETTINGS || p->h.step < 0 || p->h.step > INT64_MAX / 64)
        return damaged(path, "is damaged", err);
    if (p->h.n_arrays != (uint64_t)n_arrays || p->h.n_values != (uint64_t)params->n_values)
        return tfc_fail(err, TFC_ECONFLICT, "'%s' belongs to another model; use another folder", path);
    size_t n_losses, n_array = (size_t)params->n_values * sizeof(float),
                     end = padded(sizeof p->h + p->h.n_settings);
    p->settings = (const char *)map->data + sizeof p->h;
    p->losses = map->data + end;
    if (!tfc_size_mul((size_t)p->h.step, sizeof(double), &n_losses) ||
        !tfc_size_add(end, padded(n_losses), &end) || end > map->n_bytes ||
        map->n_bytes - end != (size_t)n_arrays * n_array + sizeof p->sum)
        return damaged(path, "is cut off", err);
    p->n_head = end;
    for (int i = 0; i < n_arrays; i++)
        p->arrays[i] = (const float *)(const void *)(map->data + end + (size_t)i * n_array);
    memcpy(&p->sum, map->data + map->n_bytes - sizeof p->sum, sizeof p->sum);
    return TFC_OK;
}

static tfc_status parts_check(const parts *p, const tfc_file_map *map, const char *path, const char *settings,
                              const tfc_param_set *params, int n_arrays, tfc_pool *pool, tfc_error *err)
{
    uint64_t sum;
    if (!checksum(map->data, p->n_head, p->arrays, n_arrays, params, pool, &sum))
        return tfc_fail_memory(err, "checkpoint");
    if (sum != p->sum) return damaged(path, "is damaged (its checksum is wrong)", err);
    char *found = tfc_memdup_text(p->settings, (size_t)p->h.n_settings);
    if (!found) return tfc_fail_memory(err, "checkpoint");
    tfc_status status = settings_check(path, found, settings, err);
    tfc_free(found);
    return status;
}

tfc_status tfc_checkpoint_load(const char *path, const char *settings, tfc_train_state *state,
                               int64_t max_steps, tfc_param_set *params, int n_arrays, tfc_pool *pool,
                               bool *found, tfc_error *err)
{
    *found = tfc_file_exists(path);
    if (!*found) return TFC_OK;
    tfc_file_map map;
    tfc_status status = tfc_file_map_open(&map, path, err);
    if (status != TFC_OK) return status;
    parts p = {0};
    status = parts_find(&p, &map, path, params, n_arrays, err);
    if (status == TFC_OK) status = parts_check(&p, &map, path, settings, params, n_arrays, pool, err);
    if (status == TFC_OK && p.h.step > max_steps) status = damaged(path, "holds too many steps", err);
    if (status == TFC_OK) {
        float *arrays[3] = {params->w, params->m, params->v};
        for (int i = 0; i < n_arrays; i++)
            memcpy(arrays[i], p.arrays[i], (size_t)params->n_values * sizeof(float));
        memcpy(state->losses, p.losses, (size_t)p.h.step * sizeof(double));
        state->step = p.h.step;
        state->tokens = p.h.tokens;
        state->evaluated_step = p.h.evaluated_step;
        state->best_step = p.h.best_step;
        state->dev_loss_before = p.h.dev_loss_before;
        state->dev_loss_best = p.h.dev_loss_best;
        state->seconds = p.h.seconds;
    }
    tfc_file_map_close(&map);
    return status;
}
