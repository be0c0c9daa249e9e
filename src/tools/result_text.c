/* Results are repaired here and made harmless when they are printed (calls/). */
#include "tools/result_text.h"

#include "base/utf8.h"
#include "tools/answer.h"

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

tfc_status tfc_result_text(const char *bytes, size_t n, char **result, tfc_error *err)
{
    tfc_text_trim(&bytes, &n);
    if (n == 0) return tfc_fail(err, TFC_ENORESULT, "the answer is empty");
    *result = tfc_text_repair(bytes, n);
    return *result ? TFC_OK : tfc_fail_memory(err, "result");
}

tfc_status tfc_result_json(tfc_json *value, char **result, tfc_error *err)
{
    if (!value) return tfc_fail(err, TFC_ENORESULT, "the answer is null");
    if (json_object_is_type(value, json_type_string))
        return tfc_result_text(json_object_get_string(value), (size_t)json_object_get_string_len(value),
                               result, err);
    const char *text =
        json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    return text ? tfc_result_text(text, strlen(text), result, err) : tfc_fail_memory(err, "result");
}

bool tfc_json_pointer_valid(const char *pointer)
{
    if (*pointer && *pointer != '/') return false;
    for (const char *c = pointer; *c; c++)
        if (*c == '~' && c[1] != '0' && c[1] != '1') return false;
    return true;
}

/* One step: the segment's `~1` is '/', `~0` is '~'. */
static tfc_json *step(tfc_json *value, const char *segment, size_t n)
{
    if (json_object_is_type(value, json_type_array)) {
        size_t index = 0;
        if (n == 0 || n > 9 || (n > 1 && *segment == '0')) return NULL;
        for (size_t i = 0; i < n; i++) {
            if (segment[i] < '0' || segment[i] > '9') return NULL;
            index = index * 10 + (size_t)(segment[i] - '0');
        }
        return json_object_array_get_idx(value, index);
    }
    char key[512];
    size_t length = 0;
    if (!json_object_is_type(value, json_type_object) || n >= sizeof key) return NULL;
    for (size_t i = 0; i < n; i++) {
        bool escaped = segment[i] == '~' && i + 1 < n;
        key[length++] = !escaped ? segment[i] : segment[++i] == '1' ? '/' : '~';
    }
    key[length] = '\0';
    tfc_json *member = NULL;
    json_object_object_get_ex(value, key, &member);
    return member;
}

tfc_json *tfc_json_at(tfc_json *value, const char *pointer)
{
    while (value && *pointer == '/') {
        size_t n = strcspn(++pointer, "/");
        value = step(value, pointer, n);
        pointer += n;
    }
    return value;
}

void tfc_result_excerpt(const char *bytes, size_t n, char out[200])
{
    size_t length = 0;
    while (n > 0 && blank(*bytes)) bytes++, n--;
    for (size_t i = 0; i < n && length < 160;) {
        size_t character = tfc_utf8_length(bytes + i, n - i);
        if (character == 0 || (unsigned char)bytes[i] < ' ' || bytes[i] == 0x7f) {
            out[length++] = character ? ' ' : '?';
            i++;
        } else {
            memcpy(out + length, bytes + i, character);
            length += character;
            i += character;
        }
    }
    out[length] = '\0';
}
