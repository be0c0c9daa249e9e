/* eval/rows.h: the rows of a task as prompts with answers. */
#ifndef TFC_EVAL_ROWS_H
#define TFC_EVAL_ROWS_H

#include "base/json.h"
#include "eval/scorers.h"
#include "toolformer/eval.h"

/* Texts live in the data's arena. */
typedef struct tfc_eval_row {
    const char *id, *prompt;
    const char *gold;          /* NULL: none is looked for */
    const char *tool, *date;   /* as the row names them, or NULL */
    const char *question;      /* dateset: the prompt without its instruction; else NULL */
    const char *template_name; /* dateset: what kind of question; else NULL */
    bool has_value;
    tfc_value value; /* of the gold, when it is one number */
} tfc_eval_row;

typedef enum tfc_eval_rule {
    TFC_EVAL_RULE_PROMPTS, /* a number by its equation, else five words */
    TFC_EVAL_RULE_NUMBER,  /* literal and strict; a gold that is no number by its words */
    TFC_EVAL_RULE_DATES,   /* five words, 15th being 15 */
    TFC_EVAL_RULE_CALLS    /* no answer is looked for */
} tfc_eval_rule;

/* Fills a row from one JSON object. `line` counts from 1 and is the id where there is none. */
typedef tfc_status (*tfc_eval_read_row)(tfc_json *json, int64_t line, tfc_eval_row *row, tfc_arena *arena,
                                        tfc_error *err);

/* One kind of data, its prompt and its scorer. */
typedef struct tfc_eval_task {
    const char *name, *data; /* data: what a row looks like, for messages */
    tfc_eval_read_row read;
    tfc_eval_rule rule;
    bool literal_prompts; /* special tokens written in a prompt are plain text */
    int64_t max_tokens;   /* 0: generation's default */
} tfc_eval_task;
/* NULL for an unknown name. */
const tfc_eval_task *tfc_eval_task_find(const char *name);

struct tfc_eval_data {
    const tfc_eval_task *task;
    tfc_eval_row *rows;
    int64_t n;
    size_t capacity;
    uint64_t hash; /* of all prompts, answers and dates, in order */
    tfc_arena arena;
};
/* Room for one more row; NULL and err without memory. The row counts when n is raised. */
tfc_eval_row *tfc_eval_data_next(tfc_eval_data *data, tfc_error *err);

/* dateset.c: the paper's 9,400 questions. */
tfc_status tfc_dateset_make(tfc_eval_data *data, uint64_t seed, tfc_error *err);

/* tasks.c: "Answer the following question: q" (with `?` where q has none), in the arena. */
const char *tfc_question_prompt(tfc_arena *arena, const char *question);

#endif
