/* decode/writer.h: one prompt that is being continued: its tokens, its text, its calls. */
#ifndef TFC_DECODE_WRITER_H
#define TFC_DECODE_WRITER_H

#include "base/memory.h"
#include "calls/grammar.h"
#include "toolformer/decode.h"

/* What all prompts of one tfc_generate share. */
typedef struct tfc_decoder {
    tfc_session *session;
    const tfc_tokenizer *tokenizer;
    const tfc_generate_params *params;
    tfc_runner *runner;
    int64_t context, n_vocab;
    int32_t *begin_ids; /* [n_begin] tokens that begin a call, ascending */
    int64_t n_begin;
    int32_t *open_ids; /* " [", behind which the grammar starts */
    int64_t n_open;
    tfc_grammar *calls;      /* NULL: no call can be made */
    tfc_grammar **calls_but; /* [n_tools] without one tool that takes no arguments: NULL for others */
    size_t n_tools;
    int64_t max_call;            /* most tokens of `Name(args)` */
    bool ban_begin;              /* tokens that begin a call are never written by themselves */
    int32_t k;                   /* how many of the most probable tokens a step looks at */
    bool streams;                /* text goes to params->on_text */
    size_t longest;              /* bytes of the longest token */
    tfc_score_request *requests; /* [n_prompts] of a step */
} tfc_decoder;

typedef struct tfc_writer {
    int32_t *ids; /* [capacity] prompt, then what was written */
    double *lps;  /* [capacity] of the written ones; those from n_scored on are still to be read */
    int64_t n_ids, n_prompt, n_scored, capacity;
    uint64_t stream;  /* of its random draws */
    const char *date; /* for its tools; NULL: today */
    tfc_buffer text;  /* well-formed UTF-8 without NUL */
    char cut[4];      /* the first bytes of a character whose rest is to come */
    size_t n_cut;
    tfc_made_call *calls;
    char **printed; /* [n_calls] each call as it stands in the text */
    size_t n_calls;
    tfc_top *top; /* [k] of the next token */
    bool has_top;
    tfc_want *wants; /* [capacity + 3] */
    tfc_draw draw;   /* of the next token, when the temperature is above 0 */
    int64_t drawn;   /* which of the wants that is */
    bool call_due;   /* a call begins here */
    bool waiting;    /* not begun: the keys and values of those before it fill the memory */
    bool done;
    tfc_generate_finish finish;
} tfc_writer;

tfc_status tfc_writer_init(tfc_writer *writer, const tfc_decoder *decoder, const char *prompt,
                           tfc_error *err);
void tfc_writer_release(tfc_writer *writer);
/* The result takes over the writer's parts; what the result lacks is computed. */
tfc_status tfc_writer_finish(tfc_writer *writer, tfc_generate_result *result, tfc_error *err);

static inline int64_t tfc_writer_n_new(const tfc_writer *writer)
{
    return writer->n_ids - writer->n_prompt;
}

/* Appends a token that the model wrote, with its log-probability. */
tfc_status tfc_writer_token(tfc_writer *writer, const tfc_decoder *decoder, int32_t id, double lp,
                            tfc_error *err);
/* Appends the tokens of a part of a call; their log-probabilities are read in the next step. */
tfc_status tfc_writer_part(tfc_writer *writer, const tfc_decoder *decoder, const char *text,
                           const int32_t *ids, int64_t n_ids, tfc_error *err);
/* No more bytes of a cut character will come: it becomes U+FFFD. */
tfc_status tfc_writer_settle(tfc_writer *writer, const tfc_decoder *decoder, tfc_error *err);

/* ---- decode_call.c ---- */

/* Makes the calls of all writers whose call_due is set. Afterwards call_due is still set where none could be
 * made; nothing was written there. */
tfc_status tfc_decode_calls(const tfc_decoder *decoder, tfc_writer *writers, int64_t n, tfc_error *err);

/* A prompt's tokens: finished calls of the registered tools are tokenised apart, as in training. */
tfc_status tfc_decode_prompt(const tfc_decoder *decoder, const char *prompt, int32_t **ids, int64_t *n_ids,
                             tfc_error *err);

#endif
