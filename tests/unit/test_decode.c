/* Decoding with tools on a tiny random model: what stands in the context around a call, what is banned, what
 * the limits do. Calls are forced by looking for <API> among all tokens of the vocabulary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "calls/grammar.h"
#include "decode/writer.h"
#include "text/call_tokens.h"
#include "train/train_data.h"

#define MODEL TFC_SOURCE_DIR "/tests/fixtures/models/llama"
static const char date[] = "2023-01-30",
                  calendar_call[] = " [Calendar() -> Today is Monday, January 30, 2023.]";

typedef struct fixture {
    tfc_model *model;
    tfc_session *session;
    tfc_tools *tools, *calendar, *calculator;
} fixture;
static fixture f;

static void must(tfc_status status, const tfc_error *err)
{
    if (status != TFC_OK) fail_msg("%s", err->message);
}

static void open_fixture(fixture *out, const char *path)
{
    tfc_error err;
    tfc_error_init(&err);
    out->model = tfc_model_open(path, NULL, &err);
    if (!out->model) fail_msg("%s", err.message);
    tfc_session_params params = {.n_threads = 1, .batch_tokens = 64, .kv_bytes = 1 << 22};
    out->session = tfc_session_create(out->model, &params, &err);
    if (!out->session) fail_msg("%s", err.message);
    out->tools = tfc_tools_create("Calculator,Calendar", &err);
    out->calendar = tfc_tools_create("Calendar", &err);
    out->calculator = tfc_tools_create("Calculator", &err);
    assert_true(out->tools && out->calendar && out->calculator);
}

static void close_fixture(fixture *out)
{
    tfc_tools_free(out->tools);
    tfc_tools_free(out->calendar);
    tfc_tools_free(out->calculator);
    tfc_session_free(out->session);
    tfc_model_free(out->model);
}

static int setup(void **state)
{
    (void)state;
    open_fixture(&f, MODEL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_fixture(&f);
    return 0;
}

static tfc_generate_params forced(const tfc_tools *tools)
{
    tfc_generate_params params = tfc_generate_params_default();
    params.tools = tools;
    params.call_top_k = 1000;
    params.date = date;
    params.ignore_eos = true;
    params.max_tokens = 56;
    return params;
}

static tfc_generate_result generate(fixture *in, const char *prompt, const tfc_generate_params *params)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_generate_result result;
    must(tfc_generate(in->session, &prompt, 1, params, &result, &err), &err);
    return result;
}

typedef struct id_list {
    int32_t ids[256];
    int64_t n;
} id_list;

static void add_text(id_list *list, const fixture *in, const char *text)
{
    tfc_error err;
    int32_t *ids;
    int64_t n;
    must(tfc_tokenize(tfc_model_tokenizer(in->model), text, strlen(text), 0, &ids, &n, &err), &err);
    assert_true(list->n + n <= 256);
    memcpy(list->ids + list->n, ids, (size_t)n * sizeof *ids);
    list->n += n;
    tfc_ids_free(ids);
}

/* Continues greedily with the engine alone, the tokens that begin a call banned. */
static void add_greedy(id_list *list, const fixture *in, const tfc_tools *tools, int64_t n)
{
    tfc_error err;
    const char *names[8];
    size_t n_names = tools ? tfc_tools_count(tools) : 0;
    for (size_t i = 0; i < n_names; i++) names[i] = tfc_tool_name(tfc_tools_at(tools, i));
    int32_t *banned;
    int64_t n_banned;
    must(tfc_call_begin_tokens(tfc_model_tokenizer(in->model), names, n_names, &banned, &n_banned, &err),
         &err);
    tfc_sample_request request = {.ids = list->ids,
                                  .n_ids = list->n,
                                  .max_new = n,
                                  .sampler = {.top_p = 1},
                                  .banned = banned,
                                  .n_banned = n_banned,
                                  .ignore_eos = true,
                                  .new_ids = list->ids + list->n};
    must(tfc_sample(in->session, &request, 1, &err), &err);
    assert_int_equal(request.n_new, n);
    list->n += n;
    tfc_ids_free(banned);
}

/* log p of every token from the first-th on, in one pass over the whole. */
static void check_logprobs(const fixture *in, const id_list *all, int64_t first, const double *logprobs)
{
    tfc_want wants[256];
    for (int64_t t = first; t < all->n; t++)
        wants[t - first] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = t, .token = all->ids[t]};
    tfc_score_request request = {.ids = all->ids, .n_ids = all->n, .wants = wants, .n_wants = all->n - first};
    tfc_error err;
    must(tfc_score(in->session, &request, 1, &err), &err);
    for (int64_t t = first; t < all->n; t++) assert_true(logprobs[t - first] == wants[t - first].lp);
}

static void check_ids(const tfc_generate_result *result, const id_list *all, int64_t first)
{
    assert_int_equal(result->n_tokens, all->n - first);
    assert_memory_equal(result->ids, all->ids + first, (size_t)result->n_tokens * sizeof *result->ids);
}

/* The context after a call is prompt, ` [Name(args) ->`, ` result]`, each tokenised alone; what follows was
 * predicted from there, not from the text without the result. */
static void test_decoding_stops_at_the_arrow_and_runs_the_tool_before_going_on(void **state)
{
    (void)state;
    tfc_generate_params params = forced(f.calendar);
    tfc_generate_result result = generate(&f, "the", &params);
    assert_int_equal(result.n_calls, 1);
    assert_string_equal(result.calls[0].tool, "Calendar");
    assert_string_equal(result.calls[0].args, "");
    assert_string_equal(result.calls[0].result, "Today is Monday, January 30, 2023.");
    assert_null(result.calls[0].error);
    assert_int_equal(result.calls[0].at, 0);
    assert_memory_equal(result.text, calendar_call, strlen(calendar_call));
    assert_string_equal(result.text + strlen(calendar_call), result.text_without_calls);
    id_list all = {0};
    add_text(&all, &f, "the");
    int64_t first = all.n;
    add_text(&all, &f, " [Calendar() ->");
    add_text(&all, &f, " Today is Monday, January 30, 2023.]");
    assert_true(all.n - first < params.max_tokens);
    add_greedy(&all, &f, f.calendar, params.max_tokens - (all.n - first));
    check_ids(&result, &all, first);
    check_logprobs(&f, &all, first, result.logprobs);
    assert_int_equal(result.finish, TFC_GENERATE_LENGTH);
    tfc_generate_release(&result);
}

/* A row of C* as training reads it, and the same call as decoding makes it. */
static void test_training_and_inference_cut_calls_into_the_same_tokens(void **state)
{
    (void)state;
    tfc_generate_params params = forced(f.tools);
    params.max_tokens = 200;
    tfc_generate_result result = generate(&f, "the", &params);
    assert_int_equal(result.n_calls, 1);
    const tfc_made_call *call = &result.calls[0];
    if (!call->result) fail_msg("the forced call has no result: %s", call->error);
    char whole[512], row[2048], path[] = "/tmp/tfc-decode-XXXXXX";
    snprintf(whole, sizeof whole, " [%s(%s) -> %s]", call->tool, call->args, call->result);
    snprintf(row, sizeof row,
             "{\"id\":\"1\",\"text\":\"the%s of\",\"source\":\"the "
             "of\",\"calls\":[{\"tool\":\"%s\",\"args\":\"%s\","
             "\"result\":\"%s\",\"at\":3}]}\n",
             whole, call->tool, call->args, call->result);
    close(mkstemp(path));
    tfc_error err;
    must(tfc_file_write_whole(path, row, strlen(row), &err), &err);
    tfc_train_texts texts;
    tfc_train_text_options options = {.max_tokens = 200, .n_vocab = 277, .text_weight = 1};
    must(tfc_train_texts_load(&texts, path, tfc_model_tokenizer(f.model), &options, &err), &err);
    unlink(path);
    id_list prompt = {0}, inserted = {0};
    add_text(&prompt, &f, "the");
    add_text(&inserted, &f, whole); /* as one piece it may be cut otherwise; its length is a bound */
    int64_t n_call = texts.starts[1] - prompt.n - 1; /* ` of` is one token */
    assert_true(n_call > 0 && n_call <= result.n_tokens && n_call >= inserted.n);
    assert_memory_equal(texts.ids + prompt.n, result.ids, (size_t)n_call * sizeof *result.ids);
    tfc_train_texts_release(&texts);
    tfc_generate_release(&result);
}

/* ---- a vocabulary in which `)]` and ` [` are one token each ---- */

/* Writes the tiny model anew with its last two tokens renamed: `Ġto` to `)]`, `Ġis` to `Ġ[`. The row of `)]`
 * is that of `)` times `scale`: with the one or the other it is the more probable of the two. */
static void write_merged_model(const char *folder, float scale)
{
    static const char *const names[][4] = {{"Ġto", ")]", ")", "]"}, {"Ġis", "Ġ[", "Ġ", "["}};
    tfc_error err;
    tfc_error_init(&err);
    char path[512], *text;
    size_t n;
    tfc_json *tokenizer = tfc_json_parse_file(MODEL "/tokenizer.json", 1 << 20, &err), *bpe, *vocab, *merges;
    assert_non_null(tokenizer);
    must(tfc_json_get_object(tokenizer, "model", &bpe, NULL, &err), &err);
    must(tfc_json_get_object(bpe, "vocab", &vocab, NULL, &err), &err);
    must(tfc_json_get_array(bpe, "merges", &merges, NULL, &err), &err);
    size_t n_merges = json_object_array_length(merges);
    int64_t id_of_merged = 0, id_of_plain = 0;
    for (size_t i = 0; i < 2; i++) {
        int64_t id;
        must(tfc_json_get_int(vocab, names[i][0], 0, 276, &id, NULL, &err), &err);
        if (i == 0) id_of_merged = id;
        json_object_object_del(vocab, names[i][0]);
        json_object_object_add(vocab, names[i][1], json_object_new_int64(id));
        tfc_json *pair = json_object_new_array();
        json_object_array_add(pair, json_object_new_string(names[i][2]));
        json_object_array_add(pair, json_object_new_string(names[i][3]));
        json_object_array_put_idx(merges, n_merges - 1 - i, pair); /* these two made the renamed tokens */
    }
    must(tfc_json_get_int(vocab, ")", 0, 276, &id_of_plain, NULL, &err), &err);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    const char *written = json_object_to_json_string(tokenizer);
    must(tfc_file_write_whole(path, written, strlen(written), &err), &err);
    json_object_put(tokenizer);
    must(tfc_file_read(MODEL "/config.json", 1 << 20, &text, &n, &err), &err);
    snprintf(path, sizeof path, "%s/config.json", folder);
    must(tfc_file_write_whole(path, text, n, &err), &err);
    tfc_free(text);
    must(tfc_file_read(MODEL "/model.safetensors", 1 << 20, &text, &n, &err), &err);
    uint64_t header;
    memcpy(&header, text, sizeof header);
    float *table = (float *)(void *)(text + 8 + header); /* the embeddings come first; width 32 */
    for (int i = 0; i < 32; i++) table[id_of_merged * 32 + i] = scale * table[id_of_plain * 32 + i];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    must(tfc_file_write_whole(path, text, n, &err), &err);
    tfc_free(text);
}

static void remove_merged_model(const char *folder)
{
    static const char *const files[] = {"tokenizer.json", "config.json", "model.safetensors"};
    char path[512];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* What the model writes for arguments behind "the [" under the grammar of Calendar; true: it ends in `)]`. */
static bool arguments_end_merged(const fixture *in)
{
    tfc_error err;
    tfc_grammar *grammar =
        tfc_grammar_calls_create(&(tfc_grammar_call){.name = "Calendar", .form = TFC_ARGS_NONE}, 1, &err);
    assert_non_null(grammar);
    id_list ids = {0};
    add_text(&ids, in, "the");
    add_text(&ids, in, " [");
    int32_t new_ids[32];
    tfc_sample_request request = {.ids = ids.ids,
                                  .n_ids = ids.n,
                                  .max_new = 32,
                                  .sampler = {.top_p = 1},
                                  .grammar = grammar,
                                  .ignore_eos = true,
                                  .new_ids = new_ids};
    must(tfc_sample(in->session, &request, 1, &err), &err);
    assert_int_equal(request.finish, TFC_FINISH_GRAMMAR);
    tfc_grammar_free(grammar);
    size_t n;
    const char *last = tfc_token_text(tfc_model_tokenizer(in->model), new_ids[request.n_new - 1], &n);
    return n == 2 && memcmp(last, ")]", 2) == 0;
}

static void test_a_bracket_merged_with_the_parenthesis_ends_a_call(void **state)
{
    (void)state;
    static const float scales[] = {1.25f, 0.75f};
    int n_merged = 0;
    for (int i = 0; i < 2; i++) {
        char folder[] = "/tmp/tfc-decode-XXXXXX";
        assert_non_null(mkdtemp(folder));
        write_merged_model(folder, scales[i]);
        fixture merged;
        open_fixture(&merged, folder);
        n_merged += arguments_end_merged(&merged);
        tfc_generate_params params = forced(merged.calendar);
        tfc_generate_result result = generate(&merged, "the", &params);
        assert_int_equal(result.n_calls, 1);
        assert_memory_equal(result.text, calendar_call, strlen(calendar_call));
        tfc_generate_release(&result);
        close_fixture(&merged);
        remove_merged_model(folder);
    }
    assert_int_equal(n_merged, 1);
}

static bool holds_id(const tfc_generate_result *result, int32_t id)
{
    for (int64_t i = 0; i < result->n_tokens; i++)
        if (result->ids[i] == id) return true;
    return false;
}

/* Without tools no token that could begin a call is written, unless that is allowed. */
static void test_begin_tokens_are_banned_without_tools(void **state)
{
    (void)state;
    tfc_error err;
    int32_t *begin;
    int64_t n_begin;
    must(tfc_call_begin_tokens(tfc_model_tokenizer(f.model), NULL, 0, &begin, &n_begin, &err), &err);
    assert_true(n_begin > 0);
    tfc_generate_params params = forced(NULL);
    params.temperature = 3; /* something of everything */
    bool seen_banned = false, seen_allowed = false;
    for (uint64_t seed = 0; seed < 20; seed++) {
        params.seed = seed;
        params.allow_call_tokens = false;
        tfc_generate_result result = generate(&f, "the", &params);
        for (int64_t i = 0; i < n_begin; i++) seen_banned = seen_banned || holds_id(&result, begin[i]);
        tfc_generate_release(&result);
        params.allow_call_tokens = true;
        result = generate(&f, "the", &params);
        for (int64_t i = 0; i < n_begin; i++) seen_allowed = seen_allowed || holds_id(&result, begin[i]);
        assert_int_equal(result.n_calls, 0);
        tfc_generate_release(&result);
    }
    assert_false(seen_banned);
    assert_true(seen_allowed);
    tfc_ids_free(begin);
}

static void check_same(const tfc_generate_result *a, const tfc_generate_result *b)
{
    assert_string_equal(a->text, b->text);
    assert_string_equal(a->text_without_calls, b->text_without_calls);
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_memory_equal(a->ids, b->ids, (size_t)a->n_tokens * sizeof *a->ids);
    assert_memory_equal(a->logprobs, b->logprobs, (size_t)a->n_tokens * sizeof *a->logprobs);
    assert_int_equal(a->n_calls, b->n_calls);
    assert_int_equal(a->finish, b->finish);
}

static void test_prompts_together_and_alone_give_the_same(void **state)
{
    (void)state;
    const char *prompts[] = {"the", "of the", "", "3 + 4 is", "the theory"};
    enum { N = sizeof prompts / sizeof *prompts };
    for (int mode = 0; mode < 3; mode++) {
        tfc_generate_params params = forced(f.tools);
        params.max_calls = 2;
        params.max_tokens = 60;
        params.temperature = mode == 1 ? 1 : 0;
        if (mode == 2) params.call_top_k = 12; /* calls at different steps */
        tfc_generate_result together[N];
        tfc_error err;
        tfc_error_init(&err);
        must(tfc_generate(f.session, prompts, N, &params, together, &err), &err);
        for (int i = 0; i < N; i++) {
            tfc_generate_result alone = generate(&f, prompts[i], &params);
            check_same(&together[i], &alone);
            tfc_generate_release(&alone);
            tfc_generate_release(&together[i]);
        }
    }
}

typedef struct slow_tool {
    atomic_int at_once, most_at_once, n;
} slow_tool;

static tfc_status slow_answer(void *context, const tfc_tool_request *request, char **text)
{
    (void)request;
    slow_tool *slow = context;
    int at_once = atomic_fetch_add(&slow->at_once, 1) + 1, most = atomic_load(&slow->most_at_once);
    while (at_once > most && !atomic_compare_exchange_weak(&slow->most_at_once, &most, at_once)) {
    }
    nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
    atomic_fetch_sub(&slow->at_once, 1);
    atomic_fetch_add(&slow->n, 1);
    *text = strdup("late");
    return TFC_OK;
}

/* The calls of several texts are made at the same time; each has its own milliseconds. */
static void test_calls_of_several_prompts_run_together(void **state)
{
    (void)state;
    static const char manifest[] =
        "{\"name\": \"Calendar\", \"description\": \"d\", \"instruction\": \"i\", \"args\": {\"form\": "
        "\"none\"},"
        " \"demonstrations\": [{\"input\": \"It is late.\", \"output\": \"It is [Calendar()] late.\"}],"
        " \"cache\": \"never\", \"concurrency\": 3, \"backend\": \"function\"}";
    const char *prompts[] = {"the", "of the", "to", "3 + 4 is", "the theory"};
    enum { N = sizeof prompts / sizeof *prompts };
    tfc_error err;
    tfc_error_init(&err);
    slow_tool slow = {0};
    tfc_tools *tools = tfc_tools_create("none", &err);
    must(tfc_tools_add_function(tools, manifest, slow_answer, &slow, &err), &err);
    tfc_generate_params params = forced(tools);
    tfc_generate_result results[N];
    must(tfc_generate(f.session, prompts, N, &params, results, &err), &err);
    for (int i = 0; i < N; i++) {
        assert_int_equal(results[i].n_calls, 1);
        assert_string_equal(results[i].calls[0].result, "late");
        assert_true(results[i].calls[0].ms >= 59);
        tfc_generate_release(&results[i]);
    }
    assert_int_equal(slow.n, N);
    assert_int_equal(slow.most_at_once, 3);
    tfc_tools_free(tools);
}

/* Every call taken out by its place and printed form gives text_without_calls. */
static void test_text_without_calls_lacks_the_made_calls_alone(void **state)
{
    (void)state;
    tfc_generate_params params = forced(f.tools);
    params.max_calls = 3;
    tfc_generate_result result = generate(&f, "of", &params);
    assert_in_range(result.n_calls, 1, 3);
    char *rest = tfc_alloc(strlen(result.text) + 1, 1);
    size_t n = 0, done = 0;
    for (size_t i = 0; i < result.n_calls; i++) {
        const tfc_made_call *call = &result.calls[i];
        char whole[512];
        int length = snprintf(whole, sizeof whole, " [%s(%s) ->%s%s]", call->tool, call->args, " ",
                              call->result ? call->result : "");
        assert_true(call->at >= done);
        assert_memory_equal(result.text + call->at, whole, (size_t)length);
        memcpy(rest + n, result.text + done, call->at - done);
        n += call->at - done;
        done = call->at + (size_t)length;
    }
    strcpy(rest + n, result.text + done);
    assert_string_equal(rest, result.text_without_calls);
    tfc_free(rest);
    tfc_generate_release(&result);
}

/* With every token a trigger, the second call begins where the first one ends: its context is the first one's
 * parts, each tokenised alone, as training cuts a row with both calls at one place. A call without arguments
 * is not made twice in a row, so the other tool has its turn. */
static void test_calls_follow_each_other_directly(void **state)
{
    (void)state;
    static const char manifest[] =
        "{\"name\":\"Day\",\"description\":\"d\",\"instruction\":\"i\",\"demonstrations\":[{\"input\":\"It "
        "is 1.\",\"output\":"
        "\"It is [Day()] 1.\"}],\"args\":{\"form\":\"none\"},\"backend\":\"builtin:calendar\"}";
    char path[] = "/tmp/tfc-decode-XXXXXX.json", list[64], row[2048];
    tfc_error err;
    close(mkstemps(path, 5));
    must(tfc_file_write_whole(path, manifest, strlen(manifest), &err), &err);
    snprintf(list, sizeof list, "Calendar,%s", path);
    tfc_tools *tools = tfc_tools_create(list, &err);
    assert_non_null(tools);
    tfc_generate_params params = forced(tools);
    params.max_calls = 3;
    params.max_tokens = 110;
    tfc_generate_result result = generate(&f, "the", &params);
    assert_int_equal(result.n_calls, 2);
    const tfc_made_call *a = &result.calls[0], *b = &result.calls[1];
    assert_string_not_equal(a->tool, b->tool);
    id_list all = {0};
    char whole[2][128], head[32], tail[64];
    for (int i = 0; i < 2; i++) {
        snprintf(head, sizeof head, " [%s() ->", result.calls[i].tool);
        /* The second result does not fit into the tiny model's context: ` ]`. */
        assert_true(i == 1 || result.calls[i].result);
        snprintf(tail, sizeof tail, i == 0 ? " %s]" : " ]", result.calls[i].result);
        snprintf(whole[i], sizeof whole[i], "%s%s", head, tail);
        add_text(&all, &f, head);
        add_text(&all, &f, tail);
    }
    assert_int_equal(a->at, 0);
    assert_int_equal(b->at, strlen(whole[0]));
    assert_true(result.n_tokens >= all.n);
    assert_memory_equal(result.ids, all.ids, (size_t)all.n * sizeof *all.ids);
    /* The row that teaches it. */
    snprintf(row, sizeof row,
             "{\"id\":\"1\",\"text\":\"the%s%s of\",\"source\":\"the of\",\"calls\":["
             "{\"tool\":\"%s\",\"args\":\"\",\"result\":\"%s\",\"at\":3},"
             "{\"tool\":\"%s\",\"args\":\"\",\"result\":\"%s\",\"at\":3}]}\n",
             whole[0], whole[1], a->tool, a->result, b->tool, "");
    must(tfc_file_write_whole(path, row, strlen(row), &err), &err);
    tfc_train_texts texts;
    tfc_train_text_options options = {.max_tokens = 200, .n_vocab = 277, .text_weight = 1};
    must(tfc_train_texts_load(&texts, path, tfc_model_tokenizer(f.model), &options, &err), &err);
    id_list prompt = {0};
    add_text(&prompt, &f, "the");
    assert_int_equal(texts.starts[1], prompt.n + all.n + 1); /* ` of` is one token */
    assert_memory_equal(texts.ids + prompt.n, all.ids, (size_t)all.n * sizeof *all.ids);
    tfc_train_texts_release(&texts);
    tfc_generate_release(&result);
    tfc_tools_free(tools);
    unlink(path);
}

/* Calendar() alone is there, and triggered at every token: it is made once. */
static void test_a_call_is_not_made_twice_in_a_row(void **state)
{
    (void)state;
    tfc_generate_params params = forced(f.calendar);
    params.max_calls = 5;
    tfc_generate_result result = generate(&f, "the", &params);
    assert_int_equal(result.n_calls, 1);
    assert_memory_equal(result.text, calendar_call, strlen(calendar_call));
    assert_int_equal(result.n_tokens, params.max_tokens);
    assert_null(strstr(result.text + strlen(calendar_call), "[Calendar"));
    tfc_generate_release(&result);
}

static void test_a_tool_without_result_is_data(void **state)
{
    (void)state;
    tfc_generate_params params = forced(f.calendar);
    params.date = "2023-02-30";
    tfc_generate_result result = generate(&f, "the", &params);
    assert_int_equal(result.n_calls, 1);
    assert_null(result.calls[0].result);
    assert_non_null(result.calls[0].error);
    assert_memory_equal(result.text, " [Calendar() -> ]", 17);
    assert_true(result.n_tokens == params.max_tokens);
    tfc_generate_release(&result);
}

/* Arguments that do not close: the text goes on as if no call had been thought of. */
static void test_an_unfinished_call_leaves_no_trace(void **state)
{
    (void)state;
    tfc_generate_params params = forced(f.calculator);
    params.max_args_tokens = 1; /* `)` cannot come first */
    tfc_generate_result abandoned = generate(&f, "the", &params);
    params.call_top_k = 0;
    tfc_generate_result never = generate(&f, "the", &params);
    assert_int_equal(abandoned.n_calls, 0);
    check_same(&abandoned, &never);
    tfc_generate_release(&abandoned);
    tfc_generate_release(&never);
}

static void test_limits(void **state)
{
    (void)state;
    tfc_generate_params params = forced(f.calendar);
    params.max_tokens = 5; /* no room for the head of a call: none is made, and no tool is run */
    tfc_generate_result result = generate(&f, "the", &params);
    assert_int_equal(result.n_calls, 0);
    assert_int_equal(result.n_tokens, 5);
    tfc_generate_release(&result);
    params.max_tokens = 0;
    result = generate(&f, "the", &params);
    assert_int_equal(result.n_tokens, 0);
    assert_string_equal(result.text, "");
    assert_string_equal(result.text_without_calls, "");
    tfc_generate_release(&result);
    params.max_tokens = 1000; /* the context holds 64 */
    result = generate(&f, "the", &params);
    assert_int_equal(result.finish, TFC_GENERATE_CONTEXT);
    assert_int_equal(result.n_tokens, 62); /* `t`, `he` stand before */
    tfc_generate_release(&result);
    char prompt[200];
    memset(prompt, '7', sizeof prompt - 1);
    prompt[sizeof prompt - 1] = '\0';
    result = generate(&f, prompt, &params);
    assert_int_equal(result.finish, TFC_GENERATE_CONTEXT);
    assert_int_equal(result.n_tokens, 0);
    tfc_generate_release(&result);
    /* A result that does not fit into the context is none. */
    prompt[40] = '\0';
    result = generate(&f, prompt, &params);
    assert_int_equal(result.n_calls, 1);
    assert_null(result.calls[0].result);
    assert_non_null(strstr(result.calls[0].error, "context"));
    tfc_generate_release(&result);
}

static void test_probability_of_a_call_as_trigger(void **state)
{
    (void)state;
    tfc_generate_params params = forced(f.calendar);
    params.call_top_k = 0;
    params.call_p = 1e-9;
    tfc_generate_result result = generate(&f, "the", &params);
    assert_int_equal(result.n_calls, 1);
    tfc_generate_release(&result);
    params.call_p = 1;
    result = generate(&f, "the", &params);
    assert_int_equal(result.n_calls, 0);
    tfc_generate_release(&result);
}

static void test_the_seed_decides_what_is_drawn(void **state)
{
    (void)state;
    tfc_generate_params params = forced(NULL);
    params.temperature = 1;
    params.max_tokens = 20;
    const char *prompts[] = {"the", "the"};
    tfc_generate_result twins[2], again;
    tfc_error err;
    must(tfc_generate(f.session, prompts, 2, &params, twins, &err), &err);
    assert_string_not_equal(twins[0].text, twins[1].text); /* equal prompts are different draws */
    again = generate(&f, "the", &params);
    check_same(&twins[0], &again);
    tfc_generate_release(&again);
    params.seed = 1;
    again = generate(&f, "the", &params);
    assert_string_not_equal(twins[0].text, again.text);
    tfc_generate_release(&again);
    tfc_generate_release(&twins[0]);
    tfc_generate_release(&twins[1]);
}

typedef struct stream {
    char text[4096];
    size_t n;
} stream;

static void on_text(void *context, const char *text, size_t n)
{
    stream *s = context;
    size_t at;
    assert_true(n > 0 && tfc_utf8_valid(text, n, &at));
    memcpy(s->text + s->n, text, n);
    s->n += n;
}

static void test_streamed_text_is_the_text(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        stream s = {.n = 0};
        tfc_generate_params params = forced(f.calendar);
        params.temperature = 2;
        params.seed = seed;
        params.on_text = on_text;
        params.on_text_context = &s;
        tfc_generate_result result = generate(&f, "the", &params);
        assert_int_equal(s.n, strlen(result.text));
        assert_memory_equal(s.text, result.text, s.n);
        tfc_generate_release(&result);
    }
}

/* Bytes to text, as a writer without a model does it: `bytes => text`. */
static void check_bytes(const char *bytes, size_t n, const char *expected)
{
    tfc_generate_params params = {0};
    tfc_decoder decoder = {.params = &params, .tokenizer = tfc_model_tokenizer(f.model)};
    tfc_writer writer = {0};
    tfc_error err;
    tfc_buffer_init(&writer.text, 0);
    for (size_t i = 0; i < n; i++) {
        int32_t id = -1;
        for (int32_t j = 0; j < tfc_tokenizer_n_tokens(decoder.tokenizer) && id < 0; j++) {
            size_t length;
            const char *text = tfc_token_text(decoder.tokenizer, j, &length);
            if (length == 1 && text[0] == bytes[i]) id = j;
        }
        assert_true(id >= 0);
        must(tfc_writer_token(&writer, &decoder, id, 0, &err), &err);
    }
    must(tfc_writer_settle(&writer, &decoder, &err), &err);
    assert_string_equal(writer.text.data, expected);
    tfc_writer_release(&writer);
}

static void test_bytes_become_utf8(void **state)
{
    (void)state;
    check_bytes("a\xC3\xA9z", 4, "a\xC3\xA9z");
    check_bytes("\xF0\x9F\x98\x80", 4, "\xF0\x9F\x98\x80");
    check_bytes("\xF0\x9F\x98", 3, "\xEF\xBF\xBD");             /* cut at the end */
    check_bytes("\xF0\x9F\x98z", 4, "\xEF\xBF\xBDz");           /* cut in the middle: one sign */
    check_bytes("\xE2\x82\xC3\xA9", 4, "\xEF\xBF\xBD\xC3\xA9"); /* the next one begins at once */
    check_bytes("\x80\xFF", 2, "\xEF\xBF\xBD\xEF\xBF\xBD");
    check_bytes("\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* a surrogate */
    check_bytes("\0a", 2,
                "\xEF\xBF\xBD"
                "a");
}

static bool stop_after(void *context)
{
    return --*(int *)context < 0;
}

static void test_interruption_keeps_what_was_written(void **state)
{
    (void)state;
    int left = 4;
    tfc_monitor monitor = {.stop = stop_after, .context = &left};
    tfc_generate_params params = forced(NULL);
    params.monitor = &monitor;
    tfc_generate_result result = generate(&f, "the", &params);
    assert_int_equal(result.finish, TFC_GENERATE_INTERRUPTED);
    assert_int_equal(result.n_tokens, 4);
    tfc_generate_release(&result);
}

/* A finished call in the prompt (an earlier turn, a demonstration) is cut as in training too. */
static void test_calls_in_a_prompt_are_tokenised_apart(void **state)
{
    (void)state;
    tfc_generate_params params = forced(f.calendar);
    tfc_decoder decoder = {.params = &params, .tokenizer = tfc_model_tokenizer(f.model)};
    tfc_error err;
    int32_t *ids = NULL;
    int64_t n = 0;
    char prompt[256];
    snprintf(prompt, sizeof prompt, "the%s of [Calendar()] the [QA(\"x\") -> y]", calendar_call);
    must(tfc_decode_prompt(&decoder, prompt, &ids, &n, &err), &err);
    id_list expected = {0};
    add_text(&expected, &f, "the");
    add_text(&expected, &f, " [Calendar() ->");
    add_text(&expected, &f, " Today is Monday, January 30, 2023.]");
    add_text(&expected, &f, " of [Calendar()]");
    add_text(&expected, &f, " the [QA(\"x\") -> y]");
    assert_int_equal(n, expected.n);
    assert_memory_equal(ids, expected.ids, (size_t)n * sizeof *ids);
    tfc_ids_free(ids);
}

/* Any allocation may fail: that is an error, nothing is lost, and the session works afterwards. */
static void test_allocations_may_fail(void **state)
{
    (void)state;
    tfc_generate_params params = forced(f.calendar);
    const char *prompt = "the";
    tfc_generate_result right = generate(&f, prompt, &params);
    bool done = false;
    for (int64_t i = 1; !done && i < 2000; i++) {
        tfc_error err;
        tfc_error_init(&err);
        tfc_generate_result result;
        tfc_memory_fail_at(i);
        tfc_status status = tfc_generate(f.session, &prompt, 1, &params, &result, &err);
        tfc_memory_fail_at(0);
        done = status == TFC_OK;
        if (!done) assert_int_equal(status, TFC_ENOMEM);
        if (!done) assert_int_equal(err.status, TFC_ENOMEM);
        if (done) check_same(&result, &right);
        tfc_generate_release(&result);
    }
    assert_true(done);
    tfc_generate_release(&right);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoding_stops_at_the_arrow_and_runs_the_tool_before_going_on),
        cmocka_unit_test(test_training_and_inference_cut_calls_into_the_same_tokens),
        cmocka_unit_test(test_a_bracket_merged_with_the_parenthesis_ends_a_call),
        cmocka_unit_test(test_begin_tokens_are_banned_without_tools),
        cmocka_unit_test(test_prompts_together_and_alone_give_the_same),
        cmocka_unit_test(test_calls_of_several_prompts_run_together),
        cmocka_unit_test(test_text_without_calls_lacks_the_made_calls_alone),
        cmocka_unit_test(test_calls_follow_each_other_directly),
        cmocka_unit_test(test_a_call_is_not_made_twice_in_a_row),
        cmocka_unit_test(test_a_tool_without_result_is_data),
        cmocka_unit_test(test_an_unfinished_call_leaves_no_trace),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_probability_of_a_call_as_trigger),
        cmocka_unit_test(test_the_seed_decides_what_is_drawn),
        cmocka_unit_test(test_streamed_text_is_the_text),
        cmocka_unit_test(test_bytes_become_utf8),
        cmocka_unit_test(test_interruption_keeps_what_was_written),
        cmocka_unit_test(test_calls_in_a_prompt_are_tokenised_apart),
        cmocka_unit_test(test_allocations_may_fail),
    };
    return cmocka_run_group_tests_name("decode", tests, setup, teardown);
}
