/* <API> is " [" in the paper, but a vocabulary may hold longer tokens that begin a call as well. */
#include "text/call_tokens.h"

#include "base/memory.h"

/* `opening` is " [" or "[": true when token text starts so and goes on as `Name(` of a name, or stops on the
 * way. */
static bool begins_call(const char *text, size_t n, const char *opening, const char *const *names,
                        size_t n_names)
{
    size_t n_opening = strlen(opening);
    if (n < n_opening || memcmp(text, opening, n_opening) != 0) return false;
    text += n_opening;
    n -= n_opening;
    if (n == 0) return true;
    if (n_names == 0) {
        for (size_t i = 0; i < n; i++) {
            bool letter =
                (text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= 'a' && text[i] <= 'z') || text[i] == '_';
            if (!letter && !(i > 0 && text[i] >= '0' && text[i] <= '9')) return false;
        }
        return true;
    }
    for (size_t i = 0; i < n_names; i++) {
        size_t n_name = strlen(names[i]);
        if (n <= n_name ? memcmp(text, names[i], n) == 0
                        : memcmp(text, names[i], n_name) == 0 && n == n_name + 1 && text[n_name] == '(')
            return true;
    }
    return false;
}

tfc_status tfc_call_begin_tokens(const tfc_tokenizer *tokenizer, const char *const *names, size_t n_names,
                                 int32_t **ids, int64_t *n, tfc_error *err)
{
    int32_t n_tokens = tfc_tokenizer_n_tokens(tokenizer);
    int32_t *found = tfc_alloc((size_t)n_tokens, sizeof *found);
    if (!found) return tfc_fail_memory(err, "call tokens");
    *n = 0;
    for (int round = 0; round < 2 && *n == 0; round++) {
        for (int32_t id = 0; id < n_tokens; id++) {
            size_t length;
            const char *text = tfc_token_text(tokenizer, id, &length);
            if (!text || tfc_token_is_special(tokenizer, id)) continue;
            if (begins_call(text, length, round == 0 ? " [" : "[", names, n_names)) found[(*n)++] = id;
        }
    }
    *ids = found;
    return TFC_OK;
}
