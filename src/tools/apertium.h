/* tools/apertium.h: translation into English by the language pairs of Apertium that are installed: a pair
 * into English, or two of them by way of a third language. Each is one persistent pipeline. */
#ifndef TFC_TOOLS_APERTIUM_H
#define TFC_TOOLS_APERTIUM_H

#include "base/memory.h"

typedef struct tfc_apertium tfc_apertium; /* thread-safe */

extern const char tfc_apertium_modes[]; /* where Debian's packages have their mode files */

/* modes: the folder of the mode files; programs: that of the programs, NULL: /usr/bin. Nothing is started.
 * NULL and err when there is no pair into English (TFC_ENOTFOUND, with the remedy). */
tfc_apertium *tfc_apertium_open(const char *modes, const char *programs, tfc_error *err);
/* No call may be under way. */
void tfc_apertium_close(tfc_apertium *apertium);

/* "ca, es (2 pairs into English), fr by way of es": the caller's; NULL: no memory. */
char *tfc_apertium_languages(const tfc_apertium *apertium);
/* True when there is a way from this language (ISO 639-1) into English. */
bool tfc_apertium_knows(const tfc_apertium *apertium, const char *code);

typedef struct tfc_translation {
    char *text;                /* the caller's (tfc_free) */
    size_t n_words, n_unknown; /* of the translation, as far as Apertium says so */
} tfc_translation;
/* By deadline_ns (monotonic; 0: in twenty seconds), waiting for others included: TFC_ETIMEOUT. A program that
 * ended or hung was killed, and the next call starts it anew. */
tfc_status tfc_apertium_translate(tfc_apertium *apertium, const char *code, const char *text, size_t n,
                                  int64_t deadline_ns, tfc_translation *out, tfc_error *err);

/* Between text and Apertium's stream. The request ends in `nonce`; an answer that does not is another
 * request's: TFC_EIO. Marks of unknown words are taken out and counted. */
void tfc_apertium_request(const char *text, size_t n, const char *nonce, tfc_buffer *out);
tfc_status tfc_apertium_answer(const char *answer, size_t n, const char *nonce, tfc_translation *out,
                               tfc_error *err);

#endif
