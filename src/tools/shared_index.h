/* tools/shared_index.h: the search index of WikiSearch and QA, opened when it is first needed. */
#ifndef TFC_TOOLS_SHARED_INDEX_H
#define TFC_TOOLS_SHARED_INDEX_H

#include <pthread.h>

#include "base/json.h"
#include "toolformer/search.h"

typedef struct tfc_shared_index {
    const char *path; /* of the manifest, or NULL: tfc_index_locate */
    pthread_mutex_t lock;
    tfc_index *index; /* NULL until it is open */
} tfc_shared_index;

/* Reads the field "index" of a backend; `folder` is what a relative path is seen from, or NULL. */
tfc_status tfc_shared_index_init(tfc_shared_index *shared, tfc_json *backend, const char *folder,
                                 tfc_arena *arena, tfc_error *err);
void tfc_shared_index_release(tfc_shared_index *shared);
/* Thread-safe; a failure is tried again the next time. */
tfc_status tfc_shared_index_open(tfc_shared_index *shared, tfc_index **index, tfc_error *err);
/* Its content's hash, as text. */
tfc_status tfc_shared_index_version(tfc_shared_index *shared, char *out, size_t n, tfc_error *err);

/* The question in args: without the quotes around it, blanks trimmed; *n 0 when nothing is left. */
const char *tfc_question_view(const char *args, size_t *n);

#endif
