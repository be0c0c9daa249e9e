/* toolformer/recipe.h: a full set of the method's choices under one name.
 *
 * "paper" is the paper to the letter; "small" is for models under a billion parameters, which do not know
 * what a finished call means until they have seen some. A recipe file is JSON with the same fields; its nulls
 * mean "as the tool's manifest says" (thresholds) or "not set" (training). With "base": "small" it holds its
 * own name and the departures from that recipe alone. */
#ifndef TOOLFORMER_RECIPE_H
#define TOOLFORMER_RECIPE_H

#include "toolformer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tfc_context { TFC_CONTEXT_PREFIX, TFC_CONTEXT_DEMONSTRATED } tfc_context;
typedef enum tfc_proposer {
    TFC_PROPOSER_SAMPLE,
    TFC_PROPOSER_ENUMERATE,
    TFC_PROPOSER_BOTH /* enumerated arguments, then samples, at every place where a number stands */
} tfc_proposer;
/* What stands before the text in the demonstrated context. A model that was taught may need nothing there. */
typedef enum tfc_head { TFC_HEAD_DEMONSTRATIONS, TFC_HEAD_NONE } tfc_head;
/* Which calls pass. Without a filter every call with a result does, and no call is scored: an ablation. */
typedef enum tfc_filter_rule { TFC_FILTER_GAIN, TFC_FILTER_NONE } tfc_filter_rule;
/* What the calls of C* hold: their own results, or those of other calls of the same tool (an ablation). */
typedef enum tfc_results { TFC_RESULTS_OWN, TFC_RESULTS_SHUFFLED } tfc_results;
typedef enum tfc_empty_call {
    TFC_EMPTY_ARROW, /* e(c, empty) = ` [Name(args) -> ]` */
    TFC_EMPTY_BARE   /* e(c, empty) = ` [Name(args)]` */
} tfc_empty_call;

/* Which of several calls that pass at one place stays (the paper leaves it open). */
typedef enum tfc_choose {
    TFC_CHOOSE_GAIN,       /* the largest L- - L+ */
    TFC_CHOOSE_LIKELIHOOD, /* the largest log p(call | H or P(x), x_<i): what the model itself would write */
    TFC_CHOOSE_FEWEST,     /* the fewest operands, then the likelihood */
    TFC_CHOOSE_COVERAGE,   /* on an answer line the fewest numbers of the question left out, then the
                              likelihood; elsewhere the likelihood */
    TFC_CHOOSE_RANDOM      /* by the run's seed */
} tfc_choose;
extern const char *const tfc_choose_names[]; /* in that order; NULL ends them */

/* What may differ from tool to tool. Unset: -1, NAN. */
typedef struct tfc_tool_choices {
    char tool[64];
    double tau_s, tau_f;
    int64_t k, m;
    int context, proposer, narrow_places; /* -1: as the recipe */
} tfc_tool_choices;

enum { TFC_RECIPE_TOOLS = 32 };

typedef struct tfc_recipe {
    char name[64];
    tfc_context context;
    tfc_proposer proposer;
    double tau_s, tau_f; /* NAN: the tool's */
    int64_t k, m;        /* -1: the tool's */
    double temperature;
    int64_t max_args_tokens;
    bool constrained, narrow_places, heuristics;
    tfc_empty_call empty_call;
    int64_t max_numbers;    /* numbers before a place that the enumerating proposer looks back at */
    int64_t max_enumerated; /* most arguments that it proposes for a place */
    int64_t max_operands;   /* of an enumerated expression: 2 or 3 */
    bool number_words;      /* numbers in words are operands too: ninety-nine, half, twice */
    bool match_numbers;     /* a call of a tool that stands before numbers has to give the number there */
    bool repeat_operands;   /* a value that stands twice before the place may be an operand twice */
    bool chains; /* calls may use the result of one that goes before them at the same place, where their
                    tool's manifest says so ("after") */
    tfc_choose choose;
    tfc_head head;
    tfc_filter_rule filter;
    tfc_results results;
    double min_likelihood; /* log p(call) of a call that passes; NAN: any */
    int64_t max_calls;     /* of C*, a choice by the run's seed; -1: all that pass */
    int64_t max_ambiguous; /* a place with more calls of the same result is dropped; -1: none is */
    bool hide_equations;
    int64_t snippet_tokens;
    tfc_tool_choices tools[TFC_RECIPE_TOOLS];
    size_t n_tools;
    struct {
        double lr, epochs, warmup_share, plain_share; /* epochs NAN: steps decide */
        double match_base, text_weight, base_share;
        bool lr_decay, freeze_embeddings;
        int64_t batch, steps, max_tokens; /* steps -1: epochs decide */
    } train;
} tfc_recipe;

/* name: "paper", "small", or the path of a JSON file. Errors name the file and the field. */
tfc_status tfc_recipe_load(const char *name, tfc_recipe *recipe, tfc_error *err);
/* From JSON that is at hand; `what` names it in errors. */
tfc_status tfc_recipe_parse(const char *text, const char *what, tfc_recipe *recipe, tfc_error *err);
/* Its JSON with all fields, those of its base put in; the caller's (tfc_text_free). */
tfc_status tfc_recipe_text(const char *name, char **text, tfc_error *err);

#ifdef __cplusplus
}
#endif
#endif
