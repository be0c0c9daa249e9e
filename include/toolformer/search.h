/* toolformer/search.h: a search index over texts, in one file.
 *
 * Documents are cut into passages of about a hundred words; an index is a SQLite file whose terms lie in an
 * FTS5 table. A search ranks passages by BM25 over title, section and text, with what the order of the words
 * tells beside it, and gives each as one snippet of a few sentences: `Title > (Section >) text`.
 *
 *     tfc_index *index = tfc_index_open("wiki.db", &err);
 *     tfc_search_params params = tfc_search_params_default();
 *     tfc_hits *hits;
 *     if (index && tfc_index_search(index, "Brown Act", &params, &hits, &err) == TFC_OK) {
 *         for (size_t i = 0; i < hits->n; i++) puts(hits->items[i].snippet);
 *         tfc_hits_free(hits);
 *     }
 *     tfc_index_close(index);
 */
#ifndef TOOLFORMER_SEARCH_H
#define TOOLFORMER_SEARCH_H

#include "toolformer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_index_build_params {
    /* JSON lines (.jsonl, .jsonl.gz: {"id","title","text"}, or KILT's {"wikipedia_title","text":[…]}), text
     * files (one document each, the name is the title), or folders, of which every text file and file of
     * JSON lines is taken, by name. */
    const char *const *files;
    size_t n_files;
    const char *out; /* written as OUT.partial and renamed; its folder is made where it is missing */
    bool skip_bad_lines;
} tfc_index_build_params;

typedef struct tfc_index_info {
    int64_t format, n_documents, n_passages, n_words, n_bad_lines; /* bad lines: of a build */
    int64_t file_bytes;
    uint64_t hash; /* of all passages with titles and sections, in order */
} tfc_index_info;

/* The same texts give the same bytes. An interruption or a failure leaves nothing behind. *info may be NULL.
 */
tfc_status tfc_index_build(const tfc_index_build_params *params, const tfc_monitor *monitor,
                           tfc_index_info *info, tfc_error *err);

typedef struct tfc_index tfc_index; /* immutable, shared by threads */

/* TFC_ENOTFOUND: no such file. TFC_EFORMAT: no index, a cut one, or one of another version; the message says
 * which. */
tfc_index *tfc_index_open(const char *path, tfc_error *err);
void tfc_index_close(tfc_index *index);
tfc_index_info tfc_index_get_info(const tfc_index *index);

/* Where an index is looked for: `path`, else $TOOLFORMER_INDEX, else $TOOLFORMER_HOME/search/wiki.db (default
 * ~/.local/share/toolformer). The caller's (tfc_text_free); NULL: no memory. It need not be there. */
char *tfc_index_locate(const char *path);

typedef struct tfc_search_params {
    size_t n_hits;            /* at most; default 5 */
    size_t max_snippet_bytes; /* default 600 */
    int64_t deadline_ns;      /* on the monotonic clock; 0: none */
} tfc_search_params;
tfc_search_params tfc_search_params_default(void);

typedef struct tfc_hit {
    int64_t passage;                    /* 1 … n_passages */
    const char *document;               /* its id */
    const char *title, *section, *text; /* section may be "" */
    const char *snippet;                /* `Title > (Section >) sentences`: those nearest the query */
    double score;
} tfc_hit;

typedef struct tfc_hits {
    size_t n;
    tfc_hit *items; /* best first; ties by passage */
} tfc_hits;

/* query: any text; what is no word in it counts for nothing. No hit is TFC_OK with n = 0. TFC_ETIMEOUT: the
 * deadline passed. Thread-safe. *hits is the caller's (tfc_hits_free). */
tfc_status tfc_index_search(tfc_index *index, const char *query, const tfc_search_params *params,
                            tfc_hits **hits, tfc_error *err);
void tfc_hits_free(tfc_hits *hits);

#ifdef __cplusplus
}
#endif
#endif
