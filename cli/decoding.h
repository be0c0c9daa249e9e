/* cli/decoding.h: what generate and chat share. */
#ifndef CLI_DECODING_H
#define CLI_DECODING_H

#include "options.h"
#include "toolformer/decode.h"

typedef struct cli_decoding {
    const char *tools, *date;
    int64_t max_tokens, call_top_k, sample_top_k, max_calls, max_args_tokens;
    double temperature, top_p, call_p;
    bool ignore_eos, allow_call_tokens;
} cli_decoding;
cli_decoding cli_decoding_default(void);

/* The options that set them; the values stand in *decoding. */
enum { CLI_N_DECODING = 12 };
void cli_decoding_options(cli_decoding *decoding, cli_option options[CLI_N_DECODING]);

/* As the library wants them. *tools becomes the caller's registry. False after a message. */
bool cli_decoding_params(const cli_decoding *decoding, const cli_common *common, tfc_tools **tools,
                         tfc_generate_params *params);

#endif
