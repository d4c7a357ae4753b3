#include "workers/host/writer.h"

#include "engine/base/json.h"
#include "engine/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WHOLE 9007199254740992 /* 2^53: JSON numbers are doubles to whoever reads them */

size_t dtype_size(uint32_t dtype) {
    static const size_t sizes[] = {4, 8, 4, 1};
    return dtype < 4 ? sizes[dtype] : 0;
}

const char *dtype_name(uint32_t dtype) {
    static const char *const names[] = {"f32", "f64", "i32", "u8"};
    return dtype < 4 ? names[dtype] : "?";
}

/* ------------------------------------------------------------------------------------------------------------- text */

static struct writer *self(const sonde_writer_t *api) {
    return api->context;
}

static void fail(struct writer *w, const char *what, const char *detail) {
    if (w->failed) return;
    w->failed = true;
    error_set(&w->error, "the result is refused: %s%.200s", what, detail ? detail : "");
}

static void put(struct writer *w, const char *text, size_t n) {
    if (w->failed) return;
    if (n > RESULT_MAX_BYTES - w->length) {
        fail(w, "more than 1 MiB of JSON", NULL);
        return;
    }
    if (w->length + n + 1 > w->capacity) {
        size_t capacity = (w->length + n + 1) * 2;
        char *grown = realloc(w->json, capacity < 512 ? 512 : capacity);
        if (!grown) {
            fail(w, "out of memory", NULL);
            return;
        }
        w->json = grown;
        w->capacity = capacity < 512 ? 512 : capacity;
    }
    memcpy(w->json + w->length, text, n);
    w->length += n;
    w->json[w->length] = '\0';
}

static void put_string(struct writer *w, const char *text, size_t n) {
    put(w, "\"", 1);
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) continue;
        char escape[8];
        int length = c == '"' || c == '\\' ? snprintf(escape, sizeof escape, "\\%c", c)
                                           : snprintf(escape, sizeof escape, "\\u%04x", c);
        put(w, text + done, i - done);
        put(w, escape, (size_t)length);
        done = i + 1;
    }
    put(w, text + done, n - done);
    put(w, "\"", 1);
}

/* The text of a plugin, which may be anything: at most `max` bytes of UTF-8. */
static bool check_text(struct writer *w, const char *text, size_t max, const char *what) {
    if (!text) {
        fail(w, what, " is NULL");
        return false;
    }
    size_t n = strnlen(text, max + 1);
    if (n > max)
        fail(w, what, " is too long");
    else if (!text_is_utf8(text, n))
        fail(w, what, " is not valid UTF-8");
    return !w->failed;
}

/* What stands before every value: a comma and, inside an object, the key. False: the value mustn't be written. */
static bool open_value(struct writer *w, const char *key) {
    if (w->failed) return false;
    bool object = w->open[w->depth - 1] == '{';
    if (!object && key) {
        fail(w,
             "inside an array a value has no key, but one was given: ", text_is_utf8(key, strnlen(key, 60)) ? key : "");
        return false;
    }
    if (object && !check_text(w, key, WRITER_MAX_KEY, "a key")) return false;
    if (w->comma) put(w, ",", 1);
    w->comma = true;
    if (object) {
        put_string(w, key, strlen(key));
        put(w, ":", 1);
    }
    return !w->failed;
}

static void open_level(struct writer *w, const char *key, char kind) {
    if (!open_value(w, key)) return;
    if (w->depth >= RESULT_MAX_DEPTH) {
        fail(w, "more than 32 levels deep", NULL);
        return;
    }
    w->open[w->depth++] = kind;
    w->comma = false;
    put(w, &kind, 1);
}

static void close_level(struct writer *w, char kind) {
    if (w->failed) return;
    if (w->depth <= 1 || w->open[w->depth - 1] != kind) {
        fail(w, kind == '{' ? "end_object without its begin_object" : "end_array without its begin_array", NULL);
        return;
    }
    w->depth--;
    w->comma = true;
    put(w, kind == '{' ? "}" : "]", 1);
}

static void begin_object(const sonde_writer_t *api, const char *key) {
    open_level(self(api), key, '{');
}

static void end_object(const sonde_writer_t *api) {
    close_level(self(api), '{');
}

static void begin_array(const sonde_writer_t *api, const char *key) {
    open_level(self(api), key, '[');
}

static void end_array(const sonde_writer_t *api) {
    close_level(self(api), '[');
}

/* ------------------------------------------------------------------------------------------------------------ values */

/* 9 significant digits: what a float holds. printf obeys locale and rounding mode, so those must be ours. */
static void put_number(struct writer *w, double value) {
    char text[32];
    int n = snprintf(text, sizeof text, "%.9g", value == 0 ? 0.0 : value);
    put(w, text, (size_t)n);
}

static void number(const sonde_writer_t *api, const char *key, double value) {
    struct writer *w = self(api);
    environment_repair(w->environment);
    if (!isfinite(value)) fail(w, "not a finite number: ", key ? key : "in an array");
    if (open_value(w, key)) put_number(w, value);
}

static void integer(const sonde_writer_t *api, const char *key, int64_t value) {
    struct writer *w = self(api);
    char text[32];
    if (value > MAX_WHOLE || value < -MAX_WHOLE) fail(w, "an integer beyond 2^53: ", key ? key : "in an array");
    int n = snprintf(text, sizeof text, "%lld", (long long)value);
    if (open_value(w, key)) put(w, text, (size_t)n);
}

static void boolean(const sonde_writer_t *api, const char *key, int32_t value) {
    struct writer *w = self(api);
    if (open_value(w, key)) put(w, value ? "true" : "false", value ? 4 : 5);
}

static void string(const sonde_writer_t *api, const char *key, const char *utf8) {
    struct writer *w = self(api);
    if (w->failed || !check_text(w, utf8, RESULT_MAX_BYTES, "a string")) return;
    if (open_value(w, key)) put_string(w, utf8, strlen(utf8));
}

static void null(const sonde_writer_t *api, const char *key) {
    struct writer *w = self(api);
    if (open_value(w, key)) put(w, "null", 4);
}

static void numbers(const sonde_writer_t *api, const char *key, const float *values, uint32_t count) {
    struct writer *w = self(api);
    environment_repair(w->environment);
    if (!values && count) fail(w, "numbers without values: ", key ? key : "in an array");
    open_level(w, key, '[');
    for (uint32_t i = 0; i < count && !w->failed; i++) {
        if (!isfinite(values[i])) fail(w, "not a finite number: ", key ? key : "in an array");
        if (i) put(w, ",", 1);
        put_number(w, (double)values[i]);
    }
    close_level(w, '[');
}

static void raw_json(const sonde_writer_t *api, const char *key, const char *json, uint64_t length) {
    struct writer *w = self(api);
    environment_repair(w->environment); /* cJSON reads numbers with strtod */
    if (w->failed) return;
    struct error error = {0};
    cJSON *value = json ? json_parse(json, length, RESULT_MAX_BYTES, RESULT_MAX_DEPTH - w->depth, &error) : NULL;
    if (!value) fail(w, "raw_json: ", json ? error.text : "NULL");
    cJSON_Delete(value);
    if (open_value(w, key)) put(w, json, length);
}

/* ------------------------------------------------------------------------------------------------------------ arrays */

/* The number of bytes, or false when it would pass the cap. */
static bool array_bytes(const sonde_array_info_t *info, const uint64_t *shape, size_t *bytes) {
    uint64_t n = dtype_size(info->dtype);
    bool empty = false;
    for (uint32_t d = 0; d < info->dimensions; d++) {
        if (shape[d] > WRITER_MAX_ARRAY_BYTES) return false;
        empty |= shape[d] == 0;
        if (shape[d] > 0) n *= shape[d]; /* at most 2^25 times a number that is at most 2^25 */
        if (n > WRITER_MAX_ARRAY_BYTES) return false;
    }
    *bytes = empty ? 0 : n;
    return true;
}

static bool array_is_finite(uint32_t dtype, const void *data, size_t bytes) {
    bool finite = true;
    if (dtype == SONDE_F32)
        for (size_t i = 0; i < bytes / 4; i++) finite &= (bool)isfinite(((const float *)data)[i]);
    if (dtype == SONDE_F64)
        for (size_t i = 0; i < bytes / 8; i++) finite &= (bool)isfinite(((const double *)data)[i]);
    return finite;
}

static const sonde_array_info_t *find_array(const struct writer *w, const char *name) {
    for (uint32_t i = 0; name && i < w->descriptor->arrays_count; i++)
        if (strcmp(w->descriptor->arrays[i].name, name) == 0) return &w->descriptor->arrays[i];
    return NULL;
}

static bool check_array(struct writer *w, const sonde_array_info_t *info, const void *data, const uint64_t *shape,
                        size_t *bytes) {
    for (size_t i = 0; i < w->arrays_count; i++)
        if (w->arrays[i].info == info) fail(w, "an array is written twice: ", info->name);
    if (!shape || !array_bytes(info, shape, bytes) || *bytes > WRITER_MAX_ARRAY_BYTES - w->arrays_bytes)
        fail(w, "more than 32 MiB of arrays, with ", info->name);
    else if (*bytes && !data)
        fail(w, "an array without data: ", info->name);
    else if (!array_is_finite(info->dtype, data, *bytes))
        fail(w, "an array holds a number that isn't finite: ", info->name);
    return !w->failed;
}

static void array(const sonde_writer_t *api, const char *name, const void *data, const uint64_t *shape, double hop,
                  double start) {
    struct writer *w = self(api);
    if (w->failed) return;
    const sonde_array_info_t *info = find_array(w, name);
    size_t bytes = 0;
    if (!info)
        fail(w, "an array that the descriptor doesn't declare", NULL);
    else if (!isfinite(hop) || hop < 0 || !isfinite(start))
        fail(w, "a bad hop or start of the array ", name);
    if (w->failed || !check_array(w, info, data, shape, &bytes)) return;
    struct host_array *list = realloc(w->arrays, (w->arrays_count + 1) * sizeof *list);
    if (list) w->arrays = list;
    void *copy = aligned_alloc(64, bytes ? (bytes + 63) / 64 * 64 : 64);
    if (!list || !copy) {
        free(copy);
        fail(w, "out of memory", NULL);
        return;
    }
    if (bytes) memcpy(copy, data, bytes);
    struct host_array *added = &w->arrays[w->arrays_count++];
    *added = (struct host_array){.info = info, .hop = hop, .start = start, .bytes = bytes, .data = copy};
    memcpy(added->shape, shape, info->dimensions * sizeof *shape);
    w->arrays_bytes += bytes;
}

static void set_sentence(const sonde_writer_t *api, const char *sentence) {
    struct writer *w = self(api);
    char *clean = sentence ? text_display(sentence, strnlen(sentence, sizeof w->sentence)) : NULL;
    if (!clean) return;
    text_cut(clean, sizeof w->sentence - 1);
    strcpy(w->sentence, clean);
    free(clean);
}

static int32_t status(const sonde_writer_t *api) {
    return self(api)->failed ? SONDE_FAILED : SONDE_OK;
}

/* ---------------------------------------------------------------------------------------------------------- the whole */

void writer_init(struct writer *writer, const sonde_descriptor_t *descriptor, const struct environment *environment) {
    *writer = (struct writer){
        .api = {.struct_size = sizeof(sonde_writer_t),
                .context = writer,
                .begin_object = begin_object,
                .end_object = end_object,
                .begin_array = begin_array,
                .end_array = end_array,
                .number = number,
                .integer = integer,
                .boolean = boolean,
                .string = string,
                .null = null,
                .numbers = numbers,
                .raw_json = raw_json,
                .array = array,
                .fail = set_sentence,
                .status = status},
        .environment = environment,
        .descriptor = descriptor,
        .depth = 1,
        .open = "{",
    };
    put(writer, "{", 1);
}

bool writer_finish(struct writer *writer, struct error *error) {
    if (!writer->failed && writer->depth > 1)
        fail(writer, writer->open[writer->depth - 1] == '{' ? "an object is still open" : "an array is still open",
             NULL);
    put(writer, "}", 1);
    if (writer->failed) return error_set(error, "%s", writer->error.text);
    struct error why = {0};
    cJSON *value = json_parse(writer->json, writer->length, RESULT_MAX_BYTES, RESULT_MAX_DEPTH, &why);
    if (!value) return error_set(error, "the result is refused: %s", why.text);
    cJSON_Delete(value);
    return true;
}

void host_arrays_free(struct host_array *arrays, size_t count) {
    for (size_t i = 0; i < count; i++) free(arrays[i].data);
    free(arrays);
}

void writer_close(struct writer *writer) {
    free(writer->json);
    host_arrays_free(writer->arrays, writer->arrays_count);
    writer->json = NULL;
    writer->arrays = NULL;
    writer->arrays_count = 0;
}
