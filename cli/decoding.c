/* Options of generation. */
#include "decoding.h"

#include <string.h>

#include "output.h"

cli_decoding cli_decoding_default(void)
{
    tfc_generate_params params = tfc_generate_params_default();
    return (cli_decoding){.max_tokens = params.max_tokens,
                          .call_top_k = params.call_top_k,
                          .sample_top_k = params.sample_top_k,
                          .max_calls = params.max_calls,
                          .max_args_tokens = params.max_args_tokens,
                          .temperature = params.temperature,
                          .top_p = params.top_p,
                          .call_p = params.call_p};
}

void cli_decoding_options(cli_decoding *d, cli_option options[CLI_N_DECODING])
{
    const cli_option table[CLI_N_DECODING] = {
        {"tools", CLI_TEXT, &d->tools, "A,B|none", "tools by name or manifest file; else all built-in ones",
         0, 0},
        {"max-tokens", CLI_INT, &d->max_tokens, "N", "most new tokens, those of calls included (default 128)",
         0, 1 << 24},
        {"temperature", CLI_NUMBER, &d->temperature, "T", "0 (default): always the most probable token", 0,
         100},
        {"top-k", CLI_INT, &d->call_top_k, "K",
         "call when <API> is among the K most probable tokens (default 10; 0: never)", 0, 1 << 24},
        {"call-p", CLI_NUMBER, &d->call_p, "P", "call when <API> has at least this probability", 0, 1},
        {"max-calls", CLI_INT, &d->max_calls, "N", "most calls in one text (default 1)", 0, 1 << 20},
        {"max-args-tokens", CLI_INT, &d->max_args_tokens, "N", "longest arguments of a call (default 48)", 1,
         1 << 16},
        {"sample-top-k", CLI_INT, &d->sample_top_k, "K", "draw from the K most probable tokens (0: all)", 0,
         1 << 24},
        {"top-p", CLI_NUMBER, &d->top_p, "P", "draw from the tokens that make up P of the probability", 0, 1},
        {"ignore-eos", CLI_FLAG, &d->ignore_eos, NULL, "go on past the end of the text", 0, 0},
        {"allow-call-tokens", CLI_FLAG, &d->allow_call_tokens, NULL,
         "with --tools none: ` [` may be written as any text", 0, 0},
        {"date", CLI_TEXT, &d->date, "DATE", "YYYY-MM-DD for the tools; else today", 0, 0},
    };
    memcpy(options, table, sizeof table);
}

bool cli_decoding_params(const cli_decoding *d, const cli_common *common, tfc_tools **tools,
                         tfc_generate_params *params)
{
    tfc_error err;
    tfc_error_init(&err);
    *tools = tfc_tools_create(d->tools, &err);
    if (!*tools) {
        cli_fail_error(&err);
        return false;
    }
    *params = tfc_generate_params_default();
    params->tools = *tools;
    params->allow_call_tokens = d->allow_call_tokens;
    params->max_tokens = d->max_tokens;
    params->temperature = d->temperature;
    params->sample_top_k = (int32_t)d->sample_top_k;
    params->top_p = d->top_p;
    params->call_top_k = (int32_t)d->call_top_k;
    params->call_p = d->call_p;
    params->max_calls = d->max_calls;
    params->max_args_tokens = d->max_args_tokens;
    params->ignore_eos = d->ignore_eos;
    params->date = d->date;
    params->seed = common->seed;
    return true;
}
