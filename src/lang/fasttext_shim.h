/* lang/fasttext_shim.h: fastText's C++ library for C. No exception crosses it. */
#ifndef TFC_LANG_FASTTEXT_SHIM_H
#define TFC_LANG_FASTTEXT_SHIM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tfc_lang_guess {
    char code[12];
    double confidence;
} tfc_lang_guess;

/* bytes: a model file behind its magic and version; they have to be whole, for fastText believes every size
 * in them. NULL: `why` says why. */
void *tfc_fasttext_load(const char *bytes, size_t n, char *why, size_t n_why);
void tfc_fasttext_free(void *model);
/* text: one line. Returns how many guesses there are; 0 for none. Thread-safe. */
size_t tfc_fasttext_predict(const void *model, const char *text, size_t n, tfc_lang_guess *guesses,
                            size_t max);

#ifdef __cplusplus
}
#endif
#endif
