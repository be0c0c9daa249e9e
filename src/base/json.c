/* json-c does the parsing; a scan before it finds what json-c lets pass: duplicate keys (it keeps the last),
 * NaN, NUL bytes, lone surrogates, single quotes. */
#include "base/json.h"

#include <math.h>

#include "base/file.h"
#include "base/random.h"
#include "base/utf8.h"

enum { DEPTH_MAX = 64 };

/* Keys seen in the open objects: hashes in one stack, `start[d]` where level d's keys begin. A hash collision
 * of 64 bits would refuse a sound file; with the few keys of one object that does not happen. */
typedef struct key_scan {
    uint64_t *hashes; /* open-addressing set of (object number, key) */
    size_t n, capacity;
} key_scan;

static bool key_seen(key_scan *scan, uint64_t hash, bool *seen)
{
    if ((scan->n + 1) * 2 > scan->capacity) {
        size_t capacity = scan->capacity ? scan->capacity * 2 : 256;
        uint64_t *bigger = tfc_alloc_zero(capacity, sizeof *bigger);
        if (!bigger) return false;
        for (size_t i = 0; i < scan->capacity; i++) {
            if (!scan->hashes[i]) continue;
            size_t at = scan->hashes[i] & (capacity - 1);
            while (bigger[at]) at = (at + 1) & (capacity - 1);
            bigger[at] = scan->hashes[i];
        }
        tfc_free(scan->hashes);
        scan->hashes = bigger;
        scan->capacity = capacity;
    }
    hash |= 1;
    size_t at = hash & (scan->capacity - 1);
    while (scan->hashes[at] && scan->hashes[at] != hash) at = (at + 1) & (scan->capacity - 1);
    *seen = scan->hashes[at] == hash;
    if (!*seen) scan->hashes[at] = hash, scan->n++;
    return true;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The \uXXXX at text[i]; -1 when it is none. */
static int unicode_escape(const char *text, size_t n, size_t i)
{
    if (i + 6 > n || text[i] != '\\' || text[i + 1] != 'u') return -1;
    int code = 0;
    for (size_t j = i + 2; j < i + 6; j++) {
        if (hex_value(text[j]) < 0) return -1;
        code = code * 16 + hex_value(text[j]);
    }
    return code;
}

/* Steps over the string whose quote is at *i. */
static tfc_status scan_string(const char *text, size_t n, size_t *i, const char *what, tfc_error *err)
{
    size_t j = *i + 1;
    while (j < n && text[j] != '"') {
        if ((unsigned char)text[j] < 0x20)
            return tfc_fail(err, TFC_EFORMAT, "%s: invalid JSON at byte %zu: control character in a string",
                            what, j);
        if (text[j] != '\\') {
            j++;
            continue;
        }
        int code = unicode_escape(text, n, j);
        if (code >= 0xD800 && code < 0xDC00) {
            int low = unicode_escape(text, n, j + 6);
            if (low < 0xDC00 || low > 0xDFFF)
                return tfc_fail(err, TFC_EFORMAT, "%s: lone surrogate at byte %zu", what, j);
            j += 12;
        } else if (code >= 0xDC00 && code <= 0xDFFF) {
            return tfc_fail(err, TFC_EFORMAT, "%s: lone surrogate at byte %zu", what, j);
        } else {
            j += code >= 0 ? 6 : 2;
        }
    }
    if (j >= n)
        return tfc_fail(err, TFC_EFORMAT, "%s: invalid JSON at byte %zu: string does not end", what, *i);
    *i = j;
    return TFC_OK;
}

static tfc_status scan_strings(const char *text, size_t n, const char *what, tfc_error *err)
{
    key_scan scan = {0};
    uint64_t object[DEPTH_MAX + 1] = {0};
    bool in_object[DEPTH_MAX + 1] = {false};
    uint64_t n_objects = 0;
    int depth = 0;
    tfc_status status = TFC_OK;
    for (size_t i = 0; i < n && status == TFC_OK; i++) {
        char c = text[i];
        if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX) {
                status = tfc_fail(err, TFC_EFORMAT, "%s: nested too deeply at byte %zu", what, i);
                break;
            }
            in_object[depth] = c == '{';
            object[depth] = ++n_objects;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        } else if (c == 'N' || c == 'I' || c == '\'') {
            status = tfc_fail(err, TFC_EFORMAT, "%s: invalid JSON at byte %zu", what, i);
        } else if (c == '"') {
            size_t start = i;
            status = scan_string(text, n, &i, what, err);
            if (status != TFC_OK) break;
            size_t after = i + 1;
            while (after < n &&
                   (text[after] == ' ' || text[after] == '\t' || text[after] == '\n' || text[after] == '\r'))
                after++;
            if (depth > 0 && in_object[depth] && after < n && text[after] == ':') {
                bool seen;
                if (!key_seen(&scan, tfc_hash_bytes(text + start + 1, i - start - 1, object[depth]), &seen))
                    status = tfc_fail_memory(err, what);
                else if (seen)
                    status =
                        tfc_fail(err, TFC_EFORMAT, "%s: duplicate key '%.*s' at byte %zu", what,
                                 (int)(i - start - 1 > 120 ? 120 : i - start - 1), text + start + 1, start);
            }
        }
    }
    tfc_free(scan.hashes);
    return status;
}

tfc_json *tfc_json_parse(const char *text, size_t n, const char *what, tfc_error *err)
{
    size_t at;
    const char *nul = memchr(text, 0, n);
    if (nul) {
        tfc_fail(err, TFC_EFORMAT, "%s: invalid JSON at byte %zu: NUL byte", what, (size_t)(nul - text));
        return NULL;
    }
    if (!tfc_utf8_valid(text, n, &at)) {
        tfc_fail(err, TFC_EFORMAT, "%s: invalid UTF-8 at byte %zu", what, at);
        return NULL;
    }
    if (n > INT32_MAX) {
        tfc_fail(err, TFC_ELIMIT, "%s: JSON larger than 2 GiB", what);
        return NULL;
    }
    if (scan_strings(text, n, what, err) != TFC_OK) return NULL;
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX + 1);
    if (!tokener) {
        tfc_fail_memory(err, what);
        return NULL;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    /* The final NUL ends a number at the top level; text need not have one, so it is fed by itself. */
    tfc_json *value = json_tokener_parse_ex(tokener, text, (int)n);
    enum json_tokener_error parse_error = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    if (parse_error == json_tokener_continue) {
        value = json_tokener_parse_ex(tokener, "", 1);
        parse_error = json_tokener_get_error(tokener);
        end = n;
    }
    while (parse_error == json_tokener_success && end < n &&
           (text[end] == ' ' || text[end] == '\n' || text[end] == '\r' || text[end] == '\t'))
        end++;
    if (parse_error != json_tokener_success || end < n || !value) {
        const char *reason = parse_error == json_tokener_success
                                 ? (value ? "text after the value" : "empty or null")
                             : parse_error == json_tokener_continue ? "unexpected end"
                                                                    : json_tokener_error_desc(parse_error);
        tfc_fail(err, TFC_EFORMAT, "%s: invalid JSON at byte %zu: %s", what, end, reason);
        if (value) json_object_put(value);
        value = NULL;
    }
    json_tokener_free(tokener);
    return value;
}

tfc_json *tfc_json_parse_file(const char *path, size_t max_bytes, tfc_error *err)
{
    char *text;
    size_t n;
    if (tfc_file_read(path, max_bytes, &text, &n, err) != TFC_OK) return NULL;
    tfc_json *value = tfc_json_parse(text, n, path, err);
    tfc_free(text);
    return value;
}

/* 1: there, 0: absent (allowed), -1: absent and needed. */
static int json_find(tfc_json *object, const char *key, tfc_json **value, bool *found, tfc_error *err)
{
    bool there = json_object_object_get_ex(object, key, value) && *value;
    if (found) *found = there;
    if (there) return 1;
    if (found) return 0;
    tfc_fail(err, TFC_EFORMAT, "missing %s", key);
    return -1;
}

#define JSON_FIND(value)                                                                                     \
    tfc_json *value;                                                                                         \
    int there = json_find(object, key, &value, found, err);                                                  \
    if (there <= 0) return there == 0 ? TFC_OK : TFC_EFORMAT

tfc_status tfc_json_get_int(tfc_json *object, const char *key, int64_t low, int64_t high, int64_t *out,
                            bool *found, tfc_error *err)
{
    JSON_FIND(value);
    if (json_object_is_type(value, json_type_double))
        return tfc_fail(err, TFC_EFORMAT, "%s: integer expected, not %g", key, json_object_get_double(value));
    if (!json_object_is_type(value, json_type_int))
        return tfc_fail(err, TFC_EFORMAT, "%s: number expected", key);
    int64_t number = json_object_get_int64(value);
    if (number < low || number > high) {
        if (low == 1 && number < 1)
            return tfc_fail(err, TFC_EFORMAT, "%s must be positive, not %lld", key, (long long)number);
        return tfc_fail(err, TFC_EFORMAT, "%s must be between %lld and %lld, not %lld", key, (long long)low,
                        (long long)high, (long long)number);
    }
    *out = number;
    return TFC_OK;
}

tfc_status tfc_json_get_double(tfc_json *object, const char *key, double *out, bool *found, tfc_error *err)
{
    JSON_FIND(value);
    if (!json_object_is_type(value, json_type_double) && !json_object_is_type(value, json_type_int))
        return tfc_fail(err, TFC_EFORMAT, "%s: number expected", key);
    double number = json_object_get_double(value);
    if (!isfinite(number)) return tfc_fail(err, TFC_EFORMAT, "%s must be finite", key);
    *out = number;
    return TFC_OK;
}

tfc_status tfc_json_get_bool(tfc_json *object, const char *key, bool *out, bool *found, tfc_error *err)
{
    JSON_FIND(value);
    if (!json_object_is_type(value, json_type_boolean))
        return tfc_fail(err, TFC_EFORMAT, "%s: true or false expected", key);
    *out = json_object_get_boolean(value);
    return TFC_OK;
}

tfc_status tfc_json_get_text(tfc_json *object, const char *key, const char **out, size_t *n, bool *found,
                             tfc_error *err)
{
    JSON_FIND(value);
    if (!json_object_is_type(value, json_type_string))
        return tfc_fail(err, TFC_EFORMAT, "%s: string expected", key);
    *out = json_object_get_string(value);
    if (n) *n = (size_t)json_object_get_string_len(value);
    return TFC_OK;
}

tfc_status tfc_json_get_object(tfc_json *object, const char *key, tfc_json **out, bool *found, tfc_error *err)
{
    JSON_FIND(value);
    if (!json_object_is_type(value, json_type_object))
        return tfc_fail(err, TFC_EFORMAT, "%s: object expected", key);
    *out = value;
    return TFC_OK;
}

tfc_status tfc_json_get_array(tfc_json *object, const char *key, tfc_json **out, bool *found, tfc_error *err)
{
    JSON_FIND(value);
    if (!json_object_is_type(value, json_type_array))
        return tfc_fail(err, TFC_EFORMAT, "%s: array expected", key);
    *out = value;
    return TFC_OK;
}

tfc_status tfc_json_only_keys(tfc_json *object, const char *const *keys, tfc_error *err)
{
    json_object_object_foreach(object, key, value)
    {
        (void)value;
        const char *const *known = keys;
        while (*known && strcmp(*known, key) != 0) known++;
        if (!*known) return tfc_fail(err, TFC_EFORMAT, "unknown field '%.80s'", key);
    }
    return TFC_OK;
}

static bool merge_into(tfc_json *target, tfc_json *over)
{
    json_object_object_foreach(over, key, value)
    {
        tfc_json *there, *copy = NULL;
        bool both = json_object_object_get_ex(target, key, &there) &&
                    json_object_is_type(there, json_type_object) &&
                    json_object_is_type(value, json_type_object);
        if (both && !merge_into(there, value)) return false;
        if (both) continue;
        if (value && json_object_deep_copy(value, &copy, NULL) != 0) return false;
        if (json_object_object_add(target, key, copy) != 0) {
            json_object_put(copy);
            return false;
        }
    }
    return true;
}

tfc_json *tfc_json_merge(tfc_json *base, tfc_json *over)
{
    tfc_json *merged = NULL;
    if (json_object_deep_copy(base, &merged, NULL) != 0) return NULL;
    if (merge_into(merged, over)) return merged;
    json_object_put(merged);
    return NULL;
}
