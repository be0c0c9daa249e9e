/* toolformer/languages.h: what this machine can tell about languages, for programs that show it.
 *
 * Texts are identified by fastText with the model lid.176.ftz, sought as $TOOLFORMER_LID, then as
 * $TOOLFORMER_HOME/lid/lid.176.ftz (default ~/.local/share/toolformer); by libexttextcat where that file is
 * absent.
 *
 *     tfc_error err;
 *     char *source = tfc_languages_identifier(&err);
 *     puts(source ? source : err.message);
 *     tfc_text_free(source);
 */
#ifndef TOOLFORMER_LANGUAGES_H
#define TOOLFORMER_LANGUAGES_H

#include "toolformer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "fastText, FILE" or "libexttextcat, FOLDER"; the caller's (tfc_text_free). NULL: the file is damaged
 * (TFC_EFORMAT) or there is neither (TFC_ENOTFOUND); err names the remedy. Thread-safe. */
char *tfc_languages_identifier(tfc_error *err);

/* The languages (ISO 639-1) that the pairs of Apertium on this machine translate into English, with the
 * language between where it takes two pairs: "ca, es, fr (by way of es)"; the caller's (tfc_text_free). NULL:
 * there is none (TFC_ENOTFOUND); err names the remedy. */
char *tfc_languages_translated(tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
