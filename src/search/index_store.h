/* search/index_store.h: an index as a SQLite file.
 *
 *   header(key, value)                        format, counts, hash
 *   documents(id, name, title)
 *   passages(id, document, section, text)     ids from 1, in the order of the texts
 *   terms                                     FTS5 without content: row = passage, text = its terms (terms.h)
 *   vocabulary(term, n)                       terms of at least TFC_FREQUENT passages, with their number
 *   lengths(bytes)                            one row: words of each passage, a byte each
 */
#ifndef TFC_SEARCH_INDEX_STORE_H
#define TFC_SEARCH_INDEX_STORE_H

#include <pthread.h>
#include <sqlite3.h>

#include "base/memory.h"
#include "toolformer/search.h"

enum { TFC_INDEX_FORMAT = 1, TFC_FREQUENT = 64 };
/* "TFix" as SQLite's application_id. */
enum { TFC_INDEX_APPLICATION = 0x54466978 };

/* One reader; used by one search at a time. */
typedef struct tfc_index_reader {
    sqlite3 *db;
    sqlite3_stmt *rows;      /* ids of the passages that match an FTS5 expression */
    sqlite3_stmt *frequency; /* n of a term */
    sqlite3_stmt *passage;   /* what a passage holds, by id */
    int64_t deadline_ns;     /* of the search that goes on; 0: none */
    bool late;               /* it passed */
    struct tfc_index_reader *next;
} tfc_index_reader;

struct tfc_index {
    char *path;
    tfc_index_info info;
    unsigned char *lengths; /* [n_passages] */
    pthread_mutex_t lock;   /* of idle */
    tfc_index_reader *idle;
};

/* A reader of one's own; goes back with `give`. */
tfc_index_reader *tfc_index_reader_take(tfc_index *index, int64_t deadline_ns, tfc_error *err);
void tfc_index_reader_give(tfc_index *index, tfc_index_reader *reader);
/* True once the deadline passed. */
bool tfc_index_reader_is_late(tfc_index_reader *reader);
/* What SQLite says, as an error of the index. */
tfc_status tfc_index_fail(const tfc_index *index, const tfc_index_reader *reader, tfc_error *err);

/* --- the writing side --- */

typedef struct tfc_index_writer {
    const char *path; /* as the caller named it */
    char *partial;
    sqlite3 *db;
    sqlite3_stmt *document, *passage, *terms;
    tfc_buffer lengths;
    int64_t n_documents, n_passages;
} tfc_index_writer;

tfc_status tfc_index_writer_open(tfc_index_writer *writer, const char *path, tfc_error *err);
tfc_status tfc_index_writer_document(tfc_index_writer *writer, const char *name, size_t n_name,
                                     const char *title, size_t n_title, tfc_error *err);
/* A passage of the last document. */
tfc_status tfc_index_writer_passage(tfc_index_writer *writer, const char *section, size_t n_section,
                                    const char *text, size_t n_text, const char *terms, size_t n_terms,
                                    size_t n_words, tfc_error *err);
/* Packs the terms, writes the header, syncs and renames. On failure the partial file goes. Always releases.
 */
tfc_status tfc_index_writer_commit(tfc_index_writer *writer, const tfc_index_info *info,
                                   const tfc_monitor *monitor, tfc_error *err);
void tfc_index_writer_abort(tfc_index_writer *writer);

#endif
