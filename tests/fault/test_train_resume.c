/* Training that is stopped, killed, damaged or starved of memory, and goes on: the same bytes in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "kernels/kernels.h"
#include "toolformer/train.h"

enum { STEPS = 10, N_TEXTS = 23 };

static char root[] = "/tmp/tfc-resume-XXXXXX";
static char data_path[64], plain_path[64];
static char *reference; /* the model of a run that nothing disturbed */
static size_t n_reference;

static const char *in_root(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static char *fixture(const char *name)
{
    static char path[4096];
    const char *fixtures = getenv("TFC_FIXTURES");
    snprintf(path, sizeof path, "%s%s/%s", fixtures ? fixtures : TFC_SOURCE_DIR,
             fixtures ? "" : "/tests/fixtures", name);
    return path;
}

static tfc_model *open_model(void)
{
    tfc_error err;
    tfc_model *model = tfc_model_open(fixture("models/llama"), NULL, &err);
    if (!model) fail_msg("%s", err.message);
    return model;
}

static tfc_train_params tiny(const char *out)
{
    static char folder[256];
    snprintf(folder, sizeof folder, "%s/%s", root, out);
    tfc_train_params p = tfc_train_params_default();
    p.data = data_path;
    p.plain = plain_path;
    p.plain_share = 0.3;
    p.out = folder;
    p.steps = STEPS;
    p.batch = 4;
    p.max_tokens = 40;
    p.lr = 3e-3;
    p.dev_share = 0.2;
    p.eval_every = 3;
    p.checkpoint_every = 2;
    p.n_threads = 1;
    p.seed = 7;
    p.export_type = "F32";
    return p;
}

static void remove_tree(const char *name)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf %s/%s", root, name);
    assert_int_equal(system(command), 0);
}

static void read_output(const char *out, const char *file, char **text, size_t *n)
{
    char path[300];
    tfc_error err;
    snprintf(path, sizeof path, "%s/%s/%s", root, out, file);
    if (tfc_file_read(path, 1 << 24, text, n, &err) != TFC_OK) fail_msg("%s", err.message);
}

static void same_as_reference(const char *out)
{
    char *text;
    size_t n;
    read_output(out, "model/model.gguf", &text, &n);
    assert_int_equal(n, n_reference);
    assert_memory_equal(text, reference, n);
    tfc_free(text);
}

/* train.jsonl has every step once, in order, and every dev loss. */
static void log_is_whole(const char *out)
{
    char *text;
    size_t n;
    read_output(out, "train.jsonl", &text, &n);
    int64_t steps = 0, dev = 0;
    for (char *line = text, *end; line < text + n; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        tfc_error err;
        tfc_json *object = tfc_json_parse(line, (size_t)(end - line), "line", &err);
        if (!object) fail_msg("%s", err.message);
        int64_t step;
        assert_int_equal(tfc_json_get_int(object, "step", 0, STEPS, &step, NULL, &err), TFC_OK);
        if (json_object_object_get_ex(object, "dev_loss", NULL))
            dev++;
        else
            assert_int_equal(step, ++steps);
        json_object_put(object);
    }
    assert_int_equal(steps, STEPS);
    assert_int_equal(dev, 5); /* 0, 3, 6, 9, 10 */
    tfc_free(text);
}

/* ---- stopping ---- */

typedef struct stopper {
    int64_t at;   /* step after which to stop; -1: never */
    int64_t asks; /* or the number of questions answered with no */
    bool kill;
    bool stopping;
} stopper;

static void on_progress(void *context, const tfc_progress *progress)
{
    stopper *s = context;
    assert_non_null(progress->detail);
    if (s->at >= 0 && progress->done >= s->at) {
        if (s->kill) _exit(9); /* nothing is flushed, nothing is tidied */
        s->stopping = true;
    }
}

static bool on_stop(void *context)
{
    stopper *s = context;
    if (s->asks > 0 && --s->asks == 0) s->stopping = true;
    return s->stopping;
}

static tfc_status train(const tfc_train_params *params, stopper *s, tfc_train_result *result, tfc_error *err)
{
    tfc_model *model = open_model();
    tfc_monitor monitor = {.progress = on_progress, .stop = on_stop, .context = s};
    tfc_error_init(err);
    tfc_status status = tfc_train(model, params, s ? &monitor : NULL, result, err);
    tfc_model_free(model);
    return status;
}

static void train_to_end(const tfc_train_params *params)
{
    tfc_error err;
    tfc_train_result result;
    if (train(params, NULL, &result, &err) != TFC_OK) fail_msg("%s", err.message);
    assert_int_equal(result.steps, STEPS);
    assert_true(result.loss_last < result.loss_first);
    assert_true(result.dev_loss_best < result.dev_loss_before);
    assert_true(result.best_step > 0);
}

static void test_interrupted(void **state)
{
    (void)state;
    for (int64_t at = 0; at < STEPS; at++) {
        tfc_train_params params = tiny("interrupted");
        stopper s = {.at = at};
        tfc_error err;
        assert_int_equal(train(&params, &s, NULL, &err), TFC_EINTERRUPTED);
        assert_non_null(strstr(err.message, "interrupted after step"));
        train_to_end(&params);
        same_as_reference("interrupted");
        log_is_whole("interrupted");
        remove_tree("interrupted");
    }
}

/* Stopped again and again, in the middle of steps and of dev losses. */
static void test_interrupted_often(void **state)
{
    (void)state;
    tfc_train_params params = tiny("often");
    tfc_status status = TFC_EINTERRUPTED;
    for (int64_t asks = 2; status == TFC_EINTERRUPTED && asks < 100; asks++) {
        stopper s = {.at = -1, .asks = asks};
        tfc_error err;
        params.n_threads = 1 + (int)(asks % 3);
        status = train(&params, &s, NULL, &err);
    }
    assert_int_equal(status, TFC_OK);
    same_as_reference("often");
    log_is_whole("often");
    remove_tree("often");
}

static void test_killed(void **state)
{
    (void)state;
    for (int64_t at = 1; at <= STEPS; at++) {
        tfc_train_params params = tiny("killed");
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            stopper s = {.at = at, .kill = true};
            tfc_error err;
            train(&params, &s, NULL, &err);
            _exit(1);
        }
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_int_equal(WEXITSTATUS(how), 9);
        FILE *log = fopen(in_root("killed/train.jsonl"), "a"); /* a line torn by the kill */
        fputs("{\"step\":99,\"lo", log);
        fclose(log);
        train_to_end(&params);
        same_as_reference("killed");
        log_is_whole("killed");
        remove_tree("killed");
    }
}

static void test_threads(void **state)
{
    (void)state;
    for (int n_threads = 2; n_threads <= 3; n_threads++) {
        tfc_train_params params = tiny("threads");
        params.n_threads = n_threads;
        train_to_end(&params);
        same_as_reference("threads");
        remove_tree("threads");
    }
}

static void refused(const tfc_train_params *params, tfc_status status, const char *words)
{
    tfc_error err;
    tfc_status got = train(params, NULL, NULL, &err);
    if (got != status || !strstr(err.message, words))
        fail_msg("%d '%s', not %d with '%s'", got, err.message, status, words);
}

/* A finished run gives the same once more, without a step, and leaves no large checkpoint behind. */
static void test_again(void **state)
{
    (void)state;
    tfc_train_params params = tiny("reference");
    train_to_end(&params);
    same_as_reference("reference");
    log_is_whole("reference");
    assert_false(tfc_file_exists(in_root("reference/checkpoints/last.ckpt")));
    assert_false(tfc_file_exists(in_root("reference/checkpoints/best.ckpt")));
    assert_true(tfc_file_exists(in_root("reference/checkpoints/done.ckpt")));
    int64_t step = 3;
    params.model_steps = &step;
    params.n_model_steps = 1;
    refused(&params, TFC_ECONFLICT, "was not kept");
}

/* A model kept on the way, and the control without calls: what a file of the bare sources gives. */
static void test_variants(void **state)
{
    (void)state;
    char sources[300], *text, *other;
    size_t n, n_other;
    snprintf(sources, sizeof sources, "%s/sources.jsonl", root);
    FILE *file = fopen(sources, "w");
    assert_non_null(file);
    for (int i = 0; i < N_TEXTS; i++)
        fprintf(file, "{\"text\":\"There are %d + 12 %d eggs.\"}\n", i * 7, i * 7 + 12);
    fclose(file);
    tfc_train_params params = tiny("variant");
    int64_t step = 4;
    params.without_calls = true;
    params.model_steps = &step;
    params.n_model_steps = 1;
    train_to_end(&params);
    read_output("variant", "model/model.gguf", &text, &n);
    params = tiny("variant2");
    params.data = sources;
    train_to_end(&params);
    read_output("variant2", "model/model.gguf", &other, &n_other);
    assert_int_equal(n, n_other);
    assert_memory_equal(text, other, n);
    tfc_free(other);
    read_output("variant", "model-step-4/model.gguf", &other, &n_other);
    assert_int_equal(n, n_other);
    assert_memory_not_equal(text, other, n);
    tfc_free(text);
    tfc_free(other);
    step = STEPS + 1;
    params = tiny("variant3");
    params.model_steps = &step;
    params.n_model_steps = 1;
    refused(&params, TFC_EINVAL, "step 11");
    remove_tree("variant");
    remove_tree("variant2");
    remove_tree("variant3");
}

/* With plain texts that match the base model the bytes are the same after a stop, and with other threads. */
static void test_match_base(void **state)
{
    (void)state;
    char *whole, *text;
    size_t n_whole, n;
    tfc_train_params params = tiny("match");
    params.match_base = 0.5;
    params.freeze_embeddings = true;
    train_to_end(&params);
    read_output("match", "model/model.gguf", &whole, &n_whole);
    assert_true(n_whole == n_reference && memcmp(whole, reference, n_whole) != 0);
    params.out = in_root("match2");
    params.n_threads = 3;
    stopper s = {.at = 4};
    tfc_error err;
    assert_int_equal(train(&params, &s, NULL, &err), TFC_EINTERRUPTED);
    params.n_threads = 1;
    train_to_end(&params);
    read_output("match2", "model/model.gguf", &text, &n);
    assert_int_equal(n, n_whole);
    assert_memory_equal(text, whole, n);
    tfc_free(text);
    tfc_free(whole);
    params.match_base = 0;
    refused(&params, TFC_ECONFLICT, "match_base = 0.5");
    remove_tree("match");
    remove_tree("match2");
}

/* All of the base model's weights and none of the training's are the base model. */
static void test_base_share(void **state)
{
    (void)state;
    char *text, *own;
    size_t n, n_own;
    tfc_error err;
    tfc_train_params params = tiny("share");
    params.base_share = 1;
    train_to_end(&params);
    read_output("share", "model/model.gguf", &text, &n);
    tfc_model *model = open_model();
    if (tfc_model_export(model, in_root("share/base.gguf"), "gguf", "F32", &err) != TFC_OK)
        fail_msg("%s", err.message);
    tfc_model_free(model);
    read_output("share", "base.gguf", &own, &n_own);
    assert_true(n == n_own && n == n_reference);
    for (size_t i = 0; i + sizeof(float) <= n; i += sizeof(float)) { /* equal but for the rounding of a sum */
        float a, b;
        memcpy(&a, text + i, sizeof a);
        memcpy(&b, own + i, sizeof b);
        if (memcmp(&a, &b, sizeof a) != 0) assert_true(fabsf(a - b) <= 1e-6F * (1e-3F + fabsf(b)));
    }
    assert_memory_not_equal(text, reference, n);
    tfc_free(text);
    tfc_free(own);
    params.base_share = 0.5;
    refused(&params, TFC_ECONFLICT, "base_share = 1");
    remove_tree("share");
}

/* ---- what is refused ---- */

static void test_other_settings(void **state)
{
    (void)state;
    tfc_train_params params = tiny("reference");
    params.lr = 1e-3;
    refused(&params, TFC_ECONFLICT, "'lr = 0.0030000000000000001' there, 'lr = 0.001");
    params = tiny("reference");
    params.seed = 8;
    refused(&params, TFC_ECONFLICT, "seed = 7");
    params = tiny("reference");
    params.data = plain_path;
    refused(&params, TFC_ECONFLICT, "data = ");
    params = tiny("reference");
    params.operand = "f32";
    char message[200];
    if (tfc_kernels_default(message, sizeof message)->default_operand == TFC_OPERAND_BF16)
        refused(&params, TFC_ECONFLICT, "operand = ");
    /* a model without its checkpoint */
    assert_int_equal(tfc_folder_make(in_root("strange/model"), NULL), TFC_OK);
    params = tiny("strange");
    refused(&params, TFC_ECONFLICT, "is there already");
    remove_tree("strange");
    /* a second training in the same folder */
    int lock = open(in_root("reference/checkpoints/lock"), O_RDWR);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    params = tiny("reference");
    refused(&params, TFC_ECONFLICT, "another training");
    close(lock);
    same_as_reference("reference");
}

static void test_bad_params(void **state)
{
    (void)state;
    tfc_train_params params = tiny("bad");
    params.lr = -1;
    refused(&params, TFC_EINVAL, "lr must be");
    params = tiny("bad");
    params.batch = 0;
    refused(&params, TFC_EINVAL, "batch must be");
    params = tiny("bad");
    params.plain = NULL;
    refused(&params, TFC_EINVAL, "plain_share");
    params.plain_share = 0;
    params.match_base = 1;
    refused(&params, TFC_EINVAL, "match_base");
    params = tiny("bad");
    params.operand = "int3";
    refused(&params, TFC_EINVAL, "int3");
    params.operand = "int8";
    refused(&params, TFC_EINVAL, "int8");
    params = tiny("bad");
    params.export_type = "Q4_1";
    refused(&params, TFC_EINVAL, "Q4_1");
    params = tiny("bad");
    params.data = "/nonexistent.jsonl";
    refused(&params, TFC_ENOTFOUND, "/nonexistent.jsonl");
    params = tiny("bad");
    params.lr = 1; /* diverges */
    params.clip = 0;
    params.warmup_share = 0;
    params.steps = 200;
    params.epsilon = 1e-30;
    params.weight_decay = 1000;
    refused(&params, TFC_ELIMIT, "lower lr");
    remove_tree("bad");
}

/* Any damaged byte is noticed, and so is a missing end. */
static void test_damaged(void **state)
{
    (void)state;
    tfc_train_params params = tiny("damaged");
    params.keep_checkpoints = true;
    train_to_end(&params);
    char *text, path[300];
    size_t n;
    read_output("damaged", "checkpoints/last.ckpt", &text, &n);
    snprintf(path, sizeof path, "%s/checkpoints/last.ckpt", params.out);
    tfc_random random = tfc_random_stream(1, 2, 3, 4);
    for (int i = 0; i < 60; i++) {
        size_t at = i < 30 ? (size_t)i * 8 : (size_t)tfc_random_below(&random, n);
        char before = text[at];
        text[at] = (char)(before ^ 0x40);
        assert_int_equal(tfc_file_write_whole(path, text, n, NULL), TFC_OK);
        tfc_error err;
        tfc_status status = train(&params, NULL, NULL, &err);
        if (status != TFC_EFORMAT && status != TFC_ECONFLICT)
            fail_msg("byte %zu: %d %s", at, status, err.message);
        text[at] = before;
        if (i < 20) {
            size_t cut = (size_t)tfc_random_below(&random, n);
            assert_int_equal(tfc_file_write_whole(path, text, cut, NULL), TFC_OK);
            refused(&params, TFC_EFORMAT, "remove it");
        }
    }
    tfc_free(text);
    remove_tree("damaged");
}

/* The best weights were those of an earlier step. */
static void test_best(void **state)
{
    (void)state;
    tfc_train_params params = tiny("best");
    params.keep_checkpoints = true;
    params.lr = 0.8; /* learns, then gets worse */
    params.warmup_share = 0.9;
    params.eval_every = 1;
    tfc_error err;
    tfc_train_result result;
    if (train(&params, NULL, &result, &err) != TFC_OK) fail_msg("%s", err.message);
    assert_true(result.best_step < STEPS);
    char *text, *again;
    size_t n, n_again;
    read_output("best", "model/model.gguf", &text, &n);
    train(&params, NULL, NULL, &err); /* made again from best.ckpt */
    read_output("best", "model/model.gguf", &again, &n_again);
    assert_int_equal(n, n_again);
    assert_memory_equal(text, again, n);
    tfc_free(text);
    tfc_free(again);
    assert_int_equal(truncate(in_root("best/checkpoints/best.ckpt"), 5000), 0);
    refused(&params, TFC_EFORMAT, "best.ckpt");
    unlink(in_root("best/checkpoints/best.ckpt"));
    refused(&params, TFC_ENOTFOUND, "best.ckpt");
    remove_tree("best");
}

/* A disk that fills up in the middle of a checkpoint: an error, the older checkpoint stays, and the run goes
 * on once there is room. */
static void test_no_room(void **state)
{
    (void)state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100000; /* a checkpoint has 265,000 bytes, the log fits */
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    tfc_train_params params = tiny("room");
    stopper s = {.at = 4};
    tfc_error err;
    assert_int_equal(train(&params, &s, NULL, &err), TFC_EINTERRUPTED);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    tfc_status status = train(&params, NULL, NULL, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, TFC_EIO);
    assert_non_null(strstr(err.message, ".ckpt"));
    assert_false(tfc_file_exists(in_root("room/checkpoints/last.ckpt.partial")));
    train_to_end(&params);
    same_as_reference("room");
    log_is_whole("room");
    remove_tree("room");
}

/* Each allocation fails in turn: an error, and the run goes on afterwards. */
static void test_memory(void **state)
{
    (void)state;
    tfc_train_params params = tiny("memory");
    params.steps = 2;
    params.n_threads = 2;
    params.plain_share = 0.25;
    for (int64_t n = 1;; n++) {
        tfc_model *model = open_model();
        tfc_error err;
        tfc_error_init(&err);
        tfc_memory_fail_at(n);
        tfc_status status = tfc_train(model, &params, NULL, NULL, &err);
        bool reached = tfc_memory_count() >= n;
        tfc_memory_fail_at(0);
        tfc_model_free(model);
        if (status != TFC_OK && !err.message[0]) fail_msg("no message at allocation %lld", (long long)n);
        if (status == TFC_OK) remove_tree("memory");
        if (reached) continue;
        if (status != TFC_OK) fail_msg("%s", err.message);
        break;
    }
    remove_tree("memory");
}

/* ---- the data ---- */

static int prepare(void **state)
{
    (void)state;
    if (!mkdtemp(root)) return -1;
    snprintf(data_path, sizeof data_path, "%s/data.jsonl", root);
    snprintf(plain_path, sizeof plain_path, "%s/plain.jsonl", root);
    FILE *data = fopen(data_path, "w"), *plain = fopen(plain_path, "w");
    if (!data || !plain) return -1;
    for (int i = 0; i < N_TEXTS; i++) {
        int sum = i * 7 + 12;
        fprintf(
            data,
            "{\"id\":\"%d\",\"text\":\"There are %d + 12 [Calculator(%d + 12) -> %d] %d eggs.\",\"source\":"
            "\"There are %d + 12 %d eggs.\",\"calls\":[{\"tool\":\"Calculator\",\"args\":\"%d + "
            "12\",\"result\":"
            "\"%d\",\"at\":%d}]}\n",
            i, i * 7, i * 7, sum, sum, i * 7, sum, i * 7, sum, 16 + (i * 7 > 9) + (i * 7 > 99));
        fprintf(plain,
                "{\"text\":\"A plain text, number %d of some, which goes on for %d more words than fit.\"}\n",
                i, i * i);
    }
    fclose(data);
    fclose(plain);
    tfc_train_params params = tiny("reference");
    train_to_end(&params);
    read_output("reference", "model/model.gguf", &reference, &n_reference);
    return 0;
}

static int tidy(void **state)
{
    (void)state;
    tfc_free(reference);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interrupted), cmocka_unit_test(test_interrupted_often),
        cmocka_unit_test(test_killed),      cmocka_unit_test(test_threads),
        cmocka_unit_test(test_again),       cmocka_unit_test(test_other_settings),
        cmocka_unit_test(test_bad_params),  cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_best),        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_variants),
        cmocka_unit_test(test_match_base),  cmocka_unit_test(test_base_share),
    };
    return cmocka_run_group_tests(tests, prepare, tidy);
}
