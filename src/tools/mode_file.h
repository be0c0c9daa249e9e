/* tools/mode_file.h: a pair of Apertium as its mode file describes it: programs that read one another's
 * output. */
#ifndef TFC_TOOLS_MODE_FILE_H
#define TFC_TOOLS_MODE_FILE_H

#include "base/memory.h"

enum { TFC_MODE_BYTES_MAX = 1 << 16, TFC_MODE_STAGES_MAX = 48 };

typedef struct tfc_mode {
    char **stages[TFC_MODE_STAGES_MAX]; /* NULL-terminated words, the program's name first */
    size_t n_stages;
} tfc_mode;

/* Appends the stages of a mode file's text. The file is a line for a shell; no shell reads it here: words,
 * quotes and `|` are all that is known, and the programs are Apertium's that end an answer at a NUL, each
 * given its -z. marks: unknown words are marked in the answer ($1). What stays is in the arena. */
tfc_status tfc_mode_read(const char *text, size_t n, bool marks, tfc_arena *arena, tfc_mode *mode,
                         tfc_error *err);

#endif
