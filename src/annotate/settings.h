/* annotate/settings.h: what a run was asked to do, resolved: recipe, then options, then each tool's own
 * numbers. */
#ifndef TFC_ANNOTATE_SETTINGS_H
#define TFC_ANNOTATE_SETTINGS_H

#include "toolformer/annotate.h"
#include "toolformer/corpus.h"
#include "toolformer/recipe.h"
#include "toolformer/runner.h"
#include "tools/tool.h"

/* One tool with its final choices and its fixed token sequences. */
typedef struct tfc_tool_plan {
    const tfc_tool *tool;
    tfc_context context;
    tfc_proposer proposer;
    double tau_s, tau_f;
    int64_t k, m;
    bool narrow;
    const tfc_tool *leaders[TFC_RECIPE_TOOLS]; /* [n_leaders] tools whose calls may go before in a chain */
    size_t n_leaders;
    int32_t *begin_ids; /* <API> */
    int64_t n_begin;
    int32_t *open_ids; /* ` [Name(` */
    int64_t n_open;
    int32_t *head_ids; /* demonstrated: bos (where the model has one), H. NULL with prefix */
    int64_t n_head;
} tfc_tool_plan;

typedef struct tfc_settings {
    tfc_recipe recipe; /* after the options */
    uint64_t seed;
    bool pruning;
    tfc_tools *tools;
    tfc_tool_plan plans[TFC_RECIPE_TOOLS];
    size_t n_plans;
} tfc_settings;

/* Loads the recipe, applies params over it, makes the tools and their plans, but for the heads. No tool is
 * called. */
tfc_status tfc_settings_init(tfc_settings *settings, const tfc_annotate_params *params,
                             const tfc_tokenizer *tokenizer, tfc_error *err);
void tfc_settings_release(tfc_settings *settings);
/* The plans' heads, their calls made by the runner. */
tfc_status tfc_settings_heads(tfc_settings *settings, tfc_runner *runner, const tfc_tokenizer *tokenizer,
                              tfc_error *err);

/* A tool's plan by the settings' recipe, without its head; released with tfc_tool_plan_release. tools (or
 * NULL): where the recipe's chains look for the tools that this one may follow. */
tfc_status tfc_tool_plan_init(tfc_tool_plan *plan, const tfc_tool *tool, const tfc_tools *tools,
                              const tfc_recipe *recipe, const tfc_tokenizer *tokenizer, tfc_error *err);
void tfc_tool_plan_release(tfc_tool_plan *plan);
/* Its head, where its context has one. */
tfc_status tfc_tool_plan_head(tfc_tool_plan *plan, const tfc_tools *tools, const tfc_recipe *recipe,
                              tfc_runner *runner, const tfc_tokenizer *tokenizer, tfc_error *err);
/* bos (where the model has one) and the tokens of `head`. */
tfc_status tfc_head_tokens(const char *head, const tfc_tokenizer *tokenizer, int32_t **ids, int64_t *n,
                           tfc_error *err);

/* Everything that decides a run's results, as one line of JSON; equal settings give equal text. The caller's
 * (tfc_text_free). */
char *tfc_settings_json(const tfc_settings *settings, const tfc_annotate_params *params,
                        const tfc_model *model, const tfc_corpus *corpus, tfc_error *err);
/* Which field two such texts differ in; NULL when they agree. The caller's. */
char *tfc_settings_difference(const char *a, const char *b);

#endif
