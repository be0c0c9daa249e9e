/* Base: buffers, UTF-8, JSON checks, atomic files, the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "base/utf8.h"

static void test_buffer_cap(void **state)
{
    (void)state;
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 10);
    assert_true(tfc_buffer_puts(&buffer, "0123456789"));
    assert_false(tfc_buffer_putc(&buffer, 'x'));
    assert_string_equal(buffer.data, "0123456789");
    tfc_error err;
    tfc_error_init(&err);
    assert_int_equal(tfc_buffer_ok(&buffer, "answer", &err), TFC_ELIMIT);
    tfc_buffer_release(&buffer);
}

static void test_utf8(void **state)
{
    (void)state;
    size_t at = 99;
    assert_true(tfc_utf8_valid("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 10, &at));
    const char *bad[] = {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\xFF", "\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(tfc_utf8_valid(bad[i], strlen(bad[i]), &at));
    for (uint32_t code = 1; code < 0x110000; code += 97) {
        if (code >= 0xD800 && code < 0xE000) continue;
        char text[4];
        size_t n = tfc_utf8_encode(code, text), length;
        assert_int_equal(tfc_utf8_decode(text, n, &length), code);
        assert_int_equal(length, n);
    }
}

static void json_refused(const char *text, size_t n, const char *reason)
{
    tfc_error err;
    tfc_error_init(&err);
    tfc_json *value = tfc_json_parse(text, n, "x", &err);
    if (value) fail_msg("accepted: %s", text);
    if (!strstr(err.message, reason)) fail_msg("'%s' lacks '%s'", err.message, reason);
}

static void test_json(void **state)
{
    (void)state;
    json_refused("", 0, "invalid JSON");
    json_refused("{\"a\":1,\"a\":2}", 13, "duplicate key 'a'");
    json_refused("{\"a\":NaN}", 9, "invalid JSON");
    json_refused("{\"a\":\"\\ud800\"}", 14, "lone surrogate");
    json_refused("{\"a\":\"\xFF\"}", 9, "invalid UTF-8");
    json_refused("{\"a\":1} x", 9, "invalid JSON");
    json_refused("{\"a\":1\0}", 8, "NUL");
    json_refused("[1,2", 4, "invalid JSON");
    json_refused("{'a':1}", 7, "invalid JSON");
    char deep[4000];
    memset(deep, '[', sizeof deep);
    json_refused(deep, sizeof deep, "too deeply");
    tfc_error err;
    tfc_json *value = tfc_json_parse("{\"a\":{\"a\":1},\"b\":[{\"a\":2}],\"c\":\"\\u0000\"}", 40, "x", &err);
    assert_non_null(value);
    int64_t number;
    tfc_json *inner;
    assert_int_equal(tfc_json_get_object(value, "a", &inner, NULL, &err), TFC_OK);
    assert_int_equal(tfc_json_get_int(inner, "a", 0, 5, &number, NULL, &err), TFC_OK);
    assert_int_equal(number, 1);
    assert_int_equal(tfc_json_get_int(inner, "a", 2, 5, &number, NULL, &err), TFC_EFORMAT);
    const char *text;
    size_t n;
    assert_int_equal(tfc_json_get_text(value, "c", &text, &n, NULL, &err), TFC_OK);
    assert_int_equal(n, 1);
    json_object_put(value);
}

static void test_file_atomic(void **state)
{
    (void)state;
    char folder[] = "/tmp/tfc-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *path = tfc_path_join(folder, "out");
    tfc_error err;
    assert_int_equal(tfc_file_write_whole(path, "one", 3, &err), TFC_OK);
    tfc_file_writer writer;
    assert_int_equal(tfc_file_writer_open(&writer, path, &err), TFC_OK);
    assert_int_equal(tfc_file_writer_write(&writer, "half", 4, &err), TFC_OK);
    tfc_file_writer_abort(&writer);
    char *text;
    size_t n;
    assert_int_equal(tfc_file_read(path, 100, &text, &n, &err), TFC_OK);
    assert_string_equal(text, "one");
    tfc_free(text);
    assert_int_equal(tfc_file_read(path, 2, &text, &n, &err), TFC_ELIMIT);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* no partial file is left */
    tfc_free(path);
    assert_int_equal(tfc_file_write_whole("/dev/full/x", "1", 1, &err), TFC_EIO);
}

static void count_task(void *context, int64_t i, int worker)
{
    (void)worker;
    ((int *)context)[i]++;
}

static void test_pool(void **state)
{
    (void)state;
    static int counts[1000];
    for (int threads = 1; threads <= 4; threads++) {
        tfc_error err;
        tfc_pool *pool = tfc_pool_create(threads, &err);
        assert_non_null(pool);
        for (int round = 0; round < 200; round++) {
            memset(counts, 0, sizeof counts);
            tfc_pool_run(pool, 1 + round * 5, count_task, counts);
            for (int i = 0; i < 1000; i++) assert_int_equal(counts[i], i < 1 + round * 5);
        }
        tfc_pool_free(pool);
    }
}

/* A task that some rounds make slow, so that everyone else falls asleep: the caller, or the workers. */
static void sleepy_task(void *context, int64_t i, int worker)
{
    const int *round = context;
    static __thread int mine;
    mine += (int)i;
    if ((*round % 3 == 1 && worker == 0) || (*round % 3 == 2 && worker == 1)) usleep(300);
}

/* More threads than cores, loops of few tasks, long pauses in and between them: every loop ends, and a loop
 * ends without the workers that slept through it. */
static void test_pool_sleeps(void **state)
{
    (void)state;
    for (int threads = 2; threads <= 9; threads += 7) {
        tfc_error err;
        tfc_pool *pool = tfc_pool_create(threads, &err);
        assert_non_null(pool);
        for (int round = 0; round < 300; round++) {
            int counts[4] = {0};
            tfc_pool_run(pool, 2 + round % 3, count_task, counts);
            for (int i = 0; i < 4; i++) assert_int_equal(counts[i], i < 2 + round % 3);
            tfc_pool_run(pool, 2 + round % 5, sleepy_task, &round);
            if (round % 10 == 0) usleep(500);
        }
        tfc_pool_free(pool);
    }
}

static void test_random_streams(void **state)
{
    (void)state;
    tfc_random a = tfc_random_stream(1, 2, 3, 4), b = tfc_random_stream(1, 2, 3, 4),
               c = tfc_random_stream(1, 2, 4, 3);
    assert_int_equal(tfc_random_next(&a), tfc_random_next(&b));
    assert_int_not_equal(tfc_random_next(&a), tfc_random_next(&c));
    double sum = 0;
    for (int i = 0; i < 10000; i++) sum += tfc_random_uniform(&a);
    assert_true(sum > 4800 && sum < 5200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffer_cap),     cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_json),           cmocka_unit_test(test_file_atomic),
        cmocka_unit_test(test_pool),           cmocka_unit_test(test_pool_sleeps),
        cmocka_unit_test(test_random_streams),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
