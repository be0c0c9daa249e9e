/* Choosing among calls that pass at one place. The paper names no rule: the losses of two calls with the same
 * result differ by chance, so what they say has to decide. */
#include "annotate/choose.h"

#include <ctype.h>
#include <string.h>

#include "base/status.h"
#include "tools/number.h"

const char *const tfc_choose_names[] = {"gain", "likelihood", "fewest", "coverage", "random", NULL};

tfc_status tfc_choose_parse(const char *text, tfc_choose *out, tfc_error *err)
{
    for (int i = 0; tfc_choose_names[i]; i++) {
        if (strcmp(text, tfc_choose_names[i]) == 0) {
            *out = (tfc_choose)i;
            return TFC_OK;
        }
    }
    return tfc_fail(err, TFC_EINVAL,
                    "--choose must be gain, likelihood, fewest, coverage or random, not '%.60s'", text);
}

tfc_status tfc_filter_rule_parse(const char *text, tfc_filter_rule *out, tfc_error *err)
{
    *out = strcmp(text, "none") == 0 ? TFC_FILTER_NONE : TFC_FILTER_GAIN;
    if (*out == TFC_FILTER_NONE || strcmp(text, "gain") == 0) return TFC_OK;
    return tfc_fail(err, TFC_EINVAL, "--filter must be gain or none, not '%.60s'", text);
}

tfc_status tfc_results_parse(const char *text, tfc_results *out, tfc_error *err)
{
    *out = strcmp(text, "shuffled") == 0 ? TFC_RESULTS_SHUFFLED : TFC_RESULTS_OWN;
    if (*out == TFC_RESULTS_SHUFFLED || strcmp(text, "own") == 0) return TFC_OK;
    return tfc_fail(err, TFC_EINVAL, "--results must be own or shuffled, not '%.60s'", text);
}

enum { NUMBERS_MAX = 64 }; /* of a question; later ones are not looked at */

/* Distinct values; 3.50 is 3.5. Returns how many numbers there are, distinct or not. */
static int64_t read_numbers(const char *text, size_t n, tfc_number numbers[NUMBERS_MAX], size_t *n_numbers)
{
    tfc_number number;
    int64_t count = 0;
    *n_numbers = 0;
    for (size_t at = 0; tfc_number_scan(text, n, at, &number); at = number.end, count++) {
        bool known = *n_numbers == NUMBERS_MAX;
        while (number.scale > 0 && number.mantissa % 10 == 0) number.mantissa /= 10, number.scale--;
        for (size_t i = 0; i < *n_numbers && !known; i++)
            known = numbers[i].mantissa == number.mantissa && numbers[i].scale == number.scale;
        if (!known) numbers[(*n_numbers)++] = number;
    }
    return count;
}

/* text[0..n) ends with `ending`, in any case. */
static bool ends_with(const char *text, size_t n, const char *ending)
{
    size_t length = strlen(ending);
    for (size_t i = 0; i < length; i++)
        if (n < length || tolower((unsigned char)text[n - length + i]) != ending[i]) return false;
    return true;
}

/* `The answer is N`, `Answer: N`, `#### N`. */
static bool is_answer_line(const char *text, size_t at)
{
    static const char *const endings[] = {"answer is", "answer is:", "answer:", "####"};
    while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '$' || text[at - 1] == '\n')) at--;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(text, at, endings[i])) return true;
    return false;
}

/* The distinct numbers of the question (up to the last question mark before the place, else all before it)
 * that the expression leaves out. */
static int64_t left_out(const char *text, size_t at, const char *args)
{
    size_t end = at, n_asked, n_used;
    while (end > 0 && text[end - 1] != '?') end--;
    tfc_number asked[NUMBERS_MAX], used[NUMBERS_MAX];
    read_numbers(text, end > 0 ? end : at, asked, &n_asked);
    read_numbers(args, strlen(args), used, &n_used);
    int64_t missing = (int64_t)n_asked;
    for (size_t i = 0; i < n_asked; i++)
        for (size_t j = 0; j < n_used; j++)
            if (asked[i].mantissa == used[j].mantissa && asked[i].scale == used[j].scale) missing--;
    return missing;
}

int64_t tfc_choose_preference(tfc_choose choose, const char *text, size_t n, size_t at, const char *args)
{
    tfc_number numbers[NUMBERS_MAX];
    size_t n_distinct;
    if (at > n) at = n;
    if (choose == TFC_CHOOSE_FEWEST) return -read_numbers(args, strlen(args), numbers, &n_distinct);
    if (choose == TFC_CHOOSE_COVERAGE && is_answer_line(text, at)) return -left_out(text, at, args);
    return 0;
}
