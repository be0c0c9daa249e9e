/* A ring of batches: a batch is handed over whole, so that the two threads meet rarely. */
#include "search/index_queue.h"

enum { N_BATCHES = 4, BATCH_ROWS = 1000 };

/* A document (name, title) or a passage (section, text, terms): texts that stand one behind the other. */
typedef struct row {
    bool document;
    size_t n[3], n_words;
} row;

typedef struct batch {
    tfc_buffer bytes;
    row rows[BATCH_ROWS];
    size_t n_rows;
} batch;

struct tfc_index_queue {
    tfc_index_writer *writer;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t made, written; /* batches; those between stand in the ring */
    bool ended, failed;
    tfc_error error; /* of the writing thread, once `failed` */
    batch batches[N_BATCHES];
};

static tfc_status write_batch(tfc_index_writer *writer, const batch *b, tfc_error *err)
{
    const char *at = b->bytes.data;
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < b->n_rows && status == TFC_OK; i++) {
        const row *r = &b->rows[i];
        const char *second = at + r->n[0], *third = second + r->n[1];
        if (r->document)
            status = tfc_index_writer_document(writer, at, r->n[0], second, r->n[1], err);
        else
            status = tfc_index_writer_passage(writer, at, r->n[0], second, r->n[1], third, r->n[2],
                                              r->n_words, err);
        at = third + r->n[2];
    }
    return status;
}

static void *write_all(void *context)
{
    tfc_index_queue *queue = context;
    pthread_mutex_lock(&queue->lock);
    for (;;) {
        while (queue->made == queue->written && !queue->ended)
            pthread_cond_wait(&queue->changed, &queue->lock);
        if (queue->made == queue->written) break;
        batch *b = &queue->batches[queue->written % N_BATCHES];
        bool skip = queue->failed;
        pthread_mutex_unlock(&queue->lock);
        tfc_error err;
        tfc_status status = skip ? TFC_OK : write_batch(queue->writer, b, &err);
        b->n_rows = 0;
        tfc_buffer_clear(&b->bytes);
        pthread_mutex_lock(&queue->lock);
        if (status != TFC_OK) queue->failed = true, queue->error = err;
        queue->written++;
        pthread_cond_signal(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

tfc_index_queue *tfc_index_queue_create(tfc_index_writer *writer, tfc_error *err)
{
    tfc_index_queue *queue = tfc_alloc_zero(1, sizeof *queue);
    if (!queue) return tfc_fail_memory(err, "index"), NULL;
    queue->writer = writer;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    if (pthread_create(&queue->thread, NULL, write_all, queue) != 0) {
        tfc_fail(err, TFC_ENOMEM, "cannot start a thread");
        pthread_mutex_destroy(&queue->lock);
        pthread_cond_destroy(&queue->changed);
        tfc_free(queue);
        return NULL;
    }
    return queue;
}

/* Hands the batch over and waits until the next one is free. */
static tfc_status hand_over(tfc_index_queue *queue, tfc_error *err)
{
    pthread_mutex_lock(&queue->lock);
    queue->made++;
    pthread_cond_signal(&queue->changed);
    while (queue->made - queue->written == N_BATCHES) pthread_cond_wait(&queue->changed, &queue->lock);
    bool failed = queue->failed;
    pthread_mutex_unlock(&queue->lock);
    return failed ? tfc_fail(err, queue->error.status, "%s", queue->error.message) : TFC_OK;
}

static tfc_status add(tfc_index_queue *queue, row r, const char *const texts[3], tfc_error *err)
{
    batch *b = &queue->batches[queue->made % N_BATCHES];
    for (int i = 0; i < 3; i++) tfc_buffer_append(&b->bytes, texts[i], r.n[i]);
    tfc_status status = tfc_buffer_ok(&b->bytes, "index", err);
    if (status != TFC_OK) return status;
    b->rows[b->n_rows++] = r;
    return b->n_rows == BATCH_ROWS || b->bytes.n > 1 << 24 ? hand_over(queue, err) : TFC_OK;
}

tfc_status tfc_index_queue_document(tfc_index_queue *queue, const char *name, const char *title,
                                    tfc_error *err)
{
    row r = {.document = true, .n = {strlen(name), strlen(title), 0}};
    return add(queue, r, (const char *const[3]){name, title, ""}, err);
}

tfc_status tfc_index_queue_passage(tfc_index_queue *queue, const char *section, const char *text, size_t n,
                                   const tfc_buffer *terms, size_t n_words, tfc_error *err)
{
    row r = {.n = {strlen(section), n, terms->n}, .n_words = n_words};
    return add(queue, r, (const char *const[3]){section, text, terms->data ? terms->data : ""}, err);
}

tfc_status tfc_index_queue_finish(tfc_index_queue *queue, bool keep, tfc_error *err)
{
    pthread_mutex_lock(&queue->lock);
    if (!keep) queue->failed = true, tfc_error_init(&queue->error);
    queue->made += queue->made - queue->written < N_BATCHES;
    queue->ended = true;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    pthread_join(queue->thread, NULL);
    tfc_status status =
        queue->failed && keep ? tfc_fail(err, queue->error.status, "%s", queue->error.message) : TFC_OK;
    for (int i = 0; i < N_BATCHES; i++) tfc_buffer_release(&queue->batches[i].bytes);
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->changed);
    tfc_free(queue);
    return status;
}
