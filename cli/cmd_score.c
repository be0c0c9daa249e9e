/* score: the loss of every token of texts; perplexity of a file. */
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "input.h"
#include "open_model.h"
#include "output.h"

enum { BATCH_LINES = 64 };

/* One sequence to score: ids with the beginning-of-text token in front where the model's tokenizer adds one
 * (`bos` of them: 0 or 1). wants[t] is for ids[t], t = 1 … n_ids-1. */
typedef struct sequence {
    int32_t *ids;
    int64_t n_ids, bos;
    tfc_want *wants;
} sequence;

typedef struct scorer {
    cli_common common;
    tfc_model *model;
    tfc_session *session;
    const tfc_tokenizer *tokenizer;
    int64_t context, line; /* line: of stdin, from 1 */
    sequence batch[BATCH_LINES];
    size_t n;
    bool failed;
} scorer;

static void sequence_release(sequence *s)
{
    free(s->ids);
    free(s->wants);
    *s = (sequence){0};
}

/* ids[n] become a sequence of their own with wants for every token after the first. False on want of memory.
 */
static bool sequence_init(sequence *s, const int32_t *ids, int64_t n, int32_t bos)
{
    *s = (sequence){.bos = bos >= 0 && (n == 0 || ids[0] != bos)};
    s->n_ids = n + s->bos;
    s->ids = malloc(((size_t)s->n_ids + 1) * sizeof *s->ids);
    s->wants = calloc((size_t)s->n_ids + 1, sizeof *s->wants);
    if (!s->ids || !s->wants) {
        sequence_release(s);
        cli_fail("out of memory");
        return false;
    }
    if (s->bos) s->ids[0] = bos;
    if (n > 0) memcpy(s->ids + s->bos, ids, (size_t)n * sizeof *ids);
    for (int64_t t = 1; t < s->n_ids; t++)
        s->wants[t] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = t, .token = s->ids[t]};
    return true;
}

static tfc_score_request sequence_request(sequence *s)
{
    return (tfc_score_request){
        .ids = s->ids, .n_ids = s->n_ids, .wants = s->wants + 1, .n_wants = s->n_ids > 1 ? s->n_ids - 1 : 0};
}

static bool print_sequence(const sequence *s, bool json)
{
    double sum = 0;
    int64_t counted = s->n_ids > 1 ? s->n_ids - 1 : 0, n_tokens = s->n_ids - s->bos;
    for (int64_t t = 1; t < s->n_ids; t++) sum -= s->wants[t].lp;
    if (!json) {
        double mean = counted ? sum / (double)counted : 0;
        cli_printf("%lld %.6f %.6f %.6f\n", (long long)n_tokens, sum, mean, exp(mean));
        return true;
    }
    cli_json line;
    if (!cli_json_init(&line)) return false;
    cli_json_begin(&line, NULL, '{');
    cli_json_int(&line, "n_tokens", n_tokens);
    cli_json_begin(&line, "ids", '[');
    for (int64_t t = s->bos; t < s->n_ids; t++) cli_json_int(&line, NULL, s->ids[t]);
    cli_json_end(&line, ']');
    cli_json_begin(&line, "nll", '[');
    for (int64_t t = s->bos; t < s->n_ids; t++) {
        if (t == 0)
            cli_json_null(&line, NULL);
        else
            cli_json_number(&line, NULL, 0 - s->wants[t].lp); /* 0 - …: no negative zero */
    }
    cli_json_end(&line, ']');
    cli_json_number(&line, "sum", sum);
    cli_json_end(&line, '}');
    return cli_json_print(&line);
}

/* Scores and prints what was gathered. */
static bool flush_batch(scorer *self)
{
    tfc_score_request requests[BATCH_LINES];
    int64_t n_requests = 0;
    for (size_t i = 0; i < self->n; i++) {
        requests[n_requests] = sequence_request(&self->batch[i]);
        if (requests[n_requests].n_wants > 0) n_requests++;
    }
    tfc_error err;
    tfc_error_init(&err);
    bool ok = n_requests == 0 || tfc_score(self->session, requests, n_requests, &err) == TFC_OK;
    if (!ok) cli_fail_error(&err);
    for (size_t i = 0; i < self->n; i++) {
        ok = ok && print_sequence(&self->batch[i], self->common.json);
        sequence_release(&self->batch[i]);
    }
    self->n = 0;
    cli_flush();
    return ok;
}

/* {"ids":[…]} → the caller's array. False after a message. */
static bool read_ids(const scorer *self, struct json_object *array, int32_t **ids, int64_t *n)
{
    if (!json_object_is_type(array, json_type_array))
        return cli_fail("stdin, line %lld: \"ids\" is no array", (long long)self->line), false;
    *n = (int64_t)json_object_array_length(array);
    *ids = malloc(((size_t)*n + 1) * sizeof **ids);
    if (!*ids) return cli_fail("out of memory"), false;
    int32_t n_tokens = tfc_tokenizer_n_tokens(self->tokenizer);
    int64_t n_vocab = tfc_model_get_info(self->model).n_vocab;
    int64_t limit = n_vocab > n_tokens ? n_vocab : n_tokens; /* padding rows of the table have logits too */
    for (int64_t i = 0; i < *n; i++) {
        struct json_object *item = json_object_array_get_idx(array, (size_t)i);
        int64_t id = json_object_is_type(item, json_type_int) ? json_object_get_int64(item) : -1;
        if (id < 0 || id >= limit) {
            cli_fail("stdin, line %lld: ids[%lld] is no token id (0 … %lld)", (long long)self->line,
                     (long long)i, (long long)limit - 1);
            free(*ids);
            return false;
        }
        (*ids)[i] = (int32_t)id;
    }
    return true;
}

/* The sequence of one parsed line. */
static bool add_object(scorer *self, struct json_object *object)
{
    struct json_object *text = NULL, *array = NULL;
    bool has_text = json_object_object_get_ex(object, "text", &text);
    bool has_ids = json_object_object_get_ex(object, "ids", &array);
    int32_t *ids = NULL;
    int64_t n = 0;
    tfc_error err;
    tfc_error_init(&err);
    if (has_text == has_ids || (has_text && !json_object_is_type(text, json_type_string)))
        return cli_fail("stdin, line %lld: wants {\"text\": \"…\"} or {\"ids\": […]}", (long long)self->line),
               false;
    if (has_ids) {
        if (!read_ids(self, array, &ids, &n)) return false;
    } else if (tfc_tokenize(self->tokenizer, json_object_get_string(text),
                            (size_t)json_object_get_string_len(text), TFC_TOKENIZE_SPECIAL, &ids, &n,
                            &err) != TFC_OK) {
        cli_fail("stdin, line %lld: %s", (long long)self->line, err.message);
        return false;
    }
    int32_t bos = tfc_tokenizer_adds_bos(self->tokenizer) ? tfc_tokenizer_bos(self->tokenizer) : -1;
    sequence made;
    bool ok = sequence_init(&made, ids, n, bos);
    if (has_ids)
        free(ids);
    else
        tfc_ids_free(ids);
    if (!ok) return false;
    if (made.n_ids > self->context) {
        cli_fail("stdin, line %lld: %lld tokens are more than the model's context of %lld",
                 (long long)self->line, (long long)made.n_ids, (long long)self->context);
        sequence_release(&made);
        return false;
    }
    self->batch[self->n++] = made;
    return true; /* the batch owns it: NOLINT(clang-analyzer-unix.Malloc) */
}

static bool add_line(scorer *self, const char *line, size_t n)
{
    struct json_tokener *tokener = json_tokener_new();
    if (!tokener) return cli_fail("out of memory"), false;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object = json_tokener_parse_ex(tokener, line, (int)n + 1); /* with its NUL: the end */
    bool ok =
        object && json_object_is_type(object, json_type_object) && json_tokener_get_parse_end(tokener) >= n;
    if (!ok)
        cli_fail("stdin, line %lld: not a JSON object: %s at byte %zu", (long long)self->line,
                 json_tokener_error_desc(json_tokener_get_error(tokener)),
                 json_tokener_get_parse_end(tokener));
    else
        ok = add_object(self, object);
    json_object_put(object);
    json_tokener_free(tokener);
    return ok;
}

/* Lines are scored in batches of what is there: a program that writes a line and waits gets its answer. */
static bool score_lines(scorer *self)
{
    cli_lines lines = {0};
    char *line;
    size_t n;
    bool ok = true;
    while (ok && !cli_interrupted() && !cli_out_failed() && cli_lines_next(&lines, &line, &n)) {
        self->line++;
        if (n > 0 && line[n - 1] == '\r') line[--n] = '\0';
        if (n > 0) ok = add_line(self, line, n);
        if (ok && self->n > 0 && (self->n == BATCH_LINES || !cli_lines_ready(&lines))) ok = flush_batch(self);
    }
    ok = ok && !lines.failed && flush_batch(self);
    for (size_t i = 0; i < self->n; i++) sequence_release(&self->batch[i]);
    cli_lines_release(&lines);
    return ok;
}

typedef struct windows {
    const char *file;
    int64_t size, limit; /* tokens of one; most of them, 0: all */
    bool second_half;
} windows;

static bool print_perplexity(const scorer *self, const windows *w, int64_t n_windows, int64_t n, double sum)
{
    double mean = n ? sum / (double)n : 0;
    if (!self->common.json) {
        cli_printf("perplexity %.4f over %lld tokens in %lld windows of %lld\n", exp(mean), (long long)n,
                   (long long)n_windows, (long long)w->size);
        return true;
    }
    cli_json line;
    if (!cli_json_init(&line)) return false;
    cli_json_begin(&line, NULL, '{');
    cli_json_text(&line, "file", w->file);
    cli_json_int(&line, "window", w->size);
    cli_json_int(&line, "n_windows", n_windows);
    cli_json_bool(&line, "second_half", w->second_half);
    cli_json_int(&line, "n_tokens", n);
    cli_json_number(&line, "sum", sum);
    cli_json_number(&line, "perplexity", exp(mean));
    cli_json_end(&line, '}');
    return cli_json_print(&line);
}

/* Perplexity over windows that share nothing: each begins anew (with the beginning-of-text token, where there
 * is one, in the place of its first token). */
static bool score_windows(scorer *self, const windows *w, const int32_t *ids, int64_t n_ids)
{
    int64_t n_windows = n_ids / w->size, counted = 0, from = w->second_half ? w->size / 2 + 1 : 1;
    if (w->limit > 0 && n_windows > w->limit) n_windows = w->limit;
    if (n_windows == 0)
        return cli_fail("%s: %lld tokens do not fill one window of %lld", w->file, (long long)n_ids,
                        (long long)w->size),
               false;
    int32_t bos = tfc_tokenizer_adds_bos(self->tokenizer) ? tfc_tokenizer_bos(self->tokenizer) : -1;
    tfc_monitor monitor = cli_monitor(self->common.quiet);
    double sum = 0;
    tfc_error err;
    tfc_error_init(&err);
    for (int64_t i = 0; i < n_windows && !cli_interrupted(); i++) {
        sequence s;
        const int32_t *window = ids + i * w->size;
        bool replace = bos >= 0 && window[0] != bos;
        if (!sequence_init(&s, window + replace, w->size - replace, bos)) return false;
        tfc_score_request request = sequence_request(&s);
        request.wants = s.wants + from;
        request.n_wants = s.n_ids - from;
        bool ok = tfc_score(self->session, &request, 1, &err) == TFC_OK;
        for (int64_t t = from; ok && t < s.n_ids; t++) sum -= s.wants[t].lp;
        counted += s.n_ids - from;
        sequence_release(&s);
        if (!ok) return cli_fail_error(&err), false;
        monitor.progress(
            monitor.context,
            &(tfc_progress){.stage = "score", .done = i + 1, .total = n_windows, .unit = "windows"});
    }
    cli_progress_end();
    return cli_interrupted() || print_perplexity(self, w, n_windows, counted, sum);
}

static bool score_file(scorer *self, const windows *w)
{
    if (w->size > self->context)
        return cli_fail("--window %lld is more than the model's context of %lld", (long long)w->size,
                        (long long)self->context),
               false;
    size_t n_text = 0;
    int32_t *ids = NULL;
    int64_t n_ids = 0;
    tfc_error err;
    tfc_error_init(&err);
    char *text = cli_read_text(w->file, &n_text, false);
    bool ok = text != NULL;
    if (ok && tfc_tokenize(self->tokenizer, text, n_text, 0, &ids, &n_ids, &err) != TFC_OK) {
        cli_fail("%s: %s", w->file, err.message);
        ok = false;
    }
    ok = ok && score_windows(self, w, ids, n_ids);
    tfc_ids_free(ids);
    free(text);
    return ok;
}

int cmd_score(int argc, char **argv)
{
    scorer self = {0};
    windows w = {.size = 512};
    const cli_option options[] = {
        {"file", CLI_TEXT, &w.file, "FILE", "perplexity of a text file instead of lines on stdin", 0, 0},
        {"window", CLI_INT, &w.size, "N", "with --file: tokens of a window (default 512)", 3, 1 << 20},
        {"max-windows", CLI_INT, &w.limit, "N", "with --file: the first N windows alone", 1, 1 << 30},
        {"second-half", CLI_FLAG, &w.second_half, NULL,
         "with --file: count the second half of each window, as llama-perplexity does", 0, 0},
    };
    const cli_usage usage = {
        .command = "score",
        .synopsis = "[options] < LINES",
        .text = "Reads JSON lines {\"text\": \"…\"} or {\"ids\": […]} and prints, for each, its number of "
                "tokens,\n"
                "the sum and the mean of their losses in nats, and the perplexity. With --json:\n"
                "{\"n_tokens\",\"ids\",\"nll\",\"sum\"}, nll[t] = -log p(ids[t] | ids[<t]); null where "
                "nothing stands before.",
        .example = "echo '{\"text\": \"The capital of France is Paris.\"}' | toolformer score --json",
        .options = options,
        .n_options = sizeof options / sizeof *options};
    int exit_code;
    if (!cli_parse(&usage, &self.common, argc, argv, NULL, &exit_code)) return exit_code;
    if (!w.file && (w.limit || w.second_half)) return cli_usage_error("score", "--file is missing");
    self.model = cli_open_model(&self.common);
    self.session = self.model ? cli_open_session(&self.common, self.model) : NULL;
    bool ok = self.session != NULL;
    if (ok) {
        self.tokenizer = tfc_model_tokenizer(self.model);
        self.context = tfc_model_get_info(self.model).context;
        ok = w.file ? score_file(&self, &w) : score_lines(&self);
    }
    tfc_session_free(self.session);
    tfc_model_free(self.model); /* score_lines released its batch: NOLINT(clang-analyzer-unix.Malloc) */
    return cli_finish(cli_interrupted() ? CLI_INTERRUPTED : ok ? CLI_OK : CLI_FAILURE);
}
