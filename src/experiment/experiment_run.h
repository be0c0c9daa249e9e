/* experiment/experiment_run.h: the parts of one call of tfc_experiment_run.
 *
 * The walk over variants, rounds, subsets, seeds, systems and evaluations asks for stages; equal ones are
 * one. It goes twice: once to know what there is to do, once to do it. */
#ifndef TFC_EXPERIMENT_EXPERIMENT_RUN_H
#define TFC_EXPERIMENT_EXPERIMENT_RUN_H

#include "experiment/experiment_file.h"
#include "toolformer/annotate.h"
#include "toolformer/experiment.h"
#include "toolformer/overlap.h"

typedef enum tfc_exp_kind {
    TFC_EXP_ANNOTATE, /* texts → run.db */
    TFC_EXP_FILTER,   /* run.db → dataset.jsonl, plain.jsonl */
    TFC_EXP_SUBSET,   /* a part of a data set */
    TFC_EXP_TRAIN,    /* a data set → model */
    TFC_EXP_BLEND,    /* a trained model and the base model → model */
    TFC_EXP_EVAL,     /* a model and rows → rows.jsonl */
    TFC_EXP_FORGET,   /* a model → loss of a text that no training saw */
    TFC_EXP_N_KINDS
} tfc_exp_kind;
extern const char *const tfc_exp_kind_names[TFC_EXP_N_KINDS];

typedef struct tfc_exp_stage tfc_exp_stage;

/* The base model, or what a training left after a step (0: at its end). */
typedef struct tfc_exp_model {
    tfc_exp_stage *train; /* or blend; NULL: the base model */
    int64_t step;
} tfc_exp_model;

/* The texts of a variant: one file, with the overlapping ones taken out. */
typedef struct tfc_exp_texts {
    const tfc_exp_variant *variant; /* the first one with these corpora */
    char *signature;                /* of the corpora */
    char *path;
    uint64_t hash; /* of the content */
    int64_t n, n_read;
    struct tfc_exp_kind_count {
        const char *kind;
        int64_t n;
    } kinds[TFC_EXP_LIST];
    size_t n_kinds;
    int64_t n_overlap_texts, n_overlap_rows;
    tfc_buffer overlap; /* JSON array of {"text","evaluation","row"} */
    tfc_buffer files;   /* JSON array of {"file","hash","documents"} */
} tfc_exp_texts;

struct tfc_exp_stage {
    tfc_exp_kind kind;
    char key[20];
    char *inputs; /* JSON: all that decides the result */
    char *folder, *label;
    bool done, ran;
    const char *skipped; /* why it cannot be run, or NULL */
    double seconds;      /* of all starts */
    double threads;
    tfc_json *result;

    /* what it works with; those that do not concern its kind are not set */
    const tfc_exp_variant *variant;
    const tfc_exp_texts *texts;
    tfc_exp_model model;
    tfc_exp_stage *source; /* annotate of filter, filter or subset of train, … */
    double share;
    uint64_t seed;
    bool without_calls;
    const tfc_exp_evaluation *evaluation;
    tfc_exp_system system;
};

/* One trained model of the tables, and what led to it. */
typedef struct tfc_exp_training {
    size_t variant, seed; /* numbers */
    int64_t round;
    double share;
    bool without_calls;
    tfc_exp_stage *annotate, *data, *train, *forget; /* data: the filter's or the subset's */
} tfc_exp_training;

/* One evaluation of one system. */
typedef struct tfc_exp_cell {
    size_t variant, seed;
    int64_t round, step; /* step 0: the end */
    double share;
    tfc_exp_system system;
    size_t evaluation; /* number in its variant */
    tfc_exp_stage *stage;
} tfc_exp_cell;

typedef struct tfc_exp {
    const tfc_experiment_params *params;
    const tfc_monitor *monitor;
    tfc_experiment_result *result;
    tfc_exp_file file;
    char *data_dir;
    char *base_path, *base_id, *base_name;
    const char *cpu_path, *operand; /* as opened; live with the file's arena */
    tfc_exp_texts *texts;           /* [file.n_variants]; those that are equal are made once */
    const tfc_exp_texts **texts_of; /* [file.n_variants] */
    size_t n_texts;

    bool running; /* second walk: what is missing is done */
    tfc_exp_stage **stages;
    size_t n_stages, stage_capacity;
    tfc_exp_training *trainings;
    size_t n_trainings, training_capacity;
    tfc_exp_cell *cells;
    size_t n_cells, cell_capacity;
    tfc_exp_stage *forget_base;

    tfc_model *model; /* the one that was used last */
    tfc_session *session;
    tfc_exp_model model_is;
    const char *model_operand;            /* that it was opened with; NULL: the path's own */
    double kind_seconds[TFC_EXP_N_KINDS]; /* of the stages that were run */
    int64_t kind_n[TFC_EXP_N_KINDS];
} tfc_exp;

/* ---- experiment_texts.c ---- */
/* Reads the corpora of all variants, finds what overlaps with the evaluations, writes OUT/texts. */
tfc_status tfc_exp_texts_make(tfc_exp *exp, tfc_error *err);
void tfc_exp_texts_release(tfc_exp *exp);

/* ---- experiment_stages.c ---- */
/* Runs a stage that is not done; fills its result. */
tfc_status tfc_exp_stage_run(tfc_exp *exp, tfc_exp_stage *stage, tfc_error *err);
/* Closes model and session. */
void tfc_exp_model_close(tfc_exp *exp);
/* A number of a stage's result; 0 where it has none. */
double tfc_exp_number(const tfc_exp_stage *stage, const char *name);

/* ---- experiment_walk.c ---- */
tfc_status tfc_exp_walk(tfc_exp *exp, tfc_error *err);

/* ---- experiment_tables.c, experiment_page.c ---- */
/* results.json, results.md and report.html in the experiment's folder, from the stages that are done. */
tfc_status tfc_exp_tables_write(tfc_exp *exp, tfc_error *err);

#endif
