/* Promise 3 on the real model: random groupings of 200 sequences give every loss the bits that it has alone.
 * TFC_GROUPINGS sets how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "groupings.h"

enum { GROUPINGS = 4 };

static char *model_path;

static void test_groupings(void **state)
{
    (void)state;
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = tfc_model_open(model_path, NULL, &err);
    if (!model) fail_msg("%s", err.message);
    check_groupings(model, groupings_wanted(GROUPINGS), 1);
    tfc_model_free(model);
}

int main(void)
{
    if (tfc_model_locate(NULL, &model_path, NULL) != TFC_OK) {
        puts("skipped: no model; `toolformer model fetch` brings it");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groupings)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tfc_text_free(model_path);
    return failed;
}
