#include "engine/base/text.h"

#include <stdlib.h>
#include <string.h>

size_t text_character(const char *s, size_t n) {
    const unsigned char *u = (const unsigned char *)s;
    if (n == 0) return 0;
    if (u[0] < 0x80) return 1;
    size_t length = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    if (u[0] < 0xc2 || u[0] > 0xf4 || n < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((u[i] & 0xc0) != 0x80) return 0;
    if (u[0] == 0xe0 && u[1] < 0xa0) return 0;
    if (u[0] == 0xed && u[1] > 0x9f) return 0;
    if (u[0] == 0xf0 && u[1] < 0x90) return 0;
    if (u[0] == 0xf4 && u[1] > 0x8f) return 0;
    return length;
}

bool text_is_utf8(const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t length = text_character(s + i, n - i);
        if (length == 0) return false;
        i += length;
    }
    return true;
}

void text_cut(char *s, size_t max) {
    size_t n = strnlen(s, max + 1);
    size_t end = n < max ? n : max;
    /* Step back over a character that doesn't fit or was already cut by whoever filled the buffer. */
    size_t start = end;
    while (start > 0 && end - start < 3 && ((unsigned char)s[start - 1] & 0xc0) == 0x80) start--;
    if (start > 0 && ((unsigned char)s[start - 1] & 0x80)) {
        start--;
        if (text_character(s + start, end - start) != end - start) end = start;
    }
    s[end] = '\0';
}

bool text_is_control(const char *s, size_t length) {
    const unsigned char *u = (const unsigned char *)s;
    if (length == 1) return u[0] < 0x20 || u[0] == 0x7f;
    if (length == 2) return u[0] == 0xc2 && u[1] < 0xa0;
    return length == 3 && u[0] == 0xe2 &&
           ((u[1] == 0x80 && u[2] >= 0xaa && u[2] <= 0xae) || (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9));
}

char *text_display(const char *s, size_t n) {
    char *out = malloc(n * 3 + 1);
    if (!out) return NULL;
    size_t o = 0;
    for (size_t i = 0; i < n;) {
        size_t length = text_character(s + i, n - i);
        if (length == 0 || text_is_control(s + i, length)) {
            memcpy(out + o, "\xef\xbf\xbd", 3);
            o += 3;
            i += length ? length : 1;
        } else {
            memcpy(out + o, s + i, length);
            o += length;
            i += length;
        }
    }
    out[o] = '\0';
    return out;
}

char *text_hex(const char *s, size_t n, const char *display) {
    if (strlen(display) == n && memcmp(display, s, n) == 0) return NULL;
    static const char digits[] = "0123456789abcdef";
    char *out = malloc(2 * n + 1);
    if (!out) return NULL;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[(unsigned char)s[i] >> 4];
        out[2 * i + 1] = digits[s[i] & 15];
    }
    out[2 * n] = '\0';
    return out;
}
