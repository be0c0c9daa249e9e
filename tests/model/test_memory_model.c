/* Peak memory on the default model: scoring and annotation stay under the packed weights + 256 MiB. Each case
 * is a process of its own, and counts all of it: weights, the mapped file, heap, stacks, code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/model.h"
#include "toolformer/annotate.h"

static char *model_path;
static char folder[] = "/tmp/tfc-memory-XXXXXX";
static const char *const corpus = TFC_SOURCE_DIR "/examples/demo/corpus.jsonl";

/* Sequences that hold more positions together than the default budget, every token wanted. */
static tfc_status score(tfc_model *model, tfc_error *err)
{
    enum { TEXTS = 12, TOKENS = 500 };
    static int32_t ids[TEXTS][TOKENS];
    static tfc_want wants[TEXTS][TOKENS];
    tfc_score_request requests[TEXTS];
    tfc_random random = tfc_random_stream(1, 0, 0, 0);
    for (int i = 0; i < TEXTS; i++) {
        for (int t = 0; t < TOKENS; t++) {
            ids[i][t] = (int32_t)tfc_random_below(&random, (uint64_t)model->hparams.V);
            wants[i][t] = (tfc_want){.kind = TFC_WANT_TOKEN, .position = t + 1, .token = 7};
        }
        requests[i] = (tfc_score_request){ids[i], TOKENS, wants[i], TOKENS};
    }
    tfc_session *session = tfc_session_create(model, NULL, err);
    if (!session) return err->status;
    tfc_status status = tfc_score(session, requests, TEXTS, err);
    tfc_session_free(session);
    return status;
}

static tfc_status annotate(tfc_model *model, const char *recipe, int64_t limit, tfc_error *err)
{
    tfc_annotate_params params = tfc_annotate_params_default();
    char run[64];
    snprintf(run, sizeof run, "%s/%s", folder, recipe);
    params.corpus = &corpus;
    params.n_corpus = 1;
    params.limit = limit;
    params.tools = "Calculator,Calendar";
    params.recipe = recipe;
    params.run = run;
    params.heuristics = 0;
    if (recipe[0] == 'p') params.k = 2, params.m = 8; /* less of the same */
    return tfc_annotate(model, &params, NULL, NULL, err);
}

/* In a process of its own: work, then look at the peak. */
static int child(const char *recipe, int64_t limit)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = tfc_model_open(model_path, NULL, &err);
    tfc_status status = !model   ? err.status
                        : recipe ? annotate(model, recipe, limit, &err)
                                 : score(model, &err);
    if (status != TFC_OK) return fprintf(stderr, "%s\n", err.message), 1;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    long weights = (long)(model->packed.n_bytes >> 10), most = weights + (256 << 10);
    fprintf(stderr, "%s: peak %ld KiB, packed weights %ld KiB + %ld KiB\n", recipe ? recipe : "score",
            usage.ru_maxrss, weights, usage.ru_maxrss - weights);
    tfc_model_free(model);
    return usage.ru_maxrss > most;
}

static void check(const char *recipe, int64_t limit)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(child(recipe, limit));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_score(void **state)
{
    (void)state;
    check(NULL, 0);
}

static void test_annotate_small(void **state)
{
    (void)state;
    check("small", 24);
}

static void test_annotate_paper(void **state)
{
    (void)state;
    check("paper", 8);
}

int main(void)
{
    if (tfc_model_locate(NULL, &model_path, NULL) != TFC_OK) {
        puts("skipped: no model; `toolformer model fetch` brings it");
        return 77;
    }
    if (!mkdtemp(folder)) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_score),
        cmocka_unit_test(test_annotate_small),
        cmocka_unit_test(test_annotate_paper),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0) failed++;
    tfc_text_free(model_path);
    return failed;
}
