/* Options and figures of annotation and filter. */
#include "annotate_options.h"

#include <string.h>

#include "output.h"

cli_annotation cli_annotation_default(void)
{
    return (cli_annotation){.params = tfc_annotate_params_default()};
}

void cli_annotate_options(cli_annotation *a, cli_option options[CLI_N_ANNOTATE])
{
    tfc_annotate_params *p = &a->params;
    const cli_option table[CLI_N_ANNOTATE] = {
        {"corpus", CLI_LIST, &a->corpus, "FILE...",
         "JSON lines with \"text\" (.jsonl, .jsonl.gz), or plain texts", 0, 0},
        {"tools", CLI_TEXT, &p->tools, "A,B", "tools by name or manifest file; else all built-in ones", 0, 0},
        {"recipe", CLI_TEXT, &p->recipe, "NAME",
         "paper (default), small, or a JSON file; options win over it", 0, 0},
        {"context", CLI_TEXT, &p->context, "NAME", "of the losses: prefix or demonstrated", 0, 0},
        {"proposer", CLI_TEXT, &p->proposer, "NAME", "of arguments: sample, enumerate or both", 0, 0},
        {"tau-s", CLI_NUMBER, &p->tau_s, "P", "least probability of <API> at a place", 0, 1},
        {"tau-f", CLI_NUMBER, &p->tau_f, "NATS", "least gain of a call that is kept", 0, 0},
        {"k", CLI_INT, &p->k, "N", "most places of a text", 1, 1 << 20},
        {"m", CLI_INT, &p->m, "N", "samples at a place", 1, 1 << 20},
        {"temperature", CLI_NUMBER, &p->temperature, "T", "of sampled arguments", 0, 100},
        {"max-args-tokens", CLI_INT, &p->max_args_tokens, "N", "longest sampled arguments", 1, 1 << 16},
        {"constrained", CLI_YESNO, &p->constrained, "yes|no", "arguments under the tool's grammar", 0, 0},
        {"narrow-places", CLI_YESNO, &p->narrow_places, "yes|no",
         "only places that the tool's manifest names", 0, 0},
        {"heuristics", CLI_YESNO, &p->heuristics, "yes|no", "only texts that the tool's heuristic wants", 0,
         0},
        {"hide-equations", CLI_YESNO, &p->hide_equations, "yes|no", "`48/2 = 24` in the corpus becomes `24`",
         0, 0},
        {"max-operands", CLI_INT, &p->max_operands, "N", "most operands of an enumerated expression: 2 or 3",
         2, 3},
        {"number-words", CLI_YESNO, &p->number_words, "yes|no",
         "numbers in words (ninety-nine, half, twice) are operands too", 0, 0},
        {"match-numbers", CLI_YESNO, &p->match_numbers, "yes|no",
         "a call before a number has to give that number", 0, 0},
        {"max-numbers", CLI_INT, &p->max_numbers, "N", "numbers before a place that are operands", 2, 100},
        {"max-enumerated", CLI_INT, &p->max_enumerated, "N", "most enumerated expressions at a place", 1,
         1000},
        {"min-likelihood", CLI_NUMBER, &p->min_likelihood, "NATS", "least log p(call) of a call that is kept",
         0, 0},
        {"chains", CLI_YESNO, &p->chains, "yes|no",
         "two calls at one place, the second using the result of the first", 0, 0},
        {"repeat-operands", CLI_YESNO, &p->repeat_operands, "yes|no",
         "a value that stands twice may be an operand twice", 0, 0},
        {"choose", CLI_TEXT, &p->choose, "NAME",
         "of several calls that pass at a place: gain, likelihood, fewest, coverage or random", 0, 0},
        {"max-ambiguous", CLI_INT, &p->max_ambiguous, "N",
         "drop places with more than N calls of the same result", 1, 1000},
        {"head", CLI_TEXT, &p->head, "NAME", "of the demonstrated context: demonstrations or none", 0, 0},
        {"filter", CLI_TEXT, &p->filter, "NAME",
         "gain, or none: every call with a result passes, unscored (an ablation)", 0, 0},
        {"results", CLI_TEXT, &p->results, "NAME",
         "in the data set: own, or shuffled between calls (an ablation)", 0, 0},
        {"max-calls", CLI_INT, &p->max_calls, "N", "most calls of the data set, chosen by the seed", 1,
         INT64_MAX / 2},
        {"snippet-tokens", CLI_INT, &p->snippet_tokens, "N", "longest piece of a document", 8, 1 << 20},
        {"limit", CLI_INT, &p->limit, "N", "the first N documents alone", 1, INT64_MAX / 2},
        {"date", CLI_TEXT, &p->date, "DATE", "YYYY-MM-DD for documents that have none", 0, 0},
        {"skip-bad-lines", CLI_FLAG, &p->skip_bad_lines, NULL, "leave broken lines of the corpus out", 0, 0},
        {"no-pruning", CLI_FLAG, &p->no_pruning, NULL, "compute every loss (the kept calls are the same)", 0,
         0},
        {"batch-tokens", CLI_INT, &p->batch_tokens, "N",
         "tokens of one forward pass (no result depends on it)", 16, 1 << 20},
        {"replay", CLI_TEXT, &p->replay, "RUN",
         "take every tool's answers from that run's recording; no tool has to be there", 0, 0},
        {"tool-cache", CLI_TEXT, &p->tool_cache, "FILE",
         "results that runs share; none: no cache; else cache/tools.db in $TOOLFORMER_HOME", 0, 0},
        {"no-overlap", CLI_FLAG, &p->no_overlap, NULL,
         "the engine waits while tools work (no result depends on it)", 0, 0},
    };
    memcpy(options, table, sizeof table);
}

bool cli_annotate_complete(cli_annotation *a, const char *command, const cli_common *common)
{
    if (a->corpus.n == 0) return cli_usage_error(command, "--corpus is missing"), false;
    a->params.corpus = a->corpus.items;
    a->params.n_corpus = a->corpus.n;
    a->params.seed = common->seed;
    a->params.n_threads = (int)common->threads;
    if (common->kv_mb > 0) a->params.kv_bytes = (size_t)common->kv_mb << 20;
    return true;
}

void cli_annotate_json(cli_json *json, const tfc_annotate_result *r)
{
    cli_json_int(json, "documents", r->documents);
    cli_json_int(json, "snippets", r->snippets);
    cli_json_int(json, "tokens", r->tokens);
    cli_json_int(json, "wanted", r->wanted);
    cli_json_int(json, "positions", r->positions);
    cli_json_int(json, "candidates", r->candidates);
    cli_json_int(json, "executed", r->executed);
    cli_json_int(json, "no_result", r->no_result);
    cli_json_int(json, "failed", r->failed);
    cli_json_int(json, "scored", r->scored);
    cli_json_int(json, "passed", r->kept);
    cli_json_begin(json, "pruned", '{');
    cli_json_int(json, "scans", r->pruned_scans);
    cli_json_int(json, "positions", r->pruned_positions);
    cli_json_int(json, "duplicates", r->pruned_duplicates);
    cli_json_int(json, "no_result", r->pruned_no_result);
    cli_json_int(json, "loss_call", r->pruned_loss_call);
    cli_json_end(json, '}');
    cli_json_begin(json, "tools", '[');
    for (size_t i = 0; i < r->n_tools; i++) {
        const tfc_tool_stats *s = &r->tools[i];
        cli_json_begin(json, NULL, '{');
        cli_json_text(json, "tool", s->tool);
        cli_json_int(json, "calls", s->calls);
        cli_json_int(json, "cached", s->cached);
        cli_json_int(json, "no_result", s->no_result);
        cli_json_int(json, "failed", s->failed);
        cli_json_int(json, "timed_out", s->timed_out);
        cli_json_int(json, "retried", s->retried);
        cli_json_number(json, "ms", s->ms);
        cli_json_number(json, "cost", s->cost);
        cli_json_end(json, '}');
    }
    cli_json_end(json, ']');
    cli_json_number(json, "seconds", r->seconds);
    cli_json_number(json, "waited", r->waited);
}

void cli_annotate_print(const tfc_annotate_result *r)
{
    cli_printf("texts      %lld documents, %lld texts, %lld tokens\n", (long long)r->documents,
               (long long)r->snippets, (long long)r->tokens);
    cli_printf(
        "calls      %lld proposed at %lld places, %lld executed (%lld without result), %lld scored, %lld "
        "pass\n",
        (long long)r->candidates, (long long)r->positions, (long long)r->executed, (long long)r->no_result,
        (long long)r->scored, (long long)r->kept);
    cli_printf("saved      %lld scans, %lld places, %lld duplicates, %lld calls without result, %lld losses "
               "L(call)\n",
               (long long)r->pruned_scans, (long long)r->pruned_positions, (long long)r->pruned_duplicates,
               (long long)r->pruned_no_result, (long long)r->pruned_loss_call);
    for (size_t i = 0; i < r->n_tools; i++) {
        const tfc_tool_stats *s = &r->tools[i];
        int64_t made = s->calls - s->cached;
        cli_printf(
            "  %-12s %lld calls, %lld answered before, %lld without result, %lld failed (%lld timed out), "
            "%lld retried, %.1f ms a call\n",
            s->tool, (long long)s->calls, (long long)s->cached, (long long)s->no_result, (long long)s->failed,
            (long long)s->timed_out, (long long)s->retried, made > 0 ? s->ms / (double)made : 0);
    }
}

void cli_filter_json(cli_json *json, const tfc_filter_result *r)
{
    cli_json_int(json, "texts", r->texts);
    cli_json_int(json, "calls", r->calls);
    cli_json_number(json, "calls_per_100_texts",
                    r->snippets ? 100.0 * (double)r->calls / (double)r->snippets : 0);
    cli_json_int(json, "ambiguous", r->ambiguous);
    cli_json_begin(json, "tools", '[');
    for (size_t i = 0; i < r->n_tools; i++) {
        cli_json_begin(json, NULL, '{');
        cli_json_text(json, "tool", r->tools[i].name);
        cli_json_int(json, "candidates", r->tools[i].candidates);
        cli_json_int(json, "passed", r->tools[i].passed);
        cli_json_int(json, "kept", r->tools[i].kept);
        cli_json_end(json, '}');
    }
    cli_json_end(json, ']');
}

void cli_filter_print(const tfc_filter_result *r)
{
    cli_printf("kept       %lld calls in %lld of %lld texts (%.1f calls per 100 texts)\n",
               (long long)r->calls, (long long)r->texts, (long long)r->snippets,
               r->snippets ? 100.0 * (double)r->calls / (double)r->snippets : 0);
    if (r->ambiguous)
        cli_printf("ambiguous  %lld calls that pass are dropped: too many calls give the same result there\n",
                   (long long)r->ambiguous);
    for (size_t i = 0; i < r->n_tools; i++)
        cli_printf("  %-12s %lld kept, %lld passed, of %lld\n", r->tools[i].name, (long long)r->tools[i].kept,
                   (long long)r->tools[i].passed, (long long)r->tools[i].candidates);
}
