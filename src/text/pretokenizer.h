/* text/pretokenizer.h: cutting text into the pieces that merges stay within. */
#ifndef TFC_TEXT_PRETOKENIZER_H
#define TFC_TEXT_PRETOKENIZER_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/memory.h"

/* What becomes of a match among the pieces: a piece of its own, nothing, or one with its neighbours that
 * match too. */
typedef enum tfc_split_behavior {
    TFC_SPLIT_ISOLATED,
    TFC_SPLIT_REMOVED,
    TFC_SPLIT_CONTIGUOUS
} tfc_split_behavior;

typedef struct tfc_split {
    bool prefix_space; /* no split: a space goes before each piece that does not begin with one */
    bool literal;      /* the pattern is a plain string */
    bool invert;       /* what lies between the matches counts as the matches */
    tfc_split_behavior behavior;
    char *pattern; /* as it was given, NUL-terminated */
    pcre2_code *code;
} tfc_split;

enum { TFC_SPLITS_MAX = 16 };

/* Steps, one after the other, each within the pieces of the one before. Immutable once made. */
typedef struct tfc_pretokenizer {
    tfc_split steps[TFC_SPLITS_MAX];
    int n_steps;
} tfc_pretokenizer;

void tfc_pretokenizer_release(tfc_pretokenizer *pre);
tfc_status tfc_pretokenizer_add(tfc_pretokenizer *pre, const char *pattern, size_t n, bool literal,
                                bool invert, tfc_split_behavior behavior, tfc_error *err);
tfc_status tfc_pretokenizer_add_prefix_space(tfc_pretokenizer *pre, tfc_error *err);

extern const char tfc_pattern_gpt2[];   /* GPT-2's words */
extern const char tfc_pattern_digits[]; /* one digit of any script */

/* The steps that a GGUF file names in tokenizer.ggml.pre. ignore_merges: its vocabulary takes whole pieces;
 * nfc: its model saw composed text. TFC_EUNSUPPORTED for a name that we do not know. */
tfc_status tfc_pretokenizer_named(tfc_pretokenizer *pre, const char *name, size_t n, bool *ignore_merges,
                                  bool *nfc, tfc_error *err);
/* The name of these steps in GGUF files; NULL when they have none. */
const char *tfc_pretokenizer_name(const tfc_pretokenizer *pre);

typedef struct tfc_span {
    size_t begin, end;
} tfc_span;

/* The pieces of one text: spans of `text`, which is the caller's or, after a prefix space, `owned`. */
typedef struct tfc_pieces {
    const char *text;
    char *owned;
    tfc_span *spans;
    size_t n, capacity;
} tfc_pieces;
void tfc_pieces_release(tfc_pieces *pieces);

/* text[n], valid UTF-8 → pieces (zero-initialised or used before), none of them empty. Thread-safe. */
tfc_status tfc_pretokenizer_run(const tfc_pretokenizer *pre, const char *text, size_t n, tfc_pieces *pieces,
                                tfc_error *err);

#endif
