/* From stored weights to kernel panels. All sizes are counted, then one allocation holds everything; panels
 * are dequantised and packed in parallel, one panel a task, so that the result does not depend on the number
 * of threads. */
#include "model/layout.h"
#include "model/model.h"

enum { COLUMN_CHUNK = 256, PARTS = 16 };

/* Element (n, k) lies at row k of the file: n values of each file row are taken and written apart. */
static void transposed_rows(const tfc_weight *weight, int64_t from, int64_t n, float *out)
{
    const tfc_tensor_view *tensor = weight->tensor;
    size_t row_bytes = tfc_dtype_row_bytes(tensor->dtype, weight->n_out);
    size_t value_bytes = tfc_dtype_block_bytes(tensor->dtype);
    float chunk[COLUMN_CHUNK];
    for (int64_t k = 0; k < weight->n_in; k++) {
        const char *row = (const char *)tensor->data + (size_t)k * row_bytes + (size_t)from * value_bytes;
        for (int64_t j = 0; j < n; j += COLUMN_CHUNK) {
            int64_t count = n - j < COLUMN_CHUNK ? n - j : COLUMN_CHUNK;
            tfc_dequantize_row(chunk, row + (size_t)j * value_bytes, count, tensor->dtype);
            for (int64_t i = 0; i < count; i++) out[(j + i) * weight->n_in + k] = chunk[i];
        }
    }
}

void tfc_weight_rows(const tfc_weight *weight, int64_t from, int64_t n, float *out)
{
    const tfc_tensor_view *tensor = weight->tensor;
    /* Only unblocked types are stored transposed (Hugging Face folders hold no others). */
    if (weight->transposed && tfc_dtype_block_values(tensor->dtype) == 1) {
        transposed_rows(weight, from, n, out);
        return;
    }
    size_t row_bytes = tfc_dtype_row_bytes(tensor->dtype, weight->n_in);
    for (int64_t i = 0; i < n; i++)
        tfc_dequantize_row(out + i * weight->n_in,
                           (const char *)tensor->data + (size_t)(from + i) * row_bytes, weight->n_in,
                           tensor->dtype);
}

/* A panel matrix and the stored matrices whose rows it holds one after another. */
enum { MAX_SOURCES = 3 };
typedef struct pack_job {
    tfc_panels *panels;
    const tfc_weight *sources[MAX_SOURCES];
    int64_t first_task; /* number of its first panel over all jobs */
} pack_job;

typedef struct packing {
    tfc_model *model;
    pack_job *jobs;
    int64_t n_jobs, n_tasks, max_k;
    int64_t first_task; /* of those that run now */
    float *scratch;     /* [n_threads][panel_n][max_k] */
} packing;

/* Rows from … from+n-1 of the matrix that the sources form together: f32, or as they are stored. */
static void source_rows(const pack_job *job, int64_t from, int64_t n, bool stored, char *out)
{
    for (int i = 0; i < MAX_SOURCES && n > 0; i++) {
        const tfc_weight *source = job->sources[i];
        if (!source || !source->tensor) continue;
        if (from >= source->n_out) {
            from -= source->n_out;
            continue;
        }
        int64_t count = source->n_out - from < n ? source->n_out - from : n;
        size_t row_bytes = (size_t)source->n_in * sizeof(float);
        if (stored) {
            row_bytes = tfc_dtype_row_bytes(source->tensor->dtype, source->n_in);
            memcpy(out, (const char *)source->tensor->data + (size_t)from * row_bytes,
                   (size_t)count * row_bytes);
        } else {
            tfc_weight_rows(source, from, count, (float *)(void *)out);
        }
        out += (size_t)count * row_bytes;
        n -= count;
        from = 0;
    }
}

static void pack_task(void *context, int64_t i, int worker)
{
    packing *p = context;
    i += p->first_task;
    int64_t low = 0, high = p->n_jobs - 1; /* the last job that begins at or before task i */
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (p->jobs[middle].first_task <= i)
            low = middle;
        else
            high = middle - 1;
    }
    const pack_job *job = &p->jobs[low];
    const tfc_kernels *kernels = p->model->kernels;
    int64_t panel = i - job->first_task, K = job->panels->K;
    int64_t from = panel * kernels->panel_n;
    int64_t n = job->panels->N - from < kernels->panel_n ? job->panels->N - from : kernels->panel_n;
    float *rows = p->scratch + (int64_t)worker * kernels->panel_n * p->max_k;
    bool stored = tfc_kernels_keeps(job->panels->stored, job->panels->operand);
    source_rows(job, from, n, stored, (char *)rows);
    /* The panel as a matrix of its own: panels do not depend on their neighbours. */
    tfc_panels one = *job->panels;
    one.N = n;
    one.n_panels = 1;
    one.data = (char *)job->panels->data + (size_t)panel * job->panels->panel_bytes;
    if (stored)
        kernels->pack_stored(&one, 0, rows);
    else
        kernels->pack_panels(&one, 0, 1, rows, K, 1);
}

/* Takes room for a vector and fills it when there is room to fill. */
static const float *take_vector(tfc_layout *layout, const tfc_weight *weight)
{
    if (!weight->tensor) return NULL;
    float *vector = tfc_layout_take(layout, (size_t)weight->n_in * (size_t)weight->n_out, sizeof *vector);
    if (vector) tfc_weight_rows(weight, 0, weight->n_out, vector);
    return vector;
}

/* The block type that panels of these weights keep: one that all of them are stored in. TFC_F32: none. */
static tfc_dtype kept_type(const tfc_model *model, const tfc_weight *const sources[MAX_SOURCES])
{
    tfc_dtype dtype = sources[0]->tensor->dtype;
    if (!model->stored || !tfc_kernels_keeps(dtype, model->operand)) return TFC_F32;
    for (int i = 0; i < MAX_SOURCES; i++)
        if (sources[i] && sources[i]->tensor &&
            (sources[i]->transposed || sources[i]->tensor->dtype != dtype))
            return TFC_F32;
    return dtype;
}

static void take_panels(packing *p, tfc_layout *layout, tfc_panels *panels, const tfc_weight *a,
                        const tfc_weight *b, const tfc_weight *c)
{
    const tfc_kernels *kernels = p->model->kernels;
    int64_t N = a->n_out + (b && b->tensor ? b->n_out : 0) + (c && c->tensor ? c->n_out : 0);
    *panels = (tfc_panels){
        .operand = p->model->operand,
        .N = N,
        .K = a->n_in,
        .n_panels = (N + kernels->panel_n - 1) / kernels->panel_n,
        .stored = kept_type(p->model, (const tfc_weight *[]){a, b, c}),
    };
    panels->panel_bytes = tfc_kernels_keeps(panels->stored, panels->operand)
                              ? kernels->stored_bytes(panels->K, panels->stored)
                              : kernels->panel_bytes(panels->K, panels->operand);
    panels->data = tfc_layout_take(layout, (size_t)panels->n_panels, panels->panel_bytes);
    p->jobs[p->n_jobs++] = (pack_job){panels, {a, b, c}, p->n_tasks};
    p->n_tasks += panels->n_panels;
    if (panels->K > p->max_k) p->max_k = panels->K;
}

static void take_layer(packing *p, tfc_layout *layout, tfc_packed_layer *packed, const tfc_layer_weights *w)
{
    packed->norm1 = take_vector(layout, &w->norm1);
    packed->norm1_bias = take_vector(layout, &w->norm1_bias);
    packed->norm2 = take_vector(layout, &w->norm2);
    packed->norm2_bias = take_vector(layout, &w->norm2_bias);
    packed->qkv_bias = take_vector(layout, &w->wqkv_bias);
    packed->wo_bias = take_vector(layout, &w->wo_bias);
    packed->w_up_bias = take_vector(layout, &w->w_up_bias);
    packed->w_down_bias = take_vector(layout, &w->w_down_bias);
    take_panels(p, layout, &packed->qkv, &w->wq, &w->wk, &w->wv);
    take_panels(p, layout, &packed->wo, &w->wo, NULL, NULL);
    if (p->model->hparams.gated)
        take_panels(p, layout, &packed->up, &w->w_gate, &w->w_up, NULL);
    else
        take_panels(p, layout, &packed->up, &w->w_up, NULL, NULL);
    take_panels(p, layout, &packed->down, &w->w_down, NULL, NULL);
}

/* All arrays in order. With base NULL it counts: the layers' descriptions then go to `layers`, a scratch. */
static void take_all(packing *p, tfc_layout *layout, tfc_packed *packed, tfc_packed_layer *layers)
{
    const tfc_weights *w = &p->model->weights;
    int64_t L = p->model->hparams.L;
    p->n_jobs = p->n_tasks = p->max_k = 0;
    packed->layers = tfc_layout_take(layout, (size_t)L, sizeof *packed->layers);
    if (!packed->layers) packed->layers = layers;
    packed->norm = take_vector(layout, &w->norm);
    packed->norm_bias = take_vector(layout, &w->norm_bias);
    packed->position_embedding = take_vector(layout, &w->position_embedding);
    for (int64_t l = 0; l < L; l++) take_layer(p, layout, &packed->layers[l], &w->layers[l]);
    take_panels(p, layout, &packed->head, &w->head, NULL, NULL);
}

/* Of the file only rows of the embedding table are read again; what is packed leaves memory part by part. */
static void run_tasks(packing *p, tfc_pool *pool)
{
    const tfc_model *model = p->model;
    const int64_t part = (p->n_tasks + PARTS - 1) / PARTS;
    for (p->first_task = 0; p->first_task < p->n_tasks; p->first_task += part) {
        int64_t rest = p->n_tasks - p->first_task;
        tfc_pool_run(pool, rest < part ? rest : part, pack_task, p);
        if (model->gguf) tfc_gguf_drop_pages(model->gguf);
        if (model->safetensors) tfc_safetensors_drop_pages(model->safetensors);
    }
}

tfc_status tfc_model_pack(tfc_model *model, tfc_pool *pool, tfc_error *err)
{
    if (model->packed.memory) return TFC_OK;
    size_t L = (size_t)model->hparams.L;
    tfc_status status = TFC_OK;
    packing p = {.model = model};
    tfc_packed packed = {0};
    tfc_packed_layer *counted = tfc_alloc_zero(L, sizeof *counted);
    p.jobs = tfc_alloc(4 * L + 1, sizeof *p.jobs);
    if (!counted || !p.jobs) {
        status = tfc_fail_memory(err, "list of weights");
        goto cleanup;
    }
    tfc_layout layout = {0};
    take_all(&p, &layout, &packed, counted);
    size_t n_scratch = 0;
    if (layout.overflow || !tfc_size_mul((size_t)model->kernels->panel_n * (size_t)tfc_pool_n_threads(pool),
                                         (size_t)p.max_k, &n_scratch)) {
        status = tfc_fail(err, TFC_ELIMIT, "%s: the weights are too large for this machine", model->path);
        goto cleanup;
    }
    packed.n_bytes = layout.n_bytes;
    packed.memory = tfc_alloc_aligned(layout.n_bytes, 1);
    p.scratch = tfc_alloc_aligned(n_scratch, sizeof *p.scratch);
    if (!packed.memory || !p.scratch) {
        tfc_free(packed.memory);
        status = tfc_fail(err, TFC_ENOMEM, "out of memory (packed weights, %zu MiB)", layout.n_bytes >> 20);
        goto cleanup;
    }
    tfc_advise_large_pages(packed.memory, layout.n_bytes);
    layout = (tfc_layout){.base = packed.memory};
    take_all(&p, &layout, &packed, counted);
    run_tasks(&p, pool);
    model->packed = packed;

cleanup:
    tfc_free(p.scratch);
    tfc_free(p.jobs);
    tfc_free(counted);
    return status;
}
