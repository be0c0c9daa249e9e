/* train/train_data.h: training texts as token sequences, and the order in which they are seen.
 *
 * A text becomes one sequence, or several when it is longer than max_tokens. Every token but the first is
 * predicted once: where a text is cut, the next sequence begins with the last token of the one before (or
 * with the beginning-of-text token, where the model has one). */
#ifndef TFC_TRAIN_TRAIN_DATA_H
#define TFC_TRAIN_TRAIN_DATA_H

#include "base/status.h"
#include "toolformer/tokenizer.h"

typedef struct tfc_train_texts {
    int64_t n, n_texts; /* sequences, texts */
    int64_t *starts;    /* [n+1] in ids */
    int64_t *text;      /* [n] which text a sequence belongs to, ascending */
    int32_t *ids;
    int32_t *targets; /* of each token: the next one's id, or -1: no loss there */
    float *weights;   /* of each target */
    int64_t capacity, ids_capacity;
} tfc_train_texts;

typedef struct tfc_train_text_options {
    int64_t max_tokens, n_vocab;
    bool add_eos, mask_results, without_calls;
    double text_weight; /* of the targets outside calls, in texts that have calls; those inside weigh 1 */
} tfc_train_text_options;

/* Reads JSON lines with "text". Rows with "calls" also need "source", and are tokenised piece by piece, as
 * decoding with tools sees them: the source up to a call; the call up to its arrow; its result and bracket;
 * the rest. without_calls: the source alone. TFC_EFORMAT names the line. */
tfc_status tfc_train_texts_load(tfc_train_texts *texts, const char *path, const tfc_tokenizer *tokenizer,
                                const tfc_train_text_options *options, tfc_error *err);
void tfc_train_texts_release(tfc_train_texts *texts);
uint64_t tfc_train_texts_hash(const tfc_train_texts *texts);

/* Splits the sequences by text: round(share * texts) of them, at least one when there are two, are held out.
 * Both lists (of numbers of sequences) are the caller's (tfc_free). */
tfc_status tfc_train_texts_split(const tfc_train_texts *texts, double share, uint64_t seed, int64_t **train,
                                 int64_t *n_train, int64_t **held, int64_t *n_held, tfc_error *err);

/* The order of examples: `data` in an own shuffle each epoch; a plain text takes each place where its share
 * is due, plain texts being shuffled anew when all were used. It depends on the seed and the place alone, so
 * that a resumed run needs no more than its step. */
typedef struct tfc_train_order {
    uint64_t seed;
    double plain_share;
    struct {
        int64_t n, epoch;
        int64_t *permutation; /* [n] of `epoch`; -1: none yet */
    } lists[2];               /* data, plain */
} tfc_train_order;
tfc_status tfc_train_order_init(tfc_train_order *order, int64_t n_data, int64_t n_plain, double plain_share,
                                uint64_t seed, tfc_error *err);
void tfc_train_order_release(tfc_train_order *order);
/* The place-th example (0, 1, …): its number in data, or in the plain texts. */
int64_t tfc_train_order_at(tfc_train_order *order, int64_t place, bool *plain);

#endif
