/* Reading what programs write. Everything here is hostile until it is read. */
#include "tools/answer.h"

#include "base/json.h"
#include "base/utf8.h"

static const char replacement[] = "\xEF\xBF\xBD";

char *tfc_text_repair(const char *bytes, size_t n)
{
    tfc_buffer buffer;
    tfc_buffer_init(&buffer, 0);
    if (!tfc_buffer_reserve(&buffer, n + 1)) return NULL;
    for (size_t at = 0; at < n;) {
        size_t length = bytes[at] ? tfc_utf8_length(bytes + at, n - at) : 0;
        if (length)
            tfc_buffer_append(&buffer, bytes + at, length);
        else
            tfc_buffer_append(&buffer, replacement, 3);
        at += length ? length : 1;
    }
    if (!buffer.failed) return tfc_buffer_take(&buffer, NULL);
    tfc_buffer_release(&buffer);
    return NULL;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void tfc_text_trim(const char **text, size_t *n)
{
    while (*n > 0 && is_space(**text)) ++*text, --*n;
    while (*n > 0 && is_space((*text)[*n - 1])) --*n;
}

static tfc_status read_answer(tfc_json *json, tfc_answer *answer, tfc_error *err)
{
    static const char *const keys[] = {"id", "result", "error", "failure", NULL};
    if (!json_object_is_type(json, json_type_object)) return tfc_fail(err, TFC_EFORMAT, "object expected");
    tfc_status status = tfc_json_only_keys(json, keys, err);
    if (status == TFC_OK) status = tfc_json_get_int(json, "id", 0, INT64_MAX - 1, &answer->id, NULL, err);
    if (status != TFC_OK) return status;
    int n_kinds = 0;
    for (int i = 0; i < 3; i++) {
        const char *text;
        size_t n;
        bool found;
        status = tfc_json_get_text(json, keys[1 + i], &text, &n, &found, err);
        if (status != TFC_OK) return status;
        if (!found) continue;
        if (n_kinds++) return tfc_fail(err, TFC_EFORMAT, "more than one of result, error, failure");
        tfc_text_trim(&text, &n);
        answer->kind = (tfc_answer_kind)i;
        answer->text = tfc_text_repair(text, n);
        if (!answer->text) return tfc_fail_memory(err, "an answer");
    }
    return n_kinds ? TFC_OK : tfc_fail(err, TFC_EFORMAT, "none of result, error, failure");
}

tfc_status tfc_answer_parse(const char *line, size_t n, tfc_answer *answer, tfc_error *err)
{
    tfc_error own;
    tfc_error_init(&own);
    err = err ? err : &own;
    *answer = (tfc_answer){0};
    if (memchr(line, '\0', n)) return tfc_fail(err, TFC_EFORMAT, "the answer holds a NUL character");
    char *text = tfc_text_repair(line, n);
    if (!text) return tfc_fail_memory(err, "an answer");
    tfc_json *json = tfc_json_parse(text, strlen(text), "the answer", err);
    tfc_free(text);
    if (!json) return err->status;
    tfc_status status = read_answer(json, answer, err);
    json_object_put(json);
    if (status == TFC_OK) return TFC_OK;
    tfc_free(answer->text);
    answer->text = NULL;
    if (strncmp(err->message, "the answer", 10) != 0) tfc_error_prefix(err, "the answer");
    return status;
}
