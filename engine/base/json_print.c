#include "engine/base/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES 32
#define FAST_DIGITS  9 /* what results have */

struct text {
    char *data;
    size_t length, capacity;
};

/* Room for `n` bytes more; where they go, or NULL. */
static char *reserve(struct text *text, size_t n) {
    if (text->capacity - text->length < n) {
        size_t capacity = (text->length + n) * 2 + 256;
        char *data = cJSON_malloc(capacity);
        if (!data) return NULL;
        if (text->data) memcpy(data, text->data, text->length);
        cJSON_free(text->data);
        text->data = data;
        text->capacity = capacity;
    }
    return text->data + text->length;
}

static bool append(struct text *text, const char *bytes, size_t n) {
    char *to = reserve(text, n);
    if (!to) return false;
    memcpy(to, bytes, n);
    text->length += n;
    return true;
}

/* Decimal digits of `value`, at least `least` of them; returns how many. */
static size_t put_digits(char *to, uint64_t value, size_t least) {
    char digits[24];
    size_t n = 0;
    for (; value > 0 || n < least; value /= 10) digits[n++] = (char)('0' + value % 10);
    for (size_t i = 0; i < n; i++) to[i] = digits[n - 1 - i];
    return n;
}

/* A number with a point and at most FAST_DIGITS digits, without printf; 0 when it isn't one. An integer below 2^53 divided
 * by a power of ten below 10^22 is the double nearest to that decimal, so equality proves that the digits are right. */
static size_t put_short(char *to, double value) {
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13};
    static const uint64_t whole[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
    double size = fabs(value);
    if (!(size >= 1e-4 && size < 1e9)) return 0;
    int places = FAST_DIGITS;
    for (double limit = 1; size >= limit; limit *= 10) places--;
    for (double limit = 0.1; size < limit; limit /= 10) places++;
    double scaled = rint(size * powers[places]);
    if (scaled / powers[places] != size) return 0;
    uint64_t digits = (uint64_t)scaled;
    while (places > 0 && digits % 10 == 0) {
        digits /= 10;
        places--;
    }
    size_t n = 0;
    if (value < 0) to[n++] = '-';
    uint64_t unit = places < 10 ? whole[places] : 0;
    uint64_t before = unit ? digits / unit : 0, after = unit ? digits % unit : digits;
    n += put_digits(to + n, before, 1);
    if (places == 0) return n;
    to[n++] = '.';
    return n + put_digits(to + n, after, (size_t)places);
}

static bool append_number(struct text *text, const cJSON *item) {
    double value = item->valuedouble;
    char *to = reserve(text, NUMBER_BYTES);
    if (!to) return false;
    if (!isfinite(value)) return append(text, "null", 4);
    if (value == (double)item->valueint) {
        int64_t whole = item->valueint;
        size_t n = 0;
        if (signbit(value)) to[n++] = '-'; /* -0 too */
        text->length += n + put_digits(to + n, (uint64_t)(whole < 0 ? -whole : whole), 1);
        return true;
    }
    size_t n = put_short(to, value);
    if (n == 0) {
        n = (size_t)snprintf(to, NUMBER_BYTES, "%1.15g", value);
        double back = strtod(to, NULL);
        if (fabs(back - value) > fmax(fabs(back), fabs(value)) * DBL_EPSILON)
            n = (size_t)snprintf(to, NUMBER_BYTES, "%1.17g", value);
    }
    text->length += n;
    return true;
}

static bool append_escaped(struct text *text, unsigned char c) {
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char escape[8] = {'\\'};
    for (size_t i = 0; i < sizeof letters - 1; i += 2) {
        if ((unsigned char)letters[i] != c) continue;
        escape[1] = letters[i + 1];
        return append(text, escape, 2);
    }
    snprintf(escape, sizeof escape, "\\u%04x", c);
    return append(text, escape, 6);
}

static bool append_string(struct text *text, const char *string) {
    if (!append(text, "\"", 1)) return false;
    const unsigned char *from = (const unsigned char *)(string ? string : "");
    while (*from) {
        size_t plain = 0;
        while (from[plain] >= 32 && from[plain] != '"' && from[plain] != '\\') plain++;
        if (!append(text, (const char *)from, plain)) return false;
        from += plain;
        if (*from && !append_escaped(text, *from++)) return false;
    }
    return append(text, "\"", 1);
}

static bool append_value(struct text *text, const cJSON *item);

static bool append_children(struct text *text, const cJSON *item, bool keys) {
    if (!append(text, keys ? "{" : "[", 1)) return false;
    for (const cJSON *child = item->child; child; child = child->next) {
        if (keys && (!append_string(text, child->string) || !append(text, ":", 1))) return false;
        if (!append_value(text, child) || (child->next && !append(text, ",", 1))) return false;
    }
    return append(text, keys ? "}" : "]", 1);
}

static bool append_value(struct text *text, const cJSON *item) {
    switch (item->type & 0xff) {
    case cJSON_NULL: return append(text, "null", 4);
    case cJSON_False: return append(text, "false", 5);
    case cJSON_True: return append(text, "true", 4);
    case cJSON_Number: return append_number(text, item);
    case cJSON_String: return append_string(text, item->valuestring);
    case cJSON_Raw: return item->valuestring && append(text, item->valuestring, strlen(item->valuestring));
    case cJSON_Array: return append_children(text, item, false);
    case cJSON_Object: return append_children(text, item, true);
    default: return false;
    }
}

char *json_print(const cJSON *value) {
    struct text text = {0};
    if (value && append_value(&text, value) && append(&text, "", 1)) return text.data;
    cJSON_free(text.data);
    return NULL;
}
