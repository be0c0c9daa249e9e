/* Promise 3: a loss has the same bits whoever shares its batch. 1,000 random groupings on a small model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/file.h"
#include "groupings.h"

#if defined(__SANITIZE_ADDRESS__)
enum { GROUPINGS = 60 };
#else
enum { GROUPINGS = 1000 };
#endif

#define MODEL TFC_SOURCE_DIR "/tests/fixtures/models/llama3"
static char folder[] = "/tmp/tfc-groupings-XXXXXX";

static void copy_file(const char *name, const char *from, const char *to)
{
    char path[256], *text;
    size_t n;
    tfc_error err;
    tfc_error_init(&err);
    snprintf(path, sizeof path, "%s/%s", MODEL, name);
    if (tfc_file_read(path, 1 << 24, &text, &n, &err) != TFC_OK) fail_msg("%s", err.message);
    tfc_buffer out;
    tfc_buffer_init(&out, 0);
    const char *at = from ? strstr(text, from) : NULL;
    size_t before = at ? (size_t)(at - text) : n;
    assert_true(!from || at);
    tfc_buffer_append(&out, text, before);
    if (at) tfc_buffer_printf(&out, "%s%s", to, at + strlen(from));
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (tfc_file_write_whole(path, out.data, out.n, &err) != TFC_OK) fail_msg("%s", err.message);
    tfc_buffer_release(&out);
    tfc_free(text);
}

/* The fixture with a context of 512. */
static void test_groupings(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    copy_file("config.json", "\"max_position_embeddings\": 128", "\"max_position_embeddings\": 512");
    copy_file("model.safetensors", NULL, NULL);
    copy_file("tokenizer.json", NULL, NULL);
    copy_file("tokenizer_config.json", NULL, NULL);
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = tfc_model_open(folder, NULL, &err);
    if (!model) fail_msg("%s", err.message);
    check_groupings(model, groupings_wanted(GROUPINGS), 5);
    tfc_model_free(model);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groupings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
