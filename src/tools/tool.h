/* tools/tool.h: what a tool is inside: its manifest's fields and its backend. */
#ifndef TFC_TOOLS_TOOL_H
#define TFC_TOOLS_TOOL_H

#include "calls/grammar.h"
#include "toolformer/tools.h"
#include "tools/tool_limits.h"

/* One demonstration for the few-shot prompt P(x): a text and the same text with calls. `result` forms, for
 * the head H of the demonstrated context, are made by running the calls (with `date`). */
typedef struct tfc_demonstration {
    const char *input;          /* plain text */
    const char *output;         /* the same with ` [Name(args)]` in it, without results */
    const char *date;           /* "YYYY-MM-DD" or NULL */
    const char *const *results; /* of its calls, in order: the head needs no tool then; NULL: they are run */
} tfc_demonstration;

/* Where a call may stand, apart from thresholds. */
typedef enum tfc_places {
    TFC_PLACES_ANY,
    TFC_PLACES_NUMBERS,
    TFC_PLACES_DATES,
    TFC_PLACES_DATES_AND_NUMBERS,
    TFC_PLACES_AFTER_FOREIGN,
    TFC_PLACES_PATTERN = 100 /* before a match of the manifest's */
} tfc_places;
typedef enum tfc_heuristic {
    TFC_HEURISTIC_NONE,
    TFC_HEURISTIC_CALCULATOR,
    TFC_HEURISTIC_CALENDAR,
    TFC_HEURISTIC_MT,
    TFC_HEURISTIC_PATTERN = 100 /* a match of the manifest's */
} tfc_heuristic;

typedef struct tfc_backend_type tfc_backend_type; /* backend.h */
struct tfc_runner;                                /* toolformer/runner.h */
typedef struct tfc_args_schema tfc_args_schema;   /* args_json.h */
typedef struct tfc_propose_rule tfc_propose_rule; /* propose_pattern.c */
struct tfc_pattern;                               /* pattern.h */

/* What a tool's enumerating proposer is asked for, and its answer. backend->enumerate gives arguments worth
 * trying before text[at]: with `earlier` NULL those that the text before `at` suggests, else those that use
 * `earlier`, the result of the call that goes before in a chain. False: nothing that its results say stands
 * there, or (err set) memory is wanting. */
typedef struct tfc_enumerate_params {
    size_t max_numbers, max_args;
    int max_operands; /* 2 or 3 */
    bool words;       /* numbers in words are operands too */
    bool repeat;      /* a value that stands twice before the place may be an operand twice: 3 + 3 */
} tfc_enumerate_params;
typedef struct tfc_proposals {
    char **args;
    size_t n_args;
} tfc_proposals;

struct tfc_tool {
    const char *name, *description;
    const char *version;     /* what the manifest says of the tool behind it, or NULL */
    const char *instruction; /* the task sentences of P(x) */
    const tfc_demonstration *demonstrations;
    size_t n_demonstrations;
    const tfc_demonstration
        *head; /* texts for the head H (more, and closer to use); falls back to demonstrations */
    size_t n_head;
    tfc_args_form args_form;
    const tfc_args_schema *schema; /* what the arguments' text stands for; NULL: the text is all there is */
    double tau_s, tau_f;           /* the paper's, Appendix A */
    int k, m;
    tfc_heuristic heuristic;                          /* which texts are candidates */
    tfc_places places;                                /* a narrowing of places that the `small` recipe uses */
    struct tfc_pattern *text_pattern, *place_pattern; /* of TFC_HEURISTIC_PATTERN and TFC_PLACES_PATTERN */
    bool enumerates;                                  /* it has an enumerating proposer: */
    tfc_propose_rule *rules;                          /* [n_rules] the manifest's own; none: its backend's */
    size_t n_rules;
    const char *const *after; /* [n_after] tools whose results its arguments may use: chains */
    size_t n_after;
    size_t max_result_bytes;
    tfc_tool_limits limits;
    const char *manifest_text;
    const char *source; /* how the list of tools named it; NULL: by its name */
    const tfc_backend_type *backend;
    void *state; /* the backend's own */
};

void tfc_tool_close(tfc_tool *tool);

/* P(x): instruction, demonstrations, `Input: x` / `Output:`. The caller's (tfc_text_free). Ends in "Output:".
 * tools: where the tools of `after` are looked up; demonstrations with calls of one that is not there are
 * left out. NULL: all that have such calls. */
char *tfc_tool_prompt(const tfc_tool *tool, const tfc_tools *tools, const char *x, size_t n, tfc_error *err);
/* H: the demonstrations' outputs with finished calls, separated by blank lines, ending in a blank line. */
char *tfc_tool_head(const tfc_tool *tool, const tfc_tools *tools, tfc_error *err);
/* The same, its calls made by the runner (NULL: one after the other, here). */
char *tfc_tool_head_run(const tfc_tool *tool, const tfc_tools *tools, struct tfc_runner *runner,
                        tfc_error *err);

/* propose_pattern.c: arguments worth trying before text[at], by the manifest's rules or the backend's. With
 * rules: for each in order, its matches in text[0, at) (or in `earlier`), the nearest first, at most
 * max_numbers of them, by its templates; distinct, legal, at most max_args; true but for want of memory. */
bool tfc_tool_enumerate(const tfc_tool *tool, const char *text, size_t n, size_t at, const char *earlier,
                        const tfc_enumerate_params *params, tfc_proposals *out, tfc_error *err);

/* calculator.c */
/* Evaluates exactly (fractions of 500-bit parts; what is larger, or has more than 36 digits before the point,
 * is no result). PAPER section 7: + - * / ( ) unary minus, decimals, thousands commas, x × ÷, % as /100;
 * integer results bare, else two decimals, half away from zero, no negative zero. */
tfc_status tfc_calculator_eval(const char *expression, size_t n, char **result, tfc_error *err);

/* Calls worth trying before the number that starts in text at byte `at` (blanks and a currency sign may come
 * first): every `a op b` over the numbers that stand before `at` (the last max_numbers of them) whose result
 * equals it as written: first the exact ones, then those that rounding to the decimals written makes equal;
 * in each the nearest operands first. With max_operands 3 those of three operands follow. A mention is an
 * operand once; a word like `half` or `twice` only multiplies or divides. Distinct argument texts (a + b
 * stands for b + a too); at most max_args. False when no number starts there or (err set) memory is wanting.
 */
bool tfc_calculator_enumerate(const char *text, size_t n, size_t at, const tfc_enumerate_params *params,
                              tfc_proposals *out, tfc_error *err);
void tfc_proposals_release(tfc_proposals *proposals);
/* True when a result of the Calculator is the number that starts at text[at] (behind blanks and a currency
 * sign), as far as the decimals that are written and printed say. */
bool tfc_number_matches(const char *text, size_t n, size_t at, const char *result);

/* A number as people write it: 1,400  3.5  29%  $45. value = mantissa / 10^scale. */
typedef struct tfc_number {
    size_t begin, end; /* bytes of digits, commas, decimal point */
    int64_t mantissa;
    int scale;     /* digits after the decimal point */
    bool percent;  /* a % follows */
    bool currency; /* $ € £ right before */
    bool word;     /* ninety-nine: its bytes are no digits */
    bool scales;   /* twice, half: it stands for a factor or a divisor alone */
} tfc_number;
/* The first number at or after `from`; false when there is none. */
bool tfc_number_scan(const char *text, size_t n, size_t from, tfc_number *number);

/* True when a call of this tool may stand before text[at] under its `places`. */
bool tfc_tool_place_allowed(const tfc_tool *tool, const char *text, size_t n, size_t at);
/* The paper's candidate-text heuristic (Appendix A). n_tokens windows are taken over whitespace-separated
 * words. `draw` in [0,1) decides the 1 % of rule (iii). date: the document's or NULL. */
bool tfc_tool_wants_text(const tfc_tool *tool, const char *text, size_t n, const char *date, double draw);
/* The paper drops MT's calls whose input stands in the text behind the call and not before it: nobody who
 * writes the text could have made them. */
bool tfc_tool_looks_ahead(const tfc_tool *tool, const char *text, size_t n, size_t at, const char *args,
                          size_t n_args);
/* True when its candidate texts, places or proposals depend on the identification of languages. */
bool tfc_tool_identifies_languages(const tfc_tool *tool);

/* calendar.c: "Today is Monday, January 30, 2023." for "2023-01-30"; NULL when that is no date. */
char *tfc_calendar_text(const char *iso_date);
/* A date in a URL (/2017/03/09/, 2017-03-09, 20170309) → "2017-03-09"; false when there is none. */
bool tfc_calendar_date_in_url(const char *url, char out[11]);
bool tfc_calendar_valid(const char *iso_date);

#endif
