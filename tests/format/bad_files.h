/* Tables of broken files: each must be refused with a message that holds certain words. For test_bad_*.c. */
#ifndef TFC_TESTS_BAD_FILES_H
#define TFC_TESTS_BAD_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "toolformer/model.h"

typedef struct bad_file {
    const char *name, *words, *more; /* more: NULL, or further words that the message must hold */
} bad_file;

/* A path under the fixtures' folder, in memory that lives as long as the test. */
static inline const char *fixture(const char *folder, const char *name)
{
    static char paths[4][512];
    static int turn;
    const char *root = getenv("TFC_FIXTURES");
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s%s%s", root ? root : TFC_SOURCE_DIR "/tests/fixtures", folder,
             *name ? "/" : "", name);
    return path;
}

/* No broken file of ours justifies a gigabyte: such an allocation then fails and the message is another one.
 * AddressSanitizer reserves far more itself, and refuses absurd sizes by itself. */
static inline int limit_memory(void **state)
{
    (void)state;
#ifndef __SANITIZE_ADDRESS__
#if !defined(__has_feature)
    struct rlimit limit = {1u << 30, 1u << 30};
    return setrlimit(RLIMIT_AS, &limit);
#endif
#endif
    return 0;
}

static inline void expect_refused(const char *path, const bad_file *bad)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = tfc_model_open(path, NULL, &err);
    if (model) fail_msg("%s: opened", bad->name);
    if (!strstr(err.message, bad->words) || (bad->more && !strstr(err.message, bad->more)))
        fail_msg("%s: '%s' lacks '%s' or '%s'", bad->name, err.message, bad->words,
                 bad->more ? bad->more : "");
    if (!strstr(err.message, path)) fail_msg("%s: '%s' does not name the file", bad->name, err.message);
    for (const char *p = err.message; *p; p++)
        if ((unsigned char)*p < 0x20) fail_msg("%s: control character in the message", bad->name);
    assert_int_not_equal(err.status, TFC_OK);
}

static inline void expect_opens(const char *path)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_model *model = tfc_model_open(path, NULL, &err);
    if (!model) fail_msg("%s", err.message);
    tfc_model_free(model);
}

/* Every file of the folder must stand in the table, but for those named `good…`. */
static inline void expect_complete(const char *folder, const bad_file *table, size_t n)
{
    size_t n_found = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, "good", 4) == 0) continue;
        size_t i = 0;
        while (i < n && strcmp(table[i].name, entry->d_name) != 0) i++;
        if (i == n) fail_msg("%s is not tested", entry->d_name);
        n_found++;
    }
    closedir(directory);
    assert_int_equal(n_found, n);
}

/* ---- Hugging Face folders: the sound one with a file in place of one of its own ---- */

static char hf_folder[] = "/tmp/tfc-bad-XXXXXX";

static inline void hf_clear(void)
{
    DIR *directory = opendir(hf_folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", hf_folder, entry->d_name);
        if (entry->d_name[0] != '.') unlink(path);
    }
    closedir(directory);
}

/* hf_folder/name becomes a link to the file. */
static inline void hf_put(const char *name, const char *file)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", hf_folder, name);
    unlink(path);
    assert_int_equal(symlink(file, path), 0);
}

static inline void hf_good(void)
{
    hf_clear();
    hf_put("config.json", fixture("bad/hf/good", "config.json"));
    hf_put("model.safetensors", fixture("bad/hf/good", "model.safetensors"));
    hf_put("tokenizer.json", fixture("bad/hf/good", "tokenizer.json"));
}

static inline int hf_make(void **state)
{
    return mkdtemp(hf_folder) ? limit_memory(state) : -1;
}

static inline int hf_remove(void **state)
{
    (void)state;
    hf_clear();
    return rmdir(hf_folder);
}

/* Opening with each allocation failing in turn: "out of memory" or, where it does without, the model. */
static inline void expect_survives_memory(const char *path)
{
    for (int64_t i = 1;; i++) {
        assert_true(i < 100000);
        tfc_error err;
        tfc_error_init(&err);
        tfc_memory_fail_at(i);
        tfc_model *model = tfc_model_open(path, NULL, &err);
        bool done = tfc_memory_count() < i;
        tfc_memory_fail_at(0);
        if (!model && (done || err.status != TFC_ENOMEM))
            fail_msg("allocation %lld: status %d: %s", (long long)i, err.status, err.message);
        tfc_model_free(model);
        if (done) break;
    }
}

#endif
