/* toolformer/base.h: what every other header of the library uses.
 *
 * Errors. A function that can fail returns a tfc_status (TFC_OK is 0, failures are negative) or NULL, and
 * describes the failure in its last parameter, a `tfc_error *`. NULL may be passed for it; on success it is
 * left untouched. The message is a complete sentence without a full stop, made to be printed after the name
 * of the program: it names the file, the place in it, and the remedy where there is one. The library never
 * prints and never ends the process.
 *
 * Long work takes a tfc_monitor: it is told of progress, and asked whether to stop. Stopping is clean: what
 * was finished is on disk and the same call goes on from there; the function returns TFC_EINTERRUPTED.
 *
 * Threads. A handle belongs to one thread at a time unless its header says that it is immutable.
 *
 *     tfc_error err;
 *     tfc_error_init(&err);
 *     tfc_model *model = tfc_model_open("model.gguf", NULL, &err);
 *     if (!model) { fprintf(stderr, "%s\n", err.message); return 1; }
 */
#ifndef TOOLFORMER_BASE_H
#define TOOLFORMER_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TFC_STATUS_LIST(X)                                                                                   \
    X(TFC_OK, 0, "success")                                                                                  \
    X(TFC_ENOMEM, -1, "out of memory")                                                                       \
    X(TFC_EINVAL, -2, "invalid argument")                                                                    \
    X(TFC_EIO, -3, "input or output failed")                                                                 \
    X(TFC_EFORMAT, -4, "malformed input")                                                                    \
    X(TFC_EUNSUPPORTED, -5, "unsupported")                                                                   \
    X(TFC_ENOTFOUND, -6, "not found")                                                                        \
    X(TFC_ELIMIT, -7, "a limit was exceeded")                                                                \
    X(TFC_EINTERRUPTED, -8, "interrupted")                                                                   \
    X(TFC_ENORESULT, -9, "the tool gave no result")                                                          \
    X(TFC_ECONFLICT, -10, "conflicts with what is there")                                                    \
    X(TFC_ETIMEOUT, -11, "the deadline passed")

typedef enum tfc_status {
#define TFC_X(name, value, text) name = value,
    TFC_STATUS_LIST(TFC_X)
#undef TFC_X
} tfc_status;

typedef struct tfc_error {
    tfc_status status;
    char message[640]; /* always terminated; cut at a character boundary when longer */
} tfc_error;

/* The error becomes "no error": TFC_OK and an empty message. */
void tfc_error_init(tfc_error *err);

/* A short text for a status; never NULL. */
const char *tfc_status_text(tfc_status status);

/* "0.1.0". */
const char *tfc_version(void);

/* Releases a text that a function made "the caller's"; NULL is fine. */
void tfc_text_free(char *text);

/* The SHA-256 of a file's content, as 64 hexadecimal digits. */
tfc_status tfc_sha256_file(const char *path, char hex[65], tfc_error *err);

typedef struct tfc_progress {
    const char *stage;   /* "annotate", "train", … */
    int64_t done, total; /* in `unit`s; total 0: unknown */
    const char *unit;    /* "texts", "steps", "MB" */
    const char *detail;  /* one short line, e.g. "212 kept of 1,530"; may be NULL */
} tfc_progress;

typedef struct tfc_monitor {
    void (*progress)(void *context, const tfc_progress *progress); /* may be NULL */
    void (*note)(void *context, const char *line);                 /* a warning or hint; may be NULL */
    bool (*stop)(void *context);                                   /* true: stop cleanly; may be NULL */
    void *context;
} tfc_monitor;

#ifdef __cplusplus
}
#endif
#endif
