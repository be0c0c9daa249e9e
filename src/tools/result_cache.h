/* tools/result_cache.h: results of calls by content, in a file that processes and runs share.
 *
 * The key is what decides a result: the tool's version (its manifest, and what its backend names), the
 * arguments, and the context. Results and "no result" are kept, failures never. A cache may be lost at any
 * time, so nothing here is an error: a file that is broken is set aside and made anew, one that cannot be
 * read or written is not used any more, and `note` says so once. One thread at a time. */
#ifndef TFC_TOOLS_RESULT_CACHE_H
#define TFC_TOOLS_RESULT_CACHE_H

#include "toolformer/tools.h"

typedef struct tfc_result_cache tfc_result_cache;

/* path NULL: $TOOLFORMER_HOME/cache/tools.db, else ~/.local/share/toolformer/cache/tools.db. Nothing is
 * opened before the first use. NULL: out of memory. */
tfc_result_cache *tfc_result_cache_create(const char *path, tfc_error *err);
void tfc_result_cache_free(tfc_result_cache *cache);

typedef struct tfc_cache_key {
    const char *version, *args, *context;
} tfc_cache_key;

/* True: *status is TFC_OK or TFC_ENORESULT and *text the result or the reason, the caller's (tfc_free). */
bool tfc_result_cache_get(tfc_result_cache *cache, const tfc_cache_key *key, tfc_status *status, char **text);
void tfc_result_cache_put(tfc_result_cache *cache, const tfc_cache_key *key, tfc_status status,
                          const char *text);
/* A sentence about what is wrong with the file, once; else NULL. */
const char *tfc_result_cache_note(tfc_result_cache *cache);

#endif
