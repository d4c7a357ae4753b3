/* JSON in and out through cJSON, with the limits that cJSON leaves open. Any thread. */
#ifndef SONDE_BASE_JSON_H
#define SONDE_BASE_JSON_H

#include "engine/base/error.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

/* Parses exactly one JSON value of `n` bytes: at most `max_bytes` long and `max_depth` deep, valid UTF-8, no zero bytes
 * (escaped ones neither), nothing behind it, no object with the same key twice. Caller frees with cJSON_Delete. NULL with a
 * sentence; its code is EBADMSG where cJSON can't parse it, which may be for want of memory, too: it doesn't tell. */
cJSON *json_parse(const char *text, size_t n, size_t max_bytes, int max_depth, struct error *error);

/* The value as text without white space, byte for byte what cJSON_PrintUnformatted gives, in a fraction of its time: that
 * prints each number twice and reads it once. Caller frees with cJSON_free. NULL: no memory, or not a value. */
char *json_print(const cJSON *value);

/* Members of an object; the fallback when missing or of another type (or, for integers, not whole or beyond 2^53). */
const char *json_string(const cJSON *object, const char *key, const char *fallback);
double json_number(const cJSON *object, const char *key, double fallback);
int64_t json_integer(const cJSON *object, const char *key, int64_t fallback);
bool json_bool(const cJSON *object, const char *key, bool fallback);

/* The member as an object or array, or NULL. */
const cJSON *json_member(const cJSON *object, const char *key);

#endif
