#include "engine/base/json.h"

#include "engine/base/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* cJSON recurses as deep as the text does (up to its own 1,000) and takes duplicate keys; so depth is checked on the text
 * and keys on the tree. An escaped zero would cut a C string short. */
static bool check_text(const char *text, size_t n, int max_depth, struct error *error) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '\0') return error_set(error, "JSON holds a zero byte");
        if (in_string) {
            if (c == '\\') {
                if (n - i > 5 && memcmp(text + i, "\\u0000", 6) == 0)
                    return error_set(error, "JSON holds an escaped zero byte");
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > max_depth) return error_set(error, "JSON is nested more than %d deep", max_depth);
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

static int compare_keys(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool check_keys(const cJSON *value, struct error *error) {
    int count = 0;
    for (const cJSON *child = value->child; child; child = child->next) {
        if (child->child && !check_keys(child, error)) return false;
        count++;
    }
    if (!cJSON_IsObject(value) || count < 2) return true;
    const char **keys = cJSON_malloc((size_t)count * sizeof *keys);
    if (!keys) return error_memory(error);
    int i = 0;
    for (const cJSON *child = value->child; child; child = child->next) keys[i++] = child->string;
    qsort(keys, (size_t)count, sizeof *keys, compare_keys);
    bool ok = true;
    for (i = 1; i < count && ok; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            ok = error_set(error, "JSON has the key \"%.60s\" twice in one object", keys[i]);
    cJSON_free(keys);
    return ok;
}

cJSON *json_parse(const char *text, size_t n, size_t max_bytes, int max_depth, struct error *error) {
    if (n > max_bytes) {
        error_set(error, "JSON of %zu bytes is longer than the %zu allowed", n, max_bytes);
        return NULL;
    }
    if (!text_is_utf8(text, n)) {
        error_set(error, "JSON is not valid UTF-8");
        return NULL;
    }
    if (!check_text(text, n, max_depth, error)) return NULL;
    const char *end = NULL;
    cJSON *value = cJSON_ParseWithLengthOpts(text, n, &end, 0);
    if (!value) {
        error_set(error, "not valid JSON near byte %zu", end && end >= text ? (size_t)(end - text) : (size_t)0);
        if (error) error->code = EBADMSG;
        return NULL;
    }
    while (end < text + n && (*end == ' ' || *end == '\n' || *end == '\r' || *end == '\t')) end++;
    if (end != text + n) {
        error_set(error, "something follows the JSON value at byte %zu", (size_t)(end - text));
        cJSON_Delete(value);
        return NULL;
    }
    if (!check_keys(value, error)) {
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

const cJSON *json_member(const cJSON *object, const char *key) {
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

const char *json_string(const cJSON *object, const char *key, const char *fallback) {
    const cJSON *item = json_member(object, key);
    return cJSON_IsString(item) ? item->valuestring : fallback;
}

double json_number(const cJSON *object, const char *key, double fallback) {
    const cJSON *item = json_member(object, key);
    return cJSON_IsNumber(item) && isfinite(item->valuedouble) ? item->valuedouble : fallback;
}

int64_t json_integer(const cJSON *object, const char *key, int64_t fallback) {
    const cJSON *item = json_member(object, key);
    if (!cJSON_IsNumber(item)) return fallback;
    double v = item->valuedouble;
    if (!(fabs(v) <= 9007199254740992.0) || v != floor(v)) return fallback;
    return (int64_t)v;
}

bool json_bool(const cJSON *object, const char *key, bool fallback) {
    const cJSON *item = json_member(object, key);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}
