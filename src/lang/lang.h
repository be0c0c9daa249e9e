/* lang/lang.h: which language a text is in.
 *
 * fastText with lid.176.ftz (176 languages); libexttextcat where that file is absent. The file is sought as
 * $TOOLFORMER_LID, then $TOOLFORMER_HOME/lid/lid.176.ftz (default ~/.local/share/toolformer). It is handed to
 * fastText, whose loader trusts what it reads, only when its SHA-256 is the known one. */
#ifndef TFC_LANG_LANG_H
#define TFC_LANG_LANG_H

#include "base/memory.h"
#include "lang/fasttext_shim.h"

typedef struct tfc_lang tfc_lang; /* immutable once open, shared by threads */

/* The whole program's, opened at the first call and kept. NULL: a damaged file, or neither a file nor
 * libexttextcat's data; err names the remedy, and the next call tries again. Thread-safe. */
const tfc_lang *tfc_lang_shared(tfc_error *err);

/* path: the file of fastText's model; "": libexttextcat. NULL and err on failure. */
tfc_lang *tfc_lang_open(const char *path, tfc_error *err);
void tfc_lang_close(tfc_lang *lang);

/* The languages of text, the most likely first, as ISO 639-1 codes (639-3 where there is none), at most `max`
 * of them. fastText's confidences are probabilities; libexttextcat's only say how far apart its first few
 * are. Any bytes are allowed; 0 guesses where nothing can be said. Thread-safe. */
size_t tfc_lang_identify(const tfc_lang *lang, const char *text, size_t n, tfc_lang_guess *guesses,
                         size_t max);
/* The first of these; "" and 0 when there is none. */
tfc_lang_guess tfc_lang_best(const tfc_lang *lang, const char *text, size_t n);

/* "fastText, /…/lid.176.ftz" or "libexttextcat, …". */
const char *tfc_lang_source(const tfc_lang *lang);
/* Equal where the guesses are: "lid.176.ftz", "libexttextcat 3.4.5". */
const char *tfc_lang_version(const tfc_lang *lang);

#endif
