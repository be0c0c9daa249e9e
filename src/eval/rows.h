/* eval/rows.h: the rows of a data file as prompts with answers. */
#ifndef TFC_EVAL_ROWS_H
#define TFC_EVAL_ROWS_H

#include "base/json.h"
#include "eval/scorers.h"

/* Texts live in the list's arena. tool, date: as the row names them, or NULL. */
typedef struct tfc_eval_row {
    const char *id, *prompt, *gold, *tool, *date;
    bool has_value;
    tfc_value value; /* of the gold, when it is one number */
} tfc_eval_row;

typedef struct tfc_eval_rows {
    tfc_eval_row *rows;
    int64_t n;
    size_t capacity;
    tfc_arena arena;
} tfc_eval_rows;

/* Fills a row from one JSON object. `line` counts from 1 and is the id where there is none. */
typedef tfc_status (*tfc_eval_read_row)(tfc_json *json, int64_t line, tfc_eval_row *row, tfc_arena *arena,
                                        tfc_error *err);

/* One kind of data, its prompt and its scorer. */
typedef struct tfc_eval_task {
    const char *name, *data; /* data: what a row looks like, for messages */
    tfc_eval_read_row read;
    bool numbers;         /* answers are numbers; a row with another kind of answer is scored by words */
    bool literal_prompts; /* special tokens written in a prompt are plain text */
    int64_t max_tokens;   /* 0: generation's default */
} tfc_eval_task;
/* NULL for an unknown name. */
const tfc_eval_task *tfc_eval_task_find(const char *name);

/* Reads JSON lines; empty lines are skipped; limit < 0: all. Errors name file and line. */
tfc_status tfc_eval_rows_read(const char *path, int64_t limit, const tfc_eval_task *task, tfc_eval_rows *rows,
                              tfc_error *err);
void tfc_eval_rows_release(tfc_eval_rows *rows);

#endif
