/* search/index_queue.h: documents and passages on their way from the thread that cuts texts to the one that
 * writes the index. */
#ifndef TFC_SEARCH_INDEX_QUEUE_H
#define TFC_SEARCH_INDEX_QUEUE_H

#include "search/index_store.h"

typedef struct tfc_index_queue tfc_index_queue;

/* Starts the writing thread. */
tfc_index_queue *tfc_index_queue_create(tfc_index_writer *writer, tfc_error *err);
/* Fails with what the writing failed with. */
tfc_status tfc_index_queue_document(tfc_index_queue *queue, const char *name, const char *title,
                                    tfc_error *err);
tfc_status tfc_index_queue_passage(tfc_index_queue *queue, const char *section, const char *text, size_t n,
                                   const tfc_buffer *terms, size_t n_words, tfc_error *err);
/* Waits until all is written (`keep`) or drops what is not; frees. */
tfc_status tfc_index_queue_finish(tfc_index_queue *queue, bool keep, tfc_error *err);

#endif
