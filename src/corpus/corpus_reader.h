/* corpus/corpus_reader.h: lines and texts → documents → snippets, into one corpus. */
#ifndef TFC_CORPUS_CORPUS_READER_H
#define TFC_CORPUS_CORPUS_READER_H

#include "corpus/snippets.h"
#include "toolformer/corpus.h"

enum { TFC_LINE_MAX = 16 << 20 };

/* Where an id was first seen, for messages. */
typedef struct tfc_corpus_id {
    const char *id, *file;
    int64_t line;
} tfc_corpus_id;

struct tfc_corpus {
    tfc_snippet *snippets;
    int64_t n_snippets, n_room;
    int64_t n_documents, n_bad_lines;
    size_t n_bytes; /* of all texts */
    uint64_t hash;
    tfc_arena arena;
    tfc_corpus_id *ids; /* open addressing over ids; id NULL: empty */
    size_t n_ids, n_table;
    tfc_cuts cuts; /* scratch */
};

typedef struct tfc_corpus_reader {
    tfc_corpus *corpus;
    const tfc_corpus_params *params;
    const tfc_tokenizer *tokenizer;
    const tfc_monitor *monitor;
} tfc_corpus_reader;

tfc_corpus *tfc_corpus_create(tfc_error *err);

/* One line of JSON, without its end. A bad line is an error, or counted, as the parameters say. */
tfc_status tfc_corpus_read_line(tfc_corpus_reader *reader, const char *file, int64_t line, const char *text,
                                size_t n, tfc_error *err);
/* A whole file that is one document. text[n] may be changed. */
tfc_status tfc_corpus_read_text(tfc_corpus_reader *reader, const char *file, char *text, size_t n,
                                tfc_error *err);
/* A bad line: counted when they are skipped, else err gets its remedy. */
tfc_status tfc_corpus_bad_line(tfc_corpus_reader *reader, tfc_error *bad, tfc_error *err);
/* True when the corpus has as many documents as it may. */
bool tfc_corpus_is_full(const tfc_corpus_reader *reader);

#endif
