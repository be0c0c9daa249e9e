/* toolformer/annotate.h: the method: sample, execute, filter (paper section 2).
 *
 * A *run* is a folder. `tfc_annotate` reads a corpus, finds places and calls, runs them, and writes every
 * candidate with its three losses, verdict and reason to RUN/run.db (SQLite). `tfc_filter` turns that into
 * RUN/dataset.jsonl (C*) without the model; thresholds can be moved there. Both can be stopped and called
 * again: they go on where they were, and give the same bytes for any number of threads, any batch budget, any
 * number of kills.
 *
 * For a call c at token i of text x, with result r (PAPER section 1.4):
 *
 *     L_i(z) = - sum_{j=i}^{i+4} w_{j-i} log p(x_j | z, x_<j)        w = [1/3, 4/15, 1/5, 2/15, 1/15]
 *     keep  <=>  min(L_i(empty), L_i(call without result)) - L_i(call with result) >= tau_f
 *
 * In the `prefix` context z stands before x (the paper); in the `demonstrated` context z stands in its place,
 * behind a head H of texts with finished calls: p(x_j | H, x_<i, z, x_i..x_{j-1}).
 *
 * A chain is two calls at one place, the second made with the first and its result r1 before it (the paper's
 * section 7 names it as what its method cannot make). A tool's manifest names the tools that it may follow.
 * It is kept iff each of its members earns its place:
 *
 *     min(L_i(empty), L_i(c1 with r1), L_i(c1 with r1, c2 without result)) - L_i(c1 with r1, c2 with r2) >=
 * tau_f
 *
 * Where it is not, one of its calls alone may be kept by the rule above; where it is, its first call alone is
 * not.
 *
 * A recipe names all choices; "paper" and "small" are built in, a path reads one from JSON. Options left at
 * their "unset" value take the recipe's, and the recipe's nulls take the tool's own (its manifest). */
#ifndef TOOLFORMER_ANNOTATE_H
#define TOOLFORMER_ANNOTATE_H

#include "toolformer/engine.h"
#include "toolformer/runner.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TFC_N_WEIGHTS = 5 };
/* [1/3, 4/15, 1/5, 2/15, 1/15] */
extern const double tfc_loss_weights[TFC_N_WEIGHTS];

typedef struct tfc_annotate_params {
    const char *const *corpus; /* files */
    size_t n_corpus;
    const char *tools;  /* as tfc_tools_create */
    const char *run;    /* folder; made when absent */
    const char *recipe; /* "paper", "small", or a JSON file; NULL: "paper" */
    /* departures from the recipe; unset: NAN, -1, NULL */
    double tau_s, tau_f;
    int64_t k, m;
    const char *context;  /* "prefix", "demonstrated" */
    const char *proposer; /* "sample", "enumerate", "both" (tools without an enumerating proposer sample) */
    double temperature;   /* of sampled arguments */
    int64_t max_args_tokens;
    int constrained;   /* 1: arguments under the tool's grammar; 0: free */
    int narrow_places; /* 1: only places that the tool's manifest names */
    int heuristics;    /* 1: only texts that the tool's heuristic wants */
    int hide_equations;
    int64_t snippet_tokens;
    int64_t max_operands; /* of enumerated expressions: 2 or 3 */
    int number_words;     /* 1: numbers in words are operands too */
    int chains;           /* 1: two calls at one place, where the second tool's manifest allows it */
    int match_numbers;    /* 1: a call before a number has to give that number */
    int repeat_operands;  /* 1: a value that stands twice may be an operand twice */
    const char *choose; /* of several calls that pass at a place: "gain", "likelihood", "fewest", "coverage",
                           "random" */
    int64_t max_ambiguous;               /* a place with more calls of the same result is dropped */
    const char *head;                    /* of the demonstrated context: "demonstrations", "none" */
    const char *filter;                  /* "gain"; "none": every call with a result passes, unscored */
    const char *results;                 /* in C*: "own"; "shuffled": of other calls */
    int64_t max_calls;                   /* of C* */
    int64_t max_numbers, max_enumerated; /* see tfc_recipe */
    double min_likelihood;               /* log p(call) of a call that passes */
    int64_t limit;                       /* most documents; -1: all */
    const char *date;                    /* for documents without one; NULL: none */
    bool skip_bad_lines;
    bool no_pruning; /* compute everything; the kept set is the same */
    uint64_t seed;
    /* None of the following changes a result. */
    int n_threads;
    int64_t batch_tokens;
    size_t kv_bytes;
    bool no_overlap;        /* the engine waits while tools work */
    bool keep_failed;       /* calls that failed in an earlier start are not tried again */
    const char *tool_cache; /* as in tfc_runner_params */
    const char *replay; /* a run whose recording answers all calls: no tool is touched, `tools` are looked up
                           in it, and the same settings give the same bytes; NULL: none */
} tfc_annotate_params;
tfc_annotate_params tfc_annotate_params_default(void);

typedef struct tfc_annotate_result {
    int64_t documents, snippets; /* all of the run so far */
    int64_t tokens;              /* of the snippets */
    int64_t wanted;              /* (snippet, tool) pairs that passed the heuristic */
    int64_t positions;           /* places where a call was tried */
    int64_t candidates, executed, no_result, failed, scored, kept; /* failed: the tool did. The same call of
                                                                      tfc_annotate tries these again */
    /* what exact pruning saved (this call and earlier ones of the run) */
    int64_t
        pruned_scans; /* scans of a text for a tool not needed: no place, or none with L(empty) >= tau_f */
    int64_t pruned_positions;    /* chosen positions with L(empty) < tau_f: nothing sampled */
    int64_t pruned_duplicates;   /* identical calls merged */
    int64_t pruned_no_result;    /* calls not scored: no result */
    int64_t pruned_loss_call;    /* L(call, empty) not needed */
    double seconds;              /* of this call */
    double waited;               /* seconds of this call in which the engine waited for tools */
    tfc_session_counters engine; /* of this call */
    tfc_tool_stats
        tools[TFC_STATS_MAX]; /* [n_tools] calls of this call, those that make the heads included */
    size_t n_tools;
} tfc_annotate_result;

/* While tools work on one group of texts the engine goes on with the next. TFC_ECONFLICT: the run was made
 * with another model, corpus, tools or settings; the message says which. TFC_EIO: a tool fails more often
 * than its manifest allows; what was finished stays, and the same call goes on from there. */
tfc_status tfc_annotate(tfc_model *model, const tfc_annotate_params *params, const tfc_monitor *monitor,
                        tfc_annotate_result *result, tfc_error *err);

typedef struct tfc_filter_params {
    const char *run;
    double tau_f;                 /* NAN: as annotated */
    const char *tau_f_by_tool;    /* "Calculator=0.5,Calendar=1.0" or NULL; wins over tau_f */
    const char *choose;           /* as in the annotation's parameters; NULL: as annotated */
    int64_t max_ambiguous;        /* 0: as annotated; -1: no place is dropped for it */
    const char *filter, *results; /* as in the annotation's parameters; NULL: as annotated */
    int64_t max_calls;            /* 0: as annotated; -1: all */
    double min_likelihood;        /* NAN: as annotated; -1000: any */
    const char *out;              /* folder of dataset.jsonl and plain.jsonl; NULL: the run's */
} tfc_filter_params;
tfc_filter_params tfc_filter_params_default(void); /* all as annotated; run is NULL */

typedef struct tfc_filter_result {
    int64_t snippets, texts; /* texts with at least one kept call: the rows of dataset.jsonl */
    int64_t calls;
    int64_t ambiguous; /* calls that would have passed, dropped with their places by max_ambiguous */
    struct {
        char name[64];
        int64_t candidates, passed, kept; /* kept: after several calls at one place were settled */
    } tools[32];
    size_t n_tools;
} tfc_filter_result;

/* A threshold below the one annotated with is refused when losses are missing because of pruning. */
tfc_status tfc_filter(const tfc_filter_params *params, tfc_filter_result *result, tfc_error *err);

/* A control: up to n scored candidates of the run get the result of another one of their tool, and are judged
 * again. params are those of the annotation. */
typedef struct tfc_control_result {
    int64_t n;          /* candidates judged twice */
    int64_t kept_own;   /* with their own results */
    int64_t kept_other; /* with somebody else's */
} tfc_control_result;
tfc_status tfc_control_shuffled(tfc_model *model, const tfc_annotate_params *params, int64_t n,
                                const tfc_monitor *monitor, tfc_control_result *result, tfc_error *err);

/* The three losses of one call at one place, token by token. */
typedef struct tfc_explain_params {
    const char *text;
    size_t n_text;
    const char *call;    /* "Calculator(400 / 1400)" */
    size_t at;           /* byte; the position is the first token that starts at or after it */
    const char *result;  /* NULL: the tool is run */
    const char *context; /* "prefix" (NULL) or "demonstrated" */
    const char *head;    /* text instead of the tool's own head, or NULL */
    const char *date;
    double tau_f; /* NAN: the tool's */
} tfc_explain_params;

typedef struct tfc_explain_result {
    char tool[64];
    char *args, *result; /* tfc_explain_release */
    int64_t token_index;
    size_t at; /* byte where that token starts */
    double loss_empty, loss_call, loss_result, gain, tau_f;
    bool keep;
    struct {
        int32_t id;
        char *text; /* UTF-8; a cut character becomes U+FFFD */
        double weight;
        double empty, call, result; /* nats of this token under each */
    } tokens[TFC_N_WEIGHTS];
    size_t n_tokens;
} tfc_explain_result;
tfc_status tfc_explain(tfc_session *session, const tfc_tools *tools, const tfc_explain_params *params,
                       tfc_explain_result *result, tfc_error *err);
void tfc_explain_release(tfc_explain_result *result);

#ifdef __cplusplus
}
#endif
#endif
