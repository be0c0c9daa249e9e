/* experiment/experiment_file.h: the experiment's file, checked, with each ablation merged over the main part.
 */
#ifndef TFC_EXPERIMENT_EXPERIMENT_FILE_H
#define TFC_EXPERIMENT_EXPERIMENT_FILE_H

#include "base/json.h"
#include "toolformer/annotate.h"
#include "toolformer/recipe.h"
#include "toolformer/train.h"

enum { TFC_EXP_LIST = 64 }; /* most corpora, evaluations, seeds, … */

typedef struct tfc_exp_corpus {
    const char *kind;         /* a label; the file's name without its ending when there is none */
    const char *const *files; /* after `*` */
    size_t n_files;
    int64_t limit; /* documents of each file; -1: all */
    double share;  /* of the documents */
} tfc_exp_corpus;

typedef struct tfc_exp_evaluation {
    const char *name, *task;
    const char *data; /* NULL: the task's own rows */
    bool present;     /* false: absent and optional, left out */
    int64_t limit, seed, k, max_calls, max_tokens;
    double share, call_p;
    const char *tools, *date; /* date may be NULL */
} tfc_exp_evaluation;

typedef enum tfc_exp_system {
    TFC_EXP_BASE,
    TFC_EXP_BASE_TOOLS, /* the base model with calls enabled */
    TFC_EXP_PLAIN,
    TFC_EXP_DISABLED,
    TFC_EXP_TAUGHT,
    TFC_EXP_N_SYSTEMS
} tfc_exp_system;
extern const char *const tfc_exp_system_names[TFC_EXP_N_SYSTEMS + 1];

/* The main experiment, or an ablation. All texts live in the file's arena. */
typedef struct tfc_exp_variant {
    const char *name, *description; /* description may be NULL */
    tfc_exp_corpus corpora[TFC_EXP_LIST];
    size_t n_corpora;
    const char *tools; /* as tfc_tools_create */
    tfc_recipe recipe;
    const char *recipe_text;      /* its JSON with all fields */
    const char *date;             /* of documents without one; may be NULL */
    const char *annotate_operand; /* "int8", …; NULL: as the rest */
    int64_t annotate_seed;        /* -1: the first of seeds */
    tfc_filter_params filter;     /* its run and out are not set */
    uint64_t seeds[TFC_EXP_LIST];
    size_t n_seeds;
    bool systems[TFC_EXP_N_SYSTEMS];
    tfc_train_params train; /* with the recipe's numbers; data, plain, out, seed are not set */
    int64_t rounds;
    tfc_exp_evaluation evaluations[TFC_EXP_LIST];
    size_t n_evaluations;
    int64_t at_steps[TFC_EXP_LIST];
    size_t n_at_steps;
    double subsets[TFC_EXP_LIST]; /* ascending; the last is 1 */
    size_t n_subsets;
} tfc_exp_variant;

typedef struct tfc_exp_file {
    tfc_arena arena;
    const char *path, *name, *description, *model; /* description, model may be NULL */
    bool drop_overlap;
    const char *forget_data; /* NULL: the built-in text */
    double forget_limit;
    tfc_exp_variant *variants; /* the first is the main one */
    size_t n_variants;
    const char **left_out; /* lines for people: what is absent and optional */
    size_t n_left_out;
} tfc_exp_file;

/* data_dir: for ${DATA}; may be NULL. */
tfc_status tfc_exp_file_read(tfc_exp_file *file, const char *path, const char *data_dir, tfc_error *err);
void tfc_exp_file_release(tfc_exp_file *file);

#endif
